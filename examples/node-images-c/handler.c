/// Tells when the images on a node change or fill its disk: the core of plugins/node-images, in C.
///
/// This file asks and logs; what to do is decided in verdict.c, and what a Node says is read in node.c.

#include "node.h"

const char *weir_describe(void) {
    return "description: Tells when the images on a node change or fill its disk\n"
           "watches:\n"
           "- name: nodes\n"
           "  apiVersion: v1\n"
           "  kind: Node\n"
           "  fields:\n"
           "  - /status/images\n"
           "  - /status/capacity/ephemeral-storage\n"
           "  - /metadata/annotations/images.weir.dev~1count\n"
           "  - /metadata/annotations/images.weir.dev~1total-bytes\n"
           "  - /metadata/annotations/images.weir.dev~1percent\n"
           "  - /metadata/annotations/images.weir.dev~1changed-at\n"
           "  - /metadata/annotations/images.weir.dev~1warned-at\n"
           // Its own annotations are not among these, so it never wakes itself.
           "  changed: [/status/images, /status/capacity/ephemeral-storage]\n"
           "  previous: true\n"
           "  resync: 30s\n"
           "wants: { write: [{ apiVersion: v1, kind: Node, actions: [annotate, emit] }] }\n"
           "settingsSchema:\n"
           "  type: object\n"
           "  additionalProperties: false\n"
           "  properties:\n"
           "    percent: { type: integer, minimum: 1, maximum: 100, default: 80 }\n"
           // Some ten years: what the arithmetic holds without a thought.
           "    remindMinutes: { type: integer, minimum: 1, maximum: 5256000, default: 60 }\n";
}

/// The settings are checked against the schema, so they are there and in range.
static struct settings read_settings(void) {
    int64_t percent = 80, minutes = 60;
    struct weir_json settings = weir_settings();
    weir_json_integer(weir_json_member(settings, "percent"), &percent);
    weir_json_integer(weir_json_member(settings, "remindMinutes"), &minutes);
    return (struct settings){(unsigned)percent, (unsigned)minutes};
}

const struct weir_failure *weir_handle(const struct weir_event *event, struct weir_actions *actions) {
    struct node node, before;
    const struct weir_failure *failure = node_read(event->object, &node);
    if (failure) {
        return failure;
    }
    const char *count = weir_format("%zu", node.count);
    if (event->change == WEIR_LEFT || event->change == WEIR_DELETED) {
        weir_log(WEIR_INFO, "node is gone",
                 WEIR_FIELDS({"node", event->key.name}, {"images", count},
                             {"total_bytes", weir_format("%llu", (unsigned long long)node.total_bytes)},
                             {"last_state_certain", event->final_state_unknown ? "false" : "true"}));
        return NULL;
    }
    bool known = event->previous.at != NULL;
    if (known && (failure = node_read(event->previous, &before))) {
        return failure;
    }
    struct difference change = decide(&node, known ? &before : NULL, read_settings(), weir_now_ms(), actions);
    if (change.changed) {
        weir_log(WEIR_INFO, "images changed",
                 WEIR_FIELDS({"node", event->key.name}, {"added", listed(change.added, change.added_count, SIZE_MAX)},
                             {"removed", listed(change.removed, change.removed_count, SIZE_MAX)}, {"images", count}));
    }
    return NULL;
}
