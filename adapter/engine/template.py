"""The served model's chat template, made token-exact for vLLM.

JoyCaption's own template takes contents as plain strings and writes the image's tokens itself. vLLM reads
such a template as format `string`, and then puts the literal text `<image>` and a newline in front of the
prompt: tokens that the model was never trained on. So a few lines before the template turn contents that
are lists into their text, and vLLM is told that the format is `openai`.

`derive` is pure. Run as `python -m adapter.engine.template MODEL FOLDER` (by launch_vllm.sh, with the
engine's Python, which has transformers) it writes the derived template, checked against the model's
processor, and a probe conversation with its reference ids for `selfcheck`.
"""

import json
import sys
from pathlib import Path
from typing import Any

TEMPLATE_FILE = "chat_template.jinja"
PROBE_FILE = "probe.json"
PROBE_SYSTEM = "You are a helpful image captioner."
PROBE_PROMPT = "Write a long detailed description for this image."

# Text parts keep their order whether they stand before or after the image, with a newline in between.
CONTENTS_TO_TEXT = """\
{%- set flat = namespace(messages=[]) -%}
{%- for message in messages -%}
  {%- set content = message['content'] -%}
  {%- if content is not string -%}
    {%- set texts = content | selectattr('type', 'equalto', 'text') | map(attribute='text') -%}
    {%- set content = texts | join('\\n') -%}
  {%- endif -%}
  {%- set flat.messages = flat.messages + [{'role': message['role'], 'content': content}] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""
ANOTHER_BEGIN = "{{- bos_token -}}\n"


def derive(chat_template: str, *, tokenizer_adds_begin: bool) -> str:
    """The template for `--chat-template`, with `--chat-template-content-format openai`.

    `tokenizer_adds_begin`: the model card's recipe tokenizes the rendered text with the tokenizer's own
    beginning-of-text token before it. vLLM doesn't, so the template must write it.
    """
    return CONTENTS_TO_TEXT + (ANOTHER_BEGIN if tokenizer_adds_begin else "") + chat_template


def conversation(prompt: str, *, as_parts: bool) -> list[dict[str, Any]]:
    """The model card's conversation, its user content as a string or as vLLM hands it over."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}] if as_parts else prompt
    return [{"role": "system", "content": PROBE_SYSTEM}, {"role": "user", "content": content}]


def reference_ids(processor: Any, prompt: str) -> list[int]:
    """Token ids by the model card's recipe, the image's expanded: what the model was trained on."""
    from PIL import Image

    text = processor.apply_chat_template(
        conversation(prompt, as_parts=False), tokenize=False, add_generation_prompt=True
    )
    inputs = processor(text=[text], images=[Image.new("RGB", (384, 384))], return_tensors="pt")
    ids: list[int] = inputs["input_ids"][0].tolist()
    return ids


def rendered_ids(processor: Any, template: str, prompt: str) -> list[int]:
    """Token ids as vLLM makes them of `template`, with the one image token that it expands later."""
    tokenizer = processor.tokenizer
    text = tokenizer.apply_chat_template(
        conversation(prompt, as_parts=True),
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
    )
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def collapse(ids: list[int], image_token_id: int) -> list[int]:
    """`ids` with each run of image tokens made one."""
    return [
        token
        for place, token in enumerate(ids)
        if token != image_token_id or place == 0 or ids[place - 1] != image_token_id
    ]


def derive_for(processor: Any) -> tuple[str, list[int]]:
    """The derived template and the probe's reference ids.

    Raises ValueError when no template gives the reference's ids.
    """
    own = processor.chat_template or processor.tokenizer.chat_template
    if not isinstance(own, str):
        raise ValueError("the model has no chat template of its own")
    expected = reference_ids(processor, PROBE_PROMPT)
    image_token_id = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    for adds_begin in (False, True):
        template = derive(own, tokenizer_adds_begin=adds_begin)
        if rendered_ids(processor, template, PROBE_PROMPT) == collapse(expected, image_token_id):
            return template, expected
    raise ValueError("no derived chat template gives the token ids of the model's own processor")


def main(model: str, folder: Path) -> None:
    from transformers import AutoProcessor

    try:
        template, ids = derive_for(AutoProcessor.from_pretrained(model))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {model} can't be served: {str(error).splitlines()[0]}")
    (folder / TEMPLATE_FILE).write_text(template)
    probe = {"system": PROBE_SYSTEM, "prompt": PROBE_PROMPT, "ids": ids}
    (folder / PROBE_FILE).write_text(json.dumps(probe))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
