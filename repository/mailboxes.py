"""Mailboxes of people who report without a name: opened by a code-name, and by nothing else.

What a reporter wishes counts with its commit. The reporter is somebody in the ledger only once the
first letter is registered, on a later day (`ingest.letters`): until then nothing there says when.
"""

import hmac
import uuid
from dataclasses import replace
from hashlib import scrypt, sha256

from sqlalchemy import select

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository
from repository.cases import find_case
from repository.codewords import draw, normal
from repository.conditions import RECIPIENTS, Marking
from repository.errors import BadRequest, UnknownMailbox
from repository.mailbox_rows import Letter, Mailbox
from repository.marking import Subject, put
from repository.models import Case, Person
from repository.rules import Marking as Row

HEARD = ("no", "yes", "unknown")  # whether another investigator has heard it
ASSURANCE = "code-name"
HANDLING = "H2"  # leaves with the reporter's consent alone


def today(repo: Repository) -> str:
    """Return the day, in UTC: the finest time that is kept of a reporter."""
    return f"{repo.clock():%Y-%m-%d}"


def open_mailbox(
    repo: Repository, *, language: str, consent: list[str], heard: str
) -> tuple[str, Mailbox]:
    """Open a mailbox; return its code-name, which is told once, and the mailbox.

    Raises:
        UnknownMailbox: this house takes no reports (`intake_case`).
        BadRequest: a recipient or an answer there is not.
    """
    wrong = set(consent) - set(RECIPIENTS)
    if wrong or heard not in HEARD:
        raise BadRequest("choose among the answers of the page")
    with repo.database.reading() as session:
        case = find_case(session, repo.settings.intake_case or "")
    if case is None:
        raise UnknownMailbox("there is nothing here")
    codename = draw(repo.random, language)
    box = Mailbox(
        id=random_id(repo),
        opens=_opens(repo, codename),
        case_id=case.id,
        alias=f"reporter-{repo.random(6).hex()}",
        submission_id=f"SUB-{random_id(repo)}",
        language=language,
        heard=heard,
        consent=sorted(consent),
        withdrawn=False,
        day=today(repo),
    )
    with repo.database.writing() as session:
        session.add(box)
    return codename, box


def find_mailbox(repo: Repository, codename: str) -> Mailbox:
    """Return the mailbox that a code-name opens.

    Raises:
        UnknownMailbox: it opens none.
    """
    with repo.database.reading() as session:
        found = session.scalar(select(Mailbox).where(Mailbox.opens == _opens(repo, codename)))
    if found is None:
        raise UnknownMailbox("this code-name opens nothing here; look at each word again")
    return found


def letters_of(repo: Repository, box: Mailbox) -> list[Letter]:
    """Return what came to a mailbox, in its order."""
    with repo.database.reading() as session:
        query = select(Letter).where(Letter.mailbox_id == box.id).order_by(Letter.number)
        return list(session.scalars(query))


def narrow(repo: Repository, box: Mailbox, consent: list[str], *, withdrawn: bool) -> Mailbox:
    """Let a report go to fewer, or be used by nobody any more; counts with its commit.

    Where the report is registered the change is an entry at once, with its exact time: what must
    stop must stop now, and nothing in the ledger is undated.

    Raises:
        BadRequest: it would allow more than before.
    """
    if set(consent) - set(box.consent) or (box.withdrawn and not withdrawn):
        raise BadRequest("consent can be narrowed or withdrawn here; to allow more, write to us")
    with repo.database.writing() as session:
        row = session.get_one(Mailbox, box.id, with_for_update={"key_share": True})
        row.consent, row.withdrawn = sorted(set(consent) & set(row.consent)), withdrawn
        marked = session.get(Row, row.submission_id)
        if marked is not None:
            take_lock(session)
            old = Marking.from_json(marked.marking)
            new = replace(
                old,
                consent=tuple(sorted(set(old.consent) & set(row.consent))),
                withdrawn=old.withdrawn or withdrawn,
            )
            if new != old:
                case = session.get_one(Case, row.case_id)
                subject = Subject(row.submission_id, row.submission_id, case)
                put(
                    repo, session, actor_of(repo, row), subject, old, new,
                    motive="by whoever reported it",
                )  # fmt: skip
        return row


def marking_of(box: Mailbox) -> Marking:
    """Return how a report is to be handled."""
    return Marking(handling=HANDLING, consent=tuple(box.consent), withdrawn=box.withdrawn)


def enrol(repo: Repository, box: Mailbox) -> None:
    """Register a reporter under a number; doing it twice does it once."""
    at = repo.clock()
    with repo.database.writing() as session:
        take_lock(session)
        if session.scalar(select(Person.id).where(Person.name == box.alias)):
            return
        person = Person(id=uuid7(at, repo.random), name=box.alias, role="submitter", created_at=at)
        session.add(person)
        session.flush()
        detail = {"person": person.id, "name": box.alias, "role": "submitter"}
        draft = Draft(
            Act.PERSON_REGISTERED,
            Actor(person.id, "submitter", ASSURANCE),
            withheld={"detail": detail},
            subject=person.id,
        )
        repo.ledger.append(session, [draft])


def actor_of(repo: Repository, box: Mailbox) -> Actor:
    """Return the reporter as entries name whoever that is: a number, and no name.

    Raises:
        UnknownMailbox: nothing of it is registered yet.
    """
    with repo.database.reading() as session:
        person = session.scalar(select(Person).where(Person.name == box.alias))
    if person is None:
        raise UnknownMailbox("nothing of this mailbox is registered yet")
    return Actor(person.id, "submitter", ASSURANCE)


def _opens(repo: Repository, codename: str) -> str:
    """Return what is kept of a code-name: slow to make, and by this house alone."""
    salt = hmac.digest(repo.wrapping_key, b"mailbox", sha256)
    found = scrypt(normal(codename).encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32)
    return f"scrypt:{found.hex()}"


def random_id(repo: Repository) -> str:
    """Return an id that tells no time."""
    return str(uuid.UUID(bytes=repo.random(16), version=4))
