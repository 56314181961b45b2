/* Rule 12: who makes work progress. Where the device does, work ends with nobody waiting. Where only the caller can,
 * what is held advances inside a wait, on the caller's thread, and a wait drives every stream that its point depends
 * on. */
#include "conform.h"

#define SIZE 256

/* ---- Progress without the caller ---- */

static void await_counter(conform_test *t, atomic_uint *counter, unsigned value) {
    for (uint64_t limit = conform_now_ns() + t->patience; atomic_load(counter) < value && conform_now_ns() < limit;)
        conform_sleep_us(200);
    CHECK_EQUAL(t, atomic_load(counter), value);
}

static void work_ends_with_nobody_waiting(conform_test *t) {
    rlx_stream *a = conform_stream(t, 0), *b = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point point;
    conform_set(t, rlx_whole(x), 0);
    conform_affine(t, a, rlx_whole(x), 1, 1, 1);
    conform_count(t, a, calls);
    CHECK_OK(t, rlx_stream_submit(a, NULL));
    await_counter(t, calls, 1); /* from here on no call of the library */
    conform_gate_hold(t, gate, a);
    conform_count(t, a, calls);
    CHECK_OK(t, rlx_stream_submit(a, &point));
    CHECK_OK(t, rlx_stream_depend(b, point));
    conform_count(t, b, calls);
    CHECK_OK(t, rlx_stream_submit(b, NULL));
    conform_gate_open(gate);
    await_counter(t, calls, 3); /* held batches too, one after the other */
}

static void count_notice(void *user, rlx_status status) {
    if (status == RLX_OK) atomic_fetch_add((atomic_uint *)user, 1);
}

static void callbacks_come_with_nobody_waiting(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_OK(t, rlx_point_notify(point, count_notice, calls));
    conform_gate_open(gate);
    await_counter(t, calls, 1);
}

static void a_released_streams_work_ends_with_nobody_waiting(conform_test *t) {
    rlx_stream *s;
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
    conform_gate_hold(t, gate, s);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    rlx_stream_release(s);
    conform_gate_open(gate);
    await_counter(t, calls, 1);
}

/* ---- Progress inside waits ---- */

static void await_point(conform_test *t, rlx_point point) {
    for (uint64_t limit = conform_now_ns() + t->patience;
         rlx_point_query(point) == RLX_NOT_READY && conform_now_ns() < limit;)
        conform_sleep_us(200);
    CHECK_OK(t, rlx_point_query(point));
}

/* What is held stays held until somebody waits, however long its dependency has been met. */
static void held_work_advances_inside_a_wait(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t), *notices = conform_counter(t);
    uint32_t *word = conform_memory(t, 4);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    conform_iota(t, s, rlx_whole(x), 9);
    CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 4, 4)));
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_OK(t, rlx_point_notify(point, count_notice, notices));
    conform_gate_open(gate);
    await_point(t, conform_gate_point(t, gate));
    conform_sleep_ms(20);
    CHECK(t, atomic_load(calls) == 0 && *word == 0 && atomic_load(notices) == 0,
          "a held batch runs in nobody's absence");
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    CHECK_EQUAL(t, *word, 10);
    CHECK_EQUAL(t, atomic_load(notices), 1); /* inside that wait: there is no other thread that could */
}

typedef struct witness {
    rlx_stream *s;
    conform_gate *gate;
    rlx_point point;
    atomic_uint here; /* set while the thread that waits is inside its wait */
    atomic_uint seen; /* what the host call found there, plus one */
} witness;

static rlx_status look_around(void *user) {
    witness *w = user;
    atomic_store(&w->seen, atomic_load(&w->here) + 1);
    return RLX_OK;
}

static void held_work_runs_on_the_thread_that_waits(conform_test *t) {
    for (int way = 0; way < 4; way++) { /* each of the calls that wait */
        witness *w = conform_memory(t, sizeof *w);
        w->s = conform_stream(t, 0);
        w->gate = conform_gate_closed(t);
        conform_gate_hold(t, w->gate, w->s);
        CHECK_OK(t, rlx_stream_host_call(w->s, look_around, w));
        CHECK_OK(t, rlx_stream_submit(w->s, &w->point));
        conform_gate_open(w->gate);
        await_point(t, conform_gate_point(t, w->gate));
        atomic_store(&w->here, 1);
        if (way == 0) CHECK_OK(t, rlx_point_wait(w->point, t->patience));
        if (way == 1) CHECK_OK(t, rlx_stream_wait(w->s, t->patience));
        if (way == 2) CHECK_OK(t, rlx_points_wait(&w->point, 1, RLX_WAIT_ANY, t->patience, NULL));
        if (way == 3) CHECK_OK(t, rlx_stream_submit_and_wait(w->s, t->patience));
        atomic_store(&w->here, 0);
        CHECK_EQUAL(t, atomic_load(&w->seen), 2);
    }
}

