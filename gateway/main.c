/* touyan-gateway: arguments, the configuration's own verbs, and then gateway_run().
 * Exit status (sysexits.h): 0 stopped, 64 usage, 75 cannot start now, 78 the configuration is wrong
 * (the service manager does not start it again). */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/gateway.h"
#include "mqtt/broker_config.h"
#include "mqtt/mapping.h"
#include "mqtt/mqtt.h"

enum verb { RUN, CHECK_CONFIG, PRINT_CONFIG, PRINT_SAMPLE, PRINT_MAN, PRINT_BROKER, PRINT_ACL };

struct arguments {
    enum verb verb;
    const char *config_path;
    const char *clock_path; /* fast time, for demo and tests */
    const char *worker_path;
};

static const char usage[] =
    "touyan-gateway: the station daemon\n"
    "\n"
    "  touyan-gateway [--config FILE]        run (default " CONFIG_PATH_DEFAULT ")\n"
    "  touyan-gateway --check-config         read it, say what is wrong, and stop\n"
    "  touyan-gateway --print-config         all values in force, secrets masked\n"
    "  touyan-gateway --print-sample-config  a commented file with every option\n"
    "  touyan-gateway --print-broker-config  mosquitto.conf for this station\n"
    "  touyan-gateway --print-broker-acl     its access list: a device is its user name\n"
    "  touyan-gateway --print-man            options of touyan.conf(5)\n"
    "  touyan-gateway --version\n"
    "\n"
    "for demo and tests:  --clock FILE  fast time;  --worker FILE  touyan-modem executable\n";

static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"clock", required_argument, NULL, 't'},
        {"worker", required_argument, NULL, 'w'},
        {"check-config", no_argument, NULL, CHECK_CONFIG},
        {"print-config", no_argument, NULL, PRINT_CONFIG},
        {"print-sample-config", no_argument, NULL, PRINT_SAMPLE},
        {"print-man", no_argument, NULL, PRINT_MAN},
        {"print-broker-config", no_argument, NULL, PRINT_BROKER},
        {"print-broker-acl", no_argument, NULL, PRINT_ACL},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "c:hv", options, NULL)) != -1;) {
        if (c == 'c')
            ret->config_path = optarg;
        else if (c == 't')
            ret->clock_path = optarg;
        else if (c == 'w')
            ret->worker_path = optarg;
        else if (c == 'v' || c == 'h') {
            fputs(c == 'v' ? "touyan-gateway " TOUYAN_VERSION "\n" : usage, stdout);
            exit(EX_OK);
        } else if (c == '?')
            return EX_USAGE;
        else
            ret->verb = (enum verb)c;
    }
    return optind == argc ? EX_OK : EX_USAGE;
}

/* touyan-modem lies beside this program. */
static bool find_worker(char *ret, size_t size)
{
    static const char name[] = "touyan-modem";
    ssize_t n = readlink("/proc/self/exe", ret, size - 1);
    if (n <= 0)
        return false;
    ret[n] = '\0';
    char *slash = strrchr(ret, '/');
    return slash != NULL && text_copy(slash + 1, size - (size_t)(slash + 1 - ret), name);
}

/* Where the package puts the files that name the devices; see README. */
#define BROKER_PASSWORDS "/etc/mosquitto/touyan.passwd"
#define BROKER_SOCKET "/run/touyan-broker/mqtt.sock"
#define BROKER_ACL "/etc/mosquitto/touyan.acl"
#define RULES_DIR "/etc/touyan/devices.d"

static int print_broker(const struct config *config, struct buf *out, struct err *err)
{
    struct mqtt_broker_options options = {
        .socket_path = config->mqtt.socket[0] != '\0' ? config->mqtt.socket : BROKER_SOCKET,
        .listen = config->mqtt.listen,
        .listen_port = config->mqtt.listen_port,
        .password_file = BROKER_PASSWORDS,
        .acl_file = BROKER_ACL,
    };
    if (!mqtt_broker_config_write(out, &options))
        return err_set(err, ERR_LIMIT, "the broker's configuration is too long");
    return ERR_OK;
}

static int print_acl(struct buf *out, struct err *err)
{
    struct mapping *rules;
    int code = mapping_open(RULES_DIR, &rules, err);
    if (code != ERR_OK)
        return code;
    if (!mqtt_broker_acl_write(rules, out))
        code = err_set(err, ERR_LIMIT, "the access list is too long");
    mapping_close(rules);
    return code;
}

static int print_of(enum verb verb, const struct config *config, struct err *err)
{
    struct buf out;
    buf_init(&out, CONFIG_PRINT_MAX);
    int code = ERR_OK;
    if (verb == PRINT_SAMPLE)
        config_print_sample(&out);
    else if (verb == PRINT_MAN)
        config_print_man(&out);
    else if (verb == PRINT_ACL)
        code = print_acl(&out, err);
    else if (verb == PRINT_CONFIG)
        config_print(config, &out);
    else
        code = print_broker(config, &out, err);
    fwrite(buf_text(&out), 1, out.size, stdout);
    buf_free(&out);
    return code;
}

static int run(const struct arguments *arguments, struct config *config, struct err *err)
{
    char worker[LIMIT_PATH_BYTES];
    struct gateway_options options = {
        .config = config, .clock = *clock_real(), .worker_path = arguments->worker_path};
    if (options.worker_path == NULL) {
        if (!find_worker(worker, sizeof worker))
            return err_set(err, ERR_IO, "touyan-modem was not found beside this program");
        options.worker_path = worker;
    }
    if (arguments->clock_path != NULL) {
        int code = clock_open_fast(arguments->clock_path, &options.clock, err);
        if (code != ERR_OK)
            return code;
        options.fast_time = true;
    }
    log_set_level((enum log_level)config->log.level);
    log_keep();
    umask(077); /* names of people; the socket's mode is set by hand */
    return gateway_run(&options, err);
}

static int check_parts(const struct config *config, struct err *err)
{
    int code = mqtt_check_rules(config->mqtt.rules_dir, err);
    return code == ERR_OK ? radio_settings_check(config, err) : code;
}

static bool needs_no_config(enum verb verb)
{
    return verb == PRINT_SAMPLE || verb == PRINT_MAN || verb == PRINT_ACL;
}

static int obey(const struct arguments *arguments, struct err *err)
{
    if (needs_no_config(arguments->verb))
        return print_of(arguments->verb, NULL, err) == ERR_OK ? EX_OK : EX_SOFTWARE;
    struct config *config = NULL;
    int code = config_load(arguments->config_path, &config, err);
    if (code == ERR_OK && (arguments->verb == RUN || arguments->verb == CHECK_CONFIG))
        code = config_check(config, err);
    if (code != ERR_OK) {
        config_free(config);
        return EX_CONFIG;
    }
    if (arguments->verb == RUN)
        code = run(arguments, config, err);
    else if (arguments->verb == CHECK_CONFIG)
        code = check_parts(config, err);
    else
        code = print_of(arguments->verb, config, err);
    config_free(config);
    return code == ERR_OK                             ? EX_OK
           : code == ERR_INVALID || code == ERR_NEWER ? EX_CONFIG
                                                      : EX_TEMPFAIL;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.config_path = CONFIG_PATH_DEFAULT};
    if (parse_arguments(argc, argv, &arguments) != EX_OK) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    /* The threads that compress would keep an arena each: 15 MB of what they once needed. */
    mallopt(M_ARENA_MAX, 1);
    struct err err = {0};
    int status = obey(&arguments, &err);
    if (status != EX_OK)
        log_error("gateway.not_started", "%s", err.text);
    return status;
}
