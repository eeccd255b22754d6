"""The loop on a small recurrent regression: resume to the bit, non-finite batches, exact
accumulation, early stop.
"""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_training import OPTIMIZER, TRAINER, ToyBatch, ToyLoader, ToyTask, experiment, weights

from asr.errors import ModelError, TrainingError
from asr.training.loop import fit
from asr.training.task import LossSum, Task


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    e = experiment()
    before = e.evaluate(e.task.eval())["loss"]
    position = fit(e, replace(TRAINER, max_epochs=30), OPTIMIZER, tmp_path)
    assert position.best < 0.5 * before
    assert (tmp_path / "model" / "weights.pt").is_file()
    assert list((tmp_path / "log").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("stop_after", "average"),
    [(1, {}), (3, {"average_decay": 0.9}), (2, {"average_last": 2})],
    ids=str,
)
def test_resume_between_epochs_equals_an_unbroken_run(
    tmp_path: Path, stop_after: int, average: dict[str, Any]
) -> None:
    optimizer = replace(OPTIMIZER, **average)
    unbroken = experiment()
    end = fit(unbroken, TRAINER, optimizer, tmp_path / "a")

    class StopError(Exception):
        pass

    class Stopping(ToyLoader):
        def load(self, epoch: int, position: int) -> ToyBatch:
            if epoch == stop_after:
                raise StopError
            return super().load(epoch, position)

    with pytest.raises(StopError):
        fit(experiment(Stopping()), TRAINER, optimizer, tmp_path / "b")
    resumed = experiment()
    assert fit(resumed, TRAINER, optimizer, tmp_path / "b").best == end.best
    for a, b in zip(weights(unbroken), weights(resumed), strict=True):
        assert torch.equal(a, b)


KILLED = """
    import os, signal, sys
    sys.path[:0] = {path!r}
    from dataclasses import replace
    from pathlib import Path

    import toy_training as toy
    from asr.training.loop import fit

    class Deadly(toy.ToyLoader):
        def load(self, epoch, position):
            if (epoch, position) == (2, 4):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().load(epoch, position)

    trainer = replace(toy.TRAINER, checkpoint_every_s=0.0)
    fit(toy.experiment(Deadly()), trainer, toy.OPTIMIZER, Path({out!r}))
"""


def test_killed_in_mid_epoch_and_resumed_equals_an_unbroken_run(tmp_path: Path) -> None:
    unbroken = experiment()
    fit(unbroken, TRAINER, OPTIMIZER, tmp_path / "a")
    script = textwrap.dedent(KILLED).format(path=sys.path, out=str(tmp_path / "b"))
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == -signal.SIGKILL
    resumed = experiment()
    fit(resumed, TRAINER, OPTIMIZER, tmp_path / "b")
    for a, b in zip(weights(unbroken), weights(resumed), strict=True):
        assert torch.equal(a, b)


def test_one_bad_batch_is_skipped_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    e = experiment(ToyLoader(bad=((1, 2),)))
    fit(e, TRAINER, OPTIMIZER, tmp_path)
    assert "utt-1-2-0" in capsys.readouterr().err
    assert all(torch.isfinite(p).all() for p in e.task.parameters())


def test_repeated_bad_batches_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"2\. time in a row.*utt-1-3-0"):
        fit(experiment(ToyLoader(bad=((1, 2), (1, 3)))), TRAINER, OPTIMIZER, tmp_path)


def test_accumulation_equals_the_large_batch(tmp_path: Path) -> None:
    """The loss is divided by all labels of a step: two batches accumulated are the two put
    together.
    """

    class Plain(ToyLoader):
        def load(self, epoch: int, position: int) -> ToyBatch:
            return super().load(0, position)

    class Joined(Plain):
        def num_batches(self, epoch: int) -> int:
            return 1

        def load(self, epoch: int, position: int) -> ToyBatch:
            a, b = (super(Joined, self).load(0, i) for i in range(2))
            width = max(a.x.size(1), b.x.size(1))
            pad = [nn.functional.pad(t.x, (0, 0, 0, width - t.x.size(1))) for t in (a, b)]
            y = [nn.functional.pad(t.y, (0, width - t.y.size(1))) for t in (a, b)]
            return ToyBatch(
                torch.cat(pad), torch.cat([a.lens, b.lens]), torch.cat(y), a.ids + b.ids, 0
            )

    class Silent(ToyTask):
        def loss(self, batch: ToyBatch, generator: torch.Generator | None = None) -> LossSum:
            return super().loss(batch)

    results = []
    for name, loader in (("two", Plain(sizes=(2, 3))), ("one", Joined(sizes=(2, 3)))):
        e = experiment(loader, dropout=0.0)
        silent = Silent(0.0)
        silent.load_state_dict(copy.deepcopy(e.task.state_dict()))
        e = replace(e, task=silent)
        fit(e, replace(TRAINER, accumulate=2, max_epochs=3), OPTIMIZER, tmp_path / name)
        results.append(weights(e))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_the_mean_of_the_last_epochs_is_evaluated_and_kept(tmp_path: Path) -> None:
    ends: list[list[Tensor]] = []
    kept: list[list[Tensor]] = []
    plain = experiment()

    def remember_end(task: Task) -> dict[str, float]:
        ends.append(weights(plain))
        return {"loss": -float(len(ends))}

    fit(replace(plain, evaluate=remember_end), TRAINER, OPTIMIZER, tmp_path / "plain")
    averaged = experiment()

    def remember_kept(task: Task) -> dict[str, float]:
        kept.append(weights(averaged))
        return {"loss": -float(len(kept))}

    fit(
        replace(averaged, evaluate=remember_kept),
        TRAINER,
        replace(OPTIMIZER, average_last=2),
        tmp_path / "averaged",
    )
    for epoch in range(1, 4):
        for mean, a, b in zip(kept[epoch], ends[epoch - 1], ends[epoch], strict=True):
            torch.testing.assert_close(mean, (a + b) / 2)
    saved = torch.load(tmp_path / "averaged" / "model" / "weights.pt", weights_only=True)
    for mean, tensor in zip(kept[-1], saved.values(), strict=True):
        assert torch.equal(mean, tensor)
    for a, b in zip(
        weights(averaged), ends[-1], strict=True
    ):  # training itself goes on from its own weights
        assert torch.equal(a, b)


