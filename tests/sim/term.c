/* A term of school in virtual time: 20 weeks, 34 schools with 222 posts at 8 stations, 400
 * officers, 2,000 volunteers (term/world.h says what is real and what is made up).
 *
 * Things go wrong all the time: people decline, swap, forget, come late or not at all; parents
 * write by the hundred; boxes are down for up to 14 hours and are started again at any time, the
 * mobile network is away for hours, the line to the county for up to 35 days.
 *
 *   sim_term [--seeds N] [--first N] [--weeks N] [--stations N] [--schools N] [--posts N]
 *            [--officers N] [--volunteers N] [--without RULE]
 *   sim_term --seed N [--verbose] ...     one seed, with its story
 *   sim_term --removals ...               each --without must be missed by the rule that is for it
 *
 * Seeds, and removals, run side by side, one for each processor.
 *
 * A rule that is broken is printed with its seed and time; exit 1. Figures: one line of JSON a
 * seed.
 */
#include "tests/sim/term/world.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/replica/seal.h"

enum {
    TERM_YEAR = 2026,
    TERM_MONTH = 8,
    TERM_DAY = 31,
    LATE_PERCENT = 5,
    REACH_LEAST = 20,
    MANY = 500,
    MORE = 4
};

const char *const rule_names[RULES] = {"seen",   "reach", "caps",   "four",
                                       "window", "truth", "county", "alarm"};

const struct removal_name removal_names[REMOVALS] = {
    [REMOVE_NOTHING] = {"", RULES},           [REMOVE_DESK] = {"desk", RULE_SEEN},
    [REMOVE_LADDER] = {"ladder", RULE_REACH}, [REMOVE_CAPS] = {"caps", RULE_CAPS},
    [REMOVE_ONCE] = {"once", RULE_FOUR},      [REMOVE_UNTIL] = {"until", RULE_WINDOW},
    [REMOVE_QUIET] = {"quiet", RULE_WINDOW},  [REMOVE_HEARD] = {"heard", RULE_TRUTH},
    [REMOVE_MARKS] = {"marks", RULE_COUNTY},  [REMOVE_BUTTON] = {"button", RULE_ALARM},
};

struct options {
    uint64_t first, seeds;
    struct size size;
    enum removal removed;
    bool verbose, removals;
};

/* --- for all files --- */

