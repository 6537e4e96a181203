"""Three genuine Kubernetes API servers over one etcd behind a balancer, and what clients see of it
when one shuts down gracefully, one is killed and one hangs. First behind HAProxy, for comparison,
then behind halb.

Runs in network and process namespaces of its own, so that its fixed ports are nobody else's and
everything it starts ends with it. Prints a section of the soak report; exits 1 when halb broke a
bound.
"""

import argparse
import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

BALANCER = ("127.0.1.10", 6443)
SERVERS = {f"apiserver{n}": (f"127.0.1.{n}", 6443) for n in (1, 2, 3)}
ETCD = "http://127.0.1.20:2379"
STUB = ("127.0.1.30", 8080)

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WATCHES = 9
SHUTDOWN_DELAY_S = 20

# Checks as in the example configuration; one informer of this server never comes to rest.
HALB_CONFIG = """
[frontend.kubernetes]
bind    = ["{bind}"]
backend = "masters"

[backend.masters]
balance = "roundrobin"
check   = {{ type = "https", path = "/readyz?exclude=informer-sync", verify = "none", interval = "2s", timeout = "1s", fall = 3, rise = 2 }}

[backend.masters.server]
{servers}

[admin]
socket = "{socket}"
"""

# The same for HAProxy, with what it has against broken watches and dead servers switched on.
HAPROXY_CONFIG = """
global
  stats socket {socket} mode 600
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout check 1s
  option redispatch
frontend kubernetes
  bind {bind}
  default_backend masters
backend masters
  option httpchk GET /readyz?exclude=informer-sync
  http-check expect status 200
  default-server check check-ssl verify none inter 2s fall 3 rise 2 on-marked-down shutdown-sessions
{servers}
"""

