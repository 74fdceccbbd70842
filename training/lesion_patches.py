"""Synthesise training patches: a real anatomy, another patient's lesions, a random scanner. PyTorch on CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn

from bids_app.image.white_matter import Relative, relative_to_white

SIDE = 96
REACH = 64  # half the block that a turned and scaled patch is taken from
FLAIR, T1W, GM, WM, CSF, PRIOR, BRAIN, DOUBT = range(8)
SAMPLE = 4000


@dataclass
class AnatomyFiles:
    """One anatomy's arrays (memory-mapped), and a sample of its brain voxels for whole-brain statistics."""

    name: str
    maps: np.ndarray
    shapes: np.ndarray
    real: np.ndarray | None
    sample: torch.Tensor

    @classmethod
    def open(cls, folder: Path, rng: np.random.Generator) -> AnatomyFiles:
        """Open an anatomy's folder."""
        maps = np.load(folder / "maps.npy", mmap_mode="r")
        shapes = np.load(folder / "shapes.npy", mmap_mode="r")
        real = np.load(folder / "real.npy", mmap_mode="r") if (folder / "real.npy").exists() else None
        inside = np.argwhere(maps[BRAIN] > 0.5)
        at = inside[rng.integers(len(inside), size=SAMPLE)]
        sample = torch.from_numpy(np.asarray(maps[:, at[:, 0], at[:, 1], at[:, 2]], dtype=np.float32))
        return cls(folder.name, maps, shapes, real, sample)


def uniform(rng, low, high):
    """Draw a float."""
    return float(rng.uniform(low, high))


def smooth_field(rng, knots: int) -> torch.Tensor:
    """Return a smooth random field of the patch's size with an SD of about 1."""
    coarse = torch.from_numpy(rng.normal(size=(1, 1, knots, knots, knots)).astype(np.float32))
    return nn.interpolate(coarse, size=(SIDE,) * 3, mode="trilinear", align_corners=True)[0, 0] * 1.3


