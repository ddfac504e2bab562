"""German texts of the page."""

from __future__ import annotations

from compress_lib.data.text_spec import QUICK_TOKENS
from compress_lib.results import metrics

LANGUAGE = "de"
SUBTITLE = "Mach ein Sprachmodell kleiner. Sieh, was dabei verloren geht."
STEPS = (
    (
        "Wähle",
        "ein Verfahren und eine Zielgröße.",
    ),
    (
        "Komprimiere",
        "ein echtes Modell, ohne Nachtraining.",
    ),
    (
        "Vergleiche",
        "Perplexität, Speicher, Embedding-Richtungen und Texte.",
    ),
)

MODEL = "Modell"
MODEL_FETCHED = "{label} ({size} Download)"
MODEL_INFO = "Aus der Liste oder als Hugging-Face-Kennung (owner/name)."
FAMILIES = "Zu komprimierende Module"
PRESET_EMBEDDING = "Embedding"
PRESET_LAYERS = "Alle Schichten"
PRESET_EVERYTHING = "Alles"
METHOD = "Verfahren"
KEEP = "Verbleibende Größe"
KEEP_INFO = "Komprimierte ÷ ursprüngliche Bytes; 25 gilt als 25 %."
KEEP_SIZED = "Durch die Optionen des Verfahrens festgelegt, etwa die Bitbreite."
OPTIONS = "Optionen des Verfahrens"
NO_OPTIONS = "Dieses Verfahren hat keine Optionen."
MORE_OPTIONS = "{count} weitere Optionen"
DEFAULTS = "Standardwerte"
OVERRIDES = "Ausnahmen für einzelne Schichten"
OVERRIDES_INFO = (
    "Eine Regel je Zeile; spätere haben Vorrang. **Wo** ist ein Modultyp (`query`), Schichten "
    "(`@0-3`), beides (`ffn_out@29`) oder ein Name (`*down_proj`). Das Verfahren `dense` "
    "komprimiert nicht. Leere Zellen übernehmen die Einstellungen oben."
)
OVERRIDES_HEADERS = (
    "Wo",
    "Verfahren",
    "Größe",
)
GROUPING = "Gruppierung und Byte-Verteilung"
GROUP = "Gruppierung"
GROUP_CHOICES = {
    "separated": "Jede Matrix einzeln",
    "concatenated": "Zusammengefügt (gemeinsame Basis oder Decoder je Modultyp)",
}
WINDOW = "Schichten je Gruppe"
WINDOW_INFO = "Aufeinanderfolgende Schichten mit gemeinsamer Basis; 0 = alle."
ORIENTATION = "Ausrichtung"
ORIENTATION_INFO = (
    "Automatisch wählt Zeilen oder Spalten, je nachdem, was den höheren Rang erlaubt."
)
ORIENTATION_CHOICES = {"automatic": "Automatisch", "rows": "Zeilen", "columns": "Spalten"}
TIE = "Geteiltes Embedding"
TIE_CHOICES = {
    "both": "Embedding und LM-Kopf komprimieren",
    "input": "Nur das Eingabe-Embedding",
}
TIE_INFO = (
    "„Nur das Eingabe-Embedding“ folgt dem Artikel von 2021: Der LM-Kopf bleibt unkomprimiert, das "
    "Modell wächst."
)
ALLOCATION = "Byte-Verteilung"
ALLOCATION_INFO = (
    "Die Verteilung nach geschätztem Verlust liest den Kalibrierungstext. Von Hand: über die "
    "Ausnahmen für Schichten."
)
ALLOCATION_CHOICES = {
    "uniform": "Gleichmäßig",
    "by_family": "Je Modultyp, nach geschätztem Verlust",
    "automatic": "Je Matrix, nach geschätztem Verlust",
    "measured": "Je Matrix, je Modultyp kalibriert (langsamer)",
}
INPUTS = "Aktivierungen zur Kalibrierung"
INPUTS_INFO = (
    "Sequenzielle Kalibrierung geht Block für Block vor: langsamer, aber besser bei starker "
    "Kompression."
)
INPUTS_CHOICES = {
    "original": "Aus dem Originalmodell",
    "compressed": "Aus dem komprimierten Modell (sequenziell)",
}
LEARN_TAB = "Lernen"
TOUR = "Sechs kurze Fragen"
TOUR_HELP = "Raten, dann die Messung ansehen und den Plan laden."
TOUR_STEPS = "Fragen"
TOUR_REVEAL = "Prüfen"
TOUR_LOAD = "Diesen Plan laden"
TOUR_ONWARD = "Nächste Frage"
TOUR_GUESS = "Wähle zuerst eine Antwort."
TOUR_RIGHT = "Richtig."
TOUR_WRONG = "Nicht ganz: {answer}."
GLOSSARY = "Glossar"
GLOSSARY_HELP = "Alle Kennzahlen und Begriffe dieser Seite, mit Formeln."
LOWER = "Weniger ist besser."
HIGHER = "Mehr ist besser."
TERMS = {
    "Verbleibende Größe": (
        "Komprimierte ÷ ursprüngliche Bytes der komprimierten Module, im Zahlentyp des "
        "Checkpoints. Normen, Skalen, Indizes und Codebücher zählen mit; geteilte Tensoren zählen "
        "einmal."
    ),
    "Rang": (
        "Anzahl der Richtungen, die eine Faktorisierung behält: Eine Matrix vom Rang r ist die "
        "Summe von r äußeren Produkten, r · (Zeilen + Spalten) Zahlen."
    ),
    "Break-even-Rang": (
        "Zeilen · Spalten ÷ (Zeilen + Spalten): Darüber sind zwei Faktoren größer als die Matrix."
    ),
    "Kalibrierungstext": (
        "Text, an dem Verfahren Token-Häufigkeiten, Eingaben von Schichten und Gradienten "
        "schätzen. Er überschneidet sich nie mit dem Evaluationstext."
    ),
    "Geteiltes Embedding": (
        "Eine Matrix dient als Eingabe-Embedding und als LM-Kopf; ein Fehler in ihr zählt daher "
        "doppelt."
    ),
    "Decoder": (
        "Der Teil eines Autoencoders, der Zeilen aus ihren Latents berechnet. Matrizen mit "
        "gemeinsamem Decoder speichern ihn einmal."
    ),
    "Konfidenzintervall": (
        "95-%-Konfidenzintervall nach Students t über Textblöcke. Zwei Läufe auf demselben Text "
        "werden blockweise verglichen, was weit kleinere Unterschiede auflöst."
    ),
    "Geschätzter Verlust": (
        "½ tr(G Δ C Δᵀ) für einen Fehler Δ: die K-FAC-Schätzung des Verlustzuwachses, wobei C das "
        "zweite Moment der Eingaben einer Schicht ist und G das der Gradienten an ihren Ausgaben. "
        "Unter einem halben Nat lagen gemessener Verlustzuwachs und KL-Divergenz zwischen einem "
        "Fünftel und dem Zweieinhalbfachen der Schätzung."
    ),
    "KV-Cache": (
        "Keys und Values aller bisherigen Tokens, die beim Generieren im Speicher bleiben: 2 · "
        "Schichten · KV-Köpfe · Kopfgröße Zahlen je Token. Kompression der Gewichte ändert ihn "
        "nicht."
    ),
    "Tokens pro Sekunde": (
        "Einmal je Lauf gemessen. Prefill: Tokens eines Blocks ÷ Dauer eines Vorwärtsdurchlaufs. "
        "Decode: neue Tokens ÷ ihre Dauer. Mediane über Blöcke und Prompts."
    ),
    "Behaltene Nachbarn": (
        "Wie viele der nächsten Nachbarn eines Tokens (Kosinus-Ähnlichkeit) vor und nach der "
        "Kompression gleich sind."
    ),
}
PREVIEW_LOSS = "Geschätzter Verlust +{loss} Nats/Token (Perplexität ×{low}–{high})."
PREVIEW_HIGH = (
    "Geschätzter Schaden: hoch (Verlust +{loss} Nats/Token, Perplexität ×{ratio}, womöglich weit "
    "mehr). Zu groß für eine Vorhersage; zum Messen ausführen."
)
PREVIEW_NO_ESTIMATE = "Keine Schätzung für diese Einstellungen. Zum Messen ausführen."
PREVIEW_PENDING = "Wird beim Ausführen geschätzt, wenn die Bytes verteilt sind."
PREVIEW_SEVERE = "Geschätzter Schaden: sehr hoch. Das Modell wird womöglich unbrauchbar."
PREVIEW_ERROR = "Relativer Fehler {error:.3f} (exakt)."
PREVIEW_ERROR_BOUND = "Relativer Fehler mindestens {error:.3f}, das Optimum für diese Ränge."
CONTEXT_LENGTH = "Kontextlänge (Tokens)"
CACHE = (
    "KV-Cache: {each} je Token, **{cache}** bei {tokens} Tokens (nicht komprimiert). Modell und "
    "Cache: {before} → **{after}** ({share})."
)
NO_CACHE = "Der KV-Cache wurde in diesem Lauf nicht gemessen."
SWEEP_PLANS = "Verfahren und Größen durchprobieren"
SWEEP_PLANS_HELP = (
    "Führt den Plan mit jedem Verfahren in jeder Größe aus; alles andere bleibt. Punkte "
    "erscheinen, sobald ein Lauf fertig ist. Stopp behält die Ergebnisse bis dahin."
)
SWEEP_METHODS = "Verfahren"
SWEEP_KEEPS = "Größen"
SWEEP_RUN = "Alle ausführen"
SWEEP_WANTS = "Wähle mindestens ein Verfahren und Größen zwischen 0 und 1, etwa 0.25, 0.5, 0.75."
SWEEP_MANY = "{count} Läufe; höchstens {limit} sind erlaubt. Wähle weniger Verfahren oder Größen."
MAP = "Schichtenkarte"
MAP_HELP = (
    "Jede Zelle ist eine Gewichtsmatrix. Wähle Zellen, eine Schichtnummer, einen Modultyp oder "
    "*Alles* durch Anklicken und dann Verfahren und Größe für die Auswahl. Umschalt-Klick wählt "
    "einen Bereich, Pfeiltasten bewegen, die Leertaste wählt, Escape hebt die Auswahl auf."
)
MAP_COLOURS = {
    "keep": "Verbleibende Größe",
    "method": "Verfahren",
    "error": "Gemessener Fehler",
}
MAP_COLOUR = "Farbe nach"
MAP_COLOUR_HELP = {
    "keep": "% der Bytes, die bleiben. Punkt: nicht komprimiert.",
    "error": "Relativer Fehler (%), im gezeigten Lauf gemessen.",
}
MAP_ALL = "Alles"
MAP_LAYER = "Schicht {layer}, alle Module"
MAP_TABLES = "Embeddings"
MAP_TABLES_SHORT = "Emb"
MAP_PLACE = "{family}, Schicht {layer}"
MAP_DENSE = "nicht komprimiert"
MAP_PENDING = "Größe wird beim Ausführen bestimmt"
MAP_RANK = "Rang {rank} von {full}"
MAP_ERROR = "relativer Fehler {error:.3f}"
MAP_NO_ERROR = "im gezeigten Lauf nicht gemessen"
MAP_NOTHING = "Nichts ausgewählt. Klicke zuerst auf Zellen."
MAP_COUNT = "{count} Matrizen"
MAP_CHOSEN = "{what}: {before} → {after}"
MAP_METHOD = "Verfahren für die Auswahl"
MAP_KEEP = "Verbleibende Größe"
MAP_APPLY = "Anwenden"
MAP_CLEAR = "Auf Standard zurücksetzen"
MAP_DENSE_BUTTON = "Nicht komprimieren"
MAP_FULL = "Zu viele Regeln: {count} von höchstens {limit}."
UNDO = "Rückgängig"
REDO = "Wiederholen"
MAP_PRESET = "Voreinstellung"
MAP_PREVIEW = "Vorschau: {what}.{cost}"
MAP_PRESETS = {
    "uniform": "Gleichmäßig",
    "protect_ends": "Ohne erste und letzte Schicht",
    "attention": "Nur Attention",
    "ffn": "Nur FFN",
    "embedding": "Nur Embedding",
    "automatic": "Automatisch (bestes Verfahren je Matrix)",
}
MEASURE = "Evaluation"
CORPUS = "Evaluationstext"
OWN_TEXT = "Eigener Text"
OWN_TEXT_HINT = "Ein paar Absätze einfügen; die ersten Tokens werden verwendet."
OWN_CHOICE = "Eigener Text"
CALIBRATION = "Kalibrierungstext"
CALIBRATION_INFO = (
    "Daran wird die Kompression angepasst. Überschneidet sich nie mit dem Evaluationstext."
)
CALIBRATION_TOKENS = "Kalibrierungstokens"
CALIBRATION_TOKENS_INFO = (
    f"{QUICK_TOKENS} sind schnell; mehr ist besser und dauert einmalig Minuten."
)
TOKENS = "Tokens"
CONTEXT = "Kontextlänge"
PROTOCOL = "Perplexitäts-Protokoll"
PROTOCOL_CHOICES = {
    "automatic": "Standard für dieses Modell",
    "causal": "Nächstes Token (kausales LM)",
    "whole_word": "Ganze Wörter maskiert, 15 % (maskiertes LM)",
    "pseudo": "Pseudo-Perplexität (maskiertes LM; langsam)",
}
WRITING = "Texterzeugung"
PROMPT = "Prompt"
PROMPT_INFO = "Maskierte Modelle füllen [MASK] oder `___` aus oder hängen eine Maske an."
NEW_TOKENS = "Neue Tokens"
TEMPERATURE = "Temperatur"
TEMPERATURE_INFO = "0 = Greedy-Decoding."
SEED = "Seed"
SEED_INFO = "Gilt für beide Modelle."
RUN = "Ausführen"
RUNNING = "Läuft…"
STOP = "Stopp"
LINK_BROKEN = "Der Link war nicht lesbar; dies ist der Standardplan."
BROKEN = (
    "Interner Fehler, nicht durch deine Einstellungen verursacht. Er wurde protokolliert; bitte "
    "versuche es noch einmal."
)
COMPARE = "Vergleichen"
COPY_LINK = "Link kopieren"
COPIED = "Link kopiert"
LINK_COPIED = "Der Link stellt diesen Plan wieder her."
LINK_COPIED_BESIDE = "Der Link stellt diesen Plan und die Läufe unter Vergleichen wieder her."
LINK_OF_FORM = (
    "Er enthält den Plan aus dem Formular; die gezeigten Ergebnisse stammen von einem anderen Lauf."
)
LINK_OPENED_BESIDE = "Die Läufe des Links stehen unter Vergleichen."
START_OVER = "Zurücksetzen"
STARTED_OVER = "Plan auf Standard zurückgesetzt."

