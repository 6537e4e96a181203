#!/usr/bin/env python3
"""Prints the soak report's section on memory: what the daemon holds at rest and per idle connection.

At rest it checks three API servers by HTTPS, as it would before a cluster. Client and servers are
processes of their own, and the daemon runs from a copy of its file, so that its figure is its own.
Fails where a bound is not kept.
"""

import argparse
import contextlib
import multiprocessing
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from daemon import raise_descriptor_limit, running, until

CONNECTIONS = 4_500
# The daemon lets go of what a scrape needed (halb/src/run/spare_pages.rs) a second after it.
SETTLING = 3
# Time in which what the first checks needed is let go of too: it does so every minute.
UNSEEN = 70
# Code that only a connection needs becomes resident with the first ones, once.
FIRST_CONNECTIONS = 16
AT_REST_MAX = 6 * 1024 * 1024
PER_CONNECTION_MAX = 1024


def accept_all(listener):
    raise_descriptor_limit()
    held = []
    while True:
        held.append(listener.accept()[0])


def hold(port, count, ready, done):
    raise_descriptor_limit()
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for connection in held:
        connection.sendall(b"one request, then silence")
    ready.set()
    done.wait()
    for connection in held:  # ends with a reset: the server wouldn't answer a FIN
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def standing(count):
    return f'halb_server_connections{{backend="b",server="s"}} {count}\n'


def settled(daemon):
    time.sleep(SETTLING)
    return daemon.pss()


def with_connections(daemon, count):
    """The daemon's memory while that many idle connections stand; returns when they are gone."""
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    client = multiprocessing.Process(
        target=hold, args=(daemon.port, count, ready, done), daemon=True
    )
    client.start()
    until("all stand", lambda: ready.is_set() and standing(count) in daemon.page("/metrics"))
    held = settled(daemon)
    done.set()
    client.join()
    until("all are gone", lambda: standing(0) in daemon.page("/metrics"))
    return held


@contextlib.contextmanager
def api_servers(program, count):
    processes = [
        subprocess.Popen([program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        addresses = [process.stdout.readline().split()[-1] for process in processes]
        yield {f"kmaster{number}": address for number, address in enumerate(addresses, 1)}
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure_at_rest(halb, apiserver):
    """While nobody has looked for a minute, and a few seconds after a scrape."""
    check = '{ type = "https", path = "/readyz", verify = "none", interval = "2s", timeout = "1s" }'
    with api_servers(apiserver, 3) as servers, running(halb, servers, check) as daemon:
        until("all are up", lambda: '"servers_up": 3' in daemon.page("/status.json"))
        time.sleep(UNSEEN)
        unseen = daemon.pss()
        daemon.page("/metrics")
        scraped = daemon.pss()
        return unseen, scraped, settled(daemon)


def measure_connections(halb):
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = multiprocessing.Process(target=accept_all, args=(listener,), daemon=True)
    server.start()
    with running(halb, {"s": f"127.0.0.1:{listener.getsockname()[1]}"}) as daemon:
        until("it is scraped", lambda: standing(0) in daemon.page("/metrics"))
        with_connections(daemon, FIRST_CONNECTIONS)
        before = settled(daemon)
        held = with_connections(daemon, CONNECTIONS)
    server.kill()
    return (held - before) / CONNECTIONS


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--halb", required=True, help="the release binary")
    arguments.add_argument("--apiserver", required=True, help="the lab's API server")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        halb = shutil.copy(arguments.halb, place)
        unseen, scraped, settled = measure_at_rest(halb, arguments.apiserver)
        each = measure_connections(halb)
    print("\n| memory (PSS) | bytes | bound |\n|---|---|---|")
    print(f"| at rest, unseen for {UNSEEN} s | {unseen:,} | {AT_REST_MAX:,} |")
    print(f"| just after a scrape | {scraped:,} | |")
    print(f"| at rest, {SETTLING} s after it | {settled:,} | {AT_REST_MAX:,} |")
    print(f"| each of {CONNECTIONS:,} idle connections | {each:,.0f} | {PER_CONNECTION_MAX:,} |")
    sys.exit(max(unseen, settled) > AT_REST_MAX or each > PER_CONNECTION_MAX)


main()
