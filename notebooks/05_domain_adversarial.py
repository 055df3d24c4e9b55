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
# # Domain-adversarial training: features that do not tell synthetic from real
#
# What one can label and what one cares about never sound alike. Domain-adversarial training promises to close such a
# gap without a single new label. You will see it keep the promise, and find what breaks it. Then you will learn to
# tell invariant features from an adversary that was only fooled.
#
# **You will**
# - take the gap between the domains apart, and see what it costs a detector;
# - train a toy of two domains in the plane, and see when invariance helps and when it hurts;
# - write the domain loss, the gradient reversal layer and the paper's two updates;
# - watch the method win clearly where a microphone is the only difference, and measure what label shift takes away;
# - train the detector against a domain classifier, and test with fresh probes whether it became invariant.
#
# **You need** lesson 01 (the two domains) and lesson 04 (the mean teacher, its training and its scores). From lesson
# 02: `+Augm` is dynamic mixing with effects.
#
# **Time** to read and try: 90 minutes. To run on two cores: about 23 min with profile `lesson` (3 min once its two
# trainings are finished), 2 min with profile `smoke`.
#
# **Paper** [Cornell et al., DCASE Workshop 2020](https://inria.hal.science/hal-02962911): section 3.1, Figure 1, the
# rows with "DAT" of Table 2. Gradient reversal is from [Ganin et al., JMLR
# 2016](https://jmlr.org/papers/v17/15-239.html), the paper's reference 11.

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# The method is in `sedlib.training.adversarial`, and its measurements are in `reproduction.studies`.

# %%
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from reproduction import comparisons
from reproduction.studies import gap, invariance, known
from sedcourse import adaptation, check, explore, html, live, microphone, players, plots
from sedcourse import scheme, show, toy
from sedlib import features, systems, training, workspace
from sedlib.data import tables
from sedlib.training import adversarial

# %% [markdown]
# ## The gap
#
# Strong labels exist for synthetic clips alone. What does that cost? We compare three detectors. One learns from
# synthetic clips only, one is the mean teacher of lesson 04, and an **oracle** gets the real clips' hidden strong
# labels. `sedlib gap` trains them. It tests the first on development clips with single ingredients of the real domain
# switched off or on.
#
# **Predict:** which ingredient costs a detector most, and which hardly anything?

# %%
root = workspace.dataset(data, profile)
measured = gap.load(profile)
print(measured["from"])
plots.show(plots.gap(gap.by_system(measured), gap.shares(measured)), gap.text(measured))

# %% [markdown]
# On the left, the detector that knows synthetic clips alone does much better on such clips than on real ones. The
# oracle shows how much there is to gain. On the right, circles show what each ingredient costs the first detector when
# it is the only difference. Diamonds show what is gained when it alone is removed. These do not add up, because an
# event can be missed only once.
#
# By ear: one clip of the real domain, dry and clean, then with one ingredient at a time, then with all. The events are
# the same.

# %%
log_mel = features.LogMel(systems.configuration("baseline", "lesson").features)
def look(waveform: np.ndarray) -> np.ndarray:
    return log_mel(torch.from_numpy(waveform)[None])[0, 0].numpy()

versions = adaptation.versions(seed)
for name, waveform in versions.items():
    players.play(waveform, name)
fig = plots.spectrogram_grid({name: look(x) for name, x in versions.items()}, 0.064, 2)
plots.show(fig, "One clip four times: dry and clean; with rooms, whose tails follow each "
                "event; with codecs; with all that happens on the way.")

