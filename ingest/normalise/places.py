"""Places: signed decimal degrees, "latitude longitude", WGS 84 unless the file says otherwise.

No reference letter, no coordinate. 0/0 gives none either; |latitude| > 90, a receiver that was
void and exactly 0,0 are marked and are never a point on the map.
"""

import re
from decimal import ROUND_HALF_EVEN, Context
from fractions import Fraction

from ingest.normalise import Normal

_NUMBERS = Context(prec=12, rounding=ROUND_HALF_EVEN)
_DEGREES = Context(prec=13, rounding=ROUND_HALF_EVEN)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{1,15})?")
_ISO6709 = re.compile(
    r"([+-][0-9]{2}(?:\.[0-9]+)?)([+-][0-9]{3}(?:\.[0-9]+)?)(?:([+-][0-9.]+)?(?:CRS[A-Z0-9_]+)?)?/?"
)

Parts = list[tuple[int, int]]  # numerators and denominators, as Exif stores them
NOWHERE = "exactly 0,0: the device had no position"


def decimals(latitude: str, longitude: str) -> Normal | None:
    """Return a place of two decimal numbers, as most files write them.

    >>> decimals("50.4501", "30.5234").value
    '50.4501 30.5234'
    """
    lat, lon = latitude.strip(), longitude.strip()
    if not _DECIMAL.fullmatch(lat) or not _DECIMAL.fullmatch(lon):
        return None
    lat, lon = decimal(Fraction(lat), _DEGREES), decimal(Fraction(lon), _DEGREES)
    return Normal("place", f"{lat} {lon}", None, _doubt(Fraction(lat), Fraction(lon)))


def iso6709(text: str) -> Normal | None:
    """Read the place of a QuickTime or MP4 file: `+50.4501+030.5234+110.000/`."""
    found = _ISO6709.fullmatch(text.strip())
    return decimals(found[1], found[2]) if found else None


def degrees(parts: Parts, *, most: int) -> tuple[str, str | None]:
    """Return degrees, minutes and seconds as one decimal, and why it deserves no trust.

    Args:
        parts: numerators and denominators, as stored.
        most: 90 for a latitude, 180 for a longitude.

    The decimal is empty where there is none: not three parts, or a division by zero.

    >>> degrees([(51, 1), (3, 2), (0, 1)], most=90)
    ('51.025', None)
    """
    if len(parts) != 3:
        return "", "not degrees, minutes and seconds"
    if any(below == 0 for _, below in parts):
        return "", "a division by zero (0/0: the device had no position)"
    whole, minutes, seconds = (Fraction(above, below) for above, below in parts)
    angle = whole + minutes / 60 + seconds / 3600
    why = None
    if min(whole, minutes, seconds) < 0 or minutes >= 60 or seconds >= 60:
        why = "minutes or seconds out of range"
    if abs(angle) > most:
        why = f"beyond {most} degrees"
    return decimal(angle, _DEGREES), why


def position(
    latitude: Parts, north_south: str, longitude: Parts, east_west: str, *, status: str = ""
) -> tuple[str, str | None]:
    """Return "latitude longitude" in signed decimal degrees, and why it deserves no trust.

    No reference letter, no coordinate: the text is then empty. So it is for 0/0.
    """
    if north_south not in {"N", "S"} or east_west not in {"E", "W"}:
        return "", "no reference letter (N, S, E, W): no coordinate"
    lat, bad_lat = degrees(latitude, most=90)
    lon, bad_lon = degrees(longitude, most=180)
    why = bad_lat or bad_lon
    if not lat or not lon:
        return "", why
    if lat == lon == "0":
        why = NOWHERE
    if status == "V":
        why = why or "the receiver said its position was void (GPSStatus V)"
    lat = signed(lat, negative=north_south == "S")
    lon = signed(lon, negative=east_west == "W")
    return f"{lat} {lon}", why


def decimal(number: Fraction, context: Context = _NUMBERS) -> str:
    """Return a fraction as a plain decimal, exact or rounded to the context's digits."""
    found = context.divide(
        context.create_decimal(number.numerator), context.create_decimal(number.denominator)
    )
    text = f"{found:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


def signed(text: str, *, negative: bool) -> str:
    """Return a decimal with its sign turned where the reference says south, west or below."""
    if not negative or text == "0":
        return text
    return text[1:] if text.startswith("-") else f"-{text}"


def _doubt(latitude: Fraction, longitude: Fraction) -> str | None:
    if abs(latitude) > 90:
        return "beyond 90 degrees"
    if abs(longitude) > 180:
        return "beyond 180 degrees"
    return NOWHERE if latitude == longitude == 0 else None
