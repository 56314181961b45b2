/* Rule 3: submit never waits for work to finish, and returns a point; values rise by one. */
#include "conform.h"

#define SIZE 256

static void values_rise_by_one(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_point first, last;
    CHECK_OK(t, rlx_stream_submit(s, &first)); /* of an empty batch */
    CHECK(t, first.timeline != 0 || first.value != 0, "a point that is not { 0 }, which has always been complete");
    for (uint64_t i = 1; i <= 1000; i++) {
        if (i % 2) CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), (uint32_t)i, 4));
        CHECK_OK(t, rlx_stream_submit(s, &last));
        CHECK_EQUAL(t, last.timeline, first.timeline);
        CHECK_EQUAL(t, last.value, first.value + i);
    }
    CHECK_DONE(t, last);
}

static void every_submit_counts(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_point first, last;
    CHECK_OK(t, rlx_stream_submit(s, &first));
    CHECK_OK(t, rlx_stream_submit(s, NULL)); /* unseen, and counted */
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    rlx_stream_discard(s); /* nothing to count */
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
    rlx_stream_discard(s);
    CHECK_OK(t, rlx_stream_submit(s, &last));
    CHECK_EQUAL(t, last.value, first.value + 3);
    CHECK_DONE(t, last);
}

static void streams_have_timelines_of_their_own(conform_test *t) {
    rlx_stream *a = conform_stream(t, 0), *b = conform_stream(t, 0);
    rlx_point on_a, on_b, next;
    CHECK_OK(t, rlx_stream_submit(a, &on_a));
    CHECK_OK(t, rlx_stream_submit(b, &on_b));
    CHECK(t, on_a.timeline != on_b.timeline, "two streams with two timelines; both are %" PRIu64, on_a.timeline);
    CHECK_OK(t, rlx_stream_submit(b, NULL));
    CHECK_OK(t, rlx_stream_submit(a, &next));
    CHECK_EQUAL(t, next.timeline, on_a.timeline);
    CHECK_EQUAL(t, next.value, on_a.value + 1);
    CHECK_DONE(t, next);
}

static void failed_submits_count_too(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_point bad, after, more;
    conform_fail(t, s, RLX_ERROR_KERNEL);
    rlx_status ignored = rlx_stream_submit(s, &bad);
    (void)ignored; /* the batch's own failure is its point's */
    CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_KERNEL);
    CHECK_STATUS(t, rlx_stream_submit(s, &after), RLX_ERROR_KERNEL);
    CHECK_EQUAL(t, after.value, bad.value + 1);
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_submit(s, &more));
    CHECK_EQUAL(t, more.value, bad.value + 2);
    CHECK_DONE(t, more);
}

/* ---- Never waits ---- */

static void check_pending(conform_test *t, conform_gate *gate, rlx_point point, const char *what) {
    rlx_status status = rlx_point_query(point);
    conform_gate_check(t, gate, what);
    CHECK_EQUAL(t, status, RLX_NOT_READY);
}

static void submit_returns_while_a_dependency_is_unmet(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    conform_iota(t, s, rlx_whole(x), 40);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    check_pending(t, gate, point, "submit returns");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, conform_get_u32(t, x, 2), 42);
}

static void submit_returns_while_work_runs(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point running, behind;
    conform_gate_block(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &running));
    check_pending(t, gate, running, "submit returns");
    conform_gate_await(t, gate);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &behind));
    check_pending(t, gate, behind, "submit returns behind a running batch");
    CHECK_STATUS(t, rlx_stream_submit_and_wait(s, 0), RLX_TIMEOUT);
    conform_gate_check(t, gate, "submit_and_wait without time returns");
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(calls), 1);
}

