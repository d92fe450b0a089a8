"""verify, export and import: what a court relies on, and what another house handed over."""

from collections.abc import Sequence
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from api.commands.transfers import write_receipts
from api.remote.rate import parse_size
from custody import verify as offline
from custody.audit import audit
from custody.checkpoint import SignedCheckpoint
from custody.entry import Act, Actor
from custody.errors import CustodyError
from custody.findings import Finding
from custody.receipt import AnyReceipt, Proof, SubmissionReceipt
from custody.receipts import read_receipts
from ingest.bundles import Taken, import_bundle, places_of, refuse_bundle
from repository import Repository, deliveries
from repository.access import Right
from repository.authorise import on_house
from repository.conditions import EXCLUDED_USES
from repository.copies import uncopied
from repository.errors import BadRequest, StoreError
from repository.exports import export as make_bundle
from repository.exports.bag import FolderBag
from repository.exports.choice import Choice, full_version
from repository.exports.encrypted_bag import EncryptedBag
from repository.exports.encryption import check_recipients, read_recipients
from repository.exports.job import TWINS
from repository.exports.report_words import LANGUAGES
from repository.exports.signatures import check_bundle
from repository.fixity import before, check_all, check_objects, count_after, open_run
from repository.ledger_mirror import publish, published
from repository.naming import shown, split_number
from repository.reconcile import strays, unfinished
from repository.succession import lost_with
from repository.unwraps import check_unwraps


@click.command()
@click.argument("subjects", nargs=-1, metavar="[EXHIBIT…|BUNDLE]")
@click.option("--ledger", is_flag=True, help="The custody ledger.")
@click.option("--objects", is_flag=True, help="Every stored object.")
@click.option("--unwraps", is_flag=True, help="The log of the module that holds the key of keys.")
@click.option("--checkpoint", "checkpoints", multiple=True, type=click.Path(path_type=Path),
              metavar="FILE", help="A checkpoint kept elsewhere.")  # fmt: skip
@click.option("--receipt", "receipts", multiple=True, type=click.Path(path_type=Path),
              metavar="FILE", help="A receipt in someone's hand.")  # fmt: skip
@click.option("--payload", multiple=True, type=click.Path(path_type=Path, file_okay=False),
              metavar="DIR", help="Where exhibits are that a bundle has not itself.")  # fmt: skip
@click.option("--signer-roots", type=click.Path(path_type=Path), metavar="FILE",
              help="Who vouches for the custodians that sign reports (PEM).")  # fmt: skip
@pass_context
def verify(
    ctx: Context,
    subjects: tuple[str, ...],
    signer_roots: Path | None,
    ledger: bool,
    objects: bool,
    unwraps: bool,
    checkpoints: tuple[Path, ...],
    receipts: tuple[Path, ...],
    payload: tuple[Path, ...],
) -> None:
    """Recompute everything and name the first thing that differs; nothing named: everything.

    A BUNDLE (a folder) is checked offline, as its own verify.py does it.
    """
    bundles = [Path(subject) for subject in subjects if split_number(subject) is None]
    exhibits = [subject for subject in subjects if split_number(subject) is not None]
    of_bundles: list[Finding] = []
    for bundle in bundles:
        of_bundles += _bundle(bundle, payload, signer_roots)
    findings: list[Finding] = []
    chosen = bool(ledger or objects or unwraps or checkpoints or receipts or subjects)
    if exhibits or objects or ledger or checkpoints or receipts or not chosen:
        findings += _repository(
            ctx,
            exhibits=exhibits,
            ledger=ledger or bool(checkpoints or receipts) or not chosen,
            objects=objects or not chosen,
            checkpoints=checkpoints,
            receipts=receipts,
        )
    if unwraps or (not chosen and ctx.settings.unwrap_log_file):
        on_house(ctx.repo, ctx.caller, Right.AUDIT, attempted=Act.FIXITY_CHECK)
        findings += check_unwraps(ctx.repo)
    _report(ctx, of_bundles, findings)


def _bundle(bundle: Path, payload: tuple[Path, ...], signer_roots: Path | None) -> list[Finding]:
    if bundle.suffix == ".age":
        raise BadRequest(f"{shown(bundle)} is encrypted; open it first: age --decrypt, then tar x")
    try:
        claims = offline.verify_path(bundle, None, payload=payload)
    except offline.WrongUse as error:
        raise BadRequest(f"{shown(bundle)} is neither an exhibit nor a bundle") from error
    found = [Finding(one.claim, str(bundle), one.outcome, one.detail) for one in claims]
    return [*found, *check_bundle(bundle, signer_roots)]


