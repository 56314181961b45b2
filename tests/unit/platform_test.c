/* The platform layer: what the library believes about threads, time, containers and its own place on disk. Limits of
 * containers are read from a made-up /proc and /sys in a temporary folder. */
#define _GNU_SOURCE /* sched_setaffinity, mkdtemp, nftw */

#include "platform/platform.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/cgroup.h"
#include "tap.h"

/* ---- Threads ---- */

typedef struct thread_view {
    sigset_t mask;
    uint64_t id;
} thread_view;

static void *look_around(void *user) {
    thread_view *seen = user;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    seen->id = rlx_thread_id();
    return NULL;
}

static void a_thread_of_the_library_takes_no_signals(void) {
    thread_view seen = { .id = 0 };
    rlx_thread thread;
    if (!CHECK(rlx_thread_start(&thread, "looker", look_around, &seen))) return;
    rlx_thread_join(thread);
    static const int blocked[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGALRM, SIGPROF, SIGUSR1, SIGPIPE, SIGWINCH };
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++) CHECK_INT(sigismember(&seen.mask, blocked[i]), 1);
}

static void faults_of_a_thread_still_reach_the_crash_handler(void) {
    thread_view seen = { .id = 0 };
    rlx_thread thread;
    if (!CHECK(rlx_thread_start(&thread, "looker", look_around, &seen))) return;
    rlx_thread_join(thread);
    static const int open[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) CHECK_INT(sigismember(&seen.mask, open[i]), 0);
}

static void starting_a_thread_leaves_the_callers_signal_mask_alone(void) {
    sigset_t usr2, before, after;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &usr2, &before);
    thread_view seen = { .id = 0 };
    rlx_thread thread;
    if (CHECK(rlx_thread_start(&thread, NULL, look_around, &seen))) rlx_thread_join(thread);
    pthread_sigmask(SIG_SETMASK, &before, &after);
    CHECK_INT(sigismember(&after, SIGUSR2), 1);
    CHECK_INT(sigismember(&after, SIGINT), 0);
}

static _Atomic uint32_t released;

static void *stay(void *user) {
    (void)user;
    while (atomic_load(&released) == 0) rlx_park(&released, 0, UINT64_MAX);
    return NULL;
}

static void a_long_thread_name_is_cut_rather_than_refused(void) {
    rlx_thread thread;
    atomic_store(&released, 0);
    if (!CHECK(rlx_thread_start(&thread, "rlx-worker-number-12", stay, NULL))) return;
    char name[32] = "";
    pthread_getname_np(thread, name, sizeof name);
    CHECK_STRING(name, "rlx-worker-numb");
    atomic_store(&released, 1);
    rlx_unpark(&released, 1);
    rlx_thread_join(thread);
}

static void live_threads_have_different_ids_and_none_is_zero(void) {
    thread_view seen = { .id = 0 };
    rlx_thread thread;
    if (!CHECK(rlx_thread_start(&thread, "looker", look_around, &seen))) return;
    rlx_thread_join(thread);
    CHECK(rlx_thread_id() != 0);
    CHECK(seen.id != 0);
    CHECK(seen.id != rlx_thread_id());
    CHECK_UINT(rlx_thread_id(), rlx_thread_id());
}

static bool child_ran;
static void mark_child(void) { child_ran = true; }

