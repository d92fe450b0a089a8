"""UFED reports: a .ufdr, or its report.xml alone: extraction, device, case, files; hashes checked.

Every item of the report's head is a fact. The list of files, with their paths on the device, their
places in the archive and the hashes the tool declared, is a derivative of one JSON object a line.
Those hashes are computed anew: the seal "UFED tool-declared hashes". Decoded records (messages,
calls, places) are counted by kind; what they say is not read here.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.extraction import Derivative, Fact, Found, Item, Limits, Problem, Seal
from ingest.readers import zips
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable, size_of
from ingest.readers.named import named, tag
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.xmls import Node, nodes

NAME = "ufdr"
VERSION = "UFED report reader 1"
# A report of a gigabyte is read to its end: 20 MB a second of a core, and of the clock three times
# as long, for a machine that has other work.
LIMITS = Limits(cpu_seconds=120, wall_ms=300_000)
FORMATS = frozenset({"ufdr", "ufed-report"})
REPORT_SECONDS, WALL_SECONDS = 60.0, 180.0  # for the report
HASH_SECONDS, HASH_WALL = 30.0, 90.0  # for the files
MOST_FACTS = 2000
MOST_FILES = 150_000  # of the report's list
MOST_MAP = 12 << 20  # bytes of the list of files
_REPORTS = ("report.xml", "Report.xml", "UFEDReport.xml")
_MARK = b"pa.cellebrite.com/report"

# Items of the head whose own names say little; the others are named as they stand.
_NAMES = {
    "DeviceInfoExtractionStartDateTime": "ExtractionStart",
    "DeviceInfoExtractionEndDateTime": "ExtractionEnd",
    "DeviceInfoUnitIdentifier": "UnitIdentifier", "DeviceInfoUnitVersion": "UnitVersion",
    "DeviceInfoInternalVersion": "UnitInternalVersion",
    "DeviceInfoSelectedManufacturer": "Manufacturer", "DeviceInfoSelectedDeviceName": "Model",
    "DeviceInfoDetectedManufacturer": "DetectedManufacturer",
    "DeviceInfoDetectedModel": "DetectedModel", "DeviceInfoRevision": "Revision",
    "DeviceInfoCreationTime": "ReportCreated", "UFED_PA_Version": "ToolVersion",
    "DeviceInfoOSVersion": "OSVersion", "DeviceInfoOSType": "OSType",
}  # fmt: skip


def _is_ufdr(peek: Peek) -> bool:
    """Return whether a zip's report.xml begins as Cellebrite's."""
    if not any(peek.has(name) for name in _REPORTS):
        return False
    try:
        report = _report(zips.read_zip(peek.file, Budget(1.0, 2.0)).entries)
        return _MARK in next(report.read(), b"")[:4096] if report and report.read else False
    except (Unreadable, Exhausted):
        return False


CONTAINERS = {
    "ufdr": _is_ufdr,
    "ufed-report": lambda peek: peek.head[:4] != b"PK\x03\x04" and _MARK in peek.head[:4096],
}
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVqO/hRTPAQAAFsKAAAKAAAAcmVwb3J0LnhtbNVW227jNhB991ewemoRWKLukiFroYvVGl0b"
    "wdrpy2YRMCLlaKGLIdFB0sd+0T4XaL8h/aMO5Zuc2N28NoARcYY8c+bC4XgfnsoCPbKmzetqLKkylhCr0prm1Wos"
    "bXg2dKQP/sBbN/VXlnKU07G0HqoSqkjJxtKvn+Zo/VBXTEINW9cN/22P5MimhOY1ZVG9qfhY0iQ0g1WxW+rSAIHl"
    "qh1LD5yvR4qyJnLKioLdNzlnclqXyhZR0YCT77X1pknZ5Ik3JOVgofU9dlhMq6zuqGGA3TIL6COpUkbRx3qVp6SQ"
    "EH9e9+QHMWWPecrm3aHrzhXF95S35gZeSlomLDUlESLfy3JW0J29CJSo2pT3rJFQp1h29oR8vhX7EK2h7SmdFvD6"
    "xydPpMyrV2f3QkEOQvDD5ygOlsHnQEaJ2PTli78H85TX5AZeyTihhBPUss4F4TvNxRcptgAtgEKwyx2Hm2QS310H"
    "d7sc9izasmXKWNbUzqQ4Avi9k3EXQ2E+alhnf5mfUNY0BZuKhjUDqXik2yOMf7xZRlf6T0dET9kzPkv+mAsUg0K6"
    "xOC4b8FJw2Ev68gM0OucinLxVePIzBoZ7sjQdsz+29EjzKSiByNHjwEUWztce6RrI9X8bvBuqpxPKat4DlltemAi"
    "M2ihzJHp6rpr4HcHbYuNBPhprqezybRnwHCxahoa1jXdNlXnu0wXrAATjM5ItckgDJvmhO+ClO2mWr0bJj7cwT7I"
    "bBiYmplcQFmwJof7e9z/yXTmqqYHYdQLT9/lKJrGvf1zJbgAPVtMF/G8t/VKd7BhALhhWvaF4HOyWjGa5AVrRWco"
    "GMrafUeBT9GdoG2uCX8YS0pLU9JQJY6mM2U6+/lOlb+uVxJq89/BvGpLXTPLsOhOBYMAAfuKQ5yBE0lT1rYier7H"
    "oeZaTsr1njj07ex5W4mi9IbYHGJ1iaEAMVw5GWN8hcWXpxyOghd9yLc1JFw6LZ6PNXROdA2u9GIkXG5vpyVZsduD"
    "S+czMYvN3kHHwlZmGa7O7rHFaGbpjBL93mSUWjq10vMYi18CzbR6MIlr2Y6bwF9oJqFjaoFth2pgBRM1CM0o0O3Y"
    "DkWZxyEowomm4SA0sKFPkhjbtno2raK/Fuzd+Xz56+Xvf/54+Qa/P1++yfyJv8mp+v/L6RIe2tuqhlcZHHpXRl07"
    "s1OcZhpWaeqoKiGGkxoULg81qJ69M6O6gZ0kMGI9seHi2ao1SYxQDU3N0qwYO47uWnFkmXFiR3rgqjhwQzecBAk2"
    "oALM4PxF3WdU6d/XgUcZzDxMNHLYUopBRTzBu5kheiAiS524L0LbIgDNpuB5N94kvTd9BgmA29CKp6p/dlpBkiq+"
    "U29RNOl0nAhr+gyiR1JsmP8Ac1HtKdvF8cnvMAFbeWX+oNr9F56ccYoUxWunhKijo8MQNLigM7oBqYesnARP2Y2K"
    "/r9QSwMEFAAAAAgAAAAhWm2/0ZUTAAAAEQAAABUAAABmaWxlcy9JbWFnZS9JTUdfMS5qcGf7f+P/A4VEhYKM/JL8"
    "9KLEggwAUEsDBBQAAAAIAAAAIVoh+CWsDwAAAA4AAAATAAAAZmlsZXMvVGV4dC9ub3RlLnR4dLuw98K+i00XNgDx"
    "rgsbAFBLAQIUAxQAAAAIAAAAIVqO/hRTPAQAAFsKAAAKAAAAAAAAAAAAAACAAQAAAAByZXBvcnQueG1sUEsBAhQD"
    "FAAAAAgAAAAhWm2/0ZUTAAAAEQAAABUAAAAAAAAAAAAAAIABZAQAAGZpbGVzL0ltYWdlL0lNR18xLmpwZ1BLAQIU"
    "AxQAAAAIAAAAIVoh+CWsDwAAAA4AAAATAAAAAAAAAAAAAACAAaoEAABmaWxlcy9UZXh0L25vdGUudHh0UEsFBgAA"
    "AAADAAMAvAAAAOoEAAAAAA=="
)


@dataclass(slots=True)
class _File:
    """One file as the report has it."""

    path: str
    size: str
    local: str = ""
    hashes: dict[str, str] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    deleted: str = ""

    def line(self) -> str:
        """Return it as a line of the derivative."""
        found = {
            "path": self.path, "size": self.size, "member": self.local, "deleted": self.deleted,
            "hashes": self.hashes, "times": self.times,
        }  # fmt: skip
        return json.dumps({k: v for k, v in found.items() if v}, ensure_ascii=False) + "\n"


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the head of the report, the list of files, the counts and the seal."""
    entries: dict[str, Entry] = {}
    blocks = read_blocks(file, 0, size_of(file))
    file.seek(0)
    if zips.is_zip(file.read(4)):
        try:
            archive = zips.read_zip(file, Budget(4.0, 6.0))
        except Exhausted as error:
            yield Problem(str(error))
            return
        for problem in archive.problems:
            yield Problem(problem)
        entries = {_place(entry.path): entry for entry in archive.entries}
        report = _report(archive.entries)
        if report is None or report.read is None:
            yield Problem("no report.xml that can be read")
            return
        blocks = report.read()
    files: list[_File] = []
    yield from _head(blocks, files)
    if files:
        yield from _map(files)
        yield _seal(files, entries)


