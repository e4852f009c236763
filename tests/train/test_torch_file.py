"""PyTorch files of both formats, assembled here opcode by opcode, honest and hostile."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skinedge.errors import ModelFileError
from skinedge.train.zoo.torch_file import load_state_dict
from skinedge.train.zoo.weights import imagenet_file

MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Name:
    """A global that the pickle asks for."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """A function that the pickle calls, with its arguments."""

    function: Name
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Stored:
    """A reference to a storage by persistent id."""

    pid: Any


def opcodes(value: Any) -> bytes:
    match value:
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return opcodes(function) + opcodes(arguments) + b"R"
        case Stored(pid):
            return opcodes(pid) + b"Q"
        case tuple():
            return b"(" + b"".join(map(opcodes, value)) + b"t"
        case dict():
            items = (opcodes(key) + opcodes(item) for key, item in value.items())
            return opcodes(ORDERED_DICT) + b"(" + b"".join(items) + b"u"
        case _:
            return pickle.dumps(value, 2)[2:-1]


def pickled(value: Any) -> bytes:
    return b"\x80\x02" + opcodes(value) + b"."


ORDERED_DICT = Call(Name("collections", "OrderedDict"), ())
STORAGES = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long", "i4": "Int"}


def tensor(
    key: str,
    data: np.ndarray,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int = 0,
) -> Call:
    kind = Name("torch", STORAGES[data.dtype.str[1:]] + "Storage")
    storage = Stored(("storage", kind, key, "cpu", data.size, None))
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, (storage, offset, shape, strides, False, ORDERED_DICT))


def legacy_file(tree: Any, storages: dict[str, np.ndarray], /, **pickles: Any) -> bytes:
    """The bytes of a `.pth` of before PyTorch 1.6; `pickles` replaces any of the five."""
    parts = {
        "magic": MAGIC,
        "protocol": 1001,
        "platform": {"protocol_version": 1001, "little_endian": True},
        "tree": tree,
        "keys": list(storages),
        **pickles,
    }
    raw = (struct.pack("<q", s.size) + s.tobytes() for s in storages.values())
    return b"".join(map(pickled, parts.values())) + b"".join(raw)


def zip_file(
    path: Path,
    members: Mapping[str, bytes],
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """A `.pth` of PyTorch 1.6 or later, with these members under its one folder."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"archive/{name}", data)
    return path


def zip_tensor(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Call:
    """Of storage 0; its persistent id has no view."""
    storage = Stored(("storage", Name("torch", "FloatStorage"), "0", "cpu", 24))
    arguments = (storage, offset, shape, strides, False, ORDERED_DICT)
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments)


NUMBERS = np.arange(24, dtype="<f4")
PLAIN = tensor("0", NUMBERS, (24,), (1,))


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """Checks that a file with these bytes is refused in one line that names it."""

    def check(data: bytes, match: str) -> None:
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match=match) as caught:
            load_state_dict(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    return check


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((24,), (1,), 0),
        ((2, 3, 4), (12, 4, 1), 0),
        ((4, 3, 2), (1, 4, 12), 0),
        ((2, 3), (3, 1), 18),
        ((3, 2), (1, 3), 5),
        ((5,), (4,), 3),
        ((), (), 23),
        ((0, 3), (3, 1), 0),
    ],
)
def test_views_follow_shape_strides_and_offset(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(
        legacy_file({"w": tensor("0", NUMBERS, shape, strides, offset)}, {"0": NUMBERS})
    )
    expected = np.empty(shape, np.float32)
    for position in np.ndindex(*shape):
        expected[position] = NUMBERS[offset + np.dot(position, strides).astype(int)]
    loaded = load_state_dict(path)["w"]
    np.testing.assert_array_equal(loaded, expected, strict=True)
    assert loaded.flags.c_contiguous
    assert loaded.flags.owndata


@pytest.mark.parametrize("dtype", STORAGES)
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    data = np.array([-3, 0, 1, 100], f"<{dtype}")
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy_file({"w": tensor("0", data, (2, 2), (2, 1))}, {"0": data}))
    np.testing.assert_array_equal(load_state_dict(path)["w"], data.reshape(2, 2), strict=True)


