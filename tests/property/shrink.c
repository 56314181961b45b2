/* Shrinking by leaving out: first large pieces of the log, then smaller ones, then single calls, again and again until
 * nothing more can go (delta debugging: Zeller and Hildebrandt, 2002). The model drops what has lost its meaning. */
#include <string.h>

#include "model.h"

static bool time_is_up(uint64_t end) { return rlx_clock_ns() > end; }

/* Without the calls from `first` on. */
static void cut(const test_case *from, uint32_t first, uint32_t count, test_case *to) {
    static model unused;
    to->is = from->is;
    memcpy(to->calls, from->calls, first * sizeof *to->calls);
    memcpy(to->calls + first, from->calls + first + count, (from->count - first - count) * sizeof *to->calls);
    to->count = from->count - count;
    model_replay(&unused, to);
}

/* One pass with pieces of one size. True if something could go. */
static bool pass(test_case *c, uint32_t size, case_fails fails, void *user, uint64_t end) {
    static test_case candidate;
    bool shrunk = false;
    for (uint32_t last = c->count; last >= size && !time_is_up(end); last -= size) { /* the end matters least */
        if (last > c->count) last = c->count;
        if (last < size) break;
        cut(c, last - size, size, &candidate);
        if (!fails(&candidate, user)) continue;
        *c = candidate;
        shrunk = true;
    }
    return shrunk;
}

void case_shrink(test_case *c, case_fails fails, void *user, double seconds) {
    uint64_t end = rlx_clock_ns() + (uint64_t)(seconds * 1e9);
    for (uint32_t size = c->count / 2 ? c->count / 2 : 1; size && !time_is_up(end); size /= 2)
        while (pass(c, size, fails, user, end) && size == 1) continue;
}
