/* `rlx trace picture`: rows against time in one SVG, with its own style, that follows the reader's choice of light or
 * dark.
 *
 * Kernels have a colour each, the ones with the most time first; what is not a command has the colour of its kind. A
 * picture has a thousand columns and a trace may have millions of spans, so what would lie within half a column of what
 * is drawn already is left out: the file stays small, whatever the trace. */
#include "tool.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1200, LEFT = 180, RIGHT = 1172, TOP = 40, ROW = 30, BAR = 22, INSET = 4 };
enum { ROWS_MOST = 40, ARROWS_MOST = 200, COLOURS = 9, DEPTH_MOST = 4 };
#define LEAST_WIDTH 0.5
#define LEAST_STEP 0.5
#define ROUNDING_US 0.0005 /* times have three decimals, in binary fractions */
#define LETTER 6.2         /* of the labels in bars, about */

static const char style[] =
    "<style>\n"
    ".paper { fill: #fff } text { fill: #1d1f23 } .soft { fill: #6b7280 } .in { fill: #fff; font-size: 11px }\n"
    ".lane { fill: #f4f5f7 } .grid { stroke: #dfe2e6 } .arrow { fill: none; stroke: #1d1f23; stroke-width: 1.1 }\n"
    ".tip { fill: #1d1f23 } .dark { fill: #1d1f23 }\n"
    ".batch { fill: #aab4c3 } .held { fill: #e3a008 } .queued { fill: #dcd0f0 } .submit { fill: #6b7280 }\n"
    ".wait { fill: #d7dbe0 } .call { fill: #b8a48c } .trace { fill: #d33 } .failed { stroke: #d11; stroke-width: 2 }\n"
    ".k0 { fill: #2f6db5 } .k1 { fill: #c2662b } .k2 { fill: #3d8a50 } .k3 { fill: #a64570 } .k4 { fill: #7359b6 }\n"
    ".k5 { fill: #2a8c96 } .k6 { fill: #8a7a1f } .k7 { fill: #b4483f } .k8 { fill: #68707c }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  .paper { fill: #16181c } text { fill: #e6e7e9 } .soft { fill: #9aa1ab } .in { fill: #fff }\n"
    "  .lane { fill: #1e2126 } .grid { stroke: #30343b } .arrow { stroke: #e6e7e9 } .tip { fill: #e6e7e9 }\n"
    "  .batch { fill: #4d5868 } .held { fill: #b7820a } .queued { fill: #4a3f63 } .submit { fill: #8b93a0 }\n"
    "  .wait { fill: #343942 } .call { fill: #6f604c } .dark { fill: #e6e7e9 }\n"
    "}\n"
    "</style>\n";

typedef struct colour {
    const char *name;
    double total_us;
} colour;

typedef struct picture {
    const trace_rows *rows;
    double begin_us, end_us; /* of what is drawn */
    colour *colours;         /* kernels, by their time within it */
    size_t colour_count;
    size_t drawn[ROWS_MOST]; /* rows */
    size_t drawn_count, left_out;
} picture;

/* ---- Places ---- */

static double at_x(const picture *p, double us) {
    double x = LEFT + (RIGHT - LEFT) * (us - p->begin_us) / (p->end_us - p->begin_us);
    return x < LEFT ? LEFT : x > RIGHT ? RIGHT : x;
}

static int row_top(size_t place) { return TOP + (int)place * ROW; }

static bool is_within(const picture *p, const trace_event *span) {
    return span->begin_us < p->end_us && span->begin_us + span->length_us > p->begin_us;
}

/* ---- What is drawn, and how ---- */

static int by_total(const void *a, const void *b) {
    const colour *x = a, *y = b;
    return x->total_us != y->total_us ? (x->total_us < y->total_us) - (x->total_us > y->total_us)
                                      : strcmp(x->name, y->name);
}

static colour *find_colour(const picture *p, const char *name) {
    for (size_t i = 0; i < p->colour_count; i++)
        if (p->colours[i].name == name) return &p->colours[i]; /* texts are kept once */
    return NULL;
}

/* At most so many names are told apart: a trace of a thousand kernels has no thousand colours anyway. */
static bool choose_colours(picture *p) {
    enum { NAMES_MOST = 256 };
    p->colours = malloc(NAMES_MOST * sizeof *p->colours);
    if (!p->colours) return false;
    for (size_t i = 0; i < p->rows->span_count; i++) {
        const trace_event *span = p->rows->spans[i];
        if (!trace_is_command(span) || !is_within(p, span)) continue;
        const char *name = trace_command_name(span);
        colour *found = find_colour(p, name);
        if (!found && p->colour_count == NAMES_MOST) continue;
        if (!found) {
            found = &p->colours[p->colour_count++];
            *found = (colour){ name, 0 };
        }
        found->total_us += span->length_us;
    }
    qsort(p->colours, p->colour_count, sizeof *p->colours, by_total);
    return true;
}

