"""Sign-in through a real identity provider: the right person gets in, every other answer gets a page."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from services.notifier.web.openid_pages import COOKIE
from services.notifier.web.security import COOKIE as SESSION
from tests.flow.notifier.test_pages import ITEM, mailed_token
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import MovableClock, NotifierDriver, running_notifier
from tests.support.notifier.identity_provider import IdentityProvider, running_provider
from tests.support.notifier.mail_server import MailServer

START = "/sign-in/with/north"
VERIFIED = {"email": "T1@north.example", "email_verified": True}


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with running_provider() as ready:
        yield ready


@pytest.fixture
async def notifier(
    database_url: str,
    bound_requests: None,
    tmp_path: Path,
    provider: IdentityProvider,
    mail_server: MailServer,
) -> AsyncIterator[NotifierDriver]:
    """The notifier with a provider for two practices: north as simple as can be, south with every option."""
    secret, file = tmp_path / "client-secret", tmp_path / "openid.toml"
    secret.write_text(provider.client_secret)
    same = f"""
        issuer = "{provider.issuer}"
        client_id = "{provider.client_id}"
        client_secret_file = "{secret}"
    """
    file.write_text(f"""
        [north]
        name = "Praxis Nord"
        {same}
        [south]
        name = "South & Partners"
        {same}
        claim = "staff_number"
        matches = "therapist_id"
        mailed_links = false
        on_sign_in_page = true
    """)
    async with running_notifier(
        database_url,
        tmp_path,
        smtp_port=mail_server.port,
        clock=MovableClock(datetime.now(UTC)),
        openid_file=file,
    ) as ready:
        ready.mail_server = mail_server
        await ready.add_therapist()
        yield ready


async def begun(browser: httpx.AsyncClient, path: str = START) -> str:
    """Press the button; return the provider's address to which it leads."""
    answer = await browser.get(path)
    assert answer.status_code == 303
    return answer.headers["location"]


async def came_back(
    browser: httpx.AsyncClient, provider: IdentityProvider, claims: dict[str, object], path: str = START
) -> httpx.Response:
    """Sign in at the provider as somebody about whom it says `claims`, and come back."""
    provider.set_user("somebody", claims)
    return await browser.get(await provider.approve(await begun(browser, path), "somebody"))


def changed_query(url: str, **changes: str) -> str:
    """Return the address with other values in its query."""
    parts = urlsplit(url)
    values = {name: value for name, (value, *_) in parse_qs(parts.query).items()}
    return parts._replace(query=urlencode({**values, **changes})).geturl()


def reasons(capfd: pytest.CaptureFixture[str]) -> str:
    """Return what was logged."""
    out, err = capfd.readouterr()
    return out + err


async def test_the_verified_address_of_a_therapist_signs_in_with_the_same_session_as_a_link(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        answer = await came_back(browser, provider, VERIFIED)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith(SESSION))
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert COOKIE not in browser.cookies
        assert (await browser.get(ITEM)).status_code == 200
        assert (await browser.get("/sessions")).text.count("This one") == 1
        notifier.advance(timedelta(minutes=30))
        assert (await browser.get(ITEM)).status_code == 303
    assert ("signed-in",) in await notifier.rows("SELECT action FROM notifier.audit")


