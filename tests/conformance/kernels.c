/* The suite's kernels: as host functions here, and in other formats from the folder that --kernels names, where an
 * author puts a file for each as <kernel>.<format>. docs/conformance.md says in words what each of them does; these
 * functions are that text in C. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t value_u32(const rlx_host_kernel *k, uint32_t arg) {
    uint32_t value;
    memcpy(&value, k->args[arg].data, sizeof value);
    return value;
}

/* The elements of the groups first to first + count - 1: [*begin, *end) below n. */
static void elements(uint64_t first, uint64_t count, uint64_t n, uint64_t *begin, uint64_t *end) {
    *begin = first * CONFORM_THREADS;
    *end = (first + count) * CONFORM_THREADS;
    if (*end > n) *end = n;
}

uint32_t conform_affine_word(uint32_t x, uint32_t mul, uint32_t add, uint32_t rounds) {
    for (uint32_t i = 0; i < rounds; i++) x = x * mul + add;
    return x;
}

static rlx_status affine(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *x = k->args[0].data, mul = value_u32(k, 1), add = value_u32(k, 2), rounds = value_u32(k, 4);
    uint64_t begin, end;
    elements(first, count, value_u32(k, 3), &begin, &end);
    for (uint64_t i = begin; i < end; i++) x[i] = conform_affine_word(x[i], mul, add, rounds);
    return RLX_OK;
}

static rlx_status iota(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *y = k->args[0].data, start = value_u32(k, 1);
    uint64_t begin, end;
    elements(first, count, value_u32(k, 2), &begin, &end);
    for (uint64_t i = begin; i < end; i++) y[i] = start + (uint32_t)i;
    return RLX_OK;
}

static rlx_status combine(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    const uint32_t *a = k->args[0].data, *b = k->args[1].data;
    uint32_t *c = k->args[2].data;
    uint64_t begin, end;
    elements(first, count, value_u32(k, 3), &begin, &end);
    for (uint64_t i = begin; i < end; i++) c[i] = a[i] + 3 * b[i];
    return RLX_OK;
}

static rlx_status axpy(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    const float *x = k->args[0].data;
    float *y = k->args[1].data, a;
    memcpy(&a, k->args[2].data, sizeof a);
    uint64_t begin, end;
    elements(first, count, value_u32(k, 3), &begin, &end);
    for (uint64_t i = begin; i < end; i++) y[i] += a * x[i];
    return RLX_OK;
}

static rlx_status clamp(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    int32_t *x = k->args[0].data, low;
    memcpy(&low, k->args[1].data, sizeof low);
    uint64_t begin, end;
    elements(first, count, value_u32(k, 2), &begin, &end);
    for (uint64_t i = begin; i < end; i++) x[i] = (x[i] > low ? x[i] : low) / 2;
    return RLX_OK;
}

static rlx_status poke(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *x = k->args[0].data;
    uint64_t index = value_u32(k, 1);
    if (index * 4 + 4 > k->args[0].size) return RLX_ERROR_KERNEL; /* the argument is shorter than what was bound */
    if (first == 0 && count > 0) x[index] = value_u32(k, 2);
    return RLX_OK;
}

static rlx_status values(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *y = k->args[0].data;
    if (first == 0 && count > 0)
        for (uint32_t i = 0; i < 32; i++) y[i] = value_u32(k, 1 + i);
    return RLX_OK;
}

static rlx_status gather(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *y = k->args[7].data;
    uint64_t begin, end;
    elements(first, count, value_u32(k, 8), &begin, &end);
    for (uint64_t i = begin; i < end; i++) {
        uint32_t sum = 0;
        for (uint32_t b = 0; b < 7; b++) sum += (b + 1) * ((const uint32_t *)k->args[b].data)[i];
        y[i] = sum;
    }
    return RLX_OK;
}

static rlx_status where(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *y = k->args[0].data;
    for (uint64_t group = first; group < first + count; group++) {
        uint64_t row = group / k->groups[0];
        y[4 * group] += (uint32_t)(group % k->groups[0]);
        y[4 * group + 1] += (uint32_t)(row % k->groups[1]);
        y[4 * group + 2] += (uint32_t)(row / k->groups[1]);
        y[4 * group + 3] += 1;
    }
    return RLX_OK;
}

