#!/usr/bin/env python3
"""A station with a real broker: the accounts that it makes hold, a terminal is answered after the
commit, a command goes out and its answer comes back, a product that nobody knew needs a file only,
and a file that is wrong is told with its line. Then broker, gateway and county are restarted in turn
while a device goes on: nothing is lost or there twice, at the station or in the county.

gates.py --build BUILD_DIR
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from parts import Failed, Mqtt, wait_for  # noqa: E402
from world import need, quietly, tell  # noqa: E402

FACE, BUTTON = "FT1401", "SOS1401"
REC = {"operator": "RecPush", "info": {
    "personId": "22", "RecordID": "389", "VerifyStatus": "1", "facesluiceId": FACE,
    "personName": "王小明", "idCard": "510124197001010011", "time": "2026-09-07 12:00:01",
    "PushType": 0, "pic": "data:image/jpeg;base64," + "A" * 60000}}
YARD = """product = yard
[rule press]
topic = yard/+/event
when = $.type is press
kind = sos
device = topic:1
id = $.n
"""


def heard(mqtt, word):
    """The payload of the next message with this word in it."""
    for _ in range(20):
        payload = mqtt.wait_message(20)[1]
        if word in payload:
            return json.loads(payload)
    raise Failed(f"no {word.decode()} among 20 messages")


def take_accounts(world):
    """What an installer does; returns the passwords by user."""
    for name in ("passwd", "acl"):
        path = world.folder / f"broker.{name}"
        path.write_text(world.touyan("device", "accounts", name))
    world.broker.process.send_signal(signal.SIGHUP)
    accounts = json.loads(world.touyan("device", "accounts", "list", "--json"))["accounts"]
    return {one["user"]: one["password"] for one in accounts}


def connect(world, passwords, user):
    def attempt():
        try:
            return Mqtt(world.mqtt_port, user, user, passwords[user])
        except Failed:
            return None  # the broker has not read its files yet
    return wait_for(f"the broker to know {user}", attempt)


def check_answer(face):
    face.subscribe(f"mqtt/face/{FACE}")
    face.publish(f"mqtt/face/{FACE}/Rec", REC)
    answer = heard(face, b"PushAck")
    need(answer["info"] == {"PushAckType": 2, "SnapOrRecordID": 389}, f"answered {answer}")


def check_private(world):
    """Nothing of the person is in any file of the station."""
    for path in world.folder.glob("replica.db*"):
        for secret in ("王小明", "510124197001010011", "A" * 3000):
            need(secret.encode() not in path.read_bytes(), f"{secret[:20]} is in {path.name}")


def check_command(world, face):
    asked = subprocess.Popen(
        [world.bin / "touyan", "--socket", world.folder / "touyan.sock", "--lang", "en", "device",
         "command", FACE, "reboot"], stdout=subprocess.PIPE, text=True)
    command = heard(face, b"RebootDevice")
    face.publish(f"mqtt/face/{FACE}/Ack", {
        "messageId": command["messageId"], "operator": "RebootDevice-Ack", "code": "200",
        "info": {"facesluiceId": FACE, "result": "ok"}})
    out = asked.communicate(timeout=30)[0]
    need(asked.returncode == 0 and "done" in out, f"command: {asked.returncode} {out}")


def check_flow(world, face):
    """How full it is, by the school's own numbers."""
    def level():
        return next((one["level"] for one in world.api("GET", "/v1/status")["flow"]
                     if one["people"] == 41), None)
    face.publish(f"mqtt/face/{FACE}/Snap", {"operator": "CountInRegionPush", "info": {
        "deviceId": FACE, "snapTime": "2026-09-07 12:00:01", "realtimeCount": 41}})
    wait_for("41 people, who are not many", lambda: level() == "flat" or None, 30)
    world.touyan("device", "flow", "S14", "20", "40")
    wait_for("the school to be full", lambda: level() == "heavy" or None, 30)
    listed = world.touyan("device", "flow")
    need("S14" in listed and "heavy" in listed and " 20 " in listed, f"device flow: {listed}")
    for words in (("S14", "40", "20"), ("S99", "20", "40"), ("S14", "many")):
        said = subprocess.run([world.bin / "touyan", "--socket", world.folder / "touyan.sock",
                               "device", "flow", *words], capture_output=True, text=True)
        need(said.returncode != 0, f"device flow {words}: {said.stdout}")


def check_impostor(world, passwords):
    """The button cannot speak for the terminal: the broker keeps it to its own topics."""
    button = connect(world, passwords, BUTTON)
    before = world.api("GET", "/v1/status")["broker"]["messages"]
    button.publish(f"mqtt/face/{FACE}/Rec", {**REC, "operator": "Spoof"})
    button.publish(f"sc/S0117/S14/M/{BUTTON}/tel", {"k": "heartbeat"})
    wait_for("the heartbeat",
             lambda: world.api("GET", "/v1/status")["broker"]["messages"] > before or None)
    need(not any(raw["topic"].startswith("mqtt/face")
                 for raw in world.api("GET", "/v1/devices")["raw"]), "the spoofed message came in")


