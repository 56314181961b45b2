/* What each call does to the model, and whether it has a meaning where it stands. See model.h. */
#include "model.h"

#include <string.h>

void model_open(model *m) {
    memset(m, 0, sizeof *m);
    for (int area = 0; area < HOSTS; area++)
        for (uint32_t i = 0; i < HOST_BYTES; i++) m->hosts[area][i] = byte_of(1000 + (uint32_t)area, i);
}

/* ---- Commands ---- */

static bool good_part(const model *m, const part *p, int device) {
    if (p->slot != NONE) return true;
    const model_buffer *buffer = &m->buffers[p->buffer];
    return buffer->alive && buffer->device == device && p->offset + p->size <= buffer->size;
}

static bool good_dispatch(const model *m, const command *c, int device) {
    const model_kernel *kernel = &m->kernels[c->kernel];
    if (!kernel->alive || kernel->device != device || !good_part(m, &c->b, device)) return false;
    if (kernel->kind != KERNEL_REACH) return good_part(m, &c->a, device) && good_part(m, &c->c, device);
    return !c->used || (good_part(m, &c->use, device) && (c->use.slot != NONE || m->buffers[c->use.buffer].shared));
}

static bool good_run(const model *m, const command *c, int device) {
    const model_program *program = &m->programs[c->program];
    if (!program->alive || program->device != device) return false;
    for (int slot = 0; slot < RANGE_SLOTS; slot++) {
        const part *given = &c->values.ranges[slot];
        if (program->uses[slot] && !good_part(m, given, device)) return false;
        if (program->argument[slot] && given->slot == NONE && given->offset % 4) return false;
    }
    const part *reached = &c->values.ranges[SLOT_RANGE_USED];
    return !program->uses[SLOT_RANGE_USED] || (reached->slot == NONE && m->buffers[reached->buffer].shared);
}

/* Whether everything that the command names is there. */
static bool good_command(const model *m, const command *c, int device) {
    switch (c->kind) {
    case COMMAND_WRITE:
    case COMMAND_READ:
    case COMMAND_FILL: return good_part(m, &c->a, device);
    case COMMAND_COPY: return good_part(m, &c->a, device) && good_part(m, &c->b, device);
    case COMMAND_DISPATCH: return good_dispatch(m, c, device);
    case COMMAND_RUN: return good_run(m, c, device);
    case COMMAND_HOST_CALL:
    case COMMAND_TIMESTAMP:
    case COMMAND_KINDS: break;
    }
    return true;
}

static void keep_recorded(model *m, const command *c) {
    const part *parts[] = { &c->a, &c->b, &c->c, &c->use };
    for (int i = 0; i < 4; i++)
        if (parts[i]->slot == NONE) m->buffers[parts[i]->buffer].recorded = true;
    if (c->kind == COMMAND_DISPATCH) m->kernels[c->kernel].recorded = true;
}

/* ---- Encoding ---- */

static bool append(commands *to, const command *c) {
    if (to->count == COMMANDS) return false;
    to->list[to->count++] = *c;
    return true;
}

/* A run in a recording: its commands, with their values, under the condition that is in force. */
static void flatten(model *m, commands *to, const command *run) {
    const commands *body = &m->programs[run->program].body;
    for (uint32_t i = 0; i < body->count; i++) {
        command bound = body->list[i];
        if (!command_bind(&bound, &run->values)) continue;
        bound.condition = run->condition;
        append(to, &bound);
        keep_recorded(m, &bound);
    }
    m->tally.nested++;
}

static uint32_t length_of(const model *m, const commands *list) {
    uint32_t length = 0;
    for (uint32_t i = 0; i < list->count; i++)
        length += list->list[i].kind == COMMAND_RUN ? m->programs[list->list[i].program].body.count : 1;
    return length;
}

