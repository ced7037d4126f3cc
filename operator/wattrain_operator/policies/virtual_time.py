"""Jobs of a trace under one policy, in virtual time: who is admitted is decided by `core.admission`, as a PowerDomain
does it; only the clock is not real.

What a policy knows of the future is what a domain knows: when those that run will have ended, by their ETA taken
ETA_BIAS times and ENDING_SECONDS longer, and by when one that waits has ended for certain, by `bound_ratio`: its
activeDeadlineSeconds, as many times its duration.

A job that is preempted stops at once, and later goes on where it was: what saving, stopping and starting cost is not
modelled.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from wattrain_operator.core.admission import BACKFILL_DEPTH, Holding, Request, Room, admit
from wattrain_operator.core.fleet_forecasts import ENDING_SECONDS, ETA_BIAS
from wattrain_operator.core.planned_power import PlannedPower
from wattrain_operator.core.preemption import Claim, who_gives_way
from wattrain_operator.policies.job_trace import TraceJob
from wattrain_operator.policies.power_curve import PowerCurve
from wattrain_operator.policies.registry import Policy

Entry = tuple[float, float, int]
"""Priority negated, moment of submission, index of the job: the order of the queue."""


class Run(NamedTuple):
    """What became of the jobs of a trace."""

    starts: list[float]
    """By index of the job: when it was first admitted; inf: never, for the cap has no room for it."""
    ends: list[float]
    """When it had ended; inf: it never ran."""
    curve: PowerCurve
    waiting: list[tuple[float, int]]
    """Moments at which it changed how many wait, for room or for clean hours, and how many then did."""
    events: int
    """Submissions, releases, stops and ends."""
    preemptions: int
    """Stops for a job of higher priority."""


class VirtualTime:
    """One run of a trace under one policy. `release` says until when a job waits for clean hours, in seconds, where it
    has been told of any moment whether a start then has room."""

    def __init__(
        self, jobs: Sequence[TraceJob], policy: Policy, usable_watts: float, places: float, bound_ratio: float,
        release: Callable[[TraceJob, Callable[[float], bool]], float], *, preempts: bool = False,
    ) -> None:  # fmt: skip
        self._preempts, self._preemptions = preempts, 0
        self._jobs, self._policy, self._release, self._bound = jobs, policy, release, bound_ratio
        self._usable, self._room = usable_watts, Room(places, usable_watts)
        self._queue: list[Entry] = []
        self._ends: list[tuple[float, int]] = []
        self._running: list[tuple[float, int]] = []
        """By when each job that runs is expected to have ended, and its index, in this order."""
        self._held: list[tuple[float, int]] = []
        self._planned = PlannedPower(usable_watts) if policy.clean_hours else None
        """Of jobs that run, and of those that wait for clean hours."""
        self._starts, self._finishes = [inf] * len(jobs), [inf] * len(jobs)
        self._runs, self._resumed = [False] * len(jobs), [0.0] * len(jobs)
        """Whether each job runs, and when it was admitted last."""
        self._left = [job.duration_seconds for job in jobs]
        """How long each job had to run then."""
        self._curve = PowerCurve(usable_watts)
        self._waiting: list[tuple[float, int]] = [(0.0, 0)]
        self._events = 0

    def run(self) -> Run:
        """To the end of the last job."""
        submitted = 0
        while True:
            next_submit = self._jobs[submitted].submit_seconds if submitted < len(self._jobs) else inf
            now = min(next_submit, self._ends[0][0] if self._ends else inf, self._held[0][0] if self._held else inf)
            if now == inf:
                break
            looks = self._end(now) + self._let_go(now)
            while submitted < len(self._jobs) and self._jobs[submitted].submit_seconds <= now:
                looks += self._submit(submitted, now)
                submitted += 1
            if looks and self._queue:
                self._admit(now)
            waiting = len(self._queue) + len(self._held)
            if waiting != self._waiting[-1][1]:
                self._waiting.append((now, waiting))
        return Run(self._starts, self._finishes, self._curve, self._waiting, self._events, self._preemptions)

    def _end(self, now: float) -> int:
        ended = 0
        while self._ends and self._ends[0][0] <= now:
            finish, index = heappop(self._ends)
            if self._runs[index] and finish == self._finishes[index]:  # else it was preempted before
                self._stop(index, now)
                ended += 1
        self._events += ended
        return ended

    def _stop(self, index: int, now: float) -> None:
        self._runs[index] = False
        del self._running[bisect_left(self._running, (self._expected(index), index))]
        self._room = self._room.plus(self._jobs[index].watts)
        self._curve.change(now, -self._jobs[index].watts)

    def _let_go(self, now: float) -> int:
        """Jobs whose clean hours begin."""
        looks = 0
        while self._held and self._held[0][0] <= now:
            begins, index = heappop(self._held)
            self._plan(index, begins, -1)
            looks += self._enqueue(index)
        return looks

    def _submit(self, index: int, now: float) -> int:
        job = self._jobs[index]
        if job.watts > self._usable + 1e-6:
            self._events += 1
            return 0  # PowerCapTooSmall: it holds nobody up
        until = self._clean_start(job, now)
        if until > now:
            self._events += 1
            heappush(self._held, (until, index))
            self._plan(index, until, 1)
            return 0
        return self._enqueue(index)

    def _clean_start(self, job: TraceJob, now: float) -> float:
        """Until when a job that is submitted now waits for clean hours. While others wait for room it does not: what
        it leaves, they take, and nothing is saved."""
        planned = self._planned
        if planned is None or self._queue:
            return now
        return self._release(job, lambda start: planned.has_room(start, start + job.duration_seconds, job.watts))

    def _plan(self, index: int, begins: float, sign: int) -> None:
        job = self._jobs[index]
        if self._planned is not None:
            self._planned.add(begins, begins + self._left[index], sign * job.watts)

    def _enqueue(self, index: int) -> int:
        """Whether it can change who is admitted now."""
        job = self._jobs[index]
        entry = (-float(job.priority) if self._policy.by_priority else 0.0, job.submit_seconds, index)
        insort(self._queue, entry)
        self._events += 1
        depth = BACKFILL_DEPTH if self._policy.overtakes else 0
        return int(len(self._queue) <= depth + 1 or entry <= self._queue[depth])

    def _preempt(self, now: float) -> None:
        """Stop those that give way to who waits, as a PowerDomain does; they go on later, where they were."""
        room = self._room
        for _, _, index in list(self._queue):
            job = self._jobs[index]
            if not room.fits(job.watts):
                runners = sorted((each for _, each in self._running), key=self._gives_way)
                claims = [Claim(self._jobs[each].priority, self._jobs[each].watts) for each in runners]
                chosen = [runners[n] for n in who_gives_way(Claim(job.priority, job.watts), claims, room)]
                if not chosen:
                    return
                for runner in chosen:
                    room = room.plus(self._jobs[runner].watts)
                    self._stop_early(runner, now)
            room = room.without(job.watts)

    def _gives_way(self, index: int) -> tuple[int, float, int]:
        """The order of the queue, reversed."""
        return self._jobs[index].priority, -self._jobs[index].submit_seconds, -index

    def _stop_early(self, index: int, now: float) -> None:
        self._stop(index, now)
        if self._planned is not None:
            self._planned.add(now, self._finishes[index], -self._jobs[index].watts)
        self._left[index], self._finishes[index] = self._finishes[index] - now, inf
        self._preemptions += 1
        self._enqueue(index)

    def _admit(self, now: float) -> None:
        if self._preempts:
            self._preempt(now)
        queue = self._requests(now)
        admitted = admit(queue, self._holdings(), self._room)
        for place in admitted:
            self._start(self._queue[place][2], now)
        for place in reversed(admitted):
            del self._queue[place]

    def _requests(self, now: float) -> Iterator[Request]:
        """The queue as the admission sees it: times are moments, here as in the holdings."""
        jobs, overtakes = self._jobs, self._policy.overtakes
        for _, _, index in self._queue:
            job = jobs[index]
            bound = now + self._left[index] * self._bound + ENDING_SECONDS if overtakes else inf
            yield Request(job.watts, bound)

    def _holdings(self) -> Iterator[Holding]:
        """Those that run; none where nobody overtakes: when the head will fit is then of no use."""
        if self._policy.overtakes:
            yield from (Holding(self._jobs[index].watts, expected) for expected, index in self._running)

    def _start(self, index: int, now: float) -> None:
        job = self._jobs[index]
        self._starts[index] = min(self._starts[index], now)
        self._runs[index], self._resumed[index], self._finishes[index] = True, now, now + self._left[index]
        self._room = self._room.without(job.watts)
        self._curve.change(now, job.watts)
        self._plan(index, now, 1)
        heappush(self._ends, (self._finishes[index], index))
        insort(self._running, (self._expected(index), index))

    def _expected(self, index: int) -> float:
        return self._resumed[index] + self._left[index] * ETA_BIAS + ENDING_SECONDS
