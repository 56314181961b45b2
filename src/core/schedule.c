/* The way of a batch: submit puts it on its stream's timeline and attaches its dependencies; pump hands over, in order,
 * what is ready; complete learns from the backend what has ended. (How a batch ends: retire.c. How it fails: fault.c.)
 *
 * PUMPING. One thread at a time pumps a stream; another one that wants to, leaves a mark (RLX_PUMP_AGAIN) and goes.
 * Handing over can end batches, which makes other streams ready: those go onto the thread's work list instead of onto
 * its stack, so that a chain of ten thousand held batches needs no depth.
 *
 * CALLER-DRIVEN DEVICES are pumped only by a caller: in submit, and in wait (wait.c), which a kick wakes.
 *
 * SLICES. A batch goes over whole, unless its device has a queue_depth or its stream is opened with ISOLATE: then in
 * slices, each with a signal of its own. Signals count what the backend was given, values what the user submitted. */
#include "stream.h"

#include <string.h>

/* ---- Submit ---- */

static void fail_batch(rlx_batch_state *batch, rlx_failure_record *record) {
    rlx_timeline *timeline = batch->stream->timeline;
    rlx_lock(&timeline->lock);
    rlx_timeline_fail(timeline, batch->value, record);
    rlx_unlock(&timeline->lock);
}

/* A dependency's point has ended, or had before: if `record`, not well. */
static void dependency_met(const rlx_dependency *dependency, rlx_failure_record *record) {
    rlx_batch_state *batch = dependency->batch;
    if (record && !(dependency->flags & RLX_DEPENDS_ON_END) && !rlx_lie("failures-stay-at-home"))
        fail_batch(batch, record);
    if (dependency->flags & RLX_DEPENDS_DROPPED)
        atomic_fetch_sub_explicit(&batch->unmet_dropped, 1, memory_order_acq_rel);
    atomic_fetch_sub_explicit(&batch->unmet, 1, memory_order_acq_rel);
}

/* The stream outlives this: the batch holds it. */
static void dependency_fire(rlx_watch *watch, rlx_failure_record *record) {
    const rlx_dependency *dependency = (const rlx_dependency *)watch;
    rlx_batch_state *batch = dependency->batch;
    dependency_met(dependency, record);
    rlx_stream_kick(batch->stream);
    rlx_batch_unref(batch);
}

/* Nobody knows any more whether the point failed, so it may have. */
static rlx_failure_record *record_expired(rlx_timeline *timeline) {
    return rlx_failure_record_create(
        timeline, &(rlx_failure){ .status = RLX_ERROR_EXPIRED, .message = "a point that was depended on is too old" },
        RLX_HELP_NONE);
}

/* What comes before on the same stream is waited for anyway, and what fails there fails what comes after, unless the
 * stream has been recovered since. */
static void attach_own(rlx_batch_state *batch, uint64_t value) {
    rlx_timeline *timeline = batch->stream->timeline;
    rlx_lock(&timeline->lock);
    rlx_failure_record *record = rlx_timeline_failed(timeline, value);
    if (record) rlx_failure_record_retain(record);
    bool forgotten = !record && rlx_timeline_sound(timeline, value) != value;
    rlx_unlock(&timeline->lock);
    if (forgotten) record = record_expired(timeline);
    if (record) fail_batch(batch, record);
    rlx_failure_record_release(record);
}

/* Links a dependency of a batch that has its value. */
static void attach(rlx_batch_state *batch, rlx_dependency *dependency) {
    rlx_failure_record *record = NULL;
    if (dependency->point.timeline == rlx_timeline_id(batch->stream->timeline)) {
        if (!(dependency->flags & RLX_DEPENDS_ON_END)) attach_own(batch, dependency->point.value);
        return;
    }
    dependency->batch = batch;
    dependency->watch.fire = dependency_fire;
    dependency->watch.order = RLX_WATCH_DEPEND;
    atomic_fetch_add_explicit(&batch->unmet, 1, memory_order_relaxed);
    if (dependency->flags & RLX_DEPENDS_DROPPED)
        atomic_fetch_add_explicit(&batch->unmet_dropped, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    rlx_status status = rlx_watch_add(&dependency->watch, dependency->point, &record);
    if (status == RLX_NOT_READY) return;
    if (status && !record) record = record_expired(batch->stream->timeline);
    dependency_met(dependency, record);
    rlx_failure_record_release(record);
    atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_relaxed); /* the stream's is still there */
}

/* Under timeline->lock: what is submitted now has this value. */
static uint64_t next_value(const rlx_timeline *timeline) {
    uint64_t step = rlx_lie("values-rise-by-two") ? 2 : 1;
    return atomic_load_explicit(&timeline->submitted, memory_order_relaxed) + step;
}

