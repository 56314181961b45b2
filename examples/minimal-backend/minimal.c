/* A whole backend: one device that runs everything in submit, on the caller's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It is the smallest useful one, and not a toy: it passes the whole conformance suite. Start a backend of your own from
 * a copy of it; docs/backend-guide.md walks through it and says what changes for a device with a queue or memory of its
 * own. It includes two headers, exports one symbol and links to nothing of rlx-driver: the services that it needs come
 * in `host`.
 *
 *     make && RLX_BACKEND_PATH=. rlx conform --device minimal:0 */
#include <rlx/backend.h>

#include <stdlib.h>
#include <string.h>

#define SHARED_BYTES 65536 /* most shared memory of a group */
#define ALIGNMENT 64       /* of all memory: a cache line, and enough for any type */

static const rlx_host *host;

/* ---- What there is ---- */

static const rlx_format_info formats[] = { { RLX_CODE_HOST, "host" } };

static const rlx_device_properties properties = {
    .struct_size = sizeof properties,
    .kind = RLX_DEVICE_CPU,
    .name = "minimal:0",
    .backend = "minimal",
    .description = "the caller's thread",
    .driver = "minimal 1.0",
    .architecture = "host",
    .progress = RLX_PROGRESS_CALLER, /* nothing happens but inside submit, so only callers get work done */
    .units = 1,
    .subgroup_min = 1,
    .subgroup_max = 1,
    .timer_ns = 1,
    .storage_types = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32,
    .compute_types = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32,
    /* All of these come for free where a kernel is a host function and its arguments are addresses. */
    .can = RLX_CAN_HOST_POINTER | RLX_CAN_GROUP_SIZE | RLX_CAN_DYNAMIC_SHARED | RLX_CAN_WIDE_VALUES,
    .limits = { .buffer_size = UINT64_C(1) << 30,
                .binding_size = UINT64_C(1) << 30,
                .binding_alignment = 1,
                .buffer_args = 64,
                .value_bytes = 1024,
                .groups = { UINT32_MAX, UINT32_MAX, UINT32_MAX },
                .group_size = { 1024, 1024, 1024 },
                .group_threads = 1024,
                .shared_bytes = SHARED_BYTES },
    .formats = formats,
    .format_count = 1,
};

static rlx_status probe(uint32_t *count) {
    *count = 1; /* a real one loads its driver here; if it is missing: count 0, host->fail saying so, and RLX_OK */
    return RLX_OK;
}

static const rlx_device_properties *describe(uint32_t index) {
    (void)index;
    return &properties;
}

/* ---- Device ---- */

static rlx_status device_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc;
    static char nothing; /* a device has nothing to remember here; a real one allocates its state */
    opened->device = &nothing;
    return RLX_OK;
}

static void device_close(void *device) { (void)device; }

/* ---- Memory ---- */

static rlx_status memory_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)device, (void)kind; /* both kinds are host memory */
    block->memory = aligned_alloc(ALIGNMENT, (size_t)((size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT));
    block->host = block->memory;
    if (block->memory) return RLX_OK;
    return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no host memory for %llu bytes", (unsigned long long)size);
}

static void memory_free(void *device, void *memory) {
    (void)device;
    free(memory);
}

/* ---- Kernels ---- */

typedef struct minimal_kernel {
    rlx_host_function function;
    void *user;
} minimal_kernel;

static rlx_status kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel) {
    (void)device;
    minimal_kernel *created = host->allocate(sizeof *created);
    if (!created) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for kernel '%s'", desc->name);
    created->function = code->function;
    created->user = code->user;
    *kernel = created;
    return RLX_OK;
}

static void kernel_destroy(void *device, void *kernel) {
    (void)device;
    host->release(kernel);
}

/* ---- Streams ---- */

/* The core calls submit of one stream from one thread at a time, so its scratch memory needs no lock. */
typedef struct minimal_stream {
    void *shared;
} minimal_stream;

static rlx_status stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink, void **stream) {
    (void)device, (void)desc, (void)sink; /* the sink is for backends that complete batches later */
    minimal_stream *opened = host->allocate(sizeof *opened);
    if (!opened) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for a stream");
    opened->shared = aligned_alloc(ALIGNMENT, SHARED_BYTES);
    if (!opened->shared) {
        host->release(opened);
        return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for the shared memory of a stream's groups");
    }
    *stream = opened;
    return RLX_OK;
}

static void stream_close(void *stream) {
    free(((minimal_stream *)stream)->shared);
    host->release(stream);
}

/* ---- Commands ---- */

