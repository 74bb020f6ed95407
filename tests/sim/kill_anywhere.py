#!/usr/bin/env python3
"""SIGKILL at random moments: gateway, modem worker, broker, county, and the modem's plug.

Gates report events all the time and repeat each until the station acknowledges it; people write
SMS all the time and get answers. At the end everything that was acknowledged must be there exactly
once, at the station and at the county, and every message that the network accepted must be in the
station's book exactly once.

kill_anywhere.py --build BUILD_DIR [--kills N] [--seed S]
"""

import argparse
import collections
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from account import same_rows  # noqa: E402
from parts import Failed, wait_for  # noqa: E402
from world import STATION, World  # noqa: E402

GATES = [("SOS1701", "S17", "E"), ("SOS1702", "S17", "N"), ("SOS1401", "S14", "M")]
PAUSE_S = 0.6           # between kills, at most twice this
ACK_WAIT_S = 1.5
SETTLE_S = 90


class Gate(threading.Thread):
    """Publishes numbered events and repeats each until `.../cmd {"ack": id}` came."""

    def __init__(self, world, device, school, gate):
        super().__init__(daemon=True)
        self.world, self.device, self.school, self.gate = world, device, school, gate
        self.acked, self.ending, self.connection = [], False, None

    def topic(self, leaf):
        return f"sc/{STATION}/{self.school}/{self.gate}/{self.device}/{leaf}"

    def connect(self):
        self.connection = self.world.device(self.device, self.school, self.gate, will=False)
        self.connection.subscribe(self.topic("cmd"))

    def tell(self, event_id):
        """One try; True when the station has acknowledged."""
        self.connection.publish(self.topic("evt"), {"id": event_id, "ts": self.world.clock.now(),
                                                    "k": "door", "c": "open"})
        end = time.monotonic() + ACK_WAIT_S
        while time.monotonic() < end:
            _, answer = self.connection.wait_message(ACK_WAIT_S)
            if json.loads(answer).get("ack") == event_id:
                return True
        return False

    def run(self):
        number = 0
        while not self.ending:
            number += 1
            event_id = f"1-{number}"
            while not self.ending:
                try:
                    if self.connection is None:
                        self.connect()
                    if self.tell(event_id):
                        self.acked.append(event_id)
                        break
                except (OSError, Failed, IndexError, ValueError):
                    self.connection = None
                    time.sleep(0.05)
            time.sleep(0.02)


class People(threading.Thread):
    """Parents ask when school lets out, each from a number of their own."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.asked, self.ending, self.lock = world, [], False, threading.Lock()

    def run(self):
        while not self.ending:
            number = f"+86100000{20000 + len(self.asked):05d}"
            with self.lock:
                try:
                    self.world.modem.inbound(number, "放学S17")
                    self.asked.append(number)
                except (OSError, Failed):
                    pass
            time.sleep(0.25)


class Killer:
    def __init__(self, world, people, seed):
        self.world, self.people, self.random = world, people, random.Random(seed)
        self.count = collections.Counter()

    def workers(self):
        """The modem workers: children of the gateway."""
        pid = self.world.gateway.process.pid
        try:
            text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return [int(child) for child in text.split()]

    def gateway(self):
        self.world.kill_gateway()
        time.sleep(self.random.uniform(0, 0.3))
        self.world.start_gateway()

    def worker(self):
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def broker(self):
        self.world.broker.kill()
        time.sleep(self.random.uniform(0, 0.3))
        self.world.start_broker()

    def county(self):
        self.world.county.kill()
        time.sleep(self.random.uniform(0, 0.3))
        self.world.start_county(fill=False)

    def plug(self):
        with self.people.lock:
            self.world.modem.unplug()
            time.sleep(self.random.uniform(0, 0.3))
            self.world.modem.plug()

    def once(self):
        time.sleep(self.random.uniform(0, 2 * PAUSE_S))
        which = self.random.choices(["gateway", "worker", "broker", "county", "plug"],
                                    [5, 3, 2, 2, 2])[0]
        self.count[which] += 1
        getattr(self, which)()


def check_events(world, gates):
    problems = []
    for gate in gates:
        for where, table in (("station", world.replica), ("county", world.county_rows)):
            stored = collections.Counter(
                row["id"] for row in table("SELECT id FROM device_event WHERE device_id=?", gate.device))
            lost = [e for e in gate.acked if stored[f"{gate.device}:{e}"] != 1]
            if lost:
                problems.append(f"{gate.device}: {len(lost)} acknowledged events are not at the "
                                f"{where}: {lost[:5]}")
    return problems


def check_messages(world, asked):
    """Each question in the inbox once; each answer at the network at most once, and accounted."""
    problems = []
    inbox = world.api("GET", "/v1/sms?dir=in&limit=100000")["sms"]
    if len(inbox) != len(asked):
        problems.append(f"{len(asked)} questions were sent, {len(inbox)} are in the inbox")
    accepted = collections.Counter(m["to"] for m in world.modem.messages())
    doubled = [number for number, n in accepted.items() if n > 1]
    if doubled:
        problems.append(f"{len(doubled)} people got an answer twice")
    out = world.api("GET", "/v1/sms?dir=out&limit=100000")["sms"]
    states = collections.Counter(row["state"] for row in out)
    if len(out) != len(asked):
        problems.append(f"{len(asked)} questions, {len(out)} answers in the book")
    sure = states["sent"] + states["delivered"]
    unsure = states["unknown"]
    if not sure <= sum(accepted.values()) <= sure + unsure:
        problems.append(f"the network accepted {sum(accepted.values())}, the book says {dict(states)}")
    return problems, states


def run(world, args):
    world.up()
    wait_for("the roster from the county",
             lambda: world.replica("SELECT count(*) n FROM assignment")[0]["n"] > 40, 60)
    world.settle(60)
    gates = [Gate(world, *g) for g in GATES]
    people = People(world)
    before = len(world.modem.messages())
    for thread in gates + [people]:
        thread.start()
    killer = Killer(world, people, args.seed)
    for _ in range(args.kills):
        killer.once()
    time.sleep(2)
    for thread in gates + [people]:
        thread.ending = True
        thread.join(10)
    world.api("POST", "/v1/sync/now", {})
    wait_for("all messages to be at rest and all rows at the county",
             lambda: world.quiet()[0] and world.modem.stats()["inbound_waiting"] == 0 and
             world.api("GET", "/v1/sync")["pending"] == 0, SETTLE_S)
    if before:
        raise Failed("the station sent messages before anybody asked")
    problems = check_events(world, gates) + same_rows(world)
    more, states = check_messages(world, people.asked)
    problems += more
    acked = sum(len(g.acked) for g in gates)
    print(f"kill_anywhere: seed {args.seed}, {args.kills} kills {dict(killer.count)}; {acked} events "
          f"acknowledged, {len(people.asked)} questions, answers {dict(states)}; "
          f"{len(problems)} problems")
    if acked < args.kills or len(people.asked) < args.kills // 4:
        problems.append("too little traffic: this run proves nothing")
    return problems


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--kills", "--seeds", type=int, default=20)
    words.add_argument("--seed", type=int, default=1)
    args = words.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-kill-"))
    world = World(folder, bin_dir, "2026-09-12 10:00",
                  devices=[g[0] for g in GATES])
    try:
        problems = run(world, args)
        world.down()
    except Failed as problem:
        problems = [str(problem)]
        world.kill_all()
    for problem in problems:
        print(f"kill_anywhere: {problem}", file=sys.stderr)
    if problems:
        print(f"kill_anywhere: logs in {folder}", file=sys.stderr)
        return 1
    import shutil
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
