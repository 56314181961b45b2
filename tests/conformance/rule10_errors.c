/* Rule 10: the library never aborts, exits, prints or raises a signal. Every fallible call returns a status; out of
 * memory is one, and leaves the state as it was. The message of a thread's last error says what is wrong. */
#include "conform.h"
#include "refusals.h"

#include <signal.h>
#include <stdio.h>

#define INVALID RLX_ERROR_INVALID

/* ---- NULL ---- */

static void check_null_in_devices(conform_test *t) {
    uint32_t count;
    rlx_device *device;
    rlx_memory_report memory;
    rlx_health health;
    void *pointer;
    CHECK_STATUS(t, rlx_devices_list(NULL, 0, NULL), INVALID);
    CHECK_STATUS(t, rlx_devices_list(NULL, 4, &count), INVALID);
    CHECK_STATUS(t, rlx_backends_report(NULL, 0, NULL), INVALID);
    CHECK_STATUS(t, rlx_backends_report(NULL, 4, &count), INVALID);
    CHECK_STATUS(t, rlx_device_open(t->info->name, NULL, NULL), INVALID);
    CHECK_STATUS(t, rlx_device_open("no such device", NULL, &device), RLX_ERROR_NOT_FOUND);
    CHECK_STATUS(t, rlx_device_open("", NULL, &device), RLX_ERROR_NOT_FOUND);
    CHECK_STATUS(t, rlx_device_memory(NULL, &memory), INVALID);
    CHECK_STATUS(t, rlx_device_memory(t->device, NULL), INVALID);
    CHECK_STATUS(t, rlx_device_health(NULL, &health), INVALID);
    CHECK_STATUS(t, rlx_device_health(t->device, NULL), INVALID);
    CHECK_STATUS(t, rlx_host_alloc(NULL, 64, &pointer), INVALID);
    CHECK_STATUS(t, rlx_host_alloc(t->device, 64, NULL), INVALID);
}

static void check_null_in_objects(conform_test *t) {
    rlx_buffer *buffer;
    rlx_kernel *kernel;
    rlx_stream *stream, *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_program *program;
    void *pointer;
    const rlx_param param = { .access = RLX_READ };
    CHECK_STATUS(t, rlx_buffer_create(NULL, &(rlx_buffer_desc){ .size = 4 }, &buffer), INVALID);
    CHECK_STATUS(t, rlx_buffer_create(t->device, NULL, &buffer), INVALID);
    CHECK_STATUS(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 4 }, NULL), INVALID);
    CHECK_STATUS(t, rlx_buffer_host_pointer(NULL, &pointer), INVALID);
    CHECK_STATUS(t, rlx_buffer_host_pointer(conform_buffer(t, 4), NULL), INVALID);
    CHECK_STATUS(t, rlx_kernel_create(NULL, &(rlx_kernel_desc){ .name = "k" }, &kernel), INVALID);
    CHECK_STATUS(t, rlx_kernel_create(t->device, NULL, &kernel), INVALID);
    CHECK_STATUS(t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k" }, NULL), INVALID);
    CHECK_STATUS(t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .param_count = 1 }, &kernel),
                 INVALID);
    CHECK_STATUS(
        t,
        rlx_kernel_create(
            t->device, &(rlx_kernel_desc){ .name = "k", .params = &param, .param_count = 1, .code_count = 1 }, &kernel),
        INVALID);
    CHECK_STATUS(t, rlx_stream_create(NULL, NULL, &stream), INVALID);
    CHECK_STATUS(t, rlx_stream_create(t->device, NULL, NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_finish(NULL, NULL, &program), INVALID);
    CHECK_STATUS(t, rlx_stream_finish(recording, NULL, NULL), INVALID);
}

