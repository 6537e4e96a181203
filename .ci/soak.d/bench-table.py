#!/usr/bin/env python3
"""Makes the table of docs/measurements.md out of what `halb bench --compare haproxy,nginx,direct
--json` says on its standard input."""

import json
import sys

NAMES = {"haproxy": "HAProxy"}

# A row: its name in the table, the figure, and whether it is judged against a goal.
ROWS = [
    ("CPU per kept-alive request, 64 clients", "cpu_per_request", "0.85"),
    ("CPU per request at 5,000 a second", "offered_cpu_per_request", ""),
    ("p99 at 5,000 a second", "offered_p99", "1.0"),
    ("CPU per connection with one request", "cpu_per_connection", "0.85"),
    ("CPU per request, connections of 1 to 20", "churn_cpu_per_request", ""),
    ("CPU per GB to clients, 4 streams", "download_cpu", "0.55"),
    ("CPU per GB from clients", "upload_cpu", ""),
    ("CPU per GB both ways", "duplex_cpu", ""),
    ("CPU of the Kubernetes mix, share of a core", "kubernetes_cpu", ""),
    ("p99 of an exec stream in the mix", "exec_p99", ""),
    ("p99 of a list in the mix", "list_p99", ""),
    ("memory of each of 4,000 idle connections", "memory_per_idle_connection", "0.3"),
    ("memory at rest", "memory_at_rest", "0.5"),
]

SCALES = {
    "bytes": [(1e6, "MB"), (1e3, "kB"), (1, "B")],
    "seconds": [(1, "s"), (1e-3, "ms"), (1e-6, "µs")],
    "seconds_per_gigabyte": [(1, "s"), (1e-3, "ms")],
    "cores": [(1e-2, "%")],
}


def shown(unit, value):
    """Three digits, and a unit that suits the size."""
    size, name = next(((s, n) for s, n in SCALES[unit] if abs(value) >= s), SCALES[unit][-1])
    value /= size
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f} {name}"


def ratio(cell):
    """Median (least to greatest) of the rounds' ratios."""
    it = cell["ratio"]
    return f"{it['median']:.2f} ({it['min']:.2f} to {it['max']:.2f})"


def main():
    report = json.load(sys.stdin)
    rows = {row["metric"]: row for row in report["rows"]}
    others = [name for name in report["names"][1:] if name != "direct"]
    columns = {name: report["names"].index(name) for name in others}
    head = ["", "halb"]
    for name in others:
        head += [NAMES.get(name, name), f"halb to {NAMES.get(name, name)}"]
        head += ["goal"] if name == "haproxy" else []
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for title, metric, goal in ROWS:
        row = rows.get(metric)
        if row is None:
            continue
        cells = [title, shown(row["unit"], row["cells"][0]["summary"]["median"])]
        for name, column in columns.items():
            cell = row["cells"][column]
            cells += [shown(row["unit"], cell["summary"]["median"]), ratio(cell)]
            cells += [goal] if name == "haproxy" else []
        print("| " + " | ".join(cells) + " |")


main()
