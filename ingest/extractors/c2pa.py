"""C2PA manifests (Content Credentials): do they hold, who made them, with which edits; offline.

A manifest that holds is `untrusted`: no anchors are configured, so anyone may have signed it. One
whose hashes or signature do not fit is `broken`. A manifest that lies on a server is not fetched:
its address is a fact and the seal is `not-checked`. Nothing here says whether a picture is true.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from ingest.extraction import Fact, Found, Item, Problem, Seal
from ingest.normalise import fact, identifiers, times
from ingest.readers import pictures, tracks
from ingest.readers.blocks import Block, read_at

library: Any
MISSING = ""
try:
    import c2pa

    library = c2pa
except Exception as error:  # noqa: BLE001  (no wheel for this machine, or one that does not load)
    library = None
    MISSING = f"the library c2pa is not here ({type(error).__name__})"

NAME = "c2pa"
VERSION = f"c2pa {library.sdk_version()}" if library is not None else "c2pa 0 (not installed)"
FORMATS = frozenset(
    {
        "image/jpeg", "image/png", "image/apng", "image/webp", "image/avif", "image/heic",
        "image/heif", "image/tiff", "image/x-adobe-dng", "image/svg+xml", "video/mp4",
        "video/quicktime", "audio/mp4", "audio/x-m4a", "audio/mpeg", "audio/x-wav", "audio/wav",
        "video/x-msvideo",
    }
)  # fmt: skip
# A JPEG of our own with what looks like the beginning of a manifest, and is none.
SAMPLE = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    b"\xff\xeb\0\x12JP\0\1\0\0\0\1\0\0\0\x08jumb\xff\xd9"
)

KIND = "c2pa"
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_UNTRUSTED = "signingCredential.untrusted"
_MOST_MANIFESTS = 50
_MOST_ACTIONS = 200
_MOST_INGREDIENTS = 200
_SHOWN = 1000


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the seal of a file's own manifest, and what that manifest says."""
    if library is None:
        if _present(file):
            yield Seal(KIND, "not-checked", f"a manifest is there; {MISSING}")
        return
    try:
        context = library.Context(library.Settings.from_dict(_SETTINGS))
        reader = library.Reader(file, context=context)
    except library.C2paError as error:
        yield from _unread(file, str(error))
        return
    try:
        store = json.loads(reader.json())
        state = str(reader.get_validation_state())
    except (library.C2paError, ValueError, RecursionError) as error:
        yield Seal(KIND, "not-checked", "a manifest is there and cannot be read")
        yield Problem(f"C2PA: {type(error).__name__}: {error}"[:200])
        return
    finally:
        reader.close()
    manifests = store.get("manifests") or {}
    active = manifests.get(store.get("active_manifest")) or {}
    yield _seal(store, state, active)
    yield from _said(active)
    if len(manifests) > 1:
        yield _text("ManifestCount", len(manifests))
    if len(manifests) > _MOST_MANIFESTS:
        yield Problem(f"C2PA: {len(manifests)} manifests", incomplete=False)


def _unread(file: BinaryIO, error: str) -> Iterator[Item]:
    """Yield what is to be said where no manifest could be read."""
    if error.startswith("Remote:"):
        address = error.rpartition("url ")[2].strip()[:_SHOWN]
        source = f"{VERSION} remote manifest"
        yield fact("C2PA:RemoteManifestURL", address, source, identifiers.url(address))
        yield Seal(KIND, "not-checked", "the manifest lies on a server, which is not asked")
    elif _present(file):
        yield Seal(KIND, "not-checked", f"a manifest is there and cannot be read: {error}"[:500])
    elif error.startswith("ManifestNotFound"):
        yield Seal(KIND, "absent", "no manifest in the file")
    # Else the library does not read such a file, and nothing in it looks like a manifest.


