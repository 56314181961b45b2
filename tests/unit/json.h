/* A reader of JSON for tests: strict, so that what it takes is JSON, and written apart from every writer and reader
 * that is tested with it. The whole text becomes a tree of values; what is wrong gives no tree. */
#ifndef JSON_TEST_H
#define JSON_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct json_value {
    char type;                 /* '{' '[' '"' 'n'umber 't'rue 'f'alse '0' null */
    char *key, *text;          /* of a member; of a string */
    double number;
    struct json_value *first, *next; /* members or items; the one behind this */
} json_value;

typedef struct json_parser {
    const char *at, *end;
} json_parser;

static inline void json_free(json_value *value) {
    while (value) {
        json_value *next = value->next;
        json_free(value->first);
        free(value->key);
        free(value->text);
        free(value);
        value = next;
    }
}

static inline char json_peek(json_parser *p) {
    while (p->at < p->end && strchr(" \t\r\n", *p->at) && *p->at) p->at++;
    return p->at < p->end ? *p->at : '\0';
}

/* UTF-8 as the standard's table has it, without overlong forms and surrogates. */
static inline size_t json_utf8(const unsigned char *t, size_t left) {
    size_t n = t[0] < 0x80 ? 1 : t[0] < 0xc2 ? 0 : t[0] < 0xe0 ? 2 : t[0] < 0xf0 ? 3 : t[0] < 0xf5 ? 4 : 0;
    if (!n || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if (t[i] < 0x80 || t[i] > 0xbf) return 0;
    if ((t[0] == 0xe0 && t[1] < 0xa0) || (t[0] == 0xed && t[1] > 0x9f)) return 0;
    if ((t[0] == 0xf0 && t[1] < 0x90) || (t[0] == 0xf4 && t[1] > 0x8f)) return 0;
    return n;
}

static inline char *json_string(json_parser *p) {
    if (json_peek(p) != '"') return NULL;
    size_t room = 16, used = 0;
    char *text = malloc(room);
    for (p->at++; p->at < p->end && *p->at != '"';) {
        unsigned code;
        int taken = 0;
        size_t n = json_utf8((const unsigned char *)p->at, (size_t)(p->end - p->at));
        if (used + 8 > room) text = realloc(text, room *= 2);
        if (!n || (unsigned char)*p->at < 0x20) goto fail;
        if (*p->at != '\\') {
            memcpy(text + used, p->at, n);
            used += n;
            p->at += n;
            continue;
        }
        if (p->end - p->at < 2) goto fail;
        const char *letter = strchr("\"\"\\\\//b\bf\fn\nr\rt\t", p->at[1]);
        if (p->at[1] == 'u') {
            if (p->end - p->at < 6 || sscanf(p->at + 2, "%4x%n", &code, &taken) != 1 || taken != 4) goto fail;
            if (code == 0 || code > 0x7f) goto fail; /* nobody here writes such */
            text[used++] = (char)code;
            p->at += 6;
        } else if (p->at[1] >= ' ' && letter) {
            text[used++] = letter[1];
            p->at += 2;
        } else {
            goto fail;
        }
    }
    if (p->at >= p->end) goto fail;
    p->at++;
    text[used] = '\0';
    return text;
fail:
    free(text);
    return NULL;
}

static inline json_value *json_read(json_parser *p, int depth);

static inline bool json_members(json_parser *p, json_value *of, char close, int depth) {
    json_value **link = &of->first;
    p->at++;
    if (json_peek(p) == close) return p->at++, true;
    for (;;) {
        char *key = NULL;
        if (close == '}') {
            key = json_string(p);
            if (!key || json_peek(p) != ':') return free(key), false;
            p->at++;
        }
        json_value *value = json_read(p, depth + 1);
        if (!value) return free(key), false;
        value->key = key;
        *link = value;
        link = &value->next;
        char next = json_peek(p);
        p->at++;
        if (next == close) return true;
        if (next != ',') return false;
    }
}

static inline bool json_digits(json_parser *p) {
    const char *begin = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
    return p->at > begin;
}

static inline bool json_number_syntax(json_parser *p) {
    if (*p->at == '-') p->at++;
    if (p->at < p->end && *p->at == '0') p->at++;
    else if (!json_digits(p)) return false;
    if (p->at < p->end && *p->at == '.' && (p->at++, !json_digits(p))) return false;
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        p->at++;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-')) p->at++;
        return json_digits(p);
    }
    return true;
}

static inline json_value *json_read(json_parser *p, int depth) {
    json_value *value = calloc(1, sizeof *value);
    char c = json_peek(p);
    const char *begin = p->at;
    bool good = depth < 32 && c;
    value->type = c;
    if (!good) {
    } else if (c == '{' || c == '[') {
        good = json_members(p, value, c == '{' ? '}' : ']', depth);
    } else if (c == '"') {
        good = (value->text = json_string(p)) != NULL;
    } else if (c == 't' || c == 'f' || c == 'n') {
        const char *word = c == 't' ? "true" : c == 'f' ? "false" : "null";
        good = (size_t)(p->end - p->at) >= strlen(word) && memcmp(p->at, word, strlen(word)) == 0;
        p->at += strlen(word);
        if (c == 'n') value->type = '0';
    } else {
        good = json_number_syntax(p);
        value->type = 'n';
        value->number = good ? strtod(begin, NULL) : 0;
    }
    if (good) return value;
    json_free(value);
    return NULL;
}

/* All of a file, NUL behind it; NULL if there is none. */
static inline char *json_load(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    size_t room = 1 << 16;
    char *text = malloc(room);
    for (*size = 0;;) {
        *size += fread(text + *size, 1, room - *size - 1, file);
        if (*size < room - 1) break;
        text = realloc(text, room *= 2);
    }
    fclose(file);
    text[*size] = '\0';
    return text;
}

/* The tree of a file, or NULL if it is not JSON from its first to its last byte. */
static inline json_value *json_file(const char *path) {
    size_t size;
    char *text = json_load(path, &size);
    if (!text) return NULL;
    json_parser p = { text, text + size };
    json_value *value = json_read(&p, 0);
    if (value && json_peek(&p)) {
        json_free(value);
        value = NULL;
    }
    free(text);
    return value;
}

static inline const json_value *json_get(const json_value *of, const char *key) {
    for (const json_value *at = of ? of->first : NULL; at; at = at->next)
        if (at->key && strcmp(at->key, key) == 0) return at;
    return NULL;
}

static inline const char *json_get_text(const json_value *of, const char *key) {
    const json_value *found = json_get(of, key);
    return found && found->type == '"' ? found->text : "";
}

static inline double json_get_number(const json_value *of, const char *key) {
    const json_value *found = json_get(of, key);
    return found && found->type == 'n' ? found->number : -1;
}

#endif
