/// The kit's own tests, without weir: `cargo test -p weir-build` compiles and runs them, as would
/// cc -I. -o /tmp/kit_test tests/kit_test.c {actions,arena,check,home,json,questions,show,time}.c -lm && /tmp/kit_test

#include "../internal.h"
#include "../weir_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition) ((condition) ? (void)0 : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition)))
#define SAME(text, expected) same(text, expected, __LINE__)

static void same(const char *text, const char *expected, int line) {
    if (!text || strcmp(text, expected) != 0) {
        failures++;
        fprintf(stderr, "%s:%d: %s\n  is not %s\n", __FILE__, line, text ? text : "(null)", expected);
    }
}

/// A value that must be readable.
static struct weir_json json(const char *text) {
    struct weir_json value;
    const struct weir_failure *failure = weir_json_read(text, &value);
    if (failure) {
        failures++;
        fprintf(stderr, "%s: %s\n", text, failure->text);
    }
    return value;
}

static void what_is_json_is_read_and_what_is_not_is_refused_with_its_place(void) {
    static const char *const good[] = {
        "null", " true ", "0", "-0", "-12.5e+3", "1E5", "\"\"", "[]", "{}", "[ ]", "[1 , [ ] , {} ]", "{\"a\":{\"b\":[{}]},\"\":1}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\ud83c\\udf0d\"", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d\"", "\t\r\n[\n]\n",
    };
    for (size_t n = 0; n < sizeof good / sizeof *good; n++) {
        json(good[n]);
    }
    static const struct {
        const char *text;
        size_t at;
    } bad[] = {
        {"", 0}, {" ", 1}, {"nul", 0}, {"01", 1}, {"1.", 0}, {".5", 0}, {"+1", 0}, {"1e", 0}, {"-", 0}, {"--1", 0}, {"[", 1}, {"[1", 2},
        {"[1,", 3}, {"[1,]", 3}, {"[,]", 1}, {"]", 0}, {"[}", 1}, {"{]", 1}, {"{\"a\"}", 4}, {"{\"a\":}", 5}, {"{\"a\":1,}", 7},
        {"{a:1}", 1}, {"{1:1}", 1}, {"[1}", 2}, {"{\"a\":1]", 6}, {"1 2", 2}, {"{}x", 2}, {"'a'", 0}, {"\"", 1}, {"\"a", 2},
        {"\"\\", 1}, {"\"\\x\"", 1}, {"\"\\u12\"", 1}, {"\"\\u12g4\"", 1}, {"\"a\nb\"", 2}, {"\"\x1f\"", 1},
        // Halves of pairs, and pairs the wrong way round.
        {"\"\\ud83c\"", 1}, {"\"\\udf0d\"", 1}, {"\"\\ud83c\\u0041\"", 1}, {"\"\\udf0d\\ud83c\"", 1}, {"\"\\ud83c", 1},
        // No UTF-8: a byte alone, too long for its value, a surrogate, beyond the last character, cut off.
        {"\"\x80\"", 1}, {"\"\xc0\x80\"", 1}, {"\"\xe0\x80\x80\"", 1}, {"\"\xed\xa0\x80\"", 1}, {"\"\xf4\x90\x80\x80\"", 1},
        {"\"\xf5\x80\x80\x80\"", 1}, {"\"\xe2\x82\"", 1}, {"\"\xf0\x9f\x8c", 1},
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        struct weir_json value = {"x", 1};
        const struct weir_failure *failure = weir_json_read(bad[n].text, &value);
        CHECK(!value.at);
        if (!failure) {
            failures++;
            fprintf(stderr, "%s: is read\n", bad[n].text);
            continue;
        }
        CHECK(failure->kind == WEIR_PERMANENT);
        SAME(weir_format("%.*s", (int)strcspn(failure->text, ":"), failure->text), weir_format("cannot read JSON at byte %zu", bad[n].at));
    }
    CHECK(weir_json_read(NULL, &(struct weir_json){0}));
}

/// So many brackets of a kind, one within the other.
static const char *nested(size_t depth, bool objects) {
    char *text = weir_alloc(depth * 6 + 2), *end = text;
    for (size_t n = 0; n < depth; n++) {
        end += sprintf(end, objects ? "{\"a\":" : "[");
    }
    end += sprintf(end, "1");
    for (size_t n = 0; n < depth; n++) {
        *end++ = objects ? '}' : ']';
    }
    return text;
}

