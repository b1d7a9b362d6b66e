"""``alpaquero build``: what ``make build`` calls."""

from __future__ import annotations

from typing import Literal

import click

from laptop.cli.common import json_option, print_json, progress


@click.command()
@click.option(
    "--runtime", type=click.Choice(["local", "aws"]), default="local", show_default=True,
    help="The laptop's engine, or Lambda.",
)  # fmt: skip
@click.option(
    "--architecture", type=click.Choice(["x86_64", "arm64"]), default="x86_64", show_default=True,
    help="Lambda's processors.",
)  # fmt: skip
@json_option
def build(runtime: Literal["local", "aws"], architecture: Literal["x86_64", "arm64"], as_json: bool) -> int:
    """Build layers and functions for the laptop's engine or for AWS Lambda."""
    from laptop.build import build as build_all

    built = build_all(runtime, architecture=architecture, say=progress())
    if as_json:
        print_json(
            {
                "folder": str(built.folder),
                "renewed": built.renewed,
                "artifacts": dict(built.artifacts),
                "architecture": built.architecture,
                "compiler": built.compiler,
            }
        )
    else:
        print(f"{built.folder}: {len(built.artifacts)} parts, {len(built.renewed)} built now")
    return 0