static void check_null_in_streams(conform_test *t) {
    const rlx_rows rows = { .rows = 1, .row_bytes = 4 };
    rlx_range x = rlx_whole(conform_buffer(t, 64));
    unsigned char host[64];
    uint64_t ns;
    rlx_failure failure;
    rlx_stream *s = conform_stream(t, 0);
    CHECK_STATUS(t, rlx_stream_write(NULL, x, host, 0), INVALID);
    CHECK_STATUS(t, rlx_stream_read(NULL, host, x), INVALID);
    CHECK_STATUS(t, rlx_stream_copy(NULL, x, x), INVALID);
    CHECK_STATUS(t, rlx_stream_fill(NULL, x, 0, 4), INVALID);
    CHECK_STATUS(t, rlx_stream_write_rows(NULL, x, host, &rows), INVALID);
    CHECK_STATUS(t, rlx_stream_write_rows(s, x, NULL, &rows), INVALID);
    CHECK_STATUS(t, rlx_stream_write_rows(s, x, host, NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_read_rows(NULL, host, x, &rows), INVALID);
    CHECK_STATUS(t, rlx_stream_read_rows(s, NULL, x, &rows), INVALID);
    CHECK_STATUS(t, rlx_stream_read_rows(s, host, x, NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_copy_rows(NULL, x, x, &rows), INVALID);
    CHECK_STATUS(t, rlx_stream_fill_rows(NULL, x, 0, 4, &rows), INVALID);
    CHECK_STATUS(t, rlx_stream_fill_rows(s, x, 0, 4, NULL), INVALID);
    CHECK_STATUS(
        t,
        rlx_stream_dispatch(NULL, conform_kernel_of(t, t->device, CONFORM_AFFINE), &(rlx_dispatch){ .groups = { 1 } }),
        INVALID);
    CHECK_STATUS(t, rlx_stream_run(NULL, NULL, NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_timestamp(NULL, &ns), INVALID);
    CHECK_STATUS(t, rlx_stream_depend(NULL, (rlx_point){ 0, 0 }), INVALID);
    CHECK_STATUS(t, rlx_stream_write_slot(NULL, x, 0), INVALID);
    CHECK_STATUS(t, rlx_stream_read_slot(NULL, 0, x), INVALID);
    CHECK_STATUS(t, rlx_stream_condition(NULL, rlx_slot(0)), INVALID);
    CHECK_STATUS(t, rlx_stream_submit(NULL, NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_wait(NULL, 0), INVALID);
    CHECK_STATUS(t, rlx_stream_submit_and_wait(NULL, 0), INVALID);
    CHECK_STATUS(t, rlx_stream_failure(NULL, &failure), INVALID);
    CHECK_STATUS(t, rlx_stream_failure(s, NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_recover(NULL), INVALID);
    CHECK_STATUS(t, rlx_stream_cancel(NULL), INVALID);
    CHECK_STATUS(t, rlx_transfer(NULL, x, NULL, x, NULL), INVALID);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
}

static void check_null_in_points(conform_test *t) {
    rlx_stream *s = conform_stream(t, RLX_STREAM_TIMESTAMPS);
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, &point));
    CHECK_DONE(t, point);
    CHECK_STATUS(t, rlx_points_wait(NULL, 1, RLX_WAIT_ALL, 0, NULL), INVALID);
    CHECK_STATUS(t, rlx_points_wait(NULL, 0, RLX_WAIT_ANY, 0, NULL), INVALID);
    CHECK_STATUS(t, rlx_points_wait(&point, 0, RLX_WAIT_ANY, 0, NULL), INVALID);
    CHECK_STATUS(t, rlx_points_wait(&point, 1, (rlx_wait_mode)7, 0, NULL), INVALID);
    CHECK_OK(t, rlx_points_wait(NULL, 0, RLX_WAIT_ALL, 0, NULL));
    CHECK_STATUS(t, rlx_point_notify(point, NULL, NULL), INVALID);
    CHECK_STATUS(t, rlx_point_timestamp(point, NULL), INVALID);
}

static void null_is_a_status(conform_test *t) {
    check_null_in_devices(t);
    check_null_in_objects(t);
    check_null_in_streams(t);
    check_null_in_points(t);
}

/* What has no status to return does nothing. */
static void null_may_be_released(conform_test *t) {
    rlx_device_retain(NULL), rlx_device_release(NULL);
    rlx_buffer_retain(NULL), rlx_buffer_release(NULL);
    rlx_kernel_retain(NULL), rlx_kernel_release(NULL);
    rlx_program_retain(NULL), rlx_program_release(NULL);
    rlx_stream_release(NULL);
    rlx_stream_discard(NULL);
    rlx_host_free(t->device, NULL);
    rlx_log_set(NULL, NULL);
}

/* ---- Enums, flags, extensions ---- */

static void unknown_enums_flags_and_extensions_are_refused(conform_test *t) {
    rlx_buffer *buffer;
    rlx_stream *stream, *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_kernel *kernel;
    rlx_device *device;
    rlx_program *program;
    const rlx_param param = { .access = (rlx_access)9 }, odd = { .access = RLX_VALUE, .alignment = 3 };
    int something = 0;
    CHECK_STATUS(t,
                 rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 4, .memory = (rlx_memory_kind)99 }, &buffer),
                 INVALID);
    CHECK_STATUS(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 4, .next = &something }, &buffer),
                 RLX_ERROR_UNSUPPORTED);
    CHECK_STATUS(t, rlx_stream_create(t->device, &(rlx_stream_desc){ .flags = 1u << 31 }, &stream), INVALID);
    CHECK_STATUS(t, rlx_stream_create(t->device, &(rlx_stream_desc){ .next = &something }, &stream),
                 RLX_ERROR_UNSUPPORTED);
    CHECK_STATUS(
        t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .params = &param, .param_count = 1 }, &kernel),
        INVALID);
    CHECK_STATUS(
        t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .params = &odd, .param_count = 1 }, &kernel),
        INVALID);
    CHECK_STATUS(t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .next = &something }, &kernel),
                 RLX_ERROR_UNSUPPORTED);
    CHECK_STATUS(t, rlx_device_open(t->info->name, &(rlx_device_desc){ .next = &something }, &device),
                 RLX_ERROR_UNSUPPORTED);
    CHECK_STATUS(t, rlx_stream_finish(recording, &(rlx_program_desc){ .next = &something }, &program),
                 RLX_ERROR_UNSUPPORTED);
}