static bool apply_run(model *m, call *c, model_stream *stream) {
    const model_program *program = &m->programs[c->command.program];
    if (length_of(m, &stream->pending) + program->body.count > COMMANDS) return false;
    verdict found = judge_run(m, &program->body, &c->command.values);
    if (found == VERDICT_OPEN) return false;
    if (found == VERDICT_ALIAS) {
        c->result = RLX_ERROR_ALIAS;
        m->tally.refused++;
        return true;
    }
    if (!program->body.count) return true; /* a run of nothing is no command, and puts nothing in order */
    if (stream->records) flatten(m, &stream->pending, &c->command);
    else append(&stream->pending, &c->command);
    return true;
}

static bool apply_encode(model *m, call *c) {
    model_stream *stream = &m->streams[c->stream];
    const command *own = &c->command;
    if (!stream->alive || !good_command(m, own, stream->device)) return false;
    if (own->kind == COMMAND_RUN) return apply_run(m, c, stream);
    if (length_of(m, &stream->pending) == COMMANDS) return false;
    if (own->kind == COMMAND_DISPATCH && dispatch_aliases(m, own)) {
        c->result = RLX_ERROR_ALIAS;
        m->tally.refused++;
        return true;
    }
    if (command_is_empty(own)) return true;
    append(&stream->pending, own);
    if (stream->records) keep_recorded(m, own);
    return true;
}

/* ---- Submit ---- */

/* A batch on its way: looked at for races first, then done. */
typedef struct passage {
    model *m;
    int stream;
    instant when;
    bool performs;
} passage;

static bool pass(passage *p, const command *c) {
    access list[ACCESSES];
    uint32_t count = command_accesses(p->m, c, list);
    p->when.at[p->stream]++;
    for (uint32_t i = 0; i < count; i++) {
        if (p->performs) order_note(p->m, &list[i], &p->when, p->stream);
        else if (order_races(p->m, &list[i], &p->when, p->stream)) return false;
    }
    if (p->performs) command_perform(p->m, c, p->stream);
    return true;
}

static bool pass_run(passage *p, const command *run) {
    model_program *program = &p->m->programs[run->program];
    instant_join(&p->when, &program->last_run); /* rule 16 */
    for (uint32_t i = 0; i < program->body.count; i++) {
        command bound = program->body.list[i];
        bool runs = command_bind(&bound, &run->values);
        if (runs && !pass(p, &bound)) return false;
        if (p->performs && !runs) p->m->tally.skipped++;
    }
    p->when.at[p->stream]++;
    if (!p->performs) return true;
    program->last_run = p->when;
    p->m->tally.commands[COMMAND_RUN]++;
    for (int slot = 0; slot < SLOTS; slot++) p->m->tally.bound += program->uses[slot];
    return true;
}

static bool pass_batch(passage *p, const commands *batch) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const command *c = &batch->list[i];
        if (!(c->kind == COMMAND_RUN ? pass_run(p, c) : pass(p, c))) return false;
    }
    p->when.at[p->stream]++;
    return true;
}

static bool apply_submit(model *m, call *c) {
    model_stream *stream = &m->streams[c->stream];
    if (!stream->alive || stream->records || m->points[c->id].exists) return false;
    passage p = { m, c->stream, stream->now, false };
    instant_join(&p.when, &m->host);
    if (stream->any_depends) instant_join(&p.when, &stream->depends);
    instant begin = p.when;
    if (!pass_batch(&p, &stream->pending)) return false;
    p.when = begin, p.performs = true;
    pass_batch(&p, &stream->pending);
    stream->now = p.when;
    stream->pending.count = 0;
    m->tally.crossing += stream->any_depends;
    stream->any_depends = false;
    m->points[c->id] = (model_point){ true, stream->now };
    return true;
}

static bool apply_depend(model *m, const call *c) {
    model_stream *stream = &m->streams[c->stream];
    if (!stream->alive || stream->records || !m->points[c->id].exists) return false;
    if (!stream->any_depends) stream->depends = m->points[c->id].when;
    else instant_join(&stream->depends, &m->points[c->id].when);
    stream->any_depends = true;
    return true;
}

