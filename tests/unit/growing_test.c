/* A file that grows is whole after each piece, also where one found no room: it ends as it did before. */
#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "platform/file.h"

/* No file of this process gets longer: what comes after `size` finds no room. */
static void limit_files(rlim_t size) {
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void check_content(const char *path, const char *expected) {
    char text[64] = "";
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[length] = '\0';
    CHECK_STRING(text, expected);
}

static void with_a_file(void (*body)(rlx_growing_file *file, const char *path)) {
    char folder[256], path[300];
    rlx_growing_file file;
    CHECK(rlx_folder_temporary(rlx_temporary_folder(), "rlx-test-", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/file", folder);
    if (CHECK_INT(rlx_growing_open(path, &file), RLX_GROWING_OPENED)) body(&file, path);
    CHECK(rlx_growing_close(&file));
    rlx_folder_remove(folder);
}

static void fail_first(rlx_growing_file *file, const char *path) {
    limit_files(5);
    CHECK(!rlx_growing_write(file, "[first]", 7, 1));
    CHECK_INT(errno, EFBIG);
    limit_files(RLIM_INFINITY);
    check_content(path, "");
    CHECK(rlx_growing_write(file, "[again]", 7, 1));
    check_content(path, "[again]");
}

static void fail_second(rlx_growing_file *file, const char *path) {
    CHECK(rlx_growing_write(file, "[first]", 7, 1));
    limit_files(9);
    CHECK(!rlx_growing_write(file, ", second]", 9, 1));
    limit_files(RLIM_INFINITY);
    check_content(path, "[first]");
    CHECK(rlx_growing_write(file, ", third]", 8, 1));
    check_content(path, "[first, third]");
}

static void a_first_piece_without_room_leaves_an_empty_file(void) { with_a_file(fail_first); }

static void a_later_piece_without_room_leaves_what_was_there(void) { with_a_file(fail_second); }

static const tap_test tests[] = {
    TAP(a_first_piece_without_room_leaves_an_empty_file),
    TAP(a_later_piece_without_room_leaves_what_was_there),
};

int main(int argc, char **argv) {
    signal(SIGXFSZ, SIG_IGN); /* an error instead */
    return tap_run(argc, argv, tests, sizeof tests / sizeof *tests);
}
