/* rlx-driver: the driver layer under machine-learning compilers and runtimes.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * WHAT IT IS. Every device that computes has the same shape: memory of its own, code that runs over a grid, and a
 * queue of commands. This header is that shape, once. You encode commands into a stream, submit them, and wait for a
 * point on the stream's timeline. The same calls drive the host's processors and every other device that a backend
 * exists for; a conformance suite (`rlx conform`) holds all of them to the sixteen rules of docs/design.md.
 *
 * A COMPLETE PROGRAM. y = 2 x + y on whatever device is best here. Every fallible call returns an rlx_status; this one
 * program ignores none of them, and needs 30 lines:
 *
 *     #include <rlx/driver.h>
 *     #include <stdio.h>
 *     #define TRY(call) do { if ((call) != RLX_OK) { fprintf(stderr, "%s\n", rlx_last_error()); return 1; } } while (0)
 *
 *     static rlx_status axpy(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
 *         const float *x = k->args[0].data, a = *(const float *)k->args[2].data;
 *         float *y = k->args[1].data;
 *         uint64_t n = k->args[1].size / sizeof *y, end = (first + count) * 256;
 *         for (uint64_t i = first * 256; i < (end < n ? end : n); i++) y[i] += a * x[i];
 *         return RLX_OK;
 *     }
 *     int main(void) {
 *         enum { N = 1000 };
 *         static float in[N], out[N];
 *         rlx_device *dev; rlx_stream *s; rlx_buffer *x, *y; rlx_kernel *k;
 *         for (int i = 0; i < N; i++) in[i] = (float)i;
 *         TRY(rlx_device_open("auto", NULL, &dev));
 *         TRY(rlx_stream_create(dev, NULL, &s));
 *         TRY(rlx_buffer_create(dev, &(rlx_buffer_desc){ .size = sizeof in }, &x));
 *         TRY(rlx_buffer_create(dev, &(rlx_buffer_desc){ .size = sizeof in }, &y));
 *         TRY(rlx_kernel_create(dev, &(rlx_kernel_desc){ .name = "axpy", .group_size = { 256 }, .param_count = 3,
 *             .params = (rlx_param[]){ { RLX_READ }, { RLX_READ_WRITE }, { RLX_VALUE, 4 } },
 *             .codes = (rlx_code[]){ { RLX_CODE_HOST, .function = axpy } }, .code_count = 1 }, &k));
 *         TRY(rlx_stream_write(s, rlx_whole(x), in, 0));
 *         TRY(rlx_stream_fill(s, rlx_whole(y), 0, 4));
 *         TRY(rlx_stream_dispatch(s, k, &(rlx_dispatch){ .groups = { (N + 255) / 256 }, .arg_count = 3,
 *             .args = (rlx_arg[]){ rlx_arg_buffer(rlx_whole(x)), rlx_arg_buffer(rlx_whole(y)), rlx_arg_f32(2) } }));
 *         TRY(rlx_stream_read(s, out, rlx_whole(y)));
 *         TRY(rlx_stream_submit_and_wait(s, RLX_FOREVER));
 *         printf("2 * 21 = %g\n", (double)out[21]);
 *         rlx_kernel_release(k); rlx_buffer_release(x); rlx_buffer_release(y); rlx_stream_release(s); rlx_device_release(dev);
 *     }
 *
 * HOW TO READ ON. One section for each word of the model: status, library, device, point, buffer, kernel, stream and
 * its commands, program, failure, transfer. "Rule n" is rule n of docs/design.md.
 *
 * WORDS USED AT POINTERS. *Borrowed*: read or written until the moment that the text names; keep it alive until then.
 * *Copied*: the library has its own copy before the call returns. *Retained*: the library holds a reference of its own;
 * release yours when you like (rule 7). *Given*: yours from now on, with the call that gives it back.
 *
 * WORDS USED ABOUT THREADS (rule 9). Unless a function says otherwise it may be called on any thread at any time. On
 * one stream the encoding calls are for one thread at a time (the caller orders them). A device that is bound to a
 * thread (rlx_device_properties.thread_bound) answers RLX_ERROR_THREAD elsewhere.
 *
 * ERRORS. A call that fails leaves everything as it was, and a message for rlx_last_error. Each function lists the
 * errors that are particular to it; besides these any call may return RLX_ERROR_INVALID (a NULL, a bad enum, an object
 * of another device), RLX_ERROR_OUT_OF_MEMORY, RLX_ERROR_FORKED and, where it meets the device, RLX_ERROR_DEVICE_LOST.
 *
 * ZERO (rule 13). { 0 } is valid for every descriptor and zero the default of every field and enum. Every descriptor
 * ends with `next`, room for extensions: NULL today (anything else is RLX_ERROR_UNSUPPORTED).
 */
#ifndef RLX_DRIVER_H
#define RLX_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RLX_VERSION_MAJOR 0
#define RLX_VERSION_MINOR 1
#define RLX_VERSION_PATCH 0

#if defined(__GNUC__)
#define RLX_API __attribute__((visibility("default")))
#define RLX_CHECKED __attribute__((visibility("default"), warn_unused_result)) /* returns a status: look at it */
#else
#define RLX_API
#define RLX_CHECKED
#endif

/* ---- 1. Status -------------------------------------------------------------------------------------------------- */

