"""What a release decides: how a side is doing, whether to go on, and where the way back leads."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, load_command_class

from sokoul import edge, release
from sokoul.edge import Note, Seen, Side, Sides
from sokoul.errors import PermanentError
from sokoul.release import Limit, Look, Verdict

# As HAProxy 2.6 says it, with the columns that are read.
COLUMNS = "pxname,svname,status,uweight,lbtot,econ,eresp,wretr,hrsp_5xx"
STAT = f"""# {COLUMNS},
edge,FRONTEND,OPEN,,,,,,0,
web,web,UP,90,100,0,0,0,1,
web,web2,DOWN 1/2,10,20,1,2,3,4,
web,BACKEND,UP,100,120,0,0,0,5,
sockets,web,UP,90,7,0,0,0,0,
sockets,web2,DOWN 1/2,10,5,0,0,0,6,
streams,web,UP,90,0,0,0,0,,
streams,web2,DOWN 1/2,10,0,0,0,0,,
"""
STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_fqdn srv_port
5 web 1 web 172.30.253.3 web 3000
5 web 2 web2 127.0.0.1 - 3002
"""


def sides(blue: int, green: int) -> Sides:
    return Sides(Seen(blue, True, "UP", 0, 0), Seen(green, True, "UP", 0, 0))


def look(requests: int, errors: int, *, up: bool = True) -> Look:
    return Look(Side.GREEN, 10, 1.0, 300.0, requests, errors, up)


def test_a_side_is_read_from_all_that_the_edge_counts_of_it() -> None:
    rows = edge.counted(STAT)
    assert edge.seen(rows, Side.BLUE, "http://web:3000") == Seen(90, True, "UP", 107, 1, "http://web:3000")
    assert edge.seen(rows, Side.GREEN) == Seen(10, False, "DOWN 1/2", 25, 16)
    with pytest.raises(KeyError, match="web2"):
        edge.seen({key: row for key, row in rows.items() if key[1] != "web2"}, Side.GREEN)


def test_where_a_side_is_comes_from_the_name_that_the_configuration_gives_it() -> None:
    assert edge.urls(STATE) == {"web": "http://web:3000", "web2": "http://127.0.0.1:3002"}


@pytest.mark.parametrize(
    ("blue", "green", "percent", "whole"),
    [(100, 0, 0, Side.BLUE), (90, 10, 10, None), (1, 1, 50, None), (0, 100, 100, Side.GREEN), (0, 0, 0, None)],
)
def test_shares_are_percent_whatever_the_weights_add_up_to(
    blue: int, green: int, percent: float, whole: Side | None
) -> None:
    found = sides(blue, green)
    assert found.percent(Side.GREEN) == percent
    assert found.whole is whole


def test_one_side_is_raised_everywhere_before_the_other_is_lowered_anywhere() -> None:
    there = edge.weighing(sides(100, 0), {Side.GREEN: 100, Side.BLUE: 0})
    back = edge.weighing(sides(10, 90), {Side.GREEN: 0, Side.BLUE: 100})
    everywhere = ("web", "sockets", "streams")
    assert there == [
        *(f"set server {backend}/web2 weight 100" for backend in everywhere),
        *(f"set server {backend}/web weight 0" for backend in everywhere),
    ]
    assert back == [
        *(f"set server {backend}/web weight 100" for backend in everywhere),
        *(f"set server {backend}/web2 weight 0" for backend in everywhere),
    ]


def test_what_happened_between_two_looks_is_their_difference_also_over_a_restart_of_the_edge() -> None:
    before = Seen(10, True, "UP", 100, 5)
    assert release.since(before, Seen(10, True, "UP", 130, 6)) == (30, 1)
    assert release.since(before, Seen(10, True, "UP", 20, 2)) == (20, 2)


@pytest.mark.parametrize(
    ("seen", "verdict", "at_last"),
    [
        (look(0, 0), Verdict.HOLD, Verdict.GO),
        (look(9, 9), Verdict.HOLD, Verdict.BACK),
        (look(10, 1), Verdict.BACK, Verdict.BACK),
        (look(100, 1), Verdict.GO, Verdict.GO),
        (look(100, 2), Verdict.BACK, Verdict.BACK),
        (look(0, 0, up=False), Verdict.BACK, Verdict.BACK),
    ],
)
def test_a_share_of_errors_above_the_limit_or_a_health_check_that_fails_sends_back(
    seen: Look, verdict: Verdict, at_last: Verdict
) -> None:
    assert release.judge(seen, Limit(errors=1, least=10)) is verdict
    assert release.judge_last(seen, Limit(errors=1, least=10)) is at_last


@pytest.mark.parametrize(
    ("percent", "steps"), [(0, [10, 50, 100]), (10, [10, 50, 100]), (33, [50, 100]), (50, [50, 100]), (100, [100])]
)
def test_a_canary_that_was_interrupted_goes_on_with_the_step_that_it_was_at(
    percent: float, steps: Sequence[int]
) -> None:
    assert release.remaining([10, 50, 100], percent) == steps


def test_the_way_back_is_away_from_the_release_however_often_it_is_asked_for() -> None:
    note = Note(Side.GREEN, datetime(2026, 1, 1, tzinfo=UTC))
    for found in (sides(0, 100), sides(90, 10), sides(50, 50), sides(10, 90), sides(100, 0)):
        assert release.way_back(found, note) is Side.BLUE
    for found in (sides(100, 0), sides(1, 1)):
        with pytest.raises(PermanentError, match="release switch"):
            release.way_back(found, None)


@pytest.mark.parametrize("steps", ["50,10", "0,100", "10,101", "10,10", "ten", ""])
def test_steps_are_percent_that_rise(steps: str) -> None:
    parser = load_command_class("sokoul", "release").create_parser("manage.py", "release")
    with pytest.raises(CommandError, match="percent from 1 to 100, rising"):
        parser.parse_args(["canary", "green", "--steps", steps])
