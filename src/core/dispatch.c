/* Encoding of dispatches: the arguments are checked against the kernel's signature, and laid out as the backend (and a
 * host function) will read them, in one piece of the batch's memory:
 *
 *     rlx_packet_dispatch | rlx_host_arg[n] | rlx_place[n], unless all memory is the host's | values, each aligned */
#include <string.h>

#include "encode.h"

#define USES_MAX 256 /* declared beside the arguments: checked pairwise with them */

/* A dispatch on its way from the caller's description to a packet. */
typedef struct plan {
    rlx_stream *stream;
    const rlx_kernel *kernel;
    const rlx_dispatch *wanted;
    uint32_t groups[3], group_size[3], shared_bytes;
    uint64_t group_count;
    uint32_t ranges; /* one for each buffer argument, in order: */
    rlx_access access[RLX_PARAM_MAX];
    rlx_resolved resolved[RLX_PARAM_MAX];
} plan;

static rlx_status check_grid(plan *p) {
    const rlx_device *device = p->stream->device;
    const uint32_t *groups = p->wanted->groups;
    p->groups[0] = groups[0];
    p->groups[1] = groups[1] ? groups[1] : 1;
    p->groups[2] = groups[2] ? groups[2] : 1;
    uint64_t plane, count;
    for (int i = 0; i < 3; i++)
        if (p->groups[i] > device->properties.limits.groups[i])
            return rlx_fail(RLX_ERROR_LIMIT, "groups[%d] = %u; the limit of %s is %u", i, p->groups[i], device->name,
                            device->properties.limits.groups[i]);
    if (__builtin_mul_overflow((uint64_t)p->groups[0], p->groups[1], &plane) ||
        __builtin_mul_overflow(plane, p->groups[2], &count))
        return rlx_fail(RLX_ERROR_LIMIT, "the grid has more than 2^64 groups");
    p->group_count = count;
    return RLX_OK;
}

/* The group and its shared memory: the kernel's, unless the dispatch says otherwise. */
static rlx_status check_group(plan *p) {
    const rlx_device *device = p->stream->device;
    const rlx_dispatch *wanted = p->wanted;
    memcpy(p->group_size, p->kernel->properties.group_size, sizeof p->group_size);
    p->shared_bytes = p->kernel->properties.shared_bytes;
    bool resized = wanted->group_size[0] | wanted->group_size[1] | wanted->group_size[2];
    if (!resized && !wanted->shared_bytes) return RLX_OK;
    if (resized) {
        for (int i = 0; i < 3; i++) p->group_size[i] = wanted->group_size[i] ? wanted->group_size[i] : 1;
        bool same = memcmp(p->group_size, p->kernel->properties.group_size, sizeof p->group_size) == 0;
        if (!same && !(device->properties.can & RLX_CAN_GROUP_SIZE))
            return rlx_fail(RLX_ERROR_UNSUPPORTED, "%s cannot change a kernel's group size (RLX_CAN_GROUP_SIZE)",
                            device->name);
    }
    if (wanted->shared_bytes && !(device->properties.can & RLX_CAN_DYNAMIC_SHARED))
        return rlx_fail(RLX_ERROR_UNSUPPORTED, "%s cannot add shared memory (RLX_CAN_DYNAMIC_SHARED)", device->name);
    rlx_status status = rlx_group_check(device, p->group_size, (uint64_t)p->shared_bytes + wanted->shared_bytes);
    p->shared_bytes += wanted->shared_bytes;
    return status;
}

/* Sets `what` to "argument 3". */
static const char *argument_name(uint32_t i, char what[24]) {
    static const char word[] = "argument ";
    memcpy(what, word, sizeof word);
    char digits[8];
    int n = 0;
    do digits[n++] = (char)('0' + i % 10);
    while ((i /= 10) && n < 8);
    char *at = what + sizeof word - 1;
    while (n) *at++ = digits[--n];
    *at = '\0';
    return what;
}

