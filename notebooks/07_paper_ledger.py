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
# **You need** lesson 00 (event-based F1, bootstrap intervals) and lesson 06 (HMMs and their tuning). The other
# lessons are where the numbers come from.
#
# **Time** to read and try: 60 minutes. To run on one core: 30 s with profile `lesson`, 40 s with profile `smoke` (with its
# data set still to be made); it trains nothing.
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

from sedlib import ledger, systems, workspace
from sedlib.config import Decoding
from sedlib.data import layout, tables
from sedlib.data.batches import strong_labels
from sedlib.decode import Posteriors, median_events
from sedlib.lesson import check, html, plots
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
for job, why in found["failed"].items():
    print(f"failed: {job}: {why}")

# %% [markdown]
# Every row of the paper is a named system (lesson by lesson you have met them). The ensembles train nothing of their
# own.

# %%
html.table(systems.listing(), "The rows of Tables 1 to 3 and what gives them here")

# %% [markdown]
# ## The numbers
#
# Diamonds are the paper's, on DESED; dots are ours. **Before you look on: must a dot lie on its diamond for the paper
# to be reproduced?**

# %%
plots.show(plots.ledger(found["numbers"]), plots.ledger_text(found["numbers"]))

# %% [markdown]
# It must not, and it would mean little if it did: the data are others, the network is a tenth of the paper's in
# profile `lesson` (105 thousand parameters), and it takes 1000 steps where the paper takes tens of thousands. An absolute F1 is a statement about a
# data set. What a method paper claims is that *one system is better than another*, and that is what can be asked
# anywhere, as long as the answer comes with its uncertainty.

# %%
html.table(ledger.numbers_table(found).drop(columns="note"),
           "The paper's numbers and ours, 95 % intervals over clips and trainings")

# %% [markdown]
# ## Two kinds of chance
#
# An interval here covers two accidents: *which clips* happen to be in the development set (clips are drawn with
# replacement, lesson 00), and *which seed* the training had (of $n$ trainings, $n-1$ are drawn with replacement, which
# gives the mean of $n$ its right variance). With one training the second accident cannot be seen: the interval is then
# too short, and nothing in it says so. Ensembles share members between neighbouring seeds, so theirs is a little short
# as well.
#
# For a difference of two systems both are drawn on the **same** clips: what is hard for one is mostly hard for the
# other, and that part of the chance cancels.
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
# Here are the sentences of section 4 that compare two rows, with the difference that the paper reports, ours, and the
# verdict. Mind the column "seeds" of the table above: where a row has one training, its verdicts know the chance of clips
# alone.

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
# $0.05/(m-1)$, and so on; stop at the first that fails. What was passed before it stands, with less than 5 % chance of
# *any* false one among them.
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
# The ledger's p-values are two-sided, from 4000 draws, so that none can be below 0.0005. Which sentences are left?

# %%
asked = [c for c in found["claims"] if c["p"] is not None]
stands = holm(np.array([c["p"] for c in asked]), 0.05)
decided = sum(not c["low"] <= c["at_least"] <= c["high"] for c in asked)
print(f"{len(asked)} questions; {decided} intervals leave out 0 (or the points "
      f"claimed), {stands.sum()} of them stand by Holm's rule")
print(ledger.verdicts(found))

# %% [markdown]
# ## Ensembles: why an average helps
#
# Three systems that are right on average and wrong in different places: the mean of their posteriors has a third of the
# variance of one. If a share $\rho$ of what they get wrong is common to all, only the rest shrinks:
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
# Let us try the formula. The true activity of the development set's clips, in log-odds, with noise on top: a common part
# and one of each member's own. It is a simulation; it has no network in it.

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
# have in common no table says; exercise 2 finds out.
#
# ## Table 3's second ensemble
#
# The paper submitted the same three models twice, with other HMM probabilities. The second scored higher on the
# development set, which had tuned it (47.44 against 46.17), and lower on the evaluation set (43.2 against 44.4). How the two
# were tuned it does not say. Here the first is tuned by the paper's random forest, the second by the exact search, both on one
# half of the development set. **What do you expect of the second on clips that no search has seen?**

# %%
unseen = pd.DataFrame(found["unseen"])
columns = {"median": "median filter, dev", "dev": "HMM, dev",
           "unseen": "HMM, unseen halves",
           "median_eval": "median filter, eval", "eval": "HMM, eval"}
shown = unseen[["system", "search"]].copy()
for name, title in columns.items():
    shown[title] = [f"{np.mean(values):.1f}" if values else "" for values in unseen[name]]
html.table(shown, "Event-based macro F1 (%), mean over trainings")

