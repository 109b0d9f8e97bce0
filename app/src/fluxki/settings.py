"""The deployment's settings: read from `fluxki.toml` and the environment, checked, never at import."""

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from fluxki_core.domain.errors import SettingsError
from msgspec import Meta, Struct

FILE = "fluxki.toml"
CONFIG = "FLUXKI_CONFIG"
PREFIX = "FLUXKI_"

Port = Annotated[int, Meta(ge=0, le=65535)]

# All up to the last @, since a password that should have been percent-encoded may hold anything.
_PASSWORD = re.compile(r"(://[^:/@]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"([?&](?:ssl)?password=)[^&#]*", re.IGNORECASE)


class Database(Struct, frozen=True, kw_only=True):
    """`{data_dir}` in `url` stands for that setting. `synchronous` is SQLite's."""

    url: str = "sqlite:///{data_dir}/fluxki.db"
    synchronous: Literal["FULL", "NORMAL"] = "FULL"

    def __repr__(self) -> str:
        """Without the URL's password, since a repr ends in logs."""
        return f"Database(url={without_password(self.url)!r}, synchronous={self.synchronous!r})"


class Web(Struct, frozen=True, kw_only=True):
    """`base_url` is the address that people use. Port 0 takes any free one. See `secrets` for `secret_key`."""

    base_url: str = "http://localhost:8000"
    host: str = "127.0.0.1"
    port: Port = 8000
    secret_key: str = ""

    def __repr__(self) -> str:
        """Without the secret key."""
        return f"Web(base_url={self.base_url!r}, host={self.host!r}, port={self.port!r})"


class Plugins(Struct, frozen=True, kw_only=True):
    """None enables all that are installed."""

    enabled: tuple[str, ...] | None = None


class Locale(Struct, frozen=True, kw_only=True):
    default: Annotated[str, Meta(pattern="^[a-z]{2,3}(_[A-Z]{2})?$")] = "pt_BR"
    timezone: str = "America/Sao_Paulo"


class Chat(Struct, frozen=True, kw_only=True):
    live_updates: Literal["participants", "everyone"] = "participants"
    join_on_reply: bool = False
    reopen_minutes: Annotated[int, Meta(ge=0, le=525_600)] = 10


class Tickets(Struct, frozen=True, kw_only=True):
    """`reopen_days`: so long a contact's answer reopens a finished standard ticket (SPEC D9)."""

    reopen_days: Annotated[int, Meta(ge=0, le=36_500)] = 14


class Log(Struct, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings, checked; `data_dir` is absolute. `source` is the file that was read, if any."""

    data_dir: Path = Path("var")
    database: Database = Database()
    web: Web = Web()
    plugins: Plugins = Plugins()
    locale: Locale = Locale()
    chat: Chat = Chat()
    tickets: Tickets = Tickets()
    log: Log = Log()
    source: Path | None = None

    @property
    def database_url(self) -> str:
        """The URL with `{data_dir}` filled in."""
        return self.database.url.replace("{data_dir}", quote(str(self.data_dir)))


SECTIONS: dict[str, type[Struct]] = {
    each.name: each.type
    for each in msgspec.structs.fields(Settings)
    if isinstance(each.type, type) and issubclass(each.type, Struct)
}
KEYS: dict[str, Any] = {"data_dir": Annotated[str, Meta(min_length=1)]} | {
    f"{section}.{each.name}": each.type
    for section, struct in SECTIONS.items()
    for each in msgspec.structs.fields(struct)
}


def load(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `config` (else `FLUXKI_CONFIG`, else `fluxki.toml` here), overridden by the environment.

    A relative `data_dir` is taken from the file's folder, one of the environment from the working folder. Raises
    `SettingsError`, which names the key and the cure.
    """
    environ = os.environ if environ is None else environ
    source = _source(config, environ)
    values = {key: _converted(key, value, str(source)) for key, value in _of_file(source).items()}
    base = source.parent if source else Path.cwd()
    folder = (base / values.pop("data_dir", "var")).resolve()
    given = {key: _converted(key, value, name) for key, (name, value) in _of_environment(environ).items()}
    if "data_dir" in given:
        folder = Path(given.pop("data_dir")).resolve()
    values |= given
    sections: dict[str, Any] = {
        section: struct(**{key.partition(".")[2]: value for key, value in values.items() if _section(key) == section})
        for section, struct in SECTIONS.items()
    }
    return _checked(Settings(data_dir=folder, source=source, **sections))


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    return _PASSWORD.sub(r"\1:***@", _PARAMETER.sub(r"\1***", url))


def _source(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = config or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    if named is None:
        return Path(FILE).resolve() if Path(FILE).is_file() else None
    if not named.is_file():
        raise SettingsError(f"There is no settings file {named}: give the path of a file, or leave --config out.")
    return named.resolve()


def _of_file(source: Path | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        document = tomllib.loads(source.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{source} cannot be read as TOML: {error}.") from error
    values: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict) and name in SECTIONS:
            values |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            values[name] = value
    for key in values:
        if key not in KEYS:
            raise SettingsError(f"{source}: there is no setting {key}{_nearest(key, list(KEYS))}")
    return values


def _of_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The value of each setting that the environment gives, with the variable's name."""
    names = {PREFIX + key.replace(".", "__").upper(): key for key in KEYS}
    bare = [CONFIG.removeprefix(PREFIX), *(each.upper() for each in KEYS if "." not in each)]
    found: dict[str, tuple[str, str]] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name == CONFIG:
            continue
        if name in names:
            found[names[name]] = (name, value)
        # A variable without a section may well be another program's, unless it looks like a slip.
        elif "__" in name or get_close_matches(name.removeprefix(PREFIX), bare, 1, 0.8):
            raise SettingsError(f"The environment has {name}, which is no setting{_nearest(name, [*names, CONFIG])}")
    return found


def _nearest(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, 1)
    return f"; did you mean {close[0]}?" if close else f". The settings are: {', '.join(known)}."


def _section(key: str) -> str:
    return key.partition(".")[0]


def _converted(key: str, value: Any, source: str) -> Any:
    from_environment = source.startswith(PREFIX)
    if key == "plugins.enabled" and from_environment:
        value = [each.strip() for each in value.split(",") if each.strip()]
    try:
        return msgspec.convert(value, KEYS[key], strict=not from_environment)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{key} (from {source}): {error}.") from error


def _checked(settings: Settings) -> Settings:
    if not _is_base(settings.web.base_url):
        raise SettingsError("web.base_url: give the address that people use, such as https://suporte.example.com.")
    try:
        database = urlsplit(settings.database.url)
        if "," not in database.netloc:  # PostgreSQL's URLs may name several hosts, each with a port
            _ = database.port
    except ValueError:  # which may repeat a part of the password
        raise SettingsError(
            "database.url: this is no address; percent-encode what is special in its password, and give a port"
            " of 0 to 65535."
        ) from None
    try:
        ZoneInfo(settings.locale.timezone)
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError("locale.timezone: give an IANA name, such as America/Sao_Paulo.") from error
    return settings


def _is_base(text: str) -> bool:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.netloc) and not (url.query or url.fragment)
