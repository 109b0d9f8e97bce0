"""What a plugin says of itself."""

from msgspec import Struct

from fluxki_core.domain.kinds import TicketKind


class Channel(Struct, frozen=True, kw_only=True):
    """A way for contacts to write in.

    `key` is unique among all plugins and names the channel on the command line and in the store. `account` is the
    Struct type of an account's settings; keys of it listed in `secrets` are stored encrypted and never shown.
    `address_kind` is the kind of contact address that this channel can reach. `kind` is what its requests open; a
    channel that does not say opens standard tickets (SPEC D2).
    """

    key: str
    label: str
    account: type[Struct]
    address_kind: str
    secrets: frozenset[str] = frozenset()
    kind: TicketKind = TicketKind.STANDARD


class PluginManifest(Struct, frozen=True, kw_only=True):
    """`migrations` is the dotted name of the plugin's Piccolo app module, for a plugin with tables of its own.

    `commands` maps a word of the command line to the dotted name `module:attribute` of a click command, imported
    when it is called.
    """

    name: str
    version: str
    settings: type[Struct] | None = None
    channels: tuple[Channel, ...] = ()
    migrations: str | None = None
    commands: dict[str, str] = {}
