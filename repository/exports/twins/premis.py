"""The custody as PREMIS 3 XML: objects, events, agents, rights, in the order of its schema."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from repository.exports.gathered import Gathered
from repository.exports.kept import Kept
from repository.exports.twins.facts import About, File, events, exhibits, text

_BEGIN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<premis xmlns="http://www.loc.gov/premis/v3" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="3.0">\n'
)
_ALGORITHMS = {"sha256": "SHA-256", "sha512": "SHA-512", "sha1": "SHA-1", "md5": "MD5"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(found: Gathered) -> Iterator[bytes]:
    """Yield the document; what XML cannot hold is written as `U+0000`."""
    yield _BEGIN.encode()
    every = exhibits(found)
    numbers = {one.id: one for one in every}
    for one in every:
        yield _exhibit(one).encode()
        for file in one.files:
            yield _file(one, file).encode()
    agents: dict[tuple[str, str], str] = {}
    rights: dict[str, dict[str, None]] = {}  # on which exhibits, in their order
    for entry, values in events(found):
        about = numbers.get(entry.fields.get("exhibit", {}).get("id", ""))
        yield _event(entry, values, about).encode()
        actor = entry.fields["actor"]
        name = text(values.get("actor_name"))
        if name or ("actor", actor["id"]) not in agents:
            agents["actor", actor["id"]] = _actor(actor, name, text(values.get("organisation")))
        agents.setdefault(("software", entry.fields["by"]), _software(entry.fields["by"]))
        if "authority" in values and about is not None:
            rights.setdefault(text(values["authority"]), {})[about.number] = None
    for said in agents.values():
        yield said.encode()
    for number, (said, on) in enumerate(rights.items(), 1):
        yield _right(number, said, on).encode()
    yield b"</premis>\n"


def _exhibit(about: About) -> str:
    said = "".join(
        f"<significantProperties>{_tag('significantPropertiesType', name)}"
        f"{_tag('significantPropertiesValue', value)}</significantProperties>"
        for name, value in (*about.told.items(), ("marking", about.marking))
        if value and name != "name"
    )
    name = _tag("originalName", about.told["name"]) if about.told.get("name") else ""
    parts = "".join(_relation("structural", "has part", "file", file.path) for file in about.files)
    root = "" if about.root == about.number else _relation(
        "derivation", "has source", "exhibit number", about.root
    )  # fmt: skip
    return (
        '<object xsi:type="intellectualEntity">'
        f"{_identifier('object', 'exhibit number', about.number)}"
        f"{said}{name}{parts}{root}</object>\n"
    )


def _file(about: About, file: File) -> str:
    fixity = "".join(
        f"<fixity>{_tag('messageDigestAlgorithm', _ALGORITHMS.get(name, name))}"
        f"{_tag('messageDigest', value)}</fixity>"
        for name, value in file.digests.items()
    )
    kind = _tag("formatName", about.mime or "not identified")
    return (
        f'<object xsi:type="file">{_identifier("object", "file", file.path)}'
        f"<objectCharacteristics>{fixity}{_tag('size', str(file.size))}"
        f"<format><formatDesignation>{kind}</formatDesignation></format></objectCharacteristics>"
        f"{_relation('structural', 'is part of', 'exhibit number', about.number)}</object>\n"
    )


def _event(entry: Kept, values: dict[str, Any], about: About | None) -> str:
    fields = entry.fields
    details = "".join(
        f"<eventDetailInformation>{_tag('eventDetail', f'{name}: {text(value)}')}"
        "</eventDetailInformation>"
        for name, value in (("entry", entry.index), *sorted(values.items()))
        if name not in ("actor_name", "organisation", "country")
    )
    reason = fields.get("reason")
    note = (
        f"<eventOutcomeDetail>{_tag('eventOutcomeDetailNote', str(reason))}</eventOutcomeDetail>"
        if reason
        else ""
    )
    return (
        f"<event>{_identifier('event', 'UUID', fields['id'])}{_tag('eventType', fields['type'])}"
        f"{_tag('eventDateTime', fields['at'])}{details}"
        f"<eventOutcomeInformation>{_tag('eventOutcome', fields['outcome'])}{note}"
        "</eventOutcomeInformation>"
        f"{_link('Agent', 'UUID', fields['actor']['id'], fields['actor']['role'])}"
        f"{_link('Agent', 'software', fields['by'], 'executing program')}"
        f"{_link('Object', 'exhibit number', about.number, '') if about else ''}</event>\n"
    )


def _actor(actor: dict[str, Any], name: str, organisation: str) -> str:
    return (
        f"<agent>{_identifier('agent', 'UUID', actor['id'])}"
        f"{_tag('agentName', name) if name else ''}{_tag('agentType', 'person')}"
        f"{_tag('agentNote', organisation) if organisation else ''}</agent>\n"
    )


def _software(by: str) -> str:
    return (
        f"<agent>{_identifier('agent', 'software', by)}{_tag('agentName', by)}"
        f"{_tag('agentType', 'software')}</agent>\n"
    )


def _right(number: int, said: str, on: Iterable[str]) -> str:
    links = "".join(_link("Object", "exhibit number", one, "") for one in on)
    return (
        "<rights><rightsStatement>"
        f"{_identifier('rightsStatement', 'authority', str(number))}"
        f"{_tag('rightsBasis', 'other')}<otherRightsInformation>"
        f"{_tag('otherRightsBasis', 'authority as declared')}{_tag('otherRightsNote', said)}"
        f"</otherRightsInformation>{links}</rightsStatement></rights>\n"
    )


def _relation(kind: str, subtype: str, of: str, value: str) -> str:
    return (
        f"<relationship>{_tag('relationshipType', kind)}{_tag('relationshipSubType', subtype)}"
        f"{_identifier('relatedObject', of, value)}</relationship>"
    )


def _link(to: str, kind: str, value: str, role: str) -> str:
    named = f"linking{to}"
    return (
        f"<{named}Identifier>{_tag(f'{named}IdentifierType', kind)}"
        f"{_tag(f'{named}IdentifierValue', value)}"
        f"{_tag(f'{named}Role', role) if role else ''}</{named}Identifier>"
    )


def _identifier(of: str, kind: str, value: str) -> str:
    return (
        f"<{of}Identifier>{_tag(f'{of}IdentifierType', kind)}"
        f"{_tag(f'{of}IdentifierValue', value)}</{of}Identifier>"
    )


def _tag(name: str, value: str) -> str:
    shown = _NOT_XML.sub(lambda found: f"U+{ord(found[0]):04X}", value)
    return f"<{name}>{escape(shown)}</{name}>"
