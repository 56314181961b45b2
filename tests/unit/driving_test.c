/* Who makes work progress: waits on devices that only callers drive, the core's thread on those that are polled, and
 * the one thread of a device that is bound to it. */
#include <pthread.h>

#include "fake.h"

#define SOON (20 * RLX_MILLISECOND)
#define LATE (2 * RLX_SECOND) /* what should happen at once has not happened */

static void nap(uint64_t ns) {
    for (uint64_t end = rlx_clock_ns() + ns; rlx_clock_ns() < end;) rlx_thread_yield();
}

static bool comes_true(_Atomic bool *word) {
    for (uint64_t end = rlx_clock_ns() + LATE; rlx_clock_ns() < end; rlx_thread_yield())
        if (atomic_load(word)) return true;
    return false;
}

/* Ends a batch of a stream once there is one. */
static bool end_one(uint32_t stream) {
    fake_stream *own = &fake.streams[stream];
    for (uint64_t end = rlx_clock_ns() + LATE; rlx_clock_ns() < end; rlx_thread_yield()) {
        rlx_lock(&own->lock);
        bool flying = own->handed > own->ended;
        rlx_unlock(&own->lock);
        if (!flying) continue;
        fake_end(stream, NULL);
        return true;
    }
    return false;
}

/* A thread that waits. */
typedef struct waiting {
    rlx_point point;
    rlx_status status;
    pthread_t thread;
} waiting;

static void *wait_there(void *user) {
    waiting *w = user;
    w->status = rlx_point_wait(w->point, LATE);
    return NULL;
}

static void wait_elsewhere(waiting *w, rlx_point point) {
    *w = (waiting){ .point = point };
    CHECK(pthread_create(&w->thread, NULL, wait_there, w) == 0);
}

static rlx_status waited(waiting *w) {
    pthread_join(w->thread, NULL);
    return w->status;
}

/* ---- Waits that drive ---- */

static void a_wait_drives_what_holds_a_batch_up_once_that_is_the_first(void) {
    rlx_device *device = fake_device("fake"), *caller = fake_device_more("called");
    rlx_stream *s = fake_stream_create(device, 0), *t = fake_stream_create(caller, 0);
    rlx_point needed = fake_submit_calls(t, 1);
    (void)fake_submit_calls(s, 1);
    CHECK_INT(rlx_stream_depend(s, needed), RLX_OK);
    waiting w;
    wait_elsewhere(&w, fake_submit_calls(s, 1));
    nap(SOON); /* it waits for the first batch, which nobody can drive */
    CHECK(end_one(0));
    CHECK(end_one(0));
    CHECK_INT(waited(&w), RLX_OK);
    rlx_stream_release(s), rlx_stream_release(t);
    rlx_device_release(device), rlx_device_release(caller);
}

static void a_wait_drives_one_dependency_after_another(void) {
    rlx_device *device = fake_device("fake"), *caller = fake_device_more("called");
    rlx_stream *s = fake_stream_create(device, 0), *t = fake_stream_create(caller, 0);
    rlx_stream *u = fake_stream_create(device, 0), *v = fake_stream_create(device, 0);
    rlx_point driven = fake_submit_calls(t, 1), one = fake_submit_calls(u, 1), two = fake_submit_calls(v, 1);
    CHECK_INT(rlx_stream_depend(s, one), RLX_OK);
    CHECK_INT(rlx_stream_depend(s, driven), RLX_OK);
    CHECK_INT(rlx_stream_depend(s, two), RLX_OK);
    waiting w;
    wait_elsewhere(&w, fake_submit_calls(s, 1));
    nap(SOON);
    CHECK(end_one(2));
    nap(SOON);
    CHECK(end_one(3));
    CHECK(end_one(0));
    CHECK_INT(waited(&w), RLX_OK);
    CHECK_INT(rlx_point_query(driven), RLX_OK);
    rlx_stream_release(s), rlx_stream_release(t), rlx_stream_release(u), rlx_stream_release(v);
    rlx_device_release(device), rlx_device_release(caller);
}

