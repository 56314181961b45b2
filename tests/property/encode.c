/* Encodes a case's commands. What the interface says it copies lies in memory that is overwritten after the call. */
#include "encode.h"

#include <stdlib.h>
#include <string.h>

static uint32_t number_of(int slot) { return 7u * (uint32_t)slot + 3; }

/* Ranges to the end of a buffer are now and then given as such. */
static rlx_range range_of(const world *w, const part *p) {
    if (p->slot != NONE) return rlx_slot_range(number_of(p->slot), p->size);
    bool rest = p->offset % 2 && p->offset + p->size == w->end->buffers[p->buffer].size;
    return rlx_part(w->buffers[p->buffer], p->offset, rest ? RLX_REST : p->size);
}

static rlx_arg arg_of(const world *w, const part *p) {
    return p->slot == SLOT_RANGE_ANY ? rlx_arg_slot(number_of(p->slot)) : rlx_arg_buffer(range_of(w, p));
}

static unsigned char *host_of(world *w, const pointer *p) { return w->hosts[p->area] + p->offset; }

/* Where a buffer's bytes are for the host; 0 if that fails. */
static kernel_address address_of(const world *w, const part *p) {
    void *first = NULL;
    if (!w->buffers[p->buffer] || rlx_buffer_host_pointer(w->buffers[p->buffer], &first)) first = NULL;
    return (kernel_address){ first ? (uint64_t)(uintptr_t)first + p->offset : 0, first ? p->size : 0 };
}

/* ---- Commands ---- */

static rlx_rows rows_of(const command *c) { return (rlx_rows){ c->rows, c->row_bytes, c->dst_stride, c->src_stride }; }

static rlx_status encode_write(world *w, rlx_stream *stream, const command *c) {
    rlx_range dst = range_of(w, &c->a);
    rlx_rows rows = rows_of(c);
    if (c->rows) return rlx_stream_write_rows(stream, dst, host_of(w, &c->host), &rows);
    if (c->host.slot != NONE) return rlx_stream_write_slot(stream, dst, number_of(c->host.slot));
    if (!c->copied) return rlx_stream_write(stream, dst, host_of(w, &c->host), 0);
    unsigned char bytes[HOST_BYTES];
    for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = byte_of(c->wide, i);
    rlx_status status = rlx_stream_write(stream, dst, bytes, RLX_WRITE_COPIED);
    memset(bytes, 0xee, sizeof bytes);
    return status;
}

static rlx_status encode_read(world *w, rlx_stream *stream, const command *c) {
    rlx_range src = range_of(w, &c->a);
    rlx_rows rows = rows_of(c);
    if (c->rows) return rlx_stream_read_rows(stream, host_of(w, &c->host), src, &rows);
    if (c->host.slot != NONE) return rlx_stream_read_slot(stream, number_of(c->host.slot), src);
    return rlx_stream_read(stream, host_of(w, &c->host), src);
}

static rlx_status encode_copy(world *w, rlx_stream *stream, const command *c) {
    rlx_rows rows = rows_of(c);
    if (c->rows) return rlx_stream_copy_rows(stream, range_of(w, &c->a), range_of(w, &c->b), &rows);
    return rlx_stream_copy(stream, range_of(w, &c->a), range_of(w, &c->b));
}

static rlx_status encode_fill(world *w, rlx_stream *stream, const command *c) {
    rlx_rows rows = rows_of(c);
    if (c->rows) return rlx_stream_fill_rows(stream, range_of(w, &c->a), c->number, c->pattern_size, &rows);
    return rlx_stream_fill(stream, range_of(w, &c->a), c->number, c->pattern_size);
}

static uint32_t list_args(const world *w, const command *c, unsigned char wide[WIDE], rlx_arg args[5]) {
    kernel_kind kind = w->end->kernels[c->kernel].kind;
    if (kind == KERNEL_REACH) {
        kernel_address to = { 0, 0 };
        if (c->wide_slot == NONE) to = address_of(w, &c->use);
        memcpy(wide, &to, sizeof to);
        args[0] = arg_of(w, &c->b);
        args[1] = c->wide_slot == NONE ? rlx_arg_bytes(wide, sizeof to) : rlx_arg_slot(number_of(c->wide_slot));
        args[2] = rlx_arg_u32((uint32_t)c->use_access);
        return 3;
    }
    for (uint32_t i = 0; i < WIDE; i++) wide[i] = byte_of(c->wide, i);
    args[0] = arg_of(w, &c->a), args[1] = arg_of(w, &c->b), args[2] = arg_of(w, &c->c);
    args[3] = c->number_slot == NONE ? rlx_arg_u32(c->number) : rlx_arg_slot(number_of(c->number_slot));
    args[4] = c->wide_slot == NONE ? rlx_arg_bytes(wide, WIDE) : rlx_arg_slot(number_of(c->wide_slot));
    return kind == KERNEL_SUM ? 3 : 5;
}

