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
# # The data: what is there to learn from?
#
# A detector can be no better than what it learns from. Here that is a few clips with exact labels that sound too
# clean, and many real ones that hardly say what is in them. What is each kind worth, and what does the network see of
# a sound?
#
# **You will**
# - listen to synthetic and real-domain clips, and name the ten classes by ear and by eye;
# - turn three kinds of labels into the numbers a network learns from, and see what each leaves open;
# - build the paper's log-Mel spectrogram step by step from samples, and find it equal to the library's;
# - measure what frames and filters cost, and compare the data set with DESED;
# - measure how easily a simple classifier tells the two domains apart.
#
# **You need** lesson 00, NumPy, an idea of the Fourier transform; headphones at a moderate level.
#
# **Time** to read and try: 85 minutes. To run on two cores: 70 s with profile `lesson`, 40 s with profile `smoke`; the
# first run also makes the data set, which takes a few minutes with `lesson`.
#
# **Paper** Cornell et al., DCASE Workshop 2020: section 2 (task and data), the domain mismatch of sections 1 and 3.1,
# and the log-Mel features that section 3.3 replaces.

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# `data` may be a folder with DESED itself: this lesson then runs on it. Only the section on voices, which makes new
# sounds, always uses the course's own.

# %%
import librosa
import numpy as np
import pandas as pd
import torch
from scipy import signal

import sedlib.config
from minidesed import desed, ranges, statistics
from reproduction.studies import gap
from sedcourse import check, datasets, explore, html, players, plots, show, sounds
from sedlib import decode, features, metrics, workspace
from sedlib.data import audio, encoder, layout, store, tables
from sedlib.errors import SedError

# %% [markdown]
# ## What there is
#
# Four subsets matter here: three to learn from and one to judge on. **Predict** which is the largest in DESED, and why.

# %%
root = workspace.dataset(data, profile)
parts = datasets.parts(root)
html.table(datasets.sizes(parts), f"Data set {root.name}")

# %% [markdown]
# What costs nothing is plentiful: real clips that nobody has labelled. Strong labels of real clips cost most, and are
# kept for judging.
#
# DESED's synthetic clips are mixed from its **soundbank** of isolated sounds. The backgrounds come from two other data
# sets: **SINS**, weeks of recordings in one home, and **TUT Acoustic Scenes 2017**. Impulse responses, which hold the
# echo of a room, come from **FUSS**, a data set for source separation. FUSS also has isolated sounds, but these carry
# no labels. The paper's dynamic mixing (lesson 02) draws its backgrounds from SINS and its rooms from FUSS.
# MiniDESED's generator makes all three itself.
#
# ## Listen and look
#
# To compare domains rather than sounds, we take a synthetic and a real-domain clip that hold nearly the same classes.
# Two more are the weak clip with the most labels, and an unlabelled one. `audio.read` gives 16 kHz mono whatever the
# file holds. `LogMel` is the subject of a later section. All pictures of this lesson have the paper's sizes.

# %%
paper = sedlib.config.profile("paper")
f = paper.features
hop_s = f.hop / f.sample_rate
log_mel = features.LogMel(f)

chosen = sounds.choose(parts)


def heard(subset: str, name: str) -> np.ndarray:
    return audio.read(parts[subset].audio_dir / name, seconds=f.clip_s)[0]


def look(waveform: np.ndarray) -> np.ndarray:
    """(mel, frame), dB."""
    return log_mel(torch.from_numpy(waveform)[None])[0, 0].numpy()


# %% [markdown]
# Listen to all four before you scroll on. **Predict:** which one is synthetic, and which three sound like a home
# video? What gives them away: echo, hiss, a dull or a tinny sound, the loudness? Levels are as recorded, so keep the
# volume moderate even if a clip is faint.

# %%
order = [str(name) for name in np.random.default_rng(seed).permutation(list(parts))]
for number, subset in enumerate(order, 1):
    players.play(heard(subset, chosen[subset]), f"clip {number}")

# %% [markdown]
# The answer, and the two clips with strong labels: nearly the same classes, two domains.

# %%
print(*(f"clip {number}: {name}" for number, name in enumerate(order, 1)), sep="\n")
for subset in ("synthetic", "validation"):
    labels = parts[subset].table
    labels = labels[labels["filename"] == chosen[subset]]
    plots.show(*plots.clip(look(heard(subset, chosen[subset])), hop_s, subset, labels))

