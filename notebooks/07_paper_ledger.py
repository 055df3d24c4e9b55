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
# # The ledger: what reproduced, what did not, and how sure we are
#
# **You will**
# - read every number of the paper's Tables 1 to 3 beside what runs of this course gave, with intervals;
# - judge the paper's sentences by paired intervals, and pay for asking many questions at once;
# - see why averaging posteriors helps, how much, and when it does not;
# - look at Table 3's second ensemble, and what tuning HMM probabilities did to it;
# - know what a small made data set can and cannot say about DESED, and where paper and released code differ.
#
# **You need** lesson 00 (event-based F1), lesson 04 (bootstrap intervals) and lesson 06 (HMMs and their tuning). The other
# lessons are where the numbers come from.
#
# **Time** to read and try: 60 minutes. To run on one core: 10 s with profile `lesson`, 40 s with profile `smoke` (with
# its data set still to be made); it trains nothing.
#
# **Paper** Cornell et al., DCASE Workshop 2020: section 4, Tables 1 to 3.

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# The ledger is data that only runs write. `sedlib reproduce` trains and scores every row and writes one into the
# workspace; one of a whole reproduction comes with the course.

# %%
import numpy as np
import pandas as pd

from reproduction import ledger
from reproduction.rows import listing
from sedlib import workspace
from sedlib.config import Decoding
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.decode import Posteriors, median_events
from sedcourse import check, differences, html, plots
from sedlib.metrics import event_f1

# %% [markdown]
# ## What was run
#
# Before any number is believed: which systems, on which data, how often?

# %%
found, source = ledger.load()
print(f"the ledger is {source}")
print(f"profile {found['profile']}, data {found['data']}, seeds {found['seeds']}")
print(f"{len(found['runs'])} trainings, made {found['made']['date']}")
for sentence in ledger.how_measured(found):
    print(sentence)
for job, why in found["failed"].items():
    print(f"failed: {job}: {why}")

# %% [markdown]
# Every row of the paper is a named system (lesson by lesson you have met them). The ensembles train nothing of their
# own.

# %%
columns = ["table", "row", "system", "decoding", "what it is"]
html.table(listing()[columns],
           "The rows of Tables 1 to 3 and what gives them here")

# %% [markdown]
# ## The numbers
#
# Diamonds are the paper's, on DESED; dots are ours. **Before you look on: must a dot lie on its diamond for the paper
# to be reproduced?**

# %%
plots.show(plots.ledger(found["numbers"]), plots.ledger_text(found["numbers"]))

# %% [markdown]
# No. Our data are different, our network is ten times smaller in profile `lesson`, and trained fifty times shorter than the
# baseline. If a dot did land on its diamond, that would be a coincidence. An absolute F1 is a statement about a data set. What a
# method paper claims is that *one system is better than another*. That can be asked anywhere, as long as the answer comes
# with its uncertainty.

# %%
html.table(ledger.numbers_table(found).drop(columns="note"),
           "The paper's numbers and ours, 95 % intervals over clips and trainings")

# %% [markdown]
# ## Two kinds of chance
#
# An interval here covers two accidents: *which clips* happen to be in the development set, and *which seed* the training
# had. The variance of the first comes from drawing the clips again and again, with replacement (lesson 04). That of the
# second is $s^2 / n$, where $s$ is the standard deviation of $n$ trainings. The two are added.
#
# But three trainings tell $s$ only roughly. **Student's t** pays for that: where seeds are all that matters, the interval
# of three trainings reaches 4.3 standard errors to either side instead of 1.96. With one training $s$ cannot be seen at
# all. So there is a verdict only from three trainings on. In simulated studies these intervals hold the true value 94 to
# 96 times of 100 (`python -m reproduction.intervals`). Version 0.1.0 drew trainings with replacement instead. Such an
# interval calls itself 95 % and is, with three trainings, a 75 % interval; what is published by that version is marked.
#
# For a difference of two systems both are drawn on the **same** clips: what is hard for one is mostly hard for the other,
# and that part of the chance cancels. Two decodings of one training share its luck too, so they are compared training by
# training.
#
# **Exercise 1.** An interval from `low` to `high` (of first minus second) and the sign that the paper claims (+1 or -1)
# are given. Return 1 if the claim holds, -1 if the opposite is shown, and 0 if it is not decided.

# %% tags=["solution"] jupyter={"source_hidden": true}
def judged(low, high, sign):
    if low <= 0 <= high:
        return 0
    return 1 if (low > 0) == (sign > 0) else -1


