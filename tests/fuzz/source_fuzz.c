/* C source of a kernel, as far as it is read here: traits, the entry's signature, and the wrapper that is put around
 * it. The first bytes choose the kernel's parameters. */
#include "fuzz.h"

#include "backends/cpu/cpu.h"
#include "backends/cpu/source.h"
#include "core/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { PARAMS = 8 };
    fuzz_input input = { data, size };
    rlx_cpu_host = &rlx_host_services;
    rlx_param params[PARAMS];
    uint32_t count = fuzz_u8(&input) % (PARAMS + 1);
    for (uint32_t i = 0; i < PARAMS; i++) {
        uint8_t choice = fuzz_u8(&input);
        params[i] = (rlx_param){ (rlx_access)(choice % 4), 1u << choice / 4 % 5, 4 };
    }
    size_t length = input.left;
    char *source = malloc(length ? length : 1); /* no NUL: the length counts */
    if (!source) abort();
    fuzz_take(&input, source, length);
    rlx_cpu_source_traits traits = rlx_cpu_source_look(source, length);
    rlx_cpu_signature signature;
    rlx_kernel_desc desc = { .name = "f", .params = params, .param_count = count };
    rlx_error_clear();
    rlx_status status = rlx_cpu_signature_find(source, length, "f", &signature);
    if (status) FUZZ_CHECK(rlx_error_aside()[0]);
    if (!status) status = rlx_cpu_signature_check(&signature, &desc, "f");
    if (!status) {
        rlx_cpu_text unit = { NULL, 0, 0, false };
        rlx_cpu_source_before(&unit, &traits, "f");
        rlx_cpu_source_behind(&unit, &signature, &desc, "f");
        FUZZ_CHECK(unit.failed || strlen(unit.data) <= unit.length);
        rlx_cpu_text_clear(&unit);
    }
    rlx_cpu_signature_clear(&signature);
    free(source);
    return 0;
}
