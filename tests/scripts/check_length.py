#!/usr/bin/env python3
"""One topic a file: no source has more than 800 lines."""
import sys

from sources import files, finish, read

LIMIT = 800


def main(root):
    counts = {path: read(root, path).count("\n") for path in
              files(root, (".c", ".h", ".py", ".sh", ".js"))}
    finish([f"{path}:{LIMIT}: {count} lines, at most {LIMIT}: split it by topic"
            for path, count in counts.items() if count > LIMIT])


main(sys.argv[1])
