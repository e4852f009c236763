"""Put standard TFLite metadata and SkinEdge's card into a converted model.

The result loads unchanged in clients of the standard (MediaPipe Tasks, Android's Task library),
which read names, normalisation and label files, and in SkinEdge, which reads `skinedge.json`.
`metadata_schema_py_generated.py` is the generated reader and writer of that standard, from
MediaPipe (Apache-2.0); its package would bring a second OpenCV over ours.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from skinedge.model_file import CARD
from skinedge.train.evaluate import to_json
from skinedge.train.zoo.spec import PIXEL_SCALE, PIXEL_ZERO

from . import metadata_schema_py_generated as standard
from .quantize import HEADS

__all__ = ["LABEL_FILES", "package"]

LABEL_FILES = {"probabilities": "labels.txt", "attention": "attention_labels.txt"}
_METADATA_NAME = b"TFLITE_METADATA"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: the same inputs give the same bytes


def _label_file(head: str) -> Any:
    file = standard.AssociatedFileT()
    file.name = LABEL_FILES[head]
    file.description = f"one line per value of {head}, in order"
    file.type = standard.AssociatedFileType.TENSOR_AXIS_LABELS
    return file


def _pixels() -> Any:
    image = standard.ImagePropertiesT()
    image.colorSpace = standard.ColorSpaceType.RGB
    normalisation = standard.NormalizationOptionsT()
    normalisation.mean, normalisation.std = [float(PIXEL_ZERO)], [1 / PIXEL_SCALE]
    unit = standard.ProcessUnitT()
    unit.optionsType = standard.ProcessUnitOptions.NormalizationOptions
    unit.options = normalisation
    tensor = standard.TensorMetadataT()
    tensor.name, tensor.description = "image", "RGB pixels, the whole image resized"
    tensor.content = standard.ContentT()
    tensor.content.contentPropertiesType = standard.ContentProperties.ImageProperties
    tensor.content.contentProperties = image
    tensor.processUnits = [unit]
    tensor.stats = standard.StatsT()
    tensor.stats.min, tensor.stats.max = [0.0], [255.0]
    return tensor


def _head(name: str) -> Any:
    tensor = standard.TensorMetadataT()
    tensor.name = name
    tensor.description = {
        "probabilities": "probability of each diagnosis",
        "attention": "attention map, row-major, not negative",
    }[name]
    tensor.content = standard.ContentT()
    tensor.content.contentPropertiesType = standard.ContentProperties.FeatureProperties
    tensor.content.contentProperties = standard.FeaturePropertiesT()
    tensor.stats = standard.StatsT()
    tensor.stats.min, tensor.stats.max = [0.0], [1.0]
    tensor.associatedFiles = [_label_file(name)]
    return tensor


def _standard_metadata(card: dict[str, Any], heads: tuple[str, ...]) -> bytes:
    graph = standard.SubGraphMetadataT()
    graph.inputTensorMetadata = [_pixels()]
    graph.outputTensorMetadata = [_head(name) for name in heads]
    model = standard.ModelMetadataT()
    model.name, model.description = card["name"], card["description"]
    model.version, model.license = card["version"], card["licence"]
    model.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"M001")
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):
    """Writes equal vectors once.

    Every channel of every weight and bias carries a zero point of eight zero bytes, and TFLite
    insists that it does: 7 % of an EfficientNet-Lite2's file. The format lets tables share them.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 - the name it has there
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


def _ordered(graph: Any, signature: Any) -> tuple[str, ...]:
    """Put outputs into the order of HEADS, and give tensors the names people look for.

    The converter orders outputs as it likes; standard clients go by position.
    """
    where = {m.name.decode(): m.tensorIndex for m in signature.outputs}
    heads = tuple(name for name in HEADS if name in where)
    graph.outputs = [where[name] for name in heads]
    graph.tensors[graph.inputs[0]].name = b"pixels"
    for name in heads:
        graph.tensors[where[name]].name = name.encode()
    return heads


def _labels(card: dict[str, Any]) -> dict[str, str]:
    files = {"probabilities": [label["code"] for label in card["labels"]]}
    if card["attention"]:
        rows, columns = card["attention"]["height"], card["attention"]["width"]
        files["attention"] = [f"row {r} column {c}" for r in range(rows) for c in range(columns)]
    return {LABEL_FILES[head]: "\n".join(lines) + "\n" for head, lines in files.items()}


def package(flatbuffer: bytes, card: dict[str, Any]) -> bytes:
    """A converted model with its metadata, label files and card.

    Args:
        flatbuffer: from `quantize`; its signature names the heads.
        card: everything `skinedge.json` says but the flatbuffer's size and checksum.

    Returns:
        The bytes of a `.tflite`; the same arguments give the same bytes.
    """
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    heads = _ordered(model.subgraphs[0], model.signatureDefs[0])
    # Entries of the converter's own (a minimum runtime version) stay; clients ignore unknown ones.
    buffer = schema.BufferT()
    buffer.data = list(_standard_metadata(card, heads))
    entry = schema.MetadataT()
    entry.name, entry.buffer = _METADATA_NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = _SharingBuilder(len(flatbuffer))
    builder.Finish(model.Pack(builder), b"TFL3")
    packed = bytes(builder.Output())

    card = {
        **card,
        "flatbuffer_bytes": len(packed),
        "flatbuffer_crc32": zlib.crc32(packed),
    }
    files = {**_labels(card), CARD: to_json(card, indent=1)}
    whole = io.BytesIO()
    whole.write(packed)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return whole.getvalue()
