/* Rule 7: an object released while work uses it lives until that work ends. A point needs no release and outlives its
 * stream and its device. */
#include "conform.h"

/* What would be in the way of something freed too early: buffers of the same size, full of something else. */
static void litter(conform_test *t, rlx_device *device, uint64_t size) {
    rlx_buffer *buffers[6];
    for (int i = 0; i < 6; i++) {
        CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &buffers[i]));
        conform_set(t, rlx_whole(buffers[i]), 0xEE);
    }
    for (int i = 0; i < 6; i++) rlx_buffer_release(buffers[i]);
}

/* A buffer that is released right after it was used in a command, before or after the submit; while it is held, others
 * take what memory they find. */
static void check_released_buffer(conform_test *t, uint64_t size, bool before_submit) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x, *y, *out = conform_buffer(t, size);
    conform_gate *gate = conform_gate_closed(t);
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = size }, &x));
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = size }, &y));
    conform_set(t, rlx_whole(x), 0x11);
    conform_set(t, rlx_whole(y), 0x22);
    conform_gate_hold(t, gate, s);
    conform_affine(t, s, rlx_whole(x), 1, 1, 1);
    CHECK_OK(t, rlx_stream_copy(s, rlx_whole(out), rlx_whole(x)));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(y), 0x33333333, 4));
    CHECK_OK(t, rlx_stream_copy(s, rlx_part(out, 0, 4), rlx_part(y, size - 4, 4)));
    if (before_submit) rlx_buffer_release(x), rlx_buffer_release(y);
    if (before_submit) litter(t, t->device, size);
    rlx_point point;
    CHECK_OK(t, rlx_stream_submit(s, &point));
    if (!before_submit) rlx_buffer_release(x), rlx_buffer_release(y);
    litter(t, t->device, size);
    CHECK_STATUS(t, rlx_point_query(point), RLX_NOT_READY);
    conform_gate_check(t, gate, "releases return");
    conform_gate_open(gate);
    CHECK_DONE(t, point);
    CHECK_EQUAL(t, conform_get_u32(t, out, 0), 0x33333333);
    CHECK_EQUAL(t, conform_get_u32(t, out, size / 4 - 1), 0x11111112);
}

static void a_released_buffer_lives_until_its_work_ends(conform_test *t) {
    const uint64_t sizes[] = { 64, 4096, 1 << 20, 8 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_released_buffer(t, sizes[i], false);
        check_released_buffer(t, sizes[i], true);
    }
}

static void a_released_use_lives_until_its_work_ends(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *x = conform_buffer(t, 256), *used;
    conform_gate *gate = conform_gate_closed(t);
    rlx_memory_report before, during;
    CHECK_OK(t, rlx_device_memory(t->device, &before));
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 1 << 20 }, &used));
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(x)), rlx_arg_u32(0), rlx_arg_u32(5), rlx_arg_u32(64),
                             rlx_arg_u32(1) };
    const rlx_use uses[] = { { rlx_whole(used), RLX_READ_WRITE } };
    conform_set(t, rlx_whole(x), 0);
    conform_set(t, rlx_whole(used), 0);
    conform_gate_hold(t, gate, s);
    CHECK_OK(t, rlx_stream_dispatch(
                    s, conform_kernel_of(t, t->device, CONFORM_AFFINE),
                    &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5, .uses = uses, .use_count = 1 }));
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    rlx_buffer_release(used);
    CHECK_OK(t, rlx_device_memory(t->device, &during));
    CHECK(t, during.used >= before.used + (1 << 20), "memory in `uses` of a held dispatch is still counted as used");
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, x, 63), 5);
}

/* ---- Kernels and programs ---- */

/* A host function whose user's data goes away with nobody but the kernel holding it: the kernel is called after its
 * release, and must be what it was. */
typedef struct marked {
    atomic_uint calls;
    uint32_t mark;
} marked;

static rlx_status note_mark(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    marked *m = k->user;
    (void)count;
    if (first == 0 && m->mark == 0xC0FFEE) atomic_fetch_add(&m->calls, 1);
    return RLX_OK;
}

static rlx_status note_nothing(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)k, (void)first, (void)count;
    return RLX_OK;
}

static rlx_kernel *make_kernel(conform_test *t, rlx_host_function function, void *user) {
    rlx_kernel *kernel;
    const rlx_code code = { .format = RLX_CODE_HOST, .function = function, .user = user };
    CHECK_OK(t, rlx_kernel_create(t->device, &(rlx_kernel_desc){ .name = "mark", .codes = &code, .code_count = 1 },
                                  &kernel));
    return kernel;
}

