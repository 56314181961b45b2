/* Finds at once that it cannot serve here, and says why. */
#include <rlx/backend.h>

RLX_BACKEND_EXPORT const rlx_backend *rlx_backend_entry(const rlx_host *services);

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    (void)services->fail(RLX_ERROR_UNSUPPORTED, "this processor lacks what the test needs");
    return NULL;
}
