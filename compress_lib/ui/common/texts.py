"""Every sentence that a person reads on the page, in one place."""

from __future__ import annotations

from compress_lib.data.text_spec import QUICK_TOKENS
from compress_lib.results import metrics
from compress_lib.ui.common import languages
from compress_lib.utils.translation import set_translations

LANGUAGE = "en"
TITLE = "Compression Lab"
SUBTITLE = "Find out what compressing a language model really costs."
STEPS = (
    ("Choose", "a method, and how small it may get."),
    ("Compress", "a real model here, with no training afterwards."),
    ("Read the cost", "in perplexity, bytes, directions and text."),
)

MODEL = "Model"
MODEL_FETCHED = "{label} · {size} to fetch"
MODEL_INFO = "From the list, or any Hub id such as owner/name."
FAMILIES = "What to compress"
PRESET_EMBEDDING = "Embedding"
PRESET_LAYERS = "All layers"
PRESET_EVERYTHING = "Everything"
METHOD = "Method"
KEEP = "Keep"
KEEP_INFO = "Bytes after ÷ bytes before; 25 is taken as 25 %."
KEEP_SIZED = "This method's options decide its size."
OPTIONS = "Options of the method"
NO_OPTIONS = "This method has no options."
MORE_OPTIONS = "{count} more options"
DEFAULTS = "Defaults"
OVERRIDES = "Other settings for some families or layers"
OVERRIDES_INFO = (
    "Each line changes what its pattern selects; a later line wins. **Where** is a family "
    "(`query`), layers (`@0-3`), both (`ffn_out@29`) or a name (`*down_proj`). **Method** may be "
    "`dense` to leave something as it is. Empty cells take the settings above."
)
OVERRIDES_HEADERS = ("Where", "Method", "Keep")
TOGETHER = "Compress together"
GROUP = "Matrices"
GROUP_CHOICES = {
    "separated": "Each matrix by itself",
    "concatenated": "A family's matrices share a basis",
}
WINDOW = "Layers in a group"
WINDOW_INFO = "0 takes all; counts where matrices share a basis."
ORIENTATION = "Data"
ORIENTATION_INFO = "Automatic takes what leaves the larger rank."
ORIENTATION_CHOICES = {"automatic": "Automatic", "rows": "Rows", "columns": "Columns"}
TIE = "A table that input and output share"
TIE_CHOICES = {"both": "Both ends are compressed", "input": "Input only"}
TIE_INFO = "Input only is as the first paper measured; it makes the model bigger."
ALLOCATION = "Who gets how many bytes"
ALLOCATION_INFO = (
    "By hand: in the table of other settings. By estimated loss takes calibration text."
)
ALLOCATION_CHOICES = {
    "uniform": "Every matrix keeps the same share",
    "by_family": "A share for each family, by estimated loss",
    "automatic": "A share for each matrix, by estimated loss",
    "measured": "The same, after trying each family alone (takes longer)",
}
INPUTS = "Layers are compressed for"
INPUTS_INFO = "Block by block and slower; it helps where much is lost."
INPUTS_CHOICES = {
    "original": "The inputs they had",
    "compressed": "The inputs they get in the compressed model",
}
LEARN_TAB = "Learn"
TOUR = "A tour of six guesses"
TOUR_HELP = "Guess first; then see what was measured, and load the plan to see it happen."
TOUR_STEPS = "Steps"
TOUR_REVEAL = "Reveal"
TOUR_LOAD = "Load this plan into the lab"
TOUR_ONWARD = "Next step"
TOUR_GUESS = "Guess first: choose one of the answers."
TOUR_RIGHT = "Right."
TOUR_WRONG = "Not this time. It is: {answer}."
GLOSSARY = "What the words mean"
GLOSSARY_HELP = "Every number of the page, with its formula."
LOWER = "Lower is better."
HIGHER = "Higher is better."
TERMS = {
    "Keep": "Bytes after ÷ bytes before, of what is compressed, in the checkpoint's type. Norms, "
    "scales, indices and codebooks count; what is shared counts once.",
    "Rank": "How many directions a factorization keeps: a matrix of rank r is the sum of r outer "
    "products, r · (rows + columns) numbers.",
    "Break-even rank": "rows · columns ÷ (rows + columns): above it, two factors are bigger than "
    "the matrix.",
    "Calibration text": "Text that methods may learn from: how often tokens occur, what passes "
    "through layers, which errors the loss minds. Never the text that is measured on.",
    "Tied table": "The token table that a model reads from and writes with is one matrix; an error "
    "in it counts at both ends.",
    "Decoder": "The part of an autoencoder that makes rows from their latents. Matrices that share "
    "one store it once.",
    "Interval": "From … to …: holds the truth 95 times in 100, by Student's t over blocks of text. "
    "Two runs on the same text are compared block by block, which tells far smaller differences.",
    "Keys and values": "What a model keeps of every token while it writes: 2 · layers · key heads "
    "· head size numbers a token. Compressing weights leaves them as they are.",
    "Tokens a second": "Of one run, once: reading is the tokens of a block ÷ the time of a forward "
    "pass, writing the new tokens ÷ their time, medians over blocks and prompts.",
    "Still near": "How many of a token's nearest neighbours, by cosine, are the same before and "
    "after.",
    "Estimated loss": "½ tr(G Δ C Δᵀ) of an error Δ: what K-FAC says that the loss grows by, C "
    "being the second moment of a layer's inputs, G that of the gradients at its outputs. Where it "
    "is below half a nat, the growth of the loss and the KL divergence that were measured lay "
    "between a fifth and two and a half times of it.",
}
PREVIEW_EXPECTED = (
    "Expected before the run: the loss grows by some {loss} nats a token, perplexity × {low} to "
    "{high}"
)
PREVIEW_AT_LEAST = (
    "Expected before the run: the loss grows by {loss} nats a token, perplexity × {ratio}, or far "
    "more: an estimate tells too little of errors so large"
)
PREVIEW_UNFORETOLD = "What this costs is not foretold: run it."
PREVIEW_SHARED_COST = "What this costs is estimated when it runs, with the bytes shared out."
PREVIEW_RUINED = (
    "Expected before the run: perplexity grows several times over, and maybe little is left of the "
    "model"
)
PREVIEW_ERROR = "Relative error {error:.3f}, known before any run."
PREVIEW_ERROR_BOUND = "Relative error {error:.3f} or more: no result of these ranks has less."
CONTEXT_LENGTH = "Tokens in the context"
CACHE = (
    "While it writes, a model also keeps keys and values of every token before: {each} a token, "
    "**{cache}** at {tokens} tokens, compressed or not. With it the model takes {before} → "
    "**{after}** ({share})."
)
NO_CACHE = "How much memory keys and values take was not counted in this run."
SWEEP_PLANS = "Several methods and sizes at once"
SWEEP_PLANS_HELP = (
    "Runs the plan by each method at each size, one after the other, with all its other settings; "
    "points appear as they finish. Stop ends it, and what was measured stays."
)
SWEEP_METHODS = "Methods"
SWEEP_KEEPS = "Keeps"
SWEEP_RUN = "Run them all"
SWEEP_WANTS = "Choose one method or more, and write keeps between 0 and 1, such as 0.25, 0.5, 0.75."
SWEEP_MANY = "These are {count} runs; at most {limit} are one job. Take fewer methods or keeps."
MAP = "Layer by layer"
MAP_HELP = (
    "A cell is a matrix. Click cells, a layer's number, a family or *All* to choose, then say what "
    "shall happen to them. Shift-click takes all between, arrow keys move, Space chooses, "
    "Escape forgets the choice."
)
MAP_COLOURS = {"keep": "Keep", "method": "Method", "error": "Measured error"}
MAP_COLOUR = "Coloured by"
MAP_COLOUR_HELP = {
    "keep": "Percent of the bytes that remain; a dot is left as it is.",
    "error": "Relative error in percent, as the shown run measured it.",
}
MAP_ALL = "All"
MAP_LAYER = "All of layer {layer}"
MAP_TABLES = "Token tables"
MAP_TABLES_SHORT = "T"
MAP_PLACE = "{family}, layer {layer}"
MAP_DENSE = "left as it is"
MAP_SHARED = "its bytes are shared out when it runs"
MAP_RANK = "rank {rank} of {full}"
MAP_ERROR = "relative error {error:.3f}"
MAP_NO_ERROR = "not measured in the shown run"
MAP_NOTHING = "Nothing is chosen."
MAP_COUNT = "{count} matrices"
MAP_CHOSEN = "{what}: {before} → {after}"
MAP_METHOD = "What happens to them"
MAP_KEEP = "Keep of them"
MAP_APPLY = "Apply to these"
MAP_CLEAR = "As the whole plan"
MAP_DENSE_BUTTON = "Leave uncompressed"
MAP_FULL = "The plan has {count} exceptions, more than the {limit} that it may have."
UNDO = "Undo"
REDO = "Redo"
MAP_PRESET = "Start from"
MAP_WOULD = "Applied, they would be {what}.{cost}"
MAP_PRESETS = {
    "uniform": "Everything alike",
    "protect_ends": "First and last layer left alone",
    "attention": "Attention only",
    "ffn": "FFN only",
    "embedding": "Embedding only",
    "automatic": "The best for each, within Keep",
}
MEASURE = "How it is measured"
CORPUS = "Text to measure on"
OWN_TEXT = "Text of your own"
OWN_TEXT_HINT = "Paste a few paragraphs; their first tokens are used."
OWN_CHOICE = "Text of your own"
CALIBRATION = "Text to choose by"
CALIBRATION_INFO = (
    "What methods learn about the model comes from here. If it is the text above, another part of"
    " it is taken, never what is measured on."
)
CALIBRATION_TOKENS = "Tokens to choose by"
CALIBRATION_TOKENS_INFO = f"{QUICK_TOKENS:,} is quick; more is better, and takes minutes once."
TOKENS = "Tokens"
CONTEXT = "Context"
PROTOCOL = "How perplexity is measured"
PROTOCOL_CHOICES = {
    "automatic": "As is usual for the model",
    "causal": "Every next token (causal models)",
    "whole_word": "15 % of the words hidden (masked models)",
    "pseudo": "Every token hidden once (masked models; slow)",
}
WRITING = "What both models write"
PROMPT = "Beginning of a text"
PROMPT_INFO = "A masked model fills in [MASK] or ___; without one, the end."
NEW_TOKENS = "New tokens"
TEMPERATURE = "Temperature"
TEMPERATURE_INFO = "0 takes the likeliest token."
SEED = "Seed"
SEED_INFO = "Same for both."
RUN = "Compress and measure"
RUNNING = "Working …"
STOP = "Stop"
LINK_BROKEN = "The link could not be read, so this is the usual plan."
BROKEN = "Something broke here, and not by your doing: the server's log says what. Try again."
COMPARE = "Compare"
COPY_LINK = "Copy link"
COPIED = "Link copied"
LINK_COPIED = "The link restores this plan."
LINK_COPIED_BESIDE = "The link restores this plan and, under Compare, what it stands beside."
LINK_OF_FORM = "That is the plan in the form: the results shown are those of another one."
LINK_OPENED_BESIDE = "What the link compares is under Compare."
START_OVER = "Start over"
STARTED_OVER = "The form holds the usual plan again."