READY = "Bereit. Gezeigt werden vorberechnete Läufe."
NO_SPACES = (
    "Das Profil braucht ZeroGPU und damit das Paket spaces: pip install spaces, oder ein anderes "
    "Profil wählen."
)
LENDING = "Warten auf eine GPU"
PLAN_CHANGED = (
    "Dieser Plan wurde noch nicht ausgeführt. Zum Messen auf Ausführen klicken. Die Ergebnisse "
    "stammen von einem anderen Lauf."
)
SHOWN_PRECOMPUTED = "Gezeigt wird der vorberechnete Lauf dieses Plans, gemessen an {source}."
STOPPED = "Angehalten. Abgeschlossene Messungen bleiben erhalten."
SKIPPED = "Übersprungen: {error}"
STORED = "Dieser Plan lief schon einmal: Gezeigt wird das gespeicherte Ergebnis."
FINISHED = "Fertig nach {seconds}."
SKIPPED_RUNS = "{count} von {all} Läufen wurden übersprungen: {why}"
PERPLEXITY_SO_FAR = (
    "Perplexität bisher: {compressed}, {ratio}× Original {baseline} (nach Block {blocks})"
)
PERPLEXITY_SHOWN = "Gemessen; die Ergebnisse zeigen es bereits."
RUN_OF = "Lauf {number} von {count}: {what}"
WAITING = "In der Warteschlange: {ahead} vor dir."
STARTING = "Start."
LEFT = "noch {time}"
SPARK = "Trainingsverlust je Epoche: {first:.4g} bis {last:.4g}"
BUSY = (
    "Die Warteschlange ist voll ({limit}). Versuche es in einer Minute wieder, oder sieh dir "
    "solange die vorberechneten Läufe an."
)
BUSY_WITH_YOURS = (
    "Du hast bereits {limit} wartende oder laufende Aufträge. Warte auf einen, oder halte einen an."
)