void give_up(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

static void format_time(int64_t at, char ret[32])
{
    char date[CALTIME_DATE_SIZE], clock[CALTIME_CLOCK_SIZE];
    caltime_format_date(at, date);
    caltime_format_clock(at, clock);
    snprintf(ret, 32, "%s %s:%02d", date, clock, caltime_local(at).second);
}

void note(struct world *world, const char *fmt, ...)
{
    if (!world->verbose)
        return;
    char when[32];
    va_list args;
    format_time(world->now, when);
    printf("%s  ", when);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

void broken(struct world *world, enum rule rule, int64_t at, const char *fmt, ...)
{
    world->broken[rule]++;
    char what[400], when[32];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    format_time(at, when);
    note(world, "BROKEN %s: %s (%s)", rule_names[rule], what, when);
    if (world->said_count < PROBLEMS_SHOWN)
        snprintf(world->said[world->said_count++], sizeof world->said[0], "%s  %s: %s", when,
                 rule_names[rule], what);
}

int64_t below(struct world *world, int64_t bound)
{
    return (int64_t)rnd_below(&world->rnd, (uint64_t)bound);
}

bool chance(struct world *world, int per_thousand)
{
    return below(world, 1000) < per_thousand;
}

int64_t minutes(double count)
{
    return (int64_t)(count * CALTIME_MINUTE_MS);
}

int64_t drawn(const struct world *world, const char *ref, int what, int64_t bound)
{
    uint64_t sum = world->seed * 1099511628211U + (uint64_t)what;
    for (const char *c = ref; *c != '\0'; c++)
        sum = (sum ^ (unsigned char)*c) * 1099511628211U;
    struct rnd rnd = rnd_seeded(sum);
    return (int64_t)rnd_below(&rnd, (uint64_t)bound);
}

/* --- a term --- */

static struct world *world_new(const struct options *options, uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL)
        give_up("no memory");
    world->seed = seed;
    world->size = options->size;
    world->removed = options->removed;
    world->verbose = options->verbose;
    world->began = caltime_to_ms(TERM_YEAR, TERM_MONTH, TERM_DAY, 0, 0);
    world->ends = caltime_midnight(world->began, 7 * options->size.weeks);
    world->now = caltime_midnight(world->began, -4); /* Thursday */
    world->rnd = rnd_seeded(seed);
    world->seal = seal_for_test();
    county_make(world);
    for (int i = 0; i < world->size.stations; i++)
        station_open(world, i);
    return world;
}

static void world_free(struct world *world)
{
    for (int i = 0; i < world->size.stations; i++)
        station_close(&world->stations[i]);
    replica_close(world->county);
    seal_close(world->seal);
    free(world->waits_s);
    free(world);
}

/* The station whose turn it is. */
static struct station *next_station(struct world *world)
{
    struct station *first = &world->stations[0];
    for (int i = 1; i < world->size.stations; i++)
        if (station_next(&world->stations[i]) < station_next(first))
            first = &world->stations[i];
    return first;
}

static void live(struct world *world)
{
    int64_t until = world->ends + CALTIME_DAY_MS;
    for (;;) {
        struct station *station = next_station(world);
        if (station_next(station) >= until)
            break;
        station_step(station);
    }
    world->now = until;
    check_term(world);
}

static int compare_waits(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t wait_at(const struct world *world, size_t percent)
{
    return world->wait_count == 0 ? 0 : world->waits_s[(world->wait_count - 1) * percent / 100];
}

static void judge_reach(struct world *world)
{
    struct figures *figures = &world->figures;
    qsort(world->waits_s, world->wait_count, sizeof *world->waits_s, compare_waits);
    figures->late_s_p50 = wait_at(world, 50);
    figures->late_s_p95 = wait_at(world, 95);
    int64_t late = figures->absences - figures->reached;
    int64_t more = figures->absences < MANY ? MORE : 0; /* a share of few says little */
    if (figures->absences >= REACH_LEAST && (late - more) * 100 > figures->absences * LATE_PERCENT)
        broken(world, RULE_REACH, world->ends, "%" PRId64 " of %" PRId64 " absences in time",
               figures->reached, figures->absences);
}

static void print_figures(const struct world *world, double seconds)
{
    const struct figures *f = &world->figures;
    printf("{\"seed\":%" PRIu64 ",\"weeks\":%d,\"stations\":%d,\"shifts\":%" PRId64
           ",\"duties\":%" PRId64 ",\"person_times\":%" PRId64 ",\"texts_out\":%" PRId64
           ",\"texts_in\":%" PRId64 ",\"offers\":%" PRId64 ",\"stood_in\":%" PRId64
           ",\"gaps\":%" PRId64 ",\"empty_posts\":%" PRId64 ",\"absences\":%" PRId64
           ",\"in_time\":%" PRId64 ",\"without_box_or_network\":%" PRId64 ",\"wait_s_p50\":%" PRId64
           ",\"wait_s_p95\":%" PRId64 ",\"restarts\":%" PRId64 ",\"alarms\":%" PRId64
           ",\"rings\":%" PRId64 ",\"named\":%" PRId64 ",\"undelivered\":%" PRId64 ",\"broken\":{",
           world->seed, world->size.weeks, world->size.stations, f->shifts, f->duties,
           f->person_times, f->texts_out, f->texts_in, f->offers, f->stood_in, f->gaps, f->empty,
           f->absences, f->reached, f->apart, f->late_s_p50, f->late_s_p95, f->restarts, f->alarms,
           f->rings, f->named, f->undelivered);
    for (int i = 0; i < RULES; i++)
        printf("%s\"%s\":%d", i > 0 ? "," : "", rule_names[i], world->broken[i]);
    printf("},\"seconds\":%.1f}\n", seconds);
    fflush(stdout);
}

static void report(const struct options *options, const struct world *world)
{
    for (int i = 0; i < world->said_count; i++)
        fprintf(stderr, "seed %" PRIu64 "  %s\n", world->seed, world->said[i]);
    const struct size *size = &world->size;
    fprintf(stderr,
            "replay: sim_term --seed %" PRIu64 " --weeks %d --stations %d --schools %d --posts %d"
            " --officers %d --volunteers %d%s%s --verbose\n",
            world->seed, size->weeks, size->stations, size->schools, size->posts, size->officers,
            size->volunteers, options->removed != REMOVE_NOTHING ? " --without " : "",
            removal_names[options->removed].name);
}

/* Bit of each rule that was broken. */
static unsigned run_seed(const struct options *options, uint64_t seed, bool quiet)
{
    int64_t began = clock_thread_us();
    struct world *world = world_new(options, seed);
    live(world);
    judge_reach(world);
    unsigned failed = 0;
    for (int i = 0; i < RULES; i++)
        failed |= world->broken[i] > 0 ? 1U << i : 0;
    if (!quiet)
        print_figures(world, (double)(clock_thread_us() - began) / 1e6);
    if (failed != 0 && !quiet)
        report(options, world);
    world_free(world);
    return failed;
}

/* --- options --- */

/* --- as many at a time as there are processors --- */

/* Of a child that came to its end, with and without what is broken. */
enum { CHILD_GOOD = 64, CHILD_FOUND };

static unsigned wait_child(void)
{
    int status;
    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) < CHILD_GOOD)
        give_up("a seed did not come to its end");
    return WEXITSTATUS(status) == CHILD_FOUND;
}