static rlx_status threads(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    uint32_t *y = k->args[0].data;
    const uint32_t *size = k->group_size;
    for (uint64_t group = first; group < first + count; group++)
        for (uint32_t z = 0; z < size[2]; z++)
            for (uint32_t row = 0; row < size[1]; row++)
                for (uint32_t x = 0; x < size[0]; x++) {
                    uint32_t thread = x + size[0] * (row + size[1] * z);
                    y[group * 256 + thread] += thread + 1;
                }
    return RLX_OK;
}

static rlx_status shared(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    if (!k->shared || k->shared_bytes < 16384) return RLX_ERROR_KERNEL;
    uint32_t *scratch = k->shared;
    for (uint64_t group = first; group < first + count; group++) {
        const uint32_t *in = (const uint32_t *)k->args[0].data + group * 4096;
        uint32_t *out = (uint32_t *)k->args[1].data + group * 4096;
        memcpy(scratch, in, 16384);
        for (uint32_t i = 0; i < 4096; i++) out[i] = scratch[4095 - i];
    }
    return RLX_OK;
}

static rlx_status refuse(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    return first == 0 && count > 0 ? (rlx_status)value_u32(k, 0) : RLX_OK;
}

/* ---- The table ---- */

typedef struct kernel_row {
    const char *name;
    rlx_host_function function;
    rlx_param params[10];
    uint32_t param_count;
    uint32_t group_size[3];
    uint32_t shared_bytes;
} kernel_row;

static const kernel_row kernels[CONFORM_KERNELS] = {
    [CONFORM_AFFINE] = { "affine",
                         affine,
                         { { .access = RLX_READ_WRITE },
                           { .access = RLX_VALUE },
                           { .access = RLX_VALUE },
                           { .access = RLX_VALUE },
                           { .access = RLX_VALUE } },
                         5,
                         { CONFORM_THREADS },
                         0 },
    [CONFORM_IOTA] = { "iota",
                       iota,
                       { { .access = RLX_WRITE }, { .access = RLX_VALUE }, { .access = RLX_VALUE } },
                       3,
                       { CONFORM_THREADS },
                       0 },
    [CONFORM_COMBINE] = { "combine",
                          combine,
                          { { .access = RLX_READ },
                            { .access = RLX_READ },
                            { .access = RLX_WRITE },
                            { .access = RLX_VALUE } },
                          4,
                          { CONFORM_THREADS },
                          0 },
    [CONFORM_AXPY] = { "axpy",
                       axpy,
                       { { .access = RLX_READ },
                         { .access = RLX_READ_WRITE },
                         { .access = RLX_VALUE },
                         { .access = RLX_VALUE } },
                       4,
                       { CONFORM_THREADS },
                       0 },
    [CONFORM_CLAMP] = { "clamp",
                        clamp,
                        { { .access = RLX_READ_WRITE }, { .access = RLX_VALUE }, { .access = RLX_VALUE } },
                        3,
                        { CONFORM_THREADS },
                        0 },
    [CONFORM_POKE] = { "poke",
                       poke,
                       { { .access = RLX_READ_WRITE }, { .access = RLX_VALUE }, { .access = RLX_VALUE } },
                       3,
                       { 1 },
                       0 },
    [CONFORM_VALUES] = { "values", values, { { .access = RLX_WRITE } }, 33, { 1 }, 0 },
    [CONFORM_GATHER] = { "gather",
                         gather,
                         { { .access = RLX_READ },
                           { .access = RLX_READ },
                           { .access = RLX_READ },
                           { .access = RLX_READ },
                           { .access = RLX_READ },
                           { .access = RLX_READ },
                           { .access = RLX_READ },
                           { .access = RLX_WRITE },
                           { .access = RLX_VALUE } },
                         9,
                         { CONFORM_THREADS },
                         0 },
    [CONFORM_WHERE] = { "where", where, { { .access = RLX_READ_WRITE } }, 1, { 1 }, 0 },
    [CONFORM_THREADS_X] = { "threads_x", threads, { { .access = RLX_READ_WRITE } }, 1, { 256 }, 0 },
    [CONFORM_THREADS_Y] = { "threads_y", threads, { { .access = RLX_READ_WRITE } }, 1, { 1, 256 }, 0 },
    [CONFORM_THREADS_Z] = { "threads_z", threads, { { .access = RLX_READ_WRITE } }, 1, { 4, 1, 64 }, 0 },
    [CONFORM_SHARED] = { "shared", shared, { { .access = RLX_READ }, { .access = RLX_WRITE } }, 2, { 256 }, 16384 },
    [CONFORM_REFUSE] = { "refuse", refuse, { { .access = RLX_VALUE } }, 1, { 1 }, 0 },
};

