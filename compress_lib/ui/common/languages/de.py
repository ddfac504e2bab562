"""German."""

from __future__ import annotations

from compress_lib.data.text_spec import QUICK_TOKENS
from compress_lib.results import metrics

LANGUAGE = "de"
SUBTITLE = "Finde heraus, was es wirklich kostet, ein Sprachmodell zu komprimieren."
STEPS = (
    ("Wählen:", "ein Verfahren, und wie klein es werden darf."),
    ("Komprimieren:", "ein echtes Modell, hier, ohne Nachtraining."),
    ("Kosten lesen:", "Perplexität, Bytes, Richtungen und Text."),
)

MODEL = "Modell"
MODEL_FETCHED = "{label} · {size} zu laden"
MODEL_INFO = "Aus der Liste oder eine Hub-Kennung wie owner/name."
FAMILIES = "Was komprimiert wird"
PRESET_EMBEDDING = "Embedding"
PRESET_LAYERS = "Alle Schichten"
PRESET_EVERYTHING = "Alles"
METHOD = "Verfahren"
KEEP = "Behalten"
KEEP_INFO = "Bytes nachher ÷ Bytes vorher; 25 gilt als 25 %."
KEEP_SIZED = "Die Optionen dieses Verfahrens bestimmen seine Größe."
OPTIONS = "Optionen des Verfahrens"
NO_OPTIONS = "Dieses Verfahren hat keine Optionen."
MORE_OPTIONS = "{count} weitere Optionen"
DEFAULTS = "Vorgaben"
OVERRIDES = "Anderes für einzelne Familien oder Schichten"
OVERRIDES_INFO = (
    "Jede Zeile ändert, was ihr Muster auswählt; eine spätere geht vor. **Wo** ist eine Familie "
    "(`query`), Schichten (`@0-3`), beides (`ffn_out@29`) oder ein Name (`*down_proj`). Als "
    "**Verfahren** lässt `dense` etwas, wie es ist. Leere Zellen übernehmen, was oben steht."
)
OVERRIDES_HEADERS = ("Wo", "Verfahren", "Behalten")
TOGETHER = "Gemeinsam komprimieren"
GROUP = "Matrizen"
GROUP_CHOICES = {
    "separated": "Jede Matrix für sich",
    "concatenated": "Die Matrizen einer Familie teilen sich eine Basis",
}
WINDOW = "Schichten in einer Gruppe"
WINDOW_INFO = "0 nimmt alle; zählt, wo Matrizen sich eine Basis teilen."
ORIENTATION = "Daten"
ORIENTATION_INFO = "Automatisch nimmt, was den größeren Rang lässt."
ORIENTATION_CHOICES = {"automatic": "Automatisch", "rows": "Zeilen", "columns": "Spalten"}
TIE = "Eine Tabelle, die Ein- und Ausgabe teilen"
TIE_CHOICES = {"both": "Beide Enden werden komprimiert", "input": "Nur die Eingabe"}
TIE_INFO = "Nur die Eingabe maß der erste Artikel; das Modell wird dadurch größer."
ALLOCATION = "Wer wie viele Bytes bekommt"
ALLOCATION_INFO = (
    "Von Hand: in der Tabelle für anderes. Nach geschätztem Verlust braucht einen Text zum "
    "Kalibrieren."
)
ALLOCATION_CHOICES = {
    "uniform": "Jede Matrix behält denselben Anteil",
    "by_family": "Ein Anteil je Familie, nach geschätztem Verlust",
    "automatic": "Ein Anteil je Matrix, nach geschätztem Verlust",
    "measured": "Ebenso, nachdem jede Familie allein probiert wurde (dauert länger)",
}
INPUTS = "Schichten werden komprimiert für"
INPUTS_INFO = "Block für Block und langsamer; es hilft, wo viel verloren geht."
INPUTS_CHOICES = {
    "original": "die Eingaben, die sie hatten",
    "compressed": "die Eingaben, die sie im komprimierten Modell bekommen",
}
LEARN_TAB = "Lernen"
TOUR = "Eine Führung mit sechsmal Raten"
TOUR_HELP = "Erst raten; dann sehen, was gemessen wurde, und den Plan selbst ausprobieren."
TOUR_STEPS = "Schritte"
TOUR_REVEAL = "Auflösen"
TOUR_LOAD = "Diesen Plan ins Labor laden"
TOUR_ONWARD = "Nächster Schritt"
TOUR_GUESS = "Erst raten: wähle eine der Antworten."
TOUR_RIGHT = "Richtig."
TOUR_WRONG = "Diesmal nicht. Es ist: {answer}."
GLOSSARY = "Was die Wörter bedeuten"
GLOSSARY_HELP = "Jede Zahl dieser Seite, mit ihrer Formel."
LOWER = "Weniger ist besser."
HIGHER = "Mehr ist besser."
TERMS = {
    "Behalten": "Bytes nachher ÷ Bytes vorher, von dem, was komprimiert wird, im Zahlentyp des "
    "Modells. Normen, Skalen, Indizes und Codebücher zählen mit; Geteiltes zählt einmal.",
    "Rang": "Wie viele Richtungen eine Zerlegung behält: eine Matrix vom Rang r ist die Summe von "
    "r äußeren Produkten, r · (Zeilen + Spalten) Zahlen.",
    "Rang der Gewinnschwelle": "Zeilen · Spalten ÷ (Zeilen + Spalten): darüber sind zwei Faktoren "
    "größer als die Matrix.",
    "Text zum Kalibrieren": "Text, aus dem Verfahren lernen dürfen: wie oft Tokens vorkommen, was "
    "durch Schichten fließt, welche Fehler den Verlust stören. Nie der, auf dem gemessen wird.",
    "Geteilte Tabelle": "Die Token-Tabelle, aus der ein Modell liest und mit der es schreibt, ist "
    "eine Matrix; ein Fehler in ihr zählt an beiden Enden.",
    "Decoder": "Der Teil eines Autoencoders, der Zeilen aus ihren Codes macht. Matrizen, die sich "
    "einen teilen, speichern ihn einmal.",
    "Intervall": "Von … bis …: enthält die Wahrheit in 95 von 100 Fällen, nach Students t über "
    "Textblöcke. Zwei Läufe auf demselben Text werden Block für Block verglichen, was weit "
    "kleinere Unterschiede zeigt.",
    "Geschätzter Verlust": "½ tr(G Δ C Δᵀ) eines Fehlers Δ: um so viel wächst der Verlust nach "
    "K-FAC, wobei C das zweite Moment der Eingaben einer Schicht ist und G das der Gradienten an "
    "ihren Ausgaben. Unter einem halben Nat lagen der gemessene Zuwachs des Verlusts und die "
    "gemessene KL-Divergenz zwischen einem Fünftel und dem Zweieinhalbfachen davon.",
    "Schlüssel und Werte": "Was ein Modell beim Schreiben von jedem Token behält: 2 · Schichten · "
    "Key-Köpfe · Kopfgröße Zahlen je Token. Gewichte zu komprimieren lässt sie, wie sie sind.",
    "Tokens je Sekunde": "In einem Lauf, einmal: Lesen ist Tokens eines Blocks ÷ Zeit eines "
    "Durchgangs, Schreiben neue Tokens ÷ ihre Zeit, Mediane über Blöcke und Anfänge.",
    "Noch nah": "Wie viele der nächsten Nachbarn eines Tokens (Kosinus) vorher und nachher gleich "
    "sind.",
}
PREVIEW_EXPECTED = (
    "Vor dem Lauf erwartet: der Verlust wächst um etwa {loss} Nats je Token, Perplexität × {low} "
    "bis {high}"
)
PREVIEW_AT_LEAST = (
    "Vor dem Lauf erwartet: der Verlust wächst um {loss} Nats je Token, Perplexität × {ratio}, "
    "oder um viel mehr: so große Fehler unterschätzt jede Schätzung"
)
PREVIEW_UNFORETOLD = "Was das kostet, lässt sich nicht vorhersagen: ausführen."
PREVIEW_SHARED_COST = "Was das kostet, wird beim Lauf geschätzt, wenn die Bytes verteilt sind."
PREVIEW_RUINED = (
    "Vor dem Lauf erwartet: die Perplexität wird ein Mehrfaches, und vielleicht bleibt vom Modell "
    "wenig übrig"
)
PREVIEW_ERROR = "Relativer Fehler {error:.3f}, vor jedem Lauf bekannt."
PREVIEW_ERROR_BOUND = (
    "Relativer Fehler {error:.3f} oder mehr: kein Ergebnis dieser Ränge hat weniger."
)
CONTEXT_LENGTH = "Tokens im Kontext"
CACHE = (
    "Beim Schreiben hält ein Modell auch Keys und Values aller früheren Tokens: {each} je Token, "
    "**{cache}** bei {tokens} Tokens, komprimiert oder nicht. Damit braucht das Modell {before} → "
    "**{after}** ({share})."
)
NO_CACHE = "Wie viel Speicher Keys und Values brauchen, wurde in diesem Lauf nicht gezählt."
SWEEP_PLANS = "Mehrere Verfahren und Größen auf einmal"
SWEEP_PLANS_HELP = (
    "Führt den Plan mit jedem Verfahren in jeder Größe aus, einen nach dem anderen, mit allem, was "
    "sonst eingestellt ist; Punkte erscheinen, sobald sie fertig sind. Stopp beendet es, und "
    "was gemessen ist, bleibt."
)
SWEEP_METHODS = "Verfahren"
SWEEP_KEEPS = "Anteile"
SWEEP_RUN = "Alle ausführen"
SWEEP_WANTS = (
    "Wähle mindestens ein Verfahren und schreibe Anteile zwischen 0 und 1, etwa 0.25, 0.5, 0.75."
)
SWEEP_MANY = "Das sind {count} Läufe; höchstens {limit} sind ein Auftrag. Nimm weniger."
MAP = "Schicht für Schicht"
MAP_HELP = (
    "Eine Zelle ist eine Matrix. Wähle Zellen, die Nummer einer Schicht, eine Familie oder *Alles* "
    "durch Anklicken und sage, was mit ihnen geschehen soll. Mit Umschalt-Klick kommt alles "
    "dazwischen hinzu; Pfeiltasten bewegen, die Leertaste wählt, Escape vergisst die Wahl."
)
MAP_COLOURS = {"keep": "Behalten", "method": "Verfahren", "error": "Gemessener Fehler"}
MAP_COLOUR = "Gefärbt nach"
MAP_COLOUR_HELP = {
    "keep": "Prozent der Bytes, die bleiben; ein Punkt bleibt, wie er ist.",
    "error": "Relativer Fehler in Prozent, wie ihn der gezeigte Lauf maß.",
}
MAP_ALL = "Alles"
MAP_LAYER = "Alles aus Schicht {layer}"
MAP_TABLES = "Token-Tabellen"
MAP_TABLES_SHORT = "T"
MAP_PLACE = "{family}, Schicht {layer}"
MAP_DENSE = "bleibt, wie es ist"
MAP_SHARED = "die Bytes werden beim Ausführen verteilt"
MAP_RANK = "Rang {rank} von {full}"
MAP_ERROR = "relativer Fehler {error:.3f}"
MAP_NO_ERROR = "im gezeigten Lauf nicht gemessen"
MAP_NOTHING = "Nichts ist gewählt."
MAP_COUNT = "{count} Matrizen"
MAP_CHOSEN = "{what}: {before} → {after}"
MAP_METHOD = "Was mit ihnen geschieht"
MAP_KEEP = "Davon behalten"
MAP_APPLY = "Auf diese anwenden"
MAP_CLEAR = "Wie der ganze Plan"
MAP_DENSE_BUTTON = "Nicht komprimieren"
MAP_FULL = "Der Plan hat {count} Ausnahmen, mehr als die {limit}, die er haben darf."
UNDO = "Rückgängig"
REDO = "Wiederholen"
MAP_PRESET = "Beginnen mit"
MAP_WOULD = "Angewendet wären sie {what}.{cost}"
MAP_PRESETS = {
    "uniform": "Alles gleich",
    "protect_ends": "Erste und letzte Schicht bleiben",
    "attention": "Nur Attention",
    "ffn": "Nur FFN",
    "embedding": "Nur Embedding",
    "automatic": "Das Beste für jede, im Rahmen von Behalten",
}
MEASURE = "Wie gemessen wird"
CORPUS = "Text zum Messen"
OWN_TEXT = "Eigener Text"
OWN_TEXT_HINT = "Ein paar Absätze einfügen; ihre ersten Tokens werden verwendet."
OWN_CHOICE = "Eigener Text"
CALIBRATION = "Text zum Kalibrieren"
CALIBRATION_INFO = (
    "Was Verfahren über das Modell lernen, kommt von hier. Ist es der Text oben, dann ein anderer "
    "Teil davon, nie das, woran gemessen wird."
)
CALIBRATION_TOKENS = "Tokens zum Kalibrieren"
CALIBRATION_TOKENS_INFO = f"{QUICK_TOKENS} sind schnell; mehr ist besser, dauert einmal Minuten."
TOKENS = "Tokens"
CONTEXT = "Kontext"
PROTOCOL = "Wie Perplexität gemessen wird"
PROTOCOL_CHOICES = {
    "automatic": "Wie es beim Modell üblich ist",
    "causal": "Jedes nächste Token (kausale Modelle)",
    "whole_word": "15 % der Wörter verdeckt (maskierte Modelle)",
    "pseudo": "Jedes Token einmal verdeckt (maskierte Modelle; langsam)",
}
WRITING = "Was beide Modelle schreiben"
PROMPT = "Anfang eines Textes"
PROMPT_INFO = "Ein maskiertes Modell füllt [MASK] oder ___ aus; ohne sie das Ende."
NEW_TOKENS = "Neue Tokens"
TEMPERATURE = "Temperatur"
TEMPERATURE_INFO = "0 nimmt das wahrscheinlichste Token."
SEED = "Startwert"
SEED_INFO = "Für beide gleich."
RUN = "Komprimieren und messen"
RUNNING = "Läuft …"
STOP = "Stopp"
LINK_BROKEN = "Der Link ließ sich nicht lesen; dies ist der übliche Plan."
BROKEN = (
    "Hier ist etwas kaputtgegangen, und nicht durch dich: das Protokoll des Servers sagt, was. "
    "Versuch es noch einmal."
)
COMPARE = "Vergleichen"
COPY_LINK = "Link kopieren"
COPIED = "Link kopiert"
LINK_COPIED = "Der Link stellt diesen Plan wieder her."
LINK_COPIED_BESIDE = (
    "Der Link stellt diesen Plan wieder her und unter Vergleichen, woneben er steht."
)
LINK_OF_FORM = "Das ist der Plan im Formular: die gezeigten Ergebnisse sind die eines anderen."
LINK_OPENED_BESIDE = "Was der Link vergleicht, steht unter Vergleichen."
START_OVER = "Von vorn"
STARTED_OVER = "Das Formular enthält wieder den üblichen Plan."

