/* A text to learn from: any bytes, any number of them, from one file or two. */
#include "fuzz.h"

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_file files[2] = { { -1, "" }, { -1, "" } };
    static uint32_t batch[BATCH_WORDS];
    static unsigned char long_enough[64 << 10];
    fuzz_input input = { data, size };
    for (int i = 0; i < 2; i++)
        if (files[i].descriptor < 0) files[i] = fuzz_file_make();
    uint16_t length = fuzz_u16(&input);
    for (size_t i = 0; i < length; i++) long_enough[i] = size ? data[i % size] : 0;
    fuzz_file_fill(&files[0], long_enough, length);
    fuzz_file_fill(&files[1], input.at, input.left);
    char *names[] = { files[0].path, files[1].path };
    text t;
    bool opened = text_open(&t, "fuzz", names, 2);
    FUZZ_CHECK(opened == (length + input.left >= TEXT_LEAST));
    if (!opened) {
        FUZZ_CHECK(t.message[0] && !t.train);
        return 0;
    }
    FUZZ_CHECK(t.train_size + t.held_size == length + input.left && t.files == 2);
    text_batch(&t, length, 0, batch);
    for (size_t i = 0; i < BATCH_WORDS; i++) FUZZ_CHECK(batch[i] < BYTES);
    size_t examples = text_held_examples(&t), count = examples < BATCH ? examples : BATCH;
    text_held_batch(&t, examples - count, count, batch);
    text_entropy entropy = text_entropies(&t);
    FUZZ_CHECK(entropy.order0 >= 0 && entropy.order0 <= 8.01 && entropy.order1 >= 0 && entropy.order1 <= 8.01);
    text_close(&t);
    return 0;
}
