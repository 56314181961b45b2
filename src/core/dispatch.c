/* Encoding of dispatches: the arguments are checked against the kernel's signature, and laid out as the backend (and a
 * host function) will read them, in one piece of the batch's memory:
 *
 *     rlx_packet_dispatch | rlx_host_arg[n] | rlx_place[n], unless all memory is the host's | values, each aligned
 *
 * This is what a command costs its caller, so it is one pass: each argument is read once, and written to where it
 * stays. If one of them is refused, the memory and what the recorder has heard are given back. What is usual is written
 * out in line; whatever is not (slots, uses, a label, another group size) has a function of its own. */
#include <string.h>

#include "encode.h"

#define USES_MAX 256 /* declared beside the arguments: checked pairwise with them */

/* Bytes that a dispatch touches, as hazard addresses: what rule 15 looks at. Nothing overlaps UINT64_MAX to 0, which
 * stands for a range that is empty, and for a slot's, which is checked at each run. */
typedef struct touched {
    uint64_t begin, end;
} touched;

/* A dispatch on its way from the caller's description to a packet. */
typedef struct plan {
    rlx_stream *stream;
    const rlx_kernel *kernel;
    const rlx_dispatch *wanted;
    rlx_packet_dispatch *packet;
    rlx_host_arg *args;
    rlx_place *places;            /* NULL: the backend needs none */
    bool more;                    /* there are places, or a recorder, for buffers to be noted in */
    touched range[RLX_PARAM_MAX]; /* for each buffer argument, in order */
} plan;

/* ---- The grid and the group ---- */

static rlx_status check_grid(const plan *p) {
    const rlx_device *device = p->stream->device;
    const uint32_t *limits = device->properties.limits.groups;
    rlx_packet_dispatch *packet = p->packet;
    for (int i = 0; i < 3; i++)
        if (packet->groups[i] > limits[i])
            return rlx_fail(RLX_ERROR_LIMIT, "groups[%d] = %u; the limit of %s is %u", i, packet->groups[i],
                            device->name, limits[i]);
    uint64_t plane = (uint64_t)packet->groups[0] * packet->groups[1];
    if (__builtin_mul_overflow(plane, packet->groups[2], &packet->group_count))
        return rlx_fail(RLX_ERROR_LIMIT, "the grid has more than 2^64 groups");
    return RLX_OK;
}

static inline rlx_status take_grid(const plan *p) {
    const uint32_t x = p->wanted->groups[0], y = p->wanted->groups[1], z = p->wanted->groups[2];
    rlx_packet_dispatch *packet = p->packet;
    packet->groups[0] = x;
    packet->groups[1] = y ? y : 1;
    packet->groups[2] = z ? z : 1;
    packet->group_count = x;
    bool plain = !(y | z) && x <= p->stream->device->properties.limits.groups[0];
    return plain ? RLX_OK : check_grid(p);
}

