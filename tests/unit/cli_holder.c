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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/cli/holder.h"
#include "tests/lib/folder.h"

enum { NOBODY = 65534 };

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

/* A process of somebody else: its name can be read, what it has open cannot. */
static void hide(const char *proc, const char *pid, const char *name)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", proc, pid);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/%s/comm", proc, pid);
    assert_int_equal(file_replace(path, name, strlen(name), 0644, &err), ERR_OK);
    assert_int_equal(chmod(path, 0644), 0);
    snprintf(path, sizeof path, "%s/%s/fd", proc, pid);
    assert_int_equal(mkdir(path, 0), 0);
}

/* Nothing is hidden from root: then it is asked as nobody. Returns what holder_find does; names and
 * unseen come through a pipe. */
static bool find_as_user(const char *proc, char names[256], bool *ret_unseen)
{
    struct {
        char names[256];
        bool found, unseen;
    } told = {.found = false};
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0))
            told.found =
                holder_find(proc, "/dev/null", told.names, sizeof told.names, &told.unseen);
        _exit(write(ends[1], &told, sizeof told) == (ssize_t)sizeof told ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ends[0], &told, sizeof told), (ssize_t)sizeof told);
    assert_true(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
    memcpy(names, told.names, sizeof told.names);
    *ret_unseen = told.unseen;
    return told.found;
}

static void test_somebody_elses(void **state)
{
    (void)state;
    char proc[] = "/tmp/touyan-proc-XXXXXX", names[256];
    bool unseen;
    assert_non_null(mkdtemp(proc));
    assert_int_equal(chmod(proc, 0755), 0);
    hide(proc, "4711", "bash\n");
    hide(proc, "4712", "touyan-modem\n"); /* our own worker is nobody to name */
    assert_false(find_as_user(proc, names, &unseen));
    assert_true(unseen); /* so the answer "nobody" is none */
    assert_string_equal(names, "");
    hide(proc, "4713", "ModemManager\n"); /* the usual one is named, as a guess */
    assert_true(find_as_user(proc, names, &unseen));
    assert_true(unseen);
    assert_string_equal(names, "ModemManager (4713)?");
    for (int pid = 4711; pid <= 4713; pid++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%d/fd", proc, pid);
        assert_int_equal(chmod(path, 0700), 0);
    }
    assert_int_equal(folder_remove(proc), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_the_holder),
        cmocka_unit_test(test_no_device),
        cmocka_unit_test(test_somebody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
