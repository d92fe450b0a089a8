"""create_app(repository): blueprints, headers, errors, health."""

import json
from functools import cache

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from api import (
    annotations,
    cases,
    citations,
    conditional,
    consents,
    custody_log,
    derivatives,
    exhibits,
    exports,
    federation,
    identities,
    limits,
    matches,
    members,
    numbers,
    pages,
    participants,
    passkeys,
    privilege,
    problems,
    proceedings,
    register,
    related,
    rules,
    saved_searches,
    search,
    session,
    submissions,
    transfers,
    uploads,
    watch,
)
from api.metrics import Metrics
from api.openapi import openapi
from api.web import (
    account,
    answers,
    decisions,
    exhibit,
    handing_in,
    home,
    pictures,
    retrieve,
    say,
    shell,
    work,
)
from api.web import bundles as web_bundles
from api.web import consents as web_consents
from api.web import ledger as web_ledger
from api.web import people as web_people
from api.web import rules as web_rules
from api.web import search as web_search
from api.web import views as web_views
from custody.entry import uuid7
from custody.errors import EvidenceError
from repository import Repository
from repository.errors import BadRequest
from repository.publication import status

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(repo: Repository) -> Flask:
    """Return the application that serves one open repository."""
    app = Flask("api", static_folder=None)
    app.extensions["evidence"] = repo
    proxies = repo.settings.trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies)  # type: ignore[method-assign]
    metrics = Metrics() if repo.settings.metrics_port else None
    watch.install(app, lambda: uuid7(repo.clock(), repo.random), metrics)
    limits.install(app, repo.settings)
    app.before_request(_no_zero)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Flask's default provider
    for module in (
        cases,
        participants,
        exhibits,
        exports,
        members,
        citations,
        derivatives,
        annotations,
        submissions,
        uploads,
        rules,
        proceedings,
        consents,
        register,
        privilege,
        numbers,
        related,
        session,
        federation,
        passkeys,
        identities,
        transfers,
        matches,
        search,
        saved_searches,
        custody_log,
        pages,
        home,
        handing_in,
        account,
        exhibit,
        pictures,
        web_views,
        retrieve,
        web_search,
        say,
        web_bundles,
        web_ledger,
        work,
        decisions,
        web_consents,
        web_rules,
        web_people,
    ):
        app.register_blueprint(module.blueprint)
    problems.install(app)
    shell.install(app)
    answers.install_elsewhere(app)
    conditional.install(app)
    app.after_request(_headers)
    app.add_url_rule("/api/v1/openapi.json", view_func=_openapi, endpoint="openapi")
    app.add_url_rule("/healthz", view_func=_healthz, endpoint="healthz")
    app.add_url_rule("/readyz", view_func=lambda: _readyz(repo), endpoint="readyz")
    return app


def _no_zero() -> None:
    """Refuse U+0000 in addresses: no name of ours holds one, and PostgreSQL cannot be asked for it.

    Raises:
        NotFound: there is one in the path, where nothing is.
        BadRequest: there is one in a parameter.
    """
    if "\0" in request.path:
        raise NotFound
    if any("\0" in value for value in request.args.values()):
        raise BadRequest("an address cannot hold U+0000")


def _headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@cache
def _document() -> str:
    return json.dumps(openapi())


def _openapi() -> Response:
    return Response(_document(), content_type="application/json")


def _healthz() -> Response:
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def _readyz(repo: Repository) -> tuple[Response, int]:
    found = {"database": "ok", "store": "ok", "checkpoint": 0, "witnesses": "unwitnessed"}
    try:
        found["checkpoint"] = repo.ledger.size()
        found["witnesses"] = status(repo)
    except EvidenceError as error:
        found["database"] = error.code
    try:
        repo.store.find("ledger", "readiness")
    except EvidenceError as error:
        found["store"] = error.code
    ready = found["database"] == found["store"] == "ok"
    return jsonify(ready=ready, **found), 200 if ready else 503
