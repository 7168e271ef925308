/// What an author answers with. Everything handed in is copied into the arena, so that a buffer on the stack will do.

#include "internal.h"

#include <string.h>

const char *weir_change_name(enum weir_change change) {
    static const char *const names[] = {"initial",    "added", "updated", "related", "finalizing",
                                        "left",       "deleted", "resync", "requeued"};
    return (size_t)change < sizeof names / sizeof *names ? names[change] : "unknown";
}

/* ---- Failures --------------------------------------------------------------------------------------------------------------------- */

static const struct weir_failure *failure(enum weir_failure_kind kind, uint32_t after_ms, const char *text) {
    struct weir_failure *failure = weir_alloc(sizeof *failure);
    *failure = (struct weir_failure){.kind = kind, .after_ms = after_ms, .text = text};
    return failure;
}

const struct weir_failure *weir_retry(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = weir_vformat(format, arguments);
    va_end(arguments);
    return failure(WEIR_RETRY, 0, text);
}

const struct weir_failure *weir_retry_later(uint32_t after_ms, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = weir_vformat(format, arguments);
    va_end(arguments);
    return failure(WEIR_RETRY_LATER, after_ms, text);
}

const struct weir_failure *weir_permanent(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = weir_vformat(format, arguments);
    va_end(arguments);
    return failure(WEIR_PERMANENT, 0, text);
}

/* ---- Actions ---------------------------------------------------------------------------------------------------------------------- */

static void add(struct weir_actions *actions, struct weir_action action) {
    if (actions->count == actions->room) {
        actions->room = actions->room ? 2 * actions->room : 8;
        struct weir_action *items = weir_alloc(actions->room * sizeof *items);
        if (actions->count) {
            memcpy(items, actions->items, actions->count * sizeof *items);
        }
        actions->items = items;
    }
    actions->items[actions->count++] = action;
}

/// The first mistake of this call, in the arena; none: NULL.
static const char *first_mistake;

void weir_mistake(const char *format, ...) {
    if (!first_mistake) {
        va_list arguments;
        va_start(arguments, format);
        first_mistake = weir_vformat(format, arguments);
        va_end(arguments);
    }
}

static void mistake(struct weir_actions *actions, const char *what) {
    weir_mistake("action %zu of the handler's answer is none: %s", actions->count + 1, what);
}

/// Text that must be there.
static const char *text(struct weir_actions *actions, const char *what, const char *given) {
    if (!given) {
        mistake(actions, weir_format("%s is NULL", what));
    }
    return weir_copy(given ? given : "");
}

/// A number of one of the contract's cases.
static void one_of(struct weir_actions *actions, const char *what, int given, int last) {
    if (given < 0 || given > last) {
        mistake(actions, weir_format("there is no %s %d", what, given));
    }
}

static const struct weir_key *key(struct weir_actions *actions, const struct weir_key *given) {
    if (!given) {
        return NULL;
    }
    struct weir_key *copy = weir_alloc(sizeof *copy);
    *copy = (struct weir_key){
        .api_version = text(actions, "the api_version of a key", given->api_version),
        .kind = text(actions, "the kind of a key", given->kind),
        .namespace = weir_copy(given->namespace),
        .name = text(actions, "the name of a key", given->name),
    };
    return copy;
}

static const struct weir_field *fields(struct weir_actions *actions, const struct weir_field *given, bool removable) {
    size_t count = weir_field_count(given);
    struct weir_field *copy = weir_alloc((count + 1) * sizeof *copy);
    for (size_t n = 0; n < count; n++) {
        if (!given[n].value && !removable) {
            mistake(actions, weir_format("the value of %s is NULL", given[n].name));
        }
        copy[n] = (struct weir_field){weir_copy(given[n].name), weir_copy(given[n].value || removable ? given[n].value : "")};
    }
    return copy;
}

static void mark(struct weir_actions *actions, enum weir_action_kind kind, const char *name, const char *value, bool remove) {
    const struct weir_field one[] = {{text(actions, "the name of an annotation or label", name), value}, {NULL, NULL}};
    add(actions, (struct weir_action){.kind = kind, .marks = fields(actions, one, remove)});
}

void weir_annotate(struct weir_actions *actions, const char *name, const char *value) {
    mark(actions, WEIR_ACTION_ANNOTATE, name, value, false);
}

void weir_remove_annotation(struct weir_actions *actions, const char *name) { mark(actions, WEIR_ACTION_ANNOTATE, name, NULL, true); }

void weir_annotate_all(struct weir_actions *actions, const struct weir_field *annotations) {
    add(actions, (struct weir_action){.kind = WEIR_ACTION_ANNOTATE, .marks = fields(actions, annotations, true)});
}

void weir_label(struct weir_actions *actions, const char *name, const char *value) {
    mark(actions, WEIR_ACTION_LABEL, name, value, false);
}