# %% [markdown]
# In the synthetic clip the pauses are dark: its events lie well above a quiet background. Look in the real clip for a
# haze in the pauses, for tails behind events, and for an upper edge above which there is nothing. No single clip has
# all of these. Real clips also differ in loudness: one is recorded close, another across the room.
#
# How far do levels differ? We take the level (RMS) of every clip, and for clips with strong labels the level while
# something sounds against the level of the pauses.

# %%
html.table(datasets.levels(root, parts), "Levels: 1, 50 and 99 % of the clips lie below")

# %% [markdown]
# In MiniDESED all subsets have about the same typical level, but real clips spread much further: the faintest are hard
# to hear beside the loudest. And while something sounds, they rise less above their pauses than synthetic clips do. In
# some of them the events are hardly louder than the background.
#
# ### The ten classes at a glance
#
# **Predict** by ear, and write it down: ten sounds of 2.5 s in a random order. Each is an event with as little else
# around it as possible. The answers are in the next cell.

# %%
shuffled = map(str, np.random.default_rng(seed).permutation(tables.CLASSES))
found = {label: sounds.example(parts["synthetic"], label) for label in shuffled}
found = {label: sound for label, sound in found.items() if sound is not None}
players.play(np.concatenate(list(found.values())), f"{len(found)} sounds of 2.5 s")

# %% [markdown]
# The same ten as pictures, in the same order, all at the same scale.

# %%
panels = {label.replace("_", " "): look(sound) for label, sound in found.items()}
fig = plots.spectrogram_grid(panels, hop_s)
plots.show(fig, f"Spectrograms of 2.5 s, as they were played: {', '.join(panels)}.")

# %% [markdown]
# Three families: **harmonics that move** (speech, cat, dog: curved stripes), **sudden sounds** (dishes, a bark:
# vertical edges that fade), and **sounds that stay** (blender, shaver, vacuum cleaner, frying, water: textures with
# or without fixed lines). Alarms can belong to any family. The third family resembles a room's own noise: it differs in
# colour and level, and in that it begins and ends. That will matter in lesson 03.
#
# ### One class, many sounds
#
# MiniDESED's sounds come from ten small physical models, its **voices**. Each has a range for every parameter, and the
# two domains draw from different ranges: a few variants in a studio against whatever people have at home. Change
# `label` to see other classes.

# %%
label = "Dog"
html.table(sounds.voice(label), f"The voice of {label}")

# %% [markdown]
# Now five draws from each domain.

# %%
draws = {domain: sounds.draws(label, domain, seed) for domain in ranges.DOMAINS}
panels = {
    f"{domain} {i + 1}": look(sound)
    for domain in draws
    for i, sound in enumerate(draws[domain])
}
fig = plots.spectrogram_grid(panels, hop_s)
plots.show(fig, f"{label}: five draws of synthetic voices above five of real ones.")
for domain in draws:
    players.play(np.concatenate(draws[domain]), f"{label}, {domain}: five draws")

# %% [markdown]
# The ranges overlap, so a network *can* learn from one domain for the other. But those of the real domain are wider,
# and much of what is in them never occurs in a synthetic clip.
#
# ## Three kinds of labels
#
# The network answers in frames of $4 \cdot 255 / 16000$ s (a later section says why). Its answer is a **posterior**
# for every frame and class: the probability that the class sounds. To be compared with it, an event table has to
# become ones and zeros. Frame $t$ spans the seconds from $t$ to $t + 1$ times the frame's length.
#
# **Exercise 1.** Write it for one class: `events` is a list of `(onset, offset)` in seconds. Round both ends to the
# nearest frame. An event that is too short for that still gets one frame, and one that starts in the last half frame
# gets the last.


# %% jupyter={"source_hidden": true} tags=["solution"]
def active_frames(events: list[tuple], frames: int, frame_s: float) -> np.ndarray:
    """Ones where an event of the class sounds, zeros elsewhere: (frame,)."""
    labels = np.zeros(frames)  # given
    for onset, offset in events:
        first = min(round(onset / frame_s), frames - 1)
        last = max(round(offset / frame_s), first + 1)
        labels[first:last] = 1
    return labels


