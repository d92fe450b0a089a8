"""One Alembic history for all tables; `upgrade` brings a database to the newest revision."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from custody.database import Database
from custody.errors import LedgerUnavailable
from repository.errors import WrongDatabase

_FOLDER = Path(__file__).parent


def newest() -> str:
    """Return the revision this program needs: files are named `NNNN_subject.py`."""
    return max(file.name[:4] for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def upgrade(database: Database, target: str = "head") -> None:
    """Bring the database to a revision, by default the newest, making it if it is empty."""
    from alembic import command
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_FOLDER))
    with database.writing() as session:
        settings.attributes["connection"] = session.connection()
        command.upgrade(settings, target)


def revision(database: Database) -> str | None:
    """Return the revision of the database, or None if it holds no repository.

    Raises:
        LedgerUnavailable: it cannot be opened.
    """
    try:
        with database.reading() as session:
            found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
            return found
    except LedgerUnavailable as error:
        if "no such table" not in str(error):
            raise
        return None
    except ProgrammingError:
        return None  # PostgreSQL's word for a table that is not there


def check_revision(database: Database) -> None:
    """Refuse a database of another revision than this program's.

    Raises:
        WrongDatabase: older or newer, or no repository at all.
        LedgerUnavailable: it cannot be opened.
    """
    found = revision(database)
    if found is not None and found > newest():
        raise WrongDatabase(
            f"the database is at revision {found}, made by a newer program; this one knows "
            f"revisions up to {newest()}: use that version"
        )
    if found != newest():
        raise WrongDatabase(
            f"the database is at revision {found or 'none'}, this program needs {newest()}: "
            "stop the service, then evidence upgrade --out DIR"
        )
