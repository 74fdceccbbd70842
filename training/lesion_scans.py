"""Random scans of labelled heads: contrast, lesions, what only looks like lesions, the scanner.

PyTorch on its default device.

A drawn patch is a `Patch`: FLAIR and T1w relative to the median of their brain (0 there and outside the brain), the
brain, where in the brain each voxel lies, and the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as nn

Tensor = torch.Tensor

SIDE = 96
OUT_OF_FOLD = (5, 17)  # bits of sub-07 and sub-26, whose images are among the real ones
SHAPES = tuple(bit for bit in range(20) if bit not in OUT_OF_FOLD)

WHITE, CORTEX, VENTRICLE, CEREBELLAR_WHITE, CEREBELLAR_CORTEX, THALAMUS, CAUDATE, PUTAMEN, PALLIDUM = range(
    1, 10
)
STEM, HIPPOCAMPUS, AMYGDALA, ACCUMBENS, DIENCEPHALON, FLUID = range(10, 16)
OUTSIDE = 16  # the first of the tissues outside the brain
GROUPS = {
    WHITE: (2, 41, 77, 85, 30, 62, 72, 25, 57, *range(251, 256)),
    CORTEX: (3, 42, 136, 137, 163, 164),
    VENTRICLE: (4, 43, 5, 44, 14, 15),
    CEREBELLAR_WHITE: (7, 46), CEREBELLAR_CORTEX: (8, 47), THALAMUS: (10, 49), CAUDATE: (11, 50),
    PUTAMEN: (12, 51), PALLIDUM: (13, 52), STEM: (16,), HIPPOCAMPUS: (17, 53), AMYGDALA: (18, 54),
    ACCUMBENS: (26, 58), DIENCEPHALON: (28, 60), FLUID: (24,),
}  # fmt: skip
KINDS = OUTSIDE + 32
# typical brightness, white matter 1, by group from background on
T1W = (0.02, 1.0, 0.70, 0.25, 0.95, 0.68, 0.86, 0.74, 0.80, 0.92, 0.93, 0.70, 0.68, 0.72, 0.95, 0.30)
FLAIR = (0.02, 1.0, 1.27, 0.32, 1.02, 1.22, 1.12, 1.22, 1.12, 1.0, 1.05, 1.38, 1.36, 1.25, 1.05, 0.35)
MAY_HOLD_LESIONS = (WHITE, CEREBELLAR_WHITE, STEM, DIENCEPHALON, THALAMUS)


@dataclass
class Patch:
    """One training example, each (x, y, z) but `place` (3, x, y, z)."""

    flair: Tensor
    t1w: Tensor
    brain: Tensor
    place: Tensor
    lesion: Tensor
    weight: Tensor


@dataclass
class Head:
    """A labelled head: groups (x, y, z) uint8, lesion shapes as bits, the box of the brain, where lesions lie."""

    groups: Tensor
    bits: Tensor
    box: Tensor
    near: np.ndarray
    sample: np.ndarray

    def share(self) -> None:
        """Let processes share the volumes."""
        self.groups.share_memory_()
        self.bits.share_memory_()

    def to(self, device: str) -> Head:
        """Return the head on a device."""
        return replace(
            self, groups=self.groups.to(device), bits=self.bits.to(device), box=self.box.to(device)
        )

    @classmethod
    def read(cls, folder: Path, number: int) -> Head:
        """Read one of the 20 label maps."""
        stem = folder / f"map-{number:02d}"
        labels = np.asarray(nib.load(f"{stem}_dseg.nii.gz").dataobj).astype(np.int16)
        bits = np.asarray(nib.load(f"{stem}_desc-lesionbits_dseg.nii.gz").dataobj).astype(np.int32)
        table = np.zeros(1024, np.uint8)
        for group, members in GROUPS.items():
            table[list(members)] = group
        for value in range(501, 531):
            table[value] = OUTSIDE + value - 500
        groups = np.ascontiguousarray(table[labels])
        inside = np.argwhere((groups > 0) & (groups < OUTSIDE))
        rng = np.random.default_rng(number)
        at = inside[rng.integers(len(inside), size=6000)]
        kept = sum(1 << bit for bit in SHAPES)
        near = np.argwhere((bits & kept) > 0)
        near = near[rng.integers(len(near), size=5000)].astype(np.int16)
        box = np.stack([inside.min(0), inside.max(0)]).astype(np.float32)
        return cls(
            torch.from_numpy(groups), torch.from_numpy(np.ascontiguousarray(bits & kept)), torch.from_numpy(box), near,
            groups[tuple(at.T)],
        )  # fmt: skip


@dataclass
class Real:
    """A patient: FLAIR, T1w, brain, lesions and their weight (5, x, y, z) float32; where lesions lie."""

    name: str
    maps: Tensor
    box: Tensor
    near: np.ndarray
    brain: np.ndarray
    thick: bool

    def share(self) -> None:
        """Let processes share the maps."""
        self.maps.share_memory_()

    def to(self, device: str) -> Real:
        """Return the patient on a device."""
        return replace(self, maps=self.maps.to(device), box=self.box.to(device))

    @classmethod
    def read(cls, path: Path) -> Real:
        """Read what `lesion_cache.py` wrote."""
        one = np.load(path)
        brain = one["maps"][2] > 0
        inside = np.argwhere(brain)
        box = np.stack([inside.min(0), inside.max(0)]).astype(np.float32)
        near = np.argwhere(one["maps"][3] > 0)
        maps = torch.from_numpy(one["maps"] / one["scale"][:, None, None, None])
        return cls(path.stem, maps, torch.from_numpy(box), near, inside[::101], bool(one["thick"]))


# --- small tools -----------------------------------------------------------------------------------------


def uniform(low: float, high: float) -> float:
    """Draw a number."""
    return low + (high - low) * np.random.random()


def chance(share: float) -> bool:
    """Say yes that often."""
    return np.random.random() < share


def whole(low: int, high: int) -> int:
    """Draw a whole number of at least `low` and below `high`."""
    return int(np.random.randint(low, high))


def field(knots: int, channels: int = 1) -> Tensor:
    """Return smooth random fields (channels, SIDE, SIDE, SIDE) with an SD of about 0.7."""
    coarse = torch.randn(1, channels, knots, knots, knots)
    return nn.interpolate(coarse, size=(SIDE,) * 3, mode="trilinear", align_corners=True)[0]


def blur(image: Tensor, sigma: list[float]) -> Tensor:
    """Blur (x, y, z) with a Gaussian of `sigma` voxels along each axis."""
    out = image[None, None]
    for axis, width in enumerate(sigma):
        if width < 0.2:
            continue
        half = max(1, int(2.5 * width + 0.5))
        x = torch.arange(-half, half + 1, dtype=torch.float32, device="cpu")
        out = along(out, torch.exp(-0.5 * (x / width) ** 2), axis)
    return out[0, 0]


def along(image: Tensor, kernel: Tensor, axis: int) -> Tensor:
    """Average along one axis by shifted sums (faster than a convolution on one thread)."""
    kernel, half = kernel / kernel.sum(), len(kernel) // 2
    pad = [0] * 6
    pad[2 * (2 - axis)] = pad[2 * (2 - axis) + 1] = half
    wide = nn.pad(image, pad, mode="replicate")
    size = image.shape[2 + axis]
    out = torch.zeros_like(image)
    for shift, share in enumerate(kernel.tolist()):
        out.add_(wide.narrow(2 + axis, shift, size), alpha=share)
    return out


def grid(centre: np.ndarray) -> Tensor:
    """Return voxel coordinates (SIDE, SIDE, SIDE, 3) of a turned, scaled, bent patch around `centre`."""
    matrix = np.eye(3)
    for axis in range(3):
        a, b = [k for k in range(3) if k != axis]
        angle, turn = uniform(-1, 1) * math.radians(13), np.eye(3)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    matrix = matrix @ np.diag(1 + np.random.uniform(-0.14, 0.14, 3))
    if chance(0.5):
        matrix[:, 0] *= -1
    line = torch.arange(SIDE, dtype=torch.float32) - (SIDE - 1) / 2
    points = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)
    points = points @ torch.tensor(matrix.T, dtype=torch.float32)
    if chance(0.6):
        points = points + field(5, 3).permute(1, 2, 3, 0) * uniform(0, 3.0)
    return points + torch.tensor(np.asarray(centre, dtype=np.float32))


def sampled(volume: Tensor, points: Tensor, mode: str) -> Tensor:
    """Return (channels, SIDE, SIDE, SIDE) of a volume at points; zero outside."""
    size = torch.tensor(volume.shape[1:], dtype=torch.float32)
    unit = (2 * points + 1) / size - 1
    return nn.grid_sample(volume[None], unit[..., [2, 1, 0]][None], mode=mode, align_corners=False)[0]


def nearest(volume: Tensor, points: Tensor) -> Tensor:
    """Return integer labels at points; 0 outside."""
    size = torch.tensor(volume.shape)
    at = points.round().long()
    inside = ((at >= 0) & (at < size)).all(-1)
    at = torch.minimum(at.clamp_min(0), size - 1)
    flat = (at[..., 0] * size[1] + at[..., 1]) * size[2] + at[..., 2]
    return volume.view(-1)[flat] * inside


def centred(points: np.ndarray, reach: int = 30) -> np.ndarray:
    """Return one of the points, moved at random."""
    return points[np.random.randint(len(points))] + np.random.randint(-reach, reach + 1, 3)


def placed(points: Tensor, box: Tensor) -> Tensor:
    """Return where in the brain's box each voxel is, -1 to 1, (3, x, y, z); a little wrong on purpose."""
    low, high = box[0] + torch.randn(3) * 3, box[1] + torch.randn(3) * 3
    return (2 * (points - low) / (high - low) - 1).permute(3, 0, 1, 2).clamp(-1.5, 1.5)