static void a_fork_handler_runs_in_the_child_and_only_there(void) {
    if (!CHECK(rlx_on_fork(mark_child))) return;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(child_ran ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    CHECK(!child_ran);
}

static void the_processor_count_follows_the_affinity_mask(void) {
    cpu_set_t before, one;
    if (sched_getaffinity(0, sizeof before, &before) != 0) {
        tap_skip("more processors than this test's mask holds");
        return;
    }
    uint32_t all = rlx_processor_count();
    CHECK(all >= 1);
    CHECK(all <= (uint32_t)CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        tap_skip("this system refuses an affinity mask");
        return;
    }
    CHECK_UINT(rlx_processor_count(), 1);
    sched_setaffinity(0, sizeof before, &before);
}

typedef struct guarded {
    rlx_mutex lock; /* guards: */
    uint64_t count, inside;
    bool crowded;
} guarded;

static void *count_up(void *user) {
    guarded *g = user;
    for (int i = 0; i < 20000; i++) {
        rlx_lock(&g->lock);
        g->inside++;
        g->crowded |= g->inside != 1;
        g->count++;
        if (i % 1000 == 0) rlx_park(&released, 1, rlx_deadline(100000)); /* long enough for the others to sleep */
        g->inside--;
        rlx_unlock(&g->lock);
    }
    return NULL;
}

static void a_lock_lets_in_one_thread_at_a_time_and_wakes_the_next(void) {
    enum { THREADS = 4 };
    guarded g = { .count = 0 };
    rlx_thread threads[THREADS];
    atomic_store(&released, 1);
    for (int i = 0; i < THREADS; i++)
        if (!CHECK(rlx_thread_start(&threads[i], "counter", count_up, &g))) return;
    for (int i = 0; i < THREADS; i++) rlx_thread_join(threads[i]);
    CHECK_UINT(g.count, THREADS * 20000);
    CHECK(!g.crowded);
    CHECK_UINT(atomic_load(&g.lock.word), 0);
}

typedef struct sleeper {
    _Atomic uint32_t ready, woken;
    rlx_placement placement;
    rlx_thread thread;
    int ran_on;        /* as soon as it was awake */
    cpu_set_t allowed; /* at its end */
} sleeper;

static void *sleep_and_look(void *user) {
    sleeper *s = user;
    atomic_store(&s->ready, 1);
    rlx_unpark(&s->ready, 1);
    while (atomic_load(&s->woken) == 0) rlx_park(&s->woken, 0, UINT64_MAX);
    s->ran_on = sched_getcpu();
    rlx_placement_end(&s->placement);
    sched_getaffinity(0, sizeof s->allowed, &s->allowed);
    return NULL;
}

/* Wakes a thread that may run on `allowed`, from the first processor of `before`. */
static bool wake_beside(sleeper *s, size_t first, const cpu_set_t *allowed) {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(first, &here);
    *s = (sleeper){ .ran_on = -1 };
    if (!CHECK(rlx_thread_start(&s->thread, "sleeper", sleep_and_look, s))) return false;
    while (!atomic_load(&s->ready)) rlx_park(&s->ready, 0, UINT64_MAX);
    CHECK_INT(pthread_setaffinity_np(s->thread, sizeof *allowed, allowed), 0);
    CHECK_INT(sched_setaffinity(0, sizeof here, &here), 0);
    rlx_placement_beside(&s->placement, s->thread);
    atomic_store(&s->woken, 1);
    rlx_unpark(&s->woken, 1);
    rlx_thread_join(s->thread);
    return true;
}

static void a_thread_wakes_beside_its_waker_and_may_run_where_it_could_before(void) {
    cpu_set_t before;
    if (sched_getaffinity(0, sizeof before, &before) != 0 || CPU_COUNT(&before) < 2) {
        tap_skip("needs two processors, and at most 1024");
        return;
    }
    size_t first = 0;
    while (!CPU_ISSET(first, &before)) first++;
    for (int i = 0; i < 100; i++) {
        sleeper s;
        if (!wake_beside(&s, first, &before)) break;
        CHECK(s.ran_on >= 0 && (size_t)s.ran_on != first);
        CHECK(CPU_EQUAL(&s.allowed, &before));
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    sleeper s;
    if (wake_beside(&s, first, &one)) { /* it has nowhere else to go */
        CHECK_INT(s.ran_on, (int)first);
        CHECK(CPU_EQUAL(&s.allowed, &one));
    }
    sched_setaffinity(0, sizeof before, &before);
}

/* ---- Containers ---- */

static char root[64];

static void make_root(void) {
    snprintf(root, sizeof root, "/tmp/rlx-platform-XXXXXX");
    if (!mkdtemp(root)) root[0] = 0;
    CHECK(root[0] != 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void remove_root(void) { nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* Writes a file below root, with the folders that lead to it. */
static void put(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0777);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    if (!CHECK(file != NULL)) return;
    fputs(text, file);
    fclose(file);
}

#define CGROUP2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static void no_control_groups_are_no_limits(void) {
    make_root();
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.processors, UINT64_MAX);
    CHECK_UINT(limits.memory_total, UINT64_MAX);
    CHECK_UINT(limits.memory_available, UINT64_MAX);
    remove_root();
}

static void a_quota_is_rounded_up_to_whole_processors(void) {
    make_root();
    put("/proc/self/cgroup", "0::/job\n");
    put("/proc/self/mountinfo", CGROUP2);
    static const struct {
        const char *text;
        uint64_t processors;
    } cases[] = { { "150000 100000\n", 2 },
                  { "100000 100000\n", 1 },
                  { "1000 100000\n", 1 },
                  { "400000 100000\n", 4 },
                  { "max 100000\n", UINT64_MAX } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("/sys/fs/cgroup/job/cpu.max", cases[i].text);
        rlx_cgroup_limits limits;
        rlx_cgroup_read(root, &limits);
        CHECK_UINT(limits.processors, cases[i].processors);
    }
    remove_root();
}

static void the_tightest_group_on_the_way_up_counts(void) {
    make_root();
    put("/proc/self/cgroup", "0::/outer/middle/inner\n");
    put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" CGROUP2);
    put("/sys/fs/cgroup/outer/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/outer/middle/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/outer/middle/inner/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/outer/memory.max", "1000000\n");
    put("/sys/fs/cgroup/outer/memory.current", "700000\n");
    put("/sys/fs/cgroup/outer/middle/inner/memory.max", "800000\n");
    put("/sys/fs/cgroup/outer/middle/inner/memory.current", "100000\n");
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.processors, 2);
    CHECK_UINT(limits.memory_total, 800000);
    CHECK_UINT(limits.memory_available, 300000);
    remove_root();
}

static void memory_that_could_be_dropped_counts_as_available(void) {
    make_root();
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", CGROUP2);
    put("/sys/fs/cgroup/memory.max", "1000\n");
    put("/sys/fs/cgroup/memory.current", "900\n");
    put("/sys/fs/cgroup/memory.stat", "anon 500\nfile 400\ninactive_file_x 9\ninactive_file 300\n");
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.memory_total, 1000);
    CHECK_UINT(limits.memory_available, 400);
    remove_root();
}

