#!/usr/bin/env python3
"""How fast QoS 1 messages become committed rows, and what is lost when the program is killed.

mqtt_ingest.py [PAIRS] [--messages N] [--no-peers] [--build BUILD_DIR]

The subscribers take turns, PAIRS times (5), each with a broker of its own (with the configuration
that the gateway writes) and an empty database in WAL mode with synchronous=FULL:

  station          the gateway's modules: registry, mapping, change marks; the broker's Unix socket
  bare_subscriber  libmosquitto and SQLite with deferred acknowledgements and one commit a batch:
                   the least that a durable subscriber has to do
  mosquitto_sub    piped into sqlite3
  node_acked       MQTT.js and better-sqlite3, a commit and then the acknowledgement, one by one
  node_red         Node-RED with an MQTT input, a function and its SQLite node

A rate is from the start of the publisher to the commit of the last row; of the slow ones over fewer
messages. `cpu_us` is the subscriber's processor time for a message and the figure that other load
on the machine spoils least.

Then the loss: ten seconds of messages at half of the subscriber's own rate, 12,000 a second at
most, while it is killed 15 times (Node-RED, which takes seconds to start, four times). What the
broker says that it dropped itself, because a queue was full, is not the subscriber's loss and
makes the run invalid."""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from parts import Failed, die_with_parent, free_port, wait_for  # noqa: E402

MESSAGES = 50000
SLOW_SHARE = 5  # the slow ones get a fifth
KILL_RATE, KILL_S, KILLS, KILLS_SLOW = 12000, 10, 15, 4
FILTER = "sc/+/+/+/+/evt"
TABLE = """PRAGMA journal_mode=WAL; CREATE TABLE device_event(id TEXT PRIMARY KEY NOT NULL,
scope TEXT, device_id TEXT, kind TEXT, code TEXT, subject TEXT, device_at INTEGER,
heard_at INTEGER, fresh INTEGER, _v INTEGER NOT NULL DEFAULT 0) STRICT"""
PIPELINE = """mosquitto_sub --unix "$1" -i bench-sub -c -q 1 -t '%s' -E
echo ready
(echo 'PRAGMA synchronous=FULL;'; mosquitto_sub --unix "$1" -i bench-sub -c -q 1 -t '%s' -C "$3" \\
-F "INSERT OR IGNORE INTO device_event SELECT substr('%%t', 16, 3) || ':' || (j ->> '\\$.id'),
'S0117', substr('%%t', 16, 3), j ->> '\\$.k', j ->> '\\$.c', NULL, j ->> '\\$.ts',
unixepoch() * 1000, 1, 0 FROM (SELECT '%%p' AS j);") | sqlite3 -bail "$2"
echo done
sleep 1000""" % (FILTER, FILTER)


