/* Drives the tables of the host backends as the core would, without the core: a fake host, streams that remember what
 * was completed, and packets by hand. */
#ifndef CPU_HARNESS_H
#define CPU_HARNESS_H

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "backends/cpu/cpu.h"
#include "tap.h"

/* ---- The fake host ---- */

static _Thread_local char harness_message[8192];
static _Thread_local uint32_t harness_depth;
static char harness_notes[16384];           /* all warnings and errors, a line each; written by one thread at a time */
static _Atomic int64_t harness_refuse = -1; /* allocations until one is refused; below 0: none is */
static _Atomic int64_t harness_blocks;      /* allocated and not released */

static inline rlx_status harness_fail(rlx_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(harness_message, sizeof harness_message, format, arguments);
    va_end(arguments);
    return status;
}

static inline void harness_note(rlx_log_level level, const char *format, ...) {
    if (level < RLX_LOG_WARNING) return;
    size_t used = strlen(harness_notes);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(harness_notes + used, sizeof harness_notes - used, format, arguments);
    va_end(arguments);
    used = strlen(harness_notes);
    if (used + 1 < sizeof harness_notes) memcpy(harness_notes + used, "\n", 2);
}

static inline void *harness_allocate(size_t size) {
    if (atomic_load(&harness_refuse) >= 0 && atomic_fetch_sub(&harness_refuse, 1) == 0) return NULL;
    atomic_fetch_add(&harness_blocks, 1);
    return calloc(1, size ? size : 1);
}

static inline void harness_release(void *memory) {
    if (memory) atomic_fetch_sub(&harness_blocks, 1);
    free(memory);
}

static inline uint32_t harness_enter(void) { return harness_depth++; }
static inline void harness_leave(uint32_t entered) { harness_depth = entered; }

static inline void harness_patch(const rlx_packet_run *run) {
    if (run->values) atomic_fetch_add((atomic_uint *)(uintptr_t)run->values, 1); /* the tests count the calls */
}

static inline const rlx_backend *harness_find(const char *name) {
    (void)name;
    return NULL;
}

static const rlx_host harness_host = {
    .struct_size = sizeof(rlx_host),
    .major = RLX_BACKEND_MAJOR,
    .minor = RLX_BACKEND_MINOR,
    .fail = harness_fail,
    .note = harness_note,
    .allocate = harness_allocate,
    .release = harness_release,
    .clock_ns = rlx_platform_clock_ns,
    .callback_enter = harness_enter,
    .callback_leave = harness_leave,
    .run_patch = harness_patch,
    .backend_find = harness_find,
};

/* ---- Devices and streams ---- */

typedef struct harness_device {
    const rlx_backend *backend;
    void *handle;
    const rlx_device_properties *properties;
} harness_device;

/* `workers` 0: sync. */
static inline harness_device harness_open_with(uint32_t workers, const char *cache_folder) {
    static const rlx_backend *cpu, *sync;
    if (!cpu) { /* once, as the registry does: threads of an earlier device may still be ending */
        cpu = rlx_cpu_backend(&harness_host);
        sync = rlx_sync_backend(&harness_host);
    }
    harness_device device = { .backend = workers ? cpu : sync };
    rlx_device_desc desc = { .workers = workers, .cache_folder = cache_folder };
    rlx_device_opened opened = { NULL, NULL };
    uint32_t count = 0;
    CHECK_INT(device.backend->probe(&count), RLX_OK);
    CHECK_INT(device.backend->device_open(0, &desc, &opened), RLX_OK);
    device.handle = opened.device;
    device.properties = opened.properties;
    return device;
}

static inline harness_device harness_open(uint32_t workers) { return harness_open_with(workers, ""); }

static inline void harness_close(harness_device *device) { device->backend->device_close(device->handle); }

typedef struct harness_stream {
    rlx_stream_sink sink; /* first: what the backend hands back */
    const rlx_backend *backend;
    void *handle;
    uint64_t signal;
    _Atomic uint32_t completed;                         /* the last signal; parked upon */
    _Atomic uint32_t begun;                             /* how often begin was asked */
    atomic_bool refuses;                                /* begin says no */
    rlx_fault fault;                                    /* of the last batch that failed */
    void (*on_complete)(struct harness_stream *stream); /* NULL allowed; nothing of the stream is touched afterwards */
    void *user;
} harness_stream;

static inline bool harness_begin(const rlx_stream_sink *sink, uint64_t signal) {
    harness_stream *stream = (harness_stream *)(uintptr_t)sink;
    (void)signal;
    atomic_fetch_add(&stream->begun, 1);
    return !atomic_load(&stream->refuses);
}

static inline void harness_complete(const rlx_stream_sink *sink, uint64_t signal, const rlx_fault *fault) {
    harness_stream *stream = (harness_stream *)(uintptr_t)sink;
    CHECK_UINT(signal, atomic_load(&stream->completed) + 1);
    if (fault) stream->fault = *fault;
    void (*then)(struct harness_stream *) = stream->on_complete;
    if (then) {
        then(stream);
        return;
    }
    atomic_store(&stream->completed, (uint32_t)signal);
    rlx_unpark(&stream->completed, UINT32_MAX);
}

static inline harness_stream *harness_stream_open(const harness_device *device) {
    harness_stream *stream = calloc(1, sizeof *stream);
    stream->sink.struct_size = sizeof stream->sink;
    stream->sink.begin = harness_begin;
    stream->sink.complete = harness_complete;
    stream->backend = device->backend;
    rlx_stream_desc desc = { 0 };
    CHECK_INT(device->backend->stream_open(device->handle, &desc, &stream->sink, &stream->handle), RLX_OK);
    return stream;
}

static inline void harness_stream_close(harness_stream *stream) {
    stream->backend->stream_close(stream->handle);
    free(stream);
}

/* Links the packets, numbers them and submits them as a batch. */
static inline rlx_status harness_submit(harness_stream *stream, rlx_packet *const *packets, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        packets[i]->index = i;
        packets[i]->next = i + 1 < count ? packets[i + 1] : NULL;
    }
    rlx_batch batch = { .signal = ++stream->signal, .first = count ? packets[0] : NULL, .count = count };
    rlx_fault fault = { .status = RLX_OK };
    bool synchronous = stream->backend->flags & RLX_BACKEND_SYNCHRONOUS;
    rlx_status status = stream->backend->submit(stream->handle, &batch, &fault);
    if (synchronous) { /* otherwise the stream may be gone by now */
        if (status) stream->fault = fault;
        atomic_store(&stream->completed, (uint32_t)stream->signal);
    }
    return status;
}

static inline void harness_wait(harness_stream *stream) {
    for (;;) {
        uint32_t completed = atomic_load(&stream->completed);
        if (completed == (uint32_t)stream->signal) return;
        rlx_park(&stream->completed, completed, UINT64_MAX);
    }
}

static inline rlx_status harness_run(harness_stream *stream, rlx_packet *const *packets, uint32_t count) {
    stream->fault = (rlx_fault){ .status = RLX_OK };
    (void)harness_submit(stream, packets, count);
    harness_wait(stream);
    return stream->fault.status;
}

static inline rlx_status harness_run_one(harness_stream *stream, rlx_packet *packet) {
    return harness_run(stream, &packet, 1);
}

/* ---- Kernels and packets ---- */

static inline void *harness_kernel(const harness_device *device, rlx_host_function function, void *user) {
    rlx_code code = { .format = RLX_CODE_HOST, .function = function, .user = user, .entry = "test" };
    rlx_kernel_desc desc = { .name = "test", .codes = &code, .code_count = 1, .group_size = { 1, 1, 1 } };
    void *kernel = NULL;
    CHECK_INT(device->backend->kernel_create(device->handle, &desc, &code, &kernel), RLX_OK);
    return kernel;
}

static inline rlx_packet_dispatch harness_dispatch(void *kernel, uint32_t groups) {
    return (rlx_packet_dispatch){ .base = { .kind = RLX_PACKET_DISPATCH },
                                  .kernel = kernel,
                                  .groups = { groups, 1, 1 },
                                  .group_size = { 1, 1, 1 },
                                  .group_count = groups };
}

static inline rlx_packet_host_call harness_host_call(rlx_call_function function, void *user) {
    return (rlx_packet_host_call){ .base = { .kind = RLX_PACKET_HOST_CALL }, .function = function, .user = user };
}

/* Keeps the processor busy. */
static inline void harness_spin(uint64_t ns) {
    uint64_t end = rlx_platform_clock_ns() + ns;
    while (rlx_platform_clock_ns() < end) rlx_thread_pause();
}

/* Threads end by themselves after their device is closed: then all memory has come back. */
static inline void harness_wait_for_no_blocks(void) {
    for (int i = 0; i < 5000 && atomic_load(&harness_blocks); i++) harness_spin(1000000);
    CHECK_INT(atomic_load(&harness_blocks), 0);
}

/* Passes the time without a processor, so that what runs side by side shows even where the machine is busy. */
static inline void harness_sleep(uint64_t ns) {
    struct timespec time = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
    nanosleep(&time, NULL);
}

/* Where the project's sources lie: this file is tests/unit/cpu_harness.h in there. */
static inline const char *harness_project_folder(void) {
    static char folder[1024] = __FILE__;
    char *end = strstr(folder, "tests/unit/");
    if (end) *end = '\0';
    return folder[0] ? folder : ".";
}

/* A small generator of its own, so that a seed says it all. */
static inline uint32_t harness_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

#endif
