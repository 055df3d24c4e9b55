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
# **You will**
# - say what each kind of label can teach, and why a mean teacher lets unlabelled clips teach too;
# - follow a batch through the network block by block, and rebuild two of its parts;
# - write the loss, the moving average and the ramp-up, and find the same lines in the library;
# - train the paper's baseline, small, and put its score into the first row of Table 2;
# - turn posteriors into events, and look at and listen to the errors that remain.
#
# **You need** lesson 00, the idea of a convolution and of gradient descent, a little PyTorch; headphones at a moderate
# level.
#
# **Time** to read and try: 75 minutes. To run on two cores: about 10 min with profile `lesson`, of which the training
# takes most, 40 s with profile `smoke`; a training that has finished is not done again.
#
# **Paper** Cornell et al., DCASE Workshop 2020: section 3 (first paragraph), Table 2 (first row); the mean teacher is
# Tarvainen and Valpola's, its use here Delphin-Poulat and Plapous's (the paper's references 8 and 10).

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# All numbers come from one configuration: the system `baseline` in the profile chosen above.

# %%
import copy
import dataclasses
import inspect
import math
import textwrap
import warnings

import numpy as np
import pandas as pd
import psds_eval
import torch
from torch.nn import functional as F

# %% [markdown]
# And the course's own: the library, the paper's tables, what only lessons use.

# %%
from reproduction.rows import ROWS
from sedcourse import check, explore, html, live, players, plots
from sedlib import decode, inference, metrics, models, systems, training, workspace
from sedlib.data import encoder, layout, store, tables

# %% [markdown]
# The paper's system and this profile's differ in these settings and in nothing else. `None` steps an epoch means once
# through the weakly labelled clips.

# %%
config = systems.configuration("baseline", profile)
paper = systems.configuration("baseline", "paper")
def numbers(config) -> dict[str, str]:
    parts = [part for part in config.to_dict().items() if isinstance(part[1], dict)]
    return {f"{part}.{name}": str(value)
            for part, values in parts for name, value in values.items()}

theirs, ours = numbers(paper), numbers(config)
rows = [(name, theirs[name], ours[name]) for name in ours if ours[name] != theirs[name]]
columns = ["what", "paper", f"profile {profile}"]
html.table(pd.DataFrame(rows, columns=columns), "What this profile changes")

# %% [markdown]
# ## What can each clip teach?
#
# Lesson 00 told three kinds of labels apart. Here is how much there is of each in the data set at hand.

# %%
root = workspace.dataset(data, profile)
kinds = ("synthetic", "weak", "unlabel_in_domain")
parts = {kind: layout.load(root, kind) for kind in kinds}
rows = [(kind, parts[kind].kind, layout.SUBSETS[kind].domain, len(parts[kind].filenames))
        for kind in kinds]
columns = ["subset", "labels", "domain", "clips"]
html.table(pd.DataFrame(rows, columns=columns), "Training clips")

# %% [markdown]
# With strong labels a network can be told, for every frame and class, whether it was right. With weak labels it can be
# told so for the clip as a whole. With none it can be told nothing: yet these clips sound like the ones it will be
# judged on, and labels for them would cost the most.
#
# The **mean teacher** makes a target for them. Two networks of the same shape are given every clip:
# - the **student** learns by gradient descent, as usual;
# - the **teacher** learns nothing itself. After each step its weights move a little towards the student's, so that it
#   is an average of the students of the last steps.
#
# The student is asked to agree with the teacher on all clips, labelled or not. That helps because an average of many
# students is usually steadier than the last one. And the teacher is given a slightly noisy copy of the clip, a detail on
# which the student's answer should not depend.
#
# **Predict:** if that were the *only* thing asked of the student, which useless network would have no loss at all?

# %% [markdown]
# ## A batch
#
# Every batch holds clips of all three kinds, in this order. `batch_indices` says which clips the n-th batch takes.

# %%
t = config.training
counts = dict(zip(kinds, (t.strong, t.weak, t.unlabelled)))
stores = {kind: store.open_store(root, kind, progress=False) for kind in kinds}
taken = {k: encoder.batch_indices(0, counts[k], len(stores[k]), seed) for k in kinds}
waveforms = np.concatenate([stores[kind].waveforms(taken[kind]) for kind in kinds])
names = {kind: [stores[kind].filenames[i] for i in taken[kind]] for kind in kinds}
print(counts, waveforms.shape)

# %% [markdown]
# Labels become ones and zeros: for every frame where the times are known, for the whole clip where only the classes
# are. The unlabelled clips have none.

# %%
strong = torch.from_numpy(encoder.strong_labels(
    parts["synthetic"].table, names["synthetic"], config.frames, config.frame_s,
    t.label_frames))
weak = torch.from_numpy(encoder.weak_labels(parts["weak"].table, names["weak"]))
print(f"strong labels {tuple(strong.shape)}: {strong.mean():.1%} of them are 1")
print(f"weak labels   {tuple(weak.shape)}: {weak.mean():.1%} of them are 1")

# %% [markdown]
# The first clip of each kind, as the loss sees its labels:

