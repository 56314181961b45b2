/* The commands that must be refused. Each is a function that returns what the encoder said, or NOT_HERE. */
#include "refusals.h"

#define INVALID CONFORM_BIT(RLX_ERROR_INVALID)
#define RANGE CONFORM_BIT(RLX_ERROR_RANGE)
#define LIMIT CONFORM_BIT(RLX_ERROR_LIMIT)
#define ALIAS CONFORM_BIT(RLX_ERROR_ALIAS)
#define ALIGNMENT CONFORM_BIT(RLX_ERROR_ALIGNMENT)
#define ORDER CONFORM_BIT(RLX_ERROR_ORDER)
#define UNSUPPORTED CONFORM_BIT(RLX_ERROR_UNSUPPORTED)

#define NOT_HERE ((rlx_status)31) /* the device has no such limit */
#define SIZE CONFORM_REFUSALS_SIZE

typedef struct asked {
    const conform_refusals *r;
    const rlx_device_properties *info;
    rlx_stream *s;
} asked;

/* ---- Ranges ---- */

static rlx_status write_past_the_end(const asked *a) {
    return rlx_stream_write(a->s, rlx_part(a->r->x, SIZE - 24, 25), a->r->host, 0);
}
static rlx_status read_past_the_end(const asked *a) {
    return rlx_stream_read(a->s, a->r->host, rlx_part(a->r->x, 0, SIZE + 1));
}
static rlx_status copy_from_past_the_end(const asked *a) {
    return rlx_stream_copy(a->s, rlx_part(a->r->x, 0, 25), rlx_part(a->r->y, SIZE - 24, 25));
}
static rlx_status copy_to_past_the_end(const asked *a) {
    return rlx_stream_copy(a->s, rlx_part(a->r->x, SIZE - 24, 25), rlx_part(a->r->y, 0, 25));
}
static rlx_status fill_past_the_end(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, SIZE - 3, 4), 0, 4);
}
static rlx_status fill_behind_the_end(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, SIZE + 4, 4), 0, 4);
}
static rlx_status fill_of_nothing_behind_the_end(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, SIZE + 1, 0), 0, 4);
}
static rlx_status rest_behind_the_end(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, SIZE + 1, RLX_REST), 0, 1);
}
static rlx_status a_sum_that_overflows(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, 16, UINT64_MAX - 15), 0, 1);
}
static rlx_status an_offset_of_2_to_the_64(const asked *a) {
    return rlx_stream_write(a->s, rlx_part(a->r->x, UINT64_MAX - 3, 4), a->r->host, 0);
}
static rlx_status a_range_without_a_buffer(const asked *a) { return rlx_stream_fill(a->s, rlx_part(NULL, 0, 4), 0, 4); }
static rlx_status argument_past_the_end(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_part(a->r->x, 0, SIZE + 4)), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1), rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->affine, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5 });
}
static rlx_status use_past_the_end(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    const rlx_use uses[] = { { rlx_part(a->r->y, 0, SIZE + 4), RLX_READ } };
    return rlx_stream_dispatch(
        a->s, a->r->affine,
        &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5, .uses = uses, .use_count = 1 });
}

/* ---- Objects of another device ---- */

static rlx_status foreign_write(const asked *a) {
    return rlx_stream_write(a->s, rlx_part(a->r->foreign, 0, 4), a->r->host, 0);
}
static rlx_status foreign_read(const asked *a) {
    return rlx_stream_read(a->s, a->r->host, rlx_part(a->r->foreign, 0, 4));
}
static rlx_status foreign_copy(const asked *a) {
    return rlx_stream_copy(a->s, rlx_part(a->r->x, 0, 4), rlx_part(a->r->foreign, 0, 4));
}
static rlx_status foreign_kernel(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->foreign_affine,
                               &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5 });
}
static rlx_status foreign_argument(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->foreign)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->affine, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5 });
}
static rlx_status foreign_run(const asked *a) { return rlx_stream_run(a->s, a->r->foreign_program, NULL); }

/* ---- Shapes ---- */

