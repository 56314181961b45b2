/* The model of examples/bytelm: its functions against libm, its gradients against finite differences of a model written
 * a second time, and its promise that neither the width of vectors nor the sharing out of groups shows in a single
 * bit. */
#include "../unit/tap.h"

#include "arith.h"
#include "learner.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>

/* ---- exp, tanh, log ---------------------------------------------------------------------------------------------- */

/* The distance from `exact` in units of the last place of a float. */
static double units(float value, double exact) {
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)value - exact) / ldexp(1.0, exponent - 24);
}

/* The largest error over the floats of [from, to] that a stride meets: a prime one, so that it meets all exponents. */
static double worst(float (*ours)(float), double (*exact)(double), float from, float to) {
    double most = 0;
    for (uint32_t bits = arith_bits(from); bits <= arith_bits(to); bits += 1009) {
        float x = arith_float(bits);
        double error = units(ours(x), exact(x));
        if (!(error <= most)) most = error; /* also when it is no number */
    }
    return most;
}

static float exp_of_negative(float x) { return arith_exp(-x); }
static double exact_exp_of_negative(double x) { return exp(-x); }

static void exp_is_within_one_unit_in_the_last_place(void) {
    CHECK(worst(arith_exp, exp, 0x1p-126f, 88.0f) <= 1.0);
    CHECK(worst(exp_of_negative, exact_exp_of_negative, 0x1p-126f, 87.0f) <= 1.0);
    CHECK(arith_exp(0.0f) == 1.0f);
}

static void exp_never_overflows_or_makes_a_subnormal_number(void) {
    CHECK(isfinite(arith_exp(INFINITY)) && arith_exp(1e30f) == arith_exp(88.0f));
    CHECK(isnormal(arith_exp(-INFINITY)) && arith_exp(-1e30f) == arith_exp(-87.0f));
}

static void tanh_is_within_two_units_and_odd(void) {
    CHECK(worst(arith_tanh, tanh, 0x1p-126f, 0x1.fffffep127f) <= 2.0);
    for (uint32_t i = 0; i < 100000; i++) {
        float x = 20.0f * random_unit(1, i);
        if (!CHECK(arith_tanh(-x) == -arith_tanh(x)) || !CHECK(arith_tanh(x) <= 1.0f)) return;
    }
}

static void log_is_within_one_unit(void) {
    CHECK(worst(arith_log, log, 0x1p-126f, 0x1.fffffep127f) <= 1.0);
    CHECK(arith_log(1.0f) == 0.0f);
}

/* ---- The model once more, in doubles and as one would write it down ---------------------------------------------- */

/* out = bias + in * weights, the bias being the row after the last of the weights. */
static void layer(const double *in, const double *weights, int inputs, double *out) {
    memcpy(out, weights + inputs * HIDDEN, HIDDEN * sizeof *out);
    for (int i = 0; i < inputs; i++)
        for (int j = 0; j < HIDDEN; j++) out[j] += in[i] * weights[i * HIDDEN + j];
}

static double reference_loss(const double *w, const uint32_t *batch) {
    double loss = 0;
    for (int b = 0; b < BATCH; b++) {
        double x[INPUTS], h[HIDDEN], z[BYTES], sum = 0;
        for (int i = 0; i < CONTEXT; i++)
            memcpy(x + i * EMBEDDING, w + batch[b * CONTEXT + i] * EMBEDDING, EMBEDDING * sizeof *x);
        layer(x, w + EMBEDDINGS, INPUTS, h);
        for (int j = 0; j < HIDDEN; j++) h[j] = tanh(h[j]);
        layer(h, w + EMBEDDINGS + LAYER1, HIDDEN, z);
        for (int j = 0; j < BYTES; j++) sum += exp(z[j]);
        loss += log(sum) - z[batch[BATCH * CONTEXT + b]];
    }
    return loss / BATCH;
}

/* A model that has learnt a little, and a batch: everything is away from zero. */
typedef struct lesson {
    uint32_t batch[BATCH_WORDS];
    float state[STATE];
} lesson;

static void make_batch(uint32_t *batch, uint64_t seed) {
    /* Few different bytes, so that each occurs often, and a target that the context says something about. */
    for (uint32_t i = 0; i < BATCH * CONTEXT; i++) batch[i] = (uint32_t)random_below(seed, i, 24) + 97;
    for (uint32_t i = 0; i < BATCH; i++)
        batch[BATCH * CONTEXT + i] = (batch[i * CONTEXT + 15] + batch[i * CONTEXT] % 3) % 256;
}

