/* The draft read from the replica: schools, people, what they declared, who has which place now. */
#include "gateway/duty/draft/internal.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    TERM_DAYS = 120,
    CONFIRMED_MS = 12 * 3600 * 1000, /* a confirmed duty stays from this long before its start */
};

static const char *const peaks[DRAFT_PEAKS] = {"am", "noon", "pm"};

int draft_peak(const char *name)
{
    for (int i = 0; i < DRAFT_PEAKS; i++)
        if (text_equal(peaks[i], name))
            return i;
    return -1;
}

const char *draft_peak_name(int peak)
{
    return peaks[peak];
}

void *draft_grow(void **array, int *count, size_t size, int max)
{
    bool full = (*count & (*count - 1)) == 0; /* grown at 0, 1, 2, 4, 8 ... */
    if (*count >= max)
        return NULL;
    if (full) {
        size_t room = *count == 0 ? 1 : 2 * (size_t)*count;
        void *bigger = realloc(*array, room * size);
        if (bigger == NULL)
            return NULL;
        *array = bigger;
    }
    void *element = (char *)*array + (size_t)*count * size;
    memset(element, 0, size);
    ++*count;
    return element;
}

static int compare_id(const void *key, const void *element)
{
    return strcmp(key, element); /* the id is the first member of both structs */
}

int draft_find_school(const struct draft *draft, const char *id)
{
    const struct draft_school *found =
        bsearch(id, draft->school, (size_t)draft->schools, sizeof *draft->school, compare_id);
    return found == NULL ? -1 : (int)(found - draft->school);
}

int draft_find_person(const struct draft *draft, const char *id)
{
    const struct draft_person *found =
        bsearch(id, draft->person, (size_t)draft->people, sizeof *draft->person, compare_id);
    return found == NULL ? -1 : (int)(found - draft->person);
}

int draft_find_place(const struct draft *draft, const char *post_id, const char *date, int peak)
{
    for (int i = 0; i < draft->places; i++) {
        const struct draft_place *place = &draft->place[i];
        if (place->shift % DRAFT_PEAKS == peak && text_equal(place->post_id, post_id) &&
            text_equal(place->date, date))
            return i;
    }
    return -1;
}

static void copy(char *ret, size_t size, const char *text)
{
    text_copy(ret, size, text == NULL ? "" : text);
}

static int read_schools(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(replica, "SELECT id, code, coalesce(nullif(short, ''), name),"
                                             " township FROM school WHERE station_id" DRAFT_STATIONS
                                             " ORDER BY id");
    query_text(q, 1, draft->station_id);
    int code = ERR_OK;
    while (code == ERR_OK && query_row(q)) {
        struct draft_school *school = draft_grow((void **)&draft->school, &draft->schools,
                                                 sizeof *draft->school, ROSTER_SCHOOLS_MAX);
        if (school == NULL) {
            code = err_set(err, ERR_LIMIT, "more than %d schools", ROSTER_SCHOOLS_MAX);
            continue;
        }
        copy(school->id, sizeof school->id, query_get_text(q, 0));
        copy(school->code, sizeof school->code, query_get_text(q, 1));
        copy(school->name, sizeof school->name, query_get_text(q, 2));
        copy(school->township, sizeof school->township, query_get_text(q, 3));
    }
    query_done(q);
    if (code == ERR_OK && draft->schools == 0)
        code = err_set(err, ERR_NOT_FOUND, "no school belongs to %s", draft->station_id);
    return code;
}

/* Officers of the station, but neither senior ones nor who leads it; the sponsors of its schools,
 * who visit them and stand nowhere; volunteers of its schools who have not stopped the messages,
 * nor said that they do not go on this term. */
static int read_people(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica,
        "SELECT p.id, p.name, p.school_id, p.kind IN ('police', 'auxiliary') AS officer,"
        " p.id IN (SELECT o.senior_id FROM sponsor o JOIN school h ON h.id = o.school_id"
        "  WHERE h.station_id" DRAFT_STATIONS ") AS senior,"
        " (SELECT count(*) FROM assignment a JOIN shift s ON s.id = a.shift_id"
        "  WHERE a.person_id = p.id AND a.state IN ('done', 'on_post') AND s.start_at >= ?2)"
        " FROM person p LEFT JOIN school c ON c.id = p.school_id"
        " WHERE coalesce(p.active, 1) <> 0 AND (senior OR (p.kind IN ('police', 'auxiliary')"
        "  AND p.station_id" DRAFT_STATIONS " AND coalesce(p.senior, 0) = 0"
        "  AND NOT EXISTS (SELECT 1 FROM duty_lead l WHERE l.person_id = p.id AND coalesce(l.date, "
        "'') = ''))"
        " OR (p.kind NOT IN ('police', 'auxiliary', 'desk') AND c.station_id" DRAFT_STATIONS
        "  AND NOT EXISTS (SELECT 1 FROM optout x WHERE x.phone = p.phone)"
        "  AND NOT EXISTS (SELECT 1 FROM term_asked t JOIN card k ON k.id = t.card_id"
        "   WHERE t.person_id = p.id AND t.answer = '2' AND k.due_on > ?3)))"
        " ORDER BY p.id");
    char term[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(draft->monday_ms, -TERM_DAYS), term);
    query_text(q, 1, draft->station_id);
    query_int(q, 2, caltime_midnight(draft->monday_ms, -TERM_DAYS));
    query_text(q, 3, term);
    int code = ERR_OK;
    while (code == ERR_OK && query_row(q)) {
        struct draft_person *person = draft_grow((void **)&draft->person, &draft->people,
                                                 sizeof *draft->person, DRAFT_PEOPLE_MAX);
        if (person == NULL) {
            code = err_set(err, ERR_LIMIT, "more than %d people", DRAFT_PEOPLE_MAX);
            continue;
        }
        const char *school = query_get_text(q, 2);
        copy(person->id, sizeof person->id, query_get_text(q, 0));
        copy(person->name, sizeof person->name, query_get_text(q, 1));
        person->school = school == NULL ? -1 : draft_find_school(draft, school);
        person->senior = query_get_int(q, 4) != 0;
        person->officer = person->senior || query_get_int(q, 3) != 0;
        person->done = (int)query_get_int(q, 5);
    }
    query_done(q);
    return code;
}

