/* Kernels in each format, run on both devices. */
#include <sys/stat.h>
#include <unistd.h>

#include "backends/cpu/loader.h"
#include "platform/file.h"
#include "platform/process.h"

#include "cpu_harness.h"

/* ---- Making and running kernels ---- */

typedef struct setup {
    harness_device device;
    harness_stream *stream;
    void *kernel;
    rlx_status status; /* of kernel_create */
} setup;

static setup make(uint32_t workers, const rlx_param *params, uint32_t param_count, const rlx_code *code) {
    setup s = { .device = harness_open(workers) };
    rlx_kernel_desc desc = { .name = code->entry,
                             .params = params,
                             .param_count = param_count,
                             .codes = code,
                             .code_count = 1,
                             .group_size = { 1, 1, 1 } };
    s.stream = harness_stream_open(&s.device);
    harness_message[0] = '\0';
    s.status = s.device.backend->kernel_create(s.device.handle, &desc, code, &s.kernel);
    return s;
}

static void unmake(setup *s) {
    if (!s->status) s->device.backend->kernel_destroy(s->device.handle, s->kernel);
    harness_stream_close(s->stream);
    harness_close(&s->device);
}

static rlx_status run(setup *s, const rlx_host_arg *args, uint32_t count, uint32_t x, uint32_t y, uint32_t z,
                      uint32_t shared) {
    rlx_packet_dispatch dispatch = harness_dispatch(s->kernel, x * y * z);
    dispatch.groups[0] = x;
    dispatch.groups[1] = y;
    dispatch.groups[2] = z;
    dispatch.group_size[0] = 64;
    dispatch.args = args;
    dispatch.arg_count = count;
    dispatch.shared_bytes = shared;
    return harness_run_one(s->stream, &dispatch.base);
}

/* Of source, without a cache. */
static setup make_c(uint32_t workers, const char *source, const rlx_param *params, uint32_t param_count) {
    rlx_code code = { .format = RLX_CODE_C, .source = source, .entry = "f" };
    return make(workers, params, param_count, &code);
}

static rlx_status compile(const char *source, const rlx_param *params, uint32_t param_count) {
    setup s = make_c(0, source, params, param_count);
    rlx_status status = s.status;
    unmake(&s);
    return status;
}

static const rlx_param buffer_and_value[] = { { RLX_READ_WRITE, 0, 0 }, { RLX_VALUE, 4, 4 } };
static const rlx_param one_buffer[] = { { RLX_READ_WRITE, 0, 0 } };

/* ---- Host functions and shared memory ---- */

static rlx_status use_scratch(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    atomic_uint *bad = kernel->user;
    unsigned char *shared = kernel->shared;
    if ((uintptr_t)shared % 64 || kernel->shared_bytes != 100000) atomic_fetch_add(bad, 1);
    for (uint64_t i = first; i < first + count; i++) {
        memset(shared, (int)(i & 0xff), kernel->shared_bytes);
        harness_sleep(10000);
        for (uint32_t b = 0; b < kernel->shared_bytes; b += 999)
            if (shared[b] != (i & 0xff)) atomic_fetch_add(bad, 1);
    }
    return RLX_OK;
}

static void each_running_group_has_scratch_of_its_own(void) {
    for (uint32_t workers = 0; workers <= 4; workers++) {
        atomic_uint bad = 0;
        rlx_code code = { .format = RLX_CODE_HOST, .function = use_scratch, .user = &bad, .entry = "f" };
        setup s = make(workers, NULL, 0, &code);
        CHECK_INT(s.status, RLX_OK);
        CHECK_INT(run(&s, NULL, 0, 300, 1, 1, 100000), RLX_OK);
        CHECK_UINT(atomic_load(&bad), 0);
        unmake(&s);
    }
}

static rlx_status see_no_scratch(const rlx_host_kernel *kernel, uint64_t first, uint64_t count) {
    (void)first;
    (void)count;
    return kernel->shared ? RLX_ERROR_INVALID : RLX_OK;
}

static void scratch_of_no_bytes_is_null(void) {
    rlx_code code = { .format = RLX_CODE_HOST, .function = see_no_scratch, .entry = "f" };
    setup s = make(2, NULL, 0, &code);
    CHECK_INT(run(&s, NULL, 0, 5, 1, 1, 0), RLX_OK);
    unmake(&s);
}

/* ---- C source ---- */

