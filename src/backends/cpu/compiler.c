/* Running the system's C compiler, without a shell: options are split at blanks, and nothing in them has a meaning.
 *
 * Whether a failure is the source's fault or the compiler's is not told by any exit status. So after one the compiler
 * gets an empty source: if it cannot do that either, it is broken, and the next one is tried. */
#include "compiler.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "platform/file.h"
#include "platform/process.h"
#include "platform/processor.h"

/* A kernel computes the same bits whatever the compiler could fuse; its symbols are its own; and a call of something
 * that is not declared is an error now, not when it is loaded. */
static const char *const flags[] = {
    "-O3",
    "-fPIC",
    "-shared",
    "-std=c11",
    "-ffp-contract=off",
    "-fvisibility=hidden",
    "-Werror=implicit-function-declaration",
    "-Werror=int-conversion",
};

/* Variables that change what a compiler includes and links. */
static const char *const variables[] = { "CPATH",         "C_INCLUDE_PATH",  "LIBRARY_PATH",
                                         "COMPILER_PATH", "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH" };

/* ---- Which one ---- */

static const char *skip_blanks(const char *text) { return text + strspn(text, " \t\n"); }
static size_t word_length(const char *text) { return strcspn(text, " \t\n"); }

bool rlx_cpu_compiler_find(uint32_t index, rlx_cpu_environment environment, rlx_cpu_compiler *compiler,
                           rlx_cpu_text *missing) {
    static const char *const names[RLX_CPU_COMPILERS] = { "$CC", "cc", "gcc", "clang" };
    char program[RLX_CPU_PATH_SIZE];
    const char *line = index ? names[index] : environment("CC");
    compiler->name = names[index];
    compiler->arguments = compiler->options = "";
    const char *separator = missing->length ? ", " : "";
    if (!line || !*skip_blanks(line)) {
        rlx_cpu_text_print(missing, "%s%s is not set", separator, names[index]);
        return false;
    }
    line = skip_blanks(line);
    size_t length = word_length(line);
    if (length >= sizeof program) length = sizeof program - 1;
    memcpy(program, line, length);
    program[length] = '\0';
    compiler->arguments = line + word_length(line);
    if (rlx_process_find(program, compiler->path, sizeof compiler->path)) return true;
    if (index) rlx_cpu_text_print(missing, "%s%s is not on PATH", separator, program);
    else rlx_cpu_text_print(missing, "%s$CC is \"%s\", which cannot be run", separator, program);
    return false;
}

bool rlx_cpu_compiler_key(const rlx_cpu_compiler *compiler, rlx_cpu_environment environment, rlx_cpu_text *key) {
    char processor[8192];
    uint64_t size = 0, modified_ns = 0;
    bool known = rlx_file_look(compiler->path, &size, &modified_ns);
    rlx_cpu_text_print(key, "compiler %s, %" PRIu64 " bytes of %" PRIu64 "\narguments%s\nflags", compiler->path, size,
                       modified_ns, compiler->arguments);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) rlx_cpu_text_print(key, " %s", flags[i]);
    rlx_cpu_text_print(key, "\noptions %s\n", compiler->options);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = environment(variables[i]);
        if (value) rlx_cpu_text_print(key, "%s=%s\n", variables[i], value);
    }
    rlx_processor_identity(processor, sizeof processor);
    rlx_cpu_text_print(key, "processor %s\n%s\n", rlx_processor_architecture(), processor);
    return known && processor[0];
}

/* ---- Running it ---- */

#define ARGUMENTS_MAX 512

typedef struct arguments {
    const char *list[ARGUMENTS_MAX + 1];
    size_t count;
    rlx_cpu_text words; /* those that had to be copied, each with its NUL; list holds offsets until the end */
    bool copied[ARGUMENTS_MAX];
    bool too_many;
} arguments;

static void add(arguments *a, const char *word, bool copied) {
    if (a->count == ARGUMENTS_MAX) {
        a->too_many = true;
        return;
    }
    a->copied[a->count] = copied;
    a->list[a->count++] = word;
}

