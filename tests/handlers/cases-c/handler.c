/// A handler that does what the object's annotation `test.weir.dev/do` says, word by word: one word for each thing that crosses the
/// contract, so that its answers show whether this language's kit says what was meant.

#include "weir.h"

#include <assert.h>
#include <string.h>

const char *weir_describe(void) {
    return "description: Does what an annotation says\n"
           "watches:\n"
           "- { name: objects, apiVersion: v1, kind: ConfigMap, resync: 1500ms, fields: [/metadata/annotations, /data] }\n"
           "reads: [{ apiVersion: v1, kind: Pod }]\n"
           "settingsSchema: { type: object, properties: { greeting: { type: string, default: grüß Gott } } }\n";
}

static const struct weir_key pod = {"v1", "Pod", "default", "p"};

/// How often this instance was called.
static int calls;

static void show_event(const struct weir_event *event, struct weir_actions *actions) {
    const struct weir_key *key = &event->key;
    weir_annotate(actions, "event",
                  weir_format("%s %s %s/%s %s/%s %s %s %u %s", weir_change_name(event->change), event->watch, key->api_version, key->kind,
                              key->namespace ? key->namespace : "", key->name, event->uid, event->resource_version,
                              (unsigned)event->attempt, event->previous.at ? "true" : "false"));
}

static const struct weir_failure *list_pods(struct weir_actions *actions) {
    size_t count = 0;
    struct weir_list list = {.query = {.api_version = "v1", .kind = "Pod", .limit = 2}};
    while (weir_list_next(&list)) {
        count++;
    }
    weir_annotate(actions, "listed", weir_format("%zu", count));
    return list.failure;
}

static const struct weir_failure *get_pod(struct weir_actions *actions) {
    struct weir_json found;
    const struct weir_failure *failure = weir_get(&pod, &found);
    weir_annotate(actions, "found", found.at ? "true" : "false");
    return failure;
}

static const struct weir_failure *obey(const char *word, const struct weir_event *event, struct weir_actions *actions) {
    struct weir_json data = weir_json_at(event->object, "/data");
#define ASKED(it) (strcmp(word, it) == 0)
    if (ASKED("event")) {
        show_event(event, actions);
    } else if (ASKED("count")) {
        weir_annotate(actions, "count", weir_format("%zu", weir_json_count(data)));
    } else if (ASKED("text")) {
        weir_label(actions, "text", weir_json_string_or(weir_json_at(data, "/text"), ""));
    } else if (ASKED("calls")) {
        weir_annotate(actions, "calls", weir_format("%d", calls));
    } else if (ASKED("settings")) {
        weir_annotate(actions, "greeting", weir_json_string(weir_json_at(weir_settings(), "/greeting")));
    } else if (ASKED("remove")) {
        weir_remove_annotation(actions, "a");
        weir_remove_label(actions, "b");
    } else if (ASKED("status")) {
        weir_set_status(actions, "{\"ready\":true}");
    } else if (ASKED("patch")) {
        weir_patch(actions, (struct weir_patch){.target = &pod, .uid = "u", .subresource = "status", .format = WEIR_JSON_PATCH, .body = "[]"});
        weir_patch(actions, (struct weir_patch){.format = WEIR_MERGE, .body = "{\"data\":null}"});
    } else if (ASKED("apply")) {
        weir_apply(actions, (struct weir_apply){.manifest = "{\"kind\":\"Pod\"}", .manager = "m", .force = true});
        weir_apply(actions, (struct weir_apply){.manifest = weir_format("{\"apiVersion\":%s,\"kind\":%s,\"namespace\":%s,\"name\":%s}",
                                                                        weir_quote(pod.api_version), weir_quote(pod.kind),
                                                                        weir_quote(pod.namespace), weir_quote(pod.name))});
    } else if (ASKED("create")) {
        weir_create(actions, "{\"one\":1}");
    } else if (ASKED("delete")) {
        weir_delete(actions, (struct weir_delete){.target = &pod, .grace_period_seconds = &(uint32_t){0}, .propagation = WEIR_PROPAGATION_ORPHAN});
        weir_delete(actions, (struct weir_delete){0});
    } else if (ASKED("emit")) {
        weir_emit(actions, (struct weir_note){.severity = WEIR_WARNING, .reason = "Reason", .message = weir_format("%d ünits", 3)});
        weir_emit(actions, (struct weir_note){.regarding = &pod, .reason = "Other"});
    } else if (ASKED("log")) {
        weir_log(WEIR_INFO, "said at once", WEIR_FIELDS({"who", "me"}));
        weir_log_later(actions, WEIR_WARN, "said later", WEIR_FIELDS({"who", "me"}));
    } else if (ASKED("http")) {
        weir_http(actions, (struct weir_http){.method = "POST", .url = "https://example.com/", .headers = WEIR_FIELDS({"a", "b"}), .body = "x"});
    } else if (ASKED("requeue")) {
        weir_requeue_after_ms(actions, 1500);
    } else if (ASKED("fail")) {
        weir_fail(actions, weir_retry_later(2000, "not ready"));
    } else if (ASKED("extension")) {
        weir_extension(actions, "later", "{}");
    } else if (ASKED("list")) {
        return list_pods(actions);
    } else if (ASKED("get")) {
        return get_pod(actions);
    } else if (ASKED("retry")) {
        return weir_retry("as any error");
    } else if (ASKED("retry-later")) {
        return weir_retry_later(60000, "wrapped: %s", "later");
    } else if (ASKED("permanent")) {
        return weir_permanent("never: %s", "für immer");
    } else if (ASKED("half")) {
        weir_annotate(actions, "half", "\xc3"); // the first byte of a character
    } else if (ASKED("pointer")) {
        weir_json_at(event->object, "no pointer");
    } else if (ASKED("nothing")) {
        weir_annotate(actions, "nothing", NULL);
    } else if (ASKED("assert")) {
        assert(!"on purpose");
    } else if (ASKED("garbage")) {
        for (int n = 0; n < 10; n++) {
            memset(weir_alloc(10000), 'x', 10000);
        }
    } else {
        return weir_permanent("there is no word \"%s\"", word);
    }
    return NULL;
}

const struct weir_failure *weir_handle(const struct weir_event *event, struct weir_actions *actions) {
    calls++;
    const char *words = weir_json_string_or(weir_json_at(event->object, "/metadata/annotations/test.weir.dev~1do"), "");
    const struct weir_failure *failure = NULL;
    while (!failure && *(words += strspn(words, " "))) {
        size_t size = strcspn(words, " ");
        failure = obey(weir_format("%.*s", (int)size, words), event, actions);
        words += size;
    }
    return failure;
}
