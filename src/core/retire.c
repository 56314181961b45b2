/* The end of a batch, in this order: what it holds is released, its point completes, and then whoever watches the point
 * hears of it. So memory that only the batch still held is free before a wait returns, and a callback that submits
 * finds a stream in good order. One thread at a time retires a stream; another one leaves the work to it. */
#include "stream.h"

/* A batch that is dropped may still wait for points of other streams. */
static void detach(rlx_batch_state *batch, rlx_dependency *dependency) {
    rlx_timeline *timeline = dependency->batch ? rlx_point_timeline(dependency->point) : NULL;
    if (timeline && rlx_watch_remove(&dependency->watch, timeline)) rlx_batch_unref(batch); /* not the last reference */
}

static void detach_all(rlx_batch_state *batch) {
    if (!atomic_load_explicit(&batch->unmet, memory_order_acquire)) return;
    for (rlx_dependency *dependency = batch->dependencies; dependency; dependency = dependency->next)
        detach(batch, dependency);
    for (rlx_batch_run *run = batch->runs; run; run = run->next) detach(batch, &run->after);
}

/* Under timeline->lock: the batch at the head, if all of it has ended. */
static rlx_batch_state *take_ended(rlx_stream *stream) {
    rlx_batch_state *batch = stream->head;
    if (!batch || !batch->whole || batch->last_signal > stream->ended) return NULL;
    if (stream->ending == batch) stream->ending = batch->next;
    stream->head = batch->next;
    if (!stream->head) stream->tail = NULL;
    return batch;
}

void rlx_stream_retire_and_unlock(rlx_stream *stream) {
    rlx_timeline *timeline = stream->timeline;
    rlx_batch_state *batch = stream->retiring ? NULL : take_ended(stream);
    if (batch) stream->retiring = true;
    rlx_unlock(&timeline->lock);
    while (batch) {
        detach_all(batch);
        if (rlx_tracing()) rlx_trace_batch_end(stream, batch);
        rlx_batch_unhold(batch);
        rlx_lock(&timeline->lock);
        rlx_timeline_complete(timeline, batch->value);
        rlx_watch *due = timeline->first ? rlx_timeline_due(timeline) : NULL;
        bool more = stream->head != NULL;
        rlx_batch_state *next = due ? NULL : take_ended(stream); /* who watches this one hears of it before */
        if (!due && !next) stream->retiring = false;
        rlx_unlock(&timeline->lock);
        rlx_batch_unref(batch);
        rlx_watches_fire(due);
        if (more) rlx_drivers_wake(); /* the next one is held up by something else */
        if (due) {
            rlx_lock(&timeline->lock);
            next = take_ended(stream);
            if (!next) stream->retiring = false;
            rlx_unlock(&timeline->lock);
        }
        batch = next;
    }
}
