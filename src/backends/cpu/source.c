/* Reading C source far enough to call its entry.
 *
 * A wrapper has to know how many parameters there are and how values are declared, and the language has no way to ask.
 * So the source is read as tokens, comments, strings and directives skipped, until the entry's definition turns up at
 * file scope. Types are not understood, only carried over: the wrapper stands behind the source, where all its types
 * are known, and what does not fit together the compiler says in its own words. */
#include "source.h"

#include <stdio.h>
#include <string.h>

#include "cpu.h"

/* ---- Tokens ---- */

typedef struct token {
    const char *text;
    size_t length; /* 0: the end */
    bool word;     /* an identifier or a keyword */
} token;

typedef struct reader {
    const char *at, *end;
    bool line_start; /* nothing but blanks since the line began */
} reader;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool at_text(const reader *r, const char *text) {
    size_t length = strlen(text);
    return (size_t)(r->end - r->at) >= length && memcmp(r->at, text, length) == 0;
}

/* A backslash and the end of a line. */
static size_t splice(const reader *r) { return at_text(r, "\\\n") ? 2 : at_text(r, "\\\r\n") ? 3 : 0; }

static void skip_comment(reader *r) {
    for (r->at += 2; r->at < r->end && !at_text(r, "*/"); r->at++) {}
    r->at = r->end - r->at < 2 ? r->end : r->at + 2;
}

/* To the end of the line, which is not consumed. Comments may reach over it, and so may splices. */
static void skip_line(reader *r) {
    while (r->at < r->end && *r->at != '\n') {
        if (at_text(r, "/*")) skip_comment(r);
        else r->at += splice(r) ? splice(r) : 1;
    }
}

static void skip_quoted(reader *r) {
    char quote = *r->at++;
    while (r->at < r->end && *r->at != quote && *r->at != '\n') r->at += *r->at == '\\' && r->end - r->at > 1 ? 2 : 1;
    if (r->at < r->end && *r->at == quote) r->at++;
}

/* To the next token or directive. */
static void skip_space(reader *r) {
    while (r->at < r->end) {
        if (*r->at == '\n') {
            r->line_start = true;
            r->at++;
        } else if (is_blank(*r->at)) {
            r->at++;
        } else if (splice(r)) {
            r->at += splice(r);
        } else if (at_text(r, "/*")) {
            skip_comment(r);
        } else if (at_text(r, "//")) {
            skip_line(r);
        } else {
            return;
        }
    }
}

/* Calls `see` (if there is one) for the line of a directive, from behind its #. */
static token next_token(reader *r, void (*see)(void *user, const char *line, size_t length), void *user) {
    for (;;) {
        skip_space(r);
        if (r->at == r->end) return (token){ r->at, 0, false };
        if (*r->at != '#' || !r->line_start) break;
        const char *line = ++r->at;
        skip_line(r);
        if (see) see(user, line, (size_t)(r->at - line));
    }
    r->line_start = false;
    token t = { r->at, 0, is_letter(*r->at) };
    if (t.word || is_digit(*r->at))
        while (r->at < r->end && (is_letter(*r->at) || is_digit(*r->at) || (!t.word && *r->at == '.'))) r->at++;
    else if (*r->at == '"' || *r->at == '\'') skip_quoted(r);
    else r->at++;
    t.length = (size_t)(r->at - t.text);
    return t;
}

static bool is(token t, const char *text) { return t.length == strlen(text) && memcmp(t.text, text, t.length) == 0; }

static bool is_one_of(token t, const char *const *list) {
    for (; *list; list++)
        if (is(t, *list)) return true;
    return false;
}

bool rlx_cpu_source_is_name(const char *name) {
    if (!is_letter(*name)) return false;
    while (is_letter(*name) || is_digit(*name)) name++;
    return !*name;
}

/* ---- Directives ---- */

static void look_at_directive(void *user, const char *line, size_t length) {
    rlx_cpu_source_traits *traits = user;
    reader r = { line, line + length, false };
    token name = next_token(&r, NULL, NULL);
    static const char *const conditions[] = { "if", "ifdef", "ifndef", NULL };
    if (is_one_of(name, conditions)) traits->conditional = true;
    if (!is(name, "include")) return;
    static const char header[] = "rlx/driver.h";
    for (; r.at < r.end; r.at++)
        if (at_text(&r, header)) traits->includes_driver = true;
}

rlx_cpu_source_traits rlx_cpu_source_look(const char *source, size_t length) {
    rlx_cpu_source_traits traits = { false, false };
    reader r = { source, source + length, true };
    while (next_token(&r, look_at_directive, &traits).length) {}
    return traits;
}

/* ---- Finding the definition ---- */

static const char *const attribute_words[] = { "__attribute__", "__attribute", "__asm__",  "asm",
                                               "__asm",         "__declspec",  "_Alignas", NULL };

