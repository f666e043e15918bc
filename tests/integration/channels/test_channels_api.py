"""REST of channels and preferences: what may be added, by whom, what is shown again, and what a stranger gets."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.accounts import services as accounts
from apps.accounts.channels import apprise, carrying, mail, preferences
from apps.accounts.channels import services as channels
from apps.accounts.channels.models import Channel, Kind, Preference
from apps.accounts.models import AuditEntry, User
from apps.jobs.models import Job
from sokoul.env import ENV
from tests.cast import Api
from tests.factories import PASSWORD
from tests.integration.channels.conftest import done, make
from tests.notifier import Mailbox, Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
Clients = Callable[[User | None], Api]
DISCORD = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
REST = [
    ("get", "/user/channels"),
    ("post", "/user/channels"),
    ("delete", "/user/channels/1"),
    ("post", "/user/channels/1/test"),
    ("post", "/user/channels/1/confirm"),
    ("get", "/user/preferences"),
    ("put", "/user/preferences"),
]


@pytest.mark.parametrize(("method", "path"), REST)
def test_a_stranger_gets_nothing(api: Clients, method: str, path: str) -> None:
    body = None if method == "get" else {}
    assert api(None).request(method, path, body).status_code == 401


def test_somebody_else_s_channel_is_not_mine(api: Clients, alice: User, mallory: User) -> None:
    hers = make(alice, Kind.WEBHOOK, target="https://example.com/hook", secret="s")
    for number, status in ((hers.pk, 403), (10**9, 404)):
        where = f"/user/channels/{number}"
        assert api(mallory).delete(where).status_code == status
        assert api(mallory).post(f"{where}/test").status_code == status
        assert api(mallory).post(f"{where}/confirm", {"code": mail.code_for(hers)}).status_code == status
    assert api(mallory).get("/user/channels").json()["total"] == 0
    assert Channel.objects.get() == hers
    assert not Job.objects.exists()


def test_a_webhook_shows_its_secret_once(api: Clients, receiver: Receiver, alice: User) -> None:
    added = api(alice).post("/user/channels", {"kind": "webhook", "target": receiver.url})
    assert added.status_code == 201
    assert len(added.json()["secret"]) >= 43
    assert added.json()["secret"] == Channel.objects.get().secret
    listed = api(alice).get("/user/channels").json()
    (row,) = listed["results"]
    assert "secret" not in row
    assert row["where"] == f"http://{receiver.host}/…"
    assert (row["kind"], row["confirmed"], row["off"], row["error"]) == ("webhook", True, False, "")
    assert api(alice).post("/user/channels", {"kind": "webhook", "target": receiver.url}).status_code == 409
    assert api(alice).delete(f"/user/channels/{row['id']}").status_code == 204
    entries = AuditEntry.objects.order_by("id")
    assert [(entry.action, entry.actor, entry.details["where"]) for entry in entries] == [
        (action, "alice", f"http://{receiver.host}/…") for action in ("channel.added", "channel.removed")
    ]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"kind": "webhook", "target": "http://127.0.0.1:9696/hook"}, 400, "private network"),
        ({"kind": "webhook", "target": "http://[::1]/"}, 400, "private network"),
        ({"kind": "webhook", "target": "http://169.254.169.254/latest"}, 400, "private network"),
        ({"kind": "webhook", "target": "ftp://example.com/"}, 400, "no usable http or https address"),
        ({"kind": "webhook", "target": "not an address"}, 400, "no usable http or https address"),
        ({"kind": "webhook", "target": "http://nowhere.invalid/"}, 400, "no host of this name"),
        ({"kind": "webhook", "target": "https://example.com/" + "x" * 500}, 400, "target"),
        ({"kind": "webhook", "target": "http://a\0b/"}, 400, ""),
        ({"kind": "webhook"}, 400, "Say where it goes"),
        ({"kind": "email", "target": "victim@example.com"}, 400, "address of your account"),
        ({"kind": "telegram"}, 400, ""),
        ({"kind": "apprise", "target": "dbus://"}, 400, "no Apprise URL that Sokoul knows"),
        ({"kind": "apprise", "target": "syslog://"}, 400, "no Apprise URL that Sokoul knows"),
        ({"kind": "apprise", "target": "https://discord.com/api/webhooks/1/2"}, 400, "no Apprise URL"),
        ({"kind": "apprise", "target": "json://127.0.0.1:9696/"}, 403, "Only admins"),
        ({"kind": "apprise", "target": "mailto://u:p@example.com"}, 403, "Only admins"),
        ({"kind": "apprise", "target": DISCORD + "?template=/etc/passwd"}, 400, "Leave out"),
        ({"kind": "apprise", "target": "http://[::1"}, 400, "no Apprise URL"),
        ({"kind": "apprise", "target": DISCORD, "more": 1}, 400, "not known"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], status: int, says: str
) -> None:
    monkeypatch.setattr(ENV, "prowlarr_url", "http://127.0.0.1:9696")  # the operator's hosts are nobody else's
    answer = api(alice).post("/user/channels", body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert not Channel.objects.exists()


def test_an_apprise_url_is_a_secret(api: Clients, alice: User) -> None:
    answer = api(alice).post("/user/channels", {"kind": "apprise", "target": DISCORD})
    assert (answer.status_code, answer.json()["where"]) == (201, "discord://…")
    assert "JHMHI8qBe7bk2ZwO5U711o3dV_js" not in str(answer.json()) + str(AuditEntry.objects.values())


def test_admins_may_add_services_of_their_own(api: Clients, admin: User) -> None:
    assert api(admin).post("/user/channels", {"kind": "apprise", "target": "ntfy://10.0.0.5/sokoul"}).status_code == 201
    assert api(admin).post("/user/channels", {"kind": "apprise", "target": "syslog://"}).status_code == 400


def test_nobody_has_more_than_ten(api: Clients, alice: User) -> None:
    for number in range(channels.MOST):
        make(alice, Kind.WEBHOOK, target=f"https://example.com/{number}", secret="s")
    make(alice, Kind.TELEGRAM)
    answer = api(alice).post("/user/channels", {"kind": "apprise", "target": DISCORD})
    assert answer.status_code == 409
    assert "which is the most" in answer.json()["detail"]


def test_mail_goes_only_to_who_confirms_it(notifier: None, mailbox: Mailbox, api: Clients, alice: User) -> None:
    added = api(alice).post("/user/channels", {"kind": "email"}).json()
    assert (added["where"], added["confirmed"]) == (alice.email, False)
    assert api(alice).post("/user/channels", {"kind": "email"}).status_code == 409
    assert api(alice).post(f"/user/channels/{added['id']}/test").status_code == 409
    done("confirm")
    (letter,) = mailbox.mails
    assert letter["To"] == alice.email
    link = re.search(r"http\S+", str(letter.get_content()))
    assert link is not None
    code = link[0].partition("code=")[2]
    confirm = f"/user/channels/{added['id']}/confirm"
    for wrong in ("nonsense", code[:-1] + ("a" if code[-1] != "a" else "b"), mail.code_for(Channel(pk=10**6))):
        assert api(alice).post(confirm, {"code": wrong}).status_code == 400
    assert api(alice).post(confirm, {"code": code}).json()["confirmed"] is True
    assert api(alice).post(confirm, {"code": code}).status_code == 200, "twice is fine"
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["channel.added", "channel.confirmed"]
    assert code not in str(Job.objects.values())


def test_a_code_is_good_for_a_day(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = make(alice, Kind.EMAIL, target=alice.email)
    code = mail.code_for(channel)
    assert mail.is_code_for(channel, code)
    monkeypatch.setattr(mail, "VALID", -1)
    assert not mail.is_code_for(channel, code)


def test_another_address_has_to_be_confirmed_anew(alice: User) -> None:
    make(alice, Kind.EMAIL, target=alice.email)
    hook = make(alice, Kind.WEBHOOK, target="https://example.com/", secret="s")
    accounts.change_profile(alice, {"email": "new@example.com", "current_password": PASSWORD})
    assert Channel.objects.get() == hook


def test_nobody_is_rung_again_and_again(api: Clients, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding and removing makes no difference: the audit trail counts."""
    monkeypatch.setattr(channels, "HOURLY", 3)
    for _ in range(3):
        added = api(alice).post("/user/channels", {"kind": "email"})
        assert added.status_code == 201
        assert api(alice).delete(f"/user/channels/{added.json()['id']}").status_code == 204
    assert api(alice).post("/user/channels", {"kind": "email"}).status_code == 429
    hook = make(alice, Kind.WEBHOOK, target="https://example.com/", secret="s")
    assert api(alice).post(f"/user/channels/{hook.pk}/test").status_code == 429


