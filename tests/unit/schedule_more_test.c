/* What scheduling must not do: end work early, let a run overtake another, spread a failure that was recovered from, or
 * mistake one status for another. */
#include "fake.h"

static void release(rlx_device *device, rlx_stream *a, rlx_stream *b) {
    rlx_stream_release(a);
    rlx_stream_release(b);
    rlx_device_release(device);
}

static void a_refused_batch_ends_after_those_that_are_in_flight(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer), RLX_OK);
    CHECK_INT(rlx_stream_fill(s, rlx_whole(buffer), 0, 4), RLX_OK);
    rlx_buffer_release(buffer);
    rlx_point first = fake_submit_calls(s, 1), second = fake_submit_calls(s, 1);
    fake.refuse = RLX_ERROR_OUT_OF_MEMORY;
    rlx_point refused = fake_submit_calls(s, 1);
    fake.refuse = RLX_OK;
    CHECK_INT(rlx_point_query(first), RLX_NOT_READY);
    CHECK_INT(rlx_point_query(refused), RLX_NOT_READY);
    CHECK_UINT(fake.memory, 1); /* still in use */
    CHECK_INT(rlx_stream_recover(s), RLX_OK);
    rlx_point fourth = fake_submit_calls(s, 1);
    fake.refuse = RLX_ERROR_BACKEND;
    rlx_point fifth = fake_submit_calls(s, 1);
    fake.refuse = RLX_OK;
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(first), RLX_OK);
    CHECK_INT(rlx_point_query(second), RLX_NOT_READY);
    CHECK_UINT(fake.memory, 0);
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(second), RLX_OK);
    CHECK_INT(rlx_point_query(refused), RLX_ERROR_OUT_OF_MEMORY);
    CHECK_INT(rlx_point_query(fourth), RLX_NOT_READY);
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(fourth), RLX_OK);
    CHECK_INT(rlx_point_query(fifth), RLX_ERROR_BACKEND);
    release(device, s, NULL);
}

static void a_refused_slice_ends_its_batch_after_the_slices_in_flight(void) {
    rlx_device *device = fake_device("held"); /* slices of two commands, two at once */
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point point = fake_submit_calls(s, 7);
    CHECK_UINT(fake_flying(0), 2);
    fake.refuse = RLX_ERROR_BACKEND;
    fake_end(0, NULL); /* makes room for the third, which is refused */
    fake.refuse = RLX_OK;
    CHECK_INT(rlx_point_query(point), RLX_NOT_READY);
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(point), RLX_ERROR_BACKEND);
    CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_BACKEND);
    CHECK_HOLDS(rlx_last_error(), "commands 4 to 5 in flight");
    CHECK_INT(rlx_stream_recover(s), RLX_OK);
    point = fake_submit_calls(s, 4);
    CHECK_UINT(fake_flying(0), 2); /* nothing of the dropped batch counts as in flight */
    fake_end(0, NULL), fake_end(0, NULL);
    CHECK_INT(rlx_point_query(point), RLX_OK);
    release(device, s, NULL);
}

/* A program of one command. */
static rlx_program *record(rlx_device *device) {
    rlx_stream *recording = NULL;
    rlx_program *program = NULL;
    CHECK_INT(rlx_stream_create(device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording), RLX_OK);
    CHECK_INT(rlx_stream_host_call(recording, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_finish(recording, NULL, &program), RLX_OK);
    rlx_stream_release(recording);
    return program;
}

static rlx_point run(rlx_stream *stream, rlx_program *program) {
    rlx_point point = { 0 };
    CHECK_INT(rlx_stream_run(stream, program, NULL), RLX_OK);
    CHECK_INT(rlx_stream_submit(stream, &point), RLX_OK);
    return point;
}

static void a_run_that_is_dropped_lets_no_later_run_overtake_an_earlier_one(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s[3];
    for (int i = 0; i < 3; i++) s[i] = fake_stream_create(device, 0);
    rlx_program *program = record(device);
    rlx_point first = run(s[0], program), second = run(s[1], program), third = run(s[2], program);
    CHECK_UINT(fake_flying(0), 1);
    CHECK_INT(rlx_stream_cancel(s[1]), RLX_OK);
    CHECK_UINT(fake_flying(2), 0);
    rlx_point fourth = run(s[2], program);
    CHECK_UINT(fake_flying(2), 0);
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(first), RLX_OK);
    CHECK_INT(rlx_point_query(second), RLX_ERROR_CANCELLED);
    CHECK_UINT(fake_flying(2), 2);
    fake_end(2, NULL), fake_end(2, NULL);
    CHECK_INT(rlx_point_query(third), RLX_OK);
    CHECK_INT(rlx_point_query(fourth), RLX_OK);
    rlx_program_release(program);
    rlx_stream_release(s[2]);
    release(device, s[0], s[1]);
}

