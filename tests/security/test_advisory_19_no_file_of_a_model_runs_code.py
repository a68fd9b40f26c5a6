"""Advisory 19, CVE-2024-37052 to 37061: files of models that ran code when they were loaded."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

from conftest import inside
from source_facts import SOURCE, list_calls, list_files, list_imports, parse_file, scans_source

UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("executed", "w"))  # type: ignore[return-value]


@scans_source
def test_nothing_is_unpickled() -> None:
    assert not [(path, module) for path, module in list_imports() if module.partition(".")[0] in UNSAFE]
    loaders = {call for _, call in list_calls() if call.endswith((".load", ".loads")) and not call.startswith("json")}
    # spaCy's pipelines are msgpack and JSON, of a package or folder that the operator names
    assert loaders <= {"tomllib.load", "tomllib.loads", "np.load", "spacy.load"}, loaders
    calls = [node for path in list_files() for node in ast.walk(parse_file(path)) if isinstance(node, ast.Call)]
    arrays = [ast.unparse(call) for call in calls if ast.unparse(call.func) == "np.load"]
    assert arrays and all("allow_pickle=False" in call for call in arrays), arrays


@scans_source
def test_weights_of_others_are_read_as_tensors_alone() -> None:
    for path, call in list_calls():
        assert not call.startswith("torch.load"), path
    assert (SOURCE / "adapters" / "engines" / "gguf.py").exists()


@pytest.mark.parametrize("suffix", ["pkl", "bin", "pt", "gguf"])
def test_a_pickled_model_is_refused_and_not_run(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"model.{suffix}").write_bytes(pickle.dumps(Payload()))
    done = inside(
        "up", "--model", f"model.{suffix}", "--home", str(tmp_path / "home"), "--port", "0", "--console-port", "0"
    )
    assert done.returncode in (2, 4) and not (tmp_path / "executed").exists()
