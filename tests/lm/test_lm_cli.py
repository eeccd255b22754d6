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


def test_compact_models_are_written_and_read_by_every_verb(tmp_path: Path) -> None:
    arpa, built, small, mixed, back = (
        tmp_path / name for name in ("a.arpa", "b.lmz", "c.lmz", "d.lmz", "e.arpa.gz")
    )
    run("build", TEXT, "--order", 4, "-o", arpa)
    run("build", TEXT, "--order", 4, "--memory", "16GB", "-o", built)
    run("prune", built, "--max-ngrams", 50, "--contexts", TEXT, "-o", small)
    run("interpolate", arpa, built, "--weights", "0.5 0.5", "-o", mixed)
    run("convert", built, "-o", back)
    run("convert", back, "-o", tmp_path / "f.lmz", "--step", 0.2)
    run("compile", small, "-o", tmp_path / "lm.bin")
    assert {path.read_bytes()[:7] for path in tmp_path.glob("*.lmz")} == {b"asr-ngr"}
    found = {
        path.name: json.loads(run("perplexity", path, TEXT, "--json"))["with_oov"]
        for path in (arpa, built, small, mixed, back)
    }
    assert found["b.lmz"] == pytest.approx(found["a.arpa"], rel=0.01)
    assert found["d.lmz"] == pytest.approx(found["a.arpa"], rel=0.01)
    assert found["e.arpa.gz"] == pytest.approx(found["b.lmz"], rel=1e-5)
    assert found["c.lmz"] > found["a.arpa"]
    assert (tmp_path / "f.lmz").read_bytes() == built.read_bytes()  # too few numbers to be rounded
    with pytest.raises(LanguageModelError, match="nothing is rounded"):
        run("convert", built, "-o", tmp_path / "g.arpa", "--step", 0.2)
