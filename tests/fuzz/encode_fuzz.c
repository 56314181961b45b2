/* Commands with any descriptor, encoded one after the other and then run: what is refused is refused with a word, and
 * what is not touches nothing that is not its own. */
#include "world.h"

static fuzz_world w;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    world_open(&w);
    return 0;
}

static rlx_rows any_rows(fuzz_input *input) {
    bool small = fuzz_u8(input) % 8;
    if (small) return (rlx_rows){ fuzz_u8(input) % 16, fuzz_u8(input), fuzz_u8(input), fuzz_u8(input) };
    return (rlx_rows){ fuzz_number(input), fuzz_number(input), fuzz_number(input), fuzz_number(input) };
}

/* Host memory is the caller's promise: there have to be as many bytes as the rows say. */
static bool host_has(const rlx_rows *rows, uint64_t stride) {
    return rows->rows < 256 && rows->row_bytes < 4096 && stride < 4096 &&
           rows->rows * (stride ? stride : rows->row_bytes) + rows->row_bytes <= WORLD_HOST;
}

static rlx_arg any_arg(fuzz_input *input, uint32_t param) {
    static const unsigned char bytes[256];
    uint8_t choice = fuzz_u8(input);
    uint32_t size = param == 3 ? 4 : 16;
    if (choice < 200 && param < 3) return rlx_arg_buffer(world_range(&w, input));
    if (choice < 200 && param == 3) return rlx_arg_u32(choice);
    if (choice < 200) return rlx_arg_bytes(bytes, size);
    if (choice < 210) return rlx_arg_bits(fuzz_u64(input), fuzz_u8(input));
    if (choice < 220) return rlx_arg_bytes(bytes, fuzz_u8(input));
    if (choice < 230) return rlx_arg_bytes(NULL, fuzz_u8(input));
    if (choice < 240) return rlx_arg_slot(fuzz_u8(input));
    rlx_arg arg = rlx_arg_buffer(world_range(&w, input));
    if (choice >= 250) arg.kind = (rlx_arg_kind)(4 + fuzz_u8(input) % 4);
    return arg;
}

static rlx_status dispatch(fuzz_input *input) {
    rlx_arg args[WORLD_PARAMS + 2];
    rlx_use uses[3];
    rlx_dispatch d = { .args = args, .arg_count = WORLD_PARAMS };
    for (uint32_t i = 0; i < WORLD_PARAMS + 2; i++) args[i] = any_arg(input, i);
    for (int i = 0; i < 3; i++) uses[i] = (rlx_use){ world_range(&w, input), (rlx_access)(fuzz_u8(input) % 5) };
    uint8_t odd = fuzz_u8(input);
    for (int i = 0; i < 3; i++) d.groups[i] = odd & 1 ? fuzz_u8(input) % 4 : (uint32_t)fuzz_number(input);
    if (odd & 2) d.uses = uses, d.use_count = fuzz_u8(input) % 4;
    if (odd & 4)
        for (int i = 0; i < 3; i++) d.group_size[i] = (uint32_t)fuzz_number(input);
    if (odd & 8) d.shared_bytes = (uint32_t)fuzz_number(input);
    if (odd & 16) d.label = "a label";
    if ((odd & 0xE0) == 0xE0) d.arg_count = fuzz_u8(input) % (WORLD_PARAMS + 3);
    if ((odd & 0xE0) == 0xC0) d.groups_slot = rlx_slot(fuzz_u8(input));
    if ((odd & 0xE0) == 0xA0) d.next = &w;
    return rlx_stream_dispatch(w.stream, w.kernel, &d);
}

/* One command. *keep is false where it would need host memory that is not there. */
static rlx_status command(fuzz_input *input, bool *keep) {
    uint8_t kind = fuzz_u8(input) % 12;
    if (kind >= 8) return dispatch(input);
    rlx_range dst = world_range(&w, input), src = world_range(&w, input);
    rlx_rows rows = any_rows(input);
    unsigned char *host = fuzz_u8(input) % 16 ? w.host : NULL;
    uint32_t pattern = fuzz_u32(input), pattern_size = fuzz_u8(input) % 6, flags = fuzz_u8(input) % 3;
    switch (kind) {
    case 0: return rlx_stream_write(w.stream, dst, host, flags);
    case 1: return rlx_stream_read(w.stream, host, src);
    case 2: return rlx_stream_copy(w.stream, dst, src);
    case 3: return rlx_stream_fill(w.stream, dst, pattern, pattern_size);
    case 4: *keep &= host_has(&rows, rows.src_stride); return rlx_stream_write_rows(w.stream, dst, host, &rows);
    case 5: *keep &= host_has(&rows, rows.dst_stride); return rlx_stream_read_rows(w.stream, host, src, &rows);
    case 6: return rlx_stream_copy_rows(w.stream, dst, src, &rows);
    default: return rlx_stream_fill_rows(w.stream, dst, pattern, pattern_size, &rows);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input input = { data, size };
    bool keep = true;
    for (int i = 0; i < 32 && input.left; i++) {
        rlx_status status = command(&input, &keep);
        world_check(status);
        if (keep || status) {
            if (status) keep = true; /* refused: nothing was borrowed */
            continue;
        }
        rlx_stream_discard(w.stream);
        keep = true;
    }
    rlx_status status = rlx_stream_submit_and_wait(w.stream, RLX_FOREVER);
    world_check(status);
    FUZZ_CHECK(status == RLX_OK);
    return 0;
}
