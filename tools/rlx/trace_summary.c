/* `rlx trace summary`: what took the time, and where nobody used it.
 *
 * A dispatch that several workers shared is as many spans; each tells its part, so the parts add up to one dispatch,
 * and its time is that of all workers together. Gaps are looked for between the first and the last command of the whole
 * trace: what comes before or behind is the program's own business. */
#include "json.h"
#include "tool.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Kernels ---- */

typedef struct kernel_sum {
    const char *name;
    double count, total_us, longest_us, bytes;
    size_t failed;
} kernel_sum;

typedef struct kernel_table {
    kernel_sum *sums;
    size_t count;
    double total_us;
} kernel_table;

static int by_name(const void *a, const void *b) {
    return strcmp(((const kernel_sum *)a)->name, ((const kernel_sum *)b)->name);
}

static int by_total(const void *a, const void *b) {
    double x = ((const kernel_sum *)a)->total_us, y = ((const kernel_sum *)b)->total_us;
    return x != y ? (x < y) - (x > y) : by_name(a, b);
}

static kernel_sum sum_of(const trace_event *span) {
    bool shared = span->of > 0 && span->parts < span->of;
    return (kernel_sum){ .name = trace_command_name(span),
                         .count = shared ? span->parts / span->of : 1,
                         .total_us = span->length_us,
                         .longest_us = span->length_us,
                         .bytes = span->bytes,
                         .failed = span->failed[0] != '\0' };
}

static void add_sum(kernel_sum *to, const kernel_sum *more) {
    to->count += more->count;
    to->total_us += more->total_us;
    if (more->longest_us > to->longest_us) to->longest_us = more->longest_us;
    to->bytes += more->bytes;
    to->failed += more->failed;
}

/* One sum for each command, sorted by name, and then those of one name drawn together. */
static bool sum_kernels(const trace_rows *rows, kernel_table *table) {
    *table = (kernel_table){ .sums = malloc((rows->span_count + 1) * sizeof(kernel_sum)) };
    if (!table->sums) return false;
    size_t count = 0;
    for (size_t i = 0; i < rows->span_count; i++) {
        if (!trace_is_command(rows->spans[i])) continue;
        table->sums[count++] = sum_of(rows->spans[i]);
        table->total_us += rows->spans[i]->length_us;
    }
    qsort(table->sums, count, sizeof *table->sums, by_name);
    for (size_t i = 0; i < count; i++) {
        kernel_sum *last = table->count ? &table->sums[table->count - 1] : NULL;
        if (last && strcmp(last->name, table->sums[i].name) == 0) add_sum(last, &table->sums[i]);
        else table->sums[table->count++] = table->sums[i];
    }
    qsort(table->sums, table->count, sizeof *table->sums, by_total);
    return true;
}

/* ---- Gaps ---- */

/* How a row spends the time between two moments. */
typedef struct row_use {
    double busy_us, idle_us;
    double longest_us, longest_at_us; /* the longest gap */
    size_t gaps;
} row_use;

static void add_gap(row_use *use, double begin_us, double end_us) {
    if (end_us <= begin_us) return;
    use->gaps++;
    use->idle_us += end_us - begin_us;
    if (end_us - begin_us <= use->longest_us) return;
    use->longest_us = end_us - begin_us;
    use->longest_at_us = begin_us;
}

typedef bool (*span_test)(const trace_event *span);

/* What lies between the spans that `counts`, and around them. Such as overlap count once. */
static row_use use_of_row(const trace_row *row, span_test counts, double begin_us, double end_us) {
    row_use use = { 0 };
    double at_us = begin_us;
    for (size_t i = 0; i < row->count; i++) {
        const trace_event *span = row->spans[i];
        double span_end_us = span->begin_us + span->length_us;
        if (!counts(span) || span_end_us <= at_us) continue;
        add_gap(&use, at_us, span->begin_us);
        use.busy_us += span_end_us - (span->begin_us > at_us ? span->begin_us : at_us);
        at_us = span_end_us;
    }
    add_gap(&use, at_us, end_us);
    return use;
}

/* The spans of one category: how many and how long together. */
typedef struct category_sum {
    size_t count;
    double total_us;
} category_sum;

static category_sum sum_category(const trace_row *row, const char *category) {
    category_sum sum = { 0 };
    for (size_t i = 0; i < row->count; i++) {
        if (strcmp(row->spans[i]->category, category) != 0) continue;
        sum.count++;
        sum.total_us += row->spans[i]->length_us;
    }
    return sum;
}