LANDMARK = "vorberechnet"
YOURS = "dein Lauf"
YOURS_SO_FAR = "dein Lauf, erzeugt Text…"
TAB_FRONTIER = "Qualität und Größe"
TAB_COMPARE = "Vergleichen"
TAB_TEXT = "Text"
NO_TEXT = (
    "Noch kein Text. Beide Modelle erzeugen Text nach der Evaluation. Wurde das angehalten, holt "
    "Ausführen es nach."
)
TAB_DIRECTION = "Embedding"
TAB_MEMORY = "Speicher"
TAB_MATRICES = "Schichten"
TAB_EXPORT = "Export"
TAB_LOG = "Protokoll"
FRONTIER_HELP = (
    "Unten links ist besser. Das graue Band ist die Pareto-Front, der Stern das Originalmodell. "
    "Kleine Punkte sind vorberechnet, große sind deine Läufe. Ein Klick auf einen Punkt öffnet "
    "seinen Lauf und lädt seinen Plan; ein Klick auf eine Zeile darunter öffnet nur ihren Lauf."
)
FRONTIER_MEASURE = "Y-Achse"
FRONTIER_SIZE = "X-Achse"
FRONTIER_SIZES = {
    "megabytes": "Bytes",
    "parameters": "Parameter",
}
SHOWN_PLAN = "Das Formular zeigt jetzt den Plan dieses Laufs."
SHOWN_OTHER = (
    "Das Formular ist unverändert; „Diesen Plan laden“ unter den Läufen lädt den Plan dieses Laufs."
)
USE_PLAN = "Diesen Plan laden"
RUN_HEADERS = (
    "Lauf",
    "Perplexität",
    "PPL-Verhältnis",
    "MB",
    "Größe (%)",
    "KL",
    "Top-1 (%)",
    "Richtungsfehler",
)
PROVENANCE = (
    "{count} Läufe von {model} auf {corpus}: {tokens} Tokens, Kontextlänge {context}. Gewichte: "
    "{source}. Gemessen mit compress_lib {version} am {date}."
)
ALREADY_QUANTIZED = (
    "Hinweis: Diese Gewichte stammen aus einer 4-Bit-Datei; 4-Bit-Ergebnisse sehen daher besser "
    "aus als am Originalmodell."
)
SHRANK = "{share} der ursprünglichen Größe; "
GREW = "Größer als das Original ({share}); "
VERDICT = {
    "same": "gleiche Qualität auf diesem Text.",
    "worse": "die Perplexität ist {ratio}× die des Originals.",
    "ruined": "das Modell ist unbrauchbar: Die Perplexität ist {ratio}× die des Originals.",
}
NOTHING_SHOWN = "Es wird kein Lauf gezeigt, also gibt es nichts herunterzuladen."
NO_LANDMARKS = "Keine vorberechneten Läufe zu diesem Modell und Text; hier erscheinen deine Läufe."
NO_DIRECTION = "Dieser Lauf komprimiert das Embedding nicht: Keine Richtung hat sich geändert."
NO_COUNTS = "In diesem Lauf wurde kein Text gelesen, die Token-Häufigkeiten sind daher unbekannt."
DIRECTION_HELP = (
    "1 − Kosinus zwischen ursprünglichem und komprimiertem Vektor jedes Tokens: 0 ist unverändert, "
    "1 ein rechter Winkel. Gepunktet: zufälliges Rauschen gleicher Norm; links davon erhält das "
    "Verfahren die Richtung auf Kosten der Länge."
)
COMPARE_DIRECTIONS = "Läufe überlagern"
WORST = "am stärksten gedreht"
FREQUENT = "am häufigsten"
BEST = "am wenigsten gedreht"
NEIGHBOURS = "Tokens und ihre nächsten Nachbarn (durchsuchbar)"
TOKEN_HEADERS = (
    "Token",
    "Liste",
    "Richtungsfehler",
    "Häufigkeit im Text",
    "Nächste vorher",
    "Nächste nachher",
    "Behaltene Nachbarn",
)
ASKED = "dein Wort"
TOKEN_ASK = "Ein beliebiges Wort nachschlagen"
TOKEN_ASK_INFO = (
    "Zeigt die Tokens des Wortes mit Drehung und Nachbarn oben in der Tabelle. Kann dauern, wenn "
    "das Modell neu berechnet werden muss."
)
TOKEN_ASK_BUTTON = "Nachschlagen"
TOKEN_EXAMPLE = "lighthouse"
TOKEN_LOOKING = "Sucht nächste Nachbarn"
TOKEN_FOUND = (
    "Die Tokens von „{word}“, mit und ohne führendes Leerzeichen, stehen oben in der Tabelle."
)
TOKEN_NOTHING = "Gib ein Wort ein."
TOKEN_LONG = "Gib ein Wort mit höchstens {most} Zeichen ein."
DIRECTION_CUMULATIVE = "Kumulativ"
DIRECTION_WEIGHTED = "Nach Token-Häufigkeit gewichten"
DIRECTION_LOGARITHMIC = "Logarithmisch"
DIRECTION_LAYERS = (
    "Nach Schicht: Die Linie ist das Mittel über Zeilen, das Band enthält 95 % von ihnen."
)
ENLARGED = "Dieser Plan vergrößert: {parts}."
ENLARGED_PART = "{name} {before} → {after}"
MEMORY_HELP = "Checkpoint-Größe nach Modul; geteilte Gewichte zählen einmal."
MATRIX_HEADERS = (
    "Namen",
    "Verfahren",
    "Rang",
    "Form",
    "Größe (%)",
    "Relativer Fehler",
    "Richtungsfehler",
    "RMSE",
    "MAE",
    "MAE^0.6",
    "Gruppiert mit",
    "Ausrichtung",
    "Sekunden",
)
LAYERS_HELP = (
    "Fehler nach Schicht und Modul (dunkler = kleiner). Embedding und LM-Kopf gehören zu keiner "
    "Schicht: siehe die Tabelle unten."
)
MEASURE_SHOWN = "Metrik"
TRAINING_HELP = (
    "Metriken während des Trainings, bei jeder Auswertung; kleiner ist besser. Der Punkt ist das "
    "Minimum."
)
SPECTRUM_HELP = (
    "Singulärwerte, größte zuerst; grau = bei diesem Rang verworfen. Verfahren, die Fehler "
    "gewichten, behalten andere Richtungen, aber ebenso viele."
)
RANKED = "Faktorisierte Matrix"
TRAINED = "Trainierte Matrix oder Gruppe"
TEXT_HELP = (
    "Gleicher Prompt und Seed. Der Strich markiert den ersten Unterschied. Schattierung: Tokens, "
    "die das *andere* Modell unwahrscheinlich findet; beim Daraufzeigen stehen beide "
    "Wahrscheinlichkeiten. Maskierte Modelle erzeugen keinen Text: Die Tabelle nennt ihre "
    "wahrscheinlichsten Füllungen."
)
MASK_NUMBER = "Maske {number}"
FILL_HEADERS = ("Token", "Wahrscheinlichkeit")
PREDICTED = {
    "causal": "der nächsten Tokens",
}
HIDDEN = "der maskierten Tokens"
BASELINE = "Original"
COMPRESSED = "Komprimiert"
OUTPUTS_IDENTICAL = "Die Ausgaben sind identisch."
OUTPUTS_DIVERGE_AFTER = "Die Ausgaben weichen nach {count} Tokens ab."
OUTPUTS_DIVERGE_AT_ONCE = "Die Ausgaben weichen beim ersten Token ab."
OUTPUTS_DIVERGE_HERE = "Hier weichen die Ausgaben ab."
TOKEN_TIP = "p = {other} beim anderen Modell, {own} bei diesem"
TOKEN_SCALE = "Wahrscheinlichkeit beim anderen Modell:"
TOKEN_BY_TOKEN = "Token für Token"
TOKEN_TABLE = (
    "Token",
    "Dieses Modell",
    "Anderes Modell",
)
TEXT_PERPLEXITY = "Perplexität dieses Textes: {own} bei diesem Modell, {other} beim anderen."
TIMES_BASELINE = "{ratio}× Original ({base})"
MEASURED_ON = "{model}, {corpus}, {tokens} Tokens"
SHARE_OF = "{share} von {whole} MB"
MOST_BELOW = "95. Perzentil {most}"
KL_UNIT = "Nats/Token"
KL_ESTIMATED = "Nats/Token (geschätzt {loss})"
KL_AT_LEAST = "Nats/Token (geschätzt {loss} oder mehr)"
KL_RUINED = "Nats/Token (geschätzt über {least})"
SPEED = "{speed:.0f} Tokens/s"
NOT_TIMED = "nicht gestoppt"
BETWEEN = "{low}–{high}"
READS = "Prefill {speed:,.0f} Tokens/s"
NO_INTERVAL = "kein Intervall (ein Block)"
ONE_BLOCK = "Zu wenig Text für ein Konfidenzintervall."
WRITES = "Decode {ratio:.2f}×"
WRITES_YET = "Decode …×"
UNTOUCHED = "Embedding nicht komprimiert"
DOWNLOAD_CSV = "Läufe als CSV"
DOWNLOAD_MATRICES = "Matrizen als CSV"
DOWNLOAD_JSON = "Dieser Lauf als JSON"
COMPARE_HELP = (
    "Bis zu vier Läufe auf demselben Text: gepaarte 95-%-Konfidenzintervalle gegen den ersten."
)
TRAY = "Läufe zum Vergleichen"
TRAY_INFO = "Leer: deine letzten Läufe."
TRAY_FULL = "Vier Läufe sind schon ausgewählt; entferne zuerst einen."
TRAY_EMPTY = "Noch keine Läufe zum Vergleichen."
TRAY_LONELY = "Füge einen zweiten Lauf hinzu."
COMPARE_RATIO = "Perplexität relativ zum ersten Lauf"
COMPARE_KL = "KL-Differenz zum ersten Lauf"
COMPARE_BYTES = "Bytes relativ zum ersten Lauf"
COMPARE_SIGNIFICANCE = "Signifikanz gegenüber dem ersten Lauf"
COMPARE_UNKNOWN = "unbekannt (kein Intervall)"
COMPARE_SAME = "identische Vorhersagen"
COMPARE_NOT_SIGNIFICANT = "nicht signifikant"
COMPARE_FARTHER = "Perplexität nicht signifikant; signifikant weiter vom Original entfernt (KL)"
COMPARE_NEARER = "Perplexität nicht signifikant; signifikant näher am Original (KL)"
COMPARE_WORSE = "signifikant schlechter (95 %)"
COMPARE_BETTER = "signifikant besser (95 %)"
EXPORT_HELP = (
    "Dieser Lauf als eigenständiger Bericht, Notebook, Code, Daten und komprimiertes Modell (neu "
    "berechnet, falls es nicht mehr im Speicher ist)."
)
EXPORT_CHECKPOINT = "Checkpoint (zip)"
EXPORT_FILE = "Das komprimierte Modell mit Model Card und Messwerten"
EXPORT_SAVING = "Schreibt den Checkpoint"
EXPORT_READY = "Der Checkpoint von {run} ist fertig: {size}."
MODEL_ELSEWHERE = (
    "Läufe dieser Seite nutzen eine entfernte GPU, und ihre Modelle bleiben dort: Sie lassen sich "
    "hier weder untersuchen noch exportieren. Auf deinem eigenen Rechner: compress-lab run … "
    "--save FOLDER."
)
MODEL_TOO_SLOW = (
    "Das Modell dieses Laufs ist nicht mehr im Speicher, und es zu komprimieren dauerte {took}, "
    "mehr als die {most}, die diese Seite erlaubt. Auf deinem eigenen Rechner: compress-lab run … "
    "--save FOLDER."
)
EXPORT_LARGE = (
    "Der Checkpoint hat {size}, mehr als die {most}, die diese Seite sendet. Auf deinem eigenen "
    "Rechner: compress-lab run … --save FOLDER."
)
EXPORT_REPORT = "Bericht (HTML)"
EXPORT_NOTEBOOK = "Notebook"
EXPORT_CODE = "Python-Code"
LOG_EMPTY = "Das Protokoll nennt jede Matrix und jeden Textblock eines Laufs."

