/* Reading an entry's signature out of C source. */
#include "backends/cpu/source.h"

#include "cpu_harness.h"

/* The signature in short: what it returns, and for each parameter its type, with * for pointers and @ for rlx_group. */
static const char *signature_of(const char *source, const char *entry) {
    static char text[1024];
    static rlx_cpu_signature signature;
    rlx_cpu_host = &harness_host;
    rlx_status status = rlx_cpu_signature_find(source, strlen(source), entry, &signature);
    if (status) {
        snprintf(text, sizeof text, "error %d", (int)status);
    } else {
        snprintf(text, sizeof text, "%s", signature.returns_status ? "status:" : "void:");
        for (uint32_t i = 0; i < signature.count; i++) {
            const rlx_cpu_parameter *p = &signature.parameters[i];
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, " [%s]%s", signature.texts.data + p->type,
                     p->group     ? "@"
                     : p->pointer ? "*"
                                  : "");
        }
    }
    rlx_cpu_signature_clear(&signature);
    return text;
}

#define SIGNATURE(source, expected) CHECK_STRING(signature_of(source, "f"), expected)

static void plain_signatures_are_read(void) {
    SIGNATURE("void f(const float *x, float *y, float a, unsigned n) {}",
              "void: [float *]* [float *]* [float] [unsigned]");
    SIGNATURE("void f(void) {}", "void:");
    SIGNATURE("void f() {}", "void:");
    SIGNATURE("int f(unsigned long long n){return 0;}", "status: [unsigned long long]");
    SIGNATURE("static inline int f(int a) { return a; }", "status: [int]");
    SIGNATURE("void\nf\n(\nint\na\n)\n{\n}", "void: [int]");
    SIGNATURE("void f(float *x, const rlx_group *g) {}", "void: [float *]* [rlx_group *]@");
    SIGNATURE("void f(const struct rlx_group *const g) {}", "void: [struct rlx_group *]@");
}

static void declarators_of_all_kinds_are_read(void) {
    SIGNATURE("void f(float x[], const float y[static 4], float *restrict z) {}", "void: [float]* [float]* [float *]*");
    SIGNATURE("void f(float (*x)[4], float **y) {}", "void: [float *]* [float * *]*");
    SIGNATURE("void f(const unsigned int volatile n, register int m) {}", "void: [unsigned int] [int]");
    SIGNATURE("typedef float real; typedef struct { int a, b; } pair; void f(real a, pair p) {}",
              "void: [real] [pair]");
    SIGNATURE("struct s { int a; }; enum e { A }; void f(struct s a, enum e b) {}", "void: [struct s] [enum e]");
    SIGNATURE("void f(__attribute__((unused)) int n, float *x __attribute__((aligned(64)))) {}",
              "void: [int] [float *]*");
    SIGNATURE("void f(int (n), const uint64_t m) {}", "void: [int] [uint64_t]");
    SIGNATURE("void f(float x[(sizeof(int[3]))], long n) {}", "void: [float]* [long]");
}

static void what_is_no_code_is_skipped(void) {
    SIGNATURE("/* void f(int a) {} */ // void f(long b) {}\nvoid f(float c) {}", "void: [float]");
    SIGNATURE("const char *s = \"void f(int a) {}\"; char c = '\"'; void f(float c) {}", "void: [float]");
    SIGNATURE("#define G void f(int a) {} \\\n void f(int b) {}\nvoid f(float c) {}", "void: [float]");
    SIGNATURE("#define H /* a comment\n over lines */ void f(int b) {}\nvoid f(float c) {}", "void: [float]");
    SIGNATURE("void f(/* first */ float a, // the rate\n int /* in the middle */ n) {}", "void: [float] [int]");
    SIGNATURE("void f(float a, in\\\nt n) {}",
              "void: [float] [in t]"); /* a splice ends a word here: nobody does this */
    SIGNATURE("char *s = \"a\\\"b\"; void f(int n) {}", "void: [int]");
    SIGNATURE("# 12 \"file.c\" 3\nvoid f(int n) {}", "void: [int]");
}

static void only_the_definition_counts(void) {
    SIGNATURE("void f(int); void g(void) { f(1); } void f(int n) {}", "void: [int]");
    SIGNATURE("void g(void (*f)(int)) {} void f(long n) {}", "void: [long]");
    SIGNATURE("int x = (f(1)); struct f { int f; }; void f(float n) {}", "void: [float]");
    SIGNATURE("__attribute__((noinline)) void f(float n) __attribute__((cold)) {}", "void: [float]");
    SIGNATURE("__attribute__((noinline)) void f(float n) __attribute__((cold)); void f(float m) {}", "void: [float]");
    SIGNATURE("void ff(int n) {} void f_(int n) {} void f(short n) {}", "void: [short]");
    SIGNATURE("static const struct { int f; } t = { 1 }; void f(int n) {}", "void: [int]");
    SIGNATURE("int a[] = { 1, 2 }, b; void f(int n) {}", "void: [int]");
}

