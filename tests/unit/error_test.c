/* Statuses, messages, log lines, memory and the fork guard. The tests of the guard run in children, so that this
 * process itself never uses the library: a child of it starts fresh. */
#include "tap.h"

#include "core/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Statuses and messages ---- */

static void every_status_has_a_text_of_its_own(void) {
    static const rlx_status all[] = {
#define STATUS_VALUE(name, number, text) name,
        RLX_STATUS_TABLE(STATUS_VALUE)
#undef STATUS_VALUE
    };
    enum { COUNT = sizeof all / sizeof *all };
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(all[i], i);
        CHECK(rlx_status_text(all[i])[0] != '\0');
        for (int j = 0; j < i; j++) CHECK(strcmp(rlx_status_text(all[i]), rlx_status_text(all[j])) != 0);
    }
    CHECK_STRING(rlx_status_text((rlx_status)COUNT), "not a status of this library");
    CHECK_STRING(rlx_status_text((rlx_status)-1), "not a status of this library");
}

static void a_failure_returns_its_status_and_keeps_its_message(void) {
    CHECK_INT(rlx_fail(RLX_ERROR_RANGE, "dst ends at %d", 17), RLX_ERROR_RANGE);
    CHECK_STRING(rlx_last_error(), "dst ends at 17");
    CHECK_INT(rlx_fail_memory("a stream"), RLX_ERROR_OUT_OF_MEMORY);
    CHECK_HOLDS(rlx_last_error(), "a stream");
}

static void what_a_backend_says_is_kept_aside(void) {
    (void)rlx_fail(RLX_ERROR_RANGE, "mine");
    rlx_error_clear();
    CHECK_STRING(rlx_error_aside(), "");
    CHECK_INT(rlx_host_services.fail(RLX_ERROR_BACKEND, "theirs %d", 7), RLX_ERROR_BACKEND);
    CHECK_STRING(rlx_error_aside(), "theirs 7");
    CHECK_STRING(rlx_last_error(), "mine"); /* until somebody makes an error of it */
    CHECK_INT(rlx_fail_within(RLX_ERROR_BACKEND, "cpu"), RLX_ERROR_BACKEND);
    CHECK_STRING(rlx_last_error(), "cpu: theirs 7");
    CHECK_STRING(rlx_error_aside(), "");
    (void)rlx_fail_within(RLX_ERROR_BACKEND, "buffer");
    CHECK_STRING(rlx_last_error(), "buffer: cpu: theirs 7");
}

static void a_context_is_put_before_the_message(void) {
    (void)rlx_fail(RLX_ERROR_IO, "no space");
    CHECK_INT(rlx_fail_within(RLX_ERROR_IO, "cpu:%d", 3), RLX_ERROR_IO);
    CHECK_STRING(rlx_last_error(), "cpu:3: no space");
    rlx_error_clear();
    (void)rlx_fail_within(RLX_ERROR_IO, "cpu");
    CHECK_STRING(rlx_last_error(), "cpu: a file could not be read or written");
}

static void a_message_may_quote_the_one_before_it(void) {
    (void)rlx_fail(RLX_ERROR_INVALID, "inner");
    (void)rlx_fail(RLX_ERROR_INVALID, "<%s|%s>", rlx_last_error(), rlx_last_error());
    CHECK_STRING(rlx_last_error(), "<inner|inner>");
}