static rlx_status encode_dispatch(world *w, rlx_stream *stream, const command *c) {
    unsigned char wide[WIDE];
    char label[] = "kernel";
    rlx_arg args[5];
    uint32_t count = list_args(w, c, wide, args);
    rlx_use use = { c->used ? range_of(w, &c->use) : (rlx_range){ 0 }, c->use_access };
    rlx_dispatch wanted = { .groups = { c->groups[0], c->groups[1], c->groups[2] },
                            .args = args,
                            .arg_count = count,
                            .uses = &use,
                            .use_count = c->used,
                            .label = label };
    if (c->groups_slot != NONE) wanted.groups_slot = rlx_slot(number_of(c->groups_slot));
    rlx_status status = rlx_stream_dispatch(stream, w->kernels[c->kernel], &wanted);
    memset(wide, 0xee, sizeof wide);
    memset(args, 0xee, sizeof args);
    memset(label, 0, sizeof label);
    return status;
}

static rlx_status look(void *user) {
    const note *n = user;
    uint64_t seen;
    memcpy(&seen, n->cell, sizeof seen);
    for (uint32_t i = 0; i < n->size; i++) seen = seen * 31 + n->seen[i] + 1;
    memcpy(n->cell, &seen, sizeof seen);
    return RLX_OK;
}

static rlx_status encode_host_call(world *w, rlx_stream *stream, const command *c) {
    note *n = malloc(sizeof *n);
    if (!n) return RLX_ERROR_OUT_OF_MEMORY;
    *n = (note){ w->notes, host_of(w, &c->host), w->hosts[CELLS] + 8 * c->cell, c->number };
    w->notes = n;
    return rlx_stream_host_call(stream, look, n);
}

/* ---- Runs ---- */

/* A value for each slot that the program uses, the last slot first; two of them point to `wide` and `reached`. */
static uint32_t list_values(world *w, const model_program *program, const binding *v, unsigned char wide[WIDE],
                            kernel_address *reached, rlx_slot_value values[SLOTS]) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < WIDE; i++) wide[i] = byte_of(v->wide, i);
    *reached = (kernel_address){ 0, 0 };
    if (program->uses[SLOT_ADDRESS]) *reached = address_of(w, &v->ranges[SLOT_RANGE_USED]);
    for (int slot = SLOTS; slot-- > 0;) {
        if (!program->uses[slot]) continue;
        rlx_slot_value *value = &values[count++];
        *value = (rlx_slot_value){ .slot = number_of(slot) };
        if (slot < RANGE_SLOTS) value->range = range_of(w, &v->ranges[slot]);
        else if (slot == SLOT_HOST_A || slot == SLOT_HOST_B) value->host = host_of(w, &v->hosts[slot - SLOT_HOST_A]);
        else if (slot == SLOT_NUMBER) value->u32 = v->number;
        else if (slot == SLOT_WIDE) value->bytes = wide;
        else if (slot == SLOT_ADDRESS) value->bytes = reached;
        else if (slot == SLOT_GRID) memcpy(value->groups, v->groups, sizeof value->groups);
        else value->enabled = v->enabled[slot - SLOT_ENABLED_A];
    }
    return count;
}

static rlx_status encode_run(world *w, rlx_stream *stream, const command *c) {
    unsigned char wide[WIDE];
    kernel_address reached;
    rlx_slot_value values[SLOTS];
    uint32_t count = list_values(w, &w->end->programs[c->program], &c->values, wide, &reached, values);
    rlx_status status = rlx_stream_run(stream, w->programs[c->program], &(rlx_run){ .values = values, .count = count });
    memset(values, 0xee, sizeof values);
    memset(wide, 0xee, sizeof wide);
    memset(&reached, 0xee, sizeof reached);
    return status;
}

rlx_status encode_each(world *w, rlx_stream *stream, const command *run) {
    const commands *body = &w->end->programs[run->program].body;
    rlx_status status = RLX_OK;
    for (uint32_t i = 0; !status && i < body->count; i++) {
        command bound = body->list[i];
        if (command_bind(&bound, &run->values)) status = encode_command(w, stream, &bound);
    }
    return status;
}

rlx_status encode_command(world *w, rlx_stream *stream, const command *c) {
    switch (c->kind) {
    case COMMAND_WRITE: return encode_write(w, stream, c);
    case COMMAND_READ: return encode_read(w, stream, c);
    case COMMAND_COPY: return encode_copy(w, stream, c);
    case COMMAND_FILL: return encode_fill(w, stream, c);
    case COMMAND_DISPATCH: return encode_dispatch(w, stream, c);
    case COMMAND_HOST_CALL: return encode_host_call(w, stream, c);
    case COMMAND_TIMESTAMP: {
        uint64_t *stamp = (uint64_t *)(void *)(w->hosts[STAMPS] + 8 * c->cell);
        return rlx_stream_timestamp(stream, stamp);
    }
    case COMMAND_RUN: return encode_run(w, stream, c);
    case COMMAND_KINDS: break;
    }
    return RLX_ERROR_INVALID;
}