# %%
said = ", ".join(tables.CLASSES[i] for i in weak[0].nonzero()[:, 0])
fig = plots.labels({
    "synthetic: strong": strong[0].numpy(), "weak": weak[0].numpy(), "unlabelled": None,
}, config.features.clip_s)
plots.show(fig, "Labels of three clips, class by time: strong ones, with times, "
                f"weak ones without times ({said}), an empty panel for no labels.")

# %% [markdown]
# The network's input is the log-Mel spectrogram, each Mel band scaled to mean 0 and deviation 1. Training measures
# both over all training clips; here the batch must do.

# %%
torch.manual_seed(seed)
detector = models.Detector(config).eval()
features = detector.features(torch.from_numpy(waveforms))
detector.scale.fit([features])
spectrogram = detector.scale(features)
print(f"waveforms {waveforms.shape}, spectrograms {tuple(spectrogram.shape)}")
print(f"{spectrogram.shape[3]} frames of {1000 * config.features.hop / 16000:.1f} ms")

# %% [markdown]
# ## The network, block by block
#
# The baseline is a **CRNN** (section 3): convolutional blocks find local patterns and shrink the frequency axis to a
# single point; a recurrent layer reads what is left as a sequence, forwards and backwards; two linear maps turn each
# frame into posteriors. One block:

# %%
print(detector.crnn.cnn[0])

# %% [markdown]
# Read it from top to bottom: that is what is computed. On a CPU the last three are done together, in one pass over
# memory, because reading and writing these large arrays takes longer than the arithmetic. The numbers are the same:

# %%
block = copy.deepcopy(detector.crnn.cnn[0]).eval()
with torch.no_grad():
    together = block(spectrogram)
    one_by_one = torch.nn.Sequential.forward(block, spectrogram)
print(f"largest difference: {float((together - one_by_one).abs().max()):.1g}, "
      f"of values up to {float(one_by_one.abs().max()):.2g}")

# %% [markdown]
# Now send the batch through and write down every shape. **Predict:** which axis do the blocks shrink in the end to
# 1, which only a little, and which grows?

# %%
def count(module) -> int:
    return sum(p.numel() for p in module.parameters())

@torch.no_grad()
def walk(config, x):
    """Shape after each part of the network, and the part's number of parameters."""
    crnn = models.CRNN(config.model, config.features.n_mels).eval()
    rows = [("input", tuple(x.shape), 0)]
    for number, block in enumerate(crnn.cnn, 1):
        x = block(x)
        rows.append((f"block {number}", tuple(x.shape), count(block)))
    x = x.squeeze(2).transpose(1, 2)
    return rows + [("as a sequence", tuple(x.shape), 0), *read_out(crnn, x)]

# %% [markdown]
# The blocks' output is `(batch, channel, mel, frame)` with one Mel band; that axis is dropped and the frames come
# second, as a recurrent layer wants them. What follows has no frequency axis any more:

# %%
def read_out(crnn, x):
    states, _ = crnn.rnn(x)
    strong = crnn.strong(states)  # logits; a sigmoid makes them posteriors
    weak = crnn.weak(states, strong)
    return [("recurrent: (batch, frame, feature)", tuple(states.shape), count(crnn.rnn)),
            ("strong: (batch, frame, class)", tuple(strong.shape), count(crnn.strong)),
            ("weak: (batch, class)", tuple(weak.shape), count(crnn.weak))]

# %% [markdown]
# First the network of this profile, with the batch from above.

# %%
columns = ["part", "shape", "parameters"]
here = pd.DataFrame(walk(config, spectrogram), columns=columns)
assert here["parameters"].sum() == count(detector.crnn)
html.table(here, f"Profile {profile}: {here['parameters'].sum():,} parameters")

# %% [markdown]
# Then the paper's, with one clip. **Predict:** where are most of its parameters, in the blocks or in the recurrent
# layers?

# %%
clip = torch.randn(1, 1, paper.features.n_mels, paper.features.frames)
full = pd.DataFrame(walk(paper, clip), columns=columns)
assert full["parameters"].sum() == 1_112_420
html.table(full, f"The paper's size: {full['parameters'].sum():,} parameters")

# %% [markdown]
# Seven blocks turn 128 bands into one and 628 frames into 157: an output frame every 63.75 ms. The blocks hold a little
# more than half of the parameters. The two maps at the end are tiny; all they can do is read off what the layers
# below have prepared.

# %% [markdown]
# ### The gated linear unit
#
# Where other networks have a ReLU, the blocks have a **gated linear unit** (GLU): a linear map over the channels, the
# same at every point, times a gate between 0 and 1,
#
# $$\mathrm{GLU}(x) = (W x + b) \cdot \sigma(x).$$
#
# The gate lets a channel pass where its own input is large and mutes it elsewhere. From scratch:

# %%
def glu(x, weight, bias):
    """(batch, channel, mel, frame) to the same shape."""
    linear = torch.einsum("oc, bcmt -> bomt", weight, x) + bias[:, None, None]
    return linear / (1 + torch.exp(-x))

# %% [markdown]
# The same in sedlib, where the linear map is a convolution of size 1:

