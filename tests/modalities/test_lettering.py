from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc.evaluation.canvas import Canvas
from aigc.modalities import image, lettering

READ = [
    "Straße",
    "Übergröße",
    "Łódź",
    "Việt Nam",
    "ζώα",
    "собака",
    "կատու",
    "კატა",
    "10 €",
    "a → b",
]


@pytest.mark.parametrize("text", READ)
def test_text_of_these_scripts_is_drawn_as_it_is(text: str) -> None:
    assert lettering.drawable(text) == text
    drawn = [lettering.font(text, 20).getmask(c) for c in text if not c.isspace()]
    assert all(mask.getbbox() for mask in drawn)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("猫", "<U+732B>"),
        ("cat 猫", "cat <U+732B>"),
        ("قط", "<U+0642><U+0637>"),
        ("חתול", "<U+05D7><U+05EA><U+05D5><U+05DC>"),
        ("แมว", "<U+0E41><U+0E21><U+0E27>"),
        ("\U0001f600", "<U+1F600>"),
        ("a\nb", "a<U+000A>b"),
        ("e\u0301", "é"),
    ],
)
def test_other_characters_are_written_as_code_points(text: str, written: str) -> None:
    assert lettering.drawable(text) == written


def test_labels_on_a_preview_differ_where_they_do() -> None:
    """Letters used to vanish: Собака and Кошка looked alike."""
    pixels = np.zeros((2, 16, 16, 1), np.uint8)
    sheets = {
        image.contact_sheet(pixels, 1, [name, "x"]) for name in ("Кошка", "Мышка", "猫", "犬")
    }
    assert len(sheets) == 4
    widths = {Image.open(io.BytesIO(sheet)).width for sheet in sheets}
    assert min(widths) > 64 + 16 + 20


def test_labels_on_a_report_differ_where_they_do() -> None:
    def page(text: str) -> tuple[float, bytes]:
        canvas = Canvas(300)
        return canvas.text(10, 20, text), canvas.png(40)

    pages = [page(text) for text in ("ζώα", "ζώο", "猫", "犬", "?")]
    assert len({png for _, png in pages}) == 5
    assert all(width > 5 for width, _ in pages)


def test_a_long_label_is_shortened_to_its_width() -> None:
    canvas = Canvas(300)
    shown = canvas.shorten("очень длинное название класса", 60, 12)
    assert shown.endswith("...")
    assert canvas.text(0, 0, shown, 12) <= 60
