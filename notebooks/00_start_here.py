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
# # Start here: which sounds, and when?
#
# An app that tells a deaf person that the alarm rings. A home that notices a tap left running. Both must know which
# sound occurs, and when. Hardly anybody can afford to annotate real homes with exact times, so such detectors learn
# from other material. This course takes one such system apart, and tests each claim of its authors.
#
# **You will**
# - say what sound event detection is, and tell three kinds of labels apart;
# - listen to a clip of each domain, and read their events off a spectrogram;
# - convert between the network's frames and seconds;
# - decide whether a predicted event counts as correct, in both of the paper's scores, and see how strict each is;
# - know the paper's three ideas and where in this course each is taught.
#
# **You need** Python and a little NumPy; headphones at a moderate level.
#
# **Time** to read and try: 50 minutes. To run on two cores: 30 s with profile `lesson`, 25 s with profile `smoke`; the
# first run also makes the data set, which takes a few minutes with `lesson`.
#
# **Paper** Cornell et al., *Domain-Adversarial Training and Trainable Parallel Front-end for the DCASE 2020 Task 4
# Sound Event Detection Challenge*, DCASE Workshop 2020: sections 1, 2 and 4, Tables 1 to 3.

# %% [markdown]
# Every lesson starts with the same four parameters.
# - `profile` says how large everything is: `smoke`, `lesson` or `paper`.
# - `seed` starts the **random generators**. The same seed gives the same random numbers: the same first weights,
#   batches and examples. Another seed gives another training, and the spread over seeds shows how much of a result is
#   luck.
# - `data` names the data set: `mini` is the one that the course makes itself, a path is a folder of your own in
#   DESED's layout.
# - `interactive=False` replaces sliders by fixed panels, for runs without a reader.

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# A lesson calls the library `sedlib`, and so does the whole reproduction: what you see here is what is run.

# %%
import numpy as np
import pandas as pd
import torch

import sedlib.config
from reproduction import lessons
from sedcourse import check, environment, explore, html, players, plots, scores, show
from sedlib.data import layout, store, tables
from sedlib.features import LogMel
from sedlib.metrics import psds_from_operating_points
from sedlib.workspace import dataset

# %% [markdown]
# ## Is this machine ready?
#
# The last column says what to do about anything that is not "ok".

# %%
rows = environment.check_environment()
print(environment.verdict(rows))
html.table(rows, "This machine")

# %% [markdown]
# ## Sound event detection
#
# A kettle, a dog, somebody speaking: **sound event detection** lists which sounds occur in a recording *and when each
# starts and ends* (section 1). Its answer is an **event table**: a row per event with onset and offset in seconds.
# Events of different classes may overlap, as they do at home.
#
# The challenge DCASE 2020 Task 4 asks for ten classes of household sounds (section 2). They are very unlike each
# other: some are short, some last.
#
# **Predict:** which two classes have the shortest events, and which two the longest? The next cell finds or makes the
# data and measures it on the clips whose events are known exactly.

# %%
root = dataset(data, profile)
synthetic = layout.load(root, "synthetic")
events = tables.events(synthetic.table)
events["duration"] = events["offset"] - events["onset"]
durations = events.groupby("event_label")["duration"].agg(["count", "median", "max"])
durations = durations.sort_values("median").round(2).reset_index()
durations.columns = ["class", "events", "median (s)", "longest (s)"]
html.table(durations, "Events of the synthetic training clips, shortest classes first")

# %% [markdown]
# In MiniDESED as in DESED, sudden sounds such as dishes and barks are at the top, and machines and water at the
# bottom. One method has to serve both. That will matter in lesson 03, for the **front-end**: the part that turns
# samples into the picture which the network reads.

# %% [markdown]
# ## Three kinds of labels
#
# Annotating every onset and offset by hand is slow, so most clips have less (sections 1 and 2):
#
# | kind | what is known | training clips in DESED | domain |
# | --- | --- | --- | --- |
# | strong | each event with onset and offset | 2584 | synthetic: mixed from isolated sounds |
# | weak | which classes occur, not when | 1578 | real recordings |
# | unlabelled | nothing | 14412 | real recordings |
#
# Development and evaluation clips are real ones with strong labels. So a system is judged on a domain for which it was
# never given an onset. Learning *when* from labels that say only *whether* is called **multiple-instance learning**
# (MIL). A network then has to sum up the frames of a clip, which is MIL pooling (lesson 04). Here are the first rows
# of each kind in the data set at hand.

# %%
for subset in ("synthetic", "weak", "unlabel_in_domain"):
    part = layout.load(root, subset)
    caption = f"{subset}: {len(part.filenames)} clips, {part.kind}"
    display(html.table(part.table.head(3), caption))

