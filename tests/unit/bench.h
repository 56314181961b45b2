/* What the tests of programs share: a device of shuffle.h with all that a small program needs. */
#ifndef BENCH_H
#define BENCH_H

#include "core/program.h"
#include "core/stream.h"
#include "shuffle.h"

static const char *const devices[] = { "shuffle", "far", "plain" };

/* A device, a stream to run on and one to record on, two buffers, and a kernel that does y[i] = value * (x[i] + i + 1)
 * for one byte in each group. */
typedef struct bench {
    rlx_device *device;
    rlx_stream *s, *rec;
    rlx_buffer *x, *y;
    rlx_kernel *kernel;
} bench;

static inline rlx_status scale(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    const unsigned char *x = kernel->args[0].data;
    unsigned char *y = kernel->args[1].data;
    uint32_t value;
    memcpy(&value, kernel->args[2].data, sizeof value);
    for (uint64_t i = first; i < first + count && i < kernel->args[0].size && i < kernel->args[1].size; i++)
        y[i] = (unsigned char)(value * (x[i] + i + 1));
    return RLX_OK;
}

static const rlx_param scale_params[] = { { RLX_READ }, { RLX_WRITE }, { RLX_VALUE, 4 } };

static inline bench bench_open(const char *device) {
    bench b = { .device = shuffle_device(device) };
    b.s = make_stream(b.device, 0);
    b.rec = make_stream(b.device, RLX_STREAM_RECORD);
    b.x = make_buffer(b.device, 256);
    b.y = make_buffer(b.device, 256);
    b.kernel = make_kernel(b.device, "scale", scale, scale_params, 3);
    return b;
}

static inline void bench_close(bench *b) {
    rlx_buffer_release(b->x), rlx_buffer_release(b->y), rlx_kernel_release(b->kernel);
    rlx_stream_release(b->rec), rlx_stream_release(b->s), rlx_device_release(b->device);
    CHECK_UINT(shuffle.programs + shuffle.memory + shuffle.kernels, 0);
}

static inline rlx_status dispatch(rlx_stream *stream, const bench *b, rlx_arg x, rlx_arg y, rlx_arg value,
                                  uint32_t groups) {
    const rlx_arg args[] = { x, y, value };
    return rlx_stream_dispatch(stream, b->kernel,
                               &(rlx_dispatch){ .groups = { groups }, .args = args, .arg_count = 3, .label = "scale" });
}

static inline rlx_status run(const bench *b, rlx_program *program, const rlx_slot_value *values, uint32_t count) {
    return rlx_stream_run(b->s, program, &(rlx_run){ .values = values, .count = count, .label = "step" });
}

#define RUN(b, program, ...) \
    run(b, program, (const rlx_slot_value[]){ __VA_ARGS__ }, \
        sizeof((const rlx_slot_value[]){ __VA_ARGS__ }) / sizeof(rlx_slot_value))

/* A run that is refused: nothing is encoded by it. */
static inline void refused(const bench *b, rlx_status status, rlx_status expected, const char *part) {
    CHECK_INT(status, expected);
    CHECK_HOLDS(rlx_last_error(), part);
    CHECK_UINT(b->s->current ? b->s->current->count : 0, 0);
}

#endif
