# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Data parallelism over tasks: processes that take a share of a batch each and add up gradients.

Two processes of one thread each keep two cores busier than one process of two threads, whose
small products wait for each other, and for long when a core has other work. The processes are
`torchrun`'s where it started this one, on as many machines as it likes; otherwise this process
starts the others itself. They talk gloo.
"""

from collections.abc import Callable
import ctypes
from datetime import timedelta
import multiprocessing
from multiprocessing import connection
import os
import sys
from typing import Any

import torch
from torch import distributed, Tensor

from smallbot.errors import InputError
from smallbot.experiment.workers import undisturbed

LOOPBACK = '127.0.0.1'
ARRIVED = 'arrived'
PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others before it gives up."""


class LostProcess(RuntimeError):  # noqa: N818
    """Another process of the group has ended or does not answer."""


class Group:
    """The processes that share a batch, or this one alone.

    What they say to each other goes through here; every process must make the same calls in the
    same order.
    """

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank = rank
        self.size = size

    @property
    def leads(self) -> bool:
        """Return whether this is the one process that writes and prints."""
        return self.rank == 0

    def total(self, share: Tensor) -> Tensor:
        """Return the sum over processes of `share`, any shape.

        Differentiable: the gradient is the one for this process's own share, so that gradients
        of a loss of totals, added up over the processes, are the gradients of that loss.
        """
        return share if self.size == 1 else _Total.apply(share)

    def add_up(self, tensors: list[Tensor]) -> None:
        """Replace each tensor, in place, by its sum over processes."""
        if self.size > 1:
            flat = torch.cat([x.flatten() for x in tensors])
            _answered(distributed.all_reduce, flat)
            for x, total in zip(tensors, flat.split([x.numel() for x in tensors])):
                x.copy_(total.view_as(x))

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process."""
        return bool(self.total(torch.tensor(float(flag))) > 0)

    def first(self, make: Callable[[], Any]) -> Any:
        """Return what `make` returns in the first process, which alone calls it.

        An InputError raised there is raised in all.
        """
        if self.size == 1:
            return make()
        said: list[Any] = [None, None]
        if self.leads:
            try:
                said = [make(), None]
            except InputError as error:
                said = [None, error]
        _answered(distributed.broadcast_object_list, said, src=0)
        if said[1] is not None:
            raise said[1]
        return said[0]


class _Total(torch.autograd.Function):

    @staticmethod
    def forward(ctx, share):
        total = share.clone()
        _answered(distributed.all_reduce, total)
        return total

    @staticmethod
    def backward(ctx, grad):
        return grad


def _answered(exchange: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    try:
        exchange(*arguments, **options)
    except RuntimeError as error:
        raise LostProcess(f'another process is gone ({str(error).splitlines()[0]})') from None


def under_torchrun() -> bool:
    """Return whether `torchrun` started this process."""
    return 'TORCHELASTIC_RUN_ID' in os.environ


def restarted() -> bool:
    """Return whether `torchrun` has started this process again after one of them failed."""
    return _restarts() > 0


def _restarts() -> int:
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT', '0'))


def in_processes(work: Callable[..., int], processes: int, *arguments: Any) -> int:
    """Return what `work(group, *arguments)` returns in the first of the processes that run it.

    Parameters: `work`, a function at the top of a module, with arguments that can be pickled;
    `processes`, how many to run on this machine; under `torchrun` there are as many as it started.
    Raises LostProcess where one of them ends before its time.
    """
    settle()
    if under_torchrun():
        store, rank, size = next(distributed.rendezvous('env://', timeout=PATIENCE))
        _join(distributed.PrefixStore(f'{_restarts()} of {size}', store), rank, size)
        return _finish(work, Group(rank, size), arguments)
    if processes == 1:
        return work(Group(), *arguments)
    if sys.platform == 'linux':
        os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')
    store = distributed.TCPStore(LOOPBACK, 0, processes, is_master=True, timeout=PATIENCE,
                                 wait_for_workers=False)
    context = multiprocessing.get_context('spawn')
    others = [context.Process(target=_other, daemon=True,
                              args=(work, rank, processes, store.port, arguments))
              for rank in range(1, processes)]
    try:
        with undisturbed():
            for process in others:
                process.start()
        while store.add(ARRIVED, 0) < len(others):
            if connection.wait([process.sentinel for process in others], timeout=0.05):
                raise LostProcess('another process has ended before it began')
        _join(store, 0, processes)
        code = _finish(work, Group(0, processes), arguments)
        for process in others:
            # Where the first one has broken off, they may wait for it.
            process.join(PATIENCE.total_seconds() if code == 0 else 0)
        return code
    finally:
        for process in others:  # they write nothing
            process.kill()
            process.join()


def settle() -> None:
    """Make this process one that computes: one thread, and memory kept for the next iteration.

    An iteration allocates and frees a hundred tensors of megabytes. glibc gives each of them
    back to the kernel and takes 9 us a page of 4 kB to get it again, a fifth of the iteration.
    """
    torch.set_num_threads(1)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mmap_max, trim_threshold = -4, -1
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2 ** 31 - 1)


def _join(store: distributed.Store, rank: int, size: int) -> None:
    """Join the others through a store.

    `torchrun` keeps its store when it starts processes again, with the addresses of those that
    have died: a prefix for each start keeps them apart.
    """
    distributed.init_process_group('gloo', store=store, rank=rank, world_size=size,
                                   timeout=PATIENCE)


def _other(work: Callable[..., int], rank: int, size: int, port: int, arguments: tuple) -> None:
    settle()
    store = distributed.TCPStore(LOOPBACK, port, size, is_master=False, timeout=PATIENCE)
    store.add(ARRIVED, 1)
    _join(store, rank, size)
    try:
        sys.exit(_finish(work, Group(rank, size), arguments))
    except LostProcess:  # the first one says so
        sys.exit(1)


def _finish(work: Callable[..., int], group: Group, arguments: tuple) -> int:
    try:
        return work(group, *arguments)
    except InputError:
        if group.leads:
            raise
        return 2
    finally:
        distributed.destroy_process_group()