def _report(entries: list[Entry]) -> Entry | None:
    named_so = [entry for entry in entries if entry.path.rpartition("/")[2] in _REPORTS]
    return min(named_so, key=lambda entry: entry.path.count("/"), default=None)


def _place(path: str) -> str:
    """Return a path as both the archive and the report may write it."""
    return path.replace("\\", "/").lstrip("/").casefold()


def _head(blocks: Iterator[bytes], files: list[_File]) -> Iterator[Item]:
    counts: Counter[str] = Counter()
    yielded = 0
    current: _File | None = None
    try:
        for node in nodes(blocks, Budget(REPORT_SECONDS, WALL_SECONDS), {"decodedData": 2}):
            match node.path[1:]:
                case ():
                    items = _project(node) if node.text is None else []
                case ("taggedFiles", "file"):
                    items = []
                    if node.text is None:
                        at = node.attributes
                        current = _File(at.get("path", ""), at.get("size", ""))
                        current.deleted = at.get("deleted", "").replace("Intact", "")
                    elif current is not None:
                        counts["Listed"] += 1
                        if len(files) < MOST_FILES:
                            files.append(current)
                        current = None
                case ("taggedFiles", "file", *below) if current is not None:
                    items = []
                    if node.text is not None:
                        _file_item(current, below, node)
                case ("decodedData", "modelType", "model"):
                    items = []
                    if node.text is None:
                        counts[node.attributes.get("type", "unknown")[:60]] += 1
                case _:
                    items = _item(node)
            for item in items[: max(0, MOST_FACTS - yielded)]:
                yielded += 1
                yield item
    except (Unreadable, Exhausted) as error:
        yield Problem(f"report.xml: {error}")
    if counts.pop("Listed", 0) > len(files):
        yield Problem(f"the report lists more than {MOST_FILES} files: the others are not checked")
    for kind, count in counts.most_common(200):
        yield Fact(tag("UFED", f"{kind} Records"), str(count), str(count), f"{VERSION} modelType")


