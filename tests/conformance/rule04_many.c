/* Rule 4, continued: waits for any and all of several points, callbacks, when points completed. */
#include "conform.h"

/* ---- Any and all ---- */

typedef struct pair {
    conform_gate *gate;
    rlx_point done, held; /* one has completed, the other stands at the gate */
    rlx_stream *held_stream;
} pair;

static pair make_pair(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    pair p = { .gate = conform_gate_closed(t), .held_stream = conform_stream(t, 0) };
    CHECK_OK(t, rlx_stream_submit(s, &p.done));
    CHECK_DONE(t, p.done);
    conform_gate_hold(t, p.gate, p.held_stream);
    CHECK_OK(t, rlx_stream_submit(p.held_stream, &p.held));
    return p;
}

static rlx_point failed_point(conform_test *t, rlx_status status) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_point point;
    conform_fail(t, s, status);
    rlx_status ignored = rlx_stream_submit(s, &point);
    (void)ignored;
    CHECK_ONE_OF(t, rlx_point_wait(point, t->patience), CONFORM_ERRORS);
    return point;
}

static void any_ends_with_the_first_that_ends(conform_test *t) {
    pair p = make_pair(t);
    uint32_t index = 99;
    CHECK_OK(t, rlx_points_wait((rlx_point[]){ p.held, p.done }, 2, RLX_WAIT_ANY, t->patience, &index));
    CHECK_EQUAL(t, index, 1);
    CHECK_OK(t, rlx_points_wait((rlx_point[]){ p.done, p.held }, 2, RLX_WAIT_ANY, t->patience, &index));
    CHECK_EQUAL(t, index, 0);
    CHECK_OK(t, rlx_points_wait((rlx_point[]){ p.held, p.done }, 2, RLX_WAIT_ANY, 0, NULL));
    conform_gate_check(t, p.gate, "a wait for any ends");
    CHECK_STATUS(t, rlx_points_wait(&p.held, 1, RLX_WAIT_ANY, 5 * RLX_MILLISECOND, &index), RLX_TIMEOUT);
    CHECK_EQUAL(t, index, 0); /* one that has not ended */
    CHECK_STATUS(t, rlx_points_wait((rlx_point[]){ p.held, p.held }, 2, RLX_WAIT_ANY, 0, &index), RLX_TIMEOUT);
    CHECK(t, index < 2, "the index of one that has not ended");
    conform_gate_open(p.gate);
    CHECK_OK(t, rlx_points_wait((rlx_point[]){ p.held, p.held }, 2, RLX_WAIT_ANY, t->patience, &index));
    CHECK(t, index < 2, "the index of one that has ended");
}

static void any_ends_when_one_of_them_does(conform_test *t) {
    conform_gate *gates[3];
    rlx_point points[3];
    for (int i = 0; i < 3; i++) {
        rlx_stream *s = conform_stream(t, 0);
        gates[i] = conform_gate_closed(t);
        conform_gate_hold(t, gates[i], s);
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    }
    uint32_t index = 99;
    conform_gate_open_later(t, gates[2], 20);
    CHECK_OK(t, rlx_points_wait(points, 3, RLX_WAIT_ANY, t->patience, &index));
    CHECK_EQUAL(t, index, 2);
    conform_gate_check(t, gates[0], "a wait for any does not wait for the others");
    conform_gate_open_later(t, gates[0], 20);
    CHECK_OK(t, rlx_points_wait(points, 2, RLX_WAIT_ANY, t->patience, &index));
    CHECK_EQUAL(t, index, 0);
    conform_gate_check(t, gates[1], "a wait for any does not wait for the others");
    conform_gate_open(gates[1]);
}

static void any_of_a_failed_one_tells_its_failure(conform_test *t) {
    pair p = make_pair(t);
    rlx_point failed = failed_point(t, RLX_ERROR_KERNEL);
    uint32_t index = 99;
    CHECK_STATUS(t, rlx_points_wait((rlx_point[]){ p.held, failed }, 2, RLX_WAIT_ANY, t->patience, &index),
                 RLX_ERROR_KERNEL);
    CHECK_EQUAL(t, index, 1);
    conform_gate_check(t, p.gate, "a wait for any ends with a failed one");
    conform_gate_open(p.gate);
}

