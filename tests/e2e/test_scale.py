# SPDX-License-Identifier: Apache-2.0
"""Slower: many connections, much memory, another driver."""
import os
import resource
import subprocess
import sys

import e2e_daemon
import e2e_http
import e2e_net
import e2e_policy

IDLE = 50000
CHURN = 20000
HOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e_idle.py")


class Idle:
    """Connections that have each done one request and now stay open, held by as many processes as it takes."""

    def __init__(self, world, count):
        each = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100)
        sizes = [each] * (count // each) + ([count % each] if count % each else [])
        self.processes = [subprocess.Popen(world.net.argv(world.net.callers, sys.executable, HOLDER, e2e_net.VIP, "80", str(n)),
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for n in sizes]
        for process, n in zip(self.processes, sizes):
            said = process.stdout.readline().strip()
            assert said == str(n), f"{said} of {n} connections"

    def close(self):
        for process in self.processes:
            process.communicate(timeout=60)


def test_50000_idle_connections_cost_at_most_1_kib_each_and_give_it_back(world):
    world.backends()
    daemon = world.heddle(e2e_policy.api(), fresh=True)
    assert world.caller().request().status == 200
    before = daemon.memory_kib()
    idle = Idle(world, IDLE)
    grown = daemon.memory_kib() - before
    assert daemon.connections() >= IDLE
    assert grown <= IDLE, f"{grown * 1024 / IDLE:.0f} bytes each"
    idle.close()
    e2e_net.wait_for(lambda: daemon.connections() < 200, "the connections to go away", 30)
    assert world.caller().request().status == 200


def test_connections_opened_and_closed_give_their_memory_back(world):
    world.backends()
    daemon = world.heddle(e2e_policy.api(), fresh=True)
    Idle(world, CHURN // 4).close()
    before = daemon.memory_kib()
    for _ in range(4):
        Idle(world, CHURN // 4).close()
    assert daemon.memory_kib() - before < 4096, f"{daemon.memory_kib() - before} KiB more after {CHURN} connections"
    e2e_net.wait_for(lambda: daemon.connections() < 200, "the connections to go away", 30)


def test_af_xdp_carries_the_same_traffic(world):
    world.backends()
    try:
        daemon = world.heddle(e2e_policy.api(), lambda folder: e2e_daemon.node_object(folder, device="af_xdp"))
    except AssertionError as e:
        if "af_xdp" in str(e).lower() or "xdp" in str(e).lower():
            raise e2e_net.Missing(f"net_af_xdp does not open here: {str(e).splitlines()[-1]}") from None
        raise
    caller = world.caller()
    for _ in range(50):
        assert caller.request(path="/1k").status == 200
    r = caller.request(path="/big")
    assert len(r.body) == 4 << 20 and daemon.alive()
    world.stop_daemon()


def two_workers(folder):
    node = e2e_daemon.node_object(folder, workers=[1, 2])
    node["spec"]["eal"] += ["--lcores", "0@0,1@0,2@1" if (os.cpu_count() or 1) > 1 else "0@0,1@0,2@0"]
    return node


def test_two_workers_share_connections_and_every_answer_is_right(world):
    """One queue, two workers: frames find the worker that owns their connection, towards callers and towards backends."""
    world.backends()
    daemon = world.heddle(e2e_policy.api(), two_workers)
    callers = [world.caller() for _ in range(40)]
    for _ in range(5):
        for caller in callers:
            assert caller.request(path="/1k").status == 200
    workers = daemon.command("show workers")
    assert len(workers) == 2 and all(w["requests"] >= 20 for w in workers), workers
    assert sum(w["requests"] for w in workers) >= 200, workers
    process = world.wrk("-t1", "-c50", "-d2s", "-H", "Host: api-service", f"http://{e2e_net.VIP}:80/1k")
    result = e2e_http.parse_wrk(process.communicate(timeout=30)[0])
    assert result["failed"] == 0, result["text"]
    world.stop_daemon()


def test_a_limit_on_connections_holds_over_two_workers(world):
    world.backends()
    policy = e2e_policy.api()
    policy["rule.json"] = e2e_policy.destination_rule(connectionPool={"tcp": {"maxConnections": 4}})
    daemon = world.heddle(policy, two_workers)
    process = world.wrk("-t1", "-c50", "-d2s", "-H", "Host: api-service", f"http://{e2e_net.VIP}:80/1k")
    most = 0
    while process.poll() is None:
        most = max(most, max(c["connections"] for c in daemon.command("show clusters")))
    process.communicate()
    assert 1 <= most <= 4, f"{most} connections to one cluster"
    world.stop_daemon()
