"""Page, Markdown, tables and figures of a benchmark: whole, escaped, the same figures in each."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from skinedge import DISCLAIMER
from skinedge.benchmarks import plots, tables
from skinedge.benchmarks.markdown import markdown
from skinedge.benchmarks.page import page
from skinedge.benchmarks.results import (
    Accuracy,
    Change,
    Latency,
    Machine,
    Operator,
    Report,
    Roof,
    Saving,
    Size,
    Spread,
    Subject,
)
from skinedge.benchmarks.words import count, faster, fewer, figure, megabytes, plain

MACHINE = Machine(
    processor="Cortex-A76",
    board="Raspberry Pi 5 Model B",
    architecture="aarch64",
    cores=4,
    memory=8_000_000_000,
    system="Linux 6.6",
    python="3.11.2",
    packages={"ai-edge-litert": "2.1.0"},
    temperature=(41.0, 58.5),
    throttled=False,
    load=0.05,
)


def spread(median: float) -> Spread:
    return Spread(median, 0.97 * median, 1.08 * median, 200)


def timed(one: float, four: float) -> tuple[Latency, ...]:
    return tuple(
        Latency(n, spread(ms), spread(1.2), spread(0.05), spread(ms + 1.25), 1000 / ms)
        for n, ms in ((1, one), (4, four))
    )


def accuracy(balanced: float, recorded: bool) -> Accuracy:
    return Accuracy(
        recorded,
        "HAM10000",
        "test",
        1121,
        {"balanced_accuracy": balanced, "macro_auroc": 0.9706, "melanoma_auroc": None},
        {} if recorded else {"balanced_accuracy": (balanced - 0.03, balanced + 0.03)},
    )


INT8 = Subject(
    "edge int8",
    "edge.tflite",
    "LiteRT 2.1.0",
    "cpu",
    "int8",
    "trained",
    "model",
    224,
    Size(3_870_000, 3_410_000, 385_000_000, 1, {}, 1_200_000, 61_500_000, spread(210)),
    timed(21.3, 8.4),
    accuracy=accuracy(0.7736, True),
)
FLOAT = replace(
    INT8,
    name="edge float32",
    source="edge-float32.tflite",
    precision="float32",
    size=Size(
        13_640_000, 3_410_000, 385_000_000, 3, {"CUMSUM": 2}, 4_800_000, 88_200_000, spread(260)
    ),
    latency=timed(58.0, 19.6),
    accuracy=accuracy(0.7751, False),
)
KERAS = replace(
    FLOAT,
    name="Keras",
    source="runs/edge",
    runtime="Keras 3.12, TensorFlow 2.21",
    role="baseline",
    size=Size(14_100_000, 3_410_000, 385_000_000, peak_memory=820_000_000),
    latency=(Latency(4, spread(66.0), throughput=15.1),),
    batches={"1": 15.1, "32": 61.0},
    compile=2350.0,
)
PUBLISHED = Subject(
    "soft-attention-irv2",
    "recipe soft-attention-irv2",
    "LiteRT 2.1.0",
    "cpu",
    "float32",
    "random",
    "published",
    299,
    Size(218_000_000, 54_500_000, 13_200_000_000, 1),
    timed(1840.0, 560.0),
    # A careless writer's: to be shown nowhere.
    accuracy=accuracy(0.1234, False),
)
PEER = Subject(
    "ONNX Runtime",
    "edge.onnx",
    "ONNX Runtime 1.20",
    "cpu",
    "int8",
    "trained",
    "peer",
    224,
    Size(3_900_000),
    differs=0.31,
    refused="its probabilities differ by 0.31",
)
PAPER = Subject(
    "a winner, as published",
    "arXiv 2010.05351",
    "",
    "",
    "float32",
    "random",
    "published",
    0,
    Size(3_200_000_000, 801_000_000),
)
LAYERS = (
    ("CONV_2D", 10_838_016, 560_000, 1.21),
    ("DEPTHWISE_CONV_2D", 3_612_672, 803_000, 1.9),
    ("CONV_2D", 51_380_224, 900_000, 2.6),
    ("ADD", 0, 150_000, 0.09),
    *(("CONV_2D", 15_000_000 - 900_000 * n, 160_000 + 40_000 * n, 0.8) for n in range(9)),
    ("FULLY_CONNECTED", 8_960, 9_300, 0.01),
)
OPERATORS = tuple(
    Operator(f"net/b{n}/{kind.lower()};fused", kind, macs, size, ms, max(macs / 33e6, size / 9.5e6))
    for n, (kind, macs, size, ms) in enumerate(LAYERS)
)
REPORT = Report(
    complete=True,
    command="skinedge benchmark edge.tflite --against 'runs/edge' | tee log",
    started="2026-07-01T10:00:00+00:00",
    seconds=311.2,
    seed=7,
    machine=MACHINE,
    subjects=(INT8, FLOAT, KERAS, PEER, PUBLISHED, PAPER),
    changes=(
        Change(
            "edge int8",
            "edge float32",
            1121,
            {
                "balanced_accuracy": (-0.0015, -0.0101, 0.0072),
                "macro_auroc": (-0.0003, -0.001, 0.0005),
            },
            0.41,
            9,
            12,
            0.981,
            0.996,
            0.95,
        ),
    ),
    savings=(
        Saving("edge int8", "edge float32", {"1": 0.367, "4": 0.43}, 0.284, 1.0, 1.0, 0.7),
        Saving("edge int8", "Keras", {"4": 0.127}, 0.274, 1.0, 1.0, 0.075),
        Saving(
            "edge int8", "soft-attention-irv2", {"1": 0.0116, "4": 0.015}, 0.01775, 0.0626, 0.029
        ),
    ),
    roofs=(Roof("edge int8", "int8", 33e9, 9.5e9, OPERATORS, 0.61),),
    notes=("ONNX Runtime was left out | see above.",),
)
BARE = replace(
    REPORT,
    complete=False,
    machine=Machine("", "", "aarch64", 4, None, "Linux", "3.11.2", {}),
    subjects=(replace(INT8, size=Size(3_870_000), latency=(), accuracy=None),),
    changes=(replace(REPORT.changes[0], attention_correlation=None, attention_overlap=None),),
    savings=(Saving("edge int8", "nothing timed"),),
    roofs=(Roof("edge int8", "int8", 33e9, 9.5e9, tuple(replace(o, ms=None) for o in OPERATORS)),),
    notes=(),
)
EMPTY = replace(BARE, subjects=(), changes=(), savings=(), roofs=())
REPORTS = (REPORT, BARE, EMPTY)


class Page(HTMLParser):
    """Text, embedded pictures and addresses of a page; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.pictures, self.addresses, self.open = [], [], [], []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("img", "meta", "link"):
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href") and value:
                (self.pictures if value.startswith("data:") else self.addresses).append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    return plots.figures(REPORT)