# %% [markdown]
# ## A game of two
#
# One explanation of the gap: the CNN's features describe not only *what* sounds but also *how the clip was recorded*,
# and the layers above rely on that. So the paper wants features that do not reveal the domain of a clip.
#
# Two networks play. A **domain classifier** is given the CNN's features and predicts whether the clip is synthetic.
# The CNN learns, besides its main task, to make it fail. Let $\theta_c$ be the weights of the CRNN and $\theta_a$
# those of the classifier, $L_m$ the mean teacher's whole loss and $L_a$ the classifier's. Equations (1) and (2) are
#
# $$\theta_c \leftarrow \theta_c - \alpha \, \nabla_{\theta_c} \left[ \lambda_m L_m - \lambda_a L_a \right], \qquad
# \theta_a \leftarrow \theta_a - \alpha \, \nabla_{\theta_a} \left[ \lambda_a L_a \right].$$
#
# The same number, $L_a$, goes down for one player and up for the other. The paper writes $\lambda$ and $1 - \lambda$ for
# the two weights.
#
# ### Two domains in the plane
#
# The smallest case has two classes, cats and dogs, and two axes. One axis holds what sounds; it is noisy. The other
# holds how the sound was recorded. For synthetic points the recording also gives the class away. Real points lie
# elsewhere on that axis, where it says nothing about their class. Their classes are not known in training. This is one
# step:

# %%
show.source(toy.update)
explore.explore(toy.draw, interactive, domain_weight=[0, 0.3, 1, 10],
                real_share=[0.1, 0.5, 0.9], start={"real_share": 0.5})

# %% [markdown]
# Start at $\lambda_a = 0$, and raise it until real points are classified well. What happened to the features?
#
# Next, a sweep over weights and seeds. On the left, half of the real points are dogs. On the right it is one in ten,
# while synthetic ones stay half and half: **label shift**. **Predict** both curves.

# %%
weights, seeds = [0, 0.3, 1, 10], range(1 if profile == "smoke" else 3)
swept = {"as many dogs in both domains": toy.sweep(weights, seeds),
         "1 of 10 real ones is a dog": toy.sweep(weights, seeds, real_share=0.1)}
plots.show(*toy.draw_sweep(swept))

# %% [markdown]
# On the left, the model without the domain loss relies on the recording and fails on real points. With it, the
# boundary turns until it follows the content, though no real point had a label.
#
# On the right, nine real animals in ten are cats but only half of the synthetic ones. Features that look the same in
# both domains *must* then misclassify some animals ([Zhao et al., ICML
# 2019](https://proceedings.mlr.press/v97/zhao19a.html), prove a lower bound). So weights that helped before cost
# accuracy now. Without the domain loss the accuracy is high for a bad reason: that model takes nearly all real points
# for cats. The third line, a fresh probe, is explained below.
#
# ## The pieces
#
# ### The domain loss
#
# Every batch of the mean teacher begins with its synthetic clips; weak and unlabelled ones, all recorded, follow. So
# no new labels are needed. $L_a$ is the binary cross-entropy of the classifier's **logits**, its output before the
# sigmoid, and the label of the first `synthetic` clips is 1.
#
# **Exercise 1.** Write it. `logits` is `(clip,)`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def domain_loss(logits: torch.Tensor, synthetic: int) -> torch.Tensor:
    """L_a of a batch whose first clips are synthetic."""
    labels = (torch.arange(len(logits)) < synthetic).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, labels)

# %% [markdown]
# The loss itself has no sign; the updates have them. The baseline, whose training the paper keeps, has 6 synthetic
# and 18 recorded clips in a batch. **Predict** how often a classifier that knows nothing can be right there.

# %%
check.domain_loss(domain_loss)
share = torch.tensor(6 / 24)
print(f"always answering {share:.2f}: loss {F.binary_cross_entropy(share, share):.3f}, "
      f"right on {1 - share:.0%} of the clips")

# %% [markdown]
# It is right on three quarters without looking, so accuracy misleads here. The **balanced error** is the mean of the
# two domains' shares of wrong answers. 0.5 is chance, whatever the batch holds.
#
# **Exercise 2.** Write it. A positive logit means "synthetic".

# %% jupyter={"source_hidden": true} tags=["solution"]
def balanced_error(logits: torch.Tensor, synthetic: int) -> float:
    """Mean over both domains of the share of wrong answers."""
    missed = (logits[:synthetic] <= 0).float().mean()
    mistaken = (logits[synthetic:] > 0).float().mean()
    return float(missed + mistaken) / 2

# %% [markdown]
# A classifier that gives the same answer to every clip must come out at 0.5.

