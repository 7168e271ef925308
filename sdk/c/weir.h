/// weir.h: handlers of Kubernetes resource events, in C.
///
///     #include "weir.h"
///
///     const char *weir_describe(void) {
///         return "description: Annotates each node with the number of its images\n"
///                "watches: [{ name: nodes, apiVersion: v1, kind: Node, fields: [/status/images] }]\n"
///                "wants: { write: [{ apiVersion: v1, kind: Node, actions: [annotate] }] }\n";
///     }
///
///     const struct weir_failure *weir_handle(const struct weir_event *event, struct weir_actions *actions) {
///         size_t images = weir_json_count(weir_json_at(event->object, "/status/images"));
///         weir_annotate(actions, "example.com/images", weir_format("%zu", images));
///         return NULL;
///     }
///
/// `weir build` makes a component of the folder that this handler.c lies in. How JSON is read stands in weir_json.h, which this header
/// includes. What it promises:
///
///   - Nothing is freed by hand. All that is handed out here lives until the call ends, in an arena that the kit empties. All that is
///     handed in is copied: a buffer on the stack will do.
///   - An answer is data. Actions are carried out after weir_handle returned, in order, stopping at the first that fails; with a
///     failure none is. Delivery is at least once, so answer with what should be, not with steps.
///   - Text is UTF-8 that ends with a zero byte; what is not UTF-8 is mended with U+FFFD before weir sees it. Where text is optional,
///     NULL is none.
///   - The functions that a test needs no weir for are plain C: compile them with any compiler and home.c; see weir_test.h.
///
/// An instance may be kept between calls, so a static variable may remember things; but weir replaces instances when it likes and may
/// run several. Memory is a cache, never a record. Nothing from the arena may be remembered: copy it with malloc.
///
/// What is different inside a component: there are no files, no environment and no network; weir_now_ms is the time, while time()
/// hardly moves; what is printed is lost (weir_log is not); rand() gives the same numbers in each instance. An assert that fails and
/// weir_panic log a line and end the call, which weir then tries again.

#ifndef WEIR_H
#define WEIR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir_json.h"

/// The compiler compares a format with what it is given.
#define WEIR_FORMAT(format, first) __attribute__((__format__(__printf__, format, first)))

/* ---- Memory and text ------------------------------------------------------------------------------------------------------------ */

/// Zeroed memory until the end of the call, aligned for anything. Never NULL: where there is none left the call ends (see weir_panic).
void *weir_alloc(size_t size);

/// printf into text of the arena.
const char *weir_format(const char *format, ...) WEIR_FORMAT(1, 2);
/// The same, from a list of arguments.
const char *weir_vformat(const char *format, va_list arguments);

/// The text as JSON, with its quotes; NULL is `null`. With weir_format it makes bodies: weir_format("{\"phase\":%s}", weir_quote(phase)).
const char *weir_quote(const char *text);

/// Logs the text as an error and ends the call, which counts as one that failed and may be tried again. For what cannot happen; what
/// can is a failure.
_Noreturn void weir_panic(const char *format, ...) WEIR_FORMAT(1, 2);

/* ---- The event ------------------------------------------------------------------------------------------------------------------ */

/// Why the handler is called. It is computed when it is called, against what was last handed to this handler, so several changes in a
/// row may be one call; and a call that fails is made again with the change that then holds.
enum weir_change {
    /// Existed when the handler first saw the cluster. Called so until one call for it ended well.
    WEIR_INITIAL,
    /// Was created since, or came back into the watch's selectors. Called so until one call for it ended well.
    WEIR_ADDED,
    /// Differs from the state last handed to the handler, or the last call for it did not end well.
    WEIR_UPDATED,
    /// Something that a related watch maps to this object changed.
    WEIR_RELATED,
    /// Is being deleted and waits for this handler; answering without a failure lets it go.
    WEIR_FINALIZING,
    /// Still exists, but no longer matches the watch's selectors. The object is the last state that matched.
    WEIR_LEFT,
    /// Is gone. The object is the last state known; see `final_state_unknown`.
    WEIR_DELETED,
    /// Nothing changed; the watch's resync period came round.
    WEIR_RESYNC,
    /// Nothing changed; the handler asked for this call with weir_requeue_after_ms.
    WEIR_REQUEUED,
};

/// The change as manifests write it: `initial`, …
const char *weir_change_name(enum weir_change change);

