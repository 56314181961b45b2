/* What the test plugins share: the minimal backend, whole, under another name. Each plugin copies its table and its
 * device's properties, changes what it is about, and hands them out. */
#ifndef PLUGIN_BASE_H
#define PLUGIN_BASE_H

#define rlx_backend_entry minimal_entry
#include "../../examples/minimal-backend/minimal.c"
#undef rlx_backend_entry

#include <stdio.h>

RLX_BACKEND_EXPORT const rlx_backend *rlx_backend_entry(const rlx_host *services);

static rlx_backend table;
static rlx_device_properties listed = { .struct_size = 0 };

static const rlx_device_properties *describe_listed(uint32_t index) {
    (void)index;
    return &listed;
}

/* Makes `table` and `listed` those of the minimal backend, called `name`, with one device. */
static inline const rlx_backend *base_table(const rlx_host *services, const char *name, const char *device) {
    table = *minimal_entry(services);
    table.name = name;
    table.describe = describe_listed;
    listed = properties;
    listed.name = device;
    listed.backend = name;
    listed.driver = "a test plugin";
    return &table;
}

/* A promise of the core is broken: no test can go on from here. */
static inline void broken(const char *promise) {
    fprintf(stderr, "%s: the core broke a promise: %s\n", table.name, promise);
    abort();
}

#endif
