"""A time-stamping authority of one's own, made with openssl; and one that misbehaves as asked."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.witnesses import serving

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512, sha3-256, sha3-512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
"""


@dataclass
class Authority:
    """Its folder and its root certificate; `answer` signs a request."""

    folder: Path
    root: str

    def answer(self, asked: bytes) -> bytes:
        query, reply = self.folder / "q.tsq", self.folder / "r.tsr"
        query.write_bytes(asked)
        run("ts", "-reply", "-config", self.folder / "conf", "-section", "one",
            "-queryfile", query, "-out", reply)  # fmt: skip
        return reply.read_bytes()

    @contextmanager
    def serving(self) -> Iterator[str]:
        def application(environ, start):
            asked = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            body = self.answer(asked)
            start(
                "200 OK",
                [
                    ("Content-Type", "application/timestamp-reply"),
                    ("Content-Length", str(len(body))),
                ],
            )
            return [body]

        with serving(application) as url:
            yield url + "/tsr"


def make_authority(folder: Path, name: str = "A", kind: str = "ec") -> Authority:
    """Make a root and an authority under it; `kind` is `ec` or `rsa`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    key = ["-newkey", "rsa:2048"] if kind == "rsa" else [
        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"
    ]  # fmt: skip
    common = ["-config", folder / "conf", "-nodes", "-sha256"]
    run("req", "-x509", *key, *common, "-keyout", folder / "root.key", "-out", folder / "root.pem",
        "-subj", f"/O=Authority {name}/CN=Root {name}", "-days", "3650",
        "-extensions", "ca")  # fmt: skip
    run("req", *key, *common, "-new", "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr",
        "-subj", f"/O=Authority {name}/CN=TSA {name}")  # fmt: skip
    run("x509", "-req", "-in", folder / "tsa.csr", "-CA", folder / "root.pem",
        "-CAkey", folder / "root.key", "-CAcreateserial", "-out", folder / "tsa.pem",
        "-days", "3000", "-sha256", "-extfile", folder / "conf", "-extensions", "ext")  # fmt: skip
    return Authority(folder, (folder / "root.pem").read_text())


def run(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)
