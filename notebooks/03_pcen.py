# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,jupyter,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # PCEN: a front-end that turns itself down
#
# **You will**
# - build automatic gain control by hand and arrive at equation (3) of the paper, equal to the library's and librosa's;
# - predict, then see, what each of its constants does;
# - measure why one setting cannot serve both a vacuum cleaner and speech;
# - train two PCEN layers in parallel, watch their parameters move, and draw the paper's Figure 2 from them;
# - try what the paper leaves open and what its released code does otherwise.
#
# **You need** lesson 01 (log-Mel spectrograms), a little PyTorch, the training of lesson 04 in outline; headphones at
# a moderate level.
#
# **Time** to read and try: 75 minutes. To run on two cores: about 12 min with profile `lesson`, of which the training
# takes most, 40 s with profile `smoke`; a training that has finished is not done again.
#
# **Paper** Cornell et al., DCASE Workshop 2020: sections 3.3 and 4.1, equation (3), Figure 2, Table 1. PCEN is Wang et
# al.'s (the paper's reference 12); why it works is in Lostanlen et al. (22).

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# The first half needs no training and uses the paper's sizes, whatever the profile: 128 Mel bands, a frame every 16
# ms.

# %%
import dataclasses
import inspect
import textwrap

import librosa
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

# %% [markdown]
# And the course's own: the library, MiniDESED, the paper's tables, what only lessons use.

# %%
from minidesed import domains, soundscapes, voices
from reproduction import comparisons, retention, sounds
from reproduction.rows import ROWS
from sedcourse import check, explore, explorer, html, live, players, plots
from sedlib import features, models, systems, training, workspace
from sedlib.config import Features
from sedlib.data import encoder, scenes, tables

# %% [markdown]
# ## Gain control by hand
#
# The same dog barks twice, first far away, then close by. The two barks are copies of each other; only the level
# differs, by 28 dB. Listen: it is one dog to you, both times.

# %%
sizes = Features()
hop_s = sizes.hop / sizes.sample_rate
rng = np.random.default_rng([seed, 3, 1])
dog = voices.Voices("synthetic").of_clip(rng)
bark = dog.event("Dog", 1.5, rng)
barks = 0.002 * dog.background(10.0, rng)
for start, level in ((2, 0.02), (6, 0.5)):
    barks[start * 16000 :][: len(bark)] += level * bark
players.play(barks, "A far bark and a near one")

# %% [markdown]
# What a front-end starts from is $E(t, f)$ in Mel bands; as in the paper, scaled to $[0, 1]$ clip by clip. The paper calls it
# filter bank energy. Here, as in the baseline and the released code, it is an *amplitude*: a factor of 10 is 20 dB. Here is the band in
# which the barks are strongest. **Predict:** how high is the far bark beside the near one?

# %%
mel = features.LogMel(sizes).mel(torch.from_numpy(barks)[None])[0, 0].numpy()
energy = mel / mel.max()
band = energy.max(axis=1).argmax()
times = hop_s * np.arange(energy.shape[1])
far, near = (energy[band][(times > a) & (times < a + 2)].max() for a in (2, 6))
fig, axes = plots.figure(10, 2.4)
axes[0, 0].plot(times, energy[band], color=plots.BLUE)
axes[0, 0].set(xlabel="time (s)", ylabel="E (no unit)", xlim=(0, 10))
plots.show(fig, f"E of one Mel band over time: the near bark reaches {near:.2f}, "
                f"the far one {far:.3f}, which is hardly to be seen.")

# %% [markdown]
# A network that has learned barks at one level has to learn them again at the other. A logarithm helps, as it turns
# the factor of 25 in amplitude into a step of 28 dB; the step is still there. A listener's trick is another one: to judge each
# moment **against what came just before**. For that we need a running average that forgets,
#
# $$M(t, f) = (1 - s) \, M(t-1, f) + s \, E(t, f).$$
#
# **Exercise 1.** Write it for E `(mel, frame)`. Let $M$ start at $E$ of the first frame. A loop over the frames
# is fine.

# %% jupyter={"source_hidden": true} tags=["solution"]
def smoother(energy: np.ndarray, s: float) -> np.ndarray:
    """M of every band, (mel, frame)."""
    m = np.empty_like(energy)  # given
    m[:, 0] = energy[:, 0]
    for t in range(1, energy.shape[1]):
        m[:, t] = (1 - s) * m[:, t - 1] + s * energy[:, t]
    return m

# %% [markdown]
# Which way does it run, and where does it start?

# %%
check.smoother(smoother)

# %% [markdown]
# The same in sedlib, for a whole batch and for several $s$ at once, with a gradient, and without a slow loop in
# Python:

# %%
print(inspect.getsource(features.smooth).split('"""')[0])
m = smoother(energy, 0.04)
torch.testing.assert_close(
    torch.from_numpy(m), features.smooth(torch.from_numpy(energy), 0.04))
print("equal")

# %% [markdown]
# Now divide. **Predict:** how high will the far bark be beside the near one, and what will the silence between them
# look like?

