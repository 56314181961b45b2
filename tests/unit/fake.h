/* A backend that the test plays itself: batches that are handed over lie in a queue until the test begins and ends
 * them, so that every order of events can be made to happen. The device "fake" completes its batches; "held" is the
 * same with a queue_depth of 4, and "asked" is polled by the core. Kernels and memory are the least that the core
 * needs. */
#ifndef FAKE_H
#define FAKE_H

#include <stdlib.h>

#include "core/stream.h"
#include "tap.h"

enum { FAKE_BATCHES = 20000, FAKE_STREAMS = 8 };

typedef struct fake_stream {
    const rlx_stream_sink *sink;
    rlx_mutex lock; /* guards all below */
    uint64_t signals[FAKE_BATCHES], commands[FAKE_BATCHES], handed, ended;
    uint64_t most;   /* commands in flight at once */
    rlx_fault fault; /* for query */
    uint64_t fault_at; /* with which batch query tells of it; 0: at once */
    bool stuck;        /* waits end nothing */
} fake_stream;

static struct {
    fake_stream streams[FAKE_STREAMS]; /* in the order of opening */
    _Atomic uint32_t devices, opened, closed, memory, kernels;
    _Atomic rlx_status refuse; /* what submit returns */
    _Atomic rlx_status wait;   /* what wait returns, unless it is RLX_OK */
    bool far;                  /* memory has no host address */
    void (*on_submit)(fake_stream *stream, const rlx_batch *batch); /* NULL, or called first, under no lock */
    void (*on_query)(fake_stream *stream, const rlx_fault *fault);  /* NULL, or called last */
    void (*on_open)(void);                                          /* the same, when a stream is opened */
    void (*on_free)(void);                                          /* the same, when memory is given back */
} fake;

static const rlx_host *fake_host;

/* ---- The tables ---- */

static rlx_status fake_probe(uint32_t *count) {
    *count = 1;
    return RLX_OK;
}

static const rlx_format_info fake_formats[] = { { RLX_CODE_HOST, "host" } };

#define FAKE_PROPERTIES(device, who, one_thread) \
    { \
        .struct_size = sizeof(rlx_device_properties), .name = device, .backend = device, \
        .description = "played by a test", .driver = "none", .id = "", .architecture = "none", .units = 1, \
        .subgroup_min = 1, .subgroup_max = 1, .timer_ns = 1, .storage_types = 7, .compute_types = 7, \
        .progress = who, .thread_bound = one_thread, .can = RLX_CAN_CANCEL | RLX_CAN_HOST_POINTER, \
        .limits = { .buffer_size = 1u << 30, \
                    .binding_size = 1u << 30, \
                    .binding_alignment = 4, \
                    .buffer_args = 8, \
                    .value_bytes = 128, \
                    .groups = { 65535, 65535, 65535 }, \
                    .group_size = { 256, 256, 64 }, \
                    .group_threads = 256, \
                    .shared_bytes = 16384 }, \
        .formats = fake_formats, .format_count = 1 \
    }
#define FAKE_DESCRIBE(device, who, one_thread) \
    static const rlx_device_properties *device##_describe(uint32_t index) { \
        static const rlx_device_properties properties = FAKE_PROPERTIES(#device, who, one_thread); \
        return index ? NULL : &properties; \
    }
FAKE_DESCRIBE(fake, RLX_PROGRESS_THREAD, false)
FAKE_DESCRIBE(held, RLX_PROGRESS_THREAD, false)
FAKE_DESCRIBE(bound, RLX_PROGRESS_THREAD, true)
FAKE_DESCRIBE(asked, RLX_PROGRESS_THREAD, false)
FAKE_DESCRIBE(called, RLX_PROGRESS_CALLER, false)
FAKE_DESCRIBE(calledq, RLX_PROGRESS_CALLER, false)

static rlx_status fake_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc;
    opened->device = &fake;
    fake.devices++;
    return RLX_OK;
}

