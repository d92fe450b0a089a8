"""What every page shares: who looks at it, its frame and words, what was posted, where to go next.

A page is made of what a repository function returned, which recorded the look first. Forms are
plain; what they change rests on the session's cookie, which no other site's page can send
(docs/decisions/0030).
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from unicodedata import category
from urllib.parse import urlencode

from flask import Flask, Response, g, make_response, redirect, render_template, request
from jinja2 import StrictUndefined
from markupsafe import Markup, escape

from api.place import SESSION, cookie, place_of
from api.request import repo
from api.session import whole
from api.sign_in import caller_of
from api.web import words
from custody.entry import timestamp
from custody.errors import EvidenceError
from repository.access import PARTIES
from repository.authorise import Caller
from repository.errors import BadRequest, SignInRefused
from repository.naming import recorded_name

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SAID = "evidence-said"
MAX_FIELD = 20_000  # characters
_CASE_TEAM = frozenset({"investigator", "analyst", "prosecutor", "custodian"})
# Who answers for an institution, asks one, or has things by consent.
_ASKED = frozenset({"investigator", "prosecutor", "custodian", "submitter", "partner"}) | PARTIES
# What the head of a page leads to, its name in `shell`, and for whom; None: for everybody.
NAV: tuple[tuple[str, str, frozenset[str] | None], ...] = (
    ("/", "nav_cases", None),
    ("/search", "nav_search", None),
    ("/bundles", "nav_bundles", frozenset({"prosecutor", "custodian"})),
    ("/work", "nav_work", frozenset({"custodian", "auditor", "administrator"})),
    ("/decisions", "nav_decisions", _CASE_TEAM),
    ("/consents", "nav_consents", _ASKED),
    ("/people", "nav_people", frozenset({"custodian"})),
    ("/ledger", "nav_ledger", frozenset({"custodian", "auditor"})),
)
_JOINERS = "\u200c\u200d"  # Persian and the scripts of India cannot be written without


class Nobody(SignInRefused):
    """Nobody is signed in in this browser: the page asks who it is, and no entry is made."""


def visitor() -> Caller:
    """Return who looks at a page.

    Raises:
        Nobody: no session; the shell shows the sign-in and comes back.
        SignInRefused: the session ended or is not ours; recorded.
    """
    if "Authorization" not in request.headers and not cookie(repo().settings, request, SESSION):
        raise Nobody("sign in to see this page")
    found = whole(caller_of(repo(), request))
    acknowledged = request.form.get("acknowledged")
    g.visitor = replace(found, acknowledged=acknowledged) if acknowledged else found
    return g.visitor  # type: ignore[no-any-return]


def field(name: str, default: str = "") -> str:
    """Return the text of a posted field without the blanks around it.

    Raises:
        BadRequest: it holds U+0000, or is longer than any field may be.
    """
    return _checked(name, request.form.get(name, default)).strip()


def fields(name: str) -> list[str]:
    """Return every value of a posted field: of boxes that were ticked.

    Raises:
        BadRequest: as `field`.
    """
    return [_checked(name, one) for one in request.form.getlist(name)]


def page(template: str, status: int = 200, /, **values: object) -> Response:
    """Return a page in the language of whoever reads it."""
    speech = _speech()
    said = _taken_said()
    found = make_response(
        render_template(
            template,
            t=speech.say,
            called=speech.called,
            speech=speech,
            languages=[words.language(code) for code in words.LANGUAGES],
            visitor=g.get("visitor"),
            nav=[
                (path, name)
                for path, name, roles in NAV
                if "visitor" in g and (roles is None or g.visitor.person.role in roles)
            ],
            said=said,
            other_language=_other_language,
            **values,
        ),
        status,
    )
    found.headers["Content-Security-Policy"] = POLICY
    found.headers["Content-Language"] = speech.code
    if request.args.get("lang") == speech.code:
        found.set_cookie(words.COOKIE, speech.code, max_age=31_536_000, samesite="Lax")
    if said is not None:
        place_of(repo().settings, request).take(found, SAID)
    return found


def go(path: str, *, said: str | None = None, **values: object) -> Response:
    """Lead to another page of ours, which says once that something was done."""
    found = redirect(path, 303)
    assert isinstance(found, Response)
    if said is not None:
        raw = json.dumps([said, {name: str(value) for name, value in values.items()}])
        sent = base64.urlsafe_b64encode(raw.encode()).decode()
        place_of(repo().settings, request).put(found, SAID, sent, seconds=60)
    return found


def typed() -> list[tuple[str, str]]:
    """Return what was posted, to be kept while somebody signs in again."""
    return [pair for pair in request.form.items(multi=True) if "\0" not in pair[1]]


def install(app: Flask) -> None:
    """Give templates what they use; what is missing in one fails instead of being left blank."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        shown=shown, when=when, digest=digest, bytes=amount, plain_shown=plain_shown,
        sentence=sentence,
    )  # fmt: skip
    app.jinja_env.globals.update(next_page=next_page)


