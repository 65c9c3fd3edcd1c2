# SPDX-License-Identifier: Apache-2.0
"""Mutual TLS through the daemon, with openssl, curl, Python's ssl and nginx at the other ends."""
import base64
import hashlib
import json
import os
import ssl
import threading
import time

import e2e_daemon
import e2e_http
import e2e_net
import e2e_policy
import e2e_tls

SECURITY = "security.istio.io/v1"
NODE = "spiffe://cluster.local/ns/istio-system/sa/gateway"


class Mesh:
    """One certificate authority with the identities that tests need."""

    def __init__(self, folder):
        self.ca, self.foreign = e2e_tls.Authority(folder), e2e_tls.Authority(folder, "foreign")
        self.node = self.ca.issue("URI:" + NODE)
        self.client = self.ca.spiffe("client")
        self.web = self.ca.spiffe("web")


def mesh_of(world):
    if not hasattr(world, "mesh"):
        world.mesh = Mesh(world.folder)
    return world.mesh


def secure_node(mesh, pair=None, crl=None, **spec):
    pair = pair or mesh.node
    more = {"crl": crl} if crl else {}

    def node(folder):
        return e2e_daemon.node_object(folder, identity={"certificate": pair.certificate, "key": pair.key,
                                                        "trustBundle": mesh.ca.root, **more}, **spec)
    return node


def peer_authentication(mode, **more):
    return {"apiVersion": SECURITY, "kind": "PeerAuthentication", "metadata": e2e_policy.meta("default"),
            "spec": {"mtls": {"mode": mode}, **more}}


def start(world, *objects, mode="STRICT", node=None, serve=None, **kw):
    mesh = mesh_of(world)
    extra = [peer_authentication(mode)] if mode else []
    (serve or world.teller)()
    return world.heddle({"a.json": e2e_policy.single(extra=[*extra, *objects], **kw)["all.json"]}, node=node or secure_node(mesh))


def secure_caller(world, pair, alpn=e2e_tls.ISTIO, root=None, version=None):
    mesh = mesh_of(world)
    sock = e2e_tls.wrap(world.net.connect(), e2e_tls.context(root or mesh.ca.root, pair, alpn, version))
    caller = e2e_http.Caller(sock)
    world.servers.append(caller.close)
    return caller


def told(response):
    assert response.status == 200, response
    return json.loads(response.body)


def headers(response):
    return {k.lower(): v for k, v in told(response)["headers"]}


def counter(world, name):
    return {k: v for k, v in ((r["name"], r["value"]) for r in world.daemon.command("stats"))}.get(name, 0)


def test_strict_serves_a_caller_of_the_mesh(world):
    start(world)
    mesh = mesh_of(world)
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        caller = secure_caller(world, mesh.client, version=version)
        assert caller.sock.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            got = headers(caller.request())
            assert got["x-forwarded-proto"] == "https", got
            cert = got["x-forwarded-client-cert"]
            assert cert.startswith(f"By={NODE};Hash=") and cert.endswith("URI=spiffe://cluster.local/ns/default/sa/client"), cert


def refused(world, pair, **kw):
    """The handshake, or the first answer, fails."""
    before = len(world.daemon.access_lines())
    try:
        caller = secure_caller(world, pair, **kw)
        caller.request(path="/refused")
    except (ssl.SSLError, ConnectionError, OSError):
        return before
    raise AssertionError("it was served")


def test_wrong_certificates_are_refused_and_counted_and_the_backend_sees_nothing(world):
    backend = world.script(lambda connection, number: None)
    start(world, serve=lambda: None)
    mesh = mesh_of(world)
    cases = [("no_certificate", None), ("unknown_ca", mesh.foreign.spiffe("client")),
             ("certificate_expired", mesh.ca.spiffe("client", end="20210101000000Z")),
             ("wrong_trust_domain", mesh.ca.spiffe("client", domain="other.domain")),
             ("no_spiffe_id", mesh.ca.issue("DNS:client.example")),
             ("many_uris", mesh.ca.issue("URI:spiffe://cluster.local/ns/a/sa/b,URI:spiffe://cluster.local/ns/c/sa/d"))]
    for reason, pair in cases:
        before = counter(world, f"tls.{reason}")
        refused(world, pair)
        e2e_net.wait_for(lambda r=reason, b=before: counter(world, f"tls.{r}") > b, f"tls.{reason} to be counted")
    before = counter(world, "proxy.plaintext_refused")
    try:
        world.caller().request(path="/refused")
        raise AssertionError("plaintext was served")
    except ConnectionError:
        pass
    assert counter(world, "proxy.plaintext_refused") == before + 1
    assert not [line for line in world.daemon.access_lines() if line.get("path") == "/refused"]
    assert backend.accepted == 0