static void a_long_message_is_cut_between_characters(void) {
    for (size_t lead = 0; lead < 4; lead++) {
        char text[2 * RLX_MESSAGE_SIZE];
        memset(text, 'a', lead);
        for (size_t i = lead; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xe2\x82\xac", 4); /* a euro sign */
        (void)rlx_fail(RLX_ERROR_COMPILE, "%s", text);
        size_t length = strlen(rlx_last_error());
        CHECK(length < RLX_MESSAGE_SIZE && length > RLX_MESSAGE_SIZE - 8);
        CHECK_STRING(rlx_last_error() + length - 3, "...");
        CHECK_UINT((length - 3 - lead) % 3, 0);
    }
}

static void *fail_elsewhere(void *unused) {
    (void)unused;
    CHECK_STRING(rlx_last_error(), "");
    (void)rlx_fail(RLX_ERROR_INVALID, "theirs");
    CHECK_STRING(rlx_last_error(), "theirs");
    return NULL;
}

static void each_thread_has_a_message_of_its_own(void) {
    (void)rlx_fail(RLX_ERROR_INVALID, "mine");
    pthread_t thread;
    if (!CHECK(pthread_create(&thread, NULL, fail_elsewhere, NULL) == 0)) return;
    pthread_join(thread, NULL);
    CHECK_STRING(rlx_last_error(), "mine");
}

/* ---- Log lines ---- */

typedef struct line_record {
    char text[256];
    rlx_log_level level;
    int count;
} line_record;

static void record_line(void *user, rlx_log_level level, const char *text) {
    line_record *record = user;
    size_t used = strlen(record->text);
    snprintf(record->text + used, sizeof record->text - used, "%s;", text);
    record->level = level;
    record->count++;
}

static void a_log_line_reaches_the_function_that_is_set(void) {
    line_record record = { .count = 0 };
    rlx_note(RLX_LOG_ERROR, "to nobody");
    rlx_log_set(record_line, &record);
    rlx_note(RLX_LOG_WARNING, "line %d", 1);
    rlx_log_set(NULL, NULL);
    rlx_note(RLX_LOG_ERROR, "to nobody");
    CHECK_STRING(record.text, "line 1;");
    CHECK_INT(record.level, RLX_LOG_WARNING);
}

static void held_lines_come_in_order_once_the_last_hold_ends(void) {
    line_record record = { .count = 0 };
    rlx_log_set(record_line, &record);
    rlx_note_hold();
    rlx_note(RLX_LOG_INFO, "one");
    rlx_note_hold();
    rlx_note(RLX_LOG_INFO, "two");
    rlx_note_flush();
    CHECK_INT(record.count, 0);
    rlx_note_flush();
    CHECK_STRING(record.text, "one;two;");
    rlx_note(RLX_LOG_INFO, "three");
    CHECK_STRING(record.text, "one;two;three;");
    rlx_log_set(NULL, NULL);
}

static void log_once_more(void *user, rlx_log_level level, const char *text) {
    int *calls = user;
    (void)level;
    if (++*calls == 1) rlx_note(RLX_LOG_INFO, "again: %s", text);
}

static void a_line_may_be_logged_from_the_log_function(void) {
    int calls = 0;
    rlx_log_set(log_once_more, &calls);
    rlx_note(RLX_LOG_INFO, "first");
    rlx_log_set(NULL, NULL);
    CHECK_INT(calls, 2);
}

/* ---- Memory ---- */

static void memory_comes_zeroed_and_is_never_null_for_nothing(void) {
    unsigned char *memory = rlx_allocate(64), *nothing = rlx_allocate(0);
    CHECK(memory && nothing);
    for (int i = 0; memory && i < 64; i++) CHECK_INT(memory[i], 0);
    if (memory) memory[63] = 7;
    unsigned char *grown = rlx_reallocate(memory, 4096);
    CHECK(grown && grown[63] == 7);
    rlx_free(grown);
    rlx_free(nothing);
    rlx_free(NULL);
}

static void a_copied_string_is_another_one_and_null_stays_null(void) {
    const char *text = "text";
    char *copy = rlx_copy_string(text);
    CHECK_STRING(copy, text);
    CHECK(copy != text);
    rlx_free(copy);
    CHECK(rlx_copy_string(NULL) == NULL);
}

/* ---- Library ---- */

static void the_version_and_the_clock_are_what_the_header_says(void) {
    CHECK_UINT(rlx_version(), RLX_VERSION_MAJOR << 16 | RLX_VERSION_MINOR << 8 | RLX_VERSION_PATCH);
    uint64_t before = rlx_clock_ns(), after = rlx_clock_ns();
    CHECK(before > 0 && after >= before);
}

static void callbacks_nest_and_are_the_threads_own(void) {
    CHECK(!rlx_in_callback());
    uint32_t outer = rlx_callback_enter(), inner = rlx_callback_enter();
    CHECK(rlx_in_callback());
    rlx_callback_leave(inner);
    CHECK(rlx_in_callback());
    rlx_callback_leave(outer);
    CHECK(!rlx_in_callback());
}

/* Runs `body` in a child and returns how it exited. */
static int in_child(int (*body)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(body());
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int enter_and_say(void) { return (int)rlx_library_enter(); }

static int use_then_fork(void) {
    if (rlx_library_enter() != RLX_OK) return 100;
    int child = in_child(enter_and_say);
    return rlx_library_enter() == RLX_OK && !rlx_forked() ? child : 101; /* the parent goes on as before */
}

static int fork_then_use_then_fork(void) { return in_child(use_then_fork); }

static int list_in_grandchild(void) {
    uint32_t count = 0;
    return (int)rlx_devices_list(NULL, 0, &count);
}

static int use_devices_then_fork(void) {
    uint32_t count = 0;
    if (rlx_devices_list(NULL, 0, &count) != RLX_OK) return 100;
    return in_child(list_in_grandchild);
}

static void a_child_of_a_process_that_used_the_library_is_told(void) {
    CHECK_INT(in_child(use_then_fork), RLX_ERROR_FORKED);
    CHECK_INT(in_child(use_devices_then_fork), RLX_ERROR_FORKED);
}

static void a_child_of_a_process_that_did_not_starts_fresh(void) {
    CHECK_INT(in_child(enter_and_say), RLX_OK);
    CHECK_INT(in_child(fork_then_use_then_fork), RLX_ERROR_FORKED);
}

static void *enter_many_times(void *unused) {
    (void)unused;
    for (int i = 0; i < 1000; i++)
        if (rlx_library_enter() != RLX_OK) return &tap_failures;
    return NULL;
}

static int enter_from_four_threads(void) {
    pthread_t threads[4];
    int failed = 0;
    for (int i = 0; i < 4; i++) failed += pthread_create(&threads[i], NULL, enter_many_times, NULL) != 0;
    if (failed) return 100;
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        failed += result != NULL;
    }
    return failed;
}

static void the_first_use_may_come_from_many_threads_at_once(void) { CHECK_INT(in_child(enter_from_four_threads), 0); }

static const tap_test tests[] = {
    TAP(every_status_has_a_text_of_its_own),
    TAP(a_failure_returns_its_status_and_keeps_its_message),
    TAP(what_a_backend_says_is_kept_aside),
    TAP(a_context_is_put_before_the_message),
    TAP(a_message_may_quote_the_one_before_it),
    TAP(a_long_message_is_cut_between_characters),
    TAP(each_thread_has_a_message_of_its_own),
    TAP(a_log_line_reaches_the_function_that_is_set),
    TAP(held_lines_come_in_order_once_the_last_hold_ends),
    TAP(a_line_may_be_logged_from_the_log_function),
    TAP(memory_comes_zeroed_and_is_never_null_for_nothing),
    TAP(a_copied_string_is_another_one_and_null_stays_null),
    TAP(the_version_and_the_clock_are_what_the_header_says),
    TAP(callbacks_nest_and_are_the_threads_own),
    TAP(a_child_of_a_process_that_used_the_library_is_told),
    TAP(a_child_of_a_process_that_did_not_starts_fresh),
    TAP(the_first_use_may_come_from_many_threads_at_once),
};

TAP_MAIN(tests)
