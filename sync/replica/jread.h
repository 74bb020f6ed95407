/* Reads the rows of a JSON array of objects (or a single object), each once, for the members that
 * are wanted. Pure; what it points to lies in the text, which stays the caller's. */
#ifndef TOUYAN_JREAD_H
#define TOUYAN_JREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JREAD_MEMBERS = 40, JREAD_NAMES_BYTES = 1024 };

enum jread_kind {
    JREAD_ABSENT,
    JREAD_NULL,
    JREAD_INTEGER, /* perhaps larger than 64 bits: jread_int() tells */
    JREAD_TEXT,
    JREAD_OTHER, /* objects, arrays, booleans, numbers that are not whole */
};

struct jread_member {
    enum jread_kind kind;
    bool escaped;
    const char *at; /* of a text: between its quotes */
    size_t size;
};

struct jread {
    char names[JREAD_NAMES_BYTES];
    struct {
        const char *at;
        size_t size;
    } wanted[JREAD_MEMBERS];
    int wanted_count;
    int expected; /* the wanted member that comes next if the order is the usual one */

    const char *at, *end;
    bool array;

    /* the row at hand */
    bool done; /* there is none any more */
    int64_t k; /* its place in the array, from 0 */
    const char *row;
    size_t row_size;
    bool object;
    bool nul; /* a string of it holds the escape of U+0000, which no text can keep */
    int lack; /* how many of the members are not there */
    struct jread_member
        members[JREAD_MEMBERS]; /* as wanted; of one that is there twice the first */
};

/* Which members are wanted, separated by commas. False: too many. */
bool jread_names(struct jread *reader, const char *names);
/* Both: false, the text is no JSON array or object. */
bool jread_start(struct jread *reader, const char *json, size_t size);
bool jread_next(struct jread *reader);

/* The text without its escapes, never longer than with them; its size. A lone surrogate gives bytes
 * that are no UTF-8. */
size_t jread_text(const struct jread_member *member, char *ret);
/* False: it is no integer of 64 bits. */
bool jread_int(const struct jread_member *member, int64_t *ret);

#endif
