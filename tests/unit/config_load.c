/* Configuration files as people write them, right and wrong: what is loaded, and that each mistake
 * is refused with file, line and what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/options.h"
#include "config/parse.h"
#include "gateway/base/log.h"

struct place {
    char folder[64];
    char main[80];
};

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static void write_conf_d(const struct place *place, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/conf.d", place->folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/conf.d/%s", place->folder, name);
    write_text(path, text);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strncpy(place->folder, "/tmp/touyan-config-XXXXXX", sizeof place->folder - 1);
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->main, sizeof place->main, "%s/touyan.conf", place->folder);
    *state = place;
    return 0;
}

static void remove_names(const char *folder, const char *const *names)
{
    char path[160];
    for (; *names != NULL; names++) {
        snprintf(path, sizeof path, "%s/%s", folder, *names);
        unlink(path);
    }
}

static int tear_down(void **state)
{
    static const char *const names[] = {
        "touyan.conf",       "conf.d/10-a.conf", "conf.d/20-b.conf", "conf.d/.hidden.conf",
        "conf.d/30-c.conf~", "secret",           "ca.pem",           NULL};
    struct place *place = *state;
    char path[160];
    remove_names(place->folder, names);
    snprintf(path, sizeof path, "%s/conf.d", place->folder);
    rmdir(path);
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

static struct config *load_text(const struct place *place, const char *text)
{
    struct err err = {0};
    struct config *config = NULL;
    write_text(place->main, text);
    if (config_load(place->main, &config, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return config;
}

static void test_defaults(void **state)
{
    struct config *config = load_text(*state, "station { id = S0117 }\n");
    assert_string_equal(config->station.id, "S0117");
    assert_string_equal(config->station.name, "");
    assert_int_equal(config->station.lang, CONFIG_LANG_ZH);
    assert_string_equal(config->replica.path, "/var/lib/touyan/touyan.db");
    assert_int_equal(config->replica.backup_at, 3 * 60 + 10);
    assert_int_equal(config->modem_count, 0);
    assert_int_equal(config->mqtt.port, 1883);
    assert_int_equal(config->mqtt.keepalive_s, 15);
    assert_int_equal(config->sync.scopes.count, 0);
    assert_int_equal(config->duty.reminder_evening, 18 * 60);
    assert_int_equal(config->duty.no_show_min.count, 4);
    assert_int_equal(config->duty.no_show_min.at[3], 23);
    assert_int_equal(config->duty.panic_min.at[2], 7);
    assert_int_equal(config->log.level, LOG_LEVEL_INFO);
    config_free(config);
}

static void test_values(void **state)
{
    struct config *config =
        load_text(*state, "# 注释\n"
                          "station {\n  id = \"S0117\"\n  name = '突泉护学站'\n  lang = en\n}\n"
                          "modem \"gsm0\" { device = \"/dev/ttyUSB0\" fast_sleeps = true }\n"
                          "modem gsm1 { device = /dev/ttyUSB1 }\n"
                          "mqtt { keepalive_s = 1min port = 8883 }\n"
                          "sync { poll_s = 2h scopes = { \"*\", S0117 } }\n"
                          "duty { quiet_from = 22:15 panic_min = { 1, 5 } }\n"
                          "log { level = debug }\n");
    assert_string_equal(config->station.name, "突泉护学站");
    assert_int_equal(config->station.lang, CONFIG_LANG_EN);
    assert_int_equal(config->modem_count, 2);
    assert_string_equal(config->modems[0].name, "gsm0");
    assert_string_equal(config->modems[0].device, "/dev/ttyUSB0");
    assert_true(config->modems[0].fast_sleeps);
    assert_string_equal(config->modems[1].device, "/dev/ttyUSB1");
    assert_false(config->modems[1].fast_sleeps);
    assert_int_equal(config->mqtt.keepalive_s, 60);
    assert_int_equal(config->sync.poll_s, 7200);
    assert_int_equal(config->sync.scopes.count, 2);
    assert_string_equal(config->sync.scopes.at[0], "*");
    assert_string_equal(config->sync.scopes.at[1], "S0117");
    assert_int_equal(config->duty.quiet_from, 22 * 60 + 15);
    assert_int_equal(config->duty.panic_min.count, 2);
    assert_int_equal(config->duty.panic_min.at[1], 5);
    assert_int_equal(config->log.level, LOG_LEVEL_DEBUG);
    config_free(config);
}

static void test_conf_d_in_name_order(void **state)
{
    struct place *place = *state;
    write_conf_d(place, "20-b.conf", "mqtt { port = 3 }\nmodem gsm0 { fast_sleeps = true }\n");
    write_conf_d(place, "10-a.conf", "mqtt { port = 2 host = broker }\nsync { scopes = { X } }\n");
    write_conf_d(place, ".hidden.conf", "nonsense");
    write_conf_d(place, "30-c.conf~", "nonsense");
    struct config *config =
        load_text(place, "station { id = S1 }\nmqtt { port = 1 username = u }\n"
                         "modem gsm0 { device = /dev/a }\nsync { scopes = { A, B } }\n");
    assert_int_equal(config->mqtt.port, 3);
    assert_string_equal(config->mqtt.host, "broker");
    assert_string_equal(config->mqtt.username, "u");
    assert_int_equal(config->modem_count, 1);
    assert_string_equal(config->modems[0].device, "/dev/a");
    assert_true(config->modems[0].fast_sleeps);
    assert_int_equal(config->sync.scopes.count, 1);
    assert_string_equal(config->sync.scopes.at[0], "X");
    config_free(config);
}

static void test_section_in_two_parts(void **state)
{
    struct config *config =
        load_text(*state, "station { id = S1 }\nmqtt { port = 7 }\nmqtt { username = u }\n");
    assert_int_equal(config->mqtt.port, 7);
    assert_string_equal(config->mqtt.username, "u");
    config_free(config);
}

static void test_windows_file(void **state)
{
    struct config *config =
        load_text(*state, "\xef\xbb\xbfstation {\r\n  id = S1\r\n  name = \"一站\"\r\n}\r\n");
    assert_string_equal(config->station.id, "S1");
    assert_string_equal(config->station.name, "一站");
    config_free(config);
}

/* A file with "station { id = S1 }" on line 1 and `text` from line 2 on, and what must be said. */
static const struct {
    const char *text;
    const char *said[3];
} wrong[] = {
    {"mqtt { prot = 1 }", {":2: ", "\"prot\"", "\"port\""}},
    {"mqtt {\n\n  usrename = x\n}", {":4: ", "\"usrename\"", "did you mean \"username\""}},
    {"mqqt { port = 1 }", {":2: ", "no section \"mqqt\"", "\"mqtt\""}},
    {"mqtt { poll_s = 1 }", {":2: ", "belongs into section \"sync\""}},
    {"zzzzzzzzzz { a = 1 }", {":2: ", "no section \"zzzzzzzzzz\""}},
    {"mqtt { password = hunter2 }", {":2: ", "no secrets", "password_file"}},
    {"sync { token = abc }", {":2: ", "no secrets", "token_file"}},
    {"sync { token_file = abcdef }", {":2: sync.token_file", "absolute path"}},
    {"sync { url = \"https://u:p@county\" }", {":2: sync.url", "https://host"}},
    {"sync { url = \"http://county\" }", {":2: sync.url", "127.0.0.1"}},
    {"sync { url = \"ftp://county\" }", {":2: sync.url"}},
    {"sync { url = \"https://county\" }", {"token_file"}},
    {"mqtt { port = 70000 }", {":2: mqtt.port", "\"70000\"", "1 to 65535"}},
    {"mqtt { port = 12x }", {":2: mqtt.port", "1 to 65535"}},
    {"mqtt { port = -1 }", {":2: mqtt.port"}},
    {"mqtt { port = \"\" }", {":2: mqtt.port"}},
    {"mqtt { keepalive_s = 15m }", {":2: mqtt.keepalive_s", "15min"}},
    {"mqtt { keepalive_s = 99999999999999h }", {":2: mqtt.keepalive_s"}},
    {"mqtt { password_file = /x }", {"no username"}},
    {"mqtt { cert_file = /x }", {"cert_file and key_file"}},
    {"duty { quiet_from = 25:00 }", {":2: duty.quiet_from", "18:00"}},
    {"duty { quiet_from = 7 }", {":2: duty.quiet_from", "18:00"}},
    {"duty { panic_min = { 4, 2 } }", {":2: duty.panic_min", "rising"}},
    {"duty { panic_min = { 1,2,3,4,5,6,7,8,9 } }", {":2: duty.panic_min", "1 to 8"}},
    {"duty { no_show_min = { 1, 2 } }", {"no_show_min", "needs 4"}},
    {"duty { panic_min = { 2, 9 } }", {"panic_room_min"}},
    {"duty { flow_peak = 200 }", {"flow_heavy (150) is not above"}},
    {"log { level = loud }", {":2: log.level", "error, warn, info, debug"}},
    {"modem gsm0 { fast_sleeps = maybe device = /x }", {":2: modem.fast_sleeps", "true or false"}},
    {"modem gsm0 { }", {"modem gsm0 needs a device or an imei"}},
    {"modem gsm0 { imei = 86700x }", {":2: modem.imei", "digits"}},
    {"modem gsm0 { device = /a driver = nokia }", {":2: modem.driver", "gammu, at"}},
    {"modem gsm0 { imei = 867000000000017 }\nmodem gsm1 { imei = 867000000000017 }",
     {"gsm0 and gsm1", "same device"}},
    {"modem gsm0 { device = /a }\nmodem gsm0 { device = /b }", {":3: ", "gsm0"}},
    {"modem gsm0 { device = /a }\nmodem gsm1 { device = /a }", {"gsm0 and gsm1", "same device"}},
    {"modem \"a b\" { device = /a }", {"\"a b\"", "letters"}},
    {"modem { device = /a }", {":2: "}},
    {"station { id = \"S 1\" }", {":2: station.id", "letters"}},
    {"station { id = \"\" }", {":2: station.id"}},
    {"station { area_code = 04a }", {":2: station.area_code", "digits"}},
    {"station { name = \"a\nb\" }", {"station.name"}},
    {"station { signature = \"一二三四五六七八九十十\" }", {":2: station.signature", "30 bytes"}},
    {"mqtt { port = 1", {"\"mqtt\" is missing"}},
    {"mqtt { port 1 }", {":2: "}},
    {"mqtt { port = { 1 } }", {":2: "}},
    {"}", {":2: unexpected closing brace"}},
    {"mqtt = 3", {":2: "}},
    {"mqtt { name = \"abc }", {"touyan.conf"}},
    {"mqtt { host = \"\xb2\xe2\" }", {":2: ", "UTF-8"}},
};

