/* The county: schools, posts, people and what they declared, the calendar with its late word,
 * leave, storms, exams; when which station has which trouble; and the line, over which the county's
 * rows come and the station's rows go while it is up. */
#include "tests/sim/term/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/calendar.h"
#include "sync/replica/tables.h"

enum {
    SENIORS = 1, /* of a station */
    SQL_BYTES = 2048,
    TABLES_MAX = 40,
    EXCHANGE_MS = 20 * CALTIME_MINUTE_MS,
    OUTAGE_DAYS_MAX = 35,
};

static const char *const weekdays[] = {"am", "pm"};

/* --- who there is --- */

static struct member *add_member(struct world *world, const char *kind, int station, int school)
{
    static const char *const family[] = {"王", "李", "张", "刘", "陈",
                                         "杨", "赵", "黄", "周", "吴"};
    if (world->member_count == MEMBERS_MAX)
        give_up("too many people");
    int n = world->member_count++;
    struct member *member = &world->members[n];
    *member = (struct member){.kind = kind, .station = station};
    snprintf(member->id, sizeof member->id, "M%04d", n);
    snprintf(member->name, sizeof member->name, "%s%d", family[n % 10], n);
    snprintf(member->number, sizeof member->number, "+8613800%06d", n);
    if (school >= 0)
        snprintf(member->school, sizeof member->school, "K%02d", school);
    return member;
}

int member_of(const struct world *world, const char *number)
{
    int n;
    if (strncmp(number, "+8613800", 8) != 0 ||
        !text_to_int(number + 8, 0, world->member_count - 1, &n))
        return -1;
    return n;
}

/* The first of each station lead it, answer for its schools and sit in the duty room. */
static void make_people(struct world *world)
{
    static const char *const kinds[] = {"parent", "parent", "parent", "teacher", "yijing"};
    const struct size *size = &world->size;
    for (int i = 0; i < size->stations; i++) {
        add_member(world, "police", i, -1);
        add_member(world, "police", i, -1);
        add_member(world, "desk", i, -1);
    }
    for (int i = 0; i < size->officers; i++) {
        int school = i % size->schools;
        add_member(world, i % 3 == 0 ? "police" : "auxiliary", world->school_station[school],
                   school);
    }
    for (int i = 0; i < size->volunteers; i++) {
        int school = i % size->schools;
        add_member(world, kinds[i % 5], world->school_station[school], school);
    }
}

void county_make(struct world *world)
{
    struct err err;
    world->county_cells.wall_ms = world->began;
    world->county_clock = clock_manual(&world->county_cells);
    world->county_rnd = rnd_seeded(world->seed ^ 77);
    struct replica_options options = {.path = ":memory:",
                                      .clock = &world->county_clock,
                                      .rnd = &world->county_rnd,
                                      .seal = world->seal};
    if (replica_open(&options, &world->county, &err) != ERR_OK)
        give_up("county: %s", err.text);
    for (int i = 0; i < world->size.schools; i++)
        world->school_station[i] = i * world->size.stations / world->size.schools;
    make_people(world);
}

/* --- rows of one station --- */

static void fill_person(struct replica *replica, const struct member *member, const char *station,
                        bool senior)
{
    replica_run(replica,
                "INSERT INTO person(id, scope, kind, name, station_id, school_id, senior, phone,"
                " active) VALUES (?1, ?2, ?3, ?4, ?2, nullif(?5, ''), ?6, seal_phone(?7), 1)",
                "sssssis", member->id, station, member->kind, member->name, member->school,
                (int64_t)senior, member->number);
}

/* What somebody declared; peak "": both, weekday 0: every day, to "": for ever. */
static void fill_avail(struct replica *replica, const char *id, const char *station,
                       const char *person, int weekday, const char *peak, const char *kind)
{
    replica_run(replica,
                "INSERT INTO avail(id, scope, person_id, weekday, peak, kind)"
                " VALUES (?1, ?2, ?3, nullif(?4, 0), nullif(?5, ''), ?6)",
                "sssiss", id, station, person, (int64_t)weekday, peak, kind);
}