static void a_released_kernel_lives_until_its_work_ends(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    marked *m = conform_memory(t, sizeof *m);
    m->mark = 0xC0FFEE;
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < 20; i++) {
        rlx_kernel *kernel = make_kernel(t, note_mark, m);
        CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 } }));
        rlx_kernel_release(kernel);
    }
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    rlx_kernel *others[40]; /* in the place of those that are gone, if they are */
    for (int i = 0; i < 40; i++) others[i] = make_kernel(t, note_nothing, NULL);
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(&m->calls), 20);
    for (int i = 0; i < 40; i++) rlx_kernel_release(others[i]);
}

static void a_released_program_lives_until_its_run_ends(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording;
    rlx_buffer *x, *out = conform_buffer(t, 4096);
    conform_gate *gate = conform_gate_closed(t);
    rlx_program *program;
    CHECK_OK(t, rlx_stream_create(t->device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording));
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 4096 }, &x));
    conform_set(t, rlx_whole(x), 0);
    conform_affine(t, recording, rlx_whole(x), 1, 3, 1);
    CHECK_OK(t, rlx_stream_copy(recording, rlx_whole(out), rlx_whole(x)));
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &program));
    rlx_stream_release(recording); /* a program outlives its stream and its objects */
    rlx_buffer_release(x);
    litter(t, t->device, 4096);
    conform_gate_hold(t, gate, s);
    for (int i = 0; i < 5; i++) CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_submit(s, NULL));
    rlx_program_release(program);
    litter(t, t->device, 4096);
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_wait(s, t->patience));
    CHECK_EQUAL(t, conform_get_u32(t, out, 1000), 15);
}

static void a_program_inside_a_program_may_be_released(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    rlx_buffer *x;
    uint32_t *word = conform_memory(t, 4);
    rlx_program *inner, *outer;
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 4096 }, &x));
    conform_affine(t, recording, rlx_whole(x), 1, 2, 1);
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &inner));
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(x), 10, 4));
    CHECK_OK(t, rlx_stream_run(recording, inner, NULL));
    CHECK_OK(t, rlx_stream_run(recording, inner, NULL));
    CHECK_OK(t, rlx_stream_read(recording, word, rlx_part(x, 400, 4)));
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &outer));
    rlx_program_release(inner);
    rlx_buffer_release(x);
    litter(t, t->device, 4096);
    for (int i = 0; i < 3; i++) {
        *word = 0;
        CHECK_OK(t, rlx_stream_run(s, outer, NULL));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, *word, 14);
    }
    rlx_program_release(outer);
}

/* ---- Streams, devices, points ---- */

static void a_released_stream_runs_its_work_to_the_end(conform_test *t) {
    for (int i = 0; i < 20; i++) {
        rlx_stream *s;
        rlx_buffer *x = conform_buffer(t, 256);
        conform_gate *gate = conform_gate_closed(t);
        rlx_point points[3];
        CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
        if (i % 2) conform_gate_hold(t, gate, s);
        for (uint32_t b = 0; b < 3; b++) {
            conform_iota(t, s, rlx_whole(x), b);
            CHECK_OK(t, rlx_stream_submit(s, &points[b]));
        }
        rlx_stream_release(s);
        conform_gate_check(t, gate, "releasing a stream does not wait for its work");
        conform_gate_open(gate);
        for (int b = 2; b >= 0; b--) CHECK_DONE(t, points[b]);
        CHECK_EQUAL(t, conform_get_u32(t, x, 1), 3);
    }
}

/* Everything of a device, released in some order while its work is held; the work ends, and its point says so. */
static void objects_may_be_released_in_any_order(conform_test *t) {
    for (uint32_t order = 0; order < 24; order++) {
        conform_gate *gate = conform_gate_closed(t);
        rlx_device *device;
        rlx_stream *s;
        rlx_buffer *x;
        rlx_point point;
        uint32_t *word = conform_memory(t, 4);
        CHECK_OK(t, rlx_device_open(t->info->name, NULL, &device));
        CHECK_OK(t, rlx_stream_create(device, NULL, &s));
        CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 4096 }, &x));
        conform_gate_hold(t, gate, s);
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 77, 4));
        CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 4092, 4)));
        CHECK_OK(t, rlx_stream_submit(s, &point));
        bool gone[3] = { false, false, false };
        uint32_t digits[3] = { order / 8 % 3, order / 4 % 2, 0 };
        for (uint32_t step = 0; step < 3; step++) {
            uint32_t nth = digits[step], which = 0;
            while (gone[which] || nth--) which++;
            gone[which] = true;
            if (which == 0) rlx_device_release(device);
            if (which == 1) rlx_stream_release(s);
            if (which == 2) rlx_buffer_release(x);
            if (step == order % 4) conform_gate_open(gate);
            if (step == order % 4) CHECK_DONE(t, point);
        }
        conform_gate_open(gate);
        CHECK_DONE(t, point);
        CHECK_EQUAL(t, *word, 77);
    }
}

