/* Threads over POSIX threads, and how many processors this process may keep busy.
 *
 * A thread of the library is a guest in someone else's process: it takes no signals that a handler of the caller's
 * could be waiting for on another thread, and it carries a name so that a debugger's list explains itself. */
#include "platform.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "failpoint.h"

/* All signals but those that a thread raises by its own fault: a blocked SIGSEGV would kill the process without the
 * crash handler that the caller (or a sanitizer) installed. */
static void blocked_signals(sigset_t *set) {
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(set, faults[i]);
}

static void name_thread(pthread_t thread, const char *name) {
#if defined(__linux__)
    char shortened[16]; /* the kernel's limit; a longer name is refused, not cut */
    strncpy(shortened, name, sizeof shortened - 1);
    shortened[sizeof shortened - 1] = 0;
    pthread_setname_np(thread, shortened);
#else
    (void)thread, (void)name; /* elsewhere a thread can only name itself; not worth an allocation */
#endif
}

bool rlx_thread_start(rlx_thread *thread, const char *name, void *(*function)(void *), void *user) {
    sigset_t blocked, before;
    if (rlx_failpoint(RLX_FAILPOINT_THREAD)) return false;
    blocked_signals(&blocked);
    /* The new thread inherits the mask, so that there is no moment at which it could take a signal. */
    if (pthread_sigmask(SIG_SETMASK, &blocked, &before) != 0) return false;
    bool started = pthread_create(thread, NULL, function, user) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started && name) name_thread(*thread, name);
    return started;
}

void rlx_thread_join(rlx_thread thread) { pthread_join(thread, NULL); }

void rlx_thread_detach(rlx_thread thread) { pthread_detach(thread); }

/* A number or a pointer on every system that we know of, and the cheapest identity there is: no system call. */
uint64_t rlx_thread_id(void) { return (uint64_t)(uintptr_t)pthread_self(); }

void rlx_thread_yield(void) { sched_yield(); }

/* Of the calling thread, as this is what threads started here inherit. 0 if there is no such thing. */
static uint32_t affinity_count(void) {
#if defined(__linux__)
    /* The kernel refuses a mask that is narrower than its own: try wider ones. */
    for (size_t processors = 1024; processors <= 1 << 20; processors *= 4) {
        cpu_set_t *set = CPU_ALLOC(processors);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE(processors);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) return (uint32_t)count;
    }
#endif
    return 0;
}

uint32_t rlx_processor_count(void) {
    uint64_t count = affinity_count();
    if (count == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        count = online > 0 ? (uint64_t)online : 1;
    }
    rlx_cgroup_limits limits;
    rlx_cgroup_read("", &limits);
    return (uint32_t)(limits.processors < count ? limits.processors : count);
}

bool rlx_on_fork(void (*child)(void)) {
    return !rlx_failpoint(RLX_FAILPOINT_ALLOC) && pthread_atfork(NULL, NULL, child) == 0;
}

bool rlx_on_exit(void (*function)(void)) { return !rlx_failpoint(RLX_FAILPOINT_ALLOC) && atexit(function) == 0; }

bool rlx_thread_place_create(rlx_thread_place *place, void (*ended)(void *value)) {
    return !rlx_failpoint(RLX_FAILPOINT_ALLOC) && pthread_key_create(place, ended) == 0;
}

void rlx_thread_place_delete(rlx_thread_place place) { pthread_key_delete(place); }

bool rlx_thread_place_set(rlx_thread_place place, void *value) {
    return !rlx_failpoint(RLX_FAILPOINT_ALLOC) && pthread_setspecific(place, value) == 0;
}