static void fill_offers(struct station *station, const struct member *member)
{
    char id[48];
    struct world *world = station->world;
    if (text_equal(member->kind, "police") || text_equal(member->kind, "auxiliary")) {
        snprintf(id, sizeof id, "%s.any", member->id);
        if (drawn(world, member->id, 1, 100) < 40)
            fill_avail(station->replica, id, station->id, member->id, 0, "", "offer");
        return;
    }
    for (int i = 0; i < 3; i++) {
        int slot = (int)drawn(world, member->id, 10 + i, 10);
        if (i == 2 && drawn(world, member->id, 20, 3) > 0)
            continue;
        snprintf(id, sizeof id, "%s.%d", member->id, i);
        fill_avail(station->replica, id, station->id, member->id, 1 + slot / 2, weekdays[slot % 2],
                   "offer");
    }
}

/* Officers' ways to each school, their skills, and the gates of every third school that need one.
 */
static void fill_needs(struct station *station)
{
    replica_run(
        station->replica,
        "INSERT INTO reach(id, scope, person_id, school_id, band) SELECT p.id || '.' || s.id,"
        " ?1, p.id, s.id, CASE WHEN p.school_id = s.id THEN 5 ELSE 10 + 5 *"
        " (abs(unicode(substr(p.id, -1)) + unicode(substr(s.id, -1))) % 4) END"
        " FROM person p JOIN school s WHERE p.kind IN ('police', 'auxiliary')",
        "s", station->id);
    replica_run(station->replica,
                "INSERT INTO skill(id, scope, person_id, name) SELECT p.id || '.k', ?1, p.id,"
                " '交通指挥' FROM person p WHERE p.kind IN ('police', 'auxiliary')"
                " AND unicode(substr(p.id, -1)) % 2 = 0",
                "s", station->id);
    replica_run(station->replica,
                "INSERT INTO demand(id, scope, post_id, skills) SELECT po.id || '.d', ?1, po.id,"
                " '交通指挥' FROM post po WHERE po.id GLOB '*-0'"
                " AND unicode(substr(po.school_id, -1)) % 3 = 0",
                "s", station->id);
}

static void fill_people(struct station *station)
{
    struct world *world = station->world;
    int heads = 0;
    for (int i = 0; i < world->member_count; i++) {
        const struct member *member = &world->members[i];
        if (member->station != station->index)
            continue;
        bool head = member->school[0] == '\0';
        fill_person(station->replica, member, station->id, head && heads == 1);
        if (!head)
            fill_offers(station, member);
        else if (heads != 1)
            replica_run(station->replica,
                        "INSERT INTO duty_lead(id, scope, org_id, from_min, to_min, person_id,"
                        " level) VALUES ('lead' || ?3, ?1, ?1, 0, 1440, ?2, ?3)",
                        "ssi", station->id, member->id, (int64_t)(heads == 0 ? 2 : 4));
        heads += head;
    }
    replica_run(
        station->replica,
        "INSERT INTO sponsor(id, scope, senior_id, school_id) SELECT 'sp' || s.id, ?1, p.id,"
        " s.id FROM school s JOIN person p ON p.senior = 1",
        "s", station->id);
}

/* Four kinds: a gate for two, a patrol of one officer, two posts for one volunteer. */
static void fill_posts(struct station *station, int school, const char *school_id)
{
    const struct size *size = &station->world->size;
    int posts = size->posts / size->schools + (school < size->posts % size->schools);
    for (int i = 0; i < posts; i++) {
        static const char *const kinds[] = {"gate", "patrol", "nonmotor", "gate"};
        static const char *const names[] = {"东门", "巡逻", "车道", "西门"};
        char id[32], name[32];
        snprintf(id, sizeof id, "%s-%d", school_id, i);
        snprintf(name, sizeof name, "%s%s", names[i % 4], i < 4 ? "" : "乙");
        replica_run(station->replica,
                    "INSERT INTO post(id, scope, school_id, name, short, kind, need, active)"
                    " VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, 1)",
                    "sssssi", id, station->id, school_id, name, kinds[i % 4],
                    (int64_t)(i % 4 == 0 ? 2 : 1));
    }
}

