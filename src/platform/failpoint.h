/* Failpoints: the places where the system can refuse something, and where a test can make it do so. Each place counts
 * one more of its kind and asks whether this one has to fail. They exist in the test build alone (RLX_TEST_LIES);
 * everywhere else the question has one answer, known to the compiler, and nothing of them is left.
 *
 *     RLX_FAULT=alloc:17       the 17th allocation of the process fails
 *     RLX_FAULT=alloc:17+      and so do all behind it
 *     RLX_FAULT_REPORT=FILE    at its end the process writes there how many there were of each kind
 *
 * tests/faults goes through all of them. */
#ifndef RLX_FAILPOINT_H
#define RLX_FAILPOINT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rlx_failpoint_kind {
    RLX_FAILPOINT_ALLOC = 0, /* heap memory, pages */
    RLX_FAILPOINT_THREAD,    /* starting a thread */
    RLX_FAILPOINT_OPEN,      /* opening or making a file, a folder, a pipe */
    RLX_FAILPOINT_WRITE,     /* writing a file: half of it is written */
    RLX_FAILPOINT_RENAME,
    RLX_FAILPOINT_DLOPEN,
    RLX_FAILPOINT_SPAWN,     /* starting another program */
    RLX_FAILPOINT_KINDS,
} rlx_failpoint_kind;

#ifdef RLX_TEST_LIES
/* One more of this kind. True: it has to fail, and errno says what of. */
bool rlx_failpoint(rlx_failpoint_kind kind);
/* Blocks of memory that were taken and given back: what is left at the end has leaked. */
void rlx_failpoint_taken(void);
void rlx_failpoint_given_back(void);

/* For tests, from here on. Counts from 1 again, and fails number `first` of a kind, and with `on` all behind it. 0:
 * none fails, and the counts go on. */
void rlx_failpoint_plan(rlx_failpoint_kind kind, uint64_t first, bool on);
uint64_t rlx_failpoint_count(rlx_failpoint_kind kind); /* since the process, or the last plan of a fault, began */
uint64_t rlx_failpoint_failed(void);                   /* how many had to fail */
int64_t rlx_failpoint_blocks(void);                    /* taken and not given back */
const char *rlx_failpoint_name(rlx_failpoint_kind kind);
#else
static inline bool rlx_failpoint(rlx_failpoint_kind kind) {
    (void)kind;
    return false;
}
static inline void rlx_failpoint_taken(void) {}
static inline void rlx_failpoint_given_back(void) {}
#endif

#endif
