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
# # PCEN: a front-end that turns itself down
#
# A bark across the room and a bark beside you are one dog to your ear. To a network that reads log-Mel they are two
# different inputs. PCEN takes that difference away, and with it the sounds that last. The paper's new component is an
# answer to this conflict.
#
# **You will**
# - build automatic gain control by hand and arrive at equation (3) of the paper, equal to librosa's;
# - predict, then see, what each of its constants does;
# - see PCEN make a classifier nearly independent of the recording level, and stationary noise white;
# - set two layers by hand that divide a clip as the paper's Figure 2 does, and measure it;
# - train layers that start alike and watch them part.
#
# **You need** lesson 01 (log-Mel spectrograms), a little PyTorch; headphones at a moderate level.
#
# **Time** to read and try: 85 minutes. To run on two cores: about 2 min with profile `lesson`, 1 min with
# profile `smoke`. No detector is trained.
#
# **Paper** Cornell et al., DCASE Workshop 2020: sections 3.3 and 4.1, equation (3), Figure 2, Table 1. PCEN is from
# Wang et al. (the paper's reference 12). Why it works is in Lostanlen et al. (22).

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# The lesson makes its own sounds. Spectrograms have the paper's sizes: 128 Mel bands, a frame every 16 ms. Profile
# `smoke` repeats the experiments with fewer seeds.

# %%
import librosa
import numpy as np
import pandas as pd
import torch

from minidesed import voices
from reproduction import retention, sounds
from sedcourse import check, demo, explore, explorer, frontends
from sedcourse import html, players, plots, show
from sedlib import features, models, systems
from sedlib.config import Features
from sedlib.features.pcen import Bounded

# %% [markdown]
# ## Gain control by hand
#
# The same dog barks twice, first far away, then close by. The two barks are copies of each other. Only the level
# differs, by 28 dB. Listen: to you it is one dog, both times.

# %%
sizes = Features()
hop_s = sizes.hop / sizes.sample_rate
rng = np.random.default_rng([seed, 3, 1])
dog = voices.Voices("synthetic").of_clip(rng)
bark = dog.event("Dog", 1.5, rng)
barks = 0.002 * dog.background(10.0, rng)
for start, level in ((2, 0.02), (6, 0.5)):
    barks[start * 16000 :][: len(bark)] += level * bark
players.play(barks, "A far bark and a near one")

# %% [markdown]
# A front-end starts from $E(t, f)$ in Mel bands, scaled to $[0, 1]$ clip by clip. This is the *min-max* scaling of the
# paper's section 4.1, because PCEN needs values that are not negative. The baseline subtracts a mean and divides by a
# standard deviation instead, the *z-score*. The paper calls $E$ filter bank energy. In the baseline and in the released
# code it is an *amplitude*, so a factor of 10 is 20 dB.
#
# **Predict:** in the band where the barks are strongest, how high is the far bark beside the near one?

# %%
mel = features.LogMel(sizes).mel(torch.from_numpy(barks)[None])[0, 0].numpy()
energy = mel / mel.max()
band = energy.max(axis=1).argmax()
times = hop_s * np.arange(energy.shape[1])

def barks_at(x: np.ndarray) -> str:
    far, near = (x[band][(times > a) & (times < a + 2)].max() for a in (2, 6))
    return f"far bark {far:.3g}, near bark {near:.3g}"

fig = frontends.draw_over_time([{"E": energy[band]}], hop_s, ["E (no unit)"])
plots.show(fig, f"E of one Mel band over time: {barks_at(energy)}.")

# %% [markdown]
# A network that has learned barks at one level has to learn them again at the other. A logarithm turns the factor of
# 25 into a step of 28 dB, but the step is still there. A listener judges each moment **against what came just
# before**. A front-end can do the same with a running average that forgets:
#
# $$M(t, f) = (1 - s) \, M(t-1, f) + s \, E(t, f).$$
#
# **Exercise 1.** Write it for E `(mel, frame)`. Let $M$ start at $E$ of the first frame. A loop over the frames is
# fine.

# %% jupyter={"source_hidden": true} tags=["solution"]
def smoother(energy: np.ndarray, s: float) -> np.ndarray:
    """M of every band, (mel, frame)."""
    m = np.empty_like(energy)  # given
    m[:, 0] = energy[:, 0]
    for t in range(1, energy.shape[1]):
        m[:, t] = (1 - s) * m[:, t - 1] + s * energy[:, t]
    return m

