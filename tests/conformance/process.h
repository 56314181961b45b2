/* The process that runs tests: what the runner, the checks and the objects of tests share. Tests don't include this. */
#ifndef RLX_CONFORMANCE_PROCESS_H
#define RLX_CONFORMANCE_PROCESS_H

#include "conform.h"
#include "suite.h"

#include <pthread.h>
#include <setjmp.h>

#define CONFORM_TEXT 3000 /* of a failure's report: a record fits into one write to a pipe (4096 bytes) */

typedef enum conform_result { CONFORM_PASSED = 0, CONFORM_FAILED, CONFORM_SKIPPED } conform_result;

/* Where a test is: written before each check, read by the parent when the process dies or hangs. */
typedef struct conform_step {
    char file[64];
    char text[160];
    int line;
} conform_step;

/* Something to be released when the test has ended. */
typedef enum conform_item_kind {
    CONFORM_ITEM_GATE = 0, /* in the order of the release */
    CONFORM_ITEM_THREAD,
    CONFORM_ITEM_STREAM,
    CONFORM_ITEM_PROGRAM,
    CONFORM_ITEM_KERNEL,
    CONFORM_ITEM_BUFFER,
    CONFORM_ITEM_DEVICE,
    CONFORM_ITEM_MEMORY,
    CONFORM_ITEM_KINDS,
} conform_item_kind;

typedef struct conform_item {
    struct conform_item *next;
    conform_item_kind kind;
    void *object;
} conform_item;

typedef struct conform_kernel_entry {
    struct conform_kernel_entry *next;
    rlx_device *device;
    rlx_kernel *kernel;
    conform_kernel id;
} conform_kernel_entry;

struct conform_process {
    const conform_options *options;
    rlx_device *device; /* NULL until the first test that needs it */
    conform_step *step; /* shared with the parent if there is one */
    void (*report)(conform_process *process); /* tells a parent of the failure and ends the process; NULL: no parent */
    jmp_buf start;                            /* of the running test, on its first thread */
    pthread_mutex_t lock;                     /* guards all below */
    conform_item *items;
    conform_kernel_entry *kernels;
    bool failed, skipped;
    char text[CONFORM_TEXT]; /* why */
};

/* The record of the first failure is kept; then the test is left. Does not return. */
void conform_leave(conform_test *t);

void conform_keep(conform_test *t, conform_item_kind kind, void *object);
/* Opens gates, joins threads, waits for streams, releases everything that the test made. */
void conform_clean_up(conform_test *t);
/* Releases what is kept between tests. */
void conform_close_device(conform_process *process);
rlx_status conform_open_device(const conform_options *options, rlx_device **device);
/* The kernels of a device, or all (NULL). */
void conform_kernels_release(conform_process *process, const rlx_device *device);

void conform_gate_release(conform_gate *gate);
void conform_thread_finish(conform_thread *thread); /* joins it, if that has not been done, and frees it */
void conform_thread_leave(conform_thread *thread);  /* ends the calling thread, which is this one */

#endif
