"""extract: have exhibits looked at again, with newer tools or for more."""

import click

from api.commands.context import Context, exit_code, pass_context, worst
from custody.entry import Act
from custody.errors import EvidenceError
from ingest import extractors as known
from ingest.extract import Wish
from ingest.extract import extract as look
from ingest.sandbox import Sandbox
from repository.access import Right
from repository.authorise import on_exhibit
from repository.errors import BadRequest, Erased
from repository.ledger_mirror import publish
from repository.naming import shown


@click.command()
@click.argument("exhibits", nargs=-1, required=True, metavar="EXHIBIT…")
@click.option(
    "--again", is_flag=True, required=True, help="Look at them again, whatever was found."
)
@click.option(
    "--with", "extractors", multiple=True, metavar="NAME",
    help="An extractor that runs only when it is asked for, such as ocr.",
)  # fmt: skip
@pass_context
def extract(
    ctx: Context, exhibits: tuple[str, ...], again: bool, extractors: tuple[str, ...]
) -> None:
    """Look at exhibits again; each run is a new entry, and the earlier ones stay."""
    del again  # the only way of looking there is here: said, so that nobody starts it by mistake
    codes: list[int] = []
    for name in set(extractors) - set(known.names()):
        wanted = ", ".join(one.NAME for one in known.everything() if known.asked(one))
        raise BadRequest(
            f"there is no extractor {shown(name)}; those that run when they are asked for: {wanted}"
        )
    repo = ctx.repo
    asked = {*extractors, *repo.settings.extract_with}
    with Sandbox(clock=repo.clock) as sandbox:
        for number in exhibits:
            try:
                actor, _, exhibit = on_exhibit(
                    repo, ctx.caller, Right.EXTRACT, number, attempted=Act.METADATA_EXTRACTION
                )
                if exhibit.erased_at is not None:
                    raise Erased(f"{exhibit.number} was erased; there is nothing to look at")
                [run] = look(repo, sandbox, [exhibit], Wish(actor, True, asked))
            except EvidenceError as error:
                codes.append(exit_code(error))
                ctx.result({"exhibit": number, "error": error.code}, f"{shown(number)}  {error}")
                continue
            if run is None:
                codes.append(1)
                found = {"exhibit": number, "error": "integrity-failure"}
                ctx.result(found, f"{number}  its bytes failed their check; see its custody")
                continue
            codes.append(0)
            ctx.result(
                {
                    "exhibit": exhibit.number,
                    "run": run.run,
                    "extraction": run.outcome,
                    "type": run.mime,
                    "facts": run.facts,
                    "entry": run.index,
                },
                f"{exhibit.number}  run {run.run}  {run.outcome}  {run.mime or '-'}  "
                f"{run.facts} facts  entry {run.index}",
            )
    publish(repo)
    raise click.exceptions.Exit(worst(codes))


COMMANDS = (extract,)