static void a_wait_hands_over_slice_after_slice(void) {
    for (uint32_t flags = 0; flags <= RLX_STREAM_ISOLATE; flags += RLX_STREAM_ISOLATE) {
        rlx_device *caller = fake_device("calledq");
        rlx_stream *s = fake_stream_create(caller, flags);
        (void)fake_submit_calls(s, 11);
        (void)fake_submit_calls(s, 1);
        CHECK_INT(rlx_stream_wait(s, LATE), RLX_OK);
        CHECK_UINT(fake.streams[0].ended, flags ? 12 : 7);
        CHECK_UINT(fake.streams[0].most, 4);
        rlx_stream_release(s);
        rlx_device_release(caller);
    }
}

static void a_wait_for_any_drives_all(void) {
    rlx_device *caller = fake_device("called");
    rlx_stream *s = fake_stream_create(caller, 0), *t = fake_stream_create(caller, 0);
    rlx_point points[2] = { fake_submit_calls(s, 1), fake_submit_calls(t, 1) };
    uint32_t index = 99;
    fake.streams[0].stuck = true;
    CHECK_INT(rlx_points_wait(points, 2, RLX_WAIT_ANY, LATE, &index), RLX_OK);
    CHECK_UINT(index, 1);
    fake.streams[0].stuck = false;
    CHECK_INT(rlx_points_wait(points, 2, RLX_WAIT_ALL, LATE, &index), RLX_OK);
    rlx_stream_release(s), rlx_stream_release(t);
    rlx_device_release(caller);
}

static _Atomic uint32_t queries;
static rlx_point asked_for;

/* The first to hear of the fault tells the core late: by then another thread has had the time to say that all is
 * well. */
static void dawdle(fake_stream *stream, const rlx_fault *fault) {
    (void)stream;
    atomic_fetch_add(&queries, 1);
    if (!fault->status) return;
    for (uint64_t end = rlx_clock_ns() + 3 * SOON; rlx_clock_ns() < end && rlx_point_query(asked_for) == RLX_NOT_READY;)
        rlx_thread_yield();
}

static void two_threads_that_poll_one_stream_lose_no_failure(void) {
    rlx_device *caller = fake_device("called");
    rlx_stream *s = fake_stream_create(caller, 0);
    fake.on_query = dawdle;
    fake.streams[0].fault = (rlx_fault){ .status = RLX_ERROR_BACKEND, .signal = 1 };
    fake.streams[0].fault_at = 1;
    asked_for = fake_submit_calls(s, 1);
    waiting a, b;
    wait_elsewhere(&a, asked_for);
    wait_elsewhere(&b, asked_for);
    CHECK_INT(waited(&a), RLX_ERROR_BACKEND);
    CHECK_INT(waited(&b), RLX_ERROR_BACKEND);
    rlx_stream_release(s);
    rlx_device_release(caller);
}

static rlx_stream *inner;
static _Atomic bool submitted;

static rlx_status submit_inside(void *user) {
    *(rlx_point *)user = fake_submit_calls(inner, 1);
    atomic_store(&submitted, true);
    nap(3 * SOON); /* the other thread looks, finds that this one will hand over, and parks */
    return RLX_OK;
}

static void *submit_and_go(void *user) {
    CHECK_INT(rlx_stream_submit(user, NULL), RLX_OK);
    return NULL;
}

static void a_wait_hears_that_another_thread_has_handed_over(void) {
    rlx_device *caller = fake_device("called"), *sync = fake_device_more("sync");
    rlx_stream *outer = fake_stream_create(sync, 0);
    rlx_point point = { 0 };
    inner = fake_stream_create(caller, 0);
    atomic_store(&submitted, false);
    CHECK_INT(rlx_stream_host_call(outer, submit_inside, &point), RLX_OK);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, submit_and_go, outer) == 0);
    CHECK(comes_true(&submitted));
    CHECK_INT(rlx_stream_wait(inner, LATE), RLX_OK);
    pthread_join(other, NULL);
    CHECK_INT(rlx_point_query(point), RLX_OK);
    rlx_stream_release(outer), rlx_stream_release(inner);
    rlx_device_release(caller), rlx_device_release(sync);
}

static rlx_stream *continued;
static rlx_point needed;

static rlx_status submit_more(void *user) {
    CHECK_INT(rlx_stream_depend(continued, needed), RLX_OK);
    *(rlx_point *)user = fake_submit_calls(continued, 1);
    atomic_store(&submitted, true);
    nap(3 * SOON); /* the other thread finds this batch running, and parks */
    return RLX_OK;
}