async def test_a_provider_may_sign_with_a_new_key_and_name_the_address_only_when_asked(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    async with notifier.browser() as browser:
        assert (await came_back(browser, provider, VERIFIED)).status_code == 303
        provider.rotate_key()
        assert (await came_back(browser, provider, VERIFIED)).status_code == 303
        assert (await came_back(browser, provider, {**VERIFIED, "only_at_userinfo": True})).status_code == 303
        unverified = {"email": "t1@north.example", "only_at_userinfo": True}
        assert (await came_back(browser, provider, unverified)).status_code == 403


async def test_the_item_that_was_asked_for_is_where_the_sign_in_leads(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    item = episode_named("one")
    async with notifier.browser() as browser:
        answer = await came_back(browser, provider, VERIFIED, f"{START}?item={item}")
        assert answer.headers["location"] == f"/items/{item}"
        assert (await begun(browser, f"{START}?item=//evil.example")).startswith(provider.issuer)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"email": "t1@north.example", "email_verified": False}, "has not confirmed your e-mail address"),
        ({"email": "t1@north.example"}, "has not confirmed your e-mail address"),
        ({"email": "t1@north.example", "email_verified": "true"}, "has not confirmed your e-mail address"),
        ({"email_verified": True}, "“email” is missing"),
        ({"email": ["t1@north.example"], "email_verified": True}, "“email” is missing"),
        ({"email": "t1@north.example.org", "email_verified": True}, "knows you as t1@north.example.org"),
        ({"email": "t5@south.example", "email_verified": True}, "knows you as t5@south.example"),
        ({"email": "shared@north.example", "email_verified": True}, "knows you as shared@north.example"),
        ({"email": "t1@north.example\u0000", "email_verified": True}, "“email” is missing"),
    ],
    ids=["unverified", "unsaid", "text", "none", "list", "unknown", "other practice", "two entries", "nul"],
)
async def test_whoever_is_not_exactly_one_therapist_of_the_practice_reads_what_to_do(
    notifier: NotifierDriver,
    provider: IdentityProvider,
    claims: dict[str, object],
    says: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    await notifier.add_therapist(practice_id="south", therapist_id="t-5", address="t5@south.example")
    for number in (2, 3):
        await notifier.add_therapist(therapist_id=f"t-{number}", address="shared@north.example")
    async with notifier.browser() as browser:
        page = await came_back(browser, provider, claims)
        assert (page.status_code, says in page.text) == (403, True)
        assert 'href="/sign-in/with/north"' in page.text
        assert SESSION not in browser.cookies
    assert await notifier.rows("SELECT count(*) FROM notifier.session") == [(0,)]
    logged = reasons(capfd)
    assert "openid-not-signed-in" in logged
    assert [word for word in ("@", provider.client_secret) if word in logged] == []


async def test_an_answer_with_another_nonce_is_refused(
    notifier: NotifierDriver, provider: IdentityProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.set_user("somebody", VERIFIED)
    async with notifier.browser() as browser:
        url = changed_query(await begun(browser), nonce="another")
        page = await browser.get(await provider.approve(url, "somebody"))
    assert (page.status_code, "interrupted or took too long" in page.text) == (403, True)
    assert "InvalidClaimError" in reasons(capfd)


async def test_an_answer_for_another_challenge_is_refused_by_the_provider(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    provider.set_user("somebody", VERIFIED)
    async with notifier.browser() as browser:
        url = await begun(browser)
        assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["S256"]
        page = await browser.get(
            await provider.approve(changed_query(url, code_challenge="x" * 43), "somebody")
        )
    assert (page.status_code, SESSION in page.cookies) == (503, False)


async def test_an_expired_code_and_one_that_was_used_are_refused(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    provider.set_user("somebody", VERIFIED)
    async with notifier.browser() as browser:
        back = await provider.approve(await begun(browser), "somebody")
        provider.expire_codes()
        page = await browser.get(back)
        assert (page.status_code, "interrupted or took too long" in page.text) == (403, True)
        back = await provider.approve(await begun(browser), "somebody")
        kept = browser.cookies[COOKIE]
        assert (await browser.get(back)).status_code == 303
        browser.cookies.set(COOKIE, kept)
        assert (await browser.get(back)).status_code == 403


async def test_an_answer_comes_back_to_the_browser_that_asked_in_time_and_with_its_state(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    provider.set_user("somebody", VERIFIED)
    async with notifier.browser() as browser, notifier.browser() as other:
        back = await provider.approve(await begun(browser), "somebody")
        assert (await other.get(back)).status_code == 403
        assert (await browser.get(back.replace("/north/", "/south/"))).status_code == 403
        assert (await browser.get(changed_query(back, state="another"))).status_code == 403
        back = await provider.approve(await begun(browser), "somebody")
        notifier.advance(timedelta(minutes=10))
        assert (await browser.get(back)).status_code == 403
    assert await notifier.rows("SELECT count(*) FROM notifier.session") == [(0,)]


async def test_who_does_not_consent_at_the_provider_can_start_again(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    async with notifier.browser() as browser:
        page = await browser.get(await provider.approve(await begun(browser), "somebody", action="deny"))
    assert (page.status_code, "did not sign you in" in page.text) == (403, True)


async def test_a_therapist_without_an_own_provider_is_not_offered_one(notifier: NotifierDriver) -> None:
    async with notifier.browser() as browser:
        page = await browser.get("/sign-in")
        assert (page.text.count("Sign in with"), "South &amp; Partners" in page.text) == (1, True)
        for path in ("/sign-in/with/east", "/sign-in/with/east/callback?code=x&state=y"):
            assert (await browser.get(path)).status_code == 404


async def test_a_claim_of_choice_names_the_therapist_and_mailed_links_lead_to_the_provider(
    notifier: NotifierDriver, provider: IdentityProvider
) -> None:
    await notifier.add_therapist(practice_id="south", therapist_id="S-17", address="s17@south.example")
    await notifier.handle(changed(practice="south", therapist="S-17"))
    token = await mailed_token(notifier)
    async with notifier.browser() as browser:
        page = await browser.get(f"/sign-in?token={token}")
        assert "Your practice signs in with South &amp; Partners" in page.text
        pressed = await browser.post("/sign-in", data={"token": token})
        assert ("Your practice signs in with" in pressed.text, SESSION in browser.cookies) == (True, False)
        path = f"/sign-in/with/south?item={episode_named('one')}"
        assert f'href="{path}"' in page.text
        assert (await came_back(browser, provider, {"staff_number": "s-17"}, path)).status_code == 403
        answer = await came_back(browser, provider, {"staff_number": "S-17"}, path)
        assert answer.headers["location"] == ITEM
        assert (await browser.get(ITEM)).status_code == 200
