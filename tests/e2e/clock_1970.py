#!/usr/bin/env python3
"""A machine without a battery starts in 1970: the station says so, goes by the network's time as soon
as a modem has heard it, and by the machine's again when that is set right.

clock_1970.py --build BUILD_DIR
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

from parts import Failed, ms_of, wait_for
from world import World

TOLD = ("2026-11-23", "10:00:00")
CCLK = "26/11/23,10:00:00+32"
START_S = 60  # of the modem, with libgammu


def finding(world, code):
    found = [f for f in world.api("GET", "/v1/check")["findings"] if f["code"] == code]
    return found[0] if found else None


def status(world):
    return world.api("GET", "/v1/status")


def play(world):
    world.up()
    if status(world)["clock"] != "wrong" or finding(world, "wall_clock")["level"] != 2:
        raise Failed(f"1970 is not noticed: {status(world)['clock']}")
    world.modem.command(cmd="sim", time=CCLK)
    world.modem.unplug()
    world.modem.plug()  # it is asked when it starts
    wait_for("the network's time", lambda: status(world)["clock"] == "network", START_S)
    late = status(world)["now"] - ms_of(*TOLD)
    if not 0 <= late < START_S * 1000:
        raise Failed(f"{late} ms behind what the network said")
    if finding(world, "wall_clock")["level"] != 1:
        raise Failed("it is not said whose time it is")
    right = ms_of("2026-11-24", "08:00")
    world.clock.set(right)
    if status(world)["clock"] != "system" or not 0 <= status(world)["now"] - right < 10000:
        raise Failed("a clock that was set right does not count")
    if finding(world, "wall_clock"):
        raise Failed("a clock that was set right is complained of")
    world.down()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--build", type=pathlib.Path, required=True)
    args = words.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="touyan-clock-"))
    world = World(folder, args.build.resolve() / "bin", "1970-01-02 09:30", county=False, make="calm",
                  devices=["G1"])
    try:
        play(world)
    except Failed as problem:
        print(f"clock_1970: {problem}\nclock_1970: logs in {folder}", file=sys.stderr)
        return 1
    finally:
        world.kill_all()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