static void a_wait_drives_what_a_batch_on_a_synchronous_device_comes_to_need(void) {
    rlx_device *caller = fake_device("called"), *sync = fake_device_more("sync");
    rlx_stream *t = fake_stream_create(caller, 0);
    rlx_point point = { 0 };
    continued = fake_stream_create(sync, 0);
    needed = fake_submit_calls(t, 1);
    atomic_store(&submitted, false);
    CHECK_INT(rlx_stream_host_call(continued, submit_more, &point), RLX_OK);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, submit_and_go, continued) == 0);
    CHECK(comes_true(&submitted));
    CHECK_INT(rlx_stream_wait(continued, LATE), RLX_OK);
    pthread_join(other, NULL);
    rlx_stream_release(continued), rlx_stream_release(t);
    rlx_device_release(caller), rlx_device_release(sync);
}

static void a_run_of_a_program_is_driven_from_another_thread(void) {
    rlx_device *caller = fake_device("called");
    rlx_stream *recording = fake_stream_create(caller, RLX_STREAM_RECORD);
    rlx_stream *s = fake_stream_create(caller, 0), *t = fake_stream_create(caller, 0);
    rlx_program *program = NULL;
    CHECK_INT(rlx_stream_host_call(recording, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_finish(recording, NULL, &program), RLX_OK);
    for (int i = 0; i < 3; i++) { /* twice in a batch: the second waits for nothing but the first */
        CHECK_INT(rlx_stream_run(i % 2 ? s : t, program, NULL), RLX_OK);
        CHECK_INT(rlx_stream_run(i % 2 ? s : t, program, NULL), RLX_OK);
        CHECK_INT(rlx_stream_submit(i % 2 ? s : t, NULL), RLX_OK);
    }
    CHECK_INT(rlx_stream_wait(t, LATE), RLX_OK);
    CHECK_INT(rlx_stream_wait(s, 0), RLX_OK);
    rlx_program_release(program);
    rlx_stream_release(recording), rlx_stream_release(s), rlx_stream_release(t);
    rlx_device_release(caller);
}

/* ---- Waits beside callbacks ---- */

static _Atomic bool returned;

static void expect_return(void *user, rlx_status status) {
    CHECK_INT(status, RLX_OK);
    *(bool *)user = comes_true(&returned);
}

static void *wait_and_say(void *user) {
    (void)wait_there(user);
    atomic_store(&returned, true);
    return NULL;
}

static void a_wait_does_not_wait_for_callbacks_about_its_point(void) {
    rlx_device *device = fake_device("fake");
    rlx_stream *s = fake_stream_create(device, 0), *t = fake_stream_create(device, 0);
    waiting w = { .point = fake_submit_calls(s, 1) };
    bool seen = false;
    atomic_store(&returned, false);
    CHECK_INT(rlx_point_notify(w.point, expect_return, &seen), RLX_OK);
    CHECK_INT(rlx_stream_depend(t, w.point), RLX_OK);
    CHECK_INT(rlx_stream_host_call(t, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_submit(t, NULL), RLX_OK);
    CHECK(pthread_create(&w.thread, NULL, wait_and_say, &w) == 0);
    nap(SOON);
    fake_end(0, NULL);
    CHECK_INT(waited(&w), RLX_OK);
    CHECK(seen);
    fake_end(1, NULL);
    rlx_stream_release(s), rlx_stream_release(t);
    rlx_device_release(device);
}

/* ---- The last reference goes in a callback ---- */

typedef struct owned {
    rlx_device *device;
    rlx_stream *stream;
    _Atomic bool gone;
} owned;

static rlx_status let_go(void *user) {
    owned *o = user;
    rlx_stream_release(o->stream);
    rlx_device_release(o->device);
    atomic_store(&o->gone, true);
    return RLX_OK;
}

static void let_go_in_notice(void *user, rlx_status status) {
    CHECK_INT(status, RLX_OK);
    CHECK_INT(let_go(user), RLX_OK);
}

static void a_callback_may_release_its_stream_and_device(void) {
    owned o = { .device = fake_device("asked") }; /* on the core's own thread */
    o.stream = fake_stream_create(o.device, 0);
    CHECK_INT(rlx_point_notify(fake_submit_calls(o.stream, 1), let_go_in_notice, &o), RLX_OK);
    rlx_lock(&fake.streams[0].lock);
    fake.streams[0].ended = 1;
    rlx_unlock(&fake.streams[0].lock);
    CHECK(comes_true(&o.gone));
    for (uint64_t end = rlx_clock_ns() + LATE; rlx_clock_ns() < end && fake.devices;) rlx_thread_yield();
    CHECK_UINT(fake.devices, 0);

    static const char *const names[] = { "sync", "cpu" };
    for (int i = 0; i < 2; i++) {
        rlx_point point = { 0 };
        o = (owned){ .device = fake_device_more(names[i]) };
        o.stream = fake_stream_create(o.device, 0);
        CHECK_INT(rlx_stream_host_call(o.stream, let_go, &o), RLX_OK);
        CHECK_INT(rlx_stream_submit(o.stream, &point), RLX_OK);
        CHECK_INT(rlx_point_wait(point, LATE), RLX_OK);
        CHECK(comes_true(&o.gone));
    }
}

/* ---- Polled devices that do not answer ---- */

static void a_wait_of_the_backend_that_fails_loses_the_device(void) {
    static const char *const names[] = { "called", "asked" };
    for (int i = 0; i < 2; i++) {
        rlx_device *device = fake_device(names[i]);
        rlx_stream *s = fake_stream_create(device, 0);
        fake.wait = RLX_ERROR_BACKEND;
        rlx_point point = fake_submit_calls(s, 1);
        CHECK_INT(rlx_point_wait(point, LATE), RLX_ERROR_DEVICE_LOST);
        CHECK_HOLDS(rlx_last_error(), "no answer; open the device again");
        CHECK_INT(rlx_stream_recover(s), RLX_ERROR_DEVICE_LOST);
        rlx_stream_release(s);
        rlx_device_release(device);
        CHECK_UINT(fake.closed, 1);
    }
}

/* While `slow` is inside submit. */
static fake_stream *slow;
static rlx_device *watched;
static void (*meanwhile)(fake_stream *stream, const rlx_batch *batch);

static void submit_slowly(fake_stream *stream, const rlx_batch *batch) {
    if (stream != slow) return;
    meanwhile(stream, batch);
    CHECK_UINT(fake.memory, 1); /* what the batch uses is there as long as submit may look at it */
    CHECK_UINT(batch->count, 1);
}

static void lose_first_stream(fake_stream *stream, const rlx_batch *batch) {
    (void)stream, (void)batch;
    fake_stream *first = &fake.streams[0];
    rlx_lock(&first->lock);
    first->ended = 1;
    first->fault = (rlx_fault){ .status = RLX_ERROR_DEVICE_LOST };
    rlx_unlock(&first->lock);
    rlx_health health = { 0 };
    for (uint64_t end = rlx_clock_ns() + LATE; rlx_clock_ns() < end && !health.status; rlx_thread_yield())
        CHECK_INT(rlx_device_health(watched, &health), RLX_OK);
    nap(SOON);
}

static void end_at_once(fake_stream *stream, const rlx_batch *batch) {
    (void)batch;
    rlx_lock(&stream->lock);
    stream->ended++;
    rlx_unlock(&stream->lock);
    nap(SOON);
    rlx_lock(&stream->lock);
    stream->ended--; /* it counts itself */
    rlx_unlock(&stream->lock);
}

/* A batch whose submit takes its time, on the second of two streams of a polled device. */
static void submit_meanwhile(void (*function)(fake_stream *, const rlx_batch *), rlx_status expected) {
    rlx_device *device = watched = fake_device("asked");
    rlx_stream *a = fake_stream_create(device, 0), *b = fake_stream_create(device, 0);
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer), RLX_OK);
    (void)fake_submit_calls(a, 1); /* keeps the core's thread awake */
    meanwhile = function;
    slow = &fake.streams[1];
    fake.on_submit = submit_slowly;
    CHECK_INT(rlx_stream_fill(b, rlx_whole(buffer), 0, 4), RLX_OK);
    rlx_buffer_release(buffer);
    rlx_point point = { 0 };
    CHECK_INT(rlx_stream_submit(b, &point), RLX_OK);
    for (int i = 0; i < 2; i++) {
        rlx_lock(&fake.streams[i].lock);
        fake.streams[i].ended = fake.streams[i].handed;
        rlx_unlock(&fake.streams[i].lock);
    }
    CHECK_INT(rlx_point_wait(point, LATE), expected);
    CHECK_UINT(fake.memory, 0);
    CHECK_INT(rlx_stream_wait(a, LATE), expected);
    rlx_stream_release(a), rlx_stream_release(b);
    rlx_device_release(device);
}

