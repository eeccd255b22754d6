"""The part of the build that pyproject.toml cannot say: the models in `pretrained/` go into the
package.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithModels(build_py):  # type: ignore[misc]
    """Copy `pretrained/NAME` to `asr/_pretrained/NAME`, where :mod:`asr.model_folder` looks."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the repository's own folder is found
            return
        for index in sorted(Path("pretrained").glob("*/bundle.json")):
            target = Path(self.build_lib) / "asr" / "_pretrained" / index.parent.name
            shutil.copytree(index.parent, target, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithModels})
