/* See authority.h. A key is written before its certificate, so a crash between leaves a key that
 * the next `ca init` replaces; a certificate never stands without its key. */
#include "sync/county/authority.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/file.h"
#include "gateway/base/text.h"

static const int64_t YEAR_MS = INT64_C(365) * 86400000;
static const int64_t EARLIER_MS = 300000; /* clocks differ */

static int path_in(const char *folder, const char *file, char ret[LIMIT_PATH_BYTES],
                   struct err *err)
{
    int size = snprintf(ret, LIMIT_PATH_BYTES, "%s/%s", folder, file);
    return size > 0 && size < LIMIT_PATH_BYTES
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "%s: the path is too long", folder);
}

static int put(const char *folder, const char *file, const struct buf *text, unsigned mode,
               struct err *err)
{
    char path[LIMIT_PATH_BYTES];
    int code = path_in(folder, file, path, err);
    return code != ERR_OK ? code : file_replace(path, buf_text(text), text->size, mode, err);
}

static int get(const char *folder, const char *file, bool secret, struct buf *out, struct err *err)
{
    char path[LIMIT_PATH_BYTES];
    int code = path_in(folder, file, path, err);
    if (code != ERR_OK)
        return code;
    return secret ? file_read_secret(path, out, err) : file_read(path, out, err);
}

static int put_pair(const char *folder, const char *const names[2], const struct buf *key,
                    const struct buf *cert, struct err *err)
{
    int code = put(folder, names[0], key, 0600, err);
    return code != ERR_OK ? code : put(folder, names[1], cert, 0644, err);
}

static int make_ca(const char *folder, const char *name, int64_t now_ms, struct err *err)
{
    static const char *const names[2] = {"ca.key", "ca.crt"};
    struct buf key, cert;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    int code = x509_ca_new(name, now_ms - EARLIER_MS, now_ms + AUTHORITY_YEARS * YEAR_MS, &key,
                           &cert, err);
    if (code == ERR_OK)
        code = put_pair(folder, names, &key, &cert, err);
    buf_free(&key);
    buf_free(&cert);
    return code;
}

static int make_server(const char *folder, const struct x509_ca *ca, const char *const *hosts,
                       size_t count, int64_t now_ms, struct err *err)
{
    static const char *const names[2] = {"server.key", "server.crt"};
    struct buf key, cert;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    int code = x509_ca_issue_server(ca, hosts, count, now_ms - EARLIER_MS,
                                    now_ms + AUTHORITY_SERVER_YEARS * YEAR_MS, &key, &cert, err);
    if (code == ERR_OK)
        code = put_pair(folder, names, &key, &cert, err);
    buf_free(&key);
    buf_free(&cert);
    return code;
}

/* A name or an address, and nothing that the extension would read as another one. */
static int check_hosts(const char *const *hosts, size_t count, struct err *err)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_:*";
    for (size_t i = 0; i < count; i++)
        if (hosts[i][0] == '\0' || strlen(hosts[i]) > LIMIT_X509_HOST_BYTES ||
            strspn(hosts[i], ALLOWED) != strlen(hosts[i]))
            return err_set(err, ERR_INVALID, "--host %.60s: not a name or an address", hosts[i]);
    return ERR_OK;
}

int authority_init(const char *folder, const char *name, const char *const *hosts, size_t count,
                   int64_t now_ms, struct err *err)
{
    struct authority authority;
    int code = check_hosts(hosts, count, err);
    if (code == ERR_OK && mkdir(folder, 0700) != 0 && errno != EEXIST)
        code = err_set(err, ERR_IO, "%s: %s", folder, strerror(errno));
    if (code != ERR_OK)
        return code;
    code = authority_open(folder, &authority, err);
    if (code == ERR_NOT_FOUND) {
        code = make_ca(folder, name, now_ms, err);
        if (code == ERR_OK)
            code = authority_open(folder, &authority, err);
    }
    if (code != ERR_OK)
        return code;
    if (count > 0)
        code = make_server(folder, authority.ca, hosts, count, now_ms, err);
    authority_close(&authority);
    return code;
}

int authority_open(const char *folder, struct authority *ret, struct err *err)
{
    struct buf key, cert;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    *ret = (struct authority){0};
    int code = get(folder, "ca.crt", false, &cert, err);
    if (code == ERR_OK && (code = get(folder, "ca.key", true, &key, err)) == ERR_NOT_FOUND)
        code = err_set(err, ERR_INVALID, "%s: ca.crt is there, ca.key is not", folder);
    if (code == ERR_OK)
        code = path_in(folder, "server.crt", ret->server_cert, err);
    if (code == ERR_OK)
        code = path_in(folder, "server.key", ret->server_key, err);
    if (code == ERR_OK)
        code = x509_ca_open(buf_text(&key), buf_text(&cert), &ret->ca, err);
    buf_free(&key);
    buf_free(&cert);
    return code;
}

void authority_close(struct authority *authority)
{
    x509_ca_close(authority->ca);
    *authority = (struct authority){0};
}
