#!/usr/bin/env python3
"""How a station treats its line: it keeps its connection, resumes TLS when it needs another one,
comes again by itself as long as something is unsent, and not before the county said it may; and how
the county helps it.

manners.py --build BUILD_DIR
"""

import argparse
import http.client
import json
import pathlib
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "sim"))
from parts import Failed, Part, free_port, wait_for  # noqa: E402
from sync_real import Talker  # noqa: E402
from world import STATION, World, quietly  # noqa: E402

RETRY_AFTER_S = 2
A_CONNECTION = 3  # requests on one before the busy county closes it


class BusyCounty:
    """Answers 503 to all, says when to come again, and closes every connection after some."""

    def __init__(self, folder):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "county.crt", folder / "county.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []  # (resumed, [times of requests])
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            raw, _ = self.listener.accept()
            try:
                self.talk(self.context.wrap_socket(raw, server_side=True))
            except OSError:
                pass

    def talk(self, tls):
        times = []
        self.connections.append((tls.session_reused, times))
        stream = tls.makefile("rb")
        while len(times) < A_CONNECTION:
            size = 0
            if not stream.readline():
                return
            while (line := stream.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            stream.read(size)
            times.append(time.monotonic())
            last = len(times) == A_CONNECTION
            body = b'{"error":"busy"}'
            tls.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                        b"Retry-After: %d\r\nContent-Length: %d\r\n%s\r\n%s" % (
                            RETRY_AFTER_S, len(body), b"Connection: close\r\n" if last else b"",
                            body))
        tls.close()


def station_manners(folder, build):
    county = BusyCounty(folder)
    (folder / "token").write_text("0123456789abcdef0123456789abcdef\n")
    station = Talker("station", folder, [
        build / "tests" / "syncstation", "--db", folder / "station.db", "--url",
        f"https://localhost:{county.port}", "--ca", folder / "county.crt", "--token",
        folder / "token", "--station", STATION, "--key", folder / "key", "--backoff", "1",
        "--backoff-max", "1"])
    try:
        if station.ask("event one") != "ok one":
            raise Failed("the station does not take an event")
        wait_for("the station to come again and again", lambda: len(county.connections) > 2 and
                 county.connections[2][1], 10 * RETRY_AFTER_S)
        pending = json.loads(station.ask("status"))["pending"]
        station.stop()
    finally:
        station.kill()
    times = [t for _, times in county.connections for t in times]
    gaps = [b - a for a, b in zip(times, times[1:])]
    problems = []
    if [len(times) for _, times in county.connections[:2]] != [A_CONNECTION] * 2:
        problems.append(f"connections are not kept: {county.connections}")
    if [resumed for resumed, _ in county.connections[:3]] != [False, True, True]:
        problems.append(f"TLS is not resumed: {[r for r, _ in county.connections]}")
    if min(gaps) < RETRY_AFTER_S - 0.05:
        problems.append(f"it comes before it may: {[round(g, 2) for g in gaps]}")
    if max(gaps) > RETRY_AFTER_S + 1.5:
        problems.append(f"it does not come by itself: {max(gaps):.2f} s")
    if pending != 1:
        problems.append(f"{pending} marks are unsent, not 1")
    return problems


def county_manners(folder, build):
    """A session of the real county can be resumed."""
    county, port = Part("county", folder), free_port()
    county.spawn([build / "bin" / "touyan-county", "serve", "--db", folder / "county.db", "--listen",
                  f"127.0.0.1:{port}", "--cert", folder / "county.crt", "--key",
                  folder / "county.key"])
    context = ssl.create_default_context(cafile=folder / "county.crt")
    session, reused = None, []
    try:
        wait_for("the county's port", World.port_open(port))
        for _ in range(3):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port)),
                                     server_hostname="localhost", session=session) as tls:
                connection = http.client.HTTPSConnection("localhost", port)
                connection.sock = tls
                for _ in range(2):  # on one connection
                    connection.request("GET", "/v1/health")
                    answer = connection.getresponse()
                    if answer.status != 200 or json.loads(answer.read())["status"] != "ok":
                        return ["the county is not well"]
                session = tls.session
                reused.append(tls.session_reused)
        county.stop()
    finally:
        county.kill()
    return [] if reused == [False, True, True] else [f"the county resumes no session: {reused}"]


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, required=True)
    build = words.parse_args().build.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-manners-"))
    try:
        quietly("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost", "-keyout", folder / "county.key", "-out",
                folder / "county.crt")
        problems = county_manners(folder, build) + station_manners(folder, build)
    except Failed as problem:
        problems = [str(problem)]
    for problem in problems:
        print(f"manners: {problem}", file=sys.stderr)
    shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
