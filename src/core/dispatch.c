/* Encoding of dispatches: the arguments are checked against the kernel's signature, and laid out as the backend (and a
 * host function) will read them, in one piece of the batch's memory:
 *
 *     rlx_packet_dispatch | rlx_host_arg[n] | rlx_place[n], unless all memory is the host's | values, each aligned
 *
 * This is what a command costs its caller, so it is one pass: each argument is read once, and written to where it stays.
 * If one of them is refused, the memory and what the recorder has heard are given back, and nothing has happened. */
#include <string.h>

#include "encode.h"

#define USES_MAX 256 /* declared beside the arguments: checked pairwise with them */

/* Bytes that a dispatch touches: what rule 15 looks at. */
typedef struct touched {
    rlx_buffer *buffer;  /* NULL: a slot's, checked at each run */
    uint64_t begin, end; /* hazard addresses; equal if it is empty, or a slot's */
    rlx_access access;
} touched;

/* A dispatch on its way from the caller's description to a packet. */
typedef struct plan {
    rlx_stream *stream;
    const rlx_kernel *kernel;
    const rlx_dispatch *wanted;
    rlx_packet_dispatch *packet;
    rlx_host_arg *args;
    rlx_place *places; /* NULL: the backend needs none */
    uint32_t ranges;   /* one for each buffer argument, in order: */
    touched range[RLX_PARAM_MAX];
} plan;

/* ---- The grid and the group ---- */

static rlx_status grid_too_large(const plan *p) {
    const rlx_device *device = p->stream->device;
    for (int i = 0; i < 3; i++)
        if (p->packet->groups[i] > device->properties.limits.groups[i])
            return rlx_fail(RLX_ERROR_LIMIT, "groups[%d] = %u; the limit of %s is %u", i, p->packet->groups[i],
                            device->name, device->properties.limits.groups[i]);
    return rlx_fail(RLX_ERROR_LIMIT, "the grid has more than 2^64 groups");
}

static rlx_status check_grid(plan *p) {
    const uint32_t *limits = p->stream->device->properties.limits.groups;
    uint32_t *groups = p->packet->groups;
    groups[0] = p->wanted->groups[0];
    groups[1] = p->wanted->groups[1] ? p->wanted->groups[1] : 1;
    groups[2] = p->wanted->groups[2] ? p->wanted->groups[2] : 1;
    uint64_t plane = (uint64_t)groups[0] * groups[1];
    bool over = __builtin_mul_overflow(plane, groups[2], &p->packet->group_count);
    if (over || groups[0] > limits[0] || groups[1] > limits[1] || groups[2] > limits[2]) return grid_too_large(p);
    return RLX_OK;
}

/* The group and its shared memory where they are not the kernel's. */
static rlx_status change_group(plan *p) {
    const rlx_device *device = p->stream->device;
    const rlx_dispatch *wanted = p->wanted;
    rlx_packet_dispatch *packet = p->packet;
    if (wanted->group_size[0] | wanted->group_size[1] | wanted->group_size[2]) {
        for (int i = 0; i < 3; i++) packet->group_size[i] = wanted->group_size[i] ? wanted->group_size[i] : 1;
        bool same = memcmp(packet->group_size, p->kernel->properties.group_size, sizeof packet->group_size) == 0;
        if (!same && !(device->properties.can & RLX_CAN_GROUP_SIZE))
            return rlx_fail(RLX_ERROR_UNSUPPORTED, "%s cannot change a kernel's group size (RLX_CAN_GROUP_SIZE)",
                            device->name);
    }
    if (wanted->shared_bytes && !(device->properties.can & RLX_CAN_DYNAMIC_SHARED))
        return rlx_fail(RLX_ERROR_UNSUPPORTED, "%s cannot add shared memory (RLX_CAN_DYNAMIC_SHARED)", device->name);
    rlx_status status =
        rlx_group_check(device, packet->group_size, (uint64_t)packet->shared_bytes + wanted->shared_bytes);
    packet->shared_bytes += wanted->shared_bytes;
    return status;
}

static inline rlx_status check_group(plan *p) {
    const rlx_dispatch *wanted = p->wanted;
    uint32_t changed = wanted->group_size[0] | wanted->group_size[1] | wanted->group_size[2] | wanted->shared_bytes;
    return changed ? change_group(p) : RLX_OK;
}

/* ---- Arguments ---- */

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

