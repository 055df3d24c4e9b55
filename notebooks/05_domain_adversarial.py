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
# **You will**
# - take the gap between the domains apart, and see what it costs a detector;
# - train a toy of two domains in the plane, and see when invariance helps and when it hurts;
# - write the domain loss, the gradient reversal layer and the paper's two updates, each equal to the library's;
# - watch the method win clearly where a microphone is the only difference, and measure what label shift takes from it;
# - train the detector against a domain classifier, and test with fresh probes whether it became invariant.
#
# **You need** lesson 01 (the two domains), lesson 04 (the mean teacher, its training and its scores); of lesson 02 that
# `+Augm` is dynamic mixing and effects.
#
# **Time** to read and try: 110 minutes. To run on two cores: about 23 min with profile `lesson` (3 min once its two
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
# Everything below is in `sedlib.training.adversarial`, `sedlib.models.domain` and `reproduction.studies.invariance`.
# The toy, the microphone and the figures are `sedcourse`'s.

# %%
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from reproduction import comparisons
from reproduction.studies import gap, invariance, known
from sedcourse import adaptation, check, explore, html, live, microphone, players, plots
from sedcourse import scheme, show, toy
from sedlib import features, models, systems, training, workspace
from sedlib.data import layout, tables
from sedlib.training import adversarial

# %% [markdown]
# ## The gap
#
# Strong labels exist for synthetic clips alone. What does that cost? Three detectors: one learns from synthetic clips
# only, one is the mean teacher of lesson 04, and an **oracle** gets the real clips' hidden strong labels. `sedlib
# gap` trains them, and tests the first one on development clips with single ingredients of the real domain switched
# off or on.
#
# **Predict:** which ingredient costs a detector most, and which hardly anything?

# %%
root = workspace.dataset(data, profile)
measured = gap.load(profile)
print(measured["from"])
plots.show(plots.gap(gap.by_system(measured), gap.shares(measured)), gap.text(measured))

# %% [markdown]
# On the left, the detector that knows synthetic clips alone does much better on such clips than on real ones. The
# oracle shows how much there is to win. On the right, circles show what each ingredient takes from the first detector
# when it is the only difference. Diamonds show what is won when it alone is taken away. These do not add up: an event
# that is missed for one reason cannot be missed once more for another.
#
# By ear: one clip of the real domain, dry and clean, then with a single ingredient, then with all. The events are the
# same.

# %%
log_mel = features.LogMel(systems.configuration("baseline", "lesson").features)
def look(waveform: np.ndarray) -> np.ndarray:
    return log_mel(torch.from_numpy(waveform)[None])[0, 0].numpy()

versions = adaptation.versions(seed)
for name, waveform in versions.items():
    players.play(waveform, name)
fig = plots.spectrogram_grid({name: look(x) for name, x in versions.items()}, 0.064, 2)
plots.show(fig, "One clip four times: dry and clean; with rooms, whose tails fill the "
                "pauses; with codecs; with all, where haze and colour are added.")

# %% [markdown]
# Now by number. We take the ingredients away step by step and ask a classifier of domains (lesson 01) each time, with
# several draws of new clips. **Predict:** after which step will it start to fail?

# %%
draws, clips = (2, 8) if profile == "smoke" else (4, 16)
stairs = adaptation.staircase(log_mel, seed, draws, clips, interactive)
plots.show(*adaptation.draw_staircase(stairs))

