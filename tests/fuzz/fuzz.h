/* What fuzz targets share: reading an input piece by piece, and files that hold a piece of it. A piece that the input
 * no longer has is zeros, so that every input is one.
 *
 * A target is one file, tests/fuzz/NAME_fuzz.c. It starts from the seeds that tests/fuzz/seeds makes, and from what has
 * been found, in tests/fuzz/corpus/NAME. It holds what it is given to what is promised: a sanitizer finds what must not
 * be touched, FUZZ_CHECK the rest. */
#ifndef RLX_FUZZ_H
#define RLX_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(condition) \
    do { \
        if (!(condition)) fuzz_fail(#condition, __FILE__, __LINE__); \
    } while (0)

static inline void fuzz_fail(const char *text, const char *file, int line) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    abort();
}

typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static inline void fuzz_take(fuzz_input *input, void *to, size_t size) {
    size_t there = size < input->left ? size : input->left;
    if (size) memset(to, 0, size);
    if (there) memcpy(to, input->at, there);
    input->at += there;
    input->left -= there;
}

static inline uint8_t fuzz_u8(fuzz_input *input) {
    uint8_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}
static inline uint16_t fuzz_u16(fuzz_input *input) {
    uint16_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}
static inline uint32_t fuzz_u32(fuzz_input *input) {
    uint32_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}
static inline uint64_t fuzz_u64(fuzz_input *input) {
    uint64_t value;
    fuzz_take(input, &value, sizeof value);
    return value;
}

/* A number as programs have them: mostly small, at times at an edge. */
static inline uint64_t fuzz_number(fuzz_input *input) {
    switch (fuzz_u8(input) % 6) {
    case 0: return fuzz_u8(input) % 8;
    case 1: return fuzz_u8(input);
    case 2: return fuzz_u16(input);
    case 3: return UINT64_MAX - fuzz_u8(input);
    case 4: return (UINT64_C(1) << (fuzz_u8(input) % 64)) + (uint64_t)(int64_t)(int8_t)fuzz_u8(input);
    default: return fuzz_u64(input);
    }
}

/* A copy in memory of its own, so that a byte beyond it is seen; with a NUL behind it. To be freed. */
static inline char *fuzz_text(fuzz_input *input, size_t size) {
    if (size > input->left) size = input->left;
    char *text = malloc(size + 1);
    if (!text) abort();
    fuzz_take(input, text, size);
    text[size] = '\0';
    return text;
}

/* The rest of the input, the same way. */
static inline char *fuzz_rest(fuzz_input *input) { return fuzz_text(input, input->left); }

/* Where files of a moment go. */
static inline const char *fuzz_folder(void) {
    const char *folder = getenv("TMPDIR");
    return folder && strlen(folder) < 200 ? folder : "/tmp";
}

/* A file without a name in any folder, and the path that leads to it. */
typedef struct fuzz_file {
    int descriptor;
    char path[64];
} fuzz_file;

static inline fuzz_file fuzz_file_make(void) {
    fuzz_file file;
    char name[256];
    snprintf(name, sizeof name, "%s/rlx-fuzz-XXXXXX", fuzz_folder());
    file.descriptor = mkstemp(name);
    if (file.descriptor < 0) abort();
    unlink(name);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
    return file;
}

static inline void fuzz_file_fill(const fuzz_file *file, const void *data, size_t size) {
    if (ftruncate(file->descriptor, 0) || pwrite(file->descriptor, data, size, 0) != (ssize_t)size) abort();
}

#endif
