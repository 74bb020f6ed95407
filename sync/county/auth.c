/* Tokens of stations; see auth.h. A token is found by its hash, so no comparison depends on its
 * bytes, and a stolen database opens nothing. */
#include "sync/county/auth.h"

#include <string.h>

#include "gateway/base/text.h"
#include "sync/protocol.h"
#include "sync/replica/seal.h"

static const char PREFIX[] = "Bearer ";

void auth_new_token(struct rnd *rnd, char ret[AUTH_TOKEN_DIGITS + 1])
{
    unsigned char bytes[AUTH_TOKEN_DIGITS / 2];
    rnd_fill(rnd, bytes, sizeof bytes);
    text_to_hex(bytes, sizeof bytes, ret);
}

int auth_check(struct store *store, const char *authorization, struct store_station *ret,
               struct err *err)
{
    if (authorization == NULL || strncmp(authorization, PREFIX, sizeof PREFIX - 1) != 0)
        return err_set(err, ERR_DENIED, "a header \"Authorization: Bearer <token>\" is needed");
    const char *token = authorization + sizeof PREFIX - 1;
    size_t size = strlen(token);
    if (size < PROTOCOL_TOKEN_MIN_BYTES || size > PROTOCOL_TOKEN_MAX_BYTES)
        return err_set(err, ERR_DENIED, "a token has 16 to 256 characters");
    char hash[SEAL_HASH_DIGITS + 1];
    seal_hash(token, size, hash);
    int code = store->ops->station_by_token(store, hash, ret, err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, ERR_DENIED,
                       "this token is not known or was revoked: `touyan-county station add` at the "
                       "county makes a new one");
    return code;
}

static bool plain(const char *text, size_t max)
{
    size_t size = strlen(text);
    if (size == 0 || size > max)
        return false;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
            return false;
    return true;
}

int auth_check_scope(const char *scope, struct err *err)
{
    if (!plain(scope, LIMIT_STATION_BYTES) || strcmp(scope, "*") == 0)
        return err_set(err, ERR_INVALID,
                       "a scope is a station's id such as S0117, at most 32 characters, and not *");
    return ERR_OK;
}

int auth_check_name(const char *name, struct err *err)
{
    return plain(name, LIMIT_STATION_NAME_BYTES)
               ? ERR_OK
               : err_set(err, ERR_INVALID, "a station's name is 1 to 64 ASCII characters");
}

int auth_add_station(struct store *store, struct rnd *rnd, const char *name, const char *scope,
                     char ret_token[AUTH_TOKEN_DIGITS + 1], struct err *err)
{
    if (auth_check_name(name, err) != ERR_OK || auth_check_scope(scope, err) != ERR_OK)
        return err->code;
    char token[AUTH_TOKEN_DIGITS + 1], hash[SEAL_HASH_DIGITS + 1];
    auth_new_token(rnd, token);
    seal_hash(token, strlen(token), hash);
    int code = store->ops->station_add(store, name, scope, hash, err);
    if (code == ERR_OK)
        memcpy(ret_token, token, sizeof token);
    return code;
}