static void a_dependency_that_fails_after_recover_fails_nothing_new(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_point other = fake_submit_calls(b, 1);
    rlx_point bad = fake_submit_calls(a, 1), running = fake_submit_calls(a, 1);
    CHECK_INT(rlx_stream_depend(a, other), RLX_OK);
    rlx_point held = fake_submit_calls(a, 1);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_stream_recover(a), RLX_OK);
    rlx_point fresh = fake_submit_calls(a, 1);
    fake_end(1, &(rlx_fault){ .status = RLX_ERROR_BACKEND });
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(a, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_OK);
    fake_end(0, NULL), fake_end(0, NULL);
    CHECK_INT(rlx_point_query(bad), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(running), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(held), RLX_ERROR_KERNEL); /* its first failure */
    CHECK_INT(rlx_point_query(fresh), RLX_OK);
    release(device, a, b);
}

static void cancel_after_recover_drops_what_is_new_and_leaves_first_failures(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point bad = fake_submit_calls(s, 1), queued = fake_submit_calls(s, 1), more = fake_submit_calls(s, 1);
    CHECK(fake_begin(0));
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_stream_recover(s), RLX_OK);
    CHECK_INT(rlx_stream_cancel(s), RLX_OK); /* all that is there has failed: nothing is cancelled */
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(s, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_OK);
    rlx_point fresh = fake_submit_calls(s, 1);
    CHECK_INT(rlx_stream_cancel(s), RLX_OK);
    CHECK_INT(rlx_stream_failure(s, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_ERROR_CANCELLED);
    CHECK_UINT(failure.batch, fresh.value);
    CHECK_STRING(failure.device, "fake");
    while (fake_flying(0)) fake_end(0, NULL);
    CHECK_INT(rlx_point_query(bad), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(queued), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(more), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(fresh), RLX_ERROR_CANCELLED);
    release(device, s, NULL);
}

static void loss_after_recover_leaves_first_failures(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    (void)fake_submit_calls(a, 1);
    rlx_point failed = fake_submit_calls(a, 1);
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_stream_recover(a), RLX_OK);
    rlx_point fresh = fake_submit_calls(a, 1);
    (void)fake_submit_calls(b, 1);
    fake_end(1, &(rlx_fault){ .status = RLX_ERROR_DEVICE_LOST });
    fake_end(0, NULL), fake_end(0, NULL);
    CHECK_INT(rlx_point_query(failed), RLX_ERROR_KERNEL);
    CHECK_INT(rlx_point_query(fresh), RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_stream_submit(a, NULL), RLX_ERROR_DEVICE_LOST);
    release(device, a, b);
}

static void lose_it(void) {
    fake.on_open = NULL;
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_DEVICE_LOST });
}

static void a_stream_that_is_opened_while_its_device_is_lost_is_refused(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *a = fake_stream_create(device, 0), *b = NULL;
    (void)fake_submit_calls(a, 1);
    fake.on_open = lose_it;
    CHECK_INT(rlx_stream_create(device, NULL, &b), RLX_ERROR_DEVICE_LOST);
    CHECK(!b);
    CHECK_UINT(fake.closed, 1);
    release(device, a, b);
}

static void depending_on_a_failed_point_of_ones_own_fails_whenever_that_ends(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point running = fake_submit_calls(s, 1), queued = fake_submit_calls(s, 1);
    CHECK_INT(rlx_stream_depend(s, queued), RLX_OK); /* before it fails */
    CHECK(fake_begin(0));
    CHECK_INT(rlx_stream_cancel(s), RLX_OK);
    CHECK_INT(rlx_stream_recover(s), RLX_OK);
    rlx_point early = fake_submit_calls(s, 1);
    CHECK_INT(rlx_stream_recover(s), RLX_OK);
    CHECK_INT(rlx_stream_depend(s, queued), RLX_OK); /* when it has, and has not ended */
    rlx_point late = fake_submit_calls(s, 1);
    CHECK_INT(rlx_stream_recover(s), RLX_OK);
    rlx_point other = fake_submit_calls(s, 1);
    while (fake_flying(0)) fake_end(0, NULL);
    CHECK_INT(rlx_point_query(running), RLX_OK);
    CHECK_INT(rlx_point_query(queued), RLX_ERROR_CANCELLED);
    CHECK_INT(rlx_point_query(early), RLX_ERROR_CANCELLED);
    CHECK_INT(rlx_point_query(late), RLX_ERROR_CANCELLED);
    CHECK_INT(rlx_point_query(other), RLX_OK);
    release(device, s, NULL);
}

