#!/usr/bin/env python3
"""Writes the CSV files of this folder. Seeded: the same bytes each time. See SOURCES.md."""
import csv
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
RND = random.Random(20260908)
DAY = "2026-09-08"  # a Tuesday
TUESDAY = 2
WEEKDAYS = 31  # Monday to Friday

SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何高林郑"
GIVEN = ["伟", "芳", "娜", "秀英", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟",
         "涛", "明", "超", "桂兰", "霞", "平", "刚", "玉梅", "建军", "春生", "海燕", "志强", "晓东"]
MONGOL = ["乌云其木格", "巴特尔", "其其格", "斯琴高娃", "苏和", "哈斯", "萨仁", "宝音", "娜仁花"]

# code, full name, short name (at most 9 characters), kind, posts
TOWN_SCHOOLS = [
    ("S13", "突泉县第一中学", "突泉一中", "middle", [("M", "正门岗", "正门"), ("X", "中学路口岗", "中学路口")]),
    ("S14", "突泉县第一小学", "第一小学", "primary", [("M", "正门岗", "正门"), ("W", "西门岗", "西门")]),
    ("S15", "突泉县实验幼儿园", "实验幼儿园", "kindergarten", [("M", "正门岗", "正门")]),
    ("S16", "突泉县蒙古族学校", "蒙古族学校", "nine_year", [("M", "正门岗", "正门"), ("N", "北门岗", "北门")]),
    ("S17", "突泉县第二实验小学", "第二实验小学", "primary",
     [("E", "东门岗", "东门"), ("N", "北门岗", "北门"), ("F", "东门非机动车岗", "东门非机动车岗")]),
    ("S18", "突泉县育才小学", "育才小学", "primary", [("M", "正门岗", "正门"), ("X", "育才路口岗", "育才路口")]),
]
PEAKS = {"am": ("07:20", "08:10"), "noon": ("11:40", "12:20"), "pm": ("16:40", "17:30")}
NOON_SCHOOLS = ("S14", "S17", "S18")
# two schools for the county town's west and 26 more for the townships, by name
TOWNSHIPS = [("突泉镇", 4), ("六户镇", 3), ("东杜尔基镇", 3), ("永安镇", 3), ("水泉镇", 3), ("宝石镇", 3),
             ("学田乡", 3), ("九龙乡", 2), ("太平乡", 2), ("杜尔基农场", 2)]

files = {}
used_names = set()
next_number = [1000]


def put(table, **row):
    files.setdefault(table, []).append(row)


def phone():
    next_number[0] += 1
    return "+861000001%04d" % next_number[0]


def name():
    while True:
        made = RND.choice(MONGOL) if RND.random() < 0.08 else RND.choice(SURNAMES) + RND.choice(GIVEN)
        if made not in used_names:
            used_names.add(made)
            return made


def person(pid, scope, kind, called=None, school="", senior=0, lang="zh-CN"):
    called = called or name()
    used_names.add(called)
    assert len(called) <= 6, called
    put("person", id=pid, scope=scope, kind=kind, name=called, station_id=scope, school_id=school,
        senior=senior, phone=phone(), lang=lang, active=1)
    return pid


def offer(pid, scope, peak):
    put("avail", scope=scope, person_id=pid, weekday=TUESDAY, peak=peak, kind="offer",
        valid_from="2026-09-01", valid_to="2027-01-15")


def school(code, full, short, kind, township, station):
    assert len(short) <= 9, short
    put("school", scope=station, code=code, name=full, short=short, kind=kind, township=township,
        station_id=station)


