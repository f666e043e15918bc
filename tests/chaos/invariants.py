"""What must hold in the end, as pure functions: each gives a sentence for every violation, none where all is well.

`Case` is everything that they may look at: what clients were told, which faults there were, what is there now.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.evidence import Seen
from tests.chaos.faults import Inflicted
from tests.chaos.ledger import Operation, Outcome
from tests.chaos.sockets import Reader

LATE = 60.0  # seconds that what got no answer may still be under way
GRACE = 30.0  # seconds after a fault in which its component may still be on its way back
LONGEST = 35.5  # seconds that a client waits
MOST_REPLACEMENTS = 5  # of one download, which nobody retries here
DOES_NOT_EXIST = "the row is gone"
# How many connections of each program PostgreSQL may have to serve: its pool, and what stands beside the pool.
MOST_CONNECTIONS = {"web": 10 + 2, "scout": 10 + 6, "hunter": 2 * (10 + 6), "bot": 10 + 10, "relay": 10 + 2}
# Above what the same component held before anything broke: pools fill up with use, while what leaks does so with every fault.
SLACK = {"descriptors": 24, "threads": 16, "tasks": 20}


@dataclass
class Case:
    history: list[Operation]
    inflicted: list[Inflicted]
    seen: Seen
    readers: list[Reader] = field(default_factory=list)
    before: dict[str, Mapping[str, int]] = field(default_factory=dict)  # `processes`, when nothing had happened yet

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.seen.rows.get(name, [])

    def acknowledged(self, kind: str) -> list[Operation]:
        return [op for op in self.history if op.kind == kind and op.outcome is Outcome.ACKNOWLEDGED]

    @property
    def users(self) -> dict[str, int]:
        return {row["username"]: row["id"] for row in self.rows("users")}

    def befell(self, components: Iterable[str], since: float, until: float) -> list[Inflicted]:
        """Faults of these that overlap a time, the way back included."""
        among = set(components)
        return [
            fault
            for fault in self.inflicted
            if fault.component in among and fault.began <= until and since <= fault.ended + GRACE
        ]


Violations = list[str]


# --- what was acknowledged is there -------------------------------------------------------------------------------------


def users_are_there(case: Case) -> Violations:
    """Who was told that their account exists has one."""
    return [
        f"{op.value} registered and has no account"
        for op in case.acknowledged("register")
        if op.value not in case.users
    ]


def registers_hold(case: Case) -> Violations:
    """A favourite and a watch position are what was acknowledged last, or what was asked for later without an answer."""
    held = _held(case)
    found = []
    for key, ops in _by_key(op for op in case.history if op.kind in {"favorite", "watch"}).items():
        allowed = _allowed(ops)
        if allowed and held.get(key, False) not in allowed:
            found.append(f"{key} is {held.get(key, False)} and should be {' or '.join(map(str, allowed))}")
    return found


def _held(case: Case) -> dict[str, Any]:
    names = {user_id: name for name, user_id in case.users.items()}
    held: dict[str, Any] = {
        f"favorite:{names[row['user_id']]}:{row['media_id']}": True for row in case.rows("favorites")
    }
    watched = {f"watch:{names[row['user_id']]}:{row['media_id']}": row["position"] for row in case.rows("watches")}
    return {**held, **watched}


def _by_key(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        found[operation.key].append(operation)
    return found


def _allowed(ops: list[Operation]) -> list[Any]:
    """Values that one client's sequence of writes may leave; none where nothing was acknowledged."""
    last = max((op for op in ops if op.outcome is Outcome.ACKNOWLEDGED), key=lambda op: op.began, default=None)
    if last is None:
        return []
    unknown = [op.value for op in ops if op.outcome is Outcome.UNKNOWN and op.began > last.began - LATE]
    return [last.value, *unknown]


def jobs_are_there(case: Case) -> Violations:
    """Every job whose id somebody was given has its row."""
    ids = {row["id"] for row in case.rows("jobs")}
    named = [op for op in case.history if op.outcome is Outcome.ACKNOWLEDGED and op.key.startswith("job:")]
    started = [(op, op.answer.get("job_id", "")) for op in case.acknowledged("download")]
    wanted = [(op, op.key.removeprefix("job:")) for op in named] + started
    return [
        f"{op.kind} of {op.who} was accepted as job {job_id}, which does not exist"
        for op, job_id in wanted
        if job_id not in ids
    ]


def downloads_are_there(case: Case) -> Violations:
    ids = {row["id"] for row in case.rows("downloads")}
    accepted = [(op.who, op.answer.get("id")) for op in case.acknowledged("download")]
    return [
        f"download {number} of {who} was accepted and does not exist" for who, number in accepted if number not in ids
    ]