def _present(file: BinaryIO) -> bool:
    """Return whether a container of ours carries what looks like a manifest."""
    if read_at(file, 4, 4) == b"ftyp" and tracks.film(file).c2pa:
        return True
    return any(isinstance(one, Block) and one.kind == "c2pa" for one in pictures.blocks(file))


def _seal(store: dict[str, Any], state: str, active: dict[str, Any]) -> Seal:
    results = (store.get("validation_results") or {}).get("activeManifest") or {}
    failed = sorted({str(one.get("code")) for one in results.get("failure") or []})
    signature = active.get("signature_info") or {}
    who = f"signer by the certificate: {signature.get('common_name') or 'not named'}"
    who += f", {signature.get('issuer') or 'no issuer'}"
    others = [code for code in failed if not code.endswith(".untrusted")]
    codes = f" ({', '.join(failed)[:400]})" if failed else ""
    if state == "Trusted":
        return Seal(KIND, "valid", f"the manifest holds and its signer is trusted; {who}{codes}")
    if state == "Valid" and not others:
        return Seal(
            KIND, "untrusted", f"the manifest holds; nobody vouches for its signer; {who}{codes}"
        )
    if state == "Invalid" or others:
        return Seal(
            KIND, "broken", f"the manifest does not fit the file or its signature; {who}{codes}"
        )
    return Seal(KIND, "not-checked", f"state {state[:80]}; {who}{codes}")


def _text(tag: str, value: object) -> Fact:
    text = str(value)[:_SHOWN]
    return Fact(f"C2PA:{tag}", text, text, VERSION)


def _said(active: dict[str, Any]) -> Iterator[Item]:
    generators = active.get("claim_generator_info") or []
    made = ", ".join(
        f"{one.get('name', '')} {one.get('version', '')}".strip() for one in generators[:10]
    )
    made = made or str(active.get("claim_generator") or "")
    if made:
        yield _text("ClaimGenerator", made)
    for key, tag in (("title", "Title"), ("format", "Format"), ("instance_id", "InstanceID")):
        if active.get(key):
            yield _text(tag, active[key])
    signature = active.get("signature_info") or {}
    for key, tag in (("common_name", "Signer"), ("issuer", "SignatureIssuer"),
                     ("cert_serial_number", "CertificateSerial")):  # fmt: skip
        if signature.get(key):
            yield _text(tag, signature[key])
    if signature.get("time"):
        moment = str(signature["time"])
        yield fact("C2PA:SignatureTime", moment, f"{VERSION} signature", times.iso(moment))
    for assertion in active.get("assertions") or []:
        yield from _assertion(assertion)
    for one in (active.get("ingredients") or [])[:_MOST_INGREDIENTS]:
        yield _text(
            "Ingredient", f"{one.get('title') or 'untitled'} ({one.get('relationship', '')})"
        )


def _assertion(assertion: dict[str, Any]) -> Iterator[Item]:
    data = assertion.get("data")
    label = str(assertion.get("label"))
    if not isinstance(data, dict):
        return
    if label.startswith("c2pa.actions"):
        for action in (data.get("actions") or [])[:_MOST_ACTIONS]:
            yield from _action(action)
    elif label == "stds.schema-org.CreativeWork":
        for author in (data.get("author") or [])[:20]:
            if isinstance(author, dict) and author.get("name"):
                yield _text("Author", author["name"])


def _action(action: dict[str, Any]) -> Iterator[Item]:
    agent = action.get("softwareAgent")
    agent = agent.get("name") if isinstance(agent, dict) else agent
    parts = [str(action.get("action", ""))]
    parts += [f"by {agent}"] if agent else []
    kind = str(action.get("digitalSourceType") or "").strip().rpartition("/")[2]
    parts += [f"source {kind}"] if kind else []
    yield _text("Action", " ".join(parts))
    if action.get("when"):
        moment = str(action["when"])[:100]
        source = f"{VERSION} {parts[0]}"[:200]
        yield fact("C2PA:ActionTime", moment, source, times.iso(moment))
