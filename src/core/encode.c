/* Encoding of everything but dispatches: write, read, copy, fill (plain, strided, in slots), host calls, timestamps.
 *
 * Each function has the same three steps: check all that can be checked, take all the memory that it needs, then append
 * a packet, which cannot fail. So a refused command leaves the stream as it was. On a recording stream the step in the
 * middle also makes room for what the recorder keeps beside the packet: intervals of bytes and slots. */
#include "encode.h"

#include <string.h>

/* ---- Shapes ---- */

/* Rows with their defaults filled in, and the bytes from the first to the last on either side. */
typedef struct shape {
    uint64_t rows, row_bytes, dst_stride, src_stride;
    uint64_t dst_span, src_span;
} shape;

static bool span_of(uint64_t rows, uint64_t row_bytes, uint64_t stride, uint64_t *span) {
    uint64_t gaps;
    return !__builtin_mul_overflow(rows - 1, stride, &gaps) && !__builtin_add_overflow(gaps, row_bytes, span) &&
           *span <= INT64_MAX;
}

static shape plain_shape(uint64_t size) { return (shape){ size ? 1 : 0, size, size, size, size, size }; }

static rlx_status rows_shape(const rlx_rows *rows, shape *found) {
    if (!rows) return rlx_fail(RLX_ERROR_INVALID, "rows is NULL");
    uint64_t bytes = rows->row_bytes;
    *found = (shape){
        rows->rows, bytes, rows->dst_stride ? rows->dst_stride : bytes, rows->src_stride ? rows->src_stride : bytes,
        0,          0
    };
    if (!rows->rows || !bytes) {
        found->rows = 0;
        return RLX_OK;
    }
    if (found->dst_stride < bytes || found->src_stride < bytes)
        return rlx_fail(RLX_ERROR_INVALID, "rows: a stride is less than row_bytes (%llu)", (unsigned long long)bytes);
    if (!span_of(found->rows, bytes, found->dst_stride, &found->dst_span) ||
        !span_of(found->rows, bytes, found->src_stride, &found->src_span))
        return rlx_fail(RLX_ERROR_RANGE, "rows: rows * stride overflows");
    if (found->rows > 1 && found->dst_stride == bytes && found->src_stride == bytes) { /* no gaps: one long row */
        found->row_bytes = found->rows * bytes;
        found->rows = 1;
    }
    return RLX_OK;
}

static rlx_status check_span(const char *what, const rlx_resolved *range, uint64_t span) {
    if (span <= range->size) return RLX_OK;
    return rlx_fail(RLX_ERROR_RANGE, "%s: the rows reach over %llu bytes, the range has %llu", what,
                    (unsigned long long)span, (unsigned long long)range->size);
}

/* ---- Ranges ---- */

rlx_status rlx_encode_range(rlx_stream *stream, const rlx_range *range, const char *what, rlx_resolved *resolved) {
    rlx_status status = rlx_range_resolve(stream->device, range, what, resolved);
    if (status || !resolved->slot_plus_one || rlx_stream_records(stream)) return status;
    return rlx_fail(RLX_ERROR_INVALID, "%s: slots are for streams opened with RLX_STREAM_RECORD", what);
}

/* Commands that move bytes must know how many: a slot's range has to say. */
static rlx_status sized_range(rlx_stream *stream, const rlx_range *range, const char *what, rlx_resolved *resolved) {
    rlx_status status = rlx_encode_range(stream, range, what, resolved);
    if (!status && resolved->slot_plus_one && resolved->size == RLX_REST)
        return rlx_fail(RLX_ERROR_INVALID, "%s: the range of a slot needs a size", what);
    return status;
}

rlx_status rlx_encode_hold_range(rlx_stream *stream, const rlx_resolved *range) {
    return range->buffer ? rlx_batch_hold(stream, &range->buffer->object) : RLX_OK;
}

void rlx_encode_access(rlx_stream *stream, rlx_packet *packet, const rlx_resolved *range, uint64_t span,
                       rlx_access access, rlx_fixup_kind kind, uint32_t arg, uint32_t alignment) {
    if (!rlx_stream_records(stream)) return;
    uint32_t command = (uint32_t)stream->current->count;
    if (!range->slot_plus_one) {
        if (access != RLX_WRITE) rlx_recorder_interval(&stream->recorder, command, range->address, span, false);
        if (access != RLX_READ) rlx_recorder_interval(&stream->recorder, command, range->address, span, true);
        return;
    }
    rlx_recorder_fixup(&stream->recorder, &(rlx_fixup){ .packet = packet,
                                                        .size = range->size == RLX_REST ? 0 : range->size,
                                                        .slot = range->slot_plus_one - 1,
                                                        .command = command,
                                                        .kind = (uint16_t)kind,
                                                        .arg = (uint16_t)arg,
                                                        .access = (uint16_t)access,
                                                        .alignment = (uint16_t)alignment });
}

