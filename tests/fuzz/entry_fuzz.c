/* An entry of the kernel cache, as somebody may have left it: any bytes, and bytes with a digest that is right. */
#include "fuzz.h"

#include "backends/cpu/cache.h"
#include "backends/cpu/cpu.h"
#include "backends/cpu/digest.h"
#include "core/core.h"

enum { FOOTER = 16 + 3 * 8 + RLX_DIGEST_SIZE };

/* Makes a footer that fits: the first two bytes of the input say where the parts end. */
static void complete(uint8_t *bytes, size_t size, uint8_t object, uint8_t files) {
    size_t body = size - FOOTER;
    uint64_t sizes[3] = { body * object / 256, 0, 0 };
    sizes[1] = (body - sizes[0]) * files / 256;
    sizes[2] = body - sizes[0] - sizes[1];
    memcpy(bytes + body, "rlx-cpu-entry-1", 16);
    memcpy(bytes + body + 16, sizes, sizeof sizes);
    rlx_digest digest;
    rlx_digest_begin(&digest);
    rlx_digest_add(&digest, bytes, size - RLX_DIGEST_SIZE);
    rlx_digest_end(&digest, bytes + size - RLX_DIGEST_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input input = { data, size };
    rlx_cpu_host = &rlx_host_services;
    uint8_t whole = fuzz_u8(&input), object = fuzz_u8(&input), files = fuzz_u8(&input);
    size_t length = input.left + (whole & 1 ? FOOTER : 0);
    uint8_t *bytes = malloc(length ? length : 1);
    if (!bytes) abort();
    fuzz_take(&input, bytes, length);
    if (whole & 1) complete(bytes, length, object, files);
    rlx_cpu_entry entry;
    bool parsed = rlx_cpu_entry_parse(bytes, length, &entry);
    FUZZ_CHECK(parsed || !(whole & 1));
    if (parsed) {
        FUZZ_CHECK(entry.object_size + entry.files_size + entry.key_size + FOOTER == length);
        bool current = rlx_cpu_entry_current(&entry);
        FUZZ_CHECK(current || entry.files_size > 0);
    }
    free(bytes);
    return 0;
}
