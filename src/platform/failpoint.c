/* Which of them fail: see failpoint.h. */
#include "failpoint.h"

#ifdef RLX_TEST_LIES
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    int error;
} kinds[RLX_FAILPOINT_KINDS] = {
    [RLX_FAILPOINT_ALLOC] = { "alloc", ENOMEM },   [RLX_FAILPOINT_THREAD] = { "thread", EAGAIN },
    [RLX_FAILPOINT_OPEN] = { "open", EMFILE },     [RLX_FAILPOINT_WRITE] = { "write", ENOSPC },
    [RLX_FAILPOINT_RENAME] = { "rename", EACCES }, [RLX_FAILPOINT_DLOPEN] = { "dlopen", EPERM },
    [RLX_FAILPOINT_SPAWN] = { "spawn", EAGAIN },
};

static atomic_uint_fast64_t counts[RLX_FAILPOINT_KINDS], failed;
static atomic_int_fast64_t blocks;
static _Atomic uint32_t plan_kind;
static atomic_uint_fast64_t plan_first; /* 0: no fault */
static atomic_bool plan_on;
static pthread_once_t begun = PTHREAD_ONCE_INIT;

/* From the environment. A plan that cannot be read is none, and shows in the report: nothing failed. */
static void begin(void) {
    const char *text = getenv("RLX_FAULT"), *colon = text ? strchr(text, ':') : NULL;
    for (uint32_t i = 0; colon && i < RLX_FAILPOINT_KINDS; i++) {
        if (strlen(kinds[i].name) != (size_t)(colon - text) || strncmp(kinds[i].name, text, strlen(kinds[i].name)) != 0)
            continue;
        char *end;
        uint64_t first = strtoull(colon + 1, &end, 10);
        atomic_store(&plan_kind, i);
        atomic_store(&plan_on, *end == '+');
        atomic_store(&plan_first, first);
    }
}

bool rlx_failpoint(rlx_failpoint_kind kind) {
    pthread_once(&begun, begin);
    uint64_t number = atomic_fetch_add(&counts[kind], 1) + 1, first = atomic_load(&plan_first);
    if (!first || atomic_load(&plan_kind) != (uint32_t)kind || number < first) return false;
    if (number > first && !atomic_load(&plan_on)) return false;
    atomic_fetch_add(&failed, 1);
    errno = kinds[kind].error;
    return true;
}

void rlx_failpoint_taken(void) { atomic_fetch_add(&blocks, 1); }

void rlx_failpoint_given_back(void) { atomic_fetch_sub(&blocks, 1); }

void rlx_failpoint_plan(rlx_failpoint_kind kind, uint64_t first, bool on) {
    pthread_once(&begun, begin); /* or the environment's would come later */
    atomic_store(&plan_first, 0);
    if (!first) return;
    for (int i = 0; i < RLX_FAILPOINT_KINDS; i++) atomic_store(&counts[i], 0);
    atomic_store(&failed, 0);
    atomic_store(&plan_kind, (uint32_t)kind);
    atomic_store(&plan_on, on);
    atomic_store(&plan_first, first);
}

uint64_t rlx_failpoint_count(rlx_failpoint_kind kind) { return atomic_load(&counts[kind]); }

uint64_t rlx_failpoint_failed(void) { return atomic_load(&failed); }

int64_t rlx_failpoint_blocks(void) { return atomic_load(&blocks); }

const char *rlx_failpoint_name(rlx_failpoint_kind kind) { return kinds[kind].name; }

/* One line: "alloc 120 thread 2 ... failed 1 blocks 9". */
__attribute__((destructor)) static void report(void) {
    const char *path = getenv("RLX_FAULT_REPORT");
    char text[512];
    size_t used = 0;
    if (!path) return;
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL); /* threads that were told to end may still be at it */
    for (int i = 0; i < RLX_FAILPOINT_KINDS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %llu ", kinds[i].name,
                                 (unsigned long long)atomic_load(&counts[i]));
    used += (size_t)snprintf(text + used, sizeof text - used, "failed %llu blocks %lld\n",
                             (unsigned long long)atomic_load(&failed), (long long)atomic_load(&blocks));
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return;
    ssize_t written = write(file, text, used);
    (void)written; /* whoever reads it sees */
    close(file);
}
#endif