def plain_shown(text: object) -> str:
    """Return text of evidence or people on one level: signs that are obeyed are named instead."""
    return "".join(_sign(c) if _is_sign(c) else c for c in _text(text))


def shown(text: object) -> Markup:
    """Return text of evidence or people: isolated, control and bidirectional signs named."""
    parts = [
        Markup('<span class="sign">{}</span>').format(_sign(c)) if _is_sign(c) else escape(c)
        for c in _text(text)
    ]
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def when(at: datetime | str | None) -> Markup:
    """Return a time of the record in UTC, as a machine and a person both read it."""
    if at is None:
        return Markup("–")
    exact = at if isinstance(at, str) else timestamp(at)
    text = exact.replace("T", " ").split(".")[0].removesuffix("Z") + " UTC"
    return Markup('<time datetime="{}" dir="ltr">{}</time>').format(exact, text)


def digest(text: str | None) -> Markup:
    """Return a digest in groups of eight, which are easier to compare, copied as one word."""
    if not text:
        return Markup("–")
    hexes = text.rpartition(":")[2]
    groups = [hexes[at : at + 8] for at in range(0, len(hexes), 8)]
    return Markup('<code class="digest" dir="ltr">{}</code>').format(
        Markup("<wbr>").join(Markup("<span>{}</span>").format(one) for one in groups)
    )


def amount(count: int | None) -> Markup:
    """Return a number of bytes: exact, and in a unit that is grasped."""
    if count is None:
        return Markup("–")
    exact = f"{count:,}".replace(",", "\u202f")
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    rough = exact + " B" if unit == "B" else f"{size:.1f} {unit}"
    return Markup('<data value="{}" title="{} B" dir="ltr">{}</data>').format(count, exact, rough)


def sentence(text: str) -> str:
    """Return what an error says as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def next_page(cursor: str) -> str:
    """Return the address of the next part of the list that is asked for."""
    kept = [pair for pair in request.args.items(multi=True) if pair[0] not in ("cursor", "lang")]
    return f"{request.path}?{urlencode([*kept, ('cursor', cursor)])}"


def _text(text: object) -> str:
    if isinstance(text, bytes):
        text = recorded_name(text)
    if isinstance(text, dict):
        return base64.b64decode(text["base64"]).decode("utf-8", "backslashreplace")
    return str(text)


def _is_sign(c: str) -> bool:
    return category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and c not in _JOINERS


def _sign(c: str) -> str:
    return f"U+{ord(c):04X}"


def _checked(name: str, text: str) -> str:
    if "\0" in text:
        raise BadRequest(f"{name}: a text cannot hold U+0000")
    if len(text) > MAX_FIELD:
        raise BadRequest(f"{name}: a text has at most {MAX_FIELD} characters")
    return text


def _speech() -> words.Language:
    return words.language(words.chosen(request))


def _other_language(code: str) -> str:
    """Return the address of this page in another language; what was posted stays behind."""
    kept: Iterable[tuple[str, str]] = request.args.items(multi=True)
    asked = [(name, value) for name, value in kept if name != "lang"]
    path = request.path if request.method in ("GET", "HEAD") else "/"
    return f"{path}?{urlencode([*asked, ('lang', code)])}"


def _taken_said() -> str | None:
    """Return what the last act said of itself; nothing where the cookie is not of ours."""
    try:
        raw = cookie(repo().settings, request, SAID)
        key, values = json.loads(base64.urlsafe_b64decode(raw)) if raw else ("", {})
        return _speech().say(key, **values) if key else None
    except (ValueError, KeyError, IndexError, TypeError, EvidenceError):
        return None
