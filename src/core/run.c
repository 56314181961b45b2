/* Runs of programs. Everything that a run gives is checked first. Then it becomes either one RUN packet, whose values
 * the backend has put into the program's packets when its turn comes (rlx_program_patch), or a copy of the program's
 * commands with the values in place: on devices that prepare no graphs, on streams opened with ISOLATE, where each
 * command is to be handed over alone, and on recording streams, which become programs themselves. */
#include <string.h>

#include "encode.h"

/* ---- Patching ---- */

void rlx_program_patch(const rlx_packet_run *run) {
    const rlx_run_values *values = run->values;
    const rlx_program *program = values->program;
    const rlx_packet *last = NULL;
    for (uint64_t i = 0; i < program->fixup_count; i++) {
        const rlx_fixup *fixup = &program->fixups[i];
        if (fixup->packet != last && !rlx_lie("skipped-commands-stay-skipped"))
            fixup->packet->flags &= (uint16_t)~RLX_PACKET_SKIP; /* from the last run */
        last = fixup->packet;
        rlx_fixup_apply(fixup, fixup->packet, &values->states[fixup->slot]);
    }
}

/* ---- As one packet ---- */

/* The buffers that the slots stand for. */
static rlx_status hold_ranges(rlx_stream *stream, const rlx_run_values *values) {
    const rlx_program *program = values->program;
    for (uint32_t i = 0; i < program->slot_count; i++) {
        if (program->slots[i].kind != RLX_SLOT_RANGE) continue;
        rlx_status status = rlx_encode_hold_range(stream, &values->states[i].range);
        if (status) return status;
    }
    return RLX_OK;
}

/* Values that were given by pointer. */
static rlx_status copy_bytes(rlx_stream *stream, rlx_run_values *values) {
    const rlx_program *program = values->program;
    for (uint32_t i = 0; i < program->slot_count; i++) {
        const rlx_slot_info *slot = &program->slots[i];
        if (slot->kind != RLX_SLOT_VALUE || slot->size <= sizeof values->states[i].small) continue;
        void *copy = rlx_batch_take(stream, slot->size, 16);
        if (!copy) return RLX_ERROR_OUT_OF_MEMORY;
        memcpy(copy, values->states[i].bytes, slot->size);
        values->states[i].bytes = copy;
    }
    return RLX_OK;
}

/* Rule 16: the batch will wait for the program's last run. */
static rlx_batch_run *take_turn(rlx_stream *stream, rlx_program *program) {
    rlx_batch_run *turn = rlx_batch_take(stream, sizeof *turn, _Alignof(rlx_batch_run));
    if (turn) *turn = (rlx_batch_run){ .program = program };
    return turn;
}

/* Once for each program, as far as that is cheap to know: twice does no harm. */
static void add_turn(rlx_stream *stream, rlx_batch_run *turn) {
    rlx_batch_state *batch = stream->current;
    if (batch->runs && batch->runs->program == turn->program) return;
    turn->next = batch->runs;
    batch->runs = turn;
}

static rlx_status append_run(rlx_stream *stream, rlx_program *program, rlx_run_values *values, const char *label) {
    const char *copy = program->properties.label[0] ? program->properties.label : NULL;
    rlx_status status = rlx_encode_reserve(stream, 0);
    if (!status) status = rlx_batch_hold(stream, &program->object);
    if (!status) status = hold_ranges(stream, values);
    if (!status) status = copy_bytes(stream, values);
    if (status) return status;
    if (label && !rlx_batch_label(stream, label, &copy)) return RLX_ERROR_OUT_OF_MEMORY;
    rlx_batch_run *turn = take_turn(stream, program);
    rlx_packet_run *packet = rlx_batch_take(stream, sizeof *packet, _Alignof(rlx_packet_run));
    if (!turn || !packet) return RLX_ERROR_OUT_OF_MEMORY;
    *packet = (rlx_packet_run){
        .base.kind = RLX_PACKET_RUN, .base.label = copy, .program = program->handle, .values = values
    };
    add_turn(stream, turn);
    rlx_batch_append(stream, &packet->base);
    return RLX_OK;
}

/* ---- As copies of its commands ---- */

static size_t packet_size(const rlx_packet *packet) {
    switch ((rlx_packet_kind)packet->kind) {
    case RLX_PACKET_COPY: return sizeof(rlx_packet_copy);
    case RLX_PACKET_FILL: return sizeof(rlx_packet_fill);
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: return sizeof(rlx_packet_host_copy);
    case RLX_PACKET_DISPATCH: return sizeof(rlx_packet_dispatch);
    case RLX_PACKET_HOST_CALL: return sizeof(rlx_packet_host_call);
    case RLX_PACKET_TIMESTAMP: return sizeof(rlx_packet_timestamp);
    case RLX_PACKET_RUN: /* nested runs were flattened */
    case RLX_PACKET_JOIN: break;
    }
    return sizeof(rlx_packet);
}

