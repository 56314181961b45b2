/* Waking a thread beside the one that wakes it.
 *
 * A scheduler that finds no idle processor at that very moment (the thread that submitted the work is about to go to
 * sleep on the other one) may queue the woken thread behind the one that woke it. There it can stay for several
 * milliseconds, next to a processor that has been idle since: Linux looks for such pairs only with its timer, and lets
 * a running thread use up its slice first (sched(7), "EEVDF scheduler"). So the thread is kept off one processor while
 * it wakes up. Pinning threads for good would be as fast here, and wrong where two processes share a machine. */
#include "platform.h"

#include <sched.h>

#if defined(__linux__)

/* A sleeping thread goes where it is allowed to when it wakes; one that may not be kept off stays as it is. */
void rlx_placement_beside(rlx_placement *placement, rlx_thread thread) {
    cpu_set_t *allowed = (cpu_set_t *)placement->processors, beside;
    _Static_assert(sizeof *allowed <= sizeof placement->processors, "room for a set of processors");
    int here = sched_getcpu();
    placement->kept = false;
    if (here < 0 || here >= CPU_SETSIZE) return;
    if (pthread_getaffinity_np(thread, sizeof *allowed, allowed) != 0) return; /* more than 1024 processors */
    if (!CPU_ISSET((size_t)here, allowed) || CPU_COUNT(allowed) == 1) return;
    beside = *allowed;
    CPU_CLR((size_t)here, &beside);
    placement->kept = pthread_setaffinity_np(thread, sizeof beside, &beside) == 0;
}

void rlx_placement_end(rlx_placement *placement) {
    if (!placement->kept) return;
    placement->kept = false;
    (void)pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), (cpu_set_t *)placement->processors);
}

#else

void rlx_placement_beside(rlx_placement *placement, rlx_thread thread) {
    (void)thread;
    placement->kept = false;
}

void rlx_placement_end(rlx_placement *placement) { (void)placement; }

#endif
