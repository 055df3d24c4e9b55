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
# **You will**
# - listen to synthetic and real-domain clips, and name the ten classes by ear and by eye;
# - turn three kinds of labels into the numbers a network learns from, and see what each leaves open;
# - build the paper's log-Mel spectrogram step by step from samples, and find it equal to the library's;
# - measure what frames and filters cost, and lay the data set beside DESED;
# - measure the gap between the two domains, and take it apart.
#
# **You need** lesson 00, NumPy, an idea of the Fourier transform; headphones at a moderate level.
#
# **Time** to read and try: 75 minutes. To run on two cores: 70 s with profile `lesson`, 40 s with profile `smoke`; the
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
# `data` may be a folder with DESED itself: this lesson then runs on it. Only where something is to be *made*, in the
# sections on the domain gap, the course's own generator is at work whatever the data.

# %%
import inspect
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import torch
from scipy import signal
from tqdm.auto import tqdm

# %% [markdown]
# From sedlib: the rooms through which data flows, and what only lessons use.

# %%
import sedlib.config
from sedlib import decode, features, metrics, workspace
from reproduction import audit
from reproduction.studies import gap
from sedlib.data import audio, encoder, layout, store, tables
from minidesed import desed, domains, generate, ranges, soundscapes, statistics, voices
from sedlib.errors import SedError
from sedcourse import check, explore, html, players, plots

# %% [markdown]
# ## What there is
#
# Four subsets matter here: three to learn from and one to be judged on. **Predict** which is the largest in DESED,
# and why.

# %%
root = workspace.dataset(data, profile)
kinds = ("synthetic", "weak", "unlabel_in_domain", "validation")
lacking = [k for k in kinds if not (root / layout.SUBSETS[k].metadata).is_file()]
if lacking:
    raise SedError(f"{root}: lacks {', '.join(lacking)}, which this lesson needs; "
                   f"`sedlib data check {root}` says what is expected where")
parts = {name: layout.load(root, name) for name in kinds}
theirs = generate.SIZES["paper"]
rows = [(name, part.kind, layout.SUBSETS[name].domain, len(part.filenames), theirs[name])
        for name, part in parts.items()]
columns = ["subset", "labels", "domain", "clips here", "clips in DESED"]
html.table(pd.DataFrame(rows, columns=columns), f"Data set {root.name}")

# %% [markdown]
# What costs nothing is there in abundance: real clips that nobody has listened to. Strong labels of real clips are the
# dearest, and are kept for judging.
#
# ## Listen and look
#
# To compare domains and not sounds, take a synthetic and a real-domain clip which hold nearly the same classes: among
# all pairs the one that has most classes in common and fewest apart.

# %%
def by_classes(part: layout.Subset) -> dict[frozenset, str]:
    """A clip for each set of classes that occurs."""
    held = tables.events(part.table).groupby("filename")["event_label"].agg(frozenset)
    return {classes: name for name, classes in held.items()}

ours, others = by_classes(parts["synthetic"]), by_classes(parts["validation"])
pairs = [(len(a & b) - 2 * len(a ^ b), sorted(a), sorted(b))
         for a in ours for b in others]
_, a, b = max(pairs)
chosen = {"synthetic": ours[frozenset(a)], "validation": others[frozenset(b)]}
told = parts["weak"].table.set_index("filename")["event_labels"]
chosen["weak"] = told.str.count(",").idxmax()  # the most labels
chosen["unlabel_in_domain"] = parts["unlabel_in_domain"].filenames[0]

# %% [markdown]
# `audio.read` gives 16 kHz mono whatever the file holds; `LogMel` is the subject of a later section. All pictures of
# this lesson have the paper's sizes.

# %%
paper = sedlib.config.profile("paper")
f = paper.features
hop_s = f.hop / f.sample_rate
log_mel = features.LogMel(f)

def heard(subset: str, name: str) -> np.ndarray:
    return audio.read(parts[subset].audio_dir / name, seconds=f.clip_s)[0]

def look(waveform: np.ndarray) -> np.ndarray:
    """(mel, frame), dB."""
    return log_mel(torch.from_numpy(waveform)[None])[0, 0].numpy()

# %% [markdown]
# Listen to all four before you scroll on. **Predict:** which one is synthetic, and which three are, or sound like,
# anybody's video? What tells you: echo, hiss, a dull or a tinny sound, the loudness?

# %%
order = [str(name) for name in np.random.default_rng(seed).permutation(list(parts))]
for number, subset in enumerate(order, 1):
    players.play(heard(subset, chosen[subset]), f"clip {number}")

# %% [markdown]
# The answer, and the pictures of the pair with strong labels: nearly the same classes, two domains.

