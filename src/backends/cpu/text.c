/* A text that grows. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu.h"

/* Makes room for `more` bytes and a NUL. */
static bool grow(rlx_cpu_text *text, size_t more) {
    if (text->failed) return false;
    if (more < text->room - text->length) return true;
    size_t room = text->room ? text->room * 2 : 256;
    while (room - text->length <= more) room *= 2;
    char *data = rlx_cpu_host->allocate(room);
    if (!data) {
        text->failed = true;
        return false;
    }
    if (text->data) {
        memcpy(data, text->data, text->length);
        rlx_cpu_host->release(text->data);
    }
    text->data = data;
    text->room = room;
    return true;
}

void rlx_cpu_text_add(rlx_cpu_text *text, const void *bytes, size_t length) {
    if (!grow(text, length)) return;
    if (length) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void rlx_cpu_text_print(rlx_cpu_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !grow(text, (size_t)length)) return;
    va_start(arguments, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

void rlx_cpu_text_clear(rlx_cpu_text *text) {
    if (text->data) rlx_cpu_host->release(text->data);
    *text = (rlx_cpu_text){ NULL, 0, 0, false };
}
