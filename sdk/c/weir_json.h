/// Reading JSON: values are found in a text that was checked as a whole. Nothing is copied but what is decoded, and nothing recurses.
///
///     const char *team = weir_json_string_or(weir_json_at(event->object, "/metadata/labels/example.com~1team"), "nobody");

#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_failure;

/// Objects and arrays within each other beyond so many are refused.
#define WEIR_JSON_DEPTH 1000

/// A value inside a JSON text that was checked. One that is not there (`at` is NULL) may be given to every function here, so a path of
/// them needs one question at its end.
struct weir_json {
    /// Where it begins. Not the end of the text: `size` says that.
    const char *at;
    /// Its bytes.
    size_t size;
};

/// What a value is.
enum weir_json_kind {
    /// Not there.
    WEIR_JSON_ABSENT,
    WEIR_JSON_NULL,
    WEIR_JSON_BOOL,
    WEIR_JSON_NUMBER,
    WEIR_JSON_STRING,
    WEIR_JSON_ARRAY,
    WEIR_JSON_OBJECT,
};

/// Checks a text (RFC 8259, UTF-8, surrogates in pairs, WEIR_JSON_DEPTH) and hands out its value. The text must outlive it. A text that
/// is no JSON is a permanent failure that says where.
const struct weir_failure *weir_json_read(const char *text, struct weir_json *into);

enum weir_json_kind weir_json_kind(struct weir_json value);

/// The value at an RFC 6901 pointer: "" is the value itself, "/status/images/0", "/metadata/annotations/example.com~1team". Absent where
/// there is nothing. Of several members with one name the first. A text that is no pointer finds nothing, and makes a permanent failure of
/// the answer that says so.
struct weir_json weir_json_at(struct weir_json value, const char *pointer);
/// A member of an object, by its name as it is, without a pointer's `~`. Absent if there is none, or if it is no object.
struct weir_json weir_json_member(struct weir_json object, const char *name);
/// How many items an array or members an object has; 0 for anything else.
size_t weir_json_count(struct weir_json value);

/// A string, decoded. NULL if it is none, or holds a zero byte, which C text cannot: weir_json_bytes has those.
const char *weir_json_string(struct weir_json value);
/// The same, or what stands in for it.
const char *weir_json_string_or(struct weir_json value, const char *otherwise);
/// A string, decoded, and its bytes; a zero byte follows them. NULL if it is none.
const char *weir_json_bytes(struct weir_json value, size_t *size);
/// A number without fraction and exponent that fits; else false, and `into` is as it was.
bool weir_json_integer(struct weir_json value, int64_t *into);
/// Any number, as near as a double is; else false, and `into` is as it was.
bool weir_json_number(struct weir_json value, double *into);
/// A boolean; else false, and `into` is as it was.
bool weir_json_bool(struct weir_json value, bool *into);
/// The value as it is written, as text of its own. NULL if it is absent.
const char *weir_json_text(struct weir_json value);

/// A walk over an array's items or an object's members:
///
///     struct weir_json_walk walk = weir_json_walk(images);
///     while (weir_json_next(&walk)) { … walk.value … walk.name … }
struct weir_json_walk {
    /// The item or the member's value.
    struct weir_json value;
    /// The member's name, decoded, up to a zero byte if it has one; NULL in an array.
    const char *name;
    /// Where to go on; the walk's own.
    const char *rest;
    bool named;
};

/// Begins a walk. Over what is neither array nor object it ends at once.
struct weir_json_walk weir_json_walk(struct weir_json value);
/// Steps on; false at the end.
bool weir_json_next(struct weir_json_walk *walk);

#endif
