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
# # The ledger: what was learned, and how sure we are
#
# A table says 39.93 against 34.8. Is that a better method, a lucky training, or a lucky set of clips? Anyone who
# builds on a paper, or writes one, needs an answer. This lesson asks for it sentence by sentence, with tools that work
# for any paper.
#
# **You will**
# - read which of the paper's claims the runs of this course confirm, contradict or leave open;
# - put an interval on a score: a bootstrap over clips, and Student's t over trainings;
# - judge the paper's sentences, count the trainings that would decide the open ones, and correct for asking many at
#   once;
# - see why averaging posteriors helps, and what tuning HMM probabilities did to Table 3's second ensemble;
# - hear a clip on which two systems differ, and know where paper, code and this course differ.
#
# **You need** lesson 00 (event-based F1, PSDS) and lesson 06 (HMMs and their tuning). The numbers come from the
# systems of the other lessons.
#
# **Time** to read and try: 70 minutes. To run on two cores: 30 s with profile `lesson`, 30 s with profile `smoke`
# (with its data set still to be made); it trains nothing.
#
# **Paper** Cornell et al., DCASE Workshop 2020 ([HAL](https://inria.hal.science/hal-02962911),
# [code](https://github.com/popcornell/UNIVPM-INRIA-DCASE2020)): section 4, Tables 1 to 3.

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# The **ledger** is a file that only runs write, never a person. `sedlib reproduce` trains and scores every row of the
# paper's tables and writes one into the workspace. The course comes with the ledger of a whole reproduction.

# %%
import numpy as np
import pandas as pd
from scipy.stats import t as student

from reproduction import comparisons, ledger, retention, sounds
from reproduction.rows import listing
from sedcourse import check, differences, findings, frontends, html, players, plots
from sedcourse import show
from sedlib import metrics, training, workspace
from sedlib.config import Decoding
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.decode import Posteriors, median_events

# %% [markdown]
# ## What was learned
#
# The result first. The rest of the lesson says where it comes from and how far to trust it. **Before you look:** which
# of the paper's techniques (adversarial training, augmentation, PCEN, HMM) do you expect to hold on other data?

# %%
found, source = ledger.load()
print(source, *findings.summary(found), sep="\n")
html.table(findings.decided(found), "What is decided; points of F1, or PSDS")

# %% [markdown]
# All other sentences are further down, under "The paper's sentences".
#
# Before believing any number, ask: which systems were run, on which data, how often?

# %%
print(f"profile {found['profile']}, data {found['data']}, seeds {found['seeds']}")
print(f"{len(found['runs'])} trainings, made {found['made']['date']} "
      f"by version {found['measured_by']}")
print(findings.sizes(found["profile"]), *ledger.how_measured(found), sep="\n")
for job, why in found["failed"].items():
    print(f"failed: {job}: {why}")

# %% [markdown]
# Every row of the paper is a named system that you have met in the lessons. The ensembles train nothing of their own.

# %%
columns = ["table", "row", "system", "decoding", "what it is"]
html.table(listing()[columns], "The rows of Tables 1 to 3 and what gives them here")

# %% [markdown]
# ## The numbers
#
# Diamonds are the paper's, on DESED; dots are ours. **Predict:** must a dot lie on its diamond for the paper to be
# reproduced?

# %%
plots.show(plots.ledger(found["numbers"]), plots.ledger_text(found["numbers"]))

# %% [markdown]
# No. Our data are different, our network is smaller, and it trains for a shorter time. If a dot did land on its
# diamond, that would be a coincidence. An absolute F1 is a statement about a data set. A paper about methods claims
# that *one system is better than another*. That can be tested anywhere, as long as the answer comes with its
# uncertainty.

# %%
html.table(ledger.numbers_table(found).drop(columns="note"),
           "The paper's numbers and ours, 95 % intervals over clips and trainings")

# %% [markdown]
# How sure is the paper of its own numbers? It gives no seeds and no intervals. But it reports some systems twice.
# **Predict:** how far apart are two numbers for one system?

