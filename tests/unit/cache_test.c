/* The cache of compiled kernels: found when it is right, and only then; whole under several processes; never trusted
 * where others can write. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* unshare */
#endif
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cpu/compiler.h"
#include "backends/cpu/digest.h"
#include "backends/cpu/loader.h"
#include "platform/file.h"

#include "cpu_harness.h"

/* ---- A folder for a test, and loading with it ---- */

static char base[256]; /* of the running test */

static void begin(void) {
    rlx_cpu_host = &harness_host;
    harness_notes[0] = '\0';
    CHECK(rlx_folder_temporary(rlx_temporary_folder(), "rlx-cache-test-", base, sizeof base));
}

static bool remove_inner(void *user, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", (const char *)user, name);
    rlx_folder_each(path, remove_inner, path);
    if (unlink(path) != 0) (void)rmdir(path);
    return true;
}

static void end(void) {
    rlx_folder_each(base, remove_inner, base);
    CHECK(rmdir(base) == 0);
}

static const char *in_base(const char *rest) {
    static char paths[16][512]; /* more than a test asks for */
    static uint32_t next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", base, rest);
    return path;
}

static const char *no_variables(const char *name) { /* as rlx_environment is in a set-uid process */
    (void)name;
    return NULL;
}

typedef struct outcome {
    rlx_status status;
    bool from_cache, kept;
    int value; /* what the kernel wrote */
} outcome;

static const rlx_param params[] = { { RLX_WRITE, 0, 0 } };

static outcome load(const char *folder, rlx_cpu_environment environment, const char *source, const char *options) {
    rlx_cpu_loader loader = { environment, folder };
    rlx_code code = { .format = RLX_CODE_C, .source = source, .entry = "f", .options = options };
    rlx_kernel_desc desc = { .name = "f", .params = params, .param_count = 1, .codes = &code, .code_count = 1 };
    rlx_cpu_loaded loaded;
    outcome o = { .status = rlx_cpu_loader_run(&loader, &desc, &code, &loaded), .value = -1 };
    if (o.status) return o;
    rlx_host_arg arg = { &o.value, sizeof o.value };
    rlx_host_kernel call = { .args = &arg, .arg_count = 1, .groups = { 1, 1, 1 }, .group_size = { 1, 1, 1 } };
    CHECK_INT(loaded.function(&call, 0, 1), RLX_OK);
    o.from_cache = loaded.from_cache;
    o.kept = loaded.kept;
    rlx_library_close(loaded.library);
    return o;
}

static const char source_5[] = "void f(int *x) { *x = 5; }\n";
static const char source_6[] = "void f(int *x) { *x = 6; }\n";

/* All entries below a cache's folder. */
typedef struct listing {
    char folder[512];
    char paths[32][1024]; /* of *.so */
    uint32_t count, folders, temporary;
} listing;

static bool list_entry(void *user, const char *name) {
    listing *l = user;
    size_t length = strlen(name), folder = strlen(l->folder);
    if (length <= 3 || strcmp(name + length - 3, ".so") != 0 || l->count == 32) return true;
    if (!CHECK(folder + 1 + length < sizeof l->paths[0])) return false;
    char *path = l->paths[l->count++];
    memcpy(path, l->folder, folder);
    path[folder] = '/';
    memcpy(path + folder + 1, name, length + 1);
    return true;
}

static bool list_key(void *user, const char *name) {
    listing *l = user;
    char folder[512];
    snprintf(folder, sizeof folder, "%s", l->folder);
    snprintf(l->folder, sizeof l->folder, "%.200s/%.200s", folder, name);
    if (strncmp(name, RLX_CPU_TEMPORARY, strlen(RLX_CPU_TEMPORARY)) == 0) l->temporary++;
    l->folders++;
    rlx_folder_each(l->folder, list_entry, l);
    snprintf(l->folder, sizeof l->folder, "%s", folder);
    return true;
}

