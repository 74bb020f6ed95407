#!/usr/bin/env python3
"""Real processes over a bad link: stations (the sync module on its own database, over TLS) and a
real county with a fault proxy between them; either end is killed with SIGKILL at random moments.

Stations write check-ins and change the states of their shifts, each answered when it is committed;
the county's import changes persons and makes and deletes rows. Connections are cut, reset, stalled
and lose replies all the time. At the end the faults stop, and then every table must be the same at
both ends, whatever was answered must be there, nobody may have lost to anybody, and no database may
have been taken for a copy of another.

sync_real.py --build BUILD_DIR [--kills N] [--seed S] [--line faults|bad|dying]

What happens comes from the seed; when the machine runs it does not. The line is the fault proxy; or
a bad one of 40 kbit/s, 250 to 300 ms each way and 5 % loss, to the end, that is dead at times; or the
same, that lives 20 s of each two minutes.
"""

import argparse
import collections
import csv
import json
import os
import pathlib
import queue
import random
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for part in ("e2e", "lib"):
    sys.path.insert(0, str(ROOT / "tests" / part))
from account import books, differences  # noqa: E402
from badlink import BadLink  # noqa: E402
from parts import DATA, Failed, Part, die_with_parent, free_port, judge, rows, wait_for  # noqa: E402
from world import World, quietly  # noqa: E402

STATIONS = ("S0117", "S0118")
KILLS = {"station": 5, "county": 3, "both": 1, "line": 1}
AWAY_S = 0.4
DISK_US = 3000
ALIVE_S, DEAD_S = 20, 100
CALM_S = 90
STATES = ("published", "running", "covered", "done")


