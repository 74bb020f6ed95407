/* checkin (15), alarm_event (17) and device_event (18), of which hundreds may come in a turn: their
 * marks are in no index by row. An event is never changed, so nobody looks for the marks of one; it
 * is sent as it is, and its own version tells that the county has it: no mark is kept then. */
#ifndef TOUYAN_BULK_H
#define TOUYAN_BULK_H

/* In SQL on sync_out; `mark` is the mark's name with a dot, or "". */
#define NOT_BULK(mark) mark "tid <> 15 AND " mark "tid <> 17 AND " mark "tid <> 18"

#define TABLE_IS_BULK(table) ((table)->tid == 15 || (table)->tid == 17 || (table)->tid == 18)

#endif
