/* Traces: what happened when, in the JSON that Perfetto and Chrome read, for any program under RLX_TRACE=file.json.
 *
 * A TRACE IS WRITTEN ONCE, IN THE CORE, NEVER IN A BACKEND. The core sees every batch from submit to its end, so what a
 * stream does is noted here (trace_events.c), the same for all backends. Only who ran a command, and when, is known to
 * a backend alone: it says so through a service (rlx_host.trace_command), in times and packets, and knows neither
 * records nor rows nor JSON. A backend that reports nothing still has its streams drawn.
 *
 * RECORDS. A hook copies what it knows, numbers and the bytes of labels, into a buffer of its own thread: no lock, no
 * allocation, no formatting. Whoever fills its buffer writes it out as text and begins anew, which the trace shows, as
 * it takes its time; so nothing is lost, and a trace takes 320 KiB for each thread that is alive and no more, however
 * long it runs. What is left is written when a thread ends, and when the process does.
 *
 * THE FILE is whole JSON at every moment: each piece that is written ends with the closing brackets, and the next piece
 * is written over them. So exit in the middle of things leaves a good file, and so does a crash, of what was written by
 * then; only a kill in the very moment of a write can cut an event in two. What goes wrong with the file is a note to
 * the log function, once, and the end of the trace; the program goes on.
 *
 * THREADS. `used` of a buffer belongs to its thread, who publishes each record by it. Who writes a buffer out makes
 * the text under that buffer's lock, which others want only at the end of the process, and holds the file's lock for
 * the write alone: a thread that fills its buffer keeps nobody waiting who does not. The order is trace.lock, a
 * buffer's, trace.file_lock, and all of them are innermost: no lock of the core is taken under them. The exit handler
 * reads what others have published, and closes the trace; they notice by the word.
 *
 * FORK. The child has no part in it: the word is cleared before fork returns there, and its exit handler sees that the
 * process is another one, and touches neither lock nor file. A child that uses the library as the first of its line has
 * a trace of its own: RLX_TRACE=trace-%p.json gives each process a file. A file that another process is writing is
 * left to it. */
#include "trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/file.h"

#define BUFFER_SIZE ((size_t)256 << 10)
#define PIECE_SIZE ((size_t)64 << 10) /* of text, written at once */

static const char end[] = "\n]}\n";
enum { END = sizeof end - 1 };

typedef struct trace_buffer {
    struct trace_buffer *next; /* trace.lock: of all, or of the free ones */
    uint32_t row;              /* of the thread that has it */
    _Atomic uint32_t used;     /* up to here there are records */
    rlx_mutex lock;            /* guards all below */
    uint32_t written;          /* up to here */
    size_t length;             /* of the piece */
    _Alignas(8) unsigned char data[BUFFER_SIZE];
    char piece[PIECE_SIZE];
} trace_buffer;

uint32_t rlx_trace_word;

static struct {
    atomic_bool started;       /* somebody has looked at the environment */
    _Atomic uint64_t process;  /* whose trace it is */
    _Atomic uint64_t start_ns; /* its zero; 0: there is none */
    _Atomic uint32_t rows;     /* given out so far */
    _Atomic uint32_t threads;  /* the user's that have a row */
    rlx_thread_place place;    /* gives a thread's buffer back when it ends; there before the word is set */
    rlx_mutex lock;            /* guards these: */
    trace_buffer *all, *unused;
    bool left_out;       /* a thread was, for want of memory, and that was said */
    rlx_mutex file_lock; /* guards these: */
    rlx_growing_file file;
    bool open;
} trace;

static _Thread_local trace_buffer *own; /* NULL: none yet */

/* ---- The file ---- */

/* `piece` has room for the end. What a failure has to say goes to *error. */
static void write_text(char *piece, size_t length, int *error) {
    memcpy(piece + length, end, END);
    rlx_lock(&trace.file_lock);
    if (trace.open && !rlx_growing_write(&trace.file, piece, length + END, END)) {
        *error = errno ? errno : EIO;
        __atomic_store_n(&rlx_trace_word, 0, __ATOMIC_RELAXED);
        (void)rlx_growing_close(&trace.file);
        trace.open = false;
    }
    rlx_unlock(&trace.file_lock);
}

/* Under the buffer's lock. */
static void write_piece(trace_buffer *buffer, int *error) {
    if (buffer->length) write_text(buffer->piece, buffer->length, error);
    buffer->length = 0;
}

/* Under the buffer's lock. */
static void write_records(trace_buffer *buffer, int *error) {
    uint32_t used = atomic_load_explicit(&buffer->used, memory_order_acquire);
    while (buffer->written < used) {
        const rlx_trace_record *record = (const rlx_trace_record *)(void *)(buffer->data + buffer->written);
        if (buffer->length + RLX_TRACE_LINE_MAX + END > PIECE_SIZE) write_piece(buffer, error);
        char *at = buffer->piece + buffer->length;
        buffer->length += (size_t)(rlx_trace_write(at, record, trace.process, trace.start_ns) - at);
        buffer->written += record->size;
    }
    write_piece(buffer, error);
}

