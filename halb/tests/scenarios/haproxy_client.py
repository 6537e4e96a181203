"""Reads and orders through HAProxy's runtime socket, and prints what comes of it."""

import sys

from haproxyadmin import STATE_DISABLE, STATE_DRAIN, STATE_ENABLE, STATE_READY, haproxy

METRICS = ("act", "bck", "qcur", "scur", "weight")

balancer = haproxy.HAProxy(socket_file=sys.argv[1], timeout=20)
print("connections allowed:", balancer.maxconn, "processes:", len(balancer.processids))
for frontend in sorted(balancer.frontends(), key=lambda it: it.name):
    if frontend.name != "metrics":
        print("frontend", frontend.name, frontend.status, frontend.maxconn, frontend.requests)
for backend in sorted(balancer.backends(), key=lambda it: it.name):
    print("backend", backend.name, backend.status, [backend.metric(name) for name in METRICS])
    for server in sorted(backend.servers(), key=lambda it: it.name):
        print("  server", server.name, server.status, server.weight, server.address, server.port)
        print("   ", server.check_status, server.check_code, server.last_status, server.sid)

server = balancer.server("kmaster1", backend="masters")[0]
for state in (STATE_DRAIN, STATE_READY, STATE_DISABLE, STATE_ENABLE):
    print(state, server.setstate(state), server.status.split()[0])
for weight in (7, "50%", 3):
    print("weight", weight, server.setweight(weight), server.weight)
print("sessions ended:", server.shutdown())
print("uptime known:", int(balancer.uptimesec) >= 0, "limit:", balancer.metric("Maxconn"))