/* The copies move as the text grows, so for now their place in it stands for them. */
static void add_copy(arguments *a, const char *word, size_t length) {
    add(a, (const char *)(uintptr_t)a->words.length, true);
    rlx_cpu_text_add(&a->words, word, length);
    rlx_cpu_text_add(&a->words, "", 1);
}

static void add_words(arguments *a, const char *line) {
    for (line = skip_blanks(line); *line; line = skip_blanks(line + word_length(line)))
        add_copy(a, line, word_length(line));
}

static void add_path(arguments *a, const char *folder, const char *name) {
    char path[RLX_CPU_PATH_SIZE + 32];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    add_copy(a, path, length > 0 ? (size_t)length : 0);
}

static void add_before(arguments *a, const rlx_cpu_compiler *compiler) {
    add(a, compiler->path, false);
    add_words(a, compiler->arguments);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) add(a, flags[i], false);
    if (rlx_processor_compiler_option()) add(a, rlx_processor_compiler_option(), false);
}

/* Runs it; `said` gets its word, or why it has none. */
static rlx_cpu_outcome run(arguments *a, char *said, size_t size) {
    rlx_process_result result = { .end = RLX_PROCESS_FAILED };
    if (a->words.failed || a->too_many) {
        bool failed = a->words.failed;
        snprintf(said, size, "nothing: there are more than %d options", ARGUMENTS_MAX);
        rlx_cpu_text_clear(&a->words);
        return failed ? RLX_CPU_NO_MEMORY : RLX_CPU_REFUSED;
    }
    for (size_t i = 0; i < a->count; i++)
        if (a->copied[i]) a->list[i] = a->words.data + (uintptr_t)a->list[i];
    a->list[a->count] = NULL;
    result = rlx_process_run(a->list, RLX_CPU_COMPILE_S * RLX_SECOND, said, size);
    rlx_cpu_text_clear(&a->words);
    switch (result.end) {
    case RLX_PROCESS_EXITED: return result.code == 0 ? RLX_CPU_COMPILED : RLX_CPU_REFUSED;
    case RLX_PROCESS_UNKNOWN: return RLX_CPU_COMPILED; /* whether it did, what it was to make tells */
    case RLX_PROCESS_TIMED_OUT: return RLX_CPU_SLOW;
    case RLX_PROCESS_SIGNALLED:
        snprintf(said + result.length, size - result.length, "it was ended by signal %d\n", result.code);
        return RLX_CPU_REFUSED;
    case RLX_PROCESS_FAILED: snprintf(said, size, "it cannot be started: %s", strerror(result.code)); break;
    }
    return RLX_CPU_BROKEN;
}

static bool is_there(const char *folder, const char *name) {
    char path[RLX_CPU_PATH_SIZE + 32];
    uint64_t size = 0, modified_ns;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return rlx_file_look(path, &size, &modified_ns) && size > 0;
}

static rlx_cpu_outcome compile_file(const rlx_cpu_compiler *compiler, const char *folder, const char *name, char *said,
                                    size_t size) {
    char source[32], object[32], list[32];
    snprintf(source, sizeof source, "%s.c", name);
    snprintf(object, sizeof object, "%s.so", name);
    snprintf(list, sizeof list, "%s.d", name);
    arguments a = { .count = 0 };
    add_before(&a, compiler);
    add(&a, "-MD", false);
    add(&a, "-MF", false);
    add_path(&a, folder, list);
    add(&a, "-o", false);
    add_path(&a, folder, object);
    add_path(&a, folder, source);
    add_words(&a, compiler->options); /* last, so that they win, and libraries find who needs them */
    add(&a, "-lm", false);
    rlx_cpu_outcome outcome = run(&a, said, size);
    return outcome == RLX_CPU_COMPILED && !is_there(folder, object) ? RLX_CPU_REFUSED : outcome;
}

/* Whether the compiler refused the source or cannot do anything: an empty file tells, without the kernel's options,
 * which may be what is wrong. */
