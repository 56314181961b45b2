/* What a device claims beyond the floors, each claim used; and what it doesn't claim, refused with
 * RLX_ERROR_UNSUPPORTED. */
#include "conform.h"

#define SIZE 4096
#define WORDS (SIZE / 4)

/* ---- RLX_CAN_HOST_POINTER ---- */

static rlx_buffer *shared_buffer(conform_test *t, uint64_t size, void **pointer) {
    rlx_buffer *x;
    CHECK_OK(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = size, .memory = RLX_MEMORY_SHARED }, &x));
    CHECK_OK(t, rlx_buffer_host_pointer(x, pointer));
    CHECK(t, *pointer != NULL, "a host pointer");
    CHECK_EQUAL(t, rlx_buffer_info(x)->memory, RLX_MEMORY_SHARED);
    return x;
}

/* Host and device take turns on the same bytes: after a wait, before a submit. */
static void shared_memory_has_a_lasting_host_pointer(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    void *pointer, *again;
    rlx_buffer *x = shared_buffer(t, SIZE, &pointer), *y = conform_buffer(t, SIZE);
    uint32_t *words = pointer;
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < WORDS; i++) words[i] = round * 10000 + i;
        conform_affine(t, s, rlx_whole(x), 2, 1, 1);
        CHECK_OK(t, rlx_stream_copy(s, rlx_whole(y), rlx_whole(x)));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        for (uint32_t i = 0; i < WORDS; i++) CHECK_EQUAL(t, words[i], (round * 10000 + i) * 2 + 1);
        CHECK_EQUAL(t, conform_get_u32(t, y, WORDS - 1), (round * 10000 + WORDS - 1) * 2 + 1);
        CHECK_OK(t, rlx_buffer_host_pointer(x, &again));
        CHECK(t, again == pointer, "the pointer lasts");
    }
    CHECK_OK(t, rlx_stream_fill(s, rlx_part(x, 1, 3), 0xAB, 1)); /* any range, as of any buffer */
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, words[0] >> 8, 0xABABAB);
    rlx_buffer_release(x);
}

static void device_memory_has_no_host_pointer(conform_test *t) {
    void *pointer;
    CHECK_STATUS(t, rlx_buffer_host_pointer(conform_buffer(t, SIZE), &pointer), RLX_ERROR_UNSUPPORTED);
}

static void shared_memory_is_refused_without_the_capability(conform_test *t) {
    rlx_buffer *x;
    CHECK_STATUS(t, rlx_buffer_create(t->device, &(rlx_buffer_desc){ .size = SIZE, .memory = RLX_MEMORY_SHARED }, &x),
                 RLX_ERROR_UNSUPPORTED);
}

/* ---- RLX_CAN_GROUP_SIZE, RLX_CAN_DYNAMIC_SHARED ---- */

/* What a host function sees of its group. */
typedef struct seen {
    uint32_t group_size[3], shared_bytes;
    uint64_t groups;
    uintptr_t misaligned;
    atomic_uint broken; /* groups whose scratch was not their own */
} seen;

static rlx_status look(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    seen *s = k->user;
    unsigned char *scratch = k->shared;
    if (first == 0) {
        memcpy(s->group_size, k->group_size, sizeof s->group_size);
        s->shared_bytes = k->shared_bytes;
        s->groups = (uint64_t)k->groups[0] * k->groups[1] * k->groups[2];
        s->misaligned = (uintptr_t)k->shared % 64;
    }
    for (uint64_t group = first; group < first + count && scratch;
         group++) { /* written from end to end, then looked at */
        memset(scratch, (int)(group & 0xff), k->shared_bytes);
        conform_sleep_us(20);
        for (uint32_t i = 0; i < k->shared_bytes; i++)
            if (scratch[i] != (unsigned char)group) atomic_fetch_add(&s->broken, 1);
    }
    return RLX_OK;
}

static rlx_kernel *looking_kernel(conform_test *t, seen *s, uint32_t shared_bytes) {
    rlx_kernel *kernel;
    const rlx_code code = { .format = RLX_CODE_HOST, .function = look, .user = s };
    CHECK_OK(
        t,
        rlx_kernel_create(
            t->device,
            &(rlx_kernel_desc){
                .name = "look", .codes = &code, .code_count = 1, .group_size = { 8, 2 }, .shared_bytes = shared_bytes },
            &kernel));
    return kernel;
}

