/* Rule 9: devices, buffers, kernels, programs and points on any thread; one stream's encoding on one thread at a time;
 * wait, query, cancel and recover on any. A device that is bound to a thread says so, and answers RLX_ERROR_THREAD. */
#include "conform.h"
#include "script.h"

#define THREADS 6

static void run_threads(conform_test *t, conform_thread_function function, void *user) {
    conform_thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) threads[i] = conform_thread_start(t, function, user);
    for (int i = 0; i < THREADS; i++) conform_thread_join(t, threads[i]);
}

/* ---- Streams of their own on one device ---- */

static void run_script(conform_test *t, void *user) {
    (void)user;
    enum { COMMANDS = 150 };
    conform_script *script = conform_script_make(t, t->device, COMMANDS);
    rlx_stream *s = conform_stream(t, 0);
    conform_script_reset(t, script);
    for (uint32_t i = 0; i < COMMANDS; i += 10) {
        conform_script_encode(t, script, s, i, i + 10);
        CHECK_OK(t, rlx_stream_submit(s, NULL));
    }
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    conform_script_check(t, script);
}

static void each_thread_drives_a_stream(conform_test *t) { run_threads(t, run_script, NULL); }

/* ---- Objects shared ---- */

typedef struct shared_objects {
    rlx_kernel *affine;
    rlx_program *program; /* adds one to the words at slot 0 */
    rlx_buffer *x;        /* a part for each thread */
    atomic_uint next;     /* numbers of threads */
    uint64_t part;        /* bytes */
} shared_objects;

static void use_shared_objects(conform_test *t, void *user) {
    shared_objects *o = user;
    uint32_t me = atomic_fetch_add(&o->next, 1);
    rlx_range mine = rlx_part(o->x, me * o->part, o->part);
    rlx_stream *s = conform_stream(t, 0);
    uint32_t expected = 0;
    conform_set(t, mine, 0);
    for (uint32_t i = 0; i < 60; i++) {
        const rlx_arg args[] = { rlx_arg_buffer(mine), rlx_arg_u32(3), rlx_arg_u32(me),
                                 rlx_arg_u32((uint32_t)(o->part / 4)), rlx_arg_u32(1) };
        const rlx_slot_value values[] = { { .slot = 0, .range = mine } };
        rlx_buffer_retain(o->x), rlx_kernel_retain(o->affine), rlx_program_retain(o->program);
        CHECK_OK(t,
                 rlx_stream_dispatch(s, o->affine, &(rlx_dispatch){ .groups = { 4 }, .args = args, .arg_count = 5 }));
        CHECK_OK(t, rlx_stream_run(s, o->program, &(rlx_run){ .values = values, .count = 1 }));
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        rlx_buffer_release(o->x), rlx_kernel_release(o->affine), rlx_program_release(o->program);
        expected = conform_affine_word(expected, 3, me, 1) + 1;
    }
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    uint32_t word;
    conform_get(t, &word, rlx_part(o->x, me * o->part, 4));
    CHECK_EQUAL(t, word, expected);
}

static void threads_share_buffers_kernels_and_programs(conform_test *t) {
    shared_objects *o = conform_memory(t, sizeof *o);
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD);
    o->part = 1024;
    o->affine = conform_kernel_of(t, t->device, CONFORM_AFFINE);
    o->x = conform_buffer(t, THREADS * o->part);
    const rlx_arg args[] = { rlx_arg_slot(0), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(256), rlx_arg_u32(1) };
    CHECK_OK(
        t, rlx_stream_dispatch(recording, o->affine, &(rlx_dispatch){ .groups = { 4 }, .args = args, .arg_count = 5 }));
    o->program = conform_finish(t, recording);
    run_threads(t, use_shared_objects, o);
}

