"""Procedural voices: what every sound must be, what each class must sound like, and how far the domains lie apart."""

import pickle
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchaudio.functional import detect_pitch_frequency
from tries import tries

from bench.voices import accuracy, confusion
from minidesed import backgrounds, calls, signals, voices
from minidesed.ranges import DOMAINS, LOGARITHMIC, RANGES
from minidesed.recordings import RecordedVoices
from minidesed.voices import Voices
from sedlib.config import RATE
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError

CONTINUOUS = ["Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner"]
RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "real_events"


def draws(label, domain, duration, count=6):
    source = Voices(domain)
    return [source.event(label, duration, np.random.default_rng([i, 5])) for i in range(count)]


def pitch_of(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Fundamental frequency in Hz of every 10 ms."""
    return detect_pitch_frequency(torch.as_tensor(x, dtype=torch.float32), RATE, freq_low=low, freq_high=high).numpy()


# ------------------------------------------------------------------------------------------------ every sound


@tries(150)
@given(
    label=st.sampled_from(CLASSES),
    domain=st.sampled_from(DOMAINS),
    seed=st.integers(0, 2**32),
    duration=st.one_of(st.floats(0.1, 1), st.floats(0.1, 10)),
)
def test_every_event_is_clean(label, domain, seed, duration):
    x = Voices(domain).event(label, duration, np.random.default_rng(seed))
    again = Voices(domain).event(label, duration, np.random.default_rng(seed))
    assert x.dtype == np.float32 and x.ndim == 1 and np.isfinite(x).all()
    assert np.abs(x).max() == pytest.approx(1)
    assert 0 < len(x) <= round(duration * RATE)
    assert x.tobytes() == again.tobytes()
    # No silence at the ends, by the rule that recorded events are cut with: 20 ms within 40 dB of the loudest 20 ms.
    frames = librosa.util.frame(np.pad(x, (0, max(0, 320 - len(x)))), frame_length=320, hop_length=80)
    energy = (frames.astype(float) ** 2).sum(axis=0)
    assert min(energy[0], (x[-320:].astype(float) ** 2).sum()) > 1e-4 * energy.max()
    assert abs(x[0]) < 0.3 and abs(x[-1]) < 0.3  # and no clicks there


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("label", CONTINUOUS)
def test_machines_and_liquids_last_as_long_as_asked(label, domain):
    for duration in (0.1, 1.0, 4.0):
        for x in draws(label, domain, duration):
            assert len(x) > 0.85 * duration * RATE


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("label", CONTINUOUS)
def test_machines_and_liquids_fill_their_labels(label, domain):
    """Nobody would say that they stop in between: no 100 ms is 10 dB softer than the rest, ends of 300 ms excepted."""
    source = Voices(domain)
    source.ranges["Blender"]["switch"] = ("steady",)
    for seed in range(20):
        x = source.event(label, 5.0, np.random.default_rng([seed, 6]))
        middle = x[4800:-4800]
        level = 10 * np.log10((middle[: len(middle) // 1600 * 1600].reshape(-1, 1600) ** 2).mean(axis=1))
        assert level.min() > np.median(level) - 10
        ends = [10 * np.log10((part**2).mean()) for part in (x[3200:4800], x[-4800:-3200])]
        assert min(ends) > np.median(level) - 20


@pytest.mark.parametrize("label", ["Dog", "Cat"])
def test_a_long_event_is_a_series_of_calls(label):
    """Calls up to the asked end, with pauses between them."""
    for x in draws(label, "synthetic", 6.0):
        assert len(x) > 0.9 * 6.0 * RATE
        level = np.sqrt((x[: len(x) // 800 * 800].reshape(-1, 800) ** 2).mean(axis=1))
        assert np.count_nonzero(np.diff((level > 0.003).astype(int)) == -1) >= 2


@tries(40)
@given(domain=st.sampled_from(DOMAINS), seed=st.integers(0, 2**32), duration=st.floats(0.1, 10))
def test_every_background_has_exactly_the_asked_length(domain, seed, duration):
    x = Voices(domain).background(duration, np.random.default_rng(seed))
    assert x.dtype == np.float32 and x.shape == (round(duration * RATE),) and np.isfinite(x).all()
    assert np.abs(x).max() == pytest.approx(1)
    assert x.tobytes() == Voices(domain).background(duration, np.random.default_rng(seed)).tobytes()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("label", CLASSES)
def test_two_draws_are_two_recordings(label, domain):
    """Not one sound with other noise: the mean spectra differ, too."""
    means = np.array([log_mel(x).mean(axis=1) for x in draws(label, domain, 2.0)])
    means -= means.mean(axis=1, keepdims=True)
    differences = [np.abs(a - b).mean() for i, a in enumerate(means) for b in means[:i]]
    assert np.median(differences) > 1.0  # dB


@pytest.mark.parametrize("extra", sorted(backgrounds.EXTRAS))
def test_every_extra_of_the_background(extra):
    ranges = {**Voices("real").ranges["background"], "extra": (extra,)}
    x = backgrounds.room(2.0, np.random.default_rng(0), ranges)
    assert x.shape == (32000,) and np.isfinite(x).all()


def test_wrong_input_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(SedError, match="'Dogs'.*did you mean 'Dog'"):
        Voices("real").event("Dogs", 1.0, rng)
    for wrong in (("studio",), ("real", "studio")):
        with pytest.raises(SedError, match="'studio' is not one of synthetic, real"):
            Voices(*wrong)
    for duration in (0.05, 0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SedError, match="0.1 s or more"):
            Voices("real").event("Dog", duration, rng)
        with pytest.raises(SedError, match="0.1 s or more"):
            Voices("real").background(duration, rng)


def test_ranges_are_complete_and_real_is_the_wider_domain():
    assert set(RANGES) == {*CLASSES, "background"} and set(voices.VOICES) == set(CLASSES)
    for label, rows in RANGES.items():
        for name, (synthetic, real) in rows.items():
            if isinstance(synthetic[0], str):
                assert set(synthetic) <= set(real), (label, name)
            else:
                assert synthetic[0] <= synthetic[1] and real[0] <= real[1], (label, name)
                ends = np.array([synthetic, real])  # on the scale on which they are drawn
                widths = np.diff(np.log(ends) if name in LOGARITHMIC else ends)[:, 0]
                assert widths[1] > widths[0], (label, name)
                assert max(synthetic[0], real[0]) <= min(synthetic[1], real[1]), (label, name)


# ------------------------------------------------------------------------------------------------ one clip


@tries(30)
@given(seed=st.integers(0, 2**32), domain=st.sampled_from(DOMAINS))
def test_a_clip_has_one_individual_of_each_class(seed, domain):
    source = Voices(domain)
    clip = source.of_clip(np.random.default_rng(seed))
    assert clip.ranges == source.of_clip(np.random.default_rng(seed)).ranges
    assert clip.ranges["background"] == source.ranges["background"]
    assert source.ranges == Voices(domain).ranges  # is not changed
    for label in CLASSES:
        for name, whole in source.ranges[label].items():
            part = clip.ranges[label][name]
            if isinstance(whole[0], str):
                assert len(part) == 1 and part[0] in whole
            else:
                whole, part = np.log([whole, part]) if name in LOGARITHMIC else np.array([whole, part])
                assert part[1] - part[0] == pytest.approx(0.18 * (whole[1] - whole[0]))
                assert whole[0] - 1e-9 <= part[0] and part[1] <= whole[1] + 1e-9


def test_a_clip_is_its_own_whatever_is_asked_first_and_travels():
    clip = Voices("real").of_clip(np.random.default_rng(3))
    travelled = pickle.loads(pickle.dumps(clip))
    travelled.event("Cat", 1.0, np.random.default_rng(0))
    a, b = (source.event("Dog", 1.0, np.random.default_rng(1)) for source in (clip, travelled))
    assert a.tobytes() == b.tobytes()


def test_one_dog_barks_alike():
    """The pitch of two barks of one dog differs less than that of two dogs."""

    def spread(sources):
        means = [log_mel(s.event("Dog", 1.0, np.random.default_rng(i))).mean(axis=1) for i, s in enumerate(sources)]
        return np.std(np.array(means) - np.mean(means, axis=1, keepdims=True), axis=0).mean()

    source = Voices("real")
    one = np.mean([spread([source.of_clip(np.random.default_rng(seed))] * 8) for seed in range(6)])
    assert one < 0.75 * spread([source] * 24)


def test_backgrounds_may_come_from_the_other_domain():
    mixed = Voices("synthetic", background="real")
    assert mixed.ranges == {**Voices("synthetic").ranges, "background": Voices("real").ranges["background"]}


# ------------------------------------------------------------------------------------------------ what they sound like


def flatness(x):
    """Mean spectral flatness over frames that sound: 1 for white noise, 0 for a sine."""
    return float(np.median(librosa.feature.spectral_flatness(y=x)))


def crest(x):
    return float(np.abs(x).max() / np.sqrt(np.mean(x**2)))


@pytest.mark.parametrize("domain", DOMAINS)
def test_tonal_and_noisy_classes(domain):
    median = {
        label: np.median([flatness(x) for x in draws(label, domain, 2.0, 12)])
        for label in ("Alarm_bell_ringing", "Cat", "Frying", "Vacuum_cleaner")
    }
    assert max(median["Alarm_bell_ringing"], median["Cat"]) < 0.1 * min(median["Frying"], median["Vacuum_cleaner"])


@pytest.mark.parametrize("domain", DOMAINS)
def test_transient_and_steady_classes(domain):
    median = {
        label: np.median([crest(x) for x in draws(label, domain, 3.0, 12)])
        for label in ("Dog", "Dishes", "Vacuum_cleaner", "Electric_shaver_toothbrush")
    }
    assert min(median["Dog"], median["Dishes"]) > 1.2 * median["Vacuum_cleaner"]
    assert median["Dishes"] > 1.5 * median["Electric_shaver_toothbrush"]


@pytest.mark.parametrize("pitch", [90, 150, 260])
def test_speech_has_the_stated_pitch(pitch):
    ranges = {**Voices("synthetic").ranges["Speech"], "pitch": (pitch, pitch)}
    found = []
    for seed in range(4):
        x = calls.speech(2.0, np.random.default_rng(seed), ranges)
        f0 = pitch_of(x, 60, 500)
        loud = librosa.feature.rms(y=x, frame_length=320, hop_length=160)[0][: len(f0)]
        found.append(np.median(f0[: len(loud)][loud > 0.5 * loud.max()]))
    assert abs(12 * np.log2(np.median(found) / pitch)) < 2.5  # semitones


def test_speech_has_the_rhythm_of_syllables():
    """The level changes at 2 to 8 Hz far more than a vacuum cleaner's."""

    def modulation(x):
        level = librosa.feature.rms(y=x, frame_length=512, hop_length=160)[0]
        spectrum = np.abs(np.fft.rfft(level / level.mean() - 1)) / len(level)
        f = np.fft.rfftfreq(len(level), 0.01)
        return spectrum[(f > 2) & (f < 8)].sum()

    speech, vacuum = ([modulation(x) for x in draws(label, "real", 4.0)] for label in ("Speech", "Vacuum_cleaner"))
    assert min(speech) > max(vacuum) and np.median(speech) > 4 * np.median(vacuum)


def test_a_cat_glides():
    ranges = {**Voices("synthetic").ranges["Cat"], "pitch": (600, 600), "arc": (1.5, 1.5), "length": (0.8, 0.8)}
    x = calls.cat(0.8, np.random.default_rng(1), ranges)
    f0 = pitch_of(x, 250, 900)
    assert np.percentile(f0, 90) / np.percentile(f0, 5) > 1.15
    assert f0.max() == pytest.approx(600, rel=0.12)


# ------------------------------------------------------------------------------------------------ what they are made of


def test_oscillator_plays_its_harmonics():
    x = signals.oscillate(np.full(RATE, 200.0), np.array([1.0, 0.0, 0.5]))
    spectrum = np.abs(np.fft.rfft(x)) / RATE
    assert np.sqrt(np.mean(x**2)) == pytest.approx(1, rel=1e-3)
    assert spectrum[600] == pytest.approx(0.5 * spectrum[200], rel=1e-2)
    assert np.delete(spectrum, [200, 600]).max() < 1e-3 * spectrum[200]


def test_filter_with_gain_one_changes_nothing_and_a_step_cuts():
    x = signals.white_noise(5000, np.random.default_rng(0))
    np.testing.assert_allclose(signals.shape(x, np.ones(257)), x, atol=1e-5)
    low = signals.shape(x, (signals.FREQUENCIES < 2000).astype(float))
    power = np.abs(np.fft.rfft(low)) ** 2
    f = np.fft.rfftfreq(len(low), 1 / RATE)
    assert power[f > 2200].sum() < 1e-3 * power[f < 1800].sum()


def test_filter_changes_at_the_stated_times():
    n = RATE
    x = np.ones(n, np.float32)
    early = (signals.frame_times(n) < 0.5)[:, None] * np.ones(257)
    y = signals.shape(x, early)
    np.testing.assert_allclose(y[:7000], 1, atol=1e-5)
    np.testing.assert_allclose(y[9000:], 0, atol=1e-5)


def test_resonance_has_the_gain_of_its_quality():
    """At its centre a resonator gains centre / bandwidth, at 0 Hz nothing."""
    gain = signals.resonances(np.array([1000.0]), np.array([50.0]))
    assert gain[np.argmin(np.abs(signals.FREQUENCIES - 1000))] == pytest.approx(20, rel=1e-3)
    assert gain[0] == pytest.approx(1, rel=1e-3)


def test_modes_decay_to_one_e_th():
    x = signals.modes(np.array([1000.0, 8500.0]), np.array([0.1, 1.0]), np.array([1.0, 1.0]), 0.3)
    t = np.arange(len(x)) / RATE
    np.testing.assert_allclose(x, np.exp(-t / 0.1) * np.sin(2 * np.pi * 1000 * t), atol=1e-3)  # 8.5 kHz left out


def test_scatter_adds_and_cuts_at_the_end():
    sound = np.array([1.0, 2.0, 3.0], np.float32)
    out = signals.scatter(5, np.array([0.0, 1 / RATE, 4 / RATE]), [1.0, 10.0, 1.0], [sound] * 3)
    assert out.tolist() == [1, 12, 23, 30, 1]


def test_bubble_of_a_millimetre_sings_at_minnaerts_pitch():
    """3.26 m/s over the radius; without rise it stays there."""

    def pitch(radius, rise):
        return np.argmax(np.abs(np.fft.rfft(voices._bubble(radius, rise), RATE)))

    assert pitch(1.0, 0.0) == pytest.approx(3260, rel=0.01)
    assert pitch(2.0, 0.0) == pytest.approx(1630, rel=0.01)
    assert pitch(1.0, 0.3) > 1.05 * pitch(1.0, 0.0)


# ------------------------------------------------------------------------------------------------ the gap


def log_mel(x):
    mel = librosa.feature.melspectrogram(
        y=np.pad(x, (0, max(0, 2048 - len(x)))), sr=RATE, n_fft=2048, hop_length=512, n_mels=32, power=1
    )
    return librosa.amplitude_to_db(mel, ref=np.max, top_db=40)


def test_synthetic_alone_loses_on_real_and_is_far_above_chance():
    synthetic, real = [Voices("synthetic")], [Voices("real")]
    at_home, abroad = accuracy(confusion(synthetic, synthetic, 15)), accuracy(confusion(synthetic, real, 15))
    assert at_home > 0.85
    assert 0.4 < abroad < at_home - 0.15


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings beside the repository")
def test_recordings_name_voices_and_voices_name_recordings():
    """Chance is 0.1; one half of the recordings names the other with about 0.65 (``python -m bench voices``)."""
    bank, both = [RecordedVoices(RECORDINGS)], [Voices(domain) for domain in DOMAINS]
    assert accuracy(confusion(bank, both, 20)) > 0.5
    assert accuracy(confusion(both, bank, 20)) > 0.4
