/* Rows that a station changes while its gateway is stopped, for `bench sync`.
 *
 *   bench_change --db FILE --clock FILE < ROWS
 *
 * A row is a line of JSON: "t", the table, and its columns. They go through the replica, whose
 * triggers mark them, a thousand to a turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "sync/replica/replica.h"
#include "sync/replica/tables.h"

enum { TABLES = 32, SQL_BYTES = 4096, LINE_BYTES = 65536, TURN_ROWS = 1000 };

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_change: %s: %s\n", what, why);
    exit(1);
}

static const char *insert_of(const struct table *table)
{
    static struct buf made[TABLES];
    struct buf *sql = &made[table - tables];
    if (sql->size > 0)
        return buf_text(sql);
    buf_init(sql, SQL_BYTES);
    buf_printf(sql, "INSERT INTO %s(id, scope", table->name);
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, ", %s", c->name);
    buf_add_text(sql, ") SELECT ?1->>'$.id', ?1->>'$.scope'");
    for (const struct table_column *c = table->columns; c->name != NULL; c++)
        buf_printf(sql, ", ?1->>'$.%s'", c->name);
    return buf_text(sql);
}

static bool insert(struct replica *replica, const char *line)
{
    char name[LIMIT_NAME_BYTES];
    replica_get_text(replica, name, sizeof name, "SELECT ?1->>'$.t'", "s", line);
    const struct table *table = table_by_name(name);
    return table != NULL && replica_run(replica, insert_of(table), "s", line) == 1;
}

static void insert_all(struct replica *replica)
{
    static char line[LINE_BYTES];
    bool more = true;
    while (more) {
        bool ok = true;
        replica_enter(replica);
        for (int i = 0; ok && i < TURN_ROWS; i++) {
            more = fgets(line, sizeof line, stdin) != NULL;
            if (!more)
                break;
            line[strcspn(line, "\n")] = '\0';
            ok = insert(replica, line);
        }
        if (!replica_leave(replica, ok) || !replica_commit(replica))
            die(line, replica_problem(replica));
    }
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct clock clock;
    struct replica *replica;
    struct rnd rnd = rnd_system();
    if (argc != 5 || strcmp(argv[1], "--db") != 0 || strcmp(argv[3], "--clock") != 0)
        die("the command line", "see the top of change.c");
    if (clock_open_fast(argv[4], &clock, &err) != ERR_OK)
        die("clock", err.text);
    struct replica_options options = {.path = argv[2], .clock = &clock, .rnd = &rnd};
    if (replica_open(&options, &replica, &err) != ERR_OK)
        die("replica", err.text);
    insert_all(replica);
    replica_close(replica);
    clock_close_fast(&clock);
    return 0;
}
