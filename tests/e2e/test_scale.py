# SPDX-License-Identifier: Apache-2.0
"""Slower: many connections, much memory, another driver."""
import resource
import socket

import e2e_daemon
import e2e_net
import e2e_policy

IDLE = 50000
CHURN = 20000


def open_many(world, count):
    """Connections that have each done one request and now stay idle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 4096), max(hard, count + 4096)))
    request = b"GET /idle HTTP/1.1\r\nHost: api-service\r\n\r\n"
    out = []

    def batch(n):
        fresh = []
        for _ in range(n):
            s = socket.create_connection((e2e_net.VIP, 80), 20)
            s.sendall(request)
            fresh.append(s)
        for s in fresh:
            data = b""
            while not data.endswith((b"v1\n", b"v2\n")):
                more = s.recv(4096)
                assert more, f"closed after {len(out)} connections"
                data += more
        out.extend(fresh)
    world.net.inside(world.net.callers, lambda: [batch(50) for _ in range(count // 50)])
    return out


def test_50000_idle_connections_cost_at_most_1_kib_each_and_give_it_back(world):
    world.backends()
    daemon = world.heddle(e2e_policy.api(), fresh=True)
    assert world.caller().request().status == 200
    before = daemon.memory_kib()
    sockets = open_many(world, IDLE)
    grown = daemon.memory_kib() - before
    assert daemon.connections() >= IDLE
    assert grown <= IDLE, f"{grown * 1024 / IDLE:.0f} bytes each"
    for s in sockets:
        s.close()
    e2e_net.wait_for(lambda: daemon.connections() < 200, "the connections to go away", 30)
    assert world.caller().request().status == 200


def test_connections_opened_and_closed_give_their_memory_back(world):
    world.backends()
    daemon = world.heddle(e2e_policy.api(), fresh=True)

    def churn(count):
        for s in open_many(world, count):
            s.close()
    churn(CHURN // 4)
    before = daemon.memory_kib()
    for _ in range(4):
        churn(CHURN // 4)
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
