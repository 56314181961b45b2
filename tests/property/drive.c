/* Drives a case: see drive.h. Every status has to be the model's, every wait has to end, and in the end every byte has
 * to be what the model says: of buffers that are still there, of all host memory, and of what host calls have seen. */
#include "drive.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "weave.h"

#define PATIENCE (20 * RLX_SECOND) /* more is a wait that does not end */

const char *rendering_name(rendering r) {
    return r == AS_IT_STANDS ? "as it stands" : r == COMMAND_BY_COMMAND ? "command by command" : "each batch recorded";
}

static world driven; /* of the case that is being driven: too large for the stack */

/* ---- Sites ---- */

bool site_open(site *s) {
    for (int i = 0; i < DEVICES; i++) {
        rlx_device_desc desc = { .workers = s->workers[i] };
        if (rlx_device_open(s->devices[i], &desc, &s->open[i]) || rlx_stream_create(s->open[i], NULL, &s->helpers[i]))
            return false;
    }
    return true;
}

void site_close(site *s) {
    for (int i = 0; i < DEVICES; i++) {
        rlx_stream_release(s->helpers[i]);
        rlx_device_release(s->open[i]);
    }
}

/* ---- What went wrong ---- */

/* Only the first of it. */
static void complain(world *w, const char *format, ...) {
    if (w->message[0]) return;
    va_list list;
    va_start(list, format);
    vsnprintf(w->message, MESSAGE, format, list);
    va_end(list);
}

static void expect(world *w, rlx_status status, rlx_status expected, const char *what) {
    if (status == expected) return;
    complain(w, "%s is '%s' and should be '%s'%s%s", what, rlx_status_text(status), rlx_status_text(expected),
             status ? ": " : "", status ? rlx_last_error() : "");
}

/* ---- Objects ---- */

/* Makes what the helper stream does happen before all that comes. */
static rlx_status help(rlx_stream *helper, rlx_status encoded) {
    return encoded ? encoded : rlx_stream_submit_and_wait(helper, PATIENCE);
}

static rlx_status make_stream(world *w, const call *c) {
    rlx_device *device = w->at->open[c->device];
    rlx_status status = rlx_stream_create(device, &(rlx_stream_desc){ .flags = c->flags }, &w->streams[c->id]);
    if (status || w->rendering != RECORDED || (c->flags & RLX_STREAM_RECORD)) return status;
    return rlx_stream_create(device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &w->twins[c->id]);
}

static rlx_status make_buffer(world *w, const call *c) {
    unsigned char bytes[BUFFER_BYTES];
    rlx_stream *helper = w->at->helpers[c->device];
    rlx_buffer_desc desc = { .size = c->size, .memory = c->shared ? RLX_MEMORY_SHARED : RLX_MEMORY_DEVICE };
    rlx_status status = rlx_buffer_create(w->at->open[c->device], &desc, &w->buffers[c->id]);
    for (uint32_t i = 0; i < c->size; i++) bytes[i] = byte_of(c->seed, i);
    return status ? status : help(helper, rlx_stream_write(helper, rlx_whole(w->buffers[c->id]), bytes, 0));
}

/* What programs hold has to stay for those who encode the programs' commands themselves. */
static void release_buffer(world *w, int id) {
    if (w->rendering == COMMAND_BY_COMMAND && w->end->buffers[id].recorded) return;
    rlx_buffer_release(w->buffers[id]);
    w->buffers[id] = NULL;
}

static void release_kernel(world *w, int id) {
    if (w->rendering == COMMAND_BY_COMMAND && w->end->kernels[id].recorded) return;
    rlx_kernel_release(w->kernels[id]);
    w->kernels[id] = NULL;
}

static void release_stream(world *w, int id) {
    rlx_stream_release(w->streams[id]);
    rlx_stream_release(w->twins[id]);
    w->streams[id] = w->twins[id] = NULL;
}

static void discard(world *w, int id) {
    rlx_stream_discard(w->streams[id]);
    if (w->twins[id]) rlx_stream_discard(w->twins[id]);
    memset(w->runs[id], 0, sizeof w->runs[id]);
}

/* ---- Commands ---- */

