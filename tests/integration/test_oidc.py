"""Signing in with an OpenID Connect provider: a stand-in of ours over the real wire format, honest and not."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from django.test import Client

from apps.accounts.models import AuditEntry, Identity, User
from apps.accounts.oidc import flow, provider
from apps.accounts.second_factor import codes, gate
from apps.accounts.second_factor import services as second_factor
from apps.feed.models import Event
from sokoul import env, http, masking
from sokoul.env import ENV
from tests.factories import PASSWORD
from tests.oidc_provider import CLIENT, SECRET, Provider

pytestmark = pytest.mark.django_db
START = "/app/login/oidc"
CALLBACK = "/app/login/oidc/callback"


@pytest.fixture
def idp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Configured, with OIDC_SIGN_UP on."""
    running = Provider()
    facts = {"oidc_issuer": running.issuer, "oidc_client_id": CLIENT, "oidc_name": "Castle", "oidc_sign_up": True}
    for name, value in facts.items():
        monkeypatch.setattr(ENV, name, value)
    monkeypatch.setenv("OIDC_CLIENT_SECRET", SECRET)
    env.reread()
    provider.forget()
    http.forget()
    yield running
    running.stop()
    provider.forget()
    http.forget()


def go(browser: Client, idp: Provider, wanted: str = "") -> str:
    """To the provider and its button; the address that it sends the browser back to."""
    answer = browser.get(START, {"next": wanted} if wanted else {})
    assert answer.status_code == 302
    return path_of(idp.approve(answer["Location"]))


def path_of(address: str) -> str:
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}" == ENV.address
    return f"{parts.path}?{parts.query}"


def come_back(browser: Client, path: str) -> Any:
    return browser.get(path)


def refused(browser: Client, path: str) -> str:
    """What the page says; nobody is signed in, and nothing was made."""
    answer = browser.get(path, follow=True)
    assert answer.redirect_chain[0] == ("/app/login", 302)
    assert who(browser) is None
    assert not User.objects.filter(username="carol").exists()
    return answer.content.decode()


def who(browser: Client) -> str | None:
    return (
        User.objects.get(pk=browser.session["_auth_user_id"]).username if "_auth_user_id" in browser.session else None
    )


def linked(user: User, idp: Provider) -> None:
    Identity.objects.create(user=user, issuer=idp.issuer, subject=idp.person["sub"])


def test_without_a_provider_there_is_no_door(client: Client, alice: User) -> None:
    assert b"Sign in with" not in client.get("/app/login").content
    assert client.get(START)["Location"] == "/app/login"
    assert b"No other way" in client.get("/app/login").content


def test_the_first_sign_in_opens_an_account(client: Client, idp: Provider) -> None:
    assert b"Sign in with Castle" in client.get("/app/login").content
    back = go(client, idp, "/app/library")
    answer = come_back(client, back)
    assert answer["Location"] == "/app/library"
    carol = User.objects.get()
    assert (carol.username, carol.email, carol.has_usable_password()) == ("carol", "carol@example.com", False)
    assert who(client) == "carol"
    rows = list(AuditEntry.objects.order_by("id").values_list("action", "details__how"))
    assert rows == [("auth.registered", "oidc"), ("auth.login", "oidc")]
    second = Client()
    come_back(second, go(second, idp))
    assert who(second) == "carol"
    assert User.objects.count() == 1


