# SPDX-License-Identifier: Apache-2.0
"""Tokens for tests: keys and signatures by the openssl program, the rest by hand."""
import base64
import json
import os
import subprocess

ALGORITHMS = {  # name: (key, digest, how the key is made)
    "RS256": ("rsa", "sha256", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    "PS256": ("rsa", "sha256", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    "ES256": ("p256", "sha256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    "ES384": ("p384", "sha384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    "EdDSA": ("ed25519", None, ["-algorithm", "ED25519"]),
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=b""):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


class Issuer:
    def __init__(self, folder, name="iss.example"):
        self.folder, self.name = folder, name
        for key, _, how in {v[0]: v for v in ALGORITHMS.values()}.values():
            path = self.path(key)
            if not os.path.exists(path):
                openssl("genpkey", *how, "-out", path)

    def path(self, key):
        return os.path.join(self.folder, f"{self.name}-{key}.pem")

    def jwk(self, key):
        der = openssl("pkey", "-in", self.path(key), "-pubout", "-outform", "DER")
        if key == "rsa":
            n = openssl("rsa", "-in", self.path(key), "-modulus", "-noout").decode().strip().split("=")[1]
            return {"kty": "RSA", "kid": key, "n": b64(bytes.fromhex(n)), "e": "AQAB"}
        if key == "ed25519":
            return {"kty": "OKP", "crv": "Ed25519", "kid": key, "x": b64(der[-32:])}
        size = {"p256": 32, "p384": 48}[key]
        return {"kty": "EC", "crv": {"p256": "P-256", "p384": "P-384"}[key], "kid": key, "x": b64(der[-2 * size:-size]), "y": b64(der[-size:])}

    def jwks(self):
        return json.dumps({"keys": [self.jwk(k) for k in ("rsa", "p256", "p384", "ed25519")]})

    def token(self, alg="ES256", kid=None, **claims):
        key, digest, _ = ALGORITHMS[alg]
        head = b64(json.dumps({"alg": alg, "kid": kid or key}).encode())
        body = f"{head}.{b64(json.dumps({'iss': self.name, 'sub': 'alice', **claims}).encode())}".encode()
        return f"{body.decode()}.{b64(self.sign(alg, key, digest, body))}"

    def sign(self, alg, key, digest, body):
        if digest is None:
            path = os.path.join(self.folder, "body")
            with open(path, "wb") as f:
                f.write(body)
            return openssl("pkeyutl", "-sign", "-inkey", self.path(key), "-rawin", "-in", path)
        more = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"] if alg == "PS256" else []
        sig = openssl("dgst", f"-{digest}", "-sign", self.path(key), *more, data=body)
        return flatten(sig, {"p256": 32, "p384": 48}[key]) if key in ("p256", "p384") else sig


def flatten(der, size):
    """An ECDSA signature as RFC 7518 3.4 has it, out of its DER."""
    at, numbers = 2, []
    for _ in range(2):
        n = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + n], "big").to_bytes(size, "big"))
        at += 2 + n
    return b"".join(numbers)
