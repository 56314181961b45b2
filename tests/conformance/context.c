/* What tests make: devices, streams, buffers and memory that live until their test has ended, and the end of a test. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- What is kept ---- */

void conform_keep(conform_test *t, conform_item_kind kind, void *object) {
    conform_item *item = malloc(sizeof *item);
    if (!item) abort(); /* of the test, not of the library: there is nothing left to report with */
    *item = (conform_item){ .kind = kind, .object = object };
    pthread_mutex_lock(&t->process->lock);
    item->next = t->process->items;
    t->process->items = item;
    pthread_mutex_unlock(&t->process->lock);
}

static void release_item(conform_process *process, const conform_item *item) {
    switch (item->kind) {
    case CONFORM_ITEM_GATE: conform_gate_release(item->object); break;
    case CONFORM_ITEM_THREAD: conform_thread_finish(item->object); break;
    case CONFORM_ITEM_STREAM: rlx_stream_release(item->object); break;
    case CONFORM_ITEM_PROGRAM: rlx_program_release(item->object); break;
    case CONFORM_ITEM_KERNEL: rlx_kernel_release(item->object); break;
    case CONFORM_ITEM_BUFFER: rlx_buffer_release(item->object); break;
    case CONFORM_ITEM_DEVICE:
        conform_kernels_release(process, item->object);
        rlx_device_release(item->object);
        break;
    case CONFORM_ITEM_MEMORY: free(item->object); break;
    case CONFORM_ITEM_KINDS: break;
    }
}

static void for_items(conform_process *process, conform_item_kind kind, void (*function)(void *object)) {
    for (conform_item *item = process->items; item; item = item->next)
        if (item->kind == kind) function(item->object);
}

static void open_gate(void *object) { conform_gate_open(object); }

/* How the work ended is the test's business, and it may have failed on purpose. */
static void drain_stream(void *object) {
    rlx_status status = rlx_stream_wait(object, 5 * RLX_SECOND);
    (void)status;
}

void conform_clean_up(conform_test *t) {
    conform_process *process = t->process;
    for_items(process, CONFORM_ITEM_GATE, open_gate);
    for (conform_item **link = &process->items; *link;) { /* threads first: they may use everything else */
        conform_item *item = *link;
        if (item->kind != CONFORM_ITEM_THREAD) {
            link = &item->next;
            continue;
        }
        *link = item->next;
        release_item(process, item);
        free(item);
        link = &process->items; /* a thread may have kept more, in front */
    }
    for_items(process, CONFORM_ITEM_STREAM, drain_stream);
    for (int kind = CONFORM_ITEM_STREAM; kind < CONFORM_ITEM_KINDS; kind++)
        for (conform_item *item = process->items; item; item = item->next)
            if ((int)item->kind == kind) release_item(process, item);
    for (conform_item *item = process->items; item; item = item->next) /* last: released streams may still be at one */
        if (item->kind == CONFORM_ITEM_GATE) release_item(process, item);
    while (process->items) {
        conform_item *next = process->items->next;
        free(process->items);
        process->items = next;
    }
}

void conform_leave(conform_test *t) {
    conform_process *process = t->process;
    if (process->failed && process->report) process->report(process);
    if (t->thread) conform_thread_leave(t->thread);
    conform_clean_up(t); /* before the stack is left: commands may borrow from it */
    longjmp(process->start, 1);
}

/* ---- Devices ---- */

rlx_status conform_open_device(const conform_options *options, rlx_device **device) {
    return rlx_device_open(options->device, &(rlx_device_desc){ .workers = options->workers }, device);
}

void conform_close_device(conform_process *process) {
    conform_kernels_release(process, NULL);
    rlx_device_release(process->device);
    process->device = NULL;
}

rlx_device *conform_open_again(conform_test *t) {
    rlx_device *device;
    CHECK_OK(t, conform_open_device(t->process->options, &device));
    conform_keep(t, CONFORM_ITEM_DEVICE, device);
    return device;
}

rlx_device *conform_open(conform_test *t, const char *name) {
    rlx_device *device;
    CHECK_OK(t, rlx_device_open(name, &(rlx_device_desc){ .workers = 2 }, &device));
    conform_keep(t, CONFORM_ITEM_DEVICE, device);
    return device;
}

bool conform_has_device(conform_test *t, const char *name) {
    const rlx_device_properties *list[256];
    uint32_t count = 0;
    CHECK_OK(t, rlx_devices_list(list, 256, &count));
    for (uint32_t i = 0; i < count && i < 256; i++)
        if (strcmp(list[i]->name, name) == 0) return true;
    return false;
}

const char *conform_device_name(const conform_test *t) { return t->process->options->device; }

/* ---- Objects ---- */

