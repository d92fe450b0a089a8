"""ledger: checkpoints, proofs, entries, tiles, keys; and rebuilding it from its mirror."""

from collections.abc import Sequence
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from api.commands.forwarded import say_forward, told_of
from api.commands.outside import known_outside, outside_options
from custody.algorithms import HASHES
from custody.bracket import bracket
from custody.database import Database
from custody.entry import Act, Draft, timestamp
from custody.errors import MalformedNote
from custody.heads import head_of
from custody.keys import KeyState
from custody.longevity import make, renew
from custody.note import ED25519, VerifierKey
from custody.signers import file as file_signer
from custody.signers import open_signer
from custody.static_log import names, read_tile
from custody.timestamp import stamp_imprint
from repository import database_url, default_key, open_first_signer, passphrase_file
from repository.access import Right
from repository.approvals import request_compromise
from repository.authorise import on_house
from repository.errors import BadRequest, ExportBlocked
from repository.forward import bring_forward
from repository.ledger_mirror import publish
from repository.migrations import revision, upgrade
from repository.outside import look
from repository.publication import announce
from repository.succession import request as request_succession


@click.group()
def ledger() -> None:
    """Show checkpoints, proofs and entries of the custody ledger."""


@ledger.command("checkpoint")
@pass_context
def ledger_checkpoint(ctx: Context) -> None:
    """Publish the newest checkpoint, ask witnesses and authorities, and print it; keep a copy."""
    done = announce(ctx.repo, stamp=True)
    if done is None:
        ctx.say("the ledger is empty")
        return
    found = {
        "size": done.size,
        "checkpoint": done.note,
        "key": str(ctx.repo.ledger.key),
        "witnessed_by": sorted(str(key) for key in done.cosigned),
        "quorum": done.quorum and bool(done.cosigned),
        "tokens": [{"tsa": one.authority, "time": timestamp(one.time)} for one in done.tokens],
        "problems": done.problems,
    }
    ctx.result(found, done.note.rstrip("\n"))
    for problem in done.problems:
        ctx.say(f"not yet: {problem}")


@ledger.command("proof")
@click.argument("index", type=click.IntRange(min=0))
@pass_context
def ledger_proof(ctx: Context, index: int) -> None:
    """Print the inclusion proof of the entry at INDEX (C2SP tlog-proof); it shows no content."""
    proof = str(ctx.repo.ledger.proof(index))
    ctx.result({"index": index, "proof": proof}, proof.rstrip("\n"))


@ledger.command("time")
@click.argument("index", type=click.IntRange(min=0))
@pass_context
def ledger_time(ctx: Context, index: int) -> None:
    """Print between which times the entry at INDEX was logged, and what proves each side."""
    repo = ctx.repo
    found = bracket(repo.ledger, index, policy=repo.policy, roots=repo.tsa_roots)
    sides = {"not_before": found.not_before, "not_after": found.not_after}
    result = {
        name: None
        if side is None
        else {"time": timestamp(side.time), "proof": side.proof, "size": side.size}
        for name, side in sides.items()
    }
    lines = [
        f"{name.replace('_', ' '):12}{'not yet anchored' if side is None else ''}"
        + ("" if side is None else f"{timestamp(side.time)}  {side.proof}, {side.size} entries")
        for name, side in sides.items()
    ]
    ctx.result({"index": index, **result, "problems": found.problems}, "\n".join(lines))
    ctx.say("both sides bound the logging of the entry, not the fact it records")
    for problem in found.problems:
        ctx.say(f"no proof: {problem}")


@ledger.command("tail")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=10, show_default=True)
@pass_context
def ledger_tail(ctx: Context, count: int) -> None:
    """Print the newest entries; reading the ledger is an access and is recorded."""
    actor = on_house(ctx.repo, ctx.caller, Right.AUDIT, attempted=Act.CONSULTATION)
    ctx.repo.ledger.record(Draft(Act.CONSULTATION, actor, reason="ledger"))
    size = ctx.repo.ledger.size()
    for entry in ctx.repo.ledger.entries(max(0, size - count), size):
        fields = entry.fields
        number = fields.get("exhibit", {}).get("number", "")
        ctx.result(
            {"index": entry.index, "body": entry.body.decode()},
            f"{entry.index:8}  {fields['at']}  {fields['type']:28} {fields['outcome']:9} "
            f"{fields['actor']['role']:12} {number}",
        )


