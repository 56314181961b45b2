/* Validation: what RLX_VALIDATE or a device's description turns on. The idea is told at the head of validate.c.
 *
 *     validate.c          on or off; a batch gets its checks; a finding becomes the batch's failure
 *     validate_bytes.c    which bytes of each buffer have been written, and which buffer an address lies in
 *     validate_kernel.c   what a kernel must not touch, kept before it runs and compared after
 *     validate_encode.c   what is noted while encoding: threads, WRITE sources, declared uses
 *     validate_alive.c    what is left when a device is released
 *
 * Off, every `checks` below is NULL, and that is all that the rest of the core ever asks. */
#ifndef RLX_VALIDATE_H
#define RLX_VALIDATE_H

#include "batch.h"

#define RLX_GUARD 4096 /* bytes before and behind each buffer, and beside a range that a kernel writes */

typedef struct rlx_span {
    uint64_t begin, end; /* addresses */
} rlx_span;

/* Host memory that was handed out and not yet given back. */
typedef struct rlx_host_block {
    struct rlx_host_block *next;
    void *pointer;
    uint64_t size;
} rlx_host_block;

/* Of a device. */
struct rlx_device_checks {
    bool guards;            /* memory has host addresses: kernels are watched */
    _Atomic uint32_t users; /* the user's references, as opposed to those of objects */
    rlx_mutex lock; /* guards all below, the bits of every buffer, the spans of every stream; takes no other */
    rlx_buffer **buffers;   /* by key */
    uint64_t buffer_count, buffer_room;
    struct rlx_stream_checks *streams;
    rlx_object *objects; /* all, linked by next_alive */
    rlx_host_block *host_blocks;
};

/* Of a buffer: a bit for each byte, set once it has been written. device->checks->lock. */
struct rlx_buffer_checks {
    uint64_t key;       /* with guards: the address of byte 0; otherwise the backend's own handle */
    uint64_t unwritten; /* bits that are clear */
    bool exposed;       /* others can write it unseen: all counts as written, and nothing beside a range is guarded */
    uint64_t bits[];
};

/* A copy of bytes that a kernel must leave alone. */
typedef struct rlx_kept {
    const unsigned char *at;
    uint64_t size, copy; /* `copy`: where in the stream's copies */
    uint32_t access;     /* whose they are, or are beside */
    uint32_t what;       /* in validate_kernel.c */
} rlx_kept;

enum { RLX_SPANS = 8 };

/* Of a stream. One command at a time runs on it, between two of its checks. */
typedef struct rlx_stream_checks {
    rlx_device_checks *device;
    struct rlx_stream_checks *next, *previous; /* device->checks->lock */
    _Atomic uint64_t encoder;                  /* the thread that is in an encoding call; 0: none */
    uint32_t depth;                            /* of its calls: that thread's alone */
    /* Spans: device->checks->lock. */
    rlx_span writes[RLX_SPANS];   /* what the command under way says it writes */
    rlx_span excluded[RLX_SPANS]; /* what commands of other streams have written meanwhile */
    uint32_t write_count, excluded_count;
    bool watching; /* a kernel of this stream is watched */
    /* The checks': they run one after the other. */
    const struct rlx_step *running; /* the check before the command under way; NULL: none */
    bool exposed;                   /* that command may write what the host can see */
    rlx_kept *kept;
    uint32_t kept_count, kept_room;
    unsigned char *copies;
    uint64_t copies_used, copies_room;
} rlx_stream_checks;

/* What has been found in a batch: the first thing counts. */
typedef struct rlx_finding {
    rlx_status status;
    const rlx_packet *packet; /* that it is about */
    char text[232];
} rlx_finding;

/* What encoding learns about a command beside its packet. */
typedef enum rlx_validate_note_kind { RLX_NOTE_SOURCE, RLX_NOTE_USE } rlx_validate_note_kind;

typedef struct rlx_validate_note {
    struct rlx_validate_note *next;
    const rlx_packet *packet;
    rlx_validate_note_kind kind;
    uint32_t number; /* USE: its place in `uses` */
    union {
        struct { /* SOURCE: of a WRITE, when it was encoded */
            uint64_t digest, calls, reads;
        };
        struct { /* USE */
            rlx_buffer *buffer;
            uint64_t offset, size;
            rlx_access access;
        };
    };
} rlx_validate_note;

/* In the order of packets. They live with the batch or program. */
typedef struct rlx_validate_notes {
    rlx_validate_note *first, *last;
} rlx_validate_notes;

/* A check: a host call of the core's own, between two commands. */
typedef struct rlx_step {
    rlx_packet_host_call call;
    rlx_stream_checks *stream;
    rlx_finding *finding;
    const rlx_packet *before, *packet; /* the commands on either side; NULL: none */
    bool transfer;                     /* of a transfer: what it reads need not have been written */
    const rlx_validate_note *notes;    /* of `packet`, the first; NULL: none */
} rlx_step;

