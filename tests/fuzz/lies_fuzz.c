/* The file of lies that `rlx conform --markdown --lies FILE` reads. */
#include "fuzz.h"

#include "conformance/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_file file = { -1, "" };
    if (file.descriptor < 0) {
        file = fuzz_file_make();
        if (!freopen("/dev/null", "w", stdout)) abort();
    }
    fuzz_file_fill(&file, data, size);
    FUZZ_CHECK(conform_list("floor: every limit", true, file.path) == 0);
    return 0;
}
