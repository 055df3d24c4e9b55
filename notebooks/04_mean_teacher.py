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
# # The baseline: a network that learns from its own average
#
# Most training clips of DESED, more than fourteen thousand, have no label at all. The baseline learns from them all the
# same, by agreeing with an average of itself. Lessons 05 to 08 build on this network, so it pays to know each part.
#
# **You will**
# - say what each kind of label can teach, and why a mean teacher lets unlabelled clips teach too;
# - follow a batch through the network block by block, and rebuild two of its parts;
# - write the loss, the moving average and the ramp-up, and find the same lines in the library;
# - train the paper's baseline, small, and measure what its teacher is worth;
# - turn posteriors into events, put the score into Table 2, and listen to the errors that remain.
#
# **You need** lesson 00, the idea of a convolution and of gradient descent, a little PyTorch; headphones at a moderate
# level.
#
# **Time** to read and try: 80 minutes. To run on two cores: 2 min with profile `lesson` once
# its training is finished, which takes 10 min more; 40 s with profile `smoke`.
#
# **Paper** Cornell et al., DCASE Workshop 2020: section 3 (first paragraph) and the first row of Table 2. The mean
# teacher is [Tarvainen and Valpola's](https://arxiv.org/abs/1703.01780); Delphin-Poulat and Plapous brought it to this
# task (the paper's references 8 and 10).

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# `sedlib` is the paper's system, `reproduction` knows its tables, and `sedcourse` draws, plays and checks.

# %%
import math

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from sedcourse import check, explore, html, live, mistakes, players, plots, show, teacher
from sedlib import decode, inference, metrics, models, systems, training, workspace
from sedlib.data import tables

# %% [markdown]
# Every setting of a training is in one configuration. The system is `baseline`, and the profile decides its size. Only
# these settings differ from the paper's. An **epoch** is one round of a training, after which it is scored: in the
# paper once through the weakly labelled clips, here a fixed number of steps.

# %%
config = systems.configuration("baseline", profile)
paper = systems.configuration("baseline", "paper")
t = config.training
html.table(teacher.changed(config, paper), f"What profile {profile} changes")

# %% [markdown]
# ## What can each clip teach?
#
# There are three kinds of labels (lesson 00). This is how many clips have each.

# %%
root = workspace.dataset(data, profile)
html.table(teacher.training_clips(root), "Training clips")

# %% [markdown]
# Strong labels tell the network, for every frame and class, whether it was right. Weak labels tell it only for the
# clip as a whole. Unlabelled clips tell it nothing. Yet they sound like the clips it will be judged on, and exact
# labels for them would cost the most.
#
# The **mean teacher** makes a target for them. Two networks of the same shape are given every clip:
# - the **student** learns by gradient descent, as usual;
# - the **teacher** does not learn. After each step its weights move a little towards the student's. So it is an
#   average of the students of past steps.
#
# The student has to agree with the teacher on all clips, labelled or not. This helps because an average of many
# students is usually steadier than the last one. The teacher is also given a slightly noisy copy of the clip, because
# a little noise should not change the answer.
#
# **Predict:** if that were the *only* thing asked of the student, which useless network would have no loss at all?
#
# ## A batch
#
# A **batch** is the group of clips that one step learns from. It holds clips of all three kinds, in this order. Labels
# become ones and zeros: per frame where the times are known, per clip where only the classes are.

# %%
batch = teacher.first_batch(root, config, seed)
print(f"clips of each kind end at {batch.ends}; waveforms {batch.waveforms.shape}")
print(f"strong labels {tuple(batch.strong.shape)}: {batch.strong.mean():.1%} are 1")
print(f"weak labels   {tuple(batch.weak.shape)}: {batch.weak.mean():.1%} are 1")
drawn = {"synthetic: strong": batch.strong[0].numpy(), "weak": batch.weak[0].numpy(),
         "unlabelled": None}
plots.show(plots.labels(drawn, config.features.clip_s), "Labels of three clips, class by "
           "time: with times, without times, and an empty panel where nothing is known.")

