/* Training through the driver: what a runtime does with it, from opening a device to running recorded programs.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Three programs are recorded once:
 *
 *     step    the batch comes in, the loss goes out, and the parameters have moved on
 *     score   the batch comes in, the sum of its losses goes out
 *     draw    a context comes in, a byte that may follow goes out
 *
 * They share their commands' code below, and differ in what they put together. What changes from run to run is a slot.
 * After that a training step costs one rlx_stream_run and one rlx_stream_submit, and allocates nothing. Nobody says
 * which commands may overlap: the driver sees it in the ranges that they read and write. While the device computes one
 * step, the host prepares the next ones; that they wait for each other is again the driver's business.
 */
#include "kernels.h"
#include "learner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything on the device lies in one buffer. The three tensors of the parameters, and after them the same for Adam's
 * first and second moments: together they are the state, which is saved and loaded as one range. */
/* clang-format off */
typedef enum value {
    EMBEDDINGS_W, LAYER1_W, LAYER2_W,
    EMBEDDINGS_M, LAYER1_M, LAYER2_M,
    EMBEDDINGS_V, LAYER1_V, LAYER2_V,
    EMBEDDINGS_G, LAYER1_G, LAYER2_G, /* gradients */
    CONTEXTS, TARGETS,                /* the batch */
    X, H, Z,                          /* inputs, hidden units, logits; a loss turns the logits into their deltas */
    X_DELTA, H_DELTA,
    LOSSES, SUM, BYTE,                /* what comes out */
    VALUES
} value;

static const uint32_t words_of[VALUES] = {
    [EMBEDDINGS_W] = EMBEDDINGS, [LAYER1_W] = LAYER1, [LAYER2_W] = LAYER2,
    [EMBEDDINGS_M] = EMBEDDINGS, [LAYER1_M] = LAYER1, [LAYER2_M] = LAYER2,
    [EMBEDDINGS_V] = EMBEDDINGS, [LAYER1_V] = LAYER1, [LAYER2_V] = LAYER2,
    [EMBEDDINGS_G] = EMBEDDINGS, [LAYER1_G] = LAYER1, [LAYER2_G] = LAYER2,
    [CONTEXTS] = BATCH * CONTEXT, [TARGETS] = BATCH,
    [X] = BATCH * INPUTS, [H] = BATCH * HIDDEN, [Z] = BATCH * BYTES,
    [X_DELTA] = BATCH * INPUTS, [H_DELTA] = BATCH * HIDDEN,
    [LOSSES] = BATCH, [SUM] = 1, [BYTE] = 1,
};
/* clang-format on */

/* The slots of the programs. Each uses some of them. */
enum { BATCH_IN, SUM_OUT, RATE, EXAMPLES, CONTEXT_IN, BYTE_OUT, RANDOM, TEMPERATURE };

enum { FLIGHTS = 3 }; /* steps that are under way at once: one runs, one waits, one is being filled */

typedef struct trainer {
    learner base;
    rlx_device *device;
    rlx_stream *stream, *recorder;
    rlx_buffer *memory;
    rlx_range at[VALUES];
    rlx_kernel *kernels[KERNELS];
    rlx_program *step, *score, *draw;
    flight *flights[FLIGHTS]; /* in memory that the device transfers fastest */
    rlx_point landed[FLIGHTS];
    uint64_t turn;
} trainer;

static trainer *of(learner *l) { return (trainer *)l; }

/* Takes the message along where a call failed. */
static bool good(trainer *t, rlx_status status) {
    if (status != RLX_OK) snprintf(t->base.message, sizeof t->base.message, "%s", rlx_last_error());
    return status == RLX_OK;
}

/* ---- Set-up ------------------------------------------------------------------------------------------------------ */