@ledger.command("tiles")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR")
@pass_context
def ledger_tiles(ctx: Context, out: Path) -> None:
    """Write checkpoint, hash tiles and entry bundles as files (C2SP tlog-tiles).

    Entry bundles are the ledger's entries; writing them is an access and is recorded.
    """
    actor = on_house(ctx.repo, ctx.caller, Right.AUDIT, attempted=Act.CONSULTATION)
    if out.exists() and any(out.iterdir()):
        raise ExportBlocked(f"{out} is not empty; nothing was written")
    ctx.repo.ledger.record(Draft(Act.CONSULTATION, actor, reason="ledger-tiles"))
    signed = publish(ctx.repo)
    assert signed is not None  # the consultation is an entry
    size = signed.checkpoint.size
    count = 0
    with ctx.meter("writing tiles", size) as meter:
        for name in names(0, size, partial=True):
            with ctx.repo.database.reading() as session:
                data = read_tile(session, size, name)
            place = out / name.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            count += 1
            meter(min(size, (name.n + 1) * 256))
    (out / "checkpoint").write_text(ctx.repo.ledger.published_note() or signed.note)
    found = {"out": str(out), "size": size, "files": count + 1}
    ctx.result(found, f"tiles     {out}  {count + 1} files, {size} entries")


@ledger.command("renew")
@click.option(
    "--hash", "algorithm", type=click.Choice(HASHES),
    help="Read everything again and cover it with this hash; else only the tokens are dated again.",
)  # fmt: skip
@pass_context
def ledger_renew(ctx: Context, algorithm: str | None) -> None:
    """Make an evidence record over what is new (RFC 4998), and renew the older ones.

    Once a year, and before a hash, a signature algorithm or an authority ends.
    """
    repo = ctx.repo
    on_house(repo, ctx.caller, Right.GOVERN, attempted=Act.CHECKPOINT_ANCHORED)
    url = next((url for url in repo.settings.tsa_urls if not url.startswith("file:")), None)
    if url is None:
        raise BadRequest("no time-stamping authority is set (tsa_urls): nothing can be renewed")
    publish(repo)

    def stamp(imprint: bytes, name: str) -> bytes:
        nonce = int.from_bytes(repo.random(8))
        return stamp_imprint(
            url, imprint, name, nonce=nonce, roots=repo.tsa_roots,
            timeout=repo.settings.witness_timeout,
        )  # fmt: skip

    renewed = renew(repo.database, stamp=stamp, algorithm=algorithm)
    made = make(repo.database, algorithm=algorithm or "sha512", stamp=stamp)
    for word, one in [("renewed", one) for one in renewed] + ([("made", made)] if made else []):
        found = {"record": word, "from": one.lo, "to": one.hi, "bytes": len(one.der)}
        ctx.result(found, f"{word:9} entries {one.lo} to {one.hi}  {len(one.der)} bytes")
    if not renewed and not made:
        ctx.say("nothing was published since the last record")


@ledger.command("rebuild")
@click.option(
    "--from", "source", metavar="STORE", help="Store URL; by default the one in the settings."
)
@outside_options
@pass_context
def ledger_rebuild(
    ctx: Context, source: str | None, checkpoints: Sequence[Path], receipts: Sequence[Path]
) -> None:
    """Bring the ledger forward, or make it anew, from its mirror in the object store.

    Every checkpoint is checked against what its entries hash to. Exhibits that were registered
    since come back with their rows; of what else was withheld only a backup of the database holds
    the values.
    """
    settings = ctx.settings
    first = open_first_signer(settings, passphrase_file(settings).read_bytes().strip())
    database = Database(database_url(settings), timeout=settings.database_timeout)
    if revision(database) is None:
        upgrade(database)
    database.close()
    known = known_outside(checkpoints, receipts)
    done = bring_forward(ctx.repo, first.key, store=ctx.store(source), known=known)
    with ctx.repo.database.reading() as session:
        root = head_of(session, done.size).frontier.root().hex() if done.size else ""
    found = {"root": f"sha256:{root}", **told_of(done)}
    ctx.result(
        found,
        f"added     {done.added} entries\nsize      {done.size}\nroot      sha256:{root}\n"
        f"exhibits  {len(done.exhibits)} that the database lacked",
    )
    say_forward(ctx, done)
    if done.beyond:
        click.get_current_context().exit(1)


@ledger.command("succeed")
@outside_options
@click.option("--motive", required=True, help="Why nothing can bring the entries back, in words.")
@pass_context
def ledger_succeed(
    ctx: Context, checkpoints: Sequence[Path], receipts: Sequence[Path], motive: str
) -> None:
    """Ask that a successor ledger go on where entries that were given out are lost.

    First try to get the lost objects of the store back (evidence ledger rebuild): this is for good.
    Another custodian decides: evidence approval give ID. The successor has another origin and key,
    which witnesses have to be told; its first entry names what is lost.
    """
    known, problems = look(ctx.repo, known_outside(checkpoints, receipts))
    row = request_succession(ctx.repo, ctx.caller, known, motive=motive)
    asked = row.asked["succession"]
    ctx.result(
        {"approval": row.id, **{name: asked[name] for name in ("origin", "size", "to")}},
        f"{row.id}\nlost      entries {asked['size']} to {asked['to'] - 1} of {asked['origin']}",
    )
    for problem in problems:
        ctx.say(f"not compared with a witness: {problem}")
    ctx.say(
        f"nothing begins until another custodian approves: evidence approval give {row.id}; then "
        "evidence ledger rebuild, which records what came back, and evidence ledger key list"
    )


