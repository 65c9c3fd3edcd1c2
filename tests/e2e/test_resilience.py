# SPDX-License-Identifier: Apache-2.0
"""Backends that fail: ejection and return, overload, and what operators see of both."""
import json
import threading
import urllib.request

import e2e_backend
import e2e_daemon
import e2e_net
import e2e_policy

PROMISED = 1000  # microseconds from a failure to the ejection, on a machine with a core to spare


def failing(text):
    """A backend that answers as `text` says: b"500", or b"200"."""
    def handler(connection, _):
        data = b""
        while True:
            part = connection.recv(65536)
            if not part:
                return
            data += part
            while b"\r\n\r\n" in data:
                _, data = data.split(b"\r\n\r\n", 1)
                connection.sendall(b"HTTP/1.1 " + text[0] + b" Text\r\nContent-Length: 2\r\n\r\nok")
    return handler


def detecting(port=9000, retries=0, **outlier):
    """One service with two endpoints on 10.2.0.12 and .13, outliers detected."""
    return {"all.json": e2e_policy.as_list(
        e2e_policy.service(ports=((80, port),), app="two"), e2e_policy.pod("a", e2e_net.BACKENDS[1], "v1", app="two"),
        e2e_policy.pod("b", e2e_net.BACKENDS[2], "v1", app="two"),
        e2e_policy.virtual_service([{"route": [e2e_policy.destination()], "retries": {"attempts": retries}}]),
        e2e_policy.destination_rule(subsets=(), loadBalancer={"simple": "ROUND_ROBIN"},
                                    outlierDetection={"interval": "1s", "baseEjectionTime": "1s", **outlier}))}


def outlier(daemon, address):
    return next((o for o in daemon.command("show outliers") if o["address"] == f"{address}:9000"), None)


def test_a_failing_endpoint_is_ejected_at_once_and_comes_back(world):
    good, bad, a, b = [b"200"], [b"500"], e2e_net.BACKENDS[1], e2e_net.BACKENDS[2]
    world.script(failing(good), a)
    world.script(failing(bad), b)
    daemon = world.heddle(detecting(consecutive5xxErrors=3, maxEjectionPercent=50))
    caller = world.caller()
    seen = [caller.request().status for _ in range(6)]
    assert sorted(seen) == [200] * 3 + [500] * 3, seen
    o = e2e_net.wait_for(lambda: (o := outlier(daemon, b)) and o["health"] == "ejected" and o, "the ejection")
    assert o["cause"] == "consecutive_5xx" and o["cluster_ejected"] == 1 and o["until"] > o["since"], o
    assert [caller.request().status for _ in range(20)] == [200] * 20
    row = next(e for e in daemon.command("show endpoints") if e["address"] == f"{b}:9000")
    assert row["health"] == "ejected" and row["ejected_until"] == o["until"], (row, o)
    bad[0] = b"200"
    daemon.wait_log(lambda line: "back in rotation" in line and b in line, "the line about its return")
    before = row["requests"]
    assert [caller.request().status for _ in range(20)] == [200] * 20
    row = next(e for e in daemon.command("show endpoints") if e["address"] == f"{b}:9000")
    assert row["health"] == "healthy" and row["requests"] == before + 10 and row["ejected_until"] is None, row


def test_decisions_reach_workers_within_a_millisecond(world):
    good, bad, a, b = [b"200"], [b"500"], e2e_net.BACKENDS[1], e2e_net.BACKENDS[2]
    world.script(failing(good), a)
    world.script(failing(bad), b)
    daemon = world.heddle(detecting(consecutive5xxErrors=1, maxEjectionPercent=50, interval="100ms", baseEjectionTime="1ms"))
    caller, times = world.caller(), []
    for i in range(8):
        e2e_net.wait_for(lambda: caller.request().status == 500, "the failing endpoint to be asked")
        o = e2e_net.wait_for(lambda n=i: (o := outlier(daemon, b)) and o["ejections"] > n and o, f"ejection {i + 1}")
        times.append(o["decided_in_us"])
    # Others may hold the core of the control thread: the best of several tells what the road costs.
    assert min(times) < PROMISED, times


