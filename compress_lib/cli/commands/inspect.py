"""`compress-lab inspect MODEL`: every weight that can be compressed."""

from __future__ import annotations

import argparse

from compress_lib.cli.output import ProgressLine, write_json, write_line, write_table
from compress_lib.models.targets import select
from compress_lib.utils.formatting import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", help="a name of the catalogue, a Hub id, a folder or a .gguf file")
    parser.add_argument("--include", action="append", metavar="PATTERN", help="only these")
    parser.add_argument("--revision", help="a commit or tag of the Hub")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(options: argparse.Namespace) -> None:
    """List the targets of a model."""
    from compress_lib.models.loading import load_model
    from compress_lib.models.stored_tensors import total_bytes

    model = load_model(
        options.model, revision=options.revision, device="cpu", report=ProgressLine()
    )
    targets = model.targets
    if options.include:
        chosen = {t.name for pattern in options.include for t in select(targets, pattern)}
        targets = [target for target in targets if target.name in chosen]
    rows = [
        {
            "names": list(target.names),
            "family": target.family,
            "layer": target.layer,
            "rows": target.shape[0],
            "cols": target.shape[1],
            "bytes": target.nbytes,
            "tied": target.tied,
            "break_even_rank": target.break_even_rank,
        }
        for target in targets
    ]
    whole = total_bytes(model)
    if options.json:
        about: dict[str, object] = {
            "id": model.id,
            "kind": model.kind,
            "revision": model.revision,
            "source": model.source,
            "parameters": model.parameters,
            "bytes": whole,
        }
        write_json({"model": about, "targets": rows})
        return
    header = ("names", "family", "layer", "rows", "cols", "bytes", "tied", "break-even rank")
    write_table(
        header,
        [
            (
                " = ".join(target.names),
                target.family,
                target.layer,
                *target.shape,
                f"{target.nbytes:,}",
                "tied" if target.tied else "",
                target.break_even_rank,
            )
            for target in targets
        ],
    )
    listed = sum(target.nbytes for target in targets)
    write_line(
        f"{len(targets)} targets, {format_bytes(listed)} of {format_bytes(whole)} in "
        f"{model.parameters:,} weights; {model.source}"
    )