/* One table gives each status its number and its text. Numbers never change; new ones are added at the end. */
#define RLX_STATUS_TABLE(X) \
    X(RLX_OK, 0, "success") \
    X(RLX_NOT_READY, 1, "the point has not completed yet") \
    X(RLX_TIMEOUT, 2, "the time-out passed before the point completed") \
    X(RLX_ERROR_INVALID, 3, "an argument is not valid") \
    X(RLX_ERROR_RANGE, 4, "a byte range lies outside its buffer") \
    X(RLX_ERROR_ALIAS, 5, "two byte ranges overlap and one of them is written") \
    X(RLX_ERROR_ALIGNMENT, 6, "an offset is not aligned as the device requires") \
    X(RLX_ERROR_LIMIT, 7, "a limit of the device or of the interface is exceeded") \
    X(RLX_ERROR_ORDER, 8, "the call is not allowed at this time") \
    X(RLX_ERROR_THREAD, 9, "the device belongs to another thread") \
    X(RLX_ERROR_UNSUPPORTED, 10, "the device cannot do this") \
    X(RLX_ERROR_NOT_FOUND, 11, "nothing has this name") \
    X(RLX_ERROR_OUT_OF_MEMORY, 12, "out of memory") \
    X(RLX_ERROR_DEVICE_LOST, 13, "the device is lost") \
    X(RLX_ERROR_FORKED, 14, "the library was used before fork and cannot be used in the child") \
    X(RLX_ERROR_CANCELLED, 15, "the work was cancelled") \
    X(RLX_ERROR_COMPILE, 16, "the kernel's source does not compile") \
    X(RLX_ERROR_BACKEND, 17, "the vendor's interface failed") \
    X(RLX_ERROR_KERNEL, 18, "a kernel or a host call reported a failure") \
    X(RLX_ERROR_EXPIRED, 19, "too long ago: the record of this has been dropped") \
    X(RLX_ERROR_IO, 20, "a file could not be read or written") \
    X(RLX_ERROR_VERSION, 21, "the versions of two parts do not match") \
    X(RLX_ERROR_VALIDATION, 22, "validation has found a mistake in how the interface is used")

typedef enum rlx_status {
#define RLX_STATUS_ENUM(name, number, text) name = number,
    RLX_STATUS_TABLE(RLX_STATUS_ENUM)
#undef RLX_STATUS_ENUM
} rlx_status;

/* The text of a status: a static string, never NULL. */
RLX_API const char *rlx_status_text(rlx_status status);

/* What went wrong in the calling thread's last call that returned an error: what, where, the vendor's own code, and
 * what to do. *Borrowed* from the library until the thread's next failing call; never NULL ("" when nothing failed). */
RLX_API const char *rlx_last_error(void);

/* ---- 2. Library ------------------------------------------------------------------------------------------------- */

/* The version of the library that runs: major << 16 | minor << 8 | patch. */
RLX_API uint32_t rlx_version(void);

typedef enum rlx_log_level { RLX_LOG_DEBUG = 0, RLX_LOG_INFO, RLX_LOG_WARNING, RLX_LOG_ERROR } rlx_log_level;

/* Called with one line without a newline; `text` is *borrowed* for the call. Any thread; never under a lock of ours. */
typedef void (*rlx_log_function)(void *user, rlx_log_level level, const char *text);

/* Sets where log lines go. NULL, the default: nowhere, as the library itself never prints (rule 10). `user` is
 * *borrowed* until another function is set; a call under way on another thread may still end afterwards. */
RLX_API void rlx_log_set(rlx_log_function function, void *user);

/* The clock of all times in this interface: monotonic nanoseconds of the host. */
RLX_API uint64_t rlx_clock_ns(void);

/* ---- 3. Device -------------------------------------------------------------------------------------------------- */

typedef struct rlx_device rlx_device;   /* a place that runs kernels */
typedef struct rlx_buffer rlx_buffer;   /* bytes on one device */
typedef struct rlx_kernel rlx_kernel;   /* code for one device, and its signature */
typedef struct rlx_stream rlx_stream;   /* an in-order command stream */
typedef struct rlx_program rlx_program; /* commands recorded once, run many times */

typedef enum rlx_device_kind {
    RLX_DEVICE_OTHER = 0,
    RLX_DEVICE_CPU,
    RLX_DEVICE_INTEGRATED_GPU,
    RLX_DEVICE_DISCRETE_GPU,
} rlx_device_kind;

/* Who makes work progress (rule 12). */
typedef enum rlx_progress {
    RLX_PROGRESS_THREAD = 0, /* the device or a thread of the library: work ends by itself */
    RLX_PROGRESS_CALLER,     /* only calls to submit and wait: what is held advances inside them */
} rlx_progress;

/* Element types, as bits. Every device stores and computes with F32, I32 and U32. */
enum {
    RLX_TYPE_F32 = 1 << 0, RLX_TYPE_I32 = 1 << 1, RLX_TYPE_U32 = 1 << 2, RLX_TYPE_F16 = 1 << 3, RLX_TYPE_BF16 = 1 << 4,
    RLX_TYPE_F64 = 1 << 5, RLX_TYPE_I8 = 1 << 6, RLX_TYPE_U8 = 1 << 7, RLX_TYPE_I16 = 1 << 8, RLX_TYPE_U16 = 1 << 9,
    RLX_TYPE_I64 = 1 << 10, RLX_TYPE_U64 = 1 << 11,
};

/* What a device can do beyond the floors, as bits. */
enum {
    RLX_CAN_HOST_POINTER = 1 << 0,   /* RLX_MEMORY_SHARED buffers have a lasting host pointer */
    RLX_CAN_GROUP_SIZE = 1 << 1,     /* a dispatch may override its kernel's group size */
    RLX_CAN_DYNAMIC_SHARED = 1 << 2, /* a dispatch may add shared memory */
    RLX_CAN_WIDE_VALUES = 1 << 3,    /* values of any size and alignment, not only 32-bit scalars */
    RLX_CAN_CANCEL = 1 << 4,         /* work that is queued but not begun can still be cancelled */
    RLX_CAN_DEVICE_CLOCK = 1 << 5,   /* timestamps are taken by the device; otherwise by the host in a host call */
};

