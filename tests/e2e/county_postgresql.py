#!/usr/bin/env python3
"""The county on PostgreSQL. Stations that speak the protocol push without a pause while

  two       two county processes serve the same database;
  failover  the primary is killed and its synchronous standby becomes the primary.

Several of them write into the same scope, and one reads it with a cursor all the time. Whatever a
station was told is merged must be there at the end, and must have come to the reader: nothing that
commits late may hide behind a cursor that has passed already."""
import argparse
import http.client
import json
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import parts
import postgres

SCOPE = "S0117"
WRITERS = 4


class County(parts.Part):
    def __init__(self, name, folder, bin_dir, url):
        super().__init__(name, folder)
        self.folder, self.bin, self.url, self.port = folder, bin_dir, url, 0

    def words(self, *words):
        return [str(self.bin / "touyan-county"), *words, "--store", self.url, "--seal-key",
                str(self.folder / "seal.key")]

    def call(self, *words):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise parts.Failed(f"{words}: {done.stderr}")
        return done.stdout

    def start(self):
        ready = self.folder / f"{self.name}.port"
        ready.unlink(missing_ok=True)
        self.spawn(self.words("serve", "--listen", "127.0.0.1:0", "--cert",
                              str(self.folder / "cert.pem"), "--key", str(self.folder / "key.pem"),
                              "--ready-file", str(ready)))

    def wait(self):
        ready = self.folder / f"{self.name}.port"
        self.port = int(parts.wait_for(f"{self.name} listens", lambda: ready.exists()
                                       and ready.read_text().strip(), 60))


class Station(threading.Thread):
    """Takes an incarnation, then pushes (or only reads) until it is told to stop."""

    def __init__(self, name, token, counties, writes, context):
        super().__init__(daemon=True)
        self.name, self.token, self.counties, self.context = name, token, counties, context
        self.writes, self.going, self.reads, self.failure = writes, True, True, None
        self.inc, self.tok, self.lseq, self.turn = 0, "", 0, 0
        self.cursor = ["", 0]
        self.acknowledged, self.seen, self.busy = [], set(), 0

    def post(self, body):
        """One attempt; None: try again later."""
        self.turn += 1
        county = self.counties[self.turn % len(self.counties)]
        try:
            link = http.client.HTTPSConnection("127.0.0.1", county.port, timeout=30,
                                               context=self.context)
            link.request("POST", "/v1/sync", json.dumps(body).encode(),
                         {"Authorization": f"Bearer {self.token}",
                          "Content-Type": "application/json"})
            answer = link.getresponse()
            text = answer.read()
            link.close()
        except (OSError, http.client.HTTPException):
            return None
        if answer.status in (500, 503):
            return None
        if answer.status != 200:
            raise parts.Failed(f"{self.name}: {answer.status} {text[:300]}")
        return json.loads(text)

    def sync(self, rows):
        body = {"p": 1, "sv": 1, "station": SCOPE, "inc": self.inc, "tok": self.tok, "acked": 0,
                "fp": f"{self.name}{self.lseq}" if rows else "", "max": 65536,
                "push": [{"t": "checkin", "r": rows}] if rows else [],
                "pull": {SCOPE: self.cursor} if self.reads and self.inc else {}}
        while (reply := self.post(body)) is None:
            self.busy += 1
            time.sleep(0.1)
        self.inc, self.tok = reply["inc"], reply["tok"]
        if reply["lost"] or reply["keep"] or reply["bad"]:
            raise parts.Failed(f"{self.name}: {reply}")
        for part in reply["pull"]:
            self.seen.update(row["id"] for row in part["r"])
        self.cursor = reply["cur"].get(SCOPE, self.cursor)
        return reply

    def new_rows(self):
        rows = []
        for _ in range(10):
            self.lseq += 1
            rows.append({"lseq": self.lseq, "id": f"{self.name}-{self.lseq}", "scope": SCOPE,
                         "kind": "in", "channel": "sms"})
        return rows

    def run(self):
        try:
            self.sync([])
            while self.going:
                rows = self.new_rows() if self.writes else []
                self.sync(rows)
                self.acknowledged += [row["id"] for row in rows]
            while self.sync([])["more"]:
                pass
        except Exception as failure:  # told by whoever joins
            self.failure = failure