/* A program's commands on their way into a stream. */
typedef struct expansion {
    rlx_stream *stream;
    const rlx_run_values *values;
    bool records;                        /* the copies outlive the program: they share nothing with it */
    rlx_packet *first, **last;           /* linked by next; `index` is still that of the program */
    rlx_validate_notes notes;            /* of the copies, */
    const rlx_validate_note *notes_from; /* made from the program's up to here */
} expansion;

/* The fixups of one command. */
typedef struct fixups {
    const rlx_fixup *first, *end;
} fixups;

/* The next in order, from *at on. */
static fixups fixups_of(const rlx_program *program, uint32_t command, uint64_t *at) {
    while (*at < program->fixup_count && program->fixups[*at].command < command) ++*at;
    uint64_t first = *at;
    while (*at < program->fixup_count && program->fixups[*at].command == command) ++*at;
    return first < *at ? (fixups){ program->fixups + first, program->fixups + *at } : (fixups){ NULL, NULL };
}

static bool has_fixup(fixups own, rlx_fixup_kind kind) {
    for (const rlx_fixup *f = own.first; f < own.end; f++)
        if (f->kind == kind) return true;
    return false;
}

static void copy_host_copy(rlx_packet_host_copy *to, const rlx_packet_host_copy *from, fixups own) {
    if (!has_fixup(own, RLX_FIXUP_DST) && !has_fixup(own, RLX_FIXUP_SRC)) to->device = from->device;
    if (!has_fixup(own, RLX_FIXUP_HOST_READ) && !has_fixup(own, RLX_FIXUP_HOST_WRITE)) to->host = from->host;
    to->rows = from->rows;
    to->row_bytes = from->row_bytes;
    to->device_stride = from->device_stride;
    to->host_stride = from->host_stride;
}

static void copy_copy(rlx_packet_copy *to, const rlx_packet_copy *from, fixups own) {
    if (!has_fixup(own, RLX_FIXUP_DST)) to->dst = from->dst;
    if (!has_fixup(own, RLX_FIXUP_SRC)) to->src = from->src;
    to->rows = from->rows;
    to->row_bytes = from->row_bytes;
    to->dst_stride = from->dst_stride;
    to->src_stride = from->src_stride;
}

static void copy_fill(rlx_packet_fill *to, const rlx_packet_fill *from, fixups own) {
    if (!has_fixup(own, RLX_FIXUP_DST)) to->dst = from->dst;
    to->rows = from->rows;
    to->row_bytes = from->row_bytes;
    to->stride = from->stride;
    to->pattern = from->pattern;
    to->pattern_size = from->pattern_size;
}

static void copy_dispatch(rlx_packet_dispatch *to, const rlx_packet_dispatch *from, fixups own) {
    to->kernel = from->kernel;
    if (!has_fixup(own, RLX_FIXUP_GROUPS)) {
        memcpy(to->groups, from->groups, sizeof to->groups);
        to->group_count = from->group_count;
    }
    memcpy(to->group_size, from->group_size, sizeof to->group_size);
    to->shared_bytes = from->shared_bytes;
    to->arg_count = from->arg_count;
    to->args = from->args;
    to->places = from->places;
    to->info = from->info;
}

/* A packet without what slots fill in: on another thread a run of the program may be doing just that. */
static void copy_packet(rlx_packet *to, const rlx_packet *from, fixups own) {
    *to = (rlx_packet){ .kind = from->kind, .index = from->index, .label = from->label };
    switch ((rlx_packet_kind)from->kind) {
    case RLX_PACKET_COPY: copy_copy((rlx_packet_copy *)to, (const rlx_packet_copy *)from, own); break;
    case RLX_PACKET_FILL: copy_fill((rlx_packet_fill *)to, (const rlx_packet_fill *)from, own); break;
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: copy_host_copy((rlx_packet_host_copy *)to, (const rlx_packet_host_copy *)from, own); break;
    case RLX_PACKET_DISPATCH: copy_dispatch((rlx_packet_dispatch *)to, (const rlx_packet_dispatch *)from, own); break;
    case RLX_PACKET_HOST_CALL:
        ((rlx_packet_host_call *)to)->function = ((const rlx_packet_host_call *)from)->function;
        ((rlx_packet_host_call *)to)->user = ((const rlx_packet_host_call *)from)->user;
        break;
    case RLX_PACKET_TIMESTAMP: ((rlx_packet_timestamp *)to)->ns = ((const rlx_packet_timestamp *)from)->ns; break;
    case RLX_PACKET_RUN: /* nested runs were flattened */
    case RLX_PACKET_JOIN: break;
    }
}

