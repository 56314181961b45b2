/* Plain loops on one thread, as a program without a layer would have them. */
#include "baseline.h"

#include "loops.h"

#include <string.h>

void baseline_copy(void *dst, const void *src, uint64_t size) { memcpy(dst, src, (size_t)size); }

void baseline_fill(uint32_t *dst, uint32_t value, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) dst[i] = value;
}

void baseline_add(float *c, const float *a, const float *b, uint64_t count) { loop_add(c, a, b, count); }

void baseline_compute(float *x, uint64_t group_size, uint64_t groups, uint32_t rounds) {
    for (uint64_t g = 0; g < groups; g++) loop_compute(x + g * group_size, group_size, rounds);
}

void baseline_compute_uneven(float *x, uint64_t group_size, uint64_t groups, uint32_t rounds) {
    for (uint64_t g = 0; g < groups; g++) loop_compute(x + g * group_size, group_size, (uint32_t)(rounds * g / groups));
}
