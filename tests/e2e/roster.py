#!/usr/bin/env python3
"""A station plans its next week: the county's data, a draft, the difference, its publication, the
texts to the people concerned and the rows at the county.

roster.py --build BUILD_DIR
"""

import argparse
import csv
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from parts import Failed, wait_for
from world import STATION, World

WEEK = "2026-09-14"


def must(holds, what):
    if not holds:
        raise Failed(what)


def roster(world, *words, code=0):
    done = subprocess.run([str(world.bin / "touyan"), "--socket", str(world.folder / "touyan.sock"),
                           "roster", *words], capture_output=True, text=True, check=False,
                          env=dict(os.environ, NO_COLOR="1", TOUYAN_LANG="zh"))
    must(done.returncode == code, f"roster {words}: {done.returncode} {done.stdout}{done.stderr}")
    return done.stdout


def published(rows_of):
    return rows_of("SELECT count(*) AS n FROM assignment a JOIN shift s ON s.id = a.shift_id"
                   " WHERE s.date >= ? AND a.state <> 'cancelled'", WEEK)[0]["n"]


def play(world):
    world.up()
    wait_for("the county's rows", lambda: world.api("GET", "/v1/sync")["caught_up"] or None, 60)
    world.settle()
    before = len(world.modem.messages())
    roster(world, "diff", code=1)  # no draft yet
    roster(world, "publish", code=1)
    roster(world, "plan", "2026-09-31", code=64)
    roster(world, "plan", "2026-08-31", code=64)  # over
    text = roster(world, "plan")
    must(WEEK in text and "处变动" in text, text)
    draft = world.api("GET", "/v1/roster")
    must(draft["week"] == WEEK and draft["added"] == draft["changes"] > 50, str(draft)[:300])
    must(not draft["calendar_known"] or draft["shifts"], "no shifts")
    seen = set()
    for shift in draft["shifts"]:
        must(len(shift["people"]) <= shift["need"], str(shift))
        must((shift["why"] is not None) == (len(shift["people"]) < shift["need"]), str(shift))
        for person in shift["people"]:
            key = (person["id"], shift["date"], shift["peak"])
            must(key not in seen, f"{key} is at two posts at once")
            must(person["why"], str(person))
            seen.add(key)
    must("东门" in roster(world, "show"), "the draft is not shown")
    seat = next(s for s in draft["shifts"] if s["people"])
    for word in (seat["school"], seat["people"][0]["name"]):
        must(seat["people"][0]["why"] in roster(world, "show", word), f"{word}: no reason is said")
    gap = next(s for s in draft["shifts"] if s["why"])
    must(f"{gap['school']}{gap['post']}缺{gap['need'] - len(gap['people'])}人" in text, text)
    roster(world, "show", "没有的学校", code=1)
    must(roster(world, "diff").count("新增") == draft["changes"], "the difference is not shown")
    must(published(world.replica) == 0, "published without a word")
    must(len(world.modem.messages()) == before, "a draft was told")
    must("已公布" in roster(world, "publish"), "not published")
    must(published(world.replica) == draft["changes"], "not all of it was published")
    wait_for("the county's copy",
             lambda: published(world.county_rows) == draft["changes"] or None, 60)
    world.settle(120)
    must(len(world.modem.messages()) > before, "nobody was told")
    roster(world, "plan", WEEK)
    again = world.api("GET", "/v1/roster")
    must(again["changes"] == 0 and again["gaps"] == draft["gaps"], str(again)[:300])
    sheets(world)
    orders(world, draft)
    print(f"roster: {draft['changes']} duties, {draft['gaps']} gaps,"
          f" {len(world.modem.messages()) - before} texts of {STATION}")


