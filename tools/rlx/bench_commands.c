/* Rows about single commands: what it costs to encode one, to hand over an empty batch, to have one small dispatch
 * done. */
#include "bench.h"

#include "../../bench/baseline.h"
#include "../../bench/loops.h"

#include <stdlib.h>
#include <time.h>

#define ENCODED 1000 /* commands in a batch */
#define FLOATS LOOP_SMALL

typedef struct command_state {
    rlx_stream *stream;
    rlx_buffer *buffers[3];
    rlx_kernel *kernel;
    baseline_pair *pair;
    baseline_command *ring;
    float *x, *y;
} command_state;

static rlx_status run_nothing(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)kernel, (void)first, (void)count;
    return RLX_OK;
}

static rlx_status run_small_add(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    loop_small_add(kernel->args[0].data, kernel->args[1].data);
    return RLX_OK;
}

/* ---- What rows open ---- */

static bool open_stream(bench *b) {
    command_state *state = b->state = calloc(1, sizeof *state);
    if (!state) return bench_skip(b, "there is no memory");
    return bench_check(b, rlx_stream_create(b->device, NULL, &state->stream));
}

static bool open_buffers(bench *b) {
    command_state *state = b->state;
    for (int i = 0; i < 3; i++) {
        rlx_buffer_desc desc = { .size = FLOATS * sizeof(float) };
        if (!bench_check(b, rlx_buffer_create(b->device, &desc, &state->buffers[i]))) return false;
        if (!bench_check(b, rlx_stream_fill(state->stream, rlx_whole(state->buffers[i]), 0, 4))) return false;
    }
    return bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER));
}

static void close_state(bench *b) {
    command_state *state = b->state;
    if (!state) return;
    baseline_pair_stop(state->pair);
    rlx_kernel_release(state->kernel);
    for (int i = 0; i < 3; i++) rlx_buffer_release(state->buffers[i]);
    rlx_stream_release(state->stream);
    free(state->ring);
    free(state->x);
    free(state->y);
    free(state);
}

/* ---- Encoding ---- */

static bool open_encode(bench *b) {
    static const rlx_param params[] = { { .access = RLX_READ },
                                        { .access = RLX_READ },
                                        { .access = RLX_WRITE },
                                        { .access = RLX_VALUE },
                                        { .access = RLX_VALUE } };
    if (!open_stream(b) || !open_buffers(b)) return false;
    command_state *state = b->state;
    state->ring = calloc(ENCODED, sizeof *state->ring);
    if (!state->ring) return bench_skip(b, "there is no memory");
    return bench_kernel(b, "nothing", run_nothing, params, 5, &state->kernel);
}

static rlx_status encode_one(const command_state *state, uint32_t i) {
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(state->buffers[0])), rlx_arg_buffer(rlx_whole(state->buffers[1])),
                       rlx_arg_buffer(rlx_whole(state->buffers[2])), rlx_arg_u32(i), rlx_arg_u32(7) };
    rlx_dispatch dispatch = { .groups = { i + 1 }, .args = args, .arg_count = 5 };
    return rlx_stream_dispatch(state->stream, state->kernel, &dispatch);
}

/* Only the encoding counts: what is encoded is dropped. */
static uint64_t encode_ours(bench *b, uint64_t count) {
    command_state *state = b->state;
    uint64_t ns = 0;
    while (count > 0) {
        uint32_t part = count < ENCODED ? (uint32_t)count : ENCODED;
        rlx_status status = RLX_OK;
        uint64_t start = rlx_clock_ns();
        for (uint32_t i = 0; i < part && status == RLX_OK; i++) status = encode_one(state, i);
        ns += rlx_clock_ns() - start;
        rlx_stream_discard(state->stream);
        if (!bench_check(b, status)) break;
        count -= part;
    }
    return ns;
}

static uint64_t encode_baseline(bench *b, uint64_t count) {
    command_state *state = b->state;
    void *buffers[3] = { state->buffers[0], state->buffers[1], state->buffers[2] };
    uint64_t start = rlx_clock_ns();
    baseline_write_commands(state->ring, ENCODED, buffers, FLOATS * sizeof(float), count);
    return rlx_clock_ns() - start;
}

/* ---- An empty batch ---- */

static uint64_t empty_ours(bench *b, uint64_t count) {
    command_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++)
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    return rlx_clock_ns() - start;
}

static void called(void *user) { (void)user; }

