// A weir handler that annotates each node with the number of its images.

#include "weir.h"

const char *weir_describe(void) {
    return "description: Annotates each node with the number of its images\n"
           "watches: [{ name: nodes, apiVersion: v1, kind: Node, fields: [/status/images] }]\n"
           "wants: { write: [{ apiVersion: v1, kind: Node, actions: [annotate] }] }\n";
}

const struct weir_failure *weir_handle(const struct weir_event *event, struct weir_actions *actions) {
    size_t images = weir_json_count(weir_json_at(event->object, "/status/images"));
    weir_annotate(actions, "example.com/images", weir_format("%zu", images));
    return NULL;
}
