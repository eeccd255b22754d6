from __future__ import annotations

from pathlib import Path

import pytest
from browser import dumped_page

from asr.scoring import Pair, Utterance, compare_pairs, score_texts
from asr.scoring.page import write_comparison_page, write_score_page

REFERENCES = {f"u{n}": f"word{n} <i>is</i> said & </script> done" for n in range(60)}
HEARD = {key: text.replace("said", "sad") for key, text in REFERENCES.items()}
# Makes the page report what it holds in its title, so that one call of the browser answers
# everything.
PROBE = """<script>document.title = [document.querySelectorAll("article").length,
document.documentElement.scrollWidth <= document.documentElement.clientWidth].join(" ");</script>"""


def opened(page: Path, width: int) -> tuple[str, str]:
    """Title that the probe wrote and console messages, from headless Chromium without network."""
    page.write_text(
        page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8"
    )
    return dumped_page(page, page.parent / "profile", f"--window-size={width},800")


@pytest.mark.parametrize("width", [500, 1200])
def test_score_page_in_a_browser(tmp_path: Path, width: int) -> None:
    write_score_page(score_texts(REFERENCES, HEARD), tmp_path / "page.html", title="<b>&</b>")
    assert opened(tmp_path / "page.html", width) == ("50 true", "")


def test_comparison_page_in_a_browser(tmp_path: Path) -> None:
    a = [Pair(Utterance(key, text), HEARD[key]) for key, text in REFERENCES.items()]
    b = [Pair(Utterance(key, text), text) for key, text in REFERENCES.items()]
    write_comparison_page(compare_pairs(a, b), ("one", "two"), tmp_path / "page.html")
    assert opened(tmp_path / "page.html", 500) == ("50 true", "")


def test_text_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    write_score_page(
        score_texts(REFERENCES, HEARD), tmp_path / "page.html", title="</title><script>"
    )
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("</script>") == 2
    assert "</title><script>" not in text


def test_percent_signs_in_texts_stay(tmp_path: Path) -> None:
    write_score_page(
        score_texts(["%DATA% %TITLE%"], ["x"]), tmp_path / "page.html", title="50 %DATA%"
    )
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>50 %DATA%</title>" in text
    assert '"%DATA%"' in text
    assert '"%TITLE%"' in text
