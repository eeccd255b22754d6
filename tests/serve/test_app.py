"""The service keeps to its own OpenAPI description, whatever is asked of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from asr.serve.config import ServeConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.export.exporting import export_model
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer


@pytest.mark.filterwarnings("ignore")  # schemathesis and its dependencies warn of one another
def test_openapi(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import schemathesis
        from fastapi.testclient import TestClient
        from hypothesis import HealthCheck, given, settings
        from schemathesis.specs.openapi.checks import positive_data_acceptance

        from asr.serve.app import create_app

    torch.manual_seed(1)
    tokenizer = CharTokenizer("abc")
    task = CtcTask(
        CtcTaskConfig(model=CtcModelConfig(hidden_dim=8, num_layers=1, conv_channels=4)),
        len(tokenizer),
    )
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), tmp_path / "m")
    app = create_app(
        [export_model(tmp_path / "m", tmp_path / "onnx").folder], ServeConfig(max_bytes=10_000)
    )
    with TestClient(app):  # starts and stops the queues
        schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        operations = [result.ok() for result in schema.get_all_operations()]
        assert {operation.path for operation in operations} >= {
            "/v1/transcribe",
            "/v1/predict",
            "/v1/models",
            "/metrics",
            "/ready",
        }
        for operation in operations:

            @given(case=operation.as_strategy())
            @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
            def check(case: schemathesis.Case) -> None:
                # no schema can say which bytes are a recording that can be read, and which model
                # takes which key
                case.call_and_validate(excluded_checks=[positive_data_acceptance])

            check()