def bells(code, station, kind, gate):
    ends = {"primary": [(1, 2, "16:10"), (3, 6, "16:50")], "kindergarten": [(0, 0, "16:30")],
            "middle": [(7, 9, "17:20")], "nine_year": [(1, 6, "16:40"), (7, 9, "17:20")]}[kind]
    first, last = ends[0][0], ends[-1][1]
    put("bell", scope=station, school_id=code, grade_from=first, grade_to=last, weekdays=WEEKDAYS,
        peak="am", at_min="07:50", gate=gate)
    if kind != "kindergarten":
        put("bell", scope=station, school_id=code, grade_from=first, grade_to=last,
            weekdays=WEEKDAYS, peak="noon", at_min="11:50", gate=gate)
    for low, high, at in ends:
        put("bell", scope=station, school_id=code, grade_from=low, grade_to=high,
            weekdays=WEEKDAYS, peak="pm", at_min=at, gate=gate)


def post(code, station, suffix, full, short, kind):
    assert len(short) <= 7, short
    put("post", id=code + "-" + suffix, scope=station, school_id=code, name=full, short=short,
        kind=kind, need=2 if kind == "gate" else 1, active=1)


def shift(post_id, station, peak, people):
    start, end = PEAKS[peak]
    put("shift", scope=station, post_id=post_id, date=DAY, peak=peak, start_at=DAY + " " + start,
        end_at=DAY + " " + end, need=len(people), state="published")
    for index, pid in enumerate(people):
        put("assignment", scope=station, shift_id="%s.%s.%s" % (post_id, DAY, peak),
            person_id=pid, role=1 if index == 0 and len(people) > 1 else 0, state="planned")


def orgs():
    put("org", id="B152224", scope="*", kind="bureau", name="突泉县公安局", short="县局",
        area_code="0482")
    for oid, full, short in (("S0117", "城东派出所", "城东所"), ("S0118", "城西派出所", "城西所")):
        put("org", id=oid, scope="*", kind="station", parent_id="B152224", name=full, short=short,
            area_code="0482", public_phone="0482-5100" + oid[2:])
    for oid, full, short in (("D-JT", "交警大队", "交警"), ("D-JY", "教育局", "教育局"),
                             ("D-SC", "市场监管局", "市场监管局"), ("D-CG", "城管局", "城管")):
        put("org", id=oid, scope="*", kind="partner", parent_id="B152224", name=full, short=short,
            area_code="0482")


def leaders():
    person("L0117", "S0117", "police", "王建国")
    person("L0117B", "S0117", "police", "赵志强")
    person("Z0117", "S0117", "desk", "值班室")
    person("G0117A", "S0117", "police", "陈国栋", senior=1)
    person("G0117B", "S0117", "police", "巴图孟克", senior=1)
    person("L0118", "S0118", "police")
    person("Z0118", "S0118", "desk", "西所值班室")
    for day in ("07", "08", "09", "10", "11"):
        put("duty_lead", scope="S0117", org_id="S0117", date="2026-09-" + day, from_min="00:00",
            to_min=1440, person_id="L0117", level=2)
        put("duty_lead", scope="S0118", org_id="S0118", date="2026-09-" + day, from_min="00:00",
            to_min=1440, person_id="L0118", level=2)
    for station in ("0117", "0118"):
        put("duty_lead", scope="S" + station, org_id="S" + station, date="", from_min="00:00",
            to_min=1440, person_id="Z" + station, level=4)


def sponsor(senior, code, station):
    put("sponsor", scope=station, senior_id=senior, school_id=code, min_visits_week=2,
        valid_from="2026-09-01", valid_to="2027-01-15")


def team(code, posts, station):
    """One officer, one auxiliary and volunteers: P<school>11 and up hold posts, 21 and up offer."""
    number = code[1:]
    officer = person("P%s01" % number, station, "police",
                     "阿拉坦其木格" if code == "S17" else None, code)
    helper = person("P%s02" % number, station, "auxiliary", None, code)
    kinds = ["parent", "teacher", "parent", "yijing"]
    holders = []
    for index in range(2 * len(posts)):
        called = "李娜" if code == "S17" and index == 0 else None
        lang = "en" if code == "S17" and index == 3 else "zh-CN"
        holders.append(person("P%s%d" % (number, 11 + index), station, kinds[index % 4], called,
                              code, lang=lang))
    for index in range(6 if code == "S17" else 3):
        pid = person("P%s%d" % (number, 21 + index), station, kinds[index % 4], None, code)
        for peak in PEAKS:
            offer(pid, station, peak)
    return officer, helper, holders


