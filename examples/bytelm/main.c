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

/* A step on the device against the same step in a plain loop, measured side by side. */
static int bench(const options *o, learner *ours) {
    learner *learners[] = { ours, plain_open(ours->arithmetic) }, *failed = NULL;
    double ns[2];
    bool good = learners[1] && bench_steps(learners, 2, o->bench, ns, &failed);
    if (good)
        printf(
            "{\"name\": \"bytelm step\", \"device\": \"%s\", \"step_ns\": %.0f, \"plain_ns\": %.0f, \"ratio\": %.4f}\n",
            ours->where, ns[0], ns[1], ns[0] / ns[1]);
    else fprintf(stderr, "%s: %s\n", o->program, failed ? failed->message : "out of memory");
    if (learners[1]) learners[1]->close(learners[1]);
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
    bool failed = false;
    learner *l = train_open(arithmetic, o.device, o.workers, &failed);
    if (!l || failed) {
        fprintf(stderr, "%s: %s\n", o.program, l ? l->message : "out of memory");
        if (l) l->close(l);
        return EXIT_FAILED;
    }
    code = o.bench ? bench(&o, l) : session_run(&o, l);
    l->close(l);
    return code;
}
