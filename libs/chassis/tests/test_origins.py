import aiohttp
import pytest

from nexus_chassis.origins import Origins

PAGE = "https://app.example.com"


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example,http://localhost:3000",
        "https://a.example http://localhost:3000",
        " https://a.example , http://localhost:3000 ",
    ],
)
def test_origins_are_separated_by_spaces_or_commas(text: str) -> None:
    origins = Origins.parse(text)

    assert [origins.allows(name) for name in ("https://a.example", "http://localhost:3000", "", ",")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("text", ["a.example", "https://a.example/", "*", "null", "https://[", "HTTPS://A.example"])
def test_what_is_not_an_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin, such as"):
        Origins.parse(text)


@pytest.mark.parametrize(
    "origin",
    ["http://[", "null", "https://evil.example", "https://app.example.com.evil.example", "https://APP.example.com"],
)
async def test_pages_of_other_origins_get_no_permission(service: str, http: aiohttp.ClientSession, origin: str) -> None:
    headers = {"Origin": origin, "Host": origin.rpartition("/")[2] or "x"}
    async with http.get(f"{service}/sizes", headers=headers) as answer:
        assert [name for name in answer.headers if name.startswith("Access-Control")] == []


async def test_a_preflight_of_an_allowed_page_is_answered(service: str, http: aiohttp.ClientSession) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    async with http.options(f"{service}/sizes", headers=headers) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (
            204,
            PAGE,
            "Origin",
        )
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"]


async def test_an_allowed_page_can_read_answers_also_refusals(service: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{service}/whoami", headers={"Origin": PAGE}) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
        assert "www-authenticate" in answer.headers["Access-Control-Expose-Headers"]