static void expect_wrong(const struct place *place, const char *text, const char *const *said,
                         size_t count)
{
    struct err err = {0};
    struct config *config = NULL;
    write_text(place->main, text);
    int rc = config_load(place->main, &config, &err);
    if (rc == ERR_OK)
        fail_msg("accepted: %s", text);
    assert_int_equal(rc, ERR_INVALID);
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(config);
    for (size_t i = 0; i < count && said[i] != NULL; i++)
        if (strstr(err.text, said[i]) == NULL)
            fail_msg("%s\nsaid: %s\nwithout: %s", text, err.text, said[i]);
}

static void test_wrong(void **state)
{
    char text[512];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text, "station { id = S1 }\n%s\n", wrong[i].text);
        expect_wrong(*state, text, wrong[i].said, 3);
    }
}

static void test_required(void **state)
{
    static const char *const said[] = {"station has no \"id\""};
    expect_wrong(*state, "", said, 1);
    expect_wrong(*state, "station { name = x }", said, 1);
}

static void test_wrong_in_conf_d_names_that_file(void **state)
{
    static const char *const said[] = {"conf.d/10-a.conf:2: ", "mqtt.port"};
    write_conf_d(*state, "10-a.conf", "\nmqtt { port = x }\n");
    expect_wrong(*state, "station { id = S1 }\n", said, 2);
}

