"""Whether a picture is veiled at first: so it is, until somebody of the case team said otherwise.

Every preview is veiled by default. What takes that away is a tag of this one word, said like any
tag (`annotations`): who said it and when is an entry, and it is withdrawn like any other.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from repository import Repository
from repository.annotated import Annotation
from repository.annotations import annotate, withdraw
from repository.authorise import Caller
from repository.listed import Line
from repository.models import Exhibit
from repository.spoken import opened_versions

NOT_SENSITIVE = "not-sensitive"
MOST = 200  # exhibits of one act


def unveiled(repo: Repository, exhibits: Sequence[Exhibit | Line]) -> dict[str, str]:
    """Return the exhibits of which it was said that they are not sensitive, each with its tag."""
    query = select(Annotation).where(
        Annotation.exhibit_id.in_([one.id for one in exhibits]), Annotation.kind == "tag"
    )
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(Annotation.at, Annotation.id)))
    newest: dict[str, tuple[str, Mapping[str, object]]] = {}
    for row, _, values in opened_versions(repo, rows):
        newest[row.id] = str(row.exhibit_id), values.get("detail", {})
    return {
        exhibit: tag
        for tag, (exhibit, said) in newest.items()
        if said.get("text") == NOT_SENSITIVE and "locator" not in said
    }


def set_sensitive(
    repo: Repository, caller: Caller, exhibits: Sequence[Exhibit], *, sensitive: bool, motive: str
) -> int:
    """Say of several exhibits whether they are sensitive; an entry for each that changes.

    Returns:
        Of how many that changed.

    Raises:
        UnknownExhibit, AccessDenied, BadRequest, Erased: as `annotate` and `withdraw`; recorded.
            Those before stay as they were said.
    """
    said = unveiled(repo, exhibits)
    changed = 0
    for one in exhibits[:MOST]:
        if sensitive and one.id in said:
            withdraw(repo, caller, said[one.id], motive=motive)
        elif not sensitive and one.id not in said:
            annotate(repo, caller, one.number, "tag", NOT_SENSITIVE)
        else:
            continue
        changed += 1
    return changed
