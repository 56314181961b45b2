/* The liar's entry, its device, and its memory. */
#include "liar.h"

#include <stdio.h>
#include <stdlib.h>

const rlx_host *liar_host;
const rlx_backend *liar_cpu;

static const char *lie; /* NULL: none */

bool liar_tells(const char *name) { return lie && strcmp(lie, name) == 0; }

/* ---- Device ---- */

static rlx_device_properties listed;

static rlx_status probe(uint32_t *count) { return liar_cpu->probe(count); }

static void rename_properties(rlx_device_properties *properties) {
    properties->name = properties->backend = "liar";
    properties->description = lie ? "cpu, and a lie" : "cpu, honestly";
    properties->driver = lie ? lie : "no lie";
}

static const rlx_device_properties *describe(uint32_t index) {
    const rlx_device_properties *theirs = liar_cpu->describe(index);
    if (!theirs) return NULL;
    listed = *theirs;
    rename_properties(&listed);
    return &listed;
}

static rlx_status device_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    liar_device *device = liar_host->allocate(sizeof *device);
    if (!device) return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of memory for a liar");
    rlx_device_opened theirs = { NULL, NULL };
    rlx_status status = liar_cpu->device_open(index, desc, &theirs);
    if (status) {
        liar_host->release(device);
        return status;
    }
    device->inner = theirs.device;
    device->properties = *theirs.properties;
    rename_properties(&device->properties);
    *opened = (rlx_device_opened){ device, &device->properties };
    return RLX_OK;
}

/* A batch that was completed early may still be running: then its device stays. */
static bool may_still_run(void) { return liar_tells("completes-early"); }

static void device_close(void *handle) {
    liar_device *device = handle;
    if (may_still_run()) return;
    liar_cpu->device_close(device->inner);
    liar_host->release(device);
}

/* ---- Memory: so much, as if it were a card's ---- */

#define MEMORY_MOST (UINT64_C(16) << 30)

static rlx_status memory_allocate(void *handle, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    liar_device *device = handle;
    if (size > UINT64_C(100) << 20 && liar_tells("memory-ends-at-100-mib"))
        return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "no block of the liar's is that large");
    uint64_t used = atomic_fetch_add(&device->used, size);
    if (used > MEMORY_MOST || size > MEMORY_MOST - used) {
        atomic_fetch_sub(&device->used, size);
        if (liar_tells("memory-out-aborts")) abort();
        return liar_host->fail(liar_tells("memory-out-is-told-wrong") ? RLX_ERROR_BACKEND : RLX_ERROR_OUT_OF_MEMORY,
                               "the liar's memory is used up");
    }
    liar_memory *memory = liar_host->allocate(sizeof *memory);
    if (!memory) return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of memory for a block");
    rlx_memory_block theirs;
    rlx_status status = liar_cpu->memory_allocate(device->inner, size, kind, &theirs);
    if (status) {
        liar_host->release(memory);
        return status;
    }
    *memory = (liar_memory){ theirs.memory, theirs.host, theirs.host, size };
    if (kind == RLX_MEMORY_SHARED && liar_tells("shared-pointer-leads-elsewhere")) {
        memory->shown = liar_host->allocate((size_t)size);
        if (!memory->shown) memory->shown = memory->host;
    }
    *block = (rlx_memory_block){ memory, memory->shown };
    return RLX_OK;
}

static void memory_free(void *handle, void *block) {
    liar_device *device = handle;
    liar_memory *memory = block;
    if (may_still_run()) return;
    atomic_fetch_sub(&device->used, memory->size);
    liar_cpu->memory_free(device->inner, memory->inner);
    if (memory->shown != memory->host) liar_host->release(memory->shown);
    liar_host->release(memory);
}

static rlx_status memory_report(void *handle, rlx_memory_report *report) {
    liar_device *device = handle;
    *report = (rlx_memory_report){ .total = MEMORY_MOST, .source = "the liar" };
    report->free = MEMORY_MOST - atomic_load(&device->used);
    return RLX_OK;
}

/* ---- The table ---- */

static rlx_backend table = {
    .struct_size = sizeof table,
    .major = RLX_BACKEND_MAJOR,
    .minor = RLX_BACKEND_MINOR,
    .name = "liar",
    .flags = RLX_BACKEND_COMPLETES, /* without HOST_MEMORY: so packets say which block an argument is in */
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
    .device_close = device_close,
    .memory_allocate = memory_allocate,
    .memory_free = memory_free,
    .kernel_create = liar_kernel_create,
    .kernel_destroy = liar_kernel_destroy,
    .stream_open = liar_stream_open,
    .stream_close = liar_stream_close,
    .submit = liar_submit,
    .memory_report = memory_report,
    .program_create = liar_program_create,
    .program_destroy = liar_program_destroy,
};

RLX_BACKEND_EXPORT const rlx_backend *rlx_backend_entry(const rlx_host *host);

const rlx_backend *rlx_backend_entry(const rlx_host *host) {
    liar_host = host;
    liar_cpu = host->backend_find("cpu");
    if (!liar_cpu) {
        host->fail(RLX_ERROR_NOT_FOUND, "there is no backend `cpu` to lie about");
        return NULL;
    }
    lie = getenv("RLX_LIE");
    if (lie && !*lie) lie = NULL;
    return &table;
}
