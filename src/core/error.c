/* Statuses, messages, log lines and heap memory: what every other file leans on, so it leans on nothing itself.
 *
 * A thread has two messages: the one that the user sees, and one aside for what backends say, which counts only if the
 * core makes an error of it.
 *
 * A message lives in a fixed buffer of its thread: failing never allocates, so that running out of memory can be told
 * like anything else. It is put together in a second buffer first, because its arguments may point into the first one
 * (rlx_fail_within does this on purpose).
 *
 * Log lines go to the user's function, which may do as it likes, so it must not be called under a lock of ours. Where a
 * lock is held around code that may log (the registry, while it probes drivers), lines are held back until it is
 * free. */
#include "core.h"

#include "platform/failpoint.h"
#include "registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RLX_LINE_SIZE 1024

static _Thread_local char error_message[RLX_MESSAGE_SIZE], error_aside[RLX_MESSAGE_SIZE];
static _Thread_local bool error_fresh;        /* error_message is from after the last rlx_error_clear */
static char newest_message[RLX_MESSAGE_SIZE]; /* of all threads: for a lie only */

/* ---- Statuses ---- */

const char *rlx_status_text(rlx_status status) {
    switch (status) {
#define RLX_STATUS_CASE(name, number, text) \
    case name: return text;
        RLX_STATUS_TABLE(RLX_STATUS_CASE)
#undef RLX_STATUS_CASE
    }
    return "not a status of this library";
}

/* ---- Messages ---- */

/* A text that was cut ends in "..." and not in the middle of a UTF-8 sequence. */
static void mark_cut(char *text, size_t size) {
    size_t end = size - sizeof "...";
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) end--;
    memcpy(text + end, "...", sizeof "...");
}

static RLX_PRINTF(3, 0) void format_text(char *text, size_t size, const char *format, va_list arguments) {
    int length = vsnprintf(text, size, format, arguments);
    if (length < 0) text[0] = '\0';
    else if ((size_t)length >= size) mark_cut(text, size);
}

const char *rlx_last_error(void) {
    if (rlx_lie("errors-without-words")) return "";
    return rlx_lie("one-message-for-all-threads") ? newest_message : error_message;
}

const char *rlx_error_aside(void) { return error_aside; }

void rlx_error_clear(void) {
    error_aside[0] = '\0';
    error_fresh = false;
}

/* By way of a buffer of its own: the arguments may point into `message`. */
static RLX_PRINTF(2, 0) void set_message(char *message, const char *format, va_list arguments) {
    char text[RLX_MESSAGE_SIZE];
    format_text(text, sizeof text, format, arguments);
    memcpy(message, text, strlen(text) + 1);
}

rlx_status rlx_fail(rlx_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_message(error_message, format, arguments);
    va_end(arguments);
    error_aside[0] = '\0';
    error_fresh = true;
    if (rlx_lie("one-message-for-all-threads")) memcpy(newest_message, error_message, sizeof newest_message);
    return status;
}

rlx_status rlx_fail_aside(rlx_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_message(error_aside, format, arguments);
    va_end(arguments);
    return status;
}

rlx_status rlx_fail_within(rlx_status status, const char *format, ...) {
    char text[RLX_LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *inner = error_aside[0] ? error_aside : error_fresh ? error_message : rlx_status_text(status);
    return rlx_fail(status, "%s: %s", text, inner);
}

rlx_status rlx_fail_memory(const char *what) {
    return rlx_fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for %s: release objects, or let work end first", what);
}

/* ---- Log lines ---- */

static struct {
    rlx_mutex lock;
    atomic_bool set; /* spares those who log nothing the lock, and the formatting */
    rlx_log_function function;
    void *user;
} logger;

typedef struct held_line {
    struct held_line *next;
    rlx_log_level level;
    char text[];
} held_line;

static _Thread_local struct {
    uint32_t depth;
    held_line *first, **last;
} held;

void rlx_log_set(rlx_log_function function, void *user) {
    if (rlx_forked()) return; /* the parent may have held the lock */
    rlx_lock(&logger.lock);
    logger.function = function;
    logger.user = user;
    atomic_store(&logger.set, function != NULL);
    rlx_unlock(&logger.lock);
}

static void log_line(rlx_log_level level, const char *text) {
    rlx_lock(&logger.lock);
    rlx_log_function function = logger.function;
    void *user = logger.user;
    rlx_unlock(&logger.lock);
    if (function) function(user, level, text);
}

static void hold_line(rlx_log_level level, const char *text) {
    size_t length = strlen(text) + 1;
    held_line *line = rlx_allocate(sizeof *line + length);
    if (!line) return; /* a line is lost where there is no memory for it */
    line->level = level;
    memcpy(line->text, text, length);
    *held.last = line;
    held.last = &line->next;
}

void rlx_note(rlx_log_level level, const char *format, ...) {
    if (!atomic_load_explicit(&logger.set, memory_order_relaxed) || rlx_forked()) return;
    char text[RLX_LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    format_text(text, sizeof text, format, arguments);
    va_end(arguments);
    if (held.depth > 0) hold_line(level, text);
    else log_line(level, text);
}

void rlx_note_hold(void) {
    if (held.depth++ == 0) held.last = &held.first;
}

void rlx_note_flush(void) {
    if (--held.depth > 0) return;
    held_line *line = held.first;
    held.first = NULL; /* the function may come back here */
    while (line) {
        held_line *next = line->next;
        log_line(line->level, line->text);
        rlx_free(line);
        line = next;
    }
}

/* ---- Memory ---- */

/* The one place where the library's heap memory comes from, and so the place where a test can refuse it. */
_Atomic(rlx_allocation_hook) rlx_allocation_check;

static void *take_memory(void *memory, size_t size) {
    rlx_allocation_hook check = atomic_load_explicit(&rlx_allocation_check, memory_order_relaxed);
    if ((check && !check(size)) || rlx_failpoint(RLX_FAILPOINT_ALLOC)) return NULL;
    if (size == 0) size = 1; /* NULL always means that there is none */
    void *taken = memory ? realloc(memory, size) : calloc(1, size);
    if (taken && !memory) rlx_failpoint_taken();
    return taken;
}

void *rlx_allocate(size_t size) { return take_memory(NULL, size); }

void *rlx_reallocate(void *memory, size_t size) { return take_memory(memory, size); }

void rlx_free(void *memory) {
    if (memory) rlx_failpoint_given_back();
    free(memory);
}

char *rlx_copy_string(const char *text) {
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = rlx_allocate(size);
    return copy ? memcpy(copy, text, size) : NULL;
}