# %%
print(inspect.getsource(models.crnn.GLU))
unit = detector.crnn.cnn[0][2]
x = torch.randn(2, config.model.filters[0], 8, 5)
weight, bias = unit.linear.weight[:, :, 0, 0], unit.linear.bias
torch.testing.assert_close(glu(x, weight, bias), unit(x))
print("equal")

# %% [markdown]
# ### From frames to the clip
#
# To learn from weak labels, the network needs one posterior for the clip from those of its frames. Take a bark that
# lasts 5 of 100 frames, with posterior 0.9 there and 0.05 elsewhere.

# %%
bark = torch.full((100,), 0.05)
bark[40:45] = 0.9
print(f"mean over the frames {bark.mean():.2f}, largest frame {bark.max():.2f}")

# %% [markdown]
# The mean says that there is hardly a dog in the clip, though there is. The maximum is right, but all learning then
# goes through a single frame, and one wrong frame is enough for a wrong clip. **Attention pooling** learns what lies
# between: a second linear map $u$ of each frame's state, with a softmax over the classes, says how much the frame is to
# count for class $k$,
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
# The usual mistakes are the axis of the softmax and the division.

# %%
check.attention_pooling(attention_pooling)

# %% [markdown]
# The same in sedlib, which computes the **logit** of the weak posterior from those of the strong ones: the logarithm of
# $\sum_t a \, \mathrm{strong}$ minus that of $\sum_t a \, (1 - \mathrm{strong})$. No posterior is then rounded to 0 or
# 1, and the clamp keeps the logarithm of a very small attention finite.

# %%
print(inspect.getsource(models.crnn.AttentionPooling.forward))
pooling = detector.crnn.weak
states = torch.randn(2, config.frames, 2 * config.model.rnn_units)
posteriors = torch.rand(2, config.frames, len(tables.CLASSES))
ours = attention_pooling(posteriors, pooling.attention(states))
torch.testing.assert_close(ours, pooling(states, posteriors.logit()).sigmoid())
print("equal")

# %% [markdown]
# ## The loss
#
# Four terms. Where there are labels $y$, the student's posteriors $p$ are compared with them by the binary
# cross-entropy; everywhere, they are compared with the teacher's posteriors $q$ by the mean squared error:
#
# $$L = \mathrm{BCE}(p^{strong}, y^{strong}) + \mathrm{BCE}(p^{weak}, y^{weak})
# + c \, [ \mathrm{MSE}(p^{strong}, q^{strong}) + \mathrm{MSE}(p^{weak}, q^{weak}) ].$$
#
# **Exercise 2.** Write it. `student` and `teacher` hold `strong` `(batch, frame, class)` and `weak` `(batch, class)` of
# the whole batch; `strong` are the labels of its first clips and `weak` those of the clips that follow.

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
# The same in sedlib, on the batch from above; the cross-entropies are computed from logits, which gives the same
# numbers and stays finite. As in the baseline, the teacher starts with random weights of its own, and its noise is
# added to the Mel amplitudes, before the logarithm: 30 dB below the power of each band. Nothing has been learned yet.

# %%
print(inspect.getsource(training.losses).split('"""')[2])
student, teacher = detector, models.Detector(config).eval()
teacher.scale.load_state_dict(student.scale.state_dict())
with torch.no_grad():
    noisy = training.add_noise(features, t.noise_snr_db, config.features)
    target = teacher(noisy)
said = student(features)
terms = training.losses(said, target, strong, weak, t.consistency)
ours = mean_teacher_loss(said, target, strong, weak, t.consistency)
torch.testing.assert_close(ours, terms["total"])
for name, value in terms.items():
    print(f"{name:20} {value:.2g}")

# %% [markdown]
# An untrained network predicts about 0.5 for everything, and so both cross-entropies are near $-\ln 0.5 = 0.69$.
# Student and teacher have different weights, but they agree on these 0.5: the consistency terms are close to 0.
#
# A training of the short profiles begins a little further on. The biases of the strong head start at the log-odds of each
# class's share of active frames (`training.output_bias`), because most classes are silent most of the time.
#
# Which clips does each term learn from? The gradient of a term with respect to a clip's spectrogram says so: where it
# is 0, the clip changes nothing. **Predict** the twelve entries of this table.

# %%
asked = features.clone().requires_grad_()
terms = training.losses(student(asked), target, strong, weak, t.consistency)
ends = np.cumsum([0, *counts.values()])
rows = []
for name in ("strong", "weak", "consistency_strong", "consistency_weak"):
    gradient, = torch.autograd.grad(terms[name], asked, retain_graph=True)
    learns = [bool(gradient[a:b].any()) for a, b in zip(ends, ends[1:])]
    rows.append((name, *("learns" if there else "-" for there in learns)))
rows = pd.DataFrame(rows, columns=["term", *kinds])
html.table(rows, "Which clips each term learns from")

# %% [markdown]
# This is the whole point: only the consistency terms reach the unlabelled clips, and only they and the weak term reach
# the real domain. And the answer to the first question: a network that says the same to every clip agrees with its
# teacher perfectly. The terms with labels keep it from that.

