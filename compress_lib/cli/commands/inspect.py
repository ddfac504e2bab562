"""Weight table of a model (`compress-lab inspect MODEL`)."""

from __future__ import annotations

import argparse

from compress_lib.cli.output import ProgressLine, write_json, write_line, write_table
from compress_lib.models.targets import Target, select
from compress_lib.utils.formatting import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", help="catalogue name, Hub ID, folder or .gguf file")
    parser.add_argument(
        "--include", action="append", metavar="PATTERN", help="list only matching weights"
    )
    parser.add_argument("--revision", help="Hub commit or tag")
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def run(options: argparse.Namespace) -> None:
    """List the compressible weights of a model."""
    from compress_lib.models.loading import load_model
    from compress_lib.models.stored_tensors import total_bytes

    model = load_model(
        options.model, revision=options.revision, device="cpu", report=ProgressLine()
    )
    targets = model.targets
    if options.include:
        chosen = {t.name for pattern in options.include for t in select(targets, pattern)}
        targets = [target for target in targets if target.name in chosen]
    model_bytes = total_bytes(model)
    if options.json:
        about: dict[str, object] = {
            "id": model.id,
            "kind": model.kind,
            "revision": model.revision,
            "source": model.source,
            "parameters": model.parameters,
            "bytes": model_bytes,
        }
        write_json({"model": about, "targets": [_to_json(target) for target in targets]})
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
        f"{len(targets)} targets with {format_bytes(listed)}; model: {format_bytes(model_bytes)}, "
        f"{model.parameters:,} parameters, {model.source}"
    )


def _to_json(target: Target) -> dict[str, object]:
    return {
        "names": list(target.names),
        "family": target.family,
        "layer": target.layer,
        "rows": target.shape[0],
        "cols": target.shape[1],
        "bytes": target.nbytes,
        "tied": target.tied,
        "break_even_rank": target.break_even_rank,
    }
