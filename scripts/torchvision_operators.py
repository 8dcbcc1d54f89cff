"""Lets PyPI's torchvision be imported beside a CPU build of torch.

Its compiled half is linked against CUDA and can't be loaded there, so its import fails at the first
operator that it describes without having it. Nothing that vLLM runs for LLaVA calls one of them; defining
their signatures is enough. launch_vllm.sh copies this file into the engine's environment, where a .pth
file imports it in every process.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class _DefineBeforeTorchvision(importlib.abc.MetaPathFinder):
    library: Any = None  # torch.library.Library: its definitions go when it goes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "torchvision" and self.library is None:
            import torch

            self.library = torch.library.Library("torchvision", "DEF")
            for signature in SIGNATURES:
                self.library.define(signature)
        return None


sys.meta_path.insert(0, _DefineBeforeTorchvision())
