"""MiniDESED, the embedded data set: procedural voices, scenes, domains, and the generator that mixes them."""
