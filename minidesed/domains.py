"""What makes a clip "synthetic" or "real": levels, rooms, noise, microphones, codecs.

DESED's synthetic clips are studio-like events mixed over quiet backgrounds; its real ones come from anyone's video.
`SYNTHETIC` and `REAL` express that difference in numbers (docs/DATA.md gives their sources). A trained network can
partly close the gap, because events stay audible and stay where they are. `INGREDIENTS` divides the difference, so that
the share of each can be measured (`reproduction.studies.gap`). Paper sections 2 and 3.1; taught in
``notebooks/01_data.py`` and ``notebooks/05_domain_adversarial.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from scipy import fft, signal

from minidesed.signals import from_db, smooth_noise
from sedlib.data.audio import RATE
from sedlib.errors import SedError

Range = tuple[float, float]  # lower and upper end of a uniform draw
_LN_60_DB = np.float32(np.log(1000))  # exp(-_LN_60_DB) is 60 dB less amplitude
_OCTAVES = np.linspace(-5.06, 3, 259)  # from 1 kHz, at which levels are computed: 30 Hz to 8 kHz, 32 to the octave


@dataclass(frozen=True)
class Recipe:
    """Ranges from which the acoustics of one clip are drawn; by default those of synthetic clips.

    Levels in dB, times in s, frequencies in Hz. A ``..._share`` is the probability that a clip has the thing at all.
    """

    snr: Range = (10, 26)  # level of a clip's events over its background, both as RMS while they sound
    snr_of_class: float = 4  # a class differs from that by up to this, either way
    snr_of_event: float = 2  # and an event from its class by up to this: together about DESED's 6 to 30 dB
    background_level: Range = (-50, -42)  # RMS of the background, relative to full scale; DESED: -55 LUFS
    room_share: float = 0.5  # clips with reverberation; the others are dry
    rt60: Range = (0.15, 0.6)  # reverberation time
    direct_to_reverberant: Range = (2, 12)  # energy of the direct sound over that of all reflections
    noise_share: float = 0  # clips with added noise
    noise_level: Range = (-90, -90)  # its RMS relative to that of the clip
    noise_drift: Range = (0, 0)  # standard deviation of its slow changes
    microphone_share: float = 0  # clips with a microphone's colouring: tilt, bumps, high-pass
    tilt: Range = (0, 0)  # spectral slope, dB per octave around 1 kHz
    bump: float = 0  # each of three broad resonances is up to this, either way
    high_pass: Range = (20, 20)  # corner of the microphone's low cut
    band_limit_share: float = 0  # clips whose band ends early
    band_limit: Range = (8000, 8000)  # where it ends
    gain_control_share: float = 0  # clips that an automatic gain control changed
    gain_control: Range = (0, 0)  # share of the distance to its target by which it moves a level
    target: Range = (-25, -25)  # the level that it aims at, as RMS relative to full scale
    attack: Range = (0.05, 0.05)  # time constant while the level rises
    release: Range = (1, 1)  # time constant while it falls
    clipping_share: float = 0  # clips whose loudest samples are cut off
    clipping: Range = (0, 0)  # share of the samples that are
    codec_share: float = 0  # clips that went through lossy coding
    codec_step: Range = (0, 0)  # quantisation step relative to a band's RMS: the larger, the coarser
    label_jitter: float = 0  # annotators miss a boundary by up to this, either way


SYNTHETIC = Recipe()
REAL = Recipe(
    snr=(0, 30),
    snr_of_class=5,
    snr_of_event=3,
    background_level=(-65, -30),
    room_share=0.95,
    rt60=(0.25, 0.9),
    direct_to_reverberant=(-10, 8),
    noise_share=0.9,
    noise_level=(-40, -5),
    noise_drift=(0, 3),
    microphone_share=1,
    tilt=(-3, 3),
    bump=8,
    high_pass=(40, 300),
    band_limit_share=0.2,
    band_limit=(3400, 7500),
    gain_control_share=0.5,
    gain_control=(0.5, 0.9),
    target=(-30, -18),
    attack=(0.01, 0.1),
    release=(0.2, 3),
    clipping_share=0.1,
    clipping=(0.001, 0.01),
    codec_share=0.8,
    codec_step=(0.1, 1.0),
    label_jitter=0.05,
)

# What the real domain differs in, and which entries of the recipe make it. Those without an entry are not acoustics:
# which events happen when (`scenes`), and what the voices draw their parameters from (`voices`).
INGREDIENTS: dict[str, tuple[str, ...]] = {
    "scenes": (),
    "voices": (),
    "backgrounds": (),
    "loudness": ("background_level",),
    "foregrounds": ("snr", "snr_of_class", "snr_of_event"),
    "rooms": ("room_share", "rt60", "direct_to_reverberant"),
    "noise": ("noise_share", "noise_level", "noise_drift"),
    "microphones": ("microphone_share", "tilt", "bump", "high_pass"),
    "band limits": ("band_limit_share", "band_limit"),
    "gain controls": ("gain_control_share", "gain_control", "target", "attack", "release"),
    "clipping": ("clipping_share", "clipping"),
    "codecs": ("codec_share", "codec_step"),
    "boundaries": ("label_jitter",),
}


def real_without(ingredients: Collection[str]) -> Recipe:
    """Return the real domain's recipe in which some of the `INGREDIENTS` are as in synthetic clips.

    Raises
    ------
    SedError
        For an ingredient that does not exist.
    """
    for name in ingredients:
        if name not in INGREDIENTS:
            raise SedError(
                f"ingredient {name!r} of the domain gap does not exist; choose from {', '.join(INGREDIENTS)}"
            )
    return replace(REAL, **{entry: getattr(SYNTHETIC, entry) for name in ingredients for entry in INGREDIENTS[name]})


def room_response(recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Make the impulse response of a room: direct sound, sparse early reflections, decaying noise.

    The late part decays by 60 dB in RT60, twice as fast above about 2 kHz as below, as air and furniture do it.

    Returns
    -------
    (sample,) float32 array
        Begins with the direct sound, 1; as long as RT60.
    """
    rt60 = rng.uniform(*recipe.rt60)
    time = np.arange(int(rt60 * RATE), dtype=np.float32) / np.float32(RATE)
    noise = rng.standard_normal(len(time), dtype=np.float32)
    low = signal.lfilter([0.5], [1, -0.5], noise)  # one pole: half amplitude at about 2 kHz
    decay = np.exp(-_LN_60_DB * time / rt60)
    late = (low * decay + (noise - low) * decay**2) * (time > 0.005)
    early = np.zeros_like(late)
    arrivals = rng.uniform(0.001, 0.04, size=8)
    early[(arrivals * RATE).astype(int)] = rng.choice([-1, 1], size=8) * 0.002 / (0.002 + arrivals)
    reflections = early / np.linalg.norm(early) + late / np.linalg.norm(late)
    reflections *= 10 ** (-rng.uniform(*recipe.direct_to_reverberant) / 20) / np.linalg.norm(reflections)
    reflections[0] = 1.0
    return reflections.astype(np.float32)


