/* Gates and threads of tests.
 *
 * * A gate is a flag that host calls wait for. A batch can be held at it in two ways: by a host call of its own, which
 * makes it a running batch that doesn't end, or through a dependency on the point of a stream of another device that
 * stands at the gate, which makes it a batch that has not begun. The second works on every device, as the other device
 * is `cpu`, with a worker to itself. */
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct conform_gate {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool open;
    bool expired;     /* has opened by itself */
    uint32_t waiting; /* host calls that stand here, or stood */
    uint64_t limit_ns;
    /* The test's own thread's: the stream that stands at the gate, once somebody asked for its point. */
    rlx_device *device;
    rlx_stream *stream;
    rlx_point point;
};

static struct timespec time_after(uint64_t ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t at = (uint64_t)now.tv_sec * RLX_SECOND + (uint64_t)now.tv_nsec + ns;
    return (struct timespec){ .tv_sec = (time_t)(at / RLX_SECOND), .tv_nsec = (long)(at % RLX_SECOND) };
}

static void init_clock(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

conform_gate *conform_gate_closed(conform_test *t) {
    conform_gate *gate = calloc(1, sizeof *gate);
    CHECK(t, gate != NULL, "memory for a gate");
    pthread_mutex_init(&gate->lock, NULL);
    init_clock(&gate->changed);
    gate->limit_ns = t->patience * 2 / 3;
    conform_keep(t, CONFORM_ITEM_GATE, gate);
    return gate;
}

static rlx_status stand_at_gate(void *user) {
    conform_gate *gate = user;
    struct timespec until = time_after(gate->limit_ns);
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        if (pthread_cond_timedwait(&gate->changed, &gate->lock, &until) == ETIMEDOUT && !gate->open)
            gate->open = gate->expired = true;
    pthread_mutex_unlock(&gate->lock);
    return RLX_OK;
}

rlx_point conform_gate_point(conform_test *t, conform_gate *gate) {
    if (gate->stream) return gate->point;
    const char *name = conform_has_device(t, "cpu") ? "cpu" : t->process->options->device;
    CHECK_OK(t, rlx_device_open(name, &(rlx_device_desc){ .workers = 1 }, &gate->device));
    CHECK_OK(t, rlx_stream_create(gate->device, NULL, &gate->stream));
    CHECK_OK(t, rlx_stream_host_call(gate->stream, stand_at_gate, gate));
    CHECK_OK(t, rlx_stream_submit(gate->stream, &gate->point));
    return gate->point;
}

void conform_gate_hold(conform_test *t, conform_gate *gate, rlx_stream *s) {
    CHECK_OK(t, rlx_stream_depend(s, conform_gate_point(t, gate)));
}

void conform_gate_block(conform_test *t, conform_gate *gate, rlx_stream *s) {
    CHECK_OK(t, rlx_stream_host_call(s, stand_at_gate, gate));
}

void conform_gate_open(conform_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

typedef struct later {
    conform_gate *gate;
    uint32_t milliseconds;
} later;

static void open_later(conform_test *t, void *user) {
    (void)t;
    const later *order = user;
    conform_sleep_ms(order->milliseconds);
    conform_gate_open(order->gate);
}

void conform_gate_open_later(conform_test *t, conform_gate *gate, uint32_t milliseconds) {
    later *order = conform_memory(t, sizeof *order);
    *order = (later){ gate, milliseconds };
    conform_thread_start(t, open_later, order);
}

void conform_gate_check(conform_test *t, conform_gate *gate, const char *what) {
    pthread_mutex_lock(&gate->lock);
    bool expired = gate->expired;
    pthread_mutex_unlock(&gate->lock);
    CHECK(t, !expired, "%s, while the gate is closed", what);
}

void conform_gate_await(conform_test *t, conform_gate *gate) {
    struct timespec until = time_after(t->patience);
    pthread_mutex_lock(&gate->lock);
    while (!gate->waiting && pthread_cond_timedwait(&gate->changed, &gate->lock, &until) != ETIMEDOUT) continue;
    uint32_t waiting = gate->waiting;
    pthread_mutex_unlock(&gate->lock);
    CHECK(t, waiting > 0, "the batch begins by itself");
}

void conform_gate_release(conform_gate *gate) {
    conform_gate_open(gate);
    if (gate->stream) {
        rlx_status status = rlx_point_wait(gate->point, 5 * RLX_SECOND);
        (void)status;
    }
    rlx_stream_release(gate->stream);
    rlx_device_release(gate->device);
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

/* ---- Threads ---- */

struct conform_thread {
    pthread_t thread;
    conform_test test; /* as this thread has it */
    conform_thread_function function;
    void *user;
    jmp_buf start;
    bool joined;
};

static void *run_thread(void *user) {
    conform_thread *thread = user;
    if (setjmp(thread->start) == 0) thread->function(&thread->test, thread->user);
    return NULL;
}

void conform_thread_leave(conform_thread *thread) { longjmp(thread->start, 1); }

conform_thread *conform_thread_start(conform_test *t, conform_thread_function function, void *user) {
    conform_thread *thread = calloc(1, sizeof *thread);
    CHECK(t, thread != NULL, "memory for a thread");
    thread->test = *t;
    thread->test.thread = thread;
    thread->test.random = conform_random(t);
    thread->function = function;
    thread->user = user;
    CHECK(t, pthread_create(&thread->thread, NULL, run_thread, thread) == 0, "a thread for the test itself");
    conform_keep(t, CONFORM_ITEM_THREAD, thread);
    return thread;
}

static void join(conform_thread *thread) {
    if (!thread->joined) pthread_join(thread->thread, NULL);
    thread->joined = true;
}

void conform_thread_join(conform_test *t, conform_thread *thread) {
    join(thread);
    pthread_mutex_lock(&t->process->lock);
    bool failed = t->process->failed;
    pthread_mutex_unlock(&t->process->lock);
    if (failed) conform_leave(t);
}

void conform_thread_finish(conform_thread *thread) {
    join(thread);
    free(thread);
}