# %%
html.table(findings.own_spread(), "What the paper's tables say twice, development F1")

# %% [markdown]
# PPCEN on log-Mel has two numbers, in Tables 1 and 2, and the text names no difference between the two. Some of the
# paper's claims are smaller than their distance. Log-Mel with another scaling differs by more than a point. And the
# best single system, which was not submitted for lack of time (section 4.3), beats the first ensemble, which was.
#
# ## Two kinds of chance
#
# Two accidents move a score: *which clips* happen to be in the development set, and *which seed* the training had. To
# see the first alone, we use a simulated detector: the true activity of the development set in log-odds, with noise on
# top. It has no network in it.

# %%
root = workspace.dataset(data, profile)
truth = layout.load(root, "validation").table
clips = tables.filenames(truth)
active = strong_labels(truth, clips, 78, 0.128)
rng = np.random.default_rng(seed)

def score(log_odds):
    scores = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
    posteriors = Posteriors(scores, clips, tables.CLASSES, 0.128)
    return metrics.event_f1(truth, median_events(posteriors, Decoding(), 10.0))

result = score(3 * active - 1.5 + rng.normal(0, 1, active.shape))
print(f"{len(clips)} clips, macro F1 {100 * result.macro:.1f} %")

# %% [markdown]
# ### Which clips: the bootstrap
#
# We have one development set, but would like to know how the score varies over many. The **bootstrap** draws new sets
# from the one we have: as many clips, at random, *with replacement*, so that some come twice and some not at all. It
# scores each set. The middle 95 % of these scores is the interval. The counts of each clip are enough for this, so
# nothing is decoded again.

# %%
draws = []
for _ in range(1000):
    drawn = rng.integers(len(clips), size=len(clips))
    draws.append(result.macro_of(result.counts[drawn].sum(0)))
low, high = np.percentile(draws, [2.5, 97.5])
_, *library = metrics.confidence(result)["macro"]
print(f"from scratch {100 * low:.1f} to {100 * high:.1f} %, "
      f"sedlib {100 * library[0]:.1f} to {100 * library[1]:.1f} %")
show.source(metrics.bootstrap.times_drawn)

# %% [markdown]
# For a difference, both systems are scored on the **same** draws. Clips that are hard for one are mostly hard for the
# other, and that part of the chance cancels. This is a *paired* bootstrap.
#
# ### Which seed: few trainings
#
# Why not draw trainings with replacement, too? Because there are few of them, and a bootstrap of few values gives
# intervals that are too short. **Predict:** how often does a "95 %" interval from three values contain the truth?

# %%
rows = []
for n in (2, 3, 5, 10, 30):
    values = rng.normal(size=(1000, n))  # of studies, whose true mean is 0
    means = values[:, rng.integers(n, size=(500, n))].mean(-1)
    low, high = np.percentile(means, [2.5, 97.5], axis=1)
    reach = student.ppf(0.975, n - 1) * values.std(1, ddof=1) / np.sqrt(n)
    rows.append({"values": n, "bootstrap": f"{np.mean((low <= 0) & (0 <= high)):.0%}",
                 "Student's t": f"{np.mean(np.abs(values.mean(1)) <= reach):.0%}"})
html.table(pd.DataFrame(rows), 'How often a "95 %" interval holds the true mean')

# %% [markdown]
# Two or three trainings show that seeds matter but cannot measure how much. **Student's t** allows for that with a
# wider interval: 4.3 standard errors to either side with three values instead of 1.96. Clips are many, so they have no
# such problem, except in rare classes: of ten events, each one is ten points of recall.
#
# So an interval of the ledger adds two variances: that of the clips from the bootstrap, and $s^2 / n$ of $n$ trainings
# with standard deviation $s$, with Student's t for the small $n$. One training says nothing about $s$, and two say too
# little, so there are verdicts only from three on. `python -m reproduction.intervals` simulates whole studies: the
# intervals contain the true value in 94 to 96 of 100. (Version 0.1.0 drew trainings with replacement; what it
# published is marked.)
#
# **Exercise 1.** You are given the interval of a difference (first minus second), from `low` to `high`, and the sign
# that the paper claims (+1 or -1). Return 1 if the claim holds, -1 if the opposite is shown, and 0 if it is not
# decided.

