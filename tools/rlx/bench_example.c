/* Rows about a whole program: bytelm trains a model through the layer, bytelm-plain the same one in a plain C loop. Both
 * measure themselves, with --bench; here they are started in turn, and what they print is compared. They are found
 * beside this program, as the build leaves them. */
#include "bench.h"

#include <rlx/driver.h>

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 5
#define ROUNDS "3" /* that a program measures in each turn */
#define FIGURE "\"step_ns\":"

extern char **environ;

const bench_example bench_example_rows[] = {
    { "a training step of bytelm, by the plain program", "sync", 0, 1.01 },
    { "a training step of bytelm, 1 worker, by the plain program", "cpu", 1, 1.01 },
    { "a training step of bytelm, 2 workers, by the plain program", "cpu", 2, 0.65 },
    { NULL, NULL, 0, 0 },
};

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

/* Runs a program and finds its figure in what it prints. */
static bool run_program(bench *b, char *const arguments[], double *figure) {
    char text[16384];
    pid_t process = 0;
    int end = start_program(arguments, &process), status = 0;
    if (end < 0) return bench_skip(b, "a program cannot be started");
    read_all(end, text, sizeof text);
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {}
    const char *found = strstr(text, FIGURE);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && found) {
        *figure = strtod(found + strlen(FIGURE), NULL);
        return true;
    }
    snprintf(b->why, sizeof b->why, "%s did not end well, or printed no %s", arguments[0], FIGURE);
    b->failed = true;
    return false;
}

static bool run_ours(bench *b, char *path, const bench_example *row, double *figure) {
    char device[64], workers[64], rounds[] = "--bench=" ROUNDS;
    snprintf(device, sizeof device, "--device=%s", row->device);
    snprintf(workers, sizeof workers, "--workers=%u", row->workers);
    char *arguments[] = { path, rounds, device, row->workers ? workers : NULL, NULL };
    return run_program(b, arguments, figure);
}

static bool run_plain(bench *b, char *path, double *figure) {
    char rounds[] = "--bench=" ROUNDS, *arguments[] = { path, rounds, NULL };
    return run_program(b, arguments, figure);
}

bool bench_example_run(bench *b, const bench_example *row, bench_result *result) {
    char ours_path[4096], plain_path[4096];
    double ours[TURNS], plain[TURNS];
    if (!find_program("bytelm", ours_path, sizeof ours_path))
        return bench_skip(b, "bytelm does not lie beside this program");
    if (!find_program("bytelm-plain", plain_path, sizeof plain_path))
        return bench_skip(b, "bytelm-plain does not lie beside this program");
    for (int i = 0; i < TURNS; i++)
        if (!run_ours(b, ours_path, row, &ours[i]) || !run_plain(b, plain_path, &plain[i])) return false;
    *result = (bench_result){ .unit = "us", .goal = row->goal };
    snprintf(result->name, sizeof result->name, "%s", row->name);
    snprintf(result->device, sizeof result->device, "%s", row->device);
    result->ours = bench_median(ours, TURNS) / 1e3;
    result->baseline = bench_median(plain, TURNS) / 1e3;
    result->ratio = result->ours / result->baseline;
    return true;
}
