"""What can go wrong, each with a stable code and a sentence that says what to do."""

from collections.abc import Mapping


class FluxkiError(Exception):
    """Base of every error that a person or a caller can act on. `code` never changes."""

    code = "error"


class Invalid(FluxkiError):
    """Input that cannot be taken; `fields` maps the path of each wrong field to what is wrong with it."""

    code = "invalid"

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {what}" for path, what in fields.items()))
        self.fields = dict(fields)


class NotFound(FluxkiError):
    """The record does not exist, or this actor may not know that it does."""

    code = "not_found"


class Forbidden(FluxkiError):
    code = "forbidden"


class Unauthenticated(FluxkiError):
    code = "unauthenticated"


class AnalysisRequired(FluxkiError):
    """A standard ticket is answered only after its analysis (SPEC S8, S9)."""

    code = "analysis_required"


class StaleAnalysis(FluxkiError):
    """Somebody saved an analysis that this agent has not seen (SPEC D6)."""

    code = "stale_analysis"


class NoAddress(FluxkiError):
    """The contact has no address that the channel can reach (SPEC D41)."""

    code = "no_address"


class NoChannel(FluxkiError):
    """No account can carry the message (SPEC D41)."""

    code = "no_channel"


class Conflict(FluxkiError):
    """The record's present state does not allow this."""

    code = "conflict"


class IdempotencyConflict(FluxkiError):
    """The same Idempotency-Key came with a different request."""

    code = "idempotency_conflict"


class TooLarge(FluxkiError):
    code = "too_large"


class Unavailable(FluxkiError):
    """The database or the disk cannot be used just now; nothing was changed, so trying again is safe."""

    code = "unavailable"


class SettingsError(FluxkiError):
    """Settings that cannot be used; the text names the key and the cure."""

    code = "settings"


class PluginError(FluxkiError):
    """A plugin that cannot be used; the text names the plugin and the cure."""

    code = "plugin"