rlx_status rlx_encode_reserve_more(rlx_stream *stream, uint32_t accesses) {
    if (stream->current && stream->current->count >= RLX_COMMANDS_MOST)
        return rlx_fail(RLX_ERROR_LIMIT, "more than 2^32 commands in a batch: submit in between");
    if (!rlx_stream_records(stream)) return RLX_OK;
    return rlx_recorder_reserve(&stream->recorder, 2 * accesses, accesses + 1); /* and the condition */
}

/* Whether the list of what the batch holds was begun behind the mark: then it stays, and so does what it lists. */
static bool holds_behind(const rlx_batch_state *batch, const rlx_encode_mark *mark) {
    uintptr_t held = (uintptr_t)batch->held, from = (uintptr_t)mark->chunk->data + mark->used;
    return held >= from && held < (uintptr_t)mark->chunk->data + mark->chunk->used;
}

void rlx_encode_undo(rlx_stream *stream, const rlx_encode_mark *mark) {
    rlx_batch_state *batch = stream->current;
    stream->recorder.interval_count = mark->intervals;
    stream->recorder.fixup_count = mark->fixups;
    if (!mark->chunk) {
        rlx_batch_drop(stream);
    } else if (batch && batch->chunks.last == mark->chunk && !holds_behind(batch, mark)) {
        batch->chunks.last->used = mark->used;
    }
}

/* ---- Write and read ---- */

/* One host copy: `host` or, with slot_plus_one, a pointer given at each run. */
typedef struct host_copy {
    rlx_packet_kind kind;
    rlx_resolved device;
    void *host;
    uint32_t slot_plus_one;
    uint32_t flags;
    shape shape; /* dst and src as the direction has it */
} host_copy;

static rlx_status append_host_copy(rlx_stream *stream, const host_copy *copy) {
    bool write = copy->kind == RLX_PACKET_WRITE;
    uint64_t device_span = write ? copy->shape.dst_span : copy->shape.src_span;
    uint64_t host_span = write ? copy->shape.src_span : copy->shape.dst_span;
    rlx_status status = rlx_encode_reserve(stream, 2);
    if (!status) status = rlx_encode_hold_range(stream, &copy->device);
    if (status) return status;
    rlx_packet_host_copy *packet = rlx_batch_take(stream, sizeof *packet, _Alignof(rlx_packet_host_copy));
    if (!packet) return RLX_ERROR_OUT_OF_MEMORY;
    void *host = copy->host;
    if ((copy->flags & RLX_WRITE_COPIED) && !rlx_lie("copied-write-borrows")) {
        host = rlx_batch_take(stream, host_span, 16);
        if (!host) return RLX_ERROR_OUT_OF_MEMORY;
        memcpy(host, copy->host, host_span);
    }
    *packet =
        (rlx_packet_host_copy){ .base.kind = (uint16_t)copy->kind,
                                .device = copy->device.place,
                                .host = host,
                                .rows = copy->shape.rows,
                                .row_bytes = copy->shape.row_bytes,
                                .device_stride = (int64_t)(write ? copy->shape.dst_stride : copy->shape.src_stride),
                                .host_stride = (int64_t)(write ? copy->shape.src_stride : copy->shape.dst_stride) };
    if (stream->checks && host == copy->host && !stream->current->transfer)
        status = rlx_validate_source(stream, &stream->current->notes, &packet->base);
    if (status) return status;
    rlx_encode_access(stream, &packet->base, &copy->device, device_span, write ? RLX_WRITE : RLX_READ,
                      write ? RLX_FIXUP_DST : RLX_FIXUP_SRC, 0, 1);
    rlx_resolved memory = { .address = (uint64_t)(uintptr_t)copy->host,
                            .size = host_span,
                            .slot_plus_one = copy->slot_plus_one };
    if (!(copy->flags & RLX_WRITE_COPIED)) /* what was copied is nobody else's */
        rlx_encode_access(stream, &packet->base, &memory, host_span, write ? RLX_READ : RLX_WRITE,
                          write ? RLX_FIXUP_HOST_READ : RLX_FIXUP_HOST_WRITE, 0, 1);
    rlx_batch_append(stream, &packet->base);
    return RLX_OK;
}

