/* A writer and nothing more: what it has written so far it does not remember, but for the depth and whether a comma is
 * due. */
#include "json.h"

#include <math.h>
#include <string.h>

/* The length of the UTF-8 sequence at `text`, or 0 if it is none: overlong forms, surrogates and what lies beyond
 * U+10FFFF are none. */
static size_t sequence_length(const unsigned char *text) {
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char second_low, second_high;
        size_t length;
    } forms[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last) continue;
        if (forms[i].length > 1 && (text[1] < forms[i].second_low || text[1] > forms[i].second_high)) return 0;
        for (size_t j = 2; j < forms[i].length; j++)
            if ((text[j] & 0xc0) != 0x80) return 0; /* also the NUL at the end */
        return forms[i].length;
    }
    return 0;
}

static void write_string(FILE *file, const char *text) {
    static const char escapes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    putc('"', file);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t length = sequence_length(at);
        const char *escape = strchr(escapes, *at);
        if (length == 0) fputs("\\ufffd", file);
        else if (escape) fprintf(file, "\\%c", letters[escape - escapes]);
        else if (*at < 0x20 || *at == 0x7f) fprintf(file, "\\u%04x", *at);
        else fwrite(at, 1, length, file);
        at += length ? length : 1;
    }
    putc('"', file);
}

static void begin_item(json *j, const char *key) {
    if (j->depth > 0) fprintf(j->file, "%s\n%*s", j->filled ? "," : "", j->depth * 2, "");
    j->filled = true;
    if (!key) return;
    write_string(j->file, key);
    fputs(": ", j->file);
}

void json_open(json *j, const char *key, char bracket) {
    begin_item(j, key);
    putc(bracket, j->file);
    j->depth++;
    j->filled = false;
}

void json_close(json *j, char bracket) {
    j->depth--;
    if (j->filled) fprintf(j->file, "\n%*s", j->depth * 2, "");
    putc(bracket, j->file);
    j->filled = true;
    if (j->depth == 0) putc('\n', j->file);
}

void json_text(json *j, const char *key, const char *text) {
    if (!text) {
        json_null(j, key);
        return;
    }
    begin_item(j, key);
    write_string(j->file, text);
}

void json_integer(json *j, const char *key, uint64_t number) {
    begin_item(j, key);
    fprintf(j->file, "%llu", (unsigned long long)number);
}

void json_number(json *j, const char *key, double number) {
    if (!isfinite(number)) {
        json_null(j, key);
        return;
    }
    begin_item(j, key);
    fprintf(j->file, "%.6g", number);
}

void json_bool(json *j, const char *key, bool value) {
    begin_item(j, key);
    fputs(value ? "true" : "false", j->file);
}

void json_null(json *j, const char *key) {
    begin_item(j, key);
    fputs("null", j->file);
}
