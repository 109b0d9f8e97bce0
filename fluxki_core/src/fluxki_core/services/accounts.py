"""Accounts of the channels: their settings checked by the plugin's own type, their secrets kept encrypted."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fluxki_core.domain.errors import Conflict, Invalid, NotFound, PluginError
from fluxki_core.domain.events import SettingsChanged
from fluxki_core.domain.ids import AccountId, DepartmentId
from fluxki_core.domain.people import Actor
from fluxki_core.domain.permissions import require_admin
from fluxki_core.domain.traffic import Account, ChannelHealth
from fluxki_core.hooks.manifest import Channel
from fluxki_core.services.catalog import named
from fluxki_core.services.core import Core
from fluxki_core.services.stranding import give_up
from fluxki_core.storage.errors import UniqueViolation
from fluxki_core.storage.queries import accounts, deliveries, events, people
from fluxki_core.storage.queries.base import from_json, insert, to_json, update
from fluxki_core.storage.statements import Row, Statement, Steps, sql

MASK = "********"


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it is shown: secrets are masked, and left as they are when the mask comes back.

    The errors say what is wrong with taking in and with sending; empty: nothing.
    """

    id: AccountId
    channel: str
    name: str
    department: DepartmentId | None
    is_default: bool
    settings: dict[str, Any]
    receive_error: str
    send_error: str


class AccountDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An account to add."""

    channel: str
    name: str
    settings: dict[str, Any]
    department: DepartmentId | None = None
    is_default: bool = False


class AccountChange(msgspec.Struct, frozen=True, kw_only=True):
    """None leaves a value as it is; keys that `settings` does not name stay."""

    name: str | None = None
    settings: dict[str, Any] | None = None
    department: DepartmentId | None = None
    is_default: bool | None = None


def opened(core: Core, row: Row) -> Account:
    """The account with its settings decoded. Raises `PluginError` or `SettingsError`, saying what to do."""
    channel = core.host.channel(row["channel"])
    values = {
        key: core.keys.decrypt(value) if key in channel.secrets and value else value
        for key, value in from_json(row["settings"]).items()
    }
    try:
        settings = msgspec.convert(values, channel.account)
    except msgspec.ValidationError as error:
        raise PluginError(f"Account {row['name']}: its settings do not fit the plugin any more ({error}).") from error
    return Account(
        id=AccountId(row["id"]),
        channel=row["channel"],
        name=row["name"],
        department=row["department_id"],
        settings=settings,
        generation=row["generation"],
    )


async def find(core: Core, name: str) -> Account:
    """The account of that name; raises `NotFound`."""
    row = await core.unit.look(lambda: accounts.by_name(name))
    if row is None:
        names = ", ".join(each["name"] for each in await core.unit.read(accounts.accounts()))
        raise NotFound(f"There is no account {name}. The accounts are: {names or 'none yet'}.")
    return opened(core, row)


async def view_all(core: Core, actor: Actor) -> list[AccountView]:
    require_admin(actor)
    return [_view(core, row) for row in await core.unit.read(accounts.accounts())]


async def view(core: Core, actor: Actor, account: AccountId) -> AccountView:
    require_admin(actor)
    return _view(core, await _row(core, account))


async def add(core: Core, actor: Actor, draft: AccountDraft) -> AccountView:
    """Raises `Invalid` for settings that the plugin does not take, `Conflict` for a name in use."""
    require_admin(actor)
    name = named(draft.name)
    if draft.channel not in core.host.channels:
        raise Invalid(
            {"channel": f"Choose one of: {', '.join(sorted(core.host.channels)) or 'no channel is enabled'}."}
        )
    settings = _encode(core, core.host.channel(draft.channel), draft.settings, {})

    def script() -> Steps[AccountView]:
        yield from _check_department(draft.department)
        if draft.is_default:
            yield _no_default(draft.channel)
        account = yield from insert(
            "account",
            channel=draft.channel,
            name=name,
            department_id=draft.department,
            settings=settings,
            is_default=draft.is_default,
            active=True,
            generation=1,
            receive_error="",
            send_error="",
        )
        yield _changed(core, actor, account, "added")
        return (yield from _view_of(core, AccountId(account)))

    return await _unique(core, script)


async def change(core: Core, actor: Actor, account: AccountId, wanted: AccountChange) -> AccountView:
    """Raises as `add` does, and `NotFound`. What the account is doing is stopped and begun anew."""
    require_admin(actor)
    values: dict[str, Any] = {}
    if wanted.name is not None:
        values["name"] = named(wanted.name)
    if wanted.department is not None:
        values["department_id"] = wanted.department
    if wanted.is_default is not None:
        values["is_default"] = wanted.is_default

    def script() -> Steps[AccountView]:
        row = yield from _held(account)
        if wanted.settings is not None:
            channel = core.host.channel(row["channel"])
            values["settings"] = _encode(core, channel, wanted.settings, from_json(row["settings"]))
        yield from _check_department(wanted.department)
        if wanted.is_default:
            yield _no_default(row["channel"])
        yield update("account", account, **values, generation=row["generation"] + 1, paused_until=None, send_error="")
        yield deliveries.hurry_all(account, core.unit.now())
        yield _changed(core, actor, account, "changed")
        return (yield from _view_of(core, account))

    return await _unique(core, script)


async def remove(core: Core, actor: Actor, account: AccountId) -> None:
    """The account takes in and sends no more; its messages stay. What was on its way is given up, visibly."""
    require_admin(actor)

    def script() -> Steps[None]:
        yield from _held(account)
        yield update("account", account, active=False, is_default=False)
        yield from give_up(core.unit.now(), account)
        yield _changed(core, actor, account, "removed")

    await core.unit.run("account", script)


async def check(core: Core, actor: Actor, account: AccountId) -> ChannelHealth:
    """Tries the account's connections; a plugin that fails at that is told as an unhealthy account."""
    require_admin(actor)
    known = opened(core, await _row(core, account))
    try:
        return await core.host.address("channel_check", known, ChannelHealth, core.settings.check_seconds)
    except Exception as error:
        return ChannelHealth(ok=False, lines=(str(error) or repr(error),))


