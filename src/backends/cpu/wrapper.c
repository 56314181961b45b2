/* The text around a kernel's source: rlx_group before it, and behind it the function that the backend calls.
 *
 * The wrapper needs no header, so that the source sees none that it did not ask for. It copies each value into a
 * variable of the declared type once, and calls the entry for one group after the other. #line directives give every
 * line the number that its author knows. */
#include <string.h>

#include "source.h"

void rlx_cpu_source_before(rlx_cpu_text *text, const rlx_cpu_source_traits *traits, const char *entry) {
    if (!traits->includes_driver)
        rlx_cpu_text_print(text,
                           "#line 1 \"before %s.c\"\n"
                           "typedef struct rlx_group {\n"
                           "    unsigned id[3], count[3], size[3];\n"
                           "    unsigned shared_bytes;\n"
                           "    void *shared;\n"
                           "} rlx_group;\n",
                           entry);
    rlx_cpu_text_print(text, "#line 1 \"%s.c\"\n", entry);
}

static const char *type_of(const rlx_cpu_signature *signature, uint32_t i) {
    return signature->texts.data + signature->parameters[i].type;
}

/* As text of a string literal: what could end it becomes a blank. */
static void print_quoted(rlx_cpu_text *text, const char *quoted) {
    for (; *quoted; quoted++) rlx_cpu_text_add(text, strchr("\"\\\n\r", *quoted) ? " " : quoted, 1);
}

static void print_checks(rlx_cpu_text *text, const rlx_cpu_signature *signature, const rlx_kernel_desc *desc) {
    for (uint32_t i = 0; i < desc->param_count; i++) {
        if (desc->params[i].access != RLX_VALUE) continue;
        rlx_cpu_text_print(text, "_Static_assert(sizeof(%s) == %u, \"parameter %u (", type_of(signature, i),
                           desc->params[i].size, i);
        print_quoted(text, signature->texts.data + signature->parameters[i].text);
        rlx_cpu_text_print(text, ") has %u bytes in its description\");\n", desc->params[i].size);
    }
}

static void print_values(rlx_cpu_text *text, const rlx_cpu_signature *signature, const rlx_kernel_desc *desc) {
    for (uint32_t i = 0; i < desc->param_count; i++) {
        if (desc->params[i].access != RLX_VALUE) continue;
        rlx_cpu_text_print(text,
                           "    %s rlx_value_%u;\n"
                           "    __builtin_memcpy(&rlx_value_%u, rlx_k->args[%u].data, sizeof rlx_value_%u);\n",
                           type_of(signature, i), i, i, i, i);
    }
}

static void print_call(rlx_cpu_text *text, const rlx_cpu_signature *signature, const rlx_kernel_desc *desc,
                       const char *entry) {
    rlx_cpu_text_print(text, "        %s%s(", signature->returns_status ? "int rlx_status_ = " : "", entry);
    for (uint32_t i = 0; i < signature->count; i++) {
        const char *comma = i ? ", " : "";
        if (i == desc->param_count) rlx_cpu_text_print(text, "%s&rlx_g", comma);
        else if (desc->params[i].access == RLX_VALUE) rlx_cpu_text_print(text, "%srlx_value_%u", comma, i);
        else rlx_cpu_text_print(text, "%srlx_k->args[%u].data", comma, i);
    }
    rlx_cpu_text_print(text, ");\n");
    if (signature->returns_status) rlx_cpu_text_print(text, "        if (rlx_status_) return rlx_status_;\n");
}

void rlx_cpu_source_behind(rlx_cpu_text *text, const rlx_cpu_signature *signature, const rlx_kernel_desc *desc,
                           const char *entry) {
    rlx_cpu_text_print(text, "\n#line 1 \"behind %s.c\"\n", entry);
    print_checks(text, signature, desc);
    /* The two structs are those of <rlx/driver.h>, which the source may have included under their own names. */
    rlx_cpu_text_print(text, "struct rlx_wrapper_arg { void *data; unsigned long long size; };\n"
                             "struct rlx_wrapper_kernel {\n"
                             "    const struct rlx_wrapper_arg *args;\n"
                             "    unsigned arg_count, groups[3], group_size[3], shared_bytes;\n"
                             "    void *shared, *user;\n"
                             "};\n"
                             "__attribute__((visibility(\"default\"))) int " RLX_CPU_WRAPPER_NAME
                             "(const struct rlx_wrapper_kernel *rlx_k,\n"
                             "    unsigned long long rlx_first, unsigned long long rlx_count);\n"
                             "int " RLX_CPU_WRAPPER_NAME "(const struct rlx_wrapper_kernel *rlx_k,\n"
                             "    unsigned long long rlx_first, unsigned long long rlx_count) {\n");
    print_values(text, signature, desc);
    rlx_cpu_text_print(text,
                       "    const unsigned *rlx_n = rlx_k->groups, *rlx_s = rlx_k->group_size;\n"
                       "    const unsigned long long rlx_row = rlx_first / rlx_n[0];\n"
                       "    rlx_group rlx_g = { { (unsigned)(rlx_first %% rlx_n[0]), (unsigned)(rlx_row %% rlx_n[1]),\n"
                       "                          (unsigned)(rlx_row / rlx_n[1]) },\n"
                       "                        { rlx_n[0], rlx_n[1], rlx_n[2] }, { rlx_s[0], rlx_s[1], rlx_s[2] },\n"
                       "                        rlx_k->shared_bytes, rlx_k->shared };\n"
                       "    for (; rlx_count > 0; rlx_count--) {\n");
    print_call(text, signature, desc, entry);
    rlx_cpu_text_print(text, "        if (++rlx_g.id[0] < rlx_n[0]) continue;\n"
                             "        rlx_g.id[0] = 0;\n"
                             "        if (++rlx_g.id[1] < rlx_n[1]) continue;\n"
                             "        rlx_g.id[1] = 0;\n"
                             "        rlx_g.id[2]++;\n"
                             "    }\n"
                             "    return 0;\n"
                             "}\n");
}