/* A range that is not plain: of a slot, or wrong. */
static rlx_status resolve_argument(const plan *p, uint32_t i, const rlx_arg *arg, rlx_resolved *resolved) {
    if (arg->kind != RLX_ARG_RANGE && arg->kind != RLX_ARG_SLOT)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u is a value, the parameter a buffer", i);
    rlx_range range = arg->kind == RLX_ARG_SLOT ? rlx_slot_range(arg->slot, 0) : arg->range;
    char what[24];
    return rlx_encode_range(p->stream, &range, argument_name(i, what), resolved);
}

static rlx_status range_refused(const plan *p, uint32_t i, const rlx_resolved *resolved) {
    const rlx_device *device = p->stream->device;
    const rlx_limits *limits = &device->properties.limits;
    if (resolved->place.offset & (limits->binding_alignment - 1))
        return rlx_fail(RLX_ERROR_ALIGNMENT, "argument %u: offset %llu is no multiple of %u, as %s requires", i,
                        (unsigned long long)resolved->place.offset, limits->binding_alignment, device->name);
    return rlx_fail(RLX_ERROR_LIMIT, "argument %u: %llu bytes; the limit of one binding is %llu", i,
                    (unsigned long long)resolved->size, (unsigned long long)limits->binding_size);
}

static inline rlx_status take_buffer(plan *p, uint32_t i, const rlx_arg *arg, rlx_access access) {
    rlx_stream *stream = p->stream;
    const rlx_limits *limits = &stream->device->properties.limits;
    rlx_resolved resolved;
    if (arg->kind != RLX_ARG_RANGE || !rlx_range_plain(stream->device, &arg->range, &resolved)) {
        rlx_status status = resolve_argument(p, i, arg, &resolved);
        if (status) return status;
    }
    bool slot = resolved.slot_plus_one != 0;                                   /* the rest is checked at each run */
    bool aligned = !(resolved.place.offset & (limits->binding_alignment - 1)); /* a power of two */
    if (!slot && (!aligned || resolved.size > limits->binding_size)) return range_refused(p, i, &resolved);
    uint64_t end = slot ? resolved.address : resolved.address + resolved.size;
    p->range[p->ranges++] = (touched){ resolved.buffer, resolved.address, end, access };
    p->args[i].data = resolved.place.host;
    p->args[i].size = resolved.size;
    if (p->places) p->places[i] = resolved.place;
    if (rlx_stream_records(stream))
        rlx_encode_access(stream, &p->packet->base, &resolved, resolved.size, access, RLX_FIXUP_ARG_RANGE, i,
                          limits->binding_alignment);
    return RLX_OK;
}

static rlx_status take_slot_value(const plan *p, uint32_t i, const rlx_arg *arg, const rlx_param *param) {
    if (!rlx_stream_records(p->stream))
        return rlx_fail(RLX_ERROR_INVALID, "argument %u: slots are for streams opened with RLX_STREAM_RECORD", i);
    if (arg->slot >= RLX_SLOT_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "argument %u: slot %u; slots are below %d", i, arg->slot, RLX_SLOT_MAX);
    rlx_recorder_fixup(&p->stream->recorder, &(rlx_fixup){ .packet = &p->packet->base,
                                                           .size = param->size,
                                                           .slot = arg->slot,
                                                           .command = (uint32_t)p->stream->current->count,
                                                           .kind = RLX_FIXUP_ARG_VALUE,
                                                           .arg = (uint16_t)i });
    return RLX_OK;
}

/* A value that is not simply a word in the argument. */
static rlx_status take_other_value(const plan *p, uint32_t i, const rlx_arg *arg, const rlx_param *param) {
    if (arg->kind == RLX_ARG_SLOT) return take_slot_value(p, i, arg, param);
    if (arg->kind != RLX_ARG_INLINE && arg->kind != RLX_ARG_POINTER)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u is a buffer, the parameter a value", i);
    if (arg->size != param->size)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u: a value of %u bytes, the parameter has %u", i, arg->size,
                        param->size);
    if (arg->kind == RLX_ARG_INLINE ? arg->size > sizeof arg->bits : !arg->bytes)
        return rlx_fail(RLX_ERROR_INVALID, "argument %u: more than 8 bytes need rlx_arg_bytes, with a pointer", i);
    rlx_host_arg *to = &p->args[i];
    if (arg->kind == RLX_ARG_INLINE) memcpy(to->data, &arg->bits, param->size);
    else if (rlx_lie("values-are-borrowed")) to->data = (void *)(uintptr_t)arg->bytes;
    else memcpy(to->data, arg->bytes, param->size);
    return RLX_OK;
}

