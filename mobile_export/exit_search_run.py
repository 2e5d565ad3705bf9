"""A search for exits from the network to the plan: measure, time, search, report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kit import AdaptiveNetwork
from kit.data import Dataset
from kit.search import ExitPlan, ExitPolicy, SearchGoal, plan_exits, reported
from mobile_export.benchmark import machine
from mobile_export.measured_exits import MeasuredExits
from mobile_export.policies import POLICIES
from mobile_export.steps import Steps


def search_exits(
    network: AdaptiveNetwork,
    data: Dataset,
    goal: SearchGoal,
    *,
    configurations: Sequence[str] | None = None,
    policies: Sequence[ExitPolicy] = POLICIES,
    report_on: Dataset | None = None,
    threads: int = 1,
    rounds: int = 30,
    tables: Path | None = None,
) -> ExitPlan:
    """Chooses exits, heads and thresholds for a purpose (MESS, arXiv 2106.03527).

    Every head is run once over the images, every part timed on this device in 8-bit integers; the
    rest is looked up. Nothing is trained. Chosen on the first half of the images, scored on the
    second too.

    Args:
        network: with early exits, trained.
        data: labelled images that training has not seen, 8 or more.
        goal: what is searched for.
        configurations: names of the configurations that compete; all if None.
        policies: how sure pixels may be told.
        report_on: further images to score the choice on, such as the test split.
        threads: CPU threads of a timed call.
        rounds: timed calls of each part.
        tables: folder where what was measured is kept and, unless something changed, read again.

    Returns:
        The plan, with `data`, `latencies` and `machine` in its `search`.

    Raises:
        TiersegError: the network has no early exits, or other classes than the data.
        InputError: there is no such configuration, there are too few images, or nothing meets the
            limits.
    """
    measured = MeasuredExits(network, policies, threads=threads, rounds=rounds, folder=tables)
    names = [network.resolve(name).configuration for name in configurations or ()]
    names = list(dict.fromkeys(names)) or list(network.configurations)
    steps = Steps(3 if report_on is None else 4)
    steps.begin(
        "measure",
        f"{len(network.exits)} early exits of {', '.join(names)} by {len(measured.policies)} "
        f"policies on {len(data)} images of {data.name} {data.split}",
    )
    for name in names:
        measured.judged(name, data).split()  # too few images are known before all that follows
    steps.begin("time", f"every part in int8, {threads} thread{'s' if threads > 1 else ''}")
    for name in names:
        measured.latencies(name)
    steps.begin("search", f"{goal.max_exits} exits at most, objective {goal.objective}")

    plan = plan_exits(network, {name: measured.table(name, data) for name in names}, goal)
    reference = plan.search["baseline"]["configuration"]
    if report_on is not None:
        steps.begin("report", f"{len(report_on)} images of {report_on.name} {report_on.split}")
        plan = reported(
            plan,
            report_on.split,
            measured.table(plan.configuration, report_on),
            measured.table(reference, report_on),
        )
    about = {
        "data": {"name": data.name, "split": data.split, "images": len(data)},
        "policies": len(measured.policies),
        "latencies": {
            name: measured.latencies(name).to_dict()
            for name in dict.fromkeys((plan.configuration, reference))
        },
        "machine": machine(threads),
    }
    return replace(plan, search={**plan.search, **about})