/* Held by the core or queued by the device: 10,000 of them are there at once. */
static void ten_thousand_batches_are_in_flight(conform_test *t) {
    enum { BATCHES = 10000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    conform_set(t, rlx_whole(x), 0);
    rlx_point *points = conform_memory(t, BATCHES * sizeof *points);
    conform_gate_hold(t, gate, s);
    for (uint32_t i = 0; i < BATCHES; i++) {
        if (i % 100 == 0) conform_count(t, s, calls);
        else conform_affine(t, s, rlx_part(x, 0, 4), 1, 1, 1);
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    }
    check_pending(t, gate, points[0], "10,000 submits return");
    CHECK_STATUS(t, rlx_point_query(points[BATCHES - 1]), RLX_NOT_READY);
    CHECK_EQUAL(t, points[BATCHES - 1].value, points[0].value + BATCHES - 1);
    CHECK_EQUAL(t, atomic_load(calls), 0);
    conform_gate_open(gate);
    CHECK_DONE(t, points[BATCHES - 1]);
    for (uint32_t i = 0; i < BATCHES; i += 997) CHECK_OK(t, rlx_point_query(points[i]));
    CHECK_EQUAL(t, atomic_load(calls), BATCHES / 100);
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), BATCHES - BATCHES / 100);
}

static void ten_thousand_batches_queue_behind_a_running_one(conform_test *t) {
    enum { BATCHES = 10000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0);
    rlx_point last = { 0, 0 };
    conform_gate_block(t, gate, s);
    for (uint32_t i = 0; i < BATCHES; i++) {
        conform_affine(t, s, rlx_part(x, 0, 4), 1, 1, 1);
        CHECK_OK(t, rlx_stream_submit(s, &last));
    }
    check_pending(t, gate, last, "10,000 submits return");
    conform_gate_open(gate);
    CHECK_DONE(t, last);
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), BATCHES);
}

/* More commands than a device's queue takes at once. */
static void a_batch_of_twenty_thousand_commands_is_taken(conform_test *t) {
    enum { COMMANDS = 20000 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0);
    rlx_point point, after;
    conform_gate_hold(t, gate, s);
    for (uint32_t i = 0; i < COMMANDS; i++) conform_affine(t, s, rlx_part(x, 0, 4), 1, 1, 1);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    conform_affine(t, s, rlx_part(x, 0, 4), 1, 1, 1);
    CHECK_OK(t, rlx_stream_submit(s, &after));
    check_pending(t, gate, point, "a submit of 20,000 commands returns");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    CHECK_DONE(t, after);
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), COMMANDS + 1);
}

/* Neither this device nor the other one is waited for. */
static void submit_does_not_wait_for_another_device(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *here = conform_stream(t, 0), *there = conform_stream_on(t, other, 0, NULL);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point first, second, third;
    conform_gate_hold(t, gate, there);
    CHECK_OK(t, rlx_stream_submit(there, &first));
    CHECK_OK(t, rlx_stream_depend(here, first));
    CHECK_OK(t, rlx_stream_submit(here, &second));
    CHECK_OK(t, rlx_stream_depend(there, second));
    CHECK_OK(t, rlx_stream_submit(there, &third));
    check_pending(t, gate, third, "submits return on both devices");
    conform_gate_open(gate);
    CHECK_DONE(t, third);
    CHECK_OK(t, rlx_point_query(second));
}

static void a_transfer_does_not_wait(conform_test *t) {
    rlx_device *other = conform_open_again(t);
    rlx_stream *here = conform_stream(t, 0), *there = conform_stream_on(t, other, 0, NULL);
    rlx_buffer *x = conform_buffer(t, SIZE), *y = conform_buffer_on(t, other, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0x44);
    conform_set(t, rlx_whole(y), 0);
    rlx_point moved;
    conform_gate_hold(t, gate, here);
    CHECK_OK(t, rlx_stream_submit(here, NULL));
    CHECK_OK(t, rlx_transfer(there, rlx_whole(y), here, rlx_whole(x), &moved));
    check_pending(t, gate, moved, "a transfer returns");
    conform_gate_open(gate);
    CHECK_DONE(t, moved);
    CHECK_EQUAL(t, conform_get_u32(t, y, SIZE / 4 - 1), 0x44444444);
}