/* --- what people declared --- */

struct declared {
    int weekday, peak; /* 0, -1: every */
    const char *kind, *from, *to;
};

static bool is_within(const struct declared *declared, const char *date)
{
    return strcmp(declared->from, date) <= 0 &&
           (declared->to[0] == '\0' || strcmp(declared->to, date) >= 0);
}

/* The shifts of a day: leave, rest, training and never take them away, an offer offers them. Night
 * duty takes that day's afternoon and the day after. */
static void declare(struct draft_person *person, const struct declared *declared, int day)
{
    for (int peak = 0; peak < DRAFT_PEAKS; peak++) {
        uint64_t bit = (uint64_t)1 << (day * DRAFT_PEAKS + peak);
        if (text_equal(declared->kind, "night")) {
            if (peak == DRAFT_PEAKS - 1)
                person->away |= bit;
            if (day + 1 < DRAFT_DAYS)
                person->away |= bit << DRAFT_PEAKS;
        } else if (declared->peak == -1 || declared->peak == peak) {
            if (text_equal(declared->kind, "offer"))
                person->offered |= bit;
            else
                person->away |= bit;
        }
    }
}

/* What was offered for the last term counts for this one when its volunteer has said that he goes
 * on. */
static void read_declared(struct replica *replica, struct draft *draft)
{
    struct query *q =
        replica_query(replica, "SELECT person_id, coalesce(weekday, 0), coalesce(peak, ''), kind,"
                               " coalesce(valid_from, ''), iif(kind = 'offer' AND EXISTS"
                               "  (SELECT 1 FROM term_asked t JOIN card k ON k.id = t.card_id"
                               "   WHERE t.person_id = a.person_id AND t.answer = '1'"
                               "   AND k.due_on > ?1 AND a.valid_to > ?2), '',"
                               "  coalesce(valid_to, '')) FROM avail a");
    char term[CALTIME_DATE_SIZE], before[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(draft->monday_ms, -TERM_DAYS), term);
    caltime_format_date(caltime_midnight(draft->monday_ms, -2 * TERM_DAYS), before);
    query_text(q, 1, term);
    query_text(q, 2, before);
    while (query_row(q)) {
        int index = draft_find_person(draft, query_get_text(q, 0));
        const char *peak = query_get_text(q, 2);
        struct declared declared = {.weekday = (int)query_get_int(q, 1),
                                    .peak = peak[0] == '\0' ? -1 : draft_peak(peak),
                                    .kind = query_get_text(q, 3),
                                    .from = query_get_text(q, 4),
                                    .to = query_get_text(q, 5)};
        bool unknown_peak = peak[0] != '\0' && declared.peak < 0;
        for (int day = -1; index >= 0 && !unknown_peak && day < DRAFT_DAYS; day++) {
            char date[CALTIME_DATE_SIZE];
            int weekday = day < 0 ? 7 : day + 1;
            caltime_format_date(caltime_midnight(draft->monday_ms, day), date);
            if ((declared.weekday != 0 && declared.weekday != weekday) ||
                !is_within(&declared, date))
                continue;
            if (day >= 0)
                declare(&draft->person[index], &declared, day);
            else if (text_equal(declared.kind, "night")) /* of the Sunday before */
                draft->person[index].away |= ((uint64_t)1 << DRAFT_PEAKS) - 1;
        }
    }
    query_done(q);
}

/* --- who has which place now --- */