# %%
check.balanced_error(balanced_error)

# %% [markdown]
# ### The two updates
#
# **Exercise 3.** Write equations (1) and (2). `main(theta_c)` and `domain(theta_c, theta_a)` are the two losses,
# `weights` are $\lambda_m$ and $\lambda_a$. Return the new $\theta_c$ and $\theta_a$. The check compares them with
# finite differences: it moves every weight a little and measures what the losses do.

# %% jupyter={"source_hidden": true} tags=["solution"]
def two_updates(theta_c, theta_a, main, domain, weights, alpha):
    """Both sets of weights after one step of each player."""
    of_main, of_domain = weights  # given
    of_both = of_main * main(theta_c) - of_domain * domain(theta_c, theta_a)
    (up,) = torch.autograd.grad(of_both, theta_c)
    (down,) = torch.autograd.grad(of_domain * domain(theta_c, theta_a), theta_a)
    return theta_c - alpha * up, theta_a - alpha * down

# %% [markdown]
# Mind the signs, the weights and the order of the two.

# %%
check.two_updates(two_updates)

# %% [markdown]
# ### Turning the gradient round
#
# These are two backward passes through one loss. Ganin et al. need only one, with a layer that does nothing forwards
# and multiplies the gradient by $-\lambda$ backwards. It sits between CNN and classifier: below it, the domain loss
# goes uphill; above it, downhill.
#
# **Exercise 4.** Write the way back. `ctx.weight` is what `forward` kept; return a gradient for each input of
# `forward`, `None` for the weight.

# %% jupyter={"source_hidden": true} tags=["solution"]
def backward(ctx, gradient):
    """From the gradient of the output to those of x and weight."""
    return -ctx.weight * gradient, None

# %% [markdown]
# Below is the same in sedlib. At the start the classifier knows nothing, and its gradient would push the CNN anywhere.
# So Ganin et al. let the weight grow with the progress $p$ of the training, from 0 to 1: $\lambda(p) = 2 / (1 +
# \exp(-10 \, p)) - 1$.

# %%
check.reversed_gradient(backward)
show.source(adversarial._Reverse)

# %% [markdown]
# ## One microphone
#
# Now to sounds: single ones, of all ten classes, with one difference between the domains. "Real" sounds went through
# one cheap microphone, synthetic ones did not. Classes are balanced and there are no weak labels. A network of three
# layers is given the mean level and the standard deviation of each Mel band. **Predict:** what will it get right on
# real sounds?

# %%
per_class, trials = (8, range(2)) if profile == "smoke" else (80, range(8))
clean, kinds = known.clips(per_class, known.NORMAL, seed)
def through(size: float, **how) -> microphone.Sounds:
    own, heard = (gap.band_statistics(x, log_mel)
                  for x in (clean, microphone.through(clean, size, **how)))
    return microphone.Sounds(own, heard, kinds)

one = through(microphone.SIZE)
plots.show(*microphone.draw_response())
for at in (4, 8):
    players.play(clean[at], f"{tables.CLASSES[kinds[at]]}, as it is")
    players.play(microphone.through(clean[at : at + 1])[0], "through the microphone")

# %% [markdown]
# This is one step of the training, with the reversal layer. `class_weights` comes later. No sound is in two of the
# labelled, the unlabelled and the test set.

# %%
show.source(microphone.step)
settings = {"without": {"sounds": one, "weight": 0},
            **{f"weight {w:g}": {"sounds": one, "weight": w} for w in (0.3, 1, 3)},
            "own scale": {"sounds": one, "weight": 0, "own_scale": True}}
compared = microphone.compare(settings, trials)
best = microphone.gain(compared, "weight 0.3", "without")
lost = microphone.gain(compared, "weight 0.3", "without", "synthetic")
print(f"weight 0.3 gains {best} on real sounds: {microphone.verdict(best)}")
print(f"on synthetic ones: {lost}")
title = f"Mean ± standard deviation, {len(trials)} seeds"
html.table(microphone.summary(compared), title)

