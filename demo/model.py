"""The demonstration model's geometry: JoyCaption's architecture at a thousandth of its size."""

import torch
from torch import Tensor
from transformers import LlamaConfig, LlavaConfig, SiglipVisionConfig

SIDE_PX = 384
PATCH_PX = 48
IMAGE_TOKENS = (SIDE_PX // PATCH_PX) ** 2
REDUCTION = 3  # training sees each side divided by this
VISION_FEATURE_LAYER = -2  # as in JoyCaption: the last but one


def vision_config(reduction: int = 1) -> SiglipVisionConfig:
    """Gives a SigLIP over 384 / `reduction` pixels, in 8 x 8 patches."""
    return SiglipVisionConfig(
        image_size=SIDE_PX // reduction,
        patch_size=PATCH_PX // reduction,
        hidden_size=128,
        intermediate_size=384,
        num_attention_heads=2,
        num_hidden_layers=5,
        vision_use_head=False,
    )


def enlarge_patches(weight: Tensor, reduction: int) -> Tensor:
    """Gives patch weights, (out, 3, p, p), for pictures whose pixels became `reduction` ** 2 pixels each."""
    square = torch.ones(reduction, reduction) / reduction**2
    return torch.kron(weight, square)


def llava_config(vocabulary: int, ids: dict[str, int]) -> LlavaConfig:
    """Gives the whole model's configuration; `ids` has `image`, `bos`, `eos` and `pad`."""
    return LlavaConfig(
        vision_config=vision_config(),
        text_config=LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=3,
            num_key_value_heads=3,
            max_position_embeddings=8192,
            rope_theta=10000.0,
            bos_token_id=ids["bos"],
            eos_token_id=ids["eos"],
            pad_token_id=ids["pad"],
        ),
        image_token_id=ids["image"],
        vision_feature_layer=VISION_FEATURE_LAYER,
        vision_feature_select_strategy="full",
        projector_hidden_act="gelu",
    )
