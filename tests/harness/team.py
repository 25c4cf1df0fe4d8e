"""People of one tenant, whose review queue and jobs nobody else has."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from harness.browser import Person

_PASSWORD = "a pass phrase of some length"


@dataclass(frozen=True)
class Team:
    """Two people who may classify. `client` sends requests to the gateway as the first of them."""

    first: Person
    second: Person
    client: httpx.Client

    def ask(self, items: Sequence[Mapping[str, object]]) -> int:
        """Classify products for UNSPSC, the uncertain ones for review; returns how many these are."""
        body = {"items": items, "taxonomy": "unspsc", "top_k": 10, "review": True}
        answer = self.client.post("/v1/classification/classify", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["queued"])

    def decisions(self) -> dict[str, str]:
        """The codes that were chosen in the tenant, by text; the latest of each."""
        answer = self.client.get("/v1/classification/feedback", params={"taxonomy": "unspsc"})
        assert answer.status_code == 200, answer.text
        return {item["text"]: item["code"] for item in reversed(answer.json()["items"])}


def make_team(administrator: httpx.Client, client: httpx.Client) -> Team:
    """Create a tenant with two people, and sign the client in as the first."""
    tenant = f"team-{secrets.token_hex(4)}"
    created = administrator.post("/v1/tenants", json={"id": tenant, "name": tenant})
    assert created.status_code == 201, created.text
    first, second = [Person(f"person-{secrets.token_hex(4)}", _PASSWORD) for _ in "12"]
    for person in (first, second):
        body = {"username": person.name, "password": person.password, "roles": ["editor"], "tenant": tenant}
        created = administrator.post("/v1/users", json=body)
        assert created.status_code == 201, created.text
    begun = client.post("/v1/sessions", json={"username": first.name, "password": first.password})
    assert begun.status_code == 201, begun.text
    client.headers["Authorization"] = f"Bearer {begun.json()['access_token']}"
    return Team(first, second, client)
