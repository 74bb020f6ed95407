#!/usr/bin/env python3
"""Sync between a real station and a real county on loopback: TLS, FULL durability on both sides,
validation and conflict capture on.

speed   The station finds ROWS changed rows in its replica and pushes them; then its database is
        taken from before that time, so that it pulls the same rows back.
bytes   LEAN_ROWS rows each way over a link of LEAN_BYTES_PER_S, where both ends spend time on
        compression; every byte of the TCP connections counts.
alarms  From the panic button to the modem while batches of 100,000 rows come in (alarm_latency).

Beside it the same rows between PouchDB and express-pouchdb over leveldb, in batches of 1,000: the
figures on shared machines mean something as ratios only. Without network and without an earlier
`npm ci` that part is left out.

sync.py --build BUILD_DIR [--rows N] [--panics N] [--store sqlite|postgresql]... [--no-peer]
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from parts import Failed, Link, Part, ms_of, wait_for  # noqa: E402
from world import STATION, World, quietly  # noqa: E402

import alarm_latency  # noqa: E402
import postgres  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 100000
LEAN_ROWS = 10000
LEAN_BYTES_PER_S = 20000  # 160 kbit/s: below what the station takes for a fast link
PANICS = 100
START = "2026-09-08 08:00"
FIRST_DAY = "2026-03-02"
DAY_MS = 86400000
PEER = "pouchdb"
PATIENCE_S = 300
LOOK_S = 0.1

COLUMNS = {
    "checkin": ("assignment_id", "person_id", "post_id", "kind", "at", "heard_at", "channel",
                "late_min"),
    "device_event": ("device_id", "kind", "code", "subject", "device_at", "heard_at", "fresh"),
    "assignment": ("shift_id", "person_id", "role", "stands_in_for", "state", "asked_at",
                   "answered_at"),
    "alarm_event": ("alarm_id", "at", "what", "level", "person_id"),
}


class Ids:
    """As gateway/base/uuid.c makes them: UUIDv7 with one node for each start of the program."""

    def __init__(self, rnd):
        self.node, self.last, self.counter = rnd.getrandbits(48), 0, 0

    def next(self, ms):
        self.counter = 0 if ms > self.last else self.counter + 1
        self.last = max(ms, self.last)
        high, low = self.counter >> 14, self.counter & 0x3fff
        return (f"{self.last >> 16:08x}-{self.last & 0xffff:04x}-7{high:03x}-{0x8000 | low:04x}-"
                f"{self.node:012x}")


def school_days(rnd, first):
    """What a station of six schools writes down, day after day: (table, id, columns...) by time."""
    ids = Ids(rnd)
    posts = [(f"S{school}", f"S{school}-{gate}") for school in range(1, 7) for gate in "EW"]
    people = [f"P{i:03d}" for i in range(48)]
    day, sequence = ms_of(first), 0
    while True:
        date = time.strftime("%Y-%m-%d", time.gmtime((day + 8 * 3600000) / 1000))
        for peak, begin in (("am", 7 * 60 + 20), ("noon", 11 * 60 + 30), ("pm", 16 * 60 + 40)):
            rows, start = [], day + begin * 60000
            for school, post in posts:
                shift = f"{post}.{date}.{peak}"
                for person in rnd.sample(people, 2):
                    asked = start - rnd.randrange(3600000, 7200000)
                    answered = asked + rnd.randrange(5000, 900000)
                    one = ids.next(asked)
                    rows.append((asked, "assignment", one, shift, person, rnd.choice((1, 2)), None,
                                 rnd.choice(("done", "done", "declined")), asked, answered))
                    for kind, at in (("in", start + rnd.randrange(-600000, 300000)),
                                     ("out", start + 2700000 + rnd.randrange(600000))):
                        channel = rnd.choice(("badge", "badge", "sms"))
                        rows.append((at, "checkin", None, one, person, post, kind, at,
                                     at + rnd.randrange(40, 3000), channel,
                                     max(0, (at - start) // 60000) if kind == "in" else None))
                for _ in range(4):
                    sequence += 1
                    at = start + rnd.randrange(-900000, 3600000)
                    device = f"{rnd.choice(('RFID', 'GATE', 'POST'))}-{post}"
                    rows.append((at, "device_event", f"{device}:{sequence}", device,
                                 rnd.choice(("badge", "door", "state")),
                                 rnd.choice(("open", "closed", "read")),
                                 rnd.choice(people), at, at + rnd.randrange(30, 900), 1))
                if rnd.random() < 0.25:
                    at = start + rnd.randrange(1800000)
                    alarm = ids.next(at)
                    for step, what in enumerate(("raised", "told", "acked", "closed")):
                        rows.append((at + step * 40000, "alarm_event", None, alarm,
                                     at + step * 40000, what, 1 + step // 2,
                                     rnd.choice(people) if step else None))
            for row in sorted(rows, key=lambda r: r[:2]):
                yield (row[1], row[2] or ids.next(row[0]), *row[3:])
        day += DAY_MS


def make_rows(count):
    days = school_days(random.Random(20260908), FIRST_DAY)
    return [next(days) for _ in range(count)]


def write_rows(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        for table, one, *values in rows:
            row = {"id": one, "t": table, "scope": STATION}
            row.update(zip(COLUMNS[table], values))
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


class SlowLink(Link):
    """A line that carries so many bytes a second each way; 0: as many as come."""

    rate = 0

    def _pump(self, source, sink, way, pair):
        try:
            while data := source.recv(2048 if self.rate else 65536):
                if self.rate:
                    time.sleep(len(data) / self.rate)
                sink.sendall(data)
                setattr(self, way, getattr(self, way) + len(data))
        except OSError:
            pass
        self._drop(pair)

    def bytes_now(self):
        return self.bytes_up + self.bytes_down


class SyncWorld(World):
    """Its gateway starts and stops while the county stays; the link can be left out. server: a
    PostgreSQL for the county, or None."""

    def __init__(self, folder, bin_dir, server=None):
        super().__init__(folder, bin_dir, START, poll="1s", level="warn", devices=["GATE-1"])
        self.before, self.server = folder / "before.db", server
        self.memory_mb = {}

    def store_words(self):
        if self.server is None:
            return super().store_words()
        return ["--store", f"postgresql://touyan@127.0.0.1:{self.server.port}/postgres", "--county",
                self.folder.name.replace("-", "_"), "--seal-key", self.folder / "county.key", "--ca",
                self.folder / "ca"]

    def write_config(self):
        super().write_config()
        self.link.close()
        self.link = SlowLink(self.county_port)
        self.connect(None)

    def connect(self, rate):
        """Directly to the county (None), or through the link."""
        text = self.config_path.read_text().split("\n")
        port = self.county_port if rate is None else self.link.port
        self.link.rate = rate or 0
        self.config_path.write_text("\n".join(
            f'    url = "https://localhost:{port}"' if line.startswith("    url") else line
            for line in text))

    def sync(self):
        return self.api("GET", "/v1/sync")

    def caught_up(self):
        status = self.sync()
        return (status["link"] == "up" and status["pending"] == 0 and status["phase"] == "idle" and
                self.replica("SELECT count(*) n FROM sync_state WHERE k GLOB 'cur:*'")[0]["n"] == 2
                and not self.replica("SELECT 1 FROM sync_state WHERE k GLOB 'boot:*'"))

    def stop_gateway(self):
        self.gateway.stop()
        with contextlib.closing(sqlite3.connect(self.replica_db)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def change(self, path):
        """Rows that the stopped station changed."""
        with open(path, encoding="utf-8") as rows:
            quietly(self.bin / "bench_change", "--db", self.replica_db, "--clock", self.clock.path,
                    stdin=rows)

    def timed(self, figure, wanted):
        """Seconds and rows from the first that were counted to the last."""
        first = wait_for("the first rows", lambda: max(0, self.count(figure)), PATIENCE_S)
        began, used = time.monotonic(), self.processor_s()
        while self.count(figure) < wanted:
            if time.monotonic() - began > PATIENCE_S:
                raise Failed(f"after {PATIENCE_S} s {self.count(figure)} of {wanted} {figure}")
            time.sleep(LOOK_S)
        seconds = time.monotonic() - began
        us = [(now - then) * 1e6 / (wanted - first) for now, then in zip(self.processor_s(), used)]
        print(f"sync: {figure}: processor time a row: station {us[0]:.1f} us, county {us[1]:.1f} us",
              file=sys.stderr)
        return seconds, wanted - first

    def processor_s(self):
        seconds = []
        for part in (self.gateway, self.county):
            words = pathlib.Path(f"/proc/{part.process.pid}/stat").read_text().split(") ")[1].split()
            seconds.append((int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"))
        return seconds

    def count(self, figure):
        if not self.gateway.alive():
            raise Failed(f"the gateway is gone:\n{self.gateway.log_text()[-2000:]}")
        if figure == "rows_applied":
            return self.sync()[figure]
        # not from the gateway, which counts all open marks for each answer
        return int(self.replica("SELECT v FROM sync_state WHERE k = 'acked'")[0]["v"]) - self.marks

    def push_and_pull(self, rows, rate):
        """[(seconds, rows, bytes)] of both ways."""
        self.stop_gateway()
        shutil.copy(self.replica_db, self.before)
        self.marks = self.replica("SELECT coalesce(max(seq), 0) n FROM sqlite_sequence "
                                  "WHERE name = 'sync_out'")[0]["n"]
        path = self.folder / "rows"
        write_rows(path, rows)
        self.change(path)
        self.connect(rate)
        results = []
        for figure in ("rows_pushed", "rows_applied"):
            before = self.link.bytes_now()
            self.start_gateway()
            seconds, count = self.timed(figure, len(rows))
            wait_for("the end of the round", self.caught_up, 60)
            results.append((seconds, count, self.link.bytes_now() - before))
            self.note_memory()
            if figure == "rows_pushed":
                self.stop_gateway()
                shutil.copy(self.before, self.replica_db)
        self.check_rows(rows)
        return results

    def check_rows(self, rows):
        """What was pulled went through the county, so the station's rows tell of both."""
        found = sum(self.replica(f"SELECT count(*) n FROM {table}")[0]["n"] for table in COLUMNS)
        if found < len(rows):
            raise Failed(f"{found} of {len(rows)} rows arrived")

    def note_memory(self):
        for part in (self.gateway, self.county):
            with open(f"/proc/{part.process.pid}/status", encoding="ascii") as f:
                peak = next(line for line in f if line.startswith("VmHWM"))
            self.memory_mb[part.name] = max(self.memory_mb.get(part.name, 0),
                                            int(peak.split()[1]) / 1024)