# %% [markdown]
# DESED itself is about 57 hours of sound behind many downloads. The course's own data set, **MiniDESED**, is generated
# by code and has the same folders, tables and ten classes. It also has two domains: "synthetic" clips are dry and
# clean, and its "real" clips go through other rooms, microphones, noise and codecs. They are generated too; "real" is
# the role that they play. Lesson 01 shows how both are made and how to use recordings instead.

# %% [markdown]
# ## Listen and look
#
# To see as much as possible, we take from each domain the clip with the most classes. `open_store` decodes all clips of
# a subset once into one file; `LogMel` turns samples into a **log-Mel spectrogram**: level in dB over time and
# frequency, with the frequency axis spaced as we hear pitch.

# %%
features = sedlib.config.profile(profile).features
logmel = LogMel(features)

def clip_with_most_classes(subset: str) -> tuple[np.ndarray, pd.DataFrame]:
    part = layout.load(root, subset)
    events = tables.events(part.table)
    name = events.groupby("filename")["event_label"].nunique().idxmax()
    waves = store.open_store(root, subset)
    waveform = waves.waveforms([waves.filenames.index(name)])[0]
    return waveform, part.table[part.table["filename"] == name]

# %% [markdown]
# **Predict** before you look below the player: which classes do you hear, and is anything sounding throughout?

# %%
waveform, labels = clip_with_most_classes("synthetic")
players.play(waveform, "A synthetic clip")

# %% [markdown]
# In the picture, hiss is a flat haze, tones are horizontal lines, clicks are vertical ones.

# %%
def look(waveform: np.ndarray, labels: pd.DataFrame, title: str):
    bands = logmel(torch.from_numpy(waveform)[None])[0, 0].numpy()
    hop_s = features.hop / features.sample_rate
    plots.show(*plots.clip(bands, hop_s, title, labels))

look(waveform, labels, "A synthetic clip")

# %% [markdown]
# Now the other domain. **Predict:** what will differ, to the ear and in the picture?

# %%
waveform, labels = clip_with_most_classes("validation")
players.play(waveform, "A real-domain clip")
look(waveform, labels, "A real-domain clip")

# %% [markdown]
# The real domain has other backgrounds, more echo, and often a noise floor under everything. Its clips are also
# recorded at all levels, some of them very faint. A network that learned only from the first kind of clip meets this
# for the first time in the test. That gap is what the paper is about.

# %% [markdown]
# ## Frames and seconds
#
# The network does not answer in seconds but in **frames**. The spectrogram of the DCASE baseline, whose features the
# paper keeps, has one column every 255 samples at 16 kHz, the **hop**. (The paper gives no number.) Two poolings by 2
# leave one column in four, so each output frame covers 4 · 255 samples.
#
# **Exercise 1.** Write both directions: the second at which output frame `frame` starts (counted from 0), and the
# frame in which second `second` lies.

# %% jupyter={"source_hidden": true} tags=["solution"]
def frame_start(frame: int) -> float:
    """Second at which an output frame starts."""
    return frame * 4 * 255 / 16000

def frame_at(second: float) -> int:
    """Output frame in which a second lies."""
    return int(second / (4 * 255 / 16000))

# %% [markdown]
# The check tells whether they are right and, if not, what probably went wrong.

# %%
check.frame_start(frame_start)
check.frame_at(frame_at)

# %% [markdown]
# The same in the library, with the sizes taken from the configuration; profile `lesson` has other sizes and so
# another frame.

# %%
show.source(sedlib.config.Config.frame_s.fget)
frame_s = {name: sedlib.config.profile(name).frame_s for name in ("paper", profile)}
assert frame_s["paper"] == frame_start(1)
frame_s

# %% [markdown]
# ## When is an event correct?
#
# The paper's score is the **event-based macro F1** (section 4). A predicted event is correct when it has the class of
# a reference event of the same clip, and
# - its onset is off by at most 200 ms, and
# - its offset is off by at most 200 ms *or* 20 % of the reference event's length, whichever is more.
#
# These tolerances are called **collars**.
#
# **Exercise 2.** Write the rule for two events of the same class, each given as `(onset, offset)` in seconds.

# %% jupyter={"source_hidden": true} tags=["solution"]
def event_matches(reference: tuple[float, float], predicted: tuple[float, float]) -> bool:
    """Whether a predicted event is close enough to a reference event of its class."""
    length = reference[1] - reference[0]  # given
    onset_fits = abs(predicted[0] - reference[0]) <= 0.2
    offset_fits = abs(predicted[1] - reference[1]) <= max(0.2, 0.2 * length)
    return onset_fits and offset_fits

# %% [markdown]
# Eleven pairs of events are tried, among them long ones, short ones and ones that come too early.

# %%
check.event_matches(event_matches)