static void a_released_device_serves_its_objects(conform_test *t) {
    rlx_device *device;
    rlx_stream *s;
    rlx_buffer *x;
    uint32_t *word = conform_memory(t, 4);
    CHECK_OK(t, rlx_device_open(t->info->name, NULL, &device));
    CHECK_OK(t, rlx_stream_create(device, NULL, &s));
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 256 }, &x));
    rlx_device_release(device);
    CHECK(t, rlx_buffer_info(x)->device == device && rlx_buffer_info(x)->size == 256,
          "an object of it says whose it is");
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), i, 4));
        CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 252, 4)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, *word, i);
    }
    rlx_stream_release(s);
    rlx_buffer_release(x);
}

static void references_are_counted(conform_test *t) {
    rlx_device *device = conform_open_again(t);
    rlx_buffer *x;
    rlx_stream *s = conform_stream_on(t, device, 0, NULL),
               *recording = conform_stream_on(t, device, RLX_STREAM_RECORD, NULL);
    rlx_program *program;
    uint32_t *word = conform_memory(t, 4);
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 4096 }, &x));
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(x), 5, 4));
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &program));
    for (int i = 0; i < 10; i++) rlx_buffer_retain(x), rlx_program_retain(program), rlx_device_retain(device);
    for (int i = 0; i < 10; i++) rlx_buffer_release(x), rlx_program_release(program), rlx_device_release(device);
    litter(t, device, 4096);
    CHECK_OK(t, rlx_stream_run(s, program, NULL));
    CHECK_OK(t, rlx_stream_read(s, word, rlx_part(x, 0, 4)));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, *word, 5);
    rlx_buffer_release(x);
    rlx_program_release(program);
}

static void points_outlive_streams_and_devices(conform_test *t) {
    enum { STREAMS = 3000 };
    rlx_point *points = conform_memory(t, STREAMS * sizeof *points), failed, of_device;
    for (int i = 0; i < STREAMS; i++) { /* one after another: what a stream leaves behind may be used again */
        rlx_stream *s;
        CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
        CHECK_OK(t, rlx_stream_submit(s, &points[i]));
        CHECK_DONE(t, points[i]);
        rlx_stream_release(s);
        if (i != 100) continue;
        CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
        conform_fail(t, s, RLX_ERROR_KERNEL);
        rlx_status ignored = rlx_stream_submit(s, &failed);
        (void)ignored;
        CHECK_STATUS(t, rlx_point_wait(failed, t->patience), RLX_ERROR_KERNEL);
        rlx_stream_release(s);
    }
    rlx_device *device;
    rlx_stream *s;
    CHECK_OK(t, rlx_device_open(t->info->name, NULL, &device));
    CHECK_OK(t, rlx_stream_create(device, NULL, &s));
    CHECK_OK(t, rlx_stream_submit(s, &of_device));
    CHECK_DONE(t, of_device);
    rlx_stream_release(s);
    rlx_device_release(device);
    CHECK_OK(t, rlx_point_wait(of_device, t->patience));
    rlx_stream *later = conform_stream(t, 0);
    for (int i = 0; i < STREAMS; i++) {
        CHECK_OK(t, rlx_point_query(points[i]));
        if (i % 500 == 0) CHECK_OK(t, rlx_stream_depend(later, points[i]));
    }
    CHECK_OK(t, rlx_stream_submit_and_wait(later, t->patience));
    CHECK_STATUS(t, rlx_point_query(failed), RLX_ERROR_KERNEL);
}

/* So many that the oldest may have been forgotten: it is never told that they went well. */
static void failed_points_of_released_streams_never_turn_well(conform_test *t) {
    enum { STREAMS = 2500 };
    rlx_point *points = conform_memory(t, STREAMS * sizeof *points);
    for (int i = 0; i < STREAMS; i++) {
        rlx_stream *s;
        CHECK_OK(t, rlx_stream_create(t->device, NULL, &s));
        conform_fail(t, s, RLX_ERROR_KERNEL);
        rlx_status ignored = rlx_stream_submit(s, &points[i]);
        (void)ignored;
        CHECK_STATUS(t, rlx_point_wait(points[i], t->patience), RLX_ERROR_KERNEL);
        rlx_stream_release(s);
    }
    for (int i = 0; i < STREAMS; i++) {
        uint32_t allowed = CONFORM_BIT(RLX_ERROR_KERNEL) | (i < STREAMS - 100 ? CONFORM_BIT(RLX_ERROR_EXPIRED) : 0);
        CHECK_ONE_OF(t, rlx_point_wait(points[i], t->patience), allowed);
    }
}