/* Under timeline->lock: the batch gets its value and its place. On a stream that has failed its point fails too: then
 * what failed is in *failing, retained. */
static void enqueue(rlx_stream *stream, rlx_batch_state *batch, rlx_failure_record **failing) {
    uint64_t value = next_value(stream->timeline);
    batch->value = value;
    batch->rest = batch->first;
    batch->rest_count = batch->count;
    batch->attached = !batch->dependencies && !batch->runs;
    atomic_init(&batch->unmet, !batch->attached);
    rlx_object_retain(&stream->object);
    if (stream->tail) stream->tail->next = batch;
    else stream->head = batch;
    stream->tail = batch;
    if (!stream->waiting) stream->waiting = batch;
    atomic_store_explicit(&stream->timeline->submitted, value, memory_order_release);
    *failing = rlx_timeline_failing(stream->timeline);
    if (*failing) rlx_failure_record_retain(*failing);
}

/* Rule 16: each run starts after the last one of its program. All programs of a batch get their order at one moment, so
 * that two batches can never wait for each other. */
static void enqueue_runs(rlx_stream *stream, rlx_batch_state *batch, rlx_point *point, rlx_failure_record **failing) {
    rlx_device *device = stream->device;
    rlx_lock(&device->run_lock);
    rlx_lock(&stream->timeline->lock);
    enqueue(stream, batch, failing);
    rlx_unlock(&stream->timeline->lock);
    *point = (rlx_point){ rlx_timeline_id(stream->timeline), batch->value };
    for (rlx_batch_run *run = batch->runs; run; run = run->next) {
        run->after.batch = NULL;
        run->after.flags = RLX_DEPENDS_ON_END | RLX_DEPENDS_DROPPED; /* or the next run would overtake the last one */
        if (!rlx_lie("runs-overlap")) run->after.point = rlx_program_last_run(run->program);
        rlx_program_set_last_run(run->program, *point);
    }
    rlx_unlock(&device->run_lock);
}

/* The first packets of the slices, for messages: slices are cut off the chain as they are handed over. Without memory
 * for it, a failure that names no packet has no label either. */
static void note_slices(rlx_stream *stream, rlx_batch_state *batch) {
    uint32_t depth = stream->device->backend.queue_depth;
    batch->slice = stream->flags & RLX_STREAM_ISOLATE ? 1 : depth > 1 ? depth / 2 : depth ? 1 : UINT64_MAX;
    if (batch->count <= batch->slice) return;
    uint64_t slices = (batch->count - 1) / batch->slice + 1;
    batch->slice_first =
        rlx_chunk_take(&stream->pool, &batch->chunks, slices * sizeof *batch->slice_first, _Alignof(rlx_packet *));
    if (batch->slice_first) memset(batch->slice_first, 0, slices * sizeof *batch->slice_first);
}

bool rlx_stream_submit_fence(rlx_stream *stream, rlx_point *point) {
    rlx_timeline *timeline = stream->timeline;
    rlx_lock(&timeline->lock);
    /* While it retires, the point of the batch that has left the queue is still to complete. */
    bool rests =
        !stream->head && !stream->retiring && !rlx_timeline_failing(timeline) && !rlx_lie("empty-batches-never-end");
    uint64_t value = next_value(timeline);
    if (rests) {
        *point = (rlx_point){ rlx_timeline_id(timeline), value };
        atomic_store_explicit(&timeline->submitted, value, memory_order_release);
        rlx_timeline_complete(timeline, value);
    }
    rlx_unlock(&timeline->lock);
    return rests;
}

/* ---- Pump ---- */

/* Under timeline->lock: it is dropped where it has not begun. */
static bool has_failed(const rlx_batch_state *batch) {
    return rlx_timeline_sound(batch->stream->timeline, batch->value) != batch->value;
}

/* Of what is left of a batch, what goes over at once. */
static uint64_t next_slice(const rlx_batch_state *batch) {
    return batch->rest_count < batch->slice ? batch->rest_count : batch->slice;
}

bool rlx_stream_ready(const rlx_stream *stream) {
    const rlx_batch_state *batch = stream->waiting;
    if (!batch || !batch->attached) return false; /* submit is still at it, and pumps when it is through */
    if (has_failed(batch)) return !atomic_load(&batch->unmet_dropped);
    if (atomic_load(&batch->unmet)) return false;
    if (!batch->rest_count) return !rlx_lie("empty-batches-never-end");
    uint32_t depth = stream->device->backend.queue_depth;
    return !depth || !stream->flying || stream->flying + next_slice(batch) <= depth;
}