/* Limits. Bytes unless said. The floors (docs/design.md) hold on every listed device. */
typedef struct rlx_limits {
    uint64_t buffer_size;       /* of one buffer, at least 256 MiB */
    uint64_t binding_size;      /* of one buffer argument, at least 128 MiB */
    uint32_t binding_alignment; /* of a buffer argument's offset, at most 256 */
    uint32_t buffer_args;       /* buffer arguments of a dispatch, at least 8 */
    uint32_t value_bytes;       /* values of a dispatch together, at least 128 */
    uint32_t groups[3];         /* the grid, at least 65535 each */
    uint32_t group_size[3];     /* at least (256, 256, 64) */
    uint32_t group_threads;     /* threads of a group (x * y * z), at least 256 */
    uint32_t shared_bytes;      /* shared memory of a group, at least 16 KiB */
} rlx_limits;

/* A kernel format that a device takes. */
typedef struct rlx_format_info {
    uint32_t format;  /* an rlx_code_format, or a plugin's own number from RLX_CODE_PLUGIN up */
    const char *name; /* "host", "library", "c": also the extension of files in this format */
} rlx_format_info;

/* Everything known about a device without opening it. Strings live as long as the process. */
typedef struct rlx_device_properties {
    uint32_t struct_size;          /* of this struct as its writer knew it */
    rlx_device_kind kind;
    const char *name;              /* what rlx_device_open takes: "cpu", "cuda:0" */
    const char *backend;           /* the backend's name */
    const char *description;       /* the hardware, for people */
    const char *driver;            /* the driver and its version, for people */
    const char *id;                /* stable across runs: a PCI address, a UUID; "" if there is none */
    const char *architecture;      /* for code generators: "x86-64", "sm_90" */
    rlx_progress progress;
    bool thread_bound;             /* only the thread that opened it may use it; what is held advances there */
    uint32_t units;                /* processors, workers, multiprocessors: what runs groups side by side */
    uint32_t subgroup_min, subgroup_max; /* threads in lockstep; 1 where there is no such thing */
    uint32_t timer_ns;             /* resolution of timestamps in nanoseconds */
    uint32_t storage_types, compute_types; /* RLX_TYPE_ bits */
    uint32_t can;                  /* RLX_CAN_ bits */
    rlx_limits limits;
    const rlx_format_info *formats; /* best first */
    uint32_t format_count;
} rlx_device_properties;

/* Lists devices, built in and from plugins, best first (the order in which "auto" tries them). Writes at most
 * `capacity` pointers, which live as long as the process, to `list` (NULL if capacity is 0) and the number there is to
 * `count`. The first call looks for plugins and probes drivers (rule 11). */
RLX_CHECKED rlx_status rlx_devices_list(const rlx_device_properties **list, uint32_t capacity, uint32_t *count);

/* One backend, or one file that might have been one: why it was taken or refused. Strings live as long as the
 * process. */
typedef struct rlx_backend_report {
    const char *name;   /* the backend's name, "" if it was not learnt */
    const char *path;   /* of the plugin's file, "" if built in or registered */
    bool taken;
    uint32_t devices;   /* how many it listed */
    const char *reason; /* in a sentence: what was found, or why it was refused */
} rlx_backend_report;

/* As rlx_devices_list, for backends and candidates in the order in which they were met. A backend that was taken but
 * has no device says why in `reason`. */
RLX_CHECKED rlx_status rlx_backends_report(rlx_backend_report *list, uint32_t capacity, uint32_t *count);

/* Whether the library looks for mistakes that the contract leaves undefined, at a cost: bytes read that were never
 * written, kernels that write what they do not declare, borrowed memory that changes, two threads on one stream, objects
 * that are never released. What is found fails the batch with RLX_ERROR_VALIDATION (the call, for two threads, with
 * RLX_ERROR_THREAD; a release returns nothing) and goes to the log, as RLX_LOG_ERROR. docs/validation.md. */
typedef enum rlx_validation {
    RLX_VALIDATION_DEFAULT = 0, /* on if the environment has RLX_VALIDATE, and not as 0; otherwise off */
    RLX_VALIDATION_ON,
    RLX_VALIDATION_OFF,
} rlx_validation;

typedef struct rlx_device_desc {
    uint32_t workers;         /* threads that run kernels, the caller not among them; 0: all that the process may use */
    rlx_validation validation;
    const char *cache_folder; /* for compiled kernels. NULL: $RLX_CACHE_DIR, else $XDG_CACHE_HOME/rlx, else
                               * ~/.cache/rlx; "": no cache on disk. *Copied* */
    const void *next;
} rlx_device_desc;

/* Opens a device by name; "auto" (or NULL) takes the first of the list that opens. Each call gives a device of its own:
 * objects of two of them do not mix, even if both are one card. `desc` may be NULL. *Given*: release it.
 * Errors: NOT_FOUND (the message lists what there is), DEVICE_LOST when only a new process helps. */
RLX_CHECKED rlx_status rlx_device_open(const char *name, const rlx_device_desc *desc, rlx_device **device);

/* Adds or drops a reference. NULL is allowed. Every object of a device holds one, so that order never matters. */
RLX_API void rlx_device_retain(rlx_device *device);
RLX_API void rlx_device_release(rlx_device *device);

/* The properties of an open device, `units` being the workers that it really has. *Borrowed* from the device. */
RLX_API const rlx_device_properties *rlx_device_info(const rlx_device *device);

typedef struct rlx_memory_report {
    uint64_t total, free;   /* bytes of the device, as the source tells them; free is a snapshot */
    uint64_t used;          /* bytes in buffers of this rlx_device, counted by the library */
    const char *source;     /* where total and free come from; static */
} rlx_memory_report;

/* Where the memory is the host's, buffers get no more than `total` altogether: that is OUT_OF_MEMORY, and not the end of
 * a process that has believed what the system promised. */