static rlx_status encode(world *w, const call *c) {
    const command *own = &c->command;
    rlx_stream *stream = w->twins[c->stream] ? w->twins[c->stream] : w->streams[c->stream];
    bool records = w->end->streams[c->stream].records;
    if (records && w->rendering == COMMAND_BY_COMMAND) return c->result;
    if (records) {
        rlx_slot_ref none = { 0 }, on = rlx_slot(7u * (uint32_t)own->condition + 3);
        rlx_status status = rlx_stream_condition(stream, own->condition == NONE ? none : on);
        if (status) return status;
    }
    if (own->kind != COMMAND_RUN || w->rendering == AS_IT_STANDS || records) return encode_command(w, stream, own);
    if (w->rendering == RECORDED) {
        rlx_status status = encode_command(w, stream, own);
        if (!status) w->runs[c->stream][own->program] = true;
        return status;
    }
    if (c->result) return c->result; /* a run that is refused has no commands */
    w->runs[c->stream][own->program] = true;
    return encode_each(w, stream, own);
}

static rlx_status finish(world *w, const call *c) {
    char label[] = "program";
    if (w->rendering == COMMAND_BY_COMMAND) return RLX_OK;
    rlx_status status =
        rlx_stream_finish(w->streams[c->stream], &(rlx_program_desc){ .label = label }, &w->programs[c->id]);
    memset(label, 0, sizeof label);
    return status;
}

/* What rule 16 does for runs, for commands that are none. */
static rlx_status await_last_runs(world *w, int stream) {
    rlx_status status = RLX_OK;
    for (int i = 0; !status && i < PROGRAMS; i++)
        if (w->runs[stream][i]) status = rlx_stream_depend(w->streams[stream], w->last_run[i]);
    return status;
}

static rlx_status run_twin(world *w, int stream) {
    rlx_program *program = NULL;
    rlx_status status = rlx_stream_finish(w->twins[stream], NULL, &program);
    if (!status) status = rlx_stream_run(w->streams[stream], program, NULL);
    rlx_program_release(program);
    return status;
}

static rlx_status submit(world *w, const call *c) {
    rlx_stream *stream = w->streams[c->stream];
    rlx_status status = await_last_runs(w, c->stream);
    if (!status && w->twins[c->stream]) status = run_twin(w, c->stream);
    if (!status) status = rlx_stream_submit(stream, &w->points[c->id]);
    w->last[c->stream] = w->points[c->id];
    for (int i = 0; i < PROGRAMS; i++) {
        if (w->runs[c->stream][i]) w->last_run[i] = w->points[c->id];
        w->runs[c->stream][i] = false;
    }
    return status;
}

static rlx_status transfer(world *w, const call *c) {
    const part *dst = &c->command.a, *src = &c->command.b;
    rlx_status status = rlx_transfer(w->streams[c->stream], rlx_part(w->buffers[dst->buffer], dst->offset, dst->size),
                                     w->streams[c->other], rlx_part(w->buffers[src->buffer], src->offset, src->size),
                                     &w->points[c->id]);
    w->last[c->stream] = w->last[c->other] = w->points[c->id];
    return status;
}

static void poke(world *w, const call *c) {
    const pointer *at = &c->command.host;
    for (uint32_t i = 0; i < c->size; i++) w->hosts[at->area][at->offset + i] = byte_of(c->seed, i);
}

static rlx_status make_call(world *w, const call *c) {
    switch (c->kind) {
    case CALL_STREAM: return make_stream(w, c);
    case CALL_BUFFER: return make_buffer(w, c);
    case CALL_KERNEL: return kernel_create(w->at->open[c->device], c->kernel, &w->kernels[c->id]);
    case CALL_ENCODE: return encode(w, c);
    case CALL_SUBMIT: return submit(w, c);
    case CALL_FINISH: return finish(w, c);
    case CALL_DEPEND: return rlx_stream_depend(w->streams[c->stream], w->points[c->id]);
    case CALL_DISCARD: discard(w, c->stream); break;
    case CALL_WAIT: return rlx_point_wait(w->points[c->id], PATIENCE);
    case CALL_WAIT_STREAM: return rlx_stream_wait(w->streams[c->stream], PATIENCE);
    case CALL_TRANSFER: return transfer(w, c);
    case CALL_POKE: poke(w, c); break;
    case CALL_RELEASE_STREAM: release_stream(w, c->stream); break;
    case CALL_RELEASE_BUFFER: release_buffer(w, c->id); break;
    case CALL_RELEASE_KERNEL: release_kernel(w, c->id); break;
    case CALL_RELEASE_PROGRAM:
        rlx_program_release(w->programs[c->id]);
        w->programs[c->id] = NULL;
        break;
    case CALL_KINDS: break;
    }
    return RLX_OK;
}

