/* Rows about numbers: what a command costs where there are a million of them, against where there are a thousand. Both
 * sides are ours here: the ratio tells whether anything grows faster than the work does (it may by the factor that
 * caches cost). Every command has two ranges of one buffer, an arena with many slots: there is something to search. */
#include "bench.h"

#include <stdlib.h>

#define MANY (1u << 20)
#define FEW (1u << 10)
#define SLOT_BYTES 64
#define SLOTS 8192u

typedef struct growth_state {
    rlx_stream *stream, *recording;
    rlx_buffer *arena;
    rlx_kernel *kernel;
    rlx_program *few, *many; /* recorded; NULL in rows that record */
} growth_state;

static rlx_status run_nothing(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)kernel, (void)first, (void)count;
    return RLX_OK;
}

/* Command i reads what an earlier one wrote: an arena as a planner would use it, over and over again. */
static rlx_status encode(growth_state *state, rlx_stream *stream, uint32_t count) {
    rlx_status status = RLX_OK;
    for (uint32_t i = 0; i < count && !status; i++) {
        uint64_t from = (uint64_t)(i * 7919u % SLOTS) * SLOT_BYTES, to = (uint64_t)((i + 1) % SLOTS) * SLOT_BYTES;
        if (from == to) from = (to + SLOT_BYTES) % (SLOTS * SLOT_BYTES);
        rlx_arg args[] = { rlx_arg_buffer(rlx_part(state->arena, from, SLOT_BYTES)),
                           rlx_arg_buffer(rlx_part(state->arena, to, SLOT_BYTES)) };
        rlx_dispatch dispatch = { .groups = { 1 }, .args = args, .arg_count = 2 };
        status = rlx_stream_dispatch(stream, state->kernel, &dispatch);
    }
    return status;
}

static bool open_state(bench *b) {
    static const rlx_param params[] = { { .access = RLX_READ }, { .access = RLX_WRITE } };
    growth_state *state = b->state = calloc(1, sizeof *state);
    if (!state) return bench_skip(b, "there is no memory");
    rlx_stream_desc record = { .flags = RLX_STREAM_RECORD };
    return bench_check(b, rlx_stream_create(b->device, NULL, &state->stream)) &&
           bench_check(b, rlx_stream_create(b->device, &record, &state->recording)) &&
           bench_check(b, rlx_buffer_create(b->device, &(rlx_buffer_desc){ .size = (uint64_t)SLOTS * SLOT_BYTES },
                                            &state->arena)) &&
           bench_kernel(b, "nothing", run_nothing, params, 2, &state->kernel);
}

static bool record(bench *b, uint32_t count, rlx_program **program) {
    growth_state *state = b->state;
    return bench_check(b, encode(state, state->recording, count)) &&
           bench_check(b, rlx_stream_finish(state->recording, NULL, program));
}

static bool open_programs(bench *b) {
    if (!open_state(b)) return false;
    growth_state *state = b->state;
    return record(b, FEW, &state->few) && record(b, MANY, &state->many);
}

static void close_state(bench *b) {
    growth_state *state = b->state;
    if (!state) return;
    rlx_program_release(state->few);
    rlx_program_release(state->many);
    rlx_kernel_release(state->kernel);
    rlx_buffer_release(state->arena);
    rlx_stream_release(state->recording);
    rlx_stream_release(state->stream);
    free(state);
}

/* `count` times MANY commands, in batches of `each`. */
static uint64_t batches(bench *b, uint64_t count, uint32_t each) {
    growth_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count * (MANY / each); i++) {
        if (!bench_check(b, encode(state, state->stream, each))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static uint64_t batch_of_many(bench *b, uint64_t count) { return batches(b, count, MANY); }
static uint64_t batches_of_few(bench *b, uint64_t count) { return batches(b, count, FEW); }

/* The same, recorded: only finish counts, which makes the graph. */
static uint64_t graphs(bench *b, uint64_t count, uint32_t each) {
    growth_state *state = b->state;
    uint64_t ns = 0;
    for (uint64_t i = 0; i < count * (MANY / each) && !b->failed; i++) {
        rlx_program *program = NULL;
        if (!bench_check(b, encode(state, state->recording, each))) break;
        uint64_t start = rlx_clock_ns();
        if (!bench_check(b, rlx_stream_finish(state->recording, NULL, &program))) break;
        ns += rlx_clock_ns() - start;
        rlx_program_release(program);
    }
    return ns;
}

static uint64_t graph_of_many(bench *b, uint64_t count) { return graphs(b, count, MANY); }
static uint64_t graphs_of_few(bench *b, uint64_t count) { return graphs(b, count, FEW); }

static uint64_t runs(bench *b, rlx_program *program, uint64_t count) {
    growth_state *state = b->state;
    uint64_t start = rlx_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (!bench_check(b, rlx_stream_run(state->stream, program, NULL))) break;
        if (!bench_check(b, rlx_stream_submit_and_wait(state->stream, RLX_FOREVER))) break;
    }
    return rlx_clock_ns() - start;
}

static uint64_t run_of_many(bench *b, uint64_t count) {
    const growth_state *state = b->state;
    return runs(b, state->many, count);
}

static uint64_t runs_of_few(bench *b, uint64_t count) {
    const growth_state *state = b->state;
    return runs(b, state->few, count * (MANY / FEW));
}

#define GROWTH(NAME, OPEN, OURS, BASELINE) \
    { \
        .name = NAME, .unit = "ns", .unit_ns = 1, .operations = MANY, .goal_factor = 3, .open = OPEN, \
        .close = close_state, .ours = OURS, .baseline = BASELINE, \
    }

const bench_row bench_growth_rows[] = {
    GROWTH("a command in a batch of 1 Mi / of 1 Ki", open_state, batch_of_many, batches_of_few),
    GROWTH("the graph, for a command of 1 Mi / of 1 Ki", open_state, graph_of_many, graphs_of_few),
    GROWTH("a command in a program of 1 Mi / of 1 Ki", open_programs, run_of_many, runs_of_few),
    { .name = NULL },
};
