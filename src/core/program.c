/* The life of a program: finish makes it of what a recording stream has collected, in these steps,
 *
 *     slots -> intervals (host slots meet plain host memory) -> graph -> overlaps -> touches -> the backend's own form
 *
 * each of which only reads what the stream holds. When all have succeeded the packets change hands, which cannot fail;
 * so a finish that fails leaves the recording as it was. */
#include <string.h>

#include "program.h"
#include "stream.h"

/* ---- Parts ---- */

static rlx_status copy_fixups(rlx_program *program, const rlx_recorder *recorder) {
    if (!recorder->fixup_count) return RLX_OK;
    program->fixups = rlx_allocate(recorder->fixup_count * sizeof *program->fixups);
    if (!program->fixups) return rlx_fail_memory("a program's slots");
    memcpy(program->fixups, recorder->fixups, recorder->fixup_count * sizeof *program->fixups);
    program->fixup_count = recorder->fixup_count;
    return rlx_slots_build(program);
}

static bool has_host_slots(const rlx_program *program) {
    for (uint32_t i = 0; i < program->slot_count; i++)
        if (program->slots[i].kind == RLX_SLOT_HOST) return true;
    return false;
}

/* Plain host memory once more, where host slots cover all of it. */
static uint64_t add_plain_host(const rlx_program *program, const rlx_recorder *recorder, rlx_interval *added) {
    const rlx_packet *packet = program->first;
    uint64_t count = 0;
    for (uint64_t i = 0; i < recorder->interval_count; i++) {
        const rlx_interval *interval = &recorder->intervals[i];
        while (packet->index != interval->command) packet = packet->next;
        added[count++] = *interval;
        if (!rlx_interval_is_plain_host(interval, packet)) continue;
        added[count] = *interval;
        added[count].begin += RLX_SPACE_HOST;
        added[count++].end += RLX_SPACE_HOST;
    }
    return count;
}

static rlx_status build_graph(rlx_program *program, const rlx_recorder *recorder) {
    if (!has_host_slots(program))
        return rlx_nodes_build(recorder->intervals, recorder->interval_count, program->commands, &program->nodes);
    rlx_interval *added = rlx_allocate(2 * recorder->interval_count * sizeof *added);
    if (!added) return rlx_fail_memory("a program's graph");
    uint64_t count = add_plain_host(program, recorder, added);
    rlx_status status = rlx_nodes_build(added, count, program->commands, &program->nodes);
    rlx_free(added);
    return status;
}

static rlx_status show_graph(rlx_program *program) {
    const rlx_nodes *nodes = &program->nodes;
    program->packets = rlx_allocate(nodes->count * sizeof *program->packets);
    if (!program->packets) return rlx_fail_memory("a program's graph");
    program->join = (rlx_packet){ .kind = RLX_PACKET_JOIN, .index = UINT32_MAX };
    rlx_packet *packet = program->first;
    for (uint32_t i = 0; i < nodes->count; i++) {
        bool join = nodes->commands[i] == RLX_NODE_JOIN;
        program->packets[i] = join ? &program->join : packet;
        if (!join) packet = packet->next;
    }
    program->graph = (rlx_graph){ .struct_size = sizeof(rlx_graph),
                                  .count = nodes->count,
                                  .packets = program->packets,
                                  .unmet = nodes->unmet,
                                  .first = nodes->first,
                                  .successors = nodes->successors,
                                  .label = program->properties.label };
    program->properties.dependencies = nodes->first[nodes->count];
    program->properties.depth = nodes->depth;
    return RLX_OK;
}

/* ---- Touches ---- */

#define PIECE (UINT32_C(1) << 28)                                   /* bytes: longer touches are kept in pieces */
enum { TOUCH_WRITES = 1, TOUCH_IS_BARRIER = 2, TOUCH_GOES_ON = 4 }; /* beside the size * 8 */

static bool is_touch(const rlx_interval *interval) { return interval->barrier || rlx_space_is_real(interval->begin); }

static uint64_t count_pieces(const rlx_interval *interval) {
    return interval->barrier ? 1 : (interval->end - interval->begin - 1) / PIECE + 1;
}