def orders(world, draft):
    """What the leader tells the plan: somebody stays, a post needs more, a way is long."""
    shift = next(s for s in draft["shifts"] if s["school"] == "第二实验小学" and s["post"] == "东门")
    officer = next(p for s in draft["shifts"] for p in s["people"]
                   if p["kind"] == "police" and s["date"] != shift["date"])
    roster(world, "pin", "S17", "东门", shift["date"], shift["peak"], officer["id"], "L0117")
    roster(world, "pin", "S17", "月亮门", shift["date"], "am", officer["id"], "L0117", code=1)
    roster(world, "pin", "S17", "东门", "2026-02-30", "am", officer["id"], "L0117", code=64)
    roster(world, "need", "S17", "东门", "1", "2", "3", "L0117", "level=heavy", "skills=交通指挥")
    roster(world, "way", officer["id"], "S17", "11", "L0117")
    said = roster(world, "orders")
    must("交通指挥" in said and " 15" in said and officer["name"] in said, said)
    roster(world, "plan", WEEK, "afresh")
    again = next(s for s in world.api("GET", "/v1/roster")["shifts"] if s["id"] == shift["id"])
    must(officer["id"] in [p["id"] for p in again["people"]], str(again))
    roster(world, "unpin", shift["date"], shift["peak"], officer["id"], "L0117")
    roster(world, "unpin", shift["date"], shift["peak"], officer["id"], "L0117", code=1)
    wait_for("the county's copy of a way and a need",
             lambda: (world.county_rows("SELECT band FROM reach") == [{"band": 15}] and
                      world.county_rows("SELECT need_heavy FROM demand") == [{"need_heavy": 3}])
             or None, 60)


def rows_of_sheet(text):
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


def as_sheet(folder, rows, encoding):
    """What a spreadsheet saves: other dates, GB18030."""
    path = folder / "sheet.csv"
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    for row in rows:
        date = [str(int(part)) for part in row["日期"].split("-")]
        writer.writerow(dict(row, 日期="/".join(date)))
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def sheets(world):
    """The published week to a spreadsheet and back; a wrong line; the page to sign."""
    text = roster(world, "export", WEEK)
    must(text.startswith("\ufeff日期,星期,时段"), text[:80])
    rows = rows_of_sheet(text)
    said = roster(world, "import", str(as_sheet(world.folder, rows, "gb18030")))
    must(f"已读入 {len(rows)} 行" in said, said)
    must(world.api("GET", "/v1/roster")["changes"] == 0, "the same week is a difference")
    taken = next(row for row in rows if row["姓名"])
    taken["姓名"] = taken["人员编号"] = ""
    roster(world, "import", str(as_sheet(world.folder, rows, "utf-8")))
    draft = world.api("GET", "/v1/roster")
    must((draft["removed"], draft["changes"]) == (1, 1), str(draft)[:200])
    rows[1]["岗位"] = "月亮门"
    done = subprocess.run([str(world.bin / "touyan"), "--socket",
                           str(world.folder / "touyan.sock"), "roster", "import",
                           str(as_sheet(world.folder, rows, "utf-8"))], capture_output=True,
                          text=True, check=False, env=dict(os.environ, TOUYAN_LANG="zh"))
    must(done.returncode == 64 and "第3行：“月亮门” 这所学校没有这个岗位" in done.stderr, done.stderr)
    must(world.api("GET", "/v1/roster")["changes"] == 1, "a wrong sheet changed the draft")
    page = roster(world, "print", WEEK)
    must(page.count("<h2>") >= 5 and "（缺人）" in page and "到岗签字" in page, page[:300])
    must(roster(world, "export", "draft").count("\r\n") == text.count("\r\n"), "the draft's sheet")
    roster(world, "export", "2027-03-01", code=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-roster-"))
    world = World(folder, args.build.resolve() / "bin", start="2026-09-08 14:00",
                  devices=("SOS17E",))
    try:
        play(world)
    except Failed as failed:
        print(f"roster: {failed}\n{world.gateway.log_text()[-3000:]}", file=sys.stderr)
        sys.exit(1)
    finally:
        world.down()
        shutil.rmtree(folder, ignore_errors=True)


main()