static void a_kernel_without_a_code_for_the_device_is_refused(conform_test *t) {
    rlx_kernel *kernel;
    const rlx_code codes[] = { { .format = RLX_CODE_NONE },
                               { .format = 0xABCDEF, .source = "nobody takes this", .size = 17 } };
    CHECK_STATUS(t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k" }, &kernel), RLX_ERROR_UNSUPPORTED);
    CHECK_STATUS(t,
                 rlx_kernel_create(t->device,
                                   &(rlx_kernel_desc){ .name = "my kernel", .codes = codes, .code_count = 2 }, &kernel),
                 RLX_ERROR_UNSUPPORTED);
    CHECK_CONTAINS(t, rlx_last_error(), "my kernel");
    for (uint32_t i = 0; i < t->info->format_count; i++) CHECK_CONTAINS(t, rlx_last_error(), t->info->formats[i].name);
}

static void the_compilers_message_comes_back(conform_test *t) {
    rlx_kernel *kernel;
    const rlx_code bad = { .format = RLX_CODE_C, .source = "void k(void) { this_is_not_declared_anywhere = 1; }" };
    rlx_status status =
        rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .codes = &bad, .code_count = 1 }, &kernel);
    if (status == RLX_ERROR_UNSUPPORTED) conform_skip(t, "needs a C compiler: %s", rlx_last_error());
    CHECK_EQUAL(t, status, RLX_ERROR_COMPILE);
    CHECK_CONTAINS(t, rlx_last_error(), "this_is_not_declared_anywhere");
    const rlx_code empty = { .format = RLX_CODE_C, .source = "" };
    CHECK_ONE_OF(
        t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .codes = &empty, .code_count = 1 }, &kernel),
        CONFORM_ERRORS);
    const rlx_code other = { .format = RLX_CODE_C, .source = "void other(void) {}" };
    CHECK_ONE_OF(
        t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .codes = &other, .code_count = 1 }, &kernel),
        CONFORM_BIT(RLX_ERROR_NOT_FOUND) | CONFORM_BIT(RLX_ERROR_COMPILE));
    const rlx_code good = { .format = RLX_CODE_C, .source = "void k(void) {}" };
    CHECK_OK(t,
             rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "k", .codes = &good, .code_count = 1 }, &kernel));
    rlx_kernel_release(kernel);
}

/* ---- Out of memory ---- */

