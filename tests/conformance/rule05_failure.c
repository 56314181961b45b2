/* Rule 5: failures travel. One stream here: what its points, its submits and its messages say, recover, ISOLATE,
 * cancel. Other streams, other devices and lost devices are in rule05_travel.c. */
#include "conform.h"

#include <stdio.h>

#define SIZE 256

/* Submits a batch that may fail: what submit says of that is not laid down, the point tells it. */
static rlx_point submit_failing(conform_test *t, rlx_stream *s) {
    rlx_point point = { 0, 0 };
    rlx_status ignored = rlx_stream_submit(s, &point);
    (void)ignored;
    CHECK(t, point.timeline || point.value, "submit writes the point, whatever becomes of the batch");
    return point;
}

static void a_failed_batch_fails_its_point(conform_test *t) {
    const rlx_status statuses[] = { RLX_ERROR_KERNEL, RLX_ERROR_IO, RLX_ERROR_INVALID, RLX_ERROR_OUT_OF_MEMORY };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        rlx_stream *s = conform_stream(t, 0);
        conform_fail(t, s, statuses[i]);
        rlx_point point = submit_failing(t, s);
        for (int again = 0; again < 3; again++) {
            CHECK_STATUS(t, rlx_point_wait(point, t->patience), statuses[i]);
            CHECK_STATUS(t, rlx_point_query(point), statuses[i]);
            CHECK_STATUS(t, rlx_stream_wait(s, t->patience), statuses[i]);
        }
        rlx_failure failure;
        CHECK_OK(t, rlx_stream_failure(s, &failure));
        CHECK_EQUAL(t, failure.status, statuses[i]);
        CHECK_EQUAL(t, failure.batch, point.value);
    }
}

/* A function that returns "not ready", "time-out" or a number from nowhere has failed: a wait that passed it on would
 * have its caller wait for ever. */
static void what_is_no_error_is_a_failure_all_the_same(conform_test *t) {
    const rlx_status statuses[] = { RLX_NOT_READY, RLX_TIMEOUT, (rlx_status)1000, (rlx_status)-1 };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        rlx_stream *s = conform_stream(t, 0);
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        conform_fail(t, s, statuses[i]);
        rlx_point point = submit_failing(t, s);
        rlx_status status = rlx_point_wait(point, t->patience);
        CHECK(t, status >= RLX_ERROR_INVALID && (int)status <= RLX_ERROR_VALIDATION,
              "a host call that returns %d fails its batch with an error; the wait returned %d", (int)statuses[i],
              (int)status);
    }
}

static void a_failure_fails_every_later_point_of_its_stream(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    rlx_point good, bad, queued[20];
    CHECK_OK(t, rlx_stream_submit(s, &good));
    conform_gate_hold(t, gate, s);
    conform_fail(t, s, RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_stream_submit(s, &bad));
    for (int i = 0; i < 20; i++) { /* submitted while nobody knows; some would fail otherwise, some are empty */
        if (i % 3 == 0) conform_fail(t, s, RLX_ERROR_IO);
        CHECK_OK(t, rlx_stream_submit(s, &queued[i]));
    }
    conform_gate_open(gate);
    for (int i = 19; i >= 0; i--) CHECK_STATUS(t, rlx_point_wait(queued[i], t->patience), RLX_ERROR_KERNEL);
    CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_KERNEL);
    CHECK_OK(t, rlx_point_wait(good, t->patience)); /* the one before it is none of them */
    CHECK_STATUS(t, rlx_stream_wait(s, t->patience), RLX_ERROR_KERNEL);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK_EQUAL(t, failure.batch, bad.value);
    CHECK_EQUAL(t, failure.status, RLX_ERROR_KERNEL);
}

static void the_first_failure_of_a_batch_is_kept(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
    conform_fail(t, s, RLX_ERROR_IO);
    conform_fail(t, s, RLX_ERROR_KERNEL);
    conform_fail(t, s, RLX_ERROR_LIMIT);
    rlx_point point = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK_EQUAL(t, failure.status, RLX_ERROR_IO);
    CHECK(t, failure.first_command <= 1 && failure.last_command >= 1,
          "command 1 failed first; named are %" PRIu64 " to %" PRIu64, failure.first_command, failure.last_command);
}

