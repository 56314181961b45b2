/* The model as a plain loop in one thread: what the driver is measured against. The same arithmetic in the same order
 * as train.c records it, so that the losses must come out equal to the last bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "learner.h"

#include <stdlib.h>
#include <string.h>

typedef struct plain {
    learner base;
    flight flight;
    _Alignas(64) float scratch[SCRATCH];
    _Alignas(64) float state[STATE]; /* parameters and Adam's moments: each embeddings, layer 1, layer 2 */
    _Alignas(64) float gradient[PARAMETERS];
    _Alignas(64) float x[BATCH * INPUTS], h[BATCH * HIDDEN], z[BATCH * BYTES];
    _Alignas(64) float dx[BATCH * INPUTS], dh[BATCH * HIDDEN];
    float losses[BATCH];
} plain;

/* Where each tensor begins among the parameters. */
enum { AT_EMBEDDINGS = 0, AT_LAYER1 = EMBEDDINGS, AT_LAYER2 = EMBEDDINGS + LAYER1 };

static plain *of(learner *l) { return (plain *)l; }

static void forward(plain *p, const uint32_t *contexts, uint32_t rows) {
    const model_arithmetic *a = p->base.arithmetic;
    a->embed(contexts, p->state + AT_EMBEDDINGS, p->x, 0, groups_of_rows(rows));
    a->hidden(p->x, p->state + AT_LAYER1, p->h, rows, p->scratch, 0, GROUPS_HIDDEN);
    a->logits(p->h, p->state + AT_LAYER2, p->z, rows, p->scratch, 0, GROUPS_BYTES);
}

static void backward(plain *p, const uint32_t *contexts) {
    const model_arithmetic *a = p->base.arithmetic;
    float *g = p->gradient, *s = p->scratch;
    a->hidden_delta(p->z, p->state + AT_LAYER2, p->h, p->dh, s, 0, GROUPS_HIDDEN);
    a->layer_gradient(p->h, HIDDEN, p->z, g + AT_LAYER2, s, 0, GROUPS_BYTES);
    a->input_delta(p->dh, p->state + AT_LAYER1, p->dx, s, 0, GROUPS_INPUTS);
    a->layer_gradient(p->x, INPUTS, p->dh, g + AT_LAYER1, s, 0, GROUPS_HIDDEN);
    a->embed_gradient(contexts, p->dx, g + AT_EMBEDDINGS, 0, GROUPS_EMBEDDING);
}

static void update(plain *p, size_t at, uint64_t size, float rate) {
    float *w = p->state + at;
    p->base.arithmetic->adam(w, p->gradient + at, w + PARAMETERS, w + 2 * PARAMETERS, size, rate, 0,
                             groups_of_chunks(size));
}

static flight *plain_next(learner *l) { return &of(l)->flight; }

static bool plain_score(learner *l, const uint32_t *batch, uint32_t examples, float *sum) {
    plain *p = of(l);
    forward(p, batch, BATCH);
    l->arithmetic->softmax(p->z, batch + BATCH * CONTEXT, p->losses, 0, groups_of_rows(BATCH));
    l->arithmetic->total(p->losses, sum, examples);
    return true;
}

static bool plain_launch(learner *l, flight *f, uint64_t step, float rate) {
    plain *p = of(l);
    plain_score(l, f->batch, BATCH, &f->sum);
    backward(p, f->batch);
    update(p, AT_EMBEDDINGS, EMBEDDINGS, rate);
    update(p, AT_LAYER1, LAYER1, rate);
    update(p, AT_LAYER2, LAYER2, rate);
    f->step = step;
    return true;
}

static bool plain_draw(learner *l, const uint32_t *context, float random, float temperature, uint32_t *byte) {
    plain *p = of(l);
    uint32_t contexts[ROWS * CONTEXT] = { 0 };
    memcpy(contexts, context, CONTEXT * sizeof *context);
    forward(p, contexts, ROWS);
    l->arithmetic->sample(p->z, random, temperature, byte);
    return true;
}

static bool plain_save(learner *l, float *state) {
    memcpy(state, of(l)->state, sizeof of(l)->state);
    return true;
}

static bool plain_load(learner *l, const float *state) {
    memcpy(of(l)->state, state, sizeof of(l)->state);
    return true;
}

static void plain_close(learner *l) { free(l); }

learner *plain_open(const model_arithmetic *arithmetic) {
    plain *p = aligned_alloc(_Alignof(plain), sizeof *p);
    if (!p) return NULL;
    memset(p, 0, sizeof *p);
    p->base = (learner){ .flights = 1,
                         .next = plain_next,
                         .launch = plain_launch,
                         .score = plain_score,
                         .draw = plain_draw,
                         .save = plain_save,
                         .load = plain_load,
                         .close = plain_close,
                         .arithmetic = arithmetic,
                         .where = "a plain loop" };
    return &p->base;
}