# %% tags=["solution"] jupyter={"source_hidden": true}
def judged(low, high, sign):
    if low <= 0 <= high:
        return 0
    return 1 if (low > 0) == (sign > 0) else -1


# %% [markdown]
# An interval that contains 0 is no proof that two systems are equally good. It says that these runs cannot tell.

# %%
check.judged(judged)

# %% [markdown]
# ## The paper's sentences
#
# These are the sentences of section 4 that compare two rows, and a few comparisons that its tables make without words.
# Where a sentence names points ("at least two", "more than 10"), the interval is compared with those instead of 0.
# "Less here" means that all of it lies below them. "Could be seen" is the smallest difference that four of five such
# studies would find.

# %%
claims = ledger.claims_table(found)
html.table(claims.drop(columns="why"), "Differences in points of F1 or in PSDS")

# %% [markdown]
# For those that were not confirmed, here is what the lessons found out about the reasons, on this data and in this
# profile.

# %%
unconfirmed = claims[claims["why"] != ""]
html.table(unconfirmed[["sentence", "verdict", "why"]], "Not confirmed here, and why")

# %% [markdown]
# ### How many trainings would decide it?
#
# "Not decided" can often be known before the first training. Suppose that the paper's difference is the true one. The
# measured scatter then says how many trainings a study needs to find it with a probability of 80 %. That probability
# is the **power** of a study. **Predict:** what limits us more, trainings or clips?

# %%
power = findings.power(found)
print(findings.of_power(power, len(found["seeds"])))
html.table(power, "Trainings of each system that would find the paper's difference")

# %% [markdown]
# Where it says "none is enough", the chance of the clips alone hides the difference. There, only more clips help. This
# is for planning, and no result: the scatter itself is measured on few trainings.
#
# ## Many questions at once
#
# The ledger asks more than twenty questions. At 95 % each, one of twenty differences that do not exist comes out
# "decided" by chance. **Holm's** procedure ([1979](https://www.jstor.org/stable/4615733)) corrects for that. Sort the
# $m$ p-values. Compare the smallest with $0.05/m$, the next with $0.05/(m-1)$, and so on; stop at the first that
# fails. Those before it stand, with at most 5 % chance of *any* false one among them.
#
# **Exercise 2.** Return a boolean array: which of the p-values stand by Holm at level `alpha`?

# %% tags=["solution"] jupyter={"source_hidden": true}
def holm(p, alpha):
    order = np.argsort(p)
    passed = np.sort(p) <= alpha / np.arange(len(p), 0, -1)
    stands = np.zeros(len(p), bool)
    stands[order] = np.logical_and.accumulate(passed)
    return stands


# %% [markdown]
# One p-value at a time is not enough: whether it stands depends on all smaller ones.

# %%
check.holm(holm)

# %% [markdown]
# The ledger's p-values are two-sided and come from the same t. Which sentences remain?

# %%
asked = [c for c in found["claims"] if c["p"] is not None]
stands = holm(np.array([c["p"] for c in asked]), 0.05)
left = [(c["says"], c["verdict"], f"{c['p']:.4f}", "stands" if s else "falls")
        for c, s in zip(asked, stands) if not c["low"] <= c["at_least"] <= c["high"]]
print(f"{len(asked)} questions; {len(left)} intervals leave out 0 (or the points "
      f"claimed), {stands.sum()} of them stand by Holm's rule")
html.table(pd.DataFrame(left, columns=["sentence", "verdict", "p", "by Holm's rule"]),
           "Decided one at a time, and what is left when all are asked at once")

