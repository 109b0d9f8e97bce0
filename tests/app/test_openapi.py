"""The API's description is true: what it says is what callers get, and what fits it is answered without a fault."""

import asyncio
from typing import Any

import hypothesis
import pytest
import schemathesis
from app.clients import Caller, Office
from fluxki.auth import Gate, Throttle
from fluxki_core.domain.traffic import SendRejected
from paper import letter
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

EXAMPLES = 15
UNENDING = "/api/v1/events"


async def furnished(office: Office, caller: Caller) -> None:
    """Records of every sort, so that ids 1 and 2 are found."""
    for name in ("Maria", "João"):
        ticket = await office.house.ticket_from(letter(f"{name.lower()}@casa.example", name=name))
        await office.house.analyze(caller.desk, ticket)
    await caller.upload("a.png", b"\x89PNG\r\n\x1a\n")

    async def refuse(_: object) -> None:
        raise SendRejected("full")

    office.house.paper.sending = refuse  # type: ignore[assignment]
    await office.house.reply(caller.desk, ticket)
    await office.house.send()


async def test_the_description_names_every_call_and_how_it_fails(office: Office) -> None:
    document = (await (await office.client()).get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    calls = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(calls) == 51
    for path, method, operation in calls:
        problems = {status: each for status, each in operation["responses"].items() if status >= "400"}
        assert {"401", "403", "404", "422", "429", "500", "503"} <= problems.keys(), (path, method)
        for each in problems.values():
            assert list(each["content"]) == ["application/problem+json"]
        names = [each["name"] for each in operation.get("parameters", [])]
        writes = method != "get" and not path.endswith("/check")
        assert ("Idempotency-Key" in names) is writes, (path, method)


async def test_what_refuses_unknown_fields_says_so(office: Office) -> None:
    document = (await (await office.client()).get("/api/v1/openapi.json")).json()
    schemas = document["components"]["schemas"]
    taken = {
        content["schema"]["$ref"].rpartition("/")[2]
        for methods in document["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    assert taken >= {"NewTicket", "NewMessage", "Judged", "Finish", "StagesBody"}
    for name in taken | {"For", "StageBody"}:
        assert schemas[name]["additionalProperties"] is False, name
    assert not [name for name in schemas if "." in name]


@pytest.mark.timeout(180)
async def test_every_call_keeps_to_the_description(office: Office) -> None:
    bia = await office.admin()
    await furnished(office, bia)
    document = (await bia.client.get("/api/v1/openapi.json")).json()
    del document["paths"][UNENDING]
    token = str(bia.client.headers["Authorization"])
    office.app.state.gate = Gate(office.house.core, Throttle(allowed=10_000))
    await asyncio.to_thread(_check_all, document, office.address, token)


def _check_all(document: dict[str, Any], address: str, token: str) -> None:
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict({"base-url": address}))
    failures = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        try:
            _check(operation, token)
        except FailureGroup as group:
            failures += [f"{operation.label}: {each!r} {each}" for each in group.exceptions]
    assert not failures, "\n\n".join(failures)


def _check(operation: Any, token: str) -> None:
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    strategy = hypothesis.strategies.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])
    # What fits the description may still break a rule of the desk, such as a name in use; and an address may carry
    # what nobody asked for.
    excluded = [positive_data_acceptance, *([negative_data_rejection] if operation.query else [])]

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def one(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": token}, excluded_checks=excluded)

    one()