static void depth_is_bounded_and_a_thousand_levels_are_read(void) {
    struct weir_json value;
    for (int objects = 0; objects < 2; objects++) {
        CHECK(!weir_json_read(nested(WEIR_JSON_DEPTH, objects), &value));
        CHECK(weir_json_count(value) == 1);
        const struct weir_failure *failure = weir_json_read(nested(WEIR_JSON_DEPTH + 1, objects), &value);
        CHECK(failure && strstr(failure->text, "nests too deep"));
        CHECK(weir_json_read(nested(100000, objects), &value));
    }
}

static void pointers_find_values_and_miss_softly(void) {
    struct weir_json value =
        json("{\"a\":{\"b\":[10,{\"c\":\"x\"},[]]},\"x/y\":1,\"m~n\":2,\"\":3,\"~1\":4,\"q\\u0075ote\\\"\":5,\"a\":6, \"g\xc3\xbc\" : 7}");
    static const struct {
        const char *pointer, *found;
    } cases[] = {
        {"/a/b/0", "10"}, {"/a/b/1/c", "\"x\""}, {"/a/b/2", "[]"}, {"/x~1y", "1"}, {"/m~0n", "2"}, {"/", "3"}, {"/~01", "4"},
        {"/quote\"", "5"}, {"/g\xc3\xbc", "7"}, {"/a/b/1", "{\"c\":\"x\"}"},
        {"/a/b/3", NULL}, {"/a/b/00", NULL}, {"/a/b/-", NULL}, {"/a/b/", NULL}, {"/a/b/4294967296", NULL}, {"/a/b/0/c", NULL}, {"/b", NULL},
        {"/a/c/d/e", NULL}, {"/x~2y", NULL},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct weir_json found = weir_json_at(value, cases[n].pointer);
        if (cases[n].found) {
            SAME(weir_json_text(found), cases[n].found);
        } else {
            CHECK(weir_json_kind(found) == WEIR_JSON_ABSENT);
        }
    }
    CHECK(weir_json_at(value, "").at == value.at);
    SAME(weir_json_text(weir_json_member(value, "x/y")), "1");
    struct weir_json absent = {0};
    CHECK(!weir_json_at(absent, "/a").at && !weir_json_member(absent, "a").at && !weir_json_text(absent) && weir_json_count(absent) == 0);
}

