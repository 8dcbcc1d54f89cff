"""A captioning server: JoyCaption on vLLM, for AI-Toolkit's UI, for OpenAI's clients, and for datasets.

A face turns what it was asked into a `CaptionRequest` about an image, and the captioner answers it at the
`Endpoint` of an engine. A dataset run does so for each `Item`, and tells what happens as `Event`s.

    errors, config, settings, trace, logs    what everything else may use
    caption      pure: prompts, sampling, the request, the answer; the place for judging answers
    images       where an image comes from, and its way to the model's pixels; the only importer of PIL
    engine       engines: started or found, checked, watched; `fleet` is the place for several of them
    captioner    the one way to an answer: admission, turns, and asking again
    dataset      runs, without terminal or HTTP; `inputs`: where items come from, `texts`: where texts live
    web          the HTTP application: a package for each face
    cli          one module for each command; the only place for terminals and signals

Imports run downwards only: a part may import those above it. `caption` and `images` don't know each other,
and the faces of `web` that caption single images don't know datasets.
"""

__version__ = "0.1.0"