/// Names one object.
struct weir_key {
    /// `v1`, `apps/v1`, …
    const char *api_version;
    /// `Node`, `Deployment`, …
    const char *kind;
    /// NULL for cluster-scoped kinds.
    const char *namespace;
    const char *name;
};

/// A name and a value. Lists of them end with one whose name is NULL: WEIR_FIELDS writes that end.
struct weir_field {
    const char *name;
    const char *value;
};

/// A list of names and values: WEIR_FIELDS({"node", name}, {"images", count}).
#define WEIR_FIELDS(...) ((const struct weir_field[]){__VA_ARGS__, {NULL, NULL}})

/// One call's question: what happened, to which object, and how that object is now.
struct weir_event {
    enum weir_change change;
    /// The name of the watch that matched.
    const char *watch;
    struct weir_key key;
    /// Tells the object from an earlier or later one of the same name.
    const char *uid;
    /// Of `object`. Opaque: compare for equality only.
    const char *resource_version;
    /// The object: whole, projected to the watch's fields, or metadata only. Always has apiVersion, kind and
    /// metadata.{name,namespace,uid}; never managedFields. `object.at` is its text.
    struct weir_json object;
    /// The state this handler last acknowledged by answering without a failure, if the watch declared `previous: true`. Absent if it
    /// never acknowledged one.
    struct weir_json previous;
    /// With WEIR_DELETED: the deletion itself was not observed, so the object may have changed after `object`.
    bool final_state_unknown;
    /// 1 on the first call, and one more after each failure that counts, until a call ends well.
    uint32_t attempt;
    /// Names and values that later hosts may add. Ignore those you do not know.
    const struct weir_field *extra;
};

/* ---- Failures ------------------------------------------------------------------------------------------------------------------- */

/// When to try again.
enum weir_failure_kind {
    /// With backoff, up to the handler's retry limit; then it is a dead letter.
    WEIR_RETRY,
    /// After `after_ms`; counts towards the limit too.
    WEIR_RETRY_LATER,
    /// Never, for it cannot help: a dead letter at once.
    WEIR_PERMANENT,
};

/// Why a read was not answered.
enum weir_read_error {
    /// The failure is none of a read.
    WEIR_READ_NO_ERROR,
    /// Not declared under `reads`, not granted, or not kept by this watch; the text says what to add.
    WEIR_READ_DENIED,
    /// The question itself is wrong.
    WEIR_READ_INVALID,
    /// Not now: the cache is not complete yet.
    WEIR_READ_UNAVAILABLE,
};

/// How a handler says that it could not do its work.
struct weir_failure {
    enum weir_failure_kind kind;
    /// With WEIR_RETRY_LATER.
    uint32_t after_ms;
    /// For people; weir cuts it at 4 KiB.
    const char *text;
    /// Which read failed how, if one did.
    enum weir_read_error read_error;
};

/// Try again with backoff: return weir_retry("cannot read %s", name).
const struct weir_failure *weir_retry(const char *format, ...) WEIR_FORMAT(1, 2);
/// Try again after so many milliseconds.
const struct weir_failure *weir_retry_later(uint32_t after_ms, const char *format, ...) WEIR_FORMAT(2, 3);
/// Trying again cannot help.
const struct weir_failure *weir_permanent(const char *format, ...) WEIR_FORMAT(1, 2);

/* ---- Actions: what should happen -------------------------------------------------------------------------------------------------- */

/// How a patch's body is to be read.
enum weir_patch_format {
    /// RFC 6902. A leading `test` makes it conditional.
    WEIR_JSON_PATCH,
    /// RFC 7386: maps are merged, null removes, lists are replaced whole.
    WEIR_MERGE,
    /// Kubernetes' own: lists with keys are merged by them. Built-in kinds only.
    WEIR_STRATEGIC,
};

/// Changes a part of one object. One of the event's own object is only made if nobody changed it since the handler was shown it; else the
/// handler is called anew with the newest state.
struct weir_patch {
    /// NULL: the event's own object.
    const struct weir_key *target;
    /// Only if the object still has this uid. NULL: whichever; implied for the event's own object.
    const char *uid;
    /// `status`, `scale`, …; NULL: the object itself.
    const char *subresource;
    enum weir_patch_format format;
    /// JSON: an array of operations for WEIR_JSON_PATCH, an object for the others.
    const char *body;
};

