/* The command `rlx`: one function for each of its words. They see <rlx/driver.h> alone, as any program does.
 *
 * EXIT CODES, the same for all words, so that a script can tell a failed test from a mistyped option. */
#ifndef RLX_TOOL_H
#define RLX_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOOL_OK = 0,
    TOOL_FAILED = 1,    /* it ran and something failed */
    TOOL_USAGE = 2,     /* the command line is wrong */
    TOOL_NO_DEVICE = 3, /* the device cannot be opened */
};

/* Each gets its word as argv[0] and the options behind it; --help prints its page. */
int rlx_tool_devices(int argc, char **argv);
int rlx_tool_conform(int argc, char **argv); /* conform.c */
int rlx_tool_bench(int argc, char **argv);
int rlx_tool_trace(int argc, char **argv);

/* ---- Options (main.c) ---- */

/* Walks over argv. `rlx conform --device cpu` and `--device=cpu` are the same. */
typedef struct tool_options {
    int argc, at;
    char **argv;
    const char *value; /* of the last option that has one */
} tool_options;

/* The next argument, or NULL at the end. */
const char *tool_next(tool_options *options);
/* Whether `argument` is the option `name`. */
bool tool_is(const char *argument, const char *name);
/* The same for an option with a value, which is then in options->value. False, with a message, if there is none: then
 * *missing is set, and the word ends with TOOL_USAGE. */
bool tool_takes(tool_options *options, const char *argument, const char *name, bool *missing);
/* Says that an argument is not known; returns TOOL_USAGE. */
int tool_unknown(const tool_options *options, const char *argument);

/* Bytes for people: "3.1 GiB". */
const char *tool_bytes(uint64_t bytes, char *text, size_t size);

#endif