static rlx_status copy_of_unequal_sizes(const asked *a) {
    return rlx_stream_copy(a->s, rlx_part(a->r->x, 0, 8), rlx_part(a->r->y, 0, 12));
}
static rlx_status pattern_of_no_bytes(const asked *a) { return rlx_stream_fill(a->s, rlx_part(a->r->x, 0, 8), 1, 0); }
static rlx_status pattern_of_three_bytes(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, 0, 9), 1, 3);
}
static rlx_status pattern_of_eight_bytes(const asked *a) {
    return rlx_stream_fill(a->s, rlx_part(a->r->x, 0, 8), 1, 8);
}
static rlx_status fill_of_half_patterns(const asked *a) { return rlx_stream_fill(a->s, rlx_part(a->r->x, 0, 6), 1, 4); }
static rlx_status unknown_write_flag(const asked *a) {
    return rlx_stream_write(a->s, rlx_part(a->r->x, 0, 4), a->r->host, 1u << 30);
}
static rlx_status copied_write_of_64_kib_and_1(const asked *a) {
    return rlx_stream_write(a->s, rlx_part(a->r->large, 0, RLX_COPIED_MAX + 1), a->r->host, RLX_WRITE_COPIED);
}
static rlx_status rows_past_the_end(const asked *a) {
    const rlx_rows rows = { .rows = 9, .row_bytes = 1, .dst_stride = 128 };
    return rlx_stream_fill_rows(a->s, rlx_whole(a->r->x), 1, 1, &rows);
}
static rlx_status rows_from_past_the_end(const asked *a) {
    const rlx_rows rows = { .rows = 2, .row_bytes = 25, .dst_stride = 25, .src_stride = SIZE - 24 };
    return rlx_stream_copy_rows(a->s, rlx_whole(a->r->x), rlx_whole(a->r->y), &rows);
}
static rlx_status rows_that_overflow(const asked *a) {
    const rlx_rows rows = {
        .rows = UINT64_C(1) << 33, .row_bytes = 4, .dst_stride = UINT64_C(1) << 31, .src_stride = 4
    };
    return rlx_stream_write_rows(a->s, rlx_whole(a->r->x), a->r->host, &rows);
}
static rlx_status a_stride_below_the_row(const asked *a) {
    const rlx_rows rows = { .rows = 2, .row_bytes = 8, .dst_stride = 7, .src_stride = 8 };
    return rlx_stream_copy_rows(a->s, rlx_whole(a->r->x), rlx_whole(a->r->y), &rows);
}
static rlx_status rows_of_half_patterns(const asked *a) {
    const rlx_rows rows = { .rows = 2, .row_bytes = 6, .dst_stride = 8 };
    return rlx_stream_fill_rows(a->s, rlx_whole(a->r->x), 1, 4, &rows);
}

/* ---- NULL ---- */

static rlx_status write_from_null(const asked *a) { return rlx_stream_write(a->s, rlx_part(a->r->x, 0, 4), NULL, 0); }
static rlx_status read_to_null(const asked *a) { return rlx_stream_read(a->s, NULL, rlx_part(a->r->x, 0, 4)); }
static rlx_status rows_null(const asked *a) {
    return rlx_stream_copy_rows(a->s, rlx_whole(a->r->x), rlx_whole(a->r->y), NULL);
}
static rlx_status call_of_null(const asked *a) { return rlx_stream_host_call(a->s, NULL, a->r->calls); }
static rlx_status timestamp_to_null(const asked *a) { return rlx_stream_timestamp(a->s, NULL); }
static rlx_status dispatch_null(const asked *a) { return rlx_stream_dispatch(a->s, a->r->affine, NULL); }
static rlx_status kernel_null(const asked *a) {
    return rlx_stream_dispatch(a->s, NULL, &(rlx_dispatch){ .groups = { 1 } });
}
static rlx_status args_null(const asked *a) {
    return rlx_stream_dispatch(a->s, a->r->affine, &(rlx_dispatch){ .groups = { 1 }, .arg_count = 5 });
}
static rlx_status run_null(const asked *a) { return rlx_stream_run(a->s, NULL, NULL); }

/* ---- Arguments ---- */