def day_of(code, posts, station):
    officer, helper, holders = team(code, posts, station)
    for index, (suffix, _, _) in enumerate(posts):
        post_id = code + "-" + suffix
        leader = officer if index == 0 else helper
        gate = suffix in "EMNW"
        police = [leader] if gate and index < 2 else []
        shift(post_id, station, "am", police + [holders[2 * index]])
        shift(post_id, station, "pm", police + [holders[2 * index + 1]])
        if code in NOON_SCHOOLS and index == 0:
            shift(post_id, station, "noon", [holders[0]])


def devices(code, posts, station):
    number = code[1:]
    main = code + "-" + posts[0][0]
    if code in ("S14", "S16", "S17"):
        terminal = "FT%s01" % number
        put("device", id=terminal, scope=station, school_id=code, post_id=main, product="mqtt_face",
            kind="face", name=posts[0][2] + "人脸机")
        people = [p for p in files["person"] if p["school_id"] == code]
        for index, one in enumerate(people):
            put("badge", scope=station, device_id=terminal, number=str(index + 1),
                person_id=one["id"])
    for index, (suffix, _, short) in enumerate(posts[:2]):
        put("device", id="SOS%s%02d" % (number, index + 1), scope=station, school_id=code,
            post_id=code + "-" + suffix, product="touyan", kind="sos", name=short + "报警按钮")


def post_kind(suffix):
    return {"X": "traffic", "F": "nonmotor"}.get(suffix, "gate")


def town():
    for index, (code, full, short, kind, posts) in enumerate(TOWN_SCHOOLS):
        school(code, full, short, kind, "突泉镇", "S0117")
        bells(code, "S0117", kind, posts[0][2])
        for suffix, post_name, post_short in posts:
            post(code, "S0117", suffix, post_name, post_short, post_kind(suffix))
        sponsor("G0117A" if index % 2 == 0 else "G0117B", code, "S0117")
        day_of(code, posts, "S0117")
        devices(code, posts, "S0117")


def township_schools():
    """28 schools of S0118; the first two have shifts on the day, so that scopes can be told apart."""
    levels = [("中心小学", "primary"), ("中学", "middle"), ("中心幼儿园", "kindergarten")]
    west = [("西城小学", "primary"), ("第三中学", "middle"), ("西城幼儿园", "kindergarten"),
            ("职教中心附属小学", "primary")]
    code = 20
    for township, count in TOWNSHIPS:
        base = township if township.endswith("农场") else township[:-1]
        for index in range(count):
            one, kind = west[index] if township == "突泉镇" else levels[index % 3]
            short = one if township == "突泉镇" else base + one
            add_township_school("S%02d" % code, township, short, kind, code - 20)
            code += 1


def add_township_school(code, township, short, kind, index):
    posts = [("M", "正门岗", "正门"), ("X", "路口岗", "路口")]
    school(code, "突泉县" + short, short, kind, township, "S0118")
    bells(code, "S0118", kind, "正门")
    for suffix, post_name, post_short in posts:
        post(code, "S0118", suffix, post_name, post_short, post_kind(suffix))
    senior = "G0118%c" % "ABCDEFG"[index // 4]
    if index % 4 == 0:
        person(senior, "S0118", "police", senior=1)
    sponsor(senior, code, "S0118")
    if index < 2:
        day_of(code, posts, "S0118")


def exam_day():
    put("school_day", scope="S0117", school_id="S13", date="2026-09-10", kind="early", at_min="15:30",
        reason="教师节活动")


def write():
    for table, rows in files.items():
        columns = []
        for row in rows:
            columns += [c for c in row if c not in columns]
        with open(os.path.join(HERE, table + ".csv"), "w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def main():
    orgs()
    leaders()
    town()
    township_schools()
    exam_day()
    assert len(files["school"]) == 34
    write()


if __name__ == "__main__":
    main()
