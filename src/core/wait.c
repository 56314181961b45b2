/* Waiting: for one, any or all of several points; asking and being told.
 *
 * A wait looks, spins for some microseconds (as long as a wake-up would take), yields, and then parks on a word of its
 * own stack, which watches on its points set. A wait for all is a wait for each in turn.
 *
 * DRIVING (rule 12). If there are devices that only a caller can drive, a wait follows its point back to what holds it
 * up: the head of its stream, the first unmet dependency of that, the head of that one's stream, and so on. What it
 * finds there it pumps, or polls, if the device is caller-driven; anything else makes progress by itself. When nothing
 * is to be done it parks like any other, and a kick (a batch has become ready) wakes it to look again. */
#include <string.h>

#include "stream.h"

#define SPIN_NS 10000
#define YIELDS 4
#define STACK_WATCHES 8
#define POLL_NS 1000000    /* of one call to a polled backend's wait */
#define POLL_MANY_NS 50000 /* the same where there are other points to drive as well */

enum { WORD_ENDED = 1, WORD_DRIVE = 2 };

/* A thread that waits. */
typedef struct waiter {
    _Atomic uint32_t word;
    struct waiter *next, *previous; /* in drivers */
} waiter;

typedef struct point_watch {
    rlx_watch watch;
    waiter *waiter;
    _Atomic uint32_t fired; /* after this the waiter may go */
    bool linked;
} point_watch;

/* Waits that may drive: woken when something has become ready. */
static struct {
    rlx_mutex lock;
    waiter *first;
    _Atomic uint32_t count;
} drivers;

void rlx_drivers_wake(void) {
    if (!atomic_load_explicit(&rlx_caller_driven_devices, memory_order_relaxed)) return;
    /* Adding nothing, unlike a load, is ordered with the waiter's adding itself: it sees what has changed, or is
     * seen. */
    if (!atomic_fetch_add(&drivers.count, 0)) return;
    rlx_lock(&drivers.lock);
    for (waiter *w = drivers.first; w; w = w->next) {
        atomic_fetch_or(&w->word, WORD_DRIVE);
        rlx_unpark(&w->word, 1);
    }
    rlx_unlock(&drivers.lock);
}

static void drivers_add(waiter *w) {
    rlx_lock(&drivers.lock);
    w->previous = NULL;
    w->next = drivers.first;
    if (w->next) w->next->previous = w;
    drivers.first = w;
    atomic_fetch_add(&drivers.count, 1);
    rlx_unlock(&drivers.lock);
}

static void drivers_remove(waiter *w) {
    rlx_lock(&drivers.lock);
    *(w->previous ? &w->previous->next : &drivers.first) = w->next;
    if (w->next) w->next->previous = w->previous;
    atomic_fetch_sub(&drivers.count, 1);
    rlx_unlock(&drivers.lock);
}

/* ---- Driving ---- */

/* What holds a point up, and what could be done about it. */
typedef struct hold_up {
    rlx_stream *stream;    /* retained; NULL: nothing that would be known */
    bool ready;            /* there is something to hand over */
    uint64_t signal;       /* the next to end at the backend; 0: there is none */
    rlx_batch_state *head; /* it waits for points: referenced; or NULL */
    bool failed;           /* that one: then it does not wait for all of them */
} hold_up;

static hold_up find_hold_up(rlx_point point) {
    rlx_timeline *timeline = rlx_point_timeline(point);
    hold_up found = { 0 };
    rlx_lock(&timeline->lock);
    rlx_stream *stream = timeline->stream;
    rlx_batch_state *batch = stream ? stream->head : NULL;
    bool current =
        batch && rlx_timeline_id(timeline) == point.timeline && atomic_load(&timeline->completed) < point.value;
    if (current && rlx_object_try_retain(&stream->object)) {
        found.stream = stream;
        found.ready = rlx_stream_ready(stream);
        if (stream->handed > stream->ended) found.signal = stream->ended + 1;
        if (!batch->whole && !batch->first_signal && batch->attached && !found.ready) {
            atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
            found.head = batch;
            found.failed = rlx_timeline_sound(timeline, batch->value) != batch->value;
        }
    }
    rlx_unlock(&timeline->lock);
    return found;
}

static bool is_unmet(const hold_up *held, const rlx_dependency *dependency, rlx_point *point) {
    if (!dependency->batch || (held->failed && !(dependency->flags & RLX_DEPENDS_DROPPED))) return false;
    *point = dependency->point;
    return rlx_point_look(*point, NULL, NULL) == RLX_NOT_READY;
}