static bool may_transfer(const model *m, int stream, const part *range) {
    const model_stream *s = &m->streams[stream];
    return s->alive && !s->records && !s->pending.count && !s->any_depends && good_part(m, range, s->device);
}

static bool apply_transfer(model *m, const call *c) {
    model_stream *dst = &m->streams[c->stream], *src = &m->streams[c->other];
    command moving = c->command;
    if (!may_transfer(m, c->stream, &moving.a) || !may_transfer(m, c->other, &moving.b) || m->points[c->id].exists)
        return false;
    bool overlap = moving.a.buffer == moving.b.buffer && moving.a.offset < moving.b.offset + moving.b.size &&
                   moving.b.offset < moving.a.offset + moving.a.size;
    if (overlap) return false;
    passage p = { m, c->stream, dst->now, false };
    instant_join(&p.when, &src->now);
    instant_join(&p.when, &m->host);
    instant begin = p.when;
    if (!pass(&p, &moving)) return false;
    p.when = begin, p.performs = true;
    pass(&p, &moving);
    dst->now = p.when;
    if (src != dst) {
        instant_join(&src->now, &p.when);
        src->now.at[c->other]++;
    }
    m->points[c->id] = (model_point){ true, p.when };
    return true;
}

/* ---- Recordings ---- */

static void use_slot(model_program *program, int slot) {
    if (slot != NONE) program->uses[slot] = true;
}

static void use_part(model_program *program, const part *p, bool argument) {
    use_slot(program, p->slot);
    if (p->slot != NONE) program->argument[p->slot] |= argument;
}

static void use_slots(const model *m, model_program *program, const command *c) {
    bool dispatch = c->kind == COMMAND_DISPATCH, reach = dispatch && m->kernels[c->kernel].kind == KERNEL_REACH;
    if (!reach) use_part(program, &c->a, dispatch);
    use_part(program, &c->b, dispatch);
    if (!reach) use_part(program, &c->c, dispatch);
    if (c->used) use_part(program, &c->use, false);
    use_slot(program, c->host.slot);
    use_slot(program, c->number_slot);
    use_slot(program, c->wide_slot);
    use_slot(program, c->groups_slot);
    use_slot(program, c->condition);
}

static bool apply_finish(model *m, const call *c) {
    model_stream *stream = &m->streams[c->stream];
    model_program *program = &m->programs[c->id];
    if (!stream->alive || !stream->records || program->exists) return false;
    program->exists = program->alive = true;
    program->device = stream->device;
    program->body = stream->pending;
    for (uint32_t i = 0; i < program->body.count; i++) use_slots(m, program, &program->body.list[i]);
    stream->pending.count = 0;
    return true;
}

/* ---- The host ---- */

static bool borrows(const commands *list, const access *poked) {
    for (uint32_t i = 0; i < list->count; i++) {
        const command *c = &list->list[i];
        if (c->kind == COMMAND_RUN) {
            for (int slot = 0; slot < 2; slot++)
                if (c->values.hosts[slot].area == poked->id) return true;
        } else if (c->kind == COMMAND_WRITE || c->kind == COMMAND_READ || c->kind == COMMAND_HOST_CALL) {
            if (!c->copied && c->host.slot == NONE && c->host.area == poked->id) return true;
        }
    }
    return false;
}

static bool apply_poke(model *m, const call *c) {
    const pointer *at = &c->command.host;
    access poked = { true, true, at->area, at->offset, at->offset + c->size };
    for (int i = 0; i < STREAMS; i++)
        if (m->streams[i].alive && borrows(&m->streams[i].pending, &poked)) return false;
    for (int i = 0; i < PROGRAMS; i++)
        if (m->programs[i].alive && borrows(&m->programs[i].body, &poked)) return false;
    if (order_busy(m, &poked)) return false;
    for (uint32_t i = 0; i < c->size; i++) m->hosts[at->area][at->offset + i] = byte_of(c->seed, i);
    m->host.at[HOST_CLOCK]++;
    order_note(m, &poked, &m->host, HOST_CLOCK);
    return true;
}

