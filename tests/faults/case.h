/* One test of the conformance suite under one fault, in a process of its own. */
#ifndef RLX_FAULTS_CASE_H
#define RLX_FAULTS_CASE_H

#include "conformance/report.h"
#include "platform/failpoint.h"

/* Which fault: number `first` of its kind, with `on` all behind it too. first 0: none, to count. */
typedef struct fault_plan {
    rlx_failpoint_kind kind;
    uint64_t first;
    bool on;
} fault_plan;

/* How it went. Lies in memory that the case's process shares with its parent. */
typedef struct fault_outcome {
    fault_plan plan;
    conform_step step;                   /* where the test was last */
    const char *stage;                   /* what was being done; a literal */
    uint64_t counts[RLX_FAILPOINT_KINDS];
    uint64_t failed;                     /* how many had to fail: 0, the test did not come that far */
    int64_t blocks;                      /* of the library's memory, at the end of all */
    bool passed;                         /* the test itself */
    bool bound;                          /* the device is bound to a thread */
    bool lost;                           /* the device was, after the test */
    bool refused;                        /* its plugin was, for good */
    char wrong[CONFORM_TEXT];            /* what must not be under any fault; "": nothing */
} fault_outcome;

/* What all cases have in common. */
typedef struct fault_session {
    conform_options options;
    char folder[4096]; /* with the cache and the temporary files of the case that runs */
    uint32_t limit_s;  /* a case that takes longer hangs */
} fault_session;

/* Runs it. `honest` is the outcome without a fault, which says what is left at the end of all; NULL for that one
 * itself. */
void fault_case_run(const fault_session *session, const conform_case *test, const fault_plan *plan,
                    const fault_outcome *honest, fault_outcome *outcome);

#endif
