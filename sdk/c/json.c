/// A reader of JSON: values are found in a text that check.c has checked.
///
/// A value is a place in that text, so that finding in it cannot fail, and skips what is of no interest byte by byte. Nothing is kept, and
/// nothing recurses.

#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/// The byte after the string that begins here.
static const char *after_string(const char *at) {
    for (at++; *at != '"'; at++) {
        at += *at == '\\';
    }
    return at + 1;
}

/// The byte after the value that begins here.
static const char *after_value(const char *at) {
    if (*at == '"') {
        return after_string(at);
    }
    if (*at != '{' && *at != '[') {
        while (*at && !strchr(",]} \n\r\t", *at)) {
            at++;
        }
        return at;
    }
    size_t depth = 0;
    do {
        if (*at == '"') {
            at = after_string(at);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
    } while (depth > 0);
    return at;
}

static struct weir_json value_at(const char *at) { return (struct weir_json){at, (size_t)(after_value(at) - at)}; }

/// The string's bytes, decoded into `to`, which has room for as many as it is written with; how many those are.
static size_t decode(const char *at, char *to) {
    char *end = to;
    for (at++; *at != '"';) {
        if (*at != '\\') {
            *end++ = *at++;
        } else if (at[1] != 'u') {
            static const char codes[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
            *end++ = bytes[strchr(codes, at[1]) - codes];
            at += 2;
        } else {
            size_t size;
            uint32_t code = (uint32_t)weir_escaped(at, &size);
            at += size;
            if (code < 0x80) {
                *end++ = (char)code;
                continue;
            }
            int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
            static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
            *end++ = (char)(lead[more] | code >> (6 * more));
            while (more-- > 0) {
                *end++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
            }
        }
    }
    return (size_t)(end - to);
}

enum weir_json_kind weir_json_kind(struct weir_json value) {
    switch (value.at ? *value.at : 0) {
    case 0: return WEIR_JSON_ABSENT;
    case 'n': return WEIR_JSON_NULL;
    case 't':
    case 'f': return WEIR_JSON_BOOL;
    case '"': return WEIR_JSON_STRING;
    case '[': return WEIR_JSON_ARRAY;
    case '{': return WEIR_JSON_OBJECT;
    default: return WEIR_JSON_NUMBER;
    }
}

const char *weir_json_bytes(struct weir_json value, size_t *size) {
    if (weir_json_kind(value) != WEIR_JSON_STRING) {
        return NULL;
    }
    // What is decoded is never longer than as it is written: \u and four digits give three bytes at most.
    char *bytes = weir_alloc(value.size);
    *size = decode(value.at, bytes);
    return bytes;
}

const char *weir_json_string(struct weir_json value) {
    size_t size;
    const char *text = weir_json_bytes(value, &size);
    return text && strlen(text) == size ? text : NULL;
}

const char *weir_json_string_or(struct weir_json value, const char *otherwise) {
    const char *text = weir_json_string(value);
    return text ? text : otherwise;
}

bool weir_json_integer(struct weir_json value, int64_t *into) {
    if (weir_json_kind(value) != WEIR_JSON_NUMBER || memchr(value.at, '.', value.size) || memchr(value.at, 'e', value.size) ||
        memchr(value.at, 'E', value.size)) {
        return false;
    }
    // It ends where the number does: what follows a number in a text that was checked is no digit.
    errno = 0;
    long long number = strtoll(value.at, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *into = number;
    return true;
}

bool weir_json_number(struct weir_json value, double *into) {
    if (weir_json_kind(value) != WEIR_JSON_NUMBER) {
        return false;
    }
    *into = strtod(weir_json_text(value), NULL);
    return true;
}

bool weir_json_bool(struct weir_json value, bool *into) {
    if (weir_json_kind(value) != WEIR_JSON_BOOL) {
        return false;
    }
    *into = *value.at == 't';
    return true;
}

const char *weir_json_text(struct weir_json value) { return value.at ? weir_copy_bytes(value.at, value.size) : NULL; }

/// Steps to the next item or member without decoding its name; `*name` is where that begins, NULL in an array.
static bool step(struct weir_json_walk *walk, const char **name) {
    if (!walk->rest) {
        return false;
    }
    const char *at = weir_skip_blanks(walk->rest);
    if (*at == ',') {
        at = weir_skip_blanks(at + 1);
    }
    if (*at == ']' || *at == '}') {
        walk->rest = NULL;
        return false;
    }
    *name = NULL;
    if (walk->named) {
        *name = at;
        at = weir_skip_blanks(weir_skip_blanks(after_string(at)) + 1);
    }
    walk->value = value_at(at);
    walk->rest = at + walk->value.size;
    return true;
}

struct weir_json_walk weir_json_walk(struct weir_json value) {
    enum weir_json_kind kind = weir_json_kind(value);
    bool many = kind == WEIR_JSON_ARRAY || kind == WEIR_JSON_OBJECT;
    return (struct weir_json_walk){.rest = many ? value.at + 1 : NULL, .named = kind == WEIR_JSON_OBJECT};
}

bool weir_json_next(struct weir_json_walk *walk) {
    const char *name;
    if (!step(walk, &name)) {
        return false;
    }
    if (name) {
        size_t size;
        walk->name = weir_json_bytes(value_at(name), &size);
    }
    return true;
}

size_t weir_json_count(struct weir_json value) {
    struct weir_json_walk walk = weir_json_walk(value);
    const char *name;
    size_t count = 0;
    while (step(&walk, &name)) {
        count++;
    }
    return count;
}

/// Whether the string at `written` says these bytes.
static bool says(const char *written, const char *name, size_t size) {
    const char *end = after_string(written) - 1;
    size_t room = (size_t)(end - written) - 1;
    if (!memchr(written, '\\', room + 1)) {
        return room == size && memcmp(written + 1, name, size) == 0;
    }
    char *decoded = weir_alloc(room + 1);
    return decode(written, decoded) == size && memcmp(decoded, name, size) == 0;
}

static struct weir_json member(struct weir_json object, const char *name, size_t size) {
    if (weir_json_kind(object) == WEIR_JSON_OBJECT) {
        struct weir_json_walk walk = weir_json_walk(object);
        const char *written;
        while (step(&walk, &written)) {
            if (says(written, name, size)) {
                return walk.value;
            }
        }
    }
    return (struct weir_json){0};
}

struct weir_json weir_json_member(struct weir_json object, const char *name) { return member(object, name, strlen(name)); }

/// The item that an RFC 6901 token names: `0`, or digits that begin with another.
static struct weir_json item(struct weir_json array, const char *token, size_t size) {
    size_t index = 0;
    for (size_t n = 0; n < size; n++) {
        if (token[n] < '0' || token[n] > '9' || (token[0] == '0' && size > 1) || n > 8) {
            return (struct weir_json){0};
        }
        index = index * 10 + (size_t)(token[n] - '0');
    }
    struct weir_json_walk walk = weir_json_walk(array);
    const char *name;
    while (size > 0 && step(&walk, &name)) {
        if (index-- == 0) {
            return walk.value;
        }
    }
    return (struct weir_json){0};
}

struct weir_json weir_json_at(struct weir_json value, const char *pointer) {
    if (*pointer && *pointer != '/') {
        weir_mistake("%s is not a JSON pointer: it has to begin with a slash", weir_quote(pointer));
        return (struct weir_json){0};
    }
    while (*pointer && value.at) {
        size_t size = strcspn(++pointer, "/");
        if (weir_json_kind(value) == WEIR_JSON_ARRAY) {
            value = item(value, pointer, size);
        } else if (!memchr(pointer, '~', size)) {
            value = member(value, pointer, size);
        } else {
            char *name = weir_copy_bytes(pointer, size), *end = name;
            for (const char *from = name; *from; from++) {
                bool tilde = *from == '~' && (from[1] == '0' || from[1] == '1');
                *end++ = !tilde ? *from : *++from == '0' ? '~' : '/';
            }
            value = member(value, name, (size_t)(end - name));
        }
        pointer += size;
    }
    return value;
}
