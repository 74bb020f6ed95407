#!/usr/bin/env python3
"""Packets both ways between our Meshtastic codec and the official package @meshtastic/protobufs,
which is installed by `npm ci` into the build folder. Without npm, or without a network the first
time, the test is passed over (status 77): tests/data/radio has what the package made.

radio_peer.py --build BUILD_DIR [--packets N]
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent / "meshtastic"
SKIPPED = 77


def install(home):
    """True: the package is there."""
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "peer.js"):
        shutil.copy(HERE / name, home)
    if (home / "node_modules" / "@meshtastic").is_dir():
        return True
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=home,
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        print(f"radio_peer: npm ci: {done.stderr.strip()[-500:]}", file=sys.stderr)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--packets", type=int, default=2000)
    args = parser.parse_args()
    if not shutil.which("node") or not shutil.which("npm"):
        print("radio_peer: no node and npm here", file=sys.stderr)
        return SKIPPED
    home = args.build.resolve() / "meshtastic"
    if not install(home):
        return SKIPPED
    codec = args.build.resolve() / "tests" / "radio_codec"
    done = subprocess.run(["node", "peer.js", "check", str(codec), str(args.packets)], cwd=home,
                          timeout=300, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
