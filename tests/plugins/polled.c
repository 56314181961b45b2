/* A device with a thread of its own that reports nothing by itself: the core asks, by wait and query. */
#include "queue.h"

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    return queue_table(services, "polled", "polled:0", true);
}