# %% [markdown]
# **It works**: not one real sound had a label, and yet the network learned to recognise them. (Profile `smoke` has too
# few sounds to show it.) The adversary's error rises towards 50 %, and a weight that is too large loses some of the
# gain. But note that we know the best weight from labels of real sounds. The paper "tuned $\lambda$ on the development
# set", which its tables report. That is the same leak.
#
# The last row is a rival without any adversary: each domain is standardised by its own mean and standard deviation.
# One fixed microphone *is* a constant shift of each band in dB, and subtracting the mean removes it. So know your gap
# before you build an adversary.
#
# An **embedding** is the vector of features that a network computes from a sound. The last column says how often the
# synthetic sound with the nearest embedding is of the same class. Listen to a few real sounds and to the nearest
# synthetic one, without and with the adversary.

# %%
trained = {f"weight {w:g}": microphone.train(one, w, seed=0) for w in (0, 0.3)}
for title, sound in microphone.neighbours(trained, clean, kinds, most=3):
    players.play(sound, title)

# %% [markdown]
# How large may the difference be? The dose is the height of the microphone's bumps. **Predict** both curves.

# %%
doses = {microphone.SIZE: compared[compared["setting"].isin(["without", "weight 0.3"])]}
for size in (0,) if profile == "smoke" else (0, 27):
    of = through(size)
    doses[size] = microphone.compare({
        "without": {"sounds": of, "weight": 0},
        "weight 0.3": {"sounds": of, "weight": 0.3}}, trials)
doses = dict(sorted(doses.items()))
plots.show(*microphone.draw_doses(doses, "height of the microphone's bumps (dB)"))

# %% [markdown]
# The larger the difference, the more is lost without the adversary. It need not know what differs, and it recovers
# most of the loss, until the difference is too large. Now every clip has a microphone of its own, as in real life.
# **Predict:** which loses more by that, the adversary or its rival?

# %%
many = through(microphone.SIZE, each_its_own=True)
mixed = microphone.compare({
    "without": {"sounds": many, "weight": 0}, "weight 1": {"sounds": many, "weight": 1},
    "own scale": {"sounds": many, "weight": 0, "own_scale": True}}, trials)
each = microphone.gain(mixed, "weight 1", "without")
rival = microphone.gain(mixed, "own scale", "without")
print(f"the adversary gains {each}: {microphone.verdict(each)}")
print(f"the own scale gains {rival}: {microphone.verdict(rival)}")
html.table(microphone.summary(mixed), f"A microphone for each clip, {len(trials)} seeds")

# %% [markdown]
# Compare with the first table: one shift for a whole domain no longer fits.
#
# ### Which step to keep
#
# Without labels of real sounds, one would keep the step that is best on held-out *synthetic* ones, as the DCASE
# baseline does. **Predict:** is that the best step on real ones?

# %%
plots.show(*microphone.draw_history(trained))
for name, of in trained.items():
    print(f"{name}: {microphone.chosen(of)}")

# %% [markdown]
# On synthetic sounds the late steps look alike, so this choice ignores what the adversary is for. The released scripts
# for Augm and DAT keep the checkpoints with the lowest loss on the *real* development set. That favours DAT, but then
# the set that chooses is also the set that is reported.
#
# ### Label shift switched on
#
# The microphone stays, but now five of the ten classes are more frequent among the real sounds. Accuracy is averaged
# over the classes, so frequent ones do not count more. Suppose that the shares of the classes were known in both
# domains. Then a synthetic sound could count in the domain loss as often as its class occurs in the real domain.
#
# **Exercise 5.** Write these weights: `real` and `synthetic` are the shares of the classes, `(class,)`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def class_weights(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """How much a synthetic sound of each class counts in the domain loss."""
    return real / synthetic

# %% [markdown]
# **Predict:** what does label shift do to the adversary, and what do the weights repair?

