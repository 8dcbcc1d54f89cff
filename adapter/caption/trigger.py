"""A trigger word in front of a text: once, and first."""

AFTER_TRIGGER = ", "  # what joins a trigger word to prose and to tag lists alike


class TriggeredText:
    """A text that comes in pieces, as users get it: stripped, the trigger first and not twice."""

    def __init__(self, trigger: str = "") -> None:
        self._trigger = trigger.strip()
        self._head: str | None = ""  # what may yet turn out to be the trigger; None once that is settled
        self._blanks = ""

    def push(self, piece: str) -> str:
        """Takes the next piece, and gives as much of the text as is sure to stay."""
        if self._head is not None:
            self._head = (self._head + piece).lstrip()
            if not self._head or self._may_be_trigger(self._head):
                return ""
            piece, self._head = self._begin(self._head), None
        text = self._blanks + piece
        kept = text.rstrip()
        self._blanks = text[len(kept) :]
        return kept

    def end(self) -> str:
        """Gives what `push` held back. Blanks at the end are never given."""
        head, self._head = self._head, None
        return self._begin(head).rstrip() if head else ""

    def _may_be_trigger(self, head: str) -> bool:
        """Tells whether it is still open: one character after the trigger shows whether the word ends."""
        return bool(self._trigger) and self._trigger.lower().startswith(head.lower())

    def _begin(self, head: str) -> str:
        length = len(self._trigger)
        if not length:
            return head
        same = head[:length].lower() == self._trigger.lower()
        if same and not (head[length : length + 1].isalnum() or head[length : length + 1] == "_"):
            return self._trigger + head[length:]
        return self._trigger + AFTER_TRIGGER + head


def with_trigger(text: str, trigger: str = "") -> str:
    """Gives a whole text as users get it: stripped, with the trigger first and not twice."""
    triggered = TriggeredText(trigger)
    return triggered.push(text) + triggered.end()


def without_trigger(text: str, trigger: str) -> str:
    """Gives `text` without the trigger at its beginning."""
    trigger = trigger.strip()
    if trigger and with_trigger(text, trigger) == trigger + text[len(trigger) :]:
        return text[len(trigger) :].removeprefix(AFTER_TRIGGER).lstrip()
    return text
