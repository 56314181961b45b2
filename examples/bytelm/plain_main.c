/* bytelm-plain: the same model, the same text, the same losses, and no driver.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"
#include "learner.h"
#include "options.h"
#include "session.h"

#include <stdio.h>

static int bench(const options *o, learner *l) {
    double ns;
    learner *failed;
    bool good = bench_steps(&l, 1, o->bench, &ns, &failed);
    if (good) printf("{\"name\": \"bytelm-plain step\", \"ours\": %.4f, \"unit\": \"ms\"}\n", ns / 1e6);
    else fprintf(stderr, "%s: out of memory\n", o->program);
    return good ? EXIT_GOOD : EXIT_FAILED;
}

int main(int argc, char **argv) {
    options o;
    int code;
    if (!options_read(&o, argc, argv, false, &code)) return code;
    const model_arithmetic *arithmetic = o.arithmetic ? model_named(o.arithmetic) : model_widest();
    if (!arithmetic) {
        fprintf(stderr, "%s: there is no arithmetic '%s' on this processor\n", o.program, o.arithmetic);
        return EXIT_USAGE;
    }
    learner *l = plain_open(arithmetic);
    if (!l) {
        fprintf(stderr, "%s: out of memory\n", o.program);
        return EXIT_FAILED;
    }
    code = o.bench ? bench(&o, l) : session_run(&o, l);
    l->close(l);
    return code;
}
