/* What the library needs of an operating system, and nothing else: threads, a lock, a parking place, a clock, shared
 * libraries, the environment. The only folder with an #ifdef of a platform. Everything returns a plain success flag;
 * callers set the message. */
#ifndef RLX_PLATFORM_H
#define RLX_PLATFORM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Parking (park.c) ---- */
/* Blocks while *word == expected, at most until deadline_ns on rlx_platform_clock_ns (UINT64_MAX: for ever). May return
 * early for no reason. */
void rlx_park(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void rlx_unpark(_Atomic uint32_t *word, uint32_t count); /* wakes up to `count` threads */

/* ---- Locks (lock.c) ---- */
/* Free when it is zero: there is nothing to initialise, and nothing to destroy. Not for a thread that holds it. */
typedef struct rlx_mutex {
    _Atomic uint32_t word;
} rlx_mutex;

void rlx_lock_contended(rlx_mutex *mutex);
static inline void rlx_lock(rlx_mutex *mutex) {
    uint32_t free = 0;
    if (!atomic_compare_exchange_strong_explicit(&mutex->word, &free, 1, memory_order_acquire, memory_order_relaxed))
        rlx_lock_contended(mutex);
}
static inline void rlx_unlock(rlx_mutex *mutex) {
    if (atomic_exchange_explicit(&mutex->word, 0, memory_order_release) == 2) rlx_unpark(&mutex->word, 1);
}

/* ---- Threads (thread.c) ---- */
typedef pthread_t rlx_thread;
/* All signals are blocked in a thread of the library, so that handlers run on the caller's threads. */
bool rlx_thread_start(rlx_thread *thread, const char *name, void *(*function)(void *), void *user);
void rlx_thread_join(rlx_thread thread);
void rlx_thread_detach(rlx_thread thread);
uint64_t rlx_thread_id(void); /* of the calling thread, never 0, never that of another live thread */
static inline rlx_thread rlx_thread_self(void) { return pthread_self(); }
/* Whether it is the calling one. */
static inline bool rlx_thread_is(rlx_thread thread) { return pthread_equal(thread, pthread_self()); }
void rlx_thread_yield(void);
static inline void rlx_thread_pause(void) { /* a hint inside a spin loop */
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Processors that this process may use: the smaller of its affinity mask and its cgroup's quota (rounded up); at least
 * 1. */
uint32_t rlx_processor_count(void);

/* Runs `child` in the child of a fork, before fork returns there. */
bool rlx_on_fork(void (*child)(void));
/* Runs `function` when the process ends by exit or by returning from main (or the library is unloaded). */
bool rlx_on_exit(void (*function)(void));

/* A place in every thread: where a thread has put something there, `ended` gets it when the thread ends. */
typedef pthread_key_t rlx_thread_place;
bool rlx_thread_place_create(rlx_thread_place *place, void (*ended)(void *value));
void rlx_thread_place_delete(rlx_thread_place place); /* and nobody gets anything any more */
bool rlx_thread_place_set(rlx_thread_place place, void *value);

/* ---- Placement (placement.c) ---- */
/* Where a thread may run while it wakes up. Zero: wherever it may anyway. */
typedef struct rlx_placement {
    bool kept;                                             /* off one processor, until rlx_placement_end */
    unsigned long processors[128 / sizeof(unsigned long)]; /* that it may run on otherwise */
} rlx_placement;

/* To be called before waking `thread`, which sleeps: it will not be put on the processor that the caller runs on. */
void rlx_placement_beside(rlx_placement *placement, rlx_thread thread);
/* By that thread when it is awake: it may run wherever it could before. */
void rlx_placement_end(rlx_placement *placement);

/* ---- Clock (clock.c) ---- */
uint64_t rlx_platform_clock_ns(void); /* monotonic */
uint32_t rlx_platform_clock_resolution_ns(void);
/* now + timeout, UINT64_MAX if that overflows. */
uint64_t rlx_deadline(uint64_t timeout_ns);

/* ---- Shared libraries (library.c) ---- */
void *rlx_library_open(const char *path, char *error, size_t error_size); /* RTLD_NOW | RTLD_LOCAL; NULL on failure */
void *rlx_library_symbol(void *library, const char *name);
void rlx_library_close(void *library);
/* The folder that holds the library (or program) that this code is part of, without a slash at the end. */
bool rlx_library_folder(char *folder, size_t size);

/* ---- Environment, memory, process (environment.c) ---- */
const char *rlx_environment(const char *name); /* NULL when unset or empty, and in a set-uid or set-gid process */
uint64_t rlx_memory_total(void);               /* of the machine or the cgroup, the smaller; bytes */
uint64_t rlx_memory_available(void);
uint64_t rlx_process_id(void);
void rlx_process_name(char *name, size_t size); /* of this process, cut to fit; "" where the system does not say */

#endif