# %%
def levels(x):
    return [x[band][(times > a) & (times < a + 2)].max() for a in (2, 6)]

divided = energy / (1e-6 + m)
fig, axes = plots.figure(10, 4.2, nrows=2, sharex=True)
axes[0, 0].plot(times, energy[band], color=plots.BLUE, label="E")
axes[0, 0].plot(times, m[band], color=plots.VERMILION, linestyle="--", label="M")
axes[0, 0].set(ylabel="no unit", yscale="log")
axes[0, 0].legend(ncols=2)
axes[1, 0].plot(times, divided[band], color=plots.BLUE)
axes[1, 0].set(xlabel="time (s)", ylabel="E / M (no unit)", xlim=(0, 10))
words = "far {:.1f}, near {:.1f}".format(*levels(divided))
plots.show(fig, "Above, E of one band and its average M, which follows late. Below, "
                f"E / M: around 1 in silence, at the barks {words}.")
print(f"largest E / M: {words}")

# %% [markdown]
# The level is nearly gone: whatever stays for a while ends at 1, be it loud or soft. That is also what is wrong with
# it. The room's noise is at 1 as well, with all its grain, and a sound that *lasts* is divided away by itself. Three
# constants temper it:
#
# $$\mathrm{PCEN}(t,f) = \left( \frac{E(t,f)}{(\epsilon + M(t,f))^{\alpha}} + \delta \right)^{r} - \delta^{r}.$$
#
# With $\alpha < 1$ only a part of the level is taken away. $\delta$ and $r$ compress: what is then much larger than
# $\delta$ grows only with the power $r$, what is much smaller stays in proportion. $-\delta^r$ makes silence 0.
# **Exercise 2.** Write equation (3).

# %% jupyter={"source_hidden": true} tags=["solution"]
def pcen(energy, m, alpha, delta, r, eps):
    """Equation (3)."""
    return (energy / (eps + m) ** alpha + delta) ** r - delta**r

# %% [markdown]
# Mind the brackets.

# %%
check.pcen(pcen)

# %% [markdown]
# The same in sedlib. It is written with `log1p` and `expm1`, because the difference of two nearly equal powers would
# lose the soft sounds to rounding.

# %%
print(inspect.getsource(features.pcen).split('"""')[2])
constants = dict(alpha=0.98, delta=2.0, r=0.5, eps=1e-6)
ours = pcen(energy, m, **constants)
library = features.pcen(torch.from_numpy(energy), torch.from_numpy(m), **constants)
print(f"largest difference {np.abs(ours - library.numpy()).max():.1g}, "
      f"of values up to {ours.max():.2g}")

# %% [markdown]
# librosa has the same function with other names: gain for $\alpha$, bias for $\delta$, power for $r$, b for $s$. It
# lets $M$ start at 1, louder than anything in our clip, so that the first seconds come out too soft. Give it our start
# as the filter's state `zi`, which is $(1 - s) \, M$ of the frame before:

# %%
start = (1 - 0.04) * energy[:, :1]
names = dict(gain=0.98, bias=2.0, power=0.5, eps=1e-6, b=0.04)
same_start = librosa.pcen(energy, zi=start, **names)
np.testing.assert_allclose(same_start, ours, rtol=1e-3, atol=1e-5)
print("equal")
as_it_is = librosa.pcen(energy, **names)
off = np.abs(as_it_is - ours).max(axis=0) > 0.01
print(f"with librosa's own start, differences above 0.01 until {times[off].max():.1f} s")

# %% [markdown]
# ### How long is "just before"?
#
# The frames that $M$ remembers have the weights $s$, $s(1-s)$, $s(1-s)^2$, ... back in time. Their spread (the
# standard deviation of a geometric distribution) is $T = \sqrt{1-s} / s$ frames. Solved for $s$, that is the formula
# which librosa uses and by which the paper's "T = 400 ms" becomes a coefficient:
#
# $$s = \frac{\sqrt{1 + 4 T^2} - 1}{2 T^2}, \quad T \ \mathrm{in\ frames}.$$
#
# **Exercise 3.** Write $s$ for a time constant in seconds and the length of a frame, `frame_s`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def coefficient(seconds: float, frame_s: float) -> float:
    """s of a time constant."""
    frames = seconds / frame_s
    return (np.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)

# %% [markdown]
# In which unit is $T$?

# %%
check.coefficient(coefficient)

# %% [markdown]
# The same in sedlib, for the paper's two settings; and the other way round, for the two coefficients of the trainable
# layers.

# %%
for seconds in (0.4, 0.06):
    s = coefficient(seconds, hop_s)
    assert np.isclose(s, features.coefficient(seconds, hop_s))
    print(f"T = {1000 * seconds:.0f} ms: s = {s:.3f}")
for s in (0.015, 0.25):
    print(f"s = {s}: T = {1000 * features.time_constant(s, hop_s):.0f} ms")

# %% [markdown]
# ## What each constant does
#
# First without time: what comes out for a sound that has been steady for long ($M = E$), and for one that has just
# become ten times as strong ($E = 10 M$)? The distance between the two lines is how much an onset stands out.
# **Predict** for each of $\alpha$, $\delta$, $r$ and $\epsilon$: what does a larger value do to the steady sound, and
# what to the distance, for soft and for loud sounds? Sketch it before you run the cell.

