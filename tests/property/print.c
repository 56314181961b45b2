/* A case as lines that one can read, each an API call. s, b, k, p, t are streams, buffers, kernels, programs, points;
 * h is host memory; [8, 13) are bytes, `$n` is slot n. */
#include <stdio.h>

#include "model.h"

static void print_part(const part *p) {
    if (p->slot != NONE) printf("$%d", p->slot);
    else printf("b%d[%u, %u)", p->buffer, p->offset, p->offset + p->size);
}

static void print_pointer(const pointer *p) {
    if (p->slot != NONE) printf("$%d", p->slot);
    else printf("h%d + %u", p->area, p->offset);
}

static void print_rows(const command *c) {
    if (c->rows)
        printf(", %u rows of %u bytes, strides %u and %u", c->rows, c->row_bytes, c->dst_stride, c->src_stride);
}

static const char *access_text(rlx_access how) {
    return how == RLX_READ ? "reads" : how == RLX_WRITE ? "writes" : "changes";
}

static void print_slot_or(int slot, uint32_t value) {
    if (slot != NONE) printf("$%d", slot);
    else printf("%u", value);
}

static void print_dispatch(const command *c) {
    printf("dispatch(k%d, groups ", c->kernel);
    if (c->groups_slot != NONE) printf("$%d", c->groups_slot);
    else printf("%u x %u x %u", c->groups[0], c->groups[1], c->groups[2]);
    const part *parts[] = { &c->a, &c->b, &c->c };
    for (int i = 0; i < 3; i++) {
        if (c->used && i != 1) continue;
        printf(", %c = ", 'a' + i);
        print_part(parts[i]);
    }
    if (c->used) {
        printf(", %s by address ", access_text(c->use_access));
        print_part(&c->use);
    }
    printf(", number ");
    print_slot_or(c->number_slot, c->number);
    printf(", wide ");
    print_slot_or(c->wide_slot, c->wide);
}

static void print_run(const model *m, const command *c) {
    const binding *v = &c->values;
    const bool *uses = m->programs[c->program].uses;
    printf("run(p%d", c->program);
    for (int slot = 0; slot < SLOTS; slot++) {
        if (!uses[slot] || slot == SLOT_ADDRESS) continue;
        printf(", $%d = ", slot);
        if (slot < RANGE_SLOTS) print_part(&v->ranges[slot]);
        else if (slot == SLOT_HOST_A || slot == SLOT_HOST_B) print_pointer(&v->hosts[slot - SLOT_HOST_A]);
        else if (slot == SLOT_NUMBER) printf("%u", v->number);
        else if (slot == SLOT_WIDE) printf("%u", v->wide);
        else if (slot == SLOT_GRID) printf("%u x %u x %u", v->groups[0], v->groups[1], v->groups[2]);
        else printf("%s", v->enabled[slot - SLOT_ENABLED_A] ? "on" : "off");
    }
}

static void print_command(const model *m, const command *c) {
    switch (c->kind) {
    case COMMAND_WRITE:
        printf("write(");
        print_part(&c->a);
        printf(", ");
        if (c->copied) printf("copied bytes %u", c->wide);
        else print_pointer(&c->host);
        break;
    case COMMAND_READ:
        printf("read(");
        print_pointer(&c->host);
        printf(", ");
        print_part(&c->a);
        break;
    case COMMAND_COPY:
        printf("copy(");
        print_part(&c->a);
        printf(", ");
        print_part(&c->b);
        break;
    case COMMAND_FILL:
        printf("fill(");
        print_part(&c->a);
        printf(", 0x%08x, %u", c->number, c->pattern_size);
        break;
    case COMMAND_DISPATCH: print_dispatch(c); break;
    case COMMAND_HOST_CALL:
        printf("host_call(looks at %u bytes of ", c->number);
        print_pointer(&c->host);
        printf(", notes cell %u", c->cell);
        break;
    case COMMAND_TIMESTAMP: printf("timestamp(%u", c->cell); break;
    case COMMAND_RUN: print_run(m, c); break;
    case COMMAND_KINDS: break;
    }
    print_rows(c);
    printf(")");
    if (c->condition != NONE) printf(" if $%d", c->condition);
}

static const char *kernel_text(kernel_kind kind) {
    return kind == KERNEL_MIX ? "mix" : kind == KERNEL_SUM ? "sum" : "reach";
}

static void print_call(const model *m, const call *c) {
    switch (c->kind) {
    case CALL_STREAM:
        printf("s%d = stream(device %d%s%s)", c->id, c->device, c->flags & RLX_STREAM_RECORD ? ", record" : "",
               c->flags & RLX_STREAM_ISOLATE ? ", isolate" : "");
        break;
    case CALL_BUFFER:
        printf("b%d = buffer(device %d, %u bytes%s, filled with %u)", c->id, c->device, c->size,
               c->shared ? ", shared" : "", c->seed);
        break;
    case CALL_KERNEL: printf("k%d = kernel(device %d, %s)", c->id, c->device, kernel_text(c->kernel)); break;
    case CALL_ENCODE:
        printf("s%d.", c->stream);
        print_command(m, &c->command);
        break;
    case CALL_SUBMIT: printf("t%d = s%d.submit()", c->id, c->stream); break;
    case CALL_FINISH: printf("p%d = s%d.finish()", c->id, c->stream); break;
    case CALL_DEPEND: printf("s%d.depend(t%d)", c->stream, c->id); break;
    case CALL_DISCARD: printf("s%d.discard()", c->stream); break;
    case CALL_WAIT: printf("wait(t%d)", c->id); break;
    case CALL_WAIT_STREAM: printf("s%d.wait()", c->stream); break;
    case CALL_TRANSFER:
        printf("t%d = transfer(s%d, ", c->id, c->stream);
        print_part(&c->command.a);
        printf(", s%d, ", c->other);
        print_part(&c->command.b);
        printf(")");
        break;
    case CALL_POKE:
        printf("the host changes %u bytes at ", c->size);
        print_pointer(&c->command.host);
        printf(" to %u", c->seed);
        break;
    case CALL_RELEASE_STREAM: printf("release s%d", c->stream); break;
    case CALL_RELEASE_BUFFER: printf("release b%d", c->id); break;
    case CALL_RELEASE_KERNEL: printf("release k%d", c->id); break;
    case CALL_RELEASE_PROGRAM: printf("release p%d", c->id); break;
    case CALL_KINDS: break;
    }
    if (c->result) printf(" -> %s", rlx_status_text(c->result));
}

void case_print(const test_case *c) {
    static test_case again;
    static model m;
    again = *c;
    model_replay(&m, &again);
    for (uint32_t i = 0; i < again.count; i++) {
        printf("#   %3u  ", i + 1);
        print_call(&m, &again.calls[i]);
        printf("\n");
    }
}