static rlx_status dispatch_affine(const asked *a, uint32_t groups, const rlx_arg *args, uint32_t count) {
    return rlx_stream_dispatch(a->s, a->r->affine,
                               &(rlx_dispatch){ .groups = { groups }, .args = args, .arg_count = count });
}
static rlx_status one_argument_too_few(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 4);
}
static rlx_status one_argument_too_many(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)),
                             rlx_arg_u32(1),
                             rlx_arg_u32(1),
                             rlx_arg_u32(1),
                             rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 6);
}
static rlx_status a_value_for_a_buffer(const asked *a) {
    const rlx_arg args[] = { rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status a_buffer_for_a_value(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_buffer(rlx_whole(a->r->y)), rlx_arg_u32(1),
                             rlx_arg_u32(1), rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status a_value_of_the_wrong_size(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u64(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status a_value_at_null(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_bytes(NULL, 4), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status an_argument_of_no_kind(const asked *a) {
    rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                       rlx_arg_u32(1) };
    args[1].kind = (rlx_arg_kind)77;
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status overlapping_arguments(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_buffer(rlx_whole(a->r->y)),
                             rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->combine, &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 4 });
}
static rlx_status a_grid_above_the_limit(const asked *a) {
    if (a->info->limits.groups[0] == UINT32_MAX) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return dispatch_affine(a, a->info->limits.groups[0] + 1, args, 5);
}
static rlx_status a_grid_above_the_limit_in_z(const asked *a) {
    if (a->info->limits.groups[2] == UINT32_MAX) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(
        a->s, a->r->affine,
        &(rlx_dispatch){ .groups = { 1, 1, a->info->limits.groups[2] + 1 }, .args = args, .arg_count = 5 });
}
static rlx_status a_binding_between_alignments(const asked *a) {
    uint32_t alignment = a->info->limits.binding_alignment;
    if (alignment < 2) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_part(a->r->x, alignment / 2, 4)), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1), rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status a_group_that_cannot_be_changed(const asked *a) {
    if (a->info->can & RLX_CAN_GROUP_SIZE) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->affine,
                               &(rlx_dispatch){ .groups = { 1 }, .group_size = { 32 }, .args = args, .arg_count = 5 });
}
static rlx_status a_group_that_is_too_large(const asked *a) {
    if (!(a->info->can & RLX_CAN_GROUP_SIZE) || a->info->limits.group_size[2] == UINT32_MAX) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(
        a->s, a->r->affine,
        &(rlx_dispatch){
            .groups = { 1 }, .group_size = { 1, 1, a->info->limits.group_size[2] + 1 }, .args = args, .arg_count = 5 });
}
static rlx_status shared_memory_that_cannot_be_added(const asked *a) {
    if (a->info->can & RLX_CAN_DYNAMIC_SHARED) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->affine,
                               &(rlx_dispatch){ .groups = { 1 }, .shared_bytes = 64, .args = args, .arg_count = 5 });
}
static rlx_status too_much_shared_memory(const asked *a) {
    if (!(a->info->can & RLX_CAN_DYNAMIC_SHARED) || a->info->limits.shared_bytes == UINT32_MAX) return NOT_HERE;
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(
        a->s, a->r->affine,
        &(rlx_dispatch){
            .groups = { 1 }, .shared_bytes = a->info->limits.shared_bytes + 1, .args = args, .arg_count = 5 });
}
static rlx_status a_use_of_no_access(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    const rlx_use uses[] = { { rlx_whole(a->r->y), (rlx_access)9 } };
    return rlx_stream_dispatch(
        a->s, a->r->affine,
        &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5, .uses = uses, .use_count = 1 });
}
static rlx_status an_unknown_extension(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(a->s, a->r->affine,
                               &(rlx_dispatch){ .groups = { 1 }, .args = args, .arg_count = 5, .next = a->r->host });
}
static rlx_status an_unknown_extension_of_a_run(const asked *a) {
    return rlx_stream_run(a->s, a->r->program, &(rlx_run){ .next = a->r->host });
}

/* ---- Slots where nothing records ---- */

