/* Every product's messages, as they were recorded, through the rules that come with the program.
 * The table is data/mqtt/products.tsv: payload file, topic, and for each event in it one line of
 * what the rules make of it. */
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
#include "mqtt/mapping.h"
#include "mqtt/payload.h"

enum { TABLE_BYTES = 65536, LINE_BYTES = 2048 };

static void add(struct buf *out, const char *name, const char *value)
{
    if (value[0] != '\0')
        buf_printf(out, " %s=%s", name, value);
}

static void add_int(struct buf *out, const char *name, int64_t value, int64_t none)
{
    if (value != none)
        buf_printf(out, " %s=%lld", name, (long long)value);
}

static void describe(const struct mapped *mapped, struct buf *out)
{
    buf_printf(out, "%s/%s %s %s", mapped->product->name, mapped->rule->name,
               mqtt_kind_name(mapped->kind), mapped->device_id);
    add(out, "code", mapped->code);
    add(out, "subject", mapped->subject);
    add_int(out, "at", mapped->device_at_ms, 0);
    add(out, "id", mapped->dedupe);
    add(out, "boot", mapped->boot);
    add_int(out, "seq", mapped->seq, -1);
    add_int(out, "count", mapped->count, -1);
    add_int(out, "battery", mapped->battery, -1);
    add(out, "firmware", mapped->firmware);
    if (mapped->replay)
        buf_add_text(out, " replay");
    if (mapped->kind == MQTT_REPLY)
        buf_add_text(out, mapped->ok ? " ok" : " refused");
}

/* All events of a message, " ; " between them, " -> answer" behind. */
static void map(struct mapping *mapping, const char *topic, const char *text, size_t size,
                struct buf *out)
{
    struct mapped mapped;
    const char *reason;
    int got, items = 0;
    if (!mapping_begin(mapping, topic, text, size, &reason)) {
        buf_printf(out, "raw: %s", reason);
        return;
    }
    while ((got = mapping_next(mapping, &mapped, &reason)) > 0) {
        buf_add_text(out, items++ > 0 ? " ; " : "");
        describe(&mapped, out);
    }
    if (got < 0)
        buf_printf(out, "raw: %s", reason);
    struct buf to, answer;
    buf_init(&to, LIMIT_TOPIC_BYTES);
    buf_init(&answer, LINE_BYTES);
    if (got == 0 && mapping_answer(&mapped, topic, &to, &answer))
        buf_printf(out, " -> %s %s", buf_text(&to), buf_text(&answer));
    buf_free(&to);
    buf_free(&answer);
}

static void read_payload(const char *name, struct buf *ret)
{
    char path[512];
    struct err err;
    const char *folders[] = {"", "products/"};
    buf_init(ret, LIMIT_MQTT_MAPPED_BYTES);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s%s", MQTT_DATA, folders[i], name);
        if (file_read(path, ret, &err) == ERR_OK)
            return;
    }
    fail_msg("%s: %s", path, err.text);
}

static int check_line(struct mapping *mapping, char *line)
{
    char *rest = NULL;
    const char *file = strtok_r(line, "\t", &rest), *topic = strtok_r(NULL, "\t", &rest);
    const char *expected = strtok_r(NULL, "", &rest);
    if (file == NULL || topic == NULL || expected == NULL) {
        print_error("\"%s\" has not three columns\n", line);
        return 1;
    }
    struct buf payload, out;
    buf_init(&out, LINE_BYTES);
    read_payload(file, &payload);
    map(mapping, topic, buf_text(&payload), payload.size, &out);
    bool same = strcmp(buf_text(&out), expected) == 0;
    if (!same)
        print_error("%s\t%s\t%s\n", file, topic, buf_text(&out));
    buf_free(&payload);
    buf_free(&out);
    return same ? 0 : 1;
}

static void test_products(void **state)
{
    struct mapping *mapping;
    struct err err;
    struct buf table;
    int wrong = 0, lines = 0;
    (void)state;
    if (mapping_open(NULL, &mapping, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_string_equal(mapping_problems(mapping), "");
    buf_init(&table, TABLE_BYTES);
    assert_int_equal(file_read(MQTT_DATA "/products.tsv", &table, &err), ERR_OK);
    char *rest = NULL;
    for (char *line = strtok_r(table.bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), lines++)
        wrong += check_line(mapping, line);
    assert_int_equal(wrong, 0);
    assert_true(lines > 50);
    buf_free(&table);
    mapping_close(mapping);
}

/* Whatever a payload says, what the rules take from it is none of these. */
static void test_nothing_private_is_taken(void **state)
{
    static const char *const private[] = {"王",        "510124", "13800000001",
                                          "secret-of", "base64", "school"};
    struct mapping *mapping;
    struct err err;
    struct buf table, out;
    (void)state;
    assert_int_equal(mapping_open(NULL, &mapping, &err), ERR_OK);
    buf_init(&table, TABLE_BYTES);
    buf_init(&out, TABLE_BYTES);
    assert_int_equal(file_read(MQTT_DATA "/products.tsv", &table, &err), ERR_OK);
    char *rest = NULL;
    for (char *line = strtok_r(table.bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        struct buf payload;
        char *columns = NULL;
        const char *file = strtok_r(line, "\t", &columns);
        read_payload(file, &payload);
        map(mapping, strtok_r(NULL, "\t", &columns), buf_text(&payload), payload.size, &out);
        buf_free(&payload);
    }
    assert_false(out.failed);
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
        if (strstr(buf_text(&out), private[i]) != NULL)
            fail_msg("%s", private[i]);
    buf_free(&out);
    buf_free(&table);
    mapping_close(mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_nothing_private_is_taken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
