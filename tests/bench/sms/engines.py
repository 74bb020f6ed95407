"""Programs that send and receive short messages over a modem, each behind the same few words: ours
with either driver, gammu-smsd, smstools3, and a bare loop around libgammu. For sms_queue.py."""

import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from parts import Failed, Modem, Part, die_with_parent, wait_for  # noqa: E402

START_S = 60


def now_us():
    return time.monotonic_ns() // 1000


def family(pid):
    """A process and what it started."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            children = [int(word) for word in f.read().split()]
    except OSError:
        return []
    return [pid] + [one for child in children for one in family(child)]


class Simulator(Modem):
    """The simulated modem, with a network that takes delay_ms to answer."""

    def __init__(self, folder, build, delay_ms=0):
        super().__init__(folder, build / "bin", None, make="calm")
        self.delay_ms = delay_ms

    def start(self):
        self.spawn([self.bin_dir / "touyan-simmodem", "--link", self.tty, "--control", self.control,
                    "--log", self.book_path, "--profile", self.make, "--delay-ms", self.delay_ms])
        wait_for("the modem simulator", self.control.exists)
        self._connect()

    def accepted(self):
        return self.stats()["accepted"]


class Engine:
    """start(), put(), texts(), stop(); times in microseconds of CLOCK_MONOTONIC."""

    name = ""

    def __init__(self, folder, build, modem):
        self.folder, self.build, self.modem = folder, build, modem
        self.process = None
        self.put_us = {}

    def log(self):
        return open(self.folder / f"{self.name}.log", "ab")

    def cpu_ms(self):
        """To the nanosecond: ticks of 10 ms miss those who mostly sleep."""
        total = 0
        for pid in family(self.process.pid):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0]) / 1e6
        return total

    def rss_mb(self):
        total = 0
        for pid in family(self.process.pid):
            with open(f"/proc/{pid}/status") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
        return total / 1024

    def kill(self):
        """SIGKILL for all of it at once."""
        for pid in family(self.process.pid):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def spawn(self, argv, **more):
        self.process = subprocess.Popen([str(word) for word in argv], stderr=self.log(),
                                        preexec_fn=die_with_parent, **more)


class Touyan(Engine):
    """The sms module with its replica and the real worker (bench/sms/station.c)."""

    driver = ""

    def start(self):
        self.lines, self.ready = [], threading.Event()
        self.spawn([self.build / "bench" / "bench_sms_station", self.driver, self.modem.tty,
                    self.build / "bin" / "touyan-modem", self.folder / "replica.db", 0],
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        if not self.ready.wait(START_S):
            raise Failed(f"{self.name} does not get ready: see {self.folder}")

    def _read(self, process):
        for line in process.stdout:
            words = line.rstrip("\n").split(" ", 2)
            if words[0] == "ready":
                self.ready.set()
            elif words[0] == "put":
                self.put_us[words[1]] = int(words[2])
            elif words[0] == "text":
                self.lines.append(line.rstrip("\n")[5:])

    def put_many(self, name, count, gap_ms=0):
        """gap_ms apart; all are class "reminder"."""
        self.process.stdin.write(f"put {count} {gap_ms} 2 {name}\n")
        self.process.stdin.flush()

    def texts(self):
        return list(self.lines)


class TouyanAt(Touyan):
    name, driver = "at", "at"


class TouyanGammu(Touyan):
    name, driver = "gammu", "gammu"


class Spool(Engine):
    """Takes its messages as files."""

    def put_many(self, name, count, gap_ms=0):
        threading.Thread(target=self._put_all, args=(name, count, gap_ms), daemon=True).start()

    def _put_all(self, name, count, gap_ms):
        for i in range(count):
            self.put_us[f"{name}-{i}"] = now_us()
            self.put_file(f"{name}-{i}", f"+86139{i:08d}")
            time.sleep(gap_ms / 1000)

    def drop(self, folder, file_name, content):
        """Whole or not at all."""
        new = self.folder / f"new.{file_name}"
        new.write_text(content)
        new.rename(folder / file_name)


class GammuSmsd(Spool):
    """Its file backend. `tuning`: what its manual and its users recommend for speed."""

    name = "gammu_smsd"
    tuning = ["loopsleep = 0", "commtimeout = 1", "checksecurity = 0", "checkbattery = 0",
              "checksignal = 0", "checknetwork = 0", "statusfrequency = 0"]

    def start(self):
        for box in ("inbox", "outbox", "sent", "error"):
            (self.folder / box).mkdir(exist_ok=True)
        config = self.folder / "smsdrc"
        config.write_text("\n".join(
            ["[gammu]", f"device = {self.modem.tty}", "connection = at115200", "model = at",
             "[smsd]", "service = files", f"logfile = {self.folder / 'smsd.log'}", "debuglevel = 0",
             f"inboxpath = {self.folder}/inbox/", f"outboxpath = {self.folder}/outbox/",
             f"sentsmspath = {self.folder}/sent/", f"errorsmspath = {self.folder}/error/"] +
            self.tuning) + "\n")
        self.spawn(["gammu-smsd", "-c", config], stdout=subprocess.DEVNULL)

    def put_file(self, name, number):
        at = time.strftime("%Y%m%d_%H%M%S")
        self.drop(self.folder / "outbox", f"OUTC{at}_00_{number}_{name}.txtd", name)

    def texts(self):
        return [path.read_text(errors="replace") for path in (self.folder / "inbox").iterdir()]


class GammuSmsdDefault(GammuSmsd):
    name, tuning = "gammu_smsd_default", []


class Smstools(Spool):
    name = "smstools"

    def start(self):
        for box in ("outgoing", "checked", "incoming", "sent", "failed", "report", "tmp"):
            (self.folder / box).mkdir(exist_ok=True)
        config = self.folder / "smsd.conf"
        paths = {"outgoing": "outgoing", "checked": "checked", "incoming": "incoming",
                 "sent": "sent", "failed": "failed", "report": "report"}
        config.write_text("\n".join(
            ["devices = GSM1", f"logfile = {self.folder / 'smsd.log'}", "loglevel = 4"] +
            [f"{key} = {self.folder / box}" for key, box in paths.items()] +
            ["[GSM1]", f"device = {self.modem.tty}", "incoming = yes", "report = yes"]) + "\n")
        self.spawn(["/usr/sbin/smsd", "-t", "-c", config, "-p", self.folder / "pid",
                    "-i", self.folder / "info"], stdout=subprocess.DEVNULL)

    def put_file(self, name, number):
        self.drop(self.folder / "outgoing", name, f"To: {number.lstrip('+')}\nReport: yes\n\n{name}")

    def texts(self):
        found = []
        for path in (self.folder / "incoming").iterdir():
            found.append(path.read_bytes().decode("utf-8", "replace").split("\n\n", 1)[-1])
        return found


class Bare(Engine):
    """libgammu and nothing around it (bench/sms/bare.c): sends a burst, receives nothing."""

    name = "bare_libgammu"

    def start(self):
        pass

    def put_many(self, name, count, gap_ms=0):
        self.spawn([self.build / "bench" / "bench_sms_bare", self.modem.tty, count],
                   stdout=subprocess.DEVNULL)


OURS = (TouyanAt, TouyanGammu)
PEERS = (GammuSmsd, GammuSmsdDefault, Smstools)


def missing_peers():
    return [name for name in ("gammu-smsd", "/usr/sbin/smsd") if shutil.which(name) is None]
