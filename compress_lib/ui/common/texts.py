"""English texts of the page: labels, tooltips and messages."""

from __future__ import annotations

from compress_lib.data.text_spec import QUICK_TOKENS
from compress_lib.results import metrics
from compress_lib.ui.common import languages
from compress_lib.utils.translation import set_translations

LANGUAGE = "en"
TITLE = "Compression Lab"
SUBTITLE = "Make a language model smaller. See what breaks."
STEPS = (
    (
        "Choose",
        "a method and a target size.",
    ),
    (
        "Compress",
        "a real model, without fine-tuning.",
    ),
    (
        "Compare",
        "perplexity, memory, embedding directions and generated text.",
    ),
)

MODEL = "Model"
MODEL_FETCHED = "{label} ({size} download)"
MODEL_INFO = "Pick one, or paste a Hugging Face model ID (owner/name)."
FAMILIES = "Modules to compress"
PRESET_EMBEDDING = "Embedding"
PRESET_LAYERS = "All layers"
PRESET_EVERYTHING = "Everything"
METHOD = "Method"
KEEP = "Size kept"
KEEP_INFO = "Compressed bytes ÷ original bytes; 25 is read as 25%."
KEEP_SIZED = "Fixed by this method's options, such as its bit width."
OPTIONS = "Method options"
NO_OPTIONS = "This method has no options."
MORE_OPTIONS = "{count} more options"
DEFAULTS = "Defaults"
OVERRIDES = "Per-layer overrides"
OVERRIDES_INFO = (
    "One rule per row; later rows win. **Where** is a module type (`query`), layers (`@0-3`), both "
    "(`ffn_out@29`) or a name (`*down_proj`). Method `dense` leaves weights uncompressed. Empty "
    "cells inherit the settings above."
)
OVERRIDES_HEADERS = (
    "Where",
    "Method",
    "Size kept",
)
GROUPING = "Grouping and byte allocation"
GROUP = "Grouping"
GROUP_CHOICES = {
    "separated": "Each matrix separately",
    "concatenated": "Concatenated (shared basis or decoder per module type)",
}
WINDOW = "Layers per group"
WINDOW_INFO = "Consecutive layers that share a basis; 0 = all."
ORIENTATION = "Orientation"
ORIENTATION_INFO = "Automatic picks rows or columns, whichever allows the higher rank."
ORIENTATION_CHOICES = {"automatic": "Automatic", "rows": "Rows", "columns": "Columns"}
TIE = "Tied embeddings"
TIE_CHOICES = {
    "both": "Compress embedding and LM head",
    "input": "Input embedding only",
}
TIE_INFO = (
    "“Input embedding only” follows the 2021 paper: the LM head stays dense, so the model grows."
)
ALLOCATION = "Byte allocation"
ALLOCATION_INFO = (
    "Allocation by estimated loss reads calibration text. For manual allocation, use the per-layer "
    "overrides."
)
ALLOCATION_CHOICES = {
    "uniform": "Uniform",
    "by_family": "Per module type, by estimated loss",
    "automatic": "Per matrix, by estimated loss",
    "measured": "Per matrix, calibrated per module type (slower)",
}
INPUTS = "Calibration activations"
INPUTS_INFO = "Sequential calibration goes block by block: slower, and better at high compression."
INPUTS_CHOICES = {
    "original": "From the original model",
    "compressed": "From the compressed model (sequential)",
}
LEARN_TAB = "Learn"
TOUR = "Six quick questions"
TOUR_HELP = "Guess, then see the measurement and load the plan."
TOUR_STEPS = "Questions"
TOUR_REVEAL = "Check"
TOUR_LOAD = "Load this plan"
TOUR_ONWARD = "Next question"
TOUR_GUESS = "Choose an answer first."
TOUR_RIGHT = "Correct."
TOUR_WRONG = "Not quite: {answer}."
GLOSSARY = "Glossary"
GLOSSARY_HELP = "Every metric and term on this page, with its formula."
LOWER = "Lower is better."
HIGHER = "Higher is better."
TERMS = {
    "Size kept": (
        "Compressed bytes ÷ original bytes of the compressed modules, in the checkpoint's data "
        "type. Norms, scales, indices and codebooks count; shared tensors count once."
    ),
    "Rank": (
        "The number of directions that a factorization keeps: a matrix of rank r is the sum of r "
        "outer products, r · (rows + columns) numbers."
    ),
    "Break-even rank": (
        "rows · columns ÷ (rows + columns): above it, two factors are larger than the matrix."
    ),
    "Calibration text": (
        "Text from which methods estimate token frequencies, layer inputs and gradients. It never "
        "overlaps the evaluation text."
    ),
    "Tied embeddings": (
        "One matrix serves as input embedding and LM head, so an error in it counts twice."
    ),
    "Decoder": (
        "The part of an autoencoder that computes rows from their latents. Matrices that share a "
        "decoder store it once."
    ),
    "Confidence interval": (
        "95% confidence interval by Student's t over text blocks. Two runs on the same text are "
        "compared block by block, which resolves far smaller differences."
    ),
    "KV cache": (
        "Key and value vectors of all previous tokens, which generation keeps in memory: 2 · "
        "layers · KV heads · head size numbers per token. Compressing weights does not change it."
    ),
    "Tokens per second": (
        "Measured once per run. Prefill: tokens in a block ÷ time of a forward pass. Decode: new "
        "tokens ÷ their time. Medians over blocks and prompts."
    ),
    "Neighbours kept": (
        "How many of a token's nearest neighbours by cosine similarity are the same before and "
        "after compression."
    ),
    "Estimated loss": (
        "½ tr(G Δ C Δᵀ) for an error Δ: the K-FAC estimate of the loss increase, where C is the "
        "second moment of a layer's inputs and G that of the gradients at its outputs. Below half "
        "a nat, the measured loss increase and KL divergence were between a fifth and two and a "
        "half times the estimate."
    ),
}
PREVIEW_LOSS = "Estimated loss +{loss} nats/token (perplexity ×{low}–{high})."
PREVIEW_HIGH = (
    "Estimated damage: high (loss +{loss} nats/token, perplexity ×{ratio}, possibly far more). Too "
    "large to predict; run to measure."
)
PREVIEW_NO_ESTIMATE = "No estimate for these settings. Run to measure."
PREVIEW_PENDING = "Estimated at run time, when bytes are allocated."
PREVIEW_SEVERE = "Estimated damage: severe. The model may stop working."
PREVIEW_ERROR = "Relative error {error:.3f} (exact)."
PREVIEW_ERROR_BOUND = "Relative error at least {error:.3f}, the optimum for these ranks."
CONTEXT_LENGTH = "Context length (tokens)"
CACHE = (
    "KV cache: {each} per token, **{cache}** at {tokens} tokens (not compressed). Model and cache: "
    "{before} → **{after}** ({share})."
)
NO_CACHE = "The KV cache was not measured in this run."
SWEEP_PLANS = "Sweep methods and sizes"
SWEEP_PLANS_HELP = (
    "Runs the plan with each method at each size; all other settings stay. Points appear as runs "
    "finish. Stop keeps the results so far."
)
SWEEP_METHODS = "Methods"
SWEEP_KEEPS = "Sizes"
SWEEP_RUN = "Run sweep"
SWEEP_WANTS = "Choose at least one method and enter sizes between 0 and 1, such as 0.25, 0.5, 0.75."
SWEEP_MANY = "{count} runs; a sweep may have at most {limit}. Choose fewer methods or sizes."
MAP = "Layer map"
MAP_HELP = (
    "Each cell is one weight matrix. Click cells, a layer number, a module type or *All* to "
    "select, then choose a method and a size for the selection. Shift-click selects a range, arrow "
    "keys move, Space selects, Escape clears the selection."
)
MAP_COLOURS = {
    "keep": "Size kept",
    "method": "Method",
    "error": "Measured error",
}
MAP_COLOUR = "Colour by"
MAP_COLOUR_HELP = {
    "keep": "% of bytes kept. Dot: not compressed.",
    "error": "Relative error (%), measured in the shown run.",
}
MAP_ALL = "All"
MAP_LAYER = "Layer {layer}, all modules"
MAP_TABLES = "Embeddings"
MAP_TABLES_SHORT = "Emb"
MAP_PLACE = "{family}, layer {layer}"
MAP_DENSE = "not compressed"
MAP_PENDING = "size decided at run time"
MAP_RANK = "rank {rank} of {full}"
MAP_ERROR = "relative error {error:.3f}"
MAP_NO_ERROR = "not measured in the shown run"
MAP_NOTHING = "Nothing selected. Click cells first."
MAP_COUNT = "{count} matrices"
MAP_CHOSEN = "{what}: {before} → {after}"
MAP_METHOD = "Method for selection"
MAP_KEEP = "Size kept"
MAP_APPLY = "Apply"
MAP_CLEAR = "Reset to default"
MAP_DENSE_BUTTON = "Keep dense"
MAP_FULL = "Too many rules: {count} of at most {limit}."
UNDO = "Undo"
REDO = "Redo"
MAP_PRESET = "Preset"
MAP_PREVIEW = "Preview: {what}.{cost}"
MAP_PRESETS = {
    "uniform": "Uniform",
    "protect_ends": "Skip first and last layer",
    "attention": "Attention only",
    "ffn": "FFN only",
    "embedding": "Embedding only",
    "automatic": "Automatic (best method per matrix)",
}
MEASURE = "Evaluation"
CORPUS = "Evaluation text"
OWN_TEXT = "Custom text"
OWN_TEXT_HINT = "Paste a few paragraphs; the first tokens are used."
OWN_CHOICE = "Custom text"
CALIBRATION = "Calibration text"
CALIBRATION_INFO = "Used to fit the compression. Never overlaps the evaluation text."
CALIBRATION_TOKENS = "Calibration tokens"
CALIBRATION_TOKENS_INFO = f"{QUICK_TOKENS:,} is quick; more is better and takes minutes, once."
TOKENS = "Tokens"
CONTEXT = "Context length"
PROTOCOL = "Perplexity protocol"
PROTOCOL_CHOICES = {
    "automatic": "Default for this model",
    "causal": "Next token (causal LM)",
    "whole_word": "Whole-word masking, 15% (masked LM)",
    "pseudo": "Pseudo-perplexity (masked LM; slow)",
}
WRITING = "Text generation"
PROMPT = "Prompt"
PROMPT_INFO = "Masked models fill in [MASK] or `___`, or append a mask."
NEW_TOKENS = "New tokens"
TEMPERATURE = "Temperature"
TEMPERATURE_INFO = "0 = greedy decoding."
SEED = "Seed"
SEED_INFO = "Used by both models."
RUN = "Run"
RUNNING = "Running…"
STOP = "Stop"
LINK_BROKEN = "The link could not be read; showing the default plan."
BROKEN = "Internal error, not caused by your settings. It has been logged; please try again."
COMPARE = "Compare"
COPY_LINK = "Copy link"
COPIED = "Link copied"
LINK_COPIED = "The link restores this plan."
LINK_COPIED_BESIDE = "The link restores this plan and the runs under Compare."
LINK_OF_FORM = "It contains the plan in the form; the results shown are from another run."
LINK_OPENED_BESIDE = "The runs of the link are under Compare."
START_OVER = "Reset"
STARTED_OVER = "Plan reset to default."

