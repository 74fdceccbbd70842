"""An exact and fast grid search of RBF support vector machines over growing sets of ranked voxels.

scikit-learn's `GridSearchCV(SVC(kernel="rbf"))` computes every kernel value from all voxels, again for each
of the 81 settings and 10 folds. Here each squared distance is counted once, grown from one number of voxels
to the next, and every kernel is looked up from it. Distances between binary maps are integers, so a kernel
value is the same double that LIBSVM would compute, and each fit takes the same steps to the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array

VOXEL_BLOCK = 4096  # voxels per matrix product: 17 MB of float32 for 1,038 maps
# share of a product's terms that are not zero, up to which the sparse product is faster (measured at 0.4 to 8 % lesion)
SPARSE = 0.005
Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


Rows = npt.NDArray[np.intp]
Ranking = tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]
Kernel = Literal["rbf", "linear"]


class View(Protocol):
    """What scans look like once everything that must be learned was learned on the training scans alone."""

    @property
    def n_voxels(self) -> int:
        """Number of features that "all" means."""
        ...

    def ranking(self, train: Rows) -> Ranking:
        """Return statistic and order of the voxels (empty where features are not ranked voxels)."""
        ...

    def __call__(self, train: Rows, rows: Rows, sizes: Sequence[int]) -> Iterable[npt.NDArray[Any]]:
        """Yield, per size, squared distances (len(rows), len(train)); `rows` begin with `train`."""
        ...


def chi2_rank(
    maps: npt.NDArray[np.bool_], y: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Rank voxels by Pearson's chi-square test of lesion against class (study B, section 4.3).

    Parameters
    ----------
    maps : ndarray of bool, shape (n_scans, n_voxels)
        Lesion maps.
    y : array-like, shape (n_scans,)
        Two classes.

    Returns
    -------
    statistic : ndarray of float, shape (n_voxels,)
        Chi-square without continuity correction; 0 where all scans agree.
    order : ndarray of int, shape (n_voxels,)
        Voxels from the highest statistic to the lowest; ties by voxel index.

    Raises
    ------
    ValueError
        If `y` does not hold exactly two classes or its length is not `n_scans`.

    Notes
    -----
    Numerator and denominator are whole numbers that a double holds exactly (up to several thousand scans), so
    voxels with equal statistics are ties whatever their counts.

    Examples
    --------
    Four scans of two classes: the third voxel tells them apart.

    >>> import numpy as np
    >>> from demyelin import diagnosis
    >>> maps = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]], dtype=bool)
    >>> statistic, order = diagnosis.chi2_rank(maps, ["RRMS", "RRMS", "NMOSD", "NMOSD"])
    >>> statistic.tolist(), order.tolist()
    ([0.0, 0.0, 4.0], [2, 0, 1])
    """
    maps = np.asarray(maps)
    classes, code = np.unique(np.asarray(y), return_inverse=True)
    if len(classes) != 2 or len(code) != len(maps):
        raise ValueError(f"need one of two classes per map; got {len(classes)} classes, {len(code)} values")
    n, n_1 = len(code), int(code.sum())
    n_0 = n - n_1
    in_1 = np.count_nonzero(maps[code == 1], axis=0).astype(np.float64)
    with_lesion = in_1 + np.count_nonzero(maps[code == 0], axis=0)
    numerator = n * (n * in_1 - n_1 * with_lesion) ** 2
    denominator = n_1 * n_0 * with_lesion * (n - with_lesion)
    statistic = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return statistic, np.argsort(-statistic, kind="stable")


def binary_distances(
    a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], order: npt.NDArray[np.intp], sizes: Sequence[int]
) -> Iterator[npt.NDArray[np.int32]]:
    """Yield squared distances between binary maps over the first n voxels of `order`, for n in `sizes`.

    Parameters
    ----------
    a, b : ndarray of bool, shapes (n_a, n_voxels) and (n_b, n_voxels)
        Lesion maps.
    order : ndarray of int
        Voxels in order of rank.
    sizes : sequence of int
        Ascending numbers of voxels.

    Yields
    ------
    ndarray of int32, shape (n_a, n_b)
        Number of voxels, of the first n, in which two maps differ. The array is reused: copy it to keep it.
    """
    yield from _grown_distances(lesion_voxels(a)[:, order], lesion_voxels(b)[:, order], sizes)


