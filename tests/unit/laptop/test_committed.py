"""What a commit may not carry: addresses of registries, paths of machines, secrets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from laptop import committed
from laptop.committed import findings, findings_in, tracked

# Put together here, or these lines themselves would be refused.
BAD = {
    "an index": "--index-" + "url somewhere",
    "a wheel's address": "six @ https:" + "//files.example.org/packages/six-1.17.0.whl",
    "a resolved tarball": '"resolved": ' + '"' + "https:" + "//npm.example.org/six",
    "a home folder": "open('/" + "home/ana/prices.csv')",
    "a Mac's home folder": "/" + "Users/ana/prices.csv",
    "a key of AWS": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a secret key of AWS": "aws_secret_access_key = " + "a" * 40,
    "a key of Alpaca": "PK" + "ABCDEFGHIJKLMNOPQR",
    "a program's key": "Bearer aqk.reports." + "a1B2" * 11,
    "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    "a token of GitHub": "ghp_" + "a" * 36,
    "npm's password": "//npm.example.org/:_auth" + "Token=abc",
    "an access token": "eyJ" + "a" * 30 + ".eyJ" + "b" * 30 + "." + "c" * 30,
    "an address with a password": "https://ana:" + "correct-horse@example.org",
}
GOOD = (
    "six==1.17.0 --hash=sha256:8721f391",
    "https://docs.alpaca.markets/docs/about-market-data-api",
    '"six": "^1.17.0"',
    "fake.home/ana, ~/root/x and $HOME/.aws",
    "the route /api/home/x, the table PKG and aqk.NAME.SECRET",
    "aws_secret_access_key = ...",
    "https://someone:word@data.alpaca.markets",
)


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_a_line_of_a_bad_shape_is_found_where_it_stands(line: str) -> None:
    """Its file and line are named, with what to do instead; the words themselves are not repeated."""
    found = list(findings_in("functions/x.py", f"first\n{line}\nlast\n"))
    assert {(one.path, one.line) for one in found} == {("functions/x.py", 2)}
    assert all(line not in str(one) and one.fix for one in found)


@pytest.mark.parametrize("line", GOOD)
def test_a_line_that_only_resembles_one_passes(line: str) -> None:
    """Hashes, links, names of packages and placeholders are no findings."""
    assert list(findings_in("functions/x.py", f"{line}\n")) == []


@pytest.mark.parametrize("path", ["localstack/credentials.json", "deploy/key.pem", ".env"])
def test_a_file_that_keeps_secrets_is_refused_by_its_name(path: str) -> None:
    """Whatever is in it."""
    assert [one.what for one in findings_in(path, "")] == ["a file that keeps secrets"]


def test_the_folder_of_the_checkout_is_refused(tmp_path: Path) -> None:
    """A file that names where this very checkout lies works on one machine alone."""
    (tmp_path / "a.txt").write_text(f"see {tmp_path}/b\n")
    (tmp_path / "b.txt").write_text("see b\n")
    assert [one.path for one in findings(tmp_path, ["a.txt", "b.txt", "gone.txt"])] == ["a.txt"]


def test_what_git_has_is_looked_at(tmp_path: Path) -> None:
    """What is not added is nobody's business yet; a folder that is no checkout has nothing."""
    assert tracked(tmp_path) == []
    (tmp_path / "added.txt").write_text("")
    (tmp_path / "left.txt").write_text("")
    for command in (["init", "--quiet"], ["add", "added.txt"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert tracked(tmp_path) == ["added.txt"]


def test_a_finding_ends_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So `make check` and the hook stop there."""
    monkeypatch.setattr(committed, "REPOSITORY", tmp_path)
    (tmp_path / "a.txt").write_text(BAD["a key of AWS"])
    assert committed.main(["a.txt"]) == 1
    assert "error: a.txt:1: a key of AWS" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("nothing\n")
    assert committed.main(["a.txt"]) == 0