def _project(node: Node) -> list[Item]:
    return [
        Fact(tag("UFED", name), node.attributes[key], node.attributes[key], f"{VERSION} {key}")
        for name, key in (
            ("ReportName", "name"), ("ReportIdentifier", "id"), ("ReportVersion", "reportVersion"),
            ("NodeCount", "NodeCount"), ("ModelCount", "ModelCount"),
            ("ExtractionType", "extractionType"), ("LicenseIdentifier", "licenseID"),
        )
        if node.attributes.get(key)
    ]  # fmt: skip


def _item(node: Node) -> list[Item]:
    """Return the facts of an element of the head; none for those that say nothing."""
    at = node.attributes
    match node.path[1:]:
        case ("sourceExtractions", "extractionInfo") if node.text is None:
            said = " ".join(
                f"{key}={at[key]}"
                for key in ("id", "name", "type", "deviceName", "fullName", "IsPartialData")
                if at.get(key)
            )
            return [Fact("UFED:Extraction", said, said, f"{VERSION} extractionInfo")]
        case ("caseInformation", "field") if node.text is not None:
            key = at.get("fieldType") or at.get("name") or "Field"
            found = named("UFED", key, node.text, f"{VERSION} caseInformation")
        case ("metadata", "item") if node.text is not None:
            key = at.get("name", "Item")
            origin = f"{VERSION} metadata"
            if at.get("sourceExtraction"):
                origin += f" extraction {at['sourceExtraction']}"
            if at.get("group"):
                origin += f" {at['group']}"
            short = _NAMES.get(key, key.removeprefix("DeviceInfo"))
            found = named("UFED", key, node.text, origin, called=tag("UFED", short))
        case ("images", "image") if node.text is None:
            said = " ".join(f"{key}={at[key]}" for key in ("path", "size", "verify") if at.get(key))
            return [Fact("UFED:Image", said, said, f"{VERSION} image")]
        case ("images", "image", "metadata", "item") if node.text is not None:
            key = at.get("name", "Item")
            found = named("UFED", f"Image {key}", node.text, f"{VERSION} image")
        case ("projectConfigurations", "timeZoneConfigurations") if node.text is None:
            zone = at.get("selectedTimeZone", "")
            found = named("UFED", "SelectedTimeZone", zone, VERSION)
        case _:
            found = None
    return [found] if found else []