RLX_CHECKED rlx_status rlx_device_memory(rlx_device *device, rlx_memory_report *report);

/* ---- 4. Point --------------------------------------------------------------------------------------------------- */

#define RLX_MICROSECOND UINT64_C(1000) /* time-outs are nanoseconds */
#define RLX_MILLISECOND UINT64_C(1000000)
#define RLX_SECOND UINT64_C(1000000000)
#define RLX_FOREVER UINT64_MAX

/* A moment on a stream's timeline: a plain value that needs no release and outlives its stream (rule 7). { 0 } is the
 * point that has always been complete. Points compare by value on one timeline. */
typedef struct rlx_point {
    uint64_t timeline;
    uint64_t value; /* rises by one at each submit */
} rlx_point;

/* Waits until the point has completed, at most timeout_ns (0: only looks). On a caller-driven device the work advances
 * inside (rule 12). Returns RLX_OK, RLX_TIMEOUT (nothing is lost: wait again), the status of the first failure that the
 * point met (rule 5; the message tells it whole), RLX_ERROR_ORDER inside a host call, kernel or notify callback,
 * or when the point has not been submitted, RLX_ERROR_EXPIRED when a failure may have been forgotten since. */
RLX_CHECKED rlx_status rlx_point_wait(rlx_point point, uint64_t timeout_ns);

typedef enum rlx_wait_mode { RLX_WAIT_ALL = 0, RLX_WAIT_ANY } rlx_wait_mode;

/* Waits for several points. ALL: until every one has ended; the status is that of the first in the array that
 * failed. ANY: until one has ended; the status is its own. `index` (NULL allowed) receives which one that was: with
 * ALL and RLX_OK, `count`; with RLX_TIMEOUT, one that has not ended. `points` is *borrowed* for the call. ALL of
 * none is RLX_OK, ANY of none is RLX_ERROR_INVALID. Errors as rlx_point_wait. */
RLX_CHECKED rlx_status rlx_points_wait(const rlx_point *points, uint32_t count, rlx_wait_mode mode, uint64_t timeout_ns,
                                       uint32_t *index);

/* Whether the point has completed: RLX_OK, RLX_NOT_READY, or its failure. Never blocks and runs no work (rule 4). */
RLX_CHECKED rlx_status rlx_point_query(rlx_point point);

/* `status` is what a wait would return. */
typedef void (*rlx_notify_function)(void *user, rlx_status status);

/* Calls `function` exactly once when the point has ended, well or not: at once on this thread if it has already,
 * otherwise on the thread that learns of it (for a caller-driven device, inside a wait), which holds no lock of ours.
 * The callback may encode and submit, but not wait (rule 6); what comes after its point on the stream may have to wait
 * for it. `user` is *borrowed* until the callback returns. */
RLX_CHECKED rlx_status rlx_point_notify(rlx_point point, rlx_notify_function function, void *user);

/* When the point completed, on rlx_clock_ns. Its stream must have been opened with RLX_STREAM_TIMESTAMPS (otherwise
 * UNSUPPORTED). Errors: NOT_READY; EXPIRED when 256 or more later points have completed or the stream is gone. */
RLX_CHECKED rlx_status rlx_point_timestamp(rlx_point point, uint64_t *ns);

/* ---- 5. Buffer -------------------------------------------------------------------------------------------------- */

typedef enum rlx_memory_kind {
    RLX_MEMORY_DEVICE = 0, /* the device's own memory */
    RLX_MEMORY_SHARED,     /* memory that the host can address too: needs RLX_CAN_HOST_POINTER */
} rlx_memory_kind;

typedef struct rlx_buffer_desc {
    uint64_t size;          /* bytes; 0 is a buffer that holds nothing */
    rlx_memory_kind memory;
    const char *label;      /* for messages; *copied*; NULL allowed */
    const void *next;
} rlx_buffer_desc;

typedef struct rlx_buffer_properties {
    rlx_device *device;     /* *borrowed* */
    uint64_t size;
    rlx_memory_kind memory;
    const char *label;      /* *borrowed* from the buffer */
} rlx_buffer_properties;

/* Allocates `size` bytes, whose contents are undefined. *Given*: release it, at any time (rule 7).
 * Errors: LIMIT (limits.buffer_size), OUT_OF_MEMORY, UNSUPPORTED (SHARED without RLX_CAN_HOST_POINTER). */
RLX_CHECKED rlx_status rlx_buffer_create(rlx_device *device, const rlx_buffer_desc *desc, rlx_buffer **buffer);
RLX_API void rlx_buffer_retain(rlx_buffer *buffer);
RLX_API void rlx_buffer_release(rlx_buffer *buffer);
RLX_API const rlx_buffer_properties *rlx_buffer_info(const rlx_buffer *buffer);

/* The lasting host pointer of a SHARED buffer, *borrowed* until the buffer's release. The caller orders its own
 * accesses with the device's: after a wait, before a submit. Errors: UNSUPPORTED for any other buffer. */
RLX_CHECKED rlx_status rlx_buffer_host_pointer(rlx_buffer *buffer, void **pointer);

/* Host memory that this device transfers fastest (pinned where that exists, plain elsewhere), aligned to 64 bytes
 * at least. *Given*: rlx_host_free with the same device, after the work that uses it (on a bound device: on its
 * thread). */
RLX_CHECKED rlx_status rlx_host_alloc(rlx_device *device, uint64_t size, void **pointer);
RLX_API void rlx_host_free(rlx_device *device, void *pointer);

/* A byte range of a buffer, or a slot of a program that a run fills with one. */
typedef struct rlx_range {
    rlx_buffer *buffer;
    uint64_t offset, size; /* bytes; size RLX_REST reaches to the buffer's end */
    uint32_t slot_plus_one; /* 0: not a slot; made by rlx_slot_range */
} rlx_range;