static void note_failure(int error) {
    if (error)
        rlx_note(RLX_LOG_WARNING, "RLX_TRACE: the trace ends here, as it cannot be written: %s", strerror(error));
}

/* Writes a buffer out and empties it: by the thread that has it, or by its end. */
static void buffer_write(trace_buffer *buffer) {
    int error = 0;
    rlx_lock(&buffer->lock);
    write_records(buffer, &error);
    buffer->written = 0;
    atomic_store_explicit(&buffer->used, 0, memory_order_relaxed);
    rlx_unlock(&buffer->lock);
    note_failure(error);
}

/* At exit, or when the library is unloaded. Other threads may be in the middle of a record: it is not published, and
 * goes nowhere. */
static void trace_end(void) {
    if (trace.process != rlx_process_id() || !trace.start_ns) return;
    int error = 0;
    __atomic_store_n(&rlx_trace_word, 0, __ATOMIC_RELAXED);
    rlx_thread_place_delete(trace.place);
    rlx_lock(&trace.lock);
    for (trace_buffer *buffer = trace.all; buffer; buffer = buffer->next) {
        rlx_lock(&buffer->lock);
        write_records(buffer, &error);
        rlx_unlock(&buffer->lock);
    }
    rlx_unlock(&trace.lock);
    rlx_lock(&trace.file_lock);
    if (trace.open && !rlx_growing_close(&trace.file)) error = errno ? errno : EIO;
    trace.open = false;
    rlx_unlock(&trace.file_lock);
    note_failure(error);
}

void rlx_trace_after_fork(void) { __atomic_store_n(&rlx_trace_word, 0, __ATOMIC_RELAXED); }

/* ---- Buffers ---- */

/* The thread that had it has ended. */
static void buffer_give_back(void *user) {
    trace_buffer *buffer = user;
    own = NULL;
    if (trace.process != rlx_process_id()) return;
    buffer_write(buffer);
    rlx_lock(&trace.lock);
    trace_buffer **link = &trace.all;
    while (*link != buffer) link = &(*link)->next;
    *link = buffer->next;
    buffer->next = trace.unused;
    trace.unused = buffer;
    rlx_unlock(&trace.lock);
}

/* One that is in no list, with the place of this thread set to it. */
static trace_buffer *buffer_find(void) {
    rlx_lock(&trace.lock);
    trace_buffer *buffer = trace.unused;
    if (buffer) trace.unused = buffer->next;
    rlx_unlock(&trace.lock);
    if (!buffer) buffer = rlx_allocate(sizeof *buffer);
    if (!buffer || rlx_thread_place_set(trace.place, buffer)) return buffer;
    rlx_free(buffer);
    return NULL;
}

static void without_buffer(void) {
    rlx_lock(&trace.lock);
    bool first = !trace.left_out;
    trace.left_out = true;
    rlx_unlock(&trace.lock);
    if (first) rlx_note(RLX_LOG_WARNING, "RLX_TRACE: no memory for a thread's records: the trace lacks them");
}

/* A row's number, which it has although its name has not been written yet. */
static uint32_t next_row(void) { return atomic_fetch_add_explicit(&trace.rows, 1, memory_order_relaxed) + 1; }

static void put_row(uint32_t row, rlx_trace_row_kind kind, const char *name) {
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_ROW, name, NULL);
    if (!record) return;
    record->what = (uint8_t)kind;
    record->row = row;
    rlx_trace_put(record);
}

/* The calling thread's, made if there is none; `name` NULL: the next number says who it is. */
static trace_buffer *buffer_own(const char *name) {
    if (own) return own;
    trace_buffer *buffer = buffer_find();
    if (!buffer) {
        without_buffer();
        return NULL;
    }
    buffer->row = next_row();
    rlx_lock(&trace.lock);
    buffer->next = trace.all;
    trace.all = buffer;
    rlx_unlock(&trace.lock);
    own = buffer;
    if (name) {
        put_row(buffer->row, RLX_TRACE_ROW_WORKER, name);
    } else {
        char numbered[32];
        uint32_t before = atomic_fetch_add_explicit(&trace.threads, 1, memory_order_relaxed);
        snprintf(numbered, sizeof numbered, "thread %u", before + 1);
        put_row(buffer->row, RLX_TRACE_ROW_THREAD, numbered);
    }
    return own;
}

/* ---- Records ---- */

/* Behind it there is room; its bytes are the thread's own until they are published. */
static unsigned char *buffer_room(trace_buffer *buffer, size_t size) {
    uint32_t used = atomic_load_explicit(&buffer->used, memory_order_relaxed);
    if (used + size <= BUFFER_SIZE) return buffer->data + used;
    uint64_t begun = rlx_platform_clock_ns();
    buffer_write(buffer);
    rlx_trace_record *record = rlx_trace_take(RLX_TRACE_WRITE, NULL, NULL);
    if (!record) return NULL;
    record->begin_ns = begun;
    record->end_ns = rlx_platform_clock_ns();
    rlx_trace_put(record);
    return buffer->data + atomic_load_explicit(&buffer->used, memory_order_relaxed);
}