/// Server-side apply: makes an object have at least these fields, and creates it if need be.
struct weir_apply {
    /// JSON or YAML of one object, with apiVersion, kind and metadata.name (and namespace, if the kind has them).
    const char *manifest;
    /// `status`, …; NULL: the object itself.
    const char *subresource;
    /// Appended to the handler's field manager after a slash. An apply owns exactly what it names, so use one manager for each set of
    /// fields applied to an object. NULL: the field manager itself.
    const char *manager;
    /// Take fields over from other managers. Needs a grant of its own.
    bool force;
};

/// What happens to the objects that a deleted one owns.
enum weir_propagation {
    /// As the kind has it.
    WEIR_PROPAGATION_DEFAULT,
    /// They are deleted after it.
    WEIR_PROPAGATION_BACKGROUND,
    /// They are deleted before it.
    WEIR_PROPAGATION_FOREGROUND,
    /// They stay.
    WEIR_PROPAGATION_ORPHAN,
};

/// Deletes an object; done if it is already gone.
struct weir_delete {
    /// NULL: the event's own object, as it was shown to the handler.
    const struct weir_key *target;
    /// Only if the object still has this uid. NULL: whichever; implied for the event's own object.
    const char *uid;
    /// Seconds it has to end, `&(uint32_t){10}`; NULL: the kind's default.
    const uint32_t *grace_period_seconds;
    enum weir_propagation propagation;
};

/// The type of a Kubernetes Event.
enum weir_severity {
    /// Something happened.
    WEIR_NORMAL,
    /// Somebody should look.
    WEIR_WARNING,
};

/// A Kubernetes Event. One that repeats is counted, not repeated.
struct weir_note {
    /// NULL: about the event's own object.
    const struct weir_key *regarding;
    enum weir_severity severity;
    /// One CamelCase word of 1 to 128 bytes.
    const char *reason;
    /// At most 1024 bytes; longer is cut. NULL: empty.
    const char *message;
};

/// How loud a log line is.
enum weir_level {
    /// Every step; for the handler's author.
    WEIR_TRACE,
    /// What helps to find a mistake.
    WEIR_DEBUG,
    /// What an operator may like to know.
    WEIR_INFO,
    /// What an operator should look at some time.
    WEIR_WARN,
    /// What an operator should look at now.
    WEIR_ERROR,
};

/// A request that weir makes for the handler. The URL must be granted; an answer other than 2xx fails the call.
struct weir_http {
    const char *method;
    const char *url;
    /// As WEIR_FIELDS makes them; NULL: none.
    const struct weir_field *headers;
    /// NULL: empty.
    const char *body;
    /// Sent as `Idempotency-Key`. NULL: one that is the same on every try of the same change.
    const char *idempotency_key;
};

/// The actions of an answer, in their order. All are checked, and held against the grants, before the first is carried out. One that is none,
/// with a NULL where there must be text or a number that is no case, makes a permanent failure of the whole answer, which says what is wrong.
struct weir_actions {
    /// What weir_actions_json shows; the kit's own otherwise.
    struct weir_action *items;
    size_t count;
    size_t room;
};

/// Sets one annotation of the event's own object; others are left alone. A NULL is a mistake, not a removal.
void weir_annotate(struct weir_actions *actions, const char *name, const char *value);
/// Removes one.
void weir_remove_annotation(struct weir_actions *actions, const char *name);
/// Sets and, where the value is NULL, removes several at once.
void weir_annotate_all(struct weir_actions *actions, const struct weir_field *annotations);
/// The same for labels.
void weir_label(struct weir_actions *actions, const char *name, const char *value);
void weir_remove_label(struct weir_actions *actions, const char *name);
void weir_label_all(struct weir_actions *actions, const struct weir_field *labels);
/// Merges this JSON object into the status of the event's own object. Arrays, so conditions too, are replaced whole.
void weir_set_status(struct weir_actions *actions, const char *json);
/// weir_patch(actions, (struct weir_patch){.format = WEIR_MERGE, .body = "{\"spec\":{\"paused\":true}}"}); the next ones alike.
void weir_patch(struct weir_actions *actions, struct weir_patch patch);
void weir_apply(struct weir_actions *actions, struct weir_apply apply);
/// Creates the object of this manifest, JSON or YAML, unless it exists.
void weir_create(struct weir_actions *actions, const char *manifest);
void weir_delete(struct weir_actions *actions, struct weir_delete deletion);
void weir_emit(struct weir_actions *actions, struct weir_note note);
/// A line in the handler's log, written once what comes before it has been done; fields as WEIR_FIELDS makes them, or NULL.
void weir_log_later(struct weir_actions *actions, enum weir_level level, const char *message, const struct weir_field *fields);
void weir_http(struct weir_actions *actions, struct weir_http request);
/// Call again for this object after so many milliseconds. The last one of an answer counts; each answer replaces the object's timer.
void weir_requeue_after_ms(struct weir_actions *actions, uint32_t milliseconds);
/// Carry out the other actions, then count this call as failed: say "not ready" in the status and try again.
void weir_fail(struct weir_actions *actions, const struct weir_failure *failure);
/// Something a later host understands: a name from weir_features, and JSON.
void weir_extension(struct weir_actions *actions, const char *name, const char *payload);