static void a_source_without_the_entry_is_told(void) {
    SIGNATURE("", "error 11");
    SIGNATURE("void g(void) { void f(int); f(1); }", "error 11");
    SIGNATURE("void f(int n);", "error 11");
    SIGNATURE("DEFINE(f)", "error 11");
    SIGNATURE("void f(int n", "error 11");
    SIGNATURE("/* void f(int n) {}", "error 11");
    SIGNATURE("\"void f(int n) {}", "error 11");
    SIGNATURE("void f(int n) \"x", "error 11");
    SIGNATURE("#if 1 \\", "error 11");
    CHECK_HOLDS(harness_message, "\"f\"");
}

static void what_no_kernel_can_return_or_take_is_refused(void) {
    SIGNATURE("float f(int n) {}", "error 16");
    SIGNATURE("void *f(int n) {}", "error 16");
    SIGNATURE("struct s f(int n) {}", "error 16");
    SIGNATURE("_Bool f(int n) {}", "error 16");
    SIGNATURE("void f(int n, ...) {}", "error 16");
    CHECK_HOLDS(harness_message, "variable");
}

/* Every cut of a source is read to its end without harm; the sanitizers watch. */
static void a_source_can_end_anywhere(void) {
    static const char source[] = "#include <x>\n/* c */ struct s { int a[3]; } t = { { '\\'' } };\n"
                                 "__attribute__((x)) static int f(const float *x[static 2], struct s v) /* b */ { }\n";
    rlx_cpu_host = &harness_host;
    for (size_t length = 0; length < sizeof source; length++) {
        char *copy = malloc(length + 1); /* of exactly this size, so that reading on is seen */
        memcpy(copy, source, length);
        char *cut = realloc(copy, length ? length : 1);
        rlx_cpu_signature signature;
        rlx_status status = rlx_cpu_signature_find(cut, length, "f", &signature);
        bool whole = length > (size_t)(strstr(source, "{ }") - source);
        CHECK_INT(status, whole ? RLX_OK : RLX_ERROR_NOT_FOUND);
        (void)rlx_cpu_source_look(cut, length);
        rlx_cpu_signature_clear(&signature);
        free(cut);
    }
}

static bool conditional(const char *source) { return rlx_cpu_source_look(source, strlen(source)).conditional; }
static bool includes(const char *source) { return rlx_cpu_source_look(source, strlen(source)).includes_driver; }

static void directives_are_seen(void) {
    CHECK(conditional("#if 1\n#endif"));
    CHECK(conditional("int a;\n  #  ifdef X\n#endif"));
    CHECK(conditional("/* c */ #ifndef X\n#endif"));
    CHECK(!conditional("#define if\n// #if\n/*\n#if\n*/ const char *s = \"\\\n#if\";"));
    CHECK(includes("#include <rlx/driver.h>"));
    CHECK(includes("  # include \"../include/rlx/driver.h\" /* types */"));
    CHECK(!includes("// #include <rlx/driver.h>\n#define A <rlx/driver.h>"));
}

static rlx_status check(const char *source, const rlx_param *params, uint32_t count) {
    rlx_cpu_signature signature;
    rlx_kernel_desc desc = { .name = "f", .params = params, .param_count = count };
    rlx_cpu_host = &harness_host;
    rlx_status status = rlx_cpu_signature_find(source, strlen(source), "f", &signature);
    if (!status) status = rlx_cpu_signature_check(&signature, &desc, "f");
    rlx_cpu_signature_clear(&signature);
    return status;
}

static void a_signature_that_is_not_the_descriptions_is_told(void) {
    static const rlx_param params[] = { { RLX_READ, 0, 0 }, { RLX_VALUE, 4, 4 } };
    CHECK_INT(check("void f(float *x, int n) {}", params, 2), RLX_OK);
    CHECK_INT(check("void f(float *x, int n, const rlx_group *g) {}", params, 2), RLX_OK);
    CHECK_INT(check("typedef float *p; void f(p x, int n) {}", params, 2), RLX_OK); /* the compiler will know */
    CHECK_INT(check("void f(float *x) {}", params, 2), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "takes 1 parameters in the source, and 2 in its description");
    CHECK_INT(check("void f(float *x, int n, int m) {}", params, 2), RLX_ERROR_COMPILE);
    CHECK_INT(check("void f(float *x, const rlx_group *g, int n) {}", params, 2), RLX_ERROR_COMPILE);
    CHECK_INT(check("void f(const rlx_group *g) {}", params, 2), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "rlx_group");
    CHECK_INT(check("void f(float x, int n) {}", params, 2), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "parameter 0 of \"f\" is a value in the source (float x)");
    CHECK_INT(check("void f(float *x, const int *n) {}", params, 2), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message,
                "parameter 1 of \"f\" is a pointer in the source (const int *n), and a value of 4 bytes");
}

static const tap_test tests[] = {
    TAP(plain_signatures_are_read),
    TAP(declarators_of_all_kinds_are_read),
    TAP(what_is_no_code_is_skipped),
    TAP(only_the_definition_counts),
    TAP(a_source_without_the_entry_is_told),
    TAP(what_no_kernel_can_return_or_take_is_refused),
    TAP(a_source_can_end_anywhere),
    TAP(directives_are_seen),
    TAP(a_signature_that_is_not_the_descriptions_is_told),
};

TAP_MAIN(tests)
