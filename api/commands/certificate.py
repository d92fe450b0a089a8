"""certificate: statements of a custodian, filled in from a bundle, to edit and as a signed PDF."""

from pathlib import Path

import click

from api.commands.context import Context, pass_context
from repository.errors import BadRequest
from repository.exports.certificates import KINDS, certify
from repository.naming import shown
from repository.replacing import replacing


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--case", "code", required=True, metavar="CODE")
@click.option("--bundle", required=True, type=click.Path(path_type=Path), metavar="DIR",
              help="The bundle that it is about.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR",
              help="Where KIND.docx and KIND.pdf go.")  # fmt: skip
@click.option("--purpose", help="Why; a code, or 'code: your words'. Court, if nothing is said.")
@pass_context
def certificate(
    ctx: Context, kind: str, code: str, bundle: Path, out: Path, purpose: str | None
) -> None:
    """Fill in a statement of KIND about a BUNDLE; what only a person knows stays blank."""
    files = {name: out / f"{kind}.{name}" for name in ("docx", "pdf")}
    for file in files.values():
        if file.exists():
            raise BadRequest(f"{shown(file)} exists; name another folder")
    if out.resolve().is_relative_to(bundle.resolve()):
        raise BadRequest(
            f"{shown(out)} is in the bundle, which it would change; name another folder"
        )
    made = certify(ctx.repo, ctx.caller, kind=kind, code=code, bundle=bundle, purpose=purpose)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in (("docx", made.word), ("pdf", made.signed.pdf)):
            with replacing(files[name]) as new:
                new.write(data)
    except OSError as error:
        raise BadRequest(f"{shown(out)} cannot be written: {error.strerror or error}") from error
    lacking = made.signed.lacking("the statement")
    found = {
        "kind": kind,
        "report": made.report,
        "docx": str(files["docx"]),
        "pdf": str(files["pdf"]),
        "signature": made.signed.level,
        "left_out": [{"what": what, "why": why} for what, why in lacking],
        "unresolved": list(made.unresolved),
    }
    lines = [
        f"to edit   {files['docx']}",
        f"to sign   {files['pdf']}  (electronic signature: {made.signed.level})",
        *(f"left out  {what}: {why}" for what, why in lacking),
        *(f"open      {one}" for one in made.unresolved),
    ]
    ctx.result(found, "\n".join(lines))


COMMANDS = (certificate,)