static rlx_status open_device(trainer *t, const char *name, uint32_t workers) {
    rlx_status status = rlx_device_open(name, &(rlx_device_desc){ .workers = workers }, &t->device);
    if (status != RLX_OK) return status;
    const rlx_device_properties *p = rlx_device_info(t->device);
    snprintf(t->base.where, sizeof t->base.where, "%s, %u %s", p->name, p->units, p->units == 1 ? "worker" : "workers");
    status = rlx_stream_create(t->device, NULL, &t->stream);
    if (status != RLX_OK) return status;
    return rlx_stream_create(t->device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &t->recorder);
}

/* No device asks for more than 256 bytes of alignment, and all of the larger values are multiples of that. */
static rlx_status place_values(trainer *t) {
    uint64_t size = 0, offsets[VALUES];
    for (int i = 0; i < VALUES; i++) {
        offsets[i] = size;
        size += ((uint64_t)words_of[i] * 4 + 255) / 256 * 256;
    }
    rlx_status status = rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = size, .label = "bytelm" }, &t->memory);
    for (int i = 0; status == RLX_OK && i < VALUES; i++)
        t->at[i] = rlx_part(t->memory, offsets[i], (uint64_t)words_of[i] * 4);
    return status;
}

static rlx_status prepare_flights(trainer *t) {
    for (int i = 0; i < FLIGHTS; i++) {
        void *memory;
        rlx_status status = rlx_host_alloc(t->device, sizeof(flight), &memory);
        if (status != RLX_OK) return status;
        t->flights[i] = memset(memory, 0, sizeof(flight));
    }
    return RLX_OK;
}

/* From the first to the last of values that lie one after the other. */
static rlx_range span(const trainer *t, value first, value last) {
    uint64_t begin = t->at[first].offset;
    return rlx_part(t->memory, begin, t->at[last].offset + t->at[last].size - begin);
}

/* ---- Recording --------------------------------------------------------------------------------------------------- */

/* A recording stops at its first error: then the rest of it does nothing. */
typedef struct recording {
    trainer *t;
    rlx_status status;
} recording;

static rlx_arg arg(const recording *r, value v) { return rlx_arg_buffer(r->t->at[v]); }

static void run(recording *r, kernel_name kernel, uint32_t groups, const rlx_arg *args) {
    if (r->status != RLX_OK) return;
    rlx_dispatch d = { .groups = { groups }, .args = args, .arg_count = kernels_arguments(kernel) };
    r->status = rlx_stream_dispatch(r->t->recorder, r->t->kernels[kernel], &d);
}

static void write_slot(recording *r, rlx_range dst, uint32_t slot) {
    if (r->status == RLX_OK) r->status = rlx_stream_write_slot(r->t->recorder, dst, slot);
}

static void read_slot(recording *r, uint32_t slot, value src) {
    if (r->status == RLX_OK) r->status = rlx_stream_read_slot(r->t->recorder, slot, r->t->at[src]);
}

static rlx_status finish(recording *r, const char *label, rlx_program **program) {
    if (r->status != RLX_OK) return r->status;
    return rlx_stream_finish(r->t->recorder, &(rlx_program_desc){ .label = label }, program);
}

static void forward(recording *r, uint32_t rows) {
    run(r, EMBED, groups_of_rows(rows), (rlx_arg[]){ arg(r, CONTEXTS), arg(r, EMBEDDINGS_W), arg(r, X) });
    run(r, HIDDEN_LAYER, GROUPS_HIDDEN, (rlx_arg[]){ arg(r, X), arg(r, LAYER1_W), arg(r, H), rlx_arg_u32(rows) });
    run(r, LOGITS, GROUPS_BYTES, (rlx_arg[]){ arg(r, H), arg(r, LAYER2_W), arg(r, Z), rlx_arg_u32(rows) });
}

