/* What a compiler says of the files that it has read: a rule for make, kernel.d in the folder of the compilation. */
#include "fuzz.h"

#include "backends/cpu/compiler.h"
#include "backends/cpu/cpu.h"
#include "core/core.h"
#include "platform/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char folder[256];
    rlx_cpu_host = &rlx_host_services;
    if (!folder[0] && !rlx_folder_temporary(fuzz_folder(), "rlx-fuzz-", folder, sizeof folder)) abort();
    char source[300], list[300];
    snprintf(source, sizeof source, "%s/kernel.c", folder);
    snprintf(list, sizeof list, "%s/kernel.d", folder);
    rlx_file_remove(source);
    rlx_file_remove(list);
    if (!rlx_file_create(list, data, size) || !rlx_file_create(source, "", 0)) abort();
    rlx_cpu_text files = { NULL, 0, 0, false };
    bool listed = rlx_cpu_compile_files(folder, &files);
    FUZZ_CHECK(!listed || !files.length || files.data[files.length - 1] == '\n');
    rlx_cpu_text_clear(&files);
    rlx_folder_remove(folder);
    folder[0] = '\0';
    return 0;
}
