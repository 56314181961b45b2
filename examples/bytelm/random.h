/* Random numbers by place instead of by turn: number `i` of stream `seed` is a function of both, so that a run can go
 * on at any step without having gone through those before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_RANDOM_H
#define BYTELM_RANDOM_H

#include <stdint.h>

/* The finalizer of splitmix64, twice: neighbouring seeds and places give unrelated numbers. */
static inline uint64_t random_mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t random_at(uint64_t seed, uint64_t i) {
    return random_mix(random_mix(seed + UINT64_C(0x9e3779b97f4a7c15)) + i * UINT64_C(0x9e3779b97f4a7c15));
}

/* In [0, n), for n below 2^32. */
static inline uint64_t random_below(uint64_t seed, uint64_t i, uint64_t n) {
    return (random_at(seed, i) >> 32) * n >> 32;
}

/* In [0, 1): 24 bits, which a float holds exactly. */
static inline float random_unit(uint64_t seed, uint64_t i) { return (float)(random_at(seed, i) >> 40) * 0x1p-24f; }

#endif
