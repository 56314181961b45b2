/* Was built when the table, the properties and the minor version had grown. */
#include "base.h"

static void beyond(void) { broken("a function that this library does not know is never called"); }

static struct {
    rlx_backend known;
    void (*later[8])(void);
} grown;

static struct {
    rlx_device_properties known;
    uint64_t later[8];
} grown_properties;

static const rlx_device_properties *describe_grown(uint32_t index) {
    (void)index;
    return &grown_properties.known;
}

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    grown.known = *base_table(services, "newer", "newer:0");
    grown.known.struct_size = sizeof grown;
    grown.known.minor = RLX_BACKEND_MINOR + 40;
    grown.known.describe = describe_grown;
    for (size_t i = 0; i < sizeof grown.later / sizeof *grown.later; i++) grown.later[i] = beyond;
    grown_properties.known = listed;
    grown_properties.known.struct_size = sizeof grown_properties;
    memset(grown_properties.later, 0xff, sizeof grown_properties.later);
    return &grown.known;
}
