"""Identity providers for tests: one of our own that can lie, and other people's mock of one."""

import json
import secrets
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.service import free_port

CLIENT = "evidence"


class Quiet(WSGIRequestHandler):
    """Says nothing on standard error."""

    def log_message(self, *_: object) -> None:
        return


class Provider:
    """An OpenID provider as the standard has it, unless told to lie."""

    def __init__(self, place: str) -> None:
        self.issuer = place
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.other_key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.subject = "subject-1"
        self.claims: dict[str, Any] = {}  # in place of the true ones; None leaves one out
        self.described: dict[str, Any] = {}
        self.sign: Any = None  # (claims) -> token, in place of an honest signature
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}

    def log_in(self, url: str) -> str:
        """Be the person at the provider: return the address the browser is sent back to."""
        sent = dict(parse_qsl(urlsplit(url).query))
        assert sent["code_challenge_method"] == "S256"
        assert sent["response_type"] == "code"
        code = secrets.token_urlsafe(16)
        self.codes[code] = sent
        back = {"code": code, "state": sent["state"], "iss": self.issuer}
        return f"{sent['redirect_uri']}?{urlencode(back)}"

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            found: Any = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.described,
            }
        elif path == "/keys":
            found = {"keys": [self.key.as_dict(private=False)]}
        else:
            length = int(environ["CONTENT_LENGTH"])
            form = {
                k: v[0] for k, v in parse_qs(environ["wsgi.input"].read(length).decode()).items()
            }
            found = self._token(form)
        status = "400 Bad Request" if "error" in found else "200 OK"
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(found).encode()]

    def _token(self, form: dict[str, str]) -> dict[str, Any]:
        asked = self.codes.pop(form["code"], None)  # a code is good once
        if asked is None:
            return {"error": "invalid_grant"}
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
        if challenge.decode().rstrip("=") != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": self.subject, "aud": asked["client_id"],
            "nonce": asked["nonce"], "iat": now, "exp": now + 300, "auth_time": now, **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        sign = self.sign or (lambda one: jwt.encode({"alg": "RS256", "kid": "1"}, one, self.key))
        return {"access_token": "a", "token_type": "Bearer", "id_token": sign(claims)}


@contextmanager
def provider() -> Iterator[Provider]:
    """Serve a provider of our own."""
    port = free_port()
    found = Provider(f"http://127.0.0.1:{port}")
    server = make_server("127.0.0.1", port, found, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mock_provider(**claims: Any) -> Iterator[str]:
    """Run `oidc-provider-mock` as a process; yield its issuer."""
    port = free_port()
    command = [
        sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port),
        "--require-nonce", "true", "--user-claims", json.dumps(claims),
    ]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urlopen(f"{issuer}/.well-known/openid-configuration", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield issuer
    finally:
        running.terminate()
        running.wait(20)