static void a_device_that_is_lost_during_a_submit_leaves_that_its_batch(void) {
    submit_meanwhile(lose_first_stream, RLX_ERROR_DEVICE_LOST);
}

static void a_batch_that_ends_during_its_submit_ends_after_it(void) { submit_meanwhile(end_at_once, RLX_OK); }

/* ---- Devices that are bound to a thread ---- */

static void *release_buffer(void *buffer) {
    rlx_buffer_release(buffer);
    return NULL;
}

static void *release_device(void *device) {
    rlx_device_release(device);
    return NULL;
}

static void *end_second(void *unused) {
    (void)unused;
    fake_end(1, NULL);
    return NULL;
}

static void elsewhere(void *(*function)(void *), void *user) {
    pthread_t other;
    CHECK(pthread_create(&other, NULL, function, user) == 0);
    pthread_join(other, NULL);
}

/* What the owner does next, on whatever device. */
static void open_another(void) { rlx_device_release(fake_device_more("fake")); }

static void what_is_released_elsewhere_goes_when_the_owner_calls(void) {
    for (int last = 0; last < 3; last++) { /* what is released last: the buffer, the device, the device by the owner */
        rlx_device *device = fake_device("bound");
        rlx_buffer *buffer = NULL;
        CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &buffer), RLX_OK);
        if (last == 0) rlx_device_release(device);
        elsewhere(release_buffer, buffer);
        CHECK_UINT(fake.memory, 1);
        if (last == 1) elsewhere(release_device, device);
        if (last == 2) rlx_device_release(device);
        CHECK_UINT(fake.memory, last == 2 ? 0 : 1);
        open_another();
        CHECK_UINT(fake.memory, 0);
        CHECK_UINT(fake.devices, 0);
    }
}

