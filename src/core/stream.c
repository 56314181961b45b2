/* Streams: their life, and the calls that end an encoding: submit, discard, and what a failed one needs. */
#include "stream.h"

#include <string.h>

rlx_status rlx_stream_enter_specially(rlx_stream *stream) {
    rlx_status status = rlx_library_enter();
    if (status) return status;
    if (!stream) return rlx_fail(RLX_ERROR_INVALID, "stream is NULL");
    return rlx_device_enter(stream->device);
}

rlx_status rlx_encoder_enter_specially(rlx_stream *stream) {
    rlx_status status = rlx_stream_enter_specially(stream);
    return status || !stream->checks ? status : rlx_validate_enter(stream);
}

/* ---- Life ---- */

static void list_stream(rlx_stream *stream) {
    rlx_device *device = stream->device;
    rlx_lock(&device->lock);
    stream->device_next = device->streams;
    if (device->streams) device->streams->device_previous = stream;
    device->streams = stream;
    rlx_unlock(&device->lock);
}

static void unlist_stream(rlx_stream *stream) {
    rlx_device *device = stream->device;
    rlx_lock(&device->lock);
    *(stream->device_previous ? &stream->device_previous->device_next : &device->streams) = stream->device_next;
    if (stream->device_next) stream->device_next->device_previous = stream->device_previous;
    rlx_unlock(&device->lock);
}

/* What a recording stream does not have: a timeline, and the backend's stream. */
static rlx_status open_stream(rlx_stream *stream, const rlx_stream_desc *desc) {
    rlx_device *device = stream->device;
    rlx_status status = rlx_timeline_open(stream, stream->flags & RLX_STREAM_TIMESTAMPS, &stream->timeline);
    if (status) return status;
    if ((device->polled && !device->caller_driven) || rlx_lie("every-device-gets-a-thread"))
        status = rlx_poller_start(device);
    if (!status) {
        rlx_error_clear();
        status = device->backend.stream_open(device->handle, desc, &stream->sink, &stream->handle);
        if (status) (void)rlx_fail_within(status, "%s: a stream", device->name);
    }
    if (status) rlx_timeline_close(stream->timeline);
    return status;
}

rlx_status rlx_stream_create(rlx_device *device, const rlx_stream_desc *desc, rlx_stream **result) {
    static const rlx_stream_desc defaults = { 0 };
    static const uint32_t known = RLX_STREAM_RECORD | RLX_STREAM_ISOLATE | RLX_STREAM_TIMESTAMPS;
    rlx_status status = rlx_device_enter(device);
    if (status) return status;
    if (!result) return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_create: stream is NULL");
    if (!desc) desc = &defaults;
    status = rlx_check_next(desc->next, "rlx_stream_desc");
    if (!status && (desc->flags & ~known))
        status = rlx_fail(RLX_ERROR_INVALID, "rlx_stream_desc.flags: 0x%x has unknown bits", desc->flags);
    if (!status) status = rlx_device_check_lost(device);
    if (status) return status;

    rlx_stream *stream = rlx_allocate(sizeof *stream);
    if (!stream) return rlx_fail_memory("a stream");
    stream->device = device;
    stream->flags = desc->flags;
    stream->sink = rlx_stream_sink_functions;
    if (desc->label) strncpy(stream->label, desc->label, sizeof stream->label - 1);
    if (!rlx_stream_records(stream)) status = open_stream(stream, desc);
    if (status) {
        rlx_free(stream);
        return status;
    }
    rlx_object_init(&stream->object, RLX_OBJECT_STREAM, device);
    if (stream->timeline) list_stream(stream);
    if (stream->timeline && rlx_tracing()) rlx_trace_stream_open(stream);
    if (device->checks) status = rlx_validate_stream_open(stream);
    if (!status)
        status = rlx_device_check_lost(device); /* again: whoever lost it may have looked through the list before */
    if (status) rlx_object_release(&stream->object);
    else *result = stream;
    return status;
}

static void discard(rlx_stream *stream) {
    rlx_recorder_reset(&stream->recorder); /* a condition can be set before the first command */
    rlx_batch_drop(stream);
}

