"""In which encoding a text that is not UTF-8 may be: what decodes is held against how people write.

A detector that knows many encodings took Shift-JIS for mac_cyrillic and Windows-1250 for 1252 in
small files. Here only encodings are tried that tables come in, and each must give words of letters
that one language has.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from myriad.errors import SourceError
from myriad.sources.places.files import CHUNK

MOST = 256 << 10  # bytes of lines with other characters than ASCII that are looked at
LIKELY = 0.6
FAR = 0.12  # what is likelier by less is not far likelier
WESTERN = "windows-1252"
_LATIN = {
    WESTERN: (
        "àâæçèéêëîïôœùûüÿ",
        "äöüßéà",
        "áéíñóúü",
        "àáâãçéêíóôõúü",
        "àèéìíîòóùú",
        "éëïóöüèá",
        "åäöéü",
        "æøåéöü",
        "áéíóúýþæöð",
        "àçèéíïòóúü",
    ),
    "windows-1250": (
        "ąćęłńóśźż",
        "áčďéěíňóřšťúůýž",
        "áäčďéíĺľňóôŕšťúýž",
        "áéíóöőúüű",
        "ăâîşţ",
        "čćđšž",
    ),
    "windows-1254": ("çğıöşüâî\u0307",),
    "windows-1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
    "windows-1258": ("ăâđêôơưàáãèéìíòóùúý",),
}
_OTHER = {
    "windows-1251": ("CYRILLIC", "оеаинтсрвлкм"),
    "koi8-r": ("CYRILLIC", "оеаинтсрвлкм"),
    "windows-1253": ("GREEK", "αοιετσνηυρπκ"),
    "windows-1255": ("HEBREW", "יוהלאמתברשנ"),
    "windows-1256": ("ARABIC", "اليمنرتبودعهس"),
}
# Signs, and the quotation marks and dashes of Windows.
_SIGNS = frozenset(
    "€£¥§©®°±²³µ·¼½¾×÷¿¡«»ªº№\xa0\xb4"
    "\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2022\u2026\u2039\u203a\u2122"
)
_VIETNAMESE = frozenset("\u0300\u0301\u0303\u0309\u0323")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Reading:
    """What a text says in one encoding, and how likely that is: 0 to 1."""

    encoding: str
    text: str
    score: float


def readings(path: Path) -> list[Reading]:
    """Return the encodings in which a file may be, the likeliest first."""
    data = _telling(path)
    found = [_read(data, name, score) for name, score in _SCORES]
    likely = [each for each in found if each is not None and each.score >= LIKELY]
    return sorted(likely, key=lambda each: -each.score)


def chosen(path: Path, origin: str) -> tuple[str, str] | None:
    """Return the likeliest encoding of a file that is not UTF-8, and a note; None if there is none.

    Raises SourceError where two are about as likely and read something differently: there only
    Windows-1252 is taken, which is far more common than the others, and the note says so.
    """
    found = readings(path)
    if not found:
        return None
    best, *others = found
    near = [
        (each, shown)
        for each in others
        if each.score > best.score - FAR and (shown := first_difference(best, each))
    ]
    fitting = [best, *(each for each, _ in near)]
    western = next((each for each in fitting if each.encoding == WESTERN), None)
    if near and western is None:
        raise _undecided(origin, best, near)
    one = western or best
    differing = [(each, shown) for each in fitting if (shown := first_difference(each, one))]
    seen = "; ".join(f"{each.encoding} fits too ({shown[0]!r})" for each, shown in differing)
    also = f"; {seen}" if seen else ""
    return one.encoding, f"not UTF-8: read as {one.encoding}{also}; --encoding says otherwise"


def _undecided(
    origin: str, best: Reading, near: Sequence[tuple[Reading, tuple[str, str]]]
) -> SourceError:
    samples = [f"{best.encoding} ({near[0][1][0]!r})"]
    samples += [f"{each.encoding} ({shown[1]!r})" for each, shown in near]
    return SourceError(
        f"{origin} is not UTF-8, and may be in {' or '.join(samples)}",
        hint=f"Say which: --encoding {best.encoding} or --encoding {near[0][0].encoding}.",
    )


def first_difference(one: Reading, two: Reading) -> tuple[str, str] | None:
    """Return the first words in which two readings differ; None if they do not."""
    if one.text == two.text:
        return None
    pairs = zip(one.text.splitlines(), two.text.splitlines(), strict=False)
    return next(((a.strip()[:40], b.strip()[:40]) for a, b in pairs if a != b), None)


def _telling(path: Path) -> bytes:
    """Return the first lines that are not ASCII."""
    found = bytearray()
    with path.open("rb") as file:
        while len(found) < MOST and (data := file.read(CHUNK) + file.readline()):
            for line in () if data.isascii() else data.splitlines(keepends=True):
                if not line.isascii():
                    found += line
    return bytes(found)


def _read(data: bytes, encoding: str, score: Callable[[str], float]) -> Reading | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return Reading(encoding, text, score(text))


def _others(text: str) -> list[str]:
    return [mark for mark in text if not mark.isascii()]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def _latin(alphabets: Sequence[str]) -> Callable[[str], float]:
    """Return the score of Latin letters: all are one language's, most of a word are ASCII."""

    def score(text: str) -> float:
        signs = [mark for mark in _others(text) if not mark.isalpha()]
        plausible = _mean(mark in _SIGNS or mark in _VIETNAMESE for mark in signs) if signs else 1.0
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        if not words:
            return plausible * 0.9
        letters = [mark for word in words for mark in word.lower() if not mark.isascii()]
        fit = max(_mean(mark in alphabet for mark in letters) for alphabet in alphabets)
        return fit * plausible * _mean(map(_latin_word, words))

    return score


