"""`/api/v1/channel-accounts`: mailboxes and bots, for admins."""

from typing import Any

from fluxki_core.domain.ids import AccountId, DepartmentId
from fluxki_core.domain.tickets import Page
from fluxki_core.domain.traffic import ChannelHealth
from fluxki_core.services import accounts
from fluxki_core.services.accounts import AccountView
from fluxki_core.services.desk import CoreDesk
from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fluxki.api.shapes import Body, BodyId, Name, PathId, everything
from fluxki.errors import READS, WRITES


class NewAccount(Body, frozen=True, kw_only=True):
    """`channel` is a plugin's channel, `settings` are its account keys."""

    channel: Name
    name: Name
    settings: dict[str, Any]
    department: BodyId[DepartmentId] | None = None
    is_default: bool = False


class AccountPatch(Body, frozen=True, kw_only=True):
    """What is left out stays as it is, also keys of `settings`; a secret that comes back masked is kept."""

    name: Name | None = None
    settings: dict[str, Any] | None = None
    department: BodyId[DepartmentId] | None = None
    is_default: bool | None = None


class ChannelAccounts(Controller):
    path = "/channel-accounts"
    tags = ("Channel accounts",)

    @get(responses=READS)
    async def list_accounts(self, reader: NamedDependency[CoreDesk]) -> Page[AccountView]:
        return everything(await accounts.view_all(reader.core, reader.actor))

    @get("/{account:int}", responses=READS)
    async def read_account(self, reader: NamedDependency[CoreDesk], account: PathId[AccountId]) -> AccountView:
        return await accounts.view(reader.core, reader.actor, account)

    @post(responses=WRITES)
    async def add_account(self, desk: NamedDependency[CoreDesk], data: JSONBody[NewAccount]) -> AccountView:
        draft = accounts.AccountDraft(
            channel=data.channel,
            name=data.name,
            settings=data.settings,
            department=data.department,
            is_default=data.is_default,
        )
        return await accounts.add(desk.core, desk.actor, draft)

    @patch("/{account:int}", responses=WRITES)
    async def change_account(
        self, desk: NamedDependency[CoreDesk], account: PathId[AccountId], data: JSONBody[AccountPatch]
    ) -> AccountView:
        change = accounts.AccountChange(
            name=data.name, settings=data.settings, department=data.department, is_default=data.is_default
        )
        return await accounts.change(desk.core, desk.actor, account, change)

    @delete("/{account:int}", responses=WRITES)
    async def remove_account(self, desk: NamedDependency[CoreDesk], account: PathId[AccountId]) -> None:
        """It takes in and sends no more; its messages stay."""
        await accounts.remove(desk.core, desk.actor, account)

    @post("/{account:int}/check", responses=READS, status_code=200)
    async def check_account(self, reader: NamedDependency[CoreDesk], account: PathId[AccountId]) -> ChannelHealth:
        """Tries its connections now."""
        return await accounts.check(reader.core, reader.actor, account)