PREVIEW_ONE = "{label}: Rang {rank} von {full}, {before} → {after}"
PREVIEW_MANY = "{what}: {before} → {after}"
PREVIEW_AT_MOST = "höchstens {size}"
PREVIEW_MATRIX = "1 Matrix"
PREVIEW_MATRICES = "{count} Matrizen"
PREVIEW_GROUP = " in 1 Gruppe"
PREVIEW_GROUPS = " in {count} Gruppen"
PREVIEW_RANK = ", Rang {low}"
PREVIEW_RANKS = ", Rang {low} bis {high}"
PREVIEW_ALLOCATED = ", verteilt nach geschätztem Verlust"
PREVIEW_KEPT = "Der LM-Kopf behält seine eigene Matrix von {size}, das Modell wächst also."
PREVIEW_ONE_NOTE = "{label}: {note}, {before} → {after}"
PREVIEW_WHOLE = "Modell: {size} ({share})"
PREVIEW_TIED = {
    "embedding": "Embedding und LM-Kopf teilen sich eine Matrix: Beide werden komprimiert.",
    "head": (
        "Der LM-Kopf teilt sich die Matrix mit dem Embedding, das dieser Plan nicht komprimiert."
    ),
}
BREAK_EVEN = "Der Rang muss unter {rank} liegen, um Speicher zu sparen."
BIGGER = "{count} davon würden größer."
NO_SAVING = "Diese Einstellung spart nichts."
UNKNOWN_SHAPES = "Einmal ausführen, um dieses Modell zu laden und seine Schichten zu sehen."
HUB_FORM = (
    "{given!r} steht weder in der Liste noch ist es eine Hub-Kennung der Form owner/name. Ordner "
    "und Dateien nimmt die Kommandozeile: compress-lab run."
)
METHOD_SWITCHED = "{method} unterstützt diese Matrizen nicht; stattdessen gilt {other}."
BESIDE_MISSING = "{count} der Läufe, mit denen der Link vergleicht, sind hier nicht bekannt."
LINK_WITHOUT_TEXT = "Der Link enthält deinen eigenen Text nicht; beim Öffnen gilt der Standardtext."
UNAVAILABLE = (
    "Wähle ein anderes Modell, oder versuche es noch einmal, sobald dieser Rechner online ist."
)
NOT_A_CORPUS = "{given!r} ist kein Text dieser Seite. Zur Wahl stehen: {allowed}."
OVERRIDE_WHERE = (
    "Die Zeile mit {given!r} hat kein Muster: Gib einen Modultyp wie query, Schichten wie @0-5 "
    "oder * für alles an."
)
OVERRIDE_KEEP = (
    "Die Größe in der Zeile {where!r} muss über 0 und höchstens 1 sein, nicht {given!r}."
)
MORE_THAN_THE_FORM = (
    "Das Formular kann nicht alle Einstellungen dieses Plans zeigen, etwa Optionen je Zeile oder "
    "mehrere Prompts. Es zeigt den ähnlichsten Plan; compress-lab run führt den ursprünglichen "
    "aus."
)
MORE_THAN_THE_PAGE = (
    "Die Seite führt nur Pläne aus, die ihr Formular zeigen kann: eine Einstellung je Option und "
    "je Gruppierung, und einen Prompt. compress-lab run --plan FILE führt jeden Plan aus."
)
NO_RUN = (
    "Es gibt keinen Lauf mit dem Schlüssel {key!r}: Verwende einen Schlüssel aus landmarks oder "
    "compress."
)
NOTHING_CHOSEN = "Wähle, was komprimiert wird: einen Modultyp oder eine Zeile der Ausnahmen."
TOO_MANY = "{name}: auf dieser Seite höchstens {limit:,}, nicht {given:,}."

