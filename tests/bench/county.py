#!/usr/bin/env python3
"""The county under 1, 10, 100 and 1,000 stations (bench/load/stations.c: TLS, a connection each).

minutes  A minute of each station's morning peak, a push of 20 rows and a poll, as fast as the county
         takes them with 16 requests on their way: requests a second, p99, processor time, memory.
         cost_growth is the processor time of a station's minute among 1,000 over that among 10,
         before and after.
morning  1,000 stations come back at once after 24 hours without a county, each with a day's 600
         rows: until all are done, and none is left behind.

One county process over SQLite, one and two over PostgreSQL; what the database's processes use counts
too. What a connection to the database needs once is paid before, by stations that are not counted.
All of it takes ALL_S at most; what is left then fails.

county.py --build BUILD_DIR [--store sqlite|postgresql]... [--stations N]...
"""

import argparse
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from parts import Failed, Part, wait_for  # noqa: E402
from world import quietly  # noqa: E402
import postgres  # noqa: E402

SIZES = (1, 10, 100, 1000)
STATION_MINUTES = 1000  # in all: few stations have more of them, so that there is something to measure
MORNING_ROUNDS = 3
WARM_STATIONS, WARM_MINUTES = 16, 4
PART_S = 240  # at most
ALL_S = 450
TICKS = os.sysconf("SC_CLK_TCK")


class SqliteStore:
    name = "sqlite"

    def __init__(self, folder):
        self.path = folder / "county.db"
        self.words = ["--db", self.path]

    def add_stations(self, rows):
        db = sqlite3.connect(self.path)
        db.executemany("INSERT INTO station(name,scope,token_hash,added_at) VALUES(?,?,?,?)", rows)
        db.commit()
        db.close()

    def processes(self):
        return []

    def close(self):
        pass


class PostgresStore:
    name = "postgresql"

    def __init__(self, folder):
        self.server = postgres.Server()
        self.words = ["--store", f"postgresql://touyan@127.0.0.1:{self.server.port}/postgres",
                      "--seal-key", folder / "seal.key", "--ca", folder / "ca"]

    def add_stations(self, rows):
        values = ",".join(f"('{name}','{scope}','{token}',{at})" for name, scope, token, at in rows)
        self.server.sql("INSERT INTO touyan_0.station(name,scope,token_hash,added_at) VALUES" + values)

    def processes(self):
        main = int((pathlib.Path(self.server.data) / "postmaster.pid").read_text().split()[0])
        children = pathlib.Path(f"/proc/{main}/task/{main}/children").read_text()
        return [main, *map(int, children.split())]

    def close(self):
        self.server.close()


STORES = {"sqlite": SqliteStore, "postgresql": PostgresStore}


def token_hash(token):
    """As sync/replica/seal.c."""
    return hashlib.blake2b(token.encode(), digest_size=32).hexdigest()


