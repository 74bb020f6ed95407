/* The rows of a push on their way into in_<tid>: read here, once, with an eye for what the checks
 * ask (store_stage.c), and put in one by one (SQLite) or copied in the binary format (PostgreSQL,
 * which reads the members of JSON ten times slower). Bits tell what a typed column cannot:
 * `absent`, a column that the row does not name; `wrong`, a value of another kind than its
 * column's. Text that is no UTF-8 is refused by text_ok(); PostgreSQL would not even take it, and
 * gets U+FDD1.
 *
 * A part of a push (copy_part) goes straight from the body. What SQL has laid into raw (rows given
 * back, rows of an import, rows out of quarantine) is fetched from there (copy_raw). A part that is
 * no JSON ends the transaction. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/county/store_sql.h"
#include "sync/protocol.h"
#include "sync/replica/jread.h"

enum { COPY_BYTES_MAX = 2 * LIMIT_SYNC_BODY_BYTES, COPY_KEEP_BYTES = 1 << 20, FIELDS_MAX = 64 };

/* The members that are read, in this order; then the stamps of the groups, then the columns. */
enum { M_LSEQ, M_BASE, M_GM, M_H, M_UNFED, M_PART, M_ID, M_DEL, M_STAMPS };

static const char NO_TEXT[] = "\xEF\xB7\x91";

struct copy {
    struct db *db;
    struct table_sql *sql;
    struct jread rows;
    bool binary;     /* else `values` hold the row */
    struct buf *out; /* what is sent */
    struct buf text; /* of the row at hand, without escapes */
    struct db_value values[FIELDS_MAX];
    int64_t absent, wrong;
    int fields;
};

/* --- the SQL --- */

static void add_placeholders(struct buf *b, int count)
{
    buf_add_text(b, ") VALUES(");
    for (int i = 1; i <= count; i++)
        buf_printf(b, "%s?%d", i > 1 ? "," : "", i);
    buf_add_text(b, ")");
}

void sql_make_copy(struct table_sql *out, enum db_engine engine, struct buf *b)
{
    const struct table *t = out->table;
    struct buf names;
    int count = 1;
    buf_init(&names, JREAD_NAMES_BYTES);
    buf_add_text(&names, "lseq,base,gm,h,unfed,part,id,_del");
    for (int g = 0; !is_up(t) && g <= table_group_count(t); g++)
        buf_printf(&names, ",%s", sql_group_at(t, g).stamp);
    EACH_COLUMN(c, t)
    buf_printf(&names, ",%s", c->name);
    for (const char *at = buf_text(&names); at != NULL; at = strchr(at + 1, ','))
        count++;
    assert(count + 3 <= FIELDS_MAX);
    buf_printf(b, "%s in_%d(k,%s,why,absent,wrong", engine == DB_SQLITE ? "INSERT INTO" : "COPY",
               t->tid, buf_text(&names));
    if (engine == DB_SQLITE)
        add_placeholders(b, count + 3);
    else
        buf_add_text(b, ") FROM STDIN (FORMAT binary)");
    out->members = sql_take(&names);
    buf_free(&names);
    out->stage = sql_take(b);
}

/* --- values, in the byte order of the network --- */

static void put_number(struct buf *out, uint64_t value, int size)
{
    char bytes[8];
    for (int i = 0; i < size; i++)
        bytes[i] = (char)(value >> (8 * (size - 1 - i)));
    buf_add(out, bytes, (size_t)size);
}

static void put_value(struct copy *c, const struct db_value *value)
{
    if (!c->binary) {
        c->values[c->fields++] = *value;
        return;
    }
    c->fields++;
    if (value->type == 'n') {
        put_number(c->out, UINT32_MAX, 4);
    } else if (value->type == 'i') {
        put_number(c->out, 8, 4);
        put_number(c->out, (uint64_t)value->number, 8);
    } else {
        put_number(c->out, value->size, 4);
        buf_add(c->out, value->text, value->size);
    }
}

static void put_null(struct copy *c)
{
    put_value(c, &(struct db_value){.type = 'n'});
}

static void put_int(struct copy *c, int64_t value)
{
    put_value(c, &(struct db_value){.type = 'i', .number = value});
}

static void put_text(struct copy *c, const char *text, size_t size)
{
    put_value(c, &(struct db_value){.type = 't', .text = text, .size = size});
}

/* `bit` is wrong when there is a value of another kind. */
static void put_integer(struct copy *c, const struct jread_member *member, int64_t bit)
{
    int64_t value;
    if (jread_int(member, &value)) {
        put_int(c, value);
        return;
    }
    if (member->kind != JREAD_ABSENT && member->kind != JREAD_NULL)
        c->wrong |= bit;
    put_null(c);
}

