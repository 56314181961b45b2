/* Drawing: one SVG file with its own style, that follows the reader's choice of light or dark.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "curve.h"

#include <stdio.h>

void curve_add(curve *c, double bits) {
    if (c->bin_steps == 0) c->bin_steps = 1;
    uint64_t bin = c->added / c->bin_steps;
    if (bin == CURVE_BINS) {
        for (size_t i = 0; i < CURVE_BINS / 2; i++) c->bins[i] = (c->bins[2 * i] + c->bins[2 * i + 1]) / 2;
        for (size_t i = CURVE_BINS / 2; i < CURVE_BINS; i++) c->bins[i] = 0;
        c->bin_steps *= 2;
        bin = c->added / c->bin_steps;
    }
    double within = (double)(c->added % c->bin_steps);
    c->bins[bin] += (bits - c->bins[bin]) / (within + 1); /* the mean so far */
    c->added++;
}

void curve_add_point(curve *c, uint64_t step, double bits) {
    if (c->points == CURVE_POINTS) return;
    c->point[c->points].step = step;
    c->point[c->points++].bits = bits;
}

/* ---- The drawing ------------------------------------------------------------------------------------------------- */

/* The frame of the plot, in pixels. On the right there is room for the labels of the lines. */
enum { WIDTH = 860, HEIGHT = 480, LEFT = 64, RIGHT = 712, TOP = 56, BOTTOM = 424 };

