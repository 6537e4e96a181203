"""A genuine Kubernetes API server that knows the kinds of a cluster, and a test that runs against it.

The stand-alone apiextensions-apiserver has server-side apply, field owners, definitions, watches and
strict fields, but no kind of its own. So each kind that add-ons use is a definition here, with the
fields and merge keys that Kubernetes publishes for its own clients (client-go's applyconfigurations).
A definition's group must have a dot, and a cluster-wide kind can't be called namespaces: a small proxy
gives kubectl the names that it knows (`apps/v1`, not `apps.k8s.io/v1`), and changes nothing else.

What controllers would do is done at once: workloads say that their pods run, and one pod leads the
database. The proxy plays MetalLB's webhook, too, which refuses what comes before it listens.

Runs the command given behind `--`, and prints what it prints of a table.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

import yaml

from genuine_apiserver import CRDS, SERVERS, STUB, CoreStub, Setup

FRONT = ("127.0.1.40", 8001)
SERVER = "apiserver1"
VERSION = "0.16.1"

# How kubectl calls a group, and how the server here does.
GROUPS = {"v1": "core.k8s.io/v1", "apps/v1": "apps.k8s.io/v1", "policy/v1": "policy.k8s.io/v1"}
BACK = {ours: theirs for theirs, ours in GROUPS.items()}

# Plural, kind, whether it is a namespace's; by group and by the package of its types.
KINDS = {
    ("core.k8s.io", "core"): [
        ("configmaps", "ConfigMap", True), ("endpoints", "Endpoints", True),
        ("spaces", "Namespace", False), ("nodes", "Node", False),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
        ("persistentvolumes", "PersistentVolume", False), ("pods", "Pod", True),
        ("secrets", "Secret", True), ("serviceaccounts", "ServiceAccount", True),
        ("services", "Service", True)],
    ("apps.k8s.io", "apps"): [
        ("daemonsets", "DaemonSet", True), ("deployments", "Deployment", True),
        ("statefulsets", "StatefulSet", True)],
    ("policy.k8s.io", "policy"): [("poddisruptionbudgets", "PodDisruptionBudget", True)],
    ("rbac.authorization.k8s.io", "rbac"): [
        ("clusterrolebindings", "ClusterRoleBinding", False),
        ("clusterroles", "ClusterRole", False), ("rolebindings", "RoleBinding", True),
        ("roles", "Role", True)],
    ("storage.k8s.io", "storage"): [("storageclasses", "StorageClass", False)],
}

OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Types:
    """Published types as schemas of definitions."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = file.read().split("typed.YAMLObject(`")[1].split("`")[0]
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.types = {known["name"]: known for known in yaml.load(text, loader)["types"]}

    def of_kind(self, package, kind):
        schema = self.named(f"io.k8s.api.{package}.v1.{kind}")
        schema["properties"]["metadata"] = {"type": "object"}
        strategy = schema["properties"].get("spec", {}).get("properties", {}).get("updateStrategy")
        if strategy:
            strategy["default"] = {"type": "RollingUpdate"}  # as the real server fills it in
        return schema

    def named(self, name):
        if name.endswith(("resource.Quantity", "intstr.IntOrString")):
            return {"x-kubernetes-int-or-string": True}
        if name.endswith(("meta.v1.Time", "meta.v1.MicroTime")):
            return {"type": "string"}
        if name.startswith("__untyped") or name.endswith(("FieldsV1", "RawExtension")):
            return dict(OPEN)
        return self.schema(self.types[name])

    def schema(self, atom):
        if "namedType" in atom:
            return self.named(atom["namedType"])
        if "list" in atom:
            return self.list(atom["list"])
        if "map" in atom:
            return self.map(atom["map"])
        return {"type": {"string": "string", "numeric": "number", "boolean": "boolean"}[atom["scalar"]]}

    def list(self, atom):
        items = self.schema(atom["elementType"])
        schema = {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}
        if atom["elementRelationship"] == "associative":
            keys = atom.get("keys")
            schema["x-kubernetes-list-type"] = "map" if keys else "set"
            if keys:
                schema["x-kubernetes-list-map-keys"] = keys
                given = {field["name"]: field.get("default") for field in self.fields(atom)}
                for key in keys:
                    if given[key]:
                        items["properties"][key]["default"] = given[key]
                    else:
                        items.setdefault("required", []).append(key)
        return schema

    def fields(self, atom):
        return self.types[atom["elementType"]["namedType"]]["map"]["fields"]

    def map(self, atom):
        schema = {"type": "object"}
        if "fields" in atom:
            schema["properties"] = {f["name"]: self.schema(f["type"]) for f in atom["fields"]}
        elif "elementType" in atom:
            schema["additionalProperties"] = self.schema(atom["elementType"])
        if atom.get("elementRelationship") == "atomic":
            schema["x-kubernetes-map-type"] = "atomic"
        return schema


def definition(group, plural, kind, namespaced, schema, version="v1"):
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {
            "api-approved.kubernetes.io": "unapproved, a copy for tests"}},
        "spec": {
            "group": group, "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind,
                      "listKind": kind + "List"},
            "versions": [{"name": version, "served": True, "storage": True,
                          "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}]}}


def manifest_of_metallb():
    """What stands for MetalLB's own manifest: definitions of what pools need, and two workloads."""
    words = {"type": "array", "items": {"type": "string"}}
    pool = {"type": "object", "required": ["addresses"], "properties": {
        "addresses": words, "autoAssign": {"type": "boolean", "default": True},
        "avoidBuggyIPs": {"type": "boolean", "default": False}, "serviceAllocation": OPEN}}
    announcement = {"type": "object", "properties": {
        "ipAddressPools": words, "interfaces": words,
        "ipAddressPoolSelectors": {"type": "array", "items": OPEN},
        "nodeSelectors": {"type": "array", "items": OPEN}}}
    docs = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}}]
    for plural, kind, spec in (("ipaddresspools", "IPAddressPool", pool),
                               ("l2advertisements", "L2Advertisement", announcement)):
        schema = {"type": "object", "properties": {"spec": spec, "status": OPEN}}
        docs.append(definition("metallb.io", plural, kind, True, schema, "v1beta1"))
    for kind, name in (("Deployment", "controller"), ("DaemonSet", "speaker")):
        labels = {"app": "metallb", "component": name}
        container = {"name": name, "image": f"quay.io/metallb/{name}:v{VERSION}"}
        docs.append({"apiVersion": "apps/v1", "kind": kind,
                     "metadata": {"name": name, "namespace": "metallb-system"},
                     "spec": {"selector": {"matchLabels": labels}, "template": {
                         "metadata": {"labels": labels}, "spec": {"containers": [container]}}}})
    return "\n".join(json.dumps(doc) for doc in docs).encode()


