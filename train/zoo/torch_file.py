"""Read a PyTorch checkpoint without PyTorch and without trust.

A file of before PyTorch 1.6 is five pickles (magic number, protocol, platform, the object, the
storage keys) followed by the raw storages; a newer one is a zip of one pickle and a member for
each storage, none compressed. A stock unpickler would run whatever the file asks for; this one
admits exactly four kinds of name and refuses everything else.

>>> load_state_dict("lite0.pth")["_conv_stem.weight"].shape  # doctest: +SKIP
(32, 3, 3, 3)
"""

from __future__ import annotations

import io
import math
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skinedge.errors import ModelFileError

__all__ = ["load_state_dict"]

_MAGIC = 0x1950A86A20F9469CFC6C
_ZIP_MAGIC = b"PK\x03\x04"
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


def _rebuild_parameter(tensor: _Tensor, *_: object) -> _Tensor:
    return tensor


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor_v2
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if module == "torch" and name in _STORAGE_DTYPES:
            return _StorageType(_STORAGE_DTYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weight file")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", _StorageType(dtype), str(key), _, int(numel), None):
                return _Storage(key, dtype, numel)
            case ("storage", _StorageType(dtype), str(key), _, int(numel)):  # in a zip
                return _Storage(key, dtype, numel)
        raise pickle.UnpicklingError(f"unexpected persistent id {pid!r}")


def _tensors(tree: Any) -> tuple[dict[str, _Tensor], dict[str, np.dtype[Any]]]:
    """The tensors by name, and the type of each storage by its key."""
    tensors = {name: value for name, value in tree.items() if isinstance(value, _Tensor)}
    return tensors, {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}


def _arrays(
    tensors: dict[str, _Tensor], storages: dict[str, np.ndarray]
) -> OrderedDict[str, np.ndarray]:
    # Twice, for weights that are tied; a thousand names for one storage would be a bomb.
    left = 2 * sum(storage.size for storage in storages.values())
    arrays = OrderedDict()
    for name, tensor in tensors.items():
        arrays[name] = tensor.array(storages)
        left -= arrays[name].size
        if left < 0:
            raise pickle.UnpicklingError("its tensors are larger than its storages")
    return arrays


def _read_zip(file: BinaryIO) -> OrderedDict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        # Either could be a bomb.
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise pickle.UnpicklingError("its members are compressed")
        if sum(member.file_size for member in archive.infolist()) > os.fstat(file.fileno()).st_size:
            raise pickle.UnpicklingError("its members overlap")
        root = names[0].split("/")[0]
        if f"{root}/byteorder" in names and archive.read(f"{root}/byteorder") != b"little":
            raise pickle.UnpicklingError("its numbers are big-endian")
        tree = _RestrictedUnpickler(io.BytesIO(archive.read(f"{root}/data.pkl"))).load()
        tensors, dtypes = _tensors(tree)
        storages = {
            key: np.frombuffer(archive.read(f"{root}/data/{key}"), dtype)
            for key, dtype in dtypes.items()
        }
    return _arrays(tensors, storages)


def _read(file: BinaryIO) -> OrderedDict[str, np.ndarray]:
    if file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
        return _read_zip(file)
    file.seek(0)
    magic, _protocol, _platform, tree, keys = (_RestrictedUnpickler(file).load() for _ in range(5))
    if magic != _MAGIC:
        raise pickle.UnpicklingError("the magic number is wrong")
    tensors, dtypes = _tensors(tree)
    size = os.fstat(file.fileno()).st_size
    storages: dict[str, np.ndarray] = {}
    for key in keys:
        (numel,) = struct.unpack("<q", file.read(8))
        dtype = dtypes[key]
        if not 0 <= numel * dtype.itemsize <= size - file.tell():
            raise EOFError("the file ends inside a tensor")
        data = file.read(numel * dtype.itemsize)
        storages[key] = np.frombuffer(data, dtype)
    return _arrays(tensors, storages)


def load_state_dict(path: str | Path) -> OrderedDict[str, np.ndarray]:
    """Read name -> array from a `.pth` state dict.

    Arrays keep PyTorch's axis order (convolutions are `[out, in, kh, kw]`) and are contiguous
    copies, whatever strides the file used.

    Raises:
        ModelFileError: the file is missing, truncated, of another format, or names anything
            beyond OrderedDict, _rebuild_tensor_v2, _rebuild_parameter and the storage types.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: cannot read these weights: {error}") from error
    except (
        pickle.UnpicklingError,
        struct.error,
        zipfile.BadZipFile,
        IndexError,
        OverflowError,
        MemoryError,
        RuntimeError,  # an encrypted member
    ) as error:
        raise ModelFileError(f"{path}: not a PyTorch weight file: {error}") from error
