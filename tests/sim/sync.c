/* The sync protocol under faults, in virtual time: the real station and the real county, everything
 * else made up from one seed (sync/world.h).
 *
 *   sim_sync [--seeds N] [--first N] [--jobs N] [--minutes N] [--without RULE]...
 *   sim_sync --seed N [--verbose] [--without RULE]...
 *   sim_sync --rules | --removals [--seeds N] [--minutes N] [--without RULE]...
 *
 * Without a rule removed a seed that fails is a defect: exit 1. With one removed the simulation
 * must notice: it stops at the first seed that fails because of it and exits 1 as well; exit 0
 * means that all seeds passed. --removals does that for each rule in turn (or those named): first
 * with the seed that failed for it when this was written, then, or at once with --first, with as
 * many seeds (10,000) in as many minutes for all together (15). It prints a table as in README.md
 * and exits 1 when one was not missed. --faults: the sum of enum sim_fault that may occur.
 *
 * `vcounter` alone is missed as well: epochs tell that the county came back from a backup, but
 * which versions are those of the life that was lost is told by the clock. */
#include "tests/sim/sync/world.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "sync/replica/seal.h"
#include "sync/rules.h"

enum { JOBS_MAX = 64, REPORTED_MAX = 10, SEEDS_AT_ONCE = 500, RARE_ONE_IN = 8 };

/* By bit of enum sync_without; found by --removals --first 1. 0: none. */
#define KNOWN_SEEDS 1, 1, 3, 3, 1, 15, 37, 1, 1, 5, 43, 6, 5, 0, 23

struct world *sim_world;

struct options {
    uint64_t first, seeds; /* first 0: not named, 1; seeds 0: 300, of the removals 10,000 */
    uint64_t minutes;      /* 0: no limit, of all removals together 15 */
    int jobs;
    bool one, verbose, removals;
    uint32_t without;
    uint32_t faults; /* that may occur */
};

/* What the jobs tell each other. */
struct shared {
    uint64_t next, done, failed;
    uint64_t found;   /* the lowest seed that failed; 0: none */
    int64_t until_ms; /* 0: no limit */
    bool stop;
};

/* --- for all files --- */

void say(struct world *world, const char *fmt, ...)
{
    if (!world->verbose)
        return;
    va_list args;
    va_start(args, fmt);
    printf("%9.3f ", (double)world->now / 1000);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
}

void fail(struct world *world, const char *fmt, ...)
{
    char text[sizeof world->failure];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say(world, "FAILED: %s", text);
    if (world->failure[0] == '\0')
        memcpy(world->failure, text, sizeof text);
}