# %% [markdown]
# An interval that holds 0 is no proof that two systems are alike; it says that these runs do not tell.

# %%
check.judged(judged)

# %% [markdown]
# ## The paper's sentences
#
# Here are the sentences of section 4 that compare two rows, and a few comparisons that its tables make without words
# (PSDS, the ensemble's lead, DAT over augmentation, log-Mel over Mel), with the difference that the paper reports,
# ours, and the verdict. Where a sentence names points ("at least two", "more than 10"), the interval is held against
# those instead of 0; "less here" says that all of it lies below them. "Could be seen" (version 0.1.0 has no such column) is
# the smallest difference that four of five such studies would find: where the paper's is smaller, "not decided" was to be expected.

# %%
claims = ledger.claims_table(found)
html.table(claims.drop(columns="why"),
           "The paper's sentences; differences in points of F1 or in PSDS")

# %% [markdown]
# And for those that were not confirmed, what the lessons found out about why, in profile `lesson` on MiniDESED:

# %%
unconfirmed = claims[claims["why"] != ""]
html.table(unconfirmed[["sentence", "verdict", "why"]],
           "Not confirmed here, and why")

# %% [markdown]
# ## Many questions at once
#
# These are more than twenty questions. At 95 % each, one of twenty that have nothing behind them comes out "decided" by
# chance. **Holm's** procedure pays for that: sort the p-values; compare the smallest with $0.05/m$, the next with
# $0.05/(m-1)$, and so on; stop at the first that fails. What was passed before it stands, with at most 5 % chance of
# *any* false one among them, as far as the p-values are right.
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
# A procedure that looks at one p-value at a time cannot do it: whether one stands depends on all that are smaller.

# %%
check.holm(holm)

# %% [markdown]
# The ledger's p-values are two-sided and come from the same t. Which sentences are left?

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
# Three systems that are right on average and wrong in different places: the mean of their posteriors has a third of the
# variance of one. If a share $\rho$ of that variance is common to all, only the rest shrinks:
#
# $$ \sigma^2_{mean} = \rho \sigma^2 + \frac{1-\rho}{3} \sigma^2 $$
#
# **Exercise 3.** Average a list of posteriors, each `(clip, frame, class)`; some systems write percent as uint8.

# %% tags=["solution"] jupyter={"source_hidden": true}
def averaged(members):
    scaled = [m / 100 if m.dtype == np.uint8 else m for m in members]
    return sum(np.asarray(m, float) for m in scaled) / len(members)


# %% [markdown]
# The paper says it in a sentence: "To obtain emission probabilities we simply averaged the outputs of the different
# models".

# %%
check.averaged(averaged)

# %% [markdown]
# What does that do to F1? The true activity of the development set's clips, in log-odds, with noise on top: a common
# part and one of each member's own. It is a simulation; it has no network in it.

# %%
root = workspace.dataset(data, profile)
truth = layout.load(root, "validation").table
clips = tables.filenames(truth)
active = strong_labels(truth, clips, 78, 0.128)
rng = np.random.default_rng(seed)


def f1(scores):
    posteriors = Posteriors(scores.astype(np.float32), clips, tables.CLASSES, 0.128)
    return 100 * event_f1(truth, median_events(posteriors, Decoding(), 10.0)).macro


# %% [markdown]
# Each member's noise has the same strength throughout; only the common share changes.

# %%
def trial(shared):
    common, *own = rng.normal(0, 2, (4, *active.shape))
    noise = [np.sqrt(shared) * common + np.sqrt(1 - shared) * n for n in own]
    members = [1 / (1 + np.exp(-(3 * active - 1.5 + n))) for n in noise]
    return {"common share": shared, "one member": np.mean([f1(m) for m in members]),
            "average of three": f1(averaged(members))}


simulated = pd.DataFrame([trial(shared) for shared in (0.0, 0.5, 0.9, 1.0)])
html.table(simulated.round(1),
           "Simulated: event-based macro F1 (%) of a member and of the average")

# %% [markdown]
# With nothing in common the average wins most, with everything in common nothing. How much the paper's three members
# have in common no table says. What ours win together the ledger does: here are the members and their average, all
# decoded alike.

# %%
unseen = pd.DataFrame(found["unseen"])
columns = {"median": "median filter, dev", "dev": "HMM, dev",
           "unseen": "HMM, unseen halves",
           "median_eval": "median filter, eval", "eval": "HMM, eval"}