# %%
check.class_weights(class_weights)
plain = compared[compared["setting"] == "without"]  # it sees no real sound
shifts = {50: compared[compared["setting"].isin(["without", "weight 1"])]}
for percent in (90,) if profile == "smoke" else (70, 90):
    how = {"sounds": one, "weight": 1, "frequent": percent / 100}
    counts = class_weights(microphone.shares(percent / 100), microphone.shares(0.5))
    both = {"weight 1": how, "with class weights": {**how, "class_weights": counts}}
    shifts[percent] = pd.concat([plain, microphone.compare(both, trials)])
plots.show(*microphone.draw_doses(shifts, "share of the frequent five classes (%)"))
shifted = microphone.gain(shifts[90], "weight 1", "without")
repaired = microphone.gain(shifts[90], "with class weights", "weight 1")
print(f"at 90 % the adversary gains {shifted}: {microphone.verdict(shifted)}")
print(f"class weights add {repaired}: {microphone.verdict(repaired)}")

# %% [markdown]
# Once the shares of the classes differ, features that tell the classes apart also tell something about the domain. The
# adversary punishes just these features. The weights remove that reason, but they need the real shares. Weak labels
# could estimate them; neither the paper nor the released code does so.
#
# ## Figure 1, from the code
#
# Now the detector. The paper's own Figure 1 is on page 2 of [its PDF](https://inria.hal.science/hal-02962911). Ours is
# drawn from the modules that run. **Predict:** the domain loss of equation (1) depends on which weights? Does any of
# it reach the RNN?

# %%
config = systems.configuration("dat", profile)
plots.show(*scheme.scheme(config))

# %% [markdown]
# **Where the branch is attached is a choice.** The paper puts it after the CNN, beside the RNN: the features of single
# frames become invariant, and the RNN stays free. A branch after the RNN would also see the context of each frame, and
# with it *what* sounds when.
#
# The classifier is the separator of Conv-TasNet (`asteroid.masknn.TDConvNet`): dilated convolutions, one number a
# frame, whose mean over time is the logit of the clip. The paper says that skip connections "helped gradient
# propagation". The released code has no skip connections, only residual ones, and ours is the same. A finished run
# keeps its CRNN alone: the branch costs nothing at detection.
#
# Here are the two steps as they are run. Both equations contain the same loss at the same weights, so one pass through
# the classifier gives the gradients of both. Below them is one step by reversal.

# %%
show.source(adversarial.DomainAdversarial.two_steps)
show.source(adversarial.DomainAdversarial.one_step)

# %% [markdown]
# The paper found that two steps work better than reversal, for "more stable gradients". **Predict:** how different are
# the gradients, for the same weights and the same batch? `adaptation.gradients` takes both on a random network and
# batch, with the mean posterior as the main loss.

# %%
one, other = (adaptation.gradients(of, config, seed) for of in ("two-step", "reversal"))
for group in one:
    off = max(float((one[group][n] - other[group][n]).abs().max()) for n in one[group])
    largest = max(float(g.abs().max()) for g in one[group].values())
    print(f"{group:<18} largest gradient {largest:.2g}, largest difference {off:.1g}")
    assert off <= 1e-4 * largest + 1e-9

# %% [markdown]
# Up to rounding they are the same, and they have to be. Each player's gradient is taken where neither has moved yet.
# With equal optimisers and a fixed weight, the two procedures are one, written twice. In a GAN the second player
# answers the first one's move: that would be `loss_a(classifier(cnn_after(x)))`, with embeddings computed anew.
#
# So the paper's difference must come from elsewhere: Ganin et al.'s schedule, one optimiser instead of two, or
# chance. In sedlib `dat_reversal` is reversal with the schedule.
#
# ### Two readings of lambda
#
# The paper's text has $\lambda = 0.1$ and weights $\lambda$, $1 - \lambda$: 0.1 for the main loss and 0.9 for the
# domain loss. The released code has 1 and 0.1. The optimiser is **Adam**, which divides each gradient by its own usual
# size. A factor in front of the *whole* loss therefore changes nothing (exercise 11). So RNN and heads, which receive
# gradients of the main loss alone, learn with 0.1 as with 1. In the CNN only the *ratio* of the two weights counts:
# $0.9 / 0.1 = 9$ in the text, $0.1 / 1 = 0.1$ in the code. The two readings are 90 times apart. (With clipping this is
# not exact: DAT clips gradients at a norm of 5, as the released scripts do.)
#
# ## Training the detector
#
# `dat` is the baseline of lesson 04 with the updates above. (The paper's "+DAT+Augm" adds dynamic mixing.)
# **Predict:** will the classifier's error rise or fall with the epochs?

