/* The run, whatever the learner is.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Time decides only when a run ends and when it looks at the held-out bytes, which changes nothing in the model. So the
 * losses of a run are the beginning of those of any longer run with the same seed.
 */
#include "session.h"

#include "checkpoint.h"
#include "curve.h"
#include "random.h"
#include "report.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOKS = 20,        /* at the held-out bytes during a run, */
    LOOK_STEPS = 25,   /* after no fewer steps than so many each, */
    LOOK_BATCHES = 32, /* at no more than so many batches of them */
    SAMPLE_SIZE = 480, /* bytes to draw */
};

static const double bits_per_nat = 1.4426950408889634;

typedef struct session {
    const options *o;
    learner *l;
    text text;
    text_entropy entropy;
    checkpoint model; /* its seed, the steps that were made, and room for its state */
    uint64_t first_step;
    curve curve;
    progress progress;
    FILE *losses;
    double began, looked; /* on report_clock: the start of the training, and how long looks have taken */
    double seconds;       /* of training */
    int interrupted;      /* by the signal of this number, during the training */
    double recent;        /* mean of the last losses, in bits */
    unsigned char sample[CONTEXT + SAMPLE_SIZE];
    char message[640];
} session;

static volatile sig_atomic_t stopped_by; /* the signal's number */

static void on_signal(int number) { stopped_by = number; }

