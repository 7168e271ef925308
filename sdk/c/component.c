/// Between this kit's types and the generated ones. Nothing is decided here but when the arena is emptied.
///
/// Memory. What weir writes into the component it asks cabi_realloc for, and that is the arena. What the component answers lies in the
/// arena too; the generated code would free it once weir has read it, which bindings.c turns into nothing. So whatever a call needed is
/// given back at once: by the first thing that the next call does.

#include "internal.h"

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

/// A call ended; what it left in the arena was read since, or is about to be.
static bool over;

static void begin(void) {
    if (over) {
        weir_arena_empty();
        over = false;
    }
}

/// The canonical ABI's allocator. weir gives a size for each text and no zero byte behind it, so there is one more byte, which is zero.
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    begin();
    char *memory = size < SIZE_MAX ? weir_arena_take(size + 1, align) : NULL;
    if (!memory) {
        abort(); // nothing may be said while weir asks for memory
    }
    if (old_size) {
        memcpy(memory, old, old_size < size ? old_size : size);
    }
    memory[size] = 0;
    return memory;
}

/// What `assert` calls, by an option that `weir build` gives; the declaration is the C library's.
_Noreturn void weir_assert_fail(const char *expression, const char *file, int line, const char *function);

_Noreturn void weir_assert_fail(const char *expression, const char *file, int line, const char *function) {
    weir_panic("assertion failed: %s, in %s at %s:%d", expression, function, file, line);
}

/* ---- Text and lists, in and out --------------------------------------------------------------------------------------------------- */

/// weir's text, whose memory has a zero byte behind it. Where there is no text there need not be memory.
static const char *text_of(plugin_string_t text) { return text.len ? (const char *)text.ptr : ""; }

static const char *option_of(plugin_option_string_t text) { return text.is_some ? text_of(text.val) : NULL; }

static plugin_string_t text_to(const char *text) {
    text = weir_mended(text ? text : "");
    return (plugin_string_t){(uint8_t *)text, strlen(text)};
}

static plugin_option_string_t option_to(const char *text) {
    return (plugin_option_string_t){.is_some = text != NULL, .val = text_to(text)};
}

static plugin_list_tuple2_string_string_t fields_to(const struct weir_field *fields) {
    plugin_list_tuple2_string_string_t list = {.len = weir_field_count(fields)};
    list.ptr = weir_alloc(list.len * sizeof *list.ptr);
    for (size_t n = 0; n < list.len; n++) {
        list.ptr[n] = (plugin_tuple2_string_string_t){text_to(fields[n].name), text_to(fields[n].value)};
    }
    return list;
}

static plugin_list_tuple2_string_option_string_t marks_to(const struct weir_field *marks) {
    plugin_list_tuple2_string_option_string_t list = {.len = weir_field_count(marks)};
    list.ptr = weir_alloc(list.len * sizeof *list.ptr);
    for (size_t n = 0; n < list.len; n++) {
        list.ptr[n] = (plugin_tuple2_string_option_string_t){text_to(marks[n].name), option_to(marks[n].value)};
    }
    return list;
}

static weir_api_types_object_key_t key_to(const struct weir_key *key) {
    return (weir_api_types_object_key_t){text_to(key->api_version), text_to(key->kind), option_to(key->namespace), text_to(key->name)};
}

static weir_api_types_option_object_key_t option_key_to(const struct weir_key *key) {
    weir_api_types_option_object_key_t option = {.is_some = key != NULL};
    if (key) {
        option.val = key_to(key);
    }
    return option;
}

/* ---- Imports ---------------------------------------------------------------------------------------------------------------------- */

void weir_host_log(enum weir_level level, const char *message, const struct weir_field *fields) {
    // Of the order of the levels. A line without fields takes no memory, of which there may be none left.
    static void (*const lines[])(plugin_string_t *, plugin_list_tuple2_string_string_t *) = {
        weir_api_log_trace, weir_api_log_debug, weir_api_log_info, weir_api_log_warn, weir_api_log_error,
    };
    plugin_list_tuple2_string_string_t list = {0};
    if (weir_field_count(fields)) {
        list = fields_to(fields);
    }
    plugin_string_t text = text_to(message);
    lines[level <= WEIR_ERROR ? level : WEIR_ERROR](&text, &list);
}