static void values_and_buffers_arrive_in_order(void) {
    static const char source[] =
        "typedef struct { double a; int b; char c; } odd;\n"
        "void f(const float *x, unsigned char small, float *y, double d, odd o, long long wide, float one) {\n"
        "    y[0] = x[1]; y[1] = small; y[2] = (float)d; y[3] = (float)o.a; y[4] = (float)o.b; y[5] = o.c;\n"
        "    y[6] = (float)(wide >> 40); y[7] = one;\n"
        "}\n";
    struct odd {
        double a;
        int b;
        char c;
    } odd = { 4, 5, 6 };
    static const rlx_param params[] = { { RLX_READ, 0, 0 },  { RLX_VALUE, 1, 1 },          { RLX_WRITE, 0, 0 },
                                        { RLX_VALUE, 8, 8 }, { RLX_VALUE, sizeof odd, 8 }, { RLX_VALUE, 8, 8 },
                                        { RLX_VALUE, 4, 4 } };
    float x[2] = { 0, 1 }, y[8] = { 0 }, one = 8;
    unsigned char small = 2;
    double d = 3;
    long long wide = 7LL << 40;
    const rlx_host_arg args[] = { { x, sizeof x },      { &small, 1 },          { y, sizeof y },     { &d, sizeof d },
                                  { &odd, sizeof odd }, { &wide, sizeof wide }, { &one, sizeof one } };
    setup s = make_c(0, source, params, 7);
    if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 7, 1, 1, 1, 0), RLX_OK);
    for (int i = 0; i < 8; i++) CHECK_INT(y[i], i + 1);
    unmake(&s);
}

static void each_group_learns_which_it_is(void) {
    static const char source[] = "void f(unsigned *y, const rlx_group *g) {\n"
                                 "    unsigned i = g->id[0] + g->count[0] * (g->id[1] + g->count[1] * g->id[2]);\n"
                                 "    y[i] += g->count[2] == 7 && g->size[0] == 64 && g->shared_bytes == 128;\n"
                                 "    ((unsigned char *)g->shared)[127] = 1;\n"
                                 "}\n";
    for (uint32_t workers = 0; workers <= 3; workers++) {
        uint32_t y[5 * 3 * 7] = { 0 }, wrong = 0;
        const rlx_host_arg args[] = { { y, sizeof y } };
        setup s = make_c(workers, source, one_buffer, 1);
        if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 1, 5, 3, 7, 128), RLX_OK);
        for (size_t i = 0; i < sizeof y / sizeof *y; i++) wrong += y[i] != 1;
        CHECK_UINT(wrong, 0);
        unmake(&s);
    }
}

static void a_status_that_is_returned_fails_the_command(void) {
    static const char source[] = "static int f(int *x, int n) { return x[0]++ == n ? 4711 : 0; }";
    int x = 0, n = 3;
    const rlx_host_arg args[] = { { &x, sizeof x }, { &n, sizeof n } };
    setup s = make_c(0, source, buffer_and_value, 2);
    if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 2, 10, 1, 1, 0), RLX_ERROR_KERNEL);
    CHECK_INT(s.stream->fault.vendor_code, 4711);
    CHECK_INT(x, 4); /* groups behind it were not run */
    unmake(&s);
}

static void the_preprocessor_decides_what_is_in_a_source(void) {
    static const char branches[] =
        "#if 0\nvoid f(float *x) { {\n#else\nvoid f(int *x, int n) {\n#endif\n x[0] = n; }\n";
    static const char macro[] = "#define KERNEL(name) void name(int *x, int n)\nKERNEL(f) { x[0] = n; }\n";
    const char *sources[] = { branches, macro };
    for (int i = 0; i < 2; i++) {
        int x = 0, n = 42;
        const rlx_host_arg args[] = { { &x, sizeof x }, { &n, sizeof n } };
        setup s = make_c(0, sources[i], buffer_and_value, 2);
        if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 2, 1, 1, 1, 0), RLX_OK);
        CHECK_INT(x, 42);
        unmake(&s);
    }
}

static void the_mathematical_library_is_there(void) {
    float x = 0;
    const rlx_host_arg args[] = { { &x, sizeof x } };
    setup s = make_c(0, "#include <math.h>\nvoid f(float *x) { x[0] = cosf(x[0]); }", one_buffer, 1);
    if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 1, 1, 1, 1, 0), RLX_OK);
    CHECK(x == 1);
    unmake(&s);
}

