/* The text: read from files, split into a part to learn from and a tenth held out, and handed out in batches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTELM_TEXT_H
#define BYTELM_TEXT_H

#include "model.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TEXT_LEAST = 4096,   /* bytes: less is refused */
    TEXT_MOST = 8 << 20, /* bytes: what comes after is left out */
    TEXT_BLOCK = 4096,   /* the longest block that is held out in one piece */
};

typedef struct text {
    unsigned char *train, *held; /* both in one piece of memory; `train` owns it */
    size_t train_size, held_size;
    size_t files;
    uint64_t hash;     /* of all bytes in order */
    bool cut;          /* there was more than TEXT_MOST */
    char message[512]; /* why a function returned false */
} text;

/* Reads files, and folders with all sources and documentation in them, in the order given; the contents of a folder are
 * sorted by name. No names at all: this project's own, which is looked for around the program and the current
 * folder. */
bool text_open(text *t, const char *program, char *const *names, int count);
void text_close(text *t);

/* The batch of a step: examples at random places of `train`, the same for the same seed and step. */
void text_batch(const text *t, uint64_t seed, uint64_t step, uint32_t batch[BATCH_WORDS]);

/* Examples [at, at + count) of the held-out part, count at most BATCH. Every byte of it but the first sixteen, which
 * lack their context, is an example: there are text_held_examples. The rest of the batch is filled with zeros. */
size_t text_held_examples(const text *t);
void text_held_batch(const text *t, size_t at, size_t count, uint32_t batch[BATCH_WORDS]);

/* Bits a byte of those examples under their own frequencies: of single bytes, and of bytes after the byte before. */
typedef struct text_entropy {
    double order0, order1;
} text_entropy;

text_entropy text_entropies(const text *t);

#endif
