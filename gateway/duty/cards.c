/* Cards as rows: how one is found, how what happens to it is written down, a school's set-up for
 * another, a post by chance; see cards.h. What comes in is card_entry.c, what is done with one
 * card_act.c, the table of kinds card_kinds.c. */
#include "gateway/duty/cards.h"

#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/duty/card_internal.h"

static bool card_read(struct query *q, struct card *ret)
{
    const struct field fields[] = {
        {ret->id, sizeof ret->id},
        {ret->scope, sizeof ret->scope},
        {ret->kind, sizeof ret->kind},
        {ret->code, sizeof ret->code},
        {ret->name, sizeof ret->name},
        {ret->school_id, sizeof ret->school_id},
        {ret->person_id, sizeof ret->person_id},
        {ret->state, sizeof ret->state},
    };
    bool found = query_fields(q, fields, sizeof fields / sizeof fields[0]);
    query_done(q);
    return found;
}

bool card_load(struct duty *duty, const char *code, struct card *ret)
{
    struct query *q =
        replica_query(duty->replica, "SELECT id, scope, kind, code, name, school_id, person_id,"
                                     " state FROM card WHERE code = ?1 COLLATE NOCASE LIMIT 1");
    query_text(q, 1, code);
    return card_read(q, ret);
}

void card_note(struct duty *duty, const char *card_id, const char *school_id, const char *what,
               const char *person_id, const char *detail)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO card_event(id, scope, card_id, school_id, at, what, person_id, detail)"
                " SELECT ?1, scope, id, nullif(coalesce(?3, school_id), ''), ?4, ?5,"
                " nullif(?6, ''), nullif(?7, '') FROM card WHERE id = ?2",
                "sssisss", id, card_id, school_id, duty->now_ms, what, person_id, detail);
}

void card_code_next(struct duty *duty, char letter, char ret[CARD_CODE_SIZE])
{
    char first[2] = {letter, '\0'};
    snprintf(ret, CARD_CODE_SIZE, "%c%lld", letter,
             (long long)replica_get_int(duty->replica, 1,
                                        "SELECT max(CAST(substr(code, 2) AS INTEGER)) + 1 FROM card"
                                        " WHERE substr(code, 1, 1) = ?1",
                                        "s", first));
}

int card_check_school(struct duty *duty, const char *named, char ret[DUTY_ID_SIZE], struct err *err)
{
    if (named != NULL && !school_named(duty, named, ret))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station", named);
    return ERR_OK;
}

/* --- a school's set-up for another --- */

static bool copy_one(struct duty *duty, const char *card_id, const char *to)
{
    char id[LIMIT_ID_BYTES + 1], code[CARD_CODE_SIZE], letter[2] = "";
    replica_get_text(duty->replica, letter, sizeof letter,
                     "SELECT substr(code, 1, 1) FROM card WHERE id = ?1", "s", card_id);
    replica_new_id(duty->replica, id);
    card_code_next(duty, letter[0], code);
    return replica_run(duty->replica,
                       "INSERT INTO card(id, scope, kind, code, name, school_id, body, state)"
                       " SELECT ?1, coalesce(s.station_id, s.scope), c.kind, ?2, c.name, s.id,"
                       " c.body, 'on' FROM card c JOIN school s ON s.id = ?4 WHERE c.id = ?3"
                       " AND NOT EXISTS (SELECT 1 FROM card o WHERE o.kind = c.kind"
                       "  AND o.school_id = ?4 AND o.name = c.name)",
                       "ssss", id, code, card_id, to) > 0;
}

int card_copy(struct duty *duty, const char *from_school, const char *to_school, int *ret_count,
              struct err *err)
{
    char from[DUTY_ID_SIZE] = "", to[DUTY_ID_SIZE] = "";
    struct ids ids;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    int code = card_check_school(duty, from_school, from, err);
    if (code == ERR_OK)
        code = card_check_school(duty, to_school, to, err);
    if (code == ERR_OK && text_equal(from, to))
        code = err_set(err, ERR_INVALID, "both are the same school");
    if (code != ERR_OK)
        return code;
    struct query *q =
        replica_query(duty->replica, "SELECT id FROM card WHERE school_id = ?1 AND state <> 'off'"
                                     " AND kind IN ('plan', 'checklist', 'method') ORDER BY code");
    query_text(q, 1, from);
    ids_collect(q, &ids);
    *ret_count = 0;
    for (int i = 0; i < ids.count; i++)
        *ret_count += copy_one(duty, ids.at[i], to);
    ids_free(&ids);
    return ERR_OK;
}

bool card_draw(struct duty *duty, char *ret, size_t size)
{
    struct ids ids;
    ids_collect(replica_query(duty->replica,
                              "SELECT id FROM post WHERE coalesce(active, 1) <> 0 ORDER BY id"),
                &ids);
    bool found =
        ids.count > 0 && replica_get_text(duty->replica, ret, size,
                                          "SELECT coalesce(nullif(s.short, ''), s.name) || ' ' ||"
                                          " coalesce(nullif(p.short, ''), p.name) FROM post p"
                                          " JOIN school s ON s.id = p.school_id WHERE p.id = ?1",
                                          "s", ids.at[rnd_below(duty->rnd, (uint32_t)ids.count)]);
    ids_free(&ids);
    return found;
}