LAB_TAB = "Labor"
STUDIES_TAB = "Studien"
STUDIES_INTRO = (
    "Experimente aus vielen Läufen. P1, [Direction is what you "
    "need](https://arxiv.org/abs/2106.08181) (2021), komprimiert Embeddings; P2, [Revisiting "
    "Offline Compression](https://arxiv.org/abs/2302.04045) (2023), komprimiert alle Matrizen, "
    "*separated* (einzeln) oder *concatenated* (ein Decoder je Modultyp). Beide sind hier an einem "
    "aktuellen Modell nachgestellt, mit weiteren Fragen. Jede Studie hat ihren eigenen Text, daher "
    "unterscheiden sich die Ausgangswerte. `compress-lab reproduce p1` und `compress-lab study` "
    "führen sie mit jedem Modell aus."
)
STUDY = "Studie"
STUDY_MEASURE = "Farbe nach"
STUDY_CSV = "Diese Zeilen als CSV"
STUDY_JSON = "Diese Studie als JSON"
STUDY_TABLE = "Alle Zeilen"
NO_STUDY = "Noch keine Studien."
SWEEP = "Empfindlichkeit je Matrix"
SWEEP_INTRO = (
    "**Deine eigene:** komprimiere jede Matrix des Modells einzeln, mit Verfahren und Größe des "
    "Plans und den Standardoptionen, und sieh, was jede kostet. Dauert etwa eine Sekunde je "
    "Matrix; lässt sich anhalten und fortsetzen."
)
SWEEP_STOPPED = "Angehalten. Der nächste Durchgang setzt hier fort."
SWEEP_FINISHED = "Alle Matrizen sind gemessen."
SWEEP_REFUSED = (
    "{count} Matrizen ließen sich nicht komprimieren (Gründe in der Tabelle); alle anderen sind "
    "gemessen."
)