# %%
db = np.linspace(-100, 0, 200)
usual = dict(alpha=0.8, delta=2.0, r=0.5, eps=1e-6)
tried = dict(alpha=(0.4, 0.8, 0.98), delta=(0.1, 2, 10), r=(0.25, 0.5, 1),
             eps=(1e-6, 1e-3, 0.1))
fig, axes = plots.figure(12, 3.6, ncols=4, sharey=True)
for ax, (name, values) in zip(axes[0], tried.items()):
    for value, colour in zip(values, (plots.ORANGE, plots.BLUE, plots.BLACK)):
        level = 10 ** (db / 20)
        for jump, line in ((1, "-"), (10, "--")):
            y = pcen(jump * level, level, **usual | {name: value})
            label = f"{value:g}" if jump == 1 else None
            ax.plot(db, y, color=colour, linestyle=line, label=label)
    ax.set(xlabel="level of M (dB)", yscale="log", ylim=(1e-4, 30), title=name)

# %% [markdown]
# Solid lines: steady. Dashed lines: ten times stronger than just before.

# %%
for ax in axes[0]:
    ax.legend(loc="lower right")
    ax.grid(color="0.85")
axes[0, 0].set_ylabel("PCEN (no unit)")
def steady(db, **changed):
    return pcen(10 ** (db / 20), 10 ** (db / 20), **usual | changed)

words = ", ".join(f"{steady(-20, alpha=a) / steady(-60, alpha=a):.1f} times (alpha {a})"
                  for a in tried["alpha"])
plots.show(fig, "PCEN against level, three values of each constant, steady (solid) and "
                f"risen tenfold (dashed). Steady and 40 dB louder: {words}.")
print(f"40 dB more of a steady sound come out as {words}")

# %% [markdown]
# Read it off, and compare with your sketch.
# - $\alpha$ tilts the lines: at 0.98 a steady sound comes out almost the same at every level, at 0.4 its level is
#   still there.
# - $\delta$ and $r$ compress what is left. Far above $\delta$ a factor of ten becomes $10^r$, far below it stays ten:
#   a small $\delta$ compresses everything, a large one hardly anything, and $r$ says how strongly. With $r = 1$
#   nothing is compressed, and $\delta$ cancels.
# - $\epsilon$ only matters for what is softer than it: there the division stops, and silence stays silent instead of
#   being blown up. As $E$ is scaled to $[0, 1]$, $\epsilon = 10^{-6}$ means 120 dB below the loudest.
#
# Now time. A sound that starts and stays, three time constants. **Predict** which of them shows the onset, which the
# whole sound.

# %%
t = hop_s * np.arange(400)
step = np.where(t < 2, 0.01, 0.5)[None]
fig, axes = plots.figure(10, 2.8)
settled = {}
styles = zip((0.06, 0.4, 2), (plots.VERMILION, plots.BLUE, "k"), plots.LINES)
for seconds, colour, line in styles:
    y = pcen(step, smoother(step, coefficient(seconds, hop_s)), **usual)[0]
    away = (t >= 2) & (np.abs(y / steady(20 * np.log10(0.5)) - 1) > 0.1)
    settled[seconds] = f"{1000 * seconds:.0f} ms: {hop_s * away.sum():.2f} s"
    axes[0, 0].plot(t, y, color=colour, linestyle=line, label=f"T = {seconds:g} s")
axes[0, 0].set(xlabel="time (s)", ylabel="PCEN (no unit)", xlim=(1, 6))
axes[0, 0].legend()
words = f"within 10 % of the steady value after, by T, {', '.join(settled.values())}"
plots.show(fig, f"PCEN of a step at 2 s: it jumps and sinks, {words}.")
print(words)

# %% [markdown]
# $T$ is how long a sound counts as new. After such a large jump the first part of the fall is quick, because a small
# share of the new energy is already much beside the old $M$; the rest takes a few $T$. A short $T$ shows less of the
# jump as well, because $M$ takes in a share $s$ of the new energy in the very frame in which it comes.
#
# Now pictures: the clip that Figure 2 of the paper describes. A vacuum cleaner is on before the clip begins and until
# after its end, and somebody speaks three times. It is made like the clips of the development set, with both classes
# equally loud, and follows from the seed; nobody has looked for one with a nice result.

# %%
print(inspect.getsource(sounds.figure2_clip).split('"""')[2])
clip, events = sounds.figure2_clip(seed)
speech = events[events["event_label"] == "Speech"]
players.play(clip, f"Figure 2: {plots.in_words(events)}")
mel = features.LogMel(sizes).mel(torch.from_numpy(clip)[None])[0, 0].numpy()
energy = (mel - mel.min()) / (mel.max() - mel.min())

# %% [markdown]
# Move the sliders; the first values are Fixed PCEN 1 of Table 1 (its $r$ is not given; 0.5 is usual). **Predict:**
# which one brings the lines of the vacuum cleaner back?