/* Gives a copied dispatch arguments of its own, laid out as dispatch.c does; those of slots are left open. */
static bool copy_arguments(rlx_stream *stream, rlx_packet_dispatch *packet, fixups own) {
    const rlx_param *params = packet->info->params;
    size_t args_size = packet->arg_count * sizeof(rlx_host_arg);
    size_t places_size = packet->places ? packet->arg_count * sizeof(rlx_place) : 0, size = args_size + places_size;
    bool open[RLX_PARAM_MAX] = { false };
    for (const rlx_fixup *f = own.first; f < own.end; f++)
        if (f->kind == RLX_FIXUP_ARG_RANGE || f->kind == RLX_FIXUP_ARG_VALUE) open[f->arg] = true;
    for (uint32_t i = 0; i < packet->arg_count; i++)
        if (params[i].access == RLX_VALUE) size += params[i].size + params[i].alignment - 1;
    unsigned char *memory = rlx_batch_take(stream, size, _Alignof(rlx_place));
    if (!memory) return false;
    rlx_host_arg *args = (rlx_host_arg *)(void *)memory;
    rlx_place *places = (rlx_place *)(void *)(memory + args_size);
    unsigned char *value = memory + args_size + places_size;
    for (uint32_t i = 0; i < packet->arg_count; i++) {
        if (params[i].access != RLX_VALUE) {
            if (!open[i]) args[i] = packet->args[i];
            if (!open[i] && packet->places) places[i] = packet->places[i];
            continue;
        }
        uintptr_t mask = params[i].alignment - 1;
        value = (unsigned char *)(((uintptr_t)value + mask) & ~mask);
        args[i] = (rlx_host_arg){ value, params[i].size };
        if (packet->places) places[i] = (rlx_place){ NULL, 0, NULL };
        if (!open[i]) memcpy(value, packet->args[i].data, params[i].size);
        value += params[i].size;
    }
    packet->args = args;
    if (packet->places) packet->places = places;
    return true;
}

/* Whether a WRITE's source was copied when it was recorded: then it is part of the program, and is not read anew. */
static bool source_is_own(const rlx_program *program, const rlx_packet *packet, fixups own) {
    if (packet->kind != RLX_PACKET_WRITE || has_fixup(own, RLX_FIXUP_HOST_READ)) return false;
    for (uint32_t at = program->touch_first[packet->index]; at < program->touch_first[packet->index + 1];) {
        rlx_touch touch;
        at = rlx_touch_read(program, at, &touch);
        if (!touch.write) return false;
    }
    return true;
}

/* Gives a copied WRITE a source of its own. */
static bool copy_source(rlx_stream *stream, rlx_packet_host_copy *packet) {
    uint64_t size = (packet->rows - 1) * (uint64_t)packet->host_stride + packet->row_bytes;
    void *source = rlx_batch_take(stream, size, 16);
    if (source) packet->host = memcpy(source, packet->host, size);
    return source != NULL;
}

/* For validation: what it reads of the host, and its uses, those of slots among them. */
static rlx_status note_copy(expansion *e, const rlx_packet *packet, const rlx_packet *copy, fixups own) {
    rlx_status status = rlx_validate_copy(e->stream, &e->notes, &e->notes_from, packet, copy);
    for (const rlx_fixup *f = own.first; !status && f < own.end; f++)
        if (f->kind == RLX_FIXUP_USE)
            status = rlx_validate_use(e->stream, &e->notes, copy, &e->values->states[f->slot].range,
                                      (rlx_access)f->access, f->arg);
    return status;
}