# %% [markdown]
# At the bottom nothing of the real domain is left, and the AUC is at chance. On the way down, any clue that is left
# is enough for the classifier. So the order matters: in another order, another step would look decisive. This AUC
# says *that* the domains differ, not *what* that costs: a detector may ignore what the classifier uses.
#
# ## A game of two
#
# One explanation of the gap: the CNN's features describe not only *what* sounds but also *how the clip was recorded*,
# and the layers above rely on that. So the paper wants features from which nobody can tell where a clip comes from.
#
# Two networks play. A **domain classifier** sees the CNN's features and predicts whether the clip is synthetic. The CNN
# learns, besides its main task, to make it wrong. With $\theta_c$ the weights of the CRNN, $\theta_a$
# those of the classifier, $L_m$ the mean teacher's whole loss and $L_a$ the classifier's, equations (1) and (2) are
#
# $$\theta_c \leftarrow \theta_c - \alpha \, \nabla_{\theta_c} \left[ \lambda_m L_m - \lambda_a L_a \right], \qquad
# \theta_a \leftarrow \theta_a - \alpha \, \nabla_{\theta_a} \left[ \lambda_a L_a \right].$$
#
# The same number, $L_a$, goes down for one player and up for the other. The paper writes $\lambda$ and $1 - \lambda$ for
# the two weights.
#
# ### Two domains in the plane
#
# The smallest case has two classes, cats and dogs, and two axes. One axis says what sounds; it is noisy. The other
# says how the sound was recorded. Among synthetic points the recording also gives the class away; real points lie
# elsewhere on it, and it says nothing of their class. Their classes are not known in training. This is one step of
# its training:

# %%
show.source(toy.update)
explore.explore(toy.draw, interactive, domain_weight=[0, 0.3, 1, 10],
                real_share=[0.1, 0.5, 0.9], start={"real_share": 0.5})

# %% [markdown]
# Two things to try: $\lambda_a = 0$, where nobody listens to the classifier; then raise it until real points are
# understood. What happened to the features?
#
# The sweep over weights and seeds. On the left, half of the real points are dogs. On the right it is one in ten,
# while synthetic ones stay half and half: **label shift**. **Predict** both curves.

# %%
weights, seeds = [0, 0.3, 1, 10], range(1 if profile == "smoke" else 3)
swept = {"as many dogs in both domains": toy.sweep(weights, seeds),
         "1 of 10 real ones is a dog": toy.sweep(weights, seeds, real_share=0.1)}
plots.show(*toy.draw_sweep(swept))

# %% [markdown]
# On the left, the model without the domain loss relies on the recording and fails on real points. With it, the
# boundary turns until it follows the content, although nobody told it which real point is a cat.
#
# On the right, nine real animals in ten are cats but only half of the synthetic ones. Features that look the same in
# both domains *must* then misclassify some animals ([Zhao et al., ICML
# 2019](https://proceedings.mlr.press/v97/zhao19a.html), prove a lower bound). So weights that helped before cost
# accuracy now. Without the domain loss the accuracy is high for a bad reason: that model takes nearly all real points
# for cats. (The third line, a fresh probe, is a new classifier of domains, which the features never had to fool. We
# come back to it.)
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
# Three quarters right without looking: accuracy misleads here. The **balanced error** is the mean of the two
# domains' shares of wrong answers. 0.5 is chance, whatever the batch holds.
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
# Signs, weights and the order of the two are the usual mistakes.

# %%
check.two_updates(two_updates)

# %% [markdown]
# ### Turning the gradient round
#
# Two backward passes for one number that is needed twice. Ganin et al. do it in one, with a layer that does nothing
# forwards and multiplies the gradient by $-\lambda$ backwards. It sits between CNN and classifier: below it, the domain
# loss goes uphill; above it, downhill.
#
# **Exercise 4.** Write the way back. `ctx.weight` is what `forward` kept; return a gradient for each input of
# `forward`, `None` for the weight.

# %% jupyter={"source_hidden": true} tags=["solution"]
def backward(ctx, gradient):
    """From the gradient of the output to those of x and weight."""
    return -ctx.weight * gradient, None

# %% [markdown]
# It need not know anything of the classifier. Below it is the same in sedlib. At the start the classifier knows
# nothing, and going against it would push the CNN anywhere. So Ganin et al. let the weight grow with the progress $p$
# of the training, from 0 to 1: $\lambda(p) = 2 / (1 + \exp(-10 \, p)) - 1$.

# %%
check.reversed_gradient(backward)
show.source(adversarial._Reverse)
show.source(adversarial.ganin)

