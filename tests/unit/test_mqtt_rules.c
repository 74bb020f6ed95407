/* Rule files: every mistake is told with its place; what a folder has goes over what is shipped; a
 * product that nobody knew needs a file and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "mqtt/jdoc.h"
#include "mqtt/mapping.h"
#include "mqtt/shipped.h"
#include "mqtt/template.h"
#include "tests/lib/folder.h"

#define GOOD "[rule r]\ntopic = a/+\nkind = sos\ndevice = topic:1\n"

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {GOOD, "f.rules: has rules but no line product"},
        {"product = Yard 1\n", "f.rules:1: product: a product has"},
        {"product = y\nnonsense\n", "f.rules:2: a line is key = value"},
        {"product = y\ntopc = a\n", "f.rules:2: topc: there is no such key"},
        {"product = y\ntopic = a\n", "f.rules:2: topic: belongs into a [rule ...]"},
        {"product = y\n[rule r]\nsend = a\n", "f.rules:3: send: belongs into a [command ...]"},
        {"product = y\n[rule r]\nwrite = a\n", "f.rules:3: write: belongs in front of"},
        {"product = y\n[ruler]\n", "f.rules:2: a section is"},
        {"product = y\n[rule a b]\n", "f.rules:2: a section is"},
        {"product = y\n[rule r]\ntopic =\n", "f.rules:3: topic: has no value"},
        {"product = y\n[rule r]\ntopic = a/b+\n", "f.rules:3: topic: this is no MQTT"},
        {"product = y\n[rule r]\nkind = party\n", "f.rules:3: kind: no such kind"},
        {"product = y\n[rule r]\nkind = $.k[\n", "f.rules:3: kind: this is no path"},
        {"product = y\n[rule r]\nkind = sos\n", "f.rules:2: rule r has no topic"},
        {"product = y\n[rule r]\ntopic = a\ntopic = b\ntopic = c\ntopic = d\ntopic = e\n",
         "f.rules:7: topic: more than 4 topics"},
        {"product = y\n[rule r]\ntopic = a\nkind = sos\ndevice = topic:-21\n",
         "f.rules:5: device: a level of the topic"},
        {"product = y\n[rule r]\ntopic = a\nkind = sos\n", "f.rules:2: rule r has no device"},
        {"product = y\n[rule r]\nwhen = $.a\n", "f.rules:3: when: a condition is"},
        {"product = y\n[rule r]\nwhen = a is b\n", "f.rules:3: when: must be a path"},
        {"product = y\n[rule r]\ntime = $.t\n", "f.rules:3: time: a path and a format"},
        {"product = y\n[rule r]\ntime = $.t local+8\n", "f.rules:3: time: a path and a format"},
        {"product = y\n[rule r]\nid = $.a $.b $.c $.d\n", "f.rules:3: id: up to three"},
        {"product = y\n[rule r]\nid = abc\n", "f.rules:3: id: must be a path"},
        {"product = y\n[rule r]\ncodes = 1-2\n", "f.rules:3: codes: pairs such as"},
        {"product = y\n[rule r]\nsilent = 9x\n", "f.rules:3: silent: a time such as"},
        {"product = y\n[rule r]\nanswer_qos = 2\n", "f.rules:3: answer_qos: 0 or 1"},
        {"product = y\n" GOOD "code = @.x\n", "f.rules:2: rule r uses @ but has no each"},
        {"product = y\n" GOOD "answer = {}\n", "f.rules:2: rule r answer, answer_to and answer_id"},
        {"product = y\n" GOOD "answer_id = $.i\nanswer_to = a\nanswer = {\"a\":\"{devise}\"}\n",
         "f.rules:2: rule r answers with a {name} that is none"},
        {"product = y\n[rule r]\ntopic = a\nkind = count\ndevice = $.d\n",
         "f.rules:2: rule r of kind count needs"},
        {"product = y\n[rule r]\ntopic = a\nkind = reply\ndevice = $.d\n",
         "f.rules:2: rule r of kind reply needs"},
        {"product = y\n[command c]\nto = a\n", "f.rules:2: command c needs to = TOPIC and send"},
        {"product = y\n[command c]\n[command c]\n", "f.rules:3: there is a command of this name"},
        {"product = y\nbad\xff\n", "f.rules: is no UTF-8 text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct product *product = NULL;
        struct err err = {0};
        int code = rulefile_parse("f.rules", cases[i].text, strlen(cases[i].text), &product, &err);
        if (code != ERR_INVALID || strstr(err.text, cases[i].problem) == NULL)
            fail_msg("\"%s\" gives \"%s\", not \"%s\"", cases[i].text, err.text, cases[i].problem);
        assert_null(product);
    }
}

static void test_off(void **state)
{
    struct product *product = NULL;
    struct err err;
    (void)state;
    assert_int_equal(rulefile_parse("f.rules", "# not here\r\n", 12, &product, &err), ERR_OK);
    assert_null(product);
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_replace(path, text, strlen(text), 0600, &err), ERR_OK);
}

static enum mqtt_kind kind_of(struct mapping *mapping, const char *topic, const char *text)
{
    struct mapped mapped;
    const char *reason = "";
    if (!mapping_begin(mapping, topic, text, strlen(text), &reason) ||
        mapping_next(mapping, &mapped, &reason) != 1)
        return MQTT_KIND_COUNT;
    return mapped.kind;
}

static void test_folder(void **state)
{
    char folder[] = "/tmp/touyan-rules-XXXXXX";
    struct mapping *mapping;
    struct err err;
    (void)state;
    assert_non_null(mkdtemp(folder));
    put(folder, "yard.rules",
        "product = yard\n[rule press]\ntopic = yard/+/b\nformat = text\nwhen = $ is 1|ON\n"
        "kind = sos\ndevice = topic:1\n");
    put(folder, "shelly.rules", "# not here\n");
    put(folder, "tasmota.rules", "product = tasmota\nbroken\n");
    put(folder, "yard2.rules", "product = yard\n" GOOD);
    put(folder, "zz.txt", "no rule file");
    assert_int_equal(mapping_open(folder, &mapping, &err), ERR_OK);
    assert_int_equal(kind_of(mapping, "yard/g1/b", "ON"), MQTT_SOS);
    assert_int_equal(kind_of(mapping, "yard/g1/b", "OFF"), MQTT_KIND_COUNT);
    assert_int_equal(kind_of(mapping, "s1/online", "true"), MQTT_KIND_COUNT); /* switched off */
    assert_int_equal(kind_of(mapping, "tele/p1/LWT", "Online"), MQTT_PRESENCE_ON); /* as shipped */
    const char *problems = mapping_problems(mapping);
    assert_non_null(strstr(problems, "tasmota.rules:2: a line is key = value"));
    assert_non_null(strstr(problems, "yard2.rules: there is another file for product yard"));
    assert_int_equal(mapping_product_count(mapping), (int)shipped_rules_count - 1 + 1);
    mapping_close(mapping);
    assert_int_equal(folder_remove(folder), 0);
    assert_int_equal(mapping_open("/no/such/folder", &mapping, &err), ERR_OK);
    assert_string_equal(mapping_problems(mapping), "");
    mapping_close(mapping);
}