static rlx_status check_buffer(plan *p, uint32_t i, const rlx_arg *arg, const rlx_param *param) {
    rlx_stream *stream = p->stream;
    const rlx_limits *limits = &stream->device->properties.limits;
    if (arg->kind != RLX_ARG_RANGE && arg->kind != RLX_ARG_SLOT)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u is a value, the parameter a buffer", i);
    rlx_resolved *resolved = &p->resolved[p->ranges];
    if (arg->kind == RLX_ARG_SLOT || !rlx_range_plain(stream->device, &arg->range, resolved)) {
        rlx_range range = arg->kind == RLX_ARG_SLOT ? rlx_slot_range(arg->slot, 0) : arg->range;
        char what[24];
        rlx_status status = rlx_encode_range(stream, &range, argument_name(i, what), resolved);
        if (status) return status;
    }
    p->access[p->ranges] = param->access;
    p->ranges++;
    if (resolved->slot_plus_one) return RLX_OK;                   /* the rest is checked at each run */
    if (resolved->place.offset & (limits->binding_alignment - 1)) /* a power of two */
        return rlx_fail(RLX_ERROR_ALIGNMENT, "argument %u: offset %llu is no multiple of %u, as %s requires", i,
                        (unsigned long long)resolved->place.offset, limits->binding_alignment, stream->device->name);
    if (resolved->size > limits->binding_size)
        return rlx_fail(RLX_ERROR_LIMIT, "argument %u: %llu bytes; the limit of one binding is %llu", i,
                        (unsigned long long)resolved->size, (unsigned long long)limits->binding_size);
    return RLX_OK;
}

static rlx_status check_value(plan *p, uint32_t i, const rlx_arg *arg, const rlx_param *param) {
    if (arg->kind == RLX_ARG_SLOT) {
        if (!rlx_stream_records(p->stream))
            return rlx_fail(RLX_ERROR_INVALID, "argument %u: slots are for streams opened with RLX_STREAM_RECORD", i);
        if (arg->slot >= RLX_SLOT_MAX)
            return rlx_fail(RLX_ERROR_LIMIT, "argument %u: slot %u; slots are below %d", i, arg->slot, RLX_SLOT_MAX);
        return RLX_OK;
    }
    if (arg->kind != RLX_ARG_INLINE && arg->kind != RLX_ARG_POINTER)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u is a buffer, the parameter a value", i);
    if (arg->size != param->size)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u: a value of %u bytes, the parameter has %u", i, arg->size,
                        param->size);
    if (arg->kind == RLX_ARG_INLINE ? arg->size > sizeof arg->bits : !arg->bytes)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u: more than 8 bytes need rlx_arg_bytes, with a pointer", i);
    return RLX_OK;
}

static rlx_status check_args(plan *p) {
    uint32_t count = p->kernel->properties.param_count;
    if (p->wanted->arg_count != count)
        return rlx_fail(RLX_ERROR_INVALID, "%u arguments, the kernel has %u parameters", p->wanted->arg_count, count);
    if (count && !p->wanted->args) return rlx_fail(RLX_ERROR_INVALID, "args is NULL");
    p->ranges = 0;
    for (uint32_t i = 0; i < count; i++) {
        const rlx_param *param = &p->kernel->properties.params[i];
        const rlx_arg *arg = &p->wanted->args[i];
        rlx_status status = param->access == RLX_VALUE ? check_value(p, i, arg, param) : check_buffer(p, i, arg, param);
        if (status) return status;
    }
    return RLX_OK;
}

static bool overlap(const rlx_resolved *a, const rlx_resolved *b) {
    if (a->buffer && a->buffer == b->buffer && rlx_lie("one-buffer-is-one-range")) return true;
    return !a->slot_plus_one && !b->slot_plus_one && a->size && b->size && a->address < b->address + b->size &&
           b->address < a->address + a->size;
}

/* The argument that is range number `range`. */
static uint32_t argument_of(const plan *p, uint32_t range) {
    for (uint32_t i = 0;; i++)
        if (p->kernel->properties.params[i].access != RLX_VALUE && range-- == 0) return i;
}

/* Rule 15: what overlaps in bytes must all be read. Few enough arguments to compare each with each. */
static rlx_status check_aliases(const plan *p) {
    if (rlx_lie("aliases-accepted")) return RLX_OK;
    for (uint32_t i = 1; i < p->ranges; i++)
        for (uint32_t j = 0; j < i; j++)
            if (overlap(&p->resolved[i], &p->resolved[j]) &&
                (p->access[i] != RLX_READ || p->access[j] != RLX_READ || rlx_lie("two-reads-refused")))
                return rlx_fail(
                    RLX_ERROR_ALIAS,
                    "arguments %u and %u overlap and one of them is written; in place is one READ_WRITE argument",
                    argument_of(p, j), argument_of(p, i));
    return RLX_OK;
}

