/// What a handler may ask. A question that fails is a failure to return: one that is wrong or not allowed stays so, and what is not
/// there yet may come.

#include "internal.h"

#include <string.h>

void weir_log(enum weir_level level, const char *message, const struct weir_field *fields) {
    weir_host_log(level, message ? message : "", fields);
}

/// What the host wrote is JSON; where it is not, trying again does not help.
static struct weir_json must_read(const char *what, const char *text) {
    struct weir_json value;
    const struct weir_failure *failure = weir_json_read(text, &value);
    if (failure) {
        weir_panic("%s: %s", what, failure->text);
    }
    return value;
}

struct weir_json weir_settings(void) { return must_read("the settings", weir_host_settings()); }

double weir_now_ms(void) { return weir_host_now_ms(); }

bool weir_has_feature(const char *name) {
    size_t count = 0;
    const char *const *features = weir_host_features(&count);
    for (size_t n = 0; n < count; n++) {
        if (strcmp(features[n], name) == 0) {
            return true;
        }
    }
    return false;
}

static const struct weir_failure *refused(enum weir_read_error error, const char *text) {
    struct weir_failure *failure = weir_alloc(sizeof *failure);
    *failure = (struct weir_failure){
        .kind = error == WEIR_READ_UNAVAILABLE ? WEIR_RETRY : WEIR_PERMANENT,
        .text = text ? text : "",
        .read_error = error,
    };
    return failure;
}

/// An answer that may be nothing.
static const struct weir_failure *read(const char *text, struct weir_json *into) {
    *into = (struct weir_json){0};
    return text ? weir_json_read(text, into) : NULL;
}

const struct weir_failure *weir_subject_many(const char *const *pointers, size_t count, struct weir_json *into) {
    const char **texts = weir_alloc(count * sizeof *texts), *words = NULL;
    enum weir_read_error error = weir_host_subject(pointers, count, texts, &words);
    if (error) {
        return refused(error, words);
    }
    for (size_t n = 0; n < count; n++) {
        const struct weir_failure *failure = read(texts[n], &into[n]);
        if (failure) {
            return failure;
        }
    }
    return NULL;
}

const struct weir_failure *weir_subject(const char *pointer, struct weir_json *into) { return weir_subject_many(&pointer, 1, into); }

const struct weir_failure *weir_get(const struct weir_key *key, struct weir_json *into) {
    const char *text = NULL, *words = NULL;
    enum weir_read_error error = weir_host_get(key, &text, &words);
    return error ? refused(error, words) : read(text, into);
}

const struct weir_failure *weir_list_page(const struct weir_query *query, struct weir_page *into) {
    const char *const *texts = NULL;
    const char *token = NULL, *words = NULL;
    size_t count = 0;
    enum weir_read_error error = weir_host_list_page(query, &texts, &count, &token, &words);
    if (error) {
        return refused(error, words);
    }
    struct weir_json *items = weir_alloc(count * sizeof *items);
    for (size_t n = 0; n < count; n++) {
        const struct weir_failure *failure = weir_json_read(texts[n], &items[n]);
        if (failure) {
            return failure;
        }
    }
    *into = (struct weir_page){.items = items, .count = count, .continue_token = token};
    return NULL;
}

bool weir_list_next(struct weir_list *list) {
    while (!list->failure) {
        if (list->at < list->page.count) {
            list->item = list->page.items[list->at++];
            return true;
        }
        if (list->begun && !list->page.continue_token) {
            return false;
        }
        if (list->begun) {
            list->query.continue_token = list->page.continue_token;
        }
        list->begun = true;
        list->at = 0;
        list->failure = weir_list_page(&list->query, &list->page);
    }
    return false;
}
