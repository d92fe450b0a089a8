"""What every command shares: the open repository, who acts, how results are written."""

import contextlib
import functools
import json
import os
import pwd
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from api.errors import (
    CertificateUnusable,
    LineIntercepted,
    LineLost,
    PortInUse,
    ProviderUnavailable,
    ReceiptRefused,
    RunningAlready,
    SandboxBusy,
    ServiceRefused,
    ServiceUnavailable,
)
from config.settings import Settings, load
from custody import errors as custody_errors
from ingest import errors as ingest_errors
from repository import (
    Repository,
    errors,
    open_repository,
    open_settings_store,
    passphrase_file,
    wrapping_key,
)
from repository.authorise import Caller
from repository.errors import UnknownPerson
from repository.naming import recorded_name, shown
from repository.people import find_person, person_of_login
from repository.stores import ObjectStore

T = TypeVar("T")

# The first row that fits decides; everything else is wrong use.
EXIT_CODES: tuple[tuple[int, tuple[type[Exception], ...]], ...] = (
    (
        4,
        (
            errors.AccessDenied,
            errors.SignInRefused,
            errors.Erased,
            errors.ApprovalExpired,
            errors.TooManyQueries,
            errors.OnHold,
            errors.ReleaseEnded,
            ServiceRefused,
        ),
    ),
    (
        3,
        (
            PortInUse,
            ProviderUnavailable,
            CertificateUnusable,
            LineIntercepted,
            LineLost,
            RunningAlready,
            SandboxBusy,
            ServiceUnavailable,
            errors.StoreError,
            errors.KeyUnavailable,
            errors.DiskFull,
            errors.SignatureUnavailable,
            errors.WrongDatabase,
            custody_errors.LedgerUnavailable,
            custody_errors.SignerUnavailable,
            custody_errors.HostUnavailable,
            custody_errors.WitnessUnavailable,
            custody_errors.TimestampUnavailable,
            custody_errors.TimestampRefused,
            ingest_errors.SandboxUnavailable,
            ingest_errors.LibmagicMissing,
        ),
    ),
    (2, (custody_errors.MalformedPolicy,)),
    (
        1,
        (
            errors.IntegrityError,
            errors.CitedDigestDiffers,
            errors.AnswerRefused,
            ReceiptRefused,
            ingest_errors.BadBundle,
            ingest_errors.BundleHeld,
            ingest_errors.SourceChanged,
            ingest_errors.SourceIncomplete,
            ingest_errors.SubmissionIncomplete,
            custody_errors.CustodyError,
        ),
    ),
)


def exit_code(error: Exception) -> int:
    """Return the exit code that an error means (docs: 00, command line)."""
    for code, kinds in EXIT_CODES:
        if isinstance(error, kinds):
            return code
    return 2


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of a batch: the highest of 1, 3, 4; else 2; else 0."""
    found = set(codes)
    return max(found & {1, 3, 4}, default=2 if 2 in found else 0)


def file_result(submission: str, path: bytes, **values: Any) -> dict[str, Any]:
    """Return what became of one file as `ingest --json` writes it."""
    empty = dict.fromkeys(
        ("exhibit", "sha256", "size", "entry", "stored", "status", "receipt", "error")
    )
    return {**empty, "submission": submission, "path": recorded_name(path), **values}


@dataclass
class Context:
    """The options of this call, and what is opened on first use."""

    data: Path | None
    settings_file: Path | None
    as_json: bool
    person: str | None
    _repo: Repository | None = field(default=None)

    @property
    def settings(self) -> Settings:
        """Return the settings of the data folder."""
        return load(self.data, self.settings_file)

    @property
    def repo(self) -> Repository:
        """Return the open repository."""
        if self._repo is None:
            self._repo = open_repository(self.settings)
        return self._repo

    def store(self, url: str | None) -> ObjectStore:
        """Return the store of a URL, with the keys of the settings; by default their own store."""
        settings = self.settings
        chosen = settings.model_copy(update={"store_url": url}) if url else settings
        secret = passphrase_file(settings).read_bytes().strip()
        return open_settings_store(chosen, wrapping_key(secret, settings.origin))

    def check_outside(self, out: Path) -> None:
        """Refuse a place in the repository's own folder, where no exhibit lies in clear.

        Raises:
            BadRequest: it is there.
        """
        if out.resolve().is_relative_to(self.settings.data.resolve()):
            said = "is in the repository's own folder; name one outside"
            raise errors.BadRequest(f"{shown(str(out))} {said}")

    def close(self) -> None:
        """Close what was opened."""
        if self._repo is not None:
            self._repo.close()

    @property
    def caller(self) -> Caller:
        """Return who acts: the person of `--as`, else the one bound to this account.

        Raises:
            UnknownPerson: nobody of that name, or this account is nobody's.
        """
        with self.repo.database.reading() as session:
            if self.person is not None:
                return Caller(find_person(session, self.person), "named")
            person = person_of_login(session, login())
        if person is None:
            raise UnknownPerson(
                f"nobody here is bound to the account {login()}; say who acts: --as PERSON"
            )
        return Caller(person, "os-login")

    def result(self, found: dict[str, Any], text: str) -> None:
        """Write one result: a JSON line for programs, or its text for people."""
        click.echo(json.dumps(found, ensure_ascii=False) if self.as_json else text)

    def say(self, text: str) -> None:
        """Tell a person something on standard error; programs are not told."""
        if not self.as_json:
            click.echo(text, err=True)

    @contextlib.contextmanager
    def progress(
        self, items: Iterable[T], *, label: str, length: int | None
    ) -> Iterator[Iterable[T]]:
        """Yield the items with a progress bar for people at a terminal."""
        if self.as_json or not sys.stderr.isatty():
            yield items
            return
        with click.progressbar(items, label=label, length=length, file=sys.stderr) as bar:
            yield bar

    @contextlib.contextmanager
    def meter(self, label: str, length: int) -> Iterator[Callable[[int], None]]:
        """Yield a function that is told how far a long check has come, for people at a terminal."""
        if self.as_json or not sys.stderr.isatty():
            yield lambda _: None
            return
        with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
            yield lambda done: bar.update(done - bar.pos)


def login() -> str:
    """Return the account of the operating system that runs this, not what the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


_with_context = click.make_pass_decorator(Context)


def pass_context(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command get its `Context`, once every word it was given is text.

    Paths may be any bytes: a parameter that takes one says so by its type.
    """

    @functools.wraps(command)
    def checked(ctx: Context, /, *arguments: Any, **values: Any) -> None:
        call = click.get_current_context()
        for level in (call, call.find_root()):
            for one in level.command.params:
                _check_text(one, level.params.get(one.name or ""))
        command(ctx, *arguments, **values)

    return _with_context(checked)


def _check_text(parameter: click.Parameter, value: object) -> None:
    if parameter.type is not click.STRING:
        return
    for word in value if isinstance(value, tuple) else (value,):
        if isinstance(word, str) and not word.isascii():
            try:
                word.encode()
            except UnicodeEncodeError as error:
                raise click.BadParameter("it is no valid Unicode text", param=parameter) from error
