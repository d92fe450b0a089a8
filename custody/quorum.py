"""Which witnesses must have cosigned a checkpoint, and whether they did (C2SP tlog-policy).

>>> policy = parse("log ...\\nwitness A ...\\nwitness B ...\\ngroup two all A B\\nquorum two\\n")
... # doctest: +SKIP
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from custody.cosignature import KINDS
from custody.errors import MalformedNote, MalformedPolicy
from custody.note import ED25519, VerifierKey

NONE = "none"
MAX_POLICY = 1_000_000


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its name in this policy, its key, and where it answers, if it is to be asked."""

    name: str
    key: VerifierKey
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of its members (witnesses or groups) must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The log's keys, the witnesses, the groups, and the name whose satisfaction is the quorum."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE
    text: str = field(default="", compare=False)

    @property
    def keys(self) -> list[VerifierKey]:
        """Return every witness's key."""
        return [witness.key for witness in self.witnesses]

    def satisfied(self, cosigners: Collection[VerifierKey]) -> bool:
        """Say whether these keys together meet the quorum; `none` demands nothing."""
        if self.quorum == NONE:
            return True
        met: Mapping[str, bool] = {one.name: one.key in cosigners for one in self.witnesses}
        met = dict(met)
        for group in self.groups:  # members are defined above, so one pass is enough
            met[group.name] = sum(met[name] for name in group.members) >= group.threshold
        return met[self.quorum]

    def __str__(self) -> str:
        lines = [f"log {key}" for key in self.logs]
        for one in self.witnesses:
            url = f" {one.url}" if one.url else ""
            lines.append(f"witness {one.name} {one.key}{url}")
        lines += [
            f"group {one.name} {one.threshold} {' '.join(one.members)}" for one in self.groups
        ]
        return "\n".join([*lines, f"quorum {self.quorum}"]) + "\n"


def unwitnessed(logs: Sequence[VerifierKey]) -> Policy:
    """Return the policy of a log that nobody witnesses."""
    return Policy(tuple(logs))


def parse(text: str) -> Policy:
    """Read a policy.

    Raises:
        MalformedPolicy: a line that is no statement, a name or key used twice, a member that is not
            defined above or belongs to two groups, or not exactly one quorum.
    """
    if len(text) > MAX_POLICY:
        raise MalformedPolicy("a policy of more than a million characters is refused")
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), 1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            reading.statement(words)
        except (MalformedPolicy, MalformedNote) as error:
            raise MalformedPolicy(f"policy, line {number}: {error}") from error
    if reading.quorum is None:
        raise MalformedPolicy("a policy has one quorum line")
    return Policy(
        tuple(reading.logs),
        tuple(reading.witnesses),
        tuple(reading.groups),
        reading.quorum,
        text,
    )


class _Reading:
    """What was defined so far."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self._defined: set[str] = set()
        self._grouped: set[str] = set()

    def statement(self, words: list[str]) -> None:
        kind, rest = words[0], words[1:]
        if kind == "log" and len(rest) in (1, 2):
            self._log(rest)
        elif kind == "witness" and len(rest) in (2, 3):
            self._witness(rest)
        elif kind == "group" and len(rest) >= 3:
            self._group(rest)
        elif kind == "quorum" and len(rest) == 1:
            self._quorum(rest[0])
        else:
            raise MalformedPolicy(f"{' '.join(words)[:60]!r} is no statement")

    def _log(self, rest: list[str]) -> None:
        key = VerifierKey.parse(rest[0])
        taken = {one.key for one in self.logs} | {one.key.key for one in self.witnesses}
        if key.type != ED25519 or key.key in taken:
            raise MalformedPolicy("a log line holds an Ed25519 key of type 1, used nowhere else")
        self.logs.append(key)

    def _witness(self, rest: list[str]) -> None:
        key = VerifierKey.parse(rest[1])
        self._define(rest[0])
        if key.type not in KINDS:
            raise MalformedPolicy("a witness's key has type 4 or 6")
        if key.key in {other.key.key for other in self.witnesses} | {one.key for one in self.logs}:
            raise MalformedPolicy(f"the key of {rest[0]} belongs to another witness or a log too")
        self.witnesses.append(Witness(rest[0], key, rest[2] if len(rest) == 3 else None))

    def _group(self, rest: list[str]) -> None:
        name, wanted, members = rest[0], rest[1], tuple(rest[2:])
        for member in members:
            if member not in self._defined:
                raise MalformedPolicy(f"{member} is not defined above this line")
            if member in self._grouped:
                raise MalformedPolicy(f"{member} belongs to a group already")
            self._grouped.add(member)
        self._define(name)
        numbers = {"any": 1, "all": len(members)}
        if wanted not in numbers and not re.fullmatch(r"[1-9][0-9]{0,4}", wanted):
            raise MalformedPolicy(f"{wanted!r} is no number of members")
        threshold = numbers.get(wanted) or int(wanted)
        if threshold > len(members):
            raise MalformedPolicy(f"{name} asks for more members than it has")
        self.groups.append(Group(name, threshold, members))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise MalformedPolicy("a policy has one quorum line")
        if name != NONE and name not in self._defined:
            raise MalformedPolicy(f"{name} is not defined above this line")
        self.quorum = name

    def _define(self, name: str) -> None:
        if name == NONE or name in self._defined:
            raise MalformedPolicy(f"{name} is defined twice, or is the word none")
        self._defined.add(name)