static rlx_status encode_host_copy(rlx_stream *stream, const rlx_range *range, host_copy *copy, const rlx_rows *rows,
                                   bool strided) {
    bool write = copy->kind == RLX_PACKET_WRITE;
    const char *what = write ? "dst" : "src";
    rlx_status status = sized_range(stream, range, what, &copy->device);
    if (status) return status;
    copy->shape = plain_shape(copy->device.size);
    if (strided) {
        status = rows_shape(rows, &copy->shape);
        if (!status) status = check_span(what, &copy->device, write ? copy->shape.dst_span : copy->shape.src_span);
        if (status) return status;
    }
    if (!copy->shape.rows) return RLX_OK;
    if (!copy->host && !copy->slot_plus_one)
        return rlx_fail(RLX_ERROR_INVALID, "%s: the host pointer is NULL", write ? "src" : "dst");
    if ((copy->flags & RLX_WRITE_COPIED) && copy->shape.src_span > RLX_COPIED_MAX)
        return rlx_fail(RLX_ERROR_LIMIT,
                        "RLX_WRITE_COPIED: %llu bytes; at most %d are copied: keep the source alive instead",
                        (unsigned long long)copy->shape.src_span, RLX_COPIED_MAX);
    return append_host_copy(stream, copy);
}

rlx_status rlx_stream_write(rlx_stream *stream, rlx_range dst, const void *src, uint32_t flags) {
    rlx_status status = rlx_encoder_enter(stream);
    if (status) return status;
    /* The packet's one host pointer serves both directions; WRITE only reads through it. */
    host_copy copy = { .kind = RLX_PACKET_WRITE, .host = (void *)(uintptr_t)src, .flags = flags };
    if (flags & ~(uint32_t)RLX_WRITE_COPIED)
        status = rlx_fail(RLX_ERROR_INVALID, "flags: 0x%x has unknown bits", flags);
    else status = encode_host_copy(stream, &dst, &copy, NULL, false);
    return rlx_encoder_leave(stream, status);
}

rlx_status rlx_stream_read(rlx_stream *stream, void *dst, rlx_range src) {
    rlx_status status = rlx_encoder_enter(stream);
    if (status) return status;
    host_copy copy = { .kind = RLX_PACKET_READ, .host = dst };
    return rlx_encoder_leave(stream, encode_host_copy(stream, &src, &copy, NULL, false));
}

rlx_status rlx_stream_write_rows(rlx_stream *stream, rlx_range dst, const void *src, const rlx_rows *rows) {
    rlx_status status = rlx_encoder_enter(stream);
    if (status) return status;
    host_copy copy = { .kind = RLX_PACKET_WRITE, .host = (void *)(uintptr_t)src };
    return rlx_encoder_leave(stream, encode_host_copy(stream, &dst, &copy, rows, true));
}

rlx_status rlx_stream_read_rows(rlx_stream *stream, void *dst, rlx_range src, const rlx_rows *rows) {
    rlx_status status = rlx_encoder_enter(stream);
    if (status) return status;
    host_copy copy = { .kind = RLX_PACKET_READ, .host = dst };
    return rlx_encoder_leave(stream, encode_host_copy(stream, &src, &copy, rows, true));
}

static rlx_status encode_slot_copy(rlx_stream *stream, rlx_packet_kind kind, const rlx_range *range, uint32_t slot) {
    if (!rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER, "slots are for streams opened with RLX_STREAM_RECORD");
    if (slot >= RLX_SLOT_MAX) return rlx_fail(RLX_ERROR_LIMIT, "slot %u; slots are below %d", slot, RLX_SLOT_MAX);
    host_copy copy = { .kind = kind, .slot_plus_one = slot + 1 };
    return encode_host_copy(stream, range, &copy, NULL, false);
}

rlx_status rlx_stream_write_slot(rlx_stream *stream, rlx_range dst, uint32_t slot) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, encode_slot_copy(stream, RLX_PACKET_WRITE, &dst, slot));
}

rlx_status rlx_stream_read_slot(rlx_stream *stream, uint32_t slot, rlx_range src) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, encode_slot_copy(stream, RLX_PACKET_READ, &src, slot));
}

