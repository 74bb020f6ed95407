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
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from parts import Failed, Mqtt, wait_for  # noqa: E402
from world import STATION, World, quietly  # noqa: E402

DAY = "2026-09-08"
BATCH_ROWS = 100000
LOAD_PER_S = 1000
LOAD_DEVICES = 20
OTHER_MACHINE = 10  # niceness of what would be another machine


def write_csv(folder, name, columns, rows):
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(columns)
        out.writerows(rows)


def write_county(folder, panics):
    """One school with as many posts as panics, an officer on each, a leader and a senior officer."""
    folder.mkdir()
    ids = range(panics)
    scope = STATION
    write_csv(folder, "org", ["id", "scope", "kind", "name", "short", "area_code", "parent_id",
                              "public_phone"], [[scope, "*", "station", "城东派出所", "城东所", "0482", "", ""]])
    write_csv(folder, "school", ["scope", "code", "name", "short", "kind", "township", "station_id"],
              [[scope, "S17", "突泉县第二实验小学", "第二实验小学", "primary", "突泉镇", scope]])
    write_csv(folder, "post", ["id", "scope", "school_id", "name", "short", "kind", "need", "active"],
              [[f"S17-{i}", scope, "S17", f"{i}号岗", f"{i}号岗", "gate", 1, 1] for i in ids])
    people = [[f"P{i}", scope, "police", f"民警{i}", scope, "S17", 0, f"+86100001{i:05d}", "zh-CN", 1]
              for i in ids]
    people += [["L", scope, "police", "王建国", scope, "", 0, "+8610000299001", "zh-CN", 1],
               ["G", scope, "police", "陈国栋", scope, "", 1, "+8610000299002", "zh-CN", 1]]
    write_csv(folder, "person", ["id", "scope", "kind", "name", "station_id", "school_id", "senior",
                                 "phone", "lang", "active"], people)
    write_csv(folder, "duty_lead", ["scope", "org_id", "date", "from_min", "to_min", "person_id",
                                    "level"], [[scope, scope, DAY, "00:00", "1440", "L", 2]])
    write_csv(folder, "sponsor", ["scope", "senior_id", "school_id", "min_visits_week", "valid_from",
                                  "valid_to"], [[scope, "G", "S17", 2, "2026-09-01", "2027-01-15"]])
    write_csv(folder, "shift", ["scope", "post_id", "date", "peak", "start_at", "end_at", "need",
                                "state"],
              [[scope, f"S17-{i}", DAY, "am", f"{DAY} 07:20", f"{DAY} 23:10", 1, "published"]
               for i in ids])
    write_csv(folder, "assignment", ["scope", "shift_id", "person_id", "role", "state"],
              [[scope, f"S17-{i}.{DAY}.am", f"P{i}", 1, "on_post"] for i in ids])
    write_csv(folder, "device", ["id", "scope", "school_id", "post_id", "product", "kind", "name"],
              [[f"SOS{i}", scope, "S17", f"S17-{i}", "touyan", "sos", ""] for i in ids] +
              [[f"TEL{i}", scope, "S17", "", "touyan", "sensor", ""] for i in range(LOAD_DEVICES)])


