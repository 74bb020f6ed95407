#!/usr/bin/env python3
"""From the PUBLISH of a panic button to the first byte of AT+CMGS at the modem.

300 panics at distinct posts with distinct officers' phones, each when the modem is free; once with
nothing else going on, once while the county's batches of 100,000 rows are being applied over and
over and 1,000 messages a second come in from the gates. County and load run at a lower priority:
in the field they are other machines, here they share two cores with the station.

alarm_latency.py --build BUILD_DIR [--panics N]
"""

import argparse
import csv
import json
import math
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from parts import Failed, Mqtt, UnixHttp, wait_for  # noqa: E402
from world import STATION, World, quietly  # noqa: E402

DAY = "2026-09-08"
BATCH_ROWS = 100000
POSTS_A_SCHOOL = 5
LOAD_PER_S = 1000
LOAD_DEVICES = 20
LOAD_SHARE = 0.9  # of the messages must have come
KINDS = ("leave", "training")
FIRST_ROW, LAST_ROW = "load-1000", f"load-{BATCH_ROWS - 1}"
STALLED_S = 1.0
OTHER_MACHINE = 10  # niceness of what would be another machine


def write_csv(folder, name, columns, rows):
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(columns)
        out.writerows(rows)


def school(number):
    return f"S{number // POSTS_A_SCHOOL}"


def post(number):
    return f"{school(number)}-{number}"


