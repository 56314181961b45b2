/* Running another program: what it says and how it ends, whatever it and the process around us do. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/file.h"
#include "platform/platform.h"
#include "platform/process.h"
#include "tap.h"

#define SECOND UINT64_C(1000000000)

static char said[65536];

/* A script is the easiest program to write; that there is a shell is the test's business, not the library's. */
static rlx_process_result run_with(const char *script, uint64_t timeout_ns, size_t size) {
    const char *arguments[] = { "/bin/sh", "-c", script, NULL };
    return rlx_process_run(arguments, timeout_ns, said, size);
}

static rlx_process_result run(const char *script) { return run_with(script, 60 * SECOND, sizeof said); }

static void the_exit_status_and_what_was_said_come_back(void) {
    rlx_process_result result = run("echo out; echo err >&2; exit 7");
    CHECK_INT(result.end, RLX_PROCESS_EXITED);
    CHECK_INT(result.code, 7);
    CHECK_STRING(said, "out\nerr\n");
    CHECK_UINT(result.length, 8);
    CHECK(!result.cut);
}

static void a_program_that_is_not_there_was_not_started(void) {
    const char *arguments[] = { "/no/such/program", NULL };
    rlx_process_result result = rlx_process_run(arguments, SECOND, said, sizeof said);
    CHECK_INT(result.end, RLX_PROCESS_FAILED);
    CHECK_INT(result.code, ENOENT);
    CHECK_STRING(said, "");
}

static void what_is_too_long_is_cut_and_read_to_its_end(void) {
    rlx_process_result result =
        run_with("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; exit 3", 60 * SECOND, 100);
    CHECK_INT(result.code, 3);
    CHECK_UINT(result.length, 99);
    CHECK_UINT(strlen(said), 99);
    CHECK(result.cut);
}

static void a_signal_that_ends_it_is_told(void) {
    rlx_process_result result = run("echo before; kill -9 $$");
    CHECK_INT(result.end, RLX_PROCESS_SIGNALLED);
    CHECK_INT(result.code, SIGKILL);
    CHECK_STRING(said, "before\n");
}

/* The program and what it has started: nothing of it is there to say "late". */
static void a_program_that_takes_too_long_is_ended_with_all_that_it_started(void) {
    char folder[256], late[300], script[700];
    CHECK(rlx_folder_temporary(rlx_temporary_folder(), "rlx-test-", folder, sizeof folder));
    snprintf(late, sizeof late, "%s/late", folder);
    snprintf(script, sizeof script, "(sleep 1; echo late > %s) & echo begun; sleep 100", late);
    uint64_t begun = rlx_platform_clock_ns();
    rlx_process_result result = run_with(script, SECOND / 2, sizeof said);
    CHECK_INT(result.end, RLX_PROCESS_TIMED_OUT);
    CHECK_STRING(said, "begun\n");
    CHECK(rlx_platform_clock_ns() - begun < 50 * SECOND);
    struct timespec pause = { 1, 300000000 };
    nanosleep(&pause, NULL);
    uint64_t size, modified_ns;
    CHECK(!rlx_file_look(late, &size, &modified_ns));
    rlx_folder_remove(folder);
}

/* As a compiler cache's daemon does: it inherits what the compiler said it with. */
static void a_daemon_that_is_left_behind_keeps_nobody_waiting(void) {
    uint64_t begun = rlx_platform_clock_ns();
    rlx_process_result result = run("sleep 20 & echo done");
    CHECK_INT(result.end, RLX_PROCESS_EXITED);
    CHECK_INT(result.code, 0);
    CHECK_STRING(said, "done\n");
    CHECK(rlx_platform_clock_ns() - begun < 10 * SECOND);
}

static void standard_input_is_empty(void) {
    CHECK_INT(run("cat; echo end").code, 0);
    CHECK_STRING(said, "end\n");
}

