/* The arithmetic of both sides, in one place: what is measured is the way to it, so it must be the same code. */
#ifndef RLX_BENCH_LOOPS_H
#define RLX_BENCH_LOOPS_H

#include <stdint.h>

#define LOOP_SMALL 64 /* floats of a small kernel: known to the compiler, on both sides */

static inline void loop_small_add(float *restrict x, const float *restrict y) {
    for (int i = 0; i < LOOP_SMALL; i++) x[i] += y[i];
}

static inline void loop_add(float *restrict c, const float *restrict a, const float *restrict b, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) c[i] = a[i] + b[i];
}

/* Bound by arithmetic: each float is read and written once, and multiplied `rounds` times in between. The caller must
 * not let the compiler know `rounds`: it would make other code of this on one side than on the other. */
static inline void loop_compute(float *x, uint64_t count, uint32_t rounds) {
    for (uint64_t i = 0; i < count; i++) {
        float value = x[i];
        for (uint32_t j = 0; j < rounds; j++) value = value * 0.999f + 0.001f;
        x[i] = value;
    }
}

#endif
