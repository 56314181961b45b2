/* `rlx bench`: measures rows. Both sides of a row are run in turn, sample by sample, so that a machine whose speed
 * changes meanwhile changes both, and the medians are compared. A sample does the work as often as it takes to last
 * some milliseconds, and a row ends after a number of samples or some seconds, whichever comes first. */
#include "bench.h"

#include "json.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX 31
#define SAMPLES_MIN 5
#define SAMPLE_NS (4 * RLX_MILLISECOND)
#define ROW_NS (2 * RLX_SECOND)

static const char help[] =
    "usage: rlx bench [--json] [--device NAME] [--filter TEXT] [--list]\n"
    "\n"
    "Measures what the layer costs, each time beside a baseline without it that is run in turn with it. A row is\n"
    "called OURS / BASELINE, and its ratio is that of the two costs: below 1 is better than without.\n"
    "\n"
    "    --json           an array of {name, device, ours, baseline, unit, ratio, goal}; goal is a ratio, or null\n"
    "    --device NAME    only this device; by default `sync` and `cpu`\n"
    "    --filter TEXT    only rows whose name holds this\n"
    "    --list           prints the rows and measures nothing\n"
    "\n"
    "A row that cannot be measured here is left out, and standard error says why: a device with too few workers,\n"
    "say, or the example program bytelm not lying beside this one. A goal that is missed is no failure: it depends\n"
    "on the machine, and on what else runs on it.\n";

typedef struct bench_options {
    const char *device, *filter;
    bool as_json, list;
} bench_options;

static const bench_row *const tables[] = { bench_command_rows,  bench_program_rows, bench_memory_rows,
                                           bench_parallel_rows, bench_growth_rows,  bench_load_rows };

/* ---- For rows ---- */

bool bench_skip(bench *b, const char *reason) {
    b->skipped = true;
    snprintf(b->why, sizeof b->why, "%s", reason);
    return false;
}

bool bench_check(bench *b, rlx_status status) {
    if (status == RLX_OK) return true;
    if (!b->failed) snprintf(b->why, sizeof b->why, "%s", rlx_last_error());
    b->failed = true;
    return false;
}

bool bench_kernel(bench *b, const char *name, rlx_host_function function, const rlx_param *params, uint32_t count,
                  rlx_kernel **kernel) {
    rlx_code code = { RLX_CODE_HOST, .function = function };
    rlx_kernel_desc desc = { .name = name, .params = params, .param_count = count, .codes = &code, .code_count = 1 };
    rlx_status status = rlx_kernel_create(b->device, &desc, kernel);
    if (status == RLX_ERROR_UNSUPPORTED) return bench_skip(b, "the device takes no kernels that are host functions");
    return bench_check(b, status);
}

/* ---- Measuring ---- */

typedef uint64_t (*side)(bench *b, uint64_t count);

