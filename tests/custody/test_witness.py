"""A witness cosigns only what extends what it cosigned; who lies gets a status, never a line."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from custody.ask_witness import Cosigned, Differs, ask
from custody.checkpoint import Checkpoint
from custody.cosignature import cosignatures
from custody.errors import WitnessRefused, WitnessUnavailable
from custody.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root_of
from custody.signers import file, sign_note
from tests.witnesses import answering, make_witness, served_witness, serving

ORIGIN = "evidence.invalid/log"
LEAVES = [leaf_hash(b"%d" % n) for n in range(200)]


def node(level, n):
    return root_of(LEAVES[n << level : (n + 1) << level])


@pytest.fixture
def log(tmp_path):
    return file.create(tmp_path / "log.pem", name=ORIGIN, passphrase=b"p")


@pytest.fixture
def witness(tmp_path, log):
    return make_witness(tmp_path, "w.example/w", log.key)[0]


def note(log, size, root=None):
    head = Checkpoint(ORIGIN, size, root if root is not None else root_of(LEAVES[:size]))
    return sign_note(head.text(), log)


def request(old, proof, text):
    hashes = "".join(base64.b64encode(one).decode() + "\n" for one in proof)
    return f"old {old}\n{hashes}\n{text}".encode()


def grown(log, old, size):
    return request(old, consistency_proof(old, size, node) if old else [], note(log, size))


def test_it_cosigns_a_first_checkpoint_and_what_extends_it(witness, log):
    for old, size in ((0, 5), (5, 5), (5, 64), (64, 200)):
        reply = witness.add_checkpoint(grown(log, old, size))
        assert reply.status == 200, reply
        signed = note(log, size) + reply.text
        assert len(cosignatures(signed, [s.key for s in witness._signers])) == 2
    assert witness.seen() == [(ORIGIN, 200)]


def test_every_row_of_the_protocol(witness, log, tmp_path):
    assert witness.add_checkpoint(grown(log, 0, 50)).status == 200
    stranger = file.create(tmp_path / "s.pem", name=ORIGIN, passphrase=b"p")
    elsewhere = file.create(tmp_path / "e.pem", name="other.invalid/log", passphrase=b"p")
    right = consistency_proof(50, 80, node)
    fork = bytes(32)
    other = sign_note(Checkpoint("other.invalid/log", 1, fork).text(), elsewhere)
    changed = note(log, 80).replace("\n80\n", "\n81\n")
    cases = [
        (400, request(81, [], note(log, 80))),
        (400, b"old x\n\n" + note(log, 80).encode()),
        (400, b"nothing"),
        (400, b"\xff\xfe"),
        (400, request(50, [b"short"], note(log, 80))),
        (400, request(50, right * 20, note(log, 80))),
        (400, b"old 50\n" + b"A" * 70_000),
        (403, request(50, right, note(stranger, 80))),
        (403, request(50, right, changed)),
        (404, request(0, [], other)),
        (409, grown(log, 40, 80)),
        (409, grown(log, 0, 80)),
        (422, request(50, right[:-1], note(log, 80))),
        (422, request(50, right[::-1], note(log, 80))),
        (422, request(50, right, note(log, 80, fork))),
        (422, request(50, [], note(log, 50, fork))),
        (422, request(50, right, note(log, 50))),
    ]
    for status, body in cases:
        reply = witness.add_checkpoint(body)
        assert reply.status == status, (status, reply, body[:60])
        if status == 409:
            assert (reply.text, reply.content_type) == ("50\n", "text/x.tlog.size")
    assert witness.add_checkpoint(grown(log, 50, 80)).status == 200


def test_an_empty_tree_has_one_root_and_no_proof(tmp_path, log):
    witness, _ = make_witness(tmp_path / "w", "w.example/w", log.key)
    assert witness.add_checkpoint(request(0, [], note(log, 0, bytes(32)))).status == 422
    assert witness.add_checkpoint(request(0, [EMPTY_ROOT], note(log, 5))).status == 422
    assert witness.add_checkpoint(request(0, [], note(log, 0, EMPTY_ROOT))).status == 200


def test_of_many_forks_asked_for_at_once_one_is_cosigned(tmp_path, log):
    witness, _ = make_witness(tmp_path / "w", "w.example/w", log.key)
    forks = [request(0, [], note(log, 9, bytes([n]) * 32)) for n in range(64)]
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(witness.add_checkpoint, forks))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 63


def test_its_memory_outlives_it(tmp_path, log):
    folder = tmp_path / "w"
    witness, _ = make_witness(folder, "w.example/w", log.key)
    assert witness.add_checkpoint(grown(log, 0, 30)).status == 200
    again = type(witness)(witness._database, witness._signers, witness._clock)
    assert again.add_checkpoint(grown(log, 0, 30)).status == 409


def test_what_it_answers_is_believed_only_when_it_verifies(tmp_path, log):
    with served_witness(tmp_path / "a", "a.example/w", log.key) as (url, keys, _):

        def asked(place, old=0, size=20, known=keys, proof=()):
            return ask(place, old=old, proof=proof, note=note(log, size), keys=known, timeout=1.0)

        found = asked(url)
        assert isinstance(found, Cosigned)
        assert {key for _, key, _ in found.lines} == set(keys)
        assert asked(url, old=0, size=40) == Differs(20)
        lines = "".join(str(line) for line, _, _ in found.lines).encode()
        with serving(answering("200 OK", lines)) as lying:  # lines of another size
            with pytest.raises(WitnessRefused):
                asked(lying, size=21)
        with (
            serving(answering("200 OK", b"\x00\xff")) as garbage,
            pytest.raises(WitnessUnavailable),
        ):
            asked(garbage)
        with serving(answering("200 OK", b"")) as empty, pytest.raises(WitnessUnavailable):
            asked(empty)
        with serving(answering("200 OK", b"x" * 70_000)) as long, pytest.raises(WitnessUnavailable):
            asked(long)
        with serving(answering("409 Conflict", b"20\n")) as odd, pytest.raises(WitnessUnavailable):
            asked(odd)
        with serving(answering("422 No", b"no\n")) as no, pytest.raises(WitnessRefused):
            asked(no)
        with serving(answering("500 Oops", b"")) as oops, pytest.raises(WitnessUnavailable):
            asked(oops)
        with pytest.raises(WitnessRefused):
            asked(url, size=20, old=20, known=[log.key])
    with pytest.raises(WitnessUnavailable):
        asked(url)


def test_a_witness_that_never_answers_or_drips_holds_nobody_beyond_the_deadline(log):
    import socket
    import threading
    import time

    for drip in (b"", b"H"):
        with socket.create_server(("127.0.0.1", 0)) as server:
            done = threading.Event()

            def serve(server=server, drip=drip, done=done):
                client, _ = server.accept()
                with client:
                    while not done.wait(0.05):
                        try:
                            client.sendall(drip)
                        except OSError:
                            return

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            began = time.monotonic()
            with pytest.raises(WitnessUnavailable, match=r"in time|timed out"):
                ask(url, old=0, proof=[], note=note(log, 3), keys=[log.key], timeout=0.5)
            assert time.monotonic() - began < 5
            done.set()
            thread.join(5)