# %%
def at(alpha: float, milliseconds: float) -> tuple[plots.Figure, str]:
    s = coefficient(milliseconds / 1000, hop_s)
    y = pcen(energy, smoother(energy, s), alpha, delta=2.0, r=0.5, eps=1e-6)
    kept = retention.retention(y, hop_s, speech)
    title = f"alpha {alpha}, T {milliseconds} ms"
    words = f"stationary share {kept.stationary:.2f}, onset contrast {kept.onset:.2f}"
    fig = plots.front_ends({f"{title}: {words}": y}, hop_s)
    return fig, f"PCEN of a clip with a vacuum cleaner and speech, {title}; {words}."

# %% [markdown]
# What the two numbers above each picture mean comes next.

# %%
explore.explore(at, interactive, alpha=[0.98, 0.8, 0.4], milliseconds=[400, 60, 2000])

# %% [markdown]
# ## One setting for a vacuum cleaner and for speech?
#
# What the eye sees in these pictures can be counted, with two numbers that do not change when a picture is scaled or
# shifted:
# - **stationary share**: how much of the picture is a pattern that stays, $\mathrm{Var}_f$ of the mean over time,
#   divided by the variance of everything;
# - **onset contrast**: how far the rises of energy while somebody speaks stand out from those at other times, in
#   standard deviations (d').

# %%
print(inspect.getsource(retention.stationary_share).split('"""')[2])
print(inspect.getsource(retention.onset_contrast).split('"""')[2])

# %% [markdown]
# Table 1 has log-Mel and three fixed settings. This is what they keep, on ten clips like the one above. **Predict**
# the order in both columns.

# %%
names = ("logmel", "fixed_pcen_1", "fixed_pcen_2", "fixed_pcen_3")
fixed = {name: models.Detector(systems.configuration(name, "paper")) for name in names}
clips = [sounds.figure2_clip(seed + i) for i in range(10)]

@torch.no_grad()
def seen(detector, waveform: np.ndarray) -> np.ndarray:
    """What the CRNN sees of a clip, (channel, mel, frame)."""
    logmel = detector.features(torch.from_numpy(waveform)[None])
    return detector.frontend(logmel)[0].numpy()

def kept_by(see, step_s: float) -> np.ndarray:
    """Both numbers, (clip, channel, 2), of what `see` gives of each clip."""
    said = [table[table["event_label"] == "Speech"] for _, table in clips]
    return np.array([[retention.retention(x, step_s, there) for x in see(waveform)]
                     for (waveform, _), there in zip(clips, said)])

# %% [markdown]
# The paper's score stands beside them.

# %%
def in_numbers(values: np.ndarray) -> tuple[str, str]:
    """Mean and deviation over the clips."""
    return tuple(f"{m:.2f} ± {d:.2f}" for m, d in zip(values.mean(0), values.std(0)))

paper = {row.system: row for row in ROWS if row.table == 1}
rows = []
for name, detector in fixed.items():
    numbers = in_numbers(kept_by(lambda x: seen(detector, x), hop_s)[:, 0])
    rows.append((paper[name].name, *numbers, paper[name].paper["dev_f1"]))
columns = ["front-end", "stationary share", "onset contrast", "paper's F1 (%)"]
html.table(pd.DataFrame(rows, columns=columns), "Ten clips, mean ± deviation")

# %% [markdown]
# Fixed PCEN 1 wipes out what stays: there is next to nothing of the vacuum cleaner in its picture but grain, and a
# network that is to find vacuum cleaners has to do it by that. A smaller $\alpha$ (Fixed 2) gives a part of it back, a
# shorter $T$ (Fixed 3) more. That may surprise: with so short a memory, $M$ is nearly $E$ itself, so that PCEN comes
# close to a compressed $E^{1 - \alpha}$, which keeps any pattern.
#
# Is that so for all classes? Let each of the ten sound for ten seconds in a quiet, clean clip, in three variants, and
# take the stationary share. **Predict:** for which classes does log-Mel have much of it, that is, who has something to
# lose?

# %%
def alone(label: str, variant: int) -> np.ndarray:
    k = tables.CLASSES.index(label)
    rng = np.random.default_rng([seed, 3, 3, k, variant])
    event = scenes.Event(label, 0.0, 10.0)
    return soundscapes.mix([event], voices.Voices("real"), domains.SYNTHETIC, rng)[0]

waveforms = {label: [alone(label, i) for i in range(3)] for label in tables.CLASSES}
def mean_share(detector, label: str) -> float:
    pictures = [seen(detector, waveform)[0] for waveform in waveforms[label]]
    return np.mean([retention.stationary_share(x) for x in pictures])

share = {name: {label: mean_share(detector, label) for label in tables.CLASSES}
         for name, detector in fixed.items()}
share = pd.DataFrame(share).sort_values("logmel")

# %% [markdown]
# The classes are sorted by what log-Mel shows of them.