static bool is_batch(const trace_event *span) { return strcmp(span->category, "batch") == 0; }
static bool is_of_stream(const trace_event *span) {
    return is_batch(span) || strcmp(span->category, "held") == 0 || strcmp(span->category, "queued") == 0;
}

static bool has(const trace_row *row, span_test test) {
    for (size_t i = 0; i < row->count; i++)
        if (test(row->spans[i])) return true;
    return false;
}

static bool is_of_thread(const trace_event *span) {
    return strcmp(span->category, "submit") == 0 || strcmp(span->category, "wait") == 0;
}

/* From the first to the last of the spans that `counts`. */
static void find_window(const trace_rows *rows, span_test counts, double *begin_us, double *end_us) {
    bool found = false;
    *begin_us = *end_us = 0;
    for (size_t i = 0; i < rows->span_count; i++) {
        const trace_event *span = rows->spans[i];
        if (!counts(span)) continue;
        double span_end_us = span->begin_us + span->length_us;
        if (!found || span->begin_us < *begin_us) *begin_us = span->begin_us;
        if (!found || span_end_us > *end_us) *end_us = span_end_us;
        found = true;
    }
}

/* ---- Text ---- */

static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static const char *row_name(const trace_row *row, char *text, size_t size) {
    if (row->name[0]) return row->name;
    snprintf(text, size, "row %llu", (unsigned long long)row->row);
    return text;
}

static void print_kernels(const kernel_table *table) {
    printf("%-24s %9s %11s %10s %10s %8s %10s\n", "kernel", "count", "total ms", "mean us", "max us", "share", "GB/s");
    for (size_t i = 0; i < table->count; i++) {
        const kernel_sum *sum = &table->sums[i];
        printf("%-24s %9.0f %11.3f %10.2f %10.2f %6.1f %%", sum->name, sum->count, sum->total_us / 1000,
               sum->count > 0 ? sum->total_us / sum->count : 0, sum->longest_us,
               percent(sum->total_us, table->total_us));
        if (sum->bytes > 0 && sum->total_us > 0) printf(" %10.2f", sum->bytes / sum->total_us / 1000);
        if (sum->failed) printf("   %zu failed", sum->failed);
        putchar('\n');
    }
}

static void print_workers(const trace_rows *rows, double begin_us, double end_us) {
    printf("\n%-24s %9s %11s %9s   %s\n", "worker", "busy", "idle ms", "gaps", "longest gap");
    for (size_t i = 0; i < rows->count; i++) {
        char text[32];
        const trace_row *row = &rows->rows[i];
        if (!row->commands) continue;
        row_use use = use_of_row(row, trace_is_command, begin_us, end_us);
        printf("%-24s %7.1f %% %11.3f %9zu", row_name(row, text, sizeof text), percent(use.busy_us, end_us - begin_us),
               use.idle_us / 1000, use.gaps);
        if (use.gaps) printf("   %.3f ms at %.3f ms", use.longest_us / 1000, use.longest_at_us / 1000);
        putchar('\n');
    }
}

static void print_streams(const trace_rows *rows, double begin_us, double end_us) {
    bool any = false;
    for (size_t i = 0; i < rows->count; i++) {
        char text[32];
        const trace_row *row = &rows->rows[i];
        if (!has(row, is_of_stream)) continue;
        if (!any) printf("\n%-24s %9s %9s %9s %9s %9s\n", "stream", "batches", "running", "queued", "held", "idle");
        any = true;
        double whole = end_us - begin_us;
        category_sum batches = sum_category(row, "batch"), queued = sum_category(row, "queued");
        category_sum held = sum_category(row, "held");
        row_use use = use_of_row(row, is_of_stream, begin_us, end_us);
        printf("%-24s %9zu %7.1f %% %7.1f %% %7.1f %% %7.1f %%\n", row_name(row, text, sizeof text), batches.count,
               percent(batches.total_us, whole), percent(queued.total_us, whole), percent(held.total_us, whole),
               percent(use.idle_us, whole));
    }
}

static void print_threads(const trace_rows *rows) {
    bool any = false;
    for (size_t i = 0; i < rows->count; i++) {
        char text[32];
        const trace_row *row = &rows->rows[i];
        if (!has(row, is_of_thread)) continue;
        if (!any) printf("\n%-24s %9s %11s %9s %11s\n", "thread", "submits", "in ms", "waits", "in ms");
        any = true;
        category_sum submits = sum_category(row, "submit"), waits = sum_category(row, "wait");
        printf("%-24s %9zu %11.3f %9zu %11.3f\n", row_name(row, text, sizeof text), submits.count,
               submits.total_us / 1000, waits.count, waits.total_us / 1000);
    }
}

