/* Validation, beside what commands do: threads, what outlives its device, how it is turned on, memory that it does not
 * get; and that nothing is found where there is nothing. */
#include "validate.h"

/* ---- Two threads ---- */

static struct {
    atomic_uint entered, leave;
    _Atomic uint64_t inside; /* the thread that is to stay */
} meeting;

/* Holds a thread that allocates inside of an encoding call. */
static bool stay_inside(size_t size) {
    (void)size;
    if (rlx_thread_id() != atomic_load(&meeting.inside)) return true;
    atomic_store(&meeting.entered, 1);
    while (!atomic_load(&meeting.leave)) rlx_thread_yield();
    return true;
}

static void *encode_slowly(void *user) {
    const world *w = user;
    atomic_store(&meeting.inside, rlx_thread_id());
    atomic_store(&rlx_allocation_check, stay_inside);
    CHECK_INT(rlx_stream_fill(w->s, rlx_whole(w->x), 1, 4), RLX_OK); /* the stream's first memory */
    return NULL;
}

static void two_threads_that_encode_at_once_are_found(void) {
    world w = begin("cpu", true);
    rlx_thread thread;
    atomic_store(&meeting.entered, 0);
    atomic_store(&meeting.leave, 0);
    CHECK(rlx_thread_start(&thread, "slow", encode_slowly, &w));
    while (!atomic_load(&meeting.entered)) rlx_thread_yield();
    CHECK_INT(rlx_stream_fill(w.s, rlx_whole(w.y), 1, 4), RLX_ERROR_THREAD);
    CHECK_HOLDS(rlx_last_error(), "cpu: validation: two threads encode on stream 's' at once");
    CHECK_HOLDS(lines.text, "two threads encode on stream 's' at once");
    CHECK_INT(dispatch(&w, w.s, rlx_whole(w.x), rlx_whole(w.y), rlx_whole(w.z), (misdeed){ 0 }), RLX_ERROR_THREAD);
    CHECK_INT(rlx_stream_submit(w.s, NULL), RLX_ERROR_THREAD);
    CHECK_INT(rlx_stream_depend(w.s, (rlx_point){ 0 }), RLX_ERROR_THREAD);
    CHECK_INT(rlx_transfer(w.s, rlx_whole(w.x), w.s, rlx_whole(w.y), NULL), RLX_ERROR_THREAD);
    rlx_stream_discard(w.s);
    CHECK_INT(rlx_stream_wait(w.s, 0), RLX_OK); /* which any thread may */
    atomic_store(&meeting.leave, 1);
    rlx_thread_join(thread);
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_UINT(w.s->current->commands, 1); /* neither lost nor more */
    CHECK_INT(run(&w), RLX_OK);
    finish(&w);
}

static rlx_status call_encodes(void *user) {
    const world *w = user;
    return rlx_stream_fill(w->s, rlx_whole(w->x), 1, 4);
}

static void a_stream_may_go_from_thread_to_thread_and_a_callback_encode(void) {
    world w = begin("sync", true);
    CHECK_INT(rlx_stream_host_call(w.s, call_encodes, &w), RLX_OK);
    CHECK_INT(run(&w), RLX_OK);
    CHECK_UINT(w.s->current->commands, 1);
    rlx_thread thread;
    atomic_store(&meeting.leave, 1);
    CHECK(rlx_thread_start(&thread, "next", encode_slowly, &w));
    rlx_thread_join(thread);
    atomic_store(&rlx_allocation_check, NULL);
    CHECK_INT(run(&w), RLX_OK);
    CHECK_STRING(lines.text, "");
    finish(&w);
}

/* ---- Alive ---- */