static void tell_seed(int signal_number)
{
    /* only what is safe in a signal handler: the digits by hand, from the last */
    char text[] = "seed 00000000000000000000: aborted\n";
    unsigned long long seed = sim_world != NULL ? sim_world->seed : 0;
    for (size_t at = sizeof "seed 0000000000000000000" - 1; seed > 0; seed /= 10)
        text[at--] = (char)('0' + seed % 10);
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(2);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void give_up(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

int below(struct world *world, int bound)
{
    return (int)rnd_below(&world->rnd, (uint64_t)bound);
}

bool chance(struct world *world, int per_mille)
{
    return below(world, 1000) < per_mille;
}

bool stays_open(const struct world *world)
{
    return world->seed % 16 != 0 && (world->without & WITHOUT_ROWBASE) == 0;
}

static void on_log(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    if (sim_world != NULL && sim_world->verbose)
        say(sim_world, "  log: %s", line);
}

/* --- a seed --- */

/* Whether this seed brings about what chance does too seldom; its faults occur then. */
static bool is_rare(struct world *world, const struct options *options, uint32_t faults)
{
    bool rare = rnd_below(&world->aside, RARE_ONE_IN) == 0 && (options->faults & faults) == faults;
    world->faults |= rare ? faults : 0;
    return rare;
}

static void begin(struct world *world, const struct options *options, uint64_t seed,
                  struct seal *seal)
{
    *world = (struct world){.seed = seed,
                            .verbose = options->verbose,
                            .without = options->without,
                            .rnd = rnd_seeded(seed),
                            .aside = rnd_seeded(~seed),
                            .strain = seed,
                            .seal = seal};
    for (uint32_t fault = 1; fault < FAULT_ALL; fault <<= 1)
        if (chance(world, 600))
            world->faults |= fault & options->faults;
    world->overlooks = is_rare(world, options, FAULT_NETWORK | FAULT_REBOOT);
    world->forgets = is_rare(world, options, FAULT_COUNTY_RESTORE);
    struct rnd own = rnd_seeded(seed ^ UINT64_C(1) << 63); /* the other stories stay the same */
    world->county_restores_left = rnd_below(&own, RARE_ONE_IN) == 0 ? 2 : 1;
    world->loss = below(world, 300);
    world->lateness = below(world, 100);
    world->doubling = below(world, 100);
    if (chance(world, 400))
        world->staleness = below(world, 300);
    if (chance(world, 500))
        world->page_bytes = 200 + below(world, 1000);
}

static bool run_seed(const struct options *options, uint64_t seed, struct seal *seal)
{
    static struct world world;
    begin(&world, options, seed, seal);
    sim_world = &world;
    story_run(&world);
    for (int i = 0; i < world.station_count; i++)
        station_fini(&world.stations[i]);
    county_fini(&world);
    net_clear(&world);
    sim_world = NULL;
    if (world.failure[0] != '\0' && !options->removals)
        printf("seed %llu: %s\n", (unsigned long long)seed, world.failure);
    else if (options->one)
        printf("seed %llu: well, %d edits, %d events, %d conflicts\n", (unsigned long long)seed,
               world.history.edit_count, world.history.event_count, world.history.conflict_count);
    fflush(stdout);
    return world.failure[0] == '\0';
}

/* A seed that fails with all rules in force says nothing about the rule that was removed. */
static bool fails_anyway(const struct options *options, uint64_t seed, struct seal *seal)
{
    struct options whole = *options;
    whole.without = 0;
    whole.verbose = false;
    return options->without != 0 && !run_seed(&whole, seed, seal);
}

static bool is_late(const struct shared *shared)
{
    return shared->until_ms > 0 && clock_mono_ms(clock_real()) > shared->until_ms;
}

static int run_job(const struct options *options, struct shared *shared)
{
    struct seal *seal = seal_for_test();
    for (;;) {
        uint64_t seed = options->first + __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (seed >= options->first + options->seeds || shared->stop || is_late(shared))
            break;
        bool good = run_seed(options, seed, seal);
        __atomic_add_fetch(&shared->done, 1, __ATOMIC_RELAXED);
        if (good || fails_anyway(options, seed, seal))
            continue;
        uint64_t failed = __atomic_add_fetch(&shared->failed, 1, __ATOMIC_RELAXED);
        if (shared->found == 0 || seed < shared->found)
            shared->found = seed;
        if (options->without != 0 || failed >= REPORTED_MAX)
            shared->stop = true;
    }
    seal_close(seal);
    return 0;
}

/* --- all seeds --- */

static bool run_jobs(const struct options *options, struct shared *shared)
{
    pid_t jobs[JOBS_MAX];
    bool whole = true;
    for (int i = 0; i < options->jobs; i++) {
        jobs[i] = fork();
        if (jobs[i] == 0)
            exit(run_job(options, shared));
        whole = whole && jobs[i] > 0;
    }
    for (int i = 0; i < options->jobs; i++) {
        int status = 0;
        if (jobs[i] > 0)
            whole = waitpid(jobs[i], &status, 0) == jobs[i] && status == 0 && whole;
    }
    return whole;
}

/* Versions that only count up do no harm as long as there are epochs: no rule. */
static bool is_rule(unsigned bit)
{
    return UINT32_C(1) << bit != WITHOUT_VCOUNTER;
}

static void print_rules(void)
{
    for (unsigned bit = 0; sync_without_name(bit) != NULL; bit++)
        if (is_rule(bit))
            puts(sync_without_name(bit));
}

static int usage(const char *what)
{
    fprintf(stderr,
            "sim_sync: %s\nusage: sim_sync [--seeds N] [--first N] [--jobs N] [--without RULE] | "
            "--seed N [--verbose] | --rules | --removals\n",
            what);
    return 64;
}

static bool number(const char *text, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    *ret = text != NULL ? strtoull(text, &end, 10) : 0;
    return text != NULL && end != text && *end == '\0' && errno == 0;
}

static const char *take_option(struct options *options, const char *name, const char *value)
{
    uint64_t count = 0;
    if (strcmp(name, "--without") == 0)
        return value != NULL && sync_without_add(value, &options->without)
                   ? NULL
                   : "no such rule (--rules names them)";
    if (!number(value, &count))
        return "a number is missing";
    if (strcmp(name, "--seeds") == 0) {
        options->seeds = count;
    } else if (strcmp(name, "--minutes") == 0) {
        options->minutes = count;
    } else if (strcmp(name, "--first") == 0) {
        options->first = count;
    } else if (strcmp(name, "--faults") == 0) {
        options->faults = (uint32_t)count;
    } else if (strcmp(name, "--jobs") == 0) {
        options->jobs = count >= 1 && count <= JOBS_MAX ? (int)count : 1;
    } else if (strcmp(name, "--seed") == 0) {
        options->first = count;
        options->seeds = 1;
        options->jobs = 1;
        options->one = true;
    } else {
        return "unknown option";
    }
    return NULL;
}

/* --- all seeds, with all rules or without some --- */

static double seconds_since(int64_t began_ms)
{
    return (double)(clock_mono_ms(clock_real()) - began_ms) / 1000;
}

static bool run_all(const struct options *options, struct shared *shared)
{
    int64_t began_ms = clock_mono_ms(clock_real());
    *shared = (struct shared){0};
    if (options->minutes != 0)
        shared->until_ms = began_ms + (int64_t)options->minutes * 60000;
    bool whole = options->one ? run_job(options, shared) == 0 : run_jobs(options, shared);
    double seconds = seconds_since(began_ms);
    if (!options->one)
        printf("%llu seeds, %llu failed, %.1f s, %.1f seeds/s\n", (unsigned long long)shared->done,
               (unsigned long long)shared->failed, seconds, (double)shared->done / seconds);
    return whole && shared->failed == 0;
}

/* The rule is taken away until a seed fails for it. */
static bool is_missed(struct options options, unsigned bit, int64_t until_ms, struct shared *shared)
{
    options.without = UINT32_C(1) << bit;
    *shared = (struct shared){.until_ms = until_ms};
    run_jobs(&options, shared);
    if (shared->found != 0)
        printf("| %s | %llu |\n", sync_without_name(bit), (unsigned long long)shared->found);
    fflush(stdout);
    return shared->found != 0;
}

/* The lowest seed that fails without the rule, in the stories as they are. */
static uint64_t known_seed(unsigned bit)
{
    static const uint16_t seeds[] = {KNOWN_SEEDS};
    return bit < sizeof seeds / sizeof *seeds ? seeds[bit] : 0;
}

static uint32_t try_known(const struct options *options, uint32_t left, struct shared *shared)
{
    struct options one = *options;
    one.seeds = 1;
    one.jobs = 1;
    for (unsigned bit = 0; sync_without_name(bit) != NULL; bit++) {
        one.first = known_seed(bit);
        if ((left >> bit & 1) != 0 && one.first != 0 && is_missed(one, bit, 0, shared))
            left &= ~(UINT32_C(1) << bit);
    }
    return left;
}

/* A line of the table for each rule: first those that a few seeds find. False: one was not missed.
 */
static bool run_removals(const struct options *options, bool from_known, struct shared *shared)
{
    uint32_t left = 0;
    int64_t until_ms = clock_mono_ms(clock_real()) + (int64_t)options->minutes * 60000;
    struct options some = *options;
    for (unsigned bit = 0; sync_without_name(bit) != NULL; bit++)
        if (is_rule(bit) && (options->without == 0 || (options->without >> bit & 1) != 0))
            left |= UINT32_C(1) << bit;
    puts("| without | first seed that fails |\n|---|---|");
    fflush(stdout);
    if (from_known)
        left = try_known(options, left, shared);
    for (uint64_t seeds = SEEDS_AT_ONCE; left != 0 && some.first < options->first + options->seeds;
         some.first += some.seeds, seeds = options->seeds) {
        uint64_t rest = options->first + options->seeds - some.first;
        some.seeds = seeds < rest ? seeds : rest;
        for (unsigned bit = 0; sync_without_name(bit) != NULL; bit++)
            if ((left >> bit & 1) != 0 && is_missed(some, bit, until_ms, shared))
                left &= ~(UINT32_C(1) << bit);
    }
    for (unsigned bit = 0; sync_without_name(bit) != NULL; bit++)
        if ((left >> bit & 1) != 0)
            printf("| %s | not noticed |\n", sync_without_name(bit));
    return left == 0;
}

static int run(const struct options *options, bool from_known)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        give_up("no memory");
    signal(SIGABRT, tell_seed);
    files_init();
    log_set_sink(on_log, NULL);
    log_set_level(options->verbose ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
    bool good =
        options->removals ? run_removals(options, from_known, shared) : run_all(options, shared);
    return good ? 0 : 1;
}

/* The options that take no value. */
static bool take_flag(struct options *options, const char *name)
{
    if (strcmp(name, "--verbose") == 0)
        options->verbose = true;
    else if (strcmp(name, "--removals") == 0)
        options->removals = true;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.faults = FAULT_ALL};
    options.jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rules") == 0) {
            print_rules();
            return 0;
        }
        if (take_flag(&options, argv[i]))
            continue;
        const char *problem = take_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (problem != NULL)
            return usage(problem);
        i++;
    }
    if (options.jobs < 1 || options.jobs > JOBS_MAX)
        options.jobs = 1;
    if (options.seeds == 0)
        options.seeds = options.removals ? 10000 : 300;
    if (options.removals && options.minutes == 0)
        options.minutes = 15;
    bool from_known = options.first == 0;
    if (from_known)
        options.first = 1;
    return run(&options, from_known);
}
