/* One of two plugins that call themselves the same. */
#include "base.h"

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)base_table(services, "twin", "twin:0");
    listed.description = "twin a";
    return &table;
}
