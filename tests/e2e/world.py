"""A police station with its gates, its modem and its county, all of them real programs.

world = World(folder, bin_dir, start="2026-09-07 15:00"); world.up(); ... ; world.down()
"""

import argparse
import heapq
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time

from parts import (DATA, Clock, Failed, Link, Modem, Mqtt, Part, UnixHttp, free_port, ms_of, rows,
                   wait_for)

STATION = "S0117"

CONFIG = """station {{
    id = "{station}"
    name = "城东派出所"
    signature = "突泉护学"
    area_code = "0482"
}}
replica {{
    path = "{folder}/replica.db"
    backup_dir = "{folder}/backup"
    key_file = "{folder}/seal.key"
}}
modem "gsm0" {{
    device = "{tty}"
    fast_sleeps = true
    driver = {driver}
    per_hour = {per_hour}
    per_day = {per_day}
}}
duty {{
    recipient_day = {recipient_day}
}}
mqtt {{
    socket = "{folder}/broker.sock"
    listen = "127.0.0.1"
    listen_port = {mqtt_port}
}}
{sync}
http {{
    socket = "{folder}/touyan.sock"
    group = ""
}}
log {{
    level = "{level}"
}}
"""

SYNC = """sync {{
    url = "https://localhost:{port}"
    ca_pin = "{pin}"
    identity = "{folder}/county.pem"
    poll_s = "{poll}"
}}
"""


