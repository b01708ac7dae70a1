"""Write the names of months and currencies that Babel knows into `sources/typing/words.json`.

Babel itself takes 32 MB, of which Myriad needs these words. Run it where Babel is installed, when a
new CLDR is out: `python tools/words.py`.
"""

import json
from pathlib import Path

from babel import Locale, localedata, numbers

TARGET = Path(__file__).parents[1] / "src" / "myriad" / "sources" / "typing" / "words.json"
WIDTHS = ("wide", "abbreviated")
FEWEST = 3  # letters of a month's name: CLDR has 'M01' and '1월' where a language has none


def months(language: str) -> dict[str, int]:
    """Return the names of months in a language, in lower case without a point at their end."""
    found: dict[str, int] = {}
    doubtful: set[str] = set()
    for context in ("format", "stand-alone"):
        for width in WIDTHS:
            for number, name in Locale.parse(language).months[context][width].items():
                word = name.lower().rstrip(".").strip()
                if not word.isalpha() or len(word) < FEWEST:
                    continue
                if found.setdefault(word, number) != number:
                    doubtful.add(word)
    return {word: number for word, number in found.items() if word not in doubtful}


def main() -> None:
    """Write the file."""
    languages = sorted(name for name in localedata.locale_identifiers() if "_" not in name)
    names = {name: months(name) for name in languages}
    symbols = {
        numbers.get_currency_symbol(code, locale)
        for code in numbers.list_currencies()
        for locale in (*languages, "en_US", "en_GB", "de_CH", "pt_BR")
    }
    plain = {mark for mark in symbols if not any(c.isdigit() or c in "-()," for c in mark)}
    data = {
        "from": "Unicode CLDR by Babel; (c) Unicode, Inc., https://www.unicode.org/license.txt",
        "months": {name: words for name, words in names.items() if len(set(words.values())) == 12},
        "currencies": sorted({*numbers.list_currencies(), *filter(str.strip, plain)}),
    }
    text = json.dumps(data, ensure_ascii=False, indent=None, separators=(",", ":"))
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
