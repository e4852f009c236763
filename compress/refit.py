"""Refit the last layer to the features that int8 really computes.

Quantization errors of many layers add up in the pooled features, partly in the same direction
for every image. The last layer is linear, so its best answer to that is a ridge regression: from
the int8 features of training images to the logits that the float model gives them, shrunk
towards the original kernel. No labels are used.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from sklearn.linear_model import Ridge

from skinedge.train.batches import normalise

__all__ = ["refit_logits"]

# Of the mean variance of a feature: below 0.1 the refit starts to learn its training images.
PENALTY = 1.0


def _feature_tensor(flatbuffer: bytes) -> int:
    """Index of the tensor that the last fully connected operator reads: the one of `logits`."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    codes = [code.builtinCode for code in model.operatorCodes]
    dense = [
        operator
        for operator in model.subgraphs[0].operators
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.FULLY_CONNECTED
    ]
    return int(dense[-1].inputs[0])


def _int8_features(flatbuffer: bytes, images: np.ndarray) -> np.ndarray:
    """Dequantized input of the last layer: float32 `[n, features]`."""
    interpreter = Interpreter(model_content=flatbuffer, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    pixels = interpreter.get_input_details()[0]["index"]
    feature = _feature_tensor(flatbuffer)
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    scale, zero = details[feature]["quantization"]
    rows = []
    for image in images:
        interpreter.set_tensor(pixels, image[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(feature).ravel().astype(np.float32))
    features = np.stack(rows)
    return (features - zero) * np.float32(scale) if scale else features  # 0 where it stayed float


def refit_logits(model: Any, flatbuffer: bytes, images: np.ndarray) -> Any:
    """A copy of `model` whose last layer answers for the int8 features.

    Args:
        model: from `zoo.build`; its `logits` layer is refitted.
        flatbuffer: the same model in int8.
        images: uint8 `[n, H, W, 3]`, a few thousand of the training split.
    """
    logits = model.predict(normalise(images), verbose=0)
    logits = logits[0] if isinstance(logits, list) else logits
    kernel, bias = model.get_layer("logits").get_weights()
    features = _int8_features(flatbuffer, images)
    penalty = PENALTY * len(features) * float(features.var(axis=0).mean())
    ridge = Ridge(alpha=penalty).fit(features, logits - (features @ kernel + bias))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.get_layer("logits").set_weights([kernel + ridge.coef_.T, bias + ridge.intercept_])
    return copy
