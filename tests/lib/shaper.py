#!/usr/bin/env python3
"""A slow and lossy line in user space; this kernel may have no netem.

shaper.py --tun A B          (root) packets between two TUN devices that it makes: move each into a
                             network namespace of its own, and kernel TCP is at both ends
shaper.py --tcp PORT         a relay on loopback to PORT, for those who are not root: what is lost
                             comes a round trip later and takes the line's time twice, as if TCP had
                             sent it again
    [--rate BIT/S] [--delay MS] [--jitter MS] [--loss PERCENT] [--queue BYTES] [--seed N]

Each direction is a queue of so many bytes before a line of that rate, then the delay. Standard
input: `down`, `up`, `rate X`, `delay X`, `loss X`, `stats`, each answered by a line of JSON with the
counts; the end of input ends it.
"""

import argparse
import asyncio
import collections
import fcntl
import json
import os
import random
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET = 65536
SEGMENT = 1400
HEADERS = 52  # of IP and TCP, which a relay does not see


class Shape:
    def __init__(self, args):
        self.rate, self.queue = args.rate, args.queue
        self.delay, self.jitter, self.loss = args.delay / 1000, args.jitter / 1000, args.loss / 100
        self.down = False

    def change(self, word, value):
        if word in ("down", "up"):
            self.down = word == "down"
        elif word == "rate":
            self.rate = int(value)
        elif word == "delay":
            self.delay = float(value) / 1000
        elif word == "loss":
            self.loss = float(value) / 100


class Way:
    """One direction. Times are the caller's, in seconds."""

    def __init__(self, shape, seed):
        self.shape, self.rnd = shape, random.Random(seed)
        self.free_at = self.last_due = 0.0
        self.count = collections.Counter(packets=0, bytes=0, lost=0, dropped=0)

    def waiting_bytes(self, now):
        return max(0.0, self.free_at - now) * self.shape.rate / 8

    def send(self, now, size):
        """The line is busy with it: when it has left."""
        self.free_at = max(now, self.free_at) + size * 8 / self.shape.rate
        self.count["packets"] += 1
        self.count["bytes"] += size
        return self.free_at

    def arrive(self, left):
        """Order is kept: a line is no cloud."""
        self.last_due = max(self.last_due,
                            left + self.shape.delay + self.rnd.uniform(0, self.shape.jitter))
        return self.last_due

    def is_lost(self):
        lost = self.rnd.random() < self.shape.loss
        self.count["lost"] += lost
        return lost

    def take(self, now, size):
        """When a packet that is sent now arrives; None: never."""
        if self.shape.down or self.waiting_bytes(now) + size > self.shape.queue:
            self.count["dropped"] += 1
            return None
        left = self.send(now, size)
        return None if self.is_lost() else self.arrive(left)

    def take_segment(self, now, size):
        """The same for a piece of a stream, which TCP sends until it arrives."""
        left = self.send(now, size + HEADERS)
        while self.is_lost():
            left = self.send(left + 2 * self.shape.delay, size + HEADERS)
        return self.arrive(left)


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def write_packet(fd, packet):
    try:
        os.write(fd, packet)
    except OSError:
        pass  # the device is not up (any more): as good as lost


def relay_packets(loop, way, source, sink):
    def on_packet():
        try:
            packet = os.read(source, PACKET)
        except OSError:
            return
        due = way.take(loop.time(), len(packet))
        if due is not None:
            loop.call_at(due, write_packet, sink, packet)
    loop.add_reader(source, on_packet)


async def relay_stream(loop, way, reader, writer):
    """Reads no faster than the line takes it, as a sender with a full window."""
    arrived = asyncio.Queue()

    async def deliver():
        while True:
            due, piece = await arrived.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            while way.shape.down:
                await asyncio.sleep(0.05)
            if not piece:
                writer.close()
                return
            writer.write(piece)
    task = asyncio.ensure_future(deliver())
    try:
        while True:
            piece = await reader.read(SEGMENT)
            while way.shape.down or way.waiting_bytes(loop.time()) > way.shape.queue:
                await asyncio.sleep(0.01)
            due = way.take_segment(loop.time(), len(piece)) if piece else way.last_due
            arrived.put_nowait((due, piece))
            if not piece:
                break
        await task
    finally:
        task.cancel()


async def serve_stream(loop, ways, port, near):
    far = await asyncio.open_connection("127.0.0.1", port)
    both = [relay_stream(loop, ways[0], near[0], far[1]), relay_stream(loop, ways[1], far[0], near[1])]
    await asyncio.gather(*both, return_exceptions=True)
    for side in (near, far):
        side[1].close()


async def obey(shape, ways):
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    while line := await words.readline():
        word, _, value = line.decode().strip().partition(" ")
        shape.change(word, value)
        print(json.dumps({"there": dict(ways[0].count), "back": dict(ways[1].count)}), flush=True)


async def run(args):
    loop, shape = asyncio.get_running_loop(), Shape(args)
    ways = [Way(shape, args.seed * 2), Way(shape, args.seed * 2 + 1)]
    if args.tun:
        near, far = (open_tun(name) for name in args.tun)
        relay_packets(loop, ways[0], near, far)
        relay_packets(loop, ways[1], far, near)
        print(json.dumps({"tun": args.tun}), flush=True)
    else:
        server = await asyncio.start_server(
            lambda r, w: serve_stream(loop, ways, args.tcp, (r, w)), "127.0.0.1", 0, limit=SEGMENT)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await obey(shape, ways)


def main():
    words = argparse.ArgumentParser()
    carrier = words.add_mutually_exclusive_group(required=True)
    carrier.add_argument("--tun", nargs=2)
    carrier.add_argument("--tcp", type=int)
    words.add_argument("--rate", type=int, default=40000)
    words.add_argument("--delay", type=float, default=250)
    words.add_argument("--jitter", type=float, default=50)
    words.add_argument("--loss", type=float, default=5)
    words.add_argument("--queue", type=int, default=16000)
    words.add_argument("--seed", type=int, default=1)
    asyncio.run(run(words.parse_args()))


if __name__ == "__main__":
    main()