static void test_no_file(void **state)
{
    struct place *place = *state;
    struct err err = {0};
    struct config *config = NULL;
    assert_int_equal(config_load(place->main, &config, &err), ERR_IO);
    assert_non_null(strstr(err.text, place->main));
    assert_int_equal(config_load(place->folder, &config, &err), ERR_IO);
    assert_non_null(strstr(err.text, "is no file"));
}

static void test_too_large(void **state)
{
    struct place *place = *state;
    struct err err = {0};
    struct config *config = NULL;
    char *text = malloc(CONFIG_FILE_MAX + 1);
    memset(text, '\n', CONFIG_FILE_MAX + 1);
    write_bytes(place->main, text, CONFIG_FILE_MAX + 1);
    assert_int_equal(config_load(place->main, &config, &err), ERR_LIMIT);
    memcpy(text, "station { id = S1 }", 19);
    write_bytes(place->main, text, CONFIG_FILE_MAX);
    assert_int_equal(config_load(place->main, &config, &err), ERR_OK);
    config_free(config);
    free(text);
}

static void test_many_modems(void **state)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_add_text(&text, "station { id = S1 }\n");
    for (int i = 0; i < LIMIT_MODEMS; i++)
        buf_printf(&text, "modem gsm%d { device = /dev/%d }\n", i, i);
    struct config *config = load_text(*state, buf_text(&text));
    assert_int_equal(config->modem_count, LIMIT_MODEMS);
    config_free(config);
    buf_add_text(&text, "modem more { device = /dev/more }\n");
    struct place *place = *state;
    struct err err = {0};
    write_text(place->main, buf_text(&text));
    assert_int_equal(config_load(place->main, &config, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, ":10: more than 8 modems"));
    buf_free(&text);
}

