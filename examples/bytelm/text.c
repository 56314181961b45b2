/* Reading the text and handing it out.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The held-out tenth is every tenth block of the text, taken out before anything else looks at it: so it is spread over
 * all files, and no byte of it, not even as context, is ever trained on.
 */
#include "text.h"

#include "random.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 16 }; /* folders in folders */

static bool fail(text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->message, sizeof t->message, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

/* Appends a file to `train`, which holds TEXT_MOST bytes. */
static bool read_file(text *t, const char *path) {
    if (t->train_size == TEXT_MOST) {
        t->cut = true;
        return true;
    }
    FILE *f = fopen(path, "rb");
    if (!f) return fail(t, "cannot open %s: %s", path, strerror(errno));
    errno = 0;
    t->train_size += fread(t->train + t->train_size, 1, TEXT_MOST - t->train_size, f);
    if (t->train_size == TEXT_MOST && fgetc(f) != EOF) t->cut = true;
    bool good = !ferror(f);
    if (!good) fail(t, "cannot read %s: %s", path, strerror(errno));
    fclose(f);
    t->files++;
    return good;
}

/* Sources and documentation; not what is hidden or built. */
static bool is_text(const char *name) {
    static const char *const kinds[] = { ".c", ".h", ".md", ".txt", ".cmake", ".py", ".sh" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(dot, kinds[i]) == 0) return true;
    return false;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names in a folder, sorted; to be freed one by one. */
static bool list_folder(text *t, const char *path, char ***names, size_t *count) {
    *names = NULL, *count = 0;
    size_t capacity = 0;
    DIR *folder = opendir(path);
    if (!folder) return fail(t, "cannot open the folder %s: %s", path, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "build", 5) == 0) continue;
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            char **more = realloc(*names, capacity * sizeof *more);
            if (!more) goto fail;
            *names = more;
        }
        char *name = strdup(entry->d_name);
        if (!name) goto fail;
        (*names)[(*count)++] = name;
    }
    closedir(folder);
    if (*count) qsort(*names, *count, sizeof **names, by_name);
    return true;
fail:
    closedir(folder);
    return fail(t, "out of memory");
}

static bool read_folder(text *t, const char *path, int depth) {
    char **names;
    size_t count;
    bool good = list_folder(t, path, &names, &count);
    for (size_t i = 0; i < count; i++) {
        char inside[PATH_MAX];
        struct stat info;
        bool fits = snprintf(inside, sizeof inside, "%s/%s", path, names[i]) < (int)sizeof inside;
        /* Links are left out: a text is not to be read twice, and a folder is not to hold itself. */
        if (good && fits && lstat(inside, &info) == 0) {
            if (S_ISDIR(info.st_mode) && depth < DEEPEST) good = read_folder(t, inside, depth + 1);
            else if (S_ISREG(info.st_mode) && is_text(names[i])) good = read_file(t, inside);
        }
        free(names[i]);
    }
    free(names);
    return good;
}

static bool read_named(text *t, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return fail(t, "cannot open %s: %s", path, strerror(errno));
    return S_ISDIR(info.st_mode) ? read_folder(t, path, 0) : read_file(t, path);
}

/* Goes up from `path`, which is overwritten, to the folder that holds the project. */
static bool find_upwards(char *path) {
    for (;;) {
        char mark[PATH_MAX + 32];
        snprintf(mark, sizeof mark, "%s/include/rlx/driver.h", path);
        if (access(mark, R_OK) == 0) return true;
        char *slash = strrchr(path, '/');
        if (!slash) return false;
        *slash = '\0';
    }
}

static bool find_project(const char *program, char path[PATH_MAX]) {
    /* A program that was found through $PATH has no folder in its name: then the current folder decides. */
    if (program && strchr(program, '/') && realpath(program, path) && find_upwards(path)) return true;
    return getcwd(path, PATH_MAX) && find_upwards(path);
}

