/* Threads that do everything at once, on devices with workers of their own and on the caller's thread: each encodes on
 * streams of its own, and waits for, cancels and recovers those of all. Nothing may hang, every callback comes exactly
 * once, runs of one program never overlap, and what has ended well has done what it should. Sees the public header
 * alone. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <rlx/driver.h>

#include "tap.h"

enum { THREADS = 4, DEVICES = 2, STREAMS = THREADS * DEVICES, NOTICES = 1 << 20, WORDS = 64, PATIENCE_S = 60 };

#define ROUND (150 * RLX_MILLISECOND)
#define ROUNDS 8

/* ---- What all threads share ---- */

static struct {
    rlx_device *devices[DEVICES];
    rlx_stream *streams[STREAMS]; /* of thread i: i * DEVICES and on, one on each device */
    rlx_program *programs[DEVICES];
    pthread_mutex_t lock;             /* guards the points */
    rlx_point points[STREAMS];        /* lately submitted */
    _Atomic uint8_t notices[NOTICES]; /* how often each callback came */
    _Atomic uint32_t asked, heard;
    _Atomic uint32_t inside[DEVICES]; /* runs under way */
    _Atomic uint32_t ended_well;
    _Atomic uint64_t end;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

enum { LEFT = 64 };

typedef struct worker {
    uint32_t number, left;
    rlx_point
        behind[LEFT]; /* on streams that were released: where only callers drive, nobody else would wait for them */
    uint64_t random;
    rlx_buffer *buffers[DEVICES];
    pthread_t thread;
} worker;

static uint32_t dice(worker *w, uint32_t sides) {
    w->random ^= w->random << 13, w->random ^= w->random >> 7, w->random ^= w->random << 17;
    return (uint32_t)(w->random >> 33) % sides;
}

/* Everything that may come of work that any thread cancels at any time. */
static void check_end(rlx_status status) {
    CHECK(status == RLX_OK || status == RLX_TIMEOUT || status == RLX_NOT_READY || status == RLX_ERROR_CANCELLED ||
          status == RLX_ERROR_KERNEL || status == RLX_ERROR_EXPIRED);
}

static void publish(worker *w, rlx_point point) {
    pthread_mutex_lock(&all.lock);
    all.points[dice(w, STREAMS)] = point;
    pthread_mutex_unlock(&all.lock);
}

static rlx_point pick(worker *w) {
    pthread_mutex_lock(&all.lock);
    rlx_point point = all.points[dice(w, STREAMS)];
    pthread_mutex_unlock(&all.lock);
    return point;
}

/* ---- What runs ---- */

static rlx_status succeed(void *user) {
    (void)user;
    return RLX_OK;
}

static rlx_status fail(void *user) {
    (void)user;
    return RLX_ERROR_KERNEL;
}

static rlx_status enter_run(void *user) {
    CHECK_UINT(atomic_fetch_add((_Atomic uint32_t *)user, 1), 0);
    return RLX_OK;
}

static rlx_status leave_run(void *user) {
    CHECK_UINT(atomic_fetch_sub((_Atomic uint32_t *)user, 1), 1);
    return RLX_OK;
}

static void notice(void *user, rlx_status status) {
    check_end(status);
    CHECK_INT(rlx_point_wait((rlx_point){ 0 }, 0), RLX_ERROR_ORDER);
    CHECK_UINT(atomic_fetch_add((_Atomic uint8_t *)user, 1), 0);
    atomic_fetch_add(&all.heard, 1);
}

/* ---- What threads do ---- */

static void ask_notice(rlx_point point) {
    uint32_t number = atomic_fetch_add(&all.asked, 1);
    if (number < NOTICES && CHECK_INT(rlx_point_notify(point, notice, &all.notices[number]), RLX_OK)) return;
    atomic_fetch_sub(&all.asked, 1);
}

/* Of a stream of the thread's own. */
static rlx_point submit(worker *w, rlx_stream *stream) {
    rlx_point point = { 0 };
    rlx_status status = rlx_stream_submit(stream, &point);
    check_end(status);
    if (status && dice(w, 4)) CHECK_INT(rlx_stream_recover(stream), RLX_OK);
    publish(w, point);
    if (!dice(w, 3)) ask_notice(point);
    return point;
}

static void encode_some(worker *w, uint32_t device, rlx_stream *stream, rlx_buffer *buffer) {
    for (uint32_t count = dice(w, 4); count > 0; count--) {
        switch (dice(w, 8)) {
        case 0: CHECK_INT(rlx_stream_run(stream, all.programs[device], NULL), RLX_OK); break;
        case 1: CHECK_INT(rlx_stream_depend(stream, pick(w)), RLX_OK); break;
        case 2: CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), dice(w, 256), 1), RLX_OK); break;
        case 3: CHECK_INT(rlx_stream_host_call(stream, dice(w, 16) ? succeed : fail, NULL), RLX_OK); break;
        default: CHECK_INT(rlx_stream_host_call(stream, succeed, NULL), RLX_OK); break;
        }
    }
}