/* What to do with the first batch that is not whole. */
typedef enum step { STEP_NONE, STEP_RETIRE, STEP_HAND_OVER } step;

/* Under timeline->lock. Fills in `slice` for STEP_HAND_OVER. */
static step next_step(rlx_stream *stream, rlx_batch *slice) {
    if (!rlx_stream_ready(stream)) return STEP_NONE;
    rlx_batch_state *batch = stream->waiting;
    if (!batch->rest_count || has_failed(batch)) { /* empty, or dropped: it ends when all before it have */
        batch->whole = true;
        stream->waiting = batch->next;
        if (!batch->trace.handed_ns) batch->trace.handed_ns = rlx_trace_now();
        return STEP_RETIRE;
    }
    uint64_t count = next_slice(batch);
    rlx_packet *first = batch->rest, *last = first;
    *slice = (rlx_batch){ ++stream->signal, first, count };
    if (count == batch->rest_count) last = batch->last;
    else
        for (uint64_t i = 1; i < count; i++) last = last->next;
    batch->rest = last->next;
    batch->rest_count -= count;
    last->next = NULL;
    if (!batch->first_signal) batch->first_signal = slice->signal, batch->trace.handed_ns = rlx_trace_now();
    if (batch->slice_first) batch->slice_first[slice->signal - batch->first_signal] = first;
    batch->last_signal = slice->signal;
    if (!stream->ending) stream->ending = batch;
    stream->flying += count;
    if (!(stream->device->properties.can & RLX_CAN_CANCEL)) stream->begun = slice->signal;
    if (!batch->rest_count) {
        batch->whole = true;
        stream->waiting = batch->next;
    }
    return STEP_HAND_OVER;
}

static void end(rlx_stream *stream, uint64_t signal, const rlx_fault *fault);
static void refuse(rlx_stream *stream, uint64_t signal, const rlx_fault *fault);

/* A polled backend has work: whoever polls it has to hear of that. What it says about this signal counts from now on,
 * and not while it is still reading the batch. */
static void taken(rlx_stream *stream, uint64_t signal) {
    rlx_lock(&stream->timeline->lock);
    stream->handed = signal;
    bool given_up = stream->given_up;
    rlx_unlock(&stream->timeline->lock);
    if (given_up) (void)rlx_stream_poll(stream);
    else if (stream->device->poller) rlx_poller_kick(stream->device);
    else rlx_drivers_wake();
}

/* A batch that ended in here needs no kick: the pump goes on. */
static void hand_over(rlx_stream *stream, const rlx_batch *slice) {
    rlx_device *device = stream->device;
    rlx_fault fault = { 0 };
    rlx_error_clear();
    rlx_status status = device->backend.submit(stream->handle, slice, &fault);
    if (!fault.status) fault.status = status;
    rlx_fault_quote(&fault);
    if (status) {
        refuse(stream, slice->signal, &fault);
    } else if (device->backend.flags & RLX_BACKEND_SYNCHRONOUS) {
        end(stream, slice->signal, fault.status ? &fault : NULL);
    } else if (device->polled) {
        taken(stream, slice->signal);
    }
}

static void pump(rlx_stream *stream) {
    for (;;) {
        rlx_batch slice;
        rlx_lock(&stream->timeline->lock);
        step next = next_step(stream, &slice);
        if (next == STEP_RETIRE) {
            rlx_stream_retire_and_unlock(stream);
            continue;
        }
        bool again = next == STEP_NONE && stream->pump == RLX_PUMP_AGAIN;
        if (next == STEP_NONE) stream->pump = again ? RLX_PUMP_LISTED : RLX_PUMP_IDLE;
        if (next == STEP_NONE && stream->waiting && stream->waiting->attached) stream->waiting->trace.held = true;
        rlx_unlock(&stream->timeline->lock);
        if (next == STEP_HAND_OVER) hand_over(stream, &slice);
        else if (!again) return;
    }
}

/* This thread's streams to pump. */
static _Thread_local struct {
    rlx_stream *first, **end;
    bool draining;
} work;

/* Under timeline->lock. False: another thread pumps the stream, and will look again. */
static bool pump_claim(rlx_stream *stream) {
    bool mine = stream->pump == RLX_PUMP_IDLE;
    stream->pump = mine ? RLX_PUMP_LISTED : RLX_PUMP_AGAIN;
    return mine;
}

