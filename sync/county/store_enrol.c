/* The tables behind store_enrol.h.
 *
 * A code, an approved serial number and an approval are each good for one key: issuing marks them
 * used with an UPDATE that finds them unused, in the transaction that stores the certificate, so of
 * two requests at once one is served. There is one certificate for a key; a request whose answer
 * was lost finds it. Nothing is deleted but requests that nobody repeats: a certificate that was
 * revoked must stay known as such. */
#include "sync/county/store_enrol.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "sync/county/store_parts.h"

const char store_enrol_schema[] =
    "CREATE TABLE IF NOT EXISTS ${|touyan.}enrol_code(${|county TEXT NOT NULL,}hash TEXT ${PRIMARY "
    "KEY |}NOT NULL,name TEXT NOT NULL,"
    "added_at INTEGER NOT NULL,until_at INTEGER NOT NULL,used_at INTEGER,used_by TEXT${|,PRIMARY "
    "KEY(county,hash)})${ STRICT|};"
    "CREATE TABLE IF NOT EXISTS ${|touyan.}enrol_serial(${|county TEXT NOT NULL,}serial TEXT "
    "${PRIMARY KEY |}NOT NULL,name TEXT NOT NULL,"
    "added_at INTEGER NOT NULL,used_at INTEGER,used_by TEXT${|,PRIMARY KEY(county,serial)})${ "
    "STRICT|};"
    "CREATE TABLE IF NOT EXISTS ${|touyan.}enrol_wait(${|county TEXT NOT NULL,}key_hash TEXT "
    "${PRIMARY KEY |}NOT NULL,station TEXT NOT "
    "NULL,digits TEXT NOT NULL,serial TEXT,address TEXT NOT NULL,asked_at INTEGER NOT NULL,"
    "seen_at INTEGER NOT NULL,state TEXT NOT NULL,name TEXT${|,PRIMARY KEY(county,key_hash)})${ "
    "STRICT|};"
    "CREATE TABLE IF NOT EXISTS ${|touyan.}enrol_wrong(${|county TEXT NOT NULL,}who TEXT ${PRIMARY "
    "KEY |}NOT NULL,began_at INTEGER NOT NULL,wrong INTEGER NOT NULL${|,PRIMARY "
    "KEY(county,who)})${ "
    "STRICT|};"
    "CREATE TABLE IF NOT EXISTS ${|touyan.}certificate(${|county TEXT NOT NULL,}print TEXT "
    "${PRIMARY KEY |}NOT NULL,serial TEXT NOT NULL,"
    "key_hash TEXT NOT NULL,name TEXT NOT NULL,pem TEXT,from_at INTEGER NOT NULL,until_at INTEGER "
    "NOT NULL,issued_at INTEGER NOT NULL,how TEXT NOT NULL,revoked_at INTEGER${|,PRIMARY "
    "KEY(county,print)})${ STRICT|};"
    "CREATE UNIQUE INDEX IF NOT EXISTS certificate_key ON "
    "${|touyan.}certificate(${|county,}key_hash);"
    "CREATE INDEX IF NOT EXISTS certificate_name ON ${|touyan.}certificate(${|county,}name);";

static const int64_t DAY_MS = 86400000;

static int audit(struct db *db, const char *what, const char *who, const char *detail,
                 struct err *err)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s", who, detail);
    return db_audit(db, what, text, err);
}

/* ERR_OK: q is at a row. */
static int first_row(struct db_query *q, const char *none, struct err *err)
{
    struct err mine = {0};
    int rc = q != NULL ? db_step(q, &mine) : -1;
    if (rc > 0)
        return ERR_OK;
    return rc == 0 ? err_set(err, ERR_NOT_FOUND, "%s", none)
                   : err_set(err, mine.code != ERR_OK ? mine.code : ERR_IO, "%s", mine.text);
}

/* --- stations --- */

void store_enrol_no_token(const char *name, char ret[STORE_NO_TOKEN_BYTES])
{
    snprintf(ret, STORE_NO_TOKEN_BYTES, "none:%.*s", LIMIT_STATION_NAME_BYTES, name);
}

