/* rlx-faults: the tests of the conformance suite whose names come on standard input, each under every fault there is,
 * or under some of them. Prints TAP, one result for each test. tests/faults/run calls it, and knows which tests a
 * device passes without a fault.
 *
 *     rlx-faults --device NAME [--most N] [--workers N] [--limit SECONDS] [--fault KIND:N[+]] <NAMES
 *
 * --most: at most so many numbers of a kind and test, spread evenly, and of the faults that last one of them; 0: all.
 * --fault: this one alone, to look at what the others have found. */
#define _DEFAULT_SOURCE   /* MAP_ANONYMOUS */
#define _XOPEN_SOURCE 700 /* mkdtemp */

#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN 3 /* faults of one test whose findings are shown whole */

typedef struct totals {
    uint64_t tried, missed, survived; /* faults; those the test never came to; those under which it passed */
    uint64_t by_kind[RLX_FAILPOINT_KINDS];
} totals;

typedef struct program {
    fault_session session;
    uint64_t most;
    const char *fault; /* NULL: many */
    fault_outcome *honest, *outcome;
    totals all;
    uint32_t number, failed;
} program;

typedef struct findings {
    uint32_t count;
    char text[SHOWN * (CONFORM_TEXT + 200)];
} findings;

/* ---- Faults ---- */

static void try_fault(program *p, const conform_case *test, const fault_plan *plan, findings *found) {
    fault_case_run(&p->session, test, plan, p->honest, p->outcome);
    p->all.tried += p->outcome->failed > 0;
    p->all.missed += p->outcome->failed == 0;
    p->all.survived += p->outcome->failed > 0 && p->outcome->passed;
    p->all.by_kind[plan->kind] += p->outcome->failed > 0;
    if (!p->outcome->wrong[0] || found->count++ >= SHOWN) return;
    size_t used = strlen(found->text);
    snprintf(found->text + used, sizeof found->text - used, "# --fault %s:%llu%s\n%s", rlx_failpoint_name(plan->kind),
             (unsigned long long)plan->first, plan->on ? "+" : "", p->outcome->wrong);
}

/* Number i of `shown`, spread over 1 to count. */
static uint64_t spread(uint64_t i, uint64_t shown, uint64_t count) {
    return shown == 1 ? (count + 1) / 2 : 1 + i * (count - 1) / (shown - 1);
}

static void try_kind(program *p, const conform_case *test, rlx_failpoint_kind kind, findings *found) {
    uint64_t count = p->honest->counts[kind], shown = p->most && p->most < count ? p->most : count;
    for (uint64_t i = 0; i < shown; i++) {
        fault_plan plan = { kind, spread(i, shown, count), false };
        try_fault(p, test, &plan, found);
        plan.on = true;
        if (!p->most || i == p->number % shown) try_fault(p, test, &plan, found);
    }
}

static bool parse_fault(const char *text, fault_plan *plan) {
    for (int i = 0; i < RLX_FAILPOINT_KINDS; i++) {
        const char *name = rlx_failpoint_name((rlx_failpoint_kind)i);
        size_t length = strlen(name);
        if (strncmp(text, name, length) != 0 || text[length] != ':') continue;
        char *end;
        *plan = (fault_plan){ (rlx_failpoint_kind)i, strtoull(text + length + 1, &end, 10), false };
        plan->on = *end == '+';
        return plan->first > 0;
    }
    return false;
}

/* ---- Tests ---- */

