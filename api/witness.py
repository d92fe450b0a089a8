"""The witness as a small WSGI service for partner institutions: POST /add-checkpoint."""

from flask import Flask, Response, request

from custody.errors import LedgerUnavailable
from custody.witness import MAX_REQUEST, Witness


def create_witness_app(witness: Witness) -> Flask:
    """Return the service; it holds no page, no session and no evidence."""
    app = Flask("evidence-witness", static_folder=None)

    @app.post("/add-checkpoint")
    def add_checkpoint() -> Response:
        """Cosign what extends everything cosigned before (C2SP tlog-witness)."""
        body = request.stream.read(MAX_REQUEST + 1)
        try:
            reply = witness.add_checkpoint(body)
        except LedgerUnavailable as error:
            return Response(f"{error}\n", status=503, content_type="text/plain; charset=utf-8")
        return Response(reply.text, status=reply.status, content_type=reply.content_type)

    @app.get("/healthz")
    def healthz() -> Response:
        """Say that the process lives."""
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    return app