/* ---- Making them ---- */

/* The contents of a file and a NUL behind them; NULL if there is no such file. */
static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *text = NULL;
    *size = 0;
    for (size_t room = 4096;; room *= 2) {
        char *larger = realloc(text, room + 1);
        if (!larger) break;
        text = larger;
        *size += fread(text + *size, 1, room - *size, file);
        if (*size < room) break;
    }
    fclose(file);
    if (text) text[*size] = '\0';
    return text;
}

#define CODES_MAX 16

/* The files of a kernel in the formats that the device takes, best first, then its host function. */
static uint32_t find_codes(const conform_test *t, const kernel_row *row, const rlx_device_properties *info,
                           rlx_code codes[CODES_MAX], char paths[CODES_MAX][1024], bool *host) {
    const char *folder = t->process->options->kernels;
    uint32_t count = 0;
    *host = false;
    for (uint32_t i = 0; i < info->format_count && count < CODES_MAX - 1; i++) {
        const rlx_format_info *format = &info->formats[i];
        if (format->format == RLX_CODE_HOST) {
            *host = true;
            continue;
        }
        if (!folder) continue;
        snprintf(paths[count], sizeof paths[count], "%s/%s.%s", folder, row->name, format->name);
        size_t size;
        char *text = read_file(paths[count], &size);
        if (!text) continue;
        codes[count] = (rlx_code){ .format = format->format, .source = text, .size = size };
        if (format->format == RLX_CODE_LIBRARY) {
            free(text);
            codes[count] = (rlx_code){ .format = format->format, .path = paths[count] };
        }
        count++;
    }
    if (*host) codes[count++] = (rlx_code){ .format = RLX_CODE_HOST, .function = row->function };
    return count;
}

static rlx_kernel *create(conform_test *t, rlx_device *device, conform_kernel id) {
    const kernel_row *row = &kernels[id];
    const rlx_device_properties *info = rlx_device_info(device);
    rlx_param params[64];
    memcpy(params, row->params, sizeof row->params);
    if (id == CONFORM_VALUES)
        for (uint32_t i = 1; i < row->param_count; i++) params[i] = (rlx_param){ .access = RLX_VALUE };

    rlx_code codes[CODES_MAX];
    char paths[CODES_MAX][1024];
    bool host;
    uint32_t count = find_codes(t, row, info, codes, paths, &host);
    CHECK(t, count > 0,
          "the kernel '%s' for %s: --kernels FOLDER with a file %s.%s (docs/conformance.md says what it does)",
          row->name, info->name, row->name, info->formats[0].name);
    rlx_kernel_desc desc = { .name = row->name,
                             .params = params,
                             .param_count = row->param_count,
                             .codes = codes,
                             .code_count = count,
                             .shared_bytes = row->shared_bytes };
    memcpy(desc.group_size, row->group_size, sizeof desc.group_size);
    rlx_kernel *kernel = NULL;
    CHECK_OK(t, rlx_kernel_create(device, &desc, &kernel));
    for (uint32_t i = 0; i < count; i++)
        if (codes[i].format != RLX_CODE_HOST && codes[i].format != RLX_CODE_LIBRARY)
            free((void *)(uintptr_t)codes[i].source);
    return kernel;
}

