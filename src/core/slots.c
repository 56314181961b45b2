/* Slots: what a program expects of each, gathered once from the commands that use it, and what a run gives, checked
 * against that. A run looks at each slot once, however many commands it stands in. */
#include <stdio.h>
#include <string.h>

#include "program.h"

/* ---- What a program expects ---- */

static rlx_slot_kind kind_of(const rlx_fixup *fixup) {
    switch ((rlx_fixup_kind)fixup->kind) {
    case RLX_FIXUP_ARG_RANGE:
    case RLX_FIXUP_DST:
    case RLX_FIXUP_SRC:
    case RLX_FIXUP_USE: return RLX_SLOT_RANGE;
    case RLX_FIXUP_ARG_VALUE: return RLX_SLOT_VALUE;
    case RLX_FIXUP_HOST_READ:
    case RLX_FIXUP_HOST_WRITE: return RLX_SLOT_HOST;
    case RLX_FIXUP_GROUPS: return RLX_SLOT_GRID;
    case RLX_FIXUP_ENABLED: break;
    }
    return RLX_SLOT_ENABLED;
}

static const char *kind_text(rlx_slot_kind kind) {
    switch (kind) {
    case RLX_SLOT_RANGE: return "a range";
    case RLX_SLOT_VALUE: return "a value";
    case RLX_SLOT_HOST: return "a host pointer";
    case RLX_SLOT_GRID: return "a grid";
    case RLX_SLOT_ENABLED: break;
    }
    return "a condition";
}

static bool fixup_writes(const rlx_fixup *fixup) {
    return fixup->kind == RLX_FIXUP_HOST_WRITE || (kind_of(fixup) == RLX_SLOT_RANGE && fixup->access != RLX_READ);
}

/* One slot is one thing in all commands. */
static rlx_status merge_size(rlx_slot_info *slot, const rlx_fixup *fixup) {
    if (slot->kind == RLX_SLOT_HOST) {
        if (slot->size < fixup->size) slot->size = fixup->size;
        return RLX_OK;
    }
    if (slot->size && fixup->size && slot->size != fixup->size)
        return rlx_fail(RLX_ERROR_INVALID, "slot %u is %s of %llu bytes, and of %llu in command %u: use two slots",
                        slot->number, kind_text((rlx_slot_kind)slot->kind), (unsigned long long)slot->size,
                        (unsigned long long)fixup->size, fixup->command);
    if (fixup->size) slot->size = fixup->size;
    return RLX_OK;
}

/* Where a slot was used last: twice in one dispatch overlaps in every run, which is right only if both are read. */
typedef struct last_use {
    uint32_t command_plus_one;
    bool written, argument;
} last_use;

static rlx_status merge_use(rlx_slot_info *slot, const rlx_fixup *fixup, last_use *last) {
    bool writes = fixup_writes(fixup), argument = fixup->kind == RLX_FIXUP_ARG_RANGE;
    if (fixup->packet->kind == RLX_PACKET_DISPATCH && slot->kind == RLX_SLOT_RANGE &&
        last->command_plus_one == fixup->command + 1 && (writes || last->written) && (argument || last->argument))
        return rlx_fail(RLX_ERROR_ALIAS,
                        "slot %u stands twice in command %u, which writes it: use two slots, or one "
                        "READ_WRITE argument",
                        slot->number, fixup->command);
    if (last->command_plus_one != fixup->command + 1) *last = (last_use){ .command_plus_one = fixup->command + 1 };
    last->written |= writes;
    last->argument |= argument;
    slot->written |= writes;
    slot->argument |= argument;
    if (slot->alignment < fixup->alignment) slot->alignment = fixup->alignment; /* powers of two */
    return RLX_OK;
}

static rlx_status merge(rlx_program *program, last_use *last) {
    for (uint64_t i = 0; i < program->fixup_count; i++) {
        rlx_fixup *fixup = &program->fixups[i];
        uint32_t place = program->slot_of[fixup->slot] - 1u;
        rlx_slot_info *slot = &program->slots[place];
        rlx_slot_kind kind = kind_of(fixup);
        if (!slot->kind) slot->kind = (uint16_t)kind;
        if (slot->kind != kind)
            return rlx_fail(RLX_ERROR_INVALID, "slot %u is %s, and %s in command %u: use two slots", slot->number,
                            kind_text((rlx_slot_kind)slot->kind), kind_text(kind), fixup->command);
        rlx_status status = merge_size(slot, fixup);
        if (!status) status = merge_use(slot, fixup, &last[place]);
        if (status) return status;
        fixup->slot = place;
    }
    return RLX_OK;
}

