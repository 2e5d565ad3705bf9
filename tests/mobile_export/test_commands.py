"""The verbs do what their functions do, say it as text or JSON, and end with the right status."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import kit
from kit.quantization import FakeQuant, quantize
from kit.quantization.low_bit_conv import LowBitConv
from kit.quantization.packed import unpack
from mobile_export import commands
from mobile_export.commands import benchmark, evaluate, export, load_network, pack, verify
from mobile_export.runtime import Bundle, TiersegError
from mobile_export.runtime.command_line import main
from tests.mobile_export.block_folder import write_blocks
from tests.mobile_export.blocks import CLASSES, CONFIGURATIONS, small_network
from tests.mobile_export.conftest import Made

LENIENT = ["--min-agreement", "0.7"]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blocks as a folder of one's own."""
    return write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=6, val=4)


@pytest.fixture(scope="session")
def network_file(network: kit.AdaptiveUNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "network.keras"
    network.save(path)
    return path


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Path:
    """A bundle that may be written to."""
    path = tmp_path / "copy.tflite"
    path.write_bytes(made.path.read_bytes())
    return path


def run(command: click.Command, *words: Any) -> int:
    """Exit status of a verb, as the command line takes it."""
    return command.main([str(word) for word in words], standalone_mode=False) or 0


def output(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# === export ===


def test_export_writes_a_bundle(
    network_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "light.tflite"
    words = ["--data", data, "--out", out, "--tier", "light", "--images", 4, *LENIENT, "--json"]
    words += ["--kotlin", tmp_path / "Light.kt", "--license", "CC0-1.0"]
    assert run(export, network_file, *words, "--evaluate-on", "test", "--threads", 1) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    metadata = Bundle.open(out).metadata
    assert captured.err.splitlines()[-1] == (
        f"Wrote {out}. Next: tierseg verify {out} --network {network_file} --data {data}"
    )
    assert told["bundle"] == str(out)
    assert told["size_bytes"] == out.stat().st_size
    assert told["recipe"] == "ptq"
    assert told["verification"]["passed"] is True
    assert metadata["calibration"]["count"] == 4
    assert metadata["license"] == "CC0-1.0"
    assert [label["name"] for label in metadata["labels"]] == [label.name for label in CLASSES]
    assert metadata["tiers"][0]["measured_on"]["images"] == 3
    assert told["kotlin"] == str(tmp_path / "Light.kt")
    assert f'SHA256 = "{metadata["sha256"]}"' in (tmp_path / "Light.kt").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kotlin", "a.txt"], r"the Kotlin file must end in \.kt; got 'a\.txt'"),
        (["--kotlin", "a.kt", "--outputs", "logits"], "`--kotlin` needs `--outputs` to be mask"),
    ],
)
def test_a_wrong_kotlin_file_is_refused_first(words: list[str], message: str) -> None:
    with pytest.raises(TiersegError, match=message):
        run(export, "no_such.keras", "--data", "none", "--out", "a.tflite", *words)


def test_export_of_what_is_refused_is_status_1(
    network_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "light.tflite"
    words = ["--data", data, "--out", out, "--tier", "light", "--images", 2, "--threads", 1]
    assert run(export, network_file, *words, "--min-agreement", 1) == 1
    told = capsys.readouterr().out
    assert "FAIL  agreement" in told
    assert told.rstrip().endswith("light.tflite is refused")
    assert list(tmp_path.iterdir()) == []


def test_export_calibrates_on_images_of_the_whole_split(
    network_file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        pass

    def stop(network: object, path: Path, images: list, **options: object) -> None:
        assert len(images) == 3
        raise StopError

    indices: list[int] = []
    image = kit.data.FolderDataset.image
    monkeypatch.setattr(
        kit.data.FolderDataset, "image", lambda self, i: indices.append(i) or image(self, i)
    )
    monkeypatch.setattr(commands, "run_export", stop)
    with pytest.raises(StopError):
        run(export, network_file, "--data", data, "--out", tmp_path / "a.tflite", "--images", 3)
    assert indices == [0, 2, 4]


def test_export_of_other_classes_is_wrong_use(data: Path, tmp_path: Path) -> None:
    other = kit.AdaptiveUNet(3, (64, 64), width=0.35, decoder_widths=(8,) * 4, adaptive=False)
    other.save(tmp_path / "other.keras")
    with pytest.raises(
        TiersegError, match=r"other\.keras has 3 classes; expected the 5 of .*block"
    ):
        run(export, tmp_path / "other.keras", "--data", data, "--out", tmp_path / "a.tflite")


# === verify ===


def test_verify_a_good_bundle(
    made: Made, network_file: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--network", network_file, "--data", data, *LENIENT, "--images", 2, "--json"]
    assert run(verify, made.path, *words) == 0
    told = output(capsys)
    assert told["passed"] is True
    assert told["checks"][-1]["name"] == "agreement"


def test_verify_a_bundle_alone(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verify, made.path) == 0
    told = capsys.readouterr()
    assert told.out.rstrip().endswith("fulfils the contract")
    assert told.err.splitlines()[-1] == f"Next: tierseg benchmark {made.path} --record"


def test_verify_with_another_network_is_status_1(
    made: Made, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_network(seed=1).save(tmp_path / "other.keras")
    words = ["--network", tmp_path / "other.keras", "--data", data, "--images", 2, *LENIENT]
    assert run(verify, made.path, *words) == 1
    told = capsys.readouterr()
    assert "FAIL  agreement" in told.out
    assert "Next" not in told.err


def test_verify_a_damaged_bundle_is_status_1(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[5000] ^= 8
    copy.write_bytes(content)
    assert run(verify, copy) == 1


def test_a_network_needs_images(made: Made, network_file: Path) -> None:
    with pytest.raises(TiersegError, match="`--network` needs `--data`"):
        run(verify, made.path, "--network", network_file)


# === evaluate ===


def test_evaluate_a_bundle(copy: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(evaluate, copy, "--data", data, "--tier", "light", "--record", "--json") == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert captured.err.splitlines()[-1] == (
        f"Wrote {copy} (its metadata). Next: tierseg benchmark {copy} --record"
    )
    assert (told["subject"], told["split"], told["images"]) == (str(copy), "test", 3)
    (tier,) = told["tiers"]
    light, medium, _ = Bundle.open(copy).metadata["tiers"]
    assert light["miou"] == pytest.approx(tier["miou"], abs=1e-5)
    assert light["measured_on"]["split"] == "test"
    assert medium["measured_on"]["split"] == "val"


def test_evaluate_a_network(
    network_file: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(evaluate, network_file, "--data", data, "--split", "val") == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].endswith("on blocks val, 4 images, percent")
    bundle = network_file.with_suffix(".tflite")
    assert told.err.splitlines()[-1] == (
        f"Next: tierseg export {network_file} --data {data} --out {bundle}"
    )
    assert lines[1].split() == list(CONFIGURATIONS)


def test_a_network_has_no_metadata_to_record_in(network_file: Path, data: Path) -> None:
    with pytest.raises(TiersegError, match="`--record` must be used with a bundle"):
        run(evaluate, network_file, "--data", data, "--record")


# === benchmark ===


def test_benchmark_records_latencies(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--rounds", 2, "--tier", "light", "--tier", "heavy", "--runtime", "--record"]
    assert run(benchmark, copy, *words, "--json") == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert captured.err.splitlines()[-1] == (
        f"Wrote {copy} (its metadata). Next: tierseg demo {copy}  "
        f"(or masks as files: tierseg segment {copy} IMAGE --out masks)"
    )
    assert [row["signature"] for row in told["rows"]] == ["light", "heavy"]
    assert told["runtime"][0]["cold_start_ms"] > 0
    light, medium, _ = Bundle.open(copy).metadata["tiers"]
    assert light["latency_ms"] == pytest.approx(told["rows"][0]["p50_ms"], abs=1e-3)
    assert light["latency_measured_with"]["threads"] == 1
    assert "latency_ms" not in medium


def test_benchmark_as_text(
    made: Made, network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rounds", 2, "--tier", "light", "--network", network_file, "--runtime"]
    assert run(benchmark, made.path, *words) == 0
    told = capsys.readouterr().out
    assert "float32" in told
    assert "cold start" in told


# === pack ===


@pytest.fixture(scope="module")
def few_bits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with kernels of 2 bits."""
    policy = {"policy": "qat", "weight_bits": 2, "activation_bits": 4}
    path = tmp_path_factory.mktemp("few") / "few.keras"
    quantize(kit.FCNVGG16(len(CLASSES), (32, 32), width=0.05), policy).save(path)
    return path


def test_pack_writes_kernels_in_their_bits(
    few_bits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "few.packed"
    assert run(pack, few_bits, "--out", out, "--json") == 0
    told = output(capsys)
    network = load_network(few_bits)
    size = out.stat().st_size
    floats = 4 * sum(int(np.prod(variable.shape)) for variable in network.weights)
    # Of the kernels between the edges, three quarters of the bytes of int8 are saved.
    assert isinstance(network.arithmetic, FakeQuant)
    narrow = [made for made in network.arithmetic.convolutions if isinstance(made, LowBitConv)]
    saved = sum(codes.size - -(-codes.size // 4) for codes in (made.codes()[0] for made in narrow))
    assert saved
    assert told == {
        "packed": str(out),
        "bytes": size,
        "to_float32": pytest.approx(size / floats),
        "to_int8": pytest.approx(size / (size + saved)),
    }
    assert [path.name for path in out.parent.iterdir()] == ["few.packed"]
    assert unpack(out).arithmetic.to_policy() == network.arithmetic.to_policy()


@pytest.mark.parametrize("policy", ["float32", "integer"])
def test_pack_of_other_kernels_is_in_float32(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = quantize(kit.FCNVGG16(len(CLASSES), (32, 32), width=0.05), policy)
    network.save(tmp_path / "wide.keras")
    out = tmp_path / "wide.packed"
    assert run(pack, tmp_path / "wide.keras", "--out", out) == 0
    size, count = out.stat().st_size, sum(int(np.prod(v.shape)) for v in network.weights)
    told = f"{out}: {size / 1000:.1f} kB, {size / (4 * count):.3f} of float32\n"
    assert capsys.readouterr().out == told
    for a, b in zip(unpack(out).weights, network.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=b.path)


@pytest.mark.parametrize(
    ("network", "out", "message"),
    [
        ("absent.keras", "a.packed", "absent.keras must be a network (.keras); got no such file"),
        ("few.keras", "few.keras", "`--out` must be another file than NETWORK; got "),
        ("few.keras", "folder", "folder: Is a directory"),
        ("few.keras", "few.keras/a.packed", "few.keras: "),
    ],
)
def test_pack_of_wrong_input_is_one_line_and_status_2(
    network: str,
    out: str,
    message: str,
    few_bits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "few.keras").write_bytes(few_bits.read_bytes())
    (tmp_path / "folder").mkdir()
    assert main(["pack", str(tmp_path / network), "--out", str(tmp_path / out)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err
    assert told.err.startswith("Error: ")
    assert told.err.count("\n") == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"few.keras", "folder"}
    assert (tmp_path / "few.keras").read_bytes() == few_bits.read_bytes()


def test_a_full_disk_leaves_the_earlier_file(
    few_bits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "few.packed"
    out.write_bytes(b"an earlier file")

    def fill(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OSError, match=r"No space left on device: .*few\.packed"):
        run(pack, few_bits, "--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["few.packed"]
    assert out.read_bytes() == b"an earlier file"


# === What is no network ===


def test_networks_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(TiersegError, match=r"none\.keras must be a network .*; got no such file"):
        load_network(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("not a network")
    with pytest.raises(TiersegError, match=r"text\.keras must be a network .*; Keras says: "):
        load_network(tmp_path / "text.keras")
    (tmp_path / "weights.h5").write_text("")
    with pytest.raises(TiersegError, match=r"weights\.h5 must be a network .*; got another file"):
        load_network(tmp_path / "weights.h5")


def test_a_network_of_another_kind_is_named(tmp_path: Path, network: kit.AdaptiveUNet) -> None:
    network.tier("light").save(tmp_path / "tier.keras")
    with pytest.raises(TiersegError, match="must be an adaptive network of this kit; got a Funct"):
        load_network(tmp_path / "tier.keras")
