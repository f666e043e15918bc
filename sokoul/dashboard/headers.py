"""The headers of a list's columns, made once a list: Unfold makes them again for each of its rows, whose cells bear their words."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.utils.html import conditional_escape
from unfold.templatetags import unfold_list

Headers = Callable[[Any], Any]


def once_a_list(headers: Headers) -> Headers:
    """The same, kept with the ChangeList, of which each request has its own; in the words of its language."""

    @wraps(headers)
    def kept(cl: Any) -> list[dict[str, Any]]:
        if not hasattr(cl, "made_headers"):
            cl.made_headers = [{**header, "text": conditional_escape(header["text"])} for header in headers(cl)]
        made: list[dict[str, Any]] = cl.made_headers
        return made

    return kept


def keep() -> None:
    """Have Unfold make them so; twice is once."""
    if not hasattr(unfold_list.result_headers, "__wrapped__"):
        unfold_list.result_headers = once_a_list(unfold_list.result_headers)
