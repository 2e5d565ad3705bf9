"""Small tables of exits, and candidates scored by loops over images, classes and parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from kit.search import ExitPolicy, ExitTable, StageCosts

ABSENT, ONLY_PREDICTED = 3, 2  # classes: in nothing; in predictions alone, and in few images
CLASSES = 4


def random_table(
    points: tuple[int, ...] = (0, 0, 1, 3),
    images: int = 9,
    policies: int = 2,
    seed: int = 0,
    policy_costs: bool = True,
) -> ExitTable:
    """Exits that are better the deeper they stand, on images that differ in how hard they are."""
    random = np.random.default_rng(seed)
    exits, segments = len(points), points[-1] + 3  # a point without an exit, and the last segment
    hardness = random.random(images)
    counts = np.zeros((exits + 1, images, CLASSES, CLASSES), np.int64)
    true = random.integers(0, 60, (images, CLASSES))
    true[:, [ABSENT, ONLY_PREDICTED]] = 0
    true[:, 0] += 1
    for exit_, point in enumerate((*points, segments)):
        for image in range(images):
            right = 0.5 + 0.5 * (point + 1) / (segments + 2) - 0.3 * hardness[image]
            odds = np.full((CLASSES, CLASSES), (1 - right) / 2)
            np.fill_diagonal(odds, right)
            odds[:, ABSENT] = 0
            if image % 4 or exit_ % 2:
                odds[:, ONLY_PREDICTED] = 0
            for label in range(CLASSES):
                counts[exit_, image, label] = random.multinomial(
                    true[image, label], odds[label] / odds[label].sum()
                )
    noise = random.normal(0, 0.2, (exits, images, policies))
    confidence = np.clip(1 - hardness[None, :, None] + noise, 0, 1).round(1)  # many equal ones

    def costs(**options: Any) -> StageCosts:
        extra = random.random((exits, policies)) if policy_costs else None
        parts = random.random(segments) + 0.5, random.random(exits + 1)
        return StageCosts(*parts, policies=extra, **options)

    return ExitTable(
        configuration="heavy",
        points=points,
        heads=tuple(f"head{exit_}" for exit_ in range(exits)),
        counts=counts,
        confidence=confidence,
        policies=tuple(ExitPolicy(pixel_threshold=(i + 1) / 32) for i in range(policies)),
        costs={
            "latency_ms": costs(),
            "macs": costs(),
            "size_bytes": costs(per_image=False),
            "memory_bytes": costs(kind="max", per_image=False),
        },
    )


@dataclass(frozen=True)
class Reference:
    """What the loops say of one candidate."""

    setting: str
    exits: tuple[int, ...]
    policies: tuple[int, ...]
    thresholds: tuple[float, ...]
    miou: float
    dice: float
    quality: float
    shares: tuple[float, ...]
    mean: dict[str, float]
    worst: dict[str, float]

    @property
    def identity(self) -> tuple[Any, ...]:
        return self.setting, self.exits, self.policies, self.thresholds


def means_of(counts: np.ndarray) -> tuple[float, float]:
    """mIoU and mean Dice of one confusion matrix, class by class."""
    ious, dices = [], []
    for label in range(len(counts)):
        right, true, predicted = (
            int(counts[label, label]),
            int(counts[label].sum()),
            int(counts[:, label].sum()),
        )
        if true + predicted:
            ious.append(right / (true + predicted - right))
            dices.append(2 * right / (true + predicted))
    return sum(ious) / len(ious), sum(dices) / len(dices)


def paid(
    table: ExitTable, name: str, stages: list[int], policies: tuple[int, ...], last: int
) -> float:
    """Cost of running the exits `stages` (from 0) up to position `last`, part by part."""
    costs = table.costs[name]
    points = [*table.points, len(costs.trunk) - 1]
    parts = [float(costs.trunk[p]) for p in range(points[stages[last]] + 1)]
    for position in range(last + 1):
        head = float(costs.heads[stages[position]])
        if position < len(policies) and costs.policies is not None:
            extra = float(costs.policies[stages[position], policies[position]])
            head = head + extra if costs.kind == "sum" else max(head, extra)
        parts.append(head)
    return sum(parts) if costs.kind == "sum" else max(parts)


def reference(
    table: ExitTable,
    setting: str,
    exits: tuple[int, ...] = (),
    policies: tuple[int, ...] = (),
    thresholds: tuple[float, ...] = (),
) -> Reference:
    """Score one candidate; exits are numbered from 1, policies from 0."""
    stages = [exit_ - 1 for exit_ in exits]
    if setting != "budgeted":
        stages.append(table.num_exits)
    images, classes = table.num_images, table.counts.shape[-1]
    left = []
    for image in range(images):
        leaves = len(stages) - 1
        for position in range(len(policies)):
            sure = table.confidence[stages[position], image, policies[position]]
            if sure >= np.float32(thresholds[position]):
                leaves = position
                break
        left.append(leaves)
    total = np.zeros((classes, classes), np.int64)
    for image, leaves in enumerate(left):
        total += table.counts[stages[leaves], image]
    miou, dice = means_of(total)
    mean, worst = {}, {}
    for name, costs in table.costs.items():
        worst[name] = paid(table, name, stages, policies, len(stages) - 1)
        each = [paid(table, name, stages, policies, leaves) for leaves in left]
        mean[name] = sum(each) / images if costs.per_image else worst[name]
    quality = deadline_miou(table, stages) if setting == "anytime" else miou
    shares = tuple(left.count(position) / images for position in range(len(stages)))
    return Reference(setting, exits, policies, thresholds, miou, dice, quality, shares, mean, worst)


def deadline_miou(table: ExitTable, stages: list[int], steps: int = 20_000) -> float:
    """mIoU at each of many deadlines, one after the other; right to about 1 / steps."""
    final = [table.num_exits]
    alone = [paid(table, "latency_ms", [exit_], (), 0) for exit_ in range(table.num_exits)]
    first, last = min(alone), paid(table, "latency_ms", final, (), 0)
    done = [paid(table, "latency_ms", stages, (), position) for position in range(len(stages))]
    miou = [means_of(table.counts[stage].sum(0))[0] for stage in stages]
    total = 0.0
    for step in range(steps):
        deadline = first + (last - first) * (step + 0.5) / steps
        total += ([0.0] + [m for m, cost in zip(miou, done, strict=True) if cost <= deadline])[-1]
    return total / steps


def every_reference(
    table: ExitTable, max_exits: int, anytime: bool = True, grid: tuple[float, ...] | None = None
) -> Iterator[Reference]:
    """All candidates, by loops over subsets, policies and thresholds that occur (or `grid`)."""
    numbers = range(1, table.num_exits + 1)
    yield reference(table, "final")
    for exit_ in numbers:
        yield reference(table, "budgeted", (exit_,))
    subsets = [
        exits
        for number in range(1, max_exits + 1)
        for exits in combinations(numbers, number)
        if len({table.points[exit_ - 1] for exit_ in exits}) == number
    ]
    for exits in subsets:
        if anytime:
            yield reference(table, "anytime", exits)
        for policies in product(range(len(table.policies)), repeat=len(exits)):
            thresholds = [
                grid or sorted({float(c) for c in table.confidence[exit_ - 1, :, policy]})
                for exit_, policy in zip(exits, policies, strict=True)
            ]
            for chosen in product(*thresholds):
                yield reference(table, "input-dependent", exits, policies, chosen)
