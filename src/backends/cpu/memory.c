/* Memory of the host devices: plain host memory that every thread and every kernel can address.
 *
 * OVERCOMMIT. The system hands out more memory than it has and ends a process that believes it. So a device keeps
 * count, and refuses what would go beyond the machine's (or the container's) memory: running out is a status, not a
 * signal. */
#include "cpu.h"

#include "platform/pages.h"

#define ALIGNMENT 64 /* of small blocks: a cache line, and the widest vectors */

/* In front of a small block, in one allocation; alone for a large one. */
typedef struct cpu_memory {
    uint64_t size;
    void *pages; /* of a large block; NULL: a small one */
} cpu_memory;

static bool count_up(rlx_cpu_device *device, uint64_t size) {
    uint64_t used = atomic_load_explicit(&device->memory_used, memory_order_relaxed);
    do {
        if (used > device->memory_total || size > device->memory_total - used) return false;
    } while (!atomic_compare_exchange_weak_explicit(&device->memory_used, &used, used + size, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void count_down(rlx_cpu_device *device, uint64_t size) {
    atomic_fetch_sub_explicit(&device->memory_used, size, memory_order_relaxed);
}

static cpu_memory *block_create(uint64_t size, void **host) {
    bool large = size >= RLX_PAGES_LEAST;
    cpu_memory *memory = rlx_cpu_host->allocate(sizeof *memory + (large ? 0 : (size_t)size + ALIGNMENT - 1));
    if (!memory) return NULL;
    memory->size = size;
    if (!large) {
        uintptr_t behind = (uintptr_t)(memory + 1);
        *host = (void *)((behind + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
        return memory;
    }
    *host = memory->pages = rlx_pages_allocate((size_t)size);
    if (memory->pages) return memory;
    rlx_cpu_host->release(memory);
    return NULL;
}

rlx_status rlx_cpu_memory_allocate(void *handle, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)kind; /* all of it is both */
    rlx_cpu_device *device = handle;
    if (!count_up(device, size)) {
        return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY,
                                  "%llu bytes are wanted, and of the host's %llu this device uses %llu already",
                                  (unsigned long long)size, (unsigned long long)device->memory_total,
                                  (unsigned long long)atomic_load_explicit(&device->memory_used, memory_order_relaxed));
    }
    block->memory = block_create(size, &block->host);
    if (block->memory) return RLX_OK;
    count_down(device, size);
    return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "the system has no %llu bytes", (unsigned long long)size);
}

void rlx_cpu_memory_free(void *handle, void *block) {
    cpu_memory *memory = block;
    count_down(handle, memory->size);
    if (memory->pages) rlx_pages_free(memory->pages, (size_t)memory->size);
    rlx_cpu_host->release(memory);
}

rlx_status rlx_cpu_memory_report(void *handle, rlx_memory_report *report) {
    const rlx_cpu_device *device = handle;
    report->total = device->memory_total;
    report->free = rlx_memory_available();
    report->source = "host memory: the smaller of /proc/meminfo (MemAvailable) and the cgroup's limit";
    return RLX_OK;
}
