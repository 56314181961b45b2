/* The uses that the interface must keep short, as programs: what is here is all that a caller writes. (The first
 * program is in the header, and a new backend in examples/minimal-backend; both are built and run by tests/package.) */
#include <rlx/driver.h>

#include <unistd.h>

#include "tap.h"

static const char *const devices[] = { "cpu", "sync" };
enum { DEVICES = sizeof devices / sizeof *devices };

/* w -= rate * g */
static rlx_status step_host(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    const float *g = k->args[1].data, rate = *(const float *)k->args[2].data;
    float *w = k->args[0].data;
    for (uint64_t i = first * 64; i < (first + count) * 64; i++) w[i] -= rate * g[i];
    return RLX_OK;
}

/* g = w - x */
static rlx_status gradient_host(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    const float *w = k->args[0].data, *x = k->args[1].data;
    float *g = k->args[2].data;
    for (uint64_t i = first * 64; i < (first + count) * 64; i++) g[i] = w[i] - x[i];
    return RLX_OK;
}

static rlx_status fail_host(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    return *(const uint32_t *)k->args[0].data ? RLX_ERROR_DEVICE_LOST : RLX_ERROR_KERNEL;
}

static rlx_kernel *kernel(rlx_device *device, const char *name, rlx_host_function function, const rlx_param *params,
                          uint32_t count) {
    rlx_kernel *made = NULL;
    CHECK_INT(rlx_kernel_create(device,
                                &(rlx_kernel_desc){ .name = name,
                                                    .group_size = { 64 },
                                                    .params = params,
                                                    .param_count = count,
                                                    .codes = (rlx_code[]){ { RLX_CODE_HOST, .function = function } },
                                                    .code_count = 1 },
                                &made),
              RLX_OK);
    return made;
}

static rlx_buffer *buffer(rlx_device *device, uint64_t size) {
    rlx_buffer *made = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &made), RLX_OK);
    return made;
}

/* ---- 2. A training step: recorded once, run ten thousand times, at most four in flight ---- */

static void train(const char *name) {
    enum { BATCH, RATE, N = 4096, RUNS = 10000, FLYING = 4 };
    rlx_device *dev;
    rlx_stream *rec, *s;
    rlx_program *step;
    if (!CHECK_INT(rlx_device_open(name, NULL, &dev), RLX_OK)) return;
    rlx_kernel *gradient =
        kernel(dev, "gradient", gradient_host, (rlx_param[]){ { RLX_READ }, { RLX_READ }, { RLX_WRITE } }, 3);
    rlx_kernel *descend =
        kernel(dev, "step", step_host, (rlx_param[]){ { RLX_READ_WRITE }, { RLX_READ }, { RLX_VALUE } }, 3);
    rlx_buffer *w = buffer(dev, N * 4), *x = buffer(dev, N * 4), *g = buffer(dev, N * 4);
    rlx_arg aw = rlx_arg_buffer(rlx_whole(w)), ax = rlx_arg_buffer(rlx_whole(x)), ag = rlx_arg_buffer(rlx_whole(g));

    CHECK_INT(rlx_stream_create(dev, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &rec), RLX_OK);
    CHECK_INT(rlx_stream_write_slot(rec, rlx_whole(x), BATCH), RLX_OK);
    CHECK_INT(
        rlx_stream_dispatch(rec, gradient,
                            &(rlx_dispatch){ .groups = { N / 64 }, .args = (rlx_arg[]){ aw, ax, ag }, .arg_count = 3 }),
        RLX_OK);
    CHECK_INT(
        rlx_stream_dispatch(
            rec, descend,
            &(rlx_dispatch){ .groups = { N / 64 }, .args = (rlx_arg[]){ aw, ag, rlx_arg_slot(RATE) }, .arg_count = 3 }),
        RLX_OK);
    CHECK_INT(rlx_stream_finish(rec, NULL, &step), RLX_OK);

    static float batches[2][N], out[N];
    for (int i = 0; i < N; i++) batches[0][i] = (float)i, batches[1][i] = (float)i;
    rlx_point points[FLYING] = { 0 };
    CHECK_INT(rlx_stream_create(dev, NULL, &s), RLX_OK);
    CHECK_INT(rlx_stream_fill(s, rlx_whole(w), 0, 4), RLX_OK);
    for (int i = 0; i < RUNS; i++) {
        CHECK_INT(rlx_point_wait(points[i % FLYING], RLX_FOREVER), RLX_OK);
        CHECK_INT(rlx_stream_run(s, step,
                                 &(rlx_run){ .values = (rlx_slot_value[]){ { BATCH, .host = batches[i % 2] },
                                                                           { RATE, .f32 = 0.5f } },
                                             .count = 2 }),
                  RLX_OK);
        CHECK_INT(rlx_stream_submit(s, &points[i % FLYING]), RLX_OK);
    }
    CHECK_INT(rlx_stream_read(s, out, rlx_whole(w)), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(s, RLX_FOREVER), RLX_OK);
    for (int i = 0; i < N; i++)
        if (!CHECK(out[i] == (float)i)) break;
    rlx_program_release(step), rlx_stream_release(rec), rlx_stream_release(s);
    rlx_buffer_release(w), rlx_buffer_release(x), rlx_buffer_release(g);
    rlx_kernel_release(gradient), rlx_kernel_release(descend), rlx_device_release(dev);
}

static void use_2_a_training_step_is_recorded_once_and_run_ten_thousand_times(void) {
    for (int d = 0; d < DEVICES; d++) train(devices[d]);
}

/* ---- 4. Two devices, one pipeline ---- */

