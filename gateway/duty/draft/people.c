/* What the plan knows of people besides who is free: skills, ways, who is pinned, the visits of the
 * senior officers.
 *
 * A way is the band of five minutes that the county (or the leader) told; without one the own
 * school counts as nearest, schools of its township as near, the station's others as far. A pin
 * keeps a person at a post and peak unless he is away then, or stands elsewhere already with his
 * word given. */
#include "gateway/duty/draft/internal.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/skill.h"

enum { OWN_MIN = 5, NEAR_MIN = 10, FAR_MIN = 20, VISITS_DEFAULT = 2, SPONSORS_MAX = 8000 };

/* --- skills --- */

/* Good for the whole week: nobody is counted on whose certificate ends in the middle of it. */
static void read_skills(struct replica *replica, struct draft *draft)
{
    char sunday[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(draft->monday_ms, DRAFT_DAYS - 1), sunday);
    struct query *q =
        replica_query(replica, "SELECT person_id, name FROM skilled WHERE until >= ?1");
    query_text(q, 1, sunday);
    while (query_row(q)) {
        const char *id = query_get_text(q, 0);
        int person = id == NULL ? -1 : draft_find_person(draft, id);
        if (person >= 0)
            draft->person[person].skills |= skill_bits(query_get_text(q, 1));
    }
    query_done(q);
}

/* --- ways --- */

