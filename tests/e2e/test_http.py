# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 through the daemon, seen from both wires."""
import hashlib
import json
import os
import threading

import e2e_backend
import e2e_http
import e2e_net
import e2e_policy

RUN = str(os.getpid())


def told(response):
    assert response.status == 200, response
    return json.loads(response.body)


def test_curl_gets_an_answer_with_envoys_headers(world):
    world.backends()
    world.heddle(e2e_policy.api())
    out = world.curl("-i", "-H", "Host: api-service", f"http://{e2e_net.VIP}/hello")
    head = out.lower()
    assert out.startswith("HTTP/1.1 200"), out
    assert "server: istio-envoy" in head and "x-envoy-upstream-service-time:" in head and "x-version: v" in head, out


def test_weights_90_10_are_exact_on_the_backends_logs(world):
    v1, v2 = world.backends()
    world.heddle(e2e_policy.api(), fresh=True)
    caller, marker = world.caller(), f"/split-{RUN}"
    for i in range(200):
        assert caller.request(path=f"{marker}/{i}").status == 200
    counts = e2e_net.wait_for(lambda: (c := (v1.requests(marker), v2.requests(marker))) and sum(c) == 200 and c,
                              "200 requests in the backends' logs")
    assert counts == (180, 20), counts
    numbers = sorted(int(line.split("/")[-1].split()[0]) for line in v2.lines(marker))
    gaps = [b - a for a, b in zip(numbers, numbers[1:])]
    assert all(5 <= g <= 15 for g in gaps), f"not spread evenly: {numbers}"


def test_keep_alive_serves_many_requests_on_one_connection(world):
    world.backends()
    world.heddle(e2e_policy.api())
    caller = world.caller()
    for i in range(50):
        r = caller.request(path=f"/{i}")
        assert r.status == 200 and r.body in (b"v1\n", b"v2\n"), r


