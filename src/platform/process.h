/* Running another program: no shell, no terminal, a time limit, and what it says kept. */
#ifndef RLX_PROCESS_H
#define RLX_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum rlx_process_end {
    RLX_PROCESS_EXITED,    /* `code` is its exit status */
    RLX_PROCESS_SIGNALLED, /* `code` is the signal that ended it */
    RLX_PROCESS_TIMED_OUT, /* it was killed, with what it had started */
    RLX_PROCESS_UNKNOWN,   /* it ended, and somebody else of this process was told how */
    RLX_PROCESS_FAILED,    /* it was not started: `code` is errno */
} rlx_process_end;

typedef struct rlx_process_result {
    rlx_process_end end;
    int code;
    size_t length; /* of what it said */
    bool cut;      /* it said more than there was room for */
} rlx_process_result;

/* Runs arguments[0], a path, with these arguments (NULL at the end), and waits until it has ended. Standard input is
 * empty; output and errors go to `output`, NUL-terminated and cut to `size`. It gets the environment of this process
 * with messages in plain English, and in a set-uid process a PATH and nothing else. No file descriptor is inherited. */
rlx_process_result rlx_process_run(const char *const *arguments, uint64_t timeout_ns, char *output, size_t size);

/* The file that a program's name stands for: itself if it has a slash, otherwise looked up along PATH (in a set-uid
 * process along the system's own). False if there is none that this process may run. */
bool rlx_process_find(const char *name, char *path, size_t size);

#endif
