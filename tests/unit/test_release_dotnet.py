"""Regular expressions of .NET, searched for by Python. What .NET does is told by its documentation."""

import logging
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.downloads.releases.dotnet import MAX_LENGTH, REASONS, Pattern, Untranslatable, translate


def found(pattern: str, text: str) -> bool | None:
    return Pattern(pattern).found(text)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        # Case is ignored, as the *arrs ask .NET to.
        (r"lamp", "The.LAMP", "The.Lam"),
        (r"[a-c]x", "BX", "DX"),
        (r"é", "É", "E"),
        (r"straße", "STRAßE", "STRASSE"),
        # Options: for the rest of the group, over its choices, and only there.
        (r"(?-i)Lamp", "Lamp", "lamp"),
        (r"a(?-i)B|C", "AB", "c"),
        (r"a(?-i)B|C", "xC", "ab"),
        (r"(a(?-i)B)c", "ABC", "AbC"),
        (r"(?-i:LA)mp", "LAMP", "laMP"),
        (r"(?s)a.b", "a\nb", "ab"),
        (r"(?s-s)a.b", "a-b", "a\nb"),
        (r"(?m)^b$", "a\nb\nc", "a\nbb\nc"),
        (r"(?x) a b # both of them", "AB", "a b"),
        (r"(?x)a [ ] \  b + c", "a  bbc", "abc"),
        (r"(?x: a (?#ho hum) b) c", "ab c", "abc"),
        (r"(?n)(a)(?<one>b)\k<one>", "abb", "aba"),
        (r"(?I)lamp", "LAMP", "lam"),
        # Anchors.
        (r"^a$", "a\n", "a\n\n"),
        (r"a\Z", "a\n", "a\n\n"),
        (r"a\z", "xa", "a\n"),
        (r"\Ab", "b", "a\nb"),
        (r"\Gb", "ba", "ab"),
        (r"\bdv\b", "x.DV.y", "x.DVD.y"),
        (r"\bdv\b", "x-dv", "x_dv_"),
        (r"a\Bb", "ab", "a.b"),
        # What escapes stand for.
        (r"^\d$", "٣", "²"),
        (r"^\w$", "é", "Ⅷ"),
        (r"^\w$", "_", "-"),
        (r"^\W$", "Ⅷ", "a"),
        (r"^\s$", "\u2003", "\u200b"),
        (r"^\D\S$", "a.", "1."),
        (r"^\x41\u0042\103\t\e\cA$", "ABC\t\x1b\x01", "ABC"),
        (r"^\.\+\(\)\[\]\{\}\|\\\-\ \#$", ".+()[]{}|\\- #", "."),
        (r"a{,2}", "xa{,2}", "aa"),
        (r"a{b}", "A{B}", "ab"),
        (r"a{e<=1}", "a{e<=1}", "a"),
        (r"x]y}", "x]y}", "xy"),
        # Unicode classes: a category keeps to its own case even where case is ignored.
        (r"^\p{L}+$", "Ж", "5"),
        (r"^\P{L}$", "5", "Ж"),
        (r"^\p{Lu}$", "A", "a"),
        (r"^[\p{Lu}\d]$", "A", "a"),
        (r"^[^\p{Lu}\d]$", "a", "A"),
        (r"\p{IsCyrillic}", "Ж", "Z"),
        (r"\p{IsGreek}", "ω", "w"),
        # Classes.
        (r"^[]a]$", "]", "b"),
        (r"^[^]a]$", "b", "]"),
        (r"^[a\-z]$", "-", "b"),
        (r"^[a-]$", "-", "b"),
        (r"^[-a]$", "-", "b"),
        (r"^[\d-x]$", "-", "y"),
        (r"^[.[\]^$]$", "[", "a"),
        (r"^[\w.]$", "é", "-"),
        (r"^[\W_]$", "_", "a"),
        (r"^[^\W_]$", "a", "_"),
        (r"^[\b]$", "\b", "b"),
        (r"^[a-z-[aeiou]]$", "b", "e"),
        (r"^[a-z-[aeiou]]$", "B", "E"),
        (r"^[a-z-[d-w-[m]]]$", "m", "n"),
        (r"^[^a-f-[xyz]]$", "g", "x"),
        (r"^[a-[b]]$", "a", "b"),
        (r"^[\w-[\d_]]+$", "abc", "ab1"),
        # Groups and references: those without a name are counted first.
        (r"^(a|b)\1$", "aa", "ab"),
        (r"^(?<x>a)(b)\1$", "abb", "aba"),
        (r"^(?<x>a)(b)\2$", "aba", "abb"),
        (r"^(?'x'a|b)\k'x'$", "bb", "ab"),
        (r"^(?<3>a)\3$", "aa", "a3"),
        (r"^(?<x>a)(?<x>b)\k<x>$", "abb", "aba"),
        (r"^(a)\11$", "a\t", "aa1"),
        (r"^(?<x>a)?(?(x)b|c)$", "ab", "ac"),
        (r"^(a)?(?(1)b|c)$", "c", "b"),
        (r"(?<=web.{0,3})dl", "WEB-DL", "web....dl"),
        (r"(?<!ger(man)?\.)dl", "xdl", "German.DL"),
        (r"a(?=b)", "ab", "ac"),
        (r"a(?!b)", "ac", "ab"),
        (r"^(?>a+|ab)c$", "aac", "abc"),
        (r"^(?>a|ab)c$", "ac", "abc"),
        (r"a(?#not b)c", "ac", "abc"),
        # Repeats.
        (r"^a{2}$", "aa", "aaa"),
        (r"^a{2,}$", "aaaa", "a"),
        (r"^a{1,2}?$", "aa", "aaa"),
        (r"^a+?b??$", "aab", "b"),
        (r"^(ab?)*$", "aba", "abb"),
    ],
)
def test_means_what_it_means_to_dotnet(pattern: str, yes: str, no: str) -> None:
    assert found(pattern, yes) is True
    assert found(pattern, no) is False


