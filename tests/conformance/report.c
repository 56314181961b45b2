/* The list of all tests, their names, and what is printed about each: TAP version 13, JSON, or a table in Markdown. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>

static const conform_case *const tables[] = {
    conform_rule01,       conform_rule02,        conform_rule03,       conform_rule04,          conform_rule04_many,
    conform_rule05,       conform_rule05_travel, conform_rule06,       conform_rule06_transfer, conform_rule07,
    conform_rule08,       conform_rule09,        conform_rule10,       conform_rule11,          conform_rule12,
    conform_rule13,       conform_rule14,        conform_rule14_rows,  conform_rule15,          conform_rule16,
    conform_rule16_slots, conform_floors,        conform_capabilities,
};

void conform_name(const conform_case *test, char *name, size_t size) {
    if (test->rule == CONFORM_FLOOR) snprintf(name, size, "floor: %s", test->sentence);
    else if (test->rule == CONFORM_CAPABILITY) snprintf(name, size, "capability: %s", test->sentence);
    else snprintf(name, size, "rule %d: %s", test->rule, test->sentence);
}

uint32_t conform_select(const char *filter, const conform_case *list[CONFORM_MAX]) {
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const conform_case *test = tables[i]; test->sentence && count < CONFORM_MAX; test++) {
            char name[CONFORM_NAME];
            conform_name(test, name, sizeof name);
            if (!filter || strstr(name, filter)) list[count++] = test;
        }
    }
    return count;
}

/* ---- Results ---- */

static void print_json_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') printf("\\%c", c);
        else if (c == '\n') printf("\\n");
        else if (c < 0x20) printf("\\u%04x", c);
        else putchar(c);
    }
    putchar('"');
}

static const char *const result_words[] = { "passed", "failed", "skipped" };

static void print_json(const conform_report *report, const conform_case *test, const char *name,
                       const conform_outcome *outcome) {
    printf("%s\n  {\"number\": %u, \"name\": ", report->number == 1 ? "" : ",", report->number);
    print_json_text(name);
    printf(", \"rule\": %d, \"result\": \"%s\", \"ms\": %u, \"text\": ",
           test->rule >= 1 && test->rule <= 16 ? test->rule : 0, result_words[outcome->result], outcome->ms);
    print_json_text(outcome->text);
    printf("}");
}

/* Where to read what should have happened. */
static void print_guide(int rule) {
    if (rule == CONFORM_FLOOR)
        printf("# floor: docs/design.md, section 4, the table of floors; docs/backend-guide.md\n");
    else if (rule == CONFORM_CAPABILITY)
        printf("# capability: include/rlx/driver.h, RLX_CAN_; docs/backend-guide.md\n");
    else
        printf("# rule: %d, in docs/design.md, section 2; docs/backend-guide.md says what it asks of a backend\n",
               rule);
}

static void print_tap(const conform_report *report, const conform_case *test, const char *name,
                      const conform_outcome *outcome) {
    if (outcome->result == CONFORM_SKIPPED) {
        printf("ok %u - %s # SKIP %s\n", report->number, name, outcome->text);
    } else if (outcome->result == CONFORM_PASSED) {
        printf("ok %u - %s\n", report->number, name);
    } else {
        printf("not ok %u - %s\n", report->number, name);
        print_guide(test->rule);
        fputs(outcome->text, stdout);
    }
}

void conform_report_begin(conform_report *report, uint32_t count) {
    if (report->json) printf("[");
    else printf("TAP version 13\n1..%u\n", count);
    fflush(stdout);
}

void conform_report_add(conform_report *report, const conform_case *test, const conform_outcome *outcome) {
    char name[CONFORM_NAME];
    conform_name(test, name, sizeof name);
    report->number++;
    report->results[outcome->result]++;
    if (report->json) print_json(report, test, name, outcome);
    else print_tap(report, test, name, outcome);
    fflush(stdout);
}

void conform_report_end(conform_report *report, uint64_t ms) {
    if (report->json) {
        printf("\n]\n");
    } else {
        printf("# %u passed, %u failed, %u skipped, in %.1f s\n", report->results[CONFORM_PASSED],
               report->results[CONFORM_FAILED], report->results[CONFORM_SKIPPED], (double)ms / 1000);
    }
    fflush(stdout);
}

/* ---- Lists ---- */

/* Each rule in a few words; floors first and capabilities last. */
static const char *const titles[CONFORM_CAPABILITY + 1] = {
    "what every device can do",
    "nothing runs before submit",
    "a stream is in order, as if sequential",
    "submit never waits, and returns a point",
    "wait ends at the exact point",
    "failures travel",
    "streams meet only at points",
    "release any time",
    "host memory is borrowed, the rest is copied",
    "threads",
    "errors are statuses, with a message",
    "no driver is touched until it is asked for",
    "who makes work progress",
    "zero is a valid default",
    "any byte range works",
    "declared access is the truth",
    "a program's runs never overlap",
    "what a device claims beyond the floors",
};

static const int order[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, CONFORM_FLOOR, CONFORM_CAPABILITY };

static const char *rule_name(int rule, char name[16]) {
    if (rule == CONFORM_FLOOR) return "floors";
    if (rule == CONFORM_CAPABILITY) return "capabilities";
    snprintf(name, 16, "rule %d", rule);
    return name;
}

/* Lines of the file of lies are "4 wait-ends-early (cpu): what it does". Counts those of a rule, and prints them. */
static uint32_t list_lies(int rule, FILE *lies, bool print) {
    char line[512];
    uint32_t count = 0;
    if (lies) rewind(lies);
    while (lies && fgets(line, sizeof line, lies)) {
        line[strcspn(line, "\n")] = '\0';
        char *name;
        long number = strtol(line, &name, 10);
        const char *words = strstr(name, ": ");
        if (name == line || number != rule || !words) continue;
        while (*name == ' ') name++;
        if (print) printf("%s- `%.*s`: %s\n", count ? "" : "\nLies:\n\n", (int)strcspn(name, " :"), name, words + 2);
        count++;
    }
    return count;
}

static uint32_t list_tests(int rule, const conform_case *const *list, uint32_t count, bool print) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i]->rule != rule) continue;
        if (print) printf("- %s\n", list[i]->sentence);
        found++;
    }
    return found;
}

/* First how many, as a table; then all of them. */
static int print_markdown(const conform_case *const *list, uint32_t count, const char *path) {
    FILE *lies = path ? fopen(path, "r") : NULL;
    char name[16];
    if (path && !lies) {
        fprintf(stderr, "rlx conform: %s can't be read\n", path);
        return 2;
    }
    printf("| rule | in a few words | tests | lies |\n|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        printf("| %s | %s | %u | %u |\n", rule_name(order[i], name), titles[order[i]],
               list_tests(order[i], list, count, false), list_lies(order[i], lies, false));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        printf("\n### %s: %s\n\n", rule_name(order[i], name), titles[order[i]]);
        list_tests(order[i], list, count, true);
        list_lies(order[i], lies, true);
    }
    if (lies) fclose(lies);
    return 0;
}

int conform_list(const char *filter, bool markdown, const char *lies) {
    static const conform_case *list[CONFORM_MAX];
    uint32_t count = conform_select(filter, list);
    if (markdown) return print_markdown(list, count, lies);
    for (uint32_t i = 0; i < count; i++) {
        char name[CONFORM_NAME];
        conform_name(list[i], name, sizeof name);
        printf("%s\n", name);
    }
    return count ? 0 : 2;
}