# %% [markdown]
# Which way does it run, and where does it start?

# %%
check.smoother(smoother)

# %% [markdown]
# sedlib has the same for a whole batch and for several $s$ at once, with a gradient. Now divide. **Predict:** how high
# will the far bark be beside the near one, and what will the silence between them look like?

# %%
m = smoother(energy, 0.04)
torch.testing.assert_close(
    torch.from_numpy(m), features.smooth(torch.from_numpy(energy), 0.04))
divided = energy / (1e-6 + m)
panels = [{"E": energy[band], "M": m[band]}, {"E / M": divided[band]}]
fig = frontends.draw_over_time(panels, hop_s, ["no unit", "E / M (no unit)"])
plots.show(fig, f"E of one band, its average M, and E / M: {barks_at(divided)}.")
print(f"largest E / M: {barks_at(divided)}")

# %% [markdown]
# The level is nearly gone: whatever stays for a while ends at 1, loud or soft. That is also what is wrong with it. The
# room's noise is at 1 as well, with all its grain, and a sound that *lasts* is divided away by itself. Equation (3)
# tempers this:
#
# $$\mathrm{PCEN}(t,f) = \left( \frac{E(t,f)}{(\epsilon + M(t,f))^{\alpha}} + \delta \right)^{r} - \delta^{r}.$$
#
# With $\alpha < 1$ only a part of the level is taken away. $\epsilon$ is tiny and keeps the division finite. $\delta$
# and $r$ compress: values much larger than $\delta$ grow with the power $r$, much smaller ones stay in proportion.
# $-\delta^r$ makes silence 0.
#
# **Exercise 2.** Write equation (3).

# %% jupyter={"source_hidden": true} tags=["solution"]
def pcen(energy, m, alpha, delta, r, eps):
    """Equation (3)."""
    return (energy / (eps + m) ** alpha + delta) ** r - delta**r

# %% [markdown]
# Mind the brackets.

# %%
check.pcen(pcen)

# %% [markdown]
# The library's function uses `log1p` and `expm1`, because the difference of two nearly equal powers would lose soft
# sounds to rounding. librosa calls the constants gain ($\alpha$), bias ($\delta$), power ($r$) and b ($s$). It starts
# $M$ at 1 unless it is told otherwise.

# %%
show.source(features.pcen)
constants = dict(alpha=0.98, delta=2.0, r=0.5, eps=1e-6)
ours = pcen(energy, m, **constants)
library = features.pcen(torch.from_numpy(energy), torch.from_numpy(m), **constants)
names = dict(gain=0.98, bias=2.0, power=0.5, eps=1e-6, b=0.04)
from_librosa = librosa.pcen(energy, zi=(1 - 0.04) * energy[:, :1], **names)
for other in (library.numpy(), from_librosa):
    np.testing.assert_allclose(other, ours, rtol=1e-3, atol=1e-5)
print("equal:", barks_at(ours))

# %% [markdown]
# ### How long is "just before"?
#
# $M$ remembers past frames with the weights $s$, $s(1-s)$, $s(1-s)^2$, ... Their spread, the standard deviation of a
# geometric distribution, is $T = \sqrt{1-s} / s$ frames. Solved for $s$, this is the formula by which the paper's "T =
# 400 ms" becomes a coefficient:
#
# $$s = \frac{\sqrt{1 + 4 T^2} - 1}{2 T^2}, \quad T \ \mathrm{in\ frames}.$$
#
# **Exercise 3.** Write $s$ for a time constant in seconds and the length of a frame, `frame_s`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def coefficient(seconds: float, frame_s: float) -> float:
    """s of a time constant."""
    frames = seconds / frame_s
    return (np.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)

# %% [markdown]
# In which unit is $T$?

# %%
check.coefficient(coefficient)

# %% [markdown]
# The paper has two settings of $T$, and two coefficients for its trainable layers:

# %%
for seconds in (0.4, 0.06):
    s = coefficient(seconds, hop_s)
    assert np.isclose(s, features.coefficient(seconds, hop_s))
    print(f"T = {1000 * seconds:.0f} ms: s = {s:.3f}")
