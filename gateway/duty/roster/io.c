/* The week and its plan as JSON; see io.h. Reading is strict where the planner relies on it (every
 * index is checked before use, roster_check() at the end) and lenient about what it does not know.
 */
#include "gateway/duty/roster/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"

static const char *const roles[ROSTER_SKILLS + 1] = {"traffic", "riot", "counsel", "general"};
static const char *const skill_keys[ROSTER_SKILLS] = {"kt", "kr", "kp"};

static bool in_range(int64_t value, int count)
{
    return value >= 0 && value < count;
}

static int64_t at_int(const struct json *array, size_t index)
{
    return json_as_int(json_at(array, index), ROSTER_NONE);
}

/* What does not fit becomes something that roster_check() refuses. */
static int16_t small(int64_t value)
{
    return value < INT16_MIN || value > INT16_MAX ? INT16_MIN : (int16_t)value;
}

static int read_needs(struct roster *roster, const struct json *list, struct err *err)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *row = json_at(list, i);
        int64_t s = json_int(row, "s", -1), t = json_int(row, "t", -1);
        if (!in_range(s, roster->schools) || !in_range(t, roster->shifts))
            return err_set(err, ERR_INVALID, "dem[%zu]: no such school or shift", i);
        struct roster_need *need = &roster->need[s * roster->shifts + t];
        int64_t places = json_int(row, "off", 0), skilled = 0;
        for (int k = 0; k < ROSTER_SKILLS; k++) {
            need->skills[k] = small(json_int(row, skill_keys[k], 0));
            skilled += need->skills[k];
        }
        need->places = small(places > skilled ? places : skilled);
        need->volunteers = small(json_int(row, "vol", 0));
    }
    return ERR_OK;
}

static uint64_t read_bits(const struct json *array, int shifts)
{
    uint64_t bits = 0;
    for (int t = 0; t < shifts; t++)
        if (at_int(array, (size_t)t) > 0)
            bits |= (uint64_t)1 << t;
    return bits;
}

static void read_officers(struct roster *roster, const struct json *list)
{
    for (int o = 0; o < roster->officers; o++) {
        const struct json *row = json_at(list, (size_t)o);
        struct roster_officer *who = &roster->officer[o];
        who->free = read_bits(json_get(row, "av"), roster->shifts);
        who->frozen = read_bits(json_get(row, "frozen"), roster->shifts);
        who->skills = (uint8_t)(json_int(row, "sk", 0) & ((1 << ROSTER_SKILLS) - 1));
        who->newcomer = json_bool(row, "newcomer", false);
        who->cap = small(json_int(row, "cap", 0));
        who->debt = small(json_int(row, "debt", 0));
    }
}

static int read_volunteers(struct roster *roster, const struct json *list, struct err *err)
{
    for (int v = 0; v < roster->volunteers; v++) {
        const struct json *row = json_at(list, (size_t)v), *slots = json_get(row, "slots");
        struct roster_volunteer *who = &roster->volunteer[v];
        who->school = small(json_int(row, "s", -1));
        who->cap = small(json_int(row, "cap", 0));
        who->kind = json_text(row, "kind", "P")[0];
        for (size_t i = 0; i < json_count(slots); i++) {
            int64_t t = at_int(slots, i);
            if (!in_range(t, roster->shifts))
                return err_set(err, ERR_INVALID, "vols[%d]: no such shift", v);
            who->slots |= (uint64_t)1 << t;
        }
    }
    return ERR_OK;
}

/* The pairs may come in any order; each officer's become one ascending run. */
static int read_reach(struct roster *roster, const struct json *list, struct err *err)
{
    int last_officer = 0, last_school = -1;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *row = json_at(list, i);
        int64_t o = at_int(row, 0), s = at_int(row, 1), minutes = at_int(row, 2);
        if (!in_range(o, roster->officers) || !in_range(s, roster->schools))
            return err_set(err, ERR_INVALID, "elig[%zu]: no such officer or school", i);
        if (o < last_officer || (o == last_officer && s <= last_school))
            return err_set(err, ERR_INVALID,
                           "elig[%zu]: pairs come in order of officer and school, each once", i);
        last_school = (int)s;
        last_officer = (int)o;
        struct roster_officer *who = &roster->officer[o];
        if (who->reach_count++ == 0)
            who->reach = (int32_t)i;
        roster->reach[i] = (struct roster_reach){small(s), small(minutes)};
    }
    return ERR_OK;
}

