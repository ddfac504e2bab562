"""Model catalogue (`compress-lab models`): the available models and their cache status."""

from __future__ import annotations

import argparse

from compress_lib.cli.output import write_json, write_line, write_table
from compress_lib.errors import CompressionError
from compress_lib.models.catalogue import CATALOGUE, CatalogueEntry
from compress_lib.models.sources.base import HubUnreachableError
from compress_lib.models.sources.cached import cached_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    parser.add_argument(
        "--pin", action="store_true", help="write the latest Hub commits to spaces.yml"
    )


def run(options: argparse.Namespace) -> None:
    """List the catalogue, or pin its models to their latest commits."""
    if options.pin:
        _pin()
        return
    rows = [_describe(entry) for entry in CATALOGUE.values()]
    if options.json:
        write_json(rows)
        return
    header = ("name", "parameters", "licence", "cached", "Hub ID")
    write_table(
        header,
        [
            (
                row["name"],
                f"{entry.parameters / 1e6:.0f}M",
                entry.license.split(" ")[0] + (" (gated)" if entry.gated else ""),
                "yes" if row["cached"] else "no",
                entry.hub_id,
            )
            for row, entry in zip(rows, CATALOGUE.values(), strict=True)
        ],
    )


def _describe(entry: CatalogueEntry) -> dict[str, object]:
    from compress_lib.models.sources.hub import pinned_commit

    weights = cached_weights(entry)
    return {
        "name": entry.name,
        "label": entry.label,
        "hub_id": entry.hub_id,
        "parameters": entry.parameters,
        "license": entry.license,
        "gated": entry.gated,
        "package": entry.package.requirement if entry.package else None,
        "pinned": pinned_commit(entry.hub_id),
        "cached": weights is not None,
        "source": weights.source if weights else None,
        "revision": weights.revision if weights else None,
    }


def _pin() -> None:
    from compress_lib.cli.space.front_matter import write_pins
    from compress_lib.models.sources.hub import resolve_commit

    commits: dict[str, str] = {}
    for entry in CATALOGUE.values():
        try:
            commits[entry.hub_id] = resolve_commit(entry.hub_id)
        except HubUnreachableError as error:
            raise CompressionError(
                f"The Hugging Face Hub cannot be reached ({error}); no commit was resolved, and "
                "spaces.yml is unchanged."
            ) from error
    write_pins(commits)
    for name, commit in commits.items():
        write_line(f"{name} {commit}")
