"""The real parts around a station, for the demo and the tests: broker, modem simulator, county,
gateway, the link between station and county that can be cut, and the wall clock that can jump.

Only the Python standard library. Every part writes its log into the work folder; nothing listens
anywhere but on 127.0.0.1 and on Unix sockets in that folder.
"""

import calendar
import csv
import ctypes
import http.client
import json
import mmap
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CST = 8 * 3600 * 1000


def table(name):
    """The rows of one of the county's spreadsheets."""
    with open(DATA / "county" / f"{name}.csv", encoding="utf-8") as text:
        return list(csv.DictReader(text))


class Failed(Exception):
    """Something the world should have done did not happen."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ms_of(date, clock="00:00"):
    """UTC milliseconds of a local date and time (UTC+8 all year)."""
    text = f"{date} {clock}"
    form = "%Y-%m-%d %H:%M:%S" if text.count(":") == 2 else "%Y-%m-%d %H:%M"
    parsed = time.strptime(text, form)
    return calendar.timegm(parsed) * 1000 - CST


def clock_of(ms):
    return time.strftime("%H:%M:%S", time.gmtime((ms + CST) / 1000))


def date_of(ms):
    return time.strftime("%Y-%m-%d", time.gmtime((ms + CST) / 1000))


def wait_for(what, condition, seconds=20.0):
    """Polls until condition() is true; says what was waited for when it never was."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.01)


def judge(name, play):
    """The exit code of play(folder), which returns its problems; with any, the folder stays."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"touyan-{name}-"))
    try:
        problems = play(folder)
    except Failed as problem:
        problems = [str(problem)]
    for problem in problems[:40]:
        print(f"{name}: {problem}", file=sys.stderr)
    if problems:
        print(f"{name}: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


class Clock:
    """The wall clock of all parts: real time plus an offset in a file that they have mapped."""

    def __init__(self, path, start_ms):
        self.path = path
        with open(path, "wb") as f:
            f.write(struct.pack("<q", 0))
        self._file = open(path, "r+b")
        self._map = mmap.mmap(self._file.fileno(), 8)
        self.set(start_ms)

    def now(self):
        return int(time.time() * 1000) + struct.unpack("<q", self._map[:8])[0]

    def set(self, wall_ms):
        self._map[:8] = struct.pack("<q", wall_ms - int(time.time() * 1000))

    def close(self):
        self._map.close()
        self._file.close()


def die_with_parent():
    """prctl(PR_SET_PDEATHSIG, SIGKILL): nothing of ours outlives a test that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Part:
    """One process with its log file."""

    def __init__(self, name, folder):
        self.name = name
        self.log_path = folder / f"{name}.log"
        self.process = None

    def spawn(self, argv, env=None):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, **(env or {})), start_new_session=True,
                preexec_fn=die_with_parent)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, as a power cut or the out-of-memory killer would."""
        if self.alive():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def stop(self, seconds=15):
        if not self.alive():
            return self.process.returncode if self.process else 0
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not stop within {seconds} s: see {self.log_path}")

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


class Modem(Part):
    """touyan-simmodem: the GSM modem and the mobile network behind it. Both outlive the program: after
    kill() and start() they go on as the book says, and who gives orders meanwhile waits."""

    def __init__(self, folder, bin_dir, clock, name="gsm0", make=""):
        super().__init__(f"simmodem-{name}", folder)
        self.bin_dir, self.clock, self.make = bin_dir, clock, make
        self.tty = folder / f"tty-{name}"
        self.control = folder / f"{name}.ctl"
        self.book_path = folder / f"{name}.book"
        self._socket = None
        self._reader = None
        self._lock = threading.Lock()

    def start(self):
        self.control.unlink(missing_ok=True)  # of one that was killed
        self.spawn([self.bin_dir / "touyan-simmodem", "--link", self.tty, "--control", self.control,
                    "--log", self.book_path, "--clock", self.clock.path, "--profile", self.make])
        wait_for("the modem simulator", self.control.exists)

    def kill(self):
        super().kill()
        self.tty.unlink(missing_ok=True)  # as udev does with the name of a port that is gone

    def _connect(self):
        def attempt():
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(str(self.control))
                return s
            except OSError:
                s.close()
                return None
        self._socket = wait_for("the modem simulator's control", attempt)
        self._reader = self._socket.makefile("r")

    def _disconnect(self):
        if self._socket:
            self._reader.close()
            self._socket.close()
            self._socket = None

    def _ask(self, words):
        if self._socket is None:
            self._connect()
        self._socket.sendall((json.dumps(words) + "\n").encode())
        answer = self._reader.readline()
        if not answer.endswith("\n"):
            raise ConnectionError("the modem simulator was killed")
        return json.loads(answer)

    def _ask_again(self, words):
        """Did the one that was killed take it? Its book tells of texts, the rest may happen twice."""
        self._disconnect()
        self._connect()
        if "id" in words and any(e.get("id") == words["id"] for e in self.book()):
            return {"ok": True}
        return None

    def command(self, **words):
        with self._lock:
            answer = None
            while answer is None:
                try:
                    answer = self._ask(words)
                except OSError:
                    answer = self._ask_again(words)
        if answer.get("error") or answer.get("ok") is False:
            raise Failed(f"simulator: {words}: {answer}")
        return answer

    def inbound(self, number, text):
        return self.command(cmd="inbound", **{"from": number}, text=text, id=str(uuid.uuid4()))

    def unplug(self):
        self.command(cmd="unplug")

    def plug(self):
        self.command(cmd="plug")

    def stats(self):
        return self.command(cmd="stats")

    def book(self):
        """What the network really saw, event by event."""
        if not self.book_path.exists():
            return []
        text = self.book_path.read_text()
        whole = text[:text.rfind("\n") + 1]  # a line that is just being written comes next time
        return [json.loads(line) for line in whole.split("\n") if line]

    def messages(self):
        """Whole messages that the network accepted from us, in order."""
        return [e for e in self.book() if e["event"] == "message"]

    def stop(self, seconds=5):
        self._disconnect()
        return super().stop(seconds)


class Link:
    """The line between station and county: a TCP relay on loopback that can be cut."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.up = True
        self.bytes_up = self.bytes_down = 0
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self.up:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port), 2)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.add((near, far))
            for a, b, way in ((near, far, "bytes_up"), (far, near, "bytes_down")):
                threading.Thread(target=self._pump, args=(a, b, way, (near, far)),
                                 daemon=True).start()

    def _pump(self, source, sink, way, pair):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                setattr(self, way, getattr(self, way) + len(data))
        except OSError:
            pass
        self._drop(pair)

    def _drop(self, pair):
        with self._lock:
            self._pairs.discard(pair)
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def cut(self):
        self.up = False
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._drop(pair)

    def restore(self):
        self.up = True

    def close(self):
        self.cut()
        self._listener.close()


