"""The Android part of the Kotlin library and the sample app compile, without a warning.

There is no Android here: `stubs/` declares what they call of it, of AndroidX and of LiteRT.
"""

import json
import re
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

from tests.mobile_export.clients.android.kotlin_compiler import ANDROID

_MODULES = ("contract", "tierseg", "sample")
_ANDROID_NAME = "{http://schemas.android.com/apk/res/android}name"


@pytest.mark.clients
def test_it_compiles_against_the_stubs(library_jar: Path) -> None:
    with zipfile.ZipFile(library_jar) as jar:
        names = set(jar.namelist())
    expected = {"Segmenter", "Governor", "LiteRtRunner", "BundleAssetKt", "sample/MainActivity"}
    assert {f"io/tierseg/{name}.class" for name in expected} <= names
    assert not {name for name in names if name.startswith("org/tensorflow")}


def test_the_contract_needs_no_android() -> None:
    for path in (ANDROID / "contract").rglob("*.kt"):
        assert not re.search(r"^import (android|androidx|org\.tensorflow)", path.read_text(), re.M)


def test_no_module_ships_the_stubs() -> None:
    for module in _MODULES:
        build = (ANDROID / module / "build.gradle.kts").read_text()
        assert "stubs" not in build
        assert f'":{module}"' in (ANDROID / "settings.gradle.kts").read_text()


def test_every_plugin_has_one_version_and_every_library_a_bound() -> None:
    root = (ANDROID / "build.gradle.kts").read_text()
    for module in _MODULES:
        build = (ANDROID / module / "build.gradle.kts").read_text()
        for plugin in re.findall(r"^    ((?:id|kotlin)\(.+\))$", build, re.M):
            assert re.search(rf"{re.escape(plugin)} version \"[0-9.]+\" apply false", root), plugin
        for library in re.findall(r"(?:implementation|api)\(\"(.+?)\"\)", build):
            assert library.count(":") == 2 or library == "com.google.ai.edge.litert:litert"
    build = (ANDROID / "tierseg" / "build.gradle.kts").read_text()
    assert 'require("[1.4.0, 3.0.0[")' in build


def test_the_compiler_that_checks_is_the_one_that_builds() -> None:
    pinned = json.loads((ANDROID / "package.json").read_text())["devDependencies"]
    root = (ANDROID / "build.gradle.kts").read_text()
    assert f'kotlin("jvm") version "{pinned["kotlin-compiler"]}"' in root


def test_the_manifest_names_the_activity() -> None:
    main = ANDROID / "sample" / "src" / "main"
    manifest = ET.parse(main / "AndroidManifest.xml")
    (activity,) = manifest.iter("activity")
    path = main / "kotlin" / (activity.attrib[_ANDROID_NAME].replace(".", "/") + ".kt")
    assert f"class {path.stem} : AppCompatActivity()" in path.read_text()


def test_the_lock_names_no_registry() -> None:
    lock = (ANDROID / "package-lock.json").read_text()
    assert '"kotlin-compiler": "2.4.20"' in lock
    assert "resolved" not in lock
    assert "http" not in lock
