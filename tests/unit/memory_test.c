/* Out of memory, at each place in turn: the n-th allocation of a whole life of devices, streams, kernels, programs and
 * transfers fails, for every n there is, alone or with all that follow until somebody says so. What a call then refuses
 * can be done by the same call a moment later, what was submitted is done or fails as a point, and nothing is lost or
 * counted twice (the sanitizers look for leaks). */
#include "fake.h"

static _Atomic uint64_t allocations, refused;
static _Atomic uint64_t refuse_at; /* the number of the allocation that fails, from 1; 0: none */
static _Atomic bool refuse_on;     /* and all behind it */

static bool count(size_t size) {
    (void)size;
    uint64_t number = atomic_fetch_add(&allocations, 1) + 1, first = atomic_load(&refuse_at);
    if (!first || number < first || (number > first && !atomic_load(&refuse_on))) return true;
    atomic_fetch_add(&refused, 1);
    return false;
}

/* Somebody has been told: there is memory again. */
static void lift(void) { atomic_store(&refuse_at, 0); }

#define DO(call) \
    do { \
        rlx_status did = call; \
        if (did == RLX_ERROR_OUT_OF_MEMORY) { \
            CHECK(rlx_last_error()[0]); \
            lift(); \
            did = call; \
        } \
        CHECK_INT(did, RLX_OK); \
    } while (0)

typedef struct life {
    rlx_device *devices[2];
    rlx_stream *streams[2], *isolated, *recording;
    rlx_buffer *buffers[2];
    rlx_kernel *kernel;
    rlx_program *program;
    uint32_t words[16], back[16], called;
} life;

static rlx_status add(const rlx_host_kernel *kernel, uint64_t first, uint64_t groups) {
    uint32_t *words = kernel->args[0].data, value = *(const uint32_t *)kernel->args[1].data;
    for (uint64_t i = first; i < first + groups; i++) words[i] += value;
    return RLX_OK;
}

static rlx_status call(void *user) {
    ++*(uint32_t *)user;
    return RLX_OK;
}

static void note_end(void *user, rlx_status status) {
    CHECK_INT(status, RLX_OK);
    ++*(uint32_t *)user;
}

static void set_up(life *l) {
    static const char *const names[] = { "cpu", "sync" };
    for (int i = 0; i < 2; i++) {
        DO(rlx_device_open(names[i], &(rlx_device_desc){ .workers = 1 }, &l->devices[i]));
        DO(rlx_stream_create(l->devices[i], &(rlx_stream_desc){ .flags = RLX_STREAM_TIMESTAMPS }, &l->streams[i]));
        DO(rlx_buffer_create(l->devices[i], &(rlx_buffer_desc){ .size = sizeof l->words }, &l->buffers[i]));
    }
    DO(rlx_stream_create(l->devices[0], &(rlx_stream_desc){ .flags = RLX_STREAM_ISOLATE }, &l->isolated));
    DO(rlx_stream_create(l->devices[0], &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &l->recording));
    DO(rlx_kernel_create(l->devices[0],
                         &(rlx_kernel_desc){ .name = "add",
                                             .params = (rlx_param[]){ { RLX_READ_WRITE }, { RLX_VALUE } },
                                             .param_count = 2,
                                             .codes = (rlx_code[]){ { RLX_CODE_HOST, .function = add } },
                                             .code_count = 1 },
                         &l->kernel));
    DO(rlx_stream_dispatch(l->recording, l->kernel,
                           &(rlx_dispatch){ .groups = { 16 },
                                            .args = (rlx_arg[]){ rlx_arg_slot(0), rlx_arg_slot(1) },
                                            .arg_count = 2,
                                            .label = "one" }));
    DO(rlx_stream_read_slot(l->recording, 2, rlx_slot_range(0, sizeof l->words)));
    DO(rlx_stream_finish(l->recording, &(rlx_program_desc){ .label = "life" }, &l->program));
}