def test_revoked_caller_is_refused_and_counted(world):
    mesh = mesh_of(world)
    revoked = mesh.ca.spiffe("revoked")
    start(world, node=secure_node(mesh, crl=mesh.ca.revoke(revoked)))
    before = counter(world, "tls.certificate_revoked")
    refused(world, revoked)
    e2e_net.wait_for(lambda: counter(world, "tls.certificate_revoked") > before, "the revoked certificate to be counted")
    assert secure_caller(world, mesh.client).request().status == 200


def test_plaintext_to_strict_is_reset_by_name(world):
    start(world)
    before = counter(world, "proxy.plaintext_refused")
    caller = world.caller()
    try:
        caller.request(path="/plain")
        raise AssertionError("plaintext was served")
    except ConnectionError:
        pass
    assert counter(world, "proxy.plaintext_refused") == before + 1
    e2e_net.wait_for(lambda: [line for line in world.daemon.access_lines() if line["response_flags"] == "NR"], "its record")


def test_permissive_serves_both_and_refuses_foreign_tls(world):
    start(world, mode="PERMISSIVE")
    mesh = mesh_of(world)
    assert headers(world.caller().request())["x-forwarded-proto"] == "http"
    assert headers(secure_caller(world, mesh.client).request())["x-forwarded-proto"] == "https"
    refused(world, mesh.client, alpn=["http/1.1"])


def test_bodies_arrive_whole_through_records(world):
    start(world)
    caller = secure_caller(world, mesh_of(world).client)
    for size in (1, 1459, 16384, 16385, 65536, 1 << 20, 5 << 20):
        body = os.urandom(size)
        got = told(caller.request("POST", "/upload", body=body))
        assert got["length"] == size and got["sha256"] == hashlib.sha256(body).hexdigest(), (size, got)


def tls_backend(world, pair, root=None, alpn=("istio", "http/1.1"), port=9443, handler=None):
    """A backend that speaks TLS and says whom it saw; a list of what it saw."""
    seen, mesh = [], mesh_of(world)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(pair.certificate, pair.key)
    if root:
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations(root)
    c.set_alpn_protocols(list(alpn))
    names = []
    c.sni_callback = lambda s, name, _: names.append(name)

    def answer(sock, number):
        with c.wrap_socket(sock, server_side=True) as t:
            peer = (t.getpeercert() or {}).get("subjectAltName", ())
            seen.append({"peer": [v for k, v in peer if k == "URI"], "alpn": t.selected_alpn_protocol(), "sni": names[-1]})
            if handler:
                handler(t)
                return
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = t.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                seen[-1].setdefault("requests", []).append(head.decode())
                t.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes")
    world.script(answer, port=port)
    assert mesh
    return seen


def meshed(account="web", **labels):
    pod = e2e_policy.pod("one", e2e_net.BACKENDS[2], "v1", app="one")
    pod["metadata"]["labels"].update({"security.istio.io/tlsMode": "istio", **labels})
    pod["spec"] = {"serviceAccountName": account}
    return pod


def start_upstream(world, *objects, account="web", port=9443, mode="PERMISSIVE"):
    mesh = mesh_of(world)
    policy = e2e_policy.as_list(e2e_policy.service(ports=((80, port),), app="one"), meshed(account),
                                peer_authentication(mode), *objects)
    return world.heddle({"a.json": policy}, node=secure_node(mesh))


