/* Kernels that write what they may not. Before a dispatch a copy is kept of all that it could damage and must not, and
 * compared after it:
 *
 *              guard |  buffer                                       | guard
 *     - - - - #######|  .......oooo[ written argument ]oooo.......   |####### - - -        # a pattern, looked at twice
 *                                  [ read argument   ]                                     o [ ] copied and compared
 *
 * Guards lie outside of the buffer and hold a pattern; what is beside a written argument in its buffer is copied, as
 * far as a guard reaches. A guard that was damaged before the kernel ran is no doing of this one, and is told as
 * such.
 *
 * OTHER STREAMS run meanwhile, and may well write beside a range: arenas live on it. Each stream shows what its command
 * under way writes (the spans of rlx_stream_checks), and who watches takes note of all that is shown while it does.
 * More spans than fit become wider ones, so that too much is excluded rather than too little. Copies and comparisons
 * of such bytes race with those writes by intention; what they read there is not used. */
#include "validate.h"

#include <stdio.h>
#include <string.h>

#define PATTERN 0xa5

enum { KEPT_READ = 0, KEPT_BEFORE, KEPT_BEHIND };

/* ---- What a dispatch touches ---- */

bool rlx_step_touches(const rlx_step *step, uint32_t i, rlx_touched *touched) {
    const rlx_packet_dispatch *packet = (const rlx_packet_dispatch *)step->packet;
    if (i < packet->arg_count) {
        const rlx_host_arg *arg = &packet->args[i];
        rlx_access access = packet->info->params[i].access;
        bool placed = packet->places && access != RLX_VALUE;
        *touched =
            (rlx_touched){ placed ? packet->places[i] : (rlx_place){ .host = arg->data }, arg->size, access, i, false };
        return true;
    }
    const rlx_validate_note *note = step->notes;
    for (i -= packet->arg_count; note && note->packet == step->packet && i; note = note->next) i--;
    if (!note || note->packet != step->packet) return false;
    unsigned char *host = note->buffer->block.host;
    *touched = (rlx_touched){ { note->buffer->block.memory, note->offset, host ? host + note->offset : NULL },
                              note->size,
                              note->access,
                              note->number,
                              true };
    return true;
}

const char *rlx_touched_name(const rlx_touched *touched, char text[24]) {
    snprintf(text, 24, "%s %u", touched->use ? "use" : "argument", touched->number);
    return text;
}

static bool writes(const rlx_touched *touched) {
    return touched->access == RLX_WRITE || touched->access == RLX_READ_WRITE;
}

static rlx_span span_of(const void *first, uint64_t size) {
    return (rlx_span){ (uint64_t)(uintptr_t)first, (uint64_t)(uintptr_t)first + size };
}

/* ---- What others write meanwhile ---- */

/* More than fit: the last one grows over them. */
static void span_add(rlx_span spans[RLX_SPANS], uint32_t *count, rlx_span more) {
    if (more.begin >= more.end) return;
    if (*count < RLX_SPANS) {
        spans[(*count)++] = more;
        return;
    }
    rlx_span *last = &spans[RLX_SPANS - 1];
    if (more.begin < last->begin) last->begin = more.begin;
    if (more.end > last->end) last->end = more.end;
}

/* Rows from the lowest byte to the highest, in whole words, as an edge may rewrite its word (rule 14). */
static rlx_span rows_span(const void *first, uint64_t rows, uint64_t bytes, int64_t stride) {
    rlx_span span = span_of(first, bytes);
    uint64_t reach = (rows - 1) * (uint64_t)stride;
    if (stride < 0) span.begin += reach;
    else span.end += reach;
    span.begin &= ~UINT64_C(3);
    span.end = (span.end + 3) & ~UINT64_C(3);
    return span;
}