for s in (0.015, 0.25):
    print(f"s = {s}: T = {1000 * features.time_constant(s, hop_s):.0f} ms")

# %% [markdown]
# ## What each constant does
#
# Take a sound that has been steady for long ($M = E$), and one that has just become ten times as strong ($E = 10 M$).
# The distance between the two lines is how much an onset stands out.
#
# **Predict** for each of $\alpha$, $\delta$, $r$ and $\epsilon$: what does a larger value do to the steady sound, and
# what to the distance? Sketch it before you run the cell.

# %%
usual = dict(alpha=0.8, delta=2.0, r=0.5, eps=1e-6)
plots.show(*frontends.draw_constants(pcen, usual))

# %% [markdown]
# Compare with your sketch.
# - $\alpha$ tilts the lines: at 0.98 a steady sound comes out almost the same at every level.
# - $\delta$ and $r$ compress what is left. Far above $\delta$ a factor of ten becomes $10^r$, far below it stays ten.
#   With $r = 1$ nothing is compressed, and $\delta$ cancels.
# - $\epsilon$ matters for what is softer than it. There the division stops, and silence stays silent.
#
# **Exercise 4.** A steady sound becomes `db` decibels louder. By how many decibels does $E / M^{\alpha}$ rise, once $M
# = E$?

# %% jupyter={"source_hidden": true} tags=["solution"]
def left_of_level(alpha: float, db: float) -> float:
    """What a gain control leaves of a change in level, in dB."""
    return (1 - alpha) * db

# %% [markdown]
# How much of 30 dB is left at 0.8, and at 0.98?

# %%
check.left_of_level(left_of_level)
for alpha in (0.8, 0.98):
    print(f"alpha {alpha}: {left_of_level(alpha, 30):.1f} of 30 dB are left")

# %% [markdown]
# ## It works: a recorder that is turned down
#
# A linear classifier learns ten classes of sounds, all recorded at one level. Then somebody turns the recorder down.
# Each clip ends with the same loud burst, so min-max scaling cannot undo the change. Listen to a sound as in training,
# and 30 dB down.

# %%
seeds = range(2 if profile == "smoke" else 5)
clean, _ = demo.sounds(1, seed, 9)
for level in (0, -30):
    rng = np.random.default_rng(seed)
    waveform = frontends.recorded(clean, level, "turned down", rng)
    players.play(waveform[8], f"a sound at {level} dB")
show.source(frontends.gain)

# %% [markdown]
# **Predict:** where do the lines for log-Mel and for PCEN with $\alpha = 0.98$ end? And the one for 0.8?

# %%
measured = demo.over_seeds(frontends.gain, seeds, interactive)
down = measured[measured["noise"] == "turned down"]
plots.show(*demo.curves(down, "level", "accuracy", "front-end",
                        xlabel="level (dB)", ylabel="right answers (%)"))
far = down[down["level"] == -30]
pair = {"front-end": "PCEN, alpha 0.98"}, {"front-end": "log-Mel"}
print("PCEN with alpha 0.98 over log-Mel, 30 dB down:", demo.lead(far, "accuracy", *pair))

# %% [markdown]
# Log-Mel adds the same number to every band, and the linear classifier takes that for another sound. PCEN divides it
# away, as far as $\alpha$ goes.
#
# ### And how far does it carry?
#
# Now the *source* goes away instead, and the room's noise stays. **Predict:** can any front-end bring back what lies
# under the noise?

# %%
away = measured[measured["noise"] == "of the room"]
plots.show(*demo.curves(away, "level", "accuracy", "front-end",
                        xlabel="level of the source (dB)", ylabel="right answers (%)"))
near = away[away["level"] == -10]
print("PCEN, alpha 0.98, over log-Mel, 10 dB down:", demo.lead(near, "accuracy", *pair))

# %% [markdown]
# PCEN takes away a gain, not noise. Where noise covers the sound, none of these front-ends brings it back.
#
# ## It works: noise becomes white
#
# "This technique is able to enhance transient audio events while transforming many soundscape noise patterns into
# additive white Gaussian noise", says section 3.3. These are two statements, and each can be measured. *Gaussian*: the
# values of a band have the shape of a bell, so their skewness is 0. *White*: all bands have the same mean.
#
# **Exercise 5.** Write the skewness of values.

