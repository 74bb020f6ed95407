#!/usr/bin/env python3
"""A station and its county over 40 kbit/s, 250 to 300 ms each way, 5 % loss: how long 2,000 rows
take, and what a line carries that lives 20 s of each two minutes.

Real programs, TLS, kernel TCP at both ends (as root; else a relay). The station knows the county
already and connects anew. With --peer the same rows go from PouchDB to express-pouchdb over the same
line in the same run.

sync_badlink.py --build BUILD_DIR [--rows N] [--times N] [--outages N] [--peer] [--relay]
"""

import argparse
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for part in ("e2e", "lib", "sim"):
    sys.path.insert(0, str(ROOT / "tests" / part))
from badlink import BadLink  # noqa: E402
from parts import DATA, Failed, Part, die_with_parent, free_port, rows, wait_for  # noqa: E402
from sync import Peer  # noqa: E402
from sync_real import Talker  # noqa: E402
from world import STATION, quietly  # noqa: E402

LIMIT_S = 600
PEER_LIMIT_S = 300
ALIVE_S, DEAD_S = 20, 100
PERSONS = [p["id"] for p in csv.DictReader(open(DATA / "county" / "person.csv", encoding="utf-8"))
           if p["scope"] == STATION]


def figure(name, value, **more):
    print(json.dumps(dict(figure=name, value=round(value, 2), **more), ensure_ascii=False),
          flush=True)