static listing *list(const char *folder) {
    static listing l;
    memset(&l, 0, sizeof l);
    snprintf(l.folder, sizeof l.folder, "%s", folder);
    rlx_folder_each(folder, list_key, &l);
    return &l;
}

/* ---- Hits and misses ---- */

static void what_was_compiled_is_found_again(void) {
    begin();
    const char *cache = in_base("a/b/cache");
    outcome first = load(cache, rlx_environment, source_5, NULL);
    CHECK_INT(first.status, RLX_OK);
    CHECK(!first.from_cache && first.kept);
    CHECK_INT(first.value, 5);
    outcome second = load(cache, rlx_environment, source_5, NULL);
    CHECK(second.from_cache);
    CHECK_INT(second.value, 5);
    CHECK_UINT(list(cache)->count, 1);
    CHECK_UINT(list(cache)->temporary, 0);
    struct stat info;
    CHECK(stat(in_base("a"), &info) == 0 && (info.st_mode & 07777) == 0700);
    CHECK(stat(in_base("a/b/cache"), &info) == 0 && (info.st_mode & 07777) == 0700);
    CHECK_STRING(harness_notes, "");
    end();
}

static void another_source_option_or_compiler_is_another_key(void) {
    begin();
    const char *cache = in_base("cache");
    CHECK(!load(cache, rlx_environment, source_5, NULL).from_cache);
    CHECK_INT(load(cache, rlx_environment, source_6, NULL).value, 6);
    CHECK(!load(cache, rlx_environment, source_5, "-DX").from_cache);
    CHECK(load(cache, rlx_environment, source_5, NULL).from_cache);
    setenv("CC", "cc -DY", 1);
    CHECK(!load(cache, rlx_environment, source_5, NULL).from_cache);
    unsetenv("CC");
    setenv("CPATH", "/nowhere", 1);
    CHECK(!load(cache, rlx_environment, source_5, NULL).from_cache);
    unsetenv("CPATH");
    CHECK_UINT(list(cache)->count, 5);
    end();
}

static void write_file(const char *path, const char *text) {
    rlx_file_remove(path);
    CHECK(rlx_file_create(path, text, strlen(text)));
    harness_sleep(20000000); /* file systems count time in ticks: what is compiled later is clearly later */
}

static void an_included_file_that_changed_is_noticed(void) {
    begin();
    const char *cache = in_base("cache");
    char options[600];
    snprintf(options, sizeof options, "-I%s", base);
    static const char source[] = "#include \"a b$.h\"\nvoid f(int *x) { *x = VALUE; }\n";
    write_file(in_base("a b$.h"), "#define VALUE 7\n");
    CHECK_INT(load(cache, rlx_environment, source, options).value, 7);
    CHECK(load(cache, rlx_environment, source, options).from_cache);
    rlx_cpu_loader loader = { rlx_environment, cache };
    rlx_code code = { .format = RLX_CODE_C, .source = source, .entry = "f", .options = options };
    rlx_kernel_desc desc = { .name = "f", .params = params, .param_count = 1 };
    rlx_cpu_loaded old; /* stays loaded: the new one must not be taken for it */
    CHECK_INT(rlx_cpu_loader_run(&loader, &desc, &code, &old), RLX_OK);
    write_file(in_base("a b$.h"), "#define VALUE 8\n");
    outcome changed = load(cache, rlx_environment, source, options);
    CHECK(!changed.from_cache);
    CHECK_INT(changed.value, 8);
    CHECK_INT(load(cache, rlx_environment, source, options).value, 8);
    rlx_library_close(old.library);
    end();
}

static void no_folder_means_no_cache(void) {
    begin();
    outcome o = load("", rlx_environment, source_5, NULL);
    CHECK_INT(o.value, 5);
    CHECK(!o.kept && !o.from_cache);
    CHECK_STRING(harness_notes, "");
    end();
}

/* ---- Entries that are not whole ---- */