/* Each in a process of its own; 1 when one of them found something. What they print comes in the
 * order in which they end. */
static unsigned run_apart(const struct options *options, uint64_t count,
                          unsigned (*run)(const struct options *options, uint64_t index))
{
    long most = sysconf(_SC_NPROCESSORS_ONLN);
    long running = 0;
    unsigned found = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (running >= (most > 0 ? most : 1)) {
            found |= wait_child();
            running--;
        }
        fflush(NULL);
        pid_t child = fork();
        if (child < 0)
            give_up("no process for %" PRIu64, i);
        if (child == 0)
            exit(run(options, i) != 0 ? CHILD_FOUND : CHILD_GOOD);
        running++;
    }
    for (; running > 0; running--)
        found |= wait_child();
    return found;
}

static unsigned run_one(const struct options *options, uint64_t index)
{
    return run_seed(options, options->first + index, false);
}

/* 1: it was not missed. */
static unsigned run_removal(const struct options *given, uint64_t index)
{
    struct options options = *given;
    const struct removal_name *removal = &removal_names[index + 1];
    bool missed = false;
    uint64_t seed = options.first;
    options.removed = (enum removal)(index + 1);
    for (; !missed && seed < options.first + options.seeds; seed++)
        missed = (run_seed(&options, seed, true) >> removal->missed & 1U) != 0;
    printf("| %s | %s | %s%" PRIu64 " |\n", removal->name, rule_names[removal->missed],
           missed ? "" : "not missed until ", seed - 1);
    return !missed;
}

static enum removal removal_named(const char *name)
{
    for (int i = 1; i < REMOVALS; i++)
        if (text_equal(removal_names[i].name, name))
            return (enum removal)i;
    fprintf(stderr, "no rule %s; there are:", name);
    for (int i = 1; i < REMOVALS; i++)
        fprintf(stderr, " %s", removal_names[i].name);
    give_up(" ");
}

static int number(const char *text, int least, int most)
{
    int value;
    if (!text_to_int(text, least, most, &value))
        give_up("\"%s\" is no number from %d to %d", text, least, most);
    return value;
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {{"seeds", required_argument, NULL, 'n'},
                                          {"first", required_argument, NULL, 'f'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"weeks", required_argument, NULL, 'w'},
                                          {"stations", required_argument, NULL, 't'},
                                          {"schools", required_argument, NULL, 'c'},
                                          {"posts", required_argument, NULL, 'p'},
                                          {"officers", required_argument, NULL, 'o'},
                                          {"volunteers", required_argument, NULL, 'v'},
                                          {"without", required_argument, NULL, 'x'},
                                          {"removals", no_argument, NULL, 'r'},
                                          {"verbose", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.first = 1, .seeds = 1, .size = {20, 8, 34, 222, 400, 2000}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (option) {
        case 'n':
            options.seeds = (uint64_t)number(optarg, 1, 1000000);
            break;
        case 's':
            options.seeds = 1; /* fall through */
        case 'f':
            options.first = (uint64_t)number(optarg, 0, INT32_MAX);
            break;
        case 'w':
            options.size.weeks = number(optarg, 1, 21);
            break;
        case 't':
            options.size.stations = number(optarg, 1, STATIONS_MAX);
            break;
        case 'c':
            options.size.schools = number(optarg, 1, SCHOOLS_MAX);
            break;
        case 'p':
            options.size.posts = number(optarg, 1, 2000);
            break;
        case 'o':
            options.size.officers = number(optarg, 1, 2000);
            break;
        case 'v':
            options.size.volunteers = number(optarg, 1, 3000);
            break;
        case 'x':
            options.removed = removal_named(optarg);
            break;
        case 'r':
            options.removals = true;
            break;
        case 'V':
            options.verbose = true;
            break;
        default:
            exit(2);
        }
    if (options.size.schools < options.size.stations)
        give_up("each station needs a school");
    return options;
}

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (level == LOG_LEVEL_ERROR)
        fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    log_set_sink(swallow, NULL);
    log_set_level(LOG_LEVEL_ERROR);
    if (options.removals)
        return run_apart(&options, REMOVALS - 1, run_removal) != 0;
    return (options.seeds == 1 ? run_one(&options, 0)
                               : run_apart(&options, options.seeds, run_one)) != 0;
}