# %% [markdown]
# Six lists of events are tried, among them overlapping and very short ones. Then comes the same in sedlib, for many clips
# and all classes at once. Your function must agree with it on the whole development set.

# %%
check.active_frames(active_frames)
table, names = parts["validation"].table, parts["validation"].filenames
strong = encoder.strong_labels(table, names, paper.frames, paper.frame_s)
for (name, kind), events in tables.events(table).groupby(["filename", "event_label"]):
    times = list(zip(events["onset"], events["offset"]))
    mine = active_frames(times, paper.frames, paper.frame_s)
    assert (mine == strong[names.index(name), :, tables.CLASSES.index(kind)]).all()
print(f"equal; {strong.shape} ones and zeros, {strong.mean():.1%} of them ones")

# %% [markdown]
# A weak label says only which classes a clip holds. Strong labels can be turned into weak ones.
#
# **Exercise 2.** Write it: `strong` is `(clip, frame, class)`, the result is `(clip, class)`.


# %% jupyter={"source_hidden": true} tags=["solution"]
def weak_from_strong(strong: np.ndarray) -> np.ndarray:
    """Which classes a clip holds, from what sounds in each of its frames."""
    return strong.max(axis=1)


# %% [markdown]
# There is no function for the other direction, and that is the subject of the paper.

# %%
check.weak_from_strong(weak_from_strong)

# %% [markdown]
# One clip, as each kind of label would describe it:

# %%
i = names.index(chosen["validation"])
weak = weak_from_strong(strong)
fig = plots.labels({"strong": strong[i], "weak": weak[i], "unlabelled": None}, f.clip_s)
held = ", ".join(tables.CLASSES[k] for k in weak[i].nonzero()[0])
plots.show(fig, f"Labels of one clip by time: strong; weak ({held}); and none.")

# %% [markdown]
# | labels | what the network can learn from them | what stays open |
# | --- | --- | --- |
# | strong, synthetic | for each frame and class whether it was right | how real clips sound |
# | weak, real | whether the clip as a whole was right | which frames were right |
# | none, real | nothing directly; but its answers should be consistent | which class anything is |
# | strong, real | everything | (kept for judging: too expensive to learn from) |
#
# How much does a weak label leave open? Suppose a system knew all weak labels of the development set perfectly, and
# reported each of those classes from 0 to 10 s. **Predict** its event-based F1 (lesson 00), and for which classes it
# does best.

# %%
known = [(names[i], 0.0, f.clip_s, tables.CLASSES[k]) for i, k in zip(*weak.nonzero())]
throughout = pd.DataFrame(known, columns=tables.EVENT_COLUMNS)
result = metrics.event_f1(table, throughout)
print(f"all weak labels right, times unknown: macro F1 {100 * result.macro:.0f} %")
html.table(datasets.f1_by_class(result), "Every class of a clip reported from 0 to 10 s")

# %% [markdown]
# For a sound that runs throughout, the weak label is nearly a strong one. For short events it says nothing about time.
# These classes need strong labels, or a network that finds out by itself where in the clip the evidence lies. This is
# the multiple-instance learning of lesson 00. Lesson 04 shows how the baseline does it.
#
# What is *really* in a weakly labelled clip? For real recordings nobody knows. For generated ones the generator does: it
# keeps the strong labels aside, where no training looks.

# %%
try:
    secret = layout.hidden_labels(root, "weak")
    secret = secret[secret["filename"] == chosen["weak"]]
    weak_labels = parts["weak"].table.set_index("filename")["event_labels"]
    title = f"weak label: {weak_labels[chosen['weak']]}"
    plots.show(*plots.clip(look(heard("weak", chosen["weak"])), hop_s, title, secret))
except SedError as error:
    print(error)

# %% [markdown]
# ## From samples to log-Mel
#
# The network does not read samples. Its input is a picture like those above. These are the paper's sizes:

# %%
print(
    f"{f.sample_rate} Hz, n_fft {f.n_fft}, hop {f.hop}, {f.n_mels} Mel bands from "
    f"{f.f_min:.0f} to {f.f_max:.0f} Hz, floor {f.floor}, range {f.range_db:.0f} dB"
)
waveform = heard("validation", chosen["validation"]).astype(np.float64)
print(f"{waveform.shape} samples, mean {waveform.mean():.1e}")

