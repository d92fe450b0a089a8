"""Each request gets an id, one line in the log when it has ended, and its place in the metrics."""

import logging
import re
import time
from collections.abc import Callable

from flask import Flask, Response, g, request

from api import logs
from api.metrics import Metrics

HEADER = "X-Request-Id"
# Hexadecimal, so that nobody's name gets into the log by way of an id.
_GIVEN = re.compile(r"[0-9A-Fa-f]{8}[0-9A-Fa-f-]{0,56}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


UNWATCHED = frozenset({"web_say"})  # of whom no time is kept that is finer than a day


def install(app: Flask, make_id: Callable[[], str], metrics: Metrics | None) -> None:
    """Have the application watch its requests.

    Args:
        app: the application.
        make_id: returns a new id.
        metrics: where they are counted, if they are.
    """

    def before() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _GIVEN.fullmatch(given) else make_id()
        g.began = time.monotonic()

    def after(response: Response) -> Response:
        if request.blueprint in UNWATCHED:
            return response
        response.headers[HEADER] = g.request_id
        # By its rule: the address itself names exhibits, cases and people.
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        began, number = g.began, g.request_id
        problem: str | None = g.get("problem")
        status = response.status_code

        def ended() -> None:
            seconds = time.monotonic() - began
            facts = {"problem": problem} if problem else {}
            logs.say(
                "request", level=logging.ERROR if status >= 500 else logging.INFO,
                request_id=number, method=method, route=route, status=status,
                seconds=round(seconds, 4), **facts,
            )  # fmt: skip
            if metrics is not None:
                metrics.answered(method, route, status, seconds, problem)

        response.call_on_close(ended)
        return response

    app.before_request(before)
    app.after_request(after)
