/* What of the radio bridge is pure: air time, cutting, keys, packets, the alarm's one line. The
 * packets of tests/data/radio were made by Meshtastic's own package. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/duty/air.h"
#include "mqtt/radio/pbuf.h"
#include "mqtt/radio/radio.h"
#include "mqtt/radio/split.h"

enum { TABLE_BYTES = 65536, PACKET_BYTES = 1024 };

/* --- the air --- */

static void air_time(void **state)
{
    (void)state;
    /* Semtech's calculator, 255 bytes */
    assert_int_equal(lora_air_ms(lora_preset(LORA_LONG_FAST), 255), 2157);
    assert_int_equal(lora_air_ms(lora_preset(LORA_MEDIUM_FAST), 255), 642);
    assert_int_equal(lora_air_ms(lora_preset(LORA_SHORT_FAST), 255), 204);
    for (size_t bytes = 1; bytes < LORA_PACKET_MAX; bytes++)
        for (int i = 0; i < LORA_PRESETS; i++)
            assert_true(lora_air_ms(lora_preset((enum lora_preset_id)i), bytes) <=
                        lora_air_ms(lora_preset((enum lora_preset_id)i), bytes + 1));
}

static void text_in_a_second(void **state)
{
    (void)state;
    assert_int_equal(lora_text_bytes(lora_preset(LORA_LONG_FAST), 1000), 73); /* 24 characters */
    assert_int_equal(lora_text_bytes(lora_preset(LORA_MEDIUM_FAST), 1000), LORA_TEXT_MAX);
    assert_int_equal(lora_text_bytes(lora_preset(LORA_SHORT_TURBO), 1000), LORA_TEXT_MAX);
    assert_int_equal(lora_text_bytes(lora_preset(LORA_LONG_SLOW), 1000), 0);
    assert_int_equal(lora_text_bytes(lora_preset(LORA_LONG_FAST), 3000), LORA_TEXT_MAX);
}

/* --- parts --- */

static void join(const char *text, size_t max, char *ret, size_t size)
{
    char part[LIMIT_RADIO_OUT_BYTES + 1], mark[32];
    int count = split_count(text, max);
    ret[0] = '\0';
    for (int i = 0; i < count; i++) {
        split_part(text, max, count, i, part);
        assert_true(strlen(part) <= max);
        assert_true(text_utf8_valid(part, strlen(part)));
        snprintf(mark, sizeof mark, "%d/%d ", i + 1, count);
        assert_true(count == 1 || strncmp(part, mark, 4) == 0);
        assert_true(
            snprintf(ret + strlen(ret), size - strlen(ret), "%s", part + (count > 1 ? 4 : 0)) > 0);
    }
}

static void parts(void **state)
{
    static const char text[] = "您07:32的报警已收到，正在通知所长和值班室。结束请回“解除4821” "
                               "🙂 "
                               "end";
    char whole[512];
    (void)state;
    for (size_t max = 8; max < sizeof text + 2; max++)
        if (split_count(text, max) > 0) {
            join(text, max, whole, sizeof whole);
            assert_string_equal(whole, text);
        }
    assert_int_equal(split_count(text, 7), 0);
    assert_int_equal(split_count(text, sizeof text - 1), 1);
    assert_int_equal(split_count(text, sizeof text - 2), 2);
    assert_int_equal(split_count("", 40), 1);
}

/* --- what is configured --- */

static struct radio_settings settings(void)
{
    return (struct radio_settings){.station = "S0117",
                                   .root = "msh/CN",
                                   .channel = "touyan",
                                   .node = "!7d0a0001",
                                   .preset = LORA_MEDIUM_FAST,
                                   .emission_ms = 1000,
                                   .hops = 3,
                                   .text_bytes = 140,
                                   .text_gap_ms = 2000};
}

static void refuse(const struct radio_settings *made, const char *problem)
{
    struct radio_link link;
    struct err err = {0};
    assert_int_equal(radio_link_make(made, &link, &err), ERR_INVALID);
    if (strstr(err.text, problem) == NULL)
        fail_msg("\"%s\" does not say %s", err.text, problem);
}