static void all_ends_with_the_last_that_ends(conform_test *t) {
    pair p = make_pair(t);
    uint32_t index = 99;
    CHECK_STATUS(t, rlx_points_wait((rlx_point[]){ p.done, p.held }, 2, RLX_WAIT_ALL, 5 * RLX_MILLISECOND, &index),
                 RLX_TIMEOUT);
    CHECK_EQUAL(t, index, 1);
    CHECK_STATUS(t, rlx_points_wait((rlx_point[]){ p.held, p.done }, 2, RLX_WAIT_ALL, 0, &index), RLX_TIMEOUT);
    CHECK_EQUAL(t, index, 0);
    conform_gate_check(t, p.gate, "a wait for all times out");
    conform_gate_open_later(t, p.gate, 20);
    CHECK_OK(t, rlx_points_wait((rlx_point[]){ p.done, p.held, p.done }, 3, RLX_WAIT_ALL, t->patience, &index));
    CHECK_EQUAL(t, index, 3);
    CHECK_OK(t, rlx_point_query(p.held));
}

/* A failure of one doesn't end the wait: what the others borrow is still in use. */
static void all_waits_for_the_others_of_a_failed_one(conform_test *t) {
    pair p = make_pair(t);
    rlx_point failed = failed_point(t, RLX_ERROR_KERNEL);
    rlx_point points[] = { p.done, failed, p.held };
    uint32_t index = 99;
    CHECK_STATUS(t, rlx_points_wait(points, 3, RLX_WAIT_ALL, 10 * RLX_MILLISECOND, &index), RLX_TIMEOUT);
    CHECK_EQUAL(t, index, 2);
    conform_gate_check(t, p.gate, "a wait for all times out");
    conform_gate_open_later(t, p.gate, 20);
    CHECK_STATUS(t, rlx_points_wait(points, 3, RLX_WAIT_ALL, t->patience, &index), RLX_ERROR_KERNEL);
    CHECK_EQUAL(t, index, 1);
    CHECK_OK(t, rlx_point_query(p.held));
}

static void all_tells_the_first_in_the_array_that_failed(conform_test *t) {
    rlx_point late = failed_point(t, RLX_ERROR_KERNEL), early = failed_point(t, RLX_ERROR_KERNEL), zero = { 0, 0 };
    uint32_t index = 99;
    CHECK_STATUS(t, rlx_points_wait((rlx_point[]){ zero, early, zero, late }, 4, RLX_WAIT_ALL, t->patience, &index),
                 RLX_ERROR_KERNEL);
    CHECK_EQUAL(t, index, 1);
    CHECK_STATUS(t, rlx_points_wait((rlx_point[]){ zero, zero, late, early }, 4, RLX_WAIT_ALL, t->patience, &index),
                 RLX_ERROR_KERNEL);
    CHECK_EQUAL(t, index, 2);
}

static void waits_for_a_thousand_points(conform_test *t) {
    enum { STREAMS = 100, EACH = 10, POINTS = STREAMS * EACH };
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *ended = conform_counter(t);
    rlx_point *points = conform_memory(t, POINTS * sizeof *points);
    for (uint32_t i = 0; i < STREAMS; i++) {
        rlx_stream *s = conform_stream(t, 0);
        conform_gate_hold(t, gate, s);
        for (uint32_t k = 0; k < EACH; k++) {
            conform_count(t, s, ended);
            CHECK_OK(t, rlx_stream_submit(s, &points[i * EACH + k]));
        }
    }
    uint32_t index = 0;
    CHECK_STATUS(t, rlx_points_wait(points, POINTS, RLX_WAIT_ALL, 5 * RLX_MILLISECOND, &index), RLX_TIMEOUT);
    CHECK_STATUS(t, rlx_points_wait(points, POINTS, RLX_WAIT_ANY, 5 * RLX_MILLISECOND, &index), RLX_TIMEOUT);
    conform_gate_check(t, gate, "waits for a thousand points time out");
    conform_gate_open_later(t, gate, 10);
    CHECK_OK(t, rlx_points_wait(points, POINTS, RLX_WAIT_ALL, t->patience, &index));
    CHECK_EQUAL(t, index, POINTS);
    CHECK_EQUAL(t, atomic_load(ended), POINTS);
}

