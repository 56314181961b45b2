/* `rlx WORD`: finds the word's function, and what all words share: options and the page of help. */
#include "tool.h"

#include <rlx/driver.h>

#include <stdio.h>
#include <string.h>

typedef struct tool_word {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} tool_word;

static const tool_word words[] = {
    { "devices", rlx_tool_devices, "lists the devices of this machine, and what was refused, with the reason" },
    { "conform", rlx_tool_conform, "holds a device to the sixteen rules, in TAP" },
    { "bench", rlx_tool_bench, "measures what the layer costs, beside a baseline without it" },
    { "trace", rlx_tool_trace, "tells and draws what a program under RLX_TRACE has done" },
};

enum { WORDS = sizeof words / sizeof *words };

static const tool_word *find_word(const char *name) {
    for (int i = 0; i < WORDS; i++)
        if (strcmp(words[i].name, name) == 0) return &words[i];
    return NULL;
}

static void print_help(FILE *file) {
    fputs("usage: rlx WORD [OPTION...]\n\n", file);
    for (int i = 0; i < WORDS; i++) fprintf(file, "    %-9s %s\n", words[i].name, words[i].summary);
    fputs("\n"
          "    help WORD, or WORD --help, tells a word's options; --version the version.\n"
          "\n"
          "Exit status: 0 all is well, 1 something failed, 2 the command line is wrong, 3 the device cannot be\n"
          "opened. Plugins are looked for in the folders of RLX_BACKEND_PATH, separated by colons, and then in\n"
          "rlx/backends beside the library.\n",
          file);
}

static int print_version(void) {
    uint32_t version = rlx_version();
    printf("rlx %u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
    return TOOL_OK;
}

static int unknown_word(const char *name) {
    fprintf(stderr, "rlx: there is no word '%s'; `rlx --help` lists them\n", name);
    return TOOL_USAGE;
}

static int help_word(int argc, char **argv) {
    if (argc < 3) {
        print_help(stdout);
        return TOOL_OK;
    }
    const tool_word *word = find_word(argv[2]);
    if (!word) return unknown_word(argv[2]);
    char help[] = "--help", *arguments[] = { argv[2], help, NULL };
    return word->run(2, arguments);
}

/* What was printed may not have arrived: a full disk must not look like success. */
static int flush_output(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "rlx: the output could not be written\n");
    return code == TOOL_OK ? TOOL_FAILED : code;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return TOOL_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) return flush_output(print_version());
    if (strcmp(name, "help") == 0) return flush_output(help_word(argc, argv));
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return flush_output(TOOL_OK);
    }
    const tool_word *word = find_word(name);
    return word ? flush_output(word->run(argc - 1, argv + 1)) : unknown_word(name);
}

/* ---- Options ---- */

const char *tool_next(tool_options *options) {
    options->at++;
    return options->at < options->argc ? options->argv[options->at] : NULL;
}

bool tool_is(const char *argument, const char *name) { return strcmp(argument, name) == 0; }

bool tool_takes(tool_options *options, const char *argument, const char *name, bool *missing) {
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0) return false;
    if (argument[length] == '=') {
        options->value = argument + length + 1;
        return true;
    }
    if (argument[length] != '\0') return false;
    options->value = tool_next(options);
    if (options->value) return true;
    fprintf(stderr, "rlx %s: %s needs a value\n", options->argv[0], name);
    *missing = true;
    return false;
}

int tool_unknown(const tool_options *options, const char *argument) {
    fprintf(stderr, "rlx %s: '%s' is not known here; `rlx help %s` tells the options\n", options->argv[0], argument,
            options->argv[0]);
    return TOOL_USAGE;
}

const char *tool_bytes(uint64_t bytes, char *text, size_t size) {
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1023.95 && unit < 6; unit++) value /= 1024; /* so that it never prints 1024.0 */
    snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}
