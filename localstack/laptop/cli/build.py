"""``alpaquero build``: what ``make build`` calls."""

from __future__ import annotations

from typing import Literal

import click

from laptop.cli.common import json_option, print_json, progress


@click.command()
@click.option("--runtime", type=click.Choice(["local", "aws"]), default="local", show_default=True)
@json_option
def build(runtime: Literal["local", "aws"], as_json: bool) -> int:
    """Build layers and functions for the laptop's engine or for AWS Lambda."""
    from laptop.build import build as build_all

    built = build_all(runtime, say=progress())
    if as_json:
        print_json(
            {"folder": str(built.folder), "renewed": built.renewed, "artifacts": dict(built.artifacts)}
        )
    else:
        print(f"{built.folder}: {len(built.artifacts)} parts, {len(built.renewed)} built now")
    return 0