static const char head[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
    "font-family=\"system-ui, sans-serif\" font-size=\"13\">\n"
    "<title>bytelm: bits per byte</title>\n"
    "<style>\n"
    ".paper { fill: #fff } text { fill: #222 } .soft { fill: #777 } .grid { stroke: #e4e4e4 } .axis { stroke: #777 }\n"
    ".train, .held { fill: none; stroke-linejoin: round } .train { stroke: #9db8d9; stroke-width: 1.5 }\n"
    ".held { stroke: #1f5fa8; stroke-width: 2.5 } .order { stroke: #b8652a; stroke-width: 1.5; stroke-dasharray: 7 5 "
    "}\n"
    ".dot, .of-held { fill: #1f5fa8 } .of-train { fill: #7f9fc6 } .of-order { fill: #b8652a }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  .paper { fill: #16181c } text { fill: #e6e6e6 } .soft { fill: #9a9a9a } .grid { stroke: #2c2f35 }\n"
    "  .train { stroke: #3f5c80 } .held { stroke: #6aa8f0 } .order { stroke: #e09a5f }\n"
    "  .dot, .of-held { fill: #6aa8f0 } .of-train { fill: #6485ad } .of-order { fill: #e09a5f }\n"
    "}\n"
    "</style>\n"
    "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n";

typedef struct plot {
    FILE *f;
    double first, last, top; /* steps at the left and right edge, bits at the upper one; the lower one is 0 */
} plot;

static double at_x(const plot *p, double step) {
    return LEFT + (RIGHT - LEFT) * (step - p->first) / (p->last - p->first);
}
static double at_y(const plot *p, double bits) {
    double b = bits > p->top ? p->top : bits;
    return BOTTOM - (BOTTOM - TOP) * b / p->top;
}

/* 1, 2 or 5 times a power of ten, so that about six ticks fit. */
static double tick_distance(double range) {
    double d = 1;
    while (d * 60 < range) d *= 10;
    if (d * 6 >= range) return d;
    return d * 12 >= range ? 2 * d : d * 30 >= range ? 5 * d : 10 * d;
}

static void draw_axes(const plot *p) {
    for (double b = 0; b <= p->top; b += 1) {
        double y = at_y(p, b);
        fprintf(p->f, "<line class=\"%s\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", b == 0 ? "axis" : "grid",
                LEFT, y, RIGHT, y);
        fprintf(p->f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 10, y + 4.5, b);
    }
    double distance = tick_distance(p->last - p->first);
    double from = (double)(uint64_t)((p->first + distance - 1) / distance) * distance;
    for (double step = from; step <= p->last; step += distance) {
        double x = at_x(p, step);
        fprintf(p->f, "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", x, BOTTOM, x, BOTTOM + 5);
        fprintf(p->f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n", x, BOTTOM + 21, step);
    }
    fprintf(p->f, "<text class=\"soft\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">steps of 256 bytes</text>\n",
            (LEFT + RIGHT) / 2, BOTTOM + 44);
    fprintf(p->f, "<text x=\"%d\" y=\"28\" font-size=\"16\" font-weight=\"600\">bits per byte</text>\n", LEFT);
}

static void draw_lines(const plot *p, const curve *c) {
    size_t bins = c->added ? (size_t)((c->added + c->bin_steps - 1) / c->bin_steps) : 0;
    fprintf(p->f, "<polyline class=\"train\" points=\"");
    for (size_t i = 0; i < bins; i++) {
        double end = (double)((i + 1) * c->bin_steps < c->added ? (i + 1) * c->bin_steps : c->added);
        double middle = ((double)(i * c->bin_steps) + end + 1) / 2;
        fprintf(p->f, "%.1f,%.1f ", at_x(p, (double)c->first_step + middle), at_y(p, c->bins[i]));
    }
    fprintf(p->f, "\"/>\n<polyline class=\"held\" points=\"");
    for (size_t i = 0; i < c->points; i++)
        fprintf(p->f, "%.1f,%.1f ", at_x(p, (double)c->point[i].step), at_y(p, c->point[i].bits));
    fprintf(p->f, "\"/>\n");
    for (size_t i = 0; i < c->points; i++)
        fprintf(p->f, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", at_x(p, (double)c->point[i].step),
                at_y(p, c->point[i].bits));
}

typedef struct label {
    const char *style, *name;
    double bits, y;
} label;

/* Names at the right edge, at the height of their lines' ends, and pushed apart where they would touch. */
static void draw_labels(const plot *p, label *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        labels[i].y = at_y(p, labels[i].bits) + 4.5;
        label moved = labels[i]; /* sorted from top to bottom, by insertion */
        size_t k = i;
        for (; k > 0 && labels[k - 1].y > moved.y; k--) labels[k] = labels[k - 1];
        labels[k] = moved;
    }
    /* From the lowest up: there is always room above. */
    for (size_t i = count; i-- > 0;) {
        if (labels[i].y > BOTTOM) labels[i].y = BOTTOM;
        if (i + 1 < count && labels[i].y > labels[i + 1].y - 17) labels[i].y = labels[i + 1].y - 17;
    }
    for (size_t i = 0; i < count; i++)
        fprintf(p->f, "<text class=\"%s\" x=\"%d\" y=\"%.1f\">%s %.2f</text>\n", labels[i].style, RIGHT + 10,
                labels[i].y, labels[i].name, labels[i].bits);
}

bool curve_draw(const curve *c, const char *path, double order0, double order1) {
    plot p = { fopen(path, "w"), (double)c->first_step, (double)(c->first_step + c->added), 8 };
    if (!p.f) return false;
    if (p.last <= p.first) p.last = p.first + 1;
    fprintf(p.f, head, WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_axes(&p);
    const double orders[] = { order0, order1 };
    for (size_t i = 0; i < 2; i++)
        fprintf(p.f, "<line class=\"order\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT, at_y(&p, orders[i]),
                RIGHT, at_y(&p, orders[i]));
    draw_lines(&p, c);
    label labels[4] = { { "of-order", "order-0", order0, 0 }, { "of-order", "order-1", order1, 0 } };
    size_t count = 2;
    if (c->points) labels[count++] = (label){ "of-held", "held out", c->point[c->points - 1].bits, 0 };
    if (c->added) labels[count++] = (label){ "of-train", "training", c->bins[(c->added - 1) / c->bin_steps], 0 };
    draw_labels(&p, labels, count);
    fprintf(p.f, "</svg>\n");
    bool good = !ferror(p.f);
    return fclose(p.f) == 0 && good;
}
