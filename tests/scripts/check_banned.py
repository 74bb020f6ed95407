#!/usr/bin/env python3
"""Functions nobody calls here, words that mark unfinished work, and OR clauses in SQL triggers."""
import re
import sys

from sources import code_only, files, finish, read

FUNCTIONS = {
    "strcpy": "text_copy", "strcat": "buf_add_text", "sprintf": "snprintf or buf_printf",
    "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strcspn, or strsep on a copy",
    "atoi": "text_to_int", "atol": "text_to_int64", "atoll": "text_to_int64",
    "atof": "a checked strtod", "alloca": "a bounded array", "localtime": "caltime_local",
    "localtime_r": "caltime_local", "gmtime": "caltime_local", "gmtime_r": "caltime_local",
    "mktime": "caltime_to_ms", "rand": "struct rnd", "srand": "struct rnd", "random": "struct rnd",
    "system": "uv_spawn or posix_spawn", "popen": "uv_spawn or posix_spawn",
    "uv_default_loop": "the loop that was given",
}
CLOCKS = ("clock_gettime", "gettimeofday", "time", "clock", "ftime", "uv_hrtime",
          "uv_gettimeofday", "uv_clock_gettime")
CLOCK_FILE = "gateway/base/clock.c"
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK|[Nn]ot implemented|unimplemented)\b")
STUB = re.compile(r"\b[Ss]tub(bed)?\b")


def calls(code, names):
    # A member or another function's name around it is no call of it.
    pattern = r"(?<![\w.>])(" + "|".join(names) + r")\s*\("
    for match in re.finditer(pattern, code):
        yield match.group(1), code.count("\n", 0, match.start()) + 1


def check_file(root, path):
    text = read(root, path)
    code = code_only(text)
    for name, line in calls(code, FUNCTIONS):
        yield f"{path}:{line}: {name}() is banned: use {FUNCTIONS[name]}"
    if path != CLOCK_FILE and not path.startswith("tests/"):
        for name, line in calls(code, CLOCKS):
            yield f"{path}:{line}: {name}() reads a clock: take struct clock (base/clock.h)"
    for pattern in (WORDS,) if path.startswith("tests/") else (WORDS, STUB):
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: '{match.group()}' marks unfinished work"


TRIGGER = re.compile(r"\bCREATE\s+TRIGGER\b.*?\bEND;", re.S | re.I)
OR_CLAUSE = re.compile(r"\b(INSERT|UPDATE)\s+OR\s+\w+", re.I)


def check_sql(root, path):
    """SQLite lets the statement that fires a trigger override the OR clauses in it."""
    text = re.sub(r"--[^\n]*", "", read(root, path))
    for trigger in TRIGGER.finditer(text):
        for match in OR_CLAUSE.finditer(trigger.group()):
            line = text.count("\n", 0, trigger.start() + match.start()) + 1
            yield f"{path}:{line}: {match.group()} in a trigger: use ON CONFLICT DO NOTHING"


def main(root):
    findings = [f for path in files(root, (".c", ".h")) for f in check_file(root, path)]
    finish(findings + [f for path in files(root, (".sql",)) for f in check_sql(root, path)])


main(sys.argv[1])