static void a_group_over_its_limit_has_nothing_available(void) {
    make_root();
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", CGROUP2);
    put("/sys/fs/cgroup/memory.max", "1000\n");
    put("/sys/fs/cgroup/memory.current", "1200\n");
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.memory_available, 0);
    remove_root();
}

static void a_container_that_sees_its_own_group_as_the_root_is_understood(void) {
    make_root();
    put("/proc/self/cgroup", "0::/docker/abc/job\n");
    put("/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/job/cpu.max", "max 100000\n");
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.processors, 3);
    put("/proc/self/cgroup", "0::/\n"); /* a namespace of its own */
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.processors, 3);
    remove_root();
}

static void version_1_has_a_hierarchy_for_each_controller(void) {
    make_root();
    put("/proc/self/cgroup", "9:memory:/m\n4:cpuset:/wrong\n3:cpu,cpuacct:/c/d\n0::/\n");
    put("/proc/self/mountinfo", "31 30 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw master:2 - cgroup cgroup rw,cpu,cpuacct\n"
                                "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/sys/fs/cgroup/cpu,cpuacct/c/d/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/c/d/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "5000\n");
    put("/sys/fs/cgroup/memory/m/memory.usage_in_bytes", "3000\n");
    put("/sys/fs/cgroup/memory/m/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n");
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.processors, 3);
    CHECK_UINT(limits.memory_total, 5000);
    CHECK_UINT(limits.memory_available, 2500);
    remove_root();
}

