"""The few things of an ICC colour profile that speak of where a picture has been."""

from collections.abc import Iterator

_HEADER = {"ProfileCMMType": 4, "DeviceManufacturer": 48, "DeviceModel": 52, "ProfileCreator": 80}
_TEXTS = {
    b"desc": "ProfileDescription",
    b"cprt": "ProfileCopyright",
    b"dmnd": "DeviceMfgDesc",
    b"dmdd": "DeviceModelDesc",
}
_MOST_TAGS = 100


def said(profile: bytes) -> Iterator[tuple[str, str]]:
    """Yield ExifTool's name and the text of what a profile says of itself."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return
    for name, at in _HEADER.items():
        text = _latin(profile[at : at + 4])
        if text:
            yield f"ICC-header:{name}", text
    numbers = [int.from_bytes(profile[n : n + 2], "big") for n in range(24, 36, 2)]
    if any(numbers):
        year, *rest = numbers
        yield (
            "ICC-header:ProfileDateTime",
            f"{year:04}:{rest[0]:02}:{rest[1]:02} {rest[2]:02}:{rest[3]:02}:{rest[4]:02}",
        )
    count = int.from_bytes(profile[128:132], "big")
    for n in range(min(count, _MOST_TAGS)):
        entry = profile[132 + 12 * n : 144 + 12 * n]
        start, length = int.from_bytes(entry[4:8], "big"), int.from_bytes(entry[8:12], "big")
        if entry[:4] in _TEXTS:
            text = _text(profile[start : start + length])
            if text:
                yield f"ICC_Profile:{_TEXTS[entry[:4]]}", text


def _text(data: bytes) -> str:
    if data[:4] == b"text":
        return _latin(data[8:])
    if data[:4] == b"desc":
        return _latin(data[12 : 12 + int.from_bytes(data[8:12], "big")])
    if data[:4] == b"mluc" and len(data) >= 28:  # several languages: the first
        length, start = int.from_bytes(data[20:24], "big"), int.from_bytes(data[24:28], "big")
        return data[start : start + length].decode("utf-16-be", "replace").strip("\0 ")
    return ""


def _latin(data: bytes) -> str:
    return data.split(b"\0")[0].decode("latin-1").strip()