@pytest.mark.parametrize("report", REPORTS)
def test_a_page_is_whole_and_needs_no_other_file(report: Report) -> None:
    figures = plots.figures(report)
    html = page(report, figures)
    parsed = Page(html)
    assert len(parsed.pictures) == len(figures)
    assert all(picture.startswith("data:image/png;base64,") for picture in parsed.pictures)
    anchors = {attributes.get("id") for _, attributes in parsed.tags}
    assert {address.removeprefix("#") for address in parsed.addresses} <= anchors
    assert "url(" not in html
    assert "@import" not in html
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert parsed.text.count(DISCLAIMER) == 1
    assert ("The run was not finished" in html) is not report.complete


def test_a_page_can_be_heard(images: dict[str, bytes]) -> None:
    tags = Page(page(REPORT, images)).tags
    named = [tag for tag, _ in tags]
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    assert named.count("caption") == named.count("table") == len(tables.tables(REPORT))


def test_every_subject_is_shown_and_random_weights_have_no_accuracy(
    images: dict[str, bytes],
) -> None:
    for shown in (page(REPORT, images), markdown(REPORT), tables.text(REPORT)):
        assert all(subject.name in shown for subject in REPORT.subjects)
        assert "0.774" in shown
        assert "recorded in the file" in shown
        assert "0.1234" not in shown
        assert "0.123" not in shown
    table = tables.accuracy(REPORT)
    assert table
    assert [row[0] for row in table.rows] == ["edge int8", "edge float32", "Keras"]
    # What nobody has measured has no column.
    assert "melanoma AUROC" not in table.header