def test_patience_and_best_weights(tmp_path: Path) -> None:
    e = experiment(dev=[3.0, 1.0, 2.0, 2.5, 0.5])
    position = fit(e, replace(TRAINER, max_epochs=5, patience=2), OPTIMIZER, tmp_path)
    assert (position.epoch, position.best, position.best_epoch) == (4, 1.0, 1)


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    fit(experiment(), replace(TRAINER, max_epochs=1), OPTIMIZER, tmp_path)
    with pytest.raises(ModelError, match="another architecture: encoder"):
        fit(experiment(width=5), TRAINER, OPTIMIZER, tmp_path)
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"PK junk")
    with pytest.raises(ModelError, match="damaged"):
        fit(experiment(), TRAINER, OPTIMIZER, tmp_path)


def test_the_gradient_is_clipped_to_the_norm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []
    original = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        gradients = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        norms.append(float(nn.utils.get_total_norm(gradients)))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    fit(experiment(), replace(TRAINER, max_epochs=1), replace(OPTIMIZER, clip_norm=0.01), tmp_path)
    assert norms == pytest.approx([0.01] * len(norms), rel=1e-3)


def test_values_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest: list[float] = []
    original = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        largest.append(
            max(float(p.grad.abs().max()) for g in self.param_groups for p in g["params"])
        )
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    optimizer = replace(OPTIMIZER, clip_value=1e-3, clip_norm=0.0)
    fit(experiment(), replace(TRAINER, max_epochs=1), optimizer, tmp_path)
    assert largest == pytest.approx([1e-3] * len(largest))


def test_the_learning_rate_falls_on_a_plateau(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    original = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    optimizer = replace(
        OPTIMIZER, schedule="plateau", warmup=0.0, plateau_patience=1, plateau_factor=0.1
    )
    dev = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0]
    fit(experiment(dev=dev), replace(TRAINER, max_epochs=7), optimizer, tmp_path)
    assert rates[::5] == pytest.approx([0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.0001])


@pytest.mark.parametrize("wanted", [False, True])
def test_gradient_checkpointing_changes_memory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    calls: list[int] = []
    original = torch.utils.checkpoint.checkpoint

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr("asr.training.memory.checkpoint", spy)
    plain, other = experiment(), experiment()
    fit(plain, replace(TRAINER, max_epochs=1), OPTIMIZER, tmp_path / "plain")
    assert not calls
    fit(
        other,
        replace(TRAINER, max_epochs=1, gradient_checkpointing=wanted),
        OPTIMIZER,
        tmp_path / "other",
    )
    assert len(calls) == (2 * 5 if wanted else 0)  # two layers, five steps
    for a, b in zip(weights(plain), weights(other), strict=True):
        assert torch.equal(a, b)


def test_a_time_limit_ends_the_run_and_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    rates: list[float] = []
    original = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        now[0] += 1.0
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    e = experiment()
    optimizer = replace(OPTIMIZER, schedule="linear", warmup=0.0, final_lr=0.0)
    position = fit(e, replace(TRAINER, max_epochs=100, time_limit_s=8.0), optimizer, tmp_path)
    assert (position.epoch, position.step, position.seconds) == (
        2,
        8,
        8.0,
    )  # the second epoch of five ends early
    assert rates == pytest.approx([0.01 * (1 - step / 8) for step in range(8)])
    assert position.best_epoch >= 0
    resumed = fit(
        experiment(), replace(TRAINER, max_epochs=100, time_limit_s=8.0), optimizer, tmp_path
    )
    assert resumed.step == 8  # the time of the first run counts


@pytest.mark.parametrize(("seconds_a_step", "drawings"), [(0.1, 0), (20.0, 4)])
def test_short_trainings_wait_for_no_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_a_step: float, drawings: int
) -> None:
    now, drawn = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "asr.training.monitoring.add_figure",
        lambda writer, name, figure, step: drawn.append((name, step)),
    )
    monkeypatch.setattr("asr.training.monitoring.EVERY", 2)
    original = torch.optim.AdamW.step

    def slow(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        now[0] += seconds_a_step
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", slow)
    fit(experiment(), replace(TRAINER, pictures_every=1), OPTIMIZER, tmp_path)
    assert drawn == [("gradient norms", 5 * epoch) for epoch in range(1, drawings + 1)]
