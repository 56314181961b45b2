/* What surrounds the model of examples/bytelm: the text and its held-out part, saved models, the curve. */
#include "../unit/tap.h"

#include "checkpoint.h"
#include "curve.h"
#include "random.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of this test's own; every file in it is removed by its test. */
static char folder[] = "/tmp/bytelm-test-XXXXXX";

static const char *path_of(const char *name) {
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f) != 0) abort();
}

static void make_folder(void) {
    strcpy(folder, "/tmp/bytelm-test-XXXXXX");
    if (!mkdtemp(folder)) abort();
}

/* ---- Random numbers ---------------------------------------------------------------------------------------------- */

static void random_numbers_depend_on_seed_and_place_and_stay_in_range(void) {
    unsigned counts[10] = { 0 };
    CHECK(random_at(1, 5) == random_at(1, 5) && random_at(1, 5) != random_at(2, 5) &&
          random_at(1, 5) != random_at(1, 6));
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t n = random_below(7, i, 10);
        float u = random_unit(7, i);
        if (!CHECK(n < 10 && u >= 0.0f && u < 1.0f)) return;
        counts[n]++;
    }
    for (int i = 0; i < 10; i++) CHECK(counts[i] > 9500 && counts[i] < 10500);
}

/* ---- The text ---------------------------------------------------------------------------------------------------- */

/* Bytes whose value tells their block of ten: the held-out ones are all 9, the others never. */
static void a_tenth_is_held_out_and_never_trained_on(void) {
    enum { SIZE = TEXT_BLOCK * 250 + 1234 };
    unsigned char *bytes = malloc(SIZE);
    if (!bytes) abort();
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (unsigned char)(i / TEXT_BLOCK % 10);
    make_folder();
    char name[128];
    snprintf(name, sizeof name, "%s", path_of("text"));
    write_file(name, bytes, SIZE);
    text t;
    char *names[] = { name };
    if (CHECK(text_open(&t, NULL, names, 1))) {
        CHECK_UINT(t.held_size, 25 * TEXT_BLOCK);
        CHECK_UINT(t.train_size + t.held_size, SIZE);
        CHECK(memchr(t.train, 9, t.train_size) == NULL);
        for (size_t i = 0; i < t.held_size; i++)
            if (!CHECK(t.held[i] == 9)) break;
        uint32_t batch[BATCH_WORDS];
        for (uint64_t step = 1; step < 2000; step++) {
            text_batch(&t, 1, step, batch);
            for (size_t i = 0; i < BATCH_WORDS; i++)
                if (!CHECK(batch[i] < 9)) return;
        }
        text_close(&t);
    }
    unlink(name);
    rmdir(folder);
    free(bytes);
}

static bool open_bytes(text *t, const unsigned char *bytes, size_t size) {
    make_folder();
    char name[128], *names[] = { name };
    snprintf(name, sizeof name, "%s", path_of("text"));
    write_file(name, bytes, size);
    bool good = text_open(t, NULL, names, 1);
    unlink(name);
    rmdir(folder);
    return good;
}

static void examples_are_sixteen_bytes_and_the_one_that_follows(void) {
    static unsigned char bytes[8000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i % 251);
    text t;
    if (!CHECK(open_bytes(&t, bytes, sizeof bytes))) return;
    uint32_t batch[BATCH_WORDS], again[BATCH_WORDS];
    text_held_batch(&t, 3, 5, batch);
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < CONTEXT; k++) CHECK_UINT(batch[i * CONTEXT + k], t.held[3 + i + k]);
        CHECK_UINT(batch[BATCH * CONTEXT + i], t.held[3 + i + CONTEXT]);
    }
    CHECK_UINT(batch[5 * CONTEXT], 0);
    text_batch(&t, 4, 17, batch);
    text_batch(&t, 4, 17, again);
    CHECK(memcmp(batch, again, sizeof batch) == 0);
    text_batch(&t, 5, 17, again);
    CHECK(memcmp(batch, again, sizeof batch) != 0);
    text_batch(&t, 4, 18, again);
    CHECK(memcmp(batch, again, sizeof batch) != 0);
    text_close(&t);
}

static void entropies_are_those_of_known_texts(void) {
    static unsigned char bytes[40000];
    text t;
    /* Held-out blocks begin at multiples of 400: the turns of a and b go on across their seams. */
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = i % 2 ? 'a' : 'b';
    if (!CHECK(open_bytes(&t, bytes, sizeof bytes))) return;
    text_entropy e = text_entropies(&t);
    CHECK(fabs(e.order0 - 1) < 1e-9 && e.order1 < 1e-9);
    text_close(&t);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)random_below(1, i, 4);
    if (!CHECK(open_bytes(&t, bytes, sizeof bytes))) return;
    e = text_entropies(&t);
    CHECK(fabs(e.order0 - 2) < 0.01 && fabs(e.order1 - 2) < 0.02 && e.order1 < e.order0);
    text_close(&t);
}

