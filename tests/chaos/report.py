"""What a run amounts to: counts, times and violations, as text for people and as rows for docs/reliability.md."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.chaos import invariants, probes
from tests.chaos.invariants import Case
from tests.chaos.probes import Probes

OUTAGE = 1.5  # seconds without a success that count as an outage of a server
TAKEOVER, API_BACK, FETCHING = 60.0, 5.0, 10.0  # seconds (SPEC 9 and 17, issue 4)
WORK = {
    "scout": ("scout", False),
    "hunter": ("hunter", False),
    "notifier": ("notifier", False),
    "relay": ("scout", True),
}


@dataclass
class Times:
    """`unavailable` {component: the longest time}, and how long the way back took at worst. Seconds."""

    unavailable: dict[str, float] = field(default_factory=dict)
    takeover: float = 0.0
    api_after_postgres: float = 0.0
    fetching_after_nats: float = 0.0

    @property
    def violations(self) -> list[str]:
        found = []
        for what, value, most in (
            ("a hunter took over", self.takeover, TAKEOVER),
            ("the API was back", self.api_after_postgres, API_BACK),
            ("workers fetched again", self.fetching_after_nats, FETCHING),
        ):
            if value > most:
                found.append(f"{what} after {value:.1f} s, at most {most:g} are promised")
        return found


@dataclass
class Report:
    seed: int
    minutes: float
    load: float
    left_out: list[str]
    case: Case
    times: Times
    violations: dict[str, list[str]]

    def count(self, names: Iterable[str]) -> int:
        return sum(len(self.violations.get(name, [])) for name in names)

    @property
    def lost(self) -> int:
        return self.count(invariants.LOSSES)

    @property
    def duplicated(self) -> int:
        return self.count(invariants.DUPLICATES)

    @property
    def stranded(self) -> int:
        return self.count(invariants.STRANDED)


def work_done(case: Case) -> dict[str, list[float]]:
    """{worker or relay: when jobs that do nothing ended}."""
    noops = [row for row in case.rows("jobs") if row["kind"] == "noop" and row["finished_at"]]
    return {
        name: sorted(row["finished_at"] for row in noops if (row["worker"], row["by_relay"]) == kind)
        for name, kind in WORK.items()
    }


def times(case: Case, seen: Probes, began: float, ended: float) -> Times:
    done = work_done(case)
    answered = {name: moments for name, moments in seen.successes.items() if name not in {"leases", "relay's work"}}
    everything = sorted(moment for moments in done.values() for moment in moments)
    return Times(
        {name: probes.longest_gap(moments, began, ended) for name, moments in {**answered, **done}.items()},
        seen.longest_silence,
        max(_web_unhurt(case, probes.recoveries(answered["postgres"], answered["api"], OUTAGE)), default=0.0),
        max((seconds for _, seconds in probes.recoveries(answered["nats"], everything, OUTAGE)), default=0.0),
    )


def _web_unhurt(case: Case, found: list[tuple[float, float]]) -> list[float]:
    """Whether the API is back after PostgreSQL cannot be told while the web itself is on its way back."""
    return [seconds for at, seconds in found if not case.befell({"web", "everything"}, at, at + seconds)]


def faults(case: Case) -> list[tuple[str, ...]]:
    done = [fault for fault in case.inflicted if not fault.note]
    kinds = Counter(fault.kind for fault in done)
    of = {kind: Counter(fault.target for fault in done if fault.kind == kind) for kind in kinds}
    rows = [
        (kind, str(count), ", ".join(f"{name} {n}" for name, n in of[kind].most_common()))
        for kind, count in kinds.most_common()
    ]
    return [*rows, ("all", str(len(done)), "")]


def operations(case: Case) -> list[tuple[str, ...]]:
    by_kind: dict[str, Counter[str]] = {}
    for op in case.history:
        by_kind.setdefault(op.kind, Counter())[op.outcome.value] += 1
    rows = [
        (kind, *(f"{n[name]:,}" for name in ("acknowledged", "refused", "unknown")))
        for kind, n in sorted(by_kind.items())
    ]
    total = Counter[str]()
    for counts in by_kind.values():
        total += counts
    return [*rows, ("all", *(f"{total[name]:,}" for name in ("acknowledged", "refused", "unknown")))]


def text(report: Report) -> str:
    """All of it, for a terminal."""
    times = report.times
    parts = [
        f"Seed {report.seed}, {report.minutes:g} minutes, load {report.load:.1f} at the end.",
        table(("fault", "times", "of"), faults(report.case)),
        table(("operation", "acknowledged", "refused", "unknown"), operations(report.case)),
        table(
            ("component", "longest unavailability, s"), [(n, f"{s:.1f}") for n, s in sorted(times.unavailable.items())]
        ),
        table(("recovery", "at worst, s", "bar"), recovery(times)),
        f"Lost: {report.lost}. Duplicated effects: {report.duplicated}. Stranded: {report.stranded}. "
        f"Telegram messages sent again: {invariants.telegram_repeats(report.case)}. "
        f"Connections of sockets: {sum(len(reader.connections) for reader in report.case.readers)}. {slowest(report.case)}",
    ]
    if report.left_out:
        parts.append(f"Left out, for this machine does not allow it: {', '.join(report.left_out)}.")
    parts.append(_verdict(report.violations))
    return "\n\n".join(parts) + "\n"


def _verdict(violations: dict[str, list[str]]) -> str:
    if not violations:
        return f"All {len(invariants.ALL)} invariants hold."
    lines = [f"{name}:\n" + "\n".join(f"  {line}" for line in found[:20]) for name, found in violations.items()]
    return "VIOLATED\n" + "\n".join(lines)


def slowest(case: Case) -> str:
    """Of all requests that got an answer."""
    answered = [op for op in case.history if op.status]
    if not answered:
        return ""
    last = max(answered, key=lambda op: op.seconds)
    return f"The slowest of {len(answered):,} answers: {last.seconds:.1f} s, {last.status} for {last.kind}."


def recovery(times: Times) -> list[tuple[str, ...]]:
    return [
        ("a hunter's downloads taken over, its lease included", f"{times.takeover:.1f}", f"≤ {TAKEOVER:g}"),
        ("API after PostgreSQL", f"{times.api_after_postgres:.1f}", f"≤ {API_BACK:g}"),
        ("workers fetching after NATS", f"{times.fetching_after_nats:.1f}", f"≤ {FETCHING:g}"),
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As Markdown, which is as good to read in a terminal; numbers to the right."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    numeric = [all(_is_number(line[column]) for line in lines[1:]) for column in range(len(head))]

    def drawn(line: Sequence[str]) -> str:
        cells = (cell.rjust(w) if n else cell.ljust(w) for cell, w, n in zip(line, widths, numeric, strict=True))
        return f"| {' | '.join(cells)} |"

    rule = ["-" * (w - 1) + ":" if n else "-" * w for w, n in zip(widths, numeric, strict=True)]
    return "\n".join([drawn(lines[0]), f"| {' | '.join(rule)} |", *map(drawn, lines[1:])])


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").isdecimal()