const char *weir_host_settings(void) {
    plugin_string_t text;
    weir_api_host_settings(&text);
    return text_of(text);
}

double weir_host_now_ms(void) { return weir_api_host_now_ms(); }

const char *const *weir_host_features(size_t *count) {
    plugin_list_string_t list;
    weir_api_host_features(&list);
    const char **features = weir_alloc(list.len * sizeof *features);
    for (size_t n = 0; n < list.len; n++) {
        features[n] = text_of(list.ptr[n]);
    }
    *count = list.len;
    return features;
}

/// The contract's cases, in its order, after the one for no error.
static enum weir_read_error refused(const weir_api_types_read_error_t *error, const char **words) {
    *words = text_of(error->val.denied); // each case is a text
    return (enum weir_read_error)(error->tag + 1);
}

enum weir_read_error weir_host_subject(const char *const *pointers, size_t count, const char **into, const char **words) {
    plugin_list_string_t asked = {.ptr = weir_alloc(count * sizeof *asked.ptr), .len = count};
    for (size_t n = 0; n < count; n++) {
        asked.ptr[n] = text_to(pointers[n]);
    }
    plugin_list_option_string_t found;
    weir_api_types_read_error_t error;
    if (!weir_api_subject_get_many(&asked, &found, &error)) {
        return refused(&error, words);
    }
    for (size_t n = 0; n < count && n < found.len; n++) {
        into[n] = option_of(found.ptr[n]);
    }
    return WEIR_READ_NO_ERROR;
}

enum weir_read_error weir_host_get(const struct weir_key *key, const char **into, const char **words) {
    weir_api_types_object_key_t asked = key_to(key);
    plugin_option_string_t found;
    weir_api_types_read_error_t error;
    if (!weir_api_cluster_get(&asked, &found, &error)) {
        return refused(&error, words);
    }
    *into = option_of(found);
    return WEIR_READ_NO_ERROR;
}

enum weir_read_error weir_host_list_page(const struct weir_query *query, const char *const **items, size_t *count,
                                         const char **continue_token, const char **words) {
    weir_api_cluster_query_t asked = {
        text_to(query->api_version),    text_to(query->kind), option_to(query->namespace),      text_to(query->label_selector),
        text_to(query->field_selector), query->limit,         option_to(query->continue_token),
    };
    weir_api_cluster_page_t found;
    weir_api_types_read_error_t error;
    if (!weir_api_cluster_list_page(&asked, &found, &error)) {
        return refused(&error, words);
    }
    const char **texts = weir_alloc(found.items.len * sizeof *texts);
    for (size_t n = 0; n < found.items.len; n++) {
        texts[n] = text_of(found.items.ptr[n]);
    }
    *items = texts;
    *count = found.items.len;
    *continue_token = option_of(found.continue_token);
    return WEIR_READ_NO_ERROR;
}

/* ---- Exports ---------------------------------------------------------------------------------------------------------------------- */

static weir_api_types_failure_t failure_to(const struct weir_failure *failure) {
    weir_api_types_failure_t to = {.tag = (uint8_t)failure->kind};
    switch (failure->kind) {
    case WEIR_RETRY: to.val.retry = text_to(failure->text); break;
    case WEIR_RETRY_LATER: to.val.retry_later = (weir_api_types_retry_later_t){failure->after_ms, text_to(failure->text)}; break;
    case WEIR_PERMANENT: to.val.permanent = text_to(failure->text); break;
    }
    return to;
}

