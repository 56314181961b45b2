/* Rule 4: wait ends at the exact point asked for, never early; time-outs lose nothing; query never blocks and runs no
 * work. One point here; several points and callbacks are in rule04_many.c. */
#include "conform.h"

#define SIZE 256

static void wait_ends_at_the_exact_point(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point first, second, held;
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &first));
    CHECK_OK(t, rlx_stream_submit(s, &second));
    conform_gate_hold(t, gate, s);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &held));
    CHECK_DONE(t, first);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    CHECK_DONE(t, second);
    conform_gate_check(t, gate, "a wait for a point does not wait for the one after it");
    CHECK_STATUS(t, rlx_point_query(held), RLX_NOT_READY);
    conform_gate_open(gate);
    CHECK_DONE(t, held);
    CHECK_EQUAL(t, atomic_load(calls), 2);
}

/* The points of other streams are no concern of a wait. */
static void wait_ends_while_other_streams_are_held(conform_test *t) {
    rlx_stream *held = conform_stream(t, 0), *other = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point point;
    conform_gate_hold(t, gate, held);
    CHECK_OK(t, rlx_stream_submit(held, NULL));
    for (uint32_t i = 0; i < 20; i++) {
        conform_iota(t, other, rlx_whole(x), i);
        CHECK_OK(t, rlx_stream_submit(other, &point));
        CHECK_DONE(t, point);
        CHECK_EQUAL(t, conform_get_u32(t, x, 1), i + 1);
    }
    conform_gate_check(t, gate, "waits on another stream end");
    conform_gate_open(gate);
}

/* Each batch adds one when it is about to end: a wait for batch n that returns before finds less than n. */
static void wait_is_never_early(conform_test *t) {
    enum { BATCHES = 100 };
    for (int round = 0; round < 3; round++) {
        rlx_stream *s = conform_stream(t, 0);
        atomic_uint *ended = conform_counter(t);
        rlx_point points[BATCHES];
        for (uint32_t i = 0; i < BATCHES; i++) {
            conform_nap(t, s, 300);
            conform_count(t, s, ended);
            CHECK_OK(t, rlx_stream_submit(s, &points[i]));
        }
        for (uint32_t i = 0; i < BATCHES; i += 1 + (uint32_t)round) {
            CHECK_DONE(t, points[i]);
            unsigned got = atomic_load(ended);
            CHECK(t, got > i, "%u batches have ended when the wait for number %u returns; got %u", i + 1, i + 1, got);
        }
    }
}

/* One batch at a time, whose last command takes a while: early by a moment is early. */
static void wait_covers_the_last_command(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    atomic_uint *ended = conform_counter(t);
    conform_set(t, rlx_whole(x), 0);
    for (uint32_t i = 1; i <= 20; i++) {
        rlx_point point;
        conform_affine(t, s, rlx_whole(x), 1, 1, 1);
        conform_nap(t, s, 3000);
        conform_count(t, s, ended);
        CHECK_OK(t, rlx_stream_submit(s, &point));
        if (i % 2) CHECK_DONE(t, point);
        else CHECK_OK(t, rlx_stream_wait(s, t->patience));
        CHECK_EQUAL(t, atomic_load(ended), i);
    }
}

static void what_was_read_is_there_when_wait_returns(conform_test *t) {
    enum { WORDS = 64 * 1024 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, WORDS * 4);
    uint32_t *words = conform_memory(t, WORDS * 4);
    for (uint32_t i = 1; i <= 30; i++) {
        conform_iota(t, s, rlx_whole(x), i);
        CHECK_OK(t, rlx_stream_read(s, words, rlx_whole(x)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, words[0], i);
        CHECK_EQUAL(t, words[WORDS / 2], WORDS / 2 + i);
        CHECK_EQUAL(t, words[WORDS - 1], WORDS - 1 + i);
    }
}

static void stream_wait_covers_all_that_was_submitted(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    atomic_uint *ended = conform_counter(t);
    CHECK_OK(t, rlx_stream_wait(s, 0)); /* nothing yet */
    for (uint32_t i = 1; i <= 30; i++) {
        for (uint32_t k = 0; k < i; k++) {
            conform_nap(t, s, 50);
            conform_count(t, s, ended);
            CHECK_OK(t, rlx_stream_submit(s, NULL));
        }
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        CHECK_OK(t, rlx_stream_wait(s, t->patience));
        CHECK_EQUAL(t, atomic_load(ended), i * (i + 1) / 2);
    }
}

/* ---- Time-outs ---- */

static void a_timeout_loses_nothing(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_gate *gate = conform_gate_closed(t);
    uint32_t *word = conform_memory(t, 4);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    conform_iota(t, s, rlx_whole(x), 7);
    CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 8, 4)));
    CHECK_OK(t, rlx_stream_submit(s, &point));
    for (int i = 0; i < 5; i++) {
        CHECK_STATUS(t, rlx_point_wait(point, 3 * RLX_MILLISECOND), RLX_TIMEOUT);
        CHECK_STATUS(t, rlx_stream_wait(s, 3 * RLX_MILLISECOND), RLX_TIMEOUT);
        CHECK_STATUS(t, rlx_point_wait(point, 0), RLX_TIMEOUT);
    }
    CHECK_STATUS(t, rlx_stream_submit_and_wait(s, RLX_MILLISECOND), RLX_TIMEOUT); /* an empty batch, and submitted */
    conform_gate_check(t, gate, "time-outs pass");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, *word, 9);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_OK(t, rlx_point_wait(point, 0));
    CHECK_OK(t, rlx_point_query((rlx_point){ point.timeline, point.value + 1 }));
}

