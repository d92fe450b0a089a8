"""What can be set, its default and its meaning; TOML file, then environment, then secret files."""

import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


class SettingsError(Exception):
    """A setting cannot be read or is not allowed."""

    code = "settings"


class OidcProvider(BaseModel):
    """An identity provider (OpenID Connect) with whose accounts people sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")  # in addresses of ours
    label: str  # as people call it
    issuer: str  # the address by which it names itself, to the letter
    client_id: str
    client_secret_file: Path | None = None  # none: a public client, by PKCE alone
    claim: str = "sub"  # which claim says who it is; it must never pass to somebody else
    scope: str = "openid"
    hosts: tuple[str, ...] = ()  # of its further endpoints, where they are not the issuer's
    ca_file: Path | None = None  # PEM file of the authorities that vouch for its servers


class Settings(BaseSettings):
    """Everything that can be set. Each key is also the variable `EVIDENCE_` + upper case."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="EVIDENCE_", frozen=True, extra="forbid"
    )

    data: Path = Field(Path("evidence-data"), description="Folder of everything that is local.")
    database_url: str = Field(
        "", description="SQLAlchemy URL of the database; empty: SQLite in `data`."
    )
    database_timeout: float = Field(
        10.0, gt=0, description="Seconds to wait for a lock that another process holds."
    )
    database_statement_seconds: float = Field(
        30.0,
        ge=0,
        description="Seconds that PostgreSQL may take to answer a question before it is given up; "
        "0: as long as it likes. The making and changing of tables has no limit.",
    )
    store_url: str = Field(
        "",
        description="Object store: `file:///folder` or `s3+https://host:port/?prefix=name`; "
        "empty: the folder `store` in `data`.",
    )
    store_access_key_file: Path | None = Field(None, description="File with the S3 access key.")
    store_secret_key_file: Path | None = Field(None, description="File with the S3 secret key.")
    origin: str = Field("", description="Name of this ledger in checkpoints; written by `init`.")
    key_passphrase_file: Path | None = Field(
        None, description="File with the passphrase of all keys; empty: made by `init`."
    )
    store_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that vouch for the store's server."
    )
    replica_store_url: str = Field(
        "",
        description="A second store, under another administration: every object is copied there, "
        "checked in turn, and repaired from there.",
    )
    replica_access_key_file: Path | None = Field(
        None, description="File with the S3 access key of the second store."
    )
    replica_secret_key_file: Path | None = Field(
        None, description="File with the S3 secret key of the second store."
    )
    replica_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that vouch for the second store's server."
    )
    immutable_files: bool = Field(
        False,
        description="Set the file system's immutable attribute on objects in a folder; needs root, "
        "and so does removing them.",
    )
    encryption: bool = Field(
        True, description="Encrypt every object under a data key of its exhibit."
    )
    kek_uri: str = Field(
        "",
        description="The key-encryption key: `file:///path`, or `pkcs11:token=T;object=LABEL"
        "?module-path=/path/module.so`; empty: a file in `data`, made by `init`.",
    )
    identity_kek_uri: str = Field(
        "",
        description="The key of the vault of identities, as `kek_uri`, and another one than that; "
        "empty: a file in `data`, made by `init`.",
    )
    identity_passphrase_file: Path | None = Field(
        None,
        description="File with the passphrase of the vault's key, which opens nothing else; empty: "
        "made by `init`.",
    )
    match_kek_uri: str = Field(
        "",
        description="The key that wraps the keys of matching, as `kek_uri`, and another one than "
        "that; empty: a file in `data`, made when the first institution takes part.",
    )
    match_passphrase_file: Path | None = Field(
        None,
        description="File with the passphrase of the key of matching, which opens nothing else; "
        "empty: made with it.",
    )
    match_person_hour: int = Field(
        60, ge=1, description="Questions for a match that one person may ask in an hour."
    )
    match_organisation_day: int = Field(
        500, ge=1, description="Questions for a match that one institution may ask in a day."
    )
    match_answer_seconds: float = Field(
        0.25,
        ge=0,
        description="Answers about matches are held back until a whole multiple of so many seconds "
        "has passed, so that their time says nothing; 0: given at once.",
    )
    unwrap_log_file: Path | None = Field(
        None,
        description="The hardware module's log of unwrappings, for `evidence verify --unwraps`.",
    )
    approval_days: int = Field(
        14,
        ge=1,
        description="Days that a second person has to decide; then it has to be asked anew.",
    )
    lock_days: int = Field(
        365,
        ge=0,
        description="Days an exhibit's object stays locked; renewed when half of them are over.",
    )
    legal_hold: bool = Field(
        True, description="Place a legal hold on every exhibit's objects, beside the lock."
    )
    fixity_days: int = Field(
        90, ge=1, description="Every object is read again and compared at least this often."
    )
    upload_days: int = Field(
        60, ge=1, description="Days without a byte after which an unfinished upload is given up."
    )
    upload_max_bytes: int = Field(
        4 << 40, ge=1, description="Bytes that one upload may have (`Tus-Max-Size`)."
    )
    export_days: int = Field(
        7, ge=1, description="Days for which an export made over HTTP can be fetched."
    )
    extraction_copy_bytes: int = Field(
        1 << 30,
        ge=0,
        description="Larger exhibits are read for extraction where they lie, piece by piece.",
    )
    member_bytes: int = Field(
        8 << 30, ge=1, description="Bytes that a member taken out of a container may have."
    )
    extract_with: tuple[str, ...] = Field(
        (), description="Extractors that run only when asked for, and are: `ocr`, and the like."
    )
    publish_seconds: float = Field(
        10.0, gt=0, description="How often `serve` and `worker` copy the checkpoint to the store."
    )
    beat_seconds: float = Field(
        10.0,
        gt=0,
        description="How often a worker says that it is alive; three times without, and another "
        "takes over what it had begun.",
    )
    witness_policy_file: Path | None = Field(
        None, description="C2SP tlog-policy: which witnesses cosign, and how many must."
    )
    witness_timeout: float = Field(
        5.0, gt=0, description="Seconds that a witness or time-stamping authority may take."
    )
    tsa_urls: tuple[str, ...] = Field(
        (),
        description="Time-stamping authorities (RFC 3161), at least two of them; `file:///folder` "
        "is a drop folder for an authority reached by hand.",
    )
    tsa_roots_file: Path | None = Field(
        None, description="PEM file of the roots that time-stamps must lead to."
    )

    report_signer_uri: str = Field(
        "",
        description="Whose signature custody reports carry: `file:///path` of a key (PKCS #12, or "
        "PEM), or `pkcs11:token=T;object=LABEL?module-path=/path/module.so`; empty: none.",
    )
    report_passphrase_file: Path | None = Field(
        None, description="File with the passphrase of that key, or the PIN of its token."
    )
    report_certificate_file: Path | None = Field(
        None,
        description="PEM file of that key's certificate and its chain up to the root; a PKCS #12 "
        "file may bring them itself.",
    )
    report_revocation_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts that may be asked whether a certificate was revoked (OCSP, CRL); where "
        "a certificate names another, it is not asked.",
    )
    report_crl_files: tuple[Path, ...] = Field(
        (), description="CRLs (DER or PEM) that were brought by hand, renewed before they end."
    )
    report_signature_required: Literal["none", "B-B", "B-T", "B-LTA"] = Field(
        "none",
        description="The level of signature without which no bundle is made; below it, the export "
        "goes on and says what is lacking.",
    )

    tls: bool = Field(
        False,
        description="`serve` speaks TLS; without the two files below it makes a certificate of its "
        "own in `data`, once.",
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file of the service's certificate and its chain; with it, TLS is on."
    )
    tls_key_file: Path | None = Field(
        None, description="PEM file of the certificate's private key."
    )

    public_url: str = Field(
        "",
        description="The https address at which browsers reach the service; without it people sign "
        "in on this machine alone.",
    )
    intake_case: str | None = Field(
        None,
        description="The case that reports without a name come to, by the page `/say`; empty: "
        "there is no such page.",
    )
    intake_exit_url: str = Field(
        "https://www.wikipedia.org/",
        description="Where the button that leaves that page at once leads to.",
    )
    oidc: tuple[OidcProvider, ...] = Field(
        (), description="Identity providers with whose accounts people sign in."
    )
    session_idle_minutes: int = Field(
        30, ge=1, description="Minutes without a request after which a browser's session ends."
    )
    session_hours: int = Field(
        12, ge=1, description="Hours after which a browser's session ends in any case."
    )
    step_up_minutes: int = Field(
        10,
        ge=1,
        description="How recent a sign-in must be for exports, disclosures, acts of two persons "
        "(asking and deciding) and the identity of a source.",
    )

    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM file of the authorities that vouch for clients' certificates; with it, "
        "the service asks for one, and tokens can be bound to theirs.",
    )

    rate_per_token: float = Field(
        500.0,
        ge=0,
        description="Requests a second that one token may send over time to each process of the "
        "service, ten seconds' worth at once; 0: as many as it likes.",
    )
    rate_per_address: float = Field(
        1000.0,
        ge=0,
        description="The same for one address; a refused sign-in counts for 20.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        description="How many proxies stand before the service, whose `X-Forwarded-For` is "
        "believed.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the metrics for Prometheus; 0: there are none."
    )
    metrics_host: str = Field("127.0.0.1", description="Address at which the metrics are served.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file (`init_settings` carries the file's values)."""
        return (env_settings, init_settings)


def load(data: Path | None = None, file: Path | None = None) -> Settings:
    """Return the settings of a data folder.

    Args:
        data: the folder, from the command line; None: environment or default.
        file: the TOML file; None: `config.toml` in the data folder, if it is there.

    Raises:
        SettingsError: a file that cannot be read, an unknown key or a value that does not fit.
    """
    folder = data or Settings().data
    values: dict[str, Any] = {}
    named = file is not None
    file = file or folder / "config.toml"
    if named or file.exists():
        values = _read_toml(file)
    try:
        found = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {name}: {first['msg'].lower()}; see {file}") from error
    # The folder named on the command line wins over file and environment.
    return found.model_copy(update={"data": folder.absolute()})


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} is not TOML: {error}") from error
