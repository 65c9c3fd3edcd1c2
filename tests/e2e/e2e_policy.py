# SPDX-License-Identifier: Apache-2.0
"""Mesh objects for tests, as Python values: JSON is what `kubectl get -o json` prints, and Heddle reads it."""
import e2e_net

NETWORKING = "networking.istio.io/v1"
HOST = "api-service"


def meta(name, **labels):
    return {"name": name, "namespace": "default", **({"labels": labels} if labels else {})}


def service(name=HOST, ips=(e2e_net.VIP, e2e_net.VIP6), ports=((80, 8080),), app="api"):
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, app=app),
            "spec": {"selector": {"app": app}, "clusterIP": ips[0], "clusterIPs": list(ips),
                     "ports": [{"name": f"http-{p}", "port": p, "targetPort": t, "protocol": "TCP"} for p, t in ports]}}


def pod(name, address, version, app="api", ready=True):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta(name, app=app, version=version),
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                       "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}}


def slices(name, addresses, ports=((80, 8080),), family="IPv4"):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {**meta(f"{name}-{family.lower()}"), "labels": {"kubernetes.io/service-name": name}},
            "addressType": family, "ports": [{"name": f"http-{p}", "port": t, "protocol": "TCP"} for p, t in ports],
            "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses]}


def destination(host=HOST, subset=None, weight=None, port=None):
    d = {"destination": {"host": host}}
    if subset:
        d["destination"]["subset"] = subset
    if port:
        d["destination"]["port"] = {"number": port}
    if weight is not None:
        d["weight"] = weight
    return d


def virtual_service(http, name=HOST, hosts=(HOST,), **spec):
    return {"apiVersion": NETWORKING, "kind": "VirtualService", "metadata": meta(name),
            "spec": {"hosts": list(hosts), "http": http, **spec}}


def destination_rule(name=HOST, host=HOST, subsets=("v1", "v2"), **traffic):
    spec = {"host": host, "subsets": [{"name": s, "labels": {"version": s}} for s in subsets]}
    if traffic:
        spec["trafficPolicy"] = traffic
    return {"apiVersion": NETWORKING, "kind": "DestinationRule", "metadata": meta(name), "spec": spec}


def as_list(*objects):
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def split(v1, v2, **route):
    return virtual_service([{"route": [destination(subset="v1", weight=v1), destination(subset="v2", weight=v2)], **route}])


def api(v1=90, v2=10, ports=((80, 8080),)):
    """The API of the example: two versions, weighted."""
    return {"workloads.json": as_list(service(ports=ports), pod("api-v1", e2e_net.BACKENDS[0], "v1"),
                                      pod("api-v2", e2e_net.BACKENDS[1], "v2")),
            "rule.json": destination_rule(), "route.json": split(v1, v2)}


def single(address=e2e_net.BACKENDS[2], port=9000, extra=(), **route):
    """One backend behind everything: for tests that bring a backend of their own."""
    return {"all.json": as_list(service(ports=((80, port),), app="one"), pod("one", address, "v1", app="one"),
                                virtual_service([{"route": [destination()], **route}]), *extra)}