class Broker:
    """A mosquitto with the gateway's limits; besides its socket a port that asks for no name."""

    def __init__(self, folder, bin_dir):
        self.socket, self.port, self.log = folder / "gw.sock", free_port(), folder / "broker.log"
        (folder / "station.conf").write_text(
            f'station {{ id = "S0117" name = "bench" signature = "bench" }}\n'
            f'replica {{ path = "{folder}/none.db" key_file = "{folder}/none.key" }}\n'
            f'mqtt {{ socket = "{self.socket}" listen = "127.0.0.1" listen_port = {free_port()} }}\n')
        config = subprocess.run([bin_dir / "touyan-gateway", "--config", folder / "station.conf",
                                 "--print-broker-config"], check=True, capture_output=True,
                                text=True).stdout
        (folder / "passwd").touch()
        (folder / "acl").touch()
        for shipped, ours in (("/etc/mosquitto/touyan.passwd", folder / "passwd"),
                              ("/etc/mosquitto/touyan.acl", folder / "acl"),
                              ("/var/lib/mosquitto", folder)):
            config = config.replace(shipped, str(ours))
        config += f"\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n"
        if os.geteuid() == 0:
            config += "user root\n"
        (folder / "mosquitto.conf").write_text(config)
        self.process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", folder / "mosquitto.conf"], stdout=open(self.log, "wb"),
            stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        wait_for(f"the broker ({self.log})", self.socket.exists, 30)

    def dropped(self):
        """Messages that it took and threw away because a queue was full."""
        said = subprocess.run(
            ["mosquitto_sub", "-p", str(self.port), "-C", "1", "-W", "30", "-t",
             "$SYS/broker/publish/messages/dropped"], capture_output=True, text=True, check=False)
        return int(said.stdout or 0)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Subscriber:
    """One of the measured programs. It says "ready" when it is subscribed, "done" at the end."""

    def __init__(self, name, argv, slow=True):
        self.name, self.argv, self.slow = name, argv, slow
        self.process, self.log, self.rss_mb, self.cpu_s = None, None, 0.0, 0.0

    def start(self, broker, database, folder, count):
        self.log = folder / f"{self.name}.{time.monotonic_ns()}.log"
        words = {"socket": broker.socket, "port": broker.port, "database": database,
                 "count": count, "folder": folder / "node-red"}
        argv = [str(word).format(**words) for word in self.argv]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True,
                                            env={**os.environ, "NODE_ENV": "production"},
                                            preexec_fn=die_with_parent)

    def says(self, word):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended: see {self.log}")
        return word in self.log.read_text(errors="replace").split()

    def wait(self, word, seconds):
        while not self.says(word):
            time.sleep(0.005)
            seconds -= 0.005
            if seconds < 0:
                raise Failed(f"{self.name} does not say {word}: see {self.log}")

    def kill(self):
        """As a power cut. Its processor time in seconds, with that of its children."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        used = sum(cpu_of(pid) for pid in members(self.process.pid))
        os.killpg(self.process.pid, signal.SIGKILL)
        usage = os.wait4(self.process.pid, 0)[2]
        self.process.returncode = -9
        self.rss_mb = max(self.rss_mb, usage.ru_maxrss * 1024 / 1e6)
        return used


def members(group):
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    yield int(entry.name)
            except ProcessLookupError:
                pass


def cpu_of(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def count_rows(database):
    """By a program that is none of the measured ones."""
    out = subprocess.run(["sqlite3", "-cmd", ".timeout 20000", database,
                          "SELECT count(*) FROM device_event WHERE kind = 'door' AND device_at > 0"],
                         check=True, capture_output=True, text=True).stdout
    return int(out)


class Bench:
    def __init__(self, build, folder, messages):
        self.build, self.folder, self.messages, self.runs = build, folder, messages, 0

    def open(self, subscriber):
        self.runs += 1
        folder = self.folder / f"{self.runs}-{subscriber.name}"
        folder.mkdir()
        broker = Broker(folder, self.build / "bin")
        database = folder / "rows.db"
        if subscriber.name not in ("station", "bare_subscriber"):  # those make it themselves
            subprocess.run(["sqlite3", database, TABLE], check=True, capture_output=True)
        return folder, broker, database

    def publish(self, broker, count, rate):
        return subprocess.Popen([self.build / "bench" / "bench_mqtt_publish", broker.socket,
                                 str(count), str(rate)], preexec_fn=die_with_parent)

    def speed(self, subscriber):
        """Messages a second, and the microseconds of processor that one costs."""
        count = self.messages // (SLOW_SHARE if subscriber.slow else 1)
        folder, broker, database = self.open(subscriber)
        subscriber.start(broker, database, folder, count)
        subscriber.wait("ready", 180)
        time.sleep(1)
        before = sum(cpu_of(pid) for pid in members(subscriber.process.pid))
        started = time.monotonic()
        publisher = self.publish(broker, count, 0)
        subscriber.wait("done", 600)
        seconds = time.monotonic() - started
        if publisher.wait() != 0:
            raise Failed("the publisher failed")
        used = subscriber.kill() - before
        if count_rows(database) != count:
            raise Failed(f"{subscriber.name}: not all rows arrived")
        broker.stop()
        shutil.rmtree(folder)
        return count / seconds, used * 1e6 / count

    def loss(self, subscriber, speed):
        """Messages that the broker acknowledged to the publisher and that are no row."""
        rate = int(min(KILL_RATE, speed / 2))
        kills = KILLS_SLOW if subscriber.name == "node_red" else KILLS
        count, rnd = rate * KILL_S, random.Random(2026)
        folder, broker, database = self.open(subscriber)
        subscriber.start(broker, database, folder, count)
        subscriber.wait("ready", 180)
        time.sleep(1)
        publisher = self.publish(broker, count, rate)
        for _ in range(kills):
            if kills == KILLS:
                time.sleep(rnd.uniform(0.25, 0.85))
            else:
                subscriber.wait("ready", 180)
                time.sleep(rnd.uniform(0.5, 1.5))
            subscriber.kill()
            subscriber.start(broker, database, folder, count)
        if publisher.wait() != 0:
            raise Failed("the publisher failed")
        subscriber.wait("ready", 180)
        rows, quiet = count_rows(database), 0
        while rows < count and quiet < 10:  # lost is what does not come any more
            time.sleep(2)
            now = count_rows(database)
            rows, quiet = now, 0 if now > rows else quiet + 1
        subscriber.kill()
        dropped = broker.dropped()
        if dropped > 0:
            raise Failed(f"the broker dropped {dropped} messages itself: this machine is too busy")
        broker.stop()
        shutil.rmtree(folder)
        return count - rows


def install_peers(build):
    """The folder with their modules below the build folder; None: they cannot be had."""
    home = build.parent / "mqtt_peers"
    if not shutil.which("node") or not shutil.which("npm"):
        return None
    home.mkdir(exist_ok=True)
    for path in (HERE / "mqtt_peers").iterdir():
        shutil.copy(path, home)
    if (home / "installed").exists():
        return home
    print("mqtt_ingest: npm builds SQLite twice for the peers: minutes, once", file=sys.stderr)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=home, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        print(f"mqtt_ingest: npm ci: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return None
    (home / "installed").touch()
    return home


def subscribers(build, peers):
    ours = [Subscriber(name, [build / "bench" / program, "{socket}", "{database}", "{count}"], False)
            for name, program in (("station", "bench_mqtt_station"),
                                  ("bare_subscriber", "bench_mqtt_bare"))]
    ours.append(Subscriber("mosquitto_sub", ["/bin/sh", "-c", PIPELINE, "sh", "{socket}",
                                             "{database}", "{count}"]))
    if peers is not None:
        ours.append(Subscriber("node_acked", ["node", peers / "acked.js", "{port}", "{database}",
                                              "{count}"]))
        ours.append(Subscriber("node_red", ["node", peers / "nodered.js", "{port}", "{database}",
                                            "{count}", "{folder}"]))
    return ours


def figure(name, value, unit, **more):
    print(json.dumps({"bench": "mqtt_ingest", "figure": name, "value": value, "unit": unit,
                      **more}), flush=True)


def report(all_of, speeds, costs, lost):
    median = {name: statistics.median(values) for name, values in speeds.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    for peer in all_of[1:]:
        ratios = [ours / theirs for ours, theirs in zip(speeds["station"], speeds[peer.name])]
        figure("msgs_per_s", round(median["station"]), "1/s", against=peer.name,
               peer=round(median[peer.name]), ratio=round(statistics.median(ratios), 3))
    for peer in all_of[1:]:
        figure("cpu_us", round(cost["station"], 1), "us", against=peer.name,
               peer=round(cost[peer.name], 1), ratio=round(cost[peer.name] / cost["station"], 2))
    for peer in all_of[1:]:
        if peer.name != "mosquitto_sub":  # its size is that of two programs
            figure("rss_mb", round(all_of[0].rss_mb, 1), "MB", against=peer.name,
                   peer=round(peer.rss_mb, 1), ratio=round(peer.rss_mb / all_of[0].rss_mb, 2))
    ours = lost.pop("station")
    figure("lost_on_kill", ours, "messages")
    for name, theirs in lost.items():
        figure("lost_on_kill", ours, "messages", against=name, peer=theirs)


def run(bench, all_of, pairs):
    speeds, costs = {one.name: [] for one in all_of}, {one.name: [] for one in all_of}
    for pair in range(pairs):
        said = []
        for one in all_of:
            speed, cost = bench.speed(one)
            speeds[one.name].append(speed)
            costs[one.name].append(cost)
            said.append(f"{one.name} {speed:.0f}/s ({cost:.1f} us)")
        print(f"mqtt_ingest: {pair + 1} of {pairs}: {', '.join(said)}", file=sys.stderr)
    lost = {}
    for one in all_of:
        if one.name in ("station", "node_acked", "node_red"):
            lost[one.name] = bench.loss(one, statistics.median(speeds[one.name]))
            print(f"mqtt_ingest: {one.name} lost {lost[one.name]}", file=sys.stderr)
    report(all_of, speeds, costs, lost)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("pairs", type=int, nargs="?", default=5)
    words.add_argument("--messages", type=int, default=MESSAGES)
    words.add_argument("--no-peers", action="store_true")
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    args = words.parse_args()
    build = pathlib.Path(args.build).resolve()
    peers = None if args.no_peers else install_peers(build)
    if peers is None:
        print("mqtt_ingest: Node-RED and MQTT.js are not compared with", file=sys.stderr)
    print(f"mqtt_ingest: load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
          file=sys.stderr)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-ingest-"))
    try:
        run(Bench(build, folder, args.messages), subscribers(build, peers), args.pairs)
    except Failed as problem:
        print(f"mqtt_ingest: {problem}\nmqtt_ingest: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
