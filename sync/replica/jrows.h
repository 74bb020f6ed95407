/* json_rows(json, names): the rows of a JSON array of objects (or a single object),
 * their members as columns.
 *
 * SQLite's json_each and json_extract read a row's text again for each member; this reads it once,
 * which is what makes 1,000 rows a matter of a few milliseconds. `names` are the members wanted,
 * separated by commas, at most JREAD_MEMBERS (jread.h).
 *
 *   k        the element's place in the array, from 0
 *   row      its text as it came; NULL when it is no object
 *   size     bytes of the text
 *   nul      1 when a string of it holds the escape of U+0000, which no text can keep
 *   lack     how many of the members are not there (all, when it is no object)
 *   c0, c1 … the members in the order of `names`: TEXT, INTEGER and NULL as they are; x'00' for
 *            what no column takes (objects, arrays, booleans, numbers that are no 64 bit integers).
 *            A member that is not there is NULL. Of one that occurs twice the first counts.
 *
 * A lone surrogate gives bytes that are no UTF-8, for the caller to refuse. A text that is no JSON
 * array or object ends the statement with "malformed JSON". */
#ifndef TOUYAN_JROWS_H
#define TOUYAN_JROWS_H

struct sqlite3;
/* Returns an SQLite result code. */
int jrows_register(struct sqlite3 *db);

#endif