static weir_api_types_action_t action_to(const struct weir_action *action) {
    // The kinds are the contract's cases, in its order.
    weir_api_types_action_t to = {.tag = (uint8_t)action->kind};
    switch (action->kind) {
    case WEIR_ACTION_ANNOTATE: to.val.annotate = marks_to(action->marks); break;
    case WEIR_ACTION_LABEL: to.val.label = marks_to(action->marks); break;
    case WEIR_ACTION_SET_STATUS: to.val.set_status = text_to(action->text); break;
    case WEIR_ACTION_PATCH:
        to.val.patch = (weir_api_types_patch_t){
            option_key_to(action->patch.target),    option_to(action->patch.uid), option_to(action->patch.subresource),
            (uint8_t)action->patch.format, text_to(action->patch.body),
        };
        break;
    case WEIR_ACTION_APPLY:
        to.val.apply = (weir_api_types_apply_t){
            text_to(action->apply.manifest), option_to(action->apply.subresource), option_to(action->apply.manager), action->apply.force,
        };
        break;
    case WEIR_ACTION_CREATE: to.val.create = text_to(action->text); break;
    case WEIR_ACTION_DELETE: {
        const struct weir_delete *from = &action->deletion;
        weir_api_types_deletion_t deletion = {.target = option_key_to(from->target), .uid = option_to(from->uid)};
        if (from->grace_period_seconds) {
            deletion.grace_period_seconds = (plugin_option_u32_t){true, *from->grace_period_seconds};
        }
        if (from->propagation != WEIR_PROPAGATION_DEFAULT) {
            deletion.propagation = (weir_api_types_option_propagation_t){true, (uint8_t)(from->propagation - 1)};
        }
        to.val.delete_ = deletion;
        break;
    }
    case WEIR_ACTION_EMIT:
        to.val.emit = (weir_api_types_note_t){
            option_key_to(action->note.regarding), (uint8_t)action->note.severity, text_to(action->note.reason),
            text_to(action->note.message),
        };
        break;
    case WEIR_ACTION_LOG:
        to.val.log = (weir_api_types_log_line_t){(uint8_t)action->log.level, text_to(action->log.message), fields_to(action->log.fields)};
        break;
    case WEIR_ACTION_HTTP:
        to.val.http = (weir_api_types_http_request_t){
            text_to(action->http.method), text_to(action->http.url), fields_to(action->http.headers),
            text_to(action->http.body),   option_to(action->http.idempotency_key),
        };
        break;
    case WEIR_ACTION_REQUEUE_AFTER_MS: to.val.requeue_after_ms = action->milliseconds; break;
    case WEIR_ACTION_FAIL: to.val.fail = failure_to(action->failure); break;
    case WEIR_ACTION_EXTENSION:
        to.val.extension = (weir_api_types_extension_t){text_to(action->extension.name), text_to(action->extension.value)};
        break;
    }
    return to;
}

/// What the handler is called with; or why it cannot be, as an object that nests deeper than this kit reads.
static const struct weir_failure *event_of(const exports_weir_api_handler_event_t *event, struct weir_event *to) {
    struct weir_field *extra = weir_alloc((event->extra.len + 1) * sizeof *extra);
    for (size_t n = 0; n < event->extra.len; n++) {
        extra[n] = (struct weir_field){text_of(event->extra.ptr[n].f0), text_of(event->extra.ptr[n].f1)};
    }
    *to = (struct weir_event){
        .change = (enum weir_change)event->change,
        .watch = text_of(event->watch),
        .key = {text_of(event->key.api_version), text_of(event->key.kind), option_of(event->key.namespace_), text_of(event->key.name)},
        .uid = text_of(event->uid),
        .resource_version = text_of(event->resource_version),
        .final_state_unknown = event->final_state_unknown,
        .attempt = event->attempt,
        .extra = extra,
    };
    const struct weir_failure *failure = weir_json_read(text_of(event->object), &to->object);
    if (!failure && event->previous.is_some) {
        failure = weir_json_read(text_of(event->previous.val), &to->previous);
    }
    return failure;
}

bool exports_weir_api_handler_describe(plugin_string_t *description, plugin_string_t *error) {
    begin();
    const char *text = weir_describe();
    over = true;
    *(text ? description : error) = text_to(text ? text : "weir_describe returned NULL");
    return text != NULL;
}

bool exports_weir_api_handler_handle(exports_weir_api_handler_event_t *given, exports_weir_api_handler_list_action_t *answer,
                                     exports_weir_api_handler_failure_t *failed) {
    struct weir_event event;
    struct weir_actions actions = {0};
    const struct weir_failure *failure = event_of(given, &event);
    if (!failure) {
        failure = weir_call(&event, &actions);
    }
    over = true;
    if (failure) {
        *failed = failure_to(failure);
        return false;
    }
    answer->len = actions.count;
    answer->ptr = weir_alloc(actions.count * sizeof *answer->ptr);
    for (size_t n = 0; n < actions.count; n++) {
        answer->ptr[n] = action_to(&actions.items[n]);
    }
    return true;
}
