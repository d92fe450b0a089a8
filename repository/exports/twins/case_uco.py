"""The custody as CASE/UCO JSON-LD (CASE 1.x): actions, provenance records, files, authorizations.

Each entry is an `InvestigativeAction`; each exhibit a `ProvenanceRecord` with its number, that of
its root, and its files. Written piece by piece: the graph may be long.
"""

import json
import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from repository.exports.gathered import Gathered
from repository.exports.kept import Kept
from repository.exports.twins.facts import About, events, exhibits, text

CONTEXT = {
    "kb": "urn:evidence:",
    "investigation": "https://ontology.caseontology.org/case/investigation/",
    "action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_HASHES = {"sha256": "SHA256", "sha512": "SHA512", "sha384": "SHA384", "sha1": "SHA1", "md5": "MD5"}
_SPACE = uuid.UUID("4e0c4a9a-5a0b-5d3e-9b7d-8f0f5a2a7b11")  # ours, for names made of others


def document(found: Gathered) -> Iterator[bytes]:
    """Yield the document, one node of its graph a line."""
    yield b'{"@context":' + _line(CONTEXT) + b',\n"@graph":[\n'
    every = exhibits(found)
    numbers = {one.id: one for one in every}
    for one in every:
        yield from (_line(node) + b",\n" for node in _exhibit(one))
    seen: set[str] = set()
    rights: dict[str, str] = {}
    for entry, values in events(found):
        about = numbers.get(entry.fields.get("exhibit", {}).get("id", ""))
        for node in _agents(entry, values):
            if node["@id"] not in seen:
                seen.add(node["@id"])
                yield _line(node) + b",\n"
        if "authority" in values:
            said = text(values["authority"])
            if said not in rights:
                rights[said] = _name("authorization", said)
                yield _line(_authorization(rights[said], said)) + b",\n"
        yield _line(_action(entry, values, about)) + b",\n"
    yield _line(_investigation(found, sorted(rights.values()))) + b"\n]}\n"


def _exhibit(about: About) -> Iterator[dict[str, Any]]:
    for file in about.files:
        hashes = [
            {
                "@id": _name("hash", f"{about.id} {file.part} {name}"),
                "@type": "types:Hash",
                "types:hashMethod": _HASHES[name],
                "types:hashValue": {"@type": "xsd:hexBinary", "@value": value},
            }
            for name, value in file.digests.items()
            if name in _HASHES
        ]
        data = {
            "@id": _name("content", f"{about.id} {file.part}"),
            "@type": "observable:ContentDataFacet",
            "observable:hash": hashes,
            "observable:sizeInBytes": {"@type": "xsd:integer", "@value": str(file.size)},
            **({"observable:mimeType": about.mime} if about.mime else {}),
        }
        names = {
            "@id": _name("name", f"{about.id} {file.part}"),
            "@type": "observable:FileFacet",
            "observable:fileName": about.told.get("name", file.path.rpartition("/")[2]),
            "observable:filePath": file.path,
            "observable:sizeInBytes": {"@type": "xsd:integer", "@value": str(file.size)},
        }
        yield {
            "@id": _file(about, file.part),
            "@type": "observable:File",
            "core:hasFacet": [names, data],
        }
    said = "; ".join(f"{name}: {value}" for name, value in about.told.items())
    yield {
        "@id": _record(about),
        "@type": "investigation:ProvenanceRecord",
        "core:name": about.number,
        "core:description": said or "nothing is declared of it, or nothing that goes along",
        "investigation:exhibitNumber": about.number,
        "investigation:rootExhibitNumber": about.root,
        "core:object": [{"@id": _file(about, file.part)} for file in about.files],
    }


def _agents(entry: Kept, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    actor = entry.fields["actor"]
    yield {
        "@id": _actor(entry),
        "@type": "identity:Identity",
        "core:name": text(values.get("actor_name")) or str(actor["id"]),
        "core:description": ", ".join(
            filter(None, (str(actor["role"]), text(values.get("organisation"))))
        ),
    }
    name, _, version = str(entry.fields["by"]).rpartition(" ")
    yield {
        "@id": _name("tool", entry.fields["by"]),
        "@type": "tool:Tool",
        "core:name": name or version,
        "tool:version": version,
    }


def _action(entry: Kept, values: dict[str, Any], about: About | None) -> dict[str, Any]:
    fields = entry.fields
    said = [
        f"entry {entry.index} of the custody ledger ({fields['id']})",
        f"outcome {fields['outcome']}",
    ]
    said += [f"reason {fields['reason']}"] if "reason" in fields else []
    said += [
        f"{name}: {text(value)}"
        for name, value in values.items()
        if name not in ("actor_name", "organisation", "country")
    ]
    about_it = [{"@id": _record(about)}] if about else []
    files = [{"@id": _file(about, file.part)} for file in about.files] if about else []
    return {
        "@id": _name("action", fields["id"]),
        "@type": "investigation:InvestigativeAction",
        "core:name": fields["type"],
        "core:description": "; ".join(said),
        "action:startTime": _time(fields.get("occurred_at", fields["at"])) or _time(fields["at"]),
        "action:endTime": _time(fields["at"]),
        "action:performer": {"@id": _actor(entry)},
        "action:instrument": [{"@id": _name("tool", fields["by"])}],
        **({"action:object": files} if files else {}),
        **({"action:result": about_it} if about_it else {}),
    }


def _authorization(name: str, said: str) -> dict[str, Any]:
    return {
        "@id": name,
        "@type": "investigation:Authorization",
        "core:description": said,
        "investigation:authorizationIdentifier": said,
    }


def _investigation(found: Gathered, rights: list[str]) -> dict[str, Any]:
    return {
        "@id": _name("investigation", found.job.case.id),
        "@type": "investigation:Investigation",
        "core:name": found.job.case.code,
        "core:description": f"report {found.job.request_id}, tree of {found.size} entries",
        **(
            {"investigation:relevantAuthorization": [{"@id": one} for one in rights]}
            if rights
            else {}
        ),
    }


def _time(value: object) -> dict[str, str] | None:
    """Return a time; a date alone, as one may be declared, is none."""
    said = str(value)
    return {"@type": "xsd:dateTime", "@value": said} if "T" in said else None


def _actor(entry: Kept) -> str:
    return _name("identity", str(entry.fields["actor"]["id"]))


def _record(about: About) -> str:
    return _name("provenance", about.id)


def _file(about: About, part: int) -> str:
    return _name("file", f"{about.id} {part}")


@lru_cache(maxsize=10_000)
def _name(kind: str, of: str) -> str:
    """Return a name made of another: UCO takes UUIDs of older versions than ours alone."""
    return f"kb:{kind}-{uuid.uuid5(_SPACE, f'{kind} {of}')}"


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