# %% [markdown]
# **Step 1: remove the mean.** A constant offset is inaudible, but would fill the lowest band of every frame. **Step 2:
# cut into frames** of `n_fft` samples, `hop` samples apart. The frames are *centred*: frame $t$ has sample
# $t \cdot hop$ in its middle. Therefore half a frame is put before and after the clip (its mirror image).
#
# **Exercise 3.** How many frames does a clip of `samples` samples have?


# %% jupyter={"source_hidden": true} tags=["solution"]
def frame_count(samples: int, n_fft: int, hop: int) -> int:
    """Number of centred frames, the first at sample 0."""
    return 1 + samples // hop


# %% [markdown]
# Draw the centres 0, `hop`, 2 `hop` ... on a line if you are not sure. Then the frames, as rows of a matrix:

# %%
check.frame_count(frame_count)
centred = waveform - waveform.mean()
padded = np.pad(centred, f.n_fft // 2, mode="reflect")
frames = np.lib.stride_tricks.sliding_window_view(padded, f.n_fft)[:: f.hop]
assert len(frames) == frame_count(len(waveform), f.n_fft, f.hop)
print(
    f"{frames.shape}: each frame lasts {1000 * f.n_fft / f.sample_rate:.0f} ms, "
    f"and the next one starts {1000 * hop_s:.2f} ms later"
)

# %% [markdown]
# **Step 3: the window.** Cutting makes edges that were not in the sound, and edges hold all frequencies. A Hamming
# window fades both ends of a frame. **Step 4: the magnitude of the Fourier transform**: how much of each frequency is
# in the frame. The phase is dropped. Here both, for a pure tone of 101 Hz, which fits no bin exactly:

# %%
window = signal.get_window("hamming", f.n_fft)
plots.show(*sounds.window(window))
magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T
print(
    f"{magnitude.shape}: (frequency bin, frame), "
    f"{f.sample_rate / f.n_fft:.1f} Hz from bin to bin"
)

# %% [markdown]
# Without a window, a loud low tone would lie like a haze over soft high ones.
#
# **Step 5: Mel bands.** The ear does not tell 1025 bins apart at high frequencies. The Mel scale is even up to 1
# kHz and logarithmic above. Each band is a triangle that weights the bins around its centre, as high as its neighbours
# ("no area norm").

# %%
bands = librosa.filters.mel(
    sr=f.sample_rate,
    n_fft=f.n_fft,
    n_mels=f.n_mels,
    fmin=f.f_min,
    fmax=f.f_max,
    htk=False,
    norm=None,
)
plots.show(*sounds.mel_bands(bands))
mel = bands @ magnitude
print(f"{mel.shape}: (Mel band, frame)")

# %% [markdown]
# **Step 6: the logarithm.** The ear judges ratios, and so does the paper's baseline: amplitude $A$ has the level
#
# $$L = 20 \log_{10} \max(A, 10^{-5}) \; \mathrm{dB},$$
#
# and whatever lies more than 80 dB below the loudest point of the clip is raised to that level. Otherwise digital
# silence would stand out more than sounds do.
#
# **Exercise 4.** Write it, with `floor` and `range_db` as arguments.


# %% jupyter={"source_hidden": true} tags=["solution"]
def decibels(amplitude: np.ndarray, floor: float, range_db: float) -> np.ndarray:
    """Level of amplitudes (mel, frame) in dB re 1."""
    level = 20 * np.log10(np.maximum(amplitude, floor))
    return np.maximum(level, level.max() - range_db)


# %% [markdown]
# A loud and a quiet clip are tried; in the quiet one it is the floor that counts.

# %%
check.decibels(decibels)

# %% [markdown]
# What the steps made of the clip. **Predict:** what will be visible before the logarithm?

# %%
spectrogram = decibels(mel, f.floor, f.range_db)
steps = {"FFT bins, linear": magnitude, "Mel bands, linear": mel,
         "Mel bands, dB": spectrogram}
plots.show(*sounds.steps(steps, f.clip_s))

# %% [markdown]
# And now the test: is this the input of the paper's network? The library does the same in a few lines of PyTorch, for
# whole batches and on a GPU.

# %%
show.source(features.LogMel.mel)
show.source(features.LogMel.forward)
theirs = look(waveform.astype(np.float32))
difference = np.abs(spectrogram - theirs).max()
assert spectrogram.shape == theirs.shape and difference < 1e-3
print(f"equal: {theirs.shape}, largest difference {difference:.0e} dB")

# %% [markdown]
# ### Sharp in time or sharp in frequency
#
# A longer frame separates closer frequencies, and blurs what is close in time. Below are two tones, 500 and 560 Hz, and
# two clicks 40 ms apart. **Predict:** for which lengths are the tones two lines, for which are the clicks two? The
# slider starts at the paper's 2048.

# %%
explore.explore(
    sounds.resolution,
    interactive,
    start={"n_fft": 2048},
    n_fft=[256, 512, 1024, 2048, 4096],
)

# %% [markdown]
# 2048 samples, 128 ms, are long: pitch is clear, a click is smeared over eight frames of 16 ms. The short hop does not
# undo that; it only draws the smear in finer steps. No length is right for a bark *and* for a shaver.
#
# ## Frames and seconds
#
# Two poolings by 2 in the network leave one frame in four. With hop 255, the baseline's and ours, an output frame
# lasts 63.75 ms. Why 255 and not a round 256? Count what is left after each pooling, which drops a frame when the
# number is odd:


# %%
def row(name: str, config: sedlib.config.Config, hop: int) -> tuple:
    frames = frame_count(f.samples, f.n_fft, hop)
    pooled = config.model.time_pooling
    ms = 1000 * pooled * hop / f.sample_rate
    left = frames // pooled
    return name, hop, frames, pooled, left, f"{ms:.2f}", f"{left * ms / 1000:.3f}"

own = sedlib.config.profile(profile)
rows = [row("paper", paper, f.hop), row("paper with hop 256", paper, 256),
        row(f"profile {profile}", own, own.features.hop)]
columns = ["", "hop", "frames", "pooled by", "output frames", "each (ms)", "all (s)"]
html.table(pd.DataFrame(rows, columns=columns), "Frames of a clip of 10 s")

# %% [markdown]
# 628 is 4 · 157: with hop 255 the output frames cover the whole clip and no frame is lost. With 256 the end of the
# clip goes in, but no answer comes out for it.
#
# No network can be better than its frames. How good would a network be that is right in *every* frame? Turn the
# reference into frames and back into events, and score it. Then smooth the frames first, by the baseline's **median
# filter** of 0.45 s, which replaces each decision by the majority of those around it. **Predict** both F1 scores for
# the paper's frames.


# %%
def perfect(frame_s: float, frames: int, median_s: float) -> metrics.F1Result:
    """The score of a network that is right in every frame."""
    labels = encoder.strong_labels(table, names, frames, frame_s)
    scores = decode.Posteriors(labels, names, tables.CLASSES, frame_s)
    decoding = sedlib.config.Decoding(median_s=median_s)
    return metrics.event_f1(table, decode.median_events(scores, decoding, f.clip_s))

rows = [(f"{1000 * config.frame_s:.2f}",
         *(f"{100 * perfect(config.frame_s, config.frames, m).macro:.1f}"
           for m in (0.0, 0.45, 1.0))) for config in (paper, own)]
columns = ["output frame (ms)", "no filter", "median 0.45 s", "median 1 s"]
html.table(pd.DataFrame(rows, columns=columns), "Macro F1 (%) of perfect frames")

# %% [markdown]
# Rounding to frames of 64 ms costs next to nothing under a collar of 200 ms. The filter costs more, and not the same
# for all classes:

# %%
events = tables.events(table)
durations = (events["offset"] - events["onset"]).groupby(events["event_label"]).median()
by_class = pd.DataFrame({"median duration (s)": durations.round(2)})
for median_s in (0.0, 0.45, 1.0):  # 0: no filter
    f1 = perfect(paper.frame_s, paper.frames, median_s).per_class
    percent = [round(100 * f1[label]["f1"]) for label in by_class.index]
    by_class[f"median {median_s:g} s"] = percent
by_class = by_class.sort_values("median duration (s)").reset_index(names="class")
html.table(by_class, "F1 (%) of perfect frames of 63.75 ms, by class")

# %% [markdown]
# A median filter of 7 frames removes what is active in fewer than 4 of them: events shorter than about a quarter of a
# second, which is also DESED's shortest annotation. It also closes pauses of that length, and so makes one event of
# two barks. It pays only because real networks are wrong in single frames. Lesson 06 finds a better trade.

# %% [markdown]
# ## Beside DESED
#
# Durations, overlaps and pauses decide what the median filter, the frames and the score are worth. Does our data set
# behave like DESED? The library has DESED's numbers, counted in its public tables. For synthetic clips these are the
# tables of 2019, because those of 2020 are published with the audio only. **Predict:** in which domain do events last
# longer, and in which are there more of them?

# %%
compared = {}
for name in ("synthetic", "validation"):
    here = statistics.facts(parts[name].table)
    compared[name] = statistics.compare(here, desed.facts(name))
medians = compared["validation"].xs("duration_50", level="quantity")["ratio"]
close = medians.between(1 / 1.5, 1.5).sum()
print(f"Development set: median duration within a factor of 1.5 in {close} classes")
plots.show(plots.beside_desed(compared), "Durations, clips and events of each class, "
           f"here and in DESED; {close} classes have a similar median duration.")

# %% [markdown]
# **The classes are not balanced.** How unequal are they, and how many of all the labels are 1?

# %%
print(f"{1 - strong.mean():.0%} of all labels are 0")
html.table(datasets.balance(table, strong), "Development set")

# %% [markdown]
# Most events belong to few classes, and the order by *time* differs from the order by *events*. The loss counts
# frames, the score counts events, and the macro average counts classes: three different ideas of what matters. And since
# most labels are zeros, a network that never reports anything is right most of the time.
#
# ## The domain gap
#
# How different are the two domains for a machine? Describe each clip by the mean level of every Mel band and its
# standard deviation over time, and nothing else.

# %%
small = features.LogMel(sedlib.config.profile("lesson").features)  # 64 bands


def described(subset: str) -> np.ndarray:
    waves = store.open_store(root, subset, progress=False)
    return gap.band_statistics(waves.waveforms(range(min(200, len(waves)))), small)


synthetic, real = described("synthetic"), described("validation")
plots.show(*sounds.band_levels({"synthetic": synthetic, "real": real}))

# %% [markdown]
# The bands hold the middle half of the clips. Real clips spread further in loudness, and in MiniDESED their level
# changes less over time, since background and noise fill the pauses. At the lowest frequencies they are fainter:
# microphones cut them off.
#
# How well does *one* of these numbers tell the domains apart? Take a real and a synthetic clip at random: how often
# does the real one have the larger value? That probability is the **area under the ROC curve** (AUC). 0.5 means that the
# number says nothing; 1 or 0 that it tells every pair apart.
#
# **Exercise 5.** Write it: `a` and `b` are the values of two groups; pairs of equal values count half.


# %% jupyter={"source_hidden": true} tags=["solution"]
def auc(a: np.ndarray, b: np.ndarray) -> float:
    """Probability that a random value of a is larger than a random value of b."""
    larger = (a[:, None] > b[None, :]).mean()
    equal = (a[:, None] == b[None, :]).mean()
    return float(larger + equal / 2)


# %% [markdown]
# Every value of `a` meets every value of `b`; broadcasting does that in a line. The cell then asks every band and both
# statistics. **Predict:** can a number that spreads more in one domain, around the same middle, have an AUC far from
# 0.5?

# %%
check.auc(auc)
single = np.array([auc(real[:, k], synthetic[:, k]) for k in range(real.shape[1])])
plots.show(*sounds.band_aucs(single))

# %% [markdown]
# It cannot, and that is a limit of this measure: AUC sees which group lies higher, not which one spreads more.
#
# A classifier that asks several questions can use the spread too. **Gradient boosting** fits a hundred small decision
# trees, each to the errors of those before it. So that it cannot learn clips by heart, it is always tested on clips
# that it was not fitted to. **Predict** the AUC; and as a control, that for two halves of the synthetic clips.

# %%
show.source(gap.domain_auc)
half = len(synthetic) // 2
control = gap.domain_auc(synthetic[:half], synthetic[half:])
print(f"real against synthetic: AUC {gap.domain_auc(synthetic, real):.2f}")
print(f"synthetic against synthetic, the control: AUC {control:.2f}")

# %% [markdown]
# A classifier that knows a few statistics and no sounds tells the domains apart. (The few clips of profile `smoke` are
# too few for either number.) A network could use the same clues. Lesson 05 takes this gap apart, measures what it
# costs a detector, and trains against it.
#
# ## DESED itself
#
# Everything in this course runs on DESED: give its folder as `data`, the one that holds `audio/` and `metadata/`.
# `sedlib data desed FOLDER` fetches what can be fetched. Real clips disappear every year, and clips that are missing
# are left out and counted. `docs/DIFFERENCES.md` lists where we differ from the paper's experiment.
#
# Before a long training, `sedlib data check FOLDER` says what a folder holds, what it lacks and what is broken. Each
# audio file is decoded once, into one file per subset (`open_store`), from which trainings read.
#
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("01", answers="")

# %% [markdown]
# ## What you did
#
# - You listened to both domains, and named ten classes by ear and by eye.
# - You turned strong labels into frames and into weak labels, and measured how much a weak label leaves open.
# - You built the log-Mel spectrogram from samples in six steps, equal to the library's within a thousandth of a dB.
# - You measured what frames and a median filter cost a perfect network, and compared the data set with DESED.
# - You measured how easily a simple classifier tells the two domains apart.
#
# ## Exercises
#
# 6. With `n_fft` 512 and 128 Mel bands, how many bins does each of the lowest bands weight, and how many with the
#    paper's 2048? What does that do to their pictures?
# 7. Make the wrong test: fit the trees of `gap.domain_auc` and test them on the *same* clips, synthetic against
#    synthetic. What AUC do you get, and what does that teach about numbers measured on training data?
# 8. Score "perfect frames" with frames of 128, 256 and 512 ms. From where on does the frame itself become the limit?
# 9. Subtract from each row of `synthetic` and `real` the mean of its levels: every clip is equally loud now. What is
#    left of the classifier's AUC?

# %% [markdown] tags=["solution"]
# <details><summary>Solution of exercise 6</summary>
#
# Bins are 31 Hz apart then, and the lowest bands are 47 Hz wide. Most of these see a single bin or two. Neighbours
# share it, so they move together: more bands than information.
#
# ```python
# for n_fft in (512, f.n_fft):
#     few = librosa.filters.mel(sr=f.sample_rate, n_fft=n_fft, n_mels=f.n_mels,
#                               fmin=f.f_min, fmax=f.f_max, htk=False, norm=None)
#     print(n_fft, "bins in each of the 12 lowest bands:", (few > 0).sum(axis=1)[:12])
# ```
#
# </details>
#
# <details><summary>Solution of exercise 7</summary>
#
# It tells two halves of the same thing apart, because a hundred trees learn by heart which clip was in which half. A
# number from training data measures memory.
#
# ```python
# from sklearn.ensemble import HistGradientBoostingClassifier
#
# group = np.arange(len(synthetic)) >= half
# trees = HistGradientBoostingClassifier(min_samples_leaf=5).fit(synthetic, group)
# ranked = trees.decision_function(synthetic)
# print(f"same clips: AUC {auc(ranked[group], ranked[~group]):.2f}; others: {control:.2f}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 8</summary>
#
# Rounding moves an end by up to half a frame. Up to 256 ms that is within the collar, and what is lost is short
# events and pauses. With 512 ms half a frame exceeds the 200 ms.
#
# ```python
# for frame_s in (0.064, 0.128, 0.256, 0.512):
#     f1 = perfect(frame_s, int(np.ceil(f.clip_s / frame_s)), 0.0).macro
#     print(f"{1000 * frame_s:.0f} ms: macro F1 {f1:.0%}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 9</summary>
#
# The first half of a row holds the mean levels of the bands, the second half their standard deviations. Loudness was
# one clue. The colour of the background and how much the level changes are others.
#
# ```python
# def equally_loud(rows: np.ndarray) -> np.ndarray:
#     level, spread = np.split(rows, 2, axis=1)
#     return np.hstack([level - level.mean(axis=1, keepdims=True), spread])
#
# loud = gap.domain_auc(synthetic, real)
# print(f"AUC {loud:.2f}, equally loud "
#       f"{gap.domain_auc(equally_loud(synthetic), equally_loud(real)):.2f}")
# ```
#
# </details>
