/* Kernels, and how their groups are run. */
#include "liar.h"

/* ---- Groups ---- */

static void falsify_scratch(rlx_host_kernel *kernel) {
    static _Alignas(64) unsigned char common[65536];
    if (!kernel->shared) return;
    if (kernel->shared_bytes <= sizeof common && liar_tells("scratch-of-all-groups")) kernel->shared = common;
    if (liar_tells("scratch-not-aligned")) kernel->shared = (unsigned char *)kernel->shared + 4;
}

static rlx_status call(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    const liar_kernel *own = kernel->user;
    rlx_host_kernel theirs = *kernel;
    theirs.user = own->user;
    falsify_scratch(&theirs);
    uint64_t total = (uint64_t)kernel->groups[0] * kernel->groups[1] * kernel->groups[2];
    if (liar_tells("last-group-missing") && total > 1 && first + count == total) count--;
    if (liar_tells("last-group-twice") && first + count == total) {
        rlx_status status = own->function(&theirs, total - 1, 1);
        if (status) return status;
    }
    return count ? own->function(&theirs, first, count) : RLX_OK;
}

/* ---- Life ---- */

rlx_status liar_kernel_create(void *handle, const rlx_kernel_desc *desc, const rlx_code *code, void **result) {
    const liar_device *device = handle;
    liar_kernel *kernel = liar_host->allocate(sizeof *kernel);
    if (!kernel) return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of memory for a kernel");
    rlx_code own = *code;
    if (code->format == RLX_CODE_HOST) {
        kernel->function = code->function;
        kernel->user = code->user;
        own.function = call;
        own.user = kernel;
    }
    rlx_status status = liar_cpu->kernel_create(device->inner, desc, &own, &kernel->inner);
    if (status) liar_host->release(kernel);
    else *result = kernel;
    return status;
}

void liar_kernel_destroy(void *handle, void *kernel) {
    const liar_device *device = handle;
    if (liar_tells("completes-early")) return; /* its work may still run */
    liar_cpu->kernel_destroy(device->inner, ((liar_kernel *)kernel)->inner);
    liar_host->release(kernel);
}

/* ---- Programs: graphs are kept, and runs flattened (rewrite.c) ---- */

rlx_status liar_program_create(void *device, const rlx_graph *graph, void **result) {
    (void)device;
    liar_program *program = liar_host->allocate(sizeof *program);
    if (!program) return liar_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of memory for a program");
    program->graph = graph;
    *result = program;
    return RLX_OK;
}

void liar_program_destroy(void *device, void *program) {
    (void)device;
    liar_host->release(program);
}
