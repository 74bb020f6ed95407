/* Routes of the county server: which request means what. Any thread, with a store of its own. */
#ifndef TOUYAN_COUNTY_API_H
#define TOUYAN_COUNTY_API_H

#include "sync/county/http.h"
#include "sync/county/meter.h"
#include "sync/county/store.h"

struct api {
    const struct clock *clock;
    struct meter *meter;
    const struct x509_ca *ca; /* of its own; NULL: none */
    bool require_cert;        /* a token alone opens nothing */
    const char *revoked_path; /* revoked.h; NULL: nothing is kept there */
};

/* With the headers only: route, token and quota. False: the answer is final. */
bool api_admit(const struct api *api, struct store *store, struct http_request *request,
               struct http_answer *answer);

/* The whole request, admitted before. */
void api_handle(const struct api *api, struct store *store, const struct http_request *request,
                struct http_answer *answer);

#endif
