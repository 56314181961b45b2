/* Kernels of the host devices: a function, from wherever it comes. loader.c finds those that are not handed over. */
#include "cpu.h"

rlx_status rlx_cpu_load_library(const rlx_code *code, rlx_cpu_kernel *kernel) {
    char error[512];
    kernel->library = rlx_library_open(code->path, error, sizeof error);
    if (!kernel->library) return rlx_cpu_host->fail(RLX_ERROR_NOT_FOUND, "%s", error);
    void *symbol = rlx_library_symbol(kernel->library, code->entry);
    if (!symbol) return rlx_cpu_host->fail(RLX_ERROR_NOT_FOUND, "%s exports no symbol \"%s\"", code->path, code->entry);
    kernel->function = (rlx_host_function)(uintptr_t)symbol;
    return RLX_OK;
}

rlx_status rlx_cpu_kernel_create(void *device, const rlx_kernel_desc *desc, const rlx_code *code, void **result) {
    rlx_status status;
    rlx_cpu_kernel *kernel = rlx_cpu_host->allocate(sizeof *kernel);
    if (!kernel) return rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for a kernel");
    switch (code->format) {
    case RLX_CODE_HOST:
        kernel->function = code->function;
        kernel->user = code->user;
        status = RLX_OK;
        break;
    case RLX_CODE_LIBRARY: status = rlx_cpu_load_library(code, kernel); break;
    case RLX_CODE_C: status = rlx_cpu_load_source(device, desc, code, kernel); break;
    default: status = rlx_cpu_host->fail(RLX_ERROR_UNSUPPORTED, "code format %u is not known here", code->format);
    }
    if (status) rlx_cpu_kernel_destroy(device, kernel);
    else *result = kernel;
    return status;
}

void rlx_cpu_kernel_destroy(void *device, void *handle) {
    (void)device;
    rlx_cpu_kernel *kernel = handle;
    if (kernel->library) rlx_library_close(kernel->library);
    rlx_cpu_host->release(kernel);
}
