#!/usr/bin/env python3
"""Judges a plan from the outside: reads the week and the plan's JSON, knows nothing of the planner.

roster_judge.py --bench PROGRAM WEEK.json [WEEK.json ...]
roster_judge.py --generate N --bench PROGRAM     the same for weeks of the generator
roster_judge.py WEEK.json PLAN.json              prints the cost of any plan"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

SKILLS = ("traffic", "riot", "counsel")
GENERATOR = pathlib.Path(__file__).resolve().parents[1] / "data/roster/generate.py"


class Broken(Exception):
    pass


def must(holds, what):
    if not holds:
        raise Broken(what)


def needs_of(week):
    needs = {}
    for row in week["dem"]:
        skills = [row["kt"], row["kr"], row["kp"]]
        needs[row["s"], row["t"]] = (max(row["off"], sum(skills)), skills, row["vol"])
    return needs


def judge_officers(week, plan, visits):
    """Hard rules; returns what the plan costs."""
    reach = {(o, s): way for o, s, way in week["elig"]}
    busy = {(o, t) for t, _, o in visits}
    needs, people, seen = needs_of(week), collections.defaultdict(list), set()
    duties = collections.defaultdict(list)
    for t, s, role, o in plan:
        must((o, t) not in seen, f"officer {o} is twice in shift {t}")
        seen.add((o, t))
        must(week["offs"][o]["av"][t] == 1 and (o, t) not in busy,
             f"officer {o} is not free in shift {t}")
        must((o, s) in reach, f"school {s} is out of officer {o}'s reach")
        must(role == "general" or week["offs"][o]["sk"] >> SKILLS.index(role) & 1,
             f"officer {o} has no skill {role}")
        people[s, t].append((o, role))
        duties[o].append(s)
    cost = 0
    for o, schools in duties.items():
        must(len(schools) <= week["offs"][o]["cap"], f"officer {o} has {len(schools)} duties")
        ways = 2 * sum(reach[o, s] for s in schools)
        cost += ways + sum((0, 1, 3, 8, 18, 30, 45)[:len(schools)])
        cost += 10 * (len(set(schools)) - 1) + 5 * max(0, 60 * len(schools) + ways - 480)
    for (s, t), (places, skills, _) in needs.items():
        here = people.pop((s, t), [])
        must(len(here) <= places, f"school {s} shift {t}: {len(here)} people for {places} places")
        cost += 1000 * (places - len(here))
        for k, need in enumerate(skills):
            seats = sum(role == SKILLS[k] for _, role in here)
            must(seats <= need, f"school {s} shift {t}: {seats} seats of {SKILLS[k]}")
            cost += 400 * max(0, need - sum(week["offs"][o]["sk"] >> k & 1 for o, _ in here))
    must(not people, f"people where nobody is needed: {dict(people)}")
    return cost


def judge_volunteers(week, volunteers):
    needs, count, duties = needs_of(week), collections.Counter(), collections.Counter()
    for t, s, v in volunteers:
        must(week["vols"][v]["s"] == s, f"volunteer {v} is sent to another school")
        must(t in week["vols"][v]["slots"], f"volunteer {v} did not declare shift {t}")
        count[s, t] += 1
        duties[v] += 1
    must(len({(t, v) for t, _, v in volunteers}) == len(volunteers), "a volunteer is twice there")
    for v, n in duties.items():
        must(n <= week["vols"][v]["cap"], f"volunteer {v} has {n} duties")
    for key, n in count.items():
        must(n <= needs[key][2], f"{n} volunteers at {key}")


def judge_visits(week, visits):
    must(len({(o, t) for t, _, o in visits}) == len(visits), "a senior officer is twice away")
    days = set()
    for t, s, o in visits:
        if s is None:
            continue  # placed in the week itself, which does not say where
        must(week["offs"][o]["av"][t] == 1, f"senior officer {o} is not free in shift {t}")
        must(week["resp"][str(s)] == o, f"officer {o} does not answer for school {s}")
        must((s, t // 2) not in days, f"school {s} is visited twice on a day")
        days.add((s, t // 2))


def load(path):
    return json.loads(pathlib.Path(path).read_text())


def judge(bench, path, folder):
    names = {name: f"{folder}/{name}.json" for name in ("plan", "volunteers", "visits")}
    command = [bench, str(path), "--quick", "yes", "--steps", "100"]
    for name, out in names.items():
        command += [f"--{name}", out]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures = {row["figure"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    week = load(path)
    plan, volunteers, visits = (load(names[n]) for n in ("plan", "volunteers", "visits"))
    cost = judge_officers(week, plan, visits)
    judge_volunteers(week, volunteers)
    judge_visits(week, visits)
    must(cost == figures["cost"], f"costs {cost}, but {figures['cost']:.0f} was told")
    print(f"{path}: {len(plan)} duties, {len(volunteers)} of volunteers, cost {cost}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench")
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    if not args.bench:
        week, plan = (load(path) for path in args.files)
        visits = [[t, None, o] for o, t in week.get("visits", [])]
        print(judge_officers(week, plan, visits))
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in args.files:
            judge(args.bench, path, folder)
        for seed in range(1, args.generate + 1):
            week = pathlib.Path(folder, f"week-{seed}.json")
            with open(week, "w", encoding="utf-8") as out:
                subprocess.run([sys.executable, GENERATOR, "--seed", str(seed)], stdout=out,
                               check=True)
            judge(args.bench, week, folder)


try:
    main()
except Broken as broken:
    sys.exit(f"roster_judge: {broken}")
