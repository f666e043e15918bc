"""Which faults befall what, and when: the same seed, length and abilities give the same schedule.

Cards (a kind of fault and its target) are dealt from a shuffled deck, so that a run of ten minutes meets every one of them;
the first ones dealt are one for each component, so that a short run leaves nobody out.
"""

import itertools
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "freeze", "restart", "loss", "partition", "latency", "dns", "disk", "logs"]
Ability = Literal["network", "hosts", "disks"]

SERVERS = ("postgres", "valkey", "nats")
PROGRAMS = ("web", "scout", "hunter", "relay", "bot")
SECOND_HUNTER = "hunter-2"
BACKEND = "postgres backend"  # one of PostgreSQL's children, not the postmaster
PROVIDERS = "providers"
NEEDS: dict[Kind, Ability] = {
    "loss": "network", "partition": "network", "latency": "network", "dns": "hosts", "disk": "disks", "logs": "disks",
}  # fmt: skip
# Seconds that each kind lasts, at least and at most; kills and restarts are over at once.
LASTS: dict[Kind, tuple[float, float]] = {
    "kill": (0, 0), "restart": (0, 0), "freeze": (2, 6), "loss": (6, 12), "partition": (3, 8), "latency": (5, 9), "dns": (4, 8),
    "disk": (5, 9), "logs": (5, 9),
}  # fmt: skip
CLEARANCE = 1.5  # seconds between the end of a fault and the next one of the same target


@dataclass(frozen=True)
class Card:
    kind: Kind
    target: str
    long: bool = False  # for longer than a lease


@dataclass(frozen=True)
class Fault:
    """`at` and `seconds` (0: over at once) count from the start of the faults."""

    number: int
    at: float
    kind: Kind
    target: str
    seconds: float

    @property
    def ends(self) -> float:
        return self.at + self.seconds

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.target}{lasting}"


def for_everybody() -> list[Card]:
    """The least that a run has to survive: something for every component…"""
    return [
        Card("kill", "postgres"), Card("kill", "web"), Card("kill", "nats"), Card("kill", "hunter"), Card("kill", "valkey"),
        Card("freeze", "scout", long=True), Card("restart", "relay"), Card("kill", "bot"),
    ]  # fmt: skip


def of_every_kind() -> list[Card]:
    """… and every kind of fault."""
    return [
        Card("freeze", "postgres"), Card("loss", "everything"), Card("partition", "nats"), Card("disk", "downloads"),
        Card("logs", "logs"), Card("kill", SECOND_HUNTER), Card("latency", "postgres"), Card("dns", PROVIDERS),
    ]  # fmt: skip


def deck() -> list[Card]:
    """Every kind of fault for everything that it can befall."""
    everyone = (*SERVERS, *PROGRAMS)
    cards = [Card("kill", name) for name in (*everyone, SECOND_HUNTER, BACKEND, "hunter", "nats")]
    cards += [Card("freeze", name) for name in everyone]
    cards += [Card("freeze", name, long=True) for name in ("scout", "hunter", "bot", "relay")]
    cards += [Card("restart", name) for name in everyone]
    cards += [Card("partition", name) for name in (*SERVERS, PROVIDERS)]
    cards += [Card("latency", name) for name in (*SERVERS, PROVIDERS)]
    cards += [Card("loss", "everything"), Card("loss", "postgres"), Card("loss", "nats")]
    return [*cards, Card("dns", PROVIDERS), Card("disk", "downloads"), Card("logs", "logs")]


def possible(card: Card, able: Collection[Ability]) -> bool:
    if card.kind == "latency" and card.target == PROVIDERS:
        return True  # they can be told to be slow
    return card.kind not in NEEDS or NEEDS[card.kind] in able


def _dealt(dice: random.Random, able: Collection[Ability]) -> Iterator[Card]:
    for hand in itertools.chain((for_everybody(), of_every_kind()), itertools.repeat(deck())):
        dice.shuffle(hand)
        yield from (card for card in hand if possible(card, able))


def make(seed: int, seconds: float, *, gap: float, lease: float, able: Collection[Ability]) -> list[Fault]:
    """Faults that begin `gap` seconds apart on average and are all over after `seconds`; freezes "longer than a lease"
    last a third longer than `lease`. A card whose target is still being hit, or that takes too long, is put off."""
    dice = random.Random(f"{seed}/{seconds:g}/{gap:g}")
    cards, put_off = _dealt(dice, able), list[Card]()
    busy: dict[str, float] = {}
    faults: list[Fault] = []
    at = dice.uniform(0, gap / 2)

    def most(card: Card) -> float:
        return lease * 4 / 3 if card.long else LASTS[card.kind][1]

    def fits(card: Card) -> bool:
        return busy.get(_place(card), 0) <= at and at + most(card) <= seconds

    while at <= seconds:
        card = _drawn(cards, put_off, fits)
        lasting = round(most(card) if card.long else dice.uniform(*LASTS[card.kind]), 2)
        faults.append(Fault(len(faults) + 1, round(at, 2), card.kind, card.target, lasting))
        busy[_place(card)] = at + lasting + CLEARANCE
        at += dice.uniform(gap / 2, gap * 3 / 2)
    return faults


def _drawn(cards: Iterator[Card], put_off: list[Card], fits: Callable[[Card], bool]) -> Card:
    """The first card that fits, of those that were put off or else of the new ones."""
    for card in put_off:
        if fits(card):
            put_off.remove(card)
            return card
    for card in cards:
        if fits(card):
            return card
        put_off.append(card)
    raise AssertionError("cards never end")


def _place(card: Card) -> str:
    """What a card befalls: a backend is PostgreSQL too."""
    return card.target.partition(" ")[0]


def left_out(able: Collection[Ability]) -> list[str]:
    """What this machine does not allow, in words for the report."""
    return sorted({f"{card.kind} of {card.target}" for card in (*of_every_kind(), *deck()) if not possible(card, able)})