static rlx_status a_slot_for_a_range(const asked *a) { return rlx_stream_fill(a->s, rlx_slot_range(0, 4), 1, 4); }
static rlx_status a_slot_for_an_argument(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_slot(0), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return dispatch_affine(a, 1, args, 5);
}
static rlx_status a_slot_for_the_grid(const asked *a) {
    const rlx_arg args[] = { rlx_arg_buffer(rlx_whole(a->r->x)), rlx_arg_u32(1), rlx_arg_u32(1), rlx_arg_u32(1),
                             rlx_arg_u32(1) };
    return rlx_stream_dispatch(
        a->s, a->r->affine,
        &(rlx_dispatch){ .groups = { 1 }, .groups_slot = rlx_slot(0), .args = args, .arg_count = 5 });
}
static rlx_status a_slot_to_write_from(const asked *a) {
    return rlx_stream_write_slot(a->s, rlx_part(a->r->x, 0, 4), 0);
}
static rlx_status a_slot_to_read_into(const asked *a) { return rlx_stream_read_slot(a->s, 0, rlx_part(a->r->x, 0, 4)); }
static rlx_status a_condition(const asked *a) { return rlx_stream_condition(a->s, rlx_slot(0)); }
static rlx_status a_value_for_a_slot_that_is_not_there(const asked *a) {
    const rlx_slot_value values[] = { { .slot = 0, .u32 = 1 } };
    return rlx_stream_run(a->s, a->r->program, &(rlx_run){ .values = values, .count = 1 });
}

static const struct {
    const char *words;
    uint32_t expected;
    rlx_status (*encode)(const asked *a);
} refusals[] = {
    { "a write past the end", RANGE, write_past_the_end },
    { "a read past the end", RANGE, read_past_the_end },
    { "a copy from past the end", RANGE, copy_from_past_the_end },
    { "a copy to past the end", RANGE, copy_to_past_the_end },
    { "a fill past the end", RANGE, fill_past_the_end },
    { "a fill behind the end", RANGE, fill_behind_the_end },
    { "a fill of nothing behind the end", RANGE, fill_of_nothing_behind_the_end },
    { "the rest of a buffer from behind its end", RANGE, rest_behind_the_end },
    { "offset + size that overflows", RANGE | INVALID, a_sum_that_overflows },
    { "an offset of nearly 2^64", RANGE | INVALID, an_offset_of_2_to_the_64 },
    { "a range without a buffer", INVALID, a_range_without_a_buffer },
    { "an argument past the end", RANGE, argument_past_the_end },
    { "a use past the end", RANGE, use_past_the_end },
    { "a write to a buffer of another device", INVALID, foreign_write },
    { "a read of a buffer of another device", INVALID, foreign_read },
    { "a copy from a buffer of another device", INVALID, foreign_copy },
    { "a kernel of another device", INVALID, foreign_kernel },
    { "an argument of another device", INVALID, foreign_argument },
    { "a program of another device", INVALID, foreign_run },
    { "a copy between unequal sizes", INVALID, copy_of_unequal_sizes },
    { "a pattern of 0 bytes", INVALID, pattern_of_no_bytes },
    { "a pattern of 3 bytes", INVALID, pattern_of_three_bytes },
    { "a pattern of 8 bytes", INVALID, pattern_of_eight_bytes },
    { "a fill of one and a half patterns", INVALID, fill_of_half_patterns },
    { "an unknown flag of write", INVALID, unknown_write_flag },
    { "a COPIED write of 64 KiB and 1 byte", LIMIT, copied_write_of_64_kib_and_1 },
    { "rows past the end", RANGE, rows_past_the_end },
    { "rows from past the end", RANGE, rows_from_past_the_end },
    { "rows * stride that overflows", RANGE | INVALID, rows_that_overflow },
    { "a stride below row_bytes", INVALID, a_stride_below_the_row },
    { "rows of one and a half patterns", INVALID, rows_of_half_patterns },
    { "a write from NULL", INVALID, write_from_null },
    { "a read to NULL", INVALID, read_to_null },
    { "rows that are NULL", INVALID, rows_null },
    { "a host call of NULL", INVALID, call_of_null },
    { "a timestamp to NULL", INVALID, timestamp_to_null },
    { "a dispatch that is NULL", INVALID, dispatch_null },
    { "a kernel that is NULL", INVALID, kernel_null },
    { "arguments that are NULL", INVALID, args_null },
    { "a program that is NULL", INVALID, run_null },
    { "one argument too few", INVALID, one_argument_too_few },
    { "one argument too many", INVALID, one_argument_too_many },
    { "a value where a buffer belongs", INVALID, a_value_for_a_buffer },
    { "a buffer where a value belongs", INVALID, a_buffer_for_a_value },
    { "a value of the wrong size", INVALID, a_value_of_the_wrong_size },
    { "a value at NULL", INVALID, a_value_at_null },
    { "an argument of no kind", INVALID, an_argument_of_no_kind },
    { "arguments that overlap, one of them written", ALIAS, overlapping_arguments },
    { "a grid above the limit", LIMIT, a_grid_above_the_limit },
    { "a grid above the limit in z", LIMIT, a_grid_above_the_limit_in_z },
    { "a binding between alignments", ALIGNMENT, a_binding_between_alignments },
    { "a group size, without RLX_CAN_GROUP_SIZE", UNSUPPORTED, a_group_that_cannot_be_changed },
    { "a group size above the limit", LIMIT, a_group_that_is_too_large },
    { "shared memory, without RLX_CAN_DYNAMIC_SHARED", UNSUPPORTED, shared_memory_that_cannot_be_added },
    { "shared memory above the limit", LIMIT, too_much_shared_memory },
    { "a use of no access", INVALID, a_use_of_no_access },
    { "an unknown extension of a dispatch", UNSUPPORTED, an_unknown_extension },
    { "an unknown extension of a run", UNSUPPORTED, an_unknown_extension_of_a_run },
    { "a slot for a range, without recording", INVALID, a_slot_for_a_range },
    { "a slot for an argument, without recording", INVALID, a_slot_for_an_argument },
    { "a slot for the grid, without recording", INVALID, a_slot_for_the_grid },
    { "a slot to write from, without recording", ORDER, a_slot_to_write_from },
    { "a slot to read into, without recording", ORDER, a_slot_to_read_into },
    { "a condition, without recording", ORDER, a_condition },
    { "a value for a slot that is not there", INVALID, a_value_for_a_slot_that_is_not_there },
};