READY = "Ready. Shown are runs measured beforehand."
NO_SPACES = (
    "The profile asks for a GPU that Spaces lend, which takes the package spaces: pip install "
    "spaces, or choose another profile."
)
LENDING = "Waiting for a GPU"
NOT_YET_RUN = (
    "The form holds a plan that was not run here yet: press Compress and measure. The results are "
    "those of another run."
)
MEASURED_BEFORE = "Shown is the run of this plan that was measured beforehand, on {source}."
STOPPED = "Stopped. What was measured stays; nothing else is kept."
PASSED_OVER = "Passed over: {error}"
STORED = "This plan was run before: its stored result is shown."
FINISHED = "Finished in {seconds}."
PASSED = "{count} of {all} runs were refused and passed over: {why}"
SO_FAR = "Perplexity {compressed}: {ratio} × the baseline's {baseline} (after block {blocks})"
SO_FAR_SHOWN = "Measured: the results show it already."
RUN_OF = "Run {number} of {count}: {what}"
WAITING = "Waiting: {ahead} ahead of you."
STARTING = "Starting."
LEFT = "{time} left"
SPARK = "Loss of the training, epoch by epoch: from {first:.4g} to {last:.4g}"
BUSY = (
    "Too many runs are waiting ({limit}). Try again in a minute, or look at the measured runs "
    "meanwhile."
)
BUSY_WITH_YOURS = (
    "{limit} of your own jobs wait or run already: let one end, or stop one, before the next."
)

