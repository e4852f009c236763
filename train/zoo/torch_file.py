"""Read a PyTorch checkpoint of the pre-1.6 (non-zip) format without PyTorch and without trust.

Such a file is five pickles (magic number, protocol, platform, the object, the storage keys)
followed by the raw storages. A stock unpickler would run whatever the file asks for; this one
admits exactly three kinds of name and refuses everything else.

>>> load_state_dict("lite0.pth")["_conv_stem.weight"].shape  # doctest: +SKIP
(32, 3, 3, 3)
"""

from __future__ import annotations

import math
import os
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skinedge.errors import ModelFileError

__all__ = ["load_state_dict"]

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGE_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


@dataclass(frozen=True)
class _StorageType:
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    numel: int


@dataclass(frozen=True)
class _Tensor:
    """A strided view into a storage whose bytes come later in the file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        data = storages[self.storage.key]
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if min((self.offset, *self.shape, *self.strides)) < 0 or last >= data.size:
            raise pickle.UnpicklingError("a tensor reaches outside its storage")
        if math.prod(self.shape) > data.size:  # strides of 0 would make a bomb of a small file
            raise pickle.UnpicklingError("a tensor is larger than its storage")
        view = np.lib.stride_tricks.as_strided(
            data[self.offset :], self.shape, [s * data.itemsize for s in self.strides]
        )
        return view.copy()


def _rebuild_tensor_v2(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, tuple(size), tuple(stride))


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor_v2
        if module == "torch" and name in _STORAGE_DTYPES:
            return _StorageType(_STORAGE_DTYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weight file")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", _StorageType(dtype), str(key), _, int(numel), None):
                return _Storage(key, dtype, numel)
        raise pickle.UnpicklingError(f"unexpected persistent id {pid!r}")


def _read(file: BinaryIO) -> OrderedDict[str, np.ndarray]:
    magic, _protocol, _platform, tree, keys = (_RestrictedUnpickler(file).load() for _ in range(5))
    if magic != _MAGIC:
        raise pickle.UnpicklingError("the magic number is wrong")
    tensors = {name: value for name, value in tree.items() if isinstance(value, _Tensor)}
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    size = os.fstat(file.fileno()).st_size
    storages: dict[str, np.ndarray] = {}
    for key in keys:
        (numel,) = struct.unpack("<q", file.read(8))
        dtype = dtypes[key]
        if not 0 <= numel * dtype.itemsize <= size - file.tell():
            raise EOFError("the file ends inside a tensor")
        data = file.read(numel * dtype.itemsize)
        storages[key] = np.frombuffer(data, dtype)
    return OrderedDict((name, tensor.array(storages)) for name, tensor in tensors.items())


def load_state_dict(path: str | Path) -> OrderedDict[str, np.ndarray]:
    """Read name -> array from a legacy `.pth` state dict.

    Arrays keep PyTorch's axis order (convolutions are `[out, in, kh, kw]`) and are contiguous
    copies, whatever strides the file used.

    Raises:
        ModelFileError: the file is missing, truncated, of another format, or names anything
            beyond OrderedDict, _rebuild_tensor_v2 and the storage types.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: cannot read these weights: {error}") from error
    except (pickle.UnpicklingError, struct.error, IndexError, OverflowError, MemoryError) as error:
        raise ModelFileError(f"{path}: not a legacy PyTorch weight file: {error}") from error
