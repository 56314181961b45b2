/* Rule 5, continued: failures reach every point that depends on them, on any stream of any device; lost devices;
 * health. */
#include "conform.h"

#define SIZE 256

static rlx_point submit_failing(conform_test *t, rlx_stream *s) {
    rlx_point point = { 0, 0 };
    rlx_status ignored = rlx_stream_submit(s, &point);
    (void)ignored; /* what becomes of the batch, its point tells */
    CHECK(t, point.timeline || point.value, "submit writes the point, whatever becomes of the batch");
    return point;
}

/* ---- Dependants ---- */

/* A failure at the gate, and a chain of streams behind it, each depending on the one before. */
static void check_chain(conform_test *t, rlx_device *const *devices, uint32_t count, bool known) {
    enum { MOST = 12 };
    rlx_stream *origin = conform_stream_on(t, devices[0], 0, "origin"), *streams[MOST];
    conform_gate *gate = conform_gate_closed(t);
    rlx_point bad, before, points[MOST], more[MOST];
    CHECK_OK(t, rlx_stream_submit(origin, NULL));
    conform_gate_hold(t, gate, origin);
    conform_fail(t, origin, RLX_ERROR_IO);
    CHECK_OK(t, rlx_stream_submit(origin, &bad));
    if (known) conform_gate_open(gate);
    if (known) CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_IO);
    before = bad;
    for (uint32_t i = 0; i < count; i++) {
        streams[i] = conform_stream_on(t, devices[i], 0, NULL);
        CHECK_OK(t, rlx_stream_depend(streams[i], before));
        if (i % 2) conform_fail(t, streams[i], RLX_ERROR_KERNEL); /* its own failure would come second */
        points[i] = submit_failing(t, streams[i]);
        more[i] = submit_failing(t, streams[i]);
        before = points[i];
    }
    conform_gate_open(gate);
    for (uint32_t i = count; i-- > 0;) {
        CHECK_STATUS(t, rlx_point_wait(points[i], t->patience), RLX_ERROR_IO);
        CHECK_STATUS(t, rlx_point_wait(more[i], t->patience), RLX_ERROR_IO);
        CHECK_STATUS(t, rlx_stream_submit(streams[i], NULL), RLX_ERROR_IO);
        rlx_failure failure;
        CHECK_OK(t, rlx_stream_failure(streams[i], &failure)); /* where it began */
        CHECK_EQUAL(t, failure.status, RLX_ERROR_IO);
        CHECK_EQUAL(t, failure.batch, bad.value);
        const char *name = rlx_device_info(devices[0])->name;
        CHECK(t, strcmp(failure.device, name) == 0, "the device where it began, '%s'; got '%s'", name, failure.device);
        CHECK_OK(t, rlx_stream_recover(streams[i]));
        CHECK_OK(t, rlx_stream_submit_and_wait(streams[i], t->patience));
        CHECK_STATUS(t, rlx_point_query(points[i]), RLX_ERROR_IO);
    }
    CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_IO);
}

static void a_failure_reaches_streams_that_wait_for_it(conform_test *t) {
    rlx_device *const devices[] = { t->device, t->device, t->device, t->device, t->device };
    check_chain(t, devices, 5, false);
}

static void a_failure_reaches_streams_that_depend_on_it_later(conform_test *t) {
    rlx_device *const devices[] = { t->device, t->device, t->device };
    check_chain(t, devices, 3, true);
}

static void a_failure_reaches_other_devices(conform_test *t) {
    rlx_device *again = conform_open_again(t);
    rlx_device *const devices[] = { t->device, again, t->device, again };
    check_chain(t, devices, 4, false);
    check_chain(t, devices, 4, true);
}

static void a_failure_travels_to_and_from(conform_test *t, const char *name) {
    rlx_device *other = conform_open(t, name);
    rlx_device *const here[] = { t->device, other, t->device, other };
    rlx_device *const there[] = { other, t->device, other, t->device };
    check_chain(t, here, 4, false);
    check_chain(t, there, 4, false);
    check_chain(t, here, 4, true);
    check_chain(t, there, 4, true);
}

