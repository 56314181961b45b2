/* Rows bound by memory: 256 MiB copied, filled, added. Where the device's memory has host addresses, the baseline works
 * on the very same bytes; elsewhere on host memory of its own. */
#include "bench.h"

#include "../../bench/baseline.h"
#include "../../bench/loops.h"

#include <stdlib.h>
#include <string.h>

#define BYTES (UINT64_C(256) << 20)
#define FLOATS (BYTES / sizeof(float))
#define GROUP 16384 /* floats of a group */

typedef struct memory_state {
    rlx_stream *stream;
    rlx_buffer *buffers[3];
    rlx_kernel *kernel;
    void *plain[3];
    bool owned; /* plain is ours to free */
} memory_state;

static rlx_status run_add(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    uint64_t at = first * GROUP;
    loop_add((float *)kernel->args[0].data + at, (const float *)kernel->args[1].data + at,
             (const float *)kernel->args[2].data + at, count * GROUP);
    return RLX_OK;
}

static bool open_plain(bench *b, int i) {
    memory_state *state = b->state;
    if (!state->owned) return bench_check(b, rlx_buffer_host_pointer(state->buffers[i], &state->plain[i]));
    state->plain[i] = malloc(BYTES);
    if (!state->plain[i]) return bench_skip(b, "there is no memory for the baseline");
    memset(state->plain[i], 1, BYTES); /* so that its pages are there */
    return true;
}

static bool open_buffers(bench *b, int count) {
    memory_state *state = b->state = calloc(1, sizeof *state);
    if (!state) return bench_skip(b, "there is no memory");
    state->owned = !(b->info->can & RLX_CAN_HOST_POINTER);
    rlx_memory_report memory;
    if (!bench_check(b, rlx_device_memory(b->device, &memory))) return false;
    if (memory.free < BYTES * (uint64_t)(count + 1)) return bench_skip(b, "the device has too little memory free");
    if (!bench_check(b, rlx_stream_create(b->device, NULL, &state->stream))) return false;
    for (int i = 0; i < count; i++) {
        rlx_buffer_desc desc = { .size = BYTES, .memory = state->owned ? RLX_MEMORY_DEVICE : RLX_MEMORY_SHARED };
        if (!bench_check(b, rlx_buffer_create(b->device, &desc, &state->buffers[i]))) return false;
        if (!bench_check(b, rlx_stream_fill(state->stream, rlx_whole(state->buffers[i]), 0x01010101, 4))) return false;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER)) || !open_plain(b, i)) return false;
    }
    return true;
}

static bool open_fill(bench *b) { return open_buffers(b, 1); }

static bool open_copy(bench *b) { return open_buffers(b, 2); }

static bool open_add(bench *b) {
    static const rlx_param params[] = { { .access = RLX_WRITE }, { .access = RLX_READ }, { .access = RLX_READ } };
    if (b->info->limits.binding_size < BYTES) return bench_skip(b, "the device binds less than 256 MiB");
    if (!open_buffers(b, 3)) return false;
    return bench_kernel(b, "add", run_add, params, 3, &((memory_state *)b->state)->kernel);
}

static void close_memory(bench *b) {
    memory_state *state = b->state;
    if (!state) return;
    for (int i = 0; i < 3 && state->owned; i++) free(state->plain[i]);
    rlx_kernel_release(state->kernel);
    for (int i = 0; i < 3; i++) rlx_buffer_release(state->buffers[i]);
    rlx_stream_release(state->stream);
    free(state);
}

/* Runs what `encode` encodes. */
static uint64_t time_encoded(bench *b, uint64_t count, rlx_status (*encode)(const memory_state *state)) {
    memory_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!bench_check(b, encode(state))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static rlx_status encode_copy(const memory_state *state) {
    return rlx_stream_copy(state->stream, rlx_whole(state->buffers[0]), rlx_whole(state->buffers[1]));
}

static rlx_status encode_fill(const memory_state *state) {
    return rlx_stream_fill(state->stream, rlx_whole(state->buffers[0]), 0x3f800000, 4);
}

static rlx_status encode_add(const memory_state *state) {
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(state->buffers[0])), rlx_arg_buffer(rlx_whole(state->buffers[1])),
                       rlx_arg_buffer(rlx_whole(state->buffers[2])) };
    rlx_dispatch dispatch = { .groups = { (uint32_t)(FLOATS / GROUP) }, .args = args, .arg_count = 3 };
    return rlx_stream_dispatch(state->stream, state->kernel, &dispatch);
}

static uint64_t copy_ours(bench *b, uint64_t count) { return time_encoded(b, count, encode_copy); }
static uint64_t fill_ours(bench *b, uint64_t count) { return time_encoded(b, count, encode_fill); }
static uint64_t add_ours(bench *b, uint64_t count) { return time_encoded(b, count, encode_add); }

static uint64_t copy_baseline(bench *b, uint64_t count) {
    memory_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) baseline_copy(state->plain[0], state->plain[1], BYTES);
    return rlx_clock_ns() - start;
}

static uint64_t fill_baseline(bench *b, uint64_t count) {
    memory_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) baseline_fill(state->plain[0], 0x3f800000, FLOATS);
    return rlx_clock_ns() - start;
}

static uint64_t add_baseline(bench *b, uint64_t count) {
    memory_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) baseline_add(state->plain[0], state->plain[1], state->plain[2], FLOATS);
    return rlx_clock_ns() - start;
}

#define WITHIN (1 / 0.95) /* at least 0.95 of the plain loop's bandwidth */

const bench_row bench_memory_rows[] = {
    { .name = "copy of 256 MiB / memcpy",
      .unit = "ms",
      .unit_ns = 1e6,
      .operations = 1,
      .goal_factor = WITHIN,
      .open = open_copy,
      .close = close_memory,
      .ours = copy_ours,
      .baseline = copy_baseline },
    { .name = "fill of 256 MiB / a loop",
      .unit = "ms",
      .unit_ns = 1e6,
      .operations = 1,
      .goal_factor = WITHIN,
      .open = open_fill,
      .close = close_memory,
      .ours = fill_ours,
      .baseline = fill_baseline },
    { .name = "c = a + b of 256 MiB each / a loop",
      .unit = "ms",
      .unit_ns = 1e6,
      .operations = 1,
      .goal_factor = WITHIN,
      .open = open_add,
      .close = close_memory,
      .ours = add_ours,
      .baseline = add_baseline },
    { .name = NULL },
};
