#!/usr/bin/env python3
"""From the queue to the network and from the SIM into the store: our two drivers, gammu-smsd (tuned
as its manual recommends, and with its defaults) and smstools3, each on a simulated modem of its own,
in one run. What is bounded by the processor is measured alone, one after the other; what mostly
sleeps (libgammu waits 0.7 s a message, the daemons between their looks) is measured side by side.

  first_byte_p99_ms   put into an empty queue to the first byte of AT+CMGS
  sms_per_s           a burst to a network that answers at once; also a bare loop around libgammu
  cpu_ms_per_sms      of the burst
  rss_mb              after the burst, all processes of it together
  slow_network_share  of the pace of a network that takes 4 s a message
  inbound_p99_ms      on the SIM to taken off it, which happens after storing
  reminder_copies     after a modem's answer was lost, and after SIGKILL between network and answer
  poison_lost         good messages, of 8, that 5 broken PDUs on the SIM kept from being delivered
  poison_left         broken PDUs that stay on the SIM
  urc_lost            messages, of 8, not sent while a line that nobody knows comes every 3 s

sms_queue.py --build BUILD_DIR [--quick] [--no-peers]
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "sms"))
from engines import (Bare, Failed, GammuSmsd, GammuSmsdDefault, OURS, PEERS, Simulator,  # noqa: E402
                     Smstools, TouyanAt, TouyanGammu, missing_peers, wait_for)

AT_ONCE = 10  # engines that mostly sleep, beside each other
LATENCY = {TouyanAt: (400, 40), TouyanGammu: (30, 1500), GammuSmsd: (12, 4000),
           GammuSmsdDefault: (4, 30000), Smstools: (10, 9000)}  # how many, ms apart
BURST = {TouyanAt: 5000, TouyanGammu: 60, Bare: 60, GammuSmsd: 40, GammuSmsdDefault: 25, Smstools: 40}
INBOUND = {TouyanAt: (300, 0.05), TouyanGammu: (60, 0.5), GammuSmsd: (10, 5), GammuSmsdDefault: (10, 5),
           Smstools: (10, 5)}
SLOW_MS, SLOW_COUNT = 4000, 12
LOST_WAIT_S = 150  # our own deadline is 60 s, theirs are shorter
KILLS, KILL_WAIT_S = 2, 50
POISON_WAIT_S = 100
URC_EVERY_S, URC_FOR_S, URC_COUNT = 3, 100, 8
NAP_S = 1
NUMBER = "+8613900000001"

# Service centre, then what no phone sends: cut off, a header longer than the text, UCS-2 of an odd
# length, part 0 of 2, part 3 of 2.
BAD_PDUS = ("0891683108100005F0040D91683109000000F10008",
            "0891683108100005F0440D91683109000000F100006211221005122304FF41414141",
            "0891683108100005F0040D91683109000000F1000862112210051223034F604F",
            "0891683108100005F0440D91683109000000F1000862112210051223080500030102004F60",
            "0891683108100005F0440D91683109000000F1000862112210051223080500030102034F60")


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


class Run:
    """One engine on one modem; what it left is there to be looked at when something failed."""

    def __init__(self, bench, kind, what, delay_ms=0):
        self.folder = bench.folder / f"{kind.name}-{what}"
        self.folder.mkdir()
        self.modem = Simulator(self.folder, bench.build, delay_ms)
        self.engine = kind(self.folder, bench.build, self.modem)

    def __enter__(self):
        self.modem.start()
        return self.modem, self.engine

    def __exit__(self, kind, value, trace):
        self.engine.stop()
        self.modem.stop()

    def events(self, name):
        return [event for event in self.modem.book() if event["event"] == name]


def settle(modem, count, seconds):
    """Until so many were accepted, or the time is over. How many were."""
    try:
        wait_for("messages", lambda: modem.accepted() >= count, seconds)
    except Failed:
        pass
    return modem.accepted()


def warm_up(modem, engine):
    """One message; libgammu naps for a while behind each."""
    engine.put_many("warm", 1)
    settle(modem, 1, 60)
    time.sleep(NAP_S)


class Bench:
    def __init__(self, build, folder, quick):
        self.build, self.folder = build, folder
        self.share = 4 if quick else 1

    def latency(self, kind):
        count, gap_ms = LATENCY[kind]
        count = max(3, count // self.share)
        run = Run(self, kind, "latency")
        with run as (modem, engine):
            engine.start()
            warm_up(modem, engine)
            engine.put_many("one", count, gap_ms)
            settle(modem, count + 1, 60 + count * gap_ms / 1000)
            first = {e["text"]: e["first_byte_us"] for e in run.events("accepted")}
        waits = [(us - engine.put_us[text]) / 1000 for text, us in first.items() if text != "warm-0"]
        if len(waits) < count:
            raise Failed(f"{kind.name}: {len(waits)} of {count} messages were sent")
        return {"first_byte_p99_ms": percentile(waits, 99), "first_byte_p50_ms": percentile(waits, 50)}

    def burst(self, kind):
        count = max(10, BURST[kind] // self.share)
        run = Run(self, kind, "burst")
        with run as (modem, engine):
            engine.start()
            before = engine.cpu_ms() if engine.process else 0
            engine.put_many("burst", count)
            done = settle(modem, count, 120)
            spent = engine.cpu_ms() - before
            rss = engine.rss_mb()
            times = [e["us"] for e in run.events("accepted")]
        if done < count:
            raise Failed(f"{kind.name}: {done} of {count} messages were sent")
        return {"sms_per_s": (count - 1) * 1e6 / (times[-1] - times[0]),
                "cpu_ms_per_sms": spent / count, "rss_mb": rss}

    def slow_network(self, kind):
        run = Run(self, kind, "slow", SLOW_MS)
        with run as (modem, engine):
            engine.start()
            engine.put_many("slow", SLOW_COUNT)
            settle(modem, SLOW_COUNT, 60 + SLOW_COUNT * SLOW_MS / 500)
            times = [e["us"] for e in run.events("accepted")]
        if len(times) < 2:
            raise Failed(f"{kind.name}: nothing was sent over a slow network")
        pace = (times[-1] - times[0]) / 1000 / (len(times) - 1)
        return {"slow_network_share": SLOW_MS / pace}

    def inbound(self, kind):
        count, gap_s = INBOUND[kind]
        count = max(5, count // self.share)
        run = Run(self, kind, "inbound")
        with run as (modem, engine):
            engine.start()
            warm_up(modem, engine)
            for i in range(count):
                modem.inbound(NUMBER, f"in {i}")
                time.sleep(gap_s)
            wait_for(f"{kind.name} to take what came in",
                     lambda: modem.stats()["inbound_taken"] >= count, 60)
            came = {e["pdu"]: e["us"] for e in run.events("inbound_stored")}
            waits = [(e["us"] - came[e["pdu"]]) / 1000 for e in run.events("inbound_deleted")]
        return {"inbound_p99_ms": percentile(waits, 99)}

    def copies(self, kind):
        return {"reminder_copies": self.lost_answer(kind) + self.killed(kind)}

    def lost_answer(self, kind):
        run = Run(self, kind, "lost")
        with run as (modem, engine):
            engine.start()
            warm_up(modem, engine)
            modem.command(cmd="fault", kind="answer_lost", times=1)
            modem.command(cmd="fault", kind="no_report", times=1)
            engine.put_many("lost", 1)
            time.sleep(LOST_WAIT_S / self.share)
            sent = [e for e in run.events("accepted") if e["text"].endswith("lost-0")]
        return max(0, len(sent) - 1)

    def killed(self, kind):
        run = Run(self, kind, "killed", 3000)
        with run as (modem, engine):
            for i in range(KILLS):
                engine.start()
                engine.put_many(f"kill{i}", 1)
                settle(modem, 1, 60)
                wait_for("the network to take it", lambda: any(
                    e["text"] == f"kill{i}-0" for e in run.events("accepted")), 60)
                engine.kill()
                engine.start()
                time.sleep(KILL_WAIT_S / self.share)
                engine.stop()
            sent = len(run.events("accepted"))
        return sent - KILLS

    def poison(self, kind):
        good = [f"good {i}" for i in range(8)]
        run = Run(self, kind, "poison")
        with run as (modem, engine):
            for i, text in enumerate(good):
                modem.inbound(NUMBER, text)
                if i < len(BAD_PDUS):
                    modem.command(cmd="inbound_pdu", hex=BAD_PDUS[i])
            engine.start()
            end = time.monotonic() + POISON_WAIT_S / self.share
            while time.monotonic() < end and modem.stats()["inbound_taken"] < 13:
                time.sleep(0.5)
            time.sleep(5)  # some store a batch when they have deleted all of it
            found = engine.texts()
            left = 13 - modem.stats()["inbound_taken"]
        lost = [text for text in good if not any(text in one for one in found)]
        return {"poison_lost": len(lost), "poison_left": left}

    def urc(self, kind):
        run = Run(self, kind, "urc")
        with run as (modem, engine):
            engine.start()
            engine.put_many("urc", URC_COUNT)
            end = time.monotonic() + URC_FOR_S / self.share
            while time.monotonic() < end and modem.accepted() < URC_COUNT:
                modem.command(cmd="urc", text="+QIND: SMS DONE")
                time.sleep(URC_EVERY_S)
            sent = {e["text"] for e in run.events("accepted")}
        return {"urc_lost": URC_COUNT - len(sent)}


UNITS = {"first_byte_p99_ms": "ms", "sms_per_s": "1/s", "inbound_p99_ms": "ms", "rss_mb": "MB",
         "first_byte_p50_ms": "ms", "cpu_ms_per_sms": "ms", "slow_network_share": ""}
MORE_IS_BETTER = ("sms_per_s", "slow_network_share")


def print_figure(name, driver, value, peers):
    """One line for ours, then one for each peer that was measured the same way."""
    unit = UNITS.get(name, "")
    words = {"bench": "sms_queue", "figure": name, "driver": driver, "value": round(value, 3), "unit": unit}
    print(json.dumps(words), flush=True)
    for peer, theirs in peers.items():
        more = {"against": peer, "peer": round(theirs, 3)}
        if value > 0 and theirs > 0:
            better = value / theirs if name in MORE_IS_BETTER else theirs / value
            more["ratio"] = round(better, 3)
        print(json.dumps(dict(words, **more)), flush=True)


def report(results):
    figures = {name for found in results.values() for name in found}
    for name in sorted(figures):
        for ours in OURS:
            value = results[ours.name].get(name)
            peers = {peer.name: results[peer.name][name] for peer in PEERS
                     if name in results.get(peer.name, {})}
            if ours is TouyanGammu and name in results.get(Bare.name, {}) and name == "sms_per_s":
                peers[Bare.name] = results[Bare.name][name]
            if value is not None:
                print_figure(name, ours.name, value, peers)


def measure(bench, kinds):
    """Those that want the processor first and alone, the others beside each other, slowest first."""
    results = {kind.name: {} for kind in kinds + [Bare]}
    for work in (bench.latency, bench.burst, bench.inbound):
        results[TouyanAt.name].update(work(TouyanAt))
    with concurrent.futures.ThreadPoolExecutor(2) as pair:  # the same sleeps, so the same moment
        for kind, done in [(kind, pair.submit(bench.burst, kind)) for kind in (TouyanGammu, Bare)]:
            results[kind.name].update(done.result())
    jobs = [(work, kind) for work in (bench.copies, bench.latency, bench.urc, bench.poison, bench.burst,
                                      bench.slow_network, bench.inbound) for kind in kinds]
    quick = {(bench.latency, TouyanAt), (bench.burst, TouyanAt), (bench.inbound, TouyanAt),
             (bench.burst, TouyanGammu)}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = [(kind, work, pool.submit(work, kind)) for work, kind in jobs
                   if (work, kind) not in quick]
        for kind, work, done in running:
            try:
                results[kind.name].update(done.result())
            except Failed as problem:
                if kind in OURS:
                    raise
                print(f"sms_queue: {problem}", file=sys.stderr)
    return results


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--quick", action="store_true", help="a quarter of everything")
    words.add_argument("--no-peers", action="store_true")
    args = words.parse_args()
    kinds = list(OURS)
    if not args.no_peers and missing_peers():
        print(f"sms_queue: not installed, so not compared: {', '.join(missing_peers())}", file=sys.stderr)
    elif not args.no_peers:
        kinds += PEERS
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-sms-"))
    bench = Bench(pathlib.Path(args.build).resolve(), folder, args.quick)
    try:
        report(measure(bench, kinds))
    except Failed as problem:
        print(f"sms_queue: {problem}\nsms_queue: logs in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