static void fake_close(void *device) {
    (void)device;
    fake.devices--;
}

static rlx_status fake_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)device, (void)kind;
    block->memory = block->host = malloc(size);
    if (!block->memory) return fake_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory");
    fake.memory++;
    if (fake.far) block->host = NULL;
    return RLX_OK;
}

static void fake_free(void *device, void *memory) {
    (void)device;
    fake.memory--;
    free(memory);
    if (fake.on_free) fake.on_free();
}

static rlx_status fake_kernel(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel) {
    (void)device, (void)desc, (void)code;
    fake.kernels++;
    *kernel = &fake;
    return RLX_OK;
}

static void fake_kernel_destroy(void *device, void *kernel) {
    (void)device, (void)kernel;
    fake.kernels--;
}

static rlx_status fake_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink,
                                   void **stream) {
    (void)device, (void)desc;
    if (fake.opened == FAKE_STREAMS) return fake_host->fail(RLX_ERROR_LIMIT, "no more streams in this test");
    fake_stream *made = &fake.streams[fake.opened++];
    made->sink = sink;
    *stream = made;
    if (fake.on_open) fake.on_open();
    return RLX_OK;
}

static void fake_stream_close(void *stream) {
    (void)stream;
    fake.closed++;
}

static rlx_status fake_submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    fake_stream *own = stream;
    (void)fault;
    if (fake.on_submit) fake.on_submit(own, batch);
    if (fake.refuse) return fake_host->fail(fake.refuse, "refused by the test");
    rlx_lock(&own->lock);
    own->signals[own->handed % FAKE_BATCHES] = batch->signal;
    own->commands[own->handed % FAKE_BATCHES] = batch->count;
    own->handed++;
    uint64_t flying = 0;
    for (uint64_t i = own->ended; i < own->handed && i < own->ended + 64; i++)
        flying += own->commands[i % FAKE_BATCHES];
    if (flying > own->most) own->most = flying;
    rlx_unlock(&own->lock);
    return RLX_OK;
}

/* For the polled device: what has ended is what the test says. */
static rlx_status fake_query(void *stream, uint64_t *completed, rlx_fault *fault) {
    fake_stream *own = stream;
    rlx_lock(&own->lock);
    *completed = own->ended;
    *fault = (rlx_fault){ 0 };
    if (own->fault_at <= own->ended) {
        *fault = own->fault;
        own->fault = (rlx_fault){ 0 };
    }
    rlx_unlock(&own->lock);
    if (fake.on_query) fake.on_query(own, fault);
    return RLX_OK;
}

static rlx_status fake_wait(void *stream, uint64_t signal, uint64_t timeout_ns) {
    fake_stream *own = stream;
    if (fake.wait) return fake_host->fail(fake.wait, "no answer");
    for (uint64_t end = rlx_deadline(timeout_ns); rlx_clock_ns() < end; rlx_thread_yield()) {
        rlx_lock(&own->lock);
        bool done = own->ended >= signal;
        rlx_unlock(&own->lock);
        if (done) return RLX_OK;
    }
    return RLX_TIMEOUT;
}

/* For devices that only callers drive. */
static rlx_status fake_wait_work(void *stream, uint64_t signal, uint64_t timeout_ns) {
    fake_stream *own = stream;
    (void)timeout_ns;
    if (fake.wait) return fake_host->fail(fake.wait, "no answer");
    rlx_lock(&own->lock);
    if (own->ended < own->handed && !own->stuck) own->ended++;
    bool done = own->ended >= signal;
    rlx_unlock(&own->lock);
    return done ? RLX_OK : RLX_TIMEOUT;
}