/* The batch's commands are encoded by `encode`, and once more if the backend has no memory for the batch. */
static rlx_point submit(life *l, rlx_stream *stream, void (*encode)(life *, rlx_stream *)) {
    rlx_point point = { 0 };
    for (int tries = 0; tries < 3; tries++) {
        encode(l, stream);
        rlx_status status = rlx_stream_submit(stream, &point);
        if (status == RLX_ERROR_OUT_OF_MEMORY && !point.value) lift(), status = rlx_stream_submit(stream, &point);
        CHECK_INT(status, RLX_OK);
        status = rlx_point_wait(point, RLX_FOREVER);
        if (!status) return point;
        CHECK_INT(status, RLX_ERROR_OUT_OF_MEMORY); /* the point's: a backend had none */
        lift();
        CHECK_INT(rlx_stream_recover(stream), RLX_OK);
        point = (rlx_point){ 0 };
    }
    CHECK(false);
    return point;
}

static void encode_write(life *l, rlx_stream *stream) {
    for (uint32_t i = 0; i < 16; i++) l->words[i] = 100 * i;
    l->called = 0;
    DO(rlx_stream_host_call(stream, call, &l->called));
    DO(rlx_stream_write(stream, rlx_whole(l->buffers[0]), l->words, RLX_WRITE_COPIED));
    memset(l->words, 0, sizeof l->words);
}

static void encode_run(life *l, rlx_stream *stream) {
    const rlx_slot_value values[] = { { .slot = 0, .range = rlx_whole(l->buffers[0]) },
                                      { .slot = 1, .u32 = 2 },
                                      { .slot = 2, .host_out = l->back } };
    encode_write(l, stream);
    DO(rlx_stream_run(stream, l->program, &(rlx_run){ .values = values, .count = 3, .label = "run" }));
}

static void check_back(life *l, uint32_t more) {
    CHECK_UINT(l->called, 1);
    for (uint32_t i = 0; i < 16; i++) CHECK_UINT(l->back[i], 100 * i + more);
    memset(l->back, 0, sizeof l->back);
}

static void encode_read_other(life *l, rlx_stream *stream) {
    DO(rlx_stream_read(stream, l->back, rlx_whole(l->buffers[1])));
}

static void move(life *l) {
    rlx_point moved = { 0 };
    for (int tries = 0; tries < 3; tries++) {
        DO(rlx_transfer(l->streams[1], rlx_whole(l->buffers[1]), l->streams[0], rlx_whole(l->buffers[0]), &moved));
        rlx_status status = rlx_point_wait(moved, RLX_FOREVER);
        if (!status) status = rlx_stream_wait(l->streams[0], RLX_FOREVER);
        if (!status) return;
        CHECK_INT(status, RLX_ERROR_OUT_OF_MEMORY);
        lift();
        for (int i = 0; i < 2; i++) CHECK_INT(rlx_stream_recover(l->streams[i]), RLX_OK);
    }
    CHECK(false);
}

static void wait_for_many(life *l) {
    rlx_point points[20];
    uint32_t index, heard = 0;
    for (int i = 0; i < 20; i++) {
        DO(rlx_stream_depend(l->streams[0], i ? points[i - 1] : (rlx_point){ 0 }));
        DO(rlx_stream_submit(l->streams[0], &points[i]));
    }
    DO(rlx_points_wait(points, 20, RLX_WAIT_ANY, RLX_FOREVER, &index));
    DO(rlx_points_wait(points, 20, RLX_WAIT_ALL, RLX_FOREVER, &index));
    DO(rlx_point_notify(points[19], note_end, &heard));
    CHECK_UINT(heard, 1);
}

static void tear_down(life *l) {
    rlx_program_release(l->program);
    rlx_kernel_release(l->kernel);
    rlx_stream_release(l->recording), rlx_stream_release(l->isolated);
    for (int i = 0; i < 2; i++) {
        rlx_memory_report report = { 0 };
        rlx_buffer_release(l->buffers[i]);
        CHECK_INT(rlx_device_memory(l->devices[i], &report), RLX_OK);
        CHECK_UINT(report.used, 0);
        rlx_stream_release(l->streams[i]);
        rlx_device_release(l->devices[i]);
    }
}

static void live(bool on) {
    uint64_t tries = 0;
    atomic_store(&refuse_on, on);
    atomic_store(&rlx_allocation_check, count);
    for (bool any = true; any;) {
        life l = { 0 };
        atomic_store(&allocations, 0);
        atomic_store(&refused, 0);
        atomic_store(&refuse_at, ++tries);
        set_up(&l);
        (void)submit(&l, l.streams[0], encode_run);
        check_back(&l, 2);
        (void)submit(&l, l.isolated, encode_run);
        check_back(&l, 2);
        move(&l);
        (void)submit(&l, l.streams[1], encode_read_other);
        l.called = 1;
        check_back(&l, 2);
        wait_for_many(&l);
        tear_down(&l);
        any = atomic_load(&refused) > 0;
    }
    atomic_store(&rlx_allocation_check, NULL);
    printf("# %" PRIu64 " allocations\n", tries - 1);
    CHECK(tries > 40);
}