# %% [markdown]
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
# The same in sedlib. Its $\alpha$ is smaller during the first steps, so that the random weights at the start are soon
# forgotten: with $\alpha = 1 - 1/(n + 1)$ in step $n$, the teacher is the plain average of them and all students so
# far.

# %%
print(inspect.getsource(training.update_teacher))
torch.manual_seed(seed + 1)
teacher, student = models.Detector(config), models.Detector(config)
wanted = [ema(a.detach(), b.detach(), t.ema)
          for a, b in zip(teacher.parameters(), student.parameters())]
training.update_teacher(teacher, student, step=10**6, ema=t.ema)
for ours, theirs in zip(wanted, teacher.parameters()):
    torch.testing.assert_close(ours, theirs.detach())
print("equal")

# %% [markdown]
# How long does the teacher remember? After $n$ more steps a student's share has shrunk by $\alpha^n$. Below, one weight
# of a student wanders to its place, shaken by every batch; its teacher follows. **Predict:** what does a larger
# $\alpha$ do to the noise, and what to the delay?

# %%
def follow(alpha: float) -> tuple[plots.Figure, str]:
    noise = np.random.default_rng(0).normal(scale=0.25, size=600)
    student = 1 - np.exp(-np.arange(600) / 60) + noise
    teacher = [student[0]]
    for step, weight in enumerate(student[1:], 1):
        a = min(1 - 1 / (step + 1), alpha)
        teacher.append(a * teacher[-1] + (1 - a) * weight)
    fig, axes = plots.figure(10, 2.8)
    ax = axes[0, 0]
    ax.plot(student, color=plots.SKY, linewidth=0.8, label="student")
    ax.plot(teacher, color=plots.VERMILION, linestyle="--", linewidth=2, label="teacher")
    ax.legend(loc="lower right", ncols=2)
    words = f"alpha {alpha}: half forgotten after {math.log(0.5, alpha):.0f} steps"
    ax.set(xlabel="step", ylabel="one weight (no unit)", ylim=(-0.8, 1.9), title=words)
    return fig, f"A student's noisy weight, and its teacher's, smoother, later; {words}."

# %% [markdown]
# Move the slider; the paper's value comes last.

# %%
explore.explore(follow, interactive, alpha=[0.9, 0.98, 0.999])

# %% [markdown]
# The paper's $\alpha = 0.999$ averages about a thousand steps, which is little in its long training and much of a short
# one. That is why the short profiles take a smaller $\alpha$.
#
# One thing the average of the weights does not have: the statistics of batch normalisation. While it trains, the teacher
# sees noisy clips, and its running statistics are of these. To be tested on clean clips it needs statistics of clean
# clips. So at the end of an epoch they are computed anew (`training.teacher_statistics`).

# %% [markdown]
# ## Trusting the teacher slowly
#
# At the start the teacher knows nothing, and agreeing with it is worth nothing. So the weight $c$ of the consistency
# terms grows over the first $R$ steps, and so does the learning rate, both by the factor
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
# The same in sedlib, and the two curves that it gives in this profile's training.

# %%
print(inspect.getsource(training.rampup))
epochs = np.linspace(0, t.epochs, 200)
factor = np.array([training.rampup(epoch, t.rampup_epochs) for epoch in epochs])
assert np.allclose(factor, [rampup(epoch, t.rampup_epochs) for epoch in epochs])
fig, axes = plots.figure(10, 2.8, ncols=2)
tops = {"weight c": t.consistency, "learning rate": t.learning_rate}
for ax, (name, top) in zip(axes[0], tops.items()):
    ax.plot(epochs, top * factor, color=plots.BLUE)
    ax.axvline(t.rampup_epochs, color="0.5", linestyle=":")
    ax.set(xlabel="epoch", ylabel=f"{name} (no unit)")
words = " and ".join(f"the {name} to {top:g}" for name, top in tops.items())
plots.show(fig, f"Two curves over {t.epochs} epochs: in an S {words} within "
                f"{t.rampup_epochs} epochs (dotted line), then they stay.")

# %% [markdown]
# ## Training
#
# One step of the training, as it is run; every line has been met above. `fabric` moves it to a GPU where there is one.

# %%
print(textwrap.dedent(inspect.getsource(training.MeanTeacher.step).split('"""')[2]))

# %% [markdown]
# Now run it. The curves move after every epoch: above left the four terms and their weighted sum, above right the
# event-based F1 on synthetic clips that were held out, below the learning rate and the weight. The weights after the last
# step are kept. (The baseline keeps the epoch with the best F1 on these clips, which says little about real ones.)
#
# A run that was finished before is not trained again. One that was stopped, by the kernel's stop button or because the
# kernel died, goes on where it was, to the same weights bit for bit, because every step is a function of the seed and its
# number; the next cell then draws the curves from its records. A loss that becomes NaN or explodes ends the training with
# a message that names the term.
#
# **Predict:** who will score higher during the training, the student or the teacher? At the start, and at the end?

# %%
folder = workspace.run_folder(profile, root, "baseline", seed)
with live.LiveCurves(interactive) as curves:
    run = training.train(config, root, seed, folder, curves, progress=interactive)

# %% [markdown]
# What is kept of a run: a row for each epoch in `metrics.csv`.