static void fill_bell(struct station *station, const char *school_id, const char *peak, int at_min)
{
    char id[32];
    snprintf(id, sizeof id, "%s.%s", school_id, peak);
    replica_run(station->replica,
                "INSERT INTO bell(id, scope, school_id, weekdays, peak, at_min)"
                " VALUES (?1, ?2, ?3, 31, ?4, ?5)",
                "ssssi", id, station->id, school_id, peak, (int64_t)at_min);
}

/* Each fourth school has a face terminal, which knows everybody of the school. */
static void fill_terminal(struct station *station, const char *school_id)
{
    replica_run(station->replica,
                "INSERT INTO device(id, scope, school_id, post_id, product, kind)"
                " VALUES ('F' || ?1, ?2, ?1, ?1 || '-0', 'mqtt_face', 'face')",
                "ss", school_id, station->id);
    for (int i = 0; i < station->world->member_count; i++) {
        const struct member *member = &station->world->members[i];
        if (text_equal(member->school, school_id))
            replica_run(station->replica,
                        "INSERT INTO badge(id, scope, device_id, number, person_id)"
                        " VALUES ('B' || ?1, ?2, 'F' || ?3, ?1, ?1)",
                        "sss", member->id, station->id, school_id);
    }
}

static void fill_schools(struct station *station)
{
    struct world *world = station->world;
    for (int i = 0; i < world->size.schools; i++) {
        char id[16], code[16], name[40];
        if (world->school_station[i] != station->index)
            continue;
        snprintf(id, sizeof id, "K%02d", i);
        snprintf(code, sizeof code, "S%02d", i);
        snprintf(name, sizeof name, "第%d小学", i + 1);
        replica_run(station->replica,
                    "INSERT INTO school(id, scope, code, name, short, township, station_id)"
                    " VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?2)",
                    "sssss", id, station->id, code, name, i % 2 == 0 ? "突泉镇" : "六户镇");
        fill_bell(station, id, "am", 7 * 60 + 40 + 10 * (i % 3));
        fill_bell(station, id, "pm", 16 * 60 + 30 + 15 * (i % 3));
        fill_posts(station, i, id);
        alarms_fill(station, id);
        if (i % 4 == 3)
            fill_terminal(station, id);
    }
}

static void fill_day(struct replica *replica, const char *date, int off, int follow)
{
    replica_run(replica,
                "INSERT INTO cal_day(id, scope, date, off, follow_weekday)"
                " VALUES ('cal' || ?1, '*', ?1, ?2, nullif(?3, 0))"
                " ON CONFLICT(id) DO UPDATE SET off = excluded.off",
                "sii", date, (int64_t)off, (int64_t)follow);
}

/* The State Council's notice for 2026; that for 2027 comes in November. */
static void fill_calendar(struct replica *replica)
{
    static const char *const off[] = {"2026-09-25", "2026-09-26", "2026-09-27", "2026-10-01",
                                      "2026-10-02", "2026-10-03", "2026-10-04", "2026-10-05",
                                      "2026-10-06", "2026-10-07"};
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        fill_day(replica, off[i], 1, 0);
    fill_day(replica, "2026-09-20", 0, 2);
    fill_day(replica, "2026-10-10", 0, 3);
}

/* The boxes that watch this one and are watched by it: the next one, in a ring. */
static void fill_neighbour(struct station *station)
{
    struct world *world = station->world;
    int next = (station->index + 1) % world->size.stations;
    char number[24], id[16], name[32], leader[24];
    if (next == station->index)
        return;
    for (int side = 0; side < 2; side++) {
        int other =
            side == 0 ? next : (station->index + world->size.stations - 1) % world->size.stations;
        if (side == 1 && other == next)
            return;
        snprintf(id, sizeof id, "nb%d", other);
        snprintf(name, sizeof name, "第%d派出所", other + 1);
        snprintf(number, sizeof number, "+8613900%06d", other);
        snprintf(leader, sizeof leader, "+8613800%06d", 3 * other);
        replica_run(station->replica,
                    "INSERT INTO card(id, scope, kind, code, name, state)"
                    " VALUES (?1, ?2, 'neighbour', ?1, ?3, 'on')",
                    "sss", id, station->id, name);
        replica_run(station->replica,
                    "INSERT INTO card_phone(card_id, phone) VALUES (?1, seal_phone(?2)),"
                    " (?1 || ':leader', seal_phone(?3))",
                    "sss", id, number, leader);
    }
}