# %%
fig, axes = plots.figure(10, 4)
rows = np.arange(len(share))
colours = (plots.BLACK, plots.VERMILION, plots.ORANGE, plots.SKY)
for name, colour, marker in zip(names, colours, "oXDs"):
    axes[0, 0].plot(share[name], rows, marker, color=colour, markeredgecolor="black",
                    label=paper[name].name, clip_on=False)
axes[0, 0].set_yticks(rows, [label.replace("_", " ") for label in share.index])
axes[0, 0].set(xlabel="stationary share (no unit)", xlim=(0, 1))
axes[0, 0].grid(color="0.85")
axes[0, 0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, frameon=False)
words = share.round(2).to_dict("index")
plots.show(fig, f"Stationary share of each class by each front-end: {words}")

# %% [markdown]
# Whoever stands at the top of the picture has most to lose. The setting that frees a bark from its background takes
# the vacuum cleaner with it, and the setting that keeps the vacuum cleaner keeps the background too. That is the
# conflict of section 3.3.
#
# ## Trainable PCEN
#
# The first way out: let the training choose. $\alpha$, $\delta$ and $r$ must stay positive and should stay sane,
# whatever gradient descent does. So each is low (high / low)$^{\sigma(z)}$, and $z$ learns; it can go anywhere:

# %%
from sedlib.features.pcen import ALPHA, DELTA, R, Bounded

print(textwrap.dedent(inspect.getsource(Bounded.forward)))
for name, (low, high) in dict(alpha=ALPHA, delta=DELTA, r=R).items():
    print(f"{name} between {low:g} and {high:g}")

# %% [markdown]
# $s$ does not learn in the paper. Two smoothers run, $s_1 = 0.015$ (about a second) and $s_2 = 0.25$ (55 ms), and what
# learns is how to mix them: with weights $w_1 + w_2 = 1$, a softmax, for each Mel band.

# %%
print(textwrap.dedent(inspect.getsource(features.PCEN.smoothed)))
print(textwrap.dedent(inspect.getsource(features.PCEN.forward).split('"""')[2]))

# %% [markdown]
# ### Parallel PCEN
#
# The second way out, and the paper's own: do not choose. Let several layers run **in parallel**, each with its own
# $\alpha$, $\delta$, $r$ and weights, and give the CRNN all of them, as the channels of its input, like the colours of
# a picture. In the code above, `layers` is just one more axis.

# %%
config = systems.configuration("ppcen_logmel", profile)
frame_s = config.features.hop / config.features.sample_rate
torch.manual_seed(seed)
untrained = models.Detector(config).eval()
x = untrained.features(torch.from_numpy(clip)[None])
print("log-Mel", tuple(x.shape), "to", tuple(untrained.frontend(x).shape))
learning = {name: p for name, p in untrained.pcen.named_parameters() if p.requires_grad}
count = sum(p.numel() for p in learning.values())
total = sum(p.numel() for p in untrained.parameters())
print(f"{count} parameters of the front-end learn, of {total:,} in all")

# %% [markdown]
# Everything can be differentiated, so the loss of the detector reaches the front-end. Here is the gradient's largest
# value for each parameter, for the labels of our clip and **before** any training; $z$ is what learns of each bounded
# number:

# %%
labels = torch.from_numpy(encoder.strong_labels(
    events, ["figure2.wav"], config.frames, config.frame_s))

def gradients(detector) -> dict[str, torch.Tensor | None]:
    detector.zero_grad()
    F.binary_cross_entropy(detector(x).strong, labels).backward()
    return {name: p.grad for name, p in detector.pcen.named_parameters()}

for name, gradient in gradients(untrained).items():
    size = "does not learn" if gradient is None else f"{gradient.abs().max():.1e}"
    print(f"{name:10} {size}")

# %% [markdown]
# **Predict:** both layers have the same form and the same loss. What would happen if they also started at the same
# values?
#
# They would get similar gradients and might stay alike; only the CRNN's random weights tell them apart. The paper does
# not say where it starts. Here the two layers start apart in $\alpha$:

# %%
print({name: tuple(getattr(config.pcen, name)) for name in ("alpha", "delta", "r", "s")})

# %% [markdown]
# Now train: the mean teacher of lesson 04 with another front-end, `ppcen_logmel`, the last row of Table 1. A run that
# was finished before is not trained again.
#
# **Predict:** will the two values of $\alpha$ move apart or together?

# %%
root = workspace.dataset(data, profile)
folder = workspace.run_folder(profile, root, "ppcen_logmel", seed)
with live.LiveCurves(interactive) as curves:
    run = training.train(config, root, seed, folder, curves, progress=interactive)
results = training.score(run, root, progress=interactive)

# %% [markdown]
# What the layers were after each epoch:

# %%
history = run.metrics
first, last = history.iloc[0], history.iloc[-1]
paths = [name for name in history if name.startswith("pcen")]
words = ", ".join(f"{name} {first[name]:.2f} to {last[name]:.2f}" for name in paths)
fig = plots.pcen_paths(history)
plots.show(fig, f"Parameters of the two layers over the epochs: {words}")
distance = [abs(row["pcen1_alpha"] - row["pcen2_alpha"]) for row in (first, last)]
print("alpha: the layers moved " + ("apart" if distance[1] > distance[0] else "together"))

