/* Damaged configuration files: each of many mutations of a good one either loads or is refused with
 * the file's name; never anything else. The sanitizers watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "gateway/base/rnd.h"

enum { ROUNDS = 3000, TEXT_MAX = 8192 };

static const char good[] = "station { id = \"S0117\" name = '突泉护学站' lang = en }\n"
                           "modem \"gsm0\" { device = \"/dev/ttyUSB0\" fast_sleeps = true }\n"
                           "# comment\nmqtt { keepalive_s = 1min port = 8883 host = \"a\\\"b\" }\n"
                           "sync { poll_s = 2h scopes = { \"*\", S0117 } }\n"
                           "duty { quiet_from = 22:15 panic_min = { 1, 5 } }\n";

static const char *const pieces[] = {"{",    "}",     "\"",   "'",    "=",    "+=",      "\\",
                                     "/*",   "*/",    "#",    "//",   "${",   "${X}",    "(",
                                     ")",    ",",     "\n",   "\r",   "\t",   "\x01",    "\xff",
                                     "\xe5", "modem", "mqtt", "port", "{}{}", "__end {}"};

static size_t mutate(struct rnd *rnd, char *text, size_t size)
{
    size_t at = (size_t)rnd_below(rnd, size + 1);
    switch (rnd_below(rnd, 4)) {
    case 0: /* a piece of grammar in between */
    {
        const char *piece = pieces[rnd_below(rnd, sizeof pieces / sizeof pieces[0])];
        size_t n = strlen(piece);
        memmove(text + at + n, text + at, size - at);
        memcpy(text + at, piece, n);
        return size + n;
    }
    case 1: /* cut */
        return at;
    case 2: /* some bytes lost */
    {
        size_t n = (size_t)rnd_below(rnd, size - at + 1) % 8;
        memmove(text + at, text + at + n, size - at - n);
        return size - n;
    }
    default: /* a byte damaged */
        if (at < size)
            text[at] = (char)rnd_below(rnd, 256);
        return size;
    }
}

static void test_mutations(void **state)
{
    (void)state;
    char path[] = "/tmp/touyan-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct rnd rnd = rnd_seeded(2026);
    int loaded = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[TEXT_MAX];
        size_t size = sizeof good - 1;
        memcpy(text, good, size);
        for (uint64_t n = 1 + rnd_below(&rnd, 3); n > 0; n--)
            size = mutate(&rnd, text, size);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        struct err err = {0};
        struct config *config = NULL;
        int rc = config_load(path, &config, &err);
        if (rc != ERR_OK && strncmp(err.text, path, strlen(path)) != 0)
            fail_msg("%.*s\nsaid: %s", (int)size, text, err.text);
        loaded += rc == ERR_OK ? 1 : 0;
        config_free(config);
    }
    unlink(path);
    assert_in_range(loaded, 1, ROUNDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