# %% [markdown]
# ## Ensembles: why an average helps
#
# Suppose that three systems make independent errors of the same variance. The mean of their outputs then has a third
# of that variance. If a share $\rho$ of it is common to all, only the rest shrinks:
#
# $$ \sigma^2_{mean} = \rho \sigma^2 + \frac{1-\rho}{3} \sigma^2 $$
#
# The paper says it in a sentence: "To obtain emission probabilities we simply averaged the outputs of the different
# models".
#
# **Exercise 3.** Average a list of posteriors, each `(clip, frame, class)`. Some systems write percent as uint8.

# %% tags=["solution"] jupyter={"source_hidden": true}
def averaged(members):
    scaled = [m / 100 if m.dtype == np.uint8 else m for m in members]
    return sum(np.asarray(m, float) for m in scaled) / len(members)


# %% [markdown]
# The mean of the members, all on one scale.

# %%
check.averaged(averaged)

# %% [markdown]
# What does that do to F1? We take the simulated detector again, three times. The noise of each member has the same
# strength throughout, and only the common share changes. **Predict** the last row.

# %%
def trial(shared):
    common, *own = rng.normal(0, 1, (4, *active.shape))
    noise = [np.sqrt(shared) * common + np.sqrt(1 - shared) * n for n in own]
    members = [1 / (1 + np.exp(-(3 * active - 1.5 + n))) for n in noise]
    mean = averaged(members)
    of = [score(np.log(m / (1 - m))).macro for m in (*members, mean)]
    return {"common share": shared, "one member": f"{100 * np.mean(of[:3]):.1f}",
            "average of three": f"{100 * of[3]:.1f}"}


simulated = pd.DataFrame([trial(shared) for shared in (0.0, 0.5, 0.9, 1.0)])
html.table(simulated, "Simulated: macro F1 (%) of a member and of the average")

# %% [markdown]
# With nothing in common the average gains most, with everything in common nothing. The paper does not say how much its
# three members share. Here are ours and their average, all decoded in the same way. Compare the columns of the median
# filter, then those of the HMM. A threshold of 0.5 need not suit an average: where members disagree, it is pulled
# towards the middle.

# %%
means = findings.unseen_means(found)
members = means["system"].isin(["ppcen_logmel", "dat_augm", "ensemble"])
html.table(means[members & (means["search"] == "exact")].drop(columns="search"),
           "Members and their average, event-based macro F1 (%), mean over trainings")

# %% [markdown]
# ## Table 3's second ensemble
#
# The paper submitted the same three models twice, with other HMM probabilities. The second scored higher on the
# development set, on which it was tuned (47.44 against 46.17), and lower on the evaluation set (43.2 against 44.4).
# The paper explains this by over-fitting. It does not say how the two tunings differed. Here the first is tuned by the
# paper's random forest, the second by the exact search, both on one half of the development set. **Predict:** will the
# second lead on clips that no search has seen?
#
# "Tuned, dev" is how the paper counts: the whole development set, half of which chose the probabilities. "Unseen
# halves" decodes each half with what the other one chose. Both columns decode the second half in the same way. They
# differ only on the first half, which one of them was tuned on. So the difference, "memory", is about *half* of the
# over-fitting, plus the luck of this one split. [Lesson 06](06_hmm.py) has more splits.

# %%
lead, words = findings.ensembles_lead(found)
print(words, findings.of_robust(found), sep="\n")
display(html.table(lead, "Points of F1 by which the second ensemble leads, mean"))
html.table(findings.memory(found), "Points over the median filter: as the paper counts, "
           "kept unseen, and memory")

# %% [markdown]
# A lead that remains on unseen clips means a better search; one that disappears was memory. The intervals are in the
# table of sentences.
#
# The paper compares its HMM with one median filter for all classes. [Lesson 06](06_hmm.py) has stronger rivals: a
# median filter for each class, models with durations, bounding boxes. **Predict:** how much of the HMM's gain does a
# median filter for each class give, too?

