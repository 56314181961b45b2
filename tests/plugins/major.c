/* Was built for another major version of the interface, of which only the table's head is the same. */
#include <rlx/backend.h>

RLX_BACKEND_EXPORT const rlx_backend *rlx_backend_entry(const rlx_host *services);

const rlx_backend *rlx_backend_entry(const rlx_host *services) {
    static const struct {
        uint32_t struct_size;
        uint16_t major, minor;
        unsigned char other[64];
    } table = { sizeof table, RLX_BACKEND_MAJOR + 1, 0, { 0xff } };
    (void)services;
    return (const rlx_backend *)(const void *)&table;
}