static void mistakes(void **state)
{
    struct radio_settings s;
    (void)state;
    for (int i = 0; i < 8; i++) {
        static const char *const problems[] = {"radio.channel", "radio.root",  "radio.root",
                                               "radio.node",    "radio.node",  "radio.key_file",
                                               "radio.node",    "radio.preset"};
        s = settings();
        switch (i) {
        case 0:
            s.channel = "a/b";
            break;
        case 1:
            s.root = "msh/CN/east/2/3";
            break;
        case 2:
            s.root = "mesh/CN";
            break;
        case 3:
            s.node = "7d0a0001";
            break;
        case 4:
            s.node = "!ffffffff";
            break;
        case 5:
            s.key = "AAECAwQ=";
            break;
        case 6:
            s.json = true;
            s.node = "";
            break;
        default:
            s.preset = LORA_LONG_SLOW;
        }
        refuse(&s, problems[i]);
    }
}

static void keys(void **state)
{
    struct radio_settings s = settings();
    struct radio_link link;
    struct err err;
    (void)state;
    s.key = "AQ==";
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
    assert_int_equal(link.key_size, 16);
    assert_int_equal(link.key[15], 0x01);
    s.key = "Ag==";
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
    assert_int_equal(link.key[15], 0x02);
    s.key = "1PG7OiApB1nwvP+rz05pAQ==";
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
    assert_int_equal(link.key[0], 0xd4);
    s.node = "";
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
    assert_true(link.node >> 24 == 0x7d);
    s.channel = ""; /* no mesh: its preset does not matter */
    s.preset = LORA_LONG_SLOW;
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
}

static void names(void **state)
{
    char name[RADIO_NODE_BYTES + 1];
    (void)state;
    assert_true(radio_node_name("meshtastic", "2130636288", name));
    assert_string_equal(name, "!7efeee00");
    assert_true(radio_node_name("meshtastic", "!7EFEEE00", name));
    assert_string_equal(name, "!7efeee00");
    assert_false(radio_node_name("meshtastic", "!7efeee0", name));
    assert_false(radio_node_name("meshtastic", "!00000000", name));
    assert_false(radio_node_name("meshtastic", "4294967296", name));
    assert_true(radio_node_name("radio_text", "1042", name));
    assert_string_equal(name, "1042");
    assert_false(radio_node_name("radio_text", "a/b", name));
}

/* --- packets --- */

static void describe(struct mapping *mapping, const char *topic, const struct buf *json, char *ret,
                     size_t size)
{
    struct mapped mapped;
    const char *reason = "";
    ret[0] = '\0';
    if (!mapping_begin(mapping, topic, buf_text(json), json->size, &reason) ||
        mapping_next(mapping, &mapped, &reason) != 1) {
        snprintf(ret, size, "raw: %s", reason);
        return;
    }
    assert_string_equal(mapped.product->name, "meshtastic");
    int used = snprintf(ret, size, "%s %s%s%s%s%s%s%s%s", mqtt_kind_name(mapped.kind),
                        mapped.device_id, mapped.subject[0] != '\0' ? " to=" : "", mapped.subject,
                        mapped.dedupe[0] != '\0' ? " id=" : "", mapped.dedupe,
                        mapped.text[0] != '\0' ? " text=" : "", mapped.text,
                        mapped.kind != MQTT_DELIVERED ? ""
                        : mapped.ok                   ? " ok"
                                                      : " refused");
    assert_true(used > 0 && (size_t)used < size);
    if (mapped.battery >= 0)
        snprintf(ret + strlen(ret), size - strlen(ret), " battery=%d", mapped.battery);
    if (mapped.kind == MQTT_TEXT)
        assert_string_equal(mapped.code, "touyan"); /* the channel */
}

#define LONG_TEXT "字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字字"
#define EVERYBODY " to=4294967295"

static const char *const heard[][2] = {
    {"text", "text 2130636288" EVERYBODY " id=434677183 text=到岗"},
    {"text_to_us", "text 2130636288 to=2097807361 id=7 text=48217 1"},
    {"text_old_topic", "text 2130636288" EVERYBODY " id=8 text=SOS"},
    {"text_lines", "text 2130636288" EVERYBODY " id=9 text=报警  "},
    {"text_not_utf8", "telemetry 2130636288"},
    {"text_long", "text 2130636288" EVERYBODY " id=11 text=" LONG_TEXT LONG_TEXT "字"},
    {"text_default_key", "text 2130636288" EVERYBODY " id=12 text=我的班"},
    {"text_long_key", "text 2130636288" EVERYBODY " id=4294967294 text=出警4821"},
    {"text_other_key", "telemetry 2130636288"},
    {"text_no_clock", "text 2130636288" EVERYBODY " id=14 text=1"},
    {"own", "none"},
    {"ack", "delivered 2130636288 id=4242 ok"},
    {"nack", "delivered 2130636288 id=4242 refused"},
    {"battery", "telemetry 2130636288 battery=87"},
    {"position", "telemetry 2130636288"},
    {"node_info", "telemetry 2130636288"},
    {"detection", "intrusion 2130636288 id=21"},
    {"traceroute", "telemetry 2130636288"},
};

