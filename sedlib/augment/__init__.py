"""Dynamic mixing and augmentation (paper section 3.2, lesson 02)."""

from sedlib.augment.bank import Bank, Sound, open_bank
from sedlib.augment.effects import EFFECTS, draw_effect
from sedlib.augment.mixing import Background, Change, Mixture, Source, change, draw, draw_change, events, render, stems
from sedlib.augment.specaugment import gaussian_noise, mask, views