# %% [markdown]
# The network's input is the log-Mel spectrogram, each Mel band scaled to mean 0 and standard deviation 1. A training
# measures both over all its clips. Here, one batch has to be enough.

# %%
torch.manual_seed(seed)
detector = models.Detector(config).eval()
features = detector.features(torch.from_numpy(batch.waveforms))
detector.scale.fit([features])
spectrogram = detector.scale(features)
hop_s = config.features.hop / config.features.sample_rate
print(f"spectrograms {tuple(spectrogram.shape)}; a frame every {1000 * hop_s:.1f} ms")

# %% [markdown]
# ## The network, block by block
#
# The baseline is a **CRNN** (section 3): a convolutional recurrent neural network. Convolutional blocks find local
# patterns and shrink the frequency axis to a single point. A recurrent layer reads what is left as a sequence. Linear
# maps turn each frame into **posteriors**, the probability of each class to sound. This is one block:

# %%
print(detector.crnn.cnn[0])

# %% [markdown]
# From top to bottom:
# - the **convolution** looks at 3 by 3 points of all channels at once;
# - [**batch normalisation**](https://arxiv.org/abs/1502.03167) brings each channel to mean 0 and standard deviation 1,
#   then scales and shifts it by two learned numbers. During training it measures the batch; for testing it uses
#   running averages. `momentum` is the weight of the newest batch, so the paper profile's 0.99 hardly averages;
# - the **GLU** is the non-linearity, see below;
# - [**dropout**](https://jmlr.org/papers/v15/srivastava14a.html) sets that share of the values to 0 at random during
#   training, so that no feature relies on one other alone. It is off when testing;
# - **pooling** averages over neighbouring bands and frames.
#
# The next tables have every shape on the way, for one clip: first this profile's network, then the paper's.
# **Predict:** which axis do the blocks shrink to 1, which only a little, and which grows? Where are most of the
# paper's parameters?

# %%
here, full = teacher.shapes(config), teacher.shapes(paper)
assert full["parameters"].sum() == 1_112_420
display(html.table(here, f"Profile {profile}: {here['parameters'].sum():,} parameters"))
html.table(full, f"The paper's size: {full['parameters'].sum():,} parameters")

# %% [markdown]
# The paper's seven blocks turn 128 bands into one and 628 frames into 157: an output frame every 63.75 ms. They hold a
# little more than half of the parameters.
#
# The **GRU** ([gated recurrent unit](https://arxiv.org/abs/1406.1078)) holds most of the others. It walks along the
# frames and carries a state with it; gates decide how much of the state each new frame replaces. *Bidirectional* means
# that a second one walks backwards, so each frame knows what came before and what comes after.
#
# The two maps at the end are tiny. Their output is a **logit**, any real number, and a sigmoid turns it into a
# posterior: $p = 1 / (1 + e^{-x})$, so $x = \log \frac{p}{1-p}$, the log-odds of $p$.
#
# ### The gated linear unit
#
# Where other networks have a ReLU, the blocks have a **gated linear unit**: a linear map over the channels, the same
# at every point, times a gate between 0 and 1,
#
# $$\mathrm{GLU}(x) = (W x + b) \cdot \sigma(x).$$
#
# Here the input itself is the gate. That is the baseline's variant. In the
# [original](https://arxiv.org/abs/1612.08083) the gate has weights of its own, $\sigma(V x + c)$. From scratch, and
# the same in sedlib, where the linear map is a convolution of size 1:

# %%
def glu(x, weight, bias):
    """(batch, channel, mel, frame) to the same shape."""
    linear = torch.einsum("oc, bcmt -> bomt", weight, x) + bias[:, None, None]
    return linear / (1 + torch.exp(-x))

unit = detector.crnn.cnn[0][2]
x = torch.randn(2, config.model.filters[0], 8, 5)
ours = glu(x, unit.linear.weight[:, :, 0, 0], unit.linear.bias)
torch.testing.assert_close(ours, unit(x))
show.source(models.crnn.GLU)

