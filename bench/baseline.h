/* What `rlx bench` compares with: the same work done by hand, with nothing of rlx-driver anywhere. A folder of its own,
 * so that this can be seen at a glance: nothing here includes a header of the library. */
#ifndef RLX_BENCH_BASELINE_H
#define RLX_BENCH_BASELINE_H

#include <stdint.h>

/* ---- Calls (calls.c) ---- */

/* A command as one would write it down without a layer: what to call, over how much, with what. */
typedef struct baseline_command {
    void (*function)(void);
    uint32_t groups[3];
    struct {
        void *data;
        uint64_t size;
    } buffers[3];
    uint32_t values[2];
} baseline_command;

/* Fills in `count` commands, over and over in a ring of `room`. */
void baseline_write_commands(baseline_command *ring, uint32_t room, void *const buffers[3], uint64_t size,
                             uint64_t count);

/* Calls a function through a pointer. */
void baseline_call(void (*function)(void *user), void *user, uint64_t count);

/* x[i] += y[i] over LOOP_SMALL floats, `count` times, each through a pointer. */
void baseline_small_adds(float *x, const float *y, uint64_t count);

/* ---- Threads (threads.c) ---- */

/* Two threads, one of which answers the other. */
typedef struct baseline_pair baseline_pair;

baseline_pair *baseline_pair_start(void); /* NULL when there is no thread to have */
/* To the other thread and back, each woken through a condition variable. */
void baseline_pair_round(baseline_pair *pair);
void baseline_pair_stop(baseline_pair *pair);

/* ---- Large loops (loops.c) ---- */

void baseline_copy(void *dst, const void *src, uint64_t size);
void baseline_fill(uint32_t *dst, uint32_t value, uint64_t count);
void baseline_add(float *c, const float *a, const float *b, uint64_t count);
/* `groups` times baseline's own share of arithmetic: see loop_compute. */
void baseline_compute(float *x, uint64_t group_size, uint64_t groups, uint32_t rounds);
/* The same with group g doing rounds * g / groups. */
void baseline_compute_uneven(float *x, uint64_t group_size, uint64_t groups, uint32_t rounds);

#endif
