/* Saved models.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_CHECKPOINT_H
#define BYTELM_CHECKPOINT_H

#include "model.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct checkpoint {
    uint64_t seed, step; /* steps that were made */
    uint64_t text;       /* hash of the text */
    float *state;        /* STATE floats */
} checkpoint;

/* Each returns false with the reason in `message`. */

/* Whether a file of that name can be written: better known before the training than after. */
bool checkpoint_writable(const char *path, char *message, size_t size);

/* Replaces the file in one go: whoever reads it finds the old one or the new one, and never half of one. */
bool checkpoint_write(const char *path, const checkpoint *c, char *message, size_t size);

/* Reads into `c`, whose `state` is the caller's. What is not exactly a saved model of this shape is refused, and leaves
 * `c` in an unusable state. */
bool checkpoint_read(const char *path, checkpoint *c, char *message, size_t size);

#endif
