"""Solids that rays cross: ellipsoids and trunks, and how long a ray is in them.

A ray crosses a solid from `near` to `far`; where it misses, `far` is not greater than
`near`. Both are in mm of t, so `(far - near) * rays.stretch` is the path in mm.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from rds_phantoms.view import Rays, View

Stretch = tuple[np.ndarray, np.ndarray]  # near and far, `(H, W)` float32 mm of t
FINER = 5  # sections looked up for one that is given
CORNERS = np.array(list(itertools.product((-1, 1), repeat=3)))


def cross(solid, view: View, rays: Rays, inside=None) -> Stretch:
    """Return where all rays of a view enter and leave a solid, in mm of t.

    Only rays near its shadow are followed, and of a large film every second one: a
    detector blurs edges more than that. What does not pass near the shadow of a solid
    `inside` is left out too.
    """
    if rays.half is not None:
        near, far = cross(solid, view.halve(), rays.half, inside)
        return view.double(near), view.double(far)
    near, far = np.zeros((2, *view.shape), "float32")
    part = view.find_part(solid.make_box())
    if inside is not None:
        part = _overlap(part, view.find_part(inside.make_box()))
    if near[part].size:
        near[part], far[part] = solid.cross(rays.crop(part))
    return near, far


def _overlap(first: tuple, second: tuple) -> tuple[slice, slice]:
    """Return the part that two parts of an image have in common, maybe an empty one."""
    return tuple(
        slice(max(a.start, b.start), max(a.start, b.start, min(a.stop, b.stop)))
        for a, b in zip(first, second, strict=True)
    )


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with axes along those of the body.

    Attributes:
        centre: `(3,)` mm.
        radii: `(3,)` mm.
    """

    centre: np.ndarray
    radii: np.ndarray

    def make_box(self) -> np.ndarray:
        """Return the corners of a box around it, `(8, 3)` mm."""
        return np.asarray(self.centre) + CORNERS * np.asarray(self.radii)

    def cross(self, rays: Rays) -> Stretch:
        """Return where rays enter and leave, `(H, W)` float32 mm of t."""
        scale = [np.float32(1 / radius) for radius in self.radii]
        point = [
            (p - np.float32(c)) * s
            for p, c, s in zip(rays.point, self.centre, scale, strict=True)
        ]
        step = [d * s for d, s in zip(rays.step, scale, strict=True)]
        a = step[0] ** 2 + step[1] ** 2 + step[2] ** 2
        b = point[0] * step[0] + point[1] * step[1] + point[2] * step[2]
        c = point[0] ** 2 + point[1] ** 2 + point[2] ** 2 - 1
        return _solve(a, b, c)


def _solve(a, b, c) -> Stretch:
    """Solve `a t^2 + 2 b t + c = 0`; without a solution both are the same."""
    half = b * b
    half -= a * c
    np.maximum(half, 0, out=half)
    np.sqrt(half, out=half)
    a = 1 / a
    half *= a
    middle = b * a
    np.negative(middle, out=middle)
    return middle - half, middle + half


