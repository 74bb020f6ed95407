/* Which machine this is, so that a copied disk notices that it runs elsewhere. */
#ifndef TOUYAN_SYNC_MACHINE_H
#define TOUYAN_SYNC_MACHINE_H

#include <stdbool.h>

#include "gateway/base/limits.h"

enum { MACHINE_PARTS = 3, MACHINE_PART_BYTES = 16 };

struct machine {
    char boot_id[LIMIT_ID_BYTES + 1]; /* of the running kernel; "" when it has none */
    /* hashes of the machine id, the board's serial number and the disk's; "": cannot be read */
    char parts[MACHINE_PARTS][MACHINE_PART_BYTES + 1];
};

/* `file`, when it is not NULL or "", stands for the whole machine: it is hashed in place of all
 * three. db_path: a file on the disk in question. Never fails: what cannot be read is "". */
void machine_read(struct machine *ret, const char *file, const char *db_path);

enum { MACHINE_SERIAL_BYTES = 64 };
/* The machine's own serial number, as it is printed on its case, or the first line of `file`;
 * "": it has none, or it is not ours to read. */
void machine_serial(const char *file, char ret[MACHINE_SERIAL_BYTES + 1]);

enum { MACHINE_TEXT_BYTES = MACHINE_PARTS * (MACHINE_PART_BYTES + 1) };
/* "a b c", an unknown part as "-". */
void machine_print(const struct machine *machine, char ret[MACHINE_TEXT_BYTES + 1]);
/* False when a part that is known now and was known when `text` was printed is another one. A part
 * known to one of them only says nothing: rights to read it come and go. */
bool machine_is(const struct machine *machine, const char *text);
/* The parts of both, those of the machine first. */
void machine_merge(const struct machine *machine, const char *text,
                   char ret[MACHINE_TEXT_BYTES + 1]);

#endif
