/* What the user sees: the progress of a run, and its figures at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_REPORT_H
#define BYTELM_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic seconds. */
double report_clock(void);

/* A bar that is drawn anew in place on a terminal; elsewhere a line for each tenth of the way. On stderr. */
typedef struct progress {
    bool terminal, unicode;
    double drawn; /* when, on report_clock */
    int tenth;    /* the last one that had its line */
} progress;

typedef struct progress_state {
    double done; /* 0 to 1 */
    uint64_t step;
    double bits; /* a byte, lately */
    double bytes_per_second;
    double seconds_left;
} progress_state;

void progress_begin(progress *p);
void progress_show(progress *p, const progress_state *s);
/* Removes the bar, so that something else can be printed in its place. */
void progress_clear(progress *p);

typedef struct figures {
    const char *where, *arithmetic;
    size_t files, text_bytes, held_bytes;
    bool text_cut;
    uint64_t first_step, steps, batch;  /* steps made in this run, bytes in each */
    double seconds;                     /* of training */
    double order0, order1, held, train; /* bits a byte; `train` of the last steps */
    bool interrupted;
    const unsigned char *prompt, *sample; /* text that the model was given, and what it made of it */
    size_t prompt_size, sample_size;
    const char *curve, *saved; /* files that were written, or NULL */
} figures;

/* On stdout. */
void report_print(const figures *f);
void report_print_json(const figures *f);

#endif
