# SPDX-License-Identifier: Apache-2.0
"""ServiceEntries: names that DNS tells, addresses that callers dial."""
import os
import shutil
import socket
import struct
import threading

import e2e_daemon
import e2e_net
import e2e_policy

FAR = "203.0.113.7"  # behind the backends' namespace, in no subnet of Heddle's


class Names:
    """A DNS server on the loopback of Heddle's namespace, and the resolv.conf that `ip netns exec` shows there."""

    def __init__(self, net, ttl=1):
        self.ttl, self.known, self.asked = ttl, {}, 0
        self.folder = f"/etc/netns/{net.heddle}"
        os.makedirs(self.folder, exist_ok=True)
        with open(f"{self.folder}/resolv.conf", "w", encoding="utf-8") as f:
            f.write("nameserver 127.0.0.1\n")

        def listen():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", 53))
            return s
        self.socket = net.inside(net.heddle, listen)
        self.socket.settimeout(0.1)
        self.thread, self.ends = threading.Thread(target=self.serve, daemon=True), False
        self.thread.start()

    def answer(self, question):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += question[at] + 1
        kind, name = struct.unpack("!H", question[at + 1:at + 3])[0], ".".join(labels).lower()
        addresses = self.known.get(name)
        rows = [struct.pack("!HHHIH", 0xC00C, 1, 1, self.ttl, 4) + socket.inet_aton(a) for a in addresses or [] if kind == 1]
        head = question[:2] + struct.pack("!HHHHH", 0x8180 if addresses else 0x8183, 1, len(rows), 0, 0)
        self.asked += kind == 1
        return head + question[12:at + 5] + b"".join(rows)

    def serve(self):
        while not self.ends:
            try:
                question, who = self.socket.recvfrom(512)
                self.socket.sendto(self.answer(question), who)
            except TimeoutError:
                pass

    def stop(self):
        self.ends = True
        self.thread.join()
        self.socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def names(world, **known):
    server = Names(world.net)
    server.known = {name.replace("_", "."): addresses for name, addresses in known.items()}
    world.servers.append(server.stop)
    return server


def entry(host="api.test", resolution="DNS", port=80, **spec):
    return {"apiVersion": e2e_policy.NETWORKING, "kind": "ServiceEntry", "metadata": e2e_policy.meta("entry"),
            "spec": {"hosts": [host], "resolution": resolution, "location": "MESH_INTERNAL",
                     "ports": [{"number": port, "name": "http", "protocol": "HTTP", "targetPort": 8080}], **spec}}


def answers(caller, n=12, host="api.test"):
    return [caller.request(host=host) for _ in range(n)]


def versions(responses):
    return {v for r in responses for k, v in r.headers if k.lower() == "x-version"}


def test_a_name_leads_to_all_its_addresses_and_follows_them(world):
    world.backends()
    server = names(world, api_test=[e2e_net.BACKENDS[0]])
    daemon = world.heddle({"all.json": e2e_policy.as_list(entry(addresses=[e2e_net.VIP]))}, fresh=True)
    caller = world.caller()
    assert versions(answers(caller)) == {"v1"}, "the first generation knows where its names lead"
    server.known["api.test"] = list(e2e_net.BACKENDS[:2])
    e2e_net.wait_for(lambda: versions(answers(caller)) == {"v1", "v2"}, "both addresses in rotation")
    server.known["api.test"] = [e2e_net.BACKENDS[1]]

    def row():
        return next(r for r in daemon.command("show names") if r["name"] == "api.test")
    # Some answers may all be of v2 by chance: first the change, then what it leads to.
    e2e_net.wait_for(lambda: row()["addresses"] == [e2e_net.BACKENDS[1]], "the address that is left")
    e2e_net.wait_for(lambda: versions(answers(caller)) == {"v2"}, "its backend alone")
    assert row()["error"] is None, row()


def test_what_was_known_of_a_name_stays_when_dns_fails(world):
    world.backends()
    server = names(world, api_test=[e2e_net.BACKENDS[0]])
    daemon = world.heddle({"all.json": e2e_policy.as_list(entry(addresses=[e2e_net.VIP]))}, fresh=True)
    server.known = {}
    e2e_net.wait_for(lambda: daemon.command("show names")[0]["failures"] >= 2, "failures")
    assert versions(answers(world.caller())) == {"v1"}
    assert any("api.test" in p for p in daemon.command("status")["problems"]), daemon.command("status")["problems"]
    text = "".join(r["text"] for r in daemon.command("metrics"))
    assert text.rstrip().endswith("# EOF") and "heddle_dns_failures_total 0" not in text


def test_an_unknown_name_is_no_healthy_upstream_until_it_is_known(world):
    world.backends()
    server = names(world)
    world.heddle({"all.json": e2e_policy.as_list(entry(addresses=[e2e_net.VIP]))}, fresh=True)
    caller = world.caller()
    r = caller.request(host="api.test")
    assert (r.status, r.body) == (503, b"no healthy upstream"), r
    server.known["api.test"] = [e2e_net.BACKENDS[0]]
    e2e_net.wait_for(lambda: versions(answers(caller)) == {"v1"}, "the name that came up")


def test_without_resolution_the_dialled_address_is_the_backend(world):
    world.backends()
    e2e_net.sh("ip", "-n", world.net.backends, "addr", "add", FAR + "/32", "dev", "lo")
    world.teller(FAR, 9000)
    world.heddle({"all.json": e2e_policy.as_list(entry("far.test", "NONE", 9000, addresses=[FAR], ports=[
        {"number": 9000, "name": "http", "protocol": "HTTP"}]))},
        node=lambda folder: e2e_daemon.node_object(folder, routes=[{"to": "203.0.113.0/24", "via": e2e_net.BACKENDS[0]}]))
    r = world.caller(FAR, 9000).request(host="far.test")
    assert r.status == 200, r