def test_the_test_says_whether_it_works_and_ends_being_switched_off(
    notifier: None, receiver: Receiver, api: Clients, alice: User, hook_of: Callable[[User], Channel]
) -> None:
    channel = hook_of(alice)
    receiver.status = 500
    Channel.objects.filter(pk=channel.pk).update(off_at=channel.created_at)

    def tried() -> Any:
        answer = api(alice).post(f"/user/channels/{channel.pk}/test")
        assert answer.status_code == 202
        done("test")
        job = api(alice).get(answer.json()["status_url"]).json()
        assert job["status"] == "Completed"
        return job["result"]

    assert tried() == {"works": False, "error": "The webhook answered 500."}
    assert api(alice).get("/user/channels").json()["results"][0]["off"] is True
    receiver.status = 200
    assert tried() == {"works": True, "error": ""}
    row = api(alice).get("/user/channels").json()["results"][0]
    assert (row["off"], row["error"]) == (False, "")
    assert row["worked_at"]
    assert receiver.told()[-1]["code"] == "test"


def test_preferences_are_kept_whole(api: Clients, alice: User, bob: User) -> None:
    nothing = api(alice).get("/user/preferences").json()
    assert nothing["muted"] == []
    assert {"download_completed", "download_failed", "job_failed", "channel_off"} <= {
        event["code"] for event in nothing["events"]
    }
    muted = [{"kind": "email", "code": "download_failed"}, {"kind": "telegram", "code": "download_completed"}]
    assert api(alice).put("/user/preferences", {"muted": muted + muted[:1]}).json()["muted"] == muted
    assert api(alice).get("/user/preferences").json()["muted"] == muted
    assert api(bob).get("/user/preferences").json()["muted"] == []
    assert api(alice).put("/user/preferences", {"muted": muted[:1]}).json()["muted"] == muted[:1]
    assert [entry.action for entry in AuditEntry.objects.all()] == ["preferences.changed"] * 2
    for wrong in ({}, {"muted": "all"}, {"muted": [{"kind": "email", "code": "x"}]}, {"muted": [{"kind": "pigeon"}]}):
        assert api(alice).put("/user/preferences", wrong).status_code == 400
    assert Preference.objects.count() == 1


