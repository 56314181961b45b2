/* The core's scheduling, with a backend that the test plays: what is handed over when, in which order things end, and
 * where failures go. */
#include "fake.h"

static void release(rlx_device *device, rlx_stream *a, rlx_stream *b) {
    rlx_stream_release(a);
    rlx_stream_release(b);
    rlx_device_release(device);
}

static void nothing_is_handed_over_before_submit(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    CHECK_INT(rlx_stream_host_call(s, fake_call, NULL), RLX_OK);
    CHECK_UINT(fake_flying(0), 0);
    CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK);
    CHECK_UINT(fake_flying(0), 1);
    CHECK(fake_begin(0));
    fake_end(0, NULL);
    CHECK_INT(rlx_stream_wait(s, 0), RLX_OK);
    release(device, s, NULL);
    CHECK_UINT(fake.closed, 1);
}

static void a_batch_is_held_until_its_dependency_has_completed(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point first = fake_submit_calls(a, 1);
    CHECK_INT(rlx_stream_depend(b, first), RLX_OK);
    rlx_point second = fake_submit_calls(b, 1), third = fake_submit_calls(b, 1);
    CHECK_UINT(fake_flying(1), 0); /* and what comes after it waits too */
    CHECK_INT(rlx_point_wait(second, 1000), RLX_TIMEOUT);
    fake_end(0, NULL);
    CHECK_UINT(fake_flying(1), 2);
    CHECK_INT(rlx_point_query(second), RLX_NOT_READY);
    fake_end(1, NULL);
    CHECK_INT(rlx_point_query(second), RLX_OK);
    CHECK_INT(rlx_point_query(third), RLX_NOT_READY);
    fake_end(1, NULL);
    CHECK_INT(rlx_point_query(third), RLX_OK);
    release(device, a, b);
}

static void a_point_that_is_not_submitted_cannot_be_depended_on(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point future = fake_submit_calls(a, 1);
    future.value++;
    CHECK_INT(rlx_stream_depend(b, future), RLX_ERROR_ORDER);
    CHECK_INT(rlx_point_wait(future, 0), RLX_ERROR_ORDER);
    CHECK_INT(rlx_point_query((rlx_point){ 0 }), RLX_OK);
    CHECK_INT(rlx_point_query((rlx_point){ 12345, 1 }), RLX_ERROR_INVALID);
    CHECK_INT(rlx_point_query((rlx_point){ UINT64_MAX, 1 }), RLX_ERROR_INVALID);
    fake_end(0, NULL);
    release(device, a, b);
}

static void a_full_queue_holds_what_is_too_much(void) {
    rlx_device *device = fake_device("held"); /* a depth of 4 commands */
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point last = { 0 };
    for (int i = 0; i < 10; i++) last = fake_submit_calls(s, 3);
    uint32_t ended = 0;
    while (fake_flying(0)) {
        CHECK_INT(rlx_point_query(last), RLX_NOT_READY);
        fake_end(0, NULL);
        ended++;
    }
    CHECK(fake.streams[0].most <= 4);
    CHECK_UINT(ended, 20); /* slices of two commands and of one */
    CHECK_INT(rlx_point_query(last), RLX_OK);
    release(device, s, NULL);
}

static void an_isolated_stream_hands_over_one_command_at_a_time(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, RLX_STREAM_ISOLATE);
    rlx_point point = fake_submit_calls(s, 5);
    CHECK_UINT(fake_flying(0), 5);
    fake_end(0, NULL), fake_end(0, NULL);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_BACKEND, .vendor_code = 7, .message = "boom" });
    CHECK(!fake_begin(0)); /* the rest of the batch is not run */
    fake_end(0, NULL), fake_end(0, NULL);
    CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_BACKEND);
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(s, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_ERROR_BACKEND);
    CHECK(failure.exact);
    CHECK_UINT(failure.first_command, 2);
    CHECK_UINT(failure.batch, 1);
    CHECK_INT(failure.vendor_code, 7);
    CHECK_HOLDS(failure.message, "fake: batch 1, command 2 (host call): boom (code 7)");
    release(device, s, NULL);
}

static void a_failure_that_names_no_command_says_which_were_in_flight(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point point = fake_submit_calls(s, 5);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_BACKEND });
    CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_BACKEND);
    CHECK_HOLDS(rlx_last_error(), "batch 1, commands 0 to 4 in flight (host call .. host call)");
    release(device, s, NULL);
}

