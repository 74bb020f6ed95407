#!/usr/bin/env python3
"""Runs programs with a PostgreSQL server of their own: with_postgres.py PROGRAM [ARGUMENT...] [-- PROGRAM ...]

The folder of its socket is in TOUYAN_TEST_POSTGRESQL, its port in TOUYAN_TEST_PORT; the user is touyan. fsync is off: these
tests stop the server at their end and keep nothing."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import postgres  # noqa: E402


def main():
    commands, words = [[]], sys.argv[1:]
    for word in words:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    failed = 0
    with postgres.Server(durable=False) as server:
        environment = dict(os.environ, TOUYAN_TEST_POSTGRESQL=server.folder,
                           TOUYAN_TEST_PORT=str(server.port))
        for command in commands:
            print("==", " ".join(command), flush=True)
            failed |= os.spawnvpe(os.P_WAIT, command[0], command, environment)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
