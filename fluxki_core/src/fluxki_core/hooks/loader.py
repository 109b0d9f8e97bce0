"""Finds the installed plugins and refuses those that cannot work, by name and with the cure."""

import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
import structlog

from fluxki_core.domain.errors import PluginError
from fluxki_core.hooks.host import Host, Plugin
from fluxki_core.hooks.manifest import PluginManifest
from fluxki_core.hooks.marks import FAMILY, PROJECT, Family
from fluxki_core.hooks.specs import Specs

GROUP = "fluxki"
log = structlog.get_logger()


def installed() -> dict[str, EntryPoint]:
    """Every installed plugin by name; nothing of them is imported."""
    return {each.name: each for each in entry_points(group=GROUP)}


def load(enabled: Iterable[str] | None = None) -> Host:
    """The host of the enabled plugins (None: all installed). One that fails is off, with the reason in `Host.off`."""
    found = installed()
    names = list(found) if enabled is None else list(enabled)
    factories: dict[str, Any] = {}
    off: dict[str, str] = {}
    for name in names:
        if name not in found:
            off[name] = (
                f"Plugin {name} is enabled but not installed; install its package or take it out of the settings."
            )
            continue
        try:
            factories[name] = found[name].load()
        except (Exception, SystemExit) as error:
            off[name] = f"Plugin {name} cannot be imported: {type(error).__name__}: {error}"
    return assemble(factories, off)


def assemble(factories: Mapping[str, Any], off: dict[str, str] | None = None) -> Host:
    """A host of plugins made by these classes; each plugin that fails is off."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specs)
    off = {} if off is None else off
    plugins: dict[str, Plugin] = {}
    channels: set[str] = set()
    for name, factory in factories.items():
        try:
            plugin = _admit(manager, name, factory)
            _check_channels(plugin, channels)
        except Exception as error:
            off[name] = str(error) if isinstance(error, PluginError) else f"Plugin {name} failed: {error!r}"
            log.warning("plugin is off", plugin=name, reason=off[name])
            continue
        channels |= {each.key for each in plugin.manifest.channels}
        plugins[name] = plugin
    return Host(plugins, off)


def _admit(manager: pluggy.PluginManager, name: str, factory: Any) -> Plugin:
    instance = factory()
    hooks: dict[str, Any] = {}
    for attribute in dir(type(instance)):
        options = manager.parse_hookimpl_opts(instance, attribute)
        if options is None:
            continue
        if options.get("wrapper") or options.get("hookwrapper"):
            raise PluginError(f"Plugin {name}: {attribute} is a wrapper; implement the hook itself.")
        _check(name, attribute, getattr(instance, attribute))
        hooks[attribute] = getattr(instance, attribute)
    if "plugin_manifest" not in hooks:
        raise PluginError(f"Plugin {name} has no plugin_manifest; implement it and mark it with @hookimpl.")
    manifest = hooks["plugin_manifest"]()
    if not isinstance(manifest, PluginManifest):
        raise PluginError(f"Plugin {name}: plugin_manifest gave {type(manifest).__name__}, not a PluginManifest.")
    if manifest.name != name:
        raise PluginError(f"Plugin {name} calls itself {manifest.name} in its manifest; use its entry point's name.")
    return Plugin(name=name, manifest=manifest, hooks=hooks)


def _check_channels(plugin: Plugin, owned: set[str]) -> None:
    keys = [each.key for each in plugin.manifest.channels]
    for key in keys:
        if key in owned or keys.count(key) > 1:
            raise PluginError(f"Plugin {plugin.name} declares the channel {key}, which is declared already.")


def _check(plugin: str, name: str, implementation: Any) -> None:
    spec = getattr(Specs, name, None)
    if spec is None:
        known = ", ".join(each for each in vars(Specs) if not each.startswith("_"))
        raise PluginError(f"Plugin {plugin}: there is no hook {name}. The hooks are {known}.")
    needs_async = getattr(spec, FAMILY) is not Family.DECLARE
    if inspect.iscoroutinefunction(implementation) is not needs_async:
        word = "async def" if needs_async else "def"
        raise PluginError(f"Plugin {plugin}: {name} must be written with “{word}”.")
    allowed = set(inspect.signature(spec).parameters) - {"self"}
    for parameter in inspect.signature(implementation).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            raise PluginError(f"Plugin {plugin}: {name}({parameter.name}) has a default; hooks take none.")
        if parameter.name not in allowed:
            raise PluginError(
                f"Plugin {plugin}: {name} has no argument {parameter.name}; it has {', '.join(sorted(allowed))}."
            )