static void a_folder_is_read_in_the_order_of_its_names_without_what_is_hidden_or_built(void) {
    static char bytes[3][5000];
    for (int i = 0; i < 3; i++) memset(bytes[i], 'a' + i, sizeof bytes[i]);
    make_folder();
    char inside[128], hidden[128], built[128], *names[] = { folder };
    snprintf(inside, sizeof inside, "%s", path_of("m"));
    snprintf(hidden, sizeof hidden, "%s", path_of(".hidden"));
    snprintf(built, sizeof built, "%s", path_of("build-x"));
    mkdir(inside, 0700), mkdir(hidden, 0700), mkdir(built, 0700);
    write_file(path_of("z.md"), bytes[2], 5000);
    write_file(path_of("a.c"), bytes[0], 5000);
    write_file(path_of("m/file.h"), bytes[1], 5000);
    write_file(path_of("a.o"), "object", 6);
    write_file(path_of(".hidden/file.c"), "hidden", 6);
    write_file(path_of("build-x/file.c"), "built", 5);
    if (symlink(folder, path_of("m/loop"))) abort();
    text t;
    if (CHECK(text_open(&t, NULL, names, 1))) {
        CHECK_UINT(t.files, 3);
        CHECK_UINT(t.train_size + t.held_size, 15000);
        CHECK(t.train[0] == 'a' && t.train[t.train_size / 2] == 'b' && t.train[t.train_size - 1] == 'c');
        text_close(&t);
    }
    const char *files[] = { "z.md", "a.c", "m/file.h", "a.o", ".hidden/file.c", "build-x/file.c", "m/loop" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(path_of(files[i]));
    rmdir(inside), rmdir(hidden), rmdir(built), rmdir(folder);
}

static void more_text_than_is_taken_is_cut(void) {
    unsigned char *bytes = malloc(TEXT_MOST + 1);
    if (!bytes) abort();
    memset(bytes, 'x', TEXT_MOST + 1);
    text t;
    if (CHECK(open_bytes(&t, bytes, TEXT_MOST + 1))) {
        CHECK(t.cut);
        CHECK_UINT(t.train_size + t.held_size, TEXT_MOST);
        text_close(&t);
    }
    if (CHECK(open_bytes(&t, bytes, TEXT_MOST))) {
        CHECK(!t.cut);
        text_close(&t);
    }
    free(bytes);
}

/* ---- Saved models ------------------------------------------------------------------------------------------------ */

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    unsigned char *bytes = malloc(STATE * sizeof(float) + 4096);
    if (!f || !bytes) abort();
    *size = fread(bytes, 1, STATE * sizeof(float) + 4096, f);
    fclose(f);
    return bytes;
}

static char path[128], message[256];
static float state[STATE], state_read[STATE];

static void save_one(void) {
    checkpoint c = { 11, 22, 33, state };
    make_folder();
    snprintf(path, sizeof path, "%s", path_of("model"));
    for (uint32_t i = 0; i < STATE; i++) state[i] = random_unit(5, i) - 0.5f;
    CHECK(checkpoint_writable(path, message, sizeof message));
    CHECK(checkpoint_write(path, &c, message, sizeof message));
}

/* That a file of these bytes is refused with a reason that holds `word`. */
static void check_refused(const void *bytes, size_t size, const char *word) {
    checkpoint c = { 0, 0, 0, state_read };
    write_file(path, bytes, size);
    message[0] = '\0';
    CHECK(!checkpoint_read(path, &c, message, sizeof message));
    CHECK_HOLDS(message, word);
    CHECK_HOLDS(message, path);
}

static void a_saved_model_comes_back_as_it_was(void) {
    checkpoint c = { 0, 0, 0, state_read };
    save_one();
    CHECK(checkpoint_read(path, &c, message, sizeof message));
    CHECK(c.seed == 11 && c.step == 22 && c.text == 33 && memcmp(state, state_read, sizeof state) == 0);
    unlink(path);
    CHECK(rmdir(folder) == 0); /* nothing else was left */
}