WORDS = {
    "Original": "Original",
    "original {value}": "Original {value}",
    "{ratio}× original": "{ratio}× Original",
    "shown run": "gezeigter Lauf",
    "Pareto front": "Pareto-Front",
    "embedding only": "nur das Embedding",
    "layers": "Schichten",
    "everything": "alles",
    "log scale": "logarithmisch",
    "Model size (MB)": "Modellgröße (MB)",
    "Model size (million parameters)": "Modellgröße (Millionen Parameter)",
    "Perplexity increase (log scale)": "Perplexitätszunahme (logarithmisch)",
    "Megabytes": "Megabyte",
    "Compressed, measured": "Komprimiert, gemessen",
    "Compressed, predicted": "Komprimiert, vorhergesagt",
    "{measure} by layer": "{measure} nach Schicht",
    "layer": "Schicht",
    "Epoch": "Epoche",
    "Direction error of rows (1 − cos)": "Richtungsfehler der Zeilen (1 − cos)",
    "random noise, same norm": "zufälliges Rauschen gleicher Norm",
    "error": "Fehler",
    "Tokens": "Tokens",
    "Token occurrences": "Token-Vorkommen",
    "{what} (cumulative %)": "{what} (kumulativ, %)",
    "mean": "Mittel",
    "95th percentile": "95. Perzentil",
    "{what} (% per tenth of a decade)": "{what} (% je Zehntel einer Dekade)",
    "{what} (% per {width})": "{what} (% je {width})",
    "Singular value index": "Index des Singulärwerts",
    "Singular value (log scale)": "Singulärwert (logarithmisch)",
    "kept": "behalten",
    "dropped": "verworfen",
    "rank {rank}": "Rang {rank}",
    "break-even": "Gleichstand",
    "Perplexity": "Perplexität",
    "Perplexity ratio": "Perplexitätsverhältnis",
    "Size": "Größe",
    "Relative size": "Relative Größe",
    "Parameters": "Parameter",
    "KL divergence": "KL-Divergenz",
    "Top-1 agreement": "Top-1-Übereinstimmung",
    "Relative speed": "Relative Geschwindigkeit",
    "Direction error": "Richtungsfehler",
    "Relative error": "Relativer Fehler",
    "RMSE": "RMSE",
    "MAE": "MAE",
    "Powered MAE": "Potenzierter MAE",
    metrics.METRICS["perplexity"].meaning: (
        "exp(Mittel von −ln p(Token) über vorhergesagte Tokens): die effektive Zahl gleich "
        "wahrscheinlicher nächster Tokens."
    ),
    metrics.METRICS["perplexity_ratio"].meaning: (
        "Komprimierte ÷ ursprüngliche Perplexität auf denselben Tokens."
    ),
    metrics.METRICS["megabytes"].meaning: (
        "Alle Tensoren, die ein Checkpoint speichert; geteilte zählen einmal."
    ),
    metrics.METRICS["size_share"].meaning: "Komprimierte ÷ ursprüngliche Bytes des ganzen Modells.",
    metrics.METRICS["parameters"].meaning: (
        "Zahlen, aus denen das Modell berechnet wird, in Millionen, unabhängig von der Bitbreite: "
        "Gewichte, Faktoreinträge, Skalen und Codes, aber keine Permutationen oder Masken."
    ),
    metrics.METRICS["kl"].meaning: (
        "Mittel über Tokens von Σ p ln(p ÷ q), mit p der Verteilung des Originals und q der des "
        "komprimierten Modells für das nächste (oder ein maskiertes) Token."
    ),
    metrics.METRICS["top1"].meaning: "Wie oft beide Modelle dasselbe Token an erster Stelle sehen.",
    metrics.METRICS["speed"].meaning: (
        "Komprimierte ÷ ursprüngliche Prefill-Geschwindigkeit (Tokens/s) in diesem Lauf auf dieser "
        "Maschine. Einmal gemessen: Unterschiede unter 20 % können Rauschen sein."
    ),
    metrics.METRICS["direction_error"].meaning: (
        "Mittel über Zeilen von 1 − cos(ursprüngliche Zeile, komprimierte Zeile); für einen Lauf: "
        "über die Zeilen seines Embeddings."
    ),
    metrics.METRICS["relative_error"].meaning: (
        "‖W − Ŵ‖ ÷ ‖W‖ (Frobeniusnormen); für einen Lauf: über alle komprimierten Gewichte."
    ),
    metrics.ERRORS["rmse"].meaning: (
        "Wurzel aus dem mittleren quadratischen Fehler der Einträge eines Gewichts."
    ),
    metrics.ERRORS["mae"].meaning: "Mittlerer absoluter Fehler der Einträge eines Gewichts.",
    metrics.ERRORS["powered_mae"].meaning: (
        "Mittel von |Fehler|^0,6 über die Einträge eines Gewichts (Banaei et al. 2023)."
    ),
}
