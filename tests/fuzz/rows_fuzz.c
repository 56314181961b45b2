/* Rows of a benchmark that another program has printed. */
#include "fuzz.h"

#include "rlx/bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input input = { data, size };
    char *text = fuzz_rest(&input);
    const char *at = text, *before = text;
    bench_result result;
    int read;
    while ((read = bench_read_row(&at, &result)) > 0) {
        FUZZ_CHECK(at > before && at <= text + strlen(text));
        FUZZ_CHECK(memchr(result.name, 0, sizeof result.name) && memchr(result.unit, 0, sizeof result.unit));
        before = at;
    }
    FUZZ_CHECK(read == 0 || read == -1);
    free(text);
    return 0;
}