#define RLX_REST UINT64_MAX

/* ---- 6. Kernel -------------------------------------------------------------------------------------------------- */

typedef enum rlx_access { RLX_READ = 0, RLX_WRITE, RLX_READ_WRITE, RLX_VALUE } rlx_access;

/* A parameter, in the order of the code's own signature: a buffer that is read, written or both, or a value. Declared
 * access is the truth (rule 15): work is reordered by it. */
typedef struct rlx_param {
    rlx_access access;
    uint32_t size;      /* of a value in bytes: 0 means 4. Devices without RLX_CAN_WIDE_VALUES take 4 only */
    uint32_t alignment; /* of a value: 0 means its size if that is 1, 2, 4 or 8, else 8; a power of two up to 16 */
} rlx_param;

/* A host function's view of an argument. */
typedef struct rlx_host_arg {
    void *data;    /* the range's first byte; for a value, the value (read only) */
    uint64_t size; /* of the range or the value, in bytes */
} rlx_host_arg;

/* What a host function gets. Lives for the call. */
typedef struct rlx_host_kernel {
    const rlx_host_arg *args; /* in the order of the parameters */
    uint32_t arg_count;
    uint32_t groups[3];       /* the grid */
    uint32_t group_size[3];
    uint32_t shared_bytes;    /* size of `shared`: the kernel's and the dispatch's together */
    void *shared;             /* scratch of the running group, aligned to 64 bytes, contents undefined; or NULL */
    void *user;               /* from rlx_code */
} rlx_host_kernel;

/* Runs `count` groups from linear number `first` (x fastest: number = x + groups[0] * (y + groups[1] * z)). Groups
 * of one dispatch may run on several threads at once, each call with its own range and its own `shared`. Returns
 * RLX_OK; an error fails the command with that status (RLX_ERROR_DEVICE_LOST also declares the device lost), and
 * what is no error's number fails it with RLX_ERROR_KERNEL. It must not wait for points. */
typedef rlx_status (*rlx_host_function)(const rlx_host_kernel *kernel, uint64_t first, uint64_t count);

/* Optional last parameter of a kernel in C source (docs/kernels.md): which group runs. */
typedef struct rlx_group {
    uint32_t id[3], count[3], size[3]; /* this group's position, the grid, the group size */
    uint32_t shared_bytes;
    void *shared;
} rlx_group;

typedef enum rlx_code_format {
    RLX_CODE_NONE = 0,       /* skipped */
    RLX_CODE_HOST,           /* .function */
    RLX_CODE_LIBRARY,        /* .path of a shared library; entry names a symbol of type rlx_host_function */
    RLX_CODE_C,              /* .source in C11; entry names a function that takes the parameters in order */
    RLX_CODE_PLUGIN = 0x1000 /* from here up: formats of plugins, by their own documentation */
} rlx_code_format;

/* Code in one format. All pointers are *copied* (a function is kept, a path's library loaded). */
typedef struct rlx_code {
    uint32_t format;            /* rlx_code_format or a plugin's own */
    union {
        rlx_host_function function;
        const char *source;     /* text, NUL-terminated unless `size` says its length */
        const char *path;
        const void *bytes;      /* needs `size` */
    };
    uint64_t size;              /* bytes of source or bytes */
    const char *entry;          /* NULL: the kernel's name */
    const char *options;        /* for the compiler, separated by blanks; NULL allowed */
    void *user;                 /* for RLX_CODE_HOST: *borrowed* until the kernel and its work have ended */
    const void *next;
} rlx_code;

typedef struct rlx_kernel_desc {
    const char *name;        /* for messages, and the default entry */
    const rlx_param *params;
    uint32_t param_count;
    const rlx_code *codes;   /* the device takes the first that it can run */
    uint32_t code_count;
    uint32_t group_size[3];  /* threads of a group; 0 means 1 */
    uint32_t shared_bytes;   /* shared memory of a group */
    const void *next;
} rlx_kernel_desc;

typedef struct rlx_kernel_properties {
    rlx_device *device;      /* *borrowed* */
    const char *name;        /* *borrowed* from the kernel */
    uint32_t format;         /* of the code that was taken */
    uint32_t group_size[3];
    uint32_t shared_bytes;
    uint32_t param_count;
    const rlx_param *params; /* *borrowed*; with sizes and alignments filled in */
} rlx_kernel_properties;

/* Creates a kernel; everything in `desc` is *copied*. Compiles now, never later. *Given*: release it at any time.
 * Errors: UNSUPPORTED (no code that this device takes: the message names the formats it would have taken, or no
 * compiler), COMPILE (the message is the compiler's), NOT_FOUND (library or entry), LIMIT (more buffers or values,
 * a larger group or more shared memory than the device has), IO. */
RLX_CHECKED rlx_status rlx_kernel_create(rlx_device *device, const rlx_kernel_desc *desc, rlx_kernel **kernel);
RLX_API void rlx_kernel_retain(rlx_kernel *kernel);
RLX_API void rlx_kernel_release(rlx_kernel *kernel);
RLX_API const rlx_kernel_properties *rlx_kernel_info(const rlx_kernel *kernel);

/* ---- 7. Stream -------------------------------------------------------------------------------------------------- */

enum {
    RLX_STREAM_RECORD = 1 << 0,     /* for recording programs: ends with finish, never submits */
    RLX_STREAM_ISOLATE = 1 << 1,    /* hands each command over alone, so that a failure names it exactly; slow */
    RLX_STREAM_TIMESTAMPS = 1 << 2, /* keeps when points completed, for rlx_point_timestamp */
};

typedef struct rlx_stream_desc {
    uint32_t flags;     /* RLX_STREAM_ bits */
    const char *label;  /* for messages; *copied*; NULL allowed */
    const void *next;
} rlx_stream_desc;

