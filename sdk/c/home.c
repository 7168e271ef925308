/// The host of tests: see weir_test.h.

#include "internal.h"
#include "weir_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weir_test_host weir_test_host;

/// The log; at most so much of it is kept.
static char lines[64 << 10];
static size_t used;

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(lines + used, sizeof lines - used, format, arguments);
    va_end(arguments);
    size_t room = sizeof lines - 1 - used;
    used += (size_t)size < room ? (size_t)size : room;
}

void weir_host_log(enum weir_level level, const char *message, const struct weir_field *fields) {
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error"};
    size_t from = used;
    say("%s %s", levels[level], message);
    for (size_t n = 0; n < weir_field_count(fields); n++) {
        say(" %s=%s", fields[n].name, fields[n].value ? fields[n].value : "");
    }
    say("\n");
    fputs(lines + from, stderr);
}

const char *weir_test_log(void) { return lines; }

void weir_test_end(void) {
    weir_arena_empty();
    used = 0;
    lines[0] = 0;
}

struct weir_event weir_test_event(enum weir_change change, const char *watch, const char *object) {
    struct weir_json json;
    const struct weir_failure *failure = weir_json_read(object, &json);
    if (failure) {
        weir_panic("the object of the event: %s", failure->text);
    }
    return (struct weir_event){
        .change = change,
        .watch = watch,
        .key =
            {
                .api_version = weir_json_string_or(weir_json_at(json, "/apiVersion"), ""),
                .kind = weir_json_string_or(weir_json_at(json, "/kind"), ""),
                .namespace = weir_json_string(weir_json_at(json, "/metadata/namespace")),
                .name = weir_json_string_or(weir_json_at(json, "/metadata/name"), ""),
            },
        .uid = weir_json_string_or(weir_json_at(json, "/metadata/uid"), ""),
        .resource_version = weir_json_string_or(weir_json_at(json, "/metadata/resourceVersion"), ""),
        .object = json,
        .attempt = 1,
        .extra = weir_alloc(sizeof(struct weir_field)),
    };
}

const char *weir_host_settings(void) { return weir_test_host.settings ? weir_test_host.settings : "{}"; }

double weir_host_now_ms(void) { return weir_test_host.now_ms; }

const char *const *weir_host_features(size_t *count) {
    *count = 0;
    while (weir_test_host.features && weir_test_host.features[*count]) {
        ++*count;
    }
    return weir_test_host.features;
}

static enum weir_read_error refused(const char **words) {
    *words = weir_test_host.refusal;
    return weir_test_host.refuse;
}

enum weir_read_error weir_host_subject(const char *const *pointers, size_t count, const char **into, const char **words) {
    for (size_t n = 0; n < count; n++) {
        into[n] = weir_test_host.subject ? weir_test_host.subject(pointers[n]) : NULL;
    }
    return refused(words);
}

enum weir_read_error weir_host_get(const struct weir_key *key, const char **into, const char **words) {
    *into = weir_test_host.get ? weir_test_host.get(key) : NULL;
    return refused(words);
}

enum weir_read_error weir_host_list_page(const struct weir_query *query, const char *const **items, size_t *count,
                                         const char **continue_token, const char **words) {
    struct weir_page page = {0};
    if (weir_test_host.list_page) {
        page = weir_test_host.list_page(query);
    }
    const char **texts = weir_alloc(page.count * sizeof *texts);
    for (size_t n = 0; n < page.count; n++) {
        texts[n] = weir_json_text(page.items[n]);
    }
    *items = texts;
    *count = page.count;
    *continue_token = page.continue_token;
    return refused(words);
}
