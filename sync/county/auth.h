/* Stations prove themselves with a token of 256 random bits over TLS. The county keeps its hash. */
#ifndef TOUYAN_COUNTY_AUTH_H
#define TOUYAN_COUNTY_AUTH_H

#include "sync/county/store.h"

enum { AUTH_TOKEN_DIGITS = 64 };

void auth_new_token(struct rnd *rnd, char ret[AUTH_TOKEN_DIGITS + 1]);

/* `authorization` is the header's value ("Bearer ..."), NULL when there is none. ERR_DENIED: says
 * why in words for the station's log; ERR_BUSY, ERR_IO: the store's. */
int auth_check(struct store *store, const char *authorization, struct store_station *ret,
               struct err *err);

/* ERR_INVALID: no scope that a station could have. */
int auth_check_scope(const char *scope, struct err *err);

/* ERR_INVALID: no name that a station could have. */
int auth_check_name(const char *name, struct err *err);

/* Makes a station and its token. ERR_STATE: it has one; ERR_INVALID: name or scope. */
int auth_add_station(struct store *store, struct rnd *rnd, const char *name, const char *scope,
                     char ret_token[AUTH_TOKEN_DIGITS + 1], struct err *err);

#endif