# %% [markdown]
# A short training does not take the layers far from where they started: remember where that was when you read the next
# picture. (The paper's training is much longer.)
#
# ## Figure 2
#
# The paper on its own: "the first PCEN layer captures also more slow-varying events. In fact, the background noise and
# the vacuum cleaner harmonics can be clearly distinguished [...] the second PCEN layer focuses only on events with
# faster onset such as speech." Which layer is called the first says nothing. Here are ours, on the clip from above.

# %%
trained = run.detector()
with torch.no_grad():
    logmel = trained.energy(x)[0, 0].numpy()
layers = seen(trained, clip)
kept = {"(a) log-Mel": retention.retention(logmel, frame_s, speech)}
for letter, layer, number in zip("bc", layers, (1, 2)):
    kept[f"({letter}) PCEN layer {number}"] = retention.retention(layer, frame_s, speech)
words = "; ".join(f"{name}: stationary share {k.stationary:.2f}, "
                  f"onset contrast {k.onset:.2f}" for name, k in kept.items())
fig = plots.front_ends(dict(zip(kept, (logmel, *layers))), frame_s, events)
plots.show(fig, f"One clip in three pictures, and its events. {words}.")
print(words.replace("; ", "\n"))

# %% [markdown]
# Does it show what the paper says? A picture persuades; so ask the numbers, and ten clips instead of one. In the
# paper's sentence, one layer keeps more of what stays, and it is the *other* one in which onsets stand out more.

# %%
def scaled(waveform: np.ndarray) -> torch.Tensor:
    """Log-Mel of a clip, scaled to [0, 1]."""
    return trained.energy(trained.features(torch.from_numpy(waveform)[None]))

values = kept_by(lambda waveform: seen(trained, waveform), frame_s)
start = kept_by(lambda waveform: seen(untrained, waveform), frame_s)
without = kept_by(lambda waveform: scaled(waveform)[0].numpy(), frame_s)
rows = [("log-Mel", *in_numbers(without[:, 0]))]
for number in (1, 2):
    rows.append((f"layer {number}, at the start", *in_numbers(start[:, number - 1])))
    rows.append((f"layer {number}, trained", *in_numbers(values[:, number - 1])))
columns = ["picture", "stationary share", "onset contrast"]
html.table(pd.DataFrame(rows, columns=columns), "Ten clips, mean ± deviation")

# %% [markdown]
# And in one sentence:

# %%
stationary, onset = values.transpose(2, 1, 0)  # each (layer, clip)
slow = stationary.mean(1).argmax()
quick = 1 - slow
stays, starts = stationary[slow] > stationary[quick], onset[quick] > onset[slow]
print(f"layer {slow + 1} keeps more of what stays: {stays.sum()} of {len(clips)} clips")
print(f"onsets stand out more in layer {quick + 1}: {starts.sum()} of {len(clips)} clips")
print(f"divided as the paper says: {(stays & starts).sum()} of {len(clips)} clips")

# %% [markdown]
# One thing to know when you judge it: the paper feeds PCEN with **log**-Mel here, scaled to $[0, 1]$. **Predict:** by
# which factor does a strong onset rise above its recent average, $E / M$, on Mel and on log-Mel?

# %%
linear = models.Detector(systems.configuration("ppcen_mel", profile)).energy(x)
for name, e in {"Mel": linear, "log-Mel": trained.energy(x)}.items():
    above = e / (1e-6 + features.smooth(e, trained.pcen.values()["s"].detach()[0]))
    print(f"{name}: {above.flatten().quantile(0.999):.1f}")

# %% [markdown]
# On log-Mel all is compressed before the division, which then is not a gain control any more: as $\log$ turns factors
# into sums, dividing by $M^\alpha$ is nearly a subtraction, a high-pass filter along time. It takes away what stays,
# and it does not lift what begins above the grain of the noise as it does on Mel energies.
#
# The sentence of the paper is about one picture of one training on DESED. If ours says otherwise, both may be true;
# what must not happen is that we see it in the picture because we have read it.
#
# ## Table 1
#
# Which front-end finds more events? One training says little: another seed moves the score by points. So each
# of the seven rows was trained with several seeds. Where this workspace holds two trainings or more of every row in
# this profile (`make reproduce ARGS="--seeds 3"` makes three), they are read; otherwise you see what is published with
# the course.

# %%
table1 = comparisons.TABLE1
measured = table1.load(profile, root)
print(f"profile {measured['profile']}, {measured['from']}")
caption = "Table 1: event-based macro F1 (%), mean ± deviation over trainings"
html.table(table1.scores(measured), caption)

# %% [markdown]
# The paper's column and ours must not be compared number by number (lesson 04 says why); what can be compared is what
# wins over what. The interval is that of the mean: clips and trainings were drawn anew a thousand times. Rows without a
# number of the paper's, where they were trained, belong to the next section.
#
# **Predict**, before you look: which classes does Fixed PCEN 1 lose, and which does a short time constant help?