static void a_source_may_have_a_length_instead_of_an_end(void) {
    static const char source[] = "void f(int *x) { x[0] = 5; } this is not C";
    rlx_code code = { .format = RLX_CODE_C, .source = source, .size = strcspn(source, "}") + 1, .entry = "f" };
    setup s = make(0, one_buffer, 1, &code);
    CHECK_INT(s.status, RLX_OK);
    unmake(&s);
}

static void options_reach_the_compiler_and_not_a_shell(void) {
    static const char source[] = "void f(int *x) { x[0] = WORD(5); }\n#if defined(OTHER)\n#endif\n";
    rlx_code code = { .format = RLX_CODE_C,
                      .source = source,
                      .entry = "f",
                      .options = " -DWORD(n)=n+1\t-DOTHER=$(touch$IFS/nowhere);`false`|x " };
    int x = 0;
    const rlx_host_arg args[] = { { &x, sizeof x } };
    setup s = make(0, one_buffer, 1, &code);
    if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 1, 1, 1, 1, 0), RLX_OK);
    CHECK_INT(x, 6);
    unmake(&s);
}

/* ---- C source that is wrong ---- */

static void a_compile_error_comes_back_with_the_authors_line_numbers(void) {
    CHECK_INT(compile("void f(int *x)\n{\n    x[0] = nonsense;\n}\n", one_buffer, 1), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "f.c:3:");
    CHECK_HOLDS(harness_message, "nonsense");
    CHECK_INT(compile("void f(int *x)\n{\n    undeclared(x);\n}\n", one_buffer, 1), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "undeclared");
    CHECK_INT(compile("#if 1\n#include <no/such/file.h>\n#endif\nvoid f(int *x) {}\n", one_buffer, 1),
              RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "f.c:2:");
    CHECK_HOLDS(harness_message, "no/such/file.h");
}

static void a_flood_of_errors_is_cut_at_a_line(void) {
    char source[20000] = "void f(int *x) {\n";
    for (int i = 0; i < 300; i++) {
        size_t used = strlen(source);
        snprintf(source + used, sizeof source - used, "x[0] = nonsense%d;\n", i);
    }
    strcat(source, "}\n");
    CHECK_INT(compile(source, one_buffer, 1), RLX_ERROR_COMPILE);
    CHECK(strlen(harness_message) < 3500);
    CHECK_HOLDS(harness_message, "nonsense0");
    CHECK_HOLDS(harness_message, " more lines");
}

static void a_value_of_another_size_than_described_is_told(void) {
    CHECK_INT(compile("void f(int *x, double a) { x[0] = (int)a; }", buffer_and_value, 2), RLX_ERROR_COMPILE);
    CHECK_HOLDS(harness_message, "parameter 1 (double a) has 4 bytes in its description");
}

static void what_has_no_entry_is_not_found(void) {
    CHECK_INT(compile("void g(int *x) {}", one_buffer, 1), RLX_ERROR_NOT_FOUND);
    CHECK_INT(compile("", one_buffer, 1), RLX_ERROR_NOT_FOUND);
    rlx_code code = { .format = RLX_CODE_C, .source = "void f(int *x) {}", .entry = "f\"; #error" };
    setup s = make(0, one_buffer, 1, &code);
    CHECK_INT(s.status, RLX_ERROR_NOT_FOUND);
    unmake(&s);
}

/* With another PATH and CC for a moment. */
static rlx_status compile_where(const char *path, const char *cc) {
    char *before = strdup(getenv("PATH"));
    setenv("PATH", path, 1);
    if (cc) setenv("CC", cc, 1);
    rlx_status status = compile("void f(int *x) {}", one_buffer, 1);
    unsetenv("CC");
    setenv("PATH", before, 1);
    free(before);
    return status;
}

static void without_a_compiler_the_message_says_what_to_install(void) {
    CHECK_INT(compile_where("/nowhere", NULL), RLX_ERROR_UNSUPPORTED);
    CHECK_HOLDS(harness_message, "$CC is not set, cc is not on PATH, gcc is not on PATH, clang is not on PATH");
    CHECK_HOLDS(harness_message, "apt install gcc");
    CHECK_INT(compile_where("/nowhere", "/no/such/compiler -O1"), RLX_ERROR_UNSUPPORTED);
    CHECK_HOLDS(harness_message, "$CC is \"/no/such/compiler\", which cannot be run");
}

static void a_compiler_that_does_not_work_is_passed_over(void) {
    char *path = strdup(getenv("PATH"));
    CHECK_INT(compile_where(path, "/bin/false"), RLX_OK);
    CHECK_INT(compile_where(path, "/bin/true"), RLX_OK);
    CHECK_INT(compile_where("/nowhere", "/bin/false"), RLX_ERROR_UNSUPPORTED);
    CHECK_HOLDS(harness_message, "$CC (/bin/false) does not work");
    free(path);
}

