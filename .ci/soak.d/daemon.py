"""A release build of the daemon before servers of the script's own, on loopback; for soak scripts."""

import contextlib
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE = 30


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"never came true: {what}")
        time.sleep(0.05)


class Daemon:
    """A running halb: frontend `f` on `port`, backend `b`."""

    def __init__(self, halb, place, servers, check):
        self.halb, self.place, self.check = halb, pathlib.Path(place), check
        self.port, self.admin_port = free_port(), free_port()
        self.configuration = self.place / "halb.toml"
        self.write(servers)
        command = [halb, "run", "--config", self.configuration]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def write(self, servers, settings=""):
        """`servers`: addresses by name."""
        lines = "\n".join(f'{name} = "{address}"' for name, address in servers.items())
        self.configuration.write_text(f"""
[frontend.f]
bind = ["127.0.0.1:{self.port}"]
backend = "b"
[backend.b]
check = {self.check}
{settings}
[backend.b.server]
{lines}
[admin]
http = "127.0.0.1:{self.admin_port}"
socket = "{self.place}/admin.sock"
""")

    def reload(self):
        command = [self.halb, "--config", self.configuration, "reload"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def page(self, path):
        try:
            url = f"http://127.0.0.1:{self.admin_port}{path}"
            return urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
        except OSError:
            return ""

    def pss(self):
        """Its memory in bytes: PSS of proc_pid_smaps(5)."""
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1]) * 1024


@contextlib.contextmanager
def running(halb, servers, check='{ type = "tcp" }'):
    with tempfile.TemporaryDirectory() as place:
        daemon = Daemon(halb, place, servers, check)
        try:
            until("halb is ready", lambda: daemon.page("/readyz") != "")
            yield daemon
        finally:
            daemon.process.terminate()
            daemon.process.wait()