static void submit_on_a_failed_stream_returns_the_failure(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    atomic_uint *calls = conform_counter(t);
    conform_set(t, rlx_whole(x), 0);
    conform_fail(t, s, RLX_ERROR_IO);
    rlx_point bad = submit_failing(t, s), later[3];
    CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_IO);
    for (int i = 0; i < 3; i++) {
        conform_count(t, s, calls); /* encoding goes on as ever */
        conform_affine(t, s, rlx_whole(x), 1, 1, 1);
        CHECK_STATUS(t, rlx_stream_submit(s, &later[i]), RLX_ERROR_IO);
        CHECK_EQUAL(t, later[i].timeline, bad.timeline);
        CHECK_EQUAL(t, later[i].value, bad.value + 1 + (uint64_t)i);
        CHECK_STATUS(t, rlx_point_wait(later[i], t->patience), RLX_ERROR_IO);
    }
    CHECK_STATUS(t, rlx_stream_submit_and_wait(s, t->patience), RLX_ERROR_IO);
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(calls), 0); /* what was submitted in between is gone */
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 0);
    for (int i = 0; i < 3; i++) CHECK_STATUS(t, rlx_point_query(later[i]), RLX_ERROR_IO);
}

/* ---- Recover ---- */

static void recover_makes_a_stream_usable_again(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, SIZE);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_recover(s)); /* nothing to do */
    for (uint32_t i = 0; i < 10; i++) {
        conform_fail(t, s, RLX_ERROR_KERNEL);
        rlx_point bad = submit_failing(t, s), good;
        CHECK_STATUS(t, rlx_point_wait(bad, t->patience), RLX_ERROR_KERNEL);
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_failure(s, &failure));
        CHECK_EQUAL(t, failure.status, RLX_OK);
        conform_iota(t, s, rlx_whole(x), i);
        CHECK_OK(t, rlx_stream_submit(s, &good));
        CHECK_DONE(t, good);
        CHECK_EQUAL(t, conform_get_u32(t, x, 3), i + 3);
        CHECK_STATUS(t, rlx_point_query(bad), RLX_ERROR_KERNEL);
        CHECK_OK(t, rlx_point_query(good));
    }
}

/* Two failures with a recovery between them: each point tells its own, for good. */
static void points_that_failed_stay_failed(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *other = conform_stream(t, 0);
    rlx_point points[8];
    const rlx_status expected[8] = { RLX_OK,           RLX_ERROR_IO,     RLX_ERROR_IO, RLX_OK,
                                     RLX_ERROR_KERNEL, RLX_ERROR_KERNEL, RLX_OK,       RLX_OK };
    CHECK_OK(t, rlx_stream_submit(s, &points[0]));
    for (int i = 1; i <= 4; i += 3) {
        conform_fail(t, s, expected[i]);
        points[i] = submit_failing(t, s);
        CHECK_STATUS(t, rlx_point_wait(points[i], t->patience), expected[i]);
        CHECK_STATUS(t, rlx_stream_submit(s, &points[i + 1]), expected[i]);
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_submit(s, &points[i + 2]));
    }
    CHECK_OK(t, rlx_stream_submit(s, &points[7]));
    CHECK_DONE(t, points[7]);
    for (int again = 0; again < 3; again++)
        for (int i = 0; i < 8; i++) {
            CHECK_STATUS(t, rlx_point_wait(points[i], t->patience), expected[i]);
            CHECK_STATUS(t, rlx_point_query(points[i]), expected[i]);
        }
    for (int i = 0; i < 8; i++) { /* and who depends on one learns of it */
        CHECK_OK(t, rlx_stream_depend(other, points[i]));
        rlx_point after = submit_failing(t, other);
        CHECK_STATUS(t, rlx_point_wait(after, t->patience), expected[i]);
        CHECK_OK(t, rlx_stream_recover(other));
    }
}

/* So many that an interface may have forgotten the oldest: then it says so, and never that all was well. */
static void a_hundred_failures_are_remembered_or_expired(conform_test *t) {
    enum { FAILURES = 100 };
    rlx_stream *s = conform_stream(t, 0);
    rlx_point bad[FAILURES], good[FAILURES];
    for (int i = 0; i < FAILURES; i++) {
        conform_fail(t, s, i % 2 ? RLX_ERROR_KERNEL : RLX_ERROR_IO);
        bad[i] = submit_failing(t, s);
        CHECK_ONE_OF(t, rlx_point_wait(bad[i], t->patience), CONFORM_ERRORS);
        CHECK_OK(t, rlx_stream_recover(s));
        CHECK_OK(t, rlx_stream_submit(s, &good[i]));
        CHECK_DONE(t, good[i]);
    }
    for (int i = 0; i < FAILURES; i++) {
        rlx_status status = i % 2 ? RLX_ERROR_KERNEL : RLX_ERROR_IO;
        bool recent = i >= FAILURES - 4;
        CHECK_ONE_OF(t, rlx_point_wait(bad[i], t->patience),
                     CONFORM_BIT(status) | (recent ? 0 : CONFORM_BIT(RLX_ERROR_EXPIRED)));
        CHECK_ONE_OF(t, rlx_point_wait(good[i], t->patience),
                     CONFORM_BIT(RLX_OK) | (recent ? 0 : CONFORM_BIT(RLX_ERROR_EXPIRED)));
    }
}