rlx_kernel *conform_kernel_of(conform_test *t, rlx_device *device, conform_kernel id) {
    conform_process *process = t->process;
    pthread_mutex_lock(&process->lock);
    conform_kernel_entry *entry = process->kernels;
    while (entry && (entry->device != device || entry->id != id)) entry = entry->next;
    pthread_mutex_unlock(&process->lock);
    if (entry) return entry->kernel;

    rlx_kernel *kernel = create(t, device, id); /* two threads may do it at once: both entries are right */
    entry = malloc(sizeof *entry);
    CHECK(t, entry != NULL, "memory for a kernel");
    *entry = (conform_kernel_entry){ .device = device, .kernel = kernel, .id = id };
    pthread_mutex_lock(&process->lock);
    entry->next = process->kernels;
    process->kernels = entry;
    pthread_mutex_unlock(&process->lock);
    return kernel;
}

void conform_kernels_release(conform_process *process, const rlx_device *device) {
    for (conform_kernel_entry **link = &process->kernels; *link;) {
        conform_kernel_entry *entry = *link;
        if (device && entry->device != device) {
            link = &entry->next;
            continue;
        }
        *link = entry->next;
        rlx_kernel_release(entry->kernel);
        free(entry);
    }
}

rlx_kernel *conform_host_kernel(conform_test *t, rlx_device *device, const char *name, rlx_host_function function,
                                void *user) {
    rlx_kernel *kernel;
    CHECK_OK(t, rlx_kernel_create(
                    device,
                    &(rlx_kernel_desc){
                        .name = name,
                        .codes = (rlx_code[]){ { .format = RLX_CODE_HOST, .function = function, .user = user } },
                        .code_count = 1 },
                    &kernel));
    conform_keep(t, CONFORM_ITEM_KERNEL, kernel);
    return kernel;
}

/* ---- Dispatches ---- */

static uint32_t words_of(rlx_range range) {
    uint64_t size = range.size == RLX_REST ? rlx_buffer_info(range.buffer)->size - range.offset : range.size;
    return (uint32_t)(size / 4);
}

static void dispatch(conform_test *t, rlx_stream *s, conform_kernel id, rlx_range range, uint32_t words,
                     const rlx_arg *args, uint32_t arg_count) {
    rlx_kernel *kernel = conform_kernel_of(t, rlx_buffer_info(range.buffer)->device, id);
    CHECK_OK(t, rlx_stream_dispatch(s, kernel,
                                    &(rlx_dispatch){ .groups = { (words + CONFORM_THREADS - 1) / CONFORM_THREADS },
                                                     .args = args,
                                                     .arg_count = arg_count }));
}

void conform_affine(conform_test *t, rlx_stream *s, rlx_range x, uint32_t mul, uint32_t add, uint32_t rounds) {
    uint32_t n = words_of(x);
    const rlx_arg args[] = { rlx_arg_buffer(x), rlx_arg_u32(mul), rlx_arg_u32(add), rlx_arg_u32(n),
                             rlx_arg_u32(rounds) };
    dispatch(t, s, CONFORM_AFFINE, x, n, args, 5);
}

void conform_iota(conform_test *t, rlx_stream *s, rlx_range y, uint32_t start) {
    uint32_t n = words_of(y);
    const rlx_arg args[] = { rlx_arg_buffer(y), rlx_arg_u32(start), rlx_arg_u32(n) };
    dispatch(t, s, CONFORM_IOTA, y, n, args, 3);
}

void conform_combine(conform_test *t, rlx_stream *s, rlx_range a, rlx_range b, rlx_range c) {
    uint32_t n = words_of(c);
    const rlx_arg args[] = { rlx_arg_buffer(a), rlx_arg_buffer(b), rlx_arg_buffer(c), rlx_arg_u32(n) };
    dispatch(t, s, CONFORM_COMBINE, c, n, args, 4);
}

void conform_refuse(conform_test *t, rlx_stream *s, rlx_status status, const char *label) {
    rlx_kernel *kernel = conform_kernel_of(t, t->device, CONFORM_REFUSE);
    const rlx_arg args[] = { rlx_arg_u32((uint32_t)status) };
    CHECK_OK(t, rlx_stream_dispatch(s, kernel,
                                    &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 1, .label = label }));
}
