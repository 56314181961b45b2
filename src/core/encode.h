/* What the two files of encoders share: encode.c (bytes and host) and dispatch.c. */
#ifndef RLX_ENCODE_H
#define RLX_ENCODE_H

#include "stream.h"

/* Resolves a range; a slot's only on a recording stream. */
rlx_status rlx_encode_range(rlx_stream *stream, const rlx_range *range, const char *what, rlx_resolved *resolved);
rlx_status rlx_encode_hold_range(rlx_stream *stream, const rlx_resolved *range);
#define RLX_COMMANDS_MOST (UINT32_MAX - 1) /* in a batch: they are numbered */

/* Where an encoding began: what a refused command has taken goes back. (Memory at the end of a chunk that was too small
 * stays unused, and what a batch with commands in it holds stays held.) */
typedef struct rlx_encode_mark {
    const rlx_chunk *chunk; /* the batch's last one; NULL: there is no batch */
    uint32_t used;
    uint64_t intervals, fixups;
} rlx_encode_mark;

static inline rlx_encode_mark rlx_encode_begin(const rlx_stream *stream) {
    const rlx_chunk *chunk = stream->current ? stream->current->chunks.last : NULL;
    return (rlx_encode_mark){ chunk, chunk ? chunk->used : 0, stream->recorder.interval_count,
                              stream->recorder.fixup_count };
}

void rlx_encode_undo(rlx_stream *stream, const rlx_encode_mark *mark);

/* Room in the recorder for a command with that many accesses; LIMIT when a batch has no numbers left. */
rlx_status rlx_encode_reserve_more(rlx_stream *stream, uint32_t accesses);
static inline rlx_status rlx_encode_reserve(rlx_stream *stream, uint32_t accesses) {
    bool numbers = !stream->current || stream->current->count < RLX_COMMANDS_MOST;
    return numbers && !rlx_stream_records(stream) ? RLX_OK : rlx_encode_reserve_more(stream, accesses);
}
/* Tells the recorder (if there is one) of an access by the packet that is appended next. Cannot fail after reserve. */
void rlx_encode_access(rlx_stream *stream, rlx_packet *packet, const rlx_resolved *range, uint64_t span,
                       rlx_access access, rlx_fixup_kind kind, uint32_t arg, uint32_t alignment);

#endif
