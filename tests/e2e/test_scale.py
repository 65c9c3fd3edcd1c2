# SPDX-License-Identifier: Apache-2.0
"""Slower: many connections, much memory, another driver."""
import os
import resource
import subprocess
import sys

import e2e_daemon
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
