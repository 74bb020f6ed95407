#!/usr/bin/env python3
"""A station without a line for 35 days, in fast time: it works on, says how old the county's word is,
forgets nothing, and when the line is back both ends are the same within a minute.

outage.py --build BUILD_DIR [--days N]
"""

import argparse
import pathlib
import shutil
import sys
import tempfile
import time

from account import same_rows
from parts import Failed, date_of, wait_for
from world import STATION, World

DAY_MS = 86400000
START = "2026-09-08 06:00"
DEVICE, SCHOOL, GATE = "SOS1701", "S17", "E"
EVENTS_A_DAY = 3
REST_S = 60
RESTART_DAY = 20  # the gateway is killed and started, with the line still down


class Outage:
    def __init__(self, world, days):
        self.world, self.days = world, days
        self.sent, self.problems = [], []
        self.start = world.clock.now()
        self.gate = None

    def check(self, ok, what):
        if not ok:
            self.problems.append(what)

    def events(self, day):
        for number in range(EVENTS_A_DAY):
            key = f"{day + 1}-{number + 1}"
            self.gate.publish(f"sc/{STATION}/{SCHOOL}/{GATE}/{DEVICE}/evt", {
                "id": key, "ts": self.world.clock.now(), "k": "door", "c": "open"})
            self.sent.append(f"{DEVICE}:{key}")
        wait_for(f"the events of day {day + 1}", lambda: self.world.replica(
            "SELECT count(*) n FROM device_event WHERE id = ?", self.sent[-1])[0]["n"])

    def day(self, day):
        """The clock goes on in jumps, as for a machine that sleeps: nothing waits for the county."""
        self.events(day)
        self.world.clock.set(self.start + (day + 1) * DAY_MS)
        self.world.settle(60)
        if day + 1 == RESTART_DAY:
            self.world.kill_gateway()
            self.world.start_gateway()

    def status_says_it(self):
        sync = self.world.api("GET", "/v1/sync")
        age = sync["age_ms"] / DAY_MS
        self.check(sync["link"] == "down", f"the link is {sync['link']}")
        self.check(abs(age - self.days) < 0.5, f"the last progress is {age:.1f} days old")
        self.check(not sync["caught_up"], "it says that it is caught up")
        self.check(sync["pending"] >= len(self.sent), f"only {sync['pending']} marks are unsent")
        first = self.world.touyan("sync", "status").splitlines()[0]
        self.check(f"{self.days} 天前" in first and date_of(self.start)[5:] in first,
                   f"`touyan sync status` begins with {first!r}")
        line = [l for l in self.world.touyan("status").splitlines() if "最近同步" in l]
        self.check(line and f"{self.days} 天前" in line[0], f"`touyan status` says {line}")
        county = [f for f in self.world.api("GET", "/v1/check")["findings"] if f["code"] == "county"]
        for path in ("/v1/devices", "/v1/roster"):
            as_of = self.world.api("GET", path)["as_of"]
            self.check(as_of == sync["as_of"], f"{path} is as of {as_of}, not {sync['as_of']}")
        self.check(county and county[0]["level"] > 0 and abs(county[0]["since"] - self.start) < DAY_MS,
                   f"the check says {county}")

    def come_back(self):
        world = self.world
        settled = world.replica("SELECT count(*) n FROM sync_out WHERE st = 2")[0]["n"]
        self.check(settled > 0, "marks that were settled before are forgotten while the line is down")
        began = time.monotonic()
        world.link.restore()
        world.api("POST", "/v1/sync/now", {})
        wait_for("everything to be at the county", lambda: world.api("GET", "/v1/sync")["caught_up"],
                 REST_S)
        took = time.monotonic() - began
        wait_for("all to be quiet", lambda: world.quiet()[0], REST_S)
        sync = world.api("GET", "/v1/sync")
        there = {r["id"] for r in world.county_rows("SELECT id FROM device_event")}
        missing = [key for key in self.sent if key not in there]
        self.check(not missing, f"{len(missing)} events are not at the county: {missing[:3]}")
        for what in ("quarantined", "lost_open", "conflicts", "reincarnations"):
            self.check(sync[what] == 0, f"{what}: {sync[what]}")
        self.check(sync["age_ms"] < 60000, f"the last progress is {sync['age_ms']} ms old")
        self.problems += same_rows(world)
        return took

    def run(self):
        world = self.world
        world.up()
        wait_for("the roster", lambda: world.replica("SELECT count(*) n FROM assignment")[0]["n"] > 40,
                 60)
        world.settle(60)
        wait_for("all to be said", lambda: world.api("GET", "/v1/sync")["caught_up"], 30)
        self.gate = world.device(DEVICE, SCHOOL, GATE, will=False)
        self.events(-1)
        world.touyan("ledger", "add", SCHOOL, "东门路灯坏了", "李娜")  # events leave no mark
        wait_for("it to be said", lambda: world.api("GET", "/v1/sync")["caught_up"] and
                 world.replica("SELECT count(*) n FROM sync_out WHERE st = 2")[0]["n"], 30)
        self.sent.clear()
        world.link.cut()
        self.start = world.clock.now()
        for day in range(self.days):
            self.day(day)
        self.status_says_it()
        took = self.come_back()
        print(f"outage: {self.days} days, {len(self.sent)} events; the same again after {took:.1f} s; "
              f"{len(self.problems)} problems")


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, required=True)
    words.add_argument("--days", type=int, default=35)
    args = words.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-outage-"))
    world = World(folder, args.build.resolve() / "bin", START, devices=[DEVICE])
    outage = Outage(world, args.days)
    try:
        outage.run()
        world.down()
    except Failed as problem:
        outage.problems.append(str(problem))
    finally:
        world.kill_all()
    for problem in outage.problems:
        print(f"outage: {problem}", file=sys.stderr)
    if outage.problems:
        print(f"outage: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
