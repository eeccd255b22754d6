"""Signals to classes, with scikit-learn's habits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import require
from asr.training.estimator import Estimator

if TYPE_CHECKING:
    from asr.model_folder import Bundle
    from asr.scoring.classification import ClassificationScore
    from asr.sequence.classifier import ClassifierConfig
    from asr.signals.config import ClassifyConfig
    from asr.signals.data import LabelledData
    from asr.signals.model import FittedClassifier

__all__ = ["SequenceClassifier"]

Scores = npt.NDArray[np.float64]
STEPS_LEFT = 32  # after the convolutions, about
MOST_CONV_LAYERS = 4


class SequenceClassifier(Estimator["FittedClassifier"]):
    """Recurrent classifier of signals: convolutions over time, LSTM or GRU layers, pooling.

    Args:
        hidden_dim: width of a recurrent layer, each direction.
        num_layers: recurrent layers.
        cell: lstm or gru.
        bidirectional: read signals in both directions.
        conv_layers: convolutions, each halving the steps; None: as many as leave about 32 steps, 4
            at most.
        pooling: from all steps to one vector; see
            :class:`asr.sequence.classifier.ClassifierConfig`.
        attention_heads: of self-attention after the recurrent layers (0: none).
        head_dim: hidden layer before the classes; None: hidden_dim where there are static features,
            else none.
        dropout: share of values that are zeroed in training.
        max_epochs: passes over the training data.
        batch_size: sequences in an optimizer step.
        learning_rate: its peak.
        validation_share: share of the sequences set aside (whole groups, where groups are given) to
            choose the epoch whose weights are kept; 0 trains on all.
        class_balance: 0 counts every sequence alike in the loss, 1 every class, between: see
            :class:`asr.signals.config.ClassifyConfig`.
        label_smoothing: share of a label given to all classes.
        noise: deviation of noise that is added in training, in deviations of the signal.
        time_masks: stretches of time masked in training; see :func:`asr.sequence.augment.augment`.
        channel_mask: probability that a channel is masked in training.
        patience: stop after so many epochs without a better figure (0: never).
        random_state: seed of weights, split and batches; None draws one.
        time_limit_s: end the training after so many seconds; None: no limit.
        run_dir: keeps the run folder (curves, checkpoints, model) there; None: a temporary one.

    Attributes:
        model_: :class:`asr.signals.model.FittedClassifier`, after :meth:`fit`.
        config_: the training's :class:`asr.signals.config.ClassifyConfig`.

    Example:
        >>> X = [np.sin(np.arange(40) * (0.2 + 0.4 * (n % 2)) + n) for n in range(60)]
        >>> y = ["slow", "fast"] * 30
        >>> model = SequenceClassifier(max_epochs=8, random_state=0).fit(X, y)  # doctest: +SKIP
        >>> model.predict(X[:2]).tolist()  # doctest: +SKIP
        ['slow', 'fast']
    """

    _estimator_type = "classifier"
    _takes_arrays = True
    model_: FittedClassifier

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
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.hidden_dim, self.num_layers, self.cell = hidden_dim, num_layers, cell
        self.bidirectional, self.conv_layers = bidirectional, conv_layers
        self.pooling, self.attention_heads = pooling, attention_heads
        self.head_dim, self.dropout = head_dim, dropout
        self.max_epochs, self.batch_size = max_epochs, batch_size
        self.learning_rate, self.validation_share = learning_rate, validation_share
        self.class_balance, self.label_smoothing = class_balance, label_smoothing
        self.noise, self.time_masks, self.channel_mask = noise, time_masks, channel_mask
        self.patience, self.random_state, self.time_limit_s = patience, random_state, time_limit_s
        self.run_dir = run_dir

    def fit(self, X: Any, y: Any, *, static: Any = None, groups: Any = None) -> SequenceClassifier:
        """Train.

        Args:
            X: (n, T), (n, T, channels), or a list of n arrays (T,) or (T, channels) of any lengths.
            y: (n,) labels: integers, texts or truth values.
            static: (n, features) of each sequence as a whole.
            groups: (n,) such as patients; none of them is in training and validation both.

        Raises:
            DataError: shapes do not fit, values are missing or infinite, or there are fewer than
                two classes.
            ConfigError: an argument is out of range.
        """
        from asr.signals.data import make_labelled, split_off

        require("torch", "train")
        from asr.signals.training import fit_classifier

        data = make_labelled(X, y, static, groups)
        config = self._config(data)
        train, dev = split_off(data, self.validation_share, config.seed)
        with self._run_folder() as folder:
            self.model_ = fit_classifier(config, train, dev, folder, resume=False)
        self.config_ = config
        return self

    def _config(self, data: LabelledData) -> ClassifyConfig:
        """Return the configuration that the arguments stand for; None is decided by the data."""
        from asr.signals.config import ClassifyConfig, ClassifyDataConfig
        from asr.signals.network import AugmentConfig

        base = ClassifyConfig()
        config = ClassifyConfig(
            class_balance=self.class_balance,
            label_smoothing=self.label_smoothing,
            model=self._network_config(data),
            data=ClassifyDataConfig(
                max_batch_size=self.batch_size, dev_share=self.validation_share
            ),
            augment=AugmentConfig(
                noise=self.noise, time_masks=self.time_masks, channel_mask=self.channel_mask
            ),
            trainer=replace(base.trainer, patience=self.patience),
        )
        return self._configured(config)

    def _network_config(self, data: LabelledData) -> ClassifierConfig:
        from asr.sequence.classifier import ClassifierConfig

        conv_layers, head_dim = self.conv_layers, self.head_dim
        if conv_layers is None:
            steps = float(np.median([len(s) for s in data.sequences]))
            conv_layers = min(MOST_CONV_LAYERS, max(0, round(math.log2(steps / STEPS_LEFT))))
        if head_dim is None:
            head_dim = self.hidden_dim if data.static.shape[1] else 0
        return ClassifierConfig(
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

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """(C,) labels, in the order of :meth:`predict_proba`'s columns."""
        return np.array(self._fitted().classes)

    @property
    def n_channels_(self) -> int:
        """Values at each step of a signal."""
        model: FittedClassifier = self._fitted()
        return model.channels

    def predict_proba(self, X: Any, *, static: Any = None) -> Scores:
        """Return the probability of each class (n, C), columns in the order of ``classes_``.

        Raises:
            NotFittedError: not trained.
            DataError: X or static does not have the shape trained on, or has gaps.
        """
        from asr.signals.data import as_sequences, as_static

        model = self._fitted()
        sequences = as_sequences(X, channels=model.channels)
        return model.predict_proba(sequences, as_static(static, len(sequences), model.static_dim))

    def predict(self, X: Any, *, static: Any = None) -> npt.NDArray[Any]:
        """Return the likeliest label of each sequence (n,)."""
        numbers = self.predict_proba(X, static=static).argmax(1)
        labels: npt.NDArray[Any] = self.classes_[numbers]
        return labels

    def score(self, X: Any, y: Any, *, static: Any = None) -> float:
        """Return the accuracy, the share of right predictions."""
        return self.evaluate(X, y, static=static).accuracy

    def evaluate(self, X: Any, y: Any, *, static: Any = None) -> ClassificationScore:
        """Return accuracy, F1, AUC and the confusion matrix of the predictions for X.

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
        self._fitted().save(Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> SequenceClassifier:
        """Return the classifier of a model folder or of a run folder that holds one.

        Raises:
            ModelError: the folder is missing or damaged, or holds a model of another task.
        """
        require("torch", "train")
        from asr.signals.model import FittedClassifier

        classifier = cls()
        classifier.model_ = FittedClassifier.load(folder)
        return classifier