static void a_dispatch_overrides_the_group_size(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    seen *found = conform_memory(t, sizeof *found);
    rlx_kernel *kernel = looking_kernel(t, found, 0);
    const uint32_t sizes[][3] = { { 0, 0, 0 },  { 32, 1, 1 }, { 256, 1, 1 }, { 1, 256, 1 },
                                  { 4, 1, 64 }, { 16, 0, 0 }, { 0, 4, 0 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rlx_dispatch dispatch = { .groups = { 3 } };
        memcpy(dispatch.group_size, sizes[i], sizeof dispatch.group_size);
        CHECK_OK(t, rlx_stream_dispatch(s, kernel, &dispatch));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        for (int d = 0; d < 3; d++) { /* all 0: the kernel's; one of them 0: 1 */
            uint32_t kernels[] = { 8, 2, 1 }, expected = i == 0 ? kernels[d] : sizes[i][d] ? sizes[i][d] : 1;
            CHECK_EQUAL(t, found->group_size[d], expected);
        }
        CHECK_EQUAL(t, found->groups, 3);
    }
    rlx_kernel_release(kernel);
}

/* In other formats the override shows in what the threads do. */
static void an_overridden_group_covers_as_much(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    rlx_buffer *y = conform_buffer(t, 256 * 4);
    const rlx_arg arg = rlx_arg_buffer(rlx_whole(y));
    CHECK_OK(t, rlx_stream_fill(s, rlx_whole(y), 0, 4));
    CHECK_OK(t, rlx_stream_dispatch(
                    s, conform_kernel_of(t, t->device, CONFORM_THREADS_X),
                    &(rlx_dispatch){ .groups = { 1 }, .group_size = { 16, 2, 8 }, .args = &arg, .arg_count = 1 }));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    uint32_t words[256];
    conform_get(t, words, rlx_whole(y));
    for (uint32_t i = 0; i < 256; i++) CHECK_EQUAL(t, words[i], i + 1);
}

static void a_dispatch_adds_shared_memory(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    seen *found = conform_memory(t, sizeof *found);
    const uint32_t fixed[] = { 0, 64, 1000 }, added[] = { 0, 1, 64, 4000, 15000 };
    for (size_t f = 0; f < 3; f++) {
        rlx_kernel *kernel = looking_kernel(t, found, fixed[f]);
        for (size_t a = 0; a < 5; a++) {
            CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 40 }, .shared_bytes = added[a] }));
            CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
            CHECK_EQUAL(t, found->shared_bytes, fixed[f] + added[a]); /* together */
            CHECK_EQUAL(t, found->misaligned, 0);
            CHECK_EQUAL(t, atomic_load(&found->broken), 0);
        }
        rlx_kernel_release(kernel);
    }
}

/* ---- RLX_CAN_WIDE_VALUES ---- */

typedef struct wide {
    uint64_t long_value;
    double real;
    unsigned char odd[5];
    uint16_t half;
    uint8_t byte;
    unsigned char block[48];
    atomic_uint wrong;
} wide;

static rlx_status take_wide(const rlx_host_kernel *k, uint64_t first, uint64_t count) {
    wide *w = k->user;
    const uint64_t sizes[] = { 1, 8, 2, 8, 5, 48 };
    const uintptr_t alignments[] = { 1, 8, 2, 8, 8, 16 };
    if (first || !count) return RLX_OK;
    for (int i = 0; i < 6; i++)
        if (k->args[i].size != sizes[i] || (uintptr_t)k->args[i].data % alignments[i]) atomic_fetch_add(&w->wrong, 1);
    memcpy(&w->byte, k->args[0].data, 1);
    memcpy(&w->long_value, k->args[1].data, 8);
    memcpy(&w->half, k->args[2].data, 2);
    memcpy(&w->real, k->args[3].data, 8);
    memcpy(w->odd, k->args[4].data, 5);
    memcpy(w->block, k->args[5].data, 48);
    return RLX_OK;
}

static void values_of_any_size_reach_a_kernel(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    wide *w = conform_memory(t, sizeof *w);
    const rlx_param params[] = { { RLX_VALUE, 1, 0 }, { RLX_VALUE, 8, 0 }, { RLX_VALUE, 2, 0 },
                                 { RLX_VALUE, 8, 0 }, { RLX_VALUE, 5, 0 }, { RLX_VALUE, 48, 16 } };
    const rlx_code code = { .format = RLX_CODE_HOST, .function = take_wide, .user = w };
    rlx_kernel *kernel;
    CHECK_OK(
        t, rlx_kernel_create(t->device,
                             &(rlx_kernel_desc){
                                 .name = "wide", .params = params, .param_count = 6, .codes = &code, .code_count = 1 },
                             &kernel));
    for (uint64_t round = 0; round < 10; round++) {
        unsigned char odd[5], block[48];
        conform_noise(odd, sizeof odd, round);
        conform_noise(block, sizeof block, round + 100);
        const rlx_arg args[] = { rlx_arg_bits(200 + round, 1),   rlx_arg_u64(UINT64_MAX - round),
                                 rlx_arg_bits(60000 + round, 2), rlx_arg_f64(0.1 * (double)round),
                                 rlx_arg_bytes(odd, 5),          rlx_arg_bytes(block, 48) };
        CHECK_OK(t, rlx_stream_dispatch(s, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 6 }));
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK_EQUAL(t, atomic_load(&w->wrong), 0);
        CHECK(t,
              w->byte == 200 + round && w->long_value == UINT64_MAX - round && w->half == 60000 + round &&
                  w->real == 0.1 * (double)round,
              "values of 1, 2 and 8 bytes");
        CHECK_BYTES(t, w->odd, odd, 5, "a value of 5 bytes");
        CHECK_BYTES(t, w->block, block, 48, "a value of 48 bytes");
    }
    rlx_kernel_release(kernel);
}