static int make_station(struct db *db, const char *name, const char *scope, struct err *err)
{
    char token[STORE_NO_TOKEN_BYTES];
    store_enrol_no_token(name, token);
    int code = db_run(
        db, err,
        "INSERT INTO station(name,scope,token_hash,added_at) VALUES(?1,?2,?3,?4) ON "
        "CONFLICT(${|county,}name) DO UPDATE SET token_hash=excluded.token_hash,revoked_at=NULL,"
        "added_at=excluded.added_at",
        "sssi", name, scope, token, db_now_ms(db));
    return code != ERR_OK ? code : audit(db, "station.add", name, scope, err);
}

static int want_station(struct db *db, const char *name, const char *scope, struct err *err)
{
    struct db_query *q = db_query(
        db, err,
        "SELECT scope,CASE WHEN revoked_at IS NULL THEN 0 ELSE 1 END FROM station WHERE name=?1",
        "s", name);
    int code = first_row(q, "", err);
    if (code == ERR_NOT_FOUND)
        return make_station(db, name, scope, err);
    if (code != ERR_OK)
        return code;
    bool same = text_equal(db_column_text(q, 0), scope), revoked = db_column_int(q, 1) != 0;
    db_reset(q);
    if (!same)
        return err_set(err, ERR_INVALID, "station %s is there already, with another --scope", name);
    return revoked ? make_station(db, name, scope, err) : ERR_OK;
}

static int add_code(struct db *db, const char *name, const char *code_hash, struct err *err)
{
    int code =
        db_run(db, err, "INSERT INTO enrol_code(hash,name,added_at,until_at) VALUES(?1,?2,?3,?4)",
               "ssii", code_hash, name, db_now_ms(db), db_now_ms(db) + ENROL_CODE_DAYS * DAY_MS);
    return code != ERR_OK ? code : audit(db, "station.code", name, "", err);
}

static int add_serial(struct db *db, const char *name, const char *serial, struct err *err)
{
    int code = db_run(
        db, err,
        "INSERT INTO enrol_serial(serial,name,added_at) VALUES(?1,?2,?3) ON "
        "CONFLICT(${|county,}serial) DO UPDATE SET name=excluded.name,added_at=excluded.added_at,"
        "used_at=NULL,used_by=NULL",
        "ssi", serial, name, db_now_ms(db));
    return code != ERR_OK ? code : audit(db, "station.serial", name, serial, err);
}

typedef int add_promise(struct db *db, const char *name, const char *what, struct err *err);

static int promise(struct store *store, const char *name, const char *scope, add_promise *add,
                   const char *what, struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    if (code != ERR_OK)
        return code;
    code = want_station(db, name, scope, err);
    if (code == ERR_OK)
        code = add(db, name, what, err);
    return db_end(db, code, err);
}

int store_enrol_code(struct store *store, const char *name, const char *scope,
                     const char *code_hash, struct err *err)
{
    return promise(store, name, scope, add_code, code_hash, err);
}

int store_enrol_serial(struct store *store, const char *name, const char *scope, const char *serial,
                       struct err *err)
{
    return promise(store, name, scope, add_serial, serial, err);
}

int store_enrol_revoke(struct db *db, const char *name, struct err *err)
{
    int code =
        db_run(db, err, "UPDATE certificate SET revoked_at=?2 WHERE name=?1 AND revoked_at IS NULL",
               "si", name, db_now_ms(db));
    if (code == ERR_OK)
        code =
            db_run(db, err, "DELETE FROM enrol_code WHERE name=?1 AND used_at IS NULL", "s", name);
    if (code == ERR_OK)
        code = db_run(db, err, "DELETE FROM enrol_serial WHERE name=?1 AND used_at IS NULL", "s",
                      name);
    if (code == ERR_OK)
        code = db_run(db, err, "DELETE FROM enrol_wait WHERE name=?1", "s", name);
    return code;
}

