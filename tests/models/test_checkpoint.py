"""Saving a compressed model: what was measured is what is in the file, and it comes back whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from compress_lib.compression.stacking import with_matrices
from compress_lib.evaluation.memory import compare_memory
from compress_lib.matrices import CompressedMatrix, LowRankMatrix
from compress_lib.matrices.views import split_rows
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.models.stored_tensors import total_bytes
from tests.support.compressed import compressed, random_factors, randomised
from tests.support.tiny import CONFIGURATIONS, tiny_model

IDS = torch.arange(40)[None]


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def logits(model: LanguageModel) -> torch.Tensor:
    found: torch.Tensor = model.module(IDS).logits
    return found


# The file.


def test_the_file_takes_the_bytes_that_are_reported(
    any_model: LanguageModel, tmp_path: Path
) -> None:
    small = randomised(any_model, offset=True)
    stored = tensors_of(save_compressed(small, tmp_path / "saved")).values()
    nbytes = sum(tensor.nbytes for tensor in stored)
    assert nbytes == total_bytes(small) == compare_memory(any_model, small).compressed_bytes
    assert nbytes < total_bytes(any_model)
    assert {tensor.dtype for tensor in stored} == {torch.float16}


def test_the_file_has_the_values_that_were_measured(
    any_model: LanguageModel, tmp_path: Path
) -> None:
    small = randomised(any_model, offset=True)
    state = small.module.state_dict()
    stored = tensors_of(save_compressed(small, tmp_path / "saved"))
    # Nothing is lost by rounding: it was rounded before.
    assert all(torch.equal(tensor.float(), state[name]) for name, tensor in stored.items())


@pytest.mark.parametrize("offset", [False, True])
def test_every_factor_is_in_the_file(
    any_model: LanguageModel, tmp_path: Path, offset: bool
) -> None:
    """The papers' checkpoints lacked norms and the embedding's second factor."""
    small = randomised(any_model, offset=offset)
    stored = tensors_of(save_compressed(small, tmp_path / "saved"))
    table = small.module.get_input_embeddings()
    path = next(name for name, module in small.module.named_modules() if module is table)
    factors = {"left", "right", *(["offset"] if offset else [])}
    assert {n.rpartition(".")[2] for n in stored if n.startswith(f"{path}.matrix.")} == factors
    norms = {n for n in any_model.module.state_dict() if "norm" in n or ".ln_" in n}
    assert norms
    assert norms <= set(stored)
    ids = {id(t) for t in small.module.state_dict(keep_vars=True).values()}
    assert len(stored) == len(ids)


def test_a_tie_is_stored_once(llama: LanguageModel, tmp_path: Path) -> None:
    stored = tensors_of(save_compressed(compressed(llama), tmp_path / "saved"))
    assert not any(name.startswith("lm_head") for name in stored)


def test_the_configuration_tells_people_where_it_comes_from(
    llama: LanguageModel, tmp_path: Path
) -> None:
    llama.module.config._name_or_path = "/somewhere/private"
    folder = save_compressed(compressed(llama), tmp_path / "saved")
    text = (folder / "config.json").read_text(encoding="utf-8")
    config = json.loads(text)
    assert config["model_type"] == "llama"
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["dtype"] == "float16"
    assert config["quantization_config"]["provenance"] == {
        "model": "tiny-llama",
        "revision": "0",
        "source": "made in a test",
    }
    assert "/somewhere" not in text


# And back.


@pytest.mark.parametrize("pattern", ["*", "embedding", "query@1"])
def test_a_reloaded_model_computes_the_same_bits(
    any_model: LanguageModel, tmp_path: Path, pattern: str
) -> None:
    small = compressed(any_model, pattern)
    again = load_compressed(save_compressed(small, tmp_path / "saved"), device="cpu")
    assert torch.equal(logits(again), logits(small))
    assert total_bytes(again) == total_bytes(small)
    assert again.dtype == small.dtype
    assert again.id == any_model.id
    assert again.source == "compressed from made in a test"
    assert again.tokenizer("The tide")["input_ids"] == small.tokenizer("The tide")["input_ids"]


def test_a_reloaded_tie_is_still_one(llama: LanguageModel, tmp_path: Path) -> None:
    again = load_compressed(save_compressed(compressed(llama), tmp_path / "saved"), device="cpu")
    table = again.module.get_input_embeddings()
    head = again.module.get_output_embeddings()
    assert isinstance(table, CompressedEmbedding)
    assert isinstance(head, CompressedLinear)
    matrix = head.parts[0]
    assert isinstance(matrix, LowRankMatrix)
    assert isinstance(table.matrix, LowRankMatrix)
    assert matrix.left is table.matrix.left
    assert matrix.right is table.matrix.right
    expected = logits(again)
    again.module.tie_weights()
    assert torch.equal(logits(again), expected)


def test_a_factor_shared_by_layers_is_stored_once_and_shared_again(tmp_path: Path) -> None:
    model = tiny_model("llama_untied")
    targets = [t for t in model.targets if t.family in ("query", "key")]
    stacked = random_factors((sum(t.shape[0] for t in targets), 32), offset=True)
    parts: list[CompressedMatrix] = split_rows(stacked, [t.shape[0] for t in targets])
    small = with_matrices(model, dict(zip([t.name for t in targets], parts, strict=True)))
    folder = save_compressed(small, tmp_path / "saved")
    stored = tensors_of(folder)
    assert sum(name.endswith(".right") for name in stored) == 1
    assert sum(name.endswith(".offset") for name in stored) == 1
    assert sum(tensor.nbytes for tensor in stored.values()) == total_bytes(small)
    again = load_compressed(folder, device="cpu")
    assert torch.equal(logits(again), logits(small))
    assert total_bytes(again) == total_bytes(small)


@pytest.mark.parametrize("reloaded", [True, False])
def test_transformers_can_save_it_too(
    any_model: LanguageModel, tmp_path: Path, reloaded: bool
) -> None:
    small = compressed(any_model)
    if reloaded:
        small = load_compressed(save_compressed(small, tmp_path / "saved"), device="cpu")
    small.module.save_pretrained(tmp_path / "again")
    small.tokenizer.save_pretrained(tmp_path / "again")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "again", dtype=torch.float32)
    assert torch.equal(again(IDS).logits, logits(small))
    assert torch.equal(logits(load_compressed(tmp_path / "again", device="cpu")), logits(small))


def test_it_computes_in_the_type_that_is_asked_for(
    any_model: LanguageModel, tmp_path: Path
) -> None:
    small = compressed(any_model)
    folder = save_compressed(small, tmp_path / "saved")
    as_stored = AutoModelForCausalLM.from_pretrained(folder)
    assert as_stored.dtype == torch.float16
    far = (as_stored(IDS).logits.float() - logits(small)).abs().max()
    assert far < 0.05 * logits(small).abs().max()
    wide = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert {parameter.dtype for parameter in wide.parameters()} == {torch.float32}


def test_load_model_reads_it_as_any_folder(llama: LanguageModel, tmp_path: Path) -> None:
    small = compressed(llama, "embedding")
    again = load_model(str(save_compressed(small, tmp_path / "saved")), device="cpu")
    assert torch.equal(logits(again), logits(small))
    # What is left can be compressed further, and saved again.
    smaller = compressed(again, "query")
    last = load_compressed(save_compressed(smaller, tmp_path / "smaller"), device="cpu")
    assert torch.equal(logits(last), logits(smaller))
    assert total_bytes(last) < total_bytes(small)


# In a fresh process, by whichever library is imported first.

READ = """
import json, sys
{imports}
import torch
from safetensors.torch import load_file
ids = torch.arange(40)[None]
for name, folder in json.loads(sys.argv[1]).items():
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = load_file(folder + "/expected")["logits"]
    assert torch.equal(model(ids).logits, expected), name
    written = model.generate(ids, max_new_tokens=4, do_sample=False)
    assert written.shape[1] > 40 and torch.equal(written[:, :40], ids), name
