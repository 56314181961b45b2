/* In builds with a sanitizer: its allocator aborts the process where there is no memory, unless it is told to return
 * NULL as malloc does. Rule 10 asks for just that moment, so the suite tells it. The names are those that the
 * sanitizers look for; elsewhere nobody calls these functions. */

#if defined(__GNUC__)
#define EXPORTED __attribute__((visibility("default")))
#else
#define EXPORTED
#endif

EXPORTED const char *__asan_default_options(void);
EXPORTED const char *__tsan_default_options(void);

const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }
