/* Streams: batches that run one after the other, each command by command.
 *
 * On sync a batch runs inside submit. On cpu submit puts it into the stream's ring; a stream with batches is active,
 * which means that it is in the pool's queue or in the hands of one worker. Where that worker meets a command that
 * others help with, the last of them to finish has the stream from then on: all that there is to know stands in the
 * stream itself.
 *
 * AFTER A COMPLETION the core may have closed the stream, so nothing of the core's is touched then: the ring is looked
 * at first, and the stream's own memory lives on while it is active. */
#include "cpu.h"

#include <string.h>

#define ASK_EVERY 64 /* commands between two questions whether to go on with a batch */

rlx_status rlx_cpu_stream_open(void *handle, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **result) {
    (void)desc;
    rlx_cpu_device *device = handle;
    rlx_cpu_stream *stream = rlx_cpu_host->allocate(sizeof *stream);
    if (!stream) goto fail;
    stream->pool = device->pool;
    stream->sink = sink;
    atomic_init(&stream->refs, 1);
    if (!stream->pool) {
        stream->own = rlx_cpu_host->allocate(sizeof *stream->own);
        if (!stream->own) goto fail_own;
    }
    *result = stream;
    return RLX_OK;

fail_own:
    rlx_cpu_host->release(stream);
fail:
    return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for a stream");
}

static void stream_release(rlx_cpu_stream *stream) {
    if (atomic_fetch_sub_explicit(&stream->refs, 1, memory_order_acq_rel) != 1) return;
    if (stream->queue) rlx_cpu_host->release(stream->queue);
    if (stream->own) {
        rlx_cpu_worker_clear(stream->own);
        rlx_cpu_host->release(stream->own);
    }
    rlx_cpu_host->release(stream);
}

void rlx_cpu_stream_close(void *handle) {
    rlx_cpu_stream *stream = handle;
    rlx_lock(&stream->lock);
    stream->count = 0; /* only a lost device is closed with batches left */
    rlx_unlock(&stream->lock);
    stream_release(stream);
}

/* ---- Running a batch ---- */

static void batch_begin(rlx_cpu_stream *stream, const rlx_batch *batch) {
    stream->running = true;
    stream->signal = batch->signal;
    stream->at = batch->first;
    stream->program = NULL;
    stream->commands = 0;
    stream->fault.status = RLX_OK;
    if (!stream->sink->begin(stream->sink, batch->signal)) stream->at = NULL;
}

/* Now and then, and before a program: whether the core still wants the rest. */
static bool batch_wanted(rlx_cpu_stream *stream) {
    if (stream->program) return true; /* in the middle of one */
    bool ask = stream->at->kind == RLX_PACKET_RUN ? stream->commands > 0 : stream->commands >= ASK_EVERY;
    if (!ask) {
        stream->commands++;
        return true;
    }
    stream->commands = 1;
    return stream->sink->begin(stream->sink, stream->signal);
}

/* From stream->at on. After AWAY the stream is somebody else's. */
static rlx_cpu_step batch_run(rlx_cpu_worker *worker, rlx_cpu_stream *stream) {
    const rlx_cpu_strand strand = { .stream = stream };
    for (; stream->at; stream->at = stream->at->next) {
        if (!batch_wanted(stream)) break;
        rlx_cpu_step step;
        if (stream->program) step = rlx_cpu_program_loop(worker, stream, &stream->fault);
        else if (stream->at->kind == RLX_PACKET_RUN) step = rlx_cpu_program_run(worker, stream, &stream->fault);
        else step = rlx_cpu_command(worker, stream->at, &strand, &stream->fault);
        if (step != RLX_CPU_DONE) return step;
    }
    return RLX_CPU_DONE;
}

/* ---- sync ---- */

rlx_status rlx_sync_submit(void *handle, const rlx_batch *batch, rlx_fault *fault) {
    rlx_cpu_stream *stream = handle;
    batch_begin(stream, batch);
    uint32_t entered = rlx_cpu_host->callback_enter();
    batch_run(stream->own, stream);
    rlx_cpu_host->callback_leave(entered);
    if (stream->fault.status) *fault = stream->fault;
    return stream->fault.status;
}