#define FAKE_TABLE(backend, bits, depth, described, waits) \
    { \
        .struct_size = sizeof(rlx_backend), .major = RLX_BACKEND_MAJOR, .minor = RLX_BACKEND_MINOR, .name = backend, \
        .flags = (bits) | RLX_BACKEND_HOST_MEMORY, .queue_depth = depth, .probe = fake_probe, .describe = described, \
        .device_open = fake_open, .device_close = fake_close, .memory_allocate = fake_allocate, \
        .memory_free = fake_free, .kernel_create = fake_kernel, .kernel_destroy = fake_kernel_destroy, \
        .stream_open = fake_stream_open, .stream_close = fake_stream_close, .submit = fake_submit, .wait = waits, \
        .query = fake_query \
    }
#define FAKE_ENTRY(device, bits, depth, waits) \
    static const rlx_backend device##_table = FAKE_TABLE(#device, bits, depth, device##_describe, waits); \
    static const rlx_backend *device##_entry(const rlx_host *host) { \
        fake_host = host; \
        return &device##_table; \
    }
FAKE_ENTRY(fake, RLX_BACKEND_COMPLETES, 0, fake_wait)
FAKE_ENTRY(held, RLX_BACKEND_COMPLETES, 4, fake_wait)
FAKE_ENTRY(bound, RLX_BACKEND_COMPLETES, 0, fake_wait)
FAKE_ENTRY(asked, 0, 0, fake_wait)
FAKE_ENTRY(called, 0, 0, fake_wait_work)
FAKE_ENTRY(calledq, 0, 4, fake_wait_work)

/* ---- What a test does with them ---- */

/* One more device; the counters go on. */
static inline rlx_device *fake_device_more(const char *name) {
    rlx_device *device = NULL;
    CHECK_INT(rlx_device_open(name, NULL, &device), RLX_OK);
    return device;
}

/* Opens one of them; the first time it registers them all. The counters start anew. */
static inline rlx_device *fake_device(const char *name) {
    static const rlx_backend_entry_function entries[] = { fake_entry,  held_entry,   bound_entry,
                                                          asked_entry, called_entry, calledq_entry };
    static bool registered;
    for (size_t i = 0; !registered && i < sizeof entries / sizeof *entries; i++)
        CHECK_INT(rlx_backend_register(entries[i]), RLX_OK);
    registered = true;
    /* A device that was polled is closed by the thread that polled it, which may be a moment behind. */
    for (uint64_t end = rlx_deadline(10 * RLX_SECOND); fake.devices && rlx_platform_clock_ns() < end;)
        rlx_thread_yield();
    CHECK_UINT(fake.devices, 0);
    memset(&fake, 0, sizeof fake);
    return fake_device_more(name);
}

static inline rlx_stream *fake_stream_create(rlx_device *device, uint32_t flags) {
    rlx_stream *stream = NULL;
    CHECK_INT(rlx_stream_create(device, &(rlx_stream_desc){ .flags = flags }, &stream), RLX_OK);
    return stream;
}

/* The oldest batch in flight begins; false if it was cancelled or has failed. */
static inline bool fake_begin(uint32_t stream) {
    fake_stream *own = &fake.streams[stream];
    return own->sink->begin(own->sink, own->signals[own->ended % FAKE_BATCHES]);
}

/* ... and ends. */
static inline void fake_end(uint32_t stream, const rlx_fault *fault) {
    fake_stream *own = &fake.streams[stream];
    rlx_lock(&own->lock);
    uint64_t signal = own->signals[own->ended++ % FAKE_BATCHES];
    rlx_unlock(&own->lock);
    own->sink->complete(own->sink, signal, fault);
}

static inline uint64_t fake_flying(uint32_t stream) { return fake.streams[stream].handed - fake.streams[stream].ended; }

static rlx_status fake_call(void *user) {
    (void)user;
    return RLX_OK;
}

/* `count` host calls as one batch. */
static inline rlx_point fake_submit_calls(rlx_stream *stream, uint32_t count) {
    rlx_point point = { 0 };
    for (uint32_t i = 0; i < count; i++) CHECK_INT(rlx_stream_host_call(stream, fake_call, NULL), RLX_OK);
    CHECK_INT(rlx_stream_submit(stream, &point), RLX_OK);
    return point;
}

#endif
