#!/usr/bin/env python3
"""A station without a county begins with its spreadsheets: a school, its posts and people from a file
that Chinese Excel saved (GB18030), looked at first, and the same files out and in again. A teacher's
list of parents waits for the station, is answered by text, and a number that stopped stays out. At a
station with a county a file is only looked at.

lists.py --build BUILD_DIR
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

from parts import Failed, wait_for
from world import World

SCHOOLS = "代码,名称,简称,类别,乡镇\r\nS41,六户镇中心小学,六户小学,小学,六户镇\r\n"
PEOPLE = ("编号,姓名,类别,学校,手机,高级警长\r\n"
          "L1,王建国,民警,,13800000011,否\r\nT1,周敏,教师,六户小学,138 0000 0012,\r\n")
POSTS = "学校,名称,类别,人数\r\nS41,东门岗,校门,2\r\n"
PARENTS = "学校,姓名,手机\nS41,李娜,13800000021\nS41,\"王强, 父\",13800000022\n"


def must(holds, what):
    if not holds:
        raise Failed(what)


def write(folder, name, text, encoding):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def refused(world, *words):
    """What the command says when it does not do it."""
    try:
        world.touyan(*words)
    except Failed as problem:
        return str(problem)
    raise Failed(f"{words} was done")


def asked(world, number, words):
    return wait_for(f"{number} to be asked", lambda: [m for m in world.modem.messages()
                    if m["to"] == number and words in m["text"]], 30)


def lists(world, folder):
    school = write(folder, "学校.csv", SCHOOLS, "gb18030")
    must("新增 1" in world.touyan("school", "import", school), "no preview")
    must("六户" not in world.touyan("school", "export"), "a preview was kept")
    world.touyan("school", "import", school, "apply")
    world.touyan("people", "import", write(folder, "人员.csv", PEOPLE, "utf-8-sig"), "apply")
    world.touyan("post", "import", write(folder, "岗位.csv", POSTS, "utf-8"), "apply")
    for noun in ("school", "people", "post"):
        out = world.touyan(noun, "export")
        must(out.startswith("\ufeff"), f"{noun}: no byte order mark")
        again = world.touyan(noun, "import", write(folder, f"{noun}.csv", out, "utf-8"), "apply")
        must("新增 0，变更 0" in again, f"{noun} again: {again}")
    must("T1,S0117,teacher,周敏,S0117,S41" in world.touyan("people", "export", "county"),
         "not as the county takes it")
    bad = write(folder, "bad.csv", "姓名,类别\n李娜,学生\n,家长\n", "utf-8")
    said = refused(world, "people", "import", bad, "apply")
    must("第2行" in said and "第3行" in said and "什么也没有改" in said, said)


def parents(world, folder):
    file = write(folder, "家长.csv", PARENTS, "gb18030")
    must("新增 2" in world.touyan("volunteer", "import", file, "T1", "apply"), "not entered")
    must(world.touyan("volunteer", "approve", "S41", "L1").strip() == "2", "not approved")
    asked(world, "+8613800000021", "同意请回1")
    world.modem.inbound("+8613800000021", "1")
    asked(world, "+8613800000021", "已记下您同意")
    world.modem.inbound("+8613800000022", "2")
    wait_for("the no to be known", lambda: "，1 人已退订" in
             world.touyan("volunteer", "import", file, "T1"), 30)
    consented = write(folder, "consented.csv", world.touyan("volunteer", "export"), "utf-8")
    must("新增 1" in world.touyan("people", "import", consented, "apply"), "not on the list")
    must("李娜" in world.touyan("people", "export"), "not on the list")


def alone(world, folder):
    lists(world, folder)
    parents(world, folder)


def with_a_county(world, folder):
    file = write(folder, "学校.csv", SCHOOLS, "utf-8")
    must("新增 1" in world.touyan("school", "import", file), "no preview")
    must("county" in refused(world, "school", "import", file, "apply"), "it was kept")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-lists-"))
    try:
        for county, play in ((False, alone), (True, with_a_county)):
            world = World(folder / play.__name__, args.build.resolve() / "bin",
                          start="2026-09-07 15:00", county=county,
                          devices=("SOS17E",))
            try:
                world.up()
                play(world, folder)
            except Failed as failed:
                print(f"lists: {failed}\n{world.gateway.log_text()[-3000:]}", file=sys.stderr)
                sys.exit(1)
            finally:
                world.down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
