"""Schemathesis against the running service, as every role and as nobody.

python -m tests.attacks.fuzz_api [--examples 300] [--seed 1]

No answer may be a 5xx, and none may be of a status, type or form that the OpenAPI document does not
name. Identifiers are those of things that exist in one round, and made up in the other.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.commands.context import login
from custody.entry import Act
from repository import approvals, erasure, identities
from repository.access import PARTIES
from repository.authorise import Caller
from repository.disclose import disclose
from repository.exports import bundles
from repository.people import grant, new_person
from tests.benchmarks.house_of import say
from tests.house import CODE, ROLES, House, make_house
from tests.service import serving
from tests.shared import ROOT

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)
NOBODY = "nobody"
OTHERS = ("auditor", "partner", "submitter", "counsel", "expert", "administrator")
PHASES = "examples,coverage,fuzzing"


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of schemathesis came to."""

    role: str
    known: bool  # identifiers were those of things that exist
    code: int
    cases: int
    statuses: Counter[str]
    said: str


def furnish(house: House, folder: Path) -> dict[str, str]:
    """Give the house something to find; return its identifiers by parameter."""
    file = folder / "photo.jpg"
    file.write_bytes(b"bytes" * 1000)
    [line] = house.ingest(file, extract=True)
    (folder / "other").write_bytes(b"to be erased")
    [other] = house.ingest(folder / "other")
    repo, first = house.repo, house.caller(login())
    for role in OTHERS:
        person = new_person(repo, house.custodian, name=role, role=role)
        if role != "administrator":
            party = "defence" if role in PARTIES else None
            grant(repo, house.custodian, case=house.case, person=person, role=role, party=party)
    second = Caller(new_person(repo, house.custodian, name="second", role="custodian"), "named")
    disclose(repo, first, line["exhibit"], party="defence", purpose="disclosure")
    order = f"sha256:{'a' * 64}"
    ends = erasure.request(repo, second, other["exhibit"], order=order, motive="m")
    waits = approvals.request(repo, second, Act.UNSEALING, line["exhibit"], motive="m", hours=1)
    export = bundles.ask(repo, first, CODE, numbers=[line["exhibit"]], purpose="court")
    somebody = identities.add(repo, first, CODE, "source", identities.Person("Somebody"))
    begun = "SUB-01a1f000-0000-7000-8000-000000000001"
    return {
        "path.number": line["exhibit"], "query.case": CODE, "path.code": CODE,
        "path.submission": line["submission"], "path.index": "3", "query.submission": begun,
        "path.name": "0/000.p/3", "path.subject": line["exhibit"], "path.approval": waits.id,
        "path.erasure_id": ends.id, "path.export_id": export.id,
        "path.codename": somebody.codename,
    }  # fmt: skip


def run(
    place: str, folder: Path, role: str, token: str | None, known: dict[str, str], *,
    examples: int, seed: int, phases: str = PHASES,
) -> Round:  # fmt: skip
    """Run schemathesis once as one role."""
    config = folder / "schemathesis.toml"
    values = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in known.items())
    config.write_text(f"[parameters]\n{values}" if known else "")
    log = folder / f"{role}-{bool(known)}.ndjson"
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run",
        f"{place}/api/v1/openapi.json", "--checks", CHECKS, "--max-examples", str(examples),
        "--seed", str(seed), "--generation-database", "none", "--workers", "2",
        "--request-timeout", "60", "--continue-on-failure", "--no-color",
        "--suppress-health-check", "all", "--report", "ndjson", "--report-ndjson-path", str(log),
        "--phases", phases,
    ]  # fmt: skip
    if token is not None:
        command += ["--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, timeout=3_000,
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.attacks.fuzz_hooks",
        },
    )  # fmt: skip
    said = done.stdout + done.stderr
    written = log.read_text() if log.exists() else ""
    statuses = Counter(re.findall(r'"status_code":\s*([0-9]{3})', written))
    return Round(role, bool(known), done.returncode, sum(statuses.values()), statuses, said)


def rounds(
    folder: Path,
    *,
    examples: int,
    seed: int,
    kinds: Sequence[bool],
    people: Sequence[str] = (*ROLES, *OTHERS, "stranger", login(), NOBODY),
    phases: str = PHASES,
) -> Iterator[Round]:
    """Serve a house, attack it in one role after the other, and tell what came of each."""
    house = make_house(folder)
    known = furnish(house, folder)
    tokens: dict[str, str | None] = {
        name: house.evidence("token", "new", name).lines[0]["token"]
        for name in people
        if name != NOBODY
    }
    if NOBODY in people:
        tokens[NOBODY] = None
    limits = {"EVIDENCE_RATE_PER_TOKEN": "0", "EVIDENCE_RATE_PER_ADDRESS": "0"}
    house.repo.close()
    with serving(house.data, log=folder / "log", **limits) as service:
        for kind in kinds:
            for role, token in tokens.items():
                yield run(
                    service.address, folder, role, token, known if kind else {},
                    examples=examples, seed=seed, phases=phases,
                )  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--examples", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    began = time.monotonic()
    found = []
    say("| role | identifiers | requests | 2xx | 4xx | 5xx | findings |")
    say("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        both = (True, False)
        for one in rounds(Path(name), examples=given.examples, seed=given.seed, kinds=both):
            found.append(one)
            kinds = Counter(status[0] for status in one.statuses.elements())
            kind = "known" if one.known else "made up"
            verdict = "0" if one.code == 0 else "SOME"
            say(f"| {one.role} | {kind} | {one.cases} | {kinds['2']} | {kinds['4']} | {kinds['5']} "
                f"| {verdict} |")  # fmt: skip
    say(f"{sum(one.cases for one in found)} requests in {time.monotonic() - began:.0f} s")
    for one in found:
        if one.code:
            say(f"{one.role}: {one.said[-6_000:]}")
    sys.exit(any(one.code for one in found))


if __name__ == "__main__":
    main()
