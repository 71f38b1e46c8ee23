"""How networks react, in numbers: under noise, against decay, how far the next other answer is, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wdviz.figures import palette
from wdviz.figures.curves import label_ends
from wdviz.figures.draft import Draft, Drawing
from wdviz.measured import Calibration, Probed, Probes, Rescaled

FLOOR = 1e-2  # reactions below are drawn here, on a logarithmic axis
LOSS_FLOOR = 1e-3
BOUND, NORMED, PLAIN = "#56606d", "#009E73", "#CC79A7"  # the product of norms; with and without batch normalisation
Span = tuple[float, float]


@Drawing
def under_noise(arms: Sequence[Probes], ladder: Sequence[Probes], what: str, *, classes: int, spoken: float, unit: str = "nats") -> Draft:
    """Accuracy, R2 or loss against the strength of the noise on the inputs: medians, both arms bold, the ladder faintly.

    Arguments:
        what: "accuracy", "R2" or "loss".
        classes: of the data set, 0 for regression.
        spoken: the strength that the page's answer speaks of.
    """
    fig, log = Draft(), what == "loss"

    def curve(probes: Probes) -> np.ndarray:
        values = probes.median(lambda p: p.losses if log else p.scores)
        return np.maximum(values, LOSS_FLOOR / 10) if log else values

    for rung in ladder:
        _add_line(fig, rung.probed[0].strengths, curve(rung), palette.tint(palette.GHOST, 0.55), 1.2, f"decay {rung.decay:g}", what)
    ends = []
    for arm in arms:
        y = curve(arm)
        _add_line(fig, arm.probed[0].strengths, y, palette.ARMS[arm.name], 2.8, palette.ARM_NAMES[arm.name], what, seeds=len(arm.probed))
        ends.append((palette.ARM_NAMES[arm.name], arm.name, float(np.log10(y[-1])) if log else float(y[-1])))
    span = _noise_span(arms[0], what, classes)
    label_ends(fig, ends, span)
    _mark(fig, spoken)
    strengths = arms[0].probed[0].strengths
    fig.update_xaxes(title="noise on each input (standard deviation)", range=[0, float(strengths[-1])], zeroline=False, nticks=6)
    form = {"tickformat": ".0%"} if what == "accuracy" else {}
    if log:
        fig.update_yaxes(title=f"loss ({unit}, log)", type="log", range=span, dtick=1)
    else:
        fig.update_yaxes(title=what, range=span, **form)
    return _finish(fig, f"{what[0].upper()}{what[1:]} on new inputs with noise", right=94)


def _noise_span(reference: Probes, what: str, classes: int) -> Span:
    """Fixed by the arm without decay, so that the axis holds still."""
    if what == "accuracy":
        return (max(0.0, 1 / classes - 0.05), 1.0)
    if what == "R2":
        return (-1.0, 1.05)
    losses = reference.probed[0].losses
    finite = losses[np.isfinite(losses) & (losses > 0)]
    high = float(finite.max()) * 1.5 if finite.size else 10.0
    low = float(finite.min()) if finite.size else 0.1
    return math.log10(max(min(low / 2, 0.2), LOSS_FLOOR)), math.log10(max(high, 1.0))


@Drawing
def against_decay(arms: Sequence[Probes], ladder: Sequence[Probes], rungs: Sequence[float]) -> Draft:
    """Mean Jacobian norm, and where there is one the product of the layers' spectral norms that bounds it, for each decay of the ladder.

    Arguments:
        ladder: empty until it is measured.
        rungs: its decays.
    """
    fig = Draft()
    _add_ladder(fig, ladder, lambda p: p.reaction, "mean Jacobian norm", "var(--ink)", "solid", floor=FLOOR)
    first = arms[0].probed[0]
    bounded = len(first.spectral) > 0
    if bounded:
        _add_ladder(fig, ladder, lambda p: p.product, "its bound, the layers' product", BOUND, "dot", floor=FLOOR)
    for arm in arms:
        _add_arm(fig, arm, lambda p: p.reaction, rungs, "mean Jacobian norm", floor=FLOOR)
    reference = first.product if bounded else first.reaction
    high = reference * 4 if math.isfinite(reference) and reference > 0 else 1e3
    _decay_axis(fig, rungs)
    fig.update_yaxes(title="Jacobian norm (log)", type="log", range=[math.log10(FLOOR) - 0.1, math.log10(max(high, 10))], dtick=1)
    return _finish(fig, "Reaction of the answer against decay", legend=True)


@Drawing
def miscalibration(arms: Sequence[Probes], ladder: Sequence[Probes], rungs: Sequence[float]) -> Draft:
    """Expected calibration error for each decay of the ladder; see `against_decay`."""
    fig = Draft()
    _add_ladder(fig, ladder, lambda p: p.calibration.error, "calibration error", "var(--ink)", "solid")
    for arm in arms:
        _add_arm(fig, arm, lambda p: p.calibration.error, rungs, "calibration error")
    _decay_axis(fig, rungs)
    high = arms[0].spread(lambda p: p.calibration.error).high
    fig.update_yaxes(title="calibration error", range=[0, max(0.3, 1.3 * high) if math.isfinite(high) else 0.5], tickformat=".0%")
    return _finish(fig, "Expected calibration error against decay")


@Drawing
def reliability(arms: Sequence[Probes]) -> Draft:
    """How often an answer is right, against how sure the network is of it; the diagonal is where both agree. All seeds together."""
    fig = Draft()
    fig.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": palette.GHOST, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
        name="as sure as right",
        showlegend=False,
    )
    for arm in arms:
        pooled = pool([p.calibration for p in arm.probed])
        some = pooled.counts > 0
        share = pooled.counts[some] / max(pooled.counts.sum(), 1)
        fig.add_scatter(
            x=pooled.confidence[some],
            y=pooled.accuracy[some],
            mode="lines+markers",
            line={"color": palette.ARMS[arm.name], "width": 2, "dash": "dash" if arm.name == "without" else "solid"},
            marker={"size": 5 + 16 * np.sqrt(share), "symbol": "diamond" if arm.name == "without" else "circle", "opacity": 0.9},
            cliponaxis=False,  # points at 100 % are drawn whole
            name=palette.ARM_NAMES[arm.name],
            customdata=share,
            hovertemplate=f"{palette.ARM_NAMES[arm.name]}: of the answers about %{{x:.0%}} sure (%{{customdata:.0%}} of all) "
            "%{y:.0%} are right<extra></extra>",
        )
    fig.update_xaxes(title="confidence", range=[-0.02, 1.04], tickformat=".0%", zeroline=False, dtick=0.25, tickangle=0)
    fig.update_yaxes(title="share that is right", range=[-0.02, 1.06], tickformat=".0%", zeroline=False)
    return _finish(fig, "How sure the network is, and how often it is right", legend=True)


def pool(calibrations: Sequence[Calibration]) -> Calibration:
    """Several seeds' bins, counted together."""
    counts = np.sum([c.counts for c in calibrations], axis=0)
    some = np.where(counts > 0, counts, np.nan)
    sure, right = (
        np.sum([np.nan_to_num(getattr(c, name)) * c.counts for c in calibrations], axis=0) / some for name in ("confidence", "accuracy")
    )
    return Calibration(counts, sure, right)


