"""Which tests execute which line, from one covered run, and how long each of them takes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import coverage


class TestsOf:
    """Tests by line of the watched files; made anew when a watched file or a test has changed."""

    __test__ = False

    def __init__(self, root: Path, files: list[str], folder: Path, workers: int) -> None:
        self._root, self._folder = root, folder
        folder.mkdir(parents=True, exist_ok=True)
        key = _key(root, files)
        if not self._is_of(key):
            self._run(files, workers)
            (folder / "key").write_text(key)
        self._seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text())
        self._data = coverage.CoverageData(basename=str(folder / "lines"))
        self._data.read()

    def of(self, file: str, line: int, last: int) -> list[str]:
        """Test ids that execute a line of ``line`` to ``last``: of each test first its quickest
        case, so that a few hundred of them have seen every test."""
        by_line = self._data.contexts_by_lineno(str(self._root / file))
        found = {c for n in range(line, last + 1) for c in by_line.get(n, ()) if c}
        tests = {context.split("|")[0] for context in found} & self._seconds.keys()
        ranked, seen = [], Counter[str]()
        for test in sorted(tests, key=lambda test: (self._seconds[test], test)):
            ranked.append((seen[test.split("[")[0]], test))
            seen[test.split("[")[0]] += 1
        return [test for _, test in sorted(ranked, key=lambda pair: pair[0])]

    def seconds(self, tests: list[str]) -> float:
        """How long they took in the covered run."""
        return sum(self._seconds[test] for test in tests)

    def _is_of(self, key: str) -> bool:
        kept = self._folder / "key"
        return kept.exists() and kept.read_text() == key

    def _run(self, files: list[str], workers: int) -> None:
        print(
            "which test executes which line: one covered run (minutes, kept until something changes)"
        )
        config = self._folder / "coveragerc"
        config.write_text(
            f"[run]\ndata_file = {self._folder / 'lines'}\nparallel = true\n"
            f"include =\n" + "".join(f"    {self._root / file}\n" for file in files)
        )
        report = self._folder / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "-m", "fast or wire",
             "--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report=",
             f"--junitxml={report}", "-o", "junit_family=xunit1"],
            cwd=self._root, check=False, env={**os.environ, "HEG_NO_INSTALL": "1"},
        )  # fmt: skip
        seconds = {}
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
            test = f"{case.get('file')}::{case.get('name')}"
            if case.find("failure") is None and case.find("error") is None:  # those cannot judge
                seconds[test] = float(case.get("time") or 0)
        (self._folder / "seconds.json").write_text(json.dumps(seconds))


def _key(root: Path, files: list[str]) -> str:
    """Changes when a watched file or a test does."""
    digest = hashlib.sha256()
    for path in [*(root / file for file in files), *sorted((root / "tests").rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