# fall x interval + timeout, and a second for a busy machine.
DETECTION_S_MAX = 3 * 2 + 1 + 1
# A watch is reset when its server is found down, and reconnects at once.
SILENCE_S_MAX = DETECTION_S_MAX + 4

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}", insecure-skip-tls-verify: {insecure}}}}}]
users: [{{name: u, user: {{{user}}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""


class CoreStub(http.server.BaseHTTPRequestHandler):
    """What the server asks of a core API server: services, of which there are none."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        watch = "watch=true" in self.path or "watch=1" in self.path
        body = json.dumps({"kind": "ServiceList", "apiVersion": "v1",
                           "metadata": {"resourceVersion": "1"}, "items": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if watch:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            time.sleep(3600)
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Halb:
    """halb as the balancer."""

    def __init__(self, program):
        self.program, self.socket = program, None

    def start(self, setup):
        self.socket = setup.path("halb.sock")
        servers = "\n".join(f'{name} = "%s:%d"' % at for name, at in SERVERS.items())
        config = setup.write("halb.toml", HALB_CONFIG.format(
            bind="%s:%d" % BALANCER, servers=servers, socket=self.socket))
        setup.spawn("balancer", self.program, "--config", config, "run")

    def up(self):
        """Names of the servers that take connections."""
        told = subprocess.run((self.program, "--socket", self.socket, "status", "--json"),
                              capture_output=True, check=False)
        if told.returncode != 0:
            return set()
        backends = json.loads(told.stdout)["backends"]
        return {s["name"] for backend in backends for s in backend["servers"] if s["usable"]}


class HAProxy:
    """HAProxy as the balancer."""

    def __init__(self):
        self.socket = None

    def start(self, setup):
        self.socket = setup.path("haproxy.sock")
        servers = "\n".join(f"  server {name} %s:%d" % at for name, at in SERVERS.items())
        config = setup.write("haproxy.cfg", HAPROXY_CONFIG.format(
            bind="%s:%d" % BALANCER, servers=servers, socket=self.socket))
        setup.spawn("balancer", "haproxy", "-db", "-f", config)

    def up(self):
        """Names of the servers that take connections."""
        told = b""
        with socket.socket(socket.AF_UNIX) as control:
            if control.connect_ex(self.socket) != 0:
                return set()
            control.sendall(b"show stat\n")
            while part := control.recv(65536):
                told += part
        rows = [line.split(",") for line in told.decode().splitlines()]
        return {row[1] for row in rows
                if row[0] == "masters" and row[1] in SERVERS and row[17].startswith("UP")}


class Setup:
    """Certificates, etcd, the servers and a balancer, all below one scratch directory."""

    def __init__(self, scratch, apiserver):
        self.scratch, self.apiserver = scratch, apiserver
        self.processes, self.balancer = {}, None

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, name, *command):
        log = open(self.path(name + ".log"), "ab")
        self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log)

    def make_certificates(self):
        ca, key = self.path("ca.crt"), self.path("ca.key")
        openssl = lambda *words: subprocess.run(("openssl",) + words, check=True,
                                                capture_output=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=soak", "-keyout", key, "-out", ca)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/O=system:masters/CN=admin", "-keyout", self.path("admin.key"),
                "-out", self.path("admin.csr"))
        openssl("x509", "-req", "-in", self.path("admin.csr"), "-CA", ca, "-CAkey", key, "-days",
                "2", "-CAcreateserial", "-out", self.path("admin.crt"))

    def start_etcd(self):
        self.spawn("etcd", "etcd", "--data-dir", self.path("etcd"), "--listen-client-urls", ETCD,
                   "--advertise-client-urls", ETCD, "--listen-peer-urls", "http://127.0.1.20:2380",
                   "--initial-advertise-peer-urls", "http://127.0.1.20:2380",
                   "--initial-cluster", "default=http://127.0.1.20:2380")

    def start_server(self, name, *flags):
        address, port = SERVERS[name]
        core = self.path("core.kubeconfig")
        self.spawn(
            name, self.apiserver, "--etcd-servers", ETCD, "--bind-address", address,
            "--secure-port", str(port), "--cert-dir", self.path(name + ".certs"),
            "--client-ca-file", self.path("ca.crt"), "--authentication-skip-lookup",
            "--authentication-kubeconfig", core, "--authorization-kubeconfig", core,
            "--kubeconfig", core, "--enable-priority-and-fairness=false",
            "--disable-admission-plugins=ValidatingAdmissionWebhook,MutatingAdmissionWebhook,"
            "ValidatingAdmissionPolicy,MutatingAdmissionPolicy,NamespaceLifecycle",
            f"--shutdown-delay-duration={SHUTDOWN_DELAY_S}s", *flags)

    def start(self, servers=SERVERS, core=CoreStub, flags=()):
        subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
        self.make_certificates()
        stub = http.server.ThreadingHTTPServer(STUB, core)
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        self.write("core.kubeconfig", KUBECONFIG.format(
            server="http://%s:%d" % STUB, insecure="false", user=""))
        self.write("kubeconfig", KUBECONFIG.format(
            server="https://%s:%d" % BALANCER, insecure="true",
            user=f"client-certificate: {self.path('admin.crt')}, "
                 f"client-key: {self.path('admin.key')}"))
        self.start_etcd()
        for name in servers:
            self.start_server(name, *flags)

    def balance(self, balancer):
        """Puts another balancer before the servers."""
        if "balancer" in self.processes:
            self.processes["balancer"].kill()
            self.processes["balancer"].wait()
        self.balancer = balancer
        balancer.start(self)
        self.await_up(set(SERVERS), 120)

    def await_up(self, names, timeout_s):
        begun = time.monotonic()
        while not names <= self.balancer.up():
            if time.monotonic() - begun > timeout_s:
                raise SystemExit(f"{names - self.balancer.up()} not up within {timeout_s} s")
            time.sleep(0.1)

    def connect(self, timeout_s, server=BALANCER):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(self.path("admin.crt"), self.path("admin.key"))
        return http.client.HTTPSConnection(*server, timeout=timeout_s, context=context)


class Clients:
    """Short requests and long watches through the balancer, each with the times of what it saw."""

    def __init__(self, setup):
        self.setup, self.lock, self.running = setup, threading.Lock(), True
        self.requests = []  # (begun, took, failure or None)
        self.events = {n: [] for n in range(WATCHES)}
        self.ended = []  # when a watch broke off
        self.kubectls = {}
        self.threads = [threading.Thread(target=self.read)]
        self.threads += [threading.Thread(target=self.write)]
        self.threads += [threading.Thread(target=self.watch, args=(n,)) for n in self.events]

    def start(self):
        for thread in self.threads:
            thread.daemon = True
            thread.start()

    def stop(self):
        self.running = False
        for kubectl in self.kubectls.values():
            kubectl.kill()
        for thread in self.threads:
            thread.join()

    def request(self, method, path, body=None, kind="application/json"):
        begun, failure = time.monotonic(), None
        connection = self.setup.connect(timeout_s=5)
        try:
            connection.request(method, path, body, {"Content-Type": kind} if body else {})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 500:
                failure = f"status {answer.status}"
        except OSError as error:
            failure = type(error).__name__
        except http.client.HTTPException as error:
            failure = type(error).__name__
        finally:
            connection.close()
        with self.lock:
            self.requests.append((begun, time.monotonic() - begun, failure))
        return failure

    def read(self):
        while self.running:
            self.request("GET", CRDS)
            time.sleep(0.1)

    def write(self):
        name = "ticks.soak.example"
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        self.request("POST", CRDS, json.dumps({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {"group": "soak.example", "scope": "Cluster",
                     "names": {"plural": "ticks", "singular": "tick", "kind": "Tick"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema}}]}}))
        tick = 0
        while self.running:
            tick += 1
            patch = json.dumps({"metadata": {"annotations": {"tick": str(tick)}}})
            self.request("PATCH", f"{CRDS}/{name}", patch, "application/merge-patch+json")
            time.sleep(0.5)

    def watch(self, number):
        command = ("kubectl", "--kubeconfig", self.setup.path("kubeconfig"), "get", "--raw",
                   CRDS + "?watch=true")
        while self.running:
            log = open(self.setup.path(f"watch{number}.log"), "ab")
            kubectl = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log,
                                       stdout=subprocess.PIPE)
            self.kubectls[number] = kubectl
            for _line in kubectl.stdout:
                with self.lock:
                    self.events[number].append(time.monotonic())
            kubectl.wait()
            with self.lock:
                self.ended.append(time.monotonic())
            time.sleep(0.05)

    def seen(self, begun, until):
        """What happened between two moments."""
        with self.lock:
            requests = [r for r in self.requests if begun <= r[0] < until]
            ended = sum(begun <= moment < until for moment in self.ended)
            silences = []
            for moments in self.events.values():
                marks = [begun] + [m for m in moments if begun <= m < until] + [until]
                silences.append(max(b - a for a, b in zip(marks, marks[1:])))
        failures = [r[2] for r in requests if r[2]]
        return {"requests": len(requests), "failures": failures,
                "slowest": max(r[1] for r in requests), "ended": ended,
                "silence": max(silences)}


def fault(setup, clients, name, how, observe_s):
    """Does `how` to a server; when the balancer took it out, and what clients saw meanwhile."""
    process, begun = setup.processes[name], time.monotonic()
    process.send_signal(how)
    detected = None
    while time.monotonic() - begun < observe_s:
        if detected is None and name not in setup.balancer.up():
            detected = time.monotonic() - begun
        time.sleep(0.05)
    seen = clients.seen(begun, time.monotonic())
    seen["detected"] = detected
    return seen


def heal(setup, name, how):
    if how == signal.SIGSTOP:
        setup.processes[name].send_signal(signal.SIGCONT)
    else:
        setup.processes[name].wait(timeout=120)
        setup.start_server(name)
    setup.await_up({name}, 120)
    time.sleep(3)


CASES = [
    ("shuts down gracefully (SIGTERM)", "apiserver1", signal.SIGTERM, SHUTDOWN_DELAY_S + 10, 0),
    ("is killed (SIGKILL)", "apiserver2", signal.SIGKILL, 20, 0),
    # Its kernel goes on accepting, so that requests run into it until the checks have found out.
    ("hangs (SIGSTOP)", "apiserver3", signal.SIGSTOP, 25, None),
]


def broken_bounds(case, seen, failures_max):
    broken = []
    if seen["detected"] is None or seen["detected"] > DETECTION_S_MAX:
        broken.append(f"{case}: found down after {seen['detected']} s")
    if seen["silence"] > SILENCE_S_MAX:
        broken.append(f"{case}: a watch was silent for {seen['silence']:.1f} s")
    if failures_max is not None and len(seen["failures"]) > failures_max:
        broken.append(f"{case}: {len(seen['failures'])} failed requests: {seen['failures'][:5]}")
    return broken


def run_cases(setup, balancer):
    """All faults behind one balancer: rows of the table, and the bounds that broke."""
    setup.balance(balancer)
    clients = Clients(setup)
    clients.start()
    time.sleep(5)
    rows, broken = [], []
    for case, name, how, observe_s, failures_max in CASES:
        seen = fault(setup, clients, name, how, observe_s)
        rows.append((case, seen))
        broken += broken_bounds(case, seen, failures_max)
        heal(setup, name, how)
    clients.stop()
    return rows, broken


HEAD = f"""Three apiextensions-apiservers over one etcd, checked by `https GET /readyz` every 2 s with
`timeout = 1s`, `fall = 3`, `rise = 2`. Through the balancer went a read every 0.1 s and a write
every 0.5 s, each on a new connection with 5 s of patience, and {WATCHES} watches by
`kubectl get --raw '{CRDS}?watch=true'`.

| a server | behind | found down after | requests | failed | slowest | watches broken off | longest silence of a watch |
|---|---|---|---|---|---|---|---|"""


def report(rows):
    print(HEAD)
    for case, balancer, seen in rows:
        detected = "never" if seen["detected"] is None else f"{seen['detected']:.1f} s"
        print(f"| {case} | {balancer} | {detected} | {seen['requests']} | "
              f"{len(seen['failures'])} | {seen['slowest']:.2f} s | {seen['ended']} | "
              f"{seen['silence']:.1f} s |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--halb", required=True)
    parser.add_argument("--apiserver", required=True)
    parser.add_argument("--keep", help="a directory for logs that stays")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        setup = Setup(arguments.keep or scratch, arguments.apiserver)
        setup.start()
        peer, _bounds_are_for_halb = run_cases(setup, HAProxy())
        own, broken = run_cases(setup, Halb(arguments.halb))
        report([(case, balancer, seen) for theirs, ours in zip(peer, own)
                for balancer, (case, seen) in (("HAProxy", theirs), ("halb", ours))])
        for line in broken:
            print(f"\n**Out of bounds:** {line}")
        sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
