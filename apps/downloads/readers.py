"""Readers of files that are still downloading: their window is fetched first, and they are told when it is on disk."""

import queue
import time
from concurrent.futures import Future
from dataclasses import dataclass

from apps.downloads.engine.session import Engine

QUESTION_SECONDS = 4.0  # a question is answered, or refused, within this; the reader asks again


@dataclass(slots=True)
class Question:
    """A reader waits for bytes [start, end) of a file to be on disk."""

    swarm: str
    index: int
    start: int
    end: int
    answer: Future[bool]
    deadline: float
    asked: bool = False


class Readers:
    """`ask()` from any thread; `answer()` from the thread that owns the engine, often."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asked: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._open: list[Question] = []

    def ask(self, swarm: str, index: int, start: int, end: int) -> Future[bool]:
        """True once those bytes can be read from disk; False when they will not be, here or soon."""
        question = Question(swarm, index, start, end, Future(), time.monotonic() + QUESTION_SECONDS)
        self._asked.put(question)
        return question.answer

    def answer(self) -> None:
        while not self._asked.empty():
            self._open.append(self._asked.get_nowait())
        self._open = [question for question in self._open if not self._settled(question)]

    def _settled(self, question: Question) -> bool:
        try:
            ready = self._engine.on_disk(question.swarm, question.index, question.start, question.end)
            if not ready and not question.asked:
                self._engine.want(question.swarm, question.index, question.start, question.end)
                question.asked = True
        except LookupError:  # not in the session, or its metadata is not known yet
            ready = False
        if (ready or time.monotonic() > question.deadline) and question.answer.set_running_or_notify_cancel():
            question.answer.set_result(ready)
        return question.answer.done()