def test_automatic_mtls_verifies_the_endpoint_and_shows_who_we_are(world):
    mesh = mesh_of(world)
    seen = tls_backend(world, mesh.web, mesh.ca.root)
    start_upstream(world)
    caller = world.caller()
    for _ in range(3):
        assert caller.request().body == b"yes"
    assert len(seen) == 1, seen
    assert seen[0]["peer"] == [NODE] and seen[0]["alpn"] == "istio", seen
    assert seen[0]["sni"] == "outbound_.80_._.api-service.default.svc.cluster.local", seen


def test_an_endpoint_of_another_identity_gets_no_byte_of_a_request(world):
    mesh = mesh_of(world)
    seen = tls_backend(world, mesh.ca.spiffe("someoneelse"), mesh.ca.root)
    start_upstream(world)
    r = world.caller().request()
    assert r.status == 503 and b"remote connection failure" in r.body, r
    assert not any(s.get("requests") for s in seen), seen
    line = e2e_net.wait_for(lambda: (world.daemon.access_lines() or [None])[-1], "its record")
    assert "UF" in line["response_flags"], line
    assert counter(world, "tls.wrong_name") > 0


def test_a_plaintext_endpoint_of_the_mesh_is_503(world):
    world.teller(port=9443)
    start_upstream(world)
    r = world.caller().request()
    assert r.status == 503 and b"remote connection failure" in r.body, r


def test_both_sides_secure(world):
    mesh = mesh_of(world)
    seen = tls_backend(world, mesh.web, mesh.ca.root)
    start_upstream(world, mode="STRICT")
    caller = secure_caller(world, mesh.client)
    for _ in range(5):
        assert caller.request().body == b"yes"
    assert "x-forwarded-client-cert" in seen[0]["requests"][0].lower(), seen


def rule(**tls):
    return {"apiVersion": e2e_policy.NETWORKING, "kind": "DestinationRule", "metadata": e2e_policy.meta("tls"),
            "spec": {"host": "api-service", "trafficPolicy": {"tls": tls}}}


def test_simple_and_mutual_towards_a_server_outside(world):
    mesh = mesh_of(world)
    server, client = mesh.foreign.issue("DNS:shop.example"), mesh.foreign.issue("DNS:we.example")
    for mode, extra, wanted in (("SIMPLE", {}, None), ("MUTUAL", {"clientCertificate": client.certificate, "privateKey": client.key},
                                                       mesh.foreign.root)):
        seen = tls_backend(world, server, wanted)
        start_upstream(world, rule(mode=mode, caCertificates=mesh.foreign.root, sni="shop.example", **extra))
        assert world.caller().request().body == b"yes", mode
        assert seen[0]["sni"] == "shop.example", seen
        world.end_test()
    seen = tls_backend(world, server)
    start_upstream(world, rule(mode="SIMPLE", caCertificates=mesh.foreign.root, sni="shop.example", subjectAltNames=["other.example"]))
    assert world.caller().request().status == 503
    world.end_test()
    seen = tls_backend(world, server)
    start_upstream(world, rule(mode="SIMPLE", insecureSkipVerify=True, sni="x.example"))
    assert world.caller().request().body == b"yes"
    world.end_test()
    seen = tls_backend(world, server)
    start_upstream(world, rule(mode="DISABLE"))
    assert world.caller().request().status != 200 and not seen


def test_a_body_without_close_notify_is_not_whole(world):
    mesh = mesh_of(world)

    def cut(t):
        t.recv(65536)
        t.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        t.shutdown(2)

    tls_backend(world, mesh.web, handler=cut)
    start_upstream(world)
    try:
        r = world.caller().request()
        raise AssertionError(f"taken for whole: {r}")
    except ConnectionError:
        pass