/* Bytes there and back: if the point is fine, so are they. */
static void check_bytes(worker *w, uint32_t device, rlx_stream *stream) {
    uint32_t sent[WORDS], got[WORDS] = { 0 };
    for (int i = 0; i < WORDS; i++) sent[i] = dice(w, 1u << 30);
    rlx_range range = rlx_whole(w->buffers[device]);
    CHECK_INT(rlx_stream_write(stream, range, sent, RLX_WRITE_COPIED), RLX_OK);
    CHECK_INT(rlx_stream_read(stream, got, range), RLX_OK);
    rlx_status status = rlx_point_wait(submit(w, stream), RLX_FOREVER);
    check_end(status);
    if (status) return;
    CHECK(memcmp(sent, got, sizeof sent) == 0);
    atomic_fetch_add(&all.ended_well, 1);
}

static void transfer(worker *w) {
    uint32_t to = dice(w, DEVICES), from = dice(w, DEVICES);
    rlx_stream **own = &all.streams[w->number * DEVICES];
    rlx_point moved = { 0 };
    rlx_status status = rlx_transfer(own[to], rlx_part(w->buffers[to], 0, 128), own[from],
                                     rlx_part(w->buffers[from], 128, 128), &moved);
    check_end(status);
    publish(w, moved);
    if (!dice(w, 3)) ask_notice(moved);
    for (int i = 0; i < DEVICES && dice(w, 2); i++) CHECK_INT(rlx_stream_recover(own[i]), RLX_OK);
}

/* A stream that is let go with work on it. */
static void short_life(worker *w) {
    uint32_t device = dice(w, DEVICES);
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_stream_create(all.devices[device], &(rlx_stream_desc){ .flags = dice(w, 2) ? RLX_STREAM_ISOLATE : 0 },
                                &stream),
              RLX_OK);
    CHECK_INT(rlx_buffer_create(all.devices[device], &(rlx_buffer_desc){ .size = 1000 }, &buffer), RLX_OK);
    if (!stream || !buffer) return;
    CHECK_INT(rlx_stream_depend(stream, pick(w)), RLX_OK);
    CHECK_INT(rlx_stream_fill(stream, rlx_whole(buffer), 1, 1), RLX_OK);
    encode_some(w, device, stream, buffer);
    rlx_point last = submit(w, stream);
    ask_notice(last);
    w->behind[w->left++] = last;
    if (!dice(w, 4)) CHECK_INT(rlx_stream_cancel(stream), RLX_OK);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
}

static void disturb(worker *w) {
    rlx_stream *stream = all.streams[dice(w, STREAMS)];
    rlx_failure failure;
    switch (dice(w, 4)) {
    case 0: CHECK_INT(rlx_stream_cancel(stream), RLX_OK); break;
    case 1: CHECK_INT(rlx_stream_recover(stream), RLX_OK); break;
    case 2: CHECK_INT(rlx_stream_failure(stream, &failure), RLX_OK); break;
    default: check_end(rlx_stream_wait(stream, dice(w, 2) ? 0 : dice(w, 200) * RLX_MICROSECOND)); break;
    }
}

static void wait_some(worker *w) {
    rlx_point points[12];
    uint32_t count = 1 + dice(w, 12), index = 0;
    for (uint32_t i = 0; i < count; i++) points[i] = pick(w);
    switch (dice(w, 4)) {
    case 0: check_end(rlx_points_wait(points, count, RLX_WAIT_ANY, RLX_FOREVER, &index)); break;
    case 1: check_end(rlx_points_wait(points, count, RLX_WAIT_ALL, RLX_FOREVER, &index)); break;
    case 2: check_end(rlx_point_wait(points[0], RLX_FOREVER)); break;
    default: check_end(rlx_point_query(points[0])); break;
    }
    CHECK(index <= count);
}