READY = "Bereit. Gezeigt werden vorher gemessene Läufe."
NO_SPACES = (
    "Das Profil will eine GPU, wie Spaces sie verleihen; dazu gehört das Paket spaces: pip "
    "install spaces. Sonst ein anderes Profil wählen."
)
LENDING = "Warten auf eine GPU"
NOT_YET_RUN = (
    "Im Formular steht ein Plan, der hier noch nicht lief: Komprimieren und messen drücken. Die "
    "Ergebnisse sind die eines anderen Laufs."
)
MEASURED_BEFORE = "Gezeigt wird der vorher gemessene Lauf dieses Plans, gemessen an {source}."
STOPPED = "Angehalten. Was gemessen wurde, bleibt; sonst nichts."
PASSED_OVER = "Ausgelassen: {error}"
STORED = "Dieser Plan lief schon einmal: gezeigt wird sein gespeichertes Ergebnis."
FINISHED = "Fertig nach {seconds}."
PASSED = "{count} von {all} Läufen wurden abgelehnt und übergangen: {why}"
SO_FAR = "Perplexität {compressed}: {ratio} × die {baseline} des Originals (nach Block {blocks})"
SO_FAR_SHOWN = "Gemessen: die Ergebnisse zeigen es schon."
RUN_OF = "Lauf {number} von {count}: {what}"
WAITING = "Warten: {ahead} vor dir."
STARTING = "Es geht los."
LEFT = "noch {time}"
SPARK = "Verlust beim Training, Epoche für Epoche: von {first:.4g} bis {last:.4g}"
BUSY = (
    "Zu viele Läufe warten ({limit}). Versuche es in einer Minute wieder, oder sieh dir solange "
    "die gemessenen Läufe an."
)
BUSY_WITH_YOURS = (
    "{limit} deiner eigenen Aufträge warten oder laufen schon: lass einen enden oder halte ihn an."
)