static void wide_values_come_from_slots(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0), *recording = conform_stream(t, RLX_STREAM_RECORD);
    wide *w = conform_memory(t, sizeof *w);
    const rlx_param params[] = { { RLX_VALUE, 1, 0 }, { RLX_VALUE, 8, 0 }, { RLX_VALUE, 2, 0 },
                                 { RLX_VALUE, 8, 0 }, { RLX_VALUE, 5, 0 }, { RLX_VALUE, 48, 16 } };
    const rlx_code code = { .format = RLX_CODE_HOST, .function = take_wide, .user = w };
    rlx_kernel *kernel;
    CHECK_OK(
        t, rlx_kernel_create(t->device,
                             &(rlx_kernel_desc){
                                 .name = "wide", .params = params, .param_count = 6, .codes = &code, .code_count = 1 },
                             &kernel));
    const rlx_arg args[] = { rlx_arg_bits(1, 1), rlx_arg_slot(0),    rlx_arg_bits(2, 2),
                             rlx_arg_slot(1),    rlx_arg_bits(5, 5), rlx_arg_slot(2) };
    CHECK_OK(t,
             rlx_stream_dispatch(recording, kernel, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 6 }));
    rlx_program *program = conform_finish(t, recording);
    unsigned char block[48];
    for (uint64_t round = 0; round < 5; round++) {
        conform_noise(block, sizeof block, round);
        const rlx_slot_value values[] = { { .slot = 0, .u64 = UINT64_MAX - round },
                                          { .slot = 1, .f64 = 1.5 * (double)round },
                                          { .slot = 2, .bytes = block } };
        unsigned char expected[48];
        memcpy(expected, block, sizeof block);
        CHECK_OK(t, rlx_stream_run(s, program, &(rlx_run){ .values = values, .count = 3 }));
        memset(block, 0xEE, sizeof block); /* it was copied */
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        CHECK(t, w->long_value == UINT64_MAX - round && w->real == 1.5 * (double)round, "values of 8 bytes from slots");
        CHECK_BYTES(t, w->block, expected, 48, "a value of 48 bytes from a slot");
    }
    rlx_kernel_release(kernel);
}

static void wide_values_are_refused_without_the_capability(conform_test *t) {
    rlx_kernel *kernel;
    const uint32_t sizes[] = { 1, 2, 8, 16 };
    for (size_t i = 0; i < 4; i++) {
        const rlx_param param = { .access = RLX_VALUE, .size = sizes[i] };
        CHECK_STATUS(t,
                     rlx_kernel_create(
                         t->device, &(rlx_kernel_desc){ .name = "wide", .params = &param, .param_count = 1 }, &kernel),
                     RLX_ERROR_UNSUPPORTED);
    }
}

/* ---- RLX_CAN_CANCEL ---- */

/* Behind a batch that runs: queued at the device, and not begun. The one that runs ends well. */
static void queued_work_is_cancelled(conform_test *t) {
    enum { QUEUED = 20 };
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point running, queued[QUEUED], after;
    conform_gate_block(t, gate, s);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &running));
    for (int i = 0; i < QUEUED; i++) {
        conform_count(t, s, calls);
        CHECK_OK(t, rlx_stream_submit(s, &queued[i]));
    }
    conform_gate_await(t, gate);
    CHECK_OK(t, rlx_stream_cancel(s));
    CHECK_STATUS(t, rlx_point_query(running), RLX_NOT_READY);
    conform_gate_check(t, gate, "cancel does not wait for what runs");
    conform_gate_open(gate);
    CHECK_DONE(t, running);
    for (int i = 0; i < QUEUED; i++) CHECK_STATUS(t, rlx_point_wait(queued[i], t->patience), RLX_ERROR_CANCELLED);
    CHECK_EQUAL(t, atomic_load(calls), 1);
    CHECK_OK(t, rlx_stream_recover(s));
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &after));
    CHECK_DONE(t, after);
    CHECK_EQUAL(t, atomic_load(calls), 2);
}