/* The first dependency of a held batch that is still to come. */
static bool first_unmet(const hold_up *held, rlx_point *point) {
    for (const rlx_dependency *d = held->head->dependencies; d; d = d->next)
        if (is_unmet(held, d, point)) return true;
    for (const rlx_batch_run *run = held->head->runs; run; run = run->next)
        if (is_unmet(held, &run->after, point)) return true;
    return false;
}

static bool may_drive(const rlx_device *device) {
    return device->caller_driven && (!device->owner || device->owner == rlx_thread_id());
}

/* Work at a polled backend: lets it run for a while. */
static bool poll_work(rlx_stream *stream, uint64_t signal, uint64_t patience) {
    if (!stream->device->polled || !may_drive(stream->device)) return false;
    if (!rlx_stream_await(stream, signal, patience)) rlx_thread_yield(); /* another one may be at it */
    return true;
}

/* One step towards the point. False if there is nothing that this thread could do. */
static bool drive(rlx_point point, uint64_t patience) {
    if (rlx_lie("wait-drives-nothing")) return false;
    for (;;) {
        hold_up held = find_hold_up(point);
        if (!held.stream) return false;
        bool moved = false, follow = false;
        if (held.ready && may_drive(held.stream->device)) moved = rlx_stream_pump(held.stream);
        if (!moved && held.signal) moved = poll_work(held.stream, held.signal, patience);
        if (held.head) {
            follow = first_unmet(&held, &point);
            rlx_batch_unref(held.head);
        }
        rlx_object_release(&held.stream->object);
        if (!follow) return moved;
    }
}

/* ---- One wait ---- */

typedef struct wait_state {
    const rlx_point *points;
    uint32_t count, ended; /* ended: which one */
    uint64_t deadline;
    rlx_failure_record *record; /* of the one that ended, retained */
    rlx_status status;
} wait_state;

/* Whether one has ended, or can't be waited for. */
static bool look(wait_state *w) {
    for (uint32_t i = 0; i < w->count; i++) {
        w->status = rlx_point_look(w->points[i], NULL, &w->record);
        if (w->status == RLX_NOT_READY) continue;
        w->ended = i;
        return true;
    }
    return false;
}

static uint64_t patience(const wait_state *w) {
    uint64_t now = rlx_platform_clock_ns(), left = w->deadline > now ? w->deadline - now : 0;
    uint64_t most = w->count > 1 ? POLL_MANY_NS : POLL_NS;
    return left < most ? left : most;
}

/* All of them in turn: the first could move for ever without getting anywhere. */
static bool drive_any(const wait_state *w) {
    if (!atomic_load_explicit(&rlx_caller_driven_devices, memory_order_relaxed)) return false;
    bool moved = false;
    for (uint32_t i = 0; i < w->count; i++) moved |= drive(w->points[i], patience(w));
    return moved;
}

static bool passed(uint64_t deadline) { return deadline != UINT64_MAX && rlx_platform_clock_ns() >= deadline; }

/* Spins and yields; true if one has ended. With one processor spinning only keeps the work from being done. */
static bool spin(wait_state *w) {
    static _Atomic uint32_t processors;
    if (!atomic_load_explicit(&processors, memory_order_relaxed)) atomic_store(&processors, rlx_processor_count());
    if (atomic_load_explicit(&processors, memory_order_relaxed) > 1) {
        uint64_t end = rlx_platform_clock_ns() + SPIN_NS;
        if (end > w->deadline) end = w->deadline;
        do
            for (int i = 0; i < 16; i++) {
                if (look(w)) return true;
                rlx_thread_pause();
            }
        while (rlx_platform_clock_ns() < end);
    }
    for (int i = 0; i < YIELDS; i++) {
        rlx_thread_yield();
        if (look(w)) return true;
    }
    return false;
}

static void point_fire(rlx_watch *watch, rlx_failure_record *record) {
    point_watch *own = (point_watch *)watch;
    (void)record; /* the waiter looks for itself */
    atomic_fetch_or(&own->waiter->word, WORD_ENDED);
    rlx_unpark(&own->waiter->word, 1);
    atomic_store_explicit(&own->fired, 1, memory_order_release);
}

static void park(wait_state *w, waiter *self, bool driver) {
    for (;;) {
        if (look(w)) return;
        if (passed(w->deadline)) {
            w->status = RLX_TIMEOUT;
            return;
        }
        uint32_t word = atomic_fetch_and(&self->word, ~(uint32_t)WORD_DRIVE);
        if (word & WORD_ENDED) {
            rlx_thread_yield(); /* the look above came in between: the next one will find it */
            continue;
        }
        if (driver && drive_any(w)) continue;
        rlx_park(&self->word, 0, w->deadline);
    }
}