/* Pumps a stream that was claimed, or has it pumped by whoever drains this thread's list: then false. */
static bool pump_claimed(rlx_stream *stream) {
    rlx_object_retain(&stream->object);
    stream->next_pump = NULL;
    *(work.first ? work.end : &work.first) = stream;
    work.end = &stream->next_pump;
    if (work.draining) return false;
    work.draining = true;
    while (work.first) {
        rlx_stream *next = work.first;
        work.first = next->next_pump;
        pump(next);
        rlx_object_release(&next->object);
    }
    work.draining = false;
    return true;
}

bool rlx_stream_pump(rlx_stream *stream) {
    rlx_lock(&stream->timeline->lock);
    bool mine = pump_claim(stream);
    rlx_unlock(&stream->timeline->lock);
    return mine && pump_claimed(stream);
}

/* For submit, which a host call or callback may be in: what it submits to a device that works by itself is handed over
 * now and not when the callback is through. (On a synchronous device later is better: a callback that submits the next
 * batch, which ends at once and calls back, would need a stack without end.) */
static void pump_claimed_at_once(rlx_stream *stream) {
    if (stream->device->caller_driven || !work.draining) {
        pump_claimed(stream);
        return;
    }
    rlx_stream *first = work.first, **end_of_list = work.end;
    work.first = NULL;
    work.draining = false;
    pump_claimed(stream);
    work.first = first;
    work.end = end_of_list;
    work.draining = true;
}

void rlx_stream_kick(rlx_stream *stream) {
    if (!stream->device->caller_driven || rlx_lie("others-drive")) {
        rlx_stream_pump(stream);
        rlx_drivers_wake(); /* what a wait finds at the stream's head has changed: it may be theirs to drive now */
        return;
    }
    rlx_lock(&stream->timeline->lock);
    bool released = stream->released; /* no caller will come */
    rlx_unlock(&stream->timeline->lock);
    bool allowed = !stream->device->owner || stream->device->owner == rlx_thread_id();
    if (released && allowed) rlx_stream_pump(stream);
    if (released && !allowed) atomic_store(&stream->device->chores, true);
    rlx_drivers_wake();
}

/* ---- Submit, all of it ---- */

/* Attaches what the batch waits for, and lets it go. True: this thread is to pump the stream. */
static bool attach_all(rlx_stream *stream, rlx_batch_state *batch) {
    for (rlx_batch_run *run = batch->runs; run; run = run->next) attach(batch, &run->after);
    for (rlx_dependency *dependency = batch->dependencies; dependency; dependency = dependency->next)
        attach(batch, dependency);
    rlx_lock(&stream->timeline->lock);
    batch->attached = true;
    atomic_fetch_sub_explicit(&batch->unmet, 1, memory_order_acq_rel);
    bool mine = pump_claim(stream);
    rlx_unlock(&stream->timeline->lock);
    rlx_drivers_wake(); /* those that wait for it can see now what holds it up */
    return mine;
}

rlx_point rlx_batch_submit(rlx_batch_state *batch, rlx_failure_record **failing) {
    rlx_stream *stream = batch->stream;
    rlx_point point;
    bool waits = batch->dependencies || batch->runs, mine = false;
    uint64_t begun_ns = batch->trace.submitted_ns = rlx_trace_now(), commands = batch->commands;
    if (begun_ns) rlx_object_retain(&stream->object); /* what ends within may release it, and the trace asks it below */
    note_slices(stream, batch);
    if (batch->runs) {
        enqueue_runs(stream, batch, &point, failing);
    } else {
        rlx_lock(&stream->timeline->lock);
        enqueue(stream, batch, failing);
        point = (rlx_point){ rlx_timeline_id(stream->timeline), batch->value };
        if (!waits) mine = pump_claim(stream); /* where it does not, another thread may have ended it from here on */
        rlx_unlock(&stream->timeline->lock);
    }
    if (waits) mine = attach_all(stream, batch);
    if (mine) pump_claimed_at_once(stream); /* from here on the batch may be gone */
    if (begun_ns) {
        rlx_trace_submit(stream, begun_ns, point, commands);
        rlx_object_release(&stream->object);
    }
    return point;
}

/* ---- Complete ---- */

/* Under timeline->lock: the batch that a signal belongs to. */
static rlx_batch_state *batch_of(const rlx_stream *stream, uint64_t signal) {
    rlx_batch_state *batch = stream->ending;
    while (batch && (!batch->last_signal || batch->last_signal < signal)) batch = batch->next;
    return batch && batch->first_signal <= signal ? batch : NULL;
}

