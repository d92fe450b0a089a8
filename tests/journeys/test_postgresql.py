"""The whole job on PostgreSQL: nothing in the code asks which database it is."""

import subprocess
import sys

import pytest

from tests.house import run
from tests.postgres import Server, find_or_skip


@pytest.fixture
def url(tmp_path):
    find_or_skip()
    tmp_path.chmod(0o755)
    server = Server()
    server.make()
    server.start()
    yield server.url
    server.stop()


@pytest.mark.postgres
def test_evidence_goes_in_is_read_exported_verified_and_its_ledger_rebuilt(
    url, tmp_path, monkeypatch
):
    data = tmp_path / "data"
    monkeypatch.setenv("EVIDENCE_DATABASE_URL", url)

    def evidence(*words, code=0):
        said = run("--data", data, "--json", *words)
        assert said.code == code, said.err + said.out
        return said

    evidence("init")
    evidence("case", "new", "KRN", "--title", "The bridge")
    files = tmp_path / "in"
    files.mkdir()
    for n in range(70):
        (files / f"{n}").write_bytes(b"evidence %d" % n)
    lines = evidence("ingest", files, "--case", "KRN").lines
    assert len({line["exhibit"] for line in lines}) == 70
    out = tmp_path / "out"
    evidence("retrieve", "KRN-000007", "--out", out, "--purpose", "analysis")
    assert out.read_bytes().startswith(b"evidence ")
    bundle = tmp_path / "bundle"
    evidence("export", "--case", "KRN", "KRN-000007", "--out", bundle, "--purpose", "court")
    said = subprocess.run(
        [sys.executable, bundle / "verify.py", bundle], capture_output=True, timeout=60, check=False
    )
    assert said.returncode == 0, said.stdout
    evidence("ledger", "key", "rotate")
    evidence("verify")
    later = tmp_path / "later"
    evidence("export", "--case", "KRN", "KRN-000007", "--out", later, "--purpose", "court")
    said = subprocess.run(
        [sys.executable, later / "verify.py", later, "--trust", later / "ledger" / "trust"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout
    evidence("receipt", "check", data / "receipts" / "KRN-000007.json")
    [line] = evidence("ledger", "rebuild").lines
    assert line["added"] == 0  # nothing is missing
    evidence("ledger", "tiles", "--out", tmp_path / "tiles")
    assert (tmp_path / "tiles" / "checkpoint").exists()
