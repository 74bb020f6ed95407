#!/usr/bin/env python3
"""A problem at a school, from a volunteer's text to the second person's word: a real modem, the
operator's commands, the senior officer's answer, and the same books at the county.

ledger.py --build BUILD_DIR
"""

import sys

from parts import Failed, table, wait_for
from world import tell

PHONES = {p["name"]: p["phone"] for p in table("person")}


def must(holds, what):
    if not holds:
        raise Failed(what)


def text(world, name, body):
    world.modem.inbound(PHONES[name], body)


def told(world, name, words):
    """The newest text to this person that has these words, when it has come."""
    def newest():
        texts = [m["text"] for m in world.modem.messages()
                 if m["to"] == PHONES[name] and words in m["text"]]
        return texts[-1] if texts else None
    return wait_for(f"{name} to hear {words}", newest, 30)


def play(world):
    world.up()
    wait_for("the county's rows", lambda: world.api("GET", "/v1/sync")["caught_up"] or None, 60)
    world.settle()
    text(world, "李娜", "隐患 S17 东门路灯坏了，电话13812345678")
    told(world, "李娜", "已登记")
    issues = world.api("GET", "/v1/ledger")["issues"]
    must(len(issues) == 1 and issues[0]["school_code"] == "S17", str(issues))
    must("138123" not in issues[0]["title"] and "路灯" in issues[0]["title"], str(issues))
    code = issues[0]["code"]
    must(code in world.touyan("ledger", "list", "S17"), "not in the list")
    world.touyan("ledger", "assign", code, "城管", "2026-09-20", "王建国")
    text(world, "王建国", "台账S17")
    must("城管" in told(world, "王建国", "台账未结1"), "the department is not in the list")
    text(world, "王建国", f"销号{code}")
    told(world, "王建国", "待另一人复核")
    text(world, "王建国", f"销号 {code}")  # the same words at the same second would be one text
    told(world, "王建国", "须由另一人复核")
    told(world, "陈国栋", "报已整改")
    text(world, "陈国栋", f"销号{code}")
    told(world, "陈国栋", "已复核销号")
    told(world, "李娜", "已整改销号")
    one = world.api("GET", f"/v1/ledger/{code}")
    must("李娜" in world.touyan("ledger", "show", code), "the story names nobody")
    sheet = world.touyan("ledger", "print", "S17")
    must("签字" in sheet and sheet.startswith("突泉县第二实验小学"), sheet)
    must("复核销号" in world.touyan("ledger", "show", code), "an English story")
    must([e["what"] for e in one["story"]] == ["found", "assign", "fix", "verify"], str(one))
    for mend, says in ((lambda: world.api("POST", "/v1/ledger", {"act": "fix", "code": code,
                                                                "by": "王建国"}), "409"),
                       (lambda: world.touyan("ledger", "print", "S99"), "没有“S99”这所学校"),
                       (lambda: world.touyan("ledger", "fix", code, "王建国"), "现在是“已销号”")):
        try:
            mend()
            raise AssertionError("a closed issue was mended")
        except Failed as refused:
            must(says in str(refused), str(refused))
    same = "SELECT code, school_id, state, title, dept_id, due_on, fixed_by FROM issue"
    wait_for("the county's copy",
             lambda: world.county_rows(same) == world.replica(same) or None, 60)
    events = "SELECT what, person_id, detail FROM issue_event ORDER BY at, id"
    wait_for("the county's story",
             lambda: world.county_rows(events) == world.replica(events) or None, 60)
    print(f"ledger: {code} found, mended, verified; {len(one['story'])} events at both ends")


if __name__ == "__main__":
    sys.exit(tell("ledger", play, "2026-09-08 14:00", ("SOS17E",)))
