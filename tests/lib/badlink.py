"""A bad line between two network namespaces, or without root a relay that behaves like one.

line = BadLink(folder); line.far(argv) and line.near(argv) are the command lines that run at its two
ends; programs at the far end listen on line.far_address, and near_port(port) is where the near end
finds them. Everything goes away with the process that made it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from parts import die_with_parent, wait_for  # noqa: E402

SHAPER = pathlib.Path(__file__).with_name("shaper.py")
TOOLS = ("ip", "nsenter", "unshare")
NEAR, FAR = "10.77.0.1", "10.77.0.2"


class Shaper:
    def __init__(self, *words):
        self.process = subprocess.Popen([SHAPER, *(str(w) for w in words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.hello = json.loads(self.process.stdout.readline())

    def ask(self, words="stats"):
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()


class Namespace:
    """A network namespace that lives as long as its holder."""

    def __init__(self):
        ours = os.readlink("/proc/self/ns/net")
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"],
                                       preexec_fn=die_with_parent)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        wait_for("a network namespace", lambda: os.readlink(self.path) != ours)

    def command(self, argv):
        return ["nsenter", f"--net={self.path}", *(str(a) for a in argv)]

    def take(self, device, address, peer):
        subprocess.run(["ip", "link", "set", device, "netns", str(self.holder.pid)], check=True)
        for words in (["addr", "add", address, "peer", peer, "dev", device],
                      ["link", "set", device, "up"], ["link", "set", "lo", "up"]):
            subprocess.run(self.command(["ip", *words]), check=True)

    def close(self):
        self.holder.kill()
        self.holder.wait()


class BadLink:
    def __init__(self, seed=1, real=None):
        able = os.geteuid() == 0 and os.path.exists("/dev/net/tun") and all(map(shutil.which, TOOLS))
        self.real = able if real is None else real
        self.seed, self.shapers = seed, []
        self.far_address = FAR if self.real else "127.0.0.1"
        if self.real:
            self.spaces = [Namespace(), Namespace()]
            names = [f"tya{os.getpid()}", f"tyb{os.getpid()}"]
            self.shapers.append(Shaper("--tun", *names, "--seed", seed))
            self.spaces[0].take(names[0], NEAR, FAR)
            self.spaces[1].take(names[1], FAR, NEAR)

    @property
    def how(self):
        return "kernel TCP over TUN devices" if self.real else "a TCP relay"

    def near(self, argv):
        return self.spaces[0].command(argv) if self.real else argv

    def far(self, argv):
        return self.spaces[1].command(argv) if self.real else argv

    def near_port(self, port):
        """Where the near end finds what listens at the far end's port."""
        if self.real:
            return port
        self.shapers.append(Shaper("--tcp", port, "--seed", self.seed))
        return self.shapers[-1].hello["port"]

    def say(self, *lines):
        for shaper in self.shapers:
            for line in lines:
                shaper.ask(line)

    def good(self):
        self.say("rate 100000000", "delay 0", "loss 0", "up")

    def bad(self):
        self.say("rate 40000", "delay 250", "loss 5", "up")

    def count(self):
        """Bytes and packets of both directions so far."""
        counts = [shaper.ask() for shaper in self.shapers]
        return {way: {key: sum(c[way][key] for c in counts) for key in ("bytes", "packets")}
                for way in ("there", "back")}

    def close(self):
        for part in self.shapers + (self.spaces if self.real else []):
            part.close()
