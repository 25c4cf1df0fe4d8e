"""The pages of models and rows, which dataflow-service makes and the gateway passes on, in a real browser."""

import secrets

import httpx
import pytest
from harness.browser import Person, Visitor

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

MODELS = "/pages/data/models"
PRODUCT = f"{MODELS}/Product"
ROWS = f"{PRODUCT}/rows"
HOSTILE = "<script>window.ran = true</script><img src=x onerror='window.ran = true'> \u202eedoc\u202c"
LONG_WORD = "w" * 1000


@pytest.fixture
def product(administrator: httpx.Client) -> str:
    """The name of the newest product, whose other texts are hostile."""
    name = f"bolt {secrets.token_hex(4)}"
    older = [{"name": "older", "description": "x"}] * 20
    row = {"name": name, "description": HOSTILE, "supplier": LONG_WORD[:200], "attributes": {HOSTILE: LONG_WORD}}
    answer = administrator.post("/v1/data/product/bulk", json=[*older, row])
    assert answer.status_code == 201, answer.text
    return name


def type_after_navigation(visitor: Visitor, person: Person, *keys: str) -> None:
    """Press keys when the focus is on the last button of the navigation."""
    visitor.page.get_by_role("button", name=f"Sign out {person.name}").focus()
    visitor.type(*keys)


def test_the_keyboard_alone_signs_in_and_walks_to_a_row(visitor: Visitor, person: Person, product: str) -> None:
    visitor.open(MODELS)
    assert visitor.path == "/login"
    visitor.type("Tab", "Tab", "Tab", person.name, "Tab", person.password, "Enter")
    visitor.page.wait_for_url(f"**{MODELS}")
    type_after_navigation(visitor, person)
    visitor.type("Tab")
    for model in ("Attribute", "Category", "Document", "PriceItem", "PriceList"):
        assert visitor.focused() == f'link "{model}"'
        visitor.type("Tab", "Tab")
    assert visitor.focused() == 'link "Product"'
    visitor.type("Enter")
    visitor.page.wait_for_url(f"**{PRODUCT}")
    type_after_navigation(visitor, person, "Tab", "Tab")
    assert visitor.focused() == 'link "Look at rows"'
    visitor.type("Enter")
    visitor.page.wait_for_url(f"**{ROWS}")
    assert visitor.page.get_by_role("cell", name=product).count() == 1

    type_after_navigation(visitor, person, "Tab", "Tab", "Tab")
    assert visitor.focused() == 'group "The newest rows"'
    visitor.type("Tab")
    assert visitor.focused() == 'link "Row 1 as JSON"'
    visitor.type("Enter")
    visitor.page.wait_for_url("**/v1/data/product?filter=*")
    (row,) = visitor.page.evaluate("JSON.parse(document.body.innerText).items")
    assert (row["name"], row["attributes"]) == (product, {HOSTILE: LONG_WORD})


def test_models_and_rows_are_read_without_javascript(plain_visitor: Visitor, person: Person, product: str) -> None:
    plain_visitor.sign_in(person)
    plain_visitor.open(PRODUCT)
    page = plain_visitor.page
    assert "curl -s " in page.locator("pre").first.inner_text()
    assert page.get_by_role("button").count() == 0
    page.get_by_text("The schema of a new row").click()
    assert '"title": "Product"' in page.locator("details pre").inner_text()

    page.get_by_role("link", name="Look at rows").click()
    assert page.get_by_role("cell", name=product).count() == 1
    page.get_by_role("link", name="Older rows").click()
    assert page.get_by_role("cell", name=product).count() == 0
    page.get_by_role("link", name="Newest rows").click()
    assert page.get_by_role("cell", name=product).count() == 1


def test_an_example_is_copied_by_its_button(visitor: Visitor, person: Person) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visitor.site)
    visitor.sign_in(person)
    visitor.open(PRODUCT)
    visitor.page.get_by_role("button", name="Copy: Python").focus()
    visitor.type("Enter")
    visitor.page.get_by_role("status").get_by_text("Copied").wait_for()

    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied == visitor.page.locator("pre").nth(3).text_content()
    assert copied.startswith("import asyncio\n")


def test_hostile_values_stay_text(visitor: Visitor, person: Person, product: str) -> None:
    visitor.sign_in(person)
    visitor.open(ROWS)
    row = visitor.page.get_by_role("row").filter(has_text=product)
    values = row.locator("bdi").all_text_contents()

    assert HOSTILE in values[2]
    assert (visitor.page.evaluate("window.ran"), visitor.complaints) == (None, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_page_is_accessible_narrow_and_within_its_policy(
    visitor: Visitor, person: Person, product: str, scheme: str
) -> None:
    assert product
    visitor.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    visitor.page.set_viewport_size({"width": 320, "height": 600})
    visitor.sign_in(person)
    found = {}
    for path in (MODELS, PRODUCT, ROWS):
        visitor.open(path)
        visitor.page.get_by_role("button", name=f"Sign out {person.name}").wait_for()
        for details in visitor.page.locator("details").all():
            details.click()
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        found[path] = (visitor.accessibility_faults(), visitor.complaints, width)

    assert found == dict.fromkeys((MODELS, PRODUCT, ROWS), ([], [], 320))


def test_a_user_who_may_not_read_sees_no_rows(visitor: Visitor, administrator: httpx.Client, product: str) -> None:
    person = Person(f"person-{secrets.token_hex(4)}", "a pass phrase of some length")
    body = {"username": person.name, "password": person.password, "roles": []}
    assert administrator.post("/v1/users", json=body).status_code == 201
    visitor.sign_in(person)
    visitor.open(ROWS)

    assert product not in visitor.page.content()
