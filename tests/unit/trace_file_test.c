/* The file of a trace: whole at every moment, of one process, within bounds, and no trouble to the program whatever
 * becomes of it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "trace_play.h"

static char noted[4096]; /* what the log function was told, line by line */

static void note(void *user, rlx_log_level level, const char *text) {
    (void)user;
    if (level < RLX_LOG_WARNING) return;
    size_t used = strlen(noted);
    snprintf(noted + used, sizeof noted - used, "%s\n", text);
}

static rlx_status nap(void *user) {
    (void)user;
    return nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL) ? RLX_ERROR_KERNEL : RLX_OK;
}

/* `count` batches of a host call each, on sync. */
static void work_with(rlx_call_function call, int count) {
    rlx_device *device = NULL;
    rlx_stream *stream = NULL;
    CHECK_INT(rlx_device_open("sync", NULL, &device), RLX_OK);
    CHECK_INT(rlx_stream_create(device, NULL, &stream), RLX_OK);
    for (int i = 0; i < count; i++) {
        CHECK_INT(rlx_stream_host_call(stream, call, NULL), RLX_OK);
        CHECK_INT(rlx_stream_submit_and_wait(stream, RLX_FOREVER), RLX_OK);
    }
    rlx_stream_release(stream);
    rlx_device_release(device);
}

static void work(int count) { work_with(fake_call, count); }
static void scene_work(void) { work(10); }
static void scene_much_work(void) { work(10000); }

static void *work_for_ever(void *user) {
    (void)user;
    work_with(nap, 1 << 30); /* a trace that can still be looked through */
    return NULL;
}

static void start_threads(int count) {
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, work_for_ever, NULL), 0);
        pthread_detach(thread);
    }
}

/* ---- The end of a process ---- */

static void without_the_variable_there_is_no_trace(void) {
    const char *path = play_path("none.json");
    CHECK(play_end(play_start(scene_work, NULL)));
    CHECK(access(path, F_OK) != 0);
}

static void scene_exit(void) {
    start_threads(3);
    work(100);
    exit(atomic_load(&tap_failures) ? 1 : 0); /* in the middle of what the others do */
}

static void exit_in_the_middle_of_things_leaves_whole_json(void) {
    for (int i = 0; i < 10; i++) {
        json_value *root = play(scene_exit);
        CHECK(event_count(root, "X", "host call", NULL) >= 100);
        json_free(root);
    }
}

static void scene_kill(void) {
    work(3000);
    kill(getpid(), SIGKILL);
}

static void a_process_that_is_killed_leaves_what_was_written_by_then_as_whole_json(void) {
    const char *path = play_path("killed.json");
    int status = 0;
    pid_t child = play_start(scene_kill, path);
    while (waitpid(child, &status, 0) < 0) continue;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    json_value *root = json_file(path);
    CHECK(root && play_events(root));
    CHECK(event_count(root, "X", "host call", NULL) > 100);
    json_free(root);
}

static void scene_quick_exit(void) {
    work(10);
    _exit(atomic_load(&tap_failures) ? 1 : 0);
}

static void a_process_that_leaves_without_exit_has_at_least_a_file_that_is_json(void) {
    json_free(play(scene_quick_exit));
}

/* ---- Other processes ---- */

static void scene_fork(void) {
    work(10);
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        rlx_device *device = NULL;
        CHECK_INT(rlx_device_open("sync", NULL, &device), RLX_ERROR_FORKED);
        exit(atomic_load(&tap_failures) ? 1 : 0);
    }
    CHECK(play_end(child));
    work(20000); /* writes after the child has ended */
}

static void a_child_leaves_its_parents_trace_alone(void) {
    json_value *root = play(scene_fork);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 20010);
    check_rows(root);
    json_free(root);
}

static void scene_fork_first(void) {
    fflush(stdout);
    pid_t child = fork();
    work(10);
    if (!child) exit(atomic_load(&tap_failures) ? 1 : 0);
    CHECK(play_end(child));
}

static void p_in_the_name_gives_each_process_its_file(void) {
    char pattern[256], path[300];
    snprintf(pattern, sizeof pattern, "%s/100%%%%-%%p.json",
             play_folder[0] ? play_folder : (play_path("x"), play_folder));
    pid_t parent = play_start(scene_fork_first, pattern);
    CHECK(play_end(parent));
    snprintf(path, sizeof path, "%s/100%%-%ld.json", play_folder, (long)parent);
    json_value *root = json_file(path);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 10);
    json_free(root);
}

static void scene_taken(void) {
    int ready[2], done[2];
    char byte = 0;
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child) { /* the first to open it, and it stays open */
        work(10);
        CHECK(write(ready[1], &byte, 1) == 1);
        CHECK(read(done[0], &byte, 1) == 1);
        CHECK(play_end(child));
        return;
    }
    rlx_log_set(note, NULL);
    CHECK(read(ready[0], &byte, 1) == 1);
    work(10000);
    CHECK_HOLDS(noted, "another process is writing");
    CHECK_HOLDS(noted, "%p");
    CHECK(write(done[1], &byte, 1) == 1);
    exit(atomic_load(&tap_failures) ? 1 : 0);
}