static void come_and_go(conform_test *t, void *user) {
    (void)user;
    for (uint32_t i = 0; i < 60; i++) {
        rlx_stream *s, *recording;
        rlx_buffer *x;
        rlx_program *program;
        uint32_t word = 0;
        CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
        CHECK_OK(t, rlx_stream_create(t->device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording));
        CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 4096 }, &x));
        conform_affine(t, recording, rlx_whole(x), 1, 1, 1);
        CHECK_OK(t, rlx_stream_finish(recording, NULL, &program));
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), i, 4));
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_read(s, &word, rlx_part(x, 4092, 4)));
        rlx_program_release(program);
        rlx_buffer_release(x);
        rlx_stream_release(recording);
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        rlx_stream_release(s);
        CHECK_EQUAL(t, word, i + 1);
    }
}

static void objects_come_and_go_on_many_threads(conform_test *t) { run_threads(t, come_and_go, NULL); }

static void open_and_close(conform_test *t, void *user) {
    (void)user;
    for (int i = 0; i < 8; i++) {
        rlx_device *device;
        rlx_stream *s;
        const rlx_device_properties *list[64];
        uint32_t count = 0;
        CHECK_OK(t, rlx_device_open(t->info->name, NULL, &device));
        CHECK_OK(t, rlx_stream_create(device, NULL, &s));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_OK(t, rlx_devices_list(list, 64, &count));
        rlx_stream_release(s);
        rlx_device_release(device);
    }
}

static void devices_are_opened_and_closed_on_many_threads(conform_test *t) { run_threads(t, open_and_close, NULL); }

/* ---- One stream, handed from thread to thread ---- */

typedef struct baton {
    rlx_stream *s;
    rlx_buffer *x;
    atomic_uint turn; /* whose turn it is: the caller's order, as the rule asks */
    atomic_uint next;
} baton;

#define TURNS 120

static void take_turns(conform_test *t, void *user) {
    baton *b = user;
    uint32_t me = atomic_fetch_add(&b->next, 1);
    for (uint32_t i = me; i < TURNS; i += THREADS) {
        for (uint64_t limit = conform_now_ns() + t->patience; atomic_load(&b->turn) != i && conform_now_ns() < limit;)
            conform_sleep_us(20);
        CHECK_EQUAL(t, atomic_load(&b->turn), i);
        conform_affine(t, b->s, rlx_whole(b->x), 3, i, 1);
        if (i % 3) CHECK_OK(t, rlx_stream_submit(b->s, NULL)); /* a batch may have commands of several threads */
        if (i % 10 == 0) CHECK_OK(t, rlx_stream_submit_and_wait(b->s, t->patience));
        atomic_store(&b->turn, i + 1);
    }
}

static void a_stream_is_handed_from_thread_to_thread(conform_test *t) {
    baton *b = conform_memory(t, sizeof *b);
    b->s = conform_stream(t, 0);
    b->x = conform_buffer(t, 256);
    conform_set(t, rlx_whole(b->x), 0);
    run_threads(t, take_turns, b);
    CHECK_OK(t, rlx_stream_submit_and_wait(b->s, t->patience));
    uint32_t expected = 0;
    for (uint32_t i = 0; i < TURNS; i++) expected = conform_affine_word(expected, 3, i, 1);
    CHECK_EQUAL(t, conform_get_u32(t, b->x, 63), expected);
}

static void make_stream(conform_test *t, void *user) {
    rlx_stream **s = user;
    CHECK_OK(t, rlx_stream_create(t->device, NULL, s));
    CHECK_OK(t, rlx_stream_submit(*s, NULL));
}

static void a_stream_outlives_the_thread_that_made_it(conform_test *t) {
    rlx_stream **s = conform_memory(t, sizeof *s);
    conform_thread_join(t, conform_thread_start(t, make_stream, s));
    atomic_uint *calls = conform_counter(t);
    conform_count(t, *s, calls);
    CHECK_OK(t, rlx_stream_submit_and_wait(*s, t->patience));
    CHECK_EQUAL(t, atomic_load(calls), 1);
    rlx_stream_release(*s);
}

