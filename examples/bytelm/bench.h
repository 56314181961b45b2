/* What a training step costs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_BENCH_H
#define BYTELM_BENCH_H

#include "learner.h"

#include <stddef.h>

enum { BENCH_MOST = 4 }; /* learners at once */

/* Medians over `rounds` of the nanoseconds of a step. In each round every learner makes a few steps in a row, one
 * learner after the other: what disturbs the machine disturbs them all. The learners' models start anew. False: the
 * message is that of the learner which `failed` points to, or out of memory if that is NULL. */
bool bench_steps(learner *const *learners, size_t count, uint64_t rounds, double *nanoseconds, learner **failed);

#endif
