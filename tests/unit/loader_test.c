/* The loader: where it looks, in which order, and what it says of files that are no backends. Plugins that load are the
 * subject of tests/plugins/run. Each test runs in a child, because plugins are looked for once in a process. */
#include "tap.h"

#include "core/registry.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/rlx_loader_test.XXXXXX";

static rlx_backend_report reports[32];
static uint32_t report_count;

static void in_child(void (*body)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        body();
        fflush(stdout);
        exit(atomic_load(&tap_failures) > 0); /* not _exit: a sanitizer looks for leaks here */
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define IN_CHILD(name) \
    static void name##_body(void); \
    static void name(void) { in_child(name##_body); } \
    static void name##_body(void)

/* ---- Folders made of empty and broken files ---- */

static const char *path_of(const char *name) {
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void make_folder(const char *name) { CHECK_INT(mkdir(path_of(name), 0700), 0); }

static void make_file(const char *name) {
    FILE *file = fopen(path_of(name), "w");
    if (!CHECK(file != NULL)) return;
    fputs("this is no shared library\n", file);
    fclose(file);
}

/* Makes a fresh root and removes it at the end of the process. */
static bool make_root(void) { return CHECK(mkdtemp(root) != NULL); }

static void remove_root(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
}

/* Asks for the report with this search path, and keeps what came from it: what is built in comes first, and may be
 * followed by plugins of the install's own folder. */
static void ask(const char *search_path) {
    setenv("RLX_BACKEND_PATH", search_path, 1);
    rlx_backend_report list[32];
    uint32_t count = 0;
    if (!CHECK_INT(rlx_backends_report(list, 32, &count), RLX_OK)) return;
    for (uint32_t i = 0; i < count && i < 32; i++)
        if (strncmp(list[i].path, root, strlen(root)) == 0) reports[report_count++] = list[i];
}

static void check_refused(uint32_t at, const char *path, const char *part) {
    if (!CHECK(at < report_count)) return;
    CHECK_STRING(reports[at].path, path);
    CHECK(!reports[at].taken && reports[at].devices == 0 && reports[at].name[0] == '\0');
    CHECK_HOLDS(reports[at].reason, part);
}

/* ---- Tests ---- */

IN_CHILD(only_files_named_as_plugins_are_candidates) {
    if (!make_root()) return;
    make_file("rlx_backend_one.so");
    make_file("rlx_backend_.so");
    make_file("rlx_backend_one.so.1");
    make_file("librlx_backend_one.so");
    make_file("rlx_backend");
    make_file(".so");
    ask(root);
    CHECK_UINT(report_count, 1);
    check_refused(0, path_of("rlx_backend_one.so"), "it cannot be loaded: ");
    remove_root();
}

IN_CHILD(folders_are_met_in_order_and_files_by_name) {
    if (!make_root()) return;
    make_folder("b");
    make_folder("a");
    make_file("b/rlx_backend_2.so");
    make_file("b/rlx_backend_10.so");
    make_file("b/rlx_backend_1.so");
    make_file("a/rlx_backend_0.so");
    char search_path[600];
    snprintf(search_path, sizeof search_path, ":%s::%s:", path_of("b"), path_of("a"));
    ask(search_path);
    CHECK_UINT(report_count, 4);
    check_refused(0, path_of("b/rlx_backend_1.so"), "it cannot be loaded");
    check_refused(1, path_of("b/rlx_backend_10.so"), "it cannot be loaded");
    check_refused(2, path_of("b/rlx_backend_2.so"), "it cannot be loaded");
    check_refused(3, path_of("a/rlx_backend_0.so"), "it cannot be loaded");
    remove_root();
}

IN_CHILD(a_named_folder_that_cannot_be_read_is_told) {
    if (!make_root()) return;
    make_file("file");
    char search_path[600];
    snprintf(search_path, sizeof search_path, "%s:%s:%s", path_of("missing"), path_of("file"), root);
    ask(search_path);
    CHECK_UINT(report_count, 2);
    check_refused(0, path_of("missing"), "the folder cannot be read: No such file or directory");
    check_refused(1, path_of("file"), "the folder cannot be read: Not a directory");
    remove_root();
}

IN_CHILD(a_folder_named_twice_is_read_once) {
    if (!make_root()) return;
    make_file("rlx_backend_one.so");
    char search_path[600];
    snprintf(search_path, sizeof search_path, "%s:%s:%s:%s", root, path_of("missing"), root, path_of("missing"));
    ask(search_path);
    CHECK_UINT(report_count, 2);
    remove_root();
}

IN_CHILD(a_folder_in_a_plugins_place_is_told) {
    if (!make_root()) return;
    make_folder("rlx_backend_folder.so");
    ask(root);
    CHECK_UINT(report_count, 1);
    check_refused(0, path_of("rlx_backend_folder.so"), "it cannot be loaded: ");
    remove_root();
}

IN_CHILD(a_link_to_nothing_is_told) {
    if (!make_root()) return;
    CHECK_INT(symlink("nowhere", path_of("rlx_backend_link.so")), 0);
    ask(root);
    CHECK_UINT(report_count, 1);
    check_refused(0, path_of("rlx_backend_link.so"), "it cannot be loaded: ");
    remove_root();
}

IN_CHILD(without_a_search_path_nothing_of_it_is_read) {
    if (!make_root()) return;
    make_file("rlx_backend_one.so");
    ask("");
    CHECK_UINT(report_count, 0);
    remove_root();
}

IN_CHILD(opening_a_built_in_device_by_name_looks_for_no_plugin) {
    if (!make_root()) return;
    setenv("RLX_BACKEND_PATH", path_of("before"), 1);
    rlx_registry_device found;
    CHECK_INT(rlx_registry_find("sync", &found), RLX_OK);
    make_file("rlx_backend_one.so");
    ask(root); /* the first look: had there been one before, this path would not have been read */
    CHECK_UINT(report_count, 1);
    remove_root();
}

static const tap_test tests[] = {
    TAP(only_files_named_as_plugins_are_candidates),  TAP(folders_are_met_in_order_and_files_by_name),
    TAP(a_named_folder_that_cannot_be_read_is_told),  TAP(a_folder_named_twice_is_read_once),
    TAP(a_folder_in_a_plugins_place_is_told),         TAP(a_link_to_nothing_is_told),
    TAP(without_a_search_path_nothing_of_it_is_read), TAP(opening_a_built_in_device_by_name_looks_for_no_plugin),
};

TAP_MAIN(tests)
