/// What the kit's own files share and an author does not need: the actions as they are kept, and the host that questions go to.
///
/// The host is chosen when linking: component.c is weir, home.c stands in for it in tests.

#ifndef WEIR_INTERNAL_H
#define WEIR_INTERNAL_H

#include "weir.h"

/// The contract's cases, in its order.
enum weir_action_kind {
    WEIR_ACTION_ANNOTATE,
    WEIR_ACTION_LABEL,
    WEIR_ACTION_SET_STATUS,
    WEIR_ACTION_PATCH,
    WEIR_ACTION_APPLY,
    WEIR_ACTION_CREATE,
    WEIR_ACTION_DELETE,
    WEIR_ACTION_EMIT,
    WEIR_ACTION_LOG,
    WEIR_ACTION_HTTP,
    WEIR_ACTION_REQUEUE_AFTER_MS,
    WEIR_ACTION_FAIL,
    WEIR_ACTION_EXTENSION,
};

struct weir_log_line {
    enum weir_level level;
    const char *message;
    const struct weir_field *fields;
};

/// One action. Everything it points to is in the arena.
struct weir_action {
    enum weir_action_kind kind;
    union {
        /// Of annotate and label: a value that is NULL removes.
        const struct weir_field *marks;
        /// Of set-status and create.
        const char *text;
        struct weir_patch patch;
        struct weir_apply apply;
        struct weir_delete deletion;
        struct weir_note note;
        struct weir_log_line log;
        struct weir_http http;
        uint32_t milliseconds;
        const struct weir_failure *failure;
        /// Its name and its payload.
        struct weir_field extension;
    };
};

/// Notes a mistake in the handler's source; the first of a call makes a permanent failure of its answer.
void weir_mistake(const char *format, ...) WEIR_FORMAT(1, 2);
/// Calls weir_handle as weir does, mistakes included.
const struct weir_failure *weir_call(const struct weir_event *event, struct weir_actions *actions);

/// Frees what the arena handed out since the last time, but for one block.
void weir_arena_empty(void);
/// Memory as weir_alloc's, not zeroed, with an alignment that is a power of two; NULL if there is none.
void *weir_arena_take(size_t size, size_t align);

/// The text, in the arena.
const char *weir_copy(const char *text);
/// So many bytes in the arena, and a zero byte after them.
char *weir_copy_bytes(const char *bytes, size_t size);
/// The text if it is UTF-8, else a copy in which each byte that is none is U+FFFD.
const char *weir_mended(const char *text);
/// How many bytes from here are one character in UTF-8, of at most `size`; 0 if they are none.
size_t weir_utf8(const char *at, size_t size);

/// Where the blanks that JSON allows end.
const char *weir_skip_blanks(const char *at);
/// A `\u` of JSON and, where it begins a pair of surrogates, the next one: the character, and how many bytes it is written with; -1 if
/// it is wrong. Looks at no byte after a zero.
int32_t weir_escaped(const char *at, size_t *size);

/// How many fields there are before the end; NULL has none.
size_t weir_field_count(const struct weir_field *fields);

/// The contract's imports. What they hand out lives in the arena; `into` is NULL where there is nothing.
void weir_host_log(enum weir_level level, const char *message, const struct weir_field *fields);
const char *weir_host_settings(void);
double weir_host_now_ms(void);
const char *const *weir_host_features(size_t *count);
enum weir_read_error weir_host_subject(const char *const *pointers, size_t count, const char **into, const char **error);
enum weir_read_error weir_host_get(const struct weir_key *key, const char **into, const char **error);
enum weir_read_error weir_host_list_page(const struct weir_query *query, const char *const **items, size_t *count,
                                         const char **continue_token, const char **error);

#endif