/* Creates a stream. `desc` may be NULL. *Given*. Any number of streams can be open. */
RLX_CHECKED rlx_status rlx_stream_create(rlx_device *device, const rlx_stream_desc *desc, rlx_stream **stream);

/* Discards what is encoded, lets submitted work run to its end, never waits. Not while another thread uses the stream.
 * On a caller-driven device that end may need somebody who waits for its points, as before. */
RLX_API void rlx_stream_release(rlx_stream *stream);

/* ---- 8. Commands: encode (one thread at a time on a stream) ------------------------------------------------------
 *
 * Encoding checks everything that can be checked, copies descriptors, values and strings, retains objects, and touches
 * no device (rule 1). A refused command leaves the stream as it was. Commands run as if one after the other (rule 2).
 *
 * HOST MEMORY handed to a command is *borrowed* from encode until the batch's point completes or the commands are
 * discarded; in a program, until the program and its last run have ended (rule 8).
 *
 * Errors of all commands: INVALID (an object of another device, an overflow), RANGE; in a slot's place on a stream that
 * does not record, INVALID. A command of zero bytes or of an empty grid does nothing and succeeds. */

enum { RLX_WRITE_COPIED = 1 << 0 }; /* copy the source now: at most RLX_COPIED_MAX bytes, otherwise LIMIT */
#define RLX_COPIED_MAX 65536

/* dst.size bytes from host memory to dst. `flags`: 0 (src is *borrowed*) or RLX_WRITE_COPIED. */
RLX_CHECKED rlx_status rlx_stream_write(rlx_stream *stream, rlx_range dst, const void *src, uint32_t flags);

/* src.size bytes to host memory. Valid once a wait or query has reported the point, or in a later host call. */
RLX_CHECKED rlx_status rlx_stream_read(rlx_stream *stream, void *dst, rlx_range src);

/* Between ranges of equal size, also of one buffer, also overlapping: as memmove (rule 14). */
RLX_CHECKED rlx_status rlx_stream_copy(rlx_stream *stream, rlx_range dst, rlx_range src);

/* Repeats the low `pattern_size` (1, 2 or 4) bytes of `pattern` (little-endian) from dst's first byte on; dst.size
 * must be a multiple of it. */
RLX_CHECKED rlx_status rlx_stream_fill(rlx_stream *stream, rlx_range dst, uint32_t pattern, uint32_t pattern_size);

/* Strided rows: row i lies at i * stride from the range's (or host pointer's) first byte. A range must reach over its
 * last row's end. Strides are at least row_bytes (0 means row_bytes). */
typedef struct rlx_rows {
    uint64_t rows, row_bytes;
    uint64_t dst_stride, src_stride; /* bytes */
} rlx_rows;

RLX_CHECKED rlx_status rlx_stream_write_rows(rlx_stream *stream, rlx_range dst, const void *src, const rlx_rows *rows);
RLX_CHECKED rlx_status rlx_stream_read_rows(rlx_stream *stream, void *dst, rlx_range src, const rlx_rows *rows);
/* As if all source rows were read before any is written, whatever overlaps. */
RLX_CHECKED rlx_status rlx_stream_copy_rows(rlx_stream *stream, rlx_range dst, rlx_range src, const rlx_rows *rows);
/* src_stride is not used; row_bytes must be a multiple of pattern_size, and the pattern begins anew in each row. */
RLX_CHECKED rlx_status rlx_stream_fill_rows(rlx_stream *stream, rlx_range dst, uint32_t pattern, uint32_t pattern_size,
                                            const rlx_rows *rows);

/* An argument: made by the rlx_arg_ functions at the end of this section. */
typedef enum rlx_arg_kind { RLX_ARG_RANGE = 0, RLX_ARG_INLINE, RLX_ARG_POINTER, RLX_ARG_SLOT } rlx_arg_kind;

typedef struct rlx_arg {
    rlx_arg_kind kind;
    uint32_t size;         /* of a value */
    union {
        rlx_range range;
        uint64_t bits;     /* a value of up to 8 bytes */
        const void *bytes; /* a longer one; *copied* */
        uint32_t slot;
    };
} rlx_arg;

/* Memory that a dispatch touches without having it as an argument (through an address in a table). What overlaps an
 * argument must be read by both, as two arguments must. */
typedef struct rlx_use {
    rlx_range range;
    rlx_access access;
} rlx_use;

/* A reference to a slot; { 0 } is none. Made by rlx_slot. */
typedef struct rlx_slot_ref { uint32_t plus_one; } rlx_slot_ref;

typedef struct rlx_dispatch {
    uint32_t groups[3];        /* the grid in groups: x = 0 does nothing, y and z = 0 mean 1 */
    const rlx_arg *args;       /* one for each parameter, in order */
    uint32_t arg_count;
    uint32_t group_size[3];    /* all 0: the kernel's; otherwise needs RLX_CAN_GROUP_SIZE (0 then means 1) */
    uint32_t shared_bytes;     /* beyond the kernel's own; needs RLX_CAN_DYNAMIC_SHARED */
    rlx_slot_ref groups_slot;  /* the grid comes from the run */
    const rlx_use *uses;
    uint32_t use_count;
    const char *label;         /* for messages; *copied*; NULL allowed */
    const void *next;
} rlx_dispatch;

/* Runs a kernel over a grid. Ranges bound together may overlap only if all of them are read (rule 15).
 * Errors: INVALID (count, kind or size of an argument), ALIAS, ALIGNMENT (limits.binding_alignment; and buffers of
 * typed code have their own), LIMIT (grid, group, shared memory, binding size), UNSUPPORTED. */
RLX_CHECKED rlx_status rlx_stream_dispatch(rlx_stream *stream, rlx_kernel *kernel, const rlx_dispatch *dispatch);

/* Runs in order on a thread of the library or the caller's. Its status is taken as a host function's is. It must
 * not wait (rule 6). */