/* The losses of a batch, and the sum of its first `examples`. */
static void loss(recording *r, rlx_arg examples) {
    run(r, SOFTMAX, groups_of_rows(BATCH), (rlx_arg[]){ arg(r, Z), arg(r, TARGETS), arg(r, LOSSES) });
    run(r, TOTAL, 1, (rlx_arg[]){ arg(r, LOSSES), arg(r, SUM), examples });
    read_slot(r, SUM_OUT, SUM);
}

static void backward(recording *r) {
    run(r, HIDDEN_DELTA, GROUPS_HIDDEN, (rlx_arg[]){ arg(r, Z), arg(r, LAYER2_W), arg(r, H), arg(r, H_DELTA) });
    run(r, LAYER_GRADIENT, GROUPS_BYTES, (rlx_arg[]){ arg(r, H), arg(r, Z), arg(r, LAYER2_G), rlx_arg_u32(HIDDEN) });
    run(r, INPUT_DELTA, GROUPS_INPUTS, (rlx_arg[]){ arg(r, H_DELTA), arg(r, LAYER1_W), arg(r, X_DELTA) });
    run(r, LAYER_GRADIENT, GROUPS_HIDDEN,
        (rlx_arg[]){ arg(r, X), arg(r, H_DELTA), arg(r, LAYER1_G), rlx_arg_u32(INPUTS) });
    run(r, EMBED_GRADIENT, GROUPS_EMBEDDING, (rlx_arg[]){ arg(r, CONTEXTS), arg(r, X_DELTA), arg(r, EMBEDDINGS_G) });
}

static void update(recording *r, value w, value g, value m, value v) {
    run(r, ADAM, groups_of_chunks(words_of[w]),
        (rlx_arg[]){ arg(r, w), arg(r, g), arg(r, m), arg(r, v), rlx_arg_slot(RATE) });
}

static rlx_status record_step(trainer *t) {
    recording r = { t, RLX_OK };
    write_slot(&r, span(t, CONTEXTS, TARGETS), BATCH_IN);
    forward(&r, BATCH);
    loss(&r, rlx_arg_u32(BATCH));
    backward(&r);
    update(&r, EMBEDDINGS_W, EMBEDDINGS_G, EMBEDDINGS_M, EMBEDDINGS_V);
    update(&r, LAYER1_W, LAYER1_G, LAYER1_M, LAYER1_V);
    update(&r, LAYER2_W, LAYER2_G, LAYER2_M, LAYER2_V);
    return finish(&r, "step", &t->step);
}

static rlx_status record_score(trainer *t) {
    recording r = { t, RLX_OK };
    write_slot(&r, span(t, CONTEXTS, TARGETS), BATCH_IN);
    forward(&r, BATCH);
    loss(&r, rlx_arg_slot(EXAMPLES));
    return finish(&r, "score", &t->score);
}

static rlx_status record_draw(trainer *t) {
    recording r = { t, RLX_OK };
    write_slot(&r, rlx_part(t->memory, t->at[CONTEXTS].offset, ROWS * CONTEXT * 4), CONTEXT_IN);
    forward(&r, ROWS);
    run(&r, SAMPLE, 1, (rlx_arg[]){ arg(&r, Z), arg(&r, BYTE), rlx_arg_slot(RANDOM), rlx_arg_slot(TEMPERATURE) });
    read_slot(&r, BYTE_OUT, BYTE);
    return finish(&r, "draw", &t->draw);
}

/* ---- Running ----------------------------------------------------------------------------------------------------- */

static flight *train_next(learner *l) {
    trainer *t = of(l);
    uint64_t i = t->turn++ % FLIGHTS;
    return good(t, rlx_point_wait(t->landed[i], RLX_FOREVER)) ? t->flights[i] : NULL;
}

/* Encodes a step and hands it over; the device may still be busy with the one before. */
static bool train_launch(learner *l, flight *f, uint64_t step, float rate) {
    trainer *t = of(l);
    rlx_slot_value values[] = {
        { BATCH_IN, .host = f->batch },
        { RATE, .f32 = rate },
        { SUM_OUT, .host_out = &f->sum },
    };
    int i = 0;
    while (t->flights[i] != f) i++;
    f->step = step;
    return good(t, rlx_stream_run(t->stream, t->step, &(rlx_run){ .values = values, .count = 3 })) &&
           good(t, rlx_stream_submit(t->stream, &t->landed[i]));
}

