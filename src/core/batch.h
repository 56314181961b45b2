/* The memory of a batch. Packets, argument arrays, copied bytes and labels of the batch being encoded live in chunks,
 * which go back to their stream's pool when the batch has ended: a stream that has warmed up allocates nothing.
 *
 * THREADS. Encoding (everything here but the pool's return path) is one thread at a time. Ended batches come back
 * through `returned`, a stack pushed to by any thread and emptied whole by the encoder, so no lock is needed. */
#ifndef RLX_BATCH_H
#define RLX_BATCH_H

#include "core.h"

typedef struct rlx_chunk {
    struct rlx_chunk *next;
    uint32_t used, size; /* bytes of data */
    _Alignas(16) unsigned char data[];
} rlx_chunk;

#define RLX_LABEL_MAX 4096 /* longer labels are cut */
#define RLX_CHUNK_MIN 1024
#define RLX_CHUNK_CLASSES 12 /* to 2 MiB */

typedef struct rlx_chunk_pool {
    rlx_chunk *free[RLX_CHUNK_CLASSES]; /* the encoder's, by size: RLX_CHUNK_MIN << class */
    _Atomic(rlx_chunk *) returned;      /* pushed by retiring threads */
} rlx_chunk_pool;

typedef struct rlx_chunk_list {
    rlx_chunk *first, *last;
} rlx_chunk_list;

/* Aligned to at most 16; contents undefined. NULL when out of memory. */
void *rlx_chunk_take(rlx_chunk_pool *pool, rlx_chunk_list *list, size_t size, size_t alignment);
void rlx_chunk_return(rlx_chunk_pool *pool, rlx_chunk_list *list); /* any thread */
void rlx_chunk_pool_clear(rlx_chunk_pool *pool);
void rlx_chunk_list_free(rlx_chunk_list *list); /* to the heap: for programs, that took their chunks along */

/* Objects held by a batch: each once (a small cache of the stream finds repeats without an atomic operation). */
typedef struct rlx_held {
    struct rlx_held *next;
    uint32_t count;
    rlx_object *objects[30];
} rlx_held;

/* ---- For encoders, on the current batch: rlx_batch_take and rlx_batch_append are in stream.h, inline ---- */

/* rlx_batch_take where there is no batch yet, or no room in its last chunk. */
void *rlx_batch_take_more(rlx_stream *stream, size_t size, size_t alignment);
/* Gives up the batch being encoded, if there is one, with all that it holds. */
void rlx_batch_drop(rlx_stream *stream);
/* Retains `object` until the batch has ended. */
rlx_status rlx_batch_hold(rlx_stream *stream, rlx_object *object);
/* Tells a recording of the condition under which the packet that was appended last is run. */
void rlx_batch_append_condition(rlx_stream *stream);
/* A label in the batch's memory; NULL for NULL. False when out of memory. */
bool rlx_batch_label(rlx_stream *stream, const char *label, const char **copy);

#endif