/* Rows that have something within the picture. */
static void choose_rows(picture *p) {
    for (size_t i = 0; i < p->rows->count; i++) {
        bool any = false;
        for (size_t s = 0; s < p->rows->rows[i].count && !any; s++) any = is_within(p, p->rows->rows[i].spans[s]);
        if (!any) continue;
        if (p->drawn_count < ROWS_MOST) p->drawn[p->drawn_count++] = i;
        else p->left_out++;
    }
}

static const char *class_of(const picture *p, const trace_event *span, char *text, size_t size) {
    static const char *const kinds[] = { "batch", "held", "queued", "submit", "wait", "trace" };
    if (!trace_is_command(span)) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strcmp(span->category, kinds[i]) == 0) return kinds[i];
        return "call";
    }
    const colour *found = find_colour(p, trace_command_name(span));
    size_t number = found ? (size_t)(found - p->colours) : COLOURS;
    snprintf(text, size, "k%zu", number < COLOURS ? number : COLOURS - 1);
    return text;
}

/* Light bars have dark letters. */
static bool is_light(const trace_event *span) {
    return !trace_is_command(span) && strcmp(span->category, "submit") != 0;
}

/* ---- Drawing ---- */

static void print_escaped(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '<') fputs("&lt;", stdout);
        else if (*at == '>') fputs("&gt;", stdout);
        else if (*at == '&') fputs("&amp;", stdout);
        else if (*at == '"') fputs("&quot;", stdout);
        else if (*at < 0x20 || *at == 0x7f) putchar(' ');
        else putchar(*at);
    }
}

static void print_length(double us) {
    if (us >= 1000) printf("%.2f ms", us / 1000);
    else printf("%.2f us", us);
}

/* 1, 2 or 5 times a power of ten, so that some ten ticks fit; a trace has no parts of a nanosecond. */
static double tick_distance(double range_us) {
    double d = 0.001;
    while (d * 60 < range_us) d *= 10;
    return d * 12 >= range_us ? d : d * 24 >= range_us ? 2 * d : 5 * d;
}

static void draw_axis(const picture *p) {
    int bottom = row_top(p->drawn_count);
    double origin_us = p->rows->begin_us, distance = tick_distance(p->end_us - p->begin_us);
    double i = (double)(uint64_t)((p->begin_us - origin_us) / distance + 0.999);
    for (; origin_us + i * distance <= p->end_us; i++) {
        double x = at_x(p, origin_us + i * distance);
        printf("<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", x, TOP - 6, x, bottom);
        printf("<text class=\"soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g ms</text>\n", x, TOP - 12,
               i * distance / 1000);
    }
}

static void draw_label(const trace_event *span, double x, double width, int y) {
    if ((double)strlen(span->name) * LETTER + 6 > width) return;
    printf("<text class=\"in%s\" x=\"%.1f\" y=\"%d\">", is_light(span) ? " dark" : "", x + 3, y + BAR / 2 + 4);
    print_escaped(span->name);
    fputs("</text>\n", stdout);
}

static void draw_span(const picture *p, const trace_event *span, double x, double width, int top, int depth) {
    char text[8];
    int y = top + (ROW - BAR) / 2 + depth * INSET, height = BAR - 2 * depth * INSET;
    printf("<rect class=\"%s%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"",
           class_of(p, span, text, sizeof text), span->failed[0] ? " failed" : "", x, y, width, height);
    if (width < 3) {
        fputs("/>\n", stdout);
        return;
    }
    fputs("><title>", stdout);
    print_escaped(span->name);
    fputs(": ", stdout);
    print_length(span->length_us);
    if (span->failed[0]) fputs(", failed: ", stdout), print_escaped(span->failed);
    fputs("</title></rect>\n", stdout);
    if (depth == 0) draw_label(span, x, width, y);
}

