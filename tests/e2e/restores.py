#!/usr/bin/env python3
"""Disks that go back in time, or double: the county's database from an hour-old backup while its
stations worked on, a station's disk from yesterday's image, a station's disk cloned and both run.
Afterwards the books of all are equal, what was confirmed or written is there, both values of a
conflict are logged, and `touyan sync status` says what happened.

restores.py BIN_FOLDER"""
import csv
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

from account import books, differences
from ends import County, Station, copy_database
from parts import Failed, ms_of, rows, table, wait_for

BIN = pathlib.Path(sys.argv[1]).resolve()
MORNING = "2026-09-08 07:05"
HOUR = 3600000
REST_S = 30


class Restores(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-restores-"))
        self.county = County(self.folder / "county", BIN, MORNING)
        self.county.start()
        self.stations = []
        self.phones = {p["id"]: p["phone"] for p in table("person")}

    def tearDown(self):
        for station in self.stations:
            station.close()
        self.county.close()
        shutil.rmtree(self.folder)

    def station(self, name="S0117", **options):
        folder = options.pop("folder", self.folder / f"station{len(self.stations)}")
        station = Station(folder, self.county, name, start=None, **options)
        self.stations.append(station)
        station.start()
        return station

    def text(self, station, person, words):
        """Somebody's message, which is answered when it is in the station's books."""
        station.touyan("sms", "simulate", self.phones[person], words)

    def arrive(self, station, *persons):
        for person in persons:
            self.text(station, person, "到岗")
        wait_for("the check-ins", lambda: set(persons) <= self.arrived(station.db))

    @staticmethod
    def arrived(db):
        return {r["person_id"] for r in rows(db, "SELECT person_id FROM checkin")}

    def state(self, db, assignment):
        return rows(db, "SELECT state FROM assignment WHERE id = ?", assignment)[0]["state"]

    def on_paper(self, station):
        return differences(station.db, self.county.db, station.name, without=["phone"])

    def come_to_rest(self):
        """Each end has told the other all, and their books are equal."""
        def rested():
            return all(s.is_up() and s.api("/v1/sync")["lost_open"] == 0 for s in self.stations) and \
                not any(self.on_paper(s) for s in self.stations)
        for station in self.stations:
            station.touyan("sync", "now")
        try:
            wait_for("equal books", rested, REST_S)
        except Failed as problem:
            state = [(s.api("/v1/sync"), self.on_paper(s)) for s in self.stations]
            raise Failed(f"{problem}: {state}") from None
        for station in self.stations:
            self.assertEqual(station.api("/v1/sync")["quarantined"], 0)

    def conflicts(self):
        return {c["id"]: c for c in json.loads(self.county.tool("conflicts"))}

    def import_assignments(self, changed):
        """A person at the county changes states: {(shift, person): state}."""
        records = [dict(r, state=changed.get((r["shift_id"], r["person_id"]), r["state"]))
                   for r in table("assignment")]
        self.import_table("assignment", records)

    def import_table(self, name, records):
        path = self.folder / f"{name}.csv"
        with open(path, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, records[0].keys())
            writer.writeheader()
            writer.writerows(records)
        self.county.tool("import", path)

    def everything(self):
        """What the county has, table by table."""
        return {(s.name, name): theirs for s in self.stations
                for name, _, theirs in books(s.db, self.county.db, s.name, without=["phone"])}

    def test_the_county_comes_back_from_an_hour_old_backup(self):
        one, two = self.station("S0117"), self.station("S0118")
        for station in (one, two):
            station.enrol()
        self.arrive(one, "P1301")
        self.arrive(two, "P2001")
        self.come_to_rest()
        backup = self.folder / "backup.db"
        copy_database(self.county.db, backup)
        # the hour that will be forgotten
        self.county.clock.set(self.county.clock.now() + HOUR // 6)
        self.arrive(one, "P1311", "P1313")
        self.text(one, "P1701", "报警")
        self.arrive(two, "P2011")
        self.import_table("person", [dict(p, name="改名") if p["id"] == "P1312" else p
                                     for p in table("person")])
        self.county.clock.set(self.county.clock.now() + HOUR * 5 // 6)
        self.come_to_rest()
        self.assertEqual(len(rows(one.db, "SELECT id FROM alarm")), 1)
        before = self.everything()
        self.county.put_back(backup)
        self.assertEqual(self.arrived(self.county.db), {"P1301", "P2001"})
        # meanwhile one station works on, and the county's people change what stations changed
        self.arrive(two, "P2013")
        theirs, unsent = "S13-M.2026-09-08.am", "S20-X.2026-09-08.am"
        self.import_assignments({(theirs, "P1311"): "absent", (unsent, "P2013"): "absent"})
        self.county.start()
        self.come_to_rest()
        conflicts = self.conflicts()
        keys = {f"{theirs}.P1311": "given back", f"{unsent}.P2013": "concurrent"}
        self.assertEqual({key: c["why"] for key, c in conflicts.items()}, keys)
        for key in keys:
            values = {conflicts[key]["won"]["state"], conflicts[key]["lost"]["state"]}
            self.assertEqual(values, {"on_post", "absent"})
            self.assertEqual(self.state(self.county.db, key), conflicts[key]["won"]["state"])
        for book, there in self.everything().items():
            missing = [row for row in before[book] - there if not keys.keys() & set(row)]
            self.assertEqual(missing, [], book)
        self.assertLessEqual({"P1311", "P1313", "P2011", "P2013"}, self.arrived(self.county.db))
        for station in (one, two):
            said = station.touyan("sync", "status")
            self.assertIn("the county came back from a backup", said)
            self.assertRegex(said, r"rows given back [1-9]")
            self.assertNotIn("machines", said)
            self.assertIn("县平台从备份恢复过", station.touyan("sync", "status", lang="zh"))
            findings = {f["code"]: f["level"] for f in station.api("/v1/check")["findings"]}
            self.assertEqual(findings["county_restored"], 0)

    def test_a_station_s_disk_comes_back_from_yesterday(self):
        self.county.clock.set(ms_of("2026-09-07", "20:00"))
        station = self.station()
        station.enrol()
        self.come_to_rest()
        station.part.kill()
        image = self.folder / "image"
        station.take_image(image)
        self.county.clock.set(ms_of(*MORNING.split(" ")))
        station.start()
        self.arrive(station, "P1301", "P1311")
        self.come_to_rest()
        station.put_back(image)
        self.county.part.kill()
        self.county.clock.set(self.county.clock.now() + HOUR // 6)
        station.start()
        self.assertEqual(self.arrived(station.db), set())
        self.arrive(station, "P1313")
        self.text(station, "P1311", "来不了")
        key = "S13-M.2026-09-08.am.P1311"
        wait_for("the answer", lambda: self.state(station.db, key) == "declined")
        self.county.start()
        self.come_to_rest()
        self.assertEqual(self.arrived(station.db), {"P1301", "P1311", "P1313"})
        self.assertEqual(self.state(station.db, key), "declined")  # it is the later word
        conflict = self.conflicts()[key]
        self.assertEqual((conflict["won"]["state"], conflict["lost"]["state"]),
                         ("declined", "on_post"))
        said = station.touyan("sync", "status")
        self.assertIn("this data is older than the county remembers", said)
        self.assertIn("硬盘恢复过", station.touyan("sync", "status", lang="zh"))
        findings = {f["code"]: f["level"] for f in station.api("/v1/check")["findings"]}
        self.assertEqual(findings["identity"], 1)
        self.assertEqual(self.incarnations(), 2)

    def incarnations(self):
        return len(rows(self.county.db, "SELECT o FROM incarnation"))

    def clone(self, station, **changes):
        station.part.kill()
        station.take_image(self.folder / "clone")
        for name, text in changes.items():
            (self.folder / "clone" / name).write_text(text)
        station.start()
        return self.station(folder=self.folder / "clone")

    def two_work(self, first, second):
        self.arrive(first, "P1301")
        self.arrive(second, "P1311")
        self.come_to_rest()
        self.arrive(second, "P1313")
        self.arrive(first, "P1401")
        self.come_to_rest()
        for station in (first, second):
            self.assertEqual(self.arrived(station.db), {"P1301", "P1311", "P1313", "P1401"})
        self.assertEqual(self.incarnations(), 2)
        self.assertEqual(sum(s.api("/v1/sync")["reincarnations"] for s in (first, second)), 1)

    def test_two_disks_of_one_station_on_machines_that_cannot_be_told_apart(self):
        station = self.station()
        station.enrol()
        self.come_to_rest()
        copy = self.clone(station)
        self.two_work(station, copy)
        said = [s.touyan("sync", "status") for s in (station, copy)]
        self.assertEqual(sum("two machines run with it" in text for text in said), 1)
        self.assertEqual(self.audited(), ["reinc"])

    def test_two_disks_of_one_station_on_two_machines(self):
        station = self.station()
        station.enrol()
        self.come_to_rest()
        copy = self.clone(station, machine="PF999999\n")
        self.two_work(station, copy)
        self.assertNotIn("identity", station.touyan("sync", "status"))
        said = copy.touyan("sync", "status")
        self.assertIn("the data is on another machine now", said)
        self.assertEqual(self.audited(), ["copy"])

    def audited(self):
        return [r["detail"].split()[-1] for r in rows(
            self.county.db, "SELECT detail FROM audit WHERE what = 'incarnation'")]


unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
