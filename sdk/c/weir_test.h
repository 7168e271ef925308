/// weir_test.h: a handler's own tests, without weir and without WebAssembly.
///
///     #include "weir_test.h"
///     #include <assert.h>
///     #include <string.h>
///
///     int main(void) {
///         struct weir_event event = weir_test_event(WEIR_ADDED, "nodes", "{\"apiVersion\":\"v1\",\"kind\":\"Node\",…}");
///         struct weir_actions actions = {0};
///         assert(weir_call(&event, &actions) == NULL);
///         assert(strcmp(weir_actions_json(&actions), "[{\"annotate\":[[\"example.com/images\",\"2\"]]}]") == 0);
///     }
///
/// After `weir build`, which leaves the kit there (the files of the component itself are not for other machines):
///
///     cc -I.weir/c -o .weir/test handler.c handler_test.c .weir/c/{actions,arena,check,home,json,questions,show,time}.c -lm && .weir/test

#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#include "weir.h"

/// What answers the handler's questions. Nothing that is handed in is copied.
struct weir_test_host {
    /// A JSON object; NULL: an empty one.
    const char *settings;
    /// What weir_now_ms says.
    double now_ms;
    /// Names, a NULL at the end; NULL: none.
    const char *const *features;
    /// The JSON at a pointer of the event's own object, or NULL; NULL: there is nothing anywhere.
    const char *(*subject)(const char *pointer);
    /// An object as JSON, or NULL; NULL: there is none.
    const char *(*get)(const struct weir_key *key);
    /// One page of a list; NULL: it is empty.
    struct weir_page (*list_page)(const struct weir_query *query);
    /// With which error every read is answered, and its text.
    enum weir_read_error refuse;
    const char *refusal;
};

/// The host of this test; all zero at first.
extern struct weir_test_host weir_test_host;

/// An event about this object, which must be JSON. Key, uid and resourceVersion are taken from it; it is the first attempt.
struct weir_event weir_test_event(enum weir_change change, const char *watch, const char *object);

/// Calls weir_handle as weir does: an answer with a mistake in it, as an action without its text, is a permanent failure.
const struct weir_failure *weir_call(const struct weir_event *event, struct weir_actions *actions);

/// What weir_log was given since weir_test_end, a line each: `info images changed node=a`.
const char *weir_test_log(void);

/// Frees all that was handed out and forgets the log, as weir does between two calls.
void weir_test_end(void);

#endif
