/* Small files: read within a limit, replaced whole, secrets that are none refused. */
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

#include "gateway/base/file.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/touyan-file-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* nothing is left beside */
}

static void a_file_is_replaced_whole_and_read_again(void **state)
{
    (void)state;
    struct buf text;
    struct stat st;
    struct err err = {0};
    buf_init(&text, 64);
    assert_int_equal(file_read(path, &text, &err), ERR_NOT_FOUND);
    assert_int_equal(file_replace(path, "first", 5, 0600, &err), ERR_OK);
    assert_int_equal(file_replace(path, "second one", 10, 0600, &err), ERR_OK);
    assert_int_equal(file_read_secret(path, &text, &err), ERR_OK);
    assert_string_equal(buf_text(&text), "second one");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_free(&text);
    buf_init(&text, 9);
    assert_int_equal(file_read(path, &text, &err), ERR_LIMIT);
    buf_free(&text);
    assert_int_equal(file_remove(path, &err), ERR_OK);
    assert_int_equal(file_remove(path, &err), ERR_OK);
}

static void a_left_over_of_a_crash_is_no_hindrance(void **state)
{
    (void)state;
    char beside[128];
    struct buf text;
    snprintf(beside, sizeof beside, "%s.part", path);
    FILE *file = fopen(beside, "w");
    fputs("half a k", file);
    fclose(file);
    chmod(beside, 0666);
    assert_int_equal(file_replace(path, "whole", 5, 0600, NULL), ERR_OK);
    buf_init(&text, 64);
    assert_int_equal(file_read_secret(path, &text, NULL), ERR_OK);
    assert_string_equal(buf_text(&text), "whole");
    buf_free(&text);
}

static void a_secret_that_everybody_reads_is_refused(void **state)
{
    (void)state;
    struct buf text;
    struct err err = {0};
    assert_int_equal(file_replace(path, "x", 1, 0644, NULL), ERR_OK);
    buf_init(&text, 64);
    assert_int_equal(file_read_secret(path, &text, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(file_read(path, &text, NULL), ERR_OK);
    buf_free(&text);
    assert_int_equal(file_replace("/nowhere/at/all", "x", 1, 0600, &err), ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(a_file_is_replaced_whole_and_read_again),
        TEST(a_left_over_of_a_crash_is_no_hindrance),
        TEST(a_secret_that_everybody_reads_is_refused),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