static void what_outlives_its_device_is_told(void) {
    world w = begin("cpu", true);
    void *host = NULL;
    CHECK_INT(rlx_host_alloc(w.device, 100, &host), RLX_OK);
    rlx_buffer_retain(w.x);
    rlx_buffer_release(w.x), rlx_buffer_release(w.y);
    fill(&w, rlx_whole(w.z));
    rlx_buffer_release(w.z); /* held by what is encoded: no longer the user's */
    rlx_device_retain(w.device);
    rlx_device_release(w.device);
    CHECK_STRING(lines.text, "");
    rlx_device *device = w.device;
    rlx_device_retain(device), rlx_device_release(device);
    rlx_device_release(device);
    CHECK_HOLDS(lines.text, "cpu: validation: the device is released, and still alive are ");
    CHECK_HOLDS(lines.text, "buffer 'x' of 256 bytes");
    CHECK_HOLDS(lines.text, "kernel 'writer'");
    CHECK_HOLDS(lines.text, "stream 's'");
    CHECK_HOLDS(lines.text, "100 bytes of host memory");
    CHECK(!strstr(lines.text, "'y'") && !strstr(lines.text, "'z'"));
    CHECK_HOLDS(rlx_last_error(), "still alive are");
    rlx_host_free(device, host); /* the stream still holds it open */
    rlx_buffer_release(w.x), rlx_kernel_release(w.kernel), rlx_stream_release(w.s);
    w = begin("cpu", true);
    finish(&w);
    CHECK_STRING(lines.text, "");
    w = begin("cpu", false);
    rlx_device_release(w.device);
    CHECK_STRING(lines.text, "");
    rlx_device_retain(w.device);
    finish(&w);
}

/* ---- On and off ---- */

static bool is_validated(rlx_validation level) {
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open("sync", &(rlx_device_desc){ .validation = level }, &device), RLX_OK);
    bool on = device->checks != NULL;
    rlx_device_release(device);
    return on;
}

static void the_description_decides_and_else_the_environment(void) {
    unsetenv("RLX_VALIDATE");
    CHECK(!is_validated(RLX_VALIDATION_DEFAULT));
    CHECK(is_validated(RLX_VALIDATION_ON));
    setenv("RLX_VALIDATE", "1", 1);
    CHECK(is_validated(RLX_VALIDATION_DEFAULT));
    CHECK(!is_validated(RLX_VALIDATION_OFF));
    setenv("RLX_VALIDATE", "0", 1);
    CHECK(!is_validated(RLX_VALIDATION_DEFAULT));
    unsetenv("RLX_VALIDATE");
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open("sync", &(rlx_device_desc){ .validation = (rlx_validation)3 }, &device),
              RLX_ERROR_INVALID);
    CHECK_HOLDS(rlx_last_error(), "rlx_device_desc.validation: 3");
}

/* ---- Memory ---- */

static _Atomic uint64_t allocations, refused;

static bool refuse_one(size_t size) {
    (void)size;
    return atomic_fetch_add(&allocations, 1) != atomic_load(&refused);
}

/* To a device of its own. */
static rlx_status transfer_once(rlx_stream *s, rlx_buffer *x) {
    rlx_device *device = NULL;
    rlx_stream *to = NULL;
    rlx_buffer *y = NULL;
    rlx_point moved;
    rlx_status status = rlx_device_open("sync", &(rlx_device_desc){ .validation = RLX_VALIDATION_ON }, &device);
    if (!status) status = rlx_stream_create(device, NULL, &to);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = BYTES }, &y);
    if (!status) status = rlx_transfer(to, rlx_whole(y), s, rlx_whole(x), &moved);
    if (!status) status = rlx_point_wait(moved, 10 * RLX_SECOND);
    rlx_buffer_release(y), rlx_stream_release(to), rlx_device_release(device);
    return status;
}

