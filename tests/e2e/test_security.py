# SPDX-License-Identifier: Apache-2.0
"""AuthorizationPolicy and RequestAuthentication, seen by curl and by a backend."""
import json
import os
import time

import e2e_jwt
import e2e_net
import e2e_policy

SECURITY = "security.istio.io/v1"
URL = f"http://{e2e_net.VIP}"


def authorization(name="authz", **spec):
    return {"apiVersion": SECURITY, "kind": "AuthorizationPolicy", "metadata": e2e_policy.meta(name), "spec": spec}


def authentication(*rules, name="jwt"):
    return {"apiVersion": SECURITY, "kind": "RequestAuthentication", "metadata": e2e_policy.meta(name), "spec": {"jwtRules": list(rules)}}


def ask(world, path="/", *more):
    out = world.curl("-i", "-H", "Host: api-service", *more, f"{URL}{path}")
    head, _, body = out.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), head.lower(), body


def status(world, path="/", *more):
    return ask(world, path, *more)[0]


def told(world, path, *more):
    code, head, body = ask(world, path, *more)
    assert code == 200, (code, head, body)
    return json.loads(body)


def test_authorization_by_path_method_header_and_address(world):
    world.teller()
    world.heddle(e2e_policy.single(extra=(
        authorization("deny", action="DENY", rules=[{"to": [{"operation": {"paths": ["/admin*"]}}]},
                                                    {"when": [{"key": "request.headers[x-role]", "values": ["guest"]}]}]),
        authorization("allow", rules=[{"from": [{"source": {"ipBlocks": [e2e_net.CALLER + "/32"]}}],
                                       "to": [{"operation": {"methods": ["GET"], "paths": ["/a/{*}/c", "/ok"]}}]}]))))
    wanted = {"/ok": 200, "/a/b/c": 200, "/a/b/b/c": 403, "/admin": 403, "/ok/../admin": 403, "/%61dmin": 403, "/x/..//ok": 403, "/ok?x=/admin": 200}
    assert {p: status(world, p, "--path-as-is") for p in wanted} == wanted
    assert status(world, "/ok", "-X", "POST") == 403
    assert status(world, "/ok", "-H", "x-role: admin", "-H", "X-Role: guest") == 403
    code, head, body = ask(world, "/admin")
    assert body == "RBAC: access denied" and "content-type: text/plain" in head and "server: istio-envoy" in head, head


def test_policies_count_and_explain_what_they_decide(world):
    world.teller()
    daemon = world.heddle(e2e_policy.single(extra=(
        authorization("allow", rules=[{"from": [{"source": {"namespaces": ["shop"]}}]}, {"to": [{"operation": {"paths": ["/open"]}}]}]),
        authorization("look", action="AUDIT", rules=[{}]))), fresh=True)
    assert [status(world, p) for p in ("/open", "/open", "/shut")] == [200, 200, 403]
    rows = {r["name"]: r for r in daemon.command("show policies")}
    assert (rows["allow"]["allowed"], rows["allow"]["denied"], rows["look"]["matched"]) == (2, 1, 3), rows
    code, out, err = daemon.ctl("explain", "GET", "http://api-service/shut", "--principal", "cluster.local/ns/shop/sa/web")
    assert code == 0 and "allowed" in out and "all.json:" in out, out + err
    code, out, err = daemon.ctl("explain", "GET", "http://api-service/shut")
    assert "403 by heddle itself" in out and "denied" in out, out + err


def test_stream_of_a_denied_caller_ends_without_a_byte(world):
    world.teller()
    objects = e2e_policy.single(extra=(authorization("deny", action="DENY", rules=[{"from": [{"source": {"ipBlocks": ["0.0.0.0/0"]}}]}]),))
    service = objects["all.json"]["items"][0]
    service["spec"]["ports"][0]["name"] = "tcp-80"
    world.heddle(objects)
    caller = world.caller()
    assert caller.sock.recv(100) == b""


def test_normalisation_is_what_the_mesh_says(world):
    world.teller()
    mesh = {"kind": "MeshConfig", "pathNormalization": {"normalization": "DECODE_AND_MERGE_SLASHES"}}
    world.heddle(e2e_policy.single(extra=(mesh, authorization("deny", action="DENY", rules=[{"to": [{"operation": {"paths": ["/admin/*"]}}]}]))))
    assert [status(world, p, "--path-as-is") for p in ("//admin//x", "/%2fadmin%5Cx", "/x/..%2Fadmin/y")] == [403, 403, 403]
    assert told(world, "/a%2F%2fb%5Cc", "--path-as-is")["path"] == "/a/b/c"


def issued(world, **rule):
    issuer = e2e_jwt.Issuer(world.folder)
    return issuer, authentication({"issuer": issuer.name, "jwks": issuer.jwks(), **rule})


def bearer(token):
    return ("-H", f"Authorization: Bearer {token}")


