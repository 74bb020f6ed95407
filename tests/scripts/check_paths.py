#!/usr/bin/env python3
"""Nothing in the repository names a place of the machine it was written on, or a document that is
not in it."""
import os
import re
import sys

from sources import FOLDERS, files, finish, read

HOST = re.compile(r"(?<![\w.}$-])/(work|home|root|Users|mnt)/[\w.]")
MARKDOWN = re.compile(r"(?<![\w/:.])([A-Za-z][\w./-]*\.md)\b")


def top_files(root):
    return sorted(n for n in os.listdir(root) if os.path.isfile(os.path.join(root, n)))


def exists(root, path, name):
    beside = os.path.join(os.path.dirname(path), name)
    known = [n for n in os.listdir(root)] + [os.path.basename(p) for p in files(root, (".md",))]
    return os.path.exists(os.path.join(root, name)) or \
        os.path.exists(os.path.join(root, beside)) or name in known


def check_file(root, path):
    for number, line in enumerate(read(root, path).splitlines(), 1):
        match = HOST.search(line)
        if match:
            yield f"{path}:{number}: {match.group()}... is a path of one machine"
        for name in MARKDOWN.findall(line):
            if not exists(root, path, name):
                yield f"{path}:{number}: {name} is not in the repository"


def main(root):
    mine = ("tests/scripts/check_paths.py", "tests/scripts/check_selftest.py")
    paths = [p for p in files(root, (".c", ".h", ".py", ".sh", ".sql", ".md", ".txt", ".cmake",
                                     ".conf", ".service", ".yaml", ".json", ".in"), FOLDERS)
             if p not in mine]
    paths += [n for n in top_files(root) if n != ".git"]
    finish([f for path in paths for f in check_file(root, path)])


main(sys.argv[1])
