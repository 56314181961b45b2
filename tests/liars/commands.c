/* Lies about what commands do: each is one change to a copy of a packet. */
#include "liar.h"

#define MEBIBYTE (UINT64_C(1) << 20)

static bool add(liar_batch *batch, liar_packet *packet) {
    liar_packet_append(batch, packet);
    return true;
}

/* In its place: `act`, on the packet itself. */
static bool add_act(liar_batch *batch, liar_packet *packet, rlx_call_function act) {
    liar_packet *call = liar_packet_make(batch, packet->origin, packet->inner, 0);
    if (!call) return false;
    call->host_call = (rlx_packet_host_call){ .base = { .kind = RLX_PACKET_HOST_CALL, .index = packet->base.index },
                                              .function = act,
                                              .user = packet };
    return add(batch, call);
}

/* ---- Bytes ---- */

static void move_place(rlx_place *place, uint64_t rows, int64_t stride) {
    int64_t bytes = (int64_t)(rows - 1) * stride;
    place->offset += (uint64_t)bytes;
    place->host = (unsigned char *)place->host + bytes;
}

/* Byte by byte upwards, as memcpy might. */
static rlx_status copy_upwards(void *user) {
    const rlx_packet_copy *copy = &((const liar_packet *)user)->copy;
    unsigned char *dst = copy->dst.host;
    const unsigned char *src = copy->src.host;
    for (uint64_t row = 0; row < copy->rows; row++, dst += copy->dst_stride, src += copy->src_stride)
        for (uint64_t i = 0; i < copy->row_bytes; i++) dst[i] = src[i];
    return RLX_OK;
}

static bool add_copy(liar_batch *batch, liar_packet *packet) {
    rlx_packet_copy *copy = &packet->copy;
    if (copy->row_bytes > MEBIBYTE && liar_tells("copies-end-at-1-mib")) copy->row_bytes = MEBIBYTE;
    if (copy->rows > 1 && liar_tells("last-row-missing")) copy->rows--;
    if (copy->dst_stride < 0 && liar_tells("rows-always-upwards")) {
        move_place(&copy->dst, copy->rows, copy->dst_stride);
        move_place(&copy->src, copy->rows, copy->src_stride);
        copy->dst_stride = -copy->dst_stride;
        copy->src_stride = -copy->src_stride;
    }
    return liar_tells("copy-as-memcpy") ? add_act(batch, packet, copy_upwards) : add(batch, packet);
}

static bool add_fill(liar_batch *batch, liar_packet *packet) {
    rlx_packet_fill *fill = &packet->fill;
    uint32_t turn = 8 * (uint32_t)(fill->dst.offset % 4);
    if (fill->rows > 1 && liar_tells("last-row-missing")) fill->rows--;
    if (turn && liar_tells("fill-begins-at-words"))
        fill->pattern = fill->pattern << turn | fill->pattern >> (32 - turn);
    return add(batch, packet);
}

/* The bytes behind the last one, up to the end of their word, become zero. */
static bool add_clobber(liar_batch *batch, const liar_packet *write) {
    uint64_t bytes = write->host_copy.row_bytes, end = write->host_copy.device.offset + bytes;
    if (end % 4 == 0) return true;
    liar_packet *made = liar_packet_make(batch, write->origin, write->inner, 0);
    if (!made) return false;
    made->fill = (rlx_packet_fill){ .base.kind = RLX_PACKET_FILL,
                                    .dst = write->host_copy.device,
                                    .rows = 1,
                                    .row_bytes = 4 - end % 4,
                                    .pattern_size = 1 };
    made->fill.dst.host = (unsigned char *)made->fill.dst.host + bytes;
    return add(batch, made);
}

static bool add_host_copy(liar_batch *batch, liar_packet *packet) {
    rlx_packet_host_copy *copy = &packet->host_copy;
    bool write = copy->base.kind == RLX_PACKET_WRITE;
    if (copy->rows > 1 && liar_tells("host-rows-packed")) copy->host_stride = (int64_t)copy->row_bytes;
    if (copy->rows > 1 && liar_tells("last-row-missing")) copy->rows--;
    if (!write && liar_tells("read-in-whole-words")) copy->row_bytes &= ~UINT64_C(3);
    if (write && copy->rows == 1 && liar_tells("write-clobbers-its-word"))
        return add(batch, packet) && add_clobber(batch, packet);
    return add(batch, packet);
}

/* ---- Dispatches ---- */

static void falsify_grid(rlx_packet_dispatch *dispatch) {
    enum { CUT = 32768 };
    uint32_t *groups = dispatch->groups;
    if (liar_tells("grid-turned")) {
        uint32_t x = groups[0];
        groups[0] = groups[1];
        groups[1] = x;
    }
    for (int i = 0; i < 3; i++)
        if (groups[i] > CUT && liar_tells("grid-ends-at-32768")) groups[i] = CUT;
    dispatch->group_count = (uint64_t)groups[0] * groups[1] * groups[2];
}

static void falsify_group(rlx_packet_dispatch *dispatch) {
    if (dispatch->group_size[2] > 32 && liar_tells("group-depth-ends-at-32")) dispatch->group_size[2] = 32;
    if (liar_tells("group-size-fixed"))
        memcpy(dispatch->group_size, dispatch->info->group_size, sizeof dispatch->group_size);
    if (liar_tells("dynamic-shared-ignored")) dispatch->shared_bytes = dispatch->info->shared_bytes;
    if (dispatch->shared_bytes > 8192 && liar_tells("shared-memory-halved")) dispatch->shared_bytes = 8192;
}