static lesson *make_lesson(const model_arithmetic *arithmetic) {
    lesson *m = malloc(sizeof *m);
    learner *l = plain_open(arithmetic);
    if (!m || !l) abort();
    model_initialise(m->state, 7);
    l->load(l, m->state);
    for (uint64_t step = 1; step <= 12; step++) {
        flight *f = l->next(l);
        make_batch(f->batch, step);
        l->launch(l, f, step, 0.01f);
    }
    l->save(l, m->state);
    make_batch(m->batch, 99);
    l->close(l);
    return m;
}

/* The gradient of a batch, out of Adam's first moment: after one step from zero that is a tenth of it. */
static float first_step(const model_arithmetic *arithmetic, const lesson *m, float *gradient) {
    learner *l = plain_open(arithmetic);
    float *state = malloc(STATE * sizeof *state);
    if (!l || !state) abort();
    memcpy(state, m->state, PARAMETERS * sizeof *state);
    memset(state + PARAMETERS, 0, 2 * PARAMETERS * sizeof *state);
    l->load(l, state);
    flight *f = l->next(l);
    memcpy(f->batch, m->batch, sizeof f->batch);
    l->launch(l, f, 1, 0.0f);
    float sum = f->sum;
    l->save(l, state);
    for (int i = 0; i < PARAMETERS; i++) gradient[i] = state[PARAMETERS + i] * 10.0f;
    l->close(l);
    free(state);
    return sum / BATCH;
}

/* The entries of a tensor with the largest gradients, and some anywhere. */
static uint32_t pick(const float *gradient, uint32_t size, uint32_t round) {
    uint32_t best = (uint32_t)random_below(3, round, size);
    for (uint32_t i = 0; round % 2 && i < 2000; i++) {
        uint32_t other = (uint32_t)random_below(4, round * 2000 + i, size);
        if (fabsf(gradient[other]) > fabsf(gradient[best])) best = other;
    }
    return best;
}

/* Central differences of the reference, with an error of about 1e-9, against the float's gradient. */
static void check_gradient(uint32_t at, uint32_t size, uint32_t samples) {
    lesson *m = make_lesson(model_widest());
    float *gradient = malloc(PARAMETERS * sizeof *gradient);
    double *w = malloc(PARAMETERS * sizeof *w);
    if (!gradient || !w) abort();
    first_step(model_widest(), m, gradient);
    for (uint32_t i = 0; i < PARAMETERS; i++) w[i] = m->state[i];
    double largest = 0;
    for (uint32_t round = 0; round < samples; round++) {
        uint32_t i = at + pick(gradient + at, size, round);
        double kept = w[i], step = 1e-4;
        w[i] = kept + step;
        double above = reference_loss(w, m->batch);
        w[i] = kept - step;
        double below = reference_loss(w, m->batch);
        w[i] = kept;
        double difference = (above - below) / (2 * step);
        CHECK(fabs(difference - (double)gradient[i]) <= 1e-4 * fabs(difference) + 1e-7);
        if (fabs(difference) > largest) largest = fabs(difference);
    }
    CHECK(largest > 1e-4); /* there was something to compare */
    free(w);
    free(gradient);
    free(m);
}

static void gradients_of_embeddings_agree_with_finite_differences(void) { check_gradient(0, EMBEDDINGS, 8); }
static void gradients_of_the_hidden_weights_agree(void) { check_gradient(EMBEDDINGS, INPUTS * HIDDEN, 6); }
static void gradients_of_the_hidden_biases_agree(void) { check_gradient(EMBEDDINGS + INPUTS * HIDDEN, HIDDEN, 6); }
static void gradients_of_the_output_weights_agree(void) { check_gradient(EMBEDDINGS + LAYER1, HIDDEN * BYTES, 6); }
static void gradients_of_the_output_biases_agree(void) {
    check_gradient(EMBEDDINGS + LAYER1 + HIDDEN * BYTES, BYTES, 6);
}

static void the_loss_is_that_of_the_reference(void) {
    lesson *m = make_lesson(model_widest());
    float *gradient = malloc(PARAMETERS * sizeof *gradient);
    double *w = malloc(PARAMETERS * sizeof *w);
    if (!gradient || !w) abort();
    for (int i = 0; i < PARAMETERS; i++) w[i] = m->state[i];
    double loss = first_step(model_widest(), m, gradient);
    CHECK(fabs(loss - reference_loss(w, m->batch)) < 1e-5);
    free(w);
    free(gradient);
    free(m);
}

static void an_untrained_model_knows_nothing(void) {
    lesson *m = make_lesson(model_widest());
    float *gradient = malloc(PARAMETERS * sizeof *gradient);
    if (!gradient) abort();
    model_initialise(m->state, 3);
    CHECK(fabs((double)first_step(model_widest(), m, gradient) / log(2) - 8) < 1e-4);
    free(gradient);
    free(m);
}