/* Gives the slots that are used their places, by number. */
static bool number_slots(rlx_program *program) {
    for (uint64_t i = 0; i < program->fixup_count; i++)
        if (program->slot_limit <= program->fixups[i].slot) program->slot_limit = program->fixups[i].slot + 1;
    program->slot_of = rlx_allocate(program->slot_limit * sizeof *program->slot_of);
    if (!program->slot_of) return false;
    for (uint64_t i = 0; i < program->fixup_count; i++) program->slot_of[program->fixups[i].slot] = 1;
    for (uint32_t number = 0; number < program->slot_limit; number++)
        if (program->slot_of[number]) program->slot_of[number] = (uint16_t)++program->slot_count;
    program->slots = rlx_allocate(program->slot_count * sizeof *program->slots);
    if (!program->slots) return false;
    for (uint32_t number = 0; number < program->slot_limit; number++)
        if (program->slot_of[number])
            program->slots[program->slot_of[number] - 1] = (rlx_slot_info){ .number = number, .alignment = 1 };
    return true;
}

rlx_status rlx_slots_build(rlx_program *program) {
    if (!program->fixup_count) return RLX_OK;
    if (!number_slots(program)) return rlx_fail_memory("a program's slots");
    last_use *last = rlx_allocate(program->slot_count * sizeof *last);
    if (!last) return rlx_fail_memory("a program's slots");
    rlx_status status = merge(program, last);
    rlx_free(last);
    return status;
}

/* ---- What a run gives ---- */

/* The name of the slot is only put together for a message. */
static rlx_status refuse_range(const rlx_device *device, const rlx_slot_info *slot, const rlx_range *range) {
    rlx_resolved unused;
    char what[16];
    snprintf(what, sizeof what, "slot %u", slot->number);
    return rlx_range_resolve(device, range, what, &unused);
}

static rlx_status check_argument(const rlx_device *device, const rlx_slot_info *slot, const rlx_range *range,
                                 uint64_t size) {
    uint64_t limit = device->properties.limits.binding_size;
    if (range->offset % slot->alignment)
        return rlx_fail(RLX_ERROR_ALIGNMENT, "slot %u: offset %llu is no multiple of %u, as %s requires", slot->number,
                        (unsigned long long)range->offset, slot->alignment, device->name);
    if (slot->argument && size > limit)
        return rlx_fail(RLX_ERROR_LIMIT, "slot %u: %llu bytes; the limit of one binding is %llu", slot->number,
                        (unsigned long long)size, (unsigned long long)limit);
    return RLX_OK;
}

static rlx_status resolve_range(const rlx_program *program, const rlx_slot_info *slot, const rlx_range *range,
                                bool records, rlx_resolved *resolved) {
    const rlx_device *device = program->object.device;
    rlx_status status = rlx_range_resolve(device, range, "slot", resolved);
    if (status) return refuse_range(device, slot, range);
    if (!resolved->slot_plus_one) {
        status = check_argument(device, slot, range, resolved->size);
        if (status) return status;
    } else if (records) { /* the recording's own slot takes this one's place */
        if (!resolved->size || resolved->size == RLX_REST) resolved->size = slot->size;
    } else {
        return rlx_fail(RLX_ERROR_INVALID, "slot %u: its range is a slot, on a stream that does not record",
                        slot->number);
    }
    if (slot->size && resolved->size != slot->size && !rlx_lie("slots-of-any-size"))
        return rlx_fail(RLX_ERROR_INVALID, "slot %u: a range of %llu bytes, the program was recorded with %llu",
                        slot->number, (unsigned long long)resolved->size, (unsigned long long)slot->size);
    return RLX_OK;
}

static rlx_status resolve_grid(const rlx_device *device, uint32_t number, const uint32_t given[3],
                               rlx_slot_state *state) {
    uint64_t plane, count;
    for (uint32_t i = 0; i < 3; i++) {
        state->groups[i] = i && !given[i] ? 1 : given[i];
        if (state->groups[i] > device->properties.limits.groups[i])
            return rlx_fail(RLX_ERROR_LIMIT, "slot %u: groups[%u] = %u; the limit of %s is %u", number, i,
                            state->groups[i], device->name, device->properties.limits.groups[i]);
    }
    if (__builtin_mul_overflow((uint64_t)state->groups[0], state->groups[1], &plane) ||
        __builtin_mul_overflow(plane, state->groups[2], &count))
        return rlx_fail(RLX_ERROR_LIMIT, "slot %u: the grid has more than 2^64 groups", number);
    state->on = state->groups[0] != 0;
    return RLX_OK;
}

