"""Ask a witness to cosign a checkpoint, and believe only what verifies (C2SP tlog-witness)."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from custody.checkpoint import Checkpoint
from custody.cosignature import cosigned_at
from custody.errors import (
    BadSignature,
    HostUnavailable,
    MalformedNote,
    WitnessRefused,
    WitnessUnavailable,
)
from custody.note import Note, SignatureLine, VerifierKey
from custody.outbound import Answer, post


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The witness cosigned: its lines, each verified, with their times (seconds since 1970)."""

    lines: tuple[tuple[SignatureLine, VerifierKey, int], ...]


@dataclass(frozen=True, slots=True)
class Differs:
    """The witness cosigned another size before; the proof must begin there."""

    size: int


def ask(
    url: str,
    *,
    old: int,
    proof: Sequence[bytes],
    note: str,
    keys: Sequence[VerifierKey],
    timeout: float,
) -> Cosigned | Differs:
    """Return the witness's cosignatures, or the size it holds.

    Args:
        url: the witness's prefix; `/add-checkpoint` is added.
        old: the size it is thought to hold.
        proof: consistency proof from there; empty from 0.
        note: the checkpoint.
        keys: the witness's keys; at least one must have signed.
        timeout: seconds for the whole exchange.

    Raises:
        WitnessRefused: it answers 4xx, or a line that is not its own over this checkpoint.
        WitnessUnavailable: no answer, 5xx, or garbage.
    """
    hashes = "".join(base64.b64encode(one).decode() + "\n" for one in proof)
    request = f"old {old}\n{hashes}\n{note}".encode()
    try:
        answer = post(
            url.rstrip("/") + "/add-checkpoint", request, content_type="text/plain", timeout=timeout
        )
    except HostUnavailable as error:
        raise WitnessUnavailable(f"the witness at {url}: {error}") from error
    if answer.status == 200:
        return _cosigned(url, answer, note, keys)
    if answer.status == 409:
        return _differs(url, answer)
    said = answer.body[:200].decode("utf-8", "replace").strip()
    if 400 <= answer.status < 500:
        raise WitnessRefused(f"the witness at {url} refuses: {answer.status} {said}")
    raise WitnessUnavailable(f"the witness at {url} answers {answer.status}")


def _cosigned(url: str, answer: Answer, note: str, keys: Sequence[VerifierKey]) -> Cosigned:
    checkpoint = Checkpoint.parse_text(Note.parse(note).text)
    known = {(key.name, key.key_id): key for key in keys}
    found = []
    try:
        for line in Note.parse(f"x\n\n{answer.body.decode()}").signatures:
            key = known.get((line.name, line.key_id))
            if key is not None:
                found.append((line, key, cosigned_at(line, key, checkpoint)))
    except (MalformedNote, UnicodeDecodeError) as error:
        raise WitnessUnavailable(f"the witness at {url} answers no signature lines") from error
    except BadSignature as error:
        raise WitnessRefused(f"the witness at {url} signed something else: {error}") from error
    if not found:
        raise WitnessRefused(f"the witness at {url} signed with no key that is known here")
    return Cosigned(tuple(found))


def _differs(url: str, answer: Answer) -> Differs:
    match = re.fullmatch(rb"(0|[1-9][0-9]{0,17})\n?", answer.body)
    if match is None or answer.content_type != "text/x.tlog.size":
        raise WitnessUnavailable(f"the witness at {url} answers 409 without its size")
    return Differs(int(match[1]))