/* ---- Wait, query, cancel, recover, failure from other threads while one encodes and submits ---- */

typedef struct bystanders {
    rlx_stream *s;
    _Atomic uint64_t timeline, value; /* of the last point */
    atomic_uint stop, cancelled;
} bystanders;

static void stand_by(conform_test *t, void *user) {
    bystanders *b = user;
    uint64_t end = conform_now_ns() + t->patience; /* where the test fails, nobody says stop */
    while (!atomic_load(&b->stop) && conform_now_ns() < end) {
        rlx_point point = { atomic_load(&b->timeline), atomic_load(&b->value) };
        if (point.timeline == 0) point.value = 0; /* stored after the value: nothing had been submitted */
        rlx_failure failure;
        uint32_t any = CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_NOT_READY) | CONFORM_BIT(RLX_TIMEOUT) |
                       CONFORM_BIT(RLX_ERROR_CANCELLED) | CONFORM_BIT(RLX_ERROR_EXPIRED);
        CHECK_ONE_OF(t, rlx_point_query(point), any);
        CHECK_ONE_OF(t, rlx_point_wait(point, 50 * RLX_MICROSECOND), any);
        CHECK_ONE_OF(t, rlx_stream_wait(b->s, 50 * RLX_MICROSECOND), any);
        CHECK_OK(t, rlx_stream_failure(b->s, &failure));
        CHECK(t, failure.status == RLX_OK || failure.status == RLX_ERROR_CANCELLED, "no failure, or cancelled");
        if (conform_below(t, 20) == 0) CHECK_OK(t, rlx_stream_cancel(b->s));
        if (conform_below(t, 4) == 0) CHECK_OK(t, rlx_stream_recover(b->s));
    }
}

static void other_threads_wait_cancel_and_recover(conform_test *t) {
    bystanders *b = conform_memory(t, sizeof *b);
    rlx_buffer *x = conform_buffer(t, 256);
    b->s = conform_stream(t, 0);
    conform_set(t, rlx_whole(x), 0);
    conform_thread *threads[3];
    for (int i = 0; i < 3; i++) threads[i] = conform_thread_start(t, stand_by, b);
    uint64_t before = 0, end = conform_now_ns() + 300 * RLX_MILLISECOND;
    for (uint32_t i = 0; i < 2000 && conform_now_ns() < end; i++) {
        rlx_point point = { 0, 0 };
        conform_affine(t, b->s, rlx_whole(x), 1, 1, 1);
        CHECK_ONE_OF(t, rlx_stream_submit(b->s, &point), CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_ERROR_CANCELLED));
        CHECK(t, i == 0 || point.value == before + 1, "values rise by one, whatever other threads do");
        before = point.value;
        atomic_store(&b->value, point.value);
        atomic_store(&b->timeline, point.timeline);
    }
    atomic_store(&b->stop, 1);
    for (int i = 0; i < 3; i++) conform_thread_join(t, threads[i]);
    CHECK_OK(t, rlx_stream_recover(b->s));
    CHECK_OK(t, rlx_stream_submit_and_wait(b->s, t->patience));
}

/* ---- Points between threads ---- */

typedef struct ping_pong {
    rlx_stream *streams[2];
    rlx_buffer *x;
    _Atomic uint64_t timeline, value; /* the point to depend on */
    atomic_uint turn, next;
} ping_pong;

