/* The arithmetic of the model. It is compiled once for each width of vectors (LANES: 4, 8 or 16 floats), under another
 * name for its table (ARITHMETIC), and gives the same bits each time: a vector always spans *different* results, never
 * the terms of one sum. Sums run in the order of their index, or, where they run over one row, in sixteen partial sums
 * that are written out here. That needs -ffp-contract=off, and forbids -ffast-math.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model.h"

#include "arith.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#ifndef LANES
#define LANES 4
#define ARITHMETIC model_lanes4
#define ARITHMETIC_NAME "portable"
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* ---- Matrix products ---------------------------------------------------------------------------------------------
 *
 * The right-hand matrix is taken by panels of COLUMNS columns, copied so that they lie densely in the fastest cache;
 * the left-hand one passes by, ROWS rows at a time, with ROWS * COLUMNS sums in registers. */

/* panel = 16 columns of w, from row 0 to `depth`. */
INLINE void panel_of_columns(float *restrict panel, const float *restrict w, size_t width, size_t depth) {
    for (size_t k = 0; k < depth; k++) memcpy(panel + k * COLUMNS, w + k * width, COLUMNS * sizeof *panel);
}

/* The same of the transposed matrix: 16 rows of w. */
INLINE void panel_of_rows(float *restrict panel, const float *restrict w, size_t width, size_t depth) {
    for (size_t k = 0; k < depth; k++)
        for (size_t j = 0; j < COLUMNS; j++) panel[k * COLUMNS + j] = w[j * width + k];
}

/* out[i][j] = start[i][j] + sum over k of a[i][k] * panel[k][j] for eight rows i. Element [i][k] of `a` lies at
 * a[i * row + k * step], so that step 1 reads a matrix by rows and row 1 reads it transposed. `start` NULL is zero. */
INLINE void tile(float *restrict out, size_t width, const float *restrict a, size_t row, size_t step,
                 const float *restrict panel, size_t depth, const float *start, size_t start_row) {
    lanes sum[ROWS][COLUMNS / LANES];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLUMNS / LANES; j++)
            sum[i][j] = start ? *(const lanes *)(start + i * start_row + j * LANES) : (lanes){ 0 };
    for (size_t k = 0; k < depth; k++)
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < COLUMNS / LANES; j++)
                sum[i][j] += a[i * row + k * step] * *(const lanes *)(panel + k * COLUMNS + j * LANES);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLUMNS / LANES; j++) *(lanes *)(out + i * width + j * LANES) = sum[i][j];
}

/* ---- Forward ----------------------------------------------------------------------------------------------------- */

static void embed(const uint32_t *contexts, const float *embeddings, float *x, uint64_t first, uint64_t count) {
    for (uint64_t i = first * ROWS * CONTEXT; i < (first + count) * ROWS * CONTEXT; i++)
        memcpy(x + i * EMBEDDING, embeddings + contexts[i] * EMBEDDING, EMBEDDING * sizeof *x);
}

static void hidden(const float *x, const float *layer1, float *restrict h, uint32_t rows, float *scratch,
                   uint64_t first, uint64_t count) {
    const float *biases = layer1 + INPUTS * HIDDEN;
    for (size_t c = first * COLUMNS; c < (first + count) * COLUMNS; c += COLUMNS) {
        for (size_t k = 0; k < INPUTS; k += DEPTH) {
            panel_of_columns(scratch, layer1 + k * HIDDEN + c, HIDDEN, DEPTH);
            for (size_t r = 0; r < rows; r += ROWS) {
                float *out = h + r * HIDDEN + c;
                tile(out, HIDDEN, x + r * INPUTS + k, INPUTS, 1, scratch, DEPTH, k ? out : biases + c, k ? HIDDEN : 0);
            }
        }
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < COLUMNS; j++) h[r * HIDDEN + c + j] = arith_tanh(h[r * HIDDEN + c + j]);
    }
}

