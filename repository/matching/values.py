"""Values as keyed tokens: what is kept of a value, what is asked for, and when two are a match.

Pure. A token is 16 bytes of HMAC-SHA-256 under the key of matching; its message begins with the
kind, so that no two kinds ever share one. Most values have one token and match where it is equal.
Pictures and places have several, which only find candidates; the value itself, sealed, decides:

- A picture's hash (PDQ, 256 bits) is cut into 16 bands of 16 bits, a token each. Asked for is each
  band as it is and with each one bit turned: 272 tokens. Of two hashes with at most 31 different
  bits, spread over 16 bands, one band differs in at most one bit: all of them are found.
- A place and a time are a cell of 0.01 degrees and six hours. Asked for is every cell within 1 km
  and 3 hours: all that lies there is found. A time whose zone is unknown stands in every cell that
  it may mean.
"""

import hmac
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EXACT = ("file", "member", "telephone", "imei", "device", "account", "mail", "url")
KINDS = (*EXACT, "picture", "place")
VERIFIED = frozenset({"picture", "place"})
QUIET = frozenset({"member"})  # answers questions; raises no notice by itself: systems share files

MOST_BITS = 31  # that differ between pictures that are alike (PDQ's own measure)
_BANDS, _BAND = 16, 2  # bands of two bytes
_TOKEN = 16

RADIUS_KM = 1.0
HOURS = 3
_CELL = 10_000  # microdegrees: 0.01 degrees
_HALF_TURN = 180_000_000
_SLOT = 6 * 3600
_POLAR = math.radians(85)  # beyond it, cells are searched as wide as there
BEFORE, AFTER = timedelta(hours=14), timedelta(hours=12)  # what a time without a zone may mean


@dataclass(frozen=True, slots=True)
class Value:
    """One value to be matched: a kind of `KINDS`, and its text in the form of its kind.

    Of a picture 64 hex digits; of a place latitude and longitude in microdegrees, and the first and
    the last second (of 1970) that its time may be.
    """

    kind: str
    text: str

    def to_bytes(self) -> bytes:
        """Return what is sealed, and read back by `of_bytes`."""
        return f"{self.kind}\n{self.text}".encode()

    @classmethod
    def of_bytes(cls, found: bytes) -> "Value":
        """Return the value that was sealed."""
        kind, _, text = found.decode().partition("\n")
        return cls(kind, text)


def place_and_time(latitude: float, longitude: float, moment: datetime) -> Value:
    """Return a place and a time; one without a zone is all that it may mean.

    >>> place_and_time(48.853, 2.349, datetime(2024, 5, 1, 12, tzinfo=UTC)).text
    '48853000 2349000 1714564800 1714564800'
    """
    first = last = moment
    if moment.tzinfo is None:
        known = moment.replace(tzinfo=UTC)
        first, last = known - BEFORE, known + AFTER
    numbers = (
        round(latitude * 1e6), round(longitude * 1e6),
        math.floor(first.timestamp()), math.floor(last.timestamp()),
    )  # fmt: skip
    return Value("place", " ".join(map(str, numbers)))


def picture(text: str) -> Value | None:
    """Return the hash of a picture from 64 hex digits, with `pdq:` before them or without."""
    digits = text.strip().lower().removeprefix("pdq:")
    return Value("picture", digits) if re.fullmatch(r"[0-9a-f]{64}", digits) else None


def token(key: bytes, kind: str, text: str) -> bytes:
    """Return the token of a text of a kind."""
    return hmac.digest(key, f"{kind}\0{text}".encode(), "sha256")[:_TOKEN]


def kept(key: bytes, value: Value) -> list[bytes]:
    """Return the tokens under which a value is kept."""
    if value.kind == "picture":
        bands = _bands(value)
        return [token(key, f"picture {n}", band.hex()) for n, band in enumerate(bands)]
    if value.kind == "place":
        return [token(key, "place", cell) for cell in _cells(value, 0, 0)]
    return [token(key, value.kind, value.text)]


def asked(key: bytes, value: Value) -> list[bytes]:
    """Return the tokens to look for: whatever matches the value is kept under one of them."""
    if value.kind == "picture":
        return [
            token(key, f"picture {n}", near.hex())
            for n, band in enumerate(_bands(value))
            for near in _near(band)
        ]
    if value.kind == "place":
        return [token(key, "place", cell) for cell in _cells(value, RADIUS_KM, HOURS * 3600)]
    if value.kind == "file":  # a file also matches inside whatever holds it
        return [token(key, kind, value.text) for kind in ("file", "member")]
    return [token(key, value.kind, value.text)]


def alike(one: Value, other: Value) -> bool:
    """Say whether two values of a verified kind match: the decision, whatever found them."""
    if one.kind != other.kind:
        return False
    if one.kind == "picture":
        return bits_apart(one, other) <= MOST_BITS
    return kilometres(one, other) <= RADIUS_KM and seconds_apart(one, other) <= HOURS * 3600


def bits_apart(one: Value, other: Value) -> int:
    """Return in how many bits two hashes of pictures differ."""
    return (int(one.text, 16) ^ int(other.text, 16)).bit_count()


def kilometres(one: Value, other: Value) -> float:
    """Return how far two places are apart, along the surface of a sphere."""
    (lat1, lon1, *_), (lat2, lon2, *_) = _numbers(one), _numbers(other)
    up, down = math.radians(lat1 / 1e6), math.radians(lat2 / 1e6)
    across = math.radians((lon2 - lon1) / 1e6)
    half = math.sin((down - up) / 2) ** 2 + math.cos(up) * math.cos(down) * (
        math.sin(across / 2) ** 2
    )
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half)))


def seconds_apart(one: Value, other: Value) -> int:
    """Return how far two times are apart; 0 where what they may mean overlaps."""
    (_, _, first1, last1), (_, _, first2, last2) = _numbers(one), _numbers(other)
    return max(0, first2 - last1, first1 - last2)


def _bands(value: Value) -> list[bytes]:
    whole = bytes.fromhex(value.text)
    return [whole[n * _BAND : (n + 1) * _BAND] for n in range(_BANDS)]


def _near(band: bytes) -> Iterator[bytes]:
    number = int.from_bytes(band)
    yield band
    for bit in range(8 * _BAND):
        yield (number ^ 1 << bit).to_bytes(_BAND)


def _numbers(value: Value) -> tuple[int, int, int, int]:
    latitude, longitude, first, last = map(int, value.text.split())
    return latitude, longitude, first, last


def _cells(value: Value, radius: float, seconds: int) -> list[str]:
    """Return every cell that something within a radius and a time of a value may lie in."""
    latitude, longitude, first, last = _numbers(value)
    reach = radius / 111.19 * 1e6  # microdegrees of latitude
    wide = min(abs(math.radians((abs(latitude) + reach) / 1e6)), _POLAR)
    across = reach / math.cos(wide) * 1.001
    south, north = ((latitude + side * reach * 1.001) // _CELL for side in (-1, 1))
    west, east = ((longitude + side * across) // _CELL for side in (-1, 1))
    turn = 2 * _HALF_TURN // _CELL
    slots = range((first - seconds) // _SLOT, (last + seconds) // _SLOT + 1)
    return [
        f"{row} {column % turn} {slot}"
        for row in range(int(south), int(north) + 1)
        for column in range(int(west), int(east) + 1)
        for slot in slots
    ]
