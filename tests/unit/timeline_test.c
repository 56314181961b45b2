/* Points long after their streams: what is remembered, what is forgotten, and that memory for it stays bounded. */
#include "fake.h"

/* A stream whose one batch ends well or not, and is gone. */
static rlx_point short_life(rlx_device *device, bool fails) {
    fake.opened = 0; /* the test's slots are used again */
    fake.streams[0].handed = fake.streams[0].ended = 0;
    rlx_stream *stream = fake_stream_create(device, 0);
    rlx_point point = fake_submit_calls(stream, 1);
    fake_end(0, fails ? &(rlx_fault){ .status = RLX_ERROR_KERNEL, .message = "on purpose" } : NULL);
    rlx_stream_release(stream);
    return point;
}

static void points_outlive_their_streams(void) {
    rlx_device *device = fake_device("fake");
    rlx_point good = short_life(device, false), bad = short_life(device, true);
    CHECK_INT(rlx_point_wait(good, 0), RLX_OK);
    CHECK_INT(rlx_point_wait(bad, 0), RLX_ERROR_KERNEL);
    CHECK_HOLDS(rlx_last_error(), "on purpose");
    for (int i = 0; i < 100; i++) (void)short_life(device, false); /* other streams use the slot */
    CHECK_INT(rlx_point_wait(good, 0), RLX_OK);
    CHECK_INT(rlx_point_wait(bad, 0), RLX_ERROR_KERNEL);
    rlx_device_release(device);
    CHECK_INT(rlx_point_wait(good, 0), RLX_OK);
    CHECK_INT(rlx_point_wait(bad, 0), RLX_ERROR_KERNEL);
}

static void streams_that_ended_well_share_one_slot(void) {
    rlx_device *device = fake_device("fake");
    rlx_point first = short_life(device, false), last = first;
    for (int i = 0; i < 5000; i++) last = short_life(device, false);
    CHECK_UINT((uint32_t)last.timeline, (uint32_t)first.timeline);
    CHECK(last.timeline != first.timeline);
    rlx_device_release(device);
}

static void the_oldest_of_too_many_failures_are_forgotten_and_say_so(void) {
    rlx_device *device = fake_device("fake");
    rlx_point first = short_life(device, true), points[RLX_TIMELINE_KEPT];
    uint32_t highest = 0;
    for (int i = 0; i < RLX_TIMELINE_KEPT; i++) points[i] = short_life(device, true);
    CHECK_INT(rlx_point_query(points[0]), RLX_ERROR_KERNEL);
    for (int i = 0; i < 4 * RLX_TIMELINE_KEPT; i++) {
        rlx_point point = short_life(device, true);
        if ((uint32_t)point.timeline > highest) highest = (uint32_t)point.timeline;
    }
    CHECK_INT(rlx_point_query(first), RLX_ERROR_EXPIRED);
    CHECK_INT(rlx_point_query(points[0]), RLX_ERROR_EXPIRED);
    CHECK_INT(rlx_point_wait(points[0], RLX_FOREVER), RLX_ERROR_EXPIRED);
    CHECK(highest <= RLX_TIMELINE_KEPT + 8); /* slots are used again */
    rlx_device_release(device);
}

static void the_oldest_of_many_failures_of_one_stream_are_forgotten(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *stream = fake_stream_create(device, 0);
    rlx_point points[RLX_TIMELINE_INTERVALS + 1];
    for (int i = 0; i <= RLX_TIMELINE_INTERVALS; i++) {
        points[i] = fake_submit_calls(stream, 1);
        fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
        CHECK_INT(rlx_stream_recover(stream), RLX_OK);
    }
    CHECK_INT(rlx_point_query(points[0]), RLX_ERROR_EXPIRED);
    for (int i = 1; i <= RLX_TIMELINE_INTERVALS; i++) CHECK_INT(rlx_point_query(points[i]), RLX_ERROR_KERNEL);
    rlx_stream_release(stream);
    rlx_device_release(device);
}

static void recover_before_anything_failed_leaves_no_trace(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *stream = fake_stream_create(device, 0);
    for (int i = 0; i < 100; i++) CHECK_INT(rlx_stream_recover(stream), RLX_OK);
    CHECK_UINT(stream->timeline->failures, 0);
    rlx_stream_release(stream);
    rlx_device_release(device);
}

static void completion_times_are_kept_for_a_while(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *plain = fake_stream_create(device, 0), *timed = fake_stream_create(device, RLX_STREAM_TIMESTAMPS);
    rlx_point point = fake_submit_calls(plain, 1), first = fake_submit_calls(timed, 1), last = first;
    uint64_t ns = 0, later = 0, before = rlx_clock_ns();
    CHECK_INT(rlx_point_timestamp(first, &ns), RLX_NOT_READY);
    fake_end(0, NULL), fake_end(1, NULL);
    CHECK_INT(rlx_point_timestamp(point, &ns), RLX_ERROR_UNSUPPORTED);
    CHECK_INT(rlx_point_timestamp(first, &ns), RLX_OK);
    CHECK(before <= ns && ns <= rlx_clock_ns());
    for (int i = 0; i < RLX_TIMESTAMP_RING; i++) {
        last = fake_submit_calls(timed, 1);
        fake_end(1, NULL);
    }
    CHECK_INT(rlx_point_timestamp(first, &ns), RLX_ERROR_EXPIRED);
    CHECK_INT(rlx_point_timestamp(last, &later), RLX_OK);
    CHECK(later >= ns);
    rlx_stream_release(plain);
    rlx_stream_release(timed);
    CHECK_INT(rlx_point_timestamp(last, &later), RLX_ERROR_EXPIRED);
    rlx_device_release(device);
}

static bool refuse_all(size_t size) {
    (void)size;
    return false;
}

static void a_failure_is_told_whole_without_memory(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *stream = fake_stream_create(device, 0);
    rlx_failure failure;
    for (uint64_t i = 0; i < 2; i++) {
        rlx_point point = fake_submit_calls(stream, 1);
        atomic_store(&rlx_allocation_check, refuse_all);
        fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL, .vendor_code = 7 });
        CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_KERNEL);
        CHECK_HOLDS(rlx_last_error(), "code 7");
        CHECK_INT(rlx_stream_failure(stream, &failure), RLX_OK);
        CHECK_UINT(failure.batch, point.value);
        /* The next one could not be told so: the stream stays as it is. */
        CHECK_INT(rlx_stream_recover(stream), RLX_ERROR_OUT_OF_MEMORY);
        CHECK_INT(rlx_stream_failure(stream, &failure), RLX_OK);
        CHECK_INT(failure.status, RLX_ERROR_KERNEL);
        atomic_store(&rlx_allocation_check, NULL);
        CHECK_INT(rlx_stream_recover(stream), RLX_OK);
    }
    rlx_stream_release(stream);
    rlx_device_release(device);
}

static const tap_test tests[] = {
    TAP(points_outlive_their_streams),
    TAP(streams_that_ended_well_share_one_slot),
    TAP(the_oldest_of_too_many_failures_are_forgotten_and_say_so),
    TAP(the_oldest_of_many_failures_of_one_stream_are_forgotten),
    TAP(recover_before_anything_failed_leaves_no_trace),
    TAP(completion_times_are_kept_for_a_while),
    TAP(a_failure_is_told_whole_without_memory),
};
TAP_MAIN(tests)
