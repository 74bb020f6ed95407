/* `touyan-county serve`: HTTPS over a pool of stores, until SIGTERM or SIGINT. */
#ifndef TOUYAN_COUNTY_SERVER_H
#define TOUYAN_COUNTY_SERVER_H

#include "sync/county/http.h"
#include "sync/county/store.h"

struct server_options {
    struct store_options store;
    const char *listen;
    const char *cert_path, *key_path; /* NULL: the authority's server certificate */
    const char *ca_folder;            /* authority.h; there need be none, then nobody enrols */
    const char *revoked_path;         /* revoked.h */
    bool require_cert;
    const char *ready_path; /* the port is written here once it listens; NULL: nowhere */
};

struct server;
int server_start(const struct server_options *options, struct server **ret, int *ret_port,
                 struct err *err);
void server_stop(struct server *server); /* accepts NULL */

/* Starts, waits for SIGTERM or SIGINT, stops. */
int server_run(const struct server_options *options, struct err *err);

#endif