# %%
folder = workspace.run_folder(profile, root, "dat", seed)
with live.LiveCurves(interactive) as curves:
    run = training.train(config, root, seed, folder, curves, progress=interactive)
results = training.score(run, root, progress=interactive)
history = run.metrics
if len(curves.rows) < len(history):
    print("trained before, all or in part; these are its records:")
    plots.show(plots.curves(history), live.description(history))
plots.show(*adaptation.draw_errors(history))

# %% [markdown]
# Compare the error with the microphone, where the error rose: who learns faster here, the classifier or the CNN?
#
# **Which step would synthetic clips choose?** Our trainings keep the last one. `reproduction.studies.schedule` has
# measured F1 on real clips along whole trainings. Does another choice hide a gain?

# %%
score = f"validation_f1_{config.training.tested}"
epoch = history.loc[history[score].idxmax(), "epoch"]
real = 100 * results["validation"]["event_f1"]["macro"]
print(f"dat here: synthetic clips choose epoch {epoch} of {len(history)}; "
      f"F1 on real clips after the last one: {real:.1f} %")
of_systems = adaptation.curves()
plots.show(*adaptation.draw_curves(of_systems))
for name, curve in of_systems.items():
    print(f"{name}: {adaptation.chosen(curve)}")

# %% [markdown]
# ## Fooled, or invariant?
#
# An error near 0.5 would look like success. But it can mean two things: that the features hold nothing of the domain,
# or that *this* classifier could not follow a moving target. The honest measure is a **probe**: freeze the CNN, and
# train a fresh classifier of domains. A linear one is given the mean and the standard deviation of each feature. For
# the CNN of `dat` we also train a network. Both are tested on clips that they did not learn from. To save time we take
# 150 clips of each domain.
#
# The error $\epsilon$ of the best such classifier gives a distance between the domains, the **proxy A-distance**: 0
# where they cannot be told apart, 2 where every clip can be.
#
# **Exercise 6.** Write it: it is linear in the error.

# %% jupyter={"source_hidden": true} tags=["solution"]
def a_distance(error: float) -> float:
    """0 for chance, 2 for a classifier that is always right."""
    return 2 * (1 - 2 * error)

# %% [markdown]
# Chance is an error of 0.5. Below are three CNNs: with random weights, trained without DAT (`baseline`, of lesson 04),
# and trained with it. One more probe gets no features at all, only the *true* labels: how many seconds of each class
# sound in a clip. **Predict** the order of the errors.

# %%
check.a_distance(a_distance)
baseline = systems.configuration("baseline", profile)
folder = workspace.run_folder(profile, root, "baseline", seed)
plain = training.train(baseline, root, seed, folder, progress=interactive)
last = {"baseline": plain.detector("last"), "dat": run.detector("last")}
last = {"untrained": invariance.as_begun(last["baseline"], config, seed), **last}
heard = {name: invariance.hear(of, config, root, seed, most=150)
         for name, of in last.items()}
probed = {f"{name}: a linear probe":
          invariance.linear_probe(invariance.statistics(of.embeddings), of.is_synthetic)
          for name, of in heard.items()}
probed |= {"dat: a network": invariance.network_probe(heard["dat"], config),
           "no features, the true labels":
           invariance.linear_probe(heard["dat"].seconds, heard["dat"].is_synthetic)}
html.table(invariance.probe_table(probed), "Balanced errors")

# %% [markdown]
# The labels alone give the domain away in many clips: real clips hold more of some classes than synthetic ones, in
# MiniDESED as in DESED. That is label shift again. Embeddings that tell *what sounds* must then tell something about
# the domain.
#
# The study has several systems and seeds; each mark is a training. `dat_weight_1` has ten times the released weight
# for the domain loss.