@pytest.mark.parametrize(
    ("pattern", "code", "position"),
    [
        (r"(?<a>x)(?<b-a>y)", "balancing_group", 7),
        (r"(?<-a>y)", "balancing_group", 0),
        (r"a(?r)b", "right_to_left", 1),
        (r"(?r:b)", "right_to_left", 2),
        (r"(?(?=a)b|c)", "conditional", 0),
        (r"(?(a)b|c)", "conditional", 0),
        (r"(?P<a>b)", "unknown_group", 0),
        (r"(?|a|b)", "unknown_group", 0),
        (r"(?<1a>b)", "unknown_group", 0),
        (r"(?q)b", "unknown_flag", 0),
        (r"[[:alpha:]]", "posix_class", 1),
        (r"(a)\2", "undefined_reference", 3),
        (r"\k<a>", "undefined_reference", 0),
        (r"\ka", "unterminated_escape", 0),
        (r"\p{Latin}", "unknown_category", 0),
        (r"\p{IsNowhere}", "unknown_category", 0),
        (r"\pL", "unterminated_escape", 0),
        (r"a\R", "unknown_escape", 1),
        (r"\_", "unknown_escape", 0),
        (r"\x4", "unterminated_escape", 0),
        ("a\\", "unterminated_escape", 1),
        (r"(a", "unterminated_group", 0),
        (r"a)", "unopened_group", 1),
        (r"a[b", "unterminated_class", 1),
        (r"a|*", "nothing_to_repeat", 2),
        (r"(?i)+", "nothing_to_repeat", 4),
        (r"({2})", "nothing_to_repeat", 1),
        (r"a**", "nested_repeat", 2),
        (r"a++", "nested_repeat", 2),
        (r"a{2}{3}", "nested_repeat", 4),
        (r"[z-a]", "bad_range", 3),
        (r"[a-\d]", "bad_range", 3),
        (r"a{3,2}", "bad_count", 1),
        (r"a{99999}", "bad_count", 1),
        (r"[a-z-[b]c]", "subtraction_not_last", 8),
        ("(" * 60 + ")" * 60, "too_deep", 50),
        ("a" * (MAX_LENGTH + 1), "too_long", MAX_LENGTH),
    ],
)
def test_is_refused_with_the_reason_and_the_place(pattern: str, code: str, position: int) -> None:
    with pytest.raises(Untranslatable) as refusal:
        Pattern(pattern)
    assert (refusal.value.code, refusal.value.position) == (code, position)
    assert str(REASONS[code]) in str(refusal.value)
    assert f"at character {position + 1}" in str(refusal.value)


def test_a_pattern_that_takes_too_long_is_given_up_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    pattern = Pattern(r"(?:x+x+)+y")
    began = time.process_time()
    with caplog.at_level(logging.WARNING):
        assert [pattern.found("x" * 200) for _ in range(50)] == [None] * 50
    assert time.process_time() - began < 1
    assert [record.args for record in caplog.records] == [(r"(?:x+x+)+y",)]


def test_a_pattern_gone_astray_stops_nothing_else() -> None:
    assert Pattern(r"(?:x+x+)+y").found("x" * 200) is None
    assert found(r"(?:x+x+)+y", "xxxy") is True


def test_one_odd_name_switches_no_pattern_off(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Pattern(r"(?:x+x+)+y")
    assert [pattern.found("x" * 200), pattern.found("xxxy")] == [None, True]
    for _ in range(4):
        pattern.found("x" * 200)
    assert pattern.found("xxxy") is None, "it rests"
    monkeypatch.setattr(time, "monotonic", lambda: pattern._rests_until)
    assert pattern.found("xxxy") is True


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        (r"\b(Lamp)\b", 1),
        (r"DD[P+]?[ .]?5", 4),
        (r"(a|b|c)(d|e)", 6),
        (r"(a|b){0,2}", 7),
        (r"\d{3,4}", 2),
        (r"a+b", 1024),
    ],
)
def test_how_many_ways_a_pattern_can_be_tried(pattern: str, ways: int) -> None:
    assert translate(pattern)[1] == ways


@pytest.mark.parametrize("pattern", [r"(a+)+", r"a*b*", r"(a|a)" * 30, r"(\w+\.){0,3}x"])
def test_what_may_go_astray_is_searched_against_the_clock(pattern: str) -> None:
    assert translate(pattern)[1] > 2_000


PIECES = (
    "a", "B", "(", "(?:", "(?=", "(?<=", "(?<!", "(?>", "(?<n>", "(?i)", "(?-i)", "(?x)", "(?s:", ")", "[", "[^", "]", "-",
    "-[", "|", "*", "+", "?", "{2}", "{1,3}", "{,2}", "{", r"\w", r"\W", r"\b", r"\1", r"\k<n>", r"\p{Lu}", r"\Z", ".", "^", "$",
    " ", "#", "(?#c)", "(?(n)", "&&", "||", "é", "\\", "[:",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_pattern_is_taken_or_refused(pattern: str) -> None:
    try:
        taken = Pattern(pattern)
    except Untranslatable:
        return
    assert taken.found("aB-\n [é] &&") in {True, False, None}