rlx_stream *conform_stream_on(conform_test *t, rlx_device *device, uint32_t flags, const char *label) {
    rlx_stream *stream;
    CHECK_OK(t, rlx_stream_create(device, &(rlx_stream_desc){ .flags = flags, .label = label }, &stream));
    conform_keep(t, CONFORM_ITEM_STREAM, stream);
    return stream;
}

rlx_stream *conform_stream(conform_test *t, uint32_t flags) { return conform_stream_on(t, t->device, flags, NULL); }

rlx_buffer *conform_buffer_on(conform_test *t, rlx_device *device, uint64_t size) {
    rlx_buffer *buffer;
    CHECK_OK(t, rlx_buffer_create(device, &(rlx_buffer_desc){ .size = size }, &buffer));
    conform_keep(t, CONFORM_ITEM_BUFFER, buffer);
    return buffer;
}

rlx_buffer *conform_buffer(conform_test *t, uint64_t size) { return conform_buffer_on(t, t->device, size); }

rlx_program *conform_finish(conform_test *t, rlx_stream *recording) {
    rlx_program *program;
    CHECK_OK(t, rlx_stream_finish(recording, NULL, &program));
    conform_keep(t, CONFORM_ITEM_PROGRAM, program);
    return program;
}

void *conform_memory(conform_test *t, uint64_t size) {
    size_t rounded = ((size_t)size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    CHECK(t, memory != NULL, "%" PRIu64 " bytes of memory for the test itself", size);
    memset(memory, 0, rounded);
    conform_keep(t, CONFORM_ITEM_MEMORY, memory);
    return memory;
}

atomic_uint *conform_counter(conform_test *t) {
    atomic_uint *counter = conform_memory(t, sizeof *counter);
    atomic_init(counter, 0);
    return counter;
}

/* ---- Bytes ---- */

/* A stream for one transfer, so that what a test sees doesn't depend on the streams that it tests. */
static rlx_stream *side_stream(conform_test *t, rlx_range range) {
    rlx_stream *stream;
    CHECK_OK(t, rlx_stream_create(rlx_buffer_info(range.buffer)->device, NULL, &stream));
    return stream;
}

void conform_put(conform_test *t, rlx_range dst, const void *src) {
    rlx_stream *stream = side_stream(t, dst);
    CHECK_OK(t, rlx_stream_write(stream, dst, src, 0));
    CHECK_OK(t, rlx_stream_submit_and_wait(stream, t->patience));
    rlx_stream_release(stream);
}

void conform_get(conform_test *t, void *dst, rlx_range src) {
    rlx_stream *stream = side_stream(t, src);
    CHECK_OK(t, rlx_stream_read(stream, dst, src));
    CHECK_OK(t, rlx_stream_submit_and_wait(stream, t->patience));
    rlx_stream_release(stream);
}

uint32_t conform_get_u32(conform_test *t, rlx_buffer *buffer, uint64_t index) {
    uint32_t word = 0;
    conform_get(t, &word, rlx_part(buffer, index * 4, 4));
    return word;
}

void conform_set(conform_test *t, rlx_range dst, unsigned char byte) {
    rlx_stream *stream = side_stream(t, dst);
    CHECK_OK(t, rlx_stream_fill(stream, dst, byte, 1));
    CHECK_OK(t, rlx_stream_submit_and_wait(stream, t->patience));
    rlx_stream_release(stream);
}

/* SplitMix64: every state gives a good number, so any seed will do. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t conform_random(conform_test *t) { return next_random(&t->random); }

uint32_t conform_below(conform_test *t, uint32_t limit) { return (uint32_t)((conform_random(t) >> 32) * limit >> 32); }

void conform_noise(void *dst, uint64_t size, uint64_t seed) {
    unsigned char *bytes = dst;
    for (uint64_t i = 0; i < size; i++) bytes[i] = (unsigned char)(next_random(&seed) >> 24);
}

/* ---- Host calls ---- */

static rlx_status fail_call(void *user) { return (rlx_status)(uintptr_t)user; }

void conform_fail(conform_test *t, rlx_stream *s, rlx_status status) {
    CHECK_OK(t, rlx_stream_host_call(s, fail_call, (void *)(uintptr_t)status));
}

static rlx_status count_call(void *user) {
    atomic_fetch_add((atomic_uint *)user, 1);
    return RLX_OK;
}

void conform_count(conform_test *t, rlx_stream *s, atomic_uint *counter) {
    CHECK_OK(t, rlx_stream_host_call(s, count_call, counter));
}

static rlx_status nap_call(void *user) {
    conform_sleep_us((uint32_t)(uintptr_t)user);
    return RLX_OK;
}

void conform_nap(conform_test *t, rlx_stream *s, uint32_t microseconds) {
    CHECK_OK(t, rlx_stream_host_call(s, nap_call, (void *)(uintptr_t)microseconds));
}
