"""What is said after a database was brought forward: what came back, and what is to be done."""

from dataclasses import asdict
from typing import Any

from api.commands.context import Context
from repository.forward import Forward


def told_of(done: Forward) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "added": done.added,
        "size": done.size,
        "exhibits": list(done.exhibits),
        "erased_again": {"identities": done.forgotten_again, "exhibits": done.erased_again},
        "sealed": list(done.sealed),
        "signed_out": done.signed_out,
        "to_do_again": done.again,
        **({"missing": done.missing} if done.missing else {}),
        **({"beyond": [asdict(one) for one in done.beyond]} if done.beyond else {}),
    }


def say_forward(ctx: Context, done: Forward) -> None:
    """Say it to a person."""
    if done.missing:
        ctx.say(f"not brought back: {done.missing}")
    for one in done.beyond:
        ctx.say(f"not here: {one.by} shows {one.size} entries, {done.size} could be brought back")
    if done.beyond:
        ctx.say(
            "nothing is recorded, and no exhibit is served, until they are back (the missing "
            "objects of the store, then: evidence ledger rebuild) or two custodians let a "
            "successor ledger name them as lost: evidence ledger succeed --motive WHY"
        )
    for problem in done.unasked:
        ctx.say(f"not compared with a witness: {problem}")
    for what, count in (
        ("exhibits that had been erased, and were erased again", done.erased_again),
        ("identities that had been erased, and were erased again", done.forgotten_again),
        ("tokens and sessions that were ended, as some may have been taken away", done.signed_out),
    ):
        if count:
            ctx.say(f"{what}: {count}")
    if done.sealed:
        ctx.say(
            "sealed, as their handling was changed after the backup: "
            f"{', '.join(done.sealed)}; say anew how they are to be handled, then evidence unseal"
        )
    for kind, count in done.again.items():
        ctx.say(f"in the ledger, and to be done again: {count} × {kind}")
    if done.again:
        ctx.say(f"their entries: evidence ledger tail -n {min(10_000, done.size - done.start)}")
