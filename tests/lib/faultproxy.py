#!/usr/bin/env python3
"""A TCP relay on loopback that breaks connections: faultproxy.py --to PORT [--listen PORT] --seed N

Each connection draws its fate from the seed: well; cut or reset after a random number of bytes in
either direction; silent from some byte on, for a while or for good; a reply that the server has
given and nobody hears; slow, in small pieces. TCP itself stays whole: no byte is changed, doubled
or out of order. Some bytes before the place of the cut are always let through.

Standard input, a line each; every one is answered by a line with the counts as JSON:
  faults | calm     for new connections; calm also resets those that have a bad fate
  cut | restore     nothing passes and nobody is answered (a line that is dead, not refused)
  refuse | restore  connections are reset at once
  stats             only the counts
End of input ends it.
"""

import argparse
import asyncio
import collections
import json
import random
import socket
import struct
import sys

FATES = {"well": 1, "cut": 4, "reset": 4, "stall": 2, "hole": 1, "lost_reply": 4, "slow": 2}
HANDSHAKE_BYTES = 3000  # about what TLS costs each way: faults lie before and after it
SPAN_BYTES = 5000
STALL_S = 1.5
HOLE_S = 20.0
SLOW_PIECE, SLOW_S = 600, 0.01
PIECE = 16384


class Fate:
    def __init__(self, rnd, kind):
        self.kind = kind
        self.way = rnd.choice(("up", "down"))
        near = rnd.random() < 0.4
        self.at = rnd.randrange(HANDSHAKE_BYTES if near else SPAN_BYTES)
        self.stall_s = rnd.uniform(0, STALL_S)


class Pair:
    """Both sockets of a relayed connection."""

    def __init__(self, proxy, fate, near):
        self.proxy, self.fate = proxy, fate
        self.near, self.far = near, None
        self.seen = {"up": 0, "down": 0}
        self.dead = asyncio.Event()

    def reset(self):
        """RST to both ends: whatever was under way is lost."""
        for side in (self.near, self.far):
            if side is None:
                continue
            raw = side[1].get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side[1].transport.abort()
        self.dead.set()

    async def strike(self, way, data):
        """What is left of the data after the fate has struck; None: the connection is over."""
        fate, before = self.fate, self.seen[way]
        self.seen[way] += len(data)
        if fate.kind == "slow":
            await asyncio.sleep(SLOW_S)
            return data
        if way != ("down" if fate.kind == "lost_reply" else fate.way) or self.seen[way] <= fate.at:
            return data
        if fate.kind in ("cut", "reset", "lost_reply"):
            self.proxy.count["struck"] += 1
            return data[:max(0, fate.at - before)] or None
        if fate.kind in ("stall", "hole") and before <= fate.at:
            self.proxy.count["struck"] += 1
            await self.proxy.silence(fate.stall_s if fate.kind == "stall" else HOLE_S)
            if fate.kind == "hole":
                return None
        return data

    async def pump(self, way, source, sink):
        size = SLOW_PIECE if self.fate.kind == "slow" else PIECE
        while data := await source.read(size):
            await self.proxy.open.wait()
            whole = len(data)
            data = await self.strike(way, data)
            if data:
                sink.write(data)
                await sink.drain()
                self.proxy.count[f"bytes_{way}"] += len(data)
            if data is None or len(data) < whole:
                break

    async def run(self):
        pumps = [asyncio.ensure_future(self.pump("up", self.near[0], self.far[1])),
                 asyncio.ensure_future(self.pump("down", self.far[0], self.near[1]))]
        over = asyncio.ensure_future(self.dead.wait())
        await asyncio.wait(pumps + [over], return_when=asyncio.FIRST_COMPLETED)
        for task in pumps + [over]:
            task.cancel()
        await asyncio.gather(*pumps, over, return_exceptions=True)
        if self.fate.kind in ("reset", "hole", "lost_reply"):
            self.reset()


class Proxy:
    def __init__(self, target, seed):
        self.target, self.rnd = target, random.Random(seed)
        self.calm = self.refusing = False
        self.open, self.pairs = asyncio.Event(), set()
        self.open.set()
        self.count = collections.Counter(connections=0, struck=0, bytes_up=0, bytes_down=0)

    async def silence(self, seconds):
        await asyncio.sleep(seconds)
        await self.open.wait()

    def draw(self):
        if self.calm:
            return Fate(self.rnd, "well")
        return Fate(self.rnd, self.rnd.choices(list(FATES), list(FATES.values()))[0])

    async def serve(self, reader, writer):
        pair = Pair(self, self.draw(), (reader, writer))
        self.count["connections"] += 1
        self.count[pair.fate.kind] += 1
        self.pairs.add(pair)
        try:
            await self.open.wait()
            if self.refusing:
                pair.reset()
                return
            pair.far = await asyncio.open_connection("127.0.0.1", self.target)
            await pair.run()
        except OSError:
            pair.reset()
        finally:
            self.pairs.discard(pair)
            for side in (pair.near, pair.far):
                if side is not None:
                    side[1].close()

    def obey(self, word):
        if word in ("faults", "calm"):
            self.calm = word == "calm"
            for pair in list(self.pairs) if self.calm else []:
                if pair.fate.kind != "well":
                    pair.reset()
        elif word == "cut":
            self.open.clear()
        elif word in ("refuse", "restore"):
            self.refusing = word == "refuse"
            self.open.set()
        elif word != "stats":
            return {"error": f"no command {word!r}"}
        return dict(self.count)


async def run(args):
    proxy = Proxy(args.to, args.seed)
    proxy.calm = args.calm
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", args.listen, limit=PIECE)
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while line := await words.readline():
        print(json.dumps(proxy.obey(line.decode().strip())), flush=True)
    server.close()
    for pair in list(proxy.pairs):
        pair.reset()


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--to", type=int, required=True)
    words.add_argument("--listen", type=int, default=0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--calm", action="store_true")
    asyncio.run(run(words.parse_args()))


if __name__ == "__main__":
    main()