# %% [markdown]
# "HMM, dev" is how the paper counts: the whole development set, half of which chose the probabilities. "Unseen halves" decodes
# each half with what the other one chose. What lies between the two columns is memory, up to the chance of this one
# split. `robust` is what lesson 06 made of it: it asks for probabilities whose neighbourhood is good, too.

# %%
shown = unseen.assign(
    claimed=[np.mean(d) - np.mean(m) for d, m in zip(unseen["dev"], unseen["median"])],
    kept=[np.mean(u) - np.mean(m) for u, m in zip(unseen["unseen"], unseen["median"])])
shown["memory"] = shown["claimed"] - shown["kept"]
columns = ["system", "search", "claimed", "kept", "memory"]
html.table(shown[columns].round(1),
           "Points over the median filter: as the paper counts, and kept unseen")

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
# It **can** say whether the code does what the equations say, whether a training learns, what a method costs, and which of
# two systems is better *on these sounds, at this size*. It has something that DESED has not: the hidden labels of every
# "real" clip, so that the domain gap and its share in each ingredient can be measured (lesson 01).
#
# It **cannot** say what would come out on DESED. Its sounds are models with a few parameters; a front-end that adapts to
# the colours of real rooms and microphones finds less to adapt to. Its 300 development clips do not resolve a difference
# below three or four points. Its network is small and trained for minutes, and methods that need time to pay, such as
# mixing and DAT, are asked for their result before they have it: trained three times as long, lesson 02 and lesson 05
# saw their signs turn, with too few trainings to be sure.
#
# So "not confirmed" in this ledger means: *not seen here*. It does not mean that the paper is wrong. The same command with
# `--profile paper --data /path/to/DESED` asks the question where the paper asked it.
#
# ## Paper and released code
#
# A paper has few pages, its code many lines, and they differ. Where that matters the library has both; here is what each
# choice was, and the lesson that tries it, or at least tells of it.
#
# | point | paper | released code | lesson |
# | --- | --- | --- | --- |
# | PCEN's smoother | causal, first order | forwards and backwards in time, so that it sees the future | [lesson 03](03_pcen.py) |
# | smoothing coefficients | 0.015 and 0.25 | 0.015 and 0.08 | [lesson 03](03_pcen.py) |
# | gradient through the smoother | follows from "trainable front-end" | none; as its coefficients are fixed this changes no gradient | [lesson 03](03_pcen.py) |
# | where PPCEN starts | not said | at values that an earlier training had learned | [lesson 03](03_pcen.py) |
# | number of PCEN layers | two suffice | four by default beside DAT | [lesson 03](03_pcen.py) |
# | lambda | 0.1 on the main loss, 0.9 on the domain loss | 1 and 0.1 | [lesson 05](05_domain_adversarial.py) |
# | who is the teacher | the average of the student ([lesson 04](04_mean_teacher.py)) | the names are swapped | only here |
# | effects | bursts, comb, compression, pitch, filters | others, one at a time; the comb is never used | [lesson 02](02_augmentation.py) |
# | level of foregrounds | uniform, -35 to 0 dB | normal around -30 dB, cut at -45 and 0 | [lesson 02](02_augmentation.py) |
# | noise on features | SNR of -30 to 10 dB, with which nothing is learned | about 10 to 30 dB below the features; off beside PPCEN | [lesson 02](02_augmentation.py) |
# | loudest background | 5 dB over the quietest foreground | the same | [lesson 02](02_augmentation.py) |
# | after the HMM | nothing | drops events of up to 3 frames, merges overlaps | [lesson 06](06_hmm.py) |
# | PSDS with an HMM | 0.63 to 0.69 | every operating point is the same path | [lesson 06](06_hmm.py) |
#
# None of these is a scandal. Each is a place where a reader who had only the paper would have built something else, and two of
# them (lambda and the noise) decide whether anything is learned at all.
#
# ## What you did
#
# - You read the paper's numbers beside ours, and know why equal numbers were not the question.
# - You judged its sentences by paired intervals, and by Holm's rule paid for asking many.
# - You saw an average of three help as far as their errors differ.
# - You took apart what Table 3's second ensemble won: some of it was memory of the clips that tuned it.
# - You know what this data set can say about DESED, and where the paper and its code part.
#
# ## Exercises
#
# 1. `sedlib reproduce --table 1 --seeds 5` gives Table 1 five trainings. Which intervals become shorter, and by how much? Which of
#    the two chances is left?
# 2. Average only the two DAT runs, or PPCEN and one of them (`sedlib.decode.posteriors.average`). Which member is worth most to
#    the ensemble?
# 3. Tune the ensemble's HMM on all development clips instead of half of them (`sedlib tune --fraction 1`). What happens to the
#    development score, and to the evaluation score?
# 4. Take one sentence that is "not decided" and compute from the width of its interval how many trainings would decide it, if the
#    paper's difference were the true one.