static void strings_are_decoded_as_they_were_meant(void) {
    SAME(weir_json_string(json("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")), "\"\\/\b\f\n\r\t");
    SAME(weir_json_string(json("\"\\u0041\\u00e9\\u20AC\\uD83C\\udf0d\\uffff\"")), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d\xef\xbf\xbf");
    SAME(weir_json_string(json("\"gr\xc3\xbc\xc3\x9f\"")), "gr\xc3\xbc\xc3\x9f");
    CHECK(!weir_json_string(json("1")));
    SAME(weir_json_string_or(json("null"), "none"), "none");
    // A zero byte would cut the text short, and what is cut may compare equal to what it is not.
    size_t size = 0;
    struct weir_json zero = json("\"ab\\u0000c\"");
    CHECK(!weir_json_string(zero));
    CHECK(memcmp(weir_json_bytes(zero, &size), "ab\0c", 5) == 0 && size == 4);
    CHECK(!weir_json_at(json("{\"ab\\u0000c\":1}"), "/ab").at);
}

static void numbers_are_read_or_left(void) {
    int64_t integer = 7;
    CHECK(weir_json_integer(json("-42"), &integer) && integer == -42);
    CHECK(weir_json_integer(json("[9223372036854775807]"), &integer) == false);
    CHECK(weir_json_integer(weir_json_at(json("[9223372036854775807]"), "/0"), &integer) && integer == INT64_MAX);
    CHECK(weir_json_integer(json("-9223372036854775808"), &integer) && integer == INT64_MIN);
    integer = 7;
    static const char *const none[] = {"9223372036854775808", "1.0", "1e3", "1E3", "\"1\"", "null", "true"};
    for (size_t n = 0; n < sizeof none / sizeof *none; n++) {
        CHECK(!weir_json_integer(json(none[n]), &integer) && integer == 7);
    }
    double number = 0;
    CHECK(weir_json_number(json("-1.5e2"), &number) && number == -150);
    CHECK(!weir_json_number(json("\"1\""), &number));
    bool boolean = false;
    CHECK(weir_json_bool(json("true"), &boolean) && boolean);
    CHECK(weir_json_bool(json("false"), &boolean) && !boolean);
    CHECK(!weir_json_bool(json("0"), &boolean));
}

static void walks_visit_everything_once_and_in_order(void) {
    struct weir_json_walk walk = weir_json_walk(json("{ \"a\" : [1,2] , \"b\\n\":{}, \"\":\"]}\" }"));
    const char *seen = "";
    while (weir_json_next(&walk)) {
        seen = weir_format("%s%s=%s;", seen, walk.name, weir_json_text(walk.value));
    }
    SAME(seen, "a=[1,2];b\n={};=\"]}\";");
    CHECK(!weir_json_next(&walk));
    walk = weir_json_walk(json("[[],\"\\\"]\",[[3]],-4 ]"));
    seen = "";
    while (weir_json_next(&walk)) {
        CHECK(!walk.name);
        seen = weir_format("%s%s;", seen, weir_json_text(walk.value));
    }
    SAME(seen, "[];\"\\\"]\";[[3]];-4;");
    CHECK(weir_json_count(json("[[],\"\\\"]\",[[3]],-4 ]")) == 4 && weir_json_count(json("{}")) == 0 && weir_json_count(json("7")) == 0);
    walk = weir_json_walk(json("\"text\""));
    CHECK(!weir_json_next(&walk));
}

static void what_is_written_can_be_read_again(void) {
    char all[0x80] = {0};
    for (int byte = 1; byte < 0x80; byte++) {
        all[byte - 1] = (char)byte;
    }
    SAME(weir_json_string(json(weir_quote(all))), all);
    SAME(weir_quote("a\"b\\c\n\x01\xc3\xbc"), "\"a\\\"b\\\\c\\n\\u0001\xc3\xbc\"");
    SAME(weir_quote(NULL), "null");
    // What is no UTF-8 is mended byte by byte, so that nothing that is good is lost.
    SAME(weir_quote("a\xff\xc3\xbc\xe2\x82"), "\"a\xef\xbf\xbd\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void each_action_says_what_was_meant(void) {
    struct weir_key pod = {"v1", "Pod", "default", "p"}, node = {"v1", "Node", NULL, "n"};
    struct weir_actions actions = {0};
    weir_annotate(&actions, "a", "1");
    weir_remove_annotation(&actions, "b");
    weir_annotate_all(&actions, WEIR_FIELDS({"a", "1"}, {"b", NULL}));
    weir_label(&actions, "a", "1");
    weir_remove_label(&actions, "b");
    weir_label_all(&actions, NULL);
    weir_set_status(&actions, "{}");
    weir_patch(&actions, (struct weir_patch){.target = &pod, .uid = "u", .subresource = "status", .body = "[]"});
    weir_apply(&actions, (struct weir_apply){.manifest = "m", .manager = "n", .force = true});
    weir_create(&actions, "c");
    weir_delete(&actions, (struct weir_delete){.target = &node, .grace_period_seconds = &(uint32_t){0}, .propagation = WEIR_PROPAGATION_FOREGROUND});
    weir_delete(&actions, (struct weir_delete){0});
    weir_emit(&actions, (struct weir_note){.severity = WEIR_WARNING, .reason = "R"});
    weir_log_later(&actions, WEIR_WARN, "later", WEIR_FIELDS({"who", "me"}));
    weir_http(&actions, (struct weir_http){.method = "GET", .url = "https://a", .headers = WEIR_FIELDS({"x", "y"}), .idempotency_key = "k"});
    weir_requeue_after_ms(&actions, 5);
    weir_fail(&actions, weir_retry_later(7, "in %d", 7));
    weir_extension(&actions, "e", "{}");
    SAME(weir_actions_json(&actions),
         "[{\"annotate\":[[\"a\",\"1\"]]},{\"annotate\":[[\"b\",null]]},{\"annotate\":[[\"a\",\"1\"],[\"b\",null]]},"
         "{\"label\":[[\"a\",\"1\"]]},{\"label\":[[\"b\",null]]},{\"label\":[]},{\"set-status\":\"{}\"},"
         "{\"patch\":{\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"p\"},\"uid\":\"u\","
         "\"subresource\":\"status\",\"format\":\"json-patch\",\"body\":\"[]\"}},"
         "{\"apply\":{\"manifest\":\"m\",\"subresource\":null,\"manager\":\"n\",\"force\":true}},{\"create\":\"c\"},"
         "{\"delete\":{\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n\"},\"uid\":null,\"gracePeriodSeconds\":0,"
         "\"propagation\":\"foreground\"}},{\"delete\":{\"target\":null,\"uid\":null,\"gracePeriodSeconds\":null,\"propagation\":null}},"
         "{\"emit\":{\"regarding\":null,\"severity\":\"warning\",\"reason\":\"R\",\"message\":\"\"}},"
         "{\"log\":{\"level\":\"warn\",\"message\":\"later\",\"fields\":[[\"who\",\"me\"]]}},"
         "{\"http\":{\"method\":\"GET\",\"url\":\"https://a\",\"headers\":[[\"x\",\"y\"]],\"body\":\"\",\"idempotencyKey\":\"k\"}},"
         "{\"requeue-after\":5},{\"fail\":{\"retry-later\":{\"after_ms\":7,\"reason\":\"in 7\"}}},{\"extension\":[\"e\",\"{}\"]}]");
    json(weir_actions_json(&actions));
    SAME(weir_actions_json(&(struct weir_actions){0}), "[]");
}

static void what_is_handed_in_is_copied(void) {
    char buffer[] = "first";
    struct weir_actions actions = {0};
    weir_annotate(&actions, buffer, buffer);
    weir_emit(&actions, (struct weir_note){.reason = buffer, .message = buffer});
    memcpy(buffer, "other", 5);
    SAME(weir_actions_json(&actions),
         "[{\"annotate\":[[\"first\",\"first\"]]},{\"emit\":{\"regarding\":null,\"severity\":\"normal\",\"reason\":\"first\",\"message\":\"first\"}}]");
}

/// What weir_handle does, in the tests that call it.
static void (*answer)(struct weir_actions *);

const struct weir_failure *weir_handle(const struct weir_event *event, struct weir_actions *actions) {
    answer(actions);
    return event->attempt == 1 ? NULL : weir_retry("its own");
}

static void without_value(struct weir_actions *actions) {
    weir_requeue_after_ms(actions, 1);
    weir_annotate(actions, "a", NULL);
    weir_create(actions, NULL);
}
static void without_field(struct weir_actions *actions) { weir_log_later(actions, WEIR_INFO, "m", WEIR_FIELDS({"a", NULL})); }
static void without_name(struct weir_actions *actions) { weir_delete(actions, (struct weir_delete){.target = &(struct weir_key){"v1", "Pod", NULL, NULL}}); }
static void without_failure(struct weir_actions *actions) { weir_fail(actions, NULL); }
static void without_format(struct weir_actions *actions) { weir_patch(actions, (struct weir_patch){.format = (enum weir_patch_format)3, .body = "{}"}); }
static void without_slash(struct weir_actions *actions) {
    CHECK(!weir_json_at(json("{\"a\":1}"), "a").at);
    weir_create(actions, NULL);
}
static void sound(struct weir_actions *actions) { weir_annotate_all(actions, WEIR_FIELDS({"a", NULL})); }

static void a_mistake_in_the_source_is_a_permanent_failure_that_says_what(void) {
    static const struct {
        void (*answer)(struct weir_actions *);
        const char *words;
    } cases[] = {
        {without_value, "action 2 of the handler's answer is none: the value of a is NULL"},
        {without_field, "action 1 of the handler's answer is none: the value of a is NULL"},
        {without_name, "action 1 of the handler's answer is none: the name of a key is NULL"},
        {without_failure, "action 1 of the handler's answer is none: the failure to end with is NULL"},
        {without_slash, "\"a\" is not a JSON pointer: it has to begin with a slash"},
        {without_format, "action 1 of the handler's answer is none: there is no format of a patch 3"},
    };
    struct weir_event event = {.attempt = 1};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct weir_actions actions = {0};
        answer = cases[n].answer;
        const struct weir_failure *failure = weir_call(&event, &actions);
        CHECK(failure && failure->kind == WEIR_PERMANENT);
        SAME(failure ? failure->text : "", cases[n].words);
    }
    answer = sound;
    CHECK(!weir_call(&event, &(struct weir_actions){0}));
    event.attempt = 2;
    answer = without_failure;
    SAME(weir_call(&event, &(struct weir_actions){0})->text, "its own");
}

static void failures_say_when_to_try_again(void) {
    CHECK(weir_retry("a")->kind == WEIR_RETRY && weir_permanent("a")->kind == WEIR_PERMANENT);
    const struct weir_failure *later = weir_retry_later(60000, "%s of %d", "one", 2);
    CHECK(later->kind == WEIR_RETRY_LATER && later->after_ms == 60000 && later->read_error == WEIR_READ_NO_ERROR);
    SAME(later->text, "one of 2");
}

static struct weir_page pages(const struct weir_query *query) {
    // Five items, the limit's a page; the token is where to go on.
    static const char *const tokens[] = {"0", "1", "2", "3", "4"};
    size_t from = query->continue_token ? (size_t)atoi(query->continue_token) : 0, count = query->limit;
    struct weir_json *items = weir_alloc(count * sizeof *items);
    size_t n = 0;
    for (; n < count && from + n < 5; n++) {
        items[n] = json(weir_format("{\"n\":%zu}", from + n));
    }
    return (struct weir_page){items, n, from + n < 5 ? tokens[from + n] : NULL};
}

static const char *found(const struct weir_key *key) { return strcmp(key->name, "p") == 0 ? "{\"here\":true}" : NULL; }

static const char *under(const char *pointer) { return strcmp(pointer, "/spec") == 0 ? "{}" : NULL; }

static void questions_are_answered_and_refusals_are_failures(void) {
    weir_test_host = (struct weir_test_host){
        .settings = "{\"percent\":90}",
        .now_ms = 1767323045000,
        .features = (const char *const[]){"http", NULL},
        .subject = under,
        .get = found,
        .list_page = pages,
    };
    int64_t percent = 0;
    CHECK(weir_json_integer(weir_json_at(weir_settings(), "/percent"), &percent) && percent == 90);
    SAME(weir_timestamp(weir_now_ms()), "2026-01-02T03:04:05Z");
    CHECK(weir_has_feature("http") && !weir_has_feature("https"));
    struct weir_json value, many[2];
    CHECK(!weir_subject("/spec", &value) && value.at);
    CHECK(!weir_subject_many((const char *const[]){"/nothing", "/spec"}, 2, many) && !many[0].at && many[1].at);
    CHECK(!weir_get(&(struct weir_key){"v1", "Pod", "default", "p"}, &value) && value.at);
    CHECK(!weir_get(&(struct weir_key){"v1", "Pod", "default", "q"}, &value) && !value.at);
    struct weir_list list = {.query = {.api_version = "v1", .kind = "Pod", .limit = 2}};
    const char *seen = "";
    while (weir_list_next(&list)) {
        seen = weir_format("%s%s", seen, weir_json_text(weir_json_at(list.item, "/n")));
    }
    SAME(seen, "01234");
    CHECK(!list.failure && !weir_list_next(&list));

    weir_test_host.refuse = WEIR_READ_DENIED;
    weir_test_host.refusal = "grant it";
    const struct weir_failure *denied = weir_get(&(struct weir_key){"v1", "Pod", "default", "p"}, &value);
    CHECK(denied && denied->kind == WEIR_PERMANENT && denied->read_error == WEIR_READ_DENIED);
    SAME(denied->text, "grant it");
    weir_test_host.refuse = WEIR_READ_UNAVAILABLE;
    list = (struct weir_list){.query = {.api_version = "v1", .kind = "Pod", .limit = 2}};
    CHECK(!weir_list_next(&list) && list.failure && list.failure->kind == WEIR_RETRY);
    weir_test_host = (struct weir_test_host){0};
    CHECK(weir_json_kind(weir_settings()) == WEIR_JSON_OBJECT && !weir_has_feature("http"));
}

static void timestamps_are_those_of_the_calendar(void) {
    static const struct {
        double ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {951782400000, "2000-02-29T00:00:00Z"},
        {951868799999, "2000-02-29T23:59:59Z"},
        {4107542400000, "2100-03-01T00:00:00Z"},
        {253402300799000, "9999-12-31T23:59:59Z"},
        {1e300, "9999-12-31T23:59:59Z"},
        {-5, "1970-01-01T00:00:00Z"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        SAME(weir_timestamp(cases[n].ms), cases[n].text);
    }
    for (double day = 0; day < 60000; day++) {
        double ms = day * 86400000 + 1000 * fmod(day * 7919, 86400), read = -1;
        CHECK(weir_timestamp_read(weir_timestamp(ms), &read) && read == ms);
    }
    static const char *const none[] = {
        "", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02t03:04:05Z", "2026-02-30T03:04:05Z", "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "1969-01-02T03:04:05Z", "2026-01-02T03:04:05Z ",
        "2026-01-0aT03:04:05Z", "+026-01-02T03:04:05Z", "2026-01-02T03:04:5.0",
    };
    for (size_t n = 0; n < sizeof none / sizeof *none; n++) {
        double read = 7;
        CHECK(!weir_timestamp_read(none[n], &read) && read == 7);
    }
    CHECK(!weir_timestamp_read(NULL, &(double){0}));
}

static void log_lines_name_what_they_are_about(void) {
    weir_test_end();
    weir_log(WEIR_INFO, "images changed", WEIR_FIELDS({"node", "a"}, {"images", "2"}));
    weir_log(WEIR_WARN, "bare", NULL);
    SAME(weir_test_log(), "info images changed node=a images=2\nwarn bare\n");
    weir_test_end();
    SAME(weir_test_log(), "");
}

static void the_arena_takes_any_size_and_is_emptied(void) {
    for (int call = 0; call < 3; call++) {
        for (size_t size = 0; size < 300000; size = size * 2 + 1) {
            char *memory = weir_alloc(size);
            CHECK((uintptr_t)memory % _Alignof(max_align_t) == 0);
            for (size_t n = 0; n < size; n++) {
                CHECK(memory[n] == 0);
            }
            memset(memory, 0xff, size);
        }
        CHECK(weir_arena_take(3, 1) && (uintptr_t)weir_arena_take(8, 8) % 8 == 0);
        CHECK(!weir_arena_take(SIZE_MAX, 1) && !weir_arena_take(SIZE_MAX - 8, 1));
        weir_test_end();
    }
}

static void an_event_is_made_of_its_object(void) {
    struct weir_event event = weir_test_event(
        WEIR_ADDED, "pods",
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"7\"}}");
    SAME(weir_format("%s %s %s %s %s %s %s %s %u", weir_change_name(event.change), event.watch, event.key.api_version, event.key.kind,
                     event.key.namespace, event.key.name, event.uid, event.resource_version, (unsigned)event.attempt),
         "added pods v1 Pod n p u 7 1");
    CHECK(!event.previous.at && !event.extra[0].name);
    SAME(weir_change_name(WEIR_REQUEUED), "requeued");
    SAME(weir_change_name((enum weir_change)9), "unknown");
}

int main(void) {
    static void (*const tests[])(void) = {
        what_is_json_is_read_and_what_is_not_is_refused_with_its_place,
        depth_is_bounded_and_a_thousand_levels_are_read,
        pointers_find_values_and_miss_softly,
        strings_are_decoded_as_they_were_meant,
        numbers_are_read_or_left,
        walks_visit_everything_once_and_in_order,
        what_is_written_can_be_read_again,
        each_action_says_what_was_meant,
        what_is_handed_in_is_copied,
        a_mistake_in_the_source_is_a_permanent_failure_that_says_what,
        failures_say_when_to_try_again,
        questions_are_answered_and_refusals_are_failures,
        timestamps_are_those_of_the_calendar,
        log_lines_name_what_they_are_about,
        the_arena_takes_any_size_and_is_emptied,
        an_event_is_made_of_its_object,
    };
    for (size_t n = 0; n < sizeof tests / sizeof *tests; n++) {
        tests[n]();
        weir_test_end();
    }
    printf("%zu tests, %d failures\n", sizeof tests / sizeof *tests, failures);
    return failures ? 1 : 0;
}
