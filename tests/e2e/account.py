"""The account at the end of the day: the station's books against the network's, the broker's and
the county's. Nothing is taken from the station's word alone.
"""

import collections
import re
import unicodedata

from parts import rows

SENT = ("sent", "delivered")
COMPARED = {"shift": "班次", "assignment": "排班", "checkin": "到岗离岗", "alarm": "报警",
            "alarm_event": "报警经过", "device_event": "设备事件"}
MARK = re.compile(r"\(再发\d+\)|\(copy \d+\)")  # sent again because the answer was lost
AGAIN = re.compile(r"紧急第\d+次")  # sent again because nobody took the alarm


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def columns_of(world, name):
    return [r["name"] for r in world.replica("SELECT name FROM pragma_table_info(?)", name)
            if r["name"] not in ("_v", "_g")]


def same_rows(world):
    """Every row of the two-way tables must be equal at the station and at the county."""
    problems = []
    for name in COMPARED:
        columns = ", ".join(columns_of(world, name))
        scope = "SELECT {0} FROM {1} WHERE scope='S0117'".format(columns, name)
        station = {tuple(r.values()) for r in world.replica(scope)}
        county = {tuple(r.values()) for r in world.county_rows(scope)}
        if station != county:
            problems.append(f"{name}: {len(station - county)} rows of the station are not so at the "
                            f"county, {len(county - station)} the other way: "
                            f"{sorted(map(str, station ^ county))[:2]}")
    return problems


def books(station_db, county_db, station, without=()):
    """(table, rows at the station, rows at the county) of all that the station sees, `without` some
    columns or tables. Not by version:
    a push of what the county has already is given one, and leaves the county's row as it is."""
    names = rows(station_db, "SELECT DISTINCT m.name FROM sqlite_master m, "
                 "pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = '_v'")
    for name in (n["name"] for n in names if n["name"] not in without):
        columns = ", ".join(c["name"] for c in rows(
            station_db, "SELECT name FROM pragma_table_info(?)", name)
            if c["name"] not in ("_v", "_g", *without))
        theirs = {c["name"] for c in rows(county_db, "SELECT name FROM pragma_table_info(?)", name)}
        alive = "AND _del = 0" if "_del" in theirs else ""
        sql = f"SELECT {columns} FROM {name} WHERE scope IN ('{station}', '*')"
        yield (name, {tuple(r.values()) for r in rows(station_db, sql)},
               {tuple(r.values()) for r in rows(county_db, f"{sql} {alive}")})


def differences(*which, **more):
    """What books() differ in, in words."""
    return [f"{name}: {len(ours - theirs)} rows are only at the station, {len(theirs - ours)} only "
            f"at the county: {sorted(map(str, ours ^ theirs))[:2]}"
            for name, ours, theirs in books(*which, **more) if ours != theirs]