def test_a_killed_backend_costs_no_caller_an_answer(world):
    v1, v2 = world.backends()
    policy = detecting(port=8080, retries=2, maxEjectionPercent=50)
    policy["all.json"]["items"][1] = e2e_policy.pod("a", v1.address, "v1", app="two")
    policy["all.json"]["items"][2] = e2e_policy.pod("b", v2.address, "v1", app="two")
    daemon = world.heddle(policy)
    caller = world.caller()
    assert [caller.request().status for _ in range(10)] == [200] * 10
    v1.stop()
    assert [caller.request().status for _ in range(40)] == [200] * 40
    o = next(o for o in daemon.command("show outliers") if o["address"] == f"{v1.address}:8080")
    assert o["health"] == "ejected" and o["threshold_5xx"] == 5, o
    failed = next(e for e in daemon.command("show endpoints") if e["address"] == o["address"])["connect_failures"]
    assert failed == 5, f"{failed} tries went to the dead endpoint; the fifth ejects it"
    v1.start()
    daemon.wait_log(lambda line: "back in rotation" in line, "its return")
    before = v1.requests()
    assert [caller.request().status for _ in range(20)] == [200] * 20
    e2e_net.wait_for(lambda: v1.requests() == before + 10, "its share")


def test_metrics_tell_of_outliers(world):
    bad, a, b = [b"503"], e2e_net.BACKENDS[1], e2e_net.BACKENDS[2]
    world.script(failing(bad), a)
    world.script(failing(bad), b)
    daemon = world.heddle(detecting(consecutive5xxErrors=2, maxEjectionPercent=50))
    caller = world.caller()
    for _ in range(12):
        assert caller.request().status == 503
    e2e_net.wait_for(lambda: outlier(daemon, a)["cluster_overflow"] > 0, "an ejection that the percentage does not allow")

    def read():
        with urllib.request.urlopen("http://127.0.0.1:15020/metrics", timeout=5) as f:
            return f.read().decode()
    text = world.net.inside(world.net.heddle, read)
    for line in ('heddle_outlier_ejected{cluster="outbound|80||api-service.default.svc.cluster.local"} 1',
                 'heddle_outlier_ejections_total{cluster="outbound|80||api-service.default.svc.cluster.local",cause="consecutive_5xx"} 1'):
        assert line in text, f"no {line}:\n" + "\n".join(x for x in text.split("\n") if "outlier" in x)


def test_overload_is_refused_and_explained(world):
    release = threading.Event()

    def slow(connection, _):
        connection.recv(65536)
        release.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        e2e_backend.end(connection)
    world.script(slow)
    pool = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    daemon = world.heddle(e2e_policy.single(extra=(e2e_policy.destination_rule(subsets=(), connectionPool=pool),)))
    callers = [world.caller(port=80) for _ in range(5)]
    for i, caller in enumerate(callers):
        caller.send(b"GET /%d HTTP/1.1\r\nHost: api-service\r\n\r\n" % i)
        if i == 0:
            e2e_net.wait_for(lambda: clusters(daemon)["requests_active"] == 1, "the first to be under way")
    c = e2e_net.wait_for(lambda: (c := clusters(daemon))["overflow"] == 3 and c, "three to be refused")
    assert c["remaining_connections"] == 0 and c["remaining_pending"] == 0, c
    release.set()
    answers = [caller.response() for caller in callers]  # which of the others waits is up to the network
    assert answers[0].status == 200 and sorted(r.status for r in answers) == [200, 200, 503, 503, 503], answers
    assert all((r.get("x-envoy-overloaded") == "true") == (r.status == 503) for r in answers), answers
    f = e2e_net.wait_for(lambda: (f := daemon.command("show failures")) and sum(r["count"] for r in f) >= 3 and f, "three failures")
    assert len(f) == 1 and f[0]["count"] == 3 and f[0]["flags"] == "UO" and f[0]["policy"].endswith("all.json:" + f[0]["policy"].rsplit(":", 1)[1]), f
    assert f[0]["last_request"].startswith("GET api-service/"), f


def clusters(daemon):
    return daemon.command("show clusters")[0]


