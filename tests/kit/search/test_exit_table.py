"""What a table of exits accepts, and that it comes back from disk as it was."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.errors import InputError
from kit.search import ExitPolicy, ExitTable, StageCosts
from tests.kit.search.exit_tables import random_table

TABLE = random_table()
FIRST_COST = TABLE.costs["latency_ms"]


def assert_equal(one: ExitTable, other: ExitTable) -> None:
    for name in ("configuration", "points", "heads", "policies"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("counts", "confidence"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    assert list(one.costs) == list(other.costs)
    for name, costs in one.costs.items():
        assert_costs_equal(costs, other.costs[name])


def assert_costs_equal(one: StageCosts, other: StageCosts) -> None:
    for field in fields(StageCosts):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize("policy_costs", [False, True])
def test_a_table_comes_back_from_disk(tmp_path: Path, policy_costs: bool) -> None:
    table = random_table(policy_costs=policy_costs)
    table.save(tmp_path / "heavy.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["heavy.npz"]
    assert_equal(ExitTable.load(tmp_path / "heavy.npz"), table)


def test_a_failed_save_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "heavy.npz"
    TABLE.save(path)

    def full(partial: Path, **_: Any) -> None:
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match=r"No space left on device: .*heavy\.npz"):
        TABLE.save(path)
    assert [item.name for item in tmp_path.iterdir()] == ["heavy.npz"]
    assert_equal(ExitTable.load(path), TABLE)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.npz"):
        TABLE.save(tmp_path / "table.json")
    with pytest.raises(InputError, match=r"no file .*missing\.npz"):
        ExitTable.load(tmp_path / "missing.npz")
    path = tmp_path / "wrong.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"wrong\.npz must be a table of exits"):
        ExitTable.load(path)
    np.savez(path, counts=TABLE.counts)
    with pytest.raises(InputError, match=r"wrong\.npz must be a table of exits.*content"):
        ExitTable.load(path)
    np.savez(path, content=np.array('{"policies": [], "costs": {}}'), counts=np.zeros(3))
    with pytest.raises(InputError, match=r"wrong\.npz must be a table of exits"):
        ExitTable.load(path)


def test_subset_takes_images_in_the_given_order() -> None:
    part = TABLE.subset([4, 1, 1])
    np.testing.assert_array_equal(part.counts, TABLE.counts[:, [4, 1, 1]])
    np.testing.assert_array_equal(part.confidence, TABLE.confidence[:, [4, 1, 1]])
    assert part.num_images == 3
    assert part.costs == TABLE.costs


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "must be a list of indices"),
        ([[1]], "must be a list of indices"),
        ([0.5], "must be a list of indices"),
        ([True], "must be a list of indices"),
        ([0, 9], "must be from 0 to 8; received: 0 to 9"),
        ([-1], "must be from 0 to 8; received: -1"),
    ],
)
def test_wrong_images_are_refused(images: list, message: str) -> None:
    with pytest.raises(InputError, match=f"`images` {message}"):
        TABLE.subset(images)


def test_halves_are_blocks_that_share_no_image() -> None:
    first, second = TABLE.split()
    np.testing.assert_array_equal(first.counts, TABLE.counts[:, :4])
    np.testing.assert_array_equal(second.counts, TABLE.counts[:, 4:])
    np.testing.assert_array_equal(second.confidence, TABLE.confidence[:, 4:])


def test_a_split_needs_eight_images() -> None:
    assert [half.num_images for half in TABLE.subset(range(8)).split()] == [4, 4]
    with pytest.raises(InputError, match=r"must hold 8 images or more .* received: 7"):
        TABLE.subset(range(7)).split()


def different_truth() -> np.ndarray:
    counts = TABLE.counts.copy()
    counts[2, 0, 0, 0] += 1
    return counts


def confidence_with(value: float) -> np.ndarray:
    confidence = TABLE.confidence.copy()
    confidence[1, 1, 1] = value
    return confidence


def costs_with(**changes: Any) -> dict[str, Any]:
    return {"costs": {**TABLE.costs, "latency_ms": replace(FIRST_COST, **changes)}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": ()}, "`points` must be"),
        ({"points": (0, 1, 0, 3)}, "`points` must be .* ascending"),
        ({"points": (-1, 0, 1, 3)}, "`points` must be one point from 0"),
        ({"heads": ("a",)}, "`heads` must hold 4 names.* received: 1"),
        ({"policies": ()}, "`policies` must be one or more"),
        ({"policies": (ExitPolicy(),) * 2}, "`policies` must be .* all different"),
        ({"counts": TABLE.counts[1:]}, r"`counts` must be \(5, images, classes, classes\)"),
        ({"counts": TABLE.counts[..., :2]}, "`counts` must be .*images, classes, classes"),
        ({"counts": TABLE.counts / 2}, "`counts` must be integers; received: float64"),
        ({"counts": -TABLE.counts}, "`counts` must be 0 or more"),
        ({"counts": 0 * TABLE.counts}, "`counts` must hold pixels that are not void"),
        ({"counts": TABLE.counts[:, :0]}, "`counts` must hold pixels that are not void"),
        ({"counts": different_truth()}, "same true pixels for every exit; early exit 3 differs"),
        ({"confidence": TABLE.confidence[:, 1:]}, r"`confidence` must be \(4, 9, 2\)"),
        ({"confidence": confidence_with(1.5)}, r"`confidence` must be from 0 to 1.* 1\.5"),
        ({"confidence": confidence_with(-0.1)}, "`confidence` must be from 0 to 1"),
        ({"confidence": confidence_with(np.nan)}, "`confidence` must be from 0 to 1"),
        (costs_with(trunk=np.ones(4)), r"`costs\['latency_ms'\].trunk` must hold .* received: 4"),
        (costs_with(heads=np.ones(4)), r"`costs\['latency_ms'\].heads` must be \(5,\)"),
        (costs_with(policies=np.ones((4, 3))), r"`costs\['latency_ms'\].policies` must be \(4, 2"),
        ({"costs": {}}, "`costs` must hold one that adds up .*received: none"),
        (
            {"costs": {name: TABLE.costs[name] for name in ("size_bytes", "memory_bytes")}},
            "`costs` must hold one that adds up .*received: size_bytes, memory_bytes",
        ),
    ],
)
def test_wrong_tables_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(TABLE, **changes)


def test_deadlines_are_set_in_latency_where_it_was_measured() -> None:
    assert TABLE.deadline_cost == "latency_ms"
    rest = {name: cost for name, cost in TABLE.costs.items() if name != "latency_ms"}
    assert replace(TABLE, costs=dict(reversed(rest.items()))).deadline_cost == "macs"
