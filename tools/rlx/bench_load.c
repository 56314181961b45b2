/* Rows about load: eight threads, each with a stream of its own on one device, each having small dispatches done one
 * after the other. What they get together, and how long one of them waits, usually (p50) and in the worst of a hundred
 * cases (p99). The baseline is the same by one thread alone. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8
#define SAMPLES 2000 /* of one thread, at a time */

typedef struct load_thread {
    bench *b;
    rlx_stream *stream;
    rlx_buffer *buffer;
    rlx_kernel *kernel;
    rlx_status status;
    char why[256];
    uint32_t ns[SAMPLES];
} load_thread;

typedef struct load_state {
    rlx_kernel *kernel;
    load_thread threads[THREADS];
} load_state;

static rlx_status run_small(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    float *x = kernel->args[0].data;
    for (int i = 0; i < 64; i++) x[i] += 1;
    return RLX_OK;
}

static bool open_load(bench *b) {
    static const rlx_param params[] = { { .access = RLX_READ_WRITE } };
    load_state *state = b->state = calloc(1, sizeof *state);
    if (!state) return bench_skip(b, "there is no memory");
    if (!bench_kernel(b, "small", run_small, params, 1, &state->kernel)) return false;
    for (int i = 0; i < THREADS; i++) {
        load_thread *t = &state->threads[i];
        t->b = b;
        t->kernel = state->kernel;
        if (!bench_check(b, rlx_stream_create(b->device, NULL, &t->stream)) ||
            !bench_check(b, rlx_buffer_create(b->device, &(rlx_buffer_desc){ .size = 256 }, &t->buffer)) ||
            !bench_check(b, rlx_stream_fill(t->stream, rlx_whole(t->buffer), 0, 4)))
            return false;
    }
    return true;
}

static void close_load(bench *b) {
    load_state *state = b->state;
    if (!state) return;
    for (int i = 0; i < THREADS; i++) {
        rlx_buffer_release(state->threads[i].buffer);
        rlx_stream_release(state->threads[i].stream);
    }
    rlx_kernel_release(state->kernel);
    free(state);
}

static void *thread_main(void *user) {
    load_thread *t = user;
    rlx_arg arg = rlx_arg_buffer(rlx_whole(t->buffer));
    rlx_dispatch dispatch = { .groups = { 1 }, .args = &arg, .arg_count = 1 };
    t->status = RLX_OK;
    for (int i = 0; i < SAMPLES && !t->status; i++) {
        uint64_t start = rlx_clock_ns();
        t->status = rlx_stream_dispatch(t->stream, t->kernel, &dispatch);
        if (!t->status) t->status = rlx_stream_submit_and_wait(t->stream, RLX_FOREVER);
        uint64_t ns = rlx_clock_ns() - start;
        t->ns[i] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
    }
    if (t->status) snprintf(t->why, sizeof t->why, "%s", rlx_last_error());
    return NULL;
}

/* SAMPLES by each of `threads` threads at once. Returns the nanoseconds that it took. */
static uint64_t hammer(bench *b, int threads) {
    load_state *state = b->state;
    pthread_t handles[THREADS];
    int started = 0;
    uint64_t start = rlx_clock_ns();
    while (started < threads && !pthread_create(&handles[started], NULL, thread_main, &state->threads[started]))
        started++;
    for (int i = 0; i < started; i++) pthread_join(handles[i], NULL);
    uint64_t ns = rlx_clock_ns() - start;
    if (started < threads) (void)bench_skip(b, "its threads cannot be started");
    for (int i = 0; i < started; i++) {
        if (!state->threads[i].status || b->failed) continue;
        b->failed = true;
        snprintf(b->why, sizeof b->why, "%s", state->threads[i].why);
    }
    return ns;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* `count` times what one of a hundred, `percent` of them being quicker, takes. */
static uint64_t percentile(bench *b, uint64_t count, int threads, int percent) {
    static uint32_t all[THREADS * SAMPLES];
    const load_state *state = b->state;
    (void)hammer(b, threads);
    for (int i = 0; i < threads; i++)
        for (int k = 0; k < SAMPLES; k++) all[i * SAMPLES + k] = state->threads[i].ns[k];
    qsort(all, (size_t)threads * SAMPLES, sizeof *all, by_size);
    return count * all[(size_t)threads * SAMPLES * (size_t)percent / 100];
}

static uint64_t together(bench *b, uint64_t count) {
    uint64_t ns = 0;
    for (uint64_t i = 0; i < count && !b->failed; i++) ns += hammer(b, THREADS);
    return ns / THREADS;
}

static uint64_t alone(bench *b, uint64_t count) {
    uint64_t ns = 0;
    for (uint64_t i = 0; i < count && !b->failed; i++) ns += hammer(b, 1);
    return ns;
}

static uint64_t p50_together(bench *b, uint64_t count) { return percentile(b, count, THREADS, 50); }
static uint64_t p50_alone(bench *b, uint64_t count) { return percentile(b, count, 1, 50); }
static uint64_t p99_together(bench *b, uint64_t count) { return percentile(b, count, THREADS, 99); }
static uint64_t p99_alone(bench *b, uint64_t count) { return percentile(b, count, 1, 99); }

#define LOAD(NAME, OPERATIONS, OURS, BASELINE) \
    { \
        .name = NAME, .unit = "ns", .unit_ns = 1, .operations = OPERATIONS, .open = open_load, .close = close_load, \
        .ours = OURS, .baseline = BASELINE, \
    }

const bench_row bench_load_rows[] = {
    LOAD("a small dispatch and back by 8 threads, throughput / by one", SAMPLES, together, alone),
    LOAD("a small dispatch and back by 8 threads, p50 / by one", 1, p50_together, p50_alone),
    LOAD("a small dispatch and back by 8 threads, p99 / by one", 1, p99_together, p99_alone),
    { .name = NULL },
};