READY = "Ready. Showing precomputed runs."
NO_SPACES = (
    "The profile needs ZeroGPU, which requires the package spaces: pip install spaces, or choose "
    "another profile."
)
LENDING = "Waiting for a GPU"
PLAN_CHANGED = (
    "This plan has not been run yet. Press Run to measure it. The results shown are from another "
    "run."
)
SHOWN_PRECOMPUTED = "Showing the precomputed run of this plan, measured on {source}."
STOPPED = "Stopped. Completed measurements are kept."
SKIPPED = "Skipped: {error}"
STORED = "This plan was run before: showing the stored result."
FINISHED = "Finished in {seconds}."
SKIPPED_RUNS = "{count} of {all} runs were skipped: {why}"
PERPLEXITY_SO_FAR = (
    "Perplexity so far: {compressed}, {ratio}× original {baseline} (after block {blocks})"
)
PERPLEXITY_SHOWN = "Measured; already shown in the results."
RUN_OF = "Run {number} of {count}: {what}"
WAITING = "In queue: {ahead} ahead of you."
STARTING = "Starting."
LEFT = "{time} left"
SPARK = "Training loss per epoch: {first:.4g} to {last:.4g}"
BUSY = (
    "The queue is full ({limit}). Try again in a minute, or browse the precomputed runs meanwhile."
)
BUSY_WITH_YOURS = (
    "You already have {limit} queued or running jobs. Wait for one to finish, or stop one."
)