class Mqtt:
    """A gate device's connection: MQTT 3.1.1 by hand, so that the time of a PUBLISH is exact."""

    def __init__(self, port, client_id, username, password, will=None, keepalive=60):
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._id = 0
        self.received = []
        flags = 0x02 | 0x80 | 0x40
        payload = self._text(client_id)
        if will:
            flags |= 0x04 | 0x20 | 0x08
            payload += self._text(will[0]) + self._text(will[1])
        payload += self._text(username) + self._text(password)
        self._send(0x10, self._text("MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive) + payload)
        kind, body = self._read()
        if kind != 0x20 or body[1] != 0:
            raise Failed(f"the broker refused {client_id}: {body.hex()}")

    @staticmethod
    def _text(value):
        raw = value if isinstance(value, bytes) else value.encode()
        return struct.pack(">H", len(raw)) + raw

    def _send(self, kind, body):
        size, head = len(body), bytearray([kind])
        while True:
            size, digit = size >> 7, size & 0x7F
            head.append(digit | (0x80 if size else 0))
            if not size:
                break
        self._socket.sendall(bytes(head) + body)

    def _exact(self, count):
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise Failed("the broker closed the connection")
            data += piece
        return data

    def _read(self):
        kind = self._exact(1)[0]
        size = shift = 0
        while True:
            digit = self._exact(1)[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        return kind, self._exact(size)

    def _handle_publish(self, kind, body):
        size = struct.unpack(">H", body[:2])[0]
        topic, rest = body[2:2 + size].decode(), body[2 + size:]
        if (kind >> 1) & 3:
            self._send(0x40, rest[:2])
            rest = rest[2:]
        self.received.append((topic, rest))

    def _until(self, wanted, seconds=10):
        self._socket.settimeout(seconds)
        while True:
            kind, body = self._read()
            if kind & 0xF0 == 0x30:
                self._handle_publish(kind, body)
            elif kind == wanted:
                return body

    def subscribe(self, topic):
        self._id = self._id % 65535 + 1
        self._send(0x82, struct.pack(">H", self._id) + self._text(topic) + b"\x01")
        self._until(0x90)

    def publish(self, topic, payload, qos=1, retain=False, wait=True):
        """Returns the monotonic time in microseconds just before the PUBLISH left."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
        self._id = self._id % 65535 + 1
        body = self._text(topic) + (struct.pack(">H", self._id) if qos else b"") + raw
        at = time.monotonic_ns() // 1000
        self._send(0x30 | qos << 1 | (1 if retain else 0), body)
        if qos and wait:
            self._until(0x40)
        return at

    def wait_message(self, seconds=10):
        """The next message from the station: (topic, payload)."""
        self._socket.settimeout(seconds)
        while not self.received:
            kind, body = self._read()
            if kind & 0xF0 == 0x30:
                self._handle_publish(kind, body)
        return self.received.pop(0)

    def drain(self):
        """Takes what the broker has sent without waiting for more."""
        self._socket.settimeout(0)
        try:
            while self._socket.recv(65536):
                pass
        except (BlockingIOError, TimeoutError):
            pass
        self._socket.settimeout(5)

    def ping(self):
        self._send(0xC0, b"")
        self._until(0xD0)

    def drop(self):
        """Gone without DISCONNECT: the broker sends the will."""
        self._socket.close()

    def close(self):
        try:
            self._send(0xE0, b"")
        except OSError:
            pass
        self._socket.close()


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def rows(path, sql, *args):
    """Rows of a database that another process is writing (read only, with patience)."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute(sql, args)]
    finally:
        db.close()