/* --- asking --- */

static void refuse(struct store_enrol_answer *ret, enum store_enrol_state state, const char *why)
{
    ret->state = state;
    text_copy(ret->why, sizeof ret->why, why);
}

static void grant(struct store_enrol_answer *ret, enum store_enrol_state state, struct db_query *q)
{
    ret->state = state;
    text_copy(ret->station.name, sizeof ret->station.name, db_column_text(q, 0));
    text_copy(ret->station.scope, sizeof ret->station.scope, db_column_text(q, 1));
}

/* Each look_*() is ERR_NOT_FOUND when it has nothing to say. */

static int look_known(struct db *db, const struct store_enrol *ask, struct store_enrol_answer *ret,
                      struct err *err)
{
    struct db_query *q = db_query(
        db, err,
        "SELECT c.pem,s.scope,CASE WHEN c.revoked_at IS NULL AND s.revoked_at IS NULL THEN 0 "
        "ELSE 1 END FROM certificate c JOIN station s ON s.name=c.name WHERE c.key_hash=?1",
        "s", ask->key);
    int code = first_row(q, "", err);
    if (code != ERR_OK)
        return code;
    if (db_column_int(q, 2) != 0)
        refuse(ret, STORE_ENROL_REFUSED, "the certificate of this key was revoked: make a new key");
    else if (!text_equal(db_column_text(q, 1), ask->station))
        refuse(ret, STORE_ENROL_REFUSED, "this key is another station's");
    else if (db_column_null(q, 0))
        refuse(ret, STORE_ENROL_REFUSED,
               "the text of this key's certificate is lost: make a new key");
    else
        ret->state = STORE_ENROL_KNOWN;
    if (ret->state == STORE_ENROL_KNOWN)
        buf_add_text(&ret->cert, db_column_text(q, 0));
    db_reset(q);
    return ERR_OK;
}

static void judge_code(struct db *db, const struct store_enrol *ask, struct db_query *q,
                       struct store_enrol_answer *ret)
{
    if (db_column_int(q, 3) != 0)
        refuse(ret, STORE_ENROL_REFUSED,
               "this code was used already: ask the county for a new one");
    else if (db_column_int(q, 2) < db_now_ms(db))
        refuse(ret, STORE_ENROL_REFUSED, "this code has expired: ask the county for a new one");
    else if (!text_equal(db_column_text(q, 1), ask->station))
        refuse(ret, STORE_ENROL_REFUSED, "this code is another station's");
    else
        grant(ret, STORE_ENROL_BY_CODE, q);
}

static int look_code(struct db *db, const struct store_enrol *ask, struct store_enrol_answer *ret,
                     struct err *err)
{
    if (ask->code_hash == NULL)
        return ERR_NOT_FOUND;
    struct db_query *q = db_query(
        db, err,
        "SELECT s.name,s.scope,e.until_at,CASE WHEN e.used_at IS NULL THEN 0 ELSE 1 END FROM "
        "enrol_code e JOIN station s ON s.name=e.name WHERE e.hash=?1 "
        "AND s.revoked_at IS NULL",
        "s", ask->code_hash);
    int code = first_row(q, "", err);
    if (code == ERR_OK) {
        judge_code(db, ask, q, ret);
        db_reset(q);
    } else if (code == ERR_NOT_FOUND) {
        refuse(ret, STORE_ENROL_WRONG_CODE, "no station has this code");
        code = ERR_OK;
    }
    return code;
}

static int look_serial(struct db *db, const struct store_enrol *ask, struct store_enrol_answer *ret,
                       struct err *err)
{
    if (ask->serial == NULL)
        return ERR_NOT_FOUND;
    struct db_query *q = db_query(db, err,
                                  "SELECT s.name,s.scope FROM enrol_serial e JOIN station s ON "
                                  "s.name=e.name WHERE e.serial=?1 AND e.used_at IS NULL AND "
                                  "s.scope=?2 AND s.revoked_at IS NULL",
                                  "ss", ask->serial, ask->station);
    int code = first_row(q, "", err);
    if (code == ERR_OK) {
        grant(ret, STORE_ENROL_BY_SERIAL, q);
        db_reset(q);
    }
    return code;
}