static void try_test(program *p, const conform_case *test, const char *name) {
    static findings found;
    totals before = p->all;
    fault_plan plan = { RLX_FAILPOINT_ALLOC, 0, false };
    found.count = 0, found.text[0] = '\0';
    p->number++;
    fault_case_run(&p->session, test, &plan, NULL, p->honest);
    if (p->honest->wrong[0]) {
        snprintf(found.text, sizeof found.text, "# without a fault\n%s", p->honest->wrong);
        found.count = 1;
    } else if (p->fault) {
        if (parse_fault(p->fault, &plan)) try_fault(p, test, &plan, &found);
    } else {
        for (int i = 0; i < RLX_FAILPOINT_KINDS; i++) try_kind(p, test, (rlx_failpoint_kind)i, &found);
    }
    p->failed += found.count > 0;
    printf("%sok %u - %s, %s: %llu faults\n%s", found.count ? "not " : "", p->number, p->session.options.device, name,
           (unsigned long long)(p->all.tried - before.tried), found.text);
    if (found.count > SHOWN) printf("# and under %u faults more\n", found.count - SHOWN);
    fflush(stdout);
}

static const conform_case *find_test(const char *name) {
    static const conform_case *list[CONFORM_MAX];
    static uint32_t count;
    if (!count) count = conform_select(NULL, list);
    for (uint32_t i = 0; i < count; i++) {
        char known[CONFORM_NAME];
        conform_name(list[i], known, sizeof known);
        if (strcmp(known, name) == 0) return list[i];
    }
    return NULL;
}

static int run(program *p) {
    char name[CONFORM_NAME];
    while (fgets(name, sizeof name, stdin)) {
        name[strcspn(name, "\n")] = '\0';
        const conform_case *test = find_test(name);
        if (test) {
            try_test(p, test, name);
        } else {
            printf("not ok %u - there is no test \"%s\"\n", ++p->number, name);
            p->failed++;
        }
    }
    printf("1..%u\n# %s: %llu faults tried, under %llu of them the test passed; %llu did not come up\n#", p->number,
           p->session.options.device, (unsigned long long)p->all.tried, (unsigned long long)p->all.survived,
           (unsigned long long)p->all.missed);
    for (int i = 0; i < RLX_FAILPOINT_KINDS; i++)
        printf(" %s %llu", rlx_failpoint_name((rlx_failpoint_kind)i), (unsigned long long)p->all.by_kind[i]);
    printf("\n");
    return p->failed > 0;
}

/* ---- The command line ---- */

static bool parse(program *p, int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--device") == 0) p->session.options.device = value;
        else if (strcmp(name, "--most") == 0) p->most = strtoull(value, NULL, 10);
        else if (strcmp(name, "--workers") == 0) p->session.options.workers = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(name, "--limit") == 0) p->session.limit_s = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(name, "--fault") == 0) p->fault = value;
        else return false;
    }
    return argc % 2 == 1 && p->session.options.device;
}

static bool make_folders(fault_session *session) {
    char path[4200];
    const char *parent = getenv("TMPDIR");
    snprintf(session->folder, sizeof session->folder, "%s/rlx-faults-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(session->folder)) return false;
    snprintf(path, sizeof path, "%s/cache", session->folder);
    bool made = mkdir(path, 0700) == 0;
    snprintf(path, sizeof path, "%s/tmp", session->folder);
    return made && mkdir(path, 0700) == 0;
}

static void remove_folders(const fault_session *session) {
    char path[4200];
    snprintf(path, sizeof path, "%s/cache", session->folder);
    (void)rmdir(path);
    snprintf(path, sizeof path, "%s/tmp", session->folder);
    (void)rmdir(path);
    (void)rmdir(session->folder);
}

int main(int argc, char **argv) {
    static program p = { .session = { .options = { .seed = 1, .timeout_s = 12 }, .limit_s = 40 } };
    fault_plan ignored;
    if (!parse(&p, argc, argv) || (p.fault && !parse_fault(p.fault, &ignored))) {
        fprintf(stderr, "usage: rlx-faults --device NAME [--most N] [--workers N] [--limit SECONDS] "
                        "[--fault KIND:N[+]] <NAMES\n");
        return 2;
    }
    fault_outcome *shared = mmap(NULL, 2 * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || !make_folders(&p.session)) {
        fprintf(stderr, "rlx-faults: no memory, or no folder for temporary files\n");
        return 2;
    }
    p.honest = &shared[0];
    p.outcome = &shared[1];
    int code = run(&p);
    remove_folders(&p.session);
    return code;
}