def gateway(*servers):
    return {"apiVersion": e2e_policy.NETWORKING, "kind": "Gateway", "metadata": e2e_policy.meta("edge"),
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": list(servers)}}


def secret(name, pair, root=None):
    def b64(path):
        with open(path, "rb") as f:
            return base64.b64encode(f.read()).decode()
    data = {"tls.crt": b64(pair.certificate), "tls.key": b64(pair.key)}
    if root:
        data["ca.crt"] = b64(root)
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": e2e_policy.meta(name), "data": data}


def https(name, port=443, mode="SIMPLE", **tls):
    return {"port": {"number": port, "name": f"https-{name}", "protocol": "HTTPS"}, "hosts": [name],
            "tls": {"mode": mode, **tls}}


def start_gateway(world):
    mesh = mesh_of(world)
    a, b = mesh.ca.issue("DNS:a.example"), mesh.ca.issue("DNS:b.example")
    world.teller()
    route = e2e_policy.virtual_service([{"route": [e2e_policy.destination()]}], name="edge", hosts=("a.example", "b.example"),
                                       gateways=["default/edge"])
    servers = [https("a.example", credentialName="a"), https("b.example", mode="MUTUAL", credentialName="b"),
               https("c.example", credentialName="missing"),
               {"port": {"number": 81, "name": "http", "protocol": "HTTP"}, "hosts": ["a.example"], "tls": {"httpsRedirect": True}}]
    objects = [e2e_policy.service(ports=((80, 9000),), app="one"), e2e_policy.pod("one", e2e_net.BACKENDS[2], "v1", app="one"),
               gateway(*servers), route, secret("a", a), secret("b", b, mesh.foreign.root)]
    return world.heddle({"a.json": e2e_policy.as_list(*objects)}, node=secure_node(mesh))


def curl_tls(world, host, *arguments):
    mesh = mesh_of(world)
    return world.curl("--cacert", mesh.ca.root, "--resolve", f"{host}:443:{e2e_net.FRONT}", *arguments, f"https://{host}/x")


def test_gateway_serves_https_by_server_name(world):
    start_gateway(world)
    mesh = mesh_of(world)
    got = {k.lower(): v for k, v in json.loads(curl_tls(world, "a.example"))["headers"]}
    assert got["x-forwarded-proto"] == "https" and "x-forwarded-client-cert" not in got, got
    client = mesh.foreign.issue("DNS:someclient.example")
    got = json.loads(curl_tls(world, "b.example", "--cert", client.certificate, "--key", client.key))["headers"]
    cert = {k.lower(): v for k, v in got}["x-forwarded-client-cert"]
    assert cert.startswith("Hash=") and 'Cert="-----BEGIN%20CERTIFICATE-----' in cert and "DNS=someclient.example" in cert, cert
    for host, arguments in (("b.example", ()), ("c.example", ()), ("d.example", ())):
        try:
            curl_tls(world, host, *arguments)
        except RuntimeError:
            continue
        raise AssertionError(f"{host} was served")
    out = world.curl("-i", "-H", "Host: a.example", f"http://{e2e_net.FRONT}:81/p?q=1")
    assert out.startswith("HTTP/1.1 301") and "location: https://a.example/p?q=1" in out.lower(), out


RANKS = {"MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
# What is said of a certificate by a root of our own and of a service that has no name in the DNS.
OF_THE_TEST = ("cert_", "DNS_CAArecord", "overall_grade", "scanTime", "intermediate_cert")


def test_testssl_finds_nothing_above_low_on_a_gateway(world):
    """Protocols, ciphers, forward secrecy, the server's choices and each known attack."""
    e2e_net.need("testssl")
    start_gateway(world)
    out = os.path.join(world.folder, "testssl.json")
    world.net.run(world.net.callers, "testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--sneaky", "--ip",
                  e2e_net.FRONT, "-p", "-s", "-f", "-P", "-S", "-U", "--jsonfile", out, "a.example:443", check=False, timeout=900)
    with open(out, encoding="utf-8") as f:
        found = json.load(f)
    seen = {row["id"]: row for row in found}
    assert seen["TLS1_3"]["finding"].startswith("offered"), seen["TLS1_3"]
    assert all(seen[old]["finding"].startswith("not offered") for old in ("SSLv2", "SSLv3", "TLS1", "TLS1_1")), seen
    bad = [row for row in found if RANKS.get(row["severity"]) and not row["id"].startswith(OF_THE_TEST)]
    assert not bad, bad


test_testssl_finds_nothing_above_low_on_a_gateway.only_by_name = "5 minutes"


def test_tls_passes_through_by_server_name(world):
    mesh = mesh_of(world)
    pair = mesh.foreign.issue("DNS:pass.example")
    seen = tls_backend(world, pair)
    route = {"apiVersion": e2e_policy.NETWORKING, "kind": "VirtualService", "metadata": e2e_policy.meta("pass"),
             "spec": {"hosts": ["pass.example"], "gateways": ["default/edge"],
                      "tls": [{"match": [{"port": 443, "sniHosts": ["pass.example"]}],
                               "route": [{"destination": {"host": "api-service", "port": {"number": 80}}}]}]}}
    server = {"port": {"number": 443, "name": "tls", "protocol": "TLS"}, "hosts": ["pass.example"], "tls": {"mode": "PASSTHROUGH"}}
    pod = e2e_policy.pod("one", e2e_net.BACKENDS[2], "v1", app="one")
    objects = [e2e_policy.service(ports=((80, 9443),), app="one"), pod, gateway(server), route]
    world.heddle({"a.json": e2e_policy.as_list(*objects)}, node=secure_node(mesh))
    out = world.curl("--cacert", mesh.foreign.root, "--resolve", f"pass.example:443:{e2e_net.FRONT}", "https://pass.example/")
    assert out == "yes" and seen[0]["sni"] == "pass.example", (out, seen)


def rotated(world, daemon, mesh, pair):
    """The pair in use is replaced as Kubernetes does it: the link ..data is swapped."""
    folder = os.path.join(daemon.folder, "certs")
    fresh = os.path.join(folder, f"..{time.monotonic_ns()}")
    os.makedirs(fresh)
    for name, source in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
        with open(source, "rb") as f, open(os.path.join(fresh, name), "wb") as out:
            out.write(f.read())
    link = os.path.join(folder, "..data")
    os.symlink(os.path.basename(fresh), link + ".tmp")
    os.rename(link + ".tmp", link)
    for name in ("tls.crt", "tls.key"):
        path = os.path.join(folder, name)
        if not os.path.lexists(path):
            os.symlink(os.path.join("..data", name), path)


def serial_of(caller):
    return hashlib.sha256(caller.sock.getpeercert(True)).hexdigest()


def test_certificates_are_renewed_under_load_without_a_lost_connection(world):
    mesh = mesh_of(world)
    world.teller()

    def node(folder):
        class Here:
            pass
        here = Here()
        here.folder = folder
        os.makedirs(os.path.join(folder, "certs"))
        rotated(world, here, mesh, mesh.node)
        identity = {"certificate": "certs/tls.crt", "key": "certs/tls.key", "trustBundle": mesh.ca.root}
        return e2e_daemon.node_object(folder, identity=identity)
    daemon = world.heddle({"a.json": e2e_policy.single(extra=[peer_authentication("STRICT")])["all.json"]}, node=node)
    stop, failures, count = threading.Event(), [], [0]

    def load():
        caller = secure_caller(world, mesh.client)
        while not stop.is_set():
            try:
                assert caller.request().status == 200
                count[0] += 1
            except Exception as e:  # each is a lost request
                failures.append(repr(e))
                return
    threads = [threading.Thread(target=load) for _ in range(4)]
    for t in threads:
        t.start()
    first = serial_of(secure_caller(world, mesh.client))
    since = len(daemon.lines)
    rotated(world, daemon, mesh, mesh.ca.issue("URI:" + NODE))
    daemon.wait_log(lambda line: "renewed" in line, "the line that says so", since=since)
    assert serial_of(secure_caller(world, mesh.client)) != first
    second, since = serial_of(secure_caller(world, mesh.client)), len(daemon.lines)
    rotated(world, daemon, mesh, e2e_tls.Pair(mesh.ca.issue("URI:" + NODE).certificate, mesh.client.key))
    daemon.wait_log(lambda line: "the one in use stays" in line, "the refusal", since=since)
    assert serial_of(secure_caller(world, mesh.client)) == second
    row = next(r for r in daemon.command("show certs") if r["name"] == "identity")
    assert row["state"] == "refused" and row["error"], row
    stop.set()
    for t in threads:
        t.join()
    assert not failures and count[0] > 100, (failures, count)


def test_identity_is_shown_with_its_expiry(world):
    daemon = start(world)
    identity = daemon.command("status")["identity"]
    assert identity["spiffe_id"] == NODE and identity["state"] in ("ok", "expiring") and identity["expires_in_s"] > 86400, identity
    code, metrics, _ = daemon.ctl("metrics")
    assert code == 0 and f'heddle_certificate_expiration_timestamp_seconds{{kind="certificate",name="identity",spiffe_id="{NODE}"}}' in metrics


def test_a_bad_identity_keeps_the_daemon_from_starting(world):
    mesh = mesh_of(world)
    wrong = e2e_tls.Pair(mesh.node.certificate, mesh.client.key)
    expired = mesh.ca.issue("URI:" + NODE, end="20210101000000Z")
    foreign = mesh.ca.spiffe("x", domain="other.domain")
    for pair, word in ((wrong, "key"), (expired, "expired"), (foreign, "trust domain")):
        daemon = world.prepare(e2e_policy.single(), secure_node(mesh, pair))
        code, out = daemon.run("--check")
        assert code == 1 and word in out and pair.certificate in out, (word, code, out)


def test_openssl_and_curl_as_callers(world):
    start(world)
    mesh = mesh_of(world)
    out = world.net.run(world.net.callers, "sh", "-c",
                        f"printf 'GET /o HTTP/1.1\\r\\nHost: api-service\\r\\nConnection: close\\r\\n\\r\\n' | "
                        f"timeout 10 openssl s_client -connect {e2e_net.VIP}:80 -cert {mesh.client.certificate} -key {mesh.client.key} "
                        f"-CAfile {mesh.ca.root} -verify_return_error -alpn istio -quiet -ign_eof 2>/dev/null", check=False)
    assert "HTTP/1.1 200" in out and '"path": "/o"' in out, out
    out = world.curl("-k", "--cert", mesh.client.certificate, "--key", mesh.client.key, f"https://{e2e_net.VIP}:80/c")
    assert json.loads(out)["path"] == "/c", out


def test_streams_of_a_tcp_port_are_mutual_tls_too(world):
    mesh = mesh_of(world)
    service = e2e_policy.service(ports=((80, 9000),), app="one")
    service["spec"]["ports"][0]["name"] = "tcp-echo"

    def echo(sock, number):
        while data := sock.recv(65536):
            sock.sendall(data)
    world.script(echo)
    pod = e2e_policy.pod("one", e2e_net.BACKENDS[2], "v1", app="one")
    world.heddle({"a.json": e2e_policy.as_list(service, pod, peer_authentication("STRICT"))}, node=secure_node(mesh))
    sock = e2e_tls.wrap(world.net.connect(), e2e_tls.context(mesh.ca.root, mesh.client, ["istio-peer-exchange", "istio"]))
    world.servers.append(sock.close)
    for text in (b"a", os.urandom(100000)):
        threading.Thread(target=sock.sendall, args=(text,)).start()
        got = b""
        while len(got) < len(text):
            got += sock.recv(65536)
        assert got == text
    plain = world.net.connect()
    plain.sendall(b"hello")
    try:
        assert plain.recv(10) == b"never"
    except ConnectionResetError:
        pass


def test_operators_see_who_is_at_the_other_end(world):
    daemon = start(world)
    caller = secure_caller(world, mesh_of(world).client)
    assert caller.request(path="/seen").status == 200
    rows = daemon.ctl_json("tls", e2e_net.CALLER)
    assert len(rows) == 1 and rows[0]["side"] == "down", rows
    assert rows[0]["peer"] == "spiffe://cluster.local/ns/default/sa/client" and rows[0]["tls_version"] == "TLSv1.3", rows
    assert daemon.ctl_json("tls", "10.9.9.9") == []
    assert any(not r["tls"] for r in daemon.ctl_json("show", "connections")), "the backend's side is in the clear"
    line = e2e_net.wait_for(lambda: next((x for x in daemon.access_lines() if x["path"] == "/seen"), None), "its record")
    assert line["downstream_peer_uri_san"] == rows[0]["peer"] and line["downstream_tls_version"] == "TLSv1.3", line
    assert line["requested_server_name"] == "outbound_.80_._.api-service.default.svc.cluster.local", line
