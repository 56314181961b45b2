/* Which lie is told: see lies.h. */
#include "lies.h"

#ifdef RLX_TEST_LIES
#include <string.h>

#include "platform/platform.h"

bool rlx_lie(const char *name) {
    const char *chosen = rlx_environment("RLX_LIE");
    return chosen && strcmp(chosen, name) == 0;
}
#endif