static void test_secret_files(void **state)
{
    struct place *place = *state;
    char text[256];
    char secret[80];
    struct err err = {0};
    snprintf(secret, sizeof secret, "%s/secret", place->folder);
    snprintf(text, sizeof text,
             "station { id = S1 }\nmqtt { username = u password_file = \"%s\" }\n", secret);
    struct config *config = load_text(place, text);
    assert_int_equal(config_check(config, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "mqtt.password_file"));

    write_text(secret, "hunter2\nsecond line\n");
    assert_int_equal(chmod(secret, 0644), 0);
    assert_int_equal(config_check(config, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "others can read"));
    char value[CONFIG_SECRET_BYTES + 1] = "";
    assert_int_equal(config_read_secret(secret, value, &err), ERR_DENIED);
    assert_string_equal(value, "");

    assert_int_equal(chmod(secret, 0640), 0);
    assert_int_equal(config_check(config, &err), ERR_OK);
    assert_int_equal(config_read_secret(secret, value, &err), ERR_OK);
    assert_string_equal(value, "hunter2");
    config_free(config);
}

static void test_odd_secrets(void **state)
{
    struct place *place = *state;
    char secret[80];
    char value[CONFIG_SECRET_BYTES + 1] = "before";
    char bytes[CONFIG_SECRET_BYTES + 1];
    struct err err = {0};
    snprintf(secret, sizeof secret, "%s/secret", place->folder);
    assert_int_equal(config_read_secret(secret, value, &err), ERR_IO);
    assert_int_equal(config_read_secret(place->folder, value, &err), ERR_INVALID);
    write_text(secret, "");
    assert_int_equal(chmod(secret, 0600), 0);
    assert_int_equal(config_read_secret(secret, value, &err), ERR_INVALID);
    write_text(secret, "\nabc\n");
    assert_int_equal(config_read_secret(secret, value, &err), ERR_INVALID);
    memset(bytes, 'x', sizeof bytes);
    write_bytes(secret, bytes, sizeof bytes);
    assert_int_equal(config_read_secret(secret, value, &err), ERR_LIMIT);
    assert_string_equal(value, "before");
    write_bytes(secret, bytes, CONFIG_SECRET_BYTES);
    assert_int_equal(config_read_secret(secret, value, &err), ERR_OK);
    assert_int_equal(strlen(value), CONFIG_SECRET_BYTES);
}