# --- the scanner -----------------------------------------------------------------------------------------


@dataclass
class Slices:
    """Thick slices along one axis."""

    axis: int
    thickness: float
    step: float
    offset: float

    @classmethod
    def draw(cls, share: float, thickest: float) -> Slices | None:
        """Draw slices, mostly axial; None where the image is isotropic."""
        if not chance(share):
            return None
        axis = 2 if chance(0.7) else whole(0, 2)
        step = math.exp(uniform(math.log(1.8), math.log(thickest)))
        return cls(axis, step * uniform(0.75, 1.0), step, uniform(0, 1))

    def acquire(self, image: Tensor) -> Tensor:
        """Average over each slice and interpolate between slices."""
        half = max(1, round(self.thickness / 2))
        x = torch.arange(-half, half + 1, dtype=torch.float32, device="cpu")
        profile = (self.thickness / 2 + 0.5 - x.abs()).clamp(0, 1) + 1e-3
        mean = along(image[None, None], profile, self.axis)[0, 0]
        centre = torch.arange(self.offset * self.step, SIDE - 1, self.step)
        low = centre.long().clamp(0, SIDE - 2)
        part = (centre - low).view([-1 if k == self.axis else 1 for k in range(3)])
        slices = mean.index_select(self.axis, low) * (1 - part) + mean.index_select(self.axis, low + 1) * part
        where = ((torch.arange(SIDE, dtype=torch.float32) - self.offset * self.step) / self.step).clamp(
            0, len(centre) - 1
        )
        low = where.long().clamp(0, max(len(centre) - 2, 0))
        part = (where - low).view([-1 if k == self.axis else 1 for k in range(3)])
        high = (low + 1).clamp_max(len(centre) - 1)
        return slices.index_select(self.axis, low) * (1 - part) + slices.index_select(self.axis, high) * part