static void logits(const float *h, const float *layer2, float *z, uint32_t rows, float *scratch, uint64_t first,
                   uint64_t count) {
    const float *biases = layer2 + HIDDEN * BYTES;
    for (size_t c = first * COLUMNS; c < (first + count) * COLUMNS; c += COLUMNS) {
        panel_of_columns(scratch, layer2 + c, BYTES, HIDDEN);
        for (size_t r = 0; r < rows; r += ROWS)
            tile(z + r * BYTES + c, BYTES, h + r * HIDDEN, HIDDEN, 1, scratch, HIDDEN, biases + c, 0);
    }
}

/* e^(z - the largest z) for one row, and their sum. What is below 2^-86 of the largest is 0, as subnormals are slow. */
INLINE float exponentials(float *restrict e, const float *restrict z, float scale) {
    float most[COLUMNS], sum[COLUMNS] = { 0 };
    memcpy(most, z, sizeof most);
    for (size_t i = 0; i < BYTES; i += COLUMNS)
        for (size_t j = 0; j < COLUMNS; j++) most[j] = z[i + j] > most[j] ? z[i + j] : most[j];
    for (size_t half = COLUMNS / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++) most[j] = most[j + half] > most[j] ? most[j + half] : most[j];
    for (size_t i = 0; i < BYTES; i += COLUMNS)
        for (size_t j = 0; j < COLUMNS; j++) {
            float x = (z[i + j] - most[0]) * scale;
            e[i + j] = x < -60.0f ? 0.0f : arith_exp(x);
            sum[j] += e[i + j];
        }
    for (size_t half = COLUMNS / 2; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++) sum[j] += sum[j + half];
    return sum[0];
}

static void softmax(float *restrict z, const uint32_t *restrict targets, float *restrict losses, uint64_t first,
                    uint64_t count) {
    for (size_t r = first * ROWS; r < (first + count) * ROWS; r++) {
        float p[BYTES], *row = z + r * BYTES;
        float sum = exponentials(p, row, 1.0f);
        for (size_t j = 0; j < BYTES; j++) {
            p[j] /= sum;
            row[j] = p[j] * (1.0f / BATCH);
        }
        float hit = p[targets[r]];
        /* hit - hit is 0, or no number where hit is none: a model that has diverged must not look well. */
        losses[r] = hit - hit - arith_log(hit < 0x1p-100f ? 0x1p-100f : hit);
        row[targets[r]] = (hit - 1.0f) * (1.0f / BATCH);
    }
}

static void total(const float *losses, float *sum, uint32_t examples) {
    float s = 0;
    for (uint32_t i = 0; i < examples; i++) s += losses[i];
    *sum = s;
}

/* ---- Backward ---------------------------------------------------------------------------------------------------- */

static void hidden_delta(const float *dz, const float *layer2, const float *restrict h, float *restrict dh,
                         float *scratch, uint64_t first, uint64_t count) {
    for (size_t c = first * COLUMNS; c < (first + count) * COLUMNS; c += COLUMNS) {
        panel_of_rows(scratch, layer2 + c * BYTES, BYTES, BYTES);
        for (size_t r = 0; r < BATCH; r += ROWS)
            tile(dh + r * HIDDEN + c, HIDDEN, dz + r * BYTES, BYTES, 1, scratch, BYTES, NULL, 0);
        for (size_t r = 0; r < BATCH; r++)
            for (size_t j = 0; j < COLUMNS; j++) {
                float y = h[r * HIDDEN + c + j];
                dh[r * HIDDEN + c + j] *= 1.0f - y * y; /* tanh' = 1 - tanh^2 */
            }
    }
}

static void input_delta(const float *dh, const float *layer1, float *dx, float *scratch, uint64_t first,
                        uint64_t count) {
    for (size_t c = first * COLUMNS; c < (first + count) * COLUMNS; c += COLUMNS) {
        panel_of_rows(scratch, layer1 + c * HIDDEN, HIDDEN, HIDDEN);
        for (size_t r = 0; r < BATCH; r += ROWS)
            tile(dx + r * INPUTS + c, INPUTS, dh + r * HIDDEN, HIDDEN, 1, scratch, HIDDEN, NULL, 0);
    }
}

