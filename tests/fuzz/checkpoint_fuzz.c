/* A saved model of bytelm. The input is a head, and says what is behind it: so many bytes of what, with a checksum that
 * is right or not. */
#include "fuzz.h"

#include "checkpoint.h"

enum { HEAD = 10 * 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static float state[STATE], other[STATE];
    static unsigned char written[HEAD + sizeof state + 16];
    static fuzz_file file = { -1, "" };
    fuzz_input input = { data, size };
    char message[512] = "";
    checkpoint c = { fuzz_u8(&input), fuzz_u8(&input), fuzz_u8(&input), state };
    if (file.descriptor < 0) file = fuzz_file_make();
    for (size_t i = 0; i < STATE; i += 1 + i / 8) state[i] = (float)fuzz_u8(&input);
    char path[256];
    snprintf(path, sizeof path, "%s/rlx-fuzz-model-XXXXXX", fuzz_folder());
    int made = mkstemp(path);
    if (made < 0 || close(made) || !checkpoint_write(path, &c, message, sizeof message)) abort();
    FILE *whole = fopen(path, "rb");
    size_t length = whole ? fread(written, 1, sizeof written, whole) : 0;
    if (!whole || fclose(whole) || unlink(path)) abort();
    /* Then it is spoilt here and there, cut, or made longer. */
    uint8_t changes = fuzz_u8(&input) % 4, how = fuzz_u8(&input);
    bool changed = false;
    for (uint8_t i = 0; i < changes; i++) {
        size_t at = fuzz_u8(&input) & 1 ? fuzz_u8(&input) % HEAD : fuzz_u32(&input) % length;
        uint8_t byte = fuzz_u8(&input);
        changed |= written[at] != byte;
        written[at] = byte;
    }
    size_t size_now = how < 64 ? fuzz_u32(&input) % length : how < 96 ? length + 1 + how % 8 : length;
    fuzz_file_fill(&file, written, size_now);
    checkpoint read = { 0, 0, 0, other };
    bool good = checkpoint_read(file.path, &read, message, sizeof message);
    if (!changed && size_now == length) FUZZ_CHECK(good && !memcmp(state, other, sizeof state) && read.step == c.step);
    if (size_now != length) FUZZ_CHECK(!good && message[0]);
    fuzz_file_fill(&file, data, size);
    FUZZ_CHECK(!checkpoint_read(file.path, &read, message, sizeof message));
    return 0;
}
