/* roster [FILE] [--plan OUT] [--bound N] [--seconds S] [--steps N] [--seed N] [--volunteers OUT]
 * [--visits OUT] [--baseline PLAN] [--quick yes]: plans a week in the form of tests/data/roster,
 * the one there unless told.
 *
 * flow_cost: the optimum of the model of role seats. cost, gap_pct: of the whole plan, against the
 * lower bound (known for the file here, which is found again by its bytes). seconds: flow, repair
 * and volunteers on one core. rss_mb: of this process when the first plan is made. replan_changes,
 * replan_ms: one officer declines one duty, each time from the same plan; median of 200.
 * saved_min_per_officer_day: ways and posts against the week of --baseline, else against one made
 * by hand: whoever is free and near enough, as the list falls. candidates_ms: stand-ins for one
 * place, median and 95th percentile of 200. growth_10x: ten such counties in one week against one.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"
#include "gateway/duty/roster/explain.h"
#include "gateway/duty/roster/io.h"

enum { DECLINES = 200, COUNTIES = 10, PLAN_BYTES = 64 << 20 };

#define KNOWN_FILE "tests/data/roster/county-1.json"
static const uint64_t known_hash = 0x4b24d105cd3dfea4U;
static const int64_t known_bound = 57230;

struct job {
    const char *file, *plan, *volunteers, *visits, *baseline;
    int64_t bound;
    bool quick; /* one plan, no more */
    struct roster_options options;
};

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "roster: %s: %s\n", what, why);
    exit(1);
}

static void figure(const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"roster\",\"figure\":\"%s\",\"value\":%.10g,\"unit\":\"%s\"}\n", name,
           value, unit);
    fflush(stdout);
}

/* FNV-1a */
static uint64_t hash_of(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3U;
    return hash;
}

static char *read_all(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        give_up(path, "cannot be read");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    if (size < 0 || size > LIMIT_JSON_BYTES)
        give_up(path, "too large");
    char *text = malloc((size_t)size + 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size)
        give_up(path, "cannot be read");
    fclose(file);
    *ret_size = (size_t)size;
    return text;
}

static void load(struct job *job, struct roster *ret)
{
    size_t size;
    struct err err = {0};
    char *text = read_all(job->file, &size);
    if (job->bound == 0 && hash_of(text, size) == known_hash)
        job->bound = known_bound;
    if (roster_read(text, size, ret, &err) != ERR_OK)
        give_up(job->file, err.text);
    free(text);
    malloc_trim(0);
}

static double rss_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

static void must(int code, const char *what)
{
    if (code != ERR_OK)
        give_up(what, code == ERR_NOMEM ? "no memory" : "too large");
}

struct spent {
    double seconds, cpu; /* of the clock on the wall, of the one core used */
};

static double cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static struct spent plan(const struct roster *roster, const struct roster_options *options,
                         struct roster_plan *ret)
{
    struct err err = {0};
    int64_t started = clock_mono_us();
    double cpu = cpu_s();
    must(roster_make(roster, options, ret), "plan");
    struct spent spent = {(double)(clock_mono_us() - started) / 1e6, cpu_s() - cpu};
    if (!roster_is_legal(roster, ret, &err))
        give_up("the plan breaks a rule", err.text);
    return spent;
}

typedef bool write_fn(const struct roster *roster, const struct roster_plan *plan, struct buf *out);

static bool write_visits(const struct roster *roster, const struct roster_plan *plan,
                         struct buf *out)
{
    (void)plan;
    return roster_write_visits(roster, out);
}

static void save(const char *path, const struct roster *roster, const struct roster_plan *plan,
                 write_fn *write)
{
    if (path == NULL)
        return;
    struct buf out;
    buf_init(&out, PLAN_BYTES);
    FILE *file = fopen(path, "w");
    if (!write(roster, plan, &out) || file == NULL ||
        fwrite(out.bytes, 1, out.size, file) != out.size || fclose(file) != 0)
        give_up(path, "cannot be written");
    buf_free(&out);
}