# %%
print(*(f"clip {number}: {name}" for number, name in enumerate(order, 1)), sep="\n")
for subset in ("synthetic", "validation"):
    table, name = parts[subset].table, chosen[subset]
    labels = table[table["filename"] == name]
    picture = look(heard(subset, name))
    fig = plots.spectrogram(picture, hop_s, title=subset, reference=labels)
    plots.show(fig, f"A clip of {subset}: log-Mel spectrogram of 10 s. "
                    f"Its events: {plots.in_words(labels)}.")

# %% [markdown]
# In the synthetic clip the pauses are dark, because hardly anything lies between the events. In the real domain look
# for a haze in the pauses, for tails behind the events, and for an upper edge above which there is nothing.

# %% [markdown]
# ### The ten classes at a glance
#
# For every class, an event around which nothing else is heard, 2.5 s long or as much as there is.

# %%
def example(subset: str, label: str, length: float = 2.5) -> np.ndarray | None:
    """The longest event among those with the least else around them."""
    events = tables.events(parts[subset].table)
    mine = events[events["event_label"] == label]
    if mine.empty:
        return None
    def crowd(event) -> tuple[int, float]:
        near = events[(events["filename"] == event.filename)
                      & (events["onset"] < event.onset + length)
                      & (events["offset"] > event.onset - 0.2)]
        return (near["event_label"] != label).sum(), event.onset - event.offset
    chosen = min(mine.head(100).itertuples(), key=crowd)
    start = round(16000 * max(0, min(chosen.onset - 0.2, f.clip_s - length)))
    return heard(subset, chosen.filename)[start : start + round(16000 * length)]

# %% [markdown]
# **Predict** by ear, and write it down: ten sounds in a random order. The answers are in the cell below.

# %%
names = [str(name) for name in np.random.default_rng(seed).permutation(tables.CLASSES)]
sounds = {label: example("synthetic", label) for label in names}
sounds = {label: sound for label, sound in sounds.items() if sound is not None}
players.play(np.concatenate(list(sounds.values())), f"{len(sounds)} sounds of 2.5 s")

# %% [markdown]
# The same ten as pictures, in the same order, all at the same scale.

# %%
fig = plots.spectrogram_grid(
    {label.replace("_", " "): look(sound) for label, sound in sounds.items()}, hop_s)
plots.show(fig, "Small log-Mel spectrograms of 2.5 s, one for each class, in the order "
                f"in which they were heard: {', '.join(sounds)}.")

# %% [markdown]
# Three families: **harmonics that move** (speech, cat, dog: curved stripes), **sudden sounds** (dishes, a bark:
# vertical edges that fade), and **sounds that stay** (blender, shaver, vacuum cleaner, frying, water: textures with
# or without fixed lines). Alarms can be of any family. The third family differs from a room's own noise only in
# colour and level, which will matter in lesson 03.

# %% [markdown]
# ### One class, many sounds
#
# MiniDESED's sounds come from ten small physical models, its **voices**. Each has a range for every parameter, and the
# two domains draw from different ranges: a studio's few variants against other people's things. For a dog:

# %%
label = "Dog"
def span(ends: tuple) -> str:
    return (", " if isinstance(ends[0], str) else " to ").join(map(str, ends))

rows = [(name, span(studio), span(others))
        for name, (studio, others) in ranges.RANGES[label].items()]
html.table(pd.DataFrame(rows, columns=["parameter", "synthetic", "real"]), label)

# %% [markdown]
# Units and meaning stand beside each line of `minidesed/ranges.py`. Now five draws of each domain. Change `label`
# above, and look and listen to other classes.

# %%
def draws(domain: str, count: int = 5) -> list[np.ndarray]:
    source = voices.Voices(domain)
    chances = [np.random.default_rng([seed, i]) for i in range(count)]
    sounds = [source.event(label, 1.5, chance) for chance in chances]
    return [np.pad(0.3 * sound, (0, 28000 - len(sound))) for sound in sounds]

panels = {f"{domain} {i + 1}": look(sound) for domain in ranges.DOMAINS
          for i, sound in enumerate(draws(domain))}
plots.show(plots.spectrogram_grid(panels, hop_s),
           f"{label}: five draws of the synthetic voices above five of the real ones.")
for domain in ranges.DOMAINS:
    players.play(np.concatenate(draws(domain)), f"{label}, {domain}: five draws")

# %% [markdown]
# The ranges overlap, so that a network *can* learn from the one for the other; but those of the real domain are
# wider, and much of what is in them never occurs in a synthetic clip.

# %% [markdown]
# ## Three kinds of labels
#
# The network answers in frames of $4 \cdot 255 / 16000$ s (a later section says why). To be compared with its answers,
# an event table has to become ones and zeros for every frame and class. Frame $t$ spans the seconds from $t$ to $t + 1$
# times the frame's length.
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
# Six lists of events are tried, among them overlapping and very short ones.

# %%
check.active_frames(active_frames)

