/* The worker pool of a cpu device.
 *
 * At most `workers` threads compute at once. They are started one by one, when there is work that no thread is free
 * for, and take streams from one queue and places in offers from one list; streams come first, being work that needs no
 * sharing. A thread that finds nothing looks around for a few microseconds, since the next submit is often that near,
 * and then parks.
 *
 * BLOCKED THREADS. A host call is code of the user's and may block for as long as it likes. While a thread is in one it
 * does not count as computing, so another may take its place, even where `workers` is 1: that is how a host call can
 * wait for what another stream does. When it comes back there may be a thread too many for a moment; whoever looks for
 * work next notices and parks. Threads beyond `workers` end after a second without work.
 *
 * NO WAKE-UP IS LOST. Whoever adds work does so under the lock and wakes as many threads as the work can use, unless
 * enough are looking already; a thread that looked in vain parks under the lock it looked under. Entering a host call
 * takes no lock: it lowers `computing` and then reads `pending`, while whoever adds work raises `pending` and then
 * reads `computing`, so that one of the two sees the other.
 *
 * THE END. Threads are detached, and the pool lives until the device and the last thread have let go of it. So a device
 * can be closed by one of its own workers, inside a completion, and closing never waits for code of the user's. */
#include "cpu.h"

#include <stdio.h>

#define SPIN_NS 15000      /* how long an idle thread looks around */
#define SPIN_ALONE_NS 2000 /* without giving its processor to others */
#define SPIN_ROUNDS 16     /* looks between two at the clock */
#define RETIRE_NS UINT64_C(1000000000)

/* ---- Offers: under pool->lock ---- */

void rlx_cpu_offer_want(rlx_cpu_pool *pool, rlx_cpu_offer *offer, uint32_t wanted) {
    if (wanted && !offer->wanted) {
        offer->next = &pool->offers;
        offer->previous = pool->offers.previous;
        offer->previous->next = offer->next->previous = offer;
    } else if (!wanted && offer->wanted) {
        offer->previous->next = offer->next;
        offer->next->previous = offer->previous;
    }
    atomic_fetch_add(&pool->pending, wanted - offer->wanted); /* unsigned: a smaller number subtracts */
    offer->wanted = wanted;
}

/* ---- Waking and starting ---- */

static void *worker_main(void *user);

static void pool_release(rlx_cpu_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1) return;
    while (pool->all) {
        rlx_cpu_worker *worker = pool->all;
        pool->all = worker->next_of_all;
        rlx_cpu_worker_clear(worker);
        rlx_cpu_host->release(worker);
    }
    rlx_cpu_host->release(pool);
}

/* A worker without a thread, from the unused ones or the heap. */
static rlx_cpu_worker *worker_take(rlx_cpu_pool *pool) {
    rlx_lock(&pool->lock);
    rlx_cpu_worker *worker = pool->unused;
    if (worker) pool->unused = worker->next;
    rlx_unlock(&pool->lock);
    if (worker) return worker;
    worker = rlx_cpu_host->allocate(sizeof *worker);
    if (!worker) return NULL;
    worker->pool = pool;
    rlx_lock(&pool->lock);
    worker->next_of_all = pool->all;
    worker->number = ++pool->made;
    pool->all = worker;
    worker->job.next = pool->jobs;
    pool->jobs = &worker->job;
    rlx_unlock(&pool->lock);
    return worker;
}

/* Starts a thread that has been counted as alive and idle already, so that two callers do not both start the last. */
static bool thread_start(rlx_cpu_pool *pool) {
    rlx_thread thread;
    rlx_cpu_worker *worker = worker_take(pool);
    if (worker) {
        atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
        if (rlx_thread_start(&thread, "rlx-cpu", worker_main, worker)) {
            rlx_thread_detach(thread);
            return true;
        }
        atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_relaxed); /* the caller's keeps the pool alive */
    }
    rlx_lock(&pool->lock);
    if (worker) {
        worker->next = pool->unused;
        pool->unused = worker;
    }
    pool->threads--;
    pool->idle--;
    rlx_unlock(&pool->lock);
    return false;
}

/* Under the lock: takes a worker off the parked ones. */
static rlx_cpu_worker *parked_pop(rlx_cpu_pool *pool) {
    rlx_cpu_worker *worker = pool->parked;
    pool->parked = worker->next;
    worker->parked = false;
    pool->idle++;
    return worker;
}