class Play:
    def __init__(self, build, folder):
        self.bin, self.folder = pathlib.Path(build) / "bin", folder
        if not (self.bin / "touyan-county").exists():
            self.bin = pathlib.Path(build) / "sync" / "county"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", str(folder / "key.pem"), "-out",
                        str(folder / "cert.pem")], check=True, capture_output=True)
        self.context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        self.context.check_hostname = False
        self.stations = []

    def begin(self, counties):
        for i in range(WRITERS + 1):
            name = f"w{i}" if i < WRITERS else "reader"
            token = counties[0].call("station", "add", name, "--scope", SCOPE).strip()
            self.stations.append(Station(name, token, counties, i < WRITERS, self.context))
        for station in self.stations:
            station.start()

    def acknowledged(self):
        return sum(len(station.acknowledged) for station in self.stations)

    def wait_progress(self, rows, seconds=60):
        goal = self.acknowledged() + rows
        parts.wait_for(f"{rows} more rows", lambda: self.acknowledged() >= goal
                       or any(s.failure for s in self.stations), seconds)

    def end(self, county):
        for station in self.stations[:-1]:
            station.going = False
        for station in self.stations[:-1]:
            station.join(90)
        self.stations[-1].going = False
        self.stations[-1].join(90)
        for station in self.stations:
            if station.failure or station.is_alive():
                raise parts.Failed(f"{station.name}: {station.failure or 'still busy'}")
        wanted = {row for station in self.stations for row in station.acknowledged}
        there = {row["id"] for row in json.loads(county.call("show", "checkins"))}
        if wanted - there:
            raise parts.Failed(f"acknowledged and lost: {sorted(wanted - there)[:10]}")
        missed = there - self.stations[-1].seen
        if missed:
            raise parts.Failed(f"{len(missed)} rows never came to the reader: {sorted(missed)[:10]}")
        print(f"{len(wanted)} rows acknowledged, all there and all read; "
              f"{sum(s.busy for s in self.stations)} times busy", flush=True)


def play_two(play):
    with postgres.Server(durable=False) as server:
        server.sql("CREATE DATABASE touyan")
        url = f"postgresql://touyan@127.0.0.1:{server.port}/touyan"
        counties = [County(name, play.folder, play.bin, url) for name in ("one", "two")]
        try:
            for county in counties:  # both make the tables
                county.start()
            for county in counties:
                county.wait()
            play.begin(counties)
            play.wait_progress(600)
            counties[0].kill()  # the other one goes on, and it comes back
            play.wait_progress(200)
            counties[0].start()
            counties[0].wait()
            play.wait_progress(300)
            play.end(counties[1])
        finally:
            for county in counties:
                county.kill()


def play_failover(play):
    with postgres.Server(durable=False) as first:
        first.sql("CREATE DATABASE touyan")
        with postgres.Server(durable=False, primary=first) as second:
            first.sql("ALTER SYSTEM SET synchronous_standby_names='standby'")
            first.sql("SELECT pg_reload_conf()")
            parts.wait_for("a synchronous standby", lambda: first.sql(
                "SELECT count(*) FROM pg_stat_replication WHERE sync_state='sync'") == "1")
            url = (f"postgresql://touyan@127.0.0.1:{first.port},127.0.0.1:{second.port}/touyan"
                   "?connect_timeout=2")
            county = County("county", play.folder, play.bin, url)
            try:
                county.start()
                county.wait()
                play.begin([county])
                play.wait_progress(500)
                first.stop(signal.SIGQUIT)
                time.sleep(1)
                second.promote()
                play.wait_progress(500)
                play.end(county)
                epochs = second.sql("SELECT count(DISTINCT life) FROM touyan.epoch", "touyan")
                if epochs != "2":
                    raise parts.Failed(f"{epochs} lives of the database, not 2")
            finally:
                county.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("play", choices=["two", "failover"])
    parser.add_argument("--build", required=True)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="touyan-pg-play-") as folder:
        play = Play(words.build, pathlib.Path(folder))
        (play_two if words.play == "two" else play_failover)(play)
    return 0


if __name__ == "__main__":
    sys.exit(main())
