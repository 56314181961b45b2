/* The poorest device that may be listed: its memory has no host address, its limits are the floors, and it can do
 * nothing beyond them. A handle of memory is no pointer, so that using it as one ends the process. */
#include "base.h"

#include <stdatomic.h>

#define HANDLE_MASK ((uintptr_t)0x5a5a << 48)
#define BLOCKS_MAX 65536 /* of memory, on all devices together: more is out of memory */
#define ARGS_MAX 64      /* 8 buffers and 32 values of 4 bytes are the limits below */

static atomic_uint blocks;

static void *mask(void *pointer) { return (void *)((uintptr_t)pointer ^ HANDLE_MASK); }

static rlx_status places_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    if (kind != RLX_MEMORY_DEVICE) broken("shared memory is asked only of devices with RLX_CAN_HOST_POINTER");
    rlx_status status = RLX_ERROR_OUT_OF_MEMORY;
    if (atomic_fetch_add(&blocks, 1) < BLOCKS_MAX) status = memory_allocate(device, size, kind, block);
    else (void)host->fail(status, "all %d blocks are taken", BLOCKS_MAX);
    if (status) {
        atomic_fetch_sub(&blocks, 1);
        return status;
    }
    block->memory = mask(block->memory);
    block->host = NULL;
    return RLX_OK;
}

static void places_free(void *device, void *memory) {
    memory_free(device, mask(memory));
    atomic_fetch_sub(&blocks, 1);
}

static rlx_place resolve(const rlx_place *place) {
    if (place->host) broken("a place has a host address only if its block has one");
    rlx_place resolved = *place;
    resolved.host = (unsigned char *)mask(place->memory) + place->offset;
    return resolved;
}

static rlx_status run_dispatch(void *stream, const rlx_packet_dispatch *packet) {
    rlx_packet_dispatch dispatch = *packet;
    rlx_host_arg args[ARGS_MAX];
    if (packet->arg_count > ARGS_MAX) broken("buffer_args and value_bytes are kept");
    for (uint32_t i = 0; i < packet->arg_count; i++) {
        args[i] = packet->args[i];
        if (packet->places[i].memory) args[i].data = resolve(&packet->places[i]).host;
    }
    dispatch.args = args;
    return run_packet(stream, &dispatch.base);
}

/* Runs a copy of the packet, with addresses in place of places. */
static rlx_status run_resolved(void *stream, const rlx_packet *packet) {
    switch (packet->kind) {
    case RLX_PACKET_COPY: {
        rlx_packet_copy copy = *(const rlx_packet_copy *)packet;
        copy.dst = resolve(&copy.dst);
        copy.src = resolve(&copy.src);
        return run_packet(stream, &copy.base);
    }
    case RLX_PACKET_WRITE:
    case RLX_PACKET_READ: {
        rlx_packet_host_copy copy = *(const rlx_packet_host_copy *)packet;
        copy.device = resolve(&copy.device);
        return run_packet(stream, &copy.base);
    }
    case RLX_PACKET_FILL: {
        rlx_packet_fill fill = *(const rlx_packet_fill *)packet;
        fill.dst = resolve(&fill.dst);
        return run_packet(stream, &fill.base);
    }
    case RLX_PACKET_DISPATCH: return run_dispatch(stream, (const rlx_packet_dispatch *)packet);
    }
    return run_packet(stream, packet);
}

static rlx_status places_submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    for (const rlx_packet *packet = batch->first; packet; packet = packet->next) {
        if (packet->flags & RLX_PACKET_SKIP) continue;
        fault->status = run_resolved(stream, packet);
        if (fault->status == RLX_OK) continue;
        fault->first = fault->last = packet;
        if (fault->status == RLX_ERROR_DEVICE_LOST) fault->help = RLX_HELP_REOPEN;
        return fault->status;
    }
    return RLX_OK;
}

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)base_table(services, "places", "places:0");
    table.flags = RLX_BACKEND_SYNCHRONOUS;
    table.memory_allocate = places_allocate;
    table.memory_free = places_free;
    table.submit = places_submit;
    listed.can = 0;
    listed.limits = (rlx_limits){ .buffer_size = UINT64_C(256) << 20,
                                  .binding_size = UINT64_C(128) << 20,
                                  .binding_alignment = 256,
                                  .buffer_args = 8,
                                  .value_bytes = 128,
                                  .groups = { 65535, 65535, 65535 },
                                  .group_size = { 256, 256, 64 },
                                  .group_threads = 256,
                                  .shared_bytes = 16 << 10 };
    return &table;
}