static rlx_status resolve_one(const rlx_program *program, const rlx_slot_info *slot, const rlx_slot_value *value,
                              bool records, rlx_slot_state *state) {
    switch ((rlx_slot_kind)slot->kind) {
    case RLX_SLOT_RANGE: return resolve_range(program, slot, &value->range, records, &state->range);
    case RLX_SLOT_VALUE:
        if (slot->size <= sizeof state->small) { /* whichever member was set, it begins where `bytes` does */
            memcpy(state->small, &value->bytes, sizeof state->small);
            return RLX_OK;
        }
        state->bytes = value->bytes;
        if (state->bytes) return RLX_OK;
        return rlx_fail(RLX_ERROR_INVALID, "slot %u: bytes is NULL, for a value of %llu bytes", slot->number,
                        (unsigned long long)slot->size);
    case RLX_SLOT_HOST:
        state->host = value->host_out; /* the same pointer, whichever way its bytes go */
        return state->host ? RLX_OK : rlx_fail(RLX_ERROR_INVALID, "slot %u: the host pointer is NULL", slot->number);
    case RLX_SLOT_GRID: return resolve_grid(program->object.device, slot->number, value->groups, state);
    case RLX_SLOT_ENABLED: state->on = value->enabled; break;
    }
    return RLX_OK;
}

static rlx_status missing(const rlx_program *program, const rlx_slot_state *states) {
    uint32_t place = 0;
    while (states[place].given) place++;
    return rlx_fail(RLX_ERROR_INVALID, "slot %u is missing: the program needs %s for it", program->slots[place].number,
                    kind_text((rlx_slot_kind)program->slots[place].kind));
}

rlx_status rlx_slots_resolve(const rlx_program *program, const rlx_run *run, bool records, rlx_slot_state *states) {
    memset(states, 0, program->slot_count * sizeof *states);
    for (uint32_t i = 0; i < run->count; i++) {
        const rlx_slot_value *value = &run->values[i];
        uint32_t place = value->slot < program->slot_limit ? program->slot_of[value->slot] : 0;
        if (!place--) return rlx_fail(RLX_ERROR_INVALID, "slot %u: the program has no such slot", value->slot);
        if (states[place].given) return rlx_fail(RLX_ERROR_INVALID, "slot %u is given twice", value->slot);
        states[place].given = true;
        rlx_status status = resolve_one(program, &program->slots[place], value, records, &states[place]);
        if (status) return status;
    }
    if (rlx_lie("slots-may-be-missing")) return RLX_OK;
    return run->count < program->slot_count ? missing(program, states) : RLX_OK;
}

/* ---- Into packets ---- */

/* Packets show their arguments as constant to backends; the memory behind them is the program's or the batch's. */
static void apply_argument(const rlx_fixup *fixup, rlx_packet_dispatch *packet, const rlx_slot_state *state) {
    rlx_host_arg *arg = (rlx_host_arg *)(uintptr_t)&packet->args[fixup->arg];
    if (fixup->kind == RLX_FIXUP_ARG_VALUE) {
        memcpy(arg->data, fixup->size <= sizeof state->small ? state->small : state->bytes, fixup->size);
        return;
    }
    *arg = (rlx_host_arg){ state->range.place.host, state->range.size };
    if (packet->places) *(rlx_place *)(uintptr_t)&packet->places[fixup->arg] = state->range.place;
}

static void apply_grid(rlx_packet_dispatch *packet, const rlx_slot_state *state) {
    if (!state->on) {
        packet->base.flags |= RLX_PACKET_SKIP;
        return;
    }
    memcpy(packet->groups, state->groups, sizeof packet->groups);
    packet->group_count = (uint64_t)state->groups[0] * state->groups[1] * state->groups[2];
}

/* The range's first byte, where a packet has it. */
static rlx_place *place_in(const rlx_fixup *fixup, rlx_packet *packet) {
    if (packet->kind == RLX_PACKET_COPY) {
        rlx_packet_copy *copy = (rlx_packet_copy *)packet;
        return fixup->kind == RLX_FIXUP_DST ? &copy->dst : &copy->src;
    }
    if (packet->kind == RLX_PACKET_FILL) return &((rlx_packet_fill *)packet)->dst;
    return &((rlx_packet_host_copy *)packet)->device;
}

void rlx_fixup_apply(const rlx_fixup *fixup, rlx_packet *packet, const rlx_slot_state *state) {
    switch ((rlx_fixup_kind)fixup->kind) {
    case RLX_FIXUP_ARG_RANGE:
    case RLX_FIXUP_ARG_VALUE: apply_argument(fixup, (rlx_packet_dispatch *)packet, state); break;
    case RLX_FIXUP_GROUPS: apply_grid((rlx_packet_dispatch *)packet, state); break;
    case RLX_FIXUP_DST:
    case RLX_FIXUP_SRC: *place_in(fixup, packet) = state->range.place; break;
    case RLX_FIXUP_HOST_READ:
    case RLX_FIXUP_HOST_WRITE: ((rlx_packet_host_copy *)packet)->host = state->host; break;
    case RLX_FIXUP_ENABLED:
        if (!state->on) packet->flags |= RLX_PACKET_SKIP;
        break;
    case RLX_FIXUP_USE: break;
    }
}