# %% [markdown]
# ### From frames to the clip
#
# To learn from weak labels, the network needs one posterior for the clip from those of its frames. This is **multiple
# instance learning**: a label belongs to a bag of instances, here a clip of frames, and nobody says which instance
# earned it. [Wang, Li and Metze](https://arxiv.org/abs/1810.09050) compare five ways to pool the instances. Take a
# bark that lasts 5 of 100 frames, with posterior 0.9 there and 0.05 elsewhere.

# %%
bark = torch.full((100,), 0.05)
bark[40:45] = 0.9
print(f"mean over the frames {bark.mean():.2f}, largest frame {bark.max():.2f}")

# %% [markdown]
# The mean says that there is hardly a dog in the clip, though there is. The maximum is right, but then all learning
# goes through a single frame, and one wrong frame makes a wrong clip. **Attention pooling** learns something in
# between. A second linear map $u$ of each frame's state, with a softmax over the classes, says how much the frame
# counts for class $k$. A softmax turns numbers into shares that sum to 1:
#
# $$a_{t,k} = \frac{\exp u_{t,k}}{\sum_j \exp u_{t,j}}, \qquad
# \mathrm{weak}_k = \frac{\sum_t a_{t,k} \, \mathrm{strong}_{t,k}}{\sum_t a_{t,k}}.$$
#
# **Exercise 1.** Write it for a batch: `strong` and `logits` ($u$) are `(batch, frame, class)`, the result is
# `(batch, class)`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def attention_pooling(strong: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Posteriors of the clips from those of their frames."""
    attention = logits.softmax(-1)
    return (strong * attention).sum(1) / attention.sum(1)

# %% [markdown]
# Mind the axis of the softmax, and the division.

# %%
check.attention_pooling(attention_pooling)

# %% [markdown]
# sedlib computes the *logit* of the weak posterior from the strong logits: the logarithm of
# $\sum_t a \, \mathrm{strong}$ minus that of $\sum_t a \, (1 - \mathrm{strong})$. So a posterior is never rounded to
# exactly 0 or 1. The clamp keeps the logarithm of a very small attention finite.

# %%
pooling = detector.crnn.weak
states = torch.randn(2, config.frames, 2 * config.model.rnn_units)
posteriors = torch.rand(2, config.frames, len(tables.CLASSES))
ours = attention_pooling(posteriors, pooling.attention(states))
torch.testing.assert_close(ours, pooling(states, posteriors.logit()).sigmoid())
show.source(models.crnn.AttentionPooling.forward)

# %% [markdown]
# ## The loss
#
# It has four terms. Where there are labels $y$, binary cross-entropy compares the student's posteriors $p$ with them.
# Everywhere, the mean squared error compares $p$ with the teacher's posteriors $q$:
#
# $$L = \mathrm{BCE}(p^{strong}, y^{strong}) + \mathrm{BCE}(p^{weak}, y^{weak})
# + c \, [ \mathrm{MSE}(p^{strong}, q^{strong}) + \mathrm{MSE}(p^{weak}, q^{weak}) ].$$
#
# **Exercise 2.** Write it. `student` and `teacher` hold the posteriors of the whole batch: `strong` `(batch, frame,
# class)` and `weak` `(batch, class)`. The arguments `strong` and `weak` are labels: those of the first clips of the
# batch, and those of the clips that follow.

# %% jupyter={"source_hidden": true} tags=["solution"]
def mean_teacher_loss(student, teacher, strong, weak, c):
    """The loss of a batch ordered synthetic, weak, unlabelled."""
    a, b = len(strong), len(strong) + len(weak)  # given
    bce, mse = F.binary_cross_entropy, F.mse_loss
    labelled = bce(student.strong[:a], strong) + bce(student.weak[a:b], weak)
    consistency = mse(student.strong, teacher.strong) + mse(student.weak, teacher.weak)
    return labelled + c * consistency