/* ---- The end ---- */

static void compare(world *w, const char *what, int number, const unsigned char *found, const unsigned char *right,
                    uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        if (found[i] == right[i]) continue;
        complain(w, "byte %u of %s %d is 0x%02x and should be 0x%02x", i, what, number, found[i], right[i]);
        return;
    }
}

static void compare_buffers(world *w) {
    for (int i = 0; i < BUFFERS && !w->message[0]; i++) {
        const model_buffer *buffer = &w->end->buffers[i];
        unsigned char bytes[BUFFER_BYTES];
        if (!buffer->alive) continue;
        rlx_stream *helper = w->at->helpers[buffer->device];
        expect(w, help(helper, rlx_stream_read(helper, bytes, rlx_whole(w->buffers[i]))), RLX_OK, "reading a buffer");
        compare(w, "buffer", i, bytes, buffer->bytes, buffer->size);
    }
}

/* Those of one stream rise, and those that nobody takes stay. */
static void compare_stamps(world *w) {
    const uint64_t *stamps = (const uint64_t *)(const void *)w->hosts[STAMPS], *order = w->end->stamp_order;
    for (int i = 0; i < HOST_WORDS; i++) {
        if (!stamps[i] != !order[i])
            complain(w, "timestamp %d is %" PRIu64 ", and was %staken", i, stamps[i], order[i] ? "" : "not ");
        for (int k = 0; k < HOST_WORDS; k++)
            if (order[i] && order[k] > order[i] && w->end->stamp_stream[i] == w->end->stamp_stream[k] &&
                stamps[k] < stamps[i])
                complain(w, "timestamp %d of stream %d is earlier than %d, which came before it", k,
                         w->end->stamp_stream[i], i);
    }
}

static void wait_for_all(world *w) {
    for (int i = 0; i < STREAMS; i++) {
        if (!w->last[i].value) continue;
        rlx_status status = rlx_point_wait(w->last[i], PATIENCE);
        if (!status) continue;
        complain(w, "the last point of stream %d: %s: %s", i, rlx_status_text(status), rlx_last_error());
        w->hangs = status == RLX_TIMEOUT;
        if (w->hangs) return; /* the others would take as long */
    }
}

static void release_all(world *w) {
    for (int i = 0; i < STREAMS; i++) release_stream(w, i);
    for (int i = 0; i < PROGRAMS; i++) rlx_program_release(w->programs[i]);
    for (int i = 0; i < KERNELS; i++) rlx_kernel_release(w->kernels[i]);
    for (int i = 0; i < BUFFERS; i++) rlx_buffer_release(w->buffers[i]);
    while (w->notes) {
        note *next = w->notes->next;
        free(w->notes);
        w->notes = next;
    }
}

bool drive_hangs(void) { return driven.hangs; }

bool drive(const test_case *c, const model *end, const site *at, rendering r, uint64_t order, char message[MESSAGE]) {
    memset(&driven, 0, sizeof driven);
    driven.at = at, driven.end = end, driven.rendering = r, driven.message = message;
    message[0] = 0;
    for (int area = 0; area < HOSTS; area++)
        for (uint32_t i = 0; i < HOST_BYTES; i++) driven.hosts[area][i] = byte_of(1000 + (uint32_t)area, i);
    weave_seed(order);
    kernels_dawdle(c->is.slow && at->threads);
    for (uint32_t i = 0; i < c->count && !message[0]; i++) {
        char what[32];
        snprintf(what, sizeof what, "the status of line %u", i + 1);
        expect(&driven, make_call(&driven, &c->calls[i]), c->calls[i].result, what);
    }
    wait_for_all(&driven);
    if (!message[0]) compare_buffers(&driven);
    for (int area = 0; area < STAMPS && !message[0]; area++)
        compare(&driven, area == CELLS ? "cells" : "host area", area, driven.hosts[area], end->hosts[area], HOST_BYTES);
    if (!message[0]) compare_stamps(&driven);
    if (driven.hangs) return false;
    release_all(&driven);
    return !message[0];
}
