# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Work spread over processes of one thread each: what two cores do faster than two threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import as_completed, ProcessPoolExecutor
from contextlib import contextmanager
import multiprocessing
from multiprocessing import resource_tracker
import os
import signal
from typing import Any


def cores() -> int:
    """Return on how many cores this process may run."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def results(work: Callable[..., Any], common: tuple, items: list, processes: int
            ) -> Iterator[tuple[int, Any]]:
    """Yield the number of an item and `work(*common, item)`, in the order they get done.

    With one process, or one item, in this process and in order. `work` is a function of a module,
    `common` is sent to each process once. Ctrl-C reaches the caller alone, who may keep what has
    been yielded; what is under way by then is broken off.
    """
    processes = min(processes, len(items))
    if processes <= 1:
        for number, item in enumerate(items):
            yield number, work(*common, item)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context('spawn'), _prepare,
                               (work, common))
    before = multiprocessing.active_children()
    try:
        with undisturbed():
            waiting = {pool.submit(_call, item): number for number, item in enumerate(items)}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BaseException:  # also where the caller goes on with nothing more
        for process in multiprocessing.active_children():
            if process not in before:
                process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let processes that are started in the block not hear of Ctrl-C; this one does, after it.

    They share the terminal, and would say where they were, each in many lines.
    """
    resource_tracker.ensure_running()  # which would let the signal through once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_work: Callable[..., Any] | None = None
_common: tuple = ()


def _prepare(work: Callable[..., Any], common: tuple) -> None:
    global _work, _common
    import torch
    torch.set_num_threads(1)
    _work, _common = work, common


def _call(item: Any) -> Any:
    return _work(*_common, item)
