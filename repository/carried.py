"""The settings and small files that a backup carries: keys, secrets, trust, and where they belong.

Paths stand in the backup as what they are (`data:keys/kek.json`, `file:tsa_roots_file`), so that
they fit the machine on which they are restored.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from config.settings import Settings
from repository.errors import BackupDamaged, KeyUnavailable

FOLDERS = ("keys", "secrets")  # of the data folder, carried whole
OUTSIDE = "secrets/restored"  # where files come that stood outside the data folder
_IN_DATA, _FILE = "data:", "file:"
# Where they are depends on the machine: said anew when a backup is restored.
_OF_THE_MACHINE = frozenset({"data", "database_url"})
_URIS = ("kek_uri", "identity_kek_uri", "match_kek_uri", "report_signer_uri")
_NOT_CARRIED = frozenset({"unwrap_log_file"})  # a log, of any size

Carry = Callable[[str, Path], str]


def carried(settings: Settings) -> tuple[dict[str, Path], dict[str, Any]]:
    """Return the files a backup carries by their names in it, and the settings as it has them.

    Raises:
        KeyUnavailable: a file of the settings cannot be read.
    """
    data = settings.data.absolute()
    files = {
        f"{folder}/{file.relative_to(data / folder)}": file
        for folder in FOLDERS
        for file in sorted((data / folder).rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }

    def carry(name: str, file: Path) -> str:
        inside = file.absolute()
        if not file.is_file():
            raise KeyUnavailable(f"{file}, named by the setting {name}, cannot be read")
        if inside.is_relative_to(data) and inside.relative_to(data).parts[0] in FOLDERS:
            return f"{_IN_DATA}{inside.relative_to(data)}"
        files[f"{OUTSIDE}/{name}"] = file
        return f"{_FILE}{name}"

    found = settings.model_dump(mode="json", exclude_defaults=True)
    said = {
        name: _walk(value, name, settings, carry)
        for name, value in found.items()
        if name not in _OF_THE_MACHINE
    }
    return files, said


def elsewhere(settings: Settings) -> list[str]:
    """Return the keys that no backup can carry: they never leave their module."""
    return [
        f"{name}: {getattr(settings, name).partition('?')[0]}"
        for name in _URIS
        if getattr(settings, name).startswith("pkcs11:")
    ]


def placed(said: Mapping[str, Any], data: Path) -> dict[str, Any]:
    """Return settings of a backup with the paths that they have in a data folder."""

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(one) for one in value]
        if isinstance(value, dict):
            return {name: place(one) for name, one in value.items()}
        if not isinstance(value, str):
            return value
        uri = value.startswith("uri:")
        where = value.removeprefix("uri:")
        if where.startswith(_IN_DATA):
            path = data / where.removeprefix(_IN_DATA)
        elif where.startswith(_FILE) and not where.startswith("file:/"):
            path = data / OUTSIDE / where.removeprefix(_FILE)
        else:
            return value
        return path.as_uri() if uri else str(path)

    return {name: place(value) for name, value in said.items()}


def as_toml(said: Mapping[str, Any]) -> str:
    """Return settings as the text of `config.toml`."""
    lines = ["# Settings of this repository, restored from a backup; see docs/operate.md."]
    tables = []
    for name, value in said.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                tables += ["", f"[[{name}]]", *(f"{k} = {_toml(v)}" for k, v in one.items())]
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def inside(name: str) -> Path:
    """Return where a file of a backup belongs in a data folder.

    Raises:
        BackupDamaged: it leads elsewhere.
    """
    path = Path(name)
    if (
        path.is_absolute()
        or path.parts[:1] not in {(one,) for one in FOLDERS}
        or ".." in path.parts
    ):
        raise BackupDamaged(f"the backup holds a file {name!r}, which belongs nowhere")
    return path


def _walk(value: Any, name: str, settings: Settings, carry: Carry) -> Any:
    if name in _NOT_CARRIED:
        return value
    if isinstance(value, list):
        return [_walk(one, f"{name}.{n}", settings, carry) for n, one in enumerate(value)]
    if isinstance(value, dict):
        return {
            key: _walk(one, f"{name}.{key}", settings, carry)
            for key, one in value.items()
            if one is not None
        }
    if not isinstance(value, str) or not value:
        return value
    if name in _URIS:
        parts = urlsplit(value)
        file = Path(unquote(parts.path))
        return f"uri:{carry(name, file)}" if parts.scheme == "file" else value
    last = [part for part in name.split(".") if not part.isdigit()][-1]
    return carry(name, Path(value)) if last.endswith(("_file", "_files")) else value


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    # A TOML string escapes as JSON's does, but knows DEL as a control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
