/* A device whose queue holds eight commands, and which ends the process when it is given more. */
#include "queue.h"

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)queue_table(services, "depth", "depth:0", true);
    table.queue_depth = 8;
    return &table;
}
