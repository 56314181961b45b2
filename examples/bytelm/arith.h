/* exp, tanh and log of our own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The bits of libm's differ between platforms, and a loop that calls them is not vectorised. These use nothing but
 * additions, multiplications, divisions and integer operations of IEEE 754, in a written order: with -ffp-contract=off
 * they give the same bits on every machine, in every lane of a vector of any width.
 *
 * The polynomials are minimax fits. Bounds of the errors that trying every seventh float of the range has found:
 *
 *     arith_exp    x in [-87, 88]                   1 unit in the last place
 *     arith_tanh   every finite x                   2 units
 *     arith_log    every normal positive x          1 unit
 *
 * Outside its range arith_exp stays at the value of the nearest end: nothing here overflows or makes a subnormal.
 */
#ifndef BYTELM_ARITH_H
#define BYTELM_ARITH_H

#include <stdint.h>
#include <string.h>

static inline uint32_t arith_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float arith_float(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2) / 2. */
static inline float arith_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    /* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum. */
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    /* ln 2 in two parts, the first short enough for n times it to be exact. */
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 0.001381461326f;
    p = p * r + 0.008368709824f;
    p = p * r + 0.04166838736f;
    p = p * r + 0.1666652069f;
    p = p * r + 0.4999999345f;
    p = r * r * p + r + 1.0f;
    return arith_float(arith_bits(p) + (arith_bits(shifted) << 23));
}

/* An odd polynomial near zero, where 1 - 2 / (e^2x + 1) would cancel; that beyond it. */
static inline float arith_tanh(float x) {
    float a = arith_float(arith_bits(x) & 0x7fffffffu);
    a = a > 10.0f ? 10.0f : a;
    float s = a * a;
    float p = -0.006282473479f;
    p = p * s + 0.0210777585f;
    p = p * s - 0.05385385799f;
    p = p * s + 0.1333260169f;
    p = p * s - 0.3333331805f;
    float near = p * s * a + a;
    float far = 1.0f - 2.0f / (arith_exp(2.0f * a) + 1.0f);
    float y = a < 0.55f ? near : far;
    return arith_float(arith_bits(y) | (arith_bits(x) & 0x80000000u));
}

/* ln x = e ln 2 + ln m with m in [sqrt(1/2), sqrt(2)), and ln m by the series of atanh in (m - 1) / (m + 1). */
static inline float arith_log(float x) {
    uint32_t u = arith_bits(x) - 0x3f3504f3u; /* sqrt(1/2) */
    float e = (float)((int32_t)u >> 23);
    float m = arith_float((u & 0x007fffffu) + 0x3f3504f3u);
    float f = m - 1.0f;
    float s = f / (m + 1.0f);
    float z = s * s;
    float p = 0.2987172802f;
    p = p * z + 0.3997754156f;
    p = p * z + 0.6666677638f;
    /* 2 s = f - f s, which keeps the bits of f where m is near 1. */
    float tail = s * (z * p - f);
    return e * 0.693359375f + (f + (tail - e * 2.12194440e-4f));
}

#endif
