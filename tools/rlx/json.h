/* Writes JSON, indented by two blanks, and always well formed: texts that are not UTF-8 (paths can be anything) get
 * U+FFFD for each byte that is wrong, and numbers that JSON does not know become null. */
#ifndef RLX_TOOL_JSON_H
#define RLX_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct json {
    FILE *file;
    int depth;
    bool filled; /* something stands before the next item at this depth */
} json;

/* `key` is the item's name within an object, and NULL within an array and at the top. */
void json_open(json *j, const char *key, char bracket);  /* '{' or '[' */
void json_close(json *j, char bracket);                  /* '}' or ']'; at the top it ends the line */
void json_text(json *j, const char *key, const char *text); /* NULL is null */
void json_integer(json *j, const char *key, uint64_t number);
void json_number(json *j, const char *key, double number);
void json_bool(json *j, const char *key, bool value);
void json_null(json *j, const char *key);

#endif
