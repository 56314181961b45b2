/* The curve of losses, and its drawing as an SVG file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_CURVE_H
#define BYTELM_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CURVE_BINS = 256, CURVE_POINTS = 64 };

/* Losses of steps, averaged over bins of equally many: when the bins run out, two and two are joined. So any number of
 * steps fits. All losses are in bits a byte. */
typedef struct curve {
    uint64_t first_step; /* the step before the first that was added */
    uint64_t added;
    uint64_t bin_steps; /* 0 means 1 */
    double bins[CURVE_BINS];
    size_t points; /* on the held-out bytes */
    struct {
        uint64_t step;
        double bits;
    } point[CURVE_POINTS];
} curve;

void curve_add(curve *c, double bits);
void curve_add_point(curve *c, uint64_t step, double bits);

/* Draws the curve, and the two entropies as dashed lines. False: errno tells why. */
bool curve_draw(const curve *c, const char *path, double order0, double order1);

#endif
