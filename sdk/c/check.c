/// The check of a JSON text, before anything is looked for in it: RFC 8259's grammar, UTF-8 in strings, surrogates in pairs.
///
/// Nothing recurses: how deep it is in which kind of nesting is one bit a level, and there are WEIR_JSON_DEPTH of those.

#include "internal.h"

#include <string.h>

static bool blank(char byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }
static bool digit(char byte) { return byte >= '0' && byte <= '9'; }

const char *weir_skip_blanks(const char *at) {
    while (blank(*at)) {
        at++;
    }
    return at;
}

/// Four hexadecimal digits; -1 if they are none.
static int32_t hex4(const char *at) {
    int32_t value = 0;
    for (int n = 0; n < 4; n++) {
        char byte = at[n];
        int one = digit(byte) ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
        if (one < 0) {
            return -1;
        }
        value = value * 16 + one;
    }
    return value;
}

int32_t weir_escaped(const char *at, size_t *size) {
    int32_t first = hex4(at + 2);
    *size = 6;
    if (first < 0xd800 || first > 0xdfff) {
        return first;
    }
    int32_t second = first < 0xdc00 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8) : -1;
    *size = 12;
    return second < 0xdc00 || second > 0xdfff ? -1 : 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/// The end of the string that begins here; NULL if it is none. `*at` is where it goes wrong. No byte after the text's zero is looked at:
/// each is compared before the next is.
static const char *check_string(const char **at, const char *end) {
    const char *here = *at;
    if (*here != '"') {
        return NULL;
    }
    here++;
    while (*here != '"') {
        *at = here;
        size_t size;
        if (*here == '\\') {
            size = 2;
            if (here[1] == 'u') {
                if (weir_escaped(here, &size) < 0) {
                    return NULL;
                }
            } else if (here[1] == 0 || !strchr("\"\\/bfnrt", here[1])) {
                return NULL;
            }
        } else {
            size = (unsigned char)*here < 0x20 ? 0 : weir_utf8(here, (size_t)(end - here));
            if (size == 0) {
                return NULL;
            }
        }
        here += size;
    }
    return here + 1;
}

/// The end of the number that begins here; NULL if it is none.
static const char *check_number(const char *at) {
    at += *at == '-';
    if (!digit(*at)) {
        return NULL;
    }
    bool zero = *at++ == '0';
    while (!zero && digit(*at)) {
        at++;
    }
    if (*at == '.') {
        at++;
        if (!digit(*at)) {
            return NULL;
        }
        while (digit(*at)) {
            at++;
        }
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        if (!digit(*at)) {
            return NULL;
        }
        while (digit(*at)) {
            at++;
        }
    }
    return at;
}

/// The end of a word or a number; NULL if it is neither.
static const char *check_plain(const char *at) {
    static const char *const words[] = {"null", "true", "false"};
    for (size_t n = 0; n < 3; n++) {
        if (strncmp(at, words[n], strlen(words[n])) == 0) {
            return at + strlen(words[n]);
        }
    }
    return check_number(at);
}

/// What is wrong with the text; NULL if nothing is. `at` and `size` are its value's, or where it goes wrong.
static const char *check(const char *text, struct weir_json *value) {
    const char *end = text + strlen(text), *at = weir_skip_blanks(text), *next;
    uint8_t objects[(WEIR_JSON_DEPTH + 7) / 8]; // one bit a level: whether it is an object
    size_t depth = 0;
    // Just after an opening bracket, where a closing one may follow.
    bool fresh = false;
    value->at = at;
#define WRONG(what) return value->at = at, (what)
#define IN_OBJECT (objects[(depth - 1) / 8] >> ((depth - 1) % 8) & 1)
    for (;;) {
        // Here a value begins, in an object a name first; or an empty object or array ends.
        if (fresh && *at == (IN_OBJECT ? '}' : ']')) {
            depth--;
            at++;
        } else {
            if (depth > 0 && IN_OBJECT) {
                if (!(next = check_string(&at, end))) {
                    WRONG("a name in quotes is wanted here");
                }
                at = weir_skip_blanks(next);
                if (*at != ':') {
                    WRONG("a colon is wanted here");
                }
                at = weir_skip_blanks(at + 1);
            }
            if (*at == '{' || *at == '[') {
                if (depth == WEIR_JSON_DEPTH) {
                    WRONG("it nests too deep here");
                }
                uint8_t bit = (uint8_t)(1 << (depth % 8));
                objects[depth / 8] = (uint8_t)(*at == '{' ? objects[depth / 8] | bit : objects[depth / 8] & ~bit);
                depth++;
                at = weir_skip_blanks(at + 1);
                fresh = true;
                continue;
            }
            next = *at == '"' ? check_string(&at, end) : check_plain(at);
            if (!next) {
                WRONG("a value is wanted here");
            }
            at = next;
        }
        // Here a value ended; as many levels end as brackets close.
        fresh = false;
        for (;;) {
            if (depth == 0) {
                value->size = (size_t)(at - value->at);
                at = weir_skip_blanks(at);
                if (at != end) {
                    WRONG("nothing is wanted after the value");
                }
                return NULL;
            }
            at = weir_skip_blanks(at);
            if (*at == ',') {
                at = weir_skip_blanks(at + 1);
                break;
            }
            if (*at != (IN_OBJECT ? '}' : ']')) {
                WRONG("a comma or the closing bracket is wanted here");
            }
            depth--;
            at++;
        }
    }
#undef WRONG
#undef IN_OBJECT
}

const struct weir_failure *weir_json_read(const char *text, struct weir_json *into) {
    struct weir_json value;
    const char *wrong = text ? check(text, &value) : "there is no text";
    if (wrong) {
        *into = (struct weir_json){0};
        return weir_permanent("cannot read JSON at byte %zu: %s", text ? (size_t)(value.at - text) : 0, wrong);
    }
    *into = value;
    return NULL;
}