class Talker:
    """A process that is asked by lines and answers with lines."""

    def __init__(self, name, folder, argv, env=None):
        self.name = name
        self.log = open(folder / f"{name}.log", "ab")
        self.process = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env=dict(os.environ, **(env or {})), start_new_session=True, preexec_fn=die_with_parent)
        self.answers = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.hello = self.answer(30)

    def read(self):
        for line in self.process.stdout:
            self.answers.put(line.decode().strip())
        self.answers.put(None)

    def answer(self, seconds=20):
        """The next line; None: the process is gone."""
        try:
            line = self.answers.get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"{self.name} says nothing for {seconds} s")
        if line is None:
            self.answers.put(None)
        return line

    def say(self, words):
        try:
            self.process.stdin.write(f"{words}\n".encode())
            self.process.stdin.flush()
        except OSError:
            pass

    def ask(self, words, seconds=20):
        self.say(words)
        return self.answer(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.stdin.close()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not stop")
        if code != 0:
            raise Failed(f"{self.name} ended with {code}")


class Faults:
    """Each station has a fault proxy before the county."""
    pause_s, write_s, import_s = 0.9, (0.002, 0.06), (0.3, 1.5)
    host = "localhost"

    def __init__(self, run):
        self.run, self.proxies = run, []

    def near(self, argv):
        return argv

    far = near

    def port(self, name, seed):
        self.proxies.append(Talker(f"proxy-{name}", self.run.folder, [
            ROOT / "tests" / "lib" / "faultproxy.py", "--to", self.run.county_port, "--seed", seed,
            "--calm"]))
        return json.loads(self.proxies[-1].hello)["port"]

    def begin(self):
        for proxy in self.proxies:
            proxy.ask("faults")

    def trouble(self, seconds):
        proxy = self.run.rnd.choice(self.proxies)
        proxy.ask(self.run.rnd.choice(("cut", "refuse")))
        time.sleep(seconds)
        proxy.ask("restore")

    def calm(self):
        """How often it was broken."""
        return sum(json.loads(proxy.ask("calm"))["struck"] for proxy in self.proxies)

    def close(self):
        for proxy in self.proxies:
            proxy.kill()


class Bad:
    """All stations are at one end of a bad line, the county at the other."""
    pause_s, write_s, import_s = 4, (0.02, 0.2), (4, 8)

    def __init__(self, run):
        self.link = BadLink(run.seed)
        self.link.good()
        self.run, self.host = run, self.link.far_address
        self.near, self.far = self.link.near, self.link.far

    def port(self, _name, _seed):
        return self.link.near_port(self.run.county_port)

    def begin(self):
        self.link.bad()

    def trouble(self, seconds):
        self.link.say("down")
        time.sleep(3 * seconds)
        self.link.say("up")

    def calm(self):
        return sum(shaper.ask()[way][what] for shaper in self.link.shapers
                   for way in ("there", "back") for what in ("lost", "dropped"))

    def close(self):
        self.link.close()


class Dying(Bad):
    pause_s, write_s, import_s = 24, (0.2, 1), (8, 16)

    def __init__(self, run):
        super().__init__(run)
        self.over = threading.Event()
        self.life = threading.Thread(target=self.live, daemon=True)

    def begin(self):
        self.link.bad()
        self.life.start()

    def live(self):
        while not self.over.wait(ALIVE_S):
            self.link.say("down")
            self.over.wait(DEAD_S)
            self.link.say("up")

    def trouble(self, seconds):
        time.sleep(seconds)  # it has enough

    def calm(self):
        self.over.set()
        self.life.join()
        return super().calm()


LINES = {"faults": Faults, "bad": Bad, "dying": Dying}


class Station(threading.Thread):
    """Writes all the time; a lock lets the killer in between a question and its answer only."""

    def __init__(self, run, name, seed):
        super().__init__(daemon=True)
        self.run_, self.name_, self.rnd = run, name, random.Random(seed)
        self.port = run.line.port(name, seed)
        self.db = run.folder / f"{name}.db"
        self.acked, self.asked = set(), set()
        self.states = collections.defaultdict(list)  # shift -> what it may be in
        self.shifts, self.number, self.over, self.problem = [], 0, False, None
        self.life = threading.Lock()
        self.process = None

    def begin(self):
        run = self.run_
        self.process = Talker(self.name_, run.folder, run.line.near([
            run.build / "tests" / "syncstation", "--db", self.db, "--url",
            f"https://{run.line.host}:{self.port}", "--ca", run.folder / "county.crt", "--token",
            run.folder / f"{self.name_}.token", "--station", self.name_, "--key",
            run.folder / "county.db.key", "--poll", 300, "--backoff", 100, "--backoff-max", 1500]),
            run.disk)
        if self.process.hello != "ready":
            raise Failed(f"{self.name_} does not start: see {run.folder / self.name_}.log")

    def strike(self, away):
        self.process.kill()
        with self.life:
            time.sleep(away)
            self.begin()

    def status(self):
        return json.loads(self.process.ask("status"))

    def write(self):
        if self.shifts and self.rnd.random() < 0.4:
            key, state = self.rnd.choice(self.shifts), self.rnd.choice(STATES)
            self.states[key].append(state)
            if self.process.ask(f"shift {key} {state}") == f"ok {key}":
                self.states[key] = [state]
            return
        self.number += 1
        key = f"{self.name_}-{self.number}"
        self.asked.add(key)
        if self.process.ask(f"event {key}") == f"ok {key}":
            self.acked.add(key)

    def run(self):
        try:
            while not self.over:
                with self.life:
                    self.write()
                time.sleep(self.rnd.uniform(*self.run_.line.write_s))
        except Exception as problem:  # told by the run
            self.problem = repr(problem)

    def at_rest(self):
        """Everything is said, and a whole request more has brought nothing."""
        before = self.status()
        if before["pending"] or before["lost_open"]:
            return False
        self.process.say("now")
        after = wait_for("requests", lambda: time.sleep(0.1) or (
            s := self.status())["requests"] > before["requests"] + 1 and s, CALM_S)
        return all(after[what] == before[what] for what in ("rows_applied", "failures"))


class County(threading.Thread):
    """What people do at the county: imports that change, add and delete."""

    def __init__(self, run, seed):
        super().__init__(daemon=True)
        self.run_, self.rnd, self.over, self.problem = run, random.Random(seed), False, None
        self.imports = 0
        self.persons = list(csv.DictReader(open(DATA / "county" / "person.csv", encoding="utf-8")))
        self.avail = list(csv.DictReader(open(DATA / "county" / "avail.csv", encoding="utf-8")))

    def table(self, name, records):
        path = self.run_.folder / "import" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, records[0].keys())
            writer.writeheader()
            writer.writerows(records)
        return path

    def once(self):
        self.imports += 1
        for person in self.rnd.sample(self.persons, 5):
            person["name"] = f"王{self.imports}"
        self.run_.county_tool("import", self.table("person", self.persons))
        some = self.rnd.sample(self.avail, self.rnd.randrange(len(self.avail) // 2, len(self.avail)))
        self.run_.county_tool("import", "--delete-missing", self.table("avail", some))

    def run(self):
        try:
            while not self.over:
                self.once()
                time.sleep(self.rnd.uniform(*self.run_.line.import_s))
        except Exception as problem:
            self.problem = repr(problem)


def end_all(actors):
    """What they are at they finish."""
    for actor in actors:
        actor.over = True
    for actor in actors:
        actor.join(60)
        if actor.problem or actor.is_alive():
            raise Failed(f"an actor failed: {actor.problem or 'it hangs'}")


def broken_word(station, there, states):
    """Whatever was answered is there: `there` are the county's check-ins, `states` its shifts."""
    problems = [f"{key} was answered and is not there" for key in station.acked - there]
    problems += [f"{key} was never asked for" for key in there - station.asked]
    problems += [f"shift {key} is {states[key]!r}, not one of {may}"
                 for key, may in station.states.items() if states[key] not in may]
    status = station.status()
    return problems + [f"{what}: {status[what]}" for what in ("quarantined", "lost_open") if status[what]]


class Run:
    """store: where the county keeps it, as words of its command line; None: a file."""

    def __init__(self, folder, build, seed, line, store=None):
        self.folder, self.seed = folder, seed
        self.build = pathlib.Path(build).resolve()
        self.bin = self.build / "bin"
        self.rnd = random.Random(seed)
        self.count, self.disk = collections.Counter(), {}
        self.county, self.county_port = Part("county", folder), free_port()
        self.store = store or ["--db", folder / "county.db"]
        self.stations, self.people = [], None
        self.line = line(self)

    def county_tool(self, *words):
        return quietly(self.bin / "touyan-county", *words, *self.store)

    def start_county(self):
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        address = "127.0.0.1" if self.line.host == "localhost" else self.line.host
        self.county.spawn(self.line.far([
            self.bin / "touyan-county", "serve", *self.store, "--listen", f"{address}:{self.county_port}", "--cert", self.folder / "county.crt", "--key",
            self.folder / "county.key", "--ready-file", ready]), self.disk)
        wait_for("the county", ready.exists, 60)

    def up(self, disk_us=0):
        host = self.line.host
        World.make_certificate(self, f"{'DNS' if host == 'localhost' else 'IP'}:{host}")
        self.county_tool("import", DATA / "county", DATA / "holiday-cn" / "2026.json")
        for name in STATIONS:
            self.county_tool("station", "add", name, "--scope", name, "--token-file",
                             self.folder / f"{name}.token")
        if disk_us > 0:
            World.slow_disk(self, disk_us)
        self.start_county()
        for number, name in enumerate(STATIONS):
            self.stations.append(Station(self, name, self.seed * 100 + number))
            self.stations[-1].begin()
        for station in self.stations:
            wait_for(f"{station.name_} to be filled", lambda s=station: s.status()["caught_up"], 60)
            station.shifts = [r["id"] for r in rows(
                station.db, "SELECT id FROM shift WHERE scope = ?", station.name_)]
        self.line.begin()

    def hit(self, what, away):
        if what in ("county", "both"):
            if not self.county.alive():
                raise Failed(f"the county ended by itself: {self.county.log_text()[-2000:]}")
            self.county.kill()
        if what in ("station", "both"):
            self.rnd.choice(self.stations).strike(away)
        elif what == "line":
            self.line.trouble(away * 3)
        else:
            time.sleep(away)
        if what in ("county", "both"):
            self.start_county()

    def traffic(self, kills):
        self.people = County(self, self.seed)
        actors = self.stations + [self.people]
        for actor in actors:
            actor.start()
        for _ in range(kills):
            time.sleep(self.rnd.uniform(0, self.line.pause_s))
            what = self.rnd.choices(list(KILLS), list(KILLS.values()))[0]
            self.hit(what, self.rnd.uniform(0, AWAY_S))
            self.count[what] += 1
        end_all(actors)

    def calm_down(self):
        self.count["struck"] = self.line.calm()
        for station in self.stations:
            station.process.say("now")
        began = time.monotonic()
        for station in self.stations:
            wait_for(f"{station.name_} to come to rest ({station.status()})", station.at_rest, CALM_S)
        return time.monotonic() - began

    # --- the account ---

    def account_of(self, station, kills):
        which = (station.db, self.folder / "county.db", station.name_)
        count = sum(len(ours) for _, ours, _ in books(*which))
        problems = differences(*which)
        there = {r["id"] for r in rows(self.folder / "county.db",
                                       "SELECT id FROM checkin WHERE scope = ?", station.name_)}
        states = {r["id"]: r["state"] for r in rows(self.folder / "county.db",
                                                    "SELECT id, state FROM shift")}
        problems += broken_word(station, there, states)
        if station.status()["reincarnations"]:
            problems.append("it was taken for a copy")
        if count < 100 or len(station.acked) < 3 * kills:
            problems.append(f"too little traffic ({count} rows, {len(station.acked)} answered): "
                            "this run proves nothing")
        return [f"{station.name_}: {problem}" for problem in problems]

    def account(self, took, kills):
        problems = [p for station in self.stations for p in self.account_of(station, kills)]
        lost = rows(self.folder / "county.db", "SELECT count(*) n FROM conflict")[0]["n"]
        if lost:
            problems.append(f"{lost} conflicts, and nobody writes what another writes")
        acked = sum(len(s.acked) for s in self.stations)
        if self.count["struck"] < kills // 2:
            problems.append("the links were hardly ever broken: this run proves nothing")
        print(f"sync_real: {type(self.line).__name__} line, seed {self.seed}, kills {dict(self.count)}; "
              f"{acked} check-ins answered, {sum(len(s.states) for s in self.stations)} shifts changed, "
              f"{self.people.imports} imports; at rest after {took:.1f} s; {len(problems)} problems")
        return problems

    def down(self):
        for station in self.stations:
            station.process.stop()
        self.county.stop()

    def kill_all(self):
        for station in self.stations:
            if station.process is not None:
                station.process.kill()
        self.county.kill()
        self.line.close()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--kills", "--seeds", type=int, default=30)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--line", choices=LINES, default="faults")
    args = words.parse_args()

    def play(folder):
        run = Run(folder, args.build, args.seed, LINES[args.line])
        try:
            run.up(DISK_US)
            run.traffic(args.kills)
            problems = run.account(run.calm_down(), args.kills)
            run.down()
            return problems
        finally:
            run.kill_all()

    return judge("sync_real", play)


if __name__ == "__main__":
    sys.exit(main())
