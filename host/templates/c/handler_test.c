// Not part of the component, as its name ends in _test.c.

#include "weir_test.h"

#include <stdio.h>
#include <string.h>

int main(void) {
    struct weir_event event = weir_test_event(
        WEIR_UPDATED, "nodes",
        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\"},"
        "\"status\":{\"images\":[{\"names\":[\"a\"]},{\"names\":[\"b\"]}]}}");
    struct weir_actions actions = {0};
    const struct weir_failure *failure = weir_handle(&event, &actions);
    const char *answer = failure ? failure->text : weir_actions_json(&actions);
    if (strcmp(answer, "[{\"annotate\":[[\"example.com/images\",\"2\"]]}]") != 0) {
        fprintf(stderr, "images are not counted: %s\n", answer);
        return 1;
    }
    puts("images are counted");
    return 0;
}