static void failures_travel_to_later_points_and_to_dependants(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point good = fake_submit_calls(a, 1), bad = fake_submit_calls(a, 1), later = fake_submit_calls(a, 1);
    rlx_point before = fake_submit_calls(b, 1);
    CHECK_INT(rlx_stream_depend(b, bad), RLX_OK);
    rlx_point dependant = fake_submit_calls(b, 1), after = fake_submit_calls(b, 1);
    fake_end(0, NULL);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK(!fake_begin(0));
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_BACKEND }); /* not the first */
    CHECK_INT(rlx_point_query(good), RLX_OK);
    CHECK_INT(rlx_point_query(bad), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(later), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(dependant), RLX_NOT_READY); /* in order: `before` is still running */
    fake_end(1, NULL);
    CHECK_INT(rlx_point_query(before), RLX_OK);
    CHECK_INT(rlx_point_query(dependant), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(after), RLX_ERROR_KERNEL);
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(b, &failure), RLX_OK);
    CHECK_UINT(failure.batch, bad.value); /* where it began */
    CHECK_INT(rlx_stream_submit(b, &after), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(after), RLX_ERROR_KERNEL);
    release(device, a, b);
}

static void recover_ends_a_failure_but_not_for_the_points_that_had_it(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point bad = fake_submit_calls(a, 1);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_stream_recover(a), RLX_OK);
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(a, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_OK);
    rlx_point again = fake_submit_calls(a, 1);
    CHECK(fake_begin(0));
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(again), RLX_OK);
    CHECK_INT(rlx_point_query(bad), RLX_ERROR_KERNEL);
    rlx_point dependant = { 0 };
    CHECK_INT(rlx_stream_depend(b, bad), RLX_OK);
    CHECK_INT(rlx_stream_submit(b, &dependant), RLX_OK);
    CHECK_INT(rlx_point_query(dependant), RLX_ERROR_KERNEL);
    release(device, a, b);
}

static void a_batch_that_fails_after_a_later_one_keeps_both_failures(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point running = fake_submit_calls(a, 1);
    rlx_point bad = fake_submit_calls(b, 1);
    CHECK_INT(rlx_stream_depend(a, bad), RLX_OK);
    rlx_point held = fake_submit_calls(a, 1);
    fake_end(1, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_BACKEND });
    CHECK_INT(rlx_point_query(running), RLX_ERROR_BACKEND);
    CHECK_INT(rlx_point_query(held), RLX_ERROR_KERNEL);
    release(device, a, b);
}

static void a_failed_submit_of_the_backend_fails_the_batch(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    fake.refuse = RLX_ERROR_OUT_OF_MEMORY;
    rlx_point point = fake_submit_calls(s, 1);
    CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_OUT_OF_MEMORY);
    CHECK_HOLDS(rlx_last_error(), "refused by the test");
    release(device, s, NULL);
}

static void cancel_drops_what_has_not_begun(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    CHECK_INT(rlx_stream_cancel(a), RLX_OK); /* nothing there: nothing happens */
    rlx_point running = fake_submit_calls(a, 1), queued = fake_submit_calls(a, 1);
    CHECK(fake_begin(0));
    CHECK_INT(rlx_stream_depend(b, queued), RLX_OK);
    rlx_point dependant = fake_submit_calls(b, 1);
    CHECK_INT(rlx_stream_cancel(a), RLX_OK);
    CHECK(fake_begin(0)); /* asked again: it has begun, and goes on */
    fake_end(0, NULL);
    CHECK(!fake_begin(0));
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(running), RLX_OK);
    CHECK_INT(rlx_point_query(queued), RLX_ERROR_CANCELLED);
    CHECK_INT(rlx_point_query(dependant), RLX_ERROR_CANCELLED);
    CHECK_INT(rlx_stream_submit(a, NULL), RLX_ERROR_CANCELLED);
    CHECK_INT(rlx_stream_recover(a), RLX_OK);
    rlx_point again = fake_submit_calls(a, 1);
    CHECK(fake_begin(0));
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(again), RLX_OK);
    release(device, a, b);
}

static void cancel_frees_a_batch_whose_dependency_never_comes(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point never = fake_submit_calls(a, 1);
    CHECK_INT(rlx_stream_depend(b, never), RLX_OK);
    rlx_point held = fake_submit_calls(b, 1);
    CHECK_INT(rlx_stream_cancel(b), RLX_OK);
    CHECK_INT(rlx_point_query(held), RLX_ERROR_CANCELLED);
    rlx_stream_release(b);
    CHECK_UINT(fake.closed, 1);
    fake_end(0, NULL);
    release(device, a, NULL);
}

