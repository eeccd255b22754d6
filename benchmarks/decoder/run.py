"""Word error rate against speed, decoder by decoder; see README.md.

python benchmarks/decoder/run.py --text novels.txt --lm 4gram.arpa --unit characters -o out/
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import decoders as peers
import emissions
import numpy as np

from asr.decoding.word_errors import word_errors

PIECES = "pieces.model"


def main() -> None:
    """Parse, measure, report."""
    args = _arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    dev, test = _utterances(args)
    words, encode = _words(args, test)
    found = [
        d
        for name in args.decoders.split(",")
        if (d := _build(name, args, test, words, encode)) is not None
    ]
    for decoder in found if args.quick else []:
        decoder.settings = decoder.few
    tuned = {d.name: _tune(d, dev, args.quick) for d in found}
    rows = _measure(found, tuned, test, args.rounds)
    hot = _with_hotwords(found, tuned, test, args) if args.hotwords else []
    starts = {} if args.no_start else _starts(args, test)
    for decoder in found:
        if isinstance(decoder, peers.Pyctcdecode):
            decoder.close()
    _report(args, rows, {"weights": tuned, "start": starts, "hotwords": hot}, test)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--emissions", type=Path, help="log-probabilities of a trained model (.npz)"
    )
    parser.add_argument(
        "--dev", type=Path, help="the same for tuning; default: the first third of --emissions"
    )
    parser.add_argument("--text", type=Path, help="text for synthetic emissions")
    parser.add_argument("--lm", type=Path, required=True, help="ARPA file, words")
    parser.add_argument(
        "--peer-lm", type=Path, help="the same model as a KenLM binary, for the peers"
    )
    parser.add_argument("--unit", choices=["characters", "pieces"], default="characters")
    parser.add_argument(
        "--sentencepiece", type=Path, help="the tokenizer's model, for --emissions over pieces"
    )
    parser.add_argument("--utterances", type=int, default=60)
    parser.add_argument(
        "--margin", type=float, default=5.0, help="synthetic emissions: larger is easier"
    )
    parser.add_argument(
        "--sharpen",
        type=float,
        help="mix the emissions with the reference path up to this greedy word error rate",
    )
    parser.add_argument(
        "--hotwords", type=int, nargs="*", default=[], help="measure with so many hotwords, too"
    )
    parser.add_argument("--hotword-utterances", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="few settings and weights")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--decoders", default="asr,flashlight-text,pyctcdecode")
    parser.add_argument("--pyctcdecode-python", help="Python of an environment with pyctcdecode")
    parser.add_argument(
        "--no-start", action="store_true", help="do not measure start-up and memory"
    )
    parser.add_argument("--only-start", choices=["asr", "flashlight-text"], help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    if args.emissions is None and args.text is None:
        parser.error("give --emissions or --text")
    if args.only_start:
        _only_start(args)
    return args


def _utterances(args: argparse.Namespace) -> tuple[emissions.Utterances, emissions.Utterances]:
    if args.emissions is None:
        everything = emissions.synthetic(
            args.text, args.unit, args.utterances, args.margin, args.output / PIECES
        )
    else:
        everything = emissions.load(args.emissions)
    if args.dev is not None:
        dev, test = _sharpened(args, emissions.load(args.dev)), _sharpened(args, everything)
    else:
        everything = _sharpened(args, everything)
        third = len(everything.references) // 3
        dev, test = everything.part(0, third), everything.part(third, len(everything.references))
    emissions.save(dev, args.output / "dev.npz")
    emissions.save(test, args.output / "test.npz")
    return dev, test


def _sharpened(args: argparse.Namespace, utterances: emissions.Utterances) -> emissions.Utterances:
    if args.sharpen is None:
        return utterances
    strong, share = emissions.sharpened(utterances, _ids_of(args, utterances), args.sharpen)
    print(f"sharpened: {share:.2f} of a frame is the reference", file=sys.stderr)
    return strong


def _ids_of(args: argparse.Namespace, utterances: emissions.Utterances) -> Any:
    """Token numbers of a text."""
    ids = {token: i for i, token in enumerate(utterances.tokens)}
    if max(len(token) for token in utterances.tokens[1:]) == 1:
        return lambda text: [ids[c] for c in text.replace(" ", "▁")]
    encode = _spelling(utterances.tokens, args.sentencepiece or args.output / PIECES)
    return lambda text: [i for word in text.split() for i in encode(word)]


def _greedy_wer(test: emissions.Utterances) -> float:
    from asr.decoding import GreedyDecoder

    texts = [hypotheses[0].text for hypotheses in GreedyDecoder(test.tokens)(test.log_probs)]
    return _wer(test.references, texts)


def _with_hotwords(
    found: list[Any], tuned: dict[str, Any], test: emissions.Utterances, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Speed with hotwords: words of the references first, then words of the model."""
    words, _ = _words(args, test)
    said = dict.fromkeys(w for text in test.references for w in text.split() if len(w) > 5)
    every = list(dict.fromkeys([*said, *(w for w in words if len(w) > 3)]))
    few = test.part(0, args.hotword_utterances)
    emissions.save(few, args.output / "few.npz")
    rows = []
    for n in [0, *args.hotwords]:
        for decoder in found:
            if not hasattr(decoder, "hotword_setting"):
                continue
            setting = decoder.hotword_setting | ({"hotwords": every[:n]} if n else {})
            _, cpu_s = _decode(decoder, tuned[decoder.name], setting, few, "few.npz")
            rows.append({"decoder": decoder.name, "hotwords": n, "speed": sum(few.seconds) / cpu_s})
    return rows


