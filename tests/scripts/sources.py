"""What the checks of this folder share: which files are ours, and C without comments and texts.

A check is a program `check_x.py ROOT`: it prints `file:line: what and why` for each finding and
exits 1 when there are any. check_selftest.py shows for each rule that it can fail."""
import os
import re
import sys

FOLDERS = ("gateway", "sync", "sms", "mqtt", "config", "tests")


def files(root, endings, folders=FOLDERS):
    """Paths relative to root, sorted. Empty endings: all files."""
    found = []
    for folder in folders:
        for base, dirs, names in os.walk(os.path.join(root, folder)):
            dirs[:] = [d for d in dirs if d not in ("node_modules", "__pycache__", "vendor")]
            found += [os.path.relpath(os.path.join(base, n), root) for n in names
                      if not endings or n.endswith(endings)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """The text with comments, strings and characters blanked; lines keep their numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return _TOKEN.sub(blank, text)


def finish(findings):
    findings = list(findings)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