# %%
history = run.metrics
if len(curves.rows) < len(history):
    print("trained before, all or in part; these are its records:")
    plots.show(plots.curves(history), live.description(history))
last = history.iloc[-1]
print(f"{len(history)} epochs, {last['step']:.0f} steps, {last['seconds']:.0f} s")
kept = last[f"validation_f1_{t.tested}"]
print(f"{t.tested}'s F1 on held-out synthetic clips after the last step: {kept:.1%}")

# %% [markdown]
# The teacher is the student of some steps ago, less shaken. Early on, being late is a disadvantage; once the student
# moves little, being steady is an advantage. Was it so here?

# %%
ahead = 100 * (history["validation_f1_teacher"] - history["validation_f1_student"])
fig, axes = plots.figure(10, 2.6)
axes[0, 0].bar(history["epoch"], ahead, color=plots.BLUE)
axes[0, 0].axhline(0, color="black", linewidth=0.8)
axes[0, 0].set(xlabel="epoch", ylabel="F1 (points)", title="Teacher minus student")
axes[0, 0].xaxis.get_major_locator().set_params(integer=True)
values = ", ".join(f"{d:+.1f}" for d in ahead)
plots.show(fig, f"Teacher's minus student's F1 in points, epoch by epoch: {values}")
half = len(ahead) // 2
print(f"on average {ahead[:half].mean():+.1f} points in the first half of the epochs, "
      f"{ahead[half:].mean():+.1f} in the second")

# %% [markdown]
# ## From posteriors to events
#
# `score` runs the tested network, here the teacher (`training.tested`), on the development set, which is real-domain and
# was not seen in training. It keeps the posteriors, the events and the scores in the run's folder.

# %%
results = training.score(run, root, progress=interactive)
scores = decode.Posteriors.load(run.folder / "validation.npz")
waves = store.open_store(root, "validation", progress=False)
reference = layout.load(root, "validation").table
reference = reference[reference["filename"].isin(scores.filenames)]  # that have audio
print(f"posteriors (clip, frame, class): {scores.scores.shape}; "
      f"a frame lasts {1000 * scores.frame_s:.1f} ms")

# %% [markdown]
# A frame is **active** for a class when its posterior lies above the threshold 0.5. Single frames are often wrong: a
# dip in a long sound, a burst where nothing is. A **median filter** replaces each decision by that of the majority of
# the frames around it.
#
# **Exercise 5.** Write it for one row of scores: the median of `size` frames (an odd number) centred on each
# frame. Beyond both ends the frames are mirrored, as SciPy and the baseline do.

# %% jupyter={"source_hidden": true} tags=["solution"]
def median_filter(scores: np.ndarray, size: int) -> np.ndarray:
    """The median of `size` frames around each frame, the scores reflected at the ends."""
    padded = np.pad(scores, size // 2, mode="symmetric")  # given
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)
    return np.median(windows, axis=-1)

# %% [markdown]
# "Centred" matters: a filter that looks back only makes every event late. And so does what is assumed beyond the ends:
# with zeros there, an event that begins with the clip would need more than half of the window to survive.

# %%
check.median_filter(median_filter)

# %% [markdown]
# Then every run of active frames becomes an event. **Exercise 6.** Write that too: from `active` `(frame,)` to a list
# of `(onset, offset)` in seconds, where frame t spans the time from t to t + 1 times `frame_s`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def events_of(active: np.ndarray, frame_s: float) -> list[tuple[float, float]]:
    """Runs of active frames as (onset, offset)."""
    padded = np.concatenate([[0], active.astype(int), [0]])
    edges = np.flatnonzero(np.diff(padded))
    return [(on * frame_s, off * frame_s) for on, off in zip(edges[::2], edges[1::2])]

# %% [markdown]
# What about an event that goes on until the clip ends?

# %%
check.events_of(events_of)

# %% [markdown]
# The same in sedlib, for all clips and classes at once; and both ways give the same number of events.

# %%
print(inspect.getsource(decode.median_events).split('"""')[2])
size = decode.filter_frames(config.decoding.median_s, scores.frame_s)
active = scores.scores > config.decoding.threshold
smoothed = decode.smooth(active, size)
rows = active.transpose(0, 2, 1).reshape(-1, active.shape[1])
ours = sum(len(events_of(median_filter(row, size) > 0.5, scores.frame_s)) for row in rows)
assert ours == len(decode.frames_to_events(smoothed, scores))
print(f"{config.decoding.median_s} s are {size} frames here; {ours} events")

# %% [markdown]
# What does the filter change? Here is the clip and class in which it changes the most frames.

# %%
changed = (active != smoothed).sum(1)
i, k = np.unravel_index(changed.argmax(), changed.shape)
where = f"{scores.classes[k]} in {scores.filenames[i]}"
decided = {"threshold alone": active[i, :, k], "and median": smoothed[i, :, k]}
fig = plots.decisions(
    scores.scores[i, :, k], config.decoding.threshold, decided, scores.frame_s, where)
plots.show(fig, f"Posterior of {where}; below it the active frames without and with the "
                f"filter, which changes {changed.max()} of {active.shape[1]} frames.")