# %% [markdown]
# The same in sedlib, for many clips and all classes at once. Your function must agree with it on the whole development
# set.

# %%
table, names = parts["validation"].table, parts["validation"].filenames
strong = encoder.strong_labels(table, names, paper.frames, paper.frame_s)
for (name, kind), events in tables.events(table).groupby(["filename", "event_label"]):
    times = list(zip(events["onset"], events["offset"]))
    mine = active_frames(times, paper.frames, paper.frame_s)
    assert (mine == strong[names.index(name), :, tables.CLASSES.index(kind)]).all()
print(f"equal; {strong.shape} ones and zeros, {strong.mean():.1%} of them ones")

# %% [markdown]
# A weak label says only which classes a clip holds. Whoever has strong labels can make weak ones from them.
#
# **Exercise 2.** Write it: `strong` is `(clip, frame, class)`, the result is `(clip, class)`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def weak_from_strong(strong: np.ndarray) -> np.ndarray:
    """Which classes a clip holds, from what sounds in each of its frames."""
    return strong.max(axis=1)

# %% [markdown]
# The other way there is no such function, and that is the subject of the paper.

# %%
check.weak_from_strong(weak_from_strong)

# %% [markdown]
# One clip, as each kind of label would describe it:

# %%
i = names.index(chosen["validation"])
weak = weak_from_strong(strong)
fig = plots.labels({"strong": strong[i], "weak": weak[i], "unlabelled": None}, f.clip_s)
said = ", ".join(tables.CLASSES[k] for k in weak[i].nonzero()[0])
plots.show(fig, "Labels of one clip, class by time: strong ones with times, weak ones "
                f"without ({said}), an empty panel for none.")

# %% [markdown]
# | labels | what the network can be told | what it cannot be told |
# | --- | --- | --- |
# | strong, synthetic | for each frame and class whether it was right | how real clips sound |
# | weak, real | whether the clip as a whole was right | which frames were right |
# | none, real | nothing directly; but its answers should hang together | which class anything is |
# | strong, real | everything | (kept for judging: too dear to learn from) |
#
# How much does a weak label leave open? Suppose a system knew all weak labels of the development set without an
# error, and said of each of those classes that it sounds from 0 to 10 s. **Predict** its event-based F1 (lesson 00),
# and for which classes it does best.

# %%
known = [(names[i], 0.0, f.clip_s, tables.CLASSES[k]) for i, k in zip(*weak.nonzero())]
throughout = pd.DataFrame(known, columns=tables.EVENT_COLUMNS)
result = metrics.event_f1(table, throughout)
rows = [(label, values["n_ref"], f"{100 * values['f1']:.0f}")
        for label, values in result.per_class.items() if values["n_ref"]]
columns = ["class", "reference events", "F1 (%)"]
html.table(pd.DataFrame(rows, columns=columns),
           f"All weak labels right, times unknown: macro F1 {100 * result.macro:.0f} %")

# %% [markdown]
# For what runs throughout, the weak label is nearly a strong one. For what comes in short events it says nothing about
# time: these classes need strong labels, or a network that finds out by itself where in the clip the evidence lies
# (attention pooling, lesson 04).
#
# What is *really* in a weakly labelled clip? Of real recordings nobody knows. Of generated ones the generator does: it
# keeps the strong labels aside, where no training looks.

# %%
try:
    secret = layout.hidden_labels(root, "weak")
    secret = secret[secret["filename"] == chosen["weak"]]
    picture = look(heard("weak", chosen["weak"]))
    title = f"weak label: {told[chosen['weak']]}"
    fig = plots.spectrogram(picture, hop_s, title=title, reference=secret)
    plots.show(fig, f"A clip with the {title}; hidden: {plots.in_words(secret)}.")
except SedError as error:
    print(error)

# %% [markdown]
# ## From samples to log-Mel
#
# The network does not read samples. Its input is a picture like those above, with these sizes in the paper:

# %%
print(f"{f.sample_rate} Hz, n_fft {f.n_fft}, hop {f.hop}, {f.n_mels} Mel bands from "
      f"{f.f_min:.0f} to {f.f_max:.0f} Hz, floor {f.floor}, range {f.range_db:.0f} dB")
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
# Draw the centres 0, `hop`, 2 `hop` ... on a line if you are not sure.

# %%
check.frame_count(frame_count)

# %% [markdown]
# The frames, as rows of a matrix:

