#!/usr/bin/env python3
"""SIGKILL at random moments: gateway, modem worker, the modem itself (its pty goes, and comes back with
the same SIM), broker, county, gateway and broker at once, and the modem's plug.

Gates report events and press SOS all the time and repeat each until the station acknowledges it;
parents ask by SMS, officers raise alarms by SMS, go where they are called and close the alarm. At
the end everything that was acknowledged must be there exactly once at the station and at the
county, every message that the network accepted must be in the station's book exactly once, every
alarm must have been taken, and the gateway must have been up again within ten seconds each time.

The kills come from --seed: what, when, and how long it stays away. Most of them wait for something
to happen (the network takes a message, a text leaves the SIM, a gate is acknowledged, rows go to
the county) and strike just after it, where the windows are; for the same reason the disk is slow.

kill_anywhere.py --build BUILD_DIR [--kills N] [--seed S]
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import exact  # noqa: E402
from account import same_rows  # noqa: E402
from demo import table  # noqa: E402
from parts import Failed, judge, wait_for  # noqa: E402
from traffic import Gate, Officers, Parents  # noqa: E402
from world import World  # noqa: E402

GATES = [("SOS1701", "S17", "E"), ("SOS1702", "S17", "N"), ("SOS1401", "S14", "M")]
OFFICERS = ["阿拉坦其木格", "周芳"]
# what is struck: its share of the kills, and what they wait for
STATION = [None, "accepted", "inbound_taken", "event", "event"]
TARGETS = {
    "gateway": (6, STATION),
    "power": (2, STATION),
    "worker": (4, [None, "accepted", "inbound_taken"]),
    "plug": (2, [None, "accepted"]),
    "modem": (4, [None, "accepted", "inbound_taken"]),
    "broker": (2, [None, "event"]),
    "county": (3, [None, "sync"]),
}
BREAKS_SENDING = ("gateway", "worker", "plug", "modem", "power")
AFTER_S = [0, 0.003, 0.03]
TRIGGER_WAIT_S = 1.0
PAUSE_S = 1.0
AWAY_S = 0.3
UP_AGAIN_S = 10
DISK_US = 20000     # the longest usual sync
NETWORK_MS = 40     # between a message that the network took and its answer
SETTLE_S = 150
START = "2026-09-09 10:00"
STEP_MS = 60000
END_STEPS = 40


class Killer:
    def __init__(self, world, gates, seed, kills):
        self.world, self.gates, self.struck = world, gates, 0
        rnd = random.Random(seed)
        self.plan = [self.draw(rnd) for _ in range(kills)]
        self.count = collections.Counter(which for which, *_ in self.plan)
        self.slowest = 0.0

    @staticmethod
    def draw(rnd):
        which = rnd.choices(list(TARGETS), [share for share, _ in TARGETS.values()])[0]
        trigger = rnd.choice(TARGETS[which][1])
        pause, away = rnd.uniform(0, PAUSE_S), rnd.uniform(0, AWAY_S)
        return which, trigger, pause, rnd.choice(AFTER_S) * rnd.random(), away

    def breaks(self):
        """How often the sending of a message may have been interrupted."""
        return sum(self.count[which] for which in BREAKS_SENDING)

    def workers(self):
        """The modem workers: children of the gateway."""
        pid = self.world.gateway.process.pid
        try:
            text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return [int(child) for child in text.split()]

    def start_gateway(self):
        began = time.monotonic()
        self.world.start_gateway()
        self.slowest = max(self.slowest, time.monotonic() - began)

    @staticmethod
    def kill(part):
        if not part.alive():
            raise Failed(f"{part.name} ended by itself: {part.log_text()[-2000:]}")
        part.kill()

    def gateway(self, away):
        self.kill(self.world.gateway)
        time.sleep(away)
        self.start_gateway()

    def worker(self, _away):
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def broker(self, away):
        self.kill(self.world.broker)
        time.sleep(away)
        self.world.start_broker()

    def county(self, away):
        self.kill(self.world.county)
        time.sleep(away)
        self.world.start_county(fill=False)

    def plug(self, away):
        self.world.modem.unplug()
        time.sleep(away)
        self.world.modem.plug()

    def modem(self, away):
        self.kill(self.world.modem)
        time.sleep(away)
        self.world.modem.start()

    def power(self, away):
        self.kill(self.world.gateway)
        self.kill(self.world.broker)
        time.sleep(away)
        self.world.start_broker()
        self.start_gateway()

    def counter(self, trigger):
        if trigger == "sync":
            return self.world.link.bytes_up
        if trigger == "event":
            return sum(len(gate.acked) for gate in self.gates)
        return self.world.modem.stats()[trigger]

    def await_trigger(self, trigger):
        before, end = self.counter(trigger), time.monotonic() + TRIGGER_WAIT_S
        while self.counter(trigger) == before and time.monotonic() < end:
            time.sleep(0.0005)

    def run(self):
        for which, trigger, pause, after, away in self.plan:
            time.sleep(pause)
            if trigger is not None:
                self.await_trigger(trigger)
            time.sleep(after)
            getattr(self, which)(away)
            self.struck += 1


def at_rest(world):
    """Everything that can move without time passing has moved."""
    stats = world.modem.stats()
    return (world.quiet()[0] and stats["plugged"] and stats["inbound_waiting"] == 0 and
            stats["inbound_stored"] == 0 and
            world.api("GET", "/v1/status")["modems"][0]["state"] == "ready")


def finish(world, officers):
    """What waits for its next try gets it: minutes pass, one by one, until nothing is open."""
    open_parts = ("SELECT count(*) n FROM outbox_part WHERE state IN ('queued', 'claimed',"
                  " 'submitted')")
    world.modem.command(cmd="network", delay_ms=0)
    open_alarms = "SELECT count(*) n FROM alarm WHERE state <> 'resolved'"
    for _ in range(END_STEPS):
        wait_for("everything to be at rest", lambda: at_rest(world), SETTLE_S)
        time.sleep(0.3)  # officers read their messages
        wait_for("everything to be at rest", lambda: at_rest(world), SETTLE_S)
        if not world.replica(open_parts)[0]["n"] and not world.replica(open_alarms)[0]["n"]:
            break
        world.clock.set(world.clock.now() + STEP_MS)
    officers.end()
    world.api("POST", "/v1/sync/now", {})
    wait_for("all rows to be at the county", lambda: world.api("GET", "/v1/sync")["pending"] == 0,
             SETTLE_S)
    wait_for("everything to be at rest", lambda: at_rest(world), SETTLE_S)


def account(world, killer, gates, parents, args):
    sent = exact.Sent(world)
    problems = (exact.events(world, gates) + exact.received(world) + exact.alarms(world) +
                sent.against_network() + sent.policy(killer.breaks()) + sent.reports() +
                sent.answers(parents.asked) + exact.databases(world) + exact.sound(world) +
                same_rows(world))
    if killer.slowest > UP_AGAIN_S:
        problems.append(f"the gateway took {killer.slowest:.1f} s to come up again")
    acked = sum(len(g.acked) for g in gates)
    raised = world.replica("SELECT count(*) n FROM alarm")[0]["n"]
    print(f"kill_anywhere: seed {args.seed}, {args.kills} kills {dict(killer.count)}; "
          f"{acked} events acknowledged, {raised} alarms, {len(parents.asked)} questions; messages "
          f"{dict(sent.states)}; slowest start {killer.slowest:.2f} s; {len(problems)} problems")
    if acked < args.kills or len(parents.asked) < args.kills // 2 or raised < args.kills // 20 + 1:
        problems.append("too little traffic: this run proves nothing")
    return problems


def run(world, args):
    world.slow_disk(DISK_US)
    world.up()
    wait_for("the roster from the county",
             lambda: world.replica("SELECT count(*) n FROM assignment")[0]["n"] > 40, 60)
    world.settle(60)
    world.modem.command(cmd="network", delay_ms=NETWORK_MS)
    gates = [Gate(world, args.seed, *g) for g in GATES]
    parents = Parents(world, args.seed)
    phones = {p["name"]: p["phone"] for p in table("person")}
    officers = Officers(world, args.seed, phones, OFFICERS)
    for actor in gates + [parents, officers]:
        actor.start()
    killer = Killer(world, gates, args.seed, args.kills)
    killer.run()
    time.sleep(1)
    officers.quiet = True
    for actor in gates + [parents]:
        actor.end()
    finish(world, officers)
    return account(world, killer, gates, parents, args)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--kills", "--seeds", type=int, default=20)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--make", default="", help="of the modem: quectel, simcom, huawei (driver at)")
    args = words.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"

    def play(folder):
        world = World(folder, bin_dir, START, devices=[g[0] for g in GATES], make=args.make)
        try:
            problems = run(world, args)
            world.down()
            return problems
        finally:
            world.kill_all()

    return judge("kill_anywhere", play)


if __name__ == "__main__":
    sys.exit(main())
