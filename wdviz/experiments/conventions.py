"""The same optimiser in three conventions, as code: optax, PyTorch, and the paper on AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from wdviz.settings import Settings, decay_rate


def code(settings: Settings) -> dict[str, str]:
    """For each convention the lines that make the optimiser of these settings, with their numbers.

    What decays is told by the number of an array's dimensions where that suffices, for a network with dense layers: 2 for weights, 1
    for biases, norm scales and shifts. L1, dropout and the like are left out.
    """
    return {"optax": _optax(settings), "PyTorch": _torch(settings), "the paper": _paper(settings)}


def _amount(s: Settings) -> str:
    """The decay in the convention of optax and PyTorch, which is multiplied by the learning rate."""
    return f"{s.decay:g} / {s.learning_rate:g}" if s.decay_kind == "independent" else f"{s.decay:g}"


def _coupled(s: Settings) -> bool:
    return s.decay_kind == "coupled"


def _rise(s: Settings) -> int:
    return max(1, s.steps // 10)


def _optax(s: Settings) -> str:
    rate = {
        "constant": f"rate = {s.learning_rate:g}",
        "cosine": f"rate = optax.cosine_decay_schedule({s.learning_rate:g}, {s.steps})",
        "warm-up": f"rise = optax.linear_schedule({s.learning_rate:g} / {_rise(s)}, {s.learning_rate:g}, {_rise(s) - 1})\n"
        f"fall = optax.cosine_decay_schedule({s.learning_rate:g}, {s.steps - _rise(s)})\n"
        f"rate = optax.join_schedules([rise, fall], [{_rise(s)}])",
    }[s.schedule]
    mask = {
        "weights": "decays = lambda params: jax.tree.map(lambda p: p.ndim >= 2, params)",
        "everything": "decays = None",
    }.get(s.decaying, f"decays = ...  # a tree like the parameters, True for what decays: {s.decaying}")
    decay = f"weight_decay={_amount(s)}, mask=decays"
    plain = {"sgd": "optax.sgd(rate)", "momentum": f"optax.sgd(rate, momentum={s.momentum:g})", "adam": "optax.adam(rate)"}[s.optimiser]
    if _coupled(s):
        made = f"optax.chain(optax.add_decayed_weights({decay}), {plain})"
    elif s.optimiser == "adam":
        made = f"optax.adamw(rate, {decay})"
    else:
        direction = f"optax.trace({s.momentum:g}), " if s.optimiser == "momentum" else ""
        made = f"optax.chain({direction}optax.add_decayed_weights({decay}), optax.scale_by_learning_rate(rate))"
    return "\n".join((rate, mask, f"optimiser = {made}"))


def _torch(s: Settings) -> str:
    chosen = {"weights": "p.ndim >= 2", "everything": "True"}.get(s.decaying, f"...  # what decays: {s.decaying}")
    by_hand = s.optimiser == "momentum" and not _coupled(s)  # PyTorch has no SGDW with momentum
    groups = "decays = lambda p: " + chosen
    groups += (
        "\ngroups = [\n"
        f'    {{"params": [p for p in model.parameters() if decays(p)], "weight_decay": {0 if by_hand else _amount(s)}}},\n'
        '    {"params": [p for p in model.parameters() if not decays(p)], "weight_decay": 0},\n]'
    )
    name = {"adam": "Adam" if _coupled(s) else "AdamW"}.get(s.optimiser, "SGD")
    momentum = f", momentum={s.momentum:g}" if s.optimiser == "momentum" else ""
    lines = [groups, f"optimiser = torch.optim.{name}(groups, lr={s.learning_rate:g}{momentum})", *_torch_schedule(s)]
    if by_hand:
        lines += [
            "def shrink():  # in each step, before optimiser.step()",
            "    with torch.no_grad():",
            '        for p in optimiser.param_groups[0]["params"]:',
            f'            p.mul_(1 - optimiser.param_groups[0]["lr"] * {_amount(s)})',
        ]
    return "\n".join(lines)


def _torch_schedule(s: Settings) -> list[str]:
    way, rise = "torch.optim.lr_scheduler", _rise(s)
    if s.schedule == "constant":
        return []
    if s.schedule == "cosine":
        return [f"schedule = {way}.CosineAnnealingLR(optimiser, {s.steps})"]
    return [
        f"rise = {way}.LambdaLR(optimiser, lambda t: (t + 1) / {rise})",  # LinearLR has no rise of one step
        f"fall = {way}.CosineAnnealingLR(optimiser, {s.steps - rise})",
        f"schedule = {way}.SequentialLR(optimiser, [rise, fall], [{rise}])",
    ]


def _paper(s: Settings) -> str:
    """One step, numbered from t = 0, for a weight that decays; the paper's lambda is not multiplied by its alpha."""
    rise = _rise(s)
    fall = f"0.5 * (1 + math.cos(math.pi * (t - {rise}) / {s.steps - rise}))"
    eta = {
        "constant": "1",
        "cosine": f"0.5 * (1 + math.cos(math.pi * t / {s.steps}))",
        "warm-up": f"(t + 1) / {rise} if t < {rise} else {fall}",
    }[s.schedule]
    lines = [f"eta = {eta}  # the schedule" if s.schedule != "constant" else "eta = 1", f"alpha = {s.learning_rate:g}"]
    if _coupled(s):
        lines.append(f"g = g + {s.decay:g} * w")
    else:
        lines.append(f"decay = {decay_rate(s, s.decay):g}  # lambda: the share that a step takes off at the peak")
    if s.optimiser == "adam":
        lines += [
            "m = 0.9 * m + (1 - 0.9) * g",
            "v = 0.999 * v + (1 - 0.999) * g**2",
            "direction = m / (1 - 0.9 ** (t + 1)) / (math.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8)",
        ]
    elif s.optimiser == "momentum":
        lines += [f"m = {s.momentum:g} * m + g", "direction = m"]
    else:
        lines.append("direction = g")
    return "\n".join((*lines, "w = w - eta * (alpha * direction" + (")" if _coupled(s) else " + decay * w)")))