class Account:
    def __init__(self, world, devices_published=0, events=(), interrupted=0):
        """interrupted: how often a message may have been cut off in mid send."""
        self.world, self.interrupted = world, interrupted
        self.devices_published, self.events = devices_published, events
        self.lines, self.problems, self.copies = [], [], []

    def line(self, what, ours, theirs, whose, ok, note=""):
        self.lines.append((what, ours, theirs, whose, ok, note))
        if not ok:
            self.problems.append(f"{what}: {ours} / {theirs} {note}")

    # --- SMS against the network ---

    @staticmethod
    def without_erased(ours, theirs, erased):
        """退订 erases the texts of a person: of those messages only the number is compared."""
        lost, doubled = ours - theirs, theirs - ours
        for row in erased:
            match = next((key for key in doubled if key[0] == row["number"][-3:]), None)
            if match is None:
                lost[(row["number"], "erased")] += 1
            else:
                doubled -= collections.Counter([match])
        return sum(lost.values()), sum(doubled.values())

    def sms_out(self):
        rows = self.world.api("GET", "/v1/sms?dir=out&limit=100000")["sms"]
        sent = [r for r in rows if r["state"] in SENT]
        perhaps = [r for r in rows if r["state"] == "unknown"]
        ours = collections.Counter((r["number"][-3:], r["text"]) for r in sent if r["text"])
        copies = [m for m in self.world.modem.messages() if MARK.search(m["text"])]
        theirs = collections.Counter((m["to"][-3:], m["text"]) for m in self.world.modem.messages()
                                     if not MARK.search(m["text"]))
        # what was being sent when the station was killed or the modem unplugged: the book says that
        # it does not know, and it is never sent a second time
        arrived = [r for r in perhaps if theirs[(r["number"][-3:], r["text"])] >
                   ours[(r["number"][-3:], r["text"])]]
        ours += collections.Counter((r["number"][-3:], r["text"]) for r in arrived)
        lost, doubled = self.without_erased(ours, theirs, [r for r in sent if not r["text"]])
        self.line("发出短信 sent", len(sent) + len(arrived), sum(theirs.values()), "移动网络",
                  not lost and not doubled, f"丢失 lost {lost}，重复 doubled {doubled}")
        self.line("其中不明 perhaps sent", len(perhaps), self.interrupted, "至多", len(perhaps) <=
                  self.interrupted, f"断电或拔下时正在发，其中已到网络 {len(arrived)}，不再重发")
        copies += [m for m in self.world.modem.messages() if AGAIN.search(m["text"])]
        again = sum(r["text_id"].endswith("_AGAIN") for r in sent if r["text_id"])
        again += sum(r["copies"] for r in sent)
        self.line("其中告警编号再发 copies", again, len(copies), "移动网络", again == len(copies),
                  "numbered alarm copies:" if copies else "")
        for m in copies:
            self.copies.append(f"      *{m['to'][-3:]} {m['text']}")
        delivered = sum(r["state"] == "delivered" for r in rows)
        reports = {(e["to"], e["mr"], e["us"]) for e in self.world.modem.book()
                   if e["event"] == "report"}
        parts = self.world.replica("SELECT count(*) n FROM outbox_part WHERE state='delivered'")
        # a report that the modem got rid of while the station was being killed is gone
        self.line("送达回执 delivered", parts[0]["n"], len(reports), "移动网络",
                  0 <= len(reports) - parts[0]["n"] <= self.interrupted, f"{delivered} 条完整送达")
        rest = collections.Counter(r["state"] for r in rows if r["state"] not in SENT)
        self.line("未了结 not at rest", sum(rest[s] for s in ("queued", "claimed", "submitted")), 0,
                  "应为零", not any(rest[s] for s in ("queued", "claimed", "submitted")),
                  " ".join(f"{s} {n}" for s, n in sorted(rest.items())))

    def sms_in(self):
        rows = self.world.api("GET", "/v1/sms?dir=in&limit=100000")["sms"]
        theirs = collections.Counter((e["from"][-3:], e["text"]) for e in self.world.modem.book()
                                     if e["event"] == "inbound")
        erased = [r for r in rows if not r["text"]]
        ours = collections.Counter((r["number"][-3:], r["text"]) for r in rows if r["text"])
        # lost: in the network's book and not in ours
        extra, lost = self.without_erased(ours, theirs, erased)
        self.line("收到短信 received", len(rows), sum(theirs.values()), "移动网络",
                  lost == 0 and extra == 0, f"丢失 lost {lost}，重复 doubled {extra}，"
                  f"按退订清除正文 erased {len(erased)}")
        left = self.world.modem.stats()["inbound_waiting"]
        self.line("卡上未取 left on the SIM", left, 0, "应为零", left == 0)

    # --- events against the broker and the devices ---

    def broker(self):
        log = self.world.broker.log_text()
        received = len(re.findall(r"Received PUBLISH from (?:FT|SOS)\w+ \(d\d, q\d, r0.*"
                                  r"(?:/Rec|/evt)'", log))
        self.line("设备上报 published", self.devices_published, received, "MQTT 代理的日志",
                  self.devices_published == received, "含终端重发 repeats included")
        stored = self.world.replica("SELECT id FROM device_event WHERE kind NOT LIKE 'presence%'")
        missing = set(self.events) - {r["id"] for r in stored}
        self.line("事件入库 events", len(stored), len(set(self.events)), "设备", not missing and
                  len(stored) == len(set(self.events)), f"丢失 lost {len(missing)}")

    # --- rows against the county ---

    def county(self):
        status = self.world.api("GET", "/v1/sync")
        self.line("待传 pending", status["pending"], 0, "应为零", status["pending"] == 0)
        self.line("隔离 quarantined", status["quarantined"], 0, "应为零",
                  status["quarantined"] == 0)
        different = same_rows(self.world)
        for name, chinese in COMPARED.items():
            count = f"SELECT count(*) n FROM {name} WHERE scope='S0117'"
            ours, theirs = self.world.replica(count)[0]["n"], self.world.county_rows(count)[0]["n"]
            self.line(f"{chinese} {name}", ours, theirs, "县局数据库", ours == theirs and not any(
                d.startswith(f"{name}:") for d in different))
        self.problems += different

    def check(self):
        self.sms_out()
        self.sms_in()
        self.broker()
        self.county()
        print("\n── 对账：本站账本与各方账本 · the station's book against everybody else's")
        for what, ours, theirs, whose, ok, note in self.lines:
            head = what + " " * max(1, 26 - width(what))
            print(f"  {'✓' if ok else '✗'} {head}{ours!s:>6} | {theirs!s:<6} {whose}  {note}".rstrip())
            if "copies" in what and self.copies:
                print("\n".join(self.copies))
        for problem in self.problems:
            print(f"  ✗ {problem}")
        print("  ✓ 账目全部相符 (all books agree)" if not self.problems else
              f"  ✗ {len(self.problems)} 处不符 (books differ)")
        return not self.problems
