/// Actions as JSON, in the words that weir itself prints them with: for tests to compare.

#include "internal.h"

#include <string.h>

/// Text that grows in the arena. What it outgrows stays there until the call ends: at most as much again.
struct text {
    char *bytes;
    size_t size;
    size_t room;
};

static void add(struct text *to, const char *more) {
    size_t size = strlen(more);
    if (to->room - to->size <= size) {
        to->room = 2 * (to->size + size + 64);
        char *bytes = weir_alloc(to->room);
        if (to->size) {
            memcpy(bytes, to->bytes, to->size);
        }
        to->bytes = bytes;
    }
    memcpy(to->bytes + to->size, more, size);
    to->size += size;
    to->bytes[to->size] = 0;
}

/// `[["name","value"],…]`
static const char *pairs(const struct weir_field *fields) {
    struct text list = {0};
    add(&list, "[");
    for (size_t n = 0; n < weir_field_count(fields); n++) {
        add(&list, weir_format("%s[%s,%s]", n ? "," : "", weir_quote(fields[n].name), weir_quote(fields[n].value)));
    }
    add(&list, "]");
    return list.bytes;
}

static const char *key(const struct weir_key *key) {
    if (!key) {
        return "null";
    }
    const char *namespace = key->namespace ? weir_format("\"namespace\":%s,", weir_quote(key->namespace)) : "";
    return weir_format("{\"apiVersion\":%s,\"kind\":%s,%s\"name\":%s}", weir_quote(key->api_version), weir_quote(key->kind), namespace,
                       weir_quote(key->name));
}

static const char *failure(const struct weir_failure *failure) {
    switch (failure->kind) {
    case WEIR_RETRY_LATER:
        return weir_format("{\"retry-later\":{\"after_ms\":%u,\"reason\":%s}}", (unsigned)failure->after_ms, weir_quote(failure->text));
    case WEIR_PERMANENT: return weir_format("{\"permanent\":%s}", weir_quote(failure->text));
    default: return weir_format("{\"retry\":%s}", weir_quote(failure->text));
    }
}

static const char *patch(const struct weir_patch *patch) {
    static const char *const formats[] = {"json-patch", "merge", "strategic"};
    return weir_format("{\"target\":%s,\"uid\":%s,\"subresource\":%s,\"format\":\"%s\",\"body\":%s}", key(patch->target),
                       weir_quote(patch->uid), weir_quote(patch->subresource), formats[patch->format], weir_quote(patch->body));
}

static const char *apply(const struct weir_apply *apply) {
    return weir_format("{\"manifest\":%s,\"subresource\":%s,\"manager\":%s,\"force\":%s}", weir_quote(apply->manifest),
                       weir_quote(apply->subresource), weir_quote(apply->manager), apply->force ? "true" : "false");
}

static const char *deletion(const struct weir_delete *deletion) {
    static const char *const propagations[] = {"null", "\"background\"", "\"foreground\"", "\"orphan\""};
    const uint32_t *seconds = deletion->grace_period_seconds;
    return weir_format("{\"target\":%s,\"uid\":%s,\"gracePeriodSeconds\":%s,\"propagation\":%s}", key(deletion->target),
                       weir_quote(deletion->uid), seconds ? weir_format("%u", (unsigned)*seconds) : "null",
                       propagations[deletion->propagation]);
}

static const char *note(const struct weir_note *note) {
    return weir_format("{\"regarding\":%s,\"severity\":\"%s\",\"reason\":%s,\"message\":%s}", key(note->regarding),
                       note->severity == WEIR_WARNING ? "warning" : "normal", weir_quote(note->reason), weir_quote(note->message));
}

static const char *line(const struct weir_log_line *line) {
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error"};
    return weir_format("{\"level\":\"%s\",\"message\":%s,\"fields\":%s}", levels[line->level], weir_quote(line->message),
                       pairs(line->fields));
}

static const char *http(const struct weir_http *http) {
    return weir_format("{\"method\":%s,\"url\":%s,\"headers\":%s,\"body\":%s,\"idempotencyKey\":%s}", weir_quote(http->method),
                       weir_quote(http->url), pairs(http->headers), weir_quote(http->body), weir_quote(http->idempotency_key));
}

static const char *show(const struct weir_action *action) {
    switch (action->kind) {
    case WEIR_ACTION_ANNOTATE: return weir_format("{\"annotate\":%s}", pairs(action->marks));
    case WEIR_ACTION_LABEL: return weir_format("{\"label\":%s}", pairs(action->marks));
    case WEIR_ACTION_SET_STATUS: return weir_format("{\"set-status\":%s}", weir_quote(action->text));
    case WEIR_ACTION_PATCH: return weir_format("{\"patch\":%s}", patch(&action->patch));
    case WEIR_ACTION_APPLY: return weir_format("{\"apply\":%s}", apply(&action->apply));
    case WEIR_ACTION_CREATE: return weir_format("{\"create\":%s}", weir_quote(action->text));
    case WEIR_ACTION_DELETE: return weir_format("{\"delete\":%s}", deletion(&action->deletion));
    case WEIR_ACTION_EMIT: return weir_format("{\"emit\":%s}", note(&action->note));
    case WEIR_ACTION_LOG: return weir_format("{\"log\":%s}", line(&action->log));
    case WEIR_ACTION_HTTP: return weir_format("{\"http\":%s}", http(&action->http));
    case WEIR_ACTION_REQUEUE_AFTER_MS: return weir_format("{\"requeue-after\":%u}", (unsigned)action->milliseconds);
    case WEIR_ACTION_FAIL: return weir_format("{\"fail\":%s}", failure(action->failure));
    case WEIR_ACTION_EXTENSION:
        return weir_format("{\"extension\":[%s,%s]}", weir_quote(action->extension.name), weir_quote(action->extension.value));
    }
    weir_panic("there is no action %d", (int)action->kind);
}

const char *weir_actions_json(const struct weir_actions *actions) {
    struct text list = {0};
    add(&list, "[");
    for (size_t n = 0; n < actions->count; n++) {
        add(&list, n ? "," : "");
        add(&list, show(&actions->items[n]));
    }
    add(&list, "]");
    return list.bytes;
}
