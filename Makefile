# `make demo` and `make test` work in a fresh clone: both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export MPLBACKEND := Agg

.PHONY: demo test test-avx2 lint docs wheel bench clean environment development

# The bytecode of what `asr transcribe` imports, which a first start would wait for, and every start where
# PYTHONDONTWRITEBYTECODE is set, as in many containers.
BYTECODE := PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "import asr.cli.transcribe, asr.speech.jobs.transcribe, \
	asr.speech.acoustics.onnx, asr.language.punctuation.restorer, llvmlite.binding, numpy.random, onnxruntime"

# A stamp is as new as what it was made from, so a change of the dependencies installs again.
environment: $(VENV)/.installed
development: $(VENV)/.installed-dev
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[train]'
	$(BYTECODE)
	touch $@
$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[train,tune,series,media,mandarin,export,serve,dev]'
	$(BYTECODE)
	touch $@ $(VENV)/.installed

demo: environment ## make speech, train, build an LM, decode, score, transcribe
	$(BIN)/python recipes/demo/run.py

test: development ## unit and integration tests
	$(BIN)/python -m pytest -n 2 -m 'not slow'

# What compiled code has for every kind of processor, held to AVX2: oneDNN, torch, MKL, OpenBLAS, numba, numpy.
# ONNX Runtime has no such switch; its test runs in an emulator (qemu-user) where there is one.
AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
	OPENBLAS_CORETYPE=Haswell NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= \
	NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR"
KERNEL_TESTS := tests/sequence tests/speech/export tests/speech/losses/test_ctc.py tests/test_pretrained.py \
	tests/training/test_precision.py tests/training/test_memory.py

test-avx2: development ## the tests of processor-dependent code, as on a processor with AVX2 only
	$(AVX2) $(BIN)/python -m pytest -n 2 -m 'not slow' $(KERNEL_TESTS)

lint: development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/house.py --check
	$(BIN)/python tools/compile_kernels.py --check

docs: environment ## the documentation site, into site/
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[train,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: environment ## the built wheel decodes in an empty environment with numpy and numba alone
	$(BIN)/python tools/check_wheel.py

bench: environment
	$(BIN)/python benchmarks/training/epoch.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