def broadcasts_are_there(case: Case) -> Violations:
    told = {row["data"].get("text") for row in case.rows("events") if row["type"] == "broadcast"}
    return [f"{op.value} was accepted and is no event" for op in case.acknowledged("broadcast") if op.value not in told]


# --- what was accepted has ended, in its one way ------------------------------------------------------------------------


def jobs_have_ended(case: Case) -> Violations:
    return [
        f"job {row['id']} ({row['worker']}.{row['kind']}) is {row['status']} after {row['attempts']} attempts"
        for row in case.rows("jobs")
        if row["status"] not in {"Completed", "Failed"}
    ]


def failures_are_explained(case: Case) -> Violations:
    """Only poison fails, and what the world outside, or a fourth death of its worker, kept from succeeding."""
    poison = {op.key.removeprefix("job:") for op in case.history if op.kind == "poison"}
    return [
        f"job {row['id']} ({row['worker']}.{row['kind']}) failed without a fault that explains it: {row['error']}"
        for row in case.rows("jobs")
        if row["status"] == "Failed" and row["id"] not in poison and not _explained(case, row)
    ]


def _explained(case: Case, row: dict[str, Any]) -> bool:
    """`row` has created_at and finished_at, and a reason in `error`."""
    if not row["error"]:
        return False
    return bool(case.befell({"providers", "everything"}, row["created_at"], row["finished_at"]))


def downloads_have_ended(case: Case) -> Violations:
    """Completed; or Failed, with a reason that a fault of that time explains."""
    found = []
    for row in case.rows("downloads"):
        if row["status"] == "Failed" and _excused(case, row):
            continue
        if row["status"] != "Completed":
            found.append(
                f"download {row['id']} is {row['status']} ({row['phase']}): {row['reason'] or 'no reason given'}"
            )
    return found


def _excused(case: Case, row: dict[str, Any]) -> bool:
    if row["reason"] == "Disk full":
        return bool(case.befell({"downloads"}, row["created_at"], row["finished_at"]))
    return _explained(case, {**row, "error": row["reason"]})


def downloads_are_filed(case: Case) -> Violations:
    """A completed download has its file: once, whole, as the seeder has it."""
    filed = defaultdict(list)
    for row in case.rows("files"):
        filed[row["download_id"]].append(row)
    found = []
    for download in case.rows("downloads"):
        if download["status"] == "Completed" and not filed[download["id"]]:
            found.append(f"download {download['id']} is complete and has no file in the library")
    for row in case.rows("files"):
        size, digest = case.seen.library.get(row["path"], (-1, ""))
        if size != row["size"] or digest not in case.seen.seeded:
            what = "is not there" if size < 0 else f"has {size} of {row['size']} bytes, or others than the seeder's"
            found.append(f"the file {row['path']} of download {row['download_id']} {what}")
    return found


def library_has_nothing_else(case: Case) -> Violations:
    """No file twice, none half copied, none left of what failed."""
    named = {row["path"] for row in case.rows("files")}
    found = [
        f"{path} lies in the library and belongs to no download" for path in case.seen.library if path not in named
    ]
    copies = Counter(digest for _, digest in case.seen.library.values())
    return found + [
        f"{count} files of the library have the same content {digest}" for digest, count in copies.items() if count > 1
    ]


# --- effects happened once ----------------------------------------------------------------------------------------------


def told_once(case: Case) -> Violations:
    """One event for the end of each job and of each download, and one wish of a title at a time."""
    completed: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for event in case.rows("events"):
        data = event["data"]
        if event["type"] == "notification" and data.get("code") == "download_completed":
            completed[data["download_id"]] += 1
        elif event["type"] == "job.updated" and data.get("status") in {"Completed", "Failed"}:
            ended[data["job_id"]] += 1
    expected_downloads = {row["id"] for row in case.rows("downloads") if row["status"] == "Completed"}
    expected_jobs = {
        row["id"]
        for row in case.rows("jobs")
        if row["user_id"] is not None and row["status"] in {"Completed", "Failed"}
    }
    return [
        *(
            f"download {key} was told complete {completed[key]} times"
            for key in expected_downloads
            if completed[key] != 1
        ),
        *(f"the end of job {key} was told {ended[key]} times" for key in expected_jobs if ended[key] != 1),
    ]


def given_up_once(case: Case) -> Violations:
    """Each release that was given up is blocked, for a fault of that time; its person is told once at most, and five times in all."""
    blocked = defaultdict(list)
    for row in case.rows("blocklist"):
        blocked[row["user_id"], row["media_id"]].append(row)
    replaced = Counter(
        event["data"]["download_id"]
        for event in case.rows("events")
        if event["data"].get("code") == "download_replaced"
    )
    found = []
    for row in case.rows("downloads"):
        mine = blocked[row["user_id"], row["media_id"]]
        if not replaced[row["id"]] <= row["given_up"] <= len(mine) or replaced[row["id"]] > MOST_REPLACEMENTS:
            found.append(
                f"download {row['id']} gave {row['given_up']} releases up, {len(mine)} are blocked, {replaced[row['id']]} were told"
            )
        found += [
            f"{entry['title']} was given up without a fault that explains it: {entry['reason']}"
            for entry in mine
            if row["created_at"] <= entry["created_at"] <= (row["finished_at"] or entry["created_at"])
            and not _explained(case, {**row, "error": entry["reason"], "finished_at": entry["created_at"]})
        ]
    return found


