/* The library as a whole: its version and clock, its first use, what a fork does to it, the mark of running inside a
 * callback, and the services that every backend gets.
 *
 * FORK. Threads, locks and drivers do not survive a fork, so a child of a process that has used the library is told so
 * by every call (rule 11), while a child of one that never did starts fresh. One atomic word keeps which of the two it
 * is, and nothing here takes a lock: a lock could be held by another thread at the very moment of the fork. */
#include "core.h"

#include "program.h"
#include "registry.h"
#include "trace.h"

_Atomic uint32_t rlx_library_state = RLX_LIBRARY_UNUSED;

static _Thread_local uint32_t callback_depth;

uint32_t rlx_version(void) { return RLX_VERSION_MAJOR << 16 | RLX_VERSION_MINOR << 8 | RLX_VERSION_PATCH; }

uint64_t rlx_clock_ns(void) { return rlx_platform_clock_ns(); }

static void after_fork(void) {
    rlx_trace_after_fork();
    if (rlx_lie("fork-goes-unnoticed")) return;
    uint32_t used = RLX_LIBRARY_USED;
    atomic_compare_exchange_strong(&rlx_library_state, &used, RLX_LIBRARY_FORKED);
}

/* Two threads that get here at once both register the handler, which does no harm: it does the same twice. */
static rlx_status first_use(void) {
    if (!rlx_on_fork(after_fork)) return rlx_fail_memory("the fork handler");
    rlx_trace_start();
    uint32_t unused = RLX_LIBRARY_UNUSED;
    atomic_compare_exchange_strong(&rlx_library_state, &unused, RLX_LIBRARY_USED);
    return RLX_OK;
}

rlx_status rlx_library_enter_first(void) {
    if (!rlx_forked()) return first_use();
    return rlx_fail(RLX_ERROR_FORKED, "this process was forked from one that had used the library, whose threads and "
                                      "drivers did not come along: fork before the first call, or exec after it");
}

uint32_t rlx_callback_enter(void) { return callback_depth++; }

void rlx_callback_leave(uint32_t entered) { callback_depth = entered; }

bool rlx_in_callback(void) { return callback_depth > 0; }

const rlx_host rlx_host_services = {
    .struct_size = sizeof(rlx_host),
    .major = RLX_BACKEND_MAJOR,
    .minor = RLX_BACKEND_MINOR,
    .fail = rlx_fail_aside,
    .note = rlx_note,
    .allocate = rlx_allocate,
    .release = rlx_free,
    .clock_ns = rlx_clock_ns,
    .callback_enter = rlx_callback_enter,
    .callback_leave = rlx_callback_leave,
    .run_patch = rlx_program_patch,
    .backend_find = rlx_registry_backend,
    .tracing = &rlx_trace_word,
    .trace_row = rlx_trace_host_row,
    .trace_thread = rlx_trace_host_thread,
    .trace_command = rlx_trace_host_command,
};
