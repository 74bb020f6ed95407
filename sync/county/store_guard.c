/* What keeps enrolment from those who guess, and what was revoked from coming back; the tables
 * behind the end of store_enrol.h.
 *
 * Wrong codes are counted in the database, for the address that they come from and for the station
 * that they are meant for: a restart forgets none, and several processes count together. Rows are
 * few: an address that has to wait is not counted any more, old rows go, and there is a limit.
 *
 * A database that is put back from a backup knows nothing of what was revoked or used since. The
 * lines of the file beside it (revoked.h) are revoked again: a certificate by its fingerprint, also
 * one that the backup has never seen, and what a station had before it was revoked. A station that
 * was added again afterwards is left alone. */
#include <stdio.h>

#include "gateway/base/text.h"
#include "sync/county/store_enrol.h"
#include "sync/county/store_parts.h"

enum { WHO_BYTES = 16 + LIMIT_ENROL_ADDRESS_BYTES };

/* --- wrong codes --- */

static void name_who(const char *kind, const char *name, char ret[WHO_BYTES])
{
    snprintf(ret, WHO_BYTES, "%s %s", kind, name);
}

int store_wrong_codes(struct store *store, const char *address, const char *station,
                      int64_t *ret_wait_ms, struct err *err)
{
    struct db *db = db_of(store);
    char from[WHO_BYTES], to[WHO_BYTES];
    int64_t now = db_now_ms(db);
    name_who("address", address, from);
    name_who("station", station != NULL ? station : "", to);
    return db_int(db, ret_wait_ms, err,
                  "SELECT coalesce(max(began_at),?3-?4)+?4-?3 FROM enrol_wrong WHERE who IN(?1,?2) "
                  "AND wrong>=?5 AND began_at>?3-?4 AND began_at<=?3",
                  "ssiii", from, to, now, (int64_t)WRONG_CODE_WINDOW_MS,
                  (int64_t)LIMIT_WRONG_CODES);
}

static int count_wrong(struct db *db, const char *kind, const char *name, struct err *err)
{
    char who[WHO_BYTES];
    int64_t wrong = 0;
    name_who(kind, name, who);
    int code = db_run(db, err, "UPDATE enrol_wrong SET wrong=wrong+1 WHERE who=?1", "s", who);
    if (code == ERR_OK && db_changes(db) == 0)
        code = db_run(db, err,
                      "INSERT INTO enrol_wrong(who,began_at,wrong) SELECT ?1,?2,1 WHERE (SELECT "
                      "count(*) FROM enrol_wrong)<?3 ON CONFLICT(${|county,}who) DO NOTHING",
                      "sii", who, db_now_ms(db), (int64_t)LIMIT_WRONG_CODE_ROWS);
    if (code == ERR_OK)
        code = db_int(db, &wrong, err,
                      "SELECT coalesce(max(wrong),0) FROM enrol_wrong WHERE who=?1", "s", who);
    return code == ERR_OK && wrong == LIMIT_WRONG_CODES ? db_audit(db, "enrol.locked", who, err)
                                                        : code;
}

static int note_wrong(struct db *db, const char *address, const char *station, struct err *err)
{
    int64_t known = 0, now = db_now_ms(db);
    int code = db_run(db, err, "DELETE FROM enrol_wrong WHERE began_at<=?1 OR began_at>?2", "ii",
                      now - WRONG_CODE_WINDOW_MS, now);
    if (code == ERR_OK)
        code = count_wrong(db, "address", address, err);
    if (code == ERR_OK)
        code = db_int(db, &known, err, "SELECT count(*) FROM station WHERE scope=?1", "s", station);
    return code == ERR_OK && known > 0 ? count_wrong(db, "station", station, err) : code;
}

int store_note_wrong_code(struct store *store, const char *address, const char *station,
                          struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    return code != ERR_OK ? code : db_end(db, note_wrong(db, address, station, err), err);
}

/* --- what was revoked --- */