/* ---- cpu ---- */

/* Doubles the ring. */
static bool queue_grow(rlx_cpu_stream *stream) {
    uint32_t room = stream->room ? stream->room * 2 : 16;
    rlx_batch *queue = rlx_cpu_host->allocate(room * sizeof *queue);
    if (!queue) return false;
    for (uint32_t i = 0; i < stream->count; i++) queue[i] = stream->queue[(stream->head + i) & (stream->room - 1)];
    if (stream->queue) rlx_cpu_host->release(stream->queue);
    stream->queue = queue;
    stream->head = 0;
    stream->room = room;
    return true;
}

rlx_status rlx_cpu_submit(void *handle, const rlx_batch *batch, rlx_fault *fault) {
    (void)fault;
    rlx_cpu_stream *stream = handle;
    if (!rlx_cpu_pool_ready(stream->pool))
        return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no thread could be started: the process or the system has "
                                                           "too many, or no memory for one more");
    rlx_lock(&stream->lock);
    if (stream->count == stream->room && !queue_grow(stream)) {
        rlx_unlock(&stream->lock);
        return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for the stream's queue");
    }
    bool wake = !stream->active;
    stream->queue[(stream->head + stream->count++) & (stream->room - 1)] = *batch;
    stream->active = true;
    rlx_unlock(&stream->lock);
    if (wake) {
        atomic_fetch_add_explicit(&stream->refs, 1, memory_order_relaxed); /* no worker knows it yet */
        rlx_cpu_pool_push(stream->pool, stream);
    }
    return RLX_OK;
}

/* Takes the next batch, or ends the stream's activity. */
static bool queue_take(rlx_cpu_stream *stream, rlx_batch *batch) {
    rlx_lock(&stream->lock);
    bool found = stream->count > 0;
    if (found) {
        *batch = stream->queue[stream->head];
        stream->head = (stream->head + 1) & (stream->room - 1);
        stream->count--;
    } else {
        stream->active = false;
    }
    rlx_unlock(&stream->lock);
    return found;
}

/* Whether there are more batches; without any the stream's activity ends. */
static bool queue_more(rlx_cpu_stream *stream) {
    rlx_lock(&stream->lock);
    bool more = stream->active = stream->count > 0;
    rlx_unlock(&stream->lock);
    return more;
}

static void batch_end(rlx_cpu_worker *worker, rlx_cpu_stream *stream) {
    stream->running = false;
    rlx_cpu_worker_block(worker); /* whoever is told of the end may take its time */
    stream->sink->complete(stream->sink, stream->signal, stream->fault.status ? &stream->fault : NULL);
    rlx_cpu_worker_unblock(worker);
}

void rlx_cpu_stream_run(rlx_cpu_worker *worker, rlx_cpu_stream *stream) {
    for (;;) {
        if (!stream->running) {
            rlx_batch batch;
            if (!queue_take(stream, &batch)) break;
            batch_begin(stream, &batch);
        }
        uint32_t entered = rlx_cpu_host->callback_enter();
        rlx_cpu_step step = batch_run(worker, stream);
        rlx_cpu_host->callback_leave(entered);
        if (step == RLX_CPU_AWAY) return;
        batch_end(worker, stream);
        if (!atomic_load_explicit(&stream->pool->pending, memory_order_relaxed)) continue;
        if (!queue_more(stream)) break;
        rlx_cpu_pool_push(stream->pool, stream); /* behind those that wait */
        return;
    }
    stream_release(stream);
}

void rlx_cpu_stream_resume(rlx_cpu_worker *worker, rlx_cpu_stream *stream, const rlx_fault *fault) {
    if (fault) {
        stream->fault = *fault;
        if (stream->program) rlx_cpu_fault_within(&stream->fault, stream->at);
        stream->at = NULL;
    } else if (stream->program) {
        stream->node++;
    } else {
        stream->at = stream->at->next;
    }
    rlx_cpu_stream_run(worker, stream);
}