def wishes_are_one(case: Case) -> Violations:
    wishes = Counter(
        (row["user_id"], row["media_id"], row["target"]) for row in case.rows("downloads") if row["status"] != "Failed"
    )
    return [
        f"user {wish[0]} has {count} downloads of {wish[2] or wish[1]}" for wish, count in wishes.items() if count > 1
    ]


def dead_letters_are_the_poison(case: Case) -> Violations:
    """In the DLQ is every failed job and every unreadable message, once, and nothing else."""
    failed = {row["id"] for row in case.rows("jobs") if row["status"] == "Failed"}
    poison = [op for op in case.history if op.kind == "poison" and op.key.startswith("message:")]
    sure = {op.value for op in poison if op.outcome is Outcome.ACKNOWLEDGED}
    letters = Counter(letter.job_id or letter.text for letter in case.seen.letters)
    known = failed | {op.value for op in poison}
    found = [f"{what} is missing in the DLQ" for what in sorted(failed | sure) if what not in letters]
    found += [f"{what} is {count} times in the DLQ" for what, count in letters.items() if count > 1]
    return found + [f"{what[:80]} is in the DLQ and did not fail" for what in letters if what not in known]


def notifications_reached_telegram(case: Case) -> Violations:
    """Who is linked got each notification at least once; several may come in one message."""
    linked = {row["user_id"] for row in case.rows("links")}
    sent = {row["event_id"]: row["sent"] for row in case.rows("sendings")}
    due = [row["id"] for row in case.rows("events") if row["type"] == "notification" and row["user_id"] in linked]
    found = [f"notification {number} did not go to Telegram" for number in due if not sent.get(number)]
    unknown = _noted(case) - _taken(case)
    return found + [f"Telegram knows nothing of message {number} in chat {chat}" for chat, number in sorted(unknown)]


def telegram_repeats(case: Case) -> int:
    """Messages that Telegram took and we do not know of, because the answer to their sending was lost: they went again, which is
    counted and no violation. What was said before the first notification was the talk that linked the person."""
    noted = _noted(case)
    first = {chat: min(number for where, number in noted if where == chat) for chat, _ in noted}
    return sum(number >= first.get(chat, number + 1) for chat, number in _taken(case) - noted)


def _chats(case: Case) -> dict[int, int]:
    return {row["user_id"]: row["chat_id"] for row in case.rows("links")}


def _noted(case: Case) -> set[tuple[int, int]]:
    """(chat, message) of every notification that counts as sent."""
    chats = _chats(case)
    return {(chats[row["user_id"]], row["message_id"]) for row in case.rows("messages") if row["user_id"] in chats}


def _taken(case: Case) -> set[tuple[int, int]]:
    """(chat, message) of everything that Telegram took."""
    return {(int(call["params"]["chat_id"]), call["result"]["message_id"]) for call in case.seen.sent if call["result"]}


# --- nothing is stranded ------------------------------------------------------------------------------------------------


def streams_are_empty(case: Case) -> Violations:
    jobs = case.seen.streams.get("JOBS", {"messages": "no stream", "waiting": {}})
    found = [] if jobs["messages"] == 0 else [f"the stream JOBS holds {jobs['messages']} messages"]
    waiting = [(s, c, n) for s, row in case.seen.streams.items() for c, n in row["waiting"].items() if n]
    return found + [
        f"{count} messages of {stream} wait for the consumer {consumer}" for stream, consumer, count in waiting
    ]


def no_lease_is_left(case: Case) -> Violations:
    ended = [row for row in case.rows("jobs") if row["status"] in {"Completed", "Failed"}]
    found = [f"job {row['id']} is {row['status']} and still leased" for row in ended if row["lease"]]
    lapsed = [row for row in case.rows("downloads") if row["phase"] == "seeding" and row["lapsed"]]
    found += [f"the lease of download {row['id']} lapsed and nobody took it" for row in lapsed]
    unpublished = [row for row in ended if row["status"] == "Failed" and not row["published"]]
    return found + [f"the dead letter of job {row['id']} was never published" for row in unpublished]


def audit_trail_is_whole(case: Case) -> Violations:
    return [f"verify_audit: {case.seen.audit.strip()}"] if case.seen.audit else []


