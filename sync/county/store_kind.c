/* A JSON text where a number belongs, or the other way round. SQLite keeps the kinds of JSON values
 * and asks for them in SQL (store_stage.c); PostgreSQL reads all members of a row as text at once,
 * which is much faster, so their kinds are looked at here, in the text. A member whose name is
 * written with escapes is not recognised, and its value is taken if it can be. */
#include <string.h>

#include "sync/county/store_sql.h"

struct kinds {
    struct db *db;
    const struct table *table;
    int64_t first;
    size_t next; /* column that is expected: rows name them in the same order */
};

static bool is_name(const char *name, size_t size, const char *known)
{
    return strncmp(name, known, size) == 0 && known[size] == '\0';
}

static bool is_mark(const char *name, size_t size, int64_t *ret_bit)
{
    static const struct {
        const char *name;
        int64_t bit;
    } MARKS[] = {{"lseq", WRONG_LSEQ}, {"base", WRONG_BASE},   {"gm", WRONG_GM},
                 {"h", WRONG_H},       {"unfed", WRONG_UNFED}, {"_del", WRONG_DEL}};
    for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++)
        if (is_name(name, size, MARKS[i].name)) {
            *ret_bit = MARKS[i].bit;
            return true;
        }
    *ret_bit = WRONG_H;
    return size == 2 && name[0] == 'h' && name[1] >= '0' && name[1] <= '7';
}

/* The column of this name, looked for from the one that is expected. */
static const struct table_column *find_column(struct kinds *kinds, const char *name, size_t size,
                                              size_t *ret_at)
{
    const struct table_column *column;
    for (int turn = 0; turn < 2 && kinds->table != NULL; turn++, kinds->next = 0)
        for (size_t at = kinds->next; (column = sql_column_at(kinds->table, at)) != NULL; at++)
            if (is_name(name, size, column->name)) {
                *ret_at = at;
                kinds->next = at + 1;
                return column;
            }
    return NULL;
}

static void note(struct db *db, int64_t k, int64_t bit)
{
    size_t limit = sizeof db->odd / sizeof *db->odd;
    if (db->odd_count > 0 && db->odd[db->odd_count - 1].k == k) {
        db->odd[db->odd_count - 1].bits |= bit;
    } else if (db->odd_count < limit) {
        db->odd[db->odd_count].k = k;
        db->odd[db->odd_count++].bits = bit;
    }
}

static void on_member(void *ctx, int64_t row, const char *name, size_t size, char kind)
{
    struct kinds *kinds = ctx;
    int64_t bit = WRONG_ID;
    size_t at = 0;
    bool number = false;
    if (kind == 'n')
        return;
    const struct table_column *column = find_column(kinds, name, size, &at);
    if (column != NULL) {
        number = column->type == COLUMN_INT;
        bit = WRONG_COLUMN(at);
    } else if (is_mark(name, size, &bit)) {
        number = true;
    } else if (!is_name(name, size, "id")) {
        return;
    } else {
        bit = WRONG_ID;
    }
    if (number ? strchr("-0123456789", kind) == NULL : kind != '"')
        note(kinds->db, kinds->first + row, bit);
}

void kind_note(struct db *db, const struct table *table, const char *rows, size_t size, int64_t k)
{
    struct kinds kinds = {.db = db, .table = table, .first = k};
    slice_members(rows, size, on_member, &kinds);
}
