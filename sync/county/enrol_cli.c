/* See enrol_cli.h. A code is shown once, here, and stored as its hash. */
#include "sync/county/enrol_cli.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/county/auth.h"
#include "sync/county/authority.h"
#include "sync/county/enrol.h"

static bool is(char *const *words, int count, int index, const char *text)
{
    return index < count && strcmp(words[index], text) == 0;
}

static int print(int code, struct buf *json)
{
    if (code == ERR_OK)
        printf("%s\n", buf_text(json));
    buf_free(json);
    return code;
}

static int print_pin(const struct enrol_cli *cli, struct err *err)
{
    struct authority authority;
    char pin[SLIP_PIN_TEXT + 1];
    int code = authority_open(cli->ca_folder, &authority, err);
    if (code == ERR_OK) {
        slip_print(x509_ca_pin(authority.ca)->bytes, SLIP_PIN_BYTES, pin);
        printf("pin %s\n", pin);
    }
    authority_close(&authority);
    return code == ERR_NOT_FOUND
               ? err_set(err, code, "%s: no authority: `touyan-county ca init` makes it",
                         cli->ca_folder)
               : code;
}

int enrol_cli_ca(const struct enrol_cli *cli, char *const *words, int count, struct err *err)
{
    bool init = is(words, count, 0, "init");
    int code = ERR_OK;
    if (!init && !is(words, count, 0, "pin"))
        return err_set(err, ERR_INVALID, "ca init --host NAME..., or ca pin");
    if (init)
        code = authority_init(cli->ca_folder, cli->name != NULL ? cli->name : "touyan county",
                              cli->hosts, cli->host_count, clock_wall_ms(cli->clock), err);
    return code != ERR_OK ? code : print_pin(cli, err);
}

static int check_serial(const char *serial, struct err *err)
{
    size_t size = strlen(serial);
    if (size == 0 || size > LIMIT_ENROL_SERIAL_BYTES || !text_utf8_valid(serial, size))
        return err_set(err, ERR_INVALID, "--serial: 1 to %d bytes", LIMIT_ENROL_SERIAL_BYTES);
    return ERR_OK;
}

static int add_code(const struct enrol_cli *cli, const char *station, const char *scope,
                    struct err *err)
{
    char text[SLIP_CODE_TEXT + 1], hash[SEAL_HASH_DIGITS + 1];
    enrol_new_code(cli->rnd, text, hash);
    int code = store_enrol_code(cli->store, station, scope, hash, err);
    if (code == ERR_OK)
        printf("code %s\n", text);
    return code;
}

int enrol_cli_add(const struct enrol_cli *cli, const char *station, struct err *err)
{
    const char *scope = cli->scope != NULL ? cli->scope : station;
    int code = auth_check_name(station, err);
    if (code == ERR_OK)
        code = auth_check_scope(scope, err);
    if (code == ERR_OK && cli->serial != NULL)
        code = check_serial(cli->serial, err);
    if (code == ERR_OK)
        code = print_pin(cli, err); /* before anything is promised: there is an authority */
    if (code != ERR_OK)
        return code;
    return cli->serial != NULL ? store_enrol_serial(cli->store, station, scope, cli->serial, err)
                               : add_code(cli, station, scope, err);
}

bool enrol_cli_knows(const char *verb)
{
    return strcmp(verb, "pending") == 0 || strcmp(verb, "approve") == 0 ||
           strcmp(verb, "reject") == 0;
}

int enrol_cli_station(const struct enrol_cli *cli, char *const *words, int count, struct err *err)
{
    struct buf json;
    bool approve = is(words, count, 0, "approve");
    if (is(words, count, 0, "pending")) {
        buf_init(&json, LIMIT_ANSWER_BYTES);
        return print(store_enrol_list(cli->store, &json, err), &json);
    }
    if (count != 3)
        return err_set(err, ERR_INVALID,
                       "station %s ID DIGITS: the six digits that the station shows", words[0]);
    int code = cli->name != NULL ? auth_check_name(cli->name, err) : ERR_OK;
    return code != ERR_OK
               ? code
               : store_enrol_decide(cli->store, words[1], words[2], approve, cli->name, err);
}

int enrol_cli_certificate(const struct enrol_cli *cli, char *const *words, int count,
                          struct err *err)
{
    struct buf json;
    if (count == 0 || is(words, count, 0, "list")) {
        buf_init(&json, LIMIT_ANSWER_BYTES);
        return print(store_cert_list(cli->store, &json, err), &json);
    }
    if (count != 2 || !is(words, count, 0, "revoke"))
        return err_set(err, ERR_INVALID, "certificate list, or certificate revoke SERIAL");
    return store_cert_revoke(cli->store, words[1], err);
}
