#!/usr/bin/env python3
"""PostgreSQL's primary is killed while real stations (the sync module on its own database, over TLS)
write without a pause; its standby becomes the primary, and the county goes on with it.

  synchronous   the standby has all that was ever answered: nothing has to come back.
  asynchronous  the standby lacks the last of it: the stations give back what the county lost.

At the end every table is the same at both ends, whatever was answered is there, nobody lost to
anybody and nothing lies in quarantine.

county_failover.py synchronous|asynchronous --build BUILD_DIR
"""
import argparse
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "sim"))
from parts import DATA, Failed, Part, free_port, rows, wait_for  # noqa: E402
from sync_real import STATIONS, Station  # noqa: E402
from world import World, quietly  # noqa: E402
import postgres  # noqa: E402

WRITTEN = 60  # rows of each station in each part of the play
CALM_S = 90


class Straight:
    """The line between them: nothing wrong with it."""
    host, write_s = "localhost", (0.0, 0.01)

    def __init__(self, port):
        self.county_port = port

    def near(self, argv):
        return argv

    def port(self, _name, _seed):
        return self.county_port


class Play:
    """What sync_real's stations want to know of a run, and the county."""

    def __init__(self, build, folder, url):
        self.build, self.folder, self.disk = pathlib.Path(build).resolve(), folder, {}
        self.bin = self.build / "bin"
        self.store = ["--store", url, "--seal-key", folder / "county.db.key"]
        self.county, self.county_port = Part("county", folder), free_port()
        self.line, self.stations = Straight(self.county_port), []

    def tool(self, *words):
        return quietly(self.bin / "touyan-county", *words, *self.store)

    def up(self):
        World.make_certificate(self)
        self.tool("import", DATA / "county", DATA / "holiday-cn" / "2026.json")
        for name in STATIONS:
            self.tool("station", "add", name, "--scope", name, "--token-file",
                      self.folder / f"{name}.token")
        self.county.spawn([self.bin / "touyan-county", "serve", *self.store, "--listen",
                           f"127.0.0.1:{self.county_port}", "--cert", self.folder / "county.crt",
                           "--key", self.folder / "county.key"])
        wait_for("the county", World.port_open(self.county_port), 60)
        for number, name in enumerate(STATIONS):
            self.stations.append(Station(self, name, number))
            self.stations[-1].begin()
        for station in self.stations:
            wait_for(f"{station.name_} to be filled", lambda s=station: s.status()["caught_up"], 60)
            station.shifts = [r["id"] for r in rows(
                station.db, "SELECT id FROM shift WHERE scope = ?", station.name_)]

    def write_on(self, server, count=WRITTEN):
        """Until so many more check-ins of each station are at the county."""
        goal = {s.name_: self.count(server, s.name_) + count for s in self.stations}
        for station in self.stations:
            def there(s=station):
                if s.problem or not self.county.alive():
                    raise Failed(s.problem or self.county.log_text()[-2000:])
                return self.count(server, s.name_) >= goal[s.name_]
            wait_for(f"{count} more rows of {station.name_}", there, CALM_S)

    @staticmethod
    def count(server, name):
        return int(server.sql(f"SELECT count(*) FROM touyan_0.checkin WHERE scope='{name}'", "touyan"))

    def rest(self):
        for station in self.stations:
            station.over = True
        for station in self.stations:
            station.join(60)
            if station.problem or station.is_alive():
                raise Failed(f"{station.name_}: {station.problem or 'it hangs'}")
        for station in self.stations:
            station.process.say("now")
            wait_for(f"{station.name_} to come to rest ({station.status()})", station.at_rest, CALM_S)

    def stop(self):
        for station in self.stations:
            station.process.stop()
        self.county.stop()

    def kill(self):
        for station in self.stations:
            if station.process is not None:
                station.process.kill()
        self.county.kill()


def tables_of(server, station):
    """(table, the station's rows, the county's)."""
    names = rows(station.db, "SELECT DISTINCT m.name FROM sqlite_master m, "
                 "pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = '_v'")
    for name in (n["name"] for n in names):
        columns = [c["name"] for c in rows(station.db, "SELECT name FROM pragma_table_info(?)", name)
                   if c["name"] not in ("_v", "_g")]
        where = f"WHERE scope IN ('{station.name_}', '*')"
        listed = ", ".join(f'"{c}"' for c in columns)
        alive = server.sql("SELECT count(*) FROM information_schema.columns WHERE table_schema="
                           f"'touyan' AND table_name='{name}' AND column_name='_del'", "touyan")
        theirs = server.sql(f"SELECT json_build_array({listed}) FROM touyan_0.\"{name}\" {where}"
                            f"{' AND _del = 0' if alive == '1' else ''}", "touyan")
        yield (name, {tuple(r.values()) for r in rows(station.db, f"SELECT {listed} FROM {name} {where}")},
               {tuple(json.loads(line)) for line in theirs.splitlines()})


