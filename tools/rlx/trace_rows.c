/* Sorting is all there is to it: spans by row and time, and then rows as their names' events ask for. */
#include "trace_rows.h"

#include <stdlib.h>
#include <string.h>

bool trace_is_command(const trace_event *event) {
    static const char *const categories[] = { "dispatch",  "copy",      "fill", "write",  "read",
                                              "host call", "timestamp", "run",  "command" };
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcmp(event->category, categories[i]) == 0) return true;
    return false;
}

const char *trace_command_name(const trace_event *event) { return event->kernel[0] ? event->kernel : event->category; }

static int compare(uint64_t a, uint64_t b) { return (a > b) - (a < b); }
static int compare_times(double a, double b) { return (a > b) - (a < b); }

static int by_row_and_time(const void *a, const void *b) {
    const trace_event *x = *(const trace_event *const *)a, *y = *(const trace_event *const *)b;
    int order = compare(x->process, y->process);
    if (!order) order = compare(x->row, y->row);
    if (!order) order = compare_times(x->begin_us, y->begin_us);
    return order ? order : compare_times(y->length_us, x->length_us);
}

static int by_place(const void *a, const void *b) {
    const trace_row *x = a, *y = b;
    int order = compare(x->process, y->process);
    if (!order) order = compare_times(x->sort, y->sort);
    return order ? order : compare(x->row, y->row);
}

/* Cuts the sorted spans into rows. */
static void cut(trace_rows *rows) {
    for (size_t i = 0; i < rows->span_count; i++) {
        const trace_event *span = rows->spans[i];
        trace_row *last = rows->count ? &rows->rows[rows->count - 1] : NULL;
        if (!last || last->process != span->process || last->row != span->row) {
            last = &rows->rows[rows->count++];
            *last = (trace_row){ .process = span->process, .row = span->row, .name = "", .spans = rows->spans + i };
        }
        last->count++;
        last->commands += trace_is_command(span);
        double end_us = span->begin_us + span->length_us;
        if (i == 0 || span->begin_us < rows->begin_us) rows->begin_us = span->begin_us;
        if (i == 0 || end_us > rows->end_us) rows->end_us = end_us;
    }
}

static trace_row *find(trace_rows *rows, uint64_t process, uint64_t row) {
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        trace_row *at = &rows->rows[middle];
        int order = compare(at->process, process);
        if (!order) order = compare(at->row, row);
        if (!order) return at;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

bool trace_sort(const trace_file *file, trace_rows *rows) {
    *rows = (trace_rows){ 0 };
    rows->spans = malloc((file->count + 1) * sizeof *rows->spans);
    rows->rows = malloc((file->count + 1) * sizeof *rows->rows);
    if (!rows->spans || !rows->rows) {
        trace_rows_free(rows);
        return false;
    }
    for (size_t i = 0; i < file->count; i++)
        if (file->events[i].phase == 'X') rows->spans[rows->span_count++] = &file->events[i];
    qsort(rows->spans, rows->span_count, sizeof *rows->spans, by_row_and_time);
    cut(rows);
    for (size_t i = 0; i < file->count; i++) {
        const trace_event *event = &file->events[i];
        trace_row *row = event->phase == 'M' ? find(rows, event->process, event->row) : NULL;
        if (row && strcmp(event->name, "thread_name") == 0) row->name = event->row_name;
        if (row && strcmp(event->name, "thread_sort_index") == 0) row->sort = event->sort;
    }
    qsort(rows->rows, rows->count, sizeof *rows->rows, by_place);
    return true;
}

void trace_rows_free(trace_rows *rows) {
    free(rows->spans);
    free(rows->rows);
    *rows = (trace_rows){ 0 };
}