/* `beside`: the caller goes on computing, so they must not wait for its processor. */
static void workers_signal(rlx_cpu_worker *list, bool beside) {
    while (list) {
        rlx_cpu_worker *next = list->next; /* it may park again, and be in a list, as soon as it has the signal */
        if (beside) rlx_placement_beside(&list->placement, list->thread);
        atomic_store_explicit(&list->signal, 1, memory_order_release);
        rlx_unpark(&list->signal, 1);
        list = next;
    }
}

static void wake_and_unlock(rlx_cpu_pool *pool, uint32_t most, bool beside) {
    uint32_t pending = atomic_load(&pool->pending), busy = atomic_load(&pool->computing) + pool->idle;
    uint32_t wanted = pending > pool->idle ? pending - pool->idle : 0;
    uint32_t room = pool->workers > busy ? pool->workers - busy : 0;
    uint32_t count = wanted < room ? wanted : room, starts = 0;
    rlx_cpu_worker *woken = NULL;
    for (count = count < most ? count : most; count > 0; count--) {
        if (pool->parked) {
            rlx_cpu_worker *worker = parked_pop(pool);
            worker->next = woken;
            woken = worker;
        } else if (pool->threads < pool->workers + RLX_CPU_SPARES_MAX) {
            pool->threads++;
            pool->idle++;
            starts++;
        }
    }
    rlx_unlock(&pool->lock);
    workers_signal(woken, beside);
    for (; starts > 0; starts--)
        (void)thread_start(pool); /* without it the work waits for the threads that there are */
}

void rlx_cpu_pool_wake_and_unlock(rlx_cpu_pool *pool, uint32_t most) { wake_and_unlock(pool, most, true); }

/* ---- A thread's life ---- */

/* Under the lock, which it releases if it found work: then it has run it, and holds the lock again. */
static bool work_once(rlx_cpu_worker *worker) {
    rlx_cpu_pool *pool = worker->pool;
    if (atomic_load(&pool->computing) >= pool->workers) return false;
    rlx_cpu_stream *stream = pool->first;
    rlx_cpu_offer *offer = pool->offers.next;
    if (stream) {
        pool->first = stream->next;
        atomic_fetch_sub(&pool->pending, 1);
    } else if (offer != &pool->offers) {
        offer->members++;
        rlx_cpu_offer_want(pool, offer, offer->wanted - 1);
    } else {
        return false;
    }
    pool->idle--;
    atomic_fetch_add(&pool->computing, 1);
    rlx_unlock(&pool->lock);
    if (stream) rlx_cpu_stream_run(worker, stream);
    else offer->help(worker, offer);
    rlx_lock(&pool->lock);
    atomic_fetch_sub(&pool->computing, 1);
    pool->idle++;
    return true;
}

/* For a moment with nothing but pauses, then with yields: the next submit may have to come from a thread that waits for
 * this very processor. */
static void look_around(rlx_cpu_pool *pool) {
    uint64_t begun = rlx_platform_clock_ns(), spent = 0;
    do {
        for (int i = 0; i < SPIN_ROUNDS; i++) {
            if (atomic_load_explicit(&pool->pending, memory_order_relaxed)) return;
            rlx_thread_pause();
        }
        if (spent > SPIN_ALONE_NS) rlx_thread_yield();
        spent = rlx_platform_clock_ns() - begun;
    } while (spent < SPIN_NS);
}

/* Takes a worker whose time is up out of the parked ones; false if somebody else has just done so. */
static bool parked_leave(rlx_cpu_pool *pool, rlx_cpu_worker *worker) {
    if (!worker->parked) return false;
    rlx_cpu_worker **link = &pool->parked;
    while (*link != worker) link = &(*link)->next;
    *link = worker->next;
    worker->parked = false;
    pool->idle++;
    return true;
}

/* Under the lock, which is released while it sleeps. False: nobody has needed it for long, and it may end. */
static bool park(rlx_cpu_worker *worker) {
    rlx_cpu_pool *pool = worker->pool;
    uint64_t deadline = pool->threads > pool->workers ? rlx_deadline(RETIRE_NS) : UINT64_MAX;
    atomic_store_explicit(&worker->signal, 0, memory_order_relaxed);
    worker->parked = true;
    worker->next = pool->parked;
    pool->parked = worker;
    pool->idle--;
    rlx_unlock(&pool->lock);
    for (;;) {
        rlx_park(&worker->signal, 0, deadline);
        bool signalled = atomic_load_explicit(&worker->signal, memory_order_acquire);
        if (!signalled && rlx_platform_clock_ns() < deadline) continue;
        if (signalled) rlx_placement_end(&worker->placement);
        rlx_lock(&pool->lock);
        if (signalled) return true;
        if (parked_leave(pool, worker)) return pool->threads <= pool->workers;
        rlx_unlock(&pool->lock);
        deadline = UINT64_MAX; /* taken off the list just now: the signal is on its way, and will touch this worker */
    }
}