static void a_lost_device_fails_all_its_streams_for_good(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0), *none = NULL;
    rlx_point one = fake_submit_calls(a, 1), two = fake_submit_calls(b, 1);
    rlx_fault fault = { .status = RLX_ERROR_DEVICE_LOST, .help = RLX_HELP_NEW_PROCESS, .message = "illegal address" };
    fake_end(0, &fault);
    CHECK(!fake_begin(1));
    fake_end(1, NULL);
    CHECK_INT(rlx_point_query(one), RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_point_query(two), RLX_ERROR_DEVICE_LOST);
    CHECK_HOLDS(rlx_last_error(), "illegal address; this process can no longer use the device: start a new one");
    rlx_health health;
    CHECK_INT(rlx_device_health(device, &health), RLX_OK);
    CHECK_INT(health.status, RLX_ERROR_DEVICE_LOST);
    CHECK_INT(health.help, RLX_HELP_NEW_PROCESS);
    CHECK_UINT(health.failures, 1);
    CHECK_INT(rlx_stream_recover(b), RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_stream_submit(b, NULL), RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_stream_create(device, NULL, &none), RLX_ERROR_DEVICE_LOST);
    rlx_buffer *buffer;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 4 }, &buffer), RLX_ERROR_DEVICE_LOST);
    release(device, a, b);
}

static void a_chain_of_ten_thousand_held_batches_needs_no_stack(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s[3];
    for (int i = 0; i < 3; i++) s[i] = fake_stream_create(device, 0);
    rlx_point point = fake_submit_calls(s[2], 1);
    for (int i = 0; i < 10000; i++) { /* each waits for the one before, on the other stream */
        CHECK_INT(rlx_stream_depend(s[i % 2], point), RLX_OK);
        CHECK_INT(rlx_stream_submit(s[i % 2], &point), RLX_OK);
    }
    CHECK_INT(rlx_point_query(point), RLX_NOT_READY);
    fake_end(2, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_point_query(point), RLX_ERROR_KERNEL);
    rlx_stream_release(s[2]);
    release(device, s[0], s[1]);
}

static uint32_t called;
static rlx_status called_with;

static void count_call(void *user, rlx_status status) {
    CHECK(user == &called);
    CHECK_INT(rlx_point_wait((rlx_point){ 0 }, 0), RLX_ERROR_ORDER);
    called++;
    called_with = status;
}

static void notify_calls_exactly_once_whatever_happens(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    called = 0;
    rlx_point good = fake_submit_calls(s, 1), bad = fake_submit_calls(s, 1);
    CHECK_INT(rlx_point_notify(good, count_call, &called), RLX_OK);
    CHECK_INT(rlx_point_notify(bad, count_call, &called), RLX_OK);
    CHECK_UINT(called, 0);
    rlx_stream_release(s);
    fake_end(0, NULL);
    CHECK_UINT(called, 1);
    CHECK_INT(called_with, RLX_OK);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_UINT(called, 2);
    CHECK_INT(called_with, RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_notify(good, count_call, &called), RLX_OK);
    CHECK_UINT(called, 3);
    CHECK_INT(called_with, RLX_OK);
    CHECK_INT(rlx_point_notify(bad, count_call, &called), RLX_OK);
    CHECK_INT(called_with, RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_notify((rlx_point){ 77, 3 }, count_call, &called), RLX_ERROR_INVALID);
    CHECK_UINT(called, 4);
    rlx_device_release(device);
}

static void objects_live_until_the_batch_that_uses_them_has_ended(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer), RLX_OK);
    for (int i = 0; i < 100; i++) CHECK_INT(rlx_stream_fill(s, rlx_whole(buffer), 0, 4), RLX_OK);
    CHECK_UINT(buffer->object.refs, 2); /* once for the batch, whatever the number of commands */
    rlx_buffer_release(buffer);
    CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK);
    CHECK_UINT(fake.memory, 1);
    rlx_stream_release(s);
    rlx_device_release(device);
    CHECK_UINT(fake.closed, 0);
    fake_end(0, NULL);
    CHECK_UINT(fake.memory, 0);
    CHECK_UINT(fake.closed, 1);
}

