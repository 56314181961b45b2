/* Traces: what the core notes down for RLX_TRACE while it works. The idea stands in trace.c; docs/tracing.md is for
 * users.
 *
 * Every hook in the core is one of the two inline functions below, a branch on a word that is read without order, and
 * behind it a call that is not made while nothing is traced. No hook is called under a lock of the core: it may write a
 * file. (The times of a batch are taken under its timeline's lock, and written down later.) */
#ifndef RLX_TRACE_H
#define RLX_TRACE_H

#include "core.h"

/* Not 0 while a trace is written: rlx_host.tracing. Plain, as backends read it through a plain pointer. */
extern uint32_t rlx_trace_word;

static inline bool rlx_tracing(void) {
    return __builtin_expect(__atomic_load_n(&rlx_trace_word, __ATOMIC_RELAXED) != 0, 0);
}
/* The time now, or 0 while nothing is traced. */
static inline uint64_t rlx_trace_now(void) { return rlx_tracing() ? rlx_platform_clock_ns() : 0; }

/* ---- The writer (trace.c) ---- */

void rlx_trace_start(void);      /* at the first use of the library: looks at the environment, once */
void rlx_trace_after_fork(void); /* in the child */

/* What happened, as it lies in a thread's buffer: numbers, and behind them the bytes of up to two texts. */
typedef enum rlx_trace_kind {
    RLX_TRACE_ROW = 1, /* a row has a name */
    RLX_TRACE_COMMAND, /* a command, or a share of it, ran */
    RLX_TRACE_SUBMIT,  /* a call of the user's: rlx_stream_submit */
    RLX_TRACE_WAIT,    /* a wait that did not end at once */
    RLX_TRACE_CALL,    /* another call that takes its time */
    RLX_TRACE_BATCH,   /* a batch has ended, on its stream's row */
    RLX_TRACE_DEPEND,  /* an arrow between batches */
    RLX_TRACE_WRITE,   /* a full buffer was written */
} rlx_trace_kind;

typedef enum rlx_trace_row_kind {
    RLX_TRACE_ROW_THREAD = 0, /* of the user's */
    RLX_TRACE_ROW_STREAM,
    RLX_TRACE_ROW_WORKER,
    RLX_TRACE_ROW_QUEUE,
} rlx_trace_row_kind;

enum { RLX_TRACE_TEXT_MAX = 240 }; /* bytes: longer labels are cut */

typedef struct rlx_trace_record {
    uint16_t size;      /* bytes of all of it, a multiple of 8 */
    uint8_t kind;       /* rlx_trace_kind */
    uint8_t what;       /* of a command: rlx_packet_kind; of a row: rlx_trace_row_kind; of a batch: it was held */
    uint8_t text[2];    /* bytes of the texts: a label, a kernel's name */
    uint16_t status;    /* rlx_status */
    uint32_t row;
    uint32_t stream;    /* the row of a stream that it is about; 0: none */
    uint64_t begin_ns, end_ns;
    union {
        struct {
            uint64_t bytes, parts, of;
            uint32_t groups[3], index;
        } command;
        struct {
            uint64_t value, commands, points; /* of the batch; points that were waited for together */
        } call;
        struct {
            uint64_t value, commands, submitted_ns, handed_ns, before_ns; /* before: the batch before it had ended */
        } batch;
        struct {
            uint64_t id;
            uint32_t from; /* a row: there at begin_ns, on `row` at end_ns */
        } depend;
    };
} rlx_trace_record;

/* A record in the calling thread's buffer, on its row, with texts copied (NULL allowed); the rest is to be filled in.
 * NULL: nothing is traced. What was taken counts when it is given to rlx_trace_put. */
rlx_trace_record *rlx_trace_take(rlx_trace_kind kind, const char *label, const char *name);
void rlx_trace_put(const rlx_trace_record *record);
/* A row of its own, under the name that `format` makes. */
uint32_t rlx_trace_row_create(rlx_trace_row_kind kind, const char *format, ...) RLX_PRINTF(2, 3);

/* ---- Text (trace_text.c) ---- */

enum { RLX_TRACE_LINE_MAX = 8192 }; /* bytes that a record can become */

/* Writes a record as lines of JSON, each behind a comma; returns where they end. `start_ns` is the trace's zero. */
char *rlx_trace_write(char *at, const rlx_trace_record *record, uint64_t process, uint64_t start_ns);
/* The name of the process, and the version: what stands before all records. Ends within an array that is not empty. */
char *rlx_trace_write_head(char *at, const char *process_name, uint64_t process);

/* ---- What is traced (trace_events.c) ---- */

#define RLX_TRACE_ENDS 64 /* batches of a stream whose ends are remembered, for arrows */

/* What a stream remembers while it is traced. */
typedef struct rlx_trace_stream {
    uint32_t row;
    uint64_t ended_ns; /* of the last batch written; for the thread that retires */
    struct {           /* timeline->lock: by value */
        uint64_t value, ns;
    } ends[RLX_TRACE_ENDS];
} rlx_trace_stream;

/* What a batch remembers, all 0 while nothing is traced. timeline->lock, but for submitted_ns, which is older. */
typedef struct rlx_trace_batch {
    uint64_t submitted_ns, handed_ns, begun_ns, ended_ns;
    bool held; /* there was something to wait for before it could be handed over */
} rlx_trace_batch;

struct rlx_batch_state;

void rlx_trace_stream_open(rlx_stream *stream);
void rlx_trace_stream_close(rlx_stream *stream);
/* A submit that began at `begun_ns`. `commands`: of the batch, which may be gone. */
void rlx_trace_submit(const rlx_stream *stream, uint64_t begun_ns, rlx_point point, uint64_t commands);
void rlx_trace_batch_end(rlx_stream *stream, const struct rlx_batch_state *batch);
/* A wait for the first of `count` points, and others. */
void rlx_trace_wait(uint64_t begun_ns, rlx_point point, uint32_t count, rlx_status status);
/* A call that took its time: what ("create kernel"), and of which object. */
void rlx_trace_call(uint64_t begun_ns, const char *what, const char *object, rlx_status status);
/* The services of rlx_host. */
uint32_t rlx_trace_host_row(const char *name);
void rlx_trace_host_thread(const char *name);
void rlx_trace_host_command(const rlx_trace_command *command);

#endif