LANDMARK = "precomputed"
YOURS = "your run"
YOURS_SO_FAR = "your run, generating text…"
TAB_FRONTIER = "Quality vs. size"
TAB_COMPARE = "Compare"
TAB_TEXT = "Text"
NO_TEXT = (
    "No text yet. Both models generate text after the evaluation. If that was stopped, press Run "
    "to generate it."
)
TAB_DIRECTION = "Embedding"
TAB_MEMORY = "Memory"
TAB_MATRICES = "Layers"
TAB_EXPORT = "Export"
TAB_LOG = "Log"
FRONTIER_HELP = (
    "Lower left is better. The grey band is the Pareto front; the star is the original model. "
    "Small marks are precomputed, large ones are your runs. Click a mark to open its run and load "
    "its plan; click a row below to open its run only."
)
FRONTIER_MEASURE = "Y axis"
FRONTIER_SIZE = "X axis"
FRONTIER_SIZES = {
    "megabytes": "Bytes",
    "parameters": "Parameters",
}
SHOWN_PLAN = "The form now shows the plan of this run."
SHOWN_OTHER = "The form is unchanged; “Load this plan” below the runs loads this run's plan."
USE_PLAN = "Load this plan"
RUN_HEADERS = (
    "Run",
    "Perplexity",
    "PPL ratio",
    "MB",
    "Size (%)",
    "KL",
    "Top-1 (%)",
    "Direction err.",
)
PROVENANCE = (
    "{count} runs of {model} on {corpus}: {tokens} tokens, context length {context}. Weights: "
    "{source}. Measured with compress_lib {version} on {date}."
)
ALREADY_QUANTIZED = (
    "Note: these weights come from a 4-bit file, so 4-bit results look better than on the original "
    "model."
)
SHRANK = "{share} of the original size; "
GREW = "Larger than the original ({share}); "
VERDICT = {
    "same": "same quality on this text.",
    "worse": "perplexity is {ratio}× the original.",
    "ruined": "the model no longer works: perplexity is {ratio}× the original.",
}
NOTHING_SHOWN = "No run is shown, so there is nothing to download."
NO_LANDMARKS = "No precomputed runs for this model and text; your runs appear here."
NO_DIRECTION = "This run does not compress the embedding, so no direction changed."
NO_COUNTS = "No text was read in this run, so token counts are unknown."
DIRECTION_HELP = (
    "1 − cosine between each token's original and compressed vector: 0 is unchanged, 1 a right "
    "angle. Dotted: random noise with the same norm; left of it, the method preserves direction at "
    "the expense of length."
)
COMPARE_DIRECTIONS = "Overlay runs"
WORST = "most rotated"
FREQUENT = "most frequent"
BEST = "least rotated"
NEIGHBOURS = "Tokens and their nearest neighbours (searchable)"
TOKEN_HEADERS = (
    "Token",
    "List",
    "Direction error",
    "Count in text",
    "Nearest before",
    "Nearest after",
    "Neighbours kept",
)
ASKED = "your word"
TOKEN_ASK = "Look up any word"
TOKEN_ASK_INFO = (
    "Adds the word's tokens, their rotation and their neighbours to the top of the table. May take "
    "a moment if the model has to be rebuilt."
)
TOKEN_ASK_BUTTON = "Look up"
TOKEN_EXAMPLE = "lighthouse"
TOKEN_LOOKING = "Searching nearest neighbours"
TOKEN_FOUND = (
    "The tokens of “{word}”, with and without a leading space, are at the top of the table."
)
TOKEN_NOTHING = "Enter a word to look up."
TOKEN_LONG = "Enter a word of at most {most} characters."
DIRECTION_CUMULATIVE = "Cumulative"
DIRECTION_WEIGHTED = "Weight by token frequency"
DIRECTION_LOGARITHMIC = "Log scale"
DIRECTION_LAYERS = "By layer: the line is the mean over rows, the band contains 95% of them."
MEMORY_HELP = "Checkpoint size by module; tied weights counted once."
ENLARGED = "This plan increases the size of: {parts}."
ENLARGED_PART = "{name} {before} → {after}"
MATRIX_HEADERS = (
    "Names",
    "Method",
    "Rank",
    "Shape",
    "Size (%)",
    "Relative err.",
    "Direction err.",
    "RMSE",
    "MAE",
    "MAE^0.6",
    "Grouped with",
    "Orientation",
    "Seconds",
)
LAYERS_HELP = (
    "Error by layer and module (darker = lower). The embedding and the LM head belong to no layer: "
    "see the table below."
)
MEASURE_SHOWN = "Metric"
TRAINING_HELP = (
    "Metrics during training, at every evaluation; lower is better. The dot is the minimum."
)
SPECTRUM_HELP = (
    "Singular values, largest first; grey = dropped at this rank. Methods that weight errors keep "
    "other directions, but as many."
)
RANKED = "Factorized matrix"
TRAINED = "Trained matrix or group"
TEXT_HELP = (
    "Same prompt and seed. The bar marks the first difference. Shading: tokens the *other* model "
    "finds unlikely; hover for both probabilities. Masked models do not generate text: the table "
    "lists their most likely fillings."
)
MASK_NUMBER = "Mask {number}"
FILL_HEADERS = ("Token", "Probability")
PREDICTED = {
    "causal": "of next tokens",
}
HIDDEN = "of masked tokens"
BASELINE = "Original"
COMPRESSED = "Compressed"
OUTPUTS_IDENTICAL = "Outputs are identical."
OUTPUTS_DIVERGE_AFTER = "Outputs diverge after {count} tokens."
OUTPUTS_DIVERGE_AT_ONCE = "Outputs diverge at the first token."
OUTPUTS_DIVERGE_HERE = "Outputs diverge here."
TOKEN_TIP = "p = {other} under the other model, {own} under this one"
TOKEN_SCALE = "Probability under the other model:"
TOKEN_BY_TOKEN = "Token by token"
TOKEN_TABLE = (
    "Token",
    "This model",
    "Other model",
)
TEXT_PERPLEXITY = "Perplexity of this text: {own} under this model, {other} under the other."
TIMES_BASELINE = "{ratio}× original ({base})"
MEASURED_ON = "{model}, {corpus}, {tokens} tokens"
SHARE_OF = "{share} of {whole} MB"
MOST_BELOW = "95th percentile {most}"
KL_UNIT = "nats/token"
KL_ESTIMATED = "nats/token (estimated {loss})"
KL_AT_LEAST = "nats/token (estimated {loss} or more)"
KL_RUINED = "nats/token (estimated over {least})"
SPEED = "{speed:.0f} tok/s"
NOT_TIMED = "not timed"
BETWEEN = "{low}–{high}"
NO_INTERVAL = "no interval (one block)"
ONE_BLOCK = "Too little text for a confidence interval."
READS = "Prefill {speed:,.0f} tok/s"
WRITES = "decode {ratio:.2f}×"
WRITES_YET = "decode …×"
UNTOUCHED = "embedding not compressed"
DOWNLOAD_CSV = "Runs as CSV"
DOWNLOAD_MATRICES = "Matrices as CSV"
DOWNLOAD_JSON = "This run as JSON"
COMPARE_HELP = (
    "Compare up to four runs on the same text: paired 95% confidence intervals against the first."
)
TRAY = "Runs to compare"
TRAY_INFO = "Empty: your last runs."
TRAY_FULL = "Four runs are selected already; remove one first."
TRAY_EMPTY = "No runs to compare yet."
TRAY_LONELY = "Add a second run to compare."
COMPARE_RATIO = "Perplexity vs. first run"
COMPARE_KL = "KL difference vs. first run"
COMPARE_BYTES = "Bytes vs. first run"
COMPARE_SIGNIFICANCE = "Significance vs. first run"
COMPARE_UNKNOWN = "unknown (no interval)"
COMPARE_SAME = "identical predictions"
COMPARE_NOT_SIGNIFICANT = "not significant"
COMPARE_FARTHER = "perplexity not significant; significantly farther from the original (KL)"
COMPARE_NEARER = "perplexity not significant; significantly closer to the original (KL)"
COMPARE_WORSE = "significantly worse (95%)"
COMPARE_BETTER = "significantly better (95%)"
EXPORT_HELP = (
    "This run as a self-contained report, a notebook, code, data, and the compressed model "
    "(recomputed if it is no longer in memory)."
)
EXPORT_CHECKPOINT = "Checkpoint (zip)"
EXPORT_FILE = "The compressed model with its model card and record"
EXPORT_SAVING = "Writing the checkpoint"
EXPORT_READY = "The checkpoint of {run} is ready: {size}."
MODEL_ELSEWHERE = (
    "Runs of this page use a remote GPU and their models stay there, so they can be neither "
    "inspected nor exported here. On your own machine: compress-lab run … --save FOLDER."
)
MODEL_TOO_SLOW = (
    "The model of this run is no longer in memory, and compressing it took {took}, more than the "
    "{most} that this page allows. On your own machine: compress-lab run … --save FOLDER."
)
EXPORT_LARGE = (
    "The checkpoint has {size}, more than the {most} that this page sends. On your own machine: "
    "compress-lab run … --save FOLDER."
)
EXPORT_REPORT = "Report (HTML)"
EXPORT_NOTEBOOK = "Notebook"
EXPORT_CODE = "Python code"
LOG_EMPTY = "The log lists every matrix and text block of a run."