RESULTS_OF = "Ergebnisse von"
LANDMARK = "vorher gemessen"
YOURS = "lief hier"
YOURS_SO_FAR = "lief hier, bisher ohne Texte"
TAB_FRONTIER = "Kosten gegen Größe"
TAB_COMPARE = "Vergleichen"
TAB_TEXT = "Text"
NO_TEXT = (
    "Noch kein Text. Beide Modelle schreiben, sobald alles gemessen ist; wo das angehalten wurde, "
    "holt Komprimieren und messen es nach."
)
TAB_DIRECTION = "Richtungen"
TAB_MEMORY = "Speicher"
TAB_MATRICES = "Matrizen"
TAB_AWAY = "Mitnehmen"
TAB_LOG = "Protokoll"
FRONTIER_HELP = (
    "Weiter links ist kleiner. Das graue Band verbindet die Läufe, die kein anderer in beidem "
    "schlägt. Der Stern ist das Modell, wie es kam; kleine Zeichen wurden vorher gemessen, große "
    "sind deine. Klicke ein Zeichen an, um seinen Lauf zu sehen und seinen Plan zu übernehmen, "
    "oder eine Zeile darunter, um ihren Lauf zu sehen."
)
FRONTIER_MEASURE = "Über der Größe steht"
FRONTIER_SIZE = "Größe in"
FRONTIER_SIZES = {"megabytes": "Bytes", "parameters": "Parametern"}
SHOWN_PLAN = "Das Formular enthält jetzt den Plan dieses Laufs."
SHOWN_OTHER = (
    "Das Formular bleibt, wie es ist; der Knopf unter den Läufen übernimmt den Plan dieses Laufs."
)
USE_PLAN = "Den Plan des gezeigten Laufs ins Formular übernehmen"
RUN_HEADERS = (
    "Lauf",
    "Perplexität",
    "× Original",
    "MB",
    "% Bytes",
    "KL",
    "Gleiches 1. Token %",
    "Richtung",
)
PROVENANCE = (
    "{count} Läufe von {model} auf {corpus}: {tokens} Tokens, Kontext {context}. Gewichte: "
    "{source}. Gemessen mit compress_lib {version} am {date}."
)
WERE_COARSE = (
    "Diese Gewichte waren schon auf 4 Bit gerundet; sie auf 4 Bit zu runden kostet darum hier "
    "weniger als anderswo."
)
SHRANK = "Das Modell hat noch {share} seiner Bytes "
GREW = "Das Modell wurde größer, {share} seiner Bytes, "
PLAINLY = {
    "same": "und sagt diesen Text etwa so gut voraus wie zuvor.",
    "worse": "und schwankt bei jedem Schritt zwischen {ratio}-mal so vielen Tokens.",
    "ruined": "und es ist wenig von ihm übrig: Seine Perplexität ist {ratio}-mal so groß.",
}
NOTHING_SHOWN = "Es wird kein Lauf gezeigt, von dem es eine Datei geben könnte."
NO_LANDMARKS = "Zu diesem Modell und Text wurde nichts vorher gemessen: hier stehen deine Läufe."
NO_DIRECTION = "Dieser Lauf lässt das Embedding, wie es ist: kein Token hat sich gedreht."
NO_COUNTS = "Mit diesem Lauf wurde kein Text gelesen, Tokens lassen sich also nicht zählen."
DIRECTION_HELP = (
    "Wie weit sich der Vektor jedes Tokens gedreht hat: 0 ist gar nicht, 1 ein rechter Winkel. Die "
    "gepunktete Linie ist zufälliges Rauschen von der Größe des Fehlers: ein Verfahren, das links "
    "von seiner Linie liegt, gibt seinen Fehler eher für Länge als für Richtung aus."
)
COMPARE_DIRECTIONS = "Darüberlegen"
WORST = "am stärksten gedreht"
FREQUENT = "am häufigsten"
BEST = "am wenigsten gedreht"
TOKENS_NEAR = "Einige Tokens und ihre Nachbarn: suche nach einem"
TOKEN_HEADERS = (
    "Token",
    "Liste",
    "Richtungsfehler",
    "Zahl im Text",
    "Nächste vorher",
    "Nächste nachher",
    "Noch nah",
)
ASKED = "gefragt"
TOKEN_ASK = "Ein beliebiges Wort nachschlagen"
TOKEN_ASK_INFO = (
    "Wie weit sich seine Tokens gedreht haben, und wer ihnen nahe ist: sie stehen zuoberst in der "
    "Tabelle. Ein Modell, das nicht mehr da ist, wird noch einmal komprimiert."
)
TOKEN_ASK_BUTTON = "Nachschlagen"
TOKEN_EXAMPLE = "lighthouse"
TOKEN_LOOKING = "Sucht die nächsten Zeilen"
TOKEN_FOUND = (
    "Die Tokens von „{word}“, nach einem Leerzeichen und so, wie es ist, stehen zuoberst in der "
    "Tabelle."
)
TOKEN_NOTHING = "Es gibt nichts nachzuschlagen: tippe ein Wort."
TOKEN_LONG = "Bitte ein Wort mit höchstens {most} Zeichen."
DIRECTION_CUMULATIVE = "Anteil der Tokens bis zu einem Fehler"
DIRECTION_WEIGHTED = "Tokens so oft zählen, wie der Text sie hat"
DIRECTION_LOGARITHMIC = "Kleine Fehler auseinanderziehen (logarithmisch)"
DIRECTION_LAYERS = (
    "Schicht für Schicht: die Linie ist das Mittel über Zeilen, das Band enthält 95 % von ihnen."
)
GROWN = "Dieser Plan macht etwas größer: {parts}."
GROWN_PART = "{name} {before} → {after}"
MEMORY_HELP = "Jeder Tensor, den ein Checkpoint speichern würde, Geteiltes einmal."
MATRIX_HEADERS = (
    "Namen",
    "Verfahren",
    "Rang",
    "Form",
    "% Bytes",
    "Relativ",
    "Richtung",
    "RMSE",
    "MAE",
    "MAE^0.6",
    "Komprimiert mit",
    "Daten",
    "Sekunden",
)
LAYERS_HELP = (
    "Jede komprimierte Matrix nach Schicht und Familie; dunkler ist besser. Embedding und "
    "Ausgabe gehören zu keiner Schicht: sie stehen in der Tabelle darunter, mit denselben Zahlen."
)
MEASURE_SHOWN = "Maß"
TRAINING_HELP = (
    "Was während des Trainings gemessen wurde, bei jedem Hinsehen. Der Punkt ist der tiefste; "
    "weniger ist überall besser."
)
SPECTRUM_HELP = (
    "Die Singulärwerte einer Matrix, der größte zuerst, und wo ihr Rang sie abschneidet. SVD lässt "
    "das Graue weg; Verfahren, die Fehler gewichten, behalten andere Richtungen, aber ebenso viele."
)
RANKED = "Zerlegte Matrix"
TRAINED = "Trainierte Matrix oder Gruppe"
TEXT_HELP = (
    "Derselbe Anfang, derselbe Startwert. Ein Strich zeigt, wo die Texte sich trennen. Je stärker "
    "ein Token getönt ist, desto unwahrscheinlicher fand es das *andere* Modell dort: zeige "
    "darauf, um zu lesen, was beide dachten. Ein maskiertes Modell schreibt nichts: gezeigt wird, "
    "was jedes an der Stelle einer Maske am wahrscheinlichsten findet."
)
MASK_NUMBER = "Maske {number}"
FILL_HEADERS = ("Token", "Wahrscheinlichkeit")
PREDICTED = {"causal": "der nächsten Tokens"}
HIDDEN = "der verdeckten Tokens"
BASELINE = "Original"
COMPRESSED = "Komprimiert"
NEVER_PART = "Beide Modelle schrieben dasselbe."
PART_AFTER = "Sie trennen sich nach {count} neuen Tokens."
PART_AT_ONCE = "Sie trennen sich beim ersten neuen Token."
PART_HERE = "Hier trennen sie sich."
TOKEN_TIP = "das andere Modell: {other}, das schreibende: {own}"
TOKEN_SCALE = "Wahrscheinlichkeit, die das andere Modell dem Token gab:"
TOKEN_BY_TOKEN = "Token für Token"
TOKEN_TABLE = ("Token", "Schreibendes Modell", "Anderes Modell")
TEXT_PERPLEXITY = "Perplexität dieses Textes beim schreibenden Modell {own}, beim anderen {other}."
TIMES_BASELINE = "{ratio} × Original {base}"
MEASURED_ON = "{model}, {corpus}, {tokens} Tokens"
SHARE_OF = "{share} von {whole} MB"
MOST_BELOW = "95 % der Tokens unter {most}"
KL_UNIT = "Nats je Token"
KL_FORETOLD = "Nats je Token; erwartet {loss}"
KL_AT_LEAST = "Nats je Token; erwartet {loss} oder viel mehr"
KL_RUINED = "Nats je Token; erwartet über {least}"
SPEED = "{speed:.0f} Tokens je Sekunde"
NOT_TIMED = "nicht gestoppt"
BETWEEN = "{low} bis {high}"
READS = "liest {speed:.0f} Tokens je Sekunde"
NO_INTERVAL = "ein Block: kein Intervall"
ONE_BLOCK = "So wenig Text sagt wenig: ein Block ergibt kein Intervall."
WRITES = "schreibt {ratio:.2f} ×"
WRITES_YET = "schreibt … ×"
UNTOUCHED = "Embedding unverändert"
DOWNLOAD_CSV = "Läufe als CSV"
DOWNLOAD_MATRICES = "Matrizen als CSV"
DOWNLOAD_JSON = "Dieser Lauf als JSON"
COMPARE_HELP = (
    "Bis zu vier Läufe. Jeder wird gegen den ersten gehalten, Block für Block desselben Textes, "
    "damit sich kleine Unterschiede vom Zufall trennen lassen (95-%-Intervalle)."
)
TRAY = "Läufe zum Vergleichen"
TRAY_INFO = "Wähle Läufe, oder lass es leer: dann zeigt die Tabelle deine letzten Läufe."
TRAY_FULL = "Vier Läufe sind schon gewählt: nimm erst einen heraus."
TRAY_EMPTY = "Noch gibt es keinen Lauf zum Vergleichen."
TRAY_LONELY = (
    "Führe einen eigenen Plan aus, oder wähle oben einen zweiten Lauf: er steht dann neben diesem."
)
COMPARE_RATIO = "Perplexität gegen den ersten"
COMPARE_KL = "KL weniger die des ersten"
COMPARE_BYTES = "Bytes gegen den ersten"
COMPARE_SAYS = "Ist er schlechter als der erste?"
COMPARE_UNKNOWN = "nicht zu sagen: kein Intervall bekannt"
COMPARE_SAME = "er sagt genau dasselbe voraus"
COMPARE_UNSURE = "der Unterschied kann Zufall sein"
COMPARE_FARTHER = "Perplexität vielleicht zufällig anders, aber sicher weiter weg vom Original"
COMPARE_NEARER = "Perplexität vielleicht zufällig anders, aber sicher näher am Original"
COMPARE_WORSE = "sicher schlechter"
COMPARE_BETTER = "sicher besser"
AWAY_HELP = (
    "Dieser Lauf zum Mitnehmen: eine eigene Seite, die ohne Netz aufgeht, ein Notebook und Code, "
    "die ihn wiederholen, jede Zahl, und das komprimierte Modell, das neu gemacht wird, wo es "
    "fort ist."
)
AWAY_CHECKPOINT = "Checkpoint (zip)"
AWAY_FILE = "Das komprimierte Modell, mit Karte und Messwerten"
AWAY_SAVING = "Der Checkpoint wird geschrieben"
AWAY_READY = "Der Checkpoint von {run} ist fertig: {size}."
MADE_ELSEWHERE = (
    "Läufe dieser Seite finden auf einer geliehenen GPU statt, und ihre Modelle bleiben dort: sie "
    "lassen sich hier weder untersuchen noch mitnehmen. Auf deinem eigenen Rechner: compress-lab "
    "run … --save FOLDER."
)
MADE_TOO_LONG = (
    "Das Modell dieses Laufs ist fort, und es zu komprimieren dauerte {took}, mehr als die {most}, "
    "die diese Seite dafür gibt. Auf deinem eigenen Rechner: compress-lab run … --save FOLDER."
)
AWAY_LARGE = (
    "Der Checkpoint hat {size}, mehr als die {most}, die diese Seite verschickt. Auf deinem "
    "eigenen Rechner: compress-lab run … --save FOLDER."
)
AWAY_REPORT = "Bericht (HTML)"
AWAY_NOTEBOOK = "Notebook"
AWAY_CODE = "Python-Code dieses Laufs"
LOG_EMPTY = "Ein Lauf schreibt hier eine Zeile für jede Matrix und jeden Textblock."

