"""Exif's logarithmic units (APEX) as the numbers people know: seconds and f-numbers."""

import math
from fractions import Fraction


def apex(name: str, number: Fraction) -> Fraction:
    """Return a shutter speed in seconds and an aperture as f-number; others as they stand.

    >>> apex("ExifIFD:ApertureValue", Fraction(5))
    Fraction(22627417, 4000000)
    """
    tag = name.rpartition(":")[2]
    if abs(number) > 50:
        return number
    if tag == "ShutterSpeedValue":
        return _rounded(math.pow(2, -float(number)))
    if tag in {"ApertureValue", "MaxApertureValue"}:
        return _rounded(math.pow(2, float(number) / 2))
    return number


def _rounded(number: float) -> Fraction:
    return Fraction(f"{number:.9g}")
