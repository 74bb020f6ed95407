#!/usr/bin/env python3
"""Runs programs with one PostgreSQL server, as many at a time as there are processors:
with_postgres.py PROGRAM [ARGUMENT...] [-- PROGRAM ...]

The folder of its socket is in TOUYAN_TEST_POSTGRESQL, its port in TOUYAN_TEST_PORT; the user is
touyan. fsync is off: these tests stop the server at their end and keep nothing."""
import concurrent.futures
import os
import subprocess
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
    with postgres.Server(durable=False) as server:
        environment = dict(os.environ, TOUYAN_TEST_POSTGRESQL=server.folder,
                           TOUYAN_TEST_PORT=str(server.port))

        def run(command):
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
            print("==", *command, done.stdout.decode(errors="replace"), sep="\n", flush=True)
            return done.returncode

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            codes = list(pool.map(run, commands))
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
