/* The cost of a command when nobody checks it: a struct filled in, a call through a pointer. */
#include "baseline.h"

#include "loops.h"

static void nothing(void) {}

void baseline_write_commands(baseline_command *ring, uint32_t room, void *const buffers[3], uint64_t size,
                             uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        volatile baseline_command *command = &ring[i % room]; /* each one is really written */
        command->function = nothing;
        command->groups[0] = (uint32_t)i;
        command->groups[1] = 1;
        command->groups[2] = 1;
        for (int j = 0; j < 3; j++) {
            command->buffers[j].data = buffers[j];
            command->buffers[j].size = size;
        }
        command->values[0] = (uint32_t)i;
        command->values[1] = 7;
    }
}

void baseline_call(void (*function)(void *user), void *user, uint64_t count) {
    void (*volatile pointer)(void *) = function;
    for (uint64_t i = 0; i < count; i++) pointer(user);
}

void baseline_small_adds(float *x, const float *y, uint64_t count) {
    void (*volatile pointer)(float *restrict, const float *restrict) = loop_small_add;
    for (uint64_t i = 0; i < count; i++) pointer(x, y);
}