def _repository(
    ctx: Context,
    *,
    exhibits: Sequence[str],
    ledger: bool,
    objects: bool,
    checkpoints: Sequence[Path],
    receipts: Sequence[Path],
) -> list[Finding]:
    repo = ctx.repo
    actor = on_house(repo, ctx.caller, Right.AUDIT, attempted=Act.FIXITY_CHECK)
    findings: list[Finding] = []
    if ledger:
        findings += _ledger(ctx, checkpoints, receipts)
    if objects or exhibits:
        findings += _objects(ctx, actor, exhibits if not objects else ())
        waiting = unfinished(repo)
        if waiting and objects:
            detail = f"{len(waiting)} files of interrupted submissions were never registered"
            findings.append(Finding("intake", "interrupted", "not-done", detail))
    return findings


def _objects(ctx: Context, actor: Actor, numbers: Sequence[str]) -> list[Finding]:
    """Check named exhibits, or all of them, going on where an interrupted run ended."""
    repo = ctx.repo
    if numbers:
        checks, length = check_objects(repo, actor, numbers=numbers), len(numbers)
        with ctx.progress(checks, label="reading objects", length=length) as bar:
            return list(bar)
    run = open_run(repo)
    findings = before(run)
    if run.last:
        ctx.say(f"going on after {run.last}: {run.checked} exhibits were checked before")
    checks, length = check_all(repo, actor, run), count_after(repo, run.last)
    with ctx.progress(checks, label="reading objects", length=length) as bar:
        findings += bar
    missing = uncopied(repo)
    if missing:
        detail = f"exhibits without a copy there: {missing}; let the worker run"
        findings.append(Finding("copies", "second store", "not-done", detail))
    try:
        findings += strays(repo)
    except StoreError as error:
        findings.append(Finding("store", "objects of nobody", "not-done", str(error)))
    return findings


def _ledger(ctx: Context, checkpoints: Sequence[Path], receipts: Sequence[Path]) -> list[Finding]:
    repo = ctx.repo
    outside: list[SignedCheckpoint] = []
    findings: list[Finding] = []
    try:
        outside += published(repo)
    except CustodyError as error:
        findings.append(Finding("outside", "checkpoints in the store", "fail", str(error)))
    except StoreError as error:
        findings.append(Finding("outside", "checkpoints in the store", "not-done", str(error)))
    for file in checkpoints:
        try:
            note = _read(file).decode("utf-8", "replace")
            outside.append(repo.ledger.open_checkpoint(note))
        except CustodyError as error:
            findings.append(_refused(repo, "outside", file, note, error))
    held: list[AnyReceipt] = []
    for file in receipts:
        try:
            held += _receipts(repo, file)
        except CustodyError as error:
            findings.append(_refused(repo, "receipt", file, _note_in(file), error))
    with ctx.meter("reading the ledger", repo.ledger.size()) as meter:
        findings += audit(
            repo.database,
            keys=repo.ledger.key_history(),
            wrapping_key=repo.wrapping_key,
            now=repo.clock(),
            outside=outside,
            receipts=held,
            policy=repo.policy,
            second=repo.second.key if repo.second else None,
            roots=repo.tsa_roots,
            progress=meter,
        )
    return findings


def _refused(repo: Repository, check: str, file: Path, note: str, error: CustodyError) -> Finding:
    """Return the failure; or, of what a ledger before gave out and lost, that it is known."""
    gap = lost_with(repo, note)
    if gap is None:
        return Finding(check, str(file), "fail", str(error))
    return Finding(check, str(file), "fail", f"given out by a ledger before: {gap}")


def _note_in(file: Path) -> str:
    """Return the checkpoint in a receipt that does not verify, or nothing."""
    try:
        with file.open("rb") as opened:
            return Proof.parse(read_receipts(opened)[0].proof).note
    except (CustodyError, OSError):
        return ""


def _receipts(repo: Repository, file: Path) -> list[AnyReceipt]:
    try:
        with file.open("rb") as opened:
            found = read_receipts(opened)
            for receipt in found:
                repo.ledger.check_receipt(receipt)
                if isinstance(receipt, SubmissionReceipt):
                    for _ in receipt.check_list(opened):
                        continue
    except OSError as error:
        raise BadRequest(f"{shown(file)} cannot be read: {error.strerror}") from error
    return found


