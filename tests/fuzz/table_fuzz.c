/* What a plugin hands over: its table and its properties, of any size, version, name and contents. Pointers are those
 * of a plugin that is confused, not one that is malicious: a function, a text, a list, or NULL. */
#include "fuzz.h"

#include "core/registry.h"

static void stub(void) {}

/* A text of the input, or one that is right, or none. */
static char *text_or(fuzz_input *input, const char *right) {
    uint8_t choice = fuzz_u8(input);
    if (choice % 4 == 0) return NULL;
    fuzz_input other = { (const uint8_t *)right, strlen(right) };
    return choice % 4 == 1 ? fuzz_text(input, fuzz_u8(input) % 80) : fuzz_rest(&other);
}

static void fill_table(fuzz_input *input, rlx_backend *table, char *name) {
    void (*function)(void) = stub;
    uint32_t missing = fuzz_u32(input);
    if (fuzz_u8(input) & 1) missing = 0;
    *table =
        (rlx_backend){ .major = RLX_BACKEND_MAJOR, .minor = fuzz_u8(input), .name = name, .flags = fuzz_u8(input) % 8 };
    if (fuzz_u8(input) % 8 == 7) table->major = fuzz_u16(input);
    for (size_t at = offsetof(rlx_backend, probe), i = 0; at < sizeof *table; at += sizeof function, i++)
        if (!(missing >> i % 32 & 1)) memcpy((char *)table + at, &function, sizeof function);
}

/* As its writer knew it: so many bytes and not one more. */
static void *as_wide(const void *whole, size_t whole_size, uint32_t struct_size) {
    size_t size = struct_size < 4 ? 4 : struct_size;
    unsigned char *copy = malloc(size);
    if (!copy) abort();
    memset(copy, 0xA5, size);
    memcpy(copy, whole, size < whole_size ? size : whole_size);
    memcpy(copy, &struct_size, 4);
    return copy;
}

static uint32_t any_size(fuzz_input *input, size_t right) {
    uint8_t choice = fuzz_u8(input);
    return choice < 192   ? (uint32_t)right
           : choice < 224 ? (uint32_t)right - fuzz_u8(input) % 128
                          : fuzz_u16(input) % 1024;
}

static void fill_numbers(fuzz_input *input, rlx_device_properties *p) {
    p->kind = (rlx_device_kind)(fuzz_u8(input) % 5);
    p->progress = (rlx_progress)(fuzz_u8(input) % 3);
    p->units = (uint32_t)fuzz_number(input);
    p->subgroup_min = (uint32_t)fuzz_number(input), p->subgroup_max = (uint32_t)fuzz_number(input);
    p->storage_types = fuzz_u8(input) & 1 ? UINT32_MAX : fuzz_u32(input);
    p->compute_types = fuzz_u8(input) & 1 ? UINT32_MAX : fuzz_u32(input);
    p->can = fuzz_u8(input);
    p->limits = (rlx_limits){ .buffer_size = UINT64_C(1) << 30,
                              .binding_size = UINT64_C(1) << 30,
                              .binding_alignment = 16,
                              .buffer_args = 16,
                              .value_bytes = 256,
                              .groups = { 65535, 65535, 65535 },
                              .group_size = { 256, 256, 64 },
                              .group_threads = 256,
                              .shared_bytes = 16384 };
    if (fuzz_u8(input) % 2) return;
    uint64_t value = fuzz_number(input);
    size_t at = fuzz_u8(input) % (sizeof p->limits - sizeof value);
    memcpy((char *)&p->limits + at, &value, sizeof value);
}

static void check_properties(fuzz_input *input, const rlx_backend *table) {
    enum { TEXTS = 6 };
    char *texts[TEXTS];
    rlx_device_properties p = { 0 }, ours;
    char right[64];
    snprintf(right, sizeof right, "%s:0", table->name);
    for (int i = 0; i < TEXTS; i++) texts[i] = text_or(input, i ? "plain" : right);
    fill_numbers(input, &p);
    p.name = texts[0], p.backend = texts[1], p.description = texts[2], p.driver = texts[3], p.id = texts[4];
    uint32_t count = fuzz_u8(input) % 4;
    rlx_format_info *formats = malloc((count + 1) * sizeof *formats);
    if (!formats) abort();
    for (uint32_t i = 0; i < count; i++) formats[i] = (rlx_format_info){ fuzz_u8(input) % 5, texts[5] };
    p.formats = fuzz_u8(input) % 8 ? formats : NULL;
    p.format_count = p.formats ? count : fuzz_u8(input);
    rlx_device_properties *theirs = as_wide(&p, sizeof p, any_size(input, sizeof p));
    rlx_status status = rlx_properties_check(table, theirs, &ours);
    if (status) FUZZ_CHECK(rlx_error_aside()[0]);
    if (!status) {
        FUZZ_CHECK(ours.struct_size == sizeof ours && rlx_backend_serves(table, ours.name) && strlen(ours.name) < 64);
        FUZZ_CHECK(ours.limits.buffer_size >= 256 << 20 && ours.limits.groups[2] >= 65535 && ours.units &&
                   ours.timer_ns);
        FUZZ_CHECK(strcmp(ours.description, "") >= 0 && strcmp(ours.architecture, "") == 0 && ours.format_count);
    }
    free(theirs);
    free(formats);
    for (int i = 0; i < TEXTS; i++) free(texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input input = { data, size };
    rlx_backend table, ours;
    char *name = text_or(&input, "plugin");
    fill_table(&input, &table, name);
    rlx_backend *theirs = as_wide(&table, sizeof table, any_size(&input, sizeof table));
    rlx_error_clear();
    rlx_status status = rlx_table_check(theirs, &ours);
    if (status) FUZZ_CHECK(rlx_error_aside()[0]);
    if (!status) {
        FUZZ_CHECK(ours.struct_size == sizeof ours && strlen(ours.name) < 32 && ours.probe && ours.submit);
        FUZZ_CHECK(!ours.host_alloc == !ours.host_free && !ours.program_create == !ours.program_destroy);
        rlx_error_clear();
        check_properties(&input, &ours);
    }
    free(theirs);
    free(name);
    return 0;
}