static void play(conform_test *t, void *user) {
    ping_pong *p = user;
    uint32_t me = atomic_fetch_add(&p->next, 1);
    if (me > 1) return;
    for (uint32_t i = me; i < 200; i += 2) {
        for (uint64_t limit = conform_now_ns() + t->patience; atomic_load(&p->turn) != i && conform_now_ns() < limit;)
            conform_sleep_us(5);
        CHECK_EQUAL(t, atomic_load(&p->turn), i);
        rlx_point before = { atomic_load(&p->timeline), atomic_load(&p->value) }, point;
        CHECK_OK(t, rlx_stream_depend(p->streams[me], before));
        conform_affine(t, p->streams[me], rlx_whole(p->x), 3 + me, i, 3);
        CHECK_OK(t, rlx_stream_submit(p->streams[me], &point));
        atomic_store(&p->timeline, point.timeline);
        atomic_store(&p->value, point.value);
        atomic_store(&p->turn, i + 1);
    }
    CHECK_OK(t, rlx_stream_wait(p->streams[me], t->patience));
}

static void points_pass_between_threads(conform_test *t) {
    ping_pong *p = conform_memory(t, sizeof *p);
    p->streams[0] = conform_stream(t, 0), p->streams[1] = conform_stream(t, 0);
    p->x = conform_buffer(t, 256);
    conform_set(t, rlx_whole(p->x), 0);
    run_threads(t, play, p);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 200; i++) expected = conform_affine_word(expected, 3 + i % 2, i, 3);
    CHECK_EQUAL(t, conform_get_u32(t, p->x, 0), expected);
}

/* ---- A device that is bound to a thread ---- */

typedef struct elsewhere {
    rlx_device *device;
    rlx_stream *s, *recording;
    rlx_buffer *x;
    rlx_kernel *affine;
    rlx_program *program;
} elsewhere;

static void use_elsewhere(conform_test *t, void *user) {
    elsewhere *e = user;
    void *pointer;
    rlx_stream *s;
    rlx_buffer *x;
    rlx_kernel *k;
    rlx_program *p;
    rlx_point point;
    rlx_memory_report memory;
    const rlx_code code = { .format = RLX_CODE_HOST };
    CHECK_STATUS(t, rlx_stream_create(e->device, NULL, &s), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_buffer_create(e->device, &(rlx_buffer_desc){ .size = 64 }, &x), RLX_ERROR_THREAD);
    CHECK_STATUS(t,
                 rlx_kernel_create(e->device, &(rlx_kernel_desc){ .name = "k", .codes = &code, .code_count = 1 }, &k),
                 RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_host_alloc(e->device, 64, &pointer), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_device_memory(e->device, &memory), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_stream_fill(e->s, rlx_whole(e->x), 1, 4), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_stream_run(e->s, e->program, NULL), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_stream_depend(e->s, (rlx_point){ 0, 0 }), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_stream_submit(e->s, &point), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_stream_submit_and_wait(e->s, t->patience), RLX_ERROR_THREAD);
    CHECK_STATUS(t, rlx_stream_finish(e->recording, NULL, &p), RLX_ERROR_THREAD);
    CHECK(t, rlx_last_error()[0] != '\0', "a message that says so");
}

static void a_bound_device_refuses_other_threads(conform_test *t) {
    elsewhere *e = conform_memory(t, sizeof *e);
    rlx_stream *recording = conform_stream(t, RLX_STREAM_RECORD);
    e->device = t->device;
    e->s = conform_stream(t, 0);
    e->x = conform_buffer(t, 256);
    e->recording = conform_stream(t, RLX_STREAM_RECORD);
    conform_set(t, rlx_whole(e->x), 0);
    conform_affine(t, recording, rlx_whole(e->x), 1, 1, 1);
    e->program = conform_finish(t, recording);
    conform_thread_join(t, conform_thread_start(t, use_elsewhere, e));
    CHECK_OK(t, rlx_stream_submit_and_wait(e->s, t->patience)); /* and is as it was */
    CHECK_EQUAL(t, conform_get_u32(t, e->x, 0), 0);
    CHECK_OK(t, rlx_stream_run(e->s, e->program, NULL));
    CHECK_OK(t, rlx_stream_submit_and_wait(e->s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, e->x, 0), 1);
}

static void release_elsewhere(conform_test *t, void *user) {
    elsewhere *e = user;
    (void)t;
    rlx_buffer_release(e->x);
    rlx_program_release(e->program);
}

