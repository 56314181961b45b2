/* Checks: what was expected, what came, where. The report is made of lines that begin with "# ", so that it stands as
 * it is in the output. */
#include "process.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const status_names[] = {
#define STATUS_NAME(name, number, text) [number] = #name,
    RLX_STATUS_TABLE(STATUS_NAME)
#undef STATUS_NAME
};

#define STATUS_COUNT (sizeof status_names / sizeof *status_names)

const char *conform_status_name(rlx_status status) {
    return (size_t)status < STATUS_COUNT ? status_names[status] : "a number that is no status";
}

static const char *base_name(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

/* A report that is being put together. */
typedef struct report {
    char text[CONFORM_TEXT];
    size_t used;
} report;

static void add(report *r, const char *format, ...) CONFORM_PRINTF(2, 3);
static void add(report *r, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(r->text + r->used, sizeof r->text - r->used, format, arguments);
    va_end(arguments);
    if (length > 0) r->used += (size_t)length;
    if (r->used >= sizeof r->text) r->used = sizeof r->text - 1;
}

/* One field; a text of several lines stays one block. */
static void add_field(report *r, const char *name, const char *text) {
    add(r, "# %s: ", name);
    for (; *text; text++) {
        if (*text == '\n') {
            add(r, "\n#   ");
        } else {
            add(r, "%c", *text);
        }
    }
    add(r, "\n");
}

static void begin(report *r, const char *file, int line, const char *text) {
    r->used = 0;
    r->text[0] = '\0';
    char at[96];
    snprintf(at, sizeof at, "%s:%d", base_name(file), line);
    add_field(r, "at", at);
    add_field(r, "check", text);
}

static void fail(conform_test *t, const report *r) {
    conform_process *process = t->process;
    pthread_mutex_lock(&process->lock);
    if (!process->failed) {
        process->failed = true;
        memcpy(process->text, r->text, sizeof process->text);
    }
    pthread_mutex_unlock(&process->lock);
    conform_leave(t);
}

/* Where the test is; of its first thread alone. */
static void step(conform_test *t, const char *file, int line, const char *text) {
    if (t->thread) return;
    conform_step *now = t->process->step;
    snprintf(now->file, sizeof now->file, "%s", base_name(file));
    snprintf(now->text, sizeof now->text, "%s", text);
    now->line = line;
}

void conform_check(conform_test *t, bool holds, const char *file, int line, const char *text, const char *format, ...) {
    step(t, file, line, text);
    if (holds) return;
    char words[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    report r;
    begin(&r, file, line, text);
    add_field(&r, "expected", words);
    fail(t, &r);
}

rlx_status conform_check_status(conform_test *t, rlx_status actual, uint32_t expected, const char *file, int line,
                                const char *text) {
    step(t, file, line, text);
    if ((uint32_t)actual < 32 && (expected & CONFORM_BIT(actual))) return actual;
    char message[1200], names[600];
    snprintf(message, sizeof message, "%s", actual ? rlx_last_error() : "");
    size_t used = 0;
    names[0] = '\0';
    if (expected == CONFORM_ERRORS) {
        snprintf(names, sizeof names, "an error");
    } else {
        for (uint32_t i = 0; i < STATUS_COUNT && used < sizeof names; i++) {
            if (!(expected & CONFORM_BIT(i))) continue;
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? " or " : "", status_names[i]);
        }
    }
    report r;
    begin(&r, file, line, text);
    add_field(&r, "expected", names);
    add(&r, "# got: %s (%d)\n", conform_status_name(actual), (int)actual);
    if (message[0]) add_field(&r, "message", message);
    fail(t, &r);
    return actual;
}

void conform_check_equal(conform_test *t, uint64_t actual, uint64_t expected, const char *file, int line,
                         const char *text) {
    step(t, file, line, text);
    if (actual == expected) return;
    report r;
    begin(&r, file, line, text);
    add(&r, "# expected: %" PRIu64 " (0x%" PRIx64 ")\n", expected, expected);
    add(&r, "# got: %" PRIu64 " (0x%" PRIx64 ")\n", actual, actual);
    fail(t, &r);
}

static void add_bytes(report *r, const char *name, const unsigned char *bytes, uint64_t from, uint64_t size) {
    add(r, "# %s:", name);
    for (uint64_t i = from; i < size && i < from + 16; i++) add(r, " %02x", bytes[i]);
    add(r, "\n");
}

void conform_check_bytes(conform_test *t, const void *actual, const void *expected, uint64_t size, const char *file,
                         int line, const char *what) {
    step(t, file, line, what);
    if (size == 0 || memcmp(actual, expected, size) == 0) return;
    const unsigned char *got = actual, *wanted = expected;
    uint64_t first = 0, wrong = 0;
    while (got[first] == wanted[first]) first++;
    for (uint64_t i = first; i < size; i++) wrong += got[i] != wanted[i];
    report r;
    begin(&r, file, line, what);
    add(&r, "# first difference: byte %" PRIu64 " of %" PRIu64 "; %" PRIu64 " bytes differ\n", first, size, wrong);
    uint64_t from = first > 4 ? first - 4 : 0;
    add(&r, "# from byte: %" PRIu64 "\n", from);
    add_bytes(&r, "expected", wanted, from, size);
    add_bytes(&r, "got", got, from, size);
    fail(t, &r);
}

void conform_check_contains(conform_test *t, const char *text, const char *part, const char *file, int line,
                            const char *what) {
    step(t, file, line, what);
    if (text && strstr(text, part)) return;
    report r;
    begin(&r, file, line, what);
    add_field(&r, "expected to contain", part);
    add_field(&r, "got", text ? text : "NULL");
    fail(t, &r);
}

void conform_skip(conform_test *t, const char *format, ...) {
    conform_process *process = t->process;
    pthread_mutex_lock(&process->lock);
    process->skipped = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(process->text, sizeof process->text, format, arguments);
    va_end(arguments);
    pthread_mutex_unlock(&process->lock);
    conform_leave(t);
}