class Peer:
    """PouchDB and its server, installed once below the build folder."""

    def __init__(self, build, folder):
        self.home, self.folder = build / "pouchdb", folder
        self.server = Part("express-pouchdb", folder)

    def install(self):
        """False: it cannot be had."""
        if not shutil.which("node") or not shutil.which("npm"):
            return False
        self.home.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json", "peer.js"):
            shutil.copy(HERE / "pouchdb" / name, self.home)
        if (self.home / "node_modules" / ".package-lock.json").exists():
            return True
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                              cwd=self.home, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"sync: npm ci: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return done.returncode == 0

    def start(self, name):
        served = self.folder / name / "served"
        served.mkdir(parents=True)
        self.server.log_path = self.folder / name / "port"
        self.server.spawn(["node", self.home / "peer.js", "serve", served],
                          {"NODE_ENV": "production"})
        port = wait_for("the peer's port", lambda: self.server.log_text().strip(), 30)
        return int(port.split()[0])

    def run(self, verb, port, name, *words):
        done = subprocess.run(["node", str(self.home / "peer.js"), verb,
                               f"http://127.0.0.1:{port}/rows", str(self.folder / name),
                               *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"peer {verb}: {done.stderr[-1000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def push_and_pull(self, name, rows, link):
        """As SyncWorld.push_and_pull."""
        path = self.folder / f"{name}.rows"
        write_rows(path, rows)
        port = self.start(name)
        relay = SlowLink(port) if link else None
        results = []
        try:
            for verb, words in (("push", [path]), ("pull", [])):
                before = relay.bytes_now() if relay else 0
                done = self.run(verb, relay.port if relay else port, name, *words)
                if done["rows"] != len(rows):
                    raise Failed(f"peer {verb}: {done['rows']} of {len(rows)} rows")
                results.append((done["seconds"], len(rows),
                                relay.bytes_now() - before if relay else 0))
        finally:
            self.server.kill()
            if relay:
                relay.close()
        return results


def figure(name, value, unit, store, **more):
    print(json.dumps({"bench": "sync", "figure": name, "value": round(value, 2), "unit": unit,
                      "store": store, **more}), flush=True)


def against(theirs, ratio):
    """`ratio`: how many times better we are."""
    return {} if theirs is None else {"against": PEER, "peer": round(theirs, 2),
                                      "ratio": round(ratio, 2)}


def report_speed(store, results, peer):
    for way, (seconds, count, _), other in zip(("push", "pull"), results, peer or (None, None)):
        rate = count / seconds
        theirs = other and other[1] / other[0]
        figure(f"{way}_rows_per_s", rate, "rows/s", store, **against(theirs, rate / (theirs or 1)))


def report_bytes(store, results, peer):
    for way, (_, _, size), other in zip(("push", "pull"), results, peer or (None, None)):
        ours = size / LEAN_ROWS
        theirs = other and other[2] / LEAN_ROWS
        figure("bytes_per_row", ours, "B", store, way=way, **against(theirs, (theirs or 0) / ours))


def measure_store(store, folder, bin_dir, rows, panics, peer):
    if store == "sqlite":
        measure_with(store, None, folder, bin_dir, rows, panics, peer)
        return
    with postgres.Server() as server:
        measure_with(store, server, folder, bin_dir, rows, panics, peer)


def measure_with(store, server, folder, bin_dir, rows, panics, peer):
    world = SyncWorld(folder / store, bin_dir, server)
    try:
        world.up()
        wait_for("the first round", world.caught_up, 60)
        report_speed(store, world.push_and_pull(rows, None), peer and peer["speed"])
        for name, part in (("rss_station_mb", "gateway"), ("rss_county_mb", "county")):
            figure(name, world.memory_mb[part], "MB", store)
    finally:
        world.kill_all()
    lean = SyncWorld(folder / f"{store}-lean", bin_dir, server)
    try:
        lean.up()
        wait_for("the first round", lean.caught_up, 60)
        report_bytes(store, lean.push_and_pull(rows[:LEAN_ROWS], LEAN_BYTES_PER_S),
                     peer and peer["bytes"])
    finally:
        lean.kill_all()
    if panics > 0 and server is None:  # the station does not see what the county stores in
        values = alarm_latency.one_run(folder / f"{store}-alarms", bin_dir, panics, True)
        figure("alarm_p99_ms", alarm_latency.percentile(values, 99), "ms", store, panics=panics)


def measure_peer(build, folder, rows):
    peer = Peer(build, folder)
    if not peer.install():
        print("sync: PouchDB is not compared with: it needs node, npm and, the first time, a "
              "network", file=sys.stderr)
        return None
    return {"speed": peer.push_and_pull("peer", rows, False),
            "bytes": peer.push_and_pull("peer-lean", rows[:LEAN_ROWS], True)}


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--rows", type=int, default=ROWS)
    words.add_argument("--panics", type=int, default=PANICS)
    words.add_argument("--store", action="append", choices=("sqlite", "postgresql"))
    words.add_argument("--no-peer", action="store_true")
    args = words.parse_args()
    build = pathlib.Path(args.build).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-sync-"))
    rows = make_rows(args.rows)
    print(f"sync: load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
          file=sys.stderr)
    try:
        peer = None if args.no_peer else measure_peer(build.parent, folder, rows)
        for store in args.store or ("sqlite", "postgresql"):
            measure_store(store, folder, build / "bin", rows, args.panics, peer)
    except Failed as problem:
        print(f"sync: {problem}\nsync: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
