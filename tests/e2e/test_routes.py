# SPDX-License-Identifier: Apache-2.0
"""What routes do to requests beyond choosing a backend: headers, faults, CORS, mirrors, consistent hashing."""
import json
import os
import time

import e2e_net
import e2e_policy

RUN = str(os.getpid())
GOOD = "https://good.example"


def told(response):
    assert response.status == 200, response
    return dict((k.lower(), v) for k, v in json.loads(response.body)["headers"])


def field(response, name):
    return next((v for k, v in response.headers if k.lower() == name), None)


def test_headers_of_route_and_destination_reach_both_sides(world):
    world.teller()
    route = e2e_policy.destination()
    route["headers"] = {"request": {"set": {"x-both": "destination"}, "add": {"x-from": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}}
    world.heddle(e2e_policy.single(route=[route], headers={
        "request": {"set": {"x-both": "route", "x-in": "%REQ(X-Sent)%"}, "remove": ["user-agent"]},
        "response": {"set": {"x-answer": "%REQ(:path)%"}, "remove": ["content-type"]}}))
    r = world.caller().request(path="/h?q=1", headers=[("X-Sent", "v"), ("User-Agent", "t"), ("X-Both", "caller")])
    seen = told(r)
    assert seen["x-both"] == "destination" and seen["x-in"] == "v" and "user-agent" not in seen, seen
    assert seen["x-from"].startswith("10."), seen
    assert field(r, "x-answer") == "/h?q=1" and field(r, "content-type") is None, r.headers


def test_delay_and_abort_are_injected_before_the_backend(world):
    world.teller()
    world.heddle(e2e_policy.single(timeout="0.2s", fault={
        "delay": {"fixedDelay": "0.5s", "percentage": {"value": 100}},
        "abort": {"httpStatus": 418, "percentage": {"value": 50}}}))
    caller, began = world.caller(), time.monotonic()
    answers = [caller.request() for _ in range(4)]
    assert time.monotonic() - began >= 2.0
    assert sorted(r.status for r in answers) == [200, 200, 418, 418], answers
    assert [r.body for r in answers if r.status == 418] == [b"fault filter abort"] * 2, answers


def test_preflight_is_answered_and_answers_are_marked(world):
    world.teller()
    world.heddle(e2e_policy.single(corsPolicy={"allowOrigins": [{"regex": "https://good[.][a-z]+"}], "allowMethods": ["GET"],
                                               "maxAge": "1h"}))
    caller = world.caller()
    r = caller.request("OPTIONS", headers=[("Origin", GOOD), ("Access-Control-Request-Method", "GET")])
    assert r.status == 200 and not r.body and field(r, "access-control-max-age") == "3600", r
    assert field(r, "access-control-allow-origin") == GOOD and field(r, "access-control-allow-methods") == "GET", r.headers
    assert field(caller.request(headers=[("Origin", GOOD)]), "access-control-allow-origin") == GOOD
    assert field(caller.request(headers=[("Origin", "https://goodx")]), "access-control-allow-origin") is None


def test_mirror_gets_its_share_with_the_body(world):
    v1, _ = world.backends()
    world.teller()
    mirror = (e2e_policy.service("mirror", ips=("10.96.7.7",), app="api"), e2e_policy.pod("m", e2e_net.BACKENDS[0], "v1"))
    world.heddle(e2e_policy.single(extra=mirror, mirror={"host": "mirror", "port": {"number": 80}},
                                   mirrorPercentage={"value": 40}))
    caller, marker = world.caller(), f"/mirror-{RUN}"
    for i in range(100):
        assert caller.request("POST", f"{marker}/{i}", body=b"x" * 3000).status == 200
    e2e_net.wait_for(lambda: v1.requests(marker) >= 40, "40 copies in the mirror's log")
    assert v1.requests(marker) in (40, 41), v1.requests(marker)
    assert all(" 200 " in line for line in v1.lines(marker)), v1.lines(marker)


def test_cookie_keeps_a_caller_with_its_backend(world):
    world.backends()
    policy = e2e_policy.api()
    policy["rule.json"] = e2e_policy.destination_rule(loadBalancer={"consistentHash": {"httpCookie": {
        "name": "sess", "path": "/", "ttl": "60s"}}})
    policy["route.json"] = e2e_policy.virtual_service([{"route": [e2e_policy.destination()]}])
    world.heddle(policy)
    first = world.caller().request(path="/c")
    cookie = field(first, "set-cookie")
    assert cookie and cookie.startswith('sess="') and cookie.endswith("; Max-Age=60; Path=/; HttpOnly"), cookie
    for _ in range(20):
        r = world.caller().request(path="/c", headers=[("Cookie", cookie.split(";")[0])])
        assert r.body == first.body and field(r, "set-cookie") is None, r


def test_regex_rewrite_moves_parts_of_the_path(world):
    world.teller()
    world.heddle(e2e_policy.single(rewrite={"uriRegexRewrite": {"match": "^/r/([^/]+)/(.*)$", "rewrite": "/\\2/to/\\1"}}))
    r = world.caller().request(path="/r/one/two/three?q")
    assert json.loads(r.body)["path"] == "/two/three/to/one?q", r
    assert told(r)["x-envoy-original-path"] == "/r/one/two/three?q", r
