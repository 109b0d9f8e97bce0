"""Settings: where they come from, which wins, and what is refused."""

import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from fluxki.secret import FILE, secrets
from fluxki.settings import KEYS, Database, Settings, Web, load, without_password
from fluxki_core.domain.errors import SettingsError


def written(folder: Path, text: str) -> Path:
    file = folder / "fluxki.toml"
    file.write_text(text, "utf-8")
    return file


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(environ={})
    assert settings.data_dir == tmp_path / "var"
    assert settings.database_url == f"sqlite:///{tmp_path}/var/fluxki.db"
    web, locale, chat = settings.web, settings.locale, settings.chat
    assert (web.base_url, web.host, web.port, web.secret_key) == ("http://localhost:8000", "127.0.0.1", 8000, "")
    assert settings.plugins.enabled is None
    assert (locale.default, locale.timezone) == ("pt_BR", "America/Sao_Paulo")
    assert (chat.live_updates, chat.join_on_reply, chat.reopen_minutes) == ("participants", False, 10)
    assert (settings.tickets.reopen_days, settings.database.synchronous) == (14, "FULL")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, '[web]\nport = 1\nhost = "::1"\n[chat]\njoin_on_reply = true\n[plugins]\nenabled = ["a"]')
    monkeypatch.chdir(tmp_path)
    environ = {"FLUXKI_WEB__PORT": "9000", "FLUXKI_CHAT__REOPEN_MINUTES": "3", "PATH": "/bin", "FLUXKI_CI": "yes"}
    settings = load(environ=environ)
    assert (settings.web.port, settings.web.host, settings.chat.reopen_minutes) == (9000, "::1", 3)
    assert (settings.chat.join_on_reply, settings.plugins.enabled, settings.source) == (True, ("a",), file)
    assert load(environ={"FLUXKI_PLUGINS__ENABLED": "email, telegram"}).plugins.enabled == ("email", "telegram")
    assert load(environ={"FLUXKI_PLUGINS__ENABLED": ""}).plugins.enabled == ()
    assert load(environ={"FLUXKI_CHAT__JOIN_ON_REPLY": "false"}).chat.join_on_reply is False


def test_a_file_is_named_by_option_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "web.port = 1")
    (tmp_path / "b").mkdir()
    other = written(tmp_path / "b", 'data_dir = "here"\nweb.port = 2')
    assert load(environ={}).web.port == 1
    named = load(environ={"FLUXKI_CONFIG": str(other)})
    assert (named.web.port, named.data_dir) == (2, tmp_path / "b" / "here")
    assert load(other, {"FLUXKI_CONFIG": "nowhere"}).web.port == 2
    assert load(other, {"FLUXKI_DATA_DIR": "mine"}).data_dir == tmp_path / "mine"
    with pytest.raises(SettingsError, match=r"no settings file .*missing\.toml"):
        load(tmp_path / "missing.toml", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[web]\nprot = 1", "web.prot; did you mean web.port?"),
        ("[wep]\nport = 1", "there is no setting wep"),
        ("port = 1", "there is no setting port"),
        ("[web]\nport = '1'", "web.port"),
        ("[web]\nport = 70000", "web.port"),
        ("web = 3", "there is no setting web"),
        ("[web", "cannot be read as TOML"),
        ("[locale]\ntimezone = 'Mars/Olympus'", "locale.timezone: give an IANA name"),
        ("[locale]\ntimezone = '../etc/passwd'", "locale.timezone"),
        ("[web]\nbase_url = 'desk'", "web.base_url: give the address"),
        ("[chat]\nlive_updates = 'all'", "chat.live_updates"),
        ("data_dir = 3", "data_dir"),
        ("[web]\nbase_url = 'http://['", "web.base_url: give the address"),
        ("[web]\nbase_url = 'http://desk:x'", "web.base_url: give the address"),
        ("[database]\nurl = 'postgresql://u:p@[h/d'", "database.url: this is no address"),
        ("[database]\nurl = 'postgresql://u:p@h:99999/d'", "database.url: this is no address"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(written(tmp_path, text), {})
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FLUXKI_WEB__PROT", "1", "did you mean FLUXKI_WEB__PORT?"),
        ("FLUXKI_DATADIR", "x", "did you mean FLUXKI_DATA_DIR?"),
        ("FLUXKI_WEB__PORT", "many", "web.port (from FLUXKI_WEB__PORT)"),
        ("FLUXKI_CHAT__JOIN_ON_REPLY", "perhaps", "chat.join_on_reply"),
        ("FLUXKI_DATA_DIR", "", "data_dir (from FLUXKI_DATA_DIR)"),
    ],
)
def test_what_cannot_be_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as error:
        load(environ={name: value})
    assert says in str(error.value)


def test_every_key_has_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts: dict[str, Any] = {
        "web.base_url": "https://desk.example",
        "locale.default": "en",
        "locale.timezone": "UTC",
        "database.synchronous": "NORMAL",
        "chat.live_updates": "everyone",
        "log.level": "debug",
        "log.format": "json",
    }
    environ = {f"FLUXKI_{key.replace('.', '__').upper()}": texts.get(key, "1") for key in KEYS}
    settings = load(environ=environ)
    assert (settings.log.format, settings.locale.timezone, settings.chat.join_on_reply) == ("json", "UTC", True)


def test_secrets_are_in_no_repr() -> None:
    settings = Settings(
        web=Web(secret_key="hunter2hunter2hunter2"), database=Database(url="postgresql://u:pa%20ss@h:5432/d")
    )
    assert "hunter2" not in repr(settings)
    assert "pa%20ss" not in repr(settings)
    assert "postgresql://u:***@h:5432/d" in repr(settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://h/d?password=hunter2&sslmode=require", "postgresql://h/d?password=***&sslmode=require"),
        ("postgresql://u:hunter2#/@x@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:hunter2@[h/d", "postgresql://u:***@[h/d"),
        ("postgresql://u@h:1,i:2/d", "postgresql://u@h:1,i:2/d"),
        ("sqlite:////srv/a:b@c/d.db", "sqlite:////srv/a:b@c/d.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_an_odd_password_is_not_repeated_and_several_hosts_are_fine(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load(written(tmp_path, "[database]\nurl = 'postgresql://u:hunter2/x@h/d'"), {})
    assert "hunter2" not in str(error.value)
    assert load(written(tmp_path, "[database]\nurl = 'postgresql://u@h:1,i:2/d'"), {}).database.url


def test_the_secret_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "var")
    [key] = secrets(settings)
    assert len(key) > 40
    assert secrets(settings) == [key]
    assert stat.S_IMODE((tmp_path / "var" / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert [each.name for each in (tmp_path / "var").iterdir()] == [FILE]


def test_keys_are_rotated_newest_first(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("new key, long enough\n\nold key, long enough\n")
    assert secrets(Settings(data_dir=tmp_path)) == ["new key, long enough", "old key, long enough"]
    given = Settings(data_dir=tmp_path, web=Web(secret_key="first-first-first , second-second-second"))
    assert secrets(given) == ["first-first-first", "second-second-second"]
    (tmp_path / FILE).write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        secrets(Settings(data_dir=tmp_path))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="data_dir"):
        secrets(Settings(data_dir=tmp_path / "file"))


def test_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "var")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(secrets, [settings] * 16, chunksize=1)
    assert len({each[0] for each in found}) == 1
