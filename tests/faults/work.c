/* What a device is for, in small: bytes there, a kernel on them, eagerly and twice as a program, bytes back. */
#include "faults.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = 512, GROUP = 64 };

static rlx_status double_and_add(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    uint32_t *x = kernel->args[0].data, add = *(const uint32_t *)kernel->args[1].data;
    for (uint64_t i = first * GROUP; i < (first + count) * GROUP; i++) x[i] = x[i] * 2 + add;
    return RLX_OK;
}

static bool takes_host_code(rlx_device *device) {
    const rlx_device_properties *info = rlx_device_info(device);
    for (uint32_t i = 0; i < info->format_count; i++)
        if (info->formats[i].format == RLX_CODE_HOST) return true;
    return false;
}

typedef struct work {
    rlx_stream *stream, *recording;
    rlx_buffer *buffer;
    rlx_kernel *kernel;
    rlx_program *program;
    uint32_t in[WORDS], out[WORDS];
} work;

static rlx_status dispatch(work *w, rlx_stream *stream, uint32_t add) {
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(w->buffer)), rlx_arg_u32(add) };
    return rlx_stream_dispatch(
        stream, w->kernel,
        &(rlx_dispatch){ .groups = { WORDS / GROUP }, .args = args, .arg_count = 2, .label = "afterwards" });
}

static rlx_status set_up(work *w, rlx_device *device) {
    rlx_param params[] = { { RLX_READ_WRITE }, { RLX_VALUE } };
    rlx_code code = { RLX_CODE_HOST, .function = double_and_add };
    rlx_kernel_desc desc = { .name = "afterwards",
                             .params = params,
                             .param_count = 2,
                             .codes = &code,
                             .code_count = 1,
                             .group_size = { GROUP } };
    rlx_status status = rlx_stream_create(device, NULL, &w->stream);
    if (!status) status = rlx_stream_create(device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &w->recording);
    if (!status) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = sizeof w->in }, &w->buffer);
    if (!status && takes_host_code(device)) status = rlx_kernel_create(device, &desc, &w->kernel);
    for (uint32_t i = 0; i < 2 && !status && w->kernel; i++) status = dispatch(w, w->recording, 2 + i);
    if (!status && !w->kernel) status = rlx_stream_fill(w->recording, rlx_part(w->buffer, 0, 4), 7, 4);
    if (!status) status = rlx_stream_finish(w->recording, NULL, &w->program);
    return status;
}

static rlx_status run(work *w) {
    for (uint32_t i = 0; i < WORDS; i++) w->in[i] = i * 3 + 1;
    rlx_status status = rlx_stream_write(w->stream, rlx_whole(w->buffer), w->in, 0);
    if (!status && w->kernel) status = dispatch(w, w->stream, 1);
    if (!status) status = rlx_stream_run(w->stream, w->program, NULL);
    if (!status) status = rlx_stream_read(w->stream, w->out, rlx_whole(w->buffer));
    return status ? status : rlx_stream_submit_and_wait(w->stream, 10 * RLX_SECOND);
}

static uint32_t wrong_words(const work *w) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t right = w->kernel ? ((w->in[i] * 2 + 1) * 2 + 2) * 2 + 3 : i ? w->in[i] : 7;
        wrong += w->out[i] != right;
    }
    return wrong;
}

bool work_on(rlx_device *device, char *text, size_t size) {
    work w = { .stream = NULL };
    rlx_status status = set_up(&w, device);
    if (!status) status = run(&w);
    uint32_t wrong = status ? 0 : wrong_words(&w);
    if (status) snprintf(text, size, "%s (%d): %s", rlx_status_text(status), (int)status, rlx_last_error());
    else if (wrong) snprintf(text, size, "%u of %u words are wrong", wrong, WORDS);
    rlx_program_release(w.program);
    rlx_kernel_release(w.kernel);
    rlx_buffer_release(w.buffer);
    rlx_stream_release(w.recording);
    rlx_stream_release(w.stream);
    return !status && !wrong;
}

/* ---- Failures that are remembered ---- */

enum { REMEMBERED = 1024, MANY = 1536 }; /* timelines that failed and whose streams are gone; more than tests have */

static rlx_status fail_call(void *user) {
    (void)user;
    return RLX_ERROR_KERNEL;
}

/* So many streams at once that there are as many timelines after every test; and those that are free forget. */
static rlx_status open_many(rlx_device *device) {
    static rlx_stream *streams[MANY];
    rlx_status status = RLX_OK;
    for (int i = 0; i < MANY; i++) streams[i] = NULL;
    for (int i = 0; i < MANY && !status; i++) status = rlx_stream_create(device, NULL, &streams[i]);
    for (int i = 0; i < MANY; i++) rlx_stream_release(streams[i]);
    return status;
}

bool forget_failures(char *text, size_t size) {
    rlx_device *device = NULL;
    rlx_status status = rlx_device_open("sync", NULL, &device);
    if (!status) status = open_many(device);
    for (int i = 0; i < REMEMBERED && !status; i++) {
        rlx_stream *stream = NULL;
        status = rlx_stream_create(device, NULL, &stream);
        if (!status) status = rlx_stream_host_call(stream, fail_call, NULL);
        if (!status) status = rlx_stream_submit(stream, NULL);
        rlx_stream_release(stream);
    }
    if (!status) status = open_many(device);
    if (status) snprintf(text, size, "failing on purpose: %s", rlx_last_error());
    rlx_device_release(device);
    return !status;
}