static void too_much_memory_is_a_status(conform_test *t) {
    const uint32_t refused = CONFORM_BIT(RLX_ERROR_LIMIT) | CONFORM_BIT(RLX_ERROR_OUT_OF_MEMORY);
    rlx_buffer *buffer = NULL, *x = conform_buffer(t, 256);
    void *pointer;
    uint64_t limit = t->info->limits.buffer_size;
    conform_set(t, rlx_whole(x), 0x5A);
    const uint64_t sizes[] = { UINT64_MAX, UINT64_MAX - 3, UINT64_MAX / 2, UINT64_C(1) << 62 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_ONE_OF(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = sizes[i] }, &buffer), refused);
        CHECK(t, rlx_last_error()[0] != '\0', "a message that says so");
        CHECK_ONE_OF(t, rlx_host_alloc(t->device, sizes[i], &pointer), refused);
    }
    if (limit < UINT64_MAX - 1)
        CHECK_STATUS(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = limit + 1 }, &buffer),
                     RLX_ERROR_LIMIT);
    CHECK_EQUAL(t, conform_get_u32(t, x, 63), 0x5A5A5A5A);
}

/* Buffer after buffer, none of it touched, until there is no more: then all of it comes back. They are as large as can
 * be, but so that several have to fit where a device says how much it has. */
static void exhausted_memory_is_a_status(conform_test *t) {
    enum { MOST = 200000 };
    rlx_buffer **buffers = conform_memory(t, MOST * sizeof *buffers), *x = conform_buffer(t, 256), *after;
    rlx_device *device = conform_open_again(t);
    rlx_memory_report before, report;
    conform_set(t, rlx_whole(x), 0x5A);
    CHECK_OK(t, rlx_device_memory(device, &before));
    uint64_t size = t->info->limits.buffer_size, taken = 0;
    if (before.total && before.total < size) size = before.total / 7;
    if (size > UINT64_C(1) << 44) size = UINT64_C(1) << 44;
    uint32_t count = 0;
    rlx_status status = RLX_OK;
    uint64_t end = conform_now_ns() + t->patience / 2;
    while (count < MOST && conform_now_ns() < end) {
        status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &buffers[count]);
        if (status) break;
        taken += size;
        count++;
    }
    CHECK_ONE_OF(t, status, CONFORM_BIT(RLX_ERROR_OUT_OF_MEMORY) | CONFORM_BIT(RLX_ERROR_LIMIT));
    CHECK(t, rlx_last_error()[0] != '\0', "a message that says so");
    CHECK_OK(t, rlx_device_memory(device, &report));
    CHECK(t, report.used >= before.used + taken, "the refused buffer alone is not there");
    CHECK_ONE_OF(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &after), CONFORM_ERRORS);
    for (uint32_t i = 0; i < count; i++) rlx_buffer_release(buffers[i]);
    CHECK_OK(t, rlx_device_memory(device, &report));
    CHECK_OK(t, rlx_device_memory(device, &report));
    CHECK_EQUAL(t, report.used, before.used);
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 4096 }, &after));
    conform_set(t, rlx_whole(after), 0x77);
    CHECK_EQUAL(t, conform_get_u32(t, after, 1023), 0x77777777);
    rlx_buffer_release(after);
    CHECK_EQUAL(t, conform_get_u32(t, x, 0), 0x5A5A5A5A);
}

/* ---- Messages ---- */

static void look_at_own_error(conform_test *t, void *user) {
    (void)user;
    rlx_buffer *buffer;
    CHECK(t, rlx_last_error()[0] == '\0', "a thread that made no error has no message; got: %s", rlx_last_error());
    CHECK_STATUS(t, rlx_buffer_create(t->device, NULL, &buffer), INVALID);
    CHECK(t, rlx_last_error()[0] != '\0', "a thread that made an error has its message");
}

static void the_last_error_is_the_threads_own(conform_test *t) {
    rlx_device *device;
    char before[1024];
    CHECK_STATUS(t, rlx_device_open("no such device", NULL, &device), RLX_ERROR_NOT_FOUND);
    snprintf(before, sizeof before, "%s", rlx_last_error());
    conform_thread_join(t, conform_thread_start(t, look_at_own_error, NULL));
    CHECK(t, strcmp(before, rlx_last_error()) == 0, "the message of this thread, '%s'; got '%s'", before,
          rlx_last_error());
}

