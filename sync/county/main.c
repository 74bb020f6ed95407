/* touyan-county: the county server and its commands. Usage text below. Exit codes: 0 done, 1 it
 * failed (says why), 2 the command line is wrong. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/auth.h"
#include "sync/county/enrol_cli.h"
#include "sync/county/import.h"
#include "sync/county/revoked.h"
#include "sync/county/server.h"
#include "sync/replica/seal.h"

static const char USAGE[] =
    "touyan-county " TOUYAN_VERSION ": the county's end of the sync\n"
    "\n"
    "  touyan-county ca init --db FILE --host NAME... [--name TEXT]\n"
    "  touyan-county ca pin --db FILE\n"
    "  touyan-county serve --db FILE --listen ADDRESS:PORT [--require-cert]\n"
    "                      [--cert FILE --key FILE]\n"
    "  touyan-county import --db FILE [--dry-run] [--delete-missing] FOLDER|FILE...\n"
    "  touyan-county station add NAME --db FILE [--scope S0117] [--token-file FILE]\n"
    "  touyan-county station add NAME --db FILE [--scope S0117] --code|--serial NUMBER\n"
    "  touyan-county station pending --db FILE\n"
    "  touyan-county station approve|reject ID DIGITS --db FILE [--name NAME]\n"
    "  touyan-county station list|revoke [NAME] --db FILE\n"
    "  touyan-county certificate list|revoke [SERIAL] --db FILE\n"
    "  touyan-county station grant|ungrant NAME SCOPE --db FILE\n"
    "  touyan-county conflicts --db FILE\n"
    "  touyan-county quarantine list|retry|drop [NUMBER] --db FILE\n"
    "  touyan-county show counts|conflicts|quarantine|checkins|assignments|... --db FILE\n"
    "\n"
    "  --ca FOLDER        of the county's own authority (default: the database and .ca)\n"
    "  --host NAME        name or address under which the stations reach the server; repeatable\n"
    "  --require-cert     a station's token alone opens nothing\n"
    "  --cert, --key FILE another certificate for the server than the authority's\n"
    "  --store URL        instead of --db: postgresql://HOST,HOST/DATABASE?... (libpq's words)\n"
    "  --county ID        of several counties in one PostgreSQL database (default 0)\n"
    "  --seal-key FILE    key that seals phone numbers at rest (default: the database and .key)\n"
    "  --clock FILE       fast time, for demonstrations and tests\n"
    "  --ready-file FILE  serve writes its port here once it listens (port 0: any free one)\n"
    "  --verbose          log every request\n";

struct command_line {
    const char *verb;
    char **words; /* after the verb */
    int count;
    const char *db, *store, *id, *listen, *cert, *key, *seal_key, *clock, *ready, *scope,
        *token_file;
    const char *ca, *name, *serial, *hosts[LIMIT_X509_HOSTS];
    size_t host_count;
    bool dry_run, delete_missing, verbose, code, require_cert;
};

struct county {
    struct clock clock;
    bool fast;
    struct rnd rnd;
    struct seal *seal;
    char seal_path[LIMIT_PATH_BYTES];
    char ca_path[LIMIT_PATH_BYTES];
    char revoked_path[LIMIT_PATH_BYTES];
};

enum { OPTION_STORE = 256, OPTION_COUNTY };