/* ---- Waits on many threads ---- */

typedef struct crowd {
    rlx_point point;
    rlx_stream *stream;
    atomic_uint *ended;
    atomic_uint released;
} crowd;

static void wait_in_crowd(conform_test *t, void *user) {
    crowd *c = user;
    for (int i = 0; i < 3; i++) CHECK_STATUS(t, rlx_point_wait(c->point, RLX_MILLISECOND), RLX_TIMEOUT);
    CHECK_DONE(t, c->point);
    CHECK_EQUAL(t, atomic_load(c->ended), 1);
    CHECK_OK(t, rlx_stream_wait(c->stream, t->patience));
    CHECK_OK(t, rlx_points_wait(&c->point, 1, RLX_WAIT_ANY, t->patience, NULL));
    atomic_fetch_add(&c->released, 1);
}

static void many_threads_wait_for_one_point(conform_test *t) {
    conform_gate *gate = conform_gate_closed(t);
    crowd *c = conform_memory(t, sizeof *c);
    c->stream = conform_stream(t, 0);
    c->ended = conform_counter(t);
    conform_gate_hold(t, gate, c->stream);
    conform_count(t, c->stream, c->ended);
    CHECK_OK(t, rlx_stream_submit(c->stream, &c->point));
    conform_thread *threads[8];
    for (int i = 0; i < 8; i++) threads[i] = conform_thread_start(t, wait_in_crowd, c);
    conform_sleep_ms(50);
    conform_gate_open(gate);
    for (int i = 0; i < 8; i++) conform_thread_join(t, threads[i]);
    CHECK_EQUAL(t, atomic_load(&c->released), 8);
}

/* ---- Notify ---- */

typedef struct notice {
    atomic_uint calls;
    atomic_int status;
} notice;

static void take_notice(void *user, rlx_status status) {
    notice *n = user;
    atomic_store(&n->status, (int)status);
    atomic_fetch_add(&n->calls, 1);
}

/* Callbacks may come a little after the wait: from another thread that has learnt of the end. */
static void await_calls(conform_test *t, notice *n, unsigned calls) {
    for (uint64_t limit = conform_now_ns() + t->patience; atomic_load(&n->calls) < calls && conform_now_ns() < limit;)
        conform_sleep_us(200);
    CHECK_EQUAL(t, atomic_load(&n->calls), calls);
}

static void notify_calls_once_when_the_point_ends(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    notice *early = conform_memory(t, sizeof *early), *late = conform_memory(t, sizeof *late);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_OK(t, rlx_point_notify(point, take_notice, early));
    conform_sleep_ms(5);
    CHECK_STATUS(t, rlx_point_wait(point, 5 * RLX_MILLISECOND), RLX_TIMEOUT);
    CHECK_EQUAL(t, atomic_load(&early->calls), 0);
    conform_gate_check(t, gate, "a point that is not ready notifies nobody");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    await_calls(t, early, 1);
    CHECK_EQUAL(t, atomic_load(&early->status), RLX_OK);
    CHECK_OK(t, rlx_point_notify(point, take_notice, late)); /* it has ended: at once, on this thread */
    CHECK_EQUAL(t, atomic_load(&late->calls), 1);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_OK(t, rlx_point_query(point));
    }
    conform_sleep_ms(20);
    CHECK_EQUAL(t, atomic_load(&early->calls), 1);
    CHECK_EQUAL(t, atomic_load(&late->calls), 1);
}

/* What the point of a failed batch tells: once if it was asked before, once if after. */
static void check_failing_notices(conform_test *t, notice *before, notice *after, rlx_point point, rlx_status status) {
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), status);
    await_calls(t, before, 1);
    CHECK_EQUAL(t, atomic_load(&before->status), status);
    CHECK_OK(t, rlx_point_notify(point, take_notice, after));
    CHECK_EQUAL(t, atomic_load(&after->calls), 1);
    CHECK_EQUAL(t, atomic_load(&after->status), status);
}