class Bench:
    def __init__(self, folder, args):
        self.folder, self.args = folder, args
        self.build = pathlib.Path(args.build).resolve()
        self.line = BadLink(real=False if args.relay else None)
        self.county, self.port = Part("county", folder), free_port()
        self.near_port = None
        self.station = None
        self.seconds = 0.0

    def tool(self, *words):
        return quietly(self.build / "bin" / "touyan-county", *words, "--db", self.folder / "county.db")

    def start_county(self):
        address, folder = self.line.far_address, self.folder
        quietly("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "30", "-subj", "/CN=county", "-addext",
                f"subjectAltName=IP:{address}", "-keyout", folder / "county.key", "-out",
                folder / "county.crt")
        self.tool("import", DATA / "county")
        self.tool("station", "add", STATION, "--token-file", folder / "token")
        self.county.spawn(self.line.far([
            self.build / "bin" / "touyan-county", "serve", "--db", folder / "county.db", "--listen",
            f"{address}:{self.port}", "--cert", folder / "county.crt", "--key",
            folder / "county.key", "--ready-file", folder / "ready"]))
        wait_for("the county", (folder / "ready").exists)
        self.near_port = self.line.near_port(self.port)

    def start_station(self, *more):
        """With the settings of a gateway as it is delivered."""
        self.station = Talker("station", self.folder, self.line.near([
            self.build / "tests" / "syncstation", "--db", self.folder / "station.db", "--url",
            f"https://{self.line.far_address}:{self.near_port}", "--ca", self.folder / "county.crt",
            "--token", self.folder / "token", "--station", STATION, "--key",
            self.folder / "county.db.key", *more]))

    def status(self):
        return json.loads(self.station.ask("status"))

    def wait(self, what, condition, seconds=LIMIT_S):
        """Seconds until the station's status fulfils the condition."""
        began = time.monotonic()
        wait_for(what, lambda: time.sleep(0.05) or condition(self.status()), seconds)
        return time.monotonic() - began

    def fill(self):
        """The first filling is no part of this: over a good line."""
        self.line.good()
        self.start_station()
        self.wait("the first filling", lambda s: s["caught_up"], 60)
        self.station.stop()

    def conditions(self):
        return dict(line="40 kbit/s, 250 to 300 ms each way, 5 % loss", rows=self.args.rows,
                    how=self.line.how, store="sqlite", tls=True)

    def push_once(self, turn):
        """A fresh connection each time: which packets are lost matters."""
        self.start_station("--hold")
        self.station.ask(f"add {self.args.rows}")
        before = self.line.count()
        self.station.say("start")
        seconds = self.wait("the rows to be at the county", lambda s: s["pending"] == 0)
        after, status = self.line.count(), self.status()
        there = json.loads(self.tool("show", "counts"))["tables"]["checkin"][STATION]
        if there != self.args.rows * (turn + 1):
            raise Failed(f"{there} check-ins are at the county, not {self.args.rows * (turn + 1)}")
        return dict(seconds=seconds,
                    bytes_up=after["there"]["bytes"] - before["there"]["bytes"],
                    packets_up=after["there"]["packets"] - before["there"]["packets"],
                    bytes_down=after["back"]["bytes"] - before["back"]["bytes"],
                    requests=status["requests"], failures=status["failures"])

    def push(self):
        self.line.bad()
        turns = []
        for turn in range(self.args.times):
            if turn:
                self.station.stop()
            turns.append(self.push_once(turn))
        middle = sorted(turns, key=lambda t: t["seconds"])[len(turns) // 2]
        self.seconds = middle.pop("seconds")
        each = [round(t.get("seconds", self.seconds), 2) for t in turns]
        figure("seconds", self.seconds, way="push", each=each, **self.conditions(), **middle)

    def peer(self):
        """PouchDB with the same rows in batches of 1,000, over HTTP without TLS."""
        peer = Peer(self.build.parent, self.folder)
        if not peer.install():
            raise Failed("the peer cannot be installed: node and npm are needed")
        served, path = self.folder / "served", self.folder / "rows.json"
        served.mkdir()
        (self.folder / "peer").mkdir()
        columns = "id, assignment_id, person_id, post_id, kind, at, heard_at, channel, late_min"
        with open(path, "w", encoding="utf-8") as out:
            for row in rows(self.folder / "station.db", f"SELECT {columns} FROM checkin LIMIT ?",
                            self.args.rows):
                out.write(json.dumps(row) + "\n")
        peer.server.spawn(self.line.far(["node", peer.home / "peer.js", "serve", served,
                                         self.line.far_address]), {"NODE_ENV": "production"})
        try:
            port = int(wait_for("the peer's port", lambda: peer.server.log_text().strip(), 30))
            self.replicate(peer.home, self.line.near_port(port), path)
        finally:
            peer.server.kill()

    def replicate(self, home, port, path):
        before, began, result = self.line.count(), time.monotonic(), "done"
        push = subprocess.Popen([str(a) for a in self.line.near(
            ["node", home / "peer.js", "push", f"http://{self.line.far_address}:{port}/rows",
             self.folder / "peer", path])], preexec_fn=die_with_parent)
        try:
            result = "done" if push.wait(PEER_LIMIT_S) == 0 else "failed"
        except subprocess.TimeoutExpired:
            push.kill()
            push.wait()
            result = "cut off"
        seconds, after = time.monotonic() - began, self.line.count()
        figure("peer_seconds", seconds, peer="pouchdb", result=result, **self.conditions(),
               bytes_up=after["there"]["bytes"] - before["there"]["bytes"],
               packets_up=after["there"]["packets"] - before["there"]["packets"],
               ratio=round(seconds / self.seconds, 1))

    def pull(self):
        table = self.folder / "avail.csv"
        with open(table, "w", encoding="utf-8") as out:
            out.write("id,scope,person_id,weekday,peak,kind,valid_from,valid_to\n")
            for i in range(self.args.rows):
                out.write(f"offer-{i},{STATION},{PERSONS[i % len(PERSONS)]},{i % 7 + 1},am,leave,"
                          "2026-09-01,2027-01-15\n")
        self.tool("import", table)
        before, applied = self.line.count(), self.status()["rows_applied"]
        self.station.say("now")
        seconds = self.wait("the rows to be at the station",
                            lambda s: s["rows_applied"] - applied >= self.args.rows)
        after = self.line.count()
        figure("pull_seconds", seconds, way="pull", **self.conditions(),
               bytes_down=after["back"]["bytes"] - before["back"]["bytes"])

    def outages(self):
        """More rows than fit into a window; each period has one."""
        self.station.ask(f"add {self.args.rows * 3}")
        done, began = [self.status()["pending"]], time.monotonic()
        for _ in range(self.args.outages):
            self.line.say("up")
            time.sleep(ALIVE_S)
            self.line.say("down")
            done.append(self.status()["pending"])
            time.sleep(DEAD_S)
        per_window = [a - b for a, b in zip(done, done[1:])]
        figure("outage_rows", done[0] - done[-1], per_window=per_window,
               seconds=round(time.monotonic() - began), alive_s=ALIVE_S, dead_s=DEAD_S,
               left=done[-1], failures=self.status()["failures"])
        if done[-1] >= done[0]:
            raise Failed("a line that lives 20 s of each two minutes makes no progress")
        self.line.bad()
        figure("outage_rest_seconds", self.wait("the rest", lambda s: s["pending"] == 0))

    def run(self):
        self.start_county()
        self.fill()
        self.push()
        if self.args.peer:
            self.peer()
        self.pull()
        if self.args.outages:
            self.outages()
        self.station.stop()
        self.county.stop()

    def close(self):
        if self.station is not None:
            self.station.kill()
        self.county.kill()
        self.line.close()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--rows", type=int, default=2000)
    words.add_argument("--times", type=int, default=3, help="the figure is the median")
    words.add_argument("--outages", type=int, default=2)
    words.add_argument("--peer", action="store_true", help="the same with PouchDB (node, npm)")
    words.add_argument("--relay", action="store_true", help="no namespaces, even as root")
    args = words.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-badlink-"))
    bench = Bench(folder, args)
    try:
        bench.run()
    except Failed as problem:
        print(f"sync_badlink: {problem}; logs in {folder}", file=sys.stderr)
        return 1
    finally:
        bench.close()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