static void a_timeout_takes_its_time(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    const uint64_t times[] = { 0, 1, 50 * RLX_MICROSECOND, 5 * RLX_MILLISECOND, 60 * RLX_MILLISECOND };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint64_t began = conform_now_ns();
        CHECK_STATUS(t, rlx_point_wait(point, times[i]), RLX_TIMEOUT);
        uint64_t took = conform_now_ns() - began;
        CHECK(t, took >= times[i], "a time-out of %" PRIu64 " ns takes that long at least; it took %" PRIu64, times[i],
              took);
        CHECK(t, took < times[i] + 2 * RLX_SECOND, "a time-out of %" PRIu64 " ns ends soon after; it took %" PRIu64,
              times[i], took);
    }
    conform_gate_check(t, gate, "time-outs pass");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
}

/* now + timeout overflows in many ways. */
static void long_timeouts_are_long(conform_test *t) {
    const uint64_t times[] = { RLX_FOREVER, RLX_FOREVER - 1, (uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1,
                               RLX_FOREVER / 1000 };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        rlx_stream *s = conform_stream(t, 0);
        atomic_uint *ended = conform_counter(t);
        conform_gate *gate = conform_gate_closed(t);
        conform_gate_hold(t, gate, s);
        conform_count(t, s, ended);
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        conform_gate_open_later(t, gate, 20);
        CHECK_OK(t, rlx_stream_wait(s, times[i]));
        CHECK_EQUAL(t, atomic_load(ended), 1);
    }
}

static void wait_for_what_has_ended_returns_at_once(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_point points[50];
    for (int i = 0; i < 50; i++) CHECK_OK(t, rlx_stream_submit(s, &points[i]));
    CHECK_DONE(t, points[49]);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 50; i++) {
            CHECK_OK(t, rlx_point_wait(points[i], 0));
            CHECK_OK(t, rlx_point_query(points[i]));
        }
}

/* How a wait passes its time is the device's choice; one that lasts gives the processor back. */
static void a_long_wait_gives_the_processor_back(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    uint64_t began = conform_cpu_ns();
    CHECK_STATUS(t, rlx_stream_wait(s, 400 * RLX_MILLISECOND), RLX_TIMEOUT);
    uint64_t burned = conform_cpu_ns() - began;
    CHECK(t, burned < 200 * RLX_MILLISECOND,
          "a wait of 400 ms takes less than 200 ms of processor time; it took %" PRIu64 " ns", burned);
    conform_gate_open(gate);
}

/* ---- Query ---- */

static void query_never_blocks(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    uint64_t began = conform_now_ns();
    for (int i = 0; i < 1000; i++) CHECK_STATUS(t, rlx_point_query(point), RLX_NOT_READY);
    CHECK(t, conform_now_ns() - began < t->patience / 2, "1000 queries end soon");
    conform_gate_check(t, gate, "queries return");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    CHECK_OK(t, rlx_point_query(point));
}

/* Where only calls to submit and wait make work advance, a query doesn't. */
static void query_runs_no_work(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point point;
    conform_gate_hold(t, gate, s);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &point));
    rlx_point opened = conform_gate_point(t, gate);
    conform_gate_open(gate);
    for (uint64_t limit = conform_now_ns() + t->patience;
         rlx_point_query(opened) == RLX_NOT_READY && conform_now_ns() < limit;)
        conform_sleep_ms(1);
    CHECK_OK(t, rlx_point_query(opened)); /* the dependency is met */
    for (int i = 0; i < 50; i++) {
        CHECK_STATUS(t, rlx_point_query(point), RLX_NOT_READY);
        CHECK_EQUAL(t, atomic_load(calls), 0);
        conform_sleep_ms(1);
    }
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, atomic_load(calls), 1);
}