static int look_waiting(struct db *db, const struct store_enrol *ask,
                        struct store_enrol_answer *ret, struct err *err)
{
    struct db_query *q = db_query(
        db, err,
        "SELECT coalesce(name,station),station,state FROM enrol_wait WHERE key_hash=?1 AND "
        "station=?2",
        "ss", ask->key, ask->station);
    int code = first_row(q, "", err);
    if (code != ERR_OK)
        return code;
    const char *state = db_column_text(q, 2);
    if (text_equal(state, "approved"))
        grant(ret, STORE_ENROL_BY_PERSON, q);
    else if (text_equal(state, "rejected"))
        refuse(ret, STORE_ENROL_REFUSED, "the county rejected this request: ask there why");
    else
        ret->state = STORE_ENROL_WAITS;
    db_reset(q);
    return ERR_OK;
}

static int count_waiting(struct db *db, const struct store_enrol *ask, bool *ret_full,
                         struct err *err)
{
    int64_t all = 0, own = 0;
    int code = db_run(db, err, "DELETE FROM enrol_wait WHERE seen_at<?1", "i",
                      db_now_ms(db) - ENROL_WAIT_DAYS * DAY_MS);
    if (code == ERR_OK)
        code = db_int(db, &all, err, "SELECT count(*) FROM enrol_wait WHERE state='waits'", "");
    if (code == ERR_OK)
        code = db_int(db, &own, err,
                      "SELECT count(*) FROM enrol_wait WHERE station=?1 AND state='waits'", "s",
                      ask->station);
    *ret_full = all >= LIMIT_ENROL_WAITING || own >= LIMIT_ENROL_WAITING_STATION;
    return code;
}

static int begin_waiting(struct db *db, const struct store_enrol *ask,
                         struct store_enrol_answer *ret, struct err *err)
{
    bool full = false;
    int code = count_waiting(db, ask, &full, err);
    if (code != ERR_OK)
        return code;
    if (full) {
        refuse(ret, STORE_ENROL_FULL, "too many requests wait for approval");
        return ERR_OK;
    }
    ret->state = STORE_ENROL_WAITS;
    code = db_run(
        db, err,
        "INSERT INTO enrol_wait(key_hash,station,digits,serial,address,asked_at,seen_at,"
        "state) VALUES(?1,?2,?3,?4,?5,?6,?6,'waits') ON CONFLICT(${|county,}key_hash) DO NOTHING",
        "sssssi", ask->key, ask->station, ask->digits, ask->serial, ask->address, db_now_ms(db));
    return code != ERR_OK ? code : audit(db, "enrol.ask", ask->station, ask->digits, err);
}

static int note_waiting(struct db *db, const struct store_enrol *ask, struct err *err)
{
    return db_run(db, err, "UPDATE enrol_wait SET seen_at=?2,address=?3 WHERE key_hash=?1", "sis",
                  ask->key, db_now_ms(db), ask->address);
}

static int look(struct db *db, const struct store_enrol *ask, struct store_enrol_answer *ret,
                struct err *err)
{
    int code = look_known(db, ask, ret, err);
    if (code == ERR_NOT_FOUND)
        code = look_code(db, ask, ret, err);
    if (code == ERR_NOT_FOUND)
        code = look_serial(db, ask, ret, err);
    if (code == ERR_NOT_FOUND)
        code = look_waiting(db, ask, ret, err);
    return code;
}

int store_enrol_known(struct store *store, const struct store_enrol *ask,
                      struct store_enrol_answer *ret, struct err *err)
{
    return look_known(db_of(store), ask, ret, err);
}