# %% jupyter={"source_hidden": true} tags=["solution"]
def skewness(x: np.ndarray) -> float:
    """Mean cube of the standardised values."""
    return (((x - x.mean()) / x.std()) ** 3).mean()

# %% [markdown]
# 0 for a Gaussian; positive where large values lie further out than small ones.

# %%
check.skewness(skewness)

# %% [markdown]
# Ten seconds of stationary noise with a random colour. **Predict** which of the three front-ends comes closest to a
# Gaussian, and which to white.

# %%
waveform = frontends.noisy(seed)
players.play(waveform, "stationary noise")
plots.show(*frontends.draw_noise(frontends.of_noise(waveform)))
measured = demo.over_seeds(frontends.noise, range(5 * len(seeds)), interactive)
rows = {value: demo.intervals(measured, value, ["front-end"])
        for value in ("skewness", "colour")}
columns = {name: [f"{one.mean:.2f} ({one.low:.2f} to {one.high:.2f})"
                  for one in table.itertuples(index=False)]
           for name, table in rows.items()}
named = pd.DataFrame({"front-end": rows["colour"]["front-end"], **columns})
html.table(named, "Skewness of a band; share of the variance between the bands' means")

# %% [markdown]
# A logarithm makes noise about as Gaussian as PCEN does, with the long tail on the other side. Only PCEN makes it
# *white*: the colour, which is most of what log-Mel shows of the noise, is gone. So a classifier has less to learn
# about rooms.
#
# ## It works: Figure 2, by hand
#
# A vacuum cleaner is on from before the clip begins until after its end. Somebody speaks three times. Such a clip is
# in Figure 2, on page 3 of [the paper](https://inria.hal.science/hal-02962911). Ours is made from the seed.

# %%
clip, events = sounds.figure2_clip(seed)
speech = events[events["event_label"] == "Speech"]
players.play(clip, f"Figure 2: {plots.in_words(events)}")
mel = features.LogMel(sizes).mel(torch.from_numpy(clip)[None])[0, 0].numpy()
for name, constants in retention.BY_HAND.items():
    print(name, constants)

# %% [markdown]
# Move the sliders from the quick layer's values to the slow one's. (The numbers in the title are explained below.)
# **Predict:** which of the two brings the lines of the vacuum cleaner back?

# %%
def at(alpha: float, T: float) -> tuple[plots.Figure, str]:
    y = frontends.by_hand(mel, hop_s, alpha, 2.0, 0.5, T)
    return frontends.draw_kept({f"alpha {alpha}, T {T} s": y}, hop_s, events)

explore.explore(at, interactive, start={"alpha": 0.98, "T": 0.4},
                alpha=[0.3, 0.8, 0.98], T=[0.06, 0.4, 2])

# %% [markdown]
# A picture persuades, so put a number to it. Average the picture over the frames in which somebody speaks, and over the
# others: two patterns over the bands, $a(f)$ and $b(f)$. **Speech against what lasts** is
#
# $$\frac{\mathrm{mean}_f \, (a - b)^2}{\mathrm{Var}_f \, b}.$$
#
# **Exercise 6.** Write it for a picture `(mel, frame)` and a boolean array `on` `(frame,)`.

# %% jupyter={"source_hidden": true} tags=["solution"]
def contrast(x: np.ndarray, on: np.ndarray) -> float:
    """What is added while on, against what is there while off."""
    off = x[:, ~on].mean(axis=1)
    return ((x[:, on].mean(axis=1) - off) ** 2).mean() / off.var()

# %% [markdown]
# Over which axis does each mean go?

# %%
check.contrast(contrast)

# %% [markdown]
# Now log-Mel and both layers. The second number is the share of a picture's energy that changes 2 to 16 times a
# second, as syllables do. `divided` says yes if the first number is below 1 in one layer and above 1 in the other,
# which must also change more.

# %%
def three(waveform: np.ndarray) -> dict[str, np.ndarray]:
    mel = features.LogMel(sizes).mel(torch.from_numpy(waveform)[None])
    by_hand = {name: frontends.by_hand(mel[0, 0].numpy(), hop_s, **constants)
               for name, constants in retention.BY_HAND.items()}
    return {"log-Mel": features.decibels(mel, sizes)[0, 0].numpy(), **by_hand}