# %% [markdown]
# `F.binary_cross_entropy` and `F.mse_loss` average over everything they are given.

# %%
check.mean_teacher_loss(mean_teacher_loss)

# %% [markdown]
# The same in sedlib, on the batch from above. As in the baseline, the teacher starts with random weights of its own.
# Its noise is added to the Mel amplitudes, before the logarithm, 30 dB below the power of each band. Nothing has been
# learned yet, so both networks predict about 0.5 for everything. **Predict** the size of the four terms.

# %%
average = models.Detector(config).eval()
average.scale.load_state_dict(detector.scale.state_dict())
with torch.no_grad():
    target = average(training.add_noise(features, t.noise_snr_db, config.features))
output = detector(features)
terms = training.losses(output, target, batch.strong, batch.weak, t.consistency)
ours = mean_teacher_loss(output, target, batch.strong, batch.weak, t.consistency)
torch.testing.assert_close(ours, terms["total"])
print(*(f"{name:20} {value:.2g}" for name, value in terms.items()), sep="\n")
show.source(training.losses)

# %% [markdown]
# Both cross-entropies lie near $-\ln 0.5 = 0.69$, and both networks agree on their 0.5. A training of the short
# profiles begins a little further on: the biases of the strong head start at the log-odds of each class's share of
# active frames.
#
# Which clips does each term learn from? Ask for the gradient of a term with respect to a clip's spectrogram. Where it
# is 0, the clip changes nothing. **Predict** the twelve entries of this table.

# %%
asked = features.clone().requires_grad_()
terms = training.losses(detector(asked), target, batch.strong, batch.weak, t.consistency)
rows = []
for name in ("strong", "weak", "consistency_strong", "consistency_weak"):
    gradient, = torch.autograd.grad(terms[name], asked, retain_graph=True)
    learns = [bool(part.any()) for part in gradient.tensor_split(batch.ends[:-1])]
    rows.append((name, *("learns" if there else "-" for there in learns)))
columns = ["term", *teacher.KINDS]
html.table(pd.DataFrame(rows, columns=columns), "Which clips each term learns from")

# %% [markdown]
# This is the whole point. Only the consistency terms reach the unlabelled clips, and only they and the weak term reach
# the real domain. Here is the answer to the first question, too: a network that predicts the same for every clip
# agrees perfectly with its teacher. The terms with labels prevent that.
#
# ## The teacher is a moving average
#
# After each step of the student, every weight of the teacher moves:
#
# $$\theta_{teacher} \leftarrow \alpha \, \theta_{teacher} + (1 - \alpha) \, \theta_{student}.$$
#
# **Exercise 3.** Write the teacher's next weights, without changing the student's.

# %% jupyter={"source_hidden": true} tags=["solution"]
def ema(teacher: torch.Tensor, student: torch.Tensor, alpha: float) -> torch.Tensor:
    """The teacher's weights after one update."""
    return alpha * teacher + (1 - alpha) * student

# %% [markdown]
# An $\alpha$ close to 1 keeps most of the teacher.

# %%
check.ema(ema)

# %% [markdown]
# In sedlib $\alpha$ is smaller during the first steps, so the random weights of the start are soon forgotten. With
# $\alpha = 1 - 1/(n + 1)$ in step $n$, the teacher is the plain average of them and of all students so far.

# %%
wanted = [ema(old.detach(), new.detach(), t.ema)
          for old, new in zip(average.parameters(), detector.parameters())]
training.update_teacher(average, detector, step=10**6, ema=t.ema)
for ours, theirs in zip(wanted, average.parameters()):
    torch.testing.assert_close(ours, theirs.detach())
show.source(training.update_teacher)

# %% [markdown]
# How long does the teacher remember? After $n$ more steps a student's share has shrunk by $\alpha^n$. Below, one
# weight of a student wanders to its place, shaken by every batch, and its teacher follows. **Predict:** what does a
# larger $\alpha$ do to the noise, and what to the delay? The paper's value comes last.