def fit_room(measured: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Make a measured impulse response fit a recipe: a hall becomes a room, with its fine structure kept.

    It is damped as if the drawn RT60 were added to its own, and its reflections are scaled to the drawn
    direct-to-reverberant ratio. Both responses are (sample,) float32 and begin with the direct sound, in the result 1.
    """
    time = np.arange(len(measured), dtype=np.float32) / np.float32(RATE)
    room = measured * np.exp(-_LN_60_DB * time / np.float32(rng.uniform(*recipe.rt60)))
    direct = RATE // 400  # 2.5 ms
    ratio = from_db(-rng.uniform(*recipe.direct_to_reverberant))
    late = np.linalg.norm(room[direct:])
    if late > 0:
        room[direct:] *= ratio * np.linalg.norm(room[:direct]) / late
    return (room / room[0]).astype(np.float32)


def apply_channel(mixture: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Add noise, microphone, gain control, clipping and codec: what happens between the room and the file.

    Parameters
    ----------
    mixture : (sample,) float32 array
        Sound at the microphone, 16 kHz.

    Returns
    -------
    (sample,) float32 array in [-1, 1]
        Not shifted in time: all filters have zero phase. A clip that would exceed full scale is turned down.
    """
    # A random generator for each: with one switched off, the others stay as they were.
    rng_noise, rng_microphone, rng_band, rng_gain, rng_clipping, rng_codec = rng.spawn(6)
    output = mixture
    if rng_noise.random() < recipe.noise_share:
        noise = _noise(len(mixture), recipe, rng_noise)
        output = mixture + noise * (from_db(rng_noise.uniform(*recipe.noise_level)) * rms(mixture) / rms(noise))
    coloured = rng_microphone.random() < recipe.microphone_share
    limited = rng_band.random() < recipe.band_limit_share
    if coloured or limited:
        response = np.zeros_like(_OCTAVES)  # dB
        if coloured:
            response += _microphone(recipe, rng_microphone)
        if limited:
            response += _band_limit(rng_band.uniform(*recipe.band_limit))
        spectrum = fft.rfft(output)
        output = fft.irfft(spectrum * _over_bins(len(spectrum), response), len(mixture))
    if rng_gain.random() < recipe.gain_control_share:
        settings = recipe.gain_control, recipe.target, recipe.attack, recipe.release
        output = gain_control(output, *(rng_gain.uniform(*ends) for ends in settings))
    if rng_clipping.random() < recipe.clipping_share:
        limit = np.quantile(np.abs(output), 1 - rng_clipping.uniform(*recipe.clipping))
        output = np.clip(output, -limit, limit)
    if rng_codec.random() < recipe.codec_share:
        output = codec(output, rng_codec.uniform(*recipe.codec_step))
    peak = np.abs(output).max(initial=0.0)
    return (output / max(1.0, peak / 0.99)).astype(np.float32)


def gain_control(waveform: np.ndarray, strength: float, target: float, attack: float, release: float) -> np.ndarray:
    """Move the level towards a target, as a telephone's or a camera's automatic gain control does.

    Parameters
    ----------
    waveform : (sample,) float32 array
        16 kHz.
    strength : float
        Share of the distance to the target, in dB, that is made up; 0 changes nothing.
    target : float
        RMS in dB of full scale.
    attack, release : float
        Time constants in s of the level that the control follows, while it rises and while it falls.

    Notes
    -----
    Levels are those of 10 ms. No gain is above 30 dB, so that silence stays silent.
    """
    block = RATE // 100
    padded = np.pad(waveform, (0, -len(waveform) % block)).reshape(-1, block)
    levels = (10 * np.log10(np.square(padded).mean(axis=1) + 1e-10)).tolist()
    rises, falls = 1 - np.exp(-0.01 / attack), 1 - np.exp(-0.01 / release)

    def follow(before: float, now: float) -> float:
        return before + (rises if now > before else falls) * (now - before)

    followed = list(accumulate(levels, follow))
    gain = from_db(np.minimum(strength * (target - np.array(followed)), 30.0))
    middles = block * (np.arange(len(gain)) + 0.5)
    return waveform * np.interp(np.arange(len(waveform)), middles, gain).astype(np.float32)


def codec(waveform: np.ndarray, step: float) -> np.ndarray:
    """Round short-time spectra to a grid that is coarser in louder bands: a stand-in for lossy coding.

    As a real coder it hides its error under what is loud in the same band, and drops what falls below; but its output
    does not depend on the version of an encoder.

    Parameters
    ----------
    waveform : (sample,) float32 array
        16 kHz.
    step : float
        Rounding step relative to the RMS of the band of a frame; 0 changes nothing.
    """
    if step == 0:
        return waveform
    size, hop = 1024, 512
    window = np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size)  # its squares overlap to 1
    padded = np.pad(waveform, (hop, hop + -len(waveform) % hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    spectra = fft.rfft(frames * window, axis=1)
    # Bands about a quarter octave wide, at least 8 bins.
    edges = np.unique(np.concatenate([np.arange(0, 48, 8), np.geomspace(48, size // 2 + 1, 16).astype(int)]))
    parts = spectra.view(np.float32).reshape(*spectra.shape, 2)  # real and imaginary
    power = np.add.reduceat((parts**2).sum(axis=2), edges[:-1], axis=1) / np.diff(edges).astype(np.float32)
    grid = np.repeat(np.float32(step) * np.sqrt(power) + np.float32(1e-9), np.diff(edges), axis=1)[..., None]
    parts[:] = np.rint(parts / grid) * grid
    frames = fft.irfft(spectra, size, axis=1) * window
    output = np.zeros((len(frames) + 1, hop), dtype=np.float32)
    output[:-1] += frames[:, :hop]
    output[1:] += frames[:, hop:]
    return output.reshape(-1)[hop : hop + len(waveform)]


def rms(waveform: np.ndarray) -> float:
    """Return the root mean square; of silence a number so small that one can divide by it."""
    return float(np.sqrt(np.mean(np.square(waveform), dtype=np.float64))) + 1e-12


def _noise(samples: int, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Draw noise that falls by 0 to 7 dB per octave, with slow changes of its level: (sample,) float32."""
    spectrum = rng.standard_normal((samples // 2 + 1, 2), dtype=np.float32).view(np.complex64)[:, 0]
    noise = fft.irfft(spectrum * _over_bins(len(spectrum), -rng.uniform(0, 7) * _OCTAVES), samples)
    return noise * from_db(rng.uniform(*recipe.noise_drift) * smooth_noise(samples, rng, 0.4))


def _microphone(recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Draw a tilt, three bumps and a low cut: dB at `_OCTAVES`."""
    level = rng.uniform(*recipe.tilt) * _OCTAVES
    for centre in rng.uniform(-3, 3, size=3):
        level += rng.uniform(-recipe.bump, recipe.bump) * np.exp(-0.5 * ((_OCTAVES - centre) / 0.5) ** 2)
    return level - 10 * np.log10(1 + (rng.uniform(*recipe.high_pass) / (1000 * 2**_OCTAVES)) ** 4)  # second order


def _band_limit(corner: float) -> np.ndarray:
    """Return a low-pass as steep as a resampler's: dB at `_OCTAVES`."""
    return -10 * np.log10(1 + (1000 * 2**_OCTAVES / corner) ** 32)


def _over_bins(bins: int, level: np.ndarray) -> np.ndarray:
    """Turn levels in dB at `_OCTAVES` into amplitudes of evenly spaced bins; below 30 Hz the value at 30 Hz."""
    frequency = np.linspace(0, RATE / 2, bins)
    return np.interp(frequency, 1000 * 2**_OCTAVES, 10 ** (level / 20)).astype(np.float32)