/* Who has given a duty back, or away to somebody who wanted it, is not planned for it again. */
static bool is_given_up(const char *state)
{
    static const char *const states[] = {"cancelled", "declined", "excused", "no_show", "disputed"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (text_equal(state, states[i]))
            return true;
    return false;
}

static int add_former(struct draft *draft, int person, int place, const char *state,
                      struct err *err)
{
    const struct draft_place *where = &draft->place[place];
    bool confirmed =
        text_equal(state, "confirmed") || text_equal(state, "on_post") || text_equal(state, "done");
    bool kept = where->over || (confirmed && where->start_at - CONFIRMED_MS <= draft->now_ms);
    if (draft->afresh && !kept)
        return ERR_OK;
    if (!draft->person[person].officer) /* what was published for him is as good as offered */
        draft->person[person].offered |= (uint64_t)1 << where->shift;
    struct draft_former *former = draft_grow((void **)&draft->former, &draft->formers,
                                             sizeof *draft->former, DRAFT_PLACES_MAX);
    if (former == NULL)
        return err_set(err, ERR_LIMIT, "more than %d duties in a week", DRAFT_PLACES_MAX);
    *former = (struct draft_former){.person = person, .place = place, .kept = kept};
    return ERR_OK;
}

static int read_former(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica, "SELECT a.person_id, a.state, s.post_id, s.date, s.peak FROM assignment a"
                 " JOIN shift s ON s.id = a.shift_id WHERE s.start_at >= ?1 AND s.start_at < ?2"
                 " AND s.state NOT IN ('draft', 'cancelled')"
                 " AND (a.state <> 'cancelled' OR " DRAFT_GIVEN_AWAY ") ORDER BY a.id");
    query_int(q, 1, draft->monday_ms);
    query_int(q, 2, caltime_midnight(draft->monday_ms, DRAFT_DAYS));
    int code = ERR_OK;
    while (code == ERR_OK && query_row(q)) {
        const char *state = query_get_text(q, 1);
        int person = draft_find_person(draft, query_get_text(q, 0));
        int place = draft_find_place(draft, query_get_text(q, 2), query_get_text(q, 3),
                                     draft_peak(query_get_text(q, 4)));
        if (person < 0 || place < 0)
            continue;
        if (is_given_up(state))
            draft->person[person].away |= (uint64_t)1 << draft->place[place].shift;
        else
            code = add_former(draft, person, place, state, err);
    }
    query_done(q);
    return code;
}

static int load(struct replica *replica, struct draft *draft, struct err *err)
{
    int code = read_schools(replica, draft, err);
    if (code == ERR_OK)
        code = draft_read_demand(replica, draft, err);
    if (code == ERR_OK)
        code = draft_read_places(replica, draft, err);
    if (code == ERR_OK && draft->places == 0)
        code = err_set(err, ERR_NOT_FOUND,
                       "nothing to plan from %s on: no active posts, no hours (shifts before, or "
                       "bells), or no school that week",
                       draft->week);
    if (code == ERR_OK)
        code = read_people(replica, draft, err);
    if (code == ERR_OK)
        code = draft_read_people_more(replica, draft, err);
    if (code == ERR_OK) {
        read_declared(replica, draft);
        code = read_former(replica, draft, err);
    }
    if (code == ERR_OK)
        code = draft_read_pins(replica, draft, err);
    if (code == ERR_OK)
        code = draft_read_sponsors(replica, draft, err);
    return code == ERR_OK ? draft_build(draft, err) : code;
}

int draft_load(struct replica *replica, const struct draft_options *options, struct draft **ret,
               struct err *err)
{
    struct draft *draft = calloc(1, sizeof *draft);
    if (draft == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    text_copy(draft->station_id, sizeof draft->station_id, options->station_id);
    caltime_format_date(options->monday_ms, draft->week);
    draft->lang = text_lang_of(options->lang);
    draft->monday_ms = options->monday_ms;
    draft->now_ms = options->now_ms;
    draft->afresh = options->afresh;
    int code = load(replica, draft, err);
    if (code == ERR_OK)
        *ret = draft;
    else
        draft_free(draft);
    return code;
}

int draft_solve(struct draft *draft, struct err *err)
{
    struct roster_options options = roster_options_default();
    struct roster_figures figures;
    bool again = draft->formers * 2 >= draft->places; /* most of it is there already */
    int code = roster_place_visits(&draft->roster, &draft->visits_missing);
    if (code == ERR_OK)
        code = again ? roster_replan(&draft->roster, &draft->plan)
                     : roster_make(&draft->roster, &options, &draft->plan);
    if (code != ERR_OK)
        return err_set(err, code, "the week is too large to plan here");
    if (!roster_is_legal(&draft->roster, &draft->plan, err))
        return err_wrap(err, "the plan breaks a rule and is not used");
    code = roster_measure(&draft->roster, &draft->plan, &figures);
    if (code == ERR_OK)
        code = draft_seat(draft);
    if (code != ERR_OK)
        return err_set(err, code, "no memory for the week's plan");
    draft->cost = figures.cost;
    return ERR_OK;
}

void draft_free(struct draft *draft)
{
    if (draft == NULL)
        return;
    roster_plan_fini(&draft->plan);
    roster_fini(&draft->roster);
    free(draft->school);
    free(draft->person);
    free(draft->place);
    free(draft->former);
    free(draft->row);
    free(draft->demand);
    free(draft->sponsor);
    free(draft->seen);
    free(draft->band);
    free(draft);
}