plots.show(*frontends.draw_kept(three(clip), hop_s, events))

# %% [markdown]
# One clip is an anecdote. Here are clips of other seeds, each with another talker, vacuum cleaner and room:

# %%
def kept_of(number: int) -> list[dict]:
    waveform, table = sounds.figure2_clip(number)
    spoken = table[table["event_label"] == "Speech"]
    kept = {name: retention.retention(x, hop_s, spoken)
            for name, x in three(waveform).items()}
    ours = retention.divided([kept["slow"], kept["quick"]])
    return [{"layer": name, **k._asdict(), "divided": ours} for name, k in kept.items()]

measured = demo.over_seeds(kept_of, seeds, interactive)
yes = measured.groupby("seed")["divided"].first().sum()
print(f"divided as in Figure 2: {yes} of {len(seeds)} clips")
numbers = ["stationary", "events", "modulation"]
means = measured.groupby("layer", sort=False)[numbers].mean()
html.table(means.round(2).reset_index(),
           "Stationary share, speech against what lasts, quick changes; means")

# %% [markdown]
# The measure agrees with the eye on a division made by hand. So it may judge layers that were trained.
#
# The paper's fixed settings are single layers, and each has to choose. **Predict** the numbers of Fixed PCEN 1
# ($\alpha$ 0.98, 400 ms), 2 ($\alpha$ 0.8) and 3 ($\alpha$ 0.8, 60 ms) on this clip.

# %%
fixed = {}
for number in (1, 2, 3):
    detector = models.Detector(systems.configuration(f"fixed_pcen_{number}", "paper"))
    with torch.no_grad():
        y = detector.frontend(detector.features(torch.from_numpy(clip)[None]))[0, 0]
    kept = retention.retention(y.numpy(), hop_s, speech)
    fixed[f"Fixed PCEN {number}"] = kept._asdict()
html.table(pd.DataFrame(fixed).T.round(2).rename_axis("front-end").reset_index(),
           "Table 1's fixed settings on the clip of Figure 2")

# %% [markdown]
# Whatever frees speech from the background removes the vacuum cleaner too: "a negative impact in sound classes with
# slowly varying spectro-temporal characteristics", as section 3.3 puts it. A short $T$ removes less of it, because $M$
# is then nearly $E$, and $E / E^{\alpha}$ keeps a part of every level.
#
# ## Trainable, and in parallel
#
# The first way out is to let the training choose. $\alpha$, $\delta$ and $r$ must stay positive, so each is low (high /
# low)$^{\sigma(z)}$, and $z$ learns. $s$ does not learn in the paper. Two smoothers run, $s_1 = 0.015$ and $s_2 =
# 0.25$, and a softmax for each Mel band mixes them.

# %%
show.source(Bounded.forward)
show.source(features.PCEN.smoothed)
show.source(features.PCEN.forward)

# %% [markdown]
# The second way out is the paper's own: do not choose. Several layers run **in parallel**, and the network gets all of
# them as channels, like the colours of a picture. In the code above, a layer is just one more axis.
#
# ## It works: layers that part
#
# Does a training divide the work by itself? Take a tiny network that needs both. Frame by frame it must answer two
# questions. Does *something last*, at any level? Is *this frame an onset*, relative to what lasts? It sees only the
# mean of each PCEN layer over the bands, and weighs these for either question.

# %%
show.source(frontends.part)
energy, active = frontends.scene(np.random.default_rng(seed), 2)
panels = {f"clip {k + 1}, {'something lasts' if active[k, 0, 0] else 'nothing lasts'}":
          20 * np.log10(energy[k, 0].numpy()) for k in range(2)}
plots.show(plots.spectrogram_grid(panels, 0.064, columns=2),
           "Mel levels of two clips, three onsets in each: " + ", ".join(panels))

# %% [markdown]
# All layers start at $\alpha = 0.6$. Only the random weights of the readout differ. **Predict:** how well does one
# layer answer both questions, how well do two? Do the two part?

# %%
trainings = {layers: [frontends.part(layers, one) for one in seeds] for layers in (1, 2)}
table = frontends.parted(trainings)
plots.show(*frontends.draw_paths(trainings[2]))
for value in ("lasting", "onset", "both"):
    lead = demo.lead(table, value, {"layers": 2}, {"layers": 1})
    print(f"{value}: two layers over one, balanced accuracy {lead}")