static void a_failure_travels_to_and_from_cpu(conform_test *t) { a_failure_travels_to_and_from(t, "cpu"); }
static void a_failure_travels_to_and_from_sync(conform_test *t) { a_failure_travels_to_and_from(t, "sync"); }

static void a_failed_dependency_among_good_ones_is_enough(conform_test *t) {
    rlx_stream *bad = conform_stream(t, 0), *s = conform_stream(t, 0);
    conform_fail(t, bad, RLX_ERROR_KERNEL);
    rlx_point failed = submit_failing(t, bad);
    for (int i = 0; i < 20; i++) {
        rlx_stream *good = conform_stream(t, 0);
        rlx_point point;
        CHECK_OK(t, rlx_stream_submit(good, &point));
        CHECK_OK(t, rlx_stream_depend(s, point));
        if (i == 10) CHECK_OK(t, rlx_stream_depend(s, failed));
    }
    rlx_point point = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_KERNEL);
}

/* Statuses that calls return for reasons of their own are failures like any other when a host call returns them. */
static void a_failure_of_any_status_travels(conform_test *t) {
    const rlx_status statuses[] = { RLX_ERROR_INVALID, RLX_ERROR_ORDER,     RLX_ERROR_EXPIRED,      RLX_ERROR_FORKED,
                                    RLX_ERROR_THREAD,  RLX_ERROR_CANCELLED, RLX_ERROR_OUT_OF_MEMORY };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        rlx_stream *origin = conform_stream(t, 0), *dependent = conform_stream(t, 0);
        conform_fail(t, origin, statuses[i]);
        rlx_point bad = submit_failing(t, origin);
        CHECK_STATUS(t, rlx_point_wait(bad, t->patience), statuses[i]);
        CHECK_OK(t, rlx_stream_depend(dependent, bad));
        rlx_point after = submit_failing(t, dependent);
        CHECK_STATUS(t, rlx_point_wait(after, t->patience), statuses[i]);
        CHECK_STATUS(t, rlx_points_wait(&after, 1, RLX_WAIT_ANY, t->patience, NULL), statuses[i]);
        CHECK_OK(t, rlx_stream_recover(dependent));
        CHECK_OK(t, rlx_stream_submit_and_wait(dependent, t->patience));
    }
}

/* Streams that don't depend on it go on, whatever device they are on. */
static void a_failure_stays_where_it_belongs(conform_test *t) {
    rlx_stream *bad = conform_stream(t, 0), *neighbour = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_point before;
    CHECK_OK(t, rlx_stream_submit(neighbour, &before));
    conform_fail(t, bad, RLX_ERROR_KERNEL);
    rlx_point failed = submit_failing(t, bad);
    CHECK_STATUS(t, rlx_point_wait(failed, t->patience), RLX_ERROR_KERNEL);
    conform_iota(t, neighbour, rlx_whole(x), 1);
    CHECK_OK(t, rlx_stream_submit_and_wait(neighbour, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 9), 10);
    CHECK_DONE(t, before);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(neighbour, &failure));
    CHECK_EQUAL(t, failure.status, RLX_OK);
    rlx_stream *fresh = conform_stream(t, 0);
    CHECK_OK(t, rlx_stream_submit_and_wait(fresh, t->patience));
}

/* What depended on the failure and was released knows nothing of it, and its points do. */
static void a_failure_reaches_the_points_of_released_streams(conform_test *t) {
    rlx_stream *origin = conform_stream(t, 0), *dependent;
    conform_gate *gate = conform_gate_closed(t);
    rlx_point bad, after;
    conform_gate_hold(t, gate, origin);
    conform_fail(t, origin, RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_submit(origin, &bad));
    CHECK_OK(t, rlx_stream_create(t->device, NULL, &dependent));
    CHECK_OK(t, rlx_stream_depend(dependent, bad));
    CHECK_OK(t, rlx_stream_submit(dependent, &after));
    rlx_stream_release(dependent);
    conform_gate_open(gate);
    CHECK_STATUS(t, rlx_point_wait(after, t->patience), RLX_ERROR_KERNEL);
    CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_KERNEL);
}