/* A chain of streams, each depending on the one before; the wait is for the last one's point alone. */
static void check_chain(conform_test *t, rlx_device *const *devices, uint32_t device_count, bool released) {
    enum { STREAMS = 40 };
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_stream *streams[STREAMS];
    rlx_point before = conform_gate_point(t, gate);
    for (uint32_t i = 0; i < STREAMS; i++) {
        CHECK_OK(t, rlx_stream_create(devices[i % device_count], NULL, &streams[i]));
        CHECK_OK(t, rlx_stream_depend(streams[i], before));
        conform_count(t, streams[i], calls);
        CHECK_OK(t, rlx_stream_submit(streams[i], &before));
        if (released) rlx_stream_release(streams[i]);
    }
    conform_gate_open(gate);
    CHECK_DONE(t, before);
    CHECK_EQUAL(t, atomic_load(calls), STREAMS);
    for (uint32_t i = 0; i < STREAMS && !released; i++) rlx_stream_release(streams[i]);
}

static void a_wait_drives_every_stream_that_its_point_depends_on(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_device *const one[] = { t->device }, *const two[] = { t->device, other };
    check_chain(t, one, 1, false);
    check_chain(t, two, 2, false);
    check_chain(t, one, 1, true);
    check_chain(t, two, 2, true);
}

static void a_wait_drives_this_device_through_cpu(conform_test *t) {
    rlx_device *const devices[] = { t->device, conform_open(t, "cpu") };
    check_chain(t, devices, 2, false);
    check_chain(t, devices, 2, true);
}

static void a_wait_drives_sync_through_this_device(conform_test *t) {
    rlx_device *const devices[] = { conform_open(t, "sync"), t->device };
    check_chain(t, devices, 2, false);
    check_chain(t, devices, 2, true);
}

/* Wait for any of several: each may be the one. */
static void a_wait_for_any_drives_them_all(conform_test *t) {
    enum { STREAMS = 5 };
    for (uint32_t which = 0; which < STREAMS; which++) {
        conform_gate *gates[STREAMS];
        rlx_point points[STREAMS];
        for (uint32_t i = 0; i < STREAMS; i++) {
            rlx_stream *s = conform_stream(t, 0);
            gates[i] = conform_gate_closed(t);
            conform_gate_hold(t, gates[i], s);
            CHECK_OK(t, rlx_stream_submit(s, &points[i]));
        }
        uint32_t index = 99;
        conform_gate_open_later(t, gates[which], 5);
        CHECK_OK(t, rlx_points_wait(points, STREAMS, RLX_WAIT_ANY, t->patience, &index));
        CHECK_EQUAL(t, index, which);
        for (uint32_t i = 0; i < STREAMS; i++) conform_gate_open(gates[i]);
        CHECK_OK(t, rlx_points_wait(points, STREAMS, RLX_WAIT_ALL, t->patience, NULL));
    }
}

/* A run that waits for another stream's run of the same program: the wait drives that one too. */
static void a_wait_drives_the_run_before(conform_test *t) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD), *a = conform_stream(t, 0), *b = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0);
    conform_affine(t, recording, rlx_whole(x), 1, 1, 1);
    rlx_program *program = conform_finish(t, recording);
    rlx_point first, second;
    conform_gate_hold(t, gate, a);
    CHECK_OK(t, rlx_stream_run(a, program, NULL));
    CHECK_OK(t, rlx_stream_submit(a, &first));
    CHECK_OK(t, rlx_stream_run(b, program, NULL));
    CHECK_OK(t, rlx_stream_submit(b, &second));
    conform_gate_open(gate);
    CHECK_DONE(t, second);
    CHECK_DONE(t, first);
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 2);
}

/* ---- The device `sync` ---- */

