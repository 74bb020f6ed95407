#!/usr/bin/env python3
"""Enrolment between the real county and the real gateway: by a code, by approval, by a serial
number; renewal, expiry, revocation, wrong pins and wrong clocks.

enrol.py BIN_FOLDER"""
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from ends import County, Station, copy_database, run
from parts import wait_for

BIN = pathlib.Path(sys.argv[1]).resolve()
OTHER_PIN = "0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-WXYZ"


class Enrol(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-enrol-"))
        self.county = County(self.folder / "county", BIN)
        self.county.start()
        self.stations = []

    def tearDown(self):
        for station in self.stations:
            station.close()
        self.county.close()
        shutil.rmtree(self.folder)

    def station(self, **options):
        station = Station(self.folder / f"station{len(self.stations)}", self.county, **options)
        self.stations.append(station)
        station.start()
        return station

    def enrolled(self, **options):
        code = self.county.code()
        station = self.station(**options)
        station.touyan("enrol", code)
        wait_for("sync", station.is_up)
        return station

    def test_a_code_is_all_an_installer_types(self):
        code = self.county.code()
        station = self.station()
        wait_for("it to ask", lambda: station.enrolment()["state"] == "waiting")
        self.assertEqual(station.api("/v1/sync")["link"], "down")
        said = station.touyan("enrol", code.lower().replace("-", ""))
        self.assertIn("enrolled", said)
        self.assertIn("certificate valid until 2027-09-07", said)
        wait_for("sync", station.is_up)
        self.assertEqual(station.pem.stat().st_mode & 0o777, 0o600)
        self.assertFalse((station.folder / "county.pem.next").exists())
        self.assertIn("enrolment: enrolled", station.touyan("sync", "status"))
        findings = {f["code"]: f for f in station.api("/v1/check")["findings"]}
        self.assertEqual(findings["enrolment"]["level"], 0)
        self.assertEqual([c["how"] for c in self.county.certificates()], ["code"])
        key = run("openssl", "pkey", "-in", station.pem).splitlines()[1]
        self.assertNotIn(key.encode(), self.county.db.read_bytes())
        said = station.touyan("enrol", code, code=75)  # used up; what there is stays
        self.assertIn("used already", said)
        self.assertTrue(wait_for("sync", station.is_up))

    def test_a_person_compares_six_digits(self):
        station = self.station()
        wait_for("it to ask", lambda: station.enrolment()["state"] == "waiting")
        here, [there] = station.enrolment(), self.county.waiting()
        self.assertEqual(here["digits"], there["digits"])
        self.assertEqual((there["station"], there["serial"]), ("S0117", "PF3A1B2C"))
        self.assertIn(here["digits"], station.touyan("enrol"))
        findings = {f["code"]: f for f in station.api("/v1/check")["findings"]}
        self.assertEqual(findings["enrolment"]["level"], 1)
        self.assertIn(here["digits"], findings["enrolment"]["text"])
        self.county.tool("station", "approve", "S0117", "000000", code=1)
        self.county.tool("station", "approve", "S0117", here["digits"])
        station.touyan("sync", "now")
        wait_for("sync", station.is_up)
        self.assertEqual(self.county.waiting(), [])
        self.assertEqual([c["how"] for c in self.county.certificates()], ["approval"])

    def test_a_machine_approved_beforehand(self):
        self.county.tool("station", "add", "S0117", "--serial", "PF3A1B2C")
        station = self.station()
        wait_for("sync", station.is_up)
        self.assertEqual([c["how"] for c in self.county.certificates()], ["serial"])

    def test_it_renews_from_half_life_and_after_months_off(self):
        station = self.enrolled()
        serials = [station.serial()]
        self.county.later(100)
        time.sleep(3)
        self.assertEqual(station.serial(), serials[0])
        self.county.later(110)
        wait_for("the renewal", lambda: station.serial() != serials[0])
        wait_for("sync", station.is_up)
        serials.append(station.serial())
        self.assertEqual([c["how"] for c in self.county.certificates()], ["code", "renewal"])
        station.part.stop()
        self.county.later(365 + 30)
        station.start()
        wait_for("the renewal", lambda: station.serial() not in serials)
        wait_for("sync", station.is_up)
        self.assertEqual(station.enrolment()["state"], "good")
        self.assertEqual(len(self.county.certificates()), 3)

    def test_from_a_token_to_a_certificate_without_a_break(self):
        token = self.folder / "token"
        self.county.tool("station", "add", "S0117", "--token-file", token)
        station = Station(self.folder / "station", self.county)
        self.stations.append(station)
        config = station.folder / "touyan.conf"
        config.write_text(config.read_text().replace("identity =", f'token_file = "{token}"\n    identity ='))
        station.start()
        wait_for("sync by the token", station.is_up)
        wait_for("the request", lambda: station.enrolment()["state"] == "waiting")
        station.touyan("enrol", self.county.code())
        wait_for("the certificate", lambda: station.enrolment()["state"] == "good")
        wait_for("sync", station.is_up)
        token.write_text("0123456789abcdef0123456789abcdef\n")  # it is not needed any more
        for _ in range(3):  # the first may have read the token before it changed
            seen = station.api("/v1/sync")["as_of"]
            station.touyan("sync", "now")
            wait_for("a round without the token", lambda: station.api("/v1/sync")["as_of"] > seen)
        wait_for("sync", station.is_up)

    def test_a_wrong_clock_does_not_matter(self):
        for start in ("1970-01-02 00:00", "2099-01-01 00:00"):
            station = self.enrolled(start=start)
            self.county.later(210)
            before = station.serial()
            wait_for("the renewal", lambda: station.serial() != before)
            wait_for("sync", station.is_up)
            station.part.stop()

    def test_nothing_is_trusted_that_does_not_fit_the_pin(self):
        code = self.county.code()
        station = self.station(pin=OTHER_PIN)
        said = station.touyan("enrol", code, code=75)
        self.assertIn("certificate", said)
        self.assertFalse(station.pem.exists())
        self.assertEqual(self.county.waiting() + self.county.certificates(), [])
        elsewhere = self.station(host="127.0.0.1")  # the certificate is for localhost
        elsewhere.touyan("enrol", code, code=75)
        self.assertEqual(self.county.waiting() + self.county.certificates(), [])

    def test_a_station_cannot_play_the_county(self):
        thief = self.enrolled()
        chain = self.folder / "chain.pem"
        chain.write_text(thief.pem.read_text() + (self.folder / "county/county.db.ca/ca.crt").read_text())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        listener = socket.create_server(("127.0.0.1", 0))
        heard = []

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                    with context.wrap_socket(client, server_side=True) as tls:
                        heard.append(tls.recv(100))
                except ssl.SSLError as error:
                    heard.append(str(error))
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        station = self.station(port=listener.getsockname()[1])
        wait_for("the attempt", lambda: heard)
        self.assertTrue(all(isinstance(h, str) or h == b"" for h in heard), heard)
        wait_for("the refusal", lambda: "certificate" in station.enrolment()["problem"])
        listener.close()

    def test_a_resumed_session_has_its_certificate_and_loses_it(self):
        station = self.enrolled()
        station.part.stop()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=self.folder / "county/county.db.ca/ca.crt")
            context.load_cert_chain(station.pem)
            context.minimum_version = context.maximum_version = version
            status, session, _ = self.ask(context, None)
            self.assertEqual(status, 200)
            status, session, resumed = self.ask(context, session)
            self.assertEqual((status, resumed), (200, True))
        self.county.tool("station", "revoke", "S0117")
        self.assertEqual(self.ask(context, session)[0], 401)

    def ask(self, context, session):
        body = json.dumps({"p": 1, "sv": 1, "station": "S0117", "inc": 0, "tok": "", "acked": 0,
                           "fp": "", "push": [], "pull": {}, "max": 4096})
        with socket.create_connection(("127.0.0.1", self.county.port), 10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                tls.sendall(f"POST /v1/sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                            f"{len(body)}\r\n\r\n{body}".encode())
                status = int(tls.recv(4096).split()[1])
                return status, tls.session, tls.session_reused

    def test_a_revoked_station_is_out_and_comes_back_with_a_new_code(self):
        station = self.enrolled()
        first = station.serial()
        self.county.tool("station", "revoke", "S0117")
        wait_for("the refusal", lambda: "revoked" in station.api("/v1/sync")["problem"])
        self.county.later(210)
        station.touyan("sync", "now")
        time.sleep(2)
        self.assertEqual(station.serial(), first)  # it renews nothing
        station.touyan("enrol", self.county.code())
        wait_for("sync", station.is_up)
        self.assertNotEqual(station.serial(), first)
        self.county.tool("certificate", "revoke", self.county.certificates()[-1]["serial"])
        wait_for("the refusal", lambda: "revoked" in station.api("/v1/sync")["problem"])

    def test_a_station_killed_at_any_moment_has_one_certificate(self):
        code = self.county.code()
        station = self.station()
        wait_for("it to ask", lambda: station.enrolment()["state"] == "waiting")
        asking = subprocess.Popen([BIN / "touyan", "--socket", station.folder / "touyan.sock",
                                   "enrol", code], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        wait_for("the new key", lambda: "touyan-enrol" in
                 (station.folder / "county.pem.next").read_text() or station.pem.exists())
        for delay in (0, 0.01, 0.03, 0.06, 0.1, 0.15):
            time.sleep(delay)
            station.part.kill()
            station.part.spawn([BIN / "touyan-gateway", "--config",
                                station.folder / "touyan.conf", "--clock", station.clock.path])
        asking.wait()
        wait_for("the gateway", station.answers)
        wait_for("sync", station.is_up)
        self.assertEqual(len(self.county.certificates()), 1)
        self.assertFalse((station.folder / "county.pem.next").exists())

    def test_a_county_from_before_the_renewal_goes_on(self):
        station = self.enrolled()
        self.county.part.stop()
        copy = self.folder / "copy.db"
        shutil.copy(self.county.db, copy)
        self.county.start()
        first = station.serial()
        self.county.later(210)
        wait_for("the renewal", lambda: station.serial() != first)
        self.county.put_back(copy)
        self.county.start()
        wait_for("the county to take it up", lambda: sorted(
            c["how"] for c in self.county.certificates()) == ["adopted", "code"], 30)
        wait_for("sync", station.is_up, 30)

    def test_a_county_from_before_the_revocation_knows_it(self):
        station = self.enrolled()
        copy = self.folder / "copy.db"
        copy_database(self.county.db, copy)
        self.county.tool("station", "revoke", "S0117")
        wait_for("the refusal", lambda: "revoked" in station.api("/v1/sync")["problem"])
        station.part.stop()
        self.county.put_back(copy)
        self.county.start()
        station.start()
        wait_for("the refusal", lambda: "revoked" in station.api("/v1/sync")["problem"])
        listed = json.loads(self.county.tool("station", "list"))
        self.assertTrue(all(s["revoked"] for s in listed), listed)
        station.touyan("enrol", self.county.code())
        wait_for("sync", station.is_up)


unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