# %% [markdown]
# ## One microphone
#
# Now real work for the method, and still small: single sounds of all ten classes, and one difference between the
# domains. "Real" sounds went through one cheap microphone, synthetic ones did not. Classes are balanced and there are
# no weak labels. A network of three layers gets the mean level and the standard deviation of each Mel band.
# **Predict:** what will it get right on real sounds?

# %%
per_class, trials = (8, range(2)) if profile == "smoke" else (80, range(4))
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
# You recognise both at once. This is one step of the training, with your reversal layer. `class_weights` comes later.
# The sounds of training, adversary and test are never the same.

# %%
show.source(microphone.step)
settings = {"without": {"sounds": one, "weight": 0},
            **{f"weight {w:g}": {"sounds": one, "weight": w} for w in (0.3, 1, 3)},
            "own scale": {"sounds": one, "weight": 0, "own_scale": True}}
compared = microphone.compare(settings, trials)
best = microphone.gain(compared, "weight 0.3", "without")
lost = microphone.gain(compared, "weight 0.3", "without", "synthetic")
print(f"weight 0.3 wins {best} on real sounds: {microphone.verdict(best)}")
print(f"on synthetic ones: {lost}")
title = f"Mean ± standard deviation, {len(trials)} seeds"
html.table(microphone.summary(compared), title)

# %% [markdown]
# **See it work**: not one real sound had a label, and yet the network learned to read them. (Profile `smoke` has too
# few sounds and seeds to show it.) The adversary's error rises towards 50 %, and a weight that is too large gives some of
# the gain away. But note how we know which weight is best: by the labels of real sounds. The paper "tuned $\lambda$ on
# the development set", which its tables report. That is the same leak.
#
# The last row is a rival without any adversary: each domain is standardised by its own mean and standard deviation. One
# fixed microphone *is* a shift of each band, and a mean removes that. So know your gap before you build an adversary.
#
# The last column asks of each real sound whether its nearest synthetic neighbour, by the network's embedding, is of its
# class. An **embedding** is the vector of features that a network computes of a sound.
# Listen to that. For a real sound we play its nearest synthetic neighbour, without and with the adversary.

# %%
trained = {f"weight {w:g}": microphone.train(one, w, seed=0) for w in (0, 0.3)}
for at in microphone.moved(*trained.values(), kinds)[:3]:
    sound = trained["weight 0"].places["real"][at]
    players.play(microphone.through(clean[sound : sound + 1])[0],
                 f"a real sound: {tables.CLASSES[kinds[sound]]}")
    for name, of in trained.items():
        near = of.places["synthetic"][microphone.nearest(of.synthetic, of.real)[at]]
        players.play(clean[near], f"nearest at {name}: {tables.CLASSES[kinds[near]]}")

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
# The larger the difference, the more is lost without the adversary. It needs no idea of what differs, and it wins most
# of the loss back, until the difference is too large for it. Now every clip has a microphone of its own, as in real
# life. **Predict:** which loses more by that, the adversary or its rival?

# %%
many = through(microphone.SIZE, each_its_own=True)
mixed = microphone.compare({
    "without": {"sounds": many, "weight": 0}, "weight 1": {"sounds": many, "weight": 1},
    "own scale": {"sounds": many, "weight": 0, "own_scale": True}}, trials)
each = microphone.gain(mixed, "weight 1", "without")
rival = microphone.gain(mixed, "own scale", "without")
print(f"the adversary wins {each}: {microphone.verdict(each)}")
print(f"the own scale wins {rival}: {microphone.verdict(rival)}")
html.table(microphone.summary(mixed), f"A microphone for each clip, {len(trials)} seeds")

# %% [markdown]
# ### Which step to keep
#
# With labels of synthetic sounds alone, one would keep the step that is best on held-out *synthetic* sounds, as the
# DCASE baseline does. **Predict:** is that the best step on real ones?

# %%
plots.show(*microphone.draw_history(trained))
for name, of in trained.items():
    print(f"{name}: {microphone.chosen(of)}")