static void show_writes(rlx_stream_checks *stream, const rlx_step *step) {
    const rlx_packet *packet = step->packet;
    rlx_span span = { 0, 0 };
    rlx_touched touched;
    if (packet->kind == RLX_PACKET_COPY) {
        const rlx_packet_copy *copy = (const rlx_packet_copy *)packet;
        span = rows_span(copy->dst.host, copy->rows, copy->row_bytes, copy->dst_stride);
    } else if (packet->kind == RLX_PACKET_FILL) {
        const rlx_packet_fill *fill = (const rlx_packet_fill *)packet;
        span = rows_span(fill->dst.host, fill->rows, fill->row_bytes, fill->stride);
    } else if (packet->kind == RLX_PACKET_WRITE) {
        const rlx_packet_host_copy *write = (const rlx_packet_host_copy *)packet;
        span = rows_span(write->device.host, write->rows, write->row_bytes, write->device_stride);
    } else if (packet->kind == RLX_PACKET_DISPATCH) {
        for (uint32_t i = 0; rlx_step_touches(step, i, &touched); i++)
            if (writes(&touched))
                span_add(stream->writes, &stream->write_count, span_of(touched.place.host, touched.size));
    }
    span_add(stream->writes, &stream->write_count, span);
}

static void exclude(rlx_stream_checks *watcher, const rlx_stream_checks *writer) {
    for (uint32_t i = 0; i < writer->write_count; i++)
        span_add(watcher->excluded, &watcher->excluded_count, writer->writes[i]);
}

void rlx_validate_writes(rlx_stream_checks *stream, const rlx_step *step) {
    stream->write_count = 0;
    stream->watching = step && step->packet->kind == RLX_PACKET_DISPATCH;
    stream->excluded_count = 0;
    if (!step) return;
    show_writes(stream, step);
    for (rlx_stream_checks *other = stream->device->streams; other; other = other->next) {
        if (other == stream) continue;
        if (other->watching) exclude(other, stream);
        if (stream->watching) exclude(stream, other);
    }
}

/* ---- Guards ---- */

static unsigned char *guard_before(const rlx_buffer *buffer) { return (unsigned char *)buffer->block.host - RLX_GUARD; }

static unsigned char *guard_behind(const rlx_buffer *buffer) {
    return (unsigned char *)buffer->block.host + buffer->allocated;
}

void rlx_validate_guard_fill(const rlx_buffer *buffer) {
    if (!buffer->object.device->checks->guards) return;
    memset(guard_before(buffer), PATTERN, RLX_GUARD);
    memset(guard_behind(buffer), PATTERN, RLX_GUARD);
}

static bool is_pattern(const unsigned char *guard) {
    return guard[0] == PATTERN && memcmp(guard, guard + 1, RLX_GUARD - 1) == 0;
}

/* If a guard is damaged: what it says of that, and the guard is mended, so that it is told once. */
static rlx_status guard_check(const rlx_step *step, const rlx_touched *touched, const rlx_buffer *buffer, bool after) {
    const unsigned char *behind = guard_behind(buffer), *before = guard_before(buffer);
    bool sound = is_pattern(behind);
    if (sound && is_pattern(before)) return RLX_OK;
    uint64_t at = 0;
    while (sound ? before[RLX_GUARD - 1 - at] == PATTERN : behind[at] == PATTERN) at++;
    char name[64], what[24];
    rlx_buffer_name(buffer, name);
    rlx_touched_name(touched, what);
    rlx_validate_guard_fill(buffer);
    if (!after)
        return rlx_finding_set(
            step->finding, RLX_ERROR_VALIDATION, step->packet,
            "before it ran, byte %s%llu of %s (%s), which lies outside, had been written by something "
            "else: a kernel without this argument, or the host",
            sound ? "-" : "", (unsigned long long)(sound ? at + 1 : buffer->allocated + at), name, what);
    return rlx_finding_set(step->finding, RLX_ERROR_VALIDATION, step->packet,
                           "the kernel wrote outside of %s (%s, of %llu bytes): at byte %s%llu of it", name, what,
                           (unsigned long long)buffer->size, sound ? "-" : "",
                           (unsigned long long)(sound ? at + 1 : buffer->allocated + at));
}

