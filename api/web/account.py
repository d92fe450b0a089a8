"""Who is signed in, with their passkeys; and where an invited person registers the first one."""

from flask import Blueprint, Response

from api.web import answers
from api.web.shell import page, visitor

blueprint = Blueprint("web_account", __name__)
answers.install(blueprint)


@blueprint.get("/register")
def register() -> Response:
    """Show the page on which an invited person registers a passkey."""
    return page("web/register.html")


@blueprint.get("/me")
def me() -> Response:
    """Show who is signed in, with their passkeys."""
    visitor()
    return page("web/me.html")
