#!/usr/bin/env python3
"""Prints the soak report's section on memory: what the daemon holds at rest and per idle connection.

Client and server are processes of their own, so that the daemon's figure is the daemon's alone.
Fails where a bound is not kept.
"""

import argparse
import multiprocessing
import socket
import struct
import sys
import time

from daemon import raise_descriptor_limit, running, until

CONNECTIONS = 4_500
# The daemon lets go of what a scrape needed (halb/src/run/spare_pages.rs) a second after it.
SETTLING = 3
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


def measure(halb):
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = multiprocessing.Process(target=accept_all, args=(listener,), daemon=True)
    server.start()
    with running(halb, {"s": f"127.0.0.1:{listener.getsockname()[1]}"}) as daemon:
        until("it is scraped", lambda: standing(0) in daemon.page("/metrics"))
        scraped = daemon.pss()
        at_rest = settled(daemon)
        with_connections(daemon, FIRST_CONNECTIONS)
        before = settled(daemon)
        held = with_connections(daemon, CONNECTIONS)
    server.kill()
    return scraped, at_rest, (held - before) / CONNECTIONS


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--halb", required=True, help="the release binary")
    scraped, at_rest, each = measure(arguments.parse_args().halb)
    print("\n| memory (PSS) | bytes | bound |\n|---|---|---|")
    print(f"| the process just after a scrape | {scraped:,} | |")
    print(f"| at rest, {SETTLING} s after a scrape | {at_rest:,} | {AT_REST_MAX:,} |")
    print(f"| each of {CONNECTIONS:,} idle connections | {each:,.0f} | {PER_CONNECTION_MAX:,} |")
    sys.exit(at_rest > AT_REST_MAX or each > PER_CONNECTION_MAX)


main()
