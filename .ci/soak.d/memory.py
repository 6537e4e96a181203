#!/usr/bin/env python3
"""Prints the soak report's section on memory: what the daemon holds at rest and per idle connection.

Everything runs on loopback; client and server are processes of their own, so that the daemon's
figure (PSS of /proc/PID/smaps_rollup) is the daemon's alone. Fails where a bound is not kept.
"""

import argparse
import multiprocessing
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

CONNECTIONS = 4_500
AT_REST_MAX = 6 * 1024 * 1024
PER_CONNECTION_MAX = 1024
PATIENCE = 30

CONFIGURATION = """
[frontend.f]
bind = ["127.0.0.1:{front}"]
backend = "b"
[backend.b]
check = {{ type = "tcp" }}
[backend.b.server]
s = "127.0.0.1:{back}"
[admin]
http = "127.0.0.1:{admin}"
socket = "{place}/admin.sock"
"""


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def accept_all(listener):
    raise_descriptor_limit()
    held = []
    while True:
        held.append(listener.accept()[0])


def hold(port, ready, done):
    raise_descriptor_limit()
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for connection in held:
        connection.sendall(b"one request, then silence")
    ready.set()
    done.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pss(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1]) * 1024


def until(what, holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"never came true: {what}")
        time.sleep(0.05)


def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
    except OSError:
        return ""


def measure(halb, place):
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    ports = {"front": free_port(), "admin": free_port(), "back": listener.getsockname()[1]}
    server = multiprocessing.Process(target=accept_all, args=(listener,), daemon=True)
    server.start()
    config = pathlib.Path(place, "halb.toml")
    config.write_text(CONFIGURATION.format(place=place, **ports))
    daemon = subprocess.Popen([halb, "run", "--config", config], stderr=subprocess.DEVNULL)
    try:
        admin = f"http://127.0.0.1:{ports['admin']}"
        until("halb is ready", lambda: fetch(f"{admin}/readyz") != "")
        at_rest = pss(daemon.pid)
        ready, done = multiprocessing.Event(), multiprocessing.Event()
        client = multiprocessing.Process(
            target=hold, args=(ports["front"], ready, done), daemon=True
        )
        client.start()
        standing = f'halb_server_connections{{backend="b",server="s"}} {CONNECTIONS}'
        until("all connections stand", lambda: ready.is_set() and standing in fetch(f"{admin}/metrics"))
        held = pss(daemon.pid)
        done.set()
        client.join()
    finally:
        daemon.terminate()
        daemon.wait()
        server.kill()
    return at_rest, (held - at_rest) / CONNECTIONS


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--halb", required=True, help="the release binary")
    with tempfile.TemporaryDirectory() as place:
        at_rest, each = measure(arguments.parse_args().halb, place)
    print("\n| memory (PSS) | bytes | bound |\n|---|---|---|")
    print(f"| the process at rest | {at_rest:,} | {AT_REST_MAX:,} |")
    print(f"| each of {CONNECTIONS:,} idle connections | {each:,.0f} | {PER_CONNECTION_MAX:,} |")
    sys.exit(at_rest > AT_REST_MAX or each > PER_CONNECTION_MAX)


main()
