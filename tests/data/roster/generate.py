#!/usr/bin/env python3
"""Writes a week to plan in the form of county-1.json (see SOURCES.md), from a seed.

generate.py [--seed N] [--counties N] > week.json

Each county has 34 schools, half of them in its town, the others in nine townships 10 to 40 km away,
400 officers and 2,000 volunteers. Visits are left to the planner. Python 3, standard library; the
same arguments always write the same bytes."""
import argparse
import json
import math
import random

SCHOOLS, OFFICERS, VOLUNTEERS, SHIFTS, TOWNSHIPS, NEAR_MIN = 34, 400, 2000, 10, 9, 20
TRAFFIC, RIOT, COUNSEL = 1, 2, 4


def place(rnd, centre, spread):
    return [round(rnd.gauss(c, spread), 4) for c in centre]


def minutes(a, b):
    return round(3 + 1.3 * math.dist(a, b))


def county(rnd, number):
    centre = (number * 500.0, 0.0)
    towns = [centre]
    for i in range(TOWNSHIPS):
        angle, far = 2 * math.pi * i / TOWNSHIPS, rnd.uniform(10, 40)
        towns.append((centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle)))
    school_town = [0] * (SCHOOLS - 2 * TOWNSHIPS) + [1 + i // 2 for i in range(2 * TOWNSHIPS)]
    schools = [place(rnd, towns[t], 3.0 if t == 0 else 0.8) for t in school_town]
    officers = []
    for i in range(OFFICERS):
        town = 0 if rnd.random() < 0.6 else rnd.randint(1, TOWNSHIPS)
        skills = rnd.choices([0, 1, 2, 3, 4, 5, 6, 7], [27, 29, 17, 15, 4, 5, 1, 2])[0]
        x, y = place(rnd, towns[town], 3.0 if town == 0 else 2.0)
        officers.append({"x": x, "y": y, "tw": town - 1, "sk": skills, "senior": int(i < 17),
                         "av": [int(rnd.random() < 0.55) for _ in range(SHIFTS)], "cap": 5})
    return {"schools": schools, "town": school_town, "officers": officers}


def demand(rnd, town):
    posts = rnd.randint(3, 9)
    kinds = ["G", "G", "T", "N", "L"]
    level = [rnd.choices([0.5, 1.0, 1.4], [6, 3, 1])[0] for _ in range(SHIFTS)]
    needs = []
    for flow in level:
        off = max(1, round(posts * 0.5 * flow))
        needs.append({"off": off, "vol": rnd.randint(2, 5),
                      "kt": int(off > 1), "kr": int(rnd.random() < 0.8),
                      "kp": int(town == 0 and off > 3 and rnd.random() < 0.5)})
    return needs, [kinds[i % len(kinds)] for i in range(posts)]


def week(seed, counties):
    rnd = random.Random(seed)
    out = {"NS": SCHOOLS * counties, "T": SHIFTS, "dem": [], "offs": [], "vols": [], "elig": [],
           "seniors": [], "resp": {}, "posts": [], "sencomm": {}}
    for c in range(counties):
        first_school, first_officer = c * SCHOOLS, c * OFFICERS
        made = county(rnd, c)
        for s, town in enumerate(made["town"]):
            needs, posts = demand(rnd, town)
            out["dem"] += [{"s": first_school + s, "t": t, **need} for t, need in enumerate(needs)]
            out["posts"] += [[first_school + s, kind] for kind in posts]
            senior = s % 17
            out["resp"][str(first_school + s)] = first_officer + senior
            home = made["officers"][senior]
            out["sencomm"][str(first_school + s)] = minutes((home["x"], home["y"]),
                                                            made["schools"][s])
        for o, who in enumerate(made["officers"]):
            for s, at in enumerate(made["schools"]):
                way = minutes((who["x"], who["y"]), at)
                if way <= NEAR_MIN or made["town"][s] == who["tw"] + 1 > 0:
                    out["elig"].append([first_officer + o, first_school + s, way])
        out["offs"] += made["officers"]
        out["seniors"] += [first_officer + i for i in range(17)]
        out["vols"] += [{"s": first_school + rnd.randrange(SCHOOLS),
                         "slots": sorted(rnd.sample(range(SHIFTS), rnd.choice([1, 1, 2, 2, 3, 4]))),
                         "cap": 2, "kind": rnd.choice("TPPPY")} for _ in range(VOLUNTEERS)]
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counties", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(week(args.seed, args.counties), separators=(",", ":")))


main()
