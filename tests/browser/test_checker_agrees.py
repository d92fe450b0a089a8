"""verify.py and check.html share no code and say the same of every changed bundle and receipt."""

import json
import random
from collections.abc import Callable
from hashlib import new
from pathlib import Path
from typing import Any

import pytest

from custody import verify
from tests.browser.checking import Case, check_all, outcomes
from tests.custody.bundle_builder import CLOSING, REQUEST, SALT, Signer, World
from tests.shared import ROOT, shared

pytestmark = pytest.mark.browser
Files = dict[str, bytes]
TAGS = "tagmanifest-sha256.txt"
BY_OPENSSL = {"time-stamps", "witnesses"}  # verify.py may ask a tool that no browser has


def bag_of(world: World, custody: Any = None, folder: Path | None = None) -> Files:
    assert folder is not None
    root = world.write(folder / f"made{len(list(folder.iterdir()))}", custody)
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def listed(files: Files) -> Files:
    """List the bag as it is now, as a careful forger would."""
    found = dict(files)
    for kind in ("sha256", "sha512"):
        names = sorted(name for name in found if name.startswith("data/"))
        lines = [f"{new(kind, found[name]).hexdigest()}  {name}\n" for name in names]
        found[f"manifest-{kind}.txt"] = "".join(lines).encode()
    unlisted = (TAGS, CLOSING)
    names = sorted(name for name in found if name[:5] != "data/" and name not in unlisted)
    lines = [f"{new('sha256', found[name]).hexdigest()}  {name}\n" for name in names]
    found[TAGS] = "".join(lines).encode()
    return found


def with_file(files: Files, name: str, content: bytes) -> Files:
    return listed({**files, name: content})


def without(files: Files, name: str) -> Files:
    return {key: value for key, value in files.items() if key != name}


def told(files: Files, change: Callable[[dict[str, Any]], object]) -> Files:
    """Change custody.json, and list everything anew."""
    custody = json.loads(files["custody.json"])
    change(custody)
    return with_file(files, "custody.json", json.dumps(custody).encode())


def text(files: Files, old: str, fresh: str) -> Files:
    """Change the text of custody.json at one place."""
    before = files["custody.json"].decode()
    assert old in before
    return with_file(files, "custody.json", before.replace(old, fresh, 1).encode())


def flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def quoted_of(world: World) -> dict[str, Any]:
    """What a bundle had of its first exhibit, as another house quotes it."""
    custody = world.custody()
    exhibit = custody["exhibits"][0]
    entries = [one for one in custody["entries"] if f'"{exhibit["number"]}"' in one["body"]]
    return {
        "v": 1, "kind": "quoted-history", "tree_size": custody["tree_size"], "request_id": REQUEST,
        "exhibit": exhibit, "checkpoint": world.checkpoint, "policy": world.policy_text(),
        "trust": json.dumps(world.trust), "entries": entries, "quoted": None,
    }  # fmt: skip


