"""Having images fetched by several threads, with everything that a pull's coalescing gives.

The threads ask the same use cases as clients do. What is here is not fetched, and what another
process is fetching is not fetched again. Fills go on in threads of their own: whoever ends this
process leaves part files, which the next pull or the next call continues.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from cache.access.decision import OPERATOR
from cache.oci.errors import RegistryError
from cache.oci.manifest import Descriptor
from cache.pull import Held, open_blob, watch_arriving
from cache.warm.allowance import Allowance, Stopped
from cache.warm.images import Image
from cache.warm.platforms import Selection
from cache.warm.standing import Overview, Standing, State
from cache.warm.surveying import Survey, survey
from cache.warm.transfers import Transfer, Transfers, sums

Job = Callable[[], None]

# Layers that their publisher lets nobody distribute: registries may not have them.
_MAY_BE_ABSENT = ("nondistributable", ".foreign.")


@dataclass(frozen=True, slots=True)
class Wish:
    """An image to have here, and what of it."""

    image: Image
    selection: Selection
    where: str = ""


@dataclass(slots=True)
class _Progress:
    """Where the work on one wish stands; a problem comes with the state that it ends in.

    ``waiting`` counts the blobs that are not done yet.
    """

    wish: Wish
    state: State = State.WAITING
    problem: str = ""
    verdict: State | None = None
    found: Survey = field(default_factory=Survey)
    own_missing: int = 0
    waiting: int = 0


class Warming:
    """The work on some wishes, by ``jobs`` threads (at least 1) between `start` and `close`.

    ``dry_run`` fetches manifests and no blob. ``at_thread_end`` is called by each thread that
    ends. Any thread may look at it at any time.
    """

    def __init__(
        self,
        wishes: Sequence[Wish],
        jobs: int,
        *,
        dry_run: bool = False,
        allowance: Allowance | None = None,
        at_thread_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._dry_run = dry_run
        self._allowance = allowance or Allowance()
        self._at_thread_end = at_thread_end
        self._changed = threading.Condition()
        self._images = [_Progress(wish) for wish in wishes]
        self._surveys: deque[Job] = deque(partial(self._survey, each) for each in self._images)
        self._blobs: deque[Job] = deque()
        self._transfers: Transfers = {}
        self._refused: dict[str, str] = {}
        self._unfinished = len(self._images)
        self._closing = False
        self._broken: Exception | None = None
        # A daemon thread keeps nobody from leaving who does not want to wait for upstream.
        self._threads = [
            threading.Thread(target=self._work, name=f"warm-{number}", daemon=True)
            for number in range(jobs)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, timeout: float) -> bool:
        """Whether all is done after at most ``timeout`` seconds; raises what broke the work."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unfinished or self._broken, timeout)
            if self._broken is not None:
                raise self._broken
            return not self._unfinished

    def close(self) -> None:
        """Wait for the threads, which begin nothing new."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def overview(self) -> Overview:
        with self._changed:
            total, arrived, missing = sums(self._transfers.values())
            return Overview(
                images=tuple(self._standing(each) for each in self._images),
                total=total,
                arrived=arrived,
                missing=missing,
                missing_blobs=sum(each.is_missing for each in self._transfers.values()),
                brought=sum(each.brought for each in self._transfers.values()),
            )

    # -- the threads ---------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (job := self._next_job()) is not None:
                job()
        except Exception as error:  # noqa: BLE001 - raised again by wait()
            with self._changed:
                self._broken = self._broken or error
                self._closing = True
                self._changed.notify_all()
        finally:
            self._at_thread_end()

    def _next_job(self) -> Job | None:
        """Blobs first: images become complete one after the other."""
        with self._changed:
            while not (self._closing or not self._unfinished):
                for jobs in (self._blobs, self._surveys):
                    if jobs:
                        return jobs.popleft()
                self._changed.wait()
            return None

    def _survey(self, each: _Progress) -> None:
        with self._changed:
            each.state = State.ASKING
        found = Survey()
        try:
            survey(each.wish.image, each.wish.selection, self._allowance, found)
        except Stopped as stopped:
            self._note_problem(each, str(stopped), State.STOPPED)
        except RegistryError as error:
            self._refuse(each, error)
        else:
            if found.missing:
                self._note_problem(each, found.missing)
        transfers = {digest: Transfer.of(blob) for digest, blob in found.blobs.items()}
        with self._changed:
            each.found = found
            for digest, transfer in transfers.items():
                if digest not in self._transfers:
                    self._transfers[digest] = transfer
                    each.own_missing += transfer.missing
            # What an image lacks is no reason to leave out the rest: the next try goes on there.
            if found.blobs and not self._dry_run:
                each.state = State.FETCHING
                each.waiting = len(found.blobs)
                self._blobs += [partial(self._bring, each, blob) for blob in found.blobs.values()]
                self._changed.notify_all()
            else:
                self._finish(each)

    def _bring(self, each: _Progress, blob: Descriptor) -> None:
        upstream = each.wish.image.repository.upstream
        with self._changed:
            refused = self._refused.get(upstream)
        if refused is not None:
            self._note_problem(each, refused, State.STOPPED)
        else:
            try:
                self._fetch(each.wish.image, blob)
            except RegistryError as error:
                may_be_absent = any(word in blob.media_type for word in _MAY_BE_ABSENT)
                if not (may_be_absent and error.status == 404):
                    self._refuse(each, error, is_blob=True)
        with self._changed:
            each.waiting -= 1
            if not each.waiting:
                self._finish(each)

    def _fetch(self, image: Image, blob: Descriptor) -> None:
        with open_blob(OPERATOR, image.repository, blob.digest) as found:
            if isinstance(found, Held):
                found.file.close()
                with self._changed:
                    self._transfers[blob.digest].hold(found.size)
                return
            for arrived in watch_arriving(found):
                with self._changed:
                    self._transfers[blob.digest].note(arrived)
                    if self._closing:
                        return

    # -- what goes wrong -----------------------------------------------------------------------

    def _refuse(self, each: _Progress, error: RegistryError, *, is_blob: bool = False) -> None:
        """An image's own trouble, its upstream's, or that of the store."""
        upstream = each.wish.image.repository.upstream
        message = error.message
        if error.status == 429:
            after = error.headers.get("Retry-After")
            message += f" Try again in {after} seconds." if after else ""
            self._allowance.close(upstream, message)
            if is_blob:
                with self._changed:
                    self._refused.setdefault(upstream, message)
        elif error.status == 503:
            # The store's failure: whatever else is fetched would not be kept either.
            with self._changed:
                for known in {other.wish.image.repository.upstream for other in self._images}:
                    self._allowance.close(known, message)
                    self._refused.setdefault(known, message)
        self._note_problem(each, message, State.STOPPED if error.status == 429 else State.FAILED)

    def _note_problem(self, each: _Progress, problem: str, state: State = State.FAILED) -> None:
        """The first problem is the one to tell."""
        with self._changed:
            if not each.problem:
                each.problem, each.verdict = problem, state

    def _finish(self, each: _Progress) -> None:
        """All that could be done for it is done. The caller holds the lock."""
        each.state = each.verdict or (State.PRICED if self._dry_run else State.HERE)
        self._unfinished -= 1
        self._changed.notify_all()

    def _standing(self, each: _Progress) -> Standing:
        held = [self._transfers[digest] for digest in each.found.blobs]
        total, arrived, missing = sums(held)
        return Standing(
            name=str(each.wish.image),
            upstream=each.wish.image.repository.upstream,
            where=each.wish.where,
            state=each.state,
            problem=each.problem,
            blobs=len(held),
            total=total,
            arrived=arrived,
            missing=missing,
            own_missing=each.own_missing,
            unsized=sum(not transfer.is_sized for transfer in held),
            manifests=each.found.manifests,
            fetched=each.found.fetched,
            checked=each.found.checked,
            stale=each.found.stale,
        )
