/// What to do about a node.

#include "node.h"

#include <stdlib.h>
#include <string.h>

/// The most names that an Event's message lists of each kind; the log has all.
#define NAMED 3

/// A size times a percentage.
__extension__ typedef unsigned __int128 wide;

static bool same(const char *one, const char *other) { return one && other && strcmp(one, other) == 0; }

static int by_name(const void *one, const void *other) { return strcmp(*(const char *const *)one, *(const char *const *)other); }

/// The identities of all images, sorted.
static const char **identities(const struct node *node) {
    const char **sorted = weir_alloc(node->count * sizeof *sorted);
    for (size_t n = 0; n < node->count; n++) {
        sorted[n] = node->images[n].identity;
    }
    qsort(sorted, node->count, sizeof *sorted, by_name);
    return sorted;
}

/// The titles of those images of a node that the other has not.
static const char **missing(const struct node *node, const struct node *other, size_t *count) {
    const char **known = identities(other), **titles = weir_alloc(node->count * sizeof *titles);
    *count = 0;
    for (size_t n = 0; n < node->count; n++) {
        if (!bsearch(&node->images[n].identity, known, other->count, sizeof *known, by_name)) {
            titles[(*count)++] = node->images[n].title;
        }
    }
    return titles;
}

/// What came and went since the state acknowledged last. Without one (first sight, or a host that lost its memory) the record decides
/// whether anything did: a node never recorded counts as all new, one whose record fits as unchanged.
static struct difference compare(const struct node *node, const struct node *before, const char *count, const char *total) {
    static const struct node nothing;
    if (!before && node->changed_at) {
        // If something changed while nobody looked, what it was is not known.
        return (struct difference){.changed = !same(node->recorded_count, count) || !same(node->recorded_total, total)};
    }
    before = before ? before : &nothing;
    struct difference change = {0};
    change.added = missing(node, before, &change.added_count);
    change.removed = missing(before, node, &change.removed_count);
    change.changed = change.added_count > 0 || change.removed_count > 0;
    return change;
}

const char *listed(const char *const *names, size_t count, size_t most) {
    // Measured first, so that the list is written once however long it is.
    size_t length = 1;
    for (size_t n = 0; n < count && n < most; n++) {
        length += strlen(names[n]) + 2;
    }
    char *list = weir_alloc(length), *end = list;
    for (size_t n = 0; n < count && n < most; n++) {
        size_t part = strlen(names[n]);
        if (n > 0) {
            memcpy(end, ", ", 2);
            end += 2;
        }
        memcpy(end, names[n], part);
        end += part;
    }
    *end = '\0';
    return list;
}

/// `; added nginx:1.27, redis:8`, or `; removed 5: a, b, c, …`, or nothing.
static const char *summary(const char *what, const char *const *names, size_t count) {
    const char *list = listed(names, count, NAMED);
    return count == 0       ? ""
           : count <= NAMED ? weir_format("; %s %s", what, list)
                            : weir_format("; %s %zu: %s, …", what, count, list);
}

/// Bytes for people: `1.4 GiB`.
static const char *size(uint64_t bytes) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    int unit = 0;
    while (unit < 6 && bytes >> (10 * (unit + 1))) {
        unit++;
    }
    return unit == 0 ? weir_format("%u bytes", (unsigned)bytes)
                     : weir_format("%.1f %s", (double)bytes / (double)((uint64_t)1 << (10 * unit)), units[unit]);
}

/// Whether the last warning is so young that it need not be repeated.
static bool warned_lately(const struct node *node, unsigned minutes, double now_ms) {
    double at;
    return weir_timestamp_read(node->warned_at, &at) && now_ms - at < 60000.0 * minutes;
}

struct difference decide(const struct node *node, const struct node *before, struct settings settings, double now_ms,
                         struct weir_actions *actions) {
    const char *count = weir_format("%zu", node->count), *total = weir_format("%llu", (unsigned long long)node->total_bytes);
    struct difference change = compare(node, before, count, total);
    if (change.changed) {
        weir_emit(actions, (struct weir_note){
                               .reason = "ImagesChanged",
                               .message = weir_format("%s images, %s%s%s", count, size(node->total_bytes),
                                                      summary("added", change.added, change.added_count),
                                                      summary("removed", change.removed, change.removed_count)),
                           });
    }

    uint64_t share = node->disk_bytes ? (uint64_t)((wide)node->total_bytes * 100 / node->disk_bytes) : 0;
    const char *percent = node->disk_bytes ? weir_format("%llu", (unsigned long long)share) : NULL;
    bool full = node->disk_bytes && (wide)node->total_bytes * 100 > (wide)node->disk_bytes * settings.percent;
    bool warn = full && (change.changed || !warned_lately(node, settings.remind_minutes, now_ms));
    if (warn) {
        weir_emit(actions, (struct weir_note){
                               .severity = WEIR_WARNING,
                               .reason = "ImagesFillDisk",
                               .message = weir_format("%s images fill %llu %% of %s (warning above %u %%): %s", count,
                                                      (unsigned long long)share, size(node->disk_bytes), settings.percent,
                                                      size(node->total_bytes)),
                           });
    }

    if (!same(node->recorded_count, count)) {
        weir_annotate(actions, ANNOTATION_COUNT, count);
    }
    if (!same(node->recorded_total, total)) {
        weir_annotate(actions, ANNOTATION_TOTAL_BYTES, total);
    }
    if (percent && !same(node->recorded_percent, percent)) {
        weir_annotate(actions, ANNOTATION_PERCENT, percent);
    } else if (!percent && node->recorded_percent) {
        weir_remove_annotation(actions, ANNOTATION_PERCENT);
    }
    if (change.changed || !node->changed_at) {
        weir_annotate(actions, ANNOTATION_CHANGED_AT, weir_timestamp(now_ms));
    }
    if (warn) {
        weir_annotate(actions, ANNOTATION_WARNED_AT, weir_timestamp(now_ms));
    } else if (!full && node->warned_at) {
        weir_remove_annotation(actions, ANNOTATION_WARNED_AT);
    }
    return change;
}
