"""ProofMode: stated digests and OpenPGP signatures, over media and proofs."""

import hashlib
import io
import json

import pytest

from ingest.extraction import Fact, Format, Found, Seal
from ingest.extractors import proofmode
from ingest.readers import openpgp
from ingest.readers.members import Unreadable
from tests.make_archives import zipped

# Made by GnuPG 2.2 over MEDIA: keys of the test's own, signatures of {RSA 2048, Ed25519}.
MEDIA = b"evidence photo"
SIGNATURES = {
    "rsa": """-----BEGIN PGP SIGNATURE-----

iQFCBAABCgAsFiEEx8y23G2cHgcNI3TM4rCPAqftgwoFAmsIt08OHHBAZXhhbXBs
ZS5vcmcACgkQ4rCPAqftgwohkQgAtzMiskfDDUeq+cDAnk4frrl+lXRn+0QdD+yP
TpOgqLJxL2LIMaIyWbBlrnCVZKkrBK3JSnuEC1zljFxKMjKZ8umOX29Qaf8SEF7L
++bJjIOASnpoQztKruvI6ROR8k/mYYzVY2GZM39IOMwkUVkf5U+LU0SchQTOLM4I
f/aVGRf4GkmJhZdz2EOynSIMCAox1aU1wVEl6utthSH/WxYhjWVZX6kavyifYKnY
/5w+HH5CIsEE8euL0mcTaszCN/7e8TCsHVXDD7ZHR+u2wcY+WXS3jOfMRZlJcByY
MWZ7SW9IOvYkFZeO3t5a0sd+Y41X5zvEdcO57oekYnXImLPgAQ==
=2HT9
-----END PGP SIGNATURE-----
""",
    "ed25519": """-----BEGIN PGP SIGNATURE-----

iIQEABYIACwWIQSuFXqa2VIReqezNJkv9iBLbPThkQUCawi3Tw4ccEBleGFtcGxl
Lm9yZwAKCRAv9iBLbPThkawDAQCZ9jSITXLjSgk3JW5tXEGcnprfNXCXdO3O//ZF
NfDzFAD+IMWY5MXxvZaplmYEj+9naFYeuDe4DgJkJFq68TEN5Qw=
=Oq6M
-----END PGP SIGNATURE-----
""",
}
KEYS = {
    "rsa": """-----BEGIN PGP PUBLIC KEY BLOCK-----

mQENBGsIt08BCADx10JAuJw/h0p/ODPj7auNBbjBdn5bZHV/qtPfpYJCIgQZXlDI
Ne0X7rZN8YH+fGRSbBcPQ01KyzSDlENPmDnSnvKG34tmQN1Xd6bcjCtlq5NUkWpI
de9Co8byz+PG6jgiNMzhbscaduTWPjN6EpRC9htabQfFNfBE5C15T2aM+7I4LP5f
1Qq/cHApiEahc2DViEkfRkO+BlYA0P13TxvExWpTbUUSR+kbIGBkzRawDYfwjfPu
PhJklgh3JwlbdJzBaOMoW+xMCWT4PvVYisi9grK1artpCHi5Q//FO8TJAFFGUX3I
47CZVrJYzb5fJ/W+KksuZvOVH2fSpXRhGpPPABEBAAG0HXByb29mLXJzYTIwNDgg
PHBAZXhhbXBsZS5vcmc+iQFOBBMBCgA4FiEEx8y23G2cHgcNI3TM4rCPAqftgwoF
AmsIt08CGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ4rCPAqftgwrPsQgA
t5r0Sz0o2DwjRAq+KyJFuQzsCbKEeTCus/bPt02T8Ti3TUOsDDOBlVVs91B1BEkq
vxHznv+xyPwPqaOTx3998IPLVjL07IRNwh4K5NO43jvqtMi9UWW3D2EZo/5a1uFr
JxiHd9OOqV488cnUih/V7ofGUndaiBEzpV4II8KjpJtEqMcqgFeuXiQcqjSIBw0R
pG88ZvZf4tpM93Ci1OTBo7AzH1Spbcq3gbDDgrAuLKHqIomjF7Kyfcb2KDdGuoGc
h7dmY3VUwS0hiTPZesnq8lwLXrTQrSIA16geAJ8SbUCHKm3WDltWeD7Shd9aqoVl
M8/oxIrorWglAMS/cL6Mww==
=B3K+
-----END PGP PUBLIC KEY BLOCK-----
""",
    "ed25519": """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawi3TxYJKwYBBAHaRw8BAQdAlPW/VjElYuvcD57iZ/KOaUJXln8pY6AsjZui
d465EO+0HXByb29mLWVkMjU1MTkgPHBAZXhhbXBsZS5vcmc+iJAEExYIADgWIQSu
FXqa2VIReqezNJkv9iBLbPThkQUCawi3TwIbAwULCQgHAgYVCgkICwIEFgIDAQIe
AQIXgAAKCRAv9iBLbPThkRHhAQDbRQoqIH0M6FBw3shAg61k5YnDvf4ICrEuPqK2
jqFdCwEA2uO+HnNtQVtIuAXf6MsCTI0Lzbxq9BbZgBFET8THMQc=
=fvC+
-----END PGP PUBLIC KEY BLOCK-----
""",
}
DIGEST = hashlib.sha256(MEDIA).hexdigest()
PROOF = {
    "File Hash SHA256": DIGEST,
    "Manufacturer": "Google",
    "Hardware": "Pixel 6",
    "DeviceID": "abc",
    "Location.Latitude": "50.4501",
    "Location.Longitude": "30.5234",
    "Location.Time": "1714548600000",
    "Proof Generated": "2024-05-01T07:30:00Z",
}


