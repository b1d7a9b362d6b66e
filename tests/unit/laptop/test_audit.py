"""What an audit says of the tools' answers, and what a bill of materials makes of them."""

from __future__ import annotations

from typing import Any

from laptop import audit
from laptop.audit import Judged, read_npm_audit, read_pip_audit


def test_a_vulnerable_package_is_a_finding() -> None:
    """The line names the package, its version, the advisory and the version that mends it."""
    told = {
        "dependencies": [
            {"name": "six", "version": "1.17.0", "vulns": []},
            {
                "name": "urllib3",
                "version": "1.0",
                "vulns": [
                    {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]},
                    {"id": "PYSEC-2", "fix_versions": []},
                ],
            },
        ]
    }
    found = read_pip_audit("layers/api.txt", told)
    assert (found.judged, found.unjudged) == (2, 0)
    assert found.findings == (
        "urllib3 1.0: PYSEC-1, mended in 1.1, 2.0",
        "urllib3 1.0: PYSEC-2, mended in no version yet",
    )


def test_a_package_without_an_answer_is_not_judged() -> None:
    """pip-audit skips what its index does not know and says that all is well; here it is unjudged."""
    told = {"dependencies": [{"name": "six", "skip_reason": "not found"}]}
    assert read_pip_audit("x", told) == Judged("x", 0, 1)


def test_npm_s_error_is_no_clean_bill() -> None:
    """A registry that refuses to audit judged none of the packages."""
    assert read_npm_audit("x", {"message": "405 Method Not Allowed"}, 7) == Judged("x", 0, 7)


def test_npm_s_findings_are_told() -> None:
    """Each vulnerable package has its line, with whether npm knows a way out."""
    told = {"vulnerabilities": {"ws": {"range": "<8.17", "severity": "high", "fixAvailable": True}}}
    assert read_npm_audit("x", told, 7) == Judged("x", 7, 0, ("ws <8.17: high, mended by npm audit fix",))


def test_an_audit_fails_on_findings_alone(monkeypatch: Any, capsys: Any) -> None:
    """Unanswered packages are a loud warning; one finding is a failure."""
    monkeypatch.setattr(audit, "audited", lambda: [Judged("a.txt", 0, 3)])
    assert audit.audit() == 0
    assert "NOT EVERYTHING WAS JUDGED" in capsys.readouterr().err
    monkeypatch.setattr(audit, "audited", lambda: [Judged("a.txt", 3, 0, ("six 1: X",))])
    assert audit.audit() == 1
    assert "a.txt: six 1: X" in capsys.readouterr().err


def test_what_several_parts_ship_is_listed_once() -> None:
    """A wheel that is in two layers is one component that names both."""
    listed: dict[str, dict[str, Any]] = {}
    one = {
        "purl": "pkg:pypi/six@1.17.0",
        "name": "six",
        "bom-ref": "requirements-L1",
        "description": "line 1",
    }
    audit._collect(listed, "layers/api", [one])
    audit._collect(listed, "layers/broker", [{**one, "bom-ref": "requirements-L9"}])
    assert listed == {
        "pkg:pypi/six@1.17.0": {
            "purl": "pkg:pypi/six@1.17.0",
            "name": "six",
            "bom-ref": "pkg:pypi/six@1.17.0",
            "properties": [
                {"name": "alpaquero:part", "value": "layers/api"},
                {"name": "alpaquero:part", "value": "layers/broker"},
            ],
        }
    }