static void change_bytes(const char *path, long from_end, const char *bytes) {
    FILE *file = fopen(path, "r+b");
    if (!CHECK(file != NULL)) return;
    fseek(file, -from_end, SEEK_END);
    fputs(bytes, file);
    fclose(file);
}

static void a_broken_entry_is_made_again(void) {
    static const char *const ways[] = { "cut", "empty", "object", "key", "footer", "zero" };
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        begin();
        const char *cache = in_base("cache");
        CHECK_INT(load(cache, rlx_environment, source_5, NULL).value, 5);
        listing *l = list(cache);
        if (!CHECK_UINT(l->count, 1)) return;
        struct stat info;
        CHECK(stat(l->paths[0], &info) == 0);
        if (way == 0) CHECK(truncate(l->paths[0], info.st_size / 2) == 0);
        if (way == 1) CHECK(truncate(l->paths[0], 0) == 0);
        if (way == 2) change_bytes(l->paths[0], info.st_size - 100, "X");
        if (way == 3) change_bytes(l->paths[0], 120, "X");
        if (way == 4) change_bytes(l->paths[0], 40, "X");
        if (way == 5) CHECK(truncate(l->paths[0], info.st_size + 100) == 0);
        outcome again = load(cache, rlx_environment, source_5, NULL);
        CHECK_INT(again.value, 5);
        CHECK(!again.from_cache && again.kept);
        CHECK(load(cache, rlx_environment, source_5, NULL).from_cache);
        if (atomic_load(&tap_failures)) printf("# an entry broken by: %s\n", ways[way]);
        end();
    }
}

/* An entry that is whole, but of another key: as if two keys had one digest. */
static void an_entry_of_another_key_is_not_taken(void) {
    begin();
    const char *cache = in_base("cache");
    rlx_cpu_text one = { 0 }, two = { 0 }, files = { 0 };
    char path[RLX_CPU_PATH_SIZE], name[65], there[RLX_CPU_PATH_SIZE];
    CHECK(rlx_folder_create(cache));
    rlx_cpu_text_print(&one, "the key");
    rlx_cpu_text_print(&two, "another key");
    CHECK(rlx_cpu_cache_put(cache, &one, &files, "object", 6, path, sizeof path));
    CHECK(rlx_cpu_cache_find(cache, &one, there, sizeof there));
    CHECK_STRING(there, path);
    CHECK(!rlx_cpu_cache_find(cache, &two, there, sizeof there));
    rlx_digest_name(two.data, two.length, name, 64);
    char folder[512], moved[600];
    snprintf(folder, sizeof folder, "%s/%s", cache, name);
    snprintf(moved, sizeof moved, "%s/x.so", folder);
    CHECK(rlx_folder_create(folder) && rename(path, moved) == 0);
    CHECK(!rlx_cpu_cache_find(cache, &two, there, sizeof there));
    rlx_cpu_text_clear(&one);
    rlx_cpu_text_clear(&two);
    end();
}

/* Sizes that wrap around, and every cut and every changed byte of an entry. */
static void no_bytes_pass_for_an_entry_but_those_that_were_put(void) {
    begin();
    rlx_cpu_text key = { 0 }, files = { 0 };
    char path[RLX_CPU_PATH_SIZE];
    unsigned char bytes[512], changed[512];
    rlx_cpu_entry entry;
    rlx_file file;
    rlx_cpu_text_print(&key, "key");
    rlx_cpu_text_print(&files, "1 2 /x\n");
    CHECK(rlx_cpu_cache_put(base, &key, &files, "object", 6, path, sizeof path));
    if (!CHECK(rlx_file_open(path, &file) && file.size < sizeof bytes)) return;
    size_t size = (size_t)file.size;
    CHECK(rlx_file_read(&file, bytes, size));
    rlx_file_close(&file);
    CHECK(rlx_cpu_entry_parse(bytes, size, &entry));
    CHECK_UINT(entry.object_size, 6);
    CHECK_UINT(entry.files_size, 7);
    CHECK_UINT(entry.key_size, 3);
    for (size_t cut = 0; cut < size; cut++) CHECK(!rlx_cpu_entry_parse(bytes, cut, &entry));
    for (size_t at = 0; at < size; at++) {
        memcpy(changed, bytes, size);
        changed[at] ^= 0x80;
        CHECK(!rlx_cpu_entry_parse(changed, size, &entry));
    }
    rlx_cpu_text_clear(&key);
    rlx_cpu_text_clear(&files);
    end();
}