means = unseen[["system", "search"]].copy()
for name, title in columns.items():
    means[title] = [f"{np.mean(values):.1f}" if values else "" for values in unseen[name]]
ours = ["ppcen_logmel", "dat_augm", "ensemble"]
of_members = means[(means["search"] == "exact") & means["system"].isin(ours)]
html.table(of_members.drop(columns="search"),
           "Members and their average, event-based macro F1 (%), mean over trainings")

# %% [markdown]
# Look at the two columns of the median filter, then at those of the HMM: a threshold of 0.5 and an average of three do
# not have to suit each other, for where members disagree the average comes closer to 0.5. Probabilities that are tuned
# for the average find their own threshold.
#
# ## Table 3's second ensemble
#
# The paper submitted the same three models twice, with other HMM probabilities. The second scored higher on the
# development set, which had tuned it (47.44 against 46.17), and lower on the evaluation set (43.2 against 44.4), and
# the paper takes that as over-fitting. How the two tunings differed it does not say (section 3.4 has one: a random
# forest, on half of the set), and whether 1.2 points on the evaluation clips are more than chance cannot be told
# without an interval. Here the first is tuned by the paper's random forest, the second by the exact search, both on one
# half of the development set. **What do you expect of the second on clips that no search has seen?**

# %%
of_hmms = unseen["search"].isin(["forest", "exact", "robust"])
html.table(means[of_hmms], "Event-based macro F1 (%), mean over trainings")

# %% [markdown]
# "HMM, dev" is how the paper counts: the whole development set, half of which chose the probabilities. "Unseen halves"
# decodes each half with what the other one chose. Both columns decode the second half in the same way. They differ only
# on the first half, which one of them was tuned on. So the difference is about *half* of the over-fitting, plus the luck of
# this one split; lesson 06 has more. `robust` is lesson 06's search, which asks for probabilities whose neighbourhood is
# good, too.

# %%
shown = unseen.assign(
    claimed=[np.mean(d) - np.mean(m) for d, m in zip(unseen["dev"], unseen["median"])],
    kept=[np.mean(u) - np.mean(m) for u, m in zip(unseen["unseen"], unseen["median"])])
shown = shown[of_hmms]
shown["memory"] = shown["claimed"] - shown["kept"]
columns = ["system", "search", "claimed", "kept", "memory"]
html.table(shown[columns].round(1),
           "Points over the median filter: as the paper counts, kept unseen, and memory")

# %% [markdown]
# Is `robust` always the better search on unseen halves? In version 0.1.0's ledger it is for the baseline and PPCEN, by 8.3 and
# 4.0 points. For DAT+Augm and all techniques together it makes little difference. For the ensemble it *loses* 2.4 points, and
# 4.9 on the evaluation set. Why, we do not know.
#
# And the second ensemble against the first? If its lead were memory, it would be smaller on unseen halves. As in the paper, it
# would be below zero on the evaluation set.

# %%
of = unseen[unseen["system"] == "ensemble"].set_index("search")
sets = {"dev": "development, half of it tuned", "unseen": "unseen halves",
        "eval": "evaluation"}
lead = [(title, np.mean(of.loc["exact", name]) - np.mean(of.loc["forest", name]))
        for name, title in sets.items()
        if {"exact", "forest"} <= set(of.index) and of.loc["exact", name]]
html.table(pd.DataFrame(lead, columns=["clips", "second - first"]).round(1),
           "Points of F1 by which the second ensemble leads, mean over trainings")

# %% [markdown]
# The searches here differ in how well they search, the paper's two in something that we do not know. A lead that stays
# on unseen clips is a better search; one that goes was memory. The intervals for development and evaluation set stand
# in the table of sentences.
#
# ## Beyond the paper: other decoders
#
# The paper compares its HMM with one median filter for all classes. Lesson 06 has stronger rivals: a median filter for
# each class, models with durations, bounding boxes. All are tuned by the same protocol, on the same halves. PSDS is that of
# the whole development set at 50 operating points, as everywhere here. **Predict:** how much of what the HMM wins does a
# median filter for each class win too?

# %%
if "psds" in unseen:
    others = ["robust", "median-robust", "hsmm-robust", "boxes-robust"]
    means["PSDS"] = [f"{np.mean(values):.3f}" for values in unseen["psds"]]
    columns = ["system", "search", "median filter, dev", "HMM, unseen halves",
               "median filter, eval", "HMM, eval", "PSDS"]
    beyond = means.loc[means["search"].isin(others), columns]
    beyond.columns = [name.replace("HMM", "tuned") for name in columns]
    html.table(beyond, "Decoders beside each other, mean over trainings")