static bool train_score(learner *l, const uint32_t *batch, uint32_t examples, float *sum) {
    trainer *t = of(l);
    rlx_slot_value values[] = {
        { BATCH_IN, .host = batch },
        { EXAMPLES, .u32 = examples },
        { SUM_OUT, .host_out = sum },
    };
    return good(t, rlx_stream_run(t->stream, t->score, &(rlx_run){ .values = values, .count = 3 })) &&
           good(t, rlx_stream_submit_and_wait(t->stream, RLX_FOREVER));
}

static bool train_draw(learner *l, const uint32_t *context, float random, float temperature, uint32_t *byte) {
    trainer *t = of(l);
    uint32_t contexts[ROWS * CONTEXT] = { 0 }; /* the arithmetic takes eight rows; the first one counts */
    memcpy(contexts, context, CONTEXT * sizeof *context);
    rlx_slot_value values[] = {
        { CONTEXT_IN, .host = contexts },
        { RANDOM, .f32 = random },
        { TEMPERATURE, .f32 = temperature },
        { BYTE_OUT, .host_out = byte },
    };
    return good(t, rlx_stream_run(t->stream, t->draw, &(rlx_run){ .values = values, .count = 4 })) &&
           good(t, rlx_stream_submit_and_wait(t->stream, RLX_FOREVER));
}

static bool train_save(learner *l, float *state) {
    trainer *t = of(l);
    return good(t, rlx_stream_read(t->stream, state, span(t, EMBEDDINGS_W, LAYER2_V))) &&
           good(t, rlx_stream_submit_and_wait(t->stream, RLX_FOREVER));
}

static bool train_load(learner *l, const float *state) {
    trainer *t = of(l);
    return good(t, rlx_stream_write(t->stream, span(t, EMBEDDINGS_W, LAYER2_V), state, 0)) &&
           good(t, rlx_stream_submit_and_wait(t->stream, RLX_FOREVER));
}

/* In any order, and even if work were still under way: each object lives for as long as it is used. Only the flights
 * are ours, and are waited for. */
static void train_close(learner *l) {
    trainer *t = of(l);
    for (int i = 0; i < FLIGHTS; i++) {
        if (rlx_point_wait(t->landed[i], RLX_FOREVER) != RLX_OK) continue; /* has ended, if not well: said before */
    }
    for (int i = 0; i < FLIGHTS; i++)
        if (t->flights[i]) rlx_host_free(t->device, t->flights[i]);
    for (int i = 0; i < KERNELS; i++) rlx_kernel_release(t->kernels[i]);
    rlx_program_release(t->step);
    rlx_program_release(t->score);
    rlx_program_release(t->draw);
    rlx_buffer_release(t->memory);
    rlx_stream_release(t->recorder);
    rlx_stream_release(t->stream);
    rlx_device_release(t->device);
    free(t);
}

learner *train_open(const model_arithmetic *arithmetic, const char *device, uint32_t workers, bool *failed) {
    trainer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->base = (learner){
        .flights = FLIGHTS,
        .next = train_next,
        .launch = train_launch,
        .score = train_score,
        .draw = train_draw,
        .save = train_save,
        .load = train_load,
        .close = train_close,
        .arithmetic = arithmetic,
    };
    *failed = !(good(t, open_device(t, device, workers)) && good(t, place_values(t)) &&
                good(t, kernels_create(t->device, arithmetic, t->kernels)) && good(t, prepare_flights(t)) &&
                good(t, record_step(t)) && good(t, record_score(t)) && good(t, record_draw(t)));
    return &t->base;
}