def test_a_workload_group_s_probe_takes_an_entry_out_and_back(world):
    well, asked = [b"200"], []

    def probed(connection, _):
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return
            data += part
        asked.append(data)
        connection.sendall(b"HTTP/1.1 " + well[0] + b" Text\r\nContent-Length: 2\r\n\r\nok")
        e2e_backend.end(connection)
    a, b = e2e_net.BACKENDS[1], e2e_net.BACKENDS[2]
    world.script(failing([b"200"]), a)
    world.script(failing([b"200"]), b)
    world.script(probed, b, 9100)
    world.script(lambda c, _: e2e_backend.end(c), a, 9100)

    def entry(name, address, group):
        return {"apiVersion": e2e_policy.NETWORKING, "kind": "WorkloadEntry",
                "metadata": {**e2e_policy.meta(name), "annotations": {"istio.io/autoRegistrationGroup": group}},
                "spec": {"address": address, "labels": {"app": "two"}}}

    def group(name, **how):
        return {"apiVersion": e2e_policy.NETWORKING, "kind": "WorkloadGroup", "metadata": e2e_policy.meta(name),
                "spec": {"template": {}, "probe": {"periodSeconds": 1, "failureThreshold": 2, **how}}}
    daemon = world.heddle({"all.json": e2e_policy.as_list(
        e2e_policy.service(ports=((80, 9000),), app="two"), entry("a", a, "tcp"), entry("b", b, "http"),
        group("tcp", tcpSocket={"port": 9100}),
        group("http", httpGet={"path": "/ready", "port": 9100, "httpHeaders": [{"name": "X-Probe", "value": "yes"}]}))})

    def state(address):
        return next(e for e in daemon.command("show endpoints") if e["address"] == f"{address}:9000")
    e2e_net.wait_for(lambda: state(b)["probe"] == "passing: status 200" and state(a)["probe"] == "passing: connected", "the first probes")
    assert asked[0].startswith(b"GET /ready HTTP/1.1\r\n") and b"\r\nX-Probe: yes\r\n" in asked[0], asked[0]
    well[0] = b"503"
    e2e_net.wait_for(lambda: state(b)["health"] == "unready", "two failures")
    assert state(b)["probe"] == "failing: status 503", state(b)
    caller, before = world.caller(), state(a)["requests"]
    assert [caller.request().status for _ in range(10)] == [200] * 10
    assert state(a)["requests"] == before + 10
    well[0] = b"200"
    e2e_net.wait_for(lambda: state(b)["health"] == "healthy", "its return")


def test_another_zone_steps_in_when_this_one_fails(world):
    """Zone a answers while it can; then zone b, and a again."""
    here, a, b = [b"200"], e2e_net.BACKENDS[1], e2e_net.BACKENDS[2]
    world.script(failing(here), a)
    world.script(failing([b"200"]), b)

    def entry(name, address, place):
        return {"apiVersion": e2e_policy.NETWORKING, "kind": "WorkloadEntry", "metadata": e2e_policy.meta(name),
                "spec": {"address": address, "locality": place, "labels": {"app": "two"}}}
    policy = {"all.json": e2e_policy.as_list(
        e2e_policy.service(ports=((80, 9000),), app="two"), entry("a", a, "eu/a"), entry("b", b, "eu/b"),
        e2e_policy.virtual_service([{"route": [e2e_policy.destination()], "retries": {"attempts": 0}}]),
        e2e_policy.destination_rule(subsets=(), outlierDetection={"interval": "1s", "baseEjectionTime": "1s", "consecutive5xxErrors": 3,
                                                                  "maxEjectionPercent": 100}))}
    daemon = world.heddle(policy, node=lambda folder: e2e_daemon.node_object(folder, locality="eu/a/r1"))

    def served(address):
        return next(e["requests"] for e in daemon.command("show endpoints") if e["address"] == f"{address}:9000")
    caller = world.caller()
    assert [caller.request().status for _ in range(20)] == [200] * 20
    assert (served(a), served(b)) == (20, 0) and clusters(daemon)["group_weights"] == [100, 0], clusters(daemon)
    here[0] = b"500"
    assert [caller.request().status for _ in range(3)] == [500] * 3
    e2e_net.wait_for(lambda: clusters(daemon)["group_weights"] == [0, 100], "zone b to step in")
    assert [caller.request().status for _ in range(20)] == [200] * 20
    assert served(b) == 20, served(b)
    here[0] = b"200"
    e2e_net.wait_for(lambda: clusters(daemon)["group_weights"] == [100, 0], "zone a to be back")
    before = served(a)
    assert [caller.request().status for _ in range(20)] == [200] * 20
    assert served(a) == before + 20


def test_a_diff_shows_what_ejections_would_become(world):
    daemon = world.heddle(detecting(consecutive5xxErrors=3, maxEjectionPercent=50))
    rule = e2e_policy.destination_rule(subsets=(), loadBalancer={"simple": "ROUND_ROBIN"}, retryBudget={"percent": 10},
                                       outlierDetection={"consecutive5xxErrors": 7, "maxEjectionPercent": 50, "interval": "1s"})
    rows = daemon.command("config diff", files=[{"name": "rule.json", "content": json.dumps(rule)}])
    added = [r["text"] for r in rows if r["change"] == "added"]
    assert len(rows) == 2 and "ejects after 7 5xx" in added[0] and "retry budget 10.00 %, at least 3" in added[0], rows