static void wait_any_ends_with_the_first_of_several(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point points[20];
    uint32_t index = 99;
    for (int i = 0; i < 19; i++) points[i] = fake_submit_calls(a, 1);
    points[19] = fake_submit_calls(b, 1);
    CHECK_INT(rlx_points_wait(points, 20, RLX_WAIT_ANY, 1000000, &index), RLX_TIMEOUT);
    fake_end(1, NULL);
    CHECK_INT(rlx_points_wait(points, 20, RLX_WAIT_ANY, RLX_FOREVER, &index), RLX_OK);
    CHECK_UINT(index, 19);
    CHECK_INT(rlx_points_wait(points, 20, RLX_WAIT_ALL, 1000, &index), RLX_TIMEOUT);
    CHECK_UINT(index, 0);
    for (int i = 0; i < 18; i++) fake_end(0, NULL);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_points_wait(points, 20, RLX_WAIT_ALL, RLX_FOREVER, &index), RLX_ERROR_KERNEL);
    CHECK_UINT(index, 18);
    CHECK_INT(rlx_points_wait(points, 18, RLX_WAIT_ALL, RLX_FOREVER, &index), RLX_OK);
    CHECK_UINT(index, 18);
    release(device, a, b);
}

static void a_polled_device_is_followed_by_a_thread_of_the_core(void) {
    rlx_device *device = fake_device("asked");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point good = fake_submit_calls(s, 1), bad = fake_submit_calls(s, 1), after = fake_submit_calls(s, 1);
    CHECK_INT(rlx_point_wait(good, RLX_MILLISECOND), RLX_TIMEOUT);
    fake_stream *own = &fake.streams[0];
    rlx_lock(&own->lock);
    own->ended = 2;
    own->fault = (rlx_fault){ .status = RLX_ERROR_BACKEND, .signal = 2 };
    rlx_unlock(&own->lock);
    CHECK_INT(rlx_point_wait(good, RLX_SECOND), RLX_OK);
    CHECK_INT(rlx_point_wait(bad, RLX_SECOND), RLX_ERROR_BACKEND);
    rlx_lock(&own->lock);
    own->ended = 3;
    rlx_unlock(&own->lock);
    CHECK_INT(rlx_point_wait(after, RLX_SECOND), RLX_ERROR_BACKEND);
    release(device, s, NULL);
}

static _Atomic uint64_t allocations;

static bool count_allocation(size_t size) {
    (void)size;
    atomic_fetch_add(&allocations, 1);
    return true;
}

static void a_warm_stream_allocates_nothing(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    for (int round = 0; round < 20; round++) {
        if (round == 4) {
            atomic_store(&allocations, 0);
            atomic_store(&rlx_allocation_check, count_allocation);
        }
        rlx_point point = fake_submit_calls(s, 1000);
        fake_end(0, NULL);
        CHECK_INT(rlx_point_wait(point, 0), RLX_OK);
    }
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_UINT(atomic_load(&allocations), 0);
    release(device, s, NULL);
}

static const tap_test tests[] = {
    TAP(nothing_is_handed_over_before_submit),
    TAP(a_batch_is_held_until_its_dependency_has_completed),
    TAP(a_point_that_is_not_submitted_cannot_be_depended_on),
    TAP(a_full_queue_holds_what_is_too_much),
    TAP(an_isolated_stream_hands_over_one_command_at_a_time),
    TAP(a_failure_that_names_no_command_says_which_were_in_flight),
    TAP(failures_travel_to_later_points_and_to_dependants),
    TAP(recover_ends_a_failure_but_not_for_the_points_that_had_it),
    TAP(a_batch_that_fails_after_a_later_one_keeps_both_failures),
    TAP(a_failed_submit_of_the_backend_fails_the_batch),
    TAP(cancel_drops_what_has_not_begun),
    TAP(cancel_frees_a_batch_whose_dependency_never_comes),
    TAP(a_lost_device_fails_all_its_streams_for_good),
    TAP(a_chain_of_ten_thousand_held_batches_needs_no_stack),
    TAP(notify_calls_exactly_once_whatever_happens),
    TAP(objects_live_until_the_batch_that_uses_them_has_ended),
    TAP(wait_any_ends_with_the_first_of_several),
    TAP(a_polled_device_is_followed_by_a_thread_of_the_core),
    TAP(a_warm_stream_allocates_nothing),
};
TAP_MAIN(tests)
