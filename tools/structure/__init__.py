"""Measures how the package is built, and holds it to bounds: who knows whom, who imports whom, how large.

    python -m tools.structure                  # this tree, with its worst places
    python -m tools.structure BEFORE AFTER     # two trees side by side
    python -m tools.structure --json           # every figure with all its places
    python -m tools.structure --check          # exit code 1 where a bound is broken; names the places

Everything is read from syntax trees; nothing is imported, so any tree can be measured, an old one too. What
lies in fbsearch/ is measured; import cycles are looked for in tools/ as well.
"""
