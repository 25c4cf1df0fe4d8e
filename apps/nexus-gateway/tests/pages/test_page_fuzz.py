"""Whatever a form, a cookie or a header holds: an answer that was meant, and never a failure of the gateway."""

import random
import string

import pytest
from page_client import BrowserClient

FORM = "application/x-www-form-urlencoded"
MEANT = {303, 400, 403, 405, 413, 415, 421, 422}
PATHS = ["/login", "/logout", "/account/sessions/end", "/account/password", "/password-reset/x"]
PIECES = [
    *(
        "form_token=",
        "username=",
        "password=",
        "new-password=",
        "next=",
        "&",
        "=",
        ";",
        "+",
        "%",
        "%00",
        "%ff",
        "%ed%a0%80",
    ),
    *(
        "%f0%9f%98%80",
        "\\",
        "//",
        "..",
        "{{7*7}}",
        "<script>",
        "'\"",
        "&&",
        "=" * 50,
        "a" * 3000,
        "%25" * 200,
        "\x80",
        "\xff",
    ),
]
HEADER_BYTES = (
    string.printable.replace("\r", "").replace("\n", "").replace("\x0b", "").replace("\x0c", "") + "\x80\xe9\xff"
)


def noise(source: random.Random, letters: str, longest: int) -> str:
    return "".join(source.choices(letters, k=source.randrange(longest)))


@pytest.mark.parametrize("seed", range(4))
async def test_no_form_makes_the_gateway_fail(browser: BrowserClient, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311  the same forms in each run
    token = (await browser.get("/login")).form_token
    answers = set()
    for _ in range(500):
        body = "".join(source.choices([*PIECES, token, f"form_token={token}&"], k=source.randrange(12))).encode(
            "latin-1"
        )
        page = await browser.request("POST", source.choice(PATHS), body, Content_Type=FORM)
        answers.add(page.status)

    assert answers <= MEANT
    assert {303, 400, 403} <= answers


@pytest.mark.parametrize("seed", range(4))
async def test_no_header_makes_the_gateway_fail(browser: BrowserClient, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311  the same headers in each run
    answers = set()
    for _ in range(500):
        name = source.choice(["Cookie", "Host", "Origin", "Sec_Fetch_Site", "Content_Type", "User_Agent", "Accept"])
        value = noise(source, HEADER_BYTES, 200)
        value = source.choice(["__Host-nexus=", ""]) + value
        page = await browser.request(source.choice(["GET", "POST"]), source.choice(PATHS), **{name: value.strip()})
        answers.add(page.status)

    assert answers <= MEANT | {200}