def quietly(*argv, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Failed(f"{argv[0]} {argv[1] if len(argv) > 1 else ''}: {done.stdout}{done.stderr}")
    return done.stdout


class World:
    def __init__(self, folder, bin_dir, start, county=True, poll="2s", level="info", devices=(),
                 data=DATA / "county", make="", per_hour=0):
        self.folder, self.bin = folder, bin_dir
        folder.mkdir(parents=True, exist_ok=True)
        self.per_hour = per_hour  # what the SIM may send; 0: as much as it can, to anybody
        self.poll, self.level, self.devices, self.data = poll, level, devices, data
        self.clock = Clock(folder / "clock", ms_of(*start.split(" ")))
        self.modem = Modem(folder, bin_dir, self.clock, make=make)  # a known make: driver "at"
        self.broker = Part("broker", folder)
        self.gateway = Part("gateway", folder)
        self.county = Part("county", folder) if county else None
        self.disk = {}  # environment of the programs that have a database: see slow_disk
        self.link = None
        self.mqtt_port = free_port()
        self.county_db = folder / "county.db"
        self.replica_db = folder / "replica.db"
        self.config_path = folder / "touyan.conf"
        self.connections = []
        self.watchers = []  # called with nothing in every round of fast time
        self.agenda = []    # what people and devices will do: (wall ms, order, function)

    # --- bringing it up and down ---

    def up(self):
        self.write_config()
        if self.county:
            self.start_county()
        self.start_broker()
        self.modem.start()
        self.start_gateway()
        if self.county:
            self.enrol()

    def enrol(self):
        """As an installer does: the county gives a one-time code, the station gets its certificate."""
        code = self.county_tool("station", "add", STATION, "--code", "--clock", self.clock.path)
        self.touyan("enrol", code.split()[-1])

    def write_config(self):
        sync = ""
        if self.county:
            self.county_port = free_port()
            self.link = Link(self.county_port)
            pin = self.county_tool("ca", "init", "--host", "localhost").split()[1]
            sync = SYNC.format(port=self.link.port, folder=self.folder, poll=self.poll, pin=pin)
        self.config_path.write_text(CONFIG.format(
            station=STATION, folder=self.folder, tty=self.modem.tty, mqtt_port=self.mqtt_port,
            sync=sync, level=self.level, driver="at" if self.modem.make else "gammu",
            per_hour=self.per_hour, per_day=800 if self.per_hour else 0,
            recipient_day=30 if self.per_hour else 0))
        (self.folder / "backup").mkdir(exist_ok=True)

    def county_tool(self, *words):
        return quietly(self.bin / "touyan-county", *words, *self.store_words())

    def store_words(self):
        return ["--db", self.county_db]

    def make_certificate(self, names="DNS:localhost"):
        quietly("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                f"subjectAltName={names}", "-keyout", self.folder / "county.key", "-out",
                self.folder / "county.crt")

    def start_county(self, fill=True):
        if fill:
            self.county_tool("import", self.data, DATA / "holiday-cn" / "2026.json")
        self.county.spawn([self.bin / "touyan-county", "serve", *self.store_words(), "--listen",
                           f"127.0.0.1:{self.county_port}", "--clock", self.clock.path], self.disk)
        wait_for("the county's port", self.port_open(self.county_port))

    @staticmethod
    def port_open(port):
        import socket

        def attempt():
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        return attempt

    def start_broker(self):
        config = self.folder / "mosquitto.conf"
        if not config.exists():
            text = quietly(self.bin / "touyan-gateway", "--config", self.config_path,
                           "--print-broker-config")
            config.write_text(self.adapt_broker_config(text))
        self.broker.spawn(["/usr/sbin/mosquitto", "-c", config])
        wait_for("the broker", self.port_open(self.mqtt_port))

    def adapt_broker_config(self, text):
        """The shipped configuration with this folder's files instead of /etc and /var."""
        passwords, acl = self.folder / "broker.passwd", self.folder / "broker.acl"
        acl.write_text(quietly(self.bin / "touyan-gateway", "--print-broker-acl"))
        passwords.write_text("".join(f"{d}:{self.device_password(d)}\n" for d in self.devices))
        quietly("mosquitto_passwd", "-U", passwords)
        for shipped, here in (("/etc/mosquitto/touyan.passwd", passwords),
                              ("/etc/mosquitto/touyan.acl", acl), ("/var/lib/mosquitto", self.folder)):
            if shipped not in text:
                raise Failed(f"the shipped broker configuration does not name {shipped}")
            text = text.replace(shipped, str(here))
        user = f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"  # it would drop to its own otherwise
        return text + user + "log_dest stderr\nlog_type all\nlog_timestamp_format %Y-%m-%dT%H:%M:%S\n"

    def start_gateway(self, wait=True):
        self.gateway.spawn([self.bin / "touyan-gateway", "--config", self.config_path, "--clock",
                            self.clock.path], self.disk)
        if wait:
            wait_for("the gateway's socket", self.answers)

    def answers(self):
        if not self.gateway.alive():
            raise Failed(f"the gateway is gone:\n{self.gateway.log_text()[-2000:]}")
        try:
            return self.api("GET", "/v1/idle") is not None
        except (OSError, ValueError):
            return False

    def slow_disk(self, most_us):
        """Station and county, when next started, wait for up to most_us at each sync."""
        options = os.environ.get("ASAN_OPTIONS", "")
        self.disk = {"LD_PRELOAD": str(self.bin.parent / "tests" / "slowsync.so"),
                     "SLOWSYNC_US": str(most_us),
                     "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":")}

    def kill_gateway(self):
        self.gateway.kill()

    def kill_all(self):
        """After something failed: nothing of ours goes on running."""
        for part in (self.gateway, self.modem, self.broker, self.county):
            if part is not None and part.process is not None:
                part.kill()

    def down(self):
        """Stops everything that runs, politely; says what did not stop cleanly."""
        for connection in self.connections:
            connection.close()
        problems = []
        for part in (self.gateway, self.modem, self.broker, self.county):
            if part is None or part.process is None:
                continue
            try:
                code = part.stop()
                if code not in (0, -15):
                    problems.append(f"{part.name} ended with {code}: {part.log_text()[-1500:]}")
            except Failed as problem:
                problems.append(str(problem))
        if self.link:
            self.link.close()
        self.clock.close()
        if problems:
            raise Failed("; ".join(problems))

    # --- the station's own interface ---

    def api(self, method, path, body=None):
        connection = UnixHttp(self.folder / "touyan.sock")
        try:
            raw = None if body is None else json.dumps(body).encode()
            connection.request(method, path, raw, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                raise Failed(f"{method} {path}: {answer.status} {text.decode()}")
            return json.loads(text)
        finally:
            connection.close()

    def touyan(self, *words):
        return quietly(self.bin / "touyan", "--socket", self.folder / "touyan.sock", *words,
                       env=dict(os.environ, NO_COLOR="1"))

    def replica(self, sql, *args):
        return rows(self.replica_db, sql, *args)

    def county_rows(self, sql, *args):
        return rows(self.county_db, sql, *args)

    def device(self, device_id, school="S17", gate="E", will=True):
        """A gate device of our own scheme, connected as the shipped configuration wants it."""
        topic = f"sc/{STATION}/{school}/{gate}/{device_id}/state"
        connection = Mqtt(self.mqtt_port, device_id, device_id, self.device_password(device_id),
                          will=(topic, '{"s":"offline"}') if will else None)
        self.connections.append(connection)
        return connection

    @staticmethod
    def device_password(device_id):
        return f"secret-of-{device_id}"

    # --- fast time ---

    def quiet(self):
        """Nothing under way anywhere: (True, when the next thing is due)."""
        try:
            state = self.api("GET", "/v1/idle")
        except OSError:
            if not self.gateway.alive():
                raise Failed(f"the gateway is gone:\n{self.gateway.log_text()[-2000:]}")
            return False, 0
        network = self.modem.stats()
        return bool(state["idle"]) and bool(network["idle"]), state["next_due_ms"]

    def settle(self, seconds=30):
        """Lets real time pass until all is quiet."""
        return wait_for("everything to be quiet", lambda: self.quiet()[0] or None, seconds)

    def at(self, when_ms, action):
        """Somebody will do something at that wall time."""
        heapq.heappush(self.agenda, (when_ms, len(self.agenda) + self.clock.now() % 1000, id(action),
                                     action))

    def run_agenda(self):
        """Does what is due; True when something was."""
        done = False
        while self.agenda and self.agenda[0][0] <= self.clock.now():
            heapq.heappop(self.agenda)[3]()
            done = True
        return done

    def look(self):
        for watcher in self.watchers:
            watcher()

    def run_until(self, when_ms, seconds=120):
        """Wall time up to when_ms: jumps from one due thing to the next while all is quiet."""
        end = time.monotonic() + seconds
        while self.clock.now() < when_ms:
            if time.monotonic() > end:
                raise Failed(f"fast time is stuck before {when_ms}: {self.api('GET', '/v1/idle')} "
                             f"{self.modem.stats()}")
            quiet, due = self.quiet()
            self.look()
            if self.run_agenda() or not quiet:
                time.sleep(0.005)
                continue
            if self.agenda:
                due = min(due, self.agenda[0][0])
            now = self.clock.now()
            self.clock.set(max(now, min(due, when_ms)))
        self.settle()
        self.look()


def need(good, what):
    if not good:
        raise Failed(what)


def tell(name, play, start, devices):
    """What a test of one story is: play(world) in a folder of its own, which stays when it fails.
    Returns the exit status."""
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, required=True)
    build = words.parse_args().build.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"touyan-{name}-"))
    world = World(folder, build / "bin", start, devices=devices)
    try:
        play(world)
        world.down()
    except (Failed, OSError, subprocess.SubprocessError) as problem:
        world.kill_all()
        log = world.gateway.log_text()[-3000:] if world.gateway else ""
        print(f"{name}: {problem} ({folder})\n{log}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0
