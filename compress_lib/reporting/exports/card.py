"""A model card: what was done to a model, and what it cost. Knows no torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from compress_lib.data.text_spec import PROTOCOLS
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.models.sources import HUB_ID
from compress_lib.plan.plan import Plan
from compress_lib.reporting.exports.code import python_code
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord
from compress_lib.utils.formatting import format_bytes, format_perplexity, format_share

CARD_FILE = "README.md"
RECORD_FILE = "compression_record.json"
"""What a checkpoint says of itself, beside its weights."""


FENCE = "`" * 6
"""Around code that holds what people wrote."""


def card_files(record: RunRecord) -> dict[str, str]:
    """Return the files that describe a compressed checkpoint: its model card and its record.

    Pass them to `save_compressed(model, folder, files=card_files(record))`.
    """
    data = json.dumps(record.to_json(), indent=1, ensure_ascii=False)
    return {CARD_FILE: model_card(record), RECORD_FILE: data + "\n"}


def _public(record: RunRecord, base: str) -> Plan:
    """Return the plan as strangers may read it: without text of one's own, or a folder's place."""
    plan = record.plan
    if plan.evaluation.text is not None:
        plan = replace(plan, evaluation=Plan().evaluation)
    return plan if record.model.id in CATALOGUE else replace(plan, model=base)


def model_card(record: RunRecord) -> str:
    """Return the README of a compressed checkpoint, with the front matter that the Hub reads."""
    ppl, memory = record.perplexity, record.memory
    entry = CATALOGUE.get(record.model.id)
    base = entry.hub_id if entry else record.model.id
    front = ["library_name: transformers"]
    if HUB_ID.fullmatch(base):
        front += [f"base_model: {json.dumps(base)}", "base_model_relation: quantized"]
    else:
        # Where a folder lies is nobody's business.
        base = Path(base).name
    front += ["tags:", "- compression-lab"]
    kind = "CausalLM" if PROTOCOLS[ppl.protocol] == "causal" else "MaskedLM"
    front += [f"- {json.dumps(method)}" for method in record.methods]
    rows = [
        ("Perplexity", format_perplexity(ppl.baseline), format_perplexity(ppl.compressed)),
        ("Size", format_bytes(memory.baseline_bytes), format_bytes(memory.compressed_bytes)),
        ("KL divergence (nats a token)", "0", f"{record.agreement.kl:.4f}"),
        ("Same first choice", "100 %", format_share(record.agreement.top1)),
    ]
    table = "".join(f"| {name} | {before} | {after} |\n" for name, before, after in rows)
    return (
        "---\n" + "\n".join(front) + "\n---\n\n"
        f"# {base}, compressed: {describe(record)}\n\n"
        "Compressed offline, without any training afterwards, by Compression Lab.\n\n"
        "| | before | after |\n| --- | --- | --- |\n" + table + "\n"
        f"Measured on {ppl.tokens:,} tokens of {ppl.corpus}, context {ppl.context}. Weights: "
        f"{record.model.source}.\n\n"
        "## Use\n\n```python\nimport compress_lib  # registers the format\n"
        f"from transformers import AutoModelFor{kind}\n\n"
        f'model = AutoModelFor{kind}.from_pretrained("path/to/this/folder")\n```\n\n'
        f"## Make it again\n\n{FENCE}python\n{python_code(_public(record, base))}{FENCE}\n"
    )
