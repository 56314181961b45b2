/* A shared library by a plugin's name that does no harm, and is none. */
#include <rlx/driver.h>

RLX_API int rlx_test_plugin_nothing(void);

int rlx_test_plugin_nothing(void) { return 42; }
