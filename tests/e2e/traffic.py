"""People and gates that go on whatever happens to the station: each repeats an event until it was
acknowledged, asks and waits for no answer, or answers what the mobile network brought. Every one
is a thread and remembers what it handed over, so that an account can be made of it.
"""

import json
import random
import re
import threading
import time

from parts import Failed
from world import STATION

ACK_WAIT_S = 1.5
RETRY_S = 0.05


class Actor(threading.Thread):
    """Does `step` over and over until told to end."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.random, self.ending, self.broken = world, random.Random(seed), False, None

    def run(self):
        try:
            while not self.ending:
                self.step()
        except Exception as problem:  # a thread that dies silently would prove nothing
            self.broken = f"{type(self).__name__}: {problem!r}"

    def end(self):
        self.ending = True
        self.join(30)
        if self.broken or self.is_alive():
            raise Failed(self.broken or f"{type(self).__name__} does not end")


class Gate(Actor):
    """Publishes numbered events, now and then an SOS, and repeats each until
    `.../cmd {"ack": id}` came."""

    SOS_SHARE = 0.02

    def __init__(self, world, seed, device, school, gate):
        super().__init__(world, f"{seed}/{device}")
        self.device, self.school, self.gate = device, school, gate
        self.acked, self.told, self.connection, self.number = [], set(), None, 0

    def topic(self, leaf):
        return f"sc/{STATION}/{self.school}/{self.gate}/{self.device}/{leaf}"

    def connect(self):
        self.connection = self.world.device(self.device, self.school, self.gate, will=False)
        self.connection.subscribe(self.topic("cmd"))

    def tell(self, event_id, what):
        """One try; True when the station has acknowledged."""
        self.told.add(event_id)
        self.connection.publish(self.topic("evt"),
                                {"id": event_id, "ts": self.world.clock.now(), **what})
        end = time.monotonic() + ACK_WAIT_S
        while time.monotonic() < end:
            _, answer = self.connection.wait_message(ACK_WAIT_S)
            if json.loads(answer).get("ack") == event_id:
                return True
        return False

    def drop(self):
        if self.connection is not None:
            self.world.connections.remove(self.connection)
            self.connection.drop()
            self.connection = None
        time.sleep(RETRY_S)

    def step(self):
        self.number += 1
        event_id = f"1-{self.number}"
        sos = self.random.random() < self.SOS_SHARE
        what = {"k": "sos"} if sos else {"k": "door", "c": "open"}
        while not self.ending:
            try:
                if self.connection is None:
                    self.connect()
                if self.tell(event_id, what):
                    self.acked.append(event_id)
                    break
            except (OSError, Failed, IndexError, ValueError):
                self.drop()
        time.sleep(0.02)


class Parents(Actor):
    """Parents ask when school lets out, each from a number of their own."""

    SCHOOLS = ["S17", "S14", "S16", "S13", "S15", "S18"]

    def __init__(self, world, seed):
        super().__init__(world, f"{seed}/parents")
        self.asked = []

    def step(self):
        # numbers are shown by their last three digits: a thousand of them ask for each school
        school = self.SCHOOLS[len(self.asked) // 1000]
        number = f"+86100000{20000 + len(self.asked):05d}"
        self.world.modem.inbound(number, f"放学{school}")
        self.asked.append(number)
        time.sleep(self.random.uniform(0.2, 0.6))


class Officers(Actor):
    """Two officers raise alarms by SMS; whoever is told of an alarm goes there, and who has it
    closes it."""

    PAUSE_S = 5

    def __init__(self, world, seed, phones, names):
        super().__init__(world, f"{seed}/officers")
        self.phones, self.names = phones, names
        self.position, self.done, self.raised, self.quiet = 0, set(), 0, False
        self.next_raise = time.monotonic()

    def once(self, number, text):
        if (number, text) not in self.done:
            self.done.add((number, text))
            self.world.modem.inbound(number, text)

    def read(self, message):
        number, text = message["to"], message["text"]
        if m := re.search(r"(\d{4})由您出警", text):
            self.once(number, f"解除{m.group(1)}")
        elif m := re.search(r"接手请回“出警(\d{4})”", text):
            self.once(number, f"出警{m.group(1)}")

    def step(self):
        messages = self.world.modem.messages()
        for message in messages[self.position:]:
            self.read(message)
        self.position = len(messages)
        if time.monotonic() > self.next_raise and not self.quiet:
            name = self.names[self.raised % len(self.names)]
            self.world.modem.inbound(self.phones[name], "报警")
            self.raised += 1
            self.next_raise = time.monotonic() + self.random.uniform(1, 2) * self.PAUSE_S
        time.sleep(0.1)