static void put_string(struct copy *c, const struct jread_member *member, int64_t bit)
{
    const char *text = member->at;
    size_t size = member->size;
    if (member->kind != JREAD_TEXT) {
        if (member->kind != JREAD_ABSENT && member->kind != JREAD_NULL)
            c->wrong |= bit;
        put_null(c);
        return;
    }
    if (member->escaped) { /* there is room for all texts of the row: none moves */
        char *room = buf_reserve(&c->text, size);
        text = room;
        size = room != NULL ? jread_text(member, room) : 0;
        buf_commit(&c->text, size);
    }
    if (text != NULL && (!c->binary || text_utf8_valid(text, size)))
        put_text(c, text, size);
    else
        put_text(c, NO_TEXT, sizeof NO_TEXT - 1);
}

/* --- rows --- */

/* A text that came before, or whose hash did, marks its table: SQL counts them then. */
static void note_id(struct copy *c, const struct jread_member *id)
{
    enum { SLOTS = sizeof c->db->ids / sizeof *c->db->ids };
    static_assert(SLOTS > LIMIT_SYNC_PUSH_ROWS + 1, "there is always an empty slot");
    uint64_t hash = PROTOCOL_FP_START + (uint64_t)c->sql->table->tid;
    if (id->kind == JREAD_TEXT)
        hash = protocol_fp_add(hash, id->at, id->size);
    hash |= 1;
    size_t at = (size_t)(hash >> 32) % SLOTS;
    if (id->escaped)
        c->sql->same_ids = true;
    for (; c->db->ids[at] != 0; at = (at + 1) % SLOTS)
        if (c->db->ids[at] == hash) {
            c->sql->same_ids = true;
            return;
        }
    c->db->ids[at] = hash;
}

static void put_stamps(struct copy *c)
{
    const struct jread_member *stamp = &c->rows.members[M_STAMPS];
    for (int g = 0; !is_up(c->sql->table) && g <= table_group_count(c->sql->table); g++, stamp++)
        put_integer(c, stamp->kind == JREAD_ABSENT ? &c->rows.members[M_H] : stamp, WRONG_H);
}

static void put_columns(struct copy *c)
{
    const struct table *t = c->sql->table;
    int at = M_STAMPS + (is_up(t) ? 0 : table_group_count(t) + 1);
    EACH_COLUMN(column, t)
    {
        const struct jread_member *member = &c->rows.members[at++];
        if (member->kind == JREAD_ABSENT)
            c->absent |= WRONG_COLUMN(column_at);
        if (column->type == COLUMN_INT)
            put_integer(c, member, WRONG_COLUMN(column_at));
        else
            put_string(c, member, WRONG_COLUMN(column_at));
    }
}

static void put_verdict(struct copy *c)
{
    bool nul = c->rows.nul || (c->binary && !c->rows.array &&
                               memmem(c->rows.row, c->rows.row_size, SLICE_NUL, 6) != NULL);
    if (c->rows.row_size > LIMIT_ROW_BYTES)
        put_text(c, "size", 4);
    else if (nul)
        put_text(c, "text U+0000", 11);
    else
        put_null(c);
    c->sql->mixed = c->sql->mixed || nul || c->rows.row_size > LIMIT_ROW_BYTES;
    put_int(c, c->absent);
    put_int(c, c->wrong);
    c->sql->lacking = c->sql->lacking || c->absent != 0;
}

static void put_members(struct copy *c, int64_t k, const int64_t *lseq)
{
    const struct jread_member *m = c->rows.members;
    c->absent = c->wrong = c->fields = 0;
    buf_clear(&c->text);
    buf_reserve(&c->text, c->rows.row_size);
    put_int(c, k);
    if (lseq != NULL)
        put_int(c, *lseq);
    else
        put_null(c);
    put_integer(c, &m[M_BASE], WRONG_BASE);
    put_integer(c, &m[M_GM], WRONG_GM);
    put_integer(c, &m[M_H], WRONG_H);
    put_integer(c, &m[M_UNFED], WRONG_UNFED);
    put_integer(c, &m[M_PART], 0);
    put_string(c, &m[M_ID], WRONG_ID);
    put_integer(c, &m[M_DEL], WRONG_DEL);
    put_stamps(c);
    put_columns(c);
    put_verdict(c);
    note_id(c, &m[M_ID]);
}

