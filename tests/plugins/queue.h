/* A device with a queue: submit only takes batches, and they run later, on a thread of the stream or inside wait. Like
 * most devices it reports nothing by itself, so the core polls it with wait and query. The commands are run by the
 * minimal backend's run_packet.
 *
 * LOSS. Once the device is lost the core may take back the memory of every batch, so the one who finds out waits until
 * no other stream runs anything, and only then lets query tell. */
#ifndef PLUGIN_QUEUE_H
#define PLUGIN_QUEUE_H

#include "base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

typedef struct queue_device {
    pthread_mutex_t lock;   /* of the device and all its streams */
    pthread_cond_t changed; /* anything */
    uint32_t running;       /* streams that run a batch */
    bool lost;              /* nothing more is run */
    bool told;              /* and nothing is running any more, so that everybody may hear of it */
} queue_device;

typedef struct queue_node {
    struct queue_node *next;
    rlx_batch batch;
} queue_node;

typedef struct queue_stream {
    queue_device *device;
    const rlx_stream_sink *sink;
    void *minimal; /* a stream of the minimal backend: scratch memory */
    pthread_t thread;
    bool threaded, running, closing;
    queue_node *first, **last;
    uint64_t completed;
    uint64_t commands; /* handed over and not ended */
    rlx_fault fault;   /* not asked for yet */
} queue_stream;

static bool queue_threaded; /* batches run on a thread of the stream; otherwise inside wait */

/* ---- Device ---- */

static void queue_init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static rlx_status queue_device_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc;
    queue_device *device = host->allocate(sizeof *device);
    if (!device) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for a device");
    pthread_mutex_init(&device->lock, NULL);
    queue_init_condition(&device->changed);
    opened->device = device;
    return RLX_OK;
}

static void queue_device_close(void *handle) {
    queue_device *device = handle;
    pthread_cond_destroy(&device->changed);
    pthread_mutex_destroy(&device->lock);
    host->release(device);
}

/* ---- Running (with the lock, but for the commands themselves) ---- */

/* Nothing more is run, and what runs is waited for. */
static inline void queue_lose(queue_device *device) {
    device->lost = true;
    while (device->running > 0) pthread_cond_wait(&device->changed, &device->lock);
    device->told = true;
    pthread_cond_broadcast(&device->changed);
}

static void queue_run_commands(queue_stream *stream, const rlx_batch *batch, rlx_fault *fault) {
    if (!stream->sink->begin(stream->sink, batch->signal)) return; /* cancelled, or failed by an earlier one */
    (void)submit(stream->minimal, batch, fault);
}

/* Runs the first batch, unless the device is lost. */
static void queue_run_first(queue_stream *stream) {
    queue_device *device = stream->device;
    queue_node *node = stream->first;
    rlx_fault fault = { .status = RLX_OK };
    stream->running = true;
    device->running++;
    pthread_mutex_unlock(&device->lock);
    queue_run_commands(stream, &node->batch, &fault);
    pthread_mutex_lock(&device->lock);
    device->running--;
    pthread_cond_broadcast(&device->changed);
    if (device->lost || fault.status == RLX_ERROR_DEVICE_LOST) queue_lose(device);
    if (fault.status && !stream->fault.status) {
        stream->fault = fault;
        stream->fault.signal = node->batch.signal;
    }
    stream->completed = node->batch.signal;
    stream->commands -= node->batch.count;
    stream->first = node->next;
    if (!stream->first) stream->last = &stream->first;
    stream->running = false;
    host->release(node);
    pthread_cond_broadcast(&device->changed);
}

static void *queue_thread(void *handle) {
    queue_stream *stream = handle;
    queue_device *device = stream->device;
    pthread_mutex_lock(&device->lock);
    while (!stream->closing) {
        if (stream->first && !device->lost) queue_run_first(stream);
        else pthread_cond_wait(&device->changed, &device->lock);
    }
    pthread_mutex_unlock(&device->lock);
    return NULL;
}

/* ---- Stream ---- */

