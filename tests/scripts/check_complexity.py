#!/usr/bin/env python3
"""No function has more than 70 lines or a McCabe complexity above 15 (pmccabe; a switch counts one).

complexity.allow lists the exceptions, one a line: `file function reason`. An entry that is no
longer needed, or gives no reason, is a finding too."""
import os
import re
import subprocess
import sys

from sources import files, finish, read

COMPLEXITY = 15
LINES = 70
ALLOW = "tests/scripts/complexity.allow"
ROW = re.compile(r"^(\d+)\t\d+\t\d+\t(\d+)\t(\d+)\t([^(]+)\(\d+\): (\S+)")


def measure(root, paths):
    for start in range(0, len(paths), 100):
        done = subprocess.run(["pmccabe"] + paths[start:start + 100], cwd=root, text=True,
                              capture_output=True, check=False)
        for row in done.stdout.splitlines():
            match = ROW.match(row)
            if match:
                cc, line, lines, path, name = match.groups()
                yield path, name, int(line), int(cc), int(lines)


def allowed(root):
    entries = {}
    text = read(root, ALLOW) if os.path.exists(os.path.join(root, ALLOW)) else ""
    for row in text.splitlines():
        if row.strip() and not row.startswith("#"):
            path, name, reason = (row.split(None, 2) + ["", ""])[:3]
            entries[path, name] = reason
    return entries


def main(root):
    exceptions, used, findings = allowed(root), set(), []
    for path, name, line, cc, lines in measure(root, files(root, (".c",))):
        if cc <= COMPLEXITY and lines <= LINES:
            continue
        used.add((path, name))
        if not exceptions.get((path, name)):
            findings.append(f"{path}:{line}: {name} has {lines} lines and complexity {cc}, "
                            f"at most {LINES} and {COMPLEXITY}")
    findings += [f"{ALLOW}:1: {path} {name} is not needed any more"
                 for path, name in exceptions if (path, name) not in used]
    finish(findings)


main(sys.argv[1])
