"""Turns the two trained parts into a checkpoint folder that transformers and vLLM both load."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from demo.language import Writer
from demo.model import REDUCTION, enlarge_patches
from demo.vision import SceneClassifier

# transformers 5 renamed a LLaVA's tensors; vLLM reads the earlier names, and so do all versions of both.
CHECKPOINT_NAMES = (
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
PATCH_WEIGHT = "embeddings.patch_embedding.weight"


def assemble(config: LlavaConfig, vision: SceneClassifier, writer: Writer) -> LlavaForConditionalGeneration:
    """Gives one LLaVA for 384 x 384 pictures.

    The tower's last layer, which LLaVA doesn't read, is untrained. Raises ValueError where the parts don't
    fit.
    """
    model = LlavaForConditionalGeneration(config)
    tower = dict(vision.tower.state_dict())
    tower[PATCH_WEIGHT] = enlarge_patches(tower[PATCH_WEIGHT], REDUCTION)
    left_out = model.model.vision_tower.load_state_dict(tower, strict=False)
    unread = f"encoder.layers.{config.vision_config.num_hidden_layers - 1}."
    unexpected = [
        name
        for name in left_out.missing_keys
        if not name.startswith((unread, "post_layernorm.")) and "position_ids" not in name
    ]
    if unexpected or left_out.unexpected_keys:
        raise ValueError(f"the tower doesn't fit: {unexpected + left_out.unexpected_keys}")
    model.model.multi_modal_projector.load_state_dict(writer.projector.state_dict())
    model.model.language_model.load_state_dict(writer.language.model.state_dict())
    model.lm_head.load_state_dict(writer.language.lm_head.state_dict())
    return model.eval()


def save(model: LlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path) -> None:
    """Writes the checkpoint in bfloat16, with everything that a served model needs beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        checkpoint_name(name): tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if "position_ids" not in name
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    settings = model.config.to_dict() | {
        "architectures": ["LlavaForConditionalGeneration"],
        "dtype": "bfloat16",
    }
    settings.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    text = model.config.text_config
    GenerationConfig(
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
    ).save_pretrained(folder)
    processor.save_pretrained(folder)


def checkpoint_name(name: str) -> str:
    """Gives the name that the file has for what transformers 5 calls `name`. Raises ValueError."""
    for ours, theirs in CHECKPOINT_NAMES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(f"no checkpoint name for {name}")
