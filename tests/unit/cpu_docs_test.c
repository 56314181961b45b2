/* The examples of docs/kernels.md: taken out of the text, compiled, and run through the public interface. */
#include <stdlib.h>
#include <unistd.h>

#include <rlx/driver.h>

#include "platform/file.h"
#include "platform/platform.h"
#include "platform/process.h"
#include "tap.h"

/* ---- Out of the text ---- */

static const char *project_folder(void) {
    static char folder[1024] = __FILE__;
    char *end = strstr(folder, "tests/unit/");
    if (end) *end = '\0';
    return folder[0] ? folder : ".";
}

static char *read_text(const char *path) {
    rlx_file file;
    if (!CHECK(rlx_file_open(path, &file))) return NULL;
    char *text = calloc(1, (size_t)file.size + 1);
    CHECK(rlx_file_read(&file, text, (size_t)file.size));
    rlx_file_close(&file);
    return text;
}

/* Writes the block of code behind "**NAME**" to FOLDER/NAME. */
static bool extract(const char *folder, const char *name) {
    char path[1200], mark[80];
    snprintf(path, sizeof path, "%s/docs/kernels.md", project_folder());
    snprintf(mark, sizeof mark, "\n**%s**", name);
    char *text = read_text(path), *at = text ? strstr(text, mark) : NULL;
    char *begin = at ? strstr(at, "```c\n") : NULL, *end = begin ? strstr(begin, "\n```\n") : NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bool written = CHECK(end != NULL) && CHECK(rlx_file_create(path, begin + 5, (size_t)(end + 1 - (begin + 5))));
    free(text);
    return written;
}

/* FOLDER/NAME.c to FOLDER/NAME.so, with every warning an error. */
static bool compile(const char *folder, const char *name) {
    char compiler[1024], include[1200], source[1200], library[1200], said[8192];
    if (!rlx_process_find("cc", compiler, sizeof compiler)) return false;
    snprintf(include, sizeof include, "-I%s/include", project_folder());
    snprintf(source, sizeof source, "%s/%s.c", folder, name);
    snprintf(library, sizeof library, "%s/%s.so", folder, name);
    const char *arguments[] = { compiler,  "-std=c11", "-O2",   "-Wall", "-Wextra", "-Wno-missing-field-initializers",
                                "-Werror", "-shared",  "-fPIC", include, "-o",      library,
                                source,    NULL };
    rlx_process_result result = rlx_process_run(arguments, RLX_FOREVER, said, sizeof said);
    return CHECK_STRING(said, "") && CHECK_INT(result.code, 0);
}

/* ---- Through the interface ---- */

typedef struct example {
    char folder[256];
    void *library;
    rlx_device *device;
    rlx_stream *stream;
    rlx_kernel *kernel;
    rlx_buffer *in, *out;
} example;

#define OK(call) CHECK_INT(call, RLX_OK)

/* A kernel from the description that the example's file exports. */
static bool begin(example *e, const char *device, const char *file, const char *symbol, uint64_t in, uint64_t out) {
    char path[1200], error[512] = "";
    snprintf(path, sizeof path, "%s/%s.so", e->folder, file);
    e->library = rlx_library_open(path, error, sizeof error);
    const rlx_kernel_desc *desc = e->library ? rlx_library_symbol(e->library, symbol) : NULL;
    if (!CHECK_STRING(error, "") || !CHECK(desc != NULL)) return false;
    OK(rlx_device_open(device, &(rlx_device_desc){ .workers = 2, .cache_folder = "" }, &e->device));
    OK(rlx_stream_create(e->device, NULL, &e->stream));
    OK(rlx_buffer_create(e->device, &(rlx_buffer_desc){ .size = in }, &e->in));
    OK(rlx_buffer_create(e->device, &(rlx_buffer_desc){ .size = out }, &e->out));
    if (OK(rlx_kernel_create(e->device, desc, &e->kernel))) return true;
    printf("# %s\n", rlx_last_error());
    return false;
}

static void end(example *e) {
    rlx_kernel_release(e->kernel);
    rlx_buffer_release(e->in);
    rlx_buffer_release(e->out);
    rlx_stream_release(e->stream);
    rlx_device_release(e->device);
    if (e->library) rlx_library_close(e->library);
}