static rlx_status queue_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink,
                                    void **handle) {
    queue_stream *stream = host->allocate(sizeof *stream);
    if (!stream) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for a stream");
    rlx_status status = stream_open(device, desc, sink, &stream->minimal);
    if (status) goto fail_stream;
    stream->device = device;
    stream->sink = sink;
    stream->last = &stream->first;
    stream->threaded = queue_threaded;
    if (stream->threaded && pthread_create(&stream->thread, NULL, queue_thread, stream) != 0) {
        status = host->fail(RLX_ERROR_OUT_OF_MEMORY, "no thread for a stream");
        goto fail_thread;
    }
    *handle = stream;
    return RLX_OK;

fail_thread:
    stream_close(stream->minimal);
fail_stream:
    host->release(stream);
    return status;
}

static void queue_stream_close(void *handle) {
    queue_stream *stream = handle;
    queue_device *device = stream->device;
    pthread_mutex_lock(&device->lock);
    if (stream->first && !device->lost) broken("a stream is closed when every batch has ended, or the device is lost");
    stream->closing = true;
    pthread_cond_broadcast(&device->changed);
    pthread_mutex_unlock(&device->lock);
    if (stream->threaded) pthread_join(stream->thread, NULL);
    for (queue_node *node = stream->first; node;) {
        queue_node *next = node->next;
        host->release(node);
        node = next;
    }
    stream_close(stream->minimal);
    host->release(stream);
}

static rlx_status queue_submit(void *handle, const rlx_batch *batch, rlx_fault *fault) {
    (void)fault;
    queue_stream *stream = handle;
    queue_node *node = host->allocate(sizeof *node);
    if (!node) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for a batch");
    node->batch = *batch;
    pthread_mutex_lock(&stream->device->lock);
    *stream->last = node;
    stream->last = &node->next;
    stream->commands += batch->count;
    if (table.queue_depth && stream->commands > table.queue_depth && stream->commands > batch->count)
        broken("no more commands in flight than queue_depth");
    pthread_cond_broadcast(&stream->device->changed);
    pthread_mutex_unlock(&stream->device->lock);
    return RLX_OK;
}

static struct timespec queue_deadline(uint64_t timeout_ns) {
    uint64_t now = host->clock_ns(), end = timeout_ns > UINT64_MAX / 2 - now ? UINT64_MAX / 2 : now + timeout_ns;
    return (struct timespec){ .tv_sec = (time_t)(end / RLX_SECOND), .tv_nsec = (long)(end % RLX_SECOND) };
}

static rlx_status queue_wait(void *handle, uint64_t signal, uint64_t timeout_ns) {
    queue_stream *stream = handle;
    queue_device *device = stream->device;
    struct timespec deadline = queue_deadline(timeout_ns);
    uint64_t started = host->clock_ns();
    rlx_status status = RLX_OK;
    pthread_mutex_lock(&device->lock);
    while (stream->completed < signal && !device->told) {
        if (!stream->threaded && !stream->running && stream->first && !device->lost) {
            queue_run_first(stream);
            if (stream->completed < signal && host->clock_ns() - started >= timeout_ns) break;
        } else if (pthread_cond_timedwait(&device->changed, &device->lock, &deadline) != 0) {
            break;
        }
    }
    if (stream->completed < signal) status = RLX_TIMEOUT;
    if (device->told && status && !stream->fault.status)
        status = host->fail(RLX_ERROR_DEVICE_LOST, "another stream has lost the device");
    pthread_mutex_unlock(&device->lock);
    return status;
}

static rlx_status queue_query(void *handle, uint64_t *completed, rlx_fault *fault) {
    queue_stream *stream = handle;
    pthread_mutex_lock(&stream->device->lock);
    *completed = stream->completed;
    *fault = stream->fault;
    stream->fault = (rlx_fault){ .status = RLX_OK };
    pthread_mutex_unlock(&stream->device->lock);
    return RLX_OK;
}

/* base_table, for a device with a queue. */
static inline const rlx_backend *queue_table(const rlx_host *services, const char *name, const char *device,
                                             bool threaded) {
    (void)base_table(services, name, device);
    queue_threaded = threaded;
    table.flags = RLX_BACKEND_HOST_MEMORY;
    table.device_open = queue_device_open;
    table.device_close = queue_device_close;
    table.stream_open = queue_stream_open;
    table.stream_close = queue_stream_close;
    table.submit = queue_submit;
    table.wait = queue_wait;
    table.query = queue_query;
    listed.progress = threaded ? RLX_PROGRESS_THREAD : RLX_PROGRESS_CALLER;
    listed.can |= RLX_CAN_CANCEL; /* begin is asked before each batch */
    return &table;
}

#endif
