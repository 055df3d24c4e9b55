"""``python -m bench [part]...``: run the named benchmarks, or all."""

import importlib
import os
import sys

import torch

PARTS = "data voices pcen explorer mixing training steps adversarial cost metrics hmm".split()

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(f"{os.cpu_count()} cores, torch {torch.__version__} with {torch.get_num_threads()} threads")
    for part in sys.argv[1:] or PARTS:
        print(f"\n{part}")
        importlib.import_module(f"bench.{part}").main()