/* ---- validate.c ---- */
/* Decides whether a device that is being opened is validated. */
rlx_status rlx_validate_open(rlx_device *device, const rlx_device_desc *desc);
void rlx_validate_close(rlx_device *device);
rlx_status rlx_validate_stream_open(rlx_stream *stream);
void rlx_validate_stream_close(rlx_stream *stream);
/* Puts a check before each command of the batch being encoded, and one behind the last. A failure changes nothing. */
rlx_status rlx_validate_batch(rlx_stream *stream);
/* The command that a packet is about: itself, unless it is a check. */
const rlx_packet *rlx_validate_subject(const rlx_packet *packet);
/* If a check of these packets has failed the batch: makes that the fault. */
bool rlx_validate_fault(const rlx_packet *first, uint64_t count, rlx_fault *fault);
/* Keeps what was found, unless something was before; returns the status that it has now. */
rlx_status rlx_finding_set(rlx_finding *finding, rlx_status status, const rlx_packet *packet, const char *format, ...)
    RLX_PRINTF(4, 5);
/* "buffer 'weights'" */
const char *rlx_buffer_name(const rlx_buffer *buffer, char text[64]);

/* ---- validate_bytes.c ---- */
/* Bytes at either end of a device's blocks that are nobody's. */
static inline uint64_t rlx_validate_guard(const rlx_device *device) {
    return device->checks && device->checks->guards ? RLX_GUARD : 0;
}
rlx_status rlx_validate_buffer_open(rlx_buffer *buffer);
void rlx_validate_buffer_close(rlx_buffer *buffer);
/* From now on others may write the buffer: the user through its host pointer, another device in a transfer. */
void rlx_validate_expose(rlx_buffer *buffer);

/* A byte of a buffer. */
typedef struct rlx_spot {
    rlx_buffer *buffer;
    uint64_t offset;
} rlx_spot;

/* All under device->checks->lock. */
bool rlx_spot_find(const rlx_device_checks *checks, const rlx_place *place, rlx_spot *spot);
/* How many bytes from there on have been written: `size` if all. */
uint64_t rlx_spot_written(rlx_spot spot, uint64_t size);
void rlx_spot_write(rlx_spot spot, uint64_t size);
void rlx_spot_copy(rlx_spot dst, rlx_spot src, uint64_t size); /* whatever overlaps */

/* ---- validate_kernel.c ---- */
/* Something that a dispatch touches: an argument, or after them a use. */
typedef struct rlx_touched {
    rlx_place place; /* with guards, `host` alone is set */
    uint64_t size;
    rlx_access access;
    uint32_t number; /* of the argument or use */
    bool use;
} rlx_touched;

/* The one at `i`, counted through both; false beyond the last. */
bool rlx_step_touches(const rlx_step *step, uint32_t i, rlx_touched *touched);
/* "argument 2", "use 0" */
const char *rlx_touched_name(const rlx_touched *touched, char text[24]);
/* What the command under way writes, for those that watch beside it. NULL: it has ended. */
void rlx_validate_writes(rlx_stream_checks *stream, const rlx_step *step);
void rlx_validate_guard_fill(const rlx_buffer *buffer);
rlx_status rlx_validate_kernel_before(const rlx_step *step);
rlx_status rlx_validate_kernel_after(const rlx_step *step);

/* ---- validate_encode.c ---- */
/* Marks the calling thread as the one that encodes. Errors: THREAD if another one does. Nests. */
rlx_status rlx_validate_enter(rlx_stream *stream);
void rlx_validate_leave(rlx_stream *stream);
/* Notes what the source of a WRITE holds. */
rlx_status rlx_validate_source(rlx_stream *stream, rlx_validate_notes *notes, const rlx_packet *packet);
/* Notes the uses of a dispatch that has been checked; slots' are known at each run. */
rlx_status rlx_validate_uses(rlx_stream *stream, const rlx_packet *packet, const rlx_dispatch *dispatch);
/* Notes a use whose range is known. */
rlx_status rlx_validate_use(rlx_stream *stream, rlx_validate_notes *notes, const rlx_packet *packet,
                            const rlx_resolved *range, rlx_access access, uint32_t number);
/* Notes for a copy of a program's command; `from` is where the program's notes have been read up to. */
rlx_status rlx_validate_copy(rlx_stream *stream, rlx_validate_notes *notes, const rlx_validate_note **from,
                             const rlx_packet *packet, const rlx_packet *copy);
void rlx_validate_notes_append(rlx_validate_notes *notes, const rlx_validate_notes *more);
/* Whether the source that was noted is still what it was, as far as anybody can tell. */
rlx_status rlx_validate_source_after(const rlx_step *step);
/* Something that may write any memory of the host begins, or has ended: a function of the user. */
void rlx_validate_host_called(void);
/* A READ has written. */
void rlx_validate_host_written(const rlx_packet_host_copy *packet);

/* ---- validate_alive.c ---- */
void rlx_validate_object_open(rlx_object *object);
void rlx_validate_object_close(rlx_object *object);
/* The user releases the device: the last time, what is left of it is told. */
void rlx_validate_device_release(rlx_device *device);
rlx_status rlx_validate_host_block_open(rlx_device *device, void *pointer, uint64_t size);
void rlx_validate_host_block_close(rlx_device *device, void *pointer);

#endif