/* --- one decline --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static int pick_duty(const struct roster *roster, const struct roster_plan *plan, struct rnd *rnd)
{
    size_t cells = (size_t)roster->officers * (size_t)roster->shifts;
    for (;;) {
        int at = (int)rnd_below(rnd, cells);
        if (plan->at[at] >= 0)
            return at;
    }
}

static double stand_in_ms(const struct roster *roster, const struct roster_plan *plan, int officer,
                          int shift)
{
    struct roster_stand_in list[3];
    int64_t started = clock_mono_us();
    roster_stand_ins(roster, plan, plan->at[officer * roster->shifts + shift], shift, officer, 25,
                     list, 3);
    return (double)(clock_mono_us() - started) / 1e3;
}

static void declines(struct roster *roster, const struct roster_plan *plan)
{
    struct rnd rnd = rnd_seeded(1);
    double changes[DECLINES], ms[DECLINES], stand_in[DECLINES];
    size_t size = (size_t)roster->officers * (size_t)roster->shifts * sizeof *roster->former;
    roster->former = malloc(size);
    if (roster->former == NULL)
        give_up("replan", "no memory");
    memcpy(roster->former, plan->at, size);
    for (int i = 0; i < DECLINES; i++) {
        struct roster_plan again;
        struct roster_figures figures;
        int at = pick_duty(roster, plan, &rnd);
        uint64_t *available = &roster->officer[at / roster->shifts].free, before = *available;
        *available &= ~((uint64_t)1 << (at % roster->shifts));
        int64_t started = clock_mono_us();
        must(roster_replan(roster, &again), "replan");
        ms[i] = (double)(clock_mono_us() - started) / 1e3;
        must(roster_measure(roster, &again, &figures), "replan");
        changes[i] = figures.changes;
        roster_plan_fini(&again);
        stand_in[i] = stand_in_ms(roster, plan, at / roster->shifts, at % roster->shifts);
        *available = before;
    }
    figure("candidates_ms", median(stand_in, DECLINES), "ms");
    figure("candidates_p95_ms", stand_in[DECLINES * 95 / 100], "ms");
    figure("replan_changes", median(changes, DECLINES), "person-shifts");
    figure("replan_ms", median(ms, DECLINES), "ms");
    free(roster->former);
    roster->former = NULL;
}

/* --- what it saves --- */

static int pick_near(const struct roster *roster, struct rnd *rnd, const int *duties, int cell)
{
    int start = (int)rnd_below(rnd, (uint64_t)roster->officers), shift = cell % roster->shifts;
    for (int i = 0; i < roster->officers; i++) {
        int o = (start + i) % roster->officers;
        if ((roster->officer[o].free >> shift & 1) != 0 && duties[o] < roster->officer[o].cap &&
            roster->former[o * roster->shifts + shift] < 0 &&
            roster_minutes(roster, o, cell / roster->shifts) >= 0)
            return o;
    }
    return ROSTER_NONE;
}

/* As many people as each school needs, whoever comes first. */
static void by_hand(struct roster *roster)
{
    struct rnd rnd = rnd_seeded(1);
    size_t cells = (size_t)roster->officers * (size_t)roster->shifts;
    int *duties = calloc((size_t)roster->officers + 1, sizeof *duties);
    roster->former = malloc((cells + 1) * sizeof *roster->former);
    if (duties == NULL || roster->former == NULL)
        give_up("baseline", "no memory");
    for (size_t i = 0; i < cells; i++)
        roster->former[i] = ROSTER_NONE;
    for (int c = 0; c < roster->schools * roster->shifts; c++)
        for (int n = 0; n < roster->need[c].places; n++) {
            int o = pick_near(roster, &rnd, duties, c);
            if (o == ROSTER_NONE)
                break;
            roster->former[o * roster->shifts + c % roster->shifts] = (int16_t)(c / roster->shifts);
            duties[o]++;
        }
    free(duties);
}

static void saved(const struct job *job, struct roster *roster,
                  const struct roster_figures *figures)
{
    double minutes = 0, days = roster->officers * (roster->day[roster->shifts - 1] + 1.0);
    int duties = 0;
    struct err err = {0};
    size_t size;
    char *text = job->baseline != NULL ? read_all(job->baseline, &size) : NULL;
    if (text == NULL)
        by_hand(roster);
    else if (roster_read_former(roster, text, size, &err) != ERR_OK)
        give_up(job->baseline, err.text);
    free(text);
    if (roster->former == NULL)
        give_up("baseline", "is empty");
    for (int i = 0; i < roster->officers * roster->shifts; i++) {
        int way = roster->former[i] < 0
                      ? ROSTER_NONE
                      : roster_minutes(roster, i / roster->shifts, roster->former[i]);
        duties += roster->former[i] >= 0;
        minutes += way > 0 ? 2.0 * way : 0;
    }
    free(roster->former);
    roster->former = NULL;
    double each = duties > 0 ? minutes / duties : 0;
    double mine = figures->duties > 0 ? (double)figures->minutes / figures->duties : 0;
    double ways = (each - mine) * figures->duties / days;
    double posts = (duties - figures->duties) * (roster->weights.duty_minutes + each) / days;
    figure("saved_min_per_officer_day", ways + posts, "min");
    figure("saved_ways_min", ways, "min");
    figure("saved_posts_min", posts, "min");
    figure("baseline_commute_min_per_duty", each, "min");
}

/* --- ten counties --- */

