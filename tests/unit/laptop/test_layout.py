"""Private files: whole or not at all, and for their owner alone."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict, replace
from pathlib import Path

from laptop import credentials
from laptop.layout import StateFolder, write_private


def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The mode is 0600 even when the file was there with another."""
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (0o600, "new") == (stat.S_IMODE(path.stat().st_mode), path.read_text())
    assert [path] == list(tmp_path.iterdir())


def test_credentials_are_made_once(tmp_path: Path) -> None:
    """The second start reads what the first made, and the file is private."""
    path = tmp_path / "credentials.json"
    first = credentials.load_or_generate(path)
    assert first == credentials.load_or_generate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_generated_password_pleases_cognito() -> None:
    """It has a lower and an upper case letter, a digit and a symbol, whatever the draw."""
    for _ in range(50):
        password = credentials.generate().password
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)
        assert any(not c.isalnum() for c in password)


def test_no_two_stacks_share_a_key() -> None:
    """Every generated secret differs from stack to stack."""
    one, other = credentials.generate(), credentials.generate()
    assert one.root_secret != other.root_secret
    assert one.exchange_secret != other.exchange_secret
    assert one.exchange_admin_token != other.exchange_admin_token
    tokens = {one.exchange_faults_token, other.exchange_faults_token, one.exchange_admin_token, ""}
    assert len(tokens) == 4


def test_credentials_of_an_older_release_get_what_they_lack(tmp_path: Path) -> None:
    """The token of the faults is made once; all else stays as it was."""
    path = tmp_path / "credentials.json"
    old = replace(credentials.generate(), exchange_faults_token="")
    held = {name: value for name, value in asdict(old).items() if value or name != "exchange_faults_token"}
    write_private(path, json.dumps(held))
    added = credentials.load_or_generate(path)
    assert added.exchange_faults_token
    assert replace(added, exchange_faults_token="") == old
    assert credentials.load_or_generate(path) == credentials.load(path) == added


def test_a_new_state_folder_is_private(tmp_path: Path) -> None:
    """Nobody else may look into it."""
    folder = StateFolder.at(tmp_path / "state")
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
