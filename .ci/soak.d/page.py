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

[vrrp.VI_1]
interface       = "eth1"
router_id       = 1
advert_interval = "200ms"
addresses       = ["172.16.16.100"]

[global]
state_dir = "{folder}"

[admin]
socket = "{folder}/admin.sock"
"""


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

    def picture(self, path, width=1280, height=900):
        self.ask("POST", "/window/rect", {"width": width, "height": height})
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def complaints(self):
        entries = self.ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if "favicon" not in entry["message"]]


def eventually(what, look):
    deadline = time.monotonic() + PATIENCE_S
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
                    f"nsenter --net --target {other.pid} ip link set eth1 up"]:
        subprocess.run(command.split(), check=True)
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "halb.toml").write_text(CONFIGURATION.format(folder=folder))
    pictures = pathlib.Path(arguments.pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    servers = [subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
               for port in (7001, 7002, 7003)]
    for port in (7001, 7002, 7003):
        eventually(f"a server on {port}", lambda port=port: answers(port))
    halb = subprocess.Popen([arguments.halb, "run", "--config", folder / "halb.toml"],
                            stderr=subprocess.DEVNULL)
    driver = subprocess.Popen(["chromedriver", "--port=9515"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    eventually("the page", lambda: answers(8404))
    eventually("the driver", lambda: answers(9515))
    try:
        live(arguments, servers, halb, pictures)
        without_scripts(arguments, pictures)
    finally:
        for process in (driver, halb, other, *servers):
            process.kill()


def live(arguments, servers, halb, pictures):
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
    for role, name in [("heading", "All is well"), ("heading", "Frontend kubernetes"),
                       ("heading", "VIP VI_1"), ("region", "Servers of masters"),
                       ("table", "Servers of masters"), ("list", "Last changes of VI_1"),
                       ("rowheader", "kmaster2"), ("columnheader", "Last check")]:
        expect(f"there is a {role} '{name}'", browser.named(role, name))
    expect("the strip is in words", any("passed, 0 failed" in browser.of(one, "computedlabel")
                                        for one in browser.all("[role=img]")))
    expect("the table is reached by keyboard", browser.script(
        "const one = document.querySelector('.table'); one.focus(); return document.activeElement === one"))
    browser.picture(pictures / "well.png")
    browser.picture(pictures / "phone.png", 420, 900)
    # Nothing is loaded again: what this script left behind stays.
    browser.script("window.mark = 1; document.querySelector('.table').focus()")
    servers[1].kill()
    servers[1].wait()
    eventually("a server is down", lambda: heading() == "Serving, but look at this")
    expect("it is told to a screen reader",
           browser.of(browser.all("#said")[0], "computedrole") == "status"
           and browser.script("return document.getElementById('said').textContent") == heading())
    expect("the title says so", browser.ask("GET", "/title") == "Serving, but look at this - halb")
    expect("the focus stayed", browser.script("return document.activeElement.className") == "table")
    browser.picture(pictures / "server-down.png")
    for server in (servers[0], servers[2]):
        server.kill()
    eventually("no server is left", lambda: heading() == "Not ready")
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
    expect("the verdict is there", browser.of(browser.all("h1")[0], "text") == "Not ready")
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
        print("\nThe page in chromium: live over four states and a silence, by its accessible names, "
              "without a complaint; and without scripts.")
        return 0
    again = [sys.executable, __file__, *sys.argv[1:], "--inside"]
    return subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                           "--mount-proc", *again], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