int store_enrol_ask(struct store *store, const struct store_enrol *ask,
                    struct store_enrol_answer *ret, struct err *err)
{
    struct db *db = db_of(store);
    int code = look(db, ask, ret, err);
    bool waits = code == ERR_OK && ret->state == STORE_ENROL_WAITS;
    if (!waits && code != ERR_NOT_FOUND)
        return code;
    code = db_begin(db, false, err);
    if (code != ERR_OK)
        return code;
    return db_end(db, waits ? note_waiting(db, ask, err) : begin_waiting(db, ask, ret, err), err);
}

/* --- issuing --- */

static const char *how_name(enum store_enrol_state how)
{
    switch (how) {
    case STORE_ENROL_BY_CODE:
        return "code";
    case STORE_ENROL_BY_SERIAL:
        return "serial";
    case STORE_ENROL_BY_CERT:
        return "renewal";
    default:
        return "approval";
    }
}

/* What allowed the certificate is gone after this, or was gone before. */
static int use_up(struct db *db, const struct store_enrol *ask, enum store_enrol_state how,
                  struct err *err)
{
    int code = ERR_OK;
    if (how == STORE_ENROL_BY_CODE)
        code = db_run(db, err,
                      "UPDATE enrol_code SET used_at=?2,used_by=?3 WHERE hash=?1 AND used_at IS "
                      "NULL",
                      "sis", ask->code_hash, db_now_ms(db), ask->key);
    else if (how == STORE_ENROL_BY_SERIAL)
        code =
            db_run(db, err,
                   "UPDATE enrol_serial SET used_at=?2,used_by=?3 WHERE serial=?1 AND used_at IS "
                   "NULL",
                   "sis", ask->serial, db_now_ms(db), ask->key);
    else if (how == STORE_ENROL_BY_PERSON)
        code = db_run(db, err, "DELETE FROM enrol_wait WHERE key_hash=?1 AND state='approved'", "s",
                      ask->key);
    if (code == ERR_OK && how != STORE_ENROL_BY_CERT && db_changes(db) == 0)
        code = err_set(err, ERR_STATE, "another request was quicker");
    return code;
}

static int within_day(struct db *db, const char *name, struct err *err)
{
    int64_t count = 0;
    int code =
        db_int(db, &count, err, "SELECT count(*) FROM certificate WHERE name=?1 AND issued_at>?2",
               "si", name, db_now_ms(db) - DAY_MS);
    if (code == ERR_OK && count >= LIMIT_ENROL_CERTS_A_DAY)
        code = err_set(err, ERR_LIMIT, "station %s had %d certificates within a day", name,
                       LIMIT_ENROL_CERTS_A_DAY);
    return code;
}

static int put_cert(struct db *db, const char *name, const struct store_cert *cert, const char *how,
                    struct err *err)
{
    const struct x509_cert *c = cert->cert;
    char print[X509_HEX_BYTES + 1], key[X509_HEX_BYTES + 1];
    x509_hex(&c->print, print);
    x509_hex(&c->key, key);
    int code = db_run(db, err,
                      "INSERT INTO certificate(print,serial,key_hash,name,pem,from_at,until_at,"
                      "issued_at,how) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT DO NOTHING",
                      "sssssiiis", print, c->serial, key, name, cert->pem, c->from_ms, c->until_ms,
                      db_now_ms(db), how);
    if (code == ERR_OK && db_changes(db) == 0)
        code = err_set(err, ERR_STATE, "another request was quicker");
    const char *what = cert->pem != NULL ? "certificate.issue" : "certificate.adopt";
    return code != ERR_OK ? code : audit(db, what, name, c->serial, err);
}

static int issue(struct db *db, const struct store_enrol *ask, const struct store_station *station,
                 const struct store_cert *cert, struct err *err)
{
    int code = within_day(db, station->name, err);
    if (code == ERR_OK && cert->how == STORE_ENROL_BY_PERSON)
        code = want_station(db, station->name, station->scope, err);
    if (code == ERR_OK)
        code = use_up(db, ask, cert->how, err);
    if (code == ERR_OK)
        code = put_cert(db, station->name, cert, how_name(cert->how), err);
    if (code == ERR_OK)
        code = db_run(db, err, "DELETE FROM enrol_wait WHERE key_hash=?1", "s", ask->key);
    return code;
}