@Drawing
def flipping_distance(arms: Sequence[Probes]) -> Draft:
    """Share of the test points whose answer a change no longer than this can flip; all seeds together, single ones faintly."""
    fig, ends = Draft(), []
    high = _distance_span(arms[0])
    x = np.linspace(0, high, 120)
    for arm in arms:
        if arm.diverged:
            continue
        curves = [np.searchsorted(np.sort(p.distances), x, side="right") / max(len(p.distances), 1) for p in arm.probed]
        colour = palette.ARMS[arm.name]
        if len(curves) > 1:
            fig.add_scatter(
                x=np.concatenate([np.r_[x, np.nan] for _ in curves]).astype(np.float32),
                y=np.concatenate([np.r_[c, np.nan] for c in curves]).astype(np.float32),
                mode="lines",
                line={"color": palette.tint(colour, 0.28), "width": 1},
                hoverinfo="skip",
                name=f"{arm.name}, seeds",
            )
        mean = np.mean(curves, axis=0)
        _add_line(fig, x, mean, colour, 2.8, palette.ARM_NAMES[arm.name], "share of answers a change of this length can flip", form=".0%")
        ends.append((palette.ARM_NAMES[arm.name], arm.name, float(mean[-1])))
    label_ends(fig, ends, (0.0, 1.0))
    fig.update_xaxes(title="length of the change", range=[0, high], zeroline=False, nticks=5)
    fig.update_yaxes(title="answers it can flip", range=[0, 1], tickformat=".0%")
    return _finish(fig, "How small a change flips the answer", right=94)


def _distance_span(reference: Probes) -> float:
    """Half as far again as where nine in ten answers without decay are flipped."""
    distances = np.concatenate([p.distances for p in reference.probed[:1]])
    finite = distances[np.isfinite(distances)]
    if not finite.size:
        return float(reference.probed[0].reach)
    raw = 1.5 * float(np.quantile(finite, 0.9))
    step = 10.0 ** math.floor(math.log10(max(raw, 1e-6)))
    return min(math.ceil(raw / step * 2) * step / 2, float(reference.probed[0].reach))