# %%
explore.explore(teacher.followed, interactive, alpha=[0.9, 0.98, 0.995, 0.999])

# %% [markdown]
# The paper's $\alpha = 0.999$ averages about a thousand steps. That is a small part of its long training and a large
# part of a short one, so the short profiles use a smaller $\alpha$.
#
# ## Trusting the teacher slowly
#
# At the start the teacher knows nothing, and agreeing with it teaches nothing. So the weight $c$ of the consistency
# terms grows over the first $R$ steps. The learning rate, the size of a step, grows with it. Both have the factor
#
# $$\exp(-5 \, (1 - n / R)^2) \quad \mathrm{for} \quad n < R, \qquad 1 \quad \mathrm{afterwards}.$$
#
# **Exercise 4.** Write the factor.

# %% jupyter={"source_hidden": true} tags=["solution"]
def rampup(step: float, length: float) -> float:
    """From exp(-5) up to 1 in `length` steps, and 1 from there on."""
    rest = 1 - min(step, length) / length
    return math.exp(-5 * rest**2)

# %% [markdown]
# Look at what happens after step $R$.

# %%
check.rampup(rampup)

# %% [markdown]
# The two curves that it gives in this profile's training:

# %%
for epoch in np.linspace(0, t.epochs, 20):
    ours, theirs = (of(epoch, t.rampup_epochs) for of in (rampup, training.rampup))
    assert math.isclose(ours, theirs)
plots.show(*teacher.ramps(t))

# %% [markdown]
# ## Training
#
# This is one step, as it is run; you have met every line. `fabric` moves it to a GPU where there is one. The optimiser
# is [**Adam**](https://arxiv.org/abs/1412.6980): gradient descent that divides each weight's step by the recent size
# of its gradient, so that one learning rate suits all weights.

# %%
show.source(training.MeanTeacher.step)

# %% [markdown]
# Now run it. The curves move after every epoch: the terms of the loss, the event-based F1 on synthetic clips that were
# held out, the learning rate and the weight. After each epoch a **checkpoint** is written to disk, with all that is
# needed to continue. So you may stop the cell and run it again. It arrives at the same weights, because every step is
# a function of the seed and its number.
#
# **Predict:** who scores higher, the student or the teacher? At the start, and at the end?

# %%
folder = workspace.run_folder(profile, root, "baseline", seed)
with live.LiveCurves(interactive) as curves:
    run = training.train(config, root, seed, folder, curves, progress=interactive)
history = run.metrics
if len(curves.rows) < len(history):
    print("trained before, all or in part; these are its records:")
    plots.show(plots.curves(history), live.description(history))
print(f"{len(history)} epochs, {history.iloc[-1]['step']:.0f} steps")

# %% [markdown]
# ## What is the teacher worth?
#
# The teacher is the student of some steps ago, less shaken. Being late is a disadvantage while the student still moves
# fast. Being steady is an advantage afterwards. Was it so here?

# %%
plots.show(*teacher.ahead(history))
lead = 100 * (history["validation_f1_teacher"] - history["validation_f1_student"])
first, second = np.array_split(lead.to_numpy(), 2)
print(f"on average {first.mean():+.1f} points in the first half of the epochs, "
      f"{second.mean():+.1f} in the second")

# %% [markdown]
# Those were synthetic clips. Real ones count: the development set, which no training sees. Both networks predict it,
# and the same threshold and filter make events of their posteriors. The interval is a *bootstrap* over clips: what the
# difference could have been with other clips of the same kind. [Lesson 07](07_paper_ledger.py) explains it.

# %%
waves, reference = teacher.development(root)
found, f1 = {}, {}
for who in ("student", "teacher"):
    network = run.detector(who)
    found[who] = inference.posteriors(network, waves, config.frame_s, progress=False)
    events = decode.median_events(found[who], config.decoding, config.features.clip_s)
    f1[who] = metrics.event_f1(reference, events)
    print(f"{who}: macro F1 {100 * f1[who].macro:.1f} %")
