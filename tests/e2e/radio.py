#!/usr/bin/env python3
"""A mesh of radios at a station with a real broker. An officer's 报警 by radio alarms the leader by
radio and by SMS; whoever takes it first, by either, ends both; strangers and other channels are not
obeyed; nothing that goes over the air names anybody; and a station that is killed while texts come
in takes each of them once.

radio.py --build BUILD_DIR
"""

import os
import pathlib
import re
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from parts import Failed, Mqtt, table, wait_for  # noqa: E402
from world import need, quietly, tell  # noqa: E402

OFFICER, LEADER, STRANGER = 0x7EFEEE00, 0x0A0B0C0D, 0x01020304
P_OFFICER, P_LEADER = "P1301", "L0117"
EVERYBODY = 0xFFFFFFFF
TOPIC = "msh/CN/2/e/{}/!7efeee00"
CONFIG = """radio {
    channel = "touyan"
    node = "!7d0a0001"
    preset = medium_fast
}
"""


# --- protobuf, as little as it takes ---

def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def fixed(field, value):
    return varint(field << 3 | 5) + struct.pack("<I", value)


def blob(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def fields(raw):
    """Number to value of a message's fields."""
    found, at = {}, 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(raw):
        key = take()
        if key & 7 == 0:
            found[key >> 3] = take()
        elif key & 7 == 5:
            found[key >> 3] = struct.unpack_from("<I", raw, at)[0]
            at += 4
        else:
            size = take()
            found[key >> 3] = raw[at:at + size]
            at += size
    return found


class Mesh:
    """The node that has a network: what it hears goes to the broker, and back."""

    def __init__(self, world):
        self.world, self.last = world, 1000
        self.said = []  # (to, text) of the station
        self.wire = self.connect()

    def connect(self):
        wire = Mqtt(self.world.mqtt_port, "meshtastic", "meshtastic", "secret-of-meshtastic")
        wire.subscribe("msh/CN/2/e/touyan/+")
        self.world.connections.append(wire)
        return wire

    def envelope(self, data, sender, to, key, age_s=0):
        at_s = self.world.clock.now() // 1000 - age_s
        packet = fixed(1, sender) + fixed(2, to) + blob(4, data) + fixed(6, key) + fixed(7, at_s)
        return blob(1, packet) + blob(2, b"touyan") + blob(3, b"!7efeee00")

    def text(self, sender, words, to=EVERYBODY, channel="touyan", key=None, wait=True, age_s=0):
        self.last += 1
        data = number(1, 1) + blob(2, words.encode())
        self.wire.publish(TOPIC.format(channel),
                          self.envelope(data, sender, to, key or self.last, age_s), wait=wait)
        return key or self.last

    def next_said(self, acknowledge=True, seconds=20):
        """The station's next packet: (to, text); acknowledged by the radio that it is for."""
        for _ in range(50):
            topic, raw = self.wire.wait_message(seconds)
            if not topic.endswith("/!7d0a0001"):
                continue
            packet = fields(fields(raw)[1])
            data = fields(packet[4])
            need(packet[1] == 0x7D0A0001 and data[1] == 1, f"a strange packet {raw.hex()}")
            said = (packet[2], data[2].decode())
            self.said.append(said)
            if acknowledge:
                routing = number(1, 5) + blob(2, b"") + fixed(6, packet[6])
                self.last += 1
                self.wire.publish(TOPIC.format("touyan"),
                                  self.envelope(routing, packet[2], 0x7D0A0001, self.last))
            return said
        raise Failed("nothing was said among 50 packets")

    def until_said(self, to, pattern, acknowledge=True):
        for _ in range(30):
            sent_to, text = self.next_said(acknowledge)
            match = re.search(pattern, text)
            if sent_to == to and match:
                return match
        raise Failed(f"{pattern} was not said to !{to:08x}: {self.said}")


def one(world, sql, *args):
    found = world.replica(sql, *args)
    return next(iter(found[0].values())) if found else None


def alarm(world, state, seconds=20):
    return wait_for(f"an alarm to be {state}", lambda: one(
        world, "SELECT code FROM alarm WHERE state = ?", state), seconds)


def check_alarm_by_radio(world, mesh):
    """Taken by radio: the SMS end; ended by radio."""
    mesh.text(OFFICER, "报警")
    code = alarm(world, "open")
    line = mesh.until_said(LEADER, r"^S13#(\d{5}) .*报警07:3\d 接手回\1 1$")
    need(line[1][:4] == code, f"the radio says {line[0]} of alarm {code}")
    need(one(world, "SELECT count(*) FROM outbox WHERE ref_kind = 'alarm' AND state <> 'cancelled'")
         > 0, "no SMS went out beside the radio")
    wrong = line[1][:4] + str((int(line[1][4]) + 1) % 10)
    mesh.text(LEADER, f"{wrong} 1")
    mesh.until_said(LEADER, "编号核对不上")
    need(alarm(world, "open") == code, "a code that does not add up was obeyed")
    mesh.text(LEADER, f"{line[1]} 1")
    need(alarm(world, "acked") == code, "another alarm was taken")
    mesh.until_said(LEADER, f"^{code}由您出警")
    mesh.until_said(OFFICER, "同事已出警")
    need(one(world, "SELECT acked_by FROM alarm") == P_LEADER, "taken by somebody else")
    need(one(world, "SELECT count(*) FROM outbox WHERE ref_kind = 'alarm'"
                    " AND state IN ('queued', 'claimed')") == 0, "SMS of the alarm still wait")
    before = one(world, "SELECT count(*) FROM outbox WHERE text_id LIKE 'O2_%AGAIN'")
    world.run_until(world.clock.now() + 5 * 60000)
    need(one(world, "SELECT count(*) FROM outbox WHERE text_id LIKE 'O2_%AGAIN'") == before,
         "the ladder went on after it was taken by radio")
    mesh.text(LEADER, f"{line[1]} 0")
    need(alarm(world, "resolved") == code, "it was not ended")
    world.settle()


def check_alarm_by_sms(world, mesh):
    """Taken by SMS: the radio ends."""
    phone = next(p for p in PEOPLE if p["id"] == P_LEADER)["phone"]
    mesh.text(OFFICER, "报警")
    code = alarm(world, "open")
    mesh.until_said(LEADER, rf"^S13#{code}\d ", acknowledge=False)
    world.touyan("sms", "simulate", phone, f"出警{code}")
    need(alarm(world, "acked") == code, "not taken by SMS")
    need(one(world, "SELECT count(*) FROM radio_out WHERE ref_kind = 'alarm'"
                    " AND state IN ('queued', 'given')") == 0, "the radio goes on")
    world.run_until(world.clock.now() + 3 * 60000)
    need(one(world, "SELECT max(tries) FROM radio_out WHERE ref_kind = 'alarm' AND state ="
                    " 'cancelled'") == 1, "it was said again after it was taken by SMS")
    world.touyan("sms", "simulate", phone, f"解除{code}")
    wait_for("its end", lambda: one(world, "SELECT 1 FROM alarm WHERE code = ? AND state ="
                                           " 'resolved'", code))
    world.settle()


def check_strangers(world, mesh):
    before = one(world, "SELECT count(*) FROM alarm")
    mesh.text(STRANGER, "报警")
    mesh.text(OFFICER, "报警", channel="LongFast")
    mesh.text(OFFICER, "报警", to=LEADER)
    wait_for("the stranger on the list", lambda: one(
        world, "SELECT ignored FROM radio_node WHERE node = '!01020304'") == 1)
    wait_for("the others to be counted", lambda: one(
        world, "SELECT ignored FROM radio_node WHERE node = '!7efeee00'") == 2)
    mesh.text(OFFICER, "报警", age_s=31 * 60)  # its network was down: for a person to look at
    wait_for("the old text on the desk", lambda: one(
        world, "SELECT 1 FROM desk_item WHERE kind = 'text' AND ref_id LIKE 'radio/%' AND"
               " person_id = ?", P_OFFICER))
    need(one(world, "SELECT count(*) FROM alarm") == before, "a stranger was obeyed")
    listed = world.touyan("radio", "list", "--lang", "en")
    need("!01020304" in listed and "not obeyed" in listed, f"radio list: {listed}")


def check_same_answers(world, mesh):
    """A question by radio is answered there, one whose answer names people by SMS."""
    mesh.text(OFFICER, "我的班")
    mesh.until_said(OFFICER, "您的班|近7天没有您的班")
    mesh.text(LEADER, "谁在岗S13")
    mesh.until_said(LEADER, "答复已用短信")
    wait_for("the SMS", lambda: one(world, "SELECT 1 FROM outbox WHERE text_id LIKE 'O4_%'"))
    world.touyan("radio", "send", "!0a0b0c0d", "请回所里")
    mesh.until_said(LEADER, "^请回所里$")


def taken(world):
    return one(world, "SELECT texts FROM radio_node WHERE node = '!7efeee00'")


def check_killed(world, mesh):
    """Each text once, whenever the station dies."""
    keys, before = [], taken(world)
    for round_ in range(6):
        for _ in range(8):
            keys.append(mesh.text(OFFICER, "收到", wait=False))
        if round_ % 2:
            world.kill_gateway()
            keys.append(mesh.text(OFFICER, "收到", wait=False))
            mesh.text(OFFICER, "收到", key=keys[0], wait=False)
            world.start_gateway()
    wait_for("all texts", lambda: one(
        world, "SELECT count(*) FROM radio_in WHERE id LIKE 'radio/meshtastic/!7efeee00/%' AND"
               " CAST(substr(id, 28) AS INTEGER) >= ?", keys[0]) == len(keys) or None)
    need(taken(world) - before == len(keys), "one was taken twice")


def check_private(mesh):
    for to, text in mesh.said:
        for one_ in PEOPLE:
            need(one_["name"] not in text and one_["phone"][3:] not in text,
                 f"!{to:08x} heard {text}")


def check_config(world):
    config = world.folder / "conf.d" / "radio.conf"
    good = config.read_text()
    for wrong, says in (("medium_fast", "long_slow"), ("!7d0a0001", "7d0a0001")):
        config.write_text(good.replace(wrong, says))
        try:
            quietly(world.bin / "touyan-gateway", "--config", world.config_path, "--check-config")
        except Failed as problem:
            need("radio." in str(problem), f"--check-config: {problem}")
        else:
            raise Failed(f"--check-config took {says}")
    config.write_text(good)
    quietly(world.bin / "touyan-gateway", "--config", world.config_path, "--check-config")


PEOPLE = []


def play(world):
    PEOPLE.extend(p for p in table("person") if p["kind"] != "desk")
    (world.folder / "conf.d").mkdir()
    (world.folder / "conf.d" / "radio.conf").write_text(CONFIG)
    world.up()
    wait_for("the county's people", lambda: one(world, "SELECT 1 FROM person WHERE id = ?",
                                                P_OFFICER))
    check_config(world)
    world.touyan("radio", "add", "!7efeee00", P_OFFICER)
    world.touyan("radio", "add", "168496141", P_LEADER, "meshtastic")
    mesh = Mesh(world)
    world.settle()
    check_alarm_by_radio(world, mesh)
    check_alarm_by_sms(world, mesh)
    check_strangers(world, mesh)
    check_same_answers(world, mesh)
    check_killed(world, mesh)
    check_private(mesh)


if __name__ == "__main__":
    os.environ["TOUYAN_LANG"] = "zh"
    sys.exit(tell("radio", play, "2026-09-08 07:32", ("meshtastic",)))