static void pipeline(const char *first, const char *second) {
    enum { N = 256 };
    rlx_device *a, *b;
    rlx_stream *produce, *consume, *third;
    rlx_point produced, moved;
    static float in[N], out[N], also[N];
    if (!CHECK_INT(rlx_device_open(first, NULL, &a), RLX_OK) || !CHECK_INT(rlx_device_open(second, NULL, &b), RLX_OK))
        return;
    CHECK_INT(rlx_stream_create(a, NULL, &produce), RLX_OK);
    CHECK_INT(rlx_stream_create(b, NULL, &consume), RLX_OK);
    CHECK_INT(rlx_stream_create(b, NULL, &third), RLX_OK);
    rlx_buffer *src = buffer(a, N * 4), *dst = buffer(b, N * 4);
    for (int i = 0; i < N; i++) in[i] = (float)i;

    CHECK_INT(rlx_stream_write(produce, rlx_whole(src), in, 0), RLX_OK);
    CHECK_INT(rlx_stream_submit(produce, &produced), RLX_OK);
    CHECK_INT(rlx_transfer(consume, rlx_whole(dst), produce, rlx_whole(src), &moved), RLX_OK);
    CHECK_INT(rlx_stream_read(consume, out, rlx_whole(dst)), RLX_OK);
    CHECK_INT(rlx_stream_depend(third, moved), RLX_OK);
    CHECK_INT(rlx_stream_read(third, also, rlx_whole(dst)), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(consume, RLX_FOREVER), RLX_OK);
    CHECK_INT(rlx_stream_submit_and_wait(third, RLX_FOREVER), RLX_OK);
    CHECK(memcmp(in, out, sizeof in) == 0 && memcmp(in, also, sizeof in) == 0);
    rlx_buffer_release(src), rlx_buffer_release(dst);
    rlx_stream_release(produce), rlx_stream_release(consume), rlx_stream_release(third);
    rlx_device_release(a), rlx_device_release(b);
}

static void use_4_a_pipeline_crosses_two_devices(void) {
    for (int i = 0; i < DEVICES; i++)
        for (int j = 0; j < DEVICES; j++) pipeline(devices[i], devices[j]);
}

/* ---- 5. A failure ---- */

static void use_5_a_failure_says_what_failed_and_what_helps(void) {
    for (int d = 0; d < DEVICES; d++) {
        for (uint32_t lost = 0; lost < 2; lost++) {
            rlx_device *dev;
            rlx_stream *s;
            rlx_point at;
            rlx_failure f = { RLX_OK };
            if (!CHECK_INT(rlx_device_open(devices[d], NULL, &dev), RLX_OK)) return;
            CHECK_INT(rlx_stream_create(dev, NULL, &s), RLX_OK);
            rlx_kernel *fails = kernel(dev, "softmax", fail_host, (rlx_param[]){ { RLX_VALUE } }, 1);
            CHECK_INT(rlx_stream_dispatch(s, fails,
                                          &(rlx_dispatch){ .groups = { 1 },
                                                           .args = (rlx_arg[]){ rlx_arg_u32(lost) },
                                                           .arg_count = 1,
                                                           .label = "qkv" }),
                      RLX_OK);
            CHECK_INT(rlx_stream_submit(s, &at), RLX_OK);
            if (rlx_point_wait(at, 5 * RLX_SECOND) != RLX_OK) {
                CHECK_INT(rlx_stream_failure(s, &f), RLX_OK);
                if (f.status == RLX_ERROR_DEVICE_LOST) CHECK_HOLDS(f.message, "open the device again");
                else CHECK_INT(rlx_stream_recover(s), RLX_OK);
            }
            CHECK_INT(f.status, lost ? RLX_ERROR_DEVICE_LOST : RLX_ERROR_KERNEL);
            CHECK(f.exact);
            CHECK_HOLDS(f.message, "batch 1, command 0 (dispatch 'qkv' of kernel 'softmax')");
            CHECK_INT(rlx_stream_submit_and_wait(s, RLX_FOREVER), lost ? RLX_ERROR_DEVICE_LOST : RLX_OK);
            rlx_kernel_release(fails), rlx_stream_release(s), rlx_device_release(dev);
        }
    }
}

/* ---- 6. An event loop ---- */

static void wake(void *user, rlx_status status) {
    char byte = status == RLX_OK ? 'y' : 'n';
    CHECK_INT(write(*(int *)user, &byte, 1), 1);
}

static void use_6_an_event_loop_is_woken_by_a_point(void) {
    int ends[2];
    char byte = 0;
    if (!CHECK_INT(pipe(ends), 0)) return;
    for (int d = 0; d < DEVICES; d++) {
        rlx_device *dev;
        rlx_stream *s;
        rlx_point at;
        if (!CHECK_INT(rlx_device_open(devices[d], NULL, &dev), RLX_OK)) return;
        CHECK_INT(rlx_stream_create(dev, NULL, &s), RLX_OK);
        CHECK_INT(rlx_stream_submit(s, &at), RLX_OK);
        CHECK_INT(rlx_point_notify(at, wake, &ends[1]), RLX_OK);
        CHECK_INT(read(ends[0], &byte, 1), 1); /* where a real loop has poll */
        CHECK_INT(byte, 'y');
        rlx_stream_release(s), rlx_device_release(dev);
    }
    close(ends[0]), close(ends[1]);
}

static const tap_test tests[] = {
    TAP(use_2_a_training_step_is_recorded_once_and_run_ten_thousand_times),
    TAP(use_4_a_pipeline_crosses_two_devices),
    TAP(use_5_a_failure_says_what_failed_and_what_helps),
    TAP(use_6_an_event_loop_is_woken_by_a_point),
};
TAP_MAIN(tests)
