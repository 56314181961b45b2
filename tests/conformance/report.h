/* Names of tests and the printing of results; for the runner. */
#ifndef RLX_CONFORMANCE_REPORT_H
#define RLX_CONFORMANCE_REPORT_H

#include "process.h"

#define CONFORM_MAX 1024 /* tests there can be */
#define CONFORM_NAME 200

/* How one test went. `text`: why it was skipped, or the lines of a failure's report. */
typedef struct conform_outcome {
    conform_result result;
    uint32_t ms;
    const char *text;
} conform_outcome;

typedef struct conform_report {
    bool json;
    uint32_t number;     /* of the last test printed */
    uint32_t results[3]; /* how many of each conform_result */
} conform_report;

/* "rule 4: wait ends at the exact point that was asked for" */
void conform_name(const conform_case *test, char *name, size_t size);
/* The tests whose names contain `filter` (NULL: all), in order. */
uint32_t conform_select(const char *filter, const conform_case *list[CONFORM_MAX]);

void conform_report_begin(conform_report *report, uint32_t count);
void conform_report_add(conform_report *report, const conform_case *test, const conform_outcome *outcome);
void conform_report_end(conform_report *report, uint64_t ms);

#endif
