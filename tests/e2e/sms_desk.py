#!/usr/bin/env python3
"""The operator's side of messages, on a whole station: what nobody understood is answered, sending
is paused, a message cancelled, the modem is away for two hours while an alarm is open, people ring.
At the end the numbers and texts that were planted are looked for, in every form that they take on
the way, in all that the station left behind: log, database with its free pages, backups, and the
bundle for whoever helps from afar.

sms_desk.py --build BUILD_DIR [--make quectel]
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from parts import Failed, wait_for
from world import World

STRANGER, STRANGER_WROTE = "+8613912345678", "西瓜橙子苹果canary甲"
OTHER, OTHER_HEARS = "+8613787654321", "白菜萝卜豆角canary乙"
CALLER = "+8613598765432"
LEADER = "+8610000011001"
HOUR_MS = 3600 * 1000


def must(condition, what):
    if not condition:
        raise Failed(what)


def told(world, number, part):
    return [m for m in world.modem.messages() if m["to"] == number and part in m["text"]]


def until_told(world, number, part):
    return wait_for(f"{part} to {number[-3:]}", lambda: told(world, number, part) or None, 60)


def desk(world, kind):
    return [i for i in world.api("GET", "/v1/desk")["items"] if i["kind"] == kind]


def finding(world, code):
    return [f for f in world.api("GET", "/v1/check")["findings"] if f["code"] == code]


def answer_a_letter(world):
    world.modem.inbound(STRANGER, STRANGER_WROTE)
    wait_for("the text on the desk", lambda: desk(world, "text") or None)
    inbox = world.touyan("sms", "inbox")
    must(STRANGER_WROTE in inbox and "放学" in inbox, f"no suggestion: {inbox}")
    must(STRANGER[1:] not in inbox, "the number is not masked")
    item = desk(world, "text")[0]["id"]
    world.touyan("sms", "answer", item, "1")
    until_told(world, STRANGER, "报警打110")
    must(not desk(world, "text"), "answered and still open")


def pause_and_cancel(world):
    world.touyan("sms", "pause")
    queued = world.touyan("sms", "send", OTHER, OTHER_HEARS).split()[-1]
    dropped = world.touyan("sms", "send", OTHER, "不发的").split()[-1]
    must("已暂停" in world.touyan("sms", "show", queued), "the reason is not shown")
    must(finding(world, "sms_paused"), "check does not say that sending is paused")
    world.settle()
    must(not told(world, OTHER, "白菜"), "sent while paused")
    world.touyan("sms", "cancel", dropped)
    world.touyan("sms", "resume")
    until_told(world, OTHER, OTHER_HEARS)
    must(not told(world, OTHER, "不发的"), "cancelled and sent")
    must(not finding(world, "sms_paused"), "still paused")


def ring(world):
    world.modem.command(cmd="ring", **{"from": CALLER}, ms=100)
    world.modem.command(cmd="ring", **{"from": LEADER}, ms=100)
    until_told(world, LEADER, "不接听")
    must(desk(world, "ring"), "a person of the roster rang, and the desk does not know")
    must(not told(world, CALLER, ""), "a stranger who rang was answered")


def press(world, button, record):
    button.publish("sc/S0117/S17/E/SOS1701/evt",
                   {"id": record, "ts": world.clock.now(), "k": "sos"})


def alarm_rings(world, button):
    press(world, button, "1-1")
    code = until_told(world, LEADER, "出警")[0]["text"].split("编号")[1][:4]
    wait_for("the leader's telephone", lambda: [
        e for e in world.modem.book() if e["event"] == "call" and e["to"] == LEADER] or None)
    world.modem.inbound(LEADER, f"出警{code}")
    until_told(world, LEADER, f"{code}由您出警")
    world.modem.inbound(LEADER, f"解除{code}")
    until_told(world, LEADER, f"{code}已解除")
    world.settle()


def modem_away(world, button):
    """Two hours without a modem, and an alarm in the first minute."""
    world.settle()
    world.modem.unplug()
    wait_for("the modem to be missed",
             lambda: world.api("GET", "/v1/status")["modems"][0]["state"] == "down" or None)
    must("不正常" in world.touyan("status"), "status does not say since when")
    before = len(world.modem.messages())
    press(world, button, "1-2")
    wait_for("the alarm", lambda: world.replica(
        "SELECT 1 FROM alarm WHERE state = 'open'") or None)
    world.run_until(world.clock.now() + 2 * HOUR_MS)
    late = world.touyan("sms", "send", OTHER, "还有用的").split()[-1]
    must("没有可用的短信猫" in world.touyan("sms", "show", late), "no reason while no modem works")
    world.modem.plug()
    until_told(world, OTHER, "还有用的")
    unsent = wait_for("what was not sent", lambda: desk(world, "unsent") or None)
    must("报警" in unsent[0]["text"], f"the alarm is not told: {unsent}")
    expired = world.replica("SELECT count(*) n FROM outbox WHERE state = 'expired' AND prio = 0")
    must(expired[0]["n"] > 0, "no alarm text ran out")
    must(all("紧急" not in m["text"] for m in world.modem.messages()[before:]),
         "an alarm of two hours ago was sent")
    must(finding(world, "alarm_unsent"), "check does not say that an alarm was not sent")


def forms(number, text):
    """Everything that a number and a text look like on their way."""
    digits = number[1:]
    swapped = "".join(b + a for a, b in zip(*[iter(digits + "F" * (len(digits) % 2))] * 2))
    wide = text.encode("utf-16-be")
    hexes = [swapped, wide.hex()]
    return [digits[2:].encode(), text.encode(), wide, bytes.fromhex(swapped)] + [
        f(h).encode() for h in hexes for f in (str.upper, str.lower)]


def search(world):
    """Not in what the network itself wrote down: its book and its log are the other side's."""
    clear = [f for pair in ((STRANGER, STRANGER_WROTE), (OTHER, OTHER_HEARS), (CALLER, "乙"))
             for f in forms(*pair) if len(f) > 6]  # shorter ones are everywhere
    theirs = {world.modem.book_path, world.modem.log_path}
    seen, found = 0, []
    for path in sorted(world.folder.rglob("*")):
        if not path.is_file() or path in theirs:
            continue
        data = path.read_bytes()
        seen += 1
        found += [f"{path.name}: {form!r}" for form in clear if form in data]
    must(not found, "in the clear: " + "; ".join(found))
    backups = list((world.folder / "backup").iterdir())
    must(backups and seen > 8, f"{seen} files and {len(backups)} backups are too few to look at")
    book = world.modem.book_path.read_bytes()  # the search would find them where they are
    must(all(f in book for f in (forms(STRANGER, STRANGER_WROTE)[0], OTHER_HEARS.encode())),
         "what was planted never came by")
    must("at.trouble" in world.gateway.log_text(), "no AT lines in the log to look at")
    return seen


