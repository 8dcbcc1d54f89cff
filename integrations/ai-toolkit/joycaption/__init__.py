"""JoyCaption's captioner for AI-Toolkit: jobs of the type `JoyCaption` are done by a captioning service.

AI-Toolkit imports every extension for every job, so nothing here may raise, whatever is missing, and what a
captioner needs is imported when its process is asked for.
"""

from __future__ import annotations

from typing import Any

try:
    from toolkit.extension import Extension
except Exception as error:  # whatever is wrong with it: other programs' jobs must go on
    print(f"The JoyCaption extension is left out, because this isn't AI-Toolkit as it knows it: {error}")
    AI_TOOLKIT_EXTENSIONS: list[Any] = []
else:

    class JoyCaptionExtension(Extension):
        """Says which process runs jobs of the type `JoyCaption`."""

        uid = "JoyCaption"
        name = "JoyCaption"

        @classmethod
        def get_process(cls) -> Any:
            """Gives the captioner. Where that can't be imported, a job of this type fails, and only that."""
            try:
                from .captioner import JoyCaptioner
            except Exception as error:  # AI-Toolkit asks for all processes before it runs any
                return _unavailable(error)
            return JoyCaptioner

    AI_TOOLKIT_EXTENSIONS = [JoyCaptionExtension]


def _unavailable(error: Exception) -> Any:
    reason = f"JoyCaption can't run in this AI-Toolkit: {type(error).__name__}: {error}"

    def refuse(*given: Any, **named: Any) -> Any:
        raise RuntimeError(reason)

    return refuse
