"""The language in which people say which texts they mean, as a condition for the index. Pure.

    fox AND (snow OR "birch trees") NOT tag:1girl

Words and phrases in quotes stand in a text, in any case; `fo*` stands for words that begin so; `tag:` for a
whole tag of a list; `name:` for a part of the image's name. Words that follow each other must all be there;
a minus means NOT.
"""

import re
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

from adapter.caption.text_form import normal_tag
from adapter.errors import WrongFieldError

FIELD: Final = "q"
MAX_CHARACTERS, MAX_TERMS, MAX_DEPTH = 2000, 100, 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[()])|(?P<minus>-(?=\S))|(?:(?P<field>tag|name):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s()"]+)))"""
)
# The index takes a run of such letters for one word, so that a part of it isn't found there.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]"
)
_WORDLY = re.compile(r"[^\W_]")  # the index takes an underscore for a space
_LOWER = {ord(letter): letter.lower() for letter in ascii_uppercase}  # as the index's `lower` does
_UNENCODABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Condition:
    """A condition on rows of `items` and `texts`, in SQL with its parameters."""

    sql: str
    parameters: tuple[str, ...] = ()

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(f"({self.sql} AND {other.sql})", self.parameters + other.parameters)

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(f"({self.sql} OR {other.sql})", self.parameters + other.parameters)

    def __invert__(self) -> "Condition":
        return Condition(f"NOT {self.sql}", self.parameters)


@dataclass(frozen=True)
class _Token:
    text: str
    field: str = ""
    is_phrase: bool = False

    def is_word(self, word: str) -> bool:
        return not self.is_phrase and not self.field and self.text == word


def parse(query: str) -> Condition | None:
    """Gives the condition that `query` stands for, None for an empty one. Raises WrongFieldError."""
    if len(query) > MAX_CHARACTERS or _UNENCODABLE.search(query):
        raise WrongFieldError(FIELD, f"should be a line of at most {MAX_CHARACTERS} characters")
    tokens = list(_tokens(query))
    if not tokens:
        return None
    if len(tokens) > MAX_TERMS:
        raise WrongFieldError(FIELD, f"has more than {MAX_TERMS} terms")
    parser = _Parser(tokens)
    found = parser.alternatives(0)
    if parser.next is not None:
        raise WrongFieldError(FIELD, "has a closing parenthesis too many")
    return found


def _tokens(query: str) -> list[_Token]:
    found, place = [], 0
    query = query.rstrip()
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            raise WrongFieldError(FIELD, "has a quotation mark without a second one")
        place = match.end()
        if match["mark"] or match["minus"]:
            found.append(_Token("NOT" if match["minus"] else match["mark"]))
        else:
            is_phrase = match["phrase"] is not None
            found.append(
                _Token(match["phrase"] if is_phrase else match["word"], match["field"] or "", is_phrase)
            )
    return found


class _Parser:
    """Reads tokens from the left, by the rules of the language: OR binds least, NOT most."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def next(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self, word: str) -> bool:
        if self.next is not None and self.next.is_word(word):
            self._place += 1
            return True
        return False

    def alternatives(self, depth: int) -> Condition:
        found = self._together(depth)
        while self._take("OR"):
            found |= self._together(depth)
        return found

    def _together(self, depth: int) -> Condition:
        found = self._one(depth)
        while self.next is not None and not self.next.is_word("OR") and not self.next.is_word(")"):
            self._take("AND")
            found &= self._one(depth)
        return found

    def _one(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise WrongFieldError(FIELD, f"has parentheses more than {MAX_DEPTH} deep")
        if self._take("NOT"):
            return ~self._one(depth + 1)
        if self._take("("):
            found = self.alternatives(depth + 1)
            if not self._take(")"):
                raise WrongFieldError(FIELD, "has an opening parenthesis without a closing one")
            return found
        token = self.next
        if token is None or any(token.is_word(word) for word in ("AND", "OR", ")")):
            raise WrongFieldError(FIELD, "lacks a word or phrase: after AND, OR, NOT or a parenthesis")
        self._place += 1
        return _term(token)


def _term(token: _Token) -> Condition:
    if token.field == "name":
        return Condition("instr(items.lower_name, ?) > 0", (token.text.casefold(),))
    if token.field == "tag":
        return Condition("instr(coalesce(texts.tags, ''), ?) > 0", (f",{normal_tag(token.text)},",))
    if _UNSPACED.search(token.text) or not _WORDLY.search(token.text):
        return Condition("instr(lower(coalesce(texts.text, '')), ?) > 0", (token.text.translate(_LOWER),))
    is_prefix = not token.is_phrase and token.text.endswith("*")
    words = '"' + token.text.rstrip("*").replace('"', '""') + '"' + ("*" if is_prefix else "")
    return Condition("coalesce(texts.id, 0) IN (SELECT rowid FROM words WHERE words MATCH ?)", (words,))
