"""The two ends alone, as real programs: a county, and gateways without modem and broker.

county = County(folder, bin_dir); county.start()
station = Station(folder, county); station.start(); station.enrol()
"""

import json
import shutil
import sqlite3
import subprocess

from parts import DATA, Clock, Failed, Part, UnixHttp, free_port, ms_of, wait_for
from world import World

DAY = 86400000
START = "2026-09-07 08:00"

CONFIG = """station {{ id = "{name}" }}
replica {{ path = "{folder}/replica.db" backup_dir = "{folder}/backup" key_file = "{folder}/seal.key" }}
mqtt {{ socket = "{folder}/nobody.sock" }}
sync {{
    url = "https://{host}:{port}"
    ca_pin = "{pin}"
    identity = "{folder}/county.pem"
    machine_file = "{folder}/machine"
    poll_s = "1s"
}}
http {{ socket = "{folder}/touyan.sock" group = "" }}
"""


def run(*argv, code=0):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    if code is not None and done.returncode != code:
        raise Failed(f"{argv}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def copy_database(source, target):
    """As a backup does it, also of one that is in use."""
    with sqlite3.connect(source) as here, sqlite3.connect(target) as there:
        here.backup(there)


class County:
    """url: of a PostgreSQL database; else it has a file."""

    def __init__(self, folder, bin_dir, start=START, data=DATA / "county", url=None):
        folder.mkdir()
        self.folder, self.bin, self.port = folder, bin_dir, free_port()
        self.db = folder / "county.db"
        self.store = ["--store", url, "--seal-key", folder / "seal.key", "--ca", folder / "ca"] \
            if url else ["--db", self.db]
        self.clock = Clock(folder / "clock", ms_of(*start.split(" ")))
        self.part = Part("county", folder)
        self.pin = self.tool("ca", "init", "--host", "localhost").split()[1]
        self.tool("import", data)

    def tool(self, *words, code=0):
        return run(self.bin / "touyan-county", *words, *self.store, "--clock",
                   self.clock.path, code=code)

    def start(self):
        self.part.spawn([self.bin / "touyan-county", "serve", *self.store, "--listen",
                         f"127.0.0.1:{self.port}", "--clock", self.clock.path])
        wait_for("the county", World.port_open(self.port))

    def put_back(self, backup):
        """Its disk is lost, and this backup takes the database's place. (Not started.)"""
        self.part.kill()
        for tail in ("", "-wal", "-shm"):
            self.db.with_name(self.db.name + tail).unlink(missing_ok=True)
        shutil.copy(backup, self.db)

    def code(self, name="S0117"):
        text = self.tool("station", "add", name, "--code")
        return dict(line.split(" ", 1) for line in text.splitlines())["code"]

    def waiting(self):
        return json.loads(self.tool("station", "pending"))

    def certificates(self):
        return json.loads(self.tool("certificate", "list"))

    def later(self, days):
        self.clock.set(self.clock.now() + int(days * DAY))

    def close(self):
        self.part.kill()
        self.clock.close()


class Station:
    """start: its own clock begins there; None: it has the county's."""

    def __init__(self, folder, county, name="S0117", start=START, pin=None, host="localhost",
                 port=None, bin_dir=None):
        folder.mkdir(exist_ok=True)
        self.folder, self.pem, self.db = folder, folder / "county.pem", folder / "replica.db"
        self.name, self.county, self.bin = name, county, bin_dir or county.bin
        self.clock = Clock(folder / "clock", ms_of(*start.split(" "))) if start else county.clock
        self.part = Part("gateway", folder)
        if not (folder / "machine").exists():
            (folder / "machine").write_text("PF3A1B2C\n")
        (folder / "touyan.conf").write_text(CONFIG.format(
            folder=folder, port=port or county.port, pin=pin or county.pin, host=host, name=name))

    def start(self):
        self.part.spawn([self.bin / "touyan-gateway", "--config",
                         self.folder / "touyan.conf", "--clock", self.clock.path])
        wait_for("the gateway", self.answers)

    def answers(self):
        if not self.part.alive():
            raise Failed(self.part.log_text()[-2000:])
        try:
            return self.api("/v1/idle") is not None
        except (OSError, ValueError):
            return False

    def api(self, path):
        connection = UnixHttp(self.folder / "touyan.sock")
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def touyan(self, *words, code=0, lang="en"):
        return run(self.county.bin / "touyan", "--lang", lang, "--socket",
                   self.folder / "touyan.sock", *words, code=code)

    def enrol(self):
        self.touyan("enrol", self.county.code(self.name))
        wait_for("sync", self.is_up)

    def enrolment(self):
        return self.api("/v1/enrol")

    def is_up(self):
        sync = self.api("/v1/sync")
        return sync["link"] == "up" and sync["rows_applied"] >= 0 and sync["caught_up"]

    def serial(self):
        return run("openssl", "x509", "-in", self.pem, "-noout", "-serial").strip().lower()

    def take_image(self, folder):
        """What is on its disk, with nothing but the system's care."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.sock", "*.log", "clock"))

    def put_back(self, image):
        self.part.kill()
        for path in self.folder.iterdir():
            if path.is_file() and path.suffix not in (".log", ".sock", ".conf") and path.name != "clock":
                path.unlink()
        shutil.copytree(image, self.folder, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("touyan.conf"))

    def close(self):
        if self.part.process is not None:
            self.part.kill()
        if self.clock is not self.county.clock:
            self.clock.close()
