/* The Test Anything Protocol for unit tests, in one header.
 *
 * A test is a function whose name is a sentence about what must hold. A test program lists its functions in a table:
 *
 *     static void an_empty_list_has_no_first(void) {
 *         CHECK(list_first(&empty) == NULL);
 *     }
 *     static const tap_test tests[] = { TAP(an_empty_list_has_no_first) };
 *     TAP_MAIN(tests)
 *
 * and prints `ok 1 - an empty list has no first`. A check that fails says where and what, fails its test and goes on;
 * its value is whether it held, so that a test which cannot go on says so itself: `if (!CHECK(p)) return;`. Checks may
 * be made on any thread. An argument runs only the tests whose name holds it; --list names them. */
#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* How much less a test should do that only takes long because it does the same many times: under a sanitizer each step
 * costs ten times as much, and finds no more the hundred thousandth time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAP_LESS 20
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TAP_LESS 20
#endif
#endif
#ifndef TAP_LESS
#define TAP_LESS 1
#endif

typedef struct tap_test {
    const char *name;
    void (*run)(void);
} tap_test;

#define TAP(function) \
    { #function, function }
#define TAP_MAIN(tests) \
    int main(int argc, char **argv) { return tap_run(argc, argv, tests, sizeof tests / sizeof *tests); }

#define CHECK(condition) tap_check((condition), __FILE__, __LINE__, #condition)
/* Integers and strings print what they are: actual first. */
#define CHECK_INT(actual, expected) tap_check_int((int64_t)(actual), (int64_t)(expected), __FILE__, __LINE__, #actual)
#define CHECK_UINT(actual, expected) \
    tap_check_uint((uint64_t)(actual), (uint64_t)(expected), __FILE__, __LINE__, #actual)
#define CHECK_STRING(actual, expected) tap_check_string((actual), (expected), __FILE__, __LINE__, #actual)
/* That a text, an error message say, holds another. */
#define CHECK_HOLDS(text, part) tap_check_holds((text), (part), __FILE__, __LINE__, #text)

static atomic_uint tap_failures;    /* of the running test */
static const char *tap_skip_reason; /* of the running test; NULL: it is not skipped */

/* Says why the running test could not be made; the test then returns. */
static inline void tap_skip(const char *reason) { tap_skip_reason = reason; }

static inline bool tap_check(bool held, const char *file, int line, const char *text) {
    if (held) return true;
    atomic_fetch_add(&tap_failures, 1);
    printf("# %s:%d: %s\n", file, line, text);
    return false;
}

static inline bool tap_check_int(int64_t actual, int64_t expected, const char *file, int line, const char *text) {
    if (actual == expected) return true;
    atomic_fetch_add(&tap_failures, 1);
    printf("# %s:%d: %s is %" PRId64 ", expected %" PRId64 "\n", file, line, text, actual, expected);
    return false;
}

static inline bool tap_check_uint(uint64_t actual, uint64_t expected, const char *file, int line, const char *text) {
    if (actual == expected) return true;
    atomic_fetch_add(&tap_failures, 1);
    printf("# %s:%d: %s is %" PRIu64 ", expected %" PRIu64 "\n", file, line, text, actual, expected);
    return false;
}

static inline bool tap_check_string(const char *actual, const char *expected, const char *file, int line,
                                    const char *text) {
    if (actual && expected ? strcmp(actual, expected) == 0 : actual == expected) return true;
    atomic_fetch_add(&tap_failures, 1);
    printf("# %s:%d: %s is \"%s\", expected \"%s\"\n", file, line, text, actual ? actual : "(NULL)",
           expected ? expected : "(NULL)");
    return false;
}

static inline bool tap_check_holds(const char *actual, const char *part, const char *file, int line, const char *text) {
    if (actual && strstr(actual, part)) return true;
    atomic_fetch_add(&tap_failures, 1);
    printf("# %s:%d: %s is \"%s\", without \"%s\"\n", file, line, text, actual ? actual : "(NULL)", part);
    return false;
}

/* The name as a sentence: underscores become blanks. */
static inline const char *tap_sentence(const char *name, char *text, size_t size) {
    snprintf(text, size, "%s", name);
    for (char *at = text; *at; at++) *at = *at == '_' ? ' ' : *at;
    return text;
}

static inline bool tap_wanted(const tap_test *test, const char *filter) {
    char sentence[256];
    return !filter || strstr(test->name, filter) || strstr(tap_sentence(test->name, sentence, sizeof sentence), filter);
}

static inline bool tap_run_one(const tap_test *test, size_t number) {
    char sentence[256];
    atomic_store(&tap_failures, 0);
    tap_skip_reason = NULL;
    test->run();
    bool passed = atomic_load(&tap_failures) == 0;
    printf("%sok %zu - %s", passed ? "" : "not ", number, tap_sentence(test->name, sentence, sizeof sentence));
    if (passed && tap_skip_reason) printf(" # SKIP %s", tap_skip_reason);
    printf("\n");
    return passed;
}

static inline int tap_run(int argc, char **argv, const tap_test *tests, size_t count) {
    const char *filter = argc > 1 ? argv[1] : NULL;
    setvbuf(stdout, NULL, _IOLBF, 0); /* so that a crash loses nothing of what was said before */
    if (filter && strcmp(filter, "--list") == 0) {
        for (size_t i = 0; i < count; i++) printf("%s\n", tests[i].name);
        return 0;
    }
    size_t wanted = 0, number = 0, failed = 0;
    for (size_t i = 0; i < count; i++) wanted += tap_wanted(&tests[i], filter);
    printf("1..%zu\n", wanted);
    for (size_t i = 0; i < count; i++) {
        if (tap_wanted(&tests[i], filter)) failed += !tap_run_one(&tests[i], ++number);
    }
    if (wanted == 0) fprintf(stderr, "%s: no test has \"%s\" in its name\n", argv[0], filter ? filter : "");
    return failed > 0 || wanted == 0;
}

#endif
