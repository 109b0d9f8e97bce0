"""Who may do what with a ticket: the greater of the role's floor and the participant's level (SPEC D21)."""

from enum import StrEnum

from fluxki_core.domain.errors import Forbidden, NotFound
from fluxki_core.domain.ids import DepartmentId
from fluxki_core.domain.people import Actor, ActorKind, Role


class PermissionLevel(StrEnum):
    VIEW = "view"
    REPLY = "reply"
    MANAGE = "manage"


_ORDER = [PermissionLevel.VIEW, PermissionLevel.REPLY, PermissionLevel.MANAGE]
_FLOORS = {
    Role.ADMIN: PermissionLevel.MANAGE,
    Role.SUPERVISOR: PermissionLevel.MANAGE,
    Role.AGENT: PermissionLevel.REPLY,
}


def sees_all(actor: Actor) -> bool:
    """Whether the actor's view is not limited to departments: admins, who set the departments up, and the machine."""
    return actor.kind in (ActorKind.SYSTEM, ActorKind.PLUGIN) or actor.role is Role.ADMIN


def level(actor: Actor, department: DepartmentId, joined: PermissionLevel | None) -> PermissionLevel | None:
    """What the actor may do with a ticket of the department in which they take part as `joined`; None: nothing."""
    if actor.kind in (ActorKind.SYSTEM, ActorKind.PLUGIN):
        return PermissionLevel.MANAGE
    floor = _FLOORS.get(actor.role) if actor.role and (sees_all(actor) or department in actor.departments) else None
    held = [each for each in (floor, joined) if each is not None]
    return max(held, key=_ORDER.index) if held else None


def require(held: PermissionLevel | None, needed: PermissionLevel, what: str) -> None:
    """Raises `NotFound` for an actor who may not know the ticket, `Forbidden` for one who may only read it."""
    if held is None:
        raise NotFound("There is no such ticket, or it belongs to a department that you are not in.")
    if _ORDER.index(held) < _ORDER.index(needed):
        raise Forbidden(f"To {what} you need the level “{needed}” on this ticket; you have “{held}”.")


def greater(one: PermissionLevel | None, other: PermissionLevel) -> PermissionLevel:
    return other if one is None else max(one, other, key=_ORDER.index)


def require_agent(actor: Actor) -> None:
    if actor.kind is ActorKind.CONTACT:
        raise Forbidden("Only agents may do this.")


def require_admin(actor: Actor) -> None:
    """The configuration belongs to admins."""
    if actor.kind is not ActorKind.SYSTEM and actor.role is not Role.ADMIN:
        raise Forbidden("Only an admin may change the configuration.")