print("read", len(json.loads(sys.argv[1])))
"""
FIRST = """
import compress_lib, importlib.util
# Asking where a module is must not be taken for its import.
assert importlib.util.find_spec("transformers.quantizers.auto")
from transformers import AutoModelForCausalLM
"""
LAST = "from transformers import AutoModelForCausalLM, quantizers; import compress_lib"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every architecture, compressed, beside its logits."""
    folders = {}
    for name in CONFIGURATIONS:
        small = compressed(tiny_model(name))
        folder = save_compressed(small, tmp_path_factory.mktemp("saved") / name)
        save_file({"logits": logits(small).contiguous()}, folder / "expected")
        folders[name] = str(folder)
    return folders


@pytest.mark.parametrize("imports", [FIRST, LAST], ids=["compress_lib first", "and last"])
def test_from_pretrained_reads_it_once_compress_lib_is_imported(
    saved: dict[str, str], imports: str
) -> None:
    command = [sys.executable, "-c", READ.format(imports=imports), json.dumps(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["read", str(len(CONFIGURATIONS))], done.stderr[-2000:]


def test_importing_the_library_starts_nothing_heavy() -> None:
    code = (
        "import sys, compress_lib\n"
        "heavy = {'torch', 'transformers', 'gradio', 'pandas', 'plotly', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