/* ---- Copy ---- */

/* What a copy needs before it can be appended: room for `count` packets, and its buffers held. */
static rlx_status prepare_copies(rlx_stream *stream, const rlx_resolved *dst, const rlx_resolved *src, uint32_t count,
                                 rlx_packet_copy **packets) {
    rlx_status status = rlx_encode_reserve(stream, 2 * count);
    if (!status) status = rlx_encode_hold_range(stream, dst);
    if (!status) status = rlx_encode_hold_range(stream, src);
    if (status) return status;
    *packets = rlx_batch_take(stream, count * sizeof **packets, _Alignof(rlx_packet_copy));
    return *packets ? RLX_OK : RLX_ERROR_OUT_OF_MEMORY;
}

/* A packet from prepare_copies, to be appended next. Cannot fail. */
static void make_copy(rlx_stream *stream, rlx_packet_copy *packet, const rlx_resolved *dst, const rlx_resolved *src,
                      const shape *form) {
    *packet = (rlx_packet_copy){ .base.kind = RLX_PACKET_COPY,
                                 .dst = dst->place,
                                 .src = src->place,
                                 .rows = form->rows,
                                 .row_bytes = form->row_bytes,
                                 .dst_stride = (int64_t)form->dst_stride,
                                 .src_stride = (int64_t)form->src_stride };
    rlx_encode_access(stream, &packet->base, dst, form->dst_span, RLX_WRITE, RLX_FIXUP_DST, 0, 1);
    rlx_encode_access(stream, &packet->base, src, form->src_span, RLX_READ, RLX_FIXUP_SRC, 0, 1);
}

static void place_move(rlx_place *place, uint64_t bytes) {
    place->offset += bytes;
    if (place->host) place->host = (unsigned char *)place->host + bytes;
}

/* Rows that overlap with equal strides and move up go last row first: then no row is written before it is read. */
static void turn_around(rlx_packet_copy *packet) {
    if (rlx_lie("rows-are-never-turned-around")) return;
    place_move(&packet->dst, (packet->rows - 1) * (uint64_t)packet->dst_stride);
    place_move(&packet->src, (packet->rows - 1) * (uint64_t)packet->src_stride);
    packet->dst_stride = -packet->dst_stride;
    packet->src_stride = -packet->src_stride;
}

/* Rows that overlap with unequal strides have no such order: they go through scratch memory, which the batch holds. */
static rlx_status copy_staged(rlx_stream *stream, const rlx_resolved *dst, const rlx_resolved *src,
                              const shape *wanted) {
    uint64_t bytes = wanted->rows * wanted->row_bytes;
    rlx_buffer *scratch;
    rlx_status status =
        rlx_buffer_create(stream->device, &(rlx_buffer_desc){ .size = bytes, .label = "rows" }, &scratch);
    if (status) return status;
    rlx_resolved middle;
    rlx_range whole = rlx_whole(scratch);
    status = rlx_range_resolve(stream->device, &whole, "rows", &middle);
    if (!status) status = rlx_encode_hold_range(stream, &middle);
    rlx_buffer_release(scratch);
    if (status) return status;
    rlx_packet_copy *packets;
    status = prepare_copies(stream, dst, src, 2, &packets);
    if (status) return status;
    shape in = *wanted, out = *wanted;
    in.dst_stride = out.src_stride = wanted->row_bytes;
    in.dst_span = out.src_span = bytes;
    make_copy(stream, &packets[0], &middle, src, &in);
    rlx_batch_append(stream, &packets[0].base);
    make_copy(stream, &packets[1], dst, &middle, &out);
    rlx_batch_append_part(stream, &packets[1].base);
    return RLX_OK;
}

/* One row is as memmove, whatever overlaps. Of several the order matters; of slots' ranges nobody knows whether they
 * overlap. */
static rlx_status encode_copy(rlx_stream *stream, const rlx_resolved *dst, const rlx_resolved *src, const shape *form) {
    if (!form->rows) return RLX_OK;
    bool unknown = dst->slot_plus_one || src->slot_plus_one;
    bool overlap =
        !unknown && dst->address < src->address + form->src_span && src->address < dst->address + form->dst_span;
    if (form->rows > 1 && (unknown || (overlap && form->dst_stride != form->src_stride)) &&
        !rlx_lie("rows-need-no-scratch"))
        return copy_staged(stream, dst, src, form);
    rlx_packet_copy *packet;
    rlx_status status = prepare_copies(stream, dst, src, 1, &packet);
    if (status) return status;
    make_copy(stream, packet, dst, src, form);
    rlx_batch_append(stream, &packet->base);
    if (form->rows > 1 && overlap && dst->address > src->address) turn_around(packet);
    return RLX_OK;
}