def test_a_name_is_text() -> None:
    evil = "<script>alert('x')</script> | $\\frac{ `*_"
    subjects = (replace(INT8, name=evil), *REPORT.subjects[1:])
    report = replace(
        REPORT,
        subjects=subjects,
        command=evil,
        notes=(evil,),
        savings=(replace(REPORT.savings[0], model=evil),),
        roofs=(replace(REPORT.roofs[0], model=evil),),
    )
    parsed = Page(page(report, plots.figures(report)))
    assert evil in parsed.text
    assert "script" not in {tag for tag, _ in parsed.tags}
    outside_code = re.sub(r"`+.*?`+", "", markdown(replace(report, command="")))
    assert "<script>" not in outside_code
    _same_columns(markdown(report))


def _same_columns(text: str) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    for block in blocks:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(columns) == 1, block


@pytest.mark.parametrize("report", REPORTS)
def test_markdown_tables_have_the_same_columns_in_every_line(report: Report) -> None:
    text = markdown(report)
    _same_columns(text)
    assert text.count(DISCLAIMER) == 1
    assert ("The run was not finished" in text) is not report.complete


def test_markdown_says_where_it_comes_from_first_and_the_notes_last() -> None:
    lines = markdown(REPORT).splitlines()
    for line, what in zip(lines[2:6], ("machine", "date", "command", "seed"), strict=True):
        assert line.startswith(f"- {what}: ")
    assert lines[-1].startswith("- ONNX Runtime was left out")


@pytest.mark.parametrize("name", ["pareto", "threads", "waterfall", "roofline"])
def test_figures_are_pictures(name: str, images: dict[str, bytes]) -> None:
    picture = cv2.imdecode(np.frombuffer(images[name], np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    assert 700 < width < 2000
    assert 250 < height < 2000
    assert picture.std() > 10


def test_nothing_to_draw_is_no_figure() -> None:
    assert plots.figures(EMPTY) == {}
    assert set(plots.figures(BARE)) == {"roofline"}
    assert plots.waterfall(replace(REPORT, subjects=(INT8,))) is None
    refused = tuple(replace(s, refused="too hot") for s in REPORT.subjects)
    assert plots.threads(replace(REPORT, subjects=refused)) is None


def test_ratios_are_of_the_first_model_at_the_same_threads() -> None:
    table = tables.latency(REPORT)
    assert table
    assert table.header[-1] == "inference, edge int8 = 1"
    ratio = {(row[0], row[3]): row[-1] for row in table.rows}
    assert ratio["edge int8", "1"] == ratio["edge int8", "4"] == "1.00"
    assert ratio["edge float32", "1"] == "2.72"
    assert ratio["Keras", "4"] == "7.86"
    assert ratio["ONNX Runtime", "–"] == "–"
    assert "ONNX Runtime is not compared: its probabilities differ by 0.31." in table.notes


def test_the_best_batch_is_named() -> None:
    table = tables.batches(REPORT)
    assert table
    assert "Keras: most images a second at batch 32." in table.notes


def test_the_slowest_operators_come_first() -> None:
    (table,) = tables.roofline(REPORT)
    assert [row[1] for row in table.rows[:3]] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]
    assert table.rows[0][0] == "net/b2/conv_2d"
    assert "4 more operators left out" in table.notes[-1]


def test_words() -> None:
    assert [figure(v) for v in (0.0123, 1.234, 12.34, 1234.5, None, float("nan"))] == [
        "0.012",
        "1.23",
        "12.3",
        "1,234",
        "–",
        "–",
    ]
    assert [megabytes(v) for v in (3_870_000, 218e6, 1_234)] == ["3.87 MB", "218 MB", "1.23 kB"]
    assert [count(v) for v in (512, 25_000, 3_410_000, 13.2e9)] == [
        "512",
        "25.0 k",
        "3.41 M",
        "13.2 G",
    ]
    assert [faster(v) for v in (0.125, 1.0, 1.5)] == [
        "8.0 times faster",
        "as fast",
        "1.50 times slower",
    ]
    assert fewer(0.28, "bytes") == "72 % fewer bytes"
    assert fewer(0.0001, "bytes") == "99.99 % fewer bytes"
    assert fewer(1.5, "bytes") == "50 % more bytes"
    assert fewer(1.0, "memory", "less") == "as much memory"


def test_terminal_columns_are_aligned() -> None:
    table = tables.size(REPORT)
    assert table
    _, _, *lines = plain(table).splitlines()
    rows = lines[: len(table.rows) + 1]
    ends = [
        line.index(cell) + len(cell)
        for line, cell in zip(rows[:2], ("file", "3.87 MB"), strict=True)
    ]
    assert len(set(ends)) == 1
