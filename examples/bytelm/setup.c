/* What surrounds the arithmetic: which of its variants this processor runs, the parameters that training starts from,
 * and the rate of each step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model.h"
#include "random.h"

#include <math.h>
#include <string.h>

extern const model_arithmetic model_lanes4;
#if defined(BYTELM_X86_VARIANTS)
extern const model_arithmetic model_lanes8, model_lanes16;
#endif

/* The variants that run here, narrowest first. */
static int variants(const model_arithmetic *list[3]) {
    int count = 0;
    list[count++] = &model_lanes4;
#if defined(BYTELM_X86_VARIANTS)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) list[count++] = &model_lanes8;
    if (__builtin_cpu_supports("avx512f")) list[count++] = &model_lanes16;
#endif
    return count;
}

const model_arithmetic *model_widest(void) {
    const model_arithmetic *list[3];
    return list[variants(list) - 1];
}

const model_arithmetic *model_named(const char *name) {
    const model_arithmetic *list[3];
    for (int i = variants(list) - 1; i >= 0; i--)
        if (strcmp(list[i]->name, name) == 0) return list[i];
    return NULL;
}

/* Uniform in [-scale, scale). */
static float *uniform(float *w, uint64_t size, float scale, uint64_t seed) {
    for (uint64_t i = 0; i < size; i++) w[i] = (2.0f * random_unit(seed, i) - 1.0f) * scale;
    return w + size;
}

/* Variance 1 / inputs keeps the numbers of a layer about as large as those of the one before. The last layer starts at
 * zero: the first loss is that of knowing nothing, 8 bits. */
void model_initialise(float state[STATE], uint64_t seed) {
    memset(state, 0, STATE * sizeof *state);
    float *w = uniform(state, EMBEDDINGS, 1.0f, random_at(seed, 1));
    uniform(w, INPUTS * HIDDEN, sqrtf(3.0f / INPUTS), random_at(seed, 2));
}

static double power(double base, uint64_t exponent) {
    double p = 1.0;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1) p *= base;
    return p;
}

/* Rises for a hundred steps, then falls with the square root of the step. How long a run will be plays no part: a
 * shorter run is the beginning of a longer one. */
float model_rate(uint64_t step) {
    const double peak = 0.003, rise = 100, fall = 1000;
    double t = (double)step;
    double rate = t < rise ? peak * t / rise : peak * sqrt(fall / (fall + t - rise));
    return (float)(rate * sqrt(1.0 - power(0.999, step)) / (1.0 - power(0.9, step)));
}
