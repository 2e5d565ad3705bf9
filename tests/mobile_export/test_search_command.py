"""The verb `search`, from the network's file to the plan, its picture and its words."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

import kit
from kit.search import ExitPlan, ExitPolicy, SearchGoal
from mobile_export import exit_search_run, measured_exits
from mobile_export.runtime import TiersegError
from mobile_export.search_command import POLICIES, search
from tests.mobile_export.block_folder import write_blocks

EXITS = ((17, "fcn-r2"), (17, "fcn"), (18, "fcn"))


class StopError(Exception):
    """Ends a command where the test has seen enough."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=1, val=8, test=3)


@pytest.fixture(scope="module")
def network_file(network: kit.AdaptiveUNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "exits.keras"
    network.with_exits([kit.Exit(after, head) for after, head in EXITS]).save(path)
    return path


@pytest.fixture(scope="module")
def found(network_file: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of `plan.json`, `plan.png`, `tables` and the text; do not write to it."""
    folder = tmp_path_factory.mktemp("found")
    with click.open_file(str(folder / "text"), "w") as text, pytest.MonkeyPatch.context() as patch:
        patch.setattr(click, "echo", lambda line, err=False, **_: err or text.write(f"{line}\n"))
        assert run(network_file, data, folder, "--report-on", "test") == 0
    return folder


def words(network: Path, data: Path, folder: Path, *more: Any) -> list[str]:
    fixed = ["--configuration", "light", "--rounds", "3", "--tables", folder / "tables"]
    policies = ["--policies", "top1:0.3,0.6", "--policies", "entropy+edges:0.2"]
    given = [network, "--data", data, "--out", folder / "plan.json", *fixed, *policies, *more]
    return [str(word) for word in given]


def run(network: Path, data: Path, folder: Path, *more: Any) -> int:
    """Exit status of the verb, as the command line takes it."""
    return search.main(words(network, data, folder, *more), standalone_mode=False) or 0


def goal_of(monkeypatch: pytest.MonkeyPatch, *options: Any) -> tuple[SearchGoal, dict[str, Any]]:
    """What options ask for."""
    asked: list[Any] = []

    def stop(network: Any, data: Any, goal: SearchGoal, **more: Any) -> None:
        asked.append((goal, more))
        raise StopError

    monkeypatch.setattr(exit_search_run, "search_exits", stop)
    monkeypatch.setattr("mobile_export.commands.load_network", lambda path: path)
    given = ["network.keras", "--data", "street_scenes", *map(str, options)]
    with pytest.raises(StopError):
        search.main(given, standalone_mode=False)
    return asked[0]


# === The whole way ===


def test_the_plan_fits_its_network(found: Path, network_file: Path) -> None:
    from mobile_export.commands import load_network

    plan = ExitPlan.load(found / "plan.json")
    network = load_network(network_file)
    deployed = plan.apply(network)
    assert [exit_.to_dict() for exit_ in deployed.exits] == [dict(item) for item in plan.exits]
    assert plan.default_tier in [tier.name for tier in deployed.tiers]
    assert plan.configuration == "light"
    assert plan.search["data"] == {"name": "blocks", "split": "val", "images": 8}
    assert list(plan.report) == ["second_half", "test"]
    assert plan.chosen.mean["latency_ms"] <= plan.search["baseline"]["first_half"]["mean"][
        "latency_ms"
    ] * (1 + 1e-9)
    assert plan.search["latencies"]["light"]["one_shot_ms"] > 0


def test_a_picture_and_a_table_come_with_it(found: Path) -> None:
    names = sorted(path.name for path in found.iterdir())
    assert names == ["plan.json", "plan.png", "tables", "text"]
    assert (found / "plan.png").read_bytes()[1:4] == b"PNG"
    lines = (found / "text").read_text().splitlines()
    assert lines[1].startswith("final-only light, first half")
    assert [line.split(",")[1].split("  ")[0] for line in lines[2:5]] == [
        " first half",
        " second half",
        " test",
    ]


def test_what_was_measured_is_used_again(
    found: Path,
    network_file: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise StopError

    monkeypatch.setattr(measured_exits, "measure_exits", stop)
    monkeypatch.setattr(measured_exits, "time_exits", stop)
    out = ["--out", tmp_path / "other.json", "--max-drop", 100, "--setting", "budgeted"]
    assert run(network_file, data, found, *out, "--json") == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told == json.loads((tmp_path / "other.json").read_text())
    assert told["constraints"]["objective"] == "cost"
    assert told["default_tier"] == "light_exit1"
    assert (tmp_path / "other.png").is_file()
    assert "[1/3] measure: 3 early exits of light by 3 policies on 8 images" in captured.err
    plan = tmp_path / "other"
    assert captured.err.splitlines()[-1] == (
        f"Wrote {plan}.json, {plan}.png. Next: tierseg export {network_file} --data {data} "
        f"--search {plan}.json --out {plan}.tflite"
    )
    with pytest.raises(StopError):
        run(network_file, data, found, *out, "--report-on", "train")


def test_what_is_out_of_reach_is_one_line(found: Path, network_file: Path, data: Path) -> None:
    before = (found / "plan.json").read_bytes()
    with pytest.raises(kit.InputError) as caught:
        run(network_file, data, found, "--max-latency-ms", 1e-6)
    assert caught.value.exit_status == 2
    assert "the nearest is light budgeted with exits" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (found / "plan.json").read_bytes() == before


def test_too_few_images_are_the_tables_own_error(
    network_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = write_blocks(tmp_path / "few", train=1, val=3, test=1)
    monkeypatch.setattr(measured_exits, "time_exits", None)  # it is known before
    with pytest.raises(kit.InputError, match="must hold 8 images or more"):
        run(network_file, few, tmp_path)


def test_a_network_without_exits_is_told_what_to_do(
    network: kit.AdaptiveUNet, data: Path, tmp_path: Path
) -> None:
    network.save(tmp_path / "plain.keras")
    with pytest.raises(TiersegError, match=r"must have early exits .* kit\.overprovision"):
        run(tmp_path / "plain.keras", data, tmp_path)


# === Options ===


@pytest.mark.parametrize(
    ("options", "goal"),
    [
        ([], SearchGoal("error")),
        (["--max-latency-ms", 20], SearchGoal("error", {"latency_ms": 20.0})),
        (["--max-drop", 0.5], SearchGoal("cost", max_drop=0.5)),
        (["--max-drop", 1, "--objective", "error"], SearchGoal("error", max_drop=1.0)),
        (
            ["--max-macs", 1.5, "--max-size-mb", 3, "--max-memory-mb", 4],
            SearchGoal("error", {"macs": 1.5e9, "size_bytes": 3e6, "memory_bytes": 4e6}),
        ),
        (["--deadline-ms", 30], SearchGoal("error", worst={"latency_ms": 30.0})),
        (
            ["--setting", "final", "--setting", "anytime", "--max-exits", 3],
            SearchGoal("error", settings=("final", "anytime"), max_exits=3),
        ),
    ],
)
def test_options_are_the_goal(
    monkeypatch: pytest.MonkeyPatch, options: list[Any], goal: SearchGoal
) -> None:
    assert goal_of(monkeypatch, *options)[0] == goal


def test_the_other_options_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, plain = goal_of(monkeypatch)
    assert plain["policies"] == POLICIES
    assert (plain["configurations"], plain["report_on"], plain["tables"]) == (None, None, None)
    _, more = goal_of(
        monkeypatch,
        *("--configuration", "light", "--configuration", "heavy", "--policies", "top1:0.9"),
        *("--threads", 2, "--rounds", 7, "--report-on", "test", "--tables", tmp_path),
    )
    assert more["configurations"] == ("light", "heavy")
    assert more["policies"] == (ExitPolicy("top1", 0.9),)
    assert (more["threads"], more["rounds"], more["tables"]) == (2, 7, tmp_path)
    assert more["report_on"].split == "test"


def test_the_plan_is_json(data: Path, network_file: Path, tmp_path: Path) -> None:
    with pytest.raises(TiersegError, match=r"`--out` must end in \.json; got .*plan\.txt"):
        run(network_file, data, tmp_path, "--out", tmp_path / "plan.txt")
