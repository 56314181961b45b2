/* A device whose queue only moves while somebody waits, as in a browser. */
#include "queue.h"

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    return queue_table(services, "caller", "caller:0", false);
}