/* One command, unless it is skipped in this run. */
static rlx_status copy_command(expansion *e, const rlx_packet *packet, fixups own) {
    bool patched = has_fixup(own, RLX_FIXUP_ARG_RANGE) || has_fixup(own, RLX_FIXUP_ARG_VALUE);
    for (const rlx_fixup *f = own.first; f < own.end; f++)
        if ((f->kind == RLX_FIXUP_ENABLED || f->kind == RLX_FIXUP_GROUPS) && !e->values->states[f->slot].on)
            return RLX_OK;
    rlx_packet *copy = rlx_batch_take(e->stream, packet_size(packet), _Alignof(rlx_packet_dispatch));
    if (!copy) return RLX_ERROR_OUT_OF_MEMORY;
    copy_packet(copy, packet, own);
    if (e->records && !rlx_batch_label(e->stream, packet->label, &copy->label)) return RLX_ERROR_OUT_OF_MEMORY;
    if (packet->kind == RLX_PACKET_DISPATCH && (e->records || patched) &&
        !copy_arguments(e->stream, (rlx_packet_dispatch *)copy, own))
        return RLX_ERROR_OUT_OF_MEMORY;
    if (e->records && source_is_own(e->values->program, packet, own) &&
        !copy_source(e->stream, (rlx_packet_host_copy *)copy))
        return RLX_ERROR_OUT_OF_MEMORY;
    for (const rlx_fixup *f = own.first; f < own.end; f++)
        if (f->kind != RLX_FIXUP_ARG_VALUE || !e->records || !rlx_lie("nested-runs-lose-values"))
            rlx_fixup_apply(f, copy, &e->values->states[f->slot]);
    rlx_status status = e->stream->checks ? note_copy(e, packet, copy, own) : RLX_OK;
    if (status) return status;
    *e->last = copy;
    e->last = &copy->next;
    return RLX_OK;
}

static rlx_status copy_commands(expansion *e) {
    const rlx_program *program = e->values->program;
    uint64_t at = 0;
    const rlx_packet *packet = program->first;
    for (uint32_t i = 0; i < program->commands; i++, packet = packet->next) {
        rlx_status status = copy_command(e, packet, fixups_of(program, i, &at));
        if (status) return status;
    }
    return RLX_OK;
}

/* ---- Into a recording ---- */

static void record_touches(rlx_recorder *recorder, uint32_t command, const rlx_program *program, uint32_t at,
                           uint32_t end) {
    if (rlx_lie("nested-runs-forget-ranges")) return;
    while (at < end) {
        rlx_touch touch;
        at = rlx_touch_read(program, at, &touch);
        if (touch.barrier) rlx_recorder_barrier(recorder, command);
        else rlx_recorder_interval(recorder, command, touch.begin, touch.size, touch.write);
    }
}

/* What a slot stood for: now an access at a fixed place, or another slot's. */
static void record_fixup(rlx_recorder *recorder, uint32_t command, rlx_packet *packet, const rlx_fixup *fixup,
                         const rlx_slot_state *state) {
    switch ((rlx_fixup_kind)fixup->kind) {
    case RLX_FIXUP_HOST_READ:
    case RLX_FIXUP_HOST_WRITE:
        rlx_recorder_interval(recorder, command, (uint64_t)(uintptr_t)state->host, fixup->size,
                              fixup->kind == RLX_FIXUP_HOST_WRITE);
        return;
    case RLX_FIXUP_ARG_VALUE:
    case RLX_FIXUP_GROUPS:
    case RLX_FIXUP_ENABLED: return;
    case RLX_FIXUP_ARG_RANGE:
    case RLX_FIXUP_DST:
    case RLX_FIXUP_SRC:
    case RLX_FIXUP_USE: break;
    }
    if (!state->range.slot_plus_one) {
        rlx_recorder_interval(recorder, command, state->range.address, state->range.size, fixup->access != RLX_READ);
        return;
    }
    rlx_fixup outer = *fixup;
    outer.packet = packet;
    outer.command = command;
    outer.slot = state->range.slot_plus_one - 1;
    if (!outer.size) outer.size = state->range.size;
    rlx_recorder_fixup(recorder, &outer);
}

/* Arguments before uses, as dispatch.c has them. */
static void record_command(const expansion *e, rlx_packet *packet, fixups own) {
    const rlx_program *program = e->values->program;
    rlx_recorder *recorder = &e->stream->recorder;
    uint32_t command = (uint32_t)e->stream->current->count;
    uint32_t first = program->touch_first[packet->index], end = program->touch_first[packet->index + 1], middle = end;
    if (packet->kind == RLX_PACKET_DISPATCH) middle = rlx_touches_of_arguments(program, (rlx_packet_dispatch *)packet);
    record_touches(recorder, command, program, first, middle);
    for (const rlx_fixup *f = own.first; f < own.end; f++)
        if (f->kind != RLX_FIXUP_USE) record_fixup(recorder, command, packet, f, &e->values->states[f->slot]);
    record_touches(recorder, command, program, middle, end);
    for (const rlx_fixup *f = own.first; f < own.end; f++)
        if (f->kind == RLX_FIXUP_USE) record_fixup(recorder, command, packet, f, &e->values->states[f->slot]);
}