static int read_sponsors(struct roster *roster, const struct json *week, struct err *err)
{
    const struct json *seniors = json_get(week, "resp"), *ways = json_get(week, "sencomm");
    roster->sponsor = calloc((size_t)roster->schools, sizeof *roster->sponsor);
    if (roster->sponsor == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    for (int s = 0; s < roster->schools && json_size(seniors) > 0; s++) {
        char key[16];
        snprintf(key, sizeof key, "%d", s);
        int64_t officer = json_int(seniors, key, ROSTER_NONE);
        roster->sponsor[roster->sponsors++] = (struct roster_sponsor){
            .school = (int16_t)s,
            .visits = ROSTER_VISITS_A_WEEK,
            .officer = in_range(officer, roster->officers) ? (int32_t)officer : ROSTER_NONE,
            .minutes = (int32_t)json_int(ways, key, 0),
        };
    }
    return ERR_OK;
}

static int read_visits(struct roster *roster, const struct json *list, struct err *err)
{
    size_t count = json_count(list);
    roster->visits_given = list != NULL;
    roster->visit = calloc(count + 1, sizeof *roster->visit);
    if (roster->visit == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    for (size_t i = 0; i < count; i++) {
        int64_t officer = at_int(json_at(list, i), 0), shift = at_int(json_at(list, i), 1);
        if (!in_range(officer, roster->officers) || !in_range(shift, roster->shifts))
            return err_set(err, ERR_INVALID, "visits[%zu]: no such officer or shift", i);
        roster->visit[roster->visits++] =
            (struct roster_visit){(int32_t)officer, (int16_t)shift, ROSTER_NONE};
    }
    return ERR_OK;
}

static int read_former(struct roster *roster, const struct json *list, struct err *err)
{
    size_t cells = (size_t)roster->officers * (size_t)roster->shifts;
    roster->former = malloc((cells + 1) * sizeof *roster->former);
    if (roster->former == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    for (size_t i = 0; i < cells; i++)
        roster->former[i] = ROSTER_NONE;
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *row = json_at(list, i);
        int64_t t = at_int(row, 0), s = at_int(row, 1), o = at_int(row, 3);
        if (!in_range(t, roster->shifts) || !in_range(s, roster->schools) ||
            !in_range(o, roster->officers))
            return err_set(err, ERR_INVALID, "former[%zu]: no such shift, school or officer", i);
        roster->former[o * roster->shifts + t] = (int16_t)s;
    }
    return ERR_OK;
}

static int read_days(struct roster *roster, const struct json *days, struct err *err)
{
    for (int t = 0; t < roster->shifts; t++) {
        int64_t day = days == NULL ? t / 2 : at_int(days, (size_t)t);
        if (day < 0 || day > UINT8_MAX || (t > 0 && day < roster->day[t - 1]))
            return err_set(err, ERR_INVALID, "days[%d]: one ascending number for each shift", t);
        roster->day[t] = (uint8_t)day;
    }
    return ERR_OK;
}

static int read_parts(struct roster *roster, const struct json *week, struct err *err)
{
    int code = read_days(roster, json_get(week, "days"), err);
    if (code == ERR_OK)
        code = read_needs(roster, json_get(week, "dem"), err);
    read_officers(roster, json_get(week, "offs"));
    if (code == ERR_OK)
        code = read_volunteers(roster, json_get(week, "vols"), err);
    if (code == ERR_OK)
        code = read_reach(roster, json_get(week, "elig"), err);
    if (code == ERR_OK)
        code = read_sponsors(roster, week, err);
    if (code == ERR_OK)
        code = read_visits(roster, json_get(week, "visits"), err);
    if (code == ERR_OK && json_get(week, "former") != NULL)
        code = read_former(roster, json_get(week, "former"), err);
    return code == ERR_OK ? roster_check(roster, err) : code;
}

static int count_of(const struct json *week, const char *key)
{
    size_t count = json_count(json_get(week, key));
    return count > INT32_MAX ? INT32_MAX : (int)count;
}

static int clamp(int64_t value)
{
    return value < 0 ? -1 : value > INT32_MAX ? INT32_MAX : (int)value;
}

int roster_read(const char *text, size_t size, struct roster *ret, struct err *err)
{
    struct json *week;
    struct roster roster = {0};
    int code = json_parse(text, size, &week, err);
    if (code != ERR_OK)
        return code;
    code = roster_init(&roster, clamp(json_int(week, "NS", 0)), clamp(json_int(week, "T", 0)),
                       count_of(week, "offs"), count_of(week, "vols"), count_of(week, "elig"), err);
    if (code == ERR_OK)
        code = read_parts(&roster, week, err);
    json_free(week);
    if (code == ERR_OK)
        *ret = roster;
    else
        roster_fini(&roster);
    return code;
}

int roster_read_former(struct roster *roster, const char *text, size_t size, struct err *err)
{
    struct json *list;
    int code = json_parse(text, size, &list, err);
    if (code != ERR_OK)
        return code;
    free(roster->former);
    roster->former = NULL;
    code = read_former(roster, list, err);
    json_free(list);
    if (code != ERR_OK) {
        free(roster->former);
        roster->former = NULL;
    }
    return code;
}

/* --- writing --- */

/* The officers of each shift by school; rows of one shift at a time. */
static bool write_shift(const struct roster *roster, const struct roster_plan *plan, int shift,
                        int school, bool *first, struct buf *out)
{
    int32_t people[ROSTER_PLACES_MAX] = {0};
    uint8_t seat[ROSTER_PLACES_MAX];
    int count = 0;
    for (int o = 0; o < roster->officers && count < ROSTER_PLACES_MAX; o++)
        if (plan->at[o * roster->shifts + shift] == school)
            people[count++] = o;
    roster_seats(roster, school, shift, people, count, seat);
    bool ok = true;
    for (int i = 0; i < count; i++) {
        ok = buf_printf(out, "%s[%d,%d,\"%s\",%d]", *first ? "" : ",\n", shift, school,
                        roles[seat[i]], people[i]);
        *first = false;
    }
    return ok;
}

bool roster_write(const struct roster *roster, const struct roster_plan *plan, struct buf *out)
{
    bool ok = buf_add_text(out, "["), first = true;
    for (int t = 0; t < roster->shifts; t++)
        for (int s = 0; s < roster->schools; s++)
            ok = write_shift(roster, plan, t, s, &first, out) && ok;
    return buf_add_text(out, "]\n") && ok;
}

bool roster_write_volunteers(const struct roster *roster, const struct roster_plan *plan,
                             struct buf *out)
{
    const char *comma = "";
    bool ok = buf_add_text(out, "[");
    for (int v = 0; v < roster->volunteers; v++)
        for (int t = 0; t < roster->shifts; t++)
            if ((plan->volunteer_slots[v] >> t & 1) != 0) {
                ok = buf_printf(out, "%s[%d,%d,%d]", comma, t, roster->volunteer[v].school, v);
                comma = ",\n";
            }
    return buf_add_text(out, "]\n") && ok;
}

bool roster_write_visits(const struct roster *roster, struct buf *out)
{
    const char *comma = "";
    bool ok = buf_add_text(out, "[");
    for (int i = 0; i < roster->visits; i++) {
        const struct roster_visit *visit = &roster->visit[i];
        char school[16] = "null";
        if (visit->school != ROSTER_NONE)
            snprintf(school, sizeof school, "%d", visit->school);
        ok = buf_printf(out, "%s[%d,%s,%d]", comma, visit->shift, school, visit->officer);
        comma = ",\n";
    }
    return buf_add_text(out, "]\n") && ok;
}