/* `values`: the first byte behind the values before it; moved behind this one. */
static inline rlx_status take_value(plan *p, uint32_t i, const rlx_arg *arg, const rlx_param *param,
                                    unsigned char **values) {
    uintptr_t mask = param->alignment - 1;
    unsigned char *value = (unsigned char *)(((uintptr_t)*values + mask) & ~mask);
    *values = value + param->size;
    p->args[i].data = value;
    p->args[i].size = param->size;
    if (p->places) p->places[i] = (rlx_place){ NULL, 0, NULL };
    if (arg->kind != RLX_ARG_INLINE || arg->size != 4 || param->size != 4) return take_other_value(p, i, arg, param);
    memcpy(value, &arg->bits, 4);
    return RLX_OK;
}

static rlx_status take_args(plan *p, unsigned char *values) {
    uint32_t count = p->kernel->properties.param_count;
    if (p->wanted->arg_count != count)
        return rlx_fail(RLX_ERROR_INVALID, "%u arguments, the kernel has %u parameters", p->wanted->arg_count, count);
    if (count && !p->wanted->args) return rlx_fail(RLX_ERROR_INVALID, "args is NULL");
    for (uint32_t i = 0; i < count; i++) {
        const rlx_param *param = &p->kernel->properties.params[i];
        const rlx_arg *arg = &p->wanted->args[i];
        rlx_status status =
            param->access == RLX_VALUE ? take_value(p, i, arg, param, &values) : take_buffer(p, i, arg, param->access);
        if (status) return status;
    }
    return RLX_OK;
}

/* ---- What overlaps ---- */

static inline bool overlap(const touched *a, const touched *b) {
    if (a->buffer && a->buffer == b->buffer && rlx_lie("one-buffer-is-one-range")) return true;
    /* Nothing overlaps what is empty. */
    return a->begin < b->end && b->begin < a->end && a->begin < a->end && b->begin < b->end;
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
            if (overlap(&p->range[i], &p->range[j]) &&
                (p->range[i].access != RLX_READ || p->range[j].access != RLX_READ || rlx_lie("two-reads-refused")))
                return rlx_fail(
                    RLX_ERROR_ALIAS,
                    "arguments %u and %u overlap and one of them is written; in place is one READ_WRITE argument",
                    argument_of(p, j), argument_of(p, i));
    return RLX_OK;
}

/* What is declared in `uses` has to exist, and not to overlap an argument unless both are read. Nothing of it is in the
 * packet's arguments; the recorder learns of it, and the batch holds its buffer. */
static rlx_status take_use(plan *p, uint32_t i) {
    const rlx_use *use = &p->wanted->uses[i];
    rlx_resolved resolved;
    if (use->access != RLX_READ && use->access != RLX_WRITE && use->access != RLX_READ_WRITE)
        return rlx_fail(RLX_ERROR_INVALID, "use %u: %d is no access", i, (int)use->access);
    rlx_status status = rlx_encode_range(p->stream, &use->range, "a range in uses", &resolved);
    if (status) return status;
    uint64_t size = resolved.slot_plus_one ? 0 : resolved.size;
    const touched range = { resolved.buffer, resolved.address, resolved.address + size, use->access };
    for (uint32_t j = 0; j < p->ranges; j++)
        if (overlap(&range, &p->range[j]) && (use->access != RLX_READ || p->range[j].access != RLX_READ))
            return rlx_fail(RLX_ERROR_ALIAS, "use %u and argument %u overlap and one of them is written", i,
                            argument_of(p, j));
    rlx_encode_access(p->stream, &p->packet->base, &resolved, resolved.size, use->access, RLX_FIXUP_USE, i, 1);
    return RLX_OK;
}

static rlx_status take_uses(plan *p) {
    if (!p->wanted->uses) return rlx_fail(RLX_ERROR_INVALID, "uses is NULL");
    for (uint32_t i = 0; i < p->wanted->use_count; i++) {
        rlx_status status = take_use(p, i);
        if (status) return status;
    }
    return RLX_OK;
}

/* ---- All of it ---- */

/* What must be known before there is a packet. */
static rlx_status check_head(const plan *p) {
    const rlx_dispatch *wanted = p->wanted;
    if (p->kernel->object.device != p->stream->device)
        return rlx_fail(RLX_ERROR_INVALID, "the kernel is of another device (%s) than the stream (%s)",
                        p->kernel->object.device->name, p->stream->device->name);
    if (wanted->next) return rlx_check_next(wanted->next, "rlx_dispatch");
    if (wanted->use_count > USES_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "%u uses; the limit is %d: declare ranges that hold several",
                        wanted->use_count, USES_MAX);
    if (!wanted->groups_slot.plus_one) return RLX_OK;
    if (!rlx_stream_records(p->stream))
        return rlx_fail(RLX_ERROR_INVALID, "groups_slot: slots are for streams opened with RLX_STREAM_RECORD");
    if (wanted->groups_slot.plus_one > RLX_SLOT_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "groups_slot: slots are below %d", RLX_SLOT_MAX);
    return RLX_OK;
}

