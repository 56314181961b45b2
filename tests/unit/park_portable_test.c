/* park_test.c over the parking place for systems without a futex: defined here, it takes the place of the library's. */
#define RLX_PARK_PORTABLE

#include "park_test.c"
#include "platform/park.c"