/* Both layers have 256 outputs; `width` is a constant wherever this is inlined. */
INLINE void gradient_of(const float *inputs, size_t width, const float *deltas, float *restrict gradient,
                        float *scratch, uint64_t first, uint64_t count) {
    for (size_t c = first * COLUMNS; c < (first + count) * COLUMNS; c += COLUMNS) {
        panel_of_columns(scratch, deltas + c, HIDDEN, BATCH);
        for (size_t i = 0; i < width; i += ROWS)
            tile(gradient + i * HIDDEN + c, HIDDEN, inputs + i, 1, width, scratch, BATCH, NULL, 0);
        float bias[COLUMNS] = { 0 };
        for (size_t k = 0; k < BATCH; k++)
            for (size_t j = 0; j < COLUMNS; j++) bias[j] += scratch[k * COLUMNS + j];
        memcpy(gradient + width * HIDDEN + c, bias, sizeof bias);
    }
}

static void layer_gradient(const float *inputs, uint32_t width, const float *deltas, float *gradient, float *scratch,
                           uint64_t first, uint64_t count) {
    if (width == INPUTS) gradient_of(inputs, INPUTS, deltas, gradient, scratch, first, count);
    else gradient_of(inputs, HIDDEN, deltas, gradient, scratch, first, count);
}

/* A byte may occur many times in a batch. A group owns some columns of all bytes' embeddings, and adds in order. */
static void embed_gradient(const uint32_t *contexts, const float *restrict dx, float *restrict gradient, uint64_t first,
                           uint64_t count) {
    for (size_t c = first * COLUMNS; c < (first + count) * COLUMNS; c += COLUMNS) {
        for (size_t b = 0; b < BYTES; b++) memset(gradient + b * EMBEDDING + c, 0, COLUMNS * sizeof *gradient);
        for (size_t i = 0; i < BATCH * CONTEXT; i++) {
            float *of_byte = gradient + contexts[i] * EMBEDDING + c;
            for (size_t j = 0; j < COLUMNS; j++) of_byte[j] += dx[i * EMBEDDING + c + j];
        }
    }
}

/* ---- Adam, and drawing a byte ------------------------------------------------------------------------------------ */

static void adam(float *restrict w, const float *restrict gradient, float *restrict m, float *restrict v, uint64_t size,
                 float rate, uint64_t first, uint64_t count) {
    uint64_t end = (first + count) * CHUNK < size ? (first + count) * CHUNK : size;
    for (uint64_t i = first * CHUNK; i < end; i++) {
        float g = gradient[i];
        float a = 0.9f * m[i] + 0.1f * g;
        float b = 0.999f * v[i] + 0.001f * g * g;
        /* A moment that has faded away is zero: as a subnormal number it would slow down every later step. */
        m[i] = fabsf(a) < 1e-30f ? 0.0f : a;
        v[i] = b < 1e-30f ? 0.0f : b;
        w[i] -= rate * m[i] / (sqrtf(v[i]) + 1e-8f);
    }
}

static void sample(const float *z, float random, float temperature, uint32_t *byte) {
    float e[BYTES];
    float rest = random * exponentials(e, z, 1.0f / temperature);
    uint32_t b = 0;
    while (b < BYTES - 1 && (rest -= e[b]) >= 0.0f) b++;
    *byte = b;
}

extern const model_arithmetic ARITHMETIC;
const model_arithmetic ARITHMETIC = {
    .name = ARITHMETIC_NAME,
    .embed = embed,
    .hidden = hidden,
    .logits = logits,
    .softmax = softmax,
    .total = total,
    .hidden_delta = hidden_delta,
    .input_delta = input_delta,
    .layer_gradient = layer_gradient,
    .embed_gradient = embed_gradient,
    .adam = adam,
    .sample = sample,
};
