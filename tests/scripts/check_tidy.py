#!/usr/bin/env python3
"""check_tidy.py ROOT BUILD_DIR: clang-tidy over compile_commands.json, in parallel.

A file whose text, included headers of ours, command and settings were clean before is not looked
at again: an empty file named by their hash in BUILD_DIR/lint remembers it."""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.M)
GCC_ONLY = re.compile(r"^(-fsanitize.*|-fno-sanitize.*|--coverage|-Werror)$")


class Hasher:
    """The hash of a source and of all repository headers it reaches."""

    def __init__(self, root, build):
        self.folders = [root, os.path.join(build, "generated")]
        self.seen = {}

    def load(self, path):
        if path not in self.seen:
            with open(path, "rb") as f:
                self.seen[path] = f.read()
        return self.seen[path]

    def reach(self, path, reached):
        if path in reached:
            return
        reached.add(path)
        for name in INCLUDE.findall(self.load(path)):
            for folder in self.folders + [os.path.dirname(path)]:
                inner = os.path.join(folder, name.decode())
                if os.path.isfile(inner):
                    self.reach(os.path.realpath(inner), reached)
                    break

    def digest(self, path, extra):
        reached = set()
        self.reach(path, reached)
        digest = hashlib.sha256(extra.encode())
        for one in sorted(reached):
            digest.update(one.encode() + b"\0" + self.load(one))
        return digest.hexdigest()


def commands(root, build):
    """Of each of our sources, one compile command without what only gcc or the build wants."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    found = {}
    for entry in entries:
        path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        inside = os.path.relpath(path, root)
        if inside.startswith(("..", "build/")) or not path.endswith(".c"):
            continue
        words = shlex.split(entry["command"])
        while words and not re.search(r"(^|/)(cc|gcc|clang|x86_64-linux-gnu-gcc)(-\d+)?$",
                                      words[0]):
            words.pop(0)  # ccache and the like
        words = words[1:]
        if "-o" in words:
            at = words.index("-o")
            del words[at:at + 2]
        found[path] = [w for w in words if not GCC_ONLY.match(w) and w not in ("-c", path)
                       and os.path.join(entry["directory"], w) != path]
    return found


def effort(root, path):
    """The analyzer's budget: with its default of 225,000 nodes a function it takes several times as
    long, and a fifth of them finds the same here. Tests get its shallow mode."""
    budget = "mode=shallow" if os.path.relpath(path, root).startswith("tests/") \
        else "max-nodes=45000"
    return [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", budget)]


def tidy(root, path, words):
    command = ["clang-tidy", "--quiet"] + effort(root, path) + [path, "--"] + words
    done = subprocess.run(command, cwd=root, text=True, capture_output=True, check=False)
    out = "\n".join(row for row in done.stdout.splitlines() if row.strip())
    problem = done.returncode != 0 or "warning:" in out or "error:" in out
    return (out or done.stderr) if problem else ""


def main(root, build):
    root, build = os.path.realpath(root), os.path.realpath(build)
    cache = os.path.join(build, "lint")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(root, ".clang-tidy"), encoding="utf-8") as f:
        settings = f.read()
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True,
                             check=True).stdout
    hasher, waiting = Hasher(root, build), {}
    for path, words in sorted(commands(root, build).items()):
        mark = os.path.join(cache, hasher.digest(path, settings + version +
                                                 " ".join(words + effort(root, path))))
        if not os.path.exists(mark):
            waiting[path] = (words, mark)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        jobs = {pool.submit(tidy, root, path, words): mark
                for path, (words, mark) in waiting.items()}
        for job in concurrent.futures.as_completed(jobs):
            if job.result():
                bad += 1
                print(job.result(), flush=True)
            else:
                with open(jobs[job], "w", encoding="utf-8"):
                    pass
    print(f"clang-tidy: {len(waiting)} files looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
