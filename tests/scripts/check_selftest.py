#!/usr/bin/env python3
"""Each check of this folder must pass on a good tree and fail on a bad one: for every rule, a file
that breaks it, and what the check has to say about it."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SETTINGS = [os.path.join(ROOT, ".clang-format"), os.path.join(ROOT, ".clang-tidy")]

CALL_ERR = "int f(char *a);\nint f(char *a)\n{{\n    return err_set(a, 1, \"{}\", a);\n}}\n"

GOOD = {
    "gateway/base/err.h": "int err_set(int code);\n",
    "gateway/base/err.c": '#include "gateway/base/err.h"\n\n/* strcpy("x") in a comment is fine. */\n'
                          "int err_set(int code)\n{\n    return code;\n}\n",
    "sync/replica/replica.h": "struct replica;\n",
    "sms/outbox.h": "struct outbox;\n",
    "gateway/cli/refusals.def": 'REFUSAL("no card %s", "没有卡片{1}")\n',
    "gateway/card.c": CALL_ERR.format("no card %.12s"),
    "mqtt/client_mosq.c": "#include <mosquitto.h>\n",
    "sync/replica/open.c": "#include <sqlite3.h>\n",
}
with open(os.path.join(ROOT, "config/dist/touyan-gateway.service"), encoding="utf-8") as unit:
    UNIT = unit.read()
GOOD["config/dist/a.service"] = UNIT
LONG = "int f(int a)\n{\n" + "    a++;\n" * 80 + "    return a;\n}\n"
KNOTTY = "int f(int a)\n{\n" + "".join(f"    if (a == {i})\n        a += {i + 1};\n"
                                        for i in range(20)) + "    return a;\n}\n"
CALL = "int f(char *a);\nint f(char *a)\n{{\n    return (int){};\n}}\n"
TIDY = ("int f(const char *a);\nint f(const char *a)\n{\n    int *p = 0;\n"
        "    if (a == 0)\n        *p = 1;\n    return 0;\n}\n")

# check, path, text, what it must say
BAD = [
    ("includes.py", "sms/a.c", '#include "mqtt/b.h"\n', "is no path"),
    ("includes.py", "mqtt/a.c", '#include "sms/outbox.h"\n', "may not include sms/outbox.h"),
    ("includes.py", "gateway/base/a.c", '#include "sync/replica/replica.h"\n', "may not include"),
    ("includes.py", "gateway/duty/a.c", '#include "sms/outbox.h"\n', "may not include"),
    ("includes.py", "sync/replica/a.c", '#include "sms/outbox.h"\n', "may not include"),
    ("includes.py", "config/a.c", '#include "sync/replica/replica.h"\n', "may not include"),
    ("includes.py", "sms/a.c", '#include "gateway/base/none.h"\n', "is no path"),
    ("includes.py", "sms/outbox.c", "#include <stdio.h>\n", "its own header"),
    ("includes.py", "sms/a.c", "#include <sqlite3.h>\n", "<sqlite3.h> belongs in"),
    ("includes.py", "gateway/a.c", "#include <curl/curl.h>\n", "<curl/curl.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <mosquitto.h>\n", "<mosquitto.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <gammu/gammu.h>\n", "<gammu/gammu.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <microhttpd.h>\n", "<microhttpd.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <jansson.h>\n", "<jansson.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <sodium.h>\n", "<sodium.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <confuse.h>\n", "<confuse.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <zstd.h>\n", "<zstd.h> belongs in"),
    ("includes.py", "sms/a.c", "#include <libpq-fe.h>\n", "<libpq-fe.h> belongs in"),
    ("banned.py", "sms/a.c", "/* " + "TO" + "DO: later */\n", "unfinished"),
    ("banned.py", "sms/a.c", "/* a " + "st" + "ub */\n", "unfinished"),
    ("banned.py", "sync/a.sql", "CREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n    INSERT OR IGNORE "
                                "INTO b VALUES (1);\nEND;\n", "a.sql:3: INSERT OR IGNORE"),
    ("refusals.py", "gateway/duty/a.c", CALL_ERR.format("no %s there"), "has no Chinese"),
    ("refusals.py", "gateway/card.c", CALL_ERR.format("%s"), 'nobody says "no card %s"'),
    ("length.py", "sms/a.c", "int a;\n" * 801, "801 lines"),
    ("complexity.py", "sms/a.c", LONG, "f has 84 lines"),
    ("complexity.py", "sms/a.c", KNOTTY, "complexity 21"),
    ("complexity.py", "tests/scripts/complexity.allow", "sms/a.c f because\n", "not needed"),
    ("paths.py", "sms/a.c", "/* see /wo" + "rk/main */\n", "path of one machine"),
    ("paths.py", "notes.txt", "/ho" + "me/me/x\n", "path of one machine"),
    ("paths.py", "sms/a.c", "/* see no" + "where.md 3 */\n", "not in the repository"),
    ("format.sh", "sms/a.c", "int  a ;\n", "clang-format"),
    ("shell.sh", "tests/a.sh", "#!/bin/bash\ncd $1\n", "SC2086"),
    ("cppcheck.sh", "sms/a.c", "int f(void);\nint f(void)\n{\n    int a[2];\n    a[2] = 1;\n"
                               "    return a[0];\n}\n", "arrayIndexOutOfBounds"),
    ("tidy.py", "sms/a.c", TIDY, "NullDereference"),
]
BAD += [("banned.py", "sms/a.c", CALL.format(name + "(a)"), name + "() is banned") for name in
        ("strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof alloca localtime "
         "localtime_r gmtime gmtime_r mktime rand srand random system popen uv_default_loop").split()]
BAD += [("banned.py", "sms/a.c", CALL.format(name + "(a)"), name + "() reads a clock") for name in
        "clock_gettime gettimeofday time clock ftime uv_hrtime uv_gettimeofday".split()]

if shutil.which("systemd-analyze"):
    BAD += [("units.sh", "config/dist/a.service", UNIT.replace("ProtectSystem", "ProtektSystem"),
             "Unknown key"),
            ("units.sh", "config/dist/a.service", UNIT.replace("SystemCallFilter=", "#"),
             "SystemCallFilter")]


def plant(root, tree):
    for path, text in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


def run(check, root):
    command = [os.path.join(HERE, "check_" + check), root]
    if check.endswith(".py"):
        command = [sys.executable, "-B"] + command
    if check == "tidy.py":
        build = os.path.join(root, "build")
        os.makedirs(build, exist_ok=True)
        entries = ",".join(f'{{"directory":"{root}","file":"{p}","command":"cc -I. -c {p}"}}'
                           for p in ("gateway/base/err.c", "sms/a.c")
                           if os.path.exists(os.path.join(root, p)))
        plant(root, {"build/compile_commands.json": f"[{entries}]"})
        command.append(build)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main():
    wrong = []
    for check in sorted({row[0] for row in BAD}):
        with tempfile.TemporaryDirectory() as root:
            plant(root, GOOD)
            for settings in SETTINGS:
                shutil.copy(settings, root)
            code, out = run(check, root)
            if code != 0:
                wrong.append(f"check_{check} fails on a good tree: {out}")
    for check, path, text, expected in BAD:
        with tempfile.TemporaryDirectory() as root:
            plant(root, {**GOOD, path: text})
            for settings in SETTINGS:
                shutil.copy(settings, root)
            code, out = run(check, root)
            if code == 0 or expected not in out:
                wrong.append(f"check_{check} with {path} {text[:60]!r}: wanted {expected!r}, "
                             f"got status {code}: {out[:300]}")
    print("\n".join(wrong) or f"{len(BAD)} bad examples, all found")
    return 1 if wrong else 0


sys.exit(main())