def test_the_question_is_bound_to_this_browser(client: Client, idp: Provider) -> None:
    first = parse_qs(urlsplit(client.get(START)["Location"]).query)
    again = parse_qs(urlsplit(client.get(START)["Location"]).query)
    assert first["ui"] == ["plain"]
    assert first["scope"] == ["openid email profile"]
    assert first["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != again[name]


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_each_allowed_algorithm_is_understood(client: Client, idp: Provider, algorithm: str) -> None:
    idp.algorithm = algorithm
    come_back(client, go(client, idp))
    assert who(client) == "carol"


def test_a_client_that_sends_its_secret_in_the_form(client: Client, idp: Provider) -> None:
    idp.methods = ["client_secret_post"]
    come_back(client, go(client, idp))
    assert who(client) == "carol"


def test_an_address_that_stands_only_in_the_user_information(client: Client, idp: Provider) -> None:
    idp.claims_in_token = False
    come_back(client, go(client, idp))
    assert who(client) == "carol"
    assert "/userinfo" in idp.asked


def test_user_information_about_somebody_else_is_not_believed(client: Client, idp: Provider) -> None:
    idp.claims_in_token = False
    idp.raw["/userinfo"] = (200, "application/json", json.dumps({**idp.person, "sub": "another"}).encode())
    assert "about somebody else" in refused(client, go(client, idp))


def test_new_keys_are_fetched_when_one_is_unknown(
    client: Client, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_back(client, go(client, idp))
    asked = idp.asked.count("/keys")
    idp.rotate()
    monkeypatch.setattr(provider, "KEYS_AGAIN_SECONDS", 0.0)
    other = Client()
    come_back(other, go(other, idp))
    assert who(other) == "carol"
    assert (asked, idp.asked.count("/keys"), idp.asked.count("/.well-known/openid-configuration")) == (1, 2, 1)


def nothing_signed(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", "none")


def forged(idp: Provider) -> Callable[[dict[str, Any]], str]:
    """HS256, with the public key as if it were a secret: the old confusion. PyJWT refuses to make one, so it is made by hand."""
    import hashlib
    import hmac

    def sign(claims: dict[str, Any]) -> str:
        header = {"alg": "HS256", "typ": "JWT", "kid": idp.kid}
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
        mac = hmac.new(idp.public_pem(), ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, base64.urlsafe_b64encode(mac).decode().rstrip("=")])

    return sign


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "nonce": ({"nonce": "of another sign-in"}, "another question"),
    "no nonce": ({"nonce": None}, "another question"),
    "audience": ({"aud": "another-client"}, "meant for somebody else"),
    "several audiences": ({"aud": [CLIENT, "another-client"]}, "issued to somebody else"),
    "party": ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "issued to somebody else"),
    "expired": ({"exp": 1_700_000_000, "iat": 1_699_999_000}, "expired"),
    "without end": ({"exp": None}, "not signed as it should be"),
    "future": ({"iat": 9_999_999_999, "exp": 9_999_999_999}, "not signed as it should be"),
    "issuer": ({"iss": "https://evil.example"}, "another issuer"),
    "no subject": ({"sub": None}, "not signed as it should be"),
    "empty subject": ({"sub": ""}, "usable subject"),
    "other token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "another access token"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_lies_opens_nothing(client: Client, idp: Provider, lie: str) -> None:
    said, why = LIES[lie]

    def change(claims: dict[str, Any]) -> None:
        claims.update(said)
        for name in [name for name, value in said.items() if value is None]:
            del claims[name]

    idp.change = change
    assert why in refused(client, go(client, idp))
    assert AuditEntry.objects.get().action == "oidc.refused"


def test_an_unsigned_token_opens_nothing(client: Client, idp: Provider) -> None:
    idp.sign = nothing_signed
    assert "an algorithm that is not allowed" in refused(client, go(client, idp))


def test_a_public_key_is_no_secret(client: Client, idp: Provider) -> None:
    idp.sign = forged(idp)
    assert "an algorithm that is not allowed" in refused(client, go(client, idp))


def test_a_strangers_key_opens_nothing(client: Client, idp: Provider) -> None:
    stranger = Provider()
    stranger.stop()
    stranger.rotate()
    stranger.kid = idp.kid
    idp.sign = stranger.signed
    assert "not signed as it should be" in refused(client, go(client, idp))
    stranger.kid = "unknown"
    provider.forget()
    assert "unknown key" in refused(client, go(client, idp))


@pytest.mark.parametrize("token", ["", "a.b", "x" * 100_000, "\u00e9.\u00e9.\u00e9"])
def test_what_is_no_token_opens_nothing(client: Client, idp: Provider, token: str) -> None:
    idp.sign = lambda claims: token
    assert "not allowed" in refused(client, go(client, idp))


def test_an_answer_is_taken_once(client: Client, idp: Provider) -> None:
    back = go(client, idp)
    come_back(client, back)
    client.post("/app/logout")
    assert "over or was used already" in client.get(back, follow=True).content.decode()
    assert who(client) is None


def test_an_answer_that_was_refused_is_used_up_too(client: Client, idp: Provider) -> None:
    idp.change = lambda claims: claims.update(nonce="of another sign-in")
    back = go(client, idp)
    assert "another question" in refused(client, back)
    asked = idp.asked.count("/token")
    assert "over or was used already" in refused(client, back)
    assert idp.asked.count("/token") == asked


def test_a_code_is_worth_nothing_in_another_browser(client: Client, idp: Provider) -> None:
    """Login CSRF: mallory hands out the address that would sign others in as her."""
    back = go(Client(), idp)
    assert "over or was used already" in refused(client, back)
    go(client, idp)  # also not in a browser that has begun something itself
    assert "over or was used already" in refused(client, back)
    assert not AuditEntry.objects.exists()  # strangers do not fill it


def test_a_stolen_code_is_worth_nothing_under_ones_own_state(client: Client, idp: Provider) -> None:
    """The code of carol's browser, put into mallory's flow: the verifier (PKCE) is another."""
    stolen = parse_qs(urlsplit(go(Client(), idp)).query)["code"][0]
    state = parse_qs(urlsplit(client.get(START)["Location"]).query)["state"][0]
    text = refused(client, f"{CALLBACK}?{urlencode({'code': stolen, 'state': state})}")
    assert "over or was used already" in text


def test_it_does_not_wait_for_ever(client: Client, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PATIENCE", -1)
    assert "over or was used already" in refused(client, go(client, idp))


@pytest.mark.parametrize("query", ["error=access_denied", "code=", "", "code=" + "x" * 5000])
def test_refused_at_the_provider(client: Client, idp: Provider, query: str) -> None:
    state = parse_qs(urlsplit(client.get(START)["Location"]).query)["state"][0]
    assert "Castle did not let you in" in refused(client, f"{CALLBACK}?state={state}&{query}")


def test_an_answer_from_another_issuer(client: Client, idp: Provider) -> None:
    back = go(client, idp)
    lie = back.replace(urlencode({"iss": idp.issuer}), "iss=https%3A%2F%2Fevil.example")
    assert lie != back
    assert "another issuer" in refused(client, lie)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_it_leads_nowhere_else(client: Client, idp: Provider, wanted: str) -> None:
    assert come_back(client, go(client, idp, wanted))["Location"] == "/app/"
    assert client.get(START, {"next": wanted})["Location"] == "/app/"  # nor whoever is signed in already


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ((200, "text/html", b"<h1>Maintenance</h1>"), "not JSON"),
        ((200, "application/json", b"[]"), "does not accept"),
        ((200, "application/json", b'{"issuer": "x"}'), "does not accept"),
        ((500, "text/plain", b""), "Castle"),
        ((404, "text/plain", b""), "Castle"),
        ((200, "application/json", b'{"a": "' + b"x" * 2_000_000 + b'"}'), "Castle"),
    ],
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
def test_a_provider_that_is_broken_is_told_in_words(
    client: Client, idp: Provider, path: str, raw: tuple[int, str, bytes], said: str
) -> None:
    idp.raw[path] = raw
    if path.startswith("/.well"):
        assert said in refused(client, START)
    else:
        assert said in refused(client, go(client, idp))


def test_a_provider_that_is_away(client: Client, idp: Provider) -> None:
    idp.stop()
    assert "Castle could not be reached" in refused(client, START)
    assert client.get("/app/login").status_code == 200  # the other way is open


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token"])
def test_a_provider_that_is_slow_is_not_waited_for(
    client: Client, idp: Provider, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(provider, "CALL_SECONDS", 0.5)
    idp.slow[path] = 20
    there = START if path.startswith("/.well") else go(client, idp)
    assert "Castle did not answer within 0.5 s" in refused(client, there)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"issuer": ""},
        {"token_endpoint": "ftp://127.0.0.1/"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_discovery_document_that_lies(client: Client, idp: Provider, discovery: dict[str, Any]) -> None:
    idp.discovery = discovery
    assert "does not accept" in refused(client, START)


def test_it_cannot_send_us_to_an_address_inside(client: Client, idp: Provider) -> None:
    idp.discovery = {"jwks_uri": f"http://localhost:{urlsplit(idp.issuer).port}/realm/keys"}
    assert "private address" in refused(client, go(client, idp))
    assert "/keys" not in idp.asked


def test_a_wrong_client_secret_is_told_to_the_operator(
    client: Client, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "another")
    env.reread()
    assert "OIDC_CLIENT_SECRET" in refused(client, go(client, idp))


def test_the_client_secret_is_masked(idp: Provider) -> None:
    masking._known.cache_clear()
    assert SECRET not in masking.mask(f"told {SECRET} to all")
    masking._known.cache_clear()


# Who it is


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_only_a_confirmed_address_opens_an_account(client: Client, idp: Provider, verified: Any) -> None:
    idp.person["email_verified"] = verified
    assert "confirmed" in refused(client, go(client, idp))


def test_without_sign_up_strangers_stay_outside(client: Client, idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "oidc_sign_up", False)
    assert "is not linked yet" in refused(client, go(client, idp))


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@Example.com"])
def test_nobody_gets_an_account_by_its_address(client: Client, idp: Provider, alice: User, email: str) -> None:
    """Whoever runs the provider, or took an address over, would get every account that has it."""
    idp.person["email"] = email
    assert "There is an account with your e-mail address already" in refused(client, go(client, idp))
    assert not Identity.objects.exists()


@pytest.mark.parametrize("email", ["no address", "a@b\0c.example", "x" * 300 + "@example.com"])
def test_an_address_that_cannot_be_one(client: Client, idp: Provider, email: str) -> None:
    idp.person["email"] = email
    refused(client, go(client, idp))
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("called", "name"),
    [("alice", "alice-"), ("", "carol"), ("x", "x-"), ("<b>Zoé 1</b>", "bZo1b"), ("z" * 99, "z" * 32)],
)
def test_a_new_account_gets_a_free_and_plain_name(
    client: Client, idp: Provider, alice: User, called: str, name: str
) -> None:
    idp.person["preferred_username"] = called
    come_back(client, go(client, idp))
    found = who(client)
    assert found
    assert found.startswith(name)


def test_a_deactivated_account_stays_closed(client: Client, idp: Provider, alice: User) -> None:
    linked(alice, idp)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert "closed" in refused(client, go(client, idp))


def test_the_second_factor_of_sokoul_is_not_asked(client: Client, idp: Provider, alice: User) -> None:
    import pyotp

    begun = second_factor.begin(alice, PASSWORD)
    second_factor.confirm(alice, pyotp.TOTP(begun.secret).at(codes.time.time()))
    assert gate.enabled(alice.pk)
    linked(alice, idp)
    come_back(client, go(client, idp))
    assert who(client) == "alice"


# Linking


def link(browser: Client, idp: Provider, password: str = PASSWORD) -> Any:
    answer = browser.post("/app/profile/oidc/link", {"current_password": password})
    away = answer.context.get("away")
    return browser.get(path_of(idp.approve(away)), follow=True) if away else answer


def test_who_is_signed_in_links_and_unlinks(client: Client, idp: Provider, alice: User) -> None:
    client.force_login(alice)
    assert b"Sign in with Castle" in client.get("/app/profile").content
    assert b"This is not your current password" in link(client, idp, "wrong").content
    assert b"carol@example.com" in link(client, idp).content
    entry = AuditEntry.objects.get(action="oidc.linked")
    assert (entry.actor, entry.details) == ("alice", {"issuer": idp.issuer, "subject": idp.person["sub"]})
    assert Event.objects.get(user_id=alice.pk, type="notification").data["code"] == "oidc_linked"
    other = Client()
    come_back(other, go(other, idp))
    assert who(other) == "alice"
    client.post("/app/profile/oidc/unlink")
    assert not Identity.objects.exists()
    assert AuditEntry.objects.get(action="oidc.unlinked").actor == "alice"


def test_one_person_there_is_one_person_here(client: Client, idp: Provider, alice: User, bob: User) -> None:
    linked(alice, idp)
    client.force_login(bob)
    assert b"linked to an account here already" in link(client, idp).content
    assert Identity.objects.get().user_id == alice.pk


def test_the_only_way_in_is_not_unlinked(client: Client, idp: Provider) -> None:
    come_back(client, go(client, idp))
    assert b"only way into your account" in client.get("/app/profile/oidc").content
    answer = client.post("/app/profile/oidc/unlink", follow=True)
    assert b"Nothing else opens your account" in answer.content
    assert Identity.objects.exists()


def test_whoever_signed_in_meanwhile_is_not_linked(client: Client, idp: Provider, alice: User, bob: User) -> None:
    client.force_login(alice)
    away = client.post("/app/profile/oidc/link", {"current_password": PASSWORD}).context["away"]
    kept = client.session["oidc"]
    client.force_login(bob)
    session = client.session
    session["oidc"] = kept
    session.save()
    assert b"Somebody else is signed in" in client.get(path_of(idp.approve(away)), follow=True).content
    assert not Identity.objects.exists()


def test_linking_takes_a_post_with_a_csrf_token(idp: Provider, alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.get("/app/profile/oidc/link").status_code == 405
    assert browser.post("/app/profile/oidc/link", {"current_password": PASSWORD}).status_code == 403
    assert browser.post("/app/profile/oidc/unlink").status_code == 403
