/* A device with a queue and every optional function, in which the one that the environment variable RLX_FAILING names
 * fails with a status and a message. The variable is read at each call, so that a test can let it work again. */
#include "queue.h"

static bool fails(const char *function) {
    const char *named = getenv("RLX_FAILING");
    return named && strcmp(named, function) == 0;
}

static rlx_status failure(const char *function) {
    return host->fail(RLX_ERROR_BACKEND, "%s was told to fail", function);
}

static rlx_status failing_probe(uint32_t *count) {
    if (fails("probe")) return failure("probe");
    return probe(count);
}

static const rlx_device_properties *failing_describe(uint32_t index) {
    if (!fails("describe")) return describe_listed(index);
    (void)failure("describe");
    return NULL;
}

static rlx_status failing_device_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    if (fails("device_open")) return failure("device_open");
    return queue_device_open(index, desc, opened);
}

static rlx_status failing_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    if (fails("memory_allocate")) return failure("memory_allocate");
    return memory_allocate(device, size, kind, block);
}

static rlx_status failing_kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code,
                                        void **kernel) {
    if (fails("kernel_create")) return failure("kernel_create");
    return kernel_create(device, desc, code, kernel);
}

static rlx_status failing_stream_open(void *device, const rlx_stream_desc *desc, const rlx_stream_sink *sink,
                                      void **stream) {
    if (fails("stream_open")) return failure("stream_open");
    return queue_stream_open(device, desc, sink, stream);
}

static rlx_status failing_submit(void *stream, const rlx_batch *batch, rlx_fault *fault) {
    if (fails("submit")) {
        fault->vendor_code = 77;
        snprintf(fault->message, sizeof fault->message, "submit was told to fail");
        return failure("submit");
    }
    return queue_submit(stream, batch, fault);
}

/* A device that cannot say what has ended is lost, so it must not touch a batch any more. */
static rlx_status lose(queue_stream *stream, const char *function) {
    pthread_mutex_lock(&stream->device->lock);
    queue_lose(stream->device);
    pthread_mutex_unlock(&stream->device->lock);
    return failure(function);
}

static rlx_status failing_wait(void *stream, uint64_t signal, uint64_t timeout_ns) {
    if (fails("wait")) return lose(stream, "wait");
    return queue_wait(stream, signal, timeout_ns);
}

static rlx_status failing_query(void *stream, uint64_t *completed, rlx_fault *fault) {
    if (fails("query")) return lose(stream, "query");
    return queue_query(stream, completed, fault);
}

static rlx_status failing_memory_report(void *device, rlx_memory_report *report) {
    (void)device;
    if (fails("memory_report")) return failure("memory_report");
    *report = (rlx_memory_report){ .total = 1 << 30, .free = 1 << 29, .source = "the test plugin" };
    return RLX_OK;
}

static rlx_status failing_host_alloc(void *device, uint64_t size, void **pointer) {
    if (fails("host_alloc")) return failure("host_alloc");
    rlx_memory_block block;
    rlx_status status = memory_allocate(device, size, RLX_MEMORY_DEVICE, &block);
    if (status == RLX_OK) *pointer = block.memory;
    return status;
}

static rlx_status failing_program_create(void *device, const rlx_graph *graph, void **program) {
    (void)device, (void)graph, (void)program;
    return failure("program_create"); /* always: running programs is no subject of this plugin */
}

static void failing_program_destroy(void *device, void *program) {
    (void)device, (void)program;
    broken("a program that was not created is not destroyed");
}

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    if (fails("rlx_backend_entry")) {
        (void)services->fail(RLX_ERROR_BACKEND, "rlx_backend_entry was told to fail");
        return NULL;
    }
    (void)queue_table(services, "failing", "failing:0", true);
    table.probe = failing_probe;
    table.describe = failing_describe;
    table.device_open = failing_device_open;
    table.memory_allocate = failing_allocate;
    table.kernel_create = failing_kernel_create;
    table.stream_open = failing_stream_open;
    table.submit = failing_submit;
    table.wait = failing_wait;
    table.query = failing_query;
    table.memory_report = failing_memory_report;
    table.host_alloc = failing_host_alloc;
    table.host_free = memory_free;
    table.program_create = failing_program_create;
    table.program_destroy = failing_program_destroy;
    return &table;
}