def test_what_is_offered_is_said_in_the_reader_s_language(api: Clients, alice: User) -> None:
    french = api(alice).get("/user/preferences", headers={"Accept-Language": "fr"}).json()["events"]
    assert {"code": "download_failed", "about": "Un téléchargement a échoué"} in french


def test_ordinary_people_s_services_have_addresses_that_no_url_can_change() -> None:
    from apprise.manager_plugins import NotificationManager

    plugins = NotificationManager()
    plugins.load_modules()
    for scheme in apprise.HOSTED:
        fields = {field for template in plugins[scheme].templates for field in re.findall(r"{(\w+)}", template)}
        assert not fields & {"host", "hostname", "port", "path", "organization", "domain"}, scheme
    for scheme in apprise.ANYWHERE:
        plugin = plugins[scheme]
        assert "template" not in plugin.template_args, f"{scheme} would read files"


def test_every_code_can_be_chosen() -> None:
    """Whatever the sources notify of, people can leave out."""
    found, code_at = set(), {"push.notify": 1, "alarms.tell_admins": 0}
    for file in Path(carrying.__file__).parents[2].rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and file.name != "alarms.py" and (name := ast.unparse(node.func)) in code_at:
                code = node.args[code_at[name]]
                assert isinstance(code, ast.Constant), "a code is a literal"
                found.add(code.value)
    assert found == set(preferences.codes())