void county_fill(struct station *station)
{
    replica_enter(station->replica);
    replica_set_applying(station->replica, true);
    replica_run(station->replica,
                "INSERT INTO org(id, scope, kind, name, public_phone)"
                " VALUES (?1, '*', 'station', ?2, '0482-5100117')",
                "ss", station->id, station->name);
    fill_schools(station);
    fill_people(station);
    fill_needs(station);
    fill_calendar(station->replica);
    fill_neighbour(station);
    replica_set_applying(station->replica, false);
    if (!replica_leave(station->replica, true))
        give_up("%s: %s", station->id, replica_problem(station->replica));
    station_commit(station);
}

/* --- what the county will say, and what will go wrong --- */

/* ref: the person or "", words: kind, from and to, or the day. */
static void change(struct station *station, int64_t at, const char *ref, const char *words)
{
    struct event event = {.at = at, .kind = EVENT_CHANGE};
    text_copy(event.ref, sizeof event.ref, ref);
    text_copy(event.words, sizeof event.words, words);
    station_put(station, &event);
}

static void plan_leave(struct station *station)
{
    struct world *world = station->world;
    static const char *const kinds[] = {"leave", "leave", "night", "training"};
    for (int i = 0; i < world->member_count; i++) {
        const struct member *member = &world->members[i];
        if (member->station != station->index || member->school[0] == '\0')
            continue;
        for (int week = 0; week < world->size.weeks; week++) {
            if (!chance(world, 25))
                continue;
            char words[WORDS_BYTES], from[CALTIME_DATE_SIZE], to[CALTIME_DATE_SIZE];
            int64_t first = caltime_midnight(world->began, 7 * week + (int)below(world, 5));
            caltime_format_date(first, from);
            caltime_format_date(caltime_midnight(first, (int)below(world, 3)), to);
            snprintf(words, sizeof words, "%s %s %s", kinds[below(world, 4)], from, to);
            change(station, first - (int64_t)below(world, 12) * CALTIME_DAY_MS + minutes(600),
                   member->id, words);
        }
    }
}

static void plan_calendar(struct station *station)
{
    struct world *world = station->world;
    for (int day = 1; day <= 3; day++) {
        char words[WORDS_BYTES];
        snprintf(words, sizeof words, "day 2027-01-%02d", day);
        change(station, caltime_to_ms(2026, 11, 15, 10, 0), "", words);
    }
    for (int storm = 0; storm < 3; storm++) { /* the same days for all */
        char date[CALTIME_DATE_SIZE], words[WORDS_BYTES], name[8];
        snprintf(name, sizeof name, "storm%d", storm);
        int64_t day =
            caltime_midnight(world->began, (int)drawn(world, name, 1, 7 * world->size.weeks));
        caltime_format_date(day, date);
        snprintf(words, sizeof words, "storm %s", date);
        change(station, day - minutes((double)drawn(world, name, 2, 300) + 1), "", words);
    }
}

/* Two days of exams at the first school of the station, none in the holidays of October: posts all
 * day. Said ten days before. */
static void plan_exams(struct station *station)
{
    struct world *world = station->world;
    for (int i = 0; i < 2; i++) {
        char date[CALTIME_DATE_SIZE], words[WORDS_BYTES], school[16] = "";
        int week = 1 + station->index + (station->index > 2 ? 2 : 0);
        int64_t day = caltime_midnight(world->began, 7 * week + 2 + i);
        for (int s = world->size.schools - 1; s >= 0; s--)
            if (world->school_station[s] == station->index)
                snprintf(school, sizeof school, "K%02d", s);
        caltime_format_date(day, date);
        snprintf(words, sizeof words, "exam %s", date);
        change(station, caltime_midnight(day, -10) + minutes(600 + i), school, words);
    }
}

static int64_t in_term(struct world *world)
{
    return world->began + below(world, world->ends - world->began);
}

