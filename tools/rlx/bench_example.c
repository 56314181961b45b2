/* Rows about a whole program: bytelm trains a model through the layer and, in the same process and in turn, in a plain
 * C loop. It measures itself, and prints rows as this program does; here they are read. It is found beside this
 * program, as the build leaves it. */
#include "bench.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS "--bench=100"

extern char **environ;

/* What it would print, for --list and to know whether it is worth starting. */
static const struct {
    const char *name, *device;
} rows[] = { { "bytelm step, 1 thread", "sync" },
             { "bytelm step, 2 workers", "cpu" },
             { "bytelm step, 2 workers, against two plain loops side by side", "cpu" } };

/* The path of a program in this one's folder. False if there is none that can be run. */
static bool find_program(const char *name, char *path, size_t size) {
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0) return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash + 1 - path) + strlen(name) >= size) return false;
    memcpy(slash + 1, name, strlen(name) + 1);
    return access(path, X_OK) == 0;
}

/* Starts a program whose output goes to the returned end of a pipe. -1 if that fails. */
static int start_program(char *const arguments[], pid_t *process) {
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe(ends)) return -1;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (error == 0) error = posix_spawn_file_actions_addclose(&actions, ends[0]);
        if (error == 0) error = posix_spawn(process, arguments[0], &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (error == 0) return ends[0];
    close(ends[0]);
    return -1;
}

/* All that there is to read; what does not fit is read and dropped. */
static void read_all(int end, char *text, size_t size) {
    size_t used = 0;
    char rest[256];
    for (;;) {
        bool room = used < size - 1;
        ssize_t got = read(end, room ? text + used : rest, room ? size - 1 - used : sizeof rest);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (room) used += (size_t)got;
    }
    text[used] = '\0';
    close(end);
}

/* ---- Running it ---- */

static bool fail(bench *b, const char *reason) {
    b->failed = true;
    snprintf(b->why, sizeof b->why, "%s", reason);
    return false;
}

static bool run_program(bench *b, char *text, size_t size) {
    char path[4096], rounds[] = ROUNDS, *arguments[] = { path, rounds, NULL };
    pid_t process = 0;
    int status = 0;
    if (!find_program("bytelm", path, sizeof path)) return bench_skip(b, "it does not lie beside this program");
    int end = start_program(arguments, &process);
    if (end < 0) return fail(b, "it cannot be started");
    read_all(end, text, size);
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR) return fail(b, "its end was missed");
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || fail(b, "it did not end well");
}

bool bench_example_run(bench *b, bool list, bool (*wants)(void *user, const char *name, const char *device),
                       void (*give)(void *user, const bench_result *result), void *user) {
    char text[8192];
    bool any = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!wants(user, rows[i].name, rows[i].device)) continue;
        bench_result result = { .goal = 0 };
        snprintf(result.name, sizeof result.name, "%s", rows[i].name);
        snprintf(result.device, sizeof result.device, "%s", rows[i].device);
        if (list) give(user, &result);
        any = true;
    }
    if (list || !any) return true;
    if (!run_program(b, text, sizeof text)) return false;
    bench_result result;
    int read = 0;
    for (const char *at = text; (read = bench_read_row(&at, &result)) > 0;)
        if (wants(user, result.name, result.device)) give(user, &result);
    if (read < 0) return fail(b, "it printed something else than rows");
    return true;
}