static void a_file_that_another_process_writes_is_left_to_it(void) {
    json_value *root = play(scene_taken);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 10);
    check_rows(root);
    json_free(root);
}

static void an_older_and_longer_file_is_replaced(void) {
    const char *path = play_path("older.json");
    CHECK(play_end(play_start(scene_much_work, path)));
    CHECK(play_end(play_start(scene_work, path)));
    json_value *root = json_file(path);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 10);
    json_free(root);
}

/* ---- What goes wrong ---- */

static void scene_noted(void) {
    rlx_log_set(note, NULL);
    work(10);
    CHECK_HOLDS(noted, "RLX_TRACE: ");
    CHECK(strchr(noted, '\n') == strrchr(noted, '\n')); /* once */
}

static void scene_missing(void) {
    scene_noted();
    CHECK_HOLDS(noted, strerror(ENOENT));
}

static void scene_special(void) {
    scene_noted();
    CHECK_HOLDS(noted, "no plain file");
}

static void a_file_that_cannot_be_written_is_noted_once_and_the_program_goes_on(void) {
    const char *pipe_path = play_path("pipe");
    CHECK(play_end(play_start(scene_missing, "/there/is/no/such/folder/x.json")));
    CHECK(play_end(play_start(scene_special, "/dev/null")));
    CHECK(play_end(play_start(scene_special, "/tmp")));
    CHECK_INT(mkfifo(pipe_path, 0600), 0);
    CHECK(play_end(play_start(scene_special, pipe_path)));
}

static void scene_full(void) {
    rlx_log_set(note, NULL);
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100000, 100000 }), 0);
    work(20000);
    CHECK_HOLDS(noted, strerror(EFBIG));
    CHECK(strchr(noted, '\n') == strrchr(noted, '\n'));
    CHECK_UINT(rlx_trace_word, 0);
}

static void a_full_disk_ends_the_trace_and_what_was_written_is_whole_json(void) {
    json_value *root = play(scene_full);
    CHECK(event_count(root, "X", "host call", NULL) > 10);
    json_free(root);
}

/* ---- Memory ---- */

static _Atomic uint32_t large_allocations;
static bool refuse_large;

static bool count_large(size_t size) {
    if (size < 200000) return true;
    large_allocations++;
    return !refuse_large;
}

static void *work_a_little(void *user) {
    (void)user;
    work(20);
    return NULL;
}

static void scene_threads_come_and_go(void) {
    atomic_store(&rlx_allocation_check, count_large);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, work_a_little, NULL), 0);
        pthread_join(thread, NULL);
    }
    CHECK_UINT(large_allocations, 1);
}

static void threads_that_come_and_go_use_one_buffer_and_lose_nothing(void) {
    json_value *root = play(scene_threads_come_and_go);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 2000);
    CHECK_UINT(event_count(root, "M", NULL, "thread_name"), 200); /* a thread's and a stream's, each time */
    check_rows(root);
    json_free(root);
}

static void scene_no_memory(void) {
    refuse_large = true;
    atomic_store(&rlx_allocation_check, count_large);
    scene_noted();
    CHECK_HOLDS(noted, "no memory");
    refuse_large = false;
    work(7);
}

static void without_memory_a_thread_is_left_out_until_there_is_some(void) {
    json_value *root = play(scene_no_memory);
    CHECK_UINT(event_count(root, "X", "host call", NULL), 7);
    json_free(root);
}

static void the_folder_is_removed(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", play_folder);
    CHECK_INT(system(command), 0);
}

static const tap_test tests[] = {
    TAP(without_the_variable_there_is_no_trace),
    TAP(exit_in_the_middle_of_things_leaves_whole_json),
    TAP(a_process_that_is_killed_leaves_what_was_written_by_then_as_whole_json),
    TAP(a_process_that_leaves_without_exit_has_at_least_a_file_that_is_json),
    TAP(a_child_leaves_its_parents_trace_alone),
    TAP(p_in_the_name_gives_each_process_its_file),
    TAP(a_file_that_another_process_writes_is_left_to_it),
    TAP(an_older_and_longer_file_is_replaced),
    TAP(a_file_that_cannot_be_written_is_noted_once_and_the_program_goes_on),
    TAP(a_full_disk_ends_the_trace_and_what_was_written_is_whole_json),
    TAP(threads_that_come_and_go_use_one_buffer_and_lose_nothing),
    TAP(without_memory_a_thread_is_left_out_until_there_is_some),
};

int main(int argc, char **argv) {
    int status = tap_run(argc, argv, tests, sizeof tests / sizeof *tests);
    if (play_folder[0]) the_folder_is_removed();
    return status;
}
