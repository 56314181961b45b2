/* From a kernel's C source to a function. */
#ifndef RLX_CPU_LOADER_H
#define RLX_CPU_LOADER_H

#include "cache.h"
#include "cpu.h"

typedef struct rlx_cpu_loader {
    rlx_cpu_environment environment;
    const char *cache_folder; /* as in rlx_device_desc */
} rlx_cpu_loader;

/* What became of the cache, for tests and log lines. */
typedef struct rlx_cpu_loaded {
    void *library;
    rlx_host_function function;
    bool from_cache; /* nothing was compiled */
    bool kept;       /* it is in the cache now */
} rlx_cpu_loaded;

/* Errors (message set): COMPILE, NOT_FOUND (the entry), UNSUPPORTED (no compiler that works), IO, OUT_OF_MEMORY. */
rlx_status rlx_cpu_loader_run(const rlx_cpu_loader *loader, const rlx_kernel_desc *desc, const rlx_code *code,
                              rlx_cpu_loaded *loaded);

#endif
