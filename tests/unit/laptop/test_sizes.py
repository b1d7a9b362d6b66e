"""What weighs how much, against which limit."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from laptop.errors import LaptopError
from laptop.sizes import function_sizes
from laptop.template import functions
from laptop.weights import refuse_heavy, unpacked_bytes, zip_limit_mb


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """A zip of 3,000 bytes that packs to a few."""
    path = tmp_path / "part.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("python/a/x.py", b" " * 1000)
        archive.writestr("python/b.py", b" " * 2000)
    return path


def test_each_part_has_its_limit() -> None:
    """The API layer and what only sign-in needs have tighter limits than the other layers."""
    assert [zip_limit_mb(f"layers/{name}") for name in ("api", "auth", "broker", "research")] == [
        10,
        6,
        40,
        40,
    ]
    assert zip_limit_mb("functions/trading") == 1


def test_unpacked_is_what_lambda_counts(zipped: Path) -> None:
    """The bytes of the files, not of the zip."""
    assert unpacked_bytes(zipped) == 3000


def test_parts_within_their_limits_pass(zipped: Path) -> None:
    """A light zip is accepted under any name."""
    refuse_heavy({"layers/auth": zipped, "functions/trading": zipped})


def test_every_heavy_part_is_named(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts over a limit are named at once, with their heaviest packages."""
    monkeypatch.setattr("laptop.weights.zip_limit_mb", lambda _path: 0)
    with pytest.raises(LaptopError, match=r"layers/api weighs.*a 0\.0 MB.*; layers/auth weighs"):
        refuse_heavy({"layers/api": zipped, "layers/auth": zipped})


def test_a_function_unpacks_its_code_and_all_its_layers(zipped: Path) -> None:
    """Layers of the globals and a function's own add up with its folder."""
    names = ("alpaquero", "api", "auth", "broker", "research")
    artifacts = {f"layers/{name}": zipped for name in names}
    artifacts |= {given["CodeUri"].rstrip("/"): zipped for given in functions().values()}
    sizes = function_sizes(artifacts)
    assert sizes["GatewayApi"] == (
        ["layers/alpaquero", "layers/api", "layers/auth", "functions/gateway"],
        4 * 3000,
    )
    assert sizes["ConfigurationApi"][1] == 3 * 3000
    assert sizes.keys() == functions().keys()
