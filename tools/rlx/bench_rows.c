/* Reading rows that another program has printed: flat objects whose texts have no escapes. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a key within [row, end), behind its colon; NULL if it has none. */
static const char *find_value(const char *row, const char *end, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *found = strstr(row, quoted);
    return found && found < end ? found + strlen(quoted) : NULL;
}

static bool read_text(const char *row, const char *end, const char *key, char *text, size_t size) {
    const char *value = find_value(row, end, key);
    if (!value) return false;
    value += strspn(value, " ");
    size_t length = *value == '"' ? strcspn(value + 1, "\"") : size;
    if (length >= size || value + 1 + length >= end) return false;
    memcpy(text, value + 1, length);
    text[length] = '\0';
    return true;
}

static bool read_number(const char *row, const char *end, const char *key, double *number) {
    const char *value = find_value(row, end, key);
    char *after = NULL;
    if (value) *number = strtod(value, &after);
    return value && after > value;
}

/* null: there is none, which is 0 here. */
static bool read_goal(const char *row, const char *end, double *goal) {
    const char *value = find_value(row, end, "goal");
    *goal = 0;
    return value && (strncmp(value + strspn(value, " "), "null", 4) == 0 || read_number(row, end, "goal", goal));
}

static bool read_row(const char *row, const char *end, bench_result *result) {
    return read_text(row, end, "name", result->name, sizeof result->name) &&
           read_text(row, end, "device", result->device, sizeof result->device) &&
           read_text(row, end, "unit", result->unit, sizeof result->unit) &&
           read_number(row, end, "ours", &result->ours) && read_number(row, end, "baseline", &result->baseline) &&
           read_number(row, end, "ratio", &result->ratio) && read_goal(row, end, &result->goal);
}

int bench_read_row(const char **text, bench_result *result) {
    const char *row = strchr(*text, '{'), *end = row ? strchr(row, '}') : NULL;
    *result = (bench_result){ .goal = 0 };
    if (!row) return 0;
    if (!end || !read_row(row, end, result)) return -1;
    *text = end;
    return 1;
}
