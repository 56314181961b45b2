/* Streams: what stands between the core and cpu, and can lie about when a batch ended, and how. */
#include "liar.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define QUEUE_ROOM 1000 /* where a submit that must not block does */
#define BLOCKS_FOR_S 5  /* at most: the suite is to be caught out, not the liar */

typedef struct liar_stream {
    rlx_stream_sink sink; /* first: what cpu reports to leads back here */
    const rlx_stream_sink *core;
    liar_device *device;
    void *inner;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t ended;
    liar_batch *first, **end; /* at cpu */
    uint64_t queued;
    rlx_fault kept; /* to be told of a later batch */
} liar_stream;

/* ---- Reports ---- */

static liar_batch *find(liar_stream *stream, uint64_t signal) {
    liar_batch *batch = stream->first;
    while (batch && batch->signal != signal) batch = batch->next;
    return batch;
}

static bool begin(const rlx_stream_sink *sink, uint64_t signal) {
    liar_stream *stream = (liar_stream *)(uintptr_t)sink;
    bool run = stream->core->begin(stream->core, signal);
    if (liar_tells("cancelled-work-runs")) return true;
    if (!run || !liar_tells("completes-early")) return run;
    pthread_mutex_lock(&stream->lock);
    liar_batch *batch = find(stream, signal);
    bool told = batch->told;
    batch->told = true;
    pthread_mutex_unlock(&stream->lock);
    if (!told) stream->core->complete(stream->core, signal, NULL);
    return true;
}

/* What the core will hear of a fault. */
static void falsify_fault(liar_stream *stream, rlx_fault *fault) {
    if (liar_tells("failure-kept-quiet")) fault->status = RLX_OK;
    if (fault->status && liar_tells("failure-of-another-kind")) fault->status = RLX_ERROR_BACKEND;
    if (fault->status == RLX_ERROR_DEVICE_LOST && liar_tells("loss-played-down")) fault->status = RLX_ERROR_KERNEL;
    if (!liar_tells("failure-told-too-late")) return;
    rlx_fault now = *fault;
    *fault = stream->kept;
    fault->first = fault->last = fault->inner = NULL;
    stream->kept = now;
}

static void complete(const rlx_stream_sink *sink, uint64_t signal, const rlx_fault *theirs) {
    liar_stream *stream = (liar_stream *)(uintptr_t)sink;
    rlx_fault fault = { 0 };
    if (theirs) fault = *theirs;
    pthread_mutex_lock(&stream->lock);
    liar_batch *batch = stream->first; /* cpu completes in order */
    stream->first = batch->next;
    if (!stream->first) stream->end = &stream->first;
    stream->queued--;
    liar_fault_translate(batch, &fault);
    falsify_fault(stream, &fault);
    pthread_cond_broadcast(&stream->ended);
    pthread_mutex_unlock(&stream->lock);
    if (fault.status && liar_tells("device-prints")) fprintf(stderr, "liar: batch %d failed\n", (int)signal);
    bool told = batch->told;
    liar_batch_free(batch);
    if (!told) stream->core->complete(stream->core, signal, fault.status ? &fault : NULL);
}

/* ---- Life ---- */

rlx_status liar_stream_open(void *handle, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **result) {
    liar_device *device = handle;
    if (atomic_load(&device->streams) >= 32 && liar_tells("streams-end-at-32"))
        return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "the liar has no more than 32 streams");
    liar_stream *stream = liar_host->allocate(sizeof *stream);
    if (!stream) return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of memory for a stream");
    stream->sink = (rlx_stream_sink){ sizeof stream->sink, begin, complete };
    stream->core = sink;
    stream->device = device;
    stream->end = &stream->first;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->ended, NULL);
    rlx_status status = liar_cpu->stream_open(device->inner, desc, &stream->sink, &stream->inner);
    if (status) {
        liar_host->release(stream);
        return status;
    }
    atomic_fetch_add(&device->streams, 1);
    *result = stream;
    return RLX_OK;
}

void liar_stream_close(void *handle) {
    liar_stream *stream = handle;
    if (liar_tells("completes-early")) return; /* its work may still run */
    atomic_fetch_sub(&stream->device->streams, 1);
    liar_cpu->stream_close(stream->inner);
    pthread_cond_destroy(&stream->ended);
    pthread_mutex_destroy(&stream->lock);
    while (stream->first) { /* of a lost device */
        liar_batch *next = stream->first->next;
        liar_batch_free(stream->first);
        stream->first = next;
    }
    liar_host->release(stream);
}

/* ---- Submit ---- */

/* Under the lock: until no more than `most` batches are at cpu. */
static void wait_for_room(liar_stream *stream, uint64_t most) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += BLOCKS_FOR_S;
    while (stream->queued > most && pthread_cond_timedwait(&stream->ended, &stream->lock, &until) != ETIMEDOUT)
        continue;
}

rlx_status liar_submit(void *handle, const rlx_batch *given, rlx_fault *fault) {
    liar_stream *stream = handle;
    liar_batch *batch = liar_batch_create(given);
    if (!batch) return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of memory for a copy of the batch");
    const rlx_batch rewritten = { batch->signal, batch->first, batch->count };
    pthread_mutex_lock(&stream->lock);
    if (liar_tells("full-queue-blocks")) wait_for_room(stream, QUEUE_ROOM);
    *stream->end = batch;
    stream->end = &batch->next;
    stream->queued++;
    pthread_mutex_unlock(&stream->lock);
    rlx_status status = liar_cpu->submit(stream->inner, &rewritten, fault);
    pthread_mutex_lock(&stream->lock);
    if (status) { /* it was the last, and cpu has not kept it */
        liar_batch **link = &stream->first;
        while (*link != batch) link = &(*link)->next;
        *link = NULL;
        stream->end = link;
        stream->queued--;
        liar_batch_free(batch);
    } else if (liar_tells("submit-blocks")) {
        wait_for_room(stream, 0);
    }
    pthread_mutex_unlock(&stream->lock);
    return status;
}