def test_tensors_share_storages_and_keep_their_order(tmp_path: Path) -> None:
    counts = np.array([7, 8], "<i8")
    tree = {
        "z": tensor("a", NUMBERS, (2, 2), (2, 1), 20),
        "steps": tensor("b", counts, (), (), 1),
        "a": tensor("a", NUMBERS, (2, 2), (1, 2), 20),
        "epoch": 12,
    }
    path = tmp_path / "weights.pth"
    # Storages lie in the order of their own list, not in that of the tensors.
    path.write_bytes(legacy_file(tree, {"b": counts, "a": NUMBERS}))
    state = load_state_dict(path)
    assert list(state) == ["z", "steps", "a"]
    np.testing.assert_array_equal(state["z"], [[20, 21], [22, 23]])
    np.testing.assert_array_equal(state["a"], state["z"].T)
    assert state["steps"] == 8


@pytest.mark.parametrize("where", ["magic", "protocol", "platform", "tree", "keys"])
def test_a_file_that_runs_a_command_does_not(where: str, refused: Any, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    attack = Call(Name("os", "system"), (f"touch '{marker}'",))
    pickle.loads(pickled(attack))
    assert marker.exists(), "the attack would not work anywhere, so this test would show nothing"
    marker.unlink()
    refused(legacy_file({"w": PLAIN}, {"0": NUMBERS}, **{where: attack}), "os.system")
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        Name("builtins", "eval"),
        Name("builtins", "getattr"),
        Name("torch.nn", "Module"),
        Name("torch", "nn.Module"),
        Name("torch", "BFloat16Storage"),
        Name("torch.cuda", "FloatStorage"),
        Name("torch._utils", "_rebuild_tensor"),
        Name("torch._utils", "_rebuild_tensor_v2.__globals__"),
        Name("collections", "OrderedDict.__init__"),
        Name("collections", "Counter"),
        Name("skinedge.train.zoo.torch_file", "_read"),
    ],
    ids=lambda name: f"{name.module}.{name.name}",
)
def test_other_names_are_refused(name: Name, refused: Any) -> None:
    tree = {"w": PLAIN, "extra": name}
    refused(legacy_file(tree, {"0": NUMBERS}), f"{name.module}.{name.name} is not allowed")


FLOATS = Name("torch", "FloatStorage")


@pytest.mark.parametrize(
    "pid",
    [
        "0",
        ("module", FLOATS, "0", "cpu", 24, None),
        ("storage", "FloatStorage", "0", "cpu", 24, None),
        ("storage", FLOATS, "0", "cpu", 24, ("view", 0, 24)),
        ("storage", FLOATS, "0", "cpu"),
    ],
)
def test_other_persistent_ids_are_refused(pid: Any, refused: Any) -> None:
    tree = {"w": PLAIN, "extra": Stored(pid)}
    refused(legacy_file(tree, {"0": NUMBERS}), "unexpected persistent id")


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((25,), (1,), 0),
        ((24,), (1,), 1),
        ((2, 3, 4), (13, 4, 1), 0),
        ((), (), 24),
        ((3,), (-1,), 2),
        ((24,), (1,), -1),
        ((-1,), (1,), 0),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, refused: Any
) -> None:
    tree = {"w": tensor("0", NUMBERS, shape, strides, offset)}
    refused(legacy_file(tree, {"0": NUMBERS}), "outside its storage")


def test_strides_of_zero_make_no_bomb(refused: Any) -> None:
    tree = {"w": tensor("0", NUMBERS, (1 << 45, 24), (0, 1))}
    refused(legacy_file(tree, {"0": NUMBERS}), "larger than its storage")


@pytest.mark.parametrize("numel", [25, 1 << 40, (1 << 63) - 1, -1])
def test_a_storage_longer_than_the_file_is_refused(numel: int, refused: Any) -> None:
    data = legacy_file({"w": PLAIN}, {"0": NUMBERS})
    start = len(data) - NUMBERS.nbytes - 8
    refused(data[:start] + struct.pack("<q", numel) + data[start + 8 :], "ends inside a tensor")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = legacy_file({"w": PLAIN}, {"0": NUMBERS})
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    assert load_state_dict(path)["w"].size == 24
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            load_state_dict(path)


@pytest.mark.parametrize(
    ("pickles", "match"),
    [
        ({"magic": 1}, "magic number"),
        ({"tree": [1, 2]}, "cannot read these weights"),
        ({"keys": ["1"]}, "cannot read these weights"),
        ({"keys": []}, "cannot read these weights"),
        ({"tree": {"w": Call(Name("torch._utils", "_rebuild_tensor_v2"), ())}}, "cannot read"),
    ],
)
def test_a_file_that_is_no_state_dict_is_refused(
    pickles: dict[str, Any], match: str, refused: Any
) -> None:
    refused(legacy_file({"w": PLAIN}, {"0": NUMBERS}, **pickles), match)


