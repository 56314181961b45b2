/* Was built when the table ended with the required functions: what lies behind it is no table. */
#include "base.h"

static void beyond(void) { broken("a function beyond struct_size counts as NULL"); }

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    void (*garbage)(void) = beyond;
    (void)base_table(services, "older", "older:0");
    table.struct_size = RLX_BACKEND_REQUIRED_SIZE;
    for (size_t at = RLX_BACKEND_REQUIRED_SIZE; at + sizeof garbage <= sizeof table; at += sizeof garbage)
        memcpy((char *)&table + at, &garbage, sizeof garbage);
    return &table;
}