def scanned(image: Tensor, slices: Slices | None, strength: float) -> Tensor:
    """Give an image a bias field, blur, slices and noise."""
    if chance(0.7):
        image = image * torch.exp(field(4)[0] * uniform(0, 0.22) * strength)
    if chance(0.85):
        image = blur(image, [uniform(0.2, 0.75) * strength for _ in range(3)])
    if chance(0.15 * strength):  # coarse voxels in the plane too
        for axis in range(3):
            step = uniform(1.3, 2.2)
            image = Slices(axis, step, step, uniform(0, 1)).acquire(image)
    if slices is not None:
        image = slices.acquire(image)
    if chance(0.15 * strength):
        image = damaged(image)
    noise = uniform(0, 0.06) * strength * (uniform(1, 6) if chance(0.25) else 1.0)
    if noise > 0.004:
        rough = torch.randn(SIDE, SIDE, SIDE) * noise
        if chance(0.5):
            rough = blur(rough, [0.6] * 3) * 2.2
        image = image + rough
    return image.clamp_min(0)


def damaged(image: Tensor) -> Tensor:
    """Lose slices, or make some brighter and darker in turn, as motion does."""
    axis, thick = whole(0, 3), whole(1, 4)
    factor = np.ones(SIDE, dtype=np.float32)
    if chance(0.5):
        for first in range(whole(0, 40), SIDE, whole(15, 50)):
            factor[first : first + thick] = 0
    else:
        first = whole(0, 60)
        for k in range(whole(4, 16)):
            at = first + k * thick
            factor[at : at + thick] = uniform(0.55, 0.95) if k % 2 else uniform(1.0, 1.2)
    return image * torch.tensor(factor).view([-1 if k == axis else 1 for k in range(3)])


