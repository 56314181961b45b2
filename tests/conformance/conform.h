/* What a conformance test is written with.
 *
 * A test is one function and one row of a table: the rule's number, the sentence that must hold, the function, and what
 * the device must be or have for the sentence to mean anything. The sentence is the test's name; rules are those of
 * docs/design.md. Tests see <rlx/driver.h> and this header, never the library's insides, so that they run against any
 * device, built in or from a plugin.
 *
 *     static void points_rise_by_one(conform_test *t) {
 *         rlx_stream *s = conform_stream(t, 0);
 *         rlx_point first, second;
 *         CHECK_OK(t, rlx_stream_submit(s, &first));
 *         CHECK_OK(t, rlx_stream_submit(s, &second));
 *         CHECK_EQUAL(t, second.value, first.value + 1);
 *     }
 *     const conform_case conform_rule03[] = {
 *         { 3, "values of points rise by one", points_rise_by_one },
 *         { 0 },
 *     };
 *
 * CHECKS. A check that fails ends its test, on whatever thread of the test it is; the report says what was expected and
 * what came. So a test has no clean-up of its own: what conform_ functions make lives until the test has ended, and is
 * released then. Objects that a test makes with rlx_ functions are its own to release.
 *
 * TIME. A wait that must succeed is given t->patience, not for ever, so that a hang is reported where it is. What has
 * to be held back is held by a gate, which opens by itself after a few seconds, so that no broken device deadlocks a
 * test.
 *
 * WHAT IS NOT ASSUMED. Which thread runs host calls and callbacks; that two streams of one device make progress at the
 * same time while one of them runs a host call; that work on a caller-driven device advances outside a wait. */
#ifndef RLX_CONFORMANCE_CONFORM_H
#define RLX_CONFORMANCE_CONFORM_H

#include <rlx/driver.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct conform_process conform_process;
typedef struct conform_thread conform_thread;

typedef struct conform_test {
    rlx_device *device; /* under test; NULL in a test that NEEDS_A_FRESH_PROCESS, which opens it itself */
    const rlx_device_properties *info;
    bool caller_driven; /* work advances inside submit and wait only */
    uint64_t patience;  /* nanoseconds that a wait may take which must succeed */
    uint64_t random;    /* state of conform_random */
    conform_process *process;
    conform_thread *thread; /* that runs with this; NULL: the test's first */
} conform_test;

/* ---- The tables ---- */

/* What a test needs; otherwise it is skipped, naming what is missing. */
enum {
    NEEDS_PROGRESS = 1 << 0,        /* RLX_PROGRESS_THREAD: work ends by itself */
    NEEDS_CALLER = 1 << 1,          /* RLX_PROGRESS_CALLER */
    NEEDS_THREADS = 1 << 2,         /* a device that several threads may use */
    NEEDS_THREAD_BOUND = 1 << 3,    /* a device that one thread alone may use */
    NEEDS_GATE = 1 << 4,            /* something that can hold a batch back: this device, or `cpu` beside it */
    NEEDS_HOST_CODE = 1 << 5,       /* kernels in the format RLX_CODE_HOST, which can fail and look around */
    NEEDS_C_CODE = 1 << 6,          /* kernels in the format RLX_CODE_C */
    NEEDS_CPU = 1 << 7,             /* a device called `cpu` beside this one */
    NEEDS_SYNC = 1 << 8,            /* a device called `sync` beside this one */
    NEEDS_A_FRESH_PROCESS = 1 << 9, /* where no call of the library has been made */
    NEEDS_TASKS = 1 << 10,          /* /proc/self/task, which lists threads */
    NEEDS_CPU_KIND = 1 << 11,       /* RLX_DEVICE_CPU: no vendor's threads beside ours */
    LACKS_CAPABILITY = 1 << 12,     /* runs where `can` is not claimed */
};

enum { CONFORM_FLOOR = 0, CONFORM_CAPABILITY = 17 }; /* in a row's `rule`, beside 1 to 16 */

typedef struct conform_case {
    int rule;
    const char *sentence; /* NULL ends a table */
    void (*function)(conform_test *t);
    uint32_t needs; /* NEEDS_ bits */
    uint32_t can;   /* RLX_CAN_ bits that it exercises, and that the device must claim */
} conform_case;

/* One for each file of tests, in the order in which they run. */
extern const conform_case conform_rule01[], conform_rule02[], conform_rule03[], conform_rule04[], conform_rule04_many[],
    conform_rule05[], conform_rule05_travel[], conform_rule06[], conform_rule06_transfer[], conform_rule07[],
    conform_rule08[], conform_rule09[], conform_rule10[], conform_rule11[], conform_rule12[], conform_rule13[],
    conform_rule14[], conform_rule14_rows[], conform_rule15[], conform_rule16[], conform_rule16_slots[],
    conform_floors[], conform_capabilities[];

