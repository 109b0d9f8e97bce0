"""Who may do what: the greater of the role's floor and the participant's level."""

import pytest
from fluxki_core.domain.errors import Forbidden, NotFound
from fluxki_core.domain.ids import AgentId, DepartmentId
from fluxki_core.domain.people import SYSTEM, Actor, ActorKind, Role
from fluxki_core.domain.permissions import (
    PermissionLevel,
    greater,
    level,
    require,
    require_admin,
    require_agent,
    sees_all,
)
from hypothesis import given
from hypothesis import strategies as st

HERE, ELSEWHERE = DepartmentId(1), DepartmentId(2)
CONTACT = Actor(kind=ActorKind.CONTACT, name="Maria")
PLUGIN = Actor(kind=ActorKind.PLUGIN, name="paper")
RANKS = {None: 0, PermissionLevel.VIEW: 1, PermissionLevel.REPLY: 2, PermissionLevel.MANAGE: 3}
levels = st.none() | st.sampled_from(PermissionLevel)


def agent(role: Role, *departments: DepartmentId) -> Actor:
    return Actor(kind=ActorKind.AGENT, name="Ana", agent=AgentId(1), role=role, departments=frozenset(departments))


agents = st.builds(
    lambda role, departments: agent(role, *departments),
    st.sampled_from(Role),
    st.sets(st.sampled_from([HERE, ELSEWHERE])),
)


@pytest.mark.parametrize(
    ("actor", "held"),
    [
        (agent(Role.AGENT, HERE), PermissionLevel.REPLY),
        (agent(Role.SUPERVISOR, HERE), PermissionLevel.MANAGE),
        (agent(Role.ADMIN, HERE), PermissionLevel.MANAGE),
        (agent(Role.AGENT, ELSEWHERE), None),
        (agent(Role.SUPERVISOR, ELSEWHERE), None),
        (agent(Role.ADMIN), PermissionLevel.MANAGE),
        (CONTACT, None),
        (PLUGIN, PermissionLevel.MANAGE),
        (SYSTEM, PermissionLevel.MANAGE),
    ],
)
def test_d21_the_roles_floor_holds_within_the_agents_departments(actor: Actor, held: PermissionLevel | None) -> None:
    assert level(actor, HERE, None) is held


@given(actor=agents, joined=levels)
def test_d21_what_one_may_do_is_the_greater_of_floor_and_level(actor: Actor, joined: PermissionLevel | None) -> None:
    floor, held = level(actor, HERE, None), level(actor, HERE, joined)
    assert RANKS[held] == max(RANKS[floor], RANKS[joined])


@given(held=levels, needed=st.sampled_from(PermissionLevel))
def test_d21_who_may_not_know_a_ticket_is_not_told_of_it_and_who_may_is_told_what_is_missing(
    held: PermissionLevel | None, needed: PermissionLevel
) -> None:
    if RANKS[held] >= RANKS[needed]:
        require(held, needed, "write")
        return
    with pytest.raises(NotFound if held is None else Forbidden) as refused:
        require(held, needed, "write")
    assert held is None or "write" in str(refused.value)


@given(one=levels, other=st.sampled_from(PermissionLevel))
def test_joining_again_never_takes_a_level_away(one: PermissionLevel | None, other: PermissionLevel) -> None:
    assert RANKS[greater(one, other)] == max(RANKS[one], RANKS[other])


def test_the_configuration_belongs_to_admins_and_to_the_machine() -> None:
    for actor in (SYSTEM, agent(Role.ADMIN)):
        require_admin(actor)
    for actor in (CONTACT, PLUGIN, agent(Role.SUPERVISOR, HERE), agent(Role.AGENT, HERE)):
        with pytest.raises(Forbidden):
            require_admin(actor)


def test_what_agents_do_no_contact_does() -> None:
    for actor in (SYSTEM, PLUGIN, agent(Role.AGENT)):
        require_agent(actor)
    with pytest.raises(Forbidden):
        require_agent(CONTACT)


@given(actor=agents)
def test_only_admins_see_beyond_their_departments(actor: Actor) -> None:
    assert sees_all(actor) is (actor.role is Role.ADMIN)
