"""Plain text: names without case, accents and punctuation, so that a question finds what it means.

One way of folding, over columns, for what is stored and for what is asked; a single text is a column of
one.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

#: Letters that no decomposition takes apart.
_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"}


def plain(text: str) -> str:
    """One text: `Beyoncé – Don't…` is `beyonce dont`."""
    return str(plain_column(pa.array([text], pa.string()))[0].as_py())


def plain_column(texts: pa.Array) -> pa.Array:
    """A column of texts; what holds no letter and no digit keeps its own signs."""
    folded = pc.utf8_lower(pc.utf8_normalize(texts, "NFKD"))
    folded = pc.replace_substring_regex(folded, r"[\p{Mn}'’`´]+", "")
    for letter, letters in _LETTERS.items():
        folded = pc.replace_substring(folded, letter, letters)
    folded = pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, r"[^\p{L}\p{N}]+", " "))
    signs = pc.utf8_trim_whitespace(pc.utf8_lower(texts))
    return pc.if_else(pc.equal(folded, ""), signs, folded)


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return plain(text).split()


def one_typo_apart(left: str, right: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, makes one word the other."""
    if left == right:
        return True
    start = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if start is None:
        return abs(len(left) - len(right)) == 1
    a, b = left[start:], right[start:]
    swapped = len(a) > 1 and len(b) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped


def without_a_letter(words: Sequence[str]) -> set[str]:
    """Every word, and every word less one letter: words one typo apart share one of these."""
    return {*words, *(word[:n] + word[n + 1 :] for word in words for n in range(len(word)))}