# %% [markdown]
# And over the whole development set, for filters of several lengths:

# %%
rows = []
for median_s in (0.0, 0.45, 1.0, 2.0, 4.0):
    decoding = dataclasses.replace(config.decoding, median_s=median_s)
    events = decode.median_events(scores, decoding, config.features.clip_s)
    f1 = metrics.event_f1(reference, events).macro
    frames = decode.filter_frames(median_s, scores.frame_s)
    rows.append((median_s, frames, len(events), f"{100 * f1:.1f}"))
columns = ["filter (s)", "frames", "events", "macro F1 (%)"]
caption = f"Development set, {len(tables.events(reference))} reference events"
html.table(pd.DataFrame(rows, columns=columns), caption)

# %% [markdown]
# The filter has one length for all classes: what is long enough to close the gaps in a vacuum cleaner's noise erases a
# bark. The two-state model of lesson 06 gives each class its own inertia.

# %% [markdown]
# ## The first row of Table 2
#
# A score means little without the score of a detector that knows nothing about the clip. A fair one has the same
# classes, as many events and the same times: give each clip the events that were predicted for *another* clip, by
# shuffling the file names.

# %%
predicted = tables.events(tables.read_events(run.folder / "validation.tsv"))
rng = np.random.default_rng(seed)

def by_chance() -> metrics.F1Result:
    other = dict(zip(scores.filenames, rng.permutation(scores.filenames)))
    moved = predicted.assign(filename=predicted["filename"].map(other))
    return metrics.event_f1(reference, moved)

chance = [by_chance() for _ in range(20)]
chance_f1 = np.mean([result.macro for result in chance])

# %% [markdown]
# **Predict:** our score, and chance.

# %%
def percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.1f}"

f1 = results["validation"]["event_f1"]
low, high = map(percent, f1["ci95"])
paper_f1 = {row.name: row.paper["dev_f1"] for row in ROWS if row.table == 2}
rows = [("Baseline", paper_f1["Baseline"], percent(f1["macro"]), f"{low} to {high}"),
        ("chance: events of other clips", None, percent(chance_f1), "")]
columns = ["system", "paper", "here", "95 % interval"]
caption = "Table 2: event-based macro F1 (%), development set"
lower = f1["ci95"][0] is not None and chance_f1 < f1["ci95"][0]
print("chance lies below the interval" if lower else "chance is not below the interval")
html.table(pd.DataFrame(rows, columns=columns), caption)

# %% [markdown]
# The interval is a bootstrap: score the development set again and again, each time with as many clips drawn from it
# at random, with replacement, and keep the middle 95 %. It tells how much the choice of *clips* could have moved the
# score; another seed of the training would move it too.
#
# **The two columns must not be compared.** The paper's number is for DESED, at the full size, after the full training;
# profile `paper` with DESED's folder as `data` would come close to that. MiniDESED's clips are generated, and the
# network of a small profile is a fraction of the paper's and sees far fewer steps. Ours may come out above or below
# 34.8, and neither would say anything about the paper. What *can* be compared: this row with chance, and with later
# rows trained here on the same data. The paper's claims are of that kind: what a technique adds to the baseline. (With
# profile `smoke` hardly anything is learned, and chance may well not lie below the interval.)
#
# Table 3 has two more numbers for the same system: the score on the evaluation set, and PSDS (lesson 00). PSDS looks at 50
# thresholds and forgives ends that are a little off.

# %%
third = {row.name: row.paper for row in ROWS if row.table == 3}["Baseline"]
public = results.get("public", {}).get("event_f1", {})
psds = results["validation"]["psds"]["value"]
rows = [("development F1 (%)", third["dev_f1"], percent(f1["macro"])),
        ("evaluation F1 (%)", third["eval_f1"], percent(public.get("macro"))),
        ("development PSDS", third["dev_psds"], "" if psds is None else f"{psds:.2f}")]
html.table(pd.DataFrame(rows, columns=["score", "paper", "here"]), "Table 3, baseline")

# %% [markdown]
# The challenge computed PSDS with the package psds_eval. sedlib counts the same events clip by clip, because lesson 07 draws
# clips. Both must give the same number. Events that overlap are merged first, in the reference and at each threshold.

# %%
clip_s = config.features.clip_s
points = decode.operating_points(scores, config.decoding, duration_s=clip_s)
truth, _ = metrics.merge_overlaps(reference)
seconds = metrics.psds.assumed_durations(reference)
clips = pd.DataFrame({"filename": seconds.keys(), "duration": seconds.values()})
with warnings.catch_warnings(action="ignore"):  # the package is older than this pandas
    by_package = psds_eval.PSDSEval(0.5, 0.5, 0.3, ground_truth=truth, metadata=clips)
    for table in points.values():
        if not table.empty:
            by_package.add_operating_point(metrics.merge_overlaps(table)[0])
    some = by_package.num_operating_points() > 0
    found = by_package.psds(max_efpr=100).value if some else 0
print(f"psds_eval {found:.4f}, sedlib {psds or 0:.4f}")

# %% [markdown]
# The macro F1 is a mean over classes that fare very differently. **Predict** the best and the worst class. The number
# of reference events stands in brackets.