static const char *expected(const char *name)
{
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++)
        if (strcmp(heard[i][0], name) == 0)
            return heard[i][1];
    fail_msg("nothing is said of packet %s", name);
    return "";
}

static size_t from_hex(const char *hex, uint8_t ret[PACKET_BYTES])
{
    int size = text_from_hex(hex, strlen(hex), ret, PACKET_BYTES);
    assert_true(size > 0);
    return (size_t)size;
}

static struct radio_link link_of(const char *key)
{
    struct radio_settings s = settings();
    struct radio_link link;
    struct err err;
    s.key = strcmp(key, "-") == 0 ? NULL : key;
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
    return link;
}

static void check_heard(struct mapping *mapping, char *line)
{
    char *rest = NULL, said[512] = "none";
    const char *name = strtok_r(line, "\t", &rest), *topic = strtok_r(NULL, "\t", &rest);
    struct radio_link link = link_of(strtok_r(NULL, "\t", &rest));
    uint8_t bytes[PACKET_BYTES];
    size_t size = from_hex(strtok_r(NULL, "\t", &rest), bytes);
    struct buf json;
    buf_init(&json, LIMIT_MQTT_MAPPED_BYTES);
    assert_int_equal(radio_meshtastic.decode(&link, topic, bytes, size, &json), 1);
    if (json.size > 0)
        describe(mapping, topic, &json, said, sizeof said);
    if (strcmp(said, expected(name)) != 0)
        fail_msg("%s: %s\nnot: %s", name, said, expected(name));
    /* names, places: nothing of them is taken */
    assert_null(strstr(buf_text(&json), "Wang"));
    assert_null(strstr(buf_text(&json), "4538"));
    /* cut anywhere it is no envelope, or one that says less; never more */
    for (size_t i = 0; i < size; i++) {
        uint8_t *cut = malloc(i + 1);
        assert_non_null(cut);
        memcpy(cut, bytes, i);
        buf_clear(&json);
        radio_meshtastic.decode(&link, topic, cut, i, &json);
        free(cut);
    }
    buf_free(&json);
}

static int each_line(const char *file, void (*act)(struct mapping *mapping, char *line))
{
    struct mapping *mapping;
    struct err err;
    struct buf table;
    char path[512], *rest = NULL;
    int lines = 0;
    buf_init(&table, TABLE_BYTES);
    snprintf(path, sizeof path, "%s/%s", RADIO_DATA, file);
    assert_int_equal(file_read(path, &table, &err), ERR_OK);
    assert_int_equal(mapping_open(NULL, &mapping, &err), ERR_OK);
    for (char *line = strtok_r(table.bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), lines++)
        act(mapping, line);
    mapping_close(mapping);
    buf_free(&table);
    return lines;
}

static void packets_heard(void **state)
{
    (void)state;
    assert_int_equal(each_line("heard.tsv", check_heard), sizeof heard / sizeof heard[0]);
}

/* Byte for byte what the official package makes of it. */
static void check_sent(struct mapping *mapping, char *line)
{
    char *rest = NULL;
    (void)mapping;
    strtok_r(line, "\t", &rest);
    struct radio_link link = link_of(strtok_r(NULL, "\t", &rest));
    const char *node = strtok_r(NULL, "\t", &rest), *number = strtok_r(NULL, "\t", &rest);
    const char *text = strtok_r(NULL, "\t", &rest), *hex = strtok_r(NULL, "\t", &rest);
    char made[2 * PACKET_BYTES + 1];
    int64_t id;
    struct buf topic, payload;
    struct err err = {0};
    assert_true(text_to_int64(number, 1, UINT32_MAX, &id));
    struct radio_packet packet = {.node = node, .channel = "", .text = text, .id = (uint32_t)id};
    buf_init(&topic, 128);
    buf_init(&payload, PACKET_BYTES);
    assert_int_equal(radio_meshtastic.encode(&link, &packet, &topic, &payload, &err), ERR_OK);
    assert_string_equal(buf_text(&topic), "msh/CN/2/e/touyan/!7d0a0001");
    text_to_hex(payload.bytes, payload.size, made);
    assert_string_equal(made, hex);
    buf_free(&topic);
    buf_free(&payload);
}

static void packets_sent(void **state)
{
    (void)state;
    assert_int_equal(each_line("sent.tsv", check_sent), 3);
}