/// The actions as one line of JSON, as `weir call -o json` prints them: what a test compares.
const char *weir_actions_json(const struct weir_actions *actions);

/* ---- Questions ------------------------------------------------------------------------------------------------------------------ */

/// A line in the handler's log, written at once, also if the call fails later. The message is a fixed text; what it is about are fields,
/// as WEIR_FIELDS makes them, or NULL.
void weir_log(enum weir_level level, const char *message, const struct weir_field *fields);

/// The settings as a JSON object, checked against the `settingsSchema` with defaults filled in.
struct weir_json weir_settings(void);
/// Milliseconds since the Unix epoch, a whole number. Recorded, so that a replay sees the same.
double weir_now_ms(void);
/// A moment as Kubernetes writes it: `2026-01-02T03:04:05Z`. What lies outside the years 1970 to 9999 is cut to them.
const char *weir_timestamp(double ms);
/// Reads what weir_timestamp writes, and nothing else; else false, and `into` is as it was. NULL is false.
bool weir_timestamp_read(const char *text, double *into);
/// Whether this host adds something of this name to the contract's first version.
bool weir_has_feature(const char *name);

/// More of the event's own object than the event carries, at an RFC 6901 pointer; absent if there is nothing. A question that fails is a
/// failure to return: denied and invalid ones are permanent, the others are tried again.
const struct weir_failure *weir_subject(const char *pointer, struct weir_json *into);
/// The same for `count` pointers at once, which counts as one question.
const struct weir_failure *weir_subject_many(const char *const *pointers, size_t count, struct weir_json *into);

/// One object of a kind declared under `reads`; absent if there is no such object.
const struct weir_failure *weir_get(const struct weir_key *key, struct weir_json *into);

/// Which objects to list.
struct weir_query {
    const char *api_version;
    const char *kind;
    /// NULL: all namespaces, which a grant for some of them does not allow; NULL also for cluster-scoped kinds.
    const char *namespace;
    /// In Kubernetes' syntax, `app=web,tier!=test`; NULL selects all.
    const char *label_selector;
    /// In Kubernetes' syntax, `spec.nodeName=a`; NULL selects all.
    const char *field_selector;
    /// At most so many a page; 0 takes the default, 500, which is also the most.
    uint32_t limit;
    /// Where the last page ended; NULL for the first.
    const char *continue_token;
};

/// Some of the objects.
struct weir_page {
    const struct weir_json *items;
    size_t count;
    /// Where to go on; NULL if these were the last.
    const char *continue_token;
};

/// One page of a list, in the order of namespace and name.
const struct weir_failure *weir_list_page(const struct weir_query *query, struct weir_page *into);

/// A whole list, page by page, each asked for when it is needed:
///
///     struct weir_list list = {.query = {.api_version = "v1", .kind = "Pod"}};
///     while (weir_list_next(&list)) { … list.item … }
///     if (list.failure) return list.failure;
struct weir_list {
    struct weir_query query;
    struct weir_json item;
    /// Why it ended before its end; NULL if it did not.
    const struct weir_failure *failure;
    /// The walk's own.
    struct weir_page page;
    size_t at;
    bool begun;
};

/// Steps on; false at the end, and after a failure.
bool weir_list_next(struct weir_list *list);

/* ---- What the author writes ------------------------------------------------------------------------------------------------------- */

/// What the handler watches, reads and wants, as YAML or JSON: the `spec` of a Handler, less what is the operator's alone. Called at load,
/// when nothing can be asked yet.
const char *weir_describe(void);

/// Called for each event; never twice at once for one object. NULL: it went well, and the actions are carried out. A failure carries none.
const struct weir_failure *weir_handle(const struct weir_event *event, struct weir_actions *actions);

#endif
