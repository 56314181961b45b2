/* Plays a scene in a child process under RLX_TRACE, and gives the test what was written. A process has one trace from
 * its first use of the library to its end, so each scene needs a process of its own; the test itself never uses the
 * library. */
#ifndef TRACE_PLAY_H
#define TRACE_PLAY_H

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "json.h"

typedef void (*play_scene)(void);

static char play_folder[64];

static inline const char *play_path(const char *name) {
    static char paths[4][128];
    static int next;
    if (!play_folder[0]) {
        snprintf(play_folder, sizeof play_folder, "/tmp/rlx-trace-test-XXXXXX");
        if (!mkdtemp(play_folder)) abort();
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", play_folder, name);
    return path;
}

/* Starts it; `trace` NULL: without a trace. It ends by exit, with 0 if every check of the scene held. */
static inline pid_t play_start(play_scene scene, const char *trace) {
    fflush(stdout);
    pid_t child = fork();
    if (child) return child;
    if (trace) setenv("RLX_TRACE", trace, 1);
    else unsetenv("RLX_TRACE");
    alarm(100);
    scene();
    exit(atomic_load(&tap_failures) ? 1 : 0);
}

static inline bool play_end(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    printf("# the scene ended with status 0x%x\n", (unsigned)status);
    return false;
}

/* The trace of a scene as a tree; NULL if it is no JSON, or the scene failed. */
static inline json_value *play_events(json_value *root) {
    const json_value *events = json_get(root, "traceEvents");
    return events && events->type == '[' ? events->first : NULL;
}

static inline json_value *play(play_scene scene) {
    const char *path = play_path("trace.json");
    unlink(path);
    if (!CHECK(play_end(play_start(scene, path)))) return NULL;
    json_value *root = json_file(path);
    CHECK(root && play_events(root));
    return root;
}

/* ---- Questions ---- */

static inline bool event_is(const json_value *event, const char *phase, const char *category) {
    return strcmp(json_get_text(event, "ph"), phase) == 0 &&
           (!category || strcmp(json_get_text(event, "cat"), category) == 0);
}

/* The next event of that kind behind `after` (NULL: the first), with that name unless it is NULL. */
static inline const json_value *event_next(json_value *root, const json_value *after, const char *phase,
                                           const char *category, const char *name) {
    for (const json_value *at = after ? after->next : play_events(root); at; at = at->next)
        if (event_is(at, phase, category) && (!name || strcmp(json_get_text(at, "name"), name) == 0)) return at;
    return NULL;
}

static inline const json_value *event_find(json_value *root, const char *category, const char *name) {
    return event_next(root, NULL, "X", category, name);
}

static inline size_t event_count(json_value *root, const char *phase, const char *category, const char *name) {
    size_t count = 0;
    for (const json_value *at = NULL; (at = event_next(root, at, phase, category, name));) count++;
    return count;
}

static inline double event_begin(const json_value *event) { return json_get_number(event, "ts"); }
static inline double event_end(const json_value *event) { return event_begin(event) + json_get_number(event, "dur"); }
static inline double event_row(const json_value *event) { return json_get_number(event, "tid"); }
static inline double event_argument(const json_value *event, const char *name) {
    return json_get_number(json_get(event, "args"), name);
}
static inline const char *event_text(const json_value *event, const char *name) {
    return json_get_text(json_get(event, "args"), name);
}

/* The name of the row that an event is on. */
static inline const char *event_row_name(json_value *root, const json_value *event) {
    const char *name = "";
    for (const json_value *at = NULL; event && (at = event_next(root, at, "M", NULL, "thread_name"));)
        if (event_row(at) == event_row(event)) name = event_text(at, "name");
    return name;
}

/* ---- What holds for every trace ---- */

static inline int play_by_row_and_time(const void *a, const void *b) {
    const json_value *x = *(const json_value *const *)a, *y = *(const json_value *const *)b;
    double order = event_row(x) - event_row(y);
    if (order == 0) order = event_begin(x) - event_begin(y);
    if (order == 0) order = event_end(y) - event_end(x);
    return (order > 0) - (order < 0);
}

/* Two spans of a row are apart, or one lies within the other. Times have three decimals, in binary fractions. */
static inline void check_nesting(json_value *root) {
    size_t count = event_count(root, "X", NULL, NULL), depth = 0, overlaps = 0;
    const json_value **spans = malloc((count + 1) * sizeof(void *)), **open = malloc((count + 1) * sizeof(void *));
    const json_value *at = NULL;
    for (size_t i = 0; i < count; i++) spans[i] = at = event_next(root, at, "X", NULL, NULL);
    qsort(spans, count, sizeof(void *), play_by_row_and_time);
    for (size_t i = 0; i < count; i++) {
        while (depth && (event_row(open[depth - 1]) != event_row(spans[i]) ||
                         event_end(open[depth - 1]) <= event_begin(spans[i]) + 0.0005))
            depth--;
        if (depth && event_end(spans[i]) > event_end(open[depth - 1]) + 0.0005) {
            if (overlaps++ < 3)
                printf("# '%s' from %.3f to %.3f and '%s' from %.3f to %.3f overlap on row %g\n",
                       json_get_text(open[depth - 1], "name"), event_begin(open[depth - 1]), event_end(open[depth - 1]),
                       json_get_text(spans[i], "name"), event_begin(spans[i]), event_end(spans[i]),
                       event_row(spans[i]));
        }
        open[depth++] = spans[i];
    }
    CHECK_UINT(overlaps, 0);
    free(spans);
    free(open);
}

/* An event on the row and at the time that another one tells. */
static inline bool is_on_a_span(json_value *root, const json_value *end) {
    for (const json_value *at = NULL; (at = event_next(root, at, "X", "batch", NULL));) {
        if (event_row(at) != event_row(end)) continue;
        if (event_begin(at) <= event_begin(end) && event_begin(end) < event_end(at)) return true;
    }
    return false;
}

/* Each arrow has one beginning and one end, both on batches, and leads forward. */
static inline void check_arrows(json_value *root) {
    CHECK_UINT(event_count(root, "s", NULL, NULL), event_count(root, "f", NULL, NULL));
    for (const json_value *from = NULL; (from = event_next(root, from, "s", NULL, NULL));) {
        const json_value *end = NULL;
        size_t ends = 0;
        for (const json_value *to = NULL; (to = event_next(root, to, "f", NULL, NULL));)
            if (json_get_number(to, "id") == json_get_number(from, "id")) ends++, end = to;
        CHECK_UINT(ends, 1);
        if (!end) return;
        CHECK(event_begin(from) <= event_begin(end));
        CHECK(is_on_a_span(root, from));
        CHECK(is_on_a_span(root, end));
    }
}

/* Every row has a name, and everything is of one process. */
static inline void check_rows(json_value *root) {
    enum { ROWS = 1000 };
    static bool named[ROWS];
    double process = json_get_number(event_next(root, NULL, "M", NULL, "process_name"), "pid");
    size_t strangers = 0, nameless = 0;
    CHECK(process > 0);
    memset(named, 0, sizeof named);
    for (const json_value *at = NULL; (at = event_next(root, at, "M", NULL, "thread_name"));)
        if (event_row(at) >= 0 && event_row(at) < ROWS) named[(int)event_row(at)] = event_text(at, "name")[0];
    for (const json_value *at = NULL; (at = event_next(root, at, "X", NULL, NULL));) {
        strangers += json_get_number(at, "pid") != process;
        nameless += event_row(at) < 0 || event_row(at) >= ROWS || !named[(int)event_row(at)];
    }
    CHECK_UINT(strangers, 0);
    CHECK_UINT(nameless, 0);
}

#endif
