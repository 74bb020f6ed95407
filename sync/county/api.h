/* Routes of the county server: which request means what. Pure but for the store. */
#ifndef TOUYAN_COUNTY_API_H
#define TOUYAN_COUNTY_API_H

#include "sync/county/http.h"
#include "sync/county/store.h"

/* With the headers only: route and token. False: the answer is final. */
bool api_admit(struct store *store, struct http_request *request, struct http_answer *answer);

/* The whole request, admitted before. */
void api_handle(struct store *store, const struct clock *clock, const struct http_request *request,
                struct http_answer *answer);

#endif