/* What firmware up to 2.7 takes on its channel "mqtt" (MQTT.cpp, onReceiveJson). */
static void json_sent(void **state)
{
    struct radio_settings s = settings();
    struct radio_link link;
    struct radio_packet packet = {.node = "!7efeee00", .channel = "", .text = "到\"岗", .id = 7};
    struct buf topic, payload;
    struct err err = {0};
    (void)state;
    s.root = "msh";
    s.json = true;
    s.channel_index = 2;
    assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
    buf_init(&topic, 128);
    buf_init(&payload, PACKET_BYTES);
    assert_int_equal(radio_meshtastic.encode(&link, &packet, &topic, &payload, &err), ERR_OK);
    assert_string_equal(buf_text(&topic), "msh/2/json/mqtt/");
    assert_string_equal(buf_text(&payload),
                        "{\"from\":2097807361,\"to\":2130636288,\"channel\":2,\"hopLimit\":3,"
                        "\"type\":\"sendtext\",\"payload\":\"到\\\"岗\"}");
    /* it comes back from the broker, and is nobody's */
    assert_int_equal(
        radio_meshtastic.decode(&link, "msh/2/json/mqtt/", payload.bytes, payload.size, &topic), 1);
    buf_free(&topic);
    buf_free(&payload);
}

static void roots(void **state)
{
    static const char *const good[] = {"msh", "msh/CN", "msh/CN/BJ", "msh/CN/BJ/1"};
    static const char *const bad[] = {"", "ms", "mshx", "msh/", "msh/+", "msh/CN/", "msh/a/b/c/d"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct radio_settings s = settings();
        struct radio_link link;
        struct err err = {0};
        s.root = good[i];
        assert_int_equal(radio_link_make(&s, &link, &err), ERR_OK);
        assert_string_equal(link.root, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct radio_settings s = settings();
        s.root = bad[i];
        refuse(&s, "radio.root");
    }
}

static void wire(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int fields; /* -1: it is no message */
    } cases[] = {
        {"", 0, 0},
        {"\x08\x01", 2, 1},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, -1},
        {"\x08", 1, -1},
        {"\x00\x01", 2, -1},     /* field 0 */
        {"\x0a\x05hell", 6, -1}, /* longer than what is left */
        {"\x0a\x04hell", 6, 1},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, -1},
        {"\x0d\x01\x02\x03", 4, -1},
        {"\x09\x01\x02\x03\x04\x05\x06\x07\x08", 9, 1},
        {"\x0b\x0c", 2, -1}, /* a group */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pbuf_reader reader;
        struct pbuf_field field;
        int got, count = 0;
        pbuf_read(&reader, cases[i].bytes, cases[i].size);
        while ((got = pbuf_next(&reader, &field)) > 0)
            count++;
        assert_int_equal(got < 0 ? -1 : count, cases[i].fields);
    }
}

/* --- an alarm's line --- */

static void check_digit(void **state)
{
    char five[AIR_CODE_SIZE], code[COMMAND_CODE_SIZE];
    (void)state;
    air_code("5724", five);
    assert_string_equal(five, "57240"); /* 572 has the digit 4, and then 0 is left */
    for (int i = 0; i < 10000; i += 7) {
        snprintf(code, sizeof code, "%04d", i);
        air_code(code, five);
        char said[64], text[16];
        snprintf(text, sizeof text, "出警%s", five);
        assert_true(air_read(text, said, sizeof said));
        assert_true(strlen(said) == strlen("出警") + 4 && strcmp(said + strlen("出警"), code) == 0);
        for (int at = 0; at < 5; at++) { /* each digit wrong, each two neighbours exchanged */
            char wrong[AIR_CODE_SIZE];
            for (int digit = '0'; digit <= '9'; digit++) {
                memcpy(wrong, five, sizeof wrong);
                wrong[at] = (char)digit;
                snprintf(text, sizeof text, "出警%s", wrong);
                assert_int_equal(air_read(text, said, sizeof said), digit == five[at]);
            }
            memcpy(wrong, five, sizeof wrong);
            if (at == 4 || wrong[at] == wrong[at + 1])
                continue;
            wrong[at] = five[at + 1];
            wrong[at + 1] = five[at];
            snprintf(text, sizeof text, "出警%s", wrong);
            assert_false(air_read(text, said, sizeof said));
        }
    }
}