static void notify_calls_once_on_failure(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *dependent = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    notice *before = conform_memory(t, 3 * sizeof *before), *after = conform_memory(t, 3 * sizeof *after);
    rlx_point points[3];
    conform_gate_hold(t, gate, s);
    conform_fail(t, s, RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_submit(s, &points[0]));
    CHECK_OK(t, rlx_stream_submit(s, &points[1])); /* a later point of the stream */
    CHECK_OK(t, rlx_stream_depend(dependent, points[0]));
    CHECK_OK(t, rlx_stream_submit(dependent, &points[2]));
    for (int i = 0; i < 3; i++) CHECK_OK(t, rlx_point_notify(points[i], take_notice, &before[i]));
    conform_gate_open(gate);
    for (int i = 0; i < 3; i++) check_failing_notices(t, &before[i], &after[i], points[i], RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_recover(dependent));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    conform_sleep_ms(20);
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(t, atomic_load(&before[i].calls), 1);
        CHECK_EQUAL(t, atomic_load(&after[i].calls), 1);
    }
}

static void notify_calls_once_on_cancel(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    notice *before = conform_memory(t, 2 * sizeof *before), *after = conform_memory(t, 2 * sizeof *after);
    rlx_point points[2];
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
        CHECK_OK(t, rlx_point_notify(points[i], take_notice, &before[i]));
    }
    CHECK_OK(t, rlx_stream_cancel(s));
    for (int i = 0; i < 2; i++) check_failing_notices(t, &before[i], &after[i], points[i], RLX_ERROR_CANCELLED);
    conform_gate_open(gate);
    conform_sleep_ms(20);
    for (int i = 0; i < 2; i++) CHECK_EQUAL(t, atomic_load(&before[i].calls), 1);
}

static void notify_calls_once_after_the_stream_is_gone(conform_test *t) {
    conform_gate *gate = conform_gate_closed(t);
    notice *n = conform_memory(t, sizeof *n);
    rlx_stream *s;
    rlx_point point;
    CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_OK(t, rlx_point_notify(point, take_notice, n));
    rlx_stream_release(s);
    CHECK_EQUAL(t, atomic_load(&n->calls), 0);
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    await_calls(t, n, 1);
    conform_sleep_ms(10);
    CHECK_EQUAL(t, atomic_load(&n->calls), 1);
    CHECK_EQUAL(t, atomic_load(&n->status), RLX_OK);
}

static void a_thousand_notices_are_called_once_each(conform_test *t) {
    enum { NOTICES = 1000, POINTS = 20 };
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    notice *n = conform_memory(t, NOTICES * sizeof *n);
    rlx_point points[POINTS];
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < POINTS; i++) CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    for (int i = 0; i < NOTICES; i++) CHECK_OK(t, rlx_point_notify(points[(i * 7) % POINTS], take_notice, &n[i]));
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    for (int i = 0; i < NOTICES; i++) await_calls(t, &n[i], 1);
    conform_sleep_ms(10);
    for (int i = 0; i < NOTICES; i++) CHECK_EQUAL(t, atomic_load(&n[i].calls), 1);
}

/* A callback may do anything but wait; so no lock is held around it, of whatever object. */
typedef struct busy {
    conform_test *t;
    rlx_stream *stream, *other;
    rlx_point point;
    notice inner;
    rlx_status results[8];
    atomic_uint done;
} busy;

static void be_busy(void *user, rlx_status status) {
    busy *b = user;
    rlx_buffer *buffer = NULL;
    rlx_stream *stream = NULL;
    rlx_failure failure;
    rlx_health health;
    b->results[0] = status;
    b->results[1] = rlx_point_query(b->point);
    b->results[2] = rlx_point_notify(b->point, take_notice, &b->inner);
    b->results[3] = rlx_stream_failure(b->stream, &failure);
    b->results[4] = rlx_device_health(b->t->device, &health);
    b->results[5] = rlx_buffer_create(b->t->device, &(rlx_buffer_desc){ .size = 64 }, &buffer);
    b->results[6] = rlx_stream_create(b->t->device, NULL, &stream);
    if (!b->results[5]) b->results[7] = rlx_stream_fill(b->other, rlx_whole(buffer), 1, 4);
    if (!b->results[7]) b->results[7] = rlx_stream_submit(b->other, NULL);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
    atomic_store(&b->done, 1);
}

