"""checker: the page that checks bundles and receipts in a browser, as a file, and its digest."""

from pathlib import Path

import click

from api.commands.context import Context, pass_context
from repository.errors import BadRequest
from repository.exports.checker import NAME, checker_html
from repository.exports.checker import digest as digest_of
from repository.naming import shown


@click.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@click.option("--digest", is_flag=True, help="Only say its digest, to publish it elsewhere.")
@pass_context
def checker(ctx: Context, out: Path | None, digest: bool) -> None:
    """Write the page (check.html) that checks a bundle or a receipt in a browser."""
    if not digest:
        place = out or Path(NAME)
        try:
            with place.open("xb") as file:
                file.write(checker_html())
        except FileExistsError:
            raise BadRequest(f"{shown(place)} is there already; nothing was written") from None
        except OSError as error:
            raise BadRequest(f"{shown(place)} cannot be written: {error.strerror}") from None
        ctx.say(f"written: {shown(place)}; publish its digest where the page itself is not")
    ctx.result({"sha256": digest_of()}, digest_of())


COMMANDS = (checker,)