def check_rules(world):
    rules = world.folder / "devices.d"
    rules.mkdir()
    (world.folder / "conf.d").mkdir()
    (world.folder / "conf.d" / "rules.conf").write_text(f'mqtt {{ rules_dir = "{rules}" }}\n')
    (rules / "yard.rules").write_text(YARD.replace("sos", "party"))
    said = subprocess.run([world.bin / "touyan-gateway", "--config", world.config_path,
                           "--check-config"], capture_output=True, text=True)
    need(said.returncode == 78 and "yard.rules:5: kind: no such kind" in said.stderr,
         f"--check-config: {said.returncode} {said.stderr}")
    (rules / "yard.rules").write_text(YARD)
    quietly(world.bin / "touyan-gateway", "--config", world.config_path, "--check-config")
    tried = subprocess.run([world.bin / "touyan", "device", "try", rules / "yard.rules", "--json"],
                           input='{"type":"press","n":7}\n', capture_output=True, text=True)
    need(json.loads(tried.stdout)["events"][0]["kind"] == "sos", f"try: {tried.stdout}")


class Sender(threading.Thread):
    """A device as they are: an event now and then; what the gateway has not answered is sent
    again after two seconds or a new connection."""

    def __init__(self, world, passwords, device):
        super().__init__(daemon=True)
        self.world, self.passwords, self.device = world, passwords, device
        self.base = f"sc/S0117/S14/M/{device}"
        self.made, self.open, self.stopping, self.connections = 0, [], False, 0

    def run(self):
        while self.open or not self.stopping:
            try:
                self.talk()
            except (OSError, Failed):
                time.sleep(0.1)

    def talk(self):
        mqtt = Mqtt(self.world.mqtt_port, self.device, self.device, self.passwords[self.device])
        self.connections += 1
        mqtt.subscribe(f"{self.base}/cmd")
        again = 0
        while self.open or not self.stopping:
            if not self.stopping:
                self.made += 1
                self.open.append(self.made)
                self.send(mqtt, self.made)
            if time.monotonic() > again:
                again = time.monotonic() + 2
                for number in list(self.open):
                    self.send(mqtt, number)
            mqtt.ping()  # takes what has come meanwhile
            for _, payload in mqtt.received:
                answered = json.loads(payload).get("ack", "-0").split("-")[1]
                if int(answered) in self.open:
                    self.open.remove(int(answered))
            mqtt.received.clear()
            time.sleep(0.05)
        mqtt.close()

    def send(self, mqtt, number):
        mqtt.publish(f"{self.base}/evt", {"id": f"5-{number}", "k": "door", "c": "open",
                                          "ts": self.world.clock.now()})


def check_restarts(world, passwords):
    sender = Sender(world, passwords, BUTTON)
    sender.start()
    for part, start in ((world.gateway, world.start_gateway), (world.broker, world.start_broker),
                        (world.county, lambda: world.start_county(fill=False))) * 2:
        time.sleep(0.7)
        code = part.stop()
        need(code in (0, -15), f"{part.name} ended with {code}")
        time.sleep(0.3)
        start()
    sender.stopping = True
    sender.join(60)
    need(not sender.is_alive(), f"{len(sender.open)} of {sender.made} are not answered")
    wanted = {f"{BUTTON}:5-{n + 1}" for n in range(sender.made)}
    query = f"SELECT id FROM device_event WHERE device_id = '{BUTTON}' AND kind = 'door'"
    station = [row["id"] for row in world.replica(query)]
    need(len(station) == len(wanted) and set(station) == wanted,
         f"{sender.made} sent, {len(station)} at the station")
    county = wait_for("the county to have them", lambda: (
        lambda ids: ids if len(ids) >= len(wanted) else None)(
            [row["id"] for row in world.county_rows(query)]), 60)
    need(len(county) == len(wanted) and set(county) == wanted,
         f"{sender.made} sent, {len(county)} in the county")
    need(sender.connections >= 3, "the broker was never away")


def play(world):
    world.up()
    wait_for("the county's devices", lambda: any(
        d["id"] == FACE and d["registered"] for d in world.api("GET", "/v1/devices")["devices"])
        or None)
    passwords = take_accounts(world)
    face = connect(world, passwords, FACE)
    check_answer(face)
    check_command(world, face)
    check_flow(world, face)
    check_impostor(world, passwords)
    check_private(world)
    check_restarts(world, passwords)
    check_rules(world)


if __name__ == "__main__":
    os.environ["TOUYAN_LANG"] = "en"
    sys.exit(tell("gates", play, "2026-09-07 12:00", (BUTTON,)))
