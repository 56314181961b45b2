/* bytelm: a language model of bytes, trained from scratch through the driver.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Start reading at train.c: it is all that there is to know about using the driver. kernels.c and model.h are what it
 * runs. The rest is a program around it: session.c (a run), text.c, report.c, curve.c, checkpoint.c, options.c.
 */
#include "bench.h"
#include "learner.h"
#include "options.h"
#include "session.h"

#include <stdio.h>
#include <unistd.h>

/* A goal of 0: none. */
static void print_row(const char *before, const char *name, const char *device, double ours, double baseline,
                      double goal) {
    printf("%s{\"name\": \"bytelm step, %s\", \"device\": \"%s\", \"ours\": %.4f, \"baseline\": %.4f, ", before, name,
           device, ours / 1e6, baseline / 1e6);
    printf("\"unit\": \"ms\", \"ratio\": %.4f, \"goal\": ", ours / baseline);
    if (goal > 0) printf("%.2f}", goal);
    else printf("null}");
}

/* Rows for `rlx bench`: a step through the driver against the same step in a plain loop, all in turn in one process. */
static int bench(const options *o, const model_arithmetic *arithmetic) {
    enum { PLAIN, SYNC, CPU, PAIR, LEARNERS };
    bool failed[LEARNERS] = { false };
    learner *learners[LEARNERS] = { plain_open(arithmetic), train_open(arithmetic, "sync", 0, &failed[SYNC]),
                                    train_open(arithmetic, "cpu", 2, &failed[CPU]), pair_open(arithmetic) };
    /* Two workers on one processor would tell nothing. */
    size_t count = sysconf(_SC_NPROCESSORS_ONLN) < 2 ? CPU : LEARNERS;
    learner *culprit = NULL;
    double ns[LEARNERS];
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        culprit = learners[i];
        good = learners[i] && !failed[i];
    }
    if (good && bench_steps(learners, count, o->bench, ns, &culprit)) {
        print_row("[", "1 thread", "sync", ns[SYNC], ns[PLAIN], 1.01);
        if (count > CPU) {
            print_row(",\n ", "2 workers", "cpu", ns[CPU], ns[PLAIN], 0.65);
            print_row(",\n ", "2 workers, against two plain loops side by side", "cpu", ns[CPU], ns[PAIR] / 2, 0);
        }
        printf("]\n");
    } else {
        fprintf(stderr, "%s: %s\n", o->program, culprit ? culprit->message : "out of memory");
        good = false;
    }
    for (size_t i = 0; i < LEARNERS; i++)
        if (learners[i]) learners[i]->close(learners[i]);
    return good ? EXIT_GOOD : EXIT_FAILED;
}

int main(int argc, char **argv) {
    options o;
    int code;
    if (!options_read(&o, argc, argv, true, &code)) return code;
    const model_arithmetic *arithmetic = o.arithmetic ? model_named(o.arithmetic) : model_widest();
    if (!arithmetic) {
        fprintf(stderr, "%s: there is no arithmetic '%s' on this processor\n", o.program, o.arithmetic);
        return EXIT_USAGE;
    }
    if (o.bench) return bench(&o, arithmetic);

    bool failed = false;
    learner *l = train_open(arithmetic, o.device, o.workers, &failed);
    if (!l || failed) {
        fprintf(stderr, "%s: %s\n", o.program, l ? l->message : "out of memory");
        if (l) l->close(l);
        return EXIT_FAILED;
    }
    code = session_run(&o, l);
    l->close(l);
    return code;
}
