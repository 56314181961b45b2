/* Runs the tests. The parent makes no call of the library: it forks a child for each rule, which opens the device and
 * runs one test after another, telling the parent of each through a pipe. A test that fails ends its child, as nobody
 * knows what state it left; one that crashes ends it anyway, and one that hangs is ended by the parent. Each time a
 * new child goes on with the next test. So one wrong answer costs one test, and no device can stop the suite. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "report.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is known of the device without having it open: enough to say which tests it is for. */
typedef struct probe {
    rlx_status status; /* of opening it */
    char message[1024];
    char name[128], description[256];
    rlx_progress progress;
    rlx_device_kind kind;
    bool thread_bound, host_code, c_code, has_cpu, has_sync;
    uint32_t can, threads; /* capabilities; of this process, 0: not known */
} probe;

typedef enum record_kind { RECORD_BEGIN = 1, RECORD_END } record_kind;

typedef struct record {
    uint32_t kind, index, result, ms;
    char text[CONFORM_TEXT];
} record;

typedef struct runner {
    const conform_options *options;
    const conform_case *list[CONFORM_MAX];
    uint32_t count;
    probe *probe;       /* shared with children */
    conform_step *step; /* the same */
    conform_report report;
    uint64_t began;
    uint32_t exercised;         /* RLX_CAN_ bits that tests which passed have used */
    char unclean[CONFORM_TEXT]; /* which children ended badly after their tests had passed */
    uint64_t ended_badly;
} runner;

/* ---- What a test needs ---- */

typedef struct need {
    uint32_t bit;
    bool met;
    const char *words;
} need;

static const char *const can_names[] = { "RLX_CAN_HOST_POINTER", "RLX_CAN_GROUP_SIZE", "RLX_CAN_DYNAMIC_SHARED",
                                         "RLX_CAN_WIDE_VALUES",  "RLX_CAN_CANCEL",     "RLX_CAN_DEVICE_CLOCK" };

