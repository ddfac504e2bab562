"""Model card of a compressed checkpoint: front matter, results, and code to reproduce it."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isfinite
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from compress_lib.data.text_spec import PROTOCOLS
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.models.sources import HUB_ID
from compress_lib.plan.plan import Plan
from compress_lib.reporting.exports.code import python_code
from compress_lib.results.describe import describe
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.utils.formatting import format_bytes, format_perplexity, format_share

CARD_FILE = "README.md"
RECORD_FILE = "compression_record.json"
"""Model card and record: the files that describe a checkpoint."""

FENCE = "`" * 6
"""Code fence, long because the code may contain backticks of a user's text."""


def card_files(record: RunRecord) -> dict[str, str]:
    """Return the files that describe a compressed checkpoint: its model card and its record.

    Pass them to `save_compressed(model, folder, files=card_files(record))`.
    """
    data = json.dumps(record.to_json(), indent=1, ensure_ascii=False)
    return {CARD_FILE: model_card(record), RECORD_FILE: data + "\n"}


def _public(record: RunRecord, base: str) -> Plan:
    """Return the plan without private data: custom text and the path of a local folder."""
    plan = record.plan
    if plan.evaluation.text is not None:
        plan = replace(plan, evaluation=Plan().evaluation)
    return plan if record.model.id in CATALOGUE else replace(plan, model=base)


def model_card(record: RunRecord) -> str:
    """Return the model card (README.md) of a compressed checkpoint, with Hub front matter."""
    ppl, memory = record.perplexity, record.memory
    entry = CATALOGUE.get(record.model.id)
    base = entry.hub_id if entry else record.model.id
    on_hub = HUB_ID.fullmatch(base) is not None
    if not on_hub:
        # Do not publish the path of a local folder.
        base = Path(base).name
    auto_class = (
        "AutoModelForCausalLM" if PROTOCOLS[ppl.protocol] == "causal" else "AutoModelForMaskedLM"
    )
    rows = [
        ("Perplexity", format_perplexity(ppl.baseline), format_perplexity(ppl.compressed)),
        ("Size", format_bytes(memory.baseline_bytes), format_bytes(memory.compressed_bytes)),
        ("KL divergence (nats/token)", "0", f"{record.agreement.kl:.4f}"),
        ("Top-1 agreement", "100%", format_share(record.agreement.top1)),
    ]
    table = "".join(f"| {name} | {before} | {after} |\n" for name, before, after in rows)
    return (
        f"---\n{_card_data(record, base, on_hub=on_hub).to_yaml()}\n---\n\n"
        f"# {base}, compressed: {describe(record)}\n\n"
        "Compressed offline, without fine-tuning, by Compression Lab.\n\n"
        "| | original | compressed |\n| --- | --- | --- |\n" + table + "\n"
        f"Measured on {ppl.tokens:,} tokens of {ppl.corpus}, context {ppl.context}. Weights: "
        f"{record.model.source}.\n\n"
        "## Use\n\n```python\nimport compress_lib  # registers the format\n"
        f"from transformers import {auto_class}\n\n"
        f'model = {auto_class}.from_pretrained("path/to/this/folder")\n```\n\n'
        f"## Reproduce\n\n{FENCE}python\n{python_code(_public(record, base))}{FENCE}\n"
    )


def _card_data(record: RunRecord, base: str, *, on_hub: bool) -> ModelCardData:
    """Return the front matter: base model, tags and evaluation results."""
    ppl = record.perplexity
    causal = PROTOCOLS[ppl.protocol] == "causal"
    metrics = {"perplexity": ppl.compressed, "kl": record.agreement.kl}
    return ModelCardData(
        library_name="transformers",
        base_model=base if on_hub else None,
        base_model_relation="quantized" if on_hub else None,
        tags=["compression-lab", *record.methods],
        model_name=f"{base}, compressed",
        eval_results=[
            EvalResult(
                task_type="text-generation" if causal else "fill-mask",
                dataset_type=ppl.corpus,
                dataset_name=f"{ppl.corpus}, {ppl.tokens:,} tokens, context {ppl.context}",
                metric_type=name,
                metric_name=METRICS[name].label,
                metric_value=float(f"{value:.6g}"),
            )
            for name, value in metrics.items()
            if isfinite(value)
        ],
    )