/* ---- What the message says ---- */

/* Ten dispatches with labels; number `bad` fails. No label has a digit: numbers in a message are the command's. */
static rlx_point fail_one_of_ten(conform_test *t, rlx_stream *s, uint32_t bad) {
    for (uint32_t i = 0; i < 10; i++) {
        char label[32];
        snprintf(label, sizeof label, "layer %c of ten", 'a' + (int)i);
        conform_refuse(t, s, i == bad ? RLX_ERROR_IO : RLX_OK, label);
        memset(label, 'x', sizeof label - 1); /* it was copied */
    }
    return submit_failing(t, s);
}

static void a_failure_names_the_command(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    rlx_point point = fail_one_of_ten(t, s, 6);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
    char waited[1024];
    snprintf(waited, sizeof waited, "%s", rlx_last_error());
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK_EQUAL(t, failure.status, RLX_ERROR_IO);
    CHECK_EQUAL(t, failure.batch, point.value);
    CHECK(t, failure.first_command <= 6 && failure.last_command >= 6,
          "command 6 failed; named are %" PRIu64 " to %" PRIu64, failure.first_command, failure.last_command);
    CHECK(t, !failure.exact || (failure.first_command == 6 && failure.last_command == 6),
          "an exact failure names command 6 alone");
    CHECK(t, failure.exact || failure.last_command > failure.first_command,
          "a failure is exact, or names several commands");
    char expected[32];
    snprintf(expected, sizeof expected, "layer %c of ten", 'a' + (int)failure.first_command);
    CHECK(t, strcmp(failure.label, expected) == 0, "the label '%s'; got '%s'", expected, failure.label);
    CHECK(t, strcmp(failure.kernel, "refuse") == 0, "the kernel 'refuse'; got '%s'", failure.kernel);
    CHECK(t, strcmp(failure.device, t->info->name) == 0, "the device '%s'; got '%s'", t->info->name, failure.device);
    const char *const texts[] = { failure.message, waited };
    for (int i = 0; i < 2; i++) { /* in a sentence, from the failure and from the wait */
        CHECK_CONTAINS(t, texts[i], expected);
        CHECK_CONTAINS(t, texts[i], "refuse");
        CHECK_CONTAINS(t, texts[i], t->info->name);
        snprintf(expected, sizeof expected, "%u", (unsigned)failure.first_command);
        CHECK_CONTAINS(t, texts[i], expected);
        snprintf(expected, sizeof expected, "layer %c of ten", 'a' + (int)failure.first_command);
    }
}

/* A kernel of which one group alone fails. */
static rlx_status fail_in_one_group(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint64_t bad = *(const uint64_t *)k->user;
    return bad >= first && bad - first < count ? RLX_ERROR_IO : RLX_OK;
}

static void one_group_that_fails_is_enough(conform_test *t) {
    enum { GROUPS = 20000 };
    rlx_stream *s = conform_stream(t, 0);
    uint64_t *bad = conform_memory(t, sizeof *bad);
    rlx_kernel *kernel = conform_host_kernel(t, t->device, "fragile", fail_in_one_group, bad);
    const uint64_t groups[] = { 0, 1, GROUPS / 2, GROUPS - 1, 7777 };
    for (int again = 0; again < 4; again++)
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
            *bad = groups[i];
            CHECK_OK(t,
                     rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { GROUPS }, .label = "one of them" }));
            rlx_point point = submit_failing(t, s);
            CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
            CHECK_OK(t, rlx_stream_recover(s));
            *bad = GROUPS; /* none */
            CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { GROUPS } }));
            CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        }
}

static void long_labels_are_cut(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    char label[5000];
    memset(label, 'q', sizeof label);
    label[sizeof label - 1] = '\0';
    conform_refuse(t, s, RLX_ERROR_KERNEL, label);
    rlx_point point = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_KERNEL);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK(t, strnlen(failure.label, sizeof failure.label) < sizeof failure.label && failure.label[0] == 'q',
          "a label that ends");
    CHECK(t, strnlen(failure.message, sizeof failure.message) < sizeof failure.message, "a message that ends");
}