static uint32_t calls;
static rlx_status called_with;

static void count(void *user, rlx_status status) {
    CHECK(user == &calls);
    calls++;
    called_with = status;
}

/* A failure may have any status, also one that calls return for reasons of their own. */
static void a_failure_is_told_whatever_its_status(void) {
    static const rlx_status statuses[] = { RLX_ERROR_INVALID,       RLX_ERROR_ORDER,       RLX_ERROR_EXPIRED,
                                           RLX_ERROR_OUT_OF_MEMORY, RLX_ERROR_DEVICE_LOST, RLX_ERROR_FORKED };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        rlx_device *device = fake_device("fake");
        rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
        rlx_point bad = fake_submit_calls(a, 1), other = fake_submit_calls(b, 1), point = { 0 };
        calls = 0;
        fake_end(0, &(rlx_fault){ .status = statuses[i], .message = "the device says so" });
        fake_end(1, NULL);
        CHECK_INT(rlx_point_notify(bad, count, &calls), RLX_OK);
        CHECK_UINT(calls, 1);
        CHECK_INT(called_with, statuses[i]);
        uint32_t index = 99;
        CHECK_INT(rlx_points_wait((rlx_point[]){ bad, other }, 2, RLX_WAIT_ALL, 0, &index), statuses[i]);
        CHECK_HOLDS(rlx_last_error(), "the device says so");
        rlx_stream *c = NULL;
        if (statuses[i] != RLX_ERROR_DEVICE_LOST) {
            c = fake_stream_create(device, 0);
            CHECK_INT(rlx_stream_depend(c, bad), RLX_OK);
            CHECK_INT(rlx_stream_submit(c, &point), RLX_OK);
            CHECK_INT(rlx_point_wait(point, 0), statuses[i]);
            CHECK_HOLDS(rlx_last_error(), "the device says so");
        }
        rlx_stream_release(c);
        release(device, a, b);
    }
}

static void what_is_no_failure_is_not_taken_for_one_nor_for_success(void) {
    static const int numbers[] = { RLX_NOT_READY, RLX_TIMEOUT, RLX_ERROR_VALIDATION + 1, 1000, -1 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        rlx_device *device = fake_device("fake");
        rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
        rlx_point bad = fake_submit_calls(a, 1);
        CHECK_INT(rlx_stream_depend(b, bad), RLX_OK);
        rlx_point dependant = fake_submit_calls(b, 1);
        fake_end(0, &(rlx_fault){ .status = (rlx_status)numbers[i] });
        CHECK_INT(rlx_point_wait(bad, 0), RLX_ERROR_KERNEL);
        CHECK_INT(rlx_point_wait(dependant, 0), RLX_ERROR_KERNEL);
        release(device, a, b);
    }
}

static bool refuse_memory(size_t size) {
    (void)size;
    return false;
}

static void a_failure_without_memory_for_its_words_is_still_one(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_point bad = fake_submit_calls(s, 1);
    atomic_store(&rlx_allocation_check, refuse_memory);
    fake_end(0, &(rlx_fault){ .status = (rlx_status)1000 });
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_INT(rlx_point_wait(bad, 0), RLX_ERROR_KERNEL);
    release(device, s, NULL);
}

static void a_failure_quotes_nothing_that_was_said_about_something_else(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0), *full = NULL;
    rlx_point point = fake_submit_calls(s, 1);
    fake.opened = FAKE_STREAMS;
    CHECK_INT(rlx_stream_create(device, NULL, &full), RLX_ERROR_LIMIT);
    CHECK_HOLDS(rlx_last_error(), "no more streams in this test");
    fake.opened = 1;
    fake_end(0, &(rlx_fault){ .status = RLX_ERROR_BACKEND });
    CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_BACKEND);
    CHECK(!strstr(rlx_last_error(), "no more streams"));
    CHECK_HOLDS(rlx_last_error(), rlx_status_text(RLX_ERROR_BACKEND));
    release(device, s, NULL);
}

