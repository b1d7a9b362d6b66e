"""What the documents say of the system, held against the system."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

import click
import pytest

from alpaquero.events.schemas import EVENTS
from laptop.cli import commands, main
from laptop.layout import REPOSITORY
from laptop.stack import DEFAULT_PORTS
from laptop.template import functions, template

README = (REPOSITORY / "README.md").read_text()
COST = (REPOSITORY / "infra" / "cost.md").read_text()
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
FOLDERS = (REPOSITORY, REPOSITORY / "docs", REPOSITORY / "docs" / "services", REPOSITORY / "infra")
PAGES = sorted(page for folder in FOLDERS for page in folder.glob("*.md"))
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
WORKERS = sorted(name for name, given in functions().items() if not given["Handler"].startswith("api."))
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


def of_type(kind: str) -> list[str]:
    """The logical ids of the template's resources of one type."""
    return [name for name, resource in template()["Resources"].items() if resource["Type"] == kind]


@pytest.mark.parametrize("name", WORKERS)
def test_every_worker_is_described(name: str) -> None:
    """Each Lambda function that is no API has its row, with its file."""
    folder = functions()[name]["CodeUri"].removeprefix("functions/").rstrip("/")
    module = functions()[name]["Handler"].split(".")[0]
    assert f"| {name} | {folder}/{module}.py |" in ARCHITECTURE


@pytest.mark.parametrize("name", of_type("AWS::DynamoDB::Table"))
def test_every_table_is_described(name: str) -> None:
    """Each table has its rows."""
    assert re.search(rf"^\| {name}( \(.*\))? \|", ARCHITECTURE, re.MULTILINE)


@pytest.mark.parametrize("name", [n for n in of_type("AWS::SQS::Queue") if not n.endswith("DeadLetters")])
def test_every_queue_is_described(name: str) -> None:
    """Each queue is named with its message."""
    assert name in ARCHITECTURE


def test_every_variable_is_described_and_every_described_one_is_set() -> None:
    """The table of the environment has what the template gives its functions, and nothing else."""
    given = [*functions().values(), template()["Globals"]["Function"]]
    variables = {name for one in given for name in one.get("Environment", {}).get("Variables", {})}
    section = ARCHITECTURE.split("## Environment of the functions")[1].split("\n## ")[0]
    described = set(re.findall(r"`([A-Z][A-Z_]+)`", section.split("\n\n")[2]))
    own_rows = re.compile(r"\w+_(TABLE|QUEUE)$")  # `<X>_TABLE`, `<X>_QUEUE`
    assert described == {name for name in variables if not own_rows.match(name)}


def test_events_that_are_named_exist() -> None:
    """An event name in the architecture is an event of the code."""
    section = ARCHITECTURE.split("## Events")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", section)) - {"PositionQueue"}
    assert {name for name in named if name.endswith("ed")} <= set(EVENTS)


def test_the_port_table_is_the_codes() -> None:
    """The README's ports are those the laptop takes by default, all of them."""
    told = {int(port) for port in re.findall(r"^\| (\d{4}) \|", README, re.MULTILINE)}
    assert told == set(DEFAULT_PORTS.values())


def anchors(page: Path) -> set[str]:
    """What a link may name after its #, as hosts make it of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", REPOSITORY / "docs" / "deploy.md"])
def test_the_price_is_that_of_the_cost_page(page: Path) -> None:
    """What a month costs for 100 symbols and bars of a day, at list price and with what is free."""
    row = next(line for line in COST.splitlines() if line.startswith("| 100 |"))
    told = re.search(
        r"[Ss]ome (\d+) dollars a month.*?(\d+) with what AWS leaves free", page.read_text(), re.DOTALL
    )
    assert told
    assert [round(float(amount)) for amount in row.split("|")[-2].split("/")] == [int(told[1]), int(told[2])]


@every_page
def test_commands_that_are_named_exist(page: Path) -> None:
    """Every `make X` and `python -m X` can be typed."""
    text = page.read_text()
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= MAKE_TARGETS
    for module in set(re.findall(r"python -m (laptop[\w.]*)", text)):
        assert find_spec(module), module
    for path in set(re.findall(r"pytest (tests/[\w./-]+)", text)):
        assert (REPOSITORY / path).exists(), path


def typed(page: Path) -> list[tuple[str, bool]]:
    """What a page types behind `alpaquero`, and whether it stands whole, on a line of its own."""
    text = page.read_text()
    within = re.findall(r"`(?:\.venv/bin/)?alpaquero ([^`|]+)`", text)
    lines = re.findall(r"^ *(?:\.venv/bin/)?alpaquero ([a-z][^\n`]*)$", text, re.MULTILINE)
    return [(one, False) for one in within] + [(one, True) for one in lines]


def check_command(line: str, *, whole: bool = True) -> None:
    """Fails where the real parser would: a word or option it does not know, a value that does not fit.

    A `whole` line also has every argument. What a shell takes for itself is left out.
    """
    words = list(takewhile(lambda word: word not in {">", "|"}, shlex.split(line, comments=True)))
    command: click.Command = commands
    context = click.Context(command, info_name="alpaquero")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, context, info_name=found.name)
    given, left, _ = command.make_parser(context).parse_args(words)
    assert not left, f"{left} are too many"
    for parameter in command.params:
        value = given.get(parameter.name)
        there = isinstance(value, str | tuple | bool) and value != ()
        assert there or not (whole and parameter.required), f"{parameter.name} is missing"
        # A file of the reader's is not there.
        if there and not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, value)


@every_page
def test_commands_parse(page: Path) -> None:
    """Every `alpaquero ...` in a page is one that the command line takes, options, values and all."""
    for line, whole in typed(page):
        try:
            check_command(line, whole=whole)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: alpaquero {line}: {error.format_message()}")


@pytest.mark.parametrize(
    "line",
    ["fly", "orders fly", "backtest --form 2012-01-01", "backtest --from March", "status now", "explain"],
)
def test_a_command_that_the_parser_refuses_is_found(line: str) -> None:
    """The check of the pages is no nod: a wrong word, option or value fails it."""
    with pytest.raises((click.UsageError, AssertionError)):
        check_command(line)


def test_the_figures_of_the_readme_are_those_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    """What the README shows of the first backtest is what that prints, row by row."""
    block = README.split("beside buying and holding the same shares:\n\n```\n")[1].split("```")[0]
    rows = [line.split() for line in block.splitlines()]
    assert len(rows) > 3
    assert 0 == main(["backtest", "--from", "2012-03-02"])
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [] == [row for row in rows if row not in printed]


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of ours has that file, and the heading that it names."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.is_relative_to(REPOSITORY), target
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    """A path in backticks below one of our folders is there; built layers have no file of their own."""
    roots = "functions|layers/alpaquero|localstack|frontend|infra|tests|docs"
    for name in set(re.findall(rf"`((?:{roots})/[\w./-]+)`", page.read_text())):
        assert (REPOSITORY / name).exists(), name
