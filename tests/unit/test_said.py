"""A sentence that is known in every language."""

from django.utils.translation import gettext as _
from django.utils.translation import override

from sokoul.said import Said, all_said, changed, here, joined, said, texts_of


def test_it_is_read_by_each_in_theirs_wherever_it_was_said() -> None:
    with override("fr"):
        text = said(lambda: _("Disk full"))
    assert text == "Disque plein", "as whoever caused it is told"
    assert texts_of(text) == {"en": "Disk full", "fr": "Disque plein"}
    with override("en"):
        assert here(text) == "Disk full"
        assert (
            here(Said("kept by an older version", {})) == here("kept by an older version") == "kept by an older version"
        )
    assert texts_of("plain") == {}


def test_what_is_made_of_several_is_whole_in_each_language() -> None:
    with override("en"):
        both = joined((said(lambda: _("Disk full")), "", "404"))
    assert texts_of(both) == {"en": "Disk full 404", "fr": "Disque plein 404"}
    named = changed(both, "one: {}".format)
    assert (named, texts_of(named)["fr"]) == ("one: Disk full 404", "one: Disque plein 404")
    assert changed("plain", str.upper) == "PLAIN"
    assert [texts_of(one)["fr"] for one in all_said(lambda: [_("Disk full"), "x"])] == ["Disque plein", "x"]
