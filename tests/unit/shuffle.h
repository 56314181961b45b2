/* Backends for tests of programs, all on the caller's thread:
 *
 *     shuffle  prepares programs, and runs a graph's nodes in any order that its edges allow, another one each time
 *     far      the same with memory that has no host address: packets have places and nothing else
 *     plain    prepares nothing: the core puts a program's commands into the batch
 *
 * What is right under every order of `shuffle` is right because of the graph, and not by luck. */
#ifndef SHUFFLE_H
#define SHUFFLE_H

#include <rlx/backend.h>
#include <stdlib.h>

#include "tap.h"

static struct {
    uint64_t seed;
    uint32_t programs, memory, kernels; /* alive */
    uint32_t runs, commands;            /* packets that were run: RUN and all others */
    rlx_status refuse;                  /* what program_create returns */
} shuffle = { .seed = 1 };

static const rlx_host *shuffle_host;

static inline uint32_t random_below(uint32_t limit) {
    shuffle.seed = shuffle.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((shuffle.seed >> 33) % limit);
}

/* ---- Device, memory, kernels ---- */

static rlx_status shuffle_probe(uint32_t *count) {
    *count = 1;
    return RLX_OK;
}

static const rlx_format_info shuffle_formats[] = { { RLX_CODE_HOST, "host" } };

#define SHUFFLE_PROPERTIES(device, bits) \
    { \
        .struct_size = sizeof(rlx_device_properties), .name = device, .backend = device, .id = "", \
        .description = "a test's", .driver = "none", .architecture = "none", .units = 1, .subgroup_min = 1, \
        .subgroup_max = 1, .timer_ns = 1, .storage_types = 7, .compute_types = 7, .progress = RLX_PROGRESS_CALLER, \
        .can = (bits) | RLX_CAN_WIDE_VALUES, \
        .limits = { .buffer_size = 1u << 30, \
                    .binding_size = 1u << 29, \
                    .binding_alignment = 4, \
                    .buffer_args = 8, \
                    .value_bytes = 1024, \
                    .groups = { 65535, 65535, 65535 }, \
                    .group_size = { 256, 256, 64 }, \
                    .group_threads = 256, \
                    .shared_bytes = 16384 }, \
        .formats = shuffle_formats, .format_count = 1 \
    }
static const rlx_device_properties shuffle_properties = SHUFFLE_PROPERTIES("shuffle", RLX_CAN_HOST_POINTER);
static const rlx_device_properties plain_properties = SHUFFLE_PROPERTIES("plain", RLX_CAN_HOST_POINTER);
static const rlx_device_properties far_properties = SHUFFLE_PROPERTIES("far", 0);

static const rlx_device_properties *shuffle_describe(uint32_t i) { return i ? NULL : &shuffle_properties; }
static const rlx_device_properties *plain_describe(uint32_t i) { return i ? NULL : &plain_properties; }
static const rlx_device_properties *far_describe(uint32_t i) { return i ? NULL : &far_properties; }

static rlx_status shuffle_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc;
    opened->device = &shuffle;
    return RLX_OK;
}

static void shuffle_close(void *device) { (void)device; }

static rlx_status far_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)device, (void)kind;
    block->memory = calloc(1, size);
    if (!block->memory) return shuffle_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
    shuffle.memory++;
    return RLX_OK;
}

static rlx_status near_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    rlx_status status = far_allocate(device, size, kind, block);
    block->host = block->memory;
    return status;
}

static void shuffle_free(void *device, void *memory) {
    (void)device;
    shuffle.memory--;
    free(memory);
}

static rlx_status shuffle_kernel(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel) {
    (void)device, (void)desc;
    rlx_code *made = malloc(sizeof *made);
    if (!made) return shuffle_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
    *made = *code;
    shuffle.kernels++;
    *kernel = made;
    return RLX_OK;
}

static void shuffle_kernel_destroy(void *device, void *kernel) {
    (void)device;
    shuffle.kernels--;
    free(kernel);
}

static rlx_status shuffle_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink,
                                      void **stream) {
    (void)device, (void)desc, (void)sink;
    *stream = &shuffle;
    return RLX_OK;
}

static void shuffle_stream_close(void *stream) { (void)stream; }

/* ---- Commands ---- */

static unsigned char *bytes_at(rlx_place place) { return (unsigned char *)place.memory + place.offset; }