int store_enrol_issue(struct store *store, const struct store_enrol *ask,
                      const struct store_station *station, const struct store_cert *cert,
                      struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    return code != ERR_OK ? code : db_end(db, issue(db, ask, station, cert, err), err);
}

/* --- the person at the county --- */

/* Writes the rows of q as JSON objects; a name that ends with a '#' is a number. */
static int write_rows(struct db_query *q, const char *const *names, struct buf *out,
                      struct err *err)
{
    struct json *list = json_new_array();
    int rc = q != NULL ? db_step(q, err) : -1;
    for (; rc > 0; rc = db_step(q, err)) {
        struct json *one = json_new_object();
        for (int i = 0; names[i] != NULL; i++) {
            char name[32];
            bool number = names[i][strlen(names[i]) - 1] == '#';
            snprintf(name, sizeof name, "%.*s", (int)strcspn(names[i], "#"), names[i]);
            if (number && !db_column_null(q, i))
                json_set_int(one, name, db_column_int(q, i));
            else
                json_set_text(one, name, db_column_text(q, i));
        }
        json_add(list, one);
    }
    bool fits = rc < 0 || json_write(list, out);
    json_free(list);
    if (rc < 0)
        return err != NULL ? err->code : ERR_IO;
    return fits ? ERR_OK : err_set(err, ERR_LIMIT, "the list is too long");
}

int store_enrol_list(struct store *store, struct buf *ret_json, struct err *err)
{
    static const char *const NAMES[] = {"station", "digits", "state", "serial",
                                        "address", "asked#", "seen#", NULL};
    return write_rows(db_query(db_of(store), err,
                               "SELECT station,digits,state,serial,address,asked_at,seen_at FROM "
                               "enrol_wait ORDER BY asked_at,key_hash",
                               ""),
                      NAMES, ret_json, err);
}

static int decide(struct db *db, const char *station, const char *digits, bool approve,
                  const char *name, struct err *err)
{
    int code = ERR_OK;
    if (name == NULL)
        name = station;
    if (approve)
        code = want_station(db, name, station, err);
    if (code == ERR_OK)
        code =
            db_run(db, err, "UPDATE enrol_wait SET state=?3,name=?4 WHERE station=?1 AND digits=?2",
                   "ssss", station, digits, approve ? "approved" : "rejected", name);
    if (code == ERR_OK && db_changes(db) == 0)
        code =
            err_set(err, ERR_NOT_FOUND,
                    "no request of station %s has the digits %s: `touyan-county station pending`",
                    station, digits);
    return code != ERR_OK
               ? code
               : audit(db, approve ? "enrol.approve" : "enrol.reject", station, digits, err);
}

int store_enrol_decide(struct store *store, const char *station, const char *digits, bool approve,
                       const char *name, struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    return code != ERR_OK ? code : db_end(db, decide(db, station, digits, approve, name, err), err);
}

/* --- certificates --- */

int store_cert_find(struct store *store, const char *print, struct store_holder *ret,
                    struct err *err)
{
    struct db_query *q = db_query(
        db_of(store), err,
        "SELECT s.name,s.scope,c.until_at,CASE WHEN c.revoked_at IS NULL AND s.revoked_at IS NULL "
        "THEN 0 ELSE 1 END FROM certificate c JOIN station s ON s.name=c.name WHERE c.print=?1",
        "s", print);
    int code = first_row(q, "this certificate is not known", err);
    if (code != ERR_OK)
        return code;
    text_copy(ret->station.name, sizeof ret->station.name, db_column_text(q, 0));
    text_copy(ret->station.scope, sizeof ret->station.scope, db_column_text(q, 1));
    ret->until_ms = db_column_int(q, 2);
    ret->revoked = db_column_int(q, 3) != 0;
    db_reset(q);
    return ERR_OK;
}