/* ---- Splitting --------------------------------------------------------------------------------------------------- */

static bool hold_out(text *t) {
    size_t size = t->train_size;
    size_t block = size / 100 < TEXT_BLOCK ? size / 100 : TEXT_BLOCK;
    unsigned char *held = malloc(size);
    if (!held) return fail(t, "out of memory");
    t->train_size = t->held_size = 0;
    for (size_t at = 0, i = 0; at < size; at += block, i++) {
        size_t length = size - at < block ? size - at : block;
        if (i % 10 == 9) {
            memcpy(held + t->held_size, t->train + at, length);
            t->held_size += length;
        } else {
            memmove(t->train + t->train_size, t->train + at, length);
            t->train_size += length;
        }
    }
    t->held = t->train + t->train_size;
    memcpy(t->held, held, t->held_size);
    free(held);
    return true;
}

bool text_open(text *t, const char *program, char *const *names, int count) {
    *t = (text){ 0 };
    t->train = malloc(TEXT_MOST);
    if (!t->train) return fail(t, "out of memory");
    char project[PATH_MAX];
    bool good = true;
    for (int i = 0; good && i < count; i++) good = read_named(t, names[i]);
    if (count == 0) {
        if (!find_project(program, project))
            good = fail(t, "the project's own text was not found around the program or here: name files to learn from");
        else good = read_folder(t, project, 0);
    }
    if (good && t->train_size < TEXT_LEAST)
        good =
            fail(t, "%zu bytes of text are too few to learn from: at least %d are needed", t->train_size, TEXT_LEAST);
    t->hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; good && i < t->train_size; i++) t->hash = (t->hash ^ t->train[i]) * UINT64_C(1099511628211);
    if (good && hold_out(t)) return true;
    free(t->train);
    t->train = NULL;
    return false;
}

void text_close(text *t) {
    free(t->train);
    t->train = NULL;
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static void example(uint32_t *batch, size_t i, const unsigned char *target) {
    for (size_t k = 0; k < CONTEXT; k++) batch[i * CONTEXT + k] = target[(ptrdiff_t)k - CONTEXT];
    batch[BATCH * CONTEXT + i] = *target;
}

void text_batch(const text *t, uint64_t seed, uint64_t step, uint32_t batch[BATCH_WORDS]) {
    for (size_t i = 0; i < BATCH; i++)
        example(batch, i, t->train + CONTEXT + random_below(seed, step * BATCH + i, t->train_size - CONTEXT));
}

size_t text_held_examples(const text *t) { return t->held_size - CONTEXT; }

void text_held_batch(const text *t, size_t at, size_t count, uint32_t batch[BATCH_WORDS]) {
    memset(batch, 0, BATCH_WORDS * sizeof *batch);
    for (size_t i = 0; i < count; i++) example(batch, i, t->held + CONTEXT + at + i);
}

/* The entropy of counts that add up to `all`, times `all`. */
static double information(const uint32_t *counts, size_t all) {
    double bits = 0;
    for (size_t i = 0; i < BYTES; i++)
        if (counts[i]) bits += counts[i] * log2((double)all / counts[i]);
    return bits;
}

text_entropy text_entropies(const text *t) {
    static uint32_t pairs[BYTES][BYTES];
    uint32_t singles[BYTES] = { 0 };
    memset(pairs, 0, sizeof pairs);
    for (size_t i = CONTEXT; i < t->held_size; i++) {
        singles[t->held[i]]++;
        pairs[t->held[i - 1]][t->held[i]]++;
    }
    double order1 = 0;
    for (size_t before = 0; before < BYTES; before++) {
        size_t all = 0;
        for (size_t i = 0; i < BYTES; i++) all += pairs[before][i];
        order1 += information(pairs[before], all);
    }
    double examples = (double)text_held_examples(t);
    return (text_entropy){ information(singles, text_held_examples(t)) / examples, order1 / examples };
}