# %%
centred = waveform - waveform.mean()
padded = np.pad(centred, f.n_fft // 2, mode="reflect")
frames = np.lib.stride_tricks.sliding_window_view(padded, f.n_fft)[:: f.hop]
assert len(frames) == frame_count(len(waveform), f.n_fft, f.hop)
print(f"{frames.shape}: each frame lasts {1000 * f.n_fft / f.sample_rate:.0f} ms, "
      f"and the next one starts {1000 * hop_s:.2f} ms later")

# %% [markdown]
# **Step 3: the window.** Cutting makes edges that were not in the sound, and edges hold all frequencies. A Hamming
# window fades both ends of a frame. **Step 4: the magnitude of the Fourier transform**: how much of each frequency is
# in the frame. The phase is dropped. Here both, for a pure tone of 101 Hz, which fits no bin exactly:

# %%
window = signal.get_window("hamming", f.n_fft)
frequency = np.fft.rfftfreq(f.n_fft, 1 / f.sample_rate)
tone = np.sin(2 * np.pi * 101 * np.arange(f.n_fft) / f.sample_rate)
fig, axes = plots.figure(10, 3, ncols=2)
axes[0, 0].plot(1000 * np.arange(f.n_fft) / f.sample_rate, tone * window)
axes[0, 0].set(xlabel="time (ms)", ylabel="amplitude (full scale = 1)")
for name, x, line in (("cut only", tone, "--"), ("windowed", tone * window, "-")):
    level = librosa.amplitude_to_db(np.abs(np.fft.rfft(x)), ref=np.max)
    axes[0, 1].plot(frequency, level, line, label=name, linewidth=1.2)
axes[0, 1].set(xlabel="frequency (Hz)", ylabel="level (dB)", xlim=(0, 3000))
axes[0, 1].legend()
plots.show(fig, "Left: a tone that fades in and out under the window. Right: its "
                "spectrum, a peak at 101 Hz; cut only, it leaks far and wide.")

# %% [markdown]
# Without a window, a loud low tone would lie like a haze over soft high ones. Now all frames of the clip:

# %%
magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T
print(f"{magnitude.shape}: (frequency bin, frame), {frequency[1]:.1f} Hz from bin to bin")

# %% [markdown]
# **Step 5: Mel bands.** 1025 bins are more than an ear tells apart at high frequencies. The Mel scale is even up to 1
# kHz and logarithmic above. Each band is a triangle that weights the bins around its centre, as high as its neighbours
# ("no area norm").

# %%
bands = librosa.filters.mel(sr=f.sample_rate, n_fft=f.n_fft, n_mels=f.n_mels,
                            fmin=f.f_min, fmax=f.f_max, htk=False, norm=None)
fig, axes = plots.figure(10, 2.4)
for number, band in enumerate(bands[::6]):
    axes[0, 0].plot(frequency, band, color=plots.BLUE, linestyle=plots.LINES[number % 2])
axes[0, 0].set(xlabel="frequency (Hz)", ylabel="weight", title="Every sixth of the bands")
plots.show(fig, "Triangles of about the same height from 0 to 8000 Hz: narrow and close "
                "together up to 1 kHz, then ever wider.")
mel = bands @ magnitude
widths = [np.ptp(frequency[bands[k] > 0]) for k in (10, 120)]
print(f"{mel.shape}; band 10 spans {widths[0]:.0f} Hz, band 120 spans {widths[1]:.0f} Hz")

# %% [markdown]
# **Step 6: the logarithm.** The ear judges ratios, and so does the paper's baseline: amplitude $A$ has the level
#
# $$L = 20 \log_{10} \max(A, 10^{-5}) \; \mathrm{dB},$$
#
# and whatever lies more than 80 dB below the loudest point of the clip is raised to there, so that digital silence does
# not stand out more than sounds do.
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
# What the steps made of the clip. **Predict:** what will be seen of it before the logarithm?

# %%
spectrogram = decibels(mel, f.floor, f.range_db)
steps = {"FFT bins, linear": magnitude, "Mel bands, linear": mel,
         "Mel bands, dB": spectrogram}
fig, axes = plots.figure(10, 3, ncols=3)
for ax, (title, picture) in zip(axes[0], steps.items()):
    ax.imshow(picture, origin="lower", aspect="auto", cmap="magma",
              extent=(0, f.clip_s, 0, len(picture)))
    ax.set(title=title, xlabel="time (s)", ylabel=title[:8])
plots.show(fig, "The clip three times: FFT magnitudes and linear Mel bands are nearly "
                "black with a few bright spots; in dB all of it can be seen.")

# %% [markdown]
# And now the test: is this the input of the paper's network? The library does the same in a few lines of PyTorch, for
# whole batches and on a GPU.

# %%
print(inspect.getsource(features.LogMel.mel))
print(inspect.getsource(features.LogMel.forward).split('"""')[2])
theirs = look(waveform.astype(np.float32))
difference = np.abs(spectrogram - theirs).max()
assert spectrogram.shape == theirs.shape and difference < 1e-3
print(f"equal: {theirs.shape}, largest difference {difference:.0e} dB")

# %% [markdown]
# ### Sharp in time or sharp in frequency
#
# A longer frame tells closer frequencies apart and closer moments together. Below are two tones, 500 and 560 Hz, and
# two clicks 40 ms apart. **Predict:** for which lengths are the tones two lines, for which are the clicks two?

# %%
def seen(n_fft: int) -> tuple[plots.Figure, str]:
    t = np.arange(12800) / 16000
    sound = 0.1 * (np.sin(2 * np.pi * 500 * t) + np.sin(2 * np.pi * 560 * t))
    sound[[6400, 7040]] += 8
    level = librosa.amplitude_to_db(np.abs(librosa.stft(
        sound, n_fft=n_fft, hop_length=64, window="hamming")), ref=np.max)
    words = f"n_fft {n_fft}: {n_fft / 16:.0f} ms, bins {16000 / n_fft:.0f} Hz apart"
    fig, axes = plots.figure(10, 2.6)
    axes[0, 0].imshow(level, origin="lower", aspect="auto", cmap="magma", vmin=-50,
                      extent=(0, 0.8, -8000 / n_fft, 8000 + 8000 / n_fft))
    axes[0, 0].set(xlabel="time (s)", ylabel="frequency (Hz)", ylim=(0, 1500))
    axes[0, 0].set_title(words)
    return fig, f"Two tones as horizontal, two clicks as vertical lines; {words}."

# %% [markdown]
# The paper's 2048 comes first.

# %%
explore.explore(seen, interactive, n_fft=[2048, 256, 512, 1024, 4096])

# %% [markdown]
# 2048 samples, 128 ms, are long: pitch is clear, a click is smeared over eight frames of 16 ms. The short hop does not
# undo that; it only draws the smear in finer steps. No length is right for a bark *and* for a shaver.

# %% [markdown]
# ## Frames and seconds
#
# Two poolings by 2 in the network leave one frame in four. With hop 255 that makes 63.75 ms. Why 255 and not a round
# 256? Count what is left after each pooling, which drops a frame when the number is odd:

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
# 628 is 4 · 157: with hop 255 the output frames cover the whole clip and no frame is lost; with 256 the end of the
# clip is heard but not answered.
#
# No network can be better than its frames. How good would one be that is right about *every* frame? Turn the reference
# into frames and back into events, and score it. Then do the same through the median filter of 0.45 s with which the
# baseline smooths its decisions (lesson 04). **Predict** both F1 scores for the paper's frames.

# %%
def perfect(frame_s: float, frames: int, median_s: float) -> metrics.F1Result:
    """The score of a network that is right about every frame."""
    labels = encoder.strong_labels(table, names, frames, frame_s)
    scores = decode.Posteriors(labels, names, tables.CLASSES, frame_s)
    decoding = sedlib.config.Decoding(median_s=median_s)
    return metrics.event_f1(table, decode.median_events(scores, decoding, f.clip_s))

rows = [(f"{1000 * frame_s:.2f}", *(f"{100 * perfect(frame_s, frames, m).macro:.1f}"
                                    for m in (0.0, 0.45, 1.0)))
        for frame_s, frames in ((paper.frame_s, paper.frames), (own.frame_s, own.frames))]
columns = ["output frame (ms)", "no filter", "median 0.45 s", "median 1 s"]
html.table(pd.DataFrame(rows, columns=columns), "Macro F1 (%) of perfect frames")

# %% [markdown]
# Rounding to frames of 64 ms costs next to nothing under a collar of 200 ms. The filter costs more, and not the same
# for all classes:

# %%
events = tables.events(table)
lengths = (events["offset"] - events["onset"]).groupby(events["event_label"]).median()
lengths = lengths.sort_values()
filters = {"no filter": 0.0, "median 0.45 s": 0.45, "median 1 s": 1.0}
columns = {"class": lengths.index, "median duration (s)": lengths.map("{:.2f}".format)}
for name, median_s in filters.items():
    by_class = perfect(paper.frame_s, paper.frames, median_s).per_class
    columns[name] = [f"{100 * by_class[label]['f1']:.0f}" for label in lengths.index]
html.table(pd.DataFrame(columns), "F1 (%) of perfect frames of 63.75 ms, by class")

# %% [markdown]
# A median filter of 7 frames removes what is active in fewer than 4 of them: an event shorter than about a quarter of a
# second, which is also DESED's shortest annotation. It closes pauses of that length too, and so makes one event of two
# barks. It is worth its price only because real networks are wrong in single frames; the two-state model of lesson 06
# asks whether the same can be had cheaper.

# %% [markdown]
# ## Beside DESED
#
# Durations, crowds and pauses decide what the median filter, the frames and the score are worth. Does our data set
# behave like DESED? The library has DESED's published numbers, counted in its public tables:

# %%
compared = {}
for name in ("synthetic", "validation"):
    here = statistics.facts(parts[name].table)
    compared[name] = statistics.compare(here, desed.facts(name))
html.table(statistics.table(compared["validation"]), "Development set: here / DESED")

# %% [markdown]
# As a picture, with the synthetic clips above. (For these the numbers are of the challenge's synthetic set of 2019; the
# table of 2020 is published with its audio only.) **Predict:** in which domain do events last longer, and in which are
# there more of them?

# %%
fig = plots.beside_desed(compared)
words = []
for name, comparison in compared.items():
    medians = comparison.xs("duration_50", level="quantity")
    close = medians["ratio"].between(1 / 1.5, 1.5).sum()
    words.append(f"{name}: median duration within a factor of 1.5 in {close} classes")
plots.show(fig, "Durations, clips and events of each class, here and in DESED. "
                f"{'; '.join(words)}.")
print(*words, sep="\n")

# %% [markdown]
# Keep two things in mind for the training.
#
# **The classes are not balanced.** How unequal are they, and how many of all the ones and zeros are ones?

# %%
share = strong.mean(axis=(0, 1))
rows = [(label, count, f"{100 * share[tables.CLASSES.index(label)]:.1f}")
        for label, count in events["event_label"].value_counts().items()]
columns = ["class", "events", "of all frames (%)"]
html.table(pd.DataFrame(rows, columns=columns), "Development set")

# %% [markdown]
# Most events are of few classes, and the order by *time* is another one than that by *events*. The loss counts
# frames, the score counts events, and the macro average counts classes: three different ideas of what matters. And
# nine in ten labels are zeros: a network that never says anything is right most of the time.
#
# **The domains do not agree.** The synthetic clips have other habits than the real ones, in DESED too: what follows
# is about the rest, the sound itself.

# %% [markdown]
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
print(f"{len(synthetic)} synthetic and {len(real)} real-domain clips, "
      f"{synthetic.shape[1]} numbers each")

# %% [markdown]
# The middle half of the clips, band by band. **Predict:** at which frequencies will they differ most?

# %%
hertz = librosa.mel_frequencies(n_mels=64 + 2, fmax=f.f_max)[1:-1]
fig, axes = plots.figure(10, 3.2, ncols=2, sharex=True)
for x, name, colour, line in ((synthetic, "synthetic", plots.BLUE, "-"),
                              (real, "real", plots.VERMILION, "--")):
    for ax, part in zip(axes[0], np.split(x, 2, axis=1)):
        low, middle, high = np.quantile(part, (0.25, 0.5, 0.75), axis=0)
        ax.fill_between(hertz, low, high, color=colour, alpha=0.25)
        ax.plot(hertz, middle, line, color=colour, label=name)
for ax, what in zip(axes[0], ("mean over time (dB)", "deviation over time (dB)")):
    ax.set(xlabel="frequency (Hz)", ylabel=what)
    ax.legend()
plots.show(fig, "Median and quartiles over clips of the mean level and of its deviation "
                "over time, against frequency, for both domains.")

# %% [markdown]
# How well does *one* of these numbers tell the domains apart? Take a real and a synthetic clip at random: how often
# has the real one the larger value? That probability is the **area under the ROC curve** (AUC). 0.5 means that the
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
# Every value of `a` meets every value of `b`; broadcasting does that in a line.

# %%
check.auc(auc)

# %% [markdown]
# Now for every band and both statistics:

# %%
single = np.array([auc(real[:, k], synthetic[:, k]) for k in range(real.shape[1])])
fig, axes = plots.figure(10, 2.8)
kinds_of = dict(zip(("mean level", "deviation"), np.split(single, 2)))
for (name, values), line in zip(kinds_of.items(), plots.LINES):
    axes[0, 0].plot(hertz, values, linestyle=line, label=name)
axes[0, 0].axhline(0.5, color="0.5", linewidth=0.8)
axes[0, 0].set(xlabel="frequency (Hz)", ylabel="AUC of one number", ylim=(0, 1))
axes[0, 0].legend()
furthest = np.abs(single - 0.5).argmax()
plots.show(fig, "AUC of the mean level and of the deviation against frequency; furthest "
                f"from 0.5: {single[furthest]:.2f} at "
                f"{hertz[furthest % len(hertz)]:.0f} Hz.")

# %% [markdown]
# And for all numbers together? The classifier asks them one after the other, as in "is the band at 4 kHz below
# -70 dB?": a hundred small decision trees, each fitted to what the ones before got wrong. So that it cannot learn
# clips by heart, it is always asked about clips that it was not fitted to. **Predict** the AUC; and as a control, that
# for two halves of the synthetic clips.

# %%
print(inspect.getsource(gap.domain_auc).split('"""')[2])
half = len(synthetic) // 2
print(f"real against synthetic: AUC {gap.domain_auc(synthetic, real):.2f}")
print(f"synthetic against synthetic: AUC "
      f"{gap.domain_auc(synthetic[:half], synthetic[half:]):.2f}")

# %% [markdown]
# A classifier that hears a few statistics and does not know a single sound tells the domains apart far better than
# chance, and the better the more clips it may learn from. (With the few clips of profile `smoke` neither number is
# worth much, and the control may come out some way off 0.5.) A network could do the same, if it were of use to it:
# that is what the adversarial training of lesson 05 works against.
#
# ### Taking the gap apart
#
# The generator makes the real domain from ten ingredients, each of which can be switched off. What is off is then as in
# the synthetic clips; everything else stays as it was, to the sample, because each ingredient has a stream of random
# numbers of its own.

# %%
print(*domains.INGREDIENTS, sep=", ")
print(inspect.getsource(soundscapes.mini_recipe).split('"""')[2])

# %% [markdown]
# First by ear: one clip of the real domain as dry and clean as a synthetic one; then with rooms; then with codecs; then
# with all that happens to a sound between its source and the file. The events are the same.

# %%
same = ("scenes", "voices", "boundaries")  # in all versions: they change the events
acoustics = [ingredient for ingredient in domains.INGREDIENTS if ingredient not in same]

def clip(index: int, *there: str) -> tuple[np.ndarray, list]:
    without = [ingredient for ingredient in acoustics if ingredient not in there]
    how = soundscapes.mini_recipe("validation", without)
    return soundscapes.make_clip("validation", how, seed, index)

# %% [markdown]
# Not every clip has a room, or went through a codec: take the first that did both and has pauses.

# %%
added = {"rooms": ("rooms",), "codecs": ("codecs",), "all": acoustics}
for index in range(1000):
    dry, events_there = clip(index)
    busy = sum(offset - onset for onset, offset, _ in events_there)
    others_there = {name: clip(index, *there)[0] for name, there in added.items()}
    if 1 < busy < 5 and not any(np.array_equal(dry, x) for x in others_there.values()):
        break
versions = {"dry and clean": dry, **others_there}

# %% [markdown]
# **Predict:** which of them would a detector mind most?

# %%
for name, waveform in versions.items():
    players.play(waveform, name)
pictures = {name: look(waveform) for name, waveform in versions.items()}
fig = plots.spectrogram_grid(pictures, hop_s, columns=2)
plots.show(fig, "One clip four times: dry and clean; with rooms, whose tails fill the "
                "pauses; with codecs; with all, where haze and colour are added.")

# %% [markdown]
# Now by number. Take the ingredients away step by step, until nothing is left, and ask the classifier each time.
# **Predict:** after which step will it start to fail? Draw the curve before you run the cell.

# %%
few = 24 if profile == "smoke" else 60
taken = [(), ("microphones", "band limits"), ("noise", "codecs", "clipping"),
         ("rooms", "loudness"), ("foregrounds", "gain controls"),
         ("voices", "backgrounds"), ("scenes", "boundaries")]
def made(subset: str, without: tuple[str, ...] = ()) -> np.ndarray:
    how = soundscapes.mini_recipe(subset, without)
    waveforms = [soundscapes.make_clip(subset, how, seed + 1, i)[0]
                 for i in range(few)]
    return gap.band_statistics(np.array(waveforms), small)

studio = made("synthetic")

def distance(without: tuple[str, ...]) -> float:
    return gap.domain_auc(studio, made("validation", without))

# %% [markdown]
# This makes a few hundred clips.

# %%
gone, curve = (), []
for step in tqdm(taken, disable=not interactive):
    gone += step
    curve.append(distance(gone))
steps = ["real domain", *("minus " + ", ".join(names) for names in taken[1:])]
fig, axes = plots.figure(10, 2.8)
axes[0, 0].barh(steps, np.array(curve) - 0.5, left=0.5, color=plots.BLUE)
axes[0, 0].axvline(0.5, color="black", linewidth=1)
axes[0, 0].set(xlabel="AUC, real-domain against synthetic clips", xlim=(0.3, 1.0))
axes[0, 0].invert_yaxis()
words = "; ".join(f"{step} {value:.2f}" for step, value in zip(steps, curve))
plots.show(fig, f"Bars from 0.5, which is chance, to the AUC after each step: {words}")

# %% [markdown]
# Each step goes on from the one before, so that at the bottom nothing of the real domain is left and the AUC is near
# chance. On the way down the classifier does with what is left: as long as a few clues remain, it hardly misses the
# others, and in another order other steps would look important. So this AUC says *that* the domains differ, and not
# *what* that costs: a detector may pass over a difference that the classifier seizes on, and the other way round. Its
# loss is another measurement.

# %% [markdown]
# ### What the gap costs a detector
#
# The honest number takes trained detectors: one from synthetic clips alone, the mean teacher of lesson 04, and an
# **oracle** that is trained with the real clips' hidden strong labels, the ceiling. `sedlib gap` trains them and asks
# the first one about development clips with single ingredients switched off or on. It takes most of an hour, so here
# is what it found: in this workspace, if you ran it, or else when the course was published.
#
# **Predict:** which ingredient costs a detector most, and which hardly anything?

# %%
measured = gap.load(profile)
shares = gap.shares(measured)
print(measured["from"])
plots.show(plots.gap(gap.by_system(measured), shares), gap.text(measured))

# %% [markdown]
# On the left, what the domains cost: the detector that knows synthetic clips alone is good on such clips, and loses
# most of that on real ones. The mean teacher, which adds weak and unlabelled real clips, wins some of it back; the
# oracle shows how much there is to win with this network and as many labelled clips. On the right, what each
# ingredient takes from the first detector when it is the only difference (circles), and what is won when it is the
# only one taken away (diamonds). These do not add up: an event that is missed for one reason cannot be missed once more
# for another.

# %% [markdown]
# ## Reading clips fast
#
# A training reads the same clips hundreds of times. `open_store` decodes each of them once, into one file with a row
# of 16-bit samples per clip; from then on a batch is read from there. How long does a batch of 24 clips take, from
# the audio files and from the store?

# %%
waves = store.open_store(root, "validation", progress=False)
batch = encoder.batch_indices(0, 24, len(waves), seed)

def fastest(read, times: int = 5) -> float:
    """Milliseconds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)

# %% [markdown]
# Compressed files (FLAC, OGG) or other sample rates would take longer to decode than 16 kHz WAV; the store would not.

# %%
decoding = fastest(lambda: [heard("validation", waves.filenames[i]) for i in batch])
reading = fastest(lambda: waves.waveforms(batch))
print(f"decoded: {decoding:.1f} ms; read from the store: {reading:.1f} ms")
stored = waves.waveforms(batch[:1])[0]
decoded = heard("validation", waves.filenames[batch[0]])
assert np.allclose(stored[:16000], decoded[:16000], atol=1e-4)  # 16 bits

# %% [markdown]
# The store notices when audio files change and is built anew; a clip that cannot be decoded is left out and named.

# %% [markdown]
# ## DESED itself
#
# Everything in this course runs on DESED: give its folder as `data`, the one that holds `audio/` and `metadata/`. The
# package `desed` (`pip install desed`, then `desed.download_audioset_data(folder)`) fetches the real clips as far as
# they still exist; the synthetic soundscapes of 2020 and the public evaluation set are archives on Zenodo, linked
# from the package's page. With profile `paper` that comes as close to the paper's experiment as its text allows;
# `docs/DIFFERENCES.md` lists what differs.
#
# Before a long training, `sedlib data check FOLDER` says what a folder holds, what it lacks and what is broken. A clip
# that is missing or broken is left out and counted; what would stop the training or its scoring is an error. See what
# it says about a small folder, of which one clip has been cut off, and a table with a wrong word:

# %%
with tempfile.TemporaryDirectory() as folder:
    few = dict.fromkeys(layout.SUBSETS, 2)
    generate.mini(folder, few | {"validation": 3}, seed=seed, progress=False)
    place = layout.SUBSETS["validation"]
    broken = Path(folder, place.audio, generate.clip_name("validation", 0))
    broken.write_bytes(broken.read_bytes()[:100000])
    said = audit.check(folder).text()
    print(said.replace(folder, "FOLDER"))
    metadata = Path(folder, place.metadata)
    line = f"{generate.clip_name('validation', 1)}\t1.000\t2.000\tdogs\n"
    metadata.write_text(metadata.read_text(encoding="utf-8") + line, encoding="utf-8")
    said = audit.check(folder).errors[0]
    print(said.replace(folder, "FOLDER"))

# %% [markdown]
# Every message names the file, what is wrong with it, and what to do.

# %% [markdown]
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
# - You heard what separates the two domains, and named ten classes by ear and by eye.
# - You turned strong labels into frames and into weak labels, and measured how much a weak label leaves open.
# - You built the log-Mel spectrogram from samples in six steps, equal to the library's within a thousandth of a dB.
# - You found out why 628 frames become 157 of 63.75 ms, what a perfect network could score with them, and what a
#   median filter takes from short events; and laid the data set beside DESED.
# - You told the domains apart with a few decision trees, and took its clues away one after the other.
#
# ## Exercises
#
# 1. With `n_fft` 512 and 128 Mel bands, some bands are empty. Which, how many, and why? (`bands.sum(axis=1)`)
# 2. Which single ingredient is enough for the classifier? Call `distance` with all ingredients but one.
# 3. Make the wrong test: fit the trees of `gap.domain_auc` and ask it about the *same* clips, synthetic
#    against synthetic. What AUC do you get, and what does that teach about numbers measured on training data?
# 4. Score "perfect frames" with frames of 128, 256 and 512 ms. From where on does the frame itself become the limit?
