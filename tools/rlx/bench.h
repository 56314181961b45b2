/* A row of `rlx bench`: the same work through the layer and by hand, and how far apart they may be. */
#ifndef RLX_TOOL_BENCH_H
#define RLX_TOOL_BENCH_H

#include <rlx/driver.h>

#include <stdbool.h>

/* A measurement under way. */
typedef struct bench {
    rlx_device *device;
    const rlx_device_properties *info;
    uint32_t workers; /* that the row asked for */
    void *state;      /* the row's own */
    bool failed;      /* a call failed; `why` has its message */
    bool skipped;     /* the row cannot be measured here; `why` says what is missing */
    char why[512];
} bench;

typedef struct bench_row {
    const char *name;
    const char *device; /* the only device that it is about; NULL: any */
    uint32_t workers;   /* for rlx_device_desc; 0: all */
    const char *unit;   /* "ns", "ms": of one operation */
    double unit_ns;
    double operations; /* that one iteration is counted as */
    /* The goal is that ours costs at most factor * baseline + plus (in `unit`). Both 0: no goal. */
    double goal_factor, goal_plus;
    /* Prepares b->state; false if the row is skipped or has failed. Close is called in any case, also with state
     * NULL. */
    bool (*open)(bench *b);
    void (*close)(bench *b);
    /* Does it `count` times and returns the nanoseconds that this took. */
    uint64_t (*ours)(bench *b, uint64_t count);
    uint64_t (*baseline)(bench *b, uint64_t count);
} bench_row;

/* Tables, each ended by a row without a name. */
extern const bench_row bench_command_rows[], bench_program_rows[], bench_memory_rows[], bench_parallel_rows[],
    bench_growth_rows[], bench_load_rows[];

bool bench_skip(bench *b, const char *reason); /* returns false */
bool bench_check(bench *b, rlx_status status); /* whether it is RLX_OK; otherwise the row has failed */

/* A kernel of a host function. False, as above, where the device takes none. */
bool bench_kernel(bench *b, const char *name, rlx_host_function function, const rlx_param *params, uint32_t count,
                  rlx_kernel **kernel);

/* What came of a row. */
typedef struct bench_result {
    char name[128], device[64], unit[8];
    double ours, baseline, ratio, goal; /* goal as a ratio; 0: none */
} bench_result;

/* The next row of a text that another program has printed (bench_rows.c): moves `text` behind it. 1; 0 if there is
 * none, -1 if what is there is none. */
int bench_read_row(const char **text, bench_result *result);

/* ---- The example (bench_example.c): a whole program through the layer, and the same program without it ---- */

/* Gives each of its rows that is wanted; with `list` none is measured. False if they are skipped or have failed. */
bool bench_example_run(bench *b, bool list, bool (*wants)(void *user, const char *name, const char *device),
                       void (*give)(void *user, const bench_result *result), void *user);

#endif
