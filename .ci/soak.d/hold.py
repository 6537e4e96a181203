#!/usr/bin/env python3
"""Prints the soak report's section on a long hold: kept connections that speak now and then, short
ones all the time, and a reload every few seconds that changes servers and settings. Fails where a
connection breaks, a request fails, or the daemon's memory grows.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time

from daemon import raise_descriptor_limit, running

KEPT = 1_000
PING_SECONDS = 20
SHORT_PER_SECOND = 50
RELOAD_SECONDS = 5
ANSWER_SECONDS = 10
GROWTH_MAX = 1.15


async def echo(reader, writer):
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


def serve(ports):
    raise_descriptor_limit()

    async def main():
        servers = [await asyncio.start_server(echo, "127.0.0.1", 0, backlog=1024) for _ in range(3)]
        ports.put([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(main())


async def ask(reader, writer, text):
    writer.write(text)
    await writer.drain()
    async with asyncio.timeout(ANSWER_SECONDS):
        assert await reader.readexactly(len(text)) == text


class Hold:
    def __init__(self, daemon, ports, seconds):
        self.daemon, self.ports = daemon, ports
        self.ends = time.monotonic() + seconds
        self.kept = self.short = self.reloads = 0
        self.failures = []

    def over(self):
        return time.monotonic() >= self.ends

    async def keep(self, number):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
            await asyncio.sleep(PING_SECONDS * number / KEPT)
            while not self.over():
                await ask(reader, writer, b"still here %d" % number)
                self.kept += 1
                await asyncio.sleep(PING_SECONDS)
            writer.close()
        except Exception as error:  # whatever it is, the connection broke
            self.failures.append(f"kept connection: {error!r}")

    async def one_short(self):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
            await ask(reader, writer, b"short")
            writer.close()
            self.short += 1
        except Exception as error:
            self.failures.append(f"short connection: {error!r}")

    async def shorts(self):
        async with asyncio.TaskGroup() as group:
            while not self.over():
                group.create_task(self.one_short())
                await asyncio.sleep(1 / SHORT_PER_SECOND)

    async def reload(self):
        while not self.over():
            await asyncio.sleep(RELOAD_SECONDS)
            self.reloads += 1
            names = [f"s{index}" for index in range(len(self.ports))]
            servers = {n: f"127.0.0.1:{p}" for n, p in zip(names, self.ports)}
            del servers[names[self.reloads % len(names)]]
            self.daemon.write(servers, f"retries = {self.reloads % 5}")
            await asyncio.to_thread(self.daemon.reload)

    async def run(self):
        async with asyncio.TaskGroup() as group:
            for number in range(KEPT):
                group.create_task(self.keep(number))
            group.create_task(self.shorts())
            group.create_task(self.reload())
            await asyncio.sleep(PING_SECONDS)
            self.memory_begin = self.daemon.pss()
            await asyncio.sleep(max(0, self.ends - time.monotonic() - 1))
            self.memory_end = self.daemon.pss()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--halb", required=True, help="the release binary")
    arguments.add_argument("--seconds", type=int, default=600)
    arguments = arguments.parse_args()
    raise_descriptor_limit()
    queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(queue,), daemon=True)
    server.start()
    ports = queue.get()
    servers = {f"s{index}": f"127.0.0.1:{port}" for index, port in enumerate(ports)}
    with running(arguments.halb, servers) as daemon:
        hold = Hold(daemon, ports, arguments.seconds)
        asyncio.run(hold.run())
    server.kill()
    growth = hold.memory_end / hold.memory_begin
    print(f"\n{arguments.seconds} s, {KEPT:,} kept connections, {hold.reloads} reloads:\n")
    print("| kept: requests | short connections | failures | memory, begin | memory, end |")
    print("|---|---|---|---|---|")
    print(
        f"| {hold.kept:,} | {hold.short:,} | {len(hold.failures)} "
        f"| {hold.memory_begin:,} | {hold.memory_end:,} |"
    )
    for failure in hold.failures[:5]:
        print(f"\n- {failure}")
    sys.exit(bool(hold.failures) or growth > GROWTH_MAX)


main()