void rlx_stream_release(rlx_stream *stream) {
    if (!stream || rlx_forked()) return;
    discard(stream);
    if (rlx_lie("release-cancels") && rlx_stream_cancel(stream)) return;
    if (stream->timeline) {
        rlx_lock(&stream->timeline->lock);
        stream->released = true;
        rlx_unlock(&stream->timeline->lock);
        if (stream->device->caller_driven) rlx_stream_kick(stream); /* the last caller is going */
    }
    rlx_object_disown(&stream->object);
}

/* No batch is left: each of them held the stream. */
void rlx_stream_destroy(rlx_stream *stream) {
    if (stream->timeline) {
        unlist_stream(stream);
        stream->device->backend.stream_close(stream->handle);
        rlx_timeline_close(stream->timeline);
        rlx_trace_stream_close(stream);
    }
    rlx_validate_stream_close(stream);
    rlx_recorder_clear(&stream->recorder);
    rlx_chunk_pool_clear(&stream->pool);
    rlx_free(stream);
}

/* ---- Submit, discard ---- */

void rlx_stream_discard(rlx_stream *stream) {
    if (!stream || rlx_forked()) return;
    if (stream->checks && rlx_validate_enter(stream)) return; /* another thread encodes: that was told */
    discard(stream);
    if (stream->checks) rlx_validate_leave(stream);
}

rlx_dependency *rlx_batch_dependency(rlx_stream *stream) {
    rlx_dependency *dependency = rlx_batch_take(stream, sizeof *dependency, _Alignof(rlx_dependency));
    if (!dependency) return NULL;
    *dependency = (rlx_dependency){ .next = stream->current->dependencies };
    stream->current->dependencies = dependency;
    return dependency;
}

static rlx_status depend(rlx_stream *stream, rlx_point point) {
    if (rlx_stream_records(stream) && rlx_lie("recordings-may-depend")) return RLX_OK;
    if (rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER, "rlx_stream_depend: a recording has no place in time; depend where it is run");
    rlx_failure_record *record = NULL;
    rlx_status status = rlx_point_look(point, NULL, &record);
    if (record) status = RLX_NOT_READY; /* a failure, whatever its status: submit will find it */
    rlx_failure_record_release(record);
    if (status == RLX_OK || rlx_lie("depend-ignored")) return RLX_OK;
    if (status == RLX_ERROR_ORDER && rlx_lie("future-points-accepted")) return RLX_OK;
    if (status == RLX_ERROR_ORDER)
        return rlx_fail(status, "rlx_stream_depend: the point has not been submitted yet; submit its stream first");
    if (status == RLX_ERROR_INVALID) return rlx_fail(status, "rlx_stream_depend: this is no point of a stream");
    if (status == RLX_ERROR_EXPIRED)
        return rlx_fail(status, "rlx_stream_depend: the point is so old that nobody knows whether it failed");
    rlx_dependency *dependency = rlx_batch_dependency(stream);
    if (!dependency) return RLX_ERROR_OUT_OF_MEMORY;
    dependency->point = point;
    return RLX_OK;
}

rlx_status rlx_stream_depend(rlx_stream *stream, rlx_point point) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, depend(stream, point));
}

/* Ends the encoding: from then on the stream can be encoded on again, in a callback of this very batch, say. *batch is
 * NULL if there was nothing to hand over, and the point is made. */
static rlx_status take_batch(rlx_stream *stream, rlx_batch_state **batch, rlx_point *made) {
    *batch = NULL;
    if (rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER,
                        "rlx_stream_submit: the stream records; finish it and run the program on another");
    if (!stream->current && rlx_stream_submit_fence(stream, made)) {
        if (rlx_tracing()) rlx_trace_submit(stream, rlx_platform_clock_ns(), *made, 0);
        return RLX_OK;
    }
    if (!rlx_stream_batch(stream)) return RLX_ERROR_OUT_OF_MEMORY;
    rlx_status status = stream->checks ? rlx_validate_batch(stream) : RLX_OK;
    if (status) return status;
    *batch = stream->current;
    stream->current = NULL;
    return RLX_OK;
}

rlx_status rlx_stream_submit(rlx_stream *stream, rlx_point *point) {
    rlx_batch_state *batch;
    rlx_failure_record *failing = NULL;
    rlx_point made;
    rlx_status status = rlx_encoder_enter(stream);
    if (status) return status;
    status = rlx_encoder_leave(stream, take_batch(stream, &batch, &made));
    if (status) return status;
    if (batch) made = rlx_batch_submit(batch, &failing);
    if (point) *point = made;
    while (rlx_lie("submit-waits") && rlx_point_wait(made, RLX_SECOND) == RLX_TIMEOUT) continue;
    if (!failing || rlx_lie("failed-stream-submits")) return RLX_OK;
    status = rlx_fail_record(failing);
    rlx_failure_record_release(failing);
    return status;
}