PREVIEW_ONE = "{label}: Rang {rank} von höchstens {full}, {before} → {after}"
PREVIEW_MANY = "{what}: {before} → {after}"
PREVIEW_AT_MOST = "höchstens {size}"
PREVIEW_MATRIX = "1 Matrix"
PREVIEW_MATRICES = "{count} Matrizen"
PREVIEW_GROUP = " in 1 Gruppe"
PREVIEW_GROUPS = " in {count} Gruppen"
PREVIEW_RANK = ", Rang {low}"
PREVIEW_RANKS = ", Rang {low} bis {high}"
PREVIEW_SHARED = ", verteilt nach geschätztem Verlust"
PREVIEW_KEPT = "Die Ausgabe behält ihre eigene Matrix von {size} daneben: das Modell wächst."
PREVIEW_ONE_NOTE = "{label}: {note}, {before} → {after}"
PREVIEW_WHOLE = "ganzes Modell: {size}, {share} seiner Bytes"
PREVIEW_TIED = {
    "embedding": "Dieses Modell schreibt mit derselben Tabelle: sie wird auch dort komprimiert.",
    "head": "Dieses Modell hat keinen eigenen Kopf: es schreibt mit dem Embedding, das bleibt.",
}
BREAK_EVEN = "Gewinnschwelle bei Rang {rank}: darüber sind zwei Faktoren größer als die Matrix."
BIGGER = "{count} davon würden größer als vorher."
NO_SAVING = "Bei diesem Anteil wird nichts kleiner."
UNKNOWN_SHAPES = "Die Matrizen dieses Modells sind bekannt, sobald es geladen war: ausführen."
HUB_FORM = (
    "{given!r} steht weder in der Liste noch ist es eine Hub-Kennung der Form owner/name. Ordner "
    "und Dateien nimmt die Kommandozeile: compress-lab run."
)
METHOD_GAVE_WAY = "{method} kennt nicht alle diese Matrizen: {other} kennt sie."
BESIDE_MISSING = "Von den Läufen, mit denen der Link vergleicht, sind hier nicht bekannt: {count}."
LINK_WITHOUT_TEXT = (
    "Der Link enthält den eigenen Text nicht: Wer ihn öffnet, bekommt den üblichen Text."
)
UNAVAILABLE = (
    "Wähle ein anderes Modell, oder versuche es noch einmal, sobald dieser Rechner ein Netz hat."
)
NOT_A_CORPUS = "{given!r} ist kein Text dieser Seite. Zur Wahl stehen: {allowed}."
OVERRIDE_WHERE = (
    "Die Zeile mit {given!r} sagt nicht, wo: eine Familie wie query, Schichten wie @0-5 oder * für "
    "alles."
)
OVERRIDE_KEEP = (
    "Behalten in der Zeile {where!r} muss eine Zahl über 0 und höchstens 1 sein, nicht {given!r}."
)
MORE_THAN_THE_FORM = (
    "Der Plan sagt mehr, als dieses Formular kann, etwa Optionen je Zeile oder mehrere Anfänge. Es "
    "zeigt den nächsten Plan; compress-lab run nimmt den ganzen."
)
MORE_THAN_THE_PAGE = (
    "Die Seite führt Pläne aus, die ihr Formular zeigen kann: eine Einstellung je Option und je "
    "Gruppierung, und einen Anfang. compress-lab run --plan FILE nimmt jeden Plan."
)
NO_RUN = "Es gibt keinen Lauf mit dem Schlüssel {key!r}: nimm einen aus landmarks oder compress."
NOTHING_CHOSEN = "Wähle, was komprimiert wird: eine Familie, oder eine Zeile der Tabelle darunter."
TOO_MANY = "{name}: auf dieser Seite höchstens {limit}, nicht {given}."

