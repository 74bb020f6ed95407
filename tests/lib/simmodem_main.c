/* touyan-simmodem: the simulated modem as a program. Runs until SIGTERM, SIGINT or {"cmd":"quit"};
 * then it takes its link and its socket away. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/text.h"
#include "tests/lib/simmodem.h"

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void usage(void)
{
    fputs("touyan-simmodem --link PATH [--control PATH] [--log FILE] [--log-fsync yes|no]\n"
          "                [--clock FILE] [--capacity N] [--delay-ms N] [--report-ms N]\n"
          "                [--profile quectel|calm|simcom|huawei]\n",
          stderr);
}

static const struct option long_options[] = {
    {"link", required_argument, NULL, 'l'},     {"control", required_argument, NULL, 'c'},
    {"log", required_argument, NULL, 'o'},      {"log-fsync", required_argument, NULL, 'f'},
    {"clock", required_argument, NULL, 't'},    {"capacity", required_argument, NULL, 'n'},
    {"delay-ms", required_argument, NULL, 'd'}, {"report-ms", required_argument, NULL, 'r'},
    {"profile", required_argument, NULL, 'p'},  {NULL, 0, NULL, 0},
};

static bool take_option(int option, struct simmodem_options *options, const char **ret_clock)
{
    switch (option) {
    case 'l':
        options->link = optarg;
        return true;
    case 'c':
        options->control = optarg;
        return true;
    case 'o':
        options->log = optarg;
        return true;
    case 'p':
        options->profile = optarg;
        return true;
    case 't':
        *ret_clock = optarg;
        return true;
    case 'f':
        options->log_fsync = text_equal(optarg, "yes");
        return options->log_fsync || text_equal(optarg, "no");
    case 'n':
        return text_to_int(optarg, 1, SIMNET_SLOTS, &options->capacity);
    case 'd':
        return text_to_int(optarg, 0, 3600000, &options->delay_ms);
    case 'r':
        return text_to_int(optarg, 0, 3600000, &options->report_ms);
    default:
        return false;
    }
}

static int run(const struct simmodem_options *options, const struct clock *clock)
{
    struct simmodem *modem = calloc(1, sizeof *modem);
    struct err err = {0};

    if (!modem || simmodem_open(modem, options, clock, &err)) {
        fprintf(stderr, "touyan-simmodem: %s\n", err.text);
        free(modem);
        return 1;
    }
    while (!stopped && !modem->quit)
        simmodem_turn(modem, 1000);
    simmodem_close(modem);
    free(modem);
    return 0;
}

int main(int argc, char **argv)
{
    struct simmodem_options options = {0};
    const char *clock_path = NULL;
    struct clock fast;
    struct err err = {0};
    struct sigaction action = {.sa_handler = on_signal};

    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (!take_option(option, &options, &clock_path)) {
            usage();
            return 2;
        }
    }
    if (!options.link || optind != argc) {
        usage();
        return 2;
    }
    if (clock_path && clock_open_fast(clock_path, &fast, &err)) {
        fprintf(stderr, "touyan-simmodem: %s\n", err.text);
        return 1;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int code = run(&options, clock_path ? &fast : clock_real());
    if (clock_path)
        clock_close_fast(&fast);
    return code;
}