/* ---- Folders that are not to be trusted ---- */

static void a_folder_that_others_can_write_to_is_refused(void) {
    static const mode_t modes[] = { 0770, 0777, 0702, 01777 };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        begin();
        const char *cache = in_base("cache");
        CHECK(mkdir(cache, 0700) == 0 && chmod(cache, modes[i]) == 0);
        outcome o = load(cache, rlx_environment, source_5, NULL);
        CHECK_INT(o.value, 5);
        CHECK(!o.kept && !o.from_cache);
        CHECK_HOLDS(harness_notes, "other users can write to it");
        CHECK_UINT(list(cache)->folders, 0);
        end();
    }
}

static void a_folder_of_somebody_else_is_refused(void) {
    if (geteuid() != 0) {
        tap_skip("only root can give a folder away");
        return;
    }
    begin();
    const char *cache = in_base("cache");
    CHECK(mkdir(cache, 0755) == 0 && chown(cache, 12345, 12345) == 0);
    CHECK(!load(cache, rlx_environment, source_5, NULL).kept);
    CHECK_HOLDS(harness_notes, "belongs to another user");
    end();
}

static void an_entry_that_others_can_write_to_is_not_taken(void) {
    begin();
    const char *cache = in_base("cache");
    CHECK(load(cache, rlx_environment, source_5, NULL).kept);
    CHECK(chmod(list(cache)->paths[0], 0666) == 0);
    outcome again = load(cache, rlx_environment, source_5, NULL);
    CHECK(!again.from_cache && again.kept);
    end();
}

static void a_folder_that_cannot_be_made_is_told_and_done_without(void) {
    begin();
    write_file(in_base("file"), "not a folder");
    outcome o = load(in_base("file/cache"), rlx_environment, source_5, NULL);
    CHECK_INT(o.value, 5);
    CHECK(!o.kept);
    CHECK_HOLDS(harness_notes, "cannot be made");
    end();
}

/* ---- The environment ---- */

static const char *some_variables(const char *name) {
    static char cache[512];
    if (strcmp(name, "HOME") == 0) return "/home/somebody";
    if (strcmp(name, "XDG_CACHE_HOME") == 0) return harness_depth > 0 ? "/xdg" : NULL;
    if (strcmp(name, "RLX_CACHE_DIR") == 0 && harness_depth > 1) return strcpy(cache, "/asked");
    return NULL;
}

static void the_folder_comes_from_the_description_then_from_the_environment(void) {
    char folder[256];
    CHECK(rlx_cpu_cache_folder(NULL, some_variables, folder, sizeof folder));
    CHECK_STRING(folder, "/home/somebody/.cache/rlx");
    harness_depth = 1;
    CHECK(rlx_cpu_cache_folder(NULL, some_variables, folder, sizeof folder));
    CHECK_STRING(folder, "/xdg/rlx");
    harness_depth = 2;
    CHECK(rlx_cpu_cache_folder(NULL, some_variables, folder, sizeof folder));
    CHECK_STRING(folder, "/asked");
    CHECK(rlx_cpu_cache_folder("/mine", some_variables, folder, sizeof folder));
    CHECK_STRING(folder, "/mine");
    CHECK(!rlx_cpu_cache_folder("", some_variables, folder, sizeof folder));
    harness_depth = 0;
}

