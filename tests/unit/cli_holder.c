/* Who has a port open: this very process, on a pseudo terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cli/holder.h"

static void test_names_the_holder(void **state)
{
    (void)state;
    char names[256], me[32], path[64];
    bool unseen;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ptsname_r(master, path, sizeof path), 0);
    assert_false(holder_find("/proc", path, names, sizeof names, &unseen)); /* nobody yet */
    int slave = open(path, O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    assert_true(holder_find("/proc", path, names, sizeof names, &unseen));
    snprintf(me, sizeof me, "(%d)", (int)getpid());
    assert_non_null(strstr(names, me));
    assert_non_null(strstr(names, "cli_holder"));
    close(slave);
    assert_false(holder_find("/proc", path, names, sizeof names, &unseen));
    close(master);
}

static void test_no_device(void **state)
{
    (void)state;
    char names[256];
    bool unseen;
    assert_false(holder_find("/proc", "/nowhere/tty", names, sizeof names, &unseen));
    assert_false(holder_find("/proc", "/proc/self/comm", names, sizeof names, &unseen));
    assert_false(holder_find("/nowhere", "/dev/null", names, sizeof names, &unseen));
    assert_string_equal(names, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_the_holder),
        cmocka_unit_test(test_no_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