def blur(data: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur (c, x, y, z) with a Gaussian of `sigma` voxels."""
    if sigma < 0.2:
        return data
    half = max(1, int(2.5 * sigma + 0.5))
    x = torch.arange(-half, half + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    out = data[:, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(x)
        pad = [0, 0, 0]
        pad[axis] = half
        out = nn.conv3d(out, kernel.reshape(shape), padding=pad)
    return out[:, 0]


def place(rng, anatomy: AnatomyFiles, lesions: np.ndarray | None) -> tuple[slice, ...]:
    """Choose the block a patch is cut from, more often than not around a lesion."""
    shape = np.array(anatomy.maps.shape[1:])
    points = None
    if lesions is not None and rng.random() < 0.65:
        thinned = np.argwhere(lesions[::2, ::2, ::2] > 0) * 2
        points = thinned if len(thinned) else None
    if points is not None:
        centre = points[rng.integers(len(points))] + rng.integers(-24, 25, 3)
    else:
        centre = rng.integers(SIDE // 2 - 12, shape - SIDE // 2 + 13)
    centre = np.clip(centre, 12, shape - 12)
    return tuple(slice(c - REACH, c + REACH) for c in centre)


def cut(data: np.ndarray, box: tuple[slice, ...]) -> torch.Tensor:
    """Cut a block, zero outside the array."""
    low = [max(s.start, 0) for s in box]
    high = [min(s.stop, n) for s, n in zip(box, data.shape[1:], strict=True)]
    block = np.zeros((data.shape[0], *(s.stop - s.start for s in box)), np.float32)
    to = tuple(slice(a - s.start, b - s.start) for a, b, s in zip(low, high, box, strict=True))
    block[(slice(None), *to)] = data[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))]
    return torch.from_numpy(block)


def turned(rng, block: torch.Tensor) -> torch.Tensor:
    """Turn, scale, mirror left and right, and crop to the patch."""
    angles = np.deg2rad(rng.normal(0, 7, 3))
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix = matrix * rng.uniform(0.88, 1.14, 3) * (SIDE / (2 * REACH))
    if rng.random() < 0.5:
        matrix[2] = -matrix[2]  # grid_sample orders coordinates (z, y, x): the last row is x
    theta = torch.from_numpy(np.hstack([matrix, np.zeros((3, 1))]).astype(np.float32))[None]
    grid = nn.affine_grid(theta, (1, 1, SIDE, SIDE, SIDE), align_corners=False)
    return nn.grid_sample(block[None], grid, align_corners=False)[0]


def recontrast(rng, maps: torch.Tensor, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give FLAIR and T1w another contrast; the sample of the brain gets the same."""
    flair_to = (1.0, uniform(rng, 0.72, 0.98), uniform(rng, 0.1, 0.6))
    white = uniform(rng, 1.05, 1.6)
    t1w_to = (1.0, white, uniform(rng, 0.2, 0.7))
    out = [data.clone() for data in (maps, sample)]
    for channel, to in ((FLAIR, flair_to), (T1W, t1w_to)):
        weights = sample[[GM, WM, CSF]] ** 2
        now = (weights * sample[channel]).sum(1) / weights.sum(1).clamp_min(1e-3)
        if rng.random() < 0.45:
            share = uniform(rng, 0.3, 1.0)
            texture = uniform(rng, 0.4, 1.2)
            shift = [
                share * (b - float(a) * texture) + (1 - share) * float(a) * (1 - texture)
                for a, b in zip(now, to, strict=True)
            ]
            for data in out:
                moved = sum(s * data[k] for s, k in zip(shift, (GM, WM, CSF), strict=True))
                data[channel] = torch.where(data[BRAIN] > 0.5, data[channel] * texture + moved, data[channel])
        power = uniform(rng, 0.75, 1.35)
        for data in out:
            data[channel] = data[channel].clamp_min(0) ** power
    return out[0], out[1]


def paint(
    rng, maps: torch.Tensor, sample: torch.Tensor, shape: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint lesions; return the share of lesion and the maps."""
    field = smooth_field(rng, 6)
    soft = blur(shape[None], uniform(rng, 0.0, 0.9))[0]
    allowed = (1 - maps[CSF]).clamp(0, 1) * (2 * blur(maps[WM][None], 1.0)[0]).clamp(0, 1)
    lesion = (soft + 0.08 * smooth_field(rng, 20)).clamp(0, 1) * (soft > 0.05) * (allowed > 0.35)
    lesion = ((lesion - 0.25) * 2).clamp(0, 1)
    weight = sample[GM] ** 2
    grey = float((weight * sample[FLAIR]).sum() / weight.sum().clamp_min(1e-3))
    level = grey * (1 + (uniform(rng, 0.10, 0.65) + uniform(rng, 0.03, 0.15) * field).clamp(0.04, 1.0))
    texture = 1 + 0.05 * smooth_field(rng, 24)
    maps = maps.clone()
    maps[FLAIR] = maps[FLAIR] * (1 - lesion) + torch.maximum(maps[FLAIR], level * texture) * lesion
    dark = (uniform(rng, 0.55, 0.98) + 0.1 * smooth_field(rng, 5)).clamp(0.3, 1.02)
    maps[T1W] = maps[T1W] * (1 - lesion * (1 - dark))
    if rng.random() < 0.4:  # a haze around lesions that raters leave out
        haze = (
            (blur(lesion[None], uniform(rng, 1.5, 4))[0] * 1.5).clamp(0, 1)
            * (1 - lesion)
            * (1 - maps[CSF]).clamp(0, 1)
        )
        maps[FLAIR] = maps[FLAIR] + grey * uniform(rng, 0.02, 0.12) * haze
    return lesion, maps


def distract(rng, maps: torch.Tensor, sample: torch.Tensor, lesion: torch.Tensor) -> torch.Tensor:
    """Brighten what is no lesion: flow in fluid, cortex, the brain's edge, caps of the ventricles."""
    grey = float((sample[GM] ** 2 * sample[FLAIR]).sum() / (sample[GM] ** 2).sum().clamp_min(1e-3))
    away = 1 - lesion
    if rng.random() < 0.35:
        spots = ((smooth_field(rng, int(rng.integers(8, 20))) - 1.3) * 2).clamp(0, 1)
        where = (maps[CSF] - 0.3).clamp(0, 1) * maps[BRAIN]
        maps[FLAIR] = maps[FLAIR] + grey * uniform(rng, 0.2, 1.4) * spots * where * away
    if rng.random() < 0.35:
        spots = ((smooth_field(rng, int(rng.integers(5, 20))) - 0.8) * 2).clamp(0, 1)
        where = (maps[GM] - 0.2).clamp(0, 1) * (1 - maps[WM]).clamp(0, 1)
        maps[FLAIR] = maps[FLAIR] + grey * uniform(rng, 0.1, 0.6) * spots * where * away
    if rng.random() < 0.35:
        inner = -nn.max_pool3d(-maps[BRAIN][None], 7, 1, 3)[0]
        rim = (maps[BRAIN] - inner).clamp(0, 1) * (1 - maps[WM]).clamp(0, 1)
        maps[FLAIR] = (
            maps[FLAIR]
            + grey * uniform(rng, 0.1, 0.8) * rim * (smooth_field(rng, 5) + 0.3).clamp(0, 1) * away
        )
    if rng.random() < 0.3:
        near = blur(maps[CSF][None], uniform(rng, 1.5, 3))[0] * maps[WM]
        maps[FLAIR] = maps[FLAIR] + grey * uniform(rng, 0.05, 0.35) * near * away
    return maps


def acquire(rng, images: torch.Tensor) -> torch.Tensor:
    """Give (2, x, y, z) thick slices, blur, a bias field and noise."""
    out = images
    through = int(rng.choice([2, 2, 2, 1, 0]))
    both = rng.random() < 0.5
    for channel in range(2):
        thick = [1, 1, 1]
        if channel == 0 or both or rng.random() < 0.4:
            thick[through] = int(rng.choice([1, 1, 2, 3, 3, 4, 5]))
            if rng.random() < 0.2:
                thick = [max(2, t) for t in thick]
        one = out[channel : channel + 1]
        if rng.random() < 0.5:
            one = blur(one, uniform(rng, 0.2, 0.8))
        offset = [int(rng.integers(t)) for t in thick]
        if max(thick) > 1:
            pad = [
                p
                for t, o in zip(reversed(thick), reversed(offset), strict=True)
                for p in (o, (-SIDE - o) % t)
            ]
            padded = nn.pad(one[None], pad, mode="replicate")
            low = nn.avg_pool3d(padded, thick)
            if rng.random() < 0.8:
                low = low + uniform(rng, 0, 0.06) * torch.from_numpy(
                    rng.normal(size=low.shape).astype(np.float32)
                )
            back = nn.interpolate(low, size=padded.shape[2:], mode="trilinear", align_corners=False)[0]
            one = back[
                :, offset[0] : offset[0] + SIDE, offset[1] : offset[1] + SIDE, offset[2] : offset[2] + SIDE
            ]
        out = torch.cat([out[:channel], one, out[channel + 1 :]])
    field = torch.stack([torch.exp(uniform(rng, 0, 0.08) * smooth_field(rng, 3)) for _ in range(2)])
    noise = torch.from_numpy(rng.normal(size=out.shape).astype(np.float32))
    sd = uniform(rng, 0, 0.05) if rng.random() < 0.8 else uniform(rng, 0.05, 0.15)
    return (out * field + sd * noise).clamp_min(0)


def jittered_brain(rng, brain: torch.Tensor) -> torch.Tensor:
    """Return the brain mask, at times a voxel or two too wide or too tight."""
    choice = rng.random()
    if choice < 0.2:
        return nn.max_pool3d(brain[None], 3, 1, 1)[0]
    if choice < 0.4:
        size = 3 if choice < 0.3 else 5
        return -nn.max_pool3d(-brain[None], size, 1, size // 2)[0]
    return brain


def make_patch(rng, anatomy: AnatomyFiles, real_share: float) -> dict[str, np.ndarray | None]:
    """Return a block: `flair`, `t1w` (None in a third), `brain`, `prior`, `gm`, `lesion` and `known`."""
    real = anatomy.real is not None and rng.random() < real_share
    if real:
        box = place(rng, anatomy, anatomy.real[2])
        drawn = cut(anatomy.real, box)
    else:
        which = rng.integers(len(anatomy.shapes))
        blank = rng.random() < 0.1
        box = place(rng, anatomy, None if blank else anatomy.shapes[which])
        drawn = cut(anatomy.shapes[which : which + 1], box) * (0.0 if blank else 1 / 255)
        if not blank and rng.random() < 0.3:
            other = rng.integers(len(anatomy.shapes))
            drawn = torch.maximum(drawn, cut(anatomy.shapes[other : other + 1], box) / 255)
    block = turned(rng, torch.cat([cut(anatomy.maps, box), drawn]))
    maps, sample = block[:8], anatomy.sample
    known = maps[DOUBT] < 0.1
    if real:
        maps = torch.cat([block[8:10], maps[2:]])
        lesion = block[10]
        maps, sample = recontrast_gently(rng, maps, sample)
    else:
        maps, sample = recontrast(rng, maps, sample)
        lesion, maps = paint(rng, maps, sample, block[8])
        maps = distract(rng, maps, sample, lesion)
        known = known | (lesion > 0.5)
    images = acquire(rng, maps[[FLAIR, T1W]]).numpy()
    return {
        "flair": images[0],
        "t1w": images[1] if rng.random() > 0.33 else None,
        "brain": jittered_brain(rng, maps[BRAIN]).numpy() > 0.5,
        "prior": maps[PRIOR].numpy(),
        "gm": maps[GM].numpy(),
        "lesion": (lesion > 0.5).numpy(),
        "known": known.numpy(),
    }


def relative_images(block: dict[str, np.ndarray | None]) -> tuple[Relative, Relative | None]:
    """Return a block's FLAIR and T1w relative to white matter; VisitError where it has too little of it."""
    place = (block["brain"], block["prior"], block["gm"])
    flair = relative_to_white(block["flair"], *place, "FLAIR")
    return flair, None if block["t1w"] is None else relative_to_white(block["t1w"], *place, "T1w")


def recontrast_gently(rng, maps: torch.Tensor, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Bend the intensities of a real image by a power."""
    maps, sample = maps.clone(), sample.clone()
    for channel in (FLAIR, T1W):
        power = uniform(rng, 0.8, 1.25)
        maps[channel], sample[channel] = (
            maps[channel].clamp_min(0) ** power,
            sample[channel].clamp_min(0) ** power,
        )
    return maps, sample
