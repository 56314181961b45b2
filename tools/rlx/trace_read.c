/* The reader goes through the text once, from front to back. An event is read into one struct, field by field as they
 * come; what is inside `args` lands in the same struct. Everything else is skipped, but has to be JSON. */
#include "trace_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MOST 64 /* brackets in brackets: a file is no reason to run out of stack */

struct trace_text {
    uint64_t hash;
    char bytes[];
};

typedef struct reader {
    const char *at, *end, *text;
    trace_file *file;
    char *string; /* the last one that was read, decoded */
    size_t string_room;
    int depth;
} reader;

/* ---- Errors ---- */

static bool refuse(reader *r, const char *reason) {
    size_t line = 1;
    if (r->file->error[0]) return false;
    for (const char *at = r->text; at < r->at; at++) line += *at == '\n';
    snprintf(r->file->error, sizeof r->file->error, "line %zu: %s", line,
             r->at >= r->end ? "the file ends in the middle: it was cut off" : reason);
    return false;
}

static bool refuse_memory(trace_file *file) {
    snprintf(file->error, sizeof file->error, "out of memory");
    return false;
}

/* ---- Texts ---- */

static uint64_t hash_of(const char *bytes) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *bytes; bytes++) hash = (hash ^ (unsigned char)*bytes) * UINT64_C(0x100000001b3);
    return hash;
}

static bool grow_texts(trace_file *file) {
    size_t room = file->text_room ? file->text_room * 2 : 256;
    trace_text **texts = calloc(room, sizeof *texts);
    if (!texts) return refuse_memory(file);
    for (size_t i = 0; i < file->text_room; i++) {
        if (!file->texts[i]) continue;
        size_t at = file->texts[i]->hash & (room - 1);
        while (texts[at]) at = (at + 1) & (room - 1);
        texts[at] = file->texts[i];
    }
    free(file->texts);
    file->texts = texts;
    file->text_room = room;
    return true;
}

/* The one copy of a text; NULL when out of memory. */
static const char *keep(trace_file *file, const char *bytes) {
    if (!bytes[0]) return "";
    if (file->text_count * 2 >= file->text_room && !grow_texts(file)) return NULL;
    uint64_t hash = hash_of(bytes);
    size_t at = hash & (file->text_room - 1), size = strlen(bytes) + 1;
    for (; file->texts[at]; at = (at + 1) & (file->text_room - 1))
        if (file->texts[at]->hash == hash && strcmp(file->texts[at]->bytes, bytes) == 0) return file->texts[at]->bytes;
    trace_text *text = malloc(sizeof *text + size);
    if (!text) {
        refuse_memory(file);
        return NULL;
    }
    text->hash = hash;
    memcpy(text->bytes, bytes, size);
    file->texts[at] = text;
    file->text_count++;
    return text->bytes;
}

/* ---- JSON ---- */

static void skip_blanks(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

/* Whether the next character that is no blank is this one: then it is behind us. */
static bool take(reader *r, char c) {
    skip_blanks(r);
    if (r->at >= r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static bool expect(reader *r, char c) {
    char reason[] = "'x' was expected";
    reason[1] = c;
    return take(r, c) || refuse(r, reason);
}

static bool read_hex(reader *r, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return refuse(r, "four hexadecimal digits were expected");
        *code = *code << 4 | (unsigned)digit;
    }
    return true;
}

/* Behind "\u". A surrogate without its other half becomes U+FFFD, and so does NUL: texts here end with one. */
static bool read_code(reader *r, char **to) {
    unsigned code, low;
    if (!read_hex(r, &code)) return false;
    bool high = code >= 0xd800 && code < 0xdc00;
    if (high && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        if (!read_hex(r, &low)) return false;
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000)) code = 0xfffd;
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = { 0, 0xc0, 0xe0, 0xf0 };
    *(*to)++ = (char)(first[more] | code >> (6 * more));
    for (; more-- > 0;) *(*to)++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return true;
}

static bool read_escape(reader *r, char **to) {
    static const char letters[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->end ? *r->at++ : '\0';
    if (c == 'u') return read_code(r, to);
    const char *found = c ? strchr(letters, c) : NULL;
    if (!found) return refuse(r, "this escape is not known");
    *(*to)++ = codes[found - letters];
    return true;
}

/* Into r->string, which is never longer than what it was made of. */
static bool read_string(reader *r) {
    if (!expect(r, '"')) return false;
    const char *close = r->at;
    while (close < r->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= r->end) {
        r->at = r->end;
        return refuse(r, "");
    }
    size_t size = (size_t)(close - r->at) + 1;
    if (size > r->string_room) {
        char *string = realloc(r->string, size * 2);
        if (!string) return refuse_memory(r->file);
        r->string = string;
        r->string_room = size * 2;
    }
    char *to = r->string;
    while (*r->at != '"') {
        if ((unsigned char)*r->at < 0x20) return refuse(r, "a string cannot hold this character");
        if (*r->at != '\\') *to++ = *r->at++;
        else if (r->at++, !read_escape(r, &to)) return false;
    }
    *to = '\0';
    r->at++;
    return true;
}

static bool read_text(reader *r, const char **text) {
    if (!read_string(r)) return false;
    *text = keep(r->file, r->string);
    return *text != NULL;
}

static void skip_digits(reader *r) {
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
}

static bool read_number(reader *r, double *number) {
    skip_blanks(r);
    const char *begin = r->at;
    if (r->at < r->end && *r->at == '-') r->at++;
    const char *digits = r->at;
    skip_digits(r);
    if (r->at == digits) return refuse(r, "a number was expected");
    if (r->at < r->end && *r->at == '.') r->at++, skip_digits(r);
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        skip_digits(r);
    }
    *number = strtod(begin, NULL);
    return true;
}

static bool skip_word(reader *r) {
    static const char *const words[] = { "true", "false", "null" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(r->end - r->at) < length || memcmp(r->at, words[i], length) != 0) continue;
        r->at += length;
        return true;
    }
    return refuse(r, "no value begins like this");
}