# %%
classes = table1.by_class(measured)
stationary = ", ".join(name.replace("_", " ") for name in comparisons.STATIONARY)
lost = (classes["Fixed PCEN 1"] - classes["Log-Mel"]).round(0)
words = ", ".join(f"{name} {change:+.0f}" for name, change in lost.items())
fig = plots.system_scores(table1.drawn(measured), classes)
plots.show(fig, "Left, F1 of the front-ends with intervals, and the paper's. Right, "
                f"by class, what each wins over log-Mel. Fixed PCEN 1: {words}.")
print(f"sounds that stay, the first five rows: {stationary}")

# %% [markdown]
# Now the sentences of section 4.1, one by one. Each is a difference between two front-ends, in points of F1, averaged
# over the classes that the sentence is about, with its 95 % interval on the same clips. If that holds 0, these runs
# cannot tell.

# %%
html.table(table1.verdicts(measured), "What the paper says, and what these runs say")

# %% [markdown]
# In the study that version 0.1.0 published, the vacuum cleaner *wins* most under Fixed PCEN 1, though next to nothing of it
# stays in the picture, and the alarm loses most. Why could that be? The score asks for onset and offset, not for the time between
# them: what it takes is to see that something begins, and later that it ends, and that is what PCEN marks. Whether this
# is the reason, nobody has tested here. The three seeds of that row also lie further apart than those of any other.
#
# A verdict is about *our* data and *our* small network. MiniDESED's sounds are models. The profile `lesson` has a frame every
# 64 ms, so that Fixed PCEN 3's 60 ms is less than a frame. And we train for one fiftieth of the baseline's steps, too few for
# parameters that move slowly. The intervals say how sure we are of our number, not how far it carries.
#
# ## Where the released code goes other ways
#
# The authors' code differs from the paper in several points of the front-end. Each is an experiment.
#
# ### A smoother that knows the future
#
# The paper's smoother is causal. The code runs it forwards and then backwards, "zero phase", so that nothing is late.
# **Predict:** a click in silence. Where does $M$ rise in either case, and what does PCEN make of the moment *before*
# the click?

# %%
def both(e: np.ndarray, s: float = 0.25) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """M and PCEN of energies (mel, frame), by either smoother."""
    e = torch.from_numpy(e)
    smoothers = {"causal": features.smooth, "zero-phase": features.smooth_zero_phase}
    averages = {name: smooth(e, s) for name, smooth in smoothers.items()}
    return {name: (m.numpy(), features.pcen(e, m, 0.8, 2.0, 0.5).numpy())
            for name, m in averages.items()}

click = np.full((1, 120), 0.01)
click[0, 60] = 1
mel = features.LogMel(sizes).mel(torch.from_numpy(barks)[None])[0, 0].numpy()
around = slice(round(5.5 / hop_s), round(8 / hop_s))
heard = {"a click": click, "the near bark": (mel / mel.max())[[band], around]}

# %% [markdown]
# Above $M$, below PCEN.

# %%
fig, axes = plots.figure(10, 4.4, nrows=2, ncols=2, sharex="col")
looks = {"causal": {"color": plots.BLUE},
         "zero-phase": {"color": plots.VERMILION, "linestyle": "--"}}
for column, (what, e) in zip(axes.T, heard.items()):
    for name, curves_of in both(e).items():
        for ax, y in zip(column, curves_of):
            ax.plot(hop_s * np.arange(e.shape[1]), y[0], label=name, **looks[name])
    column[0].set(title=what, ylabel="M (no unit)")
    column[1].set(ylabel="PCEN (no unit)", xlabel="time (s)")
axes[0, 0].legend()
words = ", ".join(f"{m[0, 59] / m[0, 0]:.0f} times ({name})"
                  for name, (m, _) in both(click).items())
plots.show(fig, "M and PCEN of a click and of a bark by both smoothers. One frame before "
                f"the click, M is, relative to silence, {words}.")

# %% [markdown]
# In numbers, at the click and one frame before it:

# %%
rows = []
for name, (m, y) in both(click).items():
    before = m[0, 59] / m[0, 0], y[0, 59] / y[0, 0]
    rows.append((name, *(f"{ratio:.2f}" for ratio in before), f"{y[0, 60]:.2f}"))
columns = ["smoother", "M before / silence", "PCEN before / silence", "PCEN at the click"]
html.table(pd.DataFrame(rows, columns=columns), "A click and the frame before it")

# %% [markdown]
# The zero-phase $M$ announces the click: PCEN sinks *before* the onset, a shadow that tells the network that something
# is about to come, as long as it need not work live. At the click itself the average is lower, because it is spread
# over both sides, and the click stands out more. The bark takes longer than a frame to rise: there, $M$ is up by the
# time, and the onset comes out softer. What it costs or brings in F1 is told by
# `sedlib train --system ppcen_zero_phase`: as far as it was trained, it is a row below those of Table 1.
#
# ### No gradient through the smoother
#
# In the code the smoother runs outside of what is differentiated; the paper's "trainable front-end" may suggest otherwise.
# **Predict:** which parameters would learn differently with a gradient through it?

