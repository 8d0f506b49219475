"""Rows of a busy week that never was, for trying the admin on many of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TypeAlias

from django.utils import timezone

from upnext_django.core.fingerprint import Fingerprint, fingerprint_of
from upnext_django.core.ids import tick_job_id
from upnext_django.mirror.rows import AttemptRow, Changes, End, JobRow, LogRow
from upnext_django.mirror.tally import stat_rows
from upnext_django.mirror.writing import write
from upnext_django.models import FunctionRecord, StatRecord, WorkerRecord
from upnext_django.operations.retention import MINUTES_KEPT

__all__ = ["MODULE", "Seeder"]

#: The module of the made-up functions: by it their rows are known again.
MODULE = "upnext_seed.tasks"
_QUEUES = ("web", "mail", "reports")
_NAMES = ("send_receipt", "resize_image", "charge_card", "sync_stock", "build_report", "notify", "clean_up")
_QUEUE_OF = {name: _QUEUES[place % len(_QUEUES)] for place, name in enumerate(_NAMES)}
# One function and one worker had next to nothing to do: what is rare is what an index must find.
_RARE_NAME, _WORKERS, _RARE_WORKER = _NAMES[-1], 4, 4
_RARE = 0.0005
_ERRORS = (
    ("ConnectionError", "the payment service at 10.0.0.{n} does not answer", "charge"),
    ("ValueError", "order {n} has no lines", "load_order"),
    ("TimeoutError", "no answer after {n} seconds", "fetch"),
    ("KeyError", "'customer'", "render"),
)
_BATCH = 5_000
_TREE = 20
_LOGGED = 0.05
_DISCARDED = 0.3

_Key: TypeAlias = tuple[int, int, str, str, str, int]


@dataclass(slots=True)
class Seeder:
    """Writes ``jobs`` jobs over the last ``days`` days, ``failed`` of them (0 to 1) failed for good.

    Each twentieth is the top of a tree of twenty; the newest tree has ``tree`` jobs. A third of what failed
    was discarded. ``seed`` makes the same lives again.
    """

    jobs: int
    days: float = 7.0
    failed: float = 0.1
    using: str = "default"
    seed: int = 1
    tree: int = _TREE
    _top: int = field(init=False, default=0)
    _in_tree: list[str] = field(init=False, default_factory=list)
    _kinds: dict[tuple[str, str], Fingerprint] = field(init=False, default_factory=dict)

    def write(self) -> Iterator[int]:
        """Write the rows in transactions of 5,000 jobs; give how many are written after each."""
        random = Random(self.seed)
        self._registries()
        counts: Counter[_Key] = Counter()
        ran_ms: Counter[_Key] = Counter()
        now_ms = int(timezone.now().timestamp() * 1000)
        for start in range(0, self.jobs, _BATCH):
            changes = Changes()
            for place in range(start, min(start + _BATCH, self.jobs)):
                self._job(random, now_ms, place, changes)
            write(changes, using=self.using)
            for one in stat_rows(changes.ends, {}):
                key = (one.period, one.start, one.function, one.queue, one.outcome, one.bound_ms)
                counts[key] += one.jobs
                ran_ms[key] += one.ran_ms
            yield min(start + _BATCH, self.jobs)
        self._statistics(counts, ran_ms, now_ms)

    def _job(self, random: Random, now_ms: int, place: int, changes: Changes) -> None:
        # The oldest first, so that ids and times go the same way.
        created = now_ms - round(self.days * 86_400_000 * (1 - (place + 1) / (self.jobs + 1)))
        is_rare = random.random() < _RARE
        name = _RARE_NAME if is_rare else random.choice(_NAMES[:-1])
        queue = _QUEUE_OF[name]
        started = created + round(random.expovariate(1 / 50))
        ended = min(now_ms, started + round(random.lognormvariate(4, 1.2)))
        job_id = tick_job_id(queue, f"{MODULE} {self.seed} {place}", created)
        top, parent = self._place_in_tree(place, job_id)
        row = JobRow(
            job_id,
            queue,
            created,
            f"{MODULE}.{name}",
            name,
            parent_id=parent,
            root_id=top,
            max_attempts=2,
            arguments=f'{{"args":[{place}],"kwargs":{{"order_id":{place % 1000}}}}}',
            status="complete",
            seq=3,
            token=1,
            attempts=1,
            started_at=started,
            completed_at=ended,
            worker_id=f"seeded-{_RARE_WORKER if is_rare else random.randrange(_WORKERS)}",
            result='{"ok":true}',
        )
        if random.random() < self.failed:
            self._fail(random, row, changes)
            started = row.started_at or started
        changes.jobs.append(row)
        changes.attempts.append(_attempt(row, row.attempts, self._trace(row)))
        changes.ends.append(End(job_id, queue, row.function, row.status, ended, ended - started))
        if random.random() < _LOGGED:
            changes.logs.append(LogRow(job_id, 3, 0, ended, "INFO", "It was seeded.", None))

    def _fail(self, random: Random, row: JobRow, changes: Changes) -> None:
        """Let a job fail at its second attempt."""
        assert row.started_at is not None
        assert row.completed_at is not None
        row.error_type, text, _ = random.choice(_ERRORS)
        row.error = f"{row.error_type}: {text.format(n=random.randrange(1000))}"
        row.status, row.attempts, row.token, row.seq, row.result = "failed", 2, 2, 5, None
        trace = self._trace(row)
        first = _attempt(row, 1, trace)
        middle = (row.started_at + row.completed_at) // 2
        first.ended_at = middle
        changes.attempts.append(first)
        ran = middle - row.started_at
        changes.ends.append(End(row.id, row.queue, row.function, "retrying", middle, ran))
        row.started_at = middle
        changes.dead.append(row.id)
        kind = (row.error_type, row.function_name)
        if kind not in self._kinds:
            self._kinds[kind] = fingerprint_of(row.error_type, row.error, trace)
        changes.prints[row.id] = self._kinds[kind]
        if random.random() < _DISCARDED:
            changes.discarded.append((row.id, row.completed_at))

    def _place_in_tree(self, place: int, job_id: str) -> tuple[str, str | None]:
        """Return the ids of the top and of the parent, None for the top itself."""
        last = self.jobs - self.tree
        begins = place == last or (place < last and place % _TREE == 0)
        if begins or not self._in_tree:
            self._top, self._in_tree = place, []
        self._in_tree.append(job_id)
        if place == self._top:
            return job_id, None
        return self._in_tree[0], self._in_tree[(place - self._top - 1) // (_TREE - 1)]

    def _trace(self, row: JobRow) -> str | None:
        if row.status != "failed":
            return None
        place = next(one[2] for one in _ERRORS if one[0] == row.error_type)
        return (
            "Traceback (most recent call last):\n"
            f'  File "shop/{row.function_name}.py", line 7, in {place}\n{row.error}'
        )

    def _registries(self) -> None:
        now = timezone.now()
        for name in _NAMES:
            FunctionRecord.objects.using(self.using).update_or_create(
                function=f"{MODULE}.{name}",
                defaults={
                    "function_name": name,
                    "queue": _QUEUE_OF[name],
                    "seen_at": now,
                    "definition": {
                        "function": f"{MODULE}.{name}",
                        "function_name": name,
                        "kind": "task",
                        "queue": _QUEUE_OF[name],
                        "retries": 1,
                        "retry_delay": 1.0,
                        "parameters": [
                            {"name": "place", "kind": "either", "annotation": "int", "required": True},
                            {"name": "order_id", "kind": "keyword", "annotation": "int", "required": True},
                        ],
                    },
                },
            )
        for number in range(_WORKERS + 1):
            facts = {"host": "seeded", "queues": list(_QUEUES), "started_at": now, "left_at": now}
            WorkerRecord.objects.using(self.using).update_or_create(id=f"seeded-{number}", defaults=facts)

    def _statistics(self, counts: Counter[_Key], ran_ms: Counter[_Key], now_ms: int) -> None:
        """Write the counts; those of an earlier run go, since another week was made up."""
        rows = StatRecord.objects.using(self.using)
        rows.filter(function__startswith=f"{MODULE}.").delete()
        kept_ms = now_ms - round(MINUTES_KEPT.total_seconds() * 1000)
        rows.bulk_create(
            (
                StatRecord(
                    period=period,
                    start=datetime.fromtimestamp(start // 1000, UTC),
                    function=function,
                    queue=queue,
                    outcome=outcome,
                    bound_ms=bound,
                    jobs=jobs,
                    ran_ms=ran_ms[period, start, function, queue, outcome, bound],
                )
                for (period, start, function, queue, outcome, bound), jobs in sorted(counts.items())
                if period != 60 or start >= kept_ms
            ),
            batch_size=_BATCH,
        )


def _attempt(row: JobRow, token: int, trace: str | None) -> AttemptRow:
    return AttemptRow(
        row.id,
        token,
        token,
        row.worker_id,
        row.started_at,
        row.completed_at,
        row.status,
        row.error_type,
        row.error,
        trace,
    )