/* ---- JSON ---- */

static void write_kernels(json *j, const kernel_table *table) {
    json_open(j, "kernels", '[');
    for (size_t i = 0; i < table->count; i++) {
        const kernel_sum *sum = &table->sums[i];
        json_open(j, NULL, '{');
        json_text(j, "name", sum->name);
        json_number(j, "count", sum->count);
        json_number(j, "total_us", sum->total_us);
        json_number(j, "mean_us", sum->count > 0 ? sum->total_us / sum->count : 0);
        json_number(j, "max_us", sum->longest_us);
        json_number(j, "bytes", sum->bytes);
        json_integer(j, "failed", sum->failed);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void write_gaps(json *j, const row_use *use) {
    json_number(j, "idle_us", use->idle_us);
    json_integer(j, "gaps", use->gaps);
    json_number(j, "longest_gap_us", use->longest_us);
    json_number(j, "longest_gap_at_us", use->longest_at_us);
}

static void write_row(json *j, const trace_row *row) {
    char text[32];
    json_open(j, NULL, '{');
    json_text(j, "name", row_name(row, text, sizeof text));
}

static void write_workers(json *j, const trace_rows *rows, double begin_us, double end_us) {
    json_open(j, "workers", '[');
    for (size_t i = 0; i < rows->count; i++) {
        if (!rows->rows[i].commands) continue;
        row_use use = use_of_row(&rows->rows[i], trace_is_command, begin_us, end_us);
        write_row(j, &rows->rows[i]);
        json_number(j, "busy_us", use.busy_us);
        write_gaps(j, &use);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void write_categories(json *j, const trace_row *row, const char *const *names) {
    for (; *names; names++) {
        char key[32];
        category_sum sum = sum_category(row, *names);
        snprintf(key, sizeof key, "%s_count", *names);
        json_integer(j, key, sum.count);
        snprintf(key, sizeof key, "%s_us", *names);
        json_number(j, key, sum.total_us);
    }
}

static void write_streams(json *j, const trace_rows *rows, double begin_us, double end_us) {
    static const char *const names[] = { "batch", "queued", "held", NULL };
    json_open(j, "streams", '[');
    for (size_t i = 0; i < rows->count; i++) {
        if (!has(&rows->rows[i], is_of_stream)) continue;
        row_use use = use_of_row(&rows->rows[i], is_of_stream, begin_us, end_us);
        write_row(j, &rows->rows[i]);
        write_categories(j, &rows->rows[i], names);
        write_gaps(j, &use);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void write_threads(json *j, const trace_rows *rows) {
    static const char *const names[] = { "submit", "wait", NULL };
    json_open(j, "threads", '[');
    for (size_t i = 0; i < rows->count; i++) {
        if (!has(&rows->rows[i], is_of_thread)) continue;
        write_row(j, &rows->rows[i]);
        write_categories(j, &rows->rows[i], names);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* ---- Both ---- */

int trace_summarize(const trace_file *file, const trace_rows *rows, bool as_json) {
    kernel_table table;
    double begin_us, end_us, stream_begin_us, stream_end_us;
    if (!sum_kernels(rows, &table)) {
        fprintf(stderr, "rlx trace: out of memory\n");
        return TOOL_FAILED;
    }
    find_window(rows, trace_is_command, &begin_us, &end_us);
    find_window(rows, is_of_stream, &stream_begin_us, &stream_end_us);
    if (as_json) {
        json j = { .file = stdout };
        json_open(&j, NULL, '{');
        json_number(&j, "length_us", rows->end_us - rows->begin_us);
        json_integer(&j, "events", file->count);
        write_kernels(&j, &table);
        write_workers(&j, rows, begin_us, end_us);
        write_streams(&j, rows, stream_begin_us, stream_end_us);
        write_threads(&j, rows);
        json_close(&j, '}');
    } else {
        printf("%.3f ms, %zu events, commands for %.3f ms of them\n\n", (rows->end_us - rows->begin_us) / 1000,
               file->count, (end_us - begin_us) / 1000);
        print_kernels(&table);
        print_workers(rows, begin_us, end_us);
        print_streams(rows, stream_begin_us, stream_end_us);
        print_threads(rows);
    }
    free(table.sums);
    return TOOL_OK;
}
