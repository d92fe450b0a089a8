"""Send files as one submission over a line that may fail, and bring the receipts home.

1. Look at who answers: a request without the token must be answered with the ledger's own
   checkpoint. 2. Ask whether the token is good for the case. 3. Hash every file. 4. Begin the
   submission and send its list; its signed receipt is kept. 5. Send what the service lacks.
   6. Meanwhile fetch and check receipts. 7. Complete, and keep the receipt for all.

Each step is remembered (`state`), so that the same command goes on after any interruption.
"""

import os
from contextlib import closing
from pathlib import Path

from api.errors import BadInvitation
from api.remote.collect import Collector
from api.remote.handover import Handover
from api.remote.invitation import Address, Invitation, checked_token
from api.remote.meter import Display, Meter
from api.remote.run import Run, Told, Wanted
from api.remote.state import Register, State, state_folder
from api.told import Stop
from custody.entry import uuid7
from custody.errors import EvidenceError
from repository import now
from repository.naming import shown, submission_id

MAX_INVITATION = 64 << 10


def read_invitation(text: str) -> Invitation:
    """Return what `--to` names: an invitation, a file with one, or an address.

    An address needs the token in `EVIDENCE_TOKEN`.

    Raises:
        BadInvitation: none of these.
    """
    if not text.startswith(("http://", "https://")):
        try:
            with Path(text).open("rb") as file:
                text = file.read(MAX_INVITATION).decode().strip()
        except OSError as error:
            raise BadInvitation(
                f"{shown(text)} is neither an address nor a file with an invitation: "
                f"{error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise BadInvitation(f"{shown(text)} holds no invitation") from error
    if "#" in text:
        return Invitation.parse(text)
    address = Address.parse("".join(text.split()))
    token = os.environ.get("EVIDENCE_TOKEN")
    if not token:
        raise BadInvitation("an address alone names no token: set EVIDENCE_TOKEN, or use --to FILE")
    return Invitation(address, checked_token(token.strip()))


def ingest_to(wanted: Wanted, told: Told) -> list[int | EvidenceError]:
    """Send everything, and return an exit code or an error for each file.

    Raises:
        LineIntercepted: somebody else answers; nothing was sent to him.
        LineLost, ServiceUnavailable: no service, or patience is over.
        ServiceRefused, ServiceDisagrees: it does not take this.
        RunningAlready: another run is at it.
    """
    stop = Stop()
    meter = Meter()
    with Display(meter, on=told.terminal) as display:
        try:
            return _whole(Run(wanted, told, stop, meter, display))
        finally:
            stop.set()


def _whole(run: Run) -> list[int | EvidenceError]:
    wanted = run.wanted
    register = Register(state_folder(wanted.state))
    fingerprint = run.fingerprint()
    before = register.find(fingerprint)
    given = wanted.submission or wanted.invitation.submission
    named = submission_id(given) if given else None
    if wanted.invitation.submission not in (None, named):
        raise BadInvitation(f"this invitation is for {wanted.invitation.submission} alone")
    name = named or before or f"SUB-{uuid7(now(), os.urandom)}"
    with closing(run.connect()) as service:
        run.prove(service, patient=before is not None)
        register.begin(fingerprint, name)  # first: what a folder belongs to is never forgotten
        with closing(State(register.folder(name))) as state:
            run.say(f"{'going on with' if before == name else 'submission'} {name}")
            receipts = wanted.receipts or state.folder / "receipts"
            collector = Collector(state, name, receipts=receipts, log=wanted.invitation.log)
            if Handover(run, service, state, name, collector).send():
                register.end(fingerprint)
    return run.outcomes