class Core(CoreStub):
    """Beside what the server asks of a core API: where MetalLB's manifest comes from."""

    def do_GET(self):
        if not self.path.endswith("metallb-native.yaml"):
            return super().do_GET()
        body = manifest_of_metallb()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None


def renamed(value, names):
    """The same with groups called otherwise, wherever an object, or a list of kinds, names one."""
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    groups = {old.split("/")[0]: new.rpartition("/")[0] for old, new in names.items() if "/" in old}
    out = {}
    for key, item in value.items():
        if key in ("apiVersion", "groupVersion") and isinstance(item, str):
            out[key] = names.get(item, item)
        elif key == "group" and names is BACK and isinstance(item, str):
            out[key] = groups.get(item, item)
        else:
            out[key] = renamed(item, names)
    return out


class Proxy(http.server.BaseHTTPRequestHandler):
    """The server by the names that kubectl knows."""

    protocol_version = "HTTP/1.1"
    behind = None  # a Setup
    refusals = 2  # of the webhook, before it listens

    def log_message(self, *_arguments):
        pass

    def path_there(self):
        path = re.sub(r"^/api/v1", "/apis/core.k8s.io/v1", self.path)
        path = re.sub(r"^/apis/(apps|policy)/v1", r"/apis/\1.k8s.io/v1", path)
        return re.sub(r"^(/apis/core.k8s.io/v1)/namespaces(/[^/?]*)?(\?|$)", r"\1/spaces\2\3", path)

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def ask(self, path):
        connection = self.behind.connect(60, SERVERS[SERVER])
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def defined(self):
        """All groups and versions that there are definitions of."""
        items = self.ask(CRDS)["items"]
        return {f"{i['spec']['group']}/{i['spec']['versions'][0]['name']}" for i in items}

    def groups(self):
        """All groups, which this server doesn't list: an aggregator would."""
        served = {BACK.get(group, group) for group in self.defined()} - {"v1"}
        groups = []
        for group in sorted(served | {"apiextensions.k8s.io/v1"}):
            name, version = group.split("/")
            version = {"groupVersion": group, "version": version}
            groups.append({"name": name, "versions": [version], "preferredVersion": version})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def schemas(self, group):
        """What a server with kinds of its own would publish, as far as kubectl wants it: where the
        schema of each group is, and there that fields are looked at by the server itself."""
        if not group:
            named = {BACK.get(group, group) for group in self.defined()}
            named = {"api/v1" if group == "v1" else f"apis/{group}" for group in named}
            named.add("apis/apiextensions.k8s.io/v1")
            return {"paths": {n: {"serverRelativeURL": f"/openapi/v3/{n}"} for n in sorted(named)}}
        group, version = GROUPS.get(group, group).split("/")
        paths = {}
        for item in self.ask(CRDS)["items"]:
            if item["spec"]["group"] != group:
                continue
            names, ours = item["spec"]["names"], BACK.get(f"{group}/{version}", f"{group}/{version}")
            kind = {"group": ours.rpartition("/")[0], "version": version, "kind": names["kind"]}
            paths[f"/apis/{ours}/{names['plural']}/{{name}}"] = {"patch": {
                "parameters": [{"name": "fieldValidation", "in": "query",
                                "schema": {"type": "string", "uniqueItems": True}}],
                "responses": {}, "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": kind}}
        return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1"},
                "paths": paths, "components": {"schemas": {}}}

    def discovered(self, document):
        """Answers that list kinds rather than hold objects."""
        if document.get("kind") == "APIResourceList":
            for resource in document["resources"]:
                resource["name"] = re.sub(r"^spaces\b", "namespaces", resource["name"])
        return document

    def relay(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        if self.path.split("?")[0] == "/api":
            return self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        if self.path.split("?")[0] == "/apis":
            return self.answer(200, self.groups())
        schemas = re.match(r"/openapi/v3(?:/(?:api|apis)/([^?]+))?(?:\?|$)", self.path)
        if schemas and schemas[1] != "apiextensions.k8s.io/v1":
            return self.answer(200, self.schemas(schemas[1]))
        does = self.command == "PATCH" and "dryRun" not in self.path
        if does and "/metallb.io/" in self.path and Proxy.refusals:
            Proxy.refusals -= 1
            return self.answer(500, {
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500,
                "reason": "InternalError", "message": "Internal error occurred: failed calling webhook "
                "\"ipaddresspoolvalidationwebhook.metallb.io\": connection refused"})
        kind = self.headers.get("Content-Type", "application/json")
        # Definitions know no strategic merge; what is patched so here are annotations.
        kind = kind.replace("strategic-merge-patch", "merge-patch")
        if body:
            document = json.loads(body)
            if document.get("kind") != "DeleteOptions":
                document = renamed(document, GROUPS)
            body = json.dumps(document).encode()
        is_watch = "watch=true" in self.path or "watch=1" in self.path
        connection = self.behind.connect(600 if is_watch else 60, SERVERS[SERVER])
        try:
            connection.request(self.command, self.path_there(), body,
                               {"Accept": "application/json", "Content-Type": kind})
            there = connection.getresponse()
            if is_watch and there.status == 200:
                return self.stream(there)
            text = there.read()
            try:
                document = self.discovered(renamed(json.loads(text), BACK))
            except ValueError:
                document = {"kind": "Status", "apiVersion": "v1", "status": "Failure",
                            "message": text.decode(errors="replace"), "code": there.status}
            return self.answer(there.status, document)
        finally:
            connection.close()

    def stream(self, there):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while line := there.readline():
                self.wfile.write(json.dumps(renamed(json.loads(line), BACK)).encode() + b"\n")
        except OSError:
            pass  # whoever watched has seen enough

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = relay


class Front(http.server.ThreadingHTTPServer):
    """Clients that end a watch, or are ended, are no news."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Cluster:
    """The server with all kinds, and what its controllers would do."""

    def __init__(self, setup):
        self.setup = setup

    def request(self, method, path, document=None, kind="application/json"):
        connection = self.setup.connect(30, SERVERS[SERVER])
        try:
            body = json.dumps(document) if document is not None else None
            connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()
        finally:
            connection.close()

    def await_true(self, what, holds, timeout_s=120):
        begun = time.monotonic()
        while True:
            try:
                if holds():
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() - begun > timeout_s:
                raise SystemExit(f"not within {timeout_s} s: {what}")
            time.sleep(0.2)

    def define(self, types):
        self.await_true("the server answers", lambda: self.request("GET", CRDS)[0] == 200)
        lists = []
        for (group, package), kinds in KINDS.items():
            for plural, kind, namespaced in kinds:
                schema = types.of_kind(package, kind)
                made = definition(group, plural, kind, namespaced, schema)
                status, said = self.request("POST", CRDS, made)
                if status != 201:
                    raise SystemExit(f"{plural}.{group}: {status} {said}")
                lists.append(f"/apis/{group}/v1/{plural}")
        for path in lists:
            self.await_true(f"{path} is served", lambda path=path: self.request("GET", path)[0] == 200)

    def control(self):
        while True:
            try:
                for plural in ("deployments", "daemonsets", "statefulsets"):
                    for item in self.request("GET", f"/apis/apps.k8s.io/v1/{plural}")[1]["items"]:
                        self.run_pods(plural, item)
            except (OSError, http.client.HTTPException, KeyError, TypeError):
                pass
            time.sleep(0.1)

    def run_pods(self, plural, item):
        metadata, count = item["metadata"], item["spec"].get("replicas", 2)
        if item.get("status", {}).get("observedGeneration") == metadata["generation"]:
            return
        status = {"observedGeneration": metadata["generation"]}
        if plural == "daemonsets":
            status.update(currentNumberScheduled=2, desiredNumberScheduled=2, numberAvailable=2,
                          numberMisscheduled=0, numberReady=2, updatedNumberScheduled=2)
        else:
            status.update(replicas=count, readyReplicas=count, updatedReplicas=count,
                          availableReplicas=count)
        if plural == "deployments":
            status["conditions"] = [{"type": "Available", "status": "True"}]
        if plural == "statefulsets":
            status.update(currentRevision="a", updateRevision="a", currentReplicas=count)
            labels = item["spec"]["template"]["metadata"]["labels"]
            self.request("POST", f"/apis/core.k8s.io/v1/namespaces/{metadata['namespace']}/pods", {
                "apiVersion": "core.k8s.io/v1", "kind": "Pod", "metadata": {
                    "name": metadata["name"] + "-0", "labels": {**labels, "role": "primary"}}})
        path = f"/apis/apps.k8s.io/v1/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"
        self.request("PATCH", f"{path}/status?fieldManager=controller", {"status": status},
                     "application/merge-patch+json")


def serve(setup, types):
    """The server with all kinds behind a proxy; returns its kubeconfig."""
    # Its cache waits three seconds, for each list, for news that an old etcd doesn't send.
    setup.start([SERVER], Core, ["--watch-cache=false"])
    cluster = Cluster(setup)
    cluster.define(types)
    threading.Thread(target=cluster.control, daemon=True).start()
    Proxy.behind = setup
    front = Front(FRONT, Proxy)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    return setup.write("front.kubeconfig", yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "http://%s:%d" % FRONT}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--apiserver", required=True)
    parser.add_argument("--schema", required=True)
    parser.add_argument("--keep", help="a directory for logs that stays")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        setup = Setup(arguments.keep or scratch, arguments.apiserver)
        kubeconfig = serve(setup, Types(arguments.schema))
        environment = dict(os.environ, HALB_GENUINE_KUBECONFIG=kubeconfig,
                           HALB_GENUINE_METALLB="http://%s:%d" % STUB)
        ran = subprocess.run(arguments.command, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in ran.stdout.splitlines():
        if line.lstrip().startswith("|"):
            print(line.strip())
    if ran.returncode:
        print(ran.stdout, file=sys.stderr)
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