static void wait_for_those_behind(worker *w) {
    check_end(rlx_points_wait(w->behind, w->left, RLX_WAIT_ALL, RLX_FOREVER, NULL));
    w->left = 0;
}

static void *work(void *user) {
    worker *w = user;
    while (rlx_clock_ns() < atomic_load(&all.end)) {
        uint32_t device = dice(w, DEVICES);
        rlx_stream *stream = all.streams[w->number * DEVICES + device];
        if (w->left == LEFT) wait_for_those_behind(w);
        switch (dice(w, 12)) {
        case 0: check_bytes(w, device, stream); break;
        case 1: transfer(w); break;
        case 2: short_life(w); break;
        case 3: disturb(w); break;
        case 4: wait_some(w); break;
        default:
            encode_some(w, device, stream, w->buffers[device]);
            (void)submit(w, stream);
            break;
        }
    }
    for (int i = 0; i < DEVICES; i++)
        check_end(rlx_stream_wait(all.streams[w->number * DEVICES + (uint32_t)i], RLX_FOREVER));
    wait_for_those_behind(w);
    return NULL;
}

/* ---- The rounds ---- */

static _Atomic bool done;

static void nap(long ms) { nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL); }

/* A test that hangs says so. */
static void *watch(void *unused) {
    (void)unused;
    for (int i = 0; i < PATIENCE_S * 20 && !atomic_load(&done); i++) nap(50);
    if (atomic_load(&done)) return NULL;
    printf("# hangs: of %u callbacks %u came\n", atomic_load(&all.asked), atomic_load(&all.heard));
    fflush(stdout);
    _Exit(1);
}

static void open_all(void) {
    static const char *const names[DEVICES] = { "cpu", "sync" };
    for (int i = 0; i < DEVICES; i++) {
        rlx_stream *recording = NULL;
        CHECK_INT(rlx_device_open(names[i], &(rlx_device_desc){ .workers = 2 }, &all.devices[i]), RLX_OK);
        CHECK_INT(rlx_stream_create(all.devices[i], &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording),
                  RLX_OK);
        CHECK_INT(rlx_stream_host_call(recording, enter_run, &all.inside[i]), RLX_OK);
        CHECK_INT(rlx_stream_host_call(recording, succeed, NULL), RLX_OK);
        CHECK_INT(rlx_stream_host_call(recording, leave_run, &all.inside[i]), RLX_OK);
        CHECK_INT(rlx_stream_finish(recording, NULL, &all.programs[i]), RLX_OK);
        rlx_stream_release(recording);
    }
    for (int i = 0; i < STREAMS; i++)
        CHECK_INT(rlx_stream_create(all.devices[i % DEVICES], NULL, &all.streams[i]), RLX_OK);
    memset(all.points, 0, sizeof all.points);
    atomic_store(&all.end, rlx_clock_ns() + ROUND);
}

static void start(worker *w, uint32_t number, uint64_t seed) {
    *w = (worker){ .number = number, .random = seed };
    for (int i = 0; i < DEVICES; i++)
        CHECK_INT(rlx_buffer_create(all.devices[i], &(rlx_buffer_desc){ .size = WORDS * 4 }, &w->buffers[i]), RLX_OK);
    CHECK(pthread_create(&w->thread, NULL, work, w) == 0);
}

/* Every callback comes in the end, perhaps a moment after the point that it is about. */
static void close_all(worker *workers) {
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        for (int j = 0; j < DEVICES; j++) rlx_buffer_release(workers[i].buffers[j]);
    }
    for (int i = 0; i < STREAMS; i++) rlx_stream_release(all.streams[i]);
    for (int i = 0; i < DEVICES; i++) rlx_program_release(all.programs[i]);
    for (int i = 0; i < DEVICES; i++) rlx_device_release(all.devices[i]);
    while (atomic_load(&all.heard) < atomic_load(&all.asked)) nap(1);
}

