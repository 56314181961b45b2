/* Has two devices, of which the first is too small to be listed. */
#include "base.h"

static rlx_device_properties devices[2];

static rlx_status probe_two(uint32_t *count) {
    *count = 2;
    return RLX_OK;
}

static const rlx_device_properties *describe_one(uint32_t index) { return &devices[index]; }

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)base_table(services, "floor", "floor:0");
    table.probe = probe_two;
    table.describe = describe_one;
    devices[0] = devices[1] = listed;
    devices[0].limits.group_threads = 128;
    devices[1].name = "floor:1";
    return &table;
}