def _words(args: argparse.Namespace, test: emissions.Utterances) -> tuple[list[str], Any]:
    """The model's words that the tokens can spell, and for pieces one spelling of each."""
    from asr.decoding import load_lm
    from asr.decoding.vocabulary import Vocabulary

    pieces = max(len(token) for token in test.tokens[1:]) > 1
    characters = set("".join(Vocabulary(test.tokens).pieces))
    words = [
        w for w in load_lm(args.lm).words if not w.startswith("<") and characters.issuperset(w)
    ]
    return words, _spelling(
        test.tokens, args.sentencepiece or args.output / PIECES
    ) if pieces else None


def _spelling(tokens: list[str], model: Path) -> Any:
    """The sentencepiece model's spelling of a word in token numbers, for a peer that needs a
    lexicon.
    """
    import sentencepiece

    ids = {token: i for i, token in enumerate(tokens)}
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))

    def encode(word: str) -> list[int] | None:
        pieces = processor.encode(word, out_type=str)
        return [ids[piece] for piece in pieces] if all(piece in ids for piece in pieces) else None

    return encode


def _build(
    name: str, args: argparse.Namespace, test: emissions.Utterances, words: list[str], encode: Any
) -> Any:
    kind = {
        "asr": peers.Ours,
        "flashlight-text": peers.Flashlight,
        "pyctcdecode": peers.Pyctcdecode,
    }[name]
    if kind is peers.Pyctcdecode and args.pyctcdecode_python is None:
        print("pyctcdecode left out: give --pyctcdecode-python", file=sys.stderr)
        return None
    lm = args.lm if kind is peers.Ours else args.peer_lm or args.lm
    try:
        return kind(
            test.tokens,
            lm,
            words=words,
            encode=encode,
            python=args.pyctcdecode_python,
            folder=args.output,
        )
    except ModuleNotFoundError as error:
        print(f"{name} left out: {error}", file=sys.stderr)
        return None


def _decode(
    decoder: Any, weights: Any, setting: dict[str, Any], data: emissions.Utterances, file: str
) -> tuple[list[str], float]:
    if isinstance(decoder, peers.Pyctcdecode):
        path = str(decoder.folder / file)
        answer = decoder.ask(
            {"weights": weights, "setting": setting, "file": path, "part": [0, None]}
        )
        return answer["texts"], answer["cpu_s"]
    decode = decoder.make(weights, **setting)
    begin = time.process_time()
    texts = [decode(array) for array in data.log_probs]
    return texts, time.process_time() - begin


def _wer(references: list[str], texts: list[str]) -> float:
    counts = [word_errors(r, t) for r, t in zip(references, texts, strict=True)]
    return sum(e for e, _ in counts) / sum(n for _, n in counts)


def _tune(decoder: Any, dev: emissions.Utterances, quick: bool = False) -> tuple[float, float, Any]:
    results = {}
    for weights in peers.weights_grid(decoder.unknown, quick):
        texts, _ = _decode(decoder, weights, decoder.tuning, dev, "dev.npz")
        results[weights] = _wer(dev.references, texts)
    best = min(results, key=lambda w: results[w])
    print(f"{decoder.name}: tuned weights {best}, WER {100 * results[best]:.2f} %", file=sys.stderr)
    return best


def _measure(
    found: list[Any], tuned: dict[str, Any], test: emissions.Utterances, rounds: int
) -> list[dict[str, Any]]:
    rows = [
        {"decoder": d.name, "setting": s, "cpu_s": float("inf"), "wer": None, "_": d}
        for d in found
        for s in d.settings
    ]
    order = sorted(
        range(len(rows)),
        key=lambda i: (rows[i]["_"].settings.index(rows[i]["setting"]), rows[i]["decoder"]),
    )
    for _ in range(rounds):
        for i in order:
            row = rows[i]
            texts, cpu_s = _decode(
                row["_"], tuned[row["decoder"]], row["setting"], test, "test.npz"
            )
            row["wer"], row["cpu_s"] = _wer(test.references, texts), min(row["cpu_s"], cpu_s)
    audio = sum(test.seconds)
    for row in rows:
        row["speed"] = audio / row["cpu_s"]
        del row["_"]
    return rows


