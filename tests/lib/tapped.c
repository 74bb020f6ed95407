/* Linked into a gateway or a station of the tests: what it says to the county, and hears, is
 * recorded when TOUYAN_EXCHANGES names a file (exchanges.h). */
#include <stdlib.h>

#include "tests/lib/exchanges.h"

int __real_transport_curl_init(struct transport *ret, uv_loop_t *loop,
                               const struct transport_curl_options *options, struct err *err);
int __wrap_transport_curl_init(struct transport *ret, uv_loop_t *loop,
                               const struct transport_curl_options *options, struct err *err);

int __wrap_transport_curl_init(struct transport *ret, uv_loop_t *loop,
                               const struct transport_curl_options *options, struct err *err)
{
    int code = __real_transport_curl_init(ret, loop, options, err);
    if (code == ERR_OK && getenv("TOUYAN_EXCHANGES") != NULL)
        exchanges_tap(ret);
    return code;
}
