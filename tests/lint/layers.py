# SPDX-License-Identifier: Apache-2.0
"""Who may include whom. The build gives each room only the folders it may see; this says why when a line crosses a layer."""
import os
import re

# Room: (rooms whose headers it may include, one-line reason). A room always sees include/heddle and itself.
RULES = {
    "include": ([], "the frontier needs nothing but libc, so that heddlectl builds without DPDK"),
    "dataplane/core": ([], "core is the leaf: it knows no protocol"),
    "dataplane/net": (["dataplane/core"], "net, tcp, tls and http never see each other; only proxy joins them"),
    "dataplane/tcp": (["dataplane/core"], "net, tcp, tls and http never see each other; only proxy joins them"),
    "dataplane/tls": (["dataplane/core"], "net, tcp, tls and http never see each other; only proxy joins them"),
    "dataplane/http": (["dataplane/core"], "net, tcp, tls and http never see each other; only proxy joins them"),
    "dataplane/proxy": (["dataplane/core", "dataplane/net", "dataplane/tcp", "dataplane/tls", "dataplane/http"],
                        "proxy stands on the protocols and knows nothing of workers or ctrl"),
    "dataplane/worker": (["dataplane/core", "dataplane/net", "dataplane/tcp", "dataplane/tls", "dataplane/http",
                          "dataplane/proxy"], "worker is the top of the dataplane and knows nothing of ctrl"),
    "ctrl/cli": ([], "heddlectl is a thin client: it shares the frontier and nothing else"),
    "ctrl": (["ctrl"], "ctrl reaches the dataplane only through include/heddle/dp.h"),
}
# Rooms above core see a protocol room only through its public headers: <room>.h and the doors named here.
DOORS = {"dataplane/net": {"net_port.h": "opens ethdevs; launch needs it",
                           "net_rss.h": "what a device's hash does; steering needs it"},
         "dataplane/tls": {"tls_threads.h": "the handshake threads; launch makes them"},
         "dataplane/proxy": {"proxy_route.h": "routing as a pure function of the snapshot; explain answers with the very same",
                             "proxy_authz.h": "authorization, the same way",
                             "proxy_quota.h": "limits over all workers; launch makes what they share"}}

# Foreign headers: (pattern, where it may stand, why not elsewhere).
FOREIGN = [
    (r"rte_", ("dataplane/", "tests/"), "DPDK stays behind include/heddle/dp.h"),
    (r"openssl/", ("dataplane/tls/", "ctrl/daemon/", "ctrl/policy/", "ctrl/jwt/", "tests/"), "OpenSSL belongs to tls and to the control side"),
    (r"yaml\.h", ("ctrl/policy/", "tests/"), "ctrl/policy is the only reader of YAML"),
    (r"ares\.h", ("ctrl/source/",), "names are asked for in ctrl/source"),
    (r"microhttpd\.h", ("ctrl/observe/", "tests/"), "the metrics endpoint lives in ctrl/observe"),
]
# Headers of the frontier that some may not include.
HIDDEN = [("heddle/snapshot.h", "ctrl/cli/", "heddlectl sees what the socket says, never a snapshot")]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    parts = path.split("/")
    if parts[0] == "include":
        return "include"
    return "/".join(parts[:2]) if parts[0] in ("dataplane", "ctrl") and len(parts) > 2 else None


def rule_of(room):
    return RULES.get(room) or RULES.get(room.split("/")[0])


def may_see(room, other):
    allowed = rule_of(room)[0]
    return other == room or other in allowed or other.split("/")[0] in allowed


def check_line(path, room, name, owners):
    for pattern, places, why in FOREIGN:
        if re.match(pattern, name) and not path.startswith(places):
            return f"includes {name}: {why}"
    for header, place, why in HIDDEN:
        if name == header and path.startswith(place):
            return f"includes {name}: {why}"
    owner = owners.get(os.path.basename(name))
    if name.startswith("heddle/") or owner is None or room is None or owner == room:
        return None
    if not may_see(room, owner):
        return f"includes {name} of {owner}: {rule_of(room)[1]}"
    base = owner.split("/")[1]
    public = {base + ".h"} | set(DOORS.get(owner, {}))
    if owner.startswith("dataplane/") and owner != "dataplane/core" and os.path.basename(name) not in public:
        return f"includes {name}, which is private to {owner}: only {', '.join(sorted(public))} is its door"
    return None


def check(root, files):
    owners = {os.path.basename(f): room_of(f) for f in files if f.endswith(".h") and room_of(f) not in (None, "include")}
    problems = []
    for path in files:
        room = room_of(path)
        if room is None and not path.startswith(("dataplane/", "ctrl/", "include/")):
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            for number, line in enumerate(f, 1):
                m = INCLUDE.match(line)
                why = m and check_line(path, room, m[2], owners)
                if why:
                    problems.append(f"{path}:{number}: {why}")
    return problems
