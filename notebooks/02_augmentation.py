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
# # Dynamic mixing: soundscapes that never come twice
#
# **You will**
# - hear and see the seven effects of section 3.2, and hold each against its parameter;
# - write a comb filter, the start of a room response, levels and labels, equal to the library's;
# - build one soundscape from isolated sounds to labelled mixture, and another one by hand;
# - measure what noise leaves of a spectrogram, and see what student and teacher are given;
# - count how diversity grows against a fixed set, and read what each part of the method brings.
#
# **You need** lesson 01 (events, log-Mel spectrograms), the training of lesson 04 in outline; headphones at a moderate
# level.
#
# **Time** to read and try: 75 minutes. To run on two cores: 40 s with profile `lesson`, 25 s with profile `smoke`. It
# trains nothing; the first run of any lesson also makes the data set.
#
# **Paper** Cornell et al., DCASE Workshop 2020: section 3.2, the rows with "+Augm" of Table 2. SpecAugment is Park et
# al.'s (the paper's reference 21).

# %% tags=["parameters"]
profile: str = "lesson"
seed: int = 0
data: str = "mini"
interactive: bool = True

# %% [markdown]
# Spectrograms have the paper's sizes here, whatever the profile.

# %%
import inspect

import librosa
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from torchaudio.functional import detect_pitch_frequency

# %% [markdown]
# And the course's own: the library, the paper's tables, what only lessons use.

# %%
from reproduction import comparisons
from sedcourse import check, composer, html, players, plots
from sedlib import augment, decode, features, metrics, systems, training, workspace
from sedlib.augment import effects, mixing, specaugment
from sedlib.config import Augment, Features
from sedlib.data import layout, store, tables

# %% [markdown]
# ## What there is to mix from
#
# The baseline learns from a fixed set of synthetic clips, made once. What they were made of lies in the same data set:
# isolated sounds, each one event; backgrounds; and responses of rooms. The bank reads them all. (A folder without
# isolated sounds borrows those of MiniDESED here.)

# %%
RATE = 16000
root = workspace.dataset(data, profile)
has_sounds = (root / layout.SOUNDBANK).is_dir()
isolated = root if has_sounds else workspace.dataset("mini", profile)
bank = augment.open_bank(isolated, progress=interactive)
fixed = layout.load(root, "synthetic")
rows = []
for label, numbers in bank.classes.items():
    seconds = [bank.foregrounds[i].samples / RATE for i in numbers]
    rows.append((label, len(seconds), f"{np.median(seconds):.1f}", f"{max(seconds):.1f}"))
print(f"{len(bank.backgrounds)} backgrounds, {len(bank.rooms)} rooms; "
      f"the fixed set has {len(fixed.filenames)} clips")
html.table(pd.DataFrame(rows, columns=["class", "sounds", "median (s)", "longest (s)"]),
           "Isolated foregrounds")

# %% [markdown]
# Some are long, because any part of a running tap will do; a bark is used whole. From each class we take the longest
# one to try things on, three seconds of it at most.

# %%
sizes = Features()
hop_s = sizes.hop / sizes.sample_rate
logmel = features.LogMel(sizes)

def longest(label: str) -> torch.Tensor:
    number = max(bank.classes[label], key=lambda i: bank.foregrounds[i].samples)
    sound = bank.waveform(bank.foregrounds[number], samples=3 * RATE)
    return F.pad(sound, (0, max(0, RATE - len(sound))))

def try_on(name: str, waveform: torch.Tensor, sees: str, **values: float) -> torch.Tensor:
    """What comes out of an effect; before and after as sound and as pictures."""
    parameters = {key: torch.tensor([float(value)]) for key, value in values.items()}
    after = augment.EFFECTS[name].function(waveform[None], **parameters)[0]
    return show_pair("before", waveform, name, after, sees)

# %% [markdown]
# And what shows them. The two players keep their levels, unless one would be too loud for your ears.

# %%
def show_pair(first: str, before, second: str, after, sees: str) -> torch.Tensor:
    pair = {first: before, second: after}
    for title, waveform in pair.items():
        players.play(waveform.numpy(), title)
    pictures = {title: logmel(x[None])[0, 0].numpy() for title, x in pair.items()}
    fig = plots.spectrogram_grid(pictures, hop_s, columns=2)
    plots.show(fig, f"Spectrograms, {first} and {second}: {sees}")
    return after

def level_at(waveform: torch.Tensor, hertz: float) -> float:
    """dB in a third of an octave around a frequency."""
    energy = torch.fft.rfft(waveform).abs().square()
    octaves = (torch.fft.rfftfreq(len(waveform), 1 / RATE) / hertz).log2()
    return 10 * energy[octaves.abs() < 1 / 6].sum().log10().item()

# %% [markdown]
# ## Seven effects
#
# The paper names seven effects and gives no parameters; the ranges are ours.

# %%
ranges = [(name, key, f"{r.low:g}", f"{r.high:g}", "logarithmic" if r.log else "uniform")
          for name in Augment().effect_names
          for key, r in augment.EFFECTS[name].ranges.items()]
