"""The deployment's secret keys: given in the settings, or made once and kept in `data_dir/secret.key`."""

import contextlib
import os
from pathlib import Path
from secrets import token_hex, token_urlsafe

from fluxki_core.domain.errors import SettingsError

from fluxki.settings import Settings

FILE = "secret.key"


def secrets(settings: Settings) -> list[str]:
    """The secret keys, newest first: of `web.secret_key`, separated by commas, else one a line of the key file.

    Makes the file where there is none; of several processes that start at once, all use what the first one made.
    Raises `SettingsError`.
    """
    given = [each.strip() for each in settings.web.secret_key.split(",") if each.strip()]
    if given:
        return given
    file = settings.data_dir / FILE
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        kept = [each.strip() for each in file.read_text("ascii").splitlines() if each.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"data_dir: the secret key {file} cannot be read or made ({error});"
            " give this user the right to write there."
        ) from error
    if not kept:
        raise SettingsError(f"web.secret_key: {file} is empty; put the key back from a backup, or set web.secret_key.")
    return kept


def _make(file: Path) -> None:
    draft = file.with_name(f".{FILE}.{token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as target:
            target.write(token_urlsafe(48) + "\n")
            target.flush()
            os.fsync(target.fileno())
        # A link, unlike a rename, fails where another process was first.
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