/* How often the work fits into a sample. */
static uint64_t calibrate(bench *b, side run) {
    uint64_t count = 1;
    while (!b->failed) {
        uint64_t ns = run(b, count);
        if (ns >= SAMPLE_NS / 2 || count > UINT64_C(1) << 40) break;
        count = ns < SAMPLE_NS / 32 ? count * 8 : count * 2;
    }
    return count;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Both sides in turn; the one that comes first changes, too. */
static void measure(bench *b, const bench_row *row, bench_result *result) {
    double ours[SAMPLES_MAX], baseline[SAMPLES_MAX];
    uint64_t ours_count = calibrate(b, row->ours), baseline_count = calibrate(b, row->baseline);
    uint64_t start = rlx_clock_ns();
    int samples = 0;
    while (samples < SAMPLES_MAX && !b->failed) {
        if (samples % 2) baseline[samples] = (double)row->baseline(b, baseline_count);
        ours[samples] = (double)row->ours(b, ours_count);
        if (samples % 2 == 0) baseline[samples] = (double)row->baseline(b, baseline_count);
        samples++;
        if (samples >= SAMPLES_MIN && rlx_clock_ns() - start > ROW_NS) break;
    }
    if (b->failed) return;
    double scale = row->unit_ns * row->operations;
    result->ours = median(ours, samples) / (double)ours_count / scale;
    result->baseline = median(baseline, samples) / (double)baseline_count / scale;
    result->ratio = result->ours / result->baseline;
    if (row->goal_factor > 0 || row->goal_plus > 0) result->goal = row->goal_factor + row->goal_plus / result->baseline;
}

static void measure_open(bench *b, const bench_row *row, bench_result *result) {
    b->info = rlx_device_info(b->device);
    if (row->workers > b->info->units) {
        char reason[128];
        snprintf(reason, sizeof reason, "it needs %u workers, and the device has %u", row->workers, b->info->units);
        (void)bench_skip(b, reason);
        return;
    }
    if (row->open(b)) measure(b, row, result);
    row->close(b);
}

/* How many workers the device has if one does not say. */
static uint32_t workers_of(const char *device) {
    rlx_device *opened = NULL;
    if (rlx_device_open(device, NULL, &opened)) return 0;
    uint32_t units = rlx_device_info(opened)->units;
    rlx_device_release(opened);
    return units;
}

static void name_result(bench_result *result, const bench_row *row, const char *device) {
    *result = (bench_result){ .goal = 0 };
    snprintf(result->name, sizeof result->name, "%s", row->name);
    snprintf(result->device, sizeof result->device, "%s", device);
    snprintf(result->unit, sizeof result->unit, "%s", row->unit);
}

/* Fills in the figures. False if the row was left out or failed, and `b` says which and why. */
static bool run_row(bench *b, const bench_row *row, const char *device, bench_result *result) {
    b->workers = row->workers;
    if (row->workers > 1 && workers_of(device) < row->workers)
        return bench_skip(b, "it needs more processors than this process may use");
    rlx_device_desc desc = { .workers = row->workers };
    if (!bench_check(b, rlx_device_open(device, &desc, &b->device))) return false;
    measure_open(b, row, result);
    rlx_device_release(b->device);
    return !b->failed && !b->skipped;
}

/* ---- Output ---- */

/* One call of the command. */
typedef struct session {
    const bench_options *options;
    json j;
    uint32_t rows; /* that were wanted */
    bool well;     /* nothing failed so far */
} session;

static void print_result(const bench_result *result) {
    char goal[32] = "", name[200];
    if (result->goal > 0)
        snprintf(goal, sizeof goal, "%8.3f %s", result->goal, result->ratio <= result->goal ? "met" : "missed");
    snprintf(name, sizeof name, "%s, %s", result->device, result->name);
    printf("%-64s %10.4g %10.4g %-3s %8.3f %s\n", name, result->ours, result->baseline, result->unit, result->ratio,
           goal);
}

static void write_result(json *j, const bench_result *result) {
    json_open(j, NULL, '{');
    json_text(j, "name", result->name);
    json_text(j, "device", result->device);
    json_number(j, "ours", result->ours);
    json_number(j, "baseline", result->baseline);
    json_text(j, "unit", result->unit);
    json_number(j, "ratio", result->ratio);
    if (result->goal > 0) json_number(j, "goal", result->goal);
    else json_null(j, "goal");
    json_close(j, '}');
}

static void give(void *user, const bench_result *result) {
    session *s = user;
    if (s->options->list) printf("%s, %s\n", result->device, result->name);
    else if (s->options->as_json) write_result(&s->j, result);
    else print_result(result);
    fflush(stdout);
}

static void give_up(session *s, const char *device, const char *name, const bench *b) {
    fprintf(stderr, "rlx bench: %s, %s: %s: %s\n", device, name, b->failed ? "failed" : "left out", b->why);
    s->well = s->well && !b->failed;
}

/* ---- All rows ---- */

static bool wants(void *user, const char *name, const char *device) {
    session *s = user;
    if (s->options->device && strcmp(device, s->options->device) != 0) return false;
    if (s->options->filter && !strstr(name, s->options->filter)) return false;
    s->rows++;
    return true;
}

static void run_table(session *s, const bench_row *row, const char *device) {
    for (; row->name; row++) {
        if ((row->device && strcmp(row->device, device) != 0) || !wants(s, row->name, device)) continue;
        bench b = { .failed = false };
        bench_result result;
        name_result(&result, row, device);
        if (s->options->list || run_row(&b, row, device, &result)) give(s, &result);
        else give_up(s, device, row->name, &b);
    }
}

static int run_all(const bench_options *options) {
    static const char *const usual[] = { "sync", "cpu" };
    const char *const *devices = options->device ? &options->device : usual;
    size_t count = options->device ? 1 : sizeof usual / sizeof *usual;
    session s = { .options = options, .j = { .file = stdout }, .well = true };
    bool as_json = options->as_json && !options->list;
    if (as_json) json_open(&s.j, NULL, '[');
    else if (!options->list) printf("%-64s %10s %10s %-3s %8s %8s\n", "", "ours", "baseline", "", "ratio", "goal");
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) run_table(&s, tables[t], devices[i]);
    bench b = { .failed = false };
    if (!bench_example_run(&b, options->list, wants, give, &s)) give_up(&s, "cpu and sync", "bytelm", &b);
    if (as_json) json_close(&s.j, ']');
    if (s.rows > 0) return s.well ? TOOL_OK : TOOL_FAILED;
    fprintf(stderr, "rlx bench: no row has '%s' in its name; --list tells their names\n", options->filter);
    return TOOL_USAGE;
}

/* TOOL_OK, or what the word ends with; *done after --help. */
static int read_options(int argc, char **argv, bench_options *options, bool *done) {
    tool_options list = { .argc = argc, .argv = argv };
    bool missing = false;
    for (const char *argument; (argument = tool_next(&list));) {
        if (tool_is(argument, "--help")) {
            fputs(help, stdout);
            *done = true;
        } else if (tool_is(argument, "--json")) options->as_json = true;
        else if (tool_is(argument, "--list")) options->list = true;
        else if (tool_takes(&list, argument, "--device", &missing)) options->device = list.value;
        else if (tool_takes(&list, argument, "--filter", &missing)) options->filter = list.value;
        else return missing ? TOOL_USAGE : tool_unknown(&list, argument);
    }
    return TOOL_OK;
}

int rlx_tool_bench(int argc, char **argv) {
    bench_options options = { .as_json = false };
    bool done = false;
    int code = read_options(argc, argv, &options, &done);
    if (code != TOOL_OK || done) return code;
    rlx_device *device = NULL;
    if (options.device && rlx_device_open(options.device, NULL, &device)) {
        fprintf(stderr, "rlx bench: %s\n", rlx_last_error());
        return TOOL_NO_DEVICE;
    }
    rlx_device_release(device);
    return run_all(&options);
}