typedef rlx_status (*rlx_call_function)(void *user);

/* Calls a function on the host in order; it sees what earlier READs wrote. `user` is *borrowed*. */
RLX_CHECKED rlx_status rlx_stream_host_call(rlx_stream *stream, rlx_call_function function, void *user);

/* Writes rlx_clock_ns at this place of the stream, once all before it has ended. `ns` is *borrowed*. */
RLX_CHECKED rlx_status rlx_stream_timestamp(rlx_stream *stream, uint64_t *ns);

/* Puts the whole batch being encoded after a point of any stream of any device (rule 6). Errors: ORDER when the point
 * has not been submitted yet, or on a recording stream; EXPIRED when a failure may have been forgotten since. A point
 * that has failed fails the batch at submit. */
RLX_CHECKED rlx_status rlx_stream_depend(rlx_stream *stream, rlx_point point);

static inline rlx_range rlx_whole(rlx_buffer *buffer) {
    rlx_range r = { buffer, 0, RLX_REST, 0 };
    return r;
}
static inline rlx_range rlx_part(rlx_buffer *buffer, uint64_t offset, uint64_t size) {
    rlx_range r = { buffer, offset, size, 0 };
    return r;
}
static inline rlx_arg rlx_arg_buffer(rlx_range range) {
    rlx_arg a;
    a.kind = RLX_ARG_RANGE, a.size = 0, a.range = range;
    return a;
}
static inline rlx_arg rlx_arg_bits(uint64_t bits, uint32_t size) {
    rlx_arg a;
    a.kind = RLX_ARG_INLINE, a.size = size, a.bits = bits;
    return a;
}
static inline rlx_arg rlx_arg_u32(uint32_t value) { return rlx_arg_bits(value, 4); }
static inline rlx_arg rlx_arg_i32(int32_t value) { return rlx_arg_bits((uint32_t)value, 4); }
static inline rlx_arg rlx_arg_u64(uint64_t value) { return rlx_arg_bits(value, 8); }
static inline rlx_arg rlx_arg_f32(float value) {
    union { float f; uint32_t u; } pun;
    pun.f = value;
    return rlx_arg_bits(pun.u, 4);
}
static inline rlx_arg rlx_arg_f64(double value) {
    union { double f; uint64_t u; } pun;
    pun.f = value;
    return rlx_arg_bits(pun.u, 8);
}
/* A value of any size: `bytes` is *copied* by the dispatch. */
static inline rlx_arg rlx_arg_bytes(const void *bytes, uint32_t size) {
    rlx_arg a;
    a.kind = RLX_ARG_POINTER, a.size = size, a.bytes = bytes;
    return a;
}

/* ---- 9. Submit and wait ----------------------------------------------------------------------------------------- */

/* Hands over what is encoded as one batch, and writes its point (NULL allowed). Never waits for work to end
 * (rule 3), except that a synchronous device does the work here. An empty batch completes after all before it. A failure
 * of this batch is its point's, told by wait. On a stream that has already failed the commands are discarded, the
 * status is that failure's, and the point is a failed one (rule 5). Errors: ORDER on a recording stream. */
RLX_CHECKED rlx_status rlx_stream_submit(rlx_stream *stream, rlx_point *point);

/* Waits for all that was submitted to the stream so far; as rlx_point_wait on its last point. Any thread. */
RLX_CHECKED rlx_status rlx_stream_wait(rlx_stream *stream, uint64_t timeout_ns);

/* rlx_stream_submit, then rlx_point_wait on that point. After RLX_TIMEOUT the work is still submitted. */
RLX_CHECKED rlx_status rlx_stream_submit_and_wait(rlx_stream *stream, uint64_t timeout_ns);

/* Drops what is encoded and not submitted, its depends, and a recording's condition. */
RLX_API void rlx_stream_discard(rlx_stream *stream);

/* ---- 10. Program ------------------------------------------------------------------------------------------------ *
 *
 * Commands encoded on a stream opened with RLX_STREAM_RECORD become a program, whose runs cost far less than encoding
 * again, and whose commands overlap wherever their ranges prove that nobody can tell. What changes from run to run is a
 * slot, known by a small number (below RLX_SLOT_MAX): a range, a value, a host pointer, the grid, or whether commands
 * run at all. A slot has one kind; it may be used in many commands. */

#define RLX_SLOT_MAX 4096

/* The grid (rlx_dispatch.groups_slot), or the condition (rlx_stream_condition). */
static inline rlx_slot_ref rlx_slot(uint32_t slot) {
    rlx_slot_ref r = { slot + 1 };
    return r;
}
/* A range given at each run, in place of any range. `size` in bytes is what the run must give; in an argument 0
 * means any. */
static inline rlx_range rlx_slot_range(uint32_t slot, uint64_t size) {
    rlx_range r = { NULL, 0, size, slot + 1 };
    return r;
}
/* An argument given at each run: a range for a buffer parameter, bytes for a value. */
static inline rlx_arg rlx_arg_slot(uint32_t slot) {
    rlx_arg a;
    a.kind = RLX_ARG_SLOT, a.size = 0, a.bits = 0, a.slot = slot;
    return a;
}

/* As rlx_stream_write and _read, with a host pointer given at each run. Errors: ORDER if the stream does not record. */
RLX_CHECKED rlx_status rlx_stream_write_slot(rlx_stream *stream, rlx_range dst, uint32_t slot);
RLX_CHECKED rlx_status rlx_stream_read_slot(rlx_stream *stream, uint32_t slot, rlx_range src);

/* Commands encoded from now on run only in runs that enable this slot; { 0 } ends it. Errors: ORDER as above. */
RLX_CHECKED rlx_status rlx_stream_condition(rlx_stream *stream, rlx_slot_ref slot);