/* Of a text, the bytes that are kept. */
static size_t text_size(const char *text) { return text ? strnlen(text, RLX_TRACE_TEXT_MAX) : 0; }

rlx_trace_record *rlx_trace_take(rlx_trace_kind kind, const char *label, const char *name) {
    if (!rlx_tracing()) return NULL;
    trace_buffer *buffer = own ? own : buffer_own(NULL);
    if (!buffer) return NULL;
    size_t label_size = text_size(label), name_size = text_size(name);
    size_t size = (sizeof(rlx_trace_record) + label_size + name_size + 7) & ~(size_t)7;
    unsigned char *room = buffer_room(buffer, size);
    if (!room) return NULL;
    rlx_trace_record *record = (rlx_trace_record *)(void *)room;
    *record = (rlx_trace_record){ .size = (uint16_t)size,
                                  .kind = (uint8_t)kind,
                                  .text = { (uint8_t)label_size, (uint8_t)name_size },
                                  .row = buffer->row };
    if (label_size) memcpy(record + 1, label, label_size);
    if (name_size) memcpy((char *)(record + 1) + label_size, name, name_size);
    return record;
}

void rlx_trace_put(const rlx_trace_record *record) {
    uint32_t used = atomic_load_explicit(&own->used, memory_order_relaxed);
    atomic_store_explicit(&own->used, used + record->size, memory_order_release);
}

uint32_t rlx_trace_row_create(rlx_trace_row_kind kind, const char *format, ...) {
    if (!rlx_tracing()) return 0;
    char name[RLX_TRACE_TEXT_MAX + 1];
    uint32_t row = next_row();
    int numbered = snprintf(name, sizeof name, "%s %u", kind == RLX_TRACE_ROW_STREAM ? "stream" : "queue", row);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name + numbered, sizeof name - (size_t)numbered, format, arguments);
    va_end(arguments);
    put_row(row, kind, name);
    return row;
}

void rlx_trace_host_thread(const char *name) {
    if (!rlx_tracing()) return;
    if (own) put_row(own->row, RLX_TRACE_ROW_WORKER, name);
    else (void)buffer_own(name);
}

/* ---- The start ---- */

/* The file's name: %p is the process's number, %% a %. NULL when out of memory. */
static char *file_name(const char *pattern, uint64_t process) {
    char number[24];
    int digits = snprintf(number, sizeof number, "%llu", (unsigned long long)process);
    size_t size = strlen(pattern) * (size_t)digits + 1;
    char *name = rlx_allocate(size), *at = name;
    if (!name) return NULL;
    for (; *pattern; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'p') {
            memcpy(at, number, (size_t)digits);
            at += digits;
            pattern++;
            continue;
        }
        if (pattern[0] == '%' && pattern[1] == '%') pattern++;
        *at++ = *pattern;
    }
    *at = '\0';
    return name;
}

static bool open_file(const char *path, rlx_growing_file *file) {
    switch (rlx_growing_open(path, file)) {
    case RLX_GROWING_OPENED: return true;
    case RLX_GROWING_FAILED:
        rlx_note(RLX_LOG_WARNING, "RLX_TRACE: %s cannot be opened: %s", path, strerror(errno));
        break;
    case RLX_GROWING_SPECIAL:
        rlx_note(RLX_LOG_WARNING, "RLX_TRACE: %s is no plain file, and a trace must be one", path);
        break;
    case RLX_GROWING_TAKEN:
        rlx_note(RLX_LOG_WARNING, "RLX_TRACE: another process is writing %s; %%p in the name gives each its own", path);
        break;
    }
    return false;
}

/* Everything but the word, with the file open. */
static bool begin(const rlx_growing_file *file, uint64_t process) {
    char name[64], head[1024];
    int error = 0;
    rlx_process_name(name, sizeof name);
    rlx_lock(&trace.file_lock);
    trace.file = *file;
    trace.open = true;
    rlx_unlock(&trace.file_lock);
    write_text(head, (size_t)(rlx_trace_write_head(head, name, process) - head), &error);
    note_failure(error);
    if (error) return false;
    rlx_lock(&trace.lock); /* so that whoever takes a buffer sees the place */
    bool placed = rlx_thread_place_create(&trace.place, buffer_give_back);
    atomic_store(&trace.start_ns, rlx_platform_clock_ns());
    rlx_unlock(&trace.lock);
    return placed && rlx_on_exit(trace_end); /* without which it would end nowhere */
}

void rlx_trace_start(void) {
    if (atomic_exchange(&trace.started, true)) return;
    const char *pattern = rlx_environment("RLX_TRACE");
    if (!pattern) return;
    uint64_t process = rlx_process_id();
    rlx_growing_file file;
    char *path = file_name(pattern, process);
    bool opened = path && open_file(path, &file);
    rlx_free(path);
    atomic_store(&trace.process, process);
    if (opened && begin(&file, process)) __atomic_store_n(&rlx_trace_word, 1, __ATOMIC_RELEASE);
    else if (opened || !path) rlx_note(RLX_LOG_WARNING, "RLX_TRACE: there will be no trace");
}