static void a_set_uid_process_takes_nothing_from_the_environment(void) {
    begin();
    char folder[256];
    CHECK(!rlx_cpu_cache_folder(NULL, no_variables, folder, sizeof folder));
    setenv("CC", "/bin/false", 1);
    setenv("RLX_CACHE_DIR", in_base("cache"), 1);
    outcome o = load(NULL, no_variables, source_5, NULL);
    CHECK_INT(o.value, 5); /* by cc, not by $CC */
    CHECK(!o.kept);
    CHECK(rlx_folder_check(in_base("cache")) == RLX_FOLDER_MISSING);
    unsetenv("CC");
    unsetenv("RLX_CACHE_DIR");
    end();
}

/* ---- Several processes ---- */

static int child(const char *cache, uint32_t number) {
    for (uint32_t i = 0; i < 4; i++) {
        char source[128];
        uint32_t value = (number + i) % 4;
        snprintf(source, sizeof source, "void f(int *x) { *x = %u; }\n", value);
        if (load(cache, rlx_environment, source, NULL).value != (int)value) return 1;
    }
    return atomic_load(&tap_failures) ? 2 : 0;
}

static void processes_share_a_cache(void) {
    enum { PROCESSES = 4 };
    begin();
    const char *cache = in_base("cache");
    pid_t children[PROCESSES];
    fflush(NULL);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(child(cache, i));
    }
    for (uint32_t i = 0; i < PROCESSES; i++) {
        int status = -1;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        CHECK_INT(status, 0);
    }
    CHECK_UINT(list(cache)->temporary, 0);
    for (uint32_t i = 0; i < 4; i++) {
        char source[128];
        snprintf(source, sizeof source, "void f(int *x) { *x = %u; }\n", i);
        CHECK(load(cache, rlx_environment, source, NULL).from_cache);
    }
    end();
}

/* ---- What is left over ---- */

static void old_compilations_that_died_are_removed(void) {
    begin();
    const char *cache = in_base("cache");
    CHECK(rlx_folder_create(in_base("cache/tmp-oldone")) && rlx_folder_create(in_base("cache/tmp-newone")));
    write_file(in_base("cache/tmp-oldone/kernel.c"), "left");
    struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    CHECK(utimensat(AT_FDCWD, in_base("cache/tmp-oldone"), times, 0) == 0);
    CHECK(load(cache, rlx_environment, source_5, NULL).kept);
    CHECK(rlx_folder_check(in_base("cache/tmp-oldone")) == RLX_FOLDER_MISSING);
    CHECK(rlx_folder_check(in_base("cache/tmp-newone")) == RLX_FOLDER_PRIVATE);
    end();
}

static void states_of_an_included_file_do_not_pile_up(void) {
    begin();
    rlx_cpu_text key = { 0 };
    char path[RLX_CPU_PATH_SIZE];
    rlx_cpu_text_print(&key, "key");
    for (int i = 0; i < 30; i++) {
        rlx_cpu_text files = { 0 };
        rlx_cpu_text_print(&files, "%d 1 /no/such/file\n", i);
        CHECK(!rlx_cpu_cache_find(base, &key, path, sizeof path));
        CHECK(rlx_cpu_cache_put(base, &key, &files, "object", 6, path, sizeof path));
        rlx_cpu_text_clear(&files);
    }
    CHECK(list(base)->count <= 9);
    rlx_cpu_text_clear(&key);
    end();
}

/* ---- Where nothing may be run ---- */

/* A file system of this process alone. */
static bool mount_noexec(const char *folder) {
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", MS_NOEXEC, "mode=0700") == 0;
}

/* In a process of its own, which may mount: 0 it worked, 77 it may not. */
static int load_from_noexec(const char *cache) {
    if (!mount_noexec(cache)) return 77;
    outcome first = load(cache, rlx_environment, source_5, NULL), second = load(cache, rlx_environment, source_5, NULL);
    if (first.value != 5 || second.value != 5 || !second.from_cache) return 1;
    return strstr(harness_notes, "cannot be loaded from the cache") ? 0 : 2;
}

