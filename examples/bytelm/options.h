/* The command line of both programs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_OPTIONS_H
#define BYTELM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct options {
    const char *program; /* its name, for messages */
    const char *path;    /* the name that it was called by */
    const char *device;  /* NULL: the plain loop */
    uint32_t workers;    /* 0: as many as the process may use */
    double seconds;      /* of training; 0: no limit */
    uint64_t steps;      /* 0: no limit */
    uint64_t seed;
    bool seed_given;
    const char *save, *load; /* files, or NULL */
    const char *curve;       /* "": none */
    const char *losses;      /* a file for the loss of each step in bits of a float, or NULL */
    const char *arithmetic;  /* a name of model_named, or NULL */
    uint64_t bench;          /* rounds; 0: no benchmark */
    bool json;
    char *const *files;
    int file_count;
} options;

/* Exit codes, besides 128 + the signal's number after an interruption. */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Reads the command line. False: the program is to end with `*code`; all has been said. `driver`: the program has the
 * options that are about devices. */
bool options_read(options *o, int argc, char **argv, bool driver, int *code);

#endif
