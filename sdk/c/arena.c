/// Memory and text.
///
/// The arena is a list of blocks. It only grows while a call lasts, and is emptied between calls; so nothing is freed by hand, and what
/// one call may use is bounded by the memory that weir allows the instance.

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// The least that is asked of malloc at once, and the most that is kept between calls. A call about an object of a few kilobytes takes one.
#define BLOCK ((size_t)64 << 10)

struct block {
    struct block *before;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

static struct block *newest;

void weir_arena_empty(void) {
    struct block *kept = NULL;
    while (newest) {
        struct block *before = newest->before;
        if (!kept && newest->size == BLOCK) {
            kept = newest;
        } else {
            free(newest);
        }
        newest = before;
    }
    if (kept) {
        *kept = (struct block){.size = BLOCK};
    }
    newest = kept;
}

void *weir_arena_take(size_t size, size_t align) {
    // A block's bytes are aligned for anything, so an offset that is aligned is an address that is.
    size_t from = newest ? (newest->used + align - 1) & ~(align - 1) : 0;
    if (!newest || from > newest->size || newest->size - from < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        if (align > _Alignof(max_align_t) || room > SIZE_MAX - sizeof(struct block)) {
            return NULL;
        }
        struct block *block = malloc(sizeof(struct block) + room);
        if (!block) {
            return NULL;
        }
        *block = (struct block){.before = newest, .size = room};
        newest = block;
        from = 0;
    }
    newest->used = from + size;
    return newest->bytes + from;
}

void *weir_alloc(size_t size) {
    void *memory = weir_arena_take(size, _Alignof(max_align_t));
    if (!memory) {
        weir_panic("out of memory: %zu bytes more than there are", size);
    }
    return memset(memory, 0, size);
}

char *weir_copy_bytes(const char *bytes, size_t size) {
    char *copy = weir_alloc(size + 1);
    memcpy(copy, bytes, size);
    return copy;
}

const char *weir_copy(const char *text) { return text ? weir_copy_bytes(text, strlen(text)) : NULL; }

const char *weir_vformat(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0) {
        weir_panic("cannot print with the format %s", format);
    }
    char *text = weir_alloc((size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    return text;
}

const char *weir_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = weir_vformat(format, arguments);
    va_end(arguments);
    return text;
}

void weir_panic(const char *format, ...) {
    // Not from the arena, which may be what there is none left of.
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    weir_host_log(WEIR_ERROR, text, NULL);
    abort();
}

size_t weir_utf8(const char *at, size_t size) {
    const unsigned char *byte = (const unsigned char *)at;
    if (size == 0) {
        return 0;
    }
    // RFC 3629, section 4: the second byte's range excludes what is too long for its value, surrogates, and what is beyond U+10FFFF.
    size_t length = byte[0] < 0x80 ? 1 : byte[0] < 0xc2 ? 0 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    if (length > 1) {
        unsigned char least = byte[0] == 0xe0 ? 0xa0 : byte[0] == 0xf0 ? 0x90 : 0x80;
        unsigned char most = byte[0] == 0xed ? 0x9f : byte[0] == 0xf4 ? 0x8f : 0xbf;
        if (byte[1] < least || byte[1] > most) {
            return 0;
        }
    }
    for (size_t n = 2; n < length; n++) {
        if ((byte[n] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

const char *weir_mended(const char *text) {
    size_t size = strlen(text), good = 0, bad = 0;
    for (size_t at = 0; at < size;) {
        size_t length = weir_utf8(text + at, size - at);
        bad += length == 0;
        good += length;
        at += length ? length : 1;
    }
    if (bad == 0) {
        return text;
    }
    char *mended = weir_alloc(good + 3 * bad + 1), *end = mended;
    for (size_t at = 0; at < size;) {
        size_t length = weir_utf8(text + at, size - at);
        memcpy(end, length ? text + at : "\xef\xbf\xbd", length ? length : 3);
        end += length ? length : 3;
        at += length ? length : 1;
    }
    return mended;
}

const char *weir_quote(const char *text) {
    if (!text) {
        return "null";
    }
    text = weir_mended(text);
    // The longest that one byte becomes is \u001f.
    char *quoted = weir_alloc(6 * strlen(text) + 3), *end = quoted;
    *end++ = '"';
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            *end++ = '\\';
            *end++ = (char)byte;
        } else if (byte < 0x20) {
            end += sprintf(end, byte == '\n' ? "\\n" : "\\u%04x", byte);
        } else {
            *end++ = (char)byte;
        }
    }
    *end++ = '"';
    return quoted;
}

size_t weir_field_count(const struct weir_field *fields) {
    size_t count = 0;
    while (fields && fields[count].name) {
        count++;
    }
    return count;
}