/* Behind an opening bracket: to behind the one that closes it. */
static void skip_brackets(reader *r) {
    for (int depth = 1; depth > 0;) {
        token t = next_token(r, NULL, NULL);
        if (!t.length) return;
        if (is(t, "(") || is(t, "[") || is(t, "{")) depth++;
        if (is(t, ")") || is(t, "]") || is(t, "}")) depth--;
    }
}

/* Whether a body follows, with nothing but attributes before it. */
static bool body_follows(reader r) {
    for (;;) {
        token t = next_token(&r, NULL, NULL);
        if (is(t, "{")) return true;
        if (!t.word) return false; /* a prototype, a call, an initialiser */
        reader behind = r;
        if (is(next_token(&behind, NULL, NULL), "(")) {
            r = behind;
            skip_brackets(&r);
        }
    }
}

/* The part of the source between two places. */
typedef struct part {
    const char *begin, *end;
} part;

/* What stands before the entry's name since the last declaration, and between its parentheses. */
static bool find_definition(const char *source, size_t length, const char *entry, part *before, part *between) {
    reader r = { source, source + length, true };
    const char *declaration = source;
    for (token t; (t = next_token(&r, NULL, NULL)).length;) {
        reader behind = r;
        bool call = is(next_token(&behind, NULL, NULL), "(");
        if (is(t, entry) && call) {
            reader inside = behind;
            skip_brackets(&behind);
            if (body_follows(behind)) {
                *before = (part){ declaration, t.text };
                *between = (part){ inside.at, behind.at - 1 };
                return true;
            }
        }
        if (is(t, "(") || is(t, "[")) skip_brackets(&r);
        if (is(t, "{")) skip_brackets(&r);
        if (is(t, "{") || is(t, ";")) declaration = r.at;
    }
    return false;
}

/* ---- What the entry returns ---- */

static rlx_status read_return(part before, const char *entry, rlx_cpu_signature *signature) {
    static const char *const refused[] = { "float", "double", "struct",   "union",    "_Bool",
                                           "bool",  "long",   "_Complex", "__int128", NULL };
    reader r = { before.begin, before.end, true };
    bool nothing = false, bad = false;
    for (token t; (t = next_token(&r, NULL, NULL)).length;) {
        if (is_one_of(t, attribute_words)) {
            (void)next_token(&r, NULL, NULL);
            skip_brackets(&r);
        } else if (is(t, "[")) {
            skip_brackets(&r); /* [[an attribute]] */
        } else {
            nothing |= is(t, "void");
            bad |= is(t, "*") || is_one_of(t, refused);
        }
    }
    signature->returns_status = !nothing;
    if (!bad) return RLX_OK;
    return rlx_cpu_host->fail(RLX_ERROR_COMPILE,
                              "\"%s\" must return void, or an int: 0 for success, or else an rlx_status", entry);
}

/* ---- Its parameters ---- */

static const char *const qualifiers[] = { "const",      "volatile",     "register",     "restrict", "__const",
                                          "__restrict", "__restrict__", "__volatile__", "_Atomic",  "__extension__",
                                          NULL };
static const char *const arithmetic[] = { "char",    "short",    "int",     "long",     "signed",   "unsigned",
                                          "float",   "double",   "_Bool",   "bool",     "int8_t",   "int16_t",
                                          "int32_t", "int64_t",  "uint8_t", "uint16_t", "uint32_t", "uint64_t",
                                          "size_t",  "_Float16", "__fp16",  "__bf16",   NULL };
static const char *const type_words[] = { "char", "short",  "int",   "long", "signed",   "unsigned", "float", "double",
                                          "void", "struct", "union", "enum", "_Complex", "_Bool",    NULL };

typedef struct declaration {
    token tokens[64]; /* without qualifiers and attributes */
    uint32_t count;
    bool pointer, too_long;
} declaration;

/* Reads one parameter, to its comma or the end; false where there is nothing more. */
static bool read_declaration(reader *r, declaration *d, part *whole) {
    *d = (declaration){ .count = 0 };
    *whole = (part){ NULL, NULL };
    for (int depth = 0;;) {
        token t = next_token(r, NULL, NULL);
        if (!t.length || (depth == 0 && is(t, ","))) return t.length || whole->begin;
        if (!whole->begin) whole->begin = t.text;
        if (is_one_of(t, attribute_words)) {
            (void)next_token(r, NULL, NULL);
            skip_brackets(r);
        }
        whole->end = r->at;
        if (is(t, "[")) {
            d->pointer = true;
            skip_brackets(r);
            whole->end = r->at;
            continue;
        }
        depth += is(t, "(") - is(t, ")");
        d->pointer |= is(t, "*");
        if (is_one_of(t, qualifiers) || is_one_of(t, attribute_words) || is(t, "(") || is(t, ")")) continue;
        if (d->count < sizeof d->tokens / sizeof *d->tokens) d->tokens[d->count++] = t;
        else d->too_long = true;
    }
}

