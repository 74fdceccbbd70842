"""A supply of patches: processes draw them, on CPU or accelerator; the trainer keeps the last ones and mirrors them."""

from __future__ import annotations

import queue
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lesion_scans import SIDE, Head, Real, chance, real, synthetic, uniform
from torch import multiprocessing

MAPS = ("flair", "t1w", "brain", "lesion", "weight")
SHAPE = (len(MAPS), SIDE, SIDE, SIDE)
PLACES = (3, SIDE // 2, SIDE // 2, SIDE // 2)
SLOTS = 64  # patches that wait for the trainer
KEPT = 256  # patches that it draws from
USES = 4  # of a patch
FOREVER = 1_000_000
LEAST_BRAIN = 0.05  # of a patch


@dataclass
class Batch:
    """Patches: `maps` (n, 5, x, y, z) in the order of `MAPS`, `place` (n, 3, x/2, y/2, z/2)."""

    maps: torch.Tensor
    place: torch.Tensor


def cells(image: torch.Tensor) -> torch.Tensor:
    """Turn (..., x, y, z) into (..., 8, x/2, y/2, z/2)."""
    *rest, x, y, z = image.shape
    n = len(rest)
    split = image.reshape(*rest, x // 2, 2, y // 2, 2, z // 2, 2)
    order = [*range(n), n + 1, n + 3, n + 5, n, n + 2, n + 4]
    return split.permute(order).reshape(*rest, 8, x // 2, y // 2, z // 2)


def draw(heads: list[Head], patients: list[Real], share: float):
    """Draw a patch that holds some brain; return it and whose it is ("" for a synthetic scan)."""
    while True:
        one = patients[np.random.randint(len(patients))] if patients and chance(share) else None
        patch = synthetic(heads) if one is None else real(one)
        if patch.brain.mean() > LEAST_BRAIN:
            return patch, "" if one is None else one.name


def work(device: str, seed: int, store: str, heads, patients, share, free, ready) -> None:
    """Draw patches into free slots of the store until ended."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_default_device(device)
    torch.manual_seed(seed)
    np.random.seed(seed)
    heads, patients = [one.to(device) for one in heads], [one.to(device) for one in patients]
    maps, places = opened(store, "r+")
    while True:
        slot = free.get()
        patch, name = draw(heads, patients, share)
        maps[slot] = torch.stack([getattr(patch, map_name) for map_name in MAPS]).half().cpu().numpy()
        places[slot] = cells(patch.place).mean(1).half().cpu().numpy()
        ready.put((slot, name))


def opened(store: str, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Open the slots, which the processes share."""
    sides = {"maps": SHAPE, "places": PLACES}
    return tuple(
        np.memmap(Path(store) / name, np.float16, mode, shape=(SLOTS, *side)) for name, side in sides.items()
    )


class Supply:
    """Starts the processes, and hands out batches.

    Parameters
    ----------
    heads, patients : list
        What patches are drawn from, patients with a chance of `share`.
    workers : list of str
        The device of each process.
    device : str
        Where batches lie.
    seed : int
        Of the first process; the next has the next.
    """

    def __init__(self, heads, patients, share: float, workers: list[str], device: str, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.free, self.ready = context.Queue(), context.Queue()
        self.folder = tempfile.TemporaryDirectory()
        self.slots = opened(self.folder.name, "w+")
        self.maps = torch.zeros(KEPT, *SHAPE, dtype=torch.float16, device=device)
        self.places = torch.zeros(KEPT, *PLACES, dtype=torch.float16, device=device)
        self.names, self.uses, self.drawn = [""] * KEPT, np.full(KEPT, FOREVER), 0
        for slot in range(SLOTS):
            self.free.put(slot)
        for one in (*heads, *patients):
            one.share()
        self.processes = [
            context.Process(target=work, daemon=True, args=(
                where, seed + number, self.folder.name, heads, patients, share, self.free, self.ready))
            for number, where in enumerate(workers)
        ]  # fmt: skip
        for process in self.processes:
            process.start()

    def _take(self, wait: bool) -> bool:
        """Keep one more patch in place of the most used one, if there is one."""
        try:
            slot, name = self.ready.get(timeout=600 if wait else 0.0005)
        except queue.Empty:
            return False
        at = int(np.argmax(self.uses))
        self.maps[at] = torch.from_numpy(self.slots[0][slot])
        self.places[at] = torch.from_numpy(self.slots[1][slot])
        self.free.put(slot)
        self.names[at], self.uses[at] = name, 0
        self.drawn += 1
        return True

    def refresh(self, least: int) -> None:
        """Take in what has been drawn; wait until that many patches are there that are not used up."""
        for _ in range(SLOTS):
            if not self._take(wait=(self.uses < USES).sum() < least):
                break

    def batch(self, count: int, without: tuple[str, ...] = ()) -> Batch:
        """Return `count` patches of none of the patients `without`; half are mirrored, all a bit brighter or darker."""
        usable = np.array([name not in without for name in self.names]) & (self.uses < FOREVER)
        fresh = np.flatnonzero(usable & (self.uses < USES))
        pool = fresh if len(fresh) >= count else np.flatnonzero(usable)
        chosen = np.random.choice(pool, count, replace=len(pool) < count)
        self.uses[chosen] += 1
        at = torch.tensor(chosen, device=self.maps.device)
        maps, place = self.maps[at].float(), self.places[at].float()
        for k in range(count):
            if chance(0.5):
                maps[k], place[k] = maps[k].flip(1), place[k].flip(1)
                place[k, 0] *= -1
            for image in range(2):
                maps[k, image] = ((maps[k, image] + 1) * uniform(0.95, 1.05) - 1) * maps[k, 2]
        return Batch(maps, place)

    def stop(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.terminate()
        self.folder.cleanup()