LAB_TAB = "Labor"
STUDIES_TAB = "Artikel und Studien"
STUDIES_INTRO = (
    "Was viele Läufe braucht. P1, [Direction is what you need](https://arxiv.org/abs/2106.08181) "
    "(2021), komprimiert Token-Tabellen; P2, [Revisiting Offline "
    "Compression](https://arxiv.org/abs/2302.04045) (2023), alle Matrizen, *separated*, jede für "
    "sich, oder *concatenated*, die Matrizen einer Familie mit einem Decoder. Beide sind hier an "
    "einem Modell von heute wiederholt, neben Fragen dahinter; jede Studie hat ihren eigenen Text, "
    "darum unterscheiden sich die Ausgangswerte. `compress-lab reproduce p1` und `compress-lab "
    "study` messen sie an jedem Modell."
)
STUDY = "Studie"
STUDY_MEASURE = "Farbe"
STUDY_CSV = "Diese Zeilen als CSV"
STUDY_JSON = "Diese Studie als JSON"
STUDY_TABLE = "Alle Zeilen"
NO_STUDY = "Noch wurde keine Studie gemessen."
SWEEP = "Welches Modul schmerzt am meisten?"
SWEEP_INTRO = (
    "**Deine eigene:** komprimiere jede Matrix des gewählten Modells für sich, mit Verfahren und "
    "Anteil des Plans und den üblichen Optionen, und sieh, was jede kostet. Es dauert etwa eine "
    "Sekunde je Matrix, lässt sich anhalten und geht weiter, wo es war."
)
SWEEP_STOPPED = "Angehalten. Was gemessen wurde, bleibt: der nächste Durchgang geht dort weiter."
SWEEP_FINISHED = "Jede Matrix wurde gemessen."
SWEEP_REFUSED = "{count} Matrizen wurden abgelehnt; die Tabelle sagt, warum. Der Rest ist gemessen."