class Trunk:
    """Elliptical sections, stacked along the y axis of the body.

    Args:
        top: float, y of the first section in mm.
        pitch: float, mm between sections.
        x: `(N,)` mm, middle of each section.
        z: `(N,)` mm, middle of each section.
        right: `(N,)` mm, half width to the infant's right of the middle.
        left: `(N,)` mm, half width to its left.
        depth: `(N,)` mm, half depth. A section with a width or depth of 0 is empty;
            what is not lies in one piece, with flat ends.
        refine: bool. A ray climbs through several sections: the one at the middle
            gives a first answer, and the sections at its two ends correct it, with
            how they grow there.
    """

    def __init__(self, top, pitch, *, x, z, right, left, depth, refine=True):
        """Keep the sections; see the class for the arguments."""
        self.top, self.pitch, self.refine = float(top), float(pitch), refine
        full = np.broadcast_arrays(x, z, right, left, depth)
        x, z, right, left, depth = self.profile = np.array(full, "float64")
        full = (right + left > 0) & (depth > 0)
        self.middle = float(np.mean(z[full])) if full.any() else 0.0
        self.reach = 0.5 * float(depth.max())  # no end lies further off than this
        known = np.flatnonzero(full)
        ends = (known[0] - 0.5, known[-1] + 0.5) if known.size else (0.0, 0.0)
        self._ends = [np.float32(self.top + self.pitch * end) for end in ends]
        self._sections = self._tabulate(full)

    def _tabulate(self, full: np.ndarray) -> np.ndarray:
        """Return finer sections `(M, 10)`: x, z, 1 / width^2, and how they grow a mm.

        One row a section, so that all of it is looked up at once. The growth of a
        width is that of its square, as a share of it.
        """
        known = np.flatnonzero(full) if full.any() else np.arange(len(full))
        fine = (np.arange(FINER * len(full)) + 0.5) / FINER - 0.5
        x, z, *widths = (np.interp(fine, known, c[known]) for c in self.profile)
        squares = [np.maximum(one, 1e-3) ** 2 for one in widths]
        growth = [np.gradient(one, self.pitch / FINER) for one in (x, z, *squares)]
        shares = [one / square for one, square in zip(growth[2:], squares, strict=True)]
        growth = [*growth[:2], *shares]
        sections = [x, z, *(1 / one for one in squares), *growth]
        return np.stack(sections, -1).astype("float32")

    def make_box(self) -> np.ndarray:
        """Return the corners of a box around it, `(8, 3)` mm."""
        x, z, right, left, depth = self.profile
        full = np.flatnonzero((right + left > 0) & (depth > 0))
        if not full.size:
            return np.zeros((8, 3))
        ends = self.top + self.pitch * (full[[0, -1]] + (-0.5, 0.5))
        low = (x - right)[full].min(), ends[0], (z - depth)[full].min()
        high = (x + left)[full].max(), ends[1], (z + depth)[full].max()
        low, high = np.array(low), np.array(high)
        return (low + high) / 2 + CORNERS * (high - low) / 2

    def grow(self, margin_mm: float) -> "Trunk":
        """Return a trunk that is wider and deeper by a margin in mm."""
        x, z, right, left, depth = self.profile
        more = np.where((right + left > 0) & (depth > 0), margin_mm, 0)
        right, left, depth = (np.maximum(one + more, 0) for one in (right, left, depth))
        return Trunk(
            self.top,
            self.pitch,
            x=x,
            z=z,
            right=right,
            left=left,
            depth=depth,
            refine=self.refine,
        )

    def at(self, y: float | np.ndarray) -> np.ndarray:
        """Return x, z, right, left and depth of the sections at y, `(5, ...)` mm."""
        rows = (np.asarray(y) - self.top) / self.pitch
        count = np.arange(self.profile.shape[1])
        return np.array([np.interp(rows, count, column) for column in self.profile])

    def cross(self, rays: Rays) -> Stretch:
        """Return where rays enter and leave, `(H, W)` float32 mm of t."""
        near, far = self._cross_cylinder(rays, np.float32(self.middle))
        if self.refine:
            near, far = self._correct(rays, near, far)
        return common((near, far), self._cross_ends(rays))

    def _correct(self, rays: Rays, near, far) -> Stretch:
        """Correct both ends by the sections there.

        Where the section of one end is missed, that of the other answers for both;
        a ray that misses both only seemed to hit. Where a section is so flat that its
        cone runs away, the first answer stays.
        """
        hit, most = far > near, np.float32(self.reach)
        low = self._cross_cone(rays, near)
        high = self._cross_cone(rays, far)
        meets_low, meets_high = (one[1] > one[0] for one in (low, high))
        first = np.where(meets_low, low[0], high[0])
        last = np.where(meets_high, high[1], low[1])
        first = np.where(np.abs(first - near) < most, first, near)
        last = np.where(np.abs(last - far) < most, last, far)
        hit &= meets_low | meets_high
        return np.where(hit, first, 0), np.where(hit, last, 0)

    def _cross_ends(self, rays: Rays) -> Stretch:
        """Cross the space between both flat ends."""
        rise = rays.step[1]
        steep = np.where(np.abs(rise) < 1e-6, np.float32(1e-6), rise)
        first, second = ((end - rays.point[1]) / steep for end in self._ends)
        return np.minimum(first, second), np.maximum(first, second)

    def _find_rows(self, rays: Rays, t) -> np.ndarray:
        """Return the finer section that each ray meets at `t`."""
        rows = rays.step[1] * t
        rows += rays.point[1]
        # A finer section reaches half of itself up and down.
        rows -= np.float32(self.top - 0.5 * self.pitch)
        rows *= np.float32(FINER / self.pitch)
        return rows.astype("intp")

    def _cross_cylinder(self, rays: Rays, t) -> Stretch:
        """Cross the endless cylinder of the section at `t` of each ray."""
        found = self._sections[:, :5].take(self._find_rows(rays, t), 0, mode="clip")
        x, z, right, left, depth = np.moveaxis(found, -1, 0)
        dx, dz = rays.step[0], rays.step[2]
        px, pz = rays.point[0] - x, rays.point[2] - z
        width = np.where(px + z * dx < 0, right, left)
        across, along = dx * width, dz * depth
        a = across * dx
        a += along * dz
        across *= px
        across += along * pz  # the mixed term
        px *= px
        px *= width
        pz *= pz
        pz *= depth
        px += pz
        px -= 1
        return _solve(a, across, px)

    def _cross_cone(self, rays: Rays, t) -> Stretch:
        """Cross the section at `t` of each ray, growing as it does there.

        With the squares of width and depth straight along the ray,
        `px^2 / width^2 + pz^2 / depth^2 = 1` times `width^2` is a quadratic equation,
        but for the difference of their growths, which is taken at `t`.
        """
        found = self._sections.take(self._find_rows(rays, t), 0, mode="clip")
        x, z, right, left, depth, *growth = np.moveaxis(found, -1, 0)
        dx, sy, dz = rays.step
        px, pz = rays.point[0] + t * dx - x, rays.point[2] + t * dz - z
        is_right = px < 0
        width = np.where(is_right, right, left)
        wider = np.where(is_right, growth[2], growth[3])
        dx, dz = dx - growth[0] * sy, dz - growth[1] * sy
        across, along = dx * width, dz * depth
        a = across * dx
        a += along * dz
        across *= px
        across += along * pz
        pz *= pz
        pz *= depth
        across -= (wider + pz * (growth[4] - wider)) * (0.5 * sy)
        px *= px
        px *= width
        px += pz
        px -= 1
        near, far = _solve(a, across, px)
        return near + t, far + t