static rlx_status guards_check(const rlx_step *step, bool after) {
    rlx_device_checks *checks = step->stream->device;
    rlx_touched touched;
    for (uint32_t i = 0; rlx_step_touches(step, i, &touched); i++) {
        rlx_spot spot;
        if (touched.access == RLX_VALUE || touched.use) continue;
        rlx_lock(&checks->lock);
        bool found = rlx_spot_find(checks, &touched.place, &spot);
        rlx_unlock(&checks->lock);
        rlx_status status = found ? guard_check(step, &touched, spot.buffer, after) : RLX_OK;
        if (status) return status;
    }
    return RLX_OK;
}

/* ---- Copies ---- */

/* Bytes that another stream may be writing: read one by one, and not under the eyes of a sanitizer, which is right to
 * call it a race. */
__attribute__((no_sanitize("thread"))) static void copy_shared(unsigned char *to, const unsigned char *from,
                                                               uint64_t size) {
    for (uint64_t i = 0; i < size; i++) to[i] = ((const volatile unsigned char *)from)[i];
}

__attribute__((no_sanitize("thread"))) static uint64_t same_shared(const unsigned char *a, const unsigned char *b,
                                                                   uint64_t size) {
    uint64_t i = 0;
    while (i < size && a[i] == ((const volatile unsigned char *)b)[i]) i++;
    return i;
}

static uint64_t same(const unsigned char *a, const unsigned char *b, uint64_t size) {
    enum { BLOCK = 4096 };
    uint64_t i = 0;
    while (size - i >= BLOCK && memcmp(a + i, b + i, BLOCK) == 0) i += BLOCK;
    while (i < size && a[i] == b[i]) i++;
    return i;
}

static bool keep_room(rlx_stream_checks *stream, uint64_t size) {
    if (stream->kept_count == stream->kept_room) {
        uint32_t room = stream->kept_room ? 2 * stream->kept_room : 16;
        rlx_kept *moved = rlx_reallocate(stream->kept, room * sizeof *moved);
        if (!moved) return false;
        stream->kept = moved;
        stream->kept_room = room;
    }
    if (size > SIZE_MAX / 2 - stream->copies_used) return false;
    if (stream->copies_used + size <= stream->copies_room) return true;
    uint64_t room = stream->copies_room ? 2 * stream->copies_room : 4096;
    if (room < stream->copies_used + size) room = stream->copies_used + size;
    unsigned char *moved = rlx_reallocate(stream->copies, room);
    if (!moved) return false;
    stream->copies = moved;
    stream->copies_room = room;
    return true;
}

static bool keep(rlx_stream_checks *stream, const unsigned char *at, uint64_t size, uint32_t access, uint32_t what) {
    if (!size) return true;
    if (!keep_room(stream, size)) return false;
    unsigned char *copy = stream->copies + stream->copies_used;
    if (what == KEPT_READ) memcpy(copy, at, size);
    else copy_shared(copy, at, size);
    stream->kept[stream->kept_count++] = (rlx_kept){ at, size, stream->copies_used, access, what };
    stream->copies_used += size;
    return true;
}

/* What is beside a written argument. */
static bool keep_beside(const rlx_step *step, const rlx_touched *touched, uint32_t access) {
    rlx_device_checks *checks = step->stream->device;
    const unsigned char *data = touched->place.host;
    rlx_spot spot;
    rlx_lock(&checks->lock);
    bool beside = rlx_spot_find(checks, &touched->place, &spot) && !spot.buffer->checks->exposed;
    rlx_unlock(&checks->lock);
    if (!beside || !touched->size) return true;
    uint64_t end = spot.offset + touched->size, rest = spot.buffer->size - end;
    uint64_t before = spot.offset < RLX_GUARD ? spot.offset : RLX_GUARD, behind = rest < RLX_GUARD ? rest : RLX_GUARD;
    return keep(step->stream, data - before, before, access, KEPT_BEFORE) &&
           keep(step->stream, data + touched->size, behind, access, KEPT_BEHIND);
}

