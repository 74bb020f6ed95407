"""Exactly once: what was acknowledged, received and accepted against what the books of station and
county say. Each check returns the list of what is wrong.
"""

import collections
import re

MARK = re.compile(r"^\(再发(\d)\)")
UNITS_MAX = 70  # of a segment in UCS-2
PANIC = 0
AT_REST = ("sent", "delivered", "unknown", "cancelled")
SURE = ("sent", "delivered")


def some(what, items):
    items = sorted(map(str, items))
    return [f"{len(items)} {what}: {items[:4]}"] if items else []


def events(world, gates):
    """Each acknowledged event once at both ends, and nothing that was never told."""
    problems = []
    for gate in gates:
        for where, table in (("station", world.replica), ("county", world.county_rows)):
            stored = collections.Counter(
                row["id"].split(":", 1)[1] for row in
                table("SELECT id FROM device_event WHERE device_id=? AND kind IN ('sos','door')",
                      gate.device))
            problems += some(f"acknowledged events of {gate.device} are not once at the {where}",
                             [e for e in gate.acked if stored[e] != 1])
            problems += some(f"events of {gate.device} at the {where} that nobody told",
                             set(stored) - gate.told)
    return problems


def received(world):
    """Each text that the network took for us is in the inbox once."""
    theirs = collections.Counter((e["from"][-3:], e["text"]) for e in world.modem.book()
                                 if e["event"] == "inbound")
    rows = world.api("GET", "/v1/sms?dir=in&limit=100000")["sms"]
    ours = collections.Counter((r["number"][-3:], r["text"]) for r in rows)
    return (some("texts lost", (theirs - ours).elements()) +
            some("texts doubled", (ours - theirs).elements()) +
            some("texts not handled", [r for r in rows if r["state"] != "handled"]))


def alarms(world):
    """Each SOS and each 报警 counted in one alarm, and each alarm taken and closed by somebody."""
    rows = world.api("GET", "/v1/sms?dir=in&limit=100000")["sms"]
    calls = sum(r["text"] == "报警" for r in rows)
    pressed = world.replica("SELECT count(*) n FROM device_event WHERE kind='sos'")[0]["n"]
    problems = []
    for what, sql in (("alarms count", "SELECT coalesce(sum(count), 0) n FROM alarm"),
                      ("alarm events tell of", "SELECT count(*) n FROM alarm_event"
                                               " WHERE what IN ('raised', 'again')")):
        counted = world.replica(sql)[0]["n"]
        if counted != pressed + calls:
            problems.append(f"{pressed} buttons and {calls} calls, but the {what} {counted}")
    problems += some("alarms are not closed",
                     [a["id"] for a in world.replica("SELECT id FROM alarm WHERE state<>'resolved'")])
    return problems


def copy_of(text, copy):
    """The text of a numbered copy, cut as the outbox cuts it to stay within one segment."""
    return text if copy == 0 else text[:UNITS_MAX - len(f"(再发{copy})")]


class Sent:
    """The outbox's parts beside the messages that the network accepted."""

    def __init__(self, world):
        self.world = world
        self.rows = {r["id"]: r for r in world.api("GET", "/v1/sms?dir=out&limit=100000")["sms"]}
        self.parts = world.replica(
            "SELECT o.id, o.idem, o.prio, p.copy, p.state, p.mr FROM outbox_part p"
            " JOIN outbox o ON o.seq = p.message_seq")
        self.states = collections.Counter(
            ("copy " if p["copy"] else "") + p["state"] for p in self.parts)

    def key(self, part):
        row = self.rows[part["id"]]
        return (row["number"][-3:], part["copy"], copy_of(row["text"], part["copy"]))

    def accepted(self):
        found = collections.Counter()
        for message in self.world.modem.messages():
            mark = MARK.match(message["text"])
            copy = int(mark.group(1)) if mark else 0
            found[(message["to"][-3:], copy, message["text"][mark.end() if mark else 0:])] += 1
        return found

    def against_network(self):
        """Sent means accepted once; unknown means at most once; all else means not accepted."""
        sure, perhaps = collections.Counter(), collections.Counter()
        for part in self.parts:
            if part["state"] in SURE:
                sure[self.key(part)] += 1
            elif part["state"] == "unknown":
                perhaps[self.key(part)] += 1
        accepted = self.accepted()
        return (some("messages are in the book as sent and the network never took them",
                     (sure - accepted).elements()) +
                some("messages the network took are doubled or not in the book",
                     (accepted - sure - perhaps).elements()))

    def policy(self, breaks):
        """Copies only of alarms; an alarm that may be lost is sent again; what is unknown is at
        most one part for each time that the line to the modem broke."""
        problems = some("parts are not at rest",
                        [self.key(p) + (p["state"],) for p in self.parts
                         if p["state"] not in AT_REST])
        problems += some("copies of messages that are no alarms",
                         [self.key(p) for p in self.parts if p["copy"] and p["prio"] != PANIC])
        best = collections.defaultdict(list)
        for part in self.parts:
            best[part["id"]].append(part)
        problems += some("alarms were given up",
                         [self.key(ps[0]) for ps in best.values() if ps[0]["prio"] == PANIC and
                          all(p["state"] == "unknown" for p in ps) and len(ps) < 4])
        unknown = self.world.replica(
            "SELECT count(*) n FROM outbox_history WHERE state='unknown'")[0]["n"]
        if unknown > breaks:
            problems.append(f"{unknown} parts became unknown by {breaks} interruptions")
        return problems

    def reports(self):
        """Nobody has got what the network did not report."""
        ours = collections.Counter(self.key(p)[0] for p in self.parts if p["state"] == "delivered")
        theirs = collections.Counter(e["to"][-3:] for e in self.world.modem.book()
                                     if e["event"].startswith("report"))
        return some("messages are delivered without a report", (ours - theirs).elements())

    def answers(self, asked):
        """One answer for each question, never two."""
        ours = collections.Counter((r["number"][-3:], r["text"][:12]) for r in self.rows.values()
                                   if r["text_id"].startswith("P"))
        if sum(ours.values()) == len(asked) and max(ours.values(), default=1) == 1:
            return []
        return [f"{len(asked)} questions, {sum(ours.values())} answers in the book"] + some(
            "answered twice", [k for k, n in ours.items() if n > 1])


def databases(world):
    """Both databases are sound and nothing was put aside on the way."""
    problems = []
    for where, table in (("station", world.replica), ("county", world.county_rows)):
        verdict = table("PRAGMA integrity_check")[0]["integrity_check"]
        if verdict != "ok":
            problems.append(f"the database of the {where}: {verdict}")
    status = world.api("GET", "/v1/sync")
    for what in ("pending", "quarantined", "lost_open", "conflicts"):
        if status[what]:
            problems.append(f"sync: {status[what]} {what}")
    return problems


def sound(world):
    """No program has found something wrong with itself."""
    signs = re.compile(r".*(?:Sanitizer|runtime error|Assertion|stack smashing).*")
    return [f"{log.name}: {m.group()[:300]}" for log in sorted(world.folder.glob("*.log"))
            for m in [signs.search(log.read_text(errors="replace"))] if m]