/* A descriptor without close-on-exec, as a careless program around us has, and signals that it ignores or blocks. */
static void nothing_of_this_process_is_inherited(void) {
    int descriptor = open("/dev/null", O_RDONLY);
    int high = fcntl(descriptor, F_DUPFD, 50);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    sigset_t blocked, mask;
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    (void)run("[ -e /proc/self/fd/50 ] && echo inherited; grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\n\\t'");
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    signal(SIGPIPE, before);
    close(descriptor);
    close(high);
    if (strstr(said, "No such file")) {
        tap_skip("no /proc here");
        return;
    }
    unsigned long long blocked_there = 1, ignored_there = 1;
    CHECK_INT(sscanf(said, "SigBlk:%llxSigIgn:%llx", &blocked_there, &ignored_there), 2);
    CHECK_UINT(blocked_there, 0);
    CHECK_UINT(ignored_there & 0x7fffffff, 0); /* the libc keeps two signals above these for itself */
}

static void messages_are_asked_for_in_english(void) {
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    setenv("LANGUAGE", "de", 1);
    setenv("RLX_TEST_VARIABLE", "kept", 1);
    (void)run("echo $LC_ALL,$LANGUAGE,$RLX_TEST_VARIABLE");
    unsetenv("LC_ALL");
    unsetenv("LANGUAGE");
    unsetenv("RLX_TEST_VARIABLE");
    CHECK_STRING(said, "C,,kept\n");
}

static void a_child_that_somebody_else_collects_has_an_unknown_end(void) {
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    rlx_process_result result = run("echo out; exit 3");
    signal(SIGCHLD, before);
    CHECK_INT(result.end, RLX_PROCESS_UNKNOWN);
    CHECK_STRING(said, "out\n");
}

static void *run_many(void *user) {
    (void)user;
    for (int i = 0; i < 10; i++) {
        char own[64], script[64], expected[64];
        snprintf(script, sizeof script, "echo %d; exit %d", i, i);
        snprintf(expected, sizeof expected, "%d\n", i);
        const char *arguments[] = { "/bin/sh", "-c", script, NULL };
        CHECK_INT(rlx_process_run(arguments, 60 * SECOND, own, sizeof own).code, i);
        CHECK_STRING(own, expected);
    }
    return NULL;
}

static void threads_run_programs_at_once(void) {
    rlx_thread threads[4];
    for (int i = 0; i < 4; i++) CHECK(rlx_thread_start(&threads[i], "test", run_many, NULL));
    for (int i = 0; i < 4; i++) rlx_thread_join(threads[i]);
}

static void a_program_is_found_along_path(void) {
    char *before = strdup(getenv("PATH")), path[256];
    CHECK(rlx_process_find("sh", path, sizeof path));
    CHECK_HOLDS(path, "/sh");
    CHECK(rlx_process_find("/bin/sh", path, sizeof path));
    CHECK_STRING(path, "/bin/sh");
    setenv("PATH", "/no/such/folder::/bin", 1);
    CHECK(rlx_process_find("sh", path, sizeof path));
    CHECK_STRING(path, "/bin/sh");
    CHECK(!rlx_process_find("no-such-program", path, sizeof path));
    CHECK(!rlx_process_find("/no/such/program", path, sizeof path));
    CHECK(!rlx_process_find("sh", path, 4)); /* no room */
    setenv("PATH", "", 1);
    CHECK(rlx_process_find("sh", path, sizeof path)); /* along the system's own */
    setenv("PATH", before, 1);
    free(before);
}

static const tap_test tests[] = {
    TAP(the_exit_status_and_what_was_said_come_back),
    TAP(a_program_that_is_not_there_was_not_started),
    TAP(what_is_too_long_is_cut_and_read_to_its_end),
    TAP(a_signal_that_ends_it_is_told),
    TAP(a_program_that_takes_too_long_is_ended_with_all_that_it_started),
    TAP(a_daemon_that_is_left_behind_keeps_nobody_waiting),
    TAP(standard_input_is_empty),
    TAP(nothing_of_this_process_is_inherited),
    TAP(messages_are_asked_for_in_english),
    TAP(a_child_that_somebody_else_collects_has_an_unknown_end),
    TAP(threads_run_programs_at_once),
    TAP(a_program_is_found_along_path),
};

TAP_MAIN(tests)