apart = demo.interval(table[table["layers"] == 2]["distance"])
print("distance of the alphas, from 0: {:.2f} ({:.2f} to {:.2f})".format(*apart))

# %% [markdown]
# One layer has to compromise. Two that start alike share the work: one keeps the level, the other takes it away. With
# two, the paper found enough: "adding more layers did not bring additional appreciable improvement". Exercise 9 tries
# four.
#
# What do such layers, trained on synthetic noise, make of the clip of Figure 2? Bands and frames are coarser here.

# %%
coarse = Features(hop=1024, n_mels=frontends.BANDS)
wide = features.LogMel(coarse).mel(torch.from_numpy(clip)[None])
with torch.no_grad():
    learned = [one.pcen(wide / wide.max())[0].numpy() for one in trainings[2]]
kept = [[retention.retention(x, 0.064, speech) for x in layers]
        for layers in learned]
pictures = {f"layer {k + 1}": x for k, x in enumerate(learned[0])}
plots.show(*frontends.draw_kept(pictures, 0.064, events))
ratios = [max(k.events for k in one) / min(k.events for k in one) for one in kept]
print(f"divided, by the measure: {sum(map(retention.divided, kept))} of {len(kept)}")
print(f"speech against what lasts: {min(ratios):.0f} times or more in one layer")

# %% [markdown]
# ## Towards the real task
#
# In a detector no one forces the layers to divide the work. Its convolutions can also do with one layer what a mean
# over the bands cannot. And the paper's best row feeds PCEN with **log**-Mel, scaled to $[0, 1]$. **Predict:** by how
# much does a strong onset rise above its recent average, $E / M$, on Mel and on log-Mel?

# %%
for name, system in {"Mel": "ppcen_mel", "log-Mel": "ppcen_logmel"}.items():
    detector = models.Detector(systems.configuration(system, "paper"))
    with torch.no_grad():
        e = detector.energy(detector.features(torch.from_numpy(clip)[None]))
    above = e / (1e-6 + features.smooth(e, detector.pcen.values()["s"].detach()[0]))
    print(f"{name}: {above.flatten().quantile(0.999):.1f}")

# %% [markdown]
# On log-Mel everything is compressed before the division. Levels stay close to their recent average, and there $E / M
# \approx 1 + (E - M) / M$. So dividing works like subtracting: a high-pass filter along time. It removes what stays,
# and hardly lifts what begins.
#
# Here is what the published study of full detectors found. Lesson 07 has all rows, and the trained layers' own Figure
# 2.

# %%
print(*demo.of_detectors("4.1", "PPCEN on log-Mel is better than log-Mel"), sep="\n")

# %% [markdown]
# **Before you judge:** the experiments above use single sounds and synthetic noise, where a front-end matters most.
# The study is about MiniDESED and a small network, and a frame there is 64 ms long, more than Fixed PCEN 3's time
# constant. Neither is DESED.
#
# ## Where the released code differs
#
# **A smoother that knows the future.** The paper's smoother is causal. The code runs it forwards and then backwards.
# **Predict:** what does PCEN make of the moment *before* a click?

# %%
click = torch.full((1, 120), 0.01)
click[0, 60] = 1
both = {"causal": features.smooth, "zero-phase": features.smooth_zero_phase}
after = {name: features.pcen(click, f(click, 0.25), 0.8, 2.0, 0.5)[0].numpy()
         for name, f in both.items()}
fig = frontends.draw_over_time([after], hop_s, ["PCEN (no unit)"])
words = ", ".join(f"{name} {y[59] / y[0]:.2f} times" for name, y in after.items())
plots.show(fig, f"PCEN of a click by both smoothers. One frame before: {words} silence.")
print(f"one frame before the click, beside silence: {words}")