def bundles(folder: Path) -> dict[str, tuple[Files, bytes | None]]:
    """Return good and bad bundles by what was done to them, with the trust file given."""
    world = World()
    trust = json.dumps(world.trust).encode()
    good = bag_of(world, folder=folder)
    witness, modern = Signer("w.example/w", 4, 2), Signer("m.example/m", 6, 3)
    policy = f"log {world.log.vkey}\nwitness W {witness.vkey}\nwitness M {modern.vkey}\n"
    found: dict[str, tuple[Files, bytes | None]] = {
        "good": (good, None), "good, trusted": (good, trust),
        "trust of another key": (good, json.dumps({**world.trust, "keys": [
            {"vkey": Signer(seed=9).vkey, "from": 0, "to": None}]}).encode()),
        "trust that ends before": (good, json.dumps({**world.trust, "keys": [
            {"vkey": world.log.vkey, "from": 0, "to": 3}]}).encode()),
        "trust that is none": (good, b"{}"),
    }  # fmt: skip

    def put(name: str, files: Files, given: bytes | None = None) -> None:
        found[name] = (files, given)

    for n, (signers, quorum) in enumerate(
        [([witness], "W"), ([], "W"), ([modern], "M"), ([witness, modern], "none")]
    ):
        made = World(witnesses=signers, policy=f"{policy}quorum {quorum}\n")
        put(f"quorum {n}", bag_of(made, folder=folder))
        if signers == [witness]:
            note = made.checkpoint
            line = note.rindex("\n— ") + 40
            other_sign = "A" if note[line] != "A" else "B"
            false = f"{note[:line]}{other_sign}{note[line + 1 :]}".encode()
            put("false line", with_file(bag_of(made, folder=folder), "ledger/checkpoint", false))
    put("tokens", bag_of(World(tokens=[b"0"]), folder=folder))
    put("101 tokens", bag_of(World(tokens=[b"0"] * 101), folder=folder), json.dumps(
        {**world.trust, "tsa_roots": ["x"]}).encode())  # fmt: skip
    put("parts", bag_of(World(contents=[[b"a", b"b", b""]], parts_in_entry=2), folder=folder))
    for name in good:
        put(f"missing {name}", without(good, name))
    for name in ("more", "data/more", "manifest-md5.txt", "fetch.txt", "data/KRN-000001.2.bin"):
        put(f"added {name}", {**good, name: b"x"})
        put(f"added and listed {name}", with_file(good, name, b"x"))
    manifest = good["manifest-sha256.txt"]
    changed_lists = [manifest * 2, manifest[:-1], manifest.upper(), b"", b"\xff" + manifest]
    swaps = [(b"data/", b"../data/"), (b"  ", b"\t"), (b"\n", b"\r\n")]
    changed_lists += [manifest.replace(old, fresh) for old, fresh in swaps]
    for n, lines in enumerate(changed_lists):
        put(f"manifest {n}", {**good, "manifest-sha256.txt": lines})
    closing = json.loads(good[CLOSING])

    def closed(change: Callable[[dict[str, Any]], object]) -> None:
        fresh = json.loads(good[CLOSING])
        change(fresh)
        text = json.dumps(fresh, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        put(f"closing {len(found)}", {**good, CLOSING: f"{text}\n".encode()})

    closed(lambda told: told.update(more=1))
    closed(lambda told: told.update(opened=closing["closed"]))
    closed(lambda told: told["closed"].update(openings={"note": 1}))
    closed(lambda told: told["closed"].update(more=1))
    closed(lambda told: told["closed"].update(index=3))
    for name in ("opened", "closed"):
        for old, fresh in (("log", "lag"), ("\n", "\nextra MA==\n")):
            proof = closing[name]["proof"].replace(old, fresh, 1)
            closed(lambda told, n=name, p=proof: told[n].update(proof=p))
    put("closing not laid out", {**good, CLOSING: good[CLOSING].rstrip()})
    put(
        "another closing",
        {**good, CLOSING: bag_of(World(contents=[[b"x"]]), folder=folder)[CLOSING]},
    )
    for n, volumes in enumerate([0, 1, 2, -1, None, "2", True]):
        put(f"volumes {n}", told(good, lambda c, v=volumes: c.update(volumes=v)))

        def split(custody: dict[str, Any], volumes: Any = volumes) -> None:
            custody["volumes"] = volumes
            for number, exhibit in enumerate(custody["exhibits"], 1):
                exhibit["volume"] = number

        put(f"volumes of exhibits {n}", told(good, split))
        put(f"second volume {n}", told(without(good, "data/KRN-000001.bin"), split))
    nothing = without(without(good, "data/KRN-000001.bin"), "data/KRN-000002.bin")
    put("by reference", told(nothing, lambda c: c.update(volumes=0)))
    put("missing and listed", listed(without(good, "data/KRN-000001.bin")))
    put("bagit", with_file(good, "bagit.txt", b"BagIt-Version: 0.97\n"))
    put("payload", with_file(good, "data/KRN-000001.bin", b"evidencE"))
    put("empty policy", with_file(good, "ledger/policy", b"quorum none\n"))
    put("odd policy", with_file(good, "ledger/policy", b"log __proto__\nquorum none\n"))
    put("group", with_file(good, "ledger/policy",
        (world.policy_text() + "group constructor 1 none\n").encode()))  # fmt: skip

    def entries(change: Callable[[list[Any]], object]) -> Files:
        return told(good, lambda custody: change(custody["entries"]))

    put("entry dropped", entries(lambda some: some.pop(2)))
    put("entry twice", entries(lambda some: some.insert(2, some[2])))
    put("entries swapped", entries(lambda some: some.__setitem__(slice(1, 3), some[2:0:-1])))
    put("house dropped", entries(lambda some: some.pop()))
    put("no entries", entries(lambda some: some.clear()))
    put("no exhibits", told(good, lambda custody: custody["exhibits"].clear()))
    put("exhibit twice", told(good, lambda c: c["exhibits"].append(c["exhibits"][0])))
    put("exhibit dropped", told(good, lambda c: c["exhibits"].pop()))
    for field, value in {
        "last_seq": 3, "size": 9, "number": "KRN-000009", "registration": 0, "files": [],
    }.items():  # fmt: skip
        put(
            f"exhibit {field}",
            told(good, lambda c, f=field, v=value: c["exhibits"][0].update({f: v})),
        )
    for field, value in {
        "v": 2, "tree_size": 11, "left_out": {}, "request_id": SALT, "exhibits": {}, "entries": {},
    }.items():  # fmt: skip
        put(f"custody {field}", told(good, lambda c, f=field, v=value: c.update({f: v})))
    for field, value in {
        "index": "0", "index ": 10**15, "body": None, "proof": "", "openings": [], "body ": "{}",
        "openings ": {"note": {"salt": SALT, "value": "another"}},
        "openings  ": {"__proto__": {"salt": SALT, "value": 1}}, "openings   ": {"note": None},
        "openings    ": {"note": {"salt": SALT, "value": "a note", "more": 1}},
    }.items():  # fmt: skip
        put(
            f"entry {field}", entries(lambda some, f=field, v=value: some[4].update({f.strip(): v}))
        )
    put("key twice", text(good, '"v": 1', '"v": 1, "v": 1'))
    put("entries twice", text(good, '"v": 1', '"v": 1, "entries": []'))
    put("__proto__ twice", text(good, '"v": 1', '"v": 1, "__proto__": 1, "__proto__": 2'))
    put("__proto__", text(good, '"v": 1', '"__proto__": {"v": 1}'))
    put("unknown member", text(good, '"v": 1', '"v": 1, "__proto__": {"x": [null]}, "2": 1'))
    for n, number in enumerate(["1.0", "1e0", "9007199254740992", "-0", "NaN", "01", "+1"]):
        put(f"number {n}", text(good, '"v": 1', f'"v": 1, "x": {number}'))
    put("v as 1.0", text(good, '"v": 1', '"v": 1.0'))
    put("deep", text(good, '"v": 1', '"v": 1, "x": ' + "[" * 5_000 + "]" * 5_000))
    put("lone surrogate", text(good, '"v": 1', '"v": 1, "x": "\\ud800"'))
    put("after its end", with_file(good, "custody.json", good["custody.json"] + b"]"))
    put("byte order mark", with_file(good, "custody.json", b"\xef\xbb\xbf" + good["custody.json"]))
    put("not UTF-8", with_file(good, "custody.json", good["custody.json"] + b"\xff"))
    put("no JSON", with_file(good, "custody.json", b"\0" * 9))
    put("body odd", text(good, '{\\"at\\"', '{ \\"at\\"'))
    for change in ("seq", "type", "count"):

        def other(index: int, fields: dict[str, Any], change: str = change) -> None:
            if change == "seq" and index == 5:
                fields["exhibit"]["seq"] = 4
            elif change == "type" and index == 6:
                fields["type"] = "consultation"
            elif change == "count" and "count" in fields:
                fields["count"] = 3

        put(f"signed {change}", bag_of(World(change_body=other), folder=folder))
    unknown = bag_of(World(change_body=lambda n, f: n == 1 and f.update({"x": {"10": 1, "9": 2}})),
                     folder=folder)  # fmt: skip
    put("keys of digits", unknown)
    quoted = quoted_of(World())
    for n, change in enumerate(
        [{}, {"tree_size": 3}, {"entries": quoted["entries"][1:]}, {"policy": "quorum none\n"},
         {"quoted": quoted}, {"quoted": 1}, {"exhibit": {**quoted["exhibit"], "size": 1}}]
    ):  # fmt: skip
        told_ = json.dumps({**quoted, **change}).encode()
        put(f"quoted {n}", with_file(good, "quoted/KRN-000001.json", told_))
    put("quoted of nobody", with_file(good, "quoted/KRN-000009.json", b"null"))
    draw = random.Random(20261127)
    for name, data in good.items():
        put(
            f"byte of {name}",
            {**good, name: flipped(data, draw.randrange(len(data)), draw.randrange(8))},
        )
    for n in range(24):
        name = "custody.json" if n < 16 else draw.choice(["ledger/checkpoint", "ledger/policy"])
        data = good[name]
        changed = flipped(data, draw.randrange(len(data)), draw.randrange(8))
        put(f"covered byte {n} of {name}", with_file(good, name, changed))
    return found


def receipts() -> dict[str, tuple[Files, bytes | None]]:
    """Return receipts, good and bad: ours, those of the vectors, and texts that ask about JSON."""
    world = World(witnesses=[Signer("w.example/w", 4, 2)])
    trust = json.dumps(world.trust).encode()
    found: dict[str, bytes] = {
        "receipt": json.dumps(world.receipt()).encode(),
        "completed": json.dumps(world.completed()).encode(),
        "null tokens": json.dumps(world.completed(tokens=None)).encode(),
        "token": json.dumps(world.completed(tokens=[{"tsa": "t", "response": "MA=="}])).encode(),
        "witness named": json.dumps(
            world.completed(witnessed_by=[Signer("x", 4, 5).vkey])
        ).encode(),
        "of another size": json.dumps({**world.receipt(), "size": 9}).encode(),
        "of another kind": json.dumps({**world.receipt(), "kind": "transfer-receipt"}).encode(),
    }
    vectors = ROOT / "tests/vectors"
    lists = json.loads((vectors / "submission-receipts.json").read_text())
    for n, one in enumerate([*lists["good"], *_texts(lists["bad"])]):
        found[f"list {n}"] = one.encode()
    told_ = json.loads((vectors / "receipts.json").read_text())
    for n, one in enumerate([told_["good"], *_texts(told_["bad"])]):
        found[f"vector {n}"] = one.encode() if isinstance(one, str) else json.dumps(one).encode()
    data = found["receipt"]
    draw = random.Random(7)
    for n in range(12):
        found[f"byte {n}"] = flipped(data, draw.randrange(1, len(data)), draw.randrange(8))
    return {
        name: ({"r.json": data}, None if name.startswith(("list", "vector")) else trust)
        for name, data in found.items()
    }


def _texts(bad: Any) -> list[Any]:
    return [one["receipt"] for one in bad]


def json_texts() -> dict[str, tuple[Files, bytes | None]]:
    """Return a receipt for each text of the collection: what only the reader of JSON decides."""
    head = {"v": 1, "kind": "evidence-receipt", "submission": f"SUB-{REQUEST}", "witnessed_by": [],
            "index": 0, "body": '{"type":"x","v":1}', "proof": "", "openings": {}}  # fmt: skip
    start = json.dumps(head)[:-1].encode() + b', "asked": '
    return {
        path.name: ({"r.json": start + path.read_bytes() + b"}"}, None)
        for path in sorted(shared("hostile", "json").glob("*.json"))
    }


def by_verify(files: Files, trust: bytes | None, folder: Path) -> dict[str, str]:
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    trusted = folder.parent / f"{folder.name}.trust" if trust is not None else None
    if trusted is not None:
        trusted.write_bytes(trust or b"")
    path = folder if "r.json" not in files else folder / "r.json"
    try:
        return {one.claim: one.outcome for one in verify.verify_path(path, trusted)}
    except verify.WrongUse:
        return {"wrong use": "fail"}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """What verify.py and the page say of everything, by what was done."""
    folder = tmp_path_factory.mktemp("agree")
    made = tmp_path_factory.mktemp("made")
    asked = {**bundles(made), **receipts(), **json_texts()}
    cases = [
        Case(files if "r.json" in files else {f"b/{name}": files[name] for name in files}, trust)
        for files, trust in asked.values()
    ]
    results = check_all(cases, made)
    found = {}
    for n, ((name, (files, trust)), result) in enumerate(zip(asked.items(), results, strict=True)):
        theirs = {"wrong use": "fail"} if result.get("wrongUse") else outcomes(result)
        found[name] = (by_verify(files, trust, folder / f"{n}"), theirs)
    return found


def test_both_say_the_same_of_every_claim_and_the_page_is_never_greener(verdicts):
    wrong = []
    for name, (offline, page) in verdicts.items():
        if list(offline) != list(page):
            wrong.append((name, offline, page))
        for claim, outcome in page.items():
            said = offline.get(claim)
            excused = claim in BY_OPENSSL and outcome == "not-done"
            if outcome != said and not excused:
                wrong.append((name, claim, said, outcome))
    assert wrong == []


def test_the_changes_are_of_every_claim_and_the_good_ones_pass(verdicts):
    failed = {
        claim
        for offline, _ in verdicts.values()
        for claim, said in offline.items()
        if said == "fail"
    }
    assert {
        *verify.REQUIRED,
        "canonical",
        "registration",
        "openings",
        "quoted",
        "key-trusted",
        "witnesses",
        "time-stamps",
    } <= failed
    for name in ("good, trusted", "parts", "receipt", "list 0", "vector 0", "keys of digits"):
        assert "fail" not in verdicts[name][1].values(), (name, verdicts[name][1])
    assert verdicts["quoted 0"][1]["quoted"] == "pass"
    assert verdicts["by reference"][1]["complete"] == "not-done"
    assert len(verdicts) > 500