# %%
study = invariance.load(profile)
print(f"profile {study['profile']}, {study['from']}")
fig = plots.domain_errors(invariance.errors(study), invariance.labels_error(study))
plots.show(fig, invariance.text(study))
html.table(invariance.table(study), "Errors (%) of classifiers of domains, 50 is chance")

# %% [markdown]
# Compare each training's own adversary with the probes. Where the adversary is near chance and the probes are not,
# **it was fooled, and nothing became invariant.** The first row is a network that was never trained: even random
# filters pass on enough of level and colour to tell the domains apart.
#
# ## How far does it carry?
#
# For the detector, the table varies the weight of the domain loss from 0 (the baseline) to 1, with 1 for the main
# loss. The last row has the paper's printed ratio, 9.

# %%
swept = comparisons.ADVERSARIAL.load(profile, root)
print(f"profile {swept['profile']}, {swept['from']}")
html.table(adaptation.lambdas(swept), "The weight of the domain loss, swept")

# %% [markdown]
# A large weight can make features useless without making them invariant: compare with the probes above.
#
# The published study judges what the paper says about DAT:

# %%
source, verdicts = adaptation.verdicts()
print(source)
print(adaptation.in_a_sentence(verdicts))
html.table(verdicts, "What the paper says about DAT, and what the published study says")

# %% [markdown]
# Finally, all rungs side by side. The third is a published measurement on the same kind of sounds, with noise,
# microphones, band limits and codecs. The last is F1 with DAT minus F1 with augmentation alone.

# %%
rungs = {"one microphone": best, "one for each clip": each,
         "the whole channel": adaptation.channel(),
         "one microphone, label shift": shifted, **adaptation.detector()}
plots.show(*adaptation.draw_ladder(rungs))
for name, gained in rungs.items():
    print(f"{name}: {gained}")

# %% [markdown]
# ### Why less with the detector?
#
# **The labels differ.** You have seen what that does. This is by how much:

# %%
html.table(adaptation.lasting(root), "How long the classes sound, mean per clip")

# %% [markdown]
# **The mean teacher adapts already.** Weak labels and consistency on real clips ask for features that serve both
# domains. DAT was made for cases without any label of the other domain. To test both explanations, DAT was tried on
# synthetic labels alone, also where only microphones or only the recording differ.

# %%
sources, found = adaptation.when_of_use()
print(*sources, sep="\n")
html.table(found, "When is DAT of use to the detector? Event F1, and points won")

# %% [markdown]
# If these two were all, DAT would win where only the recording differs and no teacher helps. Two more: its classifier
# wins, as its error shows, and **our trainings are short.** The DCASE baseline's takes 52,600 steps.
#
# > **How sure is all this?** The detector has only a few trainings, and their F1 differs by points from seed to seed.
# > An interval that contains 0 shows neither a gain nor that there is none.
#
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("05", answers="")

# %% [markdown]
# ## What you did
#
# - You took the gap apart, and saw what it costs a detector.
# - You trained a toy of two domains, and saw invariance help, and hurt under label shift.
# - You wrote the domain loss, the balanced error, the reversal and the two updates, and checked them against the
#   library and finite differences.
# - You watched the adversary win clearly against one microphone, and measured what label shift takes from that gain.
# - You trained the detector against a classifier, and used fresh probes to tell a fooled classifier from invariant
#   features.
#
# ## Exercises
#
# 7. Give the toy's real points the same recording as the synthetic ones (`toy.sweep` with `gap=0`). What does DAT gain
#    when there is no gap?
# 8. Estimate the real shares of the classes: train with weight 0 under label shift, count the answers on real sounds
#    (`answers` of a training), and use the counts in `class_weights`. How much of the repair is left?
# 9. Train the probe of `invariance.linear_probe` on the clips it is tested on. How far off is the error?
# 10. Take the ingredients of the real domain away step by step (`adaptation.staircase`), and ask a classifier of domains
#    each time. After which step does it fail? Why does that not say what a detector loses?
# 11. Minimise a loss with Adam, and then 0.1 times that loss. Predict how far apart the weights are after five steps.
# 12. Give the classifier more practice: train `dat` with `adversarial.learning_rate` ten times as large
#    (`dataclasses.replace` in a copy of `config`). Is it still fooled? What does a fresh probe say?

