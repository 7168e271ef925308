/// The part of a Node that the handler looks at, and what it decides about it.

#ifndef NODE_H
#define NODE_H

#include "weir.h"

/// One image.
struct image {
    /// What makes it this image: its digest, or the first name where the runtime reports none.
    const char *identity;
    /// What a person calls it: its first tag, else its identity.
    const char *title;
};

/// A Node, cut down to its images, its disk and the handler's annotations.
struct node {
    struct image *images;
    size_t count;
    /// Of all images together; what does not fit is cut to what does.
    uint64_t total_bytes;
    /// The size of the disk; 0 if the node reports none that can be read.
    uint64_t disk_bytes;
    /// What the annotations say; NULL where there is none.
    const char *recorded_count, *recorded_total, *recorded_percent, *changed_at, *warned_at;
};

/// Reads what kubelets write: unknown fields are skipped, absent ones are empty.
const struct weir_failure *node_read(struct weir_json object, struct node *into);

/// Bytes of a Kubernetes quantity (`65786297344`, `61255492Ki`, `1.5Gi`, `20G`), rounded down; 0 if it cannot be read. Units below one and
/// exponents, which no kubelet writes for a disk, are not read.
uint64_t node_bytes(const char *quantity);

#define ANNOTATION_COUNT "images.weir.dev/count"
#define ANNOTATION_TOTAL_BYTES "images.weir.dev/total-bytes"
/// The share of the disk that the images fill; absent where the node reports no disk.
#define ANNOTATION_PERCENT "images.weir.dev/percent"
#define ANNOTATION_CHANGED_AT "images.weir.dev/changed-at"
/// When the last warning was given; absent while there is nothing to warn of.
#define ANNOTATION_WARNED_AT "images.weir.dev/warned-at"

/// What the operator may set.
struct settings {
    /// Warn when the images fill more than this share of the disk.
    unsigned percent;
    /// Warn again after so many minutes of the same.
    unsigned remind_minutes;
};

/// The images that came and went.
struct difference {
    /// Whether they did; which ones may not be known.
    bool changed;
    const char **added, **removed;
    size_t added_count, removed_count;
};

/// Decides what to do about a node, from what it reports, what it reported when last handled (NULL if that is not known) and what its
/// annotations record. The same node looked at again gives no action; Events come before the annotations that record them, so a crash
/// between them repeats an Event rather than losing one.
struct difference decide(const struct node *node, const struct node *before, struct settings settings, double now_ms,
                         struct weir_actions *actions);

/// Names with commas between them, at most so many.
const char *listed(const char *const *names, size_t count, size_t most);

#endif
