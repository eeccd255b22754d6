"""Every Python block of the documentation runs, and every `asr` line parses."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import run_folder_maker as maker
import typer
import yaml
from typer.core import TyperGroup

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("README*.md"))]
FENCE = re.compile(r"^```([a-z]*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SENTENCES = "a cab\nbad cab\na bad dad\ndad adds a cab\n"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def python_blocks(page: Path) -> list[tuple[int, str]]:
    text = page.read_text(encoding="utf-8")
    return [
        (text[: m.start(2)].count("\n"), m[2]) for m in FENCE.finditer(text) if m[1] == "python"
    ]


def command_lines(page: Path) -> Iterator[str]:
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        if match[1] not in ("", "bash", "console"):
            continue
        for line in match[2].replace("\\\n", " ").splitlines():
            if line.removeprefix("$ ").startswith("asr "):
                yield line.removeprefix("$ ")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: a trained and evaluated run, a recording, transcripts."""
    folder = tmp_path_factory.mktemp("world")
    made = maker.speech_run(folder / "made")
    log = made / "log" / "metrics.jsonl"
    log.write_text(log.read_text() + '{"step": 31, "train/grad_norm": 2.0}\n')
    for name in ("runs/mine", "runs/me", "demo/run"):
        shutil.copytree(made, folder / name)
    (folder / "demo" / "corpus").mkdir()
    (folder / "demo" / "corpus" / "lm.txt").write_text(SENTENCES)
    (folder / "text.txt").write_text(SENTENCES)
    (folder / "my_voice").mkdir()
    for recording in ("talk.wav", "my_voice/001.wav"):
        shutil.copyfile(next((folder / "made" / "data").rglob("*.wav")), folder / recording)
    for name in ("reference", "hypothesis"):
        plural = {"reference": "references", "hypothesis": "hypotheses"}[name]
        shutil.copyfile(made / "dev" / f"{plural}.tsv", folder / f"{name}.tsv")
    return folder


@pytest.mark.parametrize("page", [p for p in PAGES if python_blocks(p)], ids=name_of)
def test_python_blocks_run(page: Path, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    space: dict[str, Any] = {"__name__": "__main__"}
    for line, block in python_blocks(page):
        exec(
            compile("\n" * line + block, str(page), "exec"), space
        )  # the line numbers are those of the page


@pytest.mark.parametrize("page", [p for p in PAGES if any(command_lines(p))], ids=name_of)
def test_command_lines_parse(page: Path) -> None:
    from asr.cli import app

    root = typer.main.get_command(app)
    for line in command_lines(page):
        command, words = root, shlex.split(line, comments=True)[1:]
        while isinstance(command, TyperGroup):
            name = words.pop(0)
            assert name in command.commands, f"{line}: there is no verb {name}"
            command = command.commands[name]
        command.make_context(line, words)  # raises what a user would see


def blocks(page: Path, language: str) -> list[str]:
    return [m[2] for m in FENCE.finditer(page.read_text(encoding="utf-8")) if m[1] == language]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "yaml")], ids=name_of)
def test_configurations_have_known_keys(page: Path) -> None:
    from asr.catalogue import config_class
    from asr.config import build_config

    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        if "task" in content:
            build_config(
                config_class(content, page), content, {}, where=str(page)
            )  # names a key that is unknown


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "py")], ids=name_of)
def test_blocks_that_are_not_run_compile_and_import(page: Path) -> None:
    """Blocks marked py wait for a microphone or a server; what they import must be there all the
    same.
    """
    for block in blocks(page, "py"):
        tree = ast.parse(block)
        imports = [
            node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        assert imports
        for node in imports:
            names = node.names if isinstance(node, ast.Import) else [ast.alias(str(node.module))]
            if names[0].name.split(".")[0] == "asr":
                exec(compile(ast.Module([node], []), str(page), "exec"), {})


def test_every_public_name_and_verb_has_its_place_in_the_reference() -> None:
    import asr
    from asr.cli import app

    pages = sorted((ROOT / "docs" / "reference" / "python").glob("*.md"))
    python = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    lines = set(re.findall(r"^::: (\S+)", python, re.MULTILINE))
    missing = [n for n, module in asr._PUBLIC.items() if not {module, f"{module}.{n}"} & lines]
    assert missing == []
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    verbs = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in command.commands if f"`asr {name} " not in verbs] == []


def test_what_the_reference_describes_is_where_it_says() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for path in re.findall(r"^::: (\S+)", pages, re.MULTILINE):
        place, _, name = path.rpartition(".")
        module = importlib.import_module(place)
        if hasattr(module, "__path__") and importlib.util.find_spec(path):
            importlib.import_module(path)
        else:
            assert name in module.__all__, path


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    missing = [
        p.name
        for p in (ROOT / "docs").rglob("*.md")
        if p.relative_to(ROOT / "docs").as_posix() not in navigation
    ]
    assert missing == []


def test_relative_links_lead_somewhere() -> None:
    pytest.importorskip("numpy")
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if re.match(r"https?://", target) or target.endswith(".svg"):
                continue  # pictures are made with the site; their names are checked below
            place = (page.parent / target).resolve()
            assert place.exists(), f"{page}: {target}"
            # the site has the files of docs/ alone
            assert page.parent == ROOT or place.is_relative_to(ROOT / "docs"), f"{page}: {target}"


def test_figures_that_pages_show_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("docs_figures", ROOT / "docs" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    figures: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    # mkdocs restores the path after it has loaded a hook
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != figures.SUPPORT])
    monkeypatch.delitem(sys.modules, "reference_decoder", raising=False)
    held_out, labels = figures.tones(figures.np.random.default_rng(0), [3, 1, 1, 2])
    untrained = figures.np.log(figures.np.full((len(held_out), 4), 0.25))
    monkeypatch.setattr(
        figures, "train_toy", lambda updates: (held_out, labels, dict.fromkeys(updates, untrained))
    )
    drawn = figures.figures()
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"figures/([a-z0-9-]+)\.svg", pages)) <= set(drawn)
    assert "beam-toy" in figures.plots.to_svg(drawn["beam-toy"](), "beam-toy")
    shares = figures.occupancy(
        untrained, labels
    )  # forward-backward: at every frame the path is somewhere
    assert shares.sum(axis=1) == pytest.approx(1.0)
    beams = figures.toy_beams()
    assert round(beams[-1][1,], 4) == 0.2455


def test_figures_are_drawn_outside_of_the_tests(tmp_path: Path) -> None:
    program = f"import runpy; runpy.run_path({str(ROOT / 'docs' / 'figures.py')!r})['toy_beams']()"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
