/* Running another program.
 *
 * A child of ours must neither know nor disturb the program that we are a guest in: it gets no descriptor, no signal
 * mask and no ignored signals from it, and a process group of its own, so that a time limit ends whatever it has
 * started too.
 *
 * THE END is told twice: the pipe closes, and the child can be waited for. Either may come first. A compiler's cache
 * daemon inherits the pipe and keeps it open for hours, so the pipe alone proves nothing; and where the program around
 * us collects or ignores its children, how ours ended is lost (RLX_PROCESS_UNKNOWN), though not that it did. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"
#include "platform.h"

#define SYSTEM_PATH "/usr/local/bin:/usr/bin:/bin"
#define LOOK_NS UINT64_C(20000000) /* between looks at a child that says nothing */

extern char **environ;

/* ---- Starting ---- */

/* Messages are read by people who search for them: in English. */
static bool is_language(const char *variable) {
    return strncmp(variable, "LC_", 3) == 0 || strncmp(variable, "LANG", 4) == 0;
}

/* An array for the child, to be freed; the strings stay the process's. */
static char **child_environment(void) {
    static char path[] = "PATH=" SYSTEM_PATH, language[] = "LC_ALL=C";
    bool trusted = rlx_environment("PATH") != NULL;
    size_t count = 0;
    for (char **at = environ; trusted && at && *at; at++) count++;
    if (rlx_failpoint(RLX_FAILPOINT_ALLOC)) return NULL;
    char **environment = malloc((count + 3) * sizeof *environment);
    if (!environment) return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < count && environ[i]; i++)
        if (!is_language(environ[i])) environment[kept++] = environ[i];
    if (!trusted) environment[kept++] = path;
    environment[kept++] = language;
    environment[kept] = NULL;
    return environment;
}

static int set_actions(posix_spawn_file_actions_t *actions, int pipe_end) {
    int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawn_file_actions_adddup2(actions, pipe_end, 1);
    if (!error) error = posix_spawn_file_actions_adddup2(actions, pipe_end, 2);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes) {
    static const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL); /* these two cannot be set, and some systems refuse the whole set for them */
    sigdelset(&all, SIGSTOP);
    int error = posix_spawnattr_setflags(attributes, flags);
    if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error) error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
    return error;
}

/* 0, or an errno. */
static int spawn(const char *const *arguments, int pipe_end, pid_t *child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **environment = child_environment();
    int error = environment ? posix_spawn_file_actions_init(&actions) : ENOMEM;
    if (error) goto fail_actions;
    error = posix_spawnattr_init(&attributes);
    if (error) goto fail_attributes;
    error = set_actions(&actions, pipe_end);
    if (!error) error = set_attributes(&attributes);
    /* The interface dates from before const; nothing is written. */
    char *const *writable = (char *const *)(uintptr_t)arguments;
    if (!error && rlx_failpoint(RLX_FAILPOINT_SPAWN)) error = EAGAIN;
    if (!error) error = posix_spawn(child, arguments[0], &actions, &attributes, writable, environment);
    posix_spawnattr_destroy(&attributes);
fail_attributes:
    posix_spawn_file_actions_destroy(&actions);
fail_actions:
    free(environment);
    return error;
}

/* ---- Listening and waiting ---- */

typedef struct child_state {
    pid_t pid;
    int pipe; /* not blocking */
    uint64_t deadline;
    bool silent; /* the pipe is closed */
    bool ended;
    int status; /* as wait tells */
    char *output;
    size_t size;
    rlx_process_result result;
} child_state;

/* Everything that is there now. */
static void listen(child_state *c) {
    char piece[4096];
    for (;;) {
        ssize_t count = read(c->pipe, piece, sizeof piece);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (count <= 0) {
            c->silent = true;
            return;
        }
        size_t room = c->size - 1 - c->result.length, kept = (size_t)count < room ? (size_t)count : room;
        memcpy(c->output + c->result.length, piece, kept);
        c->result.length += kept;
        c->result.cut |= kept < (size_t)count;
    }
}

static void look(child_state *c, int options) {
    pid_t found;
    do found = waitpid(c->pid, &c->status, options);
    while (found < 0 && errno == EINTR);
    c->ended = found != 0;
    if (found < 0) c->status = -1; /* somebody else was told */
}

/* Until something can be read, or for a moment. */
static void pause_a_moment(const child_state *c, uint64_t ns) {
    if (c->silent) {
        struct timespec time = { 0, (long)ns };
        nanosleep(&time, NULL);
        return;
    }
    struct pollfd fd = { .fd = c->pipe, .events = POLLIN };
    (void)poll(&fd, 1, (int)((ns + 999999) / 1000000));
}

static void attend(child_state *c) {
    uint64_t ns = LOOK_NS;
    while (!c->ended) {
        uint64_t now = rlx_platform_clock_ns();
        if (now >= c->deadline) {
            kill(-c->pid, SIGKILL);
            look(c, 0);
            c->result.end = RLX_PROCESS_TIMED_OUT;
            return;
        }
        if (c->silent) ns = ns == LOOK_NS ? 50000 : ns * 2 < LOOK_NS ? ns * 2 : LOOK_NS - 1; /* it is about to end */
        pause_a_moment(c, ns < c->deadline - now ? ns : c->deadline - now);
        if (!c->silent) listen(c);
        look(c, WNOHANG);
    }
    if (!c->silent) listen(c); /* said just before the end */
    bool known = c->status != -1, exited = known && WIFEXITED(c->status);
    c->result.end = !known ? RLX_PROCESS_UNKNOWN : exited ? RLX_PROCESS_EXITED : RLX_PROCESS_SIGNALLED;
    c->result.code = !known ? 0 : exited ? WEXITSTATUS(c->status) : WTERMSIG(c->status);
}

rlx_process_result rlx_process_run(const char *const *arguments, uint64_t timeout_ns, char *output, size_t size) {
    child_state c = { .deadline = rlx_deadline(timeout_ns), .output = output, .size = size };
    int ends[2];
    output[0] = '\0';
    int error = !rlx_failpoint(RLX_FAILPOINT_OPEN) && pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
    if (!error) {
        error = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? spawn(arguments, ends[1], &c.pid) : errno;
        close(ends[1]);
        c.pipe = ends[0];
        if (!error) attend(&c);
        close(ends[0]);
    }
    if (error) c.result = (rlx_process_result){ .end = RLX_PROCESS_FAILED, .code = error };
    output[c.result.length] = '\0';
    return c.result;
}

/* ---- Finding ---- */

/* access asks for the real user, and a set-uid process runs as the effective one: such a process uses its own PATH
 * only, whose programs anyone may run. */
static bool runnable(const char *path) { return access(path, X_OK) == 0; }

bool rlx_process_find(const char *name, char *path, size_t size) {
    if (strchr(name, '/')) return (size_t)snprintf(path, size, "%s", name) < size && runnable(path);
    const char *folders = rlx_environment("PATH");
    if (!folders) folders = SYSTEM_PATH;
    for (;;) {
        size_t length = strcspn(folders, ":");
        /* An empty entry means the current folder, which is no place to take a compiler from. */
        if (length > 0 && (size_t)snprintf(path, size, "%.*s/%s", (int)length, folders, name) < size && runnable(path))
            return true;
        if (!folders[length]) return false;
        folders += length + 1;
    }
}
