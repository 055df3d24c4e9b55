"""The pictures in figures/ and their manifest belong together, and the README shows only what is listed."""

import json
import re

from sedlib.lesson.figures import FIGURES


def test_manifest_lists_every_picture_with_its_description():
    manifest = json.loads((FIGURES / "manifest.json").read_text(encoding="utf-8"))
    assert {entry["file"] for entry in manifest} == {path.name for path in FIGURES.glob("*.png")}
    for entry in manifest:
        assert {"lesson", "profile", "data", "seed", "alt"} <= set(entry) and len(entry["alt"]) > 40


def test_readme_shows_only_listed_pictures_with_alt_text():
    readme = (FIGURES.parent / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[([^\]]*)\]\(figures/([^)]+)\)", readme)
    assert shown and all(alt and (FIGURES / file).exists() for alt, file in shown)
