# SPDX-License-Identifier: Apache-2.0
"""Certificates as a mesh has them, made by openssl, and callers that show them."""
import os
import ssl
import subprocess

import e2e_net

ISTIO = ["istio-http/1.1", "istio", "http/1.1"]
CONF = """[ca]
default_ca = it
[it]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = optional
organizationName = optional
[req]
distinguished_name = dn
prompt = no
[dn]
{subject}
[v3]
subjectAltName = {names}
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
"""


def openssl(*arguments):
    e2e_net.need("openssl")
    r = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if r.returncode:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {r.stderr}")
    return r.stdout


class Pair:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key


class Authority:
    """A root, and what it signs."""

    def __init__(self, folder, name="root"):
        self.folder, self.made = os.path.join(folder, f"ca-{name}"), 0
        os.makedirs(self.folder)
        self.root, self.key = os.path.join(self.folder, "root.pem"), os.path.join(self.folder, "root.key")
        for file, text in (("index", ""), ("serial", "1000")):
            with open(os.path.join(self.folder, file), "w", encoding="ascii") as f:
                f.write(text)
        conf = self.conf("root", f"organizationName = {name}", "DNS:none")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out",
                self.root, "-days", "3650", "-config", conf, "-extensions", "root")

    def conf(self, tag, subject, names):
        path = os.path.join(self.folder, f"{tag}.cnf")
        with open(path, "w", encoding="ascii") as f:
            f.write(CONF.format(folder=self.folder, subject=subject, names=names))
        return path

    def issue(self, names, start=None, end=None, subject="organizationName = mesh"):
        """names: "URI:spiffe://…" or "DNS:…", several by comma. start, end: "20200101000000Z"."""
        self.made += 1
        base = os.path.join(self.folder, f"leaf{self.made}")
        conf = self.conf(f"leaf{self.made}", subject, names)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".key", "-out",
                base + ".csr", "-config", conf, "-reqexts", "v3")
        times = ["-startdate", start or "20200101000000Z", "-enddate", end] if end else ["-days", "30"]
        openssl("ca", "-batch", "-config", conf, "-cert", self.root, "-keyfile", self.key, "-in", base + ".csr", "-out",
                base + ".pem", "-notext", *times)
        os.chmod(base + ".key", 0o644)  # nginx drops root
        return Pair(base + ".pem", base + ".key")

    def revoke(self, *pairs):
        """The file of a list that has them; all that were revoked before stay on it."""
        conf, path = self.conf("crl", "organizationName = crl", "DNS:none"), os.path.join(self.folder, "crl.pem")
        ca = ["ca", "-batch", "-config", conf, "-cert", self.root, "-keyfile", self.key]
        for pair in pairs:
            openssl(*ca, "-revoke", pair.certificate)
        openssl(*ca, "-gencrl", "-crldays", "30", "-out", path)
        return path

    def spiffe(self, account, namespace="default", domain="cluster.local", **times):
        return self.issue(f"URI:spiffe://{domain}/ns/{namespace}/sa/{account}", **times)


def context(root, pair=None, alpn=ISTIO, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations(root)
    if pair:
        c.load_cert_chain(pair.certificate, pair.key)
    if alpn:
        c.set_alpn_protocols(alpn)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def wrap(sock, c, sni="outbound_.80_._.api-service.default.svc.cluster.local"):
    return c.wrap_socket(sock, server_hostname=sni)
