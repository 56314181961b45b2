/* The file of a saved model, in the byte order of the machine (the first word tells when it is another's):
 *
 *     head      below
 *     floats    the state: parameters, first moments, second moments
 *     uint64    a checksum of all bytes before it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct head {
    uint64_t magic, version;
    uint64_t context, embedding, hidden, batch; /* the shape, which is compiled in */
    uint64_t floats;
    uint64_t seed, step, text;
} head;

static const uint64_t magic = UINT64_C(0x0a6d6c6574796201); /* "\1bytelm\n" */

static head head_of(const checkpoint *c) {
    return (head){ magic, 1, CONTEXT, EMBEDDING, HIDDEN, BATCH, STATE, c->seed, c->step, c->text };
}

/* FNV-1a over 8 bytes at a time: all parts of the file are multiples of that. */
static uint64_t checksum(uint64_t sum, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        sum = (sum ^ word) * UINT64_C(1099511628211);
        sum ^= sum >> 29;
    }
    return sum;
}

_Static_assert(STATE * sizeof(float) % 8 == 0, "the checksum goes by words");

static uint64_t checksum_of(const head *h, const float *state) {
    return checksum(checksum(UINT64_C(14695981039346656037), h, sizeof *h), state, STATE * sizeof *state);
}

static bool fail(char *message, size_t size, const char *what, const char *path) {
    snprintf(message, size, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

static bool temporary_name(const char *path, char name[PATH_MAX], char *message, size_t size) {
    if (snprintf(name, PATH_MAX, "%s.%ld", path, (long)getpid()) < PATH_MAX) return true;
    errno = ENAMETOOLONG;
    return fail(message, size, "write", path);
}

bool checkpoint_writable(const char *path, char *message, size_t size) {
    char name[PATH_MAX];
    if (!temporary_name(path, name, message, size)) return false;
    FILE *f = fopen(name, "wb");
    if (!f) return fail(message, size, "write", path);
    fclose(f);
    unlink(name);
    return true;
}

bool checkpoint_write(const char *path, const checkpoint *c, char *message, size_t size) {
    char name[PATH_MAX];
    if (!temporary_name(path, name, message, size)) return false;
    head h = head_of(c);
    uint64_t sum = checksum_of(&h, c->state);
    FILE *f = fopen(name, "wb");
    if (!f) return fail(message, size, "write", path);
    bool written = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(c->state, sizeof *c->state, STATE, f) == STATE &&
                   fwrite(&sum, sizeof sum, 1, f) == 1 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    written = fclose(f) == 0 && written;
    if (written && rename(name, path) == 0) return true;
    fail(message, size, "write", path);
    unlink(name);
    return false;
}

/* What a reader should hear who gave the wrong file; NULL if it is the right one. */
static const char *why_not(const head *h) {
    checkpoint c = { h->seed, h->step, h->text, NULL };
    head mine = head_of(&c);
    if (h->magic != mine.magic)
        return h->magic == __builtin_bswap64(mine.magic) ? "it comes from a machine of the other byte order"
                                                         : "it is not a saved model";
    if (h->version != mine.version) return "it is of another version";
    if (memcmp(h, &mine, sizeof mine) != 0) return "its model has another shape";
    return NULL;
}

bool checkpoint_read(const char *path, checkpoint *c, char *message, size_t size) {
    FILE *f = fopen(path, "rb");
    if (!f) return fail(message, size, "load", path);
    head h = { 0 };
    uint64_t sum = 0;
    errno = 0;
    bool whole = fread(&h, sizeof h, 1, f) == 1;
    const char *reason = whole ? why_not(&h) : "it is not a saved model";
    if (!reason) {
        whole = fread(c->state, sizeof *c->state, STATE, f) == STATE && fread(&sum, sizeof sum, 1, f) == 1;
        if (!whole) reason = "it is cut short";
        else if (fgetc(f) != EOF) reason = "it is longer than it should be";
        else if (sum != checksum_of(&h, c->state)) reason = "its checksum is wrong: the file is damaged";
    }
    if (ferror(f)) reason = strerror(errno);
    fclose(f);
    c->seed = h.seed, c->step = h.step, c->text = h.text;
    if (reason) snprintf(message, size, "cannot load %s: %s", path, reason);
    return !reason;
}
