"""A little builder of good bundles and receipts, from docs/format.md alone.

It shares no code with `custody/`: the verifier is tested against the page, not against ourselves.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import md5, new, sha256
from json import dumps
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

ORIGIN = "log.example/custody"
CHUNK = 1_048_576
CLOSING = "ledger/closing.json"
REQUEST = "0193d1f0-0000-7000-8000-00000000aaaa"
SUBMISSION = "SUB-0193d1f0-0000-7000-8000-00000000bbbb"
SALT = "00112233445566778899aabbccddeeff"


def canonical(value):
    """RFC 8785 for keys of ASCII letters, which are all that is built here."""
    return dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def tree_hash(leaves):
    """RFC 6962 §2.1 by its own recursion, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def path_of(index, leaves):
    """RFC 6962 §2.1.1 by its own recursion: the leaf's sibling first."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_of(index, leaves[:split]), tree_hash(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), tree_hash(leaves[:split])]


def leaf_of(data):
    return sha256(b"\0" + data).digest()


class Signer:
    """A key of the log (type 1) or of a witness (types 4 and 6), and the lines it signs."""

    def __init__(self, name=ORIGIN, kind=1, seed=1):
        self.name, self.kind = name, kind
        made = (
            MLDSA44PrivateKey.from_seed_bytes if kind == 6 else Ed25519PrivateKey.from_private_bytes
        )
        self.private = made(bytes([seed]) * 32)
        blob = bytes([kind]) + self.private.public_key().public_bytes_raw()
        self.key_id = sha256(name.encode() + b"\n" + blob).digest()[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{b64encode(blob).decode()}"

    def line(self, body, at=1_800_000_000):
        moment = b"" if self.kind == 1 else at.to_bytes(8, "big")
        message = body.encode()
        if self.kind == 4:
            message = f"cosignature/v1\ntime {at}\n{body}".encode()
        if self.kind == 6:
            message = subtree_message(self.name, at, *body.split("\n")[:3])
        signed = self.key_id + moment + self.private.sign(message)
        return f"\u2014 {self.name} {b64encode(signed).decode()}\n"


def subtree_message(name, at, origin, size, root):
    """What an ML-DSA-44 cosigner signs (docs/format.md section 4.1)."""
    said = [bytes([len(text)]) + text for text in (name.encode(), origin.encode())]
    numbers = [number.to_bytes(8, "big") for number in (at, 0, int(size))]
    return b"".join(
        [b"subtree/v1\n\0", said[0], numbers[0], said[1], *numbers[1:], b64decode(root)]
    )


def checkpoint_body(leaves, origin=ORIGIN):
    return f"{origin}\n{len(leaves)}\n{b64encode(tree_hash(leaves)).decode()}\n"


def proof_text(index, leaves, checkpoint):
    hashes = "".join(b64encode(value).decode() + "\n" for value in path_of(index, leaves))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint}"


def commitment(value, salt=SALT):
    return "sha256:" + sha256(bytes.fromhex(salt) + canonical(value).encode()).hexdigest()


def chunk_facts(content):
    chunks = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    root = tree_hash([leaf_of(sha256(chunk).digest()) for chunk in chunks])
    return {"size": CHUNK, "count": len(chunks), "root": "sha256:" + root.hex()}


def uuid(number):
    return f"0193d1f0-0000-7000-8000-{number:012x}"


@dataclass
class World:
    """A log with exhibits, whose parts a test may change before it is written."""

    contents: list[list[bytes]] = field(default_factory=lambda: [[b"evidence"], [b"second"]])
    witnesses: list[Signer] = field(default_factory=list)
    more_lines: str = ""
    policy: str = ""
    log: Signer = field(default_factory=Signer)
    house: dict = field(default_factory=dict)  # changes of the last entry, which is the house's
    tokens: list[bytes] = field(default_factory=list)
    parts_in_entry: int = 40
    change_body: Callable | None = None  # (index, fields) -> None, before anything is signed

    def __post_init__(self):
        self.exhibits, self.bodies = [], []
        self.files = {}
        for number, parts in enumerate(self.contents, 1):
            self._register(number, parts)
        self._append({"type": "service_started", "outcome": "done"})
        for exhibit in self.exhibits:
            self._act(exhibit, "consultation", "done", {"_sd": {"note": commitment("a note")}})
        for exhibit in self.exhibits:
            self._act(exhibit, "dissemination", "started", {"request_id": REQUEST})
        house = {"type": "report_generated", "outcome": "started", "request_id": REQUEST}
        self._append({**house, "count": len(self.exhibits), **self.house})
        self.sign()

    def sign(self):
        self.leaves = [leaf_of(body.encode()) for body in self.bodies]
        body = checkpoint_body(self.leaves)
        lines = [signer.line(body) for signer in [self.log, *self.witnesses]]
        self.checkpoint = f"{body}\n{''.join(lines)}{self.more_lines}"
        self.own_note = f"{body}\n{lines[0]}"  # what time-stamps date
        self.trust = {
            "v": 1, "kind": "evidence-trust", "origin": ORIGIN, "tsa_roots": [],
            "keys": [{"vkey": self.log.vkey, "from": 0, "to": None}],
        }  # fmt: skip

    def _append(self, fields):
        index = len(self.bodies)
        fields = {
            "v": 1,
            "id": uuid(index),
            "at": "2026-11-20T22:26:53.123Z",
            "salt": SALT,
            **fields,
        }
        if self.change_body:
            self.change_body(index, fields)
        self.bodies.append(canonical(fields))
        return index

    def _act(self, exhibit, kind, outcome, more):
        exhibit["last_seq"] += 1
        about = {name: exhibit[name] for name in ("id", "number", "sha256", "size")}
        about["seq"] = exhibit["last_seq"]
        return self._append({"type": kind, "outcome": outcome, "exhibit": about, **more})

    def _register(self, number, parts):
        name = f"KRN-{number:06d}"
        whole = b"".join(parts)
        names = [f"data/{name}.{place}.bin" for place in range(1, len(parts) + 1)]
        known_by = "sha256:" + sha256(whole).hexdigest()
        if len(parts) > 1:
            listed = ["sha256:" + sha256(part).hexdigest() for part in parts]
            known_by = "sha256:" + sha256(canonical(listed).encode()).hexdigest()
        exhibit = {
            "number": name, "id": uuid(0x1000 + number), "size": len(whole),
            "sha256": known_by, "last_seq": 0,
            "files": [f"data/{name}.bin"] if len(parts) == 1 else names,
        }  # fmt: skip
        told = []
        for place, content in enumerate(parts, 1):
            digests = {
                kind: f"{kind}:{new(kind, content).hexdigest()}" for kind in ("sha256", "sha512")
            }
            digests["md5"] = "md5:" + md5(content).hexdigest()
            told.append({"part": place, "digests": digests, "chunks": chunk_facts(content)})
            self.files[exhibit["files"][place - 1]] = content
        self._act(exhibit, "submission", "done", {})
        lots = [
            told[at : at + self.parts_in_entry] for at in range(0, len(told), self.parts_in_entry)
        ]
        count = {"count": len(told)} if len(lots) > 1 else {}
        places = [
            self._act(exhibit, "registration", "done", {"parts": lot, **count}) for lot in lots
        ]
        exhibit["registration"] = places[0]
        self.exhibits.append(exhibit)

    def entry(self, index):
        proof = proof_text(index, self.leaves, self.checkpoint)
        openings = {}
        if '"note"' in self.bodies[index]:
            openings = {"note": {"salt": SALT, "value": "a note"}}
        return {"index": index, "body": self.bodies[index], "proof": proof, "openings": openings}

    def custody(self):
        return {
            "v": 1, "request_id": REQUEST, "tree_size": len(self.bodies), "left_out": [],
            "exhibits": deepcopy(self.exhibits),
            "entries": [self.entry(index) for index in self.handed_over()],
        }  # fmt: skip

    def handed_over(self):
        """The entries of exhibits, and the last one: other acts on the house stay at home."""
        last = len(self.bodies) - 1
        return [n for n, body in enumerate(self.bodies) if '"exhibit"' in body or n == last]

    def receipt(self, place=0):
        exhibit = self.exhibits[place]
        return {
            "v": 1, "kind": "evidence-receipt", "submission": SUBMISSION,
            "exhibit": exhibit["number"], "sha256": exhibit["sha256"], "size": exhibit["size"],
            "witnessed_by": [], "unwitnessed_since": "2026-11-20T22:26:53.123Z",
            "key": self.log.vkey, **self.entry(exhibit["registration"]),
        }  # fmt: skip

    def completed(self, place=0, **more):
        """The receipt once witnesses cosigned a later checkpoint."""
        return {
            **self.receipt(place), "unwitnessed_since": None, "policy": self.policy_text(),
            "witnessed_by": [signer.vkey for signer in self.witnesses],
            "tokens": [
                {"tsa": "tsa.example", "response": b64encode(token).decode()}
                for token in self.tokens
            ],
            **more,
        }  # fmt: skip

    def policy_text(self):
        return self.policy or f"log {self.log.vkey}\nquorum none\n"

    def write(self, root: Path, custody=None):
        """Write the bag, and give its folder."""
        tags = {
            "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            "bag-info.txt": "Source-Organization: test\n",
            "custody.json": dumps(custody or self.custody()),
            "custody-report.pdf": "%PDF",
            "VERIFY.txt": "how\n",
            "verify.py": "#\n",
            "ledger/checkpoint": self.checkpoint,
            "ledger/policy": self.policy_text(),
            "ledger/trust": dumps(self.trust),
            **{f"ledger/tokens/{n}.tsr": token for n, token in enumerate(self.tokens, 1)},
        }
        for name, content in {**self.files, **tags}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        _written[root] = self
        remake_manifests(root)
        return root

    def closing(self, root: Path, *more, **changed):
        """What stands in ledger/closing.json: entries in a tree that has the closing one too."""
        outputs = ["sha256:" + sha256((root / "tagmanifest-sha256.txt").read_bytes()).hexdigest()]
        last = len(self.bodies) - 1
        fields = {
            "v": 1, "id": uuid(last + 1), "at": "2026-11-20T22:26:54.123Z", "salt": SALT,
            "type": "report_generated", "outcome": "done", "request_id": REQUEST,
            "count": len(self.exhibits), "outputs": [*outputs, *more], **changed,
        }  # fmt: skip
        bodies = [*self.bodies, canonical(fields)]
        leaves = [leaf_of(body.encode()) for body in bodies]
        signed = checkpoint_body(leaves)
        note = f"{signed}\n{self.log.line(signed)}"
        opened, closed = (
            {"index": n, "body": bodies[n], "proof": proof_text(n, leaves, note), "openings": {}}
            for n in (last, last + 1)
        )
        return {"v": 1, "kind": "bundle-closing", "opened": opened, "closed": closed}


_written: dict[Path, World] = {}  # by folder: whose keys they are that close it anew


def remake_manifests(root: Path):
    """List the bag as it is now, and close it: who changes a file and covers it up with all keys.

    So a test sees the claim that it is about; that nobody else can close it has tests of its own.
    """
    (root / CLOSING).unlink(missing_ok=True)
    list_anew(root)
    (root / CLOSING).write_text(canonical(_written[root].closing(root)) + "\n", newline="")


def list_anew(root: Path):
    """List the bag as it is now: what anybody can do who changes a file."""
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    names = [path.relative_to(root).as_posix() for path in found]
    for kind in ("sha256", "sha512"):
        payload = [name for name in names if name.startswith("data/")]
        write_manifest(root, f"manifest-{kind}.txt", payload, kind)
    tags = [name for name in names if not name.startswith("data/") and name != CLOSING]
    tags = sorted(
        {*tags, "manifest-sha256.txt", "manifest-sha512.txt"} - {"tagmanifest-sha256.txt"}
    )
    write_manifest(root, "tagmanifest-sha256.txt", tags, "sha256")


def write_manifest(root, manifest, names, kind):
    lines = [f"{new(kind, (root / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (root / manifest).write_text("".join(lines), newline="")