RESULTS_OF = "Results of"
LANDMARK = "measured beforehand"
YOURS = "run here"
YOURS_SO_FAR = "run here, without texts so far"
TAB_FRONTIER = "Cost against size"
TAB_COMPARE = "Compare"
TAB_TEXT = "Text"
NO_TEXT = (
    "No text yet. Both models write once all is measured; where that was stopped, Compress and "
    "measure has them write."
)
TAB_DIRECTION = "Directions"
TAB_MEMORY = "Memory"
TAB_MATRICES = "Matrices"
TAB_AWAY = "Take away"
TAB_LOG = "Log"
FRONTIER_HELP = (
    "Further left is smaller. The grey band joins the runs that no other beats in both. The star "
    "is the model as it came; small marks were measured beforehand, large ones are yours. "
    "Click a mark to see its run and take its plan over, or a line below to see its run."
)
FRONTIER_MEASURE = "What is drawn against size"
FRONTIER_SIZE = "Size in"
FRONTIER_SIZES = {"megabytes": "Bytes", "parameters": "Parameters"}
SHOWN_PLAN = "The form holds the plan of this run now."
SHOWN_OTHER = "The form stays as it is; the button below the runs puts this run's plan into it."
USE_PLAN = "Put the plan of the shown run into the form"
RUN_HEADERS = (
    "Run",
    "Perplexity",
    "× base",
    "MB",
    "% bytes",
    "KL",
    "Same 1st %",
    "Direction",
)
PROVENANCE = (
    "{count} runs of {model} on {corpus}: {tokens} tokens, context {context}. Weights: {source}. "
    "Measured with compress_lib {version} on {date}."
)
WERE_COARSE = (
    "These weights had been rounded to 4 bits before, so rounding them to 4 bits costs less here "
    "than it does elsewhere."
)
SHRANK = "The model takes {share} of its bytes, "
GREW = "The model became bigger, {share} of its bytes, "
PLAINLY = {
    "same": "and predicts this text about as well as before.",
    "worse": "and hesitates between {ratio} times as many tokens at every step.",
    "ruined": "and little is left of it: its perplexity is {ratio} times as large.",
}
NOTHING_SHOWN = "No run is shown of which there could be a file."
NO_LANDMARKS = "Nothing was measured beforehand on this model and text: here stand your own runs."
NO_DIRECTION = "This run leaves the embedding as it is, so no token's direction changed."
NO_COUNTS = "No text was read with this run, so tokens cannot be counted."
DIRECTION_HELP = (
    "How far each token's vector turned: 0 is not at all, 1 is a right angle. The dotted line is "
    "random noise as large as the error: a method that lies left of its own dotted line spends its "
    "error on length rather than direction."
)
COMPARE_DIRECTIONS = "Lay over it"
WORST = "turned most"
FREQUENT = "most frequent"
BEST = "turned least"
TOKENS_NEAR = "Some tokens and who is near them: search for one"
TOKEN_HEADERS = (
    "Token",
    "List",
    "Direction error",
    "Count in text",
    "Nearest before",
    "Nearest after",
    "Still near",
)
ASKED = "asked for"
TOKEN_ASK = "Look up any word"
TOKEN_ASK_INFO = (
    "How far its tokens turned, and who is near them: they come first in the table. A model that "
    "is not kept any more is compressed again."
)
TOKEN_ASK_BUTTON = "Look up"
TOKEN_EXAMPLE = "lighthouse"
TOKEN_LOOKING = "Looking for the nearest rows"
TOKEN_FOUND = "The tokens of “{word}”, after a space and as it is, come first in the table."
TOKEN_NOTHING = "Nothing to look up: type a word."
TOKEN_LONG = "A word of at most {most} characters, please."
DIRECTION_CUMULATIVE = "Share of tokens up to an error"
DIRECTION_WEIGHTED = "Count tokens as often as the text has them"
DIRECTION_LOGARITHMIC = "Stretch small errors (logarithmic)"
DIRECTION_LAYERS = "Layer by layer: the line is the mean over rows, the band holds 95 % of them."
MEMORY_HELP = "Every tensor that a checkpoint would store, shared ones once."
GROWN = "This plan makes something bigger: {parts}."
GROWN_PART = "{name} {before} → {after}"
MATRIX_HEADERS = (
    "Names",
    "Method",
    "Rank",
    "Shape",
    "% bytes",
    "Relative",
    "Direction",
    "RMSE",
    "MAE",
    "MAE^0.6",
    "Compressed with",
    "Data",
    "Seconds",
)
LAYERS_HELP = (
    "Each compressed weight by layer and family; darker is better. Embedding and output head "
    "belong to no layer: they stand in the table below, which holds the same numbers."
)
MEASURE_SHOWN = "Measure"
TRAINING_HELP = (
    "What was measured while the weights were trained, at every look. The dot is the lowest point; "
    "lower is better everywhere."
)
SPECTRUM_HELP = (
    "The singular values of a matrix, largest first, and where its rank cuts them. SVD leaves out "
    "what is grey; methods that weigh errors keep other directions, but as many."
)
RANKED = "Factorized matrix"
TRAINED = "Trained weight or group"
TEXT_HELP = (
    "Same beginning, same seed. A bar marks where the texts part. The stronger a token is shaded, "
    "the less likely the *other* model found it there: point at it to read what both thought. A "
    "masked model writes nothing: shown is what each finds likeliest in the place of a mask."
)
MASK_NUMBER = "Mask {number}"
FILL_HEADERS = ("Token", "Probability")
PREDICTED = {"causal": "of next tokens"}
HIDDEN = "of hidden tokens"
BASELINE = "Baseline"
COMPRESSED = "Compressed"
NEVER_PART = "Both models wrote the same."
PART_AFTER = "They part after {count} new tokens."
PART_AT_ONCE = "They part at the first new token."
PART_HERE = "Here they part."
TOKEN_TIP = "the other model: {other}, the writer: {own}"
TOKEN_SCALE = "Probability that the other model gave the token:"
TOKEN_BY_TOKEN = "Token by token"
TOKEN_TABLE = ("Token", "Writer", "Other model")
TEXT_PERPLEXITY = "Perplexity of this text by its writer {own}, by the other model {other}."
TIMES_BASELINE = "{ratio} × baseline {base}"
MEASURED_ON = "{model}, {corpus}, {tokens} tokens"
SHARE_OF = "{share} of {whole} MB"
MOST_BELOW = "95 % of tokens below {most}"
KL_UNIT = "nats a token"
KL_FORETOLD = "nats a token; {loss} was expected"
KL_AT_LEAST = "nats a token; {loss} or far more was expected"
KL_RUINED = "nats a token; over {least} was expected"
SPEED = "{speed:.0f} tokens a second"
NOT_TIMED = "not timed"
BETWEEN = "{low} to {high}"
NO_INTERVAL = "one block: no interval"
ONE_BLOCK = "So little text tells little: one block gives no interval."
READS = "reads {speed:,.0f} tokens a second"
WRITES = "writes {ratio:.2f} ×"
WRITES_YET = "writes … ×"
UNTOUCHED = "embedding untouched"
DOWNLOAD_CSV = "Runs as CSV"
DOWNLOAD_MATRICES = "Matrices as CSV"
DOWNLOAD_JSON = "This run as JSON"
COMPARE_HELP = (
    "Up to four runs. Each is held against the first one, block by block of the same text, so that "
    "small differences can be told from chance (95 % intervals)."
)
TRAY = "Runs to compare"
TRAY_INFO = "Choose runs, or leave it empty: then the table shows your last runs."
TRAY_FULL = "Four runs are chosen already: take one out first."
TRAY_EMPTY = "There is no run to compare yet."
TRAY_LONELY = "Run a plan of your own, or choose a second run above: it will stand beside this one."
COMPARE_RATIO = "Perplexity against the first"
COMPARE_KL = "KL minus that of the first"
COMPARE_BYTES = "Bytes against the first"
COMPARE_SAYS = "Is it worse than the first?"
COMPARE_UNKNOWN = "nobody can tell: no interval is known"
COMPARE_SAME = "it predicts the very same"
COMPARE_UNSURE = "the difference may be chance"
COMPARE_FARTHER = "perplexity may differ by chance, but it is surely farther from the original"
COMPARE_NEARER = "perplexity may differ by chance, but it is surely nearer to the original"
COMPARE_WORSE = "surely worse"
COMPARE_BETTER = "surely better"
AWAY_HELP = (
    "All of this run: a page of its own that opens without a network, a notebook and code that "
    "make it again, every number, and the compressed model, which is made again where it is gone."
)
AWAY_CHECKPOINT = "Checkpoint (zip)"
AWAY_FILE = "The compressed model, with its card and its record"
AWAY_SAVING = "Writing the checkpoint"
AWAY_READY = "The checkpoint of {run} is ready: {size}."
MADE_ELSEWHERE = (
    "Runs of this page take place on a GPU that is lent, where their models stay: they can neither "
    "be looked into nor taken away here. On a machine of your own: compress-lab run … --save "
    "FOLDER."
)
MADE_TOO_LONG = (
    "The model of this run is gone, and compressing it took {took}, more than the {most} that this "
    "page gives to making one again. On a machine of your own: compress-lab run … --save FOLDER."
)
AWAY_LARGE = (
    "The checkpoint has {size}, more than the {most} that this page sends. On a machine of your "
    "own: compress-lab run … --save FOLDER."
)
AWAY_REPORT = "Report (HTML)"
AWAY_NOTEBOOK = "Notebook"
AWAY_CODE = "Python code of this run"
LOG_EMPTY = "A run writes a line for every matrix and every block of text here."