# --- sockets ------------------------------------------------------------------------------------------------------------


def sockets_saw_everything(case: Case) -> Violations:
    """Each reader was told every event of theirs, in order, once, and nobody else's."""
    found = []
    for reader in case.readers:
        mine = case.users.get(reader.who)
        owners = {row["id"]: row["user_id"] for row in case.rows("events")}
        due = [
            number for number, owner in owners.items() if owner in (None, mine) and reader.start < number <= reader.end
        ]
        found += [f"a socket of {reader.who}: {fault}" for fault in reader.faults]
        if missed := sorted(set(due) - set(reader.told)):
            found.append(
                f"a socket of {reader.who} was not told {len(missed)} of {len(due)} events, the first is {missed[0]}"
            )
        strange = [number for number in reader.told if owners.get(number, mine) not in (None, mine)]
        found += [f"a socket of {reader.who} was told event {number} of somebody else" for number in strange]
        found += [
            f"a socket of {reader.who} was told event {n}, {DOES_NOT_EXIST}" for n in reader.told if n not in owners
        ]
    return found


# --- answers ------------------------------------------------------------------------------------------------------------


def answers_are_documented(case: Case) -> Violations:
    """No answer but the documented ones, none at all only while the web itself was hit, and nobody waits for ever."""
    found = []
    for op in case.history:
        if not op.fault or op.kind in {"noop", "poison"}:
            continue
        answered = not op.fault.startswith("no ")
        if answered or not case.befell({"web", "everything"}, op.began, op.ended or op.began):
            found.append(f"{op.kind} of {op.who} after {op.seconds:.1f} s: {op.fault}")
    return found


def nobody_waits_too_long(case: Case) -> Violations:
    slow = [op for op in case.history if op.kind not in {"noop", "poison"} and op.seconds > LONGEST]
    return [f"{op.kind} of {op.who} took {op.seconds:.1f} s" for op in slow]


def sessions_survive(case: Case) -> Violations:
    """A refresh token that was given out is taken, unless an earlier answer was lost, which may have used it up."""
    found = []
    for who, ops in _by_person(op for op in case.history if op.kind in {"register", "login", "refresh"}).items():
        for before, op in itertools.pairwise(ops):
            if op.kind == "refresh" and op.status == 401 and before.outcome is Outcome.ACKNOWLEDGED:
                found.append(f"{who} could not refresh the tokens of operation {before.id}")
    return found


def _by_person(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        found[operation.who].append(operation)
    return found


# --- leaks --------------------------------------------------------------------------------------------------------------


def connections_are_bounded(case: Case) -> Violations:
    found = []
    totals: Counter[str] = Counter()
    for row in case.seen.connections:
        totals[row["name"].removeprefix("sokoul-")] += row["count"]
        if row["state"] != "idle" and row["state"] != "active" and row["longest"] > 5:
            found.append(
                f"{row['count']} connections of {row['name']} have been {row['state']} for {row['longest']:.0f} s"
            )
    found += [
        f"{name} has {totals[name]} connections" for name, most in MOST_CONNECTIONS.items() if totals[name] > most
    ]
    return found


def processes_hold_no_more(case: Case) -> Violations:
    """As many descriptors, threads and tasks as before anything broke, and a few to spare."""
    return [
        f"{name} holds {now[what]} {what}, before it was {case.before[name].get(what, 0)}"
        for name, now in case.seen.processes.items()
        for what, slack in SLACK.items()
        if now.get(what, 0) > case.before.get(name, now).get(what, 0) + slack
    ]


ALL: dict[str, Callable[[Case], Violations]] = {
    check.__name__: check
    for check in (
        users_are_there, registers_hold, jobs_are_there, downloads_are_there, broadcasts_are_there, jobs_have_ended,
        failures_are_explained, downloads_have_ended, downloads_are_filed, library_has_nothing_else, told_once, given_up_once,
        wishes_are_one, dead_letters_are_the_poison, notifications_reached_telegram, streams_are_empty, no_lease_is_left,
        audit_trail_is_whole, sockets_saw_everything, answers_are_documented, nobody_waits_too_long, sessions_survive,
        connections_are_bounded, processes_hold_no_more,
    )
}  # fmt: skip
LOSSES = (
    "users_are_there",
    "registers_hold",
    "jobs_are_there",
    "downloads_are_there",
    "broadcasts_are_there",
    "downloads_are_filed",
)
DUPLICATES = ("told_once", "given_up_once", "wishes_are_one", "library_has_nothing_else")
STRANDED = ("jobs_have_ended", "downloads_have_ended", "streams_are_empty", "no_lease_is_left")


def check(case: Case) -> dict[str, Violations]:
    """{invariant: what violates it}, of those that are violated."""
    return {name: found for name, invariant in ALL.items() if (found := invariant(case))}