static uint32_t write_touch(rlx_program *program, uint32_t at, const rlx_interval *interval) {
    uint32_t kind = (interval->write ? TOUCH_WRITES : 0u) | (interval->barrier ? TOUCH_IS_BARRIER : 0u);
    uint64_t begin = interval->begin;
    for (; interval->end - begin > PIECE; begin += PIECE) {
        program->touch_begin[at] = begin;
        program->touch_shape[at++] = PIECE * 8 | kind | TOUCH_GOES_ON;
    }
    program->touch_begin[at] = begin;
    program->touch_shape[at++] = (uint32_t)(interval->end - begin) * 8 | kind;
    return at;
}

uint32_t rlx_touch_read(const rlx_program *program, uint32_t at, rlx_touch *touch) {
    uint32_t shape = program->touch_shape[at];
    *touch = (rlx_touch){ program->touch_begin[at], shape / 8, shape & TOUCH_WRITES, shape & TOUCH_IS_BARRIER };
    while (program->touch_shape[at++] & TOUCH_GOES_ON) touch->size += program->touch_shape[at] / 8;
    return at;
}

/* All but what depends on slots. */
static rlx_status copy_touches(rlx_program *program, const rlx_recorder *recorder) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < recorder->interval_count; i++)
        if (is_touch(&recorder->intervals[i])) count += count_pieces(&recorder->intervals[i]);
    if (count > UINT32_MAX) return rlx_fail(RLX_ERROR_LIMIT, "a program of more than 2^32 accesses: record several");
    program->touch_first = rlx_allocate(((size_t)program->commands + 1) * sizeof *program->touch_first);
    program->touch_begin = rlx_allocate(count * sizeof *program->touch_begin);
    program->touch_shape = rlx_allocate(count * sizeof *program->touch_shape);
    if (!program->touch_first || !program->touch_begin || !program->touch_shape) return rlx_fail_memory("a program");
    uint32_t at = 0, command = 0;
    for (uint64_t i = 0; i < recorder->interval_count; i++) {
        const rlx_interval *interval = &recorder->intervals[i];
        if (!is_touch(interval)) continue;
        while (command < interval->command) program->touch_first[++command] = at;
        at = write_touch(program, at, interval);
    }
    while (command < program->commands) program->touch_first[++command] = at;
    return RLX_OK;
}

/* ---- The backend's form, the whole ---- */

static rlx_status create_at_backend(rlx_program *program) {
    rlx_device *device = program->properties.device;
    bool prepares = device->backend.program_create && !device->checks; /* checks stand between commands */
    rlx_free(program->nodes.commands);
    program->nodes.commands = NULL;
    if (!prepares && !program->overlaps) { /* nobody will ask the graph */
        rlx_nodes_free(&program->nodes);
        rlx_free(program->packets);
        program->packets = NULL;
    }
    if (!prepares || !program->commands) return RLX_OK;
    rlx_error_clear();
    rlx_status status = device->backend.program_create(device->handle, &program->graph, &program->handle);
    return status ? rlx_fail_within(status, "%s: program '%s'", device->name, program->properties.label) : RLX_OK;
}

static uint64_t count_bytes(const rlx_program *program, const rlx_chunk_list *chunks) {
    uint64_t bytes = sizeof *program + strlen(program->properties.label) + 1;
    for (const rlx_chunk *chunk = chunks->first; chunk; chunk = chunk->next) bytes += sizeof *chunk + chunk->size;
    bytes += program->fixup_count * sizeof *program->fixups + program->slot_count * sizeof *program->slots +
             program->slot_limit * sizeof *program->slot_of;
    bytes += program->touch_first[program->commands] * (sizeof *program->touch_begin + sizeof *program->touch_shape) +
             (program->commands + 1) * sizeof *program->touch_first;
    if (program->packets)
        bytes += program->nodes.count *
                     (sizeof *program->packets + sizeof *program->nodes.unmet + sizeof *program->nodes.first) +
                 program->properties.dependencies * sizeof *program->nodes.successors;
    return bytes + rlx_overlaps_bytes(program->overlaps);
}

