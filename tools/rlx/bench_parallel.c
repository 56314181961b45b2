/* Rows about two workers: how much sooner they are done than a plain loop on one thread. The arithmetic is bound by
 * multiplications, so that nothing but the sharing out can hold it up. */
#include "bench.h"

#include "../../bench/baseline.h"
#include "../../bench/loops.h"

#include <stdlib.h>

#define GROUP 1024 /* floats of a group */
#define GROUPS 512
#define ROUNDS 64
#define CHAINS 8
#define LINKS 8 /* dispatches of a chain */
#define LINK_FLOATS 8192

typedef struct parallel_state {
    rlx_stream *stream, *recording;
    rlx_buffer *x;
    rlx_kernel *kernel;
    rlx_program *program;
    float *plain;
} parallel_state;

static volatile uint32_t even_rounds = ROUNDS; /* not known to the compiler: see loop_compute */

static rlx_status run_even(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    loop_compute((float *)kernel->args[0].data + first * GROUP, count * GROUP, even_rounds);
    return RLX_OK;
}

static rlx_status run_uneven(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    for (uint64_t g = first; g < first + count; g++) {
        uint32_t rounds = (uint32_t)(2 * ROUNDS * g / GROUPS);
        loop_compute((float *)kernel->args[0].data + g * GROUP, GROUP, rounds);
    }
    return RLX_OK;
}

static rlx_status run_link(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    loop_compute(kernel->args[0].data, LINK_FLOATS, even_rounds);
    return RLX_OK;
}

/* ---- Opening ---- */

static bool open_state(bench *b, uint64_t floats, rlx_host_function function) {
    static const rlx_param params[] = { { .access = RLX_READ_WRITE } };
    parallel_state *state = b->state = calloc(1, sizeof *state);
    if (!state) return bench_skip(b, "there is no memory");
    state->plain = calloc(floats, sizeof(float));
    if (!state->plain) return bench_skip(b, "there is no memory");
    rlx_buffer_desc buffer = { .size = floats * sizeof(float) };
    return bench_check(b, rlx_stream_create(b->device, NULL, &state->stream)) &&
           bench_check(b, rlx_buffer_create(b->device, &buffer, &state->x)) &&
           bench_check(b, rlx_stream_fill(state->stream, rlx_whole(state->x), 0, 4)) &&
           bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER)) &&
           bench_kernel(b, "compute", function, params, 1, &state->kernel);
}

static bool open_even(bench *b) { return open_state(b, GROUP * GROUPS, run_even); }

static bool open_uneven(bench *b) { return open_state(b, GROUP * GROUPS, run_uneven); }

/* Link by link over all chains: the order in which a model's layers would be recorded, and not the one that a worker
 * would like best. */
static bool record_chains(bench *b) {
    parallel_state *state = b->state;
    const uint64_t bytes = LINK_FLOATS * sizeof(float);
    for (uint64_t i = 0; i < CHAINS * LINKS; i++) {
        rlx_arg arg = rlx_arg_buffer(rlx_part(state->x, i % CHAINS * bytes, bytes));
        rlx_dispatch dispatch = { .groups = { 1 }, .args = &arg, .arg_count = 1 };
        if (!bench_check(b, rlx_stream_dispatch(state->recording, state->kernel, &dispatch))) return false;
    }
    return bench_check(b, rlx_stream_finish(state->recording, NULL, &state->program));
}

static bool open_chains(bench *b) {
    rlx_stream_desc record = { .flags = RLX_STREAM_RECORD };
    if (!open_state(b, (uint64_t)CHAINS * LINK_FLOATS, run_link)) return false;
    parallel_state *state = b->state;
    return bench_check(b, rlx_stream_create(b->device, &record, &state->recording)) && record_chains(b);
}

static void close_parallel(bench *b) {
    parallel_state *state = b->state;
    if (!state) return;
    rlx_program_release(state->program);
    rlx_kernel_release(state->kernel);
    rlx_buffer_release(state->x);
    rlx_stream_release(state->recording);
    rlx_stream_release(state->stream);
    free(state->plain);
    free(state);
}

/* ---- Both sides ---- */

static uint64_t dispatch_ours(bench *b, uint64_t count) {
    parallel_state *state = b->state;
    rlx_arg arg = rlx_arg_buffer(rlx_whole(state->x));
    rlx_dispatch dispatch = { .groups = { GROUPS }, .args = &arg, .arg_count = 1 };
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!bench_check(b, rlx_stream_dispatch(state->stream, state->kernel, &dispatch))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static uint64_t even_baseline(bench *b, uint64_t count) {
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) baseline_compute(((parallel_state *)b->state)->plain, GROUP, GROUPS, ROUNDS);
    return rlx_clock_ns() - start;
}

static uint64_t uneven_baseline(bench *b, uint64_t count) {
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++)
        baseline_compute_uneven(((parallel_state *)b->state)->plain, GROUP, GROUPS, 2 * ROUNDS);
    return rlx_clock_ns() - start;
}

static uint64_t chains_ours(bench *b, uint64_t count) {
    parallel_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!bench_check(b, rlx_stream_run(state->stream, state->program, NULL))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static uint64_t chains_baseline(bench *b, uint64_t count) {
    parallel_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count * LINKS; i++) baseline_compute(state->plain, LINK_FLOATS, CHAINS, ROUNDS);
    return rlx_clock_ns() - start;
}

#define TWICE (1 / 1.8) /* two workers are at least 1.8 times as fast as one thread */

const bench_row bench_parallel_rows[] = {
    { .name = "a large dispatch, 2 workers / a loop on one thread",
      .device = "cpu",
      .workers = 2,
      .unit = "ms",
      .unit_ns = 1e6,
      .operations = 1,
      .goal_factor = TWICE,
      .open = open_even,
      .close = close_parallel,
      .ours = dispatch_ours,
      .baseline = even_baseline },
    { .name = "a dispatch of uneven groups, 2 workers / a loop on one thread",
      .device = "cpu",
      .workers = 2,
      .unit = "ms",
      .unit_ns = 1e6,
      .operations = 1,
      .goal_factor = TWICE,
      .open = open_uneven,
      .close = close_parallel,
      .ours = dispatch_ours,
      .baseline = uneven_baseline },
    { .name = "8 chains of 8 kernels, 2 workers / a loop on one thread",
      .device = "cpu",
      .workers = 2,
      .unit = "ms",
      .unit_ns = 1e6,
      .operations = 1,
      .goal_factor = TWICE,
      .open = open_chains,
      .close = close_parallel,
      .ours = chains_ours,
      .baseline = chains_baseline },
    { .name = NULL },
};