columns = ["effect", "parameter", "from", "to", "drawn"]
html.table(pd.DataFrame(ranges, columns=columns), "Seven effects and their parameters")

# %% [markdown]
# **Low-pass and high-pass.** Running water holds all frequencies. **Predict:** a second-order Butterworth filter falls
# by 12 dB for every octave, far from its cut-off $f_c$; exactly, by $10 \log_{10}(1 + (f / f_c)^4)$. How much is left
# one octave above?

# %%
water = longest("Running_water")
low = try_on("low-pass", water, "what lies high is gone", cutoff=1500)
expected = 10 * np.log10(1 + 2**4)
print(f"at 3 kHz {level_at(water, 3000) - level_at(low, 3000):.1f} dB less, "
      f"at the cut-off {level_at(water, 1500) - level_at(low, 1500):.1f} dB; "
      f"expected {expected:.1f} and {10 * np.log10(2):.1f}")

# %% [markdown]
# A digital filter falls a little faster than the formula, which is an analogue one's: at half the sample rate it must
# let nothing through. The same the other way up, far from there:

# %%
high = try_on("high-pass", water, "what lies low is gone", cutoff=800)
print(f"at 400 Hz {level_at(water, 400) - level_at(high, 400):.1f} dB less, "
      f"expected {expected:.1f}")

# %% [markdown]
# **Comb.** Add to a sound a copy of itself, $d$ samples late: $y(n) = x(n) + g \, x(n - d)$. Where the copy is half a
# period late the two cancel, where it is a whole period late they add up: teeth, $1/d$ apart.
#
# **Exercise 1.** Write it. Before the sound begins there is silence, and the sound keeps its length.

# %% jupyter={"source_hidden": true} tags=["solution"]
def comb(x: np.ndarray, delay: int, gain: float) -> np.ndarray:
    """x and a copy of it, `delay` samples later."""
    y = x.copy()  # given
    y[delay:] += gain * x[:-delay]
    return y

# %% [markdown]
# From which side does the copy come?

# %%
check.comb(comb)

# %% [markdown]
# The same in sedlib, where the delay may also move, like that of a flanger. A depth of 0 holds it still:

# %%
one = torch.tensor([1.0])
held = dict(delay=2 * one, depth=0 * one, rate=one, gain=0.9 * one)
library = effects.comb(water[None], **held)[0]
torch.testing.assert_close(torch.from_numpy(comb(water.numpy(), 32, 0.9)), library)
print("equal")
for hertz in (2000, 2250):  # whole periods in 2 ms, and half a period more
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(RATE) / RATE)
    gain = effects.comb(tone[None], **held)[0, RATE // 2:].std() / tone.std()
    expected = abs(1 + 0.9 * np.exp(-2j * np.pi * hertz * 0.002))
    print(f"a tone at {hertz} Hz: {20 * gain.log10():+.1f} dB, "
          f"expected {20 * np.log10(expected):+.1f}")

# %% [markdown]
# Now with a delay of 2 ms that swings by half of it, once in two seconds. **Predict:** what do the teeth do?

# %%
combed = try_on("comb", water, "dark lines that wander up and down",
                delay=2, depth=0.5, rate=0.5, gain=0.9)

# %% [markdown]
# On noise-like sounds one hears the sweep of a flanger; a steady alarm gets louder and softer as the teeth pass it.
#
# **Compression.** Above a threshold, a rise of `ratio` dB becomes one of 1 dB. The threshold is 20 dB below the loudest
# 5 ms, the ratio 4. **Predict:** by how much does the loudest moment sink?

# %%
dog = longest("Dog")
pressed = try_on("compression", dog, "loud parts have come nearer to soft ones",
                 threshold_db=-20, ratio=4)
loud = [F.avg_pool1d(x.square()[None, None], 80)[0, 0].sqrt() for x in (dog, pressed)]
sunk = 20 * (loud[0].max() / loud[1][loud[0].argmax()]).log10()

def crest(x: torch.Tensor) -> float:
    return 20 * (x.abs().max() / x[x != 0].square().mean().sqrt()).log10()

print(f"the loudest 5 ms sink by {sunk:.1f} dB, expected {20 * (1 - 1 / 4):.1f}")
print(f"crest factor, peak over RMS: {crest(dog):.1f} dB, then {crest(pressed):.1f} dB")

# %% [markdown]
# The gain glides from one 5 ms to the next, so the loudest moment sinks by not quite as much. What is soft stays as it
# was: the crest factor falls, and when the level is set afterwards, the soft parts end up louder than before.
#
# **Pitch shift.** Up by three semitones at the same tempo. **Predict** the ratio of the frequencies.

# %%
speech = longest("Speech")
raised = try_on("pitch shift", speech, "all lines lie higher, at the same times",
                semitones=3)
pitch = [detect_pitch_frequency(x, RATE, freq_low=70, freq_high=500).numpy()
         for x in (speech, raised)]
loudness = librosa.feature.rms(y=speech.numpy(), frame_length=320, hop_length=160)[0]
voiced = loudness[:len(pitch[0])] > 0.3 * loudness.max()
ratio = np.median((pitch[1] / pitch[0])[:len(voiced)][voiced])
print(f"fundamental frequency times {ratio:.3f}, {12 * np.log2(ratio):.2f} semitones; "
      f"expected {2 ** (3 / 12):.3f} and 3")

# %% [markdown]
# The estimate looks for the lag at which a sound best resembles itself, in whole samples; so it is a few percent wide.
#
# The vowels' resonances move along with it, as if the speaker were smaller. That is why the range ends at three
# semitones: what is shifted must remain what its label says.
#
# **Bursts** of noise and of a sine, each for a short time. Their SNR is against what sounds at the same time. What came
# in is the difference of after and before; **predict** what a burst does in a pause.

# %%
place = dict(start=0.4, duration=0.25, snr_db=3)
noisy = try_on("noise burst", speech, "a bright column at 0.4 s", **place, noise=0.5)
beeped = try_on("sine burst", speech, "a line at 1 kHz from 0.4 s", **place,
                frequency=1000)

# %% [markdown]
# What was added, measured:

# %%
for name, after in {"noise": noisy, "sine": beeped}.items():
    added = after - speech
    where = torch.nonzero(added)[[0, -1], 0] / RATE
    inside = slice(round(0.4 * RATE), round(0.65 * RATE))
    snr = 10 * (speech[inside].square().sum() / added[inside].square().sum()).log10()
    peak = torch.fft.rfft(added).abs().argmax().item() * RATE / len(added)
    print(f"{name}: {where[0]:.3f} to {where[1]:.3f} s, SNR {snr:.2f} dB"
          + (f", {peak:.0f} Hz" if name == "sine" else ""))

# %% [markdown]
# As an SNR is a ratio, nothing is added to silence. All seven keep a sound's length, and none moves its beginning: that
# is what lets the labels stand.
#
# ## The direct sound at time zero
#
# A room is a convolution with its impulse response $h$: $y = x * h$. Some responses begin with silence, the time that
# sound takes to arrive; five metres are 15 ms, and a recording may hold a lot more. **Predict:** what happens to the
# labels when each sound is convolved with such a response?
#
# **Exercise 2.** Cut a response so that its direct sound, the largest sample of either sign, comes first.

# %% jupyter={"source_hidden": true} tags=["solution"]
def direct_first(response: np.ndarray) -> np.ndarray:
    """A response from its direct sound on."""
    return response[np.abs(response).argmax():]

# %% [markdown]
# Is the sign taken care of?

# %%
check.direct_sound(direct_first)

# %% [markdown]
# The same in sedlib happens when the bank is read: every response in it begins with its largest sample. Let us do it
# wrong on purpose, with 0.3 s of silence before one of them.

# %%
room = max(bank.rooms, key=lambda room: room.samples)
response = bank.waveform(room)
assert all(bank.waveform(r).abs().argmax() == 0 for r in bank.rooms)
late = F.pad(response, (round(0.3 * RATE), 0))
np.testing.assert_array_equal(direct_first(late.numpy()), response.numpy())
dry = F.pad(dog, (RATE, RATE))
in_room = effects.reverberate(dry[None], response[None])[0]
wrong = effects.reverberate(dry[None], late[None])[0]
heard = show_pair("direct sound first", in_room / in_room.abs().max(),
                  "after 0.3 s", wrong / wrong.abs().max(),
                  "the same picture, 0.3 s later")

# %% [markdown]
# The label says 1 s, for there the dry sound was put. Where does it begin to the ear?

# %%
spans, said = [(1.0, 1 + len(dog) / RATE)] * 2, []
for name, y in {"direct sound first": in_room, "after 0.3 s": wrong}.items():
    begins = torch.nonzero(y.abs() > 0.03 * y.abs().max())[0, 0].item() / RATE
    said.append(f"{name}: begins at {begins:.2f} s, its label at 1.00 s")
print(*said, sep="\n")
both = torch.stack([in_room / in_room.abs().max(), wrong / wrong.abs().max()])
plots.show(plots.stems(both.numpy(), said, spans), "; ".join(said))

# %% [markdown]
# A detector that hears the second one perfectly misses by more than the 200 ms that the score allows (lesson 00). Worse,
# it would *learn* to be early. The tail, on the other hand, is allowed to ring on beyond the label's end: a label says
# when the source sounds, not when the room has become quiet.
#
# ## One soundscape
#
# Now all of it, step by step: three sounds, chosen by the seed; the last one is too long for the clip. A mixture in
# sedlib is plain numbers, and everything that is heard follows from them.

# %%
rng = np.random.default_rng([seed, 2, 1])
chosen = ("Speech", "Dog", "Vacuum_cleaner")
places = [round(at * RATE) for at in (1.0, 3.5, 5.5)]
levels = [-12.0, -20.0, -9.0]
sources = []
for label, onset, level in zip(chosen, places, levels):
    number = int(rng.choice(bank.classes[label]))
    samples = min(bank.foregrounds[number].samples, mixing.SAMPLES - onset)
    sources.append(augment.Source(number, 0, samples, onset, level))
quiet = augment.Background(int(rng.integers(len(bank.backgrounds))), 0, -40.0)
sources[0]

# %% [markdown]
# ### Sounds, rooms, effects
#
# Every source gets a room and effects of its own: in a real kitchen the radio and the tap stand in the same room, here
# they need not. The paper takes up to two effects in cascade; which ones, we choose here, and their parameters by
# chance.

# %%
settings = systems.configuration("augm", "paper").augment
roomy = [s._replace(room=int(rng.integers(len(bank.rooms)))) for s in sources]
cascades = (("pitch shift", "comb"), ("low-pass",), ())
changed = [s._replace(effects=tuple(
    (name, augment.draw_effect(rng, name, s.samples / RATE)) for name in names))
    for s, names in zip(roomy, cascades)]
for label, source in zip(chosen, changed):
    done = [composer.in_words(*effect) for effect in source.effects] or ["no effect"]
    print(f"{label}: {bank.rooms[source.room].name}, {', then '.join(done)}")

# %% [markdown]
# Listen to the three stages; there is no background yet.

# %%
stages = {"dry": sources, "in rooms": roomy, "with effects": changed}
heard = {title: augment.stems(augment.Mixture(tuple(stage), quiet), bank)[:-1].sum(0)
         for title, stage in stages.items()}
for title, waveform in heard.items():
    players.play(waveform.numpy(), title)

# %% [markdown]
# As pictures:

# %%
pictures = {title: logmel(x[None])[0, 0].numpy() for title, x in heard.items()}
plots.show(plots.spectrogram_grid(pictures, hop_s, columns=3),
           "The three foregrounds without background: dry, in rooms, with effects. In "
           "rooms each has a tail; the low-pass takes what is high from the dog.")

# %% [markdown]
# ### Levels
#
# What is a level? The paper does not define it. Here it is the **peak** of the sound in dB of full scale: a sample of 1 is 0 dB.
#
# **Exercise 3.** Scale a waveform to a level.

# %% jupyter={"source_hidden": true} tags=["solution"]
def at_level(waveform: np.ndarray, level_db: float) -> np.ndarray:
    """The waveform with its peak at a level."""
    return waveform * 10 ** (level_db / 20) / np.abs(waveform).max()

# %% [markdown]
# Peak or RMS?

# %%
check.at_level(at_level)

# %% [markdown]
# In the paper each foreground's level is "randomly sampled between -35 dB and 0 dB". It names no distribution; here it is
# uniform. The background is "constrained to be at max 5 dB over the foreground which has minimum level".
#
# **Exercise 4.** What is the highest level that the background may have?

# %% jupyter={"source_hidden": true} tags=["solution"]
def highest_background(levels_db: list[float]) -> float:
    """The limit for the background, in dB, from the foregrounds' levels."""
    return min(levels_db) + 5

# %% [markdown]
# Over which of them?

# %%
check.highest_background(highest_background)

# %% [markdown]
# The same in sedlib: the levels of the stems that it gives, and 300 draws held against the rule.

# %%
limit = highest_background(levels)
mixture = augment.Mixture(tuple(changed), quiet._replace(level_db=limit - 10))
parts = augment.stems(mixture, bank)
print("peaks:", ", ".join(f"{20 * part.abs().max().log10():.2f} dB" for part in parts))
wanted = [*levels, limit - 10]
for part, level in zip(parts.numpy(), wanted):
    np.testing.assert_allclose(part, at_level(part, level), atol=1e-6)
drawn = [augment.draw(np.random.default_rng([seed, i]), bank, settings)
         for i in range(300)]
over = [m.background.level_db - highest_background([s.level_db for s in m.sources])
        for m in drawn]
print(f"largest background over its limit, of {len(drawn)} draws: {max(over):.2f} dB")

# %% [markdown]
# ### Sum and labels
#
# All that is left is to add the stems, and to divide by the peak if it exceeds 1.

# %%
summed = parts.sum(0)
summed = summed / max(1.0, summed.abs().max().item())
rendered = augment.render([mixture], bank)[0]
torch.testing.assert_close(summed, rendered, atol=1e-5, rtol=0)
print(f"equal; peak {rendered.abs().max():.2f}")
players.play(rendered.numpy(), "the mixture")

# %% [markdown]
# **Exercise 5.** And the labels? Write onset and offset in seconds of a sound of `samples` samples that begins at sample
# `onset` of a clip of 10 s. Its room rings on for `tail` samples.

# %% jupyter={"source_hidden": true} tags=["solution"]
def event_times(onset: int, samples: int, tail: int) -> tuple[float, float]:
    """Onset and offset of an event, in seconds."""
    return onset / RATE, min((onset + samples) / RATE, 10.0)

# %% [markdown]
# What ends a label?

# %%
check.event_times(event_times)

# %% [markdown]
# The same in sedlib, but for one rule of DESED's: a label has at least 0.25 s, so that a short bark can be found.

# %%
labels = augment.events(mixture, bank)
for source, (onset, offset, label) in zip(mixture.sources, labels):
    start, end = event_times(source.onset, source.samples, 8000)
    end = min(10.0, max(end, start + 0.25))
    np.testing.assert_allclose((onset, offset), (start, end), atol=1e-3)
    print(f"{label}: {onset:.3f} to {offset:.3f} s")

# %% [markdown]
# The stems, and shaded between dashed lines what the labels say:

# %%
titles = [f"{name.replace('_', ' ')}, {level:g} dB"
          for name, level in zip((*chosen, "background"), wanted)]
spans = [(onset, offset) for onset, offset, _ in labels] + [None]
plots.show(plots.stems(parts.numpy(), titles, spans), "Stems of the mixture with labels: "
           + "; ".join(f"{label} {a:.2f} to {b:.2f} s" for a, b, label in labels))

# %% [markdown]
# Onsets coincide with what is heard, tails ring on behind the dashed lines, and the vacuum cleaner is cut by the clip's
# end, as is its label. In a training, this is what happens for every clip with strong labels in every step:

# %%
print(inspect.getsource(augment.render).split('"""')[0], "   ...")
print(inspect.getsource(augment.render).split('"""')[2])
again = [augment.draw(np.random.default_rng([seed, 7]), bank, settings) for _ in range(2)]
print("the same seed, the same mixture:", again[0] == again[1])

# %% [markdown]
# The drawing is cheap and comes from a seed of (training, step, place in the batch); the sound is made for many at once.
# So a training that is resumed, or has more workers, hears the same.
#
# Weak and unlabelled clips are real recordings, so nothing can be mixed anew. With probability 0.5 they get one more
# background, and no other effect on the waveform. When these clips were strongly augmented, the paper's network "failed to
# generalize".

# %%
opened = store.open_store(root, "weak", progress=False)
first = torch.from_numpy(opened.waveforms(range(min(8, len(opened)))))
weak = max(first, key=crest)[None]  # of the first clips the one with the clearest pauses
many = [augment.draw_change(np.random.default_rng([seed, i]), bank, settings, False)
        for i in range(300)]
with_one = [change for change in many if change.added is not None]
print(f"{len(with_one) / len(many):.2f} of {len(many)} clips get a background")
louder = max(with_one, key=lambda change: change.added.level_db)
print(f"the loudest of them is {-louder.added.level_db:.1f} dB below the clip's peak")
added = augment.change(weak, [louder], bank)[0]
heard = show_pair("a weak clip", weak[0], "with a background", added,
                  "the second has the first in it, under an even layer")

# %% [markdown]
# ## Noise on features
#
# The second half of the section works on log-Mel spectrograms $X$, of all clips: Gaussian noise of variance
# $\mathrm{Var}(X) \, / \, 10^{\mathrm{SNR}/10}$, "with SNR between -30 dB and 10 dB". **Predict:** what is left of a
# picture at -30 dB? The correlation of $X$ with $X$ + noise is $1 / \sqrt{1 + 10^{-\mathrm{SNR}/10}}$.

# %%
clean = logmel(rendered[None])
panels, rows = {"clean": clean[0, 0].numpy()}, []
torch.manual_seed(seed)
for snr in (30.0, 10.0, 0.0, -10.0, -30.0):
    noisy = [specaugment.gaussian_noise(clean, torch.tensor([snr])) for _ in range(10)]
    panels[f"{snr:g} dB"] = noisy[0][0, 0].numpy()
    r = np.mean([np.corrcoef(clean.flatten(), x.flatten())[0, 1] for x in noisy])
    expected = 1 / np.sqrt(1 + 10 ** (-snr / 10))
    deviation = clean.std() * 10 ** (-snr / 20)
    rows.append((f"{snr:g}", f"{deviation:.1f}", f"{r:.3f}", f"{expected:.3f}"))
words = "; ".join(f"at {snr} dB correlation {r}" for snr, _, r, _ in rows)
plots.show(plots.spectrogram_grid(panels, hop_s, columns=3, common=False),
           f"One mixture with less and less of it to be seen: {words}")

# %% [markdown]
# In numbers, the correlations as means over ten noises:

# %%
columns = ["SNR (dB)", "deviation of the noise (dB)", "correlation", "expected"]
print(f"deviation of the clean features: {clean.std():.1f} dB")
html.table(pd.DataFrame(rows, columns=columns), "Log-Mel with Gaussian noise")

# %% [markdown]
# At -30 dB the deviation of the noise is 32 times that of the picture: hundreds of dB up and down from cell to cell.
# No event is to be seen any more; what is left would show only in the mean of a great many cells. What does a trained
# detector make of it? If this workspace holds a baseline of this profile, ask it.

# %%
def f1_with_noise(run, x: torch.Tensor, names: list[str], snr: float) -> float:
    """Event F1 of a run on clips with these features, after noise was added to them."""
    with torch.no_grad():
        noisy = specaugment.gaussian_noise(x, torch.full((len(x),), snr))
        scores = run.detector()(noisy).strong.numpy()
    found = decode.Posteriors(scores, names, tables.CLASSES, run.config.frame_s)
    reference = layout.load(root, "validation").table
    reference = reference[reference["filename"].isin(names)]
    said = decode.median_events(found, run.config.decoding, run.config.features.clip_s)
    return 100 * metrics.event_f1(reference, said).macro

# %% [markdown]
# It was never trained with noise, so this says how much is destroyed, not what a training could make of it. A hundred
# development clips:

# %%
run = training.Run(workspace.run_folder(profile, root, "baseline", seed))
if run.state == "scored":
    opened = store.open_store(root, "validation", progress=False)
    names = opened.filenames[:100]
    waveforms = torch.from_numpy(opened.waveforms(range(len(names))))
    x = run.detector().features(waveforms)
    print(f"without noise: event F1 {f1_with_noise(run, x, names, float('inf')):.1f} %")
    for snr in (30.0, 10.0, 0.0, -10.0, -30.0):
        print(f"SNR {snr:g} dB: event F1 {f1_with_noise(run, x, names, snr):.1f} %")
else:
    print("no baseline here; `sedlib train` or lesson 04 trains one")

# %% [markdown]
# So what did the authors do? Their code divides the standard deviation of the features by a number that it calls the SNR. For
# the network that learns the number lies between 10 and 30; for its average, between 3 and 30. In decibels:

# %%
for number in (3, 10, 30):
    snr = 20 * np.log10(number)
    print(f"deviation / {number}: SNR {snr:.1f} dB, noise {-snr:.1f} dB")

# %% [markdown]
# So the learner's noise lies 20 to 30 dB *below* the features, the average's 10 to 30 dB. Perhaps the paper's numbers are
# levels of the noise, and a minus sign got lost before the 10. Only the authors know. Here `augm` has an SNR of 10 to 30 dB for
# both networks, and `augm_literal` trains what the sentence says. Both are in the table at the end.
#
# ### SpecAugment, and two views
#
# Masks take away whole bands and whole stretches of time, and put the clip's mean there. How many and how wide, the
# paper does not say; we take two and two.

# %%
print(inspect.getsource(specaugment.mask).split('"""')[2])
print(inspect.getsource(specaugment.views).split('"""')[2])
rows = [(name, getattr(settings, name)) for name in (
    "noise_snr_db", "mel_masks", "mel_mask", "time_masks", "time_mask_s", "teacher")]
html.table(pd.DataFrame(rows, columns=["augment.", "value"]), "Feature domain of augm")

# %% [markdown]
# The mean teacher (lesson 04) asks student and teacher to agree on each clip. **Predict:** what does it have to learn if
# both see the same masks, and what if each has its own?

# %%
config = systems.configuration("augm", "paper")
torch.manual_seed(seed)
student, teacher = augment.views(clean, config)
panels = {"clean": clean, "student": student, "teacher": teacher}
panels = {title: x[0, 0].numpy() for title, x in panels.items()}
fig = plots.spectrogram_grid(panels, hop_s, columns=3, common=False)
masked = ", ".join(f"{name} {100 * (np.diff(panels[name], axis=1) == 0).mean():.0f} %"
                   for name in ("student", "teacher"))
plots.show(fig, "The clean spectrogram, the student's and the teacher's view, each with "
                f"noise and masks of its own. Masked: {masked}.")
print(f"masked: {masked}")

# %% [markdown]
# With masks of their own, the two must say the same although they see different parts: what one lacks is to be filled in
# from its surroundings. With the same masks that lesson is gone, and consistency only fights chance in the network. In
# sedlib that is `augment.teacher`: "own", "same" or "clean".
#
# ## How diverse is it?
#
# "This procedure ensures a virtually infinite amount of different strongly labelled data." Let us count. We draw mixtures
# without making their sound, for as many clips as three passes over the fixed set take. Each one is a new scene with DESED's
# statistics: how many events, which classes, which onsets.

# %%
clips = 3 * len(fixed.filenames)
scenes = "dynamic mixing"
mixtures = [augment.draw(np.random.default_rng([seed, 9, i]), bank, settings)
            for i in range(clips)]
passes = [fixed.filenames[i % len(fixed.filenames)] for i in range(clips)]
listed = {name: [] for name in fixed.filenames}
for e in tables.events(fixed.table).itertuples():
    listed[e.filename].append((e.onset, e.offset, e.event_label))
soundscapes = {"fixed set": [listed[name] for name in passes],
               scenes: [augment.events(mixture, bank) for mixture in mixtures]}

# %% [markdown]
# Three things can repeat: the whole soundscape; which classes sound at the same moment; and the sounds themselves.
# **Predict** which of the curves bend.

# %%
def together(events: list) -> set:
    """Sets of classes that sound at the same time, at least two."""
    active = [frozenset(c for a, b, c in events if a <= t < b) for t, _, _ in events]
    return {classes for classes in active if len(classes) > 1}

def growing(things) -> np.ndarray:
    """How many different ones there were after each set of them."""
    seen, counts = set(), []
    for new in things:
        seen |= set(new)
        counts.append(len(seen))
    return np.array(counts)

# %% [markdown]
# The fixed set was mixed from the same isolated sounds. Its table does not say which of them is where, so there is no
# third curve for it.

# %%
whole, overlaps = "different soundscapes", "different sets of classes at once"
used = "different isolated sounds"
counts = {whole: {}, overlaps: {}, used: {}}
for name, of in soundscapes.items():
    counts[overlaps][name] = growing(map(together, of))
counts[whole]["fixed set"] = growing({name} for name in passes)
counts[whole][scenes] = growing({repr(mixture)} for mixture in mixtures)
counts[used][scenes] = growing({s.sound for s in mixture.sources} for mixture in mixtures)
words = "; ".join(f"{what}: " + ", ".join(f"{name} {n[-1]}" for name, n in of.items())
                  for what, of in counts.items())
plots.show(plots.growth(counts), f"Three counts over {clips} clips. At the end, {words}.")
print(words.replace("; ", "\n"))

# %% [markdown]
# Soundscapes do not repeat: their levels can be any number. The sets of classes that sound together keep growing, where the
# fixed set has all of its own after one pass. The third picture shows the limit: the *sounds* come from the bank, and after a
# while all of them were heard. Effects and rooms change them; they do not invent a dog. Here the fixed set has the advantage:
# each of its events is a new sound. In DESED both draw on the same soundbank, so dynamic mixing loses nothing.
#
# And levels? A mixture's numbers are known. For a fixed clip they have to be measured: the loudest 50 ms, and how far
# below them the quietest twentieth lies. To compare like with like, dynamic clips are measured too, after rendering.

# %%
def loud_and_quiet(waveforms: torch.Tensor) -> np.ndarray:
    """Level of the loudest 50 ms of each clip and its distance to the quietest, dB."""
    blocks = waveforms.unfold(1, 800, 800).square().mean(2).clamp_min(1e-10)
    level = 10 * blocks.log10()
    loudest = level.amax(1)
    return torch.stack([loudest, loudest - level.quantile(0.05, 1)], 1).numpy()

some = min(len(fixed.filenames), 200)
opened = store.open_store(root, "synthetic", progress=False)
measured = {"fixed set": loud_and_quiet(torch.from_numpy(opened.waveforms(range(some))))}
pieces = [mixtures[i:min(i + 20, some)] for i in range(0, some, 20)]
measured[scenes] = np.concatenate([loud_and_quiet(augment.render(piece, bank))
                                   for piece in pieces])

# %% [markdown]
# Cells of 5 by 5 dB that were visited say how much of the plane is covered.

# %%
fig, axes = plots.figure(10, 3.8, ncols=2, width_ratios=[1.2, 1])
for (name, xy), colour, marker, line in zip(
        measured.items(), (plots.BLACK, plots.BLUE), "ox", plots.LINES):
    axes[0, 0].plot(*xy.T, marker, color=colour, label=name, mfc="none", ms=5)
    cells = growing({tuple(cell)} for cell in np.floor(xy / 5).astype(int))
    axes[0, 1].plot(range(1, some + 1), cells, color=colour, linestyle=line)
axes[0, 0].set(xlabel="loudest 50 ms (dB)", ylabel="distance to the quietest (dB)")
axes[0, 1].set(xlabel="clips heard", ylabel="cells of 5 x 5 dB", xlim=(0, some))
axes[0, 0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
words = "; ".join(f"{name}: deviations {xy.std(0)[0]:.1f} and {xy.std(0)[1]:.1f} dB"
                  for name, xy in measured.items())
plots.show(fig, f"Loudest and quietest moments of {some} clips, cells covered. {words}")
print(words)

# %% [markdown]
# Most of MiniDESED's fixed clips lie along a line, because their backgrounds are nearly equally loud: loud clips are
# those with loud events. In dynamic mixing both levels are drawn, and spread over more of the plane.
#
# ## What the released scripts really do
#
# The paper's text and the authors' published code are two procedures. The library follows the text. This is the other one, read
# in the two scripts that train "Augm" and "DAT".
#
# **Two views of every clip.** The network that learns sees a *mildly* augmented mixture, its average a *strongly* augmented
# one. Both must agree, so the learner is pulled towards what the average makes of a harder clip. Here both networks see the same
# mixture, and only noise and masks differ.
#
# **Each soundscape's own foregrounds.** A fixed soundscape is taken apart, and its foregrounds are mixed again. Classes,
# onsets and labels stay. New are room, effect, levels and background. A class that combines sounds freely is in the code, and
# neither script uses it.
#
# **One effect at most, in a room always.** The learner may get a pitch shift of up to one semitone, SoX's contrast or an
# overdrive. The average's list is longer: three semitones, shelving filters, bursts, and a shift in time of up to 150 ms. The
# comb filter is written and never used. It looks ahead, $x(n + d)$ with $d$ from 100 to 280 ms, and would move onsets.
#
# **Soft sources.** Foreground levels are normal around -30 dB with a deviation of 7 dB, clipped at -45 and 0 dB. The background
# is normal around -30 dB with a deviation of 12 dB, clipped at -50 dB and at the paper's limit.
#
# **Noise or masks or neither.** Half of the clips get neither. Masks are many and tiny: for the learner two of at most two bands
# and five of at most three frames.
#
# **No background on real clips ever sounds.** The code for it is there, and both scripts switch it off. Weak and unlabelled clips
# only get noise or masks.
#
# **Predict:** how far do these two kinds of levels lie apart?

# %%
rng = np.random.default_rng([seed, 2, 2])
kinds = {"here: uniform, -35 to 0 dB": rng.uniform(*settings.foreground_db, 5000),
         "released: normal": np.clip(rng.normal(-30, 7, 5000), -45, 0)}
fig, axes = plots.figure(8, 2.8)
for (name, level), colour, line in zip(
        kinds.items(), (plots.BLUE, plots.VERMILION), plots.LINES):
    axes[0, 0].hist(level, np.arange(-45, 1, 2.5), density=True, histtype="step",
                    color=colour, linestyle=line, linewidth=1.8, label=name)
axes[0, 0].set(xlabel="foreground level (dB)", ylabel="density (1/dB)")
axes[0, 0].legend()
words = ", ".join(f"{name}: mean {level.mean():.1f} dB" for name, level in kinds.items())
plots.show(fig, f"Distributions of foreground levels. {words}.")
print(words)

# %% [markdown]
# How much each of these choices matters nobody has measured here. All of them, with their reasons, stand in lesson 07's table.
#
# ## What does it bring?
#
# The ablation: none, mixing only, effects only (on the clips as they are), both; and the same with PPCEN (lesson 03),
# as in Table 2. Where this workspace holds two trainings or more of every row in this profile, they are read; otherwise
# you see what is published with the course. **Predict** the order.

# %%
study = comparisons.AUGMENTATION
results = study.load(profile, root)
print(f"profile {results['profile']}, {results['from']}")
caption = "Event-based macro F1 (%), mean ± deviation over trainings"
html.table(study.scores(results), caption)

# %% [markdown]
# By class, as differences to the first row:

# %%
by_class = study.by_class(results)
most = by_class[study.rows["augm"]] - by_class[study.rows["baseline"]]
words = ", ".join(f"{name} {change:+.0f}" for name, change in most.items())
plots.show(plots.system_scores(study.drawn(results), by_class),
           "Left, F1 with intervals, and the paper's. Right, by class, what each wins "
           f"over the baseline. Both together: {words}.")

# %% [markdown]
# And in sentences. Each is a difference of two rows on the same clips, in points of F1, with its 95 % interval over clips
# and trainings. An interval that holds 0 decides nothing, neither for nor against.

# %%
caption = "What the paper says, what one might think, and what these runs say"
html.table(study.verdicts(results), caption)

# %% [markdown]
# Only the lines that say "holds" or "does not hold" are findings, and they are about this data and this network. MiniDESED's
# sounds are models, and its bank and its fixed clips have the same voices. A training of profile `lesson` sees each fixed clip
# only six times, so there is little repetition for dynamic mixing to cure. And harder examples need more training time than
# we give them.
#
# Is it the time? Version 0.1.0 trained both once for 30 epochs, three times as long; the last exercise says how. The baseline
# then had an event F1 of 30.1 % on the development and 36.1 % on the evaluation clips, `augm` 33.3 % and 33.1 %. So augmentation
# won on one set and lost on the other. One seed decides nothing. But whoever compares augmentations after one short training
# measures the training, too.
#
# ## By hand
#
# The composer has every number of a mixture under a control: sounds, onsets, rooms, effects, levels. Three things to
# try:
# 1. Hide a bark under a vacuum cleaner so that you cannot hear it, within the rule for the background. Would you label
#    it?
# 2. Put a sound at 9.9 s and see what its label becomes.
# 3. Two effects on one sound: does their order matter?

# %%
composer.composer(bank, interactive)

# %% [markdown]
# ## Check yourself
#
# Open an option to see why it is right or wrong. For points, give `answers` a letter for each question, as in
# `"abcd abcd"`, and run the cell again.

# %%
from sedcourse import quiz

quiz.show("02", answers="")

# %% [markdown]
# ## What you did
#
# - You heard and saw seven effects, and each did what its parameter says: frequencies, levels, SNRs, places.
# - You wrote a comb filter, the start of a room response, levels, their limit and labels, equal to the library's.
# - You built a soundscape from isolated sounds to labelled mixture, and saw what a late response does to its labels.
# - You measured what noise leaves of a spectrogram, and saw that -30 dB leaves next to nothing.
# - You counted diversity, found what is endless in it and what is not, and read what intervals decide about each part.
#
# ## Exercises
#
# 1. Make the comb's copy come from $y$ instead of $x$ (feedback). What happens to its teeth, and to the end of a sound?
# 2. Draw a thousand mixtures with `rooms=False` and with rooms, and measure the share of time in which anything is heard
#    above -40 dB. What do rooms do to pauses, and what to labels?
# 3. Train `sedlib train --system augm_literal` and watch its loss beside that of `augm`. From which epoch on do they
#    differ?
# 4. Let the teacher see clean features (`dataclasses.replace(config.augment, teacher="clean")`) and train. Is the
#    difference larger than that of two seeds?
# 5. Train `sedlib train --system augm --epochs 30 --seed 1 --run runs/augm-30`, and the baseline likewise. Does the
#    longer training turn the order round again?