PREVIEW_ONE = "{label}: rank {rank} of at most {full}, {before} → {after}"
PREVIEW_MANY = "{what}: {before} → {after}"
PREVIEW_AT_MOST = "at most {size}"
PREVIEW_MATRIX = "1 matrix"
PREVIEW_MATRICES = "{count} matrices"
PREVIEW_GROUP = " in 1 group"
PREVIEW_GROUPS = " in {count} groups"
PREVIEW_RANK = ", rank {low}"
PREVIEW_RANKS = ", ranks {low} to {high}"
PREVIEW_SHARED = ", shared out by estimated loss"
PREVIEW_KEPT = "The output keeps its own matrix of {size} beside it, so the model grows."
PREVIEW_ONE_NOTE = "{label}: {note}, {before} → {after}"
PREVIEW_WHOLE = "whole model {size}, {share} of its bytes"
PREVIEW_TIED = {
    "embedding": "This model writes with the same table: its output head is compressed as well.",
    "head": "This model has no head of its own: it writes with the embedding, which stays.",
}
BREAK_EVEN = "Break-even rank {rank}: above it, two factors are bigger than what they replace."
BIGGER = "{count} of them would be bigger than before."
NO_SAVING = "At this keep nothing becomes smaller."
UNKNOWN_SHAPES = "The matrices of this model are known once it has been loaded: run it."
HUB_FORM = (
    "{given!r} is neither in the list nor a Hub id of the form owner/name. Folders and files can "
    "be used on the command line: compress-lab run."
)
METHOD_GAVE_WAY = "{method} does not know all of these matrices: {other} does."
BESIDE_MISSING = "Not known here, of the runs that the link compares with: {count}."
LINK_WITHOUT_TEXT = "The link does not hold your own text: whoever opens it gets the usual one."
UNAVAILABLE = "Choose another model, or try again once this machine has a network."
NOT_A_CORPUS = "{given!r} is not a text of this page. Choose one of: {allowed}."
OVERRIDE_WHERE = (
    "The line with {given!r} does not say where: write a family such as query, layers such as "
    "@0-5, or * for everything."
)
OVERRIDE_KEEP = "Keep in the line {where!r} must be a number above 0 and at most 1, not {given!r}."
MORE_THAN_THE_FORM = (
    "The plan says more than this form can, such as options that differ from line to line, or "
    "several prompts. The form shows the nearest plan; compress-lab run takes the whole one."
)
MORE_THAN_THE_PAGE = (
    "The page runs plans that its form can show: one setting of each method's options and of what "
    "is compressed together, and one prompt. compress-lab run --plan FILE takes any plan."
)
NO_RUN = "There is no run with the key {key!r}: take one that landmarks or compress returned."
NOTHING_CHOSEN = "Choose something to compress: a family, or a line in the table below it."
TOO_MANY = "{name} may be at most {limit:,} on this page, not {given:,}."