# %% [markdown]
# On synthetic sounds the late steps look alike, so this choice is blind to what the adversary is there for. The
# released scripts for Augm and DAT keep the checkpoints with the lowest loss on the *real* development set. That
# favours DAT, but then the set that chooses is the set that is reported.
#
# ### Label shift switched on
#
# Same microphone, but now five of the ten classes are more frequent among the real sounds. We report accuracy
# averaged over the classes, so that frequent ones do not count more. Suppose that the shares of the classes were
# known in both domains. Then a synthetic sound could count in the domain loss as often as its class occurs in the
# real domain.
#
# **Exercise 5.** Write these weights: `real` and `synthetic` are the shares of the classes, `(class,)`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def class_weights(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """How much a synthetic sound of each class counts in the domain loss."""
    return real / synthetic

# %% [markdown]
# A class that is twice as frequent in the real domain counts twice. **Predict:** what does label shift do to the
# adversary, and what do the weights repair?

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
print(f"at 90 % the adversary wins {shifted}: {microphone.verdict(shifted)}")
print(f"class weights add {repaired}: {microphone.verdict(repaired)}")

# %% [markdown]
# Features that tell the classes also tell something of the domain, once the classes' shares differ. The adversary
# punishes just these features. The weights take that reason away, but they need the real shares. Weak labels could
# estimate them; neither the paper nor the released code does so.
#
# ## Figure 1, from the code
#
# Now the detector. The paper's own Figure 1 is on page 2 of [its PDF](https://inria.hal.science/hal-02962911). Ours is
# drawn from the modules themselves: names, shapes for one clip and numbers of parameters are theirs, and so are the
# groups that each of the two updates moves. **Predict:** the domain loss of equation (1) depends on which weights? Does
# any of it reach the RNN?

# %%
config = systems.configuration("dat", profile)
plots.show(*scheme.scheme(config))

# %% [markdown]
# **Where the branch is attached is a choice.** The paper puts it after the CNN, beside the RNN: the features of
# single frames become invariant, and the RNN stays free. A branch after the RNN would also see the clip's context,
# and with it *what* sounds when.
#
# The classifier is the separator of Conv-TasNet (`asteroid.masknn.TDConvNet`): dilated convolutions, one number a
# frame, whose mean over time is the logit of the clip. The paper says that skip connections "helped gradient
# propagation". The released code has residual connections only, no skip connections, and so has ours. A finished run
# keeps its CRNN alone: the branch costs nothing at detection.
#
# The two steps as they are run. Both equations contain the same loss at the same weights, so one pass through the
# classifier gives the gradients of both. Below it is the same by reversal, in one.

# %%
full = systems.configuration("dat", "paper")
classifier = models.domain.DomainClassifier(full.adversarial, full.model.filters[-1])
size = sum(p.numel() for p in classifier.parameters())
print(f"the classifier at the paper's size: {size:,} parameters")
show.source(adversarial.DomainAdversarial.two_steps)
show.source(adversarial.DomainAdversarial.one_step)

# %% [markdown]
# The paper found that two steps work better than reversal, for "more stable gradients". **Predict:** how different are
# the gradients, for the same weights and the same batch? We take both on a random network and batch of this profile.
# Any function of the output does as a main loss here; ours is the mean posterior.

# %%
show.source(adaptation.gradients)
one, other = (adaptation.gradients(of, config, seed) for of in ("two-step", "reversal"))
for group in one:
    off = max(float((one[group][n] - other[group][n]).abs().max()) for n in one[group])
    largest = max(float(g.abs().max()) for g in one[group].values())
    print(f"{group:<18} largest gradient {largest:.2g}, largest difference {off:.1g}")
    assert off <= 1e-4 * largest + 1e-9

# %% [markdown]
# Up to rounding they are the same, and they have to be. When the CRNN moves, the classifier still learns from the
# embeddings of *before*, and the classifier that the CRNN works against has not moved yet. With equal optimisers and
# a fixed weight, the two procedures are one, written twice. In a GAN the second player answers the first one's move:
# that would be `loss_a(classifier(cnn_after(x)))`, with embeddings computed anew.
#
# So the paper's difference must come from elsewhere: Ganin et al.'s schedule, one optimiser instead of two, or
# chance. In sedlib `dat_reversal` is reversal with the schedule.
#
# ### Two readings of lambda
#
# The paper's text has $\lambda = 0.1$ and weights $\lambda$, $1 - \lambda$: 0.1 for the main loss and 0.9 for the domain
# loss. The released code has 1 and 0.1. Is that a detail? The optimiser is **Adam**, which divides each gradient by its
# own usual size. **Predict** what a factor of 0.1 in front of the *whole* loss changes.

