"""How plugins take part: the hook specs, the manifest, the loader and the host."""

from fluxki_core.hooks.manifest import Channel, PluginManifest
from fluxki_core.hooks.marks import hookimpl

__all__ = ["Channel", "PluginManifest", "hookimpl"]
