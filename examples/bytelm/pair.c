/* Two plain loops side by side, each with a model of its own: what two threads that share nothing and never meet get
 * out of this machine. No way of sharing one model's steps between two threads can do better than half of a step of
 * this, and on a machine whose processors are shared with others that is far from half of a plain step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "learner.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct pair {
    learner base;
    learner *first, *second;
    flight *flight; /* the first one's; the second one is given the same batch */
    uint64_t step;
    float rate;
} pair;

static pair *of(learner *l) { return (pair *)l; }

static flight *pair_next(learner *l) { return of(l)->flight; }

static void *second_main(void *user) {
    pair *p = user;
    flight *f = p->second->next(p->second);
    for (uint32_t i = 0; i < BATCH_WORDS; i++) f->batch[i] = p->flight->batch[i];
    p->second->launch(p->second, f, p->step, p->rate);
    return NULL;
}

/* Starting a thread costs a hundredth of a step. */
static bool pair_launch(learner *l, flight *f, uint64_t step, float rate) {
    pair *p = of(l);
    pthread_t thread;
    p->step = step;
    p->rate = rate;
    if (pthread_create(&thread, NULL, second_main, p)) return false;
    p->first->launch(p->first, f, step, rate);
    return pthread_join(thread, NULL) == 0;
}

static bool pair_load(learner *l, const float *state) {
    return of(l)->first->load(of(l)->first, state) && of(l)->second->load(of(l)->second, state);
}

static void pair_close(learner *l) {
    if (of(l)->first) of(l)->first->close(of(l)->first);
    if (of(l)->second) of(l)->second->close(of(l)->second);
    free(l);
}

learner *pair_open(const model_arithmetic *arithmetic) {
    pair *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->base = (learner){ .flights = 1,
                         .next = pair_next,
                         .launch = pair_launch,
                         .load = pair_load,
                         .close = pair_close,
                         .arithmetic = arithmetic,
                         .where = "two plain loops",
                         .message = "a thread cannot be started" };
    p->first = plain_open(arithmetic);
    p->second = plain_open(arithmetic);
    if (!p->first || !p->second) {
        pair_close(&p->base);
        return NULL;
    }
    p->flight = p->first->next(p->first);
    return &p->base;
}