static void move_rows(unsigned char *dst, int64_t dst_stride, const unsigned char *src, int64_t src_stride,
                      uint64_t rows, uint64_t row_bytes) {
    for (uint64_t i = 0; i < rows; i++)
        memmove(dst + (int64_t)i * dst_stride, src + (int64_t)i * src_stride, row_bytes);
}

static void run_fill(const rlx_packet_fill *fill) {
    for (uint64_t i = 0; i < fill->rows; i++)
        for (uint64_t j = 0; j < fill->row_bytes; j++)
            bytes_at(fill->dst)[(int64_t)i * fill->stride + (int64_t)j] = (unsigned char)(fill->pattern >> j % 4 * 8);
}

static rlx_status run_dispatch(const rlx_packet_dispatch *packet) {
    const rlx_code *code = packet->kernel;
    rlx_host_arg args[16];
    for (uint32_t i = 0; i < packet->arg_count; i++) {
        args[i] = packet->args[i];
        if (packet->places && packet->info->params[i].access != RLX_VALUE) args[i].data = bytes_at(packet->places[i]);
    }
    rlx_host_kernel kernel = { .args = args, .arg_count = packet->arg_count, .user = code->user };
    memcpy(kernel.groups, packet->groups, sizeof kernel.groups);
    return code->function(&kernel, 0, packet->group_count);
}

static rlx_status run_command(const rlx_packet *packet) {
    if (packet->flags & RLX_PACKET_SKIP) return RLX_OK;
    shuffle.commands++;
    const rlx_packet_copy *copy = (const rlx_packet_copy *)packet;
    const rlx_packet_host_copy *host = (const rlx_packet_host_copy *)packet;
    switch ((rlx_packet_kind)packet->kind) {
    case RLX_PACKET_COPY:
        move_rows(bytes_at(copy->dst), copy->dst_stride, bytes_at(copy->src), copy->src_stride, copy->rows,
                  copy->row_bytes);
        return RLX_OK;
    case RLX_PACKET_FILL: run_fill((const rlx_packet_fill *)packet); return RLX_OK;
    case RLX_PACKET_WRITE:
        move_rows(bytes_at(host->device), host->device_stride, host->host, host->host_stride, host->rows,
                  host->row_bytes);
        return RLX_OK;
    case RLX_PACKET_READ:
        move_rows(host->host, host->host_stride, bytes_at(host->device), host->device_stride, host->rows,
                  host->row_bytes);
        return RLX_OK;
    case RLX_PACKET_DISPATCH: return run_dispatch((const rlx_packet_dispatch *)packet);
    case RLX_PACKET_HOST_CALL:
        return ((const rlx_packet_host_call *)packet)->function(((const rlx_packet_host_call *)packet)->user);
    case RLX_PACKET_JOIN: shuffle.commands--; return RLX_OK;
    case RLX_PACKET_TIMESTAMP:
    case RLX_PACKET_RUN: break;
    }
    return RLX_ERROR_UNSUPPORTED;
}

/* ---- Programs ---- */

static rlx_status shuffle_program(void *device, const rlx_graph *graph, void **program) {
    (void)device;
    if (shuffle.refuse) return shuffle_host->fail(shuffle.refuse, "refused by the test");
    *program = (void *)(uintptr_t)graph;
    shuffle.programs++;
    return RLX_OK;
}

static void shuffle_program_destroy(void *device, void *program) {
    (void)device, (void)program;
    shuffle.programs--;
}

static rlx_status run_program(const rlx_packet_run *run) {
    const rlx_graph *graph = run->program;
    uint32_t *unmet = malloc((graph->count + 1) * sizeof *unmet), *ready = malloc((graph->count + 1) * sizeof *ready);
    uint32_t waiting = 0, done = 0;
    rlx_status status = unmet && ready ? RLX_OK : RLX_ERROR_OUT_OF_MEMORY;
    shuffle.runs++;
    shuffle_host->run_patch(run);
    for (uint32_t i = 0; !status && i < graph->count; i++) {
        unmet[i] = graph->unmet[i];
        if (!unmet[i]) ready[waiting++] = i;
    }
    while (!status && waiting) {
        uint32_t at = random_below(waiting), node = ready[at];
        ready[at] = ready[--waiting];
        status = run_command(graph->packets[node]);
        done++;
        for (uint64_t e = graph->first[node]; e < graph->first[node + 1]; e++)
            if (!--unmet[graph->successors[e]]) ready[waiting++] = graph->successors[e];
    }
    if (!status && done != graph->count) status = shuffle_host->fail(RLX_ERROR_BACKEND, "the graph has a cycle");
    free(unmet), free(ready);
    return status;
}