@Drawing
def rescaling(normalised: Sequence[Rescaled], plain: Sequence[Rescaled], what: str) -> Draft:
    """What multiplying all hidden weights does to the answers, with and without batch normalisation.

    Arguments:
        normalised, plain: one a seed; none while they are still to come.
        what: "change", of probability, "moved", of values, "accuracy" or "R2".
    """
    fig, moves = Draft(), what in ("change", "moved")
    for runs, name, colour, dash, symbol in (
        (plain, "without batch norm", PLAIN, "dash", "diamond"),
        (normalised, "with batch norm", NORMED, "solid", "circle"),
    ):
        if not runs:
            continue
        values = np.median([r.change if moves else r.scores for r in runs], axis=0)
        said = "answers change by %{y:.3f}" if moves else f"{what} %{{y:.3f}}"
        fig.add_scatter(
            x=np.log2(runs[0].factors),
            y=values.astype(np.float32),
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"size": 7, "symbol": symbol},
            name=name,
            customdata=runs[0].factors,
            hovertemplate=f"{name}, all hidden weights x %{{customdata:.2g}}: {said}<extra></extra>",
        )
    fig.update_xaxes(title="hidden weights multiplied by", tickvals=[-2, -1, 0, 1, 2], ticktext=["¼", "½", "1", "2", "4"], zeroline=False)
    titles = {"change": "mean change of probability", "moved": "mean change of the values", "accuracy": "accuracy", "R2": "R2"}
    spans = {"change": [-0.03, 1.0], "moved": [-0.1, 3.0], "accuracy": [0, 1.03], "R2": [-1, 1.05]}
    fig.update_yaxes(title=titles[what], range=spans[what], tickformat=".0%" if what == "accuracy" else None)
    return _finish(fig, "Multiplying all hidden weights", legend=True)


def placed(decays: Sequence[float], decay: float) -> float:
    """Where a decay lies on the ladder's axis, which is logarithmic but for its first rung, 0; beyond its end no further than that."""
    above = [i for i, d in enumerate(decays) if d >= decay]
    if not above:
        return len(decays) - 1.0
    i = above[0]
    if decays[i] == decay:
        return float(i)
    low, high = decays[i - 1], decays[i]
    if low == 0:
        return i - 1 + 0.25 + 0.75 * decay / high
    return i - 1 + math.log(decay / low) / math.log(high / low)


# --- parts ------------------------------------------------------------------------------------------------------------------------


def _add_line(
    fig: Draft, x: np.ndarray, y: np.ndarray, colour: str, width: float, name: str, what: str, *, form: str = ".3f", seeds: int = 0
) -> None:
    of = f", median of {seeds} seeds" if seeds > 1 else ""
    fig.add_scatter(
        x=np.asarray(x, np.float32),
        y=np.asarray(y, np.float32),
        mode="lines",
        line={"color": colour, "width": width},
        name=name,
        hovertemplate=f"{name}{of}: {what} %{{y:{form}}} at %{{x:.2f}}<extra></extra>",
    )


def _add_ladder(
    fig: Draft, ladder: Sequence[Probes], number: Callable[[Probed], float], name: str, colour: str, dash: str, *, floor: float = 0.0
) -> None:
    """The median over the seeds on each rung, and their range as a bar; rungs on which a seed diverged are left out."""
    spreads = [(i, r.decay, r.spread(number)) for i, r in enumerate(ladder)]
    spreads = [each for each in spreads if math.isfinite(each[2].median)]
    if not spreads:
        return
    y = np.maximum([s.median for *_, s in spreads], floor)
    fig.add_scatter(
        x=[i for i, *_ in spreads],
        y=y,
        error_y={
            "array": np.maximum([s.high for *_, s in spreads], floor) - y,
            "arrayminus": y - np.maximum([s.low for *_, s in spreads], floor),
            "color": palette.GHOST,
            "thickness": 1,
            "width": 3,
        },
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 5},
        name=name,
        customdata=[[d, s.median, s.seeds] for _, d, s in spreads],
        hovertemplate=f"decay %{{customdata[0]:g}}: {name} %{{customdata[1]:.3g}}, median of %{{customdata[2]}}<extra></extra>",
    )


def _add_arm(fig: Draft, arm: Probes, number: Callable[[Probed], float], rungs: Sequence[float], what: str, *, floor: float = 0.0) -> None:
    """The arm's median where its decay lies on the axis."""
    value = arm.spread(number).median
    if not math.isfinite(value):
        return
    fig.add_scatter(
        x=[placed(rungs, arm.decay)],
        y=[max(value, floor)],
        mode="markers",
        marker={
            "color": palette.ARMS[arm.name],
            "size": 12,
            "symbol": "diamond" if arm.name == "without" else "circle",
            "line": {"color": palette.PALE, "width": 1.5},
        },
        name=palette.ARM_NAMES[arm.name],
        showlegend=False,
        customdata=[value],
        hovertemplate=f"{palette.ARM_NAMES[arm.name]} ({arm.decay:g}): {what} %{{customdata:.3g}}<extra></extra>",
    )


def _decay_axis(fig: Draft, rungs: Sequence[float]) -> None:
    """The rungs side by side; a click on one makes it the decay."""
    texts = [f"{decay:g}" for decay in rungs]
    fig.update_xaxes(
        title="weight decay",
        range=[-0.3, len(texts) - 0.7],
        tickvals=list(range(len(texts))),
        ticktext=texts,
        zeroline=False,
    )
    fig.update_layout(meta={"put": {"x": {"name": "decay", "values": texts}}})


def _mark(fig: Draft, at: float) -> None:
    fig.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": palette.GHOST, "width": 1, "dash": "dot"})


def _finish(fig: Draft, title: str, *, legend: bool = False, right: int = 14) -> Draft:
    fig.update_layout(
        title=palette.title(title),
        showlegend=legend,
        margin={"l": 56, "r": right, "t": 30 if legend else 12, "b": 44},
        legend=palette.LEGEND,
    )
    return fig
