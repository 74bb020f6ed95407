#!/usr/bin/env python3
"""PostgreSQL's primary is killed while real stations write without a pause; its standby becomes the
primary, and the county goes on with it. The stations are the sync module on its own database, over
TLS; or, with --gateways, whole gateways that were enrolled, in whose ledgers people write.

  synchronous   the standby has all that was ever answered: nothing has to come back.
  asynchronous  the standby lacks the last of it: the stations give back what the county lost.

At the end every table is the same at both ends, whatever was answered is there, nobody lost to
anybody and nothing lies in quarantine.

county_failover.py synchronous|asynchronous [--gateways] --build BUILD_DIR
"""
import argparse
import json
import pathlib
import shutil
import signal
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "sim"))
import ends  # noqa: E402
from parts import Failed, judge, rows, wait_for  # noqa: E402
from sync_real import CALM_S, STATIONS, Run, broken_word, end_all  # noqa: E402
import postgres  # noqa: E402

LEDGERS = {"S0117": ("S13", "王建国"), "S0118": ("S20", "赵勇")}
MORNING = "2026-09-08 07:05"


class Straight:
    """The line between them: nothing wrong with it."""
    host, write_s = "localhost", (0.0, 0.01)

    def __init__(self, run):
        self.run = run

    def near(self, argv):
        return argv

    far = near

    def port(self, _name, _seed):
        return self.run.county_port

    def begin(self):
        pass

    def calm(self):
        return 0

    close = begin


class Syncs(Run):
    """sync_real's stations, which write check-ins and change shifts."""
    written, more = "checkin", 60

    def __init__(self, folder, build, url):
        super().__init__(folder, build, 1, Straight,
                         ["--store", url, "--seal-key", folder / "county.db.key"])

    def account_of(self, server, station):
        there, states = (dict(line.split("|") for line in server.sql(sql, "touyan").splitlines())
                         for sql in (f"SELECT id,scope FROM touyan_0.checkin WHERE scope='{station.name_}'",
                                     "SELECT id,state FROM touyan_0.shift"))
        return differences(server, station) + broken_word(station, set(there), states)


class Gateway(threading.Thread):
    """A whole station, and somebody who writes into its ledger."""

    def __init__(self, folder, office, name):
        super().__init__(daemon=True)
        self.name_, self.station = name, ends.Station(folder / name, office, name, start=None)
        self.db, self.asked, self.acked, self.states = self.station.db, set(), set(), {}
        self.over, self.problem = False, None

    def status(self):
        return self.station.api("/v1/sync")

    def run(self):
        school, leader = LEDGERS[self.name_]
        try:
            while not self.over:
                title = f"{self.name_}-{len(self.asked)}"
                self.asked.add(title)
                self.station.touyan("ledger", "add", school, title, leader)
                self.acked.add(title)
        except Exception as problem:  # told by the run
            self.problem = repr(problem)


class Gateways:
    """What a county runs: touyan-county with its own authority, and gateways that it has enrolled."""
    written, more = "issue", 15

    def __init__(self, folder, build, url):
        self.folder, self.bin, self.url = folder, pathlib.Path(build).resolve() / "bin", url
        self.office, self.stations = None, []

    @property
    def county(self):
        return self.office.part

    def up(self):
        self.office = ends.County(self.folder / "county", self.bin, MORNING, url=self.url)
        self.office.start()
        for name in STATIONS:
            self.stations.append(Gateway(self.folder, self.office, name))
            # phones are compared, too
            shutil.copy(self.office.folder / "seal.key", self.stations[-1].station.folder)
            self.stations[-1].station.start()
            self.stations[-1].station.enrol()

    def calm_down(self):
        for gateway in self.stations:
            gateway.station.touyan("sync", "now")
            wait_for(f"{gateway.name_} to come to rest ({gateway.status()})",
                     lambda g=gateway: g.station.is_up() and not g.status()["pending"], CALM_S)

    def account_of(self, server, station):
        there = set(server.sql(f"SELECT title FROM touyan_0.issue WHERE scope='{station.name_}'",
                               "touyan").splitlines())
        return differences(server, station) + broken_word(station, there, {})

    def down(self):
        for gateway in self.stations:
            gateway.station.part.stop()
        self.office.part.stop()

    def kill_all(self):
        for gateway in self.stations:
            gateway.station.close()
        if self.office is not None:
            self.office.close()


def write_on(play, server):
    """Until some more rows of each station are at the county."""
    def there(station):
        return number(server, f"SELECT count(*) FROM touyan_0.{play.written} WHERE "
                      f"scope='{station.name_}'")
    goal = {s.name_: there(s) + play.more for s in play.stations}
    for station in play.stations:
        def enough(s=station):
            if s.problem or not play.county.alive():
                raise Failed(s.problem or play.county.log_text()[-2000:])
            return there(s) >= goal[s.name_]
        wait_for(f"{play.more} more rows of {station.name_}", enough, CALM_S)


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


def differences(server, station):
    return [f"{name}: {len(ours - theirs)} rows are only at the station, {len(theirs - ours)} only "
            f"at the county: {sorted(map(str, ours ^ theirs))[:2]}"
            for name, ours, theirs in tables_of(server, station) if ours != theirs]


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
    write_on(play, first)
    if not synchronous:
        fall_behind(first, second)
        write_on(play, first)
    written = f"SELECT count(*) FROM touyan.{play.written}"
    lost = number(first, written)
    first.stop(signal.SIGQUIT)
    time.sleep(1)
    lost -= number(second, written)
    second.promote()
    write_on(play, second)
    end_all(play.stations)
    play.calm_down()
    problems = [f"{s.name_}: {p}" for s in play.stations for p in play.account_of(second, s)]
    lives = number(second, "SELECT count(DISTINCT life) FROM touyan.epoch")
    given = number(second, "SELECT count(*) FROM touyan.giveback")
    fights = number(second, "SELECT count(*) FROM touyan.conflict")
    print(f"failover: {sum(len(s.acked) for s in play.stations)} rows answered, "
          f"{sum(len(s.states) for s in play.stations)} shifts changed; the standby lacked {lost} rows "
          f"of them, {given} rows were given back; {fights} conflicts", flush=True)
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
    words.add_argument("--gateways", action="store_true")
    words.add_argument("--build", required=True)
    args = words.parse_args()

    def act(folder):
        with postgres.Server(durable=False) as first:
            first.sql("CREATE DATABASE touyan")
            with postgres.Server(durable=False, primary=first) as second:
                if args.standby == "synchronous":
                    be_synchronous(first)
                play = (Gateways if args.gateways else Syncs)(
                    folder, args.build, f"postgresql://touyan@127.0.0.1:{first.port},"
                    f"127.0.0.1:{second.port}/touyan?connect_timeout=2")
                try:
                    problems = run(play, first, second, args.standby == "synchronous")
                    play.down()
                    return problems
                finally:
                    play.kill_all()

    return judge("failover", act)


if __name__ == "__main__":
    sys.exit(main())