static void a_failure_travels_through_a_transfer(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *from = conform_stream(t, 0), *to = conform_stream_on(t, other, 0, NULL);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer_on(t, other, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point moved = { 0, 0 }, after;
    conform_gate_hold(t, gate, from);
    conform_fail(t, from, RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_submit(from, NULL));
    CHECK_OK(t, rlx_transfer(to, rlx_whole(y), from, rlx_whole(x), &moved));
    after = submit_failing(t, to);
    conform_gate_open(gate);
    CHECK_STATUS(t, rlx_point_wait(moved, t->patience), RLX_ERROR_KERNEL);
    CHECK_STATUS(t, rlx_point_wait(after, t->patience), RLX_ERROR_KERNEL);
    CHECK_STATUS(t, rlx_transfer(to, rlx_whole(y), from, rlx_whole(x), NULL), RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_recover(from));
    CHECK_OK(t, rlx_stream_recover(to));
    CHECK_OK(t, rlx_transfer(to, rlx_whole(y), from, rlx_whole(x), &moved));
    CHECK_DONE(t, moved);
}

static void a_cancelled_batch_fails_who_depends_on_it(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *s = conform_stream(t, 0), *near = conform_stream(t, 0), *far = conform_stream_on(t, other, 0, NULL);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point dropped, near_point, far_point;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &dropped));
    CHECK_OK(t, rlx_stream_depend(near, dropped));
    CHECK_OK(t, rlx_stream_submit(near, &near_point));
    CHECK_OK(t, rlx_stream_depend(far, near_point));
    CHECK_OK(t, rlx_stream_submit(far, &far_point));
    CHECK_OK(t, rlx_stream_cancel(s));
    CHECK_STATUS(t, rlx_point_wait(far_point, t->patience), RLX_ERROR_CANCELLED);
    CHECK_STATUS(t, rlx_point_wait(near_point, t->patience), RLX_ERROR_CANCELLED);
    conform_gate_check(t, gate, "cancelled points fail");
    conform_gate_open(gate);
}

/* ---- Health ---- */

static void health_keeps_the_first_failure(conform_test *t) {
    rlx_device *device = conform_open_again(t), *other = conform_open_again(t);
    rlx_stream *s = conform_stream_on(t, device, 0, NULL), *dependent = conform_stream_on(t, other, 0, NULL);
    rlx_health health;
    CHECK_OK(t, rlx_device_health(device, &health));
    CHECK(t,
          health.status == RLX_OK && health.help == RLX_HELP_NONE && health.failures == 0 &&
              health.first.status == RLX_OK,
          "a device that has just been opened is well");
    const rlx_status statuses[] = { RLX_ERROR_IO, RLX_ERROR_KERNEL, RLX_ERROR_LIMIT };
    uint64_t first = 0;
    for (uint64_t i = 0; i < 3; i++) {
        conform_fail(t, s, statuses[i]);
        rlx_point bad = submit_failing(t, s);
        CHECK_STATUS(t, rlx_point_wait(bad, t->patience), statuses[i]);
        CHECK_OK(t, rlx_stream_depend(dependent, bad));
        rlx_point after = submit_failing(t, dependent);
        CHECK_STATUS(t, rlx_point_wait(after, t->patience), statuses[i]);
        if (i == 0) first = bad.value;
        CHECK_OK(t, rlx_device_health(device, &health));
        CHECK_EQUAL(t, health.failures, i + 1);
        CHECK_EQUAL(t, health.status, RLX_OK); /* failures of batches are no illness */
        CHECK_EQUAL(t, health.first.status, RLX_ERROR_IO);
        CHECK_EQUAL(t, health.first.batch, first);
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_recover(dependent));
    }
    CHECK_OK(t, rlx_device_health(other, &health)); /* nothing began there */
    CHECK_EQUAL(t, health.failures, 0);
    CHECK_EQUAL(t, health.status, RLX_OK);
}

/* ---- Loss ---- */

typedef struct loss {
    rlx_device *device; /* that will be lost: not the one under test */
    rlx_stream *idle, *busy, *held, *culprit;
    rlx_kernel *kernel;
    rlx_buffer *x;
    rlx_point done, held_point, lost_point;
    conform_gate *gate;
} loss;

static rlx_status lose(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)k, (void)first, (void)count;
    return RLX_ERROR_DEVICE_LOST;
}