void weir_remove_label(struct weir_actions *actions, const char *name) { mark(actions, WEIR_ACTION_LABEL, name, NULL, true); }

void weir_label_all(struct weir_actions *actions, const struct weir_field *labels) {
    add(actions, (struct weir_action){.kind = WEIR_ACTION_LABEL, .marks = fields(actions, labels, true)});
}

void weir_set_status(struct weir_actions *actions, const char *json) {
    add(actions, (struct weir_action){.kind = WEIR_ACTION_SET_STATUS, .text = text(actions, "the status", json)});
}

void weir_patch(struct weir_actions *actions, struct weir_patch patch) {
    one_of(actions, "format of a patch", (int)patch.format, WEIR_STRATEGIC);
    patch.target = key(actions, patch.target);
    patch.uid = weir_copy(patch.uid);
    patch.subresource = weir_copy(patch.subresource);
    patch.body = text(actions, "the body of a patch", patch.body);
    add(actions, (struct weir_action){.kind = WEIR_ACTION_PATCH, .patch = patch});
}

void weir_apply(struct weir_actions *actions, struct weir_apply apply) {
    apply.manifest = text(actions, "the manifest to apply", apply.manifest);
    apply.subresource = weir_copy(apply.subresource);
    apply.manager = weir_copy(apply.manager);
    add(actions, (struct weir_action){.kind = WEIR_ACTION_APPLY, .apply = apply});
}

void weir_create(struct weir_actions *actions, const char *manifest) {
    add(actions, (struct weir_action){.kind = WEIR_ACTION_CREATE, .text = text(actions, "the manifest to create", manifest)});
}

void weir_delete(struct weir_actions *actions, struct weir_delete deletion) {
    one_of(actions, "propagation", (int)deletion.propagation, WEIR_PROPAGATION_ORPHAN);
    deletion.target = key(actions, deletion.target);
    deletion.uid = weir_copy(deletion.uid);
    if (deletion.grace_period_seconds) {
        uint32_t *seconds = weir_alloc(sizeof *seconds);
        *seconds = *deletion.grace_period_seconds;
        deletion.grace_period_seconds = seconds;
    }
    add(actions, (struct weir_action){.kind = WEIR_ACTION_DELETE, .deletion = deletion});
}

void weir_emit(struct weir_actions *actions, struct weir_note note) {
    one_of(actions, "severity", (int)note.severity, WEIR_WARNING);
    note.regarding = key(actions, note.regarding);
    note.reason = text(actions, "the reason of an Event", note.reason);
    note.message = note.message ? weir_copy(note.message) : "";
    add(actions, (struct weir_action){.kind = WEIR_ACTION_EMIT, .note = note});
}

void weir_log_later(struct weir_actions *actions, enum weir_level level, const char *message, const struct weir_field *given) {
    one_of(actions, "level", (int)level, WEIR_ERROR);
    struct weir_log_line line = {level, text(actions, "a log line's message", message), fields(actions, given, false)};
    add(actions, (struct weir_action){.kind = WEIR_ACTION_LOG, .log = line});
}

void weir_http(struct weir_actions *actions, struct weir_http request) {
    request.method = text(actions, "the method of a request", request.method);
    request.url = text(actions, "the URL of a request", request.url);
    request.headers = fields(actions, request.headers, false);
    request.body = request.body ? weir_copy(request.body) : "";
    request.idempotency_key = weir_copy(request.idempotency_key);
    add(actions, (struct weir_action){.kind = WEIR_ACTION_HTTP, .http = request});
}

void weir_requeue_after_ms(struct weir_actions *actions, uint32_t milliseconds) {
    add(actions, (struct weir_action){.kind = WEIR_ACTION_REQUEUE_AFTER_MS, .milliseconds = milliseconds});
}

void weir_fail(struct weir_actions *actions, const struct weir_failure *given) {
    if (!given) {
        mistake(actions, "the failure to end with is NULL");
        given = weir_retry("no reason was given");
    }
    add(actions, (struct weir_action){.kind = WEIR_ACTION_FAIL, .failure = failure(given->kind, given->after_ms, weir_copy(given->text))});
}

void weir_extension(struct weir_actions *actions, const char *name, const char *payload) {
    struct weir_field extension = {text(actions, "the name of an extension", name), text(actions, "the payload of an extension", payload)};
    add(actions, (struct weir_action){.kind = WEIR_ACTION_EXTENSION, .extension = extension});
}

const struct weir_failure *weir_call(const struct weir_event *event, struct weir_actions *actions) {
    first_mistake = NULL;
    const struct weir_failure *failed = weir_handle(event, actions);
    return failed || !first_mistake ? failed : failure(WEIR_PERMANENT, 0, first_mistake);
}
