"""OLE compound files made to order for tests: storages, streams, properties, messages."""

import struct
from datetime import UTC, datetime

END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def ole(streams):
    """Return a compound file of these streams: a path with "/" and its bytes."""
    entries = [{"name": "Root Entry", "kind": 5, "kids": []}]
    places = {"": 0}
    for path, data in streams.items():
        parts = path.split("/")
        for depth, name in enumerate(parts):
            whole = "/".join(parts[: depth + 1])
            if whole in places:
                continue
            leaf = depth == len(parts) - 1
            entries.append(
                {"name": name, "kind": 2 if leaf else 1, "kids": [],
                 "data": data.ljust(4096, b"\0") if leaf else b""}
            )  # fmt: skip
            places[whole] = len(entries) - 1
            entries[places["/".join(parts[:depth])]]["kids"].append(places[whole])
    directory = -(-len(entries) // 4)
    fat = [FAT] + [1 + n + 1 for n in range(directory)]
    fat[-1] = END
    body, at = b"", 1 + directory
    for entry in entries:
        data = entry.get("data", b"")
        entry["start"], count = (at if data else END), -(-len(data) // 512)
        body += data.ljust(count * 512, b"\0")
        fat += [at + n + 1 for n in range(count)]
        if count:
            fat[-1] = END
        at += count
    assert len(fat) <= 128, "one sector of places"
    table = struct.pack("<128I", *fat, *[FREE] * (128 - len(fat)))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    head += struct.pack(
        "<HHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, END, 0, END, 0, 0
    )
    head += struct.pack("<108I", *[FREE] * 108)
    for entry in entries:  # the kids of a storage stand in a row to the right
        for one, other in zip(entry["kids"], entry["kids"][1:], strict=False):
            entries[one]["right"] = other
    packed = b"".join(_directory(entry) for entry in entries)
    return head[:512] + table + packed.ljust(directory * 512, b"\0") + body


def _directory(entry):
    name = entry["name"].encode("utf-16-le") + b"\0\0"
    child = entry["kids"][0] if entry["kids"] else FREE
    return (
        name.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(name), entry["kind"], 1, FREE, entry.get("right", FREE), child)
        + b"\0" * 36
        + struct.pack("<IQ", entry["start"], len(entry.get("data", b"")))
    )


def properties(values):
    """Return a property set: texts, whole numbers and times by their numbers."""
    section, offsets = b"", []
    for number, value in values.items():
        offsets.append((number, len(section)))
        if isinstance(value, str):
            data = value.encode("cp1252") + b"\0"
            item = struct.pack("<II", 0x1E, len(data)) + data
        elif isinstance(value, datetime):
            item = struct.pack("<IQ", 0x40, filetime(value))
        else:
            item = struct.pack("<Ii", 3, value)
        section += item.ljust(-(-len(item) // 4) * 4, b"\0")
    head = 8 + 8 * len(offsets)
    table = b"".join(struct.pack("<II", number, head + at) for number, at in offsets)
    whole = struct.pack("<II", head + len(section), len(offsets)) + table + section
    return struct.pack("<HHI16xI16xI", 0xFFFE, 0, 0x20006, 1, 48) + whole


def filetime(moment):
    """Return a time as Windows counts it."""
    return int((moment - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000


def message(texts, times=(), attachments=(), recipients=()):
    """Return an Outlook message of these properties: number and text, number and time."""
    streams = {
        "__properties_version1.0": b"\0" * 32
        + b"".join(struct.pack("<IIQ", n << 16 | 0x40, 6, filetime(moment)) for n, moment in times)
    }
    for number, text in texts.items():
        streams[f"__substg1.0_{number:04X}001F"] = text.encode("utf-16-le")
    for place, (name, data) in enumerate(attachments):
        folder = f"__attach_version1.0_#{place:08X}"
        streams[f"{folder}/__substg1.0_3707001F"] = name.encode("utf-16-le")
        streams[f"{folder}/__substg1.0_37010102"] = data
    for place, (name, mail) in enumerate(recipients):
        folder = f"__recip_version1.0_#{place:08X}"
        streams[f"{folder}/__substg1.0_3001001F"] = name.encode("utf-16-le")
        streams[f"{folder}/__substg1.0_39FE001F"] = mail.encode("utf-16-le")
    return ole(streams)