@dataclass(frozen=True)
class Dome:
    """A cap that stands on a base: half of the diaphragm and the belly under it.

    Attributes:
        cap: Ellipsoid, of which the upper half shows.
        base: Trunk, from the middle of the cap on.
    """

    cap: Ellipsoid
    base: Trunk

    @property
    def top(self) -> float:
        """Highest point, y in mm."""
        return float(self.cap.centre[1] - self.cap.radii[1])

    def make_box(self) -> np.ndarray:
        """Return the corners of a box around it, `(8, 3)` mm."""
        both = np.vstack([self.cap.make_box(), self.base.make_box()])
        low, high = both.min(0), both.max(0)
        return (low + high) / 2 + CORNERS * (high - low) / 2

    def cross(self, rays: Rays) -> Stretch:
        """Return where rays enter and leave, `(H, W)` float32 mm of t."""
        return hull(self.cap.cross(rays), self.base.cross(rays))


def hull(first: Stretch, second: Stretch) -> Stretch:
    """Return the shortest stretch that holds two; a missed one counts as nothing."""
    both = (first[1] > first[0]) & (second[1] > second[0])
    near = np.where(both, np.minimum(first[0], second[0]), first[0])
    far = np.where(both, np.maximum(first[1], second[1]), first[1])
    missed = first[1] <= first[0]
    return np.where(missed, second[0], near), np.where(missed, second[1], far)


def common(first: Stretch, second: Stretch) -> Stretch:
    """Return the stretch that two have in common."""
    return np.maximum(first[0], second[0]), np.minimum(first[1], second[1])


def length(stretch: Stretch, removed: tuple | list = ()) -> np.ndarray:
    """Return how long a stretch is outside of others, `(H, W)` mm of t.

    Inclusion and exclusion: `|A - B - C| = |A - C| - |A and B - C|`.
    """
    if not removed:
        return np.maximum(stretch[1] - stretch[0], 0)
    first, *rest = removed
    outside = length(stretch, rest)
    outside -= length(common(stretch, first), rest)
    return np.maximum(outside, 0, out=outside)  # rounding