/* The parameter's name is its last word, unless that is needed for the type. */
static uint32_t type_tokens(const declaration *d) {
    uint32_t count = d->count;
    if (count < 2) return count;
    token last = d->tokens[count - 1], before = d->tokens[count - 2];
    static const char *const tags[] = { "struct", "union", "enum", NULL };
    bool name = last.word && !is_one_of(last, type_words) && !is_one_of(before, tags);
    return name ? count - 1 : count;
}

static rlx_status read_parameter(const declaration *d, part whole, const char *entry, rlx_cpu_signature *signature) {
    if (signature->count == RLX_CPU_PARAMETERS_MAX || d->too_long)
        return rlx_cpu_host->fail(RLX_ERROR_COMPILE, "\"%s\": its parameters are too many or too long to read", entry);
    rlx_cpu_parameter *p = &signature->parameters[signature->count++];
    *p = (rlx_cpu_parameter){ .text = signature->texts.length, .pointer = d->pointer, .plain = true };
    rlx_cpu_text_add(&signature->texts, whole.begin, (size_t)(whole.end - whole.begin));
    rlx_cpu_text_add(&signature->texts, "", 1);
    p->type = signature->texts.length;
    uint32_t count = type_tokens(d);
    for (uint32_t i = 0; i < count; i++) {
        token t = d->tokens[i];
        p->group |= d->pointer && is(t, "rlx_group");
        p->plain &= is_one_of(t, arithmetic);
        rlx_cpu_text_print(&signature->texts, "%s%.*s", i ? " " : "", (int)t.length, t.text);
    }
    rlx_cpu_text_add(&signature->texts, "", 1);
    if (d->count && is(d->tokens[0], "."))
        return rlx_cpu_host->fail(RLX_ERROR_COMPILE,
                                  "\"%s\" takes a variable number of arguments; a kernel's are fixed", entry);
    return RLX_OK;
}

rlx_status rlx_cpu_signature_find(const char *source, size_t length, const char *entry, rlx_cpu_signature *signature) {
    part before, between, whole;
    declaration d;
    signature->count = 0;
    signature->texts = (rlx_cpu_text){ NULL, 0, 0, false };
    if (!find_definition(source, length, entry, &before, &between))
        return rlx_cpu_host->fail(RLX_ERROR_NOT_FOUND, "the source defines no function \"%s\"", entry);
    rlx_status status = read_return(before, entry, signature);
    reader r = { between.begin, between.end, false };
    while (!status && read_declaration(&r, &d, &whole)) {
        if (d.count == 1 && !d.pointer && is(d.tokens[0], "void")) continue; /* (void) */
        status = read_parameter(&d, whole, entry, signature);
    }
    if (!status && signature->texts.failed)
        status = rlx_cpu_host->fail(RLX_ERROR_OUT_OF_MEMORY, "out of host memory for the signature of \"%s\"", entry);
    return status;
}

void rlx_cpu_signature_clear(rlx_cpu_signature *signature) { rlx_cpu_text_clear(&signature->texts); }

/* ---- Comparing ---- */

static bool takes_group(const rlx_cpu_signature *signature) {
    return signature->count > 0 && signature->parameters[signature->count - 1].group;
}

rlx_status rlx_cpu_signature_check(const rlx_cpu_signature *signature, const rlx_kernel_desc *desc, const char *entry) {
    bool group = takes_group(signature) && signature->count == desc->param_count + 1;
    if (signature->count - group != desc->param_count)
        return rlx_cpu_host->fail(RLX_ERROR_COMPILE,
                                  "\"%s\" takes %u parameters in the source, and %u in its description%s", entry,
                                  signature->count, desc->param_count,
                                  takes_group(signature) ? " (one more, a pointer to rlx_group, may stand last)" : "");
    for (uint32_t i = 0; i < desc->param_count; i++) {
        const rlx_cpu_parameter *p = &signature->parameters[i];
        const char *text = signature->texts.data + p->text;
        if (desc->params[i].access == RLX_VALUE && p->pointer)
            return rlx_cpu_host->fail(
                RLX_ERROR_COMPILE,
                "parameter %u of \"%s\" is a pointer in the source (%.100s), and a value of %u bytes "
                "in its description",
                i, entry, text, desc->params[i].size);
        if (desc->params[i].access != RLX_VALUE && !p->pointer && p->plain)
            return rlx_cpu_host->fail(RLX_ERROR_COMPILE,
                                      "parameter %u of \"%s\" is a value in the source (%.100s), and a buffer in its "
                                      "description",
                                      i, entry, text);
    }
    return RLX_OK;
}