/* Memory for all of it. Sets `values` to where the values go. */
static rlx_status take_packet(plan *p, unsigned char **values) {
    rlx_stream *stream = p->stream;
    const rlx_kernel *kernel = p->kernel;
    uint32_t count = kernel->properties.param_count;
    bool places = !(stream->device->backend.flags & RLX_BACKEND_HOST_MEMORY);
    size_t args_size = count * sizeof(rlx_host_arg), places_size = places ? count * sizeof(rlx_place) : 0;
    size_t size = sizeof(rlx_packet_dispatch) + args_size + places_size + kernel->value_bytes;
    if (kernel->value_alignment > 8) size += 8; /* what comes before the values is a multiple of 8 */
    rlx_packet_dispatch *packet = rlx_batch_take(stream, size, _Alignof(rlx_packet_dispatch));
    if (!packet) return RLX_ERROR_OUT_OF_MEMORY;
    p->packet = packet;
    p->args = (rlx_host_arg *)(packet + 1);
    unsigned char *behind = (unsigned char *)p->args + args_size;
    p->places = places ? (rlx_place *)(void *)behind : NULL;
    *values = behind + places_size;
    packet->base.kind = RLX_PACKET_DISPATCH;
    packet->base.flags = 0;
    packet->base.label = NULL;
    packet->kernel = kernel->handle;
    memcpy(packet->group_size, kernel->properties.group_size, sizeof packet->group_size);
    packet->shared_bytes = kernel->properties.shared_bytes;
    packet->arg_count = count;
    packet->args = p->args;
    packet->places = p->places;
    packet->info = &kernel->properties;
    if (!p->wanted->label) return RLX_OK;
    return rlx_batch_label(stream, p->wanted->label, &packet->base.label) ? RLX_OK : RLX_ERROR_OUT_OF_MEMORY;
}

/* Holds the kernel and every buffer. */
static rlx_status hold(const plan *p) {
    rlx_stream *stream = p->stream;
    rlx_status status = rlx_stream_hold(stream, (rlx_object *)(uintptr_t)&p->kernel->object);
    for (uint32_t i = 0; !status && i < p->ranges; i++)
        if (p->range[i].buffer) status = rlx_stream_hold(stream, &p->range[i].buffer->object);
    for (uint32_t i = 0; !status && i < p->wanted->use_count; i++)
        if (p->wanted->uses[i].range.buffer) status = rlx_batch_hold(stream, &p->wanted->uses[i].range.buffer->object);
    return status;
}

/* Everything but appending it. */
static rlx_status prepare(plan *p) {
    unsigned char *values;
    rlx_status status = check_head(p);
    if (!status) status = rlx_encode_reserve(p->stream, p->kernel->properties.param_count + p->wanted->use_count + 1);
    if (!status) status = take_packet(p, &values);
    if (!status) status = check_grid(p);
    if (!status) status = check_group(p);
    if (!status) status = take_args(p, values);
    if (!status && p->ranges > 1) status = check_aliases(p);
    if (!status && p->wanted->use_count) status = take_uses(p);
    if (!status && p->wanted->groups_slot.plus_one)
        rlx_recorder_fixup(&p->stream->recorder, &(rlx_fixup){ .packet = &p->packet->base,
                                                               .slot = p->wanted->groups_slot.plus_one - 1,
                                                               .command = (uint32_t)p->stream->current->count,
                                                               .kind = RLX_FIXUP_GROUPS });
    return status;
}

/* An empty grid does nothing, but is checked like any other. */
static bool is_empty(const rlx_dispatch *wanted) {
    if (wanted->groups_slot.plus_one) return false;
    return !wanted->groups[0] || (!wanted->groups[1] && rlx_lie("y-of-zero-is-none"));
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
    p.ranges = 0;
    const rlx_encode_mark mark = rlx_encode_begin(stream);
    status = prepare(&p);
    if (status && rlx_lie("refusal-discards-the-rest")) rlx_stream_discard(stream);
    if (status)
        (void)rlx_fail_within(status, "dispatch '%s' of kernel '%s'", dispatch->label ? dispatch->label : "",
                              kernel->properties.name);
    if (!status && !is_empty(dispatch)) {
        status = hold(&p);
        if (!status) {
            rlx_batch_append(stream, &p.packet->base);
            return RLX_OK;
        }
    }
    rlx_encode_undo(stream, &mark);
    return status;
}
