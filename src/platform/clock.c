/* The clock of every time in the interface: monotonic nanoseconds. */
#include "platform.h"

#include <time.h>

uint64_t rlx_platform_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint32_t rlx_platform_clock_resolution_ns(void) {
    struct timespec step;
    if (clock_getres(CLOCK_MONOTONIC, &step) != 0 || step.tv_sec > 0) return 1000000000;
    return step.tv_nsec > 0 ? (uint32_t)step.tv_nsec : 1;
}

uint64_t rlx_deadline(uint64_t timeout_ns) {
    uint64_t now = rlx_platform_clock_ns();
    return timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
}
