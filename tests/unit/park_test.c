/* Parking: no wake-up is lost, no wait is longer than asked for. park_portable_test.c runs the same tests over the
 * implementation for systems without a futex. */
#include <errno.h>

#include "platform/platform.h"
#include "tap.h"

#define SECOND UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)

static void a_changed_word_does_not_park(void) {
    _Atomic uint32_t word = 7;
    uint64_t before = rlx_platform_clock_ns();
    rlx_park(&word, 8, UINT64_MAX);
    CHECK(rlx_platform_clock_ns() - before < SECOND);
}

static void a_deadline_that_has_passed_does_not_park(void) {
    _Atomic uint32_t word = 7;
    rlx_park(&word, 7, 0);
    rlx_park(&word, 7, rlx_platform_clock_ns());
    CHECK_UINT(atomic_load(&word), 7);
}

/* Parks until the deadline, however often it returns early. */
static void park_until(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline) {
    while (atomic_load(word) == expected && rlx_platform_clock_ns() < deadline) rlx_park(word, expected, deadline);
}

static void a_park_ends_at_its_deadline(void) {
    _Atomic uint32_t word = 0;
    uint64_t before = rlx_platform_clock_ns();
    park_until(&word, 0, rlx_deadline(30 * MILLISECOND));
    uint64_t passed = rlx_platform_clock_ns() - before;
    CHECK(passed >= 30 * MILLISECOND);
    CHECK(passed < 10 * SECOND);
}

static void parking_leaves_errno_alone(void) {
    _Atomic uint32_t word = 0;
    errno = EDOM;
    rlx_park(&word, 1, UINT64_MAX);
    rlx_park(&word, 0, rlx_deadline(MILLISECOND));
    rlx_unpark(&word, 1);
    CHECK_INT(errno, EDOM);
}

/* Two threads that take turns: a lost wake-up would end in the time-out of the deadline. */
typedef struct game {
    _Atomic uint32_t word;
    uint32_t count;
    bool late;
} game;

static void take_turns(game *turns, uint32_t parity) {
    uint64_t deadline = rlx_deadline(60 * SECOND);
    for (;;) {
        uint32_t now = atomic_load(&turns->word);
        if (now >= turns->count) return;
        if (now % 2 == parity) {
            atomic_store(&turns->word, now + 1);
            rlx_unpark(&turns->word, 1);
            continue;
        }
        park_until(&turns->word, now, deadline);
        if (rlx_platform_clock_ns() >= deadline) {
            turns->late = true;
            return;
        }
    }
}

static void *odd_turns(void *user) {
    take_turns(user, 1);
    return NULL;
}

static void no_wake_up_is_lost(void) {
    game turns = { .count = 2000 };
    rlx_thread thread;
    if (!CHECK(rlx_thread_start(&thread, "odd", odd_turns, &turns))) return;
    take_turns(&turns, 0);
    rlx_thread_join(thread);
    CHECK(!turns.late);
    CHECK_UINT(atomic_load(&turns.word), turns.count);
}

typedef struct crowd {
    _Atomic uint32_t open, waiting, passed;
} crowd;

static void *wait_at_gate(void *user) {
    crowd *gate = user;
    atomic_fetch_add(&gate->waiting, 1);
    park_until(&gate->open, 0, rlx_deadline(60 * SECOND));
    atomic_fetch_add(&gate->passed, atomic_load(&gate->open));
    return NULL;
}

static void unparking_all_wakes_every_thread(void) {
    enum { THREADS = 4 };
    crowd gate = { 0 };
    rlx_thread threads[THREADS];
    for (int i = 0; i < THREADS; i++) CHECK(rlx_thread_start(&threads[i], "waiter", wait_at_gate, &gate));
    while (atomic_load(&gate.waiting) < THREADS) rlx_thread_yield();
    atomic_store(&gate.open, 1);
    rlx_unpark(&gate.open, UINT32_MAX);
    for (int i = 0; i < THREADS; i++) rlx_thread_join(threads[i]);
    CHECK_UINT(atomic_load(&gate.passed), THREADS);
}

static const tap_test tests[] = {
    TAP(a_changed_word_does_not_park), TAP(a_deadline_that_has_passed_does_not_park),
    TAP(a_park_ends_at_its_deadline),  TAP(parking_leaves_errno_alone),
    TAP(no_wake_up_is_lost),           TAP(unparking_all_wakes_every_thread),
};
TAP_MAIN(tests)
