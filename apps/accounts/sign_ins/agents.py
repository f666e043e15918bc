"""A client in two words, for people who look for the one that is not theirs: "Firefox, Android".

Coarse on purpose: versions and models say more about somebody than the list is for, and the header is nobody's proof of anything.
"""

import re

# The first that is found counts: nearly all of them call themselves Safari or Chrome, too.
BROWSERS = {
    "Edg": "Edge", "OPR/": "Opera", "SamsungBrowser/": "Samsung Internet", "Firefox/": "Firefox", "FxiOS/": "Firefox",
    "Chrome/": "Chrome", "CriOS/": "Chrome", "Safari/": "Safari",
}  # fmt: skip
SYSTEMS = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "CrOS": "ChromeOS", "Macintosh": "Mac",
    "Linux": "Linux",
}  # fmt: skip
PROGRAM = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,39}")


def coarse(text: str) -> str:
    """At most 40 plain characters, whatever the header says; empty where it says nothing that could be a name."""
    names = [next((name for mark, name in kinds.items() if mark in text), "") for kinds in (BROWSERS, SYSTEMS)]
    if names[0]:
        return ", ".join(filter(None, names))
    program = PROGRAM.match(text)
    return program.group() if program else ""