/* ---- Adam -------------------------------------------------------------------------------------------------------- */

static void adam_moves_as_its_formula_says(void) {
    enum { SIZE = CHUNK + 77 }; /* the last group is not full */
    static float w[SIZE], g[SIZE], m[SIZE], v[SIZE];
    for (uint32_t i = 0; i < SIZE; i++) {
        w[i] = random_unit(1, i) - 0.5f, g[i] = random_unit(2, i) - 0.5f;
        m[i] = random_unit(3, i) - 0.5f, v[i] = random_unit(4, i);
    }
    static float w0[SIZE], m0[SIZE], v0[SIZE];
    memcpy(w0, w, sizeof w), memcpy(m0, m, sizeof m), memcpy(v0, v, sizeof v);
    CHECK_UINT(groups_of_chunks(SIZE), 2);
    model_widest()->adam(w, g, m, v, SIZE, 0.01f, 0, 2);
    for (uint32_t i = 0; i < SIZE; i++) {
        double m1 = 0.9 * m0[i] + 0.1 * g[i], v1 = 0.999 * v0[i] + 0.001 * g[i] * g[i];
        double w1 = w0[i] - 0.01 * m1 / (sqrt(v1) + 1e-8);
        if (!CHECK(fabs(m[i] - m1) < 1e-6 && fabs(v[i] - v1) < 1e-6 && fabs(w[i] - w1) < 1e-5)) return;
    }
}

static void moments_that_have_faded_are_zero_and_never_subnormal(void) {
    static float w[CHUNK], g[CHUNK], m[CHUNK], v[CHUNK];
    for (uint32_t i = 0; i < CHUNK; i++) m[i] = v[i] = 1e-20f * random_unit(1, i);
    for (int step = 0; step < 1000; step++) model_widest()->adam(w, g, m, v, CHUNK, 0.001f, 0, 1);
    for (uint32_t i = 0; i < CHUNK; i++)
        if (!CHECK(m[i] == 0.0f && fpclassify(v[i]) != FP_SUBNORMAL)) return;
}

static void the_rate_rises_falls_and_depends_on_the_step_alone(void) {
    CHECK(model_rate(1) > 0 && model_rate(1) < model_rate(20));
    CHECK(model_rate(100000) > 0 && model_rate(100000) < model_rate(1000));
    CHECK(model_rate(12345) == model_rate(12345));
}

/* ---- The same bits ----------------------------------------------------------------------------------------------- */

static const char *const variants[] = { "portable", "avx2", "avx512" };

static void every_width_of_vectors_gives_the_same_bits(void) {
    const model_arithmetic *narrowest = model_named("portable");
    if (!CHECK(narrowest != NULL)) return;
    CHECK(model_named("of another processor") == NULL);
    lesson *expected = make_lesson(narrowest);
    unsigned compared = 0;
    for (size_t i = 1; i < sizeof variants / sizeof *variants; i++) {
        const model_arithmetic *a = model_named(variants[i]);
        if (!a) continue;
        CHECK_STRING(a->name, variants[i]);
        lesson *m = make_lesson(a);
        CHECK(memcmp(m->state, expected->state, sizeof m->state) == 0);
        free(m);
        compared++;
    }
    free(expected);
    if (compared == 0) tap_skip("this processor has vectors of one width only");
}

/* All groups of one grid, one at a time and from the last to the first. */
#define BACKWARDS(groups, call) \
    for (uint64_t g = (groups); g-- > 0;) call

/* As plain.c does a step, but group by group in another order. */
static void step_backwards(const model_arithmetic *a, float *w, const uint32_t *batch, float *sum, float *workspace) {
    float *layer1 = w + EMBEDDINGS, *layer2 = layer1 + LAYER1, *gradient = workspace;
    float *x = gradient + PARAMETERS, *h = x + BATCH * INPUTS, *z = h + BATCH * HIDDEN, *dh = z + BATCH * BYTES;
    float *dx = dh + BATCH * HIDDEN, *losses = dx + BATCH * INPUTS, *s = losses + BATCH;
    float *g1 = gradient + EMBEDDINGS, *g2 = g1 + LAYER1;
    BACKWARDS(groups_of_rows(BATCH), a->embed(batch, w, x, g, 1));
    BACKWARDS(GROUPS_HIDDEN, a->hidden(x, layer1, h, BATCH, s, g, 1));
    BACKWARDS(GROUPS_BYTES, a->logits(h, layer2, z, BATCH, s, g, 1));
    BACKWARDS(groups_of_rows(BATCH), a->softmax(z, batch + BATCH * CONTEXT, losses, g, 1));
    a->total(losses, sum, BATCH);
    BACKWARDS(GROUPS_HIDDEN, a->hidden_delta(z, layer2, h, dh, s, g, 1));
    BACKWARDS(GROUPS_BYTES, a->layer_gradient(h, HIDDEN, z, g2, s, g, 1));
    BACKWARDS(GROUPS_INPUTS, a->input_delta(dh, layer1, dx, s, g, 1));
    BACKWARDS(GROUPS_HIDDEN, a->layer_gradient(x, INPUTS, dh, g1, s, g, 1));
    BACKWARDS(GROUPS_EMBEDDING, a->embed_gradient(batch, dx, gradient, g, 1));
    BACKWARDS(groups_of_chunks(PARAMETERS),
              a->adam(w, gradient, w + PARAMETERS, w + 2 * PARAMETERS, PARAMETERS, 0.01f, g, 1));
}