# %%
def of_fresh(learn_s: bool, through: bool) -> dict[str, torch.Tensor | None]:
    """Gradients in an untrained detector, with one through its smoother or without."""
    settings = dataclasses.replace(config.pcen, learn_s=learn_s)
    torch.manual_seed(seed)
    detector = models.Detector(dataclasses.replace(config, pcen=settings)).eval()
    if not through:
        detector.pcen.smoother = lambda e, s: features.smooth(e, s).detach()
    return gradients(detector)

# %% [markdown]
# Twice: with the paper's $s$, and with $s$ that learns.

# %%
for learn_s in (False, True):
    print("s learns" if learn_s else "s is predetermined, as in the paper")
    with_it, without = (of_fresh(learn_s, through) for through in (True, False))
    for name, gradient in with_it.items():
        if gradient is None:
            print(f"  {name:10} does not learn")
        elif without[name] is None:
            print(f"  {name:10} learns only with the gradient through the smoother")
        else:
            same = torch.equal(gradient, without[name])
            print(f"  {name:10} {'the same bits' if same else 'different'}")

# %% [markdown]
# With the paper's predetermined $s_1$ and $s_2$ the smoothers' outputs depend on nothing that learns: the spectrogram
# below has no parameters. So this disagreement changes nothing, to the last bit. It would matter only if $s$ itself
# learned (`ppcen_learned_s` does it), or if something below the smoother did.
#
# ### Other constants
#
# The code's second coefficient is 0.08 instead of 0.25. Its reported layers start from values that an earlier training had
# found. Started afresh, all layers begin at nearly the same values: alpha 0.8, delta 10, r 0.5. The code for adversarial training
# has four layers by default. What the first two, and the zero-phase smoother, change before any training, on the ten clips:

# %%
s2, zero = dict(s=(0.015, 0.08)), dict(smoother="zero-phase")
learned_before = dict(alpha=(0.8187, 0.3938), delta=(10.689, 3.471), r=(0.4495, 0.7534))
variants = {"ours": {}, "s2 = 0.08": s2, "zero-phase": zero,
            "released values": learned_before, "all three": s2 | zero | learned_before}
rows = []
for name, changed in variants.items():
    layer = features.PCEN(dataclasses.replace(config.pcen, **changed), config.features)
    with torch.no_grad():
        found = kept_by(lambda waveform: layer(scaled(waveform))[0].numpy(), frame_s)
    rows += [(name, k + 1, *in_numbers(found[:, k])) for k in (0, 1)]

# %% [markdown]
# The coefficients as time constants, then the table.

# %%
for s in (0.015, 0.25, 0.08):
    print(f"s = {s}: {1000 * features.time_constant(s, hop_s):.0f} ms")
columns = ["variant", "layer", "stationary share", "onset contrast"]
html.table(pd.DataFrame(rows, columns=columns), "Ten clips, mean ± deviation")

# %% [markdown]
# All rows are of the same ten clips, so that a small difference can be real; most are small beside what another clip
# changes. Four layers, and learning from these values, need a training: exercise 4. The paper found two layers to be
# enough.
#
# ## Play
#
# The explorer has every constant under a slider, the sounds of all classes, your own file or microphone, and lets you
# *hear* what PCEN leaves. Its parameters are Python's too: after this cell, `pcen.alpha = 0.5` moves the slider, and
# `pcen.sound = waveform` plays any array of yours. "Tasks", below its pictures, have a measured score. Three more things
# to try:
# 1. Load the vacuum cleaner with speech, preset Fixed PCEN 1. Find the smallest change that brings the vacuum cleaner
#    back.
# 2. Take a bark, and make its second half disappear. Which constant does it?
# 3. Two layers: make one that hears only onsets, and one that hears only what stays.

# %%
pcen = explorer.explorer(interactive)
pcen

# %% [markdown]
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("03", answers="")

# %% [markdown]
# ## What you did
#
# - You built gain control from a running average, and equation (3), equal to the library's and to librosa's.
# - You predicted what $\alpha$, $\delta$, $r$, $\epsilon$ and $T$ do, and saw it on steady sounds, on steps and on a
#   clip.
# - You measured the conflict: what suppresses the background suppresses the vacuum cleaner, class by class.
# - You trained two layers in parallel, watched them move, and put Figure 2 to the test with two numbers.
# - You found out which of the disagreements between paper and code change something, and that one changes nothing at
#   all.
#
# ## Exercises
#
# 1. `start` of `features.smooth` goes on where an earlier piece ended. Run a clip through PCEN in pieces of half a
#    second and compare with the whole. What does a live detector have to remember?
# 2. Scale a waveform by 0.1 before the front-end. What of PCEN's output changes with min-max scaling, and what
#    without? What does that say about $\alpha$'s part in Table 1?
# 3. Start both layers at the same values (`dataclasses.replace(config.pcen, alpha=(0.8, 0.8))` in a copy of `config`),
#    train in a run folder of its own, and draw the paths. Do the layers part?
# 4. Train four layers (`layers=4`, with four values each of `alpha`, `delta` and `r`). Does the score rise by more than
#    two seeds differ?