class County:
    """One or two processes over one store."""

    end = time.monotonic() + ALL_S

    def __init__(self, store, folder, bin_dir, processes):
        self.store, self.folder, self.bin = store, folder, bin_dir
        self.parts = [Part(f"county{i}", folder) for i in range(processes)]
        self.ports = []

    def start(self):
        quietly("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost", "-keyout", self.folder / "key", "-out",
                self.folder / "crt")
        for i, part in enumerate(self.parts):
            ready = self.folder / f"ready{i}"
            part.spawn([self.bin / "touyan-county", "serve", *self.store.words, "--listen",
                        "127.0.0.1:0", "--cert", self.folder / "crt", "--key", self.folder / "key",
                        "--ready-file", ready])
            wait_for("the county", ready.exists)
            self.ports.append(ready.read_text().strip())

    def add_stations(self, name, count):
        """Their file for bench_stations."""
        stations = [(f"{name}{i:04d}", secrets.token_hex(32)) for i in range(count)]
        self.store.add_stations([(n, n, token_hash(t), 0) for n, t in stations])
        path = self.folder / f"{name}.stations"
        path.write_text("".join(f"{n} {t}\n" for n, t in stations))
        return path

    def pids(self):
        return [part.process.pid for part in self.parts] + self.store.processes()

    def processor_s(self):
        total = 0
        for pid in self.pids():
            try:
                words = pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1].split()
            except OSError:
                continue  # a connection of the database's that is over
            total += int(words[11]) + int(words[12])
        return total / TICKS

    def memory_mb(self):
        """The most that one process of the county had."""
        peaks = []
        for part in self.parts:
            status = pathlib.Path(f"/proc/{part.process.pid}/status").read_text()
            peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return max(peaks)

    def run(self, stations, minutes, morning):
        """Yields the parts that bench_stations tells, with the processor time of each."""
        left_s = int(self.end - time.monotonic())
        if left_s < 1:
            raise Failed(f"{ALL_S} s are over")
        load = subprocess.Popen(
            [str(w) for w in (self.bin / "bench_stations", "--ca",
                              self.folder / "crt", "--stations", stations, "--minutes", minutes,
                              "--morning", morning, "--seconds", min(PART_S, left_s),
                              *(w for port in self.ports for w in ("--port", port)))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            used = self.processor_s()
            for line in load.stdout:
                part, now = json.loads(line), self.processor_s()
                part["processor_s"], used = now - used, now
                yield part
            if load.wait(10) != 0:
                raise Failed(f"the stations did not finish: {load.stderr.read()[-1000:]}")
        finally:
            load.kill()
            load.wait()

    def stop(self):
        for part in self.parts:
            part.kill()


def figure(name, value, unit, where, **more):
    print(json.dumps({"bench": "county", "figure": name, "value": round(value, 2), "unit": unit,
                      **where, **more}), flush=True)


def report_minutes(part, where, minutes):
    cost_ms = part["processor_s"] * 1000 / (part["stations"] * minutes)
    figure("requests_per_s", part["requests"] / part["seconds"], "1/s", where)
    figure("p99_ms", part["p99_ms"], "ms", where, p50=part["p50_ms"])
    figure("cpu_ms_per_station_minute", cost_ms, "ms", where)
    return cost_ms


def report_morning(part, where):
    figure("morning_s", part["last_done_s"], "s", where, first=part["first_done_s"],
           rows_per_s=round(part["rows"] / part["seconds"]), refused=part["refused"],
           broken=part["broken"], left=part["left"])


def measure(store, processes, folder, bin_dir, sizes):
    folder.mkdir()
    county = County(store, folder, bin_dir, processes)
    costs = {size: [] for size in sizes}
    again = [10] if {10, 1000} <= set(sizes) else []  # on a shared machine one time is like no other
    try:
        county.start()
        for _ in county.run(county.add_stations("warm", WARM_STATIONS), WARM_MINUTES, 0):
            pass
        for at, size in enumerate([*sizes, *again]):
            where = {"store": store.name, "processes": processes, "stations": size}
            minutes = max(1, STATION_MINUTES // size)
            morning = MORNING_ROUNDS if size == max(SIZES) else 0
            stations = county.add_stations(f"S{at}x{size}x", size)
            for part in county.run(stations, minutes, morning):
                if part["part"] == "minutes":
                    costs[size].append(report_minutes(part, where, minutes))
                elif part["part"] == "morning":
                    report_morning(part, where)
            figure("rss_county_mb", county.memory_mb(), "MB", where)
        if again:
            figure("cost_growth", costs[1000][0] * 2 / sum(costs[10]), "",
                   {"store": store.name, "processes": processes})
    finally:
        county.stop()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--store", action="append", choices=sorted(STORES))
    words.add_argument("--stations", action="append", type=int)
    args = words.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-county-"))
    print(f"county: load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
          file=sys.stderr)
    began = time.monotonic()
    try:
        for name in args.store or STORES:
            for processes in (1, 2) if name == "postgresql" else (1,):
                inner = folder / f"{name}{processes}"
                store_folder = folder / f"{name}{processes}-store"
                store_folder.mkdir()
                store = STORES[name](store_folder)
                try:
                    measure(store, processes, inner, bin_dir, args.stations or SIZES)
                finally:
                    store.close()
    except Failed as problem:
        print(f"county: {problem}\ncounty: logs in {folder}", file=sys.stderr)
        return 1
    print(f"county: {time.monotonic() - began:.0f} s", file=sys.stderr)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
