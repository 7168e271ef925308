/// Reading a Node.

#include "node.h"

#include <string.h>

/// A number times a factor of some digits behind the point never needs more.
__extension__ typedef unsigned __int128 wide;

/// Reads digits up to what is none, at most so many; false if there are none, or more than fit.
static bool digits(const char **at, size_t most, uint64_t *into) {
    const char *from = *at;
    *into = 0;
    for (; **at >= '0' && **at <= '9' && (size_t)(*at - from) < most; ++*at) {
        wide more = (wide)*into * 10 + (wide)(**at - '0');
        if (more > UINT64_MAX) {
            return false;
        }
        *into = (uint64_t)more;
    }
    return *at > from;
}

uint64_t node_bytes(const char *quantity) {
    static const char units[] = "kMGTPE", binary[] = "KMGTPE";
    uint64_t whole, fraction = 0, one = 1;
    if (!digits(&quantity, SIZE_MAX, &whole)) {
        return 0;
    }
    if (*quantity == '.') {
        const char *from = ++quantity;
        // Fifteen digits keep the product within 128 bits; what they cut off is less than a byte of any disk.
        digits(&quantity, 15, &fraction);
        for (; from < quantity; from++) {
            one *= 10;
        }
        quantity += strspn(quantity, "0123456789");
    }
    bool two = *quantity && quantity[1] == 'i';
    const char *unit = *quantity ? strchr(two ? binary : units, *quantity) : NULL;
    if (*quantity && (!unit || quantity[two ? 2 : 1])) {
        return 0;
    }
    wide factor = 1;
    for (const char *at = two ? binary : units; unit && at <= unit; at++) {
        factor *= two ? 1024 : 1000;
    }
    wide bytes = whole * factor + fraction * factor / one;
    return bytes > UINT64_MAX ? 0 : (uint64_t)bytes;
}

/// The names of an image come as digests and tags.
static struct image image_read(struct weir_json names) {
    struct image image = {NULL, NULL};
    const char *first = NULL;
    struct weir_json_walk walk = weir_json_walk(names);
    while (weir_json_next(&walk)) {
        const char *name = weir_json_string_or(walk.value, "");
        bool digest = strchr(name, '@') != NULL;
        first = first ? first : name;
        image.identity = image.identity || !digest ? image.identity : name;
        image.title = image.title || digest ? image.title : name;
    }
    image.identity = image.identity ? image.identity : first ? first : "";
    image.title = image.title ? image.title : image.identity;
    return image;
}

const struct weir_failure *node_read(struct weir_json object, struct node *into) {
    struct weir_json images = weir_json_at(object, "/status/images");
    const char *disk = weir_json_string(weir_json_at(object, "/status/capacity/ephemeral-storage"));
    struct weir_json annotations = weir_json_at(object, "/metadata/annotations");
    *into = (struct node){
        .images = weir_alloc(weir_json_count(images) * sizeof *into->images),
        .disk_bytes = disk ? node_bytes(disk) : 0,
        .recorded_count = weir_json_string(weir_json_member(annotations, ANNOTATION_COUNT)),
        .recorded_total = weir_json_string(weir_json_member(annotations, ANNOTATION_TOTAL_BYTES)),
        .recorded_percent = weir_json_string(weir_json_member(annotations, ANNOTATION_PERCENT)),
        .changed_at = weir_json_string(weir_json_member(annotations, ANNOTATION_CHANGED_AT)),
        .warned_at = weir_json_string(weir_json_member(annotations, ANNOTATION_WARNED_AT)),
    };
    struct weir_json_walk walk = weir_json_walk(images);
    while (weir_json_next(&walk)) {
        struct image image = image_read(weir_json_member(walk.value, "names"));
        struct weir_json size = weir_json_member(walk.value, "sizeBytes");
        int64_t bytes = 0;
        if (size.at && (!weir_json_integer(size, &bytes) || bytes < 0)) {
            return weir_permanent("the image %s has a size that is none: %s", image.title, weir_json_text(size));
        }
        into->images[into->count++] = image;
        uint64_t sum = into->total_bytes + (uint64_t)bytes;
        into->total_bytes = sum < into->total_bytes ? UINT64_MAX : sum;
    }
    return NULL;
}
