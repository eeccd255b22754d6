"""Signals to classes, with scikit-learn's habits."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError, ModelError
from asr.training.estimator import Estimator

if TYPE_CHECKING:
    from asr.scoring.classification import ClassificationScore
    from asr.signals.data import LabelledData, Labels
    from asr.signals.network import ClassifierTask
    from asr.signals.training import ClassifyConfig

__all__ = ["SequenceClassifier"]

Scores = npt.NDArray[np.float64]


class SequenceClassifier(Estimator):
    """Recurrent classifier of signals: convolutions over time, LSTM or GRU layers, pooling.

    Args:
        hidden_dim: see :class:`asr.sequence.classifier.ClassifierConfig`.
        num_layers: see :class:`asr.sequence.classifier.ClassifierConfig`.
        cell: see :class:`asr.sequence.classifier.ClassifierConfig`.
        bidirectional: see :class:`asr.sequence.classifier.ClassifierConfig`.
        pooling: see :class:`asr.sequence.classifier.ClassifierConfig`.
        attention_heads: see :class:`asr.sequence.classifier.ClassifierConfig`.
        dropout: see :class:`asr.sequence.classifier.ClassifierConfig`.
        conv_layers: convolutions, each halving the steps; None: as many as leave about 32 steps, 4
            at most.
        head_dim: hidden layer before the classes; None: hidden_dim where there are static features,
            else none.
        max_epochs: of the training.
        batch_size: of the training.
        learning_rate: of the training.
        validation_share: of the sequences, set aside (whole groups, where groups are given) to
            choose the epoch whose weights are kept; 0 trains on all.
        class_balance: 0 counts every sequence alike, 1 every class;
        between: see :class:`asr.signals.training.ClassifyConfig`.
        label_smoothing: share of a label given to all classes.
        noise: augmentation, see :func:`asr.sequence.augment.augment`; noise in standard deviations
            of the signal.
        time_masks: augmentation, see :func:`asr.sequence.augment.augment`; noise in standard
            deviations of the signal.
        channel_mask: augmentation, see :func:`asr.sequence.augment.augment`; noise in standard
            deviations of the signal.
        patience: stop after so many epochs without a better figure (0: never).
        random_state: of weights, split and batches; None draws one.
        time_limit_s: of the training; None: none.
        run_dir: keeps the run folder (curves, checkpoints, model) there; None: a temporary one.

    Attributes:
        classes_: (C,) labels, after :meth:`fit`.
        n_features_in_: channels D.
        config_: the training's configuration.

    Example:
        >>> X = [np.sin(np.arange(40) * (0.2 + 0.4 * (n % 2)) + n) for n in range(60)]
        >>> y = ["slow", "fast"] * 30
        >>> model = SequenceClassifier(max_epochs=8, random_state=0).fit(X, y)  # doctest: +SKIP
        >>> model.predict(X[:2]).tolist()  # doctest: +SKIP
        ['slow', 'fast']
    """

    def __init__(
        self,
        *,
        hidden_dim: int = 64,
        num_layers: int = 1,
        cell: str = "lstm",
        bidirectional: bool = True,
        conv_layers: int | None = None,
        pooling: str = "attention",
        attention_heads: int = 0,
        head_dim: int | None = None,
        dropout: float = 0.2,
        max_epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        validation_share: float = 0.1,
        class_balance: float = 0.5,
        label_smoothing: float = 0.0,
        noise: float = 0.0,
        time_masks: int = 0,
        channel_mask: float = 0.0,
        patience: int = 0,
        random_state: int | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.hidden_dim, self.num_layers, self.cell, self.bidirectional = (
            hidden_dim,
            num_layers,
            cell,
            bidirectional,
        )
        self.conv_layers, self.pooling, self.attention_heads = conv_layers, pooling, attention_heads
        self.head_dim, self.dropout, self.max_epochs, self.batch_size = (
            head_dim,
            dropout,
            max_epochs,
            batch_size,
        )
        self.learning_rate, self.validation_share = learning_rate, validation_share
        self.class_balance, self.label_smoothing = class_balance, label_smoothing
        self.noise, self.time_masks, self.channel_mask = noise, time_masks, channel_mask
        self.patience, self.random_state, self.time_limit_s = patience, random_state, time_limit_s
        self.run_dir = run_dir

    def fit(self, X: Any, y: Any, *, static: Any = None, groups: Any = None) -> SequenceClassifier:
        """Train.

        Args:
            X: (n, T), (n, T, channels), or a list of n arrays (T,) or (T, channels) of any lengths.
            y: (n,)
            labels: integers, texts or truth values.
            static: (n, features) of each sequence as a whole.
            groups: (n,) such as patients; none of them is in training and validation both.

        Raises:
            DataError: shapes do not fit, values are missing or infinite, or there are fewer than
            two classes. ConfigError: a setting is out of range.
        """
        from asr.errors import require
        from asr.signals.data import make_labelled, split_off

        require("torch", "train")
        from asr.signals.training import fit_classifier

        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ConfigError(
                f"time_limit_s is {self.time_limit_s}, but must be positive.",
                "Give seconds, or None.",
            )
        data = make_labelled(X, y, static, groups)
        seed = int(np.random.default_rng(self.random_state).integers(1 << 31))
        self.config_ = self._config(data, seed)
        train, dev = split_off(data, self.validation_share, seed)
        with tempfile.TemporaryDirectory(prefix="asr-classify-") as temporary:
            folder = Path(self.run_dir) if self.run_dir is not None else Path(temporary)
            self._keep(fit_classifier(self.config_, train, dev, folder, resume=False), data.classes)
        return self

    def _config(self, data: LabelledData, seed: int) -> ClassifyConfig:
        from asr.sequence.classifier import ClassifierConfig
        from asr.signals.network import AugmentConfig
        from asr.signals.training import ClassifyConfig, ClassifyDataConfig

        steps = float(np.median([len(s) for s in data.sequences]))
        conv_layers = (
            min(4, max(0, round(math.log2(steps / 32))))
            if self.conv_layers is None
            else self.conv_layers
        )
        head_dim = (
            (self.hidden_dim if data.static.shape[1] else 0)
            if self.head_dim is None
            else self.head_dim
        )
        model = ClassifierConfig(
            conv_layers=conv_layers,
            hidden_dim=self.hidden_dim,
            num_layers=self.num_layers,
            cell=self.cell,
            bidirectional=self.bidirectional,
            attention_heads=self.attention_heads,
            pooling=self.pooling,
            head_dim=head_dim,
            dropout=self.dropout,
        )
        base = ClassifyConfig()
        return ClassifyConfig(
            seed=seed,
            class_balance=self.class_balance,
            label_smoothing=self.label_smoothing,
            model=model,
            data=ClassifyDataConfig(
                max_batch_size=self.batch_size, dev_share=self.validation_share
            ),
            augment=AugmentConfig(
                noise=self.noise, time_masks=self.time_masks, channel_mask=self.channel_mask
            ),
            optimizer=replace(base.optimizer, lr=self.learning_rate),
            trainer=replace(
                base.trainer,
                max_epochs=self.max_epochs,
                patience=self.patience,
                time_limit_s=self.time_limit_s or 0.0,
            ),
        )

    def _keep(self, task: ClassifierTask, classes: Labels) -> None:
        self.task_ = task
        self.classes_ = np.array(classes)
        self.n_features_in_, self._static_dim = len(task.mean), len(task.static_mean)

    def _fitted(self) -> ClassifierTask:
        if not hasattr(self, "task_"):
            raise ModelError("This SequenceClassifier is not trained.", "Call fit or load first.")
        return self.task_

    def predict_proba(self, X: Any, *, static: Any = None) -> Scores:
        """Return the probability of each class (n, C), columns in the order of ``classes_``.

        Raises:
            ModelError: not trained. DataError: X or static does not have the shape trained on, or
            has gaps.
        """
        from asr.signals.data import as_sequences, as_static
        from asr.signals.training import predict_scores

        task = self._fitted()
        sequences = as_sequences(X, channels=self.n_features_in_)
        return predict_scores(task, sequences, as_static(static, len(sequences), self._static_dim))

    def predict(self, X: Any, *, static: Any = None) -> npt.NDArray[Any]:
        """Return the likeliest label of each sequence (n,)."""
        numbers = self.predict_proba(X, static=static).argmax(1)
        best: npt.NDArray[Any] = self.classes_[numbers]
        return best

    def score(self, X: Any, y: Any, *, static: Any = None) -> float:
        """Return the share of right predictions."""
        return self.evaluate(X, y, static=static).accuracy

    def evaluate(self, X: Any, y: Any, *, static: Any = None) -> ClassificationScore:
        """Return F1, AUC and the confusion matrix of the predictions for X.

        Raises:
            DataError: y holds a label that training did not have.
        """
        from asr.scoring.classification import score_classes
        from asr.signals.data import encode_labels

        probabilities = self.predict_proba(X, static=static)
        labels, classes = encode_labels(y, len(probabilities), tuple(self.classes_.tolist()))
        return score_classes(labels, probabilities, [str(c) for c in classes])

    def save(self, folder: str | Path) -> Path:
        """Write a model folder and return its path."""
        from asr.signals.training import save_classifier

        save_classifier(
            self._fitted(),
            tuple(self.classes_.tolist()),
            Path(folder),
            getattr(self, "config_", None),
        )
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> SequenceClassifier:
        """Return the classifier of a model folder or of a run folder that holds one.

        Raises:
            ModelError: the folder is missing or damaged, or holds a model of another task.
        """
        from asr.errors import require

        require("torch", "train")
        from asr.signals.training import load_classifier

        model = cls()
        model._keep(*load_classifier(folder))
        return model
