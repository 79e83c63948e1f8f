"""How a worker stops: no new client is let in, those inside get their answers, then it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from types import FrameType


class StoppingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """ThreadWorker that leaves its port free for others while it ends.

    `hurried` says that it was told to end at once, whoever still waits for an answer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hurried = False

    def is_parent_alive(self) -> bool:
        """False once the parent was killed: nobody would stop this worker, so it stops itself.

        It ends as after SIGTERM, so that its clients do not feel that the parent has gone.
        """
        if not super().is_parent_alive():
            self.alive = False
        return bool(self.alive)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin or pause to let clients in; a worker that stops closes the door for good.

        A socket that only is not asked would go on to take connections in, which nobody answers,
        and keep a new mirror from its port.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            self._let_in_who_waits(listener)
            listener.close()

    def handle_quit(self, _sig: int, _frame: FrameType | None) -> None:
        """End at once, past gunicorn's own way, which shuts its pool of threads down in here.

        That waits for a lock of the pool's, and the main thread, which this interrupts, may hold
        it: just then it hands a request over. Nor is anything raised: what is interrupted may be
        a callback of Python's own, which swallows it and prints it.
        """
        self.hurried = True
        self.alive = False
        self.method_queue.defer(lambda: None)  # wakes the main thread where it waits

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One step of the main thread's loop; ends the worker instead if it was told to.

        `worker_exit` then ends the process, and so the threads.
        """
        if not self.hurried:
            super().wait_for_and_dispatch_events(timeout)
        if self.hurried:
            raise SystemExit(0)

    def _let_in_who_waits(self, listener: Any) -> None:
        """Accept what the kernel has accepted already: closing would reset those connections."""
        listener.setblocking(False)
        before = -1
        while before != self.nr_conns < self.worker_connections:
            before = self.nr_conns
            self.accept(listener)