def _latin_word(word: str) -> float:
    foreign = len(_others(word))
    return float((len(word) == 1 or 4 * foreign <= 3 * len(word)) and _cased(word))


def _cased(word: str) -> bool:
    return word == word.lower() or word == word.upper() or word[1:] == word[1:].lower()


def _script(script: str, frequent: str) -> Callable[[str], float]:
    """Return the score of letters of another script: no word mixes it with Latin."""

    def score(text: str) -> float:
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        signs = [mark for mark in _others(text) if not mark.isalpha()]
        letters = [mark for word in words for mark in word]
        if not letters:
            return 0.0
        plausible = _mean(mark in _SIGNS for mark in signs) if signs else 1.0
        own = _mean(unicodedata.name(mark, "").startswith(script) for mark in letters)
        case = _mean(_cased(word) and not any(map(str.isascii, word)) for word in words)
        usual = min(1.0, 1.6 * _mean(mark.lower() in frequent for mark in letters))
        small = 1.0 if any(mark == mark.lower() for mark in letters) else 0.9
        return own * case * usual * plausible * small

    return score


def _wide(
    common: Callable[[str], bool], usual: Callable[[Sequence[str]], float] = lambda _: 1.0
) -> Callable[[str], float]:
    """Return the score of characters of two bytes: most are common ones, none is in a Latin word.

    The EUC encodings share their bytes; `usual` says how much a text looks like its language.
    """

    def score(text: str) -> float:
        marks = _others(text)
        mixed = len(re.findall(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][a-z]", text))
        return _mean(map(common, marks)) * (1 - min(1.0, mixed / max(len(marks), 1))) * usual(marks)

    return score


def _row(mark: str, encoding: str) -> int:
    """Return the first byte of a character, 0 if the encoding has none of two bytes for it."""
    try:
        data = mark.encode(encoding)
    except UnicodeEncodeError:
        return 0
    return data[0] if len(data) == 2 else 0  # noqa: PLR2004 - two bytes


def _punctuation(mark: str) -> bool:
    return "\u3000" <= mark <= "\u303f" or "\uff01" <= mark <= "\uff5e"


def _japanese(mark: str) -> bool:
    kana = "\u3041" <= mark <= "\u30ff"
    return kana or _punctuation(mark) or 0xB0 <= _row(mark, "euc_jp") <= 0xCF  # noqa: PLR2004


def _has_kana(marks: Sequence[str]) -> float:
    return 1.0 if any("\u3041" <= mark <= "\u30ff" for mark in marks) else 0.8


def _not_korean(marks: Sequence[str]) -> float:
    # Bytes of Korean are all below those of most Chinese characters.
    rows = [_row(mark, "gb2312") for mark in marks]
    korean = len(rows) >= 6 and all(0xB0 <= row <= 0xC8 for row in rows)  # noqa: PLR2004
    return 0.8 if korean else 1.0


def _simplified(mark: str) -> bool:
    return _punctuation(mark) or 0xB0 <= _row(mark, "gb2312") <= 0xD7  # noqa: PLR2004


def _traditional(mark: str) -> bool:
    return _punctuation(mark) or 0xA4 <= _row(mark, "big5") <= 0xC6  # noqa: PLR2004


def _korean(mark: str) -> bool:
    return _punctuation(mark) or 0xB0 <= _row(mark, "euc_kr") <= 0xC8  # noqa: PLR2004


_SCORES: tuple[tuple[str, Callable[[str], float]], ...] = (
    *((name, _latin(alphabets)) for name, alphabets in _LATIN.items()),
    *((name, _script(*known)) for name, known in _OTHER.items()),
    ("shift_jis", _wide(_japanese)),
    ("cp932", _wide(_japanese)),
    ("euc_jp", _wide(_japanese, _has_kana)),
    ("gb18030", _wide(_simplified, _not_korean)),
    ("big5", _wide(_traditional)),
    ("euc_kr", _wide(_korean)),
)