# %% [markdown] tags=["solution"]
# <details><summary>Solution of exercise 7</summary>
#
# Nothing: the features cannot tell what is not there. A large weight can only cost.
#
# ```python
# closed = toy.sweep(weights, seeds, gap=0)
# print(closed.groupby("domain_weight")["real_accuracy"].mean().round(3))
# ```
#
# </details>
#
# <details><summary>Solution of exercise 8</summary>
#
# The classifier is wrong on many real sounds, since the microphone is in between. So its counts are off, and the
# weights with them. Compare with the repair by the true shares.
#
# ```python
# how = {"sounds": through(microphone.SIZE), "frequent": 0.9}
# counted = np.mean([microphone.train(weight=0, seed=k, **how).answers for k in trials], 0)
# estimated = class_weights(counted, microphone.shares(0.5))
# found = microphone.compare({"estimated": {**how, "weight": 1,
#                                           "class_weights": estimated}}, trials)
# found = pd.concat([shifts[90], found])
# for name in ("estimated", "with class weights"):
#     print(f"{name}: {microphone.gain(found, name, 'weight 1')}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 9</summary>
#
# It looks as if the features told the domains apart much better than they do on new clips. So a probe must never be
# tested on what it learned from.
#
# ```python
# from sklearn.linear_model import LogisticRegression
# from sklearn.preprocessing import StandardScaler
#
# of = heard["dat"]
# x = StandardScaler().fit_transform(invariance.statistics(of.embeddings))
# probe = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced")
# wrong = probe.fit(x, of.is_synthetic).predict(x) != of.is_synthetic
# same = (wrong[of.is_synthetic].mean() + wrong[~of.is_synthetic].mean()) / 2
# print(f"same clips {same:.2f}, others {probed['dat: a linear probe'].error:.2f}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 10</summary>
#
# At the bottom nothing of the real domain is left, and the AUC is at chance. On the way down, any clue that is left is
# enough. So the order matters: in another order, another step would look decisive. And a detector may ignore what the
# classifier uses.
#
# ```python
# draws, clips = (2, 8) if profile == "smoke" else (4, 16)
# stairs = adaptation.staircase(log_mel, seed, draws, clips, interactive)
# plots.show(*adaptation.draw_staircase(stairs))
# ```
#
# </details>
#
# <details><summary>Solution of exercise 11</summary>
#
# They are the same, up to the tiny constant by which Adam avoids a division by 0.
#
# ```python
# def adam_steps(factor: float, steps: int = 5) -> torch.Tensor:
#     w = torch.tensor([1.0, -2.0], requires_grad=True)
#     optimizer = torch.optim.Adam([w], lr=0.1)
#     for _ in range(steps):
#         optimizer.zero_grad()
#         (factor * (w - torch.tensor([3.0, 0.5])).square().sum()).backward()
#         optimizer.step()
#     return w.detach()
#
# print(adam_steps(1.0), adam_steps(0.1))
# ```
#
# </details>
#
# <details><summary>Solution of exercise 12</summary>
#
# One more training, about 10 minutes with profile `lesson`. An adversary that keeps up has a lower error than a
# fooled one. Only a probe that stays at chance would show that the features became invariant.
#
# ```python
# import dataclasses
#
# rate = 10 * config.adversarial.learning_rate
# quick = dataclasses.replace(config.adversarial, learning_rate=rate)
# quick = dataclasses.replace(config, adversarial=quick)
# folder = workspace.workspace() / "runs" / "exercises" / profile / "quick_adversary"
# other = training.train(quick, root, seed, folder, progress=interactive)
# print(f"its own error {other.metrics['loss_domain_error'].iloc[-1]:.2f}")
# fresh = invariance.hear(other.detector("last"), quick, root, seed, most=150)
# print(invariance.network_probe(fresh, quick))
# ```
#
# </details>