static void malformed_control_group_files_are_no_limits(void) {
    make_root();
    put("/proc/self/cgroup", "\n0\n0:\n:::\n0::/job\n");
    put("/proc/self/mountinfo", "\n - \n1 2 - cgroup2\n" CGROUP2);
    put("/sys/fs/cgroup/job/cpu.max", "lots of it\n");
    put("/sys/fs/cgroup/job/memory.max", "\n");
    put("/sys/fs/cgroup/cpu.max", "100000 0\n");
    rlx_cgroup_limits limits;
    rlx_cgroup_read(root, &limits);
    CHECK_UINT(limits.processors, UINT64_MAX);
    CHECK_UINT(limits.memory_total, UINT64_MAX);
    remove_root();
}

/* ---- Clock ---- */

static void the_clock_never_goes_back_and_moves_on(void) {
    uint64_t first = rlx_platform_clock_ns(), last = first;
    for (int i = 0; i < 10000; i++) {
        uint64_t now = rlx_platform_clock_ns();
        CHECK(now >= last);
        last = now;
    }
    CHECK(last > first);
    CHECK(rlx_platform_clock_resolution_ns() >= 1);
    CHECK(rlx_platform_clock_resolution_ns() <= 100 * 1000 * 1000);
}

static void a_deadline_beyond_the_end_of_time_is_for_ever(void) {
    CHECK_UINT(rlx_deadline(UINT64_MAX), UINT64_MAX);
    CHECK_UINT(rlx_deadline(UINT64_MAX - 1), UINT64_MAX);
    uint64_t before = rlx_platform_clock_ns(), deadline = rlx_deadline(1000), after = rlx_platform_clock_ns();
    CHECK(deadline >= before + 1000 && deadline <= after + 1000);
}

/* ---- Libraries ---- */

static void a_library_that_is_not_there_says_so(void) {
    char error[256] = "";
    CHECK(rlx_library_open("/nowhere/librlx_none.so", error, sizeof error) == NULL);
    CHECK_HOLDS(error, "/nowhere/librlx_none.so");
    char small[8];
    CHECK(rlx_library_open("/nowhere/librlx_none.so", small, sizeof small) == NULL);
    CHECK_UINT(strlen(small), sizeof small - 1);
}

static void symbols_are_found_by_name(void) {
    char error[256] = "";
    void *library = rlx_library_open("libc.so.6", error, sizeof error);
    if (!library) {
        tap_skip("no glibc here");
        return;
    }
    CHECK(rlx_library_symbol(library, "strlen") != NULL);
    CHECK(rlx_library_symbol(library, "rlx_no_such_function") == NULL);
    rlx_library_close(library);
}

static void the_folder_of_the_program_is_known_whatever_it_was_started_as(void) {
    char expected[4096], folder[4096], small[4];
    ssize_t length = readlink("/proc/self/exe", expected, sizeof expected - 1);
    if (length < 0) {
        tap_skip("no /proc here");
        return;
    }
    expected[length] = 0;
    *strrchr(expected, '/') = 0;
    CHECK(rlx_library_folder(folder, sizeof folder));
    CHECK_STRING(folder, expected);
    CHECK(!rlx_library_folder(small, sizeof small));
}

/* ---- Environment and memory ---- */

static void an_empty_variable_counts_as_unset(void) {
    setenv("RLX_PLATFORM_TEST", "", 1);
    CHECK(rlx_environment("RLX_PLATFORM_TEST") == NULL);
    setenv("RLX_PLATFORM_TEST", "value", 1);
    CHECK_STRING(rlx_environment("RLX_PLATFORM_TEST"), "value");
    unsetenv("RLX_PLATFORM_TEST");
    CHECK(rlx_environment("RLX_PLATFORM_TEST") == NULL);
}

