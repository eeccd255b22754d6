from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.cli.lm import app
from asr.errors import LanguageModelError

TEXT = str(Path(__file__).parent / "golden" / "text.txt")


def run(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout


def test_build_prune_interpolate_perplexity(tmp_path: Path) -> None:
    a, b, c, d = (tmp_path / f"{name}.arpa" for name in "abcd")
    assert run("build", TEXT, "--order", 4, "-o", a) == ""
    run("build", TEXT, "--prune", "0 0 1", "-o", b)
    run("prune", a, "--max-ngrams", 50, "-o", c)
    run("interpolate", a, b, "--heldout", TEXT, "-o", d)
    run("interpolate", a, b, "--weights", "0.5 0.5", "-o", tmp_path / "e.arpa.gz")
    results = [json.loads(run("perplexity", path, TEXT, "--json")) for path in (a, b, c, d)]
    assert all(result["words"] == 47 for result in results)
    assert results[0]["with_oov"] < results[2]["with_oov"]
    assert run("perplexity", tmp_path / "e.arpa.gz", TEXT).startswith("perplexity with OOV\t")


def test_wrong_use(tmp_path: Path) -> None:
    out = tmp_path / "a.arpa"
    run("build", TEXT, status=2)
    run("build", TEXT, "--prune", "zero", "-o", out, status=2)
    run("build", TEXT, "--discount-fallback", "1 2", "-o", out, status=2)
    with pytest.raises(LanguageModelError, match="discounts"):
        run("build", TEXT, "--discount-fallback", "none", "-o", out)
    with pytest.raises(LanguageModelError, match="either --weights or --heldout"):
        run("interpolate", out, out, "-o", out)
    with pytest.raises(LanguageModelError, match="Cannot read"):
        run("perplexity", out, TEXT)