/* ---- Released by the work itself ---- */

typedef struct last_hands {
    rlx_device *device;
    rlx_stream *stream;
    rlx_buffer *buffer;
    atomic_uint calls;
} last_hands;

static void release_all(void *user, rlx_status status) {
    last_hands *h = user;
    (void)status;
    rlx_buffer_release(h->buffer);
    rlx_stream_release(h->stream);
    rlx_device_release(h->device);
    atomic_fetch_add(&h->calls, 1);
}

static rlx_status release_in_call(void *user) {
    release_all(user, RLX_OK);
    return RLX_OK;
}

/* The last references to a device go in a callback, on whatever thread it comes: also on one of that device's own. */
static void everything_may_be_released_in_a_callback(conform_test *t) {
    for (int round = 0; round < 20; round++) {
        conform_gate *gate = conform_gate_closed(t);
        last_hands *h = conform_memory(t, sizeof *h);
        rlx_point point;
        CHECK_OK(t, rlx_device_open(t->info->name, NULL, &h->device));
        CHECK_OK(t, rlx_stream_create(h->device, NULL, &h->stream));
        CHECK_OK(t, rlx_buffer_create(h->device, &(rlx_buffer_desc){ .size = 4096 }, &h->buffer));
        if (round % 2) conform_gate_hold(t, gate, h->stream);
        CHECK_OK(t, rlx_stream_fill(h->stream, rlx_whole(h->buffer), 1, 4));
        bool in_call = round % 4 < 2;
        if (in_call) CHECK_OK(t, rlx_stream_host_call(h->stream, release_in_call, h));
        CHECK_OK(t, rlx_stream_submit(h->stream, &point));
        if (!in_call) CHECK_OK(t, rlx_point_notify(point, release_all, h));
        conform_gate_open(gate);
        CHECK_DONE(t, point);
        for (uint64_t limit = conform_now_ns() + t->patience; !atomic_load(&h->calls) && conform_now_ns() < limit;)
            conform_sleep_us(200);
        CHECK_EQUAL(t, atomic_load(&h->calls), 1);
    }
}

/* ---- Memory comes back ---- */

static uint64_t used_by(conform_test *t, rlx_device *device) {
    rlx_memory_report report;
    CHECK_OK(t, rlx_device_memory(device, &report));
    return report.used;
}

/* Work that has ended lets go soon after: not necessarily before the wait returns. */
static void await_used(conform_test *t, rlx_device *device, rlx_stream *s, uint64_t expected) {
    uint64_t used = 0;
    for (uint64_t limit = conform_now_ns() + t->patience;
         (used = used_by(t, device)) != expected && conform_now_ns() < limit;) {
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        conform_sleep_ms(1);
    }
    CHECK_EQUAL(t, used, expected);
}

static void released_memory_comes_back(conform_test *t) {
    rlx_device *device = conform_open_again(t);
    rlx_stream *s = conform_stream_on(t, device, 0, NULL),
               *recording = conform_stream_on(t, device, RLX_STREAM_RECORD, NULL);
    uint64_t before = used_by(t, device);
    for (int round = 0; round < 20; round++) {
        rlx_buffer *x, *y, *discarded;
        rlx_program *program;
        CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 1 << 20 }, &x));
        CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 1 << 20 }, &y));
        CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 1 << 20 }, &discarded));
        CHECK(t, used_by(t, device) >= before + (3 << 20), "the bytes of buffers are counted");
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(discarded), 1, 4));
        rlx_stream_discard(s);
        CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(y), 1, 4));
        CHECK_OK(t, rlx_stream_finish(recording, NULL, &program));
        CHECK_OK(t, rlx_stream_copy(s, rlx_whole(x), rlx_whole(y)));
        CHECK_OK(t, rlx_stream_run(s, program, NULL));
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        rlx_buffer_release(x), rlx_buffer_release(y), rlx_buffer_release(discarded);
        rlx_program_release(program);
        await_used(t, device, s, before);
    }
}