LAB_TAB = "Lab"
STUDIES_TAB = "Papers and studies"
STUDIES_INTRO = (
    "What takes many runs. P1, [Direction is what you need](https://arxiv.org/abs/2106.08181) "
    "(2021), compresses token tables; P2, [Revisiting Offline "
    "Compression](https://arxiv.org/abs/2302.04045) (2023), all matrices, *separated*, each by "
    "itself, or *concatenated*, a family's matrices with one decoder. Both are repeated here on a"
    " model of today, beside questions behind them; each study has a text of its own, so "
    "baselines differ. `compress-lab reproduce p1` and `compress-lab study` measure them on any "
    "model."
)
STUDY = "Study"
STUDY_MEASURE = "Colour"
STUDY_CSV = "These rows as CSV"
STUDY_JSON = "This study as JSON"
STUDY_TABLE = "All rows"
NO_STUDY = "No study was measured yet."
SWEEP = "Which module hurts most?"
SWEEP_INTRO = (
    "**Your own:** compress every matrix of the plan's model by itself, with the plan's method and "
    "keep and the method's usual options, and see what each costs. It takes about a second a "
    "matrix, can be stopped, and goes on where it was."
)
SWEEP_STOPPED = "Stopped. What was measured stays: the next sweep goes on from there."
SWEEP_FINISHED = "Every matrix was measured."
SWEEP_REFUSED = "{count} matrices were refused; the table says why. The others were measured."

WORDS = {
    word: word
    for word in (
        *("Baseline", "baseline {value}", "{ratio} × baseline", "these results", "not beaten"),
        *("embedding alone", "layers", "everything", "log scale"),
        *("Whole model (MB)", "Whole model (million parameters, whatever bits each takes)"),
        *("Perplexity ÷ baseline (log of what exceeds 1)", "Megabytes"),
        *("Compressed, measured", "Compressed, predicted", "{measure} by layer", "layer", "Epoch"),
        *("Direction error of rows (1 − cos)", "same-norm random noise", "error"),
        *("Tokens", "Tokens in the text", "{what} up to here (%)", "mean", "95 % below"),
        *("{what} per tenth of a decade (%)", "{what} per {width} of error (%)"),
        *("Direction, by its singular value", "Singular value (log scale)"),
        *("kept", "left out", "rank {rank}", "break-even"),
        *(metric.label for metric in {**metrics.METRICS, **metrics.ERRORS}.values()),
        *(metric.meaning for metric in {**metrics.METRICS, **metrics.ERRORS}.values()),
    )
}
"""What charts and metrics say, which know nothing of the page; see `words`."""

# All of it in the language that was chosen, but for what was not translated.
globals().update(languages.selected_translations())
set_translations(WORDS)