static rlx_cpu_outcome refused_or_broken(const rlx_cpu_compiler *compiler, const char *folder, char *said,
                                         size_t size) {
    static const char nothing[] = "int rlx_nothing;\n";
    char path[RLX_CPU_PATH_SIZE + 32], about_nothing[512];
    rlx_cpu_compiler bare = *compiler;
    bare.options = "";
    snprintf(path, sizeof path, "%s/nothing.c", folder);
    if (!rlx_file_create(path, nothing, sizeof nothing - 1)) return RLX_CPU_REFUSED;
    if (compile_file(&bare, folder, "nothing", about_nothing, sizeof about_nothing) == RLX_CPU_COMPILED)
        return RLX_CPU_REFUSED;
    about_nothing[strcspn(about_nothing, "\n")] = '\0';
    snprintf(said, size, "it cannot compile an empty file%s%s", about_nothing[0] ? ": " : "", about_nothing);
    return RLX_CPU_BROKEN;
}

rlx_cpu_outcome rlx_cpu_compile(const rlx_cpu_compiler *compiler, const char *folder, char *said, size_t size) {
    rlx_cpu_outcome outcome = compile_file(compiler, folder, "kernel", said, size);
    return outcome == RLX_CPU_REFUSED ? refused_or_broken(compiler, folder, said, size) : outcome;
}

rlx_cpu_outcome rlx_cpu_preprocess(const rlx_cpu_compiler *compiler, const char *folder, char *said, size_t size) {
    arguments a = { .count = 0 };
    add_before(&a, compiler);
    add(&a, "-E", false);
    add(&a, "-o", false);
    add_path(&a, folder, "kernel.i");
    add_path(&a, folder, "kernel.c");
    add_words(&a, compiler->options);
    rlx_cpu_outcome outcome = run(&a, said, size);
    if (outcome == RLX_CPU_COMPILED && !is_there(folder, "kernel.i")) outcome = RLX_CPU_REFUSED;
    return outcome == RLX_CPU_REFUSED ? refused_or_broken(compiler, folder, said, size) : outcome;
}

/* ---- What was included ---- */

/* The next name of a rule for make: names end at blanks, a backslash takes the next character as it is (and a line's
 * end as a blank), a dollar is doubled. */
static bool next_name(const char **at, char *name, size_t size) {
    const char *c = *at;
    size_t length = 0;
    while (*c == ' ' || *c == '\t' || *c == '\n' || *c == '\r' || (*c == '\\' && (c[1] == '\n' || c[1] == '\r'))) c++;
    while (*c && *c != ' ' && *c != '\t' && *c != '\n' && *c != '\r' && length + 1 < size) {
        if (*c == '\\' && (c[1] == '\n' || c[1] == '\r')) break;
        if ((*c == '\\' && (c[1] == ' ' || c[1] == '#' || c[1] == '\\')) || (*c == '$' && c[1] == '$')) c++;
        name[length++] = *c++;
    }
    name[length] = '\0';
    *at = c;
    return length > 0;
}

static bool list_files(const char *rule, const char *source, uint64_t written_ns, rlx_cpu_text *files) {
    char name[RLX_CPU_PATH_SIZE];
    const char *at = strstr(rule, ": ");
    if (!at) return false;
    at += 2;
    while (next_name(&at, name, sizeof name)) {
        uint64_t size, modified_ns;
        if (strcmp(name, source) == 0) continue;
        if (strchr(name, '\n') || !rlx_file_look(name, &size, &modified_ns) || modified_ns >= written_ns) return false;
        rlx_cpu_text_print(files, "%" PRIu64 " %" PRIu64 " %s\n", size, modified_ns, name);
    }
    return !*at && !files->failed;
}

bool rlx_cpu_compile_files(const char *folder, rlx_cpu_text *files) {
    char source[RLX_CPU_PATH_SIZE + 32], list[RLX_CPU_PATH_SIZE + 32];
    uint64_t size, written_ns;
    rlx_file file;
    snprintf(source, sizeof source, "%s/kernel.c", folder);
    snprintf(list, sizeof list, "%s/kernel.d", folder);
    if (!rlx_file_look(source, &size, &written_ns) || !rlx_file_open(list, &file)) return false;
    char *rule = rlx_cpu_host->allocate((size_t)file.size + 1);
    bool listed = rule && rlx_file_read(&file, rule, (size_t)file.size);
    rlx_file_close(&file);
    listed = listed && list_files(rule, source, written_ns, files);
    if (rule) rlx_cpu_host->release(rule);
    return listed;
}