def lesion_voxels(maps: npt.NDArray[np.bool_]) -> csc_array:
    """Return lesion maps as a sparse array of ones: hardly a voxel in a hundred is lesion."""
    return csc_array(maps, dtype=np.int32)


def _grown_distances(a: csc_array, b: csc_array, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield `binary_distances` of maps whose voxels are in order of rank."""
    differ = np.zeros((a.shape[0], b.shape[0]), np.int32)
    for start, stop, size_ends in _blocks(sizes):
        left, right = a[:, start:stop], b[:, start:stop]
        differ += left.sum(axis=1)[:, None] + right.sum(axis=1)[None, :] - 2 * _shared(left, right)
        if size_ends:
            yield differ


def _shared(left: csc_array, right: csc_array) -> npt.NDArray[np.int32]:
    """Return in how many voxels both of two maps have a lesion, for each pair of rows."""
    terms = np.diff(left.indptr).astype(np.int64) @ np.diff(right.indptr)
    if terms <= SPARSE * left.shape[0] * right.shape[0] * left.shape[1]:
        return (left @ right.T).toarray()
    dense = left.toarray().astype(np.float32) @ right.toarray().astype(np.float32).T
    return dense.astype(np.int32)  # counts below 2**24: exact in float32


def value_distances(
    a: npt.NDArray[np.floating],
    b: npt.NDArray[np.floating],
    order: npt.NDArray[np.intp],
    sizes: Sequence[int],
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield squared distances between maps of continuous values; as `binary_distances` but float64.

    Parameters
    ----------
    a, b : ndarray, (n, v) and (m, v)
        Maps, one a row.
    order : ndarray of int, (v,)
        Voxels from the first to the last that enters.
    sizes : sequence of int
        Numbers of voxels, ascending; an array (n, m) is yielded for each, the same one every time.
    """
    distance = np.zeros((len(a), len(b)))
    for start, stop, size_ends in _blocks(sizes):
        voxels = order[start:stop]
        left, right = a[:, voxels].astype(np.float64), b[:, voxels].astype(np.float64)
        squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :]
        distance += np.maximum(squares - 2 * (left @ right.T), 0)
        if size_ends:
            yield distance


def _blocks(sizes: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, stop, whether a size ends here) so that no block is longer than VOXEL_BLOCK."""
    start = 0
    for size in sizes:
        while start < size:
            stop = min(start + VOXEL_BLOCK, size)
            yield start, stop, stop == size
            start = stop


def kernel_values(distance: npt.NDArray[Any], gamma: float, kind: Kernel = "rbf") -> npt.NDArray[np.float64]:
    """Return a kernel from squared distances.

    `rbf` is exp(-gamma d), for integer d the very double that LIBSVM computes. `linear` is -gamma d / 2: it
    differs from gamma times the inner product by terms that cancel in a machine with an intercept.

    Parameters
    ----------
    distance : ndarray, (n, m)
        Squared distances.
    gamma : float
        Width of the kernel, in units of 1 over squared distance.
    kind : {"rbf", "linear"}
        Which kernel.
    """
    if kind == "linear":
        return -0.5 * gamma * distance
    if distance.dtype.kind != "i":
        return np.exp(-gamma * distance)
    # the C library's exp, as in LIBSVM: numpy's vectorised one differs in the last bit
    table = np.array([math.exp(-gamma * d) for d in range(int(distance.max(initial=0)) + 1)])
    return table[distance]


@dataclass(frozen=True)
class SizeModel:
    """The machine fitted on all training scans with one number of voxels."""

    C: float
    gamma: float
    kernel: Kernel
    machine: Any

    def decide(self, distance: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return decision values from squared distances to the training scans, (n, n_train) -> (n,)."""
        return self.machine.decision_function(kernel_values(distance, self.gamma, self.kernel))


def median_distance(distance: npt.NDArray[Any]) -> float:
    """Return the median over pairs of different scans of a square matrix; 1 where that is 0."""
    pairs = distance[np.triu_indices(len(distance), 1)]
    return float(np.median(pairs)) or 1.0