# %%
others = ["exact", "robust", "median-robust", "hsmm-robust", "boxes-robust"]
html.table(means[means["search"].isin(others)],
           "Decoders beside each other, tuned by the same protocol, mean over trainings")

# %% [markdown]
# ## What front-ends and augmentation do to the full detector
#
# Lessons 02 and 03 show both techniques at work on single sounds. In a detector they meet other data, a short
# training, and a network that can do much of their work itself. **Predict** the order of Table 1's front-ends, and of
# none, mixing, effects and both.

# %%
studies = {study.of: study for study in (comparisons.TABLE1, comparisons.AUGMENTATION)}
compared = {of: study.load(profile, root) for of, study in studies.items()}
for of, study in studies.items():
    print(f"{of}: profile {compared[of]['profile']}, {compared[of]['from']}")
    display(html.table(study.scores(compared[of]),
                       "Event-based macro F1 (%), mean ± standard deviation"))

# %% [markdown]
# Next, the differences from the first row by class. Which classes suffer from Fixed PCEN 1, and which from
# augmentation?

# %%
for of, study in studies.items():
    by_class = study.by_class(compared[of])
    scores = {name: np.mean(f1) for name, (_, f1, _) in study.drawn(compared[of]).items()}
    words = ", ".join(f"{name} {f1:.1f}" for name, f1 in scores.items())
    fig = plots.system_scores(study.drawn(compared[of]), by_class)
    plots.show(fig, "Left, F1 with intervals, and the paper's. Right, by class, what "
                    f"each gains over the first. F1 in percent: {words}.")

# %% [markdown]
# And the sentences of sections 4.1 and 4.2 that these rows can judge:

# %%
for of, study in studies.items():
    display(html.table(study.verdicts(compared[of]), f"{of}: differences in F1"))

# %% [markdown]
# ## Hear the difference
#
# A point of F1 is hard to imagine. So here is the development clip on which the best system of this workspace beats
# the baseline most clearly. Listen first, and write down what you hear and when. Then look: which of the two detected
# what you heard?

# %%
one = findings.duel(profile, root, seed)
if one is None:
    print("nothing better than the baseline is trained here; `make reproduce` does it")
else:
    players.play(one.waveform, f"{one.filename}: {one.best} and baseline differ most")
    plots.show(*findings.draw(one, 10.0))

# %% [markdown]
# An event with a wrong boundary counts as two errors, a miss and a false alarm. This clip was picked because it
# favours the better system. It shows what a difference sounds like, not how large it is.
#
# ## The figures
#
# The paper has two. Figure 1 is a drawing of the training scheme; [lesson 05](05_domain_adversarial.py) draws it from
# the modules that really run. Figure 2 is a measurement, and it can be asked of more than one clip ([lesson
# 03](03_pcen.py)).

# %%
html.table(ledger.figures_table(found), "The paper's figures")

# %% [markdown]
# Figure 2 asks what the trained layers keep. Lesson 03's measure says yes to two layers set by hand: in one the
# lasting pattern is stronger (below 1), in the other speech (above 1). **Predict** what it says about layers that only
# had to lower a detector's loss.

# %%
run = training.Run(workspace.run_folder(profile, root, "ppcen_logmel", seed))
if run.finished:
    plots.show(plots.pcen_paths(run.metrics), "Parameters of the two layers by epoch")
    detector, frame_s = run.detector(), run.config.features.hop / 16000
    clip, events = sounds.figure2_clip(seed)
    layers = sounds.seen(detector, clip)
    speech = events[events["event_label"] == "Speech"]
    kept = [retention.retention(x, frame_s, speech) for x in layers]
    pictures = {f"layer {k + 1}": x for k, x in enumerate(layers)}
    plots.show(*frontends.draw_kept(pictures, frame_s, events))
    print("divided as in Figure 2:", retention.divided(kept))
else:
    print("no PPCEN here; `sedlib train --system ppcen_logmel` trains one")