static void a_stream_that_is_released_with_a_held_batch_goes_on_when_its_owner_calls(void) {
    for (int how = 0; how < 3; how++) {
        rlx_device *device = fake_device("bound"), *other = fake_device_more("fake");
        rlx_stream *s = fake_stream_create(device, 0), *t = fake_stream_create(other, 0);
        rlx_memory_report report;
        CHECK_INT(rlx_stream_depend(s, fake_submit_calls(t, 1)), RLX_OK);
        (void)fake_submit_calls(s, 1);
        rlx_stream_release(s);
        if (how) rlx_device_release(device);
        elsewhere(end_second, NULL);
        CHECK_UINT(fake_flying(0), 0);
        if (how == 0) CHECK_INT(rlx_device_memory(device, &report), RLX_OK);
        if (how) open_another();
        if (CHECK_UINT(fake_flying(0), 1)) fake_end(0, NULL);
        if (how == 0) rlx_device_release(device);
        rlx_stream_release(t);
        rlx_device_release(other);
        CHECK_UINT(fake.closed, 2);
        CHECK_UINT(fake.devices, 0);
    }
}

static const tap_test tests[] = {
    TAP(a_wait_drives_what_holds_a_batch_up_once_that_is_the_first),
    TAP(a_wait_drives_one_dependency_after_another),
    TAP(a_wait_hands_over_slice_after_slice),
    TAP(a_wait_for_any_drives_all),
    TAP(two_threads_that_poll_one_stream_lose_no_failure),
    TAP(a_wait_hears_that_another_thread_has_handed_over),
    TAP(a_wait_drives_what_a_batch_on_a_synchronous_device_comes_to_need),
    TAP(a_run_of_a_program_is_driven_from_another_thread),
    TAP(a_wait_does_not_wait_for_callbacks_about_its_point),
    TAP(a_callback_may_release_its_stream_and_device),
    TAP(a_wait_of_the_backend_that_fails_loses_the_device),
    TAP(a_device_that_is_lost_during_a_submit_leaves_that_its_batch),
    TAP(a_batch_that_ends_during_its_submit_ends_after_it),
    TAP(what_is_released_elsewhere_goes_when_the_owner_calls),
    TAP(a_stream_that_is_released_with_a_held_batch_goes_on_when_its_owner_calls),
};
TAP_MAIN(tests)