static uint64_t call_baseline(bench *b, uint64_t count) {
    uint64_t start = rlx_clock_ns();
    baseline_call(called, b, count);
    return rlx_clock_ns() - start;
}

static bool open_pair(bench *b) {
    if (!open_stream(b)) return false;
    command_state *state = b->state;
    state->pair = baseline_pair_start();
    return state->pair || bench_skip(b, "there is no thread for the baseline");
}

static uint64_t pair_baseline(bench *b, uint64_t count) {
    command_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) baseline_pair_round(state->pair);
    return rlx_clock_ns() - start;
}

/* ---- A small dispatch and back ---- */

static bool open_small(bench *b) {
    static const rlx_param params[] = { { .access = RLX_READ_WRITE }, { .access = RLX_READ } };
    if (!open_pair(b) || !open_buffers(b)) return false;
    command_state *state = b->state;
    state->x = calloc(FLOATS, sizeof(float));
    state->y = calloc(FLOATS, sizeof(float));
    if (!state->x || !state->y) return bench_skip(b, "there is no memory");
    return bench_kernel(b, "add", run_small_add, params, 2, &state->kernel);
}

static rlx_status dispatch_small(const command_state *state) {
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(state->buffers[0])), rlx_arg_buffer(rlx_whole(state->buffers[1])) };
    rlx_dispatch dispatch = { .groups = { 1 }, .args = args, .arg_count = 2 };
    return rlx_stream_dispatch(state->stream, state->kernel, &dispatch);
}

static uint64_t small_ours(bench *b, uint64_t count) {
    command_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!bench_check(b, dispatch_small(state))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

/* Long enough for every thread that spins or yields to have gone to sleep. */
static void pause_thread(void) { nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); }

static uint64_t parked_ours(bench *b, uint64_t count) {
    uint64_t ns = 0;
    for (uint64_t i = 0; i < count && !b->failed; i++) {
        pause_thread();
        ns += small_ours(b, 1);
    }
    return ns;
}

static uint64_t parked_baseline(bench *b, uint64_t count) {
    uint64_t ns = 0;
    for (uint64_t i = 0; i < count; i++) {
        pause_thread();
        ns += pair_baseline(b, 1);
    }
    return ns;
}

/* ---- Many in one batch ---- */

static uint64_t batch_ours(bench *b, uint64_t count) {
    command_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        for (int j = 0; j < ENCODED; j++)
            if (!bench_check(b, dispatch_small(state))) return 0;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static uint64_t batch_baseline(bench *b, uint64_t count) {
    command_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    baseline_small_adds(state->x, state->y, count * ENCODED);
    return rlx_clock_ns() - start;
}

const bench_row bench_command_rows[] = {
    { .name = "encode a dispatch of 3 buffers, 2 values / fill in a struct",
      .unit = "ns",
      .unit_ns = 1,
      .operations = 1,
      .goal_plus = 30,
      .open = open_encode,
      .close = close_state,
      .ours = encode_ours,
      .baseline = encode_baseline },
    { .name = "submit and wait, an empty batch / a call",
      .device = "sync",
      .unit = "ns",
      .unit_ns = 1,
      .operations = 1,
      .goal_plus = 60,
      .open = open_stream,
      .close = close_state,
      .ours = empty_ours,
      .baseline = call_baseline },
    { .name = "submit and wait, an empty batch / a thread's answer",
      .device = "cpu",
      .unit = "ns",
      .unit_ns = 1,
      .operations = 1,
      .goal_plus = 3000,
      .open = open_pair,
      .close = close_state,
      .ours = empty_ours,
      .baseline = pair_baseline },
    { .name = "a small dispatch and back / a thread's answer",
      .device = "cpu",
      .unit = "ns",
      .unit_ns = 1,
      .operations = 1,
      .goal_plus = 3000,
      .open = open_small,
      .close = close_state,
      .ours = small_ours,
      .baseline = pair_baseline },
    { .name = "a small dispatch after a pause / a thread's answer",
      .device = "cpu",
      .unit = "ns",
      .unit_ns = 1,
      .operations = 1,
      .goal_factor = 1.2,
      .open = open_small,
      .close = close_state,
      .ours = parked_ours,
      .baseline = parked_baseline },
    { .name = "one of 1000 small dispatches in a batch / a call",
      .unit = "ns",
      .unit_ns = 1,
      .operations = ENCODED,
      .goal_factor = 1.3,
      .goal_plus = 30,
      .open = open_small,
      .close = close_state,
      .ours = batch_ours,
      .baseline = batch_baseline },
    { .name = NULL },
};