static void groups_give_the_same_bits_in_any_order(void) {
    const model_arithmetic *a = model_widest();
    enum { WORK = PARAMETERS + BATCH * (2 * INPUTS + 2 * HIDDEN + BYTES + 1) + SCRATCH };
    lesson *m = make_lesson(a), *n = make_lesson(a);
    float *work = calloc(WORK, sizeof *work), sum = 0;
    learner *l = plain_open(a);
    if (!work || !l) abort();
    l->load(l, m->state);
    flight *f = l->next(l);
    memcpy(f->batch, m->batch, sizeof f->batch);
    l->launch(l, f, 1, 0.01f);
    step_backwards(a, n->state, m->batch, &sum, work);
    CHECK(memcmp(&sum, &f->sum, sizeof sum) == 0);
    l->save(l, m->state);
    CHECK(memcmp(m->state, n->state, sizeof m->state) == 0);
    l->close(l);
    free(work);
    free(m);
    free(n);
}

/* ---- Scores and samples ------------------------------------------------------------------------------------------ */

static void a_score_counts_the_first_examples_only(void) {
    lesson *m = make_lesson(model_widest());
    learner *l = plain_open(model_widest());
    if (!l) abort();
    l->load(l, m->state);
    float all, some;
    l->score(l, m->batch, BATCH, &all);
    l->score(l, m->batch, 100, &some);
    CHECK(some > 0 && some < all);
    l->score(l, m->batch, 0, &some);
    CHECK(some == 0);
    l->close(l);
    free(m);
}

static void bytes_are_drawn_as_often_as_they_are_likely(void) {
    static float z[BYTES];
    unsigned seen[3] = { 0 };
    for (int i = 0; i < BYTES; i++) z[i] = -100.0f;
    z[10] = 0.0f, z[20] = logf(2.0f), z[30] = logf(5.0f);
    for (uint32_t i = 0; i < 8000; i++) {
        uint32_t byte;
        model_widest()->sample(z, (float)i / 8000, 1.0f, &byte);
        if (!CHECK(byte == 10 || byte == 20 || byte == 30)) return;
        seen[byte / 10 - 1]++;
    }
    CHECK(seen[0] > 990 && seen[0] < 1010 && seen[1] > 1990 && seen[1] < 2010);
    uint32_t byte;
    model_widest()->sample(z, 0.999999f, 0.01f, &byte); /* cold: only the likeliest is left */
    CHECK_UINT(byte, 30);
    model_widest()->sample(z, 0.0f, 0.01f, &byte);
    CHECK_UINT(byte, 30);
}

static const tap_test tests[] = {
    TAP(exp_is_within_one_unit_in_the_last_place),
    TAP(exp_never_overflows_or_makes_a_subnormal_number),
    TAP(tanh_is_within_two_units_and_odd),
    TAP(log_is_within_one_unit),
    TAP(the_loss_is_that_of_the_reference),
    TAP(an_untrained_model_knows_nothing),
    TAP(gradients_of_embeddings_agree_with_finite_differences),
    TAP(gradients_of_the_hidden_weights_agree),
    TAP(gradients_of_the_hidden_biases_agree),
    TAP(gradients_of_the_output_weights_agree),
    TAP(gradients_of_the_output_biases_agree),
    TAP(adam_moves_as_its_formula_says),
    TAP(moments_that_have_faded_are_zero_and_never_subnormal),
    TAP(the_rate_rises_falls_and_depends_on_the_step_alone),
    TAP(every_width_of_vectors_gives_the_same_bits),
    TAP(groups_give_the_same_bits_in_any_order),
    TAP(a_score_counts_the_first_examples_only),
    TAP(bytes_are_drawn_as_often_as_they_are_likely),
};
TAP_MAIN(tests)
