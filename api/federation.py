"""Sign in with an account elsewhere: the way of a browser to an identity provider and back."""

from flask import Blueprint, Response, abort, redirect, request

from api.errors import ProviderUnavailable
from api.place import PENDING, SESSION, cookie, place_of
from api.request import repo
from config.settings import OidcProvider
from repository import ceremonies
from repository.errors import SignInRefused
from repository.links import linked
from repository.web_sessions import begin, begun_before, refuse

blueprint = Blueprint("federation", __name__, url_prefix="/sign-in")
KIND = "oidc"


@blueprint.get("/with/<name>")
def away(name: str) -> Response:
    """Send the browser to a provider; with `again=1` the person is asked anew who they are."""
    from api import oidc  # brings Authlib: on first use

    settings = repo().settings
    provider = next((one for one in settings.oidc if one.name == name), None)
    if provider is None:
        abort(404)
    place = place_of(settings, request)
    try:
        url, said = oidc.start(
            provider, f"{place.origin}/sign-in/back", again=request.args.get("again") == "1"
        )
    except ProviderUnavailable:
        return _front("unavailable")
    # On the way back the session's own cookie does not come along: another site leads there.
    said["before"] = begun_before(repo(), cookie(settings, request, SESSION))
    answer = _to(url)
    secret = ceremonies.begin(repo(), KIND, said)
    place.put(answer, PENDING, secret, seconds=60 * ceremonies.MINUTES)
    return answer


@blueprint.get("/back")
def back() -> Response:
    """Take the answer; whoever it means is signed in, if a custodian said who that is."""
    place = place_of(repo().settings, request)
    try:
        answer = _signed_in()
    except SignInRefused:
        answer = _front("refused")
    except ProviderUnavailable:
        answer = _front("unavailable")
    place.take(answer, PENDING)
    return answer


def _signed_in() -> Response:
    from api import oidc

    settings = repo().settings
    place = place_of(settings, request)
    said = ceremonies.finish(repo(), KIND, cookie(settings, request, PENDING))
    if said is None:
        refuse(repo(), "oidc-not-begun")
    provider = _provider(said["provider"])
    try:
        proved = oidc.finish(
            provider, f"{place.origin}/sign-in/back", said, request.args, repo().clock()
        )
    except oidc.NotProved as error:
        refuse(repo(), error.reason)
    person = linked(repo(), proved.issuer, proved.subject)
    if person is None:
        refuse(repo(), "identity-unknown")
    begun = begin(repo(), person, "oidc", authenticated_at=proved.at, before=said["before"])
    answer = _front()
    place.put(answer, SESSION, begun.cookie)
    return answer


def _provider(name: str) -> OidcProvider:
    found = next((one for one in repo().settings.oidc if one.name == name), None)
    if found is None:
        refuse(repo(), "oidc-not-begun")  # it was taken out of the settings meanwhile
    return found


def _front(said: str | None = None) -> Response:
    return _to(f"/#{said}" if said else "/")


def _to(url: str) -> Response:
    found = redirect(url, 303)
    assert isinstance(found, Response)
    return found
