"""Pieces of HTML that look right in JupyterLab and in the report: a table, an embedded image."""

from __future__ import annotations

import base64
import html
import re

import pandas as pd
from IPython.display import HTML

NAME_PARTS = re.compile(r"(?<=[a-z])([._])(?=[a-z])")  # where a line may break within training.label_frames


class Shown(HTML):
    """HTML for the notebook with a text for readers without it (a terminal, a search, a diff)."""

    data: str

    def __init__(self, data: str, text: str) -> None:
        super().__init__(data)
        self.text = text

    def __repr__(self) -> str:
        return self.text


def table(frame: pd.DataFrame, caption: str) -> Shown:
    """Return a data frame as a table with a caption and column headers that a screen reader can use; no index.

    Numbers are shown as they are in the frame: format them before. Missing values stay empty.
    """

    def cells(values, tag: str) -> str:
        texts = ["" if pd.isna(value) else html.escape(str(value)) for value in values]
        name = tag.split()[0]
        texts = [NAME_PARTS.sub(r"\1<wbr>", text) for text in texts]  # so that a wide table fits the page
        return "".join(f'<{tag} style="text-align:left;vertical-align:top">{text}</{name}>' for text in texts)

    head = cells(frame.columns, 'th scope="col"')
    rows = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in frame.itertuples(index=False))
    return Shown(
        f'<table><caption style="text-align:left">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>",
        f"{caption}\n{frame.to_string(index=False, na_rep='')}",
    )


def image(png: bytes, alt: str, width: int) -> Shown:
    """Return a PNG inside the page, ``width`` CSS pixels wide or as wide as the page, with its description."""
    data = base64.b64encode(png).decode("ascii")
    return Shown(
        f'<img alt="{html.escape(alt)}" width="{width}" style="max-width:100%;height:auto" '
        f'src="data:image/png;base64,{data}">',
        f"[figure: {alt}]",
    )