static rlx_status copy_ranges(rlx_stream *stream, const rlx_range *dst, const rlx_range *src, rlx_resolved *to,
                              rlx_resolved *from) {
    rlx_status status = sized_range(stream, dst, "dst", to);
    return status ? status : sized_range(stream, src, "src", from);
}

static rlx_status copy(rlx_stream *stream, const rlx_range *dst, const rlx_range *src) {
    rlx_resolved to, from;
    rlx_status status = copy_ranges(stream, dst, src, &to, &from);
    if (status) return status;
    if (to.size != from.size)
        return rlx_fail(RLX_ERROR_INVALID, "a copy of %llu bytes to %llu: the ranges must be of one size",
                        (unsigned long long)from.size, (unsigned long long)to.size);
    shape form = plain_shape(to.size);
    return encode_copy(stream, &to, &from, &form);
}

static rlx_status copy_rows(rlx_stream *stream, const rlx_range *dst, const rlx_range *src, const rlx_rows *rows) {
    rlx_resolved to, from;
    shape form;
    rlx_status status = copy_ranges(stream, dst, src, &to, &from);
    if (!status) status = rows_shape(rows, &form);
    if (!status) status = check_span("dst", &to, form.dst_span);
    if (!status) status = check_span("src", &from, form.src_span);
    return status ? status : encode_copy(stream, &to, &from, &form);
}

rlx_status rlx_stream_copy(rlx_stream *stream, rlx_range dst, rlx_range src) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, copy(stream, &dst, &src));
}

rlx_status rlx_stream_copy_rows(rlx_stream *stream, rlx_range dst, rlx_range src, const rlx_rows *rows) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, copy_rows(stream, &dst, &src, rows));
}

/* ---- Fill ---- */

static rlx_status check_pattern(uint32_t pattern_size, uint64_t bytes) {
    if (pattern_size != 1 && pattern_size != 2 && pattern_size != 4)
        return rlx_fail(RLX_ERROR_INVALID, "pattern_size %u: 1, 2 or 4", pattern_size);
    if (bytes % pattern_size == 0) return RLX_OK;
    return rlx_fail(RLX_ERROR_INVALID, "%llu bytes are no multiple of the pattern's %u", (unsigned long long)bytes,
                    pattern_size);
}

static uint32_t widen_pattern(uint32_t pattern, uint32_t pattern_size) {
    return pattern_size == 1   ? (pattern & 0xff) * 0x01010101u
           : pattern_size == 2 ? (pattern & 0xffff) * 0x00010001u
                               : pattern;
}

static rlx_status append_fill(rlx_stream *stream, const rlx_resolved *dst, const shape *form, uint32_t pattern,
                              uint32_t pattern_size) {
    if (!form->rows) return RLX_OK;
    rlx_status status = rlx_encode_reserve(stream, 1);
    if (!status) status = rlx_encode_hold_range(stream, dst);
    if (status) return status;
    rlx_packet_fill *packet = rlx_batch_take(stream, sizeof *packet, _Alignof(rlx_packet_fill));
    if (!packet) return RLX_ERROR_OUT_OF_MEMORY;
    *packet = (rlx_packet_fill){ .base.kind = RLX_PACKET_FILL,
                                 .dst = dst->place,
                                 .rows = form->rows,
                                 .row_bytes = form->row_bytes,
                                 .stride = (int64_t)form->dst_stride,
                                 .pattern = widen_pattern(pattern, pattern_size),
                                 .pattern_size = pattern_size };
    rlx_encode_access(stream, &packet->base, dst, form->dst_span, RLX_WRITE, RLX_FIXUP_DST, 0, 1);
    rlx_batch_append(stream, &packet->base);
    return RLX_OK;
}

static rlx_status fill(rlx_stream *stream, const rlx_range *dst, uint32_t pattern, uint32_t pattern_size) {
    rlx_resolved to;
    rlx_status status = sized_range(stream, dst, "dst", &to);
    if (!status) status = check_pattern(pattern_size, to.size);
    if (status) return status;
    shape form = plain_shape(to.size);
    return append_fill(stream, &to, &form, pattern, pattern_size);
}