def recipients_of(file: Path) -> list[str]:
    """Return the public keys in a file of theirs."""
    try:
        return read_recipients(_read(file).decode())
    except UnicodeDecodeError as error:
        raise BadRequest(f"{shown(file)} is no file of public keys") from error
    except BadRequest as error:
        raise BadRequest(f"{shown(file)}: {error}") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadRequest(f"{shown(file)} cannot be read: {error.strerror}") from error


def _report(ctx: Context, of_bundles: Sequence[Finding], of_house: Sequence[Finding]) -> None:
    findings = [*of_bundles, *of_house]
    counts = dict.fromkeys(("pass", "fail", "not-done"), 0)
    for found in findings:
        counts[found.outcome] += 1
        line = {
            "check": found.check,
            "subject": found.subject,
            "outcome": found.outcome,
            "detail": found.detail,
        }
        ctx.result(
            line, f"{found.outcome:9} {found.check:14} {found.subject:24} {shown(found.detail)}"
        )
    # A bundle's optional claims may stay undone; of a repository nearly every check is required.
    undone = any(
        one.outcome == "not-done" and one.check not in optional
        for some, optional in ((of_bundles, OPTIONAL), (of_house, KNOWN))
        for one in some
    )
    code = 1 if counts["fail"] else 3 if undone else 0
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    outcome = {0: "pass", 1: "fail", 3: "not-done"}[code]
    line = {"check": "summary", "subject": "all", "outcome": outcome, "detail": said}
    ctx.result({**line, "exit": code, **counts}, said)
    raise click.exceptions.Exit(code)


OPTIONAL = frozenset(
    {
        "canonical",
        "registration",
        "openings",
        "quoted",
        "key-trusted",
        "witnesses",
        "time-stamps",
        "signature",
        "signer-trusted",
        "gap",
    }
)
# What a ledger before lost is named by its successor, and stays lost.
KNOWN = frozenset({"intake", "gap"})


@click.command()
@click.argument("exhibits", nargs=-1, metavar="[EXHIBIT…]")
@click.option("--case", "code", required=True, metavar="CODE")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR")
@click.option("--purpose", help="Why; a code, or 'code: your words'.")
@click.option("--recipient", help="Who gets it.")
@click.option("--authority", help="The warrant, request or article it rests on.")
@click.option("--assured", multiple=True, type=click.Choice(EXCLUDED_USES),
              help="A use that the recipient has ruled out in writing.")  # fmt: skip
@click.option("--twins", multiple=True, type=click.Choice([*TWINS, "none"]), default=TWINS,
              help="Which forms for machines go too; all if nothing is said.")  # fmt: skip
@click.option("--annotations", multiple=True, metavar="KIND|ANN-…",
              help="What is said of them and goes too: tag, note, assessment, or one.")  # fmt: skip
@click.option("--reveal", multiple=True, metavar="FIELD|EXHIBIT:FIELD",
              help="Personal fields of the entries that are opened, and no others.")  # fmt: skip
@click.option("--withhold", multiple=True, metavar="FIELD|EXHIBIT:FIELD",
              help="Personal fields of the entries that stay closed.")  # fmt: skip
@click.option("--redaction-of", "full", type=click.Path(path_type=Path), metavar="BUNDLE",
              help="The full bundle: its digest goes into the entry of this one.")  # fmt: skip
@click.option("--volume-size", metavar="SIZE",
              help="Volumes with exhibits of so many bytes at most each: 4GB.")  # fmt: skip
@click.option("--by-reference", is_flag=True,
              help="All proofs and no exhibits: those come on other disks.")  # fmt: skip
@click.option("--encrypt-to", "key_files", multiple=True, type=click.Path(path_type=Path),
              metavar="FILE", help="Public keys (age1…, ssh-…) to encrypt it to.")  # fmt: skip
@click.option("--stamped", type=click.Choice(["beside", "instead"]),
              help="Numbered copies go beside their originals, or instead of them.")  # fmt: skip
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True,
              help="Of the custody report.")  # fmt: skip