static loss make_loss(conform_test *t) {
    loss l = { .device = conform_open_again(t), .gate = conform_gate_closed(t) };
    l.idle = conform_stream_on(t, l.device, 0, NULL);
    l.held = conform_stream_on(t, l.device, 0, NULL);
    l.culprit = conform_stream_on(t, l.device, 0, NULL);
    l.x = conform_buffer_on(t, l.device, SIZE);
    l.kernel = conform_host_kernel(t, l.device, "lose", lose, NULL);
    CHECK_OK(t, rlx_stream_submit(l.idle, &l.done));
    CHECK_DONE(t, l.done);
    conform_gate_hold(t, l.gate, l.held);
    CHECK_OK(t, rlx_stream_submit(l.held, &l.held_point));
    CHECK_OK(t,
             rlx_stream_dispatch(l.culprit, l.kernel, &(rlx_dispatch){ .groups = { 1 }, .label = "the last straw" }));
    l.lost_point = submit_failing(t, l.culprit);
    CHECK_STATUS(t, rlx_point_wait(l.lost_point, t->patience), RLX_ERROR_DEVICE_LOST);
    return l;
}

static void a_lost_device_stays_lost(conform_test *t) {
    loss l = make_loss(t);
    rlx_stream *const streams[] = { l.idle, l.held, l.culprit };
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 3; i++) {
            rlx_point point = { 0, 0 };
            CHECK_STATUS(t, rlx_stream_submit(streams[i], &point), RLX_ERROR_DEVICE_LOST);
            CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_DEVICE_LOST);
            CHECK_STATUS(t, rlx_stream_recover(streams[i]), RLX_ERROR_DEVICE_LOST);
            CHECK_STATUS(t, rlx_stream_submit_and_wait(streams[i], t->patience), RLX_ERROR_DEVICE_LOST);
            rlx_failure failure;
            CHECK_OK(t, rlx_stream_failure(streams[i], &failure));
            CHECK_EQUAL(t, failure.status, RLX_ERROR_DEVICE_LOST);
        }
    }
    CHECK_OK(t, rlx_point_wait(l.done, t->patience)); /* what had ended well has */
    CHECK_STATUS(t, rlx_point_wait(l.held_point, t->patience), RLX_ERROR_DEVICE_LOST);
    rlx_stream *fresh = NULL;
    rlx_status status = rlx_stream_create(l.device, NULL, &fresh); /* refused, or born failed */
    CHECK_ONE_OF(t, status, CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_ERROR_DEVICE_LOST));
    if (!status) CHECK_STATUS(t, rlx_stream_submit_and_wait(fresh, t->patience), RLX_ERROR_DEVICE_LOST);
    rlx_stream_release(fresh);
    conform_gate_open(l.gate);
}

static void health_says_that_a_device_is_lost(conform_test *t) {
    loss l = make_loss(t);
    rlx_health health;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(t, rlx_device_health(l.device, &health));
        CHECK_EQUAL(t, health.status, RLX_ERROR_DEVICE_LOST);
        CHECK(t, health.help == RLX_HELP_REOPEN || health.help == RLX_HELP_NEW_PROCESS, "health says what helps");
        CHECK(t, health.failures >= 1, "the loss is counted");
        CHECK_EQUAL(t, health.first.status, RLX_ERROR_DEVICE_LOST);
        CHECK(t, strcmp(health.first.label, "the last straw") == 0, "the label of what lost it; got '%s'",
              health.first.label);
        CHECK_STATUS(t, rlx_stream_recover(l.culprit), RLX_ERROR_DEVICE_LOST); /* and no recovery changes that */
    }
    conform_gate_open(l.gate);
}

static void what_helps_a_lost_device_is_true(conform_test *t) {
    loss l = make_loss(t);
    rlx_health health;
    CHECK_OK(t, rlx_device_health(l.device, &health));
    rlx_device *next = NULL;
    rlx_status status = rlx_device_open(t->info->name, NULL, &next);
    conform_gate_open(l.gate);
    if (health.help == RLX_HELP_NEW_PROCESS) {
        CHECK_EQUAL(t, status, RLX_ERROR_DEVICE_LOST);
        return;
    }
    CHECK_OK(t, status);
    rlx_stream *s;
    CHECK_OK(t, rlx_stream_create(next, NULL, &s));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_OK(t, rlx_device_health(next, &health));
    CHECK_EQUAL(t, health.status, RLX_OK);
    rlx_stream_release(s);
    rlx_device_release(next);
    rlx_stream *here = conform_stream(t, 0); /* the one under test was opened by itself */
    CHECK_OK(t, rlx_stream_submit_and_wait(here, t->patience));
}