static bool skip_value(reader *r);

/* Calls `member` for each member of an object, whose name is in r->string then. */
static bool read_object(reader *r, bool (*member)(reader *r, void *user), void *user) {
    if (!expect(r, '{')) return false;
    if (++r->depth > DEPTH_MOST) return refuse(r, "brackets are nested too deeply");
    if (!take(r, '}')) {
        do
            if (!read_string(r) || !expect(r, ':') || !member(r, user)) return false;
        while (take(r, ','));
        if (!expect(r, '}')) return false;
    }
    r->depth--;
    return true;
}

static bool read_array(reader *r, bool (*item)(reader *r, void *user), void *user) {
    if (!expect(r, '[')) return false;
    if (++r->depth > DEPTH_MOST) return refuse(r, "brackets are nested too deeply");
    if (!take(r, ']')) {
        do
            if (!item(r, user)) return false;
        while (take(r, ','));
        if (!expect(r, ']')) return false;
    }
    r->depth--;
    return true;
}

static bool skip_item(reader *r, void *user) {
    (void)user;
    return skip_value(r);
}

static bool skip_value(reader *r) {
    double number;
    skip_blanks(r);
    if (r->at >= r->end) return refuse(r, "");
    switch (*r->at) {
    case '{': return read_object(r, skip_item, NULL);
    case '[': return read_array(r, skip_item, NULL);
    case '"': return read_string(r);
    case 't':
    case 'f':
    case 'n': return skip_word(r);
    default: return read_number(r, &number);
    }
}

/* ---- Events ---- */

/* Numbers, and texts, that an event or its arguments have: where they go. A value of another type is passed over. */
typedef struct field {
    const char *name;
    size_t number, text; /* offsets + 1 within trace_event; 0: not this type */
} field;

#define NUMBER(member) (offsetof(trace_event, member) + 1)

static const field event_fields[] = {
    { "ts", NUMBER(begin_us), 0 },
    { "dur", NUMBER(length_us), 0 },
    { "name", 0, NUMBER(name) },
    { "cat", 0, NUMBER(category) },
};
static const field argument_fields[] = {
    { "kernel", 0, NUMBER(kernel) },   { "failed", 0, NUMBER(failed) }, { "name", 0, NUMBER(row_name) },
    { "sort_index", NUMBER(sort), 0 }, { "parts", NUMBER(parts), 0 },   { "of", NUMBER(of), 0 },
    { "bytes", NUMBER(bytes), 0 },     { "batch", NUMBER(batch), 0 },   { "stream", NUMBER(stream), 0 },
};

static bool read_field(reader *r, const field *fields, size_t count, trace_event *event) {
    const field *found = NULL;
    for (size_t i = 0; i < count && !found; i++)
        if (strcmp(fields[i].name, r->string) == 0) found = &fields[i];
    skip_blanks(r);
    bool number = r->at < r->end && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'));
    bool text = r->at < r->end && *r->at == '"';
    if (found && number && found->number) return read_number(r, (double *)(void *)((char *)event + found->number - 1));
    if (found && text && found->text) return read_text(r, (const char **)(void *)((char *)event + found->text - 1));
    return skip_value(r);
}