else:
    print("version 0.1.0's ledger has no other decoders; `sedlib reproduce` does")

# %% [markdown]
# ## The figures
#
# The paper has two. Figure 1 is a drawing of the training scheme; lesson 05 draws it from the modules that really run.
# Figure 2 is a measurement, and it can be asked of more than one clip.

# %%
html.table(ledger.figures_table(found), "The paper's figures")

# %% [markdown]
# ## What the mini data can say, and what it cannot
#
# It **can** say whether the code does what the equations say, whether a training learns, what a method costs, and which
# of two systems is better *on these sounds, at this size*. It has something that DESED has not: the hidden labels of
# every "real" clip, so that the domain gap and its share in each ingredient can be measured (lesson 01).
#
# It **cannot** say what would come out on DESED. Its sounds are models with a few parameters; a front-end that adapts
# to the colours of real rooms and microphones finds less to adapt to. Its 300 development clips resolve differences of
# a few points only (half the width of the intervals above). Its network is small and trained for minutes, and methods
# that may need time to pay, such as augmentation and DAT, are asked for their result before they have it. Trained three times
# as long by version 0.1.0, their signs turned on the development set (lessons 02 and 05). On the evaluation set augmentation
# still cost points and DAT was level. Those were too few trainings to be sure.
#
# So "not confirmed" in this ledger means: *not seen here*. It does not mean that the paper is wrong. The same command
# with `--profile paper --data /path/to/DESED` asks the question where the paper asked it.
#
# ## Baseline, paper and released code
#
# A paper has few pages, its code many lines, and they differ. The paper also keeps what the challenge's baseline does, mostly
# without naming it. These are the choices, and what this course does in each of its profiles. The table is
# `docs/DIFFERENCES.md`; a test compares its values with the code.

# %%
tables_of = differences.differences()
for title, table in list(tables_of.items())[:2]:
    display(html.table(table, title))

# %% [markdown]
# Augmentation is where the released scripts and the text lie furthest apart. Lesson 02 describes them, lesson 05 tries both
# readings of lambda.

# %%
for title, table in list(tables_of.items())[2:4]:
    display(html.table(table, title))

# %% [markdown]
# Front-ends are lesson 03's, events and scores those of lessons 04 and 06.

# %%
for title, table in list(tables_of.items())[4:]:
    display(html.table(table, title))

# %% [markdown]
# None of these is a scandal. Each is a place where a reader who had only the paper would have built something else. Two of
# them, lambda and the noise on features, decided whether anything was learned at all, here in profile `lesson`. And one
# touches every number of Tables 1 to 3: for Augm and DAT the released scripts keep the epochs with the lowest loss on the
# development set, which is the set that the tables report.
#
# **The paper's own spread.** PPCEN on log-Mel is 39.34 in Table 1 and 39.93 in Table 2. No seeds are given, but two numbers for
# one system lie 0.6 points apart. Several of the paper's claims are smaller than that.

# %% [markdown]
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
# - You read the paper's numbers beside ours, and know why equal numbers were not the question.
# - You judged its sentences by paired intervals, and by Holm's rule paid for asking many.
# - You saw an average of three help as far as their errors differ.
# - You took apart what HMM tuning wins into what stays on unseen clips and what was memory, and asked it of Table 3's
#   second ensemble.
# - You know what this data set can say about DESED, and where the paper and its code part.
#
# ## Exercises
#
# 1. `sedlib reproduce --table 1 --seeds 5` gives Table 1 five trainings; read them with
#    `ledger.read(workspace.workspace() / "report" / "ledger.json")` (this lesson shows a ledger of all tables). Which
#    intervals became longer than with one training, and why? Which of the two chances would be left after a hundred
#    trainings?
# 2. Average only the two DAT runs, or PPCEN and one of them (`sedlib.decode.posteriors.average`). Which member is worth most to
#    the ensemble?
# 3. Tune the ensemble's HMM on all development clips instead of half of them (`sedlib tune --fraction 1`). What happens to the
#    development score, and to the evaluation score?
# 4. Take one sentence that is "not decided". If its interval knew clips alone, it would shrink like 1 over the root of
#    their number. How many development clips would decide it, if the paper's difference were the true one? Why may no
#    number of trainings be enough?