static rlx_status run(example *e, const void *in, void *out, const rlx_arg *args, uint32_t count, uint32_t groups) {
    OK(rlx_stream_write(e->stream, rlx_whole(e->in), in, 0));
    OK(rlx_stream_fill(e->stream, rlx_whole(e->out), 0, 4));
    OK(rlx_stream_dispatch(e->stream, e->kernel,
                           &(rlx_dispatch){ .groups = { groups }, .args = args, .arg_count = count }));
    OK(rlx_stream_read(e->stream, out, rlx_whole(e->out)));
    return rlx_stream_submit_and_wait(e->stream, RLX_FOREVER);
}

static const char *const devices[] = { "cpu", "sync" };

/* False: there is no compiler, and the test is skipped. */
static bool prepare(example *e, const char *const *names) {
    char compiler[1024], file[64];
    memset(e, 0, sizeof *e);
    if (!rlx_process_find("cc", compiler, sizeof compiler)) {
        tap_skip("no compiler named cc");
        return false;
    }
    CHECK(rlx_folder_temporary(rlx_temporary_folder(), "rlx-docs-test-", e->folder, sizeof e->folder));
    for (; *names; names++) {
        snprintf(file, sizeof file, "%s.c", *names);
        if (!extract(e->folder, file) || !compile(e->folder, *names)) return false;
    }
    return true;
}

static void the_host_function_of_the_documentation_runs(void) {
    enum { ROWS = 40, COLUMNS = 25 };
    static const char *const names[] = { "host", NULL };
    float in[ROWS * COLUMNS], out[ROWS * COLUMNS];
    example e;
    for (int i = 0; i < ROWS * COLUMNS; i++) in[i] = (float)i / 2;
    bool ready = prepare(&e, names);
    for (int d = 0; d < 2 && ready; d++) {
        if (begin(&e, devices[d], "host", "scale", sizeof in, sizeof out)) {
            const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(e.in)), rlx_arg_buffer(rlx_whole(e.out)), rlx_arg_f32(3),
                                     rlx_arg_u32(COLUMNS) };
            OK(run(&e, in, out, args, 4, ROWS));
            for (int i = 0; i < ROWS * COLUMNS; i++) CHECK(out[i] == 3 * in[i]);
            CHECK_INT(run(&e, in, out, args, 4, ROWS + 1), RLX_ERROR_RANGE);
        }
        end(&e);
    }
    rlx_folder_remove(e.folder);
}

static void the_library_of_the_documentation_runs(void) {
    static const char *const names[] = { "histogram", "library", NULL };
    unsigned char in[1000];
    uint32_t out[4 * 256];
    char before[1024];
    example e;
    for (size_t i = 0; i < sizeof in; i++) in[i] = (unsigned char)(i % 7);
    bool ready = prepare(&e, names) && CHECK(getcwd(before, sizeof before) != NULL) && CHECK(chdir(e.folder) == 0);
    for (int d = 0; d < 2 && ready; d++) {
        if (begin(&e, devices[d], "library", "histogram", sizeof in, sizeof out)) {
            const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(e.in)), rlx_arg_buffer(rlx_whole(e.out)),
                                     rlx_arg_bits(300, 8) };
            OK(run(&e, in, out, args, 3, 4));
            CHECK_UINT(out[0], 43);           /* of the first 300 bytes */
            CHECK_UINT(out[3 * 256 + 6], 14); /* of the last 100 */
            CHECK_UINT(out[3 * 256 + 7], 0);
        }
        end(&e);
    }
    if (ready) CHECK(chdir(before) == 0);
    rlx_folder_remove(e.folder);
}

static void the_source_of_the_documentation_runs(void) {
    enum { N = 1000 };
    static const char *const names[] = { "source", NULL };
    float in[N], out[N];
    example e;
    for (int i = 0; i < N; i++) in[i] = (float)i;
    bool ready = prepare(&e, names);
    for (int d = 0; d < 2 && ready; d++) {
        if (begin(&e, devices[d], "source", "root", sizeof in, sizeof out)) {
            const float keep[2] = { 2, 30 };
            const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(e.in)), rlx_arg_buffer(rlx_whole(e.out)),
                                     rlx_arg_bytes(keep, sizeof keep), rlx_arg_bits(N, 8) };
            OK(run(&e, in, out, args, 4, (N + 255) / 256));
            CHECK(out[0] == 2 && out[16] == 4 && out[25] == 5 && out[999] == 30);
        }
        end(&e);
    }
    rlx_folder_remove(e.folder);
}

static const tap_test tests[] = {
    TAP(the_host_function_of_the_documentation_runs),
    TAP(the_library_of_the_documentation_runs),
    TAP(the_source_of_the_documentation_runs),
};

TAP_MAIN(tests)