rlx_status rlx_validate_kernel_before(const rlx_step *step) {
    rlx_stream_checks *stream = step->stream;
    rlx_touched touched;
    rlx_status status = guards_check(step, false);
    stream->kept_count = 0;
    stream->copies_used = 0;
    for (uint32_t i = 0; !status && rlx_step_touches(step, i, &touched); i++) {
        bool kept = true;
        if (!writes(&touched)) kept = keep(stream, touched.place.host, touched.size, i, KEPT_READ);
        else if (!touched.use) kept = keep_beside(step, &touched, i);
        if (!kept)
            status = rlx_finding_set(step->finding, RLX_ERROR_OUT_OF_MEMORY, step->packet,
                                     "out of host memory for a copy of what the kernel only reads");
    }
    return status;
}

/* ---- Comparisons ---- */

/* Whether somebody says that they write this byte; if so, up to where. */
static bool is_written(const rlx_step *step, uint64_t address, uint64_t *end) {
    rlx_device_checks *checks = step->stream->device;
    rlx_touched touched;
    for (uint32_t i = 0; rlx_step_touches(step, i, &touched); i++) {
        rlx_span span = span_of(touched.place.host, touched.size);
        if (!writes(&touched) || address < span.begin || address >= span.end) continue;
        *end = span.end;
        return true;
    }
    bool found = false;
    rlx_lock(&checks->lock);
    for (uint32_t i = 0; i < step->stream->excluded_count && !found; i++) {
        rlx_span span = step->stream->excluded[i];
        found = address >= span.begin && address < span.end;
        if (found) *end = span.end;
    }
    rlx_unlock(&checks->lock);
    return found;
}

/* The first byte that has changed and that nobody was to write; `size` if there is none. */
static uint64_t first_change(const rlx_step *step, const rlx_kept *kept) {
    const unsigned char *copy = step->stream->copies + kept->copy;
    for (uint64_t i = 0, end; i < kept->size; i = end - (uint64_t)(uintptr_t)kept->at) {
        i += kept->what == KEPT_READ ? same(copy + i, kept->at + i, kept->size - i)
                                     : same_shared(copy + i, kept->at + i, kept->size - i);
        if (i == kept->size || !is_written(step, (uint64_t)(uintptr_t)(kept->at + i), &end)) return i;
    }
    return kept->size;
}

static rlx_status tell_change(const rlx_step *step, const rlx_kept *kept, uint64_t at) {
    char what[24];
    rlx_touched touched = { .size = 0 };
    (void)rlx_step_touches(step, kept->access, &touched);
    rlx_touched_name(&touched, what);
    if (kept->what == KEPT_READ)
        return rlx_finding_set(step->finding, RLX_ERROR_VALIDATION, step->packet,
                               "the kernel wrote %s, which is %s: first at byte %llu of its %llu", what,
                               touched.access == RLX_VALUE ? "a value" : "only read (RLX_READ)", (unsigned long long)at,
                               (unsigned long long)kept->size);
    bool behind = kept->what == KEPT_BEHIND;
    uint64_t distance = behind ? at : kept->size - at;
    return rlx_finding_set(step->finding, RLX_ERROR_VALIDATION, step->packet,
                           "the kernel wrote outside of %s, whose range has %llu bytes: at byte %s%llu of it", what,
                           (unsigned long long)touched.size, behind ? "" : "-",
                           (unsigned long long)(behind ? touched.size + distance : distance));
}

rlx_status rlx_validate_kernel_after(const rlx_step *step) {
    rlx_stream_checks *stream = step->stream;
    for (uint32_t what = KEPT_READ; what <= KEPT_BEHIND;
         what++) { /* of two that lie side by side, the one that is read */
        for (uint32_t i = 0; i < stream->kept_count; i++) {
            const rlx_kept *kept = &stream->kept[i];
            uint64_t at = kept->what == what ? first_change(step, kept) : kept->size;
            if (at < kept->size) return tell_change(step, kept, at);
        }
    }
    return guards_check(step, true);
}
