"""How much of JoyCaption fits into a GPU's memory, by arithmetic. Pure, and nothing but the standard library.

The figures are for vLLM 0.32 and Llama 3.1 8B with SigLIP so400m, from its source and from the sizes of the
weights; none was measured on a GPU so far.
"""

from dataclasses import dataclass

MIB_PER_GIB = 1024
BF16, FP8, BITSANDBYTES = "none", "fp8", "bitsandbytes"  # none: the weights stay as they were published
WEIGHTS_GIB = {BF16: 15.7, FP8: 9.3, BITSANDBYTES: 6.5}  # the vision tower stays in bf16 in all of them
# What else one GPU holds: CUDA's context, the CUDA graphs, and the activations of one step.
CONTEXT_GIB = 0.4
GRAPHS_GIB = 0.4
ACTIVATIONS_GIB = 0.33
ACTIVATIONS_GIB_PER_TOKEN = 0.8 / 6144  # 0.6 GiB at 2048 tokens a step, 1.4 at 8192
KV_KIB_PER_TOKEN = 128  # 32 layers, 8 heads of 128 for keys and as many for values, 2 bytes each
TOKENS_PER_CAPTION = 1024  # 729 of the image, some 40 of the prompt, 256 of the caption

# Tokens that one step reads, by the memory of the GPU in MiB: an image is encoded whole, so 2048, vLLM's own
# choice for most cards, lets two images a step through the encoder. Cards report less than they are sold as.
BATCHED_TOKENS = ((40_000, 8192), (22_500, 4096), (0, 2048))
MIN_SEQUENCES, MAX_SEQUENCES = 8, 1024  # 1024 is what vLLM itself takes on its largest cards


@dataclass(frozen=True)
class Capacity:
    """What one engine does at one time: tokens that a step reads, and captions whose keys and values fit."""

    batched_tokens: int
    captions: int

    @property
    def sequences(self) -> int:
        """The number for `--max-num-seqs`: with more, captions under way would have to begin anew."""
        return min(max(self.captions, MIN_SEQUENCES), MAX_SEQUENCES)


def batched_tokens(memory_mib: int) -> int:
    """Gives the tokens that one step should read on a GPU with this much memory."""
    return next(tokens for least_mib, tokens in BATCHED_TOKENS if memory_mib >= least_mib)


def joycaption_capacity(memory_mib: int, split: int, share: float, quantization: str) -> Capacity:
    """Gives the capacity of one engine on `split` GPUs that each have this much memory and give it a share.

    `quantization` is one of WEIGHTS_GIB. `captions` is 0 where not even one fits.
    """
    tokens = batched_tokens(memory_mib)
    activations_gib = ACTIVATIONS_GIB + tokens * ACTIVATIONS_GIB_PER_TOKEN
    taken_gib = WEIGHTS_GIB[quantization] / split + CONTEXT_GIB + GRAPHS_GIB + activations_gib
    left_kib = (memory_mib / MIB_PER_GIB * share - taken_gib) * MIB_PER_GIB * 1024
    return Capacity(tokens, max(0, int(left_kib * split / KV_KIB_PER_TOKEN / TOKENS_PER_CAPTION)))