/* The group and its shared memory where they are not the kernel's. */
static rlx_status change_group(const plan *p) {
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

static touched touched_of(const rlx_resolved *range) {
    if (range->slot_plus_one || !range->size) return (touched){ UINT64_MAX, 0 };
    if (rlx_lie("one-buffer-is-one-range"))
        return (touched){ range->buffer->address, range->buffer->address + range->buffer->size };
    return (touched){ range->address, range->address + range->size };
}

static rlx_status check_binding(const plan *p, uint32_t i, const rlx_resolved *resolved) {
    const rlx_device *device = p->stream->device;
    const rlx_limits *limits = &device->properties.limits;
    if (resolved->place.offset & (limits->binding_alignment - 1)) /* a power of two */
        return rlx_fail(RLX_ERROR_ALIGNMENT, "argument %u: offset %llu is no multiple of %u, as %s requires", i,
                        (unsigned long long)resolved->place.offset, limits->binding_alignment, device->name);
    if (resolved->size > limits->binding_size)
        return rlx_fail(RLX_ERROR_LIMIT, "argument %u: %llu bytes; the limit of one binding is %llu", i,
                        (unsigned long long)resolved->size, (unsigned long long)limits->binding_size);
    return RLX_OK;
}

/* Any argument for a buffer parameter. */
static rlx_status take_buffer(const plan *p, uint32_t i, touched *range) {
    rlx_stream *stream = p->stream;
    const rlx_arg *arg = &p->wanted->args[i];
    rlx_resolved resolved;
    bool plain = arg->kind == RLX_ARG_RANGE && rlx_range_plain(stream->device, &arg->range, &resolved);
    rlx_status status = plain ? RLX_OK : resolve_argument(p, i, arg, &resolved);
    bool slot = !status && resolved.slot_plus_one; /* the rest is checked at each run */
    if (!status && !slot) status = check_binding(p, i, &resolved);
    if (status) return status;
    *range = touched_of(&resolved);
    p->args[i] = (rlx_host_arg){ resolved.place.host, resolved.size };
    if (p->places) p->places[i] = resolved.place;
    rlx_encode_access(stream, &p->packet->base, &resolved, resolved.size, p->kernel->properties.params[i].access,
                      RLX_FIXUP_ARG_RANGE, i, stream->device->properties.limits.binding_alignment);
    return slot ? RLX_OK : rlx_batch_hold(stream, &resolved.buffer->object);
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

/* What take_buffer does, for the usual case: some bytes of a buffer of this device, of which no more is kept than where
 * they are, and which the batch holds already. False: it is another case, or wrong. */
static inline bool take_plain_buffer(const rlx_stream *stream, const rlx_device *device, const rlx_arg *arg,
                                     rlx_host_arg *to, touched *range) {
    const rlx_limits *limits = &device->properties.limits;
    const rlx_buffer *buffer = arg->range.buffer;
    if (arg->kind | arg->range.slot_plus_one || !buffer || !rlx_stream_holds(stream, &buffer->object)) return false;
    uint64_t offset = arg->range.offset, rest = buffer->size - offset;
    uint64_t size = arg->range.size == RLX_REST ? rest : arg->range.size;
    bool inside = offset <= buffer->size && size <= rest && size;
    bool bindable = size <= limits->binding_size && !(offset & (limits->binding_alignment - 1));
    if (!inside || !bindable || rlx_lie("one-buffer-is-one-range")) return false;
    range->begin = buffer->address + offset;
    range->end = range->begin + size;
    to->data = (void *)(uintptr_t)range->begin; /* no places: all memory is the host's */
    to->size = size;
    return true;
}

static inline rlx_status take_args(const plan *p, touched *range) {
    const rlx_stream *const stream = p->stream;
    const rlx_device *const device = stream->device;
    const rlx_param *param = p->kernel->properties.params, *const end = param + p->kernel->properties.param_count;
    const rlx_arg *arg = p->wanted->args;
    rlx_host_arg *to = p->args;
    uintptr_t value = (uintptr_t)p->packet + p->kernel->values_at;
    const bool more = p->more;
    for (; param < end; arg++, param++, to++) {
        rlx_status status = RLX_OK;
        if (param->access != RLX_VALUE) {
            if (more || !take_plain_buffer(stream, device, arg, to, range))
                status = take_buffer(p, (uint32_t)(to - p->args), range);
            range++;
        } else {
            value = (value + param->alignment - 1) & ~(uintptr_t)(param->alignment - 1);
            to->data = (void *)value;
            to->size = param->size;
            value += param->size;
            if (arg->kind == RLX_ARG_INLINE && arg->size == 4 && param->size == 4) memcpy(to->data, &arg->bits, 4);
            else status = take_other_value(p, (uint32_t)(to - p->args), arg, param);
        }
        if (status) return status;
    }
    return RLX_OK;
}

/* ---- What overlaps ---- */

static inline bool overlap(const touched *a, const touched *b) { return a->begin < b->end && b->begin < a->end; }

/* The argument that is range number `range`. */
static uint32_t argument_of(const plan *p, uint32_t range) {
    for (uint32_t i = 0;; i++)
        if (p->kernel->properties.params[i].access != RLX_VALUE && range-- == 0) return i;
}

static rlx_status aliases_refused(const plan *p, uint32_t i, uint32_t j) {
    return rlx_fail(RLX_ERROR_ALIAS,
                    "arguments %u and %u overlap and one of them is written; in place is one READ_WRITE argument",
                    argument_of(p, i < j ? i : j), argument_of(p, i < j ? j : i));
}

/* Rule 15: what overlaps in bytes must all be read. Few enough arguments to compare each that is written with each. */
static inline rlx_status check_aliases(const plan *p) {
    const uint32_t count = p->kernel->buffers, written = p->kernel->written_count;
    if (rlx_lie("aliases-accepted")) return RLX_OK;
    for (uint32_t k = 0; k < written; k++) {
        const uint32_t i = p->kernel->written[k];
        const touched range = p->range[i];
        for (uint32_t j = 0; j < count; j++)
            if (overlap(&range, &p->range[j]) && j != i) return aliases_refused(p, i, j);
    }
    for (uint32_t i = 1; i < count && rlx_lie("two-reads-refused"); i++)
        if (overlap(&p->range[0], &p->range[i])) return aliases_refused(p, 0, i);
    return RLX_OK;
}

/* What is declared in `uses` has to exist, and not to overlap an argument unless both are read. Nothing of it is in the
 * packet's arguments; the recorder learns of it, and the batch holds its buffer. */
static rlx_status take_use(const plan *p, uint32_t i) {
    const rlx_use *use = &p->wanted->uses[i];
    rlx_resolved resolved;
    if (use->access != RLX_READ && use->access != RLX_WRITE && use->access != RLX_READ_WRITE)
        return rlx_fail(RLX_ERROR_INVALID, "use %u: %d is no access", i, (int)use->access);
    rlx_status status = rlx_encode_range(p->stream, &use->range, "a range in uses", &resolved);
    if (status) return status;
    const touched range = touched_of(&resolved);
    for (uint32_t j = 0; j < p->kernel->buffers; j++) {
        uint32_t argument = argument_of(p, j);
        bool written = use->access != RLX_READ || p->kernel->properties.params[argument].access != RLX_READ;
        if (written && overlap(&range, &p->range[j]))
            return rlx_fail(RLX_ERROR_ALIAS, "use %u and argument %u overlap and one of them is written", i, argument);
    }
    rlx_encode_access(p->stream, &p->packet->base, &resolved, resolved.size, use->access, RLX_FIXUP_USE, i, 1);
    return resolved.buffer ? rlx_batch_hold(p->stream, &resolved.buffer->object) : RLX_OK;
}

static rlx_status take_uses(const plan *p) {
    if (p->wanted->use_count && !p->wanted->uses) return rlx_fail(RLX_ERROR_INVALID, "uses is NULL");
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
    if (wanted->arg_count != p->kernel->properties.param_count)
        return rlx_fail(RLX_ERROR_INVALID, "%u arguments, the kernel has %u parameters", wanted->arg_count,
                        p->kernel->properties.param_count);
    if (wanted->arg_count && !wanted->args) return rlx_fail(RLX_ERROR_INVALID, "args is NULL");
    if (wanted->use_count > USES_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "%u uses; the limit is %d: declare ranges that hold several",
                        wanted->use_count, USES_MAX);
    if (wanted->groups_slot.plus_one && !rlx_stream_records(p->stream))
        return rlx_fail(RLX_ERROR_INVALID, "groups_slot: slots are for streams opened with RLX_STREAM_RECORD");
    if (wanted->groups_slot.plus_one > RLX_SLOT_MAX)
        return rlx_fail(RLX_ERROR_LIMIT, "groups_slot: slots are below %d", RLX_SLOT_MAX);
    return rlx_check_next(wanted->next, "rlx_dispatch");
}

/* Whether a dispatch says no more than grid and arguments. */
static inline bool is_usual(const rlx_dispatch *wanted) {
    uint32_t group = wanted->group_size[0] | wanted->group_size[1] | wanted->group_size[2] | wanted->shared_bytes;
    uint32_t counts = group | wanted->use_count | wanted->groups_slot.plus_one;
    return !((uintptr_t)wanted->label | (uintptr_t)wanted->next | counts);
}

/* What it says beside grid and arguments; behind these, as uses must not overlap them. */
static rlx_status take_rest(const plan *p) {
    rlx_status status = change_group(p);
    if (!status) status = take_uses(p);
    if (!status && p->wanted->groups_slot.plus_one)
        rlx_recorder_fixup(&p->stream->recorder, &(rlx_fixup){ .packet = &p->packet->base,
                                                               .slot = p->wanted->groups_slot.plus_one - 1,
                                                               .command = (uint32_t)p->stream->current->count,
                                                               .kind = RLX_FIXUP_GROUPS });
    if (!status && !rlx_batch_label(p->stream, p->wanted->label, &p->packet->base.label))
        status = RLX_ERROR_OUT_OF_MEMORY;
    return status;
}

/* Memory for all of it. */
static inline bool take_packet(plan *p) {
    const rlx_kernel *kernel = p->kernel;
    rlx_packet_dispatch *packet = rlx_batch_take(p->stream, kernel->packet_bytes, _Alignof(rlx_packet_dispatch));
    if (!packet) return false;
    *packet = kernel->form;
    p->packet = packet;
    p->args = (rlx_host_arg *)(packet + 1);
    packet->args = p->args;
    p->places = NULL;
    p->more = kernel->places_at || rlx_stream_records(p->stream);
    if (!p->more) return true;
    if (kernel->places_at) p->places = (rlx_place *)(void *)((unsigned char *)packet + kernel->places_at);
    if (p->places) memset(p->places, 0, kernel->properties.param_count * sizeof *p->places);
    packet->places = p->places;
    return true;
}

/* Everything but appending it. */
static inline rlx_status prepare(plan *p) {
    const rlx_dispatch *wanted = p->wanted;
    const rlx_kernel *kernel = p->kernel;
    const bool usual = is_usual(wanted);
    bool fits = kernel->object.device == p->stream->device && wanted->arg_count == kernel->properties.param_count;
    rlx_status status = usual && fits && wanted->args ? RLX_OK : check_head(p);
    if (!status) status = rlx_encode_reserve(p->stream, kernel->properties.param_count + wanted->use_count + 1);
    if (!status && !take_packet(p)) status = RLX_ERROR_OUT_OF_MEMORY;
    if (!status) status = rlx_stream_hold(p->stream, (rlx_object *)(uintptr_t)&kernel->object);
    if (!status) status = take_grid(p);
    if (!status) status = take_args(p, p->range);
    if (!status) status = check_aliases(p);
    if (!status && !usual) status = take_rest(p);
    return status;
}

/* An empty grid does nothing, but is checked like any other. */
static inline bool is_empty(const rlx_dispatch *wanted) {
    if (!wanted->groups[0]) return !wanted->groups_slot.plus_one;
    return !wanted->groups[1] && rlx_lie("y-of-zero-is-none") && !wanted->groups_slot.plus_one;
}

static rlx_status refuse(const plan *p, const rlx_encode_mark *mark, rlx_status status) {
    if (status && rlx_lie("refusal-discards-the-rest")) rlx_stream_discard(p->stream);
    rlx_encode_undo(p->stream, mark);
    if (!status) return RLX_OK;
    return rlx_fail_within(status, "dispatch '%s' of kernel '%s'", p->wanted->label ? p->wanted->label : "",
                           p->kernel->properties.name);
}

static inline rlx_status encode_dispatch(rlx_stream *stream, const rlx_kernel *kernel, const rlx_dispatch *dispatch) {
    if (!kernel || !dispatch)
        return rlx_fail(RLX_ERROR_INVALID, "rlx_stream_dispatch: %s is NULL", kernel ? "dispatch" : "kernel");
    plan p; /* not cleared: it is large, and filled in as it is checked */
    p.stream = stream;
    p.kernel = kernel;
    p.wanted = dispatch;
    const rlx_encode_mark mark = rlx_encode_begin(stream);
    rlx_status status = prepare(&p);
    if (status || is_empty(dispatch)) return refuse(&p, &mark, status);
    if (dispatch->use_count && stream->checks) status = rlx_validate_uses(stream, &p.packet->base, dispatch);
    if (status) return refuse(&p, &mark, status);
    rlx_batch_append(stream, &p.packet->base);
    return RLX_OK;
}

rlx_status rlx_stream_dispatch(rlx_stream *stream, rlx_kernel *kernel, const rlx_dispatch *dispatch) {
    rlx_status status = rlx_encoder_enter(stream);
    return status ? status : rlx_encoder_leave(stream, encode_dispatch(stream, kernel, dispatch));
}