/* ---- Finish ---- */

static rlx_status build(rlx_program *program, const rlx_recorder *recorder) {
    rlx_status status = copy_fixups(program, recorder);
    if (!status) status = build_graph(program, recorder);
    if (!status) status = show_graph(program);
    if (!status) status = rlx_overlaps_build(program, recorder->intervals, recorder->interval_count);
    if (!status) status = copy_touches(program, recorder);
    return status ? status : create_at_backend(program);
}

static void free_parts(rlx_program *program) {
    rlx_overlaps_free(program->overlaps);
    rlx_nodes_free(&program->nodes);
    rlx_free(program->packets);
    rlx_free(program->touch_first);
    rlx_free(program->touch_begin);
    rlx_free(program->touch_shape);
    rlx_free(program->fixups);
    rlx_free(program->slots);
    rlx_free(program->slot_of);
    rlx_free(program);
}

static rlx_status finish(rlx_stream *stream, const rlx_program_desc *desc, rlx_program **result) {
    static const rlx_program_desc defaults = { 0 };
    if (!result) return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_finish: program is NULL");
    if (!rlx_stream_records(stream))
        return rlx_fail(RLX_ERROR_ORDER,
                        "rlx_stream_finish: the stream does not record; open one with RLX_STREAM_RECORD");
    if (!desc) desc = &defaults;
    rlx_status status = rlx_check_next(desc->next, "rlx_program_desc");
    if (!status) status = rlx_device_check_lost(stream->device);
    if (status) return status;

    size_t label = desc->label ? strlen(desc->label) + 1 : 1;
    rlx_program *program = rlx_allocate(sizeof *program + label);
    if (!program) return rlx_fail_memory("a program");
    rlx_batch_state *batch = stream->current;
    rlx_chunk_list none = { NULL, NULL };
    if (desc->label) memcpy(program + 1, desc->label, label);
    program->first = batch ? batch->first : NULL;
    program->commands = batch ? (uint32_t)batch->count : 0;
    program->properties = (rlx_program_properties){ .device = stream->device,
                                                    .label = (const char *)(program + 1),
                                                    .commands = program->commands };
    uint64_t begun_ns = rlx_trace_now();
    status = build(program, &stream->recorder);
    if (begun_ns) rlx_trace_call(begun_ns, "finish program", program->properties.label, status);
    if (status) {
        free_parts(program);
        return rlx_fail_within(status, "rlx_stream_finish");
    }
    program->properties.slots = program->slot_count;
    program->properties.bytes = count_bytes(program, batch ? &batch->chunks : &none);
    rlx_object_init(&program->object, RLX_OBJECT_PROGRAM, stream->device);
    if (batch) {
        program->held = batch->held;
        program->notes = batch->notes;
        program->chunks = batch->chunks; /* they hold the batch itself */
    }
    stream->current = NULL;
    rlx_recorder_reset(&stream->recorder);
    *result = program;
    return RLX_OK;
}

rlx_status rlx_stream_finish(rlx_stream *stream, const rlx_program_desc *desc, rlx_program **program) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, finish(stream, desc, program));
}

/* ---- Life ---- */

void rlx_program_destroy(rlx_program *program) {
    rlx_device *device = program->properties.device;
    if (program->handle) device->backend.program_destroy(device->handle, program->handle);
    for (rlx_held *held = program->held; held; held = held->next)
        for (uint32_t i = 0; i < held->count; i++) rlx_object_release(held->objects[i]);
    rlx_chunk_list_free(&program->chunks);
    free_parts(program);
}

void rlx_program_retain(rlx_program *program) {
    if (program) rlx_object_own(&program->object);
}

void rlx_program_release(rlx_program *program) {
    if (program) rlx_object_disown(&program->object);
}

const rlx_program_properties *rlx_program_info(const rlx_program *program) {
    return program ? &program->properties : NULL;
}

rlx_point rlx_program_last_run(const rlx_program *program) { return program->last_run; }

void rlx_program_set_last_run(rlx_program *program, rlx_point point) { program->last_run = point; }
