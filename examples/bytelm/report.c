/* Printing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

double report_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 1234567 as 1,234,567. Four results can be in use at once. */
static const char *grouped(uint64_t n) {
    static char texts[4][32];
    static unsigned turn;
    char *end = texts[turn++ % 4] + 31, *at = end;
    *at = '\0';
    for (int digits = 0; n || digits == 0; n /= 10, digits++) {
        if (digits && digits % 3 == 0) *--at = ',';
        *--at = (char)('0' + n % 10);
    }
    return at;
}

/* ---- Progress ---------------------------------------------------------------------------------------------------- */

static bool speaks_unicode(void) {
    const char *names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value) continue;
        const char *dot = strrchr(value, '.');
        return dot && (strncasecmp(dot, ".utf-8", 6) == 0 || strncasecmp(dot, ".utf8", 5) == 0);
    }
    return false;
}

static int terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void progress_begin(progress *p) {
    const char *term = getenv("TERM");
    *p = (progress){ .terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0),
                     .unicode = speaks_unicode() };
}

/* `width` cells of which a part is full, to an eighth of a cell where the font has that. */
static void draw_bar(const progress *p, int width, double done) {
    static const char *const eighths[] = { " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    int full = (int)(done * width * 8 + 0.5);
    fputc('[', stderr);
    for (int i = 0; i < width; i++) {
        int part = full - 8 * i;
        if (p->unicode) fputs(part >= 8 ? "█" : part > 0 ? eighths[part] : " ", stderr);
        else fputc(part >= 8 ? '#' : ' ', stderr);
    }
    fputc(']', stderr);
}

static void draw_line(progress *p, const progress_state *s) {
    char text[160];
    int length =
        snprintf(text, sizeof text, " %3.0f %%  step %s  %.2f bits/byte  %s bytes/s  %.0f s left", 100 * s->done,
                 grouped(s->step), s->bits, grouped((uint64_t)s->bytes_per_second), s->seconds_left);
    int bar = terminal_width() - length - 3;
    fputs("\r\033[K", stderr);
    if (bar >= 4) draw_bar(p, bar < 40 ? bar : 40, s->done);
    /* A line longer than the terminal would wrap, and then no longer be overwritten. */
    fprintf(stderr, "%.*s", terminal_width() - 1 - (bar >= 4 ? (bar < 40 ? bar : 40) + 2 : 0), text);
    fflush(stderr);
}

void progress_show(progress *p, const progress_state *s) {
    if (p->terminal) {
        double now = report_clock();
        if (now - p->drawn < 0.1) return;
        p->drawn = now;
        draw_line(p, s);
    } else if ((int)(s->done * 10) > p->tenth) {
        p->tenth = (int)(s->done * 10);
        fprintf(stderr, "%3d %%  step %s  %.2f bits/byte  %s bytes/s  %.0f s left\n", 10 * p->tenth, grouped(s->step),
                s->bits, grouped((uint64_t)s->bytes_per_second), s->seconds_left);
    }
}

void progress_clear(progress *p) {
    if (p->terminal) fputs("\r\033[K", stderr);
    p->drawn = 0;
}

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

/* The length of the well-formed UTF-8 character at `s`; 0 if there is none. */
static size_t character(const unsigned char *s, size_t size) {
    unsigned char c = s[0];
    if (c < 0x80) return 1;
    size_t length = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (length == 0 || length > size) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    /* Overlong forms, surrogates, and what is beyond the last character; the control characters after U+007F. */
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90)) return 0;
    if ((c == 0xf4 && s[1] > 0x8f) || (c == 0xc2 && s[1] < 0xa0)) return 0;
    return length;
}

/* Text of a model, that may be anything, is shown with '?' for what a terminal would not take as a character. */
static void print_text(const unsigned char *s, size_t size, const char *indent) {
    for (size_t i = 0; i < size;) {
        size_t length = character(s + i, size - i);
        if (s[i] == '\n') printf("\n%s", indent);
        else if (s[i] == '\t') fputs("    ", stdout);
        else if (length == 0 || s[i] < 0x20 || s[i] == 0x7f) putchar('?');
        else fwrite(s + i, 1, length, stdout);
        i += length ? length : 1;
    }
}

static void print_json_text(const unsigned char *s, size_t size) {
    putchar('"');
    for (size_t i = 0; i < size;) {
        size_t length = character(s + i, size - i);
        if (s[i] == '"' || s[i] == '\\') printf("\\%c", s[i]);
        else if (length == 0) fputs("\\ufffd", stdout);
        else if (s[i] < 0x20 || s[i] == 0x7f) printf("\\u%04x", s[i]);
        else fwrite(s + i, 1, length, stdout);
        i += length ? length : 1;
    }
    putchar('"');
}

static double bytes_per_second(const figures *f) {
    return f->seconds > 0 ? (double)(f->steps * f->batch) / f->seconds : 0;
}

void report_print(const figures *f) {
    if (f->interrupted) printf("interrupted: the figures so far\n");
    printf("trained   %s steps of %s bytes in %.1f s: %s bytes/s on %s (%s arithmetic)\n", grouped(f->steps),
           grouped(f->batch), f->seconds, grouped((uint64_t)bytes_per_second(f)), f->where, f->arithmetic);
    printf("held out  %s bytes, in bits per byte:\n", grouped(f->held_bytes));
    printf("            order-0 entropy  %6.3f\n", f->order0);
    printf("            order-1 entropy  %6.3f\n", f->order1);
    double below = 100 * (1 - f->held / f->order1);
    printf("            bytelm           %6.3f  (%.0f %% %s order-1)\n", f->held, below < 0 ? -below : below,
           below < 0 ? "above" : "below");
    printf("sample\n    ");
    print_text(f->prompt, f->prompt_size, "    ");
    print_text(f->sample, f->sample_size, "    ");
    printf("\n");
    if (f->curve) printf("curve     %s\n", f->curve);
    if (f->saved) printf("saved     %s, after step %s\n", f->saved, grouped(f->first_step + f->steps));
}

/* A number that JSON can say: a loss that is none is null. */
static void print_json_number(const char *name, double x) {
    if (x - x == 0) printf(", \"%s\": %.6f", name, x);
    else printf(", \"%s\": null", name);
}

void report_print_json(const figures *f) {
    printf("{\"device\": \"%s\", \"arithmetic\": \"%s\", \"files\": %zu, \"text_bytes\": %zu, \"held_out_bytes\": %zu",
           f->where, f->arithmetic, f->files, f->text_bytes, f->held_bytes);
    printf(", \"first_step\": %llu, \"steps\": %llu", (unsigned long long)f->first_step, (unsigned long long)f->steps);
    printf(", \"interrupted\": %s, \"seconds\": %.3f, \"bytes_per_second\": %.0f", f->interrupted ? "true" : "false",
           f->seconds, bytes_per_second(f));
    print_json_number("order0", f->order0);
    print_json_number("order1", f->order1);
    print_json_number("bits_per_byte", f->held);
    print_json_number("training_bits_per_byte", f->train);
    printf(", \"sample\": ");
    print_json_text(f->sample, f->sample_size);
    printf("}\n");
}