/* Why a test is not for this device; NULL if it is. */
static const char *unmet(const runner *r, const conform_case *test) {
    const probe *p = r->probe;
    bool caller = p->progress == RLX_PROGRESS_CALLER || p->thread_bound;
    const need needs[] = {
        { NEEDS_PROGRESS, !caller, "RLX_PROGRESS_THREAD: work that ends without a wait" },
        { NEEDS_CALLER, p->progress == RLX_PROGRESS_CALLER, "RLX_PROGRESS_CALLER: work that advances inside waits" },
        { NEEDS_THREADS, !p->thread_bound, "a device that is not thread_bound" },
        { NEEDS_THREAD_BOUND, p->thread_bound, "a device that is thread_bound" },
        { NEEDS_GATE, p->has_cpu || !caller, "a device `cpu` beside this one, to hold work back" },
        { NEEDS_HOST_CODE, p->host_code, "the kernel format RLX_CODE_HOST" },
        { NEEDS_C_CODE, p->c_code, "the kernel format RLX_CODE_C" },
        { NEEDS_CPU, p->has_cpu && strcmp(p->name, "cpu") != 0, "a device `cpu` beside this one" },
        { NEEDS_SYNC, p->has_sync && strcmp(p->name, "sync") != 0, "a device `sync` beside this one" },
        { NEEDS_A_FRESH_PROCESS, !r->options->no_fork, "a process of its own (no --no-fork)" },
        { NEEDS_TASKS, p->threads > 0, "/proc/self/task" },
        { NEEDS_CPU_KIND, p->kind == RLX_DEVICE_CPU, "a device of kind RLX_DEVICE_CPU" },
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if ((test->needs & needs[i].bit) && !needs[i].met) return needs[i].words;
    for (uint32_t i = 0; i < sizeof can_names / sizeof *can_names; i++) {
        uint32_t bit = 1u << i;
        if (!(test->can & bit)) continue;
        if (test->needs & LACKS_CAPABILITY ? (p->can & bit) != 0 : !(p->can & bit)) return can_names[i];
    }
    return NULL;
}

static void fill_probe(const conform_options *options, probe *p) {
    rlx_device *device = NULL;
    p->status = conform_open_device(options, &device);
    if (p->status) {
        snprintf(p->message, sizeof p->message, "%s", rlx_last_error());
        return;
    }
    const rlx_device_properties *info = rlx_device_info(device);
    snprintf(p->name, sizeof p->name, "%s", info->name);
    snprintf(p->description, sizeof p->description, "%s", info->description);
    p->progress = info->progress;
    p->kind = info->kind;
    p->thread_bound = info->thread_bound;
    p->can = info->can;
    for (uint32_t i = 0; i < info->format_count; i++) {
        p->host_code |= info->formats[i].format == RLX_CODE_HOST;
        p->c_code |= info->formats[i].format == RLX_CODE_C;
    }
    const rlx_device_properties *list[256];
    uint32_t count = 0;
    if (rlx_devices_list(list, 256, &count) == RLX_OK) {
        for (uint32_t i = 0; i < count && i < 256; i++) {
            p->has_cpu |= strcmp(list[i]->name, "cpu") == 0;
            p->has_sync |= strcmp(list[i]->name, "sync") == 0;
        }
    }
    p->threads = conform_thread_count();
    rlx_device_release(device);
}

/* ---- One test, in the process that runs it ---- */

/* On return process->text says why it failed or was skipped. */
static conform_result run_test(conform_process *process, const probe *p, const conform_case *test) {
    process->failed = process->skipped = false;
    process->text[0] = '\0';
    *process->step = (conform_step){ .line = 0 };
    conform_test t = { .process = process,
                       .caller_driven = p->progress == RLX_PROGRESS_CALLER || p->thread_bound,
                       .patience = process->options->timeout_s * RLX_SECOND / 4,
                       .random = process->options->seed };
    for (const char *c = test->sentence; *c; c++) t.random = t.random * 31 + (unsigned char)*c;
    if (!(test->needs & NEEDS_A_FRESH_PROCESS)) {
        if (!process->device) {
            rlx_status status = conform_open_device(process->options, &process->device);
            if (status) {
                snprintf(process->text, sizeof process->text, "# the device can't be opened: %s\n", rlx_last_error());
                return CONFORM_FAILED;
            }
        }
        t.device = process->device;
        t.info = rlx_device_info(t.device);
    }
    if (setjmp(process->start) == 0) {
        test->function(&t);
        conform_clean_up(&t);
    }
    return process->failed ? CONFORM_FAILED : process->skipped ? CONFORM_SKIPPED : CONFORM_PASSED;
}

/* ---- The child ---- */

typedef struct child {
    conform_process process; /* first: what conform_process->report gets leads back to all of it */
    int pipe;
    uint32_t index;
    uint64_t began;
} child;

/* One write of less than PIPE_BUF bytes: whole, whatever thread it comes from. */
static void send_record(const child *c, record_kind kind, conform_result result) {
    record r = {
        .kind = kind, .index = c->index, .result = result, .ms = (uint32_t)((conform_now_ns() - c->began) / 1000000)
    };
    memcpy(r.text, c->process.text, sizeof r.text);
    while (write(c->pipe, &r, sizeof r) < 0 && errno == EINTR) continue;
}

static void report_failure(conform_process *process) {
    child *c = (child *)process;
    send_record(c, RECORD_END, CONFORM_FAILED);
    _exit(1);
}

/* Runs the tests from `first` to `last` and does not return. */
static void run_child(const runner *r, uint32_t first, uint32_t last, int pipe) {
    static child c;
    c.process.options = r->options;
    c.process.step = r->step;
    c.process.report = report_failure;
    pthread_mutex_init(&c.process.lock, NULL);
    c.pipe = pipe;
    for (c.index = first; c.index <= last; c.index++) {
        c.began = conform_now_ns();
        c.process.text[0] = '\0';
        send_record(&c, RECORD_BEGIN, CONFORM_PASSED);
        alarm(r->options->timeout_s + 10); /* in case the parent is gone */
        conform_result result = run_test(&c.process, r->probe, r->list[c.index]);
        send_record(&c, RECORD_END, result);
        if (result == CONFORM_FAILED) _exit(1);
    }
    conform_close_device(&c.process);
    exit(0); /* not _exit: what watches over leaks does so at exit */
}

/* ---- The parent ---- */

static void note_unclean(runner *r, const conform_case *test, int status) {
    char name[CONFORM_NAME];
    conform_name(test, name, sizeof name);
    size_t used = strlen(r->unclean);
    snprintf(r->unclean + used, sizeof r->unclean - used, "# %s %d, after: %s\n",
             WIFSIGNALED(status) ? "ended by signal" : "exit status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), name);
    r->ended_badly++;
}

static void add_outcome(runner *r, uint32_t index, conform_result result, uint32_t ms, const char *text) {
    if (result == CONFORM_PASSED) r->exercised |= r->list[index]->needs & LACKS_CAPABILITY ? 0 : r->list[index]->can;
    conform_report_add(&r->report, r->list[index], &(conform_outcome){ result, ms, text });
}

/* The report on a test whose process died or hung. */
static void add_death(runner *r, uint32_t index, bool hung, int status, uint32_t ms) {
    char text[CONFORM_TEXT], how[100];
    if (hung) snprintf(how, sizeof how, "no end after %u s (--timeout)", r->options->timeout_s);
    else if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "the process was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else snprintf(how, sizeof how, "the process exited with status %d", WEXITSTATUS(status));
    conform_step last = *r->step;
    snprintf(text, sizeof text, "# expected: the test ends\n# got: %s\n# last check: %s:%d: %s\n", how,
             last.line ? last.file : "none", last.line, last.text);
    add_outcome(r, index, CONFORM_FAILED, ms, text);
}

/* Reads one record; false at the pipe's end, or after `timeout_ms` (then *late is set). */
static bool read_record(int pipe, int timeout_ms, record *got, bool *late) {
    struct pollfd poller = { .fd = pipe, .events = POLLIN };
    int ready;
    while ((ready = poll(&poller, 1, timeout_ms)) < 0 && errno == EINTR) continue;
    *late = ready == 0;
    if (ready <= 0) return false;
    size_t used = 0;
    while (used < sizeof *got) {
        ssize_t part = read(pipe, (char *)got + used, sizeof *got - used);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return false;
        used += (size_t)part;
    }
    return true;
}

/* Runs tests from `first` to `last` in a child, and returns the first that has no result yet. */
static uint32_t run_some(runner *r, uint32_t first, uint32_t last) {
    int ends[2];
    if (pipe(ends) != 0) return first;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_child(r, first, last, ends[1]);
    }
    close(ends[1]);
    uint32_t next = first;
    bool running = false, late = false, failed = pid < 0;
    uint64_t began = conform_now_ns();
    record got;
    while (pid > 0 && read_record(ends[0], (int)r->options->timeout_s * 1000, &got, &late)) {
        running = got.kind == RECORD_BEGIN;
        began = conform_now_ns();
        if (running) continue;
        add_outcome(r, got.index, (conform_result)got.result, got.ms, got.text);
        failed |= got.result == CONFORM_FAILED;
        next = got.index + 1;
    }
    close(ends[0]);
    if (late) kill(pid, SIGKILL);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (running || (next == first && !failed) || pid < 0) {
        add_death(r, next, late, status, (uint32_t)((conform_now_ns() - began) / 1000000));
        return next + 1;
    }
    if (!failed && status != 0) note_unclean(r, r->list[next - 1], status);
    return next;
}

/* A test that was begun, and the next of the same rule; one that wants a fresh process is alone. */
static uint32_t last_of_group(const runner *r, uint32_t first) {
    uint32_t last = first;
    if (r->list[first]->needs & NEEDS_A_FRESH_PROCESS) return last;
    while (last + 1 < r->count && r->list[last + 1]->rule == r->list[first]->rule &&
           !(r->list[last + 1]->needs & NEEDS_A_FRESH_PROCESS) && !unmet(r, r->list[last + 1]))
        last++;
    return last;
}

static void run_forked(runner *r) {
    for (uint32_t i = 0; i < r->count;) {
        const char *missing = unmet(r, r->list[i]);
        if (!missing) {
            i = run_some(r, i, last_of_group(r, i));
            continue;
        }
        char text[200];
        snprintf(text, sizeof text, "%s %s", r->list[i]->needs & LACKS_CAPABILITY ? "needs a device without" : "needs",
                 missing);
        add_outcome(r, i++, CONFORM_SKIPPED, 0, text);
    }
}

/* ---- Without fork ---- */

typedef struct watchdog {
    runner *r;
    _Atomic uint32_t index; /* of the running test */
    _Atomic uint64_t deadline;
} watchdog;

/* A test that hangs in this process can't be ended alone: the suite ends with it. */
static void *watch(void *user) {
    watchdog *w = user;
    while (conform_now_ns() < w->deadline) conform_sleep_ms(100);
    add_death(w->r, w->index, true, 0, w->r->options->timeout_s * 1000);
    if (!w->r->report.json) printf("Bail out! the rest would need another process (--no-fork)\n");
    conform_report_end(&w->r->report, (conform_now_ns() - w->r->began) / 1000000);
    _exit(1);
}

static void run_here(runner *r) {
    static conform_process process;
    static watchdog w;
    process.options = r->options;
    process.step = r->step;
    pthread_mutex_init(&process.lock, NULL);
    w.r = r;
    w.deadline = conform_now_ns() + r->options->timeout_s * RLX_SECOND;
    pthread_t thread;
    if (pthread_create(&thread, NULL, watch, &w) == 0) pthread_detach(thread);
    for (uint32_t i = 0; i < r->count; i++) {
        const char *missing = unmet(r, r->list[i]);
        char text[200];
        if (missing) {
            snprintf(text, sizeof text, "%s %s",
                     r->list[i]->needs & LACKS_CAPABILITY ? "needs a device without" : "needs", missing);
            add_outcome(r, i, CONFORM_SKIPPED, 0, text);
            continue;
        }
        uint64_t began = conform_now_ns();
        w.index = i;
        w.deadline = began + r->options->timeout_s * RLX_SECOND;
        conform_result result = run_test(&process, r->probe, r->list[i]);
        add_outcome(r, i, result, (uint32_t)((conform_now_ns() - began) / 1000000), process.text);
        if (result == CONFORM_FAILED) conform_close_device(&process); /* a fresh one for the next */
    }
    w.deadline = UINT64_MAX;
    conform_close_device(&process);
}

/* ---- The whole ---- */

static const conform_case claims = { .rule = CONFORM_CAPABILITY,
                                     .sentence =
                                         "every capability that is claimed is exercised by a test that passed" };
static const conform_case clean = { .rule = 10,
                                    .sentence = "every process that ran these tests ended by itself, with status 0" };

/* Two results about the run as a whole. */
static void add_ends(runner *r) {
    char text[300] = "";
    uint32_t missing = r->probe->can & ~r->exercised;
    conform_outcome outcome = { missing ? CONFORM_FAILED : CONFORM_PASSED, 0, text };
    if (r->options->filter) {
        outcome.result = CONFORM_SKIPPED;
        snprintf(text, sizeof text, "needs the whole suite (no --filter)");
    } else if (missing) {
        snprintf(text, sizeof text,
                 "# expected: a test for each of the bits 0x%x of rlx_device_properties.can\n# got: none for 0x%x\n",
                 r->probe->can, missing);
    }
    conform_report_add(&r->report, &claims, &outcome);
    outcome = (conform_outcome){ r->ended_badly ? CONFORM_FAILED : CONFORM_PASSED, 0, r->unclean };
    conform_report_add(&r->report, &clean, &outcome);
}

static void *share(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Opens the device once, to learn what it is. */
static bool probe_device(runner *r) {
    r->probe->status = RLX_ERROR_BACKEND;
    snprintf(r->probe->message, sizeof r->probe->message, "the process that opened it died");
    if (r->options->no_fork) {
        fill_probe(r->options, r->probe);
        return r->probe->status == RLX_OK;
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(r->options->timeout_s);
        fill_probe(r->options, r->probe);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    return r->probe->status == RLX_OK;
}

int conform_run(const conform_options *options) {
    static runner r;
    r.options = options;
    r.report.json = options->json;
    r.count = conform_select(options->filter, r.list);
    if (!r.count) {
        fprintf(stderr, "rlx conform: no test's name contains \"%s\" (rlx conform --list)\n", options->filter);
        return 2;
    }
    r.began = conform_now_ns();
    r.probe = share(sizeof *r.probe);
    r.step = share(sizeof *r.step);
    if (!r.probe || !r.step || !probe_device(&r)) {
        if (!options->json) printf("TAP version 13\nBail out! ");
        fflush(stdout);
        fprintf(options->json ? stderr : stdout, "%s can't be opened: %s\n", options->device,
                r.probe ? r.probe->message : "out of memory");
        return 3;
    }
    conform_report_begin(&r.report, r.count + 2);
    if (!options->json)
        printf("# device %s: %s; seed %" PRIu64 "\n", r.probe->name, r.probe->description, options->seed);
    fflush(stdout);
    if (options->no_fork) run_here(&r);
    else run_forked(&r);
    add_ends(&r);
    conform_report_end(&r.report, (conform_now_ns() - r.began) / 1000000);
    return r.report.results[CONFORM_FAILED] ? 1 : 0;
}
