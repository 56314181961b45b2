/* Chunks and what a batch holds: see batch.h. */
#include "batch.h"

#include <string.h>

#include "stream.h"

static uint32_t size_class(size_t size) {
    uint32_t class = 0;
    while (class + 1 < RLX_CHUNK_CLASSES && ((size_t)RLX_CHUNK_MIN << class) < size) class ++;
    return class;
}

/* Everything that retiring threads gave back, sorted into the encoder's lists. */
static void pool_collect(rlx_chunk_pool *pool) {
    rlx_chunk *chunk = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (chunk) {
        rlx_chunk *next = chunk->next;
        uint32_t class = size_class(chunk->size);
        chunk->next = pool->free[class];
        pool->free[class] = chunk;
        chunk = next;
    }
}

static rlx_chunk *pool_find(rlx_chunk_pool *pool, uint32_t class) {
    rlx_chunk *chunk = pool->free[class];
    if (chunk) pool->free[class] = chunk->next;
    return chunk;
}

/* The list's first chunk is small, and each later one twice the last: a batch of one command stays small, and one of a
 * million takes few chunks. */
static rlx_chunk *chunk_add(rlx_chunk_pool *pool, rlx_chunk_list *list, size_t size) {
    size_t wanted = list->last ? (size_t)list->last->size * 2 : RLX_CHUNK_MIN;
    uint32_t class = size_class(wanted > size ? wanted : size);
    size_t bytes = (size_t)RLX_CHUNK_MIN << class;
    if (bytes < size) return NULL; /* no encoder asks for that much at once */
    rlx_chunk *chunk = pool_find(pool, class);
    if (!chunk) {
        pool_collect(pool);
        chunk = pool_find(pool, class);
    }
    if (!chunk) chunk = rlx_allocate(sizeof *chunk + bytes);
    if (!chunk) return NULL;
    chunk->next = NULL;
    chunk->used = 0;
    chunk->size = (uint32_t)bytes;
    if (list->last) list->last->next = chunk;
    else list->first = chunk;
    list->last = chunk;
    return chunk;
}

void *rlx_chunk_take(rlx_chunk_pool *pool, rlx_chunk_list *list, size_t size, size_t alignment) {
    rlx_chunk *chunk = list->last;
    size_t at = chunk ? (chunk->used + alignment - 1) & ~(alignment - 1) : 0;
    if (!chunk || at > chunk->size || chunk->size - at < size) {
        chunk = chunk_add(pool, list, size);
        if (!chunk) return NULL;
        at = 0;
    }
    chunk->used = (uint32_t)(at + size);
    return chunk->data + at;
}

void rlx_chunk_return(rlx_chunk_pool *pool, rlx_chunk_list *list) {
    if (!list->first) return;
    rlx_chunk *top = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    do list->last->next = top;
    while (!atomic_compare_exchange_weak_explicit(&pool->returned, &top, list->first, memory_order_release,
                                                  memory_order_relaxed));
}

void rlx_chunk_list_free(rlx_chunk_list *list) {
    for (rlx_chunk *chunk = list->first; chunk;) {
        rlx_chunk *next = chunk->next;
        rlx_free(chunk);
        chunk = next;
    }
    list->first = list->last = NULL;
}

void rlx_chunk_pool_clear(rlx_chunk_pool *pool) {
    pool_collect(pool);
    for (uint32_t i = 0; i < RLX_CHUNK_CLASSES; i++) {
        rlx_chunk_list list = { pool->free[i], NULL };
        rlx_chunk_list_free(&list);
        pool->free[i] = NULL;
    }
}

/* ---- The batch being encoded ---- */

rlx_batch_state *rlx_stream_batch(rlx_stream *stream) {
    if (stream->current) return stream->current;
    rlx_chunk_list chunks = { NULL, NULL };
    rlx_batch_state *batch = rlx_chunk_take(&stream->pool, &chunks, sizeof *batch, _Alignof(rlx_batch_state));
    if (!batch) {
        (void)rlx_fail_memory("a batch");
        return NULL;
    }
    memset(batch, 0, sizeof *batch);
    batch->chunks = chunks;
    batch->stream = stream;
    atomic_init(&batch->refs, 1);
    stream->encoded++;
    stream->current = batch;
    return batch;
}

void *rlx_batch_take_more(rlx_stream *stream, size_t size, size_t alignment) {
    rlx_batch_state *batch = rlx_stream_batch(stream);
    if (!batch) return NULL;
    void *memory = rlx_chunk_take(&stream->pool, &batch->chunks, size, alignment);
    if (!memory) (void)rlx_fail_memory("a command");
    return memory;
}

rlx_status rlx_batch_hold(rlx_stream *stream, rlx_object *object) {
    rlx_batch_state *batch = rlx_stream_batch(stream);
    if (!batch) return RLX_ERROR_OUT_OF_MEMORY;
    uint32_t at = object->place;
    if (stream->cache[at].object == object && stream->cache[at].tag == stream->encoded) return RLX_OK;
    rlx_held *held = batch->held;
    if (!held || held->count == sizeof held->objects / sizeof *held->objects) {
        rlx_held *more = rlx_batch_take(stream, sizeof *more, _Alignof(rlx_held));
        if (!more) return RLX_ERROR_OUT_OF_MEMORY;
        more->next = held;
        more->count = 0;
        batch->held = held = more;
    }
    rlx_object_retain(object);
    held->objects[held->count++] = object;
    stream->cache[at].object = object;
    stream->cache[at].tag = stream->encoded;
    return RLX_OK;
}

bool rlx_batch_label(rlx_stream *stream, const char *label, const char **copy) {
    *copy = NULL;
    if (!label) return true;
    if (rlx_lie("labels-are-borrowed")) return *copy = label, true;
    size_t size = strlen(label) + 1;
    if (size > RLX_LABEL_MAX) size = RLX_LABEL_MAX;
    char *text = rlx_batch_take(stream, size, 1);
    if (!text) return false;
    memcpy(text, label, size - 1);
    text[size - 1] = '\0';
    *copy = text;
    return true;
}

void rlx_batch_append_condition(rlx_stream *stream) {
    rlx_batch_state *batch = stream->current;
    rlx_recorder_fixup(&stream->recorder, &(rlx_fixup){ .packet = batch->last,
                                                        .slot = stream->recorder.condition.plus_one - 1,
                                                        .command = (uint32_t)(batch->count - 1),
                                                        .kind = RLX_FIXUP_ENABLED });
}

void rlx_batch_unhold(rlx_batch_state *batch) {
    for (rlx_held *held = batch->held; held; held = held->next)
        for (uint32_t i = 0; i < held->count; i++) rlx_object_release(held->objects[i]);
    batch->held = NULL;
}

void rlx_batch_drop(rlx_stream *stream) {
    rlx_batch_state *batch = stream->current;
    if (!batch) return;
    stream->current = NULL;
    rlx_batch_unhold(batch);
    rlx_batch_unref(batch);
}

void rlx_batch_unref(rlx_batch_state *batch) {
    /* Mostly this is the only one, and then nobody can be adding another. */
    bool last = atomic_load_explicit(&batch->refs, memory_order_acquire) == 1 ||
                atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) == 1;
    if (!last) return;
    rlx_stream *stream = batch->stream;
    rlx_chunk_list chunks = batch->chunks; /* they hold the batch itself */
    bool submitted = batch->value != 0;
    rlx_chunk_return(&stream->pool, &chunks);
    if (submitted) rlx_object_release(&stream->object);
}