rlx_status rlx_stream_submit_and_wait(rlx_stream *stream, uint64_t timeout_ns) {
    if (rlx_in_callback()) return rlx_point_wait((rlx_point){ 0 }, 0); /* refused before anything is submitted */
    rlx_point point;
    rlx_status status = rlx_stream_submit(stream, &point);
    return status ? status : rlx_point_wait(point, timeout_ns);
}

rlx_status rlx_stream_wait(rlx_stream *stream, uint64_t timeout_ns) {
    rlx_status status = rlx_stream_enter(stream);
    if (status) return status;
    if (rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER, "rlx_stream_wait: the stream records; nothing runs on it");
    uint64_t submitted = atomic_load_explicit(&stream->timeline->submitted, memory_order_acquire);
    if (submitted && rlx_lie("stream-wait-forgets-the-last")) submitted--;
    return rlx_point_wait((rlx_point){ rlx_timeline_id(stream->timeline), submitted }, timeout_ns);
}

/* ---- Failure ---- */

static rlx_status enter_submitting(rlx_stream *stream, const char *function) {
    rlx_status status = rlx_stream_enter(stream);
    if (status) return status;
    if (rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER, "%s: the stream records; nothing runs on it", function);
    return RLX_OK;
}

rlx_status rlx_stream_failure(rlx_stream *stream, rlx_failure *failure) {
    rlx_status status = enter_submitting(stream, "rlx_stream_failure");
    if (status) return status;
    if (!failure) return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_failure: failure is NULL");
    rlx_lock(&stream->timeline->lock);
    const rlx_failure_record *record = rlx_timeline_failing(stream->timeline);
    *failure = record ? record->failure : (rlx_failure){ .status = RLX_OK };
    rlx_unlock(&stream->timeline->lock);
    return RLX_OK;
}

rlx_status rlx_stream_recover(rlx_stream *stream) {
    rlx_status status = enter_submitting(stream, "rlx_stream_recover");
    if (!status && !rlx_lie("loss-heals")) status = rlx_device_check_lost(stream->device);
    if (status) return status;
    if (!rlx_timeline_reserve(stream->timeline)) return rlx_fail_memory("the next failure of a stream");
    rlx_lock(&stream->timeline->lock);
    rlx_timeline_recover(stream->timeline);
    rlx_unlock(&stream->timeline->lock);
    return RLX_OK;
}

/* Under timeline->lock: the value of the first batch of which nothing has begun and that has not failed, 0 if there is
 * none. */
static uint64_t first_to_cancel(const rlx_stream *stream) {
    for (const rlx_batch_state *batch = stream->head; batch; batch = batch->next) {
        bool begun = batch->first_signal ? batch->first_signal <= stream->begun : batch->whole;
        if (!begun && rlx_timeline_sound(stream->timeline, batch->value) == batch->value) return batch->value;
    }
    return 0;
}

rlx_status rlx_stream_cancel(rlx_stream *stream) {
    rlx_status status = enter_submitting(stream, "rlx_stream_cancel");
    if (status || rlx_lie("cancel-does-nothing")) return status;
    rlx_failure failure = { .status = RLX_ERROR_CANCELLED,
                            .message = "cancelled; rlx_stream_recover makes the stream usable again" };
    memcpy(failure.device, stream->device->name, sizeof failure.device);
    rlx_failure_record *record = rlx_failure_record_create(stream->timeline, &failure, RLX_HELP_NONE);
    rlx_lock(&stream->timeline->lock);
    uint64_t first = first_to_cancel(stream);
    if (atomic_load(&record->refs) == 1) record->failure.batch = first; /* nobody else has it yet */
    if (first) rlx_timeline_fail(stream->timeline, first, record);
    rlx_unlock(&stream->timeline->lock);
    rlx_failure_record_release(record);
    if (first) rlx_stream_pump(stream); /* what was held is dropped now, whoever drives the device */
    return RLX_OK;
}