static rlx_status fill_rows(rlx_stream *stream, const rlx_range *dst, uint32_t pattern, uint32_t pattern_size,
                            const rlx_rows *rows) {
    rlx_resolved to;
    shape form;
    rlx_status status = sized_range(stream, dst, "dst", &to);
    if (status) return status;
    if (!rows) return rlx_fail(RLX_ERROR_INVALID, "rows is NULL");
    rlx_rows own = *rows;
    own.src_stride = own.dst_stride; /* a fill has no source */
    status = rows_shape(&own, &form);
    if (!status) status = check_span("dst", &to, form.dst_span);
    if (!status) status = check_pattern(pattern_size, own.row_bytes);
    return status ? status : append_fill(stream, &to, &form, pattern, pattern_size);
}

rlx_status rlx_stream_fill(rlx_stream *stream, rlx_range dst, uint32_t pattern, uint32_t pattern_size) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, fill(stream, &dst, pattern, pattern_size));
}

rlx_status rlx_stream_fill_rows(rlx_stream *stream, rlx_range dst, uint32_t pattern, uint32_t pattern_size,
                                const rlx_rows *rows) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, fill_rows(stream, &dst, pattern, pattern_size, rows));
}

/* ---- Host calls, timestamps, conditions ---- */

static rlx_status append_host_call(rlx_stream *stream, rlx_call_function function, void *user) {
    if (rlx_lie("host-call-at-encode")) return function(user);
    rlx_status status = rlx_encode_reserve(stream, 1);
    if (status) return status;
    rlx_packet_host_call *packet = rlx_batch_take(stream, sizeof *packet, _Alignof(rlx_packet_host_call));
    if (!packet) return RLX_ERROR_OUT_OF_MEMORY;
    *packet = (rlx_packet_host_call){ .base.kind = RLX_PACKET_HOST_CALL, .function = function, .user = user };
    if (rlx_stream_records(stream)) rlx_recorder_barrier(&stream->recorder, (uint32_t)stream->current->count);
    rlx_batch_append(stream, &packet->base);
    return RLX_OK;
}

rlx_status rlx_stream_host_call(rlx_stream *stream, rlx_call_function function, void *user) {
    rlx_status status = rlx_encoder_enter(stream);
    if (status) return status;
    if (!function) status = rlx_fail(RLX_ERROR_INVALID, "rlx_stream_host_call: function is NULL");
    else status = append_host_call(stream, function, user);
    return rlx_encoder_leave(stream, status);
}

/* The timestamp of a device without a clock: a host call at the same place. */
static rlx_status read_clock(void *user) {
    *(uint64_t *)user = rlx_clock_ns();
    return RLX_OK;
}

static rlx_status timestamp(rlx_stream *stream, uint64_t *ns) {
    if (!ns) return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_timestamp: ns is NULL");
    if (!(stream->device->properties.can & RLX_CAN_DEVICE_CLOCK)) return append_host_call(stream, read_clock, ns);
    rlx_status status = rlx_encode_reserve(stream, 1);
    if (status) return status;
    rlx_packet_timestamp *packet = rlx_batch_take(stream, sizeof *packet, _Alignof(rlx_packet_timestamp));
    if (!packet) return RLX_ERROR_OUT_OF_MEMORY;
    *packet = (rlx_packet_timestamp){ .base.kind = RLX_PACKET_TIMESTAMP, .ns = ns };
    if (rlx_stream_records(stream)) rlx_recorder_barrier(&stream->recorder, (uint32_t)stream->current->count);
    rlx_batch_append(stream, &packet->base);
    return RLX_OK;
}

rlx_status rlx_stream_timestamp(rlx_stream *stream, uint64_t *ns) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, timestamp(stream, ns));
}

static rlx_status condition(rlx_stream *stream, rlx_slot_ref slot) {
    if (!rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER, "conditions are for streams opened with RLX_STREAM_RECORD");
    if (slot.plus_one > RLX_SLOT_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "slot %u; slots are below %d", slot.plus_one - 1, RLX_SLOT_MAX);
    stream->recorder.condition = slot;
    return RLX_OK;
}

rlx_status rlx_stream_condition(rlx_stream *stream, rlx_slot_ref slot) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, condition(stream, slot));
}