static void falsify_buffer(rlx_host_arg *arg, const rlx_place *place) {
    static const uint64_t bound = 64 * MEBIBYTE, wrap = 128 * MEBIBYTE;
    const liar_memory *memory = place->memory;
    uint64_t offset = place->offset;
    if (liar_tells("ranges-begin-at-zero")) offset = 0;
    if (liar_tells("offsets-in-steps-of-512")) offset -= offset % 512;
    if (liar_tells("offsets-wrap-at-128-mib")) offset %= wrap;
    arg->data = memory->host + offset;
    if (arg->size > bound && liar_tells("binding-ends-at-64-mib")) arg->size = bound;
}

static void falsify_value(rlx_host_arg *arg, uint64_t begin) {
    unsigned char *bytes = arg->data;
    for (uint64_t i = 0; i < arg->size; i++) {
        if (begin + i >= 64 && liar_tells("values-end-at-64-bytes")) bytes[i] = 0;
        if (i >= 4 && liar_tells("wide-values-cut")) bytes[i] = 0;
    }
    uint32_t word;
    if (arg->size != sizeof word || !liar_tells("integers-of-24-bits")) return;
    memcpy(&word, bytes, sizeof word);
    if (word >> 24 == 0xff || word >> 24 == 0) return; /* small ones, positive and negative, are right */
    word &= ~UINT32_C(0xff);
    memcpy(bytes, &word, sizeof word);
}

static bool add_dispatch(liar_batch *batch, liar_packet *packet) {
    rlx_packet_dispatch *dispatch = &packet->dispatch;
    rlx_host_arg *args = (rlx_host_arg *)(uintptr_t)dispatch->args; /* the copy's own */
    const rlx_place *places = dispatch->places;
    void *first = NULL;
    uint32_t buffers = 0;
    uint64_t values = 0;
    falsify_grid(dispatch);
    falsify_group(dispatch);
    for (uint32_t i = 0; i < dispatch->arg_count; i++) {
        if (places[i].memory) {
            falsify_buffer(&args[i], &places[i]);
            if (buffers++ == 0) first = args[i].data;
            if (buffers == 8 && liar_tells("eighth-buffer-is-the-first")) args[i].data = first;
        } else {
            falsify_value(&args[i], values);
            values += args[i].size;
        }
    }
    return add(batch, packet);
}

/* ---- All ---- */

static rlx_status note_time_gone_by(void *user) {
    *((const liar_packet *)user)->timestamp.ns = liar_host->clock_ns() - RLX_SECOND;
    return RLX_OK;
}

bool liar_command_append(liar_batch *batch, liar_packet *packet) {
    packet->base.flags &= (uint16_t)~RLX_PACKET_SKIP; /* whoever copies it wants it run */
    switch (packet->base.kind) {
    case RLX_PACKET_COPY: return add_copy(batch, packet);
    case RLX_PACKET_FILL: return add_fill(batch, packet);
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: return add_host_copy(batch, packet);
    case RLX_PACKET_DISPATCH: return add_dispatch(batch, packet);
    case RLX_PACKET_TIMESTAMP:
        return liar_tells("clock-runs-behind") ? add_act(batch, packet, note_time_gone_by) : add(batch, packet);
    default: return add(batch, packet);
    }
}

/* ---- Order ---- */

static void swap_first_two(liar_batch *batch) {
    rlx_packet *first = batch->first, *second = first ? first->next : NULL;
    if (!second) return;
    first->next = second->next;
    second->next = first;
    batch->first = second;
    if (!first->next) batch->end = &first->next;
}

/* Takes the packets of one kind out, in order. */
static rlx_packet *take_kind(liar_batch *batch, uint16_t kind) {
    rlx_packet *taken = NULL, **end = &taken, **link = &batch->first;
    while (*link) {
        rlx_packet *packet = *link;
        if (packet->kind != kind) {
            link = &packet->next;
            continue;
        }
        *link = packet->next;
        packet->next = NULL;
        *end = packet;
        end = &packet->next;
    }
    batch->end = link;
    return taken;
}

static void put_first(liar_batch *batch, rlx_packet *packets) {
    rlx_packet **end = &packets;
    while (*end) end = &(*end)->next;
    *end = batch->first;
    if (!batch->first) batch->end = end;
    batch->first = packets;
}

/* Inside submit, while batches before this one still run. */
static void write_now(const rlx_packet *packet) {
    for (; packet; packet = packet->next) {
        const rlx_packet_host_copy *copy = (const rlx_packet_host_copy *)packet;
        unsigned char *dst = copy->device.host;
        const unsigned char *src = copy->host;
        for (uint64_t row = 0; row < copy->rows; row++, dst += copy->device_stride, src += copy->host_stride)
            memmove(dst, src, (size_t)copy->row_bytes);
    }
}

void liar_order_falsify(liar_batch *batch) {
    if (liar_tells("first-two-swapped")) swap_first_two(batch);
    if (liar_tells("host-calls-first")) put_first(batch, take_kind(batch, RLX_PACKET_HOST_CALL));
    if (liar_tells("writes-overtake")) write_now(take_kind(batch, RLX_PACKET_WRITE));
}
