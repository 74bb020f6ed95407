/* The verbs of touyan-county for enrolment: what a person at the county does. Results go to
 * standard output. */
#ifndef TOUYAN_COUNTY_ENROL_CLI_H
#define TOUYAN_COUNTY_ENROL_CLI_H

#include "sync/county/store_enrol.h"

struct enrol_cli {
    struct store *store;
    const struct clock *clock;
    struct rnd *rnd;
    const char *ca_folder;
    const char *const *hosts; /* of `ca init` */
    size_t host_count;
    const char *scope, *name, *serial; /* NULL: not given */
};

/* `ca init`, `ca pin`; needs no store. */
int enrol_cli_ca(const struct enrol_cli *cli, char *const *words, int count, struct err *err);
/* `station add NAME --code`, or --serial. */
int enrol_cli_add(const struct enrol_cli *cli, const char *station, struct err *err);
/* `station pending`, `station approve ID DIGITS`, `station reject ID DIGITS`. */
bool enrol_cli_knows(const char *verb);
int enrol_cli_station(const struct enrol_cli *cli, char *const *words, int count, struct err *err);
/* `certificate list`, `certificate revoke SERIAL`. */
int enrol_cli_certificate(const struct enrol_cli *cli, char *const *words, int count,
                          struct err *err);

#endif