/* The first Ctrl-C ends the training; a second one the program. */
static void catch_signals(void) {
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool fail(session *s, const char *message) {
    if (message != s->message) snprintf(s->message, sizeof s->message, "%s", message);
    return false;
}

/* ---- Before ------------------------------------------------------------------------------------------------------ */

static bool prepare(session *s) {
    const options *o = s->o;
    if (!text_open(&s->text, o->path, o->files, o->file_count)) return fail(s, s->text.message);
    s->entropy = text_entropies(&s->text);
    s->model.state = malloc(STATE * sizeof *s->model.state);
    if (!s->model.state) return fail(s, "out of memory");
    if (o->save && !checkpoint_writable(o->save, s->message, sizeof s->message)) return false;
    if (o->load) {
        if (!checkpoint_read(o->load, &s->model, s->message, sizeof s->message)) return false;
        if (s->model.text != s->text.hash) fprintf(stderr, "note: the saved model comes from other text\n");
    } else {
        s->model.seed = o->seed;
        model_initialise(s->model.state, o->seed);
    }
    s->model.text = s->text.hash;
    s->first_step = s->curve.first_step = s->model.step;
    if (o->losses && !(s->losses = fopen(o->losses, "w"))) {
        snprintf(s->message, sizeof s->message, "cannot write %s: %s", o->losses, strerror(errno));
        return false;
    }
    return s->l->load(s->l, s->model.state) || fail(s, s->l->message);
}

static void introduce(const session *s) {
    if (s->o->json) return;
    const text *t = &s->text;
    printf("text      %zu bytes in %zu %s%s, a tenth of it held out\n", t->train_size + t->held_size, t->files,
           t->files == 1 ? "file" : "files", t->cut ? " (there is more: the rest is left out)" : "");
    printf("model     %d parameters: %d bytes of context, %d x %d embeddings, %d tanh units\n", PARAMETERS, CONTEXT,
           BYTES, EMBEDDING, HIDDEN);
    printf("device    %s\n", s->l->where);
    if (s->first_step) printf("loaded    %s, after step %llu\n", s->o->load, (unsigned long long)s->first_step);
    fflush(stdout);
}

/* ---- Training ---------------------------------------------------------------------------------------------------- */

/* Notes the loss of a step that has ended. */
static void note(session *s, flight *f) {
    if (f->step == 0) return;
    float loss = f->sum / BATCH;
    double bits = loss * bits_per_nat;
    uint32_t as_bits;
    memcpy(&as_bits, &loss, sizeof as_bits);
    if (s->losses) fprintf(s->losses, "%llu %08x\n", (unsigned long long)f->step, (unsigned)as_bits);
    curve_add(&s->curve, bits);
    s->recent += (bits - s->recent) / (s->curve.added < 50 ? (double)s->curve.added : 50.0);
    f->step = 0;
}

static bool train_one(session *s) {
    flight *f = s->l->next(s->l);
    if (!f) return fail(s, s->l->message);
    note(s, f);
    s->model.step++;
    text_batch(&s->text, s->model.seed, s->model.step, f->batch);
    return s->l->launch(s->l, f, s->model.step, model_rate(s->model.step)) || fail(s, s->l->message);
}

/* Waits for the steps that are under way. */
static bool land(session *s) {
    for (uint32_t i = 0; i < s->l->flights; i++) {
        flight *f = s->l->next(s->l);
        if (!f) return fail(s, s->l->message);
        note(s, f);
    }
    return true;
}

/* Bits a byte of the held-out part, or of so many batches spread over it. */
static bool score(session *s, size_t batches, double *bits) {
    static uint32_t batch[BATCH_WORDS];
    size_t all = text_held_examples(&s->text), whole = (all + BATCH - 1) / BATCH, examples = 0;
    double nats = 0;
    if (batches > whole) batches = whole;
    for (size_t i = 0; i < batches; i++) {
        size_t at = i * whole / batches * BATCH, count = all - at < BATCH ? all - at : BATCH;
        float sum;
        text_held_batch(&s->text, at, count, batch);
        if (!s->l->score(s->l, batch, (uint32_t)count, &sum)) return fail(s, s->l->message);
        nats += sum;
        examples += count;
    }
    *bits = nats / (double)examples * bits_per_nat;
    return true;
}

/* A look at the held-out bytes, once the steps under way have ended: waiting for those is part of the training. */
static bool look(session *s) {
    if (!land(s)) return false;
    double bits, begin = report_clock();
    if (!score(s, LOOK_BATCHES, &bits)) return false;
    curve_add_point(&s->curve, s->model.step, bits);
    s->looked += report_clock() - begin;
    return true;
}

/* How far the run is, by time and by steps, whichever is further. */
static progress_state state_of(const session *s) {
    const options *o = s->o;
    double now = report_clock() - s->began, made = (double)(s->model.step - s->first_step);
    double by_time = o->seconds > 0 ? now / o->seconds : 0;
    double by_steps = o->steps ? made / (double)o->steps : 0;
    progress_state p = { .step = s->model.step, .bits = s->recent };
    p.done = by_time > by_steps ? by_time : by_steps;
    if (p.done > 1) p.done = 1;
    p.bytes_per_second = now > s->looked ? made * BATCH / (now - s->looked) : 0;
    p.seconds_left = p.done > 0 ? now / p.done - now : 0;
    return p;
}

static bool train(session *s) {
    progress_begin(&s->progress);
    s->began = report_clock();
    double next_look = 0;
    uint64_t next_step = s->first_step;
    for (;;) {
        progress_state p = state_of(s);
        progress_show(&s->progress, &p);
        if (p.done >= 1 || stopped_by) break;
        if (p.done >= next_look && s->model.step >= next_step) {
            if (!look(s)) return false;
            next_look = p.done + 1.0 / LOOKS;
            next_step = s->model.step + LOOK_STEPS;
        }
        if (!train_one(s)) return false;
    }
    s->interrupted = (int)stopped_by;
    if (!land(s)) return false;
    s->seconds = report_clock() - s->began - s->looked;
    return true;
}

/* ---- After ------------------------------------------------------------------------------------------------------- */

/* Text that follows the first bytes of the held-out part. */
static bool draw(session *s) {
    memcpy(s->sample, s->text.held, CONTEXT);
    for (size_t i = CONTEXT; i < sizeof s->sample; i++) {
        uint32_t context[CONTEXT], byte;
        for (size_t k = 0; k < CONTEXT; k++) context[k] = s->sample[i - CONTEXT + k];
        float random = random_unit(s->model.seed ^ UINT64_C(0x73616d706c65), i);
        if (!s->l->draw(s->l, context, random, 0.7f, &byte)) return fail(s, s->l->message);
        s->sample[i] = (unsigned char)byte;
    }
    return true;
}

static bool save(session *s) {
    if (!s->o->save) return true;
    return (s->l->save(s->l, s->model.state) || fail(s, s->l->message)) &&
           checkpoint_write(s->o->save, &s->model, s->message, sizeof s->message);
}

static bool tell(session *s) {
    const options *o = s->o;
    figures f = {
        .where = s->l->where,
        .arithmetic = s->l->arithmetic->name,
        .files = s->text.files,
        .text_bytes = s->text.train_size + s->text.held_size,
        .held_bytes = text_held_examples(&s->text),
        .text_cut = s->text.cut,
        .first_step = s->first_step,
        .steps = s->model.step - s->first_step,
        .batch = BATCH,
        .seconds = s->seconds,
        .order0 = s->entropy.order0,
        .order1 = s->entropy.order1,
        .train = s->recent,
        .interrupted = s->interrupted != 0,
        .prompt = s->sample,
        .prompt_size = CONTEXT,
        .sample = s->sample + CONTEXT,
        .sample_size = SAMPLE_SIZE,
        .curve = *o->curve ? o->curve : NULL,
        .saved = o->save,
    };
    /* Saved first: what comes after can fail without loss. */
    if (!save(s) || !score(s, SIZE_MAX, &f.held) || !draw(s)) return false;
    curve_add_point(&s->curve, s->model.step, f.held);
    if (f.curve && !curve_draw(&s->curve, f.curve, f.order0, f.order1)) {
        fprintf(stderr, "note: cannot write %s: %s\n", f.curve, strerror(errno));
        f.curve = NULL;
    }
    progress_clear(&s->progress);
    if (o->json) report_print_json(&f);
    else report_print(&f);
    return true;
}

int session_run(const options *o, learner *l) {
    session *s = calloc(1, sizeof *s);
    if (!s) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return EXIT_FAILED;
    }
    s->o = o, s->l = l;
    bool good = prepare(s);
    if (good) {
        introduce(s);
        catch_signals();
        good = train(s) && tell(s);
    }
    if (!good) {
        progress_clear(&s->progress);
        fprintf(stderr, "%s: %s\n", o->program, s->message);
    }
    if (s->losses && fclose(s->losses) != 0) {
        fprintf(stderr, "%s: cannot write %s: %s\n", o->program, o->losses, strerror(errno));
        good = false;
    }
    int code = !good ? EXIT_FAILED : s->interrupted ? 128 + s->interrupted : EXIT_GOOD;
    text_close(&s->text);
    free(s->model.state);
    free(s);
    return code;
}