static void remove_watches(point_watch *watches, const wait_state *w) {
    for (uint32_t i = 0; i < w->count; i++) {
        point_watch *watch = &watches[i];
        if (!watch->linked || rlx_watch_remove(&watch->watch, rlx_point_timeline(w->points[i]))) continue;
        while (!atomic_load_explicit(&watch->fired, memory_order_acquire)) rlx_thread_yield(); /* it is being fired */
    }
}

/* Parks until one has ended. */
static void wait_parked(wait_state *w) {
    point_watch few[STACK_WATCHES], *watches = few;
    waiter self = { 0 };
    if (w->count > STACK_WATCHES) {
        watches = rlx_allocate(w->count * sizeof *watches);
        if (!watches) {
            w->status = rlx_fail_memory("a wait for many points");
            return;
        }
    }
    memset(watches, 0, w->count * sizeof *watches);
    bool driver = atomic_load(&rlx_caller_driven_devices) != 0;
    if (driver) drivers_add(&self);
    for (uint32_t i = 0; i < w->count; i++) {
        watches[i].waiter = &self;
        watches[i].watch.fire = point_fire;
        watches[i].watch.order = RLX_WATCH_WAIT;
        watches[i].linked = rlx_watch_add(&watches[i].watch, w->points[i], NULL) == RLX_NOT_READY;
    }
    park(w, &self, driver);
    if (driver) drivers_remove(&self);
    remove_watches(watches, w);
    if (watches != few) rlx_free(watches);
}

/* Until one has ended, or the deadline, when the first look has found none. */
static void wait_longer(wait_state *w) {
    if (passed(w->deadline)) {
        w->status = RLX_TIMEOUT;
        return;
    }
    while (drive_any(w)) {
        if (look(w)) return;
        if (!passed(w->deadline)) continue;
        w->status = RLX_TIMEOUT;
        return;
    }
    if (!spin(w)) wait_parked(w);
}

static void wait_any(wait_state *w) {
    if (look(w)) return;
    uint64_t begun_ns = rlx_trace_now();
    wait_longer(w);
    if (begun_ns) rlx_trace_wait(begun_ns, w->points[w->ended], w->count, w->status);
}

/* ---- Messages ---- */

rlx_status rlx_fail_record(const rlx_failure_record *record) {
    return rlx_fail(record->failure.status, "%s", record->failure.message);
}

/* The status of a point, with its message. Releases the record. */
static rlx_status tell(rlx_status status, rlx_failure_record *record) {
    if (record) {
        (void)rlx_fail_record(record);
        rlx_failure_record_release(record);
        return status;
    }
    switch (status) {
    case RLX_ERROR_INVALID: return rlx_fail(status, "this is no point of a stream");
    case RLX_ERROR_ORDER: return rlx_fail(status, "the point has not been submitted yet: it would never complete");
    case RLX_ERROR_EXPIRED:
        return rlx_fail(status, "the point is so old that nobody knows any more whether it failed; wait sooner");
    default: return status;
    }
}

static rlx_status enter_wait(void) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (rlx_in_callback() && !rlx_lie("callbacks-may-wait"))
        return rlx_fail(RLX_ERROR_ORDER,
                        "no waiting inside a host call, a kernel or a notify callback: it could wait for itself");
    return RLX_OK;
}

/* ---- The interface ---- */

rlx_status rlx_point_wait(rlx_point point, uint64_t timeout_ns) {
    rlx_status status = enter_wait();
    if (status) return status;
    if (rlx_lie("wait-ends-a-point-early") && point.value) point.value--;
    wait_state w = { .points = &point, .count = 1 };
    if (look(&w)) return tell(w.status, w.record);
    w.deadline = rlx_deadline(rlx_lie("timeouts-are-halved") ? timeout_ns / 2 : timeout_ns);
    wait_any(&w);
    if (w.status == RLX_TIMEOUT && rlx_lie("timeout-drops-the-work"))
        w.status = rlx_stream_cancel(rlx_point_timeline(point)->stream) ? RLX_ERROR_INVALID : RLX_TIMEOUT;
    return tell(w.status, w.record);
}

static rlx_status wait_all(const rlx_point *points, uint32_t count, uint64_t deadline, uint32_t *index) {
    wait_state first = { .status = RLX_OK, .ended = count };
    for (uint32_t i = 0; i < count; i++) {
        wait_state w = { .points = &points[i], .count = 1, .deadline = deadline };
        wait_any(&w);
        if (w.status == RLX_TIMEOUT) { /* later ones may have ended, this one has not */
            rlx_failure_record_release(first.record);
            *index = i;
            return w.status;
        }
        if (w.status && !first.status) first = (wait_state){ .status = w.status, .ended = i, .record = w.record };
        else rlx_failure_record_release(w.record);
    }
    *index = first.ended;
    return tell(first.status, first.record);
}