/* ---- Checks (check.c) ---- */

#if defined(__GNUC__)
#define CONFORM_PRINTF(text, arguments) __attribute__((format(printf, text, arguments)))
#else
#define CONFORM_PRINTF(text, arguments)
#endif

#define CHECK(t, condition, ...) conform_check((t), (condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
#define CHECK_OK(t, call) conform_check_status((t), (call), CONFORM_BIT(RLX_OK), __FILE__, __LINE__, #call)
#define CHECK_STATUS(t, call, expected) \
    conform_check_status((t), (call), CONFORM_BIT(expected), __FILE__, __LINE__, #call)
/* One of several statuses: CONFORM_BIT(a) | CONFORM_BIT(b). */
#define CHECK_ONE_OF(t, call, expected) conform_check_status((t), (call), (expected), __FILE__, __LINE__, #call)
#define CHECK_EQUAL(t, actual, expected) \
    conform_check_equal((t), (uint64_t)(actual), (uint64_t)(expected), __FILE__, __LINE__, #actual)
#define CHECK_BYTES(t, actual, expected, size, what) \
    conform_check_bytes((t), (actual), (expected), (size), __FILE__, __LINE__, (what))
#define CHECK_CONTAINS(t, text, part) conform_check_contains((t), (text), (part), __FILE__, __LINE__, #text)
/* A point that must end well. */
#define CHECK_DONE(t, point) CHECK_OK(t, rlx_point_wait((point), (t)->patience))

#define CONFORM_BIT(status) (UINT32_C(1) << (status))
#define CONFORM_ERRORS (~(CONFORM_BIT(RLX_OK) | CONFORM_BIT(RLX_NOT_READY) | CONFORM_BIT(RLX_TIMEOUT)))

void conform_check(conform_test *t, bool holds, const char *file, int line, const char *text, const char *format, ...)
    CONFORM_PRINTF(6, 7);
rlx_status conform_check_status(conform_test *t, rlx_status actual, uint32_t expected, const char *file, int line,
                                const char *text);
void conform_check_equal(conform_test *t, uint64_t actual, uint64_t expected, const char *file, int line,
                         const char *text);
void conform_check_bytes(conform_test *t, const void *actual, const void *expected, uint64_t size, const char *file,
                         int line, const char *what);
void conform_check_contains(conform_test *t, const char *text, const char *part, const char *file, int line,
                            const char *what);
/* Ends the test as skipped: "needs ...". */
void conform_skip(conform_test *t, const char *format, ...) CONFORM_PRINTF(2, 3);
const char *conform_status_name(rlx_status status);

/* ---- Objects that live until the test has ended (context.c) ---- */

/* The device under test once more; another by name. */
rlx_device *conform_open_again(conform_test *t);
rlx_device *conform_open(conform_test *t, const char *name);
bool conform_has_device(conform_test *t, const char *name);
const char *conform_device_name(const conform_test *t); /* of the device under test; makes no call of the library */

rlx_stream *conform_stream(conform_test *t, uint32_t flags);
rlx_stream *conform_stream_on(conform_test *t, rlx_device *device, uint32_t flags, const char *label);
rlx_buffer *conform_buffer(conform_test *t, uint64_t size);
rlx_buffer *conform_buffer_on(conform_test *t, rlx_device *device, uint64_t size);
/* Takes what the stream has recorded. */
rlx_program *conform_finish(conform_test *t, rlx_stream *recording);
/* Zeroed host memory, aligned to 64 bytes: what commands borrow should come from here. */
void *conform_memory(conform_test *t, uint64_t size);
atomic_uint *conform_counter(conform_test *t);

/* ---- Bytes ---- */

/* Writes or reads a range through a stream of its own, and waits. */
void conform_put(conform_test *t, rlx_range dst, const void *src);
void conform_get(conform_test *t, void *dst, rlx_range src);
uint32_t conform_get_u32(conform_test *t, rlx_buffer *buffer, uint64_t index);
/* Makes all bytes of a range `byte`. */
void conform_set(conform_test *t, rlx_range dst, unsigned char byte);
uint64_t conform_random(conform_test *t);
uint32_t conform_below(conform_test *t, uint32_t limit); /* random, from 0 to limit - 1 */
void conform_noise(void *dst, uint64_t size, uint64_t seed); /* bytes that look random, the same for one seed */

/* ---- Kernels (kernels.c): the words for each are in docs/conformance.md ---- */

typedef enum conform_kernel {
    CONFORM_AFFINE = 0, /* x[i] = x[i] * mul + add, `rounds` times; u32 */
    CONFORM_IOTA,       /* y[i] = start + i */
    CONFORM_COMBINE,    /* c[i] = a[i] + 3 * b[i] */
    CONFORM_AXPY,       /* y[i] = a * x[i] + y[i]; f32 */
    CONFORM_CLAMP,      /* x[i] = max(x[i], low) / 2; i32 */
    CONFORM_POKE,       /* x[index] = value */
    CONFORM_VALUES,     /* y[i] = the i-th of 32 values */
    CONFORM_GATHER,     /* y[i] = 1 * x0[i] + 2 * x1[i] + ... + 7 * x6[i] */
    CONFORM_WHERE,      /* each group adds its place in the grid to four words of its own */
    CONFORM_THREADS_X,  /* each thread of a group of (256, 1, 1) adds its place to a word of its own */
    CONFORM_THREADS_Y,  /* the same, (1, 256, 1) */
    CONFORM_THREADS_Z,  /* the same, (4, 1, 64) */
    CONFORM_SHARED,     /* each group reverses 4096 words through shared memory */
    CONFORM_REFUSE,     /* fails with the status in its value; RLX_CODE_HOST only */
    CONFORM_KERNELS,
} conform_kernel;

#define CONFORM_THREADS 64 /* of a group of the first six */

/* A kernel on a device: made once, and kept. */
rlx_kernel *conform_kernel_of(conform_test *t, rlx_device *device, conform_kernel kernel);
/* Dispatches of the common ones; over whole 4-byte words of the ranges. */
void conform_affine(conform_test *t, rlx_stream *s, rlx_range x, uint32_t mul, uint32_t add, uint32_t rounds);
void conform_iota(conform_test *t, rlx_stream *s, rlx_range y, uint32_t start);
void conform_combine(conform_test *t, rlx_stream *s, rlx_range a, rlx_range b, rlx_range c);
/* What affine makes of a word. */
uint32_t conform_affine_word(uint32_t x, uint32_t mul, uint32_t add, uint32_t rounds);
/* A dispatch of REFUSE, which fails with `status`, under a label. */
void conform_refuse(conform_test *t, rlx_stream *s, rlx_status status, const char *label);
/* A kernel of a host function of the test's own, with no parameters, called `name`. */
rlx_kernel *conform_host_kernel(conform_test *t, rlx_device *device, const char *name, rlx_host_function function,
                                void *user);

/* ---- Host calls ---- */

/* Encodes host calls that fail with a status, add one to a counter, sleep. */
void conform_fail(conform_test *t, rlx_stream *s, rlx_status status);
void conform_count(conform_test *t, rlx_stream *s, atomic_uint *counter);
void conform_nap(conform_test *t, rlx_stream *s, uint32_t microseconds);

/* ---- Gates: what holds work back until the test says so (gate.c) ---- */

typedef struct conform_gate conform_gate;

conform_gate *conform_gate_closed(conform_test *t);
/* The batch being encoded waits for the gate: through a point of another device. On any device. */
void conform_gate_hold(conform_test *t, conform_gate *gate, rlx_stream *s);
/* Encodes a host call that waits for the gate: from then on the batch runs but doesn't end. NEEDS_PROGRESS. */
void conform_gate_block(conform_test *t, conform_gate *gate, rlx_stream *s);
rlx_point conform_gate_point(conform_test *t, conform_gate *gate); /* completes when the gate opens */
void conform_gate_open(conform_gate *gate);                        /* any thread */
void conform_gate_open_later(conform_test *t, conform_gate *gate, uint32_t milliseconds);
/* Fails the test if the gate has opened by itself: something waited for what must not be waited for. */
void conform_gate_check(conform_test *t, conform_gate *gate, const char *what);
/* Waits until the block of conform_gate_block has begun. */
void conform_gate_await(conform_test *t, conform_gate *gate);

/* ---- Threads, processes, time (context.c, system.c) ---- */

typedef void (*conform_thread_function)(conform_test *t, void *user);

/* Runs a function on a thread of its own; its checks end that thread and, when it is joined, the test. */
conform_thread *conform_thread_start(conform_test *t, conform_thread_function function, void *user);
void conform_thread_join(conform_test *t, conform_thread *thread);

uint64_t conform_now_ns(void);
uint64_t conform_cpu_ns(void); /* of the process, all threads */
void conform_sleep_ms(uint32_t milliseconds);
void conform_sleep_us(uint32_t microseconds);
uint32_t conform_thread_count(void); /* 0 where it is not known */
bool conform_loaded(const char *part); /* whether a file whose path holds `part` is mapped into this process */

/* Runs a function in a child process, at most `seconds` long, and returns what it returned; -1 if it died or hung. */
int conform_in_child(int (*function)(void *user), void *user, uint32_t seconds);

/* Sends the process's stdout and stderr to a file; returns how many bytes went there, the first of them in `text`. */
void conform_capture_begin(conform_test *t);
uint64_t conform_capture_end(conform_test *t, char *text, size_t size);

#endif