/* Spans that lie within others are drawn on top of them, a little smaller. */
static void draw_row(const picture *p, size_t place) {
    const trace_row *row = &p->rows->rows[p->drawn[place]];
    double ends_us[DEPTH_MOST], drawn_to[DEPTH_MOST] = { 0 };
    int top = row_top(place), depth = 0;
    printf("<rect class=\"lane\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", LEFT, top + 3, RIGHT - LEFT, ROW - 6);
    printf("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LEFT - 10, top + ROW / 2 + 4);
    char name[28];
    snprintf(name, sizeof name, "%.27s", row->name[0] ? row->name : "row without a name");
    print_escaped(name);
    fputs("</text>\n", stdout);
    for (size_t i = 0; i < row->count; i++) {
        const trace_event *span = row->spans[i];
        if (!is_within(p, span)) continue;
        while (depth > 0 && ends_us[depth - 1] <= span->begin_us + ROUNDING_US) depth--;
        int at = depth < DEPTH_MOST ? depth : DEPTH_MOST - 1;
        if (depth < DEPTH_MOST) ends_us[depth++] = span->begin_us + span->length_us;
        double x = at_x(p, span->begin_us), width = at_x(p, span->begin_us + span->length_us) - x;
        if (x + width < drawn_to[at] + LEAST_STEP) continue;
        draw_span(p, span, x, width < LEAST_WIDTH ? LEAST_WIDTH : width, top, at);
        drawn_to[at] = x + width;
    }
}

static bool find_row(const picture *p, const trace_event *event, size_t *place) {
    for (*place = 0; *place < p->drawn_count; ++*place) {
        const trace_row *row = &p->rows->rows[p->drawn[*place]];
        if (row->row == event->row && row->process == event->process) return true;
    }
    return false;
}

static void draw_arrow(const picture *p, const trace_event *from, const trace_event *to) {
    size_t above, below;
    if (!find_row(p, from, &above) || !find_row(p, to, &below)) return;
    double x1 = at_x(p, from->begin_us), x2 = at_x(p, to->begin_us), bend = x2 - x1 > 24 ? (x2 - x1) / 2 : 12;
    int y1 = row_top(above) + ROW / 2, y2 = row_top(below) + ROW / 2;
    printf("<path class=\"arrow\" d=\"M%.1f %d C%.1f %d %.1f %d %.1f %d\"/>", x1, y1, x1 + bend, y1, x2 - bend, y2, x2,
           y2);
    printf("<path class=\"tip\" d=\"M%.1f %d l-6 -3 v6 z\"/>\n", x2, y2);
}

/* Both ends of an arrow stand next to each other in our traces; elsewhere it takes longer to find them. */
static void draw_arrows(const picture *p, const trace_file *file) {
    int drawn = 0;
    for (size_t i = 0; i < file->count && drawn < ARROWS_MOST; i++) {
        const trace_event *from = &file->events[i];
        if (from->phase != 's' || from->begin_us < p->begin_us || from->begin_us > p->end_us) continue;
        for (size_t k = i + 1; k < file->count && k < i + 1000; k++) {
            const trace_event *to = &file->events[k];
            if (to->phase != 'f' || to->id != from->id || to->begin_us > p->end_us) continue;
            draw_arrow(p, from, to);
            drawn++;
            break;
        }
    }
}

/* Left to right, and on in the next line where there is no room. */
static int draw_legend(const picture *p, int y) {
    double x = LEFT, whole_us = 0;
    for (size_t i = 0; i < p->colour_count; i++) whole_us += p->colours[i].total_us;
    for (size_t i = 0; i < p->colour_count && i < COLOURS; i++) {
        bool rest = i == COLOURS - 1 && p->colour_count > COLOURS;
        double total_us = 0;
        for (size_t k = i; k < (rest ? p->colour_count : i + 1); k++) total_us += p->colours[k].total_us;
        const char *name = rest ? "others" : p->colours[i].name;
        double width = ((double)strlen(name) + 7) * 7.2 + 30;
        if (x > LEFT && x + width > RIGHT) x = LEFT, y += 20;
        printf("<rect class=\"k%zu\" x=\"%.1f\" y=\"%d\" width=\"12\" height=\"12\"/>", i, x, y - 10);
        printf("<text x=\"%.1f\" y=\"%d\">", x + 17, y);
        print_escaped(name);
        printf(" <tspan class=\"soft\">%.0f %%</tspan></text>\n", whole_us > 0 ? 100 * total_us / whole_us : 0);
        x += width;
    }
    return y + 20;
}

/* ---- The whole ---- */

int trace_draw(const trace_file *file, const trace_rows *rows, double from_us, double for_us) {
    picture p = { .rows = rows, .begin_us = rows->begin_us + from_us };
    p.end_us = p.begin_us + for_us < rows->end_us ? p.begin_us + for_us : rows->end_us;
    if (!rows->span_count || p.end_us <= p.begin_us) {
        fprintf(stderr, "rlx trace: nothing happened then; the trace has %.3f ms\n",
                (rows->end_us - rows->begin_us) / 1000);
        return TOOL_FAILED;
    }
    if (!choose_colours(&p)) {
        fprintf(stderr, "rlx trace: out of memory\n");
        return TOOL_FAILED;
    }
    choose_rows(&p);
    int lines = 1 + (int)(p.colour_count < COLOURS ? p.colour_count : COLOURS) / 5;
    int height = row_top(p.drawn_count) + 24 + lines * 20 + (p.left_out ? 20 : 0);
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
           "font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title>%.3f ms of a trace</title>\n%s"
           "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n",
           WIDTH, height, WIDTH, height, (p.end_us - p.begin_us) / 1000, style, WIDTH, height);
    draw_axis(&p);
    for (size_t i = 0; i < p.drawn_count; i++) draw_row(&p, i);
    draw_arrows(&p, file);
    int y = draw_legend(&p, row_top(p.drawn_count) + 24);
    if (p.left_out) printf("<text class=\"soft\" x=\"%d\" y=\"%d\">and %zu rows more</text>\n", LEFT, y, p.left_out);
    fputs("</svg>\n", stdout);
    free(p.colours);
    return TOOL_OK;
}
