"""Nothing like the source: `mini-signals`, spectrograms of calls and machines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.miniature.world.camera import develop
from zsc_utils.miniature.world.creatures import SIDE, column, ramp, triangle
from zsc_utils.miniature.world.factors import draw_columns, quarters
from zsc_utils.miniature.world.opening import mini_dataset, opened_stream
from zsc_utils.miniature.world.streams import grains

NAME = "mini-signals"
TIME = (np.arange(SIDE) / SIDE)[None, None, :]
PITCH = (1 - np.arange(SIDE) / SIDE)[None, :, None]

# Each: slope, curvature, vibrato depth, vibrato rate, overtones, pulses a second (0: steady),
# share of a pulse that sounds, line width (of the whole band).
SIGNALS = {
    "tone": (0.0, 0.0, 0.0, 0, 1, 0, 1.0, 0.012),
    "rising sweep": (0.6, 0.0, 0.0, 0, 1, 0, 1.0, 0.014),
    "falling sweep": (-0.6, 0.0, 0.0, 0, 1, 0, 1.0, 0.014),
    "arch": (0.0, -1.6, 0.0, 0, 1, 0, 1.0, 0.014),
    "warble": (0.0, 0.0, 0.1, 4, 1, 0, 1.0, 0.014),
    "trill": (0.0, 0.0, 0.05, 9, 2, 0, 1.0, 0.012),
    "chirps": (0.8, 0.0, 0.0, 0, 1, 4, 0.5, 0.016),
    "beeps": (0.0, 0.0, 0.0, 0, 2, 5, 0.4, 0.016),
    "clicks": (0.0, 0.0, 0.0, 0, 1, 7, 0.12, 0.9),
    "chord": (0.0, 0.0, 0.02, 3, 4, 0, 1.0, 0.01),
    "moan": (0.15, -0.8, 0.02, 2, 4, 0, 1.0, 0.014),
    "hiss": (0.0, 0.0, 0.0, 0, 1, 2, 0.6, 0.3),
}
# Colour maps at silence, half and full power.
PALETTES = {
    "grey": ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "ice": ((0.02, 0.03, 0.1), (0.2, 0.45, 0.7), (0.95, 1.0, 1.0)),
    "phosphor": ((0.0, 0.03, 0.0), (0.1, 0.55, 0.2), (0.8, 1.0, 0.8)),
    "magma": ((0.0, 0.0, 0.02), (0.72, 0.21, 0.47), (0.99, 0.99, 0.75)),
}
FACTORS = ("pitch", "steepness", "tempo", "phase", "loudness", "noise", "hum", "palette")


def signal_factors(indices: np.ndarray) -> pd.DataFrame:
    """Draw the factors of images: `signal` by position in `SIGNALS`, others in [0, 1)."""
    return draw_columns(NAME, 0, indices, FACTORS).assign(signal=indices % len(SIGNALS))


def signal_labels(indices: np.ndarray) -> pd.DataFrame:
    """Name signals, palettes and the quarters of the other factors; one row an image."""
    factors = signal_factors(indices)
    told = {name: quarters(factors[name]) for name in FACTORS[:-1]}
    palettes = np.array(list(PALETTES))[(factors["palette"] * len(PALETTES)).astype(int)]
    signals = np.array(list(SIGNALS))[factors["signal"]]
    return pd.DataFrame({"signal": signals, **told, "palette": palettes})


def render_signals(indices: np.ndarray) -> np.ndarray:
    """Render spectrograms, uint8 (n, 64, 64, 3): time to the right, pitch upwards."""
    factors = signal_factors(indices)
    power = _power(factors)
    static = grains(f"{NAME} static", 0, indices, SIDE * SIDE).reshape(power.shape) / 255.0
    # Products of uniform noise are speckled, as the power of noise in a spectrogram is.
    power += column(0.05 + 0.35 * factors["noise"].to_numpy()) * static * static[:, ::-1, ::-1]
    hum = np.clip(1 - np.abs(PITCH - 0.08) / 0.03, 0, 1)
    power += column(0.6 * np.maximum(factors["hum"].to_numpy() - 0.5, 0)) * hum
    return _colour(np.clip(power, 0, 1), factors["palette"].to_numpy())


def _power(factors: pd.DataFrame) -> np.ndarray:
    """Power of the signals alone, (n, 64, 64)."""
    kinds = np.array(list(SIGNALS.values()))[factors["signal"].to_numpy()]
    slope, curve, depth, rate, overtones, pulses, duty, width = (column(c) for c in kinds.T)
    pitch, steep, tempo, phase, loud = (column(factors[f].to_numpy()) for f in FACTORS[:5])
    steep, tempo = 0.7 + 0.6 * steep, 0.75 + 0.5 * tempo
    beat = np.maximum(pulses, 1) * tempo * TIME + phase
    within = np.where(pulses > 0, beat - np.floor(beat), TIME)
    middle = within - 0.5
    # A parabola through every half period stands for a sine: only exact arithmetic.
    wave = triangle(rate * tempo * TIME + phase)
    wave = wave * (2 - np.abs(wave))
    travel = steep * (slope * middle * np.where(pulses > 0, 0.6, 1) + curve * middle**2)
    base = np.where(overtones > 2, 0.14 + 0.14 * pitch, 0.3 + 0.4 * pitch) + travel + depth * wave
    sounding = np.clip((duty - within) * 24, 0, 1) * np.clip(within * 24 + (pulses == 0), 0, 1)
    power = np.zeros((len(kinds), SIDE, SIDE))
    for overtone in range(1, 5):
        distance = np.abs(PITCH - base * overtone) / (width + 0.012)
        line = np.clip(1.5 - distance, 0, 1) * (overtones >= overtone)
        power += line / overtone**0.5
    return power * np.where(pulses > 0, sounding, 1) * (0.45 + 0.55 * loud)


def _colour(power: np.ndarray, palette: np.ndarray) -> np.ndarray:
    maps = np.array(list(PALETTES.values()))[(palette * len(PALETTES)).astype(int)]
    return develop(ramp(maps.swapaxes(0, 1), power))


@mini_dataset("mini-signals", version=1)
def mini_signals(root: Path, partition: str):
    """Open spectrograms."""
    return opened_stream(render_signals, signal_labels, partition)
