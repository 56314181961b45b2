/* Measuring steps side by side.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"

#include "random.h"
#include "report.h"

#include <stdlib.h>

enum { BURST = 4 }; /* steps in a row: so that they can overlap with the preparation of those that follow */

static bool make_steps(learner *l, uint64_t *step) {
    for (int i = 0; i < BURST; i++) {
        flight *f = l->next(l);
        if (!f) return false;
        ++*step;
        for (uint32_t k = 0; k < BATCH_WORDS; k++) f->batch[k] = (uint32_t)random_below(*step, k, BYTES);
        if (!l->launch(l, f, *step, model_rate(*step))) return false;
    }
    for (uint32_t i = 0; i < l->flights; i++)
        if (!l->next(l)) return false;
    return true;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool measure(learner *const *learners, size_t count, uint64_t rounds, double *times, learner **failed) {
    uint64_t steps[BENCH_MOST] = { 0 };
    for (uint64_t round = 0; round <= rounds; round++) {
        for (size_t k = 0; k < count; k++) {
            size_t i = (k + round) % count; /* nobody is always first */
            double begin = report_clock();
            *failed = learners[i];
            if (!make_steps(learners[i], &steps[i])) return false;
            /* Round 0 only warms up. */
            if (round) times[i * rounds + round - 1] = (report_clock() - begin) / BURST * 1e9;
        }
    }
    return true;
}

bool bench_steps(learner *const *learners, size_t count, uint64_t rounds, double *nanoseconds, learner **failed) {
    *failed = NULL;
    float *state = malloc(STATE * sizeof *state);
    double *times = malloc(count * rounds * sizeof *times);
    bool good = state && times;
    if (good) model_initialise(state, 1);
    for (size_t i = 0; good && i < count; i++) {
        *failed = learners[i];
        good = learners[i]->load(learners[i], state);
    }
    good = good && measure(learners, count, rounds, times, failed);
    for (size_t i = 0; good && i < count; i++) {
        qsort(times + i * rounds, rounds, sizeof *times, by_size);
        nanoseconds[i] = times[i * rounds + rounds / 2];
    }
    free(state);
    free(times);
    return good;
}