static void callbacks_may_use_the_library(conform_test *t) {
    for (int ended = 0; ended < 2; ended++) { /* called later, and at once */
        conform_gate *gate = conform_gate_closed(t);
        busy *b = conform_memory(t, sizeof *b);
        b->t = t, b->stream = conform_stream(t, 0), b->other = conform_stream(t, 0);
        conform_gate_hold(t, gate, b->stream);
        CHECK_OK(t, rlx_stream_submit(b->stream, &b->point));
        if (ended) conform_gate_open(gate);
        if (ended) CHECK_DONE(t, b->point);
        CHECK_OK(t, rlx_point_notify(b->point, be_busy, b));
        conform_gate_open(gate);
        CHECK_DONE(t, b->point);
        for (uint64_t limit = conform_now_ns() + t->patience; !atomic_load(&b->done) && conform_now_ns() < limit;)
            conform_sleep_us(200);
        CHECK(t, atomic_load(&b->done) == 1, "a callback that uses the library comes to its end");
        for (int i = 0; i < 8; i++) CHECK_OK(t, b->results[i]);
        await_calls(t, &b->inner, 1);
        CHECK_OK(t, rlx_stream_wait(b->other, t->patience));
    }
}

/* While one thread is in a callback, another may use the same objects. */
typedef struct handover {
    busy *b;
    atomic_uint entered, left;
    uint64_t limit_ns;
} handover;

static void wait_for_the_other_thread(void *user, rlx_status status) {
    handover *h = user;
    (void)status;
    atomic_store(&h->entered, 1);
    for (uint64_t limit = conform_now_ns() + h->limit_ns; !atomic_load(&h->b->done) && conform_now_ns() < limit;)
        conform_sleep_us(200);
    atomic_store(&h->left, atomic_load(&h->b->done) ? 1 : 2);
}

static void use_the_library_meanwhile(conform_test *t, void *user) {
    handover *h = user;
    for (uint64_t limit = conform_now_ns() + t->patience; !atomic_load(&h->entered) && conform_now_ns() < limit;)
        conform_sleep_us(200);
    be_busy(h->b, RLX_OK);
}

static void a_callback_is_called_without_a_lock(conform_test *t) {
    conform_gate *gate = conform_gate_closed(t);
    busy *b = conform_memory(t, sizeof *b);
    handover *h = conform_memory(t, sizeof *h);
    b->t = t, b->stream = conform_stream(t, 0), b->other = conform_stream(t, 0);
    h->b = b, h->limit_ns = t->patience / 2;
    conform_gate_hold(t, gate, b->stream);
    CHECK_OK(t, rlx_stream_submit(b->stream, &b->point));
    CHECK_OK(t, rlx_point_notify(b->point, wait_for_the_other_thread, h));
    conform_thread *thread = conform_thread_start(t, use_the_library_meanwhile, h);
    conform_gate_open(gate);
    CHECK_DONE(t, b->point);
    conform_thread_join(t, thread);
    for (uint64_t limit = conform_now_ns() + t->patience; !atomic_load(&h->left) && conform_now_ns() < limit;)
        conform_sleep_us(200);
    CHECK(t, atomic_load(&h->left) == 1, "another thread uses the library while this one is in a callback");
    for (int i = 0; i < 8; i++) CHECK_OK(t, b->results[i]);
}

/* ---- When points completed ---- */

