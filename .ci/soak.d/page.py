#!/usr/bin/env python3
"""The status page in a real browser (chromium, chromedriver), by the names that a screen reader
tells: .ci/soak.d/page.py --halb PROGRAM [--pictures FOLDER]. As root; all of it happens in a
namespace of its own."""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE_S = 30
# A claim of another machine is a warning for so long.
CLAIM_S = 30
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

CONFIGURATION = """
[frontend.kubernetes]
bind    = ["127.0.0.1:6443"]
backend = "masters"

[backend.masters]
check = {{ type = "tcp", interval = "500ms", timeout = "400ms", rise = 1, fall = 2 }}

[backend.masters.server]
kmaster1 = "127.0.0.1:7001"
kmaster2 = "127.0.0.1:7002"
kmaster3 = "127.0.0.1:7003"

[admin]
socket = "{folder}/admin.sock"
"""

# The other node: in a namespace of its own, at the cable's other end.
OTHER = """
[frontend.kubernetes]
bind    = ["172.16.16.52:6443"]
backend = "masters"

[backend.masters]
check = false

[backend.masters.server]
kmaster1 = "127.0.0.1:7001"

[admin]
http   = false
socket = "{folder}/admin.sock"
"""

# What both have of the virtual IP.
PAIR = """
[vrrp.VI_1]
interface       = "eth1"
router_id       = 1
priority        = {priority}
advert_interval = "200ms"
addresses       = ["172.16.16.100"]

[peer]
address  = "{peer}:7112"
key_file = "{folder}/peer.key"

[global]
state_dir = "{folder}"
"""

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"


class Browser:
    """A session of WebDriver."""

    def __init__(self, port, arguments):
        self.url = f"http://127.0.0.1:{port}/session"
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", *arguments]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self.url += "/" + session["sessionId"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def all(self, selector):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [element[ELEMENT] for element in found]

    def of(self, element, what):
        return self.ask("GET", f"/element/{element}/{what}")

    def named(self, role, name):
        """The element that a screen reader calls so."""
        for element in self.all("h1, h2, table, ol, th, [role]"):
            if self.of(element, "computedrole") == role and name in self.of(element, "computedlabel"):
                return element
        return None

    def script(self, text):
        return self.ask("POST", "/execute/sync", {"script": text, "args": []})

    def picture(self, path, width=1280, height=1250):
        self.ask("POST", "/window/rect", {"width": width, "height": height})
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def complaints(self):
        entries = self.ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if "favicon" not in entry["message"]]


def eventually(what, look, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.HTTPError, IndexError):
            if look():
                return
        time.sleep(0.1)
    sys.exit(f"never: {what}")


