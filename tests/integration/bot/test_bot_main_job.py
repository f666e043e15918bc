"""The main job by chat only, on the whole product; and the bot's process when things end."""

import signal
import time

import pytest

from sokoul.demo import keys
from tests.audited import assert_audited
from tests.integration.bot.chat import Chat, french
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.stack]
ALICE, BOB = 1001, 1002


def linked(product: Product, name: str, telegram_id: int, language: str = "en") -> Chat:
    """A new account, linked as people do: the link from the web, /start in the chat, confirmed on the web."""
    account = {"email": f"{name}@example.com", "username": name, "password": "long enough"}
    token = product.http.post("/auth/register", json=account).json()["access"]
    headers = {"Authorization": f"Bearer {token}"}

    def offered() -> str:
        return str(product.http.post("/user/telegram/link", headers=headers).json().get("url", ""))

    code = until(offered, 30, "the bot being known").partition("start=")[2]
    chat = Chat(product.demo, telegram_id, first_name=name, language_code=language)
    chat.ask(f"/start {code}", 20)
    assert product.http.get("/user/telegram", headers=headers).json()["state"] == "asked"
    assert product.http.post("/user/telegram/confirm", headers=headers).status_code == 204
    until(lambda: name in chat.messages()[-1]["text"], 30, "a word of being linked")
    return chat


def signed_in(product: Product, name: str) -> dict[str, str]:
    answer = product.http.post("/auth/login", json={"username": name, "password": "long enough"})
    return {"Authorization": f"Bearer {answer.json()['access']}"}


def tries(product: Product) -> int:
    return sum(row["path"] == "sendMessage" for row in product.demo.requests("telegram"))


def test_search_choose_download_and_hear_of_it_by_chat_only(product: Product) -> None:
    product.start()
    alice, bob = linked(product, "alice", ALICE), linked(product, "bob", BOB)
    found = alice.ask("/search last night tram")
    alice.press(found, "1. The Last Night Tram (2015)")
    alice.wait(found, "film · ")
    alice.press(found, "Find releases")
    ranked = alice.wait(found, "the best releases first", 30)
    assert "points" in ranked["text"]
    assert "(+" in ranked["text"], "the reasons"
    assert "filmed in a cinema" in ranked["text"], "why others are refused"
    chosen = ranked["text"].partition("\n2. ")[2].partition("\n")[0]
    alice.press(found, "2")
    alice.wait(found, chosen)
    ended = alice.wait(found, "In your library", 60)
    assert chosen in ended["text"]
    assert_audited("alice")
    until(
        lambda: "“The Last Night Tram” is in your library." in [m["text"] for m in alice.messages()], 20, "a word of it"
    )

    headers = signed_in(product, "alice")
    (row,) = product.http.get("/downloads", headers=headers).json()["results"]
    assert (row["name"].removesuffix(".mkv"), row["status"]) == (chosen, "Completed")
    (file,) = product.http.get("/library", headers=headers).json()["results"]
    assert (product.library / file["path"]).is_file()
    assert "In your library" in alice.ask("/downloads")["text"]
    assert "Search for releases: completed" in alice.ask("/status")["text"]
    assert "You have no downloads" in bob.ask("/downloads")["text"]
    assert not any("Tram" in message["text"] for message in bob.messages())
    secret = keys.TELEGRAM_TOKEN
    assert all(secret not in product.log(name) for name in ("web", "scout", "hunter", "bot", "relay"))


def test_the_best_is_chosen_downloaded_and_told_across_the_death_of_a_bot(product: Product) -> None:
    product.demo.set_rate(400_000)
    product.start("web", "scout", "hunter", "relay", "bot", "bot-2")
    alice = linked(product, "alice", ALICE, language="fr")
    found = alice.ask("/search last night tram")
    alice.press(found, "1.")
    alice.wait(found, "film · ")
    alice.press(found, french("Download the best"))
    until(lambda: "%" in alice.message(found["id"])["text"], 30, "progress")
    leads = "bot" if "this bot talks with Telegram" in product.log("bot") else "bot-2"
    product.kill(leads)
    before = alice.count()
    until(lambda: alice.calls(before), 30, "the other bot going on with the same message")
    product.demo.set_rate(0)
    until(
        lambda: not alice.message(found["id"])["keys"] and "%" not in alice.message(found["id"])["text"], 60, "the end"
    )
    assert alice.ask("/status")


def test_sigterm_ends_a_bot_whose_telegram_is_frozen_within_seconds(product: Product) -> None:
    product.start("web", "relay", "bot")
    alice = linked(product, "alice", ALICE)
    product.demo.misbehave("telegram", "hang")
    known = tries(product)
    alice.type("/status")
    until(lambda: tries(product) > known, 30, "an answer that hangs")
    begun = time.monotonic()
    assert product.stop("bot") == 0, product.log("bot")[-1500:]
    assert time.monotonic() - begun < 12
    product.demo.behave()
    product.start("bot")
    until(lambda: "You have no jobs" in alice.messages()[-1]["text"], 60, "the answer, by the next bot")


def test_a_bot_with_a_bad_token_lives_and_the_notifier_works(product: Product) -> None:
    product.start("web", "relay", "bot", TELEGRAM_BOT_TOKEN="123456789:not-the-token-at-all")
    until(lambda: "does not know the bot's token" in product.log("bot"), 30, "a warning")
    assert "not-the-token-at-all" not in product.log("bot")
    answer = product.http.post(
        "/auth/register", json={"email": "a@example.com", "username": "alice", "password": "long enough"}
    )
    headers = {"Authorization": f"Bearer {answer.json()['access']}"}
    link = product.http.post("/user/telegram/link", headers=headers)
    assert (link.status_code, link.headers["Retry-After"]) == (503, "30")
    assert product.processes["bot"].poll() is None
    product.signal("bot", signal.SIGTERM)
    assert product.processes["bot"].wait(15) == 0