rlx_status rlx_points_wait(const rlx_point *points, uint32_t count, rlx_wait_mode mode, uint64_t timeout_ns,
                           uint32_t *index) {
    uint32_t unused;
    rlx_status status = enter_wait();
    if (status) return status;
    if (count && !points) return rlx_fail(RLX_ERROR_INVALID, "rlx_points_wait: points is NULL");
    if (mode != RLX_WAIT_ALL && mode != RLX_WAIT_ANY)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_points_wait: mode %d", (int)mode);
    if (!index) index = &unused;
    uint64_t deadline = rlx_deadline(timeout_ns);
    if (mode == RLX_WAIT_ALL || rlx_lie("any-waits-for-all")) return wait_all(points, count, deadline, index);
    if (!count) return rlx_fail(RLX_ERROR_INVALID, "rlx_points_wait: any of no points would never end");
    wait_state w = { .points = points, .count = count, .deadline = deadline };
    wait_any(&w);
    *index = w.ended;
    return tell(w.status, w.record);
}

rlx_status rlx_point_query(rlx_point point) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    rlx_failure_record *record = NULL;
    if (rlx_lie("query-drives")) (void)drive(point, 0);
    status = rlx_point_look(point, NULL, &record);
    return tell(status, record);
}

/* ---- Notify ---- */

typedef struct notification {
    rlx_watch watch;
    rlx_notify_function function;
    void *user;
} notification;

static void call_notify(rlx_notify_function function, void *user, rlx_status status) {
    if (status && rlx_lie("notify-not-of-failures")) return;
    uint32_t entered = rlx_callback_enter();
    function(user, status);
    if (rlx_lie("notify-twice")) function(user, status);
    rlx_callback_leave(entered);
}

static void notify_fire(rlx_watch *watch, rlx_failure_record *record) {
    notification own = *(notification *)watch;
    rlx_free(watch);
    call_notify(own.function, own.user, record ? record->failure.status : RLX_OK);
}

rlx_status rlx_point_notify(rlx_point point, rlx_notify_function function, void *user) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!function) return rlx_fail(RLX_ERROR_INVALID, "rlx_point_notify: function is NULL");
    notification *made = rlx_allocate(sizeof *made);
    if (!made) return rlx_fail_memory("a notification");
    *made = (notification){
        .watch.fire = notify_fire, .watch.order = RLX_WATCH_NOTIFY, .function = function, .user = user
    };
    rlx_failure_record *record = NULL;
    status = rlx_watch_add(&made->watch, point, &record);
    if (status == RLX_NOT_READY) return RLX_OK;
    rlx_free(made);
    /* A failure, which has a record, may have any status. */
    if (!record && (status == RLX_ERROR_INVALID || status == RLX_ERROR_ORDER)) return tell(status, record);
    if (!rlx_lie("notify-only-in-time")) call_notify(function, user, status);
    rlx_failure_record_release(record);
    return RLX_OK;
}

rlx_status rlx_point_timestamp(rlx_point point, uint64_t *ns) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!ns) return rlx_fail(RLX_ERROR_INVALID, "rlx_point_timestamp: ns is NULL");
    rlx_timeline *timeline = rlx_point_timeline(point);
    if (!timeline || !point.value)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_point_timestamp: this is no point of a stream");
    rlx_lock(&timeline->lock);
    uint64_t completed = atomic_load(&timeline->completed);
    /* Released is gone to the user, even while a thread still holds the stream for a moment. */
    bool gone = rlx_timeline_id(timeline) != point.timeline || !timeline->stream || timeline->stream->released;
    if (gone) status = RLX_ERROR_EXPIRED;
    else if (!timeline->timestamps) status = RLX_ERROR_UNSUPPORTED;
    else if (point.value > atomic_load(&timeline->submitted)) status = RLX_ERROR_ORDER;
    else if (point.value > completed) status = RLX_NOT_READY;
    else if (completed - point.value >= RLX_TIMESTAMP_RING) status = RLX_ERROR_EXPIRED;
    else *ns = timeline->timestamps[point.value % RLX_TIMESTAMP_RING];
    rlx_unlock(&timeline->lock);
    if (status == RLX_ERROR_UNSUPPORTED)
        return rlx_fail(status, "the stream keeps no times: create it with RLX_STREAM_TIMESTAMPS");
    if (status == RLX_ERROR_EXPIRED)
        return rlx_fail(status,
                        "the time of this point is not kept any more: %d later ones have completed, or its "
                        "stream is gone; ask sooner",
                        RLX_TIMESTAMP_RING);
    return tell(status, NULL);
}