static void query_learns_of_the_end_by_itself(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t *word = conform_memory(t, 4);
    for (uint32_t i = 0; i < 20; i++) {
        rlx_point point;
        conform_iota(t, s, rlx_whole(x), i);
        CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 0, 4)));
        CHECK_OK(t, rlx_stream_submit(s, &point));
        uint64_t limit = conform_now_ns() + t->patience;
        rlx_status status;
        while ((status = rlx_point_query(point)) == RLX_NOT_READY && conform_now_ns() < limit) conform_sleep_us(50);
        CHECK_OK(t, status);
        CHECK_EQUAL(t, *word, i);
    }
}

/* ---- Points that are none ---- */

static void points_that_were_not_submitted_are_refused(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_DONE(t, point);
    const uint64_t ahead[] = { 1, 2, 1000, UINT64_MAX - point.value };
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        rlx_point future = { point.timeline, point.value + ahead[i] };
        CHECK_STATUS(t, rlx_point_wait(future, RLX_SECOND), RLX_ERROR_ORDER);
        CHECK_ONE_OF(t, rlx_point_query(future), CONFORM_ERRORS);
    }
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    CHECK_OK(t, rlx_point_wait((rlx_point){ point.timeline, point.value + 1 }, t->patience));
}

static void garbage_points_are_refused(conform_test *t) {
    for (int i = 0; i < 2000; i++) {
        rlx_point garbage = { conform_random(t) >> conform_below(t, 64), conform_random(t) >> conform_below(t, 64) };
        if (i < 64) garbage = (rlx_point){ UINT64_C(1) << i, 1 };
        if (i == 64) garbage = (rlx_point){ 0, 1 };
        /* By chance it could be a point of this process: so only calls that must come back are made, not what they
         * say. */
        rlx_status waited = rlx_point_wait(garbage, 0), asked = rlx_point_query(garbage);
        CHECK(t, rlx_status_text(waited)[0] && rlx_status_text(asked)[0], "a status");
    }
    const rlx_point surely[] = {
        { UINT64_MAX, 1 }, { UINT64_MAX - 1, UINT64_MAX }, { 0, UINT64_MAX }, { UINT64_C(0xABCDEF0123456789), 3 }
    };
    for (size_t i = 0; i < sizeof surely / sizeof *surely; i++) {
        CHECK_ONE_OF(t, rlx_point_wait(surely[i], RLX_SECOND), CONFORM_ERRORS);
        CHECK_ONE_OF(t, rlx_point_query(surely[i]), CONFORM_ERRORS);
    }
}

const conform_case conform_rule04[] = {
    { 4, "wait ends at the exact point that was asked for", wait_ends_at_the_exact_point, NEEDS_GATE },
    { 4, "wait ends while other streams are held", wait_ends_while_other_streams_are_held, NEEDS_GATE },
    { 4, "wait is never early, whichever of many points it is for", wait_is_never_early },
    { 4, "wait covers the last command of its batch", wait_covers_the_last_command },
    { 4, "what was read is there when wait returns", what_was_read_is_there_when_wait_returns },
    { 4, "stream_wait covers all that was submitted", stream_wait_covers_all_that_was_submitted },
    { 4, "a time-out loses nothing", a_timeout_loses_nothing, NEEDS_GATE },
    { 4, "a time-out takes its nanoseconds, and not much more", a_timeout_takes_its_time, NEEDS_GATE },
    { 4, "the longest time-outs are long", long_timeouts_are_long, NEEDS_GATE },
    { 4, "wait for what has ended returns at once", wait_for_what_has_ended_returns_at_once },
    { 4, "a long wait gives the processor back", a_long_wait_gives_the_processor_back, NEEDS_GATE },
    { 4, "query never blocks", query_never_blocks, NEEDS_GATE },
    { 4, "query runs no work where only the caller's waits do", query_runs_no_work, NEEDS_GATE | NEEDS_CALLER },
    { 4, "query learns of the end by itself where work ends by itself", query_learns_of_the_end_by_itself,
      NEEDS_PROGRESS },
    { 4, "points that were not submitted are refused", points_that_were_not_submitted_are_refused },
    { 4, "garbage in place of a point is refused", garbage_points_are_refused },
    { 0 },
};
