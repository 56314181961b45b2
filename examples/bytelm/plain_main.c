/* bytelm-plain: the same model, the same text, the same losses, and no driver.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"
#include "learner.h"
#include "options.h"
#include "session.h"

#include <stdio.h>

static int bench(const options *o, const char *program, learner *l) {
    double ms;
    learner *failed;
    if (!bench_steps(&l, 1, o->bench, &ms, &failed)) {
        fprintf(stderr, "%s: out of memory\n", program);
        return EXIT_FAILED;
    }
    printf("{\"name\": \"bytelm step, plain loop\", \"ours\": %.4f, \"unit\": \"ms\"}\n", ms);
    return EXIT_GOOD;
}

int main(int argc, char **argv) {
    options o;
    int code;
    if (!options_read(&o, argc, argv, false, &code)) return code;
    const model_arithmetic *arithmetic = o.arithmetic ? model_named(o.arithmetic) : model_widest();
    if (!arithmetic) {
        fprintf(stderr, "%s: there is no arithmetic '%s' on this processor\n", argv[0], o.arithmetic);
        return EXIT_USAGE;
    }
    learner *l = plain_open(arithmetic);
    if (!l) {
        fprintf(stderr, "%s: out of memory\n", argv[0]);
        return EXIT_FAILED;
    }
    code = o.bench ? bench(&o, argv[0], l) : session_run(&o, argv[0], l);
    l->close(l);
    return code;
}
