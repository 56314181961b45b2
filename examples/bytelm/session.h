/* A run from its first line to its last: train, score, draw a sample, and tell.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_SESSION_H
#define BYTELM_SESSION_H

#include "learner.h"
#include "options.h"

/* Returns the program's exit code. The learner stays the caller's. */
int session_run(const options *o, learner *l);

#endif