def _only_start(args: argparse.Namespace) -> None:
    test = emissions.load(args.output / "test.npz")
    words, encode = _words(args, test) if args.only_start != "asr" else ([], None)
    begin = time.perf_counter()
    decoder = _build(args.only_start, args, test, words, encode)
    texts, _ = _decode(
        decoder, (0.6, 1.0, decoder.unknown[0]), decoder.tuning, test.part(0, 1), "test.npz"
    )
    start_s = time.perf_counter() - begin
    # Not ru_maxrss, which a child inherits from its parent.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"start_s": start_s, "peak_mb": peak, "words": len(texts[0].split())}))
    sys.exit()


def _starts(args: argparse.Namespace, test: emissions.Utterances) -> dict[str, Any]:
    """Seconds until the first text and peak memory, each in a process of its own, second start."""
    results = {}
    for name in ("asr", "flashlight-text"):
        if name in args.decoders.split(","):
            command = [sys.executable, __file__, *sys.argv[1:], "--only-start", name]
            runs = [
                subprocess.run(command, capture_output=True, text=True, check=False)
                for _ in range(2)
            ]
            results[name] = json.loads(runs[-1].stdout) if runs[-1].returncode == 0 else None
    return results


def frontier(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Settings of a decoder that no other of its settings beats in both WER and speed, fastest
    first.
    """
    mine = sorted((r for r in rows if r["decoder"] == name), key=lambda r: -r["speed"])
    best, kept = float("inf"), []
    for row in mine:
        if row["wer"] < best:
            best = row["wer"]
            kept.append(row)
    return kept


def _ratios(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| peer | its WER % | its speed | our WER % | our speed | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted({r["decoder"] for r in rows} - {"asr"}):
        for peer in frontier(rows, name):
            ours = [r for r in rows if r["decoder"] == "asr" and r["wer"] <= peer["wer"]]
            best = max(ours, key=lambda r: r["speed"], default=None)
            mine = (
                f"{100 * best['wer']:.2f} | {best['speed']:.0f} | "
                f"{best['speed'] / peer['speed']:.1f}"
                if best
                else "- | - | -"
            )
            lines.append(f"| {name} | {100 * peer['wer']:.2f} | {peer['speed']:.0f} | {mine} |")
    return lines


def _report(
    args: argparse.Namespace,
    rows: list[dict[str, Any]],
    more: dict[str, Any],
    test: emissions.Utterances,
) -> None:
    greedy = _greedy_wer(test)
    content = {
        "command": sys.argv,
        "audio_s": sum(test.seconds),
        "greedy_wer": greedy,
        **more,
        "rows": rows,
    }
    (args.output / "results.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    names = sorted({r["decoder"] for r in rows})
    lines = [f"Greedy WER {100 * greedy:.2f} %.", ""]
    lines += ["| decoder | setting | WER % | audio s / CPU s |", "|---|---|---|---|"]
    for name in names:
        for row in frontier(rows, name):
            setting = " ".join(f"{k}={v:g}" for k, v in row["setting"].items())
            lines.append(f"| {name} | {setting} | {100 * row['wer']:.2f} | {row['speed']:.0f} |")
    lines += ["", "Our fastest setting at the same or a lower WER:", "", *_ratios(rows), ""]
    if more["hotwords"]:
        lines += ["| decoder | hotwords | audio s / CPU s |", "|---|---|---|"]
        lines += [
            f"| {r['decoder']} | {r['hotwords']} | {r['speed']:.1f} |" for r in more["hotwords"]
        ]
        lines.append("")
    lines += [f"Start and memory: {name}: {start}" for name, start in more["start"].items()]
    (args.output / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    _plot(rows, names, args.output / "results.png")


def _plot(rows: list[dict[str, Any]], names: list[str], path: Path) -> None:
    try:
        import matplotlib
    except ModuleNotFoundError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name in names:
        points = frontier(rows, name)
        axes.plot([p["speed"] for p in points], [100 * p["wer"] for p in points], "o-", label=name)
    axes.set(
        xscale="log", xlabel="audio seconds per processor second", ylabel="word error rate (%)"
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    assert np.isfinite([r["speed"] for r in rows]).all()


if __name__ == "__main__":
    main()
