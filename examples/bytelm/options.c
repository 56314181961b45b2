/* Reading the command line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_driver[] = "  --device NAME     where to train: a name that `rlx devices` lists (auto)\n"
                                  "  --workers N       threads that a CPU device computes with (all that there are)\n";

static const char help_rest[] =
    "  --seconds S       train for S seconds (40, or without limit if --steps is given)\n"
    "  --steps N         train for N steps of 256 bytes\n"
    "  --seed N          what all random numbers come from (1). The same seed gives the same losses, bit for bit,\n"
    "                    whatever the device and its number of workers; a shorter run is the beginning of a longer "
    "one\n"
    "  --save FILE       save the trained model\n"
    "  --load FILE       go on with a saved model, exactly where it was\n"
    "  --curve FILE      where to draw the losses (curve.svg; empty: nowhere)\n"
    "  --losses FILE     write each step's loss as the bits of a float\n"
    "  --arithmetic A    which variant of the arithmetic: portable, avx2, avx512 (the widest that runs here);\n"
    "                    all of them give the same bits\n"
    "  --bench N         measure what a step costs instead, in N rounds, and print JSON\n"
    "  --json            print the figures as JSON\n"
    "  --help            this text\n"
    "\n"
    "Files and folders are read in the order given; without any, the project's own sources and documentation are.\n"
    "Ctrl-C ends the training, not the program: the figures so far follow, and the exit code is 130.\n"
    "Exit codes: 0 success, 1 failure, 2 a wrong command line, 130 interrupted.\n";

enum { DEVICE = 256, WORKERS, SECONDS, STEPS, SEED, SAVE, LOAD, CURVE, LOSSES, ARITHMETIC, BENCH, JSON, HELP };

static const struct option words[] = {
    { "device", required_argument, NULL, DEVICE },
    { "workers", required_argument, NULL, WORKERS },
    { "seconds", required_argument, NULL, SECONDS },
    { "steps", required_argument, NULL, STEPS },
    { "seed", required_argument, NULL, SEED },
    { "save", required_argument, NULL, SAVE },
    { "load", required_argument, NULL, LOAD },
    { "curve", required_argument, NULL, CURVE },
    { "losses", required_argument, NULL, LOSSES },
    { "arithmetic", required_argument, NULL, ARITHMETIC },
    { "bench", required_argument, NULL, BENCH },
    { "json", no_argument, NULL, JSON },
    { "help", no_argument, NULL, HELP },
    { NULL, 0, NULL, 0 },
};

/* A whole number in [least, most], and nothing after it. */
static bool whole(const char *text, uint64_t least, uint64_t most, uint64_t *number) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < least || n > most) return false;
    *number = n;
    return true;
}

static bool positive(const char *text, double *number) {
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || x <= 0) return false;
    *number = x;
    return true;
}

static bool wrong(const char *program, const char *option, const char *value, const char *wanted) {
    fprintf(stderr, "%s: --%s takes %s, not '%s'\n", program, option, wanted, value);
    return false;
}

/* One option. `name` is as in `words`, `value` NULL if it takes none. */
static bool take(options *o, const char *program, int word, const char *value) {
    uint64_t n;
    switch (word) {
    case DEVICE: o->device = value; return true;
    case WORKERS:
        if (!whole(value, 1, 1024, &n)) return wrong(program, "workers", value, "a number from 1 to 1024");
        o->workers = (uint32_t)n;
        return true;
    case SECONDS: return positive(value, &o->seconds) || wrong(program, "seconds", value, "a number above 0");
    case STEPS:
        return whole(value, 1, UINT32_MAX, &o->steps) ||
               wrong(program, "steps", value, "a number from 1 to 4294967295");
    case SEED:
        o->seed_given = true;
        return whole(value, 0, UINT64_MAX, &o->seed) || wrong(program, "seed", value, "a whole number");
    case SAVE: o->save = value; return *value || wrong(program, "save", value, "the name of a file");
    case LOAD: o->load = value; return true;
    case CURVE: o->curve = value; return true;
    case LOSSES: o->losses = value; return true;
    case ARITHMETIC: o->arithmetic = value; return true;
    case BENCH:
        return whole(value, 1, 1000000, &o->bench) ||
               wrong(program, "bench", value, "a number of rounds from 1 to 1000000");
    default: o->json = true; return true;
    }
}

static void print_help(const char *program, bool driver) {
    printf("%s: trains a language model of bytes from scratch%s\n\n", program,
           driver ? ", through the driver" : ", in a plain loop for comparison");
    printf("usage: %s [options] [files and folders to learn from]\n\n%s%s", program, driver ? help_driver : "",
           help_rest);
}

bool options_read(options *o, int argc, char **argv, bool driver, int *code) {
    const char *slash = strrchr(argv[0], '/'), *program = slash ? slash + 1 : argv[0];
    *o = (options){
        .program = program, .path = argv[0], .device = driver ? "auto" : NULL, .seed = 1, .curve = "curve.svg"
    };
    *code = EXIT_USAGE;
    for (int word; (word = getopt_long(argc, argv, "h", driver ? words : words + 2, NULL)) != -1;) {
        if (word == HELP || word == 'h') {
            print_help(program, driver);
            *code = EXIT_GOOD;
            return false;
        }
        if (word == '?' || !take(o, program, word, optarg)) {
            fprintf(stderr, "try '%s --help'\n", program);
            return false;
        }
    }
    if (o->load && o->seed_given) {
        fprintf(stderr, "%s: a saved model goes on with its own seed: leave out --seed or --load\n", program);
        return false;
    }
    if (o->seconds == 0 && o->steps == 0) o->seconds = 40;
    o->files = argv + optind;
    o->file_count = argc - optind;
    return true;
}