async def _row(core: Core, account: AccountId) -> Row:
    row = await core.unit.look(lambda: accounts.by_id(account))
    if row is None:
        raise NotFound("There is no such account.")
    return row


def _held(account: AccountId) -> Steps[Row]:
    """The account, held by this transaction so that no change of its generation is lost."""
    yield sql("SELECT id FROM account WHERE id = {} FOR UPDATE", account)
    row = yield from accounts.by_id(account)
    if row is None:
        raise NotFound("There is no such account.")
    return row


def _check_department(wanted: DepartmentId | None) -> Steps[None]:
    if wanted is not None and wanted not in {each.id for each in (yield from people.departments())}:
        raise Invalid({"department": "Choose a department that exists."})


def _view_of(core: Core, account: AccountId) -> Steps[AccountView]:
    row = yield from accounts.by_id(account)
    if row is None:
        raise NotFound("There is no such account.")
    return _view(core, row)


async def _unique(core: Core, script: Callable[[], Steps[AccountView]]) -> AccountView:
    try:
        return await core.unit.run("account", script)
    except UniqueViolation as error:
        raise Conflict("Another account has this name; choose a different one.") from error


def _no_default(channel: str) -> Statement:
    return sql("UPDATE account SET is_default = {} WHERE channel = {} AND is_default", False, channel)


def _changed(core: Core, actor: Actor, account: int, action: str) -> Statement:
    return events.append(core.unit.now(), actor, None, SettingsChanged(sort="account", record=account, action=action))


def _view(core: Core, row: Row) -> AccountView:
    secrets = core.host.channels[row["channel"]].secrets if row["channel"] in core.host.channels else None
    settings = {
        key: MASK if value and (secrets is None or key in secrets) else value
        for key, value in from_json(row["settings"]).items()
    }
    return AccountView(
        id=row["id"],
        channel=row["channel"],
        name=row["name"],
        department=row["department_id"],
        is_default=row["is_default"],
        settings=settings,
        receive_error=row["receive_error"],
        send_error=row["send_error"],
    )


def _encode(core: Core, channel: Channel, given: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """The settings as they are stored: checked by the plugin's type, with its secrets encrypted."""
    kept = {key: value for key, value in stored.items() if key not in given or given[key] == MASK}
    plain = {
        key: core.keys.decrypt(value) if key in channel.secrets and value else value for key, value in kept.items()
    }
    fresh = {key: value for key, value in given.items() if key not in kept}
    try:
        settings = msgspec.convert({**plain, **fresh}, channel.account, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid({"settings": str(error)}) from error
    values = msgspec.to_builtins(settings)
    for key in channel.secrets & values.keys():
        values[key] = core.keys.encrypt(values[key]) if values[key] else values[key]
    return to_json(values)
