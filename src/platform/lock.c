/* Locks, when they are contended. One word: 0 free, 1 held, 2 held and perhaps somebody sleeps, so only then giving
 * it back costs a call to the system (U. Drepper, "Futexes Are Tricky", 2011, section 5). What is usual is in line, in
 * platform.h: two atomic operations, where a lock of the libc takes two calls more.
 *
 * Our locks are held for some tens of nanoseconds, and sleeping costs tens of microseconds: so a thread that finds one
 * taken looks again for a while first. */
#include "platform.h"

#define SPINS 100

void rlx_lock_contended(rlx_mutex *mutex) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t free = 0;
        if (atomic_load_explicit(&mutex->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&mutex->word, &free, 1, memory_order_acquire, memory_order_relaxed))
            return;
        rlx_thread_pause();
    }
    /* From here on it is held with 2, whoever else may sleep: nobody knows, so the next one is woken in any case. */
    while (atomic_exchange_explicit(&mutex->word, 2, memory_order_acquire) != 0) rlx_park(&mutex->word, 2, UINT64_MAX);
}