def bundle(kind="rsa", *, media=MEDIA, proof=None, csv=False, key=True):
    stated = json.dumps(PROOF if proof is None else proof).encode()
    if csv:
        stated = (",".join(PROOF) + "\n" + ",".join(PROOF.values()) + "\n").encode()
    members = [
        ("photo.jpg", media),
        (f"{DIGEST}.proof.{'csv' if csv else 'json'}", stated),
        (f"{DIGEST}.asc", SIGNATURES[kind].encode()),
        ("photo.jpg.asc", SIGNATURES[kind].encode()),
    ]
    return zipped([*members, ("pubkey.asc", KEYS[kind].encode())] if key else members)


def read(content):
    what = Format("application/zip", "", "", False, "single", ())
    return list(proofmode.extract(io.BytesIO(content), Found(what)))


def seals(items):
    return sorted((item.kind, item.verdict) for item in items if isinstance(item, Seal))


@pytest.mark.parametrize("csv", [False, True])
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_sound_proof_states_its_digest_and_is_signed_by_a_key_nobody_vouches_for(kind, csv):
    items = read(bundle(kind, csv=csv))
    assert seals(items) == [
        ("ProofMode SHA-256", "valid"),
        ("ProofMode signature", "untrusted"),
        ("ProofMode signature", "untrusted"),
    ]
    said = {item.name: item.value for item in items if isinstance(item, Fact)}
    assert said["ProofMode:Position"] == "50.4501 30.5234"
    assert said["ProofMode:LocationTime"] == "2024-05-01T07:30:00.000Z"
    assert len(said["ProofMode:KeyFingerprint"]) == 40


def test_media_changed_after_the_proof_breaks_digest_and_signature():
    found = seals(read(bundle(media=b"another photo!")))
    assert ("ProofMode SHA-256", "broken") in found
    assert ("ProofMode signature", "broken") in found
    assert ("ProofMode signature", "not-checked") in found  # named by the digest of what is gone


def test_without_the_key_the_signature_is_not_checked_and_never_valid():
    found = seals(read(bundle(key=False)))
    assert found.count(("ProofMode signature", "not-checked")) == 2


def test_a_proof_that_cannot_be_read_is_a_problem_and_the_others_go_on():
    items = read(bundle(proof=[]))
    assert ("ProofMode SHA-256", "valid") in seals(items)  # by the name of the proof


@pytest.mark.parametrize("at", range(40, 480, 11))
def test_no_changed_byte_of_a_signature_holds_or_escapes_as_an_exception(at):
    changed = bytearray(SIGNATURES["rsa"].encode())
    changed[at] = 65 if changed[at] != 65 else 66
    keys = openpgp.read_keys(KEYS["rsa"].encode())
    try:
        signature = openpgp.read_signature(bytes(changed))
        holds = openpgp.verify(signature, keys, [MEDIA]) is not None
    except Unreadable:
        holds = False
    if holds:  # what it holds by is as it was: the change fell where nothing is signed
        sound = openpgp.read_signature(SIGNATURES["rsa"].encode())
        assert (signature.hashed, signature.material) == (sound.hashed, sound.material)
