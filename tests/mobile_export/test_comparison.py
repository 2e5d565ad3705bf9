"""What 8 bits cost: against evaluations made one by one, and where the error was put by hand."""

import numpy as np
import pytest

import kit
from mobile_export.comparison import Comparison, compare
from mobile_export.evaluation import evaluate_bundle, evaluate_network
from mobile_export.exporter import export
from mobile_export.runtime import TiersegError
from mobile_export.sampling import spread
from tests.mobile_export.blocks import Blocks

DATA, TRAIN = Blocks("val", 5), Blocks("train", 8)


@pytest.fixture(scope="module")
def qat(network: kit.AdaptiveUNet) -> kit.AdaptiveNetwork:
    images = np.stack([TRAIN.image(i) for i in range(8)]).astype(np.float32)
    return kit.quantize(network, "qat", [images])


@pytest.fixture(scope="module")
def found(network: kit.AdaptiveUNet, qat: kit.AdaptiveNetwork) -> Comparison:
    return compare(network, [qat], DATA, TRAIN, tiers=["light"], images=8)


def test_scores_are_those_of_network_and_bundles(
    found: Comparison,
    network: kit.AdaptiveUNet,
    qat: kit.AdaptiveNetwork,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert [(row.tier, row.arithmetic) for row in found.rows] == [
        ("light", "float32"),
        ("light", "ptq"),
        ("light", "qat"),
    ]
    (plain,) = evaluate_network(network, DATA, ["light"]).scores
    assert found.rows[0].miou == pytest.approx(plain.miou, abs=1e-3)
    for row, made in zip(found.rows[1:], (network, qat), strict=True):
        path = tmp_path_factory.mktemp("bundle") / "one.tflite"
        export(made, path, spread(TRAIN, 8), tiers=["light"], min_agreement=0.5)
        (score,) = evaluate_bundle(path, DATA).scores
        assert row.miou == pytest.approx(score.miou)
        assert row.drop == pytest.approx(score.miou - found.rows[0].miou)


def test_the_worst_class_and_layer_are_named(found: Comparison) -> None:
    for row in found.rows[1:]:
        assert row.worst_class in {item.name for item in DATA.classes}
        assert row.worst_class_drop is not None
        assert row.drop is not None
        assert row.worst_class_drop <= row.drop + 1e-9
        assert row.worst_layer is not None
        assert row.worst_layer_db is not None
        assert 0 < row.worst_layer_db < 60
    assert "noisiest layer" in found.table()
    assert found.to_dict()["rows"][2]["arithmetic"] == "qat"


def test_networks_of_the_wrong_arithmetic_are_refused(
    network: kit.AdaptiveUNet, qat: kit.AdaptiveNetwork
) -> None:
    with pytest.raises(TiersegError, match="`network` must be in float32; got qat"):
        compare(qat, [], DATA, TRAIN)
    with pytest.raises(TiersegError, match="must have been trained in 8 bits; got float32"):
        compare(network, [network], DATA, TRAIN)
    with pytest.raises(TiersegError, match=r"one network of each arithmetic .*; got qat twice"):
        compare(network, [qat, qat], DATA, TRAIN)
    with pytest.raises(TiersegError, match="`tiers` must be tiers of every network; got 'odd'"):
        compare(network, [qat], DATA, TRAIN, tiers=["odd"])