static void a_damaged_model_is_refused(void) {
    save_one();
    size_t size;
    unsigned char *bytes = read_file(path, &size);
    CHECK_UINT(size, 80 + STATE * sizeof(float) + 8);
    for (uint64_t i = 0; i < 40; i++) { /* one bit anywhere after the head's first words, the checksum included */
        size_t at = i < 24 ? 56 + i : 80 + random_below(1, i, size - 80);
        bytes[at] ^= (unsigned char)(1 << i % 8);
        check_refused(bytes, size, "checksum");
        bytes[at] ^= (unsigned char)(1 << i % 8);
    }
    check_refused(bytes, size - 1, "cut short");
    check_refused(bytes, 100, "cut short");
    check_refused(bytes, 79, "not a saved model");
    check_refused(bytes, 0, "not a saved model");
    bytes[size] = 0;
    check_refused(bytes, size + 1, "longer");
    bytes[1] ^= 1;
    check_refused(bytes, size, "not a saved model");
    bytes[1] ^= 1, bytes[8]++;
    check_refused(bytes, size, "version");
    bytes[8]--, bytes[16]++;
    check_refused(bytes, size, "shape");
    bytes[16]--;
    for (int i = 0; i < 4; i++) {
        unsigned char kept = bytes[i];
        bytes[i] = bytes[7 - i], bytes[7 - i] = kept;
    }
    check_refused(bytes, size, "byte order");
    free(bytes);
    unlink(path);
    rmdir(folder);
}

static void a_model_that_cannot_be_written_leaves_the_old_one(void) {
    checkpoint c = { 11, 22, 33, state };
    save_one();
    char below[160];
    snprintf(below, sizeof below, "%s/model", path); /* inside of what is a file */
    CHECK(!checkpoint_writable(below, message, sizeof message));
    CHECK_HOLDS(message, below);
    CHECK(!checkpoint_write(below, &c, message, sizeof message));
    /* A file that can be written, but not put into place. */
    snprintf(below, sizeof below, "%s", path_of("taken"));
    CHECK(mkdir(below, 0700) == 0);
    CHECK(!checkpoint_write(below, &c, message, sizeof message));
    CHECK_HOLDS(message, below);
    c.state = state_read;
    CHECK(checkpoint_read(path, &c, message, sizeof message));
    unlink(path);
    rmdir(below);
    CHECK(rmdir(folder) == 0);
    CHECK(!checkpoint_read(path, &c, message, sizeof message));
    CHECK_HOLDS(message, "No such file");
}

/* ---- The curve --------------------------------------------------------------------------------------------------- */

static void a_curve_takes_any_number_of_steps(void) {
    curve c = { 0 };
    const uint64_t steps = 100000;
    double sum = 0;
    for (uint64_t i = 0; i < steps; i++) curve_add(&c, (double)i);
    CHECK_UINT(c.added, steps);
    CHECK(c.bin_steps * CURVE_BINS >= steps);
    for (uint64_t i = 0; i * c.bin_steps < steps; i++) {
        uint64_t first = i * c.bin_steps, end = first + c.bin_steps < steps ? first + c.bin_steps : steps;
        CHECK(fabs(c.bins[i] - (double)(first + end - 1) / 2) < 1e-6);
        sum += c.bins[i] * (double)(end - first);
    }
    CHECK(fabs(sum / (double)steps - (double)(steps - 1) / 2) < 1e-3);
}

static void a_curve_without_steps_can_be_drawn(void) {
    curve c = { .first_step = 70 };
    make_folder();
    snprintf(path, sizeof path, "%s", path_of("curve.svg"));
    CHECK(curve_draw(&c, path, 5, 3));
    size_t size;
    unsigned char *bytes = read_file(path, &size);
    bytes[size] = '\0';
    CHECK_HOLDS((char *)bytes, "order-1 3.00");
    CHECK(strstr((char *)bytes, "nan") == NULL && strstr((char *)bytes, "inf") == NULL);
    free(bytes);
    unlink(path);
    rmdir(folder);
    CHECK(!curve_draw(&c, path, 5, 3));
}

static const tap_test tests[] = {
    TAP(random_numbers_depend_on_seed_and_place_and_stay_in_range),
    TAP(a_tenth_is_held_out_and_never_trained_on),
    TAP(examples_are_sixteen_bytes_and_the_one_that_follows),
    TAP(entropies_are_those_of_known_texts),
    TAP(a_folder_is_read_in_the_order_of_its_names_without_what_is_hidden_or_built),
    TAP(more_text_than_is_taken_is_cut),
    TAP(a_saved_model_comes_back_as_it_was),
    TAP(a_damaged_model_is_refused),
    TAP(a_model_that_cannot_be_written_leaves_the_old_one),
    TAP(a_curve_takes_any_number_of_steps),
    TAP(a_curve_without_steps_can_be_drawn),
};
TAP_MAIN(tests)
