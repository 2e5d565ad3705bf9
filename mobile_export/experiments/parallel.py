"""Several trainings side by side, each in a process of one thread."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def side_by_side(work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Does the work of each job, as many at a time as there are cores.

    Small trainings use one core each better than all cores one after the other, and what runs at
    the same time meets the same machine: its times may be compared.

    Args:
        work: a function of a module, for it runs in a process of its own.
        jobs: its arguments.

    Returns:
        What each call has returned, in the order of the jobs.
    """
    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read when the processes start
    try:
        with (
            ProcessPoolExecutor(os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool,
            tqdm(total=len(jobs), desc="runs", delay=2, disable=None) as bar,
        ):
            futures = [pool.submit(work, *job) for job in jobs]
            for future in futures:
                future.add_done_callback(lambda _: bar.update())
            return [future.result() for future in futures]
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
