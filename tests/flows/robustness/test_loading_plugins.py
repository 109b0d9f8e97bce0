"""Plugins that cannot work are off, with a reason that names them and the cure; all others work."""

from pathlib import Path
from typing import Any

import pytest
from fluxki_core.domain.traffic import Account, Outcome, RawMessage
from fluxki_core.hooks import Channel, PluginManifest, hookimpl
from fluxki_core.hooks.loader import assemble, load
from fluxki_core.hooks.marks import PROJECT
from house import opened_house
from paper import ListeningPlugin, PaperAccount, PaperPlugin, letter
from pluggy import HookimplMarker


class Manifested:
    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        return PluginManifest(name="bad", version="1")


class UnknownHook(Manifested):
    @hookimpl
    def ticket_exploded(self) -> None: ...


class SyncParse(Manifested):
    @hookimpl
    def channel_parse(self, account: Account, raw: RawMessage) -> Any: ...


class AsyncReady(Manifested):
    @hookimpl
    async def desk_ready(self, desk: Any) -> None: ...


class WithDefault(Manifested):
    @hookimpl
    async def channel_parse(self, account: Account, raw: Any = None) -> Any: ...


class WrongArgument(Manifested):
    @hookimpl
    async def channel_parse(self, account: Account, letter: Any) -> Any: ...


class Wrapper(Manifested):
    @HookimplMarker(PROJECT)(wrapper=True)
    def desk_ready(self, desk: Any) -> Any:
        return (yield)


class NoManifest:
    pass


class OddManifest:
    @hookimpl
    def plugin_manifest(self) -> Any:
        return {"name": "bad"}


class ManifestRaises:
    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        raise ValueError("no manifest today")


class CannotBeMade:
    def __init__(self) -> None:
        raise OSError("no such library")


class SameChannel:
    @hookimpl
    def plugin_manifest(self) -> PluginManifest:
        channel = Channel(key="paper", label="P", account=PaperAccount, address_kind="email")
        return PluginManifest(name="bad", version="1", channels=(channel,))


class ReadyRaises(Manifested):
    @hookimpl
    def desk_ready(self, desk: Any) -> None:
        raise RuntimeError("no licence")


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (UnknownHook, "no hook ticket_exploded. The hooks are plugin_manifest"),
        (SyncParse, "channel_parse must be written with “async def”"),
        (AsyncReady, "desk_ready must be written with “def”"),
        (WithDefault, "channel_parse(raw) has a default; hooks take none"),
        (WrongArgument, "channel_parse has no argument letter; it has account, raw"),
        (Wrapper, "desk_ready is a wrapper; implement the hook itself"),
        (NoManifest, "has no plugin_manifest; implement it"),
        (OddManifest, "plugin_manifest gave dict, not a PluginManifest"),
        (ManifestRaises, "no manifest today"),
        (CannotBeMade, "no such library"),
        (SameChannel, "declares the channel paper, which is declared already"),
    ],
)
def test_the_loader_refuses_a_plugin_that_cannot_work_by_name_and_cure(factory: Any, reason: str) -> None:
    host = assemble({"paper": PaperPlugin, "bad": factory, "listening": ListeningPlugin})
    assert "bad" in host.off["bad"]
    assert reason in host.off["bad"]
    assert set(host.plugins) == {"paper", "listening"}


def test_a_plugin_that_is_enabled_but_not_installed_is_named_with_the_cure() -> None:
    host = load(["email", "nowhere"])
    assert set(host.plugins) == {"email"}
    assert "nowhere is enabled but not installed; install its package or" in host.off["nowhere"]


def test_a_plugin_that_cannot_be_imported_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fluxki]\nbroken = broken_plugin:Plugin\n")
    (tmp_path / "broken_plugin.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    host = load(["email", "broken"])
    assert set(host.plugins) == {"email"}
    assert host.off["broken"].startswith("Plugin broken cannot be imported: ModuleNotFoundError")


async def test_the_desk_works_on_while_a_plugin_fails_in_desk_ready(house_url: str, tmp_path: Path) -> None:
    plugins = {"paper": PaperPlugin, "listening": ListeningPlugin, "bad": ReadyRaises}
    async with opened_house(house_url, tmp_path, plugins=plugins) as house:
        assert "bad failed in desk_ready" in house.core.host.off["bad"]
        assert "no licence" in house.core.host.off["bad"]
        (taken,) = await house.take_in(letter())
        assert taken.outcome is Outcome.ACCEPTED
        await house.announce()
        assert len(house.listening.heard) == 2