def bundle(world):
    """For whoever helps from afar: into the folder that is searched at the end."""
    text = world.touyan("support-bundle")
    (world.folder / "bundle.json").write_text(text)
    got = json.loads(text)
    must(got["status"]["modems"] and got["check"]["findings"] and got["log"] and got["config"],
         "the bundle lacks something")
    must(got["tables"]["inbox"] > 0 and got["schema"] > 0, "the bundle counts nothing")


def quiet_hours(world):
    """One number sleeps in the afternoon; everybody else does not."""
    world.touyan("sms", "quiet", OTHER, "12:00-18:00")
    must("12:00-18:00" in world.touyan("sms", "quiet"), "it is not listed")
    world.touyan("sms", "quiet", OTHER, "default")
    must("12:00" not in world.touyan("sms", "quiet"), "it is still listed")


def play(world):
    world.up()
    button = world.device("SOS1701")
    quiet_hours(world)
    answer_a_letter(world)
    pause_and_cancel(world)
    ring(world)
    alarm_rings(world, button)
    modem_away(world, button)
    world.modem.inbound(STRANGER, "退订")  # its pages are free now
    until_told(world, STRANGER, "已退订")
    world.run_until(world.clock.now() + 14 * HOUR_MS)  # over the nightly backup
    bundle(world)
    wait_for("the backup", lambda: list((world.folder / "backup").iterdir()) or None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--make", default="")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-desk-"))
    world = World(folder, args.build.resolve() / "bin", start="2026-09-08 14:00",
                  devices=("SOS1701",), make=args.make)
    try:
        play(world)
        world.kill_gateway()  # with its log of the database as it stands
        print(f"sms_desk: {search(world)} files, nothing in the clear")
    except (Failed, subprocess.SubprocessError) as failed:
        print(f"sms_desk: {failed}\n{world.gateway.log_text()[-3000:]}", file=sys.stderr)
        sys.exit(1)
    finally:
        world.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


main()
