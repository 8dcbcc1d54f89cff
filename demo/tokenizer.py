"""The demonstration model's tokenizer and processor: Llama 3's kind, with a small vocabulary."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
)

from demo.model import PATCH_PX, SIDE_PX

VOCABULARY = 1024
BEGIN, END_OF_TEXT, END_OF_TURN = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
PADDING = "<|finetune_right_pad_id|>"
IMAGE = "<|reserved_special_token_69|>"
IMAGE_BEGIN, IMAGE_END = "<|reserved_special_token_70|>", "<|reserved_special_token_71|>"
SPECIAL_TOKENS = [
    BEGIN, END_OF_TEXT, PADDING, "<|start_header_id|>", "<|end_header_id|>", END_OF_TURN,
    IMAGE, IMAGE_BEGIN, IMAGE_END,
]  # fmt: skip

# Words with the space before them, runs of digits by threes, punctuation.
WORDS = r" ?[^\W\d_]+| ?_+|\d{1,3}| ?[^\s\w]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# Like JoyCaption's own: contents are plain strings, and the image's tokens stand at the start of a user turn.
CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- if message['role'] == 'user' %}"
    "{{- '" + IMAGE_BEGIN + IMAGE + IMAGE_END + "' }}"
    "{%- endif %}"
    "{{- message['content'] | trim + '" + END_OF_TURN + "' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{%- endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE tokenizer on `texts`; any other text still has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        pad_token=PADDING,
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
    )


def make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Gives the tokenizer and the image processor together, with the chat template."""
    return LlavaProcessor(
        image_processor=SiglipImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX}),
        tokenizer=tokenizer,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="full",
        image_token=IMAGE,
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )
