/* The suite as the command `rlx conform` sees it: options in, Test Anything Protocol out. */
#ifndef RLX_CONFORMANCE_SUITE_H
#define RLX_CONFORMANCE_SUITE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct conform_options {
    const char *device;  /* by name */
    const char *filter;  /* NULL: all tests; otherwise those whose name contains it */
    const char *kernels; /* NULL, or a folder with kernels in the device's own formats */
    uint32_t workers;    /* rlx_device_desc.workers of the device under test */
    uint32_t timeout_s;  /* of one test */
    uint64_t seed;
    bool json;    /* instead of TAP */
    bool no_fork; /* everything in this process */
} conform_options;

/* Runs the suite. 0: all passed or were skipped; 1: some failed; 2: the filter matches nothing; 3: the device can't be
 * opened. Makes no call of the library in this process, unless no_fork is set. */
int conform_run(const conform_options *options);

/* Prints the names of the tests, or the table rule, tests, lies of docs/conformance.md. */
int conform_list(const char *filter, bool markdown, const char *lies);

#endif