/* Numbers count what was encoded, whatever a command is made of on the inside. */
static void commands_are_numbered_as_they_were_encoded(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    for (int i = 0; i < 5; i++) conform_affine(t, recording, rlx_whole(x), 1, 1, 1);
    rlx_program *program = conform_finish(t, recording);
    unsigned char *host = conform_memory(t, SIZE);
    uint64_t *ns = conform_memory(t, sizeof *ns);
    const rlx_rows crossing = { .rows = 3, .row_bytes = 8, .dst_stride = 8, .src_stride = 12 };
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));                                     /* 0 */
    CHECK_OK(t, rlx_stream_copy_rows(s, rlx_whole(x), rlx_part(x, 4, SIZE - 4), &crossing)); /* 1 */
    CHECK_OK(t, rlx_stream_write(s, rlx_whole(x), host, RLX_WRITE_COPIED));                  /* 2 */
    CHECK_OK(t, rlx_stream_run(s, program, NULL));                                           /* 3 */
    CHECK_OK(t, rlx_stream_timestamp(s, ns));                                                /* 4 */
    CHECK_OK(t, rlx_stream_copy(s, rlx_part(x, 1, 99), rlx_part(x, 0, 99)));                 /* 5 */
    CHECK_OK(t, rlx_stream_read(s, host, rlx_whole(x)));                                     /* 6 */
    conform_fail(t, s, RLX_ERROR_KERNEL);                                                    /* 7 */
    rlx_point point = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_KERNEL);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK(t, failure.first_command <= 7 && failure.last_command >= 7,
          "command 7 failed; named are %" PRIu64 " to %" PRIu64, failure.first_command, failure.last_command);
    CHECK(t, !failure.exact || failure.first_command == 7, "an exact failure names command 7; got %" PRIu64,
          failure.first_command);
}

static void isolate_names_the_command_exactly(conform_test *t) {
    const uint32_t bad[] = { 0, 3, 9 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rlx_stream *s = conform_stream(t, RLX_STREAM_ISOLATE);
        rlx_buffer *x = conform_buffer(t, SIZE);
        conform_set(t, rlx_whole(x), 0);
        for (uint32_t c = 0; c < 10; c++) {
            if (c == bad[i]) conform_fail(t, s, RLX_ERROR_KERNEL);
            else conform_affine(t, s, rlx_whole(x), 1, 1, 1);
        }
        rlx_point point = submit_failing(t, s);
        CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_KERNEL);
        rlx_failure failure;
        CHECK_OK(t, rlx_stream_failure(s, &failure));
        CHECK(t, failure.exact, "a stream with ISOLATE names the command exactly");
        CHECK_EQUAL(t, failure.first_command, bad[i]);
        CHECK_EQUAL(t, failure.last_command, bad[i]);
        CHECK_EQUAL(t, failure.batch, point.value);
    }
}

static void isolate_names_label_and_kernel(conform_test *t) {
    const uint32_t bad[] = { 0, 4, 9 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rlx_stream *s = conform_stream(t, RLX_STREAM_ISOLATE);
        char label[32];
        rlx_point point = fail_one_of_ten(t, s, bad[i]);
        CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
        rlx_failure failure;
        CHECK_OK(t, rlx_stream_failure(s, &failure));
        snprintf(label, sizeof label, "layer %c of ten", 'a' + (int)bad[i]);
        CHECK(t, failure.exact && failure.first_command == bad[i] && failure.last_command == bad[i],
              "command %u, exactly", bad[i]);
        CHECK(t, strcmp(failure.label, label) == 0, "the label '%s'; got '%s'", label, failure.label);
        CHECK(t, strcmp(failure.kernel, "refuse") == 0, "the kernel 'refuse'; got '%s'", failure.kernel);
    }
}

static void isolate_computes_the_same(conform_test *t) {
    rlx_stream *s = conform_stream(t, RLX_STREAM_ISOLATE);
    rlx_buffer *x = conform_buffer(t, SIZE);
    uint32_t expected = 0;
    rlx_point points[10], before = { 0, 0 };
    conform_set(t, rlx_whole(x), 0);
    for (uint32_t b = 0; b < 10; b++) {
        for (uint32_t i = 0; i < b; i++) {
            conform_affine(t, s, rlx_whole(x), 3, i, 1);
            expected = conform_affine_word(expected, 3, i, 1);
        }
        CHECK_OK(t, rlx_stream_submit(s, &points[b]));
        CHECK(t, b == 0 || points[b].value == before.value + 1, "values rise by one, of whole batches");
        before = points[b];
    }
    CHECK_DONE(t, before);
    CHECK_EQUAL(t, conform_get_u32(t, x, 11), expected);
}

