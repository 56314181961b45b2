/* The devices "cpu" and "sync", and the two tables of functions.
 *
 * Opening either is cheap: a cpu device starts no thread before its first submit, a sync device never does. */
#include "cpu.h"

#include <stdio.h>
#include <string.h>

#include "platform/processor.h"

const rlx_host *rlx_cpu_host;

/* ---- Properties ---- */

static const rlx_format_info formats[] = {
    { RLX_CODE_HOST, "host" },
    { RLX_CODE_LIBRARY, "library" },
    { RLX_CODE_C, "c" },
};

/* No memory has an address beyond these bits. How much of it there is, rlx_device_memory tells. */
#define BUFFER_MAX (sizeof(void *) > 4 ? UINT64_C(1) << 46 : UINT64_C(1) << 30)

/* A group's size is a number that functions read: nothing is set aside for its threads. */
#define GROUP_MAX (1u << 20)

#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(tokens) #tokens

static void fill_properties(rlx_device_properties *properties, const char *name, const char *description,
                            uint32_t units) {
    const uint32_t types = RLX_TYPE_F32 | RLX_TYPE_I32 | RLX_TYPE_U32 | RLX_TYPE_F64 | RLX_TYPE_I8 | RLX_TYPE_U8 |
                           RLX_TYPE_I16 | RLX_TYPE_U16 | RLX_TYPE_I64 | RLX_TYPE_U64;
    *properties = (rlx_device_properties){
        .struct_size = sizeof *properties,
        .kind = RLX_DEVICE_CPU,
        .name = name,
        .backend = name,
        .description = description,
        .driver = "rlx " TEXT(RLX_VERSION_MAJOR) "." TEXT(RLX_VERSION_MINOR) "." TEXT(RLX_VERSION_PATCH),
        .id = "",
        .architecture = rlx_processor_architecture(),
        .progress = RLX_PROGRESS_THREAD,
        .units = units,
        .subgroup_min = 1,
        .subgroup_max = 1,
        .timer_ns = rlx_platform_clock_resolution_ns(),
        .storage_types = types,
        .compute_types = types,
        .can = RLX_CAN_HOST_POINTER | RLX_CAN_GROUP_SIZE | RLX_CAN_DYNAMIC_SHARED | RLX_CAN_WIDE_VALUES |
               RLX_CAN_CANCEL | RLX_CAN_DEVICE_CLOCK,
        .limits = { .buffer_size = BUFFER_MAX,
                    .binding_size = BUFFER_MAX,
                    .binding_alignment = 4,
                    .buffer_args = RLX_CPU_BUFFER_ARGS_MAX,
                    .value_bytes = RLX_CPU_VALUES_MAX,
                    .groups = { UINT32_MAX, UINT32_MAX, UINT32_MAX },
                    .group_size = { GROUP_MAX, GROUP_MAX, GROUP_MAX },
                    .group_threads = GROUP_MAX,
                    .shared_bytes = RLX_CPU_SHARED_MAX },
        .formats = formats,
        .format_count = sizeof formats / sizeof *formats,
    };
}

static char processor[128]; /* its name; written by the first probe, under the registry's lock */

static rlx_status probe(uint32_t *count) {
    if (!processor[0]) rlx_processor_name(processor, sizeof processor);
    if (!processor[0]) snprintf(processor, sizeof processor, "%s processor", rlx_processor_architecture());
    *count = 1;
    return RLX_OK;
}

static uint32_t workers_default(void) {
    uint32_t processors = rlx_processor_count();
    return processors < RLX_CPU_WORKERS_MAX ? processors : RLX_CPU_WORKERS_MAX;
}

/* Filled in once: what has been listed does not change under those who read it. */
static const rlx_device_properties *describe_cpu(uint32_t index) {
    (void)index;
    static rlx_device_properties properties;
    static char description[192];
    if (properties.struct_size) return &properties;
    snprintf(description, sizeof description, "%s, a pool of threads", processor);
    fill_properties(&properties, "cpu", description, workers_default());
    return &properties;
}

static const rlx_device_properties *describe_sync(uint32_t index) {
    (void)index;
    static rlx_device_properties properties;
    static char description[192];
    if (properties.struct_size) return &properties;
    snprintf(description, sizeof description, "%s, the calling thread", processor);
    fill_properties(&properties, "sync", description, 1);
    properties.progress = RLX_PROGRESS_CALLER;
    return &properties;
}

/* ---- Opening and closing ---- */

static void device_close(void *handle) {
    rlx_cpu_device *device = handle;
    if (device->pool) rlx_cpu_pool_close(device->pool);
    if (device->cache_folder) rlx_cpu_host->release(device->cache_folder);
    rlx_cpu_host->release(device);
}

static bool copy_text(const char *text, char **copy) {
    if (!text) return true;
    size_t size = strlen(text) + 1;
    *copy = rlx_cpu_host->allocate(size);
    if (*copy) memcpy(*copy, text, size);
    return *copy != NULL;
}

/* `workers` 0: no pool. */
static rlx_status device_open(const rlx_device_properties *properties, const rlx_device_desc *desc, uint32_t workers,
                              rlx_device_opened *opened) {
    rlx_cpu_device *device = rlx_cpu_host->allocate(sizeof *device);
    if (!device) goto fail;
    device->properties = *properties;
    if (!copy_text(desc->cache_folder, &device->cache_folder)) goto fail;
    if (workers) {
        device->properties.units = workers < RLX_CPU_WORKERS_MAX ? workers : RLX_CPU_WORKERS_MAX;
        device->pool = rlx_cpu_pool_create(device->properties.units);
        if (!device->pool) goto fail;
    }
    *opened = (rlx_device_opened){ device, &device->properties };
    return RLX_OK;

fail:
    if (device) device_close(device);
    return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for a device");
}

static rlx_status open_cpu(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    return device_open(describe_cpu(index), desc, desc->workers ? desc->workers : workers_default(), opened);
}

static rlx_status open_sync(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    return device_open(describe_sync(index), desc, 0, opened);
}

/* ---- The tables ---- */

#define TABLE(NAME, FLAGS, DESCRIBE, OPEN, SUBMIT) \
    { \
        .struct_size = sizeof(rlx_backend), .major = RLX_BACKEND_MAJOR, .minor = RLX_BACKEND_MINOR, .name = NAME, \
        .flags = (FLAGS) | RLX_BACKEND_HOST_MEMORY, .probe = probe, .describe = DESCRIBE, .device_open = OPEN, \
        .device_close = device_close, .memory_allocate = rlx_cpu_memory_allocate, .memory_free = rlx_cpu_memory_free, \
        .kernel_create = rlx_cpu_kernel_create, .kernel_destroy = rlx_cpu_kernel_destroy, \
        .stream_open = rlx_cpu_stream_open, .stream_close = rlx_cpu_stream_close, .submit = SUBMIT, \
        .program_create = rlx_cpu_program_create, .program_destroy = rlx_cpu_program_destroy, \
    }

static const rlx_backend cpu_backend = TABLE("cpu", RLX_BACKEND_COMPLETES, describe_cpu, open_cpu, rlx_cpu_submit);
static const rlx_backend sync_backend =
    TABLE("sync", RLX_BACKEND_SYNCHRONOUS, describe_sync, open_sync, rlx_sync_submit);

const rlx_backend *rlx_cpu_backend(const rlx_host *host) {
    rlx_cpu_host = host;
    return &cpu_backend;
}

const rlx_backend *rlx_sync_backend(const rlx_host *host) {
    rlx_cpu_host = host;
    return &sync_backend;
}