static void add_trouble(struct station *station, enum trouble_kind kind, int64_t from, int64_t ms)
{
    if (station->trouble_count == TROUBLES_MAX)
        return;
    struct trouble trouble = {kind, from, from + ms};
    struct event event = {.at = from, .kind = EVENT_TROUBLE, .arg = station->trouble_count};
    for (int i = 0; i < station->trouble_count; i++) /* one of a kind at a time */
        if (station->troubles[i].kind == kind && station->troubles[i].from <= trouble.to + 1 &&
            station->troubles[i].to + 1 >= trouble.from)
            return;
    station->troubles[station->trouble_count++] = trouble;
    station_put(station, &event);
    event.at = trouble.to;
    if (ms > 0)
        station_put(station, &event);
}

static void plan_troubles(struct station *station)
{
    struct world *world = station->world;
    int weeks = world->size.weeks;
    if (chance(world, 800))
        add_trouble(station, TROUBLE_LINE, in_term(world),
                    CALTIME_DAY_MS * (1 + below(world, OUTAGE_DAYS_MAX)));
    for (int i = 0; i < 1 + weeks / 2; i++)
        add_trouble(station, TROUBLE_LINE, in_term(world), minutes(1 + (double)below(world, 600)));
    for (int i = 0; i < 1 + weeks / 6; i++)
        add_trouble(station, TROUBLE_BOX, in_term(world), minutes(20 + (double)below(world, 820)));
    for (int i = 0; i < 1 + weeks / 6; i++)
        add_trouble(station, TROUBLE_NETWORK, in_term(world),
                    minutes(10 + (double)below(world, 400)));
    for (int i = 0; i < weeks; i++)
        add_trouble(station, TROUBLE_RESTART, in_term(world), 0);
    for (int i = 0; i < 1 + weeks / 2; i++) {
        struct event flood = {.at = caltime_midnight(in_term(world), 0) +
                                    minutes(390 + (double)below(world, 700)),
                              .kind = EVENT_FLOOD,
                              .arg = 50 + below(world, 350)};
        station_put(station, &flood);
    }
}

void county_plan(struct station *station)
{
    struct world *world = station->world;
    plan_leave(station);
    plan_calendar(station);
    plan_exams(station);
    plan_troubles(station);
    struct event event = {.at = world->now + below(world, EXCHANGE_MS), .kind = EVENT_EXCHANGE};
    station_put(station, &event);
}

/* --- the line --- */

/* The county's calendar names the day, and the leader orders the watches unless the line was down
 * until then. */
static void hold_exam(struct station *station, const char *school, const char *date)
{
    char code[16];
    snprintf(code, sizeof code, "S%s", school + 1);
    struct exam_day day = {.school = code, .date = date, .from = "07:30", .to = "17:30"};
    struct err err = {0};
    int64_t midnight;
    int shifts = 0;
    replica_run(station->replica,
                "INSERT OR IGNORE INTO school_day(id, scope, school_id, date, kind, reason)"
                " VALUES (?1 || ?2, ?3, ?1, ?2, 'exam', '考试')",
                "sss", school, date, station->id);
    replica_set_applying(station->replica, false);
    if (!caltime_parse_date(date, &midnight) || midnight <= station->cells.wall_ms)
        return;
    if (calendar_exam(&station->duty, &day, &shifts, &err) != ERR_OK || shifts == 0)
        give_up("%s exam at %s %s: %s", station->id, school, date, err.text);
    note(station->world, "%s exam at %s %s: %d shifts", station->id, school, date, shifts);
}

