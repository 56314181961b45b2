/* What is traced: how the events of the core, and those that backends tell of, become records.
 *
 * A STREAM'S ROW tells what the stream does at each moment. It is in order, so nothing overlaps: a batch is held (it
 * waits for points, or the backend's queue is full), queued (the backend has it, and has not begun), runs, and ends.
 * What one batch spends behind the one before it is not drawn: there the row shows that one. All of it is one record,
 * made when the batch has ended, by the one thread that retires the stream.
 *
 * ARROWS lead from the end of a batch to the beginning of one that depended on it, by rlx_stream_depend, a transfer, or
 * the order of a program's runs, unless the point was over before anybody could depend on it. A stream remembers when
 * its last batches ended; what ended earlier, or on a stream that is gone, has no arrow. */
#include "trace.h"

#include <string.h>

#include "stream.h"

/* ---- Streams and batches ---- */

void rlx_trace_stream_open(rlx_stream *stream) {
    rlx_trace_stream *made = rlx_allocate(sizeof *made);
    if (!made) return; /* then nothing of it is drawn */
    const char *device = stream->device->name;
    if (stream->label[0]) made->row = rlx_trace_row_create(RLX_TRACE_ROW_STREAM, ": %s (%s)", stream->label, device);
    else made->row = rlx_trace_row_create(RLX_TRACE_ROW_STREAM, " (%s)", device);
    stream->trace = made;
}

void rlx_trace_stream_close(rlx_stream *stream) { rlx_free(stream->trace); }

/* The row of the stream that a point is on, 0 if it is gone or not traced; and *ns, when that point ended: 0 if that is
 * not known. */
static uint32_t find_point(rlx_point point, uint64_t *ns) {
    rlx_timeline *timeline = rlx_point_timeline(point);
    uint32_t row = 0;
    *ns = 0;
    if (!timeline) return 0;
    rlx_lock(&timeline->lock);
    bool current = timeline->stream && rlx_timeline_id(timeline) == point.timeline;
    const rlx_trace_stream *trace = current ? timeline->stream->trace : NULL;
    if (trace) {
        row = trace->row;
        uint32_t at = point.value % RLX_TRACE_ENDS;
        if (trace->ends[at].value == point.value) *ns = trace->ends[at].ns;
    }
    rlx_unlock(&timeline->lock);
    return row;
}

static void trace_arrow(rlx_point from, uint32_t row, uint64_t begun_ns) {
    static _Atomic uint64_t count;
    uint64_t ended_ns;
    uint32_t from_row = from.value ? find_point(from, &ended_ns) : 0;
    if (!from_row || from_row == row || !ended_ns) return;
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_DEPEND, NULL, NULL);
    if (!record) return;
    record->row = row;
    record->begin_ns = ended_ns;
    record->end_ns = begun_ns;
    record->depend.id = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1;
    record->depend.from = from_row;
    rlx_trace_put(record);
}

/* A batch that is nothing but one run of a program goes by the run's name. */
static const char *batch_label(const rlx_batch_state *batch) {
    bool run = batch->count == 1 && batch->first && batch->first->kind == RLX_PACKET_RUN;
    return run ? batch->first->label : NULL;
}

/* Under timeline->lock: how the batch ended. */
static rlx_status batch_status(const rlx_stream *stream, const rlx_batch_state *batch) {
    const rlx_failure_record *record = rlx_timeline_failed(stream->timeline, batch->value);
    return record ? record->failure.status : RLX_OK;
}

void rlx_trace_batch_end(rlx_stream *stream, const rlx_batch_state *batch) {
    rlx_trace_stream *trace = stream->trace;
    const rlx_trace_batch *times = &batch->trace;
    if (!trace || !times->submitted_ns) return;
    uint64_t before_ns = trace->ended_ns, now = rlx_platform_clock_ns();
    uint64_t handed_ns = times->handed_ns ? times->handed_ns : now;
    uint64_t begun_ns = times->begun_ns ? times->begun_ns : handed_ns;
    if (begun_ns < before_ns) begun_ns = before_ns;
    uint64_t ended_ns = times->ended_ns ? times->ended_ns : begun_ns;
    if (ended_ns <= begun_ns) ended_ns = begun_ns + 1; /* arrows are bound to what has a length */
    trace->ended_ns = ended_ns;
    rlx_lock(&stream->timeline->lock);
    rlx_status status = batch_status(stream, batch);
    trace->ends[batch->value % RLX_TRACE_ENDS].value = batch->value;
    trace->ends[batch->value % RLX_TRACE_ENDS].ns = ended_ns - 1;
    rlx_unlock(&stream->timeline->lock);
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_BATCH, batch_label(batch), NULL);
    if (!record) return;
    record->row = trace->row;
    record->what = times->held;
    record->status = (uint16_t)status;
    record->begin_ns = begun_ns;
    record->end_ns = ended_ns;
    record->batch.value = batch->value;
    record->batch.commands = batch->commands;
    record->batch.submitted_ns = times->submitted_ns;
    record->batch.handed_ns = handed_ns;
    record->batch.before_ns = before_ns;
    rlx_trace_put(record);
    for (const rlx_dependency *d = batch->dependencies; d; d = d->next) trace_arrow(d->point, trace->row, begun_ns);
    for (const rlx_batch_run *run = batch->runs; run; run = run->next)
        trace_arrow(run->after.point, trace->row, begun_ns);
}