static void sync_does_its_work_in_submit(conform_test *t) {
    if (strcmp(t->info->name, "sync") != 0) conform_skip(t, "needs the device `sync`");
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    atomic_uint *calls = conform_counter(t), *notices = conform_counter(t);
    uint32_t *word = conform_memory(t, 4);
    for (unsigned i = 1; i <= 20; i++) {
        rlx_point point;
        conform_iota(t, s, rlx_whole(x), i);
        CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 4, 4)));
        conform_count(t, s, calls);
        CHECK_OK(t, rlx_stream_submit(s, &point));
        CHECK_EQUAL(t, atomic_load(calls), i);
        CHECK_EQUAL(t, *word, i + 1);
        CHECK_OK(t, rlx_point_query(point));
        CHECK_OK(t, rlx_point_wait(point, 0));
        CHECK_OK(t, rlx_point_notify(point, count_notice, notices));
        CHECK_EQUAL(t, atomic_load(notices), i);
    }
}

/* Neither by the device nor by the library. */
static void a_caller_driven_device_starts_no_thread(conform_test *t) {
    uint32_t threads = conform_thread_count();
    rlx_device *device;
    rlx_stream *s, *recording;
    rlx_buffer *x;
    rlx_program *program;
    rlx_point point, after;
    atomic_uint *notices = conform_counter(t);
    CHECK_OK(t, rlx_device_open(conform_device_name(t), NULL, &device));
    CHECK_EQUAL(t, conform_thread_count(), threads);
    CHECK_OK(t, rlx_stream_create(device, NULL, &s));
    CHECK_OK(t, rlx_stream_create(device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording));
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 1 << 20 }, &x));
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(x), 1, 4));
    conform_affine(t, recording, rlx_whole(x), 1, 1, 2);
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &program));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 0, 4));
    for (int i = 0; i < 10; i++) {
        conform_affine(t, s, rlx_whole(x), 1, 1, 2);
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit(s, &point));
        CHECK_EQUAL(t, conform_thread_count(), threads);
        CHECK_OK(t, rlx_stream_depend(s, point));
        CHECK_OK(t, rlx_stream_submit(s, &after));
        CHECK_OK(t, rlx_point_notify(after, count_notice, notices));
        CHECK_DONE(t, after);
        CHECK_EQUAL(t, conform_thread_count(), threads);
    }
    rlx_program_release(program);
    rlx_buffer_release(x);
    rlx_stream_release(recording);
    rlx_stream_release(s);
    rlx_device_release(device);
    CHECK_EQUAL(t, conform_thread_count(), threads);
    CHECK_EQUAL(t, atomic_load(notices), 10);
}

const conform_case conform_rule12[] = {
    { 12, "work ends with nobody waiting, held work too", work_ends_with_nobody_waiting, NEEDS_PROGRESS },
    { 12, "callbacks come with nobody waiting", callbacks_come_with_nobody_waiting, NEEDS_PROGRESS },
    { 12, "a released stream's work ends with nobody waiting", a_released_streams_work_ends_with_nobody_waiting,
      NEEDS_PROGRESS },
    { 12, "held work, reads and callbacks advance inside a wait, and not before", held_work_advances_inside_a_wait,
      NEEDS_CALLER | NEEDS_GATE },
    { 12, "held work runs inside the wait, in each call that waits", held_work_runs_on_the_thread_that_waits,
      NEEDS_CALLER | NEEDS_GATE },
    { 12, "a wait drives every stream that its point depends on", a_wait_drives_every_stream_that_its_point_depends_on,
      NEEDS_GATE },
    { 12, "a wait drives this device through points of `cpu`", a_wait_drives_this_device_through_cpu,
      NEEDS_GATE | NEEDS_CPU },
    { 12, "a wait drives `sync` through points of this device", a_wait_drives_sync_through_this_device,
      NEEDS_GATE | NEEDS_SYNC },
    { 12, "a wait for any of several drives them all", a_wait_for_any_drives_them_all, NEEDS_GATE },
    { 12, "a wait for a program's run drives the run before", a_wait_drives_the_run_before, NEEDS_GATE },
    { 12, "on `sync` the work is done when submit returns", sync_does_its_work_in_submit, NEEDS_CALLER },
    { 12, "a caller-driven device starts no thread, and neither does the library for it",
      a_caller_driven_device_starts_no_thread, NEEDS_CALLER | NEEDS_A_FRESH_PROCESS | NEEDS_TASKS | NEEDS_CPU_KIND },
    { 0 },
};