/* Other devices get the failure, not the illness. */
static void a_loss_reaches_dependants_on_other_devices(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *s = conform_stream_on(t, other, 0, NULL);
    loss l = make_loss(t);
    CHECK_OK(t, rlx_stream_depend(s, l.lost_point));
    rlx_point after = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(after, t->patience), RLX_ERROR_DEVICE_LOST);
    rlx_health health;
    CHECK_OK(t, rlx_device_health(l.device, &health));
    if (health.help == RLX_HELP_REOPEN) {
        CHECK_OK(t, rlx_device_health(other, &health));
        CHECK_EQUAL(t, health.status, RLX_OK);
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    }
    CHECK_STATUS(t, rlx_point_query(after), RLX_ERROR_DEVICE_LOST);
    conform_gate_open(l.gate);
}

static void a_lost_device_can_be_released(conform_test *t) {
    for (int i = 0; i < 5; i++) {
        loss l = make_loss(t);
        rlx_buffer *buffer = NULL;
        rlx_status status = rlx_buffer_create(l.device, &(rlx_buffer_desc){ .size = 64 }, &buffer);
        CHECK_ONE_OF(t, status, CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_ERROR_DEVICE_LOST));
        rlx_buffer_release(buffer);
        conform_gate_open(l.gate);
        CHECK_STATUS(t, rlx_stream_wait(l.held, t->patience), RLX_ERROR_DEVICE_LOST);
    }
}

const conform_case conform_rule05_travel[] = {
    { 5, "a failure reaches streams that wait for it", a_failure_reaches_streams_that_wait_for_it, NEEDS_GATE },
    { 5, "a failure reaches streams that depend on it when it is known",
      a_failure_reaches_streams_that_depend_on_it_later, NEEDS_GATE },
    { 5, "a failure reaches other devices, and says where it began", a_failure_reaches_other_devices, NEEDS_GATE },
    { 5, "a failure travels from and to `cpu`", a_failure_travels_to_and_from_cpu, NEEDS_GATE | NEEDS_CPU },
    { 5, "a failure travels from and to `sync`", a_failure_travels_to_and_from_sync, NEEDS_GATE | NEEDS_SYNC },
    { 5, "one failed dependency among many is enough", a_failed_dependency_among_good_ones_is_enough },
    { 5, "a failure travels whatever its status", a_failure_of_any_status_travels },
    { 5, "a failure stays with the streams that depend on it", a_failure_stays_where_it_belongs },
    { 5, "a failure reaches the points of released streams", a_failure_reaches_the_points_of_released_streams,
      NEEDS_GATE },
    { 5, "a failure travels through a transfer", a_failure_travels_through_a_transfer, NEEDS_GATE },
    { 5, "a cancelled batch fails who depends on it", a_cancelled_batch_fails_who_depends_on_it, NEEDS_GATE },
    { 5, "health counts the failures that began on a device, and keeps the first", health_keeps_the_first_failure },
    { 5, "a lost device stays lost, all its streams, also after recover", a_lost_device_stays_lost,
      NEEDS_HOST_CODE | NEEDS_GATE },
    { 5, "health says that a device is lost, and what helps", health_says_that_a_device_is_lost,
      NEEDS_HOST_CODE | NEEDS_GATE },
    { 5, "what helps a lost device is true", what_helps_a_lost_device_is_true, NEEDS_HOST_CODE | NEEDS_GATE },
    { 5, "a loss reaches dependants on other devices as a failure, not as a loss",
      a_loss_reaches_dependants_on_other_devices, NEEDS_HOST_CODE | NEEDS_GATE },
    { 5, "a lost device can be released", a_lost_device_can_be_released, NEEDS_HOST_CODE | NEEDS_GATE },
    { 0 },
};