static const struct option OPTIONS[] = {
    {"db", required_argument, NULL, 'd'},
    {"store", required_argument, NULL, OPTION_STORE},
    {"county", required_argument, NULL, OPTION_COUNTY},
    {"listen", required_argument, NULL, 'l'},
    {"cert", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},
    {"seal-key", required_argument, NULL, 's'},
    {"clock", required_argument, NULL, 't'},
    {"ready-file", required_argument, NULL, 'r'},
    {"scope", required_argument, NULL, 'S'},
    {"token-file", required_argument, NULL, 'T'},
    {"ca", required_argument, NULL, 'a'},
    {"host", required_argument, NULL, 'H'},
    {"name", required_argument, NULL, 'N'},
    {"serial", required_argument, NULL, 'e'},
    {"code", no_argument, NULL, 'o'},
    {"require-cert", no_argument, NULL, 'q'},
    {"dry-run", no_argument, NULL, 'n'},
    {"delete-missing", no_argument, NULL, 'D'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool add_host(struct command_line *line)
{
    if (line->host_count == LIMIT_X509_HOSTS)
        return false;
    line->hosts[line->host_count++] = optarg;
    return true;
}

/* Options of enrolment. */
static bool set_enrol_option(struct command_line *line, int option)
{
    switch (option) {
    case 'a':
        line->ca = optarg;
        return true;
    case 'H':
        return add_host(line);
    case 'N':
        line->name = optarg;
        return true;
    case 'e':
        line->serial = optarg;
        return true;
    case 'o':
        line->code = true;
        return true;
    case 'q':
        line->require_cert = true;
        return true;
    default:
        return false;
    }
}

static bool set_option(struct command_line *line, int option)
{
    switch (option) {
    case 'd':
        line->db = optarg;
        return true;
    case OPTION_STORE:
        line->store = optarg;
        return store_is_remote(optarg);
    case OPTION_COUNTY:
        line->id = optarg;
        return true;
    case 'l':
        line->listen = optarg;
        return true;
    case 'c':
        line->cert = optarg;
        return true;
    case 'k':
        line->key = optarg;
        return true;
    case 's':
        line->seal_key = optarg;
        return true;
    case 't':
        line->clock = optarg;
        return true;
    case 'r':
        line->ready = optarg;
        return true;
    case 'S':
        line->scope = optarg;
        return true;
    case 'T':
        line->token_file = optarg;
        return true;
    case 'n':
        line->dry_run = true;
        return true;
    case 'D':
        line->delete_missing = true;
        return true;
    case 'v':
        line->verbose = true;
        return true;
    default:
        return set_enrol_option(line, option);
    }
}

static bool read_command_line(int argc, char **argv, struct command_line *line)
{
    int option;
    while ((option = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1) {
        if (option == 'h') {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (!set_option(line, option))
            return false;
    }
    if (optind >= argc)
        return false;
    line->verb = argv[optind++];
    line->words = argv + optind;
    line->count = argc - optind;
    return (line->db != NULL) != (line->store != NULL);
}

static int wrong_line(const char *what)
{
    fprintf(stderr, "touyan-county: %s\n\n%s", what, USAGE);
    return 2;
}

static int county_init(struct county *county, const struct command_line *line, struct err *err)
{
    county->clock = *clock_real();
    county->rnd = rnd_system();
    if (line->clock != NULL) {
        if (clock_open_fast(line->clock, &county->clock, err) != ERR_OK)
            return err->code;
        county->fast = true;
    }
    const char *beside = line->db != NULL ? line->db : line->seal_key;
    if (beside == NULL)
        return err_set(err, ERR_INVALID,
                       "--store needs --seal-key FILE, the same on all machines of the county");
    int size = snprintf(county->revoked_path, sizeof county->revoked_path, "%s.revoked", beside);
    if (size < 0 || (size_t)size >= sizeof county->seal_path)
        return err_set(err, ERR_LIMIT, "%s: the path is too long", beside);
    snprintf(county->seal_path, sizeof county->seal_path, "%s.key", beside);
    snprintf(county->ca_path, sizeof county->ca_path, "%s.ca", beside);
    return seal_open(line->seal_key != NULL ? line->seal_key : county->seal_path, &county->seal,
                     err);
}

static void county_fini(struct county *county)
{
    seal_close(county->seal);
    if (county->fast)
        clock_close_fast(&county->clock);
}

static struct store_options store_options_of(struct county *county, const struct command_line *line)
{
    return (struct store_options){.path = line->db != NULL ? line->db : line->store,
                                  .county = line->id,
                                  .clock = &county->clock,
                                  .rnd = &county->rnd,
                                  .seal = county->seal};
}

static const char *ca_folder_of(const struct county *county, const struct command_line *line)
{
    return line->ca != NULL ? line->ca : county->ca_path;
}

static struct enrol_cli enrol_cli_of(struct county *county, struct store *store,
                                     const struct command_line *line)
{
    return (struct enrol_cli){.store = store,
                              .clock = &county->clock,
                              .rnd = &county->rnd,
                              .ca_folder = ca_folder_of(county, line),
                              .hosts = line->hosts,
                              .host_count = line->host_count,
                              .scope = line->scope,
                              .name = line->name,
                              .serial = line->serial};
}

/* --- verbs --- */

static int run_serve(struct county *county, const struct command_line *line, struct err *err)
{
    struct server_options options = {.store = store_options_of(county, line),
                                     .listen = line->listen,
                                     .cert_path = line->cert,
                                     .key_path = line->key,
                                     .ca_folder = ca_folder_of(county, line),
                                     .revoked_path = county->revoked_path,
                                     .require_cert = line->require_cert,
                                     .ready_path = line->ready};
    return server_run(&options, err);
}

static int run_import(struct store *store, const struct command_line *line, struct err *err)
{
    struct store_import_result result = {0};
    struct import_options options = {
        .dry_run = line->dry_run, .delete_missing = line->delete_missing, .out = stdout};
    int code = import_paths(store, &options, line->words, (size_t)line->count, &result, err);
    if (code == ERR_OK)
        printf("%s%lld new, %lld changed, %lld unchanged, %lld deleted\n",
               line->dry_run ? "preview, nothing was changed: " : "", (long long)result.added,
               (long long)result.changed, (long long)result.unchanged, (long long)result.removed);
    return code;
}

static int write_token(const char *path, const char *token, struct err *err)
{
    if (path == NULL) {
        printf("%s\n", token);
        return ERR_OK;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t size = strlen(token);
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, token, size) == (ssize_t)size &&
              write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return ok ? ERR_OK : err_set(err, ERR_IO, "%s: %s", path, strerror(reason));
}

static int print_json(int code, struct buf *json)
{
    if (code == ERR_OK)
        printf("%s\n", buf_text(json));
    buf_free(json);
    return code;
}

static int run_station_list(struct store *store, struct err *err)
{
    struct buf json;
    buf_init(&json, LIMIT_ANSWER_BYTES);
    return print_json(store->ops->station_list(store, &json, err), &json);
}

static int run_station_grant(struct store *store, const char *name, const char *scope, bool grant,
                             struct err *err)
{
    int code = auth_check_scope(scope, err);
    return code != ERR_OK ? code : store->ops->station_grant(store, name, scope, grant, err);
}

static int run_station_add(struct county *county, struct store *store,
                           const struct command_line *line, const char *name, struct err *err)
{
    char token[AUTH_TOKEN_DIGITS + 1];
    struct enrol_cli enrol = enrol_cli_of(county, store, line);
    if (line->code || line->serial != NULL)
        return enrol_cli_add(&enrol, name, err);
    int code = auth_add_station(store, &county->rnd, name, line->scope != NULL ? line->scope : name,
                                token, err);
    if (code == ERR_OK && (code = write_token(line->token_file, token, err)) != ERR_OK)
        store->ops->station_revoke(store, name, NULL);
    return code;
}

static int run_station(struct county *county, struct store *store, const struct command_line *line,
                       struct err *err)
{
    const char *what = line->count > 0 ? line->words[0] : "";
    const char *name = line->count > 1 ? line->words[1] : NULL;
    struct enrol_cli enrol = enrol_cli_of(county, store, line);
    bool grant = strcmp(what, "grant") == 0;
    if (strcmp(what, "list") == 0)
        return run_station_list(store, err);
    if (enrol_cli_knows(what))
        return enrol_cli_station(&enrol, line->words, line->count, err);
    if (name != NULL && strcmp(what, "revoke") == 0) {
        int code = store->ops->station_revoke(store, name, err);
        return code != ERR_OK ? code : revoked_keep(county->revoked_path, store, err);
    }
    if (line->count > 2 && (grant || strcmp(what, "ungrant") == 0))
        return run_station_grant(store, name, line->words[2], grant, err);
    if (name != NULL && strcmp(what, "add") == 0)
        return run_station_add(county, store, line, name, err);
    return err_set(err, ERR_STATE,
                   "station add NAME, station revoke NAME, station grant NAME SCOPE, station "
                   "ungrant NAME SCOPE, station pending, station approve ID DIGITS, station "
                   "reject ID DIGITS or station list");
}

static int run_show(struct store *store, const struct command_line *line, struct err *err)
{
    struct buf json;
    buf_init(&json, 64 * LIMIT_ANSWER_BYTES);
    return print_json(store->ops->show(store,
                                       strcmp(line->verb, "conflicts") == 0 ? "conflicts"
                                       : line->count > 0                    ? line->words[0]
                                                                            : "counts",
                                       &json, err),
                      &json);
}

static int run_quarantine(struct store *store, const struct command_line *line, struct err *err)
{
    const char *what = line->count > 0 ? line->words[0] : "list";
    int64_t n = 0;
    if (strcmp(what, "list") == 0) {
        struct buf json;
        buf_init(&json, 64 * LIMIT_ANSWER_BYTES);
        return print_json(store->ops->show(store, "quarantine", &json, err), &json);
    }
    bool retry = strcmp(what, "retry") == 0;
    if ((!retry && strcmp(what, "drop") != 0) || line->count < 2 ||
        !text_to_int64(line->words[1], 1, INT64_MAX, &n))
        return err_set(err, ERR_STATE,
                       "quarantine list, quarantine retry NUMBER or quarantine drop NUMBER");
    return store->ops->quarantine_release(store, n, retry ? STORE_RETRY : STORE_DROP, err);
}

static int run_certificate(struct county *county, struct store *store,
                           const struct command_line *line, struct err *err)
{
    struct enrol_cli enrol = enrol_cli_of(county, store, line);
    int code = enrol_cli_certificate(&enrol, line->words, line->count, err);
    return code != ERR_OK ? code : revoked_keep(county->revoked_path, store, err);
}

static int run_ca(struct county *county, const struct command_line *line, struct err *err)
{
    struct enrol_cli enrol = enrol_cli_of(county, NULL, line);
    return enrol_cli_ca(&enrol, line->words, line->count, err);
}

static int run_with_store(struct county *county, const struct command_line *line, struct err *err)
{
    struct store *store = NULL;
    struct store_options options = store_options_of(county, line);
    options.gives_versions =
        strcmp(line->verb, "import") == 0 || strcmp(line->verb, "quarantine") == 0;
    int code = store_open(&options, &store, err);
    if (code != ERR_OK)
        return code;
    if (strcmp(line->verb, "import") == 0)
        code = run_import(store, line, err);
    else if (strcmp(line->verb, "station") == 0)
        code = run_station(county, store, line, err);
    else if (strcmp(line->verb, "quarantine") == 0)
        code = run_quarantine(store, line, err);
    else if (strcmp(line->verb, "certificate") == 0)
        code = run_certificate(county, store, line, err);
    else
        code = run_show(store, line, err);
    store->ops->close(store);
    return code;
}

static int run(struct county *county, const struct command_line *line, struct err *err)
{
    if (strcmp(line->verb, "serve") == 0)
        return run_serve(county, line, err);
    return strcmp(line->verb, "ca") == 0 ? run_ca(county, line, err)
                                         : run_with_store(county, line, err);
}

/* NULL: the command line is complete. */
static const char *missing(const struct command_line *line)
{
    if (strcmp(line->verb, "serve") == 0)
        return line->listen == NULL                          ? "serve needs --listen"
               : (line->cert == NULL) != (line->key == NULL) ? "--cert and --key go together"
                                                             : NULL;
    if (strcmp(line->verb, "import") == 0)
        return line->count > 0 ? NULL : "import needs a folder or files";
    static const char *const OTHERS[] = {"station",    "show", "conflicts",
                                         "quarantine", "ca",   "certificate"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strcmp(line->verb, OTHERS[i]) == 0)
            return NULL;
    return "no such verb";
}

int main(int argc, char **argv)
{
    struct command_line line = {0};
    if (!read_command_line(argc, argv, &line))
        return wrong_line("a verb and --db or --store are needed");
    const char *what = missing(&line);
    if (what != NULL)
        return wrong_line(what);
    if (line.verbose)
        log_set_level(LOG_LEVEL_DEBUG);
    umask(077); /* names and numbers of people */
    struct county county = {0};
    struct err err = {0};
    int code = county_init(&county, &line, &err);
    if (code == ERR_OK)
        code = run(&county, &line, &err);
    county_fini(&county);
    fflush(stdout);
    if (code == ERR_OK)
        return 0;
    fprintf(stderr, "touyan-county: %s\n", err.text);
    return 1;
}