static void a_whole_life_bears_the_failure_of_any_allocation(void) {
    live(false);
    live(true);
}

/* Memory that the host does not reach goes through staging memory. */
static void a_transfer_that_is_refused_leaves_both_streams_as_they_were(void) {
    uint64_t tries = 0;
    rlx_device *devices[2] = { fake_device("fake"), fake_device_more("held") };
    rlx_stream *streams[2];
    rlx_buffer *buffers[2];
    fake.far = true;
    for (int i = 0; i < 2; i++) {
        streams[i] = fake_stream_create(devices[i], 0);
        CHECK_INT(rlx_buffer_create(devices[i], &(rlx_buffer_desc){ .size = 64 }, &buffers[i]), RLX_OK);
    }
    uint32_t before = atomic_load(&buffers[0]->object.refs);
    for (rlx_status status = RLX_ERROR_OUT_OF_MEMORY; status; tries++) {
        rlx_point moved = { 0 };
        atomic_store(&allocations, 0);
        atomic_store(&refuse_at, tries + 1);
        atomic_store(&rlx_allocation_check, count);
        status = rlx_transfer(streams[0], rlx_whole(buffers[0]), streams[1], rlx_whole(buffers[1]), &moved);
        atomic_store(&rlx_allocation_check, NULL);
        CHECK(!status || status == RLX_ERROR_OUT_OF_MEMORY);
        CHECK_UINT(moved.value, status ? 0 : 1);
        CHECK_UINT(atomic_load(&buffers[0]->object.refs), before + !status);
        CHECK_UINT(fake_flying(1), !status);
    }
    CHECK(tries > 2);
    CHECK_UINT(fake_flying(0), 0); /* the second half waits for the first */
    fake_end(1, NULL);
    CHECK_UINT(fake_flying(0), 1);
    fake_end(0, NULL);
    CHECK_INT(rlx_stream_wait(streams[0], 0), RLX_OK);
    for (int i = 0; i < 2; i++) {
        rlx_buffer_release(buffers[i]);
        rlx_stream_release(streams[i]);
        rlx_device_release(devices[i]);
    }
    CHECK_UINT(fake.memory, 0);
}

/* Of the host's memory: nothing is touched, so the system would hand out much more than there is. */
static void more_memory_than_the_host_has_is_a_status(void) {
    static const char *const names[] = { "cpu", "sync" };
    for (int i = 0; i < 2; i++) {
        rlx_device *device;
        rlx_buffer *parts[4] = { NULL }, *more = NULL;
        rlx_memory_report report = { 0 };
        if (!CHECK_INT(rlx_device_open(names[i], NULL, &device), RLX_OK)) return;
        CHECK_INT(rlx_device_memory(device, &report), RLX_OK);
        CHECK(report.total > 0 && report.free > 0 && report.free <= report.total);
        CHECK_HOLDS(report.source, "MemAvailable");
        uint64_t quarter = report.total / 16 * 4;
        CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = report.total + 4 }, &more),
                  RLX_ERROR_OUT_OF_MEMORY);
        for (int k = 0; k < 4; k++)
            CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = quarter }, &parts[k]), RLX_OK);
        CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &more), RLX_ERROR_OUT_OF_MEMORY);
        CHECK_HOLDS(rlx_last_error(), "buffers use");
        rlx_buffer_release(parts[3]);
        CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = 64 }, &parts[3]), RLX_OK);
        CHECK_INT(rlx_device_memory(device, &report), RLX_OK);
        CHECK_UINT(report.used, 3 * quarter + 64);
        for (int k = 0; k < 4; k++) rlx_buffer_release(parts[k]);
        rlx_device_release(device);
    }
}

static const tap_test tests[] = {
    TAP(a_transfer_that_is_refused_leaves_both_streams_as_they_were), /* first: it registers backends */
    TAP(a_whole_life_bears_the_failure_of_any_allocation),
    TAP(more_memory_than_the_host_has_is_a_status),
};
TAP_MAIN(tests)
