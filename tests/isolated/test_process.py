"""ONNX files run in a process without credentials; what is not run is refused in one line."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from aigc.errors import JobError, StoreError
from aigc.isolated import child, process
from aigc.isolated.process import GraphProcess, as_array
from tests import onnx_for_tests as nets
from tests.onnx_for_tests import CLASSES, DIM, Leaking, Pictures, Plain, exported, graph, node
from tests.waiting import wait_until


def inputs(rows: int) -> dict[str, np.ndarray]:
    z = np.random.default_rng(0).normal(size=(rows, DIM)).astype(np.float32)
    return {"z": z, "label": np.arange(rows) % len(CLASSES)}


def child_of(graph_process: GraphProcess) -> psutil.Process:
    assert graph_process._running is not None
    return psutil.Process(graph_process._running._process.pid)


def refusal(data: bytes) -> str:
    with pytest.raises(StoreError) as caught:
        GraphProcess(as_array(data), "m.onnx").describe()
    text = str(caught.value)
    assert text.startswith("m.onnx: ")
    assert "\n" not in text
    return text


def test_a_graph_gives_what_its_network_gives() -> None:
    process = GraphProcess(as_array(exported(Pictures)), "m.onnx")
    found = process.describe()
    assert nets.sizes(found) == {"z": ["rows", DIM], "label": ["rows"]}
    assert found["producer"].startswith("pytorch")
    given = inputs(7)
    made = process.run(given, "image")
    with torch.inference_mode():
        network = Pictures().eval()
        expected = network(torch.from_numpy(given["z"]), torch.from_numpy(given["label"]))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected.numpy(), atol=1e-5)
    assert np.array_equal(made, process.run(given, "image"))
    process.close()


def test_a_graph_for_two_rows_gets_a_batch_axis() -> None:
    free, fixed = as_array(exported(Pictures)), as_array(exported(Pictures, free=False))
    process = GraphProcess(fixed, "fixed.onnx", loosen=["z", "label"])
    assert nets.sizes(process.describe()) == {"z": [2, DIM], "label": [2]}
    expected = GraphProcess(free, "free.onnx").run(inputs(9), "image")
    np.testing.assert_array_equal(process.run(inputs(9), "image"), expected)
    with pytest.raises(StoreError, match=r"^fixed\.onnx: fails: "):
        GraphProcess(fixed, "fixed.onnx").run(inputs(9), "image")


def test_its_process_sees_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "not-for-strangers",
        "AWS_SESSION_TOKEN": "token-x",
        "AIGC_KEYS": "/secret/keys.json",
        "HF_TOKEN": "hf-x",
        "HOME": "/home/somebody",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    process = GraphProcess(as_array(exported(Plain)), "m.onnx")
    process.describe()
    seen = Path(f"/proc/{child_of(process).pid}/environ").read_bytes()
    assert b"PATH=" in seen
    for name, value in secrets.items():
        assert name.encode() not in seen
        assert value.encode() not in seen
    process.close()


def test_its_process_cannot_write_files() -> None:
    process = GraphProcess(as_array(exported(Plain)), "m.onnx")
    process.describe()
    child = child_of(process)
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_AS)[0] <= psutil.virtual_memory().total
    process.close()
    assert not psutil.pid_exists(child.pid)


def test_a_process_that_died_is_reported_and_replaced() -> None:
    process = GraphProcess(as_array(exported(Plain)), "m.onnx")
    z = {"noise": inputs(3)["z"]}
    expected = process.run(z, "image")
    child = child_of(process)
    child.suspend()  # so that the pass cannot be done before the signal
    os.kill(child.pid, signal.SIGSEGV)
    child.resume()
    with pytest.raises(JobError, match=r"m.onnx: its process ended \(SIGSEGV\)"):
        for _ in range(100):
            process._running.ask({"act": "run", "output": "image"}, z, 5, "m.onnx")
    np.testing.assert_array_equal(process.run(z, "image"), expected)
    process.close()


def test_a_pass_that_takes_too_long_is_ended() -> None:
    process = GraphProcess(as_array(exported(Plain)), "m.onnx")
    process.describe()
    child = child_of(process)
    child.suspend()
    with pytest.raises(JobError, match=r"one pass takes longer than 0\.2 s"):
        process.run({"noise": inputs(1)["z"]}, "image", timeout_s=0.2)
    assert not psutil.pid_exists(child.pid)


def test_a_forked_worker_has_a_process_of_its_own() -> None:
    process = GraphProcess(as_array(exported(Plain)), "m.onnx")
    z = {"noise": inputs(2)["z"]}
    expected = process.run(z, "image")
    copied = pickle.loads(pickle.dumps(process))
    np.testing.assert_array_equal(copied.run(z, "image"), expected)
    assert child_of(copied).pid != child_of(process).pid
    process._pid = -1  # as it looks after a fork
    theirs = child_of(process).pid
    np.testing.assert_array_equal(process.run(z, "image"), expected)
    assert child_of(process).pid != theirs


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(exported(Plain))
    script = (
        "import os, sys; from aigc.isolated.process import *\n"
        "p = GraphProcess(as_array(open(sys.argv[1], 'rb').read()), 'm'); p.describe()\n"
        "print(p._running._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "m.onnx")],
        capture_output=True,
        text=True,
        check=False,
    )
    child = int(done.stdout)
    wait_until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(self: object, message: object, arrays: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr(child.Graph, "open", without)
    answer, _ = child._answer(child.Graph(), {"act": "open"}, {})
    assert str(process._error("m.onnx", answer)) == (
        "m.onnx: running ONNX files needs the package onnxruntime: pip install 'aigc[onnx]'"
    )


def test_the_parent_needs_neither_package() -> None:
    script = (
        "import sys, aigc.execution.imports, aigc.families.onnx_generator\n"
        "assert not {'onnx', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_external_data_is_refused(tmp_path: Path) -> None:
    path = nets.with_external_data(tmp_path)
    assert (tmp_path / "weights.bin").exists()
    assert "in another file (external data)" in refusal(path.read_bytes())


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(keep: float) -> None:
    data = exported(Pictures)
    assert "damaged or truncated" in refusal(data[: int(len(data) * keep)])


def test_noise_and_text_are_refused() -> None:
    assert "not an ONNX file" in refusal(b"hello, world")
    assert "not an ONNX file" in refusal(bytes(1000))


def test_operators_outside_the_standard_are_refused() -> None:
    foreign = node("Run", ["z"], ["image"], domain="org.example")
    assert "outside the ONNX standard (org.example::Run)" in refusal(graph(foreign))
    drawn = node("RandomNormalLike", ["z"], ["image"])
    assert "random numbers of its own (RandomNormalLike)" in refusal(graph(drawn))
    assert "are not run: StringNormalizer" in refusal(
        graph(node("StringNormalizer", ["z"], ["image"]))
    )


def test_operators_inside_branches_are_looked_at() -> None:
    from onnx import TensorProto, helper

    out = [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    inner = helper.make_graph([node("RandomNormalLike", ["z"], ["b"])], "inner", [], out)
    same = helper.make_graph([node("Identity", ["z"], ["b"])], "same", [], out)
    truth = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    branch = node("If", ["yes"], ["image"], then_branch=inner, else_branch=same)
    assert "random numbers of its own" in refusal(graph(branch, initializer=[truth]))


def test_local_functions_are_what_they_stand_for() -> None:
    import onnx
    from onnx import helper

    body = [node("Exp", ["x"], ["y"])]
    opsets = [helper.make_opsetid("", 17)]
    model = onnx.load_model_from_string(
        graph(node("Power", ["z"], ["image"], domain="org.example"))
    )
    function = helper.make_function("org.example", "Power", ["x"], ["y"], body, opsets)
    model.functions.append(function)
    process = GraphProcess(as_array(model.SerializeToString()), "m.onnx")
    assert process.describe()["operators"] == {"Exp": 1}
    z = np.array([[0.0, 1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(process.run({"z": z}, "image"), np.exp(z), rtol=1e-6)


def test_a_graph_that_asks_for_too_much_memory_ends_in_one_line() -> None:
    from onnx import TensorProto, helper

    size = helper.make_tensor("size", TensorProto.INT64, [2], [2**24, 2**24])
    nodes = node("ConstantOfShape", ["size"], ["big"]), node("Add", ["z", "big"], ["image"])
    process = GraphProcess(as_array(graph(*nodes, shape=(1, 1), initializer=[size])), "m.onnx")
    with pytest.raises(StoreError, match=r"^m\.onnx: (fails: .*alloc|needs more memory)"):
        process.run({"z": np.zeros((1, 1), np.float32)}, "image")


def test_wrong_inputs_are_an_error_of_one_line() -> None:
    process = GraphProcess(as_array(exported(Leaking)), "m.onnx")
    with pytest.raises(StoreError, match=r"^m.onnx: fails: "):
        process.run({"z": np.zeros((2, DIM + 1), np.float32)}, "image")
    with pytest.raises(StoreError, match=r"^m.onnx: fails: .*out of (bounds|range)|must be within"):
        process.run({"z": np.zeros((1, DIM), np.float32), "label": np.array([99])}, "image")