static bool read_argument(reader *r, void *event) {
    return read_field(r, argument_fields, sizeof argument_fields / sizeof *argument_fields, event);
}

/* Some writers give a number as text. */
static bool read_identity(reader *r, uint64_t *identity) {
    double number = 0;
    skip_blanks(r);
    if (r->at < r->end && *r->at == '"') {
        if (!read_string(r)) return false;
        *identity = strtoull(r->string, NULL, 0);
        return true;
    }
    if (!read_number(r, &number)) return false;
    *identity = number >= 0 && number < 9e15 ? (uint64_t)number : 0;
    return true;
}

static bool read_phase(reader *r, trace_event *event) {
    if (!read_string(r)) return false;
    bool known = r->string[0] && strchr("XMsf", r->string[0]) && !r->string[1];
    event->phase = (char)(known ? r->string[0] : 0);
    return true;
}

static bool read_event_member(reader *r, void *user) {
    trace_event *event = user;
    if (strcmp(r->string, "ph") == 0) return read_phase(r, event);
    if (strcmp(r->string, "pid") == 0) return read_identity(r, &event->process);
    if (strcmp(r->string, "tid") == 0) return read_identity(r, &event->row);
    if (strcmp(r->string, "id") == 0) return read_identity(r, &event->id);
    if (strcmp(r->string, "args") == 0) {
        skip_blanks(r);
        return r->at < r->end && *r->at == '{' ? read_object(r, read_argument, event) : skip_value(r);
    }
    return read_field(r, event_fields, sizeof event_fields / sizeof *event_fields, event);
}

static bool read_event(reader *r, void *user) {
    (void)user;
    trace_file *file = r->file;
    trace_event event = { .name = "", .category = "", .kernel = "", .failed = "", .row_name = "" };
    if (!read_object(r, read_event_member, &event)) return false;
    if (event.length_us < 0) event.length_us = 0;
    if (file->count == file->room) {
        size_t room = file->room ? file->room * 2 : 1024;
        trace_event *events = realloc(file->events, room * sizeof *events);
        if (!events) return refuse_memory(file);
        file->events = events;
        file->room = room;
    }
    file->events[file->count++] = event;
    return true;
}

static bool read_top_member(reader *r, void *user) {
    bool *found = user;
    if (strcmp(r->string, "traceEvents") != 0) return skip_value(r);
    *found = true;
    return read_array(r, read_event, NULL);
}

bool trace_parse(const char *text, size_t size, trace_file *file) {
    *file = (trace_file){ .error = "" };
    reader r = { .at = text, .end = text + size, .text = text, .file = file };
    bool found = true, read;
    skip_blanks(&r);
    if (r.at < r.end && *r.at == '[') {
        read = read_array(&r, read_event, NULL);
    } else {
        found = false;
        read = read_object(&r, read_top_member, &found);
    }
    skip_blanks(&r);
    if (read && r.at < r.end) read = refuse(&r, "there is more behind the end");
    if (read && !found) {
        snprintf(file->error, sizeof file->error, "this is JSON, but no trace: it has no traceEvents");
        read = false;
    }
    free(r.string);
    return read;
}

/* ---- Files ---- */

/* All of it, and a NUL; NULL with errno set. */
static char *read_all(FILE *file, size_t *size) {
    size_t room = 1 << 16, used = 0;
    char *text = malloc(room);
    while (text) {
        used += fread(text + used, 1, room - used - 1, file);
        if (used < room - 1) break;
        char *larger = realloc(text, room *= 2);
        if (!larger) free(text);
        text = larger;
    }
    if (text && ferror(file)) {
        free(text);
        return NULL;
    }
    if (text) text[used] = '\0';
    *size = used;
    return text;
}

bool trace_read(const char *path, trace_file *file) {
    *file = (trace_file){ .error = "" };
    FILE *stream = fopen(path, "rb");
    size_t size = 0;
    char *text = stream ? read_all(stream, &size) : NULL;
    if (!text) snprintf(file->error, sizeof file->error, "%s", strerror(errno));
    if (stream) fclose(stream);
    if (!text) return false;
    bool read = trace_parse(text, size, file);
    free(text);
    return read;
}

void trace_close(trace_file *file) {
    for (size_t i = 0; i < file->text_room; i++) free(file->texts[i]);
    free(file->texts);
    free(file->events);
    *file = (trace_file){ .error = "" };
}
