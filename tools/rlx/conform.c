/* `rlx conform`: the options of the conformance suite. The suite itself is in tests/conformance. */
#include "conform.h"

#include "conformance/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: rlx conform --device NAME [options]\n"
    "       rlx conform --list [--filter TEXT] [--markdown [--lies FILE]]\n"
    "\n"
    "Runs the conformance suite against a device and prints what it found as TAP version 13.\n"
    "\n"
    "  --device NAME     the device, as `rlx devices` lists it\n"
    "  --filter TEXT     only tests whose name contains TEXT, such as \"rule 4:\" or \"floor:\"\n"
    "  --kernels FOLDER  kernels in the device's own formats: see docs/conformance.md\n"
    "  --workers N       worker threads of the device; 0, the default: as many as it likes\n"
    "  --seed N          for the tests that draw at random; 1 by default\n"
    "  --timeout N       seconds after which a test counts as hung; 60 by default, at least 4\n"
    "  --json            an array of results instead of TAP\n"
    "  --no-fork         all in one process, to debug: a test that crashes or hangs ends the suite\n"
    "  --list            the tests' names; with --markdown the table rule, tests, lies\n"
    "  --lies FILE       fills the table's last column: lines such as \"4 early-wait (cpu): what it does\"\n"
    "\n"
    "exit codes: 0 all passed, 1 some failed, 2 usage, 3 the device can't be opened\n";

typedef struct arguments {
    conform_options options;
    const char *lies;
    bool list, markdown, help;
} arguments;

static bool parse_number(const char *text, uint64_t most, uint64_t *number) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > most) return false;
    *number = value;
    return true;
}

/* An option with a value; false if it isn't one, or the value is wrong. */
static bool parse_valued(arguments *a, const char *name, const char *value) {
    uint64_t number;
    if (!value) return false;
    if (strcmp(name, "--device") == 0) return a->options.device = value, true;
    if (strcmp(name, "--filter") == 0) return a->options.filter = value, true;
    if (strcmp(name, "--kernels") == 0) return a->options.kernels = value, true;
    if (strcmp(name, "--lies") == 0) return a->lies = value, true;
    if (strcmp(name, "--seed") == 0) return parse_number(value, UINT64_MAX, &a->options.seed);
    if (strcmp(name, "--workers") == 0 && parse_number(value, 65536, &number))
        return a->options.workers = (uint32_t)number, true;
    if (strcmp(name, "--timeout") == 0 && parse_number(value, 86400, &number) && number >= 4)
        return a->options.timeout_s = (uint32_t)number, true;
    return false;
}

static bool parse_flag(arguments *a, const char *name) {
    if (strcmp(name, "--json") == 0) return a->options.json = true;
    if (strcmp(name, "--no-fork") == 0) return a->options.no_fork = true;
    if (strcmp(name, "--list") == 0) return a->list = true;
    if (strcmp(name, "--markdown") == 0) return a->markdown = true;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return a->help = true;
    return false;
}

static bool parse(int argc, char **argv, arguments *a) {
    for (int i = 1; i < argc; i++) {
        if (parse_flag(a, argv[i])) continue;
        if (!parse_valued(a, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
            fprintf(stderr, "rlx conform: %s %s is not understood\n", argv[i], i + 1 < argc ? argv[i + 1] : "");
            return false;
        }
        i++;
    }
    if (a->help || a->list || a->options.device) return true;
    fprintf(stderr, "rlx conform: --device NAME is missing\n");
    return false;
}

int rlx_tool_conform(int argc, char **argv) {
    arguments a = { .options = { .seed = 1, .timeout_s = 60 } };
    if (!parse(argc, argv, &a)) {
        fputs(usage, stderr);
        return 2;
    }
    if (a.help) return fputs(usage, stdout) < 0 ? 2 : 0;
    if (a.list) return conform_list(a.options.filter, a.markdown, a.lies);
    return conform_run(&a.options);
}