/* ---- Objects ---- */

static bool apply_stream(model *m, const call *c) {
    model_stream *stream = &m->streams[c->id];
    if (stream->exists) return false;
    *stream = (model_stream){ .exists = true, .alive = true, .device = c->device };
    stream->records = c->flags & RLX_STREAM_RECORD;
    return true;
}

static bool apply_buffer(model *m, const call *c) {
    model_buffer *buffer = &m->buffers[c->id];
    if (buffer->exists) return false;
    *buffer =
        (model_buffer){ .exists = true, .alive = true, .shared = c->shared, .device = c->device, .size = c->size };
    for (uint32_t i = 0; i < c->size; i++) buffer->bytes[i] = byte_of(c->seed, i);
    return true;
}

static bool apply_kernel(model *m, const call *c) {
    model_kernel *kernel = &m->kernels[c->id];
    if (kernel->exists) return false;
    *kernel = (model_kernel){ .exists = true, .alive = true, .device = c->device, .kind = c->kernel };
    return true;
}

static bool release(bool *alive) {
    bool was = *alive;
    *alive = false;
    return was;
}

static bool apply_release_buffer(model *m, const call *c) {
    model_buffer *buffer = &m->buffers[c->id];
    if (!release(&buffer->alive)) return false;
    m->tally.released_in_use += order_busy(m, &(access){ false, true, c->id, 0, buffer->size });
    return true;
}

static bool apply_release_stream(model *m, const call *c) {
    model_stream *stream = &m->streams[c->id];
    stream->pending.count = 0;
    stream->any_depends = false;
    return release(&stream->alive);
}

static bool apply_discard(model *m, const call *c) {
    model_stream *stream = &m->streams[c->stream];
    if (!stream->alive) return false;
    stream->pending.count = 0;
    stream->any_depends = false;
    return true;
}

static bool apply_wait(model *m, const call *c) {
    if (!m->points[c->id].exists) return false;
    instant_join(&m->host, &m->points[c->id].when);
    return true;
}

static bool apply_wait_stream(model *m, const call *c) {
    const model_stream *stream = &m->streams[c->stream];
    if (!stream->alive || stream->records) return false;
    instant_join(&m->host, &stream->now);
    return true;
}

static bool apply(model *m, call *c) {
    switch (c->kind) {
    case CALL_STREAM: return apply_stream(m, c);
    case CALL_BUFFER: return apply_buffer(m, c);
    case CALL_KERNEL: return apply_kernel(m, c);
    case CALL_ENCODE: return apply_encode(m, c);
    case CALL_SUBMIT: return apply_submit(m, c);
    case CALL_FINISH: return apply_finish(m, c);
    case CALL_DEPEND: return apply_depend(m, c);
    case CALL_DISCARD: return apply_discard(m, c);
    case CALL_WAIT: return apply_wait(m, c);
    case CALL_WAIT_STREAM: return apply_wait_stream(m, c);
    case CALL_TRANSFER: return apply_transfer(m, c);
    case CALL_POKE: return apply_poke(m, c);
    case CALL_RELEASE_STREAM: return apply_release_stream(m, c);
    case CALL_RELEASE_BUFFER: return apply_release_buffer(m, c);
    case CALL_RELEASE_KERNEL: return release(&m->kernels[c->id].alive);
    case CALL_RELEASE_PROGRAM: return release(&m->programs[c->id].alive);
    case CALL_KINDS: break;
    }
    return false;
}

bool model_apply(model *m, call *c) {
    c->result = RLX_OK;
    if (c->id < 0 || c->stream < 0 || c->other < 0 || !apply(m, c)) return false;
    m->tally.calls[c->kind]++;
    return true;
}

void model_replay(model *m, test_case *c) {
    uint32_t kept = 0;
    model_open(m);
    for (uint32_t i = 0; i < c->count; i++) {
        call one = c->calls[i];
        if (model_apply(m, &one)) c->calls[kept++] = one;
    }
    c->count = kept;
}