def relative(image: Tensor, brain: Tensor, median: float) -> Tensor:
    """Return an image relative to the brain's median, a little wrong on purpose, bent by a power."""
    image = (image / max(median, 1e-3) * uniform(0.93, 1.07)).clamp(0, 4)
    return (image ** math.exp(uniform(-0.3, 0.3)) - 1).clamp(-1, 3) * brain


# --- synthetic scans -------------------------------------------------------------------------------------


def contrast(base: tuple[float, ...], dark_fluid: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and SD of each kind of tissue, near the usual contrast or (rarely) any."""
    mean, spread = np.zeros(KINDS), 0.01 + 0.035 * np.random.random(KINDS)
    usual = np.array(base)
    fluid = np.zeros(OUTSIDE, dtype=bool)
    fluid[[VENTRICLE, FLUID]] = True
    if chance(0.93):
        stretch = uniform(0.25, 1.5)
        inner = (1 + (usual - 1) * stretch) * (1 + 0.035 * np.random.randn(OUTSIDE))
        inner[fluid] = usual[fluid] * (uniform(0.2, 1.5) if dark_fluid else uniform(0.4, 1.8))
    else:
        inner = 0.2 + 1.1 * np.random.random(OUTSIDE)
        if dark_fluid:
            inner[fluid] = inner.min() * np.random.random()
    inner[0] = 0.02
    mean[:OUTSIDE] = inner
    mean[OUTSIDE:] = np.random.random(KINDS - OUTSIDE) * 1.8
    spread[OUTSIDE:] = 0.02 + 0.25 * np.random.random(KINDS - OUTSIDE)
    return mean.clip(0.01), spread


def lesion_shape(head: Head, points: Tensor, groups: Tensor) -> Tensor:
    """Return lesions, 0 to 1: those of one or two patients, in a part of the brain, and round ones.

    In a third of the scans they go on into the cortex that they reach.
    """
    lesion = torch.zeros(SIDE, SIDE, SIDE)
    may = torch.zeros(KINDS)
    may[list(MAY_HOLD_LESIONS)] = 1
    seeds = may[groups] > 0 if chance(0.4) else groups == WHITE
    if chance(0.35):
        may[[CORTEX, CEREBELLAR_CORTEX]] = 1
    if chance(0.88):
        bits = nearest(head.bits, points)
        for bit in np.random.choice(SHAPES, np.random.randint(1, 3), replace=False):
            lesion = torch.maximum(lesion, ((bits >> int(bit)) & 1).float())
        if chance(0.45):
            lesion = lesion * (field(7)[0] > uniform(-0.8, 0.7))
        if may[CORTEX] > 0:
            lesion = (blur(lesion, [uniform(0.8, 2.0)] * 3) > uniform(0.2, 0.45)).float()
    if chance(0.45):
        lesion = torch.maximum(lesion, dots(seeds, whole(1, 14), 3.6))
    if chance(0.2):
        lesion = torch.maximum(lesion, dots(seeds, whole(1, 4), 8.0))
    lesion = lesion * may[groups]
    soft = blur(lesion, [uniform(0.4, 0.9)] * 3) + 0.12 * field(32)[0] * lesion
    return soft.clamp(0, 1)


def dots(seeds: Tensor, count: int, largest: float) -> Tensor:
    """Return ellipsoids of 1 to `largest` mm radius around some of the seeds."""
    out = torch.zeros(SIDE, SIDE, SIDE)
    flat = torch.nonzero(seeds.view(-1))[:, 0]
    if not len(flat):
        return out
    for at in flat[np.random.randint(len(flat), size=count)].tolist():
        centre = np.array([at // SIDE**2, at // SIDE % SIDE, at % SIDE])
        radius = math.exp(uniform(0, math.log(largest))) * np.random.uniform(0.7, 1.3, 3)
        low, high = np.maximum(centre - 11, 0), np.minimum(centre + 12, SIDE)
        far = 0
        for axis in range(3):
            line = (np.arange(low[axis], high[axis]) - centre[axis]) / radius[axis]
            far = far + np.expand_dims(line**2, tuple(k for k in range(3) if k != axis))
        part = out[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        part.copy_(torch.maximum(part, torch.tensor(far < 1).float()))
    return out


def dirty(flair: Tensor, groups: Tensor, grey: float, lesion: Tensor) -> Tensor:
    """Brighten what is no lesion: rims, caps and septum of the ventricles, plexus, vessels, cortex, white matter."""
    ventricle, white = (groups == VENTRICLE).float(), groups == WHITE
    extra = torch.zeros_like(flair)
    near = None
    if chance(0.6):
        near = blur(ventricle, [uniform(1.0, 2.6)] * 3)
        patchy = (field(6)[0] + uniform(0, 1)).clamp(0, 1.2)
        extra = extra + near * white * patchy * uniform(0, 0.9)
    if chance(0.35):  # septum and fornix: thin tissue with fluid on both sides
        wide = blur(ventricle, [3.0, 2.0, 2.0])
        extra = extra + ((wide - 0.45) * 4).clamp(0, 1) * (1 - ventricle) * uniform(0, 0.5)
    if chance(0.45):  # plexus, flow
        spots = ((field(whole(8, 24))[0] - uniform(0.4, 1.0)) * 3).clamp(0, 1)
        extra = extra + spots * ventricle * uniform(0.2, 1.3)
    if chance(0.4):  # vessels and flow in the sulci
        spots = ((field(whole(12, 30))[0] - uniform(0.5, 1.0)) * 3).clamp(0, 1)
        extra = extra + spots * (groups == FLUID) * uniform(0.2, 1.4)
    if chance(0.5):
        spots = ((field(whole(6, 22))[0] - uniform(0, 0.8)) * 2).clamp(0, 1)
        cortex = (groups == CORTEX) | (groups == HIPPOCAMPUS) | (groups == AMYGDALA)
        extra = extra + spots * cortex * uniform(0.05, 0.5)
    if chance(0.5):
        extra = extra + field(whole(3, 12))[0] * white * uniform(0, 0.07)
    return flair + grey * extra * (1 - lesion)


def brain_mask(groups: Tensor) -> Tensor:
    """Return a brain mask as good and as bad as stripping makes it."""
    tissue = ((groups > 0) & (groups < OUTSIDE)).float()
    kind = uniform(0, 1)
    if kind < 0.45:  # little outer fluid
        inner = tissue * (groups != FLUID)
        tissue = tissue * (blur(inner, [2.0] * 3) > uniform(0.15, 0.55))
    elif kind < 0.6:  # dura and skull left in at places
        wide = blur(tissue, [3.0] * 3) > uniform(0.1, 0.4)
        tissue = torch.maximum(tissue, wide * (field(5)[0] > uniform(-0.2, 1.0)))
    if chance(0.3):
        tissue = (blur(tissue, [1.0] * 3) > uniform(0.3, 0.75)).float()
    return tissue


def looked_up(table: np.ndarray, groups: Tensor) -> Tensor:
    """Return each voxel's value by its group."""
    return torch.tensor(table, dtype=torch.float32)[groups]


def synthetic(heads: list[Head]) -> Patch:
    """Draw a synthetic scan of a labelled head."""
    head = heads[np.random.randint(len(heads))]
    corner = head.box.cpu().numpy()
    centre = (
        centred(head.near)
        if chance(0.7)
        else corner[0] + (corner[1] - corner[0]) * np.random.uniform(0.15, 0.85, 3)
    )
    points = grid(centre)
    groups = nearest(head.groups, points).long()
    lesion = lesion_shape(head, points, groups)
    brain = brain_mask(groups)
    texture = 1 + 0.12 * field(24)[0]
    images, medians = [], []
    for base in (FLAIR, T1W):
        mean, spread = contrast(base, base is FLAIR)
        image = looked_up(mean, groups) + looked_up(spread, groups) * torch.randn(SIDE, SIDE, SIDE)
        white, grey = float(mean[WHITE]), float(mean[CORTEX])
        if base is FLAIR:
            image = dirty(image, groups, grey, lesion)
            # the faintest are as bright as grey matter, or less
            least = max(white, grey) * uniform(0.9, 1.08)
            level = max(white * 1.1, least) * (1 + uniform(0.0, 0.65)) * (1 + 0.12 * field(6)[0])
        else:
            level = white - (white - grey) * uniform(0.0, 1.6) * texture
        image = image * (1 - lesion) + (level * texture).clamp_min(0.02) * lesion
        images.append(image)
        medians.append(float(np.median(mean[head.sample])))
    slices = Slices.draw(0.65, 8.0)
    same = chance(0.6)
    flair = scanned(images[0], slices, 1.0)
    t1w = scanned(images[1], slices if same else Slices.draw(0.4, 6.0), 1.0)
    drawn = lesion if slices is None else slices.acquire(lesion)
    return Patch(
        relative(flair, brain, medians[0]), relative(t1w, brain, medians[1]), brain, placed(points, head.box),
        (drawn > 0.5).float() * (brain > 0), torch.ones_like(flair),
    )  # fmt: skip


# --- real scans ------------------------------------------------------------------------------------------


def real(one: Real) -> Patch:
    """Draw a patch of a patient, turned, bent and scanned again."""
    centre = centred(one.near) if len(one.near) and chance(0.7) else centred(one.brain)
    points = grid(centre)
    maps = sampled(one.maps, points, "bilinear")
    brain = (maps[2] > 0.5).float()
    lesion = maps[3]
    slices = None if one.thick else Slices.draw(0.5, 7.0)
    if slices is not None:
        lesion = slices.acquire(lesion)
    flair = scanned(maps[0], slices, 0.5)
    t1w = scanned(maps[1], slices if chance(0.6) else None, 0.5)
    if chance(0.3):
        brain = brain * (blur(brain, [1.5] * 3) > uniform(0.3, 0.7))
    return Patch(
        relative(flair, brain, 1.0), relative(t1w, brain, 1.0), brain, placed(points, one.box),
        (lesion > 0.5).float() * brain, maps[4].clamp_min(1.0),
    )  # fmt: skip