static void apply(struct station *station, const struct event *event)
{
    char kind[16], from[16], to[16] = "", id[REF_BYTES + 40];
    /* NOLINTNEXTLINE(cert-err34-c): our own words */
    if (sscanf(event->words, "%15s %15s %15s", kind, from, to) < 2)
        give_up("what is \"%s\"?", event->words);
    replica_enter(station->replica);
    replica_set_applying(station->replica, true);
    snprintf(id, sizeof id, "%s.%s.%s", event->ref, kind, from);
    if (text_equal(kind, "day"))
        fill_day(station->replica, from, 1, 0);
    else if (text_equal(kind, "exam"))
        hold_exam(station, event->ref, from);
    else if (text_equal(kind, "storm"))
        replica_run(station->replica,
                    "INSERT OR IGNORE INTO school_day(id, scope, school_id, date, kind, reason)"
                    " SELECT id || ?1, scope, id, ?1, 'storm', '大雪' FROM school",
                    "s", from);
    else
        replica_run(station->replica,
                    "INSERT OR IGNORE INTO avail(id, scope, person_id, kind, valid_from, valid_to)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    "ssssss", id, station->id, event->ref, kind, from, to);
    replica_set_applying(station->replica, false);
    replica_leave(station->replica, true);
    station->look = true;
}

/* While the line or the box is down, the county's word waits for it. */
void county_say(struct station *station, const struct event *event)
{
    int64_t line = station_trouble(station, TROUBLE_LINE, event->at);
    int64_t box = station_trouble(station, TROUBLE_BOX, event->at);
    int64_t until = line > box ? line : box;
    struct event later = *event;
    later.at = until + minutes(2);
    if (until > 0)
        station_put(station, &later);
    else
        apply(station, event);
}

/* Statements live as long as the replicas: made once for each table. */
struct copy {
    char read[SQL_BYTES], write[SQL_BYTES], remove[SQL_BYTES];
};

static const struct copy *copy_of(const struct table *table)
{
    static struct copy copies[TABLES_MAX];
    int index = (int)(table - tables);
    struct copy *copy = &copies[index];
    if (index >= TABLES_MAX)
        give_up("more than %d tables", TABLES_MAX);
    if (copy->read[0] != '\0')
        return copy;
    char names[SQL_BYTES / 2] = "id, scope", marks[SQL_BYTES / 4] = "?1, ?2";
    for (int i = 0; table->columns[i].name != NULL; i++) {
        size_t used = strlen(names), more = strlen(marks);
        snprintf(names + used, sizeof names - used, ", %s", table->columns[i].name);
        snprintf(marks + more, sizeof marks - more, ", ?%d", i + 3);
    }
    snprintf(copy->write, sizeof copy->write, "INSERT OR REPLACE INTO %s(%s) VALUES (%s)",
             table->name, names, marks);
    snprintf(copy->remove, sizeof copy->remove, "DELETE FROM %s WHERE id = ?1", table->name);
    snprintf(copy->read, sizeof copy->read, "SELECT %s FROM %s WHERE id = ?1", names, table->name);
    return copy;
}

static void copy_row(struct station *station, const struct table *table, const char *pk)
{
    const struct copy *copy = copy_of(table);
    struct replica *county = station->world->county;
    struct query *from = replica_query(station->replica, copy->read);
    query_text(from, 1, pk);
    if (query_row(from)) {
        struct query *to = replica_query(county, copy->write);
        for (int i = 0; i < 2 || table->columns[i - 2].name != NULL; i++) {
            bool number = i >= 2 && table->columns[i - 2].type == COLUMN_INT;
            if (query_is_null(from, i))
                query_null(to, i + 1);
            else if (number)
                query_int(to, i + 1, query_get_int(from, i));
            else
                query_text(to, i + 1, query_get_text(from, i));
        }
        query_row(to);
        query_done(to);
    } else {
        replica_run(county, copy->remove, "s", pk);
    }
    query_done(from);
}

static void send_marks(struct station *station)
{
    int64_t last = replica_get_int(station->replica, 0, "SELECT max(lseq) FROM sync_out", "");
    struct query *q = replica_query(station->replica,
                                    "SELECT tid, pk FROM sync_out WHERE lseq <= ?1 ORDER BY lseq");
    query_int(q, 1, last);
    while (query_row(q)) {
        const struct table *table = table_by_tid((int)query_get_int(q, 0));
        if (station->world->removed == REMOVE_MARKS &&
            drawn(station->world, query_get_text(q, 1), 99, 100) == 0)
            continue;
        if (table != NULL)
            copy_row(station, table, query_get_text(q, 1));
    }
    query_done(q);
    replica_run(station->replica, "DELETE FROM sync_out WHERE lseq <= ?1", "i", last);
}

void county_exchange(struct station *station)
{
    struct world *world = station->world;
    world->county_cells.wall_ms = station->cells.wall_ms;
    replica_enter(world->county);
    replica_set_applying(world->county, true);
    replica_enter(station->replica);
    send_marks(station);
    bool kept = replica_leave(station->replica, true) && replica_leave(world->county, true);
    replica_set_applying(world->county, false);
    if (!kept || !replica_commit(world->county))
        give_up("the line: %s %s", replica_problem(station->replica),
                replica_problem(world->county));
}