static void the_last_error_stays_until_the_next(conform_test *t) {
    rlx_device *device;
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 256);
    char before[1024];
    CHECK_STATUS(t, rlx_device_open("no such device", NULL, &device), RLX_ERROR_NOT_FOUND);
    snprintf(before, sizeof before, "%s", rlx_last_error());
    CHECK_CONTAINS(t, before, "no such device");
    CHECK_CONTAINS(t, before, t->info->name); /* what there is */
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK(t, strcmp(before, rlx_last_error()) == 0, "the message of the last call that failed, '%s'; got '%s'", before,
          rlx_last_error());
    CHECK_STATUS(t, rlx_stream_fill(s, rlx_part(x, 300, 4), 1, 4), RLX_ERROR_RANGE);
    CHECK(t, strcmp(before, rlx_last_error()) != 0, "the message of the new error");
    CHECK_CONTAINS(t, rlx_last_error(), "300"); /* what was asked for, and what there is */
    CHECK_CONTAINS(t, rlx_last_error(), "256");
}

static void a_failures_message_says_where_it_happened(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    conform_fail(t, s, RLX_ERROR_IO);
    rlx_status ignored = rlx_stream_submit(s, &point);
    (void)ignored;
    CHECK_STATUS(t, rlx_point_wait(point, t->patience), RLX_ERROR_IO);
    char batch[32];
    snprintf(batch, sizeof batch, "%" PRIu64, point.value);
    CHECK_CONTAINS(t, rlx_last_error(), t->info->name);
    CHECK_CONTAINS(t, rlx_last_error(), batch);
    CHECK(t,
          strstr(rlx_last_error(), conform_status_name(RLX_ERROR_IO)) ||
              strstr(rlx_last_error(), rlx_status_text(RLX_ERROR_IO)),
          "what went wrong, by its status' name or text; got: %s", rlx_last_error());
    CHECK_CONTAINS(t, rlx_last_error(), "recover"); /* what to do */
}

static void every_status_has_a_text(conform_test *t) {
    static const rlx_status all[] = {
#define STATUS(name, number, text) name,
        RLX_STATUS_TABLE(STATUS)
#undef STATUS
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *text = rlx_status_text(all[i]);
        CHECK(t, text && text[0], "a text for %s", conform_status_name(all[i]));
        for (size_t k = 0; k < i; k++) CHECK(t, strcmp(text, rlx_status_text(all[k])) != 0, "texts that differ");
    }
    CHECK(t, rlx_status_text((rlx_status)1000) && rlx_status_text((rlx_status)-1), "a text for what is no status");
    CHECK_EQUAL(t, rlx_version(), (uint32_t)(RLX_VERSION_MAJOR << 16 | RLX_VERSION_MINOR << 8 | RLX_VERSION_PATCH));
}

/* ---- Nothing printed, no signals ---- */

static void nothing_is_printed(conform_test *t) {
    char text[400];
    conform_capture_begin(t);
    const conform_refusals *r = conform_refusals_make(t);
    rlx_stream *s = conform_stream(t, 0);
    for (uint32_t i = 0; i < conform_refusal_count(); i++) conform_refusal_check(t, r, i, s);
    conform_affine(t, s, rlx_whole(r->x), 1, 1, 1);
    conform_fail(t, s, RLX_ERROR_KERNEL);
    rlx_status ignored = rlx_stream_submit_and_wait(s, t->patience);
    ignored = rlx_stream_submit_and_wait(s, t->patience);
    ignored = rlx_stream_recover(s);
    rlx_device *device;
    ignored = rlx_device_open("no such device", NULL, &device);
    (void)ignored;
    uint64_t bytes = conform_capture_end(t, text, sizeof text);
    CHECK(t, bytes == 0, "nothing on stdout and stderr; got %" PRIu64 " bytes: %s", bytes, text);
}

static void count_line(void *user, rlx_log_level level, const char *text) {
    atomic_uint *lines = user;
    if (text && level <= RLX_LOG_ERROR && !strchr(text, '\n')) atomic_fetch_add(lines, 1);
    else atomic_fetch_add(lines, 1u << 16);
}