def write_county(folder, panics):
    """As many posts as panics, an officer on each, a leader and a senior officer for all schools."""
    folder.mkdir()
    ids = range(panics)
    schools = range(max(panics, LOAD_DEVICES) // POSTS_A_SCHOOL + 1)
    scope = STATION
    write_csv(folder, "org", ["id", "scope", "kind", "name", "short", "area_code", "parent_id",
                              "public_phone"], [[scope, "*", "station", "城东派出所", "城东所", "0482", "", ""]])
    write_csv(folder, "school", ["scope", "code", "name", "short", "kind", "township", "station_id"],
              [[scope, f"S{i}", f"突泉县第{i}小学", f"第{i}小学", "primary", "突泉镇", scope]
               for i in schools])
    write_csv(folder, "post", ["id", "scope", "school_id", "name", "short", "kind", "need", "active"],
              [[post(i), scope, school(i), f"{i}号岗", f"{i}号岗", "gate", 1, 1] for i in ids])
    people = [[f"P{i}", scope, "police", f"民警{i}", scope, school(i), 0, f"+86100001{i:05d}", "zh-CN", 1]
              for i in ids]
    people += [["L", scope, "police", "王建国", scope, "", 0, "+8610000299001", "zh-CN", 1],
               ["G", scope, "police", "陈国栋", scope, "", 1, "+8610000299002", "zh-CN", 1]]
    write_csv(folder, "person", ["id", "scope", "kind", "name", "station_id", "school_id", "senior",
                                 "phone", "lang", "active"], people)
    write_csv(folder, "duty_lead", ["scope", "org_id", "date", "from_min", "to_min", "person_id",
                                    "level"], [[scope, scope, DAY, "00:00", "1440", "L", 2]])
    write_csv(folder, "sponsor", ["scope", "senior_id", "school_id", "min_visits_week", "valid_from",
                                  "valid_to"],
              [[scope, "G", f"S{i}", 2, "2026-09-01", "2027-01-15"] for i in schools])
    write_csv(folder, "shift", ["scope", "post_id", "date", "peak", "start_at", "end_at", "need",
                                "state"],
              [[scope, post(i), DAY, "am", f"{DAY} 07:20", f"{DAY} 23:10", 1, "published"]
               for i in ids])
    write_csv(folder, "assignment", ["scope", "shift_id", "person_id", "role", "state"],
              [[scope, f"{post(i)}.{DAY}.am", f"P{i}", 1, "on_post"] for i in ids])
    write_csv(folder, "device", ["id", "scope", "school_id", "post_id", "product", "kind", "name"],
              [[f"SOS{i}", scope, school(i), post(i), "touyan", "sos", ""] for i in ids] +
              [[f"TEL{i}", scope, school(i), "", "touyan", "sensor", ""] for i in range(LOAD_DEVICES)])


def write_batch(path, turn):
    """100,000 rows that differ from the last turn's in one column."""
    with open(path / "avail.csv", "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["id", "scope", "person_id", "weekday", "peak", "kind", "valid_from", "valid_to"])
        out.writerows([f"load-{i}", STATION, f"P{i % LOAD_DEVICES}", i % 7 + 1, "am",
                       KINDS[turn % 2], "2026-09-01", "2027-01-15"] for i in range(BATCH_ROWS))


def load_messages(port, per_s):
    """Runs as a process of its own: telemetry of LOAD_DEVICES devices until it is killed."""
    gates = [Mqtt(port, f"TEL{i}", f"TEL{i}", World.device_password(f"TEL{i}"))
             for i in range(LOAD_DEVICES)]
    number, began = 0, time.monotonic()
    while True:
        while number < (time.monotonic() - began) * per_s:
            gate = number % LOAD_DEVICES
            gates[gate].publish(f"sc/{STATION}/{school(gate)}/E/TEL{gate}/evt", {
                "id": f"1-{number}", "ts": int(time.time() * 1000), "k": "door", "c": "open",
                "note": "x" * 90}, wait=False)
            number += 1
        for gate in gates:
            gate.drain()
        time.sleep(0.005)


def load_rows(folder, county, bin_dir):
    """Runs as a process of its own, for ever: the next batch is imported as soon as the station has
    all of the last one."""
    batch = county / "batch"
    batch.mkdir(exist_ok=True)
    replica = Replica(folder / "replica.db")
    station = UnixHttp(folder / "touyan.sock")
    for turn in range(1 << 30):
        write_batch(batch, turn)
        quietly(bin_dir / "touyan-county", "import", "--db", county / "county.db",
                batch / "avail.csv")
        station.request("POST", "/v1/sync/now")  # it may be waiting: the county was locked
        station.getresponse().read()
        wait_for("the station to have the batch",
                 lambda: replica.value("SELECT kind FROM avail WHERE id = ?", LAST_ROW) ==
                 KINDS[turn % 2], 300)


class Replica:
    """The station's database, read beside it."""

    def __init__(self, path):
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)

    def row(self, sql, *args):
        return self.db.execute(sql, args).fetchone()

    def value(self, sql, *args):
        row = self.row(sql, *args)
        return row[0] if row else None


class Applying:
    """Whether a batch is being applied right now: its first rows are there, its last are not, and
    the cursor of the feed has moved a moment ago."""

    def __init__(self, replica):
        self.replica, self.cursor, self.moved = replica, None, 0.0

    def look(self):
        kinds = self.replica.db.execute("SELECT kind FROM avail WHERE id IN (?, ?)",
                                        (FIRST_ROW, LAST_ROW)).fetchall()
        cursor = self.replica.db.execute(
            "SELECT k, v FROM sync_state WHERE k LIKE 'cur:%'").fetchall()
        now = time.monotonic()
        if cursor != self.cursor:
            self.cursor, self.moved = cursor, now
        halfway = len(kinds) == 1 or len(set(kinds)) == 2
        return halfway and now - self.moved < STALLED_S


class FirstBytes:
    """Reads the network's book as it grows: when did AT+CMGS begin?"""

    def __init__(self, path):
        self.file = open(path, encoding="utf-8")
        self.begun = ""

    def after(self, at_us, seconds=10):
        """The first AT+CMGS that began at or after at_us."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.begun += self.file.readline()
            if not self.begun.endswith("\n"):  # nothing, or a line that is just being written
                time.sleep(0.001)
                continue
            event, self.begun = json.loads(self.begun), ""
            if event["event"] == "cmgs_first_byte" and event["us"] >= at_us:
                return event["us"]
        raise Failed("the panic never reached the modem")


def modem_free(world, replica):
    """Nothing under way at the modem, nothing waiting for it."""
    stats = world.modem.stats()
    return stats["idle"] and stats["quiet_ms"] > 50 and replica.value(
        "SELECT count(*) FROM outbox_part WHERE state IN ('queued', 'claimed', 'submitted')") == 0


def measure(world, panics, may_press):
    book, replica = FirstBytes(world.modem.book_path), Replica(world.replica_db)
    latencies = []
    for i in range(panics):
        button = Mqtt(world.mqtt_port, f"SOS{i}", f"SOS{i}", world.device_password(f"SOS{i}"))
        wait_for("the modem to be free in the right moment",
                 lambda: modem_free(world, replica) and may_press(), 300)
        at = button.publish(f"sc/{STATION}/{school(i)}/E/SOS{i}/evt",
                            {"id": f"1-{i}", "ts": world.clock.now(), "k": "sos"}, wait=False)
        latencies.append((book.after(at) - at) / 1000)
        button.close()
    return sorted(latencies)


class BenchWorld(World):
    """The county has a disk of its own (memory). Alarms go out once, so that the copies of the first do not keep the modem from the next, and
    the broker does not write a line for each message."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.elsewhere = pathlib.Path(tempfile.mkdtemp(prefix="touyan-county-", dir="/dev/shm"))

    def write_config(self):
        super().write_config()
        with open(self.config_path, "a", encoding="utf-8") as f:
            f.write("duty {\n    panic_min = { 60 }\n    panic_room_min = 60\n}\n")

    def adapt_broker_config(self, text):
        return super().adapt_broker_config(text).replace("log_type all", "log_type error")


def make_world(folder, bin_dir, panics):
    devices = [f"SOS{i}" for i in range(panics)] + [f"TEL{i}" for i in range(LOAD_DEVICES)]
    folder.mkdir(parents=True, exist_ok=True)
    world = BenchWorld(folder, bin_dir, f"{DAY} 08:00", devices=devices, poll="1s", level="warn",
                       data=folder / "data")
    write_county(folder / "data", panics)
    world.county_db = world.elsewhere / "county.db"
    return world


def start(world, panics):
    world.up()
    os.setpriority(os.PRIO_PROCESS, world.county.process.pid, OTHER_MACHINE)
    wait_for("the roster and the devices", lambda: world.replica(
        "SELECT (SELECT count(*) FROM assignment) + (SELECT count(*) FROM device) n")[0]["n"] ==
        panics + len(world.devices), 60)
    time.sleep(1)


class Load:
    def __init__(self, world):
        self.world, self.processes = world, []

    def start(self):
        for words in (("--load-messages", self.world.mqtt_port), ("--load-rows", self.world.folder, self.world.elsewhere)):
            self.processes.append(subprocess.Popen(
                [sys.executable, "-B", __file__, "--build", str(self.world.bin.parent),
                 *map(str, words)], preexec_fn=lambda: os.nice(OTHER_MACHINE)))
        wait_for("the load to arrive", self.is_there, 120)
        self.before, self.began = self.counts(), time.monotonic()

    def is_there(self):
        self.check_alive()
        return self.world.replica("SELECT (SELECT count(*) FROM avail) > 20000 AND"
                                  " (SELECT count(*) FROM device_event) > 1000 ok")[0]["ok"]

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Failed("the load ended by itself")

    def counts(self):
        rows = self.world.api("GET", "/v1/sync")["rows_applied"]
        return rows, self.world.replica("SELECT count(*) n FROM device_event")[0]["n"]

    def check_size(self):
        self.check_alive()
        seconds, (rows, messages) = time.monotonic() - self.began, self.counts()
        rows, messages = rows - self.before[0], messages - self.before[1]
        print(f"alarm_latency: busy: {rows} rows of the county and {messages} messages of the gates "
              f"in {seconds:.0f} s ({messages / seconds:.0f} a second)", file=sys.stderr)
        if rows < BATCH_ROWS or messages < LOAD_SHARE * LOAD_PER_S * seconds:
            raise Failed("the load was too small to count")

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def one_run(folder, bin_dir, panics, busy):
    world = make_world(folder, bin_dir, panics)
    load = Load(world)
    try:
        start(world, panics)
        if busy:
            load.start()
            values = measure(world, panics, Applying(Replica(world.replica_db)).look)
            load.check_size()
        else:
            values = measure(world, panics, lambda: True)
        load.stop()
        world.down()
    except BaseException:
        load.stop()
        world.kill_all()
        raise
    finally:
        shutil.rmtree(world.elsewhere)
    return values


def percentile(values, percent):
    return values[min(len(values) - 1, math.ceil(len(values) * percent / 100) - 1)]


def figure(name, value):
    print(json.dumps({"bench": "alarm_latency", "figure": name, "value": round(value, 2),
                      "unit": "ms"}), flush=True)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--panics", type=int, default=300)
    words.add_argument("--load-messages", type=int)
    words.add_argument("--load-rows", nargs=2, type=pathlib.Path)
    args = words.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"
    if args.load_messages:
        return load_messages(args.load_messages, LOAD_PER_S)
    if args.load_rows:
        return load_rows(*args.load_rows, bin_dir)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-latency-"))
    try:
        for name, busy in (("idle", False), ("busy", True)):
            values = one_run(folder / name, bin_dir, args.panics, busy)
            figure(f"{name}_p50_ms", percentile(values, 50))
            figure(f"{name}_p99_ms", percentile(values, 99))
    except Failed as problem:
        print(f"alarm_latency: {problem}\nalarm_latency: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