# %%
luck = [metrics.f1.f1_precision_recall(result.counts.sum(0))[0] for result in chance]
fig = plots.class_f1(f1["per_class"], chance=np.mean(luck, axis=0))
words = [f"{name} {percent(values['f1'])} %" for name, values in f1["per_class"].items()]
plots.show(fig, f"F1 of each class beside chance: {', '.join(words)}")

# %% [markdown]
# ### Two questions about the run
#
# Is the teacher the better one to test? The baseline tests the student. Both are scored on the same clips, so their
# difference is drawn with the same clips too (a *paired* bootstrap); if the interval holds 0, the clips do not decide it.

# %%
step = scores.frame_s
found = [inference.posteriors(run.detector(network), waves, step, progress=False)
         for network in ("teacher", "student")]
events = [decode.median_events(one, config.decoding, clip_s) for one in found]
both = [metrics.event_f1(reference, predictions) for predictions in events]
difference = metrics.paired_difference(*both)["macro"]
print(f"teacher {both[0].macro:.1%}, student {both[1].macro:.1%}")
value, low, high = (f"{100 * points:+.1f}" for points in difference)
print(f"teacher minus student: {value} points, 95 % interval {low} to {high}")

# %% [markdown]
# And how much is lost on the way from synthetic to real clips? The tested network, once on held-out synthetic clips and
# once on the development set:

# %%
print(f"synthetic, held out: {kept:.1%}")
print(f"real, development set: {f1['macro']:.1%}")

# %% [markdown]
# Only the first has the domain of the strong labels. This difference is the **domain gap**, and closing it is what the
# paper's adversarial training is for (lesson 05). In the smoke profile hardly anything is learned, and so there is no gap
# to speak of.

# %% [markdown]
# ## What kind of errors?
#
# F1 counts an event as wrong whether it is invented or only ends a little late. Tell these apart. A **boundary**
# error sounds at the same time as an event of its class, but an onset or offset does not fit; a **false alarm** and a
# **miss** have no such partner at all. So put each reference event beside each predicted one of its clip and class:

# %%
truth = tables.events(reference)
truth["event"], predicted["prediction"] = truth.index, predicted.index
pairs = truth.merge(predicted, on=["filename", "event_label"], suffixes=("", "_said"))
collar = np.maximum(0.2, 0.2 * (pairs["offset"] - pairs["onset"]))
pairs["fits"] = ((pairs["onset_said"] - pairs["onset"]).abs() <= 0.2) & (
    (pairs["offset_said"] - pairs["offset"]).abs() <= collar)
pairs["overlaps"] = (pairs["onset_said"] < pairs["offset"]) & (
    pairs["offset_said"] > pairs["onset"])

# %% [markdown]
# An event is correct if it fits a partner, otherwise a boundary error if it overlaps one, otherwise alone. (Here one
# event may serve two partners; the score allows each only once, which hardly ever matters.)

# %%
def kind(numbers: pd.Series, column: str, alone: str) -> np.ndarray:
    fits = numbers.isin(pairs.loc[pairs["fits"], column])
    overlaps = numbers.isin(pairs.loc[pairs["overlaps"], column])
    return np.select([fits, overlaps], ["correct", "boundary"], alone)

truth["kind"] = kind(truth["event"], "event", "missed")
predicted["kind"] = kind(predicted["prediction"], "prediction", "false alarm")

# %% [markdown]
# **Predict:** which is most frequent?

# %%
orders = {"reference": ["correct", "boundary", "missed"],
          "predicted": ["correct", "boundary", "false alarm"]}
by_class = {}
for table, (what, order) in zip((truth, predicted), orders.items()):
    numbers = pd.crosstab(table["event_label"], table["kind"])
    numbers = numbers.reindex(index=list(tables.CLASSES), columns=order, fill_value=0)
    shares = (numbers.sum() / max(len(table), 1)).map("{:.0%}".format).to_dict()
    print(f"{len(table)} {what} events: {shares}")
    by_class[f"{what} events"] = numbers

# %% [markdown]
# The same by class. Compare short classes (dishes, dog, cat) with long ones (frying, running water, vacuum cleaner).

# %%
sums = [f"{what}: {numbers.sum().to_dict()}" for what, numbers in by_class.items()]
fig = plots.class_counts(by_class)
plots.show(fig, f"Events by class and kind of error, in all {'; '.join(sums)}")

# %% [markdown]
# One wrong boundary costs twice: the predicted event is superfluous and the reference event is missed. So does a long
# event that falls into pieces, with one more superfluous event for every further piece. How often does that happen?

# %%
pieces = pairs[pairs["overlaps"]].groupby("event").size()
cut = truth.loc[pieces[pieces > 1].index, "event_label"].value_counts()
print(f"{cut.sum()} reference events overlap several predictions of their class")
print(*(f"{name}: {n}" for name, n in cut.head(5).items()), sep="\n")

# %% [markdown]
# ## Look and listen
#
# Three errors, picked by rule: the false alarm of which the network was surest, the miss of which it had the least
# idea, and the reference event that was cut into the most pieces. How sure the network was of an event is the mean
# of its class's posterior from onset to offset.

