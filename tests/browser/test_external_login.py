"""Signing in by a real OpenID Connect provider (the npm package oidc-provider) in a real browser."""

import secrets
from collections.abc import Iterator

import pytest
from harness.browser import Visitor, visitor_in
from harness.external_login import LABEL, Provider, gateway_with, running_provider
from harness.stack import Stack
from playwright.sync_api import Browser

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

LINK = f"Sign in with {LABEL}"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture(scope="module")
def external_site(stack: Stack, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a gateway that knows the provider."""
    with gateway_with(stack, provider, tmp_path_factory.mktemp("settings")) as address:
        yield address


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def stranger(chromium: Browser, external_site: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    with chromium.new_context(java_script_enabled=request.param) as context:
        yield visitor_in(context, external_site)


def sign_in_at_provider(visitor: Visitor, name: str) -> None:
    visitor.page.get_by_role("link", name=LINK).click()
    visitor.page.get_by_placeholder("Enter any login").fill(name)
    visitor.page.get_by_placeholder("and password").fill("any")
    visitor.page.get_by_role("button", name="Sign-in").click()


def test_a_stranger_signs_in_by_the_provider_and_comes_back_to_the_page_that_was_asked_for(stranger: Visitor) -> None:
    name, page = f"external-{secrets.token_hex(4)}", stranger.page
    stranger.open("/account/sessions")
    sign_in_at_provider(stranger, name)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{stranger.site}/account/sessions")

    assert page.get_by_role("heading", level=1).inner_text() == "Devices"
    page.get_by_role("button", name=f"Sign out {name}").click()
    page.wait_for_url("**/login?notice=signed-out")

    page.get_by_role("link", name=LINK).click()  # the provider remembers who signed in, and what they agreed to
    page.wait_for_url(f"{stranger.site}/")
    assert page.get_by_role("button", name=f"Sign out {name}").is_visible()


def test_who_cancels_at_the_provider_reads_why_on_the_login_page(stranger: Visitor) -> None:
    stranger.open("/login")
    stranger.page.get_by_role("link", name=LINK).click()
    stranger.page.get_by_role("link", name="Cancel").click()
    stranger.page.wait_for_url(f"{stranger.site}/login/oidc/**")

    assert stranger.page.title() == "Error: Sign in · Nexus"
    text = f"{LABEL} did not sign you in: End-User aborted interaction."
    assert stranger.page.get_by_role("alert").get_by_role("listitem").inner_text() == text
    assert stranger.page.get_by_role("link", name=LINK).is_visible()


def test_the_login_page_with_other_ways_to_sign_in_is_accessible(chromium: Browser, external_site: str) -> None:
    with chromium.new_context() as context:
        visitor = visitor_in(context, external_site)
        visitor.open("/login")

        assert visitor.page.get_by_role("link", name=LINK).is_visible()
        assert (visitor.accessibility_faults(), visitor.complaints) == ([], [])