/* What the trace calls this thread. */
static void name_row(const rlx_cpu_worker *worker) {
    char name[48];
    if (worker->pool->number == 1) snprintf(name, sizeof name, "cpu worker %u", worker->number);
    else snprintf(name, sizeof name, "cpu (%u) worker %u", worker->pool->number, worker->number);
    rlx_cpu_host->trace_thread(name);
}

static void *worker_main(void *user) {
    rlx_cpu_worker *worker = user;
    rlx_cpu_pool *pool = worker->pool;
    bool looked = !pool->spins;
    worker->thread = rlx_thread_self();
    if (rlx_cpu_tracing()) name_row(worker);
    rlx_lock(&pool->lock);
    for (;;) {
        if (work_once(worker)) {
            looked = !pool->spins;
        } else if (pool->closing) {
            break;
        } else if (!looked && atomic_load(&pool->computing) < pool->workers) {
            looked = true;
            rlx_unlock(&pool->lock);
            look_around(pool);
            rlx_lock(&pool->lock);
        } else {
            if (!park(worker)) break;
            looked = !pool->spins;
        }
    }
    rlx_cpu_worker_clear(worker);
    worker->next = pool->unused;
    pool->unused = worker;
    pool->threads--;
    pool->idle--;
    rlx_unlock(&pool->lock);
    pool_release(pool);
    return NULL;
}

/* ---- What the rest of the backend calls ---- */

rlx_cpu_pool *rlx_cpu_pool_create(uint32_t workers) {
    static _Atomic uint32_t pools;
    rlx_cpu_pool *pool = rlx_cpu_host->allocate(sizeof *pool);
    if (!pool) return NULL;
    atomic_init(&pool->refs, 1);
    pool->number = atomic_fetch_add_explicit(&pools, 1, memory_order_relaxed) + 1;
    pool->workers = workers;
    pool->spins = rlx_processor_count() > 1;
    pool->offers.next = pool->offers.previous = &pool->offers;
    return pool;
}

void rlx_cpu_pool_close(rlx_cpu_pool *pool) {
    rlx_cpu_worker *woken = NULL;
    rlx_lock(&pool->lock);
    pool->closing = true;
    while (pool->parked) {
        rlx_cpu_worker *worker = parked_pop(pool);
        worker->next = woken;
        woken = worker;
    }
    rlx_unlock(&pool->lock);
    workers_signal(woken, false);
    pool_release(pool);
}

/* Several callers may be first at once, and each has to know how the start went. */
static bool pool_start(rlx_cpu_pool *pool) {
    rlx_lock(&pool->start_lock);
    bool started = atomic_load_explicit(&pool->started, memory_order_relaxed);
    if (!started) {
        rlx_lock(&pool->lock);
        pool->threads++;
        pool->idle++;
        rlx_unlock(&pool->lock);
        started = thread_start(pool);
        atomic_store_explicit(&pool->started, started, memory_order_release);
    }
    rlx_unlock(&pool->start_lock);
    return started;
}

bool rlx_cpu_pool_ready(rlx_cpu_pool *pool) {
    return atomic_load_explicit(&pool->started, memory_order_acquire) || pool_start(pool);
}

void rlx_cpu_pool_push(rlx_cpu_pool *pool, rlx_cpu_stream *stream) {
    rlx_lock(&pool->lock);
    stream->next = NULL;
    if (pool->first) pool->last->next = stream;
    else pool->first = stream;
    pool->last = stream;
    atomic_fetch_add(&pool->pending, 1);
    wake_and_unlock(pool, 1, false);
}

bool rlx_cpu_pool_has_room(rlx_cpu_pool *pool) {
    return atomic_load_explicit(&pool->computing, memory_order_relaxed) +
               atomic_load_explicit(&pool->pending, memory_order_relaxed) <
           pool->workers;
}

void rlx_cpu_worker_block(rlx_cpu_worker *worker) {
    rlx_cpu_pool *pool = worker->pool;
    if (!pool) return;
    atomic_fetch_sub(&pool->computing, 1);
    if (!atomic_load(&pool->pending)) return;
    rlx_lock(&pool->lock);
    wake_and_unlock(pool, 1, false);
}

void rlx_cpu_worker_unblock(rlx_cpu_worker *worker) {
    if (worker->pool) atomic_fetch_add(&worker->pool->computing, 1);
}
