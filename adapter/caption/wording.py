"""Finds what a caption must not say: refusals, the chat around it, other languages, and what is no text."""

import re
from typing import Final

from adapter.caption.flaws import Form, Place
from adapter.caption.stop_words import ENGLISH, FOREIGN
from adapter.caption.text_form import WORD

MIN_NO_WORD: Final = 46  # characters: one more than the longest word of an English dictionary
OFFER_CHARACTERS: Final = 300
MIN_LETTERS: Final = 0.4
MAX_FOREIGN_LETTERS: Final = 0.15
WINDOW_WORDS: Final = 24
MIN_FOREIGN_STOP_WORDS: Final = 5

_QUOTED = re.compile(
    r"\"[^\"\n]{1,400}\"|\u201c[^\u201c\u201d\n]{1,400}\u201d|\u00ab[^\u00ab\u00bb\n]{1,400}\u00bb"
)
# The prompt given back instead of an answer.
_ECHO = re.compile(
    r"\s*(?:Write|Describe|Generate|Create|Produce|Give) (?:an?|the|this|me|one)\b[^.\n]{0,80}"
    r"\b(?:for|of|in) (?:this|the) image",
    re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(
    r"<\|[^<>\n]{0,40}>|<\|[a-z_]{2,40}|\[/?INST\]|<</?SYS>>|\u25c1/?\w{1,20}\u25b7"
    r"|</?(?:s|image|bos|eos|pad|unk|think|thinking|answer|tool_call|im_start|im_end)>"
    r"|<(?:end|start)_of_\w{1,20}>|\[(?:BEGIN|END) (?:FINAL )?RESPONSE\]",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:^|\n|(?<=[.!?\"] ))[ \t*#]*(?:ASSISTANT|USER|SYSTEM|HUMAN|CHATBOT|Assistant|User|Human|AI)\**[ \t]*:"
    r"|\b(?:ASSISTANT|USER):",
)
_THINKING = re.compile(
    r"(?:^|\n)[ \t]*(?:Here are my reasoning steps|Let me (?:think|analy[sz]e)"
    r"|(?:Okay|Ok|So|Alright|Hmm|Got it|First|Now|Wait)\b[^.\n]{0,30}"
    r"\b(?:let's|let me|I need to|the user|I should)\b"
    r"|The user (?:is asking|asks|wants|asked|has asked|provided))",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\W{0,3}(?:(?:I(?:'m| am) (?:very |so |really )?sorry|Sorry|I apologi[sz]e|My apologies|Apologies)\b"
    r"(?=[,.;:!]| but| for| I\b)"
    r"|As an? (?:AI|language model|artificial)|Unfortunately, (?:I|as an)\b"
    r"|I(?:'m| am)(?: currently| just)? "
    r"(?:not able|unable|not comfortable|not allowed|only an? (?:AI|language))"
    r"|I (?:can't|cannot|can not|won't|will not|must decline|do not feel|don't feel|could not|couldn't"
    r"|don't have the ability|(?:don't|do not) (?:actually )?see (?:an?|any) image)\b"
    r"|(?:No|There is no|There's no) image (?:was |is |has been )?(?:provided|attached|uploaded|visible)"
    r"|(?:Please|Could you please|Can you please)(?: try| provide| upload| share| attach)\b|Try again\b)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"\W{0,3}(?:Based on [^.\n]{1,80}, )?"
    r"(?:(?:Sure|Certainly|Of course|Absolutely|Okay|Understood|Got it)\b[!,.]"
    r"|Here(?:'s|\u2019s| is| are| you go)\b[^.\n]{0,90}"
    r"(?:caption|description|prompt|tags?|list|version|revised|image)[^.\n]{0,60}:"
    r"|(?:The )?(?:revised |final )?(?:caption|description|prompt|tags):)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:Let me know (?:if|what|whether)|(?:Please )?feel free to|I hope (?:this|that|it)"
    r"|If you(?:'d| would) like(?: me)?,? |Would you like (?:me|any)|Do you (?:want|need) (?:me|any))"
    r"[^\n]{0,200}$",
    re.IGNORECASE,
)
# One of these is in every match, and looking for them takes a tenth of the time.
_OFFER_WORDS: Final = ("let me", "feel free", "i hope", "if you", "you like", "do you")
# U+0120 and U+010A are spaces and line ends of byte-level BPE that were never decoded.
_NO_TEXT = re.compile(
    r"[\u0120\u010a\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ue000-\uf8ff]|\xc3[\x80-\xbf]|\xe2\u20ac"
)
_LATIN: Final = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
OTHER_LETTER = re.compile(rf"[^\W\d_{_LATIN}]")
_LATIN_LETTER = re.compile(f"[{_LATIN}]")
_OTHER_SCRIPT: Final = "\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af"
_MIXED_WORD = re.compile(f"[{_LATIN}]{{2}}[{_OTHER_SCRIPT}]|[{_OTHER_SCRIPT}][a-z]{{2}}")
# What a program says instead of a caption, and puts into the text file all the same.
_PROGRAM = re.compile(
    r"\s*(?:(?:ERROR|Error|Exception|\w+(?:Error|Exception))\b ?[:\[(]|Traceback \(most"
    r"|CUDA (?:error|out of))"
)
_NO_WORD = re.compile(rf"[^\s,/_.\-|=*#~]{{{MIN_NO_WORD},}}")
_ONE_LETTER = re.compile(r"\b([A-Za-z])\1{4,}\b")
_CONSONANTS = re.compile(r"[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]{8,}")


def refusal(text: str, form: Form | None) -> Place | None:
    """Finds an answer that begins with a refusal; in mid-text its words are about the image."""
    match = _REFUSAL.match(text.replace("\u2019", "'"))
    return None if match is None else match.span()


def leak(text: str, form: Form | None) -> Place | None:
    """Finds special tokens, roles of a chat, the prompt, and thinking, but not in what is quoted."""
    if match := _SPECIAL_TOKEN.search(text):
        return match.span()
    unquoted = _blank_quotes(text)
    match = _ROLE.search(unquoted) if ":" in unquoted else None
    if match is None and form is not None:
        match = _ECHO.match(text) or _THINKING.search(unquoted)
    return None if match is None else match.span()


def nonsense(text: str, form: Form | None) -> Place | None:
    """Finds what is no text: bytes, mixed scripts, numbers, a program's error."""
    match = _NO_TEXT.search(text) or _PROGRAM.match(text)
    if match is None and not text.isascii():
        match = _MIXED_WORD.search(text)
    if match is None and form is not Form.TAGS and "://" not in text:
        unquoted = _blank_quotes(text)
        match = _CONSONANTS.search(unquoted) or _ONE_LETTER.search(unquoted)
        if match is None and max(map(len, unquoted.split()), default=0) >= MIN_NO_WORD:
            match = _NO_WORD.search(unquoted)
    if match is not None:
        return match.span()
    solid = "".join(text.split())
    if solid and sum(map(str.isalpha, solid)) < MIN_LETTERS * len(solid):
        return 0, len(text)
    return None


def language(text: str, form: Form | None) -> Place | None:
    """Finds where a text leaves English, quotations excepted."""
    unquoted = _blank_quotes(text)
    others = OTHER_LETTER.findall(unquoted) if not unquoted.isascii() else []
    if others:
        latin = len(_LATIN_LETTER.findall(unquoted))
        if len(others) > MAX_FOREIGN_LETTERS * (latin + len(others)):
            first = OTHER_LETTER.search(unquoted)
            return (first.start() if first else 0), len(text)
    if form is not Form.PROSE:
        return None
    words = [(match[0].lower(), match.start()) for match in WORD.finditer(unquoted)]
    if sum(word in FOREIGN for word, _ in words) < MIN_FOREIGN_STOP_WORDS:
        return None
    for start in range(0, max(len(words) - WINDOW_WORDS // 2, 1), WINDOW_WORDS // 2):
        window = words[start : start + WINDOW_WORDS]
        foreign = sum(word in FOREIGN for word, _ in window)
        if foreign >= MIN_FOREIGN_STOP_WORDS and foreign > 2 * sum(word in ENGLISH for word, _ in window):
            return window[0][1], len(text)
    return None


def meta(text: str, form: Form | None) -> Place | None:
    """Finds an announcement in front of the caption, or an offer behind it."""
    match = _OPENING.match(text)
    last = max(len(text) - OFFER_CHARACTERS, 0)
    tail = text[last:].lower()
    if match is None and any(words in tail for words in _OFFER_WORDS):
        match = _CLOSING.search(text, last)
    return None if match is None else match.span()


def _blank_quotes(text: str) -> str:
    """Gives the text with spaces for what it quotes, so that places stay the same."""
    return _QUOTED.sub(lambda match: " " * len(match[0]), text)
