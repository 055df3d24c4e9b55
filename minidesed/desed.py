"""Numbers of DESED, for those who have not got its tables: what `statistics.facts` measures in them.

Counted in the public metadata of https://github.com/turpaultn/dcase20_task4 (see `SUBSETS`). The table of the synthetic
set of 2020 is published with its audio only; the set of 2019 stands for it. Paper section 2; taught in
``notebooks/01_data.py``.
"""

from __future__ import annotations

from io import StringIO

import pandas as pd

SUBSETS = {  # which table each subset's numbers come from, below dataset/metadata/
    "synthetic": "train/synthetic.tsv at commit da9fd15: the synthetic training set of DCASE 2019, 2045 clips",
    "weak": "train/weak.tsv, 1578 clips",
    "validation": "validation/validation.tsv, 1168 clips",
    "public": "eval/public.tsv, 692 clips",
}
# Of a class, as in `statistics.per_class`.
QUANTITIES = (
    *("clip_share", "events_per_clip", "events_per_clip_mean"),
    *("duration_25", "duration_50", "duration_75", "active_time"),
)

# Subset, class and `QUANTITIES`: share of the clips that hold the class; median and mean number of its events in such a
# clip; quartiles of their durations, s; median time in which it is heard in such a clip, s. Weak labels tell the first.
_CLASSES = """
synthetic  Alarm_bell_ringing          0.192      2   1.93  0.316  0.379  1.449   1.51
synthetic  Blender                     0.213      1   1.24  0.930  1.615  3.443   2.38
synthetic  Cat                         0.134      2   2.00  0.695  0.879  1.201   1.82
synthetic  Dishes                      0.217      1   1.83  0.250  0.371  0.687   0.69
synthetic  Dog                         0.156      1   1.62  0.334  0.481  1.212   0.98
synthetic  Electric_shaver_toothbrush  0.108      1   1.04  2.461  4.068  6.837   4.28
synthetic  Frying                      0.064      1   1.05  2.772  5.131  7.593   5.24
synthetic  Running_water               0.070      1   1.10  1.796  3.598  5.688   3.82
synthetic  Speech                      0.622      1   1.68  0.537  0.891  1.535   1.64
synthetic  Vacuum_cleaner              0.096      1   1.04  2.714  5.301  7.969   5.57
weak       Alarm_bell_ringing          0.130
weak       Blender                     0.085
weak       Cat                         0.110
weak       Dishes                      0.117
weak       Dog                         0.136
weak       Electric_shaver_toothbrush  0.065
weak       Frying                      0.108
weak       Running_water               0.217
weak       Speech                      0.349
weak       Vacuum_cleaner              0.106
validation Alarm_bell_ringing          0.160      1   2.25  0.517  1.029  2.321   3.68
validation Blender                     0.068      1   1.20  2.237  4.624  8.325   5.74
validation Cat                         0.104      3   2.82  0.562  0.853  1.336   3.21
validation Dishes                      0.146      3   3.32  0.250  0.384  0.670   1.48
validation Dog                         0.137      3   3.56  0.400  0.775  1.499   5.05
validation Electric_shaver_toothbrush  0.053      1   1.05  5.076  9.899 10.000   9.96
validation Frying                      0.076      1   1.06  6.621 10.000 10.000  10.00
validation Running_water               0.169      1   1.20  2.509  4.853  8.081   6.31
validation Speech                      0.537      3   2.80  0.685  1.145  1.900   3.78
validation Vacuum_cleaner              0.078      1   1.01  7.501 10.000 10.000  10.00
public     Alarm_bell_ringing          0.114      1   2.48  0.561  0.831  2.941   6.00
public     Blender                     0.105      1   1.15  2.790  5.955  8.123   6.92
public     Cat                         0.101      3   3.43  0.561  0.743  1.101   3.45
public     Dishes                      0.197      3   3.59  0.250  0.327  0.586   1.52
public     Dog                         0.118      5   5.38  0.255  0.388  0.795   3.05
public     Electric_shaver_toothbrush  0.121      1   1.29  2.333  5.758  8.367   7.59
public     Frying                      0.127      1   1.02  7.446 10.000 10.000  10.00
public     Running_water               0.133      1   1.18  2.252  7.848  9.913   8.99
public     Speech                      0.454      3   2.91  0.601  1.040  1.789   3.40
public     Vacuum_cleaner              0.136      1   1.02  7.682  9.082  9.954   9.10
"""

# Share of the clips without events, mean number of events in a clip, share of the time with 0, 1, 2 and more events.
_WHOLE = """
subset     without_events events_per_clip_mean events_0 events_1 events_2 events_3
synthetic           0.000                2.950    0.570    0.386    0.044    0.000
validation          0.013                3.627    0.328    0.586    0.083    0.003
public              0.000                3.996    0.241    0.668    0.089    0.002
"""

# Share of the clips that hold both classes, where that is at least 2 % in any subset.
_PAIRS = """
class                      other                       synthetic       weak validation     public
Alarm_bell_ringing         Dog                             0.034      0.004      0.005      0.009
Alarm_bell_ringing         Speech                          0.123      0.046      0.076      0.036
Blender                    Dishes                          0.065      0.003      0.012      0.017
Blender                    Speech                          0.138      0.054      0.047      0.078
Cat                        Dog                             0.027      0.002      0.003      0.003
Cat                        Speech                          0.081      0.011      0.027      0.038
Dishes                     Frying                          0.041      0.053      0.051      0.075
Dishes                     Running_water                   0.017      0.005      0.013      0.026
Dishes                     Speech                          0.155      0.061      0.107      0.130
Dog                        Speech                          0.109      0.018      0.049      0.036
Dog                        Vacuum_cleaner                  0.022      0.003      0.002      0.000
Electric_shaver_toothbrush Speech                          0.066      0.039      0.033      0.081
Frying                     Speech                          0.041      0.074      0.058      0.075
Running_water              Speech                          0.039      0.063      0.079      0.033
Speech                     Vacuum_cleaner                  0.051      0.029      0.027      0.038
"""


def facts(subset: str) -> pd.Series:
    """Return DESED's numbers of one of `SUBSETS`, in the form of `statistics.facts`."""
    classes = _read(_CLASSES, ["subset", "what", *QUANTITIES]).query("subset == @subset").drop(columns="subset")
    whole = _read(_WHOLE).query("subset == @subset").drop(columns="subset").assign(what="all")
    pairs = _read(_PAIRS)
    pairs = pd.DataFrame({"what": pairs["class"] + " + " + pairs["other"], "clip_share": pairs[subset]})
    rows = pd.concat([part.melt("what", var_name="quantity") for part in (classes, whole, pairs)]).dropna()
    return rows.set_index(["what", "quantity"])["value"]


def _read(text: str, columns: list[str] | None = None) -> pd.DataFrame:
    return pd.read_csv(StringIO(text), sep=r"\s+", names=columns)
