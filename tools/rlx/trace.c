/* `rlx trace WORD FILE`: reads what a program under RLX_TRACE has written. */
#include "trace.h"

#include "tool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: rlx trace summary FILE [--json]\n"
    "       rlx trace picture FILE [--from MS] [--for MS] >FILE.svg\n"
    "\n"
    "Reads a trace, as RLX_TRACE=FILE in the environment of any program makes the library write it.\n"
    "\n"
    "    summary    time by kernel, where workers and streams sat idle, and what threads waited for\n"
    "    picture    rows of streams, threads and workers against time, in SVG\n"
    "\n"
    "    --json        of the summary: an object with `kernels`, `workers`, `streams` and `threads`\n"
    "    --from MS     milliseconds behind the beginning of the trace; by default 0\n"
    "    --for MS      so many of them; by default all that follow\n";

typedef struct trace_options {
    const char *word, *path;
    bool as_json;
    double from_ms, for_ms;
} trace_options;

static bool parse_ms(const char *text, double *ms) {
    char *end;
    *ms = strtod(text, &end);
    if (end != text && !*end && isfinite(*ms) && *ms >= 0) return true;
    fprintf(stderr, "rlx trace: '%s' is no number of milliseconds\n", text);
    return false;
}

/* The exit code to end with, or TOOL_OK to go on. */
static int parse_option(tool_options *options, const char *argument, trace_options *wanted) {
    bool missing = false;
    if (tool_is(argument, "--json")) {
        wanted->as_json = true;
    } else if (tool_takes(options, argument, "--from", &missing)) {
        if (!parse_ms(options->value, &wanted->from_ms)) return TOOL_USAGE;
    } else if (!missing && tool_takes(options, argument, "--for", &missing)) {
        if (!parse_ms(options->value, &wanted->for_ms)) return TOOL_USAGE;
    } else if (missing) {
        return TOOL_USAGE;
    } else if (argument[0] == '-' && argument[1]) {
        return tool_unknown(options, argument);
    } else if (!wanted->word) {
        wanted->word = argument;
    } else if (!wanted->path) {
        wanted->path = argument;
    } else {
        return tool_unknown(options, argument);
    }
    return TOOL_OK;
}

static int check_options(const trace_options *wanted, bool picture) {
    if (!wanted->word || (strcmp(wanted->word, "summary") != 0 && !picture)) {
        fprintf(stderr, "rlx trace: %s%s: `summary` or `picture` was expected\n",
                wanted->word ? "not known: " : "no word", wanted->word ? wanted->word : "");
        return TOOL_USAGE;
    }
    if (!wanted->path) {
        fprintf(stderr, "rlx trace: which file?\n");
        return TOOL_USAGE;
    }
    if (picture && wanted->as_json) {
        fprintf(stderr, "rlx trace: --json is for the summary\n");
        return TOOL_USAGE;
    }
    if (!picture && (wanted->from_ms > 0 || wanted->for_ms > 0)) {
        fprintf(stderr, "rlx trace: --from and --for are for the picture\n");
        return TOOL_USAGE;
    }
    return TOOL_OK;
}

int rlx_tool_trace(int argc, char **argv) {
    tool_options options = { .argc = argc, .argv = argv };
    trace_options wanted = { 0 };
    for (const char *argument; (argument = tool_next(&options));) {
        if (tool_is(argument, "--help") || tool_is(argument, "-h")) {
            fputs(help, stdout);
            return TOOL_OK;
        }
        int code = parse_option(&options, argument, &wanted);
        if (code) return code;
    }
    bool picture = wanted.word && strcmp(wanted.word, "picture") == 0;
    int code = check_options(&wanted, picture);
    if (code) return code;

    trace_file file;
    trace_rows rows = { 0 };
    code = TOOL_FAILED;
    if (!trace_read(wanted.path, &file)) {
        fprintf(stderr, "rlx trace: %s: %s\n", wanted.path, file.error);
    } else if (!trace_sort(&file, &rows)) {
        fprintf(stderr, "rlx trace: out of memory\n");
    } else if (picture) {
        double for_us = wanted.for_ms > 0 ? wanted.for_ms * 1000 : INFINITY;
        code = trace_draw(&file, &rows, wanted.from_ms * 1000, for_us);
    } else {
        code = trace_summarize(&file, &rows, wanted.as_json);
    }
    trace_rows_free(&rows);
    trace_close(&file);
    return code;
}