static void a_run_of_a_held_program_does_not_wait(conform_test *t) {
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD), *a = conform_stream(t, 0), *b = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0);
    conform_affine(t, recording, rlx_whole(x), 1, 1, 1);
    rlx_program *program = conform_finish(t, recording);
    rlx_point held, behind;
    conform_gate_hold(t, gate, a);
    CHECK_OK(t, rlx_stream_run(a, program, NULL));
    CHECK_OK(t, rlx_stream_submit(a, &held));
    CHECK_OK(t, rlx_stream_run(b, program, NULL)); /* may have to wait for the other run; submit doesn't */
    CHECK_OK(t, rlx_stream_submit(b, &behind));
    check_pending(t, gate, held, "submits of two runs of one program return");
    conform_gate_open(gate);
    CHECK_DONE(t, held);
    CHECK_DONE(t, behind);
    CHECK_EQUAL(t, conform_get_u32(t, x, 1), 2);
}

static void sixty_four_streams_queue_at_once(conform_test *t) {
    enum { STREAMS = 64, BATCHES = 50 };
    rlx_stream *streams[STREAMS];
    rlx_buffer *x = conform_buffer(t, STREAMS * 256);
    conform_gate *gate = conform_gate_closed(t);
    conform_set(t, rlx_whole(x), 0);
    rlx_point last = { 0, 0 };
    for (uint32_t i = 0; i < STREAMS; i++) {
        streams[i] = conform_stream(t, 0);
        conform_gate_hold(t, gate, streams[i]);
    }
    for (uint32_t b = 0; b < BATCHES; b++)
        for (uint32_t i = 0; i < STREAMS; i++) {
            conform_affine(t, streams[i], rlx_part(x, i * 256, 256), 1, i, 1);
            CHECK_OK(t, rlx_stream_submit(streams[i], &last));
        }
    check_pending(t, gate, last, "3,200 submits on 64 streams return");
    conform_gate_open(gate);
    for (uint32_t i = 0; i < STREAMS; i++) CHECK_OK(t, rlx_stream_wait(streams[i], t->patience));
    for (uint32_t i = 0; i < STREAMS; i++) CHECK_EQUAL(t, conform_get_u32(t, x, i * 64 + 63), i * BATCHES);
}

const conform_case conform_rule03[] = {
    { 3, "values of points rise by one, of empty batches too", values_rise_by_one },
    { 3, "every submit counts, and nothing else", every_submit_counts },
    { 3, "each stream has a timeline of its own", streams_have_timelines_of_their_own },
    { 3, "a submit that returns a failure counts too", failed_submits_count_too },
    { 3, "submit returns while a dependency is unmet", submit_returns_while_a_dependency_is_unmet, NEEDS_GATE },
    { 3, "submit returns while work runs", submit_returns_while_work_runs, NEEDS_PROGRESS },
    { 3, "10,000 batches are in flight at once", ten_thousand_batches_are_in_flight, NEEDS_GATE },
    { 3, "10,000 batches queue behind a running one", ten_thousand_batches_queue_behind_a_running_one, NEEDS_PROGRESS },
    { 3, "a batch of 20,000 commands is taken without a wait", a_batch_of_twenty_thousand_commands_is_taken,
      NEEDS_GATE },
    { 3, "submit does not wait for another device", submit_does_not_wait_for_another_device, NEEDS_GATE },
    { 3, "a transfer does not wait", a_transfer_does_not_wait, NEEDS_GATE },
    { 3, "submit of a program's run does not wait for the run before", a_run_of_a_held_program_does_not_wait,
      NEEDS_GATE },
    { 3, "64 streams queue at once", sixty_four_streams_queue_at_once, NEEDS_GATE },
    { 0 },
};
