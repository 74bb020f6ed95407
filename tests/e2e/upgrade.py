#!/usr/bin/env python3
"""Programs one step of the schema apart, on the same files: the county first and its stations one
after the other, as an upgrade is done, and a station that was too early. The older programs do not
know device.name, issue.common_id and the table visit.

upgrade.py BIN_FOLDER FOLDER_OF_THE_OLDER_PROGRAMS"""
import csv
import json
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

from account import differences
from ends import County, Station
from parts import DATA, rows, table, wait_for

NEW, OLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MORNING = "2026-09-08 07:05"
REST_S = 30
UNKNOWN = ["name", "common_id", "visit"]
ISSUE = {"id": "I1", "scope": "S0117", "school_id": "S13", "code": "S13-01", "source": "walk",
         "title": "路灯", "found_at": "2026-09-07 08:00", "state": "open", "common_id": "I0"}
VISIT = {"id": "V1", "scope": "S0117", "school_id": "S13", "person_id": "G0117A",
         "date": "2026-09-07", "start_at": "2026-09-07 07:20", "channel": "sms", "team": 3}


class Upgrade(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-upgrade-"))
        self.county, self.stations = None, []

    def tearDown(self):
        for station in self.stations:
            station.close()
        if self.county is not None:
            self.county.close()
        shutil.rmtree(self.folder)

    def start_county(self, programs, data):
        self.county = County(self.folder / "county", programs, MORNING, data)
        self.county.start()

    def station(self, programs, name="S0117"):
        station = Station(self.folder / name, self.county, name, start=None, bin_dir=programs)
        self.stations.append(station)
        station.start()
        station.enrol()
        return station

    def write(self, name, record, folder=None):
        path = (folder or self.folder) / f"{name}.csv"
        with open(path, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, record.keys())
            writer.writeheader()
            writer.writerow(record)
        return path

    def data_of_older(self):
        """The county's tables as one had them who knew no device.name."""
        folder = self.folder / "data"
        shutil.copytree(DATA / "county", folder, ignore=shutil.ignore_patterns("[!a-z]*", "*.py"))
        records = [{key: value for key, value in r.items() if key != "name"} for r in table("device")]
        with open(folder / "device.csv", "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, records[0].keys())
            writer.writeheader()
            writer.writerows(records)
        return folder

    def come_to_rest(self, station, without=(), aside=0):
        station.touyan("sync", "now")
        wait_for("equal books", lambda: station.is_up() and not differences(
            station.db, self.county.db, station.name, without=["phone", *without]), REST_S)
        self.assertEqual(station.api("/v1/sync")["quarantined"], aside)

    def at_county(self, sql):
        return [tuple(r.values()) for r in rows(self.county.db, sql)]

    @staticmethod
    def at(station, sql):
        return [tuple(r.values()) for r in rows(station.db, sql)]

    def test_the_county_first_and_then_its_stations(self):
        self.start_county(OLDER, self.data_of_older())
        one, two = self.station(OLDER), self.station(OLDER, "S0118")
        for station in (one, two):
            self.come_to_rest(station, UNKNOWN)
        self.county.part.kill()
        self.county.bin = NEW
        self.county.start()
        self.county.tool("import", DATA / "county", self.write("issue", ISSUE),
                         self.write("visit", VISIT))
        # the older stations work on
        wait_for("the issue", lambda: self.at(one, "SELECT 1 FROM issue WHERE id = 'I1'"))
        one.touyan("ledger", "assign", "S13-01", "城管", "2026-09-20", "王建国")
        for station in (one, two):
            self.come_to_rest(station, UNKNOWN)
        told = "SELECT state, dept_id, common_id FROM issue WHERE id = 'I1'"
        self.assertEqual(self.at_county(told), [("assigned", "D-CG", "I0")])
        self.assertEqual(self.at(one, told), [("assigned", "D-CG", None)])
        self.assertEqual(self.at(one, "SELECT count(name) FROM device"), [(0,)])
        # one is upgraded while the county is away, with something to tell from before and after
        self.county.part.kill()
        one.touyan("ledger", "start", "S13-01", "王建国")
        one.part.kill()
        one.bin = NEW
        one.start()
        one.touyan("ledger", "fix", "S13-01", "王建国")
        self.county.start()
        for pause_s in (0.05, 0.1, 0.2, 0.4):
            one.part.kill()
            one.start()
            time.sleep(pause_s)
        self.come_to_rest(one)
        self.assertEqual(self.at_county(told), [("fixed", "D-CG", "I0")])
        self.assertEqual(self.at(one, told), [("fixed", "D-CG", "I0")])
        self.assertEqual(self.at(one, "SELECT id, team FROM visit"), [("V1", 3)])
        self.assertEqual(self.at(one, "SELECT count(*) FROM device WHERE name IS NULL"), [(0,)])
        two.part.kill()
        two.bin = NEW
        two.start()
        self.come_to_rest(two)
        self.assertEqual(json.loads(self.county.tool("conflicts")), [])
        self.assertEqual(json.loads(self.county.tool("quarantine")), [])

    def test_a_station_before_its_county(self):
        self.start_county(OLDER, self.data_of_older())
        station = self.station(NEW)
        phone = {p["id"]: p["phone"] for p in table("person")}["G0117A"]
        one, two = [station.touyan("ledger", "add", "S13", text, "王建国").strip()
                    for text in ("路灯坏了", "东门路灯")]
        station.touyan("ledger", "merge", two, one, "王建国")
        station.touyan("sms", "simulate", phone, "驻岗 S13")
        wait_for("the visit to be refused", lambda: station.api("/v1/sync")["quarantined"] == 1)
        self.come_to_rest(station, UNKNOWN, aside=1)
        merged = "SELECT count(*) FROM issue WHERE common_id IS NOT NULL"
        self.assertEqual(self.at(station, merged), [(1,)])
        self.assertIn("visit", station.touyan("sync", "quarantine"))
        [held] = json.loads(self.county.tool("quarantine"))
        self.assertEqual(held["why"], "table")
        self.county.tool("quarantine", "retry", "1", code=1)
        # now the county knows the table
        self.county.part.kill()
        self.county.bin = NEW
        self.county.start()
        self.county.tool("import", DATA / "county")
        self.county.tool("quarantine", "retry", "1")
        self.come_to_rest(station, ["common_id"], aside=1)
        self.assertEqual(self.at_county("SELECT count(*) FROM visit"), [(1,)])
        station.touyan("sms", "simulate", phone, "撤岗")
        wait_for("the end", lambda: self.at(station, "SELECT 1 FROM visit WHERE end_at IS NOT NULL"))
        self.come_to_rest(station, ["common_id"], aside=1)
        # what was written before is the station's alone, until it says it again
        self.assertEqual(self.at(station, merged), [(1,)])
        self.assertEqual(self.at_county(merged), [(0,)])
        self.assertEqual(json.loads(self.county.tool("quarantine")), [])


unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