static void a_failure_in_a_program_is_told(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x = conform_buffer(t, SIZE);
    conform_affine(t, recording, rlx_whole(x), 1, 1, 1);
    conform_refuse(t, recording, RLX_ERROR_IO, "in the program");
    rlx_program *program = conform_finish(t, recording);
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 0, 4));
    CHECK_OK(t, rlx_stream_run(s, program, &(rlx_run){ .label = "the run" }));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 0, 4));
    rlx_point point = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
    rlx_failure failure;
    CHECK_OK(t, rlx_stream_failure(s, &failure));
    CHECK(t, failure.first_command <= 1 && failure.last_command >= 1,
          "command 1, the run, failed; named are %" PRIu64 " to %" PRIu64, failure.first_command, failure.last_command);
    CHECK(t, strstr(failure.message, "the run") || strstr(failure.message, "in the program"),
          "a message with the label of the run or of the command; got: %s", failure.message);
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_run(s, program, NULL)); /* a failed run doesn't spoil its program */
    point = submit_failing(t, s);
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
}

/* ---- Cancel ---- */

static void cancel_drops_what_has_not_begun(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point done, dropped[5], later;
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_OK(t, rlx_stream_cancel(s)); /* nothing to drop */
    CHECK_OK(t, rlx_stream_submit(s, &done));
    CHECK_DONE(t, done);
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < 5; i++) {
        conform_count(t, s, calls);
        CHECK_OK(t, rlx_stream_submit(s, &dropped[i]));
    }
    CHECK_OK(t, rlx_stream_cancel(s));
    for (int i = 0; i < 5; i++) CHECK_STATUS(t, rlx_point_wait(dropped[i], t->patience), RLX_ERROR_CANCELLED);
    conform_gate_check(t, gate, "points of cancelled batches fail");
    CHECK_STATUS(t, rlx_stream_submit(s, &later), RLX_ERROR_CANCELLED);
    CHECK_OK(t, rlx_point_query(done));
    CHECK_OK(t, rlx_stream_recover(s));
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &later));
    CHECK_DONE(t, later);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    conform_gate_open(gate);
    conform_sleep_ms(20);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(calls), 1);
    for (int i = 0; i < 5; i++) CHECK_STATUS(t, rlx_point_query(dropped[i]), RLX_ERROR_CANCELLED);
}

const conform_case conform_rule05[] = {
    { 5, "a failed batch fails its point, with the status that failed it", a_failed_batch_fails_its_point },
    { 5, "a host call that returns no error, but not OK, is a failure too",
      what_is_no_error_is_a_failure_all_the_same },
    { 5, "a failure fails every later point of its stream, and no earlier one",
      a_failure_fails_every_later_point_of_its_stream, NEEDS_GATE },
    { 5, "the first failure of a batch is kept", the_first_failure_of_a_batch_is_kept },
    { 5, "submit on a failed stream returns the failure and a failed point",
      submit_on_a_failed_stream_returns_the_failure },
    { 5, "recover makes a failed stream usable again", recover_makes_a_stream_usable_again },
    { 5, "points that failed stay failed, each with its own failure, also after recover",
      points_that_failed_stay_failed },
    { 5, "a hundred failures are remembered, or expired, and never well",
      a_hundred_failures_are_remembered_or_expired },
    { 5, "a failure names the command by index, label and kernel", a_failure_names_the_command, NEEDS_HOST_CODE },
    { 5, "one group that fails, of thousands, fails its dispatch, and no later one", one_group_that_fails_is_enough,
      NEEDS_HOST_CODE },
    { 5, "long labels are cut in failures", long_labels_are_cut, NEEDS_HOST_CODE },
    { 5, "commands are numbered as they were encoded", commands_are_numbered_as_they_were_encoded },
    { 5, "a stream with ISOLATE names the command exactly", isolate_names_the_command_exactly },
    { 5, "a stream with ISOLATE names label and kernel", isolate_names_label_and_kernel, NEEDS_HOST_CODE },
    { 5, "a stream with ISOLATE computes the same", isolate_computes_the_same },
    { 5, "a failure in a program is told, and leaves the program usable", a_failure_in_a_program_is_told,
      NEEDS_HOST_CODE },
    { 5, "cancel drops what has not begun, and fails its points", cancel_drops_what_has_not_begun, NEEDS_GATE },
    { 0 },
};