uint32_t conform_refusal_count(void) { return sizeof refusals / sizeof *refusals; }

static rlx_program *record_fill(conform_test *t, rlx_device *device, rlx_buffer *buffer) {
    rlx_stream *recording = conform_stream_on(t, device, RLX_STREAM_RECORD, NULL);
    CHECK_OK(t, rlx_stream_fill(recording, rlx_whole(buffer), 0x77, 1));
    return conform_finish(t, recording);
}

conform_refusals *conform_refusals_make(conform_test *t) {
    conform_refusals *r = conform_memory(t, sizeof *r);
    r->other = conform_open_again(t);
    r->x = conform_buffer(t, SIZE);
    r->y = conform_buffer(t, SIZE);
    r->large = conform_buffer(t, RLX_COPIED_MAX + 4);
    r->foreign = conform_buffer_on(t, r->other, SIZE);
    r->affine = conform_kernel_of(t, t->device, CONFORM_AFFINE);
    r->combine = conform_kernel_of(t, t->device, CONFORM_COMBINE);
    r->foreign_affine = conform_kernel_of(t, r->other, CONFORM_AFFINE);
    r->program = record_fill(t, t->device, r->x);
    r->foreign_program = record_fill(t, r->other, r->foreign);
    r->host = conform_memory(t, RLX_COPIED_MAX + 4);
    r->calls = conform_counter(t);
    conform_set(t, rlx_whole(r->x), 0x11);
    conform_set(t, rlx_whole(r->y), 0x22);
    return r;
}

void conform_refusal_check(conform_test *t, const conform_refusals *r, uint32_t i, rlx_stream *s) {
    asked a = { .r = r, .info = t->info, .s = s };
    rlx_status status = refusals[i].encode(&a);
    if (status == NOT_HERE) return;
    CHECK(t, (uint32_t)status < 32 && (refusals[i].expected & CONFORM_BIT(status)), "%s is refused with %s; got %s: %s",
          refusals[i].words,
          refusals[i].expected == (RANGE | INVALID) ? "RANGE or INVALID" : "the status that driver.h says",
          conform_status_name(status), status ? rlx_last_error() : "it was taken");
    CHECK(t, rlx_last_error()[0] != '\0', "a message that says why %s is refused", refusals[i].words);
}