static void a_cache_where_nothing_may_be_run_is_read_all_the_same(void) {
    begin();
    const char *cache = in_base("cache");
    CHECK(mkdir(cache, 0700) == 0);
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) _exit(load_from_noexec(cache));
    int status = -1;
    CHECK(waitpid(process, &status, 0) == process);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) tap_skip("this user may not mount a file system");
    else CHECK_INT(status, 0);
    end();
}

/* ---- Without memory ---- */

static void every_refused_allocation_is_a_status_and_leaves_nothing(void) {
    begin();
    static const char source[] = "#if 1\n#include \"x.h\"\nvoid f(int *x) { *x = VALUE; }\n#endif\n";
    char options[600];
    write_file(in_base("x.h"), "#define VALUE 9\n");
    snprintf(options, sizeof options, "-I%s", base);
    bool refused = true;
    for (int64_t n = 0; refused && CHECK(n < 200); n++) {
        char name[32];
        snprintf(name, sizeof name, "cache%d", (int)n);
        for (int again = 0; again < 2; again++) { /* once compiled, once found */
            atomic_store(&harness_refuse, n);
            outcome o = load(in_base(name), rlx_environment, source, options);
            refused = atomic_load(&harness_refuse) < 0;
            atomic_store(&harness_refuse, -1);
            CHECK(o.status == RLX_OK ? o.value == 9 : o.status == RLX_ERROR_OUT_OF_MEMORY);
            CHECK_INT(atomic_load(&harness_blocks), 0);
            CHECK_UINT(list(in_base(name))->temporary, 0);
        }
    }
    end();
}

/* ---- SHA-256 ---- */

static void digests_are_those_of_the_standard(void) {
    static const struct {
        const char *text, *digest;
    } known[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    char name[65];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        rlx_digest_name(known[i].text, strlen(known[i].text), name, 64);
        CHECK_STRING(name, known[i].digest);
    }
    rlx_digest digest; /* a million letters, in pieces of changing size */
    unsigned char result[RLX_DIGEST_SIZE];
    char letters[200];
    memset(letters, 'a', sizeof letters);
    rlx_digest_begin(&digest);
    for (size_t left = 1000000, piece = 1; left > 0; piece = piece % 199 + 1) {
        size_t now = piece < left ? piece : left;
        rlx_digest_add(&digest, letters, now);
        left -= now;
    }
    rlx_digest_end(&digest, result);
    CHECK(result[0] == 0xcd && result[1] == 0xc7 && result[31] == 0xd0);
}

static const tap_test tests[] = {
    TAP(what_was_compiled_is_found_again),
    TAP(another_source_option_or_compiler_is_another_key),
    TAP(an_included_file_that_changed_is_noticed),
    TAP(no_folder_means_no_cache),
    TAP(a_broken_entry_is_made_again),
    TAP(an_entry_of_another_key_is_not_taken),
    TAP(no_bytes_pass_for_an_entry_but_those_that_were_put),
    TAP(a_folder_that_others_can_write_to_is_refused),
    TAP(a_folder_of_somebody_else_is_refused),
    TAP(an_entry_that_others_can_write_to_is_not_taken),
    TAP(a_folder_that_cannot_be_made_is_told_and_done_without),
    TAP(the_folder_comes_from_the_description_then_from_the_environment),
    TAP(a_set_uid_process_takes_nothing_from_the_environment),
    TAP(processes_share_a_cache),
    TAP(old_compilations_that_died_are_removed),
    TAP(states_of_an_included_file_do_not_pile_up),
    TAP(a_cache_where_nothing_may_be_run_is_read_all_the_same),
    TAP(every_refused_allocation_is_a_status_and_leaves_nothing),
    TAP(digests_are_those_of_the_standard),
};

TAP_MAIN(tests)
