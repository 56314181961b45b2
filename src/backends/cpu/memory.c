/* Memory of the host devices: plain host memory that every thread and every kernel can address. The core keeps count of
 * it, and refuses what goes beyond the machine's. */
#include "cpu.h"

#include "platform/pages.h"

#define ALIGNMENT 64 /* of small blocks: a cache line, and the widest vectors */

/* In front of a small block, in one allocation; alone for a large one. */
typedef struct cpu_memory {
    uint64_t size;
    void *pages; /* of a large block; NULL: a small one */
} cpu_memory;

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

rlx_status rlx_cpu_memory_allocate(void *device, uint64_t size, rlx_memory_kind kind, rlx_memory_block *block) {
    (void)device, (void)kind; /* all of it is both */
    block->memory = block_create(size, &block->host);
    if (block->memory) return RLX_OK;
    return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "the system has no %llu bytes", (unsigned long long)size);
}

void rlx_cpu_memory_free(void *device, void *block) {
    (void)device;
    cpu_memory *memory = block;
    if (memory->pages) rlx_pages_free(memory->pages, (size_t)memory->size);
    rlx_cpu_host->release(memory);
}