# %% [markdown]
# ## What the mini data can say, and what it cannot
#
# It **can** say whether the code does what the equations say, and what a method costs. It can say which of two systems
# is better *on these sounds, at this size*. It also has what DESED lacks: the hidden labels of every "real" clip.
#
# It **cannot** say what would come out on DESED. Its sounds are models with a few parameters, so a front-end that
# adapts to real rooms and microphones finds less to adapt to. Its network is small and trained for minutes. Methods
# that need long trainings, such as augmentation and adversarial training, may be judged too early.
#
# So "not confirmed" means *not seen here*, and not that the paper is wrong. The same command with `--profile paper
# --data /path/to/DESED` asks where the paper asked.
#
# ## Baseline, paper and released code
#
# A paper has few pages, its code has many lines, and the two differ. [docs/DIFFERENCES.md](../docs/DIFFERENCES.md) has
# the whole list, with the baseline, this course and the reasons. These are the points that can move a score most.
# **Predict** for each whether you would have built what the paper says or what the code does.

# %%
html.table(differences.decisive(), "Where the paper and the released code differ most")

# %% [markdown]
# None of these is a scandal. Each is a place where a reader who had only the paper would have built something else.
# One touches every number of Tables 1 to 3: for Augm and DAT the released scripts keep the epochs with the lowest loss
# on the development set, which is the set that the tables report.

# %% [markdown]
# ## Since 2020
#
# Section 5 leaves "a stronger baseline system" to future work. This is where the field went.
#
# | what | where to read |
# | --- | --- |
# | Stronger baselines: the challenge's, 2021 to 2024 | [DESED_task](https://github.com/DCASE-REPO/DESED_task) |
# | Convolutions that differ by frequency | Nam et al., [arXiv:2203.15296](https://arxiv.org/abs/2203.15296) |
# | Embeddings of self-supervised networks: BEATs | Chen et al., [arXiv:2212.09058](https://arxiv.org/abs/2212.09058) |
# | The same, fine-tuned on this task: ATST | Shao et al., [arXiv:2309.08153](https://arxiv.org/abs/2309.08153) |
# | PSDS: one score over all thresholds | Bilen et al., [arXiv:1910.08440](https://arxiv.org/abs/1910.08440) |
# | PSDS without a grid of thresholds | Ebbers et al., [arXiv:2201.13148](https://arxiv.org/abs/2201.13148) |
# | PSDS whatever the post-processing | Ebbers et al., [arXiv:2306.15440](https://arxiv.org/abs/2306.15440) |
# | Sound event bounding boxes (lesson 06) | Ebbers et al., [arXiv:2406.04212](https://arxiv.org/abs/2406.04212) |
# | MAESTRO: labels by many annotators | Martín-Morató and Mesaros, [2023](https://doi.org/10.1109/TASLP.2022.3233468) |
# | DESED and MAESTRO in one task | Cornell et al., [arXiv:2406.08056](https://arxiv.org/abs/2406.08056) |
#
# From 2021 to 2023 the challenge ranked by two PSDS instead of F1. **PSDS1** asks for exact onsets and offsets, as an
# alarm would. **PSDS2** forgives those and punishes confusions of classes. The
# [winner of 2024](https://arxiv.org/abs/2407.12997) fine-tunes pretrained transformers beside a CRNN. That year's
# baseline still is a CRNN with a mean teacher, fed with BEATs.
#
# The roots of the paper's techniques: [domain-adversarial training](https://arxiv.org/abs/1505.07818),
# [SpecAugment](https://arxiv.org/abs/1904.08779), [PCEN](https://arxiv.org/abs/1607.05666) and
# [why it works](https://doi.org/10.1109/LSP.2018.2878620), and [multiple instance
# pooling](https://arxiv.org/abs/1810.09050) of weak labels.
#
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("07", answers="")

