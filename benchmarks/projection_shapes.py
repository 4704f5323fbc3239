"""Shapes whose path along a ray is known, and meshes of them and of a thorax.

Used by `benchmarks/projection_oracle.py`. Every shape has

    chord(source, direction)  its path in mm, from geometry alone, in double precision
    clear(source, direction)  whether a ray keeps clear of its flat ends
    ours(where)               the path that `rds_phantoms` computes, or None
    mesh()                    a mesh of it, by `trimesh`
"""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import solids, tubes, view

ROUND = 180  # points around a tube or a section


def make_rays(where: view.View, fine: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the focus `(3,)` and unit directions `(H, W, 3)` in body mm, float64.

    From the definition of a view, not from its own rays; `fine` by `fine` a pixel.
    """
    height, width = where.shape
    u, v = np.meshgrid(
        (np.arange(width * fine) + 0.5) / fine - where.centre_px[0],
        (np.arange(height * fine) + 0.5) / fine - where.centre_px[1],
    )
    middle = (np.array([width, height]) / 2 - where.centre_px) * where.spacing_mm
    focus = np.array([*middle, view.SOURCE_MM])
    points = np.stack([u * where.spacing_mm, v * where.spacing_mm, 0 * u], -1)
    direction = (points - focus) @ where.rotation
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return focus @ where.rotation, direction


@dataclass(frozen=True)
class Ellipsoid:
    """A sphere or an ellipsoid with axes along those of the body."""

    name: str
    centre: tuple
    radii: tuple
    smooth = False  # ours follows one ray a pixel

    def chord(self, source, direction):
        """Return the analytic path in mm."""
        point, step = (source - self.centre) / self.radii, direction / self.radii
        a, b = (step**2).sum(-1), (step * point).sum(-1)
        root = b**2 - a * ((point**2).sum(-1) - 1)
        return 2 * np.sqrt(np.maximum(root, 0)) / a

    def clear(self, source, direction):
        """Return True: it has no ends."""
        return np.True_

    def ours(self, where):
        """Return our path in mm."""
        solid = solids.Ellipsoid(np.array(self.centre), np.array(self.radii))
        rays = where.make_rays()
        return solids.length(solids.cross(solid, where, rays)) * rays.stretch

    def mesh(self):
        """Return a mesh with the volume of the solid."""
        import trimesh

        ball = trimesh.creation.icosphere(6)
        ball.apply_scale((4 / 3 * np.pi / ball.volume) ** (1 / 3))
        ball.apply_scale(self.radii)
        return ball.apply_translation(self.centre)


@dataclass(frozen=True)
class Tube:
    """A straight tube with flat ends, solid or hollow."""

    name: str
    ends: tuple
    radius: float
    hollow: float = 0.0
    smooth = True  # ours is the mean over a pixel

    def _axis(self, source, direction):
        """Return start, axis, length, and what rays and focus have along the axis."""
        start, end = np.array(self.ends, "float64")
        stop = np.linalg.norm(end - start)
        axis = (end - start) / stop
        return start, axis, stop, direction @ axis, (source - start) @ axis

    def chord(self, source, direction):
        """Return the analytic path in mm: in a cylinder, between two planes."""
        start, axis, stop, along, offset = self._axis(source, direction)
        planes = np.sort([-offset / along, (stop - offset) / along], axis=0)
        across = direction - along[..., None] * axis
        beside = source - start - offset * axis
        a, b = (across**2).sum(-1), across @ beside
        path = np.zeros(a.shape)
        for radius, sign in ((self.radius, 1), (self.radius * self.hollow, -1)):
            root = np.sqrt(np.maximum(b**2 - a * (beside @ beside - radius**2), 0))
            near = np.maximum(planes[0], (-b - root) / a)
            path += sign * np.maximum(np.minimum(planes[1], (-b + root) / a) - near, 0)
        return path

    def clear(self, source, direction):
        """Return whether a ray meets neither the ends nor the discs that ours lays."""
        start, axis, stop, along, offset = self._axis(source, direction)
        across = direction - along[..., None] * axis
        beside = source - start - offset * axis
        square = (across**2).sum(-1)
        at = offset - along * (across @ beside) / square  # next to the ray
        reach = self.radius * (1 + np.abs(along)) / np.sqrt(square)
        return (at > reach) & (at < stop - reach)

    def ours(self, where):
        """Return our path in mm."""
        curve = np.array(self.ends, "float64")
        return tubes.draw_tubes([curve], self.radius, where, hollow=self.hollow)

    def mesh(self):
        """Return a mesh."""
        return sweep(np.array(self.ends, "float64"), self.radius, self.hollow)


@dataclass(frozen=True)
class Column:
    """An elliptical column along the body's y axis: sections that are all the same."""

    name: str
    centre: tuple
    radii: tuple  # x, half height, z
    smooth = False

    def _cross(self, source, direction):
        """Return where rays cross the round wall, and the two end planes."""
        point, step = (source - self.centre) / self.radii, direction / self.radii
        flat = np.array([1, 0, 1])
        a, b = (step**2 * flat).sum(-1), (step * point * flat).sum(-1)
        root = np.sqrt(np.maximum(b**2 - a * ((point**2 * flat).sum(-1) - 1), 0))
        planes = [(side - point[1]) / step[..., 1] for side in (-1, 1)]
        return (-b - root) / a, (-b + root) / a, *np.sort(planes, axis=0)

    def chord(self, source, direction):
        """Return the analytic path in mm."""
        near, far, first, last = self._cross(source, direction)
        return np.maximum(np.minimum(far, last) - np.maximum(near, first), 0)

    def clear(self, source, direction):
        """Return whether a ray goes through the round wall on both sides."""
        near, far, first, last = self._cross(source, direction)
        return (first < near) & (far < last)

    def ours(self, where):
        """Return our path in mm."""
        y = np.linspace(-2, 2, 801) * self.radii[1]
        x, depth = (
            np.where(np.abs(y) <= self.radii[1], self.radii[i], 0) for i in (0, 2)
        )
        solid = solids.Trunk(
            self.centre[1] + y[0],
            y[1] - y[0],
            x=self.centre[0],
            z=self.centre[2],
            right=x,
            left=x,
            depth=depth,
        )
        rays = where.make_rays()
        return solids.length(solids.cross(solid, where, rays)) * rays.stretch

    def mesh(self):
        """Return a mesh."""
        angle = np.linspace(0, 2 * np.pi, 4 * ROUND, endpoint=False)
        ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
        ends = [(ring + [0, side, 0]) * self.radii + self.centre for side in (-1, 1)]
        return loft(ends)


@dataclass(frozen=True)
class Box:
    """A box along the body's axes. No part of an infant is one: oracles only."""

    name: str
    centre: tuple
    radii: tuple
    smooth = False

    def chord(self, source, direction):
        """Return the analytic path in mm: what lies between three pairs of planes."""
        planes = [self.centre + side * np.array(self.radii) for side in (-1, 1)]
        planes = np.sort([(plane - source) / direction for plane in planes], axis=0)
        return np.maximum(planes[1].min(-1) - planes[0].max(-1), 0)

    def clear(self, source, direction):
        """Return True."""
        return np.True_

    def ours(self, where):
        """Return None."""
        return None

    def mesh(self):
        """Return a mesh."""
        import trimesh

        box = trimesh.creation.box(2 * np.array(self.radii))
        return box.apply_translation(self.centre)


SHAPES = [
    Ellipsoid("sphere, radius 35 mm", (6.0, -9.0, 11.0), (35.0, 35.0, 35.0)),
    Ellipsoid("ellipsoid, 45 x 30 x 20 mm", (-8.0, 12.0, -14.0), (45.0, 30.0, 20.0)),
    Column("elliptical column", (3.0, 5.0, -4.0), (38.0, 60.0, 27.0)),
    Tube("tube, radius 6 mm, across", ((-45, 20, 10), (50, -5, -4)), 6.0),
    Tube("tube, radius 3 mm, 60 degrees up", ((-9, 8, -30), (8, 24, 30)), 3.0),
    Tube("tube, radius 2 mm, 50 mm in front", ((-45, 20, 50), (50, -5, 50)), 2.0),
    Tube("tube, radius 2 mm, 50 mm behind", ((-45, 20, -50), (50, -5, -50)), 2.0),
    Tube("tube, radius 0.5 mm", ((-40, -30, 10), (35, 40, -4)), 0.5),
    Tube("hollow tube, 4 of 6 mm", ((-45, 20, 10), (50, -5, -4)), 6.0, 4 / 6),
    Box("box, 60 x 40 x 30 mm", (4.0, -3.0, 5.0), (30.0, 20.0, 15.0)),
]


def loft(rings):
    """Return the closed mesh around rings, each `(M, 3)`, that follow each other."""
    import trimesh

    rings = np.array(rings)
    num, around, _ = rings.shape
    points = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(1)])
    row, column = np.meshgrid(np.arange(num - 1), np.arange(around), indexing="ij")
    a = (row * around + column).ravel()
    b = (row * around + (column + 1) % around).ravel()
    first = np.arange(around)
    after, last, cap = (first + 1) % around, (num - 1) * around, num * around
    faces = [
        np.stack([a, b, a + around], -1),
        np.stack([b, b + around, a + around], -1),
        np.stack([after, first, np.full(around, cap)], -1),
        np.stack([last + first, last + after, np.full(around, cap + 1)], -1),
    ]
    mesh = trimesh.Trimesh(points, np.concatenate(faces), process=False)
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def sweep(curve: np.ndarray, radius: float, hollow: float = 0.0):
    """Return the mesh of a tube along a polyline, its lumen turned inside out."""
    import trimesh

    tangents = np.gradient(curve, axis=0)
    tangents /= np.linalg.norm(tangents, axis=-1, keepdims=True)
    side = np.cross(tangents[0], np.eye(3)[np.abs(tangents[0]).argmin()])
    angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)[:, None]
    circles = []
    for tangent in tangents:
        side = side - (side @ tangent) * tangent  # carried along without a twist
        side /= np.linalg.norm(side)
        circles.append(np.cos(angle) * side + np.sin(angle) * np.cross(tangent, side))
    # A polygon of the circle's area: its corners lie a little outside.
    radius = radius * np.sqrt(2 * np.pi / ROUND / np.sin(2 * np.pi / ROUND))
    pairs = [*zip(curve, circles, strict=True)]
    meshes = [loft([point + radius * circle for point, circle in pairs])]
    if hollow:
        inner = loft([point + hollow * radius * circle for point, circle in pairs])
        inner.invert()
        meshes.append(inner)
    return trimesh.util.concatenate(meshes)


def wrap(solid):
    """Return the mesh of a solid of `rds_phantoms`."""
    import trimesh

    if isinstance(solid, solids.Ellipsoid):
        return Ellipsoid("", solid.centre, solid.radii).mesh()
    if isinstance(solid, solids.Dome):
        return trimesh.boolean.union([wrap(solid.cap), wrap(solid.base)])
    x, z, right, left, depth = solid.profile[:, :, None]
    full = np.flatnonzero((right + left > 0) & (depth > 0))
    x, z, right, left, depth = (one[full] for one in (x, z, right, left, depth))
    angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    wide = np.where(np.cos(angle) < 0, right, left)
    y = np.broadcast_to(solid.top + solid.pitch * full[:, None], wide.shape)
    return loft(np.stack([x + wide * np.cos(angle), y, z + depth * np.sin(angle)], -1))
