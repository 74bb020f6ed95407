#!/usr/bin/env python3
"""One school day at six schools of the police station 城东派出所, with real programs and only the
mobile network simulated. Tells the day as a duty officer would see it, then checks the account
against the books of the network, the broker and the county. Exit 1 when anything differs.

demo.py --build BUILD_DIR [--keep]
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time

from parts import Failed, Mqtt, clock_of, ms_of, table, wait_for
from account import Account
from world import STATION, World

MONDAY, TUESDAY = "2026-09-07", "2026-09-08"
PARENT, STRANGER = "+8610000019001", "+8610000019002"
LEADER, SENIOR_17, SENIOR_14 = "王建国", "陈国栋", "巴图孟克"
DECLINES, SILENT, MISSING = "哈斯", "杨桂兰", "孙军"


class Story:
    """Prints what happens; long runs of the same kind of message are told once with their count."""

    def __init__(self, world):
        self.world = world
        self.names = {p["phone"]: p["name"] for p in table("person")}
        self.names.update({PARENT: "一位家长", STRANGER: "陌生号码"})
        self.seen = 0
        self.run = (None, 0, "")
        self.listeners = []

    def chapter(self, chinese, english):
        self.flush()
        print(f"\n── {chinese} · {english}")

    def line(self, mark, who, what):
        self.flush()
        self._print(mark, who, what)

    def _print(self, mark, who, what):
        print(f"{clock_of(self.world.clock.now())[:5]}  {mark} {who}  {what}", flush=True)

    def flush(self):
        kind, count, _ = self.run
        if count > SHOWN:
            print(f"       … 同类短信共 {count} 条 (the same to {count} people)", flush=True)
        self.run = (None, 0, "")

    def sent(self, event):
        """An SMS that the network accepted from the station."""
        name = self.names.get(event["to"], event["to"][-3:].rjust(6, "*"))
        kind = re.sub(r"[0-9:]+", "", event["text"].split("，")[-1])
        if kind != self.run[0]:
            self.flush()
            self.run = (kind, 0, "")
        self.run = (kind, self.run[1] + 1, "")
        if self.run[1] <= SHOWN:
            self._print("→", name, event["text"])
        for listener in self.listeners:
            listener(event["to"], name, event["text"])

    def watch(self):
        messages = self.world.modem.messages()
        for event in messages[self.seen:]:
            self.sent(event)
        self.seen = len(messages)


SHOWN = 2


class People:
    """Volunteers, officers and parents: they read their SMS and do what people do."""

    YES = ["1", "１", "确认", "能来", "收到", "可以", "1", "我來"]

    def __init__(self, world, story):
        self.world, self.story = world, story
        self.phone_of = {p["name"]: p["phone"] for p in table("person")}
        self.random = random.Random(7)
        self.offer_codes = {}
        self.alarm_code = None
        self.dispatched = False
        self.answered = set()
        story.listeners.append(self.read)

    def text(self, name, body, told=True):
        """A person sends an SMS to the station."""
        number = self.phone_of.get(name, name)
        if told:
            self.story.line("←", self.story.names.get(number, number), body)
        self.world.modem.inbound(number, body)

    def later(self, minutes, name, body, told=True):
        self.world.at(self.world.clock.now() + int(minutes * 60000),
                      lambda: self.text(name, body, told))

    def read(self, number, name, text):
        if "请在数字后加编号" in text:
            for minute, code in enumerate(re.findall(r"\d{4}(?= 周)", text), 1):
                self.later(minute, name, f"1 {code}", told=name == "李娜")
        elif "明天" in text or "2\" cannot" in text:
            self.answer_reminder(name)
        elif m := re.search(r"接(\d{4})", text):
            self.answer_offer(name, m.group(1))
        elif "报警" in text and (m := re.search(r"出警(\d{4})", text)):
            self.alarm_code = m.group(1)
        elif name == SENIOR_14 and not self.dispatched and (m := re.search(r"派(\d{4})", text)):
            self.dispatched = True
            self.later(1, name, f"派{m.group(1)}")

    def answer_reminder(self, name):
        if name in self.answered:
            return  # one answer to two reminders: the station asks which one is meant
        self.answered.add(name)
        if name == DECLINES:
            self.later(20, name, "２ 孩子发烧了")
        elif name != SILENT:
            answer = self.random.choice(self.YES)
            self.later(self.random.uniform(1, 40), name, answer, told=len(self.answered) % 8 == 0)

    def answer_offer(self, name, code):
        first = code not in self.offer_codes
        self.offer_codes.setdefault(code, []).append(name)
        if first or len(self.offer_codes[code]) == 2:
            self.later(3 if first else 5, name, f"接{code}")
            if first and self.world.clock.now() > self.world.peak_start:
                self.later(9, name, "到岗")


class Gates:
    """Face terminals and SOS buttons at the gates."""

    def __init__(self, world, story):
        self.world, self.story = world, story
        self.badges = {(b["device_id"], b["person_id"]): b["number"] for b in table("badge")}
        self.terminals, self.record = {}, 100
        self.published = 0  # messages that the devices handed to the broker
        self.events = []    # what must be in the station's book, each once

    def terminal(self, device):
        if device not in self.terminals:
            t = Mqtt(self.world.mqtt_port, device, device, self.world.device_password(device))
            t.subscribe(f"mqtt/face/{device}")
            self.world.connections.append(t)
            self.terminals[device] = t
        return self.terminals[device]

    def face(self, device, person, name, tries=30):
        """A face is recognised; the terminal repeats its record until the station has stored it."""
        self.record += 1
        record = self.record
        now = self.world.clock.now()
        payload = {"operator": "RecPush", "info": {
            "customId": person, "personId": self.badges[(device, person)], "RecordID": str(record),
            "VerifyStatus": "1", "PersonType": "0", "similarity1": "94.0", "Sendintime": 1,
            "personName": "", "facesluiceId": device,
            "time": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now / 1000 + 8 * 3600)),
            "PushType": 0, "pic": "data:image/jpeg;base64," + "A" * 4000}}
        self.events.append(f"{device}:{record}@{payload['info']['time']}")
        self.story.line("◎", f"{device} 人脸机", f"认出 {name}")
        self.repeat(device, record, payload, tries)

    def repeat(self, device, record, payload, tries):
        terminal = self.terminal(device)
        for _ in range(tries):
            terminal.publish(f"mqtt/face/{device}/Rec", payload, qos=0)
            self.published += 1
            try:
                topic, answer = terminal.wait_message(1)
            except OSError:
                continue
            if json.loads(answer)["info"].get("SnapOrRecordID") == record:
                return
        raise Failed(f"{device} got no acknowledgement for record {record}")

    def press(self, device, school, gate):
        button = self.world.device(device, school, gate)
        self.story.line("‼", f"{device} 报警按钮", "被按下")
        button.publish(f"sc/{STATION}/{school}/{gate}/{device}/evt",
                       {"id": f"1-{self.record}", "ts": self.world.clock.now(), "k": "sos"})
        self.published += 1
        self.events.append(f"{device}:1-{self.record}")


def morning_checkins(world, people, gates):
    """From 07:05 the people of the six schools arrive; at two schools the terminal knows them."""
    persons = {p["id"]: p for p in table("person")}
    posts = {p["id"]: p for p in table("post")}
    taken = set(world.taken_over)
    for i, a in enumerate(table("assignment")):
        if a["scope"] != STATION or not a["shift_id"].endswith(f"{TUESDAY}.{world.peak}"):
            continue
        person, post = persons[a["person_id"]], posts[a["shift_id"].split(".")[0]]
        if person["name"] in (DECLINES, MISSING) and world.peak == "am" or \
                person["name"] == "李娜" and world.peak == "noon":
            continue
        when = world.peak_start - (15 * 60000) + (i % 12) * 61000
        device = {"S14": "FT1401", "S17": "FT1701", "S16": "FT1601"}.get(post["school_id"])
        if device and i % 2 == 0:
            world.at(when, lambda d=device, p=person: gates.face(d, p["id"], p["name"]))
        else:
            world.at(when, lambda p=person: people.text(p["name"], "到岗", told=False))
    for name in taken:
        world.at(world.peak_start - 9 * 60000, lambda n=name: people.text(n, "到岗"))


def checkouts(world, people, when):
    persons = {p["id"]: p for p in table("person")}
    for i, a in enumerate(table("assignment")):
        if a["scope"] == STATION and a["shift_id"].endswith(f"{TUESDAY}.{world.peak}"):
            name = persons[a["person_id"]]["name"]
            if not (name in (DECLINES, MISSING) and world.peak == "am"):
                world.at(when + (i % 10) * 20000, lambda n=name: people.text(n, "离岗", told=False))


def start_peak(world, peak, start):
    world.peak, world.peak_start = peak, ms_of(TUESDAY, start)
    world.taken_over = []


def monday(world, story, people):
    story.chapter("周一 15:00 建站：用一次性代码登记，从县里取回学校、人员、排班",
                  "Monday: the station enrols with a one-time code and fills from the county")
    wait_for("the roster from the county",
             lambda: world.replica("SELECT count(*) n FROM assignment")[0]["n"] > 40, 60)
    world.run_until(ms_of(MONDAY, "17:59"))
    story.chapter("周一 18:00 前一晚提醒与答复", "evening reminders and answers; one declines, a stand-in takes over")
    world.run_until(ms_of(MONDAY, "19:30"))


def tuesday_morning(world, story, people, gates):
    story.chapter("周二 06:30 当日提醒；06:40 县里链路中断", "morning reminders; the county link is cut at 06:40")
    start_peak(world, "am", "07:20")
    world.taken_over = [n[0] for c, n in people.offer_codes.items()]
    world.run_until(ms_of(TUESDAY, "06:40"))
    world.link.cut()
    story.line("✂", "县里链路", "断开（直到 17:00）")
    morning_checkins(world, people, gates)
    checkouts(world, people, ms_of(TUESDAY, "08:10"))
    world.run_until(ms_of(TUESDAY, "07:22"))
    story.chapter("周二 07:23 一人未到：本人 → 所长 → 高级警长", "one guard does not turn up: person, leader, senior officer")
    world.run_until(ms_of(TUESDAY, "07:32"))
    story.chapter("周二 07:32 东门报警按钮，链路仍断", "panic button at 07:32, the link still down")
    gates.press("SOS1701", "S17", "E")
    world.run_until(ms_of(TUESDAY, "07:34", ) + 30000)
    senior_acts(world, people)


def senior_acts(world, people):
    if people.alarm_code is None:
        raise Failed("nobody was told of the alarm")
    people.text(SENIOR_17, f"出警{people.alarm_code}")
    people.later(9, SENIOR_17, f"解除{people.alarm_code}")
    world.run_until(ms_of(TUESDAY, "07:49"))


def modem_trouble(world, story, people):
    story.chapter("周二 07:50 短信猫被拔下，07:58 插回", "the modem is unplugged and plugged in again")
    world.modem.unplug()
    story.line("✂", "短信猫", "拔下")
    people.text(PARENT, "放学S17")
    time.sleep(0.5)
    world.clock.set(ms_of(TUESDAY, "07:58"))
    world.modem.plug()
    story.line("⏚", "短信猫", "插回")
    wait_for("the answer after the modem came back",
             lambda: any(m["to"] == PARENT for m in world.modem.messages()), 60)
    world.run_until(ms_of(TUESDAY, "08:30"))


def noon_with_a_kill(world, story, people, gates):
    story.chapter("周二 09:40 中午岗提醒", "reminders for noon")
    world.run_until(ms_of(TUESDAY, "11:24"))
    story.chapter("周二 11:25 中午到岗时主机被断电重启（SIGKILL）", "the gateway is killed with SIGKILL while people check in")
    start_peak(world, "noon", "11:40")
    morning_checkins(world, people, gates)
    checkouts(world, people, ms_of(TUESDAY, "12:20"))
    world.run_until(ms_of(TUESDAY, "11:27"))
    people.text("李娜", "到岗")
    world.kill_gateway()
    story.line("✂", "主机", "SIGKILL")
    people.text(STRANGER, "放学 第二实验小学")
    time.sleep(0.3)
    world.start_gateway()
    story.line("⏚", "主机", "重新启动，从数据库接着做")
    world.run_until(ms_of(TUESDAY, "12:40"))


def parents(world, story, people):
    story.chapter("周二 14:00 家长来信", "parents' queries")
    for i, (who, what) in enumerate([(PARENT, "查询S17"), (PARENT, "几点放学"),
                                     (STRANGER, "你好请问明天要带什么"), (STRANGER, "报警"),
                                     (PARENT, "退订")]):
        world.at(ms_of(TUESDAY, "14:00") + i * 120000, lambda w=who, t=what: people.text(
            w, t))
    world.run_until(ms_of(TUESDAY, "15:00"))


def afternoon(world, story, people, gates):
    story.chapter("周二 16:25 下午到岗；17:00 链路恢复，补传", "afternoon; the link is back at 17:00, catch-up")
    start_peak(world, "pm", "16:40")
    morning_checkins(world, people, gates)
    world.run_until(ms_of(TUESDAY, "17:00"))
    pending = world.api("GET", "/v1/sync")["pending"]
    world.link.restore()
    world.api("POST", "/v1/sync/now", {})
    story.line("⏚", "县里链路", f"恢复，待传 {pending} 条")
    checkouts(world, people, ms_of(TUESDAY, "17:30"))
    world.run_until(ms_of(TUESDAY, "17:45"))


def play(world):
    story = Story(world)
    people = People(world, story)
    gates = Gates(world, story)
    world.watchers.append(story.watch)
    start_peak(world, "am", "07:20")
    monday(world, story, people)
    tuesday_morning(world, story, people, gates)
    modem_trouble(world, story, people)
    noon_with_a_kill(world, story, people, gates)
    parents(world, story, people)
    afternoon(world, story, people, gates)
    story.flush()
    return Account(world, gates.published, gates.events, interrupted=2)  # a kill, an unplugging


def keep(world):
    print(f"""