@pass_context
def export(
    ctx: Context,
    /,
    exhibits: tuple[str, ...],
    code: str,
    out: Path,
    purpose: str | None,
    recipient: str | None,
    authority: str | None,
    assured: tuple[str, ...],
    annotations: tuple[str, ...],
    twins: tuple[str, ...],
    reveal: tuple[str, ...],
    withhold: tuple[str, ...],
    full: Path | None,
    volume_size: str | None,
    by_reference: bool,
    key_files: tuple[Path, ...],
    stamped: str | None,
    language: str,
) -> None:
    """Write the court bundle: exhibits, custody report, proofs and a verifier."""
    ctx.check_outside(out)
    keys = check_recipients([key for file in key_files for key in recipients_of(file)])
    size = parse_size(volume_size) if volume_size else None
    bag = (
        EncryptedBag(out, keys, volume_size=size, by_reference=by_reference)
        if keys
        else FolderBag(out, volume_size=size, by_reference=by_reference)
    )
    made = make_bundle(
        ctx.repo,
        ctx.caller,
        code=code,
        numbers=exhibits,
        into=bag,
        purpose=purpose,
        recipient=recipient,
        authority=authority,
        assured=assured,
        annotations=annotations,
        stamped=stamped,
        twins=[one for one in twins if one != "none"],
        language=language,
        encrypt_to=keys,
        choice=Choice(
            reveal,
            withhold,
            full_version(ctx.repo, code, _read(full / offline.CLOSING)) if full else (),
        ),
        progress=lambda step: ctx.say(f"packing {step}"),
    )
    found = {
        "bundle": str(out),
        "report": made.report_id,
        "exhibits": made.exhibits,
        "tree_size": made.tree_size,
        "manifest": made.manifest,
        "manifests": made.manifests,
        "encrypted": [
            {"file": str(out / name), "sha256": digest} for name, digest, _ in made.ciphers
        ],
        "left_out": [{"what": what, "why": why} for what, why in made.left_out],
    }
    lines = [
        f"bundle    {out}  {len(made.exhibits)} exhibits",
        *(f"manifest  {one}" for one in made.manifests),
        *(f"encrypted {out / name}  {digest}" for name, digest, _ in made.ciphers),
        *(f"left out  {what}: {why}" for what, why in made.left_out),
    ]
    ctx.result(found, "\n".join(lines))
    if made.ciphers:
        ctx.say("its recipients open it: age --decrypt -i KEY FILE | tar x")
        return
    folder = out / "volume-1" if len(made.manifests) > 1 else out
    ctx.say(f"anyone can check it, without this program: cd {folder} && python3 -I verify.py .")


@click.command("import")
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE|VOLUME…",
                type=click.Path(path_type=Path))  # fmt: skip
@click.option("--case", "code", required=True, metavar="CODE")
@click.option("--purpose", help="Why; a code, or 'code: your words'. Sharing, if nothing is said.")
@click.option("--payload", multiple=True, metavar="DIR",
              type=click.Path(exists=True, path_type=Path, file_okay=False),
              help="Where exhibits are that a bundle has not itself.")  # fmt: skip
@click.option("--receipts", type=click.Path(path_type=Path), metavar="FILE",
              help="Where to write the receipts for whoever released custody to us.")  # fmt: skip
@click.option("--refuse", "motive", metavar="MOTIVE",
              help="Take nothing in: refuse the custody that it releases to us.")  # fmt: skip
@pass_context
def import_(
    ctx: Context,
    bundles: tuple[Path, ...],
    code: str,
    purpose: str | None,
    payload: tuple[Path, ...],
    receipts: Path | None,
    motive: str | None,
) -> None:
    """Take in the BUNDLE of another repository: a folder, or a tar of one; or VOLUMEs of one.

    Every claim is verified, its key among them (`evidence counterpart`). Custody of before is kept
    as quoted; ours begins with the receipt. What does not verify is kept in quarantine whole.
    Volumes may come one by one, in any order: those that are not here yet are named.
    """
    places = places_of(bundles)
    if motive is not None:
        if len(places) > 1:
            raise BadRequest("a bundle that releases custody is one; name it alone to refuse it")
        refused = refuse_bundle(ctx.repo, ctx.caller, code, places[0], motive=motive)
        publish(ctx.repo)
        ctx.result({"refused": refused}, f"refused: {len(refused)} exhibits")
        write_receipts(ctx, receipts, deliveries.receipts_of(ctx.repo, refused))
        return
    taken: list[Taken] = []
    for place in places:
        found = import_bundle(ctx.repo, ctx.caller, code, place, purpose=purpose, payload=payload)
        publish(ctx.repo)
        taken += found.taken
        for one in found.taken:
            ctx.result(
                one.to_json(),
                f"{one.outcome.number or one.outcome.quarantine}  from {one.their_number} of "
                f"{one.origin}  {one.outcome.size} bytes  {one.outcome.sha256}",
            )
    if found.volume:
        ctx.result(found.volume.to_json(), str(found.volume))
    given = deliveries.receipts(ctx.repo, [one.outcome.exhibit_id for one in taken])
    if given:
        write_receipts(ctx, receipts, given)


COMMANDS = (verify, export, import_)