/* The same texts are JSON to us and to jansson, but for doubled names. */
static void test_json_is_strict(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       " [ 1 , -0.5e+3 ] ",
                                       "\"a\"",
                                       "null",
                                       "{\"a\":{\"b\":[true,false,{}]}}",
                                       "\"\\ud83d\\ude00\\n\"",
                                       "0",
                                       "[[[]]]"};
    static const char *const bad[] = {
        "",       "{",          "}",           "[1,]",        "{\"a\":}", "{\"a\" 1}", "{a:1}",
        "01",     "1.",         ".5",          "+1",          "1e",       "nul",       "truee",
        "\"",     "\"\\x\"",    "\"\\ud83d\"", "\"\\u0000\"", "[1 2]",    "{} {}",     "[1]]",
        "\"\t\"", "{\"a\":1,}", "-",           "[,1]",        "NaN"};
    static struct jdoc doc;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!jdoc_parse(&doc, good[i], strlen(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (jdoc_parse(&doc, bad[i], strlen(bad[i])))
            fail_msg("%s", bad[i]);
    char deep[2 * LIMIT_JSON_DEPTH + 3] = "";
    memset(deep, '[', LIMIT_JSON_DEPTH);
    memset(deep + LIMIT_JSON_DEPTH, ']', LIMIT_JSON_DEPTH);
    assert_true(jdoc_parse(&doc, deep, 2 * LIMIT_JSON_DEPTH));
    memset(deep, '[', LIMIT_JSON_DEPTH + 1);
    memset(deep + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH + 1);
    assert_false(jdoc_parse(&doc, deep, 2 * LIMIT_JSON_DEPTH + 2));
    char many[2 * LIMIT_MQTT_TOKENS + 2];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 == 0 ? ',' : '1';
    many[0] = '[';
    many[sizeof many - 1] = ']';
    assert_false(jdoc_parse(&doc, many, sizeof many));
}

static void assert_at(const struct jdoc *doc, const char *path, const char *expected)
{
    char text[64];
    int token = jdoc_find(doc, 0, path);
    if (!jdoc_text(doc, token, text, sizeof text))
        text_copy(text, sizeof text, token < 0 ? "-" : "!");
    assert_string_equal(text, expected);
}

static void test_json_values(void **state)
{
    static const char text[] =
        "{\"a\":{\"b\":[10,{\"c\":\"x\\u0041\\/\"},-1.50]},\"a\":2,\"t\":true,"
        "\"n\":null,\"s\":\"\\ud83d\\ude00\",\"nl\":\"a\\nb\",\"名\":1}";
    static struct jdoc doc;
    (void)state;
    assert_true(jdoc_parse(&doc, text, strlen(text)));
    assert_at(&doc, "$.a.b[0]", "10");
    assert_at(&doc, "$.a.b[1].c", "xA/");
    assert_at(&doc, "$.a.b[2]", "-1.50");
    assert_at(&doc, "$.a.b[3]", "-");
    assert_at(&doc, "$.a.x", "-");
    assert_at(&doc, "$.t.x", "-");
    assert_at(&doc, "$.a", "!");
    assert_at(&doc, "$.t", "true");
    assert_at(&doc, "$.n", "!");
    assert_at(&doc, "$.s", "\xf0\x9f\x98\x80");
    assert_at(&doc, "$.nl", "!");
    assert_at(&doc, "$.名", "1");
    assert_int_equal(jdoc_length(&doc, jdoc_find(&doc, 0, "$.a.b")), 3);
    assert_int_equal(jdoc_length(&doc, 0), -1);
}

static bool look(void *ctx, const char *name, char *ret, size_t size)
{
    (void)ctx;
    return strcmp(name, "id") == 0 ? text_copy(ret, size, "7")
                                   : strcmp(name, "say") == 0 && text_copy(ret, size, "\"你\"\n");
}

static void test_templates(void **state)
{
    static const struct {
        const char *text, *filled; /* NULL: refused */
    } cases[] = {
        {"{\"a\":{int:id},\"b\":\"{say}\"}", "{\"a\":7,\"b\":\"\\\"你\\\"\\u000a\"}"},
        {"{}{ id }{ID}", "{}{ id }{ID}"},
        {"{int:say}", NULL},
        {"{other}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        char name[TEMPLATE_NAME_BYTES + 1];
        buf_init(&out, 100);
        bool filled = template_fill(cases[i].text, true, look, NULL, &out, name);
        assert_int_equal(filled, cases[i].filled != NULL);
        if (filled)
            assert_string_equal(buf_text(&out), cases[i].filled);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),    cmocka_unit_test(test_off),
        cmocka_unit_test(test_folder),      cmocka_unit_test(test_json_is_strict),
        cmocka_unit_test(test_json_values), cmocka_unit_test(test_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
