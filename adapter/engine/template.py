"""The served model's chat template, made token-exact for vLLM.

JoyCaption's own template takes contents as plain strings and writes the image's tokens itself. vLLM reads
such a template as format `string`, and then puts the literal text `<image>` and a newline in front of the
prompt: tokens that the model was never trained on. So a few lines before the template turn contents that
are lists into their text, and vLLM is told that the format is `openai`. A few lines after it leave the
image's tokens only in the turn that has the image, for the model's own template writes them whether or not
there is one.

`derive` is pure. Run as `python -m adapter.engine.template MODEL FOLDER` (by launch_vllm.sh, with the
engine's Python, which has transformers) it writes the derived template, checked against the model's
processor, and a probe conversation with its reference ids for `selfcheck`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

TEMPLATE_FILE = "chat_template.jinja"
PROBE_FILE = "probe.json"
PROBE_SYSTEM = "You are a helpful image captioner."
PROBE_PROMPT = "Write a long detailed description for this image."

# The image token with the special tokens that stand right beside it.
IMAGE_MARK = r"(?:<\|[^|]*\|>)*{token}(?:<\|[^|]*\|>)*"

# Text parts keep their order whether they stand before or after the image, with a newline in between.
CONTENTS_TO_TEXT = """\
{%- set flat = namespace(messages=[], users=0, image=none) -%}
{%- for message in messages -%}
  {%- set content = message['content'] -%}
  {%- if content is not string -%}
    {%- if content | selectattr('type', 'equalto', 'image') | list -%}
      {%- set flat.image = flat.users -%}
    {%- endif -%}
    {%- set texts = content | selectattr('type', 'equalto', 'text') | map(attribute='text') -%}
    {%- set content = texts | join('\\n') -%}
  {%- endif -%}
  {%- if message['role'] == 'user' -%}
    {%- set flat.users = flat.users + 1 -%}
  {%- endif -%}
  {%- set flat.messages = flat.messages + [{'role': message['role'], 'content': content}] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
{%- set written -%}
"""
# The mark stands in each user turn, or only in the first, which then has the image whoever sent it.
MARK_WHERE_THE_IMAGE_IS = """\
{% endset -%}
{%- set pieces = written.split(MARK) -%}
{%- for piece in pieces -%}
  {%- if flat.image is not none and loop.index0 == (flat.image if loop.length > 2 else 0) + 1 -%}
    {{- MARK -}}
  {%- endif -%}
  {{- piece -}}
{%- endfor -%}
"""
MISSING_BEGIN = "{{- bos_token -}}\n"


def derive(chat_template: str, image_mark: str, *, lacks_begin: bool) -> str:
    """Gives the template for `--chat-template`, with `--chat-template-content-format openai`.

    `image_mark` is what the model's own template writes for an image. `lacks_begin` tells whether that
    template leaves the beginning-of-text token to the tokenizer. vLLM tokenizes without such tokens, so the
    derived template must write it.
    """
    begin = MISSING_BEGIN if lacks_begin else ""
    end = MARK_WHERE_THE_IMAGE_IS.replace("MARK", json.dumps(image_mark))
    # Jinja drops one newline at the end of a template, and this one's end is no longer at the end.
    return CONTENTS_TO_TEXT + begin + chat_template.removesuffix("\n") + end


def find_image_mark(rendered: str, image_token: str) -> str | None:
    """Finds the image token, with what belongs to it, in the model's own rendering of one user turn.

    Gives None unless the image token is there exactly once.
    """
    found = re.findall(IMAGE_MARK.format(token=re.escape(image_token)), rendered)
    return found[0] if len(found) == 1 else None


def conversation(prompt: str, *, as_parts: bool, image: bool = True) -> list[dict[str, Any]]:
    """Gives the model card's conversation, with the user's content as a string or as vLLM's parts."""
    parts = [{"type": "image"}] * image + [{"type": "text", "text": prompt}]
    content = parts if as_parts else prompt
    return [{"role": "system", "content": PROBE_SYSTEM}, {"role": "user", "content": content}]


def reference_ids(processor: Any, prompt: str) -> list[int]:
    """Gives the token ids that the model was trained on, the image's expanded.

    They are made as the author's batch script makes them: the rendered template is tokenized without special
    tokens, because it holds them already. Only where it lacks the beginning-of-text token that the tokenizer
    would add, it is put first: there is exactly one, whatever transformers does.
    """
    from PIL import Image

    text = processor.apply_chat_template(
        conversation(prompt, as_parts=False), tokenize=False, add_generation_prompt=True
    )
    images = [Image.new("RGB", (384, 384))]
    inputs = processor(text=[text], images=images, add_special_tokens=False, return_tensors="pt")
    ids: list[int] = inputs["input_ids"][0].tolist()
    begin = added_begin(processor.tokenizer)
    return ids if not begin or ids[: len(begin)] == begin else begin + ids


def added_begin(tokenizer: Any) -> list[int]:
    """Gives the tokens that the tokenizer itself puts before a text: beginning-of-text, or none."""
    begin: list[int] = [id for id in tokenizer.encode("") if id == tokenizer.bos_token_id]
    return begin[:1]


def rendered_ids(processor: Any, template: str, prompt: str, *, image: bool = True) -> list[int]:
    """Gives the token ids that vLLM makes with `template`, with the one image token that it expands later."""
    tokenizer = processor.tokenizer
    text = tokenizer.apply_chat_template(
        conversation(prompt, as_parts=True, image=image),
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
    )
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def collapse(ids: list[int], image_token_id: int) -> list[int]:
    """Gives `ids` with each run of image tokens reduced to one."""
    return [
        token
        for place, token in enumerate(ids)
        if token != image_token_id or place == 0 or ids[place - 1] != image_token_id
    ]


def _cut(ids: list[int], part: list[int]) -> list[int]:
    """Gives `ids` without the first `part` in it."""
    for place in range(len(ids) - len(part) + 1):
        if ids[place : place + len(part)] == part:
            return ids[:place] + ids[place + len(part) :]
    return ids


def derive_for(processor: Any) -> tuple[str, list[int]]:
    """Gives the derived template and the probe's reference ids.

    Raises ValueError where no template gives the reference's ids.
    """
    own = processor.chat_template or processor.tokenizer.chat_template
    if not isinstance(own, str):
        raise ValueError("the model has no chat template of its own")
    expected = reference_ids(processor, PROBE_PROMPT)
    tokenizer = processor.tokenizer
    image_token_id = tokenizer.convert_tokens_to_ids(processor.image_token)
    rendered = tokenizer.apply_chat_template(
        conversation(PROBE_PROMPT, as_parts=False), chat_template=own, tokenize=False
    )
    mark = find_image_mark(rendered, processor.image_token)
    if mark is None:
        raise ValueError("the model's chat template doesn't write one image token per picture")
    without = tokenizer.encode(mark, add_special_tokens=False)
    for lacks_begin in (False, True):
        template = derive(own, mark, lacks_begin=lacks_begin)
        ids = rendered_ids(processor, template, PROBE_PROMPT)
        text_ids = rendered_ids(processor, template, PROBE_PROMPT, image=False)
        if ids == collapse(expected, image_token_id) and text_ids == _cut(ids, without):
            return template, expected
    raise ValueError("no derived chat template gives the token ids of the model's own processor")


def main(model: str, folder: Path) -> None:
    """Writes the template and the probe for `model` into `folder`. Ends the program with one line if not."""
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