value, low, high = metrics.paired_difference(f1["teacher"], f1["student"])["macro"]
print(f"teacher minus student: {100 * value:+.1f} points, "
      f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}")

# %% [markdown]
# What does steadier look like? This is the clip and class in which the student's posterior moves up and down most
# beyond its teacher's.

# %%
both = [of.scores for of in found.values()]
clip, k = teacher.liveliest(*both)
name, label = waves.filenames[clip], tables.CLASSES[k]
there = reference[(reference["filename"] == name) & (reference["event_label"] == label)]
of_clip = {who: of.scores[clip, :, k] for who, of in found.items()}
plots.show(*teacher.both(of_clip, config.frame_s, there, f"{label} in {name}"))

# %% [markdown]
# One training on one set of clips is an anecdote. A study of the short training's settings scored both networks every
# 1,000 steps, on real clips that no table uses.

# %%
study = teacher.study()
print(study["from"])
html.table(teacher.worth(study["curves"]), "Teacher minus student, all trainings of it")

# %% [markdown]
# That is why the short profiles test the teacher. The baseline tests the *student*, and so does profile `paper`.
#
# The teacher needs one more thing. During training it is given noisy clips, and its batch normalisation has averages
# of these. So they are recomputed on clean clips at the end of an epoch, before it is tested.
#
# The weights of the *last* step are kept. The baseline keeps the epoch with the best F1 on held-out synthetic clips.
#
# > **Our run** ([results](../docs/RESULTS.md), figures/schedule.json): F1 on held-out synthetic clips rises almost to
# > the end of every training. So it would choose one of the last epochs anyway.
#
# ## From posteriors to events
#
# A frame is **active** for a class when its posterior lies above 0.5. Single frames are often wrong: a dip in a long
# sound, a burst where nothing is. A **median filter** replaces each decision by the majority of the frames around it.
# Then every run of active frames becomes an event.
#
# **Exercise 5.** Write both. `median_filter` takes one row of scores and an odd `size`; beyond both ends the frames
# are mirrored, as SciPy and the baseline do. `events_of` turns `active` `(frame,)` into a list of `(onset, offset)` in
# seconds. Frame t spans the time from t to t + 1 times `frame_s`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def median_filter(scores: np.ndarray, size: int) -> np.ndarray:
    """The median of `size` frames around each frame, the scores mirrored at the ends."""
    padded = np.pad(scores, size // 2, mode="symmetric")  # given
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)
    return np.median(windows, axis=-1)

def events_of(active: np.ndarray, frame_s: float) -> list[tuple[float, float]]:
    """Runs of active frames as (onset, offset)."""
    padded = np.concatenate([[0], active.astype(int), [0]])
    edges = np.flatnonzero(np.diff(padded))
    return [(on * frame_s, off * frame_s) for on, off in zip(edges[::2], edges[1::2])]

# %% [markdown]
# A filter that looks back only makes every event late. And think of an event that the end of the clip cuts off.

# %%
check.median_filter(median_filter)
check.events_of(events_of)

# %% [markdown]
# `score` runs the tested network on the development and the evaluation set. It keeps posteriors, events and scores in
# the run's folder. From its posteriors your two functions make as many events as sedlib's. Below is the clip and class
# in which the filter changes most.

# %%
results = training.score(run, root, progress=interactive)
scores = decode.Posteriors.load(run.folder / "validation.npz")
size = decode.filter_frames(config.decoding.median_s, scores.frame_s)
active = scores.scores > config.decoding.threshold
rows = active.transpose(0, 2, 1).reshape(-1, active.shape[1])
mine = [events_of(median_filter(row, size) > 0.5, scores.frame_s) for row in rows]
smoothed = decode.smooth(active, size)
assert sum(map(len, mine)) == len(decode.frames_to_events(smoothed, scores))
plots.show(*teacher.most_changed(scores, active, smoothed))