# %% [markdown]
# Each reference event can be matched once. With TP correct predictions, FP superfluous ones and FN missed reference
# events, a class scores
#
# $$F_1 = \frac{2\,TP}{2\,TP + FP + FN},$$
#
# and the **macro** F1 is the mean over the ten classes, rare ones counting as much as frequent ones.
#
# **Predict:** a detector finds every event of the development set with its exact length, but always a little late.
# What is its F1 when it is 100 ms late? 300 ms?
#
# ### A second score
#
# **PSDS**, the polyphonic sound detection score ([Bilen et al., ICASSP 2020](https://arxiv.org/abs/1910.08440)), asks
# for overlap instead of ends:
# - A prediction is valid if reference events of its class cover at least half of it. This is the detection tolerance
#   criterion, **DTC** = 0.5. Otherwise it is a false alarm.
# - A reference event is found if valid predictions cover at least half of it. This is the ground truth intersection
#   criterion, **GTC** = 0.5.
# - A false alarm that lies to at least 30 % in events of *another* class is a **cross-trigger** (CTTC = 0.3). It can
#   cost extra, by a factor $\alpha_{CT}$. In the challenge of 2020 that factor was 0.
#
# One dog barks from 2 to 4 s. **Predict** for each row what both scores count.

# %%
plots.show(*scores.draw_cases())

# %% [markdown]
# F1 forgives no onset or offset outside its collar. PSDS accepts whatever overlaps well enough, even in pieces. Now
# delay every event of the development set, with both scores. Move the slider until each of them falls.

# %%
reference = layout.load(root, "validation").table

def late(delay: float) -> tuple[plots.Figure, str]:
    return scores.draw_late(reference, labels, delay)

explore.explore(late, interactive, delay=[0.0, 0.1, 0.19, 0.21, 0.3, 0.5, 1.0])

# %% [markdown]
# F1 does not fade, it collapses: within the onset's collar everything counts, beyond it nothing. PSDS fades, because a
# delay that is half of a short event is little for a long one. A system may detect every sound and still have a low
# F1, because it is vague about when. That is one reason why the paper's best F1 is below 50 %. It is also why
# smoothing the output, which moves onsets and offsets, can gain points (lesson 06).
#
# PSDS differs in one more way: it takes *all* thresholds. A lower threshold finds more events and raises more false
# alarms, so each class has a curve. Upwards is the **effective true positive rate**: the mean share of events found,
# minus $\alpha_{ST}$ times its standard deviation over the classes ($\alpha_{ST}$ = 0 in 2020). To the right is the
# **effective false positive rate**: false alarms per hour, plus $\alpha_{CT}$ times the cross-triggers. PSDS is the
# area up to 100 false alarms per hour, scaled to at most 1.
#
# Here is the curve of a made-up detector, whose onsets and offsets have errors of 0.3 s (standard deviation). Move the
# threshold.

# %%
points = scores.made_up(reference, seed)
whole = psds_from_operating_points(reference, points.values())

def curve(threshold: float) -> tuple[plots.Figure, str]:
    return scores.draw_curve(reference, points, whole, threshold)

explore.explore(curve, interactive, start={"threshold": 0.5},
                threshold=[0.2, 0.35, 0.5, 0.65, 0.8])

# %% [markdown]
# The point is one threshold, averaged over classes. The curve averages the classes at equal rates of false alarms, so
# the point need not lie on it. F1 is best at some threshold in between. PSDS stays the same, because it covers all
# thresholds. So the two scores can disagree on which of two systems is better, and a paper should report both.

# %% [markdown]
# ## The paper in one page
#
# **Problem** (sections 1 and 2). Strong labels exist only for synthetic clips; the target is real homes.
#
# **Starting point** (section 3). The challenge's baseline: a convolutional and recurrent network on log-Mel
# spectrograms, trained as a **mean teacher**. A student network learns from all three kinds of labels, and from the
# average of its own past. Lesson 04. Another way, which section 1 names, is **guided learning**: a second network
# that is good at whole clips teaches the one that is good at frames.
#
# **Idea 1: domain-adversarial training on dynamically mixed clips** (sections 3.1 and 3.2). A second network tries to
# tell synthetic from real clips by the first one's features; the first one learns features that defeat it.
# For every batch, new synthetic mixtures with random effects are made. Lessons 02 and 05.
#
# **Idea 2: parallel PCEN** (section 3.3). Instead of the logarithm, per-channel energy normalisation, whose
# parameters are learned; two of them in parallel, since short and lasting sounds want different ones. Lesson 03.
#
# **Idea 3: smoothing with a hidden Markov model** (section 3.4). Two states per class, whose transition probabilities
# are tuned for the score, replace the median filter. Lesson 06.
#
# **Result** (section 4): from 34.8 to 46.3 % event-based macro F1. **Predict:** which of the three ideas helps most
# on its own? An **ablation study** switches parts on and off to see what each is worth. The paper's, Table 2:

