"""How pages answer what went wrong: the same errors and statuses as the API, said to a person."""

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from api import logs, problems
from api.errors import TYPE_PREFIX
from api.request import repo
from api.web.shell import Nobody, page, sentence, typed
from custody.errors import EvidenceError


def install(blueprint: Blueprint) -> None:
    """Have a group of pages answer every error with a page."""
    blueprint.register_error_handler(EvidenceError, of_error)
    blueprint.register_error_handler(HTTPException, of_http)
    blueprint.register_error_handler(Exception, of_crash)


def install_elsewhere(app: Flask) -> None:
    """Have addresses that lead nowhere answer a person with a page; programs with a problem."""

    def nowhere(error: HTTPException) -> Response:
        people = request.accept_mimetypes.best_match(["application/problem+json", "text/html"])
        if people == "text/html" and not request.path.startswith("/api/"):
            return of_http(error)
        return problems.of_http(error)

    app.register_error_handler(404, nowhere)
    app.register_error_handler(405, nowhere)


def of_error(error: EvidenceError) -> Response:
    """Return the page of an error of the system; of a missing sign-in, the sign-in itself."""
    known = problems.of_error(error)
    if known.status_code == 401:
        providers = [(one.name, one.label) for one in repo().settings.oidc]
        found = page(
            "web/sign_in.html",
            401,
            again="max_age" in error.facts,
            ended=not isinstance(error, Nobody),
            detail=str(error),
            typed=typed() if request.method == "POST" else None,
            action=request.full_path if request.query_string else request.path,
            providers=providers,
        )
    else:
        found = _page(error.code, known.status_code, str(error))
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in known.headers and not (name == "WWW-Authenticate" and found.status_code == 401):
            found.headers[name] = known.headers[name]
    return found


def of_http(error: HTTPException) -> Response:
    """Return the page of an error of the web framework, keeping its own headers."""
    known = problems.of_http(error)
    found = _page(g.problem, known.status_code, error.description or "")
    if "Allow" in known.headers:
        found.headers["Allow"] = known.headers["Allow"]
    return found


def of_crash(error: Exception) -> Response:
    """Return the page of an unforeseen error; its text goes to the log alone."""
    logs.crashed("unforeseen error", error)
    g.problem = "internal"
    return _page("internal", 500, "this request failed; nothing was served unrecorded")


def _page(code: str, status: int, detail: str) -> Response:
    return page(
        "web/problem.html",
        status,
        code=code,
        type=TYPE_PREFIX + code,
        number=status,
        detail=sentence(detail),
        typed=typed() if request.method == "POST" else [],
    )