static int adopt(struct db *db, const struct x509_cert *cert, struct err *err)
{
    struct store_cert put = {.cert = cert};
    int64_t there = 0, issued_ms = cert->from_ms + ENROL_EARLIER_MS;
    char token[STORE_NO_TOKEN_BYTES];
    store_enrol_no_token(cert->name, token);
    int code = db_int(db, &there, err,
                      "SELECT count(*) FROM station WHERE name=?1 AND scope=?2 AND "
                      "coalesce(revoked_at,0)<?3",
                      "ssi", cert->name, cert->station, issued_ms);
    if (code == ERR_OK && there == 0)
        code = err_set(err, ERR_NOT_FOUND, "this certificate's station is not known");
    if (code == ERR_OK)
        code = db_run(db, err,
                      "UPDATE station SET revoked_at=NULL,added_at=?2,token_hash=?3 WHERE name=?1 "
                      "AND revoked_at IS NOT NULL",
                      "sis", cert->name, issued_ms, token);
    if (code == ERR_OK)
        code = put_cert(db, cert->name, &put, "adopted", err);
    return code == ERR_STATE ? ERR_OK : code;
}

int store_cert_adopt(struct store *store, const struct x509_cert *cert, struct store_holder *ret,
                     struct err *err)
{
    struct db *db = db_of(store);
    char print[X509_HEX_BYTES + 1];
    int code = db_begin(db, false, err);
    if (code == ERR_OK)
        code = db_end(db, adopt(db, cert, err), err);
    x509_hex(&cert->print, print);
    return code != ERR_OK ? code : store_cert_find(store, print, ret, err);
}

int store_cert_list(struct store *store, struct buf *ret_json, struct err *err)
{
    static const char *const NAMES[] = {"name",   "station", "serial",   "how", "from#",
                                        "until#", "issued#", "revoked#", NULL};
    return write_rows(db_query(db_of(store), err,
                               "SELECT c.name,s.scope,c.serial,c.how,c.from_at,c.until_at,"
                               "c.issued_at,c.revoked_at FROM certificate c JOIN station s ON "
                               "s.name=c.name ORDER BY c.name,c.issued_at,c.serial",
                               ""),
                      NAMES, ret_json, err);
}

static int revoke(struct db *db, const char *serial, struct err *err)
{
    int code = db_run(db, err,
                      "UPDATE certificate SET revoked_at=?2 WHERE serial=?1 AND revoked_at IS NULL",
                      "si", serial, db_now_ms(db));
    if (code == ERR_OK && db_changes(db) == 0)
        code =
            err_set(err, ERR_NOT_FOUND,
                    "no valid certificate %s: `touyan-county certificate list` names them", serial);
    return code != ERR_OK ? code : audit(db, "certificate.revoke", serial, "", err);
}

int store_cert_revoke(struct store *store, const char *serial, struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    return code != ERR_OK ? code : db_end(db, revoke(db, serial, err), err);
}

int store_enrol_metrics(struct store *store, struct buf *out, struct err *err)
{
    struct db *db = db_of(store);
    int64_t waiting = 0, valid = 0, expired = 0;
    int code = db_int(db, &waiting, err, "SELECT count(*) FROM enrol_wait WHERE state='waits'", "");
    if (code == ERR_OK)
        code = db_int(db, &valid, err,
                      "SELECT count(*) FROM certificate WHERE revoked_at IS NULL AND until_at>=?1",
                      "i", db_now_ms(db));
    if (code == ERR_OK)
        code = db_int(db, &expired, err,
                      "SELECT count(*) FROM certificate WHERE revoked_at IS NULL AND until_at<?1",
                      "i", db_now_ms(db));
    buf_printf(out,
               "# TYPE touyan_county_enrolments_waiting gauge\n"
               "touyan_county_enrolments_waiting %lld\n"
               "# TYPE touyan_county_certificates gauge\n"
               "touyan_county_certificates{state=\"valid\"} %lld\n"
               "touyan_county_certificates{state=\"expired\"} %lld\n",
               (long long)waiting, (long long)valid, (long long)expired);
    return code;
}