static rlx_status shuffle_submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    (void)stream;
    for (const rlx_packet *packet = batch->first; packet; packet = packet->next) {
        rlx_status status =
            packet->kind == RLX_PACKET_RUN ? run_program((const rlx_packet_run *)packet) : run_command(packet);
        if (!status) continue;
        fault->status = status;
        fault->first = fault->last = packet;
        return status;
    }
    return RLX_OK;
}

#define SHUFFLE_TABLE(backend, bits, described, allocates) \
    .struct_size = sizeof(rlx_backend), .major = RLX_BACKEND_MAJOR, .minor = RLX_BACKEND_MINOR, .name = backend, \
    .flags = RLX_BACKEND_SYNCHRONOUS | (bits), .probe = shuffle_probe, .describe = described, \
    .device_open = shuffle_open, .device_close = shuffle_close, .memory_allocate = allocates, \
    .memory_free = shuffle_free, .kernel_create = shuffle_kernel, .kernel_destroy = shuffle_kernel_destroy, \
    .stream_open = shuffle_stream_open, .stream_close = shuffle_stream_close, .submit = shuffle_submit

static const rlx_backend shuffle_table = {
    SHUFFLE_TABLE("shuffle", RLX_BACKEND_HOST_MEMORY, shuffle_describe, near_allocate),
    .program_create = shuffle_program, .program_destroy = shuffle_program_destroy
};
static const rlx_backend far_table = { SHUFFLE_TABLE("far", 0, far_describe, far_allocate),
                                       .program_create = shuffle_program, .program_destroy = shuffle_program_destroy };
static const rlx_backend plain_table = { SHUFFLE_TABLE("plain", RLX_BACKEND_HOST_MEMORY, plain_describe,
                                                       near_allocate) };

static const rlx_backend *shuffle_entry(const rlx_host *host) { return shuffle_host = host, &shuffle_table; }
static const rlx_backend *far_entry(const rlx_host *host) { return shuffle_host = host, &far_table; }
static const rlx_backend *plain_entry(const rlx_host *host) { return shuffle_host = host, &plain_table; }

/* ---- What a test does with them ---- */

static rlx_device *shuffle_device(const char *name) {
    static bool registered;
    if (!registered) {
        CHECK_INT(rlx_backend_register(shuffle_entry), RLX_OK);
        CHECK_INT(rlx_backend_register(far_entry), RLX_OK);
        CHECK_INT(rlx_backend_register(plain_entry), RLX_OK);
        registered = true;
    }
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open(name, NULL, &device), RLX_OK);
    return device;
}

static rlx_stream *make_stream(rlx_device *device, uint32_t flags) {
    rlx_stream *stream = NULL;
    CHECK_INT(rlx_stream_create(device, &(rlx_stream_desc){ .flags = flags }, &stream), RLX_OK);
    return stream;
}

static inline rlx_buffer *make_buffer(rlx_device *device, uint64_t size) {
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &buffer), RLX_OK);
    return buffer;
}

static inline rlx_kernel *make_kernel(rlx_device *device, const char *name, rlx_host_function function,
                                      const rlx_param *params, uint32_t param_count) {
    rlx_kernel *kernel = NULL;
    rlx_code code = { RLX_CODE_HOST, .function = function };
    CHECK_INT(rlx_kernel_create(
                  device,
                  &(rlx_kernel_desc){
                      .name = name, .params = params, .param_count = param_count, .codes = &code, .code_count = 1 },
                  &kernel),
              RLX_OK);
    return kernel;
}

static inline rlx_program *finish(rlx_stream *recording, const char *label) {
    rlx_program *program = NULL;
    if (!CHECK_INT(rlx_stream_finish(recording, &(rlx_program_desc){ .label = label }, &program), RLX_OK))
        printf("# %s\n", rlx_last_error());
    return program;
}

static inline void submit_and_wait(rlx_stream *stream) {
    if (!CHECK_INT(rlx_stream_submit_and_wait(stream, RLX_FOREVER), RLX_OK)) printf("# %s\n", rlx_last_error());
}

#endif