/* What is declared in `uses` has to exist, and not to overlap an argument unless both are read. */
static rlx_status check_use(const plan *p, uint32_t i, rlx_resolved *resolved) {
    const rlx_use *use = &p->wanted->uses[i];
    if (use->access != RLX_READ && use->access != RLX_WRITE && use->access != RLX_READ_WRITE)
        return rlx_fail(RLX_ERROR_INVALID, "use %u: %d is no access", i, (int)use->access);
    rlx_status status = rlx_encode_range(p->stream, &use->range, "a range in uses", resolved);
    if (status) return status;
    for (uint32_t j = 0; j < p->ranges; j++)
        if (overlap(resolved, &p->resolved[j]) && (use->access != RLX_READ || p->access[j] != RLX_READ))
            return rlx_fail(RLX_ERROR_ALIAS, "use %u and argument %u overlap and one of them is written", i,
                            argument_of(p, j));
    return RLX_OK;
}

static rlx_status check_uses(const plan *p) {
    if (!p->wanted->use_count) return RLX_OK;
    if (!p->wanted->uses) return rlx_fail(RLX_ERROR_INVALID, "uses is NULL");
    if (p->wanted->use_count > USES_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "%u uses; the limit is %d: declare ranges that hold several",
                        p->wanted->use_count, USES_MAX);
    for (uint32_t i = 0; i < p->wanted->use_count; i++) {
        rlx_resolved resolved;
        rlx_status status = check_use(p, i, &resolved);
        if (status) return status;
    }
    return RLX_OK;
}

static rlx_status check(plan *p) {
    if (p->kernel->object.device != p->stream->device)
        return rlx_fail(RLX_ERROR_INVALID, "the kernel is of another device (%s) than the stream (%s)",
                        p->kernel->object.device->name, p->stream->device->name);
    rlx_status status = rlx_check_next(p->wanted->next, "rlx_dispatch");
    if (!status && p->wanted->groups_slot.plus_one) {
        if (!rlx_stream_records(p->stream))
            return rlx_fail(RLX_ERROR_INVALID, "groups_slot: slots are for streams opened with RLX_STREAM_RECORD");
        if (p->wanted->groups_slot.plus_one > RLX_SLOT_MAX)
            return rlx_fail(RLX_ERROR_LIMIT, "groups_slot: slots are below %d", RLX_SLOT_MAX);
    }
    if (!status) status = check_grid(p);
    if (!status) status = check_group(p);
    if (!status) status = check_args(p);
    if (!status && p->ranges > 1) status = check_aliases(p);
    if (!status) status = check_uses(p);
    return status;
}

/* Holds the kernel and every buffer; makes the recorder's room. */
static rlx_status hold(const plan *p) {
    rlx_stream *stream = p->stream;
    rlx_status status = rlx_encode_reserve(stream, p->wanted->arg_count + p->wanted->use_count + 1);
    if (!status) status = rlx_stream_hold(stream, (rlx_object *)(uintptr_t)&p->kernel->object);
    for (uint32_t i = 0; !status && i < p->ranges; i++)
        if (p->resolved[i].buffer) status = rlx_stream_hold(stream, &p->resolved[i].buffer->object);
    for (uint32_t i = 0; !status && i < p->wanted->use_count; i++)
        if (p->wanted->uses[i].range.buffer) status = rlx_batch_hold(stream, &p->wanted->uses[i].range.buffer->object);
    return status;
}

/* Arguments, places and values behind the packet; the recorder learns of each slot and range. */
static void lay_out(const plan *p, rlx_packet_dispatch *packet, rlx_host_arg *args, rlx_place *places,
                    unsigned char *values) {
    const rlx_param *params = p->kernel->properties.params;
    uint32_t range = 0, alignment = p->stream->device->properties.limits.binding_alignment;
    bool records = rlx_stream_records(p->stream);
    for (uint32_t i = 0; i < p->wanted->arg_count; i++) {
        const rlx_arg *arg = &p->wanted->args[i];
        if (params[i].access != RLX_VALUE) {
            const rlx_resolved *resolved = &p->resolved[range++];
            args[i] = (rlx_host_arg){ resolved->place.host, resolved->size };
            if (places) places[i] = resolved->place;
            if (records)
                rlx_encode_access(p->stream, &packet->base, resolved, resolved->size, params[i].access,
                                  RLX_FIXUP_ARG_RANGE, i, alignment);
            continue;
        }
        uintptr_t mask = params[i].alignment - 1;
        values = (unsigned char *)(((uintptr_t)values + mask) & ~mask);
        args[i] = (rlx_host_arg){ values, params[i].size };
        if (places) places[i] = (rlx_place){ NULL, 0, NULL };
        if (arg->kind == RLX_ARG_INLINE && params[i].size == 4) memcpy(values, &arg->bits, 4); /* a store, not a call */
        else if (arg->kind == RLX_ARG_INLINE) memcpy(values, &arg->bits, params[i].size);
        else if (arg->kind == RLX_ARG_POINTER && rlx_lie("values-are-borrowed"))
            args[i].data = (void *)(uintptr_t)arg->bytes;
        else if (arg->kind == RLX_ARG_POINTER) memcpy(values, arg->bytes, params[i].size);
        else
            rlx_recorder_fixup(&p->stream->recorder, &(rlx_fixup){ .packet = &packet->base,
                                                                   .size = params[i].size,
                                                                   .slot = arg->slot,
                                                                   .command = (uint32_t)p->stream->current->count,
                                                                   .kind = RLX_FIXUP_ARG_VALUE,
                                                                   .arg = (uint16_t)i });
        values += params[i].size;
    }
}