# %%
def sureness(event) -> float:
    clip = scores.filenames.index(event.filename)
    k = tables.CLASSES.index(event.event_label)
    first = min(round(event.onset / scores.frame_s), scores.scores.shape[1] - 1)
    last = max(first + 1, round(event.offset / scores.frame_s))
    return float(scores.scores[clip, first:last, k].mean())

heard = truth[truth["filename"].isin(scores.filenames)].copy()
for table in (heard, predicted):
    table["sureness"] = np.array([sureness(event) for event in table.itertuples()], float)
heard["pieces"] = heard["event"].map(pieces).fillna(0)
false_alarms = predicted[predicted["kind"] == "false alarm"]
misses = heard[heard["kind"] == "missed"]
boundaries = heard[heard["kind"] == "boundary"]
hop_s = config.features.hop / config.features.sample_rate

# %% [markdown]
# An error is shown with its whole clip: spectrogram, posteriors, events. Dashed lines point it out; you hear it with
# the clip around it.

# %%
def listen(errors: pd.DataFrame, by: str, ascending: bool, what: str) -> None:
    if errors.empty:
        return print(f"{what}: there is none in this run")
    worst = errors.sort_values(by, ascending=ascending, kind="stable").iloc[0]
    name, *span = worst[["filename", "onset", "offset"]]
    there, said = (table[table["filename"] == name] for table in (truth, predicted))
    waveform = waves.waveforms([waves.filenames.index(name)])[0]
    logmel = detector.features(torch.from_numpy(waveform)[None])[0, 0].numpy()
    posteriors = scores.scores[scores.filenames.index(name)]
    title = f"{what}: {worst['event_label']}, {span[0]:.1f} to {span[1]:.1f} s"
    fig = plots.detection(
        logmel, hop_s, posteriors, scores.frame_s, there, said, title, span)
    words = f"Reference: {plots.in_words(there)}. Predicted: {plots.in_words(said)}."
    plots.show(fig, f"{title}. {words}")
    players.play(waveform, title)

# %% [markdown]
# **The surest false alarm.** What is heard there instead? Is it a sound that you would have taken for that class?

# %%
listen(false_alarms, "sureness", False, "False alarm")

# %% [markdown]
# **The least suspected miss.** Can *you* hear it? Another sound may lie over it, or it may be very soft.

# %%
listen(misses, "sureness", True, "Miss")

# %% [markdown]
# **The event in the most pieces.** Which events of the prediction would have to be joined, and how far are the outer
# ends off by then?

# %%
listen(boundaries, "pieces", False, "Boundary error")

# %% [markdown]
# ## The threshold
#
# Everything above used the threshold 0.5. **Predict:** what happens to misses and false alarms at 0.2, and what at 0.8?

# %%
busiest = truth["filename"].value_counts().index[0]

def at_threshold(threshold: float) -> tuple[plots.Figure, str]:
    decoding = dataclasses.replace(config.decoding, threshold=threshold)
    events = decode.median_events(scores, decoding, config.features.clip_s)
    result = metrics.event_f1(reference, events)
    hits, n_sys, n_ref = result.counts.sum((0, 1))
    words = (f"threshold {threshold}: macro F1 {100 * result.macro:.1f} %; "
             f"{n_sys} events said, {n_ref} there, {hits} correct")
    fig, axes = plots.figure(10, 4.6)
    there, said = (table[table["filename"] == busiest] for table in (truth, events))
    plots.events_on(axes[0, 0], there, said, tables.CLASSES)
    axes[0, 0].set(xlabel="time (s)", xlim=(0, config.features.clip_s))
    axes[0, 0].set_title(words, loc="left", pad=24)
    return fig, f"{words}. Drawn: one clip, predicted {plots.in_words(said)}."

# %% [markdown]
# The bars are those of the clip with the most reference events; the numbers are for the whole development set.

# %%
explore.explore(at_threshold, interactive, threshold=[0.5, 0.2, 0.35, 0.65, 0.8])

# %% [markdown]
# A lower threshold makes more frames active: events grow, join, or appear. With a higher one they shrink, fall into
# pieces, or vanish. The score of the best threshold among these is not a fair one: it has been tuned on what it is
# judged by. That is why lesson 06 tunes on one half of the development set and checks on the other, and why PSDS judges
# 50 thresholds at once.

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
# - You trained the baseline, and put its score, with an interval and chance beside it, into the first row of Table 2.
# - You turned posteriors into events, and told false alarms, misses and boundary errors apart by eye and ear.
#
# ## Exercises
#
# 1. Is it the teacher that helps? Train without it: `dataclasses.replace(config.training, consistency=0.0)` in a copy
#    of `config`, and a run folder of its own. Compare with `metrics.paired_difference`. Then do the same with another
#    `seed` only: how large is that difference?
# 2. In training mode, batch normalisation ties the clips of a batch together. Repeat the table "Which clips each term
#    learns from" with `student.train()`, and explain it.
# 3. Which classes are confused? For every false alarm, list the classes of the reference events that sound at that
#    time.
# 4. Join predictions of a class that are less than 0.5 s apart before scoring. Which classes gain, which lose?