ZIPPED = {
    "data.pkl": pickled({"w": zip_tensor((2, 3), (3, 1), 18)}),
    "byteorder": b"little",
    "data/0": NUMBERS.tobytes(),
    "version": b"3\n",
}


def test_a_zip_is_read(tmp_path: Path) -> None:
    path = zip_file(tmp_path / "new.pth", ZIPPED)
    np.testing.assert_array_equal(load_state_dict(path)["w"], NUMBERS[18:].reshape(2, 3))
    (tmp_path / "cut.pth").write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelFileError, match=r"cut\.pth: not a PyTorch weight file"):
        load_state_dict(tmp_path / "cut.pth")


def test_parameters_are_tensors(tmp_path: Path) -> None:
    """As torchvision's files have them: a state dict of parameters, saved again."""
    rebuild = Name("torch._utils", "_rebuild_parameter")
    (tmp_path / "old.pth").write_bytes(
        legacy_file({"w": Call(rebuild, (PLAIN, True, ORDERED_DICT))}, {"0": NUMBERS})
    )
    tree = {"w": Call(rebuild, (zip_tensor((24,), (1,)), True, ORDERED_DICT))}
    zip_file(tmp_path / "new.pth", {**ZIPPED, "data.pkl": pickled(tree)})
    for name in ("old.pth", "new.pth"):
        np.testing.assert_array_equal(load_state_dict(tmp_path / name)["w"], NUMBERS)


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ({"byteorder": b"big"}, "big-endian"),
        ({"data/0": b"123"}, "cannot read these weights"),
        ({"data/0": b""}, "outside its storage"),
        (
            {"data.pkl": pickled({"w": zip_tensor((1 << 45, 24), (0, 1))})},
            "larger than its storage",
        ),
        ({"data.pkl": pickled(Call(Name("os", "system"), ("true",)))}, "os.system is not allowed"),
        ({"data.pkl": b""}, "cannot read these weights"),
        ({"data.pkl": pickled([1])}, "cannot read these weights"),
    ],
)
def test_other_zips_are_refused(members: dict[str, bytes], match: str, tmp_path: Path) -> None:
    path = zip_file(tmp_path / "new.pth", {**ZIPPED, **members})
    with pytest.raises(ModelFileError, match=match) as caught:
        load_state_dict(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("gone", ["data.pkl", "data/0"])
def test_a_zip_without_a_member_is_refused(gone: str, tmp_path: Path) -> None:
    members = {name: data for name, data in ZIPPED.items() if name != gone}
    with pytest.raises(ModelFileError, match=r"new\.pth: cannot read these weights"):
        load_state_dict(zip_file(tmp_path / "new.pth", members))


def test_many_names_for_one_storage_are_refused(tmp_path: Path) -> None:
    tree = {f"w{number}": zip_tensor((24,), (1,)) for number in range(3)}
    members = {**ZIPPED, "data.pkl": pickled(tree)}
    with pytest.raises(ModelFileError, match="larger than its storages"):
        load_state_dict(zip_file(tmp_path / "new.pth", members))
    del tree["w2"]  # two are tied weights
    members = {**ZIPPED, "data.pkl": pickled(tree)}
    assert len(load_state_dict(zip_file(tmp_path / "tied.pth", members))) == 2


def test_a_compressed_zip_is_refused(tmp_path: Path) -> None:
    path = zip_file(tmp_path / "new.pth", ZIPPED, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="members are compressed"):
        load_state_dict(path)


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x89PNG\r\n\x1a\n", b"{}", b"\0" * 100])
def test_other_files_are_refused(data: bytes, refused: Any) -> None:
    refused(data, "weights")


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(ModelFileError, match=str(path)):
            load_state_dict(path)


def test_real_imagenet_file() -> None:
    state = load_state_dict(imagenet_file("efficientnet-lite0"))
    # 49 convolutions, each with a batch norm of five tensors, and the classifier's two.
    assert len(state) == 49 * 6 + 2
    shapes = {
        "_conv_stem.weight": (32, 3, 3, 3),
        "_blocks.0._depthwise_conv.weight": (32, 1, 3, 3),
        "_blocks.15._project_conv.weight": (320, 1152, 1, 1),
        "_conv_head.weight": (1280, 320, 1, 1),
        "_bn1.running_var": (1280,),
        "_bn1.num_batches_tracked": (),
        "_fc.weight": (1000, 1280),
        "_fc.bias": (1000,),
    }
    assert {name: state[name].shape for name in shapes} == shapes
    for name, array in state.items():
        counts = name.endswith("num_batches_tracked")
        assert array.dtype == (np.int64 if counts else np.float32)
        assert np.isfinite(array).all()
