"""What a conversation comes to: how many messages, between whom, when; never its words."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.extraction import Fact, Item, Problem
from ingest.normalise import Normal, fact

MOST_PARTICIPANTS = 2000


@dataclass(slots=True)
class Tally:
    """Counts while a list of messages passes. Times are compared by what they were read as."""

    count: int = 0
    conversations: int = 0
    media: int = 0  # messages with a file
    missing: int = 0  # of them: those whose file the export left out
    participants: dict[str, tuple[str, Normal | None]] = field(default_factory=dict)
    first: tuple[str, Normal] | None = None  # raw text and what it means
    last: tuple[str, Normal] | None = None
    more: int = 0  # participants beyond those kept

    def moment(self, raw: str, normal: Normal | None) -> None:
        """Take the time of a message in."""
        if normal is None:
            return
        if self.first is None or normal.value < self.first[1].value:
            self.first = (raw, normal)
        if self.last is None or normal.value > self.last[1].value:
            self.last = (raw, normal)

    def participant(self, raw: str, normal: Normal | None) -> None:
        """Take a participant in."""
        key = normal.value if normal else raw
        if key in self.participants:
            return
        if len(self.participants) < MOST_PARTICIPANTS:
            self.participants[key] = (raw[:300], normal)
        else:
            self.more += 1

    def facts(self, application: str, source: str) -> Iterator[Item]:
        """Yield what it came to."""
        counts = {
            "Application": application, "Count": self.count, "Conversations": self.conversations,
            "WithMedia": self.media, "MissingMedia": self.missing,
            "Participants": len(self.participants) + self.more,
        }  # fmt: skip
        for name, value in counts.items():
            if value or name == "Count":
                yield Fact(f"Messages:{name}", str(value), str(value), source)
        for name, pair in (("First", self.first), ("Last", self.last)):
            if pair is not None:
                yield fact(f"Messages:{name}", pair[0], source, pair[1])
        for raw, normal in self.participants.values():
            yield fact("Messages:Participant", raw, source, normal)
        if self.more:
            yield Problem(f"only {MOST_PARTICIPANTS} participants are given", incomplete=False)