# %%
def adam_steps(factor: float, steps: int = 5) -> torch.Tensor:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        (factor * (w - torch.tensor([3.0, 0.5])).square().sum()).backward()
        optimizer.step()
    return w.detach()

print(adam_steps(1.0), adam_steps(0.1))

# %% [markdown]
# Nothing. So RNN and heads, which receive gradients of the main loss alone, learn with 0.1 as with 1. In the CNN only
# the *ratio* of the two weights counts: $0.9 / 0.1 = 9$ in the text, $0.1 / 1 = 0.1$ in the code. The two readings
# are 90 times apart. This holds as long as no gradient is clipped; DAT clips at a norm of 5, as the released scripts
# do.
#
# ## Training the detector
#
# `dat` is the baseline of lesson 04 with the updates above. (The paper's "+DAT+Augm" adds dynamic mixing, which
# takes far longer.) **Predict:** will the classifier's error rise or fall with the epochs?

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
# An epoch's error is that on its training clips, while the networks learn. With the released weights the classifier
# learns faster than it is confused. Compare with the microphone, where its error rose.
#
# **Which step would synthetic clips choose?** Our trainings keep the last step. `reproduction.studies.schedule` has
# measured F1 on real clips along whole trainings.

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
if not {"dat", "dat_augm"} & of_systems.keys():
    print("No curve of DAT is published; `python -m reproduction.studies.schedule dat`")

# %% [markdown]
# ## Fooled, or invariant?
#
# An error near 0.5 would look like success. But it can mean two things: that the features hold nothing of the domain,
# or that *this* classifier, which had to hit a moving target, was thrown off. The honest measure is a **probe**:
# freeze the CNN, and train a new classifier of domains that was never fooled. A linear one looks at the mean and the
# standard deviation of each feature. For the adversary's own CNN we also train a network. Both are tested on clips that
# they did not learn from. To save time we take 150 clips of each domain; the study further down takes all.
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
# Chance is an error of 0.5. Then three CNNs: with random weights, trained without DAT (`baseline`, of lesson 04), and
# trained with it. One more probe gets no features at all, only the *true* labels: how many seconds of each class
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
# MiniDESED as in DESED. That is label shift, and it means that embeddings that tell *what sounds* must tell something
# of the domain.
#
# The same for several systems and seeds, a mark for each training. `dat_weight_1` has ten times the released weight
# for the domain loss.

# %%
study = invariance.load(profile, root)
print(f"profile {study['profile']}, {study['from']}")
fig = plots.domain_errors(invariance.errors(study), invariance.labels_error(study))
plots.show(fig, invariance.text(study))
html.table(invariance.table(study), "Errors (%) of classifiers of domains, 50 is chance")

# %% [markdown]
# Compare each training's own adversary with the probes. Where the adversary is near chance and the probes are not,
# **it was fooled, and nothing became invariant.** The first row is a network that never learned: even random filters
# pass on enough of level and colour to tell the domains apart.
#
# A picture of the embeddings, each mark a clip. Distances between groups mean little in such a picture: it is for
# looking, the probes are for measuring.

# %%
pair = {name: heard[name] for name in ("baseline", "dat")}
plots.show(*adaptation.draw_map(pair, seed))

# %% [markdown]
# ## How far does it carry?
#
# The weight of the domain loss for the detector, from 0 (the baseline) to 1, with 1 for the main loss; and the
# paper's printed ratio, 9.

# %%
swept = comparisons.ADVERSARIAL.load(profile, root)
print(f"profile {swept['profile']}, {swept['from']}")
html.table(adaptation.lambdas(swept), "The weight of the domain loss, swept")

