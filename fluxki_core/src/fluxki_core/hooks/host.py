"""Calls the plugins' hooks, each behind a fence with a time limit.

Pluggy stops at the first implementation that raises, so it serves here for the markers and the specs only.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import structlog
from msgspec import Struct

from fluxki_core.domain.errors import PluginError
from fluxki_core.domain.events import Body, Event, event_name
from fluxki_core.domain.ports import Desk
from fluxki_core.domain.traffic import Account
from fluxki_core.hooks.manifest import Channel, PluginManifest
from fluxki_core.hooks.marks import FAMILY, Family
from fluxki_core.hooks.specs import Specs

T = TypeVar("T")
log = structlog.get_logger()

GRACE = 1.0  # seconds that a cancelled hook has to end before it is left to itself


class HookTimeout(PluginError):
    """A hook took longer than its limit. Whether it did anything is not known."""


class Plugin(Struct, frozen=True, kw_only=True):
    name: str
    manifest: PluginManifest
    hooks: dict[str, Callable[..., Any]]


class Host:
    """The plugins that are on, and why the others are off."""

    def __init__(self, plugins: Mapping[str, Plugin], off: dict[str, str]) -> None:
        self.plugins = dict(plugins)
        self.off = off

    @property
    def channels(self) -> dict[str, Channel]:
        """Every channel that can be used, by key."""
        return {each.key: each for plugin in self.plugins.values() for each in plugin.manifest.channels}

    def channel(self, key: str) -> Channel:
        """Raises `PluginError` for a channel whose plugin is not there."""
        found = self.channels.get(key)
        if found is None:
            raise PluginError(f"No enabled plugin provides the channel {key}; install or enable it.")
        return found

    def ready(self, desk_for: Callable[[str], Desk]) -> None:
        """Gives every plugin its desk; one that fails is off from here on."""
        for name, plugin in list(self.plugins.items()):
            hook = plugin.hooks.get("desk_ready")
            if hook is None:
                continue
            try:
                hook(**_wanted(hook, {"desk": desk_for(name)}))
            except Exception as error:
                self.off[name] = f"Plugin {name} failed in desk_ready: {error!r}"
                log.warning("plugin is off", plugin=name, reason=self.off[name])
                del self.plugins[name]

    def has(self, channel: str, hook: str) -> bool:
        owner = self._owner(channel)
        return owner is not None and hook in owner.hooks

    async def address(self, hook: str, account: Account, result: type[T], seconds: float | None, **arguments: Any) -> T:
        """Calls a hook of the account's plugin.

        Raises what the hook raises, `HookTimeout` after `seconds` (None: no limit), and `PluginError` where nobody
        implements it or the answer is not a `result`.
        """
        owner = self._owner(account.channel)
        if owner is None or hook not in owner.hooks:
            raise PluginError(f"No enabled plugin offers {hook} for the channel {account.channel}.")
        answer = await fenced(owner, hook, {"account": account, **arguments}, seconds)
        if not isinstance(answer, result):
            wanted = result.__name__
            raise PluginError(f"Plugin {owner.name}: {hook} gave {type(answer).__name__} instead of {wanted}.")
        return answer

    def subscribers(self, event: Event[Body]) -> list[str]:
        """The plugins that want to hear of the event."""
        hook = event_name(event.what)
        spec = getattr(Specs, hook, None)
        if spec is None or getattr(spec, FAMILY) is not Family.ANNOUNCE:
            return []
        return [name for name, plugin in self.plugins.items() if hook in plugin.hooks]

    async def announce(self, plugin: str, event: Event[Body], seconds: float) -> None:
        """Tells one plugin of one event; raises what it raises, or `HookTimeout`."""
        await fenced(self.plugins[plugin], event_name(event.what), {"event": event}, seconds)

    def _owner(self, channel: str) -> Plugin | None:
        for plugin in self.plugins.values():
            if any(each.key == channel for each in plugin.manifest.channels):
                return plugin
        return None


async def fenced(plugin: Plugin, hook: str, arguments: dict[str, Any], seconds: float | None) -> Any:
    """Runs a hook in a task of its own, so that one which will not be cancelled can be left behind."""
    implementation = plugin.hooks[hook]
    task = asyncio.create_task(_contained(plugin.name, hook, implementation(**_wanted(implementation, arguments))))
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _abandon(task, plugin.name, hook, 5.0)
        raise
    if not done:
        await _abandon(task, plugin.name, hook, GRACE)
        raise HookTimeout(f"Plugin {plugin.name}: {hook} took longer than {seconds:g} s.")
    return task.result()


async def _contained(plugin: str, hook: str, call: Any) -> Any:
    # A SystemExit of a plugin would end the whole process, and its CancelledError would pass for ours and end the
    # worker's own task.
    try:
        return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise PluginError(f"Plugin {plugin}: {hook} was cancelled by the plugin itself.") from error
    except (SystemExit, KeyboardInterrupt) as error:
        raise PluginError(f"Plugin {plugin}: {hook} tried to end the process ({error!r}).") from error
    except Exception:
        raise
    except BaseException as error:
        raise PluginError(f"Plugin {plugin}: {hook} raised {error!r}, which is no Exception.") from error


async def _abandon(task: asyncio.Task[Any], plugin: str, hook: str, grace: float) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=grace)
    if not task.done():
        log.error("hook does not end when cancelled; it is left behind", plugin=plugin, hook=hook)
        task.add_done_callback(_forget)
    else:
        _forget(task)


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _wanted(implementation: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    names = _parameters(implementation)
    return {name: value for name, value in arguments.items() if name in names}


@lru_cache(maxsize=1024)
def _parameters(implementation: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(implementation).parameters)