static void copy_county(struct roster *to, const struct roster *from, int number)
{
    int schools = number * from->schools, officers = number * from->officers;
    int reaches = number * from->reaches, volunteers = number * from->volunteers;
    memcpy(to->need + schools * from->shifts, from->need,
           (size_t)(from->schools * from->shifts) * sizeof *to->need);
    for (int o = 0; o < from->officers; o++) {
        to->officer[officers + o] = from->officer[o];
        to->officer[officers + o].reach += reaches;
    }
    for (int i = 0; i < from->reaches; i++) {
        to->reach[reaches + i] = from->reach[i];
        to->reach[reaches + i].school = (int16_t)(from->reach[i].school + schools);
    }
    for (int v = 0; v < from->volunteers; v++) {
        to->volunteer[volunteers + v] = from->volunteer[v];
        to->volunteer[volunteers + v].school = (int16_t)(from->volunteer[v].school + schools);
    }
}

static double ten_counties(const struct roster *one, const struct roster_options *options)
{
    struct roster ten;
    struct roster_plan made;
    struct err err = {0};
    if (roster_init(&ten, one->schools * COUNTIES, one->shifts, one->officers * COUNTIES,
                    one->volunteers * COUNTIES, one->reaches * COUNTIES, &err) != ERR_OK)
        give_up("ten counties", err.text);
    memcpy(ten.day, one->day, sizeof ten.day);
    for (int i = 0; i < COUNTIES; i++)
        copy_county(&ten, one, i);
    struct roster_options all = *options;
    all.time_us = 0; /* no end but that of the steps */
    double cpu = plan(&ten, &all, &made).cpu;
    roster_plan_fini(&made);
    roster_fini(&ten);
    return cpu;
}

/* --- all of it --- */

static void parse(struct job *job, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (name[0] != '-') {
            job->file = name;
            continue;
        }
        if (value == NULL)
            give_up(name, "needs a value");
        i++;
        if (strcmp(name, "--plan") == 0)
            job->plan = value;
        else if (strcmp(name, "--volunteers") == 0)
            job->volunteers = value;
        else if (strcmp(name, "--visits") == 0)
            job->visits = value;
        else if (strcmp(name, "--baseline") == 0)
            job->baseline = value;
        else if (strcmp(name, "--bound") == 0)
            job->bound = strtoll(value, NULL, 10);
        else if (strcmp(name, "--quick") == 0)
            job->quick = true;
        else if (strcmp(name, "--seconds") == 0)
            job->options.time_us = (int64_t)(strtod(value, NULL) * 1e6);
        else if (strcmp(name, "--steps") == 0)
            job->options.steps = strtoll(value, NULL, 10);
        else if (strcmp(name, "--seed") == 0)
            job->options.seed = strtoull(value, NULL, 10);
        else
            give_up(name, "no such option");
    }
}

static void tell(const struct job *job, const struct roster_figures *figures)
{
    figure("cost", (double)figures->cost, "");
    if (job->bound > 0)
        figure("gap_pct", 100.0 * (double)(figures->cost - job->bound) / (double)job->bound, "%");
    figure("empty_places", (double)figures->empty, "of officers");
    figure("missing_skills", (double)figures->missing_skills, "");
    figure("commute_min_per_duty",
           figures->duties > 0 ? (double)figures->minutes / figures->duties : 0, "min");
    figure("volunteer_places_filled",
           figures->volunteer_places > 0
               ? 100.0 * figures->volunteer_duties / figures->volunteer_places
               : 100.0,
           "%");
}

int main(int argc, char **argv)
{
    struct job job = {.file = KNOWN_FILE, .options = roster_options_default()};
    struct roster roster;
    struct roster_plan made;
    struct roster_figures figures;
    int64_t flow_cost;
    int missing;
    parse(&job, argc, argv);
    load(&job, &roster);
    must(roster_place_visits(&roster, &missing), "visits");
    must(roster_flow_cost(&roster, &flow_cost), "flow");
    figure("flow_cost", (double)flow_cost, "");
    struct spent spent = plan(&roster, &job.options, &made);
    double rss = rss_mb();
    must(roster_measure(&roster, &made, &figures), "measure");
    tell(&job, &figures);
    figure("visits_missing", missing, "");
    figure("seconds", spent.seconds, "s");
    figure("cpu_seconds", spent.cpu, "s");
    figure("rss_mb", rss, "MB");
    save(job.plan, &roster, &made, roster_write);
    save(job.volunteers, &roster, &made, roster_write_volunteers);
    save(job.visits, &roster, &made, write_visits);
    if (!job.quick) {
        saved(&job, &roster, &figures);
        declines(&roster, &made);
        figure("growth_10x", ten_counties(&roster, &job.options) / spent.cpu, "times");
    }
    roster_plan_fini(&made);
    roster_fini(&roster);
    return 0;
}