/* The same where nothing runs by itself: what is cancelled is what is held. */
static void held_work_is_cancelled(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    conform_gate *gate = conform_gate_closed(t);
    atomic_uint *calls = conform_counter(t);
    rlx_point held;
    conform_gate_hold(t, gate, s);
    conform_count(t, s, calls);
    CHECK_OK(t, rlx_stream_submit(s, &held));
    CHECK_OK(t, rlx_stream_cancel(s));
    CHECK_STATUS(t, rlx_point_wait(held, t->patience), RLX_ERROR_CANCELLED);
    conform_gate_open(gate);
    CHECK_OK(t, rlx_stream_recover(s));
    CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
    CHECK_EQUAL(t, atomic_load(calls), 0);
}

/* ---- RLX_CAN_DEVICE_CLOCK ---- */

static void the_devices_clock_is_on_the_hosts_scale(conform_test *t) {
    rlx_stream *s = conform_stream(t, 0);
    uint64_t *ns = conform_memory(t, 200 * sizeof *ns);
    for (int round = 0; round < 5; round++) {
        uint64_t began = rlx_clock_ns();
        for (int i = 0; i < 200; i++) {
            ns[i] = 0;
            CHECK_OK(t, rlx_stream_timestamp(s, &ns[i]));
            if (i == 100) conform_nap(t, s, 5000);
        }
        CHECK_OK(t, rlx_stream_submit_and_wait(s, t->patience));
        uint64_t ended = rlx_clock_ns(), slack = RLX_MILLISECOND;
        CHECK(t, ns[0] + slack >= began && ns[199] <= ended + slack,
              "times between the submit and the wait, give or take a millisecond");
        for (int i = 0; i < 199; i++) CHECK(t, ns[i] <= ns[i + 1], "times that don't fall");
        CHECK(t, ns[101] - ns[100] + slack >= 5 * RLX_MILLISECOND, "5 ms of work between two of them");
    }
    CHECK(t, t->info->timer_ns > 0, "the resolution of the timer");
}

const conform_case conform_capabilities[] = {
    { CONFORM_CAPABILITY, "SHARED memory has a lasting host pointer", shared_memory_has_a_lasting_host_pointer, 0,
      RLX_CAN_HOST_POINTER },
    { CONFORM_CAPABILITY, "DEVICE memory has no host pointer", device_memory_has_no_host_pointer },
    { CONFORM_CAPABILITY, "SHARED memory is refused without RLX_CAN_HOST_POINTER",
      shared_memory_is_refused_without_the_capability, LACKS_CAPABILITY, RLX_CAN_HOST_POINTER },
    { CONFORM_CAPABILITY, "a dispatch overrides its kernel's group size", a_dispatch_overrides_the_group_size,
      NEEDS_HOST_CODE, RLX_CAN_GROUP_SIZE },
    { CONFORM_CAPABILITY, "a group of another shape covers as much", an_overridden_group_covers_as_much, 0,
      RLX_CAN_GROUP_SIZE },
    { CONFORM_CAPABILITY, "a dispatch adds shared memory", a_dispatch_adds_shared_memory, NEEDS_HOST_CODE,
      RLX_CAN_DYNAMIC_SHARED },
    { CONFORM_CAPABILITY, "values of any size and alignment reach a kernel", values_of_any_size_reach_a_kernel,
      NEEDS_HOST_CODE, RLX_CAN_WIDE_VALUES },
    { CONFORM_CAPABILITY, "values of any size come from slots", wide_values_come_from_slots, NEEDS_HOST_CODE,
      RLX_CAN_WIDE_VALUES },
    { CONFORM_CAPABILITY, "wide values are refused without RLX_CAN_WIDE_VALUES",
      wide_values_are_refused_without_the_capability, LACKS_CAPABILITY, RLX_CAN_WIDE_VALUES },
    { CONFORM_CAPABILITY, "work that is queued and not begun is cancelled", queued_work_is_cancelled, NEEDS_PROGRESS,
      RLX_CAN_CANCEL },
    { CONFORM_CAPABILITY, "work that is held is cancelled", held_work_is_cancelled, NEEDS_GATE, RLX_CAN_CANCEL },
    { CONFORM_CAPABILITY, "the device's clock is on the host's scale", the_devices_clock_is_on_the_hosts_scale, 0,
      RLX_CAN_DEVICE_CLOCK },
    { 0 },
};