WORDS = {
    "Baseline": "Original",
    "baseline {value}": "Original {value}",
    "{ratio} × baseline": "{ratio} × Original",
    "these results": "diese Ergebnisse",
    "not beaten": "unübertroffen",
    "embedding alone": "nur das Embedding",
    "layers": "Schichten",
    "everything": "alles",
    "log scale": "logarithmisch",
    "Whole model (MB)": "Ganzes Modell (MB)",
    "Whole model (million parameters, whatever bits each takes)": (
        "Ganzes Modell (Millionen Parameter, egal in wie vielen Bits)"
    ),
    "Perplexity ÷ baseline (log of what exceeds 1)": (
        "Perplexität ÷ Original (log. dessen, was über 1 liegt)"
    ),
    "Megabytes": "Megabyte",
    "Compressed, measured": "Komprimiert, gemessen",
    "Compressed, predicted": "Komprimiert, vorhergesagt",
    "{measure} by layer": "{measure} nach Schicht",
    "layer": "Schicht",
    "Epoch": "Epoche",
    "Direction error of rows (1 − cos)": "Richtungsfehler der Zeilen (1 − cos)",
    "same-norm random noise": "zufälliges Rauschen gleicher Norm",
    "error": "Fehler",
    "Tokens": "Tokens",
    "Tokens in the text": "Tokens im Text",
    "{what} up to here (%)": "{what} bis hierher (%)",
    "mean": "Mittel",
    "95 % below": "95 % darunter",
    "{what} per tenth of a decade (%)": "{what} je Zehntel einer Dekade (%)",
    "{what} per {width} of error (%)": "{what} je {width} Fehler (%)",
    "Direction, by its singular value": "Richtung, nach ihrem Singulärwert",
    "Singular value (log scale)": "Singulärwert (logarithmisch)",
    "kept": "behalten",
    "left out": "weggelassen",
    "rank {rank}": "Rang {rank}",
    "break-even": "Gleichstand",
    "Perplexity": "Perplexität",
    "Perplexity × baseline": "Perplexität × Original",
    "Size": "Größe",
    "Share of the bytes": "Anteil der Bytes",
    "Parameters": "Parameter",
    "KL divergence": "KL-Divergenz",
    "Same first choice": "Gleiche erste Wahl",
    "Speed × baseline": "Tempo × Original",
    "Direction error": "Richtungsfehler",
    "Relative error": "Relativer Fehler",
    "RMSE": "RMSE",
    "MAE": "MAE",
    "Powered MAE": "Potenzierter MAE",
    metrics.METRICS["perplexity"].meaning: (
        "exp(Summe von −ln p(Token) ÷ vorhergesagte Tokens): zwischen wie vielen Tokens das Modell "
        "im Mittel schwankt."
    ),
    metrics.METRICS["perplexity_ratio"].meaning: (
        "Perplexität komprimiert ÷ Perplexität des Originals auf denselben Tokens."
    ),
    metrics.METRICS["megabytes"].meaning: (
        "Alle Tensoren, die ein Checkpoint speichert, gemeinsame einmal."
    ),
    metrics.METRICS["size_share"].meaning: "Bytes komprimiert ÷ Bytes des Originals.",
    metrics.METRICS["parameters"].meaning: (
        "Die Zahlen, aus denen das Modell berechnet wird, in Millionen, egal in wie vielen Bits: "
        "Gewichte, Einträge von Faktoren, Skalen und Codes; Ordnungen und Masken sind keine."
    ),
    metrics.METRICS["kl"].meaning: (
        "Mittel über Tokens von Σ p ln(p ÷ q), p die Wahrscheinlichkeiten des Originals und q die "
        "des komprimierten Modells für das nächste oder ein verdecktes Token."
    ),
    metrics.METRICS[
        "top1"
    ].meaning: "Wie oft beide Modelle dasselbe Token am wahrscheinlichsten finden.",
    metrics.METRICS["speed"].meaning: (
        "Tokens je Sekunde, die das komprimierte Modell liest ÷ die des Originals, in diesem Lauf, "
        "auf dieser Maschine. Einmal gemessen: ein Fünftel mehr oder weniger kann Zufall sein."
    ),
    metrics.METRICS["direction_error"].meaning: (
        "Mittel über Zeilen von 1 − cos(ursprüngliche Zeile, komprimierte Zeile); eines Laufs: "
        "über die Zeilen seines Embeddings."
    ),
    metrics.METRICS["relative_error"].meaning: (
        "‖W − Ŵ‖ ÷ ‖W‖ (Frobeniusnormen); eines Laufs: über alle komprimierten Gewichte."
    ),
    metrics.ERRORS["rmse"].meaning: (
        "Wurzel aus dem mittleren quadratischen Fehler der Einträge eines Gewichts."
    ),
    metrics.ERRORS["mae"].meaning: "Mittlerer absoluter Fehler der Einträge eines Gewichts.",
    metrics.ERRORS["powered_mae"].meaning: (
        "Mittel von |Fehler| ^ 0,6 über die Einträge eines Gewichts, wie Banaei et al. 2023 es "
        "messen."
    ),
}
