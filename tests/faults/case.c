/* Runs a test of the conformance suite under a fault.
 *
 *     the plan is set -> the device is opened -> the test -> the plan is lifted
 *       -> work on the same device -> everything is released -> work on a fresh one -> what is left is counted
 *
 * The test may fail, as it has not asked for a fault: but only by a status that is an error, with a message. Bytes that
 * are wrong, or a wait for something that never comes, are what a fault must not do; so are a crash, a hang, memory,
 * threads, descriptors and files left behind, and a device that no longer works. */
#define _XOPEN_SOURCE 700 /* nftw */

#include "case.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define SETTLE_MS 3000 /* threads that have been told to end take a moment */

/* ---- In the case's process ---- */

static conform_process process;

static void wrong(fault_outcome *o, const char *format, ...) CONFORM_PRINTF(2, 3);
static void wrong(fault_outcome *o, const char *format, ...) {
    size_t used = strlen(o->wrong);
    int length = snprintf(o->wrong + used, sizeof o->wrong - used, "# %s: ", o->stage);
    va_list arguments;
    va_start(arguments, format);
    if (length > 0) used += (size_t)length;
    if (used < sizeof o->wrong) vsnprintf(o->wrong + used, sizeof o->wrong - used, format, arguments);
    va_end(arguments);
    used = strlen(o->wrong);
    if (used && used + 1 < sizeof o->wrong && o->wrong[used - 1] != '\n') memcpy(o->wrong + used, "\n", 2);
}

static uint32_t entries_of(const char *path) {
    uint32_t count = 0;
    DIR *folder = opendir(path);
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

static uint32_t threads(void) { return entries_of("/proc/self/task"); }
static uint32_t descriptors(void) { return entries_of("/proc/self/fd"); }

/* A failed test is forgiven if a call returned an error that it did not expect, and told why; or if it had been told
 * before, or could have asked, and took no notice. But bytes are never to be wrong. */
static bool forgiven(rlx_device *device, const char *text) {
    rlx_health health = { .status = RLX_OK };
    bool told = objects_told();
    if (device && !rlx_device_health(device, &health))
        told |= health.first.status == RLX_ERROR_OUT_OF_MEMORY && health.first.message[0];
    if (told && !strstr(text, "# first difference: ")) return true;
    static const char no_memory[] = "got RLX_ERROR_OUT_OF_MEMORY: "; /* as tests of many refusals put it */
    const char *refused = strstr(text, no_memory);
    if (refused && refused[sizeof no_memory - 1] > ' ') return true;
    const char *got = strstr(text, "# got: RLX_ERROR_"), *message = strstr(text, "\n# message: ");
    return got && message && message[strlen("\n# message: ")] > ' ';
}

/* Tests that fail under a fault for reasons of their own. */
static bool exempt(const conform_case *test) {
    static const char *const sentences[] = {
        "auto opens a device, and so does NULL",                         /* auto goes on to the next device */
        "a child of a process that has not used the library is free to", /* which fails without saying why */
    };
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (strcmp(test->sentence, sentences[i]) == 0) return true;
    return false;
}

static void run_test(conform_process *p, const conform_case *test, fault_outcome *o) {
    conform_test t = { .process = p, .random = p->options->seed, .patience = p->options->timeout_s * RLX_SECOND / 4 };
    for (const char *c = test->sentence; *c; c++) t.random = t.random * 31 + (unsigned char)*c;
    if (!(test->needs & NEEDS_A_FRESH_PROCESS)) {
        o->stage = "opening the device";
        rlx_status status = conform_open_device(p->options, &p->device);
        if (status) {
            if (!rlx_last_error()[0]) wrong(o, "status %d without a message", (int)status);
            p->device = NULL;
            return;
        }
        t.device = p->device;
        t.info = rlx_device_info(t.device);
        o->bound = t.info->thread_bound;
    }
    o->stage = "the test";
    /* As the runner has it: a caller drives what is bound to its thread. */
    t.caller_driven = t.info && (t.info->progress == RLX_PROGRESS_CALLER || t.info->thread_bound);
    if (setjmp(p->start) == 0) {
        test->function(&t);
        conform_clean_up(&t);
    }
    o->passed = !p->failed;
    if (p->failed && !exempt(test) && !forgiven(p->device, p->text)) wrong(o, "\n%s", p->text);
}

static void use_again(conform_process *p, const fault_outcome *honest, fault_outcome *o) {
    char text[1500];
    rlx_health health = { .status = RLX_OK };
    o->stage = "the same device afterwards";
    if (p->device) {
        if (rlx_device_health(p->device, &health)) wrong(o, "no health: %s", rlx_last_error());
        o->lost = health.status != RLX_OK;
        if (o->lost && honest && !honest->lost) wrong(o, "it is lost: %s", health.first.message);
        if (!o->lost && !work_on(p->device, text, sizeof text)) wrong(o, "%s", text);
    }
    conform_close_device(p);
    (void)objects_drop();
    o->stage = "a fresh device afterwards";
    rlx_device *fresh = NULL;
    rlx_status status = conform_open_device(p->options, &fresh);
    /* A plugin that cannot be loaded is refused for the life of the process: other devices are not. */
    o->refused = status == RLX_ERROR_NOT_FOUND && o->plan.kind == RLX_FAILPOINT_DLOPEN;
    if (o->refused) status = rlx_device_open("cpu", NULL, &fresh);
    if (status) wrong(o, "cannot be opened: %s", rlx_last_error());
    else if (!work_on(fresh, text, sizeof text)) wrong(o, "%s", text);
    rlx_device_release(fresh);
    if (!forget_failures(text, sizeof text)) wrong(o, "%s", text);
}

static void count_what_is_left(const fault_outcome *honest, fault_outcome *o, uint32_t threads_before,
                               uint32_t descriptors_before) {
    o->stage = "what is left at the end";
    /* The list of what was refused is longer than that of an honest run; and a bound device that a test has left behind
     * on a thread of its own is never closed, as nobody else may. */
    bool comparable = honest && !o->refused && (o->passed || !o->bound);
    int64_t most = comparable ? honest->blocks : INT64_MAX;
    for (int ms = 0; ms < SETTLE_MS && (threads() > threads_before || rlx_failpoint_blocks() > most); ms++)
        conform_sleep_ms(1);
    o->blocks = rlx_failpoint_blocks();
    if (o->blocks > most)
        wrong(o, "%lld blocks of memory, %lld without a fault", (long long)o->blocks, (long long)most);
    if (threads() > threads_before) wrong(o, "%u threads more than before", threads() - threads_before);
    /* A test that was left in the middle may have had some of its own. */
    if (o->passed && descriptors() > descriptors_before)
        wrong(o, "%u descriptors more than before", descriptors() - descriptors_before);
}

static void run_here(const fault_session *session, const conform_case *test, const fault_plan *plan,
                     const fault_outcome *honest, fault_outcome *o) {
    char path[4200];
    snprintf(path, sizeof path, "%s/cache", session->folder);
    setenv("RLX_CACHE_DIR", path, 1);
    snprintf(path, sizeof path, "%s/tmp", session->folder);
    setenv("TMPDIR", path, 1);
    uint32_t threads_before = threads(), descriptors_before = descriptors();
    process.options = &session->options;
    process.step = &o->step;
    pthread_mutex_init(&process.lock, NULL);
    rlx_failpoint_plan(plan->kind, plan->first ? plan->first : UINT64_MAX, plan->on);
    run_test(&process, test, o);
    rlx_failpoint_plan(plan->kind, 0, false);
    for (int i = 0; i < RLX_FAILPOINT_KINDS; i++) o->counts[i] = rlx_failpoint_count((rlx_failpoint_kind)i);
    o->failed = rlx_failpoint_failed();
    use_again(&process, honest, o);
    count_what_is_left(honest, o, threads_before, descriptors_before);
}

/* ---- In the parent ---- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind;
    return at->level > 0 ? remove(path) : 0;
}

static void empty_folder(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* Whether a folder holds something whose name begins so. */
static bool holds(const char *path, const char *prefix) {
    bool found = false;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));)
        found = entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (folder) closedir(folder);
    return found;
}

