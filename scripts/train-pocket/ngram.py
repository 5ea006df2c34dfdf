"""A 5-gram model with interpolated Kneser-Ney smoothing over the same tokens: the bar that the target has to clear."""

import numpy as np

ORDER = 5


def lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """values of the wanted keys, 0 where a key is absent; keys are sorted."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)


def grams(ids: np.ndarray, order: int, vocab: int) -> np.ndarray:
    """Every run of `order` tokens as one number, the oldest token first (6144**5 fits into 63 bits)."""
    keys = np.zeros(len(ids) - order + 1, np.int64)
    for i in range(order):
        keys = keys * vocab + ids[i : len(ids) - order + 1 + i]
    return keys


class KneserNey:
    def __init__(self, ids: np.ndarray, vocab: int):
        self.vocab, self.levels = vocab, []
        above = None
        for order in range(ORDER, 0, -1):
            if above is None:
                keys, counts = np.unique(grams(ids, order, vocab), return_counts=True)
            else:
                # Lower orders count in how many different contexts a run was seen, not how often.
                keys, counts = np.unique(above % vocab**order, return_counts=True)
            contexts, first, kinds = np.unique(keys // vocab, return_index=True, return_counts=True)
            totals = np.add.reduceat(counts, first)
            once, twice = (counts == 1).sum(), (counts == 2).sum()
            discount = once / (once + 2 * twice) if order > 1 else 0.5
            self.levels.insert(0, (keys, counts, contexts, totals, kinds, discount))
            above = keys

    def losses(self, ids: np.ndarray) -> np.ndarray:
        """-log p of ids[ORDER-1:], each given the four tokens before it."""
        p = np.full(len(ids) - ORDER + 1, 1 / self.vocab)
        for order, (keys, counts, contexts, totals, kinds, discount) in enumerate(self.levels, 1):
            wanted = grams(ids, order, self.vocab)[ORDER - order :]
            count = lookup(keys, counts, wanted)
            total, kind = (lookup(contexts, v, wanted // self.vocab) for v in (totals, kinds))
            seen = np.maximum(total, 1)
            smoothed = np.maximum(count - discount, 0) / seen + discount * kind / seen * p
            p = np.where(total > 0, smoothed, p)
        return -np.log(p)