static void cc_may_have_arguments(void) {
    char compiler[512], line[600];
    if (!rlx_process_find("cc", compiler, sizeof compiler)) {
        tap_skip("no compiler named cc");
        return;
    }
    snprintf(line, sizeof line, "  %s   -DF=f ", compiler);
    setenv("CC", line, 1);
    CHECK_INT(compile("#if 1\nvoid F(int *x) {}\n#endif\n", one_buffer, 1), RLX_OK);
    unsetenv("CC");
}

/* ---- Shared libraries ---- */

static const char library_source[] = "#include <rlx/driver.h>\n"
                                     "__attribute__((visibility(\"default\"))) rlx_status doubled(const "
                                     "rlx_host_kernel *k, uint64_t first, uint64_t count);\n"
                                     "rlx_status doubled(const rlx_host_kernel *k, uint64_t first, uint64_t count) {\n"
                                     "    float *x = k->args[0].data;\n"
                                     "    for (uint64_t i = first; i < first + count; i++) x[i] *= 2;\n"
                                     "    return RLX_OK;\n"
                                     "}\n";

static void a_symbol_of_a_library_is_a_kernel(void) {
    char folder[256], source[300], library[300], said[4096], compiler[512], include[1100];
    CHECK(rlx_folder_temporary(rlx_temporary_folder(), "rlx-test-", folder, sizeof folder));
    snprintf(source, sizeof source, "%s/k.c", folder);
    snprintf(library, sizeof library, "%s/k.so", folder);
    snprintf(include, sizeof include, "-I%s/include", harness_project_folder());
    CHECK(rlx_file_create(source, library_source, sizeof library_source - 1));
    if (!rlx_process_find("cc", compiler, sizeof compiler)) {
        tap_skip("no compiler named cc");
        rlx_folder_remove(folder);
        return;
    }
    const char *arguments[] = { compiler, "-shared", "-fPIC", include, "-o", library, source, NULL };
    rlx_process_result result = rlx_process_run(arguments, RLX_FOREVER, said, sizeof said);
    CHECK_INT(result.code, 0);
    CHECK_STRING(said, "");

    float x[100];
    for (int i = 0; i < 100; i++) x[i] = (float)i;
    const rlx_host_arg args[] = { { x, sizeof x } };
    rlx_code code = { .format = RLX_CODE_LIBRARY, .path = library, .entry = "doubled" };
    setup s = make(2, one_buffer, 1, &code);
    if (CHECK_INT(s.status, RLX_OK)) CHECK_INT(run(&s, args, 1, 100, 1, 1, 0), RLX_OK);
    CHECK(x[99] == 198);
    unmake(&s);

    code.entry = "tripled";
    s = make(0, one_buffer, 1, &code);
    CHECK_INT(s.status, RLX_ERROR_NOT_FOUND);
    CHECK_HOLDS(harness_message, "tripled");
    unmake(&s);
    code.path = "/no/such/library.so";
    s = make(0, one_buffer, 1, &code);
    CHECK_INT(s.status, RLX_ERROR_NOT_FOUND);
    CHECK_HOLDS(harness_message, "/no/such/library.so");
    unmake(&s);
    rlx_folder_remove(folder);
}

static const tap_test tests[] = {
    TAP(each_running_group_has_scratch_of_its_own),
    TAP(scratch_of_no_bytes_is_null),
    TAP(values_and_buffers_arrive_in_order),
    TAP(each_group_learns_which_it_is),
    TAP(a_status_that_is_returned_fails_the_command),
    TAP(the_preprocessor_decides_what_is_in_a_source),
    TAP(the_mathematical_library_is_there),
    TAP(a_source_may_have_a_length_instead_of_an_end),
    TAP(options_reach_the_compiler_and_not_a_shell),
    TAP(a_compile_error_comes_back_with_the_authors_line_numbers),
    TAP(a_flood_of_errors_is_cut_at_a_line),
    TAP(a_value_of_another_size_than_described_is_told),
    TAP(what_has_no_entry_is_not_found),
    TAP(without_a_compiler_the_message_says_what_to_install),
    TAP(a_compiler_that_does_not_work_is_passed_over),
    TAP(cc_may_have_arguments),
    TAP(a_symbol_of_a_library_is_a_kernel),
};

TAP_MAIN(tests)