/* Copies this program to `path` with the set-uid bit of the user nobody. */
static bool make_setuid_copy(const char *path) {
    FILE *from = fopen("/proc/self/exe", "rb"), *to = fopen(path, "wb");
    char block[65536];
    size_t size;
    while (from && to && (size = fread(block, 1, sizeof block, from)) > 0) fwrite(block, 1, size, to);
    if (from) fclose(from);
    return to && fclose(to) == 0 && chown(path, 65534, (gid_t)-1) == 0 && chmod(path, 04755) == 0;
}

/* Run by that copy: exits with 0 if the process is a set-uid one that does not see the variable, 2 if it is none. By
 * _exit, as a leak checker cannot look into a set-uid process. */
static void report_environment(void) {
    if (geteuid() == getuid()) _exit(2);
    _exit(rlx_environment("RLX_PLATFORM_TEST") == NULL ? 0 : 1);
}

static void a_setuid_process_ignores_the_environment(void) {
    if (geteuid() != 0) {
        tap_skip("only root can make a set-uid program of another user");
        return;
    }
    make_root();
    char path[128];
    snprintf(path, sizeof path, "%s/setuid", root);
    chmod(root, 0755);
    if (CHECK(make_setuid_copy(path))) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            setenv("RLX_PLATFORM_TEST", "value", 1);
            execl(path, path, "--report-environment", (char *)NULL);
            _exit(3);
        }
        int status = -1;
        waitpid(child, &status, 0);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (code == 2) tap_skip("the temporary folder does not allow set-uid programs");
        else CHECK_INT(code, 0);
    }
    remove_root();
}

static void memory_figures_are_plausible(void) {
    uint64_t total = rlx_memory_total(), available = rlx_memory_available();
    CHECK(total >= 16 * 1024 * 1024);
    CHECK(available > 0);
    CHECK(available <= total);
}

static const tap_test tests[] = {
    TAP(a_thread_of_the_library_takes_no_signals),
    TAP(faults_of_a_thread_still_reach_the_crash_handler),
    TAP(starting_a_thread_leaves_the_callers_signal_mask_alone),
    TAP(a_long_thread_name_is_cut_rather_than_refused),
    TAP(live_threads_have_different_ids_and_none_is_zero),
    TAP(a_fork_handler_runs_in_the_child_and_only_there),
    TAP(the_processor_count_follows_the_affinity_mask),
    TAP(a_lock_lets_in_one_thread_at_a_time_and_wakes_the_next),
    TAP(a_thread_wakes_beside_its_waker_and_may_run_where_it_could_before),
    TAP(no_control_groups_are_no_limits),
    TAP(a_quota_is_rounded_up_to_whole_processors),
    TAP(the_tightest_group_on_the_way_up_counts),
    TAP(memory_that_could_be_dropped_counts_as_available),
    TAP(a_group_over_its_limit_has_nothing_available),
    TAP(a_container_that_sees_its_own_group_as_the_root_is_understood),
    TAP(version_1_has_a_hierarchy_for_each_controller),
    TAP(malformed_control_group_files_are_no_limits),
    TAP(the_clock_never_goes_back_and_moves_on),
    TAP(a_deadline_beyond_the_end_of_time_is_for_ever),
    TAP(a_library_that_is_not_there_says_so),
    TAP(symbols_are_found_by_name),
    TAP(the_folder_of_the_program_is_known_whatever_it_was_started_as),
    TAP(an_empty_variable_counts_as_unset),
    TAP(a_setuid_process_ignores_the_environment),
    TAP(memory_figures_are_plausible),
};

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--report-environment") == 0) report_environment();
    return tap_run(argc, argv, tests, sizeof tests / sizeof *tests);
}