/* ---- Calls of the user's ---- */

void rlx_trace_submit(const rlx_stream *stream, uint64_t begun_ns, rlx_point point, uint64_t commands) {
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_SUBMIT, NULL, NULL);
    if (!record) return;
    record->stream = stream->trace ? stream->trace->row : 0;
    record->begin_ns = begun_ns;
    record->end_ns = rlx_platform_clock_ns();
    record->call.value = point.value;
    record->call.commands = commands;
    rlx_trace_put(record);
}

void rlx_trace_wait(uint64_t begun_ns, rlx_point point, uint32_t count, rlx_status status) {
    uint64_t ended_ns = rlx_platform_clock_ns(), unused;
    uint32_t stream = find_point(point, &unused);
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_WAIT, NULL, NULL);
    if (!record) return;
    record->stream = stream;
    record->status = (uint16_t)status;
    record->begin_ns = begun_ns;
    record->end_ns = ended_ns;
    record->call.value = point.value;
    record->call.points = count;
    rlx_trace_put(record);
}

void rlx_trace_call(uint64_t begun_ns, const char *what, const char *object, rlx_status status) {
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_CALL, what, object);
    if (!record) return;
    record->status = (uint16_t)status;
    record->begin_ns = begun_ns;
    record->end_ns = rlx_platform_clock_ns();
    rlx_trace_put(record);
}

/* ---- What backends tell ---- */

uint32_t rlx_trace_host_row(const char *name) {
    return rlx_trace_row_create(RLX_TRACE_ROW_QUEUE, ": %s", name ? name : "");
}

/* What its arguments span; of an argument of a value there is nothing to move. */
static uint64_t dispatch_bytes(const rlx_packet_dispatch *dispatch) {
    uint64_t bytes = 0;
    if (!dispatch->info) return 0;
    for (uint32_t i = 0; i < dispatch->arg_count; i++)
        if (dispatch->info->params[i].access != RLX_VALUE) bytes += dispatch->args[i].size;
    return bytes;
}

static uint64_t packet_bytes(const rlx_packet *packet) {
    switch ((rlx_packet_kind)packet->kind) {
    case RLX_PACKET_COPY: {
        const rlx_packet_copy *copy = (const rlx_packet_copy *)packet;
        return copy->rows * copy->row_bytes;
    }
    case RLX_PACKET_FILL: {
        const rlx_packet_fill *fill = (const rlx_packet_fill *)packet;
        return fill->rows * fill->row_bytes;
    }
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: {
        const rlx_packet_host_copy *copy = (const rlx_packet_host_copy *)packet;
        return copy->rows * copy->row_bytes;
    }
    case RLX_PACKET_DISPATCH: return dispatch_bytes((const rlx_packet_dispatch *)packet);
    case RLX_PACKET_HOST_CALL:
    case RLX_PACKET_TIMESTAMP:
    case RLX_PACKET_RUN:
    case RLX_PACKET_JOIN: break;
    }
    return 0;
}

/* A backend that wraps another one may have put a sink of its own in between: then the stream is not known. */
static uint32_t sink_row(const rlx_stream_sink *sink) {
    if (!sink || sink->complete != rlx_stream_sink_functions.complete) return 0;
    const rlx_stream *stream = rlx_stream_of_sink(sink);
    return stream->trace ? stream->trace->row : 0;
}

void rlx_trace_host_command(const rlx_trace_command *command) {
    const rlx_packet *packet = command->packet;
    const rlx_packet_dispatch *dispatch =
        packet->kind == RLX_PACKET_DISPATCH ? (const rlx_packet_dispatch *)packet : NULL;
    const char *kernel = dispatch && dispatch->info ? dispatch->info->name : NULL;
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_COMMAND, packet->label, kernel);
    if (!record) return;
    if (command->row) record->row = command->row;
    record->what = (uint8_t)packet->kind;
    record->status = (uint16_t)command->status;
    record->stream = sink_row(command->sink);
    record->begin_ns = command->begin_ns;
    record->end_ns = command->end_ns;
    record->command.index = packet->index;
    record->command.bytes = packet_bytes(packet);
    if (dispatch) memcpy(record->command.groups, dispatch->groups, sizeof dispatch->groups);
    if (command->of > 1 && command->parts < command->of) {
        double share = (double)command->parts / (double)command->of;
        record->command.bytes = (uint64_t)((double)record->command.bytes * share);
        record->command.parts = command->parts;
        record->command.of = command->of;
    }
    rlx_trace_put(record);
}