def grid_decisions(
    distance: npt.NDArray[Any],
    y: npt.NDArray[np.bool_],
    folds: Sequence[Fold],
    C: npt.NDArray[np.float64],
    gamma: npt.NDArray[np.float64],
    kind: Kernel = "rbf",
) -> npt.NDArray[np.float64]:
    """Return out-of-fold decision values for a whole grid, at one number of voxels.

    Parameters
    ----------
    distance : ndarray, shape (n, n)
        Squared distances.
    y : ndarray of bool, shape (n,)
        Class; true is the second class, called where the decision is not negative.
    folds : sequence of (train, test) indices
        Every test index at most once.
    C, gamma : ndarray
        Ascending values.
    kind : {"rbf", "linear"}
        Kernel; `linear` does not use gamma.

    Returns
    -------
    ndarray, shape (len(C), len(gamma), n)
        Decision values; NaN for scans in no test fold.
    """
    from sklearn import config_context

    out = np.full((len(C), len(gamma), len(y)), np.nan)
    fitted: dict[int, tuple[npt.NDArray[np.float32], list[Any]]] = {}
    with config_context(
        assume_finite=True, skip_parameter_validation=True
    ):  # both hold; a quarter of the time
        for j, value in enumerate(gamma):
            kernel = kernel_values(distance, value, kind)
            for k, (train, test) in enumerate(folds):
                inner = kernel[np.ix_(train, train)]
                fitted[k] = _fits(inner, y[train], C, fitted.get(k))
                outer = kernel[np.ix_(test, train)]
                for i, machine in enumerate(fitted[k][1]):
                    out[i, j, test] = machine.decision_function(outer)
    return out


def _fits(
    kernel: npt.NDArray[np.float64],
    y: npt.NDArray[np.bool_],
    C: npt.NDArray[np.float64],
    before: tuple[npt.NDArray[np.float32], list[Any]] | None,
) -> tuple[npt.NDArray[np.float32], list[Any]]:
    """Fit one machine per C, or return those of the gamma before where LIBSVM sees the same kernel."""
    seen = kernel.astype(np.float32)  # LIBSVM trains on the kernel in single precision
    if before is not None and np.array_equal(before[0], seen):
        return before
    return seen, [fit_machine(kernel, y, float(c)) for c in C]


def fit_machine(kernel: npt.NDArray[np.float64], y: npt.NDArray[np.bool_], C: float) -> Any:
    """Fit scikit-learn's SVC on a kernel matrix.

    Parameters
    ----------
    kernel : ndarray, (n, n)
        Kernel values between training scans.
    y : ndarray of bool, (n,)
        Class of each scan.
    C : float
        Penalty of scans on the wrong side.
    """
    from sklearn.svm import SVC

    return SVC(C=C, kernel="precomputed").fit(kernel, y)


def fit_size(
    distance: npt.NDArray[Any], y: npt.NDArray[np.bool_], C: float, gamma: float, kind: Kernel = "rbf"
) -> SizeModel:
    """Fit the machine of one number of voxels on all training scans.

    Parameters
    ----------
    distance : ndarray, (n, n)
        Squared distances between training scans.
    y : ndarray of bool, (n,)
        Class of each scan.
    C, gamma : float
        Penalty, and width of the kernel.
    kind : {"rbf", "linear"}
        Which kernel.
    """
    return SizeModel(C, gamma, kind, fit_machine(kernel_values(distance, gamma, kind), y, C))


@dataclass
class MapView:
    """Lesion maps that are what they are, voxels ranked by chi-square on the training scans.

    Attributes
    ----------
    maps : ndarray of bool, shape (n, n_voxels)
        Lesion maps.
    y : ndarray, shape (n,)
        Class of each scan; only those of training scans are used.
    """

    maps: npt.NDArray[np.bool_]
    y: npt.NDArray[Any]

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return self.maps.shape[1]

    def ranking(self, train: Rows) -> Ranking:
        """Return `chi2_rank` of the training scans."""
        return chi2_rank(self.maps[train], self.y[train])

    def __call__(self, train: Rows, rows: Rows, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.int32]]:
        """Yield squared distances per number of voxels."""
        ranked = self._lesions[:, self.ranking(train)[1]]
        return _grown_distances(ranked[rows], ranked[train], sizes)

    @cached_property
    def _lesions(self) -> csc_array:
        return lesion_voxels(self.maps)
