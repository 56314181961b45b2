/* What the tests of validation share: a device with its log, a kernel that writes as it is told, and the check that a
 * mistake is found with validation and passes unseen without. */
#ifndef VALIDATE_TEST_H
#define VALIDATE_TEST_H

#include <stdlib.h>

#include "core/stream.h"
#include "core/validate.h"
#include "tap.h"

enum { BYTES = 256, FAILS = 1000 /* of a misdeed's bytes: one is written, and the kernel fails */ };

/* ---- A device with a log ---- */

static struct {
    rlx_mutex lock;
    char text[4096];
} lines;

static inline void keep_line(void *user, rlx_log_level level, const char *text) {
    (void)user;
    if (level != RLX_LOG_ERROR) return;
    rlx_lock(&lines.lock);
    size_t used = strlen(lines.text);
    snprintf(lines.text + used, sizeof lines.text - used, "%s\n", text);
    rlx_unlock(&lines.lock);
}

static inline rlx_device *open_device(const char *name, bool validated) {
    rlx_device *device = NULL;
    rlx_device_desc desc = { .workers = 2, .validation = validated ? RLX_VALIDATION_ON : RLX_VALIDATION_OFF };
    CHECK_INT(rlx_device_open(name, &desc, &device), RLX_OK);
    rlx_lock(&lines.lock);
    lines.text[0] = '\0';
    rlx_unlock(&lines.lock);
    rlx_log_set(keep_line, NULL);
    return device;
}

static inline rlx_stream *make_stream(rlx_device *device, uint32_t flags) {
    rlx_stream *stream = NULL;
    CHECK_INT(rlx_stream_create(device, &(rlx_stream_desc){ .flags = flags, .label = "s" }, &stream), RLX_OK);
    return stream;
}

static inline rlx_buffer *make_buffer(rlx_device *device, uint64_t size, const char *label) {
    rlx_buffer *buffer = NULL;
    CHECK_INT(rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size, .label = label }, &buffer), RLX_OK);
    return buffer;
}

/* Writes as it is told, wherever that leads. Parameters: read, write, read and write, and what to do. */
typedef struct misdeed {
    uint32_t argument; /* whose data it starts from */
    int32_t offset;    /* and how far from there, in bytes */
    uint32_t bytes;    /* that it writes there; 0: none */
} misdeed;

static inline rlx_status kernel_writes(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    (void)first, (void)count;
    misdeed deed;
    memcpy(&deed, k->args[3].data, sizeof deed);
    for (uint32_t i = 1; i <= 2; i++) /* as declared */
        for (uint64_t b = 0; b < k->args[i].size; b++) ((unsigned char *)k->args[i].data)[b] += 3;
    unsigned char *at = (unsigned char *)k->args[deed.argument].data + deed.offset;
    for (uint32_t i = 0; i < deed.bytes % FAILS; i++) at[i] ^= 0xff;
    if (deed.bytes < FAILS) return RLX_OK;
    at[0] ^= 0xff;
    return RLX_ERROR_KERNEL;
}

static inline rlx_kernel *make_kernel(rlx_device *device) {
    rlx_kernel *kernel = NULL;
    const rlx_param params[] = { { RLX_READ }, { RLX_WRITE }, { RLX_READ_WRITE }, { RLX_VALUE, sizeof(misdeed), 4 } };
    const rlx_code code = { RLX_CODE_HOST, .function = kernel_writes };
    CHECK_INT(
        rlx_kernel_create(
            device,
            &(rlx_kernel_desc){ .name = "writer", .params = params, .param_count = 4, .codes = &code, .code_count = 1 },
            &kernel),
        RLX_OK);
    return kernel;
}

typedef struct world {
    rlx_device *device;
    rlx_stream *s;
    rlx_kernel *kernel;
    rlx_buffer *x, *y, *z;
    bool validated;
} world;

static inline world begin(const char *device, bool validated) {
    world w = { .device = open_device(device, validated), .validated = validated };
    w.s = make_stream(w.device, 0);
    w.kernel = make_kernel(w.device);
    w.x = make_buffer(w.device, BYTES, "x");
    w.y = make_buffer(w.device, BYTES, "y");
    w.z = make_buffer(w.device, BYTES, "z");
    return w;
}

static inline void finish(world *w) {
    rlx_buffer_release(w->x), rlx_buffer_release(w->y), rlx_buffer_release(w->z);
    rlx_kernel_release(w->kernel), rlx_stream_release(w->s), rlx_device_release(w->device);
    rlx_log_set(NULL, NULL);
}

static inline void fill(const world *w, rlx_range range) { CHECK_INT(rlx_stream_fill(w->s, range, 1, 1), RLX_OK); }

static inline void fill_all(const world *w) {
    fill(w, rlx_whole(w->x)), fill(w, rlx_whole(w->y)), fill(w, rlx_whole(w->z));
}

static inline rlx_status dispatch(const world *w, rlx_stream *s, rlx_range x, rlx_range y, rlx_range z, misdeed deed) {
    const rlx_arg args[] = { rlx_arg_buffer(x), rlx_arg_buffer(y), rlx_arg_buffer(z),
                             rlx_arg_bytes(&deed, sizeof deed) };
    return rlx_stream_dispatch(s, w->kernel,
                               &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4, .label = "deed" });
}

static inline rlx_status run(const world *w) { return rlx_stream_submit_and_wait(w->s, 10 * RLX_SECOND); }

/* Ends the batch, which has to be found out if there is validation, and then only; afterwards all goes on. */
static inline void check_found(const world *w, const char *part) {
    CHECK_INT(run(w), w->validated ? RLX_ERROR_VALIDATION : RLX_OK);
    if (!w->validated) {
        CHECK_STRING(lines.text, "");
        return;
    }
    rlx_failure failure;
    CHECK_INT(rlx_stream_failure(w->s, &failure), RLX_OK);
    CHECK_INT(failure.status, RLX_ERROR_VALIDATION);
    CHECK(failure.exact);
    CHECK_HOLDS(failure.message, "validation: ");
    CHECK_HOLDS(failure.message, part);
    CHECK_HOLDS(rlx_last_error(), part);
    CHECK_HOLDS(lines.text, part);
    CHECK_INT(rlx_stream_recover(w->s), RLX_OK);
    fill_all(w);
    CHECK_INT(dispatch(w, w->s, rlx_whole(w->x), rlx_whole(w->y), rlx_whole(w->z), (misdeed){ 0 }), RLX_OK);
    CHECK_INT(run(w), RLX_OK);
}

/* Each mistake on both devices, validated or not. */
static inline void on_all(void (*test)(const world *w)) {
    for (int i = 0; i < 4; i++) {
        world w = begin(i % 2 ? "sync" : "cpu", i < 2);
        test(&w);
        finish(&w);
    }
}

#endif