PREVIEW_ONE = "{label}: rank {rank} of {full}, {before} → {after}"
PREVIEW_MANY = "{what}: {before} → {after}"
PREVIEW_AT_MOST = "at most {size}"
PREVIEW_MATRIX = "1 matrix"
PREVIEW_MATRICES = "{count} matrices"
PREVIEW_GROUP = " in 1 group"
PREVIEW_GROUPS = " in {count} groups"
PREVIEW_RANK = ", rank {low}"
PREVIEW_RANKS = ", ranks {low} to {high}"
PREVIEW_ALLOCATED = ", allocated by estimated loss"
PREVIEW_KEPT = "The LM head keeps its own matrix of {size}, so the model grows."
PREVIEW_ONE_NOTE = "{label}: {note}, {before} → {after}"
PREVIEW_WHOLE = "Model: {size} ({share})"
PREVIEW_TIED = {
    "embedding": "Embedding and LM head are tied: both are compressed.",
    "head": "The LM head is tied to the embedding, which this plan does not compress.",
}
BREAK_EVEN = "Rank must stay below {rank} to save memory."
BIGGER = "{count} of them would become larger."
NO_SAVING = "This setting saves nothing."
UNKNOWN_SHAPES = "Run once to load this model and see its layers."
HUB_FORM = (
    "{given!r} is neither in the list nor a Hub ID of the form owner/name. Folders and files can "
    "be used on the command line: compress-lab run."
)
METHOD_SWITCHED = "{method} does not support these matrices; switched to {other}."
BESIDE_MISSING = "{count} of the runs in the link's comparison are not known here."
LINK_WITHOUT_TEXT = (
    "The link does not include your custom text; the recipient gets the default text."
)
UNAVAILABLE = "Choose another model, or try again once this machine is online."
NOT_A_CORPUS = "{given!r} is not a text of this page. Choose one of: {allowed}."
OVERRIDE_WHERE = (
    "The row with {given!r} has no pattern: enter a module type such as query, layers such as "
    "@0-5, or * for everything."
)
OVERRIDE_KEEP = "The size kept in row {where!r} must be above 0 and at most 1, not {given!r}."
MORE_THAN_THE_FORM = (
    "The form cannot show every setting of this plan, such as options that differ by row or "
    "several prompts. It shows the closest plan; compress-lab run runs the original."
)
MORE_THAN_THE_PAGE = (
    "The page runs only plans that its form can show: one setting of each method option and of the "
    "grouping, and one prompt. compress-lab run --plan FILE runs any plan."
)
NO_RUN = "There is no run with the key {key!r}: use a key that landmarks or compress returned."
NOTHING_CHOSEN = "Choose something to compress: a module type, or a row of the overrides."
TOO_MANY = "{name} may be at most {limit:,} on this page, not {given:,}."

