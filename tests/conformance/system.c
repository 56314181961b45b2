/* What tests ask of the operating system beside threads: time, counts of threads, children, what is printed. POSIX, and
 * /proc where there is one. */
#define _DEFAULT_SOURCE /* mkstemp's and fork's friends, beside POSIX */

#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * RLX_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t conform_now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

uint64_t conform_cpu_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

void conform_sleep_us(uint32_t microseconds) {
    struct timespec rest = { .tv_sec = (time_t)(microseconds / 1000000),
                             .tv_nsec = (long)(microseconds % 1000000) * 1000 };
    while (nanosleep(&rest, &rest) != 0) continue;
}

void conform_sleep_ms(uint32_t milliseconds) { conform_sleep_us(milliseconds * 1000); }

uint32_t conform_thread_count(void) {
    DIR *folder = opendir("/proc/self/task");
    if (!folder) return 0;
    uint32_t count = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

bool conform_loaded(const char *part) {
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps) return false;
    char line[1024];
    bool found = false;
    while (!found && fgets(line, sizeof line, maps)) found = strchr(line, '/') && strstr(strchr(line, '/'), part);
    fclose(maps);
    return found;
}

int conform_in_child(int (*function)(void *user), void *user, uint32_t seconds) {
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        alarm(seconds); /* its default action ends a child that hangs */
        _exit(function(user) & 0xff);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- What the process prints ---- */

static struct { int out, err, file; /* what stdout and stderr were; the file in their place */ } captured;

void conform_capture_begin(conform_test *t) {
    char path[] = "/tmp/rlx-conform-XXXXXX";
    fflush(stdout);
    fflush(stderr);
    captured.file = mkstemp(path);
    CHECK(t, captured.file >= 0, "a temporary file for the test itself");
    unlink(path);
    captured.out = dup(1);
    captured.err = dup(2);
    CHECK(t, captured.out >= 0 && captured.err >= 0 && dup2(captured.file, 1) >= 0 && dup2(captured.file, 2) >= 0,
          "copies of stdout and stderr for the test itself");
}

uint64_t conform_capture_end(conform_test *t, char *text, size_t size) {
    fflush(stdout);
    fflush(stderr);
    dup2(captured.out, 1);
    dup2(captured.err, 2);
    close(captured.out);
    close(captured.err);
    off_t length = lseek(captured.file, 0, SEEK_END);
    CHECK(t, length >= 0, "the temporary file can be read");
    ssize_t got = pread(captured.file, text, size - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    close(captured.file);
    return (uint64_t)length;
}