# %% [markdown]
# The zero-phase average announces the click: PCEN sinks before the onset. A network can use this dip, as long as it
# need not work live.
#
# **No gradient through the smoother.** The released code runs the smoother outside automatic differentiation. With
# predetermined $s$ nothing below the smoother learns, so this changes no gradient.
#
# **Other constants.** The second coefficient is 0.08 instead of 0.25. The reported systems start from values that an
# earlier training had found. The code for adversarial training has four layers by default.
#
# ## Play
#
# The explorer has every constant under a slider, the sounds of all classes, and your own file or microphone. After this
# cell its parameters are Python's too: `pcen.alpha = 0.5` moves the slider. Three things to try:
# 1. Load the preset "Figure 2 by hand". Find the smallest change that makes both layers alike.
# 2. Take a bark, and make its second half disappear. Which constant does it?
# 3. Take the vacuum cleaner with speech and the preset Fixed PCEN 1. Find the smallest change that brings the vacuum
#    cleaner back.

# %%
pcen = explorer.explorer(interactive)
pcen

# %% [markdown]
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("03", answers="")

# %% [markdown]
# ## What you did
#
# - You built gain control from a running average, and equation (3), equal to the library's and to librosa's.
# - You predicted what $\alpha$, $\delta$, $r$, $\epsilon$ and $T$ do, and saw it.
# - You saw PCEN keep a classifier right when the recorder was turned down, and make noise white. It could not undo
#   room noise.
# - You set two layers by hand that divide Figure 2's clip, and wrote the measure that confirms it.
# - You trained layers that started alike, and watched them part.
#
# ## Exercises
#
# 7. `start` of `features.smooth` goes on where an earlier piece ended. Run a clip through PCEN in pieces of half a
#    second and compare with the whole. What does a live detector have to remember?
# 8. Subtract from log-Mel its mean over bands and frames, clip by clip (`frontends.seen` is the place). How much of
#    PCEN's lead in "a recorder that is turned down" is left, and when does the trick fail?
# 9. Train `frontends.part` with four layers. Does the balanced accuracy rise by more than two seeds differ?

# %% [markdown] tags=["solution"]
# <details><summary>Solution of exercise 7</summary>
#
# One number for each band: the last $M$. But the scaling to $[0, 1]$ needs the largest value of the whole clip, which
# a live detector does not know yet.
#
# ```python
# mel = features.LogMel(sizes).mel(torch.from_numpy(clip)[None])
# e, last, pieces = mel / mel.max(), None, []
# for piece in e.split(round(0.5 / hop_s), dim=-1):
#     m = features.smooth(piece, 0.04, last)
#     last = m[..., -1]
#     pieces.append(features.pcen(piece, m, **usual))
# whole = features.pcen(e, features.smooth(e, 0.04), **usual)
# print("largest difference:", float((torch.cat(pieces, -1) - whole).abs().max()))
# ```
#
# </details>
#
# <details><summary>Solution of exercise 8</summary>
#
# One gain for the whole clip is one number in dB, and the mean takes it away. The trick fails where the sound sinks
# below the 80 dB that log-Mel keeps under the loudest point. It also fails where the level changes within a clip, as from
# the far bark to the near one, and where the mean is that of the room's noise.
#
# ```python
# original = frontends.seen
#
# def seen_too(waveforms: np.ndarray) -> dict[str, np.ndarray]:
#     found = original(waveforms)
#     means, spreads = np.split(found["log-Mel"], 2, axis=1)
#     means = means - means.mean(axis=1, keepdims=True)
#     return {**found, "log-Mel, mean removed": np.hstack([means, spreads])}
#
# frontends.seen = seen_too
# again = demo.over_seeds(frontends.gain, seeds, False)
# frontends.seen = original
# pair = {"front-end": "PCEN, alpha 0.98"}, {"front-end": "log-Mel, mean removed"}
# for (noise, level), here in again[again["level"] < 0].groupby(["noise", "level"]):
#     print(f"{noise}, {level:g} dB: PCEN over it {demo.lead(here, 'accuracy', *pair)}")
# ```
#
# </details>
#
# <details><summary>Solution of exercise 9</summary>
#
# Two questions need two answers. What four layers can add is little, and the interval over seeds says whether it is
# more than chance.
#
# ```python
# trainings[4] = [frontends.part(4, one) for one in seeds]
# four = frontends.parted(trainings)
# print("four layers over two:", demo.lead(four, "both", {"layers": 4}, {"layers": 2}))
# print(four.groupby("layers")["both"].std().rename("standard deviation over seeds"))
# ```
#
# </details>