# %% [markdown]
# The filter has one length for all classes. What is long enough to close the gaps in a vacuum cleaner's noise erases a
# bark. Lesson 06 gives each class its own inertia.
#
# ## The first row of Table 2
#
# A score means little without the score of a detector that is deaf. A fair one predicts the same classes equally
# often, and for equally long. So give each clip the events that were predicted for *another* clip, at random.
# **Predict:** our score, and its.

# %%
predicted = tables.read_events(run.folder / "validation.tsv")
rng = np.random.default_rng(seed)
deaf = [metrics.event_f1(reference, teacher.by_chance(predicted, scores.filenames, rng))
        for _ in range(20)]
html.table(teacher.baseline_row(results, deaf), "The baseline's row in Tables 2 and 3")

# %% [markdown]
# **Do not compare the two columns.** The paper's is for DESED, at full size, after the full training. Ours is for a
# small network on generated clips. What *can* be compared is this row with the deaf detector, and with later rows
# trained here on the same data. That is how the paper's claims are made: what a technique adds to the baseline.
# Profile `smoke` learns hardly anything, and may be as deaf.
#
# Macro F1 is a mean over classes that fare very differently. **Predict** the best and the worst class. The number of
# reference events is in brackets.

# %%
plots.show(*teacher.by_class(results, deaf))

# %% [markdown]
# ## What kind of errors?
#
# F1 counts an event as wrong whether it is invented or only ends a little late. So we tell three kinds apart. A
# **boundary error** overlaps an event of its class, but its onset or offset does not fit. A **false alarm** is
# predicted where no event of its class is, and a **miss** is an event of which nothing was predicted. **Predict:**
# which is most frequent? Is it the same for short and for lasting sounds?

# %%
truth, answers = mistakes.kinds(reference, predicted)
counted = mistakes.by_class(truth, answers)
words = "; ".join(f"{what}: {of.sum().to_dict()}" for what, of in counted.items())
plots.show(plots.class_counts(counted), f"Events by class and kind, in all {words}")
print(words)
print(f"{(truth['pieces'] > 1).sum()} reference events overlap several predictions")

# %% [markdown]
# One wrong boundary costs twice: the predicted event is superfluous, and the reference event is missed. A long event
# that falls into pieces costs once more for every further piece.
#
# ## Look and listen
#
# Three errors, picked by rule: the false alarm with the highest posterior, the miss with the lowest, and the reference
# event in the most pieces. Dashed lines point them out; you hear the whole clip.
#
# What sounds instead of the false alarm? Can *you* hear the miss? Which pieces would have to be joined?

# %%
for kind, event in mistakes.worst(truth, answers, scores).items():
    waveform = waves.waveforms([scores.filenames.index(event["filename"])])[0]
    logmel = detector.features(torch.from_numpy(waveform)[None])[0, 0].numpy()
    title, drawn = mistakes.drawn(kind, event, logmel, hop_s, scores, truth, answers)
    plots.show(*drawn)
    players.play(waveform, title)

# %% [markdown]
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("04", answers="")

# %% [markdown]
# ## What you did
#
# - You said what each kind of label can teach, and saw from gradients that only the consistency terms reach the
#   unlabelled clips.
# - You followed a batch through the network to the paper's 1,112,420 parameters, and rebuilt the GLU and attention
#   pooling.
# - You wrote the loss, the moving average and the ramp-up, and found them equal to the library's.
# - You trained the baseline, and measured its teacher against its student: in training, on real clips, in a whole
#   study.
# - You turned posteriors into events, put the score beside the paper's, and heard false alarms, misses and boundary
#   errors.
#
# ## Exercises
#
# 6. Is it the teacher that helps the student? Train without it: `dataclasses.replace(config.training,
#    consistency=0.0)` in a copy of `config`, and a run folder of its own. Compare with `metrics.paired_difference`.
#    Then do the same with another `seed` only: how large is that difference?
# 7. In training mode, batch normalisation ties the clips of a batch together. Repeat the table "Which clips each term
#    learns from" with `detector.train()`, and explain it.
# 8. Set the threshold to 0.2 and to 0.8: `dataclasses.replace(config.decoding, threshold=0.2)` for
#    `decode.median_events`. What happens to misses and false alarms? Why is the best of several thresholds not a fair
#    score?
# 9. Join predictions of a class that are less than 0.5 s apart before scoring. Which classes gain, which lose?

