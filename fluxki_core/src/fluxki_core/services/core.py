"""The parts that every service works with, made once for each process."""

from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import Struct

from fluxki_core.hooks.host import Host
from fluxki_core.services.horizon import Horizon
from fluxki_core.services.secrets import Keys
from fluxki_core.services.unit import Unit
from fluxki_core.storage.files import FileStore


class CoreSettings(Struct, frozen=True, kw_only=True):
    """What the core needs to know of the deployment.

    `reopen_days`: a contact's answer reopens a finished standard ticket within so many days, later ones open a new
    one linked to it (SPEC D9). Times in seconds: `parse_seconds`, `send_seconds` and `check_seconds` limit a channel's
    calls, `announce_seconds` an announce hook's.
    """

    data_dir: Path
    timezone: str = "America/Sao_Paulo"
    reopen_days: int = 14
    parse_seconds: float = 60.0
    send_seconds: float = 600.0
    check_seconds: float = 30.0
    announce_seconds: float = 30.0

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Core(Struct, frozen=True, kw_only=True):
    """`holder` names this process in leases."""

    unit: Unit
    horizon: Horizon
    host: Host
    files: FileStore
    keys: Keys
    settings: CoreSettings
    holder: str