def expect(what, true):
    if not true:
        sys.exit(f"not so: {what}")


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def within(arguments):
    """Everything below happens in a network where nothing else is."""
    other = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    here = os.readlink("/proc/self/ns/net")
    eventually("the cable's other end", lambda: os.readlink(f"/proc/{other.pid}/ns/net") != here)
    for command in ["ip link set lo up", f"ip link add eth1 type veth peer name eth1 netns {other.pid}",
                    "ip address add 172.16.16.51/24 dev eth1", "ip link set eth1 up",
                    f"nsenter --net --target {other.pid} ip link set lo up",
                    f"nsenter --net --target {other.pid} ip address add 172.16.16.52/24 dev eth1",
                    f"nsenter --net --target {other.pid} ip link set eth1 up"]:
        subprocess.run(command.split(), check=True)
    folder = node(CONFIGURATION, priority=101, peer="172.16.16.52")
    beside = node(OTHER, priority=100, peer="172.16.16.51")
    pictures = pathlib.Path(arguments.pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    servers = [subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
               for port in (7001, 7002, 7003)]
    for port in (7001, 7002, 7003):
        eventually(f"a server on {port}", lambda port=port: answers(port))
    there = ["nsenter", "--net", "--target", str(other.pid)]

    def balancers():
        """This node, and the one beside it."""
        commands = [[arguments.halb, "run", "--config", folder / "halb.toml"],
                    [*there, arguments.halb, "run", "--config", beside / "halb.toml"]]
        return [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]

    pair = balancers()
    driver = subprocess.Popen(["chromedriver", "--port=9515"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    eventually("the page", lambda: answers(8404))
    eventually("the driver", lambda: answers(9515))
    try:
        split_brain(pictures, there)
        for halb in pair:
            halb.terminate()
            halb.wait()
        # What was heard of the other node stays on the page for minutes; these know nothing of it.
        pair = balancers()
        eventually("the page of the next daemon", lambda: answers(8404))
        live(arguments, servers, pair[0], pictures, folder)
        without_scripts(arguments, pictures)
    finally:
        for process in (driver, *pair, other, *servers):
            process.kill()


def node(configuration, **rest):
    """The files of a balancer."""
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "halb.toml").write_text((configuration + PAIR).format(folder=folder, **rest))
    (folder / "peer.key").write_text(KEY)
    (folder / "peer.key").chmod(0o600)
    return folder


def split_brain(pictures, there):
    """The other node hears nobody any more, as behind a firewall that was tightened."""
    browser = Browser(9515, [])
    browser.open("http://127.0.0.1:8404/")
    heading = lambda: browser.of(browser.all("h1")[0], "text")
    eventually("all is well with two nodes", lambda: heading() == "All is well" and "BACKUP" in
               browser.of(browser.named("table", "Nodes of VI_1"), "text"))
    subprocess.run([*there, "nft", "-f", "-"], check=True, text=True, input="""
        table ip tight {
            chain input { type filter hook input priority 0; ip protocol 112 drop; }
        }
    """)
    eventually("a split brain", lambda: heading() == "Split brain: two nodes hold the address")
    eventually("both say so", lambda: browser.of(
        browser.named("table", "Nodes of VI_1"), "text").count("two nodes say so") == 2)
    browser.picture(pictures / "split-brain.png")
    subprocess.run([*there, "nft", "delete", "table", "ip", "tight"], check=True)
    eventually("it is told that it may be over", lambda: heading() ==
               "Serving, but another machine claimed the address")
    eventually("it is over", lambda: heading() == "Serving", CLAIM_S + PATIENCE_S)
    browser.ask("DELETE", "")


def bad_reload(arguments, browser, pictures, folder):
    """A file with a mistake changes nothing, and is told until a good one is read."""
    heading = lambda: browser.of(browser.all("h1")[0], "text")
    file = folder / "halb.toml"
    good = file.read_text()
    file.write_text(good.replace("bind ", "bnid "))
    reload = [arguments.halb, "reload", "--socket", folder / "admin.sock"]
    expect("a bad file is refused", subprocess.run(reload, capture_output=True).returncode == 3)
    eventually("the reload is told", lambda: heading() == "Serving, but the last reload failed")
    browser.picture(pictures / "bad-reload.png")
    file.write_text(good)
    expect("a good one isn't", subprocess.run(reload, capture_output=True).returncode == 0)
    eventually("all is well once more", lambda: heading() == "All is well")


def live(arguments, servers, halb, pictures, folder):
    browser = Browser(9515, [])
    browser.open("http://127.0.0.1:8404/")
    heading = lambda: browser.of(browser.all("h1")[0], "text")
    try:
        eventually("all is well", lambda: heading() == "All is well")
    except SystemExit:
        print(browser.of(browser.all("main")[0], "text"), file=sys.stderr)
        raise
    eventually("the page is live", lambda: browser.of(browser.all("#live")[0], "text") == "Live")
    eventually("rates", lambda: "A second:" in browser.of(browser.all("main")[0], "text"))
    eventually("the virtual IP is here", lambda: "ACTIVE" in browser.of(browser.all("main")[0], "text"))
    eventually("the other node is beside this one", lambda: "BACKUP" in
               browser.of(browser.named("table", "Nodes of VI_1"), "text"))
    for role, name in [("heading", "All is well"), ("heading", "Frontend kubernetes"),
                       ("heading", "VIP VI_1"), ("region", "Servers of masters"),
                       ("table", "Servers of masters"), ("list", "Last changes"), ("table", "Nodes of VI_1"),
                       ("columnheader", "172.16.16.52"), ("heading", "Peer 172.16.16.52"),
                       ("rowheader", "kmaster2"), ("columnheader", "Last check")]:
        # The page may have put a new element there between finding and asking.
        eventually(f"there is a {role} '{name}'", lambda role=role, name=name: browser.named(role, name))
    eventually("the strip is in words", lambda: any(
        "passed, 0 failed" in browser.of(one, "computedlabel") for one in browser.all("[role=img]")))
    expect("the table is reached by keyboard", browser.script(
        "const one = document.querySelector('.table'); one.focus(); return document.activeElement === one"))
    browser.picture(pictures / "well.png")
    browser.picture(pictures / "phone.png", 420, 900)
    # Nothing is loaded again: what this script left behind stays.
    browser.script("window.mark = 1; document.querySelector('.table').focus()")
    bad_reload(arguments, browser, pictures, folder)
    browser.script("document.querySelector('.table').focus()")
    servers[1].kill()
    servers[1].wait()
    eventually("a server is down", lambda: heading() == "Serving, but a server is DOWN")
    eventually("it is among the changes", lambda: "masters/kmaster2 DOWN" in
               browser.of(browser.named("list", "Last changes"), "text"))
    expect("it is told to a screen reader",
           browser.of(browser.all("#said")[0], "computedrole") == "status"
           and browser.script("return document.getElementById('said').textContent") == heading())
    expect("the title says so", browser.ask("GET", "/title") == "Serving, but a server is DOWN - halb")
    expect("the focus stayed", browser.script("return document.activeElement.className") == "table")
    browser.picture(pictures / "server-down.png")
    for server in (servers[0], servers[2]):
        server.kill()
    eventually("no server is left", lambda: heading() == "Not ready: no server is left")
    expect("no new page was loaded", browser.script("return window.mark") == 1)
    browser.picture(pictures / "no-server.png")
    bad = subprocess.run([arguments.halb, "reload", "--socket", "/nonexistent"], capture_output=True)
    expect("the page changes nothing", bad.returncode == 1)
    # Longer than a stream lasts.
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        expect("it stays live", browser.of(browser.all("#live")[0], "text") == "Live")
        time.sleep(0.5)
    expect(f"nothing is complained of: {browser.complaints()}", not browser.complaints())
    os.kill(halb.pid, signal.SIGSTOP)
    eventually("silence is told", lambda: "No word from the daemon since" in
               browser.of(browser.all("#live")[0], "text"))
    browser.picture(pictures / "silent.png")
    os.kill(halb.pid, signal.SIGCONT)
    eventually("it is live again", lambda: browser.of(browser.all("#live")[0], "text") == "Live")
    browser.ask("DELETE", "")


def without_scripts(arguments, pictures):
    browser = Browser(9515, ["--blink-settings=scriptEnabled=false", "--force-dark-mode"])
    browser.open("http://127.0.0.1:8404/")
    expect("the verdict is there", browser.of(browser.all("h1")[0], "text") == "Not ready: no server is left")
    expect("the table is there", browser.named("table", "Servers of masters"))
    expect("it is reloaded by the browser", browser.all("noscript meta[http-equiv=refresh]")
           or browser.all("meta[http-equiv=refresh]"))
    browser.picture(pictures / "without-scripts.png")
    browser.ask("DELETE", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halb", required=True, type=os.path.realpath)
    parser.add_argument("--pictures", default="target/pictures", type=os.path.realpath)
    parser.add_argument("--inside", action="store_true")
    arguments = parser.parse_args()
    if arguments.inside:
        within(arguments)
        print("\nThe page in chromium: live over six states and a silence, by its accessible names, "
              "without a complaint; and without scripts.")
        return 0
    again = [sys.executable, __file__, *sys.argv[1:], "--inside"]
    return subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                           "--mount-proc", *again], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