static void look_at_files(const fault_session *session, fault_outcome *o) {
    char cache[4200], temporary[4200];
    snprintf(cache, sizeof cache, "%s/cache", session->folder);
    snprintf(temporary, sizeof temporary, "%s/tmp", session->folder);
    if (!o->wrong[0] && holds(cache, "tmp-")) wrong(o, "a folder tmp- in the cache");
    if (!o->wrong[0] && holds(temporary, "")) wrong(o, "something in the folder of temporary files");
    empty_folder(cache);
    empty_folder(temporary);
}

void fault_case_run(const fault_session *session, const conform_case *test, const fault_plan *plan,
                    const fault_outcome *honest, fault_outcome *o) {
    memset(o, 0, sizeof *o);
    o->plan = *plan;
    o->stage = "the beginning";
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        alarm(session->limit_s);
        run_here(session, test, plan, honest, o);
        _exit(0);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (pid > 0) kill(-pid, SIGKILL); /* what it has started */
    if (pid < 0) wrong(o, "no process could be started");
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        wrong(o, "no end after %u s; last check: %s:%d: %s", session->limit_s, o->step.file, o->step.line,
              o->step.text);
    else if (WIFSIGNALED(status))
        wrong(o, "signal %d (%s); last check: %s:%d: %s", WTERMSIG(status), strsignal(WTERMSIG(status)), o->step.file,
              o->step.line, o->step.text);
    else if (WEXITSTATUS(status) != 0)
        wrong(o, "exit status %d; last check: %s:%d: %s", WEXITSTATUS(status), o->step.file, o->step.line,
              o->step.text);
    look_at_files(session, o);
}