static void failed_and_cancelled_work_lets_go(conform_test *t) {
    rlx_device *device = conform_open_again(t);
    rlx_stream *s = conform_stream_on(t, device, 0, NULL);
    uint64_t before = used_by(t, device);
    for (int round = 0; round < 3; round++) {
        conform_gate *gate = conform_gate_closed(t);
        rlx_buffer *x;
        CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 1 << 20 }, &x));
        conform_gate_hold(t, gate, s);
        if (round == 1) conform_fail(t, s, RLX_ERROR_KERNEL);
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(x), 1, 4));
        CHECK_OK(t, rlx_stream_submit(s, NULL));
        rlx_buffer_release(x);
        if (round == 2) CHECK_OK(t, rlx_stream_cancel(s));
        conform_gate_open(gate);
        rlx_status expected = round == 0 ? RLX_OK : round == 1 ? RLX_ERROR_KERNEL : RLX_ERROR_CANCELLED;
        CHECK_STATUS(t, rlx_stream_wait(s, t->patience), expected);
        CHECK_OK(t, rlx_stream_recover(s));
        await_used(t, device, s, before);
    }
}

static void memory_figures_make_sense(conform_test *t) {
    rlx_memory_report report;
    rlx_device *device = conform_open_again(t);
    CHECK_OK(t, rlx_device_memory(device, &report));
    CHECK(t, report.total > 0 && report.free <= report.total, "free is a part of total: %" PRIu64 " of %" PRIu64,
          report.free, report.total);
    CHECK(t, report.source && report.source[0], "memory figures name their source");
    CHECK_EQUAL(t, report.used, 0);
    rlx_buffer *x = conform_buffer_on(t, device, 1000003);
    CHECK_OK(t, rlx_device_memory(device, &report));
    CHECK(t, report.used >= 1000003 && report.used < 1000003 + 65536,
          "`used` counts the bytes of this device's buffers: %" PRIu64, report.used);
    CHECK_EQUAL(t, rlx_buffer_info(x)->size, 1000003);
}

static void many_objects_live_at_once(conform_test *t) {
    enum { OBJECTS = 4000 };
    rlx_buffer **buffers = conform_memory(t, OBJECTS * sizeof *buffers);
    rlx_stream *s = conform_stream(t, 0);
    uint32_t *words = conform_memory(t, OBJECTS * 4);
    for (uint32_t i = 0; i < OBJECTS; i++) {
        CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = 64 }, &buffers[i]));
        CHECK_OK(t, rlx_stream_fill(s, rlx_whole(buffers[i]), i, 4));
    }
    for (uint32_t i = 0; i < OBJECTS; i++) CHECK_OK(t, rlx_stream_read(s, &words[i], rlx_part(buffers[i], 60, 4)));
    for (uint32_t i = 0; i < OBJECTS; i++) rlx_buffer_release(buffers[i]);
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    for (uint32_t i = 0; i < OBJECTS; i++) CHECK_EQUAL(t, words[i], i);
}

const conform_case conform_rule07[] = {
    { 7, "a released buffer lives until its work ends", a_released_buffer_lives_until_its_work_ends, NEEDS_GATE },
    { 7, "a released buffer in `uses` lives until its work ends", a_released_use_lives_until_its_work_ends,
      NEEDS_GATE },
    { 7, "a released kernel lives until its work ends", a_released_kernel_lives_until_its_work_ends,
      NEEDS_GATE | NEEDS_HOST_CODE },
    { 7, "a released program lives until its runs end, and outlives what it was made from",
      a_released_program_lives_until_its_run_ends, NEEDS_GATE },
    { 7, "a program inside a program may be released", a_program_inside_a_program_may_be_released },
    { 7, "a released stream runs its work to the end, and release doesn't wait for it",
      a_released_stream_runs_its_work_to_the_end, NEEDS_GATE },
    { 7, "objects may be released in any order", objects_may_be_released_in_any_order, NEEDS_GATE },
    { 7, "a released device serves the objects that hold it", a_released_device_serves_its_objects },
    { 7, "references are counted", references_are_counted },
    { 7, "points outlive streams and devices", points_outlive_streams_and_devices },
    { 7, "failed points of released streams never turn well", failed_points_of_released_streams_never_turn_well },
    { 7, "everything may be released in a callback", everything_may_be_released_in_a_callback, NEEDS_GATE },
    { 7, "released memory comes back", released_memory_comes_back },
    { 7, "failed and cancelled work lets go of what it held", failed_and_cancelled_work_lets_go, NEEDS_GATE },
    { 7, "memory figures make sense", memory_figures_make_sense },
    { 7, "4000 buffers live at once", many_objects_live_at_once },
    { 0 },
};