static void threads_that_do_everything_at_once_neither_hang_nor_lose_a_callback(void) {
    pthread_t watchdog;
    worker workers[THREADS];
    CHECK(pthread_create(&watchdog, NULL, watch, NULL) == 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        open_all();
        for (uint32_t i = 0; i < THREADS; i++)
            start(&workers[i], i, UINT64_C(88172645463325252) + 977 * (round * 16 + i));
        close_all(workers);
    }
    atomic_store(&done, true);
    pthread_join(watchdog, NULL);
    for (uint32_t i = 0; i < atomic_load(&all.asked); i++) CHECK_UINT(atomic_load(&all.notices[i]), 1);
    printf("# %u callbacks; %u batches read back\n", atomic_load(&all.heard), atomic_load(&all.ended_well));
    CHECK(atomic_load(&all.ended_well) > 0);
}

/* ---- Loss ---- */

static rlx_status lose(void *user) {
    (void)user;
    return RLX_ERROR_DEVICE_LOST;
}

static void loss_notice(void *user, rlx_status status) {
    CHECK(status == RLX_OK || status == RLX_ERROR_DEVICE_LOST);
    atomic_fetch_add((_Atomic uint32_t *)user, 1);
}

/* Submits until the device is lost; one of the threads loses it. */
static void *work_until_loss(void *user) {
    worker *w = user;
    _Atomic uint32_t heard = 0;
    uint32_t asked = 0;
    rlx_stream *stream = all.streams[w->number];
    for (rlx_status status = RLX_OK; !status;) {
        rlx_point point = { 0 };
        bool loses = w->number == 0 && asked == 100;
        CHECK_INT(rlx_stream_fill(stream, rlx_whole(w->buffers[0]), 1, 1), RLX_OK);
        CHECK_INT(rlx_stream_host_call(stream, loses ? lose : succeed, NULL), RLX_OK);
        rlx_status depended = rlx_stream_depend(stream, pick(w));
        CHECK(depended == RLX_OK);
        status = rlx_stream_submit(stream, &point);
        publish(w, point);
        CHECK_INT(rlx_point_notify(point, loss_notice, &heard), RLX_OK);
        asked++;
        if (dice(w, 2)) status = rlx_point_wait(point, RLX_FOREVER);
        CHECK(status == RLX_OK || status == RLX_ERROR_DEVICE_LOST);
    }
    CHECK_INT(rlx_stream_wait(stream, RLX_FOREVER), RLX_ERROR_DEVICE_LOST);
    CHECK_INT(rlx_stream_recover(stream), RLX_ERROR_DEVICE_LOST);
    while (atomic_load(&heard) < asked) nap(1);
    CHECK_UINT(atomic_load(&heard), asked);
    return NULL;
}

static void a_device_that_is_lost_ends_what_every_thread_does_with_it(void) {
    pthread_t watchdog;
    atomic_store(&done, false);
    CHECK(pthread_create(&watchdog, NULL, watch, NULL) == 0);
    for (uint32_t round = 0; round < 20; round++) {
        worker workers[THREADS];
        rlx_health health = { 0 };
        open_all();
        rlx_device *device = all.devices[round % DEVICES];
        for (int i = 0; i < STREAMS; i++) rlx_stream_release(all.streams[i]);
        for (uint32_t i = 0; i < THREADS; i++) {
            CHECK_INT(rlx_stream_create(device, NULL, &all.streams[i]), RLX_OK);
            workers[i] = (worker){ .number = i, .random = UINT64_C(88172645463325252) + 977 * (round * 16 + i) };
            CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 4096 }, &workers[i].buffers[0]), RLX_OK);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&workers[i].thread, NULL, work_until_loss, &workers[i]) == 0);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(workers[i].thread, NULL);
            rlx_buffer_release(workers[i].buffers[0]);
            rlx_stream_release(all.streams[i]);
        }
        CHECK_INT(rlx_device_health(device, &health), RLX_OK);
        CHECK_INT(health.status, RLX_ERROR_DEVICE_LOST);
        for (int i = 0; i < DEVICES; i++) rlx_program_release(all.programs[i]);
        for (int i = 0; i < DEVICES; i++) rlx_device_release(all.devices[i]);
    }
    atomic_store(&done, true);
    pthread_join(watchdog, NULL);
}

static const tap_test tests[] = {
    TAP(threads_that_do_everything_at_once_neither_hang_nor_lose_a_callback),
    TAP(a_device_that_is_lost_ends_what_every_thread_does_with_it),
};
TAP_MAIN(tests)
