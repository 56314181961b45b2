/* The model: 16 bytes of context in, a probability for each of the 256 bytes that may follow out.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     x = the embeddings of the 16 bytes, side by side        512 numbers
 *     h = tanh(x W1 + b1)                                      256
 *     z = h W2 + b2                                            256
 *     p = softmax(z),  loss = -ln p[the byte that follows]
 *
 * All of its arithmetic is here, as functions over plain memory that know nothing of a driver: kernels.c hands them to
 * one, and plain.c calls them in a loop. Each works on a grid of *groups* and does the groups [first, first + count),
 * so that threads can share a grid out. A number that comes out belongs to one group, which adds up in one fixed order:
 * neither the number of threads nor the width of the vectors shows in the results.
 *
 * Matrices are stored row by row. A layer is its weights, a row for each input, and then a row of biases.
 */
#ifndef BYTELM_MODEL_H
#define BYTELM_MODEL_H

#include <stdint.h>

enum {
    CONTEXT = 16,   /* bytes that the model sees */
    BYTES = 256,    /* values of a byte */
    EMBEDDING = 32, /* numbers that stand for a byte */
    INPUTS = CONTEXT * EMBEDDING,
    HIDDEN = 256,
    BATCH = 256, /* examples in a step */

    EMBEDDINGS = BYTES * EMBEDDING, /* sizes of the three tensors of parameters, in floats */
    LAYER1 = (INPUTS + 1) * HIDDEN,
    LAYER2 = (HIDDEN + 1) * BYTES,
    PARAMETERS = EMBEDDINGS + LAYER1 + LAYER2,
    STATE = 3 * PARAMETERS, /* with Adam's two moments: all that a step changes */

    BATCH_WORDS = BATCH * (CONTEXT + 1), /* the contexts of all examples, and then the byte that follows each */
    ROWS = 8,                            /* examples are computed eight at a time, */
    COLUMNS = 16,                        /* by panels of sixteen columns, */
    DEPTH = 256,                         /* in sums of up to 256 products at a time */
    CHUNK = 4096,                        /* parameters of a group of Adam's */
    SCRATCH = DEPTH * COLUMNS,           /* floats of scratch memory that a group of a matrix product needs */
};

/* Grids, in groups. */
enum {
    GROUPS_HIDDEN = HIDDEN / COLUMNS,
    GROUPS_BYTES = BYTES / COLUMNS,
    GROUPS_INPUTS = INPUTS / COLUMNS,
    GROUPS_EMBEDDING = EMBEDDING / COLUMNS,
};
static inline uint32_t groups_of_rows(uint32_t rows) { return rows / ROWS; }
static inline uint32_t groups_of_chunks(uint64_t parameters) { return (uint32_t)((parameters + CHUNK - 1) / CHUNK); }

/* `rows` is a multiple of ROWS, at most BATCH. `scratch` is SCRATCH floats, aligned to 64 bytes, for one thread. */
typedef struct model_arithmetic {
    const char *name; /* the instructions that this was compiled for */

    /* Forward. */
    void (*embed)(const uint32_t *contexts, const float *embeddings, float *x, uint64_t first, uint64_t count);
    void (*hidden)(const float *x, const float *layer1, float *h, uint32_t rows, float *scratch, uint64_t first,
                   uint64_t count);
    void (*logits)(const float *h, const float *layer2, float *z, uint32_t rows, float *scratch, uint64_t first,
                   uint64_t count);
    /* Loss of each example in nats; z becomes what the loss of a batch changes by for each of them. */
    void (*softmax)(float *z, const uint32_t *targets, float *losses, uint64_t first, uint64_t count);
    void (*total)(const float *losses, float *sum, uint32_t examples);

    /* Backward, for a whole batch: dz, dh and dx are what the loss changes by for z, h (before tanh) and x. */
    void (*hidden_delta)(const float *dz, const float *layer2, const float *h, float *dh, float *scratch,
                         uint64_t first, uint64_t count);
    void (*input_delta)(const float *dh, const float *layer1, float *dx, float *scratch, uint64_t first,
                        uint64_t count);
    /* The gradient of a layer with 256 outputs, from its inputs (rows of `width`) and the deltas of its outputs. */
    void (*layer_gradient)(const float *inputs, uint32_t width, const float *deltas, float *gradient, float *scratch,
                           uint64_t first, uint64_t count);
    void (*embed_gradient)(const uint32_t *contexts, const float *dx, float *gradient, uint64_t first, uint64_t count);

    /* One step of Adam on `size` parameters. */
    void (*adam)(float *w, const float *gradient, float *m, float *v, uint64_t size, float rate, uint64_t first,
                 uint64_t count);

    /* Draws a byte from the first row of z, as the uniform number `random` in [0, 1) says. */
    void (*sample)(const float *z, float random, float temperature, uint32_t *byte);
} model_arithmetic;

/* The widest that this processor runs; or the one of that name, NULL if it does not run here. */
const model_arithmetic *model_widest(void);
const model_arithmetic *model_named(const char *name);

/* Random parameters to start from, and Adam's moments at zero. */
void model_initialise(float state[STATE], uint64_t seed);

/* The rate of step 1, 2, ..., with Adam's corrections for its first steps. It depends on the step alone. */
float model_rate(uint64_t step);

#endif