/* Whatever it is told is a line, and it is told nothing once it has been taken away. */
static void the_log_is_called_with_lines(conform_test *t) {
    atomic_uint *lines = conform_counter(t);
    rlx_log_set(count_line, lines);
    rlx_device *device = conform_open_again(t);
    rlx_stream *s = conform_stream_on(t, device, 0, NULL);
    conform_fail(t, s, RLX_ERROR_KERNEL);
    rlx_status ignored = rlx_stream_submit_and_wait(s, t->patience);
    (void)ignored;
    rlx_log_set(NULL, NULL);
    conform_sleep_ms(5);
    unsigned before = atomic_load(lines);
    CHECK(t, before < 1u << 16, "log lines without a newline");
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(lines), before);
}

/* From before the first call of the library until after the last. */
static void signal_handlers_stay_as_they_were(conform_test *t) {
    static const int signals[] = { SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD, SIGHUP, SIGQUIT };
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct sigaction before[SIGNALS], after;
    sigset_t blocked_before, blocked;
    for (size_t i = 0; i < SIGNALS; i++)
        CHECK(t, sigaction(signals[i], NULL, &before[i]) == 0, "the test itself can ask");
    CHECK(t, sigprocmask(SIG_SETMASK, NULL, &blocked_before) == 0, "the test itself can ask");
    rlx_device *device;
    rlx_stream *s;
    CHECK_OK(t, rlx_device_open(conform_device_name(t), NULL, &device));
    CHECK_OK(t, rlx_stream_create(device, NULL, &s));
    conform_fail(t, s, RLX_ERROR_KERNEL);
    CHECK_STATUS(t, rlx_stream_submit_and_wait(s, t->patience), RLX_ERROR_KERNEL);
    CHECK(t, sigprocmask(SIG_SETMASK, NULL, &blocked) == 0, "the test itself can ask");
    for (size_t i = 0; i < SIGNALS; i++) {
        CHECK(t, sigaction(signals[i], NULL, &after) == 0, "the test itself can ask");
        CHECK(t, after.sa_handler == before[i].sa_handler, "the action for signal %d is as it was", signals[i]);
        CHECK(t, sigismember(&blocked, signals[i]) == sigismember(&blocked_before, signals[i]),
              "signal %d is blocked as it was", signals[i]);
    }
    rlx_stream_release(s);
    rlx_device_release(device);
}

/* A signal that arrives while the library waits interrupts nothing. */
static void on_signal(int number) { (void)number; }

static void signals_interrupt_no_wait(conform_test *t) {
    struct sigaction action = { .sa_handler = on_signal }, before;
    CHECK(t, sigaction(SIGUSR1, &action, &before) == 0, "a handler for the test itself");
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    for (int i = 0; i < 20; i++) {
        raise(SIGUSR1);
        CHECK_STATUS(t, rlx_stream_wait(s, RLX_MILLISECOND), RLX_TIMEOUT);
    }
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK(t, sigaction(SIGUSR1, &before, NULL) == 0, "the test itself can put it back");
}

const conform_case conform_rule10[] = {
    { 10, "NULL is a status, in each place where it isn't allowed", null_is_a_status },
    { 10, "NULL may be released", null_may_be_released },
    { 10, "unknown enums, flags and extensions are refused", unknown_enums_flags_and_extensions_are_refused },
    { 10, "a kernel without a code for the device is refused, naming the formats",
      a_kernel_without_a_code_for_the_device_is_refused },
    { 10, "the compiler's message comes back", the_compilers_message_comes_back, NEEDS_C_CODE },
    { 10, "too much memory is a status", too_much_memory_is_a_status },
    { 10, "exhausted memory is a status that leaves everything as it was", exhausted_memory_is_a_status },
    { 10, "the last error is the thread's own", the_last_error_is_the_threads_own, NEEDS_THREADS },
    { 10, "the last error stays until the next, and says what was asked for", the_last_error_stays_until_the_next },
    { 10, "a failure's message says where it happened and what to do", a_failures_message_says_where_it_happened },
    { 10, "every status has a text", every_status_has_a_text },
    { 10, "nothing is printed", nothing_is_printed },
    { 10, "the log function is called with lines, while it is set", the_log_is_called_with_lines },
    { 10, "signal handlers and masks stay as they were", signal_handlers_stay_as_they_were, NEEDS_A_FRESH_PROCESS },
    { 10, "signals interrupt no wait", signals_interrupt_no_wait, NEEDS_GATE },
    { 0 },
};
