/* A device that is bound to the thread that opened it, and ends the process when it is called from another one. */
#include "base.h"

#include <pthread.h>

typedef struct bound_device {
    pthread_t owner;
} bound_device;

typedef struct bound_stream {
    bound_device *device;
    void *minimal;
} bound_stream;

static void check_thread(const bound_device *device) {
    if (!pthread_equal(device->owner, pthread_self()))
        broken("a device that is bound to a thread is called from there");
}

static rlx_status bound_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc;
    bound_device *device = host->allocate(sizeof *device);
    if (!device) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for a device");
    device->owner = pthread_self();
    opened->device = device;
    return RLX_OK;
}

static void bound_close(void *device) {
    check_thread(device);
    host->release(device);
}

static rlx_status bound_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    check_thread(device);
    return memory_allocate(device, size, kind, block);
}

static void bound_free(void *device, void *memory) {
    check_thread(device);
    memory_free(device, memory);
}

static rlx_status bound_kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **kernel) {
    check_thread(device);
    return kernel_create(device, desc, code, kernel);
}

static void bound_kernel_destroy(void *device, void *kernel) {
    check_thread(device);
    kernel_destroy(device, kernel);
}

static rlx_status bound_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink,
                                    void **handle) {
    check_thread(device);
    bound_stream *stream = host->allocate(sizeof *stream);
    if (!stream) return host->fail(RLX_ERROR_OUT_OF_MEMORY, "no memory for a stream");
    stream->device = device;
    rlx_status status = stream_open(device, desc, sink, &stream->minimal);
    if (status) host->release(stream);
    else *handle = stream;
    return status;
}

static void bound_stream_close(void *handle) {
    bound_stream *stream = handle;
    check_thread(stream->device);
    stream_close(stream->minimal);
    host->release(stream);
}

static rlx_status bound_submit(void *handle, const rlx_batch *batch, rlx_fault *fault) {
    bound_stream *stream = handle;
    check_thread(stream->device);
    return submit(stream->minimal, batch, fault);
}

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)base_table(services, "bound", "bound:0");
    table.device_open = bound_open;
    table.device_close = bound_close;
    table.memory_allocate = bound_allocate;
    table.memory_free = bound_free;
    table.kernel_create = bound_kernel_create;
    table.kernel_destroy = bound_kernel_destroy;
    table.stream_open = bound_stream_open;
    table.stream_close = bound_stream_close;
    table.submit = bound_submit;
    listed.thread_bound = true;
    return &table;
}
