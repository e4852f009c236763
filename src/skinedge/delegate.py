"""Which operators of a loaded model the XNNPACK delegate runs, and which nobody takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """How LiteRT runs a model.

    Attributes:
        partitions: of the XNNPACK delegate; 1 is ideal.
        outside: `TYPE name of the tensor it writes`, of every operator that no partition took.
            In int8 files the last softmax is one, and the QUANTIZE between int8 and uint8.
    """

    partitions: int
    outside: tuple[str, ...]


def plan(interpreter: Any) -> Plan:
    """Which operators the delegate takes.

    The interpreter lists every operator, then the delegate's nodes with the tensors that go in
    and out. What must have run for the outputs and for those inputs, and no node writes, ran
    outside.

    Args:
        interpreter: LiteRT's, its tensors allocated.
    """
    operators = interpreter._get_ops_details()
    nodes = [operator for operator in operators if operator["op_name"] == "DELEGATE"]
    taken = {int(tensor) for node in nodes for tensor in node["outputs"]}
    writer = {
        int(tensor): operator
        for operator in operators
        if operator["op_name"] != "DELEGATE"
        for tensor in operator["outputs"]
    }
    names = {detail["index"]: detail["name"] for detail in interpreter.get_tensor_details()}
    wanted = [int(detail["index"]) for detail in interpreter.get_output_details()]
    wanted += [int(tensor) for node in nodes for tensor in node["inputs"]]
    outside: dict[int, str] = {}
    while wanted:
        tensor = wanted.pop()
        if tensor in taken or tensor not in writer:
            continue
        operator = writer[tensor]
        if operator["index"] not in outside:
            outside[operator["index"]] = f"{operator['op_name']} {names.get(tensor, '')}".strip()
            wanted += [int(source) for source in operator["inputs"]]
    return Plan(len(nodes), tuple(outside[index] for index in sorted(outside)))