static void long_labels_leave_room_for_what_happened_and_what_to_do(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0);
    rlx_kernel *kernel = NULL;
    char name[700], said[256];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(said, 's', sizeof said);
    memcpy(said, "the reason", 10);
    said[sizeof said - 1] = '\0';
    CHECK_INT(rlx_kernel_create(device,
                                &(rlx_kernel_desc){ .name = name,
                                                    .code_count = 1,
                                                    .codes = (rlx_code[]){ { RLX_CODE_HOST, .bytes = name } } },
                                &kernel),
              RLX_OK);
    for (int i = 0; i < 2; i++)
        CHECK_INT(rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .label = name }), RLX_OK);
    rlx_point point = fake_submit_calls(s, 0);
    rlx_fault fault = { .status = RLX_ERROR_BACKEND, .vendor_code = INT64_MIN };
    memcpy(fault.message, said, sizeof said);
    fake_end(0, &fault);
    CHECK_INT(rlx_point_wait(point, 0), RLX_ERROR_BACKEND);
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(s, &failure), RLX_OK);
    CHECK_HOLDS(failure.message, "commands 0 to 1 in flight");
    CHECK_HOLDS(failure.message, "the reason");
    CHECK_HOLDS(failure.message, "; rlx_stream_recover makes the stream usable again");
    rlx_kernel_release(kernel);
    release(device, s, NULL);
}

static void a_message_names_the_stream_and_cuts_no_letter_in_two(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = NULL;
    char name[100] = "", said[256] = "";
    for (int i = 0; i < 30; i++) memcpy(name + 3 * i, "\xe2\x82\xac", 4); /* three bytes each */
    for (int i = 0; i < 85; i++) memcpy(said + 3 * i, "\xe2\x82\xac", 3);
    CHECK_INT(rlx_stream_create(device, &(rlx_stream_desc){ .label = "main" }, &s), RLX_OK);
    rlx_kernel *kernel = NULL;
    CHECK_INT(rlx_kernel_create(device,
                                &(rlx_kernel_desc){ .name = name,
                                                    .code_count = 1,
                                                    .codes = (rlx_code[]){ { RLX_CODE_HOST, .bytes = name } } },
                                &kernel),
              RLX_OK);
    for (int i = 0; i < 2; i++)
        CHECK_INT(rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .label = name }), RLX_OK);
    CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK);
    rlx_fault fault = { .status = RLX_ERROR_BACKEND };
    memcpy(fault.message, said, sizeof said);
    fake_end(0, &fault);
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(s, &failure), RLX_OK);
    CHECK_HOLDS(failure.message, "fake: stream 'main', batch 1, commands 0 to 1 in flight");
    CHECK_UINT(strlen(failure.label) % 3, 0);
    CHECK_UINT(strlen(failure.kernel), 63);
    size_t ends = strlen(failure.message), letters = 0;
    for (size_t i = 0; i < ends; i++) {
        if ((unsigned char)failure.message[i] < 0x80) continue;
        CHECK(i + 2 < ends && !memcmp(failure.message + i, "\xe2\x82\xac", 3));
        i += 2;
        letters++;
    }
    CHECK(letters > 60);
    rlx_kernel_release(kernel);
    release(device, s, NULL);
}

static void a_transfer_takes_no_notice_of_failures_that_were_recovered_from(void) {
    for (int side = 0; side < 2; side++) {
        rlx_device *device = fake_device("fake");
        rlx_stream *s[2] = { fake_stream_create(device, 0), fake_stream_create(device, 0) };
        rlx_buffer *buffer[2];
        for (int i = 0; i < 2; i++)
            CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer[i]), RLX_OK);
        (void)fake_submit_calls(s[side], 1);
        (void)fake_submit_calls(s[side], 1); /* still in flight when its stream is recovered */
        fake_end((uint32_t)side, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
        CHECK_INT(rlx_stream_recover(s[side]), RLX_OK);
        rlx_point moved = { 0 };
        CHECK_INT(rlx_transfer(s[0], rlx_whole(buffer[0]), s[1], rlx_whole(buffer[1]), &moved), RLX_OK);
        if (side == 1) CHECK_UINT(fake_flying(0), 0); /* after all that was submitted on either */
        fake_end((uint32_t)side, NULL);
        CHECK_UINT(fake_flying(0), 1);
        fake_end(0, NULL);
        CHECK_INT(rlx_point_query(moved), RLX_OK);
        CHECK_INT(rlx_stream_wait(s[0], 0), RLX_OK);
        CHECK_INT(rlx_stream_wait(s[1], 0), RLX_OK);
        for (int i = 0; i < 2; i++) rlx_buffer_release(buffer[i]);
        release(device, s[0], s[1]);
    }
}

static void a_transfer_fails_with_what_fails_before_it(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s[2] = { fake_stream_create(device, 0), fake_stream_create(device, 0) };
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer), RLX_OK);
    (void)fake_submit_calls(s[1], 1);
    rlx_point moved = { 0 };
    CHECK_INT(rlx_transfer(s[0], rlx_part(buffer, 0, 32), s[1], rlx_part(buffer, 32, 32), &moved), RLX_OK);
    fake_end(1, &(rlx_fault){ .status = RLX_ERROR_KERNEL });
    CHECK_INT(rlx_point_query(moved), RLX_ERROR_KERNEL);
    rlx_buffer_release(buffer);
    release(device, s[0], s[1]);
}

