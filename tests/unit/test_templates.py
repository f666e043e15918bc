"""What holds for all templates."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)


def test_a_question_names_what_its_button_does() -> None:
    """One dialog asks all questions: the words of its button are those of the form, and none are left from another."""
    (dialog,) = re.findall(r"<dialog.*?</dialog>", (ROOT / "templates/base.html").read_text(), re.DOTALL)
    assert '<button value="yes" class="danger"></button>' in dialog
    asking = {}
    for template in (ROOT / "templates").rglob("*.html"):
        for form in FORM.findall(template.read_text()):
            if questions := form.count("data-ask="):
                asking[template.name] = questions
                words = re.findall(r"data-yes=\"{% translate ['\"](Yes, \w+.*?)['\"] %}\"", form)
                assert len(words) == questions, template.name
                assert ("Yes, take another" in words) == ("Take another release" in form), template.name
    assert asking == {"_actions.html": 2, "blocklist.html": 1, "_keys.html": 1, "sign_ins.html": 1}