一切仍在运行 (everything keeps running). 按回车结束 (press Enter to end).
  export PATH={world.bin}:$PATH TOUYAN_SOCKET={world.folder}/touyan.sock
  touyan status
  touyan sms simulate 13800000001 "放学S17"
  touyan sms list
  mosquitto_pub -h 127.0.0.1 -p {world.mqtt_port} -i SOS1702 -u SOS1702 -P {world.device_password("SOS1702")} \\
     -q 1 -t sc/{STATION}/S17/N/SOS1702/evt -m '{{"id":"9-1","k":"sos"}}'
""")
    try:
        input()
    except (EOFError, KeyboardInterrupt):
        pass


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, default=os.environ.get("TOUYAN_BUILD"),
                       required="TOUYAN_BUILD" not in os.environ)
    words.add_argument("--keep", action="store_true")
    words.add_argument("--folder", type=pathlib.Path)
    args = words.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"
    folder = args.folder or pathlib.Path(tempfile.mkdtemp(prefix="touyan-demo-"))
    began = time.monotonic()
    world = World(folder, bin_dir, f"{MONDAY} 15:00", per_hour=150,
                  devices=[d["id"] for d in table("device") if d["scope"] == STATION])
    ok = False
    try:
        world.up()
        ok = play(world).check()
        print(f"\n用时 {time.monotonic() - began:.0f} s，演的是 {MONDAY} 15:00 至 {TUESDAY} 17:45")
        if args.keep:
            keep(world)
        world.down()
    except Failed as problem:
        print(f"\n✗ {problem}\n  日志 logs: {folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        world.kill_all()
    if ok and not args.folder:
        shutil.rmtree(folder)
    elif not ok:
        print(f"  日志 logs: {folder}", file=sys.stderr)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