static void a_transfer_keeps_its_place_on_a_stream_that_is_cancelled_and_recovered(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s[2] = { fake_stream_create(device, 0), fake_stream_create(device, 0) };
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer), RLX_OK);
    rlx_point moved = { 0 };
    CHECK_INT(rlx_transfer(s[0], rlx_part(buffer, 0, 32), s[1], rlx_part(buffer, 32, 32), &moved), RLX_OK);
    CHECK(fake_begin(0)); /* it reads the source from now on */
    CHECK_INT(rlx_stream_cancel(s[1]), RLX_OK);
    CHECK_INT(rlx_stream_recover(s[1]), RLX_OK);
    rlx_point after = fake_submit_calls(s[1], 1);
    CHECK_UINT(fake_flying(1), 0); /* after the transfer */
    fake_end(0, NULL);
    CHECK_INT(rlx_point_query(moved), RLX_OK);
    CHECK_UINT(fake_flying(1), 1);
    fake_end(1, NULL);
    CHECK_INT(rlx_point_query(after), RLX_OK);
    rlx_buffer_release(buffer);
    release(device, s[0], s[1]);
}

static void discarding_nothing_ends_a_condition_all_the_same(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, RLX_STREAM_RECORD);
    rlx_program *program = NULL;
    CHECK_INT(rlx_stream_condition(s, rlx_slot(3)), RLX_OK);
    rlx_stream_discard(s);
    CHECK_INT(rlx_stream_host_call(s, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_finish(s, NULL, &program), RLX_OK);
    CHECK_UINT(rlx_program_info(program)->slots, 0);
    rlx_program_release(program);
    release(device, s, NULL);
}

static struct {
    rlx_stream *stream;
    rlx_point point;
} empty;

static void submit_empty(void) { CHECK_INT(rlx_stream_submit(empty.stream, &empty.point), RLX_OK); }

/* While a batch that has ended lets go of its memory, its stream has no batch any more, but is not at rest. */
static void an_empty_batch_does_not_overtake_one_that_is_being_retired(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *stream = empty.stream = fake_stream_create(device, 0);
    rlx_buffer *buffer = NULL;
    rlx_point first;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 16 }, &buffer), RLX_OK);
    CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), 0, 4), RLX_OK);
    rlx_buffer_release(buffer);
    CHECK_INT(rlx_stream_submit(stream, &first), RLX_OK);
    fake.on_free = submit_empty;
    fake_end(0, NULL);
    CHECK_UINT(empty.point.value, first.value + 1);
    CHECK_INT(rlx_point_query(first), RLX_OK);
    CHECK_INT(rlx_point_wait(empty.point, RLX_SECOND), RLX_OK);
    fake.on_free = NULL;
    rlx_stream_release(stream);
    rlx_device_release(device);
}

static const tap_test tests[] = {
    TAP(a_refused_batch_ends_after_those_that_are_in_flight),
    TAP(a_refused_slice_ends_its_batch_after_the_slices_in_flight),
    TAP(a_run_that_is_dropped_lets_no_later_run_overtake_an_earlier_one),
    TAP(a_dependency_that_fails_after_recover_fails_nothing_new),
    TAP(cancel_after_recover_drops_what_is_new_and_leaves_first_failures),
    TAP(loss_after_recover_leaves_first_failures),
    TAP(a_stream_that_is_opened_while_its_device_is_lost_is_refused),
    TAP(depending_on_a_failed_point_of_ones_own_fails_whenever_that_ends),
    TAP(a_failure_is_told_whatever_its_status),
    TAP(what_is_no_failure_is_not_taken_for_one_nor_for_success),
    TAP(a_failure_without_memory_for_its_words_is_still_one),
    TAP(a_failure_quotes_nothing_that_was_said_about_something_else),
    TAP(long_labels_leave_room_for_what_happened_and_what_to_do),
    TAP(a_message_names_the_stream_and_cuts_no_letter_in_two),
    TAP(a_transfer_takes_no_notice_of_failures_that_were_recovered_from),
    TAP(a_transfer_fails_with_what_fails_before_it),
    TAP(a_transfer_keeps_its_place_on_a_stream_that_is_cancelled_and_recovered),
    TAP(an_empty_batch_does_not_overtake_one_that_is_being_retired),
    TAP(discarding_nothing_ends_a_condition_all_the_same),
};
TAP_MAIN(tests)