# %% [markdown] tags=["solution"]
# <details><summary>Solution of exercise 6</summary>
#
# Two more trainings, about 20 minutes with profile `lesson`. The second difference is chance alone. The first means
# something only if it is clearly larger, and one training each cannot show that.
#
# ```python
# import dataclasses
#
# def otherwise(name: str, changed, number: int) -> metrics.F1Result:
#     own = workspace.workspace() / "runs" / "exercises" / profile / name
#     other = training.train(changed, root, number, own, progress=interactive)
#     network = other.detector("student")
#     found = inference.posteriors(network, waves, config.frame_s, progress=False)
#     return metrics.event_f1(reference, decode.median_events(
#         found, config.decoding, config.features.clip_s))
#
# alone = dataclasses.replace(config, training=dataclasses.replace(t, consistency=0.0))
# for name, changed, number in (("no_teacher", alone, seed), ("seed", config, seed + 1)):
#     other = otherwise(name, changed, number)
#     of = [100 * x for x in metrics.paired_difference(f1["student"], other)["macro"]]
#     print("student minus {}: {:+.1f} ({:+.1f} to {:+.1f})".format(name, *of))
# ```
#
# </details>
#
# <details><summary>Solution of exercise 7</summary>
#
# Every term now has a gradient at every clip. Each clip's output depends on the batch's mean and variance, and these
# depend on all clips. It is a side effect: no label reaches an unlabelled clip by it.
#
# ```python
# detector.train()
# terms = training.losses(detector(asked), target, batch.strong, batch.weak, t.consistency)
# for name in ("strong", "weak", "consistency_strong", "consistency_weak"):
#     gradient, = torch.autograd.grad(terms[name], asked, retain_graph=True)
#     print(name, [bool(part.any()) for part in gradient.tensor_split(batch.ends[:-1])])
# detector = detector.eval()
# ```
#
# </details>
#
# <details><summary>Solution of exercise 8</summary>
#
# A low threshold trades misses for false alarms. Picking the best one by the score that is reported is tuning on the
# test. Lesson 06 measures what that costs.
#
# ```python
# import dataclasses
#
# for threshold in (0.2, 0.5, 0.8):
#     how = dataclasses.replace(config.decoding, threshold=threshold)
#     events = decode.median_events(scores, how, config.features.clip_s)
#     kinds = [of["kind"].value_counts().to_dict()
#              for of in mistakes.kinds(reference, events)]
#     f1_there = metrics.event_f1(reference, events).macro
#     print(f"{threshold}: F1 {f1_there:.1%}; reference {kinds[0]}; predicted {kinds[1]}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 9</summary>
#
# Lasting sounds gain where they had fallen into pieces. Repeated short ones lose: two barks become one event.
#
# ```python
# def joined(events: pd.DataFrame, gap: float) -> pd.DataFrame:
#     rows = []
#     for (name, label), of in events.groupby(["filename", "event_label"]):
#         of = of.sort_values("onset")
#         number = (of["onset"] >= of["offset"].cummax().shift() + gap).cumsum()
#         rows += [(name, part["onset"].min(), part["offset"].max(), label)
#                  for _, part in of.groupby(number)]
#     return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)
#
# before, after = (metrics.event_f1(reference, of).per_class
#                  for of in (predicted, joined(tables.events(predicted), 0.5)))
# print(pd.Series({name: 100 * (after[name]["f1"] - before[name]["f1"])
#                  for name in before}).sort_values().round(1))
# ```
#
# </details>