static rlx_status try_all(void) {
    rlx_device *device = NULL;
    rlx_stream *s = NULL;
    rlx_buffer *x = NULL, *y = NULL, *z = NULL;
    rlx_kernel *kernel = NULL;
    misdeed deed = { 0 };
    unsigned char bytes[BYTES] = { 0 };
    const rlx_param params[] = { { RLX_READ }, { RLX_WRITE }, { RLX_READ_WRITE }, { RLX_VALUE, sizeof(misdeed), 4 } };
    const rlx_code code = { RLX_CODE_HOST, .function = kernel_writes };
    const rlx_kernel_desc desc = {
        .name = "writer", .params = params, .param_count = 4, .codes = &code, .code_count = 1
    };
    rlx_status status = rlx_device_open("sync", &(rlx_device_desc){ .validation = RLX_VALIDATION_ON }, &device);
    if (!status) status = rlx_stream_create(device, NULL, &s);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = BYTES }, &x);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = BYTES }, &y);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 * BYTES }, &z);
    if (!status) status = rlx_kernel_create(device, &desc, &kernel);
    if (!status) status = rlx_stream_write(s, rlx_whole(x), bytes, 0);
    if (!status) status = rlx_stream_fill(s, rlx_whole(z), 0, 4);
    if (!status) {
        const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_buffer(rlx_whole(y)),
                                 rlx_arg_buffer(rlx_part(z, 32 * BYTES, BYTES)), rlx_arg_bytes(&deed, sizeof deed) };
        const rlx_use use = { rlx_part(x, 0, 4), RLX_READ };
        status = rlx_stream_dispatch(
            s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4, .uses = &use, .use_count = 1 });
    }
    if (!status) status = rlx_stream_read(s, bytes, rlx_whole(y));
    if (!status) status = rlx_stream_submit_and_wait(s, 10 * RLX_SECOND);
    if (!status) status = transfer_once(s, y);
    rlx_buffer_release(x), rlx_buffer_release(y), rlx_buffer_release(z);
    rlx_kernel_release(kernel), rlx_stream_release(s), rlx_device_release(device);
    return status;
}

static void memory_that_validation_does_not_get_is_a_status(void) {
    CHECK_INT(try_all(), RLX_OK);
    uint64_t needed = UINT64_MAX;
    for (uint64_t i = 0; i < needed && i < 1000; i++) {
        atomic_store(&refused, i);
        atomic_store(&allocations, 0);
        atomic_store(&rlx_allocation_check, refuse_one);
        rlx_status status = try_all();
        atomic_store(&rlx_allocation_check, NULL);
        if (atomic_load(&allocations) <= i) needed = i; /* none was refused */
        CHECK_INT(status, needed == i ? RLX_OK : RLX_ERROR_OUT_OF_MEMORY);
    }
    printf("# each of %llu allocations\n", (unsigned long long)needed);
    CHECK(needed > 8 && needed < 1000);
}

/* ---- Nothing is found where there is nothing ---- */

enum { ARENA = 1 << 14, SLOTS = 64, SLOT = ARENA / SLOTS, ROUNDS = 400 };

typedef struct worker {
    const world *w;
    rlx_buffer *arena;
    uint32_t first, count; /* slots of its own, side by side with others' */
    uint64_t seed;
} worker;

static uint32_t draw(worker *self, uint32_t limit) {
    self->seed = self->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(self->seed >> 33) % limit;
}

static rlx_range slot_of(worker *self, uint32_t i) {
    return rlx_part(self->arena, (uint64_t)(self->first + i % self->count) * SLOT, SLOT);
}

/* Random commands on slots of one's own in an arena that is everybody's, by one stream of each thread. */
static void *work(void *user) {
    worker *self = user;
    rlx_stream *s = make_stream(self->w->device, 0);
    unsigned char *host = calloc(ROUNDS, SLOT);
    if (!CHECK(host != NULL)) return NULL;
    for (uint32_t i = 0; i < self->count; i++) CHECK_INT(rlx_stream_fill(s, slot_of(self, i), i, 4), RLX_OK);
    for (uint32_t i = 0; i < ROUNDS / TAP_LESS; i++) {
        uint32_t a = draw(self, self->count);
        unsigned char *bytes = host + (size_t)i * SLOT;
        rlx_status status = RLX_OK;
        switch (draw(self, 6)) {
        case 0: status = rlx_stream_fill(s, slot_of(self, a), a, 1); break;
        case 1: status = rlx_stream_write(s, slot_of(self, a), bytes, 0); break;
        case 2: status = rlx_stream_read(s, bytes, slot_of(self, a)); break;
        case 3: status = rlx_stream_copy(s, slot_of(self, a), slot_of(self, a + 1)); break;
        default:
            status = dispatch(self->w, s, slot_of(self, a), slot_of(self, a + 1), slot_of(self, a + 2), (misdeed){ 0 });
        }
        CHECK_INT(status, RLX_OK);
        if (draw(self, 8) == 0) CHECK_INT(rlx_stream_submit(s, NULL), RLX_OK);
        if (draw(self, 64) == 0) CHECK_INT(rlx_stream_wait(s, 10 * RLX_SECOND), RLX_OK);
    }
    CHECK_INT(rlx_stream_submit_and_wait(s, 10 * RLX_SECOND), RLX_OK);
    free(host);
    rlx_stream_release(s);
    return NULL;
}