/* Release has no status to answer with: it works anywhere, and the memory comes back on the device's own thread. */
static void objects_of_a_bound_device_may_be_released_anywhere(conform_test *t) {
    elsewhere *e = conform_memory(t, sizeof *e);
    rlx_device *device = conform_open_again(t);
    rlx_stream *recording = conform_stream_on(t, device, RLX_STREAM_RECORD, NULL);
    rlx_memory_report before, after;
    CHECK_OK(t, rlx_device_memory(device, &before));
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 4096 }, &e->x));
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(e->x), 1, 4));
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &e->program));
    conform_thread_join(t, conform_thread_start(t, release_elsewhere, e));
    CHECK_OK(t, rlx_device_memory(device, &after));
    CHECK_OK(t, rlx_device_memory(device, &after));
    CHECK_EQUAL(t, after.used, before.used);
}

/* And one that doesn't say so isn't. */
typedef struct anywhere {
    rlx_device *device;
    rlx_stream *s;
    rlx_buffer *x;
} anywhere;

static void use_anywhere(conform_test *t, void *user) {
    anywhere *a = user;
    void *pointer;
    rlx_memory_report memory;
    rlx_health health;
    rlx_point point;
    CHECK_OK(t, rlx_host_alloc(a->device, 64, &pointer));
    rlx_host_free(a->device, pointer);
    CHECK_OK(t, rlx_device_memory(a->device, &memory));
    CHECK_OK(t, rlx_device_health(a->device, &health));
    conform_affine(t, a->s, rlx_whole(a->x), 1, 1, 1);
    CHECK_OK(t, rlx_stream_submit(a->s, &point));
    CHECK_DONE(t, point);
    CHECK_OK(t, rlx_stream_wait(a->s, t->patience));
    CHECK_OK(t, rlx_stream_cancel(a->s));
    CHECK_OK(t, rlx_stream_recover(a->s));
}

static void a_device_that_is_not_bound_serves_any_thread(conform_test *t) {
    anywhere *a = conform_memory(t, sizeof *a);
    *a = (anywhere){ t->device, conform_stream(t, 0), conform_buffer(t, 256) };
    conform_set(t, rlx_whole(a->x), 0);
    for (int i = 0; i < 10; i++) conform_thread_join(t, conform_thread_start(t, use_anywhere, a));
    CHECK_EQUAL(t, conform_get_u32(t, a->x, 63), 10);
}

const conform_case conform_rule09[] = {
    { 9, "a device that is not bound to a thread serves any", a_device_that_is_not_bound_serves_any_thread,
      NEEDS_THREADS },
    { 9, "each of six threads drives a stream of its own", each_thread_drives_a_stream, NEEDS_THREADS },
    { 9, "threads share buffers, kernels and programs", threads_share_buffers_kernels_and_programs, NEEDS_THREADS },
    { 9, "objects come and go on many threads", objects_come_and_go_on_many_threads, NEEDS_THREADS },
    { 9, "devices are opened and closed on many threads", devices_are_opened_and_closed_on_many_threads },
    { 9, "a stream is handed from thread to thread", a_stream_is_handed_from_thread_to_thread, NEEDS_THREADS },
    { 9, "a stream outlives the thread that made it", a_stream_outlives_the_thread_that_made_it, NEEDS_THREADS },
    { 9, "other threads wait, query, cancel and recover while one submits", other_threads_wait_cancel_and_recover,
      NEEDS_THREADS },
    { 9, "points pass between threads", points_pass_between_threads, NEEDS_THREADS },
    { 9, "a device that is bound to a thread refuses others, and changes nothing", a_bound_device_refuses_other_threads,
      NEEDS_THREAD_BOUND },
    { 9, "objects of a bound device may be released anywhere", objects_of_a_bound_device_may_be_released_anywhere,
      NEEDS_THREAD_BOUND },
    { 0 },
};
