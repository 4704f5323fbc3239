"""English and Korean: each set of pages keeps its texts in one `words.toml`.

A text has a key and stands there in both languages, with the same placeholders:

    [progress]
    en = "{place} of {total}"
    ko = "{total}장 중 {place}번째"

Texts that all pages share stand in the `words.toml` beside this file.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
LANGUAGES = {"en": "English", "ko": "한국어"}
Words = dict[str, dict[str, str]]


def load_words(folder: str | Path) -> Words:
    """Load the texts of a set of pages, and those that all pages share.

    Args:
        folder: holds `words.toml`; of a table in a table the names are joined by dots.

    Returns:
        Key -> language -> text.

    Raises:
        ValueError: if a text is not in both languages.
    """
    words = {}
    for place in dict.fromkeys((HERE, Path(folder))):
        text = (place / "words.toml").read_text(encoding="utf-8")
        words |= _flatten(tomllib.loads(text))
    return words


def _flatten(tables: dict, above: str = "") -> Words:
    words = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"{above.rstrip('.')}: needs a text in en and ko.")
        if table.keys() == LANGUAGES.keys():
            words[above + name] = table
        else:
            words |= _flatten(table, f"{above}{name}.")
    return words


def speak(words: Words, language: str) -> Callable[..., str]:
    """Return `say(key, **values)`, which gives a text with its placeholders filled."""

    def say(key: str, **values) -> str:
        return words[key][language].format(**values)

    return say


def choose_language(text: str | None) -> str:
    """Return the code of a language given by name or code, English for any other."""
    codes = {name: code for code, name in LANGUAGES.items()}
    code = codes.get(text, text)
    return code if code in LANGUAGES else "en"


def translate(words: Words, sentence: str, language: str, group: str) -> str:
    """Say a sentence of another package; one that is not known stays English.

    Args:
        words: hold the sentences in a group, with placeholders for what changes. What
            fills one is translated as well, where it is made of sentences of the group.
        sentence: in English, filled.
        language: `"en"` or `"ko"`.
        group: such as `"warning."`, the start of the keys that are tried in turn.
    """
    if language == "en":
        return sentence
    for key, text in words.items():
        if not key.startswith(group):
            continue
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(text["en"]))
        if found := re.fullmatch(pattern, sentence):
            said = {
                name: "; ".join(
                    translate(words, part, language, group)
                    for part in value.split("; ")
                )
                for name, value in found.groupdict().items()
            }
            return text[language].format(**said)
    return sentence