/* Rows in the order given, each as memmove: the core has chosen the order so that this is right whatever overlaps. */
static void move_rows(unsigned char *dst, int64_t dst_stride, const unsigned char *src, int64_t src_stride,
                      uint64_t rows, uint64_t row_bytes) {
    for (uint64_t i = 0; i < rows; i++) {
        memmove(dst + (int64_t)i * dst_stride, src + (int64_t)i * src_stride, (size_t)row_bytes);
    }
}

static void fill_rows(const rlx_packet_fill *fill) {
    for (uint64_t i = 0; i < fill->rows; i++) {
        unsigned char *row = (unsigned char *)fill->dst.host + (int64_t)i * fill->stride;
        for (uint64_t j = 0; j < fill->row_bytes; j++) row[j] = (unsigned char)(fill->pattern >> (j % 4 * 8));
    }
}

static rlx_status run_kernel(minimal_stream *stream, const rlx_packet_dispatch *dispatch) {
    const minimal_kernel *kernel = dispatch->kernel;
    rlx_host_kernel call = { .args = dispatch->args,
                             .arg_count = dispatch->arg_count,
                             .shared_bytes = dispatch->shared_bytes,
                             .shared = dispatch->shared_bytes ? stream->shared : NULL,
                             .user = kernel->user };
    memcpy(call.groups, dispatch->groups, sizeof call.groups);
    memcpy(call.group_size, dispatch->group_size, sizeof call.group_size);
    uint32_t entered = host->callback_enter(); /* so that a wait in the function is refused, not a deadlock */
    rlx_status status = kernel->function(&call, 0, dispatch->group_count);
    host->callback_leave(entered);
    return status;
}

static rlx_status run_host_call(const rlx_packet_host_call *call) {
    uint32_t entered = host->callback_enter();
    rlx_status status = call->function(call->user);
    host->callback_leave(entered);
    return status;
}

static rlx_status run_packet(minimal_stream *stream, const rlx_packet *packet) {
    switch (packet->kind) {
    case RLX_PACKET_COPY: {
        const rlx_packet_copy *c = (const rlx_packet_copy *)packet;
        move_rows(c->dst.host, c->dst_stride, c->src.host, c->src_stride, c->rows, c->row_bytes);
        return RLX_OK;
    }
    case RLX_PACKET_WRITE: {
        const rlx_packet_host_copy *c = (const rlx_packet_host_copy *)packet;
        move_rows(c->device.host, c->device_stride, c->host, c->host_stride, c->rows, c->row_bytes);
        return RLX_OK;
    }
    case RLX_PACKET_READ: {
        const rlx_packet_host_copy *c = (const rlx_packet_host_copy *)packet;
        move_rows(c->host, c->host_stride, c->device.host, c->device_stride, c->rows, c->row_bytes);
        return RLX_OK;
    }
    case RLX_PACKET_FILL: fill_rows((const rlx_packet_fill *)packet); return RLX_OK;
    case RLX_PACKET_DISPATCH: return run_kernel(stream, (const rlx_packet_dispatch *)packet);
    case RLX_PACKET_HOST_CALL: return run_host_call((const rlx_packet_host_call *)packet);
    }
    /* RUN, JOIN and TIMESTAMP come only to backends that prepare programs or have a clock of their own; what a later
     * version adds must fail rather than be passed over. */
    return RLX_ERROR_UNSUPPORTED;
}

/* All of the batch, here and now. The first packet that fails ends it, and is named exactly. */
static rlx_status submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    for (const rlx_packet *packet = batch->first; packet; packet = packet->next) {
        if (packet->flags & RLX_PACKET_SKIP) continue;
        rlx_status status = run_packet(stream, packet);
        if (status == RLX_OK) continue;
        fault->status = status;
        fault->first = fault->last = packet;
        if (status == RLX_ERROR_DEVICE_LOST) fault->help = RLX_HELP_REOPEN; /* a kernel has declared it lost */
        return status;
    }
    return RLX_OK;
}

/* ---- The table ---- */

static const rlx_backend minimal = {
    .struct_size = sizeof minimal,
    .major = RLX_BACKEND_MAJOR,
    .minor = RLX_BACKEND_MINOR,
    .name = "minimal",
    .flags = RLX_BACKEND_SYNCHRONOUS | RLX_BACKEND_HOST_MEMORY, /* so wait and query are never asked */
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
    .device_close = device_close,
    .memory_allocate = memory_allocate,
    .memory_free = memory_free,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .stream_open = stream_open,
    .stream_close = stream_close,
    .submit = submit,
};

RLX_BACKEND_EXPORT const rlx_backend *rlx_backend_entry(const rlx_host *services);

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    host = services;
    return &minimal;
}