def account_of(server, station):
    problems = [f"{name}: {len(ours - theirs)} rows are only at the station, {len(theirs - ours)} only "
                f"at the county: {sorted(map(str, ours ^ theirs))[:2]}"
                for name, ours, theirs in tables_of(server, station) if ours != theirs]
    name = station.name_
    there = set(server.sql(f"SELECT id FROM touyan_0.checkin WHERE scope='{name}'",
                           "touyan").splitlines())
    problems += [f"{key} was answered and is not there" for key in station.acked - there]
    problems += [f"{key} was never asked for" for key in there - station.asked]
    states = dict(line.split("|") for line in server.sql(
        "SELECT id,state FROM touyan_0.shift", "touyan").splitlines())
    problems += [f"shift {key} is {states[key]!r}, not one of {may}"
                 for key, may in station.states.items() if states[key] not in may]
    status = station.status()
    problems += [f"{what}: {status[what]}" for what in ("quarantined", "lost_open") if status[what]]
    return [f"{name}: {problem}" for problem in problems]


def number(server, sql):
    return int(server.sql(sql, "touyan"))


def be_synchronous(first):
    first.sql("ALTER SYSTEM SET synchronous_standby_names='standby'")
    first.sql("SELECT pg_reload_conf()")
    wait_for("a synchronous standby", lambda: first.sql(
        "SELECT count(*) FROM pg_stat_replication WHERE sync_state='sync'") == "1")


def fall_behind(first, second):
    """The standby hears nothing any more."""
    second.sql("ALTER SYSTEM SET primary_conninfo=''")
    second.sql("SELECT pg_reload_conf()")
    wait_for("the standby to be cut off", lambda: first.sql(
        "SELECT count(*) FROM pg_stat_replication") == "0")


def run(play, first, second, synchronous):
    play.up()
    for station in play.stations:
        station.start()
    play.write_on(first)
    if not synchronous:
        fall_behind(first, second)
        play.write_on(first)
    lost = number(first, "SELECT count(*) FROM touyan.checkin")
    first.stop(signal.SIGQUIT)
    time.sleep(1)
    lost -= number(second, "SELECT count(*) FROM touyan.checkin")
    second.promote()
    play.write_on(second)
    play.rest()
    problems = [p for station in play.stations for p in account_of(second, station)]
    lives = number(second, "SELECT count(DISTINCT life) FROM touyan.epoch")
    given = number(second, "SELECT count(*) FROM touyan.giveback")
    fights = number(second, "SELECT count(*) FROM touyan.conflict")
    print(f"failover: {sum(len(s.acked) for s in play.stations)} check-ins answered, "
          f"{sum(len(s.states) for s in play.stations)} shifts changed; the standby lacked {lost} rows "
          f"of check-ins, {given} rows were given back; {fights} conflicts", flush=True)
    if lives < 2:
        problems.append("the county did not see that its database is another one")
    if fights:
        problems.append(f"{fights} conflicts, and nobody writes what another writes")
    if (lost > 0 or given > 0) == synchronous or given < lost:
        problems.append(f"{lost} rows lost, {given} given back")
    return problems


def main():
    words = argparse.ArgumentParser()
    words.add_argument("standby", choices=["synchronous", "asynchronous"])
    words.add_argument("--build", required=True)
    args = words.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-failover-"))
    with postgres.Server(durable=False) as first:
        first.sql("CREATE DATABASE touyan")
        with postgres.Server(durable=False, primary=first) as second:
            if args.standby == "synchronous":
                be_synchronous(first)
            play = Play(args.build, folder,
                        f"postgresql://touyan@127.0.0.1:{first.port},127.0.0.1:{second.port}/touyan"
                        "?connect_timeout=2")
            try:
                problems = run(play, first, second, args.standby == "synchronous")
                play.stop()
            except Failed as problem:
                problems = [str(problem)]
            finally:
                play.kill()
    for problem in problems[:40]:
        print(f"failover: {problem}", file=sys.stderr)
    if problems:
        print(f"failover: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