def test_tokens_of_every_algorithm_pass_and_bad_ones_are_told_why(world):
    world.teller()
    issuer, rule = issued(world, audiences=["web"])
    daemon = world.heddle(e2e_policy.single(extra=(rule,)), fresh=True)
    assert status(world) == 200 and status(world, "/", "-H", "Authorization: Basic YTpi") == 200
    for alg in e2e_jwt.ALGORITHMS:
        assert status(world, "/", *bearer(issuer.token(alg, aud="web"))) == 200, alg
    good, now = issuer.token(aud="web"), int(time.time())
    wanted = {issuer.token(aud="other"): (403, "Audiences in Jwt are not allowed"),
              issuer.token(aud="web", exp=now - 1000): (401, "Jwt is expired"),
              issuer.token(aud="web", nbf=now + 1000): (401, "Jwt not yet valid"),
              issuer.token(aud="web", iss="else"): (401, "Jwt issuer is not configured"),
              issuer.token(aud="web", kid="none"): (401, "Jwks doesn't have key to match kid or alg from Jwt"),
              good[:-8] + "AAAAAAAA": (401, "Jwt verification fails"),
              "abc": (401, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")}
    for token, (code, text) in wanted.items():
        got, head, body = ask(world, "/x", *bearer(token))
        assert (got, body) == (code, text), (token, got, body)
        assert 'www-authenticate: bearer realm="http://api-service/x", error="invalid_token"' in head, head
    assert status(world, "/", *bearer(issuer.token(aud="web", exp=now - 30))) == 200, "within the clocks' skew"
    assert status(world, "/", "-H", f"Authorization: Bearer {good}", "-H", f"Authorization: Bearer {good}") == 401
    assert status(world, "/", *bearer(good)) == 200
    asked = {c["name"]: c["value"] for c in daemon.command("stats", glob="proxy.token*")}
    for _ in range(20):
        assert status(world, "/", *bearer(good)) == 200
    assert {c["name"]: c["value"] for c in daemon.command("stats", glob="proxy.token*")} == asked, "a known token is not verified again"


def test_token_stays_here_and_its_claims_go_on(world):
    world.teller()
    issuer, rule = issued(world, outputPayloadToHeader="x-payload", outputClaimToHeaders=[{"header": "x-sub", "claim": "sub"}])
    world.heddle(e2e_policy.single(extra=(rule,)))
    token = issuer.token(groups=["g1"])
    for path, more in (("/a", bearer(token)), (f"/a?access_token={token}", ()), (f"/a?x=1&access_token={token}&y=2", ())):
        seen = told(world, path, *more, "-H", "x-sub: mallory", "-H", "X-Payload: forged")
        fields = [tuple(f) for f in seen["headers"]]
        assert ("x-sub", "alice") in fields and ("x-payload", token.split(".")[1]) in fields, fields
        assert not any(v in ("mallory", "forged") or token in v for _, v in fields) and token not in seen["path"], seen
    assert seen["path"] == "/a?x=1&y=2", seen["path"]
    assert not any(n in ("x-sub", "x-payload") for n, _ in told(world, "/a", "-H", "x-sub: mallory")["headers"])


def test_who_asks_decides_by_claims(world):
    world.teller()
    issuer, rule = issued(world, fromHeaders=[{"name": "x-token"}], fromCookies=["session"], forwardOriginalToken=True)
    world.heddle(e2e_policy.single(extra=(rule, authorization(rules=[
        {"from": [{"source": {"requestPrincipals": ["iss.example/alice"]}}],
         "when": [{"key": "request.auth.claims[groups]", "values": ["g2"]}, {"key": "request.auth.claims[deep][er]", "values": ["y*"]}]}]))))
    good = issuer.token(groups=["g1", "g2"], deep={"er": "yes"})
    assert status(world) == 403
    assert status(world, "/", "-H", f"x-token: {good}") == 200 and status(world, "/", "--cookie", f"a=b; session={good}") == 200
    assert status(world, "/", *bearer(good)) == 403, "a place that the rule does not name"
    for other in (issuer.token(groups=["g1"], deep={"er": "yes"}), issuer.token(groups=["g2"]), issuer.token(sub="bob", groups=["g2"], deep={"er": "yes"})):
        assert status(world, "/", "-H", f"x-token: {other}") == 403
    assert status(world, "/", "-H", f"x-token: {good[:-4]}AAAA") == 401
    assert ["x-token", good] in told(world, "/", "-H", f"x-token: {good}")["headers"]


def test_body_waits_while_its_token_is_verified(world):
    world.teller()
    issuer, rule = issued(world)
    world.heddle(e2e_policy.single(extra=(rule,)))
    path = os.path.join(world.folder, "body.bin")
    with open(path, "wb") as f:
        f.write(os.urandom(300000))
    seen = told(world, "/up", *bearer(issuer.token("RS256", nonce="body")), "--data-binary", f"@{path}")
    assert seen["length"] == 300000, seen