def write_batch(path, turn):
    """100,000 rows that differ from the last turn's in one column."""
    with open(path / "avail.csv", "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["id", "scope", "person_id", "weekday", "peak", "kind", "valid_from", "valid_to"])
        kind = "leave" if turn % 2 else "training"
        out.writerows([f"load-{i}", STATION, f"P{i % 300}", i % 7 + 1, "am", kind, "2026-09-01",
                       "2027-01-15"] for i in range(BATCH_ROWS))


def load_messages(port, per_s):
    """Runs as a process of its own: telemetry of LOAD_DEVICES devices until it is killed."""
    gates = [Mqtt(port, f"TEL{i}", f"TEL{i}", World.device_password(f"TEL{i}"))
             for i in range(LOAD_DEVICES)]
    number, began = 0, time.monotonic()
    while time.monotonic() - began < 600:
        while number < (time.monotonic() - began) * per_s:
            gate = number % LOAD_DEVICES
            gates[gate].publish(f"sc/{STATION}/S17/E/TEL{gate}/evt", {
                "id": f"1-{number}", "ts": int(time.time() * 1000), "k": "door", "c": "open",
                "note": "x" * 90}, wait=False)
            number += 1
        for gate in gates:
            gate.drain()
        time.sleep(0.005)


def load_rows(folder, bin_dir, database):
    """Imports changed batches for ever, each when the station has caught up to the last."""
    batch = folder / "batch"
    batch.mkdir(exist_ok=True)
    for turn in range(1000):
        write_batch(batch, turn)
        quietly(bin_dir / "touyan-county", "import", "--db", database, batch / "avail.csv")


class FirstBytes:
    """Reads the network's book as it grows: when did AT+CMGS begin?"""

    def __init__(self, path):
        self.file = open(path, encoding="utf-8")

    def after(self, at_us, seconds=10):
        """The first AT+CMGS that began at or after at_us."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            line = self.file.readline()
            if not line:
                time.sleep(0.001)
                continue
            event = json.loads(line)
            if event["event"] == "cmgs_first_byte" and event["us"] >= at_us:
                return event["us"]
        raise Failed("the panic never reached the modem")


def modem_free(world):
    stats = world.modem.stats()
    state = world.replica("SELECT count(*) n FROM outbox_part WHERE state IN "
                          "('queued', 'claimed', 'submitted')")
    return stats["idle"] and stats["quiet_ms"] > 50 and state[0]["n"] == 0


def measure(world, panics):
    book = FirstBytes(world.modem.book_path)
    latencies = []
    for i in range(panics):
        button = Mqtt(world.mqtt_port, f"SOS{i}", f"SOS{i}", world.device_password(f"SOS{i}"))
        wait_for("the modem to be free", lambda: modem_free(world), 60)
        at = button.publish(f"sc/{STATION}/S17/E/SOS{i}/evt",
                            {"id": f"1-{i}", "ts": world.clock.now(), "k": "sos"}, wait=False)
        latencies.append((book.after(at) - at) / 1000)
        button.close()
    return sorted(latencies)


def percentile(values, percent):
    return values[min(len(values) - 1, math.ceil(len(values) * percent / 100) - 1)]


def bring_up(folder, bin_dir, panics):
    devices = [f"SOS{i}" for i in range(panics)] + [f"TEL{i}" for i in range(LOAD_DEVICES)]
    world = World(folder, bin_dir, f"{DAY} 08:00", devices=devices, poll="1s", level="warn",
                  data=folder / "data")
    folder.mkdir(parents=True, exist_ok=True)
    write_county(folder / "data", panics)
    world.up()
    os.setpriority(os.PRIO_PROCESS, world.county.process.pid, OTHER_MACHINE)
    wait_for("the roster", lambda: world.replica("SELECT count(*) n FROM assignment")[0]["n"] ==
             panics, 60)
    wait_for("the devices", lambda: world.replica("SELECT count(*) n FROM device")[0]["n"] ==
             len(devices), 60)
    time.sleep(1)
    return world


def start_load(world, folder):
    def other(*words):
        return subprocess.Popen([sys.executable, __file__, "--build", str(world.bin.parent), *map(str, words)],
                                preexec_fn=lambda: os.nice(OTHER_MACHINE))
    load = [other("--load-messages", world.mqtt_port),
            other("--load-rows", folder, world.county_db)]
    wait_for("the load to arrive", lambda: world.replica(
        "SELECT (SELECT count(*) FROM avail) > 20000 AND (SELECT count(*) FROM device_event) > 1000 ok"
    )[0]["ok"], 120)
    return load


def one_run(folder, bin_dir, panics, busy):
    world = bring_up(folder, bin_dir, panics)
    load = []
    try:
        if busy:
            load = start_load(world, folder)
            before = world.api("GET", "/v1/sync")["rows_applied"]
            events = world.replica("SELECT count(*) n FROM device_event")[0]["n"]
            began = time.monotonic()
        values = measure(world, panics)
        if busy:
            seconds = time.monotonic() - began
            rows = world.api("GET", "/v1/sync")["rows_applied"] - before
            events = world.replica("SELECT count(*) n FROM device_event")[0]["n"] - events
            print(f"alarm_latency: busy: {rows / seconds:.0f} rows/s applied and "
                  f"{events / seconds:.0f} messages/s meanwhile", file=sys.stderr)
            if rows < BATCH_ROWS or events < LOAD_PER_S / 2 * seconds:
                raise Failed(f"the load was too small to count: {rows} rows, {events} messages in "
                             f"{seconds:.0f} s")
        for process in load:
            process.kill()
            process.wait()
        world.down()
    except BaseException:
        for process in load:
            process.kill()
        world.kill_all()
        raise
    return values


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
        return load_rows(args.load_rows[0], bin_dir, args.load_rows[1])
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
