/* A small project outside of rlx-driver: built against an installed library by the Makefile (pkg-config) and by
 * CMakeLists.txt (find_package) beside it. Fills a buffer on the device of its argument and reads it back. */
#include <inttypes.h>
#include <rlx/driver.h>
#include <stdio.h>

static rlx_status fill_and_read(rlx_device *device, uint32_t *result) {
    rlx_stream *stream = NULL;
    rlx_buffer *buffer = NULL;
    rlx_status status = rlx_stream_create(device, NULL, &stream);
    if (status == RLX_OK) status = rlx_buffer_create(device, &(rlx_buffer_desc){ .size = sizeof *result }, &buffer);
    if (status == RLX_OK) status = rlx_stream_fill(stream, rlx_whole(buffer), 42, 4);
    if (status == RLX_OK) status = rlx_stream_read(stream, result, rlx_whole(buffer));
    if (status == RLX_OK) status = rlx_stream_submit_and_wait(stream, RLX_FOREVER);
    rlx_buffer_release(buffer);
    rlx_stream_release(stream);
    return status;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "auto";
    rlx_device *device = NULL;
    uint32_t result = 0;
    rlx_status status = rlx_device_open(name, NULL, &device);
    if (status == RLX_OK) status = fill_and_read(device, &result);
    if (status == RLX_OK) printf("%s: %" PRIu32 "\n", rlx_device_info(device)->name, result);
    else fprintf(stderr, "%s: %s\n", name, rlx_last_error());
    rlx_device_release(device);
    return status == RLX_OK ? 0 : 1;
}
