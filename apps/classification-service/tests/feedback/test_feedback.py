import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import client_of, command
from llm_setup import settings_with_stores

from classification_service.app import create_app
from nexus_testkit import Issuer, serving

DRILLS, BEARINGS, PAPER, HAMMERS = "27112703", "31171504", "14111507", "27111602"
JARGON = "XK-7 frobnicator unit"


@pytest.fixture
async def two_processes(
    issuer: Issuer, database_settings: dict[str, object]
) -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientSession]]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(client_of(issuer, "classify", **database_settings)) for _ in "12"
        ]
        yield first, second


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", **database_settings) as session:
        yield session


async def classify(client: aiohttp.ClientSession, *texts: str, **headers: str) -> list[dict[str, Any]]:
    body = {"items": [{"text": text} for text in texts], "taxonomy": "unspsc"}
    async with client.post("/v1/classify", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        items: list[dict[str, Any]] = (await response.json())["items"]
        return items


async def post(client: aiohttp.ClientSession, *items: dict[str, object], **headers: str) -> tuple[int, Any]:
    body = {"items": items, "taxonomy": "unspsc"}
    async with client.post("/v1/feedback", json=body, headers=headers) as response:
        return response.status, await response.json()


async def decide(client: aiohttp.ClientSession, text: str, code: str, **headers: str) -> None:
    status, answer = await post(client, {"text": text, "code": code}, **headers)
    assert status == 200, answer


async def get(client: aiohttp.ClientSession, path: str, **query: str | int) -> Any:  # noqa: ANN401  JSON
    async with client.get(f"/v1/feedback{path}", params={"taxonomy": "unspsc"} | query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_a_correction_counts_at_once_in_every_process_for_the_same_text(
    two_processes: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    first, second = two_processes
    assert (await classify(second, JARGON))[0]["source"] == "model"
    for code in (DRILLS, BEARINGS):
        await decide(first, JARGON, code)
        (item,) = await classify(second, f"  {JARGON.upper()}")
        assert (item["code"], item["source"], item["confidence"]) == (code, "human", 0.99)
        assert [node["code"] for node in item["path"]][-1] == code
        assert [(one["code"], one["confidence"]) for one in item["candidates"]] == [(code, 0.99)]


async def test_a_correction_counts_for_the_command(
    client: aiohttp.ClientSession, database_settings: dict[str, object], tmp_path: Path
) -> None:
    await decide(client, JARGON, BEARINGS)
    (tmp_path / "rows.csv").write_text(f"text\n{JARGON}\n")
    environment = {
        "NEXUS_POSTGRES_URL": str(database_settings["postgres_url"]),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(database_settings["postgres_password_file"]),
    }
    arguments = ("classify", tmp_path / "rows.csv", "--taxonomy", "unspsc")
    for tenant, is_corrected in (("", True), ("acme", False)):
        found = await asyncio.to_thread(command, *arguments, "--tenant", tenant, **environment)
        assert found.returncode == 0, found.stderr
        row = found.stdout.splitlines()[1].split(",")
        assert (row[1] == BEARINGS, row[5] == "human") == (is_corrected, is_corrected)


async def test_a_correction_is_an_example_for_texts_like_it(
    two_processes: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    first, second = two_processes
    like_it = "frobnicator unit XK-9, spare"
    (before,) = await classify(second, like_it)
    await decide(first, JARGON, BEARINGS)
    (after,) = await classify(second, like_it)
    assert before["code"] != BEARINGS
    assert (after["code"], after["source"]) == (BEARINGS, "model")
    assert after["confidence"] > 0.5
    others = ["cordless drill 18V", "A4 copy paper, 80 g"]
    assert [item["code"] for item in await classify(second, *others)] == [DRILLS, PAPER]


async def test_a_text_that_somebody_else_has_decided_stays_as_it_is_where_that_is_asked_for(
    issuer: Issuer, client: aiohttp.ClientSession
) -> None:
    bob = {"Authorization": f"Bearer {issuer.mint('classification-service', ['classify'], subject='bob')}"}
    items = [{"text": "other thing", "code": PAPER}, {"text": JARGON, "code": DRILLS}]
    body = {"items": items, "taxonomy": "unspsc", "unless_decided": True}
    await decide(client, JARGON, BEARINGS)
    async with client.post("/v1/feedback", json=body, headers=bob) as response:
        assert (response.status, await response.json()) == (
            409,
            {
                "type": "urn:nexus:problem:already-decided",
                "title": "Somebody else has decided already",
                "status": 409,
                "detail": f"Somebody else has decided already, for {BEARINGS}. Nothing of this request counts.",
                "decided": [{"pointer": "/body/items/1", "code": BEARINGS, "decided_by": "alice"}],
            },
        )
    assert [item["code"] for item in (await get(client, ""))["items"]] == [BEARINGS]

    async with client.post("/v1/feedback", json=body) as response:
        assert response.status == 200, "one's own decisions may be changed"
    assert [item["code"] for item in (await get(client, ""))["items"]] == [DRILLS, PAPER, BEARINGS]


async def test_the_answer_says_what_was_suggested_and_how_far_both_agree(client: aiohttp.ClientSession) -> None:
    items = [
        {"id": "a", "text": "cordless drill 18V", "code": DRILLS},
        {"text": "A4 copy paper", "code": "14110000", "language": "en-GB"},
        {"text": "cordless drill 12V", "code": PAPER},
    ]
    suggestions = await classify(client, *(str(item["text"]) for item in items))
    status, answer = await post(client, *items)
    expected = [
        {
            "id": item.get("id"),
            "text": item["text"],
            "language": item.get("language", "en"),
            "code": item["code"],
            "level": level,
            "suggestion": {
                "code": suggestion["code"],
                "level": suggestion["level"],
                "confidence": pytest.approx(suggestion["confidence"], abs=1e-3),
                "source": "model",
                "model_version": "all-minilm-l6-v2+unspsc-starter-1",
                "by": None,
            },
            "agreed_level": agreed,
        }
        for item, suggestion, (level, agreed) in zip(
            items, suggestions, [("commodity", "commodity"), ("family", "family"), ("commodity", None)], strict=True
        )
    ]
    assert (status, answer) == (
        200,
        {"taxonomy": "unspsc", "version": "starter-1", "generation": 1, "items": expected},
    )


async def test_codes_count_all_or_none(client: aiohttp.ClientSession) -> None:
    assert await post(client, {"text": JARGON, "code": DRILLS}, {"text": "nut", "code": "99999999"}) == (
        422,
        {
            "type": "urn:nexus:problem:unknown-codes",
            "title": "The taxonomy does not have all the codes",
            "status": 422,
            "detail": "unspsc starter-1 has no code '99999999'. Nothing of this request counts.",
            "errors": [{"pointer": "/body/items/1/code", "detail": "there is no code '99999999'"}],
        },
    )
    assert (await classify(client, JARGON))[0]["source"] == "model"
    assert (await get(client, ""))["items"] == []


@pytest.mark.parametrize(
    "item",
    [{"text": " ", "code": DRILLS}, {"text": "nut"}, {"text": "nut", "code": "\0"}, {"text": "nut", "code": 1}, "nut"],
    ids=["no content", "no code", "no such code", "number", "text"],
)
async def test_an_item_that_is_not_valid_is_refused(client: aiohttp.ClientSession, item: dict[str, object]) -> None:
    status, answer = await post(client, {"text": JARGON, "code": DRILLS}, item)
    assert (status, answer["type"]) == (422, "urn:nexus:problem:invalid-request")
    assert (await classify(client, JARGON))[0]["source"] == "model"


async def test_who_decided_what_is_listed_in_pages(issuer: Issuer, database_settings: dict[str, object]) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        bob = {"Authorization": f"Bearer {issuer.mint('classification-service', ['classify'], subject='bob')}"}
        await decide(client, JARGON, DRILLS)
        await decide(client, JARGON, BEARINGS, **bob)
        await decide(client, "cordless drill", DRILLS)
        page = await get(client, "", limit=2)
        rest = await get(client, "", limit=2, before=page["next"])
        of_bob = await get(client, "", decided_by="bob")
    found = [
        (item["decided_by"], item["text"], item["code"], item["suggestion"]["source"], item["suggestion"]["by"])
        for item in page["items"] + rest["items"]
    ]
    assert found == [
        ("alice", "cordless drill", DRILLS, "model", None),
        ("bob", JARGON, BEARINGS, "human", "alice"),
        ("alice", JARGON, DRILLS, "model", None),
    ]
    assert rest["next"] is None
    assert of_bob["items"] == [page["items"][1]]


async def test_statistics_compare_decisions_with_what_was_suggested(
    issuer: Issuer, database_settings: dict[str, object]
) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        bob = {"Authorization": f"Bearer {issuer.mint('classification-service', ['classify'], subject='bob')}"}
        await post(
            client,
            {"text": "cordless drill 18V", "code": DRILLS},
            {"text": "A4 copy paper, 80 g", "code": PAPER},
            {"text": "cordless drill 18V with two batteries", "code": HAMMERS},
        )
        await decide(client, "A4 copy paper", BEARINGS, **bob)
        await decide(client, "cordless drill 18V", BEARINGS, **bob)
        await decide(client, "A4 copy paper, 80 g", PAPER, **bob)
        answer = await get(client, "/statistics")
    calibration = answer.pop("calibration")
    assert answer == {
        "taxonomy": "unspsc",
        "version": "starter-1",
        "models": {"decisions": 4, "agreed": 2},
        "levels": {
            "segment": {"decided": 4, "suggested": 4, "agreed": 3},
            "family": {"decided": 4, "suggested": 4, "agreed": 3},
            "class": {"decided": 4, "suggested": 4, "agreed": 2},
            "commodity": {"decided": 4, "suggested": 3, "agreed": 2},
        },
        "people": [{"subject": "alice", "decisions": 3, "agreed": 2}, {"subject": "bob", "decisions": 1, "agreed": 0}],
        "between_people": {"decisions": 2, "agreed": 1},
    }
    assert sum(bucket["decisions"] for bucket in calibration) == 4
    assert sum(bucket["agreed"] for bucket in calibration) == 2
    assert all(bucket["over"] <= bucket["confidence"] <= bucket["over"] + 0.1 for bucket in calibration)


async def test_decisions_count_for_their_tenant_alone(issuer: Issuer, database_settings: dict[str, object]) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        acme, other = [
            {"Authorization": f"Bearer {issuer.mint('classification-service', ['classify'], tenant=tenant)}"}
            for tenant in ("acme", "other")
        ]
        await decide(client, JARGON, BEARINGS, **acme)
        sources = [(await classify(client, JARGON, **headers))[0]["source"] for headers in (acme, other, {})]
        async with client.get("/v1/feedback", params={"taxonomy": "unspsc"}, headers=other) as response:
            assert (await response.json())["items"] == []
    assert sources == ["human", "model", "model"]


async def test_a_correction_ends_cached_answers_and_those_of_other_tenants_stay_theirs(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    settings = settings_with_stores(tmp_path, postgres_url, redis_url, issuer)
    like_it = "frobnicator unit XK-9, spare"
    tokens = [issuer.mint("classification-service", ["classify"], tenant=tenant) for tenant in ("acme", "other")]
    acme, other = [{"Authorization": f"Bearer {token}"} for token in tokens]
    async with serving(create_app(settings)) as url, aiohttp.ClientSession(url) as client:
        found = [(await classify(client, like_it, **headers))[0]["source"] for headers in (acme, acme, other)]
        await decide(client, JARGON, BEARINGS, **acme)
        after = [(await classify(client, like_it, **headers))[0] for headers in (acme, acme, other, other)]
    assert found == ["model", "cache", "cache"]
    assert [item["source"] for item in after] == ["model", "cache", "model", "cache"]
    assert [item["code"] == BEARINGS for item in after] == [True, True, False, False]


async def test_labels_outlast_processes_and_encoders(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        await decide(client, JARGON, BEARINGS)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("UPDATE labels SET encoder = 'an earlier one', vector = '\\x01', scale = 0")
    await connection.close()
    async with client_of(issuer, "classify", **database_settings) as client:
        found = await classify(client, JARGON, "frobnicator unit XK-9, spare")
    assert [(item["code"], item["source"]) for item in found] == [(BEARINGS, "human"), (BEARINGS, "model")]


async def test_decisions_at_the_same_time_all_count(
    two_processes: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    texts = [f"{JARGON} number {number}" for number in range(20)]
    work = [decide(two_processes[number % 2], text, BEARINGS) for number, text in enumerate(texts)]
    await asyncio.gather(*work, *(decide(client, JARGON, DRILLS) for client in two_processes))
    for client in two_processes:
        assert {item["source"] for item in await classify(client, *texts, JARGON)} == {"human"}
    assert len((await get(two_processes[0], ""))["items"]) == 22


async def test_several_decisions_about_one_text_in_a_request_the_last_one_counts(client: aiohttp.ClientSession) -> None:
    await post(client, {"text": JARGON, "code": DRILLS}, {"text": JARGON.lower(), "code": BEARINGS})
    assert (await classify(client, JARGON))[0]["code"] == BEARINGS
    assert len((await get(client, ""))["items"]) == 2


async def test_unusual_characters_are_kept_as_far_as_the_database_can(client: aiohttp.ClientSession) -> None:
    item = {"id": "a\0b", "text": "nut\0 M8", "attributes": {"size\0": "8\0"}, "code": BEARINGS}
    status, answer = await post(client, item)
    assert (status, answer["items"][0]["id"], answer["items"][0]["text"]) == (200, "ab", "nut M8 size 8")
    body = {"items": [{name: item[name] for name in ("text", "attributes")}], "taxonomy": "unspsc"}
    async with client.post("/v1/classify", json=body) as response:
        assert (await response.json())["items"][0]["source"] == "human"


async def test_a_service_without_database_takes_no_feedback(issuer: Issuer) -> None:
    async with client_of(issuer, "classify") as client:
        status, answer = await post(client, {"text": JARGON, "code": DRILLS})
    assert (status, answer["type"]) == (409, "urn:nexus:problem:no-database")


async def test_feedback_needs_the_scope(issuer: Issuer, database_settings: dict[str, object]) -> None:
    async with client_of(issuer, "tools:call", **database_settings) as client:
        assert (await post(client, {"text": JARGON, "code": DRILLS}))[0] == 403
