/* Lies that the core can be made to tell, one at a time, so that the conformance suite can be seen to catch them. They
 * exist in the test build alone (RLX_TEST_LIES); everywhere else the question has one answer, known to the compiler,
 * and nothing of them is left. tests/liars/lies.txt says what each one is. */
#ifndef RLX_LIES_H
#define RLX_LIES_H

#include <stdbool.h>

#ifdef RLX_TEST_LIES
/* Whether the lie of this name is to be told: the one that the environment's RLX_LIE names. */
bool rlx_lie(const char *name);
#else
static inline bool rlx_lie(const char *name) {
    (void)name;
    return false;
}
#endif

#endif
