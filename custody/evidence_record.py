"""RFC 4998 evidence records as ASN.1: asn1crypto's own types lack the level of chains."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from asn1crypto import algos, cms, core, tsp

from custody.errors import MalformedEvidenceRecord

_OIDS = {
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3_256": "2.16.840.1.101.3.4.2.8",
    "sha3_384": "2.16.840.1.101.3.4.2.9",
    "sha3_512": "2.16.840.1.101.3.4.2.10",
}
_NAMES = {oid: name for name, oid in _OIDS.items()}


class _Algorithm(core.Sequence):  # type: ignore[misc]  # asn1crypto carries no types
    _fields: ClassVar[Any] = [
        ("algorithm", core.ObjectIdentifier),
        ("parameters", core.Any, {"optional": True}),
    ]


class _Hashes(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class _Tree(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Hashes


class _Stamp(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[Any] = [
        ("digest_algorithm", _Algorithm, {"implicit": 0, "optional": True}),
        ("attributes", cms.CMSAttributes, {"implicit": 1, "optional": True}),
        ("reduced_hashtree", _Tree, {"implicit": 2, "optional": True}),
        ("time_stamp", core.Any),
    ]


class _Chain(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Stamp


class _Chains(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Chain


class _Algorithms(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Algorithm


class _Record(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[Any] = [
        ("version", core.Integer),
        ("digest_algorithms", _Algorithms),
        ("crypto_infos", tsp.Attributes, {"implicit": 0, "optional": True}),
        ("encryption_info", tsp.EncryptionInfo, {"implicit": 1, "optional": True}),
        ("chains", _Chains),
    ]


@dataclass(frozen=True, slots=True)
class ArchiveTimeStamp:
    """One time-stamp of a chain: the hash lists under it, and the token (DER of its ContentInfo).

    `algorithm` is the name of the hash; `tree` is empty where the token covers one hash alone.
    """

    algorithm: str
    tree: tuple[tuple[bytes, ...], ...]
    token: bytes
    time: datetime
    imprint: bytes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """The chains of a record, oldest first; `before` is the DER of all chains before each one."""

    chains: tuple[tuple[ArchiveTimeStamp, ...], ...]
    before: tuple[bytes, ...]


def parse(der: bytes) -> EvidenceRecord:
    """Read an evidence record.

    Raises:
        MalformedEvidenceRecord: not one, or nothing in it.
    """
    try:
        record = _Record.load(der, strict=True)
        if record["version"].native != 1:
            raise MalformedEvidenceRecord("an evidence record of another version than 1")
        raw = list(record["chains"])
        chains = tuple(tuple(_stamp(one) for one in chain) for chain in raw)
        before = tuple(_Chains(raw[:count]).dump() for count in range(len(raw)))
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
        raise MalformedEvidenceRecord(f"this is no evidence record: {error}") from error
    if not chains or not all(chains):
        raise MalformedEvidenceRecord("an evidence record has at least one time-stamp in a chain")
    return EvidenceRecord(chains, before)


def build(chains: Sequence[Sequence[ArchiveTimeStamp]]) -> bytes:
    """Return the DER of a record with these chains."""
    names = sorted({stamp.algorithm for chain in chains for stamp in chain})
    return bytes(
        _Record(
            {
                "version": 1,
                "digest_algorithms": [_algorithm(name) for name in names],
                "chains": _sequence(chains),
            }
        ).dump()
    )


def chains_der(chains: Sequence[Sequence[ArchiveTimeStamp]]) -> bytes:
    """Return the DER of the sequence of chains: what a hash-tree renewal covers (§5.2)."""
    return bytes(_sequence(chains).dump())


def stamp_of(algorithm: str, tree: Sequence[Sequence[bytes]], token: bytes) -> ArchiveTimeStamp:
    """Return a time-stamp with what its token says.

    Raises:
        MalformedEvidenceRecord: the token is none.
    """
    try:
        _, imprint, time = _token(token)
    except (ValueError, TypeError, KeyError) as error:
        raise MalformedEvidenceRecord(f"this is no time-stamp token: {error}") from error
    lists = tuple(tuple(one) for one in tree)
    return ArchiveTimeStamp(algorithm, lists, token, time, imprint)


def _sequence(chains: Sequence[Sequence[ArchiveTimeStamp]]) -> _Chains:
    return _Chains([_Chain([_asn1(one) for one in chain]) for chain in chains])


def _asn1(stamp: ArchiveTimeStamp) -> _Stamp:
    fields = {
        "digest_algorithm": _algorithm(stamp.algorithm),
        "time_stamp": core.Any.load(stamp.token),  # its bytes as they are: never re-encoded
    }
    if stamp.tree:
        fields["reduced_hashtree"] = _Tree([_Hashes(list(one)) for one in stamp.tree])
    return _Stamp(fields)


def _algorithm(name: str) -> _Algorithm:
    return _Algorithm({"algorithm": _OIDS[name]})


def _stamp(found: _Stamp) -> ArchiveTimeStamp:
    token = found["time_stamp"].dump()
    imprinted, imprint, time = _token(token)
    algorithm = found["digest_algorithm"]
    name = imprinted if not algorithm.native else _NAMES[algorithm["algorithm"].dotted]
    tree = found["reduced_hashtree"]
    lists = () if not tree.native else tuple(tuple(h.native for h in one) for one in tree)
    return ArchiveTimeStamp(name, lists, bytes(token), time, imprint)


def _token(token: bytes) -> tuple[str, bytes, datetime]:
    """Return the hash, the imprint and the time that a token states, unverified."""
    content = cms.ContentInfo.load(token, strict=True)
    if content["content_type"].native != "signed_data":
        raise MalformedEvidenceRecord("a time-stamp token is signed data")
    info = tsp.TSTInfo.load(content["content"]["encap_content_info"]["content"].parsed.dump())
    imprint = info["message_imprint"]
    oid = algos.DigestAlgorithmId.unmap(imprint["hash_algorithm"]["algorithm"].native)
    name = _NAMES.get(oid)
    if name is None:
        raise MalformedEvidenceRecord(f"the hash algorithm {oid} is not known here")
    time = info["gen_time"].native.astimezone(UTC)
    return name, imprint["hashed_message"].native, time