@ledger.group("key")
def ledger_key() -> None:
    """Show, rotate, retire the log's key, or record that one was compromised."""


@ledger_key.command("list")
@pass_context
def key_list(ctx: Context) -> None:
    """Print every key the log ever had and the tree sizes it may sign."""
    for known in ctx.repo.ledger.key_history():
        found = {
            "key": str(known.key),
            "fingerprint": known.key.fingerprint,
            "from": known.start,
            "to": known.stop,
            "compromised": known.compromised,
        }
        upto = "…" if known.stop is None else str(known.stop)
        marked = "" if known.compromised is None else f"  compromised from {known.compromised}"
        ctx.result(
            found, f"{known.start} to {upto:10} {known.key.fingerprint}{marked}\n  {known.key}"
        )


@ledger_key.command("rotate")
@click.option("--to", "uri", metavar="URI", help="A key made before, as pkcs11:…; else a new file.")
@pass_context
def key_rotate(ctx: Context, uri: str | None) -> None:
    """Sign from now on with another key, which the present one vouches for."""
    repo = ctx.repo
    actor = on_house(repo, ctx.caller, Right.GOVERN, attempted=Act.KEY_ROTATION)
    passphrase = passphrase_file(ctx.settings).read_bytes().strip()
    if uri is None:
        fresh = repo.settings.data / "keys" / f".new-{repo.random(8).hex()}.pem"
        key = file_signer.create(fresh, name=repo.ledger.origin, passphrase=passphrase).key
        fresh.rename(default_key(repo.settings, key))
    else:
        key = open_signer(uri, name=repo.ledger.origin, passphrase=passphrase).key
    entry = repo.ledger.change_key(actor, key, KeyState.ADDED, uri=uri)
    publish(repo)
    since = entry.fields["key"]["size"]
    found = {"key": str(key), "fingerprint": key.fingerprint, "from": since, "entry": entry.index}
    ctx.result(
        found,
        f"log key     {key}\nfingerprint {key.fingerprint}\nsigns       heads from size {since}\n"
        f"entry       {entry.index}",
    )
    ctx.say("give the new fingerprint to everyone who checks receipts and bundles")


@ledger_key.command("compromised")
@click.argument("vkey")
@click.option("--since", type=click.IntRange(min=0), help="Tree size; by default from now on.")
@click.option("--motive", required=True, help="Why, in words.")
@pass_context
def key_compromised(ctx: Context, vkey: str, since: int | None, motive: str) -> None:
    """Ask to record that a key is in other hands: witnesses must then vouch for what it signs.

    Another custodian decides: evidence approval give ID.
    """
    try:
        key = VerifierKey.parse(vkey)
    except MalformedNote as error:
        raise BadRequest(f"{vkey[:80]!r} is no verifier key: {error}") from error
    row = request_compromise(ctx.repo, ctx.caller, key, since=since, motive=motive)
    publish(ctx.repo)
    ctx.result({"approval": row.id, "key": vkey, "size": row.asked["size"]}, row.id)
    ctx.say("nothing is recorded of the key until another custodian approves: "
            f"evidence approval give {row.id}")  # fmt: skip


@ledger_key.command("retired")
@click.argument("vkey")
@pass_context
def key_retired(ctx: Context, vkey: str) -> None:
    """Record that a key signs no more."""
    _change(ctx, vkey, KeyState.RETIRED)


def _change(ctx: Context, vkey: str, state: KeyState) -> None:
    repo = ctx.repo
    actor = on_house(repo, ctx.caller, Right.GOVERN, attempted=Act.KEY_ROTATION)
    try:
        key = VerifierKey.parse(vkey)
    except MalformedNote as error:
        raise BadRequest(f"{vkey[:80]!r} is no verifier key: {error}") from error
    known = {one.key: one for one in repo.ledger.key_history()}
    if key not in known:
        raise BadRequest("this key was never one of this log; see: evidence ledger key list")
    if state is KeyState.RETIRED and key == repo.ledger.key and key.type == ED25519:
        raise BadRequest("this key signs now; rotate first: evidence ledger key rotate")
    entry = repo.ledger.change_key(actor, key, state)
    publish(repo)
    about = entry.fields["key"]
    found = {"key": vkey, "state": str(state), "size": about["size"], "entry": entry.index}
    ctx.result(found, f"{state}  from size {about['size']}, entry {entry.index}")


COMMANDS = (ledger,)
