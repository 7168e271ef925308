/// Tests of this handler on any machine, without weir: README.md says how.

#include "node.h"
#include "weir_test.h"

#include <stdio.h>
#include <string.h>

static int failures;

#define CHECK(condition) ((condition) ? (void)0 : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition)))

#define NOW 1700000000000
#define NOW_TEXT "2023-11-14T22:13:20Z"

/// A node with a disk of 1000 bytes, these annotations and these images.
static const char *node(const char *annotations, const char *images) {
    return weir_format("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"annotations\":%s},"
                       "\"status\":{\"capacity\":{\"ephemeral-storage\":\"1000\"},\"images\":%s}}",
                       annotations, images);
}

#define IMAGE(tag, size) "{\"names\":[\"" tag "@sha256:" tag "\",\"" tag "\"],\"sizeBytes\":" size "}"
#define RECORD(count, total, percent)                                                                                                     \
    "{\"images.weir.dev/count\":\"" count "\",\"images.weir.dev/total-bytes\":\"" total "\",\"images.weir.dev/percent\":\"" percent "\",\"images.weir.dev/changed-at\":\"2020-01-01T00:00:00Z\"}"

/// What the handler answers, as JSON; `previous` may be NULL.
static const char *answer(enum weir_change change, const char *object, const char *previous) {
    weir_test_host.now_ms = NOW;
    struct weir_event event = weir_test_event(change, "nodes", object);
    if (previous) {
        CHECK(!weir_json_read(previous, &event.previous));
    }
    struct weir_actions actions = {0};
    const struct weir_failure *failure = weir_handle(&event, &actions);
    return failure ? failure->text : weir_actions_json(&actions);
}

static void expect(const char *given, const char *wanted, int line) {
    if (strcmp(given, wanted) != 0) {
        failures++;
        fprintf(stderr, "%s:%d: %s\n  is not %s\n", __FILE__, line, given, wanted);
    }
}

static void a_node_seen_for_the_first_time_is_recorded_and_told_of(void) {
    expect(answer(WEIR_INITIAL, node("null", "[" IMAGE("a", "100") "," IMAGE("b", "50") "]"), NULL),
           "[{\"emit\":{\"regarding\":null,\"severity\":\"normal\",\"reason\":\"ImagesChanged\",\"message\":\"2 images, 150 bytes; added a, b\"}},"
           "{\"annotate\":[[\"images.weir.dev/count\",\"2\"]]},{\"annotate\":[[\"images.weir.dev/total-bytes\",\"150\"]]},"
           "{\"annotate\":[[\"images.weir.dev/percent\",\"15\"]]},"
           "{\"annotate\":[[\"images.weir.dev/changed-at\",\"" NOW_TEXT "\"]]}]",
           __LINE__);
    expect(weir_test_log(), "info images changed node=a added=a, b removed= images=2\n", __LINE__);
}

static void looking_again_at_the_same_node_does_nothing(void) {
    const char *same = node(RECORD("1", "100", "10"), "[" IMAGE("a", "100") "]");
    expect(answer(WEIR_RESYNC, same, same), "[]", __LINE__);
    expect(answer(WEIR_RESYNC, same, NULL), "[]", __LINE__);
    expect(weir_test_log(), "", __LINE__);
}

static void a_disk_that_fills_is_warned_of_before_it_is_recorded(void) {
    const char *full = node(RECORD("1", "801", "80"), "[" IMAGE("a", "801") "]");
    expect(answer(WEIR_RESYNC, full, full),
           "[{\"emit\":{\"regarding\":null,\"severity\":\"warning\",\"reason\":\"ImagesFillDisk\","
           "\"message\":\"1 images fill 80 % of 1000 bytes (warning above 80 %): 801 bytes\"}},"
           "{\"annotate\":[[\"images.weir.dev/warned-at\",\"" NOW_TEXT "\"]]}]",
           __LINE__);
}

static void a_node_that_is_gone_is_logged(void) {
    expect(answer(WEIR_DELETED, node("{}", "[" IMAGE("a", "100") "]"), NULL), "[]", __LINE__);
    expect(weir_test_log(), "info node is gone node=a images=1 total_bytes=100 last_state_certain=true\n", __LINE__);
}

static void a_size_that_is_none_is_said(void) {
    expect(answer(WEIR_ADDED, node("{}", "[" IMAGE("a", "-1") "]"), NULL), "the image a has a size that is none: -1", __LINE__);
}

static void quantities_are_read_as_kubelets_write_them(void) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"65786297344", 65786297344}, {"61255492Ki", (uint64_t)61255492 << 10}, {"20Gi", (uint64_t)20 << 30}, {"1.5Gi", (uint64_t)3 << 29},
        {"0.1k", 100}, {"20G", 20000000000}, {"16Ei", 0}, {"", 0}, {"Gi", 0}, {"-1", 0}, {"1e3", 0}, {"1.2.3", 0}, {"1K", 0}, {"1ki", 0},
        {"1Gib", 0}, {"18446744073709551616", 0}, {"1.99999999999999999999k", 1999}, {"1.", 1},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        if (node_bytes(cases[n].text) != cases[n].bytes) {
            failures++;
            fprintf(stderr, "%s: %llu\n", cases[n].text, (unsigned long long)node_bytes(cases[n].text));
        }
    }
}

int main(void) {
    static void (*const tests[])(void) = {
        a_node_seen_for_the_first_time_is_recorded_and_told_of,
        looking_again_at_the_same_node_does_nothing,
        a_disk_that_fills_is_warned_of_before_it_is_recorded,
        a_node_that_is_gone_is_logged,
        a_size_that_is_none_is_said,
        quantities_are_read_as_kubelets_write_them,
    };
    for (size_t n = 0; n < sizeof tests / sizeof *tests; n++) {
        tests[n]();
        weir_test_end();
    }
    printf("%zu tests, %d failures\n", sizeof tests / sizeof *tests, failures);
    return failures ? 1 : 0;
}