static void nothing_is_found_in_an_arena_that_many_streams_work_on(void) {
    enum { THREADS = 4 };
    world w = begin("cpu", true);
    rlx_buffer *arena = make_buffer(w.device, ARENA, "arena");
    worker workers[THREADS];
    rlx_thread threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){ &w, arena, i * SLOTS / THREADS, SLOTS / THREADS, i + 1 };
        CHECK(rlx_thread_start(&threads[i], "worker", work, &workers[i]));
    }
    for (uint32_t i = 0; i < THREADS; i++) rlx_thread_join(threads[i]);
    CHECK_STRING(lines.text, "");
    rlx_buffer_release(arena);
    finish(&w);
}

/* Two kernels on two streams that are in the middle at once, and each of which writes while the other is watched. */
static struct { atomic_uint begun, written; } pair;

static bool await(atomic_uint *word, unsigned value) {
    for (uint64_t end = rlx_deadline(10 * RLX_SECOND); atomic_load(word) < value; rlx_thread_yield())
        if (rlx_clock_ns() > end) return false;
    return true;
}

static rlx_status write_together(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    atomic_fetch_add(&pair.begun, 1);
    if (!await(&pair.begun, 2)) return RLX_ERROR_KERNEL;
    memset(k->args[0].data, 7, k->args[0].size);
    atomic_fetch_add(&pair.written, 1);
    return await(&pair.written, 2) ? RLX_OK : RLX_ERROR_KERNEL;
}

static void what_another_stream_writes_beside_is_no_overrun(void) {
    world w = begin("cpu", true);
    rlx_stream *other = make_stream(w.device, 0);
    rlx_kernel *kernel = NULL;
    rlx_point points[2];
    const rlx_code code = { RLX_CODE_HOST, .function = write_together };
    const rlx_param param = { RLX_WRITE };
    const rlx_kernel_desc desc = { .name = "k", .params = &param, .param_count = 1, .codes = &code, .code_count = 1 };
    CHECK_INT(rlx_kernel_create(w.device, &desc, &kernel), RLX_OK);
    for (unsigned i = 0; i < 2; i++) {
        rlx_stream *s = i ? other : w.s;
        const rlx_arg arg = rlx_arg_buffer(rlx_part(w.x, i * 128, 128));
        CHECK_INT(rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = &arg, .arg_count = 1 }),
                  RLX_OK);
        CHECK_INT(rlx_stream_submit(s, &points[i]), RLX_OK);
        CHECK(await(&pair.begun, i + 1));
    }
    for (unsigned i = 0; i < 2; i++) CHECK_INT(rlx_point_wait(points[i], 20 * RLX_SECOND), RLX_OK);
    CHECK_STRING(lines.text, "");
    rlx_kernel_release(kernel), rlx_stream_release(other);
    finish(&w);
}

static const tap_test tests[] = {
    TAP(two_threads_that_encode_at_once_are_found),
    TAP(a_stream_may_go_from_thread_to_thread_and_a_callback_encode),
    TAP(what_outlives_its_device_is_told),
    TAP(the_description_decides_and_else_the_environment),
    TAP(memory_that_validation_does_not_get_is_a_status),
    TAP(what_another_stream_writes_beside_is_no_overrun),
    TAP(nothing_is_found_in_an_arena_that_many_streams_work_on),
};
TAP_MAIN(tests)
