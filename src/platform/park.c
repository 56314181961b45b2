/* Parking: a thread sleeps until a word changes.
 *
 * Whoever changes the word calls unpark afterwards; whoever parks looks at the word once more where the change cannot
 * slip by. Linux does both in the kernel (futex). Elsewhere a small table of condition variables, chosen by the word's
 * address, serves: two words may share one, which costs a needless wake-up and nothing else. */
#include "platform.h"

#include <errno.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND) };
}

/* RLX_PARK_PORTABLE: so that a test can run the other half on Linux. On 32-bit systems the kernel's idea of a timespec
 * depends on the libc's. */
#if defined(__linux__) && defined(__LP64__) && !defined(RLX_PARK_PORTABLE)

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* errno is the caller's: a wait of ours leaves it alone. */
static void futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *deadline) {
    int before = errno;
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    errno = before;
}

void rlx_park(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns) {
    struct timespec deadline = timespec_of(deadline_ns);
    /* The BITSET form takes an absolute time on the monotonic clock. */
    futex(word, FUTEX_WAIT_BITSET, expected, deadline_ns == UINT64_MAX ? NULL : &deadline);
}

void rlx_unpark(_Atomic uint32_t *word, uint32_t count) {
    futex(word, FUTEX_WAKE, count < INT_MAX ? count : INT_MAX, NULL);
}

#else

#define PLACES 64 /* a power of two */
#define PLACE \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER }
#define PLACES_8 PLACE, PLACE, PLACE, PLACE, PLACE, PLACE, PLACE, PLACE

typedef struct parking_place {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} parking_place;

static parking_place places[PLACES] = {
    PLACES_8, PLACES_8, PLACES_8, PLACES_8, PLACES_8, PLACES_8, PLACES_8, PLACES_8
};

static parking_place *place_of(const _Atomic uint32_t *word) {
    uint64_t hash = (uint64_t)(uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15);
    return &places[hash >> 58];
}

/* Condition variables wait on the wall clock, which may be set while we sleep; so no sleep is longer than this. */
#define LONGEST_SLEEP (NS_PER_SECOND / 10)

void rlx_park(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns) {
    uint64_t now = rlx_platform_clock_ns();
    if (now >= deadline_ns) return;
    uint64_t sleep = deadline_ns - now < LONGEST_SLEEP ? deadline_ns - now : LONGEST_SLEEP;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    struct timespec end = timespec_of((uint64_t)wall.tv_sec * NS_PER_SECOND + (uint64_t)wall.tv_nsec + sleep);
    parking_place *place = place_of(word);
    pthread_mutex_lock(&place->lock);
    if (atomic_load(word) == expected) pthread_cond_timedwait(&place->changed, &place->lock, &end);
    pthread_mutex_unlock(&place->lock);
}

void rlx_unpark(_Atomic uint32_t *word, uint32_t count) {
    (void)count; /* sharers of the place cannot be told apart: wake all, each looks for itself */
    parking_place *place = place_of(word);
    pthread_mutex_lock(&place->lock);
    pthread_cond_broadcast(&place->changed);
    pthread_mutex_unlock(&place->lock);
}

#endif
