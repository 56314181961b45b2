/* Rows about recorded programs of many small commands. */
#include "bench.h"

#include "../../bench/baseline.h"
#include "../../bench/loops.h"

#include <stdlib.h>

#define NODES 1000
#define FLOATS LOOP_SMALL

typedef struct program_state {
    rlx_stream *stream, *recording;
    rlx_buffer *x, *y;
    rlx_kernel *kernel;
    rlx_program *program;
    float plain_x[FLOATS], plain_y[FLOATS];
} program_state;

static rlx_status run_add(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    loop_small_add(kernel->args[0].data, kernel->args[1].data);
    return RLX_OK;
}

static bool record_chain(bench *b) {
    program_state *state = b->state;
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(state->x)), rlx_arg_buffer(rlx_whole(state->y)) };
    rlx_dispatch dispatch = { .groups = { 1 }, .args = args, .arg_count = 2 };
    for (int i = 0; i < NODES; i++)
        if (!bench_check(b, rlx_stream_dispatch(state->recording, state->kernel, &dispatch))) return false;
    return bench_check(b, rlx_stream_finish(state->recording, NULL, &state->program));
}

static bool open_chain(bench *b) {
    static const rlx_param params[] = { { .access = RLX_READ_WRITE }, { .access = RLX_READ } };
    program_state *state = b->state = calloc(1, sizeof *state);
    if (!state) return bench_skip(b, "there is no memory");
    rlx_buffer_desc buffer = { .size = FLOATS * sizeof(float) };
    rlx_stream_desc record = { .flags = RLX_STREAM_RECORD };
    return bench_check(b, rlx_stream_create(b->device, NULL, &state->stream)) &&
           bench_check(b, rlx_stream_create(b->device, &record, &state->recording)) &&
           bench_check(b, rlx_buffer_create(b->device, &buffer, &state->x)) &&
           bench_check(b, rlx_buffer_create(b->device, &buffer, &state->y)) &&
           bench_check(b, rlx_stream_fill(state->stream, rlx_whole(state->x), 0, 4)) &&
           bench_check(b, rlx_stream_fill(state->stream, rlx_whole(state->y), 0, 4)) &&
           bench_kernel(b, "add", run_add, params, 2, &state->kernel) && record_chain(b);
}

static void close_chain(bench *b) {
    program_state *state = b->state;
    if (!state) return;
    rlx_program_release(state->program);
    rlx_kernel_release(state->kernel);
    rlx_buffer_release(state->x);
    rlx_buffer_release(state->y);
    rlx_stream_release(state->recording);
    rlx_stream_release(state->stream);
    free(state);
}

static uint64_t chain_ours(bench *b, uint64_t count) {
    program_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!bench_check(b, rlx_stream_run(state->stream, state->program, NULL))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static uint64_t chain_baseline(bench *b, uint64_t count) {
    program_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    baseline_small_adds(state->plain_x, state->plain_y, count * NODES);
    return rlx_clock_ns() - start;
}

const bench_row bench_program_rows[] = {
    { .name = "one of 1000 dependent adds in a program / a call",
      .device = "sync",
      .unit = "ns",
      .unit_ns = 1,
      .operations = NODES,
      .goal_factor = 1,
      .goal_plus = 5,
      .open = open_chain,
      .close = close_chain,
      .ours = chain_ours,
      .baseline = chain_baseline },
    { .name = "one of 1000 dependent adds in a program, 1 worker / a call",
      .device = "cpu",
      .workers = 1,
      .unit = "ns",
      .unit_ns = 1,
      .operations = NODES,
      .goal_factor = 1,
      .goal_plus = 5,
      .open = open_chain,
      .close = close_chain,
      .ours = chain_ours,
      .baseline = chain_baseline },
    { .name = "one of 1000 dependent adds in a program, 2 workers / a call",
      .device = "cpu",
      .workers = 2,
      .unit = "ns",
      .unit_ns = 1,
      .operations = NODES,
      .goal_factor = 1,
      .goal_plus = 15,
      .open = open_chain,
      .close = close_chain,
      .ours = chain_ours,
      .baseline = chain_baseline },
    { .name = NULL },
};