static int revoke_cert(struct db *db, const struct store_revoked *line, struct err *err)
{
    char no_key[X509_HEX_BYTES + 16];
    snprintf(no_key, sizeof no_key, "revoked:%s", line->key);
    int code =
        db_run(db, err,
               "INSERT INTO certificate(print,serial,key_hash,name,from_at,until_at,issued_at,how) "
               "VALUES(?1,?2,?3,?4,0,0,?5,'revoked') ON CONFLICT DO NOTHING",
               "ssssi", line->key, line->serial, no_key, line->name, line->at_ms);
    return code != ERR_OK
               ? code
               : db_run(
                     db, err,
                     "UPDATE certificate SET revoked_at=?2 WHERE print=?1 AND revoked_at IS NULL",
                     "si", line->key, line->at_ms);
}

static int revoke_station(struct db *db, const struct store_revoked *line, struct err *err)
{
    static const char *const HAD[] = {
        "DELETE FROM enrol_code WHERE name=?1 AND added_at<?2 AND used_at IS NULL",
        "DELETE FROM enrol_serial WHERE name=?1 AND added_at<?2 AND used_at IS NULL",
        "DELETE FROM enrol_wait WHERE coalesce(name,station)=?1 AND asked_at<?2",
        "UPDATE certificate SET revoked_at=?2 WHERE name=?1 AND issued_at<?2 AND revoked_at ISNULL",
        "UPDATE station SET revoked_at=?2 WHERE name=?1 AND added_at<?2 AND revoked_at ISNULL"};
    int code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < sizeof HAD / sizeof *HAD; i++)
        code = db_run(db, err, HAD[i], "si", line->name, line->at_ms);
    return code;
}

static int revoke_line(struct db *db, const struct store_revoked *line, struct err *err)
{
    switch (line->kind) {
    case STORE_REVOKED_CERT:
        return revoke_cert(db, line, err);
    case STORE_USED_CODE:
        return db_run(db, err, "UPDATE enrol_code SET used_at=?2 WHERE hash=?1 AND used_at IS NULL",
                      "si", line->key, line->at_ms);
    case STORE_USED_SERIAL:
        return db_run(db, err,
                      "UPDATE enrol_serial SET used_at=?2 WHERE serial=?1 AND added_at<=?2 AND "
                      "used_at IS NULL",
                      "si", line->key, line->at_ms);
    default:
        return revoke_station(db, line, err);
    }
}

static int revoke_again(struct db *db, const struct store_revoked *line, bool *ret_new,
                        struct err *err)
{
    static const char *const WHAT[STORE_REVOKED_KINDS] = {
        "station.revoke", "certificate.revoke", "station.code-used", "station.serial-used"};
    int code = revoke_line(db, line, err);
    *ret_new = code == ERR_OK && db_changes(db) > 0;
    return *ret_new ? db_audit(db, WHAT[line->kind],
                               line->serial != NULL ? line->serial : line->name, err)
                    : code;
}

int store_revoke_again(struct store *store, const struct store_revoked *line, bool *ret_new,
                       struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    return code != ERR_OK ? code : db_end(db, revoke_again(db, line, ret_new, err), err);
}

int store_revoked_list(struct store *store,
                       void (*on_line)(void *ctx, const struct store_revoked *line), void *ctx,
                       struct err *err)
{
    struct db *db = db_of(store);
    struct db_query *q = db_query(
        db, err,
        "SELECT 0,revoked_at,name,NULL,NULL FROM station WHERE revoked_at IS NOT NULL UNION ALL "
        "SELECT 1,revoked_at,name,print,serial FROM certificate WHERE revoked_at IS NOT NULL UNION "
        "ALL SELECT 2,used_at,name,hash,NULL FROM enrol_code WHERE used_at IS NOT NULL AND "
        "until_at>=?1 UNION ALL SELECT 3,used_at,name,serial,NULL FROM enrol_serial WHERE used_at "
        "IS NOT NULL",
        "i", db_now_ms(db));
    int rc = q != NULL ? db_step(q, err) : -1;
    for (; rc > 0; rc = db_step(q, err))
        on_line(ctx, &(struct store_revoked){
                         .kind = (enum store_revoked_kind)db_column_int(q, 0),
                         .at_ms = db_column_int(q, 1),
                         .name = db_column_text(q, 2),
                         .key = db_column_null(q, 3) ? NULL : db_column_text(q, 3),
                         .serial = db_column_null(q, 4) ? NULL : db_column_text(q, 4)});
    return rc == 0 ? ERR_OK : err != NULL ? err->code : ERR_IO;
}
