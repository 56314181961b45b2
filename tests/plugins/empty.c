/* Works, but no device is there. */
#include "base.h"

static rlx_status probe_nothing(uint32_t *count) {
    *count = 0;
    (void)host->fail(RLX_ERROR_NOT_FOUND, "no card is in this machine");
    return RLX_OK;
}

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)base_table(services, "empty", "empty:0");
    table.probe = probe_nothing;
    return &table;
}