static void test_reload(void **state)
{
    struct place *place = *state;
    struct config_changes changes;
    struct err err = {0};
    struct config *config = load_text(place, "station { id = S1 }\n"
                                             "modem gsm0 { device = /dev/a }\n"
                                             "modem old { device = /dev/b }\n");
    const char *id = config->station.id;
    assert_int_equal(config_reload(config, &changes, &err), ERR_OK);
    assert_string_equal(changes.adopted, "");
    assert_string_equal(changes.refused, "");

    write_text(place->main, "station { id = S2 }\nlog { level = warn }\n"
                            "duty { quiet_from = 20:00 panic_min = { 1 } }\n"
                            "modem gsm0 { device = /dev/c }\nmodem new { device = /dev/d }\n");
    assert_int_equal(config_reload(config, &changes, &err), ERR_OK);
    assert_string_equal(changes.adopted, "duty.quiet_from duty.panic_min log.level");
    assert_string_equal(changes.refused, "station.id modem.gsm0.device modem.old.(removed) "
                                         "modem.new.(added)");
    assert_ptr_equal(config->station.id, id);
    assert_string_equal(id, "S1");
    assert_int_equal(config->duty.quiet_from, 20 * 60);
    assert_int_equal(config->duty.panic_min.count, 1);
    assert_int_equal(config->log.level, LOG_LEVEL_WARN);
    assert_int_equal(config->modem_count, 2);
    config_free(config);
}

static void test_failed_reload_changes_nothing(void **state)
{
    struct place *place = *state;
    struct config_changes changes;
    struct err err = {0};
    struct config *config = load_text(place, "station { id = S1 }\n");
    write_text(place->main, "station { id = S1 }\nlog { level = debug }\nduty { quiet_to = x }\n");
    assert_int_equal(config_reload(config, &changes, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, ":3: duty.quiet_to"));
    assert_int_equal(config->log.level, LOG_LEVEL_INFO);
    config_free(config);
}

/* What is printed can be read again and says the same. */
static void test_print_and_read_again(void **state)
{
    struct place *place = *state;
    struct config *config = load_text(
        place, "station { id = S1 name = '引\"号 \\ $HOME ${HOME}' }\n"
               "modem gsm0 { device = \"/dev/a b\" }\nsync { scopes = { \"*\", S1 } poll_s = 90 }\n"
               "duty { panic_min = { 1, 2 } quiet_from = 09:05 }\nlog { level = error }\n");
    assert_string_equal(config->station.name, "引\"号 \\ $HOME ${HOME}");
    struct buf first, second;
    buf_init(&first, CONFIG_PRINT_MAX);
    buf_init(&second, CONFIG_PRINT_MAX);
    assert_true(config_print(config, &first));
    config_free(config);
    config = load_text(place, buf_text(&first));
    assert_string_equal(config->station.name, "引\"号 \\ $HOME ${HOME}");
    assert_true(config_print(config, &second));
    assert_string_equal(buf_text(&first), buf_text(&second));
    config_free(config);
    buf_free(&first);
    buf_free(&second);
}

/* The sample with every default in force; the modem section stays a comment. */
static void uncomment(const char *sample, struct buf *out)
{
    for (const char *at = sample; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        if (strncmp(at, "    # ", 6) == 0 && memmem(at, length, " = ", 3) != NULL)
            buf_printf(out, "    %.*s\n", (int)length - 6, at + 6);
        else if (strncmp(at, "    id = \"\"", 11) == 0)
            buf_add_text(out, "    id = S1\n");
        else
            buf_printf(out, "%.*s\n", (int)length, at);
        at += length + (at[length] == '\n' ? 1 : 0);
    }
}

/* The sample says what the defaults are: with every option uncommented it loads to the same. */
static void test_sample_is_the_defaults(void **state)
{
    struct buf sample, expected, got;
    buf_init(&sample, CONFIG_PRINT_MAX);
    buf_init(&expected, CONFIG_PRINT_MAX);
    buf_init(&got, CONFIG_PRINT_MAX);
    assert_true(config_print_sample(&sample));
    struct config *config = load_text(*state, "station { id = S1 }\n");
    assert_true(config_print(config, &expected));
    config_free(config);

    struct buf text;
    buf_init(&text, CONFIG_PRINT_MAX);
    uncomment(buf_text(&sample), &text);
    config = load_text(*state, buf_text(&text));
    assert_true(config_print(config, &got));
    assert_string_equal(buf_text(&got), buf_text(&expected));
    config_free(config);
    buf_free(&text);
    buf_free(&sample);
    buf_free(&expected);
    buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_conf_d_in_name_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_section_in_two_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_windows_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_required, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_in_conf_d_names_that_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_modems, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secret_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_secrets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_reload_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_print_and_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sample_is_the_defaults, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
