"""Register what people made of an exhibit, with any tool: an exhibit that names its parent."""

from collections.abc import Mapping
from typing import BinaryIO

from custody.entry import Act, uuid7
from ingest.origin import Origin
from ingest.register import Outcome, register
from ingest.staging import Received, intend, stage
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit, refuse
from repository.derivations import Making
from repository.errors import BadRequest, Erased
from repository.exhibits import ref
from repository.purpose import parse
from repository.submissions import Declaration, complete, open_submission


def derive(
    repo: Repository,
    caller: Caller,
    number: str,
    source: BinaryIO,
    said: Making,
    *,
    path: bytes,
    size: int | None = None,
    declared: Mapping[str, str] | None = None,
    purpose: str | None = None,
) -> Outcome:
    """Take in a derivative of an exhibit; nothing is read before it is decided.

    Args:
        repo: the repository.
        caller: who hands it in; decided as for making members of the parent exhibits.
        number: the parent.
        source: its bytes, read once.
        said: what it is.
        path: its own file name; data, never a path of ours.
        size: bytes to expect, if known.
        declared: algorithm -> `algorithm:hex`; another digest sets it apart.
        purpose: why; a code, or code and words. None: analysis.

    Raises:
        UnknownExhibit, AccessDenied: the parent is not for this caller; recorded.
        BadRequest: it says too little of what it is, or is said to be empty; recorded.
        Erased: the parent was erased.
        StoreUnavailable, LedgerUnavailable, …: as `receive`; nothing was registered.
    """
    stated, act = parse(purpose or "analysis"), Act.DERIVATIVE_CREATION
    actor, case, parent = on_exhibit(
        repo, caller, Right.EXTRACT, number, attempted=act, purpose=stated
    )
    try:
        said.check()
    except BadRequest as error:
        refuse(repo, caller, act, [error.code], error, case=case, exhibit=parent)
    if size == 0:
        empty = BadRequest(f"the file is empty; it is no {said.kind} of {parent.number}")
        refuse(repo, caller, act, [empty.code], empty, case=case, exhibit=parent)
    if parent.erased_at is not None:
        raise Erased(f"{parent.number} was erased; nothing is made of it any more")
    declaration = Declaration(stated, family=parent.family)
    submission, _ = open_submission(
        repo, actor, case, declaration, sources=[parent.id.encode(), repo.random(16)]
    )
    [[intent]] = intend(repo, submission, [[path]])
    staged = stage(repo, intent, source, size=size, declared=declared or {})
    instrument = {"tool": said.tool, "version": said.version or "not stated", "parameters": {}}
    origin = Origin(
        ref(parent), "", instrument, uuid7(repo.clock(), repo.random), kind=said.kind,
        reason=said.reason, told=said.told(),
    )  # fmt: skip
    [outcome] = register(repo, actor, case, submission, [Received((staged,), origin=origin)])
    complete(repo, submission)
    return outcome
