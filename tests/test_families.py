"""Tests of the convolutional, recurrent and attention networks: outputs and gradients against PyTorch and Equinox, starts, counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wdviz import models, regularisers
from wdviz.models import cells, layers
from wdviz.program import Program

N = 6
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # compiling takes longer than all else here
IMAGES = Program(
    "classification", 64, 3, n_train=N, n_validation=1, n_test=1, family="convolutional", shape=(8, 8, 1), hidden=(4, 5), heads=2,
    activation="tanh", precision="float64",
)  # fmt: skip
SERIES = replace(IMAGES, inputs=24, shape=(24, 1, 1))
COLOUR = replace(IMAGES, inputs=40, shape=(4, 5, 2))  # cannot be halved: one side is odd
RECURRENT = [
    replace(p, family="recurrent", cell=cell, hidden=hidden)
    for p, cell, hidden in ((IMAGES, "tanh", (4, 5)), (SERIES, "gru", (5,)), (IMAGES, "lstm", (5,)))
]
ATTENTION = [
    replace(p, family="attention", hidden=hidden, tokens=tokens, summary=summary)
    for p, hidden, tokens, summary in (
        (IMAGES, (8, 8), "rows", "mean"),
        (IMAGES, (8,), "patches", "class token"),
        (SERIES, (8,), "patches", "mean"),
    )
]
CONVOLUTIONAL = [IMAGES, replace(IMAGES, hidden=(8, 5)), replace(SERIES, pooling="max"), COLOUR]
NORMED = [replace(p, regularisers=("batch norm",)) for p in (IMAGES, *RECURRENT)]
ALL = [*CONVOLUTIONAL, *RECURRENT, *ATTENTION, *NORMED]


def title(program: Program) -> str:
    options = {"convolutional": (program.pooling,), "recurrent": (program.cell,), "attention": (program.tokens, program.summary)}
    return " ".join([program.family, *options[program.family], "x".join(map(str, program.shape)), *program.regularisers])


every = pytest.mark.parametrize("program", ALL, ids=title)


@pytest.fixture(autouse=True, scope="module")
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def started(program: Program) -> tuple[Any, Any]:
    """Parameters of the network's shapes, none of them 0 or 1, so that biases and scales are tested too; no running statistics yet."""
    params, state = jax.eval_shape(lambda key: models.init(program, key), jax.random.key(0))
    leaves, tree = jax.tree.flatten(params)
    drawn = [jnp.asarray(draw(*leaf.shape, seed=i) * (0.7 if leaf.ndim > 1 else 0.3)) for i, leaf in enumerate(leaves)]
    params = jax.tree.unflatten(tree, drawn)
    for layer in params.values():
        if "scale" in layer:
            layer["scale"] += 1
    return params, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), state)


def slopes(program: Program, params: Any, state: Any, x: Any, **training: Any) -> tuple[np.ndarray, Any, np.ndarray]:
    """Outputs, and the gradients of their weighted sum."""
    up = draw(len(x), program.outputs, seed=9)

    def total(params: Any, x: Any) -> Any:
        output, _ = models.apply(program, params, state, x, **training)
        return jnp.sum(output * up), output

    (_, output), (gradient, gradient_x) = compiled(jax.value_and_grad(total, (0, 1), has_aux=True))(params, x)
    return np.asarray(output), jax.tree.map(np.asarray, gradient), np.asarray(gradient_x)


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


# PyTorch


def tensor(array: Any) -> Any:
    torch = pytest.importorskip("torch")
    return torch.tensor(np.asarray(array), dtype=torch.float64, requires_grad=True)