static void read_as(const char *text, const char *command)
{
    char said[LIMIT_RADIO_TEXT_BYTES + 16];
    bool good = air_read(text, said, sizeof said);
    if (!good && command == NULL)
        return;
    if (!good || command == NULL || strcmp(said, command) != 0)
        fail_msg("%s: \"%s\"", text, said);
}

static void commands(void **state)
{
    char five[AIR_CODE_SIZE], text[64];
    (void)state;
    air_code("4821", five);
    snprintf(text, sizeof text, "%s 1", five);
    read_as(text, "出警4821");
    snprintf(text, sizeof text, " #%s  0 ", five);
    read_as(text, "解除4821");
    snprintf(text, sizeof text, "GO %s", five);
    read_as(text, "GO 4821");
    snprintf(text, sizeof text, "%s 2", five);
    read_as(text, text); /* to a person */
    five[4] = five[4] == '9' ? '0' : (char)(five[4] + 1);
    snprintf(text, sizeof text, "%s 1", five);
    read_as(text, NULL);
    read_as("出警4821", "出警4821");
    read_as("到岗", "到岗");
    read_as("隐患 校门口路灯10086号坏了", "隐患 校门口路灯10086号坏了");
    read_as("校门口的路灯坏了请打12345", "校门口的路灯坏了请打12345");
    read_as("", "");
}

static void line(void **state)
{
    struct text_fields fields = {.school = "突泉县第二实验小学",
                                 .school_code = "S17",
                                 .post = "东门非机动车岗",
                                 .person = "阿拉坦其木格",
                                 .reason = "报警",
                                 .start = "07:20",
                                 .code = "4821"};
    char five[AIR_CODE_SIZE], said[AIR_LINE_SIZE], wanted[AIR_LINE_SIZE];
    (void)state;
    air_code("4821", five);
    air_line(TEXT_ZH, &fields, said);
    snprintf(wanted, sizeof wanted, "S17#%s 东门非机动车报警07:20 接手回%s 1", five, five);
    assert_string_equal(said, wanted);
    assert_true(strlen(said) <= 73); /* one packet of LongFast */
    fields.school_code = "";
    air_line(TEXT_ZH, &fields, said);
    assert_true(strlen(said) <= 2 * 73 - 8);
    assert_null(strstr(said, "阿拉坦"));
}

/* No text that can go by radio has a name or a number in it. */
static void nothing_private(void **state)
{
    struct text_fields fields = {.signature = "突泉护学",
                                 .person = "阿拉坦其木格",
                                 .other = "李娜",
                                 .leader = "王建国",
                                 .phone = "0482-5123456",
                                 .school = "第二实验小学",
                                 .school_code = "S17",
                                 .post = "东门",
                                 .date = "12月31日",
                                 .start = "07:20",
                                 .end = "08:10",
                                 .code = "4821",
                                 .reason = "大风",
                                 .list = "周三07:20第二实验东门"};
    (void)state;
    for (int id = 0; id < TEXT_COUNT; id++)
        for (int lang = 0; lang < TEXT_LANG_COUNT; lang++) {
            char said[TEXT_SIZE];
            if (!air_render((enum text_id)id, (enum text_lang)lang, &fields, said, sizeof said))
                continue;
            static const char *const private[] = {"阿拉", "李娜", "王建国", "5123456",
                                                  "Ala",  "Li",   "Wang"};
            for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
                if (strstr(said, private[i]) != NULL && strstr(said, "Link") == NULL)
                    fail_msg("%s: %s", text_name((enum text_id)id), said);
        }
    char said[TEXT_SIZE];
    assert_false(air_render(TEXT_O4_WHO, TEXT_ZH, &fields, said, sizeof said));
    assert_true(air_render(TEXT_O2_TAKEN, TEXT_ZH, &fields, said, sizeof said));
    assert_string_equal(said, "4821已有人出警：同事，第二实验小学东门");
    fields.leader = NULL;
    fields.phone = "12110482";
    assert_true(air_render(TEXT_O3_CALL, TEXT_ZH, &fields, said, sizeof said));
    assert_non_null(strstr(said, "12110482"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(air_time),
        cmocka_unit_test(text_in_a_second),
        cmocka_unit_test(parts),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(keys),
        cmocka_unit_test(names),
        cmocka_unit_test(packets_heard),
        cmocka_unit_test(packets_sent),
        cmocka_unit_test(json_sent),
        cmocka_unit_test(roots),
        cmocka_unit_test(wire),
        cmocka_unit_test(check_digit),
        cmocka_unit_test(commands),
        cmocka_unit_test(line),
        cmocka_unit_test(nothing_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