/* Uses and the grid's slot: nothing of them is in the packet's arguments. */
static void record_rest(const plan *p, rlx_packet_dispatch *packet) {
    for (uint32_t i = 0; i < p->wanted->use_count; i++) {
        rlx_resolved resolved;
        if (rlx_encode_range(p->stream, &p->wanted->uses[i].range, "uses", &resolved)) continue; /* it was checked */
        rlx_encode_access(p->stream, &packet->base, &resolved, resolved.size, p->wanted->uses[i].access, RLX_FIXUP_USE,
                          i, 1);
    }
    if (p->wanted->groups_slot.plus_one)
        rlx_recorder_fixup(&p->stream->recorder, &(rlx_fixup){ .packet = &packet->base,
                                                               .slot = p->wanted->groups_slot.plus_one - 1,
                                                               .command = (uint32_t)p->stream->current->count,
                                                               .kind = RLX_FIXUP_GROUPS });
}

static rlx_status append(const plan *p) {
    rlx_stream *stream = p->stream;
    uint32_t count = p->wanted->arg_count;
    bool places = !(stream->device->backend.flags & RLX_BACKEND_HOST_MEMORY);
    size_t args_size = count * sizeof(rlx_host_arg), places_size = places ? count * sizeof(rlx_place) : 0;
    size_t size = sizeof(rlx_packet_dispatch) + args_size + places_size + p->kernel->value_bytes;
    if (p->kernel->value_alignment > 8) size += 8; /* what comes before the values is a multiple of 8 */
    const char *label;
    if (!rlx_batch_label(stream, p->wanted->label, &label)) return RLX_ERROR_OUT_OF_MEMORY;
    rlx_packet_dispatch *packet = rlx_batch_take(stream, size, _Alignof(rlx_packet_dispatch));
    if (!packet) return RLX_ERROR_OUT_OF_MEMORY;
    rlx_host_arg *args = (rlx_host_arg *)(packet + 1);
    rlx_place *at = (rlx_place *)(void *)((unsigned char *)args + args_size);
    packet->base.kind = RLX_PACKET_DISPATCH;
    packet->base.flags = 0;
    packet->base.label = label;
    packet->kernel = p->kernel->handle;
    memcpy(packet->groups, p->groups, sizeof packet->groups);
    memcpy(packet->group_size, p->group_size, sizeof packet->group_size);
    packet->group_count = p->group_count;
    packet->shared_bytes = p->shared_bytes;
    packet->arg_count = count;
    packet->args = args;
    packet->places = places ? at : NULL;
    packet->info = &p->kernel->properties;
    lay_out(p, packet, args, places ? at : NULL, (unsigned char *)at + places_size);
    if (rlx_stream_records(stream)) record_rest(p, packet);
    rlx_batch_append(stream, &packet->base);
    return RLX_OK;
}

rlx_status rlx_stream_dispatch(rlx_stream *stream, rlx_kernel *kernel, const rlx_dispatch *dispatch) {
    rlx_status status = rlx_stream_enter(stream);
    if (status) return status;
    if (!kernel || !dispatch)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_dispatch: %s is NULL", kernel ? "dispatch" : "kernel");
    plan p; /* not cleared: it is large, and filled in as it is checked */
    p.stream = stream;
    p.kernel = kernel;
    p.wanted = dispatch;
    status = check(&p);
    if (status && rlx_lie("refusal-discards-the-rest")) rlx_stream_discard(stream);
    if (status)
        return rlx_fail_within(status, "dispatch '%s' of kernel '%s'", dispatch->label ? dispatch->label : "",
                               kernel->properties.name);
    if (!dispatch->groups[0] && !dispatch->groups_slot.plus_one) return RLX_OK; /* an empty grid does nothing */
    if (!dispatch->groups[1] && rlx_lie("y-of-zero-is-none")) return RLX_OK;
    status = hold(&p);
    return status ? status : append(&p);
}