class Peer:
    """The same network in PyTorch: leaf tensors with gradients, and functions on them."""

    def __init__(self, program: Program, params: Any, x: Any) -> None:
        self.program, self.params, self.x = program, jax.tree.map(tensor, params), tensor(x)

    def linear(self, name: str, x: Any) -> Any:
        return x @ self.params[name]["weight"] + self.params[name]["bias"]

    def check(self, output: Any, ours: tuple[np.ndarray, Any, np.ndarray]) -> None:
        close(ours[0], output.detach().numpy())
        (output * tensor(draw(N, self.program.outputs, seed=9))).sum().backward()
        for name, leaves in ours[1].items():
            for leaf, gradient in leaves.items():
                theirs = self.params[name][leaf].grad
                assert theirs is not None, f"{name} {leaf} has no effect there"
                np.testing.assert_allclose(gradient, theirs.numpy(), rtol=1e-9, atol=1e-9, err_msg=f"{name} {leaf}")
        close(ours[2], self.x.grad.numpy())


@pytest.mark.parametrize("program", [*CONVOLUTIONAL, NORMED[0]], ids=title)
def test_convolutional_network_is_that_of_pytorch(program):
    torch: Any = pytest.importorskip("torch")
    functional = torch.nn.functional
    params, state = started(program)
    x = jnp.asarray(draw(N, program.inputs))
    peer = Peer(program, params, x)
    height, width, channels = program.shape
    columns, across = (3, 2) if width > 1 else (1, 1)
    z = peer.x.reshape(N, height, width, channels).permute(0, 3, 1, 2)
    for i, units in enumerate(program.hidden):
        layer = peer.params[f"layer{i + 1}"]
        kernel = layer["weight"].reshape(3, columns, -1, units).permute(3, 2, 0, 1)
        z = functional.conv2d(z, kernel, layer["bias"], padding=(1, columns // 2))
        if "batch norm" in program.regularisers:
            z = functional.batch_norm(z, None, None, layer["scale"], layer["shift"], training=True, eps=1e-5)
        z = torch.tanh(z)
        if program.shape != COLOUR.shape:
            z = {"mean": functional.avg_pool2d, "max": functional.max_pool2d}[program.pooling](z, (2, across))
    output = peer.linear("output", z.permute(0, 2, 3, 1).reshape(N, -1))
    peer.check(output, slopes(program, params, state, x, valid=jnp.ones(N)))


@pytest.mark.parametrize("program", RECURRENT, ids=title)
def test_recurrent_network_is_that_of_pytorch(program):
    torch: Any = pytest.importorskip("torch")
    params, state = started(program)
    x = jnp.asarray(draw(N, program.inputs))
    peer = Peer(program, params, x)
    z = peer.x.reshape(N, program.shape[0], -1)
    for i, units in enumerate(program.hidden):
        reads, recalls = peer.params[f"layer{i + 1} input"], peer.params[f"layer{i + 1} recurrent"]
        second = torch.zeros_like(reads["bias"])
        if program.cell == "gru":
            second = torch.cat([second[: 2 * units], recalls["bias"]])
        weights = [reads["weight"].T, recalls["weight"].T, reads["bias"], second]
        start = torch.zeros(1, N, units, dtype=torch.float64)
        function = {"tanh": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}[program.cell]
        z = function(z, (start, start) if program.cell == "lstm" else start, weights, True, 1, 0.0, True, False, True)[0]
    peer.check(peer.linear("output", z[:, -1]), slopes(program, params, state, x))


@pytest.mark.parametrize("program", ATTENTION, ids=title)
def test_attention_network_is_that_of_pytorch(program):
    torch: Any = pytest.importorskip("torch")
    functional = torch.nn.functional
    params, state = started(program)
    x = jnp.asarray(draw(N, program.inputs))
    peer = Peer(program, params, x)

    def norm(name: str, z: Any) -> Any:
        return functional.layer_norm(z, z.shape[-1:], peer.params[name]["scale"], peer.params[name]["shift"], eps=1e-5)

    z = peer.linear("embedding", torch_tokens(program, peer.x)) + peer.params["positions"]["weight"]
    if program.summary == "class token":
        z = torch.cat([peer.params["class token"]["weight"].expand(N, 1, -1), z], 1)
    for i, width in enumerate(program.hidden):
        parts = [peer.params[f"block{i + 1} {part}"] for part in ("query", "key", "value")]
        inner = norm(f"block{i + 1} norm1", z).transpose(0, 1)
        last = peer.params[f"block{i + 1} projection"]
        joint = [torch.cat([part["weight"].T for part in parts]), torch.cat([part["bias"] for part in parts])]
        attended, _ = functional.multi_head_attention_forward(
            inner, inner, inner, width, program.heads, *joint, None, None, False, 0.0, last["weight"].T, last["bias"], need_weights=False
        )  # fmt: skip
        z = z + attended.transpose(0, 1)
        z = z + peer.linear(f"block{i + 1} contract", torch.tanh(peer.linear(f"block{i + 1} expand", norm(f"block{i + 1} norm2", z))))
    z = norm("norm", z)
    output = peer.linear("output", z[:, 0] if program.summary == "class token" else z.mean(1))
    peer.check(output, slopes(program, params, state, x))


def torch_tokens(program: Program, x: Any) -> Any:
    height, width, channels = program.shape
    if program.tokens == "rows":
        return x.reshape(N, height, width * channels)
    down, across = (4, 1) if width == 1 else (2, 2)
    image = x.reshape(N, height, width, channels)
    patches = [image[:, i : i + down, j : j + across].reshape(N, -1) for i in range(0, height, down) for j in range(0, width, across)]
    return pytest.importorskip("torch").stack(patches, 1)


def test_a_block_is_the_pre_norm_encoder_layer_of_pytorch():
    torch: Any = pytest.importorskip("torch")
    program = replace(ATTENTION[0], hidden=(8,), activation="relu")
    params, state = started(program)
    layer = torch.nn.TransformerEncoderLayer(8, program.heads, 16, 0.0, batch_first=True, norm_first=True).double()
    own = {part: jax.tree.map(tensor, params[f"block1 {part}"]) for part in ("query", "key", "value", "projection", "expand", "contract")}
    own |= {part: jax.tree.map(tensor, params[f"block1 {part}"]) for part in ("norm1", "norm2")}
    joint = [own[part] for part in ("query", "key", "value")]
    values = {
        "self_attn.in_proj_weight": torch.cat([part["weight"].T for part in joint]),
        "self_attn.in_proj_bias": torch.cat([part["bias"] for part in joint]),
    }
    for theirs, ours in (("self_attn.out_proj", "projection"), ("linear1", "expand"), ("linear2", "contract")):
        values |= {f"{theirs}.weight": own[ours]["weight"].T, f"{theirs}.bias": own[ours]["bias"]}
    for name in ("norm1", "norm2"):
        values |= {f"{name}.weight": own[name]["scale"], f"{name}.bias": own[name]["shift"]}
    layer.load_state_dict(values)
    x = jnp.asarray(draw(N, program.inputs))
    embedded = x.reshape(N, 8, 8) @ params["embedding"]["weight"] + params["embedding"]["bias"] + params["positions"]["weight"]
    z = layer(tensor(embedded)).detach().numpy()
    z = layers.layer_norm(params["norm"], jnp.asarray(z)).mean(1) @ params["output"]["weight"] + params["output"]["bias"]
    close(models.apply(program, params, state, x)[0], z)


# Equinox: the same parts again, for where PyTorch is not installed


def filled(module: Any, **leaves: Any) -> Any:
    names = list(leaves)
    return eqx.tree_at(lambda m: [getattr(m, name) for name in names], module, [jnp.asarray(leaves[name]) for name in names])


@pytest.mark.parametrize(("height", "channels"), [(4, 2), (4, 7), (5, 7)], ids=["windows", "transformed rows", "a product for each row"])
def test_convolution_is_that_of_equinox(height, channels):
    assert (channels * 6 >= layers.MANY) == (channels == 7)
    weight, bias, x = draw(9 * channels, 5), draw(5), draw(N, height, 6, channels)
    kernel = weight.reshape(3, 3, channels, 5).transpose(3, 2, 0, 1)
    peer = filled(eqx.nn.Conv2d(channels, 5, 3, padding=1, key=jax.random.key(0)), weight=kernel, bias=bias[:, None, None])
    theirs = jax.vmap(peer)(jnp.asarray(x.transpose(0, 3, 1, 2))).transpose(2, 0, 3, 1)  # (h, n, w, channels)
    rows = jnp.asarray(x.transpose(1, 0, 2, 3).reshape(height, N, 6 * channels))
    for columns in ((0, 1, 2, 3, 4, 5), (0, 2, 4, 1, 3, 5)):
        ours = layers.convolution({"weight": jnp.asarray(weight), "bias": jnp.asarray(bias)}, rows, 6, columns)
        close(ours.reshape(height, N, 6, 5), theirs[:, :, columns])


@pytest.mark.parametrize(("cell", "order"), [("gru", (0, 1, 2)), ("lstm", (0, 1, 2, 3))])
def test_cells_are_those_of_equinox(cell, order):
    units, gates = 5, len(order)
    weight, recalls, bias, second, x = draw(3, gates * units), draw(units, gates * units), draw(gates * units), draw(units), draw(7, N, 3)
    if cell == "gru":
        peer: Any = filled(
            eqx.nn.GRUCell(3, units, key=jax.random.key(0)), weight_ih=weight.T, weight_hh=recalls.T, bias=bias, bias_n=second
        )
    else:
        peer = filled(eqx.nn.LSTMCell(3, units, key=jax.random.key(0)), weight_ih=weight.T, weight_hh=recalls.T, bias=bias)
    carry: Any = jnp.zeros((N, units))
    carry = (carry, carry) if cell == "lstm" else carry
    params = {"weight": jnp.asarray(recalls)} | ({"bias": jnp.asarray(second)} if cell == "gru" else {})
    ours = cells.run(cell, params, jnp.asarray(x @ weight + bias))
    for step in range(7):
        carry = jax.vmap(peer)(jnp.asarray(x[step]), carry)
        close(ours[step], carry[0] if cell == "lstm" else carry)


def test_layer_norm_and_attention_are_those_of_equinox():
    x, params = jnp.asarray(draw(N, 7, 8)), {"scale": jnp.asarray(draw(8)), "shift": jnp.asarray(draw(8, seed=1))}
    norm = filled(eqx.nn.LayerNorm(8), weight=params["scale"], bias=params["shift"])
    close(layers.layer_norm(params, x), jax.vmap(jax.vmap(norm))(x))
    peer = eqx.nn.MultiheadAttention(2, 8, key=jax.random.key(0))
    query, key, value = (x @ p.weight.T for p in (peer.query_proj, peer.key_proj, peer.value_proj))
    close(layers.attention(query, key, value, 2) @ peer.output_proj.weight.T, jax.vmap(lambda one: peer(one, one, one))(x))


# Normalisation


@pytest.mark.parametrize("cell", cells.GATES)
def test_normed_cells_normalise_each_gate_over_its_units(cell):
    """Sums with a common part and another spread give the same states, as long as the recurrent part has it too."""
    units, gates = 6, cells.GATES[cell]
    params = {"weight": jnp.zeros((units, gates * units))} | ({"bias": jnp.zeros(units)} if cell == "gru" else {})
    summed, norm = draw(3, N, gates * units), {"scale": jnp.asarray(draw(gates * units)), "shift": jnp.asarray(draw(gates * units, seed=1))}
    moved = summed.reshape(3, N, gates, units) * np.arange(1, gates + 1)[:, None] + 10 * np.arange(gates)[:, None]
    run = compiled(lambda sums, norm: cells.run(cell, params, sums, norm))
    states = run(summed, norm)
    np.testing.assert_allclose(run(moved.reshape(summed.shape), norm), states, atol=1e-4)


def test_normed_tanh_cell_is_its_formula_with_that_of_equinox_inside():
    weight, summed, scale, shift = draw(5, 5), draw(4, N, 5), draw(5), draw(5, seed=1)
    norm = filled(eqx.nn.LayerNorm(5), weight=scale, bias=shift)
    h = jnp.zeros((N, 5))
    states = cells.run(
        "tanh", {"weight": jnp.asarray(weight)}, jnp.asarray(summed), {"scale": jnp.asarray(scale), "shift": jnp.asarray(shift)}
    )
    for step in range(4):
        h = jnp.tanh(jax.vmap(norm)(summed[step] + h @ weight))
        close(states[step], h)


@pytest.mark.parametrize("program", [NORMED[0], NORMED[1], replace(ATTENTION[1], hidden=(8,))], ids=title)
def test_rows_that_do_not_count_change_nothing(program):
    """Neither what stands in padded rows nor how many there are: outputs of the others, gradients, running statistics."""
    params, state = started(program)
    x, valid = jnp.asarray(draw(N, program.inputs)), (np.arange(N) < N - 2).astype(float)
    other = np.where(valid[:, None] == 1, x, 50.0)

    def loss(params: Any, x: Any, valid: Any) -> Any:
        output, new = models.apply(program, params, state, x, valid=valid)
        return jnp.sum(valid[:, None] * output * draw(N, program.outputs, seed=9)[: len(x)]), (output, new)

    run = compiled(jax.grad(loss, has_aux=True))
    padded, spoilt = run(params, x, valid), run(params, other, valid)
    whole = run(params, x[: N - 2], np.ones(N - 2))
    for name, leaves in whole[0].items():
        for leaf, gradient in leaves.items():
            close(padded[0][name][leaf], gradient)
            close(spoilt[0][name][leaf], gradient)
    for run_of in (padded, spoilt):
        close(run_of[1][0][: N - 2], whole[1][0])
        for new, expected in zip(jax.tree.leaves(run_of[1][1]), jax.tree.leaves(whole[1][1]), strict=True):
            close(new, expected)


def test_running_statistics_of_a_convolution_are_over_examples_and_places():
    program = replace(NORMED[0], hidden=(4,))
    params, state = started(program)
    x = jnp.asarray(draw(N, 64))
    _, new = models.apply(program, params, state, x, valid=jnp.ones(N))
    rows = jnp.asarray(x.reshape(N, 8, 8).transpose(1, 0, 2))
    z = np.asarray(layers.convolution(params["layer1"], rows, 8, tuple(range(8)))).reshape(-1, 4)
    close(new["layer1"]["mean"], 0.1 * z.mean(0))
    close(new["layer1"]["variance"], 0.1 * z.var(0))
    evaluated, same = models.apply(program, params, new, x)
    trained, _ = models.apply(program, params, state, x, valid=jnp.ones(N))
    close(evaluated, trained)  # after one step the unbiased running statistics are those of the batch
    assert same == new


# Dropout


@pytest.mark.parametrize("program", [IMAGES, RECURRENT[0], ATTENTION[0]], ids=title)
def test_dropout_acts_in_training_only(program):
    program = replace(program, regularisers=("dropout",), hidden=program.hidden[:1])
    params, state = started(program)
    x, key = jnp.asarray(draw(N, program.inputs)), jax.random.key(0)
    apply = compiled(lambda rate, **given: models.apply(program, params, state, x, dropout=rate, **given)[0])
    plain, valid = apply(0.5), jnp.ones(N)
    for without in (apply(0.5, key=key), apply(0.5, valid=valid), apply(0.0, valid=valid, key=key)):
        close(without, plain)
    dropped = apply(0.5, valid=valid, key=key)
    assert np.abs(dropped - plain).min() > 1e-6
    assert np.abs(dropped - apply(0.5, valid=valid, key=jax.random.key(1))).min() > 1e-6
    close(apply(0.5, valid=valid, key=key), dropped)
    close(models.apply(replace(program, regularisers=()), params, state, x, valid=valid, key=key, dropout=0.5)[0], plain)


def test_dropout_spares_the_recurrent_connection(monkeypatch):
    """What is dropped is a layer's output, of all steps together: were it the state, the steps would go through it one by one."""
    program = replace(RECURRENT[0], regularisers=("dropout",))
    shapes: list[tuple[int, ...]] = []

    def seen(key: Any, x: Any, rate: Any) -> Any:
        shapes.append(x.shape)
        return x

    monkeypatch.setattr(regularisers, "dropout", seen)
    params, state = started(program)
    models.apply(program, params, state, jnp.asarray(draw(N, 64)), valid=jnp.ones(N), key=jax.random.key(0), dropout=0.5)
    assert shapes == [(8, N, 4), (N, 5)]


# Starts


@pytest.mark.parametrize(("units", "precision", "tolerance"), [(1, "float64", 1e-12), (9, "float64", 1e-12), (40, "float32", 1e-5)])
def test_recurrent_matrices_start_orthogonal(units, precision, tolerance):
    draw_them = compiled(lambda key: cells.orthogonal(key, units, 4, precision))
    gates = np.asarray(draw_them(jax.random.key(3, impl="rbg"))).reshape(units, 4, units)
    assert gates.dtype == precision
    for i in range(4):
        np.testing.assert_allclose(gates[:, i].T @ gates[:, i], np.eye(units), atol=tolerance)
    assert units == 1 or all(np.abs(gates[:, i] - gates[:, 0]).max() > 0.01 for i in range(1, 4))


def test_orthogonal_starts_favour_no_direction():
    """Over many draws from the even distribution each entry has mean 0 and variance 1 / units, the trace mean 0 and variance 1."""
    count, units = 2000, 4
    drawn = np.asarray(compiled(jax.vmap(lambda key: cells.orthogonal(key, units, 1)))(jax.random.split(jax.random.key(0), count)))
    np.testing.assert_allclose(drawn.mean(0), 0, atol=4 / math.sqrt(count * units))
    np.testing.assert_allclose((drawn**2).mean(0), 1 / units, atol=5 * math.sqrt(2 / count) / units)
    trace = np.trace(drawn, axis1=1, axis2=2)
    assert abs(trace.mean()) < 4 / math.sqrt(count)
    assert trace.var() == pytest.approx(1, abs=0.2)
    assert (np.linalg.det(drawn) > 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(count))


@pytest.mark.parametrize("program", [CONVOLUTIONAL[1], NORMED[2], ATTENTION[1]], ids=title)
def test_weights_start_with_their_spread_and_all_else_as_is_customary(program):
    for activation in ("relu", "tanh"):
        wide = replace(program, hidden=(48,), activation=activation, precision="float32")
        params, _ = compiled(lambda key, p=wide: models.init(p, key))(jax.random.key(0))
        for name, leaves in params.items():
            assert not any(np.any(leaves[leaf]) for leaf in ("bias", "shift") if leaf in leaves)
            assert np.all(leaves.get("scale", np.ones(1)) == 1)
            if "weight" not in leaves:
                continue
            weight = np.asarray(leaves["weight"])
            small = name in ("positions", "class token")
            doubled = activation == "relu" and (program.family == "convolutional" or name.endswith("contract"))
            expected = 0.02 if small else math.sqrt((2 if doubled else 1) / weight.shape[0])
            assert weight.std() == pytest.approx(expected, rel=4 / math.sqrt(2 * weight.size))


def test_the_forget_gate_starts_open():
    for program, name, leaf in ((RECURRENT[2], "layer1 input", "bias"), (NORMED[3], "layer1 norm", "shift")):
        assert program.cell == "lstm"
        params, _ = compiled(lambda key, p=replace(program, hidden=(4,)): models.init(p, key))(jax.random.key(0))
        np.testing.assert_array_equal(np.asarray(params[name][leaf]).reshape(4, -1).mean(1), [0, 1, 0, 0])


# The registry


@every
def test_components_are_named_in_order_and_counted(program):
    params, _ = jax.eval_shape(lambda key: models.init(program, key), jax.random.key(0))
    assert sorted(params) == sorted(models.layer_names(program))  # JAX sorts the keys of what it returns
    assert all(set(leaves) <= {"weight", "bias", "scale", "shift"} for leaves in params.values())
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float64")}
    assert models.parameter_count(program) == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_components_have_the_names_that_decay_goes_by():
    assert models.layer_names(IMAGES) == ("layer1", "layer2", "output")
    gru = replace(RECURRENT[1], hidden=(4,), regularisers=("batch norm",))
    assert models.layer_names(gru) == ("layer1 input", "layer1 recurrent", "layer1 norm", "output")
    params, _ = jax.eval_shape(lambda key: models.init(gru, key), jax.random.key(0))
    assert {name: set(leaves) for name, leaves in params.items()} == {
        "layer1 input": {"weight", "bias"},
        "layer1 recurrent": {"weight", "bias"},
        "layer1 norm": {"scale", "shift"},
        "output": {"weight", "bias"},
    }
    assert models.layer_names(replace(ATTENTION[1], hidden=(8,))) == (
        "embedding", "positions", "class token", "block1 norm1", "block1 query", "block1 key", "block1 value", "block1 projection",
        "block1 norm2", "block1 expand", "block1 contract", "norm", "output",
    )  # fmt: skip
    params, _ = jax.eval_shape(lambda key: models.init(NORMED[0], key), jax.random.key(0))
    assert set(params["layer1"]) == {"weight", "bias", "scale", "shift"}


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("program", [replace(IMAGES, family="feedforward"), *ALL], ids=lambda p: p.family)
def test_widths_for_a_budget_are_the_nearest_of_all(program, depth):
    """A wider network has more parameters, so it is enough that neither neighbour's count is nearer."""
    step = program.heads if program.family == "attention" else 1
    count = lambda width: models.parameter_count(replace(program, hidden=(width,) * depth))  # noqa: E731
    assert count(step) < count(2 * step) < count(5 * step) < count(20 * step)
    for budget in (1, 500, 2000, 4000):
        width = models.width_for(replace(program, hidden=(7,) * depth), budget)
        assert width % step == 0
        neighbours = [other for other in (width - step, width + step) if other > 0]
        assert all(abs(count(width) - budget) <= abs(count(other) - budget) for other in neighbours)


def test_what_a_family_cannot_take_is_said():
    assert all(models.fits(family, (8, 8, 1)) for family in ("linear", "feedforward", "convolutional", "recurrent", "attention"))
    assert [models.fits(family, ()) for family in ("linear", "feedforward", "convolutional", "recurrent", "attention")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    key = jax.random.key(0)
    for program, said in (
        (replace(IMAGES, shape=()), "takes images or series"),
        (replace(IMAGES, inputs=60), "60 numbers"),
        (replace(IMAGES, hidden=()), "at least one layer"),
        (replace(ATTENTION[0], hidden=(7, 7)), "multiple of the 2 heads"),
        (replace(ATTENTION[0], hidden=(8, 4)), "one width"),
        (replace(COLOUR, family="attention", hidden=(8,), tokens="patches"), "patches of 2 x 2"),
        (replace(IMAGES, family="quantum"), "it must be one of"),
    ):
        with pytest.raises(ValueError, match=said):
            models.init(program, key)
    with pytest.raises(ValueError, match="no width"):
        models.width_for(replace(IMAGES, family="feedforward", hidden=()), 100)


@pytest.mark.parametrize("program", [IMAGES, RECURRENT[0], ATTENTION[1]], ids=title)
def test_no_rows_forward_mode_and_batches_of_gradients(program: Program):
    """What the pages do beside training: predictions at no points, slopes forwards, and slopes of many inputs at once."""
    program = replace(program, hidden=program.hidden[:1])
    params, state = started(program)

    def outputs(x: Any) -> Any:
        return models.apply(program, params, state, x[None])[0][0]

    none = jax.eval_shape(lambda x: models.apply(program, params, state, x)[0], jnp.zeros((0, program.inputs)))
    assert none.shape == (0, program.outputs)
    x = jnp.asarray(draw(2, program.inputs))
    modes: list[Callable[..., Any]] = [jax.jacfwd, jax.jacrev]
    forwards, backwards = compiled(lambda x: [jax.vmap(mode(outputs))(x) for mode in modes])(x)
    close(forwards, backwards)