def _file_item(file: _File, below: list[str], node: Node) -> None:
    name, text = node.attributes.get("name", ""), (node.text or "").strip()
    if below == ["metadata", "item"] and text:
        if name == "Local Path":
            file.local = text
        elif name.upper().replace("-", "") in {"MD5", "SHA1", "SHA256"}:
            file.hashes[name.lower().replace("-", "")] = text.lower()
    elif below == ["accessInfo", "timestamp"] and text and len(file.times) < 8:
        file.times[name[:40]] = text[:60]


def _map(files: list[_File]) -> Iterator[Item]:
    lines, length = list[bytes](), 0
    for file in files:
        line = file.line().encode("utf-8", "backslashreplace")
        length += len(line)
        if length > MOST_MAP:
            yield Problem(f"the list of files ends after {MOST_MAP} bytes: {len(lines)} files")
            break
        lines.append(line)
    deleted = sum(1 for file in files if file.deleted)
    for name, count in (("Files", len(files)), ("DeletedFiles", deleted)):
        yield Fact(f"UFED:{name}", str(count), str(count), f"{VERSION} taggedFiles")
    yield Derivative.of(
        "text", "application/x-ndjson", b"".join(lines), locator="member=report.xml"
    )


def _seal(files: list[_File], entries: dict[str, Entry]) -> Seal:
    kind = "UFED tool-declared hashes"
    declared = [file for file in files if file.hashes]
    if not declared:
        return Seal(kind, "absent", f"none of {len(files)} files has a declared hash")
    budget = Budget(HASH_SECONDS, HASH_WALL)
    equal, gone, why = 0, 0, ""
    differing: list[str] = []
    for file in declared:
        entry = entries.get(_place(file.local)) if file.local else None
        if entry is None:
            gone += 1
            continue
        try:
            computed = _digests(entry, list(file.hashes), budget)
        except Exhausted as error:
            why = str(error)
            break
        except Unreadable as error:
            differing.append(f"{file.local}: {error}")
            continue
        if computed == file.hashes:
            equal += 1
        else:
            differing.append(file.local)
    said = f"{equal} of {len(declared)} equal, {len(differing)} differ, {gone} not in the archive"
    if differing:
        return Seal(kind, "broken", f"{said}: {'; '.join(differing[:10])}"[:2000])
    if why:
        return Seal(kind, "not-checked", f"{said}; the others were not reached: {why}")
    if not equal:
        return Seal(kind, "not-checked", f"{said}")
    return Seal(kind, "valid", said)


def _digests(entry: Entry, wanted: list[str], budget: Budget) -> dict[str, str]:
    if entry.read is None:
        raise Unreadable("packed or encrypted in a way not read here")
    running = {name: hashlib.new(name, usedforsecurity=False) for name in wanted}
    for block in entry.read():
        budget.spend(len(block))
        for each in running.values():
            each.update(block)
    return {name: each.hexdigest() for name, each in running.items()}
