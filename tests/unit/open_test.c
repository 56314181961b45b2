/* Opening a device by name, or whatever is best. */
#include "fake.h"

static rlx_device_properties card_properties;
static rlx_backend card_table;

static const rlx_device_properties *card_describe(uint32_t index) { return index ? NULL : &card_properties; }

static rlx_status card_open(uint32_t index, const rlx_device_desc *desc, rlx_device_opened *opened) {
    (void)index, (void)desc, (void)opened;
    return fake_host->fail(RLX_ERROR_BACKEND, "the card does not answer");
}

static const rlx_backend *card_entry(const rlx_host *host) {
    fake_host = host;
    card_properties = *fake_describe(0);
    card_properties.kind = RLX_DEVICE_DISCRETE_GPU;
    card_properties.name = card_properties.backend = "card";
    card_table = fake_table;
    card_table.name = "card";
    card_table.describe = card_describe;
    card_table.device_open = card_open;
    return &card_table;
}

static void auto_takes_the_first_device_that_opens_and_leaves_no_message(void) {
    rlx_device *device = NULL;
    const rlx_device_properties *list[8];
    uint32_t count = 0;
    CHECK_INT(rlx_backend_register(card_entry), RLX_OK);
    CHECK_INT(rlx_devices_list(list, 8, &count), RLX_OK);
    if (!CHECK(count >= 3)) return;
    CHECK_STRING(list[0]->name, "card"); /* the best, were it not broken */
    CHECK_INT(rlx_device_open("card", NULL, &device), RLX_ERROR_BACKEND);
    CHECK_STRING(rlx_last_error(), "card: the card does not answer");
    CHECK_INT(rlx_stream_create(NULL, NULL, NULL), RLX_ERROR_INVALID);
    char before[256];
    snprintf(before, sizeof before, "%s", rlx_last_error());
    CHECK_INT(rlx_device_open("auto", NULL, &device), RLX_OK);
    CHECK_STRING(rlx_device_info(device)->name, "cpu");
    CHECK_STRING(rlx_last_error(), before);
    rlx_device_release(device);
    CHECK_INT(rlx_device_open(NULL, NULL, &device), RLX_OK);
    CHECK_STRING(rlx_device_info(device)->name, "cpu");
    rlx_device_release(device);
    CHECK_INT(rlx_device_open("no such device", NULL, &device), RLX_ERROR_NOT_FOUND);
    CHECK_HOLDS(rlx_last_error(), "cpu");
}

static const tap_test tests[] = { TAP(auto_takes_the_first_device_that_opens_and_leaves_no_message) };
TAP_MAIN(tests)