static int read_bands(struct replica *replica, struct draft *draft, struct err *err)
{
    size_t cells = (size_t)draft->people * (size_t)draft->schools;
    if (cells > DRAFT_BANDS_MAX)
        return err_set(err, ERR_LIMIT, "%d people and %d schools are too many for one plan",
                       draft->people, draft->schools);
    draft->band = malloc((cells + 1) * sizeof *draft->band);
    if (draft->band == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    for (size_t i = 0; i < cells; i++)
        draft->band[i] = -1;
    struct query *q = replica_query(
        replica, "SELECT person_id, school_id, band FROM reach WHERE band >= 0 ORDER BY id");
    while (query_row(q)) {
        int person = draft_find_person(draft, query_get_text(q, 0));
        int school = draft_find_school(draft, query_get_text(q, 1));
        int64_t band = query_get_int(q, 2);
        if (person >= 0 && school >= 0)
            draft->band[person * draft->schools + school] =
                (int16_t)(band > ROSTER_MINUTES_MAX ? ROSTER_MINUTES_MAX : band);
    }
    query_done(q);
    return ERR_OK;
}

static bool same_township(const struct draft *draft, int own, int school)
{
    const char *township = draft->school[school].township;
    return own >= 0 && township[0] != '\0' && text_equal(draft->school[own].township, township);
}

bool draft_knows_way(const struct draft *draft, int person, int school)
{
    return draft->band[person * draft->schools + school] >= 0;
}

int draft_minutes(const struct draft *draft, int person, int school)
{
    int own = draft->person[person].school;
    int band = draft->band[person * draft->schools + school];
    if (band >= 0)
        return band <= DUTY_REACH_MIN || own == school || same_township(draft, own, school) ? band
                                                                                            : -1;
    return own == school ? OWN_MIN : same_township(draft, own, school) ? NEAR_MIN : FAR_MIN;
}

int draft_read_people_more(struct replica *replica, struct draft *draft, struct err *err)
{
    read_skills(replica, draft);
    return read_bands(replica, draft, err);
}

/* --- pins --- */

/* The place that the person has then; NULL: none. */
static struct draft_former *former_of(struct draft *draft, int person, int shift)
{
    for (int i = 0; i < draft->formers; i++)
        if (draft->former[i].person == person &&
            draft->place[draft->former[i].place].shift == shift)
            return &draft->former[i];
    return NULL;
}

/* So many pinned people of one kind need as many of the post's places. */
static void make_room(const struct draft_person *person, struct draft_place *place, int pinned)
{
    if (person->officer && place->officers < pinned)
        place->officers = pinned < place->need ? pinned : place->need;
    if (!person->officer && place->need - place->officers < pinned)
        place->officers = place->need > pinned ? place->need - pinned : 0;
}

static int pinned_at(const struct draft *draft, int place, bool officers)
{
    int count = 0;
    for (int i = 0; i < draft->formers; i++)
        count += draft->former[i].kept && draft->former[i].place == place &&
                 draft->person[draft->former[i].person].officer == officers;
    return count;
}

static int pin(struct draft *draft, int person, int place, struct err *err)
{
    struct draft_place *where = &draft->place[place];
    struct draft_person *who = &draft->person[person];
    struct draft_former *former = former_of(draft, person, where->shift);
    bool can = (who->away >> where->shift & 1) == 0 && !who->senior && !where->over &&
               (who->officer || who->school == where->school) &&
               (former == NULL || former->place == place || !former->kept);
    if (!can)
        return ERR_OK;
    if (former == NULL)
        former = draft_grow((void **)&draft->former, &draft->formers, sizeof *draft->former,
                            DRAFT_PLACES_MAX);
    if (former == NULL)
        return err_set(err, ERR_LIMIT, "more than %d duties in a week", DRAFT_PLACES_MAX);
    *former = (struct draft_former){.person = person, .place = place, .kept = true};
    make_room(who, where, pinned_at(draft, place, who->officer));
    return ERR_OK;
}

int draft_read_pins(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(replica, "SELECT person_id, post_id, date, peak FROM roster_pin"
                                             " ORDER BY at, person_id");
    int code = ERR_OK;
    while (code == ERR_OK && query_row(q)) {
        int person = draft_find_person(draft, query_get_text(q, 0));
        int place = draft_find_place(draft, query_get_text(q, 1), query_get_text(q, 2),
                                     draft_peak(query_get_text(q, 3)));
        if (person >= 0 && place >= 0)
            code = pin(draft, person, place, err);
    }
    query_done(q);
    return code;
}

/* --- the senior officers' visits --- */

/* Shifts ahead in which the school has a post. */
static uint64_t shifts_ahead(const struct draft *draft, int school)
{
    uint64_t on = 0;
    for (int i = 0; i < draft->places; i++)
        if (draft->place[i].school == school && !draft->place[i].over)
            on |= (uint64_t)1 << draft->place[i].shift;
    return on;
}

static uint64_t shifts_on(int64_t monday_ms, const char *date)
{
    int64_t at = 0;
    int day = caltime_parse_date(date, &at) ? (int)((at - monday_ms) / CALTIME_DAY_MS) : -1;
    return day < 0 || day >= DRAFT_DAYS ? 0 : (uint64_t)7 << (day * DRAFT_PEAKS);
}

/* What was seen this week counts, and its days are no days for another visit. */
static void read_seen(struct replica *replica, struct draft *draft, struct draft_sponsor *sponsor)
{
    const char *school = draft->school[sponsor->school].id;
    char sunday[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(draft->monday_ms, DRAFT_DAYS - 1), sunday);
    struct query *q = replica_query(replica, "SELECT DISTINCT date FROM visit WHERE school_id = ?1"
                                             " AND person_id = ?2 AND date BETWEEN ?3 AND ?4");
    query_text(q, 1, school);
    query_text(q, 2, draft->person[sponsor->person].id);
    query_text(q, 3, draft->week);
    query_text(q, 4, sunday);
    while (query_row(q)) {
        sponsor->on &= ~shifts_on(draft->monday_ms, query_get_text(q, 0));
        sponsor->visits -= sponsor->visits > 0;
    }
    query_done(q);
    q = replica_query(replica, "SELECT date, peak FROM visit_plan WHERE school_id = ?1"
                               " AND senior_id = ?2 AND date BETWEEN ?3 AND ?4");
    query_text(q, 1, school);
    query_text(q, 2, draft->person[sponsor->person].id);
    query_text(q, 3, draft->week);
    query_text(q, 4, sunday);
    while (query_row(q)) {
        int peak = draft_peak(query_get_text(q, 1));
        uint64_t day = shifts_on(draft->monday_ms, query_get_text(q, 0));
        if (peak >= 0)
            sponsor->former |= (day & ~(day << 1)) << peak;
    }
    query_done(q);
}

int draft_read_sponsors(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica, "SELECT o.senior_id, o.school_id, coalesce(o.min_visits_week, ?2) FROM sponsor o"
                 " WHERE coalesce(o.valid_from, '') <= ?1"
                 " AND coalesce(nullif(o.valid_to, ''), '9999') >= ?1 ORDER BY o.school_id,"
                 " o.valid_from DESC, o.id");
    query_text(q, 1, draft->week);
    query_int(q, 2, VISITS_DEFAULT);
    int code = ERR_OK, last = -1;
    while (code == ERR_OK && query_row(q)) {
        int person = draft_find_person(draft, query_get_text(q, 0));
        int school = draft_find_school(draft, query_get_text(q, 1));
        int64_t visits = query_get_int(q, 2);
        if (person < 0 || school < 0 || school == last || visits < 1 || visits > DRAFT_DAYS)
            continue;
        struct draft_sponsor *sponsor = draft_grow((void **)&draft->sponsor, &draft->sponsors,
                                                   sizeof *draft->sponsor, SPONSORS_MAX);
        if (sponsor == NULL) {
            code = err_set(err, ERR_LIMIT, "more than %d sponsors", SPONSORS_MAX);
            continue;
        }
        *sponsor = (struct draft_sponsor){.person = person,
                                          .school = school,
                                          .visits = (int)visits,
                                          .on = shifts_ahead(draft, school)};
        last = school;
    }
    query_done(q);
    for (int i = 0; i < draft->sponsors; i++)
        read_seen(replica, draft, &draft->sponsor[i]);
    return code;
}