static void timestamps_of_points_rise(conform_test *t) {
    rlx_stream *s = conform_stream(t, RLX_STREAM_TIMESTAMPS), *plain = conform_stream(t, 0);
    rlx_point points[50], other;
    uint64_t began = rlx_clock_ns(), before = began, ns;
    for (int i = 0; i < 50; i++) {
        conform_nap(t, s, i == 25 ? 20000 : 100);
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    }
    CHECK_DONE(t, points[49]);
    uint64_t slack = t->info->can & RLX_CAN_DEVICE_CLOCK ? RLX_MILLISECOND : 0;
    uint64_t ended = rlx_clock_ns() + slack, gap = 0;
    for (int i = 0; i < 50; i++) {
        CHECK_OK(t, rlx_point_timestamp(points[i], &ns));
        CHECK(t, ns + slack >= before && ns <= ended,
              "the times of points rise, and lie between the submit and the wait");
        if (i == 25) gap = ns - before;
        before = ns;
    }
    CHECK(t, gap + slack >= 19 * RLX_MILLISECOND,
          "20 ms of work lie before point 25; its time is %" PRIu64 " ns after the one before", gap);
    CHECK_OK(t, rlx_stream_submit(plain, &other));
    CHECK_DONE(t, other);
    CHECK_STATUS(t, rlx_point_timestamp(other, &ns), RLX_ERROR_UNSUPPORTED);
}

static void timestamps_of_points_expire(conform_test *t) {
    conform_gate *gate = conform_gate_closed(t);
    rlx_stream *s;
    rlx_point points[300], held;
    uint64_t ns;
    CHECK_OK(t, rlx_stream_create(t->device, &(rlx_stream_desc){ .flags = RLX_STREAM_TIMESTAMPS }, &s));
    for (int i = 0; i < 300; i++) CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    CHECK_DONE(t, points[299]);
    CHECK_OK(t, rlx_point_timestamp(points[299], &ns));
    CHECK_OK(t, rlx_point_timestamp(points[300 - 255], &ns));
    CHECK_STATUS(t, rlx_point_timestamp(points[0], &ns), RLX_ERROR_EXPIRED);
    CHECK_STATUS(t, rlx_point_timestamp(points[300 - 258], &ns), RLX_ERROR_EXPIRED);
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &held));
    CHECK_STATUS(t, rlx_point_timestamp(held, &ns), RLX_NOT_READY);
    conform_gate_open(gate);
    CHECK_DONE(t, held);
    rlx_stream_release(s);
    CHECK_STATUS(t, rlx_point_timestamp(held, &ns), RLX_ERROR_EXPIRED);
}

const conform_case conform_rule04_many[] = {
    { 4, "wait for any ends with one that has ended, and says which", any_ends_with_the_first_that_ends, NEEDS_GATE },
    { 4, "wait for any ends when one of them ends", any_ends_when_one_of_them_does, NEEDS_GATE },
    { 4, "wait for any tells the failure of the one that ended", any_of_a_failed_one_tells_its_failure, NEEDS_GATE },
    { 4, "wait for all ends with the last that ends", all_ends_with_the_last_that_ends, NEEDS_GATE },
    { 4, "wait for all waits for the others of one that failed", all_waits_for_the_others_of_a_failed_one, NEEDS_GATE },
    { 4, "wait for all tells the first in the array that failed", all_tells_the_first_in_the_array_that_failed },
    { 4, "wait takes a thousand points of a hundred streams", waits_for_a_thousand_points, NEEDS_GATE },
    { 4, "many threads wait for one point, and each is told", many_threads_wait_for_one_point,
      NEEDS_GATE | NEEDS_THREADS },
    { 4, "notify calls back once when the point has ended", notify_calls_once_when_the_point_ends, NEEDS_GATE },
    { 4, "notify calls back once when the point has failed", notify_calls_once_on_failure, NEEDS_GATE },
    { 4, "notify calls back once when the batch was cancelled", notify_calls_once_on_cancel, NEEDS_GATE },
    { 4, "notify calls back once after its stream is gone", notify_calls_once_after_the_stream_is_gone, NEEDS_GATE },
    { 4, "a thousand notices are called back once each", a_thousand_notices_are_called_once_each, NEEDS_GATE },
    { 4, "a callback may use the library", callbacks_may_use_the_library, NEEDS_GATE },
    { 4, "a callback is called from a thread that holds no lock", a_callback_is_called_without_a_lock,
      NEEDS_GATE | NEEDS_THREADS },
    { 4, "the times of points rise with them", timestamps_of_points_rise },
    { 4, "the times of points expire, and only after 255 later ones", timestamps_of_points_expire, NEEDS_GATE },
    { 0 },
};
