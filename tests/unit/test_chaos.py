"""The harness of `make chaos` itself: the same seed gives the same faults, the ledger forgets nothing, and every invariant
sees what violates it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import invariants, probes, recording, report, schedule, soak
from tests.chaos.evidence import Letter, Seen
from tests.chaos.faults import Inflicted
from tests.chaos.invariants import Case
from tests.chaos.ledger import Ledger, Operation, Outcome, read
from tests.chaos.sockets import Reader

EVERYTHING: set[schedule.Ability] = {"network", "hosts", "disks"}
ACKNOWLEDGED, REFUSED, UNKNOWN = Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.UNKNOWN


# --- the schedule -------------------------------------------------------------------------------------------------------


def ten_minutes(seed: int, able: set[schedule.Ability] = EVERYTHING) -> list[schedule.Fault]:
    return schedule.make(seed, 600, gap=7, lease=30, able=able)


def test_a_seed_is_a_schedule() -> None:
    assert ten_minutes(1) == ten_minutes(1)
    assert ten_minutes(1) != ten_minutes(2)


@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_hold_sixty_faults_of_every_kind_for_everybody(seed: int) -> None:
    faults = ten_minutes(seed)
    assert len(faults) >= 60
    assert {fault.kind for fault in faults} == set(schedule.LASTS)
    assert {*schedule.SERVERS, *schedule.PROGRAMS} <= {fault.target for fault in faults}
    assert all(fault.at >= 0 and fault.ends <= 600 for fault in faults)


def test_nobody_is_hit_again_while_a_fault_lasts() -> None:
    over: dict[str, float] = {}
    for fault in ten_minutes(1):
        assert fault.at >= over.get(fault.target, 0), fault
        over[fault.target] = fault.ends


def test_what_the_machine_does_not_allow_is_left_out_and_said() -> None:
    assert not {fault.kind for fault in ten_minutes(1, set())} & set(schedule.NEEDS) - {"latency"}
    assert "dns of providers" in schedule.left_out({"network", "disks"})
    assert schedule.left_out(EVERYTHING) == []


# --- the ledger ---------------------------------------------------------------------------------------------------------


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    first, second = ledger.begin("watch", "alice", "watch:alice:1", 3.0), ledger.begin("read", "alice")
    ledger.end(first, ACKNOWLEDGED, status=200, answer={"id": 1})
    ledger.end(second, REFUSED, status=401, fault="status 401")
    ledger.close()
    assert read((tmp_path / "ledger").read_text().splitlines()) == [first, second] == ledger.operations


def test_what_never_ended_is_unknown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.begin("watch", "alice", "watch:alice:1", 3.0)
    ledger.close()
    (operation,) = read((tmp_path / "ledger").read_text().splitlines())
    assert (operation.outcome, operation.ended) == (UNKNOWN, None)


# --- the invariants -----------------------------------------------------------------------------------------------------


def operation(kind: str, outcome: Outcome = ACKNOWLEDGED, began: float = 100, **more: Any) -> Operation:
    fields = {"who": "alice", "key": "", "value": None, "ended": began + 1, **more}
    return Operation(id=1, kind=kind, began=began, outcome=outcome, **fields)


def job(**more: Any) -> dict[str, Any]:
    return {
        "id": "j1", "worker": "scout", "kind": "search", "user_id": 1, "status": "Completed", "attempts": 1, "error": "",
        "lease": None, "published": True, "by_relay": False, "created_at": 100, "finished_at": 110, **more,
    }  # fmt: skip


def download(**more: Any) -> dict[str, Any]:
    return {
        "id": 7, "user_id": 1, "media_id": 3, "target": "", "phase": "seeding", "status": "Completed", "reason": "",
        "progress": 100.0, "peers": 0, "replacements": 0, "given_up": 0,
        "lapsed": False, "created_at": 100, "finished_at": 110, **more,
    }  # fmt: skip


def told(number: int, kind: str, data: dict[str, Any], user_id: int | None = 1) -> dict[str, Any]:
    return {"id": number, "user_id": user_id, "type": kind, "data": data}


def well() -> Case:
    """Alice liked and watched a title, searched it, downloaded it, was told of it, by a socket and in Telegram; one message
    was poison."""
    history = [
        operation("register", key="user:alice", value="alice", status=201),
        operation("favorite", key="favorite:alice:3", value=True),
        operation("watch", key="watch:alice:3", value=5.0),
        operation("search", key="job:j1"),
        operation("download", answer={"id": 7, "job_id": "j2"}),
        operation("broadcast", value="hello", key="hello"),
        operation("poison", key="message:gibberish", value="gibberish"),
        operation("poison", key="job:j3"),
    ]
    rows = {
        "users": [{"id": 1, "username": "alice"}, {"id": 2, "username": "bob"}],
        "favorites": [{"user_id": 1, "media_id": 3}],
        "watches": [{"user_id": 1, "media_id": 3, "position": 5.0}],
        "jobs": [job(), job(id="j2"), job(id="j3", user_id=None, status="Failed", error="No such kind.")],
        "downloads": [download()],
        "blocklist": [],
        "files": [{"download_id": 7, "index": 0, "path": "Movies/Up.mp4", "size": 6}],
        "events": [
            told(10, "job.updated", {"job_id": "j1", "status": "Completed"}),
            told(11, "job.updated", {"job_id": "j2", "status": "Completed"}),
            told(12, "notification", {"code": "download_completed", "download_id": 7}),
            told(13, "broadcast", {"text": "hello"}, None),
            told(14, "message", {"text": "for bob"}, 2),
        ],
        "links": [{"user_id": 1, "chat_id": 1000, "linked_at": 90}],
        "sendings": [{"event_id": 12, "user_id": 1, "sent": True}],
        "messages": [{"user_id": 1, "message_id": 55}],
    }
    seen = Seen(
        rows=rows,
        streams={"JOBS": {"messages": 0, "waiting": {"scout": 0}}, "DLQ": {"messages": 2, "waiting": {}}},
        letters=[Letter(1, "", "gibberish"), Letter(2, "j3", "{}")],
        library={"Movies/Up.mp4": (6, "abc")},
        seeded={"abc"},
        connections=[{"name": "sokoul-web", "state": "idle", "count": 9, "longest": 60.0}],
        processes={"web": {"descriptors": 60, "threads": 30, "memory": 1}},
        sent=[{"params": {"chat_id": "1000", "text": "“Up” is in your library."}, "result": {"message_id": 55}}],
    )
    reader = Reader("alice", "", str, start=9, end=13, told=[10, 11, 12, 13])
    return Case(history, [], seen, [reader], {"web": {"descriptors": 58, "threads": 30, "memory": 1}})


def test_all_is_well_where_nothing_is_wrong() -> None:
    assert invariants.check(well()) == {}
    assert invariants.telegram_repeats(well()) == 0


def change(table: str, **values: Any) -> Any:
    """A saboteur who changes the first row of a table."""
    return lambda case: case.seen.rows[table][0].update(values)


def remove(table: str) -> Any:
    return lambda case: case.seen.rows[table].pop(0)


def add(table: str, **row: Any) -> Any:
    return lambda case: case.seen.rows[table].append({**case.seen.rows[table][0], **row})


def history(*operations: Operation) -> Any:
    return lambda case: case.history.extend(operations)


def reader(**values: Any) -> Any:
    return lambda case: case.readers.append(dataclasses.replace(case.readers[0], **values))


def seen(**values: Any) -> Any:
    return lambda case: vars(case.seen).update(values)


REPLACED = told(15, "notification", {"code": "download_replaced", "download_id": 7})
BLOCKED = {"user_id": 1, "media_id": 3, "title": "Up.2009", "reason": "Gone.", "created_at": 105}
PLANTED: list[tuple[str, Any]] = [
    ("users_are_there", history(operation("register", value="carol"))),
    ("registers_hold", remove("favorites")),
    ("registers_hold", change("watches", position=4.0)),
    ("jobs_are_there", history(operation("search", key="job:lost"))),
    ("jobs_are_there", history(operation("download", answer={"id": 7, "job_id": "lost"}))),
    ("downloads_are_there", history(operation("download", answer={"id": 8, "job_id": "j2"}))),
    ("broadcasts_are_there", history(operation("broadcast", value="unheard"))),
    ("jobs_have_ended", change("jobs", status="Running")),
    ("failures_are_explained", add("jobs", id="j9", status="Failed", error="Why not?")),
    ("downloads_have_ended", change("downloads", status="Running", phase="downloading")),
    ("downloads_have_ended", change("downloads", status="Failed", phase="failed", reason="Disk full")),
    ("downloads_are_filed", remove("files")),
    ("downloads_are_filed", seen(library={})),
    ("downloads_are_filed", seen(library={"Movies/Up.mp4": (6, "other bytes")})),
    ("library_has_nothing_else", seen(library={"Movies/Up.mp4": (6, "abc"), "Movies/.Up.mp4.partial": (3, "def")})),
    ("library_has_nothing_else", seen(library={"Movies/Up.mp4": (6, "abc"), "Movies/Up (2).mp4": (6, "abc")})),
    ("told_once", lambda case: case.seen.rows["events"].append(told(15, "notification", {"code": "download_completed", "download_id": 7}))),
    ("told_once", lambda case: case.seen.rows["events"].pop(0)),
    ("given_up_once", change("downloads", given_up=1)),
    ("given_up_once", lambda case: case.seen.rows["events"].append(REPLACED)),
    ("given_up_once", lambda case: case.seen.rows["blocklist"].append(BLOCKED)),
    ("wishes_are_one", add("downloads", id=8)),
    ("dead_letters_are_the_poison", seen(letters=[Letter(1, "", "gibberish")])),
    ("dead_letters_are_the_poison", seen(letters=[Letter(n, "j3", "{}") for n in (2, 3)] + [Letter(1, "", "gibberish")])),
    ("dead_letters_are_the_poison", lambda case: case.seen.letters.append(Letter(3, "j1", "{}"))),
    ("notifications_reached_telegram", remove("sendings")),
    ("notifications_reached_telegram", change("sendings", sent=False)),
    ("notifications_reached_telegram", seen(sent=[])),
    ("streams_are_empty", seen(streams={"JOBS": {"messages": 1, "waiting": {}}})),
    ("streams_are_empty", seen(streams={"JOBS": {"messages": 0, "waiting": {"hunter": 2}}})),
    ("no_lease_is_left", change("jobs", lease="somebody's")),
    ("no_lease_is_left", change("downloads", lapsed=True)),
    ("no_lease_is_left", lambda case: case.seen.rows["jobs"][2].update(published=False)),
    ("audit_trail_is_whole", seen(audit="row 3 does not fit")),
    ("sockets_saw_everything", reader(told=[10, 12, 13])),
    ("sockets_saw_everything", reader(told=[10, 11, 12, 13, 14])),
    ("sockets_saw_everything", reader(told=[10, 11, 12, 13, 99])),
    ("sockets_saw_everything", reader(faults=["event 11 came after 12"])),
    ("answers_are_documented", history(operation("read", UNKNOWN, status=500, fault="status 500: a traceback"))),
    ("answers_are_documented", history(operation("read", UNKNOWN, fault="no answer: ReadError"))),
    ("nobody_waits_too_long", history(operation("read", UNKNOWN, ended=137.0))),
    ("sessions_survive", history(operation("login"), operation("refresh", REFUSED, status=401))),
    ("connections_are_bounded", seen(connections=[{"name": "sokoul-web", "state": "idle", "count": 40, "longest": 60.0}])),
    ("connections_are_bounded", seen(connections=[{"name": "sokoul-web", "state": "idle in transaction", "count": 1, "longest": 60.0}])),
    ("processes_hold_no_more", seen(processes={"web": {"descriptors": 158, "threads": 30, "memory": 1}})),
    ("processes_hold_no_more", seen(processes={"web": {"descriptors": 58, "threads": 60, "memory": 1}})),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sabotage"), PLANTED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(PLANTED)])
def test_an_invariant_sees_what_violates_it(name: str, sabotage: Any) -> None:
    case = well()
    sabotage(case)
    assert name in invariants.check(case)


def test_every_invariant_was_seen_violated() -> None:
    assert {name for name, _ in PLANTED} == set(invariants.ALL)
    assert {*invariants.LOSSES, *invariants.DUPLICATES, *invariants.STRANDED} <= set(invariants.ALL)


def test_a_token_whose_use_got_no_answer_may_be_used_up() -> None:
    case = well()
    case.history += [operation("refresh", UNKNOWN), operation("refresh", REFUSED, status=401)]
    assert "sessions_survive" not in invariants.check(case)


def test_what_got_no_answer_may_have_been_done_or_not() -> None:
    case = well()
    case.history.append(operation("watch", UNKNOWN, began=200, key="watch:alice:3", value=6.0))
    for position in (5.0, 6.0):
        case.seen.rows["watches"][0]["position"] = position
        assert "registers_hold" not in invariants.check(case)
    case.history.append(operation("watch", began=300, key="watch:alice:3", value=7.0))
    assert "registers_hold" in invariants.check(case), "what was acknowledged later has replaced it"


def test_a_fault_of_that_time_explains_a_failure_and_a_silence() -> None:
    case = well()
    case.seen.rows["downloads"][0].update(status="Failed", phase="failed", reason="Disk full")
    case.seen.rows["events"][2]["data"]["code"] = "download_failed"
    case.history.append(operation("read", UNKNOWN, fault="no answer: ReadError"))
    assert {"downloads_have_ended", "answers_are_documented"} <= set(invariants.check(case))
    case.inflicted += [Inflicted(1, "disk", "downloads", 101, 108), Inflicted(2, "kill", "web", 99, 99)]
    assert not {"downloads_have_ended", "answers_are_documented"} & set(invariants.check(case))


def test_a_release_may_be_given_up_while_the_world_outside_was_broken() -> None:
    case = well()
    case.seen.rows["blocklist"].append(BLOCKED)
    case.seen.rows["downloads"][0].update(given_up=1, replacements=1)
    case.seen.rows["events"].append(REPLACED)
    assert set(invariants.check(case)) & {"given_up_once"}
    case.inflicted.append(Inflicted(1, "partition", "providers", 101, 108))
    assert not set(invariants.check(case)) & {"given_up_once"}


# --- times and tables ---------------------------------------------------------------------------------------------------


def test_the_longest_gap_counts_from_the_beginning_to_the_end() -> None:
    assert probes.longest_gap([3, 4, 9], 0, 10) == 5
    assert probes.longest_gap([], 0, 10) == 10


def test_recovery_counts_from_the_moment_that_the_server_is_back() -> None:
    assert probes.recoveries([1, 2, 8, 9], [2, 3, 8.5, 9], outage=1.5) == [(8, 0.5)]


def test_a_run_is_added_to_the_page(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text("\n".join(["# Reliability", *recording.mark("runs"), *recording.mark("soak"), "The end.\n"]))
    found = report.Report(1, 10, 2.0, [], well(), report.Times({"web": 4.2}, 12.3, 0.5, 0.7), {"told_once": ["twice"]})
    for run in (found, found, dataclasses.replace(found, seed=2)):
        recording.add(run, page)
    recording.keep_soak("a table", page)
    text = page.read_text()
    rows = [line.split() for line in text.splitlines() if line.startswith("| 2")]
    assert [row[3] for row in rows] == ["1", "2"], "the same seed again takes the place of its row"
    assert all("12.3" in row for row in rows)
    assert "a table" in text
    assert text.endswith("The end.\n")
    assert "Duplicated effects: 1" in report.text(found)


# --- the soak -----------------------------------------------------------------------------------------------------------


def samples(*values: float, what: str = "memory") -> list[soak.Sample]:
    return [soak.Sample(5.0 * number, "web", what, value) for number, value in enumerate(values)]


def test_growth_counts_after_the_warm_up() -> None:
    (growth,) = soak.growths(samples(10, 50, *[100] * 8))
    assert (growth.first, growth.last, growth.holds) == (100, 100, True)
    (growth,) = soak.growths(samples(*range(100, 200)))
    assert not growth.holds
    assert growth.percent > 50


def test_a_few_descriptors_more_are_no_growth_but_a_leak_is() -> None:
    assert soak.growths(samples(*[20] * 50, *[22] * 50, what="descriptors"))[0].holds
    assert not soak.growths(samples(*[20] * 50, *[30] * 50, what="descriptors"))[0].holds
    assert not soak.growths(samples(*[20] * 50, *[22] * 50, what="memory"))[0].holds