static int put_row(struct copy *c, int64_t k, const int64_t *lseq, struct err *err)
{
    size_t start = c->out->size;
    if (!c->binary) {
        put_members(c, k, lseq);
        return db_put(c->db, err, c->sql->stage, c->values, c->fields);
    }
    put_number(c->out, 0, 2);
    put_members(c, k, lseq);
    if (!c->out->failed)
        c->out->bytes[start + 1] = (char)c->fields;
    return ERR_OK;
}

static int begin(struct copy *c, struct db *db, struct table_sql *sql, struct err *err)
{
    static const char HEADER[19] = "PGCOPY\n\377\r\n";
    *c = (struct copy){
        .db = db, .sql = sql, .out = &db->copy, .binary = db->link->driver->copy != NULL};
    if (db->copy.bytes == NULL)
        buf_init(&db->copy, COPY_BYTES_MAX);
    buf_init(&c->text, LIMIT_SYNC_BODY_BYTES);
    buf_clear(c->out);
    buf_add(c->out, HEADER, sizeof HEADER);
    bool ok = jread_names(&c->rows, sql->members);
    assert(ok);
    (void)ok;
    sql->staged = true;
    db->scratch = db->scratch || !c->binary;
    return store_scratch(db, sql, err);
}

static int send(struct copy *c, int code, struct err *err)
{
    struct db_link *link = c->db->link;
    put_number(c->out, UINT16_MAX, 2);
    if (code == ERR_OK && (c->out->failed || c->text.failed))
        code = err_set(err, ERR_LIMIT, "rows of %s are too long", c->sql->table->name);
    if (code == ERR_OK && c->binary)
        code = link->driver->copy(link, c->sql->stage, c->out->bytes, c->out->size, err);
    if (c->out->capacity > COPY_KEEP_BYTES)
        buf_free(c->out);
    buf_free(&c->text);
    return code;
}

/* --- a part of a push --- */

static void note_lseq(struct pushed *pushed, const int64_t *lseq)
{
    if (lseq == NULL || *lseq < 1) {
        pushed->strange++;
        return;
    }
    if (pushed->first_lseq == 0 || *lseq < pushed->first_lseq)
        pushed->first_lseq = *lseq;
    if (*lseq > pushed->last_lseq)
        pushed->last_lseq = *lseq;
}

static int read_rows(struct copy *c, const char *rows, size_t size, struct pushed *pushed,
                     struct err *err)
{
    bool ok = jread_start(&c->rows, rows, size);
    int code = ERR_OK;
    for (; ok && code == ERR_OK && !c->rows.done && pushed->rows <= LIMIT_SYNC_PUSH_ROWS;
         ok = jread_next(&c->rows), pushed->rows++) {
        int64_t lseq, *there = jread_int(&c->rows.members[M_LSEQ], &lseq) ? &lseq : NULL;
        note_lseq(pushed, c->rows.object ? there : NULL);
        if (c->sql != NULL && c->rows.object)
            code = put_row(c, pushed->rows, there, err);
    }
    return ok || code != ERR_OK ? code : err_set(err, ERR_INVALID, "malformed JSON");
}

int copy_part(struct db *db, struct table_sql *sql, const char *rows, size_t size,
              struct pushed *pushed, struct err *err)
{
    struct copy c = {.db = db};
    if (sql == NULL) { /* of a table that nobody knows */
        jread_names(&c.rows, "lseq");
        return read_rows(&c, rows, size, pushed, err);
    }
    int code = begin(&c, db, sql, err);
    if (code == ERR_OK)
        code = read_rows(&c, rows, size, pushed, err);
    return send(&c, code, err);
}

/* --- what lies in raw --- */

static int read_raw(struct copy *c, struct err *err)
{
    struct db_query *q = db_query(c->db, err, "SELECT k,lseq,row FROM raw WHERE t=?1 ORDER BY k",
                                  "s", c->sql->table->name);
    int rc = -1;
    int code = ERR_OK;
    while (q != NULL && code == ERR_OK && (rc = db_step(q, err)) > 0) {
        int64_t lseq = db_column_int(q, 1);
        if (!db_column_null(q, 2) &&
            jread_start(&c->rows, db_column_text(q, 2), db_column_size(q, 2)) && c->rows.object)
            code = put_row(c, db_column_int(q, 0), db_column_null(q, 1) ? NULL : &lseq, err);
    }
    if (code != ERR_OK)
        db_reset(q);
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : code;
}

int copy_raw(struct db *db, struct table_sql *sql, struct err *err)
{
    struct copy c;
    int code = begin(&c, db, sql, err);
    if (code == ERR_OK)
        code = read_raw(&c, err);
    return send(&c, code, err);
}