def test_pipelined_requests_are_answered_in_order(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller = world.caller()
    caller.send(b"".join(b"GET /p/%d HTTP/1.1\r\nHost: api-service\r\n\r\n" % i for i in range(20)))
    assert [told(caller.response())["path"] for _ in range(20)] == [f"/p/{i}" for i in range(20)]


def test_a_head_split_at_any_byte_gives_the_same_answer(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller = world.caller()
    text = b"GET /bytes HTTP/1.1\r\nHost: api-service\r\nX-A: b\r\n\r\n"
    for i in range(len(text)):
        caller.send(text[i:i + 1])
    assert told(caller.response())["path"] == "/bytes"


def test_bodies_of_all_sizes_arrive_whole(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller = world.caller()
    for size in (1, 100, 1459, 1460, 1461, 16384, 65536, 1 << 20, 5 << 20):
        body = os.urandom(size)
        got = told(caller.request("POST", "/upload", body=body))
        assert got["length"] == size and got["sha256"] == hashlib.sha256(body).hexdigest(), (size, got)


def test_chunked_bodies_arrive_whole(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller, body = world.caller(), os.urandom(200000)
    caller.send(b"POST /c HTTP/1.1\r\nHost: api-service\r\nTransfer-Encoding: chunked\r\n\r\n")
    at, size = 0, 1
    while at < len(body):
        part = body[at:at + size]
        caller.send(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
        at, size = at + len(part), size * 3 % 9973 + 1
    caller.send(b"0\r\nX-Trailer: t\r\n\r\n")
    got = told(caller.response())
    assert got["sha256"] == hashlib.sha256(body).hexdigest()


def test_head_has_no_body_and_keeps_the_connection(world):
    world.backends()
    world.heddle(e2e_policy.api())
    caller = world.caller()
    r = caller.request("HEAD", "/1k")
    assert r.status == 200 and r.get("content-length") == "1024" and r.body == b"", r
    assert caller.request(path="/1k").body[:2] in (b"v1", b"v2")


def test_expect_100_continue_is_answered_before_the_body(world):
    def backend(c, _number):
        head, rest = e2e_backend.read_head(c)
        assert b"expect" in head.lower()
        c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(rest) < 5:
            rest += c.recv(100)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + rest)
    world.script(backend)
    world.heddle(e2e_policy.single())
    caller = world.caller()
    caller.send(b"POST / HTTP/1.1\r\nHost: api-service\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert caller.head()[0] == 100
    caller.send(b"hello")
    r = caller.response()
    assert r.status == 200 and r.body == b"hello", r


def test_chunked_answers_arrive_whole(world):
    parts = [os.urandom(n) for n in (1, 1000, 1460, 50000, 7)]

    def backend(c, _number):
        e2e_backend.read_head(c)
        c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in parts:
            c.sendall(b"%X\r\n%s\r\n" % (len(part), part))
        c.sendall(b"0\r\n\r\n")
        c.recv(1)
    world.script(backend)
    world.heddle(e2e_policy.single())
    r = world.caller().request()
    assert r.body == b"".join(parts)


def test_an_answer_that_is_cut_is_not_passed_on_as_complete(world):
    def backend(c, _number):
        e2e_backend.read_head(c)
        c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    world.script(backend)
    world.heddle(e2e_policy.single())
    caller = world.caller()
    try:
        r = caller.request()
    except ConnectionError:
        return
    raise AssertionError(f"a cut answer came as complete: {r}")


def test_a_slow_reader_gets_every_byte(world):
    v1, _ = world.backends()
    world.heddle(e2e_policy.api(100, 0))
    caller = world.caller(receive_buffer=4096)
    caller.send(b"GET /big HTTP/1.1\r\nHost: api-service\r\n\r\n")
    pause, status_headers = threading.Event(), caller.head()
    size, digest = int(dict(status_headers[1])["content-length"]), hashlib.sha256(caller.buf)
    left = size - len(caller.buf)
    while left > 0:
        data = caller.sock.recv(16384)
        assert data, "cut"
        digest.update(data)
        left -= len(data)
        pause.wait(0.001)
    with open(os.path.join(v1.folder, "www/big"), "rb") as f:
        assert digest.hexdigest() == hashlib.sha256(f.read()).hexdigest()


def test_a_reader_that_stops_does_not_grow_memory(world):
    world.backends()
    daemon = world.heddle(e2e_policy.api(100, 0))
    other = world.caller()
    assert other.request(path="/1k").status == 200
    before, stopped = daemon.memory_kib(), []
    for _ in range(20):
        caller = world.caller(receive_buffer=2048)
        caller.send(b"GET /big HTTP/1.1\r\nHost: api-service\r\n\r\n")
        caller.head()
        stopped.append(caller)
    for _ in range(50):
        assert other.request(path="/1k").status == 200
    grown = daemon.memory_kib() - before
    assert grown < 20 * 512, f"{grown} KiB for 20 stopped readers of 4 MiB each"


def test_ambiguous_framing_is_refused_and_the_backend_sees_nothing(world):
    seen = []

    def backend(c, _number):
        seen.append(e2e_backend.read_head(c))
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    world.script(backend)
    world.heddle(e2e_policy.single())
    bad = {
        "length and chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "length of 2^64": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
        "bare CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "two Host lines": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "no Host": b"GET / HTTP/1.1\r\n\r\n",
        "userinfo in Host": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "space before the colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        "empty name": b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "folded line": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "chunk size 0x": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    }
    for what, data in bad.items():
        caller = world.caller()
        caller.send(data)
        r = caller.response()
        assert r.status in (400, 501) and caller.is_closed(), f"{what}: {r}"
    assert not seen, f"the backend saw {seen}"


def test_limits_answer_431_and_414_or_close(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller = world.caller()
    caller.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 150 + b"\r\n")
    assert caller.response().status == 431
    caller = world.caller()
    caller.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70000 + b"\r\n\r\n")
    assert caller.response().status == 431


def test_http_10_is_refused_with_426(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller = world.caller()
    caller.send(b"GET / HTTP/1.0\r\nHost: api-service\r\n\r\n")
    assert caller.response().status == 426


def test_no_route_is_404_with_an_empty_body(world):
    world.teller()
    policy = {"all.json": e2e_policy.as_list(
        e2e_policy.service(ports=((80, 9000),), app="one"), e2e_policy.pod("one", e2e_net.BACKENDS[2], "v1", app="one"),
        e2e_policy.virtual_service([{"match": [{"uri": {"prefix": "/only"}}], "route": [e2e_policy.destination()]}]))}
    world.heddle(policy)
    caller = world.caller()
    assert told(caller.request(path="/only/here"))["path"] == "/only/here"
    r = caller.request(path="/elsewhere")
    assert r.status == 404 and r.body == b"" and r.get("content-type") is None, r
    assert told(caller.request(path="/only"))["path"] == "/only"


def test_a_timeout_is_504_with_envoys_body(world):
    held = threading.Event()

    def backend(c, _number):
        e2e_backend.read_head(c)
        held.wait(10)
    world.script(backend)
    world.heddle(e2e_policy.single(timeout="0.3s"))
    r = world.caller().request()
    held.set()
    assert r.status == 504 and r.body == b"upstream request timeout", r


def test_a_killed_backend_gives_503_and_comes_back(world):
    v1, v2 = world.backends()
    world.heddle(e2e_policy.api(100, 0), fresh=True)
    caller = world.caller()
    assert caller.request(path="/1k").status == 200
    v1.stop()
    r = caller.request(path="/1k")
    assert r.status == 503, r
    assert r.body.startswith(b"upstream connect error or disconnect/reset before headers."), r
    assert r.get("content-type") == "text/plain", r
    world.backends()
    assert caller.request(path="/1k").status == 200
    assert v2.process is not None


def test_a_reset_before_the_answer_is_503(world):
    def backend(c, _number):
        e2e_backend.read_head(c)
    world.script(backend)
    world.heddle(e2e_policy.single())
    r = world.caller().request()
    assert r.status == 503 and b"connection termination" in r.body, r


def test_a_request_on_a_connection_that_was_just_closing_is_sent_again(world):
    """The backend closes after each answer without saying so, and its FIN is still on the way when the next request leaves: its
    TCP answers with a reset that acknowledges nothing, so the request goes to a fresh connection, and no caller notices."""
    closed = threading.Event()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1300\r\n\r\n" + b"x" * 1300

    def backend(c, _number):
        _, body = e2e_backend.read_head(c)
        if not body:
            c.recv(1)  # what stays unread would be acknowledged by a reset
        c.sendall(answer)
        c.close()
        closed.set()
    world.script(backend)
    daemon = world.heddle(e2e_policy.single(), fresh=True)
    caller = world.caller()
    # A bucket of one answer: the answer passes at once, and the FIN behind it waits some milliseconds for tokens.
    try:
        world.net.run(world.net.backends, "tc", "qdisc", "add", "dev", "s1", "root", "tbf", "rate", "64kbit", "burst", "1540", "limit", "1mb")
    except (RuntimeError, OSError) as e:
        raise e2e_net.Missing(f"tc with tbf: {e}") from None
    try:
        for i in range(20):
            closed.clear()
            r = caller.request("POST", f"/{i}", body=b"x")
            assert r.status == 200 and len(r.body) == 1300, (i, r)
            assert closed.wait(5)
    finally:
        world.net.run(world.net.backends, "tc", "qdisc", "del", "dev", "s1", "root")
    again = [r for r in daemon.ctl_json("stats", "*") if "safe_resends" in r["name"] and r["value"]]
    assert again, "no request met a closing connection: the test saw nothing"


def test_request_ids_and_forwarded_headers_follow_the_waypoint(world):
    world.teller()
    world.heddle(e2e_policy.single())
    caller = world.caller()
    got = {k.lower(): v for k, v in told(caller.request())["headers"]}
    assert len(got["x-request-id"]) == 36 and got["x-forwarded-proto"] == "http" and got["x-envoy-attempt-count"] == "1", got
    got = {k.lower(): v for k, v in told(caller.request(headers=[("x-request-id", "mine"), ("connection", "x-hop"),
                                                                ("x-hop", "1"), ("te", "gzip")]))["headers"]}
    assert got["x-request-id"] == "mine" and "x-hop" not in got and "connection" not in got, got


def test_ipv6_callers_and_backends(world):
    world.backends()
    policy = {"all.json": e2e_policy.as_list(
        e2e_policy.service(), e2e_policy.slices("api-service", e2e_net.BACKENDS6, family="IPv6"))}
    world.heddle(policy)
    caller = world.caller(e2e_net.VIP6)
    seen = {caller.request().body for _ in range(8)}
    assert seen == {b"v1\n", b"v2\n"}, seen


def test_hundred_connections_at_once(world):
    world.backends()
    world.heddle(e2e_policy.api())
    process = world.wrk("-t1", "-c100", "-d2s", "--latency", "-H", "Host: api-service", f"http://{e2e_net.VIP}:80/1k")
    result = e2e_http.parse_wrk(process.communicate(timeout=30)[0])
    assert result["failed"] == 0 and result["requests"] > 500, result["text"]


def test_new_connection_for_each_request(world):
    world.backends()
    world.heddle(e2e_policy.api())
    process = world.wrk("-t1", "-c20", "-d2s", "-H", "Connection: close", "-H", "Host: api-service", f"http://{e2e_net.VIP}:80/1k")
    result = e2e_http.parse_wrk(process.communicate(timeout=30)[0])
    assert result["failed"] == 0 and result["requests"] > 200, result["text"]
