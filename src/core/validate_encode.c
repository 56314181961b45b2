/* What validation has to learn while commands are encoded: which thread does it, what a WRITE's source holds then, and
 * the uses of a dispatch, which no packet carries. The last two are notes in the batch's memory, in the order of
 * packets; a program keeps those of its recording, and each run makes its own of them.
 *
 * BORROWED MEMORY must not change between encode and execution, but for what is ordered with the stream: a READ into
 * it, a host call, which may write anything, or a command that writes a SHARED buffer, here or on another stream that
 * this one waits for. Who waits for whom is not looked into: if any of these has run since, nothing is said. A
 * program's sources are noted at each run, as they may be filled anew in between. */
#include "encode.h"
#include "validate.h"

#include <string.h>

/* ---- Threads ---- */

rlx_status rlx_validate_enter(rlx_stream *stream) {
    rlx_stream_checks *checks = stream->checks;
    uint64_t self = rlx_thread_id(), other = 0;
    if (atomic_load_explicit(&checks->encoder, memory_order_relaxed) == self ||
        atomic_compare_exchange_strong(&checks->encoder, &other, self)) {
        checks->depth++;
        return RLX_OK;
    }
    rlx_status status =
        rlx_fail(RLX_ERROR_THREAD,
                 "%s: validation: two threads encode on stream '%s' at once: thread %llu has called while "
                 "thread %llu was in a call; let one come after the other, or give each its own stream",
                 stream->device->name, stream->label, (unsigned long long)self, (unsigned long long)other);
    rlx_note(RLX_LOG_ERROR, "%s", rlx_last_error());
    return status;
}

void rlx_validate_leave(rlx_stream *stream) {
    rlx_stream_checks *checks = stream->checks;
    if (--checks->depth == 0) atomic_store(&checks->encoder, 0);
}

/* ---- Notes ---- */

void rlx_validate_notes_append(rlx_validate_notes *notes, const rlx_validate_notes *more) {
    if (!more->first) return;
    if (notes->last) notes->last->next = more->first;
    else notes->first = more->first;
    notes->last = more->last;
}

static rlx_status note_add(rlx_stream *stream, rlx_validate_notes *notes, const rlx_validate_note *note) {
    rlx_validate_note *made = rlx_batch_take(stream, sizeof *made, _Alignof(rlx_validate_note));
    if (!made) return RLX_ERROR_OUT_OF_MEMORY;
    *made = *note;
    rlx_validate_notes_append(notes, &(rlx_validate_notes){ made, made });
    return RLX_OK;
}

rlx_status rlx_validate_use(rlx_stream *stream, rlx_validate_notes *notes, const rlx_packet *packet,
                            const rlx_resolved *range, rlx_access access, uint32_t number) {
    if (!range->buffer) return RLX_OK; /* a slot's: known at each run */
    return note_add(stream, notes,
                    &(rlx_validate_note){ .packet = packet,
                                          .kind = RLX_NOTE_USE,
                                          .number = number,
                                          .buffer = range->buffer,
                                          .offset = range->place.offset,
                                          .size = range->size,
                                          .access = access });
}

rlx_status rlx_validate_uses(rlx_stream *stream, const rlx_packet *packet, const rlx_dispatch *dispatch) {
    rlx_validate_notes made = { NULL, NULL };
    for (uint32_t i = 0; i < dispatch->use_count; i++) {
        rlx_resolved range;
        rlx_status status = rlx_range_resolve(stream->device, &dispatch->uses[i].range, "use", &range);
        if (!status) status = rlx_validate_use(stream, &made, packet, &range, dispatch->uses[i].access, i);
        if (status) return status;
    }
    rlx_validate_notes_append(&stream->current->notes, &made);
    return RLX_OK;
}

/* ---- Host memory that is written by those who may ---- */

enum { READS = 64 }; /* that are remembered */

static struct {
    _Atomic uint64_t calls; /* of the user's functions, and writes to SHARED buffers: begun, and ended */
    rlx_mutex lock;         /* guards all below, and takes no other */
    uint64_t reads;
    rlx_span spans[READS]; /* of READ n: at n % READS */
} host;