/* Under timeline->lock: the commands of a slice. All slices of a batch have the same number, but for the last one. */
static uint64_t slice_count(const rlx_batch_state *batch, uint64_t signal) {
    uint64_t before = (signal - batch->first_signal) * batch->slice; /* slice is large only if there is just one */
    if (signal == batch->first_signal) before = 0;
    uint64_t rest = batch->count - before;
    return rest < batch->slice ? rest : batch->slice;
}

/* Under timeline->lock: signals up to this one have ended, and those behind it that the backend refused. */
static void end_signals(rlx_stream *stream, uint64_t signal) {
    for (;;) {
        uint64_t next = stream->ended + 1;
        rlx_batch_state *batch = batch_of(stream, next);
        if (!batch) return; /* also for a backend that counts further than it was given */
        if (next > signal && !(batch->refused && batch->last_signal == next)) return;
        stream->ended = next;
        stream->flying -= slice_count(batch, next);
        if (stream->begun < next) stream->begun = next;
        if (batch->last_signal == next) batch->trace.ended_ns = rlx_trace_now();
        stream->ending = batch->whole && batch->last_signal == next ? batch->next : batch;
    }
}

/* Under timeline->lock. */
static rlx_packet *slice_first(const rlx_batch_state *batch, uint64_t signal) {
    if (batch->slice_first) return batch->slice_first[signal - batch->first_signal];
    return signal == batch->first_signal && batch->first_signal == batch->last_signal ? batch->first : NULL;
}

/* The batch fails, and with it the stream, unless it has failed already (then the first failure stays). */
static void fail_signal(rlx_stream *stream, uint64_t signal, const rlx_fault *fault) {
    rlx_fault_place place = { 0 };
    rlx_lock(&stream->timeline->lock);
    rlx_batch_state *batch = batch_of(stream, signal);
    bool first = batch && !has_failed(batch);
    if (batch) {
        uint64_t index = signal == batch->first_signal ? 0 : (signal - batch->first_signal) * batch->slice;
        place = (rlx_fault_place){ batch->value, index, slice_count(batch, signal), slice_first(batch, signal) };
        atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed); /* its packets are read below */
    }
    rlx_unlock(&stream->timeline->lock);
    bool lost = fault->status == RLX_ERROR_DEVICE_LOST;
    if (first || lost) {
        rlx_failure_record *record = rlx_fault_record(stream, fault, &place);
        rlx_device_count_failure(stream->device, record);
        if (first) {
            rlx_lock(&stream->timeline->lock);
            rlx_timeline_fail(stream->timeline, place.value, record);
            rlx_unlock(&stream->timeline->lock);
        }
        if (lost) rlx_device_lose(stream->device, record);
        rlx_failure_record_release(record);
    }
    if (batch) rlx_batch_unref(batch);
}

/* Everything about the end of signals but what may follow it. */
static void end(rlx_stream *stream, uint64_t signal, const rlx_fault *fault) {
    if (fault && fault->status) fail_signal(stream, signal, fault);
    rlx_lock(&stream->timeline->lock);
    end_signals(stream, stream->device->polled && signal > stream->handed ? stream->handed : signal);
    rlx_stream_retire_and_unlock(stream);
}

/* The backend did not take what it was given: that fails, and ends when all before it has. */
static void refuse(rlx_stream *stream, uint64_t signal, const rlx_fault *fault) {
    fail_signal(stream, signal, fault);
    rlx_lock(&stream->timeline->lock);
    batch_of(stream, signal)->refused = true;
    end_signals(stream, 0);
    rlx_stream_retire_and_unlock(stream);
}

void rlx_stream_complete(rlx_stream *stream, uint64_t signal, const rlx_fault *fault) {
    rlx_object_retain(&stream->object); /* retiring can drop the last reference */
    end(stream, signal, fault);
    rlx_stream_kick(stream);
    rlx_object_release(&stream->object);
}

/* ---- The backend's side ---- */

static bool sink_begin(const rlx_stream_sink *sink, uint64_t signal) {
    rlx_stream *stream = rlx_stream_of_sink(sink);
    rlx_lock(&stream->timeline->lock);
    rlx_batch_state *batch = batch_of(stream, signal);
    bool run = batch && !has_failed(batch);
    if (run && stream->begun < signal) stream->begun = signal;
    if (run && !batch->trace.begun_ns) batch->trace.begun_ns = rlx_trace_now();
    rlx_unlock(&stream->timeline->lock);
    return run;
}

static void sink_complete(const rlx_stream_sink *sink, uint64_t signal, const rlx_fault *fault) {
    rlx_stream_complete(rlx_stream_of_sink(sink), signal, fault);
}

const rlx_stream_sink rlx_stream_sink_functions = { sizeof(rlx_stream_sink), sink_begin, sink_complete };