# %%
html.table(scores.ablation(), "Paper, Table 2: event macro F1 on the development set")

# %% [markdown]
# Idea 1 helps most, by 6.1 points, but only as a pair. Augmentation alone brings 2.5. Adversarial training alone is
# not reported. Parallel PCEN brings 5.1. With augmentation and without domain-adversarial training (DAT) it falls
# below the baseline, by 1.6. The HMM helps everywhere, by 2.3 to 4.3 points.
#
# Table 1 compares front-ends. Table 3 adds the evaluation set and PSDS. An **ensemble** averages the outputs of
# several networks.

# %%
html.table(scores.other_tables(), "Paper, Tables 1 and 3")

# %% [markdown]
# Look at the last two rows: the second ensemble wins on the development set, on which its HMM was tuned, and loses on
# the evaluation set. One number on one set is not the truth about a system; this course gives intervals wherever it
# can. Lesson 07 says how they are computed.

# %% [markdown]
# ## The map
#
# Each lesson runs alone, in any order. Read them from 00 to 07: lessons 02 and 03 need only 01, while 05 and 06 need
# 04, and 07 needs 06. `notebooks/08_your_own_sounds.py` takes your own recordings through the same steps.

# %%
html.table(lessons.course(), "The course")

# %% [markdown]
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("00", answers="")

# %% [markdown]
# ## What you did
#
# - You said what sound event detection is: classes with onsets and offsets, from strong, weak and missing labels.
# - You listened to a clip of each domain and read its events off a spectrogram.
# - You converted frames to seconds and back: one output frame of the paper is 63.75 ms.
# - You decided when a predicted event is correct. F1 collapses beyond the collar of 200 ms; PSDS fades, and covers all
#   thresholds.
# - You met the paper's three ideas, and know in which lesson each is taught.
#
# ## Exercises
#
# 3. Delay only the offsets, not the onsets (`reference.assign(offset=reference["offset"] + delay)`). Why does F1 now
#    fall slowly instead of collapsing?
# 4. Delay every event by a *random* time between 0 and 400 ms. Guess both scores first.
# 5. Find the validation clip with the most events, and play it. How many of them would you have found?
# 6. A detector that never reports anything: what are its TP, FP and FN, its F1 and its PSDS? And one that answers
#    "Speech, 0 to 10 s" for every clip?

# %% [markdown] tags=["solution"]
# <details><summary>Solution of exercise 3</summary>
#
# The onset's collar is 200 ms for every event, so all of them fall at once. The offset's collar is 20 % of the
# event's length. Each event falls at a delay of its own, and the mean fades.
#
# ```python
# from sedlib.metrics import event_f1
#
# for delay in (0.1, 0.3, 0.5, 1.0, 2.0):
#     moved = reference.assign(offset=reference["offset"] + delay)
#     print(f"{delay} s: F1 {event_f1(reference, moved).macro:.0%}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 4</summary>
#
# Half of the delays are within the onset's collar, so F1 is about a half. (The few events of profile `smoke` scatter
# widely.) PSDS loses less: it asks for half of the overlap, and only short events lose that.
#
# ```python
# by = np.random.default_rng(seed).uniform(0, 0.4, len(reference))
# moved = reference.assign(onset=reference["onset"] + by, offset=reference["offset"] + by)
# print(f"F1 {event_f1(reference, moved).macro:.0%}, "
#       f"PSDS {psds_from_operating_points(reference, [moved]).value:.2f}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 5</summary>
#
# `tables.events` leaves out clips without events. Write your list down before you look at the picture.
#
# ```python
# busiest = tables.events(reference)["filename"].value_counts().idxmax()
# waves = store.open_store(root, "validation")
# waveform = waves.waveforms([waves.filenames.index(busiest)])[0]
# players.play(waveform, busiest)
# look(waveform, reference[reference["filename"] == busiest], busiest)
# ```
#
# </details>
#
# <details><summary>Solution of exercise 6</summary>
#
# The first has TP = FP = 0, and every event is an FN: F1 and PSDS are 0. The second hits only speech that begins and
# ends with the clip, so its F1 is next to 0. It makes 360 predictions an hour. If more than 100 of these are false
# alarms, its point lies beyond the area of PSDS, and that is 0 as well.
#
# ```python
# always = pd.DataFrame({"filename": tables.filenames(reference), "onset": 0.0,
#                        "offset": 10.0, "event_label": "Speech"})
# print(event_f1(reference, always).per_class["Speech"])
# print(f"PSDS {psds_from_operating_points(reference, [always]).value:.2f}")
# ```
#
# </details>