LAB_TAB = "Lab"
STUDIES_TAB = "Studies"
STUDIES_INTRO = (
    "Experiments of many runs. P1, [Direction is what you need](https://arxiv.org/abs/2106.08181) "
    "(2021), compresses embeddings; P2, [Revisiting Offline "
    "Compression](https://arxiv.org/abs/2302.04045) (2023), compresses all matrices, *separated* "
    "or *concatenated* (one decoder per module type). Both are reproduced on a current model, with "
    "further questions. Each study uses its own text, so baselines differ. `compress-lab reproduce "
    "p1` and `compress-lab study` run them on any model."
)
STUDY = "Study"
STUDY_MEASURE = "Colour by"
STUDY_CSV = "These rows as CSV"
STUDY_JSON = "This study as JSON"
STUDY_TABLE = "All rows"
NO_STUDY = "No studies yet."
SWEEP = "Sensitivity by matrix"
SWEEP_INTRO = (
    "**Your own:** compress each matrix of the plan's model alone, with the plan's method and size "
    "and the method's default options, and see the cost of each. Takes about a second per matrix; "
    "can be stopped and resumed."
)
SWEEP_STOPPED = "Stopped. The next sweep resumes here."
SWEEP_FINISHED = "All matrices are measured."
SWEEP_REFUSED = (
    "{count} matrices could not be compressed (reasons in the table); all others are measured."
)

WORDS = {
    word: word
    for word in (
        *("Original", "original {value}", "{ratio}× original", "shown run", "Pareto front"),
        *("embedding only", "layers", "everything", "log scale"),
        *("Model size (MB)", "Model size (million parameters)"),
        *("Perplexity increase (log scale)", "Megabytes"),
        *("Compressed, measured", "Compressed, predicted", "{measure} by layer", "layer", "Epoch"),
        *("Direction error of rows (1 − cos)", "random noise, same norm", "error"),
        *("Tokens", "Token occurrences", "{what} (cumulative %)", "mean", "95th percentile"),
        *("{what} (% per tenth of a decade)", "{what} (% per {width})"),
        *("Singular value index", "Singular value (log scale)"),
        *("kept", "dropped", "rank {rank}", "break-even"),
        *(metric.label for metric in {**metrics.METRICS, **metrics.ERRORS}.values()),
        *(metric.meaning for metric in {**metrics.METRICS, **metrics.ERRORS}.values()),
    )
}
"""Texts of charts and metrics, which do not import the page; see `utils.translation`."""

# Texts without a translation stay English.
globals().update(languages.selected_translations())
set_translations(WORDS)
