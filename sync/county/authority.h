/* The county's own certificate authority, in a folder: ca.key, ca.crt, and for the server
 * server.key, server.crt. Keys have mode 0600. Who has ca.key can make stations: it belongs on the
 * machines that serve, and in a safe. */
#ifndef TOUYAN_COUNTY_AUTHORITY_H
#define TOUYAN_COUNTY_AUTHORITY_H

#include "sync/x509.h"

enum { AUTHORITY_YEARS = 30, AUTHORITY_SERVER_YEARS = 10 };

struct authority {
    struct x509_ca *ca;
    char server_cert[LIMIT_PATH_BYTES], server_key[LIMIT_PATH_BYTES];
};

/* Makes what is not there: the folder, the authority; and for the hosts (names and addresses under
 * which the stations reach the server) a new server certificate. An authority that is there is
 * kept. */
int authority_init(const char *folder, const char *name, const char *const *hosts, size_t count,
                   int64_t now_ms, struct err *err);

/* ERR_NOT_FOUND: there is none in this folder. */
int authority_open(const char *folder, struct authority *ret, struct err *err);
void authority_close(struct authority *authority); /* accepts a zeroed one */

#endif