# %% [markdown]
# ## What you did
#
# - You read which claims these runs confirm, contradict and leave open.
# - You put intervals on scores: a bootstrap over clips, and Student's t over trainings, because a bootstrap of few
#   values is too sure.
# - You judged the paper's sentences, counted the trainings that would decide the open ones, and corrected for asking
#   many with Holm's procedure.
# - You saw that an average of three helps as far as their errors differ, and separated skill from memory in the second
#   ensemble's tuning.
# - You heard a clip on which two systems differ, and know where paper, code and this course differ.
#
# ## Exercises
#
# 4. `sedlib reproduce --table 1 --seeds 5` gives Table 1 five trainings; read them with
#    `ledger.read(workspace.workspace() / "report" / "ledger.json")`. Which intervals became shorter? Which of the two
#    kinds of chance would be left after a hundred trainings?
# 5. Average only the two DAT runs, or PPCEN and one of them (`reproduction.scoring.average`). Which member is worth
#    most to the ensemble?
# 6. Tune the ensemble's HMM on all development clips instead of half of them (`sedlib tune --fraction 1`). What
#    happens to the development score, and to the evaluation score?
# 7. Take one sentence that is open and use `reproduction.intervals.detectable` with its `clips` and `seeds`. How many
#    clips and trainings would you plan for, if each training takes ten minutes?

# %% [markdown] tags=["solution"]
# <details><summary>Solution of exercise 4</summary>
#
# Those whose trainings scatter most become shorter. After a hundred trainings $s^2 / n$ is next to nothing, and the
# chance of the clips is left. The last solution takes both apart.
#
# ```
# sedlib reproduce --table 1 --seeds 5    # five trainings of seven systems: hours
# ```
#
# </details>
#
# <details><summary>Solution of exercise 5</summary>
#
# Two runs of one system make similar errors, so their average gains less than that of two different systems of equal
# strength. Members that are not trained here are left out.
#
# ```python
# import itertools
#
# from reproduction.scoring import average
#
# names = {"PPCEN": ("ppcen_logmel", 0), "DAT": ("dat_augm", 0), "DAT, again": ("dat_augm", 1)}
# runs = {name: training.Run(workspace.run_folder(profile, root, *of))
#         for name, of in names.items()}
# members = {name: Posteriors.load(of.folder / "validation.npz")
#            for name, of in runs.items() if of.state == "scored"}
# for size in (1, 2, 3):
#     for chosen in itertools.combinations(members, size):
#         mean = average([members[name] for name in chosen])
#         events = median_events(mean, Decoding(), 10.0)
#         print(f"{' and '.join(chosen)}: {metrics.event_f1(truth, events).macro:.1%}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 6</summary>
#
# The development score rises, because now every clip of it was seen in tuning. The evaluation score need not: twice
# as many clips over-fit less, but the gain on seen clips says nothing about that. `average` of the solution before
# this one makes the ensemble; `save` writes it.
#
# ```
# sedlib tune ensemble.npz --fraction 1 --search exact --json all.json \
#   --reference data/mini-lesson/metadata/validation/validation.tsv
# sedlib decode ensemble_public.npz --decoder all.json -o events.tsv
# sedlib evaluate --predictions events.tsv --reference data/mini-lesson/metadata/eval/public.tsv
# ```
#
# </details>
#
# <details><summary>Solution of exercise 7</summary>
#
# Go through the table until what could be seen is below what the paper claims. Two systems times the trainings times
# ten minutes is the price. Where more trainings no longer help, make more clips: they cost minutes.
#
# ```python
# from reproduction import intervals
#
# one = next((c for c in asked if c["low"] <= c["at_least"] <= c["high"] and c.get("seeds")), None)
# if one is not None:
#     print(f"{one['says']}: the paper's difference is {one['claimed']:+.2f}")
#     for n in (3, 5, 10, 30):
#         seen = [f"{intervals.detectable(one['clips'] / times, one['seeds'], n):.2f}"
#                 for times in (1, 3, 10)]
#         print(f"{n} trainings: {', '.join(seen)} with 1, 3, 10 times the clips")
# ```
#
# </details>