typedef struct rlx_program_desc {
    const char *label; /* for messages; *copied*; NULL allowed */
    const void *next;
} rlx_program_desc;

/* Takes what is encoded on a recording stream as a program; the stream is empty again and can record another one. The
 * program retains its objects. `desc` may be NULL. *Given*. On an error the recording is still there. Errors: ORDER if
 * the stream does not record, INVALID (one slot used as two kinds, or with two sizes), ALIAS (one range slot twice in a
 * dispatch that writes it). */
RLX_CHECKED rlx_status rlx_stream_finish(rlx_stream *stream, const rlx_program_desc *desc, rlx_program **program);

/* A slot's value for one run; the slot's kind decides which member is read. */
typedef struct rlx_slot_value {
    uint32_t slot;
    union {
        const void *host;   /* host pointer to write from; *borrowed* until the run ends */
        void *host_out;     /* host pointer to read into; *borrowed* until the run ends */
        rlx_range range;
        uint32_t groups[3]; /* as rlx_dispatch.groups */
        bool enabled;
        float f32;
        double f64;
        int32_t i32;
        uint32_t u32;
        uint64_t u64;
        const void *bytes;  /* a value of more than 8 bytes; *copied* */
    };
} rlx_slot_value;

typedef struct rlx_run {
    const rlx_slot_value *values; /* every slot of the program, once, in any order; *copied* */
    uint32_t count;
    const char *label;            /* for messages; *copied*; NULL allowed */
    const void *next;
} rlx_run;

/* Runs a program, as one command of the stream. `run` may be NULL if it has no slots. Runs of one program never
 * overlap, on whatever streams they are (rule 16). On a recording stream its commands are recorded with these
 * values, among which a range may be a slot of the outer recording (rlx_slot_range). Errors: INVALID (a slot
 * missing, twice or unknown; a host pointer NULL), ALIAS (a range given here, or a host pointer into a SHARED
 * buffer, overlaps another access of the program so that the recorded order would no longer be right: record it
 * with ranges that may overlap, or give disjoint ones), and for each slot those of the commands that it is used in.
 * */
RLX_CHECKED rlx_status rlx_stream_run(rlx_stream *stream, rlx_program *program, const rlx_run *run);

RLX_API void rlx_program_retain(rlx_program *program);
RLX_API void rlx_program_release(rlx_program *program);

typedef struct rlx_program_properties {
    rlx_device *device;    /* *borrowed* */
    const char *label;     /* *borrowed* from the program */
    uint64_t commands;     /* recorded, nested runs flattened */
    uint64_t dependencies; /* edges of the graph */
    uint64_t depth;        /* commands on its longest path: commands / depth is the parallelism there is */
    uint32_t slots;
    uint64_t bytes;        /* host memory that the program holds */
} rlx_program_properties;

RLX_API const rlx_program_properties *rlx_program_info(const rlx_program *program);

/* ---- 11. Failure ------------------------------------------------------------------------------------------------ *
 *
 * A failed batch fails its point, every later point of its stream, and every point that depends on one (rule 5). */

typedef struct rlx_failure {
    rlx_status status;       /* RLX_OK: no failure */
    bool exact;              /* true: it was first_command; false: one of first to last, which were in flight */
    uint64_t batch;          /* the value of the point that failed first */
    uint64_t first_command, last_command; /* numbers within the batch, from 0 */
    int64_t vendor_code;     /* the vendor's or kernel's own code, 0 if there is none */
    char label[64];          /* of the first command; "" if it has none */
    char kernel[64];         /* of the first command; "" if it is no dispatch */
    char device[64];
    char message[512];       /* all of this in a sentence, and what to do */
} rlx_failure;

/* The failure that the stream is in: where it began, even if that was on another stream. Status RLX_OK inside if the
 * stream has not failed, or has been recovered. Any thread. */
RLX_CHECKED rlx_status rlx_stream_failure(rlx_stream *stream, rlx_failure *failure);

/* Makes a failed stream usable again; points that failed stay failed. Nothing if it has not failed. Any thread.
 * Errors: DEVICE_LOST. */
RLX_CHECKED rlx_status rlx_stream_recover(rlx_stream *stream);

/* Drops all submitted batches that the device has not begun; no device stops a running one. Their points fail with
 * RLX_ERROR_CANCELLED, and so does the stream until it is recovered. Nothing if there are none. Any thread. */
RLX_CHECKED rlx_status rlx_stream_cancel(rlx_stream *stream);

typedef enum rlx_help { RLX_HELP_NONE = 0, RLX_HELP_REOPEN, RLX_HELP_NEW_PROCESS } rlx_help;

typedef struct rlx_health {
    rlx_status status;   /* RLX_OK, or RLX_ERROR_DEVICE_LOST: for good */
    rlx_help help;       /* what helps a lost device */
    uint64_t failures;   /* failures of batches that began on this device so far */
    rlx_failure first;   /* the first of them; status RLX_OK inside if there was none */
} rlx_health;

RLX_CHECKED rlx_status rlx_device_health(rlx_device *device, rlx_health *health);

/* ---- 12. Transfer ----------------------------------------------------------------------------------------------- */

/* Moves src to dst, ranges of equal size on any two devices (also one and the same), as a batch of its own on both
 * streams: after all that was submitted on either, before all that comes. `moved` (NULL allowed) completes when dst
 * holds the data. For one thread at a time on each of the two streams. Errors: ORDER with commands pending on one
 * of them, or a recording stream, ALIAS if ranges of one buffer overlap; as rlx_stream_submit if one of them has
 * failed. */
RLX_CHECKED rlx_status rlx_transfer(rlx_stream *dst_stream, rlx_range dst, rlx_stream *src_stream, rlx_range src,
                                    rlx_point *moved);

#ifdef __cplusplus
}
#endif
#endif
