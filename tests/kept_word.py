"""The API keeps its word: every answer of a test run is compared with the OpenAPI document."""

import re
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request

from api.errors import TYPE_PREFIX
from api.openapi import OPERATIONS, openapi

DOCUMENT = openapi()
MODELS = {
    (method, path, status): kind[0] if isinstance(kind, tuple) else kind
    for method, path, _summary, answers, *_ in OPERATIONS
    for status, kind in answers.items()
}
_CHECKS: dict[str, Any] = {}
broken: list[str] = []
"""What was answered otherwise than the document says, since it was last looked at."""
given: set[tuple[str, str, int]] = set()
"""Which statuses of which operations were answered and compared."""


def watch() -> None:
    """Compare every answer of our applications from now on."""
    original = Flask.process_response

    def process_response(self: Flask, response: Response) -> Response:
        found = original(self, response)
        if "evidence" in self.extensions and request.url_rule is not None:
            compare(found)
        return found

    Flask.process_response = process_response  # type: ignore[method-assign]


def compare(response: Response) -> None:
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", request.url_rule.rule)
    method = "get" if request.method == "HEAD" else request.method.lower()
    operation = DOCUMENT["paths"].get(path, {}).get(method)
    if operation is None:
        return
    status = response.status_code
    given.add((method, path, status))
    where = f"{request.method} {path} {status}"
    answer = operation["responses"].get(str(status))
    if answer is None:
        said = response.get_data(as_text=True)[:200] if response.is_sequence else ""
        broken.append(f"{where}: not documented {said}")
        return
    if request.method == "HEAD" or status == 304 or not response.is_sequence:
        return
    content = answer.get("content", {})
    if response.mimetype not in content and response.get_data():
        broken.append(f"{where}: {response.mimetype} is not documented")
    if response.mimetype == "application/problem+json":
        _shape(where, content[response.mimetype]["schema"], response.get_json())
        if response.get_json()["status"] != status:
            broken.append(f"{where}: the body says another status")
    model = MODELS.get((method, path, status))
    if response.mimetype == "application/json" and isinstance(model, type):
        value = response.get_json()
        _shape(where, content[response.mimetype]["schema"], value)
        try:
            model.model_validate(value, strict=True, extra="forbid")
        except ValueError as error:
            broken.append(f"{where}: {error}")


def _shape(where: str, schema: dict[str, Any], value: Any) -> None:
    key = repr(schema)
    if key not in _CHECKS:
        _CHECKS[key] = jsonschema_rs.Draft202012Validator(
            {**schema, "components": DOCUMENT["components"]}
        )
    error = next(_CHECKS[key].iter_errors(value), None)
    if error is not None:
        said = value.get("type", "").removeprefix(TYPE_PREFIX) if isinstance(value, dict) else ""
        broken.append(f"{where}: {said} {error.message[:300]}")
