/* Devices whose backend neither is synchronous nor completes batches itself: the core asks (query) and waits (wait) in
 * the backend's stead, and reports to the streams. One thread at a time polls a stream: what one has learnt must not be
 * overtaken by what another learns later.
 *
 * Where work goes on by itself that is a thread of the core: one a device, from its first stream on; it parks while
 * nothing is in flight. On a caller-driven device it is whoever waits (wait.c).
 *
 * LIFE. The device owns the poller and stops it when it closes. If the last reference goes on this very thread (in a
 * completion), the thread is let go, and frees the poller itself at the end. */
#include "stream.h"

#define WAIT_ONE_NS 1000000 /* when one stream has work in flight */
#define WAIT_MANY_NS 50000  /* when several have: the others are looked at in between */

/* ---- Polling ---- */

/* One question, unless `fault` has the answer already, or there is nobody to ask any more. */
static bool ask(rlx_stream *stream, rlx_fault *fault) {
    uint64_t completed = 0;
    rlx_lock(&stream->timeline->lock);
    bool given_up = stream->given_up;
    rlx_unlock(&stream->timeline->lock);
    if (given_up) *fault = (rlx_fault){ 0 };
    if (!given_up && !fault->status) {
        rlx_error_clear();
        if (stream->device->backend.query(stream->handle, &completed, fault))
            *fault = (rlx_fault){ .status = RLX_ERROR_DEVICE_LOST, .help = RLX_HELP_REOPEN };
    }
    rlx_fault_quote(fault);
    rlx_lock(&stream->timeline->lock);
    uint64_t next = stream->ended + 1;
    if (given_up || completed > stream->handed) completed = stream->handed;
    rlx_unlock(&stream->timeline->lock);
    if (fault->status) {
        /* What ended before the failed batch ended well. */
        uint64_t failed = fault->signal ? fault->signal : next;
        if (failed > next) rlx_stream_complete(stream, failed - 1, NULL);
        rlx_stream_complete(stream, failed, fault);
    }
    if (completed >= next) rlx_stream_complete(stream, completed, NULL);
    return fault->status || completed >= next;
}

/* With an answer that wait has given, or none. */
static bool poll_with(rlx_stream *stream, rlx_fault *fault) {
    rlx_lock(&stream->timeline->lock);
    bool mine = !stream->polling, more = mine, moved = false;
    stream->polling = true;
    rlx_unlock(&stream->timeline->lock);
    while (more) {
        moved |= ask(stream, fault);
        fault->status = RLX_OK;
        rlx_lock(&stream->timeline->lock);
        more = stream->polling = stream->given_up && stream->ended < stream->handed; /* in the meantime */
        rlx_unlock(&stream->timeline->lock);
    }
    return moved;
}

bool rlx_stream_poll(rlx_stream *stream) {
    rlx_fault fault = { 0 };
    return poll_with(stream, &fault);
}

bool rlx_stream_await(rlx_stream *stream, uint64_t signal, uint64_t timeout_ns) {
    rlx_fault fault = { 0 };
    rlx_error_clear();
    rlx_status status = stream->device->backend.wait(stream->handle, signal, timeout_ns);
    if (status && status != RLX_TIMEOUT)
        fault = (rlx_fault){ .status = RLX_ERROR_DEVICE_LOST, .help = RLX_HELP_REOPEN };
    return poll_with(stream, &fault);
}

void rlx_stream_give_up(rlx_stream *stream) {
    rlx_lock(&stream->timeline->lock);
    stream->given_up = true;
    rlx_unlock(&stream->timeline->lock);
    (void)rlx_stream_poll(stream);
}

/* ---- The thread ---- */

typedef struct rlx_poller rlx_poller;
struct rlx_poller {
    rlx_device *device;
    rlx_thread thread;
    _Atomic uint32_t kicks; /* parked on */
    _Atomic uint32_t stop;
    bool detached; /* only used on the thread itself */
};

/* The first stream of the list, after `skip` others, that has work in flight: retained. */
static rlx_stream *find_flying(rlx_device *device, uint32_t skip, uint64_t *signal) {
    rlx_stream *found = NULL;
    rlx_lock(&device->lock);
    for (rlx_stream *stream = device->streams; stream && !found; stream = stream->device_next) {
        rlx_lock(&stream->timeline->lock);
        bool flying = stream->handed > stream->ended;
        *signal = stream->ended + 1;
        rlx_unlock(&stream->timeline->lock);
        if (flying && !skip--) found = rlx_object_try_retain(&stream->object) ? stream : NULL;
    }
    rlx_unlock(&device->lock);
    return found;
}

/* Asks every stream once. The number of those that still have work in flight. */
static uint32_t poll_all(rlx_poller *poller, bool *moved) {
    uint32_t flying = 0;
    uint64_t signal;
    for (rlx_stream *stream;
         !atomic_load(&poller->stop) && (stream = find_flying(poller->device, flying, &signal)) != NULL;) {
        bool news = rlx_stream_poll(stream);
        rlx_object_release(&stream->object); /* may be the device's last */
        *moved |= news;
        flying++; /* one that ran dry is asked again, next time */
    }
    return flying;
}

static void wait_for_work(rlx_poller *poller, uint32_t flying) {
    uint64_t signal;
    rlx_stream *stream = find_flying(poller->device, 0, &signal);
    if (!stream) return;
    (void)rlx_stream_await(stream, signal, flying > 1 ? WAIT_MANY_NS : WAIT_ONE_NS);
    rlx_object_release(&stream->object);
}

static void *poller_run(void *user) {
    rlx_poller *poller = user;
    while (!atomic_load(&poller->stop)) {
        uint32_t kicks = atomic_load(&poller->kicks);
        bool moved = false;
        uint32_t flying = poll_all(poller, &moved);
        if (atomic_load(&poller->stop)) break;
        if (!flying) rlx_park(&poller->kicks, kicks, UINT64_MAX);
        else if (!moved) wait_for_work(poller, flying);
    }
    if (poller->detached) rlx_free(poller);
    return NULL;
}

rlx_status rlx_poller_start(rlx_device *device) {
    rlx_status status = RLX_OK;
    rlx_lock(&device->lock);
    rlx_poller *poller = device->poller;
    if (!poller) {
        poller = rlx_allocate(sizeof *poller);
        if (poller) poller->device = device;
        if (!poller || !rlx_thread_start(&poller->thread, "rlx-progress", poller_run, poller)) {
            rlx_free(poller);
            status =
                rlx_fail(RLX_ERROR_OUT_OF_MEMORY, "%s: no thread could be started to follow its work", device->name);
        } else {
            device->poller = poller;
        }
    }
    rlx_unlock(&device->lock);
    return status;
}

void rlx_poller_kick(rlx_device *device) {
    atomic_fetch_add(&device->poller->kicks, 1);
    rlx_unpark(&device->poller->kicks, 1);
}

void rlx_poller_stop(rlx_device *device) {
    rlx_poller *poller = device->poller;
    if (!poller) return;
    atomic_store(&poller->stop, 1);
    if (rlx_thread_is(poller->thread)) {
        poller->detached = true;
        rlx_thread_detach(poller->thread);
        return;
    }
    rlx_poller_kick(device);
    rlx_thread_join(poller->thread);
    rlx_free(poller);
}
