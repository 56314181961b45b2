/* What the program asks of a model in training, wherever that is: train.c does it through the driver, plain.c without.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Steps overlap with the preparation of those that follow. A *flight* is a step on its way:
 *
 *     flight *f = l->next(l);          waits until a flight is free; f->step and f->sum tell of its last step
 *     fill f->batch
 *     l->launch(l, f, step, rate);
 *
 * Calling `next` as often as there are flights, without launching, waits for all of them. Functions that can fail
 * return false or NULL, with the reason in `message`.
 */
#ifndef BYTELM_LEARNER_H
#define BYTELM_LEARNER_H

#include "model.h"

#include <stdbool.h>

typedef struct flight {
    uint32_t batch[BATCH_WORDS];
    uint64_t step; /* 0: has not flown */
    float sum;     /* of the losses of the batch, in nats */
} flight;

typedef struct learner learner;
struct learner {
    uint32_t flights;
    flight *(*next)(learner *l);
    bool (*launch)(learner *l, flight *f, uint64_t step, float rate);
    /* The sum of the losses of the first `examples` of a batch. */
    bool (*score)(learner *l, const uint32_t batch[BATCH_WORDS], uint32_t examples, float *sum);
    /* Draws the byte that follows a context. */
    bool (*draw)(learner *l, const uint32_t context[CONTEXT], float random, float temperature, uint32_t *byte);
    /* The state out of and into the model: STATE floats. */
    bool (*save)(learner *l, float *state);
    bool (*load)(learner *l, const float *state);
    void (*close)(learner *l);
    const model_arithmetic *arithmetic;
    char where[128]; /* the device, for people */
    char message[640];
};

/* A loop in the calling thread. NULL: out of memory. */
learner *plain_open(const model_arithmetic *arithmetic);
/* Two of them in two threads, for measuring: it has no score, draw and save. A step is one of each. */
learner *pair_open(const model_arithmetic *arithmetic);

/* Through the driver, on the device of that name. It is to be closed even if it failed, which `failed` tells.
 * NULL: out of memory. */
learner *train_open(const model_arithmetic *arithmetic, const char *device, uint32_t workers, bool *failed);

#endif
