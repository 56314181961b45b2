/* A run of a program, with any values for its slots: right ones that are changed here and there. Pointers are the
 * caller's promise; everything else is checked. */
#include "world.h"

enum { HOST_IN, RANGE, VALUE, BYTES, GROUPS, ENABLED, HOST_OUT, COPIED, OUTPUT, SLOTS };

static fuzz_world w;
static rlx_program *program;

static rlx_status record(rlx_stream *s) {
    rlx_arg args[WORLD_PARAMS] = { rlx_arg_slot(RANGE), rlx_arg_slot(OUTPUT),
                                   rlx_arg_buffer(rlx_part(w.buffers[1], 0, 256)), rlx_arg_slot(VALUE),
                                   rlx_arg_slot(BYTES) };
    rlx_dispatch d = { .groups = { 1 }, .args = args, .arg_count = WORLD_PARAMS, .groups_slot = rlx_slot(GROUPS) };
    rlx_status status = rlx_stream_write_slot(s, rlx_part(w.buffers[1], 0, 128), HOST_IN);
    if (!status) status = rlx_stream_dispatch(s, w.kernel, &d);
    if (!status) status = rlx_stream_condition(s, rlx_slot(ENABLED));
    if (!status) status = rlx_stream_fill(s, rlx_part(w.buffers[2], 1024, 512), 3, 1);
    if (!status) status = rlx_stream_condition(s, (rlx_slot_ref){ 0 });
    if (!status) status = rlx_stream_copy(s, rlx_slot_range(COPIED, 64), rlx_part(w.buffers[2], 1000, 64));
    if (!status) status = rlx_stream_read_slot(s, HOST_OUT, rlx_part(w.buffers[1], 100, 300));
    return status ? status : rlx_stream_finish(s, NULL, &program);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    rlx_stream *recording;
    world_open(&w);
    if (rlx_stream_create(w.device, &(rlx_stream_desc){ .flags = RLX_STREAM_RECORD }, &recording)) abort();
    FUZZ_CHECK(record(recording) == RLX_OK);
    rlx_stream_release(recording);
    return 0;
}

static void right_values(rlx_slot_value values[SLOTS]) {
    static const unsigned char bytes[16];
    memset(values, 0, SLOTS * sizeof *values);
    for (uint32_t i = 0; i < SLOTS; i++) values[i].slot = i;
    values[HOST_IN].host = w.host;
    values[HOST_OUT].host_out = w.host + 4096;
    values[RANGE].range = rlx_whole(w.buffers[0]);
    values[COPIED].range = rlx_part(w.buffers[2], 3000, 64);
    values[OUTPUT].range = rlx_part(w.buffers[2], 0, 256);
    values[VALUE].u32 = 7;
    values[BYTES].bytes = bytes;
    values[GROUPS].groups[0] = 1;
    values[ENABLED].enabled = true;
}

static void change(fuzz_input *input, rlx_slot_value values[SLOTS], uint32_t i) {
    switch (i) {
    case HOST_IN:
    case HOST_OUT:
    case BYTES: values[i].host = NULL; break;
    case RANGE:
    case COPIED:
    case OUTPUT: values[i].range = world_range(&w, input); break;
    case GROUPS:
        for (int k = 0; k < 3; k++) values[i].groups[k] = (uint32_t)fuzz_number(input);
        break;
    case ENABLED: values[i].enabled = fuzz_u8(input) & 1; break;
    default: values[i].u64 = fuzz_u64(input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input input = { data, size };
    rlx_slot_value values[SLOTS];
    rlx_run run = { .values = values, .count = SLOTS };
    for (int runs = 0; runs < 4 && (input.left || !runs); runs++) {
        right_values(values);
        run.count = SLOTS;
        uint8_t changes = fuzz_u8(&input) % 4, odd = fuzz_u8(&input);
        for (uint8_t i = 0; i < changes; i++) change(&input, values, fuzz_u8(&input) % SLOTS);
        if (odd < 32) {
            uint32_t a = fuzz_u8(&input) % SLOTS, b = fuzz_u8(&input) % SLOTS; /* in any order */
            rlx_slot_value kept = values[a];
            values[a] = values[b], values[b] = kept;
        }
        bool wrong = odd >= 240;
        if (odd >= 248) run.count = fuzz_u8(&input) % SLOTS;
        else if (wrong) values[fuzz_u8(&input) % SLOTS].slot = SLOTS + (uint32_t)fuzz_number(&input) % 65536;
        rlx_status status = rlx_stream_run(w.stream, program, &run);
        world_check(status);
        FUZZ_CHECK(!wrong || status);
    }
    rlx_status status = rlx_stream_submit_and_wait(w.stream, RLX_FOREVER);
    FUZZ_CHECK(status == RLX_OK);
    return 0;
}
