#!/usr/bin/env python3
"""An afternoon of the leader: a plan is written, signed and started by text; a spot inspection finds
something; officers sign in to a training; a school enters a volunteer who consents; the month is
counted. A real modem, the operator's commands, the same cards at the county.

cards.py --build BUILD_DIR
"""

import csv
import io
import re
import shutil
import sys

from parts import DATA, Failed, ms_of, table, wait_for
from world import tell

PHONES = {p["name"]: p["phone"] for p in table("person")}
NEW = "+8610000099001"  # 周敏, whom no list has


def must(holds, what):
    if not holds:
        raise Failed(what)


def text(world, who, body):
    world.modem.inbound(PHONES.get(who, who), body)


def told(world, who, words):
    """The newest text to this person that has these words, when it has come."""
    def newest():
        texts = [m["text"] for m in world.modem.messages()
                 if m["to"] == PHONES.get(who, who) and words in m["text"]]
        return texts[-1] if texts else None
    return wait_for(f"{who} to hear {words}", newest, 30)


def plan(world):
    code = world.touyan("card", "put", "plan", "大雨疏导", "by=L0117", "school=S17", "type=疏导",
                        "steps=封闭东门辅道；家长改走北门").strip()
    world.touyan("card", "do", "sign", code, "L0117")
    world.touyan("card", "do", "sign", code, "P1716")
    must("已签" in world.touyan("card", "list", "plan", "school=S17"), "the plan is not signed")
    text(world, "王建国", "方案S17")
    number = re.search(r"启动(\d{4})", told(world, "王建国", "大雨疏导")).group(1)
    text(world, "王建国", f"启动{number}")
    told(world, "王建国", "已启动")
    must("家长改走北门" in told(world, "阿拉坦其木格", "启动方案"), "the post does not know what to do")
    text(world, "王建国", f"停用{number}")
    told(world, "阿拉坦其木格", "按平时执勤")
    story = [e["what"] for e in world.api("GET", f"/v1/cards/{code}")["story"]]
    must(sorted(story) == ["made", "signed", "signed", "started", "stopped"], str(story))


def inspection(world):
    code = world.touyan("card", "put", "checklist", "执勤标准", "by=L0117",
                        "items=着装规范；反光背心；盾牌钢叉在位").strip()
    must(len(world.touyan("card", "draw").split()) == 2, "no post was drawn")
    world.touyan("card", "do", "inspect", code, "G0117A", "school=S17", "failed=3")
    issues = world.api("GET", "/v1/ledger")["issues"]
    must([i["title"] for i in issues] == ["执勤标准：盾牌钢叉在位"], str(issues))


def training(world):
    world.touyan("card", "put", "training", "交通指挥手势", "by=L0117", "school=S17",
                 "due=2026-09-08", "clock=17:45", "skill=交通指挥", "months=24")
    world.run_until(ms_of("2026-09-08", "16:46"))
    told(world, "孙杰", "17:45交通指挥手势")
    text(world, "孙杰", "签到")
    told(world, "孙杰", "签到已记")
    certs = world.api("GET", "/v1/cards?kind=cert")["cards"]
    must([(c["person"], c["name"], c["due"]) for c in certs] == [("孙杰", "交通指挥", "2028-09-08")],
         str(certs))


def volunteer(world):
    world.touyan("volunteer", "add", "S17", "parent", "周敏", NEW, "P1716")
    must(NEW not in world.touyan("volunteer", "list"), "a number in clear")
    entry = world.api("GET", "/v1/volunteers")["volunteers"][0]["id"]
    world.touyan("volunteer", "approve", entry, "L0117")
    told(world, NEW, "同意请回1")
    text(world, NEW, "1")
    told(world, NEW, "已记下您同意")
    lines = world.touyan("volunteer", "export").splitlines()
    must(len(lines) == 2 and "周敏" in lines[1], str(lines))
    people = world.folder / "list" / "person.csv"  # the county's list with this line
    shutil.copytree(DATA / "county", people.parent)
    people.write_text(people.read_text() + lines[1].strip() + "\n")
    world.county_tool("import", people.parent)
    wait_for("the county's word on 周敏", lambda: world.replica(
        "SELECT 1 FROM person WHERE name = '周敏' AND school_id = 'S17'") or None, 60)
    must(len(world.touyan("volunteer", "export").splitlines()) == 1, "exported once more")


def accounts(world):
    text(world, "阿拉坦其木格", "到岗")
    told(world, "阿拉坦其木格", "到岗已记")
    text(world, "马杰", "到岗")
    told(world, "马杰", "到岗已记")
    world.run_until(ms_of("2026-09-08", "17:26"))
    for who in ("马杰", "阿拉坦其木格"):
        text(world, who, "离岗")
        told(world, who, "离岗已记")
    account = world.api("GET", "/v1/account?month=2026-09")
    must(account["person_times"] == 2 and account["officer_times"] == 1, str(account))
    must(account["officer_minutes"] == 40 and account["inspections"] == 1, str(account))
    must(account["attended"] == 1 and account["plans_started"] == 1, str(account))
    must(world.api("GET", "/v1/account?month=2026-08")["person_times"] == 0, "August had duties")
    again = world.api("GET", "/v1/account?month=2026-09")
    del account["as_of"], again["as_of"]  # when the county was last heard
    must(account == again, f"counted twice, two answers: {account} {again}")
    hours = world.touyan("account", "hours", "2026-09")
    must(hours.startswith("\ufeff"), "a spreadsheet would not know that this is UTF-8")
    rows = list(csv.reader(io.StringIO(hours.lstrip("\ufeff"))))
    must(len(rows) == 2 and rows[1][0] == "马杰" and rows[1][6] == "0.66", str(rows))
    must("马杰" not in world.touyan("account", "people", "2026-09"), "volunteers are not ranked")
    sheet = world.touyan("account", "sheet", "2026-09", "P1701")
    must("阿拉坦其木格" in sheet and "已完成" in sheet, sheet)
    for words in (("sheet", "2026-09", "没有这人"), ("month", "2026-13"), ("export", "上月")):
        try:
            world.touyan("account", *words)
            raise AssertionError(f"{words}: no problem")
        except Failed:
            pass
    must("出动人次" in world.touyan("account", "export", "2026-09"), "no figures")


def play(world):
    world.up()
    wait_for("the county's rows", lambda: world.api("GET", "/v1/sync")["caught_up"] or None, 60)
    world.settle()
    plan(world)
    inspection(world)
    volunteer(world)
    training(world)
    accounts(world)
    must("天" in world.touyan("privacy"), "nothing says how long what is kept")
    for sql in ("SELECT code, kind, name, state, due_on, body FROM card ORDER BY id",
                "SELECT what, person_id, school_id, detail FROM card_event ORDER BY at, id"):
        wait_for("the county's cards",
                 lambda: world.county_rows(sql) == world.replica(sql) or None, 60)
    print(f"cards: {len(world.api('GET', '/v1/cards')['cards'])} cards, equal at both ends")


if __name__ == "__main__":
    sys.exit(tell("cards", play, "2026-09-08 16:10", ("SOS17E",)))