static rlx_status prepare_recording(rlx_stream *stream, const rlx_program *program) {
    uint64_t touches = program->touch_first[program->commands], slots = program->fixup_count;
    rlx_status status = rlx_recorder_reserve(&stream->recorder, touches + slots, slots + program->commands);
    for (const rlx_held *held = program->held; held; held = held->next)
        for (uint32_t i = 0; !status && i < held->count; i++) status = rlx_batch_hold(stream, held->objects[i]);
    return status;
}

/* ---- Both ---- */

static void append_commands(const expansion *e) {
    const rlx_program *program = e->values->program;
    uint64_t at = 0;
    for (rlx_packet *packet = e->first, *next; packet; packet = next) {
        next = packet->next;
        fixups own = fixups_of(program, packet->index, &at);
        if (e->records) record_command(e, packet, own);
        if (packet == e->first) rlx_batch_append(e->stream, packet);
        else rlx_batch_append_part(e->stream, packet); /* to the caller the run is one command */
    }
    rlx_validate_notes_append(&e->stream->current->notes, &e->notes);
}

static rlx_status expand(rlx_stream *stream, rlx_program *program, const rlx_run_values *values) {
    expansion e = { .stream = stream, .values = values, .records = rlx_stream_records(stream) };
    e.last = &e.first;
    e.notes_from = values->program->notes.first;
    rlx_batch_run *turn = NULL;
    if (stream->current->count + program->commands >= UINT32_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "more than 2^32 commands in a batch: submit in between");
    rlx_status status = e.records ? prepare_recording(stream, program) : rlx_batch_hold(stream, &program->object);
    if (!status) status = hold_ranges(stream, values);
    if (!status && !e.records && !(turn = take_turn(stream, program))) status = RLX_ERROR_OUT_OF_MEMORY;
    if (!status) status = copy_commands(&e);
    if (status) return status;
    if (turn) add_turn(stream, turn);
    append_commands(&e);
    return RLX_OK;
}

/* ---- The call ---- */

/* Where a batch's memory stood, for what was taken only to check. */
typedef struct mark {
    rlx_chunk *chunk;
    uint32_t used;
} mark;

static mark mark_batch(const rlx_stream *stream) {
    rlx_chunk *chunk = stream->current->chunks.last;
    return (mark){ chunk, chunk->used };
}

static void rewind_batch(const rlx_stream *stream, mark to) {
    if (stream->current->chunks.last == to.chunk) to.chunk->used = to.used;
}

static rlx_status check_values(rlx_stream *stream, const rlx_program *program, const rlx_run *run,
                               rlx_run_values *values) {
    values->program = program;
    rlx_status status = rlx_slots_resolve(program, run, rlx_stream_records(stream), values->states);
    size_t size = rlx_overlaps_scratch(program);
    if (status || !size) return status;
    mark before = mark_batch(stream);
    void *scratch = rlx_batch_take(stream, size, _Alignof(rlx_keyed));
    if (!scratch) return RLX_ERROR_OUT_OF_MEMORY;
    status = rlx_overlaps_check(program, values->states, scratch);
    rewind_batch(stream, before);
    return status;
}

static rlx_status check_run(const rlx_stream *stream, const rlx_program *program, const rlx_run *run) {
    if (!program) return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_run: program is NULL");
    if (program->object.device != stream->device)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_run: the program is of another device (%s) than the stream (%s)",
                        program->object.device->name, stream->device->name);
    if (run->count && !run->values) return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_run: values is NULL");
    return rlx_check_next(run->next, "rlx_run");
}

static rlx_status encode_run(rlx_stream *stream, rlx_program *program, const rlx_run *run) {
    static const rlx_run none = { 0 };
    if (!run) run = &none;
    rlx_status status = check_run(stream, program, run);
    if (status) return status;
    if (!rlx_stream_batch(stream)) return RLX_ERROR_OUT_OF_MEMORY;
    mark before = mark_batch(stream);
    rlx_run_values *values =
        rlx_batch_take(stream, sizeof *values + program->slot_count * sizeof *values->states, _Alignof(rlx_run_values));
    if (!values) return RLX_ERROR_OUT_OF_MEMORY;
    status = check_values(stream, program, run, values);
    if (status || !program->commands) {
        rewind_batch(stream, before);
        return status ? rlx_fail_within(status, "run '%s' of program '%s'", run->label ? run->label : "",
                                        program->properties.label)
                      : RLX_OK;
    }
    bool alone = stream->flags & (RLX_STREAM_ISOLATE | RLX_STREAM_RECORD);
    return program->handle && !alone ? append_run(stream, program, values, run->label)
                                     : expand(stream, program, values);
}

rlx_status rlx_stream_run(rlx_stream *stream, rlx_program *program, const rlx_run *run) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, encode_run(stream, program, run));
}