# %% [markdown]
# Remember the prediction that nobody needs a network for: features that are the same for *every* clip are invariant,
# and useless.
#
# The study that this course publishes asks what the paper says of DAT:

# %%
source, verdicts = adaptation.verdicts()
print(source)
print(adaptation.in_a_sentence(verdicts))
html.table(verdicts, "What the paper says of DAT, and what the published study says")

# %% [markdown]
# And the rungs side by side, from one microphone to the detector. The third is the published measurement with noise,
# microphones, band limits and codecs on the same kind of sounds (`figures/known.json`). The last is F1 with DAT minus
# F1 with augmentation alone.

# %%
rungs = {"one microphone": best, "one for each clip": each,
         "the whole channel": adaptation.channel(),
         "one microphone, label shift": shifted, **adaptation.detector()}
plots.show(*adaptation.draw_ladder(rungs))
for name, won in rungs.items():
    print(f"{name}: {won}")

# %% [markdown]
# ### Why less with the detector?
#
# **The labels differ.** You have seen what that does. Here are the mean seconds of each class in a clip, in both domains:

# %%
names = {"synthetic": "synthetic", "real": "validation"}
of = {name: layout.load(root, subset) for name, subset in names.items()}
lasting = pd.DataFrame({
    f"{name} (s)": invariance.class_seconds(p.table, tables.filenames(p.table)).mean(0)
    for name, p in of.items()}, index=tables.CLASSES)
lasting["real / synthetic"] = lasting["real (s)"] / lasting["synthetic (s)"]
shown = lasting.map("{:.2f}".format).rename_axis("class").reset_index()
html.table(shown, "How long the classes sound, per clip")

# %% [markdown]
# **The teacher was there before.** Weak labels and consistency on real clips already ask for features that serve both
# domains. DAT was made for less: no labels of the other domain at all. To test both, MiniDESED was made again with
# scenes and voices alike in both domains, so that only the recording differs. There DAT was tried with the mean
# teacher, and with synthetic labels alone.

# %%
acoustic = root.with_name(f"{root.name}-acoustic")
for where, study, of in (("all of the gap", comparisons.ADAPTATION, root),
                         ("the recording", comparisons.ADAPTATION_ACOUSTIC, acoustic),
                         ("all of it, trained longer", comparisons.LONGER, root)):
    results = study.load(profile, of)
    print(f"{where}: {results['from']}")
    display(html.table(study.scores(results), f"Domains differ by {where}: event F1"))
    display(html.table(study.verdicts(results), f"Domains differ by {where}: of use?"))

# %% [markdown]
# **It may be too early.** Our trainings are short; the DCASE baseline trains for 200 epochs, 52,600 steps. **And the
# choice of the epoch** may hide a gain, as above.
#
# > **How sure is all this?** On single sounds every table has several seeds and an interval. Of the detector there are
# > few trainings, and F1 differs by several points from seed to seed. An interval that holds 0 shows neither a gain
# > nor that there is none. Older measurements say above which version made them.
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
# - You took the gap apart, and saw what it costs a detector and how much an oracle has to win.
# - You trained a toy of two domains, and saw invariance help, and hurt where the domains differ in what they hold.
# - You wrote the domain loss, its balanced error, the reversal and the two updates, equal to finite differences and
#   to the library's.
# - You watched the adversary win clearly against one microphone, measured what label shift takes from that gain, and
#   tried class weights against it.
# - You trained the detector against a classifier, and tested with fresh probes that a fooled classifier is no invariance.
#
# ## Exercises
#
# 7. Give the toy's real points the same recording as the synthetic ones (`toy.sweep` with `gap=0`). What does DAT win
#    when there is no gap?
# 8. Estimate the real shares of the classes: train with weight 0 under label shift, count the answers on real sounds
#    (`answers` of a training), and use the counts in `class_weights`. How much of the repair is left?
# 9. Train the probe of `invariance.linear_probe` on the clips it is tested on. How far off is the error?
# 10. Give the classifier more practice: train `dat` with `adversarial.learning_rate` ten times as large
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
# One training more, about 10 minutes with profile `lesson`. An adversary that keeps up has a lower error than a
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