static rlx_span host_span(const rlx_packet_host_copy *packet) {
    uint64_t begin = (uint64_t)(uintptr_t)packet->host;
    return (rlx_span){ begin, begin + (packet->rows - 1) * (uint64_t)packet->host_stride + packet->row_bytes };
}

void rlx_validate_host_called(void) { atomic_fetch_add(&host.calls, 1); }

void rlx_validate_host_written(const rlx_packet_host_copy *packet) {
    rlx_lock(&host.lock);
    host.spans[host.reads++ % READS] = host_span(packet);
    rlx_unlock(&host.lock);
}

static uint64_t host_reads(void) {
    rlx_lock(&host.lock);
    uint64_t reads = host.reads;
    rlx_unlock(&host.lock);
    return reads;
}

/* Whether one of them may have changed this since. */
static bool host_changed(const rlx_validate_note *note, rlx_span span) {
    if (atomic_load(&host.calls) != note->calls) return true;
    rlx_lock(&host.lock);
    bool found = host.reads - note->reads > READS;
    for (uint64_t i = note->reads; i < host.reads && !found; i++) {
        rlx_span read = host.spans[i % READS];
        found = read.begin < span.end && span.begin < read.end;
    }
    rlx_unlock(&host.lock);
    return found;
}

/* ---- Sources ---- */

#define MIX UINT64_C(0x9e3779b97f4a7c15) /* 2^64 over the golden ratio */

/* Each word changes the whole state, and each step can be undone: so no single change goes unseen. A source that an
 * earlier command is writing right now is read all the same, and the digest not used then: no sanitizer need tell. */
__attribute__((no_sanitize("thread"))) static uint64_t digest_row(uint64_t state, const unsigned char *row,
                                                                  uint64_t bytes) {
    uint64_t i = 0, word;
    for (; bytes - i >= sizeof word; i += sizeof word) {
        memcpy(&word, row + i, sizeof word);
        state = (state ^ word) * MIX;
        state ^= state >> 29;
    }
    for (; i < bytes; i++) {
        state = (state ^ row[i]) * MIX;
        state ^= state >> 29;
    }
    return state;
}

static uint64_t digest(const rlx_packet_host_copy *packet) {
    uint64_t state = MIX;
    for (uint64_t i = 0; i < packet->rows; i++)
        state = digest_row(state, (const unsigned char *)packet->host + i * (uint64_t)packet->host_stride,
                           packet->row_bytes);
    return state;
}

rlx_status rlx_validate_source(rlx_stream *stream, rlx_validate_notes *notes, const rlx_packet *packet) {
    if (packet->kind != RLX_PACKET_WRITE || rlx_stream_records(stream)) return RLX_OK;
    return note_add(stream, notes,
                    &(rlx_validate_note){ .packet = packet,
                                          .kind = RLX_NOTE_SOURCE,
                                          .calls = atomic_load(&host.calls),
                                          .reads = host_reads(),
                                          .digest = digest((const rlx_packet_host_copy *)packet) });
}

rlx_status rlx_validate_source_after(const rlx_step *step) {
    const rlx_packet_host_copy *packet = (const rlx_packet_host_copy *)step->packet;
    if (!step->notes || digest(packet) == step->notes->digest) return RLX_OK;
    if (host_changed(step->notes, host_span(packet))) return RLX_OK;
    return rlx_finding_set(
        step->finding, RLX_ERROR_VALIDATION, step->packet,
        "its source (%llu bytes at %p) has changed since it was encoded: the host memory of a WRITE is "
        "borrowed until its point completes; leave it alone, or use RLX_WRITE_COPIED",
        (unsigned long long)(packet->rows * packet->row_bytes), packet->host);
}

/* ---- Runs ---- */

rlx_status rlx_validate_copy(rlx_stream *stream, rlx_validate_notes *notes, const rlx_validate_note **from,
                             const rlx_packet *packet, const rlx_packet *copy) {
    const rlx_validate_note *note = *from;
    while (note && note->packet->index < packet->index) note = note->next; /* of commands that were skipped */
    rlx_status status = rlx_validate_source(stream, notes, copy);
    for (; !status && note && note->packet == packet; note = note->next) {
        rlx_validate_note own = *note;
        own.next = NULL;
        own.packet = copy;
        status = note_add(stream, notes, &own);
    }
    *from = note;
    return status;
}
